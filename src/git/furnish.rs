//! What a worktree gets besides the files of its branch: copied files, submodules, a set-up that was done, a number.
//!
//! - Copied files are never handed in: git does not see them (`info/exclude` of the shared repository).
//! - A number tells worktrees of one repository apart as long as they stand. It is claimed by a file that names the
//!   worktree's folder, so that a restart finds it again, and is free when that folder is gone.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::place::{self, Place};
use crate::process::Limit;
use crate::{Error, Repo, Result};

/// The lines around what is ours in `info/exclude`.
const BEGIN: &str = "# copied by gastown";
const END: &str = "# end of what is copied by gastown";

/// How long submodules may take, and how long a remote of one may be silent.
const SUBMODULES: Limit =
    Limit { total: std::time::Duration::from_secs(3600), silence: Some(std::time::Duration::from_secs(120)) };

/// Copies `files` into the worktree at `path`, each from the first of `sources` that has it. What is there already is
/// left as it is.
///
/// # Errors
/// `NoSource` when none of them has it.
pub fn bring(repo: &Repo, path: &Path, files: &[PathBuf], sources: &[PathBuf]) -> Result<()> {
    hide(repo, files)?;
    let root = fs::canonicalize(path).map_err(Error::io(format!("look at {}", path.display())))?;
    for file in files {
        let to = root.join(file);
        if fs::symlink_metadata(&to).is_ok() {
            continue;
        }
        let Some(from) = sources.iter().map(|source| source.join(file)).find(|from| from.is_file()) else {
            return Err(Error::NoSource { file: file.clone(), sources: sources.to_vec() });
        };
        let doing = || Error::io(format!("copy {} to {}", from.display(), to.display()));
        let folder = to.parent().unwrap_or(&root);
        fs::create_dir_all(folder).map_err(doing())?;
        // A link in the repository could lead anywhere.
        if !fs::canonicalize(folder).map_err(doing())?.starts_with(&root) {
            let out = io::Error::other("its folder leads out of the worktree");
            return Err(doing()(out));
        }
        // Half of a file is never taken for the whole.
        let fresh = half(&to);
        fs::copy(&from, &fresh).and_then(|_| fs::rename(&fresh, &to)).map_err(doing())?;
    }
    Ok(())
}

/// Where a file stands while it is copied.
fn half(to: &Path) -> PathBuf {
    let mut name = to.file_name().unwrap_or_default().to_owned();
    name.push(".gastown-copying");
    to.with_file_name(name)
}

/// Sees to it that git does not see `files` in any worktree, unless it has them itself.
fn hide(repo: &Repo, files: &[PathBuf]) -> Result<()> {
    static ONE: Mutex<()> = Mutex::new(());
    let _mine = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let path = repo.path().join("info/exclude");
    let there = fs::read_to_string(&path).unwrap_or_default();
    let mut ours = false;
    let mut text: Vec<String> = Vec::new();
    for line in there.lines() {
        ours |= line == BEGIN;
        if !ours {
            text.push(line.to_owned());
        }
        ours &= line != END;
    }
    if !files.is_empty() {
        text.push(BEGIN.to_owned());
        text.extend(files.iter().flat_map(|file| [pattern(file), pattern(&half(file))]));
        text.push(END.to_owned());
    }
    let text = text.join("\n") + "\n";
    if text.trim_end() == there.trim_end() {
        return Ok(());
    }
    let doing = || Error::io(format!("write {}", path.display()));
    fs::create_dir_all(repo.path().join("info")).map_err(doing())?;
    let fresh = path.with_extension("gastown");
    fs::write(&fresh, text).and_then(|()| fs::rename(&fresh, &path)).map_err(doing())
}

/// The line of `info/exclude` for exactly this file.
fn pattern(file: &Path) -> String {
    let mut line = String::from("/");
    for letter in file.to_string_lossy().chars() {
        if matches!(letter, '*' | '?' | '[' | ']' | '\\' | ' ' | '#' | '!') {
            line.push('\\');
        }
        line.push(letter);
    }
    line
}

/// Checks out the submodules of the worktree at `path`, if it has any, as its commit has them. One that is there is left
/// as it is: somebody may have committed in it.
///
/// * `force` - all of them, whatever was changed in them; only where nobody works.
///
/// # Errors
/// What git says.
pub fn submodules(repo: &Repo, path: &Path, force: bool) -> Result<()> {
    if !path.join(".gitmodules").is_file() {
        return Ok(());
    }
    let mut missing = Vec::new();
    if !force {
        let library = crate::repo::open_library(path)?;
        let looking = Error::library(format!("look at the submodules of {}", path.display()));
        for module in library.submodules().map_err(looking)? {
            if !path.join(module.path()).join(".git").exists() {
                missing.push(module.path().to_owned());
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
    }
    // Whoever is first writes the addresses into the repository that all share.
    static ONE: Mutex<()> = Mutex::new(());
    {
        let _mine = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let doing = format!("look at the submodules of {}", path.display());
        repo.git_in(path, doing).args(["submodule", "--quiet", "init"]).run()?;
    }
    let how: &[&str] = if force { &["--force"] } else { &[] };
    repo.git_in(path, format!("check out the submodules of {}", path.display()))
        .args(["submodule", "--quiet", "update", "--init", "--recursive"])
        .args(how)
        .arg("--")
        .args(&missing)
        .limit(SUBMODULES)
        .run()?;
    Ok(())
}

/// Whether the set-up called `what` was done in the worktree at `path` since it was made.
pub fn is_set_up(repo: &Repo, path: &Path, what: &str) -> bool {
    set_up_mark(repo, path).is_ok_and(|mark| fs::read_to_string(mark).is_ok_and(|done| done == what))
}

/// Notes that it was.
///
/// # Errors
/// When it cannot be written, or there is no worktree.
pub fn note_set_up(repo: &Repo, path: &Path, what: &str) -> Result<()> {
    let mark = set_up_mark(repo, path)?;
    fs::write(&mark, what).map_err(Error::io(format!("write {}", mark.display())))
}

fn set_up_mark(repo: &Repo, path: &Path) -> Result<PathBuf> {
    match place::look(repo, path)? {
        Place::Ours { entry } => Ok(entry.join("gastown-set-up")),
        _ => Err(Error::NotARepository { place: path.display().to_string() }),
    }
}

/// The number of the worktree at `path`: the one that it has, or the lowest that is free. From 0.
///
/// # Errors
/// When it cannot be written down.
pub fn number(repo: &Repo, path: &Path) -> Result<usize> {
    static ONE: Mutex<()> = Mutex::new(());
    let _mine = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = repo.path().join("gastown-numbers");
    let doing = || Error::io(format!("write in {}", folder.display()));
    fs::create_dir_all(&folder).map_err(doing())?;
    let name = path.to_string_lossy().into_owned();
    let mut claims: Vec<(usize, String)> = Vec::new();
    for found in fs::read_dir(&folder).map_err(doing())?.flatten() {
        if let Some(n) = found.file_name().to_str().and_then(|n| n.parse().ok()) {
            claims.push((n, fs::read_to_string(found.path()).unwrap_or_default()));
        }
    }
    if let Some((n, _)) = claims.iter().find(|(_, whose)| *whose == name) {
        return Ok(*n);
    }
    let taken = |n: usize| claims.iter().any(|(m, whose)| *m == n && Path::new(whose).exists());
    let n = (0..).find(|n| !taken(*n)).unwrap_or_default();
    let fresh = folder.join("fresh");
    let mut file = fs::File::create(&fresh).map_err(doing())?;
    file.write_all(name.as_bytes()).map_err(doing())?;
    fs::rename(&fresh, folder.join(n.to_string())).map_err(doing())?;
    Ok(n)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Lab, commit_file};
    use crate::{status, worktree};

    #[test]
    fn copied_files_are_there_and_never_handed_in() {
        let lab = Lab::new();
        let repo = lab.clone();
        let path = worktree::ensure(&repo, &lab.path("a worker"), "polecat/nux/a", lab.first).unwrap().path;
        let (one, two) = (lab.path("one"), lab.path("two"));
        fs::create_dir_all(two.join("my config")).unwrap();
        fs::create_dir_all(&one).unwrap();
        fs::write(two.join(".env"), "two").unwrap();
        fs::write(one.join(".env"), "one").unwrap();
        fs::write(two.join("my config/[local].json"), "{}").unwrap();
        let files = [PathBuf::from(".env"), PathBuf::from("my config/[local].json")];
        let sources = [one.clone(), two];
        bring(&repo, &path, &files, &sources).unwrap();
        assert_eq!(fs::read_to_string(path.join(".env")).unwrap(), "one");
        assert!(path.join("my config/[local].json").is_file());
        assert!(status::status(&path).unwrap().is_clean());
        fs::write(path.join("my config/other"), "work").unwrap();
        assert_eq!(status::status(&path).unwrap().untracked, [PathBuf::from("my config/other")]);
        fs::write(path.join(".env.example"), "work").unwrap();
        assert_eq!(status::status(&path).unwrap().untracked.len(), 2, "nothing else is hidden");
        // What the worker changed stays.
        fs::write(path.join(".env"), "changed").unwrap();
        bring(&repo, &path, &files, &sources).unwrap();
        assert_eq!(fs::read_to_string(path.join(".env")).unwrap(), "changed");
        let missing = bring(&repo, &path, &["gone".into()], &sources).unwrap_err();
        assert!(matches!(missing, Error::NoSource { .. }), "{missing}");
        let exclude = fs::read_to_string(repo.path().join("info/exclude")).unwrap();
        assert_eq!(exclude.matches(BEGIN).count(), 1, "{exclude}");
        assert!(!exclude.contains(".env"), "what is not copied any more is seen again: {exclude}");
    }

    #[test]
    fn nothing_is_copied_through_a_link_out_of_the_worktree() {
        let lab = Lab::new();
        let repo = lab.clone();
        let path = worktree::ensure(&repo, &lab.path("nux"), "polecat/nux/a", lab.first).unwrap().path;
        let (outside, source) = (lab.path("outside"), lab.path("source"));
        fs::create_dir_all(&outside).unwrap();
        fs::create_dir_all(source.join("link")).unwrap();
        fs::write(source.join("link/x"), "x").unwrap();
        std::os::unix::fs::symlink(&outside, path.join("link")).unwrap();
        bring(&repo, &path, &["link/x".into()], &[source]).unwrap_err();
        assert!(!outside.join("x").exists());
    }

    #[test]
    fn worktrees_have_numbers_of_their_own_while_they_stand() {
        let lab = Lab::new();
        let repo = lab.clone();
        let make = |name: &str| {
            let branch = format!("polecat/{name}/a");
            worktree::ensure(&repo, &lab.path(name), &branch, lab.first).unwrap().path
        };
        let (one, two) = (make("one"), make("two"));
        assert_eq!((number(&repo, &one).unwrap(), number(&repo, &two).unwrap()), (0, 1));
        assert_eq!(number(&repo, &one).unwrap(), 0);
        worktree::remove(&repo, &one, lab.first).unwrap();
        assert_eq!(number(&repo, &make("three")).unwrap(), 0);
        assert_eq!(number(&repo, &two).unwrap(), 1);
    }

    #[test]
    fn a_set_up_is_done_once_in_a_worktree() {
        let lab = Lab::new();
        let repo = lab.clone();
        let path = worktree::ensure(&repo, &lab.path("nux"), "polecat/nux/a", lab.first).unwrap().path;
        assert!(!is_set_up(&repo, &path, "make deps"));
        note_set_up(&repo, &path, "make deps").unwrap();
        assert!(is_set_up(&repo, &path, "make deps") && !is_set_up(&repo, &path, "make all"));
        worktree::remove(&repo, &path, lab.first).unwrap();
        worktree::ensure(&repo, &path, "polecat/nux/b", lab.first).unwrap();
        assert!(!is_set_up(&repo, &path, "make deps"), "a new one begins anew");
        note_set_up(&repo, &lab.path("nowhere"), "x").unwrap_err();
        commit_file(&path, "b.txt", "b\n", "b");
        assert!(status::status(&path).unwrap().is_clean());
    }
}
