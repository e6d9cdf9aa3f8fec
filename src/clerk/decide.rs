//! Commands of people and agents that the ledger alone can decide: one arm each.

use ledger::views::Board;
use model::answer::Answer;
use model::command::{Command, LedgerQuestion, Origin};
use model::refusal::Refusal;
use model::role::Role;
use model::time::Timestamp;

use crate::book::Book;
use crate::draft::{Deed, Draft};
use crate::past::Letters;
use crate::{agents, beads, convoys, escalations, hooks, imports, letters, merges, mols, moving, standstill};

/// What it takes to answer a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// It changes the ledger: [`decide`].
    Write,
    /// It only asks: [`crate::answers::answer`].
    Read,
    /// It needs the living town.
    Town,
}

/// What it takes to answer `command`.
pub fn need(command: &Command) -> Need {
    use Command as C;
    match command {
        C::BeadCreate(_)
        | C::BeadUpdate { .. }
        | C::BeadClose { .. }
        | C::BeadReopen { .. }
        | C::DepAdd { .. }
        | C::DepRemove { .. }
        | C::CommentAdd { .. }
        | C::BeadImport { .. }
        | C::Sling(_)
        | C::Unsling { .. }
        | C::Hook { .. }
        | C::ConvoyCreate { .. }
        | C::StepDone { .. }
        | C::MergeRetry(_)
        | C::MergeReject { .. }
        | C::MergeHold { .. }
        | C::MergeUnhold(_)
        | C::MergePrioritise { .. }
        | C::MergeFreeze { .. }
        | C::MergeThaw { .. }
        | C::RefineryProcess { .. }
        | C::MailSend { .. }
        | C::MailReply { .. }
        | C::MailAck(_)
        | C::MailRetry(_)
        | C::Escalate { .. }
        | C::EscalateAck { .. }
        | C::EscalateClose { .. }
        | C::EscalateRetry { .. }
        | C::EscalateStale { .. }
        | C::AgentStart { .. }
        | C::AgentStop { .. }
        | C::Reassign { .. }
        | C::AgentStuck { .. }
        | C::AgentRename { .. }
        | C::RigPark { .. }
        | C::RigUnpark { .. }
        | C::Freeze { .. }
        | C::Thaw => Need::Write,
        C::BeadShow(_)
        | C::BeadList(_)
        | C::BeadReady(_)
        | C::BeadExport(_)
        | C::ConvoyList { .. }
        | C::ConvoyShow(_)
        | C::MolShow { .. }
        | C::FormulaList { .. }
        | C::FormulaShow { .. }
        | C::FormulaCook { .. }
        | C::FormulaLint { .. }
        | C::FormulaNew { .. }
        | C::MergeList { .. }
        | C::MergeShow(_)
        | C::MergeStatus { .. }
        | C::MergeWhy(_)
        | C::MergeLog { .. }
        | C::MailInbox { .. }
        | C::MailRead(_)
        | C::MailReadAll(_)
        | C::MailThread(_)
        | C::MailSearch { .. }
        | C::MailDead { .. }
        | C::EscalateList { .. }
        | C::EscalateShow { .. }
        | C::AgentList { .. }
        | C::RigList
        | C::Status
        | C::Metrics
        | C::Doctor { .. }
        | C::Show { .. }
        | C::Events(_)
        | C::Why { .. }
        | C::Costs { .. }
        | C::Ledger(_)
        | C::PresetList
        | C::PresetShow { .. }
        | C::TapList { .. }
        | C::Log { .. }
        | C::Peek { at: Some(_), .. }
        | C::Prime { .. } => Need::Read,
        C::Done { .. }
        | C::Said { .. }
        | C::Noticed { .. }
        | C::Nudge { .. }
        | C::Peek { at: None, .. }
        | C::AgentAnswer { .. }
        | C::AgentRestart { .. }
        | C::AgentKill { .. }
        | C::RigAdd(_)
        | C::RigStop { .. }
        | C::RigStart { .. }
        | C::BeadSync { .. }
        | C::Recover { .. }
        | C::LandDirect { .. }
        | C::Backup { .. }
        | C::Stop
        | C::StopAll
        | C::FaultKillActor { .. }
        | C::FaultBlockActor { .. }
        | C::FaultPoisonMail { .. }
        | C::FaultDisk { .. }
        | C::Handoff { .. }
        | C::Tree => Need::Town,
    }
}

/// What an agent may not do, whatever its role.
///
/// # Errors
/// `operator_only`, for what is a person's alone.
pub fn permitted(origin: &Origin, command: &Command) -> Result<(), Refusal> {
    use Command as C;
    let Origin::Session { agent, .. } = origin else { return Ok(()) };
    let trusted = matches!(agent.role(), Role::Mayor | Role::Deacon);
    let denied = match command {
        C::Stop
        | C::StopAll
        | C::RigStop { .. }
        | C::RigStart { .. }
        | C::Thaw
        | C::FaultKillActor { .. }
        | C::FaultBlockActor { .. }
        | C::FaultPoisonMail { .. }
        | C::FaultDisk { .. }
        | C::RigAdd(_)
        | C::Doctor { fix: true }
        | C::Backup { .. }
        | C::Ledger(
            LedgerQuestion::Rebuild
            | LedgerQuestion::Compact { .. }
            | LedgerQuestion::Repair { .. }
            | LedgerQuestion::Import { .. },
        ) => true,
        C::Unsling { .. }
        | C::AgentStop { .. }
        | C::AgentRestart { .. }
        | C::AgentAnswer { .. }
        | C::AgentKill { .. }
        | C::AgentRename { .. }
        | C::Recover { .. }
        | C::RigPark { .. }
        | C::RigUnpark { .. }
        | C::Freeze { .. }
        | C::MergeRetry(_)
        | C::MergeReject { .. }
        | C::MergeHold { .. }
        | C::MergeUnhold(_)
        | C::MergePrioritise { .. }
        | C::MergeFreeze { .. }
        | C::MergeThaw { .. }
        | C::LandDirect { .. }
        | C::RefineryProcess { .. }
        | C::EscalateStale { dry_run: false } => !trusted,
        _ => false,
    };
    if denied {
        return Err(Refusal::forbidden("operator_only", format!("{agent} may not do that"))
            .hint("write to the Mayor: gt mail send mayor/ --kind help -s SUBJECT -m BODY"));
    }
    Ok(())
}

/// Decides a command that changes the ledger; `past` holds the letters that it names ([`crate::past::named`]).
///
/// # Errors
/// The refusal; then nothing of the command happens.
pub fn decide(
    board: &Board,
    book: &dyn Book,
    past: &Letters,
    origin: &Origin,
    command: &Command,
    now: Timestamp,
) -> Result<(Deed, Answer), Refusal> {
    use Command as C;
    permitted(origin, command)?;
    if let C::Escalate { .. } = command {
        return escalations::decide(board, &book.escalation(), origin, command, None, now);
    }
    let mut draft = Draft::new(board, origin.actor(), now);
    let answer = match command {
        C::BeadCreate(new) => beads::create(&mut draft, origin, new)?,
        C::BeadUpdate { ids, patch, status, claim } => {
            beads::update(&mut draft, ids, patch, *status, *claim)?
        }
        C::BeadClose { ids, reason, .. } => beads::close(&mut draft, ids, reason.as_deref())?,
        C::BeadReopen { ids, reason } => beads::reopen(&mut draft, ids, reason.as_deref())?,
        C::DepAdd { bead, on, kind } => beads::depend(&mut draft, bead, on, *kind)?,
        C::DepRemove { bead, on } => beads::undepend(&mut draft, bead, on)?,
        C::CommentAdd { bead, text } => beads::comment(&mut draft, bead, text)?,
        C::BeadImport { files, dry_run, skip_errors } => {
            imports::take_in(&mut draft, &imports::prepare(files, *skip_errors, *dry_run)?)
        }
        C::Sling(sling) => {
            let answer = hooks::sling(&mut draft, book, sling)?;
            if sling.dry_run {
                return Ok((Vec::new(), answer));
            }
            answer
        }
        C::Unsling { bead, force } => hooks::unsling(&mut draft, bead, *force)?,
        C::Hook { agent } => {
            let agent = crate::names::or_self(board, origin, agent.as_deref())?;
            hooks::checked(&mut draft, origin, &agent);
            Answer::Hook(hooks::row(board, &agent))
        }
        C::ConvoyCreate { name, beads } => Answer::Convoy(convoys::create(&mut draft, name, beads)?),
        C::StepDone { step } => mols::step_done(&mut draft, &origin.actor(), step)?,
        C::MergeRetry(id) => {
            merges::retry(&mut draft, id)?;
            Answer::Done
        }
        C::MergeReject { merge, reason } => crate::mq::reject(&mut draft, merge, reason)?,
        C::MergeHold { merge, reason } => crate::mq::hold(&mut draft, merge, reason.as_deref())?,
        C::MergeUnhold(merge) => crate::mq::unhold(&mut draft, merge)?,
        C::MergePrioritise { merge, priority, hot } => {
            crate::mq::prioritise(&mut draft, merge, *priority, *hot)?
        }
        C::MergeFreeze { rig, reason } => crate::mq::freeze(&mut draft, rig, reason.as_deref())?,
        C::MergeThaw { rig } => crate::mq::thaw(&mut draft, rig)?,
        C::RefineryProcess { rig } => crate::mq::process(&mut draft, rig.as_ref())?,
        C::MailSend { to, subject, body, kind, key } => {
            letters::send(&mut draft, to, subject, body, kind.as_deref(), key.as_deref())?
        }
        C::MailReply { id, body } => letters::reply(&mut draft, past, origin, id, body)?,
        C::MailAck(ids) => letters::ack(&mut draft, past, origin, ids)?,
        C::MailRetry(ids) => letters::retry(&mut draft, past, origin, ids)?,
        C::EscalateAck { names, note } => escalations::ack(&mut draft, origin, names, note.as_deref())?,
        C::EscalateClose { names, reason } => escalations::close(&mut draft, origin, names, reason)?,
        C::EscalateRetry { names } => escalations::retry(&mut draft, origin, names)?,
        C::EscalateStale { dry_run } => escalations::stale(&mut draft, &book.escalation(), *dry_run),
        C::AgentStart { agent } => {
            let agent = crate::names::address(board, agent)?;
            agents::hold(&mut draft, &agent, false, &format!("started by {}", origin.actor()));
            Answer::Done
        }
        C::AgentStuck { agent, text } => crate::neighbours::report(&mut draft, agent, text)?,
        C::Reassign { bead, to, reason } => {
            let rig = board.hooks.holder(bead).and_then(model::role::Address::rig);
            let pool = rig.map(|rig| book.workers(rig)).unwrap_or_default();
            moving::reassign(&mut draft, origin, bead, to.as_deref(), reason.as_deref(), &pool)?
        }
        C::AgentRename { agent, to } => crate::renaming::rename(&mut draft, agent, to)?,
        C::AgentStop { agent } => {
            let agent = crate::names::address(board, agent)?;
            agents::hold(&mut draft, &agent, true, &format!("stopped by {}", origin.actor()));
            Answer::Done
        }
        C::RigPark { rig, reason, now } => standstill::park(&mut draft, rig, reason.as_deref(), *now)?,
        C::RigUnpark { rig } => standstill::unpark(&mut draft, rig)?,
        C::Freeze { reason } => standstill::freeze(&mut draft, reason.as_deref()),
        C::Thaw => standstill::thaw(&mut draft),
        other => unreachable!("{:?} is not decided by the ledger alone", need(other)),
    };
    Ok((draft.finish(), answer))
}
