//! `gastown service`: writes the town's unit, tells the service manager, and says what is left to do.
//!
//! The texts are [`config::service`]'s. Nothing here fails because there is no service manager to be told:
//! then the file is written all the same, and the person hears what to type where there is one.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cli::{ServiceOrder, ServiceReport, ServiceWish};
use config::service::{Manager, Service, slug, slug_of};
use config::{LiveConfig, TownPaths};
use model::refusal::Refusal;

/// Variables that the service is given as they are here; secrets are not written into it.
const PASSED: [&str; 3] = ["PATH", "LANG", "TZ"];

/// Does what `order` says.
///
/// # Errors
/// When there is no home folder, or the file cannot be written.
pub(crate) fn serve(order: &ServiceOrder) -> Result<ServiceReport, Refusal> {
    let place = Place::find(&order.town)?;
    match order.wish {
        ServiceWish::Install { dry_run: true, .. } => Ok(place.report("dry_run", Some(place.text.clone()))),
        ServiceWish::Install { dry_run: false, no_start } => place.install(no_start),
        ServiceWish::Uninstall => place.uninstall(),
        ServiceWish::Status => Ok(place.status()),
    }
}

/// Everything about one town's service.
struct Place {
    manager: Manager,
    paths: TownPaths,
    slug: String,
    file: PathBuf,
    env_file: PathBuf,
    /// What the file should say.
    text: String,
    /// Variables that agents' presets take over and that a service does not have by itself.
    wanted: Vec<String>,
}

impl Place {
    fn find(town: &Path) -> Result<Place, Refusal> {
        let manager = Manager::here();
        let paths = TownPaths::new(town);
        let (config, _) = LiveConfig::load(paths.clone())?;
        let config = config.current();
        let home = folder("HOME").ok_or_else(|| {
            Refusal::failed("no_home", "HOME is not set, and a service lies in its user's home")
                .hint("set HOME, and say it again")
        })?;
        let settings = folder("XDG_CONFIG_HOME");
        let services = manager.folder(&home, settings.as_deref());
        let name = &config.town.name;
        // Two towns may have the same name; a file says which it is for.
        let plain = slug(name);
        let taken = fs::read_to_string(services.join(manager.file(&plain)))
            .is_ok_and(|text| manager.town_of(&text).as_deref() != Some(paths.root()));
        let slug = if taken { slug_of(name, paths.root()) } else { plain };
        let env_file =
            settings.unwrap_or_else(|| home.join(".config")).join("gastown").join(format!("{slug}.env"));
        let program = crate::program::file()
            .map_err(|error| Refusal::failed("no_program", format!("cannot find this program: {error}")))?;
        let given = |name: &&str| std::env::var(name).ok().map(|value| ((*name).to_owned(), value));
        let service = Service {
            town_name: name.clone(),
            slug: slug.clone(),
            program,
            town: paths.root().to_owned(),
            env: PASSED.iter().filter_map(given).collect(),
            env_file: env_file.clone(),
        };
        let presets = &config.presets;
        let mut wanted: Vec<String> = presets
            .names()
            .filter_map(|name| presets.get(name).ok())
            .flat_map(|p| p.pass_env.clone())
            .collect();
        wanted.retain(|name| std::env::var_os(name).is_some() && !PASSED.contains(&name.as_str()));
        wanted.sort();
        wanted.dedup();
        Ok(Place {
            manager,
            file: services.join(manager.file(&slug)),
            text: manager.render(&service),
            paths,
            slug,
            env_file,
            wanted,
        })
    }

    fn name(&self) -> String {
        self.manager.name(&self.slug)
    }

    fn written(&self) -> Option<String> {
        fs::read_to_string(&self.file).ok()
    }

    fn report(&self, action: &str, text: Option<String>) -> ServiceReport {
        let written = self.written();
        ServiceReport {
            action: action.to_owned(),
            manager: self.manager.as_str().to_owned(),
            name: self.name(),
            file: self.file.clone(),
            installed: written.is_some(),
            current: written.as_deref() == Some(self.text.as_str()),
            enabled: None,
            active: None,
            lingers: None,
            text,
            did: Vec::new(),
            left: Vec::new(),
        }
    }

    fn install(&self, no_start: bool) -> Result<ServiceReport, Refusal> {
        let before = self.written();
        let mut did = Vec::new();
        if before.as_deref() == Some(self.text.as_str()) {
            did.push(format!("{} is up to date", self.file.display()));
        } else {
            write(&self.file, &self.text)?;
            let verb = if before.is_some() { "brought up to date" } else { "wrote" };
            did.push(format!("{verb} {}", self.file.display()));
        }
        let changed = before.is_some_and(|before| before != self.text);
        let mut left = Vec::new();
        // Somebody runs it by hand: a second one would only be refused.
        let by_hand = UnixStream::connect(self.paths.socket()).is_ok() && !self.is_active();
        let start = !no_start && !by_hand;
        match self.tell_installed(start) {
            Ok(told) => {
                did.extend(told);
                if by_hand {
                    left.push(format!(
                        "the town is up already, and not by the service: end it with `gastown stop`, then {}",
                        self.start_line()
                    ));
                } else if no_start {
                    left.push(format!("start it: {}", self.start_line()));
                } else if changed && self.manager == Manager::Systemd {
                    left.push(format!(
                        "what has changed counts from the next start on: systemctl --user restart {}",
                        self.name()
                    ));
                }
            }
            Err(why) => left.push(format!(
                "{} cannot be told now ({why}); when it can: {}",
                self.manager.as_str(),
                self.install_lines().join(" && ")
            )),
        }
        let mut report = ServiceReport { did, left, ..self.report("install", None) };
        self.look(&mut report);
        if report.lingers == Some(false) {
            report.left.push(format!(
                "for a town that is up from boot on and when you are logged out: loginctl enable-linger{}",
                user().map(|user| format!(" {user}")).unwrap_or_default()
            ));
        }
        if !self.wanted.is_empty() {
            report.left.push(format!(
                "agents are given {} from your environment, which a service does not have: put NAME=VALUE lines \
                 into {} (mode 0600)",
                self.wanted.join(", "),
                self.env_file.display()
            ));
        }
        Ok(report)
    }

    fn uninstall(&self) -> Result<ServiceReport, Refusal> {
        if self.written().is_none() {
            let did = vec![format!("there is no {}", self.file.display())];
            return Ok(ServiceReport { did, ..self.report("uninstall", None) });
        }
        let mut did = Vec::new();
        let mut left = Vec::new();
        let disable: &[&str] = match self.manager {
            Manager::Systemd => &["disable", "--now"],
            Manager::Launchd => &["bootout"],
        };
        match self.manage(disable) {
            Ok(()) => did.push("disabled it, and ended the town if it was run by it".to_owned()),
            Err(why) => did.push(format!("{} cannot be told now ({why})", self.manager.as_str())),
        }
        fs::remove_file(&self.file).map_err(|error| cannot("remove", &self.file, &error))?;
        did.push(format!("removed {}", self.file.display()));
        if self.manager == Manager::Systemd {
            // What `enable` had made, where no manager could be told.
            let link = self.file.with_file_name("default.target.wants").join(self.name());
            if link.is_symlink() {
                fs::remove_file(&link).map_err(|error| cannot("remove", &link, &error))?;
                did.push(format!("removed {}", link.display()));
            }
            if run("systemctl", &["--user", "daemon-reload"]).is_err() {
                left.push("if it runs nevertheless: systemctl --user daemon-reload".to_owned());
            }
        }
        Ok(ServiceReport { did, left, ..self.report("uninstall", None) })
    }

    fn status(&self) -> ServiceReport {
        let mut report = self.report("status", None);
        self.look(&mut report);
        if !report.installed {
            report.left.push("install it with `gastown service install`".to_owned());
        } else if !report.current {
            report.left.push(
                "it is not what would be written now (another program, folder or PATH): `gastown service install` \
                 brings it up to date"
                    .to_owned(),
            );
        }
        report
    }

    /// Fills in what the manager says of it.
    fn look(&self, report: &mut ServiceReport) {
        if self.manager == Manager::Systemd {
            let ask = |verb: &str| said("systemctl", &["--user", verb, &self.name()]);
            report.enabled = ask("is-enabled");
            report.active = ask("is-active");
            report.lingers = user().map(|user| Path::new("/var/lib/systemd/linger").join(user).exists());
        } else {
            let known = run("launchctl", &["print", &self.target()]).is_ok();
            report.active = Some(if known { "loaded" } else { "not loaded" }.to_owned());
        }
    }

    fn is_active(&self) -> bool {
        self.manager == Manager::Systemd
            && said("systemctl", &["--user", "is-active", &self.name()]).as_deref() == Some("active")
    }

    /// Tells the manager of the new file; says what that was.
    fn tell_installed(&self, start: bool) -> Result<Vec<String>, String> {
        match self.manager {
            Manager::Systemd => {
                run("systemctl", &["--user", "daemon-reload"])?;
                let verbs: &[&str] = if start { &["enable", "--now"] } else { &["enable"] };
                self.manage(verbs)?;
                Ok(vec![format!("enabled {}{}", self.name(), if start { " and started it" } else { "" })])
            }
            Manager::Launchd if start => {
                // One that is loaded is taken out first, or the new file would not be read.
                let _ = self.manage(&["bootout"]);
                self.manage(&["bootstrap"])?;
                Ok(vec![format!("loaded {}", self.name())])
            }
            Manager::Launchd => Ok(Vec::new()),
        }
    }

    fn manage(&self, verbs: &[&str]) -> Result<(), String> {
        let (name, target, domain, file) =
            (self.name(), self.target(), domain(), self.file.display().to_string());
        match self.manager {
            Manager::Systemd => run("systemctl", &[&["--user"], verbs, &[name.as_str()]].concat()),
            Manager::Launchd if verbs == ["bootstrap"] => run("launchctl", &["bootstrap", &domain, &file]),
            Manager::Launchd => run("launchctl", &[verbs, &[target.as_str()]].concat()),
        }
    }

    fn target(&self) -> String {
        format!("{}/{}", domain(), self.name())
    }

    fn start_line(&self) -> String {
        match self.manager {
            Manager::Systemd => format!("systemctl --user start {}", self.name()),
            Manager::Launchd => format!("launchctl bootstrap {} {}", domain(), self.file.display()),
        }
    }

    /// What a person types where the manager could not be told.
    fn install_lines(&self) -> Vec<String> {
        match self.manager {
            Manager::Systemd => vec![
                "systemctl --user daemon-reload".to_owned(),
                format!("systemctl --user enable --now {}", self.name()),
            ],
            Manager::Launchd => vec![self.start_line()],
        }
    }
}

fn domain() -> String {
    format!("gui/{}", rustix::process::getuid().as_raw())
}

fn user() -> Option<String> {
    ["USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok()).filter(|user| !user.is_empty())
}

fn folder(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
}

/// Runs a program to its end; its own words when it fails.
fn run(program: &str, words: &[&str]) -> Result<(), String> {
    let output = command(program, words).output().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => format!("there is no {program}"),
        _ => format!("{program} cannot be run: {error}"),
    })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().trim().to_owned();
    Err(if last.is_empty() { format!("{program} {} has failed", words.join(" ")) } else { last })
}

/// The one line that a program says, whatever its exit code.
fn said(program: &str, words: &[&str]) -> Option<String> {
    let output = command(program, words).output().ok()?;
    let line = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (!line.is_empty()).then_some(line)
}

fn command(program: &str, words: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(words.iter().map(OsStr::new)).stdin(Stdio::null());
    command
}

/// Writes `text` to `file`, whole or not at all.
fn write(file: &Path, text: &str) -> Result<(), Refusal> {
    let folder = file.parent().unwrap_or(Path::new("/"));
    let fresh = folder.join(format!(".gastown.{}.new", std::process::id()));
    let write = || {
        fs::create_dir_all(folder)?;
        let mut out =
            fs::OpenOptions::new().create(true).truncate(true).write(true).mode(0o644).open(&fresh)?;
        io::Write::write_all(&mut out, text.as_bytes())?;
        out.sync_all()?;
        fs::rename(&fresh, file)
    };
    write().map_err(|error| {
        let _ = fs::remove_file(&fresh);
        cannot("write", file, &error)
    })
}

fn cannot(what: &str, file: &Path, error: &io::Error) -> Refusal {
    Refusal::failed("cannot_write", format!("cannot {what} {}: {error}", file.display()))
        .hint("see what would be written with `gastown service install --dry-run`, and put it there yourself")
}
