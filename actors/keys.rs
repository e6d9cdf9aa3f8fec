//! Tokens and nonces: how a session proves who it is. They die with the session.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use model::command::Origin;
use model::ids::SessionId;
use model::role::Address;

/// What a session is given to prove itself with.
#[derive(Clone)]
pub struct Key {
    /// For the socket.
    pub token: String,
    /// For the terminal.
    pub nonce: String,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(***)")
    }
}

#[derive(Default)]
struct Ring {
    by_token: HashMap<String, (Address, SessionId)>,
    by_pid: HashMap<u32, (Address, SessionId)>,
}

/// The keys of all living sessions.
#[derive(Clone, Default)]
pub struct Keys(Arc<Mutex<Ring>>);

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({} sessions)", self.ring().by_token.len())
    }
}

/// Keeps a key valid.
#[derive(Debug)]
pub struct Held {
    keys: Keys,
    /// The key.
    pub key: Key,
    pid: Option<u32>,
}

impl Keys {
    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Makes a key for a session; it is valid until what is returned is dropped.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn issue(&self, agent: &Address, session: &SessionId) -> Result<Held, getrandom::Error> {
        let key = Key { token: random_hex(32)?, nonce: random_hex(8)? };
        self.ring().by_token.insert(key.token.clone(), (agent.clone(), session.clone()));
        Ok(Held { keys: self.clone(), key, pid: None })
    }

    /// Who shows `token`.
    pub fn origin(&self, token: &str) -> Option<Origin> {
        let (agent, session) = self.ring().by_token.get(token).cloned()?;
        Some(Origin::Session { agent, session })
    }

    /// Whose process `pid` is: a session's own, or one started by it. `parent` tells a process's parent.
    pub fn origin_of_process(&self, pid: u32, parent: impl Fn(u32) -> Option<u32>) -> Option<Origin> {
        let mut at = pid;
        // A chain of parents is short; the bound is against a table that changes while we read it.
        for _ in 0..1024 {
            if let Some((agent, session)) = self.ring().by_pid.get(&at).cloned() {
                return Some(Origin::Session { agent, session });
            }
            at = parent(at).filter(|up| *up > 1 && *up != at)?;
        }
        None
    }
}

impl Held {
    /// Says which process the session runs.
    pub fn bind(&mut self, pid: u32) {
        let mut ring = self.keys.ring();
        if let Some(owner) = ring.by_token.get(&self.key.token).cloned() {
            ring.by_pid.insert(pid, owner);
            self.pid = Some(pid);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut ring = self.keys.ring();
        ring.by_token.remove(&self.key.token);
        if let Some(pid) = self.pid {
            ring.by_pid.remove(&pid);
        }
    }
}

fn random_hex(bytes: usize) -> Result<String, getrandom::Error> {
    let mut buffer = vec![0; bytes];
    getrandom::fill(&mut buffer)?;
    Ok(buffer.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A new session id: a random UUID, which is what agents that keep sessions of their own want.
///
/// # Errors
/// When the system has no random numbers.
pub fn session_id() -> Result<SessionId, getrandom::Error> {
    let mut b = [0_u8; 16];
    getrandom::fill(&mut b)?;
    // RFC 9562, version 4.
    b[6] = (b[6] & 0x0f) | 0x40;
    b[8] = (b[8] & 0x3f) | 0x80;
    let hex: String = b.iter().map(|byte| format!("{byte:02x}")).collect();
    let text = format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]);
    Ok(text.parse().expect("a UUID is a session id"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_opens_as_long_as_it_is_held_and_no_longer() {
        let keys = Keys::default();
        let agent: Address = "web/polecats/docs".parse().unwrap();
        let session = session_id().unwrap();
        let mut held = keys.issue(&agent, &session).unwrap();
        held.bind(40);
        let token = held.key.token.clone();
        let origin = Origin::Session { agent, session };
        assert_eq!(keys.origin(&token), Some(origin.clone()));
        // 42 was started by 41, which was started by the session.
        let parent = |pid| (pid > 2).then(|| pid - 1);
        assert_eq!(keys.origin_of_process(42, parent), Some(origin));
        assert_eq!(keys.origin_of_process(39, parent), None);
        drop(held);
        assert_eq!(keys.origin(&token), None);
        assert_eq!(keys.origin_of_process(42, parent), None);
    }
}
