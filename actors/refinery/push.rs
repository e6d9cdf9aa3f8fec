//! The push of what was gated green, and the look at the remote that alone decides whether it has landed.
//!
//! What will be pushed is recorded first, so that a restart at any point either finds it at the remote and records
//! the landing, or begins anew on what stands there then.

use git::Oid;
use git::landing::Landing;
use git::train::{Car, Train};
use model::merge::MergeState;
use model::queue::Run;

use super::run::over;
use super::work::{self, Trouble, Work};

/// Lands what `run` has shown to be green, on `base`.
///
/// # Errors
/// What keeps it from landing.
pub(super) async fn push(work: &Work, run: &Run, base: Oid) -> Result<(), Trouble> {
    let merges = work.requests(run)?;
    // It may have gone through before a restart: the remote knows.
    let begun = merges.iter().find_map(|merge| match &merge.state {
        MergeState::Pushing { commit, .. } => Oid::from_str(commit).ok(),
        _ => None,
    });
    if let Some(commit) = begun {
        let target = work.target().to_owned();
        if work.git(move |repo| git::landing::look(repo, &target, commit)).await? {
            return landed(work, run, commit).await;
        }
    }
    let cars: Option<Vec<Car>> = merges.iter().map(|merge| work.car(merge)).collect();
    let cars = cars.ok_or_else(|| Trouble::stuck("a head in the queue is not a commit"))?;
    let stack = cars.clone();
    let train = work.git(move |repo| git::train::build(repo, base, &stack)).await?;
    let parts = match train {
        Train::Whole(parts) => parts,
        Train::Landed { at, commit } => {
            let (id, commit) = (merges[at].id.clone(), commit.to_string());
            let found = work.record(move |draft, setting| clerk::queue::found(draft, setting, &id, &commit));
            return over(found.await);
        }
        // Not what was gated: everything is looked at again.
        _ => return anew(work, base).await,
    };
    let green: Vec<bool> = work.tools.look(|board| {
        let known = board.queues.get(work.rig());
        let green = |tree| known.is_some_and(|known| known.state.memo().of(&work.tree(tree)).green);
        parts.iter().map(|part| !work.setting.gated || green(part.tree)).collect()
    });
    if green.last() != Some(&true) {
        return anew(work, base).await;
    }
    // As many commits on the target's line as trees are known to be green.
    let ends: Vec<usize> = (1..=green.len()).filter(|end| green[end - 1]).collect();
    let words = work.clone();
    let coupled =
        work.git(move |repo| git::train::couple(repo, base, &cars, &ends, |cars| words.batch(cars))).await?;
    let Some((commit, _)) = coupled.line.last().copied() else { return anew(work, base).await };
    let ids: Vec<_> = merges.iter().map(|merge| merge.id.clone()).collect();
    let (push, id) = (work::push(work, base, &ids, &coupled), run.id);
    let decided = work.record(move |draft, setting| clerk::queue::pushing(draft, setting, id, &push)).await;
    match decided {
        Err(Trouble::Refused(refusal))
            if ["not_green", "stale", "merge_over"].contains(&refusal.code.as_str()) =>
        {
            tracing::info!(rig = %work.rig(), %refusal, "what was to be pushed is looked at again");
            return anew(work, base).await;
        }
        other => other?,
    }
    let target = work.target().to_owned();
    match work.git(move |repo| git::landing::land(repo, &target, base, commit)).await? {
        Landing::Landed { .. } => landed(work, run, commit).await,
        Landing::Moved { now } => anew(work, now).await,
        Landing::Refused { reason, hint } => Err(Trouble::Stuck { why: reason, hint: Some(hint) }),
    }
}

async fn landed(work: &Work, run: &Run, head: Oid) -> Result<(), Trouble> {
    let (run, head) = (run.id, head.to_string());
    work.record(move |draft, setting| clerk::queue::landed(draft, setting, run, &head)).await
}

/// The target stands at `head`, and what was gated was gated on something else.
async fn anew(work: &Work, head: Oid) -> Result<(), Trouble> {
    let head = head.to_string();
    work.record(move |draft, setting| clerk::queue::moved(draft, setting, &head)).await
}
