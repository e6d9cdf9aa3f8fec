//! Looks into what neighbours say of each other, for whoever watches over the one who is meant: the Witness in
//! its rig, the Deacon in the town. What is seen counts, not what is said.

use clerk::neighbours::{self, Finding};
use model::agent::AgentState;
use model::mail::{Kind, Letter};
use model::refusal::Refusal;
use model::role::Address;

use crate::tools::Tools;

/// Looks whether the agent that `letter` is about is stuck, does what follows if it is, and answers.
///
/// # Errors
/// The scribe's refusal; `already_handled`.
pub(crate) async fn look_into(tools: &Tools, watcher: &Address, letter: Letter) -> Result<(), Refusal> {
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
