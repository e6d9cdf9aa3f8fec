//! What every role's actor shares: its bell, its place in the directory, its seat.

use std::time::Duration;

use clerk::bell::Ear;
use model::answer::Answer;
use model::refusal::Refusal;
use model::role::Address;
use ractor::{ActorCell, ActorRef};

use crate::directory::{Ask, Bell, Entry};
use crate::errand::Errand;
use crate::freeze::Freeze;
use crate::seat::{Seat, Wanted};
use crate::tools::Tools;

/// What every role hears; some hear more.
pub(crate) trait Vocabulary: ractor::Message {
    /// Look at the board.
    fn look() -> Self;
    /// Something that only the role can answer.
    fn ask(ask: Ask) -> Self;
    /// Gives an ask back that was not taken.
    fn into_ask(self) -> Option<Ask>;
}

/// A role's place in the town.
#[derive(Debug)]
pub(crate) struct Post {
    /// Its bell.
    pub bell: Bell,
    _ear: Entry,
    _hand: Option<Entry>,
}

impl Post {
    /// Takes the place of the role at `address`.
    #[expect(clippy::result_large_err, reason = "an ask that is not taken is given back whole")]
    pub(crate) fn of_role<M: Vocabulary>(tools: &Tools, address: &Address, me: &ActorRef<M>) -> Self {
        let hand = me.clone();
        let hand = std::sync::Arc::new(move |ask: Ask| match hand.cast(M::ask(ask)) {
            Ok(()) => Ok(()),
            Err(ractor::MessagingErr::SendErr(message)) => message.into_ask().map_or(Ok(()), Err),
            Err(_) => Ok(()),
        });
        let hand = tools.directory.serve(address.clone(), hand);
        Self { _hand: Some(hand), ..Self::listening(tools, Ear::Role(address.clone()), me, M::look) }
    }

    /// Takes the place of somebody who is only rung.
    pub(crate) fn listening<M: ractor::Message>(
        tools: &Tools,
        ear: Ear,
        me: &ActorRef<M>,
        look: fn() -> M,
    ) -> Self {
        let (me, pulse) = (me.clone(), crate::listener(&ear).map(|name| tools.vitals.pulse(&name)));
        let bell = Bell::new(move || {
            if let Some(pulse) = &pulse {
                pulse.rung();
            }
            let _ = me.cast(look());
        });
        Self { _ear: tools.directory.listen(ear, bell.clone()), bell, _hand: None }
    }
}

/// Lets a role look at the board again after `wait`, which does not pass while everything stands still.
pub(crate) fn look_in<M: Vocabulary>(wait: Duration, freeze: &Freeze, me: &ActorRef<M>) -> Errand {
    let (me, freeze) = (me.clone(), freeze.clone());
    Errand::run(|_| async move {
        freeze.sleep(wait).await;
        let _ = me.cast(M::look());
    })
}

/// Answers an ask for a role whose agent is started for judgement only: by a person, or to look at it.
pub(crate) async fn serve_seat(ask: Ask, seat: &mut Seat, me: ActorCell, cwd: std::path::PathBuf) {
    let start = |reason: String| Wanted { reason, cwd, preset: None, bead: None };
    match ask {
        Ask::Start { reason, reply } => {
            let answer = seat.start(me, start(reason)).await.map(|()| Answer::Done);
            let _ = reply.send(answer);
        }
        Ask::Restart { symptom, reply } => {
            seat.restart("to be started again", symptom);
            let _ = reply.send(Ok(Answer::Done));
        }
        Ask::Done { reply, .. } => {
            let _ = reply.send(Err(Refusal::forbidden("nothing_hooked", "only a worker hands work in")
                .hint("a seat's session may simply end")));
        }
    }
}

/// Makes a message type with `Look` and `Ask` a role's vocabulary; what else it has is named after it.
macro_rules! vocabulary {
    ($message:ty $(, $kind:pat => $name:literal)*) => {
        impl $crate::vitals::Named for $message {
            fn name(&self) -> &'static str {
                match self {
                    Self::Look => "Look",
                    Self::Ask(ask) => ask.name(),
                    $($kind => $name,)*
                }
            }
        }
        impl $crate::role::Vocabulary for $message {
            fn look() -> Self {
                Self::Look
            }
            fn ask(ask: $crate::directory::Ask) -> Self {
                Self::Ask(ask)
            }
            fn into_ask(self) -> Option<$crate::directory::Ask> {
                match self {
                    Self::Ask(ask) => Some(ask),
                    _ => None,
                }
            }
        }
    };
}
pub(crate) use vocabulary;
