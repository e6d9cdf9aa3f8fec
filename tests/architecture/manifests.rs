//! Floors, homes and profiles, read from the manifests.

use std::collections::BTreeMap;

use toml::{Table, Value};

use crate::{assert_none, read, root};

/// Every room: its name, its folder, its floor.
const ROOMS: &[(&str, &str, u32)] = &[
    ("faults", "src/faults", 1),
    ("model", "src/model", 1),
    ("config", "src/config", 2),
    ("formulas", "formulas", 2),
    ("git", "src/git", 2),
    ("ledger", "src/ledger", 3),
    ("notify", "src/notify", 2),
    ("protocol", "src/protocol", 2),
    ("pty", "src/pty", 2),
    ("queue", "src/queue", 2),
    ("backup", "src/backup", 4),
    ("clerk", "src/clerk", 4),
    ("actors", "actors", 5),
    ("cli", "src/cli", 5),
    ("shell", "src/shell", 5),
    ("supervisors", "supervisors", 6),
    ("web", "src/web", 6),
    ("daemon", "src/daemon", 7),
];

/// Heavy libraries, and the rooms that may use them.
const HOMES: &[(&str, &[&str])] = &[
    ("sled", &["ledger"]),
    ("portable-pty", &["pty"]),
    ("git2", &["git"]),
    ("clap", &["cli"]),
    ("lettre", &["notify"]),
    ("ureq", &["notify"]),
    ("rustls", &["notify"]),
    ("axum", &["web"]),
    ("ractor", &["actors", "supervisors"]),
];

/// The feature of ractor that leaks spans and in the end overflows the stack.
const LEAKS: &str = "message_span_propogation";

const KINDS: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

/// A house on paper: the root manifest and those of the rooms, by folder.
struct House {
    root: Table,
    rooms: BTreeMap<String, Table>,
}

/// What a manifest depends on.
struct Arrow<'a> {
    /// The package that is meant, whatever it is called here.
    package: String,
    /// As it is written.
    wanted: &'a Value,
}

impl House {
    fn parse(root: &str, rooms: &[(&str, &str)]) -> Self {
        let table = |text: &str| text.parse::<Table>().expect("a manifest is TOML");
        House {
            root: table(root),
            rooms: rooms.iter().map(|(folder, text)| ((*folder).to_owned(), table(text))).collect(),
        }
    }

    /// The house as it stands.
    fn real() -> Self {
        let root_text = read("Cargo.toml");
        let root = root_text.parse::<Table>().unwrap();
        let members = strings(&root["workspace"]["members"]);
        let rooms: Vec<(String, String)> = members
            .into_iter()
            .map(|folder| (folder.clone(), read(format!("{folder}/Cargo.toml"))))
            .collect();
        let rooms: Vec<(&str, &str)> = rooms.iter().map(|(f, t)| (f.as_str(), t.as_str())).collect();
        House::parse(&root_text, &rooms)
    }

    /// The libraries that rooms may ask for by name.
    fn shared(&self) -> Option<&Table> {
        self.root.get("workspace")?.get("dependencies")?.as_table()
    }

    fn arrows<'a>(&'a self, manifest: &'a Table) -> Vec<Arrow<'a>> {
        let kinds = |table: &'a Table| KINDS.iter().filter_map(move |kind| table.get(*kind)?.as_table());
        let targets = manifest.get("target").and_then(Value::as_table).into_iter().flatten();
        let targets = targets.filter_map(|(_, target)| target.as_table());
        let tables = kinds(manifest).chain(targets.flat_map(kinds));
        tables
            .flatten()
            .map(|(name, wanted)| {
                let shared = wanted.get("workspace").and(self.shared()).and_then(|all| all.get(name));
                let renamed = shared.unwrap_or(wanted).get("package").and_then(Value::as_str);
                Arrow { package: renamed.unwrap_or(name).to_owned(), wanted }
            })
            .collect()
    }

    /// Everything that is against the rules, in words.
    fn violations(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (folder, manifest) in &self.rooms {
            let package = manifest["package"]["name"].as_str().unwrap_or_default();
            let room = package.strip_prefix("gastown-").unwrap_or(package);
            let Some((_, place, floor)) = ROOMS.iter().find(|(name, ..)| *name == room) else {
                found.push(format!(
                    "{folder}: the room {room} has no floor in tests/architecture/manifests.rs"
                ));
                continue;
            };
            if folder != place {
                found.push(format!("{folder}: the room {room} belongs into {place}"));
            }
            for arrow in self.arrows(manifest) {
                found.extend(wrong_arrow(room, *floor, &arrow));
            }
        }
        for arrow in self.arrows(&self.root) {
            found.extend(wrong_arrow("the root package", u32::MAX, &arrow));
        }
        for (name, profile) in self.root.get("profile").and_then(Value::as_table).into_iter().flatten() {
            if profile.get("panic").is_some() {
                found.push(format!("profile {name} sets `panic`: supervision needs unwinding"));
            }
        }
        let ractor = self.shared().and_then(|all| all.get("ractor"));
        if ractor.is_some_and(|ractor| ractor.get("default-features") != Some(&Value::Boolean(false))) {
            found.push(format!("ractor has its default features, {LEAKS} among them"));
        }
        if ractor.is_some_and(asks_for_leaks) {
            found.push(format!("ractor has the feature {LEAKS}"));
        }
        found
    }
}

fn wrong_arrow(room: &str, floor: u32, arrow: &Arrow<'_>) -> Option<String> {
    let package = arrow.package.as_str();
    if arrow.wanted.get("workspace").is_none() {
        return Some(format!("{room}: {package} is not taken from [workspace.dependencies]"));
    }
    if asks_for_leaks(arrow.wanted) {
        return Some(format!("{room}: asks for the feature {LEAKS} of {package}"));
    }
    if let Some(other) = package.strip_prefix("gastown-") {
        let below = ROOMS.iter().find(|(name, ..)| *name == other).map(|(.., floor)| *floor);
        return match below {
            Some(below) if below < floor => None,
            Some(below) => Some(format!("{room} (floor {floor}) may not enter {other} (floor {below})")),
            None => Some(format!("{room}: there is no room {other}")),
        };
    }
    let (_, homes) = HOMES.iter().find(|(library, _)| *library == package)?;
    let at_home = homes.contains(&room);
    (!at_home).then(|| format!("{room}: {package} lives in {} alone", homes.join(" and ")))
}

fn asks_for_leaks(wanted: &Value) -> bool {
    wanted.get("features").is_some_and(|features| strings(features).iter().any(|name| name == LEAKS))
}

fn strings(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(|word| Some(word.as_str()?.to_owned())).collect()
}

#[test]
fn every_arrow_between_rooms_points_down_and_heavy_libraries_stay_at_home() {
    assert_none(&House::real().violations());
}

/// Who lets faults happen outside of tests.
fn armed(house: &House) -> Vec<String> {
    let manifests = house.rooms.iter().map(|(folder, manifest)| (folder.as_str(), manifest));
    let mut found = Vec::new();
    for (folder, manifest) in manifests.chain([("the root package", &house.root)]) {
        let tests_only = folder == "the root package";
        for kind in KINDS.iter().filter(|kind| !(tests_only && **kind == "dev-dependencies")) {
            let asks =
                manifest.get(*kind).and_then(|all| all.get("faults")).and_then(|on| on.get("features"));
            if asks.is_some() {
                found.push(format!("{folder}: asks for features of faults in [{kind}]"));
            }
        }
        let features = manifest.get("features").and_then(Value::as_table).into_iter().flatten();
        for (name, list) in features {
            if strings(list).iter().any(|wanted| wanted.starts_with("faults/")) {
                found.push(format!("{folder}: its feature {name} arms faults"));
            }
        }
    }
    let shared = house.shared().and_then(|all| all.get("faults"));
    if shared.is_some_and(|faults| faults.get("features").is_some()) {
        found.push("faults has features for everybody".to_owned());
    }
    found
}

#[test]
fn only_the_program_that_tests_build_can_be_broken_from_outside() {
    assert_none(&armed(&House::real()));
    // What reads the environment is not even compiled without the feature.
    let door = read("src/faults/lib.rs");
    assert!(door.contains("#[cfg(feature = \"armed\")]\nmod armed;"), "{door}");
    assert!(!door.contains("std::env"), "{door}");
}

#[test]
fn whoever_arms_faults_is_found() {
    let root = "[workspace.dependencies]\nfaults = { path = 'f', features = ['armed'] }\n\
                [dependencies]\nfaults = { workspace = true, features = ['armed'] }";
    let room = "[package]\nname = 'gastown-ledger'\n[features]\nloud = ['faults/armed']\n\
                [dev-dependencies]\nfaults = { workspace = true, features = ['armed'] }";
    assert_eq!(armed(&House::parse(root, &[("src/ledger", room)])).len(), 4);
}

#[test]
fn plain_cargo_test_tests_every_room() {
    let root = read("Cargo.toml").parse::<Table>().unwrap();
    let mut all = strings(&root["workspace"]["members"]);
    all.insert(0, ".".to_owned());
    assert_eq!(strings(&root["workspace"]["default-members"]), all);
}

#[test]
fn nobody_but_its_homes_brings_ractor_into_the_house() {
    let lock = read("Cargo.lock").parse::<Table>().unwrap();
    let users: Vec<&str> = lock["package"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|package| {
            let wanted = package.get("dependencies").map(strings).unwrap_or_default();
            wanted.iter().any(|name| name.split(' ').next() == Some("ractor"))
        })
        .filter_map(|package| package["name"].as_str())
        .collect();
    assert_eq!(users, ["gastown-actors", "gastown-supervisors"]);
}

#[test]
fn no_configuration_of_cargo_changes_how_panics_go() {
    for name in [".cargo/config.toml", ".cargo/config"] {
        assert!(!root().join(name).exists(), "{name} can set profiles behind the manifest's back");
    }
}

const SHARED: &str = r#"
    [workspace.dependencies]
    model = { package = "gastown-model", path = "src/model" }
    git = { package = "gastown-git", path = "src/git" }
    ledger = { package = "gastown-ledger", path = "src/ledger" }
    actors = { package = "gastown-actors", path = "actors" }
    store = { package = "sled", version = "1" }
    sled = "1"
"#;

/// Plants `extra` in the manifest of a room, and returns what is found.
fn planted(room: &str, extra: &str) -> Vec<String> {
    let (_, folder, _) = ROOMS.iter().find(|(name, ..)| *name == room).unwrap();
    let manifest = format!("[package]\nname = \"gastown-{room}\"\n{extra}");
    House::parse(SHARED, &[(folder, &manifest)]).violations()
}

#[test]
fn planted_violations_are_found() {
    let check = |room: &str, extra: &str, expected: &str| {
        let found = planted(room, extra);
        assert_eq!(found.len(), 1, "{room}: {extra}: {found:?}");
        assert!(found[0].contains(expected), "{found:?} lacks {expected:?}");
    };
    check(
        "model",
        "[dependencies]\nactors.workspace = true",
        "model (floor 1) may not enter actors (floor 5)",
    );
    check("git", "[dependencies]\nledger.workspace = true", "git (floor 2) may not enter ledger (floor 3)");
    check("git", "[dev-dependencies]\nledger.workspace = true", "may not enter ledger");
    check("git", "[build-dependencies]\nledger.workspace = true", "may not enter ledger");
    check("git", "[target.'cfg(unix)'.dependencies]\nledger.workspace = true", "may not enter ledger");
    check("clerk", "[dependencies]\nsled.workspace = true", "sled lives in ledger alone");
    check("clerk", "[dependencies]\nstore.workspace = true", "sled lives in ledger alone");
    check("clerk", "[dependencies]\nsled = \"1\"", "not taken from [workspace.dependencies]");
    check(
        "model",
        "[dependencies]\nquiet = { package = \"gastown-actors\", path = \"../../actors\" }",
        "gastown-actors is not taken from",
    );
    check(
        "actors",
        &format!("[dependencies]\nractor = {{ workspace = true, features = [\"{LEAKS}\"] }}"),
        "asks for the feature",
    );
    assert_none(&planted("clerk", "[dependencies]\nledger.workspace = true\nmodel.workspace = true"));

    let stranger = "[package]\nname = \"gastown-attic\"";
    assert!(House::parse(SHARED, &[("attic", stranger)]).violations()[0].contains("has no floor"));
    let moved = "[package]\nname = \"gastown-git\"";
    assert!(House::parse(SHARED, &[("git", moved)]).violations()[0].contains("belongs into src/git"));

    for (root, expected) in [
        ("[profile.release]\npanic = \"abort\"", "supervision needs unwinding"),
        ("[workspace.dependencies]\nractor = \"1\"", "default features"),
        ("[dependencies]\nsled.workspace = true", "sled lives in ledger alone"),
    ] {
        let found = House::parse(root, &[]).violations();
        assert!(found.len() == 1 && found[0].contains(expected), "{found:?}");
    }
}
