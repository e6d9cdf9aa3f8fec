//! What the pages show works as it stands: the whole agents of `docs/protocol.md` land their work, and every
//! command that is shown exists.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const PAGES: [&str; 14] = [
    "README.md",
    "docs/agents.md",
    "docs/architecture.md",
    "docs/attach.md",
    "docs/backup.md",
    "docs/escalation.md",
    "docs/formulas.md",
    "docs/git.md",
    "docs/queue.md",
    "docs/ledger.md",
    "docs/performance.md",
    "docs/protocol.md",
    "docs/supervision.md",
    "docs/testing.md",
];

fn page(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// The fenced blocks of `text` in `language`.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open: Option<Vec<&str>> = None;
    for line in text.lines() {
        match &mut open {
            Some(lines) if line == "```" => {
                found.push(lines.join("\n") + "\n");
                open = None;
            }
            Some(lines) => lines.push(line),
            None if line.strip_prefix("```") == Some(language) => open = Some(Vec::new()),
            None => {}
        }
    }
    found
}

/// A folder with a project in it, a home of its own, and the program.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Place { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(place.at("web")).unwrap();
        fs::write(place.at("web/Makefile"), "test:\n\ttest -f Makefile\n").unwrap();
        for words in [&["init", "-q", "-b", "main"][..], &["add", "."], &["commit", "-q", "-m", "start"]] {
            place.run(place.command("git").current_dir(place.at("web")).args(words));
        }
        place
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        for name in ["GASTOWN_TOWN", "GASTOWN_TOKEN", "GASTOWN_NONCE", "GASTOWN_RIG", "GASTOWN_SESSION"] {
            command.env_remove(name);
        }
        let author = [("GIT_AUTHOR_NAME", "pat"), ("GIT_AUTHOR_EMAIL", "pat@example.org")];
        let committer = [("GIT_COMMITTER_NAME", "pat"), ("GIT_COMMITTER_EMAIL", "pat@example.org")];
        command.envs(author).envs(committer).env("HOME", self.folder.path());
        command.env("GIT_CONFIG_NOSYSTEM", "1").current_dir(self.folder.path());
        command
    }

    fn gastown(&self, words: &[&str]) -> String {
        let mut command = self.command(env!("CARGO_BIN_EXE_gastown"));
        if self.at("town").exists() {
            command.arg("--town").arg(self.at("town"));
        }
        String::from_utf8(self.run(command.args(words)).stdout).unwrap()
    }

    fn run(&self, command: &mut Command) -> Output {
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command:?}: {said}{}", String::from_utf8_lossy(&output.stdout));
        output
    }
}

/// Runs the agent that is the `language` block of the page with a first line `#!…`, on one bead.
fn lands_its_bead(language: &str) {
    let text = page("docs/protocol.md");
    let script = blocks(&text, language).into_iter().find(|block| block.starts_with("#!")).unwrap();
    let place = Place::new();
    let agent = place.at("agent");
    fs::write(&agent, script).unwrap();
    fs::set_permissions(&agent, fs::Permissions::from_mode(0o755)).unwrap();

    place.gastown(&["install", place.at("town").to_str().unwrap()]);
    let presets = serde_json::json!({"version": 1, "agents": {
        "note": {"command": agent, "brief": "none", "replies": true},
    }});
    fs::write(place.at("town/config/agents.json"), presets.to_string()).unwrap();
    let project = place.at("web");
    place.gastown(&["rig", "add", "web", project.to_str().unwrap(), "--gate", "test=make test"]);
    let title = "Ask \"why\", and what $HOME is";
    let made = place.gastown(&["bead", "create", "--rig", "web", "--title", "Remember the milk"]);
    let bead = made.trim().strip_prefix("Created bead ").unwrap();
    if language == "python" {
        place.gastown(&["bead", "update", bead, "--title", title]);
    }
    place.gastown(&["sling", bead, "web", "--agent", "note"]);
    place.gastown(&["run", "--until-idle"]);

    let notes = place.command("git").current_dir(&project).args(["show", "main:NOTES.md"]).output().unwrap();
    let title = if language == "python" { title } else { "Remember the milk" };
    assert_eq!(String::from_utf8_lossy(&notes.stdout), format!("{title} ({bead})\n"));
}

#[test]
fn the_agent_in_sh_lands_its_bead() {
    lands_its_bead("sh");
}

#[test]
fn the_agent_in_python_lands_its_bead() {
    if Command::new("python3").arg("--version").output().is_err() {
        eprintln!("skipped: there is no python3");
        return;
    }
    lands_its_bead("python");
}

#[test]
fn every_command_on_the_pages_exists() {
    let place = Place::new();
    let mut seen = 0;
    for name in PAGES {
        let text = page(name);
        let lines: Vec<String> = blocks(&text, "sh")
            .iter()
            .flat_map(|block| block.lines().map(str::to_owned).collect::<Vec<_>>())
            .collect();
        for line in &lines {
            let mut words = line.split_whitespace();
            if !matches!(words.next(), Some("gastown" | "gt")) {
                continue;
            }
            let Some(verb) = words.next().filter(|word| word.chars().all(char::is_alphanumeric)) else {
                continue;
            };
            let output = place.command(env!("CARGO_BIN_EXE_gastown")).args(["help", verb]).output().unwrap();
            assert!(output.status.success(), "{name} shows {line:?}, and there is no {verb}");
            seen += 1;
        }
    }
    assert!(seen > 20, "only {seen} commands were found on the pages");
}

#[test]
fn pages_link_to_what_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for name in PAGES {
        let here = root.join(name);
        for link in page(name).split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap_or_default();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            assert!(here.parent().unwrap().join(target).exists(), "{name} links to {target}");
        }
    }
}
