//! Escalations on paper: the ways of each severity, the ladder in virtual time, messages that fail, die or are in
//! doubt, and who may take note.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::answer::EscalationGauge;
use model::bead::{Priority, Status};
use model::escalation::{NoticeState, Outcome, Retry, Stage};
use model::event::Event;
use proptest::prelude::*;

use super::rows::owner;
use super::*;
use crate::routing::{Attempted, Due, Key, Sending};
use crate::testing::Paper;

const HOUR: Duration = Duration::from_secs(3600);

fn raise(severity: Severity) -> Command {
    Command::Escalate {
        severity,
        subject: "main is red".into(),
        body: "since noon".into(),
        bead: None,
        source: None,
        dry_run: false,
    }
}

fn worker() -> Origin {
    Origin::Session { agent: "web/polecats/docs".parse().unwrap(), session: "s-1".parse().unwrap() }
}

fn mayor() -> Origin {
    Origin::Session { agent: Address::Mayor, session: "s-2".parse().unwrap() }
}

fn rules(critical: &str) -> Rules {
    let mut rules = Rules::default();
    let routes = critical.split_whitespace().map(|route| route.parse().unwrap()).collect();
    rules.routes.insert(Severity::Critical, routes);
    rules.retry = Retry { attempts: 3, first: Duration::from_secs(10), most: Duration::from_secs(60) };
    rules
}

fn id(n: usize) -> EscalationId {
    format!("esc-{n}").parse().unwrap()
}

impl Paper {
    fn passes(&mut self, time: Duration) {
        self.later += time;
    }

    fn known(&self, n: usize) -> &Escalation {
        self.board.escalations.get(&id(n)).unwrap()
    }

    /// What the Deacon's eye falls on, with nobody sending anything.
    fn due(&self, rules: &Rules) -> Due {
        routing::due(&self.board, self.now(), rules, &BTreeSet::new())
    }

    fn settles(&mut self, rules: &Rules) {
        let rules = rules.clone();
        self.role(&Address::Deacon, |draft| {
            routing::settle(draft, &rules, &BTreeSet::new());
            Ok(())
        })
        .unwrap();
    }

    fn sets_out(&mut self, sending: &Sending) -> Result<(), Refusal> {
        self.role(&Address::Deacon, |draft| routing::sending(draft, sending))
    }

    fn ends(&mut self, rules: &Rules, sending: &Sending, how: Attempted) {
        self.role(&Address::Deacon, |draft| {
            routing::attempted(draft, rules, sending, how);
            Ok(())
        })
        .unwrap();
    }

    fn help(&mut self) {
        self.role(&Address::Deacon, |draft: &mut Draft<'_>| {
            crate::help::escalate(draft, Rules::default().help_deadline);
            Ok(())
        })
        .unwrap();
    }

    /// How many letters about it have come to each rung.
    fn letters(&self) -> (usize, usize) {
        let of = |who: &Address| {
            let letters = self.records.iter().filter_map(|record| match &record.event {
                Event::MailSent { letter } if letter.to == *who => Some(&letter.kind),
                _ => None,
            });
            letters.filter(|kind| matches!(kind, Kind::Escalation { .. })).count()
        };
        (of(&Address::Mayor), of(&Address::Overseer))
    }
}

#[test]
fn each_severity_goes_its_ways_and_becomes_one_bead_of_its_urgency() {
    for (severity, letters) in [
        (Severity::Low, (0, 0)),
        (Severity::Medium, (1, 0)),
        (Severity::High, (1, 1)),
        (Severity::Critical, (1, 1)),
    ] {
        let mut paper = Paper::new();
        let Answer::Escalation(row) = paper.by(&worker(), raise(severity)).unwrap() else { panic!() };
        // Nothing is left to do, however often one looks.
        for _ in 0..3 {
            paper.deacon();
        }
        assert_eq!(paper.letters(), letters, "{severity}");
        let beads: Vec<_> = paper.board.beads.iter().collect();
        assert_eq!((beads.len(), beads[0].priority), (1, severity.priority()));
        assert_eq!(row.record.as_ref(), Some(&beads[0].id));
        assert!(beads[0].description.contains("since noon") && beads[0].description.contains("esc-1"));
        assert_eq!(beads[0].labels, ["gt:escalation".to_owned(), format!("severity:{severity}")]);
        assert!(paper.left().busy.is_empty());
        // Nobody is given it to work at.
        assert_eq!(paper.sling(&[&beads[0].id.clone()], "web").unwrap_err().code, "not_work");
        let ready = paper.board.beads.ready(paper.now()).count();
        assert_eq!(ready, 0);
        let words: Vec<String> =
            row.notices.iter().map(|one| format!("{} {}", one.route, one.state)).collect();
        assert!(words.iter().all(|word| word.ends_with("delivered")), "{words:?}");
    }
}

#[test]
fn a_dry_run_says_the_ways_and_changes_nothing() {
    let mut paper = Paper::new();
    let Command::Escalate { severity, subject, body, bead, source, .. } = raise(Severity::High) else {
        panic!()
    };
    let asked = Command::Escalate { severity, subject, body, bead, source, dry_run: true };
    let before = paper.records.len();
    let Answer::Escalation(row) = paper.does(asked).unwrap() else { panic!() };
    let routes: Vec<String> = row.notices.iter().map(|notice| notice.route.to_string()).collect();
    assert_eq!((routes.join(" "), paper.records.len()), ("bead mail:mayor mail:overseer".into(), before));
}

/// HELP from a worker to its Witness: the Mayor after one deadline, a person after the next, and graver twice.
#[test]
fn a_call_for_help_climbs_all_rungs_by_timeouts() {
    let mut paper = Paper::new();
    let help = Command::MailSend {
        to: "web/witness".into(),
        subject: "which schema?".into(),
        body: "two tables or one".into(),
        kind: Some("help".into()),
        key: None,
    };
    paper.by(&worker(), help).unwrap();
    let look = |paper: &mut Paper, wait: Duration| {
        paper.passes(wait);
        paper.help();
        paper.deacon();
        let known = paper.board.escalations.iter().next();
        let known = known.map(|known| (known.severity, owner(known)));
        (known, paper.letters())
    };
    let (minute, mayor, person) = (Duration::from_secs(60), Some(Address::Mayor), Some(Address::Overseer));
    assert_eq!(look(&mut paper, 9 * minute), (None, (0, 0)));
    assert_eq!(look(&mut paper, 2 * minute), (Some((Severity::Medium, mayor.clone())), (1, 0)));
    assert_eq!(look(&mut paper, 9 * minute), (Some((Severity::Medium, mayor)), (1, 0)));
    // The Mayor hears that it has gone to a person.
    assert_eq!(look(&mut paper, 2 * minute), (Some((Severity::High, person.clone())), (2, 1)));
    assert_eq!(look(&mut paper, 3 * HOUR), (Some((Severity::High, person.clone())), (2, 1)));
    assert_eq!(look(&mut paper, HOUR), (Some((Severity::Critical, person.clone())), (3, 2)));
    // There is no rung above, and nothing is due any more.
    assert_eq!(look(&mut paper, 1000 * HOUR), (Some((Severity::Critical, person)), (3, 2)));
    assert_eq!(paper.due(&Rules::default()), Due::default());
    let unanswered = crate::help::unanswered(&paper.board, paper.now(), minute);
    assert_eq!(unanswered, crate::help::Unanswered::default());
    assert_eq!(paper.board.escalations.count(), 1, "one matter, one escalation");
    assert_eq!(paper.board.beads.len(), 1);
    assert_eq!(paper.board.beads.iter().next().unwrap().priority, Priority::CRITICAL);
    // An answer settles it on every rung.
    let call = paper.board.mail.unacked(&"web/witness".parse().unwrap()).next().unwrap().letter.id.clone();
    paper.does(Command::MailReply { id: call, body: "one".into() }).unwrap();
    paper.deacon();
    assert_eq!(paper.known(1).stage(), Stage::Closed);
    assert_eq!(paper.board.mail.unacked(&Address::Overseer).count(), 0);
    assert_eq!(paper.board.beads.iter().next().unwrap().status, Status::Closed);
}

#[test]
fn what_nobody_takes_note_of_becomes_graver_twice_at_most_and_never_after() {
    let mut paper = Paper::new();
    paper.does(raise(Severity::Low)).unwrap();
    let bead = paper.known(1).record.clone().unwrap();
    let mut seen = Vec::new();
    for _ in 0..10 {
        paper.passes(4 * HOUR + Duration::from_secs(1));
        paper.deacon();
        seen.push(paper.known(1).severity.to_string());
    }
    assert_eq!(seen[..3], ["medium", "high", "high"]);
    assert_eq!(seen.last().unwrap(), "high");
    let kinds = paper.kinds(0);
    assert_eq!(kinds.iter().filter(|kind| **kind == "escalation.reescalated").count(), 2);
    assert_eq!(kinds.iter().filter(|kind| **kind == "escalation.routed").count(), 3);
    let record = paper.board.beads.get(&bead).unwrap();
    assert_eq!(record.priority, Severity::High.priority());
    assert_eq!(record.labels, ["gt:escalation", "severity:high"]);
    assert_eq!((paper.board.beads.len(), paper.letters()), (1, (2, 1)));

    paper.does(raise(Severity::Low)).unwrap();
    paper.passes(3 * HOUR);
    let wait = paper.due(&Rules::default()).next.unwrap();
    assert!(wait > Duration::from_secs(3000) && wait < HOUR, "{wait:?}");
    paper.does(Command::EscalateAck { names: vec!["esc-2".into()], note: Some("mine".into()) }).unwrap();
    paper.passes(100 * HOUR);
    paper.deacon();
    assert_eq!(paper.known(2).severity, Severity::Low);
}

#[test]
fn nothing_becomes_graver_while_everything_stands_still() {
    let mut paper = Paper::new();
    paper.does(raise(Severity::Low)).unwrap();
    paper.passes(3 * HOUR);
    paper.record(vec![(Address::Overseer, Event::TownFrozen { reason: None })]);
    paper.passes(100 * HOUR);
    assert_eq!(paper.due(&Rules::default()), Due::default());
    let since = paper.board.freezes.now().unwrap().since;
    paper.record(vec![(Address::Overseer, Event::TownThawed { since })]);
    let left = paper.due(&Rules::default()).next.unwrap();
    assert!(left > HOUR - Duration::from_secs(30) && left < HOUR, "{left:?}");
}

#[test]
fn stale_says_when_and_does_it_by_hand() {
    let mut paper = Paper::new();
    paper.does(raise(Severity::Medium)).unwrap();
    let stale = |paper: &mut Paper, dry_run| match paper.does(Command::EscalateStale { dry_run }).unwrap() {
        Answer::Stale(rows) => rows.into_iter().map(|row| (row.to.to_string(), row.done)).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(stale(&mut paper, false), [("high".to_owned(), false)]);
    paper.passes(5 * HOUR);
    assert_eq!(stale(&mut paper, true), [("high".to_owned(), false)]);
    assert_eq!(paper.known(1).severity, Severity::Medium);
    assert_eq!(stale(&mut paper, false), [("high".to_owned(), true)]);
    assert_eq!((paper.known(1).severity, paper.letters()), (Severity::High, (2, 1)));
    assert!(!paper.known(1).is_unrouted());
    let refusal = paper.by(&worker(), Command::EscalateStale { dry_run: false }).unwrap_err();
    assert_eq!(refusal.code, "operator_only");
}

#[test]
fn a_message_is_noted_before_it_goes_out_and_tried_a_bounded_number_of_times() {
    let mut paper = Paper::new();
    let rules = rules("bead email:pat@example.org webhook");
    paper
        .role(&Address::Deacon, |draft| {
            draft.escalate("critical", (None, None), "x".into(), "y".into(), &[]);
            Ok(())
        })
        .unwrap();
    paper.settles(&rules);
    let due = paper.due(&rules);
    let routes: Vec<String> = due.send.iter().map(|sending| sending.key.route.to_string()).collect();
    assert_eq!(routes, ["email:pat@example.org", "webhook"]);
    assert_eq!(paper.left().busy.len(), 2);
    let [email, webhook] = due.send.as_slice() else { panic!() };
    paper.sets_out(email).unwrap();
    assert_eq!(paper.sets_out(email).unwrap_err().code, "not_wanted", "not twice at once");
    paper.ends(&rules, email, Attempted::Taken("250 ok".into()));
    assert_eq!(paper.sets_out(email).unwrap_err().code, "not_wanted", "and not once more");
    let mut webhook = webhook.clone();
    let mut pauses = Vec::new();
    for attempt in 1..=3 {
        assert_eq!(webhook.attempt, attempt);
        paper.sets_out(&webhook).unwrap();
        paper.ends(&rules, &webhook, Attempted::Failed("refused".into()));
        assert!(paper.left().busy.is_empty(), "what has failed once is not waited for");
        let due = paper.due(&rules);
        assert!(due.send.is_empty());
        if attempt == 3 {
            break;
        }
        pauses.push(due.next.unwrap().as_secs());
        paper.passes(due.next.unwrap());
        webhook = paper.due(&rules).send.remove(0);
    }
    // On paper a second passes with each record.
    assert_eq!(pauses, [10 - 1, 30 - 1]);
    let known = paper.known(1);
    let states: Vec<&str> = known.notices.iter().map(|notice| known.state_of(notice).as_str()).collect();
    assert_eq!(states, ["delivered", "delivered", "failed"]);
    let attention = paper.left().attention;
    let line = attention.iter().find(|line| line.contains("webhook")).unwrap();
    assert!(line.contains("refused") && line.contains("gastown escalate retry esc-1"), "{line}");
    // A person mends it and asks for another try.
    paper.does(Command::EscalateRetry { names: vec!["esc-1".into()] }).unwrap();
    assert_eq!(paper.due(&rules).send.len(), 1);
    paper.does(Command::EscalateAck { names: vec!["esc-1".into()], note: None }).unwrap();
    assert!(paper.due(&rules).send.is_empty(), "nobody has to be told any more");
    assert_eq!(paper.does(Command::EscalateRetry { names: vec!["esc-1".into()] }).unwrap_err().code, "acked");
}

#[test]
fn what_is_in_doubt_is_sent_again_as_the_same_or_left_as_the_rules_say() {
    for repeat in [true, false] {
        let mut paper = Paper::new();
        let mut rules = rules("webhook");
        rules.repeat_in_doubt = repeat;
        paper
            .role(&Address::Deacon, |draft| {
                draft.escalate("critical", (None, None), "x".into(), "y".into(), &[]);
                Ok(())
            })
            .unwrap();
        paper.settles(&rules);
        let first = paper.due(&rules).send.remove(0);
        paper.sets_out(&first).unwrap();
        // Whoever is sending it is not asked to send it again.
        let busy = BTreeSet::from([first.key.clone()]);
        let due = routing::due(&paper.board, paper.now(), &rules, &busy);
        assert_eq!((due.send.len(), due.settle), (0, false));
        // The runtime dies: nobody is sending it any more.
        let due = paper.due(&rules);
        if repeat {
            assert_eq!(due.send, [Sending { attempt: 2, in_doubt: true, ..first }]);
            // And so it stays: nobody knows about the first time, however the others end.
            paper.sets_out(&due.send[0]).unwrap();
            paper.ends(&rules, &due.send[0], Attempted::Failed("refused".into()));
            paper.passes(HOUR);
            assert!(paper.due(&rules).send[0].in_doubt);
            continue;
        }
        assert!(due.send.is_empty() && due.settle);
        paper.settles(&rules);
        assert_eq!(paper.due(&rules), Due { next: None, ..Due::default() });
        let known = paper.known(1);
        assert_eq!(known.state_of(&known.notices[0]), NoticeState::Unknown);
    }
}

#[test]
fn a_person_decides_on_what_is_grave_and_the_mayor_on_the_rest() {
    let mut paper = Paper::new();
    paper.by(&worker(), raise(Severity::Medium)).unwrap();
    paper.by(&worker(), raise(Severity::High)).unwrap();
    let ack = |n: usize| Command::EscalateAck { names: vec![format!("esc-{n}")], note: None };
    let stranger =
        Origin::Session { agent: "web/polecats/max".parse().unwrap(), session: "s".parse().unwrap() };
    for (who, n) in [(&stranger, 1), (&worker(), 2), (&mayor(), 2)] {
        let refusal = paper.by(who, ack(n)).unwrap_err();
        assert_eq!((refusal.class.exit_code(), refusal.code.as_str()), (5, "a_person_decides"));
    }
    paper.by(&mayor(), ack(1)).unwrap();
    assert_eq!(paper.known(1).acked_by, Some(Address::Mayor));
    assert_eq!(paper.board.mail.unacked(&Address::Mayor).count(), 1, "its letter is read by that");
    paper.does(ack(2)).unwrap();
    let before = paper.records.len();
    paper.does(ack(2)).unwrap();
    assert_eq!((paper.records.len(), paper.known(2).acked_by.clone()), (before, Some(Address::Overseer)));
}

#[test]
fn every_way_of_taking_note_is_the_same_event() {
    let acks = |paper: &Paper| paper.kinds(0).iter().filter(|kind| **kind == "escalation.acked").count();
    // By its name, by the bead that holds it, by a letter about it, and by acknowledging that letter.
    for way in 0..4 {
        let mut paper = Paper::new();
        paper.by(&worker(), raise(Severity::High)).unwrap();
        let known = paper.known(1).clone();
        let letter = known.letters.iter().find(|told| told.to == Address::Overseer).unwrap().mail.clone();
        let name = match way {
            0 => known.id.to_string(),
            1 => known.record.unwrap().to_string(),
            _ => letter.to_string(),
        };
        let command = match way {
            3 => Command::MailAck(vec![letter]),
            _ => Command::EscalateAck { names: vec![name], note: None },
        };
        paper.does(command).unwrap();
        assert_eq!((acks(&paper), paper.known(1).stage()), (1, Stage::Acked));
        assert_eq!(paper.board.mail.unacked(&Address::Overseer).count(), 0);
        assert_eq!(gauge(&paper.board), EscalationGauge { open: 0, acked: 1, undelivered: 0 });
    }
    let mut paper = Paper::new();
    paper.by(&worker(), raise(Severity::High)).unwrap();
    // The Mayor reads its letter: a person still has to see the matter.
    let letter = paper.board.mail.unacked(&Address::Mayor).next().unwrap().letter.id.clone();
    paper.by(&mayor(), Command::MailAck(vec![letter])).unwrap();
    assert_eq!(paper.known(1).stage(), Stage::Open);
    let refusal = paper.does(Command::EscalateAck { names: vec!["ecs-1".into()], note: None }).unwrap_err();
    assert_eq!(
        (refusal.code.as_str(), refusal.hint.as_deref()),
        ("no_such_escalation", Some("did you mean \"esc-1\"?"))
    );
}

#[test]
fn what_is_closed_keeps_its_words_in_the_log_and_its_bead_is_closed_with_it() {
    let mut paper = Paper::new();
    paper.by(&worker(), raise(Severity::High)).unwrap();
    paper.by(&worker(), raise(Severity::Critical)).unwrap();
    let close = |reason: &str| Command::EscalateClose { names: vec!["esc-1".into()], reason: reason.into() };
    assert_eq!(paper.does(close(" ")).unwrap_err().code, "usage");
    paper.does(close("fixed in 4711")).unwrap();
    let record = paper.board.beads.get(paper.known(1).record.as_ref().unwrap()).unwrap();
    assert_eq!((record.status, record.close_reason.as_deref()), (Status::Closed, Some("fixed in 4711")));
    assert_eq!(paper.known(1).body, "");
    let Answer::Escalation(row) = paper.does(Command::EscalateShow { name: "esc-1".into() }).unwrap() else {
        panic!()
    };
    assert_eq!((row.body.as_str(), row.state), ("since noon", Stage::Closed));
    assert_eq!((row.closed_by, row.owner), (Some(Address::Overseer), Some(Address::Overseer)));
    // Whoever closes the bead that holds the other has settled it.
    let bead = paper.known(2).record.clone().unwrap();
    paper.does(Command::BeadClose { ids: vec![bead], reason: None, force: false, suggest: false }).unwrap();
    assert_eq!(paper.known(2).stage(), Stage::Closed);
    assert_eq!(paper.board.escalations.unsettled().count(), 0);
    let list = |paper: &mut Paper, all| {
        let question = Command::EscalateList { all, unacked: false, severity: None };
        match paper.does(question).unwrap() {
            Answer::Escalations(rows) => rows.into_iter().map(|row| row.id.to_string()).collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(list(&mut paper, false), [""; 0]);
    assert_eq!(list(&mut paper, true), ["esc-2", "esc-1"]);
}

#[test]
fn a_list_has_the_gravest_first_and_what_somebody_has_last() {
    let mut paper = Paper::new();
    for severity in [Severity::Low, Severity::Critical, Severity::Medium, Severity::Critical] {
        paper.does(raise(severity)).unwrap();
    }
    paper.does(Command::EscalateAck { names: vec!["esc-2".into()], note: None }).unwrap();
    let mut ids =
        |unacked, severity| match paper.does(Command::EscalateList { all: true, unacked, severity }).unwrap()
        {
            Answer::Escalations(rows) => rows.into_iter().map(|row| row.id.to_string()).collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        };
    assert_eq!(ids(false, None), ["esc-4", "esc-3", "esc-1", "esc-2"]);
    assert_eq!(ids(true, Some(Severity::Critical)), ["esc-4"]);
}

/// What may happen to a town whose messages go out.
#[derive(Debug, Clone)]
enum Step {
    /// The Deacon looks, and begins to send what is due.
    Look,
    /// One that is under way ends so.
    End {
        which: usize,
        taken: bool,
    },
    /// The runtime dies, with all that is under way; it may have gone through.
    Die,
    Pass {
        minutes: u64,
    },
    Raise {
        severity: usize,
    },
    Ack {
        which: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Look),
        4 => (any::<usize>(), any::<bool>()).prop_map(|(which, taken)| Step::End { which, taken }),
        1 => Just(Step::Die),
        2 => (0_u64..300).prop_map(|minutes| Step::Pass { minutes }),
        1 => (0_usize..4).prop_map(|severity| Step::Raise { severity }),
        1 => any::<usize>().prop_map(|which| Step::Ack { which }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    /// Whatever happens: no message arrives twice but one that was in doubt, none is tried more often than the
    /// rules say, nobody is told after somebody has taken note, and in the end nothing is left to do.
    #[test]
    fn each_message_arrives_once_and_everything_comes_to_an_end(steps in prop::collection::vec(step(), 1..60)) {
        let mut rules = rules("bead mail:overseer webhook email:pat@example.org");
        rules.routes.insert(Severity::High, vec!["webhook".parse().unwrap(), "bead".parse().unwrap()]);
        let mut paper = Paper::new();
        let mut sending: Vec<Sending> = Vec::new();
        let mut arrived: BTreeMap<Key, u32> = BTreeMap::new();
        let mut doubted: BTreeSet<Key> = BTreeSet::new();
        let look = |paper: &mut Paper, sending: &mut Vec<Sending>, doubted: &BTreeSet<Key>| {
            let busy: BTreeSet<Key> = sending.iter().map(|one| one.key.clone()).collect();
            let rules = rules.clone();
            paper.role(&Address::Deacon, |draft| {
                routing::settle(draft, &rules, &busy);
                Ok(())
            }).unwrap();
            for one in routing::due(&paper.board, paper.now(), &rules, &busy).send {
                assert!(one.attempt <= rules.retry.attempts, "{one:?}");
                assert!(!one.in_doubt || doubted.contains(&one.key));
                let known = paper.board.escalations.get(&one.key.escalation).unwrap();
                assert!(known.acked_at.is_none() && known.rounds == one.key.round);
                paper.sets_out(&one).unwrap();
                sending.push(one);
            }
        };
        for step in steps {
            match step {
                Step::Look => look(&mut paper, &mut sending, &doubted),
                Step::End { which, taken } => {
                    if sending.is_empty() {
                        continue;
                    }
                    let one = sending.remove(which % sending.len());
                    let how = match (taken, which % 3) {
                        (true, _) => Attempted::Taken("ok".into()),
                        (false, 0) => {
                            doubted.insert(one.key.clone());
                            Attempted::Doubtful("hm".into())
                        }
                        (false, _) => Attempted::Failed("no".into()),
                    };
                    *arrived.entry(one.key.clone()).or_default() += u32::from(taken);
                    paper.ends(&rules, &one, how);
                }
                Step::Die => doubted.extend(sending.drain(..).map(|one| one.key)),
                Step::Pass { minutes } => paper.passes(Duration::from_secs(60 * minutes)),
                Step::Raise { severity } => {
                    // As a role does it, which does not know the ways.
                    let severity = Severity::ALL[severity].as_str();
                    paper.role(&Address::Runtime, |draft| {
                        draft.escalate(severity, (None, None), "x".into(), "y".into(), &[]);
                        Ok(())
                    }).unwrap();
                }
                Step::Ack { which } => {
                    let count = paper.board.escalations.count();
                    if count > 0 {
                        let names = vec![format!("esc-{}", which % count + 1)];
                        paper.does(Command::EscalateAck { names, note: None }).unwrap();
                    }
                }
            }
        }
        // From here on everything gets through, and time passes.
        for _ in 0..100 {
            if paper.due(&rules) == Due::default() {
                break;
            }
            look(&mut paper, &mut sending, &doubted);
            for one in std::mem::take(&mut sending) {
                *arrived.entry(one.key.clone()).or_default() += 1;
                paper.ends(&rules, &one, Attempted::Taken("ok".into()));
            }
            paper.passes(HOUR);
        }
        prop_assert_eq!(paper.due(&rules), Due::default());
        for (key, times) in &arrived {
            prop_assert!(*times <= 1 || doubted.contains(key), "{:?} arrived {} times", key, times);
        }
        for known in paper.board.escalations.iter() {
            prop_assert!(known.rounds <= rules.max_reescalations);
            let wanted = known.notices.iter().filter(|notice| known.wants(notice));
            for notice in wanted {
                prop_assert!(notice.outcome.as_ref().is_some_and(Outcome::is_final), "{:?}", notice);
            }
            let beads = paper.board.beads.iter().filter(|bead| bead.description.contains(&format!("{} [", known.id)));
            prop_assert!(beads.count() <= 1);
        }
        let mut again = Board::default();
        paper.records.iter().for_each(|record| again.apply(record));
        prop_assert_eq!(&again, &paper.board);
    }
}
