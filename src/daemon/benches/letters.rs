//! `cargo bench -p gastown-daemon`: letters from end to end, through the actors of a living town.
//!
//! Each letter is written by a sender, recorded, handed over by the postmaster, handled by the Witness of a
//! rig and acknowledged, each of which is on disk before the next; a sender writes its next letter when the last
//! one is acknowledged. Beside it, in the same run, what the disk does by itself.

#[path = "../../ledger/benches/ledger/raw.rs"]
mod raw;

use std::collections::HashMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use clerk::draft::Draft;
use config::{LiveConfig, TownPaths};
use gastown_daemon::compose::{self, Parts, Running};
use gastown_daemon::offline::Offline;
use ledger::{Limits, Store};
use model::answer::Answer;
use model::command::{Command as Asked, NewRig, Origin};
use model::event::Event;
use model::ids::{MailId, Seq};
use model::mail::Kind;
use model::role::Address;
use model::time::Timestamp;
use protocol::wire::Carrier as _;
use raw::Raw;
use tokio::sync::oneshot;

type Outcome<T> = Result<T, Box<dyn Error>>;

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

fn said(refusal: model::refusal::Refusal) -> String {
    refusal.to_string()
}

fn repository(root: &Path) -> Outcome<PathBuf> {
    let at = root.join("origin");
    std::fs::create_dir(&at)?;
    let script =
        "git init -q . && git symbolic-ref HEAD refs/heads/main && git commit -q --allow-empty -m start";
    let made = Command::new("sh")
        .args(["-c", script])
        .current_dir(&at)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .envs(["AUTHOR", "COMMITTER"].map(|who| (format!("GIT_{who}_NAME"), "bench")))
        .envs(["AUTHOR", "COMMITTER"].map(|who| (format!("GIT_{who}_EMAIL"), "bench@example.org")))
        .status()?;
    if made.success() { Ok(at) } else { Err("git makes no repository".into()) }
}

fn make(town: &Path, origin: &Path, rigs: usize) -> Outcome<()> {
    config::install::create_town(town, "bench", Some("shell"), Timestamp::from_millis(1)).map_err(said)?;
    let mut offline = Offline::open(town, Origin::operator()).map_err(said)?;
    for n in 0..rigs {
        let rig = NewRig {
            name: format!("r{n}").parse()?,
            url: origin.display().to_string(),
            prefix: None,
            branch: None,
            gates: Vec::new(),
            max_workers: None,
            preset: None,
        };
        offline.ask(Asked::RigAdd(rig)).map_err(said)?;
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

/// The value below which the share `of` of all lies, in milliseconds.
fn quantile<T: Copy + Into<Millis>>(of: f64, all: &mut [T]) -> f64 {
    let mut all: Vec<f64> = all.iter().map(|one| (*one).into().0).collect();
    all.sort_unstable_by(f64::total_cmp);
    let at = (all.len() as f64 * of) as usize;
    all.get(at.min(all.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}

struct Millis(f64);

impl From<f64> for Millis {
    fn from(ms: f64) -> Self {
        Millis(ms)
    }
}

impl From<Duration> for Millis {
    fn from(span: Duration) -> Self {
        Millis(span.as_secs_f64() * 1e3)
    }
}
