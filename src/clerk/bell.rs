//! Whom an event concerns: who is told to look at the board again.
//!
//! A bell carries nothing. Whoever hears it looks at the board and sees what there is to do; a bell
//! that rings twice, late or after a restart does no harm.

use ledger::views::Board;
use model::event::Event;
use model::ids::RigName;
use model::mail::Kind;
use model::role::Address;

/// Who can be told to look.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ear {
    /// The role at an address.
    Role(Address),
    /// The dispatcher of a rig.
    Dispatcher(RigName),
    /// The postmaster.
    Postmaster,
    /// Whoever keeps the rigs in line with the configuration.
    Rigs,
}

/// Who should look at the board after `event`. `board` is as it is now, after it.
pub fn ears(board: &Board, event: &Event) -> Vec<Ear> {
    let role = |address: &Address| Ear::Role(address.clone());
    let dispatcher = |address: &Address| address.rig().map(|rig| Ear::Dispatcher(rig.clone()));
    let watcher = |address: &Address| {
        Ear::Role(match (address, address.rig()) {
            (Address::Polecat(..) | Address::Crew(..) | Address::Plugin(..), Some(rig)) => {
                Address::Witness(rig.clone())
            }
            _ => Address::Deacon,
        })
    };
    match event {
        // The Deacon sees to it that a call for help is answered in time.
        Event::MailSent { letter } if matches!(letter.kind, Kind::Help { .. }) => {
            vec![Ear::Postmaster, Ear::Role(Address::Deacon)]
        }
        Event::MailSent { .. } | Event::MailRetried { .. } => vec![Ear::Postmaster],
        Event::MailDelivered { to, .. } => vec![role(to)],
        Event::BeadSlung { rig, .. } => vec![Ear::Dispatcher(rig.clone())],
        // Something may have become free to go, anywhere.
        Event::BeadClosed { .. }
        | Event::BeadStatusChanged { .. }
        | Event::BeadImported { .. }
        | Event::DepRemoved { .. } => {
            // An escalation may have been settled by that.
            let settled = board.escalations.unsettled().any(|known| known.closed_at.is_some());
            dispatchers(board).chain(settled.then_some(Ear::Role(Address::Deacon))).collect()
        }
        Event::HookCleared { agent, .. } => std::iter::once(role(agent)).chain(dispatchers(board)).collect(),
        Event::HookSet { agent, .. } | Event::WorkDone { agent, .. } => {
            std::iter::once(role(agent)).chain(dispatcher(agent)).collect()
        }
        Event::HookMoved { from, to, .. } => {
            [role(from), role(to)].into_iter().chain(dispatcher(to)).collect()
        }
        Event::BeadRecovered { bead, .. } => {
            let holder = board.hooks.holder(bead).map(role);
            let waits = board.hooks.waiting(bead).map(|waiting| Ear::Dispatcher(waiting.rig.clone()));
            let of = |agent: &ledger::views::agents::Agent| {
                agent.sandbox.as_ref().is_some_and(|sandbox| sandbox.bead == *bead)
            };
            let leaves = board.agents.iter().filter(|(_, agent)| of(agent)).map(|(address, _)| role(address));
            holder.into_iter().chain(waits).chain(leaves).collect()
        }
        // A role that died after it had asked for this does not know of it.
        Event::AgentStarted { agent, .. } => vec![role(agent)],
        Event::AgentStopped { agent, .. } => {
            let lodgers = board.agents.lodgers(agent).map(role);
            [watcher(agent), role(agent)].into_iter().chain(lodgers).collect()
        }
        // The Witness tells the Deacon, or takes a bead from a worker that is gone.
        Event::WorkAtRisk { agent, .. } => vec![watcher(agent)],
        Event::ActorEnded { name, outcome, .. } if outcome == "gave_up" => name
            .parse()
            .ok()
            .filter(|agent| matches!(agent, Address::Polecat(..)))
            .iter()
            .map(watcher)
            .collect(),
        // A place is free, which may be one of the whole town's.
        Event::AgentVerdict { agent, .. }
        | Event::AgentState { agent, to: model::agent::AgentState::Failed, .. } => {
            std::iter::once(role(agent)).chain(dispatchers(board)).collect()
        }
        Event::AgentHeld { agent, .. } | Event::SandboxRemoved { agent, .. } => {
            std::iter::once(role(agent)).chain(dispatcher(agent)).collect()
        }
        // A session that has one step to do ends when it has done it.
        Event::MolStepCompleted { mol, .. } => {
            let holder = board.mols.get(mol).and_then(|mol| board.hooks.holder(&mol.bead));
            holder.map(role).into_iter().collect()
        }
        Event::RigParked { rig, .. }
        | Event::RigUnparked { rig }
        | Event::RigStopped { rig }
        | Event::RigStarted { rig } => {
            let own = [Address::Witness(rig.clone()), Address::Refinery(rig.clone())];
            let workers = board.agents.in_rig(rig).map(|(address, _)| address.clone());
            let roles = own.into_iter().chain(workers).map(Ear::Role);
            roles.chain([Ear::Dispatcher(rig.clone())]).collect()
        }
        Event::MqSubmitted { merge } => {
            vec![Ear::Role(Address::Refinery(merge.rig.clone())), role(&merge.worker)]
        }
        Event::MqFrozen { rig, .. } | Event::MqThawed { rig } => {
            vec![Ear::Role(Address::Refinery(rig.clone()))]
        }
        Event::MqRequeued { merge, .. }
        | Event::MqWithdrawn { merge, .. }
        | Event::MqKept { merge, .. }
        | Event::MqPrioritised { merge, .. } => board
            .merges
            .get(merge)
            .map(|merge| Ear::Role(Address::Refinery(merge.rig.clone())))
            .into_iter()
            .collect(),
        Event::MqRejected { worker, .. } | Event::MqLanded { worker, .. } => {
            let refinery = worker.rig().map(|rig| Ear::Role(Address::Refinery(rig.clone())));
            std::iter::once(role(worker)).chain(dispatcher(worker)).chain(refinery).collect()
        }
        Event::RigAdded { .. } => vec![Ear::Rigs],
        // The Deacon sends escalations on their ways.
        Event::EscalationRaised { .. }
        | Event::EscalationAcked { .. }
        | Event::EscalationClosed { .. }
        | Event::EscalationReescalated { .. }
        | Event::EscalationRouted { .. }
        | Event::EscalationNotified { .. }
        | Event::EscalationRetried { .. } => vec![Ear::Role(Address::Deacon)],
        _ => Vec::new(),
    }
}

/// The dispatchers of all rigs.
fn dispatchers(board: &Board) -> impl Iterator<Item = Ear> + '_ {
    board.rigs.iter().map(|rig| Ear::Dispatcher(rig.name.clone()))
}
