//! Beads to their files, and the files into git. Shared by the living town and the offline carrier; blocks.
//!
//! Each rig has `.beads/issues.jsonl` in its folder, and the same file on the branch `beads-sync` of its
//! repository, which holds nothing else: no code branch ever gets a bead file. The town's own beads, and
//! those of projects that are no rigs here, are in the town's `.beads/issues.jsonl`, which is in no repository.
//!
//! Others may push to that branch. What they did is never forced away: the push is left undone and said. Once
//! everything in their file is known here (`bead import`), the next sync joins both histories.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use clerk::{imports, names};
use config::live::LiveConfig;
use config::paths::TownPaths;
use git::sync::{Brought, Keep};
use git::{Oid, Repo};
use ledger::Store;
use ledger::views::Board;
use model::answer::Answer;
use model::bead::Bead;
use model::command::Origin;
use model::ids::RigName;
use model::import::{JsonLines, SyncRow};
use model::refusal::Refusal;

/// The branch of each rig's repository that holds its beads.
pub const BRANCH: &str = "beads-sync";

/// The file, in a rig's folder, in the town's and on the branch.
const FILE: &str = ".beads/issues.jsonl";

/// One sync at a time: two would move the same branch.
static TURN: Mutex<()> = Mutex::new(());

/// How a sync was asked for.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Of this rig alone.
    pub rig: Option<RigName>,
    /// To the remotes, too.
    pub push: bool,
    /// Look only.
    pub dry_run: bool,
}

/// Writes, commits and pushes what `wish` means. An agent of a rig that names none means its own.
///
/// # Errors
/// `no_such_rig`; `code_branch`, where a rig lands its work on a branch of that name; what git or the disk says.
/// A push that was not taken is no error but a warning in its row.
pub fn sync(
    store: &Store,
    config: &LiveConfig,
    paths: &TownPaths,
    origin: &Origin,
    wish: &Wish,
) -> Result<Answer, Refusal> {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let own = if origin.is_operator() { None } else { origin.actor().rig().cloned() };
    let wanted = wish.rig.clone().or(own);
    let town = config.current();
    if let Some(rig) = wanted.as_ref().filter(|rig| !town.rigs.contains_key(*rig)) {
        return Err(store.read(|board| names::no_rig(board, rig.as_str())));
    }
    let mut rows = Vec::new();
    if wanted.is_none() {
        rows.push(town_file(store, paths, wish)?);
    }
    for (name, rig) in town.rigs.iter().filter(|(name, _)| wanted.as_ref().is_none_or(|rig| rig == *name)) {
        if rig.default_branch == BRANCH {
            return Err(Refusal::forbidden(
                "code_branch",
                format!("rig {name} lands its work on {BRANCH}, and no bead goes on a branch with code"),
            )
            .hint("let it land on another branch: \"default_branch\" in its config.json"));
        }
        rows.push(rig_file(store, paths, origin, name, wish)?);
    }
    Ok(Answer::Synced(rows))
}

/// The beads of a file, and how many they are. What is ephemeral stays out of git.
fn lines(board: &Board, rig: Option<&RigName>) -> (String, usize) {
    let text = imports::export(board, |bead: &Bead| {
        imports::routed(board, &bead.id).as_ref() == rig && !bead.is_ephemeral()
    });
    let beads = text.lines().count();
    (text, beads)
}

fn town_file(store: &Store, paths: &TownPaths, wish: &Wish) -> Result<SyncRow, Refusal> {
    let (text, beads) = store.read(|board| lines(board, None));
    let file = paths.issues_jsonl();
    let changed = write(&file, &text, wish.dry_run)?;
    Ok(SyncRow {
        rig: None,
        file: file.display().to_string(),
        beads,
        changed,
        commit: None,
        committed: false,
        pushed: false,
        warning: None,
    })
}

fn rig_file(
    store: &Store,
    paths: &TownPaths,
    origin: &Origin,
    rig: &RigName,
    wish: &Wish,
) -> Result<SyncRow, Refusal> {
    let place = paths.rig(rig);
    let (text, beads) = store.read(|board| lines(board, Some(rig)));
    let file = place.issues_jsonl();
    let mut row = SyncRow {
        rig: Some(rig.clone()),
        file: file.display().to_string(),
        beads,
        changed: write(&file, &text, wish.dry_run)?,
        commit: None,
        committed: false,
        pushed: false,
        warning: None,
    };
    let repo = Repo::open(place.repo_git()).map_err(refusal)?;
    let head = repo.branch_head(BRANCH).map_err(refusal)?;
    row.commit = head.map(|oid| oid.to_string());
    if wish.dry_run {
        let kept = match head {
            Some(head) => git::sync::content(&repo, head, FILE).map_err(refusal)?,
            None => None,
        };
        row.committed = kept.is_none_or(|kept| kept != text.as_bytes()) && (head.is_some() || beads > 0);
        return Ok(row);
    }
    // A branch for nothing at all is of use to nobody.
    if head.is_none() && beads == 0 {
        return Ok(row);
    }
    let message = format!("beads: {beads} of {rig}\n");
    let author = origin.actor().to_string();
    let keep =
        Keep { branch: BRANCH, path: FILE, content: text.as_bytes(), message: &message, author: &author };
    let (oid, new) = git::sync::keep(&repo, &keep, None).map_err(refusal)?;
    (row.commit, row.committed) = (Some(oid.to_string()), new);
    if wish.push {
        push(store, &repo, &keep, &mut row);
    }
    Ok(row)
}

/// Brings the branch to the remote, and joins what others have put there if all of it is known here.
fn push(store: &Store, repo: &Repo, keep: &Keep<'_>, row: &mut SyncRow) {
    let joined = || -> git::Result<Result<Option<Oid>, String>> {
        match git::sync::bring(repo, BRANCH)? {
            Brought::There => Ok(Ok(None)),
            Brought::Declined(why) => Ok(Err(format!("the remote does not take it: {why}"))),
            Brought::Apart { theirs } => {
                let content = git::sync::content(repo, theirs, FILE)?.unwrap_or_default();
                let missing = store.read(|board| unknown(board, &content));
                if missing > 0 {
                    return Ok(Err(format!(
                        "others have pushed to {BRANCH}, and {missing} lines there are newer or unknown here; take \
                         them in with `git --git-dir {} show {theirs}:{FILE} | gastown bead import`, and sync again",
                        repo.path().display()
                    )));
                }
                let (oid, _) = git::sync::keep(repo, keep, Some(theirs))?;
                match git::sync::bring(repo, BRANCH)? {
                    Brought::There => Ok(Ok(Some(oid))),
                    Brought::Declined(why) => Ok(Err(format!("the remote does not take it: {why}"))),
                    Brought::Apart { .. } => Ok(Err(format!("others push to {BRANCH} just now; sync again"))),
                }
            }
        }
    };
    match joined() {
        Ok(Ok(joined)) => {
            row.pushed = true;
            if let Some(oid) = joined {
                (row.commit, row.committed) = (Some(oid.to_string()), true);
            }
        }
        Ok(Err(why)) => row.warning = Some(why),
        Err(error) => {
            let hint = error.hint().map(|hint| format!("; {hint}")).unwrap_or_default();
            row.warning = Some(format!("it is not at the remote: {error}{hint}"));
        }
    }
}

/// How many lines of a file say something that is not known here.
fn unknown(board: &Board, content: &[u8]) -> usize {
    let text = String::from_utf8_lossy(content).into_owned();
    let import = ledger::jsonl::import(&[JsonLines { name: String::new(), text }]);
    let is_news = |bead: &&Bead| {
        let known = board.beads.get(&bead.id).or_else(|| board.beads.tombstone(&bead.id));
        known.is_none_or(|known| bead.updated_at.compare(&known.updated_at).is_gt())
    };
    import.beads.iter().filter(is_news).count() + import.errors.len()
}

/// Writes `text` to `file`, whole or not at all; returns whether that changes it.
fn write(file: &Path, text: &str, dry_run: bool) -> Result<bool, Refusal> {
    if fs::read(file).is_ok_and(|old| old == text.as_bytes()) || (text.is_empty() && !file.exists()) {
        return Ok(false);
    }
    let failed = |error: io::Error| {
        Refusal::failed("cannot_write", format!("cannot write {}: {error}", file.display()))
            .hint("see whether the folder is there, and whether its disk has room")
    };
    if !dry_run {
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        let fresh = file.with_extension("jsonl.new");
        fs::write(&fresh, text).and_then(|()| fs::rename(&fresh, file)).map_err(failed)?;
    }
    Ok(true)
}

fn refusal(error: git::Error) -> Refusal {
    let refusal = Refusal::failed("git_failed", error.to_string());
    match error.hint() {
        Some(hint) => refusal.hint(hint),
        None => refusal,
    }
}
