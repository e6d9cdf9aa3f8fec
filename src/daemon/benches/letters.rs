//! `cargo bench -p gastown-daemon`: letters from end to end, through the actors of a living town.
//!
//! Each letter is written by a sender, recorded, handed over by the postmaster, handled by the Witness of a
//! rig and acknowledged, each of which is on disk before the next; a sender writes its next letter when the last
//! one is acknowledged. Beside it, in the same run, what the disk does by itself.

#[path = "../../ledger/benches/ledger/raw.rs"]
mod raw;
mod support;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use clerk::draft::Draft;
use config::{LiveConfig, TownPaths};
use gastown_daemon::compose::{self, Parts, Running};
use ledger::{Limits, Store};
use model::answer::Answer;
use model::event::Event;
use model::ids::{MailId, Seq};
use model::mail::Kind;
use model::role::Address;
use raw::Raw;
use support::{Outcome, make, quantile, repository, said};
use tokio::sync::oneshot;

/// Rigs, and so Witnesses, each with one actor that handles one letter after the other.
const RIGS: [usize; 2] = [1, 8];
const SENDERS: [usize; 3] = [1, 8, 64];
const SPAN: Duration = Duration::from_secs(3);

fn main() -> Outcome<()> {
    let root = match std::env::var_os("GASTOWN_BENCH_DIR") {
        Some(dir) => tempfile::tempdir_in(dir)?,
        None => tempfile::tempdir()?,
    };
    let origin = repository(root.path())?;
    let mut raw = Raw::new(root.path())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build()?;
    println!("\n| witnesses | senders | letters/s | syncs per letter | p50 ms | p99 ms | p50 / raw p50 |");
    println!("|--:|--:|--:|--:|--:|--:|--:|");
    for rigs in RIGS {
        let town = root.path().join(format!("town-{rigs}"));
        make(&town, &origin, rigs)?;
        let program = std::env::current_exe()?;
        let paths = TownPaths::new(&town);
        let (config, _) = LiveConfig::load(paths.clone())?;
        let store = Store::open(&paths.ledger(), Limits::default())?;
        let running = runtime
            .block_on(compose::start(Parts { config, store: store.clone(), program }))
            .map_err(said)?;
        for senders in SENDERS {
            let mut quiet = raw.syncs(SPAN / 4)?;
            let (syncs, from) = (store.syncs(), Instant::now());
            let mut took = runtime.block_on(post(&running, rigs, senders))?;
            let (seconds, syncs) = (from.elapsed().as_secs_f64(), store.syncs() - syncs);
            quiet.extend(raw.syncs(SPAN / 4)?);
            let p50 = quantile(0.5, &mut took);
            println!(
                "| {rigs} | {senders} | {:.0} | {:.2} | {p50:.2} | {:.2} | {:.1} |",
                took.len() as f64 / seconds,
                syncs as f64 / took.len() as f64,
                quantile(0.99, &mut took),
                p50 / quantile(0.5, &mut quiet),
            );
        }
        runtime.block_on(running.stop("the bench is over"));
    }
    Ok(())
}

/// Those who wait for a letter to be acknowledged; letters that were so before anybody asked.
#[derive(Default)]
struct Waiting {
    open: HashMap<MailId, oneshot::Sender<()>>,
    early: HashMap<MailId, ()>,
}

/// Returns how many milliseconds each letter took from the wish to write it to its acknowledgement.
async fn post(running: &Running, rigs: usize, senders: usize) -> Outcome<Vec<f64>> {
    let waiting = Arc::new(Mutex::new(Waiting::default()));
    let watcher = tokio::spawn(watch(running.tools.store.clone(), Arc::clone(&waiting)));
    let until = Instant::now() + SPAN;
    let tasks: Vec<_> = (0..senders)
        .map(|sender| {
            let (tools, waiting) = (running.tools.clone(), Arc::clone(&waiting));
            let to: Result<Address, _> = format!("r{}/witness", sender % rigs).parse();
            tokio::spawn(async move {
                let to = to.map_err(|_| "no address".to_owned())?;
                let mut took = Vec::new();
                while Instant::now() < until {
                    let from = Instant::now();
                    let to = to.clone();
                    let sent = tools.decide(move |board, now| {
                        let mut draft = Draft::new(board, Address::Runtime, now);
                        let outcome = "all is well in the yard".to_owned();
                        let id = draft.send(&to, Kind::DogDone { errand: "bench".into(), outcome });
                        Ok((draft.finish(), Answer::Sent(vec![id])))
                    });
                    let Answer::Sent(ids) = sent.await.map_err(said)? else { break };
                    let (reply, acked) = oneshot::channel();
                    {
                        let mut waiting = waiting.lock().map_err(|error| error.to_string())?;
                        if waiting.early.remove(&ids[0]).is_none() {
                            waiting.open.insert(ids[0].clone(), reply);
                        } else {
                            let _ = reply.send(());
                        }
                    }
                    acked.await.map_err(|error| error.to_string())?;
                    took.push(from.elapsed().as_secs_f64() * 1e3);
                }
                Ok::<_, String>(took)
            })
        })
        .collect();
    let mut took = Vec::new();
    for task in tasks {
        took.append(&mut task.await??);
    }
    watcher.abort();
    Ok(took)
}

async fn watch(store: Store, waiting: Arc<Mutex<Waiting>>) {
    let mut feed = store.subscribe(Seq(store.head().0 + 1));
    while let Ok(Some(records)) = feed.next().await {
        let Ok(mut waiting) = waiting.lock() else { return };
        for record in records {
            if let Event::MailAcked { mail } = record.event {
                match waiting.open.remove(&mail) {
                    Some(reply) => drop(reply.send(())),
                    None => drop(waiting.early.insert(mail, ())),
                }
            }
        }
    }
}
