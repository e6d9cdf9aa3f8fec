//! What an earlier session left in the middle of something: saved as a branch, then cleared away.
//!
//! `git stash` is not used: all worktrees of a rig share its stack. The commit is made from a copy of the
//! index, so that nothing is touched before everything is safe.

use std::fs;

use crate::terminal::say;
use crate::worktree::{Broken, Worktree};

/// Operations that git may be in the middle of: the file that shows it, and how it is given up.
const UNDER_WAY: [(&str, &[&str]); 6] = [
    ("rebase-merge", &["rebase", "--quit"]),
    ("rebase-apply/rebasing", &["rebase", "--quit"]),
    ("rebase-apply/applying", &["am", "--quit"]),
    ("MERGE_HEAD", &["merge", "--quit"]),
    ("CHERRY_PICK_HEAD", &["cherry-pick", "--quit"]),
    ("REVERT_HEAD", &["revert", "--quit"]),
];

/// Commits that such an operation is about.
const ABOUT: [&str; 4] = ["MERGE_HEAD", "CHERRY_PICK_HEAD", "REBASE_HEAD", "ORIG_HEAD"];

/// Brings the worktree back to a clean checkout of `branch`. What was only there is saved first as
/// `rescue/PREFIX-N`; returns that branch, if there was anything.
pub(crate) fn tidy(tree: &Worktree, branch: Option<&str>, prefix: &str) -> Result<Option<String>, Broken> {
    tree.break_locks(branch)?;
    let under_way: Vec<_> = UNDER_WAY.iter().filter(|(file, _)| tree.git_dir().join(file).exists()).collect();
    let elsewhere = branch.is_some_and(|branch| tree.branch().as_deref() != Some(branch));
    if under_way.is_empty() && !elsewhere && !tree.is_dirty()? {
        return Ok(None);
    }
    let saved = save(tree, prefix, !under_way.is_empty())?;
    say(&format!("an earlier session was cut off here; what it left is on {saved}"));
    for (_, quit) in under_way {
        tree.git(quit)?;
    }
    tree.reset("HEAD")?;
    if let Some(branch) = branch.filter(|_| elsewhere) {
        tree.git(&["checkout", "--quiet", "--force", branch, "--"])?;
        tree.reset("HEAD")?;
    }
    Ok(Some(saved))
}

/// Names `commit` by a branch `rescue/NAME`, with a number if that is taken by something else.
pub(crate) fn keep(tree: &Worktree, commit: &str, name: &str) -> Result<String, Broken> {
    for n in 1.. {
        let branch = if n == 1 { format!("rescue/{name}") } else { format!("rescue/{name}-{n}") };
        let reference = format!("refs/heads/{branch}");
        match tree.git(&["rev-parse", "--verify", "--quiet", &reference]) {
            Ok(there) if there == commit => return Ok(branch),
            Ok(_) => {}
            Err(_) => {
                tree.git(&["update-ref", &reference, commit, ""])?;
                return Ok(branch);
            }
        }
    }
    unreachable!("numbers do not run out")
}

fn save(tree: &Worktree, prefix: &str, in_operation: bool) -> Result<String, Broken> {
    let head = tree.head()?;
    let index = tree.root().join(tree.git(&["rev-parse", "--git-path", "index"])?);
    let copy = tree.git_dir().join("gastown-rescue-index");
    let with_copy = [("GIT_INDEX_FILE", copy.as_path())];
    if fs::copy(&index, &copy).is_err() {
        tree.git_with(&["read-tree", "HEAD"], &with_copy, None)?;
    }
    tree.git_with(&["add", "--all"], &with_copy, None)?;
    let files = tree.git_with(&["write-tree"], &with_copy, None)?;

    // HEAD first, then what was staged and differs from the files, then what an operation is about.
    let mut parents = vec![head.clone()];
    // With conflicts in it the index makes no tree; the sides are parents then.
    if let Ok(staged) = tree.git(&["write-tree"])
        && staged != files
        && staged != tree.git(&["rev-parse", "HEAD^{tree}"])?
    {
        parents.push(commit(tree, &staged, &[head], "What was staged")?);
    }
    for name in ABOUT.iter().filter(|_| in_operation) {
        if let Ok(about) = tree.git(&["rev-parse", "--verify", "--quiet", &format!("{name}^{{commit}}")])
            && !parents.contains(&about)
        {
            parents.push(about);
        }
    }

    // The same state is saved once, however often the agent is killed while it clears up.
    let known = format!("refs/heads/rescue/{prefix}*");
    let known = tree.git(&["for-each-ref", "--format=%(refname:short) %(tree) %(parent)", &known])?;
    for line in known.lines() {
        let mut words = line.split(' ');
        let branch = words.next().unwrap_or_default();
        if words.next() == Some(files.as_str()) && words.eq(parents.iter().map(String::as_str)) {
            let _ = fs::remove_file(&copy);
            return Ok(branch.to_owned());
        }
    }
    let saved = commit(tree, &files, &parents, "What a session left when it was cut off")?;
    let branch = keep(tree, &saved, prefix)?;
    let _ = fs::remove_file(&copy);
    Ok(branch)
}

fn commit(tree: &Worktree, files: &str, parents: &[String], message: &str) -> Result<String, Broken> {
    let mut args = vec!["commit-tree", files];
    args.extend(parents.iter().flat_map(|parent| ["-p", parent.as_str()]));
    tree.git_with(&args, &[], Some(message))
}
