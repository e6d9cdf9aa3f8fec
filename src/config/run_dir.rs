//! The private folder of a town's socket.
//!
//! Whoever can put a socket where clients look for it is handed their tokens, and whoever can open the
//! socket commands the town. So the folder that holds it belongs to the town's user and to nobody else,
//! and both sides look before they trust it: in `/tmp` anybody could have been there first.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use model::refusal::Refusal;

use crate::document::{neighbour, write_hint};
use crate::paths::TownPaths;

/// Why the folder of the socket cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RunDirError {
    /// It cannot be made or looked at.
    #[error("cannot use {} for the town's socket", folder.display())]
    Io {
        /// Which.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others can enter it, or own it, or it is no folder.
    #[error("{} is not a private folder of this user, so the town's socket cannot be trusted", folder.display())]
    NotPrivate {
        /// Which.
        folder: PathBuf,
    },
}

impl From<RunDirError> for Refusal {
    fn from(error: RunDirError) -> Refusal {
        let text = error.to_string();
        match error {
            RunDirError::Io { folder, source } => Refusal::failed("run_dir", format!("{text}: {source}"))
                .hint(write_hint(&folder.join("x"), &source)),
            RunDirError::NotPrivate { folder } => Refusal::forbidden("run_dir_not_private", text).hint(
                format!("see who owns {}; make it yours alone (chmod 700) or remove it", folder.display()),
            ),
        }
    }
}

/// Makes the folders that the runtime needs for its socket, pid and lock, mode 0700, and returns where
/// to bind. For the server.
///
/// Where the socket lies elsewhere because the town's path is too long, the town gets a link to it.
pub fn prepare(paths: &TownPaths) -> Result<PathBuf, RunDirError> {
    let (socket, run, link) = (paths.socket(), paths.run_dir(), paths.socket_link());
    private(&run)?;
    if socket != link {
        let folder = folder_of(&socket);
        private(folder)?;
        replace_link(&socket, &link).map_err(|source| RunDirError::Io { folder: run, source })?;
    } else if link.is_symlink() {
        // Left from before the town was moved here from a longer path.
        fs::remove_file(&link).map_err(|source| RunDirError::Io { folder: run, source })?;
    }
    Ok(socket)
}

/// Returns where to connect, after a look at whose folder that is. For clients.
///
/// A folder that does not exist is trusted: there is nothing to connect to, and the caller will find out.
pub fn trusted_socket(paths: &TownPaths) -> Result<PathBuf, RunDirError> {
    let socket = paths.socket();
    match check(folder_of(&socket)) {
        Err(RunDirError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(socket),
        Err(error) => Err(error),
        // A link leads out of the folder that was looked at.
        Ok(()) if socket.is_symlink() => Err(RunDirError::NotPrivate { folder: socket }),
        Ok(()) => Ok(socket),
    }
}

fn folder_of(socket: &Path) -> &Path {
    socket.parent().unwrap_or(socket)
}

/// Makes `folder` with mode 0700 if it is not there, and takes rights of others away if it is ours.
fn private(folder: &Path) -> Result<(), RunDirError> {
    let fail = |source| RunDirError::Io { folder: folder.to_owned(), source };
    match DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let meta = fs::symlink_metadata(folder).map_err(fail)?;
            if meta.is_dir() && is_mine(&meta) && meta.mode() & 0o077 != 0 {
                fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).map_err(fail)?;
            }
        }
        Err(error) => return Err(fail(error)),
    }
    check(folder)
}

fn check(folder: &Path) -> Result<(), RunDirError> {
    // Not through links: somebody else could have made one that points to a folder of ours.
    let meta = fs::symlink_metadata(folder)
        .map_err(|source| RunDirError::Io { folder: folder.to_owned(), source })?;
    if meta.is_dir() && is_mine(&meta) && meta.mode() & 0o077 == 0 {
        Ok(())
    } else {
        Err(RunDirError::NotPrivate { folder: folder.to_owned() })
    }
}

fn is_mine(meta: &fs::Metadata) -> bool {
    meta.uid() == rustix::process::geteuid().as_raw()
}

/// Makes `link` point to `target` in one step, whatever was there before.
pub(crate) fn replace_link(target: &Path, link: &Path) -> io::Result<()> {
    if fs::read_link(link).is_ok_and(|now| now == target) {
        return Ok(());
    }
    let temporary = neighbour(link);
    let _ = fs::remove_file(&temporary);
    symlink(target, &temporary)?;
    fs::rename(&temporary, link).inspect_err(|_| {
        let _ = fs::remove_file(&temporary);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_folder_of_ours_is_closed_and_a_link_is_refused() {
        let base = tempfile::tempdir().unwrap();
        let town = TownPaths::new(base.path());
        fs::create_dir(town.run_dir()).unwrap();
        fs::set_permissions(town.run_dir(), fs::Permissions::from_mode(0o755)).unwrap();
        assert!(matches!(trusted_socket(&town), Err(RunDirError::NotPrivate { .. })));

        assert_eq!(prepare(&town).unwrap(), town.socket());
        assert_eq!(fs::metadata(town.run_dir()).unwrap().mode() & 0o777, 0o700);
        assert_eq!(trusted_socket(&town).unwrap(), town.socket());

        symlink("/tmp/elsewhere.sock", town.socket()).unwrap();
        assert!(trusted_socket(&town).is_err());
        prepare(&town).unwrap();
        assert!(trusted_socket(&town).is_ok());

        fs::rename(town.run_dir(), base.path().join("moved")).unwrap();
        symlink(base.path().join("moved"), town.run_dir()).unwrap();
        assert!(prepare(&town).is_err());
        assert_eq!(Refusal::from(trusted_socket(&town).unwrap_err()).code, "run_dir_not_private");
    }

    #[test]
    fn a_town_with_a_long_path_has_a_private_folder_and_a_link_to_it() {
        let base = tempfile::tempdir().unwrap();
        let root = base.path().join("x".repeat(120));
        fs::create_dir(&root).unwrap();
        let town = TownPaths::new(&root);
        assert_eq!(trusted_socket(&town).unwrap(), town.socket());
        let socket = prepare(&town).unwrap();
        assert_ne!(socket, town.socket_link());
        assert_eq!(fs::read_link(town.socket_link()).unwrap(), socket);
        assert_eq!(prepare(&town).unwrap(), socket);
        let folder = folder_of(&socket);
        assert_eq!(fs::metadata(folder).unwrap().mode() & 0o777, 0o700);
        fs::remove_dir(folder).unwrap();
    }
}
