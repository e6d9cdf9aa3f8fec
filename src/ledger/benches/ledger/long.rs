//! Long logs: opening them with a snapshot and without, what they take in memory, and questions to a
//! board with many beads.

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use gastown_ledger::{Decision, Store};
use model::bead::{Bead, DepType, Dependency, IssueType, Priority, Status};
use model::event::Event;
use model::refusal::Refusal;
use model::role::Address;
use model::time::Timestamp;

use crate::{Outcome, letter, memory, ms, open, quantile};

/// Events in one batch while a log is made.
const BATCH: u64 = 960;

/// Mailboxes that the letters go to.
const WORKERS: u64 = 30;

pub(crate) fn bench(root: &Path, sizes: &[u64]) -> Outcome<()> {
    println!(
        "\n| events | letters | made in s | snapshot s | its MiB | log MiB | open: snapshot ms | RSS MiB | open: fold ms | RSS MiB | events/s folded |"
    );
    println!("|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    for size in sizes {
        let dir = root.join(format!("long-{size}"));
        let store = open(&dir)?;
        let from = Instant::now();
        fill(&store, *size)?;
        let made = from.elapsed();
        let from = Instant::now();
        store.close()?;
        let snapshot = from.elapsed();
        drop(store);
        let mib = |name: &str| -> Outcome<u64> { Ok(fs::metadata(dir.join(name))?.len() >> 20) };
        let (snap, log) = (mib("board.snap")?, mib("sled/db")?);
        let (quick, quick_rss) = in_a_process_of_its_own(&dir)?;
        fs::remove_file(dir.join("board.snap"))?;
        let (slow, slow_rss) = in_a_process_of_its_own(&dir)?;
        println!(
            "| {size} | {} | {:.1} | {:.2} | {snap} | {log} | {quick:.0} | {quick_rss} | {slow:.0} | {slow_rss} | {:.0} |",
            size / 3,
            made.as_secs_f64(),
            snapshot.as_secs_f64(),
            *size as f64 / slow * 1e3,
        );
        fs::remove_dir_all(&dir)?;
    }
    Ok(())
}

/// Letters to many, each sent, delivered and acknowledged.
fn fill(store: &Store, events: u64) -> Outcome<()> {
    let mut number = 0;
    while store.head().0 < events {
        let decisions: Vec<Decision<'_, ()>> = (0..BATCH / 3)
            .map(|_| -> Decision<'_, ()> {
                number += 1;
                Box::new(move |_, at| a_letters_life(number, at).map(|events| (events, ())))
            })
            .collect();
        for answer in store.write(Timestamp::from_millis(1), decisions) {
            answer.map_err(|refusal| refusal.to_string())?;
        }
    }
    Ok(())
}

fn a_letters_life(number: u64, at: Timestamp) -> Result<Vec<(Address, Event)>, Refusal> {
    let wrong = |error: Box<dyn std::error::Error>| Refusal::usage(error.to_string());
    let to: Address =
        format!("web/polecats/w{}", number % WORKERS).parse().map_err(|_| Refusal::usage("an address"))?;
    let id = format!("m-{number}");
    let mail: model::ids::MailId = id.parse().map_err(|_| Refusal::usage("a mail id"))?;
    let sent = letter(id, Address::Mayor, to.clone(), at).map_err(wrong)?;
    Ok(vec![
        (Address::Mayor, sent),
        (Address::Runtime, Event::MailDelivered { mail: mail.clone(), to: to.clone() }),
        (to, Event::MailAcked { mail }),
    ])
}

/// Opens `dir` in a fresh process, so that memory is that of the opened ledger and of nothing else.
/// Returns milliseconds and MiB.
fn in_a_process_of_its_own(dir: &Path) -> Outcome<(f64, u64)> {
    let out = Command::new(std::env::current_exe()?).arg("--open").arg(dir).output()?;
    let text = String::from_utf8(out.stdout)?;
    let (ms, rss) = text.trim().split_once(' ').ok_or("the process that opens says nothing")?;
    Ok((ms.parse()?, rss.parse()?))
}

pub(crate) fn probe(dir: &str) -> Outcome<()> {
    let from = Instant::now();
    let store = open(Path::new(dir))?;
    let took = from.elapsed();
    println!("{} {}", ms(took), memory("VmRSS")?);
    drop(store);
    Ok(())
}

/// Asks the board's views for what is ready and for an inbox, at 50,000 beads.
pub(crate) fn questions(root: &Path) -> Outcome<()> {
    const BEADS: u64 = 50_000;
    let store = open(&root.join("beads"))?;
    for first in (0..BEADS).step_by(500) {
        let decisions: Vec<Decision<'_, ()>> = (first..first + 500)
            .map(|number| -> Decision<'_, ()> {
                Box::new(move |_, at| {
                    let bead = bead(number, at).map_err(|error| Refusal::usage(error.to_string()))?;
                    Ok((
                        vec![(Address::Overseer, Event::BeadCreated { bead: std::sync::Arc::new(bead) })],
                        (),
                    ))
                })
            })
            .collect();
        for answer in store.write(Timestamp::from_millis(1), decisions) {
            answer.map_err(|refusal| refusal.to_string())?;
        }
    }
    fill(&store, BEADS + 3 * 10_000)?;
    let worker: Address = "web/polecats/w7".parse()?;
    let timed = |look: &dyn Fn(&gastown_ledger::views::Board) -> usize| {
        let mut took: Vec<Duration> = (0..50)
            .map(|_| {
                let from = Instant::now();
                black_box(store.read(look));
                from.elapsed()
            })
            .collect();
        (store.read(look), ms(quantile(0.5, &mut took)), ms(quantile(0.99, &mut took)))
    };
    println!("\n| question at {BEADS} beads | rows | p50 ms | p99 ms |\n|---|--:|--:|--:|");
    let say = |what: &str, (rows, p50, p99): (usize, f64, f64)| {
        println!("| {what} | {rows} | {p50:.3} | {p99:.3} |")
    };
    say("ready, sorted", timed(&|board| board.beads.ready(Timestamp::from_millis(0)).count()));
    say("settled letters of a worker", timed(&|board| board.mail.settled(&worker).count()));
    say("unacknowledged of a worker", timed(&|board| board.mail.unacked(&worker).count()));
    Ok(())
}

/// One in three is closed, one in three waits for the one before it.
fn bead(number: u64, at: Timestamp) -> Outcome<Bead> {
    let id: model::ids::BeadId = format!("web-{number}").parse()?;
    let dependencies = match number % 3 {
        2 => vec![Dependency {
            issue_id: id.clone(),
            depends_on_id: format!("web-{}", number - 1).parse()?,
            kind: DepType::Blocks,
            created_at: at.into(),
            extra: Default::default(),
            created_by: "overseer".into(),
        }],
        _ => Vec::new(),
    };
    Ok(Bead {
        id,
        title: format!("piece of work number {number}"),
        description: "What is to be done, in a few lines. ".repeat(8),
        acceptance_criteria: String::new(),
        status: if number.is_multiple_of(3) { Status::Closed } else { Status::Open },
        priority: Priority::default(),
        issue_type: IssueType::Task,
        assignee: None,
        rig: Some("web".parse()?),
        created_at: at.into(),
        updated_at: at.into(),
        created_by: "overseer".into(),
        closed_at: None,
        close_reason: None,
        dependencies,
        labels: Vec::new(),
        comments: Vec::new(),
        extra: Default::default(),
    })
}
