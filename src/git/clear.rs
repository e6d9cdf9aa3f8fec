//! A worktree removed, after everything in it has been saved.
//!
//! ```text
//!   save  ─>  out of the way  ─>  look again: is it what was saved?  ─>  gone
//!             (.NAME.leaving)      no: back into its place
//! ```
//!
//! Somebody may still write there: an agent's child that nobody knows of, a person's editor. So the folder is first
//! taken out of the way, where nothing that knows its path finds it, and then looked at once more. Only what
//! is byte for byte what was saved is deleted. A kill between any two steps leaves a folder that the next call
//! puts back and saves anew.

use std::{fs, io, path::Path};

use git2::{Oid, Repository};

use crate::{
    Error, Repo, Result, place,
    place::Place,
    repo::open_library,
    rescue::{self, Saved},
    status, sweep,
    unsaved::Beside,
    worktree::{self, Refusal, Removal},
};

/// Saves everything in `worktree` as [`rescue::save`] does, and then removes it with the stashes of its branch.
/// The branch itself stays. Ignored files go with the folder.
///
/// Returns what was saved, if there was anything, and whether the folder is gone.
///
/// # Errors
/// `InUse` when some program has a file of it open for writing, `Dirty` when it changed while it was being saved,
/// and whatever keeps it from being saved: nothing is lost then, and the folder stands where it stood.
pub fn save_and_remove(
    repo: &Repo,
    worktree: &Path,
    agent: &str,
    label: &str,
    bundle_dir: &Path,
) -> Result<(Option<Saved>, Removal)> {
    let doing = || Error::io(format!("remove {}", worktree.display()));
    put_back(repo, worktree)?;
    match place::look(repo, worktree)? {
        Place::Vacant => return Ok((None, worktree::forget(repo, worktree)?)),
        Place::HalfMade { .. } | Place::Foreign => {
            return Ok((None, Removal::Refused(Refusal::NotOurs)));
        }
        Place::Ours { .. } => {}
    }
    if let Some((pid, program)) = sweep::writer_in(worktree) {
        return Err(Error::InUse { path: worktree.to_owned(), pid, program });
    }
    faults::point("git.clear.save").map_err(doing())?;
    let (key, saved) = rescue::save_known(repo, worktree, agent, label, bundle_dir)?;
    faults::point("git.clear.saved").map_err(doing())?;
    let leaving = worktree::leaving(worktree);
    fs::rename(worktree, &leaving).map_err(doing())?;
    faults::pass("git.clear.leaving");
    let looked = place::look(repo, &leaving).and_then(|there| {
        if let Place::Ours { entry } = &there {
            worktree::mend_submodules(entry, worktree, &leaving)?;
        }
        Ok((there, Beside::of(&leaving)?.key() == key))
    });
    let entry = match looked {
        Ok((Place::Ours { entry }, true)) => entry,
        other => {
            put_back(repo, worktree)?;
            other?;
            let files = status::status(worktree)?.files();
            return Err(Error::Dirty { path: worktree.to_owned(), files });
        }
    };
    let stashes = status::status(&leaving)?.stashes;
    let mut library = open_library(repo.path())?;
    if let Err(e) = worktree::discard(repo, worktree, &leaving, &entry) {
        put_back(repo, worktree)?;
        return Err(e);
    }
    for stash in stashes {
        drop_stash(&mut library, stash.oid)
            .map_err(Error::library(format!("drop a saved stash of {}", worktree.display())))?;
    }
    faults::pass("git.clear.done");
    Ok((saved, Removal::Removed))
}

/// Puts a worktree that was being removed back into its place, so that it is looked at from the beginning.
pub(crate) fn put_back(repo: &Repo, worktree: &Path) -> Result<()> {
    let leaving = worktree::leaving(worktree);
    if fs::symlink_metadata(&leaving).is_err() {
        return Ok(());
    }
    // Whoever knows only the path may have made something there meanwhile.
    if place::look(repo, worktree)? != Place::Vacant {
        place::move_aside(worktree)?;
    }
    let doing = || Error::io(format!("put {} back", worktree.display()));
    match fs::remove_dir(worktree) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(doing()(e)),
        _ => {}
    }
    fs::rename(&leaving, worktree).map_err(doing())?;
    // Mends the pointers between the folder and git's entry of it.
    match place::look(repo, worktree)? {
        Place::Ours { entry } => worktree::mend_submodules(&entry, &leaving, worktree),
        _ => Ok(()),
    }
}

/// Takes one stash off the stack, by what it is: its number may have changed.
fn drop_stash(library: &mut Repository, wanted: Oid) -> std::result::Result<(), git2::Error> {
    let mut number = None;
    library.stash_foreach(|at, _, oid| {
        if *oid == wanted {
            number = Some(at);
        }
        number.is_none()
    })?;
    match number {
        Some(number) => library.stash_drop(number),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeMap,
        os::unix::fs::PermissionsExt,
        path::PathBuf,
        process::{Command, Stdio},
        sync::atomic::{AtomicBool, AtomicU64, Ordering},
    };

    use super::*;
    use crate::testing::{Lab, command, commit_file, saved_files};

    fn made(lab: &Lab) -> (Repo, PathBuf) {
        let repo = lab.clone();
        let path = worktree::ensure(&repo, &lab.path("docs"), "polecat/docs/a", lab.first).unwrap().path;
        (repo, path)
    }

    fn remove(lab: &Lab, repo: &Repo, path: &Path) -> Result<(Option<Saved>, Removal)> {
        save_and_remove(repo, path, "docs", "now", &lab.path("bundles"))
    }

    /// All files of a folder, but for what is git's own.
    fn files(path: &Path) -> BTreeMap<String, Vec<u8>> {
        fn walk(root: &Path, at: &Path, found: &mut BTreeMap<String, Vec<u8>>) {
            for entry in fs::read_dir(at).unwrap() {
                let path = entry.unwrap().path();
                let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
                match path.is_dir() {
                    _ if path.file_name().is_some_and(|name| name == ".git") => {}
                    true => walk(root, &path, found),
                    false => drop(found.insert(name, fs::read(&path).unwrap())),
                }
            }
        }
        let mut found = BTreeMap::new();
        walk(path, path, &mut found);
        found
    }

    #[test]
    fn a_worktree_goes_when_all_that_is_in_it_is_safe_and_its_branch_stays() {
        let lab = Lab::new();
        let (repo, path) = made(&lab);
        fs::write(path.join("a.txt"), "stashed").unwrap();
        lab.git(&path, &["stash"]);
        let committed = commit_file(&path, "b.txt", "committed", "b");
        fs::write(path.join("b.txt"), "staged").unwrap();
        lab.git(&path, &["add", "b.txt"]);
        fs::write(path.join("b.txt"), "changed").unwrap();
        fs::write(path.join("-new \u{e9}\n'\".txt"), [0, 255, 13]).unwrap();
        let before = files(&path);

        let (saved, removal) = remove(&lab, &repo, &path).unwrap();
        let saved = saved.expect("there is something to save");
        assert_eq!((removal, path.exists()), (Removal::Removed, false));
        assert_eq!(saved.branch, "rescue/docs/now");
        assert_eq!(lab.origin_head(&saved.branch), saved.oid);
        assert_eq!(saved_files(&repo, saved.oid), before);
        let parents = repo.first_parent_log(saved.oid, 1).unwrap().remove(0).parents;
        assert_eq!(parents.len(), 3, "the branch, the stash, what was staged");
        assert_eq!(saved_files(&repo, parents[1])["a.txt"], b"stashed");
        assert_eq!(saved_files(&repo, parents[2])["b.txt"], b"staged");
        assert_eq!(repo.branch_head("polecat/docs/a").unwrap(), Some(committed));
        assert_eq!(remove(&lab, &repo, &path).unwrap(), (None, Removal::Removed), "it is gone already");

        let again = worktree::ensure(&repo, &path, "polecat/docs/a", lab.first).unwrap();
        assert_eq!((again.head, status::status(&path).unwrap().is_clean()), (committed, true));
        let nothing = (None, Removal::Removed);
        assert_eq!(remove(&lab, &repo, &path).unwrap(), nothing, "the remote has it all");
    }

    #[test]
    fn what_has_been_begun_goes_with_its_commits_saved() {
        for begun in [&["merge", "other"][..], &["rebase", "other"], &["cherry-pick", "other"]] {
            let lab = Lab::new();
            let (repo, path) = made(&lab);
            let ours = commit_file(&path, "a.txt", "ours", "ours");
            lab.git(&path, &["checkout", "--quiet", "-b", "other", "HEAD~1"]);
            let theirs = commit_file(&path, "a.txt", "theirs", "theirs");
            lab.git(&path, &["checkout", "--quiet", "polecat/docs/a"]);
            assert!(!command(&path, begun).output().unwrap().status.success(), "it conflicts");
            let before = files(&path);
            let (saved, removal) = remove(&lab, &repo, &path).unwrap();
            let saved = saved.unwrap();
            assert_eq!((removal, saved_files(&repo, saved.oid)), (Removal::Removed, before));
            for commit in [ours, theirs] {
                assert!(repo.is_ancestor(commit, saved.oid).unwrap(), "{begun:?}");
            }
        }
    }

    #[test]
    fn commits_on_no_branch_are_saved() {
        let lab = Lab::new();
        let (repo, path) = made(&lab);
        lab.git(&path, &["checkout", "--quiet", "--detach"]);
        let lonely = commit_file(&path, "lonely.txt", "l", "lonely");
        let (saved, removal) = remove(&lab, &repo, &path).unwrap();
        assert_eq!(removal, Removal::Removed);
        assert!(repo.is_ancestor(lonely, saved.unwrap().oid).unwrap());
    }

    #[test]
    fn what_lies_in_a_submodule_is_saved_and_its_repository_kept() {
        let lab = Lab::new();
        let (repo, path) = made(&lab);
        let url = lab.origin.to_str().unwrap();
        let add = ["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", url, "sub"];
        lab.git(&path, &add);
        lab.git(&path, &["commit", "--quiet", "-m", "sub"]);
        let inner = commit_file(&path.join("sub"), "inner.txt", "committed there", "inner");
        fs::write(path.join("sub/dirt.txt"), "dirt").unwrap();
        let before = files(&path);
        let (saved, removal) = remove(&lab, &repo, &path).unwrap();
        assert_eq!(removal, Removal::Removed);
        let mut kept = saved_files(&repo, saved.unwrap().oid);
        kept.retain(|name, _| !name.contains(".git.rescued"));
        assert_eq!(kept, before);
        let attic = repo.path().join("worktrees.rescued/docs-1/modules/sub");
        let head = Repository::open_bare(attic).unwrap().head().unwrap().target();
        assert_eq!(head, Some(inner));
    }

    #[test]
    fn nothing_is_removed_in_which_a_program_has_a_file_open_for_writing() {
        let lab = Lab::new();
        let (repo, path) = made(&lab);
        let mut writer = Command::new("sh")
            .args(["-c", "exec 3>open.txt; echo begun >&3; echo ready; read _; echo ended >&3"])
            .current_dir(&path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        io::BufRead::read_line(&mut io::BufReader::new(writer.stdout.as_mut().unwrap()), &mut ready).unwrap();
        let refused = remove(&lab, &repo, &path).unwrap_err();
        assert!(matches!(refused, Error::InUse { .. }), "{refused}");
        assert!(path.join("open.txt").exists());
        drop(writer.stdin.take());
        writer.wait().unwrap();
        let (saved, _) = remove(&lab, &repo, &path).unwrap();
        assert_eq!(saved_files(&repo, saved.unwrap().oid)["open.txt"], b"begun\nended\n");
    }

    #[test]
    fn what_is_written_while_it_is_saved_is_not_lost() {
        let lab = Lab::new();
        let (repo, path) = made(&lab);
        let (written, over) = (AtomicU64::new(0), AtomicBool::new(false));
        let last = std::thread::scope(|scope| {
            // Writes by the path, again and again, until there is nothing any more to write into.
            scope.spawn(|| {
                for n in 1.. {
                    let new = path.join("new.txt");
                    if fs::write(&new, n.to_string()).is_err() && over.load(Ordering::SeqCst) {
                        break;
                    }
                    if new.exists() {
                        written.store(n, Ordering::SeqCst);
                    }
                    // Less and less often, so that there is a moment for it.
                    std::thread::sleep(std::time::Duration::from_millis(n * 10));
                }
            });
            let saved = loop {
                match remove(&lab, &repo, &path) {
                    Ok((saved, Removal::Removed)) => break saved,
                    Ok(other) => panic!("{other:?}"),
                    Err(Error::Dirty { .. } | Error::InUse { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            };
            over.store(true, Ordering::SeqCst);
            saved
        });
        let kept = last.map_or(0, |saved| {
            let text = saved_files(&repo, saved.oid)["new.txt"].clone();
            String::from_utf8(text).unwrap().parse::<u64>().unwrap()
        });
        // One more may have been written than was seen to be there: the folder was just moved out of the way.
        let seen = written.load(Ordering::SeqCst);
        assert!(kept == seen || kept == seen + 1, "{seen} was written, {kept} is saved");
    }

    #[test]
    fn a_kill_while_it_goes_leaves_a_worktree_that_is_found_again() {
        let lab = Lab::new();
        let (repo, path) = made(&lab);
        fs::write(path.join("new.txt"), "new").unwrap();
        fs::rename(&path, worktree::leaving(&path)).unwrap();
        let found = worktree::ensure(&repo, &path, "polecat/docs/a", lab.first).unwrap();
        assert_eq!(found.how, worktree::How::Found);
        assert_eq!(status::status(&path).unwrap().untracked, ["new.txt"]);
        fs::rename(&path, worktree::leaving(&path)).unwrap();
        // Somebody who knows only the path has made something there meanwhile.
        fs::create_dir(&path).unwrap();
        fs::write(path.join("late.txt"), "late").unwrap();
        let (saved, removal) = remove(&lab, &repo, &path).unwrap();
        assert_eq!(removal, Removal::Removed);
        assert_eq!(saved_files(&repo, saved.unwrap().oid)["new.txt"], b"new");
        assert_eq!(fs::read_to_string(lab.path("docs.rescued-1/late.txt")).unwrap(), "late");
    }

    /// The tests may run as root, whom nothing is forbidden: this one runs itself without that privilege.
    #[test]
    fn what_cannot_be_read_keeps_the_worktree_where_it_is() {
        const INSIDE: &str = "GASTOWN_TEST_UNPRIVILEGED";
        let readable = |path: &Path| fs::read_dir(path).is_ok();
        let probe = tempfile::tempdir().unwrap();
        fs::set_permissions(probe.path(), fs::Permissions::from_mode(0o0)).unwrap();
        let privileged = readable(probe.path());
        fs::set_permissions(probe.path(), fs::Permissions::from_mode(0o700)).unwrap();
        if privileged {
            assert!(std::env::var_os(INSIDE).is_none(), "the privilege was not given up");
            let name = "clear::tests::what_cannot_be_read_keeps_the_worktree_where_it_is";
            let said = Command::new("setpriv")
                .args(["--bounding-set=-dac_override,-dac_read_search", "--"])
                .arg(std::env::current_exe().unwrap())
                .args(["--exact", name])
                .env(INSIDE, "1")
                .output();
            match said {
                Ok(said) => assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stdout)),
                Err(error) => eprintln!("SKIPPED: no setpriv here: {error}"),
            }
            return;
        }
        let lab = Lab::new();
        let (repo, path) = made(&lab);
        let closed = path.join("closed");
        fs::create_dir(&closed).unwrap();
        fs::write(closed.join("in it.txt"), "work").unwrap();
        let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        set(&closed, 0);
        let refused = remove(&lab, &repo, &path).unwrap_err();
        assert!(matches!(refused, Error::Unreadable { .. }) && refused.hint().is_some(), "{refused}");
        set(&closed, 0o755);
        set(&closed.join("in it.txt"), 0);
        let refused = remove(&lab, &repo, &path).unwrap_err();
        assert!(matches!(refused, Error::Io { .. }) && refused.hint().is_some(), "{refused}");
        set(&closed.join("in it.txt"), 0o644);
        let (saved, removal) = remove(&lab, &repo, &path).unwrap();
        assert_eq!(removal, Removal::Removed);
        assert_eq!(saved_files(&repo, saved.unwrap().oid)["closed/in it.txt"], b"work");
    }
}
