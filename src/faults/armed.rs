//! What a test wants to happen, from the environment.

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

const VARIABLE: &str = "GASTOWN_FAULT";

const DELAY: Duration = Duration::from_millis(50);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Kill,
    Error,
    Panic,
    Delay,
}

#[derive(Debug)]
struct Fault {
    place: String,
    nth: u64,
    action: Action,
    reached: AtomicU64,
}

fn parse(text: &str) -> Option<Vec<Fault>> {
    let one = |part: &str| {
        let (place, rest) = part.split_once(':')?;
        let (nth, action) = rest.split_once(':')?;
        let action = match action {
            "kill" => Action::Kill,
            "error" => Action::Error,
            "panic" => Action::Panic,
            "delay" => Action::Delay,
            _ => return None,
        };
        Some(Fault { place: place.to_owned(), nth: nth.parse().ok()?, action, reached: AtomicU64::new(0) })
    };
    text.split(';').map(one).collect()
}

fn faults() -> &'static [Fault] {
    static FAULTS: OnceLock<Vec<Fault>> = OnceLock::new();
    FAULTS.get_or_init(|| match std::env::var(VARIABLE) {
        Err(_) => Vec::new(),
        // A test that means nothing must not pass.
        Ok(text) => parse(&text).unwrap_or_else(|| panic!("{VARIABLE} cannot be read: {text}")),
    })
}

pub(crate) fn reach(name: &'static str) -> io::Result<()> {
    for fault in faults() {
        if fault.place != "*" && fault.place != name {
            continue;
        }
        if fault.reached.fetch_add(1, Ordering::Relaxed) + 1 != fault.nth {
            continue;
        }
        eprintln!("fault at {name}: {:?}", fault.action);
        match fault.action {
            Action::Kill => {
                let _ =
                    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
            }
            Action::Error => return Err(io::Error::other(format!("a test broke {name}"))),
            Action::Panic => panic!("a test broke {name}"),
            Action::Delay => thread::sleep(DELAY),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_happen_is_read_and_rubbish_is_not() {
        let all = parse("ledger.open:1:kill;*:250:error").unwrap();
        assert_eq!(all.len(), 2);
        assert_eq!((all[1].place.as_str(), all[1].nth, all[1].action), ("*", 250, Action::Error));
        for text in ["", "ledger.open", "ledger.open:x:kill", "ledger.open:1:maybe", "a:1:kill;"] {
            assert!(parse(text).is_none(), "{text}");
        }
    }
}
