//! Whether the kernel has killed somebody for want of memory since a program began.
//!
//! SIGKILL does not say who sent it. The kernel counts how often it has killed for want of memory: per
//! control group, and for the whole machine. A program that ended by SIGKILL which nobody here sent, while
//! that count rose, is taken to have been killed so.

use std::fs;
use std::path::{Path, PathBuf};

/// The count at the beginning of a program, and where it is read again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OomWatch {
    counter: Option<(PathBuf, u64)>,
}

impl OomWatch {
    /// Notes the count that concerns the process `pid`: that of its control group, else the machine's.
    pub fn begin(pid: u32) -> Self {
        Self::below(Path::new("/"), pid)
    }

    fn below(root: &Path, pid: u32) -> Self {
        let groups = fs::read_to_string(root.join(format!("proc/{pid}/cgroup"))).unwrap_or_default();
        let counter = places(root, &groups).into_iter().find_map(|file| Some((count(&file)?, file)));
        OomWatch { counter: counter.map(|(count, file)| (file, count)) }
    }

    /// Whether the count has risen since.
    pub fn rose(&self) -> bool {
        self.counter.as_ref().is_some_and(|(file, before)| count(file).is_some_and(|now| now > *before))
    }
}

/// The files that may hold the count of one in `groups` (`/proc/PID/cgroup`), nearest first.
fn places(root: &Path, groups: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(kinds), Some(group)) = (fields.next(), fields.next()) else { continue };
        let (mount, file) = match kinds {
            "" => ("sys/fs/cgroup", "memory.events"),
            kinds if kinds.split(',').any(|kind| kind == "memory") => {
                ("sys/fs/cgroup/memory", "memory.oom_control")
            }
            _ => continue,
        };
        // In a container the group is often told as seen from outside, and mounted as the root.
        for group in [group.trim_start_matches('/'), ""] {
            files.push(root.join(mount).join(group).join(file));
        }
    }
    files.push(root.join("proc/vmstat"));
    files
}

/// The number behind `oom_kill` in a file of names and numbers.
fn count(file: &Path) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, file: &str, text: &str) {
        let path = root.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Where the count of a process in `groups` is read, among `files`.
    fn check(groups: &str, files: &[&str], expected: Option<&str>) {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "proc/7/cgroup", groups);
        for file in files {
            write(root.path(), file, "oom 9\noom_kill 3\noom_kill_disable 0\n");
        }
        let watch = OomWatch::below(root.path(), 7);
        let found = watch.counter.clone().map(|(file, _)| file);
        assert_eq!(found, expected.map(|file| root.path().join(file)), "{groups}");
        assert!(!watch.rose());
        if let Some(file) = expected {
            write(root.path(), file, "oom 9\noom_kill 4\n");
            assert!(watch.rose());
            fs::remove_file(root.path().join(file)).unwrap();
            assert!(!watch.rose(), "what cannot be read any more has not risen");
        }
    }

    #[test]
    fn the_nearest_count_is_taken() {
        let unified = "0::/user/agents\n";
        let own = "sys/fs/cgroup/user/agents/memory.events";
        check(unified, &[own, "proc/vmstat"], Some(own));
        check(unified, &["sys/fs/cgroup/memory.events", "proc/vmstat"], Some("sys/fs/cgroup/memory.events"));
        check(unified, &["proc/vmstat"], Some("proc/vmstat"));
        let old = "4:cpu,memory:/box\n1:name=systemd:/\n0::/\n";
        let own = "sys/fs/cgroup/memory/box/memory.oom_control";
        check(old, &[own, "proc/vmstat"], Some(own));
        check("nonsense", &[], None);
        check("", &["proc/vmstat"], Some("proc/vmstat"));
    }
}
