//! Gives ended sessions their verdict, for whoever watches over them: the Witness in its rig, the
//! Deacon in the town.

use std::sync::Arc;

use clerk::agents::{self, Judged};
use clerk::strategy::Rules;
use config::town::Policies;
use model::agent::SessionEnd;
use model::ids::SessionId;
use model::refusal::Refusal;
use model::role::Address;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::errand::blocking;
use crate::tools::Tools;
use crate::witness::verdict::{Evidence, judge};

/// How much of a screen is kept with a failure, in lines.
const CONTEXT: usize = 200;

/// How many are looked at side by side.
const AT_ONCE: usize = 8;

/// Judges all ended sessions of those whom `watches` names.
///
/// # Errors
/// The scribe's refusal.
pub(crate) async fn all(
    tools: &Tools,
    watcher: &Address,
    watches: impl Fn(&Address) -> bool + Copy,
) -> Result<(), Refusal> {
    let ended: Vec<(Address, SessionId, bool)> = tools.look(|board| {
        agents::without_verdict(board, watches)
            .map(|(agent, open)| (agent.clone(), open.id.clone(), open.end == Some(SessionEnd::Lost)))
            .collect()
    });
    let town = tools.town();
    let rules = rules(&town.town.policies);
    // What is kept of each is gathered side by side: after a crash all are judged at once, and until then none goes on.
    let mut gathering = JoinSet::new();
    let places = Arc::new(Semaphore::new(AT_ONCE));
    for (agent, session, lost) in ended {
        let (tools, places) = (tools.clone(), Arc::clone(&places));
        gathering.spawn(async move {
            let _place = places.acquire_owned().await;
            let recording = tools.paths.session_log(&agent, &session);
            let output =
                blocking(move || pty::replay::tail(&recording, CONTEXT)).await.ok().and_then(Result::ok);
            let output = output.filter(|text| !text.trim().is_empty());
            // Who went down with the runtime goes on in the same worktree: what is in it says nothing of the end.
            let diff = if lost { None } else { unfinished(&tools, &agent).await };
            (agent, session, output, diff)
        });
    }
    while let Some(gathered) = gathering.join_next().await {
        let Ok((agent, session, output, diff)) = gathered else { continue };
        let (rules, pool) = (rules.clone(), agent.rig().and_then(|rig| town.rig(rig).ok()));
        let pool = pool.map(|rig| rig.workers.clone()).unwrap_or_default();
        let write = move |draft: &mut clerk::draft::Draft<'_>| {
            let board = draft.board;
            let open = board.agents.get(&agent).and_then(|agent| agent.session.as_ref());
            let Some(open) = open.filter(|open| open.id == session) else { return Ok(()) };
            let Some(end) = open.end.as_ref() else { return Ok(()) };
            let evidence = Evidence {
                end,
                symptom: open.symptom,
                state: board.agents.state(&agent),
                finished: match agent {
                    Address::Polecat(..) => {
                        board.hooks.of(&agent).is_none_or(|hook| !hook.stage.wants_session())
                    }
                    // A seat's session that exits by itself has done what it was started for.
                    _ => open.symptom.is_none() && matches!(end, SessionEnd::Exited { code: 0 }),
                },
            };
            let (verdict, detail) = (judge(&evidence), end.to_string());
            let judged = Judged { agent, session, verdict, detail, output, diff };
            agents::judged(draft, judged, &rules, &pool)
        };
        tools.write(watcher, write).await?;
    }
    Ok(())
}

/// What the town has set about what follows from failures.
pub fn rules(policies: &Policies) -> Rules {
    Rules {
        max_failures: policies.max_failures,
        max_setbacks: policies.max_setbacks,
        redispatch_after: policies.redispatch_after,
        quarantine_after: policies.quarantine_after,
        quarantine: policies.quarantine,
    }
}

/// What the worktree of `agent` holds that its target branch does not; none when that cannot be said.
pub(crate) async fn unfinished(tools: &Tools, agent: &Address) -> Option<String> {
    let Address::Polecat(rig, name) = agent else { return None };
    let sandbox = tools.look(|board| {
        let wanted = board.hooks.of(agent).is_some_and(|hook| hook.stage.wants_session());
        board.agents.get(agent).filter(|_| wanted).and_then(|agent| agent.sandbox.clone())
    })?;
    let place = match &sandbox.at {
        Some(Address::Polecat(_, before)) => tools.paths.rig(rig).polecat(before),
        _ => tools.paths.rig(rig).polecat(name),
    };
    let stat = blocking(move || {
        let base = git::Oid::from_str(&sandbox.base).ok()?;
        git::status::diff_stat(&place, base).ok()
    });
    stat.await.ok().flatten().filter(|stat| !stat.is_empty())
}
