//! Another name for an agent. It stays who it is: its history, its letters and whatever is addressed to the
//! old name from then on are the successor's.

use model::answer::Answer;
use model::event::Event;
use model::ids::AgentName;
use model::refusal::Refusal;
use model::role::Address;

use crate::draft::Draft;
use crate::names;

/// Renames `old`, an address or an earlier name of one, to `new` in the same rig.
///
/// # Errors
/// `no_such_agent` with near matches; `not_renamed` for seats, whose names say what they are; `usage` for a
/// name that cannot be one; `name_taken`; `has_session`, `has_hook`, `has_sandbox` while it is at work.
pub fn rename(draft: &mut Draft<'_>, old: &str, new: &str) -> Result<Answer, Refusal> {
    let board = draft.board;
    let from = names::address(board, old)?;
    let name: AgentName = new.parse().map_err(|error| {
        Refusal::usage(format!("{new:?} is no name for an agent: {error}"))
            .hint("the new name alone, without the rig: letters, digits, - and _")
    })?;
    let to = match &from {
        Address::Polecat(rig, _) => Address::Polecat(rig.clone(), name),
        Address::Crew(rig, _) => Address::Crew(rig.clone(), name),
        other => {
            return Err(Refusal::forbidden("not_renamed", format!("{other} is a seat of the town"))
                .hint("workers can be renamed: see `gastown polecat list`"));
        }
    };
    // Its own earlier name it may have back.
    let own = board.agents.successor(&to) == &from;
    if !own && (names::everybody(board).contains(&to) || board.agents.successor(&to) != &to) {
        return Err(Refusal::forbidden("name_taken", format!("{to} is, or was, somebody else"))
            .hint("see who there is with `gastown agent list`"));
    }
    if from == to {
        return Ok(Answer::Renamed(to));
    }
    let busy = |code: &str, what: String, hint: String| {
        Err(Refusal::forbidden(code, format!("{from} cannot be renamed now: {what}")).hint(hint))
    };
    if let Some(hook) = board.hooks.of(&from) {
        let hint = format!("when {} has landed, or after `gastown unsling {}`", hook.bead, hook.bead);
        return busy("has_hook", format!("{} hangs on its hook", hook.bead), hint);
    }
    let agent = board.agents.get(&from);
    if agent.is_some_and(|agent| agent.session.is_some()) {
        return busy("has_session", "it has a session".into(), format!("end it: gastown agent stop {from}"));
    }
    if let Some(sandbox) = agent.and_then(|agent| agent.sandbox.as_ref()) {
        let hint = "it is cleaned up by the running town; see `gastown agent list`".to_owned();
        return busy("has_sandbox", format!("its worktree for {} is there", sandbox.bead), hint);
    }
    if board.agents.is_lodging(&from) {
        let hint = "it is moved when its new worker starts; see `gastown agent list`".to_owned();
        return busy("has_sandbox", "a worktree that went to another worker still stands there".into(), hint);
    }
    draft.push(Event::AgentRenamed { from, to: to.clone() });
    Ok(Answer::Renamed(to))
}

#[cfg(test)]
mod tests {
    use ledger::views::Board;
    use model::command::{Command, Origin};
    use model::event::Event;
    use model::mail::Kind;

    use super::*;
    use crate::letters;
    use crate::testing::Paper;

    fn rename(paper: &mut Paper, agent: &str, to: &str) -> Result<Answer, Refusal> {
        paper.does(Command::AgentRename { agent: agent.into(), to: to.into() })
    }

    fn known(paper: &mut Paper, name: &str) -> Address {
        let agent: Address = format!("web/polecats/{name}").parse().unwrap();
        let event = Event::AgentHeld { agent: agent.clone(), held: false, reason: "x".into() };
        paper.record(vec![(Address::Overseer, event)]);
        agent
    }

    fn send(paper: &mut Paper, from: &Address, to: &Address, code: bool) {
        let kind = if code {
            Kind::Lifecycle { request: "x".into() }
        } else {
            Kind::Note { subject: "s".into(), body: "b".into() }
        };
        paper
            .role(from, |draft| {
                draft.send(to, kind);
                Ok(())
            })
            .unwrap();
    }

    fn unread(paper: &Paper, who: &Address) -> Vec<u64> {
        paper.board.mail.unacked(who).map(|post| post.seq.0).collect()
    }

    #[test]
    fn everything_of_the_old_name_is_the_new_ones_and_stays_in_order() {
        let mut paper = Paper::new();
        let (old, mayor) = (known(&mut paper, "docs"), Address::Mayor);
        for code in [true, false, true] {
            send(&mut paper, &mayor, &old, code);
        }
        send(&mut paper, &old, &mayor, false);
        let acked = paper.board.mail.unacked(&old).nth(1).unwrap().letter.id.clone();
        paper.does(Command::MailAck(vec![acked.clone()])).unwrap();
        let before = unread(&paper, &old);
        rename(&mut paper, "web/docs", "scribe").unwrap();
        let new: Address = "web/polecats/scribe".parse().unwrap();
        // What comes later to the old name, also from those who have it written down.
        send(&mut paper, &mayor, &old, true);
        let all = unread(&paper, &new);
        assert_eq!((all[..2].to_vec(), all.len(), unread(&paper, &old).len()), (before, 3, 0));
        let chain = rename(&mut paper, "web/docs", "writer").unwrap();
        let newest: Address = "web/polecats/writer".parse().unwrap();
        assert_eq!(chain, Answer::Renamed(newest.clone()));
        for text in ["web/docs", "web/polecats/scribe", "web/writer"] {
            assert_eq!(names::address(&paper.board, text).unwrap(), newest, "{text}");
        }
        assert_eq!(unread(&paper, &newest), all);
        let delivered: Vec<_> = paper.board.mail.undelivered().map(|post| post.letter.id.clone()).collect();
        paper
            .role(&Address::Runtime, |draft| {
                letters::deliver(draft, delivered);
                Ok(())
            })
            .unwrap();
        assert_eq!(letters::due(&paper.board, &newest, 9).len(), 3);
        // The agent sees what it was written under another name, and what it wrote.
        let me = Origin::Session { agent: newest.clone(), session: "s".parse().unwrap() };
        let Answer::Letters(rows) = paper.by(&me, Command::MailInbox { agent: None, unread: false }).unwrap()
        else {
            panic!()
        };
        assert_eq!(rows.len(), 4);
        assert!(paper.by(&me, Command::MailRead(acked)).is_ok());
        assert_eq!(paper.board.mail.unacked(&mayor).next().unwrap().letter.from, newest);
        // There is one identity, and the name of the pool does not make another.
        let polecats =
            names::everybody(&paper.board).into_iter().filter(|a| matches!(a, Address::Polecat(..)));
        assert_eq!(polecats.collect::<Vec<_>>(), std::slice::from_ref(&newest));
        let bead = paper.bead("Work");
        paper.sling(&[&bead], "web").unwrap();
        let pool = ["docs".parse().unwrap()];
        let rig = "web".parse().unwrap();
        let (_, worker) = crate::hooks::next_assignment(&paper.board, &rig, &pool, 8, paper.rest()).unwrap();
        assert_eq!(worker, newest);
        // What was slung to it by its old name is for it too; nothing is hung on a hook that is no more.
        let other = paper.bead("Other");
        paper.sling(&[&other], "web/docs").unwrap();
        paper.sling(&[&other], "web/writer").unwrap();
        let waiting = paper.board.hooks.waiting(&other).unwrap().clone();
        let hung = paper.role(&Address::Runtime, |draft| {
            crate::hooks::hang(draft, &crate::testing::OneFormula, &waiting, &old).map(drop)
        });
        assert_eq!(hung.unwrap_err().code, "hook_taken");
        // It may have its first name back.
        rename(&mut paper, "web/writer", "docs").unwrap();
        assert_eq!(names::address(&paper.board, "web/writer").unwrap(), old);
        assert_eq!(names::address(&paper.board, "web/docs").unwrap(), old);
        let mut anew = Board::default();
        paper.records.iter().for_each(|record| anew.apply(record));
        assert_eq!(anew, paper.board);
    }

    #[test]
    fn a_name_is_refused_while_the_agent_is_at_work_or_when_it_is_taken() {
        let mut paper = Paper::new();
        let agent = known(&mut paper, "docs");
        known(&mut paper, "backend");
        let code = |result: Result<Answer, Refusal>| {
            let refusal = result.unwrap_err();
            assert!(refusal.hint.is_some(), "{refusal:?}");
            refusal.code
        };
        assert_eq!(code(rename(&mut paper, "web/dosc", "x")), "no_such_agent");
        assert_eq!(code(rename(&mut paper, "mayor/", "x")), "not_renamed");
        assert_eq!(code(rename(&mut paper, "web/docs", "a b")), "usage");
        assert_eq!(code(rename(&mut paper, "web/docs", "backend")), "name_taken");
        rename(&mut paper, "web/backend", "other").unwrap();
        assert_eq!(code(rename(&mut paper, "web/docs", "backend")), "name_taken");
        let bead = paper.bead("Work");
        let sandbox = Event::SandboxCreated {
            agent: agent.clone(),
            bead: bead.clone(),
            branch: "b".into(),
            base: "c".into(),
        };
        paper.record(vec![(Address::Runtime, sandbox)]);
        assert_eq!(code(rename(&mut paper, "web/docs", "x")), "has_sandbox");
        let (session, preset) = ("s".parse().unwrap(), "shell".into());
        let started =
            Event::AgentStarted { agent: agent.clone(), session, preset, bead: None, reason: "x".into() };
        paper.record(vec![(Address::Runtime, started)]);
        assert_eq!(code(rename(&mut paper, "web/docs", "x")), "has_session");
        let hook = Event::HookSet { agent, bead, mol: None, preset: None, args: None };
        paper.record(vec![(Address::Runtime, hook)]);
        assert_eq!(code(rename(&mut paper, "web/docs", "x")), "has_hook");
        let me =
            Origin::Session { agent: "web/polecats/docs".parse().unwrap(), session: "s".parse().unwrap() };
        let asked = Command::AgentRename { agent: "web/docs".into(), to: "x".into() };
        assert_eq!(code(paper.by(&me, asked)), "operator_only");
    }
}
