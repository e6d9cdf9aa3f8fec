//! Nothing is thrown away: what is only in a worktree becomes a commit, and that goes somewhere safe.
//!
//! The commit is made beside the worktree's own state. Files are read as they are, without filters, into the
//! shared repository; an index in memory makes the tree; one new reference names it. Branch, index, files
//! and an operation in progress stay as they were, so an agent may even go on working.
//!
//! Parents of the rescue commit carry the rest along: HEAD, what was staged but differs from the files,
//! stashes of the branch, and the commits that a merge or rebase in progress is about.

use std::{
    fs,
    path::{Path, PathBuf},
};

use git2::{Oid, Repository};

use crate::{
    Error, Repo, Result,
    remote::{Push, Pushed},
    unsaved::Beside,
};

/// Where saved work is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    /// A local branch of the rig's repository; with `pushed` also one of the remote.
    pub branch: String,
    pub oid: Oid,
    pub pushed: bool,
    /// Where the bundle lies when the remote did not take the branch.
    pub bundle: Option<PathBuf>,
    /// Why the remote did not take it.
    pub why: Option<String>,
}

/// Saves everything in `worktree` that is nowhere else: changed, staged, conflicted and untracked files,
/// stashes of its branch, commits that no branch of the remote has. Ignored files are not saved.
///
/// The branch is `rescue/<agent>/<label>`, with a number when that name holds something else. It is pushed;
/// if that fails, a bundle is written into `bundle_dir`. Either way it stays a branch of the rig's
/// repository. Returns `None` when there is nothing to save. Saving the same state again gives the same
/// branch, whatever the label.
///
/// # Errors
/// What keeps a file from being read or written: then nothing has been saved, and nothing is changed.
pub fn save(
    repo: &Repo,
    worktree: &Path,
    agent: &str,
    label: &str,
    bundle_dir: &Path,
) -> Result<Option<Saved>> {
    save_known(repo, worktree, agent, label, bundle_dir).map(|(_, saved)| saved)
}

/// As [`save`], and says by which words exactly this state is known again: those of [`Beside::key`].
pub(crate) fn save_known(
    repo: &Repo,
    worktree: &Path,
    agent: &str,
    label: &str,
    bundle_dir: &Path,
) -> Result<(String, Option<Saved>)> {
    let beside = Beside::of(worktree)?;
    let key = beside.key();
    let Some((branch, oid)) = commit(repo, &beside, worktree, agent, label)? else { return Ok((key, None)) };
    let sending = || Error::io(format!("save what is in {}", worktree.display()));
    faults::point("git.rescue.committed").map_err(sending())?;
    let why = match send(repo, &branch, oid) {
        Ok(None) => return Ok((key, Some(Saved { branch, oid, pushed: true, bundle: None, why: None }))),
        Ok(Some(why)) => why,
        Err(e) => e.to_string(),
    };
    faults::point("git.rescue.bundle").map_err(sending())?;
    let bundle = bundle(repo, &branch, oid, bundle_dir)?;
    faults::pass("git.rescue.bundled");
    Ok((key, Some(Saved { branch, oid, pushed: false, bundle: Some(bundle), why: Some(why) })))
}

/// Pushes a branch that is new to the remote; returns why it was not taken.
fn send(repo: &Repo, branch: &str, oid: Oid) -> Result<Option<String>> {
    let push = Push { commit: Some(oid), branch, expected: None, moves_checkout: false };
    faults::pass("git.rescue.push");
    let answer = repo.push(&push)?;
    faults::pass("git.rescue.pushed");
    Ok(match (repo.remote_head(branch)?, answer) {
        (Some(there), _) if there == oid => None,
        (_, Pushed::Declined(why)) => Some(why),
        (_, Pushed::Taken) => Some("the remote has something else under this name".to_owned()),
    })
}

/// Writes `branch` into a bundle in `dir`, without what the remote has, and returns its path. To read it:
/// `git fetch <path> <branch>` in a clone of the remote.
pub(crate) fn bundle(repo: &Repo, branch: &str, oid: Oid, dir: &Path) -> Result<PathBuf> {
    fs::create_dir_all(dir).map_err(Error::io(format!("make the folder {}", dir.display())))?;
    let dir = dir.canonicalize().map_err(Error::io(format!("find {}", dir.display())))?;
    let path = dir.join(bundle_name(branch, oid));
    if path.exists() {
        return Ok(path);
    }
    // Under another name until it is whole: what is named a bundle is one.
    let partial = path.with_extension("partial");
    let write = |exclude: &[&str]| {
        repo.git(format!("write the bundle {}", path.display()))
            .args(["bundle", "create", "--quiet"])
            .arg(&partial)
            .arg(format!("refs/heads/{branch}"))
            .args(exclude)
            .run()
    };
    // Git does not write a bundle with nothing in it: then all of the branch goes in.
    write(&["--not", "--remotes=origin"]).or_else(|_| write(&[]))?;
    fs::rename(&partial, &path).map_err(Error::io(format!("write the bundle {}", path.display())))?;
    Ok(path)
}

/// Makes the rescue commit and its local branch.
fn commit(
    repo: &Repo,
    beside: &Beside,
    worktree: &Path,
    agent: &str,
    label: &str,
) -> Result<Option<(String, Oid)>> {
    let doing = || Error::library(format!("save what is in {}", worktree.display()));
    if !beside.any {
        let Some(head) = beside.head else { return Ok(None) };
        if is_at_remote(&beside.library, head).map_err(doing())? {
            return Ok(None);
        }
    }
    if let Some(saved) = saved_as(beside, agent).map_err(doing())? {
        return Ok(Some(saved));
    }
    let (branch, _) = free_name(repo, agent, label, |_| Ok(false))?;
    faults::pass("git.rescue.commit");
    let oid = beside.write(agent, worktree, None)?;
    beside.library.reference(&format!("refs/heads/{branch}"), oid, false, "rescue").map_err(doing())?;
    Ok(Some((branch, oid)))
}

/// Whether `worktree` holds anything beside its branch (changed or unknown files, stashes, something begun) that
/// is on none of `agent`'s rescue branches yet.
///
/// Commits do not count: they stay with their branch.
pub fn is_pending(worktree: &Path, agent: &str) -> Result<bool> {
    let beside = Beside::of(worktree)?;
    let doing = Error::library(format!("look for what was saved of {}", worktree.display()));
    Ok(beside.any && saved_as(&beside, agent).map_err(doing)?.is_none())
}

/// The rescue branches of `agent` that hold what was in a worktree on `branch`: also those of which nobody has heard,
/// because the runtime died between saving and saying so.
pub fn of_branch(repo: &Repo, agent: &str, branch: &str) -> Result<Vec<(String, Oid)>> {
    let library = repo.library()?;
    let line = format!("Branch: {branch}");
    let saved = repo.branches(&format!("rescue/{}/", clean_name(agent)))?;
    let holds = |(_, oid): &(String, Oid)| {
        let message = library.find_commit(*oid).ok().map(|commit| commit.message_bytes().to_owned());
        message.is_some_and(|message| String::from_utf8_lossy(&message).lines().any(|found| found == line))
    };
    Ok(saved.into_iter().filter(holds).collect())
}

/// Where the bundle of a rescue branch lies, if it was bundled.
pub fn bundle_of(branch: &str, oid: Oid, dir: &Path) -> Option<PathBuf> {
    let path = dir.join(bundle_name(branch, oid));
    path.is_file().then_some(path)
}

fn bundle_name(branch: &str, oid: Oid) -> String {
    format!("{}-{}.bundle", branch.replace('/', "-"), &oid.to_string()[..12])
}

/// The rescue branch of `agent` on which exactly this state is saved.
fn saved_as(beside: &Beside, agent: &str) -> Result<Option<(String, Oid)>, git2::Error> {
    let key = beside.key();
    let of_agent = format!("refs/heads/rescue/{}/*", clean_name(agent));
    for reference in beside.library.references_glob(&of_agent)? {
        let reference = reference?;
        let Ok(there) = reference.peel_to_commit() else { continue };
        let branch = reference.name().ok().and_then(|name| name.strip_prefix("refs/heads/"));
        if let Some(branch) = branch
            && String::from_utf8_lossy(there.message_bytes()).contains(&key)
        {
            return Ok(Some((branch.to_owned(), there.id())));
        }
    }
    Ok(None)
}

/// Names the commit `oid`, made by [`unsaved`] in this repository or another, by a branch
/// `rescue/<agent>/<label>`, with a number when that name holds something else.
pub(crate) fn keep(repo: &Repo, agent: &str, label: &str, oid: Oid) -> Result<String> {
    let (branch, there) = free_name(repo, agent, label, |there| Ok(there == oid))?;
    if there.is_none() {
        let doing = Error::library(format!("make the branch {branch}"));
        repo.library()?.reference(&format!("refs/heads/{branch}"), oid, false, "rescue").map_err(doing)?;
    }
    Ok(branch)
}

/// The first name for a rescue branch that is free, or that holds what `is_it` knows.
fn free_name(
    repo: &Repo,
    agent: &str,
    label: &str,
    is_it: impl Fn(Oid) -> Result<bool>,
) -> Result<(String, Option<Oid>)> {
    let base = format!("rescue/{}/{}", clean_name(agent), clean_name(label));
    let mut n = 1_u32;
    loop {
        let branch = if n == 1 { base.clone() } else { format!("{base}-{n}") };
        match repo.branch_head(&branch)? {
            None => return Ok((branch, None)),
            Some(there) if is_it(there)? => return Ok((branch, Some(there))),
            Some(_) => n += 1,
        }
    }
}

/// Returns whether some branch of the remote has this commit, as of the last fetch.
fn is_at_remote(library: &Repository, oid: Oid) -> Result<bool, git2::Error> {
    let mut walk = library.revwalk()?;
    walk.push(oid)?;
    walk.hide_glob("refs/remotes/origin/*")?;
    Ok(walk.next().is_none())
}

/// Returns `text` as something that may stand in the name of a branch.
pub(crate) fn clean_name(text: &str) -> String {
    let plain: String =
        text.chars().map(|c| if c.is_alphanumeric() || "-_./".contains(c) { c } else { '-' }).collect();
    let parts = plain.split('/').map(|part| {
        let part = part.trim_matches('.').replace("..", "-");
        part.strip_suffix(".lock").map(str::to_owned).unwrap_or(part)
    });
    let name = parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/");
    if name.is_empty() { "unnamed".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeMap,
        os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    };

    use super::*;
    use crate::{
        status,
        testing::{A_TXT, Lab, command, commit_file, saved_files},
        worktree,
    };

    type Files = BTreeMap<String, (u32, Vec<u8>)>;

    /// All that a worktree is: its files, and what git notes of it.
    fn everything(path: &Path) -> Files {
        fn walk(root: &Path, at: &Path, files: &mut Files) {
            for found in fs::read_dir(at).unwrap() {
                let path = found.unwrap().path();
                let meta = fs::symlink_metadata(&path).unwrap();
                if meta.is_dir() {
                    walk(root, &path, files);
                } else {
                    let bytes = match fs::read_link(&path) {
                        Ok(target) => target.as_os_str().as_bytes().to_vec(),
                        Err(_) => fs::read(&path).unwrap(),
                    };
                    let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
                    files.insert(name, (meta.permissions().mode(), bytes));
                }
            }
        }
        let mut files = Files::new();
        walk(path, path, &mut files);
        let pointer = String::from_utf8(files[".git"].1.clone()).unwrap();
        let entry = PathBuf::from(pointer.trim().strip_prefix("gitdir: ").unwrap());
        let mut notes = Files::new();
        walk(&entry, &entry, &mut notes);
        files.extend(notes.into_iter().map(|(name, file)| (format!("entry/{name}"), file)));
        files
    }

    /// Saves, and sees to it that the worktree is as before and the files are in the commit.
    fn save_and_compare(lab: &Lab, repo: &Repo, path: &Path) -> Saved {
        let before = everything(path);
        let saved = save(repo, path, "web/polecats/nux", "before restart", &lab.path("bundles")).unwrap();
        assert_eq!(everything(path), before, "the worktree itself is not touched");
        let saved = saved.expect("there is something to save");
        let files = before.into_iter().filter(|(name, _)| name != ".git" && !name.starts_with("entry/"));
        let files: BTreeMap<String, Vec<u8>> = files.map(|(name, (_, bytes))| (name, bytes)).collect();
        assert_eq!(saved_files(repo, saved.oid), files);
        saved
    }

    fn parents(repo: &Repo, oid: Oid) -> Vec<Oid> {
        repo.first_parent_log(oid, 1).unwrap().remove(0).parents
    }

    #[test]
    fn changed_staged_and_new_files_are_saved_byte_for_byte() {
        let lab = Lab::new();
        let repo = lab.clone();
        let path = worktree::ensure(&repo, &lab.path("nux one"), "polecat/nux/a", lab.first).unwrap().path;
        commit_file(&path, ".gitattributes", "* text=auto\n", "attributes");
        commit_file(&path, "gone.txt", "g", "gone");
        let head = commit_file(&path, "was file", "f", "was file");
        fs::remove_file(path.join("gone.txt")).unwrap();
        fs::write(path.join("a.txt"), "line ends\r\nstay\r\n").unwrap();
        fs::write(path.join("staged.txt"), "first\n").unwrap();
        lab.git(&path, &["add", "staged.txt"]);
        fs::write(path.join("staged.txt"), "second\n").unwrap();
        fs::remove_file(path.join("was file")).unwrap();
        fs::create_dir(path.join("was file")).unwrap();
        fs::write(path.join("was file/is folder \u{e9}\n"), [0, 255, 13, 10]).unwrap();
        fs::write(path.join("run.sh"), "#!/bin/sh\n").unwrap();
        fs::set_permissions(path.join("run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
        std::os::unix::fs::symlink("nowhere/at all", path.join("link")).unwrap();
        fs::write(path.join("announced.txt"), "n").unwrap();
        lab.git(&path, &["add", "-N", "announced.txt"]);

        let saved = save_and_compare(&lab, &repo, &path);
        assert_eq!(saved.branch, "rescue/web/polecats/nux/before-restart");
        assert!(saved.pushed && saved.bundle.is_none());
        assert_eq!(lab.origin_head(&saved.branch), saved.oid);
        let modes = lab.git(repo.path(), &["ls-tree", &saved.branch, "run.sh", "link"]);
        assert!(modes.starts_with("120000") && modes.contains("\n100755"), "{modes}");
        let from = parents(&repo, saved.oid);
        assert_eq!((from[0], from.len()), (head, 2));
        assert_eq!(saved_files(&repo, from[1])["staged.txt"], b"first\n");

        let again = save(&repo, &path, "web/polecats/nux", "before restart", &lab.path("bundles")).unwrap();
        assert_eq!(again, Some(saved.clone()), "the same state is saved once");
        fs::write(path.join("more.txt"), "m").unwrap();
        let next = save_and_compare(&lab, &repo, &path);
        assert_eq!(next.branch, format!("{}-2", saved.branch));
    }

    #[test]
    fn a_merge_in_conflict_is_saved_with_both_its_sides() {
        let lab = Lab::new();
        let repo = lab.clone();
        let path = lab.conflicted_worktree(&repo);
        let saved = save_and_compare(&lab, &repo, &path);
        let theirs = repo.tracked_head("main").unwrap().unwrap();
        assert_eq!(parents(&repo, saved.oid)[1], theirs);
        assert!(String::from_utf8_lossy(&saved_files(&repo, saved.oid)["a.txt"]).contains("<<<<<<<"));
    }

    #[test]
    fn a_rebase_in_conflict_is_saved_with_the_branch_it_came_from() {
        let lab = Lab::new();
        let repo = lab.clone();
        let path = lab.conflicted_worktree(&repo);
        lab.git(&path, &["merge", "--abort"]);
        let tip = repo.branch_head("polecat/nux/c").unwrap().unwrap();
        let stopped =
            command(&path, &["rebase", "--quiet", "origin/main"]).env("GIT_EDITOR", "true").output();
        assert!(!stopped.unwrap().status.success());
        let saved = save_and_compare(&lab, &repo, &path);
        assert!(parents(&repo, saved.oid).contains(&tip));
        assert_eq!(status::status(&path).unwrap().branch.as_deref(), Some("polecat/nux/c"));
    }

    #[test]
    fn stashes_and_commits_that_only_we_have_are_saved_too() {
        let lab = Lab::new();
        let repo = lab.clone();
        let bundles = lab.path("bundles");
        let path = worktree::ensure(&repo, &lab.path("nux"), "polecat/nux/a", lab.first).unwrap().path;
        let nothing = || save(&repo, &path, "web/nux", "x", &bundles).unwrap();
        assert_eq!(nothing(), None, "a fresh worktree holds nothing of its own");
        let head = commit_file(&path, "b.txt", "b\n", "b");
        let saved = save_and_compare(&lab, &repo, &path);
        assert_eq!(parents(&repo, saved.oid), [head]);
        crate::publish::publish(&repo, "polecat/nux/a", &bundles).unwrap();
        assert_eq!(nothing(), None, "the remote has it all");
        fs::write(path.join("b.txt"), "stashed\n").unwrap();
        lab.git(&path, &["stash"]);
        let saved = save_and_compare(&lab, &repo, &path);
        let stash = parents(&repo, saved.oid)[1];
        assert_eq!(saved_files(&repo, stash)["b.txt"], b"stashed\n");
    }

    #[test]
    fn a_repository_inside_the_worktree_is_saved_with_its_history() {
        let lab = Lab::new();
        let repo = lab.clone();
        let path = worktree::ensure(&repo, &lab.path("nux"), "polecat/nux/a", lab.first).unwrap().path;
        for (name, commits) in [("empty", false), ("full", true)] {
            let inner = path.join("in ner").join(name);
            fs::create_dir_all(&inner).unwrap();
            lab.git(&inner, &["init", "--quiet"]);
            fs::write(inner.join("deep.txt"), "deep\n").unwrap();
            if commits {
                commit_file(&inner, "deep.txt", "committed\n", "deep");
            }
        }
        let saved = save(&repo, &path, "web/nux", "x", &lab.path("bundles")).unwrap().unwrap();
        let files = saved_files(&repo, saved.oid);
        assert_eq!(files["in ner/empty/deep.txt"], b"deep\n");
        assert_eq!(files["in ner/full/deep.txt"], b"committed\n");
        assert!(files.contains_key("in ner/full/.git.rescued/HEAD"));
        assert!(files.keys().any(|name| name.contains(".git.rescued/objects/")));
    }

    #[test]
    fn what_the_remote_declines_goes_into_a_bundle_that_can_be_read() {
        let lab = Lab::new();
        let repo = lab.clone();
        lab.decline_pushes();
        let path = worktree::ensure(&repo, &lab.path("nux"), "polecat/nux/a", lab.first).unwrap().path;
        fs::write(path.join("a.txt"), A_TXT.to_uppercase()).unwrap();
        let saved = save_and_compare(&lab, &repo, &path);
        assert!(!saved.pushed);
        assert!(saved.why.unwrap().contains("pushes are closed today"));
        let bundle = saved.bundle.unwrap();
        lab.git(&lab.seed, &["fetch", "--quiet", bundle.to_str().unwrap(), &saved.branch]);
        assert_eq!(lab.git(&lab.seed, &["show", "FETCH_HEAD:a.txt"]), A_TXT.to_uppercase().trim_end());
        assert_eq!(repo.branch_head(&saved.branch).unwrap(), Some(saved.oid));
    }

    #[test]
    fn any_name_becomes_one_that_a_branch_may_have() {
        let check = |from: &str, to: &str| {
            assert_eq!(clean_name(from), to);
            assert!(git2::Reference::is_valid_name(&format!("refs/heads/rescue/{to}")));
        };
        check("web/polecats/nux", "web/polecats/nux");
        check("2024-01-01T00:00:00Z", "2024-01-01T00-00-00Z");
        check("../a..b/.hidden/x.lock", "a-b/hidden/x");
        check("/", "unnamed");
        check("", "unnamed");
        check("a b~c^d@{e}\\f\n", "a-b-c-d--e--f-");
    }
}
