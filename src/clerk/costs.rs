//! What agents have used: recorded as differences, summed up for people.

use std::collections::{BTreeMap, BTreeSet};

use ledger::views::Board;
use model::cost::{By, Report, Row, Used};
use model::event::Event;
use model::ids::{BeadId, SessionId};
use model::role::Address;
use model::time::Day;

use crate::draft::Draft;

/// What a conversation has used of one model since it began, as its program has written it down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Total {
    /// The conversation, where it is another than the one that the session began with.
    pub conversation: Option<SessionId>,
    /// The model.
    pub model: String,
    /// What.
    pub used: Used,
}

/// Records what `totals` of `session` have more than the ledger knows: so that the same totals, counted
/// again after a crash or by somebody else, record nothing.
pub fn record(draft: &mut Draft<'_>, agent: &Address, session: &SessionId, totals: &[Total]) {
    let bead = purpose(draft.board, agent, session);
    for Total { conversation, model, used } in totals {
        let recorded = draft.board.costs.recorded(conversation.as_ref().unwrap_or(session), model);
        let new = used.without(recorded);
        if new != Used::default() {
            draft.push(Event::CostRecorded {
                agent: agent.clone(),
                session: session.clone(),
                bead: bead.clone(),
                conversation: conversation.clone(),
                model: model.clone(),
                tokens: new.tokens,
                messages: new.messages,
            });
        }
    }
}

/// What was used for these beads, in tokens.
pub(crate) fn tokens(board: &Board, beads: &BTreeSet<BeadId>) -> u64 {
    let own =
        board.costs.iter().filter(|(_, row)| row.bead.as_ref().is_some_and(|bead| beads.contains(bead)));
    own.map(|(_, row)| row.used.tokens.total()).sum()
}

/// What a session is for: what it was started for, else what hangs on its agent's hook.
fn purpose(board: &Board, agent: &Address, session: &SessionId) -> Option<BeadId> {
    let view = board.agents.get(agent)?;
    match &view.session {
        Some(open) if open.id == *session => {
            open.bead.clone().or_else(|| board.hooks.of(agent).map(|hook| hook.bead.clone()))
        }
        _ => view.last_bead.clone().filter(|_| view.last_session.as_ref() == Some(session)),
    }
}

/// Sums up what was recorded on the day `since` or later. The largest sum first; days in their order.
pub fn report(board: &Board, by: By, since: Option<Day>) -> Report {
    let mut sums: BTreeMap<Option<String>, Sum<'_>> = BTreeMap::new();
    let mut total = Sum::default();
    for (session, row) in board.costs.iter().filter(|(_, row)| since.is_none_or(|since| row.day >= since)) {
        let name = match by {
            By::Agent => Some(row.agent.to_string()),
            By::Rig => row.agent.rig().map(ToString::to_string),
            By::Bead => row.bead.as_ref().map(ToString::to_string),
            By::Model => Some(row.model.clone()),
            By::Day => Some(row.day.to_string()),
            By::Session => Some(session.to_string()),
        };
        let sum = sums.entry(name).or_default();
        sum.add(session, row.used);
        total.add(session, row.used);
        sum.about = match by {
            By::Bead => row.bead.as_ref().and_then(|id| board.beads.get(id)).map(|bead| bead.title.clone()),
            By::Session => Some(row.agent.to_string()),
            _ => None,
        };
    }
    let mut rows: Vec<Row> = sums.into_iter().map(|(name, sum)| sum.row(name)).collect();
    if by != By::Day {
        rows.sort_by_key(|row| std::cmp::Reverse(row.used.tokens.total()));
    }
    Report { by, since, rows, total: total.row(None) }
}

#[derive(Debug, Default)]
struct Sum<'a> {
    used: Used,
    sessions: BTreeSet<&'a SessionId>,
    about: Option<String>,
}

impl<'a> Sum<'a> {
    fn add(&mut self, session: &'a SessionId, used: Used) {
        self.used += used;
        self.sessions.insert(session);
    }

    fn row(self, name: Option<String>) -> Row {
        Row { name, about: self.about, used: self.used, sessions: self.sessions.len() }
    }
}

#[cfg(test)]
mod tests {
    use model::cost::Tokens;
    use model::ids::Seq;
    use proptest::prelude::*;

    use super::*;
    use crate::agents::{self, Begun};
    use crate::testing::Paper;

    fn nux() -> Address {
        "web/polecats/nux".parse().unwrap()
    }

    fn session(id: &str) -> SessionId {
        id.parse().unwrap()
    }

    fn total(model: &str, input: u64, messages: u64) -> Total {
        let used = Used { tokens: Tokens { input, output: 1, ..Tokens::default() }, messages };
        Total { conversation: None, model: model.into(), used }
    }

    impl Paper {
        fn begins(&mut self, agent: &Address, id: &str, bead: Option<&str>) {
            let begun = Begun {
                agent: agent.clone(),
                session: session(id),
                preset: "claude".into(),
                bead: bead.map(|bead| bead.parse().unwrap()),
                reason: "hook".into(),
            };
            self.role(agent, move |draft| agents::begun(draft, begun)).unwrap();
        }

        fn uses(&mut self, agent: &Address, id: &str, totals: &[Total]) -> usize {
            let before = self.records.len();
            self.role(agent, |draft| {
                record(draft, agent, &session(id), totals);
                Ok(())
            })
            .unwrap();
            self.records.len() - before
        }
    }

    #[test]
    fn the_same_totals_are_recorded_once_and_later_ones_by_their_difference() {
        let mut town = Paper::new();
        town.begins(&nux(), "s-1", Some("web-1"));
        assert_eq!(town.uses(&nux(), "s-1", &[total("opus", 10, 1), total("haiku", 3, 1)]), 2);
        assert_eq!(town.uses(&nux(), "s-1", &[total("opus", 10, 1), total("haiku", 3, 1)]), 0);
        assert_eq!(town.uses(&nux(), "s-1", &[total("opus", 25, 2), total("haiku", 3, 1)]), 1);
        let Event::CostRecorded { bead, model, tokens, messages, .. } = &town.records.last().unwrap().event
        else {
            panic!("{:?}", town.records.last());
        };
        assert_eq!(bead.as_ref().unwrap().as_str(), "web-1");
        assert_eq!((model.as_str(), tokens.input, tokens.output, *messages), ("opus", 15, 0, 1));
    }

    #[test]
    fn any_two_sums_of_the_same_records_agree() {
        let mut town = Paper::new();
        town.begins(&nux(), "s-1", Some("web-1"));
        town.uses(&nux(), "s-1", &[total("opus", 10, 1), total("haiku", 300, 2)]);
        town.begins(&Address::Mayor, "s-2", None);
        town.uses(&Address::Mayor, "s-2", &[total("opus", 50, 1)]);
        for by in By::ALL {
            let report = report(&town.board, by, None);
            let mut sum = Used::default();
            report.rows.iter().for_each(|row| sum += row.used);
            assert_eq!(
                (sum, report.total.used.tokens.input, report.total.sessions),
                (report.total.used, 360, 2)
            );
        }
        let names = |by| {
            let rows = report(&town.board, by, None).rows;
            rows.into_iter().map(|row| row.name.unwrap_or_default()).collect::<Vec<_>>()
        };
        assert_eq!(names(By::Agent), ["web/polecats/nux", "mayor/"]);
        assert_eq!(names(By::Rig), ["web", ""]);
        assert_eq!(names(By::Bead), ["web-1", ""]);
        assert_eq!(names(By::Model), ["haiku", "opus"]);
        assert_eq!(names(By::Session), ["s-1", "s-2"]);
        assert_eq!(names(By::Day), ["1970-01-01"]);
        let later = report(&town.board, By::Agent, Some("1970-01-02".parse().unwrap()));
        assert!(later.rows.is_empty() && later.total.used == Used::default());
    }

    proptest! {
        /// Counted at any moments, by a reader that may have been set back: what is recorded is what there
        /// is in the end, and a fold of the records gives the same.
        #[test]
        fn whenever_it_is_counted_the_sum_is_what_was_used(
            steps in prop::collection::vec((0_u64..1_000, 0_u64..3, any::<bool>(), any::<bool>()), 1..30)
        ) {
            let mut town = Paper::new();
            town.begins(&nux(), "s-1", Some("web-1"));
            let mut now = Used::default();
            let mut counted = Vec::new();
            for (output, messages, seen, again) in steps {
                now += Used { tokens: Tokens { output, ..Tokens::default() }, messages };
                if seen {
                    counted.push(now);
                }
                if again && let Some(earlier) = counted.first() {
                    let total = Total { conversation: None, model: "opus".into(), used: *earlier };
                    town.uses(&nux(), "s-1", &[total]);
                }
                if let Some(latest) = counted.last() {
                    let total = Total { conversation: None, model: "opus".into(), used: *latest };
                    town.uses(&nux(), "s-1", &[total]);
                    prop_assert_eq!(town.board.costs.recorded(&session("s-1"), "opus"), *latest);
                }
            }
            let mut board = Board::default();
            town.records.iter().for_each(|record| board.apply(record));
            prop_assert_eq!(&board, &town.board);
            prop_assert_eq!(board.head, Seq(town.records.len() as u64));
        }
    }
}
