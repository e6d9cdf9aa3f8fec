use std::collections::BTreeMap;

use model::agent::Exit;
use model::bead::{DepType, IssueType, Patch};
use model::command::{BeadFilter, EventFilter, Leave, LedgerQuestion, NewBead, NewGate, NewRig, Sling};
use model::escalation::Severity;
use model::ids::Seq;
use model::nudge::{Manner, Mode, Urgency};

use super::*;

fn words(line: &str) -> Vec<String> {
    shlex::split(line).expect("a test line is quoted right")
}

fn polecat() -> Origin {
    Origin::Session { agent: "web/polecats/docs".parse().unwrap(), session: "s-1".parse().unwrap() }
}

fn read(line: &str) -> Result<Command, Refusal> {
    grammar(&words(line), &Origin::operator())
}

fn check(line: &str, expected: Command) {
    assert_eq!(read(line), Ok(expected), "{line}");
}

fn refused(line: &str, code: &str) -> Refusal {
    let refusal = read(line).expect_err(line);
    assert_eq!(refusal.code, code, "{line}: {refusal:?}");
    assert!(refusal.hint.is_some(), "{line} is refused without a hint: {refusal:?}");
    refusal
}

#[test]
fn work_is_read() {
    let bug = NewBead {
        title: "Fix login timeout".into(),
        issue_type: IssueType::Bug,
        priority: "1".parse().unwrap(),
        ..NewBead::default()
    };
    check("bd create --title='Fix login timeout' --type=bug --priority=1", Command::BeadCreate(bug.clone()));
    check("bead create 'Fix login timeout' -t bug -p P1 --json", Command::BeadCreate(bug));
    check(
        "bead create x -d 'long text' -l a,b --label c --deps blocks:web-1,discovered-from:web-2,web-3 \
         --parent web-9 --acceptance ok --assignee web/docs --rig web --silent",
        Command::BeadCreate(NewBead {
            title: "x".into(),
            description: "long text".into(),
            acceptance_criteria: "ok".into(),
            rig: Some("web".parse().unwrap()),
            parent: Some("web-9".parse().unwrap()),
            deps: vec![
                (DepType::Blocks, "web-1".parse().unwrap()),
                (DepType::DiscoveredFrom, "web-2".parse().unwrap()),
                (DepType::Blocks, "web-3".parse().unwrap()),
            ],
            labels: vec!["a".into(), "b".into(), "c".into()],
            assignee: Some("web/docs".into()),
            ..NewBead::default()
        }),
    );
    check("bd show web-1 web-2", Command::BeadShow(vec!["web-1".parse().unwrap(), "web-2".parse().unwrap()]));
    check(
        "bd list --status=open",
        Command::BeadList(BeadFilter { status: vec!["open".parse().unwrap()], ..BeadFilter::default() }),
    );
    check("bd ready", Command::BeadReady(BeadFilter::default()));
    check(
        "ready --parent web-1 -n 3",
        Command::BeadReady(BeadFilter {
            parent: Some("web-1".parse().unwrap()),
            limit: Some(3),
            ..BeadFilter::default()
        }),
    );
    check(
        "bead update web-1 --status in_progress --assignee '' --add-label x",
        Command::BeadUpdate {
            ids: vec!["web-1".parse().unwrap()],
            patch: Patch { assignee: Some(String::new()), add_labels: vec!["x".into()], ..Patch::default() },
            status: Some("in_progress".parse().unwrap()),
            claim: false,
            parent: None,
        },
    );
    check(
        "bd close gt-abc123 -r done",
        Command::BeadClose {
            ids: vec!["gt-abc123".parse().unwrap()],
            reason: Some("done".into()),
            force: false,
            suggest: false,
        },
    );
    check(
        "bd dep add gt-task001 gt-epic001",
        Command::DepAdd {
            bead: "gt-task001".parse().unwrap(),
            on: "gt-epic001".parse().unwrap(),
            kind: None,
        },
    );
    check(
        "bd comment web-1 two words",
        Command::CommentAdd { bead: "web-1".parse().unwrap(), text: "two words".into() },
    );
    check("gt hook", Command::Hook { agent: None });
    check("bd hook", Command::Hook { agent: None });
    check("mol step done tests", Command::StepDone { step: "tests".into(), mol: None, output: None });
    check("mol current", Command::MolShow { agent: None });
    check(
        "gt convoy create name web-1",
        Command::ConvoyCreate { name: "name".into(), beads: vec!["web-1".parse().unwrap()] },
    );
    check("convoy status", Command::ConvoyList { all: false });
}

#[test]
fn a_sling_takes_its_target_last() {
    let sling = Sling { beads: vec!["web-1".parse().unwrap()], target: "web".into(), ..Sling::default() };
    check("gt sling web-1 web", Command::Sling(sling.clone()));
    check("gt spawn --issue web-1 web", Command::Sling(sling.clone()));
    check("gt spawn web --issue web-1", Command::Sling(sling));
    check(
        "sling a-1 b-2 c-3 web/docs --var k=v=w --args 'be nice' --formula f --agent claude --force -n",
        Command::Sling(Sling {
            beads: vec!["a-1".parse().unwrap(), "b-2".parse().unwrap(), "c-3".parse().unwrap()],
            target: "web/docs".into(),
            formula: Some("f".into()),
            vars: BTreeMap::from([("k".into(), "v=w".into())]),
            args: Some("be nice".into()),
            preset: Some("claude".into()),
            force: true,
            dry_run: true,
        }),
    );
    refused("sling web-1", "usage");
    refused("sling nodash web", "usage");
    refused("sling --issue web-1", "usage");
}

#[test]
fn shipping_talking_and_watching_are_read() {
    check("done", Command::Done { exit: Exit::Completed, reason: None, leave: Leave::default() });
    check("gt polecat done", Command::Done { exit: Exit::Completed, reason: None, leave: Leave::default() });
    check(
        "gt merge-queue add",
        Command::Done { exit: Exit::Completed, reason: None, leave: Leave::default() },
    );
    check(
        "done --exit BLOCKED --reason 'no key'",
        Command::Done { exit: Exit::Blocked, reason: Some("no key".into()), leave: Leave::default() },
    );
    let leave = Leave {
        on: vec!["web-2".parse().unwrap()],
        blockers: vec!["A key is missing".into()],
        parts: Vec::new(),
    };
    check(
        "done --exit blocked --on web-2 --blocker 'A key is missing'",
        Command::Done { exit: Exit::Blocked, reason: None, leave },
    );
    let leave = Leave { parts: vec!["one".into(), "two".into()], ..Leave::default() };
    check(
        "done --exit refactor --part one --part two",
        Command::Done { exit: Exit::Refactor, reason: None, leave },
    );
    check("gt merge-queue list", Command::MergeList { rig: None, all: false });
    check("mq list web -a", Command::MergeList { rig: Some("web".parse().unwrap()), all: true });
    check("mq status mr-1", Command::MergeShow("mr-1".parse().unwrap()));
    check("mq retry mr-1", Command::MergeRetry("mr-1".parse().unwrap()));
    check("mq status", Command::MergeStatus { rig: None });
    check("mq status web", Command::MergeStatus { rig: Some("web".parse().unwrap()) });
    check("mq why web-1a", Command::MergeWhy("web-1a".parse().unwrap()));
    check(
        "mq log mr-1 test",
        Command::MergeLog { merge: "mr-1".parse().unwrap(), gate: Some("test".into()) },
    );
    check(
        "mq reject mr-1 -r 'too large'",
        Command::MergeReject { merge: "mr-1".parse().unwrap(), reason: "too large".into() },
    );
    check("mq hold mr-1", Command::MergeHold { merge: "mr-1".parse().unwrap(), reason: None });
    check("mq release mr-1", Command::MergeUnhold("mr-1".parse().unwrap()));
    let urgent = |priority: Option<u8>, hot| Command::MergePrioritise {
        merge: "mr-1".parse().unwrap(),
        priority: priority.map(|priority| priority.try_into().unwrap()),
        hot,
    };
    check("mq prioritise mr-1 --hot", urgent(None, Some(true)));
    check("mq prioritize mr-1 -p 0 --no-hot", urgent(Some(0), Some(false)));
    check("mq freeze web", Command::MergeFreeze { rig: "web".parse().unwrap(), reason: None });
    check("mq thaw web", Command::MergeThaw { rig: "web".parse().unwrap() });
    check("refinery process web", Command::RefineryProcess { rig: Some("web".parse().unwrap()) });
    let land = |force, dry_run| Command::LandDirect {
        worker: "web/docs".into(),
        force,
        skip_tests: force,
        dry_run,
        reason: None,
    };
    check("gt land --direct web/docs", land(false, false));
    check("land --direct web/docs --force --skip-tests --dry-run", land(true, true));
    check("refinery queue", Command::MergeList { rig: None, all: false });
    let letter = Command::MailSend {
        to: "mayor/".into(),
        subject: "Schema".into(),
        body: "two tables or one?".into(),
        kind: None,
        key: None,
    };
    check("mail send mayor/ -s Schema -m 'two tables or one?'", letter.clone());
    check("gt send mayor/ -s Schema -m 'two tables or one?'", letter);
    check("gt inbox", Command::MailInbox { agent: None, unread: false });
    check(
        "mail inbox web/docs --unread",
        Command::MailInbox { agent: Some("web/docs".into()), unread: true },
    );
    check("gt mail read msg-xyz", Command::MailRead("msg-xyz".parse().unwrap()));
    check("mail reply m-1 -m yes", Command::MailReply { id: "m-1".parse().unwrap(), body: "yes".into() });
    check("mail reply m-1 oh yes", Command::MailReply { id: "m-1".parse().unwrap(), body: "oh yes".into() });
    let nudge = |manner| Command::Nudge { agent: "web/docs".into(), text: "go on".into(), manner };
    check("inject web/docs go on", nudge(Default::default()));
    let manner = Manner { mode: Mode::Now, urgency: Urgency::High, expires_ms: Some(90_000) };
    check("nudge web/docs --mode now --priority high --expires 90s go on", nudge(manner));
    check("peek web/docs -n 50", Command::Peek { agent: "web/docs".into(), lines: Some(50), at: None });
    let new = |severity, subject: &str, body: &str| Command::Escalate {
        severity,
        subject: subject.into(),
        body: body.into(),
        bead: None,
        source: None,
        dry_run: false,
    };
    let about = |command, id: &str, from: Option<&str>| match command {
        Command::Escalate { severity, subject, body, dry_run, .. } => Command::Escalate {
            severity,
            subject,
            body,
            bead: Some(id.parse().unwrap()),
            source: from.map(str::to_owned),
            dry_run,
        },
        other => other,
    };
    check(
        "escalate -s P0 main is red --bead web-1",
        about(new(Severity::Critical, "main is red", ""), "web-1", None),
    );
    check(
        "escalate \"Build failing\" --severity HIGH --reason \"CI blocked\" --related web-1 --source plugin:x",
        about(new(Severity::High, "Build failing", "CI blocked"), "web-1", Some("plugin:x")),
    );
    check("escalate lists are wrong", new(Severity::Medium, "lists are wrong", ""));
    check("escalate lsit -m really", new(Severity::Medium, "lsit", "really"));
    check("escalate list", Command::EscalateList { all: false, unacked: false, severity: None });
    check(
        "escalate ls -a --unacked -s high",
        Command::EscalateList { all: true, unacked: true, severity: Some(Severity::High) },
    );
    check("escalate show hq-1", Command::EscalateShow { name: "hq-1".into() });
    check(
        "escalate ack esc-1 esc-2 --note mine",
        Command::EscalateAck { names: vec!["esc-1".into(), "esc-2".into()], note: Some("mine".into()) },
    );
    check(
        "escalate close esc-1 --reason fixed",
        Command::EscalateClose { names: vec!["esc-1".into()], reason: "fixed".into() },
    );
    check("escalate retry esc-1", Command::EscalateRetry { names: vec!["esc-1".into()] });
    check("escalate stale -n", Command::EscalateStale { dry_run: true });
    check("kill web/docs", Command::AgentKill { agent: "web/docs".into(), restart: false });
    check("wake web/docs", Command::AgentStart { agent: "web/docs".into() });
    check("gt polecat list myproject", Command::AgentList { rig: Some("myproject".parse().unwrap()) });
    check("gt polecats", Command::AgentList { rig: None });
    check("stop --all", Command::StopAll);
    check("stop --rig web", Command::RigStop { rig: "web".parse().unwrap() });
    check("start --rig web", Command::RigStart { rig: "web".parse().unwrap() });
    check("rig pause web", Command::RigPark { rig: "web".parse().unwrap(), reason: None, now: false });
    check("rig resume web", Command::RigUnpark { rig: "web".parse().unwrap() });
    check("estop --reason smoke", Command::Freeze { reason: Some("smoke".into()) });
    check("thaw", Command::Thaw);
    check("gt down", Command::Stop);
    check("gt rigs", Command::RigList);
    check("ledger verify --json", Command::Ledger(LedgerQuestion::Verify));
    check("ledger stats", Command::Ledger(LedgerQuestion::Stats));
    check("ledger rebuild", Command::Ledger(LedgerQuestion::Rebuild));
    check("ledger compact --keep 7", Command::Ledger(LedgerQuestion::Compact { keep: Some(7) }));
    refused("ledger repair saved", "not_on_this_carrier");
    check("gt status", Command::Status);
    let recover = |beads: &[&str], all, rig: Option<&str>, dry_run| Command::Recover {
        beads: beads.iter().map(|bead| bead.parse().unwrap()).collect(),
        all,
        rig: rig.map(|rig| rig.parse().unwrap()),
        dry_run,
    };
    check("recover web-1", recover(&["web-1"], false, None, false));
    check("gt recover web-1 web-2 -n", recover(&["web-1", "web-2"], false, None, true));
    check("recover --all --rig web", recover(&[], true, Some("web"), false));
    refused("recover", "usage");
    refused("recover web-1 --all", "usage");
    let reassign = |to: Option<&str>, reason: Option<&str>| Command::Reassign {
        bead: "web-1".parse().unwrap(),
        to: to.map(str::to_owned),
        reason: reason.map(str::to_owned),
    };
    check("agent reassign web-1", reassign(None, None));
    check("gt agent reassign web-1 web/docs -r 'I am ill'", reassign(Some("web/docs"), Some("I am ill")));
    check("why web-1", Command::Why { about: "web-1".into() });
    check("gt prime", Command::Prime { agent: None });
    check("fault kill-actor web/refinery", Command::FaultKillActor { name: "web/refinery".into() });
    check(
        "fault block-actor mayor --for 5s",
        Command::FaultBlockActor { name: "mayor".into(), millis: 5_000 },
    );
}

#[test]
fn a_rig_is_read_with_its_gates() {
    check(
        "rig add web /p/web --prefix w --branch trunk --gate 'test=make test' --gate lint=a=b --max-workers 3 \
         --agent shell",
        Command::RigAdd(NewRig {
            name: "web".parse().unwrap(),
            url: "/p/web".into(),
            prefix: Some("w".parse().unwrap()),
            branch: Some("trunk".into()),
            gates: vec![
                NewGate { name: "test".into(), cmd: "make test".into() },
                NewGate { name: "lint".into(), cmd: "a=b".into() },
            ],
            max_workers: Some(3),
            preset: Some("shell".into()),
        }),
    );
    refused("rig add web /p --gate test", "usage");
    refused("rig add web /p --gate test=", "usage");
    refused("rig add web /p --max-workers 0", "usage");
    refused("rig add config /p", "usage");
}

#[test]
fn since_is_a_number_a_duration_or_a_time() {
    check("events --since 120", Command::Events(EventFilter { after: Seq(120), ..EventFilter::default() }));
    check(
        "events --since 2026-01-31T12:00:00Z --type mail. --bead web-1 --limit 5",
        Command::Events(EventFilter {
            since: Some("2026-01-31T12:00:00Z".parse().unwrap()),
            kind: Some("mail.".into()),
            bead: Some("web-1".parse().unwrap()),
            limit: Some(5),
            ..EventFilter::default()
        }),
    );
    let read = read("bd events list --actor=myproject/polecats/slot0 --since=30m").unwrap();
    let Command::Events(filter) = read else { panic!("{read:?}") };
    assert_eq!(filter.actor.as_deref(), Some("myproject/polecats/slot0"));
    assert!(filter.since.is_some());
    refused("events --since yesterday", "usage");
}

#[test]
fn a_bead_belongs_where_its_maker_is() {
    let rig = |line: &str| match grammar(&words(line), &polecat()) {
        Ok(Command::BeadCreate(new)) => new.rig.map(|rig| rig.to_string()),
        other => panic!("{line}: {other:?}"),
    };
    assert_eq!(rig("bd create x").as_deref(), Some("web"));
    assert_eq!(rig("bd create x --rig api").as_deref(), Some("api"));
    assert_eq!(rig("bd create x --rig hq"), None);
    assert_eq!(rig("bd create x --parent api-1"), None);
}

#[test]
fn what_is_no_single_command_is_not_for_a_terminal_line() {
    for line in [
        "attach web/docs",
        "run",
        "gt up",
        "run --demo",
        "install /t",
        "events --follow",
        "feed",
        "help",
        "--help",
        "bead create --help",
        "version",
        "suggest x",
        "bead create x --body-file plan.md",
        "mail send mayor/ -s x -f -",
        "bead import",
    ] {
        refused(line, "not_on_this_carrier");
    }
}

#[test]
fn nobody_on_a_terminal_speaks_for_another() {
    let refusal = grammar(&words("done --actor mayor/"), &polecat()).unwrap_err();
    assert_eq!((refusal.code.as_str(), refusal.class.exit_code()), ("actor_is_for_people", 5));
}

#[test]
fn a_wrong_line_says_what_would_be_right() {
    let hint = |line: &str, code: &str| refused(line, code).hint.unwrap();
    assert_eq!(hint("stauts", "unknown_command"), "did you mean \"status\"?");
    assert_eq!(hint("ps", "unknown_command"), "did you mean \"status\"?");
    assert_eq!(hint("bead craete x", "unknown_command"), "did you mean \"bead create\"?");
    assert_eq!(hint("bd craete x", "unknown_command"), "did you mean \"bead create\"?");
    assert_eq!(hint("town sell", "unknown_command"), "town is a group of commands: see `gastown help town`");
    assert!(hint("bead", "usage").starts_with("one of create, list, show"));
    assert!(hint("bead create x --titel y", "usage").contains("--title"));
    assert!(hint("bead create", "usage").contains("usage: gastown bead create"));
    assert_eq!(refused("bead create", "usage").class.exit_code(), 2);
    let message = refused("bead create x -t featur", "usage").message;
    assert!(message.contains("did you mean \"feature\"?"), "{message}");
    refused("bead create x -p 9", "usage");
    refused("bead show nodash", "usage");
    refused("done --exit finished", "usage");
    refused("escalate -s awful x", "usage");
    assert!(refused("escalate -s hihg x y", "usage").message.contains("did you mean \"high\"?"));
    // Nobody is woken by a slip.
    assert!(hint("escalate lsit", "usage").contains("`gastown escalate list`"));
    assert!(hint("escalate akc esc-1", "usage").contains("`gastown escalate ack`"));
    assert!(refused("escalate close esc-1", "usage").message.contains("--reason"));
    refused("escalate ack", "usage");
    refused("escalate", "usage");
    refused("bead update web-1", "usage");
    refused("", "not_on_this_carrier");
}

/// Lines of the old documents, as they are printed there: each is understood, or refused with a hint.
#[test]
fn every_line_of_the_old_documents_is_understood_or_answered() {
    let understood = "\
        gt prime\ngt hook\ngt mail inbox\ngt status\ngt convoy list\ngt convoy create \"name\" gt-1 gt-2\n\
        bd create --title=\"Feature X\" --type=feature --priority=2\nbd dep add gt-1 gt-2\nbd ready\n\
        bd show gt-abc123\nbd close gt-1\nbd list\nbd list --json\nbd list --status=open\n\
        bd update gt-1 --status in_progress\nbd create --title=\"Test event\" --type=task\n\
        bd create --title=\"Implement auth system\" --type=epic --priority=1\n\
        gt sling gt-abc123 myproject\ngt sling a-1 b-1 c-1 rig\ngt polecat done\ngt polecat list myproject\n\
        gt mail send witness -s \"Test\" -m \"Hello\"\ngt mail read msg-xyz\n\
        gt mail send mayor/ -s \"HANDOFF: brief\" -m \"context\"\ngt rig add myproject https://x/y.git\n\
        bd events list --actor=myproject/polecats/slot0 --since=30m\ngt rigs\ngt polecats\ngt inbox\n\
        gt send wyvern/plugins/merge-oracle -s \"Analyze\" -m \"...\"\ngt stop --all\ngt merge-queue list\n\
        gt spawn --issue gt-1 rig/name\ngt kill rig/name\ngt wake rig/name\ngt merge-queue add\n\
        gt peek rig/name\ngt escalate help\ngt stop --rig web\ngt refinery process\ngt land --direct web/docs\n\
        gt sleep web/docs\nbd ready --parent gt-1\nbd mol cook f\nbd mol pour p gt-1\nbd mol wisp f\nbd mol squash mol-1\nbd mol burn mol-1\nbd cook f\n\
        bead mol status\nbd gate list\nbd epic status\nbd children gt-1\nbd q fix it\nbd stale --days 3\nbd dep tree gt-1\n\
        bd duplicate gt-1 --of gt-2\nbd supersede gt-1 --with gt-2\nbd count --by-status\nbd swarm status gt-1\nbd memories\n\
        gt sling shiny --on gt-1 web\ngt convoy add cv-1 gt-1\ngt convoy land cv-1\nbd defer gt-1 --until tomorrow\nbd formula list\nbd sync\ngt doctor --fix\ngt costs report";
    for line in understood.lines().map(str::trim) {
        assert!(read(line).is_ok(), "{line}: {:?}", read(line));
    }
    let answered = "\
        gt crew add max --rig web\nbd init --prefix x\n\
        gt plugin list\ngt memory\ngt capture web/docs ls\n\
        gt ask \"fix it\"\ngt install /tmp/x\ngt inject Message\n\
        gt handoff\ngt dashboard\ngt work\ngt talk\ngt sling --issue gt-1\ngt quickstart";
    for line in answered.lines().map(str::trim) {
        let refusal = read(line).expect_err(line);
        assert!(refusal.hint.is_some(), "{line}: {refusal:?}");
        assert_eq!(refusal.class.exit_code(), 2, "{line}: {refusal:?}");
    }
}

#[test]
fn the_groups_are_known_by_their_names_without_being_built() {
    for group in &*names::GROUPS {
        assert!(matches!(names::canonical(Program::Gastown, words(group.name)).as_slice(), [help, name]
            if help == "help" && name == group.name));
    }
}
