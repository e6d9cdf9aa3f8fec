//! Questions about the town that the ledger alone can answer, to data.

use std::collections::BTreeMap;

use ledger::views::Board;
use ledger::views::mail::Post;
use model::answer::{
    AgentRow, Answer, BeadPage, MailGauge, MailboxGauge, MergeRow, RigRow, StatusReport, TownRow,
};
use model::bead::Bead;
use model::command::{BeadFilter, Command, EventFilter, Origin};
use model::event::Record;
use model::ids::RigName;
use model::refusal::Refusal;
use model::role::Address;
use model::time::Timestamp;

use crate::book::Book;
use crate::{
    beads, choosing, convoys, costs, hooks, idle, imports, letters, merges, mols, names, standstill,
};

/// Answers a question that the views alone can answer; `None` for those that need more: the log
/// (events, why, letters), the configuration (prime, rigs, status).
///
/// # Errors
/// The refusal of the question.
pub fn answer(
    board: &Board,
    book: &dyn Book,
    origin: &Origin,
    command: &Command,
    now: Timestamp,
) -> Option<Result<Answer, Refusal>> {
    use Command as C;
    Some(match command {
        C::BeadShow(ids) => show(board, ids),
        C::BeadList(filter) => choosing::select(board, filter, now).map(Answer::Beads),
        C::BeadAsk(question) => {
            crate::asked::find(board, question, now).map(|found| Answer::Found(Box::new(found)))
        }
        C::BeadReady(filter) => ready(board, filter, now),
        C::BeadExport(filter) => {
            let filter = BeadFilter { all: true, ..filter.clone() };
            choosing::check(board, &filter).map(|()| {
                let words = filter.text.as_ref().map(|text| text.to_lowercase());
                Answer::Jsonl(imports::export(board, |bead| {
                    choosing::fits(bead, &filter, words.as_deref(), now)
                }))
            })
        }
        C::Hook { agent } => names::or_self(board, origin, agent.as_deref())
            .map(|agent| Answer::Hook(hooks::row(board, &agent))),
        C::ConvoyList { all } => Ok(Answer::Convoys(convoys::rows(board, *all, now))),
        C::ConvoyShow(id) => convoys::show(board, id, now),
        // Nothing on a hook is an answer too.
        C::MolShow { agent: None } => Ok(Answer::Mol(mols::on_hook(board, &origin.actor()).map(mols::row))),
        C::MolShow { agent: Some(name) } => match names::address(board, name) {
            Ok(agent) if mols::named(board, origin, Some(name)).is_err() => {
                Ok(Answer::Mol(mols::on_hook(board, &agent).map(mols::row)))
            }
            _ => mols::named(board, origin, Some(name)).map(|mol| Answer::Mol(Some(mols::row(mol)))),
        },
        C::MolList { all } => Ok(mols::list(board, *all)),
        C::MolDistill { mol, name, rig } => {
            crate::phases::distill(board, book, origin, mol, name, rig.as_ref())
        }
        C::FormulaList { rig } => Ok(Answer::Formulas(book.list(rig.as_ref()))),
        C::FormulaShow { name, rig, resolved, vars } => {
            book.show(rig.as_ref(), name, resolved.then_some(vars)).map(Answer::Formula)
        }
        C::FormulaCook { name, rig, vars } => book.cook(rig.as_ref(), name, vars).map(Answer::Formula),
        C::FormulaLint { names, files, rig } => {
            book.lint(rig.as_ref(), names, files).map(Answer::FormulasChecked)
        }
        C::FormulaNew { name, kind, rig } => book.draft(rig.as_ref(), name, kind).map(Answer::FormulaDraft),
        C::MergeList { rig, all } => merge_list(board, rig.as_ref(), *all),
        C::MergeStatus { rig } => crate::mq::status(board, rig.as_ref()),
        C::MergeWhy(id) => crate::mq::why(board, id),
        C::MergeLog { merge, gate } => crate::mq::log(board, book, merge, gate.as_deref()),
        C::MergeShow(id) => merges::find(board, id).map(|merge| {
            let row = merge_rows(board).into_iter().find(|row| row.id == merge.id);
            Answer::Merge(Box::new(row.unwrap_or_else(|| MergeRow::new(merge, None))))
        }),
        C::Costs { by, since } => Ok(Answer::Costs(Box::new(costs::report(board, *by, *since)))),
        C::MailDead { agent } => letters::dead(board, origin, agent.as_deref()),
        C::Show { name } => crate::show::one(board, name),
        C::AgentList { rig } => agent_list(board, rig.as_ref()),
        _ => return None,
    })
}

fn show(board: &Board, ids: &[model::ids::BeadId]) -> Result<Answer, Refusal> {
    let found: Result<Vec<&Bead>, Refusal> = ids.iter().map(|id| beads::find(board, id)).collect();
    let mut pages: Vec<BeadPage> = found?.into_iter().map(|bead| page(board, bead)).collect();
    Ok(match pages.len() {
        1 => Answer::BeadPage(Box::new(pages.remove(0))),
        _ => Answer::BeadPages(pages),
    })
}

fn page(board: &Board, bead: &Bead) -> BeadPage {
    let trial = board.trials.of(&bead.id);
    BeadPage {
        failure_context: trial.and_then(|trial| trial.last.clone()),
        failures: trial.map_or(0, |trial| trial.failures),
        not_before: trial.and_then(|trial| trial.not_before),
        roll_up: crate::asked::roll_up(board, &bead.id),
        dependents: crate::asked::deps(board, bead, true),
        bead: bead.clone(),
    }
}

fn ready(board: &Board, filter: &BeadFilter, now: Timestamp) -> Result<Answer, Refusal> {
    choosing::check(board, filter)?;
    let words = filter.text.as_ref().map(|text| text.to_lowercase());
    let free = |bead: &&std::sync::Arc<Bead>| {
        choosing::fits(bead, filter, words.as_deref(), now) && board.hooks.waiting(&bead.id).is_none()
    };
    Ok(Answer::Beads(if filter.deferred {
        choosing::in_order(board.beads.ready_in_time().filter(free), filter)
    } else {
        choosing::in_order(board.beads.ready(now).filter(free), filter)
    }))
}

/// All merge requests, those that wait first and numbered.
pub fn merge_rows(board: &Board) -> Vec<MergeRow> {
    let mut rows = Vec::new();
    for rig in board.rigs.iter() {
        let queue = crate::queue::order(board, &rig.name);
        rows.extend(queue.iter().enumerate().map(|(place, merge)| crate::mq::row(board, merge, place)));
    }
    let mut over: Vec<_> = board.merges.iter().filter(|merge| !merge.state.is_open()).collect();
    over.sort_by_key(|merge| merge.queued_at);
    rows.extend(over.into_iter().map(|merge| MergeRow::new(merge, None)));
    rows
}

fn merge_list(board: &Board, rig: Option<&RigName>, all: bool) -> Result<Answer, Refusal> {
    if let Some(rig) = rig.filter(|rig| board.rigs.get(rig).is_none()) {
        return Err(names::no_rig(board, rig.as_str()));
    }
    let mut rows = merge_rows(board);
    rows.retain(|row| {
        (all || row.position.is_some() || row.state == "rejected") && rig.is_none_or(|rig| row.rig == *rig)
    });
    Ok(Answer::Merges(rows))
}

/// Everybody's row, as far as the ledger knows it.
pub fn agent_rows(board: &Board) -> Vec<AgentRow> {
    names::everybody(board)
        .into_iter()
        .filter(|address| *address != Address::Overseer)
        .map(|address| {
            let view = board.agents.get(&address);
            let session = view.and_then(|agent| agent.session.as_ref());
            AgentRow {
                role: address.role(),
                rig: address.rig().cloned(),
                state: board.agents.state(&address),
                note: view.and_then(|agent| agent.note.clone()),
                pid: None,
                session: session.map(|open| open.id.clone()),
                hook: board.hooks.of(&address).map(|hook| hook.bead.clone()),
                restarts: view.map_or(0, |agent| agent.failures),
                last_activity: view.map(|agent| agent.since),
                preset: session.map(|open| open.preset.clone()),
                sessions: view.map_or(0, |agent| agent.sessions),
                forged: 0,
                address,
            }
        })
        .collect()
}

fn agent_list(board: &Board, rig: Option<&RigName>) -> Result<Answer, Refusal> {
    if let Some(rig) = rig.filter(|rig| board.rigs.get(rig).is_none()) {
        return Err(names::no_rig(board, rig.as_str()));
    }
    let mut rows = agent_rows(board);
    rows.retain(|row| rig.is_none_or(|rig| row.rig.as_ref() == Some(rig)));
    Ok(Answer::Agents(rows))
}

/// How everything is: the ledger's part, filled into what the caller knows of the town and its rigs.
pub fn status(board: &Board, town: TownRow, mut rigs: Vec<RigRow>, now: Timestamp) -> StatusReport {
    for rig in &mut rigs {
        let of_rig = |bead: &&Bead| bead.rig.as_ref() == Some(&rig.name);
        rig.open = board
            .beads
            .iter()
            .filter(of_rig)
            .filter(|bead| bead.status != model::bead::Status::Closed)
            .count();
        rig.waiting = board.hooks.all_waiting().filter(|waiting| waiting.rig == rig.name).count();
    }
    let configured = rigs.iter().map(|rig| rig.name.clone()).collect();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for bead in board.beads.iter() {
        *counts.entry(bead.status.to_string()).or_default() += 1;
    }
    let mut queue = merge_rows(board);
    queue.retain(|row| row.position.is_some());
    let mut attention = idle::Left::of(board, &configured).attention;
    attention.extend(strays(board));
    let mut report = StatusReport {
        town,
        agents: agent_rows(board),
        rigs,
        queue,
        mail: gauge(board, now),
        attention,
        escalations: crate::escalations::gauge(board),
        beads: counts,
        starts: board.agents.starts().clone(),
    };
    standstill::show(board, &mut report);
    report
}

/// Sessions that were seen to work outside of their own place, one line each.
fn strays(board: &Board) -> impl Iterator<Item = String> {
    board.agents.iter().filter_map(|(address, agent)| {
        let folder = agent.session.as_ref()?.strayed.as_ref()?;
        Some(format!("{address} works outside of its worktree: {folder}"))
    })
}

fn gauge(board: &Board, now: Timestamp) -> MailGauge {
    let dead_of: BTreeMap<&Address, usize> = board.mail.dead().fold(BTreeMap::new(), |mut count, post| {
        *count.entry(&post.letter.to).or_default() += 1;
        count
    });
    let gauge = |(address, unacked, oldest): (&Address, usize, Option<&Post>)| MailboxGauge {
        address: address.clone(),
        unacked,
        oldest_s: oldest.map(|post| now.since(post.letter.sent_at).as_secs()).unwrap_or_default(),
        dead: dead_of.get(address).copied().unwrap_or_default(),
    };
    let boxes: Vec<MailboxGauge> = board.mail.boxes().map(gauge).collect();
    MailGauge {
        unacked: boxes.iter().map(|mailbox| mailbox.unacked).sum(),
        oldest_s: boxes.iter().map(|mailbox| mailbox.oldest_s).max().unwrap_or_default(),
        dead: boxes.iter().map(|mailbox| mailbox.dead).sum(),
        boxes,
    }
}

/// Whether a record is one of those that a filter means.
pub fn fits(record: &Record, filter: &EventFilter) -> bool {
    let kind = record.event.kind();
    record.seq > filter.after
        && filter.since.is_none_or(|since| record.at >= since)
        && filter.actor.as_ref().is_none_or(|actor| {
            let is = record.actor.to_string();
            is == *actor || is.trim_end_matches('/') == actor.trim_end_matches('/')
        })
        && filter.kind.as_ref().is_none_or(|wanted| {
            kind == wanted
                || (wanted.ends_with('.') && kind.starts_with(wanted.as_str()))
                || kind.split_once('.').is_some_and(|(family, _)| family == wanted)
        })
        && filter.bead.as_ref().is_none_or(|bead| record.is_about(bead))
}
