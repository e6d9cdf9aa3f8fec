//! What people make stand still: a rig that is given no work, a rig that is stopped, the whole town.

use model::agent::AgentState;
use model::answer::{Answer, FreezeReport, RigRow, StatusReport};
use model::event::Event;
use model::ids::RigName;
use model::refusal::Refusal;

use ledger::views::Board;
use ledger::views::rigs::Rig;

use crate::draft::Draft;
use crate::names;

fn find<'a>(board: &'a Board, rig: &RigName) -> Result<&'a Rig, Refusal> {
    board.rigs.get(rig).ok_or_else(|| names::no_rig(board, rig.as_str()))
}

/// Gives a rig no work any more; with `now` its sessions end, too. What hangs on its hooks stays there.
///
/// Said again with nothing new it changes nothing.
///
/// # Errors
/// `no_such_rig`.
pub fn park(
    draft: &mut Draft<'_>,
    rig: &RigName,
    reason: Option<&str>,
    now: bool,
) -> Result<Answer, Refusal> {
    let reason = reason.map(str::trim).filter(|reason| !reason.is_empty());
    let known = find(draft.board, rig)?.parked.as_ref();
    let same = known.is_some_and(|known| {
        known.now == now && reason.is_none_or(|reason| known.pause.reason.as_deref() == Some(reason))
    });
    if !same {
        // What was said the first time still holds.
        let reason = reason.or(known.and_then(|known| known.pause.reason.as_deref())).map(str::to_owned);
        draft.push(Event::RigParked { rig: rig.clone(), reason, now });
    }
    Ok(Answer::Done)
}

/// Gives a rig work again.
///
/// # Errors
/// `no_such_rig`.
pub fn unpark(draft: &mut Draft<'_>, rig: &RigName) -> Result<Answer, Refusal> {
    if find(draft.board, rig)?.parked.is_some() {
        draft.push(Event::RigUnparked { rig: rig.clone() });
    }
    Ok(Answer::Done)
}

/// Records that the actors of a rig are to end.
///
/// # Errors
/// `no_such_rig`.
pub fn stop(draft: &mut Draft<'_>, rig: &RigName) -> Result<(), Refusal> {
    if !find(draft.board, rig)?.stopped {
        draft.push(Event::RigStopped { rig: rig.clone() });
    }
    Ok(())
}

/// Records that the actors of a rig are to live again.
///
/// # Errors
/// `no_such_rig`.
pub fn start(draft: &mut Draft<'_>, rig: &RigName) -> Result<(), Refusal> {
    if find(draft.board, rig)?.stopped {
        draft.push(Event::RigStarted { rig: rig.clone() });
    }
    Ok(())
}

/// Records that everything stands still; one that does already goes on doing so, for its first reason.
pub fn freeze(draft: &mut Draft<'_>, reason: Option<&str>) -> Answer {
    let reason = reason.map(str::trim).filter(|reason| !reason.is_empty()).map(str::to_owned);
    let changed = draft.board.freezes.now().is_none();
    if changed {
        draft.push(Event::TownFrozen { reason: reason.clone() });
    }
    let fresh = || model::answer::Pause { since: draft.now, by: draft.actor().clone(), reason };
    let frozen = draft.board.freezes.now().cloned().unwrap_or_else(fresh);
    Answer::Freeze(FreezeReport { frozen: Some(frozen), changed, sessions: 0 })
}

/// Records that everything goes on.
pub fn thaw(draft: &mut Draft<'_>) -> Answer {
    let since = draft.board.freezes.now().map(|pause| pause.since);
    if let Some(since) = since {
        draft.push(Event::TownThawed { since });
    }
    Answer::Freeze(FreezeReport { frozen: None, changed: since.is_some(), sessions: 0 })
}

/// Fills in what stands still, and how many places each rig has taken.
pub fn show(board: &Board, report: &mut StatusReport) {
    report.town.frozen = board.freezes.now().cloned();
    if report.town.frozen.is_some() && report.town.state == "running" {
        report.town.state = "frozen".to_owned();
    }
    report.rigs.iter_mut().for_each(|row| show_rig(board, row));
    let stopped = |rig: &RigName| board.rigs.get(rig).is_some_and(|rig| rig.stopped);
    let resting = report.agents.iter_mut().filter(|row| row.rig.as_ref().is_some_and(stopped));
    for row in resting.filter(|row| row.session.is_none() && row.state.has_session()) {
        row.state = AgentState::Parked;
        row.note = Some("its rig is stopped".to_owned());
    }
}

/// That everything stands still, and how it goes on.
pub(crate) fn frozen(board: &Board) -> Option<String> {
    let pause = board.freezes.now()?;
    Some(format!("everything stands still {}; let it go on with `gastown thaw`", pause.told()))
}

fn show_rig(board: &Board, row: &mut RigRow) {
    let Some(rig) = board.rigs.get(&row.name) else { return };
    row.pause = rig.parked.as_ref().map(|parked| parked.pause.clone());
    row.parked = rig.parked.is_some();
    row.stopped = rig.stopped;
    row.working = crate::capacity::taken(board, Some(&row.name));
}

/// Why a rig is given no work, if somebody does not want it to.
pub(crate) fn closed(rig: &Rig) -> Option<String> {
    if rig.stopped {
        return Some(format!("rig {0} is stopped; start it with `gastown rig start {0}`", rig.name));
    }
    if let Some(parked) = &rig.parked {
        let (name, told) = (&rig.name, parked.pause.told());
        return Some(format!("rig {name} is parked {told}; let it go on with `gastown rig unpark {name}`"));
    }
    (rig.refused >= MOST_REFUSED).then(|| {
        format!(
            "rig {} is given nothing new: its last {} sessions asked to log in, for trust or for a key; do what they \
             ask, then say `gastown recover BEAD` of one of them",
            rig.name, rig.refused
        )
    })
}

/// After so many sessions in a row that only a person can help, the next would ask the same.
const MOST_REFUSED: u32 = 5;

#[cfg(test)]
mod tests {
    use model::command::Command;

    use super::*;
    use crate::testing::Paper;

    fn rig() -> RigName {
        "web".parse().unwrap()
    }

    fn park(reason: &str, now: bool) -> Command {
        let reason = (!reason.is_empty()).then(|| reason.to_owned());
        Command::RigPark { rig: rig(), reason, now }
    }

    #[test]
    fn a_parked_rig_takes_beads_and_hands_none_out() {
        let mut paper = Paper::new();
        let bead = paper.bead("one");
        paper.does(park("a holiday", false)).unwrap();
        paper.sling(&[&bead], "web").unwrap();
        assert_eq!(paper.dispatch(8), None);
        let left = paper.left();
        assert!(left.busy.is_empty() && left.attention.len() == 1, "{left:?}");
        assert!(left.attention[0].contains("a holiday") && left.attention[0].contains("rig unpark web"));
        paper.does(Command::RigUnpark { rig: rig() }).unwrap();
        assert_eq!(paper.dispatch(8).unwrap().0, bead);
    }

    #[test]
    fn said_again_it_changes_nothing_and_a_new_reason_is_taken_down() {
        let mut paper = Paper::new();
        let from = paper.records.len();
        for command in [park("x", false), park("", false), park("x", false), park("y", false), park("", true)]
        {
            paper.does(command).unwrap();
        }
        assert_eq!(paper.kinds(from), ["rig.parked"; 3]);
        assert!(paper.board.rigs.is_halted(&rig()));
        let parked = paper.board.rigs.get(&rig()).and_then(|rig| rig.parked.clone()).unwrap();
        assert_eq!(parked.pause.reason.as_deref(), Some("y"), "said once, it holds");
        for _ in 0..2 {
            paper.does(Command::RigUnpark { rig: rig() }).unwrap();
        }
        assert_eq!(paper.kinds(from + 3), ["rig.unparked"]);
        let stranger = Command::RigUnpark { rig: "wbe".parse().unwrap() };
        assert_eq!(paper.does(stranger).unwrap_err().code, "no_such_rig");
    }

    #[test]
    fn who_may_make_things_stand_still_and_who_may_let_them_go_on() {
        use model::command::Origin;
        let speaker =
            |agent: &str| Origin::Session { agent: agent.parse().unwrap(), session: "s".parse().unwrap() };
        let allowed =
            |agent: &str, command: &Command| crate::decide::permitted(&speaker(agent), command).is_ok();
        let stop = [Command::StopAll, Command::RigStop { rig: rig() }, Command::RigStart { rig: rig() }];
        for command in stop.iter().chain([&Command::Thaw]) {
            assert!(!allowed("mayor/", command), "{command:?} is a person's alone");
        }
        let kill = Command::AgentKill { agent: "web/docs".into(), restart: false };
        let freeze = Command::Freeze { reason: None };
        for command in [kill, freeze, park("x", true), Command::RigUnpark { rig: rig() }] {
            assert!(allowed("mayor/", &command) && !allowed("web/polecats/docs", &command), "{command:?}");
        }
    }

    #[test]
    fn a_stopped_rig_is_started_with_the_next_life_of_the_town() {
        let mut paper = Paper::new();
        paper.role(&model::role::Address::Overseer, |draft| stop(draft, &rig())).unwrap();
        assert!(paper.board.rigs.is_halted(&rig()));
        let started = Event::TownStarted { pid: 1, version: String::new() };
        paper.record(vec![(model::role::Address::Runtime, started)]);
        assert!(!paper.board.rigs.is_halted(&rig()));
    }

    #[test]
    fn a_town_is_frozen_and_thawed_once() {
        let mut paper = Paper::new();
        let from = paper.records.len();
        let freeze = |why: &str| Command::Freeze { reason: Some(why.to_owned()) };
        let Ok(Answer::Freeze(first)) = paper.does(freeze("smoke")) else { panic!() };
        let Ok(Answer::Freeze(again)) = paper.does(freeze("fire")) else { panic!() };
        assert_eq!((first.changed, again.changed), (true, false));
        assert_eq!(again.frozen.unwrap().reason.as_deref(), Some("smoke"));
        let Ok(Answer::Freeze(thawed)) = paper.does(Command::Thaw) else { panic!() };
        let Ok(Answer::Freeze(nothing)) = paper.does(Command::Thaw) else { panic!() };
        assert_eq!((thawed.changed, nothing.changed, nothing.frozen), (true, false, None));
        assert_eq!(paper.kinds(from), ["town.frozen", "town.thawed"]);
    }
}
