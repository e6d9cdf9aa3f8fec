//! The merge queue: what the Refinery records.
//!
//! Each function looks at the state that the entry is in, so that a step that was recorded before a
//! restart is not recorded again after it.

use ledger::views::Board;
use model::bead::Status;
use model::event::Event;
use model::ids::{MergeId, Seq};
use model::mail::Kind;
use model::merge::{MergeRequest, MergeState, Rejection};
use model::refusal::Refusal;
use model::role::Address;

use crate::beads;
use crate::draft::Draft;

/// The entry called `id`, or that of the bead called so.
pub fn find<'a>(board: &'a Board, id: &MergeId) -> Result<&'a MergeRequest, Refusal> {
    let of_bead = || board.merges.of_bead(&id.as_str().parse().ok()?);
    board.merges.get(id).or_else(of_bead).ok_or_else(|| {
        Refusal::no_such("merge", id.as_str(), board.merges.iter().map(|merge| merge.id.as_str()))
    })
}

/// The entry called `id`, as long as something remains to be done about it.
fn open<'a>(board: &'a Board, id: &MergeId) -> Result<&'a MergeRequest, Refusal> {
    let merge = find(board, id)?;
    if merge.state.is_open() {
        Ok(merge)
    } else {
        Err(Refusal::failed("merge_over", format!("{id} is {} already", merge.state.as_str())))
    }
}

/// Takes what the Witness has verified into the queue of the rig. A bead that was in it before keeps
/// its entry and gets another attempt.
pub fn submit(draft: &mut Draft<'_>, kind: &Kind) -> Result<(), Refusal> {
    let Kind::MergeReady { bead, worker, branch, head } = kind else {
        return Err(Refusal::failed("not_merge_ready", "only a MERGE_READY letter puts work into the queue"));
    };
    let board = draft.board;
    let record = beads::find(board, bead)?;
    let hook = board.hooks.on(bead).filter(|hook| hook.agent == *worker);
    let Some(rig) = worker.rig().filter(|_| hook.is_some() && record.status != Status::Closed) else {
        return Err(Refusal::failed(
            "stale",
            format!("{bead} does not hang on the hook of {worker} any more"),
        ));
    };
    let before = board.merges.of_bead(bead).filter(|merge| {
        merge.worker == *worker
            && !matches!(merge.state, MergeState::Landed { .. } | MergeState::Withdrawn { .. })
    });
    let merge = match before {
        Some(before) => MergeRequest {
            branch: branch.clone(),
            head: head.clone(),
            priority: record.priority,
            queued_at: Seq::default(),
            attempts: before.attempts + 1,
            state: MergeState::Queued,
            landed_at: None,
            ..before.clone()
        },
        None => MergeRequest {
            attempts: 1,
            ..MergeRequest::new(
                draft.merge_id(),
                rig.clone(),
                record,
                worker.clone(),
                (branch.clone(), head.clone()),
                draft.now,
            )
        },
    };
    draft.push(Event::MqSubmitted { merge: Box::new(merge) });
    Ok(())
}

/// Records that the merge result is being gated.
pub fn testing(draft: &mut Draft<'_>, id: &MergeId, base: &str, commit: &str) -> Result<(), Refusal> {
    open(draft.board, id)?;
    draft.push(Event::MqTesting { merge: id.clone(), base: base.to_owned(), commit: commit.to_owned() });
    Ok(())
}

/// Records that `commit` will be pushed, with `own` as the request's own merge commit.
pub(crate) fn pushing(
    draft: &mut Draft<'_>,
    id: &MergeId,
    base: &str,
    commit: &str,
    own: &str,
) -> Result<(), Refusal> {
    open(draft.board, id)?;
    draft.push(Event::MqPushing {
        merge: id.clone(),
        base: base.to_owned(),
        commit: commit.to_owned(),
        own: (own != commit).then(|| own.to_owned()),
    });
    Ok(())
}

/// Records that the merge commit was seen on the target branch at the remote: the bead is closed,
/// and the Witness told.
pub fn landed(draft: &mut Draft<'_>, id: &MergeId, commit: &str, target: &str) -> Result<(), Refusal> {
    let merge = open(draft.board, id)?;
    let (bead, worker) = (merge.bead.clone(), merge.worker.clone());
    draft.push(Event::MqLanded {
        merge: id.clone(),
        bead: bead.clone(),
        worker: worker.clone(),
        commit: commit.to_owned(),
        target: target.to_owned(),
    });
    let short: String = commit.chars().take(12).collect();
    beads::shut(draft, &bead, &format!("landed on {target} as {short}"));
    let kind = Kind::Merged {
        merge: id.clone(),
        bead,
        worker,
        commit: commit.to_owned(),
        target: target.to_owned(),
    };
    draft.send(&Address::Witness(merge.rig.clone()), kind);
    Ok(())
}

/// Records that the queue gives an entry back, and tells the Witness. After `max_attempts` a person
/// is told as well, and the worker is not asked again.
pub fn rejected(
    draft: &mut Draft<'_>,
    id: &MergeId,
    rejection: Rejection,
    max_attempts: u32,
) -> Result<(), Refusal> {
    let merge = open(draft.board, id)?;
    let (bead, worker) = (merge.bead.clone(), merge.worker.clone());
    draft.push(Event::MqRejected {
        merge: id.clone(),
        bead: bead.clone(),
        worker: worker.clone(),
        rejection: rejection.clone(),
    });
    if merge.faults_after(&rejection) >= max_attempts {
        draft.push(Event::AgentHeld {
            agent: worker.clone(),
            held: true,
            reason: format!("{bead} was given back {max_attempts} times for faults of its own"),
        });
        draft.escalate(
            "high",
            (Some(bead.clone()), Some(worker.clone())),
            format!("{bead} does not land after {} attempts: {}", merge.attempts, rejection.headline()),
            format!(
                "{}\n\nTo let {worker} try again: gastown agent start {worker}\nTo take the bead back: \
                 gastown unsling {bead} --force",
                model::mail::explain(&rejection)
            ),
            &[Address::Mayor, Address::Overseer],
        );
    }
    let witness = Address::Witness(merge.rig.clone());
    let merge = id.clone();
    let kind = match rejection {
        Rejection::Conflict { .. } => Kind::ReworkRequest { merge, bead, worker, rejection },
        Rejection::Gate { .. } | Rejection::Unfit { .. } => {
            Kind::MergeFailed { merge, bead, worker, rejection }
        }
    };
    draft.send(&witness, kind);
    Ok(())
}

/// Records that an entry goes back to its place.
pub fn requeued(draft: &mut Draft<'_>, id: &MergeId, reason: &str) -> Result<(), Refusal> {
    open(draft.board, id)?;
    draft.push(Event::MqRequeued { merge: id.clone(), reason: reason.to_owned() });
    Ok(())
}

/// Records that an entry waits for the world to change; `tell` says whether a person is told, once.
pub(crate) fn hold(
    draft: &mut Draft<'_>,
    id: &MergeId,
    why: &str,
    hint: Option<&str>,
    tell: bool,
) -> Result<(), Refusal> {
    let merge = open(draft.board, id)?;
    if matches!(&merge.state, MergeState::Held { why: before, .. } if before == why) {
        return Ok(());
    }
    let known = draft.board.escalations.open().any(|known| known.bead.as_ref() == Some(&merge.bead));
    draft.push(Event::MqHeld { merge: id.clone(), why: why.to_owned(), hint: hint.map(str::to_owned) });
    if tell && !known {
        let body = format!("{why}\n\n{}", hint.unwrap_or("It is tried again from time to time."));
        draft.escalate(
            "high",
            (Some(merge.bead.clone()), None),
            format!("{} cannot land: {}", merge.bead, why.lines().next().unwrap_or(why)),
            body,
            &[Address::Overseer],
        );
    }
    Ok(())
}

/// Puts a held or rejected entry back into the queue, on a person's word.
pub fn retry(draft: &mut Draft<'_>, id: &MergeId) -> Result<(), Refusal> {
    let merge = find(draft.board, id)?;
    let id = &merge.id;
    match merge.state {
        MergeState::Held { .. } => {
            draft.push(Event::MqRequeued { merge: id.clone(), reason: "asked for".into() });
            Ok(())
        }
        MergeState::Rejected { .. } => {
            let hook = draft.board.hooks.on(&merge.bead);
            if hook.is_none_or(|hook| hook.agent != merge.worker) {
                return Err(Refusal::forbidden("stale", format!("{} has been taken back", merge.bead)));
            }
            let again =
                MergeRequest { state: MergeState::Queued, queued_at: Seq::default(), ..merge.clone() };
            draft.push(Event::MqSubmitted { merge: Box::new(again) });
            Ok(())
        }
        MergeState::Landed { .. } | MergeState::Withdrawn { .. } => {
            Err(Refusal::failed("merge_over", format!("{id} is {} already", merge.state.as_str())))
        }
        _ => Err(Refusal::failed("in_queue", format!("{id} is in the queue already"))),
    }
}
