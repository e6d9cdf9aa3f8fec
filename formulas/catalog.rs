//! A formula by its name: from the rig, from the town, or shipped with the program; the nearest wins.
//!
//! A formula is the file `NAME.formula.toml`, or `NAME.toml`, in one of the folders. Files are read anew each
//! time: people edit them while a town runs, and there are few.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::near;

use crate::cook::{self, Cooked, Library, Order};
use crate::formula::Formula;
use crate::library::SHIPPED;
use crate::problem::{Hint, Invalid, Problem, Why};

/// What a formula's file ends with; the first is looked for first.
const ENDINGS: [&str; 2] = [".formula.toml", ".toml"];

/// The folders that are searched, nearest first, and behind them what is shipped.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    folders: Vec<PathBuf>,
}

/// Where a formula was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// It came with the program.
    Shipped,
    /// In this file.
    File(PathBuf),
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Shipped => f.write_str("shipped"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// One line of the list: a name, and what is behind it, good or bad.
#[derive(Debug)]
pub struct Entry {
    /// The name that it is asked for by.
    pub name: String,
    /// Where it is.
    pub source: Source,
    /// The formula, or what is wrong with it.
    pub formula: Result<Arc<Formula>, CannotLoad>,
}

/// Why there is no formula of a name.
#[derive(Debug, thiserror::Error)]
pub enum CannotLoad {
    /// None of the folders has it.
    #[error("no formula is called {name:?}{}", Hint(near))]
    Unknown {
        /// What was asked for.
        name: String,
        /// What may have been meant.
        near: Vec<String>,
    },
    /// The file does not say what to do. It hides those of the same name behind it: to run another one than
    /// was written would be worse.
    #[error("formula {name} is broken\n{problems}")]
    Invalid {
        /// What was asked for.
        name: String,
        /// All that is wrong.
        problems: Invalid,
    },
    /// The file or folder cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl Catalog {
    /// Returns a catalog of these folders, nearest first, and of what is shipped. A folder need not exist.
    pub fn new(folders: impl IntoIterator<Item = PathBuf>) -> Self {
        Self { folders: folders.into_iter().collect() }
    }

    /// Returns the nearest formula of this name, and where it was found; if there is none, the one that is called
    /// so with `mol-` before it, as people leave that away.
    pub fn load(&self, name: &str) -> Result<(Arc<Formula>, Source), CannotLoad> {
        match self.load_exactly(name) {
            Err(CannotLoad::Unknown { .. }) if !name.starts_with("mol-") => {
                let longer = self.load_exactly(&format!("mol-{name}"));
                longer.map_err(|error| match error {
                    CannotLoad::Unknown { .. } => self.unknown(name),
                    error => error,
                })
            }
            found => found,
        }
    }

    fn load_exactly(&self, name: &str) -> Result<(Arc<Formula>, Source), CannotLoad> {
        if !is_name(name) {
            return Err(self.unknown(name));
        }
        for folder in &self.folders {
            for path in ENDINGS.map(|ending| folder.join(format!("{name}{ending}"))) {
                match std::fs::read_to_string(&path) {
                    Ok(text) => {
                        let formula = parsed(name, &path.display().to_string(), &text)?;
                        return Ok((Arc::new(formula), Source::File(path)));
                    }
                    Err(error) if is_absent(&error) => {}
                    Err(source) => return Err(CannotLoad::Unreadable { path, source }),
                }
            }
        }
        match SHIPPED.iter().find(|(shipped, _)| *shipped == name) {
            Some((_, text)) => {
                Ok((Arc::new(parsed(name, &format!("shipped:{name}"), text)?), Source::Shipped))
            }
            None => Err(self.unknown(name)),
        }
    }

    /// Returns every name with what is behind it, by name; of several of one name the nearest.
    pub fn list(&self) -> Result<Vec<Entry>, CannotLoad> {
        let mut names: BTreeMap<String, Source> = BTreeMap::new();
        for folder in &self.folders {
            for (name, path) in files(folder)? {
                names.entry(name).or_insert(Source::File(path));
            }
        }
        for (name, _) in SHIPPED {
            names.entry((*name).to_owned()).or_insert(Source::Shipped);
        }
        let entries = names.into_iter().map(|(name, source)| match self.load(&name) {
            Ok((formula, source)) => Entry { name, source, formula: Ok(formula) },
            Err(error) => Entry { name, source, formula: Err(error) },
        });
        Ok(entries.collect())
    }

    /// Returns the proto of the nearest formula of this name.
    pub fn cook(&self, name: &str, order: &Order) -> Result<Cooked, CannotLoad> {
        let (formula, _) = self.load(name)?;
        let invalid = |problems| CannotLoad::Invalid { name: name.to_owned(), problems };
        cook::cook(self, &formula, order).map_err(invalid)
    }

    /// Returns the proto of a formula that need not be in the catalog: what it builds on is looked up there.
    /// `file` is the name that messages use.
    pub fn cook_text(&self, file: &str, text: &str, order: &Order) -> Result<Cooked, Invalid> {
        let formula = Arc::new(Formula::parse(file, text)?);
        cook::cook(&Beside { own: Arc::clone(&formula), catalog: self }, &formula, order)
    }

    fn unknown(&self, name: &str) -> CannotLoad {
        // A folder that cannot be read has nothing to suggest.
        let found =
            self.folders.iter().filter_map(|folder| files(folder).ok()).flatten().map(|(name, _)| name);
        let known: Vec<String> = found.chain(SHIPPED.iter().map(|(name, _)| (*name).to_owned())).collect();
        CannotLoad::Unknown {
            name: name.to_owned(),
            near: near::matches(name, known.iter().map(String::as_str)),
        }
    }
}

impl Library for Catalog {
    fn find(&self, name: &str) -> Result<Arc<Formula>, CannotLoad> {
        self.load(name).map(|(formula, _)| formula)
    }
}

/// A formula that is not in the catalog, before those that are.
struct Beside<'a> {
    own: Arc<Formula>,
    catalog: &'a Catalog,
}

impl Library for Beside<'_> {
    fn find(&self, name: &str) -> Result<Arc<Formula>, CannotLoad> {
        if self.own.name() == name { Ok(Arc::clone(&self.own)) } else { self.catalog.find(name) }
    }
}

/// Whether a formula may be called so. A name is never a path: no separators, no hidden files, nothing upwards.
pub fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('.')
        && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn parsed(name: &str, file: &str, text: &str) -> Result<Formula, CannotLoad> {
    let mut formula = Formula::parse(file, text)
        .map_err(|problems| CannotLoad::Invalid { name: name.to_owned(), problems })?;
    if formula.name() != name {
        let why = Why::OtherName { inside: formula.name().to_owned(), outside: name.to_owned() };
        formula
            .warnings
            .insert(0, Problem { file: file.to_owned(), line: 1, key: "formula".to_owned(), why });
    }
    Ok(formula)
}

/// The formula files of a folder by name, `.formula.toml` before `.toml`.
fn files(folder: &Path) -> Result<Vec<(String, PathBuf)>, CannotLoad> {
    let unreadable = |source| CannotLoad::Unreadable { path: folder.to_owned(), source };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if is_absent(&error) => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(unreadable)?.path();
        let Some(file) = path.file_name().and_then(|file| file.to_str()) else { continue };
        let name =
            ENDINGS.iter().enumerate().find_map(|(rank, ending)| Some((file.strip_suffix(ending)?, rank)));
        if let Some((name, rank)) = name.filter(|(name, _)| is_name(name)) {
            found.push((name.to_owned(), rank, path));
        }
    }
    found.sort();
    found.dedup_by(|second, first| second.0 == first.0);
    Ok(found.into_iter().map(|(name, _, path)| (name, path)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::library::DEFAULT;

    fn write(folder: &Path, file: &str, title: &str) {
        let name = file.split('.').next().unwrap();
        std::fs::write(folder.join(file), format!("formula='{name}'\n[[steps]]\nid='s'\ntitle=\"{title}\""))
            .unwrap();
    }

    #[test]
    fn the_nearest_of_a_name_wins() {
        let (rig, town) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let catalog = Catalog::new([rig.path().to_owned(), town.path().to_owned(), "/no/such/folder".into()]);
        let title = |name: &str| catalog.cook(name, &Order::default()).unwrap().proto.steps[0].title.clone();
        assert_eq!(catalog.load(DEFAULT).unwrap().1, Source::Shipped);
        assert_eq!(catalog.load("polecat-work").unwrap().0.name(), DEFAULT);

        write(town.path(), "mol-polecat-work.formula.toml", "the town's");
        write(town.path(), "own.toml", "plain ending");
        assert_eq!(title(DEFAULT), "the town's");
        assert_eq!(title("own"), "plain ending");
        write(rig.path(), "mol-polecat-work.toml", "the rig's");
        assert_eq!(title(DEFAULT), "the rig's");
        write(rig.path(), "mol-polecat-work.formula.toml", "the full ending first");
        assert_eq!(title(DEFAULT), "the full ending first");

        let names: Vec<String> = catalog.list().unwrap().into_iter().map(|entry| entry.name).collect();
        let has = |wanted: &str| names.iter().any(|name| name == wanted);
        assert!(names.is_sorted() && has("own") && has("shiny"), "{names:?}");
        assert_eq!(names.iter().filter(|name| *name == DEFAULT).count(), 1);
    }

    #[test]
    fn an_unknown_name_is_answered_with_near_ones_and_is_never_a_path() {
        let town = tempfile::tempdir().unwrap();
        write(town.path(), "release.formula.toml", "x");
        let catalog = Catalog::new([town.path().join("sub/.."), town.path().to_owned()]);
        assert_eq!(
            catalog.load("relaese").unwrap_err().to_string(),
            "no formula is called \"relaese\"; did you mean \"release\"?"
        );
        for name in ["", "..", "../release", "/etc/passwd", ".hidden", "a/b"] {
            assert!(matches!(catalog.load(name), Err(CannotLoad::Unknown { .. })), "{name}");
        }
    }

    #[test]
    fn a_broken_one_is_listed_as_broken_and_hides_the_shipped_one() {
        let town = tempfile::tempdir().unwrap();
        std::fs::write(town.path().join("shell-checked.formula.toml"), "formula = 3").unwrap();
        let catalog = Catalog::new([town.path().to_owned()]);
        assert!(matches!(catalog.load("shell-checked"), Err(CannotLoad::Invalid { .. })));
        let list = catalog.list().unwrap();
        let broken: Vec<&Entry> = list.iter().filter(|entry| entry.formula.is_err()).collect();
        assert_eq!((broken.len(), broken[0].name.as_str()), (1, "shell-checked"));
        let error = broken[0].formula.as_ref().unwrap_err().to_string();
        assert!(error.contains("shell-checked.formula.toml:1: formula: expected a string"), "{error}");
    }

    #[test]
    fn a_file_of_another_name_than_its_formula_is_odd() {
        let town = tempfile::tempdir().unwrap();
        std::fs::write(town.path().join("a.toml"), "formula='b'\n[[steps]]\nid='s'").unwrap();
        let (formula, _) = Catalog::new([town.path().to_owned()]).load("a").unwrap();
        assert!(matches!(&formula.warnings[0].why, Why::OtherName { inside, .. } if inside == "b"));
    }
}
