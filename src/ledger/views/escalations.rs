//! What a person has to know, and which messages about it have gone where.

use std::collections::BTreeMap;

use model::escalation::{Context, NoticeState, Outcome, Route, Severity, Stage};
use model::event::{Event, Record};
use model::ids::{BeadId, EscalationId, MailId, Seq};
use model::mail::Kind;
use model::role::Address;
use model::time::Timestamp;
use serde::{Deserialize, Serialize};

/// A message about an escalation, by one way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// How often the escalation had become graver by then.
    pub round: u32,
    /// The way.
    pub route: Route,
    /// How often it was tried.
    pub attempts: u32,
    /// Whether it is under way, as far as the log knows.
    pub sending: bool,
    /// Whether an attempt may have gone through of which that is not known.
    pub in_doubt: bool,
    /// What came of the last attempt.
    pub outcome: Option<Outcome>,
    /// Since when it is so.
    pub at: Timestamp,
}

impl Notice {
    /// Whether it has come to whom it was for.
    pub fn is_there(&self) -> bool {
        self.outcome.as_ref().is_some_and(Outcome::is_there)
    }

    /// Whether something is still to be done about it.
    pub fn is_pending(&self) -> bool {
        self.sending || self.outcome.as_ref().is_none_or(|outcome| !outcome.is_final())
    }

    /// How far it is; `wanted` says whether anybody still has to be told.
    fn state(&self, wanted: bool) -> NoticeState {
        match &self.outcome {
            _ if self.sending => NoticeState::Sending,
            None | Some(Outcome::Failed { again: true, .. }) if !wanted => NoticeState::Dropped,
            None => NoticeState::Planned,
            Some(Outcome::Failed { again: true, .. }) => NoticeState::Failing,
            Some(Outcome::Failed { again: false, .. }) => NoticeState::Failed,
            Some(Outcome::Unknown { .. }) => NoticeState::Unknown,
            Some(Outcome::Bead { .. } | Outcome::Letter { .. } | Outcome::Delivered { .. }) => {
                NoticeState::Delivered
            }
        }
    }
}

/// A letter about an escalation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// How often the escalation had become graver by then.
    pub round: u32,
    /// Who was written to.
    pub to: Address,
    /// The letter.
    pub mail: MailId,
}

/// One thing that a person has to know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Escalation {
    /// Its name.
    pub id: EscalationId,
    /// The record that raised it, where its whole text is for ever.
    pub seq: Seq,
    /// How grave it is.
    pub severity: Severity,
    /// How grave it was at first.
    pub raised_as: Severity,
    /// How often it has become graver because nobody took note.
    pub rounds: u32,
    /// Since when it is as grave as it is.
    pub since: Timestamp,
    /// About which bead.
    pub bead: Option<BeadId>,
    /// About which agent.
    pub agent: Option<Address>,
    /// What it comes from, in the words of whoever raised it.
    pub source: Option<String>,
    /// One line.
    pub subject: String,
    /// The whole of it; of what is closed, the log has it.
    pub body: String,
    /// What the town knew of the matter; of what is closed, the log has it.
    pub context: Option<Box<Context>>,
    /// Who raised it.
    pub by: Address,
    /// Since when.
    pub at: Timestamp,
    /// When a person took note, or the matter was settled.
    pub acked_at: Option<Timestamp>,
    /// Who did.
    pub acked_by: Option<Address>,
    /// What they said to it.
    pub note: Option<String>,
    /// When the matter was settled.
    pub closed_at: Option<Timestamp>,
    /// Who said so.
    pub closed_by: Option<Address>,
    /// How.
    pub close_reason: Option<String>,
    /// How many of its rounds have been sent on their ways.
    pub routed: u32,
    /// The bead that holds it.
    pub record: Option<BeadId>,
    /// Whether that bead is open.
    pub record_is_open: bool,
    /// The messages about it.
    pub notices: Vec<Notice>,
    /// The letters about it.
    pub letters: Vec<Told>,
}

impl Escalation {
    /// An escalation as `record` has raised it; none when it has not.
    pub fn raised(record: &Record) -> Option<Escalation> {
        let Event::EscalationRaised { escalation, severity, bead, agent, subject, body, source, context } =
            &record.event
        else {
            return None;
        };
        // What other programs may have called it is at least worth a look.
        let severity = severity.parse().unwrap_or(Severity::Medium);
        Some(Escalation {
            id: escalation.clone(),
            seq: record.seq,
            severity,
            raised_as: severity,
            rounds: 0,
            since: record.at,
            bead: bead.clone(),
            agent: agent.clone(),
            source: source.clone(),
            subject: subject.clone(),
            body: body.clone(),
            context: context.clone(),
            by: record.actor.clone(),
            at: record.at,
            acked_at: None,
            acked_by: None,
            note: None,
            closed_at: None,
            closed_by: None,
            close_reason: None,
            routed: 0,
            record: None,
            record_is_open: false,
            notices: Vec::new(),
            letters: Vec::new(),
        })
    }

    /// How far it has come.
    pub fn stage(&self) -> Stage {
        match (self.closed_at, self.acked_at) {
            (Some(_), _) => Stage::Closed,
            (None, Some(_)) => Stage::Acked,
            (None, None) => Stage::Open,
        }
    }

    /// Whether the ways of its present round have not been taken yet.
    pub fn is_unrouted(&self) -> bool {
        self.acked_at.is_none() && self.routed <= self.rounds
    }

    /// Whether anybody still has to be told by `notice`: nobody has taken note, and it has not become graver.
    pub fn wants(&self, notice: &Notice) -> bool {
        self.acked_at.is_none() && notice.round == self.rounds
    }

    /// How far `notice` is.
    pub fn state_of(&self, notice: &Notice) -> NoticeState {
        notice.state(self.wants(notice))
    }

    /// Messages that are not through, and are wanted or under way, as far as the log knows.
    pub fn pending(&self) -> impl Iterator<Item = &Notice> {
        self.notices.iter().filter(|notice| notice.is_pending() && (self.wants(notice) || notice.sending))
    }

    /// Messages that are wanted and did not go through, or not yet.
    pub fn undelivered(&self) -> impl Iterator<Item = &Notice> {
        let trouble =
            |state| matches!(state, NoticeState::Failing | NoticeState::Failed | NoticeState::Unknown);
        self.notices.iter().filter(move |notice| self.wants(notice) && trouble(self.state_of(notice)))
    }

    /// Somebody takes note.
    pub fn ack(&mut self, at: Timestamp, by: &Address, note: Option<String>) {
        if self.acked_at.is_none() {
            self.acked_at = Some(at);
            self.acked_by = Some(by.clone());
        }
        self.note = note.or_else(|| self.note.take());
    }

    /// The matter is settled.
    pub fn close(&mut self, at: Timestamp, by: &Address, reason: &str) {
        self.ack(at, by, None);
        if self.closed_at.is_none() {
            self.closed_at = Some(at);
            self.closed_by = Some(by.clone());
            self.close_reason = Some(reason.to_owned());
        }
    }

    /// It becomes graver.
    pub fn climb(&mut self, at: Timestamp, to: Severity) {
        self.severity = to;
        self.rounds += 1;
        self.since = at;
    }

    /// Lets go of words that the log has for ever.
    fn fall_silent(&mut self) {
        self.body = String::new();
        self.context = None;
    }

    fn notice(&mut self, round: u32, route: &Route, at: Timestamp) -> &mut Notice {
        let known = self.notices.iter().position(|known| known.round == round && known.route == *route);
        let place = known.unwrap_or_else(|| {
            let (route, outcome) = (route.clone(), None);
            self.notices.push(Notice {
                round,
                route,
                attempts: 0,
                sending: false,
                in_doubt: false,
                outcome,
                at,
            });
            self.notices.len() - 1
        });
        &mut self.notices[place]
    }

    /// It is to go these ways.
    pub fn routed(&mut self, round: u32, routes: &[Route], at: Timestamp) {
        self.routed = self.routed.max(round + 1);
        for route in routes {
            self.notice(round, route, at);
        }
    }

    /// Something has come of a way.
    pub fn notified(&mut self, round: u32, route: &Route, outcome: &Outcome, at: Timestamp) {
        if let Outcome::Bead { bead } = outcome {
            self.record_is_open |= self.record.as_ref() != Some(bead);
            self.record = Some(bead.clone());
        }
        let notice = self.notice(round, route, at);
        notice.in_doubt |= matches!(outcome, Outcome::Failed { in_doubt: true, .. });
        (notice.sending, notice.at, notice.outcome) = (false, at, Some(outcome.clone()));
    }
}

/// All of them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Escalations {
    by_id: BTreeMap<EscalationId, Escalation>,
    /// Those with which something is still to be done, in the order in which they were raised.
    unsettled: BTreeMap<Seq, EscalationId>,
}

impl Escalations {
    /// The one called `id`.
    pub fn get(&self, id: &EscalationId) -> Option<&Escalation> {
        self.by_id.get(id)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Escalation> {
        self.by_id.values()
    }

    /// How many there have ever been.
    pub fn count(&self) -> usize {
        self.by_id.len()
    }

    /// Those that are not closed, or whose bead is not, in the order in which they were raised.
    pub fn unsettled(&self) -> impl Iterator<Item = &Escalation> {
        self.unsettled.values().filter_map(|id| self.by_id.get(id))
    }

    /// Those that nobody has taken note of, in the order in which they were raised.
    pub fn open(&self) -> impl Iterator<Item = &Escalation> {
        self.unsettled().filter(|escalation| escalation.acked_at.is_none())
    }

    pub(crate) fn apply(&mut self, record: &Record) {
        let at = record.at;
        match &record.event {
            Event::EscalationRaised { .. } => {
                if let Some(raised) = Escalation::raised(record) {
                    self.unsettled.insert(raised.seq, raised.id.clone());
                    self.by_id.insert(raised.id.clone(), raised);
                }
            }
            Event::MailSent { letter } => {
                let Kind::Escalation { escalation, subject, .. } = &letter.kind else { return };
                let about = match escalation {
                    Some(id) => Some(id.clone()),
                    // Letters of the first days do not say; they were written right after it was raised.
                    None => {
                        self.open().filter(|known| known.subject == *subject).last().map(|k| k.id.clone())
                    }
                };
                if let Some(known) = about.and_then(|id| self.by_id.get_mut(&id)) {
                    let (to, mail) = (letter.to.clone(), letter.id.clone());
                    known.letters.push(Told { round: known.rounds, to, mail });
                }
            }
            Event::EscalationAcked { escalation, note } => {
                self.change(escalation, |known| known.ack(at, &record.actor, note.clone()));
            }
            Event::EscalationClosed { escalation, reason } => {
                self.change(escalation, |known| known.close(at, &record.actor, reason));
            }
            Event::EscalationReescalated { escalation, to, .. } => {
                self.change(escalation, |known| known.climb(at, *to));
            }
            Event::EscalationRouted { escalation, round, routes, .. } => {
                self.change(escalation, |known| known.routed(*round, routes, at));
            }
            Event::EscalationSending { escalation, round, route, attempt } => {
                self.change(escalation, |known| {
                    let notice = known.notice(*round, route, at);
                    // Nobody has heard how the one before ended.
                    notice.in_doubt |= notice.sending;
                    (notice.sending, notice.attempts, notice.at) = (true, *attempt, at);
                });
            }
            Event::EscalationNotified { escalation, round, route, outcome } => {
                self.change(escalation, |known| known.notified(*round, route, outcome, at));
            }
            Event::EscalationRetried { escalation } => self.change(escalation, |known| {
                let round = known.rounds;
                for notice in known.notices.iter_mut().filter(|notice| notice.round == round) {
                    if !notice.sending && !notice.is_there() {
                        (notice.attempts, notice.outcome, notice.at) = (0, None, at);
                    }
                }
            }),
            // A bead that is finished needs no person any more; and who closes the bead that holds an
            // escalation has settled it.
            Event::BeadClosed { bead, reason, .. } => {
                let about = |known: &&Escalation| {
                    known.bead.as_ref() == Some(bead) || known.record.as_ref() == Some(bead)
                };
                let about: Vec<EscalationId> =
                    self.unsettled().filter(about).map(|known| known.id.clone()).collect();
                for id in about {
                    self.change(&id, |known| {
                        known.record_is_open &= known.record.as_ref() != Some(bead);
                        known.close(at, &record.actor, &format!("{bead} was closed: {reason}"));
                    });
                }
            }
            Event::AgentRenamed { from, to } => {
                for known in self.by_id.values_mut() {
                    let agent = known.agent.iter_mut();
                    let told = known.letters.iter_mut().map(|told| &mut told.to);
                    agent.chain(told).filter(|name| *name == from).for_each(|name| *name = to.clone());
                }
            }
            _ => {}
        }
    }

    fn change(&mut self, id: &EscalationId, change: impl FnOnce(&mut Escalation)) {
        let Some(known) = self.by_id.get_mut(id) else { return };
        change(known);
        // A town has troubles for ever: of those that are over, only what a list shows stays.
        if known.closed_at.is_some() {
            known.fall_silent();
            if !known.record_is_open {
                self.unsettled.remove(&known.seq);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ESC: &str = "esc-1";

    fn id() -> EscalationId {
        ESC.parse().unwrap()
    }

    struct Log(Escalations, i64);

    impl Log {
        fn says(&mut self, event: Event) {
            self.1 += 1;
            let (seq, at) = (Seq(self.1.unsigned_abs()), Timestamp::from_millis(self.1 * 1000));
            self.0.apply(&Record { seq, at, actor: Address::Deacon, event });
        }

        fn raised() -> Log {
            let mut log = Log(Escalations::default(), 0);
            log.says(Event::EscalationRaised {
                escalation: id(),
                severity: "high".into(),
                bead: Some("web-1".parse().unwrap()),
                agent: None,
                subject: "main is red".into(),
                body: "all of it".into(),
                source: None,
                context: None,
            });
            log
        }

        fn one(&self) -> &Escalation {
            self.0.get(&id()).unwrap()
        }

        fn notified(&mut self, route: &str, outcome: Outcome) {
            let route = route.parse().unwrap();
            self.says(Event::EscalationNotified { escalation: id(), round: 0, route, outcome });
        }
    }

    #[test]
    fn a_message_goes_from_planned_to_there_and_may_be_asked_for_again() {
        let mut log = Log::raised();
        assert!(log.one().is_unrouted());
        let routes = vec!["bead".parse().unwrap(), "webhook".parse().unwrap()];
        log.says(Event::EscalationRouted { escalation: id(), round: 0, severity: Severity::High, routes });
        assert!(!log.one().is_unrouted());
        log.notified("bead", Outcome::Bead { bead: "hq-1".parse().unwrap() });
        let state = |log: &Log| {
            let one = log.one();
            one.notices.iter().map(|notice| one.state_of(notice).as_str()).collect::<Vec<_>>()
        };
        assert_eq!(state(&log), ["delivered", "planned"]);
        let sending = |attempt| Event::EscalationSending {
            escalation: id(),
            round: 0,
            route: "webhook".parse().unwrap(),
            attempt,
        };
        log.says(sending(1));
        assert_eq!(state(&log), ["delivered", "sending"]);
        let failed = |again| Outcome::Failed { error: "refused".into(), again, in_doubt: false };
        log.notified("webhook", failed(true));
        assert_eq!((state(&log), log.one().undelivered().count()), (vec!["delivered", "failing"], 1));
        log.notified("webhook", failed(false));
        assert_eq!((state(&log), log.one().pending().count()), (vec!["delivered", "failed"], 0));
        log.says(Event::EscalationRetried { escalation: id() });
        assert_eq!((state(&log), log.one().notices[1].attempts), (vec!["delivered", "planned"], 0));
        log.says(Event::EscalationAcked { escalation: id(), note: Some("mine".into()) });
        assert_eq!((state(&log), log.one().pending().count()), (vec!["delivered", "dropped"], 0));
        assert_eq!((log.one().stage(), log.0.open().count()), (Stage::Acked, 0));
    }

    #[test]
    fn who_closes_the_bead_that_it_is_about_or_the_one_that_holds_it_has_settled_it() {
        for (bead, left) in [("web-1", 1), ("hq-1", 0)] {
            let mut log = Log::raised();
            log.notified("bead", Outcome::Bead { bead: "hq-1".parse().unwrap() });
            let bead: BeadId = bead.parse().unwrap();
            let from = model::bead::Status::Open;
            log.says(Event::BeadClosed { bead, from, reason: "done".into() });
            assert_eq!(log.one().stage(), Stage::Closed);
            assert_eq!((log.one().body.as_str(), log.one().acked_at), ("", log.one().closed_at));
            // The bead that holds it is still to be closed, or is.
            assert_eq!(log.0.unsettled().count(), left);
        }
    }

    #[test]
    fn what_becomes_graver_is_sent_on_its_ways_again() {
        let mut log = Log::raised();
        log.says(Event::EscalationRouted {
            escalation: id(),
            round: 0,
            severity: Severity::High,
            routes: Vec::new(),
        });
        log.says(Event::EscalationReescalated {
            escalation: id(),
            from: Severity::High,
            to: Severity::Critical,
            reason: "nobody took note".into(),
        });
        let one = log.one();
        assert!(one.is_unrouted());
        assert_eq!((one.severity, one.raised_as, one.rounds), (Severity::Critical, Severity::High, 1));
        assert_eq!(one.since, Timestamp::from_millis(3000));
        let packed = rmp_serde::to_vec_named(&log.0).unwrap();
        assert_eq!(rmp_serde::from_slice::<Escalations>(&packed).unwrap(), log.0);
    }
}
