//! A town made of one shell script: it answers `prime` with a file and writes down what it is told.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

/// Written down, then answered. `done` hands in, once nothing is refused any more.
const GT: &str = r#"#!/bin/sh
[ "$*" = "prime --json" ] || printf '%s\n' "$*" >> "$TOWN/calls"
[ ! -e "$TOWN/down" ] || exit 3
case "$1" in
  prime) cat "$TOWN/prime.json" ;;
  done)
    if [ -e "$TOWN/refuse" ]; then
      rm "$TOWN/refuse"
      echo '{"error":{"code":"dirty","message":"there are uncommitted files","hint":null}}' >&2
      exit 5
    fi
    sed -i 's/"stage":"[a-z]*"/"stage":"submitted"/' "$TOWN/prime.json"
    if [ -e "$TOWN/lose-answer" ]; then rm "$TOWN/lose-answer"; exit 3; fi
    echo '{}' ;;
  *) echo '{}' ;;
esac
"#;

/// Counts its calls and kills everything in the agent's process group before the one in `$TOWN/kill-at`.
const GIT: &str = r#"#!/bin/sh
n=$(cat "$TOWN/count" 2>/dev/null || echo 0)
n=$((n + 1))
echo $n > "$TOWN/count"
if [ "$(cat "$TOWN/kill-at" 2>/dev/null)" = $n ]; then kill -9 0; fi
exec "$REAL_GIT" "$@"
"#;

pub(crate) struct Lab {
    folder: TempDir,
    pub(crate) base: String,
}

impl Lab {
    /// A worktree on the branch `work`, beside the branch `main` that it starts from.
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let mut lab = Lab { folder, base: String::new() };
        for dir in ["bin", "home", "main"] {
            fs::create_dir(lab.path(dir)).unwrap();
        }
        lab.program("gt", GT);
        lab.git_in("main", &["init", "--quiet", "--initial-branch=main"]);
        lab.land("base.txt", "base\n");
        lab.base = lab.git_in("main", &["rev-parse", "HEAD"]);
        lab.git_in("main", &["worktree", "add", "--quiet", "-b", "work", "../tree"]);
        lab
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join(name)
    }

    pub(crate) fn tree(&self) -> PathBuf {
        self.path("tree")
    }

    pub(crate) fn file(&self, name: &str) -> String {
        fs::read_to_string(self.tree().join(name)).unwrap_or_default()
    }

    fn program(&self, name: &str, text: &str) {
        let path = self.path("bin").join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// From now on the agent is killed before its `n`th git.
    pub(crate) fn kill_at(&self, n: usize) {
        self.program("git", GIT);
        fs::write(self.path("kill-at"), n.to_string()).unwrap();
    }

    /// Commits a file on main and returns the commit.
    pub(crate) fn land(&self, name: &str, text: &str) -> String {
        fs::write(self.path("main").join(name), text).unwrap();
        self.git_in("main", &["add", "--all"]);
        self.git_in("main", &["commit", "--quiet", "--message", name]);
        self.git_in("main", &["rev-parse", "HEAD"])
    }

    /// Writes the brief: what hangs on the hook, with `stage` flattened into it.
    pub(crate) fn hook(&self, attempt: u32, stage: Value, description: &str, steps: &[(&str, &str)]) {
        let at = "2026-01-01T00:00:00.000Z";
        let steps: Vec<Value> = steps
            .iter()
            .map(|(id, text)| {
                json!({"id": id, "title": id, "description": text, "needs": [], "state": "pending"})
            })
            .collect();
        let mut hook = json!({
            "agent": "web/polecats/docs", "bead": "web-1", "since": at, "mol": "mol-1", "attempt": attempt,
        });
        hook.as_object_mut().unwrap().extend(stage.as_object().unwrap().clone());
        let prime = json!({
            "agent": "web/polecats/docs", "role": "polecat", "rig": "web", "sandbox": null, "hook": hook,
            "bead": {
                "id": "web-1", "title": "Say hello", "description": description, "status": "hooked",
                "priority": 2, "issue_type": "task", "created_at": at, "updated_at": at, "created_by": "overseer",
            },
            "branch": "work", "base": self.base, "target": "main",
            "mol": {"id": "mol-1", "formula": "f", "bead": "web-1", "steps": steps},
            "mail": [], "text": "",
        });
        fs::write(self.path("prime.json"), prime.to_string()).unwrap();
    }

    /// Starts the agent: this test program again, as the test that is one.
    pub(crate) fn agent(&self) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "the_agent_itself", "--ignored", "--nocapture", "--quiet"]);
        self.surround(&mut command, &self.tree());
        command.env("GASTOWN_AGENT", "web/polecats/docs").env("GASTOWN_SESSION", "s-1").process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs the agent to its end; returns how it ended and what it printed.
    pub(crate) fn run(&self) -> (ExitStatus, String) {
        let output = self.agent().output().unwrap();
        (output.status, String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs it and expects that it listens until the terminal closes.
    pub(crate) fn run_well(&self) -> String {
        let (status, said) = self.run();
        assert_eq!(status.code(), Some(0), "{said}");
        said
    }

    fn surround(&self, command: &mut Command, folder: &Path) {
        let real = std::env::split_paths(&std::env::var_os("PATH").unwrap())
            .map(|dir| dir.join("git"))
            .find(|file| file.is_file())
            .unwrap();
        let path = format!("{}:{}", self.path("bin").display(), std::env::var("PATH").unwrap());
        command.current_dir(folder).env_clear().env("PATH", path).env("HOME", self.path("home"));
        command.env("TOWN", self.path("")).env("REAL_GIT", real).env("GIT_CONFIG_NOSYSTEM", "1");
        for who in ["AUTHOR", "COMMITTER"] {
            command
                .env(format!("GIT_{who}_NAME"), "docs")
                .env(format!("GIT_{who}_EMAIL"), "docs@town.invalid");
        }
    }

    pub(crate) fn git(&self, args: &[&str]) -> String {
        self.git_in("tree", args)
    }

    fn git_in(&self, folder: &str, args: &[&str]) -> String {
        let mut command = Command::new("git");
        self.surround(&mut command, &self.path(folder));
        // Not the one that kills.
        command.env("PATH", std::env::var("PATH").unwrap());
        let output = command.args(args).output().unwrap();
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// What the town was told, without `prime`.
    pub(crate) fn calls(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("calls")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// The blocks that have commits above main, oldest first.
    pub(crate) fn blocks(&self) -> Vec<String> {
        let format = "--format=%(trailers:key=Gastown-Block,valueonly,separator=%x20)";
        let text = self.git(&["log", "--reverse", format, "main..work"]);
        text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }

    /// The rescue branches.
    pub(crate) fn rescued(&self) -> Vec<String> {
        let text = self.git(&["for-each-ref", "--format=%(refname:short)", "refs/heads/rescue/"]);
        text.lines().map(str::to_owned).collect()
    }

    pub(crate) fn is_clean(&self) -> bool {
        self.git(&["status", "--porcelain"]).is_empty()
    }

    pub(crate) fn touch(&self, name: &str) {
        fs::File::create(self.path(name)).unwrap().flush().unwrap();
    }
}

pub(crate) fn working() -> Value {
    json!({"stage": "working"})
}

pub(crate) fn sh(script: &str) -> String {
    format!("Do this:\n\n```sh\n{script}\n```\n")
}
