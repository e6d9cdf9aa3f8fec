//! Scenes played by OTP itself, where `escript` is on the PATH.

use std::fmt::Write as _;
use std::process::{Command, Stdio};

use crate::scene::{Scene, Seen};

/// Plays all `scenes`; `None` where there is no Erlang, or one that is older than OTP 24, which has no
/// automatic shutdown.
pub(crate) fn play(scenes: &[&Scene]) -> Option<Vec<Seen>> {
    if !is_there() {
        eprintln!("SKIPPED: no Erlang/OTP 24 or newer on this machine to compare with");
        return None;
    }
    let folder = std::env::temp_dir().join(format!("gastown-otp-{}-{}", std::process::id(), scenes.len()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("scenes.terms");
    let mut terms = String::new();
    for scene in scenes {
        writeln!(terms, "{scene}.").unwrap();
    }
    std::fs::write(&file, terms).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/otp/oracle.escript");
    let output = Command::new("escript").args([script.as_ref(), file.as_os_str()]).output().unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let mut seen = vec![Seen::new(); scenes.len()];
    for line in said.lines() {
        let (number, line) = line.split_once(' ').unwrap();
        seen[number.parse::<usize>().unwrap() - 1].push(line.to_owned());
    }
    Some(seen)
}

fn is_there() -> bool {
    let release = "io:put_chars(erlang:system_info(otp_release)), halt().";
    let asked = Command::new("erl").args(["-noshell", "-eval", release]).stdin(Stdio::null()).output();
    let release = asked.ok().and_then(|output| String::from_utf8(output.stdout).ok());
    release.and_then(|release| release.trim().parse::<u32>().ok()).is_some_and(|release| release >= 24)
}
