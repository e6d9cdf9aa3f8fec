//! Who it is that asks: decided from the token and the process, never from what is said.
//!
//! A token proves a session. Without one, the caller's ancestors are looked at: what a session has
//! started is that session, however it lost its token, and never the person. What has no parent but
//! the runtime was let go by somebody below it (the runtime takes orphans in), so it is nobody's and
//! is refused. Everybody else of this user is the person.

use std::collections::HashMap;
use std::fs;

use model::command::Origin;
use model::refusal::Refusal;
use model::role::Address;
use protocol::wire::Hello;

use super::Town;

/// How often the chain of parents is read anew when it changes under our eyes.
const TRIES: usize = 3;

/// The processes above one, as far as `/proc` tells.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Ancestry {
    parents: HashMap<u32, u32>,
    /// Whether every step up to the first process could be read.
    whole: bool,
}

impl Ancestry {
    /// The processes above `pid`, read now.
    pub(super) fn of(pid: u32) -> Ancestry {
        let mut found = Ancestry::default();
        for _ in 0..TRIES {
            found = Self::climb(pid, parent);
            if found.whole {
                break;
            }
        }
        found
    }

    pub(super) fn climb(pid: u32, parent: impl Fn(u32) -> Option<u32>) -> Ancestry {
        let mut parents = HashMap::new();
        let mut at = pid;
        // 0 is above the first process, and above whatever was put into our process space from outside.
        while at > 1 {
            let Some(up) = parent(at) else { return Ancestry { parents, whole: false } };
            if parents.insert(at, up).is_some() {
                // A number was used again while we looked.
                return Ancestry { parents, whole: false };
            }
            at = up;
        }
        Ancestry { parents, whole: true }
    }

    fn parent(&self, pid: u32) -> Option<u32> {
        self.parents.get(&pid).copied()
    }

    /// Whether `pid` is one of those above.
    fn is_below(&self, pid: u32) -> bool {
        self.parents.values().any(|up| *up == pid)
    }
}

/// The parent of `pid`; 0 when it has none.
fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in brackets, and may hold anything, brackets too.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

/// Decides who it is that greets with `hello` from the process `pid`, whose ancestors are `ancestry`.
///
/// # Errors
/// `bad_token`, `actor_is_for_people`, `unknown_process`; `usage` for an actor that is no address.
pub(super) fn origin<T: Town>(
    town: &T,
    hello: &Hello,
    pid: Option<u32>,
    ancestry: &Ancestry,
) -> Result<Origin, Refusal> {
    let session = match &hello.token {
        Some(token) => Some(town.origin_of_token(token).ok_or_else(|| {
            Refusal::forbidden("bad_token", "this token belongs to no session of this town")
                .hint("a token ends with its session; people need none: unset GASTOWN_TOKEN")
        })?),
        // A process outside of our process space (0) is none that we have started.
        None => match pid.filter(|pid| *pid != 0) {
            Some(pid) => town.origin_of_process(pid, &|pid| ancestry.parent(pid)),
            None => None,
        },
    };
    match (session, &hello.actor) {
        (Some(origin), None) => Ok(origin),
        (Some(_), Some(_)) => {
            Err(Refusal::forbidden("actor_is_for_people", "an agent speaks in its own name only")
                .hint("leave --actor out"))
        }
        (None, actor) => {
            if pid.is_some_and(|pid| pid != 0) && (!ancestry.whole || ancestry.is_below(std::process::id())) {
                return Err(Refusal::forbidden(
                    "unknown_process",
                    "it cannot be told for whom this process speaks",
                )
                .hint(
                    "what an agent starts speaks in its name as long as it has GASTOWN_TOKEN, or is still \
                     below the agent's own process",
                ));
            }
            let on_behalf_of = actor
                .as_ref()
                .map(|text| text.parse::<Address>())
                .transpose()
                .map_err(|error| Refusal::usage(format!("--actor: {error}")))?;
            Ok(Origin::Operator { on_behalf_of })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_of_parents_is_whole_or_said_not_to_be() {
        let parents = |pid: u32| match pid {
            30 => Some(20),
            20 => Some(1),
            40 => Some(0),
            50 => Some(51),
            60 => Some(61),
            61 => Some(60),
            _ => None,
        };
        assert!(Ancestry::climb(30, parents).whole);
        assert!(Ancestry::climb(30, parents).is_below(20));
        assert!(Ancestry::climb(40, parents).whole);
        assert!(!Ancestry::climb(50, parents).whole);
        assert!(!Ancestry::climb(60, parents).whole);
    }

    #[test]
    fn the_parent_of_this_test_is_known() {
        let me = std::process::id();
        assert_eq!(parent(me), Some(std::os::unix::process::parent_id()));
        assert!(Ancestry::of(me).whole);
        assert_eq!(parent(u32::MAX), None);
    }
}
