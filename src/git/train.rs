//! Several merge results on top of one another, made in memory.
//!
//! A *train* is a stack of heads, each merged onto what stands before it. Building it says what tree comes out,
//! which is all that a gate needs. What is pushed is *coupled*: each part of the train that is known to be good as
//! a whole becomes one commit on the target's first-parent line.
//!
//! ```text
//!   target ──●────────────●───────────────────●──   first parents: only trees that were gated
//!             \          / \                 /
//!              ●── m1 ──●   ●── m2 ── m3 ───●       a part of one is its own merge; a part of many is merged again
//! ```
//!
//! Everything depends on the arguments alone: the same call after a restart makes the same commits.

use std::collections::BTreeSet;

use git2::{MergeOptions, Oid, Repository};

use crate::merge::{self, Identity};
use crate::{Error, Repo, Result};

/// The words of a merge commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// The message, without trailers.
    pub message: String,
    /// Author and committer.
    pub author: Identity,
    /// Trailers, in this order.
    pub trailers: Vec<(String, String)>,
}

/// One change of a train.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Car {
    /// The commit that is merged.
    pub head: Oid,
    /// What its merge commit says.
    pub words: Words,
}

/// A change as it was merged onto those before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// Its merge commit.
    pub commit: Oid,
    /// What came out.
    pub tree: Oid,
    /// What it changes there, sorted.
    pub paths: Vec<String>,
}

/// What came of building a train; `at` counts from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Train {
    /// All are merged, in order.
    Whole(Vec<Merged>),
    /// The target has this one already: `commit` is the first on its line that contains it.
    Landed { at: usize, commit: Oid },
    /// It brings nothing to the target.
    Empty { at: usize },
    /// It has no history in common with the target.
    Stranger { at: usize },
    /// It does not merge with the target itself.
    Conflict { at: usize, files: Vec<String> },
    /// It merges with the target, but not with some of those before it.
    Clash { at: usize, with: Vec<usize> },
}

/// A train that is ready to be pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coupled {
    /// Each change's own merge commit.
    pub own: Vec<Oid>,
    /// The new commits of the first-parent line with their trees, oldest first.
    pub line: Vec<(Oid, Oid)>,
}

enum Tried {
    Tree(Oid),
    Conflict(Vec<String>),
}

/// Merges `cars` onto `base`, each onto those before it.
///
/// # Errors
/// When objects are missing or cannot be written.
pub fn build(repo: &Repo, base: Oid, cars: &[Car]) -> Result<Train> {
    let library = repo.library()?;
    let doing = || Error::library(format!("merge onto {base}"));
    for (at, car) in cars.iter().enumerate() {
        if repo.is_ancestor(car.head, base)? {
            return Ok(match merge::already(repo, base, car.head)? {
                merge::Prepared::AlreadyMerged { commit } => Train::Landed { at, commit },
                _ => Train::Empty { at },
            });
        }
        if library.merge_base(base, car.head).is_err() {
            return Ok(Train::Stranger { at });
        }
    }
    let mut done: Vec<Merged> = Vec::new();
    let mut tip = base;
    for (at, car) in cars.iter().enumerate() {
        let below = library.find_commit(tip).map_err(doing())?.tree_id();
        let tree = match merged(&library, tip, car.head)? {
            Tried::Tree(tree) if at == 0 && tree == below => return Ok(Train::Empty { at }),
            Tried::Tree(tree) => tree,
            Tried::Conflict(files) => return apart(&library, base, cars, at, files),
        };
        let commit = write(repo, [tip, car.head], tree, &car.words)?;
        let paths = changed(&library, below, tree)?;
        done.push(Merged { commit, tree, paths });
        tip = commit;
    }
    Ok(Train::Whole(done))
}

/// Says with whom the change at `at` conflicts.
fn apart(library: &Repository, base: Oid, cars: &[Car], at: usize, files: Vec<String>) -> Result<Train> {
    if at == 0 {
        return Ok(Train::Conflict { at, files });
    }
    if let Tried::Conflict(files) = merged(library, base, cars[at].head)? {
        return Ok(Train::Conflict { at, files });
    }
    let mut with = Vec::new();
    for (other, car) in cars[..at].iter().enumerate() {
        if let Tried::Conflict(_) = merged(library, car.head, cars[at].head)? {
            with.push(other);
        }
    }
    if with.is_empty() {
        with.extend(0..at);
    }
    Ok(Train::Clash { at, with })
}

/// Makes what is pushed: `ends` are the places behind which a part of the train ends, the last one among them.
///
/// `batch` gives the words for a part of several changes.
///
/// # Errors
/// As [`build`]; and when the train does not build any more.
pub fn couple(
    repo: &Repo,
    base: Oid,
    cars: &[Car],
    ends: &[usize],
    batch: impl Fn(&[Car]) -> Words,
) -> Result<Coupled> {
    let library = repo.library()?;
    let mut coupled = Coupled { own: Vec::new(), line: Vec::new() };
    let (mut tip, mut from) = (base, 0);
    for end in ends {
        let part = &cars[from..*end];
        let below = tip;
        let mut tree = None;
        for car in part {
            let Tried::Tree(out) = merged(&library, tip, car.head)? else {
                let doing = format!("merge {} onto {base}", car.head);
                return Err(Error::Git { doing, detail: "it did merge a moment ago".to_owned() });
            };
            tip = write(repo, [tip, car.head], out, &car.words)?;
            coupled.own.push(tip);
            tree = Some(out);
        }
        let Some(tree) = tree else { continue };
        if part.len() > 1 {
            tip = write(repo, [below, tip], tree, &batch(part))?;
        }
        coupled.line.push((tip, tree));
        from = *end;
    }
    Ok(coupled)
}

/// Returns the paths that `head` changes since it left `base`, sorted; at most `most`, else nothing.
///
/// # Errors
/// When one of them is missing.
pub fn touches(repo: &Repo, base: Oid, head: Oid, most: usize) -> Result<Option<Vec<String>>> {
    let library = repo.library()?;
    let doing = || Error::library(format!("compare {base} and {head}"));
    let fork = library.merge_base(base, head).unwrap_or(base);
    let tree = |oid| library.find_commit(oid).map(|commit| commit.tree_id());
    let paths = changed(&library, tree(fork).map_err(doing())?, tree(head).map_err(doing())?)?;
    Ok((paths.len() <= most).then_some(paths))
}

fn merged(library: &Repository, ours: Oid, theirs: Oid) -> Result<Tried> {
    let doing = || Error::library(format!("merge {theirs} onto {ours}"));
    let find = |oid| library.find_commit(oid).map_err(doing());
    let mut options = MergeOptions::new();
    options.find_renames(true);
    let mut index = library.merge_commits(&find(ours)?, &find(theirs)?, Some(&options)).map_err(doing())?;
    if index.has_conflicts() {
        return Ok(Tried::Conflict(merge::conflicts(&index).map_err(doing())?));
    }
    Ok(Tried::Tree(index.write_tree_to(library).map_err(doing())?))
}

fn write(repo: &Repo, parents: [Oid; 2], tree: Oid, words: &Words) -> Result<Oid> {
    let doing = || Error::library("write a merge commit");
    let library = repo.library()?;
    let find = |oid| library.find_commit(oid).map_err(doing());
    let (ours, theirs) = (find(parents[0])?, find(parents[1])?);
    let trailers: Vec<(&str, &str)> =
        words.trailers.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let message = merge::full_message(&words.message, &trailers);
    merge::write(&library, [&ours, &theirs], tree, &message, &words.author).map_err(doing())
}

fn changed(library: &Repository, from: Oid, to: Oid) -> Result<Vec<String>> {
    let doing = || Error::library("compare two trees");
    let tree = |oid| library.find_tree(oid).map_err(doing());
    let diff = library.diff_tree_to_tree(Some(&tree(from)?), Some(&tree(to)?), None).map_err(doing())?;
    let sides = diff.deltas().flat_map(|delta| {
        [delta.old_file().path_bytes().map(<[u8]>::to_vec), delta.new_file().path_bytes().map(<[u8]>::to_vec)]
    });
    let paths: BTreeSet<String> =
        sides.flatten().map(|path| String::from_utf8_lossy(&path).into_owned()).collect();
    Ok(paths.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{A_TXT, Lab, commit_file};
    use crate::worktree;

    fn car(lab: &Lab, repo: &Repo, name: &str, file: &str, text: &str) -> Car {
        let path =
            worktree::ensure(repo, &lab.path(name), &format!("polecat/{name}/a"), lab.first).unwrap().path;
        let head = commit_file(&path, file, text, name);
        Car { head, words: words(&format!("Merge {name}"), &[name]) }
    }

    fn words(message: &str, beads: &[&str]) -> Words {
        Words {
            message: message.to_owned(),
            author: Identity { name: "r".into(), email: "r@example.com".into(), at: 1_700_000_000 },
            trailers: beads.iter().map(|bead| ("Bead".to_owned(), (*bead).to_owned())).collect(),
        }
    }

    fn batch(cars: &[Car]) -> Words {
        let beads: Vec<&str> = cars.iter().map(|car| car.words.trailers[0].1.as_str()).collect();
        words("Merge several", &beads)
    }

    #[test]
    fn a_train_ends_in_the_same_tree_however_it_is_coupled() {
        let lab = Lab::new();
        let repo = lab.clone();
        let cars = [
            car(&lab, &repo, "a", "a.txt", &A_TXT.replace("one", "ONE")),
            car(&lab, &repo, "b", "b.txt", "b\n"),
            car(&lab, &repo, "c", "a.txt", &A_TXT.replace("seven", "SEVEN")),
        ];
        let Train::Whole(merged) = build(&repo, lab.first, &cars).unwrap() else { panic!() };
        assert_eq!(merged[1].paths, ["b.txt"]);
        let tree = merged[2].tree;
        let one = couple(&repo, lab.first, &cars, &[3], batch).unwrap();
        assert_eq!(one.line.len(), 1);
        assert_eq!(one.line[0].1, tree);
        let log = repo.first_parent_log(one.line[0].0, 2).unwrap();
        assert_eq!(
            log[0].parents,
            [lab.first, one.own[2]],
            "the line leads from the base straight to the batch"
        );
        assert!(log[0].message.ends_with("Bead: a\nBead: b\nBead: c\n"), "{}", log[0].message);

        let all = couple(&repo, lab.first, &cars, &[1, 2, 3], batch).unwrap();
        assert_eq!(all.own, merged.iter().map(|m| m.commit).collect::<Vec<_>>());
        assert_eq!(
            all.line.iter().map(|(_, tree)| *tree).collect::<Vec<_>>(),
            merged.iter().map(|m| m.tree).collect::<Vec<_>>()
        );
        let mixed = couple(&repo, lab.first, &cars, &[2, 3], batch).unwrap();
        assert_eq!((mixed.line.len(), mixed.line[1].1), (2, tree));
        assert_eq!(couple(&repo, lab.first, &cars, &[2, 3], batch).unwrap(), mixed, "the same each time");
    }

    #[test]
    fn a_clash_within_the_train_is_not_a_conflict_with_the_target() {
        let lab = Lab::new();
        let repo = lab.clone();
        let cars = [
            car(&lab, &repo, "a", "a.txt", &A_TXT.replace("two", "ours")),
            car(&lab, &repo, "b", "b.txt", "b\n"),
            car(&lab, &repo, "c", "a.txt", &A_TXT.replace("two", "theirs")),
        ];
        assert_eq!(build(&repo, lab.first, &cars).unwrap(), Train::Clash { at: 2, with: vec![0] });
        let alone = build(&repo, lab.first, &cars[..1]).unwrap();
        let Train::Whole(merged) = alone else { panic!() };
        let on_it = build(&repo, merged[0].commit, &cars[1..]).unwrap();
        assert_eq!(on_it, Train::Conflict { at: 1, files: vec!["a.txt".to_owned()] });
        let again = build(&repo, merged[0].commit, &cars[..1]).unwrap();
        assert_eq!(again, Train::Landed { at: 0, commit: merged[0].commit });
        let nothing = Car { head: lab.first, ..cars[0].clone() };
        assert_eq!(build(&repo, lab.first, &[nothing]).unwrap(), Train::Empty { at: 0 });
        assert_eq!(touches(&repo, lab.first, cars[0].head, 10).unwrap(), Some(vec!["a.txt".to_owned()]));
        assert_eq!(touches(&repo, lab.first, cars[0].head, 0).unwrap(), None);
    }
}
