//! SIGKILL of a writing process, again and again.
//!
//! A child opens the ledger and lets several senders write numbered letters at once, in groups as the
//! scribe does. A sender says `ack SENDER NUMBER` once its letter is durable; what was not
//! acknowledged when the child died is sent again by the next one, under the same number. Each letter
//! after a sender's first is one decision of two events: the new letter, and the acknowledgement of
//! the one before it.
//!
//! ```text
//!   parent ──numbers──> child ──ack S N──> parent ──SIGKILL──> open, count what is new, go on
//! ```
//!
//! Every child dies: when it has said that it opens, some microseconds after its start, or after some
//! acknowledgements. In two rounds of three the ledger is opened and looked at before the next child
//! has it; in the third the next child finds what the kill has left. Every so many rounds the whole log
//! is read again, verified and counted, and a new ledger begins.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use std::{env, io, thread};

use gastown_ledger::{Decision, Limits, Store};
use model::event::Event;
use model::ids::Seq;
use model::mail::{Kind, Letter};
use model::refusal::Refusal;
use model::role::Address;
use model::time::Timestamp;

use crate::bench::place;
use crate::dice::Dice;
use crate::{Outcome, Tally};

const SENDERS: usize = 8;
const GROUP: usize = 128;
/// Few: a long log takes long to open, and it is the kills that are wanted.
pub(crate) const ROUNDS_PER_LEDGER: u64 = 50;

/// A sender's number and the number of its letter.
type Name = (usize, u64);

fn limits() -> Limits {
    Limits { cache: 4 << 20, reserve: 64 << 10, floor: 0, snapshot_every: 100 }
}

// The child.

/// One letter to be written, and where the answer goes.
type Wish = (Name, mpsc::SyncSender<Result<(), Refusal>>);

/// Writes until it is killed. The arguments: the folder, then each sender's first number.
pub(crate) fn child(args: &[String]) -> Outcome<()> {
    let (dir, numbers) = args.split_first().ok_or("no folder")?;
    println!("opening");
    let store = Store::open(Path::new(dir), limits())?;
    let (wishes, heard) = mpsc::channel::<Wish>();
    for (sender, number) in numbers.iter().enumerate() {
        let (wishes, mut number) = (wishes.clone(), number.parse::<u64>()?);
        thread::spawn(move || {
            loop {
                let (reply, answer) = mpsc::sync_channel(1);
                if wishes.send(((sender, number), reply)).is_err() {
                    return;
                }
                match answer.recv() {
                    // One `write` each, so that lines of several senders never mix.
                    Ok(Ok(())) => drop(io::stdout().write_all(format!("ack {sender} {number}\n").as_bytes())),
                    Ok(Err(refusal)) => println!("failed {refusal}"),
                    Err(_) => return,
                }
                number += 1;
            }
        });
    }
    drop(wishes);
    while let Ok(first) = heard.recv() {
        let group: Vec<Wish> = [first].into_iter().chain(heard.try_iter().take(GROUP - 1)).collect();
        let decisions = group.iter().map(|(name, _)| write_letter(*name)).collect();
        for (answer, (_, reply)) in store.write(Timestamp::from_millis(1), decisions).into_iter().zip(&group)
        {
            let _ = reply.send(answer.map(drop));
        }
    }
    Ok(())
}

/// Writes the letter and acknowledges the one before; nothing when it is there already.
fn write_letter((sender, number): Name) -> Decision<'static, ()> {
    Box::new(move |board, at| {
        let word = |error: model::ids::BadName| Refusal::usage(error.to_string());
        let id = |number: u64| format!("m-{sender}-{number}").parse().map_err(word);
        if board.mail.get(&id(number)?).is_some() {
            return Ok((Vec::new(), ()));
        }
        // Up to three pieces of the store.
        let size = (number * 7 + sender as u64 * 13) % 60 * 100;
        let body = "x".repeat(usize::try_from(size).unwrap_or_default());
        let letter = Letter {
            id: id(number)?,
            from: Address::Overseer,
            to: Address::Mayor,
            kind: Kind::Note { subject: format!("{number}"), body },
            sent_at: at,
            reply_to: None,
            thread: id(number)?,
            key: None,
        };
        let mut events = vec![(Address::Runtime, Event::MailSent { letter: letter.into() })];
        if number > 1 {
            events.push((Address::Runtime, Event::MailAcked { mail: id(number - 1)? }));
        }
        Ok((events, ()))
    })
}

// The parent.

/// What is known of one ledger.
#[derive(Debug)]
struct Known {
    /// By sender, the last number that was acknowledged.
    acked: [u64; SENDERS],
    counted: Counted,
}

/// How far a log has been counted.
#[derive(Debug, Default, Clone, PartialEq)]
struct Counted {
    head: u64,
    /// By sender, the last number that stands in the log.
    last: [u64; SENDERS],
    /// Letters that are missing between others. A sender goes on after its last acknowledgement, so
    /// each of these had been acknowledged.
    gaps: u64,
    doubled: u64,
    torn: u64,
    /// The letter whose acknowledgement of its predecessor must come next.
    open: Option<Name>,
}

impl Counted {
    /// Reads on from where it was.
    fn go_on(&mut self, store: &Store) -> Outcome<()> {
        loop {
            let records = store.events(Seq(self.head + 1), 500)?;
            let Some(last) = records.last() else { return Ok(()) };
            self.head = last.seq.0;
            for record in records {
                let expected = self.open.take();
                match &record.event {
                    Event::MailSent { letter } => {
                        let (sender, number) = name_of(letter.id.as_str())?;
                        self.torn += u64::from(expected.is_some());
                        let before = self.last[sender];
                        if number <= before {
                            self.doubled += 1;
                        } else {
                            self.gaps += number - before - 1;
                            self.last[sender] = number;
                        }
                        self.open = (number > 1).then_some((sender, number));
                    }
                    Event::MailAcked { mail } => {
                        let (sender, number) = name_of(mail.as_str())?;
                        self.torn += u64::from(expected != Some((sender, number + 1)));
                    }
                    other => return Err(format!("nobody has written {}", other.kind()).into()),
                }
            }
        }
    }
}

fn name_of(id: &str) -> Outcome<Name> {
    let (sender, number) =
        id.strip_prefix("m-").and_then(|rest| rest.split_once('-')).ok_or("a strange letter")?;
    Ok((sender.parse()?, number.parse()?))
}

/// Kills `rounds` children on one ledger.
pub(crate) fn story(seed: u64, rounds: u64) -> Outcome<Tally> {
    let mut dice = Dice(seed);
    let mut tally = Tally::default();
    for name in ["lost", "doubled", "torn", "failed opens", "refused", "findings"] {
        tally.bad(name, 0);
    }
    let dir = place()?;
    let mut known = Known { acked: [0; SENDERS], counted: Counted::default() };
    for n in 1..=rounds {
        let when = round(dir.path(), &mut known, &mut dice, &mut tally)?;
        tally.good(when, 1);
        if (dice.below(3) > 0 || n == rounds) && !look(dir.path(), &mut known, &mut tally, n == rounds)? {
            break;
        }
    }
    tally.good("acknowledged", known.acked.iter().sum());
    tally.good("recorded", known.counted.last.iter().sum());
    if !tally.clean() {
        println!("the ledger is kept in {}", dir.keep().display());
    }
    Ok(tally)
}

/// Lets a child write and kills it; returns when that was.
fn round(dir: &Path, known: &mut Known, dice: &mut Dice, tally: &mut Tally) -> Outcome<&'static str> {
    let mut child = Command::new(env::current_exe()?)
        .arg("--child")
        .arg(dir)
        .args(known.acked.iter().map(|last| (last + 1).to_string()))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let out = child.stdout.take().ok_or("a child without a voice")?;
    let mut said = BufReader::new(out).lines().map_while(Result::ok);
    let kill = |child: &mut Child, after: u64| {
        // The point of it is a point in time that nothing in the child stands for.
        let moment = Duration::from_micros(after);
        let from = Instant::now();
        while from.elapsed() < moment {
            std::hint::spin_loop();
        }
        child.kill()
    };
    let mut hear = |line: String| match line.strip_prefix("ack ").and_then(|rest| rest.split_once(' ')) {
        Some((sender, number)) => {
            if let (Ok(sender), Ok(number)) = (sender.parse::<usize>(), number.parse::<u64>())
                && let Some(last) = known.acked.get_mut(sender)
            {
                *last = number.max(*last);
            }
        }
        None if line.starts_with("failed") => {
            println!("{line}");
            tally.bad("refused", 1);
        }
        None => {}
    };
    let when = match dice.below(8) {
        0 => {
            kill(&mut child, dice.below(4_000))?;
            "killed while starting"
        }
        1 | 2 => {
            said.next();
            kill(&mut child, dice.below(6_000))?;
            "killed while opening"
        }
        _ => {
            let lines = usize::try_from(dice.below(150))? + 2;
            said.by_ref().take(lines).for_each(&mut hear);
            kill(&mut child, dice.below(1_000))?;
            "killed while writing"
        }
    };
    // What it had said when it died was acknowledged as well.
    said.for_each(hear);
    let status = child.wait()?;
    tally.bad("failed opens", u64::from(status.code().is_some()));
    Ok(when)
}

/// Opens the ledger and counts what is new, or at the `end` everything again. Returns whether it opens.
fn look(dir: &Path, known: &mut Known, tally: &mut Tally, end: bool) -> Outcome<bool> {
    let store = match Store::open(dir, limits()) {
        Ok(store) => store,
        Err(error) => {
            println!("{error}");
            tally.bad("failed opens", 1);
            return Ok(false);
        }
    };
    tally.bad("findings", store.findings().len() as u64);
    known.counted.go_on(&store)?;
    if end {
        store.verify()?;
        let mut anew = Counted::default();
        anew.go_on(&store)?;
        // What was there in an earlier round is still there, and still the same.
        tally.bad("torn", u64::from(anew != known.counted) + anew.torn + u64::from(anew.open.is_some()));
        tally.bad("doubled", anew.doubled);
        let missing = known.acked.iter().zip(anew.last).map(|(acked, there)| acked.saturating_sub(there));
        tally.bad("lost", anew.gaps + missing.sum::<u64>());
    }
    Ok(true)
}
