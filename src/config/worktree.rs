//! What a worktree gets besides the files of its branch: `worktree` in a rig's file.

use std::num::NonZeroU16;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::document::span;

/// What is done in every worktree of a rig that is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WorktreeRules {
    /// A line for `sh -c`, run in a worker's worktree before its first session there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub setup: Option<String>,
    /// How long that may take.
    #[serde(with = "span")]
    pub setup_timeout: Duration,
    /// Files that git does not have and that every worktree needs, for instance `.env`; relative to its root.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "inner_files")]
    pub copy: Vec<PathBuf>,
    /// Ports that each worktree has for itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ports: Option<Ports>,
    /// Whether submodules are checked out as well.
    pub submodules: bool,
}

impl Default for WorktreeRules {
    fn default() -> Self {
        Self {
            setup: None,
            setup_timeout: Duration::from_secs(600),
            copy: Vec::new(),
            ports: None,
            submodules: true,
        }
    }
}

impl WorktreeRules {
    /// Whether nothing is set.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Ports that are given out to worktrees, a range to each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ports {
    /// The first of the first worktree.
    pub first: NonZeroU16,
    /// How many each has.
    pub each: NonZeroU16,
}

impl Ports {
    /// The first and the last port of the `n`th worktree, from 0; none when there are no more ports.
    pub fn of(self, n: usize) -> Option<(u16, u16)> {
        let first =
            usize::from(self.first.get()).checked_add(n.checked_mul(usize::from(self.each.get()))?)?;
        let last = first.checked_add(usize::from(self.each.get()) - 1)?;
        Some((u16::try_from(first).ok()?, u16::try_from(last).ok()?))
    }
}

fn inner_files<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<PathBuf>, D::Error> {
    let files = Vec::<PathBuf>::deserialize(deserializer)?;
    match files.iter().find(|file| !is_inner(file)) {
        Some(file) => {
            Err(de::Error::custom(format!("{} is not a file inside of a worktree", file.display())))
        }
        None => Ok(files),
    }
}

/// Whether a path stays below where it begins, and out of git's own folder.
fn is_inner(path: &Path) -> bool {
    let plain = |part: Component<'_>| matches!(part, Component::Normal(name) if name != ".git");
    path.components().next().is_some() && path.components().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_worktree_has_ports_of_its_own_as_long_as_there_are_any() {
        let ports = |first: u16, each: u16| Ports {
            first: NonZeroU16::new(first).unwrap(),
            each: NonZeroU16::new(each).unwrap(),
        };
        let (many, few) = (ports(20_000, 10), ports(65_530, 6));
        assert_eq!((many.of(0), many.of(1)), (Some((20_000, 20_009)), Some((20_010, 20_019))));
        assert_eq!(few.of(0), Some((65_530, 65_535)));
        assert_eq!(few.of(1), None);
        assert_eq!(many.of(usize::MAX), None);
    }

    #[test]
    fn only_files_inside_of_a_worktree_are_copied() {
        for (path, inner) in [
            (".env", true),
            ("config/local.json", true),
            ("/etc/passwd", false),
            ("../secret", false),
            ("a/../../b", false),
            (".git/config", false),
            ("", false),
        ] {
            assert_eq!(is_inner(Path::new(path)), inner, "{path}");
        }
    }
}
