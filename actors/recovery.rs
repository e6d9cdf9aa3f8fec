//! Bringing beads back: what has to be looked at outside the ledger, then the clerk's decision.
//!
//! The same with a runtime and without one. What is looked at: the worktree and its branch, the remote's target
//! branch, and, where work could not be saved, whether it can be now. Only that last thing changes anything, and it
//! throws nothing away: what git cannot save is moved aside as it is.

use std::path::PathBuf;
use std::sync::Arc;

use clerk::book::Book;
use clerk::draft::{Deed, Draft};
use clerk::recover::{self, Facts, Landed, Saving, Unlanded};
use config::live::TownConfig;
use config::paths::TownPaths;
use git::left::Left;
use git::{Oid, Repo};
use ledger::views::Board;
use ledger::views::agents::Sandbox;
use model::answer::{Answer, RecoveredRow};
use model::bead::Status;
use model::command::Origin;
use model::hook::Stage;
use model::ids::{BeadId, RigName};
use model::merge::{MergeRequest, MergeState};
use model::refusal::Refusal;
use model::role::Address;
use model::time::Timestamp;

use crate::errand::blocking;
use crate::polecat::sandbox::Place;
use crate::tools::Tools;

/// Commits of the target branch among which a landing is looked for.
const DEPTH: usize = 5_000;

/// What was asked.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// Which beads.
    pub beads: Vec<BeadId>,
    /// All that can be brought back.
    pub all: bool,
    /// Of this rig only.
    pub rig: Option<RigName>,
    /// Only say what would happen.
    pub dry_run: bool,
}

/// Brings beads back in a living town.
///
/// # Errors
/// `usage`, `no_such_bead`, `no_such_rig`; `claimed`; `cannot_save` when work at risk can neither be saved nor
/// moved; the scribe's refusal.
pub async fn recover(tools: &Tools, origin: &Origin, wish: Wish) -> Result<Answer, Refusal> {
    let wanted = tools.look(|board| meant(board, &wish))?;
    let mut rows = Vec::new();
    for id in wanted {
        let known = tools.look(|board| Known::of(board, &tools.paths, &tools.town(), &id))?;
        let worker = known.worker.clone();
        let alive = worker.as_ref().is_some_and(|worker| tools.directory.session(worker).is_some());
        let (now, dry_run) = (tools.clock.now(), wish.dry_run);
        let seen = blocking(move || look(&known, alive, true, dry_run, now)).await;
        let facts = seen.map_err(|panic| Refusal::failed("git_failed", panic))??;
        let (book, actor, bead) = (Arc::clone(&tools.book), origin.actor(), id.clone());
        let decide = move |board: &Board, now| {
            decide(board, book.as_ref(), actor, &bead, &facts, dry_run, now)
                .map(|(deed, row)| (deed, Answer::Recovered(vec![row])))
        };
        match tools.decide(decide).await {
            Ok(Answer::Recovered(row)) => rows.extend(row),
            Ok(_) => {}
            Err(refusal) if wish.all => rows.push(refused(&id, &refusal)),
            Err(refusal) => return Err(refusal),
        }
        let holder = tools.look(|board| board.hooks.holder(&id).cloned());
        if let (false, Some(holder), Some(nursery)) = (wish.dry_run, holder, tools.nursery.get()) {
            nursery.wake(&holder);
        }
    }
    Ok(Answer::Recovered(rows))
}

/// Brings beads back where no runtime is up. `write` records what is decided.
///
/// # Errors
/// As [`recover()`].
pub fn recover_offline(
    store: &ledger::Store,
    (paths, config): (&TownPaths, &TownConfig),
    book: &dyn Book,
    actor: &Address,
    (wish, now): (&Wish, Timestamp),
) -> Result<Answer, Refusal> {
    let wanted = store.read(|board| meant(board, wish))?;
    let mut rows = Vec::new();
    for id in wanted {
        let known = store.read(|board| Known::of(board, paths, config, &id))?;
        let facts = look(&known, false, false, wish.dry_run, now)?;
        let decision =
            |board: &Board, now| decide(board, book, actor.clone(), &id, &facts, wish.dry_run, now);
        match store.write_one(now, decision) {
            Ok(written) => rows.push(written.value),
            Err(refusal) if wish.all => rows.push(refused(&id, &refusal)),
            Err(refusal) => return Err(refusal),
        }
    }
    Ok(Answer::Recovered(rows))
}

fn refused(id: &BeadId, refusal: &Refusal) -> RecoveredRow {
    RecoveredRow {
        bead: id.clone(),
        state: "refused".to_owned(),
        did: vec![refusal.to_string()],
        hint: refusal.hint.clone(),
        dry_run: false,
    }
}

fn decide(
    board: &Board,
    book: &dyn Book,
    actor: Address,
    id: &BeadId,
    facts: &Facts,
    dry_run: bool,
    now: Timestamp,
) -> Result<(Deed, RecoveredRow), Refusal> {
    let mut draft = Draft::new(board, actor, now);
    let row = recover::recover(&mut draft, book, id, facts)?;
    let deed = if dry_run { Vec::new() } else { draft.finish() };
    Ok((deed, RecoveredRow { dry_run, ..row }))
}

/// The beads that are meant.
fn meant(board: &Board, wish: &Wish) -> Result<Vec<BeadId>, Refusal> {
    if let Some(rig) = wish.rig.as_ref().filter(|rig| board.rigs.get(rig).is_none()) {
        return Err(clerk::names::no_rig(board, rig.as_str()));
    }
    match (wish.all, wish.beads.is_empty()) {
        (true, true) => Ok(recover::broken(board, wish.rig.as_ref())),
        (true, false) => Err(Refusal::usage("either name beads or say --all").hint("gastown recover BEAD")),
        (false, true) => Err(Refusal::usage("nothing to bring back").hint(
            "gastown recover BEAD, or --all for everything that waits for a person because something broke",
        )),
        (false, false) => {
            wish.beads.iter().try_for_each(|id| clerk::beads::find(board, id).map(drop))?;
            Ok(wish.beads.clone())
        }
    }
}

/// What the ledger knows of a bead, as far as it says where to look.
struct Known {
    bead: BeadId,
    closed: bool,
    worker: Option<Address>,
    stage: Option<Stage>,
    sandbox: Option<(Place, Sandbox)>,
    at_risk: bool,
    /// The repository, and the branch that its work lands on.
    repo: Option<(PathBuf, String)>,
    merge: Option<MergeRequest>,
    left: Option<model::story::Kept>,
}

impl Known {
    fn of(board: &Board, paths: &TownPaths, config: &TownConfig, id: &BeadId) -> Result<Self, Refusal> {
        let bead = clerk::beads::find(board, id)?;
        let hook = board.hooks.on(id);
        let risk = recover::at_risk(board, id).map(|(agent, _)| agent.clone());
        let worker = risk.clone().or_else(|| hook.map(|hook| hook.agent.clone()));
        let rig = worker.as_ref().and_then(|worker| worker.rig().cloned()).or_else(|| bead.rig.clone());
        let target = rig.as_ref().and_then(|rig| config.rig(rig).ok()).map(|rig| rig.default_branch.clone());
        let repo = rig.as_ref().zip(target.clone()).map(|(rig, target)| (paths.rig(rig).repo_git(), target));
        let sandbox = worker.as_ref().and_then(|worker| {
            let Address::Polecat(rig, name) = worker else { return None };
            let sandbox = board.agents.get(worker)?.sandbox.clone().filter(|known| known.bead == *id)?;
            Some((Place::of(paths, rig, name, target.as_deref()?, Some(&sandbox)), sandbox))
        });
        Ok(Known {
            bead: id.clone(),
            closed: bead.status == Status::Closed,
            worker,
            stage: hook.map(|hook| hook.stage.clone()),
            sandbox,
            at_risk: risk.is_some(),
            repo,
            merge: board.merges.of_bead(id).cloned(),
            left: board.kept.of(id).and_then(|kept| kept.left.clone()),
        })
    }
}

/// Looks at what is outside the ledger. Blocks.
///
/// * `alive` - whether the worker's session lives: then nothing of its worktree is touched.
/// * `live` - whether a runtime is up.
///
/// # Errors
/// `cannot_save` when work at risk can neither be saved nor moved aside.
fn look(known: &Known, alive: bool, live: bool, dry_run: bool, now: Timestamp) -> Result<Facts, Refusal> {
    let mut facts = Facts { live, session: alive, ..Facts::default() };
    if known.at_risk && !alive && !dry_run {
        facts.saving = known.sandbox.as_ref().map(|(place, _)| save(place, now)).transpose()?;
    }
    let Some((path, target)) = &known.repo else { return Ok(facts) };
    let repo = match Repo::open(path) {
        Ok(repo) => repo,
        Err(error) => {
            facts.unasked = Some(error.to_string());
            return Ok(facts);
        }
    };
    if let Some((place, sandbox)) =
        known.sandbox.as_ref().filter(|_| live && !alive && facts.saving.is_none())
    {
        let wanted = known.stage.as_ref().is_some_and(Stage::wants_session);
        facts.worktree = wrong_with(&repo, place, sandbox).filter(|_| wanted);
    }
    let head = match repo.fetch_branch(target) {
        Ok(head) => head,
        Err(error) => {
            facts.unasked = Some(error.to_string());
            // What was fetched last still says which branch has work of its own.
            match repo.tracked_head(target) {
                Ok(Some(head)) => head,
                _ => return Ok(facts),
            }
        }
    };
    facts.unlanded = unlanded(&repo, known, head);
    if facts.unasked.is_none() {
        landings(&repo, known, head, target, &mut facts);
        if facts.vanished.is_some() && facts.unlanded.is_none() {
            facts.unlanded = bring_back(&repo, known, dry_run);
        }
    }
    Ok(facts)
}

/// What is wrong with a worktree that should be there.
fn wrong_with(repo: &Repo, place: &Place, sandbox: &Sandbox) -> Option<String> {
    let folder = place.came_from.as_ref().unwrap_or(&place.folder);
    if !folder.is_dir() {
        return Some(format!("the worktree {} is gone", folder.display()));
    }
    if !git::worktree::is_whole(repo, folder) {
        return Some(format!("the worktree {} is no whole worktree", folder.display()));
    }
    let gone = matches!(repo.branch_head(&sandbox.branch), Ok(None));
    gone.then(|| format!("its branch {} is gone", sandbox.branch))
}

/// Saves work at risk, or moves the folder aside as it is.
fn save(place: &Place, now: Timestamp) -> Result<Saving, Refusal> {
    let saved = Repo::open(&place.repo).and_then(|repo| {
        let label = now.to_string();
        git::rescue::save(&repo, &place.folder, place.name.as_str(), &label, &place.bundles)
    });
    match saved {
        Ok(Some(saved)) => Ok(Saving::Saved {
            branch: saved.branch,
            commit: saved.oid.to_string(),
            bundle: saved.bundle.map(|bundle| bundle.display().to_string()),
        }),
        Ok(None) => Ok(Saving::Nothing),
        Err(error) => match git::worktree::set_aside(&place.folder) {
            Ok(Some(folder)) => {
                Ok(Saving::Aside { folder: folder.display().to_string(), why: error.to_string() })
            }
            Ok(None) => Ok(Saving::Nothing),
            Err(worse) => {
                Err(Refusal::failed("cannot_save", format!("{error}; and it cannot be moved aside: {worse}"))
                    .hint(error.hint().unwrap_or_else(|| format!("look at {}", place.folder.display()))))
            }
        },
    }
}

/// The branch of the bead that has work which `target` has not.
fn unlanded(repo: &Repo, known: &Known, target: Oid) -> Option<Unlanded> {
    let own = known.sandbox.as_ref().map(|(_, sandbox)| Left {
        branch: &sandbox.branch,
        commit: None,
        bundle: None,
    });
    let left = known.left.as_ref().map(|left| Left {
        branch: &left.branch,
        commit: left.commit.as_deref().and_then(|commit| Oid::from_str(commit).ok()),
        bundle: left.bundle.as_deref().map(std::path::Path::new),
    });
    let merged = known.merge.as_ref().map(|merge| Left { branch: &merge.branch, commit: None, bundle: None });
    own.into_iter().chain(left).chain(merged).find_map(|left| {
        let head = git::left::find(repo, &left).ok().flatten()?;
        let landed = repo.is_ancestor(head, target).ok()?;
        (!landed).then(|| Unlanded { branch: left.branch.to_owned(), head: head.to_string() })
    })
}

/// Whether the bead has landed, and whether what is said to have landed is there.
fn landings(repo: &Repo, known: &Known, head: Oid, target: &str, facts: &mut Facts) {
    let contains = |commit: &str| {
        Oid::from_str(commit).ok().and_then(|commit| repo.is_ancestor(commit, head).ok()).unwrap_or(false)
    };
    match known.merge.as_ref().map(|merge| (merge, &merge.state)) {
        Some((_, MergeState::Landed { commit })) => {
            if known.closed && !contains(commit) {
                facts.vanished = Some(commit.clone());
            } else {
                facts.landed = landed(commit, target, "").filter(|_| known.closed);
            }
        }
        Some((merge, MergeState::Pushing { commit, .. })) if contains(commit) => {
            facts.landed = landed(commit, target, &merge.head);
        }
        other => {
            let trailer = ("Gastown-Bead", known.bead.as_str());
            let found = git::left::landed_with(repo, head, trailer, DEPTH).ok().flatten();
            // A bead that was opened again has an older landing: that of another head.
            let found = found.filter(|found| match other {
                Some((merge, _)) => found.head.to_string() == merge.head,
                None => true,
            });
            facts.landed =
                found.and_then(|found| landed(&found.commit.to_string(), target, &found.head.to_string()));
        }
    }
}

fn landed(commit: &str, target: &str, head: &str) -> Option<Landed> {
    Some(Landed { commit: commit.to_owned(), target: target.to_owned(), head: head.to_owned() })
}

/// The head of a landing that is not there any more gets its branch again, if the repository still has it.
fn bring_back(repo: &Repo, known: &Known, dry_run: bool) -> Option<Unlanded> {
    let merge = known.merge.as_ref()?;
    let head = Oid::from_str(&merge.head).ok()?;
    repo.tree_of(head).ok()?;
    let there = dry_run || git::left::take_up(repo, &merge.branch, head).ok()?;
    there.then(|| Unlanded { branch: merge.branch.clone(), head: head.to_string() })
}
