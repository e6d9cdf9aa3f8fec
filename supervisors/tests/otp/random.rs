//! Scenes that nobody thought of.

use crate::scene::AutoShutdown::{AllSignificant, AnySignificant, Never};
use crate::scene::{How, Kid, Restart, Scene, Step, Strategy, Sup, permanent, sup, temporary, transient};

const NAMES: [&str; 10] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];

/// Children that a supervisor always has, at most.
const ALWAYS: usize = 5;

/// Numbers that look like chance; the same ones for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    fn one_in(&mut self, sides: usize) -> bool {
        self.below(sides) == 0
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

/// Returns `count` scenes that follow from `seed`.
pub(crate) fn scenes(seed: u64, count: usize) -> Vec<Scene> {
    let mut dice = Dice(seed | 1);
    (0..count).map(|_| scene(&mut dice)).collect()
}

fn scene(dice: &mut Dice) -> Scene {
    let strategy =
        dice.of(&[Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne, Strategy::Simple]);
    let auto = dice.of(&[Never, Never, AnySignificant, AllSignificant]);
    // A window that no scene outlives, so that nothing hangs on how quick a machine is.
    let restarts = u32::try_from(dice.below(5)).unwrap();
    let kids = match strategy {
        Strategy::Simple => vec![kid(dice, "kind", auto == Never)],
        _ => NAMES[..1 + dice.below(ALWAYS)].iter().map(|name| kid(dice, name, auto == Never)).collect(),
    };
    let sup = sup(strategy, (restarts, 600), kids).auto(auto);
    // OTP has no names for children of one kind, so nobody is called as another one was.
    let mut fresh = NAMES.into_iter();
    let steps = (0..3 + dice.below(8)).map(|_| step(dice, &sup, &mut fresh)).collect();
    Scene { sup, steps }
}

fn kid(dice: &mut Dice, name: &'static str, plain: bool) -> Kid {
    let kid = match dice.below(4) {
        0 => transient(name),
        1 => temporary(name),
        _ => permanent(name),
    };
    let significant = !plain && kid.restart != Restart::Permanent && dice.one_in(2);
    let mut fails = Vec::new();
    for start in 2..6 {
        if dice.one_in(5) {
            fails.push(start);
        }
    }
    let kid = kid.fails(&fails);
    let kid = if significant { kid.significant() } else { kid };
    match dice.below(8) {
        0 => kid.brutal(),
        1 => kid.deaf(),
        _ => kid,
    }
}

fn step(dice: &mut Dice, sup: &Sup, fresh: &mut impl Iterator<Item = &'static str>) -> Step {
    let name = dice.of(&NAMES[..ALWAYS]);
    let simple = sup.strategy == Strategy::Simple;
    match dice.below(12) {
        0 if !simple => Step::Restart(name),
        1 if !simple => Step::Delete(name),
        2 => Step::Terminate(name),
        3 if !simple => Step::Which,
        4 if !simple => Step::Count,
        5 if dice.one_in(3) => Step::Stop,
        0..=6 if simple => {
            let Some(name) = fresh.next() else { return Step::Stop };
            let kid = Kid { name, ..sup.kids[0].clone() };
            Step::Start(if dice.one_in(6) { kid.fails(&[1]) } else { kid })
        }
        _ => Step::Ends(name, dice.of(&[How::Normal, How::Shutdown, How::Error, How::Panic, How::Kill])),
    }
}
