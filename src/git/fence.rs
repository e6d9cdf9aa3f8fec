//! A fence before the target branch: an agent's own push to it is refused in its worktree.
//!
//! A hook of the repository that all worktrees share. It is a fence, not a wall: an agent that goes around it
//! (`--no-verify`) has moved the target as anybody else may, and everything is gated anew on what stands there. The
//! runtime's own git runs no hooks.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::{Error, Repo, Result};

/// The line by which our own hook is known.
const MARK: &str = "# Made by gastown: the refinery alone lands.";

/// Puts the hook there that refuses pushes to `target`, unless somebody has put another one there. Does nothing when
/// it is there already.
///
/// # Errors
/// When it cannot be written.
pub fn install(repo: &Repo, target: &str) -> Result<()> {
    let path = repo.path().join("hooks/pre-push");
    let quoted = target.replace('\'', "'\\''");
    let text = format!(
        "#!/bin/sh\n{MARK}\nwhile read -r _ _ remote _; do\n    if [ \"$remote\" = 'refs/heads/{quoted}' ]; then\n        \
         echo 'Only the refinery lands on this branch. Commit, and say: gt done' >&2\n        exit 1\n    fi\ndone\nexit 0\n"
    );
    match fs::read_to_string(&path) {
        Ok(there) if there == text || !there.contains(MARK) => return Ok(()),
        _ => {}
    }
    let doing = || Error::io(format!("write {}", path.display()));
    fs::create_dir_all(repo.path().join("hooks")).map_err(doing())?;
    let fresh = path.with_extension("gastown");
    fs::write(&fresh, text).map_err(doing())?;
    fs::set_permissions(&fresh, fs::Permissions::from_mode(0o755)).map_err(doing())?;
    fs::rename(&fresh, &path).map_err(doing())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Lab, command, commit_file};
    use crate::worktree;

    #[test]
    fn a_push_to_the_target_is_refused_in_a_worktree_and_one_of_its_own_branch_is_not() {
        let lab = Lab::new();
        let repo = lab.clone();
        install(&repo, "main").unwrap();
        install(&repo, "main").unwrap();
        let path = worktree::ensure(&repo, &lab.path("a worker"), "polecat/nux/a", lab.first).unwrap().path;
        commit_file(&path, "b.txt", "b\n", "b");
        let push = |to: &str| command(&path, &["push", "origin", to]).output().unwrap();
        let refused = push("HEAD:main");
        assert!(!refused.status.success());
        assert!(String::from_utf8_lossy(&refused.stderr).contains("gt done"), "{refused:?}");
        assert_eq!(lab.origin_head("main"), lab.first);
        assert!(push("HEAD:polecat/nux/a").status.success());

        let own = repo.path().join("hooks/pre-push");
        fs::write(&own, "#!/bin/sh\nexit 0\n").unwrap();
        install(&repo, "main").unwrap();
        assert_eq!(fs::read_to_string(&own).unwrap(), "#!/bin/sh\nexit 0\n", "somebody's own hook stays");
    }
}
