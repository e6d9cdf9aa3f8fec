//! What is in a folder of backups, and whether it is as it was written.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use ledger::export;
use model::backup::{Backup, Verified};
use model::ids::Seq;
use model::ledger::Finding;
use model::refusal::Refusal;

use crate::manifest::{Manifest, Stored, hex};
use crate::shelf::Shelf;

/// All backups in `dir` that can be read, oldest first.
///
/// # Errors
/// `no_such_backup`; `newer_backup`; what the disk says. One that is damaged is left out; see [`verify`].
pub fn list(dir: &Path) -> Result<Vec<Backup>, Refusal> {
    let shelf = Shelf::for_reading(dir)?;
    let mut found = Vec::new();
    for number in shelf.numbers()? {
        match shelf.manifest(number) {
            Ok(manifest) => found.push(manifest.told(&shelf.dir)),
            Err(refusal) if refusal.code == "broken_backup" => tracing::warn!(%refusal, "left out"),
            Err(refusal) => return Err(refusal),
        }
    }
    Ok(found)
}

/// Reads every file of every backup in `dir`, compares it with what was written, and follows the chain of
/// the records from the first to the last.
///
/// # Errors
/// `no_such_backup`, `backup_at_work`. What is damaged is no error but a finding.
pub fn verify(dir: &Path) -> Result<Verified, Refusal> {
    let started = Instant::now();
    let shelf = Shelf::for_reading(dir)?;
    let (mut findings, mut manifests) = (Vec::new(), Vec::new());
    for number in shelf.numbers()? {
        match shelf.manifest(number) {
            Ok(manifest) => manifests.push(manifest),
            Err(refusal) => findings.push(Finding::new(format!("{number:06}.json"), None, refusal.message)),
        }
    }
    // A file belongs to many backups and is read once.
    let mut files: BTreeMap<String, Stored> = BTreeMap::new();
    manifests.iter().for_each(|manifest| files.extend(manifest.stored()));
    for file in files.values() {
        findings.extend(shelf.wrong(file).map(|what| Finding::new(file.path.as_str(), None, what)));
    }
    if findings.is_empty() {
        for manifest in &manifests {
            let wrong = follow(&shelf, manifest);
            findings.extend(wrong.map(|what| Finding::new(format!("{:06}", manifest.number), None, what)));
        }
    }
    if manifests.is_empty() && findings.is_empty() {
        findings.push(Finding::new("backup.json", None, "there is no backup here yet"));
    }
    Ok(Verified {
        sound: findings.is_empty(),
        backups: manifests.len(),
        files: files.len(),
        bytes: files.values().map(|file| file.size).sum(),
        findings,
        took_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
    })
}

/// The files of the records, in order.
pub(crate) fn segments(shelf: &Shelf, manifest: &Manifest) -> Vec<(Seq, PathBuf)> {
    manifest.ledger.parts.iter().map(|part| (part.first, shelf.place(&part.file))).collect()
}

/// Why the records of a backup are not the row that they should be.
fn follow(shelf: &Shelf, manifest: &Manifest) -> Option<String> {
    match export::read(&segments(shelf, manifest), |_, _| Ok(())) {
        Err(error) => Some(error.to_string()),
        Ok((head, hash)) if head != manifest.ledger.head || hex(&hash) != manifest.ledger.hash => {
            Some(format!("its records end with {head}, and not as they were written"))
        }
        Ok(_) => None,
    }
}
