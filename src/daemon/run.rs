//! A town from its start to its end.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::num::NonZero;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use cli::RunOptions;
use config::{LiveConfig, TownPaths, run_dir};
use ledger::Store;
use model::ids::Seq;
use model::refusal::Refusal;
use model::time::{Clock, SystemClock};
use supervisors::TownEnd;
use tokio::sync::watch;

use crate::compose::{self, Parts, Running};
use crate::crash;
use crate::detach::{self, Announcer};
use crate::front::Front;
use crate::live::{self, View};
use crate::lock::TownLock;
use crate::offline::open_ledger;
use crate::socket;
use crate::summary::{Aim, Summary};
use crate::until::{self, Signals, Why};
use crate::{demo, telemetry};

/// Threads that carry the town. One alone could be kept busy by one bad task.
const LEAST_WORKERS: usize = 2;

/// How long what is left may take when everything is over, or a second signal wants it so.
const LEAVING: Duration = Duration::from_secs(2);

/// Runs a town as `gastown run` was asked to, until it ends; prints for itself. Returns the exit code.
pub fn run(options: &RunOptions) -> u8 {
    let mut announcer = Announcer::of_this_process();
    let result = match options.detach && announcer.is_none() {
        true => detach::run(options),
        false => attend(options, &mut announcer),
    };
    result.unwrap_or_else(|refusal| {
        if let Some(announcer) = announcer {
            announcer.refused(&refusal);
        }
        complain(&refusal, options.json);
        refusal.class.exit_code()
    })
}

/// Says why it does not go on, as the command line does it for all other commands.
fn complain(refusal: &Refusal, json: bool) {
    let Refusal { code, message, hint, .. } = refusal;
    let text = if json {
        format!("{}\n", serde_json::json!({"error": {"code": code, "message": message, "hint": hint}}))
    } else {
        let mut text = format!("error: {message}\n");
        if let Some(hint) = hint {
            let _ = writeln!(text, "hint: {hint}");
        }
        text
    };
    let _ = io::stderr().write_all(text.as_bytes());
}

fn attend(options: &RunOptions, announcer: &mut Option<Announcer>) -> Result<u8, Refusal> {
    let paths = match &options.town {
        Some(town) if !options.demo => TownPaths::new(town),
        _ => demo::make(SystemClock.now())?,
    };
    let lock = TownLock::for_runtime(&paths)?;
    // Before anything is started: it is on this process, and what it starts inherits it.
    let marked = pty::Mark::bear(paths.root());
    telemetry::start(&paths, options.live)?;
    let (config, complaints) = LiveConfig::load(paths.clone())?;
    for complaint in complaints {
        tracing::error!(file = %complaint.file.display(), "{}", complaint.text);
    }
    let store = open_ledger(&paths)?;
    let program = crate::program::file()
        .map_err(|error| Refusal::failed("cannot_start", format!("cannot find this program: {error}")))?;
    match marked {
        Ok(_) => pty::reaper::keep(program.clone()),
        Err(error) => {
            tracing::warn!(%error, "what agents start cannot be marked: it is found by its environment alone, and after a kill of the runtime at the next start")
        }
    }
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores.max(LEAST_WORKERS))
        .thread_name("town")
        .enable_all()
        .build()
        .map_err(|error| Refusal::failed("cannot_start", format!("cannot start threads: {error}")))?;
    let parts = Parts { config, store, program };
    let outcome = runtime.block_on(live(options, &paths, parts, announcer));
    // What is still there loses its tasks now, and with them its programs.
    runtime.shutdown_timeout(LEAVING);
    drop(lock);
    outcome
}

/// What has ended a run.
enum End {
    /// A reason from outside, or that nothing is left to do.
    Why(Why),
    /// The tree itself could not go on.
    Tree(TownEnd),
}

async fn live(
    options: &RunOptions,
    paths: &TownPaths,
    parts: Parts,
    announcer: &mut Option<Announcer>,
) -> Result<u8, Refusal> {
    let mut signals = Signals::listen()
        .map_err(|error| Refusal::failed("cannot_start", format!("cannot listen to signals: {error}")))?;
    let (store, name) = (parts.store.clone(), parts.config.current().town.name.clone());
    // A demonstration is told from its first record on.
    let since = if options.demo { Seq(0) } else { store.head() };
    // Bound before anybody lives: an agent that speaks at once waits a moment and is heard.
    let listener = socket::listen(&run_dir::prepare(paths)?)?;
    let view = match (options.live, options.json) {
        (true, _) => View::Picture { color: options.color },
        (false, true) => View::Aside,
        (false, false) => View::Lines,
    };
    let view = live::start(store.clone(), name, since.next(), view)
        .map_err(|error| Refusal::failed("cannot_start", format!("cannot start a thread: {error}")))?;
    let running = match compose::start(parts).await {
        Ok(running) => running,
        Err(refusal) => {
            view.finish().await;
            return Err(refusal);
        }
    };
    let over = watch::Sender::new(false);
    let front = Front::new(running.tools.clone(), running.switchboard.clone());
    let server = tokio::spawn(socket::serve(listener, front, over.subscribe()));
    if let Some(announcer) = announcer.take() {
        announcer.up();
    }
    if let Some(pause) = running.tools.look(|board| board.freezes.now().cloned()) {
        let told = format!("the town is frozen {}; let it go on with `gastown thaw`", pause.told());
        tracing::warn!("{told}");
        // The picture says it itself.
        if !options.json && !options.live {
            let _ = writeln!(io::stdout(), "{told}");
        }
    }

    let mut stopping = running.tools.stopping.subscribe();
    let (config, tree) = (Arc::clone(&running.tools.config), running.tools.tree.clone());
    let until_idle = options.until_idle || options.demo;
    let end = tokio::select! {
        why = until::over(&store, || config.current().rigs.keys().cloned().collect(), &mut stopping, &mut signals, until_idle) => End::Why(why),
        end = running.ended() => End::Tree(end),
    };
    let stopped = stop(running, &end, &mut signals).await;
    // No socket any more, so that the next runtime knows that this one is about to go.
    let _ = fs::remove_file(paths.socket());
    over.send_replace(true);
    let _ = server.await;
    view.finish().await;
    if !stopped {
        return Err(Refusal::failed("killed", "a second signal came, and what was still running was killed")
            .hint("nothing that was acknowledged is lost: `gastown run` goes on from there"));
    }
    if let End::Tree(end) = &end {
        let (end, store, paths, json) = (end.clone(), store.clone(), paths.clone(), options.json);
        let told = tokio::task::spawn_blocking(move || {
            let last = crash::Last { end: &end, store: &store, paths: &paths, tree: tree.snapshot() };
            crash::tell(&last, SystemClock.now(), json)
        });
        return Err(told.await.map_err(|error| Refusal::failed("gave_up", error.to_string()))?);
    }
    if until_idle {
        return tell(options, &store, config, since).await;
    }
    if let (End::Why(why), false) = (&end, options.json) {
        let _ = writeln!(io::stdout(), "the town has stopped: {}", why.text());
    }
    Ok(0)
}

/// Ends everybody in order; false when a second signal came over it.
async fn stop(running: Running, end: &End, signals: &mut Signals) -> bool {
    let why = match end {
        End::Why(why) => why.text(),
        End::Tree(TownEnd::GaveUp { report }) => format!("gave up: {report}"),
        End::Tree(end) => format!("the tree has ended: {end:?}"),
    };
    tracing::info!(%why, "stopping");
    let stopped = tokio::select! {
        end = running.stop(&why) => Some(end),
        _ = signals.next() => None,
    };
    if stopped == Some(TownEnd::Killed) {
        tracing::warn!("not everybody ended in time; who was left was killed");
    }
    stopped.is_some()
}

/// Prints what came of it; returns the exit code that follows.
async fn tell(
    options: &RunOptions,
    store: &Store,
    config: Arc<LiveConfig>,
    since: Seq,
) -> Result<u8, Refusal> {
    let aim = if options.demo { Aim::AllLand } else { Aim::Idle };
    let store = store.clone();
    let summary = tokio::task::spawn_blocking(move || Summary::of(&store, &config, since, aim))
        .await
        .map_err(|error| Refusal::failed("summary", format!("cannot sum up the run: {error}")))??;
    let text = if options.json {
        let value = serde_json::to_string(&summary)
            .map_err(|error| Refusal::failed("summary", format!("cannot write the summary: {error}")))?;
        format!("{value}\n")
    } else {
        summary.to_string()
    };
    // Whoever closed standard output does not want it; what happened has happened.
    let mut out = io::stdout();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    Ok(summary.exit)
}
