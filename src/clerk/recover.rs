//! `gastown recover`: a bead that nobody goes on with is brought back. Pure: what has to be looked at outside the
//! ledger comes as [`Facts`].
//!
//! | broken | brought back |
//! |---|---|
//! | its sessions have failed too often; its worker has failed, waits for a person, is held back or in quarantine | the count begins anew, the worker is let go: running |
//! | it waits for a time after a failure or a limit | it goes on now: running |
//! | its worker is gone, and nobody wakes it | hook and worktree go to another worker: running |
//! | its status says that somebody has it, and it hangs on no hook | open: ready |
//! | a worker left it as blocked, refactor or escalate | open, with its branch: ready |
//! | its merge request is held, or was given back too often | it is tried again, by queue or worker: running |
//! | a letter about it could not be handled | it is handled afresh: running |
//! | its merge commit is on the target branch, and it is not closed | closed |
//! | it is closed, and its work is not on the target branch | open, with its branch: ready |
//! | work in its worktree could not be saved | saved, or moved aside as it is |
//! | its worktree or branch is gone | made again where the next session starts |
//!
//! Said again, there is nothing to do.

use ledger::views::Board;
use ledger::views::agents::Agent;
use ledger::views::trials::Trial;
use model::agent::{AgentState, Verdict};
use model::answer::RecoveredRow;
use model::bead::{Bead, Move, Status};
use model::event::Event;
use model::hook::{Hook, Stage};
use model::ids::{AgentName, BeadId, RigName};
use model::mail::Kind;
use model::merge::{MergeRequest, MergeState};
use model::recovery::Strategy;
use model::refusal::Refusal;
use model::role::Address;
use model::time::Timestamp;

use crate::book::Book;
use crate::draft::Draft;
use crate::{agents, beads, hooks, merges, moving};

/// A merge commit of a bead that was seen on the target branch at the remote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Landed {
    /// The merge commit.
    pub commit: String,
    /// The target branch.
    pub target: String,
    /// The head that it merged.
    pub head: String,
}

/// A branch with work at a bead that is not on the target branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unlanded {
    /// The branch.
    pub branch: String,
    /// Its head.
    pub head: String,
}

/// What came of saving work that could not be saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Saving {
    /// It is on this branch, pushed or in the bundle that is named.
    Saved {
        /// The branch.
        branch: String,
        /// Its commit.
        commit: String,
        /// The bundle, if it could not be pushed.
        bundle: Option<String>,
    },
    /// There was nothing to save any more.
    Nothing,
    /// Git cannot save it: the folder was moved aside as it is.
    Aside {
        /// Where it is now.
        folder: String,
        /// Why it could not be saved.
        why: String,
    },
}

/// What was looked at outside the ledger.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Whether a runtime is up.
    pub live: bool,
    /// Whether the bead's worker has a session whose program runs.
    pub session: bool,
    /// Its merge commit, where the target branch has it.
    pub landed: Option<Landed>,
    /// The commit by which it has landed, where the target branch does not have it.
    pub vanished: Option<String>,
    /// A branch with work of its own.
    pub unlanded: Option<Unlanded>,
    /// What is wrong with the worktree, in a few words.
    pub worktree: Option<String>,
    /// What came of saving work at risk.
    pub saving: Option<Saving>,
    /// Why the remote could not be asked.
    pub unasked: Option<String>,
}

/// Which beads need bringing back: those that wait for a person because something broke, by name. What a worker has
/// left on purpose is not among them.
pub fn broken(board: &Board, rig: Option<&RigName>) -> Vec<BeadId> {
    let is_broken = |bead: &&Bead| {
        let id = &bead.id;
        if bead.status == Status::Closed || rig.is_some_and(|rig| bead.rig.as_ref() != Some(rig)) {
            return false;
        }
        let trial = board.trials.of(id);
        let stands =
            matches!(trial.and_then(|trial| trial.strategy), Some(Strategy::Person | Strategy::Escalate));
        let holder = board.hooks.on(id);
        let worker = holder.and_then(|hook| board.agents.get(&hook.agent));
        let hangs =
            worker.is_some_and(|worker| worker.held || worker.given_up || worker.state == AgentState::Failed);
        let lost = bead.status == Status::Hooked && holder.is_none();
        let merge = board.merges.of_bead(id);
        let held = merge.is_some_and(|merge| matches!(merge.state, MergeState::Held { .. }));
        stands
            || hangs
            || lost
            || held
            || at_risk(board, id).is_some()
            || dead_letters(board, id).next().is_some()
    };
    board.beads.iter().filter(is_broken).map(|bead| bead.id.clone()).collect()
}

/// Whose worktree for `bead` holds work that cannot be saved.
pub fn at_risk<'a>(board: &'a Board, bead: &BeadId) -> Option<(&'a Address, &'a Agent)> {
    board.agents.iter().find(|(_, agent)| {
        agent.leaving.at_risk.is_some() && agent.sandbox.as_ref().is_some_and(|sandbox| sandbox.bead == *bead)
    })
}

/// Letters for code that are about `bead` and could not be handled.
fn dead_letters<'a>(
    board: &'a Board,
    bead: &'a BeadId,
) -> impl Iterator<Item = &'a ledger::views::mail::Post> {
    board.mail.dead().filter(move |post| {
        let about = match &post.letter.kind {
            Kind::PolecatDone { bead, .. }
            | Kind::MergeReady { bead, .. }
            | Kind::Merged { bead, .. }
            | Kind::MergeFailed { bead, .. }
            | Kind::ReworkRequest { bead, .. } => Some(bead),
            _ => None,
        };
        about == Some(bead)
    })
}

/// What is being said while a bead is brought back.
struct Report<'d, 'b> {
    draft: &'d mut Draft<'b>,
    did: Vec<String>,
    by: String,
}

impl Report<'_, '_> {
    fn say(&mut self, what: String) {
        self.did.push(what);
    }
}

/// Brings `id` back. What was done is in the row; nothing when nothing was wrong.
///
/// # Errors
/// `no_such_bead`, with near matches; `claimed` when a person has it.
pub fn recover(
    draft: &mut Draft<'_>,
    book: &dyn Book,
    id: &BeadId,
    facts: &Facts,
) -> Result<RecoveredRow, Refusal> {
    let board = draft.board;
    let bead = beads::find(board, id)?;
    let by = format!("recovered by {}", draft.actor());
    let mut report = Report { draft, did: Vec::new(), by };
    saved(&mut report, board, id, facts);
    letters(&mut report, board, id);
    let state = match (bead.status, board.hooks.on(id)) {
        (Status::Closed, hook) => closed(&mut report, bead, hook, facts),
        _ if landed(&mut report, bead, facts)? => "closed",
        (_, Some(hook)) => hooked(&mut report, book, bead, hook, facts)?,
        (_, None) => loose(&mut report, bead, facts)?,
    };
    if let Some(why) = &facts.unasked
        && !report.did.is_empty()
    {
        report.say(format!("the remote could not be asked what has landed: {why}"));
    }
    if !report.did.is_empty() {
        note_taken(report.draft, id);
    }
    let hint = hint(board, bead, state, facts, &report.did);
    Ok(RecoveredRow { bead: id.clone(), state: state.to_owned(), did: report.did, hint, dry_run: false })
}

fn hint(board: &Board, bead: &Bead, state: &str, facts: &Facts, did: &[String]) -> Option<String> {
    let rig = bead.rig.as_ref().map_or("RIG", |rig| rig.as_str());
    match state {
        "ready" if board.hooks.waiting(&bead.id).is_none() => {
            Some(format!("gastown sling {} {rig}", bead.id))
        }
        "running" | "ready" if !facts.live => Some("gastown run".to_owned()),
        "waiting" => Some(format!("gastown why {}", bead.id)),
        _ if did.is_empty() => Some(format!("gastown why {}", bead.id)),
        _ => None,
    }
}

/// Whoever types this has taken note of what was escalated about the bead.
fn note_taken(draft: &mut Draft<'_>, id: &BeadId) {
    let open: Vec<_> =
        draft.board.escalations.open().filter(|known| known.bead.as_ref() == Some(id)).collect();
    for known in open {
        draft.push(Event::EscalationAcked { escalation: known.id.clone(), note: None });
    }
}

/// Work that could not be saved.
fn saved(report: &mut Report<'_, '_>, board: &Board, id: &BeadId, facts: &Facts) {
    let Some((agent, view)) = at_risk(board, id) else { return };
    let (agent, folder) = (agent.clone(), view.leaving.at_risk.as_ref().map(|risk| risk.folder.clone()));
    match &facts.saving {
        Some(Saving::Saved { branch, commit, bundle }) => {
            let at = bundle.as_ref().map_or_else(String::new, |bundle| format!(", in the bundle {bundle}"));
            report.say(format!("what {agent} had in its worktree is saved on {branch}{at}"));
            report.draft.push(Event::WorkRescued {
                agent,
                bead: Some(id.clone()),
                branch: branch.clone(),
                commit: commit.clone(),
                bundle: bundle.clone(),
                reason: report.by.clone(),
            });
        }
        Some(Saving::Nothing) => {
            report.say(format!("the worktree of {agent} holds nothing unsaved any more"))
        }
        Some(Saving::Aside { folder: now, why }) => {
            report
                .say(format!("git cannot save the worktree of {agent} ({why}): it is now {now}, as it was"));
            let branch = view.sandbox.as_ref().map(|sandbox| sandbox.branch.clone()).unwrap_or_default();
            report.draft.push(Event::FilesMovedAside {
                agent: agent.clone(),
                bead: id.clone(),
                folder: now.clone(),
            });
            report.draft.push(Event::SandboxRemoved { agent, bead: id.clone(), branch, left: None });
        }
        None => {
            let folder = folder.unwrap_or_default();
            report.say(format!("{folder} is saved anew, or moved aside"));
        }
    }
    report.draft.recovered(id, &report.by);
}

/// Letters that could not be handled are handled afresh.
fn letters(report: &mut Report<'_, '_>, board: &Board, id: &BeadId) {
    for post in dead_letters(board, id) {
        let letter = &post.letter;
        report.say(format!(
            "letter {} ({}) to {} is handled afresh",
            letter.id,
            letter.kind.name(),
            letter.to
        ));
        report.draft.push(Event::MailRetried { mail: letter.id.clone() });
    }
}

/// A bead that is closed: rightly so, or its work has never landed.
fn closed(report: &mut Report<'_, '_>, bead: &Bead, hook: Option<&Hook>, facts: &Facts) -> &'static str {
    let id = &bead.id;
    let why = match (&facts.vanished, &facts.unlanded) {
        (Some(commit), _) => {
            let short: String = commit.chars().take(12).collect();
            format!("its landing {short} is not on the target branch")
        }
        (None, Some(unlanded)) if facts.landed.is_none() => {
            format!("its work on {} has not landed", unlanded.branch)
        }
        _ => {
            if let Some(hook) = hook.filter(|hook| hook.stage != Stage::Landed) {
                report.say(format!("it is closed: taken off the hook of {}", hook.agent));
                hooks::take_down(report.draft, hook, Status::Closed, &report.by);
            }
            return "closed";
        }
    };
    report.draft.push(Event::BeadStatusChanged {
        bead: id.clone(),
        from: bead.status,
        to: Status::Open,
        by: Move::Reopen,
        reason: Some(why.clone()),
    });
    report.say(format!("{why}: open again"));
    let (branch, commit) = facts.unlanded.as_ref().map(|u| (u.branch.clone(), u.head.clone())).unzip();
    if let Some(branch) = &branch {
        report.say(format!("the next worker goes on where {branch} stands"));
    }
    report.draft.push(Event::BeadRecovered { bead: id.clone(), how: why, branch, commit });
    "ready"
}

/// A bead whose merge commit is on the target branch is closed by that (P5). Returns whether it was.
fn landed(report: &mut Report<'_, '_>, bead: &Bead, facts: &Facts) -> Result<bool, Refusal> {
    let (Some(landed), None) = (&facts.landed, &facts.unlanded) else { return Ok(false) };
    let board = report.draft.board;
    let (id, short) = (&bead.id, landed.commit.chars().take(12).collect::<String>());
    let known = board.merges.of_bead(id).filter(|merge| !matches!(merge.state, MergeState::Landed { .. }));
    let holder = board.hooks.holder(id);
    match (known, holder) {
        (Some(merge), _) if merge.state.is_open() => {
            merges::landed(report.draft, &merge.id, &landed.commit, &landed.target)?;
        }
        (Some(merge), _) => has_landed(report.draft, merge, landed),
        (None, Some(holder)) => {
            let rig = holder.rig().cloned().or_else(|| bead.rig.clone()).ok_or_else(|| no_rig(id))?;
            let sandbox = board.agents.get(holder).and_then(|agent| agent.sandbox.as_ref());
            let branch = sandbox.map_or_else(String::new, |sandbox| sandbox.branch.clone());
            let (name, work) = (report.draft.merge_id(), (branch, landed.head.clone()));
            let merge = MergeRequest {
                attempts: 1,
                ..MergeRequest::new(name, rig, bead, holder.clone(), work, report.draft.now)
            };
            report.draft.push(Event::MqSubmitted { merge: Box::new(merge.clone()) });
            has_landed(report.draft, &merge, landed);
        }
        (None, None) => {
            if board.hooks.waiting(id).is_some() {
                report.draft.push(Event::BeadUnslung { bead: id.clone(), reason: "it has landed".into() });
            }
            beads::shut(report.draft, id, &format!("landed on {} as {short}", landed.target));
        }
    }
    report.say(format!("its merge commit {short} is on {}: closed by that", landed.target));
    Ok(true)
}

fn no_rig(id: &BeadId) -> Refusal {
    Refusal::failed("no_rig", format!("{id} belongs to no rig")).hint("gastown bead show shows what it is")
}

/// Records a landing that the queue does not expect any more.
fn has_landed(draft: &mut Draft<'_>, merge: &MergeRequest, landed: &Landed) {
    let Landed { commit, target, .. } = landed;
    draft.push(Event::MqLanded {
        merge: merge.id.clone(),
        bead: merge.bead.clone(),
        worker: merge.worker.clone(),
        commit: commit.clone(),
        target: target.clone(),
    });
    let short: String = commit.chars().take(12).collect();
    beads::shut(draft, &merge.bead, &format!("landed on {target} as {short}"));
    let kind = Kind::Merged {
        merge: merge.id.clone(),
        bead: merge.bead.clone(),
        worker: merge.worker.clone(),
        commit: commit.clone(),
        target: target.clone(),
    };
    draft.send(&Address::Witness(merge.rig.clone()), kind);
}

/// A bead on a hook.
fn hooked(
    report: &mut Report<'_, '_>,
    book: &dyn Book,
    bead: &Bead,
    hook: &Hook,
    facts: &Facts,
) -> Result<&'static str, Refusal> {
    let board = report.draft.board;
    let (id, worker) = (&bead.id, &hook.agent);
    if bead.status != Status::Hooked
        && hook.stage != Stage::Landed
        && bead.status.may_become(Status::Open, Move::Edit)
    {
        report.say(format!("its status was {}, and it hangs on the hook of {worker}", bead.status));
        for (from, to, by) in
            [(bead.status, Status::Open, Move::Edit), (Status::Open, Status::Hooked, Move::Hook)]
        {
            let reason = Some(report.by.clone());
            report.draft.push(Event::BeadStatusChanged { bead: id.clone(), from, to, by, reason });
        }
    } else if bead.status == Status::Open {
        report.say(format!("it was open, and it hangs on the hook of {worker}"));
        let (from, to, by) = (Status::Open, Status::Hooked, Move::Hook);
        let reason = Some(report.by.clone());
        report.draft.push(Event::BeadStatusChanged { bead: id.clone(), from, to, by, reason });
    }
    if let Some(merge) = board.merges.of_bead(id)
        && let MergeState::Held { why, .. } = &merge.state
    {
        merges::retry(report.draft, &merge.id)?;
        report.say(format!("{} was held ({why}): it is tried again", merge.id));
    }
    if !hook.stage.wants_session() {
        return Ok("running");
    }
    let view = board.agents.get(worker);
    if view.is_some_and(|view| view.given_up) {
        let pool: Vec<AgentName> = worker.rig().map(|rig| book.workers(rig)).unwrap_or_default();
        if let Some(to) = hooks::another_worker(board, worker, &pool, report.draft.now) {
            moving::go(report.draft, hook, &to, &report.by);
            report.draft.recovered(id, &report.by);
            report.say(format!("{worker} was given up: hook and worktree go to {to}"));
            return Ok("running");
        }
    }
    let trial = board.trials.of(id);
    let stood = standstill(trial, view, worker, report.draft.now);
    if !stood.is_empty() {
        for what in stood {
            report.say(what);
        }
        let by = report.by.clone();
        agents::hold(report.draft, worker, false, &by);
        let told = report.draft.events().any(|event| matches!(event, Event::BeadRecovered { .. }));
        if trial.is_some() && !told {
            report.draft.recovered(id, &by);
        }
    }
    if let Some(wrong) = &facts.worktree
        && !facts.session
    {
        report.say(format!("{wrong}: it is made again when the session starts"));
        let told = report.draft.events().any(|event| matches!(event, Event::BeadRecovered { .. }));
        if !told {
            report.draft.recovered(id, &report.by);
        }
    }
    Ok("running")
}

/// Why the worker on a hook does not go on, one line each.
fn standstill(trial: Option<&Trial>, view: Option<&Agent>, worker: &Address, now: Timestamp) -> Vec<String> {
    let mut why = Vec::new();
    let note = view.and_then(|view| view.note.clone()).map(|note| format!(" ({note})")).unwrap_or_default();
    if view.is_some_and(|view| view.held) {
        why.push(format!("{worker} was held back: it is let go"));
    }
    let last = trial.and_then(|trial| trial.last.as_ref());
    match trial.and_then(|trial| trial.strategy) {
        Some(Strategy::Escalate) => {
            let failures = trial.map_or(0, |trial| trial.failures);
            why.push(format!("{failures} sessions had failed: the count begins anew"));
        }
        Some(Strategy::Person) => {
            let what = last.map_or_else(String::new, |last| format!(" ({}: {})", last.verdict, last.detail));
            why.push(format!("it waited for a person{what}: it goes on"));
        }
        _ => {
            if let Some(until) = trial.and_then(|trial| trial.not_before).filter(|until| *until > now) {
                let what = match last.map(|last| last.verdict) {
                    Some(verdict @ (Verdict::Limited | Verdict::Overloaded)) => format!(", being {verdict}"),
                    Some(verdict) => format!(", after {verdict}"),
                    None => String::new(),
                };
                why.push(format!("it waited until {until}{what}: it goes on now"));
            } else if view.is_some_and(|view| view.state == AgentState::Failed) {
                why.push(format!("{worker} had failed{note}: it is let go"));
            }
        }
    }
    if view.and_then(|view| view.quarantined).is_some_and(|until| until > now) {
        why.push(format!("{worker} was to get nothing new for a while: it is trusted again"));
    }
    why
}

/// A bead that is open and hangs on no hook.
fn loose(report: &mut Report<'_, '_>, bead: &Bead, facts: &Facts) -> Result<&'static str, Refusal> {
    let board = report.draft.board;
    let id = &bead.id;
    let kept = board.kept.of(id);
    let change = |report: &mut Report<'_, '_>, by: Move| {
        let reason = Some(report.by.clone());
        let (from, to) = (bead.status, Status::Open);
        report.draft.push(Event::BeadStatusChanged { bead: id.clone(), from, to, by, reason });
    };
    let mut back = false;
    match bead.status {
        Status::Hooked => {
            report.say("it was hooked, and hangs on no hook: open".to_owned());
            change(report, Move::Unhook);
            back = true;
        }
        Status::InProgress => {
            let theirs =
                bead.assignee.as_deref().filter(|who| !matches!(who.parse(), Ok(Address::Polecat(..))));
            if let Some(who) = theirs {
                return Err(Refusal::forbidden("claimed", format!("{id} is in progress with {who}"))
                    .hint(format!("if {who} has given it up: gastown bead update {id} --status open")));
            }
            report.say("it was in progress, and hangs on no hook: open".to_owned());
            change(report, Move::Edit);
            back = true;
        }
        Status::Blocked | Status::Deferred => {
            let exit = kept.and_then(|kept| kept.exit);
            let how = exit.map_or_else(String::new, |exit| format!(" (its worker left it as {exit})"));
            report.say(format!("it was {}{how}: open", bead.status));
            change(report, Move::Edit);
            back = true;
        }
        _ => {}
    }
    if let Some(merge) = board.merges.of_bead(id).filter(|merge| merge.state.is_open()) {
        let why = format!("{id} hangs on no hook");
        report.say(format!("{} is taken out of the queue: {why}", merge.id));
        report.draft.push(Event::MqWithdrawn { merge: merge.id.clone(), why });
        back = true;
    }
    let now = report.draft.now;
    if let Some(trial) = board.trials.of(id) {
        if trial.is_spent() {
            report.say(format!("{} sessions had failed: the count begins anew", trial.failures));
            back = true;
        } else if trial.failures > 0 || trial.not_before.is_some_and(|until| until > now) {
            report.say("it rested after a failure: it may go on now".to_owned());
            back = true;
        }
    }
    if back {
        let unlanded = facts.unlanded.as_ref();
        let (branch, commit) = unlanded.map(|u| (u.branch.clone(), u.head.clone())).unzip();
        let left = branch
            .clone()
            .or_else(|| kept.and_then(|kept| kept.left.as_ref()).map(|left| left.branch.clone()));
        if let Some(left) = left {
            report.say(format!("the next worker goes on where {left} stands"));
        }
        let how = report.by.clone();
        report.draft.push(Event::BeadRecovered { bead: id.clone(), how, branch, commit });
    }
    let waits = !board.beads.blockers(bead).is_empty();
    Ok(if waits { "waiting" } else { "ready" })
}

#[cfg(test)]
mod tests;
