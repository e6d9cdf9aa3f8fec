//! The post (P4): handled once, in order, put aside when it cannot be, and never in the way of others.

use serde_json::Value;

use crate::support::{Town, find};

fn town_with_faults() -> (Town, crate::support::repo::Origin) {
    let (town, origin) = Town::with_rig();
    town.configure("config/town.json", |config| config["allow_faults"] = true.into());
    (town, origin)
}

/// The dead letters, as soon as there are any.
fn dead(town: &Town) -> Vec<Value> {
    find("a dead letter", || {
        let rows = town.json(&["mail", "dead"]);
        rows.as_array().filter(|rows| !rows.is_empty()).cloned()
    })
}

#[test]
fn a_poison_letter_dies_with_its_report_and_takes_nobody_along() {
    let (town, origin) = town_with_faults();
    let running = town.run();
    for kind in ["POLECAT_STARTED", "MERGE_READY"] {
        town.gastown(&["fault", "poison-mail", kind]).ok();
    }
    let bead = town.work("Work", "echo x > x.txt");
    let ready = find("the Refinery's letter dies", || {
        dead(&town).into_iter().find(|row| row["kind"] == "MERGE_READY")
    });
    let started = dead(&town).into_iter().find(|row| row["kind"] == "POLECAT_STARTED").unwrap();
    for row in [&ready, &started] {
        let failures = row["failures"].as_array().unwrap();
        assert_eq!(failures.len(), 3, "{row}");
        let report = failures[0]["error"].as_str().unwrap();
        assert!(report.contains("panicked: poisoned on purpose"), "{row}");
        assert!(row["cause"].as_str().unwrap().contains("3 times"), "{row}");
    }
    assert!(town.events("actor.ended").is_empty(), "nobody died over it");
    let post = town.json(&["status"])["mail"].clone();
    assert_eq!(post["dead"], 2, "{post}");
    let refinery = post["boxes"].as_array().unwrap().iter().find(|of| of["address"] == "web/refinery");
    assert_eq!(refinery.unwrap()["dead"], 1, "{post}");

    town.gastown(&["mail", "retry", "m-99999", "--json"]).refused(4, "no_such_mail");
    town.gastown(&["fault", "poison-mail", "MERGE_READY", "--cure"]).ok();
    town.gastown(&["mail", "retry", ready["id"].as_str().unwrap()]).ok();
    town.event_of("bead.closed", &bead);
    town.event_of("hook.cleared", &bead);
    running.stop();
    assert_eq!(origin.landings(), [bead.as_str()]);
    let left = town.json(&["mail", "dead"]);
    assert_eq!((left.as_array().unwrap().len(), &left[0]["id"]), (1, &started["id"]), "and over a restart");
    // Without a runtime it is put back too; the next one handles it.
    town.gastown(&["mail", "retry", started["id"].as_str().unwrap()]).ok();
    town.all_lands();
    assert_eq!(town.json(&["mail", "dead"]), Value::Array(Vec::new()));
    assert_eq!(town.json(&["status"])["mail"]["dead"], 0);
}

#[test]
fn a_letter_to_one_who_is_away_waits_and_is_the_first_thing_it_sees() {
    let (town, _origin) = Town::with_rig();
    // It is away until a person starts it.
    town.configure("config/town.json", |config| config["policies"] = serde_json::json!({"judgement": false}));
    let send = |to: &str, subject: &str| {
        let sent = town.json(&["mail", "send", to, "-s", subject, "-m", "body"]);
        sent.as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let first = send("mayor/", "one");
    let all = send("@all", "two");
    let third = send("mayor/", "three");
    let prime = town.json(&["prime", "mayor/"]);
    let waiting: Vec<&str> =
        prime["mail"].as_array().unwrap().iter().map(|row| row["subject"].as_str().unwrap()).collect();
    assert_eq!(waiting, ["one", "two", "three"]);
    let text = prime["text"].as_str().unwrap();
    assert!(text.find("## Mail (3 unread)").unwrap() < text.find("on your hook").unwrap(), "{text}");
    assert!(all.len() > 3, "{all:?}");

    // A conversation keeps together, over the end of a runtime.
    let by_mayor = ["--actor", "mayor/"];
    let reply = |id: &str| town.json(&[&["mail", "reply", id, "-m", "answer"][..], &by_mayor].concat());
    let answer = reply(&first[0]);
    town.until_idle();
    let thread = town.json(&["mail", "thread", answer[0].as_str().unwrap()]);
    let of: Vec<&str> =
        thread.as_array().unwrap().iter().map(|row| row["subject"].as_str().unwrap()).collect();
    assert_eq!(of, ["one", "Re: one"]);
    assert_eq!(town.json(&["mail", "search", "ANSWER"]).as_array().unwrap().len(), 1);
    town.gastown(&["mail", "ack", &third[0], &third[0]]).ok();
    town.gastown(&["mail", "ack", &third[0]]).ok();
    let acked = town.events("mail.acked");
    assert_eq!(acked.iter().filter(|event| event["data"]["mail"] == *third[0]).count(), 1, "{acked:?}");
    let sees = town.json(&["mail", "inbox", "mayor/", "--unread"]);
    assert_eq!(sees.as_array().unwrap().len(), 2);
}

#[test]
fn a_role_that_is_killed_over_a_letter_says_so_when_it_is_back() {
    let (town, origin) = town_with_faults();
    let running = town.run();
    town.gastown(&["fault", "poison-mail", "POLECAT_DONE", "--hang"]).ok();
    let bead = town.work("Work", "echo x > x.txt");
    let letter = town.event("the letter is handed over", |event| {
        event["type"] == "mail.delivered"
            && town.json(&["mail", "read", event["data"]["mail"].as_str().unwrap()])["kind"] == "POLECAT_DONE"
    });
    let mut looks = 0;
    let failed = find("the handling counts as failed", || {
        // The Witness may not have taken it up yet; then nothing is counted, and it is killed again.
        if looks % 40 == 0 {
            town.gastown(&["fault", "kill-actor", "web/witness"]);
        }
        looks += 1;
        town.events("mail.failed").into_iter().next()
    });
    assert_eq!(failed["data"]["mail"], letter["data"]["mail"]);
    assert!(failed["data"]["error"].as_str().unwrap().contains("web/witness died"), "{failed}");
    town.gastown(&["fault", "poison-mail", "POLECAT_DONE", "--cure"]).ok();
    // Who hangs already does not look up: the next one does.
    find("the next one handles it", || {
        let said = town.gastown(&["fault", "kill-actor", "web/witness"]);
        (said.code == 0).then_some(())
    });
    town.event_of("hook.cleared", &bead);
    running.stop();
    assert_eq!(origin.landings(), [bead.as_str()]);
}

#[test]
fn a_body_of_a_mebibyte_goes_through_and_a_larger_one_is_refused_with_the_limit() {
    let (town, _origin) = Town::with_rig();
    let file = |name: &str, text: String| {
        let path = town.root.join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    // Each of these characters takes six as JSON.
    let full = file("full", "\u{1}".repeat(1024 * 1024));
    let over = file("over", "x".repeat(1024 * 1024 + 1));
    let send = |body: &str| town.gastown(&["mail", "send", "mayor/", "-s", "s", "-f", body, "--json"]);
    let running = town.run();
    for runtime in ["with", "without"] {
        let sent = send(&full).ok().json();
        let read = town.json(&["mail", "read", sent[0].as_str().unwrap()]);
        assert_eq!(read["body"].as_str().unwrap().len(), 1024 * 1024, "{runtime} a runtime");
        let error = send(&over).refused(2, "usage");
        assert!(error["message"].as_str().unwrap().contains("1 MiB"), "{error}");
        if runtime == "with" {
            town.gastown(&["stop"]).ok();
        }
    }
    drop(running);
    assert_eq!(town.events("mail.sent").len(), 2);
}
