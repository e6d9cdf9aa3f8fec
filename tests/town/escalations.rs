//! What people have to know gets to them, once, by each of its ways: over restarts, over a runtime that is killed
//! while a message goes out, and over servers that are not there.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::outside::{self, Email, Manners, Request, Server};
use crate::support::agent;
use crate::support::{Town, eventually, find};

/// Writes the town's `config/escalation.json`.
fn configure(town: &Town, config: Value) {
    let mut config = config;
    config["version"] = 1.into();
    let path = town.root.join("config/escalation.json");
    std::fs::write(path, serde_json::to_string_pretty(&config).unwrap()).unwrap();
}

/// The ways out of the town, all on loopback.
struct Outside {
    mail: Server<Email>,
    web: Server<Request>,
}

impl Outside {
    fn new() -> Outside {
        Outside { mail: outside::mail_server(), web: outside::web_server() }
    }

    fn config(&self, routes: &[&str]) -> Value {
        json!({
            "routes": {"critical": routes},
            "smtp": {"host": "127.0.0.1", "port": self.mail.port, "from": "town@example.org"},
            "webhooks": {"pager": {"url": format!("http://127.0.0.1:{}/hook", self.web.port)}},
            "commands": {"bell": {"run": ["/bin/sh", "-c", "cat >> told; echo rung"]}},
            "retry": {"first": "50ms", "most": "100ms"},
        })
    }

    /// The names of the messages that came by HTTP.
    fn keys(&self) -> Vec<String> {
        self.web.heard().iter().map(|request| request.headers["idempotency-key"].clone()).collect()
    }
}

#[track_caller]
fn raise(town: &Town, subject: &str) -> Value {
    town.json(&["escalate", subject, "-s", "critical", "-m", "since noon"])
}

/// The states of the messages about an escalation.
fn states(town: &Town, id: &str) -> Vec<String> {
    let row = town.json(&["escalate", "show", id]);
    let notices = row["notices"].as_array().unwrap().iter();
    notices
        .map(|notice| format!("{} {}", notice["route"].as_str().unwrap(), notice["state"].as_str().unwrap()))
        .collect()
}

#[track_caller]
fn all_there(town: &Town, id: &str) {
    eventually(&format!("every message about {id} is there"), || {
        states(town, id).iter().all(|state| state.ends_with(" delivered"))
    });
}

const WAYS: [&str; 5] = ["bead", "mail:overseer", "email:pat@example.org", "webhook", "command:bell"];

#[test]
fn each_way_brings_exactly_one_message_over_restarts() {
    let town = Town::new();
    let out = Outside::new();
    configure(&town, out.config(&WAYS));
    // Raised without a runtime: what the ledger can do is done, the rest waits for one.
    let first = raise(&town, "main is red");
    assert_eq!(first["id"], "esc-1");
    assert_eq!(
        states(&town, "esc-1"),
        [
            "bead delivered",
            "mail:overseer delivered",
            "email:pat@example.org planned",
            "webhook planned",
            "command:bell planned"
        ]
    );
    let running = town.run();
    all_there(&town, "esc-1");
    // And raised under a living one.
    raise(&town, "the disk is full");
    all_there(&town, "esc-2");
    running.stop();
    for _ in 0..2 {
        let running = town.run();
        all_there(&town, "esc-2");
        running.stop();
    }

    let emails = out.mail.heard();
    let subjects: Vec<&str> = emails.iter().filter_map(|email| email.header("Subject")).collect();
    assert_eq!(subjects, ["[town] [critical] main is red", "[town] [critical] the disk is full"]);
    assert!(emails[0].text.contains("since noon") && emails[0].text.contains("gastown escalate ack esc-1"));
    let requests = out.web.heard();
    assert_eq!(requests.len(), 2);
    let body: Value = serde_json::from_str(&requests[0].body).unwrap();
    assert_eq!(
        (&body["escalation"], &body["severity"], &body["priority"]),
        (&"esc-1".into(), &"critical".into(), &"P0".into())
    );
    assert_eq!((&body["body"], &body["record"]), (&"since noon".into(), &first["record"]));
    assert_eq!(out.keys().iter().collect::<BTreeSet<_>>().len(), 2);
    assert_eq!(out.keys()[0], body["id"]);
    let told = std::fs::read_to_string(town.root.join("told")).unwrap();
    let told: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    let inbox = town.json(&["mail", "inbox", "overseer", "--unread"]);
    assert_eq!(inbox.as_array().unwrap().len(), 2, "{inbox}");
    let beads = town.json(&["bead", "list", "--type", "escalation"]);
    assert_eq!(beads.as_array().unwrap().len(), 2);
    assert!(beads.as_array().unwrap().iter().all(|bead| bead["priority"] == 0), "{beads}");
    // What was recorded says the same.
    assert_eq!(town.events("escalation.notified").len(), 2 * WAYS.len());
    assert_eq!(town.events("escalation.sending").len(), 2 * 3);
    town.assert_nothing_runs();
}

#[test]
fn a_runtime_that_is_killed_before_a_message_goes_out_sends_it_once_when_it_is_back() {
    for route in ["webhook", "email:pat@example.org"] {
        let town = Town::new();
        let out = Outside::new();
        configure(&town, out.config(&[route]));
        raise(&town, "main is red");
        dies(&town, "notify.send:1:kill");
        assert_eq!(out.mail.heard().len() + out.web.heard().len(), 0, "it died before");
        let running = town.run();
        all_there(&town, "esc-1");
        running.stop();
        assert_eq!(out.mail.heard().len() + out.web.heard().len(), 1, "{route}");
    }
}

/// Runs the town until it dies at a place.
fn dies(town: &Town, fault: &str) {
    let mut command = town.command(&town.root, &["run"]);
    command.env("GASTOWN_FAULT", fault);
    let running = town.begin(command);
    eventually("the runtime has died", || !running.lives());
}

/// Nobody knows whether a message got through over which the runtime died. Whoever gets it twice can tell by its
/// name; where that is not enough, it is left alone.
#[test]
fn a_runtime_that_is_killed_when_a_message_is_out_sends_the_same_one_again_or_none() {
    let town = Town::new();
    let out = Outside::new();
    configure(&town, out.config(&["webhook", "email:pat@example.org"]));
    raise(&town, "main is red");
    // The first of the two kills it; how far the other has come by then is chance.
    dies(&town, "notify.sent:1:kill");
    let running = town.run();
    all_there(&town, "esc-1");
    running.stop();
    let ids: BTreeSet<String> =
        out.mail.heard().iter().map(|email| email.header("Message-ID").unwrap().to_owned()).collect();
    assert_eq!((ids.len(), out.keys().iter().collect::<BTreeSet<_>>().len()), (1, 1));
    assert!(out.keys().len() <= 2 && out.mail.heard().len() <= 2);
    assert!(out.keys().len() + out.mail.heard().len() > 2, "one of them was out when it died");
    let again: Vec<Value> =
        out.web.heard().iter().map(|request| serde_json::from_str(&request.body).unwrap()).collect();
    assert!(again.iter().skip(1).all(|body| body["in_doubt"] == true), "{again:?}");

    let town = Town::new();
    let out = Outside::new();
    let mut config = out.config(&["webhook"]);
    config["in_doubt"] = "leave".into();
    configure(&town, config);
    raise(&town, "main is red");
    dies(&town, "notify.sent:1:kill");
    let running = town.run();
    eventually("it is left alone", || states(&town, "esc-1") == ["webhook unknown"]);
    running.stop();
    assert_eq!(out.web.heard().len(), 1, "exactly one");
    let status = town.json(&["status"]);
    assert!(status["attention"].to_string().contains("webhook"), "{status}");
}

#[test]
fn a_server_that_is_not_there_is_told_of_and_holds_nothing_up() {
    let (town, origin) = Town::with_rig();
    let out = Outside::new();
    let mut config = out.config(&["bead", "email:pat@example.org"]);
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    config["smtp"]["port"] = nowhere.into();
    config["retry"]["attempts"] = 2.into();
    configure(&town, config.clone());
    raise(&town, "main is red");
    let bead = town.work("Beside it", "echo x > x.txt");
    let said = town.until_idle();
    assert_eq!(origin.landings(), [bead], "{said:?}");
    assert_eq!(said.code, 1, "somebody has to know of it: {said:?}");

    let running = town.run();
    eventually("it is given up", || states(&town, "esc-1")[1] == "email:pat@example.org failed");
    let status = town.json(&["status"]);
    let attention = status["attention"].to_string();
    assert!(attention.contains("esc-1 does not get through by email:pat@example.org"), "{attention}");
    assert!(attention.contains("gastown escalate retry esc-1"), "{attention}");
    assert_eq!(status["escalations"], json!({"open": 1, "acked": 0, "undelivered": 1}));
    let doctor = town.gastown(&["doctor", "--json"]).json();
    let row = doctor.as_array().unwrap().iter().find(|row| row["check"] == "escalation").unwrap();
    assert_eq!(row["status"], "warn", "{row}");

    // A person mends the file, which is taken up, and asks for another try.
    config["smtp"]["port"] = out.mail.port.into();
    configure(&town, config);
    eventually("it gets through", || {
        if states(&town, "esc-1")[1].ends_with("failed") {
            town.gastown(&["escalate", "retry", "esc-1"]);
        }
        states(&town, "esc-1")[1].ends_with("delivered")
    });
    assert_eq!(out.mail.heard().len(), 1);
    let doctor = town.gastown(&["doctor", "--json"]).json();
    assert!(
        doctor.as_array().unwrap().iter().any(|row| row["check"] == "escalation" && row["status"] == "ok")
    );
    running.stop();
    town.assert_nothing_runs();
}

#[test]
fn a_server_in_trouble_is_asked_again_and_one_that_refuses_is_not() {
    let town = Town::new();
    let out = Outside::new();
    configure(&town, out.config(&["webhook"]));
    let running = town.run();
    out.web.behave(Manners::Answers(503));
    raise(&town, "main is red");
    eventually("it was tried twice", || out.web.heard().len() >= 2);
    out.web.behave(Manners::Good);
    all_there(&town, "esc-1");
    let keys: BTreeSet<String> = out.keys().into_iter().collect();
    assert_eq!(keys.len(), 1, "one message, however often it is tried");
    let before = out.web.heard().len();

    out.web.behave(Manners::Answers(403));
    raise(&town, "the disk is full");
    eventually("it is refused", || states(&town, "esc-2") == ["webhook failed"]);
    let shown = town.gastown(&["escalate", "show", "esc-2"]).ok().stdout;
    assert!(shown.contains("HTTP 403"), "{shown}");
    // Somebody takes note: nothing more is sent, whatever the server does.
    town.gastown(&["escalate", "ack", "esc-2"]).ok();
    running.stop();
    assert_eq!(out.web.heard().len(), before + 1);
}

#[test]
fn what_nobody_takes_note_of_becomes_graver_twice_and_is_sent_again_each_time() {
    let town = Town::new();
    let out = Outside::new();
    let mut config = out.config(&["webhook"]);
    config["routes"]["high"] = json!(["webhook", "mail:overseer"]);
    config["routes"]["low"] = json!(["bead"]);
    config["stale_after"] = "100ms".into();
    configure(&town, config);
    let running = town.run();
    town.gastown(&["escalate", "main is red", "-s", "low"]).ok();
    eventually("it has climbed as far as it may", || town.events("escalation.reescalated").len() == 2);
    let row = town.json(&["escalate", "show", "esc-1"]);
    assert_eq!((&row["severity"], &row["raised_as"]), (&"high".into(), &"low".into()));
    all_there(&town, "esc-1");
    assert_eq!(town.bead_shown(row["record"].as_str().unwrap())["priority"], 1);
    assert_eq!(out.web.heard().len(), 1);

    // Another of which a person takes note in time stays as it is; by whichever way they do.
    town.gastown(&["escalate", "look here", "-s", "critical"]).ok();
    all_there(&town, "esc-2");
    town.gastown(&["escalate", "close", "esc-2", "--reason", "seen"]).ok();
    running.stop();
    assert_eq!(town.events("escalation.reescalated").len(), 2);
    let list = town.json(&["escalate", "list"]);
    let ids: Vec<&str> = list.as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["esc-1"]);
    assert_eq!(town.json(&["escalate", "list", "--all"]).as_array().unwrap().len(), 2);
}

#[test]
fn the_third_failure_makes_one_bead_with_all_that_is_known_and_one_message() {
    let (town, _origin) = Town::with_rig();
    let out = Outside::new();
    configure(&town, out.config(&["bead", "mail:mayor", "mail:overseer", "webhook"]));
    agent::preset(&town, "brittle", "echo \"no luck $GASTOWN_SESSION\"; exit 3", json!({ "brief": "none" }));
    let bead = town.bead("Breaks", "true");
    town.gastown(&["sling", &bead, "web", "--agent", "brittle"]).ok();
    let said = town.until_idle();
    assert_eq!(said.code, 1, "{said:?}");
    let raised = town.events("escalation.raised");
    assert_eq!(raised.len(), 1, "{raised:?}");
    let beads = town.json(&["bead", "list", "--type", "escalation"]);
    let beads = beads.as_array().unwrap();
    assert_eq!((beads.len(), &beads[0]["priority"]), (1, &0.into()));
    let sessions: Vec<String> = town
        .events("agent.started")
        .iter()
        .filter(|event| event["data"]["bead"] == bead.as_str())
        .map(|event| event["data"]["session"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(sessions.len(), 3);
    let description = beads[0]["description"].as_str().unwrap();
    for session in &sessions {
        assert_eq!(description.matches(&format!("no luck {session}")).count(), 1, "{description}");
    }
    let letters = |who: &str| {
        let inbox = town.json(&["mail", "inbox", who]);
        inbox.as_array().unwrap().iter().filter(|row| row["kind"] == "ESCALATION").count()
    };
    assert_eq!((letters("mayor/"), letters("overseer")), (1, 1));
    let heard = out.web.heard();
    assert_eq!(heard.len(), 1, "and it has gone out before the run has ended");
    let body: Value = serde_json::from_str(&heard[0].body).unwrap();
    assert_eq!(body["context"]["failures"].as_array().unwrap().len(), 3, "{body}");
    // It is no work.
    let refused = town.gastown(&["sling", beads[0]["id"].as_str().unwrap(), "web", "--json"]);
    assert_eq!((refused.code, &refused.error()["code"]), (5, &"not_work".into()));
    assert!(
        town.json(&["bead", "ready"]).as_array().unwrap().iter().all(|ready| ready["id"] != beads[0]["id"])
    );
    town.assert_nothing_runs();
}

#[test]
fn a_call_to_the_witness_climbs_to_the_mayor_and_to_a_person() {
    let (town, _origin) = Town::with_rig();
    configure(&town, json!({"help_deadline": "50ms"}));
    // Nobody is there to answer.
    for seat in ["web/witness", "mayor/"] {
        town.gastown(&["agent", "stop", seat]).ok();
    }
    let words = ["mail", "send", "web/witness", "--kind", "help", "-s", "Schema", "-m", "two or one?"];
    town.gastown(&[&words[..], &["--actor", "web/refinery"]].concat()).ok();
    let running = town.run();
    let row = find("a person is told", || {
        let list = town.json(&["escalate", "list"]);
        list.as_array().unwrap().iter().find(|row| row["severity"] == "high").cloned()
    });
    assert_eq!((&row["raised_as"], &row["reescalations"]), (&"medium".into(), &1.into()));
    eventually("it is there", || {
        let inbox = town.json(&["mail", "inbox", "overseer"]);
        inbox.as_array().unwrap().iter().filter(|row| row["kind"] == "ESCALATION").count() == 1
    });
    let inbox = town.json(&["mail", "inbox", "mayor/"]);
    assert!(inbox.as_array().unwrap().iter().any(|row| row["kind"] == "ESCALATION"), "{inbox}");
    running.stop();
    assert_eq!(town.events("escalation.raised").len(), 1);
}

#[test]
fn a_file_that_makes_no_sense_is_named_and_the_last_good_one_stays() {
    let town = Town::new();
    let out = Outside::new();
    configure(&town, out.config(&["webhook"]));
    let running = town.run();
    for (wrong, said) in [
        (json!({"routs": {}}), "routes"),
        (json!({"routes": {"critical": ["webhok"]}}), "did you mean"),
        (json!({"routes": {"critical": ["email:pat@example.org"]}}), "smtp"),
        (
            json!({"smtp": {"host": "example.org", "from": "a@b.c", "tls": "none", "username": "x", "password_env": "Y"}}),
            "clear",
        ),
    ] {
        configure(&town, wrong);
        eventually("the file is complained about", || {
            town.json(&["status"])["attention"].to_string().contains(said)
        });
    }
    raise(&town, "main is red");
    all_there(&town, "esc-1");
    assert_eq!(out.web.heard().len(), 1);
    running.stop();
    let start = town.gastown(&["run", "--json"]);
    assert_ne!(start.code, 0);
    assert!(start.stderr.contains("escalation.json"), "{start:?}");
}

#[test]
fn secrets_come_from_the_environment_or_a_file_and_are_never_said() {
    let town = Town::new();
    let out = Outside::new();
    let mut config = out.config(&["webhook", "email:pat@example.org"]);
    config["webhooks"]["pager"] = json!({"url_file": "config/pager", "token_env": "PAGER_TOKEN"});
    config["smtp"]["username"] = "town".into();
    config["smtp"]["password_file"] = "config/password".into();
    configure(&town, config);
    raise(&town, "main is red");
    let running = town.run();
    let wants = |what: &str| {
        eventually(&format!("{what} is missed"), || {
            town.gastown(&["escalate", "show", "esc-1"]).stdout.contains(what)
        });
    };
    wants("config/pager");
    std::fs::write(town.root.join("config/pager"), format!("http://127.0.0.1:{}/quiet\n", out.web.port))
        .unwrap();
    std::fs::write(town.root.join("config/password"), "hush\n").unwrap();
    wants("PAGER_TOKEN is not set");
    running.stop();
    let mut command = town.command(&town.root, &["run"]);
    command.env("PAGER_TOKEN", "hush");
    let running = town.begin(command);
    eventually("the runtime answers", || town.answers());
    all_there(&town, "esc-1");
    assert_eq!(out.web.heard()[0].headers["authorization"], "Bearer hush");
    assert_eq!(out.web.heard()[0].line, "POST /quiet HTTP/1.1");
    assert!(out.mail.heard()[0].login.is_some());
    let doctor = town.gastown(&["doctor", "--json"]);
    assert!(doctor.stdout.contains("chmod 600"), "{doctor:?}");
    let said = town.gastown(&["escalate", "show", "esc-1", "--json"]).stdout + &doctor.stdout + &town.story();
    running.stop();
    let log = std::fs::read_to_string(town.root.join("logs/town.log")).unwrap_or_default();
    for secret in ["hush", "quiet"] {
        assert!(!said.contains(secret) && !log.contains(secret), "{secret} was said");
    }
    town.assert_nothing_runs();
}

/// A worker in trouble says so: whoever is told sees what it has so far, and what was written to and by it.
#[test]
fn a_worker_that_escalates_brings_its_worktree_and_its_letters_along() {
    let (town, _origin) = Town::with_rig();
    let gone_on = town.barrier("go on");
    let script = format!(
        "echo half > half.txt\ngt mail send overseer -s 'Which one?' -m 'left or right' > /dev/null\n\
         gt escalate 'I am stuck' -s high --bead $GASTOWN_BEAD -m 'cannot decide' > /dev/null\n{gone_on}"
    );
    let bead = town.bead("Half", &script);
    town.gastown(&["sling", &bead, "web"]).ok();
    let running = town.run();
    let raised = town.event("it says so", |event| event["type"] == "escalation.raised");
    let id = raised["data"]["escalation"].as_str().unwrap();
    let row = town.json(&["escalate", "show", id]);
    assert_eq!((&row["by"], &row["bead"]), (&"web/polecats/frontend".into(), &bead.as_str().into()));
    let context = &row["context"];
    assert!(context["diff"].as_str().unwrap().contains("half.txt"), "{row}");
    assert_eq!(context["letters"][0]["subject"], "Which one?");
    let page = town.gastown(&["show", id]).ok().stdout;
    assert!(
        page.contains("half.txt") && page.contains("left or right") && page.contains("cannot decide"),
        "{page}"
    );
    town.open("go on");
    running.stop();
}

#[test]
fn a_deacon_that_dies_over_a_message_leaves_it_to_the_one_that_is_sending_it() {
    let town = Town::new();
    town.configure("config/town.json", |config| config["allow_faults"] = true.into());
    let out = Outside::new();
    let mut config = out.config(&["command:bell"]);
    let script = format!("cat >> told; {}", town.barrier("go on"));
    config["commands"]["bell"]["run"] = json!(["/bin/sh", "-c", script]);
    configure(&town, config);
    let running = town.run();
    raise(&town, "main is red");
    let told = || std::fs::read_to_string(town.root.join("told")).unwrap_or_default().lines().count();
    eventually("the program has been told", || told() == 1);
    for _ in 0..2 {
        town.gastown(&["fault", "kill-actor", "deacon"]).ok();
        town.event("the Deacon was killed", |event| {
            event["type"] == "actor.ended" && event["data"]["name"] == "deacon"
        });
        eventually("it is back", || town.gastown(&["escalate", "stale"]).code == 0);
    }
    town.open("go on");
    all_there(&town, "esc-1");
    running.stop();
    assert_eq!(told(), 1);
    assert_eq!(town.events("escalation.sending").len(), 1);
    town.assert_nothing_runs();
}
