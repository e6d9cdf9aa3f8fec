//! A supervisor, what happens to it, and what is seen of that: the same words for the pure decision, for
//! real actors and for OTP itself.
//!
//! What is seen is a line for each step, its pieces separated by commas:
//!
//! | piece | what it says |
//! |---|---|
//! | `start a`, `fail a` | the start of child `a` was tried, and went well or not |
//! | `stop a`, `kill a` | its supervisor has asked it to end and it did, or has killed it |
//! | `over` | the supervisor has ended |
//! | `ok`, `running`, … | what the request came to |
//!
//! A child that ends by itself is not seen to end: the step says so.

use std::fmt;

pub(crate) use supervisors::policy::{AutoShutdown, Restart};

/// Whom a supervisor starts again beside the failed one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strategy {
    OneForOne,
    OneForAll,
    RestForOne,
    /// All children come at run time and are of one kind.
    Simple,
}

impl Strategy {
    /// The word that OTP has for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::OneForOne => "one_for_one",
            Self::OneForAll => "one_for_all",
            Self::RestForOne => "rest_for_one",
            Self::Simple => "simple_one_for_one",
        }
    }
}

/// A child.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Kid {
    pub(crate) name: &'static str,
    pub(crate) restart: Restart,
    pub(crate) significant: bool,
    /// Killed without being asked.
    pub(crate) brutal: bool,
    /// Does not end when it is asked to.
    pub(crate) deaf: bool,
    /// Which of its starts fail, counted from 1.
    pub(crate) fails: Vec<u32>,
    /// A supervisor, with children of its own.
    pub(crate) below: Option<Sup>,
}

/// A supervisor.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sup {
    pub(crate) strategy: Strategy,
    pub(crate) restarts: u32,
    pub(crate) seconds: u64,
    pub(crate) auto: AutoShutdown,
    pub(crate) kids: Vec<Kid>,
}

/// How a child ends without its supervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    Normal,
    Shutdown,
    Error,
    Panic,
    Kill,
}

/// What happens.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    Ends(&'static str, How),
    /// Milliseconds go by.
    Wait(u64),
    Start(Kid),
    Terminate(&'static str),
    Restart(&'static str),
    Delete(&'static str),
    Which,
    Count,
    /// Its own supervisor asks it to end.
    Stop,
}

/// A supervisor and what happens to it. The first thing is always its start.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scene {
    pub(crate) sup: Sup,
    pub(crate) steps: Vec<Step>,
}

/// What was seen of a scene: a line for the start, and one for each step.
pub(crate) type Seen = Vec<String>;

impl Kid {
    pub(crate) fn significant(self) -> Self {
        Self { significant: true, ..self }
    }

    pub(crate) fn brutal(self) -> Self {
        Self { brutal: true, ..self }
    }

    pub(crate) fn deaf(self) -> Self {
        Self { deaf: true, ..self }
    }

    pub(crate) fn fails(self, which: &[u32]) -> Self {
        Self { fails: which.to_vec(), ..self }
    }
}

fn kid(name: &'static str, restart: Restart) -> Kid {
    Kid { name, restart, significant: false, brutal: false, deaf: false, fails: Vec::new(), below: None }
}

pub(crate) fn permanent(name: &'static str) -> Kid {
    kid(name, Restart::Permanent)
}

pub(crate) fn transient(name: &'static str) -> Kid {
    kid(name, Restart::Transient)
}

pub(crate) fn temporary(name: &'static str) -> Kid {
    kid(name, Restart::Temporary)
}

/// A supervisor as a child.
pub(crate) fn above(restart: Restart, name: &'static str, sup: Sup) -> Kid {
    Kid { below: Some(sup), ..kid(name, restart) }
}

/// A supervisor that bears so many restarts in so many seconds.
pub(crate) fn sup(strategy: Strategy, (restarts, seconds): (u32, u64), kids: Vec<Kid>) -> Sup {
    Sup { strategy, restarts, seconds, auto: AutoShutdown::Never, kids }
}

impl Sup {
    pub(crate) fn auto(self, auto: AutoShutdown) -> Self {
        Self { auto, ..self }
    }
}

/// Puts what may come in any order into one: children that are ended all at once.
pub(crate) fn settled(sup: &Sup, line: &str) -> String {
    if sup.strategy != Strategy::Simple {
        return line.to_owned();
    }
    let ended = |piece: &str| piece.starts_with("stop ") || piece.starts_with("kill ");
    let mut pieces: Vec<&str> = line.split(", ").collect();
    let from = pieces.iter().position(|piece| ended(piece)).unwrap_or(pieces.len());
    let length = pieces[from..].iter().take_while(|piece| ended(piece)).count();
    pieces[from..from + length].sort_unstable();
    pieces.join(", ")
}

impl fmt::Display for Scene {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{}, [", self.sup)?;
        for (n, step) in self.steps.iter().enumerate() {
            write!(f, "{}{step}", if n == 0 { "" } else { ", " })?;
        }
        f.write_str("]}")
    }
}

/// As Erlang reads it; see `oracle.escript`.
impl fmt::Display for Sup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let auto = match self.auto {
            AutoShutdown::Never => "never",
            AutoShutdown::AnySignificant => "any_significant",
            AutoShutdown::AllSignificant => "all_significant",
        };
        let Self { restarts, seconds, .. } = self;
        write!(f, "{{sup, {}, {restarts}, {seconds}, {auto}, [", self.strategy.word())?;
        for (n, kid) in self.kids.iter().enumerate() {
            write!(f, "{}{kid}", if n == 0 { "" } else { ", " })?;
        }
        f.write_str("]}")
    }
}

impl fmt::Display for Kid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let restart = match self.restart {
            Restart::Permanent => "permanent",
            Restart::Transient => "transient",
            Restart::Temporary => "temporary",
        };
        let Self { name, significant, brutal, deaf, fails, .. } = self;
        write!(f, "{{kid, {name}, {restart}, {significant}, {brutal}, {deaf}, {fails:?}, ")?;
        match &self.below {
            Some(sup) => write!(f, "{sup}}}"),
            None => f.write_str("none}"),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ends(name, how) => {
                let how = match how {
                    How::Normal => "normal",
                    How::Shutdown => "shutdown",
                    How::Error => "error",
                    How::Panic => "panic",
                    How::Kill => "kill",
                };
                write!(f, "{{ends, {name}, {how}}}")
            }
            Self::Wait(ms) => write!(f, "{{wait, {ms}}}"),
            Self::Start(kid) => write!(f, "{{start, {kid}}}"),
            Self::Terminate(name) => write!(f, "{{terminate, {name}}}"),
            Self::Restart(name) => write!(f, "{{restart, {name}}}"),
            Self::Delete(name) => write!(f, "{{delete, {name}}}"),
            Self::Which => f.write_str("which"),
            Self::Count => f.write_str("count"),
            Self::Stop => f.write_str("stop"),
        }
    }
}
