//! THE table: who watches whom, and what holds for them. Nothing else in the house says so.
//!
//! ```text
//!  town (one_for_one)
//!  ├─ scribe          permanent
//!  ├─ postmaster      permanent
//!  ├─ switchboard     permanent
//!  ├─ rigs (one_for_one, dynamic)
//!  │   └─ rig NAME (one_for_one)              permanent
//!  │       ├─ NAME/refinery    permanent      ── session (lazy)
//!  │       ├─ NAME/witness     permanent      ── session (lazy)
//!  │       ├─ NAME/dispatcher  permanent
//!  │       └─ NAME/polecats (one_for_one, dynamic)
//!  │           └─ NAME/polecats/WORKER   transient   ── session (while hooked)
//!  ├─ deacon          permanent               ── session (lazy)
//!  └─ mayor           permanent               ── session (lazy)
//! ```
//!
//! Order is dependency: started downwards, stopped upwards. A failure takes nobody else along: actors
//! find each other anew for each use and see on the board what there is to do, so a neighbour's death
//! leaves them nothing to be cleared of, and would only cost the agents that they hold. See
//! `docs/decisions/0002-one-for-one.md`.

use std::time::Duration;

use crate::policy::{Branch, ChildSpec, Intensity, Restart, Rules, Shutdown, Strategy};

/// The kinds of children in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Child {
    /// The one writer.
    Scribe,
    /// Hands letters over.
    Postmaster,
    /// Finds who answers.
    Switchboard,
    /// The supervisor of all rigs.
    Rigs,
    /// The patrol of the town.
    Deacon,
    /// The person's interlocutor.
    Mayor,
    /// A rig's merge queue.
    Refinery,
    /// A rig's watcher.
    Witness,
    /// A rig's pace.
    Dispatcher,
    /// The supervisor of a rig's workers.
    Polecats,
}

/// How many restarts are borne in how long, where children share a window. An actor that fails at once
/// each time uses this up in a moment; one that is killed now and then never does.
const BORNE: Intensity = Intensity { restarts: 20, within: Duration::from_secs(10) };

/// The same for one worker or one rig, which is then set aside.
const EACH: Intensity = Intensity { restarts: 10, within: Duration::from_secs(60) };

/// Roles that may have a session take a moment to end it.
const WITH_SESSION: Shutdown = Shutdown::Grace(Duration::from_secs(25));

const fn spec(child: Child, grace: Shutdown) -> ChildSpec<Child> {
    ChildSpec::new(child, Restart::Permanent, grace)
}

/// The town.
pub const TOWN: Branch<Child> = Branch {
    name: "town",
    rules: Rules::new(Strategy::OneForOne, BORNE),
    children: &[
        spec(Child::Scribe, Shutdown::Grace(Duration::from_secs(10))),
        spec(Child::Postmaster, Shutdown::Grace(Duration::from_secs(2))),
        spec(Child::Switchboard, Shutdown::Grace(Duration::from_secs(2))),
        spec(Child::Rigs, Shutdown::Infinite),
        spec(Child::Deacon, WITH_SESSION),
        spec(Child::Mayor, WITH_SESSION),
    ],
};

/// The rigs, which come and go at run time.
pub const RIGS: Branch<Child> = Branch { name: "rigs", rules: Rules::dynamic(EACH), children: &[] };

/// One rig.
pub const RIG: Branch<Child> = Branch {
    name: "rig",
    rules: Rules::new(Strategy::OneForOne, BORNE),
    children: &[
        spec(Child::Refinery, WITH_SESSION),
        spec(Child::Witness, WITH_SESSION),
        spec(Child::Dispatcher, Shutdown::Grace(Duration::from_secs(2))),
        spec(Child::Polecats, Shutdown::Infinite),
    ],
};

/// A rig's workers, which come and go at run time.
pub const POLECATS: Branch<Child> = Branch { name: "polecats", rules: Rules::dynamic(EACH), children: &[] };

/// A worker: ends by itself when nothing hangs on its hook, is started again when it fails.
pub const POLECAT: (Restart, Shutdown) = (Restart::Transient, WITH_SESSION);

/// A rig's supervisor.
pub const A_RIG: (Restart, Shutdown) = (Restart::Permanent, Shutdown::Infinite);

/// The whole town's grace: longer than the graces on its longest path.
pub const TOWN_GRACE: Duration = Duration::from_secs(60);
