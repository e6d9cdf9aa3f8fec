//! The switchboard: the one match from a command to who answers it.
//!
//! - Owns: nothing but the way.
//! - Hears: `Submit`, from sessions through their door; requests of the socket come by [`Switchboard`].
//! - Says: the answer.
//! - Wakes: with nothing.
//! - Fails: alone. An answer that is lost with it is a `not_there` to the asker, who may ask again.
//!
//! Each command is answered in a task of its own, so that a long one holds nobody up.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use clerk::decide::{Need, need};
use clerk::{answers, names, past, reports};
use model::answer::{Answer, TownRow};
use model::command::{Command, Noticed, Origin};
use model::event::Event;
use model::ids::Seq;
use model::nudge::MAX_TEXT;
use model::recovery::Symptom;
use model::refusal::{Class, Refusal};
use model::role::Address;
use model::time::Timestamp;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::attachment::Attachment;
use crate::directory::Ask;
use crate::errand::blocking;
use crate::standstill::{self, no_session};
use crate::tools::{Door, Tools};
use crate::vitals::{Blocked, Digest, Named, Pulse};
use crate::{
    answering, brief, copies, direct, doctor, guard, judge, programs, recordings, recovery, rigs, sync,
};

/// The name in the tree.
pub const NAME: &str = "switchboard";

/// What the switchboard hears.
pub enum Message {
    /// A session's command.
    Submit {
        /// Whose.
        origin: Origin,
        /// What.
        command: Box<Command>,
        /// Called with what comes out.
        answer: Box<dyn FnOnce(Result<Answer, Refusal>) + Send>,
    },
    /// A person's request, or a program's.
    Ask {
        /// Whose.
        origin: Origin,
        /// What.
        command: Box<Command>,
        /// Where the answer goes.
        reply: oneshot::Sender<Result<Answer, Refusal>>,
    },
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl Named for Message {
    fn name(&self) -> &'static str {
        match self {
            Message::Submit { .. } => "Submit",
            Message::Ask { .. } => "Ask",
        }
    }
}

impl Digest for Tools {
    /// The switchboard has no state of its own.
    fn digest(&self) -> String {
        String::new()
    }
}

/// The actor.
#[derive(Debug)]
pub struct Operator;

impl Actor for Operator {
    type Msg = Message;
    type State = Tools;
    type Arguments = (Tools, Switchboard);

    async fn pre_start(
        &self,
        me: ActorRef<Message>,
        (tools, switchboard): (Tools, Switchboard),
    ) -> Result<Tools, ActorProcessingErr> {
        let pulse = tools.vitals.pulse(NAME);
        switchboard.seat(me.clone());
        tools.door.set(Arc::new(Slot(me, pulse)));
        Ok(tools)
    }

    async fn handle(
        &self,
        _: ActorRef<Message>,
        message: Message,
        tools: &mut Tools,
    ) -> Result<(), ActorProcessingErr> {
        let tools = tools.clone();
        tokio::spawn(async move {
            match message {
                Message::Submit { origin, command, answer } => answer(route(&tools, origin, *command).await),
                Message::Ask { origin, command, reply } => {
                    let _ = reply.send(route(&tools, origin, *command).await);
                }
            }
        });
        Ok(())
    }
}

/// The sessions' way in.
struct Slot(ActorRef<Message>, Pulse);

impl Door for Slot {
    fn submit(
        &self,
        origin: Origin,
        command: Command,
        answer: Box<dyn FnOnce(Result<Answer, Refusal>) + Send>,
    ) {
        let message = Message::Submit { origin, command: Box::new(command), answer };
        self.1.rung();
        if let Err(ractor::MessagingErr::SendErr(Message::Submit { answer, .. })) = self.0.cast(message) {
            answer(Err(gone()));
        }
    }
}

fn gone() -> Refusal {
    Refusal::failed("not_there", "the switchboard is not there just now")
        .hint("it is being started again; ask again")
}

/// The way to the switchboard for those above this room: names no actor.
#[derive(Clone, Default)]
pub struct Switchboard {
    living: Arc<Mutex<Option<ActorRef<Message>>>>,
    tools: Arc<Mutex<Option<Tools>>>,
}

impl std::fmt::Debug for Switchboard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Switchboard")
    }
}

impl Switchboard {
    /// A switchboard for the town of `tools`.
    pub fn new(tools: Tools) -> Self {
        Self { living: Arc::default(), tools: Arc::new(Mutex::new(Some(tools))) }
    }

    fn seat(&self, living: ActorRef<Message>) {
        *self.living.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(living);
    }

    /// Answers a command.
    ///
    /// # Errors
    /// Whatever the one who answers refuses; `not_there` while the switchboard is being started again.
    pub async fn ask(&self, origin: Origin, command: Command) -> Result<Answer, Refusal> {
        let living = self.living.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        let (reply, answer) = oneshot::channel();
        if let Some(tools) = &*self.tools.lock().unwrap_or_else(std::sync::PoisonError::into_inner) {
            tools.vitals.pulse(NAME).rung();
        }
        let asked = living.is_some_and(|living| {
            living.cast(Message::Ask { origin, command: Box::new(command), reply }).is_ok()
        });
        if !asked {
            return Err(gone());
        }
        answer.await.unwrap_or_else(|_| Err(gone()))
    }

    /// Attaches a person to an agent's terminal.
    ///
    /// Looking on starts nothing; whoever wants to type into a parked seat starts its session.
    ///
    /// # Errors
    /// `no_such_agent`; `no_session` when there is nothing to look at; `keyboard_taken`; `town_frozen` for who
    /// wants to type while everything stands still.
    pub async fn attach(
        &self,
        origin: &Origin,
        agent: &str,
        read_only: bool,
        take: bool,
        rows: u16,
        cols: u16,
    ) -> Result<Attachment, Refusal> {
        let tools =
            self.tools.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone().ok_or_else(gone)?;
        let address = tools.look(|board| names::address(board, agent))?;
        if !read_only && !origin.is_operator() {
            return Err(Refusal::forbidden(
                "operator_only",
                "only a person may type into another's terminal",
            )
            .hint("look on with --read-only, or write: gt mail send"));
        }
        if !read_only {
            tools.freeze.check("nothing is typed")?;
        }
        let mut live = tools.directory.session(&address);
        if live.is_none() && !read_only && !matches!(address, Address::Polecat(..)) {
            writable(&tools)?;
            let start = |reply| Ask::Start { reason: "attach".into(), reply };
            tools.directory.ask(&address, start).await?;
            live = tools.directory.session(&address);
        }
        let live = live.ok_or_else(|| no_session(&tools, &address))?;
        Attachment::new(address, live, tools.freeze.clone(), read_only, take, (rows, cols))
    }
}

/// Finds who answers, and asks them.
async fn route(tools: &Tools, origin: Origin, command: Command) -> Result<Answer, Refusal> {
    if let Err(refusal) = clerk::decide::permitted(&origin, &command) {
        denied(tools, &origin, &command, &refusal).await;
        return Err(refusal);
    }
    standstill::check(tools, &command)?;
    heard(tools, &origin, &command);
    let answer = match need(&command) {
        Need::Write => write(tools, origin, command).await,
        Need::Read => read(tools, origin, command).await,
        Need::Town => living(tools, origin, command).await,
    }?;
    Ok(answer)
}

/// A command is a sign of life of whoever gives it; one that changes something is a step in its work.
fn heard(tools: &Tools, origin: &Origin, command: &Command) {
    let Origin::Session { agent, session } = origin else { return };
    if matches!(command, Command::Said { .. } | Command::Noticed { .. }) {
        return;
    }
    if let Some(live) = tools.directory.session(agent).filter(|live| live.session == *session) {
        let looks_only = matches!(command, Command::Hook { .. } | Command::MailAck(_));
        live.spoke(command, need(command) == Need::Write && !looks_only);
    }
}

/// Notes that something was tried that is not permitted.
async fn denied(tools: &Tools, origin: &Origin, command: &Command, refusal: &Refusal) {
    record_denied(tools, origin, refusal, format!("{command:?}")).await;
}

async fn record_denied(tools: &Tools, origin: &Origin, refusal: &Refusal, tried: String) {
    let event = Event::PolicyDenied { rule: refusal.code.clone(), tried };
    let note = move |draft: &mut clerk::draft::Draft<'_>| {
        draft.push(event);
        Ok(())
    };
    if let Err(refusal) = tools.note(&origin.actor(), note).await {
        tracing::warn!(%refusal, "cannot record what was denied");
    }
}

async fn write(tools: &Tools, origin: Origin, command: Command) -> Result<Answer, Refusal> {
    match command {
        Command::Freeze { reason } => return standstill::freeze(tools, &origin, reason).await,
        Command::Thaw => return standstill::thaw(tools, &origin).await,
        _ => {}
    }
    let starts = match &command {
        Command::AgentStart { agent } => Some(tools.look(|board| names::address(board, agent))?),
        _ => None,
    };
    // Looking at a hook changes the ledger once per session at most.
    if let Command::Hook { agent } = &command {
        let known = tools.look(|board| {
            let agent = names::or_self(board, &origin, agent.as_deref())?;
            Ok::<bool, Refusal>(
                board.hooks.of(&agent).is_none_or(|hook| hook.checked || origin.actor() != agent),
            )
        })?;
        if known || tools.store.read_only().is_some() {
            return read(tools, origin, command).await;
        }
    }
    // Reading a large file takes a while: nobody who writes has to wait for that.
    if let Command::BeadImport { files, dry_run, skip_errors } = command {
        let prepared = blocking(move || clerk::imports::prepare(&files, skip_errors, dry_run)).await;
        let prepared = Arc::new(prepared.map_err(|why| Refusal::failed("internal", why))??);
        return tools
            .decide(move |board, now| {
                let mut draft = clerk::draft::Draft::new(board, origin.actor(), now);
                let answer = clerk::imports::take_in(&mut draft, &prepared);
                Ok((draft.finish(), answer))
            })
            .await;
    }
    // Whoever is told of it sees how far the work has come.
    if let Command::Escalate { bead, .. } = &command {
        let asker = origin.actor();
        let holder = tools.look(|board| bead.as_ref().and_then(|bead| board.hooks.holder(bead)).cloned());
        let diff = judge::unfinished(tools, &holder.unwrap_or(asker)).await;
        let book = Arc::clone(&tools.book);
        return tools
            .decide(move |board, now| {
                clerk::escalations::decide(board, &book.escalation(), &origin, &command, diff, now)
            })
            .await;
    }
    let letters = match &command {
        Command::MailReply { .. } | Command::MailAck(_) | Command::MailRetry(_) => {
            let (store, command) = (tools.store.clone(), command.clone());
            read_log(move || past::named(&store, &command)).await?
        }
        _ => past::Letters::new(),
    };
    let book = Arc::clone(&tools.book);
    let answer = tools
        .decide(move |board, now| {
            clerk::decide::decide(board, book.as_ref(), &letters, &origin, &command, now)
        })
        .await?;
    match starts {
        Some(agent @ Address::Polecat(..)) => {
            if let Some(nursery) = tools.nursery.get()
                && tools.look(|board| board.hooks.of(&agent).is_some())
            {
                nursery.revive(&agent);
            }
        }
        Some(agent) => {
            tools.directory.ask(&agent, |reply| Ask::Start { reason: "operator".into(), reply }).await?;
        }
        None => {}
    }
    Ok(answer)
}

async fn read(tools: &Tools, origin: Origin, command: Command) -> Result<Answer, Refusal> {
    let command = tools.look(|board| clerk::show::meant(board, &command));
    match &command {
        Command::Show { name } if name.parse::<u64>().is_ok() => {
            let (store, seq) = (tools.store.clone(), Seq(name.parse().unwrap_or_default()));
            read_log(move || reports::event(&store, seq)).await.map(Answer::Events)
        }
        Command::Status => Ok(Answer::Status(Box::new(status(tools)))),
        Command::Metrics => {
            let tree = tools.tree.snapshot().and_then(|tree| serde_json::to_value(tree).ok());
            Ok(Answer::Metrics(clerk::metrics::of(&status(tools), tree.as_ref(), tools.clock.now())))
        }
        Command::Doctor { fix } => {
            let (tools, fix) = (tools.clone(), *fix);
            let look = move || {
                let patient = doctor::Patient {
                    store: &tools.store,
                    config: &tools.config,
                    paths: &tools.paths,
                    program: Some(&tools.program),
                    live: true,
                    now: tools.clock.now(),
                };
                Ok(doctor::examine(&patient, fix))
            };
            read_log(look).await.map(Answer::Doctor)
        }
        Command::AgentList { .. } | Command::Show { .. } => {
            let now = tools.clock.now();
            let answer =
                tools.look(|board| answers::answer(board, tools.book.as_ref(), &origin, &command, now));
            let mut answer = answer.unwrap_or_else(|| Err(gone()))?;
            if let Answer::Agents(rows) = &mut answer {
                enliven(tools, rows);
            }
            Ok(answer)
        }
        Command::RigList => Ok(Answer::Rigs(rig_rows(tools))),
        Command::PresetList => Ok(programs::list(&tools.town().presets)),
        Command::PresetShow { name } => programs::show(&tools.town().presets, name),
        Command::TapList { preset } => {
            let (town, paths, preset) = (tools.town(), tools.paths.clone(), preset.clone());
            read_log(move || programs::taps(&town.presets, &paths, preset.as_deref())).await
        }
        Command::Log { agent, session, lines, list } => {
            flush(tools, agent).await;
            let (store, paths) = (tools.store.clone(), tools.paths.clone());
            let (agent, session, lines, list) = (agent.clone(), session.clone(), *lines, *list);
            read_log(move || recordings::log(&store, &paths, &agent, session.as_deref(), lines, list)).await
        }
        Command::Peek { agent, lines, at: Some(at) } => {
            flush(tools, agent).await;
            let (store, paths) = (tools.store.clone(), tools.paths.clone());
            let (agent, lines, at) = (agent.clone(), *lines, *at);
            read_log(move || recordings::at(&store, &paths, &agent, lines, at)).await
        }
        Command::Events(filter) => {
            let (store, filter) = (tools.store.clone(), filter.clone());
            read_log(move || reports::events(&store, store.head(), &filter)).await.map(Answer::Events)
        }
        Command::Why { about } => {
            let (store, about, now) = (tools.store.clone(), about.clone(), tools.clock.now());
            let town = tools.town();
            let (rules, asked) = (judge::rules(&town.town.policies), about.clone());
            let story = read_log(move || reports::why(&store, &asked, &rules, now)).await?;
            let memory = tools.memory_short();
            let known = |rig: &model::ids::RigName| rigs::known(&town, rig, memory.clone());
            let story = tools.look(|board| clerk::waits::told(board, &about, story, known, now));
            Ok(Answer::Story(Box::new(story)))
        }
        Command::Ledger(question) => {
            let (store, question) = (tools.store.clone(), question.clone());
            read_log(move || reports::ledger(&store, &question)).await
        }
        Command::Prime { agent } => {
            let address = tools.look(|board| names::or_self(board, &origin, agent.as_deref()))?;
            let town = tools.town();
            let prime = tools.look(|board| brief::prime(board, &town, &tools.paths, &address))?;
            note_seen(tools, &origin, &address, true).await;
            Ok(Answer::Prime(Box::new(prime)))
        }
        Command::BeadExport(_) => {
            let (store, book, now) = (tools.store.clone(), Arc::clone(&tools.book), tools.clock.now());
            let all =
                move || store.read(|board| answers::answer(board, book.as_ref(), &origin, &command, now));
            let all = blocking(all).await.map_err(|why| Refusal::failed("cannot_read", why))?;
            all.unwrap_or_else(|| Err(gone()))
        }
        Command::MailInbox { .. }
        | Command::MailRead(_)
        | Command::MailReadAll(_)
        | Command::MailThread(_)
        | Command::MailSearch { .. } => {
            let (store, by, asked) = (tools.store.clone(), origin.clone(), command.clone());
            let answer =
                read_log(move || past::answer(&store, &by, &asked).unwrap_or_else(|| Err(gone()))).await?;
            if let Command::MailInbox { .. } | Command::MailRead(_) | Command::MailReadAll(_) = &command {
                note_seen(tools, &origin, &origin.actor(), false).await;
            }
            Ok(answer)
        }
        Command::EscalateList { .. } | Command::EscalateShow { .. } => {
            let (store, now) = (tools.store.clone(), tools.clock.now());
            let answer =
                move || clerk::escalations::answer(&store, &command, now).unwrap_or_else(|| Err(gone()));
            read_log(answer).await
        }
        _ => {
            let now = tools.clock.now();
            let answer =
                tools.look(|board| answers::answer(board, tools.book.as_ref(), &origin, &command, now));
            answer.unwrap_or_else(|| Err(Refusal::usage("this cannot be asked here")))
        }
    }
}

/// Sees to it that what is recorded of an agent's living session can be read.
async fn flush(tools: &Tools, agent: &str) {
    let address = tools.look(|board| names::address(board, agent));
    if let Some(live) = address.ok().and_then(|address| tools.directory.session(&address)) {
        live.terminal.flush_recording().await;
    }
}

/// Reads the log, on a thread that may wait for the disk.
async fn read_log<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    blocking(read).await.map_err(|why| Refusal::failed("cannot_read", why))?
}

/// An agent has looked at its own brief or mailbox: its hook is checked, its letters are handed over.
async fn note_seen(tools: &Tools, origin: &Origin, agent: &Address, primed: bool) {
    let Origin::Session { agent: asker, .. } = origin else { return };
    if asker != agent {
        return;
    }
    let news = tools.look(|board| {
        board.hooks.of(agent).is_some_and(|hook| !hook.checked)
            || board
                .mail
                .unacked(agent)
                .any(|post| post.delivered_at.is_none() && !post.letter.kind.is_for_code())
            || (primed && !clerk::letters::handed_over(board, agent).is_empty())
    });
    if !news {
        return;
    }
    let (origin, to) = (origin.clone(), agent.clone());
    let handed_over = match origin {
        // Only the brief shows what an earlier session left.
        Origin::Session { .. } if primed => tools.look(|board| clerk::letters::handed_over(board, agent)),
        _ => Vec::new(),
    };
    let note = move |draft: &mut clerk::draft::Draft<'_>| {
        clerk::hooks::checked(draft, &origin, &to);
        let board = draft.board;
        let shown = board.mail.unacked(&to).filter(|post| !post.letter.kind.is_for_code());
        clerk::letters::deliver(draft, shown.map(|post| post.letter.id.clone()));
        clerk::letters::taken_over(draft, &handed_over);
        Ok(())
    };
    if let Err(refusal) = tools.note(agent, note).await {
        tracing::warn!(%agent, %refusal, "cannot record that a brief was read");
    }
}

fn rig_rows(tools: &Tools) -> Vec<model::answer::RigRow> {
    let town = tools.town();
    let rows = town.rigs.values().map(rigs::row).collect();
    let none = TownRow {
        name: String::new(),
        path: String::new(),
        state: String::new(),
        note: None,
        frozen: None,
        pid: None,
        uptime_s: None,
        seq: Default::default(),
    };
    tools.look(|board| answers::status(board, none, rows, tools.clock.now())).rigs
}

fn status(tools: &Tools) -> model::answer::StatusReport {
    let (town, now) = (tools.town(), tools.clock.now());
    let trouble = tools.store.read_only();
    let row = TownRow {
        name: town.town.name.clone(),
        path: tools.paths.root().display().to_string(),
        state: match (&trouble, tools.stopping.borrow().is_some()) {
            (_, true) => "stopping",
            (Some(_), _) => "read_only",
            (None, false) => "running",
        }
        .to_owned(),
        note: trouble.map(|error| error.to_string()),
        frozen: None,
        pid: Some(std::process::id()),
        uptime_s: Some(now.since(tools.started).as_secs()),
        seq: tools.store.head(),
    };
    let rigs = town.rigs.values().map(rigs::row).collect();
    let mut report = tools.look(|board| answers::status(board, row, rigs, now));
    enliven(tools, &mut report.agents);
    report.attention.extend(rigs::complaints(&tools.config));
    report.attention.extend(tools.vitals.blocked().into_iter().map(|blocked| {
        let over = blocked.in_hand.map(|what| format!(" over {what}")).unwrap_or_default();
        let Blocked { name, since, .. } = blocked;
        format!("the actor {name} takes no messages{over}, for {} s: gastown why {name}", since.as_secs())
    }));
    let waiting: usize = report.rigs.iter().filter(|rig| !rig.parked).map(|rig| rig.waiting).sum();
    if waiting > 0
        && let Some(short) = tools.memory_short()
    {
        let beads = if waiting == 1 { "a bead waits".to_owned() } else { format!("{waiting} beads wait") };
        report.attention.push(format!("{beads}: {short}"));
    }
    report
}

/// Fills in what only the living town knows of its agents.
fn enliven(tools: &Tools, rows: &mut [model::answer::AgentRow]) {
    // One moment on both clocks, so that what has not changed is said in the same words each time.
    static MOMENT: OnceLock<(Instant, Timestamp)> = OnceLock::new();
    let (moment, then) = *MOMENT.get_or_init(|| (Instant::now(), tools.clock.now()));
    for row in rows {
        if let Some(live) = tools.directory.session(&row.address) {
            row.pid = Some(live.terminal.pid());
            row.forged = live.forged.load(std::sync::atomic::Ordering::Relaxed);
            row.session = Some(live.session.clone());
            row.preset = Some(live.preset.clone());
            if let Some(last) = live.terminal.last_output() {
                row.last_activity = Some(match last.checked_duration_since(moment) {
                    Some(since) => then.plus(since),
                    None => then.minus(moment.duration_since(last)),
                });
            }
        }
    }
}

async fn living(tools: &Tools, origin: Origin, command: Command) -> Result<Answer, Refusal> {
    if matches!(
        command,
        Command::Done { .. }
            | Command::AgentRestart { .. }
            | Command::Handoff { .. }
            | Command::RigAdd(_)
            | Command::RigStop { .. }
            | Command::RigStart { .. }
            | Command::Recover { dry_run: false, .. }
            | Command::LandDirect { dry_run: false, .. }
    ) {
        writable(tools)?;
    }
    // Whoever says so stands still themselves, and goes on when this does.
    if matches!(command, Command::Done { .. } | Command::Handoff { .. }) {
        tools.freeze.thawed().await;
    }
    match command {
        Command::Done { exit, reason, leave } => {
            let Origin::Session { agent, .. } = &origin else {
                return Err(Refusal::usage("only an agent says that it is done")
                    .hint("a person closes a bead with `gastown bead close ID`"));
            };
            let agent = agent.clone();
            tools.directory.ask(&agent, |reply| Ask::Done { origin, exit, reason, leave, reply }).await
        }
        Command::Said { key, text } => {
            let Origin::Session { agent, session } = &origin else {
                return Err(Refusal::usage("only an agent speaks like that"));
            };
            let live = tools.directory.session(agent).filter(|live| live.session == *session);
            live.ok_or_else(|| no_session(tools, agent))?.said(key, text);
            Ok(Answer::Done)
        }
        Command::Noticed { what, cwd } => {
            let Origin::Session { agent, session } = &origin else {
                return Err(Refusal::usage("only an agent's own program tells that"));
            };
            let live = tools.directory.session(agent).filter(|live| live.session == *session);
            let live = live.ok_or_else(|| no_session(tools, agent))?;
            let judged = guard::judge(tools, agent, &what, cwd.as_deref()).await;
            if let (Err(refusal), Noticed::ToolBegun { name, command, path, .. }) = (&judged, &what) {
                let tried = command.as_ref().or(path.as_ref()).map_or("", String::as_str);
                let tried = format!("{name}: {}", tried.chars().take(500).collect::<String>());
                record_denied(tools, &origin, refusal, tried).await;
                return Err(refusal.clone());
            }
            live.told(what, cwd);
            Ok(Answer::Done)
        }
        Command::Nudge { agent, text, manner } => {
            let address = tools.look(|board| names::address(board, &agent))?;
            if text.trim().is_empty() {
                return Err(Refusal::usage("a nudge needs a text"));
            }
            if text.len() > MAX_TEXT {
                return Err(Refusal::usage(format!(
                    "a nudge has at most {MAX_TEXT} bytes, not {}",
                    text.len()
                ))
                .hint("write a letter: gastown mail send AGENT -s SUBJECT -f FILE"));
            }
            let live = tools.directory.session(&address).ok_or_else(|| no_session(tools, &address))?;
            live.nudge(&address, origin.actor(), text, manner).await
        }
        Command::AgentAnswer { agent, choice } => {
            let address = tools.look(|board| names::address(board, &agent))?;
            let live = tools.directory.session(&address).ok_or_else(|| no_session(tools, &address))?;
            answering::answer(&live, &address, &choice).await
        }
        Command::Peek { agent, lines, .. } => {
            let address = tools.look(|board| names::address(board, &agent))?;
            peek(tools, address, lines).await
        }
        Command::AgentRestart { agent } => {
            let address = tools.look(|board| names::address(board, &agent))?;
            tools.directory.session(&address).ok_or_else(|| no_session(tools, &address))?;
            tools.directory.ask(&address, |reply| Ask::Restart { symptom: None, reply }).await
        }
        Command::AgentKill { agent, restart } => standstill::kill(tools, &origin, &agent, restart).await,
        Command::RigStop { rig } => standstill::rig_stop(tools, &origin, rig).await,
        Command::RigStart { rig } => standstill::rig_start(tools, &origin, rig).await,
        Command::Handoff { note } => handoff(tools, &origin, note).await,
        Command::RigAdd(new) => rig_add(tools, &origin, new).await,
        Command::BeadSync { rig, push, dry_run } => {
            let (store, config, paths) =
                (tools.store.clone(), Arc::clone(&tools.config), tools.paths.clone());
            let wish = sync::Wish { rig, push, dry_run };
            let done = blocking(move || sync::sync(&store, &config, &paths, &origin, &wish)).await;
            done.map_err(|why| Refusal::failed("git_failed", why))?
        }
        Command::Recover { beads, all, rig, dry_run } => {
            let wish = recovery::Wish { beads, all, rig, dry_run };
            recovery::recover(tools, &origin, wish).await
        }
        Command::LandDirect { worker, force, skip_tests, dry_run, reason } => {
            let wish = direct::Wish { worker, force, skip_tests, dry_run, reason };
            direct::land(tools, &origin, wish).await
        }
        Command::Backup { dir } => copies::backup(tools, &origin, dir).await,
        Command::Stop | Command::StopAll => {
            if command == Command::StopAll {
                tools.hurry.send_replace(true);
            }
            let why = format!("asked for by {}", origin.actor());
            tools.stopping.send_replace(Some(why));
            Ok(Answer::Done)
        }
        Command::FaultDisk { full } => {
            faults_allowed(tools)?;
            tools.store.pretend_full(full);
            Ok(Answer::Done)
        }
        Command::FaultPoisonMail { letters, how } => {
            faults_allowed(tools)?;
            tools.hands.poison(letters, how);
            Ok(Answer::Done)
        }
        Command::FaultBlockActor { name, millis } => {
            faults_allowed(tools)?;
            if !tools.vitals.block_next(&name, Duration::from_millis(millis)) {
                let known = tools.look(clerk::actors::all);
                return Err(Refusal::no_such("actor", &name, known.iter().map(String::as_str)));
            }
            // Everybody gets a message, so that it need not be waited for.
            tools.directory.ring_all();
            let poke = tools.clone();
            tokio::spawn(async move { poke.note(&Address::Runtime, |_| Ok(())).await });
            Ok(Answer::Done)
        }
        Command::FaultKillActor { name } => {
            faults_allowed(tools)?;
            match tools.nursery.get() {
                Some(nursery) => nursery.kill(&name).map(|()| Answer::Done),
                None => Err(gone()),
            }
        }
        Command::Tree => match tools.tree.snapshot() {
            Some(tree) => serde_json::to_value(tree)
                .map(Answer::Tree)
                .map_err(|error| Refusal::failed("tree", error.to_string())),
            None => Err(gone()),
        },
        other => Err(Refusal::new(Class::Usage, "not_here", format!("{other:?} is not answered here"))),
    }
}

/// Refuses what would have to be recorded while nothing can be: whoever answers would only wait.
fn writable(tools: &Tools) -> Result<(), Refusal> {
    tools.store.read_only().map_or(Ok(()), |why| Err(why.refusal()))
}

fn faults_allowed(tools: &Tools) -> Result<(), Refusal> {
    if tools.town().town.allow_faults {
        return Ok(());
    }
    Err(Refusal::forbidden("faults_not_allowed", "this town does not allow faults")
        .hint("for tests, set \"allow_faults\": true in config/town.json"))
}

/// Writes an agent's letter to itself, and only when that is on disk ends its session.
async fn handoff(tools: &Tools, origin: &Origin, note: String) -> Result<Answer, Refusal> {
    let Origin::Session { agent, session } = origin else {
        return Err(Refusal::usage("only an agent hands over to its own next session").hint(
            "a person starts one with `gastown agent restart AGENT`, and writes with `gastown mail send`",
        ));
    };
    tools.directory.session(agent).ok_or_else(|| no_session(tools, agent))?;
    let (me, of) = (agent.clone(), session.clone());
    let answer = tools
        .decide(move |board, now| {
            let mut draft = clerk::draft::Draft::new(board, me, now);
            let answer = clerk::letters::handoff(&mut draft, &of, &note)?;
            Ok((draft.finish(), answer))
        })
        .await?;
    let cycle = |reply| Ask::Restart { symptom: Some(Symptom::HandedOver), reply };
    tools.directory.ask(agent, cycle).await?;
    Ok(answer)
}

async fn peek(tools: &Tools, agent: Address, lines: Option<usize>) -> Result<Answer, Refusal> {
    let live = tools.directory.session(&agent);
    let (text, title) = match (&live, lines) {
        (Some(live), None) => (live.terminal.text(), Some(live.terminal.snapshot().title)),
        _ => {
            let recording = match &live {
                Some(live) => {
                    live.terminal.flush_recording().await;
                    Some(live.recording.clone())
                }
                None => tools.look(|board| {
                    let agent_view = board.agents.get(&agent)?;
                    let open = agent_view.session.as_ref().map(|open| open.id.clone());
                    let session = open.or_else(|| agent_view.last_session.clone())?;
                    Some(tools.paths.session_log(&agent, &session))
                }),
            };
            let recording = recording.ok_or_else(|| no_session(tools, &agent))?;
            let wanted = lines.unwrap_or(crate::session::SIZE.rows.into());
            let text = blocking(move || pty::replay::tail(&recording, wanted)).await;
            match text {
                Ok(Ok(text)) => (text, live.map(|live| live.terminal.snapshot().title)),
                _ => return Err(no_session(tools, &agent)),
            }
        }
    };
    let mut shown: Vec<String> = text.lines().map(|line| line.trim_end().to_owned()).collect();
    while shown.last().is_some_and(String::is_empty) {
        shown.pop();
    }
    if let Some(lines) = lines {
        shown.drain(..shown.len().saturating_sub(lines));
    }
    Ok(Answer::Screen { agent, lines: shown, title: title.filter(|title| !title.is_empty()) })
}

async fn rig_add(tools: &Tools, origin: &Origin, new: model::command::NewRig) -> Result<Answer, Refusal> {
    let prefix = rigs::check(&tools.config, &new)?;
    let (paths, now) = (tools.paths.clone(), tools.clock.now());
    let (prepare_paths, wanted) = (paths.clone(), new);
    let prepared = blocking(move || {
        let mut progress = |line: &str| tracing::info!(rig = %wanted.name, "{line}");
        rigs::prepare(&prepare_paths, &wanted, prefix, git::CancelToken::new(), &mut progress)
    })
    .await
    .map_err(|why| Refusal::failed("git_failed", why))??;
    let recorded = prepared.clone();
    tools
        .note(&origin.actor(), move |draft| {
            rigs::record(draft, &recorded);
            Ok(())
        })
        .await?;
    let (config, name) = (Arc::clone(&tools.config), prepared.config.name.clone());
    let answer = rigs::answer(&prepared);
    blocking(move || {
        rigs::register(&paths, &prepared, now)?;
        config.refresh();
        Ok::<(), Refusal>(())
    })
    .await
    .map_err(|why| Refusal::failed("config", why))??;
    if let Some(nursery) = tools.nursery.get() {
        nursery.open_rig(&name);
    }
    Ok(answer)
}
