//! A person at a terminal of their own, with a command of `gastown` in it.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use super::town::Place;
use super::{eventually, find};

/// The terminal, the program in it, and what it has printed so far.
#[derive(Debug)]
pub(crate) struct Person {
    child: Child,
    keys: File,
    seen: Arc<Mutex<Vec<u8>>>,
}

impl Person {
    /// Types `gastown WORDS…` in the town's folder.
    #[track_caller]
    pub(crate) fn sits_down(town: &Place, words: &[&str]) -> Person {
        Person::before(town, words, (30, 100))
    }

    /// The same before a window of so many rows and columns.
    #[track_caller]
    pub(crate) fn before(town: &Place, words: &[&str], (rows, cols): (u16, u16)) -> Person {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let window = rustix::fs::open(name.as_c_str(), OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
        let size = Winsize { ws_row: rows, ws_col: cols, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&master, size).unwrap();
        let window = File::from(window);
        let ends = [window.try_clone().unwrap(), window.try_clone().unwrap(), window];
        let [stdin, stdout, stderr] = ends.map(Stdio::from);
        let mut command = town.command(&town.root, words);
        command.env("TERM", "xterm-256color").stdin(stdin).stdout(stdout).stderr(stderr);
        let child = command.spawn().unwrap();
        // It holds the terminal's other end: with it open, the reader below would never end.
        drop(command);
        let keys = File::from(master);
        let mut screen = keys.try_clone().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sees = Arc::clone(&seen);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(n @ 1..) = screen.read(&mut buffer) {
                sees.lock().unwrap().extend_from_slice(&buffer[..n]);
            }
        });
        Person { child, keys, seen }
    }

    /// All that the terminal was sent, escape sequences included.
    pub(crate) fn seen(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap()).into_owned()
    }

    /// Waits until the terminal was sent `text`.
    #[track_caller]
    pub(crate) fn sees(&self, text: &str) {
        eventually(&format!("{text:?} is on the screen"), || self.seen().contains(text));
    }

    pub(crate) fn types(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// Whether what is typed is handed over line by line, as a shell's user expects.
    pub(crate) fn is_cooked(&self) -> bool {
        tcgetattr(&self.keys).unwrap().local_modes.contains(LocalModes::ICANON)
    }

    /// Kills the program before the person.
    pub(crate) fn is_killed(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until the program has ended, and returns its exit code.
    #[track_caller]
    pub(crate) fn leaves(&mut self) -> i32 {
        find("attach ends", || self.child.try_wait().unwrap()).code().unwrap()
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
