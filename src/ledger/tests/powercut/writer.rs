//! A process that writes numbered records from many senders at once, and says what it was told; and the
//! count of what is there of them afterwards.
//!
//! Each attempt to write a record has a name of its own, `SENDER.NUMBER.ATTEMPT.SIZE`. A sender whose
//! attempt was refused tries again under the next attempt; one that was acknowledged goes on to the next
//! number. So afterwards each number is there once, under the attempt that was acknowledged.

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::fmt;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use gastown_ledger::{Decision, Limits, Store};
use model::event::Event;
use model::ids::Seq;
use model::refusal::Refusal;
use model::role::Address;
use model::time::Timestamp;

use crate::dice::Dice;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Little of everything, so that all of it comes up soon.
pub(crate) fn limits() -> Limits {
    Limits { cache: 1 << 20, reserve: 64 << 10, floor: 0, snapshot_every: 60 }
}

/// What a writer is to do. Travels as words.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Orders {
    /// How many senders write at once.
    pub(crate) senders: u64,
    /// How many acknowledgements are enough.
    pub(crate) enough: u64,
    /// One record in so many is large, up to 1 MiB.
    pub(crate) large_one_in: u64,
    /// Chance.
    pub(crate) seed: u64,
}

impl Orders {
    /// As words for [`Orders::parse`].
    pub(crate) fn words(self) -> String {
        format!("{} {} {} {}", self.senders, self.enough, self.large_one_in, self.seed)
    }

    /// From the words of [`Orders::words`].
    pub(crate) fn parse(text: &str) -> Outcome<Orders> {
        let numbers: Vec<u64> = text.split(' ').map(str::parse).collect::<Result<_, _>>()?;
        let [senders, enough, large_one_in, seed] = numbers[..] else { return Err("strange orders".into()) };
        Ok(Orders { senders, enough, large_one_in, seed })
    }
}

/// The name of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Attempt {
    sender: u64,
    number: u64,
    attempt: u64,
    size: u64,
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}.{}", self.sender, self.number, self.attempt, self.size)
    }
}

impl Attempt {
    fn parse(text: &str) -> Outcome<Attempt> {
        let numbers: Vec<u64> = text.split('.').map(str::parse).collect::<Result<_, _>>()?;
        let [sender, number, attempt, size] = numbers[..] else { return Err("a strange name".into()) };
        Ok(Attempt { sender, number, attempt, size })
    }

    fn body(self) -> String {
        let row = format!("{self} ");
        let size = usize::try_from(self.size).unwrap_or_default();
        let mut body = row.repeat(size.div_ceil(row.len()));
        body.truncate(size);
        body
    }

    fn event(self) -> Event {
        Event::PolicyDenied { rule: self.to_string(), tried: self.body() }
    }
}

type Wish = (Attempt, mpsc::SyncSender<Result<Seq, Refusal>>);

/// Opens the ledger in `folder/ledger` and writes into it until enough was acknowledged.
///
/// What it was told goes line by line into `folder/acks`: `begin`, then `ack NAME RECORD` or `no NAME CODE`.
pub(crate) fn work(folder: &Path, orders: Orders) -> Outcome<()> {
    let mut said = File::options().create(true).append(true).open(folder.join("acks"))?;
    said.write_all(b"begin\n")?;
    let store = Store::open(&folder.join("ledger"), limits())?;
    let mut last: HashMap<u64, u64> = HashMap::new();
    for (attempt, _) in read(&store)? {
        last.insert(attempt.sender, attempt.number);
    }
    let (wishes, heard) = mpsc::sync_channel::<Wish>(256);
    for sender in 0..orders.senders {
        let wishes = wishes.clone();
        let mut number = last.get(&sender).copied().unwrap_or(0) + 1;
        let mut dice = Dice(orders.seed ^ (sender << 32) ^ number);
        thread::spawn(move || {
            loop {
                let size = match dice.below(orders.large_one_in) {
                    0 => dice.below(1 << 20),
                    n if n % 8 == 0 => dice.below(9_000),
                    _ => dice.below(400),
                };
                for attempt in 0.. {
                    let attempt = Attempt { sender, number, attempt, size };
                    let (reply, answer) = mpsc::sync_channel(1);
                    if wishes.send((attempt, reply)).is_err() {
                        return;
                    }
                    match answer.recv() {
                        Ok(Ok(_)) => break,
                        Ok(Err(_)) => {}
                        Err(_) => return,
                    }
                }
                number += 1;
            }
        });
    }
    drop(wishes);
    // Whoever holds the other end of its input wants it to go on.
    let told_to_end = Arc::new(AtomicBool::new(false));
    if orders.enough == u64::MAX {
        let told_to_end = Arc::clone(&told_to_end);
        thread::spawn(move || {
            let _ = std::io::stdin().read(&mut [0]);
            told_to_end.store(true, Ordering::Relaxed);
        });
    }
    let mut acknowledged = 0;
    while acknowledged < orders.enough && !told_to_end.load(Ordering::Relaxed) {
        let Ok(first) = heard.recv() else { break };
        let group: Vec<Wish> = [first].into_iter().chain(heard.try_iter().take(127)).collect();
        let decisions = group
            .iter()
            .map(|(attempt, _)| -> Decision<'_, ()> {
                let event = attempt.event();
                Box::new(move |_, _| Ok((vec![(Address::Runtime, event)], ())))
            })
            .collect();
        let mut lines = String::new();
        let answers: Vec<Result<Seq, Refusal>> = store
            .write(Timestamp::from_millis(1), decisions)
            .into_iter()
            .map(|answer| answer.map(|written| written.records[0].seq))
            .collect();
        for (answer, (attempt, _)) in answers.iter().zip(&group) {
            match answer {
                Ok(seq) => lines.push_str(&format!("ack {attempt} {seq}\n")),
                Err(refusal) => lines.push_str(&format!("no {attempt} {}\n", refusal.code)),
            }
        }
        said.write_all(lines.as_bytes())?;
        for (answer, (_, reply)) in answers.into_iter().zip(&group) {
            acknowledged += u64::from(answer.is_ok());
            let _ = reply.send(answer);
        }
    }
    let _ = store.close();
    Ok(())
}

/// All attempts that stand in the log, with their numbers; an error where one is not what was written.
fn read(store: &Store) -> Outcome<Vec<(Attempt, Seq)>> {
    let mut all = Vec::new();
    let mut from = Seq(1);
    loop {
        let records = store.events(from, 200)?;
        let Some(last) = records.last() else { return Ok(all) };
        from = last.seq.next();
        for record in records {
            let Event::PolicyDenied { rule, tried } = &record.event else {
                return Err(format!("nobody has written {}", record.event.kind()).into());
            };
            if rule == "afterwards" {
                continue;
            }
            let attempt = Attempt::parse(rule)?;
            if *tried != attempt.body() {
                return Err(format!("record {} is torn", record.seq).into());
            }
            all.push((attempt, record.seq));
        }
    }
}

/// What came of opening a ledger after a bad time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Count {
    /// What was acknowledged.
    pub(crate) acknowledged: u64,
    /// Of that, what is not there, or not where it was said to be.
    pub(crate) lost: u64,
    /// Numbers that are there more than once, or out of order.
    pub(crate) doubled: u64,
    /// What was refused and is there all the same.
    pub(crate) refused_and_there: u64,
    /// Openings that failed.
    pub(crate) failed_opens: u64,
    /// What the store found wrong at opening, and verifications that failed.
    pub(crate) findings: u64,
}

impl Count {
    /// Whether nothing is wrong.
    pub(crate) fn clean(self) -> bool {
        self == Count { acknowledged: self.acknowledged, ..Count::default() }
    }

    /// Adds another count to this one.
    pub(crate) fn add(&mut self, other: Count) {
        self.acknowledged += other.acknowledged;
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.refused_and_there += other.refused_and_there;
        self.failed_opens += other.failed_opens;
        self.findings += other.findings;
    }
}

/// Opens the ledger in `folder/ledger` and compares it with what `said` says; then writes one more.
pub(crate) fn count(folder: &Path, said: &[u8]) -> Outcome<Count> {
    let mut count = Count::default();
    let mut acknowledged = BTreeMap::new();
    let (mut refused, mut unsettled) = (Vec::new(), Vec::new());
    // A last line without an end was not said.
    let whole = said.iter().rposition(|byte| *byte == b'\n').map_or(&said[..0], |end| &said[..end]);
    for line in std::str::from_utf8(whole)?.lines() {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["ack", name, seq] => {
                acknowledged.insert(Attempt::parse(name)?, Seq(seq.parse()?));
                // What was refused is taken back before anything else goes well.
                refused.append(&mut unsettled);
            }
            ["no", name, _] => unsettled.push(Attempt::parse(name)?),
            // A process that died over a disk that failed could not take back what it had refused.
            ["begin"] => unsettled.clear(),
            _ => return Err(format!("a strange line: {line}").into()),
        }
    }
    count.acknowledged = acknowledged.len() as u64;
    let store = match Store::open(&folder.join("ledger"), limits()) {
        Ok(store) => store,
        Err(error) => {
            eprintln!("{error}");
            count.failed_opens = 1;
            count.lost = count.acknowledged;
            return Ok(count);
        }
    };
    for finding in store.findings() {
        eprintln!("{finding}");
        count.findings += 1;
    }
    let there = match read(&store) {
        Ok(there) => there,
        Err(error) => {
            eprintln!("{error}");
            count.findings += 1;
            Vec::new()
        }
    };
    if let Err(error) = store.verify() {
        eprintln!("{error}");
        count.findings += 1;
    }
    let by_name: HashMap<Attempt, Seq> = there.iter().copied().collect();
    count.lost =
        acknowledged.iter().filter(|(attempt, seq)| by_name.get(attempt) != Some(*seq)).count() as u64;
    let mut last: HashMap<u64, u64> = HashMap::new();
    for (attempt, _) in &there {
        let before = last.insert(attempt.sender, attempt.number).unwrap_or(0);
        count.doubled += u64::from(attempt.number != before + 1);
    }
    count.refused_and_there = refused.iter().filter(|attempt| by_name.contains_key(attempt)).count() as u64;
    let event = Event::PolicyDenied { rule: "afterwards".into(), tried: String::new() };
    let one_more =
        store.write_one(Timestamp::from_millis(2), |_, _| Ok((vec![(Address::Runtime, event)], ())));
    if let Err(refusal) = one_more {
        eprintln!("{refusal}");
        count.findings += 1;
    }
    Ok(count)
}
