//! The post, compared with a plain model of it, on paper and on disk: whatever is sent, handed over, handled, failed, acknowledged,
//! put back and read again from the ledger, the board and the model agree, and each letter has its effect once.

use std::collections::BTreeMap;

use ledger::views::Board;
use model::answer::{Answer, MailRow};
use model::command::{Command, Origin};
use model::event::{Event, Record};
use model::ids::{MailId, Seq};
use model::mail::Kind;
use model::role::Address;
use proptest::prelude::*;

use crate::testing::{OnDisk, Paper};
use crate::{letters, past};

/// What can happen to the post of a town.
#[derive(Debug, Clone)]
enum Step {
    /// A letter is written, for code or for eyes.
    Send { from: usize, to: usize, for_code: bool },
    /// The postmaster hands over what it saw some time ago, which may be out of date.
    Deliver { stale: bool },
    /// Code handles the oldest that is due, with an effect in the same batch.
    Handle { to: usize },
    /// Handling the oldest that is due fails.
    Fail { to: usize },
    /// A letter comes again, of whatever age.
    Again { which: usize },
    /// A report of a failure comes late.
    LateFailure { which: usize },
    /// A person acknowledges.
    Ack { which: usize },
    /// A person puts a dead letter back.
    Retry { which: usize },
    /// The town is started again.
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0..3_usize;
    prop_oneof![
        4 => (who.clone(), who.clone(), prop::bool::weighted(0.8))
            .prop_map(|(from, to, for_code)| Step::Send { from, to, for_code }),
        3 => any::<bool>().prop_map(|stale| Step::Deliver { stale }),
        3 => who.clone().prop_map(|to| Step::Handle { to }),
        4 => who.prop_map(|to| Step::Fail { to }),
        1 => any::<usize>().prop_map(|which| Step::Again { which }),
        1 => any::<usize>().prop_map(|which| Step::LateFailure { which }),
        1 => any::<usize>().prop_map(|which| Step::Ack { which }),
        2 => any::<usize>().prop_map(|which| Step::Retry { which }),
        1 => Just(Step::Restart),
    ]
}

/// A letter, as the model knows it.
#[derive(Debug, Clone)]
struct Plain {
    id: MailId,
    to: Address,
    for_code: bool,
    delivered: bool,
    acked: bool,
    dead: bool,
    failures: u32,
    effects: usize,
}

impl Plain {
    fn open(&self) -> bool {
        !self.acked && !self.dead
    }

    fn fail(&mut self) {
        if self.open() {
            self.failures += 1;
            self.dead = self.failures == letters::MAX_FAILURES;
        }
    }
}

/// The model: all letters in the order they were written.
#[derive(Debug, Default)]
struct Model(Vec<Plain>);

impl Model {
    fn ids(&self, of: impl Fn(&Plain) -> bool) -> Vec<MailId> {
        self.0.iter().filter(|letter| of(letter)).map(|letter| letter.id.clone()).collect()
    }

    fn due(&self, to: &Address) -> Option<usize> {
        self.0.iter().position(|one| one.to == *to && one.for_code && one.delivered && one.open())
    }
}

fn who(n: usize) -> Address {
    ["web/witness", "web/refinery", "web/polecats/docs"][n].parse().unwrap()
}

/// Everything that was ever sent to `to`, as a person sees it.
fn inbox(paper: &Paper, to: &Address) -> Vec<MailRow> {
    let question = Command::MailInbox { agent: Some(to.to_string()), unread: false };
    match past::answer(paper, &Origin::operator(), &question).unwrap() {
        Ok(Answer::Letters(rows)) => rows,
        // Who was never written to is nobody yet.
        Err(refusal) if refusal.code == "no_such_agent" => Vec::new(),
        other => panic!("{other:?}"),
    }
}

/// What the letter called `id` has brought about, so far as the mailboxes show.
fn effects(paper: &Paper, id: &MailId) -> usize {
    inbox(paper, &Address::Mayor).iter().filter(|row| row.body == format!("effect of {id}")).count()
}

/// Takes in the letters that were written along with a step, those about dead letters; and that such letters are
/// read once the matter is settled or somebody has taken note.
fn note_new(paper: &Paper, model: &mut Model, from: usize) {
    for record in &paper.records[from..] {
        if let Event::MailAcked { mail } = &record.event {
            for one in model.0.iter_mut().filter(|one| one.id == *mail && !one.acked) {
                (one.acked, one.dead) = (true, false);
            }
        }
        if let Event::MailSent { letter } = &record.event {
            model.0.push(Plain {
                id: letter.id.clone(),
                to: letter.to.clone(),
                for_code: letter.kind.is_for_code(),
                delivered: false,
                acked: false,
                dead: false,
                failures: 0,
                effects: 0,
            });
        }
    }
}

fn handle(paper: &mut Paper, to: &Address, id: &MailId) -> bool {
    let id = id.clone();
    let handled = paper.role(to, |draft| {
        draft.handled(&id)?;
        let kind = Kind::Note { subject: "effect".into(), body: format!("effect of {id}") };
        draft.send(&Address::Mayor, kind);
        Ok(())
    });
    handled.is_ok()
}

fn agree(paper: &Paper, model: &Model) {
    let mail = &paper.board.mail;
    let names = |posts: Vec<&ledger::views::mail::Post>| -> Vec<MailId> {
        posts.into_iter().map(|post| post.letter.id.clone()).collect()
    };
    assert_eq!(
        names(mail.undelivered().collect()),
        model.ids(|one| !one.delivered && one.open()),
        "not handed over"
    );
    let sorted = |mut ids: Vec<MailId>| {
        ids.sort();
        ids
    };
    assert_eq!(sorted(names(mail.dead().collect())), sorted(model.ids(|one| one.dead)), "dead");
    for to in (0..3).map(who) {
        let rows = inbox(paper, &to);
        let ids: Vec<MailId> = rows.iter().map(|row| row.id.clone()).collect();
        assert_eq!(ids, model.ids(|one| one.to == to), "inbox of {to}");
        for row in rows {
            let one = model.0.iter().find(|one| one.id == row.id).unwrap();
            let come = (row.delivered_at.is_some(), row.acked_at.is_some());
            assert_eq!(come, (one.delivered, one.acked), "{}", row.id);
        }
        assert_eq!(
            names(mail.unacked(&to).collect()),
            model.ids(|one| one.to == to && one.open()),
            "unacknowledged of {to}"
        );
        let due = letters::due(&paper.board, &to, usize::MAX).into_iter().map(|letter| letter.id);
        let expected = model.ids(|one| one.to == to && one.for_code && one.delivered && one.open());
        assert_eq!(due.collect::<Vec<_>>(), expected, "due at {to}");
    }
    for one in &model.0 {
        let post = mail.get(&one.id);
        assert_eq!(post.is_none(), one.acked, "what is acknowledged leaves the board: {}", one.id);
        if let Some(post) = post {
            assert_eq!(
                (post.delivered_at.is_some(), post.failures, post.errors.len()),
                (one.delivered, one.failures, one.failures as usize),
                "{}",
                one.id
            );
        }
    }
    let unacked: usize = mail.boxes().map(|(_, unacked, _)| unacked).sum();
    assert_eq!(unacked, model.ids(Plain::open).len());
}

/// Each letter's effect is there as often as the model says: never twice.
fn effects_agree(paper: &Paper, model: &Model) {
    for one in &model.0 {
        assert!(one.effects <= 1);
        assert_eq!(effects(paper, &one.id), one.effects, "effects of {}", one.id);
    }
}

fn carry_out(step: Step, paper: &mut Paper, model: &mut Model, seen: &mut Vec<MailId>) {
    let from = paper.records.len();
    let pick = |which: usize, model: &Model| (!model.0.is_empty()).then(|| which % model.0.len());
    match step {
        Step::Send { from, to, for_code } => {
            let kind = if for_code {
                Kind::DogDone { errand: "e".into(), outcome: "o".into() }
            } else {
                Kind::Note { subject: "s".into(), body: "b".into() }
            };
            paper
                .role(&who(from), |draft| {
                    draft.send(&who(to), kind);
                    Ok(())
                })
                .unwrap();
        }
        Step::Deliver { stale } => {
            let now: Vec<MailId> =
                paper.board.mail.undelivered().map(|post| post.letter.id.clone()).collect();
            let ready = if stale { std::mem::replace(seen, now) } else { now };
            for one in model.0.iter_mut().filter(|one| ready.contains(&one.id) && one.open()) {
                one.delivered = true;
            }
            paper
                .role(&Address::Runtime, |draft| {
                    letters::deliver(draft, ready);
                    Ok(())
                })
                .unwrap();
        }
        Step::Handle { to } => {
            let Some(n) = model.due(&who(to)) else { return };
            let one = &mut model.0[n];
            assert!(handle(paper, &one.to, &one.id), "a letter that is due is handled");
            one.acked = true;
            one.effects += 1;
        }
        Step::Fail { to } => {
            let Some(n) = model.due(&who(to)) else { return };
            model.0[n].fail();
            let (to, id) = (model.0[n].to.clone(), model.0[n].id.clone());
            paper
                .role(&to, |draft| {
                    letters::failed(draft, &id, "it broke");
                    Ok(())
                })
                .unwrap();
        }
        Step::Again { which } => {
            let Some(n) = pick(which, model) else { return };
            let one = &mut model.0[n];
            let handled = handle(paper, &one.to, &one.id);
            assert_eq!(handled, one.open(), "{one:?}");
            one.effects += usize::from(handled);
            one.acked |= handled;
        }
        Step::LateFailure { which } => {
            let Some(n) = pick(which, model) else { return };
            model.0[n].fail();
            let (to, id) = (model.0[n].to.clone(), model.0[n].id.clone());
            paper
                .role(&to, |draft| {
                    letters::failed(draft, &id, "it broke");
                    Ok(())
                })
                .unwrap();
        }
        Step::Ack { which } => {
            let Some(n) = pick(which, model) else { return };
            let one = &mut model.0[n];
            let acked = paper.does(Command::MailAck(vec![one.id.clone()]));
            assert!(acked.is_ok(), "{one:?}");
            (one.acked, one.dead) = (true, false);
        }
        Step::Retry { which } => {
            let Some(n) = pick(which, model) else { return };
            let one = &mut model.0[n];
            let put_back = paper.does(Command::MailRetry(vec![one.id.clone()]));
            assert_eq!(put_back.is_ok(), one.dead, "{one:?}");
            if one.dead {
                (one.dead, one.delivered, one.failures) = (false, false, 0);
            }
        }
        Step::Restart => {
            let mut board = Board::default();
            for record in &paper.records {
                board.apply(record);
            }
            assert_eq!(board, paper.board);
            paper.board = board;
            seen.clear();
        }
    }
    note_new(paper, model, from);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn the_post_and_a_plain_model_of_it_agree(steps in prop::collection::vec(step(), 1..60)) {
        let (mut paper, mut model, mut seen) = (Paper::new(), Model::default(), Vec::new());
        let mut disk = OnDisk::new(&paper);
        for step in steps {
            let restart = matches!(step, Step::Restart);
            carry_out(step, &mut paper, &mut model, &mut seen);
            agree(&paper, &model);
            disk.follow(&paper);
            if restart {
                disk.restart(&paper);
            }
        }
        disk.restart(&paper);
        effects_agree(&paper, &model);
        // In the order they were written, per sender and receiver, but for those that were put aside once.
        let mut last: BTreeMap<(Address, Address), (Seq, MailId)> = BTreeMap::new();
        let aside: Vec<&MailId> = paper.records.iter().filter_map(|record| match &record.event {
            Event::MailDead { mail, .. } => Some(mail),
            _ => None,
        }).collect();
        let handed_over = paper.records.iter().filter_map(|record| match &record.event {
            Event::MailDelivered { mail, .. } => Some(mail),
            _ => None,
        });
        let sent: BTreeMap<&MailId, (&Record, &model::mail::Letter)> = paper.records.iter().filter_map(|record| {
            match &record.event {
                Event::MailSent { letter } => Some((&letter.id, (record, &**letter))),
                _ => None,
            }
        }).collect();
        for mail in handed_over.filter(|mail| !aside.contains(mail)) {
            let (record, letter) = sent[mail];
            prop_assert_eq!(mail.record(), Some(record.seq), "its name is that of its record");
            let pair = (letter.from.clone(), letter.to.clone());
            if let Some((before, other)) = last.insert(pair, (record.seq, mail.clone())) {
                prop_assert!(before < record.seq, "{} after {}", mail, other);
            }
        }
    }
}
