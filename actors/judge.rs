//! Gives ended sessions their verdict, for whoever watches over them: the Witness in its rig, the
//! Deacon in the town.

use clerk::agents;
use model::agent::SessionEnd;
use model::ids::SessionId;
use model::refusal::Refusal;
use model::role::Address;

use crate::errand::blocking;
use crate::tools::Tools;
use crate::witness::verdict::{Evidence, judge};

/// How much of a screen is kept with a failure, in lines.
const CONTEXT: usize = 200;

/// Judges all ended sessions of those whom `watches` names.
///
/// # Errors
/// The scribe's refusal.
pub(crate) async fn all(
    tools: &Tools,
    watcher: &Address,
    watches: impl Fn(&Address) -> bool + Copy,
) -> Result<(), Refusal> {
    let ended: Vec<(Address, SessionId)> = tools.look(|board| {
        agents::without_verdict(board, watches)
            .map(|(agent, open)| (agent.clone(), open.id.clone()))
            .collect()
    });
    for (agent, session) in ended {
        let recording = tools.paths.session_log(&agent, &session);
        let context =
            blocking(move || pty::replay::tail(&recording, CONTEXT)).await.ok().and_then(Result::ok);
        let write = move |draft: &mut clerk::draft::Draft<'_>| {
            let board = draft.board;
            let open = board.agents.get(&agent).and_then(|agent| agent.session.as_ref());
            let Some(end) = open.filter(|open| open.id == session).and_then(|open| open.end.as_ref()) else {
                return Ok(());
            };
            let evidence = Evidence {
                end,
                state: board.agents.state(&agent),
                finished: match agent {
                    Address::Polecat(..) => {
                        board.hooks.of(&agent).is_none_or(|hook| !hook.stage.wants_session())
                    }
                    _ => matches!(end, SessionEnd::Exited { .. }),
                },
            };
            let verdict = judge(&evidence);
            let context = context.filter(|text| verdict.is_failure() && !text.trim().is_empty());
            agents::judged(draft, &agent, &session, verdict, &end.to_string(), context)
        };
        tools.write(watcher, write).await?;
    }
    Ok(())
}
