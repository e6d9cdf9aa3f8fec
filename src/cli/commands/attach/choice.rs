//! `attach` without a name: who has a terminal, and which of them it is to be.

use std::io::{BufRead, Write};

use model::answer::{AgentRow, Answer};
use model::command::Command;
use model::refusal::Refusal;

use crate::args::Globals;
use crate::client;
use crate::env::Env;
use crate::host::Host;
use crate::output::{Failure, Output, line};
use crate::program::live;

/// Lists the agents that one can attach to, and asks which where somebody can answer.
pub(super) fn choose(
    globals: &Globals,
    env: &Env,
    host: &dyn Host,
    output: &mut Output<'_>,
) -> Result<Option<String>, Failure> {
    let mut agents = match live(client::find(globals, env, host)?)?.ask(Command::AgentList { rig: None })? {
        Answer::Agents(agents) => agents,
        _ => Vec::new(),
    };
    agents.retain(|agent| agent.session.is_some());
    if output.json {
        output.value(&Answer::Agents(agents).json())?;
        return Ok(None);
    }
    if agents.is_empty() || !env.stdin_terminal || !env.stdout_terminal {
        let text = crate::commands::agents::with_session(&agents, &output.pen);
        output.text(&text)?;
        return Ok(None);
    }
    let rows = agents.iter().enumerate().map(|(n, agent)| {
        let hook = agent.hook.as_ref().map(|bead| format!("  {bead}")).unwrap_or_default();
        format!("{:>3}  {}  {}{}\n", n + 1, agent.address, agent.state, line(&hook))
    });
    let text: String = rows.collect();
    output.text(&text)?;
    let mut out = std::io::stdout();
    let _ = write!(out, "which (Enter for none)? ").and_then(|()| out.flush());
    let mut said = String::new();
    // A terminal that cannot be read has chosen none.
    let _ = std::io::stdin().lock().read_line(&mut said);
    Ok(picked(&agents, said.trim())?)
}

/// Who is meant by a number of the list, or by a piece of one name.
fn picked(agents: &[AgentRow], said: &str) -> Result<Option<String>, Refusal> {
    if said.is_empty() {
        return Ok(None);
    }
    let names: Vec<String> = agents.iter().map(|agent| agent.address.to_string()).collect();
    let by_number = said.parse::<usize>().ok().and_then(|n| names.get(n.checked_sub(1)?));
    let mut by_name = names.iter().filter(|name| name.contains(said));
    match (by_number, by_name.next(), by_name.next()) {
        (Some(name), ..) | (None, Some(name), None) => Ok(Some(name.clone())),
        _ => Err(Refusal::no_such("agent", said, names.iter().map(String::as_str))),
    }
}
