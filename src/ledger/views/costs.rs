//! What agents have used: one row for each session, conversation, model, bead and day.
//!
//! Nearly always that is one row for a session. Sums by agent, rig, bead, model and day are made from the
//! rows when somebody asks.

use std::collections::{BTreeMap, BTreeSet};

use model::cost::Used;
use model::event::{Event, Record};
use model::ids::{BeadId, SessionId};
use model::role::Address;
use model::time::Day;
use serde::{Deserialize, Serialize};

/// What a session has used of one model, in one conversation, for one thing, on one day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Whose session.
    pub agent: Address,
    /// The conversation, where it is another than the one that the session began with.
    pub conversation: Option<SessionId>,
    /// The model.
    pub model: String,
    /// What it was for.
    pub bead: Option<BeadId>,
    /// When it was recorded.
    pub day: Day,
    /// What was used.
    pub used: Used,
}

/// All that was ever recorded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Costs {
    by_session: BTreeMap<SessionId, Vec<Row>>,
    /// The sessions that went on in a conversation which they had not begun with, by that conversation.
    guests: BTreeMap<SessionId, BTreeSet<SessionId>>,
}

impl Costs {
    /// All rows, each with its session.
    pub fn iter(&self) -> impl Iterator<Item = (&SessionId, &Row)> {
        self.by_session.iter().flat_map(|(session, rows)| rows.iter().map(move |row| (session, row)))
    }

    /// What is recorded of `model` for a conversation, by whichever session: a session's first conversation
    /// is called as it is, and another session may have gone on in it.
    pub fn recorded(&self, conversation: &SessionId, model: &str) -> Used {
        let own = self.rows(conversation).filter(|row| row.conversation.is_none());
        let guests = self.guests.get(conversation).into_iter().flatten();
        let of_guests = guests
            .flat_map(|session| self.rows(session))
            .filter(|row| row.conversation.as_ref() == Some(conversation));
        let mut sum = Used::default();
        own.chain(of_guests).filter(|row| row.model == model).for_each(|row| sum += row.used);
        sum
    }

    fn rows(&self, session: &SessionId) -> impl Iterator<Item = &Row> {
        self.by_session.get(session).into_iter().flatten()
    }

    /// The conversations that `session` is known to have had, apart from the one that it began with.
    pub fn conversations(&self, session: &SessionId) -> BTreeSet<SessionId> {
        self.rows(session).filter_map(|row| row.conversation.clone()).collect()
    }

    pub(crate) fn apply(&mut self, record: &Record) {
        match &record.event {
            Event::CostRecorded { .. } => self.add(record),
            // What somebody has used is theirs under each of their names.
            Event::AgentRenamed { from, to } => {
                let rows = self.by_session.values_mut().flatten();
                rows.filter(|row| row.agent == *from).for_each(|row| row.agent = to.clone());
            }
            _ => {}
        }
    }

    fn add(&mut self, record: &Record) {
        let Event::CostRecorded { agent, session, bead, conversation, model, tokens, messages } =
            &record.event
        else {
            return;
        };
        let used = Used { tokens: *tokens, messages: *messages };
        let day = Day::of(record.at);
        if let Some(conversation) = conversation {
            self.guests.entry(conversation.clone()).or_default().insert(session.clone());
        }
        let rows = self.by_session.entry(session.clone()).or_default();
        let same = rows.iter_mut().find(|row| {
            row.agent == *agent
                && row.conversation == *conversation
                && row.model == *model
                && row.bead == *bead
                && row.day == day
        });
        match same {
            Some(row) => row.used += used,
            None => rows.push(Row {
                agent: agent.clone(),
                conversation: conversation.clone(),
                model: model.clone(),
                bead: bead.clone(),
                day,
                used,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use model::cost::Tokens;
    use model::ids::Seq;
    use model::time::Timestamp;

    use super::*;

    fn used(session: &str, conversation: Option<&str>, model: &str, output: u64, at: &str) -> Record {
        Record {
            seq: Seq(1),
            at: at.parse::<Timestamp>().unwrap(),
            actor: "web/polecats/nux".parse().unwrap(),
            event: Event::CostRecorded {
                agent: "web/polecats/nux".parse().unwrap(),
                session: session.parse().unwrap(),
                bead: Some("web-1".parse().unwrap()),
                conversation: conversation.map(|id| id.parse().unwrap()),
                model: model.into(),
                tokens: Tokens { output, ..Tokens::default() },
                messages: 1,
            },
        }
    }

    #[test]
    fn records_of_one_day_make_one_row_and_all_days_count_as_recorded() {
        let mut costs = Costs::default();
        for record in [
            used("s-1", None, "opus", 1, "2026-01-01T10:00:00Z"),
            used("s-1", None, "opus", 2, "2026-01-01T11:00:00Z"),
            used("s-1", None, "opus", 4, "2026-01-02T00:00:00Z"),
            used("s-1", None, "haiku", 8, "2026-01-02T00:00:00Z"),
            used("s-1", Some("s-2"), "opus", 16, "2026-01-02T00:00:00Z"),
            used("s-3", Some("s-1"), "opus", 32, "2026-01-02T00:00:00Z"),
        ] {
            costs.apply(&record);
        }
        assert_eq!(costs.iter().count(), 5);
        let recorded = |conversation: &str, model| {
            let used = costs.recorded(&conversation.parse().unwrap(), model);
            (used.tokens.output, used.messages)
        };
        assert_eq!(recorded("s-1", "opus"), (7 + 32, 4));
        assert_eq!(recorded("s-1", "haiku"), (8, 1));
        assert_eq!(recorded("s-2", "opus"), (16, 1));
        assert_eq!(recorded("s-3", "opus"), (0, 0));
        let known = costs.conversations(&"s-1".parse().unwrap());
        assert_eq!(known, BTreeSet::from(["s-2".parse().unwrap()]));
        let [from, to]: [Address; 2] =
            ["web/polecats/nux", "web/polecats/max"].map(|name| name.parse().unwrap());
        let event = Event::AgentRenamed { from, to: to.clone() };
        costs.apply(&Record { event, ..used("s-1", None, "opus", 0, "2026-01-02T00:00:00Z") });
        assert!(costs.iter().all(|(_, row)| row.agent == to));
        // As a snapshot keeps it.
        let packed = rmp_serde::to_vec_named(&costs).unwrap();
        assert_eq!(rmp_serde::from_slice::<Costs>(&packed).unwrap(), costs);
    }
}
