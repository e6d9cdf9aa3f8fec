//! Processes found by what they carry: for those that have left their group, and for other hands at work.

use std::{ffi::OsString, fs, os::unix::ffi::OsStrExt, path::Path, time::Duration};

use rustix::process::{Pid, Signal, getpid, kill_process};

/// Kills every process whose environment holds `name=value`, until a look finds none. Returns how many.
///
/// A process that forks while we look is found in the next round. One that was killed shows its environment
/// until it has let go of its memory, so the number may count it twice.
pub(crate) fn kill_marked(name: &str, value: &[u8]) -> usize {
    let mut killed = 0;
    for _ in 0..50 {
        let found = signal_marked(name, value, Signal::KILL);
        if found == 0 {
            break;
        }
        killed += found;
        std::thread::yield_now();
    }
    killed
}

/// Signals every process whose environment holds `name=value`, once. Returns how many.
pub(crate) fn signal_marked(name: &str, value: &[u8], signal: Signal) -> usize {
    let mut wanted = name.as_bytes().to_vec();
    wanted.push(b'=');
    wanted.extend_from_slice(value);
    let marked = |pid: &Pid| {
        let environ = fs::read(format!("/proc/{}/environ", pid.as_raw_nonzero())).unwrap_or_default();
        *pid != getpid() && environ.split(|byte| *byte == 0).any(|entry| entry == wanted)
    };
    processes().filter(marked).filter(|pid| kill_process(*pid, signal).is_ok()).count()
}

/// Returns whether a git program has its working directory in one of `paths` or below.
pub(crate) fn git_works_in(paths: &[impl AsRef<Path>]) -> bool {
    processes().any(|pid| {
        let proc = format!("/proc/{}", pid.as_raw_nonzero());
        fs::read(format!("{proc}/comm")).is_ok_and(|name| name.starts_with(b"git"))
            && fs::read_link(format!("{proc}/cwd"))
                .is_ok_and(|cwd| paths.iter().any(|path| cwd.starts_with(path.as_ref())))
    })
}

/// Returns a process that has a file in `path` or below open for writing, and its program's name.
pub(crate) fn writer_in(path: &Path) -> Option<(i32, String)> {
    let path = fs::canonicalize(path).ok()?;
    processes().map(|pid| pid.as_raw_nonzero().get()).find_map(|pid| {
        let proc = format!("/proc/{pid}");
        let writes = fs::read_dir(format!("{proc}/fd")).ok()?.flatten().any(|fd| {
            fs::read_link(fd.path()).is_ok_and(|file| file.starts_with(&path) && file != path)
                && may_write(&format!("{proc}/fdinfo/{}", fd.file_name().to_string_lossy()))
        });
        let name = || fs::read_to_string(format!("{proc}/comm")).unwrap_or_default().trim().to_owned();
        writes.then(|| (pid, name()))
    })
}

/// Whether an open file may be written by its holder, from what the kernel says of it (proc(5), `fdinfo`).
fn may_write(info: &str) -> bool {
    let Ok(info) = fs::read_to_string(info) else { return false };
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    // The lowest two bits: 0 reads, 1 writes, 2 does both.
    flags.and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok()).is_some_and(|flags| flags & 3 != 0)
}

/// How long a lock has been there when nobody can be about to use it any more: git holds one for moments, and
/// waits for one for seconds.
const STALE: Duration = Duration::from_secs(5);

/// Takes a lock of git's away that has been there for a while, if no git is at work in its repository or beside
/// it, where the worktrees are. Returns whether it did.
pub(crate) fn take_away(lock: &Path) -> bool {
    let is_lock = lock.extension().is_some_and(|ending| ending == "lock");
    let age = fs::metadata(lock).and_then(|meta| meta.modified()).ok().and_then(|at| at.elapsed().ok());
    let repo = lock.ancestors().find(|folder| folder.join("objects").is_dir());
    let Some(home) = repo.and_then(Path::parent).and_then(|home| home.canonicalize().ok()) else {
        return false;
    };
    if !is_lock || age.is_none_or(|age| age < STALE) || git_works_in(&[&home]) {
        return false;
    }
    let gone = fs::remove_file(lock).is_ok();
    if gone {
        tracing::warn!(lock = %lock.display(), "removed a lock that a killed git had left");
    }
    gone
}

fn processes() -> impl Iterator<Item = Pid> {
    let number = |name: OsString| std::str::from_utf8(name.as_bytes()).ok()?.parse().ok();
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(move |entry| number(entry.ok()?.file_name()).and_then(Pid::from_raw))
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn who_writes_in_a_folder_is_found_and_who_only_reads_is_not() {
        let home = tempfile::tempdir().unwrap();
        let inner = home.path().join("inner");
        fs::create_dir(&inner).unwrap();
        fs::write(inner.join("read.txt"), "r").unwrap();
        let _reads = fs::File::open(inner.join("read.txt")).unwrap();
        let _beside = fs::File::create(home.path().join("beside.txt")).unwrap();
        assert_eq!(writer_in(&inner), None);
        let writes = fs::File::create(inner.join("write.txt")).unwrap();
        let own = i32::try_from(std::process::id()).unwrap();
        assert_eq!(writer_in(&inner).map(|(pid, _)| pid), Some(own));
        drop(writes);
        assert_eq!(writer_in(&inner), None);
    }

    #[test]
    fn a_lock_goes_when_it_is_old_and_nobody_can_be_using_it() {
        let home = tempfile::tempdir().unwrap();
        let repo = home.path().join("repo.git");
        fs::create_dir_all(repo.join("objects")).unwrap();
        fs::create_dir_all(repo.join("refs/heads")).unwrap();
        let old = SystemTime::now() - 2 * STALE;
        let lock = |name: &str, at: SystemTime| {
            let path = repo.join(name);
            fs::File::create(&path).unwrap().set_modified(at).unwrap();
            path
        };
        assert!(!take_away(&lock("refs/heads/fresh.lock", SystemTime::now())));
        assert!(!take_away(&lock("refs/heads/no-lock", old)));
        assert!(!take_away(&repo.join("packed-refs.lock")), "there is none");
        assert!(take_away(&lock("refs/heads/main.lock", old)));
        assert!(take_away(&repo.join(".").join(lock("packed-refs.lock", old).file_name().unwrap())));
        assert!(!repo.join("packed-refs.lock").exists());
    }
}
