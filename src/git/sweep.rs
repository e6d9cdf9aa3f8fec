//! Processes found by what they carry: for those that have left their group, and for other hands at work.

use std::{ffi::OsString, fs, os::unix::ffi::OsStrExt, path::Path};

use rustix::process::{Pid, Signal, getpid, kill_process};

/// Kills every process whose environment holds `name=value`, until a look finds none. Returns how many.
///
/// A process that forks while we look is found in the next round. One that was killed shows its environment
/// until it has let go of its memory, so the number may count it twice.
pub(crate) fn kill_marked(name: &str, value: &[u8]) -> usize {
    let mut wanted = name.as_bytes().to_vec();
    wanted.push(b'=');
    wanted.extend_from_slice(value);
    let mut killed = 0;
    for _ in 0..50 {
        let mut found = 0;
        for pid in processes() {
            if pid == getpid() {
                continue;
            }
            let environ = fs::read(format!("/proc/{}/environ", pid.as_raw_nonzero())).unwrap_or_default();
            if environ.split(|byte| *byte == 0).any(|entry| entry == wanted)
                && kill_process(pid, Signal::KILL).is_ok()
            {
                found += 1;
            }
        }
        if found == 0 {
            break;
        }
        killed += found;
        std::thread::yield_now();
    }
    killed
}

/// Returns whether a git program has its working directory in `path` or below.
pub(crate) fn git_works_in(path: &Path) -> bool {
    processes().any(|pid| {
        let proc = format!("/proc/{}", pid.as_raw_nonzero());
        fs::read(format!("{proc}/comm")).is_ok_and(|name| name.starts_with(b"git"))
            && fs::read_link(format!("{proc}/cwd")).is_ok_and(|cwd| cwd.starts_with(path))
    })
}

fn processes() -> impl Iterator<Item = Pid> {
    let number = |name: OsString| std::str::from_utf8(name.as_bytes()).ok()?.parse().ok();
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(move |entry| number(entry.ok()?.file_name()).and_then(Pid::from_raw))
}
