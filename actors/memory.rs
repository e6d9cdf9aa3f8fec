//! How much memory there is for another session, as the kernel tells it.
//!
//! What counts is the least of what the machine has and what each control group above us has left: in a
//! container the machine's own figure says nothing. File pages that the kernel can drop at once are free.
//! Besides, the kernel tells for how much of the last ten seconds everything stood still because memory was
//! short (`/proc/pressure/memory`); that is seen on machines with swap, where figures look well for long.

use std::fs;
use std::path::{Path, PathBuf};

use config::town::Policies;

/// What the kernel tells.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Reading {
    /// Bytes that another program can have, if that is known.
    pub free: Option<u64>,
    /// Bytes that there are in all.
    pub total: u64,
    /// Hundredths of the last ten seconds in which everything stood still for want of memory.
    pub stalled: f64,
}

/// Where it tells that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gauge {
    proc: PathBuf,
    groups: PathBuf,
}

impl Default for Gauge {
    fn default() -> Self {
        Gauge { proc: "/proc".into(), groups: "/sys/fs/cgroup".into() }
    }
}

impl Gauge {
    /// Why no further session is to be started, if memory is short by `policies`. What cannot be read is in
    /// nobody's way.
    pub fn short(&self, policies: &Policies) -> Option<String> {
        judge(&self.read(), policies)
    }

    /// Reads a handful of files that the kernel makes up: tens of microseconds.
    pub fn read(&self) -> Reading {
        let text = |path: &Path| fs::read_to_string(path).unwrap_or_default();
        let machine = text(&self.proc.join("meminfo"));
        let mut reading = Reading {
            free: kib(&machine, "MemAvailable:"),
            total: kib(&machine, "MemTotal:").unwrap_or(0),
            stalled: stalled(&text(&self.proc.join("pressure/memory"))),
        };
        for (limit, free) in self.groups(&text(&self.proc.join("self/cgroup"))) {
            reading.free = Some(reading.free.map_or(free, |known| known.min(free)));
            reading.total = if reading.total == 0 { limit } else { reading.total.min(limit) };
        }
        reading
    }

    /// The limit of each control group that we are in and what it has left, of those that have a limit.
    fn groups(&self, own: &str) -> Vec<(u64, u64)> {
        let mut found = Vec::new();
        for line in own.lines() {
            let mut fields = line.splitn(3, ':').skip(1);
            let (Some(kinds), Some(path)) = (fields.next(), fields.next()) else { continue };
            let (root, files) = match kinds {
                "" => (self.groups.clone(), V2),
                kinds if kinds.split(',').any(|kind| kind == "memory") => (self.groups.join("memory"), V1),
                _ => continue,
            };
            let folder = root.join(path.trim_start_matches('/'));
            let above = folder.ancestors().take_while(|folder| folder.starts_with(&root));
            found.extend(above.filter_map(|folder| files.read(folder)));
        }
        found
    }
}

/// The names of the files of a control group.
struct Files {
    limit: &'static str,
    used: &'static str,
    /// The line of `memory.stat` with file pages that can be dropped.
    droppable: &'static str,
}

const V2: Files = Files { limit: "memory.max", used: "memory.current", droppable: "inactive_file " };
const V1: Files = Files {
    limit: "memory.limit_in_bytes",
    used: "memory.usage_in_bytes",
    droppable: "total_inactive_file ",
};

/// A limit above this is none: the first version writes a huge number for that.
const NO_LIMIT: u64 = 1 << 60;

impl Files {
    fn read(&self, folder: &Path) -> Option<(u64, u64)> {
        let number = |name: &str| fs::read_to_string(folder.join(name)).ok()?.trim().parse::<u64>().ok();
        let limit = number(self.limit).filter(|limit| *limit < NO_LIMIT)?;
        let stat = fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
        let droppable = stat.lines().find_map(|line| line.strip_prefix(self.droppable)?.trim().parse().ok());
        let used = number(self.used)?.saturating_sub(droppable.unwrap_or(0));
        Some((limit, limit.saturating_sub(used)))
    }
}

/// The figure behind `name` in `meminfo`, in bytes.
fn kib(meminfo: &str, name: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

/// The share of ten seconds in the line `full avg10=0.00 …`.
fn stalled(pressure: &str) -> f64 {
    let full = pressure.lines().find_map(|line| line.strip_prefix("full "));
    let share = full.and_then(|line| line.split_whitespace().find_map(|field| field.strip_prefix("avg10=")));
    share.and_then(|share| share.parse().ok()).unwrap_or(0.0)
}

/// Why no further session is to be started, if memory is short.
pub fn judge(reading: &Reading, policies: &Policies) -> Option<String> {
    let wanted = policies.min_free_memory.of(reading.total);
    if let Some(free) = reading.free.filter(|free| *free < wanted) {
        return Some(format!(
            "memory is short: {} MiB are free and {} MiB are wanted (policies.min_free_memory is {:?} in \
             config/town.json)",
            free >> 20,
            wanted >> 20,
            policies.min_free_memory.to_string()
        ));
    }
    let most = policies.max_memory_stall.0.map(f64::from)?;
    (reading.stalled > most).then(|| {
        format!(
            "memory is short: for {:.0}% of the last ten seconds everything waited for it \
             (policies.max_memory_stall is {:?} in config/town.json)",
            reading.stalled,
            policies.max_memory_stall.to_string()
        )
    })
}

#[cfg(test)]
mod tests {
    use config::memory::{Memory, Stall};

    use super::*;

    struct Machine(tempfile::TempDir);

    impl Machine {
        /// A machine of 8 GiB of which 1 GiB is free.
        fn new() -> Self {
            let machine = Machine(tempfile::tempdir().unwrap());
            machine.write("proc/meminfo", "MemTotal:  8388608 kB\nMemFree: 1 kB\nMemAvailable: 1048576 kB\n");
            machine
        }

        fn write(&self, name: &str, text: &str) {
            let path = self.0.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn gauge(&self) -> Gauge {
            Gauge { proc: self.0.path().join("proc"), groups: self.0.path().join("groups") }
        }
    }

    const MIB: u64 = 1 << 20;

    #[test]
    fn the_machine_tells_what_is_free() {
        let machine = Machine::new();
        let reading = machine.gauge().read();
        assert_eq!(reading, Reading { free: Some(1024 * MIB), total: 8192 * MIB, stalled: 0.0 });
        machine.write(
            "proc/pressure/memory",
            "some avg10=80.00 avg60=1 avg300=1 total=1\nfull avg10=31.50 avg60=2 avg300=2 total=2\n",
        );
        assert_eq!(machine.gauge().read().stalled, 31.5);
    }

    #[test]
    fn a_control_group_above_us_may_have_less() {
        let machine = Machine::new();
        machine.write("proc/self/cgroup", "0::/user/town\n");
        machine.write("groups/user/memory.max", &format!("{}\n", 1000 * MIB));
        machine.write("groups/user/memory.current", &format!("{}\n", 900 * MIB));
        machine.write("groups/user/memory.stat", &format!("anon 1\ninactive_file {}\n", 300 * MIB));
        machine.write("groups/user/town/memory.max", "max\n");
        machine.write("groups/user/town/memory.current", "5\n");
        let reading = machine.gauge().read();
        assert_eq!((reading.free, reading.total), (Some(400 * MIB), 1000 * MIB));
    }

    #[test]
    fn a_control_group_of_the_first_version_is_read_too() {
        let machine = Machine::new();
        machine.write("proc/self/cgroup", "5:cpu,cpuacct:/x\n4:memory:/box\n0::/\n");
        machine.write("groups/memory/memory.limit_in_bytes", "9223372036854771712\n");
        machine.write("groups/memory/memory.usage_in_bytes", "1\n");
        machine.write("groups/memory/box/memory.limit_in_bytes", &format!("{}\n", 500 * MIB));
        machine.write("groups/memory/box/memory.usage_in_bytes", &format!("{}\n", 450 * MIB));
        assert_eq!(machine.gauge().read().free, Some(50 * MIB));
    }

    #[test]
    fn what_cannot_be_read_holds_nobody_back() {
        let nowhere = Gauge { proc: "/nowhere".into(), groups: "/nowhere".into() };
        assert_eq!(nowhere.read(), Reading::default());
        let strict = Policies { min_free_memory: Memory::Percent(100), ..Policies::default() };
        assert_eq!(nowhere.short(&strict), None);
        assert!(Gauge::default().short(&strict).is_some(), "this machine has never all of its memory free");
    }

    #[test]
    fn memory_is_short_below_the_floor_and_when_everything_waits_for_it() {
        let reading = Reading { free: Some(200 * MIB), total: 1000 * MIB, stalled: 30.0 };
        let policies = |floor, stall| Policies {
            min_free_memory: floor,
            max_memory_stall: Stall(stall),
            ..Policies::default()
        };
        for (floor, stall, short) in [
            (Memory::Bytes(200 * MIB), None, None),
            (Memory::Bytes(201 * MIB), None, Some("200 MiB are free and 201 MiB")),
            (Memory::Percent(25), None, Some("\"25%\"")),
            (Memory::Off, Some(31), None),
            (Memory::Off, Some(29), Some("for 30% of the last ten seconds")),
        ] {
            let said = judge(&reading, &policies(floor, stall));
            match short {
                None => assert_eq!(said, None),
                Some(words) => assert!(said.as_ref().is_some_and(|said| said.contains(words)), "{said:?}"),
            }
        }
    }
}
