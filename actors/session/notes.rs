//! What a session records of itself: its states, what it has taken over, its end. It never waits for the disk.

use clerk::agents::Ended;
use model::agent::AgentState;

use super::State;

impl State {
    /// Goes into another state. It never waits for the disk: a session whose ledger cannot be written still
    /// hears its program and the people at it. What could not be recorded is recorded when it looks again.
    pub(super) async fn set(&mut self, to: AgentState, note: Option<&str>) {
        self.state = to;
        self.unrecorded = Some(note.map(str::to_owned));
        self.record_state().await;
    }

    pub(super) async fn record_state(&mut self) {
        let Some(note) = self.unrecorded.clone() else { return };
        let (agent, to) = (self.agent.clone(), self.state);
        let set = move |draft: &mut clerk::draft::Draft<'_>| {
            clerk::agents::state(draft, &agent, to, note.as_deref());
            Ok(())
        };
        match self.tools.note(&self.agent, set).await {
            Err(refusal) if refusal.is_of_the_disk() => {}
            Err(refusal) => {
                tracing::warn!(agent = %self.agent, %refusal, "cannot record a state");
                self.unrecorded = None;
            }
            Ok(()) => self.unrecorded = None,
        }
    }

    /// Records that it was told what an earlier session has left: the next one is not told again.
    pub(super) async fn take_over(&mut self) {
        if !self.seen_handoff || self.handed_over.is_empty() || self.state == AgentState::Starting {
            return;
        }
        let letters = self.handed_over.clone();
        let taken = move |draft: &mut clerk::draft::Draft<'_>| {
            clerk::letters::deliver(draft, letters.iter().cloned());
            clerk::letters::taken_over(draft, &letters);
            Ok(())
        };
        match self.tools.note(&self.agent, taken).await {
            Ok(()) => self.handed_over.clear(),
            Err(refusal) => tracing::warn!(agent = %self.agent, %refusal, "cannot record a handoff"),
        }
    }

    /// Records the program's end; `false` when the disk does not take it yet. Its state stays what it was:
    /// what it means is for the verdict.
    pub(super) async fn record_end(&mut self, ended: Ended) -> bool {
        // Together with the end, so that whoever hears of that finds the whole count.
        let used = match &self.meter {
            Some(meter) => meter.totals().await.unwrap_or_default(),
            None => Vec::new(),
        };
        let (agent, session) = (self.agent.clone(), self.session.clone());
        let (state, unrecorded) = (self.state, self.unrecorded.clone());
        let record = move |draft: &mut clerk::draft::Draft<'_>| {
            clerk::costs::record(draft, &agent, &session, &used);
            if let Some(note) = unrecorded {
                clerk::agents::state(draft, &agent, state, note.as_deref());
            }
            clerk::agents::ended(draft, &agent, &session, ended)
        };
        match self.tools.note(&self.agent, record).await {
            Err(refusal) if refusal.is_of_the_disk() => return false,
            Err(refusal) => {
                tracing::warn!(agent = %self.agent, %refusal, "cannot record the end of a session");
            }
            Ok(()) => {}
        }
        true
    }
}
