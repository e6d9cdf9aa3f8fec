//! Agents that misbehave in every way that has a verdict, many at a time, while roles, agents and the runtime are
//! killed at random. In the end each bead has landed once or is a person's, nothing that anybody wrote is lost,
//! no bead ever had two sessions at once, and nothing runs any more.
//!
//! A dozen beads in `cargo test`. The whole of it:
//!
//! ```text
//! GASTOWN_CHAOS_SECONDS=600 cargo test --release --test town chaos -- --nocapture
//! ```
//!
//! goes on for ten minutes with thirty workers; `GASTOWN_CHAOS_SEED` changes what is done when.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::repo::{Origin, run};
use crate::support::{Running, Town, agent, eventually, lives, signal};

/// What an agent does in a session is chosen by its bead's title, the number of its session and the seed. Odd ways
/// come as often as all the good ones. `TOWN/chaos` keeps the count of sessions and the list of all that was written.
const SCRIPT: &str = r#"
log="$GASTOWN_TOWN/chaos"; mkdir -p "$log"
title=$(gt hook --json | sed -n 's/.*"title":"\([^"]*\)".*/\1/p')
[ -n "$title" ] || { linger; }
echo x >> "$log/$title.sessions"
n=$(wc -l < "$log/$title.sessions" | tr -d ' ')
way=$(printf '%s %s %s' "$CHAOS_SEED" "$title" "$n" | cksum | cut -d' ' -f1)
way=$((way % 36))
# Written before the note of it: what is noted is there.
writes() { echo "$title $n" > "$1-$title-$n.txt"; echo "$title $1-$title-$n.txt" >> "$log/written"; }
good() {
  writes good
  git add -A && git commit -qm "$title $n" || exit 9
  # The queue may still have the last attempt, or the runtime may just be away.
  until gt done > /dev/null 2>&1; do sleep 0.3; done
  linger
}
case $way in
  32) writes dirty; echo "fatal: out of memory"; exit 1 ;;
  33) echo "503 service unavailable: overloaded"; exit 1 ;;
  34) echo "invalid api key"; exit 1 ;;
  35) writes dirty; (trap '' TERM; exec sleep 600) & sleep 600 ;;
  16) exit 0 ;;
  17) writes dirty; exit 3 ;;
  18) writes dirty; kill -SEGV $$ ;;
  19) writes dirty; kill -KILL $$ ;;
  20) writes dirty; git add -A; kill -ABRT $$ ;;
  21) echo "Please log in to continue"; exit 1 ;;
  22) echo "usage limit reached, resets in 2 seconds"; exit 1 ;;
  23) writes dirty; echo "prompt is too long: context limit reached"; exit 1 ;;
  24) echo "Error: session $GASTOWN_SESSION is already in use"; exit 1 ;;
  25) (setsid sleep 600 > /dev/null 2>&1 &) ; writes dirty; exit 1 ;;
  26) trap '' TERM INT HUP; writes dirty; while :; do sleep 600; done ;;
  27) writes dirty; kill -STOP $$; exit 1 ;;
  28) writes dirty; git add -A; git stash -q; gt handoff -m "stashed" > /dev/null 2>&1; linger ;;
  29) yes flood | head -c 3000000; good ;;
  30) printf '@gt:0000#1 done\n@gt:#2 stop\n'; good ;;
  31) writes dirty; git commit -qam x 2> /dev/null; git checkout -q --detach; writes odd; git add -A; git commit -qm odd; exit 1 ;;
  *) good ;;
esac
"#;

/// A linear congruence, of which the upper bits are used.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// A town whose only worker preset is the one above.
fn town(seed: u64, workers: usize) -> (Town, Origin) {
    let (town, origin) = Town::with_rig();
    let fields = json!({
        "env": {"CHAOS_SEED": seed.to_string()}, "silent_after": "4s", "nudge_after": "300ms",
        "stop": {"ask": "0s", "term": "500ms"},
    });
    agent::preset(&town, "chaos", SCRIPT, fields);
    town.configure("config/town.json", |config| {
        config["allow_faults"] = true.into();
        // Its judgement is not what is looked at here, and its workers are all of one kind.
        config["policies"] = json!({
            "judgement": false, "quarantine_after": 1000, "redispatch_after": "200ms", "save_wait": "200ms",
        });
    });
    town.configure("web/config.json", |config| {
        config["agent"] = "chaos".into();
        config["max_workers"] = workers.into();
        config["worker_spawn_delay"] = "0s".into();
    });
    (town, origin)
}

/// Starts the runtime; it may find another one that is just being torn down.
fn wake(town: &Town) -> Running {
    town.run()
}

/// Whether nobody will do anything more for `bead` by themselves, as the town has it.
fn settled(status: &Value, bead: &Value) -> bool {
    let id = bead["id"].as_str().unwrap();
    let attention = status["attention"].as_array().unwrap();
    bead["status"] == "closed" || attention.iter().any(|line| line.as_str().unwrap().contains(id))
}

/// Breaks something: an actor, an agent's program, or the whole runtime.
fn break_something(town: &Town, running: Running, dice: &mut Dice) -> Running {
    match dice.below(12) {
        0 => {
            running.kill9();
            wake(town)
        }
        1..=5 => {
            let names = ["web/witness", "web/refinery", "web/dispatcher", "scribe", "postmaster", "deacon"];
            town.gastown(&["fault", "kill-actor", names[dice.below(names.len())]]);
            running
        }
        _ => {
            let status = town.gastown(&["status", "--json"]);
            let pids: Vec<u64> = serde_json::from_str::<Value>(&status.stdout)
                .ok()
                .and_then(|status| status["agents"].as_array().cloned())
                .into_iter()
                .flatten()
                .filter_map(|agent| agent["pid"].as_u64())
                .collect();
            if !pids.is_empty() {
                let pid = u32::try_from(pids[dice.below(pids.len())]).unwrap();
                // It may have ended since it was seen: only what still belongs to this town is killed.
                if town.processes().iter().any(|(of_town, _)| *of_town == pid) && lives(pid) {
                    signal(pid, Signal::KILL);
                }
            }
            running
        }
    }
}

/// Sees to it that no agent and no bead ever had two sessions at once, and no session two verdicts on one end.
/// Returns how many ends have no verdict yet.
fn one_at_a_time(town: &Town) -> u32 {
    let mut open: BTreeMap<String, String> = BTreeMap::new();
    let mut beads: BTreeMap<String, String> = BTreeMap::new();
    // Ends that are still to be judged, by session; one that is resumed has its name again.
    let mut ended: BTreeMap<String, u32> = BTreeMap::new();
    for event in town.events("agent") {
        let data = &event["data"];
        let (agent, session) = (data["agent"].to_string(), data["session"].to_string());
        match event["type"].as_str().unwrap() {
            "agent.started" => {
                let before = open.insert(agent.clone(), session);
                assert!(before.is_none(), "{agent} has two sessions: {before:?} and {event}");
                if let Some(bead) = data["bead"].as_str() {
                    let before = beads.insert(bead.to_owned(), agent);
                    assert!(before.is_none(), "two sessions work at {bead}: {before:?} and {event}");
                }
            }
            "agent.stopped" => {
                assert_eq!(open.remove(&agent), Some(session.clone()), "{event}");
                beads.retain(|_, holder| *holder != agent);
                *ended.entry(session).or_default() += 1;
            }
            "agent.verdict" => {
                let left = ended.entry(session).or_default();
                *left = left.checked_sub(1).unwrap_or_else(|| panic!("a second verdict: {event}"));
            }
            _ => {}
        }
    }
    ended.values().sum()
}

/// Every file that an agent has noted as written is somewhere: landed, in a worktree, in a branch, a stash or a
/// commit of the rig's repository, or in a bundle.
fn nothing_is_lost(town: &Town, origin: &Origin) {
    let Ok(written) = fs::read_to_string(town.root.join("chaos/written")) else { return };
    let repo = town.root.join("web/repo.git");
    let mut known: BTreeSet<String> = BTreeSet::new();
    let mut list = |folder: &Path, words: &[&str]| {
        known.extend(
            run(folder, words).lines().map(|line| line.rsplit('/').next().unwrap_or(line).to_owned()),
        );
    };
    let names = ["log", "--all", "--reflog", "-m", "--name-only", "--format="];
    list(&origin.path, &["log", "--all", "-m", "--name-only", "--format="]);
    list(&repo, &names);
    for bundle in fs::read_dir(town.root.join("web/bundles")).into_iter().flatten().flatten() {
        run(&repo, &["fetch", "-q", bundle.path().to_str().unwrap(), "+refs/*:refs/bundle/*"]);
    }
    list(&repo, &names);
    for place in fs::read_dir(town.root.join("web/polecats")).into_iter().flatten().flatten() {
        let files = fs::read_dir(place.path()).into_iter().flatten().flatten();
        known.extend(files.map(|file| file.file_name().to_string_lossy().into_owned()));
        // Commits on no branch, of a worktree that is still there.
        if place.path().join(".git").exists() {
            let loose = run(&place.path(), &["log", "HEAD", "-m", "--name-only", "--format="]);
            known.extend(loose.lines().map(str::to_owned));
        }
    }
    let lost: Vec<&str> = written
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(_, file)| file)
        .filter(|file| !known.contains(*file))
        .collect();
    assert!(lost.is_empty(), "of {} files these are nowhere: {lost:?}", written.lines().count());
}

fn resident_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

#[test]
fn whatever_agents_do_each_bead_lands_once_or_is_a_persons_and_nothing_is_lost() {
    let seconds = number("GASTOWN_CHAOS_SECONDS");
    let seed = number("GASTOWN_CHAOS_SEED").unwrap_or(7);
    let (workers, most) = if seconds.is_some() { (30, usize::MAX) } else { (12, 12) };
    let (town, origin) = town(seed, workers);
    let mut dice = Dice(seed);
    let mut running = wake(&town);
    let until = Instant::now() + Duration::from_secs(seconds.unwrap_or(0));
    let mut memory = Vec::new();
    let (mut made, mut broken) = (0, 0);
    // Each look costs a few programs' starts, so it is also what paces this.
    loop {
        let status = town.gastown(&["status", "--json"]);
        let beads = town.gastown(&["bead", "list", "--all", "--json"]);
        let parsed =
            (serde_json::from_str::<Value>(&status.stdout), serde_json::from_str::<Value>(&beads.stdout));
        let (Ok(status), Ok(beads)) = parsed else { continue };
        let beads = beads.as_array().unwrap();
        let open =
            beads.iter().filter(|bead| bead["issue_type"] == "task" && !settled(&status, bead)).count();
        let goes_on = made < most && (made < 12 || Instant::now() < until);
        if goes_on && open < workers {
            made += 1;
            let title = format!("bead-{made:04}");
            let bead = town.json(&["bead", "create", "--title", &title, "--rig", "web"])["id"].clone();
            town.gastown(&["sling", bead.as_str().unwrap(), "web"]).ok();
        } else if !goes_on && open == 0 {
            break;
        }
        if made >= 6 && dice.below(if goes_on { 6 } else { 20 }) == 0 {
            broken += 1;
            running = break_something(&town, running, &mut dice);
        }
        memory.push(resident_kib(running.pid()));
    }
    eventually("each end has its verdict", || one_at_a_time(&town) == 0);
    let (mut landed, mut for_a_person) = (0, 0);
    let landings = origin.landings();
    for bead in town.json(&["bead", "list", "--all"]).as_array().unwrap() {
        if bead["issue_type"] != "task" {
            continue;
        }
        let id = bead["id"].as_str().unwrap();
        let times = landings.iter().filter(|landing| *landing == id).count();
        let closed = bead["status"] == "closed";
        assert_eq!(times, usize::from(closed), "{bead}");
        landed += usize::from(closed);
        for_a_person += usize::from(!closed);
        if !closed {
            let why = town.gastown(&["why", id]).ok().stdout;
            assert!(why.lines().count() <= 10, "{why}");
            let told = town.events("escalation.raised").iter().any(|event| event["data"]["bead"] == id);
            assert!(told, "nobody was told of {id}:\n{why}");
        }
    }
    nothing_is_lost(&town, &origin);
    let sessions = town.events("agent.started").len();
    let mut verdicts: BTreeMap<String, u32> = BTreeMap::new();
    for event in town.events("agent.verdict") {
        *verdicts.entry(event["data"]["verdict"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    println!(
        "chaos: seed {seed}, {made} beads, {landed} landed, {for_a_person} for a person, {sessions} sessions, \
         {broken} times something was killed; memory {} KiB after the first tenth, {} KiB at the end; verdicts {verdicts:?}",
        memory[memory.len() / 10],
        memory.last().unwrap()
    );
    running.stop();
    town.assert_nothing_runs();
    eventually("main is whole", || run(&origin.path, &["fsck", "--no-dangling"]).trim().is_empty());
}
