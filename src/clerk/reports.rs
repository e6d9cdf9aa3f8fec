//! Reports that need more than the views: the log itself. The same with a runtime and without one.
//!
//! The only file of this room that reads the log beside [`crate::past`]; neither holds the board meanwhile.

use ledger::feed::CHUNK;
use ledger::views::contents::{BLOCK, Wanted};
use ledger::{LedgerError, Store};
use model::answer::Answer;
use model::command::{EventFilter, LedgerQuestion};
use model::event::Record;
use model::ids::Seq;
use model::refusal::{Class, Refusal};
use model::story::Story;
use model::time::Timestamp;

use crate::story::Subject;
use crate::strategy::Rules;
use crate::{answers, story};

/// Sentences that a story is told from; older ones are not looked for.
const SENTENCES: usize = 10;

/// The records that `filter` means, oldest first, up to the number `head`. With a limit, the newest.
///
/// # Errors
/// `cannot_read`, when the log cannot be read.
pub fn events(store: &Store, head: Seq, filter: &EventFilter) -> Result<Vec<Record>, Refusal> {
    let most = filter.limit.filter(|limit| *limit > 0).unwrap_or(usize::MAX);
    let wanted = Wanted {
        since: filter.since,
        kind: filter.kind.as_deref().map(|kind| kind.strip_suffix('.').unwrap_or(kind)),
        actor: filter.actor.as_deref(),
        bead: filter.bead.as_ref(),
    };
    let meant = |record: &Record| answers::fits(record, filter);
    let mut found = backwards(store, head, filter.after, &wanted, meant, |found| found.len() >= most)?;
    found.truncate(most);
    found.reverse();
    Ok(found)
}

/// How an agent, an actor of the tree or a bead is, why, and what comes next, in a few lines.
///
/// * `rules` - what the town has set about what follows from failures.
///
/// # Errors
/// `no_such_agent`, when `about` is none of them; `cannot_read`.
pub fn why(store: &Store, about: &str, rules: &Rules, now: Timestamp) -> Result<Story, Refusal> {
    let subject = store.read(|board| story::subject(board, about))?;
    let enough = |found: &[Record]| {
        found.iter().filter(|record| story::telling(record).is_some()).count() >= SENTENCES
    };
    let name;
    let wanted = match &subject {
        Subject::Agent(names) => match names.as_slice() {
            [agent] => {
                name = agent.to_string();
                Wanted { actor: Some(&name), ..Wanted::default() }
            }
            // Who was called otherwise before is looked for everywhere.
            _ => Wanted::default(),
        },
        Subject::Bead(bead) => Wanted { bead: Some(bead), ..Wanted::default() },
        Subject::Actor(_) => Wanted { kind: Some("actor"), ..Wanted::default() },
    };
    let (head, first) = (store.head(), Seq::default());
    let mut records = match &subject {
        Subject::Actor(_) => Vec::new(),
        _ => backwards(store, head, first, &wanted, |record| story::belongs(record, &subject), enough)?,
    };
    // What the runtime has seen of its actor stands under a name of the tree, which is no address.
    if !subject.actors().is_empty() {
        let wanted = Wanted { kind: Some("actor"), ..Wanted::default() };
        let of_actor = |record: &Record| story::is_of_actor(record, &subject);
        records.extend(backwards(store, head, first, &wanted, of_actor, enough)?);
    }
    records.sort_by_key(|record| record.seq);
    records.dedup_by_key(|record| record.seq);
    Ok(store.read(|board| story::tell(board, &subject, &records, rules, now)))
}

/// The event that has the number `seq`.
///
/// # Errors
/// `no_such_event`; `cannot_read`.
pub fn event(store: &Store, seq: Seq) -> Result<Vec<Record>, Refusal> {
    let head = store.head();
    if seq < Seq(1) || seq > head {
        return Err(Refusal::no_such("event", &seq.to_string(), []).hint(format!("the newest one is {head}")));
    }
    store.events(seq, 1).map_err(|error| cannot_read(&error))
}

/// What the ledger says of itself. Takes as long as reading all of it.
///
/// # Errors
/// `runtime_is_up` (exit code 3), for what nobody else may look on at; `cannot_read`.
pub fn ledger(store: &Store, question: &LedgerQuestion) -> Result<Answer, Refusal> {
    let alone = |what: &str, why: &str| {
        Refusal::new(Class::Runtime, "runtime_is_up", format!("`ledger {what}` {why}"))
            .hint("end the town with `gastown stop`, and ask again")
    };
    match question {
        LedgerQuestion::Verify => Ok(Answer::LedgerChecked(Box::new(store.check()))),
        LedgerQuestion::Stats => match store.stats() {
            Ok(stats) => Ok(Answer::LedgerStats(Box::new(stats))),
            Err(error) => Err(cannot_read(&error)),
        },
        LedgerQuestion::Rebuild => {
            Err(alone("rebuild", "exchanges the board that the running town looks at"))
        }
        LedgerQuestion::Export { after } => {
            store.events(after.next(), CHUNK).map(Answer::Events).map_err(|error| cannot_read(&error))
        }
        LedgerQuestion::Import { .. } => {
            Err(alone("import", "fills an empty ledger, and that of the running town is in use"))
        }
        LedgerQuestion::Compact { .. } => {
            Err(alone("compact", "exchanges the files of the ledger, which the running town is writing"))
        }
        LedgerQuestion::Repair { .. } => {
            Err(alone("repair", "reads the files of the ledger, which the running town is writing"))
        }
    }
}

/// Reads from `head` back to the record after `after` and keeps what is `meant`, newest first, until
/// it is `enough`; looks at whole blocks, so there may be a few more. Blocks that hold nothing of what is
/// `wanted` are not read.
fn backwards(
    store: &Store,
    head: Seq,
    after: Seq,
    wanted: &Wanted<'_>,
    meant: impl Fn(&Record) -> bool,
    enough: impl Fn(&[Record]) -> bool,
) -> Result<Vec<Record>, Refusal> {
    let mut found = Vec::new();
    let mut upper = head.0;
    while upper > after.0 && !enough(&found) {
        let lower = ((upper - 1) / BLOCK * BLOCK).max(after.0);
        if store.read(|board| board.contents.may_hold(Seq(upper), wanted)) {
            let length = usize::try_from(upper - lower).unwrap_or(CHUNK);
            let chunk = store.events(Seq(lower + 1), length).map_err(|error| cannot_read(&error))?;
            found.extend(chunk.into_iter().rev().filter(|record| meant(record)));
        }
        upper = lower;
    }
    Ok(found)
}

/// The refusal for a log that cannot be read.
pub fn cannot_read(error: &LedgerError) -> Refusal {
    let refusal = Refusal::failed("cannot_read", error.to_string());
    match error.hint() {
        Some(hint) => refusal.hint(hint),
        None => refusal,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ledger::memory::MemoryLog;
    use model::crash::Crash;
    use model::event::Event;
    use model::role::Address;
    use model::time::Timestamp;

    use super::*;

    fn store(n: usize) -> Store {
        let store = Store::in_memory(Arc::new(MemoryLog::new())).unwrap();
        for n in 1..=n {
            let actor = if n % 3 == 0 { Address::Mayor } else { Address::Overseer };
            let event = Event::PolicyDenied { rule: "test".into(), tried: format!("thing {n}") };
            store.write_one(Timestamp::from_millis(1), |_, _| Ok((vec![(actor, event)], ()))).unwrap();
        }
        store
    }

    #[test]
    fn events_come_oldest_first_and_a_limit_keeps_the_newest() {
        let store = store(600);
        let numbers = |filter: EventFilter| -> Vec<u64> {
            events(&store, store.head(), &filter).unwrap().iter().map(|record| record.seq.0).collect()
        };
        assert_eq!(numbers(EventFilter::default()), (1..=600).collect::<Vec<_>>());
        assert_eq!(numbers(EventFilter { after: Seq(597), ..Default::default() }), [598, 599, 600]);
        let mayor = |limit| EventFilter { actor: Some("mayor".into()), limit, ..Default::default() };
        assert_eq!(numbers(mayor(Some(2))), [597, 600]);
        assert_eq!(numbers(mayor(Some(150))).len(), 150);
        assert_eq!(numbers(mayor(None)).len(), 200);
        assert_eq!(events(&store, Seq(10), &EventFilter::default()).unwrap().len(), 10);
    }

    #[test]
    fn a_story_is_told_from_the_end_of_the_log() {
        let store = store(600);
        let why = |about| why(&store, about, &Rules::default(), Timestamp::from_millis(9_000));
        let lines = why("mayor/").unwrap().lines;
        assert_eq!(lines.len(), 10);
        assert!(lines.last().unwrap().ends_with("denied by test: thing 600"));
        assert_eq!(why("myaor/").unwrap_err().code, "no_such_agent");
    }

    #[test]
    fn the_last_death_of_an_actor_is_told_at_length() {
        let store = store(300);
        for restarts in 1..=12 {
            let crash = Crash {
                in_hand: Some("Write".into()),
                busy_ms: Some(restarts),
                state: Some("3 decisions waiting".into()),
                ..Crash::default()
            };
            let event = Event::ActorEnded {
                name: "scribe".into(),
                reason: "boom".into(),
                outcome: "restarted".into(),
                restarts: u32::try_from(restarts).unwrap(),
                crash: Box::new(crash),
            };
            store
                .write_one(Timestamp::from_millis(2), |_, _| Ok((vec![(Address::Runtime, event)], ())))
                .unwrap();
        }
        let why = |about| why(&store, about, &Rules::default(), Timestamp::from_millis(9_000)).unwrap().lines;
        let lines = why("scribe");
        assert_eq!(lines.len(), 10, "{lines:#?}");
        let death = "actor scribe died with Write in hand for 12 ms: boom; started again (restart 12)";
        assert!(lines[8].ends_with(death), "{lines:#?}");
        assert_eq!(lines[9], "    its state: 3 decisions waiting");
        assert_eq!(why("postmaster"), ["postmaster is an actor of the tree: nothing bad is known of it"]);
    }
}
