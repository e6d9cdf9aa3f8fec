//! What belongs to a backup, in writing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use git::Oid;
use git::copy::{Held, Standing};
use git::status::Stash;
use model::backup::Backup;
use model::ids::{RigName, Seq};
use model::refusal::Refusal;
use model::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::failing;

/// The version of manifests that this program writes.
pub(crate) const VERSION: u64 = 1;

/// A file in the folder of backups that never changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stored {
    /// Where, from the folder of backups.
    pub(crate) path: String,
    pub(crate) size: u64,
    pub(crate) sha256: String,
}

/// Records that follow each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(crate) first: Seq,
    pub(crate) last: Seq,
    #[serde(flatten)]
    pub(crate) file: Stored,
}

/// All records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) head: Seq,
    pub(crate) hash: String,
    pub(crate) parts: Vec<Part>,
}

/// Objects of a repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pack {
    #[serde(flatten)]
    pub(crate) file: Stored,
    /// What the packs before it lead to. Kept only while the pack is small enough to be written again
    /// together with the next.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) basis: BTreeSet<String>,
}

/// What a worktree held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tree {
    /// Where, from the town's folder.
    pub(crate) path: String,
    pub(crate) branch: Option<String>,
    pub(crate) head: String,
    /// The commit with what was only there.
    pub(crate) unsaved: Option<String>,
}

/// A stash of a repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Put {
    pub(crate) oid: String,
    pub(crate) message: String,
}

/// A rig's repository.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rig {
    pub(crate) packs: Vec<Pack>,
    pub(crate) refs: BTreeMap<String, String>,
    pub(crate) symbolic: BTreeMap<String, String>,
    pub(crate) stashes: Vec<Put>,
    pub(crate) worktrees: Vec<Tree>,
}

/// A folder of the town.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Folder {
    pub(crate) path: String,
    pub(crate) mode: u32,
}

/// A small file of the town; its content lies under its hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Small {
    pub(crate) path: String,
    pub(crate) mode: u32,
    pub(crate) size: u64,
    pub(crate) sha256: String,
}

impl Small {
    /// Its content in the folder of backups.
    pub(crate) fn stored(&self) -> Stored {
        let path = format!("files/{}/{}", self.sha256.get(..2).unwrap_or("__"), self.sha256);
        Stored { path, size: self.size, sha256: self.sha256.clone() }
    }
}

/// A symbolic link of the town.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Link {
    pub(crate) path: String,
    pub(crate) to: String,
}

/// A whole backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) version: u64,
    pub(crate) number: u32,
    pub(crate) made_at: Timestamp,
    pub(crate) program: String,
    /// What the town is called.
    pub(crate) town: String,
    /// Where it lay.
    pub(crate) from: String,
    pub(crate) ledger: Row,
    pub(crate) rigs: BTreeMap<RigName, Rig>,
    pub(crate) folders: Vec<Folder>,
    pub(crate) files: Vec<Small>,
    pub(crate) links: Vec<Link>,
    pub(crate) left_out: Vec<String>,
    /// Bytes that it has added to the folder, itself not counted.
    pub(crate) added: u64,
}

impl Manifest {
    /// The manifest in bytes, with its own SHA-256.
    pub(crate) fn write(&self) -> Vec<u8> {
        let manifest = serde_json::to_value(self).unwrap_or_default();
        let sum = sha256(manifest.to_string().as_bytes());
        let mut text = format!("{:#}", json!({"sha256": sum, "manifest": manifest})).into_bytes();
        text.push(b'\n');
        text
    }

    /// Reads the manifest in `file`.
    ///
    /// # Errors
    /// `broken_backup`, `newer_backup`; what the disk says.
    pub(crate) fn read(file: &Path) -> Result<Manifest, Refusal> {
        let bytes = fs::read(file).map_err(failing("read", file))?;
        let mut value: Value =
            serde_json::from_slice(&bytes).map_err(|error| broken(file, &error.to_string()))?;
        let (sum, manifest) = (value["sha256"].take(), value["manifest"].take());
        let version = manifest["version"].as_u64().unwrap_or_default();
        if version > VERSION {
            return Err(Refusal::failed(
                "newer_backup",
                format!(
                    "{} has version {version}, and this program knows versions up to {VERSION}",
                    file.display()
                ),
            )
            .hint("use the newer program that made it"));
        }
        if sum != sha256(manifest.to_string().as_bytes()) {
            return Err(broken(file, "it is not as it was written"));
        }
        let manifest: Manifest =
            serde_json::from_value(manifest).map_err(|error| broken(file, &error.to_string()))?;
        match manifest.odd_path() {
            Some(path) => Err(broken(file, &format!("it names a place outside: {path:?}"))),
            None => Ok(manifest),
        }
    }

    /// All files in the folder of backups that belong to it, each once.
    pub(crate) fn stored(&self) -> BTreeMap<String, Stored> {
        let parts = self.ledger.parts.iter().map(|part| part.file.clone());
        let packs = self.rigs.values().flat_map(|rig| rig.packs.iter().map(|pack| pack.file.clone()));
        let all = parts.chain(packs).chain(self.files.iter().map(Small::stored));
        all.map(|file| (file.path.clone(), file)).collect()
    }

    /// A path that leads out of the town or of the folder of backups.
    fn odd_path(&self) -> Option<String> {
        let trees = self.rigs.values().flat_map(|rig| rig.worktrees.iter().map(|tree| tree.path.clone()));
        let paths = (self.stored().into_keys().chain(trees))
            .chain(self.folders.iter().map(|folder| folder.path.clone()))
            .chain(self.files.iter().map(|file| file.path.clone()))
            .chain(self.links.iter().map(|link| link.path.clone()));
        let is_odd = |path: &String| {
            path.is_empty() || !Path::new(path).components().all(|part| matches!(part, Component::Normal(_)))
        };
        let mut paths = paths;
        paths.find(is_odd)
    }

    /// What people are told of it. `dir` is the folder of backups.
    pub(crate) fn told(&self, dir: &Path) -> Backup {
        let trees = self.rigs.values().flat_map(|rig| &rig.worktrees);
        Backup {
            dir: dir.to_owned(),
            number: self.number,
            made_at: self.made_at,
            program: self.program.clone(),
            town: self.town.clone(),
            head: self.ledger.head,
            hash: self.ledger.hash.clone(),
            rigs: self.rigs.keys().cloned().collect(),
            unsaved: trees.filter(|tree| tree.unsaved.is_some()).map(|tree| tree.path.clone()).collect(),
            bytes: self.stored().values().map(|file| file.size).sum(),
            added: self.added,
            left_out: self.left_out.clone(),
        }
    }
}

impl Rig {
    /// A repository as it stands; `town` is the folder that worktrees are told from.
    pub(crate) fn of(standing: &Standing, town: &Path) -> Rig {
        let text = |oid: &Oid| oid.to_string();
        let tree = |held: &Held| Tree {
            path: held.path.strip_prefix(town).unwrap_or(&held.path).to_string_lossy().into_owned(),
            branch: held.branch.clone(),
            head: held.head.to_string(),
            unsaved: held.unsaved.as_ref().map(text),
        };
        let put = |stash: &Stash| Put { oid: stash.oid.to_string(), message: stash.message.clone() };
        Rig {
            packs: Vec::new(),
            refs: standing.refs.iter().map(|(name, oid)| (name.clone(), oid.to_string())).collect(),
            symbolic: standing.symbolic.clone(),
            stashes: standing.stashes.iter().map(put).collect(),
            worktrees: standing.worktrees.iter().map(tree).collect(),
        }
    }

    /// How the repository stood, with worktrees below `town`; none when a name is no object's.
    pub(crate) fn standing(&self, town: &Path) -> Option<Standing> {
        let oid = |text: &String| Oid::from_str(text).ok();
        let put = |put: &Put| Some(Stash { oid: oid(&put.oid)?, message: put.message.clone() });
        let held = |tree: &Tree| {
            Some(Held {
                path: town.join(&tree.path),
                branch: tree.branch.clone(),
                head: oid(&tree.head)?,
                unsaved: match &tree.unsaved {
                    Some(text) => Some(oid(text)?),
                    None => None,
                },
            })
        };
        Some(Standing {
            refs: self
                .refs
                .iter()
                .map(|(name, text)| Some((name.clone(), oid(text)?)))
                .collect::<Option<_>>()?,
            symbolic: self.symbolic.clone(),
            stashes: self.stashes.iter().map(put).collect::<Option<_>>()?,
            worktrees: self.worktrees.iter().map(held).collect::<Option<_>>()?,
        })
    }
}

/// The refusal for a file of a backup that is not what it was.
pub(crate) fn broken(file: &Path, what: &str) -> Refusal {
    Refusal::failed("broken_backup", format!("{} is damaged: {what}", file.display())).hint(
        "see what is sound with `gastown backup verify DIR`; an earlier backup may do: \
         `gastown backup list DIR`, then restore with --number N",
    )
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The manifest's file of the backup `number`.
pub(crate) fn file_of(dir: &Path, number: u32) -> PathBuf {
    dir.join(format!("{number:06}.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Manifest {
        let file = Stored { path: "000001/ledger/1.seg".into(), size: 9, sha256: "ab".into() };
        let pack = Pack { file: file.clone(), basis: BTreeSet::from(["11".into()]) };
        let rig = Rig { packs: vec![pack], ..Rig::default() };
        Manifest {
            version: VERSION,
            number: 3,
            made_at: Timestamp::from_millis(1_700_000_000_123),
            program: "0.1.0".into(),
            town: "häfen \"north\"".into(),
            from: "/srv/town".into(),
            ledger: Row {
                head: Seq(9),
                hash: "00".into(),
                parts: vec![Part { first: Seq(1), last: Seq(9), file }],
            },
            rigs: BTreeMap::from([("web".parse().unwrap(), rig)]),
            folders: vec![Folder { path: "config".into(), mode: 0o755 }],
            files: Vec::new(),
            links: vec![Link { path: "web/link".into(), to: "../x".into() }],
            left_out: Vec::new(),
            added: 9,
        }
    }

    #[test]
    fn a_manifest_reads_back_and_every_changed_letter_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let file = file_of(dir.path(), 3);
        let good = sample().write();
        fs::write(&file, &good).unwrap();
        assert_eq!(Manifest::read(&file).unwrap(), sample());
        for at in 0..good.len() {
            // White space between the words is nobody's.
            if good[at].is_ascii_whitespace() {
                continue;
            }
            let mut bytes = good.clone();
            bytes[at] ^= 1;
            fs::write(&file, &bytes).unwrap();
            let refusal = Manifest::read(&file).unwrap_err();
            assert!(["broken_backup", "newer_backup"].contains(&refusal.code.as_str()), "{refusal:?}");
        }
    }

    #[test]
    fn a_newer_one_and_one_that_leads_outside_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = file_of(dir.path(), 3);
        let refused = |manifest: Manifest| {
            fs::write(&file, manifest.write()).unwrap();
            Manifest::read(&file).unwrap_err().code
        };
        assert_eq!(refused(Manifest { version: 2, ..sample() }), "newer_backup");
        for path in ["../x", "/etc/x", "a/../../x", ""] {
            let link = Link { path: path.into(), to: "x".into() };
            assert_eq!(refused(Manifest { links: vec![link], ..sample() }), "broken_backup", "{path}");
        }
    }
}
