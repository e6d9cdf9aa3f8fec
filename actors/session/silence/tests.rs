//! A session's silence on paper: a program that lives by a list of times, and a clock that jumps from one
//! deadline to the next.

use super::*;

const T: Duration = Duration::from_secs(600);
const NUDGE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

fn patience() -> Patience {
    Patience { silent_after: T, nudge_after: NUDGE, nudges: 3, tool_timeout: 2 * HOUR, idle_cpu: 0.0 }
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A program: at which times it does what.
#[derive(Debug, Clone, Default)]
struct Program {
    prints: Vec<Duration>,
    speaks: Vec<Duration>,
    /// It uses 10 ms of the processor.
    own: Vec<Duration>,
    /// A child uses 100 ms.
    others: Vec<Duration>,
    io: Vec<Duration>,
    /// A child ends and another one begins.
    births: Vec<Duration>,
    /// It is in a call of a tool that its hooks have told of.
    tool: Option<(Duration, Duration)>,
    /// It has no child at all.
    childless: bool,
    /// It is stopped from then on.
    stopped: Option<Duration>,
}

impl Program {
    fn look(&self, now: Duration) -> Look {
        let so_far = |times: &[Duration]| times.iter().filter(|at| **at <= now).count();
        let child = i32::try_from(so_far(&self.births)).unwrap();
        Look {
            own: Duration::from_millis(10) * u32::try_from(so_far(&self.own)).unwrap(),
            others: Duration::from_millis(100) * u32::try_from(so_far(&self.others)).unwrap(),
            io: so_far(&self.io) as u64,
            family: (!self.childless).then_some((child, 0)).into_iter().collect(),
            stopped: self.stopped.is_some_and(|at| at <= now),
            ..Look::default()
        }
    }

    fn heard(&self, now: Duration) -> Heard {
        let last = |times: &[Duration]| {
            times.iter().copied().filter(|at| *at <= now).max().unwrap_or(Duration::ZERO)
        };
        Heard {
            printed: last(&self.prints),
            spoke: last(&self.speaks),
            tool: self.tool.filter(|(from, to)| *from <= now && now < *to).map(|(from, _)| from),
        }
    }
}

/// Runs `program` until `end`; returns what was done, and when. A nudge changes nothing in it.
fn run(patience: Patience, watch: Watch, program: &Program, end: Duration) -> Vec<(Duration, Step)> {
    let mut silence = Silence::new(patience);
    silence.watch(watch, Duration::ZERO);
    let (mut now, mut done) = (Duration::ZERO, Vec::new());
    while now < end {
        match silence.wake(now, program.heard(now)) {
            Err(later) => {
                assert!(later > now, "it would spin at {now:?}");
                now = later;
            }
            Ok(()) => match silence.judge(now, program.look(now), program.heard(now)) {
                Step::Sleep(later) => {
                    assert!(later > now, "it would spin at {now:?}");
                    now = later;
                }
                step => {
                    done.push((now, step.clone()));
                    if matches!(step, Step::Silent | Step::Frozen) {
                        break;
                    }
                }
            },
        }
    }
    done
}

/// What is done with `program` within three hours, in whole seconds.
fn steps(watch: Watch, program: &Program) -> Vec<(u64, Step)> {
    run(patience(), watch, program, 3 * HOUR).into_iter().map(|(at, step)| (at.as_secs(), step)).collect()
}

fn every(period: u64, end: Duration) -> Vec<Duration> {
    (1..).map(|n| secs(n * period)).take_while(|at| *at < end).collect()
}

#[test]
fn whoever_is_silent_is_nudged_three_times_and_ended() {
    let nudged = |from: u64| {
        vec![
            (from, Step::Nudge(1)),
            (from + 60, Step::Nudge(2)),
            (from + 120, Step::Nudge(3)),
            (from + 180, Step::Silent),
        ]
    };
    assert_eq!(steps(Watch::Works, &Program::default()), nudged(600));
    // Its children only sleep: no sign of life.
    let prints = Program { prints: every(100, secs(1_001)), ..Program::default() };
    assert_eq!(steps(Watch::Works, &prints), nudged(1_600));
    // One that waits for input has less time, and a screen that moves is no sign.
    assert_eq!(
        steps(Watch::Waits, &Program { prints: every(1, 3 * HOUR), ..Program::default() }),
        nudged(60)
    );
    assert_eq!(steps(Watch::Off, &Program::default()), []);
    // What was used before the silence began is no sign of life in it.
    let busy_before = Program { prints: vec![secs(100)], own: every(1, secs(100)), ..Program::default() };
    assert_eq!(steps(Watch::Works, &busy_before), nudged(700));
}

#[test]
fn each_sign_of_life_is_one() {
    let often = every(500, 3 * HOUR);
    let alive = [
        Program { prints: often.clone(), ..Program::default() },
        Program { speaks: often.clone(), ..Program::default() },
        Program { own: every(100, 3 * HOUR), ..Program::default() },
        Program { others: often.clone(), ..Program::default() },
        Program { io: often.clone(), ..Program::default() },
        Program { births: often.clone(), ..Program::default() },
        Program { tool: Some((secs(1), 2 * HOUR)), prints: vec![2 * HOUR], ..Program::default() },
    ];
    for (n, program) in alive.iter().enumerate() {
        let early = steps(Watch::Works, program).into_iter().find(|(at, _)| *at < 2 * 3600 + 600);
        assert_eq!(early, None, "{n}");
    }
    // While it waits for input, less is believed.
    for (n, program) in alive.iter().enumerate() {
        let is_alive = steps(Watch::Waits, program).is_empty();
        assert!(!is_alive, "{n}");
    }
    let waits = [
        Program { speaks: every(50, 3 * HOUR), ..Program::default() },
        Program { others: every(5, 3 * HOUR), ..Program::default() },
        Program { births: every(40, 3 * HOUR), ..Program::default() },
    ];
    for (n, program) in waits.iter().enumerate() {
        assert_eq!(steps(Watch::Waits, program), [], "{n}");
    }
}

#[test]
fn a_call_of_a_tool_counts_while_a_child_lives_and_for_so_long() {
    let tool = |from: u64, to: u64| Program { tool: Some((secs(from), secs(to))), ..Program::default() };
    let first = |program: &Program| steps(Watch::Works, program).first().map(|(at, _)| *at);
    // It ends without a word, and nothing follows: the silence began at the last look that saw it.
    assert!(first(&tool(1, 5_000)).is_some_and(|at| (5_000..=5_000 + 600).contains(&at)));
    // Too long.
    assert!(first(&tool(1, 99_999)).is_some_and(|at| (7_200..=7_200 + 600).contains(&at)));
    assert_eq!(first(&Program { childless: true, ..tool(1, 5_000) }), Some(600));
    assert_eq!(first(&Program { stopped: Some(secs(5)), ..tool(1, 5_000) }), Some(600));
}

#[test]
fn what_it_uses_while_it_does_nothing_is_no_sign_of_life() {
    // 1 % of a core.
    let idles = Program { own: every(1, 3 * HOUR), ..Program::default() };
    assert_eq!(steps(Watch::Works, &idles), []);
    let known = Patience { idle_cpu: 0.02, ..patience() };
    assert_eq!(run(known, Watch::Works, &idles, 3 * HOUR).len(), 4);
    let works = Program { others: every(3, 3 * HOUR), ..idles };
    assert_eq!(run(known, Watch::Works, &works, 3 * HOUR), []);
}

#[test]
fn a_stopped_program_is_told_to_go_on_once() {
    let stopped = Program { stopped: Some(secs(10)), ..Program::default() };
    assert_eq!(steps(Watch::Works, &stopped), [(600, Step::Thaw), (660, Step::Frozen)]);
    // It goes on, and still shows nothing.
    let mut silence = Silence::new(patience());
    silence.watch(Watch::Works, Duration::ZERO);
    let look = |stopped| Look { stopped, ..Look::default() };
    let heard = Heard::default();
    silence.judge(secs(10), look(true), heard);
    assert_eq!(silence.judge(T, look(true), heard), Step::Thaw);
    assert_eq!(silence.judge(T + NUDGE, look(false), heard), Step::Nudge(1));
}

#[test]
fn a_nudge_that_helps_for_a_while_is_forgotten_and_one_that_only_shows_is_not() {
    let mut silence = Silence::new(patience());
    silence.watch(Watch::Works, Duration::ZERO);
    let look = Look::default;
    let printed = |at: Duration| Heard { printed: at, ..Heard::default() };
    silence.judge(secs(10), look(), Heard::default());
    assert_eq!(silence.judge(T, look(), Heard::default()), Step::Nudge(1));
    // The screen moves, and no more.
    let moved = T + secs(5);
    assert_eq!(silence.wake(moved + secs(1), printed(moved)), Err(moved + MEASURE));
    silence.judge(moved + MEASURE, look(), printed(moved));
    assert_eq!(silence.judge(moved + T, look(), printed(moved)), Step::Nudge(2));
    // It works for minutes.
    let worked = moved + T + 2 * NUDGE;
    assert!(silence.wake(worked, printed(worked)).is_err());
    assert_eq!(silence.nudges(), 0);
    // So does one who has waited for input, been reminded, and worked again.
    silence.watch(Watch::Waits, worked);
    silence.judge(worked + secs(6), look(), printed(worked));
    assert_eq!(silence.judge(worked + NUDGE, look(), printed(worked)), Step::Nudge(1));
    silence.watch(Watch::Works, worked + NUDGE + secs(1));
    silence.watch(Watch::Waits, worked + NUDGE + secs(30));
    assert_eq!(silence.nudges(), 1, "half a minute is no work");
    silence.watch(Watch::Works, worked + NUDGE + secs(31));
    silence.watch(Watch::Waits, worked + 3 * NUDGE);
    assert_eq!(silence.nudges(), 0);
    silence.progresses(worked + 3 * NUDGE);
    assert_eq!(silence.due(), Some(worked + 3 * NUDGE + NUDGE / 10));
}

#[test]
fn a_neighbours_word_is_looked_into() {
    let told = |program: &Program, at: u64| {
        let mut silence = Silence::new(patience());
        silence.watch(Watch::Works, Duration::ZERO);
        let (before, now) = (secs(at - 1), secs(at));
        silence.told(now, (&program.look(before), program.look(now)), secs(1), program.heard(now))
    };
    let is_rejected = |word: Word| matches!(word, Word::Rejected(_));
    let quiet = Program::default();
    assert!(is_rejected(told(&quiet, 149)), "not for long enough");
    let word = "it has given no sign of life for 2 min".to_owned();
    assert_eq!(told(&quiet, 150), Word::Confirmed(word, Step::Nudge(1)));
    for program in [
        Program { prints: vec![secs(100)], ..quiet.clone() },
        Program { others: vec![secs(200)], ..quiet.clone() },
        Program { own: vec![secs(200); 3], ..quiet.clone() },
        Program { births: vec![secs(200)], ..quiet.clone() },
        Program { io: vec![secs(200)], ..quiet.clone() },
        Program { tool: Some((secs(1), HOUR)), ..quiet.clone() },
    ] {
        assert!(is_rejected(told(&program, 200)), "{program:?}");
    }
    let stopped = told(&Program { stopped: Some(secs(1)), ..quiet }, 200);
    assert!(matches!(stopped, Word::Confirmed(_, Step::Thaw)), "{stopped:?}");
    let mut off = Silence::new(patience());
    assert!(is_rejected(off.told(HOUR, (&Look::default(), Look::default()), secs(1), Heard::default())));
}

#[test]
fn many_neighbours_do_not_nudge_more_often_than_one() {
    let mut silence = Silence::new(patience());
    silence.watch(Watch::Works, Duration::ZERO);
    let mut ask = |at: u64| {
        let looks = (&Look::default(), Look::default());
        match silence.told(secs(at), looks, secs(1), Heard::default()) {
            Word::Confirmed(_, step) => step,
            Word::Rejected(why) => panic!("{why}"),
        }
    };
    assert_eq!(ask(300), Step::Nudge(1));
    assert!(matches!(ask(301), Step::Sleep(_)) && matches!(ask(359), Step::Sleep(_)));
    assert_eq!((ask(360), ask(420), ask(480)), (Step::Nudge(2), Step::Nudge(3), Step::Silent));
}

/// Numbers that look like chance (Knuth's MMIX constants).
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }

    /// Times with gaps of at most `most` seconds, until `end`.
    fn times(&mut self, most: u64, end: Duration) -> Vec<Duration> {
        let (mut times, mut at) = (Vec::new(), Duration::ZERO);
        while at < end {
            at += Duration::from_millis(1 + self.below(most * 1000));
            times.push(at);
        }
        times
    }
}

/// An hour in one call of a tool, in which not a byte is printed and something works, in one of many ways, with
/// pauses as long as they may be.
fn long_call(dice: &mut Dice, end: Duration) -> Program {
    let most = 30 + dice.below(T.as_secs() - MEASURE.as_secs() - 31);
    match dice.below(6) {
        0 => Program { others: dice.times(most, end), ..Program::default() },
        1 => Program { io: dice.times(most, end), ..Program::default() },
        2 => Program { births: dice.times(most, end), ..Program::default() },
        3 => Program { tool: Some((secs(dice.below(60)), end + HOUR)), ..Program::default() },
        // Several by turns: what one leaves out another does.
        4 => {
            let mut all = Program::default();
            for at in dice.times(most, end) {
                [&mut all.others, &mut all.io, &mut all.births][dice.below(3) as usize].push(at);
            }
            all
        }
        // A hook speaks now and then, and between its words a child lives.
        _ => Program { speaks: dice.times(most, end), ..Program::default() },
    }
}

#[test]
fn of_a_thousand_long_calls_of_tools_none_is_nudged_and_none_is_ended() {
    let mut dice = Dice(20_261_121);
    let mut nudged = 0;
    for n in 0..1_000 {
        let program = long_call(&mut dice, HOUR + T);
        let done = run(patience(), Watch::Works, &program, HOUR);
        assert!(
            !done.iter().any(|(_, step)| matches!(step, Step::Silent | Step::Frozen)),
            "{n}: {program:?}"
        );
        nudged += done.len();
    }
    println!("1,000 simulated calls of an hour: {nudged} nudges, 0 ended");
    assert_eq!(nudged, 0);
}

/// The same with one thing changed: at some moment all life ends.
#[test]
fn of_a_thousand_that_die_in_the_middle_each_is_ended_in_time() {
    let mut dice = Dice(4);
    let (mut late, mut worst) = (Vec::new(), Duration::ZERO);
    for n in 0..1_000 {
        let dies = secs(60 + dice.below(3_000));
        let mut program = long_call(&mut dice, dies);
        for times in [
            &mut program.prints,
            &mut program.speaks,
            &mut program.others,
            &mut program.io,
            &mut program.births,
        ] {
            times.retain(|at| *at <= dies);
        }
        program.tool = program.tool.map(|(from, _)| (from, dies));
        let done = run(patience(), Watch::Works, &program, 3 * HOUR);
        let words: Vec<&Step> = done.iter().map(|(_, step)| step).collect();
        let expected = [&Step::Nudge(1), &Step::Nudge(2), &Step::Nudge(3), &Step::Silent];
        assert_eq!(words, expected, "{n}: {program:?}");
        // From the next look, which may still see what its children have done before.
        let after = done[0].0.saturating_sub(dies);
        assert!(after <= T + T / LOOKS + MEASURE, "{n}: {after:?}");
        late.push(after);
        worst = worst.max(after);
    }
    late.sort();
    println!("first nudge after the end of all life: p50 {:?}, at most {worst:?}", late[late.len() / 2]);
}
