//! The look at the remote, and at what new requests touch, before a plan is made.

use std::collections::BTreeMap;

use clerk::queue::Look;
use git::Oid;
use model::ids::MergeId;
use model::queue::Footprint;

use super::work::{Trouble, Work};

/// The most paths of a change that are looked at. What touches more has something in common with everything.
const PATHS: usize = 500;

/// Asks the remote where the target stands.
///
/// # Errors
/// When it does not say.
pub(super) async fn look(work: &Work, trial: Option<MergeId>) -> Result<Look, Trouble> {
    let (unknown, since): (Vec<(MergeId, String)>, Option<String>) = work.tools.look(|board| {
        let known = board.queues.get(work.rig());
        let is_known = |id| known.is_some_and(|known| known.state.entries().contains_key(id));
        let open = board.merges.queue(work.rig()).into_iter().filter(|merge| !is_known(&merge.id));
        let unknown = open.map(|merge| (merge.id.clone(), merge.head.clone())).collect();
        (unknown, known.and_then(|known| known.head.clone()))
    });
    let (target, lanes) = (work.target().to_owned(), work.config.merge.lanes());
    work.git(move |repo| {
        git::fence::install(repo, &target)?;
        let head = repo.fetch_branch(&target)?;
        let mut prints = BTreeMap::new();
        for (id, commit) in unknown {
            // One that cannot be read is found out when it is merged.
            let touched = Oid::from_str(&commit)
                .ok()
                .and_then(|commit| git::train::touches(repo, head, commit, PATHS).ok().flatten());
            if let Some(paths) = touched {
                prints.insert(id, Footprint::of(paths.iter().map(String::as_str), &lanes));
            }
        }
        Ok(Look { since, head: head.to_string(), prints, trial })
    })
    .await
}
