//! Repositories that rigs are made from, and what has become of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A bare repository with a branch `main`, somewhere in a test's folder.
#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) path: PathBuf,
}

/// A git that knows nothing of the machine's configuration.
fn git(folder: &Path) -> Command {
    let mut command = Command::new("git");
    command.arg("-C").arg(folder).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("HOME", folder).env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
    for who in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{who}_NAME"), "Tess Ter");
        command.env(format!("GIT_{who}_EMAIL"), "tess@example.org");
    }
    command
}

/// Runs git and returns what it printed.
#[track_caller]
pub(crate) fn run(folder: &Path, words: &[&str]) -> String {
    let said = git(folder).args(words).output().unwrap();
    assert!(said.status.success(), "git {words:?}: {}", String::from_utf8_lossy(&said.stderr));
    String::from_utf8_lossy(&said.stdout).trim_end().to_owned()
}

impl Origin {
    /// A repository at `path` whose first commit holds `files`; no commit at all without files.
    pub(crate) fn new(path: PathBuf, files: &[(&str, &str)]) -> Origin {
        fs::create_dir_all(&path).unwrap();
        run(&path, &["init", "--quiet", "--bare", "--initial-branch=main"]);
        if !files.is_empty() {
            let work = path.with_extension("work");
            fs::create_dir_all(&work).unwrap();
            run(&work, &["init", "--quiet", "--initial-branch=main"]);
            for (name, text) in files {
                fs::write(work.join(name), text).unwrap();
            }
            run(&work, &["add", "."]);
            run(&work, &["commit", "--quiet", "-m", "Start"]);
            run(&work, &["push", "--quiet", path.to_str().unwrap(), "main"]);
        }
        Origin { path }
    }

    pub(crate) fn url(&self) -> &str {
        self.path.to_str().unwrap()
    }

    #[track_caller]
    pub(crate) fn git(&self, words: &[&str]) -> String {
        run(&self.path, words)
    }

    /// A file as it is on `main`.
    #[track_caller]
    pub(crate) fn file(&self, name: &str) -> String {
        self.git(&["show", &format!("main:{name}")])
    }

    /// The beads of the commits on the first-parent line of `main`, oldest first: those of a batch one by one.
    pub(crate) fn landings(&self) -> Vec<String> {
        let format = "--format=%(trailers:key=Gastown-Bead,valueonly,separator=%x2C)";
        let log = self.git(&["log", "--first-parent", "--reverse", format, "main"]);
        log.lines()
            .flat_map(|line| line.split(','))
            .filter(|bead| !bead.is_empty())
            .map(str::to_owned)
            .collect()
    }

    /// Makes the repository run `script` as its hook `name`.
    pub(crate) fn hook(&self, name: &str, script: &str) {
        use std::os::unix::fs::PermissionsExt;
        let file = self.path.join("hooks").join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub(crate) fn branches(&self) -> Vec<String> {
        let list = self.git(&["for-each-ref", "--format=%(refname:short)", "refs/heads"]);
        list.lines().map(str::to_owned).collect()
    }
}
