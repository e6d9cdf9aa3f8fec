//! A town's files, taken up again when they change.
//!
//! A file that has become invalid changes nothing: what it said last stays in force, and a
//! [`Complaint`] says so, once for every change of the file. A town must not stop because somebody
//! saved half a sentence.
//!
//! Rigs are those of the registry and any folder with a rig's file of its own, so that a folder that
//! was moved in from elsewhere is found.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::ids::{Prefix, RigName};
use model::refusal::Refusal;
use model::role::Role;

use crate::document::{self, ConfigError};
use crate::escalation::Escalation;
use crate::paths::TownPaths;
use crate::preset::Preset;
use crate::presets::Presets;
use crate::rig::{RigConfig, RigFile};
use crate::town::{Registry, Town};
use crate::watched::{Stamp, Watched};

/// Everything that a town is told, at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TownConfig {
    /// The town itself.
    pub town: Town,
    /// Its rigs.
    pub rigs: BTreeMap<RigName, RigConfig>,
    /// The presets of its agents.
    pub presets: Presets,
    /// When a person has to hear of something.
    pub escalation: Escalation,
}

impl TownConfig {
    /// Returns the rig called `name`, or refuses with `no_such_rig` and what is near.
    pub fn rig(&self, name: &RigName) -> Result<&RigConfig, Refusal> {
        self.rigs
            .get(name)
            .ok_or_else(|| Refusal::no_such("rig", name.as_str(), self.rigs.keys().map(RigName::as_str)))
    }

    /// Returns the rig whose beads begin with `prefix`.
    pub fn rig_of_prefix(&self, prefix: &str) -> Option<&RigConfig> {
        self.rigs.values().find(|rig| rig.prefix().as_str() == prefix)
    }

    /// Refuses with `prefix_in_use` when `prefix` belongs to a rig or to the town.
    pub fn check_prefix(&self, prefix: &Prefix) -> Result<(), Refusal> {
        let owner = match self.rig_of_prefix(prefix.as_str()) {
            Some(rig) => format!("rig {}", rig.name),
            None if *prefix == Prefix::town() => "the town itself".into(),
            None => return Ok(()),
        };
        Err(Refusal::forbidden(
            "prefix_in_use",
            format!("the prefix {prefix:?} belongs to {owner}", prefix = prefix.as_str()),
        )
        .hint("choose another one with `--prefix P`"))
    }

    /// Returns the preset of an agent of `role` in `rig`, if it is in one: see [`Presets::for_agent`].
    pub fn preset(&self, rig: Option<&RigName>, role: Role, asked: Option<&str>) -> Result<&Preset, Refusal> {
        let rig = rig.map(|rig| self.rig(rig)).transpose()?;
        self.presets.for_agent(&self.town, rig, role, asked)
    }
}

/// A file that cannot be taken as it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Complaint {
    /// Which.
    pub file: PathBuf,
    /// What is wrong with it, and what is done meanwhile.
    pub text: String,
}

/// What a look at the files has brought.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refresh {
    /// Whether [`LiveConfig::current`] says something else than before.
    pub changed: bool,
    /// Complaints that have not been made yet.
    pub complaints: Vec<Complaint>,
}

/// The configuration of a town as it is now.
#[derive(Debug)]
pub struct LiveConfig {
    paths: TownPaths,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    town: Watched<Town>,
    registry: Watched<Registry>,
    presets: Watched<Presets>,
    escalation: Watched<Escalation>,
    rigs: BTreeMap<RigName, Watched<Option<RigFile>>>,
    current: Arc<TownConfig>,
    /// Complaints that have been made and still hold.
    made: BTreeSet<(Stamp, Complaint)>,
}

impl LiveConfig {
    /// Reads a town's files.
    ///
    /// With the town's own files there is no last good state to fall back on, so a wrong one is an
    /// error. A rig whose file is wrong is left out, with a complaint.
    pub fn load(paths: TownPaths) -> Result<(Self, Vec<Complaint>), ConfigError> {
        let town = Watched::open(paths.town_json(), document::read::<Town>)?;
        let registry = Watched::open(paths.rigs_json(), document::read_or_default)?;
        let presets = Watched::open(paths.agents_json(), Presets::read)?;
        let escalation = Watched::open(paths.escalation_json(), document::read_or_default::<Escalation>)?;
        let current = Arc::new(TownConfig {
            town: town.good.clone(),
            rigs: BTreeMap::new(),
            presets: presets.good.clone(),
            escalation: escalation.good.clone(),
        });
        let (rigs, made) = (BTreeMap::new(), BTreeSet::new());
        let mut state = State { town, registry, presets, escalation, rigs, current, made };
        let complaints = state.refresh(&paths).complaints;
        Ok((Self { paths, state: Mutex::new(state) }, complaints))
    }

    /// Where the town is.
    pub fn paths(&self) -> &TownPaths {
        &self.paths
    }

    /// Returns what is in force.
    pub fn current(&self) -> Arc<TownConfig> {
        Arc::clone(&self.lock().current)
    }

    /// Looks at every file and takes up what has changed. Reads only changed files; blocks on the disk.
    pub fn refresh(&self) -> Refresh {
        self.lock().refresh(&self.paths)
    }

    /// What is wrong with the files now.
    pub fn complaints(&self) -> Vec<Complaint> {
        self.lock().made.iter().map(|(_, complaint)| complaint.clone()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Whatever panicked while it held the lock, the files are compared again by the next refresh.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn refresh(&mut self, paths: &TownPaths) -> Refresh {
        self.town.look();
        self.registry.look();
        self.presets.look();
        self.escalation.look();
        self.find_rigs(paths);

        let mut problems = BTreeSet::new();
        problems.extend(problem(&self.town, KEPT));
        problems.extend(problem(&self.registry, KEPT));
        problems.extend(problem(&self.presets, KEPT));
        problems.extend(problem(&self.escalation, KEPT));
        let rigs = self.agree_on_rigs(&mut problems);
        let next = TownConfig {
            town: self.town.good.clone(),
            rigs,
            presets: self.presets.good.clone(),
            escalation: self.escalation.good.clone(),
        };

        let changed = *self.current != next;
        if changed {
            self.current = Arc::new(next);
        }
        let complaints = problems.difference(&self.made).map(|(_, complaint)| complaint.clone()).collect();
        self.made = problems;
        Refresh { changed, complaints }
    }

    /// Brings the watched rigs in line with the registry and the folders, and looks at each.
    fn find_rigs(&mut self, paths: &TownPaths) {
        let registered = &self.registry.good.rigs;
        self.rigs.retain(|name, rig| registered.contains_key(name) || rig.file.exists());
        let strangers =
            folders_of_rigs(paths, |name| !registered.contains_key(name) && !self.rigs.contains_key(name));
        for name in registered.keys().cloned().chain(strangers) {
            let file = paths.rig(&name).config();
            self.rigs
                .entry(name)
                .or_insert_with(|| Watched::new(file, |file| document::read(file).map(Some), None));
        }
        self.rigs.values_mut().for_each(Watched::look);
    }

    /// Returns the rigs that can be in force together.
    fn agree_on_rigs(&self, problems: &mut BTreeSet<(Stamp, Complaint)>) -> BTreeMap<RigName, RigConfig> {
        let before = |name: &RigName| self.current.rigs.get(name);
        let meanwhile = |name: &RigName| if before(name).is_some() { KEPT } else { LEFT_OUT };

        let mut candidates = Vec::new();
        for (name, watched) in &self.rigs {
            problems.extend(problem(watched, meanwhile(name)));
            let Some(file) = &watched.good else { continue };
            match file.complete(&watched.file, name, self.registry.good.rigs.get(name)) {
                Ok(rig) => candidates.push((watched, rig)),
                Err(error) => {
                    problems.insert(complaint(watched, error.to_string(), meanwhile(name)));
                    candidates.extend(before(name).map(|rig| (watched, rig.clone())));
                }
            }
        }

        // A prefix belongs to one rig. Who has had it keeps it, whatever a newcomer is called.
        candidates.sort_by_key(|(_, rig)| before(&rig.name).map(RigConfig::prefix) != Some(rig.prefix()));
        let mut owners = BTreeMap::from([(Prefix::town(), "the town".to_owned())]);
        let mut rigs = BTreeMap::new();
        for (watched, rig) in candidates {
            let name = rig.name.clone();
            let chosen = match owners.get(rig.prefix()) {
                None => Some(rig),
                Some(owner) => {
                    let text = format!(
                        "{}: the prefix {:?} belongs to {owner}",
                        watched.file.display(),
                        rig.prefix().as_str()
                    );
                    problems.insert(complaint(watched, text, meanwhile(&name)));
                    before(&name).filter(|old| !owners.contains_key(old.prefix())).cloned()
                }
            };
            if let Some(rig) = chosen {
                owners.insert(rig.prefix().clone(), format!("rig {name}"));
                rigs.insert(name, rig);
            }
        }
        rigs
    }
}

const KEPT: &str = "what it said before stays in force";
const LEFT_OUT: &str = "the rig is left out until it is mended";

fn problem<T>(watched: &Watched<T>, meanwhile: &str) -> Option<(Stamp, Complaint)> {
    watched.wrong.clone().map(|text| complaint(watched, text, meanwhile))
}

/// A complaint, and the state of the file that gave rise to it: in another state it is another one.
fn complaint<T>(watched: &Watched<T>, text: String, meanwhile: &str) -> (Stamp, Complaint) {
    (watched.stamp(), Complaint { file: watched.file.clone(), text: format!("{text}; {meanwhile}") })
}

/// Returns the folders among those `wanted` that hold a rig's file. Other programs have files of that
/// name too, so one that does not even mention a rig is not complained about.
fn folders_of_rigs(paths: &TownPaths, wanted: impl Fn(&RigName) -> bool) -> Vec<RigName> {
    let Ok(entries) = fs::read_dir(paths.root()) else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<RigName>().ok())
        .filter(|name| wanted(name))
        .filter(|name| {
            document::read_text(&paths.rig(name).config()).is_ok_and(|text| text.contains("\"rig\""))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use model::time::Timestamp;

    use crate::install::{create_rig_folders, create_town};
    use crate::town::register_rig;

    use super::*;

    struct Fixture {
        _folder: tempfile::TempDir,
        paths: TownPaths,
    }

    fn fixture() -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        let paths = create_town(folder.path(), "harbour", Some("shell"), Timestamp::default()).unwrap();
        Fixture { _folder: folder, paths }
    }

    fn add(paths: &TownPaths, name: &str, prefix: &str) -> RigConfig {
        let rig = RigConfig::new(name.parse().unwrap(), "/srv/origin.git", prefix.parse().unwrap());
        create_rig_folders(paths, &rig.name).unwrap();
        register_rig(paths, &rig, Timestamp::default()).unwrap();
        rig
    }

    fn names(live: &LiveConfig) -> Vec<String> {
        live.current().rigs.keys().map(RigName::to_string).collect()
    }

    #[test]
    fn a_change_is_taken_up_and_nothing_new_is_no_change() {
        let Fixture { paths, _folder } = fixture();
        let (live, complaints) = LiveConfig::load(paths.clone()).unwrap();
        assert!(complaints.is_empty());
        assert_eq!(live.refresh(), Refresh::default());

        let mut rig = add(&paths, "web", "web");
        assert_eq!(live.refresh(), Refresh { changed: true, complaints: vec![] });
        assert_eq!(live.current().rig(&rig.name).unwrap(), &rig);

        rig.worker_spawn_delay = Duration::ZERO;
        rig.write(&paths).unwrap();
        assert!(live.refresh().changed);
        assert_eq!(live.current().rigs[&rig.name].worker_spawn_delay, Duration::ZERO);

        fs::write(paths.agents_json(), r#"{"version":1,"agents":{"mine":{"command":"x"}}}"#).unwrap();
        assert!(live.refresh().changed);
        assert!(live.current().presets.get("mine").is_ok());
        assert_eq!(live.refresh(), Refresh::default());
    }

    #[test]
    fn an_invalid_file_keeps_what_was_good_and_complains_once_per_change() {
        let Fixture { paths, _folder } = fixture();
        let rig = add(&paths, "web", "web");
        let (live, _) = LiveConfig::load(paths.clone()).unwrap();
        let before = live.current();
        let file = paths.rig(&rig.name).config();

        for text in ["{\"type\": \"rig\",\n\"gats\": []}", "{\"type\": \"rig\"\n,\"gats\": []}"] {
            fs::write(&file, text).unwrap();
            let Refresh { changed, complaints } = live.refresh();
            assert!(!changed);
            assert_eq!(complaints.len(), 1);
            assert_eq!(complaints[0].file, file);
            let (place, rest) = complaints[0].text.split_once(".json:").unwrap();
            assert!(place.ends_with("web/config"));
            assert_eq!(
                rest,
                "2: unknown key \"gats\" (did you mean \"gates\"?); what it said before stays in force"
            );
            assert_eq!(live.refresh(), Refresh::default());
        }
        fs::remove_file(&file).unwrap();
        assert_eq!(live.refresh().complaints.len(), 1);
        assert!(Arc::ptr_eq(&before, &live.current()));

        rig.write(&paths).unwrap();
        assert_eq!(live.refresh(), Refresh::default());
        fs::write(paths.town_json(), "{").unwrap();
        assert_eq!(live.refresh().complaints.len(), 1);
        assert!(LiveConfig::load(paths).is_err());
    }

    #[test]
    fn a_rig_is_found_by_its_folder_and_gone_with_it() {
        let Fixture { paths, _folder } = fixture();
        let (live, _) = LiveConfig::load(paths.clone()).unwrap();
        for (folder, text) in [
            ("moved", r#"{"type": "rig", "git_url": "/srv/moved.git"}"#),
            ("strange", r#"{"compilerOptions": {}}"#),
            ("broken", r#"{"type": "rig", "git_ulr": "/srv/x"}"#),
        ] {
            fs::create_dir(paths.root().join(folder)).unwrap();
            fs::write(paths.root().join(folder).join("config.json"), text).unwrap();
        }
        let refresh = live.refresh();
        assert_eq!(names(&live), ["moved"]);
        assert_eq!(refresh.complaints.len(), 1);
        assert!(refresh.complaints[0].text.ends_with("the rig is left out until it is mended"));
        fs::remove_dir_all(paths.root().join("moved")).unwrap();
        assert!(live.refresh().changed);
        assert!(names(&live).is_empty());
    }

    #[test]
    fn a_prefix_stays_with_the_rig_that_had_it() {
        let Fixture { paths, _folder } = fixture();
        let web = add(&paths, "web", "w");
        let (live, _) = LiveConfig::load(paths.clone()).unwrap();
        let mut api = add(&paths, "api", "w");
        let refresh = live.refresh();
        assert_eq!(names(&live), ["web"]);
        assert!(refresh.complaints[0].text.contains("the prefix \"w\" belongs to rig web"));
        let current = live.current();
        assert_eq!(current.check_prefix(web.prefix()).unwrap_err().code, "prefix_in_use");
        assert_eq!(current.check_prefix(&Prefix::town()).unwrap_err().code, "prefix_in_use");

        api.beads.prefix = "a".parse().unwrap();
        api.write(&paths).unwrap();
        assert_eq!(live.refresh(), Refresh { changed: true, complaints: vec![] });
        assert_eq!(names(&live), ["api", "web"]);
        api.beads.prefix = "hq".parse().unwrap();
        api.write(&paths).unwrap();
        assert!(!live.refresh().changed);
        assert_eq!(live.current().rig_of_prefix("a").unwrap().name.as_str(), "api");
    }

    #[test]
    fn an_agent_gets_the_preset_of_its_place() {
        let Fixture { paths, _folder } = fixture();
        let mut rig = add(&paths, "web", "web");
        rig.agent = Some("claude".into());
        rig.write(&paths).unwrap();
        let (live, _) = LiveConfig::load(paths).unwrap();
        let current = live.current();
        assert_eq!(current.preset(Some(&rig.name), Role::Polecat, None).unwrap().name, "claude");
        assert_eq!(current.preset(None, Role::Mayor, None).unwrap().name, "shell");
        let refusal = current.preset(Some(&"wbe".parse().unwrap()), Role::Polecat, None).unwrap_err();
        assert_eq!(refusal.code, "no_such_rig");
    }
}
