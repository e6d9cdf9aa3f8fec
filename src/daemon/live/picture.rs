//! What the live view shows, as lines.

use std::collections::VecDeque;

use clerk::story::sentence;
use ledger::views::Board;
use model::agent::AgentState;
use model::bead::Status;
use model::event::Record;
use model::hook::Stage;
use model::role::Address;
use model::time::Timestamp;

/// Events that are kept for the picture.
const EVENTS: usize = 12;

/// The least number of events that are shown, if there is any room at all.
const FEW: usize = 4;

/// A colour that means something.
#[derive(Debug, Clone, Copy)]
enum Tint {
    Dim,
    Bold,
    Red,
    Green,
    Yellow,
}

/// The state of the picture beside the board: what happened last.
#[derive(Debug)]
pub(super) struct Picture {
    name: String,
    color: bool,
    began: Option<Timestamp>,
    events: VecDeque<(Timestamp, String, String)>,
}

impl Picture {
    pub(super) fn new(name: String, color: bool) -> Self {
        Self { name, color, began: None, events: VecDeque::new() }
    }

    /// Takes in what has happened.
    pub(super) fn take(&mut self, records: &[Record]) {
        for record in records {
            self.began.get_or_insert(record.at);
            if let Some(text) = sentence(record) {
                self.events.push_back((record.at, record.actor.to_string(), plain(&text)));
            }
        }
        self.events.drain(..self.events.len().saturating_sub(EVENTS));
    }

    /// The picture in at most `rows` lines, one of the terminal's left free, and `columns` characters.
    pub(super) fn lines(&self, board: &Board, rows: usize, columns: usize) -> Vec<String> {
        let room = rows.saturating_sub(1);
        let mut lines = vec![self.headline(board, columns)];
        let mut agents = self.agents(board, columns);
        let mut queue = self.queue(board, columns);
        // Events go first when it gets narrow, then the queue's end, then agents.
        let few = FEW.min(self.events.len());
        let fixed = lines.len() + few;
        agents.truncate(room.saturating_sub(fixed));
        queue.truncate(room.saturating_sub(fixed + agents.len()));
        lines.append(&mut agents);
        lines.append(&mut queue);
        let left = room.saturating_sub(lines.len());
        let skip = self.events.len().saturating_sub(left);
        for (at, actor, text) in self.events.iter().skip(skip) {
            let line = fit(&format!("  {} {actor}: {text}", clock(*at)), columns);
            lines.push(self.paint(Tint::Dim, &line));
        }
        lines.truncate(room);
        lines
    }

    fn headline(&self, board: &Board, columns: usize) -> String {
        let seconds = self.began.map_or(0, |began| board.at.since(began).as_secs());
        let closed = board.beads.iter().filter(|bead| bead.status == Status::Closed).count();
        let waiting = board.hooks.all_waiting().count();
        let hooked = board.hooks.iter().filter(|hook| hook.stage != Stage::Landed).count();
        let frozen = board.freezes.now().map(|pause| format!(": FROZEN {}", plain(&pause.told())));
        let line = format!(
            "gastown {}{}: {} of {} beads closed, {hooked} on hooks, {waiting} waiting, {seconds} s",
            plain(&self.name),
            frozen.unwrap_or_default(),
            closed,
            board.beads.len(),
        );
        self.paint(Tint::Bold, &fit(&line, columns))
    }

    fn agents(&self, board: &Board, columns: usize) -> Vec<String> {
        let shown = |address: &Address, state: AgentState| {
            board.hooks.of(address).is_some() || state.has_session() || state == AgentState::Failed
        };
        board
            .agents
            .iter()
            .filter(|(address, agent)| shown(address, agent.state))
            .map(|(address, agent)| {
                let bead = board.hooks.of(address).and_then(|hook| board.beads.get(&hook.bead));
                let what = bead.map_or_else(String::new, |bead| format!("{} {}", bead.id, bead.title));
                let stage = board.hooks.of(address).map_or("", |hook| match hook.stage {
                    Stage::Rework { .. } => " (again)",
                    Stage::Submitted => " (handed in)",
                    Stage::Working | Stage::Landed => "",
                });
                let line =
                    format!("  {:<24} {:<9} {}{stage}", address.to_string(), agent.state, plain(&what));
                let line = fit(&line, columns);
                match agent.state {
                    AgentState::Failed | AgentState::Stuck => self.paint(Tint::Red, &line),
                    AgentState::Working => self.paint(Tint::Green, &line),
                    AgentState::Waiting | AgentState::Limited => self.paint(Tint::Yellow, &line),
                    _ => line,
                }
            })
            .collect()
    }

    fn queue(&self, board: &Board, columns: usize) -> Vec<String> {
        clerk::answers::merge_rows(board)
            .into_iter()
            .filter_map(|row| row.position.map(|position| (position, row)))
            .map(|(position, row)| {
                let detail = row.detail.map(|detail| format!(": {}", plain(&detail))).unwrap_or_default();
                let line = format!("  queue {position} of {}: {} {}{detail}", row.rig, row.bead, row.state);
                fit(&line, columns)
            })
            .collect()
    }

    fn paint(&self, tint: Tint, text: &str) -> String {
        if !self.color {
            return text.to_owned();
        }
        let code = match tint {
            Tint::Dim => "2",
            Tint::Bold => "1",
            Tint::Red => "31",
            Tint::Green => "32",
            Tint::Yellow => "33",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// The time of day in UTC.
pub(super) fn clock(at: Timestamp) -> String {
    at.to_string().get(11..19).unwrap_or("--:--:--").to_owned()
}

/// `text` on one line, without anything that a terminal would obey.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The first `columns` characters of `text`.
fn fit(text: &str, columns: usize) -> String {
    if text.chars().count() <= columns {
        return text.trim_end().to_owned();
    }
    let mut short: String = text.chars().take(columns.saturating_sub(1)).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use model::event::Event;
    use model::ids::Seq;

    use super::*;

    fn board(records: &mut Vec<Record>) -> Board {
        let mut board = Board::default();
        let mut say = |event: Event| {
            let seq = Seq(records.len() as u64 + 1);
            let at = Timestamp::from_millis(1000 * i64::try_from(seq.0).unwrap());
            let record = Record { seq, at, actor: Address::Overseer, event };
            board.apply(&record);
            records.push(record);
        };
        for n in 1..=3 {
            let bead = serde_json::from_value(serde_json::json!({
                "id": format!("web-{n}"), "title": format!("work\x1b[2J {n}"), "status": "open",
                "priority": 2, "issue_type": "task", "created_at": "2026-01-01T00:00:00Z",
                "updated_at": "2026-01-01T00:00:00Z", "created_by": "overseer",
            }));
            say(Event::BeadCreated { bead: std::sync::Arc::new(bead.unwrap()) });
        }
        let agent: Address = "web/polecats/docs".parse().unwrap();
        let bead = "web-1".parse().unwrap();
        say(Event::HookSet { agent: agent.clone(), bead, mol: None, preset: None, args: None });
        say(Event::AgentState { agent, from: AgentState::Parked, to: AgentState::Working, note: None });
        board
    }

    #[test]
    fn a_picture_says_who_does_what_and_what_was_last() {
        let mut records = Vec::new();
        let board = board(&mut records);
        let mut picture = Picture::new("harbour".into(), false);
        picture.take(&records);
        assert_eq!(
            picture.lines(&board, 24, 80),
            [
                "gastown harbour: 0 of 3 beads closed, 1 on hooks, 0 waiting, 4 s",
                "  web/polecats/docs        working   web-1 work [2J 1",
                "  00:00:01 overseer: created web-1: work [2J 1",
                "  00:00:02 overseer: created web-2: work [2J 2",
                "  00:00:03 overseer: created web-3: work [2J 3",
                "  00:00:04 overseer: hung web-1 on the hook of web/polecats/docs",
            ]
        );
    }

    #[test]
    fn a_picture_is_never_larger_than_its_terminal() {
        let mut records = Vec::new();
        let board = board(&mut records);
        for color in [false, true] {
            let mut picture = Picture::new("harbour".into(), color);
            picture.take(&records);
            for rows in 0..12 {
                for columns in [1, 10, 30, 200] {
                    let lines = picture.lines(&board, rows, columns);
                    assert!(lines.len() <= rows.saturating_sub(1));
                    for line in &lines {
                        let codes = ["\x1b[1m", "\x1b[2m", "\x1b[32m", "\x1b[0m"];
                        let bare = codes.iter().fold(line.clone(), |line, code| line.replace(code, ""));
                        assert!(bare.chars().count() <= columns && !bare.contains('\x1b'), "{line:?}");
                        assert_eq!(line.contains('\x1b'), color && bare != *line);
                    }
                }
            }
        }
    }
}
