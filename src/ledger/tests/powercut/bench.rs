//! Writers with the layer under their store, and power cuts along what it has journaled.

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};

use crate::dice::Dice;
use crate::disk::{Disk, Mode, WITNESS};
use crate::journal::{self, Entry};
use crate::shim::{self, Control, Number, Shim};
use crate::writer::{self, Count, Orders};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// How the environment of a writer tells it what to do, and in which folder.
pub(crate) const ORDERS: &str = "GASTOWN_WRITER";
pub(crate) const FOLDER: &str = "GASTOWN_WRITER_FOLDER";

/// A writer's folder and the journal of what was done below it.
#[derive(Debug)]
pub(crate) struct Bench<'a> {
    shim: &'a Shim,
    /// The program that does as [`ORDERS`] says.
    writer: fn() -> Command,
    place: tempfile::TempDir,
    /// What was there before the journal began.
    begins: Disk,
    /// A disk that answers each sync and does nothing.
    pub(crate) forgets: bool,
}

impl<'a> Bench<'a> {
    /// An empty folder.
    pub(crate) fn new(shim: &'a Shim, writer: fn() -> Command) -> Outcome<Bench<'a>> {
        let bench = Bench { shim, writer, place: place()?, begins: Disk::new(), forgets: false };
        fs::create_dir(bench.town())?;
        Ok(bench)
    }

    /// The folder in which the ledger is.
    pub(crate) fn town(&self) -> PathBuf {
        self.place.path().join("town")
    }

    /// Lets a writer work to its end, or until it dies as `prepare` wants it.
    pub(crate) fn run(&self, orders: Orders, prepare: impl FnOnce(&Control)) -> Outcome<ExitStatus> {
        let control = Control::new(&self.place.path().join("control"))?;
        prepare(&control);
        let mut command = (self.writer)();
        command
            .env(ORDERS, orders.words())
            .env(FOLDER, self.town())
            .env("GASTOWN_SHIM_JOURNAL", self.place.path().join("journal"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if self.forgets {
            command.env("GASTOWN_SHIM_FORGETS", "1");
        }
        self.shim.under(&mut command, &self.town(), &control)?;
        let steered = [Number::KillAt, Number::FailingSync, Number::FailingWrite]
            .iter()
            .any(|number| control.get(*number).is_ok_and(|value| value != shim::NEVER));
        let status = command.status()?;
        if !steered && !status.success() {
            return Err(format!("a writer whom nobody disturbed ended with {status}").into());
        }
        Ok(status)
    }

    fn journal(&self) -> Outcome<(Disk, Vec<Entry>)> {
        let entries = journal::read(&fs::read(self.place.path().join("journal"))?)?;
        Ok((self.begins.clone(), entries))
    }

    /// Cuts the power `cuts` times along the journal and counts what is there each time.
    pub(crate) fn cut(&self, cuts: usize, dice: &mut Dice) -> Outcome<Count> {
        let (mut disk, entries) = self.journal()?;
        let mut moments: Vec<usize> = (0..cuts).map(|_| dice.upto(entries.len())).collect();
        moments.sort_unstable();
        let mut total = Count::default();
        let mut done = 0;
        for moment in moments {
            entries[done..moment].iter().for_each(|entry| disk.apply(entry));
            done = moment;
            let mode = Mode::any(dice);
            let (left, again) = (place()?, dice.clone());
            disk.cut(mode, dice, left.path())?;
            let count = writer::count(left.path(), disk.witness())?;
            if !count.clean() && !self.forgets {
                let kept = place()?.keep();
                disk.cut(mode, &mut again.clone(), &kept)?;
                fs::write(kept.join(WITNESS), disk.witness())?;
                fs::copy(self.place.path().join("journal"), kept.join("journal"))?;
                eprintln!(
                    "cut at {moment} of {}, {mode:?}: {count:?}; kept in {}",
                    entries.len(),
                    kept.display()
                );
            }
            total.add(count);
        }
        Ok(total)
    }

    /// A folder in which writers go on with what one cut has left, at some moment of this journal.
    pub(crate) fn go_on(&self, dice: &mut Dice) -> Outcome<Bench<'a>> {
        let (mut disk, entries) = self.journal()?;
        let moment = dice.upto(entries.len());
        entries[..moment].iter().for_each(|entry| disk.apply(entry));
        let mut next = Bench::new(self.shim, self.writer)?;
        disk.cut(Mode::any(dice), dice, &next.town())?;
        fs::write(next.town().join(WITNESS), disk.witness())?;
        next.begins = Disk::load(&next.town())?;
        Ok(next)
    }
}

/// In memory where that can be had: what is on paper need not be on a disk.
pub(crate) fn place() -> std::io::Result<tempfile::TempDir> {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir())
}
