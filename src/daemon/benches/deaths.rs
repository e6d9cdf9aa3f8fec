//! `cargo bench -p gastown-daemon --bench deaths`: from the death of an actor of a living town to the answer of its
//! replacement.
//!
//! Each is killed as `gastown fault kill-actor` does it, and asked until a later life of it answers: the scribe to
//! write, the switchboard how everything is, the others about their session. A supervisor bears 20 deaths in ten
//! seconds, so there are many towns, one after the other. On real disks and with real actors, which wake from the
//! ledger; the bare mechanism, beside OTP, is `cargo bench -p gastown-supervisors`.

mod support;

use std::path::Path;
use std::time::Instant;

use actors::directory::Ask;
use actors::living_tree::TreeNode;
use config::{LiveConfig, TownPaths};
use gastown_daemon::compose::{self, Parts, Running};
use ledger::{Limits, Store};
use model::command::{Command, Origin};
use model::role::Address;
use support::{Outcome, make, quantile, repository, said};

/// Towns, one after the other.
const ROUNDS: usize = 40;

/// Deaths of each actor in one of them: those of the town's own share one window, those of a rig another.
const VICTIMS: [(&str, usize); 6] =
    [("scribe", 5), ("switchboard", 5), ("deacon", 5), ("mayor", 5), ("r0/witness", 10), ("r0/refinery", 10)];

fn main() -> Outcome<()> {
    let root = match std::env::var_os("GASTOWN_BENCH_DIR") {
        Some(dir) => tempfile::tempdir_in(dir)?,
        None => tempfile::tempdir()?,
    };
    let origin = repository(root.path())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut took = VICTIMS.map(|_| Vec::new());
    for n in 0..ROUNDS {
        let folder = root.path().join(format!("town-{n}"));
        make(&folder, &origin, 1)?;
        runtime.block_on(round(&folder, &mut took))?;
    }
    println!("\n| killed | times | p50 ms | p99 ms | longest ms |");
    println!("|---|--:|--:|--:|--:|");
    for ((name, _), took) in VICTIMS.into_iter().zip(&mut took) {
        let (p50, p99, longest) = (quantile(0.5, took), quantile(0.99, took), quantile(1.0, took));
        println!("| {name} | {} | {p50:.2} | {p99:.2} | {longest:.2} |", took.len());
    }
    Ok(())
}

/// The life of one town.
async fn round(folder: &Path, took: &mut [Vec<f64>]) -> Outcome<()> {
    let paths = TownPaths::new(folder);
    let (config, _) = LiveConfig::load(paths.clone())?;
    let store = Store::open(&paths.ledger(), Limits::default())?;
    let parts = Parts { config, store, program: std::env::current_exe()? };
    let running = compose::start(parts).await.map_err(said)?;
    for ((name, times), took) in VICTIMS.into_iter().zip(took) {
        for _ in 0..times {
            took.push(death(&running, name).await?);
        }
    }
    running.stop("the round is over").await;
    Ok(())
}

/// Milliseconds from the death of `name` to the answer of a later life of it.
async fn death(running: &Running, name: &str) -> Outcome<f64> {
    while !answers(running, name).await {
        tokio::task::yield_now().await;
    }
    let before = restarts(running, name);
    let from = Instant::now();
    running.tools.nursery.get().ok_or("no nursery")?.kill(name).map_err(said)?;
    while restarts(running, name) == before || !answers(running, name).await {
        tokio::task::yield_now().await;
    }
    Ok(from.elapsed().as_secs_f64() * 1e3)
}

fn restarts(running: &Running, name: &str) -> Option<u64> {
    let tree: TreeNode = running.tools.tree.snapshot()?;
    tree.find(name).map(|node| node.restarts)
}

async fn answers(running: &Running, name: &str) -> bool {
    let tools = &running.tools;
    match name {
        "scribe" => matches!(tools.note_once(&Address::Runtime, |_| Ok(())).await, Some(Ok(()))),
        "switchboard" => running.switchboard.ask(Origin::operator(), Command::Status).await.is_ok(),
        role => {
            let Ok(address) = role.parse::<Address>() else { return false };
            tools.directory.ask(&address, |reply| Ask::Restart { symptom: None, reply }).await.is_ok()
        }
    }
}
