//! Landing one worker's branch without the queue, on a person's word. The same with a runtime and without one.
//!
//! Four things are looked at first, and each refuses: the worker has handed its work in and is not at it (`at_work`),
//! its worktree holds nothing uncommitted (`dirty`), the branch merges with the target (`conflict`), and all gates pass
//! on the merge (`gate_failed`). What a person leaves out is recorded before anything is pushed, with who and why.
//!
//! The request is in the queue meanwhile, held, so that nobody else lands it and a crash at any step is nothing
//! special: the refinery finds it at the remote, or lands it in its turn.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clerk::draft::{Deed, Draft};
use clerk::merges;
use config::live::TownConfig;
use config::paths::TownPaths;
use config::rig::RigConfig;
use git::gate::{Job, Verdict};
use git::landing::Landing;
use git::train::{self, Car, Train};
use git::{Oid, Repo};
use ledger::views::Board;
use model::answer::{Answer, DirectReport};
use model::command::Origin;
use model::event::Event;
use model::ids::Seq;
use model::merge::{GateResult, MergeRequest, MergeState};
use model::refusal::Refusal;
use model::role::Address;
use model::time::Timestamp;

use crate::errand::blocking;
use crate::furnish::Furnishing;
use crate::refinery::work::car;
use crate::tools::Tools;

/// Why the queue does not touch it meanwhile.
const KEPT: &str = "it is being landed directly";

/// What was asked.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// Whose branch, as typed.
    pub worker: String,
    /// Also when it is at work, or has files that are not committed.
    pub force: bool,
    /// Without gates.
    pub skip_tests: bool,
    /// Only say what would happen.
    pub dry_run: bool,
    /// Why.
    pub reason: Option<String>,
}

/// What the ledger and the configuration say.
#[derive(Debug, Clone)]
struct Known {
    merge: MergeRequest,
    car: Car,
    config: RigConfig,
    repo: PathBuf,
    folder: PathBuf,
    scratch: PathBuf,
    logs: PathBuf,
    root: PathBuf,
    furnishing: Furnishing,
    skipped: Vec<String>,
}

/// What was seen outside.
#[derive(Debug, Clone)]
struct Seen {
    head: Oid,
    base: Oid,
    commit: Oid,
    gates: Vec<GateResult>,
    skipped: Vec<String>,
}

/// Lands in a living town.
///
/// # Errors
/// The four checks; `no_work`, `too_late`, `nothing_to_land`; `not_landed` when the remote does not take it; the
/// scribe's refusal.
pub async fn land(tools: &Tools, origin: &Origin, wish: Wish) -> Result<Answer, Refusal> {
    tools.freeze.check("nothing lands")?;
    let now = tools.clock.now();
    let known = tools.look(|board| known(board, &tools.paths, &tools.town(), &wish, now))?;
    let failed = |panic| Refusal::failed("git_failed", panic);
    let (asked, what) = (known.clone(), wish.clone());
    let seen = blocking(move || look(&asked, &what)).await.map_err(failed)??;
    let report = report(&known, &seen, &wish);
    if wish.dry_run {
        return Ok(report);
    }
    let (actor, asked, found, reason) = (origin.actor(), known.clone(), seen.clone(), wish.reason.clone());
    let begin = move |board: &Board, now| {
        begin(board, &actor, &asked, &found, reason.as_deref(), now).map(|deed| (deed, Answer::Done))
    };
    tools.decide(begin).await?;
    let (asked, found) = (known.clone(), seen.clone());
    let landing = blocking(move || push(&asked, &found)).await.map_err(failed)?;
    let (actor, asked, found, came) = (origin.actor(), known, seen, landing.clone());
    let end =
        move |board: &Board, now| Ok((end(board, &actor, &asked, &found, came.is_ok(), now)?, Answer::Done));
    tools.decide(end).await?;
    landing.map(|()| report)
}

/// Lands where no runtime is up.
///
/// # Errors
/// As [`land`].
pub fn land_offline(
    store: &ledger::Store,
    (paths, config): (&TownPaths, &TownConfig),
    actor: &Address,
    (wish, now): (&Wish, Timestamp),
) -> Result<Answer, Refusal> {
    let known = store.read(|board| known(board, paths, config, wish, now))?;
    let seen = look(&known, wish)?;
    let report = report(&known, &seen, wish);
    if wish.dry_run {
        return Ok(report);
    }
    let reason = wish.reason.as_deref();
    store.write_one(now, |board, now| Ok((begin(board, actor, &known, &seen, reason, now)?, ())))?;
    let landing = push(&known, &seen);
    store.write_one(now, |board, now| Ok((end(board, actor, &known, &seen, landing.is_ok(), now)?, ())))?;
    landing.map(|()| report)
}

fn report(known: &Known, seen: &Seen, wish: &Wish) -> Answer {
    let merge = &known.merge;
    Answer::Direct(Box::new(DirectReport {
        merge: (!wish.dry_run || merge.attempts > 0).then(|| merge.id.clone()),
        bead: merge.bead.clone(),
        worker: merge.worker.clone(),
        branch: merge.branch.clone(),
        head: seen.head.to_string(),
        target: known.config.default_branch.clone(),
        commit: seen.commit.to_string(),
        gates: seen.gates.clone(),
        skipped: known.skipped.iter().chain(&seen.skipped).cloned().collect(),
        dry_run: wish.dry_run,
    }))
}

/// Finds what is meant, and makes the checks that the ledger alone can make.
fn known(
    board: &Board,
    paths: &TownPaths,
    config: &TownConfig,
    wish: &Wish,
    now: Timestamp,
) -> Result<Known, Refusal> {
    let worker = clerk::names::address(board, &wish.worker)?;
    let none = || {
        Refusal::failed("no_work", format!("{worker} has no branch that could land"))
            .hint("who has work on the hook: gastown status")
    };
    let hook = board.hooks.of(&worker).ok_or_else(none)?;
    let rig = worker.rig().ok_or_else(none)?;
    let sandbox = board.agents.get(&worker).and_then(|agent| agent.sandbox.as_ref()).ok_or_else(none)?;
    let bead = hook.bead.clone();
    let config = config.rig(rig)?.clone();
    let before = board.merges.of_bead(&bead).filter(|merge| {
        merge.worker == worker
            && !matches!(merge.state, MergeState::Landed { .. } | MergeState::Withdrawn { .. })
    });
    if before.is_some_and(|merge| matches!(merge.state, MergeState::Pushing { .. })) {
        return Err(Refusal::failed("too_late", format!("{bead} is being pushed by the refinery"))
            .hint(format!("see what comes of it: gastown mq why {bead}")));
    }
    let mut skipped = Vec::new();
    if hook.stage.wants_session() {
        if !wish.force {
            return Err(Refusal::forbidden("at_work", format!("{worker} has not handed {bead} in"))
                .hint("wait until it says `gt done`, or land what is committed with --force"));
        }
        skipped.push("the work being handed in".to_owned());
    }
    let draft = Draft::new(board, worker.clone(), now);
    let merge = match before {
        Some(merge) => merge.clone(),
        None => {
            let record = clerk::beads::find(board, &bead)?;
            let work = (sandbox.branch.clone(), sandbox.base.clone());
            MergeRequest::new(draft.merge_id(), rig.clone(), record, worker.clone(), work, now)
        }
    };
    let places = paths.rig(rig);
    let name = worker.name().map(ToString::to_string).unwrap_or_default();
    Ok(Known {
        furnishing: Furnishing::of(paths, &config),
        car: car(board, &merge).ok_or_else(none)?,
        merge,
        config,
        repo: places.repo_git(),
        folder: places.polecats().join(name),
        scratch: places.refinery_rig().with_file_name("rig-direct"),
        logs: paths.gate_logs(rig),
        root: paths.root().to_owned(),
        skipped,
    })
}

fn broken(error: git::Error) -> Refusal {
    let refusal = Refusal::failed("git_failed", error.to_string());
    match error.hint() {
        Some(hint) => refusal.hint(hint),
        None => refusal,
    }
}

/// Merges in memory and runs the gates. Changes nothing that anybody else looks at.
fn look(known: &Known, wish: &Wish) -> Result<Seen, Refusal> {
    let (merge, target) = (&known.merge, &known.config.default_branch);
    let mut skipped = Vec::new();
    if known.folder.is_dir() {
        let state = git::status::status(&known.folder).map_err(broken)?;
        if !state.is_clean() {
            if !wish.force {
                let files = state.files().join(", ");
                return Err(Refusal::forbidden("dirty", format!("{} has uncommitted files: {files}", merge.worker))
                    .hint("commit them, or land what is committed with --force; they are saved when the worktree goes"));
            }
            skipped.push("uncommitted files".to_owned());
        }
    }
    let repo = Repo::open(&known.repo).map_err(broken)?;
    let head = repo.branch_head(&merge.branch).map_err(broken)?.ok_or_else(|| {
        Refusal::failed("no_work", format!("there is no branch {}", merge.branch))
            .hint(format!("see how it is: gastown why {}", merge.bead))
    })?;
    let base = repo.fetch_branch(target).map_err(broken)?;
    let car = Car { head, words: known.car.words.clone() };
    let (commit, tree) = match train::build(&repo, base, std::slice::from_ref(&car)).map_err(broken)? {
        Train::Whole(parts) => match parts.last() {
            Some(part) => (part.commit, part.tree),
            None => (base, base),
        },
        Train::Conflict { files, .. } => {
            return Err(Refusal::failed(
                "conflict",
                format!("{} does not merge with {target}: {}", merge.branch, files.join(", ")),
            )
            .hint(format!(
                "let {} bring its branch onto {target}: gastown nudge {} -m TEXT",
                merge.worker, merge.worker
            )));
        }
        Train::Landed { commit, .. } => {
            return Err(Refusal::failed("nothing_to_land", format!("{target} has it already, by {commit}"))
                .hint(format!("gastown recover {}", merge.bead)));
        }
        _ => {
            return Err(Refusal::failed(
                "nothing_to_land",
                format!("{} changes nothing on {target}", merge.branch),
            )
            .hint(format!("see how it is: gastown why {}", merge.bead)));
        }
    };
    let mut gates = Vec::new();
    if wish.skip_tests {
        skipped.push("gates".to_owned());
    } else if !known.config.gates.is_empty() {
        git::scratch::checkout(&repo, &known.scratch, commit).map_err(broken)?;
        known.furnishing.bring(&repo, &known.scratch, true).map_err(broken)?;
        let ports = known.furnishing.ports(&repo, &known.scratch).map_err(broken)?;
        for group in config::gates::groups(&known.config.gates) {
            gates.extend(gate(known, group, &ports, (base, commit, tree))?);
        }
    }
    Ok(Seen { head, base, commit, gates, skipped })
}

fn gate(
    known: &Known,
    group: &[config::gates::Gate],
    ports: &BTreeMap<String, String>,
    (base, commit, tree): (Oid, Oid, Oid),
) -> Result<Vec<GateResult>, Refusal> {
    let merge = &known.merge;
    let job = |gate: &config::gates::Gate| {
        let mut env = BTreeMap::from([
            ("GASTOWN_RIG".to_owned(), merge.rig.to_string()),
            ("GASTOWN_BEAD".to_owned(), merge.bead.to_string()),
            ("GASTOWN_GATE_NAME".to_owned(), gate.name.clone()),
            ("GASTOWN_BASE".to_owned(), base.to_string()),
        ]);
        env.extend(ports.clone());
        env.extend(gate.env.clone());
        let name = format!("{}-direct-{}.log", merge.id, gate.name.replace('/', "_"));
        Job { cmd: gate.cmd.clone(), env, timeout: gate.timeout, log: known.logs.join(name) }
    };
    let jobs: Vec<Job> = group.iter().map(job).collect();
    let runs = git::gate::run_all(&jobs, &known.scratch, None);
    let mut results = Vec::new();
    for ((gate, job), run) in group.iter().zip(&jobs).zip(runs) {
        let log = job.log.strip_prefix(&known.root).unwrap_or(&job.log).display().to_string();
        if run.verdict != Verdict::Passed {
            let end = git::gate::excerpt(&job.log, 20);
            return Err(Refusal::failed(
                "gate_failed",
                format!("gate {:?} has not passed: {:?}\n{end}", gate.name, run.verdict),
            )
            .hint(format!("all of it is in {log}; --skip-tests lands without gates")));
        }
        results.push(GateResult {
            gate: gate.name.clone(),
            command: gate.cmd.clone(),
            commit: commit.to_string(),
            tree: tree.to_string(),
            passed: true,
            verdict: "passed".to_owned(),
            duration_ms: u64::try_from(run.duration.as_millis()).unwrap_or(u64::MAX),
            log,
            base: base.to_string(),
            run: None,
            excerpt: String::new(),
        });
    }
    Ok(results)
}

/// Records what is about to happen.
fn begin(
    board: &Board,
    actor: &Address,
    known: &Known,
    seen: &Seen,
    reason: Option<&str>,
    now: Timestamp,
) -> Result<Deed, Refusal> {
    let mut draft = Draft::new(board, actor.clone(), now);
    let merge = &known.merge;
    let hook = board.hooks.on(&merge.bead).filter(|hook| hook.agent == merge.worker);
    let pushed =
        board.merges.get(&merge.id).is_some_and(|merge| matches!(merge.state, MergeState::Pushing { .. }));
    if hook.is_none() || pushed {
        return Err(Refusal::failed("stale", format!("{} is not what it was a moment ago", merge.bead))
            .hint(format!("see how it is: gastown why {}", merge.bead)));
    }
    let entry = MergeRequest {
        head: seen.head.to_string(),
        attempts: merge.attempts.max(1),
        state: MergeState::Queued,
        queued_at: Seq::default(),
        kept: Some(KEPT.to_owned()),
        ..merge.clone()
    };
    draft.push(Event::MqSubmitted { merge: Box::new(entry) });
    for result in &seen.gates {
        draft.push(Event::MqGate { merge: merge.id.clone(), result: result.clone(), with: Vec::new() });
    }
    let skipped = known.skipped.iter().chain(&seen.skipped).cloned().collect();
    let reason = reason.map(str::trim).filter(|reason| !reason.is_empty()).unwrap_or("no reason given");
    draft.push(Event::MqDirect { merge: merge.id.clone(), skipped, reason: reason.to_owned() });
    Ok(draft.finish())
}

fn push(known: &Known, seen: &Seen) -> Result<(), Refusal> {
    let target = &known.config.default_branch;
    let refused = |why: String, hint: String| Err(Refusal::failed("not_landed", why).hint(hint));
    let repo = Repo::open(&known.repo).map_err(broken)?;
    match git::landing::land(&repo, target, seen.base, seen.commit).map_err(broken)? {
        Landing::Landed { .. } => Ok(()),
        Landing::Moved { now } => refused(
            format!("{target} has moved to {now} meanwhile"),
            "say it again: the merge is made and gated anew; the refinery has it now and tries, too"
                .to_owned(),
        ),
        Landing::Refused { reason, hint } => refused(reason, format!("{hint}; it is in the queue now")),
    }
}

/// Records what came of it. What has not landed is the queue's.
fn end(
    board: &Board,
    actor: &Address,
    known: &Known,
    seen: &Seen,
    landed: bool,
    now: Timestamp,
) -> Result<Deed, Refusal> {
    let mut draft = Draft::new(board, actor.clone(), now);
    let id = &known.merge.id;
    if landed {
        match merges::landed(&mut draft, id, &seen.commit.to_string(), &known.config.default_branch) {
            // The refinery has found it there.
            Err(refusal) if refusal.code == "merge_over" => {}
            other => other?,
        }
    }
    if board.merges.get(id).is_some_and(|merge| merge.kept.as_deref() == Some(KEPT)) {
        draft.push(Event::MqKept { merge: id.clone(), reason: None });
    }
    Ok(draft.finish())
}
