//! What the front door lends to the command line.

use std::ffi::OsString;
use std::path::Path;

use cli::{
    Conformance, Host, InstallOptions, Installed, RestoreOptions, RunOptions, ServiceOrder, ServiceReport,
    TestOptions,
};
use config::{Presets, Town, TownPaths};
use model::backup::{Backup, Restored, Verified};
use model::command::Origin;
use model::refusal::Refusal;
use model::role::{Address, Role};
use model::time::{Clock, SystemClock};
use protocol::wire::Carrier;

use crate::offline::Unopened;

/// The preset of a town's agents when nothing is said and none of the usual programs is installed.
const FALLBACK: &str = "shell";

/// The house behind the front door.
#[derive(Debug, Clone, Copy, Default)]
pub struct House;

impl House {
    /// The house, with nothing awake in it yet.
    pub fn new() -> Self {
        Self
    }
}

impl Host for House {
    fn offline(&self, town: &Path, origin: Origin) -> Result<Box<dyn Carrier>, Refusal> {
        Ok(Box::new(Unopened::new(town, origin)))
    }

    fn run(&self, options: RunOptions) -> u8 {
        crate::run::run(&options)
    }

    fn install(&self, options: InstallOptions) -> Result<Installed, Refusal> {
        let presets = Presets::shipped()?;
        install(options, presets)
    }

    fn restore(&self, order: RestoreOptions) -> Result<Restored, Refusal> {
        let RestoreOptions { dir, town, number } = order;
        let order = backup::Order { dir, town, number };
        let mut restored = backup::restore(&order, &Address::Overseer, SystemClock.now())?;
        let paths = TownPaths::new(&restored.town);
        match crate::program::file() {
            Ok(program) => config::install::link_binaries(&paths, &program)?,
            Err(error) => restored.notes.push(format!("bin/ is filled at the first run: {error}")),
        }
        Ok(restored)
    }

    fn backups(&self, dir: &Path) -> Result<Vec<Backup>, Refusal> {
        backup::list(dir)
    }

    fn verify_backups(&self, dir: &Path) -> Result<Verified, Refusal> {
        backup::verify(dir)
    }

    fn service(&self, order: ServiceOrder) -> Result<ServiceReport, Refusal> {
        crate::service::serve(&order)
    }

    fn test_agent(&self, options: TestOptions) -> Result<Conformance, Refusal> {
        crate::conformance::test(&options)
    }

    fn reaper(&self) -> u8 {
        u8::from(!pty::reaper::watch())
    }

    fn exec_shim(&self, args: Vec<OsString>) -> ! {
        pty::exec_shim(args)
    }

    fn shell_agent(&self, args: Vec<OsString>) -> u8 {
        shell::run(args)
    }
}

fn install(options: InstallOptions, presets: Presets) -> Result<Installed, Refusal> {
    let InstallOptions { path, name, agent } = options;
    let name = match name {
        Some(name) => name,
        None => {
            path.file_name().map_or_else(|| "town".to_owned(), |name| name.to_string_lossy().into_owned())
        }
    };
    let now = SystemClock.now();
    let mut notes = Vec::new();
    let nothing_set = Town::new(name.as_str(), now);
    let usual = presets.for_agent(&nothing_set, None, Role::Polecat, None);
    let agent = match (agent, usual) {
        (Some(agent), _) => Some(agent),
        // Left open: whatever is usual later, too.
        (None, Ok(_)) => None,
        (None, Err(missing)) => {
            notes.push(format!(
                "{}; agents use {FALLBACK:?}, which runs the fenced sh blocks of a bead; to change that, set \
                 \"default_agent\" in config/town.json",
                missing.message
            ));
            Some(FALLBACK.to_owned())
        }
    };
    let paths = config::install::create_town(&path, &name, agent.as_deref(), now)?;
    match crate::program::file() {
        Ok(program) => config::install::link_binaries(&paths, &program)?,
        Err(error) => notes.push(format!("bin/ is filled at the first run: {error}")),
    }
    if let Err(error) = git::version() {
        notes.push(match error.hint() {
            Some(hint) => format!("{error}: {hint}"),
            None => error.to_string(),
        });
    }
    let preset = presets.for_agent(&Town::read(&paths)?, None, Role::Polecat, None)?;
    Ok(Installed { town: paths.root().to_owned(), name, agent: preset.name.clone(), notes })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use model::refusal::Class;

    use super::*;

    fn options(path: &Path) -> InstallOptions {
        InstallOptions { path: path.to_owned(), name: None, agent: None }
    }

    #[test]
    fn a_town_without_a_usual_agent_has_the_one_that_ships_and_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let presets = Presets::shipped().unwrap().with_search_path("/nowhere");
        let made = install(options(&folder.path().join("harbour")), presets.clone()).unwrap();
        assert_eq!((made.name.as_str(), made.agent.as_str()), ("harbour", "shell"));
        assert!(made.notes[0].contains("\"claude\" is not on PATH"), "{:?}", made.notes);
        assert!(made.town.join("bin/gt").is_symlink());

        let refusal = install(options(&made.town), presets).unwrap_err();
        assert_eq!((refusal.class, refusal.code.as_str()), (Class::Forbidden, "already_a_town"));
    }

    #[test]
    fn the_usual_agent_is_left_to_be_chosen_at_each_start() {
        let folder = tempfile::tempdir().unwrap();
        let bin = folder.path().join("bin");
        std::fs::create_dir(&bin).unwrap();
        std::fs::write(bin.join("claude"), "").unwrap();
        std::fs::set_permissions(bin.join("claude"), std::fs::Permissions::from_mode(0o755)).unwrap();
        let presets = Presets::shipped().unwrap().with_search_path(&bin);
        let made = install(options(&folder.path().join("town")), presets.clone()).unwrap();
        assert_eq!((made.agent.as_str(), made.notes.len()), ("claude", 0));
        assert_eq!(Town::read(&config::TownPaths::new(&made.town)).unwrap().default_agent, None);

        let mut named = options(&folder.path().join("other"));
        named.agent = Some("shell".into());
        assert_eq!(install(named, presets).unwrap().agent, "shell");
    }
}
