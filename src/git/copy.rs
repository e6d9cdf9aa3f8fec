//! A repository carried elsewhere: where its references stand, everything that they lead to in packs of
//! git, and what only its worktrees hold as commits.
//!
//! A pack holds what the tips lead to without what others lead to, so a row of packs grows with the work
//! and each is a plain pack that any git reads. No reference of the repository is made or moved, and agents
//! go on working meanwhile: what is packed is named by its hash alone.
//!
//! Not carried: reflogs (but for stashes), ignored files of worktrees, and what is staged where it differs
//! from the files, which comes back as a parent of the rescue commit.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use git2::{Oid, ReferenceType};
use rustix::fs::MemfdFlags;

use crate::place::{self, Place};
use crate::process::Limit;
use crate::program::Git;
use crate::status::Stash;
use crate::{Error, Repo, Result, rescue, unsaved, worktree};

/// How long packing may take; it says nothing meanwhile.
const PACKING: Limit = Limit { total: Duration::from_secs(3600), silence: None };

/// How often a worktree is looked at again whose agent has just committed.
const LOOKS: usize = 3;

/// Where everything in a repository stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// References by their full names, with the object that each names.
    pub refs: BTreeMap<String, Oid>,
    /// References that name others, `HEAD` among them.
    pub symbolic: BTreeMap<String, String>,
    /// All stashes, oldest first.
    pub stashes: Vec<Stash>,
    /// Worktrees that were asked for.
    pub worktrees: Vec<Held>,
}

/// What a worktree holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Its folder.
    pub path: PathBuf,
    /// The branch that it is on.
    pub branch: Option<String>,
    /// The commit that is checked out.
    pub head: Oid,
    /// The commit that holds what is only there; none when there is nothing.
    pub unsaved: Option<Oid>,
}

impl Standing {
    /// Everything that must be there for all of it to be there.
    pub fn tips(&self) -> BTreeSet<Oid> {
        let held = self.worktrees.iter().flat_map(|held| [Some(held.head), held.unsaved]).flatten();
        self.refs.values().copied().chain(self.stashes.iter().map(|stash| stash.oid)).chain(held).collect()
    }

    /// Adds references of `earlier` that are gone by now, unless their names are in the way.
    pub fn with_gone(mut self, earlier: &Standing) -> Standing {
        for (name, oid) in &earlier.refs {
            let in_the_way = |other: &String| {
                other
                    .strip_prefix(name.as_str())
                    .or_else(|| name.strip_prefix(other.as_str()))
                    .is_some_and(|rest| rest.starts_with('/'))
            };
            if !self.refs.keys().any(in_the_way) {
                self.refs.entry(name.clone()).or_insert(*oid);
            }
        }
        self
    }
}

/// The folders of all worktrees of `repo` that stand.
pub fn worktrees(repo: &Repo) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        place::entries(repo).iter().filter_map(|entry| place::place_named_by(entry)).collect();
    found.retain(|path| path.exists());
    found.sort();
    found
}

/// Where the references of `repo` stand.
///
/// # Errors
/// When they cannot be read.
pub fn references(repo: &Repo) -> Result<Standing> {
    let doing = || Error::library(format!("list the references of {}", repo.path().display()));
    let library = repo.library()?;
    let mut standing = Standing::default();
    let head = library.find_reference("HEAD").map_err(doing())?;
    for reference in library.references().map_err(doing())?.chain([Ok(head)]) {
        let reference = reference.map_err(doing())?;
        let Ok(name) = std::str::from_utf8(reference.name_bytes()) else { continue };
        match (reference.kind(), reference.target(), reference.symbolic_target_bytes()) {
            (Some(ReferenceType::Symbolic), _, Some(to)) => {
                standing.symbolic.insert(name.to_owned(), String::from_utf8_lossy(to).into_owned());
            }
            (_, Some(oid), _) => drop(standing.refs.insert(name.to_owned(), oid)),
            _ => {}
        }
    }
    if standing.refs.contains_key("refs/stash") {
        let log = library.reflog("refs/stash").map_err(Error::library("read the stashes"))?;
        let told = |entry: git2::ReflogEntry<'_>| Stash {
            oid: entry.id_new(),
            message: String::from_utf8_lossy(entry.message_bytes().unwrap_or_default()).into_owned(),
        };
        standing.stashes = log.iter().map(told).collect();
        standing.stashes.reverse();
    }
    Ok(standing)
}

/// The same, with what each of the worktrees at `folders` holds beside its branch, in the name of the agent
/// that goes with it. One that goes away meanwhile is left out.
///
/// # Errors
/// What git says.
pub fn standing(repo: &Repo, folders: &[(PathBuf, String)]) -> Result<Standing> {
    let mut held = Vec::new();
    for (path, agent) in folders {
        held.extend(look(repo, path, agent)?);
    }
    Ok(Standing { worktrees: held, ..references(repo)? })
}

fn look(repo: &Repo, path: &Path, agent: &str) -> Result<Option<Held>> {
    let mut tries = 0;
    loop {
        tries += 1;
        let Place::Ours { entry } = place::look(repo, path)? else { return Ok(None) };
        let looked = (|| {
            let on = || worktree::describe(path, place::branch_of(&entry), worktree::How::Found);
            let before = on()?;
            let unsaved = unsaved::unsaved(path, agent)?;
            let settled = on()? == before;
            Ok((settled, Held { path: path.to_owned(), branch: before.branch, head: before.head, unsaved }))
        })();
        match looked {
            Ok((settled, held)) if settled || tries == LOOKS => return Ok(Some(held)),
            // An agent that commits, or a folder that is removed, just now.
            Ok(_) => {}
            Err(_) if tries < LOOKS => {}
            Err(error) => return Err(error),
        }
    }
}

/// Writes what `tips` lead to and `known` do not into a new pack `file`; returns false, and writes none,
/// when there is nothing of that.
///
/// # Errors
/// What git says, for instance of an object that is missing.
pub fn pack(repo: &Repo, tips: &BTreeSet<Oid>, known: &BTreeSet<Oid>, file: &Path) -> Result<bool> {
    let library = repo.library()?;
    let store = library.odb().map_err(Error::library("open the objects"))?;
    let mut wanted: String = tips.iter().map(|oid| format!("{oid}\n")).collect();
    for oid in known.iter().filter(|oid| store.exists(**oid)) {
        wanted.push_str(&format!("^{oid}\n"));
    }
    let writing = |source| Error::Io { doing: format!("write {}", file.display()), source };
    // Git would make a named pack beside the repository first, which may be on another disk.
    let pack = File::create(file).map_err(writing)?;
    repo.git(format!("pack what is in {}", repo.path().display()))
        .args(["pack-objects", "--revs", "--non-empty", "--quiet", "--delta-base-offset", "--stdout"])
        .input(text_file(&wanted).map_err(writing)?)
        .output(pack.try_clone().map_err(writing)?)
        .limit(PACKING)
        .run()?;
    if pack.metadata().map_err(writing)?.len() > 0 {
        return Ok(true);
    }
    fs::remove_file(file).map_err(writing)?;
    Ok(false)
}

/// Something for git to read that needs no name and no place on a disk.
fn text_file(text: &str) -> io::Result<File> {
    let mut file = File::from(rustix::fs::memfd_create("gastown", MemfdFlags::CLOEXEC)?);
    file.write_all(text.as_bytes())?;
    file.rewind()?;
    Ok(file)
}

/// Makes an empty bare repository at `path`, a new folder.
///
/// # Errors
/// What git says.
pub fn begin(path: &Path) -> Result<()> {
    let parent = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(parent).map_err(Error::io(format!("make the folder {}", parent.display())))?;
    Git::new(parent, format!("make the repository {}", path.display()))
        .args(["init", "--quiet", "--bare", "--template=", "--initial-branch=main"])
        .arg(path)
        .run()
        .map(drop)
}

/// Takes `packs` into the repository at `path`, which [`begin`] has made, and sets its references as they
/// stood; looks whether all that they lead to is there.
///
/// # Errors
/// What git says of a pack that is damaged or of objects that are missing.
pub fn fill(path: &Path, packs: &[PathBuf], standing: &Standing) -> Result<Repo> {
    let repo = Repo::open(path)?;
    for pack in packs {
        let file = File::open(pack).map_err(Error::io(format!("open {}", pack.display())))?;
        repo.git(format!("take in {}", pack.display()))
            .args(["index-pack", "--stdin"])
            .input(file)
            .limit(PACKING)
            .run()?;
    }
    let named = standing.refs.iter().filter(|(name, _)| *name != "refs/stash" && *name != "HEAD");
    let lines: String = named.map(|(name, oid)| format!("create {name} {oid}\n")).collect();
    let input = text_file(&lines).map_err(Error::io("write down the references"))?;
    repo.git("set the references").args(["update-ref", "--stdin"]).input(input).run()?;
    for (name, to) in &standing.symbolic {
        repo.git(format!("set {name}")).args(["symbolic-ref", name, to]).run()?;
    }
    for Stash { oid, message } in &standing.stashes {
        let words = ["update-ref", "--create-reflog", "-m", message, "refs/stash", &oid.to_string()];
        repo.git("put the stashes back").args(words).run()?;
    }
    let tips: Vec<String> = standing.tips().iter().map(Oid::to_string).collect();
    let input = text_file(&(tips.join("\n") + "\n")).map_err(Error::io("write down the tips"))?;
    repo.git(format!("find everything in {}", path.display()))
        .args(["rev-list", "--objects", "--quiet", "--stdin"])
        .input(input)
        .limit(PACKING)
        .run()?;
    Ok(repo)
}

/// Where unsaved work has come back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Back {
    /// The rescue branch that holds all of it.
    pub branch: String,
    /// The folder that has its files as they lay; none where only the branch could be made, or where there
    /// were no changed files.
    pub folder: Option<PathBuf>,
}

/// Names the unsaved work of `held` by a branch `rescue/<agent>/<label>`, and makes the worktree again with
/// the files as they lay, uncommitted. None when nothing was unsaved.
///
/// # Errors
/// What git says.
pub fn bring_back(repo: &Repo, held: &Held, agent: &str, label: &str) -> Result<Option<Back>> {
    let Some(unsaved) = held.unsaved else { return Ok(None) };
    let branch = rescue::keep(repo, agent, label, unsaved)?;
    if repo.tree_of(unsaved)? == repo.tree_of(held.head)? {
        return Ok(Some(Back { branch, folder: None }));
    }
    let place = match &held.branch {
        // In the middle of a rebase, for instance: the files would lie on another commit than theirs.
        Some(on) if repo.branch_head(on)? != Some(held.head) => {
            return Ok(Some(Back { branch, folder: None }));
        }
        Some(on) => worktree::ensure(repo, &held.path, on, held.head)?,
        None => worktree::detached(repo, &held.path, held.head)?,
    };
    repo.git_in(&place.path, format!("bring back what lay in {}", held.path.display()))
        .args([
            "restore",
            &format!("--source={unsaved}"),
            "--worktree",
            "--no-recurse-submodules",
            "--",
            ":/",
        ])
        .run()?;
    Ok(Some(Back { branch, folder: Some(place.path) }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status;
    use crate::testing::{Lab, commit_file};

    fn carried(lab: &Lab, repo: &Repo, folders: &[(PathBuf, String)]) -> (Standing, Vec<PathBuf>) {
        let standing = standing(repo, folders).unwrap();
        let file = lab.path("all.pack");
        assert!(pack(repo, &standing.tips(), &BTreeSet::new(), &file).unwrap());
        (standing, vec![file])
    }

    #[test]
    fn everything_comes_out_elsewhere_as_it_stood_unsaved_files_included() {
        let lab = Lab::new();
        let repo = lab.clone();
        let tree = worktree::ensure(&repo, &lab.path("nux one"), "polecat/nux/a", lab.first).unwrap().path;
        commit_file(&tree, "b.txt", "b\n", "b");
        for (name, text) in [("a.txt", "stashed\n"), ("b.txt", "stashed too\n")] {
            fs::write(tree.join(name), text).unwrap();
            lab.git(&tree, &["stash", "push", "--quiet"]);
        }
        fs::write(tree.join("a.txt"), "changed\n").unwrap();
        lab.git(&tree, &["add", "a.txt"]);
        fs::write(tree.join("a.txt"), "changed again\n").unwrap();
        fs::remove_file(tree.join("b.txt")).unwrap();
        fs::write(tree.join("new file"), "new\n").unwrap();
        let before = (status::ask(&tree).unwrap(), references(&repo).unwrap());

        let folders = [(tree.clone(), "nux".to_owned())];
        let (stood, packs) = carried(&lab, &repo, &folders);
        assert_eq!(
            (status::ask(&tree).unwrap(), references(&repo).unwrap()),
            before,
            "the source was touched"
        );
        assert_eq!(standing(&repo, &folders).unwrap(), stood, "the same state is the same commits");
        assert_eq!((stood.stashes.len(), worktrees(&repo)), (2, vec![tree.clone()]));

        let there = lab.path("there/repo.git");
        begin(&there).unwrap();
        let copy = fill(&there, &packs, &stood).unwrap();
        let now = references(&copy).unwrap();
        assert_eq!((&now.refs, &now.symbolic), (&stood.refs, &stood.symbolic));
        assert_eq!(now.stashes, stood.stashes);

        let held = Held { path: lab.path("there/nux"), ..stood.worktrees[0].clone() };
        let back = bring_back(&copy, &held, "nux", "a").unwrap().unwrap();
        assert_eq!(back.branch, "rescue/nux/a");
        assert_eq!(bring_back(&copy, &held, "nux", "a").unwrap(), Some(back.clone()));
        let folder = back.folder.unwrap();
        let state = status::status(&folder).unwrap();
        assert_eq!((state.branch.as_deref(), state.head), (Some("polecat/nux/a"), Some(held.head)));
        assert_eq!(fs::read_to_string(folder.join("a.txt")).unwrap(), "changed again\n");
        assert_eq!(fs::read_to_string(folder.join("new file")).unwrap(), "new\n");
        assert!(!folder.join("b.txt").exists());
        assert_eq!((state.stashes.len(), state.untracked), (2, vec!["new file".to_owned()]));
        let staged = lab.git(&there, &["log", "--format=%s", "rescue/nux/a"]);
        assert!(staged.contains("what nux had staged"), "{staged}");
    }

    #[test]
    fn a_second_pack_holds_only_what_is_new_and_none_is_made_of_nothing() {
        let lab = Lab::new();
        let repo = lab.clone();
        let (stood, mut packs) = carried(&lab, &repo, &[]);
        let next = lab.path("next.pack");
        assert!(!pack(&repo, &stood.tips(), &stood.tips(), &next).unwrap());
        assert!(!next.exists());
        let noise: String =
            (0..20_000_u32).map(|n| format!("{:x} ", n.wrapping_mul(2_654_435_761))).collect();
        commit_file(&lab.seed, "big.txt", &noise, "big");
        lab.push_seed("main");
        repo.fetch().unwrap();
        let big = references(&repo).unwrap();
        assert!(pack(&repo, &big.tips(), &stood.tips(), &next).unwrap());
        commit_file(&lab.seed, "a.txt", "small\n", "small");
        lab.push_seed("main");
        repo.fetch().unwrap();
        let small = references(&repo).unwrap();
        let last = lab.path("last.pack");
        assert!(pack(&repo, &small.tips(), &big.tips(), &last).unwrap());
        let size = |file: &Path| fs::metadata(file).unwrap().len();
        assert!(size(&last) * 20 < size(&next), "{} {}", size(&last), size(&next));

        packs.extend([next, last]);
        let there = lab.path("there.git");
        begin(&there).unwrap();
        fill(&there, &packs, &small).unwrap();
        // One that is missing is noticed, whatever the references say.
        let there = lab.path("gap.git");
        begin(&there).unwrap();
        packs.remove(1);
        assert!(fill(&there, &packs, &small).is_err());
    }

    #[test]
    fn what_has_gone_meanwhile_is_kept_unless_its_name_is_taken() {
        let oid = |n: u8| Oid::from_bytes(&[n; 20]).unwrap();
        let at = |refs: &[(&str, u8)]| Standing {
            refs: refs.iter().map(|(name, n)| ((*name).to_owned(), oid(*n))).collect(),
            ..Standing::default()
        };
        let earlier = at(&[("refs/heads/a", 1), ("refs/heads/b", 1), ("refs/heads/c/d", 1)]);
        let now = at(&[("refs/heads/a", 2), ("refs/heads/c", 2), ("refs/heads/bb", 2)]);
        let all = now.with_gone(&earlier);
        assert_eq!(all.refs["refs/heads/a"], oid(2));
        assert_eq!(all.refs["refs/heads/b"], oid(1));
        assert!(!all.refs.contains_key("refs/heads/c/d"));
    }

    #[test]
    fn a_repository_of_limited_depth_comes_out_whole_with_its_boundary() {
        let lab = Lab::new();
        commit_file(&lab.seed, "b.txt", "b\n", "b");
        lab.push_seed("main");
        let url = format!("file://{}", lab.origin.display());
        lab.git(lab.root(), &["clone", "--quiet", "--bare", "--depth=1", &url, "shallow.git"]);
        let repo = Repo::open(lab.path("shallow.git")).unwrap();
        let (stood, packs) = carried(&lab, &repo, &[]);
        let there = lab.path("there.git");
        begin(&there).unwrap();
        fs::copy(repo.path().join("shallow"), there.join("shallow")).unwrap();
        fill(&there, &packs, &stood).unwrap();
    }
}
