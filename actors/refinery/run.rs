//! One gate run: its stack is merged, and the gates look at what came out.
//!
//! Each step is recorded as it ends. A restart forgets the run, keeps what its gates have said, and plans anew.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use config::rig::Gate;
use git::Oid;
use git::gate::{Job, Verdict};
use git::train::{Car, Train};
use model::ids::MergeId;
use model::merge::{GateResult, MergeRequest, Rejection};
use model::queue::{Run, RunId};

use super::work::{Trouble, Work};

/// Lines of a gate's output that go back to the worker.
const EXCERPT: usize = 40;

/// A worktree for gate runs. One thread at a time uses it: what was cancelled may need a moment to end.
#[derive(Debug, Clone)]
pub(super) struct Slot {
    /// Its number, from 0.
    pub number: usize,
    /// Where it is.
    pub folder: PathBuf,
    /// Held while something goes on there.
    pub busy: Arc<Mutex<()>>,
}

/// What a run began with. It is the same as long as the run lives, whatever lands meanwhile.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    /// The run as it was decided.
    pub run: Run,
    /// The target's head that it stands on.
    pub base: Oid,
    /// Its tree is on record already.
    pub known: bool,
}

/// What the stack of a run became.
struct Made {
    merges: Vec<MergeRequest>,
    commit: Oid,
    tree: Oid,
    paths: Vec<String>,
}

/// How a group of gates ended.
enum Group {
    Passed,
    Failed,
}

/// Makes the run, all the way.
///
/// # Errors
/// What keeps it from saying anything about its changes.
pub(super) async fn run(work: &Work, origin: &Origin, slot: &Slot) -> Result<(), Trouble> {
    let Some(made) = build(work, origin).await? else { return Ok(()) };
    if !origin.known {
        let (run, tree) = (origin.run.clone(), work.tree(made.tree));
        let (base, commit) = (origin.base.to_string(), made.commit.to_string());
        work.record(move |draft, setting| clerk::queue::built(draft, setting, &run, tree, (&base, &commit)))
            .await?;
    }
    let flight = work.tools.look(|board| {
        board.queues.get(work.rig()).and_then(|known| known.state.flights().get(&origin.run.id).cloned())
    });
    // It was known already, or another run looks at the same tree.
    let Some(flight) = flight.filter(|flight| flight.gating) else { return Ok(()) };
    // On a target that is known to be green, what a change does not concern is green as well.
    let concerned = |gate: &&Gate| !flight.sound || gate.concerns(made.paths.iter().map(String::as_str));
    let gates: Vec<Gate> = work.config.gates.iter().filter(concerned).cloned().collect();
    let groups: Vec<Vec<Gate>> = config::gates::groups(&gates).into_iter().map(<[Gate]>::to_vec).collect();
    let last = groups.len().saturating_sub(1);
    for (n, group) in groups.into_iter().enumerate() {
        if let Group::Failed = gate(work, origin, &made, slot, (group, n == 0, n == last)).await? {
            return Ok(());
        }
    }
    if gates.is_empty() {
        end(work, origin.run.id, true).await?;
    }
    Ok(())
}

async fn end(work: &Work, run: RunId, green: bool) -> Result<(), Trouble> {
    let verdict = if green { model::queue::Verdict::Green } else { model::queue::Verdict::Red };
    work.record(move |draft, setting| clerk::queue::ended(draft, setting, run, verdict)).await
}

/// Merges the stack; nothing when a change of it was sent away instead.
async fn build(work: &Work, origin: &Origin) -> Result<Option<Made>, Trouble> {
    let merges = work.requests(&origin.run)?;
    let mut cars: Vec<Car> = Vec::new();
    for merge in &merges {
        match work.car(merge) {
            Some(car) => cars.push(car),
            None => {
                let why = format!("{} is not a commit", merge.head);
                return unfit(work, merge, why).await.map(|()| None);
            }
        }
    }
    let base = origin.base;
    let train = work.git(move |repo| git::train::build(repo, base, &cars)).await?;
    hitched(work, origin, &merges, train).await
}

/// What follows from a train that was built.
async fn hitched(
    work: &Work,
    origin: &Origin,
    merges: &[MergeRequest],
    train: Train,
) -> Result<Option<Made>, Trouble> {
    let base = origin.base;
    match train {
        Train::Whole(parts) => {
            let (commit, tree) = match parts.last() {
                Some(top) => (top.commit, top.tree),
                None => (base, work.git(move |repo| repo.tree_of(base)).await?),
            };
            let mut paths: Vec<String> = parts.into_iter().flat_map(|part| part.paths).collect();
            paths.sort();
            paths.dedup();
            Ok(Some(Made { merges: merges.to_vec(), commit, tree, paths }))
        }
        Train::Landed { at, commit } => {
            let (id, commit) = (merges[at].id.clone(), commit.to_string());
            let found = work.record(move |draft, setting| clerk::queue::found(draft, setting, &id, &commit));
            over(found.await).map(|()| None)
        }
        Train::Empty { at } => {
            let why = "the branch changes nothing on the target".to_owned();
            unfit(work, &merges[at], why).await.map(|()| None)
        }
        Train::Stranger { at } => {
            let why = format!("it has no history in common with {}", work.target());
            unfit(work, &merges[at], why).await.map(|()| None)
        }
        Train::Conflict { at, files } => {
            let (base, attempt) = (base.to_string(), merges[at].attempts);
            let rejection = Rejection::Conflict { files, base, attempt };
            give_back(work, merges[at].id.clone(), rejection).await.map(|()| None)
        }
        Train::Clash { at, with } => {
            let (run, id) = (origin.run.id, merges[at].id.clone());
            let with: Vec<MergeId> = with.into_iter().map(|other| merges[other].id.clone()).collect();
            work.record(move |draft, setting| clerk::queue::clashed(draft, setting, run, &id, with)).await?;
            Ok(None)
        }
    }
}

async fn unfit(work: &Work, merge: &MergeRequest, why: String) -> Result<(), Trouble> {
    give_back(work, merge.id.clone(), Rejection::Unfit { why, attempt: merge.attempts }).await
}

async fn give_back(work: &Work, id: MergeId, rejection: Rejection) -> Result<(), Trouble> {
    let back =
        work.record(move |draft, setting| clerk::queue::give_back(draft, setting, &id, rejection)).await;
    over(back)
}

/// A request that was taken back meanwhile is over, and that is all right.
pub(super) fn over(result: Result<(), Trouble>) -> Result<(), Trouble> {
    match result {
        Err(Trouble::Refused(refusal)) if refusal.code == "merge_over" => Ok(()),
        other => other,
    }
}

/// Runs the gates of one group at once, and records how they ended; with the last one, also what the run says.
async fn gate(
    work: &Work,
    origin: &Origin,
    made: &Made,
    slot: &Slot,
    (group, first, last): (Vec<Gate>, bool, bool),
) -> Result<Group, Trouble> {
    let jobs: Vec<Job> = group.iter().map(|gate| job(work, origin, made, gate)).collect();
    let cancel = work.cancel.clone().braked(work.tools.freeze.brake());
    let (busy, folder, commit) = (slot.busy.clone(), slot.folder.clone(), made.commit);
    let asked = jobs.clone();
    let runs = work.git(move |repo| {
        let _mine = busy.lock().unwrap_or_else(PoisonError::into_inner);
        if first {
            git::scratch::checkout(repo, &folder, commit)?;
        }
        let runs = git::gate::run_all(&asked, &folder, Some(&cancel));
        let excerpt = |run: &git::gate::GateRun, job: &Job| match run.verdict {
            Verdict::Passed => String::new(),
            _ => git::gate::excerpt(&job.log, EXCERPT),
        };
        Ok(runs.into_iter().zip(&asked).map(|(run, job)| (excerpt(&run, job), run)).collect::<Vec<_>>())
    });
    let mut results = Vec::new();
    for ((gate, job), (excerpt, ran)) in group.iter().zip(&jobs).zip(runs.await?) {
        let verdict = match &ran.verdict {
            Verdict::Passed => "passed".to_owned(),
            Verdict::Failed { code } => format!("exit code {code}"),
            Verdict::Signalled { signal } => format!("signal {signal}"),
            Verdict::TimedOut => format!("timed out after {} s", gate.timeout.as_secs()),
            Verdict::Cancelled => return Err(Trouble::stuck("the town stops")),
            Verdict::CannotStart { error } => {
                return Err(Trouble::Stuck {
                    why: format!("gate {:?} cannot be run: {error}", gate.name),
                    hint: Some("look at the rig's gates in config.json".into()),
                });
            }
        };
        let log = job.log.strip_prefix(work.tools.paths.root()).unwrap_or(&job.log);
        results.push(GateResult {
            gate: gate.name.clone(),
            command: gate.cmd.clone(),
            commit: made.commit.to_string(),
            tree: made.tree.to_string(),
            passed: ran.verdict == Verdict::Passed,
            verdict,
            duration_ms: u64::try_from(ran.duration.as_millis()).unwrap_or(u64::MAX),
            log: log.display().to_string(),
            base: origin.base.to_string(),
            run: Some(origin.run.id),
            excerpt,
        });
    }
    let passed = results.iter().all(|result| result.passed);
    let run = origin.run.clone();
    // What the gates said is on record before what follows from it: whoever is given back is told.
    work.record(move |draft, setting| {
        for result in results {
            clerk::queue::gate(draft, setting, &run, result);
        }
        Ok(())
    })
    .await?;
    if !passed || last {
        end(work, origin.run.id, passed).await?;
    }
    Ok(if passed { Group::Passed } else { Group::Failed })
}

fn job(work: &Work, origin: &Origin, made: &Made, gate: &Gate) -> Job {
    let top = made.merges.last();
    let what = top.map_or_else(|| "baseline".to_owned(), |merge| format!("{}-{}", merge.id, merge.attempts));
    let name = format!("{what}-{}-{}.log", origin.run.id, gate.name.replace('/', "_"));
    let beads: Vec<&str> = made.merges.iter().map(|merge| merge.bead.as_str()).collect();
    let mut env = BTreeMap::from([
        ("GASTOWN_RIG".to_owned(), work.rig().to_string()),
        ("GASTOWN_BEAD".to_owned(), beads.last().copied().unwrap_or_default().to_owned()),
        ("GASTOWN_BEADS".to_owned(), beads.join(" ")),
        ("GASTOWN_GATE_NAME".to_owned(), gate.name.clone()),
        ("GASTOWN_BASE".to_owned(), origin.base.to_string()),
    ]);
    env.extend(gate.env.clone());
    Job {
        cmd: gate.cmd.clone(),
        env,
        timeout: gate.timeout,
        log: work.tools.paths.gate_logs(work.rig()).join(name),
    }
}
