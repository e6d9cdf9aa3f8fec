use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use model::answer::{Answer, BeadPage};
use model::backup::{Backup, Restored, Verified};
use model::bead::{Bead, Priority};
use model::command::Origin;
use model::ledger::Finding;
use model::time::Timestamp;
use protocol::wire::{Carrier, Duplex};
use serde_json::Value;

use super::*;
use crate::host::{Conformance, Installed, ServiceReport, TestOptions};

type Respond = fn(&Command) -> Result<Answer, Refusal>;

/// A town without a runtime: remembers what it was asked.
struct Fake {
    respond: Respond,
    asked: Rc<RefCell<Vec<(Origin, Command)>>>,
    ran: RefCell<Vec<RunOptions>>,
    installed: RefCell<Vec<InstallOptions>>,
    restored: RefCell<Vec<RestoreOptions>>,
    opened: Cell<usize>,
}

impl Fake {
    fn new(respond: Respond) -> Self {
        Fake {
            respond,
            asked: Rc::default(),
            ran: RefCell::default(),
            installed: RefCell::default(),
            restored: RefCell::default(),
            opened: Cell::new(0),
        }
    }

    fn command(&self) -> Command {
        self.asked.borrow().last().expect("something was asked").1.clone()
    }
}

struct Offline {
    respond: Respond,
    origin: Origin,
    asked: Rc<RefCell<Vec<(Origin, Command)>>>,
}

impl Carrier for Offline {
    fn ask(&mut self, command: Command) -> Result<Answer, Refusal> {
        let answer = (self.respond)(&command);
        self.asked.borrow_mut().push((self.origin.clone(), command));
        answer
    }

    fn open(&mut self, _: Stream) -> Result<Duplex, Refusal> {
        Err(Refusal::not_running("following"))
    }

    fn is_live(&self) -> bool {
        false
    }
}

impl Host for Fake {
    fn offline(&self, _: &Path, origin: Origin) -> Result<Box<dyn Carrier>, Refusal> {
        self.opened.set(self.opened.get() + 1);
        Ok(Box::new(Offline { respond: self.respond, origin, asked: Rc::clone(&self.asked) }))
    }

    fn run(&self, options: RunOptions) -> u8 {
        self.ran.borrow_mut().push(options);
        0
    }

    fn install(&self, options: InstallOptions) -> Result<Installed, Refusal> {
        let town = options.path.clone();
        self.installed.borrow_mut().push(options);
        Ok(Installed { town, name: "t".into(), agent: "shell".into(), notes: Vec::new() })
    }

    fn restore(&self, options: RestoreOptions) -> Result<Restored, Refusal> {
        let backup = held(&options.dir);
        self.restored.borrow_mut().push(options.clone());
        Ok(Restored { town: options.town, backup, hash: "ab".into(), unsaved: Vec::new(), notes: Vec::new() })
    }

    fn test_agent(&self, options: TestOptions) -> Result<Conformance, Refusal> {
        Ok(Conformance { preset: options.preset, tried: Vec::new(), kept: None })
    }

    fn backups(&self, dir: &Path) -> Result<Vec<Backup>, Refusal> {
        Ok(vec![held(dir)])
    }

    fn verify_backups(&self, _: &Path) -> Result<Verified, Refusal> {
        let finding = Finding::new("000001/git/web.pack", None, "it is missing");
        Ok(Verified { sound: false, backups: 1, files: 9, bytes: 2048, findings: vec![finding], took_ms: 1 })
    }

    fn service(&self, order: ServiceOrder) -> Result<ServiceReport, Refusal> {
        let (action, text) = match order.wish {
            ServiceWish::Install { dry_run: true, .. } => ("dry_run", Some("[Unit]\n".to_owned())),
            ServiceWish::Install { .. } => ("install", None),
            ServiceWish::Uninstall => ("uninstall", None),
            ServiceWish::Status => ("status", None),
        };
        Ok(ServiceReport {
            action: action.into(),
            name: "gastown-t.service".into(),
            file: order.town.join("unit"),
            text,
            did: vec!["wrote it".into()],
            left: vec!["enable it".into()],
            ..ServiceReport::default()
        })
    }

    fn reaper(&self) -> u8 {
        0
    }

    fn exec_shim(&self, _: Vec<OsString>) -> ! {
        unreachable!("no test becomes another program")
    }

    fn shell_agent(&self, args: Vec<OsString>) -> u8 {
        u8::try_from(args.len()).unwrap()
    }
}

/// A backup in `dir`.
fn held(dir: &Path) -> Backup {
    Backup {
        dir: dir.to_owned(),
        number: 1,
        made_at: Timestamp::from_millis(1_767_225_600_000),
        program: "0.1.0".into(),
        town: "harbour".into(),
        head: model::ids::Seq(12),
        hash: "ab".into(),
        rigs: vec!["web".parse().unwrap()],
        unsaved: vec!["web/polecats/docs".into()],
        bytes: 5 << 20,
        added: 1500,
        left_out: Vec::new(),
    }
}

/// A folder that is a town with a rig `web`.
fn town() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for sub in ["config", "web/crew/max"] {
        std::fs::create_dir_all(folder.path().join(sub)).unwrap();
    }
    std::fs::write(folder.path().join("config/town.json"), "{}").unwrap();
    std::fs::write(folder.path().join("web/config.json"), "{}").unwrap();
    folder
}

fn env(cwd: &Path, vars: &[(&str, &str)]) -> Env {
    Env {
        vars: vars
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect::<HashMap<_, _>>(),
        cwd: cwd.to_owned(),
        stdin_terminal: false,
        stdout_terminal: false,
        stderr_terminal: false,
        width: 80,
        now: Timestamp::from_millis(1_767_225_600_000),
    }
}

struct Said {
    code: u8,
    out: String,
    err: String,
}

fn say(host: &Fake, env: &Env, argv: &[&str]) -> Said {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = run(argv.iter().map(OsString::from).collect(), env, host, &mut out, &mut err);
    Said { code, out: String::from_utf8(out).unwrap(), err: String::from_utf8(err).unwrap() }
}

fn bead(new: &model::command::NewBead) -> Bead {
    Bead {
        id: "web-4k2f".parse().unwrap(),
        title: new.title.clone(),
        description: new.description.clone(),
        acceptance_criteria: String::new(),
        status: model::bead::Status::Open,
        priority: Priority::default(),
        issue_type: new.issue_type,
        assignee: None,
        rig: new.rig.clone(),
        created_at: Timestamp::default().into(),
        updated_at: Timestamp::default().into(),
        created_by: "overseer".into(),
        closed_at: None,
        close_reason: None,
        dependencies: Vec::new(),
        labels: Vec::new(),
        comments: Vec::new(),
        extra: Default::default(),
    }
}

fn answers(command: &Command) -> Result<Answer, Refusal> {
    match command {
        Command::BeadCreate(new) => Ok(Answer::Bead(Box::new(bead(new)))),
        Command::BeadShow(ids) => {
            let page = |_| BeadPage {
                bead: bead(&Default::default()),
                failure_context: None,
                failures: 0,
                not_before: None,
            };
            Ok(Answer::BeadPages(ids.iter().map(page).collect()))
        }
        Command::BeadList(_) => Ok(Answer::Beads(Vec::new())),
        Command::Hook { .. } => Ok(Answer::Hook(None)),
        Command::Nudge { .. } => Err(Refusal::not_running("nudge")),
        Command::MergeShow(_) => Err(Refusal::no_such("merge", "mr-1", ["mr-2"])),
        Command::Unsling { .. } => Err(Refusal::forbidden("in_work", "somebody works at it")),
        _ => Ok(Answer::Done),
    }
}

#[test]
fn a_bead_that_was_made_is_named() {
    let (town, host) = (town(), Fake::new(answers));
    let env = env(town.path(), &[]);
    let said = say(&host, &env, &["gastown", "bead", "create", "Fix it"]);
    assert_eq!((said.code, said.out.as_str(), said.err.as_str()), (0, "Created bead web-4k2f\n", ""));
    assert_eq!(say(&host, &env, &["bd", "create", "x", "--silent"]).out, "web-4k2f\n");
    let record: Value =
        serde_json::from_str(&say(&host, &env, &["bd", "create", "x", "--json"]).out).unwrap();
    assert_eq!((record["id"].as_str(), record["title"].as_str()), (Some("web-4k2f"), Some("x")));
}

#[test]
fn json_is_one_value_of_the_shape_that_was_asked_for() {
    let (town, host) = (town(), Fake::new(answers));
    let env = env(town.path(), &[]);
    let json = |argv: &[&str]| serde_json::from_str::<Value>(&say(&host, &env, argv).out).unwrap();
    assert!(json(&["gt", "bead", "show", "web-1", "--json"]).is_object());
    assert_eq!(json(&["gt", "bead", "show", "web-1", "web-2", "--json"]).as_array().unwrap().len(), 2);
    assert!(json(&["gt", "--json", "hook"]).is_null());
    assert_eq!(json(&["bd", "list", "--json"]), serde_json::json!([]));
    assert_eq!(say(&host, &env, &["bd", "list"]).out, "no beads yet: gastown bead create \"TITLE\"\n");
}

#[test]
fn exit_codes_are_those_of_the_contract() {
    let (town, host) = (town(), Fake::new(answers));
    let inside = env(town.path(), &[]);
    let check = |argv: &[&str], code: u8, err: &str| {
        let said = say(&host, &inside, argv);
        assert_eq!(said.code, code, "{argv:?}: {}", said.err);
        assert!(said.err.contains(err), "{argv:?}: {}", said.err);
        assert!(said.out.is_empty(), "{argv:?}: {}", said.out);
    };
    check(&["gt", "stauts"], 2, "hint: did you mean \"status\"?");
    check(&["gt", "bead", "create"], 2, "usage: gastown bead create");
    check(&["gt", "nudge", "web/docs", "hi"], 3, "hint: start it with `gastown run`");
    check(&["gt", "mq", "show", "mr-1"], 4, "did you mean \"mr-2\"?");
    check(&["gt", "unsling", "web-1"], 5, "somebody works at it");
    check(&["gt", "events", "--follow"], 3, "needs a running town");
    check(&["gt", "attach", "web/docs"], 2, "gastown peek web/docs");
    check(&["gt", "--carrier", "socket", "status"], 3, "running town");
    check(&["gt", "help", "slign"], 4, "did you mean \"sling\"?");
    check(&["gt", "--actor", "no address", "hook"], 2, "is not an address");
    let outside = env(Path::new("/"), &[]);
    assert_eq!(say(&host, &outside, &["gt", "status"]).code, 4);
}

#[test]
fn errors_are_json_when_json_was_asked_for() {
    let (town, host) = (town(), Fake::new(answers));
    for (argv, code, exit) in [
        (&["gt", "--json", "stauts"][..], "unknown_command", 2),
        (&["gt", "mq", "show", "mr-1", "--json"], "no_such_merge", 4),
    ] {
        let said = say(&host, &env(town.path(), &[]), argv);
        let error: Value = serde_json::from_str(&said.err).unwrap();
        assert_eq!((error["error"]["code"].as_str(), said.code), (Some(code), exit));
        assert!(error["error"]["hint"].is_string() && said.out.is_empty());
    }
}

#[test]
fn a_person_asks_the_ledger_and_may_speak_for_another() {
    let (town, host) = (town(), Fake::new(answers));
    let env = env(town.path(), &[]);
    assert_eq!(say(&host, &env, &["gt", "hook"]).code, 0);
    assert_eq!(say(&host, &env, &["gt", "--actor", "mayor/", "hook"]).code, 0);
    let origins: Vec<Origin> = host.asked.borrow().iter().map(|(origin, _)| origin.clone()).collect();
    assert_eq!(origins[0], Origin::operator());
    assert_eq!(origins[1].actor().to_string(), "mayor/");
    // Here it is a filter, and nobody speaks for anybody.
    assert_eq!(say(&host, &env, &["gt", "events", "--actor", "anything at all"]).code, 0);
    assert_eq!(host.asked.borrow().last().unwrap().0, Origin::operator());
}

#[test]
fn an_agent_never_opens_the_ledger_and_never_speaks_for_another() {
    let (town, host) = (town(), Fake::new(answers));
    let socket = town.path().join("run/gastown.sock");
    let agent = env(town.path(), &[("GASTOWN_TOKEN", "t"), ("GASTOWN_SOCKET", socket.to_str().unwrap())]);
    let said = say(&host, &agent, &["gt", "done"]);
    assert_eq!(said.code, 3, "{}", said.err);
    assert!(said.err.contains("does not answer"), "{}", said.err);
    assert_eq!(say(&host, &agent, &["gt", "done", "--actor", "mayor/"]).code, 5);

    // With a terminal of its own it speaks there; this one is none, which shows that it was tried.
    let mut speaker = agent.clone();
    speaker.vars.insert("GASTOWN_TTY".into(), "/dev/null".into());
    speaker.vars.insert("GASTOWN_NONCE".into(), "n".into());
    assert!(say(&host, &speaker, &["gt", "done"]).err.contains("cannot speak on the terminal /dev/null"));
    assert_eq!(say(&host, &speaker, &["gt", "events", "--follow"]).code, 3);
    assert_eq!(say(&host, &speaker, &["gt", "--carrier", "socket", "done"]).code, 3);
    assert_eq!(say(&host, &agent, &["gt", "--carrier", "tty", "done"]).code, 2);
    assert_eq!(host.opened.get(), 0);
}

#[test]
fn a_bead_belongs_to_the_rig_one_stands_in() {
    let (town, host) = (town(), Fake::new(answers));
    let rig = |cwd: &str, vars: &[(&str, &str)], more: &[&str]| {
        let mut argv = vec!["bd", "create", "x"];
        argv.extend(more);
        let said = say(&host, &env(&town.path().join(cwd).canonicalize().unwrap(), vars), &argv);
        assert_eq!(said.code, 0, "{}", said.err);
        match host.command() {
            Command::BeadCreate(new) => new.rig.map(|rig| rig.to_string()),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(rig("web/crew/max", &[], &[]).as_deref(), Some("web"));
    assert_eq!(rig("config", &[], &[]), None);
    assert_eq!(rig(".", &[("GASTOWN_RIG", "api")], &[]).as_deref(), Some("api"));
    assert_eq!(rig("web", &[], &["--rig", "hq"]), None);
    let other = town.path().to_str().unwrap();
    assert_eq!(rig("web", &[], &["--town", other]), None);
}

#[test]
fn texts_come_as_words_encoded_or_as_files() {
    let (town, host) = (town(), Fake::new(answers));
    std::fs::write(town.path().join("plan.md"), "line 1\nline 2\n").unwrap();
    let env = env(town.path(), &[]);
    let description = |argv: &[&str]| {
        let said = say(&host, &env, argv);
        assert_eq!(said.code, 0, "{}", said.err);
        match host.command() {
            Command::BeadCreate(new) => new.description,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(description(&["bd", "create", "x", "-d", "@base64:YQpi"]), "a\nb");
    assert_eq!(description(&["bd", "create", "x", "-f", "plan.md"]), "line 1\nline 2\n");
    assert_eq!(say(&host, &env, &["bd", "create", "x", "-d", "@base64:!"]).code, 2);
    assert_eq!(say(&host, &env, &["bd", "create", "x", "-f", "none.md"]).code, 1);
}

#[test]
fn a_local_repository_is_named_from_the_root() {
    let (town, host) = (town(), Fake::new(answers));
    std::fs::create_dir(town.path().join("origin")).unwrap();
    let env = env(&town.path().canonicalize().unwrap(), &[]);
    let url = |given: &str| {
        assert_eq!(say(&host, &env, &["gt", "rig", "add", "x", given]).code, 0);
        match host.command() {
            Command::RigAdd(new) => new.url,
            other => panic!("{other:?}"),
        }
    };
    let origin = town.path().canonicalize().unwrap().join("origin").to_str().unwrap().to_owned();
    assert_eq!(url("origin"), origin);
    assert_eq!(url("./origin"), origin);
    assert_eq!(url("https://example.org/x.git"), "https://example.org/x.git");
    assert_eq!(url("git@example.org:x.git"), "git@example.org:x.git");
}

#[test]
fn running_and_installing_are_handed_on() {
    let (town, host) = (town(), Fake::new(answers));
    let root = town.path().canonicalize().unwrap();
    let here = env(&root, &[]);
    assert_eq!(say(&host, &here, &["gt", "up", "--until-idle", "--json"]).code, 0);
    assert_eq!(say(&host, &env(Path::new("/"), &[]), &["gastown", "run", "--demo"]).code, 0);
    assert_eq!(say(&host, &env(Path::new("/"), &[]), &["gastown", "run"]).code, 4);
    assert_eq!(say(&host, &here, &["gastown", "run", "--demo", "--detach"]).code, 2);
    let ran = host.ran.borrow();
    let first =
        RunOptions { town: Some(root.clone()), until_idle: true, json: true, ..RunOptions::default() };
    assert_eq!(ran[0], first);
    assert_eq!(ran[1], RunOptions { until_idle: true, demo: true, ..RunOptions::default() });
    assert_eq!(ran.len(), 2);

    let said = say(&host, &here, &["gt", "install", "new", "--name", "n", "--agent", "shell"]);
    assert!(said.out.starts_with("Made the town t in "), "{}", said.out);
    assert!(said.out.contains("gastown rig add"), "{}", said.out);
    let options =
        InstallOptions { path: root.join("new"), name: Some("n".into()), agent: Some("shell".into()) };
    assert_eq!(*host.installed.borrow(), [options]);
    assert_eq!(main_with(vec!["gt".into(), "__shell-agent".into(), "a".into()], here, &host), 1);
}

#[test]
fn the_first_page_of_help_is_seven_groups_and_how_to_start() {
    let host = Fake::new(answers);
    let env = env(Path::new("/"), &[]);
    let help = say(&host, &env, &["gastown", "--help"]);
    insta::assert_snapshot!("overview", help.out);
    assert_eq!(say(&host, &env, &["gt"]).out, help.out);
    assert_eq!(say(&host, &env, &["gt", "help"]).out, help.out);
}

#[test]
fn a_group_and_a_command_explain_themselves() {
    let host = Fake::new(answers);
    let env = env(Path::new("/"), &[]);
    let work = say(&host, &env, &["gastown", "help", "work"]);
    insta::assert_snapshot!("help_work", work.out);
    for argv in [["gt", "work", "--help"], ["gt", "work", "-h"]] {
        assert_eq!(say(&host, &env, &argv).out, work.out);
    }
    assert_eq!(say(&host, &env, &["gt", "work"]).out, work.out);
    let create = say(&host, &env, &["gt", "help", "bead", "create"]);
    insta::assert_snapshot!("help_bead_create", create.out);
    assert_eq!(say(&host, &env, &["bd", "help", "create"]).out, create.out);
    for argv in [&["bd", "--help"][..], &["gt", "sling", "--help"], &["gt", "help", "mail", "send"]] {
        let said = say(&host, &env, argv);
        assert_eq!(said.code, 0);
        assert!(said.out.contains("Usage: gastown"), "{}", said.out);
    }
    assert!(say(&host, &env, &["gt", "suggest", "assign work"]).out.contains("gastown sling"));
    assert_eq!(
        say(&host, &env, &["gt", "version"]).out,
        concat!("gastown ", env!("CARGO_PKG_VERSION"), "\n")
    );
    assert_eq!(say(&host, &env, &["bd", "--version"]).code, 0);
}

#[test]
fn a_terminal_has_colours_unless_somebody_minds() {
    let (town, host) = (town(), Fake::new(answers));
    let colored = |vars: &[(&str, &str)], argv: &[&str]| {
        let env = Env { stdout_terminal: true, stderr_terminal: true, ..env(town.path(), vars) };
        let said = say(&host, &env, argv);
        said.out.contains('\x1b') || said.err.contains('\x1b')
    };
    assert!(colored(&[], &["gt", "bead", "show", "web-1"]));
    assert!(colored(&[], &["gt", "stauts"]));
    assert!(!colored(&[("NO_COLOR", "1")], &["gt", "bead", "show", "web-1"]));
    assert!(!colored(&[], &["gt", "bead", "show", "web-1", "--no-color"]));
    assert!(!colored(&[], &["gt", "bead", "show", "web-1", "--json"]));
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    use std::os::unix::ffi::OsStringExt as _;
    let host = Fake::new(answers);
    let argv = vec!["gt".into(), OsString::from_vec(vec![0xff])];
    let (mut out, mut err) = (Vec::new(), Vec::new());
    assert_eq!(run(argv, &env(&PathBuf::from("/"), &[]), &host, &mut out, &mut err), 2);
}

#[test]
fn a_folder_of_backups_is_asked_without_a_town() {
    let host = Fake::new(|_| Ok(Answer::Done));
    let folder = tempfile::tempdir().unwrap();
    let env = env(folder.path(), &[]);
    let listed = say(&host, &env, &["gastown", "backup", "list", "b"]);
    assert_eq!(listed.code, 0, "{}", listed.err);
    insta::assert_snapshot!("backup_list", listed.out);
    let looked = say(&host, &env, &["gastown", "backup", "verify", "b"]);
    assert_eq!(looked.code, 1);
    assert!(looked.out.contains("000001/git/web.pack: it is missing"), "{}", looked.out);
    let said = say(&host, &env, &["gastown", "backup", "restore", "b", "t", "--number", "3", "--json"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let value: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(value["backup"]["head"], 12);
    let at = |name: &str| folder.path().join(name);
    let wanted = RestoreOptions { dir: at("b"), town: at("t"), number: Some(3) };
    assert_eq!(*host.restored.borrow(), [wanted]);
    let nothing = say(&host, &env, &["gastown", "backup"]);
    let slip = say(&host, &env, &["gastown", "backup", "verfy"]);
    assert!(slip.code == 2 && slip.err.contains("did you mean `gastown backup verify`?"), "{}", slip.err);
    assert!(nothing.code == 2 && nothing.err.contains("gastown help backup"), "{}", nothing.err);
    assert_eq!(host.opened.get(), 0);
}

#[test]
fn an_agent_restores_no_town() {
    let host = Fake::new(|_| Ok(Answer::Done));
    let folder = tempfile::tempdir().unwrap();
    let env = env(folder.path(), &[("GASTOWN_TOKEN", "x"), ("GASTOWN_AGENT", "web/polecats/docs")]);
    assert_eq!(say(&host, &env, &["gt", "backup", "restore", "b", "t"]).code, 5);
    assert!(host.restored.borrow().is_empty());
}

#[test]
fn a_backup_is_made_where_the_town_is_asked() {
    let host = Fake::new(|_| Ok(Answer::BackedUp(Box::new(held(Path::new("/b"))))));
    let town = town();
    let made = say(&host, &env(town.path(), &[]), &["gastown", "backup", "b"]);
    assert_eq!(made.code, 0, "{}", made.err);
    insta::assert_snapshot!("backup_made", made.out);
    assert_eq!(host.command(), Command::Backup { dir: town.path().join("b") });
}
