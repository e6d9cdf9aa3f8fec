//! An actor whose vital signs are taken: what it has in hand is known while it has it, and after its death.
//!
//! Around every actor of the tree that is no supervisor. It hands everything on, and changes nothing.

use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};

use crate::vitals::{Digest, Named, Pulse};

/// The actor, and its pulse.
#[derive(Debug)]
pub struct Watched<A> {
    actor: A,
    pulse: Pulse,
}

impl<A> Watched<A> {
    /// Watches over `actor`.
    pub fn new(actor: A, pulse: Pulse) -> Self {
        Self { actor, pulse }
    }
}

/// Its state. However it ends, what the state was is kept when it is dropped.
#[derive(Debug)]
pub struct Life<S: Digest> {
    inner: S,
    pulse: Pulse,
}

impl<S: Digest> Drop for Life<S> {
    fn drop(&mut self) {
        self.pulse.ended(self.inner.digest());
    }
}

impl<A> Actor for Watched<A>
where
    A: Actor,
    A::Msg: Named,
    A::State: Digest,
{
    type Msg = A::Msg;
    type State = Life<A::State>;
    type Arguments = A::Arguments;

    async fn pre_start(
        &self,
        me: ActorRef<A::Msg>,
        arguments: A::Arguments,
    ) -> Result<Self::State, ActorProcessingErr> {
        let birth = self.pulse.born();
        let inner = self.actor.pre_start(me, arguments).await?;
        birth.over();
        Ok(Life { inner, pulse: self.pulse.clone() })
    }

    async fn post_start(
        &self,
        me: ActorRef<A::Msg>,
        life: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        self.pulse.begin("start");
        self.actor.post_start(me, &mut life.inner).await?;
        self.pulse.done();
        Ok(())
    }

    async fn handle(
        &self,
        me: ActorRef<A::Msg>,
        message: A::Msg,
        life: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        self.pulse.begin(message.name());
        self.actor.handle(me, message, &mut life.inner).await?;
        self.pulse.done();
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        me: ActorRef<A::Msg>,
        event: SupervisionEvent,
        life: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        self.pulse.begin("the end of its session");
        self.actor.handle_supervisor_evt(me, event, &mut life.inner).await?;
        self.pulse.done();
        Ok(())
    }

    async fn post_stop(
        &self,
        me: ActorRef<A::Msg>,
        life: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        self.pulse.leaves();
        self.actor.post_stop(me, &mut life.inner).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vitals::Vitals;

    #[derive(Debug)]
    enum Message {
        Fail,
        Panic,
        Hang,
    }

    impl Named for Message {
        fn name(&self) -> &'static str {
            match self {
                Self::Fail => "Fail",
                Self::Panic => "Panic",
                Self::Hang => "Hang",
            }
        }
    }

    /// Counts what it has heard.
    #[derive(Debug)]
    struct Heard(usize);

    impl Digest for Heard {
        fn digest(&self) -> String {
            format!("{} heard", self.0)
        }
    }

    struct Listener;

    impl Actor for Listener {
        type Msg = Message;
        type State = Heard;
        type Arguments = bool;

        async fn pre_start(&self, _: ActorRef<Message>, lives: bool) -> Result<Heard, ActorProcessingErr> {
            if lives { Ok(Heard(0)) } else { Err("stillborn".into()) }
        }

        async fn handle(
            &self,
            _: ActorRef<Message>,
            message: Message,
            heard: &mut Heard,
        ) -> Result<(), ActorProcessingErr> {
            heard.0 += 1;
            match message {
                Message::Fail => Err("it failed".into()),
                Message::Panic => panic!("it panicked"),
                Message::Hang => std::future::pending().await,
            }
        }
    }

    async fn remains_after(message: Message) -> (Option<&'static str>, Option<String>) {
        let vitals = Vitals::default();
        let hangs = matches!(message, Message::Hang);
        let watched = Watched::new(Listener, vitals.pulse("listener"));
        let (actor, handle) = Actor::spawn(None, watched, true).await.unwrap();
        actor.cast(message).unwrap();
        if hangs {
            while vitals.pulse("listener").in_hand() != Some("Hang") {
                tokio::task::yield_now().await;
            }
            actor.kill();
        }
        handle.await.unwrap();
        let remains = vitals.take_remains("listener");
        (remains.in_hand.map(|(what, _)| what), remains.state)
    }

    #[tokio::test(start_paused = true)]
    async fn whatever_kills_an_actor_what_it_died_over_is_known() {
        let heard = || Some("1 heard".to_owned());
        assert_eq!(remains_after(Message::Fail).await, (Some("Fail"), heard()));
        assert_eq!(remains_after(Message::Panic).await, (Some("Panic"), heard()));
        assert_eq!(remains_after(Message::Hang).await, (Some("Hang"), heard()));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_does_not_start_died_over_its_start() {
        let vitals = Vitals::default();
        let watched = Watched::new(Listener, vitals.pulse("listener"));
        assert!(Actor::spawn(None, watched, false).await.is_err());
        assert_eq!(vitals.take_remains("listener").in_hand.map(|(what, _)| what), Some("start"));
    }
}
