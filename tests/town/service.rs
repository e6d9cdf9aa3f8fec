//! The service that brings a town back: what is written, what the manager is told, and what is said when it
//! cannot be. The manager is a script on PATH.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use crate::support::Town;

/// A town whose `systemctl` writes down what it is told, and answers what is in files beside it.
struct Site {
    town: Town,
    bin: PathBuf,
}

impl Site {
    fn new() -> Site {
        let mut town = Town::new();
        let bin = town.folder.join("fake");
        fs::create_dir(&bin).unwrap();
        let path = format!("{}:{}", bin.display(), town.env["PATH"]);
        town.env.insert("PATH".into(), path);
        town.env.insert("USER".into(), "nobody-at-all".into());
        let site = Site { town, bin };
        site.manager(
            "echo \"$*\" >> $(dirname $0)/told\ncase \"$2\" in is-enabled) echo enabled;; is-active) echo active;; esac",
        );
        site
    }

    fn manager(&self, script: &str) {
        let path = self.bin.join("systemctl");
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn told(&self) -> Vec<String> {
        let text = fs::read_to_string(self.bin.join("told")).unwrap_or_default();
        let _ = fs::remove_file(self.bin.join("told"));
        text.lines().filter(|line| !line.contains(" is-")).map(str::to_owned).collect()
    }

    fn unit(&self) -> PathBuf {
        self.town.folder.join("home/.config/systemd/user/gastown-town.service")
    }
}

#[test]
fn a_service_is_installed_once_looked_at_and_removed() {
    let site = Site::new();
    let (town, unit) = (&site.town, site.unit());
    let shown = town.gastown(&["service", "install", "--dry-run"]).ok().stdout;
    assert!(shown.contains("[Service]") && shown.contains(unit.to_str().unwrap()), "{shown}");
    assert!(!unit.exists() && site.told().is_empty(), "nothing was done");
    assert_eq!(town.json(&["service", "status"])["installed"], false);
    site.told();

    let report = town.json(&["service", "install"]);
    assert_eq!((&report["installed"], &report["current"]), (&true.into(), &true.into()), "{report}");
    let text = fs::read_to_string(&unit).unwrap();
    assert_eq!(shown.split_once("\n\n").unwrap().1, text);
    let program = env!("CARGO_BIN_EXE_gastown");
    let exec = format!("ExecStart=\"{program}\" run --town \"{}\"", town.root.display());
    assert!(text.contains(&exec) && text.contains("Restart=on-failure") && text.contains("KillMode=mixed"));
    assert!(text.contains(&format!("Environment=\"PATH={}\"", town.env["PATH"])), "{text}");
    assert_eq!(site.told(), ["--user daemon-reload", "--user enable --now gastown-town.service"]);
    let left = report["left"].to_string();
    assert!(left.contains("loginctl enable-linger nobody-at-all"), "{left}");

    let again = town.json(&["service", "install", "--no-start"]);
    assert!(again["did"].to_string().contains("is up to date"), "{again}");
    assert_eq!(site.told(), ["--user daemon-reload", "--user enable gastown-town.service"]);
    let status = town.json(&["service", "status"]);
    assert_eq!((&status["active"], &status["enabled"]), (&"active".into(), &"enabled".into()), "{status}");
    assert!(town.gastown(&["service", "status"]).ok().stdout.contains("active"));

    fs::write(&unit, text.replace("RestartSec=2", "RestartSec=1")).unwrap();
    assert_eq!(town.json(&["service", "status"])["current"], false);
    let mended = town.json(&["service", "install"]);
    assert!(mended["did"].to_string().contains("brought up to date"), "{mended}");
    assert_eq!(fs::read_to_string(&unit).unwrap(), text);

    site.told();
    town.gastown(&["service", "uninstall"]).ok();
    assert!(!unit.exists());
    assert_eq!(site.told(), ["--user disable --now gastown-town.service", "--user daemon-reload"]);
    let nothing = town.gastown(&["service", "uninstall"]).ok();
    assert!(nothing.stdout.contains("there is no"), "{nothing:?}");
}

#[test]
fn systemd_takes_the_unit_for_a_good_one() {
    let site = Site::new();
    site.town.gastown(&["service", "install"]).ok();
    let run = site.town.folder.join("run");
    fs::create_dir(&run).unwrap();
    let mut verify = Command::new("systemd-analyze");
    verify.args(["verify", "--user"]).arg(site.unit()).env("XDG_RUNTIME_DIR", &run);
    verify.env("HOME", site.town.folder.join("home"));
    match verify.output() {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && !said.contains("gastown"), "{said}");
        }
        Err(error) => eprintln!("SKIPPED: systemd-analyze cannot be run: {error}"),
    }
}

#[test]
fn where_no_manager_answers_the_unit_is_written_and_the_rest_is_said() {
    let site = Site::new();
    site.manager("echo 'Failed to connect to bus' >&2; exit 1");
    let report = site.town.json(&["service", "install"]);
    assert!(site.unit().exists());
    let left = report["left"].to_string();
    assert!(left.contains("Failed to connect to bus"), "{left}");
    assert!(left.contains("systemctl --user enable --now gastown-town.service"), "{left}");
    assert_eq!(site.town.json(&["service", "status"])["active"], serde_json::Value::Null);
    site.town.gastown(&["service", "uninstall"]).ok();
    assert!(!site.unit().exists());
}

#[test]
fn a_town_that_is_up_already_is_not_started_twice() {
    let site = Site::new();
    site.manager("echo \"$*\" >> $(dirname $0)/told\ncase \"$2\" in is-active) echo inactive; exit 3;; esac");
    let running = site.town.run();
    let report = site.town.json(&["service", "install"]);
    assert_eq!(site.told().last().unwrap(), "--user enable gastown-town.service");
    assert!(report["left"].to_string().contains("gastown stop"), "{report}");
    running.stop();
}

#[test]
fn two_towns_of_one_name_have_a_service_each_and_secrets_are_in_neither() {
    let site = Site::new();
    let mut town = Town::unmade();
    town.env.clone_from(&site.town.env);
    town.env.insert("ANTHROPIC_API_KEY".into(), "hush-hush".into());
    town.gastown_in(&town.folder, &["install", "town", "--agent", "shell"]).ok();
    site.town.gastown(&["service", "install"]).ok();
    let other = town.json(&["service", "install"]);
    let folder = site.unit().parent().unwrap().to_owned();
    let files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 2, "{files:?}");
    assert!(files.iter().all(|file| !fs::read_to_string(file).unwrap().contains("hush-hush")));
    let left = other["left"].to_string();
    assert!(left.contains("ANTHROPIC_API_KEY") && !left.contains("hush-hush"), "{left}");
    town.gastown(&["service", "uninstall"]).ok();
    assert!(site.unit().exists(), "the other town's service stays");
}

#[test]
fn an_agent_decides_nothing_about_the_machine() {
    let mut site = Site::new();
    site.town.env.insert("GASTOWN_TOKEN".into(), "x".into());
    site.town.env.insert("GASTOWN_AGENT".into(), "web/polecats/docs".into());
    site.town.gastown(&["service", "install", "--json"]).refused(5, "operator_only");
    assert!(!site.unit().exists());
}
