//! `cargo bench -p gastown-daemon --bench stuck`: how soon a session that gives no sign of life is nudged and judged
//! after its deadline, how soon one whose program was killed is judged, and what a look at its processes costs.
//!
//! In a living town, with real programs: each prints a word and writes down when, and then sleeps. The deadline is
//! counted from there by the times of its preset.

mod support;

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use config::{LiveConfig, TownPaths};
use gastown_daemon::compose::{self, Parts, Running};
use ledger::{Limits, Store};
use model::agent::{AgentState, Verdict};
use model::command::{Command, NewBead, Origin, Sling};
use model::event::Event;
use model::ids::{Seq, SessionId};
use model::role::Address;
use model::time::Timestamp;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use support::{Outcome, make, quantile, repository, said};

/// Workers at once.
const WORKERS: usize = 30;

const SILENT_AFTER: Duration = Duration::from_secs(3);
const NUDGE_AFTER: Duration = Duration::from_secs(1);
const NUDGES: u32 = 3;

/// Looks at each session's processes.
const LOOKS: usize = 20;

fn main() -> Outcome<()> {
    // Each program is started through this one, as in a town.
    if std::env::args().nth(1).as_deref() == Some("__exec") {
        pty::exec_shim(std::env::args_os().skip(2).collect());
    }
    let root = match std::env::var_os("GASTOWN_BENCH_DIR") {
        Some(dir) => tempfile::tempdir_in(dir)?,
        None => tempfile::tempdir()?,
    };
    let origin = repository(root.path())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let folder = root.path().join("town");
    make(&folder, &origin, 1)?;
    configure(&folder)?;
    let rows = runtime.block_on(live(&folder))?;
    println!("\n| what, of {WORKERS} workers at once | times | p50 ms | p99 ms | longest ms |");
    println!("|---|--:|--:|--:|--:|");
    for (what, mut took) in rows {
        let (p50, p99, longest) =
            (quantile(0.5, &mut took), quantile(0.99, &mut took), quantile(1.0, &mut took));
        println!("| {what} | {} | {p50:.1} | {p99:.1} | {longest:.1} |", took.len());
    }
    Ok(())
}

fn configure(town: &Path) -> Outcome<()> {
    let words = town.join("words");
    std::fs::create_dir(&words)?;
    let program = town.join("hangs.sh");
    // Three processes, so that a look has something to look at.
    std::fs::write(
        &program,
        "printf hello; date +%s%3N > $WORDS/$GASTOWN_SESSION; sleep 1000 & sleep 1000\n",
    )?;
    let hangs = |silent: Duration| {
        json!({
            "command": "/bin/sh",
            "args": [program.display().to_string()],
            "env": {"WORDS": words.display().to_string()},
            "brief": "none",
            "silent_after": format!("{}ms", silent.as_millis()),
            "nudge_after": format!("{}ms", NUDGE_AFTER.as_millis()),
            "nudges": NUDGES,
            "stop": {"ask": "0s", "term": "2s"},
        })
    };
    let agents = json!({"version": 1, "agents": {
        "hangs": hangs(SILENT_AFTER), "patient": hangs(Duration::from_secs(3600)),
    }});
    std::fs::write(town.join("config/agents.json"), agents.to_string())?;
    let file = town.join("r0/config.json");
    let mut rig: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&file)?)?;
    rig["max_workers"] = json!(WORKERS);
    rig["worker_spawn_delay"] = json!("0s");
    rig["workers"] = json!((0..WORKERS).map(|n| format!("w{n}")).collect::<Vec<_>>());
    std::fs::write(file, rig.to_string())?;
    Ok(())
}

type Row = (&'static str, Vec<f64>);

async fn live(folder: &Path) -> Outcome<Vec<Row>> {
    let paths = TownPaths::new(folder);
    let (config, _) = LiveConfig::load(paths.clone())?;
    let store = Store::open(&paths.ledger(), Limits::default())?;
    let parts = Parts { config, store, program: std::env::current_exe()? };
    let running = compose::start(parts).await.map_err(said)?;
    let kills = kills(&running).await?;
    let looks = looks(&running).await?;
    clear(&running).await?;
    let [nudged, judged] = silences(&running, folder).await?;
    running.stop("the bench is over").await;
    Ok(vec![
        ("last word + patience to the first nudge's record", nudged),
        ("deadline of the last nudge to the verdict", judged),
        ("SIGKILL of a program to its verdict", kills),
        ("a look at one session's processes", looks),
    ])
}

/// Gives each worker a bead and a session of `preset`.
async fn work(running: &Running, preset: &str) -> Outcome<()> {
    let ask = |command| running.switchboard.ask(Origin::operator(), command);
    for n in 0..WORKERS {
        let new = NewBead { title: format!("{preset} {n}"), rig: Some("r0".parse()?), ..NewBead::default() };
        let model::answer::Answer::Bead(bead) = ask(Command::BeadCreate(new)).await.map_err(said)? else {
            return Err("no bead".into());
        };
        let sling = Sling {
            beads: vec![bead.id.clone()],
            target: "r0".into(),
            preset: Some(preset.into()),
            ..Sling::default()
        };
        ask(Command::Sling(sling)).await.map_err(said)?;
    }
    Ok(())
}

/// The workers whose sessions are at work, once they all are.
async fn all_at_work(running: &Running) -> Vec<Address> {
    loop {
        let at_work = running.tools.look(|board| {
            let all = board.agents.iter();
            let works = all.filter(|(_, agent)| agent.state == AgentState::Working);
            works.map(|(address, _)| address.clone()).collect::<Vec<_>>()
        });
        if at_work.len() == WORKERS {
            return at_work;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Kills each worker's program; milliseconds until its end has a verdict.
async fn kills(running: &Running) -> Outcome<Vec<f64>> {
    work(running, "patient").await?;
    let mut took = Vec::new();
    for worker in all_at_work(running).await {
        let live = running.tools.directory.session(&worker).ok_or("it has a session")?;
        let pid = Pid::from_raw(live.terminal.pid().try_into()?).ok_or("it has a pid")?;
        let mut feed = running.tools.store.subscribe(running.tools.store.head().next());
        let from = Instant::now();
        kill_process(pid, Signal::KILL)?;
        'judged: while let Some(records) = feed.next().await? {
            for record in records {
                if matches!(&record.event, Event::AgentVerdict { session, .. } if *session == live.session) {
                    break 'judged;
                }
            }
        }
        took.push(from.elapsed().as_secs_f64() * 1e3);
    }
    Ok(took)
}

async fn looks(running: &Running) -> Outcome<Vec<f64>> {
    let mut took = Vec::new();
    for worker in all_at_work(running).await {
        let live = running.tools.directory.session(&worker).ok_or("it has a session")?;
        for _ in 0..LOOKS {
            let terminal = live.terminal.clone();
            let one = tokio::task::spawn_blocking(move || {
                let from = Instant::now();
                terminal.look().map(|_| from.elapsed().as_secs_f64() * 1e3)
            });
            took.extend(one.await?);
        }
    }
    Ok(took)
}

/// Takes all work back.
async fn clear(running: &Running) -> Outcome<()> {
    let beads =
        running.tools.look(|board| board.hooks.iter().map(|hook| hook.bead.clone()).collect::<Vec<_>>());
    for bead in beads {
        let take = Command::Unsling { bead, force: true };
        running.switchboard.ask(Origin::operator(), take).await.map_err(said)?;
    }
    while running.tools.look(|board| board.agents.iter().any(|(_, agent)| agent.session.is_some())) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// Milliseconds from its deadline to the first nudge, and to the verdict, of each worker's first session.
async fn silences(running: &Running, folder: &Path) -> Outcome<[Vec<f64>; 2]> {
    let mut feed = running.tools.store.subscribe(Seq(running.tools.store.head().0 + 1));
    work(running, "hangs").await?;
    let last_word = |session: &SessionId| -> Option<Timestamp> {
        let text = std::fs::read_to_string(folder.join("words").join(session.as_str())).ok()?;
        text.trim().parse().ok().map(Timestamp::from_millis)
    };
    let after = |at: Timestamp, due: Timestamp| (at.millis() - due.millis()) as f64;
    let (mut nudged, mut judged) = (HashMap::new(), HashMap::new());
    while judged.len() < WORKERS {
        let Some(records) = feed.next().await? else { break };
        for record in records {
            match &record.event {
                Event::AgentNudged { session, n: 1, .. } => {
                    let from = last_word(session).ok_or("it has said a word")?;
                    nudged.insert(session.clone(), after(record.at, from.plus(SILENT_AFTER)));
                }
                Event::AgentVerdict { session, verdict: Verdict::Silent, .. } if judged.len() < WORKERS => {
                    let from = last_word(session).ok_or("it has said a word")?;
                    let due = from.plus(SILENT_AFTER + NUDGE_AFTER * NUDGES);
                    judged.insert(session.clone(), after(record.at, due));
                }
                _ => {}
            }
        }
    }
    Ok([nudged.into_values().collect(), judged.into_values().collect()])
}
