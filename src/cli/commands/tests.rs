use model::agent::Verdict;
use model::answer::{
    AgentRow, BeadPage, ConvoyRow, DoneReport, EscalationGauge, HookRow, MailGauge, MailRow, MergeRow,
    MolRow, RecoveredRow, RigRow, SlungReport, SlungRow, StatusReport, StepRow, TownRow,
};
use model::bead::{Bead, Comment, DepType, Dependency, Status};
use model::command::{BeadFilter, NewBead};
use model::convoy::Convoy;
use model::cost::{By, Report, Row, Tokens, Used};
use model::escalation::{
    Context, EscalationRow, LetterNote, NoticeRow, NoticeState, Severity, Stage, StaleRow,
};
use model::event::{Event, Record};
use model::ids::Seq;
use model::mail::{Kind, Letter};
use model::merge::{GateResult, MergeRequest, MergeState, Rejection};
use model::recovery::Failure;
use model::role::Address;
use model::story::Story;
use model::time::Timestamp;
use serde_json::json;

use super::*;

const NOW: i64 = 1_767_225_600_000;

fn at(minutes_ago: i64) -> Timestamp {
    Timestamp::from_millis(NOW - minutes_ago * 60_000)
}

fn pen(width: Option<usize>) -> Pen {
    Pen { color: false, width, now: at(0) }
}

fn text(command: Command, answer: Answer) -> String {
    for_people(&command, View::Usual, &answer, &pen(Some(80)))
}

fn bead(id: &str, title: &str) -> Bead {
    Bead {
        id: id.parse().unwrap(),
        title: title.into(),
        description: "It times out after **5 s**.\n\nSee `login.rs`.".into(),
        acceptance_criteria: "the test passes".into(),
        status: Status::Open,
        priority: "P1".parse().unwrap(),
        issue_type: "bug".parse().unwrap(),
        assignee: Some("web/polecats/backend".into()),
        rig: Some("web".parse().unwrap()),
        created_at: at(90).into(),
        updated_at: at(5).into(),
        created_by: "overseer".into(),
        closed_at: None,
        close_reason: None,
        dependencies: vec![Dependency {
            issue_id: id.parse().unwrap(),
            depends_on_id: "web-0".parse().unwrap(),
            kind: DepType::Blocks,
            created_at: at(90).into(),
            extra: Default::default(),
            created_by: "overseer".into(),
        }],
        labels: vec!["login".into()],
        comments: vec![Comment {
            id: 1.into(),
            author: "mayor/".into(),
            text: "soon".into(),
            created_at: at(3).into(),
            extra: Default::default(),
        }],
        extra: Default::default(),
    }
}

fn merge(state: MergeState) -> MergeRow {
    let request = MergeRequest {
        id: "mr-1".parse().unwrap(),
        rig: "web".parse().unwrap(),
        bead: "web-1".parse().unwrap(),
        worker: "web/polecats/backend".parse().unwrap(),
        branch: "polecat/backend/web-1".into(),
        head: "0123456789abcdef".into(),
        priority: "P1".parse().unwrap(),
        submitted_at: at(10),
        queued_at: Seq(9),
        attempts: 2,
        faults: 0,
        tried_on: None,
        state,
        gates: vec![GateResult {
            gate: "test".into(),
            command: "make test".into(),
            commit: "fedcba9876543210".into(),
            tree: "t".into(),
            passed: false,
            verdict: "exit code 2".into(),
            duration_ms: 1234,
            log: "logs/gates/web/1.log".into(),
            base: String::new(),
            run: None,
            excerpt: String::new(),
        }],
        landed_at: None,
        hot: false,
        kept: None,
    };
    MergeRow::new(&request, Some(1))
}

fn rig() -> RigRow {
    RigRow {
        name: "web".parse().unwrap(),
        git_url: "/srv/git/web.git".into(),
        prefix: "web".into(),
        default_branch: "main".into(),
        max_workers: 8,
        parked: false,
        pause: None,
        stopped: false,
        working: 2,
        open: 3,
        waiting: 1,
        gates: vec!["test".into()],
    }
}

fn agent(address: &str, state: &str) -> AgentRow {
    let address: model::role::Address = address.parse().unwrap();
    AgentRow {
        role: address.role(),
        rig: address.rig().cloned(),
        address,
        state: serde_json::from_value(json!(state)).unwrap(),
        note: None,
        pid: Some(4242),
        session: Some("s-1".parse().unwrap()),
        hook: Some("web-1".parse().unwrap()),
        restarts: 1,
        last_activity: Some(at(1)),
        preset: Some("shell".into()),
        sessions: 2,
        forged: 0,
    }
}

fn letter() -> MailRow {
    let letter = Letter {
        id: "m-1".parse().unwrap(),
        from: "web/polecats/backend".parse().unwrap(),
        to: "mayor/".parse().unwrap(),
        kind: Kind::Note { subject: "Schema".into(), body: "two tables\nor one?".into() },
        sent_at: at(4),
        reply_to: None,
        thread: "m-1".parse().unwrap(),
        key: None,
    };
    MailRow::new(&letter, Seq(4), None, None)
}

/// A page about a bead that has failed; the failure says what the bead's title says.
fn page(bead: Bead) -> BeadPage {
    let failure = Failure {
        at: bead.created_at.at(),
        agent: "web/polecats/docs".parse().unwrap(),
        session: "s-1".parse().unwrap(),
        verdict: Verdict::Crashed,
        detail: format!("signal 11, {}", bead.title),
        exit_code: None,
        signal: Some(11),
        doing: Some(format!("step implement: {}", bead.title)),
        diff: Some(format!(" a.txt | 2 +-\n {} | 1 +\n", bead.title)),
        output: Some(format!("$ make\n{}\nSegmentation fault", bead.title)),
    };
    BeadPage {
        failure_context: Some(failure),
        failures: 2,
        not_before: None,
        roll_up: None,
        dependents: Vec::new(),
        bead,
    }
}

#[test]
fn beads_are_a_table_and_a_page() {
    let list = Command::BeadList(BeadFilter::default());
    let beads = vec![
        bead("web-1", "Fix the login that times out when the network is slow").into(),
        bead("web-22", "日本語").into(),
    ];
    insta::assert_snapshot!("bead_list", text(list, Answer::Beads(beads)));
    let show = Command::BeadShow(vec!["web-1".parse().unwrap()]);
    insta::assert_snapshot!(
        "bead_show",
        text(show, Answer::BeadPage(Box::new(page(bead("web-1", "Fix the login")))))
    );
}

#[test]
fn the_town_is_a_page() {
    let report = StatusReport {
        starts: [("hook".to_owned(), 4), ("retry".to_owned(), 1)].into(),
        town: TownRow {
            name: "demo".into(),
            path: "/tmp/demo".into(),
            state: "running".into(),
            note: None,
            frozen: None,
            pid: Some(77),
            uptime_s: Some(125),
            seq: Seq(321),
        },
        agents: vec![agent("web/polecats/backend", "working"), agent("web/polecats/docs", "stuck")],
        rigs: vec![rig()],
        queue: vec![merge(MergeState::Testing)],
        mail: MailGauge { unacked: 2, oldest_s: 240, dead: 1, boxes: Vec::new() },
        attention: vec!["web-3 was given back three times".into()],
        escalations: EscalationGauge::default(),
        beads: [("open".to_owned(), 3), ("closed".to_owned(), 4)].into(),
    };
    insta::assert_snapshot!("status", text(Command::Status, Answer::Status(Box::new(report))));
}

#[test]
fn a_young_town_says_what_to_do() {
    let report = StatusReport {
        starts: Default::default(),
        town: TownRow {
            name: "new".into(),
            path: "/t".into(),
            state: "stopped".into(),
            note: None,
            frozen: None,
            pid: None,
            uptime_s: None,
            seq: Seq(0),
        },
        agents: Vec::new(),
        rigs: Vec::new(),
        queue: Vec::new(),
        mail: MailGauge::default(),
        attention: Vec::new(),
        escalations: EscalationGauge::default(),
        beads: Default::default(),
    };
    let page = text(Command::Status, Answer::Status(Box::new(report)));
    assert!(page.contains("none yet: gastown rig add"), "{page}");
    for (command, answer) in [
        (Command::RigList, Answer::Rigs(Vec::new())),
        (Command::AgentList { rig: None }, Answer::Agents(Vec::new())),
        (Command::BeadReady(BeadFilter::default()), Answer::Beads(Vec::new())),
        (Command::ConvoyList { all: false }, Answer::Convoys(Vec::new())),
        (Command::MergeList { rig: None, all: false }, Answer::Merges(Vec::new())),
        (
            Command::EscalateList { all: false, unacked: false, severity: None },
            Answer::Escalations(Vec::new()),
        ),
    ] {
        let text = text(command.clone(), answer);
        assert!(text.contains("gastown"), "{command:?}: {text}");
    }
}

#[test]
fn the_tree_is_drawn() {
    let tree = json!({"name": "town", "kind": "supervisor", "strategy": "rest_for_one", "state": "up", "restarts": 0,
        "children": [
            {"name": "scribe", "kind": "actor", "state": "up", "restarts": 2, "children": []},
            {"name": "web", "kind": "supervisor", "strategy": "one_for_one", "state": "up", "children": [
                {"name": "web/refinery", "kind": "actor", "state": "up"},
                {"name": "web/polecats/docs", "kind": "actor", "state": "up", "children": [
                    {"name": "s-1", "kind": "session", "state": "working"}]}]}]});
    insta::assert_snapshot!("tree", text(Command::Tree, Answer::Tree(tree)));
}

#[test]
fn the_queue_is_a_table_and_a_page() {
    let list = Command::MergeList { rig: None, all: true };
    let rejection = Rejection::Gate {
        gate: "test".into(),
        verdict: "exit code 2".into(),
        excerpt: String::new(),
        log: String::new(),
        base: "b".into(),
        attempt: 2,
    };
    let rows = vec![merge(MergeState::Testing), merge(MergeState::Rejected { rejection })];
    insta::assert_snapshot!("mq_list", text(list, Answer::Merges(rows)));
    let show = Command::MergeShow("mr-1".parse().unwrap());
    insta::assert_snapshot!("mq_show", text(show, Answer::Merge(Box::new(merge(MergeState::Queued)))));
}

#[test]
fn letters_are_a_table_and_a_page() {
    let inbox = Command::MailInbox { agent: None, unread: false };
    insta::assert_snapshot!("mail_inbox", text(inbox, Answer::Letters(vec![letter()])));
    let read = Command::MailRead("m-1".parse().unwrap());
    insta::assert_snapshot!("mail_read", text(read, Answer::Letter(Box::new(letter()))));
}

#[test]
fn hook_mol_sling_and_done_say_what_comes_next() {
    let hook = HookRow {
        agent: "web/polecats/backend".parse().unwrap(),
        bead: "web-1".parse().unwrap(),
        title: "Fix the login".into(),
        mol: Some("mol-1".parse().unwrap()),
        step: Some("tests".into()),
        stage: "rework".into(),
        since: at(8),
        attempt: 1,
    };
    let mol = MolRow {
        id: "mol-1".parse().unwrap(),
        formula: "polecat-work".into(),
        bead: "web-1".parse().unwrap(),
        steps: [
            ("read", "Read the bead", "done"),
            ("tests", "Write a test", "ready"),
            ("fix", "Fix it", "pending"),
        ]
        .map(|(id, title, state)| StepRow {
            id: id.into(),
            title: title.into(),
            description: format!("How to: {title}"),
            needs: Vec::new(),
            state: state.into(),
            by: None,
            gates: Vec::new(),
            timeout_s: None,
        })
        .into(),
        phase: "mol".into(),
        created_at: at(8),
        completed_at: None,
    };
    let slung = SlungReport {
        beads: vec![SlungRow {
            bead: "web-1".parse().unwrap(),
            target: "web".into(),
            outcome: "slung".into(),
        }],
        convoy: Some("cv-1".parse().unwrap()),
        dry_run: false,
    };
    let done = DoneReport {
        bead: "web-1".parse().unwrap(),
        exit: "completed".into(),
        branch: Some("polecat/backend/web-1".into()),
        head: Some("0123456789abcdef".into()),
        saved: "remote".into(),
        created: Vec::new(),
    };
    let convoy = ConvoyRow {
        convoy: Convoy {
            id: "cv-1".parse().unwrap(),
            name: "login".into(),
            beads: vec!["web-1".parse().unwrap(), "web-2".parse().unwrap()],
            owner: "overseer".into(),
            created_at: at(30),
            closed_at: None,
            epic: None,
            sling: None,
        },
        closed: 1,
        total: 2,
        eta: None,
        waves: Vec::new(),
        stranded: Vec::new(),
    };
    let show = Command::MolShow { agent: None };
    let pages = [
        text(Command::Hook { agent: None }, Answer::Hook(Some(hook))),
        text(show.clone(), Answer::Mol(Some(mol.clone()))),
        for_people(&show, View::Current, &Answer::Mol(Some(mol)), &pen(None)),
        text(Command::Sling(Default::default()), Answer::Slung(slung)),
        text(
            Command::Done { exit: Default::default(), reason: None, leave: Default::default() },
            Answer::Submitted(done),
        ),
        text(Command::ConvoyShow("cv-1".parse().unwrap()), Answer::Convoy(convoy.clone())),
        text(Command::ConvoyList { all: false }, Answer::Convoys(vec![convoy])),
        text(Command::RigList, Answer::Rigs(vec![rig()])),
    ];
    insta::assert_snapshot!("work", pages.join("---\n"));
}

#[test]
fn events_are_told_in_words() {
    let record =
        |seq, actor: &str, event| Record { seq: Seq(seq), at: at(1), actor: actor.parse().unwrap(), event };
    let records = vec![
        record(
            1,
            "overseer",
            Event::BeadCreated { bead: std::sync::Arc::new(bead("web-1", "Fix the login")) },
        ),
        record(
            2,
            "web/refinery",
            Event::BeadClosed {
                bead: "web-1".parse().unwrap(),
                from: Status::Hooked,
                reason: "landed".into(),
            },
        ),
        record(3, "gastown", Event::MolCompleted { mol: "mol-1".parse().unwrap() }),
    ];
    let command = Command::Events(Default::default());
    let answer = Answer::Events(records);
    let feed = for_people(&command, View::Feed, &answer, &pen(None));
    insta::assert_snapshot!("events", text(command, answer) + &feed);
}

fn story(text: &str) -> Story {
    Story {
        about: "web-1".into(),
        state: "spent".into(),
        bead: None,
        agent: None,
        lines: vec![
            format!("web-1 is hooked: {text}"),
            "3 of 3 failures: crashed (3 times)".into(),
            "next: nothing".into(),
            "type: gastown recover web-1".into(),
            "   3 s ago  web/witness web/polecats/docs: crashed (signal 11)".into(),
        ],
        next: None,
        until: None,
        hint: None,
        saved: Vec::new(),
        failure_context: None,
    }
}

#[test]
fn a_story_and_what_was_brought_back_are_lines() {
    let why = Command::Why { about: "web-1".into() };
    let told = text(why, Answer::Story(Box::new(story("Fix the login"))));
    let row = |bead: &str, state: &str, did: &[&str], hint: Option<&str>, dry_run| RecoveredRow {
        bead: bead.parse().unwrap(),
        state: state.into(),
        did: did.iter().map(|did| (*did).to_owned()).collect(),
        hint: hint.map(str::to_owned),
        dry_run,
    };
    let rows = vec![
        row("web-1", "running", &["3 sessions had failed: the count begins anew"], None, false),
        row("web-2", "ready", &["it was blocked: open"], Some("gastown sling web-2 web"), true),
        row("web-3", "closed", &[], Some("gastown why web-3"), false),
    ];
    let recover = Command::Recover { beads: Vec::new(), all: true, rig: None, dry_run: false };
    let done = text(recover.clone(), Answer::Recovered(rows)) + &text(recover, Answer::Recovered(Vec::new()));
    insta::assert_snapshot!("recover", told + "---\n" + &done);
}

#[test]
fn what_agents_write_cannot_command_the_terminal() {
    let evil = "\x1b]0;x\x07\x1b[2J";
    let mut letter = letter();
    letter.subject = evil.into();
    letter.body = evil.into();
    for (command, answer) in [
        (Command::BeadList(BeadFilter::default()), Answer::Beads(vec![bead("web-1", evil).into()])),
        (Command::BeadShow(Vec::new()), Answer::BeadPage(Box::new(page(bead("web-1", evil))))),
        (Command::MailInbox { agent: None, unread: false }, Answer::Letters(vec![letter.clone()])),
        (Command::MailRead("m-1".parse().unwrap()), Answer::Letter(Box::new(letter))),
        (Command::Why { about: "x".into() }, Answer::Story(Box::new(story(evil)))),
        (
            Command::Peek { agent: "mayor/".into(), lines: None, at: None },
            Answer::Screen { agent: model::role::Address::Mayor, lines: vec![evil.into()], title: None },
        ),
    ] {
        let text = text(command, answer);
        assert!(!text.contains('\x1b') && !text.contains('\x07'), "{text:?}");
    }
}

#[test]
fn what_was_done_is_said() {
    let said = |command| text(command, Answer::Done);
    assert_eq!(
        said(Command::StepDone { step: "tests".into(), mol: None, output: None }),
        "Step tests is done\n"
    );
    assert_eq!(said(Command::Stop), "The town has stopped\n");
    let ids = vec!["web-1".parse().unwrap()];
    let close = Command::BeadClose { ids: ids.clone(), reason: None, force: false, suggest: false };
    assert_eq!(text(close, Answer::Touched(ids)), "Closed bead web-1\n");
    let create = Command::BeadCreate(NewBead::default());
    assert_eq!(text(create, Answer::Bead(Box::new(bead("web-1", "x")))), "Created bead web-1\n");
}

#[test]
fn only_polecats_are_polecats() {
    let mut mayor = agent("mayor/", "idle");
    mayor.rig = None;
    let answer = viewed(View::Polecats, Answer::Agents(vec![mayor, agent("web/polecats/docs", "idle")]));
    assert!(matches!(answer, Answer::Agents(agents) if agents.len() == 1));
}

#[test]
fn use_of_tokens_is_a_table_with_a_sum() {
    let row = |name: Option<&str>, about: Option<&str>, input, sessions| Row {
        name: name.map(str::to_owned),
        about: about.map(str::to_owned),
        used: Used {
            tokens: Tokens {
                input,
                output: 4_321,
                cache_write: 98_765,
                cache_write_1h: 1,
                cache_read: 1_234_567,
            },
            messages: 17,
        },
        sessions,
    };
    let rows =
        vec![row(Some("web-1"), Some("Fix the login that times out"), 1_200, 2), row(None, None, 7, 1)];
    let mut report = Report { by: By::Bead, since: None, rows, total: row(None, None, 1_207, 3) };
    let shown = |report: &Report, width| {
        let command = Command::Costs { by: report.by, since: report.since };
        for_people(&command, View::Usual, &Answer::Costs(Box::new(report.clone())), &pen(width))
    };
    let mut text = shown(&report, Some(110));
    report.since = Some("2026-01-31".parse().unwrap());
    report.rows.truncate(1);
    text.push_str(&shown(&report, None));
    report.rows.clear();
    text.push_str(&shown(&report, None));
    insta::assert_snapshot!("costs", text);
}

fn escalation(id: &str, severity: Severity, state: Stage) -> EscalationRow {
    let told = |route: &str, state, detail: &str| NoticeRow {
        round: 1,
        route: route.parse().unwrap(),
        state,
        attempts: u32::from(!route.starts_with("mail") && route != "bead"),
        at: Timestamp::from_millis(NOW - 60_000),
        detail: Some(detail.into()),
    };
    let closed = (state == Stage::Closed).then(|| Timestamp::from_millis(NOW - 1_000));
    let acked = (state != Stage::Open).then(|| Timestamp::from_millis(NOW - 30_000));
    EscalationRow {
        id: id.parse().unwrap(),
        severity,
        raised_as: Severity::Medium,
        reescalations: u32::from(severity != Severity::Medium),
        state,
        owner: Some(Address::Overseer),
        subject: "web/polecats/docs failed 3 times at web-3".into(),
        body: "To let it try again: gastown recover web-3".into(),
        source: Some("patrol:deacon".into()),
        bead: Some("web-3".parse().unwrap()),
        agent: Some("web/polecats/docs".parse().unwrap()),
        by: Address::Deacon,
        raised_at: Timestamp::from_millis(NOW - 7_200_000),
        age_s: 7_200,
        acked_at: acked,
        acked_by: acked.map(|_| Address::Overseer),
        note: acked.map(|_| "on it".into()),
        closed_at: closed,
        closed_by: closed.map(|_| Address::Overseer),
        close_reason: closed.map(|_| "fixed in 4711".into()),
        record: Some("hq-1".parse().unwrap()),
        notices: vec![
            told("bead", NoticeState::Delivered, "bead hq-1"),
            told("mail:overseer", NoticeState::Delivered, "letter m-7"),
            told("email:pat@example.org", NoticeState::Failing, "failed: connection refused"),
        ],
        context: Some(Box::new(Context {
            letters: vec![LetterNote {
                id: "m-5".parse().unwrap(),
                sent_at: Timestamp::from_millis(NOW - 8_000_000),
                from: "web/polecats/docs".parse().unwrap(),
                to: Address::Mayor,
                subject: "HELP: which schema?".into(),
                excerpt: "two tables or one".into(),
            }],
            ..Context::default()
        })),
    }
}

#[test]
fn escalations_are_a_table_and_a_page() {
    let rows = vec![
        escalation("esc-12", Severity::Critical, Stage::Open),
        escalation("esc-3", Severity::Medium, Stage::Acked),
        escalation("esc-1", Severity::Medium, Stage::Closed),
    ];
    let list = Command::EscalateList { all: true, unacked: false, severity: None };
    insta::assert_snapshot!("escalate_list", text(list, Answer::Escalations(rows)));
    let show = Command::EscalateShow { name: "esc-12".into() };
    let row = Box::new(escalation("esc-12", Severity::Critical, Stage::Open));
    insta::assert_snapshot!("escalate_show", text(show, Answer::Escalation(row)));
    let ack = Command::EscalateAck { names: vec!["esc-3".into()], note: None };
    let row = escalation("esc-3", Severity::High, Stage::Acked);
    assert_eq!(text(ack, Answer::Escalations(vec![row])), "esc-3 is acknowledged by overseer\n");
    let stale = StaleRow {
        id: "esc-3".parse().unwrap(),
        severity: Severity::Medium,
        to: Severity::High,
        due_at: Timestamp::from_millis(NOW + 600_000),
        done: false,
        subject: "main is red".into(),
    };
    let said = text(Command::EscalateStale { dry_run: true }, Answer::Stale(vec![stale]));
    assert!(said.contains("esc-3  medium    high     in 10m  main is red"), "{said}");
}
