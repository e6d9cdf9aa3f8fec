//! Finds out before the start whether a program can be started at all.
//!
//! portable-pty reports success for a program that could not be executed, so the usual mistakes are
//! looked for beforehand, with an answer a person can act on.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use crate::host::SpawnError;

/// Checks that `cwd` is a directory that can be entered.
pub(crate) fn check_directory(cwd: &Path) -> Result<(), SpawnError> {
    match std::fs::metadata(cwd) {
        Ok(found) if found.is_dir() => access(cwd, Access::EXEC_OK)
            .map_err(|error| SpawnError::Directory { path: cwd.to_owned(), source: error.into() }),
        Ok(_) => Err(SpawnError::NoSuchDirectory { path: cwd.to_owned() }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(SpawnError::NoSuchDirectory { path: cwd.to_owned() })
        }
        Err(source) => Err(SpawnError::Directory { path: cwd.to_owned(), source }),
    }
}

/// Returns the file that `program` means in a child with this environment and directory.
///
/// A name with a slash is a path, relative to `cwd`; any other is looked up in the child's `PATH`.
pub(crate) fn resolve(
    program: &str,
    environment: &BTreeMap<String, String>,
    cwd: &Path,
) -> Result<PathBuf, SpawnError> {
    let path = environment.get("PATH").map(String::as_str).unwrap_or_default();
    let candidates: Vec<PathBuf> = match program {
        "" => Vec::new(),
        given if given.contains('/') => vec![cwd.join(given)],
        name => path.split(':').map(|folder| cwd.join(folder).join(name)).collect(),
    };
    let mut refused = None;
    for candidate in candidates {
        if !candidate.is_file() {
            continue;
        }
        if access(&candidate, Access::EXEC_OK).is_ok() {
            return Ok(candidate);
        }
        refused.get_or_insert(candidate);
    }
    Err(match refused {
        Some(file) => SpawnError::NotExecutable { file },
        None => SpawnError::NoSuchProgram { program: program.into(), path: path.into() },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_program_is_looked_up_in_the_childs_path_only() {
        let folder = tempfile::tempdir().unwrap();
        let tool = folder.path().join("tool");
        std::fs::write(&tool, "#!/bin/sh\n").unwrap();
        let environment = BTreeMap::from([("PATH".into(), folder.path().display().to_string())]);
        let cwd = Path::new("/");

        let refused = resolve("tool", &environment, cwd).unwrap_err();
        assert!(matches!(refused, SpawnError::NotExecutable { .. }), "{refused}");

        std::fs::set_permissions(&tool, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(resolve("tool", &environment, cwd).unwrap(), tool);
        assert_eq!(resolve("./tool", &BTreeMap::new(), folder.path()).unwrap(), folder.path().join("./tool"));

        let missing = resolve("sh", &environment, cwd).unwrap_err();
        assert!(matches!(missing, SpawnError::NoSuchProgram { .. }), "{missing}");
        assert!(resolve("sh", &BTreeMap::new(), cwd).is_err());
        assert!(resolve("", &environment, cwd).is_err());
    }
}
