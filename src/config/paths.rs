//! Where everything of a town is kept: the only file that knows directory names.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use model::ids::{AgentName, RigName, SessionId};
use model::refusal::{Class, Refusal};
use model::role::Address;

/// The longest path that a unix socket can be bound to, in bytes.
const SOCKET_LIMIT: usize = 107;

/// The places of one town.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TownPaths {
    root: PathBuf,
}

impl TownPaths {
    /// The town at `root`.
    ///
    /// Links in `root` are followed if it exists, so that everybody who means the same town gets the
    /// same paths, and above all the same socket.
    pub fn new(root: impl AsRef<Path>) -> Self {
        let root = root.as_ref();
        let root =
            root.canonicalize().or_else(|_| std::path::absolute(root)).unwrap_or_else(|_| root.to_owned());
        Self { root }
    }

    /// The town's folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn at(&self, place: &str) -> PathBuf {
        self.root.join(place)
    }

    /// The files that people and agents may edit.
    pub fn config(&self) -> PathBuf {
        self.at("config")
    }

    /// What makes a folder a town.
    pub fn town_json(&self) -> PathBuf {
        self.at(TOWN_JSON)
    }

    /// Which rigs there are.
    pub fn rigs_json(&self) -> PathBuf {
        self.at("config/rigs.json")
    }

    /// The town's own presets.
    pub fn agents_json(&self) -> PathBuf {
        self.at("config/agents.json")
    }

    /// Who hears of escalations.
    pub fn escalation_json(&self) -> PathBuf {
        self.at("config/escalation.json")
    }

    /// `gt`, `bd` and `gastown`; first on every agent's PATH.
    pub fn bin(&self) -> PathBuf {
        self.at("bin")
    }

    /// The store. Nobody but the ledger opens it.
    pub fn ledger(&self) -> PathBuf {
        self.at("ledger")
    }

    /// Everything that is written down for people to look at.
    pub fn logs(&self) -> PathBuf {
        self.at("logs")
    }

    /// The runtime's own log.
    pub fn town_log(&self) -> PathBuf {
        self.at("logs/town.log")
    }

    /// What was written for people when the town could not go on, a file each.
    pub fn crash_reports(&self) -> PathBuf {
        self.at("logs/crashes")
    }

    /// The recordings of all sessions, a folder per agent.
    pub fn session_logs(&self) -> PathBuf {
        self.at("logs/sessions")
    }

    /// The recording of one session.
    pub fn session_log(&self, agent: &Address, session: &SessionId) -> PathBuf {
        // A session's id may hold anything printable; a file name may not.
        let file = session.as_str().replace('/', "_");
        self.session_logs().join(agent.slug()).join(format!("{file}.cast"))
    }

    /// What the gates of a rig have said.
    pub fn gate_logs(&self, rig: &RigName) -> PathBuf {
        self.at("logs/gates").join(rig.as_str())
    }

    /// What exists only while a runtime is up; mode 0700.
    pub fn run_dir(&self) -> PathBuf {
        self.at("run")
    }

    /// Where the runtime listens; server and clients use this and nothing else.
    ///
    /// A unix socket's path holds 107 bytes. In a town whose path is too long for that, the socket
    /// lies in a folder of its own under `/tmp`, named after the town's path; [`crate::run_dir`] makes
    /// it private, checks that it is, and leaves a link to it at [`TownPaths::socket_link`].
    pub fn socket(&self) -> PathBuf {
        let near = self.socket_link();
        if near.as_os_str().len() <= SOCKET_LIMIT {
            return near;
        }
        let name = format!("/tmp/gastown-{:016x}", fnv1a(self.root.as_os_str().as_bytes()));
        Path::new(&name).join("gastown.sock")
    }

    /// Where people look for the socket: the socket itself, or a link to it when the path is too long.
    pub fn socket_link(&self) -> PathBuf {
        self.at("run/gastown.sock")
    }

    /// The process id of the runtime that is up.
    pub fn pid_file(&self) -> PathBuf {
        self.at("run/pid")
    }

    /// Whoever holds this file's lock may write to the ledger.
    pub fn lock_file(&self) -> PathBuf {
        self.at("run/lock")
    }

    /// Whoever holds this file's lock makes a backup of the town.
    pub fn backup_lock(&self) -> PathBuf {
        self.at("run/backup.lock")
    }

    /// The Mayor's working directory.
    pub fn mayor(&self) -> PathBuf {
        self.at("mayor")
    }

    /// The Deacon's working directory.
    pub fn deacon(&self) -> PathBuf {
        self.at("deacon")
    }

    /// Plugins of the whole town.
    pub fn plugins(&self) -> PathBuf {
        self.at("plugins")
    }

    /// Formulas of the whole town.
    pub fn formulas(&self) -> PathBuf {
        self.at("formulas")
    }

    /// Exports for `tail`, `jq`, git and users of `bd`.
    pub fn beads(&self) -> PathBuf {
        self.at(".beads")
    }

    /// The events as they happen.
    pub fn feed_jsonl(&self) -> PathBuf {
        self.at(".beads/feed.jsonl")
    }

    /// The town's beads.
    pub fn issues_jsonl(&self) -> PathBuf {
        self.at(".beads/issues.jsonl")
    }

    /// The places of one rig.
    pub fn rig(&self, rig: &RigName) -> RigPaths {
        RigPaths { root: self.at(rig.as_str()) }
    }

    /// Folders that a new town is given, in the order of making; those of `true` are for the owner only.
    pub(crate) fn folders(&self) -> Vec<(PathBuf, bool)> {
        vec![
            (self.config(), false),
            (self.bin(), false),
            (self.ledger(), true),
            (self.logs(), true),
            (self.run_dir(), true),
            (self.mayor(), false),
            (self.deacon(), false),
            (self.plugins(), false),
            (self.formulas(), false),
            (self.beads(), false),
        ]
    }
}

/// The places of one rig. Its root is never a git clone itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RigPaths {
    root: PathBuf,
}

impl RigPaths {
    /// The rig's folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The rig's settings.
    pub fn config(&self) -> PathBuf {
        self.root.join("config.json")
    }

    /// Formulas of this rig.
    pub fn formulas(&self) -> PathBuf {
        self.root.join("formulas")
    }

    /// Plugins of this rig.
    pub fn plugins(&self) -> PathBuf {
        self.root.join("plugins")
    }

    /// Exports of this rig's beads; `BEADS_DIR` of its agents.
    pub fn beads(&self) -> PathBuf {
        self.root.join(".beads")
    }

    /// This rig's beads.
    pub fn issues_jsonl(&self) -> PathBuf {
        self.root.join(".beads/issues.jsonl")
    }

    /// The bare clone that all worktrees of the rig share.
    pub fn repo_git(&self) -> PathBuf {
        self.root.join("repo.git")
    }

    /// Where merge results are made and gated.
    pub fn refinery_rig(&self) -> PathBuf {
        self.root.join("refinery/rig")
    }

    /// Where the gate run with this number is made, counted from 0.
    pub fn refinery_runner(&self, n: usize) -> PathBuf {
        if n == 0 { self.refinery_rig() } else { self.root.join(format!("refinery/rig-{}", n + 1)) }
    }

    /// The worktrees of gate runs that are there.
    pub fn refinery_runners(&self) -> Vec<PathBuf> {
        let found = std::fs::read_dir(self.root.join("refinery")).into_iter().flatten().flatten();
        let mut found: Vec<PathBuf> = found
            .filter(|entry| entry.file_name().to_string_lossy().starts_with("rig"))
            .map(|entry| entry.path())
            .collect();
        found.sort();
        found
    }

    /// The Mayor's reference; nobody writes there.
    pub fn mayor_rig(&self) -> PathBuf {
        self.root.join("mayor/rig")
    }

    /// The working directory of the Witness.
    pub fn witness(&self) -> PathBuf {
        self.root.join("witness")
    }

    /// All workers' sandboxes.
    pub fn polecats(&self) -> PathBuf {
        self.root.join("polecats")
    }

    /// A worker's sandbox: a worktree while there is an assignment, nothing otherwise.
    pub fn polecat(&self, name: &AgentName) -> PathBuf {
        self.polecats().join(name.as_str())
    }

    /// A person's own seat.
    pub fn crew(&self, name: &AgentName) -> PathBuf {
        self.root.join("crew").join(name.as_str())
    }

    /// A plugin of this rig.
    pub fn plugin(&self, name: &AgentName) -> PathBuf {
        self.plugins().join(name.as_str())
    }

    /// Where work is saved that would be thrown away otherwise.
    pub fn bundles(&self) -> PathBuf {
        self.root.join("bundles")
    }
}

const TOWN_JSON: &str = "config/town.json";

fn is_town(folder: &Path) -> bool {
    folder.join(TOWN_JSON).is_file()
}

/// Finds the town that is meant: `explicit` (`--town`), else `env` (`GASTOWN_TOWN`, if not empty), else
/// the nearest folder from `cwd` upwards that holds `config/town.json`.
///
/// Refuses with `no_such_town` when there is none. A place that was named is taken as it is; no folder
/// above it is tried.
pub fn find_town(explicit: Option<&Path>, env: Option<&OsStr>, cwd: &Path) -> Result<PathBuf, Refusal> {
    let named = explicit
        .map(|path| (path, "--town"))
        .or_else(|| env.filter(|text| !text.is_empty()).map(|text| (Path::new(text), "GASTOWN_TOWN")));
    let missing = |message: String, hint: String| {
        Err(Refusal::new(Class::NotFound, "no_such_town", message).hint(hint))
    };
    if let Some((path, by)) = named {
        let path = cwd.join(path);
        return if is_town(&path) {
            Ok(TownPaths::new(path).root)
        } else {
            missing(
                format!("{} ({by}) is no town: it has no {TOWN_JSON}", path.display()),
                format!("make one there with `gastown install {}`", path.display()),
            )
        };
    }
    match cwd.ancestors().find(|folder| is_town(folder)) {
        Some(folder) => Ok(TownPaths::new(folder).root),
        None => missing(
            format!("there is no town at {} or above it", cwd.display()),
            "go into a town, name one with `--town DIR`, or make one with `gastown install DIR`".into(),
        ),
    }
}

/// FNV-1a, which unlike the standard library's hasher gives the same number in every build.
pub(crate) fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn town_in(folder: &Path) -> PathBuf {
        let root = folder.join("town");
        fs::create_dir_all(root.join("config")).unwrap();
        fs::write(root.join(TOWN_JSON), "{}").unwrap();
        root.canonicalize().unwrap()
    }

    #[test]
    fn the_town_is_the_one_named_first_and_else_the_nearest_above() {
        let folder = tempfile::tempdir().unwrap();
        let root = town_in(folder.path());
        let deep = root.join("web/polecats/backend");
        fs::create_dir_all(&deep).unwrap();
        let elsewhere = Path::new("/");

        assert_eq!(find_town(None, None, &deep).unwrap(), root);
        assert_eq!(find_town(None, Some(OsStr::new("")), &root).unwrap(), root);
        assert_eq!(find_town(None, Some(root.as_os_str()), elsewhere).unwrap(), root);
        assert_eq!(find_town(Some(Path::new("town")), None, folder.path()).unwrap(), root);

        for (explicit, env) in
            [(Some(deep.as_path()), Some(root.as_os_str())), (None, Some(deep.as_os_str()))]
        {
            let refusal = find_town(explicit, env, &root).unwrap_err();
            assert_eq!((refusal.code.as_str(), refusal.class), ("no_such_town", Class::NotFound));
            assert!(refusal.hint.unwrap().contains("gastown install"));
        }
        assert_eq!(find_town(None, None, elsewhere).unwrap_err().code, "no_such_town");
    }

    #[test]
    fn a_link_to_a_town_is_the_same_town() {
        let folder = tempfile::tempdir().unwrap();
        let root = town_in(folder.path());
        symlink(&root, folder.path().join("link")).unwrap();
        assert_eq!(TownPaths::new(folder.path().join("link")), TownPaths::new(&root));
    }

    #[test]
    fn a_socket_always_fits() {
        let short = TownPaths::new("/srv/town");
        assert_eq!(short.socket(), Path::new("/srv/town/run/gastown.sock"));
        let fits = "/run/gastown.sock".len();
        for length in [SOCKET_LIMIT - fits, SOCKET_LIMIT - fits + 1, 400] {
            let town = TownPaths::new(format!("/{}", "x".repeat(length - 1)));
            let socket = town.socket();
            assert!(socket.as_os_str().len() <= SOCKET_LIMIT);
            assert_eq!(socket == town.socket_link(), length + fits <= SOCKET_LIMIT);
        }
        let long = |c: &str| TownPaths::new(format!("/{}", c.repeat(300))).socket();
        assert_ne!(long("x"), long("y"));
        assert_eq!(long("x"), long("x"));
    }

    #[test]
    fn agents_and_sessions_have_files_of_their_own() {
        let town = TownPaths::new("/srv/town");
        let agent: Address = "web/polecats/backend".parse().unwrap();
        let session: SessionId = "a/b".parse().unwrap();
        assert_eq!(
            town.session_log(&agent, &session),
            Path::new("/srv/town/logs/sessions/web.polecats.backend/a_b.cast")
        );
        let rig = town.rig(&"web".parse().unwrap());
        assert_eq!(rig.polecat(&"docs".parse().unwrap()), Path::new("/srv/town/web/polecats/docs"));
        assert_eq!(rig.config(), Path::new("/srv/town/web/config.json"));
    }
}
