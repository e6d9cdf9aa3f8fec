//! The service that brings a town back: what is written for systemd and for launchd, and where. Texts and
//! paths alone; who writes them and tells the service manager is the daemon.
//!
//! Both managers are told the same: run `gastown run` in the town's folder, start it again when it fails or
//! is killed, leave it alone when it has ended well. `gastown stop` ends a town with exit code 0, and what a
//! person has stopped stays so.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Who keeps services on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manager {
    /// The user's own systemd.
    Systemd,
    /// The user's own launchd.
    Launchd,
}

impl Manager {
    /// The one of the system that this program was built for.
    pub fn here() -> Self {
        if cfg!(target_os = "macos") { Manager::Launchd } else { Manager::Systemd }
    }

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Manager::Systemd => "systemd",
            Manager::Launchd => "launchd",
        }
    }

    /// The folder of the user's services.
    ///
    /// * `home` - the user's.
    /// * `config` - `$XDG_CONFIG_HOME`, if it is set.
    pub fn folder(self, home: &Path, config: Option<&Path>) -> PathBuf {
        match self {
            Manager::Systemd => {
                config.map_or_else(|| home.join(".config"), Path::to_owned).join("systemd/user")
            }
            Manager::Launchd => home.join("Library/LaunchAgents"),
        }
    }

    /// What the service called `slug` is called by the manager.
    pub fn name(self, slug: &str) -> String {
        match self {
            Manager::Systemd => format!("gastown-{slug}.service"),
            Manager::Launchd => format!("dev.gastown.{slug}"),
        }
    }

    /// The file of the service called `slug`.
    pub fn file(self, slug: &str) -> String {
        match self {
            Manager::Systemd => self.name(slug),
            Manager::Launchd => format!("{}.plist", self.name(slug)),
        }
    }

    /// The whole text of that file.
    pub fn render(self, service: &Service) -> String {
        match self {
            Manager::Systemd => service.unit(),
            Manager::Launchd => service.plist(),
        }
    }

    /// The town that a file is for, if it is one of ours.
    pub fn town_of(self, text: &str) -> Option<PathBuf> {
        match self {
            Manager::Systemd => text.lines().find_map(|line| line.strip_prefix("Town=")).map(PathBuf::from),
            Manager::Launchd => {
                let rest = text.split("<key>WorkingDirectory</key>").nth(1)?;
                let (path, _) = rest.split_once("<string>")?.1.split_once("</string>")?;
                let plain = path.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
                Some(PathBuf::from(plain.replace("&amp;", "&")))
            }
        }
    }
}

/// What a service runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// What the town is called.
    pub town_name: String,
    /// Its part of the service's name.
    pub slug: String,
    /// This program, as an absolute path.
    pub program: PathBuf,
    /// The town's folder.
    pub town: PathBuf,
    /// Variables that it is given: a service manager passes on next to nothing.
    pub env: Vec<(String, String)>,
    /// A file with further variables, which may be secrets; it need not be there.
    pub env_file: PathBuf,
}

/// How long an orderly end may take: the town's own graces, and what comes after them.
const STOP_WITHIN: u32 = 90;

impl Service {
    fn unit(&self) -> String {
        let town = self.town.display().to_string();
        let mut env = String::new();
        for (name, value) in &self.env {
            let _ = writeln!(env, "Environment={}", quoted(&format!("{name}={value}"), false));
        }
        format!(
            "# Written by `gastown service install`. What is changed here by hand is lost when that is said again;\n\
             # put it into a drop-in: systemctl --user edit UNIT\n\
             [Unit]\n\
             Description=Gas Town {name}\n\
             StartLimitIntervalSec=300\n\
             StartLimitBurst=5\n\
             \n\
             [Service]\n\
             Type=exec\n\
             ExecStart={program} run --town {town_arg}\n\
             WorkingDirectory={folder}\n\
             {env}EnvironmentFile=-{env_file}\n\
             # Again after a crash or a kill; not after `gastown stop`, nor when the town is up already (3).\n\
             Restart=on-failure\n\
             RestartSec=2\n\
             RestartPreventExitStatus=2 3\n\
             # The runtime ends its agents in order; whatever is left after that is killed.\n\
             KillMode=mixed\n\
             TimeoutStopSec={STOP_WITHIN}\n\
             # An agent that takes too much memory is the town's to deal with.\n\
             OOMPolicy=continue\n\
             \n\
             [Install]\n\
             WantedBy=default.target\n\
             \n\
             [X-Gastown]\n\
             Town={town}\n",
            name = percent(&one_line(&self.town_name)),
            program = quoted(&self.program.display().to_string(), true),
            town_arg = quoted(&town, true),
            folder = percent(&town),
            env_file = percent(&self.env_file.display().to_string()),
        )
    }

    fn plist(&self) -> String {
        let string = |text: &str| format!("<string>{}</string>", escaped(text));
        let mut env = String::new();
        for (name, value) in &self.env {
            let _ = writeln!(env, "        <key>{}</key>{}", escaped(name), string(value));
        }
        let town = self.town.display().to_string();
        let log = self.town.join("logs/service.log").display().to_string();
        // launchd knows no files with variables: a shell reads it, if it is there, and becomes the program.
        let script = "set -a; [ ! -r \"$1\" ] || . \"$1\"; shift; exec \"$@\"";
        let env_file = self.env_file.display().to_string();
        let program = self.program.display().to_string();
        let arguments: String =
            ["/bin/sh", "-c", script, "gastown", &env_file, &program, "run", "--town", &town]
                .iter()
                .map(|argument| format!("        {}\n", string(argument)))
                .collect();
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n\
             <!-- Written by `gastown service install`. -->\n\
             <plist version=\"1.0\">\n\
             <dict>\n    \
                 <key>Label</key>{label}\n    \
                 <key>ProgramArguments</key>\n    <array>\n{arguments}    </array>\n    \
                 <key>WorkingDirectory</key>{folder}\n    \
                 <key>EnvironmentVariables</key>\n    <dict>\n{env}    </dict>\n    \
                 <key>RunAtLoad</key><true/>\n    \
                 <key>KeepAlive</key>\n    <dict>\n        <key>SuccessfulExit</key><false/>\n    </dict>\n    \
                 <key>ThrottleInterval</key><integer>10</integer>\n    \
                 <key>ExitTimeOut</key><integer>{STOP_WITHIN}</integer>\n    \
                 <key>StandardOutPath</key>{log}\n    \
                 <key>StandardErrorPath</key>{log}\n\
             </dict>\n\
             </plist>\n",
            label = string(&Manager::Launchd.name(&self.slug)),
            folder = string(&town),
            log = string(&log),
        )
    }
}

/// A town's name as a part of a service's: small letters, digits and single dashes.
pub fn slug(name: &str) -> String {
    let words: Vec<String> = name
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .collect();
    if words.is_empty() { "town".to_owned() } else { words.join("-") }
}

/// The slug of a second town of the same name, told apart by its folder.
pub fn slug_of(name: &str, town: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    format!("{}-{:08x}", slug(name), crate::paths::fnv1a(town.as_os_str().as_bytes()) as u32)
}

fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// systemd reads `%x` in most values.
fn percent(text: &str) -> String {
    text.replace('%', "%%")
}

/// A word as systemd reads it; in a command line it reads `$x`, too.
fn quoted(text: &str, command: bool) -> String {
    let text = percent(text).replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let text = if command { text.replace('$', "$$") } else { text };
    format!("\"{text}\"")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service() -> Service {
        Service {
            town_name: "Old Harbour".into(),
            slug: "old-harbour".into(),
            program: "/opt/gas town/gastown".into(),
            town: "/srv/100% mine/$town".into(),
            env: vec![("PATH".into(), "/a b:/usr/bin".into()), ("LANG".into(), "C.UTF-8".into())],
            env_file: "/home/pat/.config/gastown/old-harbour.env".into(),
        }
    }

    #[test]
    fn the_unit_of_systemd() {
        insta::assert_snapshot!("unit", Manager::Systemd.render(&service()));
    }

    #[test]
    fn the_list_of_launchd() {
        insta::assert_snapshot!("plist", Manager::Launchd.render(&service()));
    }

    #[test]
    fn a_file_says_which_town_it_is_for() {
        let odd = Service { town: "/srv/a & b/<town>".into(), ..service() };
        for manager in [Manager::Systemd, Manager::Launchd] {
            for service in [service(), odd.clone()] {
                assert_eq!(manager.town_of(&manager.render(&service)), Some(service.town));
            }
            assert_eq!(manager.town_of("something else"), None);
        }
    }

    #[test]
    fn a_service_has_a_name_that_every_manager_takes() {
        for (name, expected) in [
            ("Old Harbour", "old-harbour"),
            ("web_2", "web-2"),
            ("  ", "town"),
            ("日本", "town"),
            ("a--b", "a-b"),
        ] {
            assert_eq!(slug(name), expected);
        }
        let (one, two) = (slug_of("t", Path::new("/one")), slug_of("t", Path::new("/two")));
        assert!(one.starts_with("t-") && one != two, "{one} {two}");
    }

    #[test]
    fn a_service_lies_where_its_manager_looks() {
        let home = Path::new("/home/pat");
        let systemd = Manager::Systemd;
        assert_eq!(systemd.folder(home, None), Path::new("/home/pat/.config/systemd/user"));
        assert_eq!(systemd.folder(home, Some(Path::new("/c"))), Path::new("/c/systemd/user"));
        assert_eq!(systemd.file("t"), "gastown-t.service");
        assert_eq!(Manager::Launchd.folder(home, None), Path::new("/home/pat/Library/LaunchAgents"));
        assert_eq!(Manager::Launchd.file("t"), "dev.gastown.t.plist");
    }
}
