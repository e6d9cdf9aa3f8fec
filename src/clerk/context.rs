//! What the town knows of a matter, gathered when somebody has to be told of it, and put into words.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use ledger::views::Board;
use ledger::views::escalations::Escalation;
use model::cost::Used;
use model::escalation::{Context, LetterNote};
use model::event::Event;
use model::ids::BeadId;
use model::recovery::Failure;
use model::role::Address;

use crate::draft::Draft;

/// The longest text that tells of an escalation, in bytes: a letter takes four times as much.
const LONGEST: usize = 256 * 1024;

/// Gathers what is known of the work at `bead` and of `agent`. Where only the agent is named, what hangs on its
/// hook is meant.
pub fn of(draft: &Draft<'_>, bead: Option<&BeadId>, agent: Option<&Address>) -> Context {
    let board = draft.board;
    let agent = agent.map(|agent| board.agents.successor(agent));
    let hooked = agent.and_then(|agent| board.hooks.of(agent)).map(|hook| &hook.bead);
    let bead = bead.or(hooked);
    Context {
        failures: failures(draft, bead, agent),
        diff: draft.diff.clone(),
        letters: letters(board, bead, agent),
        cost: cost(board, bead, agent),
    }
}

/// The failures at the bead that still count, and what this draft says of it or of the agent.
fn failures(draft: &Draft<'_>, bead: Option<&BeadId>, agent: Option<&Address>) -> Vec<Failure> {
    let trial = bead.and_then(|bead| draft.board.trials.of(bead));
    let mut found = trial.map_or_else(Vec::new, |trial| trial.failed.clone());
    // The last one is decided together with what is being told.
    let now = draft.events().filter(|event| match event {
        Event::AgentVerdict { bead: of, agent: whose, .. } => match bead {
            Some(bead) => of.as_ref() == Some(bead),
            None => agent == Some(whose),
        },
        _ => false,
    });
    found.extend(now.filter_map(|event| Failure::of(event, draft.now)));
    if found.is_empty() {
        found.extend(trial.and_then(|trial| trial.last.clone()));
    }
    found
}

/// The last letters from and to the agent, or whoever has the bead.
fn letters(board: &Board, bead: Option<&BeadId>, agent: Option<&Address>) -> Vec<LetterNote> {
    let holder = bead.and_then(|bead| board.hooks.holder(bead));
    let mut seen = BTreeSet::new();
    let mut found: Vec<LetterNote> = agent.or(holder).map_or_else(Vec::new, |agent| {
        board.recent.of(agent).filter(|note| seen.insert(note.id.clone())).cloned().collect()
    });
    found.sort_by_key(|note| note.sent_at);
    found
}

/// What work at the bead has used; what the agent has, where there is no bead.
fn cost(board: &Board, bead: Option<&BeadId>, agent: Option<&Address>) -> Option<Used> {
    let mut sum = Used::default();
    for (_, row) in board.costs.iter() {
        let of_it = match bead {
            Some(bead) => row.bead.as_ref() == Some(bead),
            None => agent == Some(&row.agent),
        };
        if of_it {
            sum += row.used;
        }
    }
    (sum != Used::default()).then_some(sum)
}

/// All of an escalation in words, as letters, beads and messages have it.
pub fn text(board: &Board, known: &Escalation) -> String {
    let mut text = String::new();
    let body = known.body.trim_end();
    if !body.is_empty() {
        let _ = writeln!(text, "{body}\n");
    }
    let _ = writeln!(text, "{} [{}], raised by {} at {}", known.id, known.severity, known.by, known.at);
    if let Some(bead) = &known.bead {
        let title = board.beads.get(bead).map(|bead| format!(": {}", bead.title)).unwrap_or_default();
        let _ = writeln!(text, "About bead {bead}{title}");
    }
    if let Some(agent) = &known.agent {
        let _ = writeln!(text, "About agent {agent}, now {}", board.agents.state(agent));
    }
    if let Some(source) = &known.source {
        let _ = writeln!(text, "Source: {source}");
    }
    if known.rounds > 0 {
        let was = known.raised_as;
        let _ = writeln!(text, "It was {was} at first; nobody has taken note since.");
    }
    if let Some(context) = &known.context {
        let _ = write!(text, "{context}");
    }
    if text.len() > LONGEST {
        let mut end = LONGEST;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        let _ = writeln!(text, "\n… the rest: gastown escalate show {}", known.id);
    }
    let id = &known.id;
    let _ = writeln!(
        text,
        "\nTo take note: gastown escalate ack {id}\nWhen it is settled: gastown escalate close {id} --reason TEXT"
    );
    text
}
