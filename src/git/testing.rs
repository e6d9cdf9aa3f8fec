//! A small laboratory: a remote, somebody's clone of it, and real git in a temporary folder.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use git2::Oid;

use crate::Repo;

pub(crate) struct Lab {
    folder: tempfile::TempDir,
    /// The bare remote.
    pub(crate) origin: PathBuf,
    /// Another person's clone.
    pub(crate) seed: PathBuf,
    /// The first commit: `a.txt` with a few lines.
    pub(crate) first: Oid,
}

pub(crate) const A_TXT: &str = "one\ntwo\nthree\nfour\nfive\nsix\nseven\n";

impl Lab {
    /// Paths have spaces, for all tests.
    pub(crate) fn new() -> Lab {
        let folder = tempfile::Builder::new().prefix("gas town ").tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let (origin, seed) = (root.join("the origin.git"), root.join("seed"));
        let lab = Lab { folder, origin, seed, first: Oid::ZERO_SHA1 };
        lab.git(&root, &["init", "--quiet", "--bare", "-b", "main", "the origin.git"]);
        lab.git(&root, &["init", "--quiet", "-b", "main", "seed"]);
        lab.git(&lab.seed, &["remote", "add", "origin", lab.origin.to_str().unwrap()]);
        let first = commit_file(&lab.seed, "a.txt", A_TXT, "start");
        lab.push_seed("main");
        Lab { first, ..lab }
    }

    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root().canonicalize().unwrap().join(name)
    }

    /// The rig's repository.
    pub(crate) fn clone(&self) -> Repo {
        Repo::clone_bare(self.origin.to_str().unwrap(), self.path("rig/repo.git"), &mut |_| {}).unwrap()
    }

    /// A rig's repository whose remote is the non-bare `seed`.
    pub(crate) fn clone_of_seed(&self) -> Repo {
        Repo::clone_bare(self.seed.to_str().unwrap(), self.path("rig/of seed.git"), &mut |_| {}).unwrap()
    }

    pub(crate) fn git(&self, cwd: &Path, args: &[&str]) -> String {
        git(cwd, args)
    }

    pub(crate) fn push_seed(&self, branch: &str) {
        self.git(&self.seed, &["push", "--quiet", "origin", &format!("HEAD:refs/heads/{branch}")]);
    }

    pub(crate) fn origin_head(&self, branch: &str) -> Oid {
        Oid::from_str(&self.git(&self.origin, &["rev-parse", &format!("refs/heads/{branch}")])).unwrap()
    }

    /// Makes the remote decline every push.
    pub(crate) fn decline_pushes(&self) {
        use std::os::unix::fs::PermissionsExt;
        let hook = self.origin.join("hooks/pre-receive");
        fs::create_dir_all(hook.parent().unwrap()).unwrap();
        fs::write(&hook, "#!/bin/sh\necho 'pushes are closed today' >&2\nexit 1\n").unwrap();
        fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// A worktree in which a merge of `origin/main` has stopped in conflict.
    pub(crate) fn conflicted_worktree(&self, repo: &Repo) -> PathBuf {
        let path = self.path("conflicted one");
        crate::worktree::ensure(repo, &path, "polecat/nux/c", self.first).unwrap();
        commit_file(&path, "a.txt", &A_TXT.replace("two", "ours"), "ours");
        commit_file(&self.seed, "a.txt", &A_TXT.replace("two", "theirs"), "theirs");
        self.push_seed("main");
        repo.fetch().unwrap();
        assert!(!command(&path, &["merge", "origin/main"]).output().unwrap().status.success());
        path
    }
}

/// Writes and commits one file; returns the commit.
pub(crate) fn commit_file(tree: &Path, name: &str, text: &str, message: &str) -> Oid {
    let file = tree.join(name);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, text).unwrap();
    git(tree, &["add", "--all"]);
    git(tree, &["commit", "--quiet", "-m", message]);
    Oid::from_str(&git(tree, &["rev-parse", "HEAD"])).unwrap()
}

pub(crate) fn git(cwd: &Path, args: &[&str]) -> String {
    let output = command(cwd, args).output().unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// Returns the files of a commit, as bytes.
pub(crate) fn saved_files(repo: &Repo, oid: Oid) -> BTreeMap<String, Vec<u8>> {
    let library = repo.library().unwrap();
    let tree = library.find_commit(oid).unwrap().tree().unwrap();
    let mut files = BTreeMap::new();
    tree.walk(git2::TreeWalkMode::PreOrder, |folder, entry| {
        if let Ok(blob) = library.find_blob(entry.id()) {
            let name = format!("{folder}{}", entry.name().unwrap());
            files.insert(name, blob.content().to_vec());
        }
        git2::TreeWalkResult::Ok
    })
    .unwrap();
    files
}

/// A git that knows no configuration but its own repository's.
pub(crate) fn command(cwd: &Path, args: &[&str]) -> Command {
    let mut command = Command::new("git");
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("GIT_") {
            command.env_remove(name);
        }
    }
    command.current_dir(cwd).args(args).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    for who in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{who}_NAME"), "A Tester").env(format!("GIT_{who}_EMAIL"), "t@example.com");
    }
    command
}
