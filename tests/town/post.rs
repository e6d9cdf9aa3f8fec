//! The post by the public commands, at size and with everything that people put into letters.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::support::{Town, find};

#[test]
fn thousands_of_letters_from_many_at_once_are_all_there_in_order() {
    const SENDERS: usize = 16;
    const EACH: usize = 625;
    let (town, _origin) = Town::with_rig();
    let running = town.run();
    let sent = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for sender in 0..SENDERS {
            let (town, sent) = (&town, &sent);
            scope.spawn(move || {
                for n in 0..EACH {
                    // Some two hundred bytes each, so that the list is far longer than one frame of a client.
                    let body = format!("{sender}/{n} {}", "x".repeat(200));
                    let key = format!("{sender}-{n}");
                    let send = json!({"mail_send": {
                        "to": "overseer", "subject": format!("{sender} {n}"), "body": body, "kind": null, "key": key,
                    }});
                    let answer = town.ask(&send);
                    assert!(answer["ok"]["data"][0].is_string(), "{answer}");
                    sent.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(sent.into_inner(), SENDERS * EACH);
    let check = || {
        let said = town.gastown(&["mail", "inbox", "overseer", "--json"]).ok();
        assert!(said.stdout.len() > 1 << 20);
        let rows = said.json();
        let rows = rows.as_array().unwrap();
        assert_eq!(rows.len(), SENDERS * EACH);
        let mut next = [0; SENDERS];
        let mut ids = BTreeSet::new();
        for row in rows {
            assert!(ids.insert(row["id"].as_str().unwrap().to_owned()));
            let subject = row["subject"].as_str().unwrap();
            let (sender, n) = subject.split_once(' ').unwrap();
            let sender: usize = sender.parse().unwrap();
            assert_eq!(n.parse::<usize>().unwrap(), next[sender], "of {sender}, in the order it was written");
            next[sender] += 1;
        }
    };
    check();
    // A retry of each sender's last letter, whose answer it may have missed, changes nothing.
    for sender in 0..SENDERS {
        let n = EACH - 1;
        let body = format!("{sender}/{n} {}", "x".repeat(200));
        let again = json!({"mail_send": {
            "to": "overseer", "subject": format!("{sender} {n}"), "body": body, "kind": null,
            "key": format!("{sender}-{n}"),
        }});
        assert!(town.ask(&again)["ok"]["data"][0].is_string());
    }
    check();
    running.stop();
    check();
}

#[test]
fn a_letter_that_is_sent_again_under_its_id_is_the_same_over_kills() {
    let (town, _origin) = Town::with_rig();
    let send = |id: &str, body: &str| {
        town.gastown(&["mail", "send", "mayor/", "-s", "s", "-m", body, "--id", id, "--json"])
    };
    let first = send("driver-1", "x").ok().json();
    let running = town.run();
    assert_eq!(send("driver-1", "x").ok().json(), first);
    let second = send("driver-2", "x").ok().json();
    assert_ne!(first, second);
    running.kill9();
    assert_eq!(send("driver-2", "x").ok().json(), second);
    town.gastown(&["mail", "ack", second[0].as_str().unwrap()]).ok();
    assert_eq!(send("driver-2", "x").ok().json(), second, "also of one that was dealt with");
    send("driver-2", "other words").refused(5, "key_in_use");
    assert_eq!(town.json(&["mail", "inbox", "mayor/"]).as_array().unwrap().len(), 2);
    town.gastown(&["ledger", "verify"]).ok();
}

#[test]
fn whatever_people_put_into_a_letter_comes_out_again() {
    let (town, _origin) = Town::with_rig();
    let file = town.root.join("body");
    let bodies = [
        "two\nlines\n\n  and a third, with \"quotes\", 'more' and \\backslashes\\",
        "emoji 🐱\u{200d}💻, ﷽, combining e\u{301}, right-to-left \u{202e}x",
        "escapes \u{1b}[31mred\u{1b}[0m and \u{7} bells, tabs\tand\r\ncarriage returns",
        "@gt:ok#1 {} is no answer, and neither is a line of its own:\n@gt:x#1 done",
        "",
        "nul \0 inside",
    ];
    for body in bodies {
        std::fs::write(&file, body).unwrap();
        let words = ["mail", "send", "mayor/", "-s", "s \"q\" 🐱", "-f", file.to_str().unwrap()];
        let id = town.json(&words)[0].as_str().unwrap().to_owned();
        let read = town.json(&["mail", "read", &id]);
        assert_eq!((&read["body"], &read["subject"]), (&body.into(), &"s \"q\" 🐱".into()));
        // What a person sees carries no control characters of the letter.
        let shown = town.gastown(&["mail", "read", &id]).ok().stdout;
        assert!(!shown.contains('\u{1b}') && !shown.contains('\0') && !shown.contains('\u{7}'), "{shown:?}");
    }
    let inbox = town.json(&["mail", "inbox", "mayor/"]);
    let ids: Vec<&str> = inbox.as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap()).collect();
    let several = town.json(&[&["mail", "read"][..], &ids].concat());
    assert_eq!(several.as_array().unwrap().len(), bodies.len());
    assert!(town.gastown(&["mail", "read", ids[1], ids[0]]).ok().stdout.contains("and a third"));
    town.gastown(&["mail", "read", ids[0], "m-99999", "--json"]).refused(4, "no_such_mail");
    for subject in ["", " ", "two\nlines", &"x".repeat(501)] {
        town.gastown(&["mail", "send", "mayor/", "-s", subject, "-m", "x", "--json"]).refused(2, "usage");
    }
}

#[test]
fn every_group_is_written_to_and_a_slip_finds_the_right_one() {
    let (town, _origin) = Town::with_rig();
    let send = |to: &str| town.gastown(&["mail", "send", to, "-s", "s", "-m", "x", "--json"]);
    let to = |group: &str| -> BTreeSet<String> {
        let ids = send(group).ok().json();
        let of = |id: &Value| {
            town.json(&["mail", "read", id.as_str().unwrap()])["to"].as_str().unwrap().to_owned()
        };
        ids.as_array().unwrap().iter().map(of).collect()
    };
    let set = |names: &[&str]| -> BTreeSet<String> { names.iter().map(|name| (*name).to_owned()).collect() };
    assert_eq!(to("@all"), set(&["mayor/", "deacon/", "web/witness", "web/refinery"]));
    assert_eq!(to("@mayor"), set(&["mayor/"]));
    assert_eq!(to("@rig/web"), set(&["web/witness", "web/refinery"]));
    assert_eq!(to("@witnesses"), set(&["web/witness"]));
    let head = town.json(&["status"])["town"]["seq"].clone();
    for (wrong, code, near) in [
        ("@polecats", "empty_group", ""),
        ("@al", "no_such_group", "@all"),
        ("@witneses", "no_such_group", "@witnesses"),
        ("@rig/wbe", "no_such_rig", "web"),
        ("maior/", "no_such_agent", "mayor/"),
        ("web/witnes", "no_such_agent", "web/witness"),
        ("nobody-at-all", "no_such_agent", "agent list"),
    ] {
        let error = send(wrong).refused(4, code);
        assert!(error["hint"].as_str().unwrap().contains(near), "{wrong}: {error}");
    }
    assert_eq!(town.json(&["status"])["town"]["seq"], head, "nothing was stored");
}

#[test]
fn a_letter_reaches_whoever_is_next_of_a_name_and_whoever_it_was_renamed_to() {
    let (town, origin) = Town::with_rig();
    let pool = |names: &[&str]| {
        town.configure("web/config.json", |config| config["workers"] = json!(names));
    };
    let send = |to: &str, subject: &str| {
        town.gastown(&["mail", "send", to, "-s", subject, "-m", "x"]).ok();
    };
    let unread = |who: &str| -> Vec<String> {
        let rows = town.json(&["mail", "inbox", who, "--unread"]);
        rows.as_array().unwrap().iter().map(|row| row["subject"].as_str().unwrap().to_owned()).collect()
    };
    pool(&["nux"]);
    town.work("First", "echo 1 > 1.txt");
    town.all_lands();
    // Gone from the pool, the name still has its mailbox; letters wait there for the next of that name.
    pool(&["other"]);
    send("web/nux", "one");
    send("web/polecats/nux", "two");
    assert_eq!(unread("web/nux"), ["one", "two"]);
    pool(&["nux"]);
    let brief = town.folder.join("brief");
    town.work("Second", &format!("gt mail inbox --json > {}; echo 2 > 2.txt", brief.display()));
    town.all_lands();
    let seen: Value = serde_json::from_str(&std::fs::read_to_string(&brief).unwrap()).unwrap();
    let seen: Vec<&str> = seen.as_array().unwrap().iter().filter_map(|row| row["subject"].as_str()).collect();
    assert!(seen.contains(&"one") && seen.contains(&"two"), "{seen:?}");

    // Renamed, with a runtime up: letters of before and after, and the pool's old name, are the successor's.
    send("web/nux", "three");
    let running = town.run();
    assert_eq!(town.json(&["agent", "rename", "web/nux", "furiosa"]), "web/polecats/furiosa");
    town.gastown(&["agent", "rename", "web/nux", "furiosa"]).ok();
    send("web/nux", "four");
    assert_eq!(unread("web/polecats/furiosa"), ["three", "four"]);
    assert_eq!(unread("web/nux"), ["three", "four"]);
    let agents = town.json(&["agent", "list"]);
    let agents: Vec<&str> =
        agents.as_array().unwrap().iter().filter_map(|row| row["address"].as_str()).collect();
    assert!(agents.contains(&"web/polecats/furiosa") && !agents.contains(&"web/polecats/nux"), "{agents:?}");
    let story = town.gastown(&["why", "web/nux"]).ok().stdout;
    assert!(story.contains("web/polecats/nux is called web/polecats/furiosa"), "{story}");
    assert!(story.contains("took") && story.contains("off the hook of web/polecats/nux"), "{story}");
    let bead = town.work("Third", "echo 3 > 3.txt");
    assert_eq!(town.event_of("hook.set", &bead)["data"]["agent"], "web/polecats/furiosa");
    town.event_of("hook.cleared", &bead);
    find("the letters are read", || unread("web/furiosa").is_empty().then_some(()));
    running.stop();
    assert_eq!(origin.landings().len(), 3);
    // One identity, with its whole history.
    assert_eq!(town.agent("web/polecats/furiosa")["sessions"], 3);
    town.gastown(&["agent", "rename", "web/furios", "x", "--json"]).refused(4, "no_such_agent");
    town.gastown(&["ledger", "rebuild"]).ok();
}

#[test]
fn whatever_has_a_name_is_shown_by_it() {
    let (town, _origin) = Town::with_rig();
    let first = town.work("First", "echo 1 > 1.txt");
    let second = town.bead("Second", "x");
    let convoy = town.json(&["convoy", "create", "both", &first, &second])["id"].as_str().unwrap().to_owned();
    let letter =
        town.json(&["mail", "send", "mayor/", "-s", "Hello", "-m", "words"])[0].as_str().unwrap().to_owned();
    town.all_lands();
    town.gastown(&["escalate", "Look here", "-s", "high", "-m", "why"]).ok();
    let escalation = town.events("escalation.raised")[0]["data"]["escalation"].as_str().unwrap().to_owned();
    town.gastown(&["mail", "ack", &letter]).ok();
    let merge = town.json(&["mq", "list", "--all"])[0]["id"].as_str().unwrap().to_owned();
    let mol = town.events("mol.created")[0]["data"]["mol"].as_str().unwrap().to_owned();
    let check = || {
        for (name, key, value) in [
            (first.as_str(), "title", "First"),
            (&letter, "subject", "Hello"),
            (&merge, "bead", &first),
            (&mol, "bead", &first),
            (&convoy, "name", "both"),
            (&escalation, "subject", "Look here"),
            ("mayor/", "address", "mayor/"),
            ("web/refinery", "role", "refinery"),
            ("1", "type", "rig.added"),
        ] {
            let said = town.gastown(&["show", name, "--json"]).ok();
            let shown =
                said.stdout.lines().next().map(|line| serde_json::from_str::<Value>(line).unwrap()).unwrap();
            let shown = if shown.is_array() { shown[0].clone() } else { shown };
            assert_eq!(shown[key], value, "{name}: {shown}");
            let text = town.gastown(&["show", name]).ok().stdout;
            assert!(text.contains(name) || text.contains(value), "{name}: {text}");
        }
        for name in [&merge, &mol, &letter, &convoy] {
            town.gastown(&["bead", "show", name]).ok();
        }
        let error = town.gastown(&["show", &format!("{first}x"), "--json"]).refused(4, "no_such_record");
        assert!(error["hint"].as_str().unwrap().contains(&first), "{error}");
        town.gastown(&["show", "999999", "--json"]).refused(4, "no_such_event");
        town.gastown(&["show", "web/refinry", "--json"]).refused(4, "no_such_record");
        town.gastown(&["bead", "show", &format!("{first}x"), "--json"]).refused(4, "no_such_bead");
    };
    check();
    let running = town.run();
    check();
    running.stop();
}
