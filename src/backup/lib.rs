//! A town's copy in a folder elsewhere, and a town from such a copy.
//!
//! ```text
//!   DIR/backup.json          says what the folder is
//!       lock                 held by whoever works here
//!       000001.json          a backup: what belongs to it, with sizes and SHA-256s; written last
//!       000001/ledger/…seg   the records that were new, as plain segments
//!       000001/git/web.pack  what was new in a rig's repository, as a pack of git
//!       000002.json …
//!       files/ab/ab12…       small files of all backups, by their SHA-256
//! ```
//!
//! A backup is what its manifest names, and most of that lies in the folders of earlier ones: each adds what
//! is new. Nothing that a manifest names is ever changed. What is new is written under another name, synced,
//! given its name, and named by a manifest last; so a kill or a full disk at any point leaves the backups
//! before it as they were, and some rubbish that the next one clears away.
//!
//! One point in time: the references of the repositories are read, then the number of the newest record,
//! then all the rest. Records up to that number are in the backup, whatever happens meanwhile; commits that
//! they speak of were there before them, and branches that went away in between are kept.
//!
//! - [`make()`] a backup of a town whose ledger is open, running or not
//! - [`restore()`] a town from it
//! - [`look`] what is in such a folder, and whether it is as it was written
//!
//! Not carried: `bin/`, `run/`, `logs/`, the feed (it is made again from the records), the worktrees in
//! which merges are made and read, and what a worktree's own project ignores.

mod files;
pub mod look;
pub mod make;
mod manifest;
pub mod restore;
mod shelf;

use std::io;
use std::path::Path;

use model::refusal::Refusal;

pub use look::{list, verify};
pub use make::{Job, make};
pub use restore::{Order, restore};

/// The refusal for a disk that does not go along with `doing` at `path`, which may be empty.
fn cannot(doing: &str, path: &Path, error: &io::Error) -> Refusal {
    use io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    let text = format!("cannot {}: {error}", format!("{doing} {}", path.display()).trim_end());
    match error.kind() {
        StorageFull | QuotaExceeded => Refusal::failed("disk_full", text)
            .hint("free some space and say it again; backups that were there before are as they were"),
        PermissionDenied | ReadOnlyFilesystem => Refusal::failed("cannot_write", text)
            .hint(format!("see whether this user may write there: ls -ld {}", path.display())),
        _ => Refusal::failed("backup_failed", text).hint("look at that place, and say it again"),
    }
}

/// Returns a closure that makes an error of the disk a refusal; see [`cannot`].
fn failing<'a>(doing: &'a str, path: &'a Path) -> impl Fn(io::Error) -> Refusal + 'a {
    move |error| cannot(doing, path, &error)
}
