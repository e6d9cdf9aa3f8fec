//! Power cuts, after kills, failed syncs and earlier power cuts.

use crate::bench::Bench;
use crate::dice::Dice;
use crate::shim::{Number, Shim};
use crate::writer::Orders;
use crate::{Outcome, Tally};

/// How many cuts one story has: some in each of its chapters, which follow on one another.
pub(crate) const CUTS_PER_STORY: u64 = 60;
const CHAPTERS: u64 = 3;

/// Lets writers work on one ledger, cuts the power `cuts` times, and goes on from one of the cuts.
pub(crate) fn story(shim: &Shim, seed: u64, cuts: u64) -> Outcome<Tally> {
    let mut dice = Dice(seed);
    let mut tally = Tally::default();
    let mut bench = Bench::new(shim, crate::writer)?;
    for chapter in 0..CHAPTERS {
        for run in 0..1 + dice.below(4) {
            let orders = Orders {
                senders: [1, 2, 8, 64][dice.upto(3)],
                enough: 1 << dice.below(9),
                large_one_in: [10, 100, 1_000][dice.upto(2)],
                seed: dice.below(1 << 31),
            };
            let (kill, sync, times) = (dice.below(3), dice.below(4), dice.below(6));
            let (kill_at, failing_sync) = (dice.below(300), dice.below(150));
            tally.good("writers", 1);
            bench.run(orders, |control| {
                // The last run of a chapter ends as it should, so that something is there.
                if run > 0 && kill == 0 {
                    let _ = control.set(Number::KillAt, kill_at);
                }
                if sync == 0 {
                    let _ = control.set(Number::FailingSync, failing_sync);
                    let _ = control.set(Number::FailingFor, times);
                }
            })?;
        }
        let here = if chapter + 1 == CHAPTERS { cuts - cuts / CHAPTERS * chapter } else { cuts / CHAPTERS };
        tally.count(bench.cut(usize::try_from(here)?, &mut dice)?);
        bench = bench.go_on(&mut dice)?;
    }
    Ok(tally)
}
