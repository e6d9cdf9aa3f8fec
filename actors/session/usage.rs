//! Counts what a session has used, and records it: at the end of each turn and of the session.
//!
//! Reading is done on a thread for such things, and what is recorded is the difference to what the ledger
//! knows, found inside the write step. So it may be counted at any time, by a session or by the seat that
//! finds one lost, and a count that comes to nothing costs a later one nothing. No model is asked.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use clerk::costs::Total;
use clerk::draft::Draft;
use config::preset::{Preset, Usage};
use model::ids::SessionId;
use model::role::Address;
use model::time::Timestamp;

use super::environment;
use super::transcript::Transcripts;
use crate::errand::blocking;
use crate::tools::Tools;

/// How long a count is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Counts for one session.
#[derive(Debug, Clone)]
pub struct Meter {
    tools: Tools,
    agent: Address,
    session: SessionId,
    /// The program, and when it was started, while it lives.
    program: Option<(u32, Timestamp)>,
    transcripts: Arc<Mutex<Transcripts>>,
    /// What was recorded last, so that the scribe is not asked about what it knows. Apart from the
    /// transcripts, which are locked while they are read.
    recorded: Arc<Mutex<Vec<Total>>>,
}

impl Meter {
    /// A meter for `session`, if its preset says where its use of tokens can be read.
    pub fn of(tools: &Tools, agent: &Address, session: &SessionId, preset: &Preset) -> Option<Self> {
        let config = match preset.usage {
            Usage::None => return None,
            Usage::ClaudeTranscript => claude_config(preset)?,
        };
        let others = tools.look(|board| board.costs.conversations(session));
        let transcripts = Transcripts::new(config, session.clone(), others);
        Some(Meter {
            tools: tools.clone(),
            agent: agent.clone(),
            session: session.clone(),
            program: None,
            transcripts: Arc::new(Mutex::new(transcripts)),
            recorded: Arc::default(),
        })
    }

    /// Meters for all sessions that the ledger believes alive, by agent, and which session that is.
    pub fn of_the_open(tools: &Tools) -> Vec<(Address, SessionId, Self)> {
        let open = tools.look(|board| {
            let open = board.agents.iter().filter_map(|(agent, view)| {
                let open = view.session.as_ref().filter(|open| open.end.is_none())?;
                Some((agent.clone(), open.id.clone(), open.preset.clone()))
            });
            open.collect::<Vec<_>>()
        });
        let town = tools.town();
        let meter = |(agent, session, preset): (Address, SessionId, String)| {
            let meter = Meter::of(tools, &agent, &session, town.presets.get(&preset).ok()?)?;
            Some((agent, session, meter))
        };
        open.into_iter().filter_map(meter).collect()
    }

    /// The same for a program that runs since `since`: it may change to another conversation.
    #[must_use]
    pub fn running(self, pid: u32, since: Timestamp) -> Self {
        Meter { program: Some((pid, since)), ..self }
    }

    /// Counts, and records what is new. What goes wrong is logged, and counted the next time.
    pub async fn record(&self) {
        let Some(totals) = self.totals().await else { return };
        if *held(&self.recorded) == totals {
            return;
        }
        let (agent, session, new) = (self.agent.clone(), self.session.clone(), totals.clone());
        let record = move |draft: &mut Draft<'_>| {
            clerk::costs::record(draft, &agent, &session, &new);
            Ok(())
        };
        match self.tools.write(&self.agent, record).await {
            Ok(()) => *held(&self.recorded) = totals,
            Err(refusal) => tracing::warn!(agent = %self.agent, %refusal, "cannot record what was used"),
        }
    }

    /// How long the conversation was when it was counted last: in tokens, and in answers.
    pub fn filled(&self) -> Option<(u64, usize)> {
        held(&self.transcripts).filled()
    }

    /// Counts, and returns what was used since the session began; none, and a line in the log, when that
    /// cannot be had.
    pub async fn totals(&self) -> Option<Vec<Total>> {
        let (transcripts, program, agent) = (Arc::clone(&self.transcripts), self.program, self.agent.clone());
        let count = blocking(move || {
            let mut transcripts = held(&transcripts);
            if let Some((pid, since)) = program {
                transcripts.follow(pid, since);
            }
            // What could be read counts all the same.
            if let Err(error) = transcripts.read() {
                tracing::warn!(%agent, %error, "a transcript cannot be read");
            }
            transcripts.totals()
        });
        let why = match tokio::time::timeout(PATIENCE, count).await {
            Ok(Ok(totals)) => return Some(totals),
            Ok(Err(panic)) => panic,
            Err(_) => format!("it takes more than {} s", PATIENCE.as_secs()),
        };
        tracing::warn!(agent = %self.agent, why, "what was used cannot be counted");
        None
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where Claude Code keeps its files, as a session of `preset` is told by its environment.
fn claude_config(preset: &Preset) -> Option<PathBuf> {
    let folder = |name| environment::given(preset, name).map(PathBuf::from).filter(|path| path.is_absolute());
    folder("CLAUDE_CONFIG_DIR").or_else(|| folder("HOME").map(|home| home.join(".claude")))
}
