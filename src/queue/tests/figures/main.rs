//! The figures that the queue is built for, from the simulator's own world, on streams short enough for every day.
//! `docs/performance.md` has the long ones.

#[path = "../../examples/queue-sim/options.rs"]
#[expect(dead_code, reason = "there is no command line here")]
mod options;
#[path = "../../examples/queue-sim/oracle.rs"]
mod oracle;
#[path = "../../examples/queue-sim/rng.rs"]
mod rng;
#[path = "../../examples/queue-sim/truth.rs"]
mod truth;
#[path = "../../examples/queue-sim/world.rs"]
#[expect(dead_code, reason = "only the simulator prints how long changes wait")]
mod world;

use options::Options;
use truth::Truth;
use world::World;

struct Figures {
    runs_per_merged: f64,
    merged_per_duration: f64,
    innocents: u64,
    merged: u64,
}

fn figures(options: &Options) -> Figures {
    let truth = Truth::new(options);
    let mut world = World::new(options, &truth);
    world.go();
    assert_eq!(world.oracle.broken, [""; 0], "{options:?}");
    assert_eq!((world.oracle.untested, world.oracle.needless), (0, 0));
    let merged = world.oracle.merged as f64;
    Figures {
        runs_per_merged: world.runs as f64 / merged,
        merged_per_duration: merged / world.time(),
        innocents: world.oracle.innocents,
        merged: world.oracle.merged,
    }
}

fn stream(failure_rate: f64, runners: usize) -> Options {
    Options { failure_rate, runners, changes: 6_000, seed: 11, ..Options::default() }
}

#[test]
fn one_runner_is_near_the_bound() {
    for (rate, most) in [(0.1, 0.58), (0.05, 0.34)] {
        let figures = figures(&stream(rate, 1));
        assert!(figures.runs_per_merged <= most, "{rate}: {}", figures.runs_per_merged);
    }
}

#[test]
fn above_the_cut_off_it_is_serial() {
    let figures = figures(&Options { changes: 2_000, ..stream(0.45, 1) });
    // Each once, and the bad ones at first twice.
    assert!(figures.runs_per_merged < 1.55 / 0.55, "{}", figures.runs_per_merged);
}

#[test]
fn eight_runners_merge_more_than_one_each_could() {
    let figures = figures(&stream(0.1, 8));
    assert!(figures.merged_per_duration >= 5.1, "{}", figures.merged_per_duration);
    assert!(figures.runs_per_merged <= 1.6, "{}", figures.runs_per_merged);
}

#[test]
fn few_changes_at_a_time_do_not_make_it_wasteful() {
    let trickle = Options { arrivals: Some(2.0), changes: 3_000, ..stream(0.1, 8) };
    assert!(figures(&trickle).runs_per_merged <= 1.6);
}

#[test]
fn gates_that_lie_cost_hardly_anybody_a_place() {
    for runners in [1, 8] {
        let figures = figures(&Options { flake: 0.02, ..stream(0.1, runners) });
        assert!(figures.innocents * 1_000 < figures.merged, "{runners}: {}", figures.innocents);
    }
}

#[test]
fn discord_clashes_needs_kills_and_others_pushes_break_no_promise() {
    for seed in 0..6 {
        for runners in [1, 3, 8] {
            let rough = Options {
                seed,
                changes: 400,
                discord: 0.05,
                clash: 0.05,
                depends: 0.1,
                kill: 0.03,
                moves: 0.05,
                spread: 0.5,
                footprints: seed % 2 == 0,
                areas: 5,
                ..stream(0.15, runners)
            };
            figures(&rough);
        }
    }
}
