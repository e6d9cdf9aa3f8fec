//! One attempt at landing: merge, gates, push, and the look at the remote that alone decides.
//!
//! Each step is recorded before or after it is done, such that a restart at any point either finds the
//! merge commit at the remote and records the landing, or begins anew on what stands there then.

use std::collections::BTreeMap;

use config::rig::{Gate, RigConfig};
use git::gate::Verdict;
use git::landing::Landing;
use git::merge::{Identity, Prepared};
use git::{CancelToken, Oid, Repo};
use model::ids::{MergeId, RigName};
use model::merge::{GateResult, MergeRequest, MergeState, Rejection};
use model::refusal::Refusal;
use model::role::Address;

use crate::errand::blocking;
use crate::tools::Tools;

/// Lines of a gate's output that go back to the worker.
const EXCERPT: usize = 40;

/// How an attempt came out, for the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It landed, or was given back: its part is over.
    Over,
    /// The target moved: it is tried again at once.
    Again,
    /// Something outside is in the way.
    Held {
        /// What.
        why: String,
        /// What can be done about it.
        hint: Option<String>,
    },
}

/// One attempt.
#[derive(Debug, Clone)]
pub(super) struct Attempt {
    /// The handles.
    pub tools: Tools,
    /// Whose queue.
    pub rig: RigName,
    /// The rig as configured when the attempt began.
    pub config: RigConfig,
    /// What is to land.
    pub merge: MergeRequest,
    /// Ends what blocks.
    pub cancel: CancelToken,
}

/// What is in the way, when git or the disk fails: never the worker's fault.
fn held(error: git::Error) -> Outcome {
    let hint = error.hint();
    Outcome::Held { why: error.to_string(), hint }
}

impl Attempt {
    fn me(&self) -> Address {
        Address::Refinery(self.rig.clone())
    }

    fn target(&self) -> &str {
        &self.config.default_branch
    }

    async fn git<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Repo) -> git::Result<T> + Send + 'static,
    ) -> Result<T, Outcome> {
        // What is under way with git is finished; nothing new is begun, above all no push.
        self.tools.freeze.thawed().await;
        let (path, cancel) = (self.tools.paths.rig(&self.rig).repo_git(), self.cancel.clone());
        let done = blocking(move || {
            let repo = Repo::open(path)?.with_cancel(cancel);
            work(&repo)
        });
        match done.await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(held(error)),
            Err(why) => Err(Outcome::Held { why, hint: None }),
        }
    }

    /// Goes all the way.
    ///
    /// # Errors
    /// The scribe's refusal: then nothing more is done, and the next start looks at what is so.
    pub(super) async fn run(&self) -> Result<Outcome, Refusal> {
        match self.steps().await {
            Ok(outcome) => Ok(outcome),
            Err(Stop::Outcome(outcome)) => Ok(outcome),
            Err(Stop::Refused(refusal)) => Err(refusal),
        }
    }

    async fn steps(&self) -> Result<Outcome, Stop> {
        let head = match Oid::from_str(&self.merge.head) {
            Ok(head) => head,
            Err(_) => return self.reject_unfit(format!("{} is not a commit", self.merge.head)).await,
        };
        // A push may have gone through before a restart: the remote knows.
        if let MergeState::Pushing { commit, .. } = &self.merge.state
            && let Ok(oid) = Oid::from_str(commit)
        {
            let target = self.target().to_owned();
            if self.git(move |repo| git::landing::look(repo, &target, oid)).await? {
                return self.record_landed(commit).await;
            }
        }
        let (target, message, author, trailers) = self.merge_words();
        let prepared = self
            .git(move |repo| {
                let trailers: Vec<(&str, &str)> = trailers.iter().map(|(k, v)| (*k, v.as_str())).collect();
                git::merge::prepare(repo, &target, head, &message, &author, &trailers)
            })
            .await?;
        let (base, commit, tree) = match prepared {
            Prepared::Merge { base, commit, tree } => (base, commit, tree),
            Prepared::AlreadyMerged { commit } => return self.record_landed(&commit.to_string()).await,
            Prepared::Empty { .. } => {
                return self.reject_unfit("the branch changes nothing on the target".to_owned()).await;
            }
            Prepared::Conflict { base, files } => {
                let attempt = self.merge.attempts;
                return self.reject(Rejection::Conflict { files, base: base.to_string(), attempt }).await;
            }
        };
        let id = self.merge.id.clone();
        let (b, c) = (base.to_string(), commit.to_string());
        self.record(move |draft| clerk::merges::testing(draft, &id, &b, &c)).await?;
        if !self.config.gates.is_empty() {
            let scratch = self.tools.paths.rig(&self.rig).refinery_rig();
            self.git(move |repo| git::scratch::checkout(repo, &scratch, commit)).await?;
        }
        for gate in &self.config.gates {
            if let Some(rejection) = self.gate(gate, base, commit, tree).await? {
                return self.reject(rejection).await;
            }
        }
        let id = self.merge.id.clone();
        let gates: Vec<String> = self.config.gates.iter().map(|gate| gate.name.clone()).collect();
        let (b, c) = (base.to_string(), commit.to_string());
        self.record(move |draft| clerk::merges::pushing(draft, &id, &b, &c, &gates)).await?;
        let target = self.target().to_owned();
        match self.git(move |repo| git::landing::land(repo, &target, base, commit)).await? {
            Landing::Landed { .. } => self.record_landed(&commit.to_string()).await,
            Landing::Moved { now } => {
                let (id, target) = (self.merge.id.clone(), self.target().to_owned());
                let why = format!("{target} moved to {now} meanwhile");
                self.record(move |draft| clerk::merges::requeued(draft, &id, &why)).await?;
                Ok(Outcome::Again)
            }
            Landing::Refused { reason, hint } => Ok(Outcome::Held { why: reason, hint: Some(hint) }),
        }
    }

    /// Message, author and trailers of the merge commit. They depend on nothing but the request, so that
    /// the same merge after a restart is the same commit.
    fn merge_words(&self) -> (String, String, Identity, Vec<(&'static str, String)>) {
        let merge = &self.merge;
        let (title, session) = self.tools.look(|board| {
            let title = board.beads.get(&merge.bead).map(|bead| bead.title.clone()).unwrap_or_default();
            let session = board.agents.get(&merge.worker).and_then(|agent| {
                agent.session.as_ref().map(|open| open.id.clone()).or_else(|| agent.last_session.clone())
            });
            (title, session)
        });
        let message = format!("Merge {}: {title}", merge.bead);
        let name = self.me().to_string();
        let email = format!("{}@gastown.local", self.me().slug());
        let author = Identity { name, email, at: merge.submitted_at.millis() / 1000 };
        let mut trailers =
            vec![("Gastown-Agent", merge.worker.to_string()), ("Gastown-Bead", merge.bead.to_string())];
        if let Some(session) = session {
            trailers.push(("Gastown-Session", session.to_string()));
        }
        (self.target().to_owned(), message, author, trailers)
    }

    /// Runs a gate on the merge result; a rejection when it does not pass.
    async fn gate(&self, gate: &Gate, base: Oid, commit: Oid, tree: Oid) -> Result<Option<Rejection>, Stop> {
        let paths = self.tools.paths.rig(&self.rig);
        let scratch = paths.refinery_rig();
        let name = format!("{}-{}-{}.log", self.merge.id, self.merge.attempts, gate.name.replace('/', "_"));
        let log = self.tools.paths.gate_logs(&self.rig).join(name);
        let env = BTreeMap::from([
            ("GASTOWN_RIG".to_owned(), self.rig.to_string()),
            ("GASTOWN_BEAD".to_owned(), self.merge.bead.to_string()),
            ("GASTOWN_GATE_NAME".to_owned(), gate.name.clone()),
            ("GASTOWN_BASE".to_owned(), base.to_string()),
        ]);
        let cancel = self.cancel.clone().braked(self.tools.freeze.brake());
        let (cmd, timeout, file) = (gate.cmd.clone(), gate.timeout, log.clone());
        let run = blocking(move || git::gate::run(&cmd, &scratch, &env, timeout, &file, Some(&cancel))).await;
        let run = run.map_err(|why| Outcome::Held { why, hint: None })?;
        let verdict = match &run.verdict {
            Verdict::Passed => "passed".to_owned(),
            Verdict::Failed { code } => format!("exit code {code}"),
            Verdict::Signalled { signal } => format!("signal {signal}"),
            Verdict::TimedOut => format!("timed out after {} s", timeout.as_secs()),
            Verdict::Cancelled => {
                return Err(Stop::Outcome(Outcome::Held { why: "the town stops".into(), hint: None }));
            }
            Verdict::CannotStart { error } => {
                let why = format!("gate {:?} cannot be run: {error}", gate.name);
                return Err(Stop::Outcome(Outcome::Held {
                    why,
                    hint: Some("look at the rig's gates in config.json".into()),
                }));
            }
        };
        let shown = log.strip_prefix(self.tools.paths.root()).unwrap_or(&log).display().to_string();
        let passed = run.verdict == Verdict::Passed;
        let result = GateResult {
            gate: gate.name.clone(),
            command: gate.cmd.clone(),
            commit: commit.to_string(),
            tree: tree.to_string(),
            passed,
            verdict: verdict.clone(),
            duration_ms: u64::try_from(run.duration.as_millis()).unwrap_or(u64::MAX),
            log: shown.clone(),
        };
        let id = self.merge.id.clone();
        self.record(move |draft| clerk::merges::gate(draft, &id, result)).await?;
        if passed {
            return Ok(None);
        }
        let excerpt = blocking(move || git::gate::excerpt(&log, EXCERPT)).await.unwrap_or_default();
        Ok(Some(Rejection::Gate {
            gate: gate.name.clone(),
            verdict,
            excerpt,
            log: shown,
            base: base.to_string(),
            attempt: self.merge.attempts,
        }))
    }

    async fn reject_unfit(&self, why: String) -> Result<Outcome, Stop> {
        self.reject(Rejection::Unfit { why, attempt: self.merge.attempts }).await
    }

    async fn reject(&self, rejection: Rejection) -> Result<Outcome, Stop> {
        let (id, most) = (self.merge.id.clone(), self.config.merge.max_attempts);
        self.record(move |draft| clerk::merges::rejected(draft, &id, rejection, most)).await?;
        Ok(Outcome::Over)
    }

    async fn record_landed(&self, commit: &str) -> Result<Outcome, Stop> {
        let (id, commit, target) = (self.merge.id.clone(), commit.to_owned(), self.target().to_owned());
        self.record(move |draft| clerk::merges::landed(draft, &id, &commit, &target)).await?;
        Ok(Outcome::Over)
    }

    async fn record(
        &self,
        decide: impl FnOnce(&mut clerk::draft::Draft<'_>) -> Result<(), Refusal> + Clone + Send + 'static,
    ) -> Result<(), Stop> {
        Ok(self.tools.write(&self.me(), decide).await?)
    }
}

/// Why the steps end before the last one.
#[derive(Debug)]
enum Stop {
    Outcome(Outcome),
    Refused(Refusal),
}

impl From<Outcome> for Stop {
    fn from(outcome: Outcome) -> Self {
        Stop::Outcome(outcome)
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Stop::Refused(refusal)
    }
}

/// Records that an entry waits for the world to change.
///
/// # Errors
/// The scribe's refusal.
pub(super) async fn record_held(
    tools: &Tools,
    me: &Address,
    merge: MergeId,
    why: String,
    hint: Option<String>,
) -> Result<(), Refusal> {
    tools.write(me, move |draft| clerk::merges::held(draft, &merge, &why, hint.as_deref())).await
}
