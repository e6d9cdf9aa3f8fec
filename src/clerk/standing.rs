//! How a bead or an agent is, why, and what comes next: what a tired person wants to know first. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use ledger::views::Board;
use ledger::views::agents::Agent;
use model::agent::{AgentState, Verdict};
use model::bead::{Bead, Status};
use model::hook::{Hook, Stage};
use model::ids::BeadId;
use model::merge::MergeState;
use model::recovery::{Failure, Strategy};
use model::role::Address;
use model::story::Kept;
use model::time::Timestamp;

use crate::hooks::{self, Cooling};
use crate::recover;
use crate::strategy::Rules;

/// The longest line that is quoted from a terminal, in characters.
const QUOTED: usize = 140;

/// How something is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// In one word.
    pub state: String,
    /// In one line.
    pub head: String,
    /// Why, a line each.
    pub because: Vec<String>,
    /// What happens next by itself.
    pub next: Option<String>,
    /// When.
    pub until: Option<Timestamp>,
    /// What to type.
    pub hint: Option<String>,
}

impl Standing {
    fn is(&mut self, state: &str) -> &mut Self {
        state.clone_into(&mut self.state);
        self
    }

    fn because(&mut self, why: impl Into<String>) -> &mut Self {
        self.because.push(why.into());
        self
    }

    fn next(&mut self, what: impl Into<String>) -> &mut Self {
        self.next = Some(what.into());
        self
    }

    fn hint(&mut self, what: impl Into<String>) -> &mut Self {
        self.hint = Some(what.into());
        self
    }
}

/// When something was or will be, as one says it.
pub fn when(now: Timestamp, at: Timestamp) -> String {
    if at > now { format!("in {} ({})", span(at.since(now)), clock(at)) } else { ago(now, at) }
}

fn ago(now: Timestamp, at: Timestamp) -> String {
    format!("{} ago", span(now.since(at)))
}

/// The time of day, as the records have it.
fn clock(at: Timestamp) -> String {
    let text = at.to_string();
    text.get(11..19).map_or(text.clone(), |time| format!("{time} UTC"))
}

fn span(time: Duration) -> String {
    match time.as_secs() {
        s @ 0..120 => format!("{s} s"),
        s @ 120..7_200 => format!("{} min", s / 60),
        s @ 7_200..172_800 => format!("{} h", s / 3_600),
        s => format!("{} days", s / 86_400),
    }
}

/// A verdict as people say it.
fn said(verdict: Verdict) -> String {
    verdict.as_str().replace('_', " ")
}

/// How `bead` is.
pub fn of_bead(board: &Board, bead: &Bead, rules: &Rules, now: Timestamp) -> Standing {
    let id = &bead.id;
    let mut standing = Standing { state: bead.status.to_string(), ..Standing::default() };
    let holder = board.hooks.on(id);
    let on = holder.map(|hook| format!(", on the hook of {}", hook.agent)).unwrap_or_default();
    standing.head = format!("{id} is {}{on}: {}", bead.status, bead.title);
    match (bead.status, holder) {
        (Status::Closed, _) => {
            let at = bead.closed_at.as_ref().map_or(String::new(), |at| format!(" {}", ago(now, at.at())));
            standing.because(format!(
                "closed{at}: {}",
                bead.close_reason.as_deref().unwrap_or("no reason given")
            ));
        }
        (_, Some(hook)) => at_work(&mut standing, board, hook, rules, now),
        (Status::Hooked, None) => {
            standing.is("lost").because("its status says that somebody has it, and it hangs on no hook");
            standing.hint(format!("gastown recover {id}"));
        }
        (Status::Open, None) => open(&mut standing, board, bead, rules, now),
        (Status::Blocked | Status::Deferred, None) => put_off(&mut standing, board, bead),
        (Status::InProgress, None) => {
            let who = bead.assignee.as_deref().unwrap_or("somebody who did not say so");
            standing.because(format!("{who} has claimed it; no worker of the town has it"));
            standing.hint(format!("gastown recover {id}"));
        }
        _ => {}
    }
    risk(&mut standing, board, id, now);
    standing
}

/// A bead that is open and hangs on no hook.
fn open(standing: &mut Standing, board: &Board, bead: &Bead, rules: &Rules, now: Timestamp) {
    let id = &bead.id;
    let blockers = board.beads.blockers(bead);
    let names: Vec<&str> = blockers.iter().map(BeadId::as_str).collect();
    let rig = bead.rig.as_ref().map_or("RIG", |rig| rig.as_str());
    failures(standing, board, id, rules, now);
    let Some(waiting) = board.hooks.waiting(id) else {
        match names.as_slice() {
            [] => standing.because("nobody was asked to do it").hint(format!("gastown sling {id} {rig}")),
            names => standing.is("blocked").because(format!("it waits for {}", names.join(", "))),
        };
        return;
    };
    match hooks::cooling(board, id, now, rules.redispatch_after) {
        Cooling::Spent => {
            standing.is("spent").hint(format!("gastown recover {id}"));
            return;
        }
        Cooling::Until(until) => {
            standing
                .is("cooling")
                .because(format!("a bead rests {} after a failure", span(rules.redispatch_after)));
            standing.next(format!("handed out again {}", when(now, until))).until = Some(until);
            standing.hint(format!("not to wait: gastown recover {id}"));
            return;
        }
        Cooling::Over => {}
    }
    if !names.is_empty() {
        standing.is("blocked").because(format!("it waits for {}", names.join(", ")));
        standing.next(format!("handed out in {} when they are closed", waiting.rig));
        return;
    }
    let held =
        waiting.worker.as_ref().filter(|worker| !hooks::is_free(board, board.agents.successor(worker)));
    let settling = board.agents.iter().find(|(_, agent)| {
        agent.sandbox.as_ref().is_some_and(|sandbox| sandbox.bead == *id)
            || agent.session.as_ref().is_some_and(|open| open.bead.as_ref() == Some(id))
    });
    match (settling, held) {
        (Some((agent, _)), _) => {
            standing.because(format!("{agent} had it last, and its work is being put in safety"));
        }
        (None, Some(worker)) => {
            standing.because(format!("it waits for {worker} alone, who is not free"));
        }
        (None, None) => {
            standing.because(format!("slung to {} {}", waiting.rig, ago(now, waiting.since)));
        }
    }
    standing.is("waiting").next(format!("a worker of {} takes it when one is free", waiting.rig));
}

/// A bead that is blocked or deferred.
fn put_off(standing: &mut Standing, board: &Board, bead: &Bead) {
    let id = &bead.id;
    let exit = board.kept.of(id).and_then(|kept| kept.exit.map(|exit| (exit, kept.left.as_ref())));
    // What the worker said when it left is its last remark.
    let last = bead.comments.last().map(|comment| line(&comment.text));
    match (exit, last) {
        (Some(_), Some(words)) => standing.because(words),
        (Some((exit, _)), None) => standing.because(format!("its worker left it as {exit}")),
        (None, _) => standing.because("somebody has put it off"),
    };
    let blockers = board.beads.blockers(bead);
    if bead.status == Status::Blocked && exit.is_some() && !blockers.is_empty() {
        let names: Vec<&str> = blockers.iter().map(BeadId::as_str).collect();
        standing.next(format!("open again and handed out when {} is closed", names.join(", ")));
    }
    standing.hint(format!("gastown recover {id}"));
}

/// Work that could not be saved.
fn risk(standing: &mut Standing, board: &Board, id: &BeadId, now: Timestamp) {
    let Some((agent, view)) = recover::at_risk(board, id) else { return };
    let Some(risk) = &view.leaving.at_risk else { return };
    let why = format!(
        "since {} work of {agent} in {} cannot be saved: {}",
        ago(now, risk.since),
        risk.folder,
        risk.why
    );
    standing.is("at_risk").because(why);
    if standing.next.is_none() {
        standing.next("saving it is tried again from time to time; nothing is removed before");
    }
    standing.hint(format!("gastown recover {id}"));
}

/// How many sessions have failed, and the last of them.
fn failures(standing: &mut Standing, board: &Board, bead: &BeadId, rules: &Rules, now: Timestamp) {
    let Some(trial) = board.trials.of(bead) else { return };
    let mut counts: BTreeMap<Verdict, usize> = BTreeMap::new();
    for failed in &trial.failed {
        *counts.entry(failed.verdict).or_default() += 1;
    }
    if trial.failures > 0 {
        let kinds: Vec<String> = counts
            .iter()
            .map(
                |(verdict, n)| {
                    if *n > 1 { format!("{} ({n} times)", said(*verdict)) } else { said(*verdict) }
                },
            )
            .collect();
        let kinds = if kinds.is_empty() { String::new() } else { format!(": {}", kinds.join(", ")) };
        standing.because(format!("{} of {} failures{kinds}", trial.failures, rules.max_failures));
    } else if trial.setbacks > 1 {
        standing.because(format!("{} ends in a row that were nobody's fault", trial.setbacks));
    }
    if let Some(last) = &trial.last {
        standing.because(last_end(last, now));
        if let Some(words) = last.output.as_deref().and_then(last_line) {
            standing.because(format!("its last words: {words}"));
        }
    }
}

fn last_end(last: &Failure, now: Timestamp) -> String {
    let at = last.doing.as_ref().map(|doing| format!(", at {}", line(doing))).unwrap_or_default();
    format!("last, {}: {} {} ({}){at}", ago(now, last.at), last.agent, said(last.verdict), last.detail)
}

/// The last line with words in it, cut to a length that can be read.
fn last_line(text: &str) -> Option<String> {
    text.lines().rev().find(|line| line.chars().any(char::is_alphanumeric)).map(line)
}

/// A text in one line, cut to a length that can be read.
fn line(text: &str) -> String {
    let all = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match all.char_indices().nth(QUOTED) {
        Some((at, _)) => format!("{}…", &all[..at]),
        None => all,
    }
}

/// What hangs on a hook, and how its worker gets on.
fn at_work(standing: &mut Standing, board: &Board, hook: &Hook, rules: &Rules, now: Timestamp) {
    let (id, worker) = (&hook.bead, &hook.agent);
    let recover = || format!("gastown recover {id}");
    match &hook.stage {
        Stage::Submitted => return queued(standing, board, id),
        Stage::Landed => {
            standing.is("landed").because("it has landed").next("its worktree is cleaned up");
            return;
        }
        Stage::Rework { rejection } => {
            standing.because(format!("it came back from the merge queue: {}", rejection.headline()));
        }
        Stage::Working => {}
    }
    let Some(view) = board.agents.get(worker) else {
        standing.next(format!("{worker} makes its worktree and begins"));
        return;
    };
    failures(standing, board, id, rules, now);
    let trial = board.trials.of(id);
    let verdict = trial.and_then(|trial| trial.last.as_ref()).map(|last| last.verdict);
    if view.given_up {
        standing.is("lost").because(format!("{worker} itself failed too often and was given up"));
        standing.next("its Witness gives it to another worker").hint(recover());
        return;
    }
    if view.held {
        let note = view.note.as_deref().filter(|note| *note != "held back");
        let note = note.map(|note| format!(": {note}")).unwrap_or_default();
        standing.is("held").because(format!("{worker} is held back{note}")).hint(recover());
        return;
    }
    match trial.and_then(|trial| trial.strategy) {
        Some(Strategy::Escalate) => {
            standing.is("spent").because("nobody goes on with it before somebody says so").hint(recover());
        }
        Some(Strategy::Person) => {
            standing.is("needs_you").because(person(verdict)).hint(format!("then: {}", recover()));
        }
        _ if view.session.as_ref().is_some_and(|open| open.end.is_none()) => {
            live(standing, view, worker, now)
        }
        _ if view.session.is_some() => {
            standing.is("judging").next("its Witness says what the end of the last session means");
        }
        _ if view.state == AgentState::Failed => {
            let note = view.note.as_deref().unwrap_or("no reason was recorded");
            standing.is("failed").because(note.to_owned()).hint(recover());
        }
        strategy => {
            let how = match strategy {
                Some(Strategy::Fresh) => "afresh, in the same worktree",
                Some(Strategy::HandOff) => "afresh, told how far the last session had come",
                Some(Strategy::Reassign) => "afresh, with the worktree of the last worker",
                _ => "with its conversation, where its program can",
            };
            match trial.and_then(|trial| trial.not_before).filter(|until| *until > now) {
                Some(until) => {
                    let limited = matches!(verdict, Some(Verdict::Limited | Verdict::Overloaded));
                    standing.is(if limited { "limited" } else { "resting" });
                    standing.next(format!("{worker} begins again {}, {how}", when(now, until))).until =
                        Some(until);
                    standing.hint(format!("not to wait: {}", recover()));
                }
                None => {
                    let note = view.note.as_deref().filter(|_| view.state == AgentState::Starting);
                    if let Some(note) = note.filter(|note| !note.starts_with("to be started again")) {
                        standing.because(note.to_owned());
                    }
                    standing.next(format!("{worker} begins at once, {how}"));
                }
            }
        }
    }
}

/// A session that lives.
fn live(standing: &mut Standing, view: &Agent, worker: &Address, now: Timestamp) {
    let since = view.session.as_ref().map_or(view.since, |open| open.since);
    let note = view.note.as_ref().map(|note| format!(": {}", line(note))).unwrap_or_default();
    standing.is(view.state.as_str());
    standing.because(format!("{worker} is {} (its session began {}){note}", view.state, ago(now, since)));
    match view.state {
        AgentState::Waiting => standing.hint(format!("gastown attach {worker}")),
        AgentState::Stuck => standing.hint(format!("gastown peek {worker}")),
        _ => standing,
    };
}

/// What a person has to do first.
fn person(verdict: Option<Verdict>) -> &'static str {
    match verdict {
        Some(Verdict::AsksLogin) => {
            "it asks to log in: do so with its program, as the user that the town runs as"
        }
        Some(Verdict::AsksTrust) => {
            "it asks whether its folder is trusted: answer that with its program, there"
        }
        Some(Verdict::KeyRefused) => "its provider refuses its key: give it one that is taken",
        Some(Verdict::Killed) => "a person ended it: it stays so until somebody says otherwise",
        _ => "it waits for a person",
    }
}

/// A bead that was handed in.
fn queued(standing: &mut Standing, board: &Board, id: &BeadId) {
    let Some(merge) = board.merges.of_bead(id).filter(|merge| merge.state.is_open()) else {
        standing
            .is("submitted")
            .because("it was handed in")
            .next("its Witness looks at it, then the merge queue");
        return;
    };
    match &merge.state {
        MergeState::Held { why, hint } => {
            standing.is("merge_held").because(format!("{} cannot land: {}", merge.id, line(why)));
            if let Some(hint) = hint {
                standing.because(line(hint));
            }
            standing.next("it is tried again from time to time").hint(format!("gastown recover {id}"));
        }
        state => {
            let ahead = crate::queue::order(board, &merge.rig)
                .iter()
                .position(|other| other.id == merge.id)
                .unwrap_or(0);
            let ahead = if ahead > 0 { format!(", {ahead} before it") } else { String::new() };
            standing.is(state.as_str()).because(format!(
                "{} is {} in the merge queue{ahead}",
                merge.id,
                state.as_str()
            ));
            standing.next("it is merged, tested and pushed; closed when the remote has it");
        }
    }
}

/// How `agent` is.
pub fn of_agent(board: &Board, agent: &Address, rules: &Rules, now: Timestamp) -> Standing {
    let state = board.agents.state(agent);
    let mut standing = Standing { state: state.to_string(), ..Standing::default() };
    let hook = board.hooks.of(agent);
    let at = hook.map(|hook| {
        let title = board.beads.get(&hook.bead).map(|bead| format!(": {}", bead.title)).unwrap_or_default();
        format!(", at {} ({}){title}", hook.bead, hook.stage.as_str())
    });
    standing.head = format!("{agent} is {state}{}", at.unwrap_or_default());
    let view = board.agents.get(agent);
    if let Some(hook) = hook {
        at_work(&mut standing, board, hook, rules, now);
        risk(&mut standing, board, &hook.bead, now);
    }
    let Some(view) = view.filter(|_| hook.is_none()) else { return standing };
    let start = || format!("gastown agent start {agent}");
    if let Some(open) = view.session.as_ref().filter(|open| open.end.is_none()) {
        standing.because(format!("its session began {}", ago(now, open.since)));
    }
    if let Some(sandbox) = &view.sandbox {
        risk(&mut standing, board, &sandbox.bead, now);
        if view.leaving.at_risk.is_none() {
            let asked = match view.leaving.asked {
                0 => String::new(),
                n => format!("; it was asked {n} times to save what is in it"),
            };
            standing
                .is("leaving")
                .because(format!("its worktree for {} is put in safety{asked}", sandbox.bead));
            match view.given_up {
                true => standing.because("it failed too often itself, and nobody wakes it").hint(start()),
                false => standing.next("then it is removed, and the worker is free"),
            };
        }
    } else if view.given_up {
        standing.is("given_up").because("it failed too often itself: nobody wakes it");
        standing.next("the next `gastown run` begins it anew").hint(start());
    } else if view.held {
        standing.is("held").because("it is held back").hint(start());
    } else if let Some(until) = view.quarantined.filter(|until| *until > now) {
        standing.is("quarantined");
        standing
            .because(format!("{} of its sessions have failed since it last landed something", view.marks));
        standing.next(format!("{} it gets one bead to prove itself", when(now, until))).until = Some(until);
        standing.hint(format!("not to wait: {}", start()));
    } else if let Some(verdict) = view.verdict {
        standing.because(format!("its last session: {}", said(verdict)));
    }
    standing
}

/// Where work at `bead` is that has not landed, newest first.
pub fn kept(board: &Board, bead: &BeadId) -> Vec<Kept> {
    let Some(of) = board.kept.of(bead) else { return Vec::new() };
    let mut all: Vec<Kept> = of.saved.iter().chain(&of.left).cloned().collect();
    all.sort_by_key(|kept| std::cmp::Reverse(kept.at));
    all
}

/// Where that is, in one line.
pub fn told(kept: &Kept, now: Timestamp) -> String {
    let place = match &kept.bundle {
        Some(bundle) => format!("{} (bundle {bundle})", kept.branch),
        None => kept.branch.clone(),
    };
    format!("saved work: {place}, {}: {}", ago(now, kept.at), kept.why)
}
