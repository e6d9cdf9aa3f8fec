//! Makes many names of beads in one prefix and counts what collides: `names [HOW MANY]`, 10 million if not said.
//!
//! Run it with `cargo run --release -p gastown-clerk --example names`.

use std::cell::Cell;
use std::collections::HashSet;
use std::error::Error;

use gastown_clerk::draft::bead_name;
use model::ids::{BeadId, Seq};
use model::time::Timestamp;

/// A name of up to 12 digits in base 36, in one number.
fn packed(id: &BeadId) -> u64 {
    let digits = id.as_str().bytes().rev().take_while(|byte| *byte != b'-');
    digits.fold(1, |number, byte| number * 37 + u64::from(byte - if byte > b'9' { b'a' - 10 } else { b'0' }))
}

fn main() -> Result<(), Box<dyn Error>> {
    let many: usize = std::env::args().nth(1).map_or(Ok(10_000_000), |many| many.parse())?;
    let mut names = HashSet::with_capacity(many);
    let again = Cell::new(0_u64);
    for n in 0..many {
        let said = ("the same title", Timestamp::from_millis(1_767_225_600_000), Seq(n as u64));
        let id = bead_name("web", &said, n, |id| {
            let taken = names.contains(&packed(id));
            again.set(again.get() + u64::from(taken));
            taken
        });
        names.insert(packed(&id));
    }
    println!(
        "{many} names, {} different, {} collided with an earlier one, {} needed another try",
        names.len(),
        many - names.len(),
        again.get()
    );
    Ok(())
}
