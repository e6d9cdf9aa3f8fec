//! Gates: what a merge result must pass before it lands, and when each is run.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::document::span;

/// A command that must succeed on a merge result before it lands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// What people call it.
    pub name: String,
    /// A line for `sh -c`, run in the root of the worktree.
    pub cmd: String,
    /// How long it may take.
    #[serde(default = "gate_timeout", with = "span")]
    pub timeout: Duration,
    /// Variables of its own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// It is run only when a path that is changed fits one of these: `docs/`, `*.rs`, `src/**/mod.rs`. Empty is always.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub when: Vec<String>,
    /// It may run at the same time as its neighbours that may, too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub parallel: bool,
}

impl Gate {
    /// A gate with the default timeout.
    pub fn new(name: impl Into<String>, cmd: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            cmd: cmd.into(),
            timeout: gate_timeout(),
            env: BTreeMap::new(),
            when: Vec::new(),
            parallel: false,
        }
    }

    /// Whether a change of `paths`, relative to the root of the repository, concerns it.
    pub fn concerns<'a>(&self, paths: impl IntoIterator<Item = &'a str>) -> bool {
        self.when.is_empty()
            || paths.into_iter().any(|path| self.when.iter().any(|pattern| fits(pattern, path)))
    }
}

fn gate_timeout() -> Duration {
    Duration::from_secs(600)
}

/// The gates in the order in which they run; those of one group run at once.
pub fn groups(gates: &[Gate]) -> Vec<&[Gate]> {
    gates.chunk_by(|one, next| one.parallel && next.parallel).collect()
}

/// A digest of what the gates run. Another one means that a tree that was green may be red now.
///
/// FNV-1a, since it has to be the same in every build; no secret hangs on it.
pub fn digest(gates: &[Gate]) -> String {
    let text = serde_json::to_string(gates).unwrap_or_default();
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

/// Whether `path` fits `pattern`: a folder (`docs/`), or a path with `*` (within a folder), `**` (through folders)
/// and `?`. A pattern without `/` is about names in any folder.
fn fits(pattern: &str, path: &str) -> bool {
    if pattern.ends_with('/') {
        return path.starts_with(pattern.trim_start_matches("./"));
    }
    let name = path.rsplit('/').next().unwrap_or(path);
    let path = if pattern.contains('/') { path } else { name };
    let letters: Vec<char> = pattern.trim_start_matches("./").chars().collect();
    let path: Vec<char> = path.chars().collect();
    glob(&letters, &path)
}

/// Row by row: which beginnings of the path fit the pattern so far. No backtracking, so no pattern is slow.
fn glob(pattern: &[char], path: &[char]) -> bool {
    let mut fit = vec![false; path.len() + 1];
    fit[0] = true;
    let mut at = 0;
    while at < pattern.len() {
        let mut next = vec![false; path.len() + 1];
        let deep = pattern[at] == '*' && pattern.get(at + 1) == Some(&'*');
        match pattern[at] {
            '*' => {
                for n in 0..=path.len() {
                    next[n] = fit[n] || (n > 0 && next[n - 1] && (deep || path[n - 1] != '/'));
                }
                if deep && pattern.get(at + 2) == Some(&'/') {
                    // `**/x` is also `x` right here: what stands before the slash may be nothing.
                    let mut begun = false;
                    for n in 0..=path.len() {
                        next[n] = fit[n] || (begun && path[n - 1] == '/');
                        begun |= fit[n];
                    }
                    at += 1;
                }
            }
            letter => {
                for n in 1..=path.len() {
                    let same = letter == path[n - 1] || (letter == '?' && path[n - 1] != '/');
                    next[n] = fit[n - 1] && same;
                }
            }
        }
        at += if deep { 2 } else { 1 };
        fit = next;
    }
    fit[path.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_is_run_when_it_is_concerned() {
        let check = |pattern: &str, path: &str, expected: bool| {
            assert_eq!(fits(pattern, path), expected, "{pattern} {path}");
        };
        check("docs/", "docs/a/b.md", true);
        check("docs/", "docsy/a.md", false);
        check("*.rs", "src/a/b.rs", true);
        check("*.rs", "src/a/b.rsx", false);
        check("src/*.rs", "src/b.rs", true);
        check("src/*.rs", "src/a/b.rs", false);
        check("src/**/*.rs", "src/a/c/b.rs", true);
        check("src/**/*.rs", "src/b.rs", true);
        check("src/**", "src/a/b", true);
        check("src/**/mod.rs", "src/xmod.rs", false);
        check("a?c/d", "abc/d", true);
        check("a?c/d", "a/c/d", false);
        check("Makefile", "web/Makefile", true);
        check("./Makefile", "Makefile", true);
        let gate = Gate { when: vec!["web/".into(), "*.js".into()], ..Gate::new("web", "true") };
        assert!(gate.concerns(["a", "x/y.js"]) && !gate.concerns(["a"]) && !gate.concerns([]));
        assert!(Gate::new("all", "true").concerns([]));
    }

    #[test]
    fn neighbours_that_may_run_at_once_do() {
        let gate = |name: &str, parallel| Gate { parallel, ..Gate::new(name, "true") };
        let gates = [gate("a", false), gate("b", true), gate("c", true), gate("d", false), gate("e", true)];
        let sizes: Vec<usize> = groups(&gates).iter().map(|group| group.len()).collect();
        assert_eq!(sizes, [1, 2, 1, 1]);
        assert!(groups(&[]).is_empty());
    }

    #[test]
    fn another_command_is_another_digest() {
        let one = [Gate::new("a", "true")];
        assert_eq!(digest(&one), digest(&one.clone()));
        assert_ne!(digest(&one), digest(&[Gate::new("a", "false")]));
        assert_ne!(digest(&one), digest(&[]));
    }
}
