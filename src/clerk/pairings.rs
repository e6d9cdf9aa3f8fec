//! Beads and hooks, compared with a plain model of them, on paper and on disk: whatever is slung, hung, taken
//! back, closed and opened again, by however many dispatchers at once, a bead hangs on one hook at most and an
//! agent holds one bead at most.

use std::collections::BTreeMap;

use ledger::views::hooks::Waiting;
use model::bead::Status;
use model::command::Command;
use model::ids::BeadId;
use model::role::Address;
use proptest::prelude::*;

use crate::hooks;
use crate::testing::{OnDisk, OneFormula, Paper};

/// Polecats at work at once, and their names.
const AT_ONCE: usize = 2;
const POOL: [&str; 2] = ["docs", "backend"];

/// What can happen to work.
#[derive(Debug, Clone)]
enum Step {
    Make,
    Sling {
        which: usize,
    },
    /// A dispatcher looks what could go.
    Look,
    /// It hangs what it has seen, perhaps some time ago.
    Hang,
    Unsling {
        which: usize,
        force: bool,
    },
    Close {
        which: usize,
    },
    Reopen {
        which: usize,
    },
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let which = any::<usize>;
    prop_oneof![
        3 => Just(Step::Make),
        5 => which().prop_map(|which| Step::Sling { which }),
        4 => Just(Step::Look),
        4 => Just(Step::Hang),
        2 => (which(), any::<bool>()).prop_map(|(which, force)| Step::Unsling { which, force }),
        2 => which().prop_map(|which| Step::Close { which }),
        2 => which().prop_map(|which| Step::Reopen { which }),
        1 => Just(Step::Restart),
    ]
}

/// Where a bead is.
#[derive(Debug, Clone, PartialEq)]
enum Place {
    Open,
    Waiting,
    Hooked(Address),
    Closed,
}

/// The model: beads in the order they were made, and those that wait in the order they were slung.
#[derive(Debug, Default)]
struct Model {
    beads: Vec<(BeadId, Place)>,
    queue: Vec<BeadId>,
}

impl Model {
    fn holder_of(&self, bead: &BeadId) -> Option<&Address> {
        self.beads.iter().find_map(|(id, place)| match place {
            Place::Hooked(agent) if id == bead => Some(agent),
            _ => None,
        })
    }

    fn at_work(&self) -> Vec<&Address> {
        self.beads.iter().filter_map(|(id, _)| self.holder_of(id)).collect()
    }

    fn put(&mut self, n: usize, place: Place) {
        let id = self.beads[n].0.clone();
        self.queue.retain(|waiting| *waiting != id);
        if place == Place::Waiting {
            self.queue.push(id);
        }
        self.beads[n].1 = place;
    }
}

fn worker(name: &str) -> Address {
    format!("web/polecats/{name}").parse().unwrap()
}

fn look(paper: &Paper) -> Option<(Waiting, Address)> {
    let pool = POOL.map(|name| name.parse().unwrap());
    hooks::next_assignment(&paper.board, &"web".parse().unwrap(), &pool, AT_ONCE, paper.rest())
}

fn carry_out(step: Step, paper: &mut Paper, model: &mut Model, seen: &mut Vec<(Waiting, Address)>) {
    let pick = |which: usize, model: &Model| (!model.beads.is_empty()).then(|| which % model.beads.len());
    match step {
        Step::Make => {
            let id = paper.bead("Work");
            model.beads.push((id, Place::Open));
        }
        Step::Sling { which } => {
            let Some(n) = pick(which, model) else { return };
            let (id, place) = model.beads[n].clone();
            let before = paper.records.len();
            let slung = paper.sling(&[&id], "web");
            assert_eq!(slung.is_ok(), place != Place::Closed, "{place:?}: {slung:?}");
            match place {
                Place::Open => model.put(n, Place::Waiting),
                _ => assert_eq!(paper.records.len(), before, "once is enough"),
            }
        }
        Step::Look => {
            let found = look(paper);
            let free = model.at_work().len() < AT_ONCE;
            let expected = model.queue.first().filter(|_| free);
            assert_eq!(found.as_ref().map(|(waiting, _)| &waiting.bead), expected);
            seen.extend(found);
        }
        Step::Hang => {
            let Some((waiting, who)) = seen.pop() else { return };
            let n = model.beads.iter().position(|(id, _)| *id == waiting.bead).unwrap();
            let free = !model.at_work().contains(&&who);
            let hung = paper
                .role(&Address::Runtime, |draft| hooks::hang(draft, &OneFormula, &waiting, &who).map(drop));
            if hung.is_ok() {
                assert!(free && model.beads[n].1 == Place::Waiting, "{who} took {}", waiting.bead);
                model.put(n, Place::Hooked(who));
            }
        }
        Step::Unsling { which, force } => {
            let Some(n) = pick(which, model) else { return };
            let (id, place) = model.beads[n].clone();
            let taken = paper.does(Command::Unsling { bead: id, force });
            let expected = place == Place::Waiting || (force && matches!(place, Place::Hooked(_)));
            assert_eq!(taken.is_ok(), expected, "{place:?}: {taken:?}");
            if expected {
                model.put(n, Place::Open);
            }
        }
        Step::Close { which } => {
            let Some(n) = pick(which, model) else { return };
            let (id, place) = model.beads[n].clone();
            let closed =
                paper.does(Command::BeadClose { ids: vec![id], reason: None, force: false, suggest: false });
            assert_eq!(closed.is_ok(), matches!(place, Place::Open | Place::Waiting), "{place:?}");
            if closed.is_ok() {
                model.put(n, Place::Closed);
            }
        }
        Step::Reopen { which } => {
            let Some(n) = pick(which, model) else { return };
            let (id, place) = model.beads[n].clone();
            let opened = paper.does(Command::BeadReopen { ids: vec![id], reason: None });
            assert_eq!(opened.is_ok(), place == Place::Closed, "{place:?}");
            if opened.is_ok() {
                model.put(n, Place::Open);
            }
        }
        Step::Restart => {}
    }
}

fn agree(paper: &Paper, model: &Model) {
    let hooks = &paper.board.hooks;
    let mut held: BTreeMap<&Address, &BeadId> = BTreeMap::new();
    for (id, place) in &model.beads {
        let status = match place {
            Place::Open | Place::Waiting => Status::Open,
            Place::Hooked(_) => Status::Hooked,
            Place::Closed => Status::Closed,
        };
        assert_eq!(paper.board.beads.get(id).unwrap().status, status, "{id}");
        assert_eq!(hooks.holder(id), model.holder_of(id), "{id}");
        assert_eq!(hooks.waiting(id).is_some(), *place == Place::Waiting, "{id}");
        if let Some(agent) = hooks.holder(id) {
            assert_eq!(held.insert(agent, id), None, "{agent} holds two");
            assert_eq!(hooks.of(agent).map(|hook| &hook.bead), Some(id));
        }
    }
    assert_eq!(hooks.iter().count(), held.len());
    assert!(POOL.iter().filter(|name| held.contains_key(&worker(name))).count() <= AT_ONCE);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn hooks_and_a_plain_model_of_them_agree(steps in prop::collection::vec(step(), 1..60)) {
        let (mut paper, mut model, mut seen) = (Paper::new(), Model::default(), Vec::new());
        let mut disk = OnDisk::new(&paper);
        for step in steps {
            let restart = matches!(step, Step::Restart);
            carry_out(step, &mut paper, &mut model, &mut seen);
            agree(&paper, &model);
            disk.follow(&paper);
            if restart {
                seen.clear();
                disk.restart(&paper);
            }
        }
        disk.restart(&paper);
    }
}
