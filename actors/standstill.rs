//! What people make stand still or end, with the doing: the town frozen and thawed, a rig stopped and
//! started, an agent killed. What of it is a rule is the clerk's.

use std::sync::Arc;
use std::time::Duration;

use clerk::names;
use model::answer::{Answer, FreezeReport};
use model::command::{Command, Origin};
use model::ids::RigName;
use model::refusal::Refusal;
use model::role::Address;
use pty::Signal;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::directory::Ask;
use crate::errand::blocking;
use crate::tools::Tools;

/// How long a killed program is waited for.
const KILLED_WITHIN: Duration = Duration::from_secs(5);

/// Stops every process of every session and gate where it is, then records that.
///
/// In this order: it is for when something goes wrong, and the disk may be what does.
///
/// # Errors
/// `not_recorded`: everything stands still, and the next runtime would not know.
pub(crate) async fn freeze(
    tools: &Tools,
    origin: &Origin,
    reason: Option<String>,
) -> Result<Answer, Refusal> {
    let first = tools.freeze.freeze();
    let sessions = tools.directory.sessions();
    for (agent, live) in &sessions {
        if let Err(error) = live.terminal.signal_group(Signal::Stop) {
            tracing::warn!(%agent, %error, "cannot stop a session's processes");
        }
    }
    let (host, town) = (Arc::clone(&tools.host), tools.paths.root().to_owned());
    match blocking(move || host.halt_town(&town)).await {
        // The second time everybody sleeps.
        Ok(asleep) if first => tools.freeze.remember(asleep),
        Ok(_) => {}
        Err(panic) => tracing::warn!(%panic, "not every process could be stopped"),
    }
    tracing::warn!(by = %origin.actor(), reason = reason.as_deref().unwrap_or("none given"), "the town is frozen");
    let actor = origin.actor();
    let record = move |board: &ledger::views::Board, now| {
        let mut draft = clerk::draft::Draft::new(board, actor, now);
        let answer = clerk::standstill::freeze(&mut draft, reason.as_deref());
        Ok((draft.finish(), answer))
    };
    let report = tools.decide(record).await.map_err(|refusal| {
        Refusal::failed(
            "not_recorded",
            format!("everything stands still, and that is not recorded: {refusal}"),
        )
        .hint("`gastown thaw` lets it go on; a runtime that is started anew would not know of it")
    })?;
    Ok(counted(report, sessions.len(), first))
}

/// Records that everything goes on, and lets it.
///
/// # Errors
/// When that cannot be recorded: then it stands still as before.
pub(crate) async fn thaw(tools: &Tools, origin: &Origin) -> Result<Answer, Refusal> {
    let actor = origin.actor();
    let record = move |board: &ledger::views::Board, now| {
        let mut draft = clerk::draft::Draft::new(board, actor, now);
        let answer = clerk::standstill::thaw(&mut draft);
        Ok((draft.finish(), answer))
    };
    let report = tools.decide(record).await?;
    let was = tools.freeze.is_frozen();
    let sessions = tools.directory.sessions();
    if was {
        for (agent, live) in &sessions {
            if let Err(error) = live.terminal.signal_group(Signal::Continue) {
                tracing::warn!(%agent, %error, "cannot let a session's processes go on");
            }
        }
        let (host, town, asleep) =
            (Arc::clone(&tools.host), tools.paths.root().to_owned(), tools.freeze.recall());
        if let Err(panic) = blocking(move || host.wake_town(&town, &asleep)).await {
            tracing::warn!(%panic, "not every process could be let go on");
        }
        tools.freeze.thaw();
        tools.directory.ring_all();
        tracing::info!(by = %origin.actor(), "the town is thawed");
    }
    Ok(counted(report, sessions.len(), was))
}

fn counted(answer: Answer, sessions: usize, changed: bool) -> Answer {
    match answer {
        Answer::Freeze(report) => {
            Answer::Freeze(FreezeReport { sessions, changed: report.changed || changed, ..report })
        }
        other => other,
    }
}

/// Ends the sessions and actors of one rig; answers when nothing is left of them.
///
/// # Errors
/// `no_such_rig`; what its supervisor says.
pub(crate) async fn rig_stop(tools: &Tools, origin: &Origin, rig: RigName) -> Result<Answer, Refusal> {
    let named = rig.clone();
    tools.note(&origin.actor(), move |draft| clerk::standstill::stop(draft, &named)).await?;
    let Some(nursery) = tools.nursery.get() else { return Ok(Answer::Done) };
    let (done, ended) = oneshot::channel();
    nursery.close_rig(&rig, done);
    match ended.await {
        Ok(result) => result.map(|()| Answer::Done),
        Err(_) => Err(Refusal::failed("not_there", format!("nobody could end rig {rig}"))
            .hint("see `gastown tree`, then try again")),
    }
}

/// Starts the actors of a rig that was stopped.
///
/// # Errors
/// `no_such_rig`.
pub(crate) async fn rig_start(tools: &Tools, origin: &Origin, rig: RigName) -> Result<Answer, Refusal> {
    let named = rig.clone();
    tools.note(&origin.actor(), move |draft| clerk::standstill::start(draft, &named)).await?;
    if let Some(nursery) = tools.nursery.get() {
        nursery.open_rig(&rig);
    }
    Ok(Answer::Done)
}

/// Kills an agent's session, and holds the agent back unless it is to begin the next one.
///
/// # Errors
/// `no_such_agent`; `no_session`.
pub(crate) async fn kill(
    tools: &Tools,
    origin: &Origin,
    agent: &str,
    restart: bool,
) -> Result<Answer, Refusal> {
    let address = tools.look(|board| names::address(board, agent))?;
    let live = tools.directory.session(&address).ok_or_else(|| no_session(tools, &address))?;
    let why = format!("killed by {}", origin.actor());
    let mut recorded = Ok(());
    if restart {
        tools.freeze.check("no session begins")?;
        tools.directory.ask(&address, |reply| Ask::Restart { symptom: None, reply }).await?;
    } else {
        let (held, reason) = (address.clone(), why.clone());
        let hold = move |draft: &mut clerk::draft::Draft<'_>| {
            clerk::agents::hold(draft, &held, true, &reason);
            Ok(())
        };
        // It is killed all the same: a disk that takes no writes may be its doing.
        recorded = tools.note(&origin.actor(), hold).await;
    }
    // Both ways its role asks it to end; this does not ask.
    live.kill(&why, !restart);
    if timeout(KILLED_WITHIN, live.terminal.exited()).await.is_err() {
        return Err(Refusal::failed(
            "still_there",
            format!("the program of {address} was killed and does not go away"),
        )
        .hint(format!("process {} may wait for a disk or a device: see `ps`", live.terminal.pid())));
    }
    recorded.map(|()| Answer::Done).map_err(|refusal| {
        Refusal::failed("not_recorded", format!("{address} was killed, and may begin again: {refusal}"))
            .hint(format!("hold it back when the disk can again: gastown agent stop {address}"))
    })
}

/// The refusal for an agent that has no session now.
pub(crate) fn no_session(tools: &Tools, agent: &Address) -> Refusal {
    let state = tools.look(|board| board.agents.state(agent));
    Refusal::failed("no_session", format!("{agent} has no session now: it is {state}"))
        .hint("see `gastown status`, or what it last showed with `gastown peek`")
}

/// Refuses what would begin a session or type something while everything stands still.
///
/// # Errors
/// `town_frozen`.
pub(crate) fn check(tools: &Tools, command: &Command) -> Result<(), Refusal> {
    match command {
        Command::AgentStart { .. } | Command::AgentRestart { .. } => tools.freeze.check("no session begins"),
        Command::Nudge { .. } => tools.freeze.check("nothing is typed"),
        _ => Ok(()),
    }
}
