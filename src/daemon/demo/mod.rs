//! A town that shows what there is: a sample project, six beads, two of them in each other's way and
//! one that breaks the project's gate.
//!
//! Nothing here is special to the runtime: the project is a git repository made with `git`, the beads
//! are made with the commands that a person would use, and the `shell` agent does the work.

mod beads;

use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};
use std::time::Duration;

use config::{LiveConfig, TownPaths};
use model::answer::Answer;
use model::bead::Patch;
use model::command::{Command, NewBead, NewGate, NewRig, Origin, Sling};
use model::ids::{BeadId, RigName};
use model::refusal::Refusal;
use model::time::Timestamp;
use protocol::wire::Carrier;

use crate::offline::Offline;
use beads::Piece;

/// The name of its one rig.
const RIG: &str = "demo";

/// The files of the sample project.
const PROJECT: [(&str, &str); 5] = [
    ("README.md", include_str!("project/README.md")),
    ("check.sh", include_str!("project/check.sh")),
    ("fares.txt", include_str!("project/fares.txt")),
    ("ferry.sh", include_str!("project/ferry.sh")),
    ("timetable.txt", include_str!("project/timetable.txt")),
];

/// Workers at once: one for each bead, so that those in each other's way meet.
const WORKERS: usize = 6;

/// Makes the town in a fresh folder under the temporary directory, with its work slung, and returns
/// its places. The folder is kept afterwards.
///
/// # Errors
/// `demo`, when the folder or the sample project cannot be made; else what the town refuses.
pub(crate) fn make(now: Timestamp) -> Result<TownPaths, Refusal> {
    make_in(&fresh_folder(&std::env::temp_dir())?, now)
}

fn make_in(folder: &Path, now: Timestamp) -> Result<TownPaths, Refusal> {
    let origin = folder.join("origin.git");
    sample_project(folder, &origin)?;
    let paths = config::install::create_town(&folder.join("town"), "demo", Some("shell"), now)?;
    let mut town = Offline::open(paths.root(), Origin::operator())?;
    let rig: RigName = RIG.parse().map_err(|error| broken(&"name the rig", &error))?;
    town.ask(Command::RigAdd(NewRig {
        name: rig.clone(),
        url: origin.display().to_string(),
        prefix: Some(RIG.parse().map_err(|error| broken(&"name the beads", &error))?),
        branch: None,
        gates: vec![NewGate { name: "check".to_owned(), cmd: "sh check.sh".to_owned() }],
        max_workers: Some(WORKERS),
        preset: None,
    }))?;
    start_at_once(&paths, &rig)?;
    let beads = create_beads(&mut town, &rig)?;
    town.ask(Command::Sling(Sling { beads, target: RIG.to_owned(), ..Sling::default() }))?;
    Ok(paths)
}

fn create_beads(town: &mut Offline, rig: &RigName) -> Result<Vec<BeadId>, Refusal> {
    let mut create = |piece: Piece| -> Result<BeadId, Refusal> {
        let new = NewBead {
            title: piece.title.to_owned(),
            description: piece.description,
            rig: Some(rig.clone()),
            ..NewBead::default()
        };
        match town.ask(Command::BeadCreate(new))? {
            Answer::Bead(bead) => Ok(bead.id),
            other => Err(Refusal::failed("demo", format!("a new bead was answered with {other:?}"))),
        }
    };
    // The two name each other, so the first one is told of the second when that has a name.
    let evening =
        create(Piece { title: "Add the evening boat to the timetable", description: String::new() })?;
    let night = create(beads::night(&evening))?;
    let mut all = vec![evening.clone(), night.clone(), create(beads::fare())?];
    for piece in beads::plain() {
        all.push(create(piece)?);
    }
    let Piece { title, description } = beads::evening(&night);
    let patch = Patch { title: Some(title.to_owned()), description: Some(description), ..Patch::default() };
    town.ask(Command::BeadUpdate { ids: vec![evening], patch, status: None, claim: false })?;
    Ok(all)
}

/// Lets all workers start together; a person's town gives its machine time between two. Each change lands by itself, so
/// that there is a merge commit to look at for each.
fn start_at_once(paths: &TownPaths, rig: &RigName) -> Result<(), Refusal> {
    let (config, _) = LiveConfig::load(paths.clone())?;
    let mut rig = config.current().rig(rig)?.clone();
    rig.worker_spawn_delay = Duration::ZERO;
    rig.merge.batch = 1;
    Ok(rig.write(paths)?)
}

/// A new folder for this user alone.
pub(crate) fn fresh_folder(below: &Path) -> Result<PathBuf, Refusal> {
    for n in 1.. {
        let folder = below.join(format!("gastown-demo-{}-{n}", std::process::id()));
        match DirBuilder::new().mode(0o700).create(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => {
                return Err(broken(&format!("make a folder in {}", below.display()), &error)
                    .hint("name a folder that can be written to in TMPDIR"));
            }
        }
    }
    unreachable!("numbers do not end")
}

/// Makes a bare repository at `origin` that holds the sample project on `main`.
pub(crate) fn sample_project(folder: &Path, origin: &Path) -> Result<(), Refusal> {
    let seed = folder.join("project");
    fs::create_dir(&seed).map_err(|error| broken(&"make the sample project", &error))?;
    for (name, text) in PROJECT {
        fs::write(seed.join(name), text).map_err(|error| broken(&"write the sample project", &error))?;
    }
    git(folder, &["init", "--quiet", "--bare", "--template=", path(origin)?])?;
    // Older git has no option for this.
    git(origin, &["symbolic-ref", "HEAD", "refs/heads/main"])?;
    git(&seed, &["init", "--quiet", "--template="])?;
    git(&seed, &["symbolic-ref", "HEAD", "refs/heads/main"])?;
    git(&seed, &["add", "--all"])?;
    git(&seed, &["commit", "--quiet", "-m", "Ferry: the timetable and the fares"])?;
    git(&seed, &["push", "--quiet", path(origin)?, "main"])?;
    // It has served; what counts is the origin.
    fs::remove_dir_all(&seed).map_err(|error| broken(&"tidy up the sample project", &error))
}

fn path(path: &Path) -> Result<&str, Refusal> {
    path.to_str().ok_or_else(|| {
        Refusal::failed("demo", format!("{} is not UTF-8", path.display()))
            .hint("name a plainer folder in TMPDIR")
    })
}

/// Runs git in `folder`, untouched by the person's own settings.
fn git(folder: &Path, args: &[&str]) -> Result<(), Refusal> {
    let search = std::env::var_os("PATH").unwrap_or_else(|| OsString::from("/usr/bin:/bin"));
    let output = Process::new("git")
        .args(args)
        .current_dir(folder)
        .env_clear()
        .env("PATH", search)
        .env("HOME", folder)
        .env("LC_ALL", "C")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_TERMINAL_PROMPT", "0")
        .envs(["AUTHOR", "COMMITTER"].map(|who| (format!("GIT_{who}_NAME"), "Harbour Master")))
        .envs(["AUTHOR", "COMMITTER"].map(|who| (format!("GIT_{who}_EMAIL"), "master@harbour.example")))
        .stdin(Stdio::null())
        .output()
        .map_err(|error| broken(&"start git", &error).hint("install git, and see that it is on PATH"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Refusal::failed("demo", format!("`git {}` failed: {}", args.join(" "), said.trim())))
}

fn broken(doing: &dyn std::fmt::Display, error: &dyn std::error::Error) -> Refusal {
    Refusal::failed("demo", format!("cannot {doing}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(folder: &Path, script: &str, vars: &[(&str, &str)]) -> (bool, String) {
        let output = Process::new("sh")
            .args(["-euc", script])
            .current_dir(folder)
            .envs(vars.iter().copied())
            .output()
            .unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn script(piece: &Piece) -> String {
        let (_, rest) = piece.description.split_once("```sh\n").unwrap();
        rest.split_once("\n```").unwrap().0.to_owned()
    }

    fn project() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in PROJECT {
            fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    #[test]
    fn the_project_passes_its_own_gate_and_so_does_each_plain_piece() {
        let folder = project();
        let gate = || sh(folder.path(), "sh check.sh", &[]);
        assert_eq!(gate(), (true, "all is well\n".to_owned()));
        for piece in beads::plain() {
            for _ in 0..2 {
                let (done, said) = sh(folder.path(), &script(&piece), &[("GASTOWN_REWORK", "")]);
                assert!(done, "{}: {said}", piece.title);
            }
            assert!(gate().0, "{}", piece.title);
        }
    }

    #[test]
    fn the_fare_breaks_the_gate_and_is_repaired_by_what_the_gate_says() {
        let folder = project();
        let feedback = folder.path().join("feedback");
        let script = script(&beads::fare());
        let run = |rework| {
            let vars = [("GASTOWN_REWORK", rework), ("GASTOWN_FEEDBACK", feedback.to_str().unwrap())];
            assert!(sh(folder.path(), &script, &vars).0);
            sh(folder.path(), "sh check.sh", &[])
        };
        let (passed, said) = run("");
        assert!(!passed);
        fs::write(&feedback, format!("gate \"check\" failed; its end:\n\n{said}")).unwrap();
        assert_eq!(run("gate"), (true, "all is well\n".to_owned()));
        let fares = fs::read_to_string(folder.path().join("fares.txt")).unwrap();
        assert!(fares.ends_with("island 4.50\n"));
    }

    #[test]
    fn a_conflict_is_answered_by_a_line_on_top_of_what_landed() {
        let folder = project();
        let other: BeadId = "demo-2".parse().unwrap();
        let run = |piece: Piece| {
            assert!(sh(folder.path(), &script(&piece), &[("GASTOWN_REWORK", "conflict")]).0);
        };
        run(beads::evening(&other));
        run(beads::night(&other));
        run(beads::night(&other));
        let timetable = fs::read_to_string(folder.path().join("timetable.txt")).unwrap();
        assert!(timetable.ends_with("\n20:15 north-pier\n23:30 old-harbour\n"));
    }

    #[test]
    fn a_demo_town_has_its_project_and_its_work() {
        let folder = tempfile::tempdir().unwrap();
        let paths = make_in(folder.path(), Timestamp::from_millis(1)).unwrap();
        let mut town = Offline::open(paths.root(), Origin::operator()).unwrap();
        let Answer::Status(status) = town.ask(Command::Status).unwrap() else { panic!() };
        assert_eq!((status.rigs.len(), status.rigs[0].open, status.rigs[0].waiting), (1, 6, 6));
        assert_eq!(status.rigs[0].gates, ["check"]);
        let Answer::Convoys(convoys) = town.ask(Command::ConvoyList { all: false }).unwrap() else {
            panic!()
        };
        assert_eq!((convoys.len(), convoys[0].total), (1, 6));
        let Answer::Beads(beads) = town.ask(Command::BeadList(Default::default())).unwrap() else { panic!() };
        let night = beads.iter().find(|bead| bead.title.contains("night")).unwrap();
        let evening = beads.iter().find(|bead| bead.title.contains("evening")).unwrap();
        assert!(evening.description.contains(night.id.as_str()));
        assert!(night.description.contains(evening.id.as_str()));
    }
}
