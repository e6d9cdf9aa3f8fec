//! The look at the remote, and at what new requests touch, before a plan is made.

use std::collections::BTreeMap;

use clerk::queue::Look;
use git::outside::Stranger;
use git::{Oid, Repo};
use model::ids::MergeId;
use model::queue::{Footprint, Outside};
use model::role::Address;

use super::work::{Trouble, Work};

/// The most paths of a change that are looked at. What touches more has something in common with everything.
const PATHS: usize = 500;

/// The most commits of others that are named when the target has moved.
const STRANGERS: usize = 20;

/// What others have put on the target between `before` and `head`: what `me`, the refinery, has not committed.
pub(super) fn strangers(repo: &Repo, before: Oid, head: Oid, me: &Address) -> Vec<Outside> {
    if before == head {
        return Vec::new();
    }
    let found = git::outside::strangers(repo, before, head, STRANGERS).unwrap_or_else(|error| {
        tracing::warn!(%error, %me, "cannot see who has moved the target");
        Vec::new()
    });
    let told = |one: Stranger| {
        let agent: Option<Address> = one.by.parse().ok();
        Outside {
            commit: one.commit.to_string(),
            agent: agent.filter(|agent| *agent != Address::Overseer),
            by: one.by,
            subject: one.subject,
        }
    };
    found.into_iter().map(told).filter(|one| one.agent.as_ref() != Some(me)).collect()
}

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
    let me = work.me();
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
        let before = since.as_deref().and_then(|since| Oid::from_str(since).ok());
        let outside = before.map(|before| strangers(repo, before, head, &me)).unwrap_or_default();
        Ok(Look { since, head: head.to_string(), prints, trial, outside })
    })
    .await
}
