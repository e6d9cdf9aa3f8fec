//! What a change touches, and whether two changes are proven disjoint.
//!
//! That two changes touch different places makes it unlikely that they disturb one another, no more. So it decides
//! what is tested together and what apart, and never that a tree lands without a run of its own.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A part of a rig that is independent of the others, as the rig's configuration has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lane {
    /// Its name.
    pub name: String,
    /// What its paths begin with, for instance `web/`.
    pub paths: Vec<String>,
}

/// The places that a change touches: names of lanes, and paths that are in none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Footprint(BTreeSet<Arc<str>>);

impl Footprint {
    /// The footprint of a change of `paths`, relative to the root of the repository.
    ///
    /// A path belongs to each lane with a prefix of it. With the separator in the name, no lane is taken for a path.
    pub fn of<'a>(paths: impl IntoIterator<Item = &'a str>, lanes: &[Lane]) -> Self {
        let mut places = BTreeSet::new();
        for path in paths {
            let mut outside = true;
            for lane in lanes {
                if lane.paths.iter().any(|prefix| path.starts_with(prefix.as_str())) {
                    places.insert(Arc::from(format!("lane:{}", lane.name)));
                    outside = false;
                }
            }
            if outside {
                places.insert(Arc::from(format!("path:{path}")));
            }
        }
        Self(places)
    }

    /// Whether the two have a place in common.
    pub fn meets(&self, other: &Footprint) -> bool {
        let (few, many) = if self.0.len() <= other.0.len() { (self, other) } else { (other, self) };
        few.0.iter().any(|place| many.0.contains(place))
    }
}

/// Whether two changes are proven to touch different places.
pub fn disjoint(one: Option<&Footprint>, other: Option<&Footprint>) -> bool {
    matches!((one, other), (Some(one), Some(other)) if !one.meets(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_changes_are_disjoint_by_path_or_by_lane_and_never_when_one_is_unknown() {
        let lane = |name: &str, paths: &[&str]| Lane {
            name: name.into(),
            paths: paths.iter().map(|path| (*path).into()).collect(),
        };
        let lanes = [lane("web", &["web/", "assets/"]), lane("api", &["api/"])];
        let check = |one: &[&str], other: &[&str], lanes: &[Lane], expected: bool| {
            let of = |paths: &[&str]| Footprint::of(paths.iter().copied(), lanes);
            assert_eq!(disjoint(Some(&of(one)), Some(&of(other))), expected, "{one:?} {other:?}");
        };
        check(&["a"], &["b"], &[], true);
        check(&["a", "b"], &["b"], &[], false);
        check(&["web/a"], &["web/b"], &[], true);
        check(&["web/a"], &["assets/b"], &lanes, false);
        check(&["web/a"], &["api/b"], &lanes, true);
        check(&["web/a", "api/x"], &["api/b"], &lanes, false);
        check(&["Makefile"], &["Makefile", "web/a"], &lanes, false);
        check(&["lane:web"], &["web/a"], &lanes, true);
        assert!(!disjoint(None, Some(&Footprint::default())));
        assert!(!disjoint(None, None));
    }
}
