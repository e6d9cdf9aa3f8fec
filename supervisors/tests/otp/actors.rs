//! Scenes played on real actors, in virtual time: a step is over when nobody has anything left to do.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef};
use supervisors::desk::{Counts, Desk, DeskError};
use supervisors::policy::Shutdown;
use supervisors::report::{Deaf, Records};
use supervisors::spec::{DynBranch, DynChild, Start};
use supervisors::supervisor::{NotDown, StartError};
use supervisors::{Town, TownEnd, start_town};
use tokio::time::{sleep, timeout};

use crate::pure::rules;
use crate::scene::{How, Kid, Scene, Seen, Step, Strategy, Sup};

/// How long a child may take to end.
const GRACE: Duration = Duration::from_millis(50);

/// Longer than any grace of a scene. Time stands still while anybody has something to do.
const SETTLED: Duration = Duration::from_millis(500);

/// The supervisor under test.
const SUP: &str = "sup";

/// Plays `scene`. Only in virtual time.
pub(crate) async fn play(scene: &Scene) -> Seen {
    let stage = Stage { book: Arc::default(), records: Records::new(Arc::new(Deaf)) };
    let town = match start_town(stage.branch(SUP, &scene.sup), stage.records.clone()).await {
        Ok(town) => town,
        Err(error) => {
            if error.to_string().contains("significant") {
                stage.say("invalid");
            }
            stage.say("over");
            return vec![stage.line()];
        }
    };
    sleep(SETTLED).await;
    let mut seen = vec![stage.line()];
    for step in &scene.steps {
        stage.step(step, &town).await;
        sleep(SETTLED).await;
        let over = timeout(Duration::ZERO, town.wait()).await.is_ok();
        if over {
            stage.say("over");
        }
        seen.push(stage.line());
        if over {
            return seen;
        }
    }
    assert_eq!(town.stop(Duration::from_secs(60)).await, TownEnd::Stopped);
    seen
}

/// What was seen, how often each child was tried, and who ends by itself.
#[derive(Debug, Default)]
struct Book {
    said: Vec<String>,
    tries: HashMap<&'static str, u32>,
    by_itself: Option<&'static str>,
}

#[derive(Clone)]
struct Stage {
    book: Arc<Mutex<Book>>,
    records: Records,
}

impl Stage {
    fn say(&self, piece: impl Into<String>) {
        self.book.lock().unwrap().said.push(piece.into());
    }

    fn line(&self) -> String {
        std::mem::take(&mut self.book.lock().unwrap().said).join(", ")
    }

    fn branch(&self, name: &str, sup: &Sup) -> DynBranch {
        let always = if sup.strategy == Strategy::Simple { &[][..] } else { &sup.kids };
        let children = always.iter().map(|kid| self.child(kid)).collect();
        DynBranch { name: name.to_owned(), rules: rules(sup), children }
    }

    fn child(&self, kid: &Kid) -> DynChild {
        let child = match &kid.below {
            Some(sup) => DynChild::supervisor(self.branch(kid.name, sup), kid.restart, &self.records),
            None => {
                let (book, own) = (Arc::clone(&self.book), kid.clone());
                let start = Start::actor(None, move || (Worker, (Arc::clone(&book), own.clone())));
                let shutdown = if kid.brutal { Shutdown::Brutal } else { Shutdown::Grace(GRACE) };
                DynChild::actor(kid.name, kid.restart, shutdown, start)
            }
        };
        DynChild { significant: kid.significant, ..child }
    }

    async fn step(&self, step: &Step, town: &Town) {
        let desk = town.desk();
        match step {
            Step::Ends(name, how) => self.end(&desk, name, *how),
            Step::Wait(ms) => sleep(Duration::from_millis(*ms)).await,
            Step::Start(kid) => {
                let said = said(desk.start_child(SUP, self.child(kid)).await);
                self.say(said);
            }
            Step::Terminate(name) => {
                let said = said(desk.terminate_child(SUP, name).await);
                self.say(said);
            }
            Step::Restart(name) => {
                let said = said(desk.restart_child(SUP, name).await);
                self.say(said);
            }
            Step::Delete(name) => {
                let said = said(desk.delete_child(SUP, name).await);
                self.say(said);
            }
            Step::Which => {
                let all = desk.which_children(SUP).await.unwrap();
                let state = |state| match state {
                    actors::living_tree::NodeState::Running => "up",
                    actors::living_tree::NodeState::Restarting => "restarting",
                    _ => "down",
                };
                let mut all: Vec<String> =
                    all.iter().map(|child| format!("{} {}", child.name, state(child.state))).collect();
                all.sort();
                self.say(all.join(", "));
            }
            Step::Count => {
                let Counts { specs, active, supervisors, workers } = desk.count_children(SUP).await.unwrap();
                self.say(format!(
                    "specs {specs}, active {active}, supervisors {supervisors}, workers {workers}"
                ));
            }
            Step::Stop => drop(town.stop(Duration::from_secs(60)).await),
        }
    }

    fn end(&self, desk: &Desk, name: &'static str, how: How) {
        let Ok(cell) = desk.find(name) else { return };
        self.book.lock().unwrap().by_itself = Some(name);
        match how {
            How::Kill => cell.kill(),
            how => ActorRef::<How>::from(cell).cast(how).unwrap(),
        }
    }
}

fn said<T: std::fmt::Debug>(result: Result<T, DeskError>) -> &'static str {
    match result {
        Ok(_) => "ok",
        Err(DeskError::Start(StartError::Senseless { .. })) => "invalid",
        Err(DeskError::Start(StartError::AlreadyPresent(_))) => "already started",
        Err(DeskError::Start(StartError::Failed { .. }) | DeskError::NotDown(NotDown::Start(_))) => "failed",
        Err(DeskError::Unknown(_) | DeskError::NotDown(NotDown::Unknown(_))) => "not found",
        Err(DeskError::NotDown(NotDown::Running(_))) => "running",
        Err(DeskError::NotDown(NotDown::Restarting(_))) => "restarting",
        Err(other) => panic!("{other}"),
    }
}

struct Worker;

/// Says that its child was killed when it goes without another word.
struct Life {
    book: Arc<Mutex<Book>>,
    kid: Kid,
    said: bool,
}

impl Life {
    /// Whether it ends without its supervisor; asked once.
    fn ends_by_itself(&self) -> bool {
        self.book.lock().unwrap().by_itself.take_if(|name| *name == self.kid.name).is_some()
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        if !self.said && !self.ends_by_itself() {
            self.book.lock().unwrap().said.push(format!("kill {}", self.kid.name));
        }
    }
}

impl Actor for Worker {
    type Msg = How;
    type State = Life;
    type Arguments = (Arc<Mutex<Book>>, Kid);

    async fn pre_start(
        &self,
        _: ActorRef<How>,
        (book, kid): Self::Arguments,
    ) -> Result<Life, ActorProcessingErr> {
        let mut open = book.lock().unwrap();
        let tries = open.tries.entry(kid.name).or_default();
        *tries += 1;
        if kid.fails.contains(tries) {
            open.said.push(format!("fail {}", kid.name));
            return Err("it will not".into());
        }
        open.said.push(format!("start {}", kid.name));
        drop(open);
        Ok(Life { book, kid, said: false })
    }

    async fn handle(&self, me: ActorRef<How>, how: How, _: &mut Life) -> Result<(), ActorProcessingErr> {
        match how {
            How::Normal => me.stop(None),
            How::Shutdown => me.stop(Some("shutdown".to_owned())),
            How::Error => return Err("it failed".into()),
            How::Panic => panic!("it panicked"),
            How::Kill => unreachable!("nobody is asked to be killed"),
        }
        Ok(())
    }

    async fn post_stop(&self, _: ActorRef<How>, life: &mut Life) -> Result<(), ActorProcessingErr> {
        if life.ends_by_itself() {
            life.said = true;
            return Ok(());
        }
        if life.kid.deaf {
            std::future::pending::<()>().await;
        }
        life.said = true;
        life.book.lock().unwrap().said.push(format!("stop {}", life.kid.name));
        Ok(())
    }
}
