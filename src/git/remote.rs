//! The remote: fetched, asked, pushed to. The truth about what has landed is here.

use std::path::{Path, PathBuf};

use git2::Oid;

use crate::{
    Error, Repo, Result,
    program::{Answer, NETWORK, hide_secrets},
};

/// How everything is fetched. A remote may itself be a clone of limited depth; without the last word, git
/// would silently pass over its branches.
pub(crate) const FETCH: [&str; 5] =
    ["fetch", "--progress", "--no-write-fetch-head", "--no-recurse-submodules", "--update-shallow"];

/// One reference of a push.
pub(crate) struct Push<'a> {
    /// What to put there; `None` deletes.
    pub(crate) commit: Option<Oid>,
    pub(crate) branch: &'a str,
    /// What must stand there now; `None` means nothing.
    pub(crate) expected: Option<Oid>,
    /// Whether a checkout of the branch in a remote on this machine moves along.
    pub(crate) moves_checkout: bool,
}

/// How a push was answered. Whatever it says, the remote is asked again afterwards.
#[derive(Debug)]
pub(crate) enum Pushed {
    Taken,
    /// The remote, or the way to it, said no; in git's words.
    Declined(String),
}

impl Repo {
    /// Returns the branch that the remote's HEAD named at the time of the clone; asks when that is unknown.
    ///
    /// # Errors
    /// `NoDefaultBranch` when the remote does not say, besides what asking can meet.
    pub fn default_branch(&self) -> Result<String> {
        let library = self.library()?;
        if let Ok(head) = library.find_reference("refs/remotes/origin/HEAD")
            && let Some(target) = head.symbolic_target_bytes()
            && let Some(branch) = String::from_utf8_lossy(target).strip_prefix("refs/remotes/origin/")
        {
            return Ok(branch.to_owned());
        }
        let url = self.remote_url()?;
        let branch = ask_default_branch(self, &url)?;
        record_default_branch(self, &branch)?;
        Ok(branch)
    }

    /// Returns the address of the remote, as git has it: a password in it is not masked.
    pub fn remote_url(&self) -> Result<String> {
        let library = self.library()?;
        let remote = library
            .find_remote("origin")
            .map_err(Error::library(format!("find the remote of {}", self.path().display())))?;
        Ok(String::from_utf8_lossy(remote.url_bytes()).into_owned())
    }

    /// Returns the remote's checkout when it is a folder on this machine: not the bare kind.
    pub fn remote_checkout(&self) -> Result<Option<PathBuf>> {
        let Some(path) = local_path(&self.remote_url()?) else { return Ok(None) };
        Ok(git2::Repository::open(&path).ok().and_then(|remote| remote.workdir().map(Path::to_owned)))
    }

    /// Brings `refs/remotes/origin/*` up to date; branches that the remote no longer has go away there.
    pub fn fetch(&self) -> Result<()> {
        self.fetch_refs(&["--prune", "origin"])
    }

    /// Brings one branch up to date and returns its head.
    ///
    /// # Errors
    /// `NoSuchBranch` when the remote has none of that name.
    pub fn fetch_branch(&self, branch: &str) -> Result<Oid> {
        let spec = format!("+refs/heads/{branch}:refs/remotes/origin/{branch}");
        match self.fetch_refs(&["origin", &spec]) {
            Err(Error::Unreachable { detail, .. } | Error::Git { detail, .. })
                if detail.contains("couldn't find remote ref") =>
            {
                Err(self.no_such_remote_branch(branch)?)
            }
            other => other,
        }?;
        self.tracked_head(branch)?.ok_or(Error::NoSuchBranch {
            branch: branch.to_owned(),
            place: self.remote_url()?,
            known: Vec::new(),
        })
    }

    /// Asks the remote where `branch` stands now. Never answered from memory.
    pub fn remote_head(&self, branch: &str) -> Result<Option<Oid>> {
        let name = format!("refs/heads/{branch}");
        Ok(self.remote_refs(&name)?.into_iter().find(|(found, _)| *found == name).map(|(_, oid)| oid))
    }

    /// Asks the remote for all branches that match `pattern` (as in `refs/heads/rescue/*`).
    pub(crate) fn remote_refs(&self, pattern: &str) -> Result<Vec<(String, Oid)>> {
        let url = self.remote_url()?;
        let answer = self
            .git(format!("ask {} for {pattern}", hide_secrets(&url)))
            .args(["ls-remote", "--quiet", "origin", pattern])
            .limit(NETWORK)
            .ask()?;
        if !answer.success() {
            return Err(cannot_read(&url, &answer));
        }
        let text = answer.text();
        Ok(text
            .lines()
            .filter_map(|line| {
                let (oid, name) = line.split_once('\t')?;
                Some((name.to_owned(), Oid::from_str(oid).ok()?))
            })
            .collect())
    }

    /// Pushes one reference under a lease. `Err` only when git could not be run to its end.
    pub(crate) fn push(&self, push: &Push<'_>) -> Result<Pushed> {
        let Push { commit, branch, expected, moves_checkout } = push;
        let text = |oid: &Option<Oid>| oid.map(|oid| oid.to_string()).unwrap_or_default();
        let mut git = self
            .git(format!("push {branch}"))
            .args(["push", "--progress", "--porcelain", "--no-follow-tags", "--recurse-submodules=no"])
            .arg(format!("--force-with-lease=refs/heads/{branch}:{}", text(expected)))
            .limit(NETWORK);
        if *moves_checkout && local_path(&self.remote_url()?).is_some() {
            // A checkout of the target on this machine moves along as a pull would move it; git itself
            // declines when there are changes. Nothing is written to that repository's configuration.
            git = git.arg("--receive-pack=git -c receive.denyCurrentBranch=updateInstead receive-pack");
        }
        let answer = git.arg("origin").arg(format!("{}:refs/heads/{branch}", text(commit))).ask()?;
        if answer.success() {
            return Ok(Pushed::Taken);
        }
        // With --porcelain the reason of a refusal stands on standard output: `!\tfrom:to\t[why] (more)`.
        let said = answer.text();
        let reason = said.lines().find_map(|line| line.strip_prefix("!\t")?.split('\t').nth(1));
        let words = answer.last_words();
        Ok(Pushed::Declined(match reason {
            Some(reason) if words.contains("error: failed to push") && !words.contains("remote:") => {
                hide_secrets(reason)
            }
            Some(reason) => format!("{}; {words}", hide_secrets(reason)),
            None => words,
        }))
    }

    fn fetch_refs(&self, args: &[&str]) -> Result<()> {
        let url = self.remote_url()?;
        let mut attempts = 0;
        loop {
            attempts += 1;
            let answer = self
                .git(format!("fetch from {}", hide_secrets(&url)))
                .args(FETCH)
                .args(args)
                .limit(NETWORK)
                .ask()?;
            if answer.success() {
                return Ok(());
            }
            // Another fetch (an agent's own, say) moved the same reference between our look and our lock.
            if answer.stderr.contains("cannot lock ref") && attempts < 4 {
                continue;
            }
            return Err(cannot_read(&url, &answer));
        }
    }

    /// Returns the error for a branch that the remote does not have.
    pub(crate) fn no_such_remote_branch(&self, branch: &str) -> Result<Error> {
        let known = self.remote_refs("refs/heads/*")?;
        let mut known: Vec<String> = known
            .into_iter()
            .filter_map(|(name, _)| name.strip_prefix("refs/heads/").map(str::to_owned))
            .filter(|name| !name.starts_with("polecat/") && !name.starts_with("rescue/"))
            .collect();
        known.truncate(8);
        Ok(Error::NoSuchBranch { branch: branch.to_owned(), place: hide_secrets(&self.remote_url()?), known })
    }
}

/// Asks where the remote's HEAD points, falling back to the only or the usual branch.
pub(crate) fn ask_default_branch(repo: &Repo, url: &str) -> Result<String> {
    let answer = repo
        .git(format!("ask {} for its default branch", hide_secrets(url)))
        .args(["ls-remote", "--symref", "origin"])
        .limit(NETWORK)
        .ask()?;
    if !answer.success() {
        return Err(cannot_read(url, &answer));
    }
    let text = answer.text();
    let mut head_oid = None;
    let mut branches = Vec::new();
    let mut symbolic = None;
    for line in text.lines() {
        let Some((left, name)) = line.split_once('\t') else { continue };
        match (left.strip_prefix("ref: refs/heads/"), name.strip_prefix("refs/heads/")) {
            (Some(branch), _) if name == "HEAD" => symbolic = Some(branch.to_owned()),
            (None, None) if name == "HEAD" => head_oid = Some(left),
            (None, Some(branch)) => branches.push((branch, left)),
            _ => {}
        }
    }
    let there = |name: &str| branches.iter().any(|(branch, _)| *branch == name);
    if let Some(branch) = symbolic.filter(|branch| there(branch)) {
        return Ok(branch);
    }
    // A detached HEAD, or one that points to a branch that was never made.
    let at_head: Vec<_> = branches.iter().filter(|(_, oid)| head_oid == Some(oid)).collect();
    match (at_head.as_slice(), branches.as_slice()) {
        ([(only, _)], _) | (_, [(only, _)]) => Ok((*only).to_owned()),
        _ => ["main", "master"]
            .into_iter()
            .find(|name| there(name))
            .map(str::to_owned)
            .ok_or_else(|| Error::NoDefaultBranch { url: hide_secrets(url) }),
    }
}

pub(crate) fn record_default_branch(repo: &Repo, branch: &str) -> Result<()> {
    let doing = || format!("note {branch} as the default branch");
    let library = repo.library()?;
    let target = format!("refs/remotes/origin/{branch}");
    library
        .reference_symbolic("refs/remotes/origin/HEAD", &target, true, "default branch of the remote")
        .map_err(Error::library(doing()))?;
    library.set_head(&format!("refs/heads/{branch}")).map_err(Error::library(doing()))
}

/// Turns git's refusal to read from a remote into what it means.
pub(crate) fn cannot_read(url: &str, answer: &Answer) -> Error {
    let said = answer.stderr.to_lowercase();
    let place = hide_secrets(url);
    let no_repository = [
        "does not appear to be a git repository",
        "not a git repository",
        "repository not found",
        "does not exist",
    ];
    let remote_host = local_path(url).is_none();
    if no_repository.iter().any(|words| said.contains(words))
        || (said.contains("repository '") && said.contains("not found"))
    {
        return Error::NotARepository { place };
    }
    if remote_host || said.contains("could not read from remote") {
        return Error::Unreachable { url: place, detail: answer.last_words() };
    }
    Error::Git { doing: format!("read from {place}"), detail: answer.last_words() }
}

/// Returns the folder that a URL means when it lies on this machine.
pub(crate) fn local_path(url: &str) -> Option<PathBuf> {
    if let Some(path) = url.strip_prefix("file://") {
        return Some(PathBuf::from(path));
    }
    url.starts_with('/').then(|| PathBuf::from(url))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Lab, commit_file};

    #[test]
    fn a_clone_has_the_remote_s_branches_apart_from_its_own() {
        let lab = Lab::new();
        let repo = lab.clone();
        assert_eq!(repo.branches("").unwrap(), []);
        assert_eq!(repo.default_branch().unwrap(), "main");
        assert_eq!(repo.tracked_head("main").unwrap(), Some(lab.origin_head("main")));
        let next = commit_file(&lab.seed, "b.txt", "b\n", "b");
        lab.push_seed("main");
        assert_eq!(repo.tracked_head("main").unwrap().unwrap(), lab.first);
        assert_eq!(repo.remote_head("main").unwrap(), Some(next));
        assert_eq!(repo.tracked_head("main").unwrap().unwrap(), lab.first, "asking changes nothing here");
        repo.fetch().unwrap();
        assert_eq!(repo.tracked_head("main").unwrap(), Some(next));
        assert_eq!(repo.remote_head("nowhere").unwrap(), None);
        let log = repo.first_parent_log(next, 10).unwrap();
        assert_eq!(log.iter().map(LogSummary::of).collect::<Vec<_>>(), ["b", "start"]);
        assert!(repo.is_ancestor(lab.first, next).unwrap());
        assert!(!repo.is_ancestor(next, lab.first).unwrap());
    }

    struct LogSummary;
    impl LogSummary {
        fn of(entry: &crate::LogEntry) -> &str {
            entry.summary()
        }
    }

    #[test]
    fn a_missing_branch_is_named_with_those_that_are_there() {
        let lab = Lab::new();
        let repo = lab.clone();
        match repo.fetch_branch("mian").unwrap_err() {
            Error::NoSuchBranch { branch, known, .. } => {
                assert_eq!((branch.as_str(), known), ("mian", vec!["main".to_owned()]));
            }
            other => panic!("{other}"),
        }
    }

    #[test]
    fn the_default_branch_follows_a_head_of_any_name() {
        let lab = Lab::new();
        lab.git(&lab.origin, &["branch", "-m", "main", "trunk"]);
        lab.git(&lab.origin, &["branch", "other", "trunk"]);
        assert_eq!(lab.clone().default_branch().unwrap(), "trunk");
        lab.git(&lab.origin, &["symbolic-ref", "HEAD", "refs/heads/nowhere"]);
        let repo =
            Repo::clone_bare(lab.origin.to_str().unwrap(), lab.path("second.git"), &mut |_| {}).unwrap();
        assert!(matches!(repo.default_branch().unwrap_err(), Error::NoDefaultBranch { .. }));
    }
}
