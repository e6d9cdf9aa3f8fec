//! The agent's worktree, by way of the `git` program.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

/// Something about the worktree that the agent cannot mend.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    #[error("git {doing} failed: {said}")]
    Git { doing: String, said: String },
    #[error("cannot {doing}: {source}")]
    Io { doing: &'static str, source: io::Error },
    #[error("{0} is not a worktree of its own")]
    NoWorktree(PathBuf),
}

impl Broken {
    pub(crate) fn io(doing: &'static str) -> impl Fn(io::Error) -> Broken {
        move |source| Broken::Io { doing, source }
    }
}

/// A worktree of one's own.
#[derive(Debug)]
pub(crate) struct Worktree {
    root: PathBuf,
    git_dir: PathBuf,
}

/// Files by which git locks what only the one agent of this worktree writes.
const LOCKS: [&str; 2] = ["index.lock", "HEAD.lock"];

impl Worktree {
    /// The worktree whose top the working directory is.
    ///
    /// A folder somewhere inside another repository is refused: what is reset and cleaned here would be
    /// somebody else's.
    pub(crate) fn here() -> Result<Self, Broken> {
        let here = env::current_dir()
            .and_then(|dir| dir.canonicalize())
            .map_err(Broken::io("find the working directory"))?;
        let mut tree = Worktree { root: here.clone(), git_dir: PathBuf::new() };
        let top = tree.git(&["rev-parse", "--show-toplevel"]).map(PathBuf::from);
        if !top.is_ok_and(|top| top.canonicalize().is_ok_and(|top| top == here)) {
            return Err(Broken::NoWorktree(here));
        }
        tree.git_dir = tree.git(&["rev-parse", "--absolute-git-dir"])?.into();
        Ok(tree)
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where files can be left that are not part of the work and go with the worktree.
    pub(crate) fn git_dir(&self) -> &Path {
        &self.git_dir
    }

    /// Runs git and returns what it printed, without the last newline.
    pub(crate) fn git<S: AsRef<OsStr>>(&self, args: &[S]) -> Result<String, Broken> {
        self.git_with(args, &[], None)
    }

    /// The same with variables in its environment and a text to read.
    pub(crate) fn git_with<S: AsRef<OsStr>>(
        &self,
        args: &[S],
        vars: &[(&str, &Path)],
        input: Option<&str>,
    ) -> Result<String, Broken> {
        let broken = |said: String| {
            let words = args.iter().map(|arg| arg.as_ref().to_string_lossy().into_owned());
            Broken::Git { doing: words.collect::<Vec<_>>().join(" "), said }
        };
        let mut command = Command::new("git");
        // Hooks, signing and prompts are a person's; here they could only hang.
        command.args(["-c", "core.hooksPath=/dev/null", "-c", "commit.gpgsign=false", "-c", "gc.auto=0"]);
        command.args(args).current_dir(&self.root);
        for var in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
            command.env_remove(var);
        }
        command.env("GIT_TERMINAL_PROMPT", "0").env("GIT_EDITOR", "true").envs(vars.iter().copied());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
        let mut child = command.spawn().map_err(|error| broken(error.to_string()))?;
        if let (Some(text), Some(mut stdin)) = (input, child.stdin.take()) {
            // All that git is given to read here it reads to the end before it prints much.
            stdin.write_all(text.as_bytes()).map_err(|error| broken(error.to_string()))?;
        }
        let output = child.wait_with_output().map_err(|error| broken(error.to_string()))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(broken(said.trim().to_owned()));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        Ok(text.strip_suffix('\n').unwrap_or(&text).to_owned())
    }

    /// Whether git ends well with `args`.
    pub(crate) fn succeeds(&self, args: &[&str]) -> bool {
        self.git(args).is_ok()
    }

    pub(crate) fn head(&self) -> Result<String, Broken> {
        self.git(&["rev-parse", "--verify", "HEAD^{commit}"])
    }

    /// The branch that is checked out; none when HEAD is detached.
    pub(crate) fn branch(&self) -> Option<String> {
        self.git(&["symbolic-ref", "--quiet", "--short", "HEAD"]).ok()
    }

    /// Whether there are changes that no commit holds. Ignored files do not count.
    pub(crate) fn is_dirty(&self) -> Result<bool, Broken> {
        Ok(!self.git(&["status", "--porcelain", "--untracked-files=all"])?.is_empty())
    }

    /// Commits everything that is there; false when there was nothing.
    pub(crate) fn commit_all(&self, message: &str) -> Result<bool, Broken> {
        self.git(&["add", "--all"])?;
        if self.succeeds(&["diff", "--cached", "--quiet", "--no-ext-diff"]) && !self.is_merging() {
            return Ok(false);
        }
        let commit = ["commit", "--quiet", "--no-verify", "--cleanup=verbatim", "--file=-"];
        self.git_with(&commit, &[], Some(message))?;
        Ok(true)
    }

    fn is_merging(&self) -> bool {
        self.git_dir.join("MERGE_HEAD").exists()
    }

    /// How many commits lie above `base`, or above everything that the remote has.
    pub(crate) fn commits_since(&self, base: Option<&str>) -> Result<usize, Broken> {
        let mut args = vec!["rev-list".to_owned(), "--count".to_owned()];
        args.extend(since(base));
        Ok(self.git(&args)?.parse().unwrap_or(0))
    }

    /// The messages of those commits.
    pub(crate) fn messages_since(&self, base: Option<&str>) -> Result<Vec<String>, Broken> {
        let mut args = vec!["log".to_owned(), "-z".to_owned(), "--format=%B".to_owned()];
        args.extend(since(base));
        Ok(self.git(&args)?.split('\0').map(str::to_owned).collect())
    }

    /// The name that git gives to a text.
    pub(crate) fn name_of(&self, text: &str) -> Result<String, Broken> {
        self.git_with(&["hash-object", "--stdin"], &[], Some(text))
    }

    /// Takes away the locks of a git that was killed here. Nobody else works in this worktree: one
    /// sandbox, one live session.
    pub(crate) fn break_locks(&self, branch: Option<&str>) -> Result<(), Broken> {
        let mut locks: Vec<PathBuf> = LOCKS.iter().map(|name| self.git_dir.join(name)).collect();
        if let Some(branch) = branch {
            locks.push(self.git(&["rev-parse", "--git-path", &format!("refs/heads/{branch}.lock")])?.into());
        }
        for lock in locks {
            let lock = self.root.join(lock);
            match fs::remove_file(&lock) {
                Ok(()) => crate::terminal::say(&format!("took away a dead lock: {}", lock.display())),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(Broken::Io { doing: "take away a dead lock of git", source }),
            }
        }
        Ok(())
    }

    /// Makes the worktree what `commit` is. Untracked files go, ignored ones stay.
    pub(crate) fn reset(&self, commit: &str) -> Result<(), Broken> {
        self.git(&["reset", "--quiet", "--hard", commit])?;
        self.git(&["clean", "--quiet", "--force", "-d"]).map(drop)
    }
}

fn since(base: Option<&str>) -> Vec<String> {
    match base {
        Some(base) => vec![format!("{base}..HEAD"), "--".to_owned()],
        None => vec!["HEAD".to_owned(), "--not".to_owned(), "--remotes".to_owned()],
    }
}
