//! What a session hears its program say: commands, one after the other, and their answers.

use std::sync::atomic::Ordering;

use model::answer::Answer;
use model::command::Origin;
use model::refusal::Refusal;
use protocol::speech::{self, Heard};
use ractor::ActorRef;

use super::standing::Noticed;
use super::{MAX_WAITING, Message, State};

impl State {
    pub(super) fn origin(&self) -> Origin {
        Origin::Session { agent: self.agent.clone(), session: self.session.clone() }
    }

    pub(super) async fn hear(&mut self, heard: Vec<Heard>) {
        for heard in heard {
            match heard {
                Heard::Line(spoken) | Heard::Frame(spoken) => {
                    if self.waiting.len() >= MAX_WAITING {
                        let busy = Refusal::failed("busy", "too many commands wait for their answer");
                        self.reply(spoken.id, Err(busy)).await;
                    } else {
                        self.waiting.push_back(spoken);
                    }
                }
                Heard::Forged => {
                    let count = self.forged.fetch_add(1, Ordering::Relaxed) + 1;
                    tracing::warn!(agent = %self.agent, count, "a line claimed to be a command and was not");
                }
                Heard::Malformed { id, why } => {
                    self.reply(id, Err(Refusal::usage(why.to_string()))).await;
                }
            }
        }
        self.notice(Noticed::Spoke, None).await;
    }

    /// Submits the next command. One at a time, so that they happen in the order they were said.
    pub(super) fn submit_next(&mut self, me: &ActorRef<Message>) {
        if self.answering {
            return;
        }
        let Some(spoken) = self.waiting.pop_front() else { return };
        self.answering = true;
        let (me, id, origin) = (me.clone(), spoken.id, self.origin());
        let answer = move |result| {
            let _ = me.cast(Message::Answered { id, result: Box::new(result) });
        };
        match (self.tools.grammar)(&spoken.words, &origin) {
            Ok(command) => match self.tools.door.get() {
                Some(door) => door.submit(origin, command, Box::new(answer)),
                None => answer(Err(Refusal::failed("not_there", "the switchboard is not there just now"))),
            },
            Err(refusal) => answer(Err(refusal)),
        }
    }

    /// Types an answer, for programs that want it.
    pub(super) async fn reply(&self, id: Option<u64>, result: Result<Answer, Refusal>) {
        let Some(id) = id.filter(|_| self.preset.replies) else { return };
        let line = match result {
            Ok(answer) => speech::answer_ok(id, &answer.json()),
            Err(refusal) => speech::answer_err(
                id,
                &serde_json::json!({
                    "code": refusal.code, "message": refusal.message, "hint": refusal.hint,
                }),
            ),
        };
        self.type_line(&line).await;
    }

    pub(super) async fn type_line(&self, line: &str) {
        if let Err(refusal) = self.put(line.as_bytes()).await {
            tracing::warn!(agent = %self.agent, %refusal, "an answer could not be typed");
        }
    }
}
