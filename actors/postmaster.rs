//! The postmaster: persisted letters to inboxes, in order, once.
//!
//! - Owns: the moment at which a letter is handed over.
//! - Hears: bells, when letters were written or somebody came who has letters.
//! - Says: `mail.delivered` to the scribe; whoever got letters is rung by that.
//! - Wakes: from what has not been handed over.
//! - Fails: when it cannot record.
//!
//! A letter for code is handed over when somebody listens at its address; a letter for a person goes
//! into their mailbox at once; a letter for an agent's eyes counts as handed over when its session has
//! shown it, or the agent has asked for it.

use clerk::bell::Ear;
use model::ids::MailId;
use model::role::Address;
use ractor::{Actor, ActorProcessingErr, ActorRef};

use crate::role::Post;
use crate::tools::Tools;
use crate::vitals::{Digest, Named};

/// The name in the tree.
pub const NAME: &str = "postmaster";

/// Letters that are handed over in one record.
const BATCH: usize = 64;

/// What the postmaster hears.
#[derive(Debug)]
pub enum Message {
    /// Look at the board.
    Look,
}

impl Named for Message {
    fn name(&self) -> &'static str {
        "Look"
    }
}

/// What the postmaster is at any moment.
#[derive(Debug)]
pub struct State {
    tools: Tools,
    post: Post,
}

impl Digest for State {
    fn digest(&self) -> String {
        let board = self.tools.look(|board| board.mail.undelivered().count());
        if board == 0 { String::new() } else { format!("{board} letters not handed over") }
    }
}

/// The actor.
#[derive(Debug)]
pub struct Postmaster;

impl Actor for Postmaster {
    type Msg = Message;
    type State = State;
    type Arguments = Tools;

    async fn pre_start(&self, me: ActorRef<Message>, tools: Tools) -> Result<State, ActorProcessingErr> {
        let post = Post::listening(&tools, Ear::Postmaster, &me, || Message::Look);
        Ok(State { tools, post })
    }

    async fn post_start(&self, _: ActorRef<Message>, state: &mut State) -> Result<(), ActorProcessingErr> {
        state.post.bell.pull();
        Ok(())
    }

    async fn handle(
        &self,
        _: ActorRef<Message>,
        Message::Look: Message,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        state.post.bell.heard();
        loop {
            let tools = &state.tools;
            let mut shown: Vec<Address> = Vec::new();
            let ready: Vec<MailId> = tools.look(|board| {
                let ready = board.mail.undelivered().filter(|post| {
                    let to = &post.letter.to;
                    if *to == Address::Overseer {
                        return true;
                    }
                    let there = tools.directory.hears(&Ear::Role(to.clone()));
                    if there && !post.letter.kind.is_for_code() {
                        shown.push(to.clone());
                    }
                    there && post.letter.kind.is_for_code()
                });
                ready.take(BATCH).map(|post| post.letter.id.clone()).collect()
            });
            // Their roles show them, when there is a session that can.
            shown.sort();
            shown.dedup();
            for to in shown {
                tools.directory.ring(&Ear::Role(to));
            }
            if ready.is_empty() {
                return Ok(());
            }
            let deliver = move |draft: &mut clerk::draft::Draft<'_>| {
                clerk::letters::deliver(draft, ready);
                Ok(())
            };
            tools.write(&Address::Runtime, deliver).await?;
        }
    }
}
