//! What a power cut leaves: nothing acknowledged is lost.
//!
//! A writer runs with a layer under the store that journals what it does to its files. From the journal
//! the disk is built again as a power cut could have left it at any entry: what was synced is there,
//! anything else at random, in any order, torn. The store is opened on each of these and counted.

mod bench;
mod dice;
mod disk;
mod journal;
#[path = "../shim/mod.rs"]
mod shim;
mod trouble;
mod writer;

use std::env;
use std::path::Path;
use std::process::Command;

use bench::{Bench, FOLDER, ORDERS};
use dice::Dice;
use shim::{Number, Shim};
use writer::Orders;

/// Not a test by itself: what the child does, which is this binary again.
#[test]
fn the_writer_under_which_the_layer_lies() {
    let (Ok(orders), Some(folder)) = (env::var(ORDERS), env::var_os(FOLDER)) else { return };
    writer::work(Path::new(&folder), Orders::parse(&orders).unwrap()).unwrap();
}

fn this_binary() -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "the_writer_under_which_the_layer_lies", "--nocapture", "--test-threads=1"]);
    command
}

#[test]
fn nothing_acknowledged_is_lost_to_a_power_cut() {
    let Some(shim) = Shim::build() else { return };
    let bench = Bench::new(&shim, this_binary).unwrap();
    for (seed, senders) in [(1, 1), (2, 8), (3, 64)] {
        bench.run(Orders { senders, enough: 150, large_one_in: 100, seed }, |_| {}).unwrap();
    }
    let total = bench.cut(180, &mut Dice(1)).unwrap();
    assert!(total.clean() && total.acknowledged > 0, "{total:?}");
}

#[test]
fn nor_to_one_after_kills_failed_syncs_and_earlier_power_cuts() {
    let Some(shim) = Shim::build() else { return };
    let mut dice = Dice(3);
    let mut bench = Bench::new(&shim, this_binary).unwrap();
    for seed in 0..6 {
        for kills in [1, 1, 0] {
            let orders = Orders { senders: 4, enough: 40, large_one_in: 400, seed };
            let after = dice.below(120);
            let at = |control: &shim::Control| {
                if kills > 0 {
                    control.set(Number::KillAt, after).unwrap();
                }
            };
            bench.run(orders, at).unwrap();
        }
        let (after, times) = (dice.below(40), dice.below(4));
        let orders = Orders { senders: 8, enough: 60, large_one_in: 100, seed };
        let failing = |control: &shim::Control| {
            control.set(Number::FailingSync, after).unwrap();
            control.set(Number::FailingFor, times).unwrap();
        };
        bench.run(orders, failing).unwrap();
        let total = bench.cut(25, &mut dice).unwrap();
        assert!(total.clean(), "{total:?}");
        bench = bench.go_on(&mut dice).unwrap();
    }
}

#[test]
fn a_disk_that_lies_about_its_syncs_is_found_out() {
    let Some(shim) = Shim::build() else { return };
    let mut bench = Bench::new(&shim, this_binary).unwrap();
    bench.forgets = true;
    bench.run(Orders { senders: 8, enough: 100, large_one_in: 100, seed: 4 }, |_| {}).unwrap();
    let total = bench.cut(20, &mut Dice(2)).unwrap();
    assert!(total.lost > 0, "without a sync nothing can be safe: {total:?}");
}

#[test]
fn a_disk_that_is_full_fails_or_takes_no_writes_loses_nothing_and_writing_goes_on_by_itself() {
    let Some(shim) = Shim::build() else { return };
    let seen = trouble::story(&shim, this_binary, 5, 25).unwrap();
    assert!(seen.count.clean() && seen.count.acknowledged > 500, "{seen:?}");
    assert!(seen.failed_calls >= 25 && seen.refused > 0, "{seen:?}");
}
