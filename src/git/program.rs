//! The `git` program, asked in a controlled way.
//!
//! The person's HOME, ssh agent and credential helpers work as in a terminal; what would make git look at
//! another repository (`GIT_DIR` and its kin, present whenever we are started from a hook) does not come
//! through. Nothing is asked on a terminal. Hooks are off: agents can write into the shared repository, and
//! what they leave there must not run in the runtime's name.

use std::{
    ffi::{OsStr, OsString},
    io,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    time::Duration,
};

use crate::{
    CancelToken, Error, Result,
    process::{End, Group, Limit, Outlet},
    sweep,
};

/// How long a remote may be silent.
pub(crate) const NETWORK: Limit =
    Limit { total: Duration::from_secs(3600), silence: Some(Duration::from_secs(120)) };
/// How long work on local files may take; a checkout of a large tree is silent.
pub(crate) const LOCAL: Limit = Limit { total: Duration::from_secs(600), silence: None };

/// What is kept of standard output: listings of very large repositories fit.
const STDOUT_KEPT: usize = 64 << 20;
/// What is kept of the end of standard error.
const STDERR_KEPT: usize = 64 << 10;

/// Variables of git that say how to reach and who one is, not which repository is meant.
const KEPT: &[&str] = &[
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "GIT_SSH_VARIANT",
    "GIT_ASKPASS",
    "GIT_AUTHOR_NAME",
    "GIT_AUTHOR_EMAIL",
    "GIT_COMMITTER_NAME",
    "GIT_COMMITTER_EMAIL",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
    "GIT_EXEC_PATH",
    "GIT_ALLOW_PROTOCOL",
    "GIT_PROTOCOL_FROM_USER",
];

/// Likewise, by their beginnings.
const KEPT_FAMILIES: &[&str] =
    &["GIT_SSL_", "GIT_HTTP_", "GIT_PROXY_", "GIT_CONFIG_COUNT", "GIT_CONFIG_KEY_", "GIT_CONFIG_VALUE_"];

/// One call of git: where, what, how long.
pub(crate) struct Git<'a> {
    doing: String,
    command: Command,
    output: Option<std::fs::File>,
    limit: Limit,
    cancel: Option<&'a CancelToken>,
    progress: Option<&'a mut dyn FnMut(&str)>,
    /// Reads or writes a file, so that it cannot be run twice.
    has_files: bool,
}

/// What git answered.
#[derive(Debug)]
pub(crate) struct Answer {
    status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    /// The last of it, lossy.
    pub(crate) stderr: String,
    doing: String,
}

impl<'a> Git<'a> {
    /// Returns a call of git in `cwd`. `doing` completes "git could not ..." in error texts.
    pub(crate) fn new(cwd: &Path, doing: impl Into<String>) -> Self {
        let mut command = Command::new("git");
        command.current_dir(cwd).stdin(Stdio::null());
        tidy_environment(&mut command);
        // Waiting for a lock is better than failing on it: fetches of several workers meet in one
        // repository. No maintenance in the background: it would outlive us.
        command.args([
            "-c",
            "core.hooksPath=/dev/null",
            "-c",
            "core.filesRefLockTimeout=5000",
            "-c",
            "core.packedRefsTimeout=10000",
            "-c",
            "gc.auto=0",
            "-c",
            "maintenance.auto=false",
            "-c",
            "advice.detachedHead=false",
        ]);
        Git {
            doing: doing.into(),
            command,
            output: None,
            limit: LOCAL,
            cancel: None,
            progress: None,
            has_files: false,
        }
    }

    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    pub(crate) fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.command.args(args);
        self
    }

    /// Has git read `file` as its standard input.
    pub(crate) fn input(mut self, file: std::fs::File) -> Self {
        self.command.stdin(file);
        self.has_files = true;
        self
    }

    /// Has git's standard output go into `file`; the answer has none of it then.
    pub(crate) fn output(mut self, file: std::fs::File) -> Self {
        self.output = Some(file);
        self.has_files = true;
        self
    }

    pub(crate) fn limit(mut self, limit: Limit) -> Self {
        self.limit = limit;
        self
    }

    pub(crate) fn cancel(mut self, cancel: Option<&'a CancelToken>) -> Self {
        self.cancel = cancel;
        self
    }

    /// Has each line of git's progress told, as it comes.
    pub(crate) fn progress(mut self, tell: &'a mut dyn FnMut(&str)) -> Self {
        self.progress = Some(tell);
        self
    }

    /// Runs to the end. A refusal of git is an answer here; see `Answer::ok`.
    ///
    /// A lock in its way that a killed git has left is taken away, and git asked once more.
    pub(crate) fn ask(mut self) -> Result<Answer> {
        let answer = self.try_once()?;
        match stale_lock(&answer.stderr) {
            Some(lock) if !answer.success() && !self.has_files && sweep::take_away(&lock) => self.try_once(),
            _ => Ok(answer),
        }
    }

    fn try_once(&mut self) -> Result<Answer> {
        let Git { doing, command, output, limit, cancel, progress, .. } = self;
        let (doing, limit, cancel) = (doing.clone(), *limit, *cancel);
        if cancel.is_some_and(CancelToken::is_cancelled) {
            return Err(Error::Cancelled { doing });
        }
        tracing::trace!(?command, "git");
        let failed = |source| Error::Io { doing: format!("talk to git to {doing}"), source };
        let (out, out_end) = io::pipe().map_err(failed)?;
        let (err, err_end) = io::pipe().map_err(failed)?;
        match output.take() {
            Some(file) => command.stdout(file),
            None => command.stdout(out_end),
        };
        command.stderr(err_end);
        let mut group = Group::start(command).map_err(|source| Error::NoGit { source })?;
        group.ask_first();
        // Our copies of the pipes' other ends go.
        command.stdout(Stdio::null()).stderr(Stdio::null());

        let mut stdout = Vec::new();
        let mut overflow = false;
        let mut stderr = Vec::new();
        let mut line = Vec::new();
        let end = {
            let mut keep_out = |bytes: &[u8]| {
                overflow |= stdout.len() + bytes.len() > STDOUT_KEPT;
                if !overflow {
                    stdout.extend_from_slice(bytes);
                }
            };
            let mut keep_err = |bytes: &[u8]| {
                stderr.extend_from_slice(bytes);
                if stderr.len() > 2 * STDERR_KEPT {
                    stderr.drain(..stderr.len() - STDERR_KEPT);
                }
                if let Some(tell) = progress.as_mut() {
                    for byte in bytes {
                        match byte {
                            b'\r' | b'\n' if line.is_empty() => {}
                            b'\r' | b'\n' => {
                                tell(String::from_utf8_lossy(&line).trim_end());
                                line.clear();
                            }
                            _ if line.len() < 1024 => line.push(*byte),
                            _ => {}
                        }
                    }
                }
            };
            group
                .watch(
                    &mut [
                        Outlet { pipe: out, sink: &mut keep_out },
                        Outlet { pipe: err, sink: &mut keep_err },
                    ],
                    limit,
                    cancel,
                )
                .map_err(failed)?
        };
        let stderr = String::from_utf8_lossy(&stderr).into_owned();
        match end {
            End::Exited(_) if overflow => {
                Err(Error::Git { doing, detail: "its answer is larger than 64 MiB".to_owned() })
            }
            End::Exited(status) => Ok(Answer { status, stdout, stderr, doing }),
            End::TimedOut => Err(Error::TimedOut {
                doing,
                after: limit.silence.unwrap_or(limit.total),
                detail: last_words(&stderr),
            }),
            End::Cancelled => Err(Error::Cancelled { doing }),
        }
    }

    /// Runs to the end and insists on success.
    pub(crate) fn run(self) -> Result<Answer> {
        self.ask()?.ok()
    }
}

impl Answer {
    pub(crate) fn success(&self) -> bool {
        self.status.success()
    }

    /// Turns a refusal of git into an error with its last lines.
    pub(crate) fn ok(self) -> Result<Answer> {
        if self.success() {
            Ok(self)
        } else {
            Err(Error::Git { detail: self.last_words(), doing: self.doing })
        }
    }

    /// Returns what git said last, without its progress.
    pub(crate) fn last_words(&self) -> String {
        let words = last_words(&self.stderr);
        if words.is_empty() { format!("it ended with {}", self.status) } else { words }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
}

/// Takes from a command what would turn git to another repository, tongue or terminal.
fn tidy_environment(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let Some(text) = name.to_str() else { continue };
        if !text.starts_with("GIT_") {
            continue;
        }
        if !KEPT.contains(&text) && !KEPT_FAMILIES.iter().any(|family| text.starts_with(family)) {
            command.env_remove(&name);
        }
    }
    command.env("GIT_TERMINAL_PROMPT", "0").env("LC_ALL", "C");
    // ssh opens the terminal by itself. With an asker that always declines it fails at once instead.
    if std::env::var_os("SSH_ASKPASS").is_none() {
        command.env("SSH_ASKPASS", "false").env("SSH_ASKPASS_REQUIRE", "force");
    }
}

/// The lock that git has found in its way, by its words.
fn stale_lock(stderr: &str) -> Option<PathBuf> {
    let (_, rest) = stderr.split_once("Unable to create '")?;
    let (path, rest) = rest.split_once('\'')?;
    rest.starts_with(": File exists").then(|| PathBuf::from(path))
}

/// Returns the last lines of what git wrote to standard error, without progress, advice and secrets.
fn last_words(stderr: &str) -> String {
    let lines: Vec<&str> = stderr
        .lines()
        .map(|line| line.rsplit('\r').find(|piece| !piece.trim().is_empty()).unwrap_or("").trim_end())
        .filter(|line| {
            let line = line.trim_start_matches("remote: ");
            let counting = ["Enumerating", "Counting", "Compressing", "Receiving", "Resolving", "Writing"];
            !line.is_empty()
                && !line.starts_with("hint:")
                && !line.starts_with("Total ")
                && !line.starts_with("Delta compression")
                && !counting.iter().any(|word| line.starts_with(word))
        })
        .collect();
    let from = lines.len().saturating_sub(6);
    hide_secrets(&lines[from..].join("; "))
}

/// Masks user names and passwords in URLs: error texts end in logs and on dashboards.
pub(crate) fn hide_secrets(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        clean.push_str(before);
        let authority = after.find(['/', ' ', '\'', '"']).unwrap_or(after.len());
        rest = match after[..authority].rfind('@') {
            Some(user) if after[..user].contains(':') || before.ends_with("https://") => {
                clean.push_str("***");
                &after[user..]
            }
            _ => after,
        };
    }
    clean.push_str(rest);
    clean
}

/// Returns the version of the git program, as `2.39.5`.
///
/// # Errors
/// `NoGit` when there is none on PATH.
pub fn version() -> Result<String> {
    let answer = Git::new(Path::new("/"), "tell its version").arg("version").run()?;
    let text = answer.text();
    Ok(text.trim().strip_prefix("git version ").unwrap_or(text.trim()).to_owned())
}

/// Returns a path as git wrote it, byte for byte.
pub(crate) fn path_from(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    PathBuf::from(OsString::from_vec(bytes.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_in_the_way_is_found_in_the_words_of_git() {
        let words = "error: could not delete\nfatal: Unable to create '/a b/repo.git/./packed-refs.lock': File exists.\n\nAnother git";
        assert_eq!(stale_lock(words), Some(PathBuf::from("/a b/repo.git/./packed-refs.lock")));
        assert_eq!(stale_lock("fatal: Unable to create '/x/y.lock': Permission denied"), None);
        assert_eq!(stale_lock("fatal: no such branch"), None);
    }

    #[test]
    fn secrets_in_urls_are_masked_and_the_rest_stays() {
        let check = |text: &str, clean: &str| assert_eq!(hide_secrets(text), clean);
        check("fatal: https://me:tok@host/x.git gone", "fatal: https://***@host/x.git gone");
        check("https://tok@host/x", "https://***@host/x");
        check("ssh://git@host/x", "ssh://git@host/x");
        check("git@host:x.git", "git@host:x.git");
        check("https://host/a@b", "https://host/a@b");
    }

    #[test]
    fn last_words_are_git_s_reasons_without_its_counting() {
        let said = "Receiving objects:  50%\rReceiving objects: 100%\rdone\nremote: Counting objects: 3\n\
                    error: one\nfatal: two\nhint: no\n";
        assert_eq!(last_words(said), "done; error: one; fatal: two");
    }

    #[test]
    fn a_cancelled_call_does_not_start() {
        let token = CancelToken::new();
        token.cancel();
        let answer = Git::new(Path::new("/"), "look").arg("version").cancel(Some(&token)).ask();
        assert!(matches!(answer, Err(Error::Cancelled { .. })));
    }

    #[test]
    fn a_git_that_hangs_is_ended_with_its_group() {
        let limit = Limit { total: Duration::from_millis(50), silence: None };
        let answer =
            Git::new(Path::new("/"), "wait").args(["-c", "alias.hang=!sleep 600", "hang"]).limit(limit).ask();
        assert!(matches!(answer, Err(Error::TimedOut { .. })));
    }
}
