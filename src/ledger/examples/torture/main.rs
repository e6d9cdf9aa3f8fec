//! `torture [kill|powercut|disk] [ROUNDS] [SEED]`: tries to make the ledger lose what it acknowledged.
//!
//! - `kill` (the default, 10,000 rounds): kills a writing process with SIGKILL at random points.
//! - `powercut` (5,000): cuts the power at random points of what writers did to their files, after kills,
//!   failed syncs and earlier power cuts.
//! - `disk` (500): lets the disk of a writing process be full, fail or take no writes, and come back.
//!
//! Prints what was acknowledged, lost, doubled, and the openings that failed; exit code 1 on any of the
//! last three. The same seed gives the same chances.

#[path = "../../tests/powercut/bench.rs"]
mod bench;
#[path = "../../tests/powercut/dice.rs"]
mod dice;
#[path = "../../tests/powercut/disk.rs"]
mod disk;
#[path = "../../tests/powercut/journal.rs"]
mod journal;
mod kills;
mod powercuts;
#[path = "../../tests/shim/mod.rs"]
mod shim;
#[path = "../../tests/powercut/trouble.rs"]
mod trouble;
#[path = "../../tests/powercut/writer.rs"]
mod writer;

use std::collections::BTreeMap;
use std::env;
use std::error::Error;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use bench::{FOLDER, ORDERS};
use shim::Shim;
use writer::{Count, Orders};

/// How many troubles the disk of one ledger has.
const TROUBLES_PER_STORY: u64 = 20;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// What was found, over all rounds.
#[derive(Debug, Default)]
struct Tally {
    good: BTreeMap<&'static str, u64>,
    bad: BTreeMap<&'static str, u64>,
}

impl Tally {
    fn good(&mut self, name: &'static str, n: u64) {
        *self.good.entry(name).or_default() += n;
    }

    fn bad(&mut self, name: &'static str, n: u64) {
        *self.bad.entry(name).or_default() += n;
    }

    fn count(&mut self, count: Count) {
        self.good("acknowledged", count.acknowledged);
        self.bad("lost", count.lost);
        self.bad("doubled", count.doubled);
        self.bad("refused and there", count.refused_and_there);
        self.bad("failed opens", count.failed_opens);
        self.bad("findings", count.findings);
    }

    fn add(&mut self, other: Tally) {
        other.good.into_iter().for_each(|(name, n)| self.good(name, n));
        other.bad.into_iter().for_each(|(name, n)| self.bad(name, n));
    }

    fn clean(&self) -> bool {
        self.bad.values().all(|n| *n == 0)
    }
}

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let outcome = match args.first().map(String::as_str) {
        Some("--child") => kills::child(&args[1..]).map(|()| true),
        Some("--writer") => writer_under_the_layer().map(|()| true),
        _ => parent(&args),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // The parent reads what a child says here.
            println!("failed {error}");
            ExitCode::FAILURE
        }
    }
}

fn writer_under_the_layer() -> Outcome<()> {
    let (orders, folder) = (env::var(ORDERS)?, env::var(FOLDER)?);
    writer::work(Path::new(&folder), Orders::parse(&orders)?)
}

/// This program as a writer, for whoever puts the layer under it.
fn writer() -> Command {
    let mut command = Command::new(env::current_exe().unwrap_or_else(|_| "torture".into()));
    command.arg("--writer");
    command
}

fn parent(args: &[String]) -> Outcome<bool> {
    let (mode, args) = match args.first().map(String::as_str) {
        Some(mode @ ("kill" | "powercut" | "disk")) => (mode, &args[1..]),
        _ => ("kill", args),
    };
    let (usual, at_once) = match mode {
        "kill" => (10_000, kills::ROUNDS_PER_LEDGER),
        "powercut" => (5_000, powercuts::CUTS_PER_STORY),
        _ => (500, TROUBLES_PER_STORY),
    };
    let rounds: u64 = args.first().map_or(Ok(usual), |text| text.parse())?;
    let seed: u64 = args.get(1).map_or(Ok(u64::from(std::process::id())), |text| text.parse())?;
    println!("{mode}: {rounds} rounds, seed {seed}");
    let shim = (mode != "kill").then(|| Shim::build().ok_or("it needs Linux with glibc, and a C compiler"));
    let shim = shim.transpose()?;
    let story = |seed: u64, rounds: u64| match (mode, &shim) {
        ("powercut", Some(shim)) => powercuts::story(shim, seed, rounds),
        ("disk", Some(shim)) => {
            let mut tally = Tally::default();
            let count = trouble::story(shim, writer, seed, rounds)?;
            tally.good("calls that failed", count.failed_calls);
            tally.good("refused", count.refused);
            tally.count(count.count);
            Ok(tally)
        }
        _ => kills::story(seed, rounds),
    };
    let started = Instant::now();
    let (next, total) = (AtomicU64::new(0), Mutex::new((0, Tally::default())));
    let workers = thread::available_parallelism().map_or(1, |n| n.get() as u64);
    let failed = thread::scope(|scope| {
        let work = || -> Result<(), String> {
            loop {
                let nth = next.fetch_add(1, Ordering::Relaxed);
                let here = rounds.saturating_sub(nth * at_once).min(at_once);
                if here == 0 {
                    return Ok(());
                }
                // Stories with seeds that follow each other must not be alike.
                let own = (seed ^ nth).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                let tally = story(own, here).map_err(|error| format!("story {nth}: {error}"))?;
                let mut total = total.lock().map_err(|error| error.to_string())?;
                total.0 += here;
                total.1.add(tally);
                if nth % 8 == 0 {
                    println!(
                        "{:>6} rounds, {:>4} s: {:?}",
                        total.0,
                        started.elapsed().as_secs(),
                        total.1.bad
                    );
                }
            }
        };
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        workers.into_iter().filter_map(|worker| worker.join().ok()?.err()).next()
    });
    if let Some(failed) = failed {
        return Err(failed.into());
    }
    let (rounds, tally) = total.into_inner()?;
    println!("\n{:<22} {rounds} in {} s", "rounds", started.elapsed().as_secs());
    for (name, n) in tally.good.iter().chain(&tally.bad) {
        println!("{name:<22} {n}");
    }
    Ok(tally.clean())
}
