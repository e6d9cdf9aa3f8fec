//! Scenes played on the pure decision: a supervisor that is a list and nothing else, which does what
//! [`decide`] says. What is asked of it from outside it does as the manual page has it.

use std::time::Duration;

use supervisors::decision::{Exit, Member, Phase, Plan, Verdict, decide};
use supervisors::policy::{Intensity, Rules};
use supervisors::window::Window;

use crate::scene::{How, Kid, Restart, Scene, Seen, Step, Strategy, Sup};

/// Plays `scene`.
pub(crate) fn play(scene: &Scene) -> Seen {
    let mut world = World::default();
    let mut seen = Vec::new();
    let started = Model::start(&scene.sup, &mut world);
    if started.is_none() {
        world.say("over");
    }
    seen.push(world.line());
    let Some(mut model) = started else { return seen };
    for step in &scene.steps {
        let over = model.step(step, &mut world);
        if over {
            world.say("over");
        }
        seen.push(world.line());
        if over {
            return seen;
        }
    }
    seen
}

/// What is outside of the supervisors.
#[derive(Default)]
struct World {
    said: Vec<String>,
    tries: std::collections::HashMap<&'static str, u32>,
    now: Duration,
}

impl World {
    fn say(&mut self, piece: impl Into<String>) {
        self.said.push(piece.into());
    }

    fn line(&mut self) -> String {
        std::mem::take(&mut self.said).join(", ")
    }
}

struct Node {
    kid: Kid,
    phase: Phase,
    below: Option<Model>,
}

struct Model {
    rules: Rules,
    simple: bool,
    window: Window,
    nodes: Vec<Node>,
}

/// What the rules of the house are for `sup`.
pub(crate) fn rules(sup: &Sup) -> Rules {
    use supervisors::policy::Strategy as Ours;
    let strategy = match sup.strategy {
        Strategy::OneForOne | Strategy::Simple => Ours::OneForOne,
        Strategy::OneForAll => Ours::OneForAll,
        Strategy::RestForOne => Ours::RestForOne,
    };
    let intensity = Intensity { restarts: sup.restarts, within: Duration::from_secs(sup.seconds) };
    let stop_order = match sup.strategy {
        Strategy::Simple => supervisors::policy::StopOrder::Parallel,
        _ => supervisors::policy::StopOrder::Reverse,
    };
    Rules { auto_shutdown: sup.auto, stop_order, ..Rules::new(strategy, intensity) }
}

impl Model {
    /// A supervisor with its children up; none when one of them would not.
    fn start(sup: &Sup, world: &mut World) -> Option<Self> {
        let rules = rules(sup);
        let mut model = Self {
            rules,
            simple: sup.strategy == Strategy::Simple,
            window: Window::default(),
            nodes: Vec::new(),
        };
        if sup.kids.iter().any(|kid| rules.admit(kid.restart, kid.significant).is_err()) {
            world.say("invalid");
            return None;
        }
        let always: &[Kid] = if model.simple { &[] } else { &sup.kids };
        for kid in always {
            model.nodes.push(Node { kid: kid.clone(), phase: Phase::Idle, below: None });
            if !model.bring_up(model.nodes.len() - 1, world) {
                model.end_all(world);
                return None;
            }
        }
        Some(model)
    }

    fn bring_up(&mut self, place: usize, world: &mut World) -> bool {
        let node = &mut self.nodes[place];
        if let Some(sup) = &node.kid.below {
            node.below = Self::start(sup, world);
            if node.below.is_none() {
                return false;
            }
        } else {
            let tries = world.tries.entry(node.kid.name).or_default();
            *tries += 1;
            if node.kid.fails.contains(tries) {
                world.say(format!("fail {}", node.kid.name));
                return false;
            }
            world.say(format!("start {}", node.kid.name));
        }
        node.phase = Phase::Running;
        true
    }

    fn end(&mut self, place: usize, world: &mut World) {
        let node = &mut self.nodes[place];
        if node.phase != Phase::Running {
            return;
        }
        node.phase = Phase::Idle;
        match &mut node.below {
            Some(below) => below.end_all(world),
            None if node.kid.brutal || node.kid.deaf => world.say(format!("kill {}", node.kid.name)),
            None => world.say(format!("stop {}", node.kid.name)),
        }
    }

    fn end_all(&mut self, world: &mut World) {
        (0..self.nodes.len()).rev().for_each(|place| self.end(place, world));
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.nodes.iter().position(|node| node.kid.name == name)
    }

    /// Returns whether the supervisor has ended over it.
    fn step(&mut self, step: &Step, world: &mut World) -> bool {
        match step {
            Step::Ends(name, how) => return self.ends(name, *how, world).is_some(),
            Step::Wait(ms) => world.now += Duration::from_millis(*ms),
            Step::Start(kid) => {
                let said = self.start_child(kid, world);
                world.say(said);
            }
            Step::Terminate(name) => {
                let said = self.terminate_child(name, world);
                world.say(said);
            }
            Step::Restart(name) => {
                let said = match self.down(name) {
                    Ok(place) if self.bring_up(place, world) => "ok",
                    Ok(_) => "failed",
                    Err(why) => why,
                };
                world.say(said);
            }
            Step::Delete(name) => match self.down(name) {
                Ok(place) => {
                    self.nodes.remove(place);
                    world.say("ok");
                }
                Err(why) => world.say(why),
            },
            Step::Which => {
                let mut shown: Vec<String> = self.nodes.iter().map(Node::shown).collect();
                shown.sort();
                world.say(shown.join(", "));
            }
            Step::Count => {
                let specs = self.nodes.len();
                let active = self.nodes.iter().filter(|node| node.phase == Phase::Running).count();
                let above = self.nodes.iter().filter(|node| node.kid.below.is_some()).count();
                world.say(format!(
                    "specs {specs}, active {active}, supervisors {above}, workers {}",
                    specs - above
                ));
            }
            Step::Stop => {
                self.end_all(world);
                return true;
            }
        }
        false
    }

    fn start_child(&mut self, kid: &Kid, world: &mut World) -> &'static str {
        if self.rules.admit(kid.restart, kid.significant).is_err() {
            return "invalid";
        }
        match self.place(kid.name).map(|place| self.nodes[place].phase) {
            Some(Phase::Running) => return "already started",
            Some(_) => return "already present",
            None => {}
        }
        self.nodes.push(Node { kid: kid.clone(), phase: Phase::Idle, below: None });
        if self.bring_up(self.nodes.len() - 1, world) {
            return "ok";
        }
        self.nodes.pop();
        "failed"
    }

    fn terminate_child(&mut self, name: &str, world: &mut World) -> &'static str {
        let Some(place) = self.place(name) else { return "not found" };
        self.end(place, world);
        if self.simple || self.nodes[place].kid.restart == Restart::Temporary {
            self.nodes.remove(place);
        }
        "ok"
    }

    fn down(&self, name: &str) -> Result<usize, &'static str> {
        let place = self.place(name).ok_or("not found")?;
        match self.nodes[place].phase {
            Phase::Idle => Ok(place),
            Phase::Waiting => Err("restarting"),
            Phase::Running | Phase::Leaving => Err("running"),
        }
    }

    /// A child here or further below ends; says how this supervisor ends over it, if it does.
    fn ends(&mut self, name: &str, how: How, world: &mut World) -> Option<Exit> {
        for place in 0..self.nodes.len() {
            let node = &mut self.nodes[place];
            if node.kid.name == name {
                if node.phase != Phase::Running {
                    return None;
                }
                let exit = match how {
                    How::Normal => Exit::Normal(None),
                    How::Shutdown => Exit::Normal(Some("shutdown".to_owned())),
                    How::Error | How::Panic | How::Kill => Exit::Abnormal("it failed".to_owned()),
                };
                return self.follow(place, exit, world);
            }
            if let Some(below) = &mut node.below
                && let Some(exit) = below.ends(name, how, world)
            {
                node.below = None;
                return self.follow(place, exit, world);
            }
        }
        None
    }

    /// Does what the decision says.
    fn follow(&mut self, mut place: usize, mut exit: Exit, world: &mut World) -> Option<Exit> {
        loop {
            let members: Vec<Member> = self.nodes.iter().map(Node::member).collect();
            match decide(&self.rules, &members, &mut self.window, place, &exit, world.now) {
                Verdict::Leave if self.simple => drop(self.nodes.remove(place)),
                Verdict::Leave => self.nodes[place].phase = Phase::Idle,
                Verdict::Forget => drop(self.nodes.remove(place)),
                Verdict::ShutDown => {
                    self.nodes[place].phase = Phase::Idle;
                    self.end_all(world);
                    return Some(Exit::Normal(Some("shutdown".to_owned())));
                }
                Verdict::GiveUp { .. } => {
                    self.nodes[place].phase = Phase::Idle;
                    self.end_all(world);
                    return Some(Exit::GaveUp("too many".to_owned()));
                }
                Verdict::Restart(plan) => {
                    let Err(failed) = self.carry_out(plan, place, world) else { return None };
                    (place, exit) = (failed, Exit::Abnormal("it would not start".to_owned()));
                    continue;
                }
            }
            return None;
        }
    }

    /// Says whose start failed, if one did.
    fn carry_out(&mut self, plan: Plan, who: usize, world: &mut World) -> Result<(), usize> {
        let Plan { stop, forget, start, .. } = plan;
        self.nodes[who].phase = Phase::Waiting;
        stop.iter().for_each(|&place| self.end(place, world));
        for &place in &start {
            self.nodes[place].phase = Phase::Waiting;
        }
        let names: Vec<&'static str> = start.iter().map(|&place| self.nodes[place].kid.name).collect();
        for &place in forget.iter().rev() {
            self.nodes.remove(place);
        }
        for name in names {
            let place = self.place(name).expect("it was kept");
            if !self.bring_up(place, world) {
                return Err(place);
            }
        }
        Ok(())
    }
}

impl Node {
    fn member(&self) -> Member {
        Member { restart: self.kid.restart, significant: self.kid.significant, phase: self.phase }
    }

    fn shown(&self) -> String {
        let state = match self.phase {
            Phase::Running => "up",
            Phase::Waiting => "restarting",
            Phase::Idle | Phase::Leaving => "down",
        };
        format!("{} {state}", self.kid.name)
    }
}
