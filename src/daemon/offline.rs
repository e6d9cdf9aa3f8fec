//! The town's questions and changes without a runtime: the same rules on the ledger itself, under the
//! lock.
//!
//! What this carrier has changed is found by the next runtime, which looks at the board when it wakes;
//! no bell is rung.

mod broken;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use actors::book::Shelf;
use actors::{brief, direct, doctor, judge, programs, recordings, recovery, rigs, sync};
use clerk::decide::{Need, decide, need, permitted};
use clerk::draft::Draft;
use clerk::{answers, names, past, reports, waits};
use config::{LiveConfig, TownPaths};
use git::CancelToken;
use ledger::{LedgerError, Limits, Store};
use model::agent::AgentState;
use model::answer::{Answer, StatusReport, TownRow};
use model::command::{Command, LedgerQuestion, NewRig, Origin, Stream};
use model::ids::{RigName, Seq};
use model::refusal::Refusal;
use model::time::{Clock, SystemClock};
use protocol::wire::{Carrier, Duplex};

use crate::lock::TownLock;

/// A town's ledger, asked directly. Nobody else can write while this is there.
#[derive(Debug)]
pub struct Offline {
    // Closed before the lock is let go.
    store: Store,
    config: Arc<LiveConfig>,
    book: Shelf,
    paths: TownPaths,
    origin: Origin,
    clock: Arc<dyn Clock>,
    _lock: TownLock,
}

/// The way to a town whose ledger is opened when the first question needs it: what only a living town
/// answers is refused without keeping one from starting.
#[derive(Debug)]
pub struct Unopened {
    town: PathBuf,
    origin: Origin,
    opened: Option<Offline>,
}

impl Unopened {
    /// The town at `town`, in the name of `origin`.
    pub fn new(town: &Path, origin: Origin) -> Self {
        Self { town: town.to_owned(), origin, opened: None }
    }
}

impl Carrier for Unopened {
    fn ask(&mut self, command: Command) -> Result<Answer, Refusal> {
        if need(&command) == Need::Town
            && !matches!(
                command,
                Command::RigAdd(_)
                    | Command::BeadSync { .. }
                    | Command::Backup { .. }
                    | Command::Recover { .. }
                    | Command::LandDirect { .. }
            )
        {
            return Err(Refusal::not_running(called(&command)));
        }
        if let Command::Ledger(question) = &command
            && self.opened.is_none()
            && let Some(answer) = broken::ask(&self.town, &self.origin, question)
        {
            return answer;
        }
        let offline = match self.opened.take() {
            Some(offline) => offline,
            None => Offline::open(&self.town, self.origin.clone())?,
        };
        self.opened.insert(offline).ask(command)
    }

    fn open(&mut self, stream: Stream) -> Result<Duplex, Refusal> {
        Err(not_streamed(&stream))
    }

    fn is_live(&self) -> bool {
        false
    }
}

impl Offline {
    /// Opens the town at `town` in the name of `origin`.
    ///
    /// # Errors
    /// `already_running` or `town_busy` (exit code 3) when the lock is held; what is wrong with the
    /// configuration; `ledger` when the ledger cannot be opened.
    pub fn open(town: &Path, origin: Origin) -> Result<Self, Refusal> {
        let paths = TownPaths::new(town);
        let lock = TownLock::for_command(&paths)?;
        let (config, complaints) = LiveConfig::load(paths.clone())?;
        for complaint in complaints {
            tracing::warn!(file = %complaint.file.display(), "{}", complaint.text);
        }
        let config = Arc::new(config);
        let store = open_ledger(&paths)?;
        Ok(Self {
            store,
            book: Shelf::new(Arc::clone(&config)),
            config,
            paths,
            origin,
            clock: Arc::new(SystemClock),
            _lock: lock,
        })
    }

    fn read(&self, command: &Command) -> Result<Answer, Refusal> {
        let command = &self.store.read(|board| clerk::show::meant(board, command));
        match command {
            Command::Show { name } if name.parse::<u64>().is_ok() => {
                reports::event(&self.store, Seq(name.parse().unwrap_or_default())).map(Answer::Events)
            }
            Command::Status => Ok(Answer::Status(Box::new(self.status()))),
            Command::Metrics => {
                Ok(Answer::Metrics(clerk::metrics::of(&self.status(), None, self.clock.now())))
            }
            Command::Doctor { fix } => {
                let program = crate::program::file().ok();
                let patient = doctor::Patient {
                    store: &self.store,
                    config: &self.config,
                    paths: &self.paths,
                    program: program.as_deref(),
                    live: false,
                    now: self.clock.now(),
                };
                Ok(Answer::Doctor(doctor::examine(&patient, *fix)))
            }
            Command::RigList => Ok(Answer::Rigs(self.status().rigs)),
            Command::PresetList => Ok(programs::list(&self.config.current().presets)),
            Command::PresetShow { name } => programs::show(&self.config.current().presets, name),
            Command::TapList { preset } => {
                programs::taps(&self.config.current().presets, &self.paths, preset.as_deref())
            }
            Command::Log { agent, session, lines, list } => {
                recordings::log(&self.store, &self.paths, agent, session.as_deref(), *lines, *list)
            }
            Command::Peek { agent, lines, at: Some(at) } => {
                recordings::at(&self.store, &self.paths, agent, *lines, *at)
            }
            Command::Events(filter) => {
                reports::events(&self.store, self.store.head(), filter).map(Answer::Events)
            }
            Command::Why { about } => {
                let (town, now) = (self.config.current(), self.clock.now());
                let rules = judge::rules(&town.town.policies);
                let story = reports::why(&self.store, about, &rules, now)?;
                let known = |rig: &RigName| rigs::known(&town, rig, None);
                let story = self.store.read(|board| waits::told(board, about, story, known, now));
                Ok(Answer::Story(Box::new(story)))
            }
            Command::Ledger(LedgerQuestion::Rebuild) => match self.store.rebuild() {
                Ok(check) => Ok(Answer::LedgerChecked(Box::new(check))),
                Err(error) => Err(cannot_open(&error)),
            },
            Command::Ledger(question) => reports::ledger(&self.store, question),
            Command::Prime { agent } => {
                let config = self.config.current();
                self.store.read(|board| {
                    let agent = names::or_self(board, &self.origin, agent.as_deref())?;
                    brief::prime(board, &config, &self.paths, &agent)
                        .map(|prime| Answer::Prime(Box::new(prime)))
                })
            }
            other => {
                let now = self.clock.now();
                let answered = past::answer(&self.store, &self.origin, other)
                    .or_else(|| clerk::escalations::answer(&self.store, other, now));
                if let Some(answered) = answered {
                    return answered;
                }
                let answered = self
                    .store
                    .read(|board| answers::answer(board, &self.book, &self.origin, other, self.clock.now()));
                answered.unwrap_or_else(|| Err(Refusal::not_running("this")))
            }
        }
    }

    fn status(&self) -> StatusReport {
        let config = self.config.current();
        let trouble = self.store.read_only();
        let town = TownRow {
            name: config.town.name.clone(),
            path: self.paths.root().display().to_string(),
            state: if trouble.is_some() { "read_only" } else { "stopped" }.to_owned(),
            note: trouble.map(|error| error.to_string()),
            frozen: None,
            pid: None,
            uptime_s: None,
            seq: self.store.head(),
        };
        let rigs = config.rigs.values().map(rigs::row).collect();
        let mut report = self.store.read(|board| answers::status(board, town, rigs, self.clock.now()));
        for agent in report.agents.iter_mut().filter(|agent| agent.state.has_session()) {
            // What the ledger last heard; nothing of it is alive without a runtime.
            agent.note = Some(format!("no runtime is up; it was {}", agent.state));
            agent.state = AgentState::Parked;
            agent.session = None;
        }
        report.attention.extend(rigs::complaints(&self.config));
        report
    }

    fn write(&self, command: &Command) -> Result<Answer, Refusal> {
        let letters = past::named(&self.store, command)?;
        let decision = |board: &_, now| decide(board, &self.book, &letters, &self.origin, command, now);
        self.store.write_one(self.clock.now(), decision).map(|written| written.value)
    }

    fn back_up(&self, dir: &Path) -> Result<Answer, Refusal> {
        let (store, now) = (&self.store, self.clock.now());
        let cancel = CancelToken::new();
        let made = backup::make(&backup::Job { paths: &self.paths, store, dir, now, cancel })?;
        let said = vec![(self.origin.actor(), backup::make::event(&made))];
        // The backup is there, whether that can be recorded or not.
        if let Err(refusal) = store.write_one(now, |_, _| Ok((said, ()))) {
            tracing::warn!(%refusal, "cannot record that a backup was made");
        }
        Ok(Answer::BackedUp(Box::new(made)))
    }

    fn recover(&self, wish: &recovery::Wish) -> Result<Answer, Refusal> {
        let (config, now) = (self.config.current(), self.clock.now());
        let at = (&self.paths, config.as_ref());
        recovery::recover_offline(&self.store, at, &self.book, &self.origin.actor(), (wish, now))
    }

    fn land(&self, wish: &direct::Wish) -> Result<Answer, Refusal> {
        let (config, now) = (self.config.current(), self.clock.now());
        let at = (&self.paths, config.as_ref());
        direct::land_offline(&self.store, at, &self.origin.actor(), (wish, now))
    }

    fn add_rig(&self, new: &NewRig) -> Result<Answer, Refusal> {
        let prefix = rigs::check(&self.config, new)?;
        let mut progress = |line: &str| tracing::debug!("{line}");
        let prepared = rigs::prepare(&self.paths, new, prefix, CancelToken::new(), &mut progress)?;
        let now = self.clock.now();
        self.store.write_one(now, |board, now| {
            let mut draft = Draft::new(board, self.origin.actor(), now);
            rigs::record(&mut draft, &prepared);
            Ok((draft.finish(), ()))
        })?;
        rigs::register(&self.paths, &prepared, now)?;
        self.config.refresh();
        Ok(rigs::answer(&prepared))
    }
}

/// Opens the ledger of a town whose lock is held.
pub(crate) fn open_ledger(paths: &TownPaths) -> Result<Store, Refusal> {
    let store = Store::open(&paths.ledger(), Limits::default()).map_err(|error| cannot_open(&error))?;
    for finding in store.findings() {
        tracing::warn!("{finding}");
    }
    Ok(store)
}

/// The refusal for a ledger that does not open, or does not let itself be read.
fn cannot_open(error: &LedgerError) -> Refusal {
    let refusal = Refusal::failed("ledger", format!("cannot open the town's ledger: {error}"));
    match error.hint() {
        Some(hint) => refusal.hint(hint),
        None => refusal.hint(
            "if its files are damaged, `gastown ledger repair DEST` saves what is sound into a new ledger",
        ),
    }
}

impl Carrier for Offline {
    fn ask(&mut self, command: Command) -> Result<Answer, Refusal> {
        permitted(&self.origin, &command)?;
        match (need(&command), &command) {
            (Need::Write, _) => self.write(&command),
            (Need::Read, _) => self.read(&command),
            (Need::Town, Command::RigAdd(new)) => self.add_rig(new),
            (Need::Town, Command::BeadSync { rig, push, dry_run }) => {
                let wish = sync::Wish { rig: rig.clone(), push: *push, dry_run: *dry_run };
                sync::sync(&self.store, &self.config, &self.paths, &self.origin, &wish)
            }
            (Need::Town, Command::Recover { beads, all, rig, dry_run }) => {
                let (beads, rig) = (beads.clone(), rig.clone());
                self.recover(&recovery::Wish { beads, all: *all, rig, dry_run: *dry_run })
            }
            (Need::Town, Command::LandDirect { worker, force, skip_tests, dry_run, reason }) => {
                let (worker, reason) = (worker.clone(), reason.clone());
                let (force, skip_tests, dry_run) = (*force, *skip_tests, *dry_run);
                self.land(&direct::Wish { worker, force, skip_tests, dry_run, reason })
            }
            (Need::Town, Command::Backup { dir }) => self.back_up(dir),
            (Need::Town, _) => Err(Refusal::not_running(called(&command))),
        }
    }

    fn open(&mut self, stream: Stream) -> Result<Duplex, Refusal> {
        Err(not_streamed(&stream))
    }

    fn is_live(&self) -> bool {
        false
    }
}

fn not_streamed(stream: &Stream) -> Refusal {
    Refusal::not_running(match stream {
        Stream::Events(_) => "following events",
        Stream::Attach { .. } => "attaching to a terminal",
    })
}

/// What people call a command that needs the living town.
fn called(command: &Command) -> &'static str {
    match command {
        Command::Done { .. } => "`done`",
        Command::Nudge { .. } => "`nudge`",
        Command::Peek { .. } => "`peek`",
        Command::AgentAnswer { .. } => "`agent answer`",
        Command::AgentRestart { .. } => "`agent restart`",
        Command::AgentKill { .. } => "`agent kill`",
        Command::Stop | Command::StopAll => "`stop`",
        Command::RigStop { .. } => "`stop --rig`",
        Command::RigStart { .. } => "`rig start`",
        Command::Tree => "`tree`",
        Command::FaultKillActor { .. }
        | Command::FaultBlockActor { .. }
        | Command::FaultPoisonMail { .. }
        | Command::FaultDisk { .. } => "`fault`",
        Command::Handoff { .. } => "`handoff`",
        _ => "this",
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command as Process;

    use model::command::{EventFilter, NewBead, Sling};
    use model::ids::BeadId;
    use model::refusal::Class;
    use model::time::Timestamp;

    use super::*;

    struct Fixture {
        folder: tempfile::TempDir,
        town: PathBuf,
    }

    fn fixture() -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        let town = folder.path().join("town");
        config::install::create_town(&town, "harbour", Some("shell"), Timestamp::from_millis(1)).unwrap();
        Fixture { folder, town }
    }

    impl Fixture {
        fn open(&self) -> Offline {
            Offline::open(&self.town, Origin::operator()).unwrap()
        }

        /// A repository with one commit.
        fn origin(&self) -> String {
            let at = self.folder.path().join("origin");
            let script = "git init -q . && git symbolic-ref HEAD refs/heads/main && echo x > x && \
                          git add x && git commit -q -m start";
            std::fs::create_dir(&at).unwrap();
            let made = Process::new("sh")
                .args(["-c", script])
                .current_dir(&at)
                .env("GIT_CONFIG_GLOBAL", "/dev/null")
                .envs(["AUTHOR", "COMMITTER"].map(|who| (format!("GIT_{who}_NAME"), "t")))
                .envs(["AUTHOR", "COMMITTER"].map(|who| (format!("GIT_{who}_EMAIL"), "t@example.org")))
                .status();
            assert!(made.unwrap().success());
            at.display().to_string()
        }
    }

    fn rig(url: &str) -> Command {
        Command::RigAdd(NewRig {
            name: "web".parse().unwrap(),
            url: url.into(),
            prefix: None,
            branch: None,
            gates: Vec::new(),
            max_workers: Some(2),
            preset: None,
        })
    }

    fn create(title: &str) -> Command {
        let rig = Some("web".parse().unwrap());
        Command::BeadCreate(NewBead { title: title.into(), rig, ..NewBead::default() })
    }

    fn id(answer: Answer) -> BeadId {
        match answer {
            Answer::Bead(bead) => bead.id,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_changed_without_a_runtime_is_there_the_next_time() {
        let fixture = fixture();
        let mut carrier = fixture.open();
        let refusal = carrier.ask(rig("/no/such/place")).unwrap_err();
        assert_eq!(refusal.code, "not_a_repository");
        assert!(refusal.hint.is_some());
        assert!(!fixture.town.join("web").exists());
        let Answer::Rig(row) = carrier.ask(rig(&fixture.origin())).unwrap() else { panic!() };
        assert_eq!((row.prefix.as_str(), row.default_branch.as_str()), ("web", "main"));
        assert_eq!(carrier.ask(rig("x")).unwrap_err().code, "rig_exists");
        let bead = id(carrier.ask(create("one")).unwrap());
        let sling = Sling { beads: vec![bead.clone()], target: "web".into(), ..Sling::default() };
        carrier.ask(Command::Sling(sling)).unwrap();
        drop(carrier);

        let mut carrier = fixture.open();
        let Answer::Status(status) = carrier.ask(Command::Status).unwrap() else { panic!() };
        assert_eq!((status.town.state.as_str(), status.town.pid), ("stopped", None));
        assert_eq!((status.rigs[0].open, status.rigs[0].waiting), (1, 1));
        let Answer::Rigs(rigs) = carrier.ask(Command::RigList).unwrap() else { panic!() };
        assert_eq!(rigs, status.rigs);
        let filter = EventFilter { bead: Some(bead.clone()), ..EventFilter::default() };
        let Answer::Events(events) = carrier.ask(Command::Events(filter)).unwrap() else { panic!() };
        let kinds: Vec<&str> = events.iter().map(|record| record.event.kind()).collect();
        assert_eq!(kinds, ["bead.created", "bead.slung"]);
        let Answer::Story(story) = carrier.ask(Command::Why { about: bead.to_string() }).unwrap() else {
            panic!()
        };
        assert!(story.lines.last().unwrap().ends_with(&format!("slung {bead} to web")));
        let Answer::Prime(prime) = carrier.ask(Command::Prime { agent: Some("mayor".into()) }).unwrap()
        else {
            panic!()
        };
        assert!(prime.text.contains("mayor/"));
    }

    #[test]
    fn what_needs_the_living_town_is_refused_with_the_way_to_start_it() {
        let fixture = fixture();
        let mut carrier = fixture.open();
        assert!(!carrier.is_live());
        for command in [
            Command::Stop,
            Command::Tree,
            Command::Peek { agent: "mayor/".into(), lines: None, at: None },
            Command::Nudge { agent: "mayor/".into(), text: "x".into(), manner: Default::default() },
        ] {
            let refusal = carrier.ask(command).unwrap_err();
            assert_eq!((refusal.class, refusal.code.as_str()), (Class::Runtime, "not_running"));
            assert!(refusal.hint.unwrap().contains("gastown run"));
        }
        let follow = carrier.open(Stream::Events(EventFilter::default())).unwrap_err();
        assert_eq!(follow.class, Class::Runtime);
    }

    #[test]
    fn the_doctor_finds_a_board_that_its_records_do_not_add_up_to_and_mends_it() {
        use model::answer::Health;
        let fixture = fixture();
        let mut carrier = fixture.open();
        carrier.ask(rig(&fixture.origin())).unwrap();
        carrier.ask(create("marked AAAA")).unwrap();
        carrier.store.close().unwrap();
        let ask = |carrier: &mut Offline, fix| match carrier.ask(Command::Doctor { fix }).unwrap() {
            Answer::Doctor(rows) => rows,
            other => panic!("{other:?}"),
        };
        let well = ask(&mut carrier, false);
        assert!(well.iter().all(|row| row.status != Health::Fail), "{well:#?}");
        for check in ["ledger", "disk", "config", "git", "agent", "repository", "mail"] {
            assert!(well.iter().any(|row| row.check == check), "{check}: {well:#?}");
        }
        drop(carrier);

        // Another title in the cache alone, its checksum right.
        let path = fixture.town.join("ledger/board.snap");
        let mut bytes = std::fs::read(&path).unwrap();
        let at = bytes.windows(4).position(|window| window == b"AAAA").unwrap();
        bytes[at..at + 4].copy_from_slice(b"BBBB");
        let crc = crc32fast::hash(&bytes[12..]).to_le_bytes();
        bytes[8..12].copy_from_slice(&crc);
        std::fs::write(&path, bytes).unwrap();
        let mut carrier = fixture.open();
        let ill = ask(&mut carrier, false);
        let board = ill.iter().find(|row| row.check == "board").expect("the board is looked at");
        assert_eq!((board.status, board.fixed), (Health::Fail, false));
        assert!(board.detail.contains("doctor --fix"), "{}", board.detail);
        let mended = ask(&mut carrier, true);
        assert!(mended.iter().any(|row| row.check == "board" && row.fixed), "{mended:#?}");
        assert!(ask(&mut carrier, false).iter().all(|row| row.status != Health::Fail));
        drop(carrier);
        assert!(ask(&mut fixture.open(), false).iter().all(|row| row.check != "board"));
    }

    #[test]
    fn a_runtime_keeps_others_from_the_ledger() {
        let fixture = fixture();
        let lock = TownLock::for_runtime(&TownPaths::new(&fixture.town)).unwrap();
        let refusal = Offline::open(&fixture.town, Origin::operator()).unwrap_err();
        assert_eq!((refusal.class, refusal.code.as_str()), (Class::Runtime, "already_running"));
        drop(lock);
        fixture.open();
    }

    #[test]
    fn a_broken_ledger_is_told_of_and_saved_and_the_town_goes_on_with_what_was_saved() {
        use model::command::LedgerQuestion;
        let fixture = fixture();
        let ask = |question| Unopened::new(&fixture.town, Origin::operator()).ask(Command::Ledger(question));
        let mut carrier = fixture.open();
        carrier.ask(rig(&fixture.origin())).unwrap();
        for n in 0..20 {
            carrier.ask(create(&format!("bead {n}"))).unwrap();
        }
        drop(carrier);
        let Ok(Answer::LedgerChecked(check)) = ask(LedgerQuestion::Verify) else { panic!() };
        assert!(check.sound, "{check:?}");
        let Ok(Answer::LedgerChecked(rebuilt)) = ask(LedgerQuestion::Rebuild) else { panic!() };
        assert_eq!((rebuilt.sound, &rebuilt.hash), (true, &check.hash));
        let Ok(Answer::LedgerStats(stats)) = ask(LedgerQuestion::Stats) else { panic!() };
        assert_eq!((stats.records, stats.by_type["bead.created"]), (check.records, 20));

        let paths = TownPaths::new(&fixture.town);
        std::fs::remove_file(paths.ledger().join("sled/conf")).unwrap();
        std::fs::create_dir(paths.ledger().join("sled/conf")).unwrap();
        let refusal = Offline::open(&fixture.town, Origin::operator()).map(drop).unwrap_err();
        assert!(refusal.hint.unwrap().contains("gastown ledger repair"), "{}", refusal.message);
        let Ok(Answer::LedgerChecked(broken)) = ask(LedgerQuestion::Verify) else { panic!() };
        assert!(!broken.sound && !broken.findings.is_empty());
        assert_eq!(broken.head, check.head, "a repair would reach it");
        assert!(!fixture.town.join("ledger.look").exists());

        let dest = fixture.folder.path().join("saved");
        let repair = LedgerQuestion::Repair { dest: dest.clone() };
        let Ok(Answer::LedgerRepaired(repaired)) = ask(repair.clone()) else { panic!() };
        assert_eq!((repaired.head, &repaired.hash), (check.head, &check.hash));
        assert!(repaired.lost.is_empty());
        assert_eq!(ask(repair).unwrap_err().code, "cannot_repair");
        std::fs::remove_dir_all(paths.ledger()).unwrap();
        std::fs::rename(dest, paths.ledger()).unwrap();
        let Ok(Answer::LedgerChecked(healed)) = ask(LedgerQuestion::Verify) else { panic!() };
        assert_eq!((healed.sound, healed.head), (true, check.head));
    }
}
