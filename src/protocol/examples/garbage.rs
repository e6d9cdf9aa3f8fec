//! Garbage through the parser of the line protocol: `cargo run --release -p gastown-protocol --example garbage --
//! [BYTES] [SEED]` (100,000,000 and 1).
//!
//! Nothing in it bears the session's nonce, though all else that commands are made of: lines and frames of another
//! session, torn ones, escape codes, random bytes. Ends with 1 when anything was taken for a command, when more was shown
//! than came in, or when cutting the same bytes in another way gives another result.

use std::process::ExitCode;
use std::time::Instant;

use gastown_protocol::lines::Scanner;
use gastown_protocol::speech::{self, Heard};

const NONCE: &str = "9f3ac07b51d2e846";
/// Another session's, and one that lacks the last letters.
const OTHERS: [&str; 3] = ["9f3ac07b51d2e847", "0f3ac07b51d2e846", "9f3ac07b51d2e8"];

/// Marsaglia's xorshift: the same garbage for the same seed, everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    fn piece(&mut self, out: &mut Vec<u8>) {
        let other = OTHERS[self.roll(3) as usize];
        match self.roll(12) {
            0 => out.extend(format!("\n@gt:{other} done\n").bytes()),
            1 => out.extend(format!("@gt:{other}#{} mail send mayor/ -s x\r\n", self.roll(99)).bytes()),
            2 => out.extend(speech::frame(other, self.roll(9), "done")),
            3 => {
                let mut torn = speech::frame(other, self.roll(9), "bead close web-1");
                torn.truncate(self.roll(torn.len() as u64) as usize);
                out.extend(torn);
            }
            4 => out.extend_from_slice(b"@gt:"),
            5 => out
                .extend_from_slice([&b"\x1b]7770;"[..], b"\x1b\\", b"\x07", b"\x18"][self.roll(4) as usize]),
            6 => out.extend_from_slice(
                [&b"\x1b[?1049h"[..], b"\x1b[?1049l", b"\x1bc", b"\x1bP"][self.roll(4) as usize],
            ),
            7 => out.extend_from_slice([&b"\r"[..], b"\r\n", b"\x08", b"\n"][self.roll(4) as usize]),
            8 => out.extend_from_slice("世界 ↑ é".as_bytes()),
            9 => out.extend(std::iter::repeat_n(b'z', self.roll(4000) as usize)),
            _ => {
                for _ in 0..self.roll(600) {
                    // Never the nonce's last letter: behind a torn one it would complete the right one by chance.
                    let byte = self.roll(256) as u8;
                    out.push(if byte == b'6' { b'5' } else { byte });
                }
            }
        }
    }
}

/// What came of it: what was forged, malformed, shown, and a sum over all that was shown.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    forged: u64,
    malformed: u64,
    commands: u64,
    shown: u64,
    sum: u64,
}

impl Seen {
    fn take(&mut self, visible: &[u8], heard: &[Heard]) {
        self.shown += visible.len() as u64;
        for byte in visible {
            self.sum = (self.sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        }
        for heard in heard {
            match heard {
                Heard::Forged => self.forged += 1,
                Heard::Malformed { .. } => self.malformed += 1,
                Heard::Line(_) | Heard::Frame(_) => self.commands += 1,
            }
        }
    }
}

fn main() -> ExitCode {
    let number = |at, usual| std::env::args().nth(at).and_then(|text| text.parse().ok()).unwrap_or(usual);
    let (wanted, seed): (u64, u64) = (number(1, 100_000_000), number(2, 1));
    let mut dice = Dice(seed.max(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let (mut one, mut other) = (Scanner::new(NONCE), Scanner::new(NONCE));
    let (mut seen, mut again) = (Seen::default(), Seen::default());
    let (mut fed, began) = (0, Instant::now());
    while fed < wanted {
        let mut garbage = Vec::new();
        while garbage.len() < 64 * 1024 {
            dice.piece(&mut garbage);
        }
        fed += garbage.len() as u64;
        let scanned = one.feed(&garbage);
        seen.take(&scanned.visible, &scanned.heard);
        let mut rest = garbage.as_slice();
        while !rest.is_empty() {
            let cut = (1 + dice.roll(300) as usize).min(rest.len());
            let scanned = other.feed(&rest[..cut]);
            again.take(&scanned.visible, &scanned.heard);
            rest = &rest[cut..];
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    println!("{fed} bytes, twice, in {seconds:.1} s: {seen:?}");
    // Malformed is what proves itself and is flawed: nothing here proves itself.
    let sound =
        seen.commands == 0 && seen.malformed == 0 && seen.forged > 0 && seen.shown <= fed && seen == again;
    if !sound {
        println!("cut in another way: {again:?}");
    }
    ExitCode::from(u8::from(!sound))
}
