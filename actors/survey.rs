//! Reality first: what is on disk and at the remote, compared with what the ledger has, and how each difference is
//! settled.
//!
//! | what is found | how it is settled |
//! |---|---|
//! | processes of an earlier runtime | ended, before anything else |
//! | a session that the ledger believes alive | its verdict is `lost`; it is begun again, with its conversation |
//! | a worktree that the ledger knows and that is gone | made again from its branch |
//! | one that was being removed, or is half made | put back and saved anew; made anew |
//! | one that the ledger does not know, of a worker that is at its branch's bead | adopted |
//! | one that belongs to nobody's work | saved on a rescue branch, then removed |
//! | a folder that is no worktree of ours | left as it is, for a person |
//! | a bead that is hooked and hangs on no hook | for a person: `gastown recover` |
//! | a merge that was being pushed | looked for at the remote: landed, or tried again |
//! | a bead that is closed as landed, and the remote does not have it | for a person: `gastown recover` |

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use config::live::TownConfig;
use config::paths::TownPaths;
use git::rescue::Saved;
use git::worktree::{Removal, Stands};
use git::{Oid, Repo};
use ledger::views::Board;
use ledger::views::agents::Sandbox;
use model::bead::Status;
use model::hook::Stage;
use model::ids::{AgentName, BeadId, RigName};
use model::merge::{MergeRequest, MergeState};
use model::role::Address;
use model::survey::{Difference, Matter};
use model::time::Timestamp;

/// Landings of a rig that are looked for at its remote, the newest ones.
const LANDINGS: usize = 50;

/// What the ledger has of one rig, as far as it can be looked for.
#[derive(Debug, Clone)]
struct Rig {
    name: RigName,
    repo: PathBuf,
    folder: PathBuf,
    bundles: PathBuf,
    target: String,
    /// Worktrees, by the name of whose place they stand in.
    sandboxes: BTreeMap<AgentName, (Address, Sandbox)>,
    /// What hangs on workers' hooks.
    hooked: BTreeMap<AgentName, BeadId>,
    merges: Vec<MergeRequest>,
}

/// What the ledger has that can be compared with reality.
#[derive(Debug, Clone)]
pub struct Believed {
    rigs: Vec<Rig>,
    lost: Vec<(Address, BeadId)>,
}

impl Believed {
    /// What `board` has of the rigs that are configured.
    pub fn of(board: &Board, config: &TownConfig, paths: &TownPaths) -> Self {
        let rigs = config.rigs.values().map(|rig| {
            let (name, at) = (&rig.name, paths.rig(&rig.name));
            let workers = board.agents.in_rig(name).filter_map(|(address, agent)| {
                let Address::Polecat(_, worker) = address else { return None };
                let sandbox = agent.sandbox.clone()?;
                let place = match &sandbox.at {
                    Some(Address::Polecat(_, before)) => before.clone(),
                    _ => worker.clone(),
                };
                Some((place, (address.clone(), sandbox)))
            });
            let wanted = board.hooks.in_rig(name).filter(|hook| hook.stage != Stage::Landed);
            let hooked = wanted.filter_map(|hook| match &hook.agent {
                Address::Polecat(_, worker) => Some((worker.clone(), hook.bead.clone())),
                _ => None,
            });
            let mut merges: Vec<MergeRequest> = board
                .merges
                .iter()
                .filter(|merge| merge.rig == *name)
                .filter(|merge| matches!(merge.state, MergeState::Pushing { .. } | MergeState::Landed { .. }))
                .cloned()
                .collect();
            merges.sort_by_key(|merge| {
                std::cmp::Reverse(merge.landed_at.unwrap_or(Timestamp::from_millis(i64::MAX)))
            });
            merges.truncate(LANDINGS);
            Rig {
                name: name.clone(),
                repo: at.repo_git(),
                folder: at.polecats(),
                bundles: at.bundles(),
                target: rig.default_branch.clone(),
                sandboxes: workers.collect(),
                hooked: hooked.collect(),
                merges,
            }
        });
        let rigs = rigs.collect();
        let lost = board.beads.iter().filter(|bead| bead.status == Status::Hooked);
        let lost = lost.filter(|bead| board.hooks.holder(&bead.id).is_none());
        let somebody = |bead: &model::bead::Bead| {
            bead.assignee.as_deref().and_then(|who| who.parse().ok()).unwrap_or(Address::Overseer)
        };
        Believed { rigs, lost: lost.map(|bead| (somebody(bead), bead.id.clone())).collect() }
    }
}

/// A worktree that belongs to nobody's work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stray {
    /// In which rig.
    pub rig: RigName,
    /// Where.
    pub folder: PathBuf,
    /// In whose place.
    pub name: AgentName,
    /// For which bead, as its branch says.
    pub bead: Option<BeadId>,
    repo: PathBuf,
    bundles: PathBuf,
}

/// What was found on this machine.
#[derive(Debug, Default)]
pub struct Found {
    /// What is not as the ledger has it.
    pub differences: Vec<Difference>,
    /// Worktrees that belong to nobody's work.
    pub strays: Vec<Stray>,
}

fn difference(matter: Matter, rig: &RigName, found: String, settled: &str) -> Difference {
    Difference {
        matter,
        rig: Some(rig.clone()),
        agent: None,
        bead: None,
        found,
        settled: settled.to_owned(),
        open: false,
    }
}

/// Compares what is on this machine with what the ledger has. Blocks; changes nothing.
pub fn look(believed: &Believed) -> Found {
    let mut found = Found::default();
    for rig in &believed.rigs {
        match Repo::open(&rig.repo) {
            Ok(repo) => in_rig(rig, &repo, &mut found),
            Err(error) => found.differences.push(Difference {
                open: true,
                ..difference(
                    Matter::Worktree,
                    &rig.name,
                    error.to_string(),
                    "nothing of the rig was looked at",
                )
            }),
        }
    }
    for (agent, bead) in &believed.lost {
        found.differences.push(Difference {
            matter: Matter::Hook,
            rig: agent.rig().cloned(),
            agent: Some(agent.clone()),
            bead: Some(bead.clone()),
            found: format!("{bead} is hooked, and hangs on no hook"),
            settled: format!("gastown recover {bead}"),
            open: true,
        });
    }
    found
}

fn in_rig(rig: &Rig, repo: &Repo, found: &mut Found) {
    let branches: BTreeSet<String> =
        repo.branches("").map(|all| all.into_iter().map(|(name, _)| name).collect()).unwrap_or_default();
    for (place, (agent, sandbox)) in &rig.sandboxes {
        let folder = rig.folder.join(place.as_str());
        let of = |matter, what: String, settled: &str| Difference {
            agent: Some(agent.clone()),
            bead: Some(sandbox.bead.clone()),
            ..difference(matter, &rig.name, what, settled)
        };
        let shown = folder.display();
        let wanted = rig.hooked.values().any(|bead| *bead == sandbox.bead);
        let (what, settled) = match git::worktree::stands(repo, &folder) {
            Stands::Whole { .. } => continue,
            Stands::Leaving => (format!("{shown} was being removed"), "put back, looked at and saved anew"),
            Stands::Vacant if wanted => (format!("{shown} is gone"), "made again from its branch"),
            Stands::Vacant => (format!("{shown} is gone"), "forgotten: nobody needs it any more"),
            Stands::HalfMade => (format!("{shown} is only half made"), "made anew; what is in it goes aside"),
            Stands::Foreign => (format!("{shown} is no worktree of ours"), "moved aside as it is"),
        };
        found.differences.push(of(Matter::Worktree, what, settled));
        if wanted && !branches.contains(&sandbox.branch) {
            let what = format!("branch {} of {} is gone here", sandbox.branch, sandbox.bead);
            found.differences.push(of(Matter::Branch, what, "looked for at the remote, else begun again"));
        }
    }
    for folder in folders(&rig.folder) {
        let Some(name) = folder.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok())
        else {
            continue;
        };
        if !rig.sandboxes.contains_key(&name) {
            unknown(rig, repo, &folder, name, found);
        }
    }
}

/// A folder among the workers' that the ledger does not know.
fn unknown(rig: &Rig, repo: &Repo, folder: &Path, name: AgentName, found: &mut Found) {
    let shown = folder.display();
    match git::worktree::stands(repo, folder) {
        Stands::Whole { branch } => {
            let bead: Option<BeadId> = branch
                .as_deref()
                .and_then(|branch| branch.strip_prefix("polecat/"))
                .and_then(|rest| rest.split_once('/'))
                .and_then(|(_, bead)| bead.parse().ok());
            let on = branch.unwrap_or_else(|| "no branch".to_owned());
            let agent = Address::Polecat(rig.name.clone(), name.clone());
            let what = Difference {
                bead: bead.clone(),
                agent: Some(agent),
                ..difference(
                    Matter::Worktree,
                    &rig.name,
                    format!("{shown}, on {on}, is not in the ledger"),
                    "",
                )
            };
            if bead.is_some() && rig.hooked.get(&name) == bead.as_ref() {
                let settled = "adopted: its worker is at that bead".to_owned();
                found.differences.push(Difference { settled, ..what });
            } else if bead.is_some() {
                let settled = "it belongs to nobody's work: saved, then removed".to_owned();
                found.differences.push(Difference { settled, ..what });
                found.strays.push(Stray {
                    rig: rig.name.clone(),
                    folder: folder.to_owned(),
                    name,
                    bead,
                    repo: rig.repo.clone(),
                    bundles: rig.bundles.clone(),
                });
            } else {
                let settled = "left as it is: look what is in it".to_owned();
                found.differences.push(Difference { settled, open: true, ..what });
            }
        }
        Stands::Vacant | Stands::Leaving | Stands::HalfMade => {}
        Stands::Foreign => found.differences.push(Difference {
            open: true,
            ..difference(
                Matter::Worktree,
                &rig.name,
                format!("{shown} belongs to nobody's work"),
                "left as it is: look what is in it",
            )
        }),
    }
}

/// Folders that may be workers' places: not what was moved aside before, nor what hides.
fn folders(of: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(of).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut folders: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    folders.retain(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        !name.starts_with('.') && !name.contains(".rescued-")
    });
    folders.sort();
    folders
}

/// Saves what is in a worktree that belongs to nobody's work, and removes it. Blocks.
///
/// Only while nobody works in the town.
///
/// # Errors
/// What git says; then it stands as it stood.
pub fn put_in_safety(stray: &Stray, now: Timestamp) -> git::Result<Option<Saved>> {
    let repo = Repo::open(&stray.repo)?;
    let (name, label) = (stray.name.as_str(), now.to_string());
    let (saved, removal) = git::clear::save_and_remove(&repo, &stray.folder, name, &label, &stray.bundles)?;
    if let Removal::Refused(why) = removal {
        tracing::warn!(folder = %stray.folder.display(), ?why, "a worktree of nobody's work is left");
    }
    Ok(saved)
}

/// Asks the remotes for what the ledger has of merges. Blocks, as long as the remotes take.
pub fn ask_remotes(believed: &Believed) -> Vec<Difference> {
    let mut found = Vec::new();
    for rig in believed.rigs.iter().filter(|rig| !rig.merges.is_empty()) {
        let head =
            Repo::open(&rig.repo).and_then(|repo| repo.fetch_branch(&rig.target).map(|head| (repo, head)));
        match head {
            Ok((repo, head)) => {
                found.extend(rig.merges.iter().filter_map(|merge| compare(rig, merge, &repo, head)))
            }
            Err(error) => {
                let pushing =
                    rig.merges.iter().filter(|merge| matches!(merge.state, MergeState::Pushing { .. }));
                found.extend(pushing.map(|merge| Difference {
                    bead: Some(merge.bead.clone()),
                    ..difference(
                        Matter::Merge,
                        &rig.name,
                        format!("{} was being pushed, and the remote cannot be asked: {error}", merge.id),
                        "looked for again when it answers",
                    )
                }));
            }
        }
    }
    found
}

fn compare(rig: &Rig, merge: &MergeRequest, repo: &Repo, head: Oid) -> Option<Difference> {
    let has = |commit: &str| {
        Oid::from_str(commit).ok().and_then(|commit| repo.is_ancestor(commit, head).ok()).unwrap_or(false)
    };
    let (id, bead, target) = (&merge.id, &merge.bead, &rig.target);
    let of = |what: String, settled: String, open| Difference {
        bead: Some(bead.clone()),
        agent: Some(merge.worker.clone()),
        open,
        ..difference(Matter::Merge, &rig.name, what, &settled)
    };
    match &merge.state {
        MergeState::Pushing { commit, .. } if has(commit) => {
            let what = format!("{id} was being pushed, and {target} has it");
            Some(of(what, format!("recorded as landed, and {bead} is closed"), false))
        }
        MergeState::Pushing { .. } => {
            let what = format!("{id} was being pushed, and {target} does not have it");
            Some(of(what, "merged and tested anew".to_owned(), false))
        }
        MergeState::Landed { commit } if !has(commit) => {
            let short: String = commit.chars().take(12).collect();
            let what = format!("{bead} is closed as landed by {short}, and {target} does not have it");
            Some(of(what, format!("gastown recover {bead}"), true))
        }
        _ => None,
    }
}
