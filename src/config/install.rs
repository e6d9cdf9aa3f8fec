//! A new town, and the programs in its `bin`.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use model::ids::RigName;
use model::refusal::Refusal;
use model::time::Timestamp;
use serde_json::Value;

use crate::document::{self, ConfigError, write_hint};
use crate::escalation::Escalation;
use crate::paths::TownPaths;
use crate::presets::{AgentsFile, Presets};
use crate::run_dir::replace_link;
use crate::town::{Registry, Town};

/// The names under which agents find this program.
const PROGRAMS: [&str; 3] = ["gastown", "gt", "bd"];

/// Makes a town at `path` with the given `name` and, if any, the preset of its agents; returns its places.
///
/// Makes `path` and the folders above it as needed. Refuses with `already_a_town`, with `not_empty` when the
/// folder holds anything, with `no_such_preset` when no shipped preset is called `default_agent`, and with
/// `cannot_create` when the disk does not let it.
pub fn create_town(
    path: &Path,
    name: &str,
    default_agent: Option<&str>,
    now: Timestamp,
) -> Result<TownPaths, Refusal> {
    if name.trim().is_empty() || name.chars().any(char::is_control) {
        return Err(Refusal::usage(format!("{name:?} is no name for a town")));
    }
    if let Some(preset) = default_agent {
        Presets::shipped().map_err(Refusal::from)?.get(preset).map_err(|refusal| {
            let hint = refusal.hint.clone().unwrap_or_default();
            refusal.hint(format!(
                "{hint} (a preset of your own goes into config/agents.json of the finished town, \
                 its name into \"default_agent\" of config/town.json)"
            ))
        })?;
    }
    if TownPaths::new(path).town_json().exists() {
        return Err(Refusal::forbidden("already_a_town", format!("{} is a town already", path.display()))
            .hint(format!("go there and start it: cd {} && gastown run", path.display())));
    }

    let cannot = |at: &Path, error: &io::Error| {
        Refusal::failed("cannot_create", format!("cannot make a town at {}: {error}", path.display()))
            .hint(write_hint(at, error))
    };
    fs::create_dir_all(path).map_err(|error| cannot(path, &error))?;
    let inside = path.join("x");
    if fs::read_dir(path).map_err(|error| cannot(path, &error))?.next().is_some() {
        return Err(Refusal::forbidden(
            "not_empty",
            format!("{} holds something else already", path.display()),
        )
        .hint("choose an empty folder, or one that does not exist yet"));
    }

    let paths = TownPaths::new(path);
    let mut made = Vec::new();
    let done = paths
        .folders()
        .into_iter()
        .try_for_each(|(folder, private)| {
            let mode = if private { 0o700 } else { 0o755 };
            DirBuilder::new().mode(mode).create(&folder).map_err(|error| cannot(&inside, &error))?;
            made.push(folder);
            Ok(())
        })
        .and_then(|()| write_files(&paths, name, default_agent, now).map_err(Refusal::from));
    if done.is_err() {
        // The folder was empty, so all of this is ours; a second try must not find it "not empty".
        for folder in made {
            let _ = fs::remove_dir_all(folder);
        }
    }
    done.map(|()| paths)
}

/// Makes those folders of a town that are not there, as a new town has them; for a town that comes from
/// elsewhere. Returns the first that cannot be made.
pub fn complete_folders(paths: &TownPaths) -> Result<(), ConfigError> {
    for (folder, private) in paths.folders() {
        let mode = if private { 0o700 } else { 0o755 };
        match DirBuilder::new().mode(mode).create(&folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(ConfigError::Write { file: folder, source: error });
            }
            _ => {}
        }
    }
    Ok(())
}

fn write_files(
    paths: &TownPaths,
    name: &str,
    default_agent: Option<&str>,
    now: Timestamp,
) -> Result<(), ConfigError> {
    Registry::default().write(paths)?;
    document::write(&paths.agents_json(), &AgentsFile::<Value>::empty())?;
    document::write(&paths.escalation_json(), &Escalation::default())?;
    // Last, because this file is what makes the folder a town: there are no half ones.
    let mut town = Town::new(name, now);
    town.default_agent = default_agent.map(str::to_owned);
    town.write(paths)
}

/// Makes the folders of a new rig; refuses with `folder_in_use` when there is something of its name.
pub fn create_rig_folders(paths: &TownPaths, rig: &RigName) -> Result<(), Refusal> {
    let places = paths.rig(rig);
    let cannot = |error: &io::Error| {
        Refusal::failed("cannot_create", format!("cannot make the folder of rig {rig}: {error}"))
            .hint(write_hint(places.root(), error))
    };
    match fs::create_dir(places.root()) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(Refusal::forbidden(
                "folder_in_use",
                format!("{} is there already", places.root().display()),
            )
            .hint("give the rig another name, or move that folder away"));
        }
        other => other.map_err(|error| cannot(&error))?,
    }
    for folder in [places.formulas(), places.plugins(), places.beads()] {
        fs::create_dir(folder).map_err(|error| cannot(&error))?;
    }
    Ok(())
}

/// Points `gastown`, `gt` and `bd` in the town's `bin` at `binary`. Done at every start, because the
/// program may have moved.
pub fn link_binaries(paths: &TownPaths, binary: &Path) -> Result<(), ConfigError> {
    let bin = paths.bin();
    fs::create_dir_all(&bin).map_err(|source| ConfigError::Write { file: bin.clone(), source })?;
    for name in PROGRAMS {
        let file = bin.join(name);
        replace_link(binary, &file).map_err(|source| ConfigError::Write { file, source })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use model::refusal::Class;

    use super::*;

    fn install(path: &Path) -> Result<TownPaths, Refusal> {
        create_town(path, "harbour", Some("shell"), Timestamp::from_millis(1))
    }

    #[test]
    fn a_new_town_is_complete_and_reads_back() {
        let base = tempfile::tempdir().unwrap();
        let paths = install(&base.path().join("deep/town")).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!([mode(&paths.run_dir()), mode(&paths.ledger()), mode(&paths.logs())], [0o700; 3]);
        for folder in
            [paths.bin(), paths.mayor(), paths.deacon(), paths.plugins(), paths.formulas(), paths.beads()]
        {
            assert!(folder.is_dir(), "{}", folder.display());
        }
        let town = Town::read(&paths).unwrap();
        assert_eq!((town.name.as_str(), town.default_agent.as_deref()), ("harbour", Some("shell")));
        assert_eq!(Registry::read(&paths).unwrap(), Registry::default());
        assert_eq!(Presets::load(&paths).unwrap(), Presets::shipped().unwrap());
        document::read::<Escalation>(&paths.escalation_json()).unwrap();
    }

    #[test]
    fn an_empty_folder_will_do_and_a_used_one_will_not() {
        let base = tempfile::tempdir().unwrap();
        install(base.path()).unwrap();
        let refusal = install(base.path()).unwrap_err();
        assert_eq!((refusal.class, refusal.code.as_str()), (Class::Forbidden, "already_a_town"));

        let used = tempfile::tempdir().unwrap();
        fs::create_dir(used.path().join(".git")).unwrap();
        let refusal = install(used.path()).unwrap_err();
        assert_eq!((refusal.class, refusal.code.as_str()), (Class::Forbidden, "not_empty"));
        assert_eq!(fs::read_dir(used.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_the_disk_refuses_is_told_with_a_hint() {
        let base = tempfile::tempdir().unwrap();
        fs::write(base.path().join("file"), "").unwrap();
        for path in [base.path().join("file"), base.path().join("file/town"), "/proc/town".into()] {
            let refusal = install(&path).unwrap_err();
            assert_eq!((refusal.class, refusal.code.as_str()), (Class::Failed, "cannot_create"), "{path:?}");
            assert!(refusal.hint.is_some());
        }
    }

    #[test]
    fn a_preset_that_does_not_ship_is_refused_before_anything_is_made() {
        let base = tempfile::tempdir().unwrap();
        let refusal = create_town(base.path(), "harbour", Some("shel"), Timestamp::default()).unwrap_err();
        assert_eq!(refusal.code, "no_such_preset");
        assert!(refusal.hint.unwrap().starts_with("did you mean \"shell\"?"));
        assert_eq!(fs::read_dir(base.path()).unwrap().count(), 0);
        assert_eq!(
            create_town(base.path(), " ", None, Timestamp::default()).unwrap_err().class,
            Class::Usage
        );
    }

    #[test]
    fn the_programs_follow_the_binary() {
        let base = tempfile::tempdir().unwrap();
        let paths = install(base.path()).unwrap();
        for binary in [Path::new("/opt/one"), Path::new("/opt/two"), Path::new("/opt/two")] {
            link_binaries(&paths, binary).unwrap();
            for name in PROGRAMS {
                assert_eq!(fs::read_link(paths.bin().join(name)).unwrap(), binary);
            }
        }
        assert_eq!(fs::read_dir(paths.bin()).unwrap().count(), PROGRAMS.len());
    }

    #[test]
    fn a_rig_never_moves_into_a_folder_that_is_there() {
        let base = tempfile::tempdir().unwrap();
        let paths = install(base.path()).unwrap();
        let rig: RigName = "web".parse().unwrap();
        create_rig_folders(&paths, &rig).unwrap();
        assert!(paths.rig(&rig).beads().is_dir());
        assert_eq!(create_rig_folders(&paths, &rig).unwrap_err().code, "folder_in_use");
    }
}
