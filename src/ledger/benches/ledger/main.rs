//! `cargo bench -p gastown-ledger [-- --full]`: what the ledger does, beside what the disk does.
//!
//! A disk that is shared has moods: its raw sync rate is measured between the other measurements, in
//! every repetition, and what depends on the disk is given as a ratio to that of the same repetition.
//! `GASTOWN_BENCH_DIR` names a folder on another disk than that of the temp directory.

mod long;
mod post;
mod raw;

use std::error::Error;
use std::time::Duration;
use std::{env, fs};

use gastown_ledger::{Limits, Store};
use model::event::Event;
use model::mail::{Kind, Letter};
use model::role::Address;
use model::time::Timestamp;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let args: Vec<String> = env::args().skip(1).collect();
    if let Some(at) = args.iter().position(|arg| arg == "--open") {
        return long::probe(args.get(at + 1).ok_or("--open needs a folder")?);
    }
    let full = args.iter().any(|arg| arg == "--full");
    let root = match env::var_os("GASTOWN_BENCH_DIR") {
        Some(dir) => tempfile::tempdir_in(dir)?,
        None => tempfile::tempdir()?,
    };
    post::bench(root.path(), full)?;
    long::bench(root.path(), if full { &[100_000, 1_000_000, 5_000_000] } else { &[100_000] })?;
    long::questions(root.path())
}

/// No snapshots but those that are asked for.
fn limits() -> Limits {
    Limits { snapshot_every: u64::MAX, ..Limits::default() }
}

fn letter(id: String, from: Address, to: Address, at: Timestamp) -> Outcome<Event> {
    let kind = Kind::Note { subject: "how it goes".into(), body: "The tests pass. ".repeat(10) };
    let (thread, id) = (id.parse()?, id.parse()?);
    let letter = Letter { id, from, to, kind, sent_at: at, reply_to: None, thread, key: None };
    Ok(Event::MailSent { letter: letter.into() })
}

/// The value below which the share `of` of all lies; they get sorted.
fn quantile(of: f64, all: &mut [Duration]) -> Duration {
    all.sort_unstable();
    let at = (all.len() as f64 * of) as usize;
    all.get(at.min(all.len().saturating_sub(1))).copied().unwrap_or_default()
}

fn median(all: &mut [f64]) -> f64 {
    all.sort_unstable_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
}

fn ms(span: Duration) -> f64 {
    span.as_secs_f64() * 1e3
}

/// A field of this process's status, in MiB.
fn memory(field: &str) -> Outcome<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)).ok_or("no such field")?;
    let kib: u64 = line.trim_start_matches(':').trim().trim_end_matches(" kB").parse()?;
    Ok(kib >> 10)
}

fn open(dir: &std::path::Path) -> Outcome<Store> {
    Ok(Store::open(dir, limits())?)
}
