//! No work is thrown away (P7): whatever is in a worktree that has to go, and whatever breaks while it goes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::town::Place;
use crate::support::{Town, agent, eventually, repo};

/// Makes a mess of a worktree, in every way that git knows; says when it is done and waits.
const MESS: &str = r#"
echo committed > committed.txt; git add .; git commit -qm 'one'
echo staged > staged.txt; git add staged.txt
echo changed >> README
echo stashed > shared.txt; git stash push -q shared.txt
printf 'odd\r\n\000' > "-odd 'na\"me
é.txt"
mkdir -p deep/er; echo deep > deep/er/untracked.txt; ln -s nowhere deep/link
mkdir inner; (cd inner; git init -q; echo inner > inner.txt; git add .; git -c user.name=x -c user.email=x commit -qm inner)
"#;

fn fields() -> Value {
    json!({ "brief": "none", "replies": true, "stop": { "ask": "0s", "term": "500ms" } })
}

fn quick(town: &Place, asks: u32) {
    town.configure("config/town.json", |config| {
        config["allow_faults"] = true.into();
        config["policies"] = json!({ "save_asks": asks, "save_wait": "200ms" });
    });
}

/// All files below, but for git's own, with their bytes.
fn files(of: &Path) -> BTreeMap<String, Vec<u8>> {
    fn walk(root: &Path, at: &Path, found: &mut BTreeMap<String, Vec<u8>>) {
        for entry in fs::read_dir(at).unwrap().flatten() {
            let path = entry.path();
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            let kind = entry.file_type().unwrap();
            if entry.file_name() == ".git" {
            } else if kind.is_dir() {
                walk(root, &path, found);
            } else if kind.is_symlink() {
                let target = fs::read_link(&path).unwrap();
                found.insert(name, target.to_str().unwrap().into());
            } else {
                found.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(of, of, &mut found);
    found
}

/// All files of a commit in a repository, but for what was git's own in inner repositories.
fn saved(git: &Path, commit: &str) -> BTreeMap<String, Vec<u8>> {
    let at = git.with_file_name(format!("look-{commit}"));
    let _ = fs::remove_dir_all(&at);
    fs::create_dir_all(&at).unwrap();
    let work_tree = format!("--work-tree={}", at.display());
    let index = at.with_extension("index");
    let said = std::process::Command::new("git")
        .args([
            &format!("--git-dir={}", git.display()),
            &work_tree,
            "checkout",
            "--quiet",
            "--force",
            commit,
            "--",
            ".",
        ])
        .env("GIT_INDEX_FILE", &index)
        .current_dir(&at)
        .output()
        .unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let mut all = files(&at);
    all.retain(|name, _| !name.contains(".git.rescued/"));
    let _ = (fs::remove_dir_all(&at), fs::remove_file(&index));
    all
}

/// A worker that has made a mess and waits; its folder, and what was in it.
struct Mess {
    bead: String,
    worker: String,
    folder: PathBuf,
    files: BTreeMap<String, Vec<u8>>,
}

/// Makes the preset `messy`: it makes a mess, and then does `then`.
fn prepare(town: &Place, then: &str) {
    let script = format!("{MESS}\ntouch {}\n{then}", town.folder.join("ready").display());
    agent::preset(town, "messy", &script, fields());
}

fn mess(town: &Place) -> Mess {
    let (ready, preset) = (town.folder.join("ready"), "messy");
    let bead = town.bead("A mess", "true");
    town.gastown(&["sling", &bead, "web", "--agent", preset]).ok();
    let worker = town.event_of("agent.started", &bead)["data"]["agent"].as_str().unwrap().to_owned();
    eventually("the mess is made", || ready.exists());
    let folder = town.root.join("web/polecats").join(worker.rsplit('/').next().unwrap());
    let files = files(&folder);
    assert!(files.len() >= 7, "{:?}", files.keys());
    Mess { bead, worker, folder, files }
}

/// Sees to it that all of the mess is where `commit` is, in `git`: files, what was staged, the stash, the commits.
#[track_caller]
fn assert_saved(mess: &Mess, git: &Path, commit: &str) {
    assert_eq!(saved(git, commit), mess.files);
    let parents = repo::run(git, &["log", "-1", "--format=%P", commit]);
    let shown: Vec<String> = parents
        .split_whitespace()
        .map(|parent| repo::run(git, &["log", "-1", "--format=%s", parent]))
        .collect();
    assert_eq!(shown[0], "one", "the branch: {shown:?}");
    assert!(
        shown.iter().any(|subject| subject.starts_with("On polecat/") || subject.starts_with("WIP on")),
        "the stash: {shown:?}"
    );
    assert!(shown.iter().any(|subject| subject.contains("had staged")), "what was staged: {shown:?}");
    let stash = parents.split_whitespace().nth(1).unwrap();
    assert_eq!(repo::run(git, &["show", &format!("{stash}:shared.txt")]), "stashed");
}

#[test]
fn a_worker_is_asked_three_times_then_a_person_is_told_and_everything_is_saved() {
    let (town, origin) = Town::with_rig();
    quick(&town, 3);
    // Reads what it is told, and does nothing about it.
    let heard = town.folder.join("heard");
    prepare(&town, &format!("while IFS= read -r line; do echo \"$line\" >> {}; done", heard.display()));
    let running = town.run();
    let mess = mess(&town);
    town.gastown(&["unsling", &mess.bead, "--force"]).ok();
    let rescued = town.event_of("work.rescued", &mess.bead);
    let asked: Vec<Value> = town.feed().into_iter().filter(|event| event["type"] == "work.unsaved").collect();
    let numbers: Vec<u64> = asked.iter().map(|event| event["data"]["asked"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [1, 2, 3]);
    assert!(asked[0]["data"]["files"].to_string().contains("staged.txt"), "{}", asked[0]);
    let heard = fs::read_to_string(heard).unwrap();
    assert!(heard.contains("Commit now what is worth keeping"), "{heard}");
    let raised = town.events("escalation.raised");
    assert_eq!(raised.len(), 1, "{raised:?}");
    assert!(raised[0]["data"]["subject"].as_str().unwrap().contains("does not save its work"));
    eventually("the worktree is gone", || !mess.folder.exists());
    // The whole of it is at the remote too, under the worker's name and the time.
    let branch = rescued["data"]["branch"].as_str().unwrap();
    let name = mess.worker.rsplit('/').next().unwrap();
    assert!(branch.starts_with(&format!("rescue/{name}/20")), "{branch}");
    assert_eq!(origin.git(&["rev-parse", branch]), rescued["data"]["commit"]);
    assert_saved(&mess, &origin.path, branch);
    let story = town.json(&["why", &mess.bead]);
    assert!(story["lines"].to_string().contains(branch), "{story}");
    assert_eq!(story["saved"].as_array().unwrap().len(), 2, "what was saved, and the branch: {story}");
    running.stop();
    town.assert_nothing_runs();
}

#[test]
fn a_worker_that_saves_its_work_when_it_is_asked_is_asked_no_more() {
    let (town, _origin) = Town::with_rig();
    quick(&town, 3);
    town.configure("config/town.json", |config| config["policies"]["save_wait"] = "30s".into());
    let script = "while IFS= read -r line; do case \"$line\" in *'Commit now'*) git stash pop -q; git add -A; git commit -qm saved; linger ;; esac; done";
    prepare(&town, script);
    agent::preset(
        &town,
        "next",
        "git log -1 --format=%s > seen.txt; git add -A; git commit -qm next; ask done; linger",
        fields(),
    );
    let running = town.run();
    let mess = mess(&town);
    town.gastown(&["unsling", &mess.bead, "--force"]).ok();
    let removed = town.event_of("sandbox.removed", &mess.bead);
    assert_eq!(town.events("work.unsaved").len(), 1);
    assert!(town.events("escalation.raised").is_empty());
    let repo_git = town.root.join("web/repo.git");
    let left = removed["data"]["left"].as_str().expect("its branch has work");
    assert_eq!(repo::run(&repo_git, &["log", "-1", "--format=%s", left]), "saved");
    // The next worker goes on where that one has stopped.
    town.gastown(&["sling", &mess.bead, "web/polecats/another", "--agent", "next"]).ok();
    let made = town.event("another worktree", |event| {
        event["type"] == "sandbox.created" && event["data"]["agent"] == "web/polecats/another"
    });
    assert!(made["seq"].as_u64() > removed["seq"].as_u64());
    town.event_of("work.done", &mess.bead);
    assert_eq!(fs::read_to_string(town.root.join("web/polecats/another/seen.txt")).unwrap().trim(), "saved");
    running.stop();
}

/// Whatever breaks at `place`, nothing is lost: all is in a branch of the rig, or still in the worktree.
fn nothing_is_lost(place: &str, action: &str, remote: bool) {
    let (mut town, origin) = Town::with_rig();
    quick(&town, 0);
    if !remote {
        let script = "while read old new ref; do case $ref in */rescue/*) echo closed; exit 1;; esac; done";
        origin.hook("pre-receive", script);
    }
    prepare(&town, "linger");
    town.env.insert("GASTOWN_FAULT".to_owned(), format!("{place}:1:{action}"));
    let running = town.run();
    town.env.remove("GASTOWN_FAULT");
    let mess = mess(&town);
    town.gastown(&["unsling", &mess.bead, "--force"]).ok();
    let what = format!("{action} at {place}");
    let running = match action {
        "kill" => {
            eventually(&format!("it dies: {what}"), || !running.lives());
            let said = running.kill9_and_hear();
            assert!(said.contains("fault at"), "{what}: {said}");
            town.run()
        }
        _ => {
            // Its Witness tells the Deacon, who tells a person; nothing goes on before it is resolved.
            town.event("work at risk", |event| event["type"] == "work.at_risk");
            let letter = town.event("RECOVERY_NEEDED", |event| {
                event["type"] == "mail.sent" && event["data"]["letter"]["kind"]["kind"] == "RECOVERY_NEEDED"
            });
            assert_eq!(letter["data"]["letter"]["to"], "deacon/");
            town.event_of("escalation.raised", &mess.bead);
            assert!(
                mess.folder.exists() && files(&mess.folder) == mess.files,
                "{what}: it stands as it stood"
            );
            let status = town.json(&["status"]);
            assert!(status["attention"].to_string().contains("cannot be saved"), "{what}: {status}");
            assert_eq!(town.json(&["why", &mess.bead])["state"], "at_risk");
            let row = town.json(&["recover", &mess.bead]);
            assert!(row[0]["did"].to_string().contains("is saved on rescue/"), "{what}: {row}");
            running
        }
    };
    town.event_of("sandbox.removed", &mess.bead);
    assert!(!mess.folder.exists(), "{what}");
    // Also where it was killed after it was saved and before that was recorded.
    let rescued = town.event_of("work.rescued", &mess.bead);
    let git = town.root.join("web/repo.git");
    assert_saved(&mess, &git, rescued["data"]["commit"].as_str().unwrap());
    let branches = repo::run(&git, &["for-each-ref", "--format=%(refname:short)", "refs/heads/rescue"]);
    if remote {
        assert!(
            branches.lines().any(|branch| origin.branches().iter().any(|there| there == branch)),
            "{what}"
        );
    } else {
        let bundles: Vec<_> = fs::read_dir(town.root.join("web")).unwrap().flatten().collect();
        assert!(!bundles.is_empty(), "{what}");
    }
    running.stop();
}

#[test]
fn nothing_is_lost_when_the_runtime_dies_while_a_worktree_goes() {
    for place in [
        "git.clear.save",
        "git.rescue.commit",
        "git.rescue.push",
        "git.rescue.pushed",
        "git.clear.saved",
        "git.clear.leaving",
        "git.worktree.renamed",
        "git.clear.done",
    ] {
        nothing_is_lost(place, "kill", true);
    }
    for place in ["git.rescue.bundle", "git.rescue.bundled"] {
        nothing_is_lost(place, "kill", false);
    }
}

#[test]
fn nothing_is_lost_when_saving_fails_and_a_person_is_told() {
    for (place, remote) in [
        ("git.clear.save", true),
        ("git.rescue.committed", true),
        ("git.clear.saved", true),
        ("git.worktree.remove", true),
        ("git.rescue.bundle", false),
    ] {
        nothing_is_lost(place, "error", remote);
    }
}

#[test]
fn what_git_cannot_save_is_moved_aside_as_it_is_and_the_worker_is_free() {
    let (town, _origin) = Town::with_rig();
    quick(&town, 0);
    prepare(&town, "linger");
    let running = town.run();
    let mess = mess(&town);
    town.gastown(&["agent", "stop", &mess.worker]).ok();
    eventually("its session has ended", || town.agent(&mess.worker)["session"].is_null());
    // Its index is rubbish: git itself does not read it any more.
    let name = mess.worker.rsplit('/').next().unwrap();
    let index = town.root.join("web/repo.git/worktrees").join(name).join("index");
    fs::write(&index, "rubbish").unwrap();
    town.gastown(&["unsling", &mess.bead, "--force"]).ok();
    let risk = town.event("work at risk", |event| event["type"] == "work.at_risk");
    assert_eq!(risk["data"]["folder"], mess.folder.display().to_string());
    assert_eq!(files(&mess.folder), mess.files);
    // Neither it nor its bead is given to anybody.
    town.gastown(&["sling", &mess.bead, "web"]).ok();
    assert_eq!(town.json(&["why", &mess.bead])["state"], "at_risk");
    let row = town.json(&["recover", &mess.bead]);
    assert!(row[0]["did"].to_string().contains("as it was"), "{row}");
    let aside = town.event_of("work.moved_aside", &mess.bead)["data"]["folder"].as_str().unwrap().to_owned();
    assert_eq!(
        files(Path::new(&aside))
            .into_iter()
            .filter(|(name, _)| name != ".git.rescued")
            .collect::<BTreeMap<_, _>>(),
        mess.files
    );
    town.event_of("bead.closed", &mess.bead);
    assert!(town.json(&["recover", &mess.bead])[0]["did"].as_array().unwrap().is_empty());
    running.stop();
}
