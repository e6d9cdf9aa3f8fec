//! Looks into what neighbours say of each other, for whoever watches over the one who is meant: the Witness in
//! its rig, the Deacon in the town. What is seen counts, not what is said.
//!
//! That takes a moment, so it is done aside: one word at a time for each watcher, who goes on meanwhile. The word
//! is acknowledged with its answer, so one that was being looked into when everything died is looked into again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clerk::bell::Ear;
use clerk::neighbours::{self, Finding};
use model::agent::AgentState;
use model::mail::{Kind, Letter};
use model::refusal::Refusal;
use model::role::Address;

use crate::errand::Errand;
use crate::tools::Tools;

/// What is being looked into just now, by watcher.
#[derive(Debug, Clone, Default)]
pub struct Looking(Arc<Mutex<BTreeMap<Address, Errand>>>);

/// How long to wait before the next word, after one that could not be answered.
const AGAIN: Duration = Duration::from_secs(1);

/// Begins to look into the oldest word that `watcher` has been told and nobody looks into yet. It is rung when
/// that is done.
pub(crate) fn look(tools: &Tools, watcher: &Address) {
    let mut looking = tools.neighbours.0.lock().unwrap_or_else(PoisonError::into_inner);
    if looking.get(watcher).is_some_and(|errand| !errand.is_over()) {
        return;
    }
    looking.remove(watcher);
    let Some(letter) = tools.look(|board| neighbours::word_to(board, watcher)) else { return };
    let (tools, who) = (tools.clone(), watcher.clone());
    let errand = Errand::run(|_| async move {
        if let Err(refusal) = look_into(&tools, &who, letter).await {
            tracing::warn!(watcher = %who, %refusal, "a neighbour's word could not be looked into");
            tokio::time::sleep(AGAIN).await;
        }
        // Its own entry, so that whoever is rung finds that nothing is being looked into. There is no await
        // behind this that could end it.
        tools.neighbours.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&who);
        tools.directory.ring(&Ear::Role(who));
    });
    looking.insert(watcher.clone(), errand);
}

/// Looks whether the agent that `letter` is about is stuck, does what follows if it is, and answers.
async fn look_into(tools: &Tools, watcher: &Address, letter: Letter) -> Result<(), Refusal> {
    let Kind::Stuck { agent, .. } = &letter.kind else { return Ok(()) };
    // Whoever is meant may have another name by now.
    let agent = tools.look(|board| board.agents.successor(agent).clone());
    let finding = match tools.directory.session(&agent) {
        Some(live) => live.examine().await.unwrap_or_else(|_| ended(tools, &agent)),
        None => ended(tools, &agent),
    };
    let answer = move |draft: &mut clerk::draft::Draft<'_>| neighbours::answer(draft, &letter, &finding);
    tools.write(watcher, answer).await
}

/// There is no session that could be stuck.
fn ended(tools: &Tools, agent: &Address) -> Finding {
    let (state, note) = tools.look(|board| {
        let known = board.agents.get(agent);
        (board.agents.state(agent), known.and_then(|agent| agent.note.clone()))
    });
    let note = note.map(|note| format!(": {note}")).unwrap_or_default();
    let after = match state {
        AgentState::Starting | AgentState::Limited => "; its next session is due",
        AgentState::Failed | AgentState::Waiting => "; that is for a person",
        _ => "",
    };
    Finding {
        stuck: false,
        seen: format!("it has no session now, and is {state}{note}{after}"),
        done: String::new(),
    }
}
