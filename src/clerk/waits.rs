//! Why a bead that was slung is not worked at yet.

use std::time::Duration;

use ledger::views::Board;
use ledger::views::hooks::Waiting;
use model::bead::Status;
use model::ids::BeadId;
use model::story::Story;
use model::time::Timestamp;

use crate::capacity::{self, Limits};
use crate::standstill;

/// What the board does not know of a rig.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// How many may be at work.
    pub limits: Limits,
    /// The least time between two workers' starts.
    pub delay: Duration,
    /// How scarce memory is, if it keeps sessions from being started.
    pub memory: Option<String>,
}

/// Why `waiting` waits, in one line; none when nothing is in its way. `known` is none for a rig that is not
/// configured.
pub fn reason(board: &Board, waiting: &Waiting, known: Option<&Known>, now: Timestamp) -> Option<String> {
    let Some(known) = known else {
        return Some(format!("the configuration of rig {} is missing or wrong", waiting.rig));
    };
    let bead = board.beads.get(&waiting.bead)?;
    if bead.status != Status::Open {
        return Some(format!("it is {}, not open", bead.status));
    }
    let blockers = board.beads.blockers(bead);
    if !blockers.is_empty() {
        let names: Vec<&str> = blockers.iter().map(BeadId::as_str).collect();
        return Some(format!("it is blocked by {}", names.join(", ")));
    }
    if let Some(frozen) = standstill::frozen(board) {
        return Some(frozen);
    }
    let rig = board.rigs.get(&waiting.rig)?;
    if let Some(closed) = standstill::closed(rig) {
        return Some(closed);
    }
    if let Some(full) = capacity::full(board, &waiting.rig, &known.limits) {
        return Some(full.to_string());
    }
    if let Some(worker) = waiting.worker.as_ref().map(|worker| board.agents.successor(worker)) {
        if let Some(hook) = board.hooks.of(worker) {
            return Some(format!("{worker} is still at {}", hook.bead));
        }
        if board.agents.get(worker).is_some_and(|agent| agent.held) {
            return Some(format!("{worker} is held back; let it go on with `gastown agent start {worker}`"));
        }
    }
    if let Some(memory) = &known.memory {
        return Some(memory.clone());
    }
    let left = pause_left(board, &waiting.rig, known.delay, now);
    (!left.is_zero()).then(|| format!("the rig's next worker starts in {} s", left.as_secs() + 1))
}

/// How long until the rig's next worker may be given work, as `delay` is the least time between two.
pub fn pause_left(board: &Board, rig: &model::ids::RigName, delay: Duration, now: Timestamp) -> Duration {
    let last = board.rigs.get(rig).and_then(|rig| rig.assigned_at);
    last.map_or(Duration::ZERO, |last| delay.saturating_sub(now.since(board.freezes.skipped(last))))
}

/// `story` of a bead with the reason why it waits behind its first line, if it waits.
pub fn told(
    board: &Board,
    about: &str,
    mut story: Story,
    known: impl Fn(&model::ids::RigName) -> Option<Known>,
    now: Timestamp,
) -> Story {
    let waiting = about.parse::<BeadId>().ok().and_then(|bead| board.hooks.waiting(&bead));
    if let Some(waiting) = waiting {
        let why = reason(board, waiting, known(&waiting.rig).as_ref(), now);
        let why = why.unwrap_or_else(|| "it is next".to_owned());
        let line = format!("it waits for a worker of {}: {why}", waiting.rig);
        story.lines.insert(story.lines.len().min(1), line);
        story.lines.truncate(crate::story::LINES);
    }
    story
}

#[cfg(test)]
mod tests {
    use model::command::Command;

    use super::*;
    use crate::testing::Paper;

    fn known() -> Known {
        Known { limits: Limits { rig: 1, town: None }, delay: Duration::from_secs(5), memory: None }
    }

    fn why(paper: &Paper, bead: &BeadId, known: &Known) -> String {
        let waiting = paper.board.hooks.waiting(bead).unwrap();
        reason(&paper.board, waiting, Some(known), paper.now()).unwrap_or_default()
    }

    #[test]
    fn a_bead_says_what_keeps_it_waiting() {
        let mut paper = Paper::new();
        let (first, second) = (paper.bead("one"), paper.bead("two"));
        paper.sling(&[&first], "web").unwrap();
        assert_eq!(why(&paper, &first, &known()), "");
        let short = Known { memory: Some("memory is short".into()), ..known() };
        assert_eq!(why(&paper, &first, &short), "memory is short");
        paper.does(Command::RigPark { rig: "web".parse().unwrap(), reason: None, now: false }).unwrap();
        assert!(why(&paper, &first, &known()).contains("gastown rig unpark web"));
        paper.does(Command::RigUnpark { rig: "web".parse().unwrap() }).unwrap();
        paper.dispatch(8).unwrap();
        paper.sling(&[&second], "web").unwrap();
        assert!(why(&paper, &second, &known()).contains("max_workers"));
        let roomy = Known { limits: Limits { rig: 8, town: Some(1) }, ..known() };
        assert!(why(&paper, &second, &roomy).contains("of the town"));
        let free = Known { limits: Limits { rig: 8, town: None }, ..known() };
        assert!(
            why(&paper, &second, &free).contains("next worker starts in"),
            "{}",
            why(&paper, &second, &free)
        );
        paper.does(Command::Freeze { reason: Some("smoke".into()) }).unwrap();
        assert!(why(&paper, &second, &known()).contains("smoke"));
        let subject = crate::story::subject(&paper.board, second.as_str()).unwrap();
        let story = crate::story::tell(&paper.board, &subject, &[], &Default::default(), paper.now());
        let lines = story.lines.len();
        let story = told(&paper.board, second.as_str(), story, |_| None, paper.now());
        assert!(story.lines[1].contains("missing or wrong") && story.lines.len() == lines + 1, "{story:?}");
    }
}
