//! A disk that is full, fails, or takes no writes, and comes back, while a process writes.
//!
//! What was acknowledged stays, what was refused has not happened, and writing goes on by itself.

use std::error::Error;
use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::bench::{FOLDER, ORDERS, place};
use crate::dice::Dice;
use crate::shim::{Control, NEVER, Number, Shim};
use crate::writer::{self, Count, Orders};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// How long something that must come may take: a machine may be busy.
const PATIENCE: Duration = Duration::from_secs(120);

/// What came of a story.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// What is there at the end.
    pub(crate) count: Count,
    /// How many calls were made to fail.
    pub(crate) failed_calls: u64,
    /// How many attempts were refused.
    pub(crate) refused: u64,
}

/// What can be wrong with a disk.
#[derive(Debug, Clone, Copy)]
enum Trouble {
    Full,
    ReadOnly,
    FailingSyncs,
    FailingWrites,
}

/// Gives one writer `troubles` troubles, one after another, and counts what is there at the end.
pub(crate) fn story(shim: &Shim, writer: fn() -> Command, seed: u64, troubles: u64) -> Outcome<Seen> {
    let mut dice = Dice(seed);
    let place = place()?;
    let town = place.path().join("town");
    fs::create_dir_all(town.join("ledger"))?;
    let control = Control::new(&place.path().join("control"))?;
    // More than it can ever reach: it is told to end.
    let orders = Orders { senders: 8, enough: u64::MAX, large_one_in: 60, seed: dice.below(1 << 31) };
    let mut command = writer();
    command.env(ORDERS, orders.words()).env(FOLDER, &town);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    shim.under(&mut command, &town.join("ledger"), &control)?;
    let mut writing = Writing { child: command.spawn()?, acks: town.join("acks") };
    writing.goes_on(1)?;
    for _ in 0..troubles {
        let trouble =
            [Trouble::Full, Trouble::ReadOnly, Trouble::FailingSyncs, Trouble::FailingWrites][dice.upto(3)];
        let failed = control.get(Number::Failed)?;
        match trouble {
            Trouble::Full => control.set(Number::Room, dice.below(600_000))?,
            Trouble::ReadOnly => control.set(Number::ReadOnly, 1)?,
            Trouble::FailingSyncs => {
                control.set(Number::FailingFor, [0, 1, 5, NEVER][dice.upto(3)])?;
                control.set(Number::FailingSync, dice.below(40))?;
            }
            Trouble::FailingWrites => {
                control.set(Number::FailingFor, [0, 1, 5, NEVER][dice.upto(3)])?;
                control.set(Number::FailingWrite, dice.below(80))?;
            }
        }
        // As long as the trouble lasts, and then the disk can again.
        writing.until(|| Ok(control.get(Number::Failed)? > failed))?;
        let (_, refused) = writing.said()?;
        let more = dice.below(4);
        writing.until(|| {
            let over =
                control.get(Number::FailingSync)? == NEVER && control.get(Number::FailingWrite)? == NEVER;
            let lasting = matches!(trouble, Trouble::Full | Trouble::ReadOnly) || !over;
            Ok(!lasting || writing.said()?.1 >= refused + more)
        })?;
        control.mend()?;
        let before = writing.said()?.0;
        writing.goes_on(before + 20)?;
    }
    writing.end()?;
    let said = fs::read(town.join("acks"))?;
    let (_, refused) = tell(&said);
    Ok(Seen { count: writer::count(&town, &said)?, failed_calls: control.get(Number::Failed)?, refused })
}

/// How many attempts were acknowledged and refused.
fn tell(said: &[u8]) -> (u64, u64) {
    let lines = said.split(|byte| *byte == b'\n');
    lines.fold((0, 0), |(acked, refused), line| {
        (acked + u64::from(line.starts_with(b"ack ")), refused + u64::from(line.starts_with(b"no ")))
    })
}

struct Writing {
    child: Child,
    acks: std::path::PathBuf,
}

impl Writing {
    fn said(&self) -> Outcome<(u64, u64)> {
        Ok(tell(&fs::read(&self.acks).unwrap_or_default()))
    }

    fn until(&self, done: impl Fn() -> Outcome<bool>) -> Outcome<()> {
        let started = Instant::now();
        while !done()? {
            if started.elapsed() > PATIENCE {
                return Err(
                    format!("nothing comes of it: {:?} acknowledged and refused", self.said()?).into()
                );
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Waits until so much was acknowledged.
    fn goes_on(&mut self, acknowledged: u64) -> Outcome<()> {
        if let Some(status) = self.child.try_wait()? {
            return Err(format!("the writer ended with {status}").into());
        }
        self.until(|| Ok(self.said()?.0 >= acknowledged))
    }

    fn end(mut self) -> Outcome<()> {
        drop(self.child.stdin.take());
        let status = self.child.wait()?;
        if status.success() { Ok(()) } else { Err(format!("the writer ended with {status}").into()) }
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
