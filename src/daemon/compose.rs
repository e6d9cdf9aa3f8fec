//! Puts the house together: real over fake, only here.
//!
//! The order matters. Before anybody lives, reality is looked at: what a runtime that crashed left
//! running is ended, and sessions that the ledger believes alive are recorded as lost. Then the tree
//! is started, from the ledger.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use actors::book::Shelf;
use actors::directory::Directory;
use actors::errand::blocking;
use actors::freeze::Freeze;
use actors::halt;
use actors::keys::Keys;
use actors::letters::Hands;
use actors::living_tree::TreeHandle;
use actors::memory::Gauge;
use actors::neighbours::Looking;
use actors::outbox::Outbox;
use actors::rigs;
use actors::session::usage::Meter;
use actors::survey::{self, Believed, Stray};
use actors::switchboard::Switchboard;
use actors::tools::{Late, ScribeSeat, Tools};
use actors::vitals::Vitals;
use clerk::bell::Ear;
use clerk::costs::Total;
use clerk::draft::Draft;
use config::live::LiveConfig;
use ledger::Store;
use ledger::tail::FeedWriter;
use model::agent::SessionEnd;
use model::command::Origin;
use model::event::Event;
use model::ids::{RigName, Seq, SessionId};
use model::refusal::Refusal;
use model::role::Address;
use model::survey::{Difference, Matter};
use model::time::{Clock, SystemClock, Timestamp};
use pty::{Host, RealHost};
use supervisors::tree::TOWN_GRACE;
use supervisors::{Chronicle, Town, TownEnd, chronicle, start};
use tokio::task::JoinHandle;

/// How often the configuration files are looked at. Four calls of `stat` each.
const LOOK_AT_CONFIG: Duration = Duration::from_secs(2);

/// What a town is put together from.
#[derive(Debug)]
pub struct Parts {
    /// Its configuration.
    pub config: LiveConfig,
    /// Its ledger, open.
    pub store: Store,
    /// This program's file.
    pub program: PathBuf,
}

/// The first pause after which a feed that could not be written is tried again, and the longest one.
const FEED_PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// How long actors may take to end once their sessions were ended at once.
const HURRIED_GRACE: Duration = Duration::from_millis(1500);

/// A living town.
#[derive(Debug)]
pub struct Running {
    /// The handles of its actors.
    pub tools: Tools,
    /// Where questions are asked.
    pub switchboard: Switchboard,
    town: Town,
    chronicle: Chronicle,
    companions: Vec<JoinHandle<()>>,
}

/// Brings a town to life.
///
/// # Errors
/// What could not be prepared or started.
pub async fn start(parts: Parts) -> Result<Running, Refusal> {
    let Parts { config, store, program } = parts;
    let paths = config.paths().clone();
    let config = Arc::new(config);
    let host = Arc::new(RealHost::new(program.clone()));
    let clock = Arc::new(SystemClock);
    pty::orphans::become_subreaper()
        .map_err(|error| Refusal::failed("no_subreaper", format!("cannot adopt orphans: {error}")))?;
    config::install::link_binaries(&paths, &program)?;
    let mut found = look_at_reality(&config, &host, &store, clock.now()).await?;
    let book = Arc::new(Shelf::new(Arc::clone(&config)));
    let (stopping, _) = tokio::sync::watch::channel(None);
    let tools = Tools {
        store,
        scribe: ScribeSeat::default(),
        host,
        clock: clock.clone(),
        config,
        paths,
        program,
        directory: Directory::default(),
        book,
        grammar: Arc::new(|words: &[String], origin: &Origin| cli::grammar(words, origin)),
        keys: Keys::default(),
        hands: Hands::default(),
        outbox: Outbox::default(),
        tree: TreeHandle::new(),
        vitals: Vitals::default(),
        nursery: Late::default(),
        door: Late::default(),
        stopping,
        neighbours: Looking::default(),
        hurry: tokio::sync::watch::Sender::new(false),
        freeze: Freeze::default(),
        memory: Gauge::default(),
        recoveries: tokio::sync::watch::Sender::new(0),
        started: clock.now(),
    };
    // A town that was frozen when its runtime ended stays so: nothing is begun.
    if tools.look(|board| board.freezes.now().is_some()) {
        tools.freeze.freeze();
    }
    let used = used_by_the_lost(&tools).await;
    record_start(&tools, used, &mut found)?;
    let believed = tools.look(|board| Believed::of(board, &tools.town(), &tools.paths));
    let switchboard = Switchboard::new(tools.clone());
    let (town, chronicle) = start::raise(tools.clone(), switchboard.clone())
        .await
        .map_err(|error| Refusal::failed("cannot_start", error.to_string()))?;
    let companions = vec![
        tokio::spawn(async {
            if let Err(error) = pty::orphans::keep_reaping().await {
                tracing::error!(%error, "orphans are not reaped");
            }
        }),
        tokio::spawn(keep_config(tools.clone())),
        tokio::spawn(keep_feed(tools.clone())),
        tokio::spawn(ask_remotes(tools.clone(), believed)),
    ];
    Ok(Running { tools, switchboard, town, chronicle, companions })
}

/// What was found before anybody lives.
#[derive(Debug, Default)]
struct Reality {
    /// What is not as the ledger has it.
    differences: Vec<Difference>,
    /// What was saved of worktrees that belong to nobody's work.
    saved: Vec<Event>,
}

/// Ends what a runtime that crashed left behind, frees the locks of a git that died with it, and compares what is
/// there with what the ledger has.
async fn look_at_reality(
    config: &Arc<LiveConfig>,
    host: &Arc<RealHost>,
    store: &Store,
    now: Timestamp,
) -> Result<Reality, Refusal> {
    let (config, host, store) = (Arc::clone(config), Arc::clone(host), store.clone());
    let look = move || {
        let (paths, town) = (config.paths(), config.current());
        let mut reality = Reality::default();
        let mut say = |matter, rig: Option<&RigName>, found: String, settled: &str| {
            let (rig, settled) = (rig.cloned(), settled.to_owned());
            reality.differences.push(Difference {
                matter,
                rig,
                agent: None,
                bead: None,
                found,
                settled,
                open: false,
            });
        };
        // Gates first: they are killed, where all others that are no session's are asked and waited for.
        let gates: usize = town
            .rigs
            .keys()
            .flat_map(|rig| paths.rig(rig).refinery_runners())
            .map(|at| git::gate::sweep_folder(&at))
            .sum();
        let swept = gates + host.sweep_town(paths.root());
        if swept > 0 {
            tracing::info!(swept, "ended processes that an earlier runtime had left behind");
            say(Matter::Process, None, format!("{swept} of an earlier runtime still ran"), "ended");
        }
        for rig in town.rigs.keys() {
            match git::Repo::open(paths.rig(rig).repo_git()) {
                Ok(repo) => {
                    for lock in repo.clear_stale_locks() {
                        let found = format!("{} was left by a git that died", lock.display());
                        say(Matter::Lock, Some(rig), found, "removed");
                    }
                }
                Err(error) => tracing::warn!(%rig, %error, "the rig's repository cannot be opened"),
            }
        }
        let believed = store.read(|board| Believed::of(board, &town, paths));
        let found = survey::look(&believed);
        reality.differences.extend(found.differences);
        for stray in found.strays {
            reality.put_in_safety(&stray, now);
        }
        reality
    };
    tokio::task::spawn_blocking(look)
        .await
        .map_err(|error| Refusal::failed("cannot_start", error.to_string()))
}

impl Reality {
    /// Saves a worktree that belongs to nobody's work, before anybody could be given its place.
    fn put_in_safety(&mut self, stray: &Stray, now: Timestamp) {
        match survey::put_in_safety(stray, now) {
            Ok(saved) => self.saved.extend(saved.map(|saved| Event::WorkRescued {
                agent: Address::Polecat(stray.rig.clone(), stray.name.clone()),
                bead: stray.bead.clone(),
                branch: saved.branch,
                commit: saved.oid.to_string(),
                bundle: saved.bundle.map(|path| path.display().to_string()),
                reason: "it belonged to nobody's work when the runtime started".to_owned(),
            })),
            Err(error) => {
                tracing::warn!(folder = %stray.folder.display(), %error, "a worktree of nobody's work cannot be saved");
                let shown = stray.folder.display();
                self.differences.push(Difference {
                    matter: Matter::Worktree,
                    rig: Some(stray.rig.clone()),
                    agent: None,
                    bead: stray.bead.clone(),
                    found: format!("{shown} cannot be saved: {error}"),
                    settled: "left as it is; saved before anybody is given its place".to_owned(),
                    open: true,
                });
            }
        }
    }
}

/// Compares what the remotes have with what the ledger has of merges. The Refineries settle what was being pushed.
async fn ask_remotes(tools: Tools, believed: Believed) {
    let Ok(found) = blocking(move || survey::ask_remotes(&believed)).await else { return };
    if found.is_empty() {
        return;
    }
    let record = move |draft: &mut Draft<'_>| {
        draft.push(Event::TownSurveyed { found });
        Ok(())
    };
    if let Err(refusal) = tools.write(&Address::Runtime, record).await {
        tracing::warn!(%refusal, "cannot record what the remotes have");
    }
}

/// What the sessions of a runtime that crashed have used, as their programs have written it down.
///
/// The last turn of each may be in no record yet, and not every session is taken up again.
async fn used_by_the_lost(tools: &Tools) -> Vec<(Address, SessionId, Vec<Total>)> {
    let counts = Meter::of_the_open(tools).into_iter().map(|(agent, session, meter)| {
        tokio::spawn(async move { (agent, session, meter.totals().await.unwrap_or_default()) })
    });
    let mut used = Vec::new();
    for count in counts.collect::<Vec<_>>() {
        used.extend(count.await.ok());
    }
    used
}

/// Records that the runtime is up, what it has found, that sessions of an earlier one are lost and what they have
/// used, and rigs that were found.
fn record_start(
    tools: &Tools,
    used: Vec<(Address, SessionId, Vec<Total>)>,
    reality: &mut Reality,
) -> Result<(), Refusal> {
    let Reality { differences, saved } = std::mem::take(reality);
    let found_rigs = tools.look(|board| rigs::undiscovered(board, &tools.config));
    let now = tools.clock.now();
    tools
        .store
        .write_one(now, |board, now| {
            let mut draft = Draft::new(board, Address::Runtime, now);
            let version = env!("CARGO_PKG_VERSION").to_owned();
            draft.push(Event::TownStarted { pid: std::process::id(), version });
            let lost: Vec<(Address, SessionId)> = board
                .agents
                .iter()
                .filter_map(|(agent, view)| {
                    let open = view.session.as_ref().filter(|open| open.end.is_none())?;
                    Some((agent.clone(), open.id.clone()))
                })
                .collect();
            let mut differences = differences;
            differences.extend(lost.iter().map(|(agent, session)| {
                let bead = board.hooks.of(agent).map(|hook| hook.bead.clone());
                let settled = match bead {
                    Some(_) => "lost with its runtime; begun again, with its conversation where it can",
                    None => "lost with its runtime",
                };
                Difference {
                    matter: Matter::Session,
                    rig: agent.rig().cloned(),
                    agent: Some(agent.clone()),
                    bead,
                    found: format!("{session} of {agent} was alive"),
                    settled: settled.to_owned(),
                    open: false,
                }
            }));
            if !differences.is_empty() {
                draft.push(Event::TownSurveyed { found: differences });
            }
            saved.into_iter().for_each(|event| draft.push(event));
            for (agent, session, totals) in &used {
                clerk::costs::record(&mut draft, agent, session, totals);
            }
            for (agent, session) in lost {
                clerk::agents::ended(&mut draft, &agent, &session, SessionEnd::Lost.into())?;
            }
            for config in found_rigs {
                rigs::record(&mut draft, &rigs::Prepared { config });
            }
            Ok((draft.finish(), ()))
        })
        .map(drop)
}

/// Takes changed configuration files up.
async fn keep_config(tools: Tools) {
    let mut ticks = tokio::time::interval(LOOK_AT_CONFIG);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let config = Arc::clone(&tools.config);
        let Ok(refresh) = tokio::task::spawn_blocking(move || config.refresh()).await else { continue };
        for complaint in refresh.complaints {
            tracing::error!(file = %complaint.file.display(), "{}; the last good one stays in force", complaint.text);
        }
        if !refresh.changed {
            continue;
        }
        let found = tools.look(|board| rigs::undiscovered(board, &tools.config));
        for config in found {
            let name = config.name.clone();
            let record = move |draft: &mut Draft<'_>| {
                rigs::record(draft, &rigs::Prepared { config });
                Ok(())
            };
            if let Err(refusal) = tools.write(&Address::Runtime, record).await {
                tracing::error!(rig = %name, %refusal, "cannot take in a rig that was found");
                continue;
            }
            if let Some(nursery) = tools.nursery.get() {
                nursery.open_rig(&name);
            }
        }
        tools.directory.ring(&Ear::Role(Address::Deacon));
        for rig in tools.town().rigs.keys() {
            tools.directory.ring(&Ear::Dispatcher(rig.clone()));
            tools.directory.ring(&Ear::Role(Address::Refinery(rig.clone())));
        }
    }
}

/// Writes each event into `.beads/feed.jsonl`, for `tail -f`. What keeps it from that, a full disk for
/// instance, is waited for: the file itself says where to go on.
async fn keep_feed(tools: Tools) {
    let path = tools.paths.feed_jsonl();
    let mut pause = FEED_PAUSES.0;
    loop {
        let (file, head) = (path.clone(), tools.store.head());
        match blocking(move || FeedWriter::open(&file, head)).await {
            Ok(Ok(writer)) => {
                let from = writer.next();
                let (next, error) = follow(&tools, writer).await;
                let Some(error) = error else { return };
                tracing::error!(file = %path.display(), %error, "cannot write the feed; it is tried again");
                // Something was written: this is another trouble than the last.
                if next > from {
                    pause = FEED_PAUSES.0;
                }
            }
            Ok(Err(error)) => tracing::error!(file = %path.display(), %error, "cannot open the feed"),
            Err(panic) => tracing::error!(%panic, "cannot open the feed"),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(FEED_PAUSES.1);
    }
}

/// Copies what happens into the feed; returns how far it came and what was in the way, or nothing when the
/// town is closed.
async fn follow(tools: &Tools, mut writer: FeedWriter) -> (Seq, Option<String>) {
    let mut feed = tools.store.subscribe(writer.next());
    loop {
        let records = match feed.next().await {
            Ok(Some(records)) => records,
            Ok(None) => return (writer.next(), None),
            Err(error) => return (writer.next(), Some(error.to_string())),
        };
        let next = writer.next();
        let written = blocking(move || {
            let result = writer.append(&records);
            (writer, result)
        });
        match written.await {
            Ok((back, Ok(()))) => writer = back,
            Ok((back, Err(error))) => return (back.next(), Some(error.to_string())),
            Err(panic) => return (next, Some(panic)),
        }
    }
}

impl Running {
    /// Waits until the town has ended by itself.
    pub async fn ended(&self) -> TownEnd {
        self.town.wait().await
    }

    /// Ends everybody in order, or at once when `tools.hurry` says so, and writes down that and why.
    pub async fn stop(self, why: &str) -> TownEnd {
        self.tools.stopping.send_replace(Some(why.to_owned()));
        let mut hurry = self.tools.hurry.subscribe();
        let end = tokio::select! {
            end = self.town.stop(TOWN_GRACE) => end,
            // All at once, from the beginning or when it takes too long for somebody.
            _ = hurry.wait_for(|hurry| *hurry) => {
                halt::sessions(&self.tools, why).await;
                self.town.stop(HURRIED_GRACE).await
            }
        };
        for companion in &self.companions {
            companion.abort();
        }
        let unwritten = self.chronicle.close().await;
        let (tools, reason) = (self.tools, why.to_owned());
        let close = move || {
            tools.host.sweep_town(tools.paths.root());
            let now = tools.clock.now();
            // There is no scribe any more, and nobody else who writes.
            let stopped = tools.store.write_one(now, |board, now| {
                let mut draft = Draft::new(board, Address::Runtime, now);
                unwritten.into_iter().for_each(|event| chronicle::enter(&mut draft, event));
                draft.push(Event::TownStopped { reason });
                Ok((draft.finish(), ()))
            });
            if let Err(refusal) = stopped {
                tracing::warn!(%refusal, "cannot record that the town stopped");
            }
            // The feed has the last word too.
            if let Ok(mut feed) = FeedWriter::open(&tools.paths.feed_jsonl(), tools.store.head())
                && let Ok(records) = tools.store.events(feed.next(), usize::MAX)
                && let Err(error) = feed.append(&records)
            {
                tracing::warn!(%error, "cannot end the feed");
            }
            if let Err(error) = tools.store.close() {
                tracing::warn!(%error, "cannot write the board's snapshot; the next start takes longer");
            }
        };
        let _ = tokio::task::spawn_blocking(close).await;
        end
    }
}
