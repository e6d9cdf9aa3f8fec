//! Texts that wait to be typed: which is next, which are the same, which have waited too long. Pure.

use std::collections::VecDeque;
use std::time::Duration;

use model::answer::Answer;
use model::nudge::{Manner, Mode, Nudged};
use model::refusal::Refusal;
use model::role::Address;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Texts that may wait for one agent.
const MOST: usize = 256;

/// How long one whose sender does not wait is kept, unless it says otherwise.
const KEPT: Duration = Duration::from_secs(30 * 60);

/// Where the answer goes.
pub type Reply = oneshot::Sender<Result<Answer, Refusal>>;

/// A text that waits.
#[derive(Debug)]
pub struct Nudge {
    /// Who wants it typed.
    pub from: Address,
    /// What.
    pub text: String,
    /// How.
    pub manner: Manner,
    asked: Instant,
    due: Option<Instant>,
    /// Those who wait for it; none for one whose sender was answered at once.
    waiting: Vec<Reply>,
    /// Those who do not wait, and are written to if it comes to nothing.
    absent: Vec<Address>,
}

impl Nudge {
    /// A text of `from`, with the one who waits.
    pub fn new(
        from: Address,
        text: String,
        manner: Manner,
        reply: Reply,
        agent: &Address,
        now: Instant,
    ) -> Self {
        let queued = manner.mode == Mode::Queue;
        let kept = manner.expires_ms.map(Duration::from_millis).or(queued.then_some(KEPT));
        let mut nudge = Nudge {
            due: kept.map(|kept| now + kept),
            text,
            manner,
            asked: now,
            waiting: Vec::new(),
            absent: Vec::new(),
            from: from.clone(),
        };
        if queued {
            let answer =
                Nudged { agent: agent.clone(), state: "queued".into(), evidence: None, waited_ms: 0 };
            let _ = reply.send(Ok(Answer::Nudged(answer)));
            nudge.absent.push(from);
        } else {
            nudge.waiting.push(reply);
        }
        nudge
    }

    /// How long it has waited.
    pub fn waited(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.asked)
    }

    /// Tells all who wait what came of it; returns those who have to be written to, if that is a refusal.
    pub fn answer(self, result: &Result<Nudged, Refusal>) -> Vec<Address> {
        for reply in self.waiting {
            let _ = reply.send(result.clone().map(Answer::Nudged));
        }
        if result.is_err() { self.absent } else { Vec::new() }
    }
}

/// The texts that wait for one agent.
#[derive(Debug, Default)]
pub struct Queue(VecDeque<Nudge>);

impl Queue {
    /// Adds `nudge`. The same text of the same sender that waits already is typed once, for both.
    ///
    /// # Errors
    /// `busy`, with the nudge, when too many wait.
    pub fn push(&mut self, nudge: Nudge) -> Result<(), Box<(Nudge, Refusal)>> {
        let same = |known: &&mut Nudge| known.text == nudge.text && known.from == nudge.from;
        if let Some(known) = self.0.iter_mut().find(same) {
            known.manner.urgency = known.manner.urgency.max(nudge.manner.urgency);
            if nudge.manner.mode == Mode::Now {
                known.manner.mode = Mode::Now;
            }
            known.due = known.due.zip(nudge.due).map(|(one, other)| one.max(other));
            known.waiting.extend(nudge.waiting);
            known.absent.extend(
                nudge.absent.into_iter().filter(|who| !known.absent.contains(who)).collect::<Vec<_>>(),
            );
            return Ok(());
        }
        if self.0.len() >= MOST {
            let refusal = Refusal::failed("busy", format!("{MOST} texts wait to be typed already"))
                .hint("a letter waits as long as it must: gastown mail send AGENT -s SUBJECT -m BODY");
            return Err(Box::new((nudge, refusal)));
        }
        // Behind all that are as urgent.
        let at = self.0.iter().position(|known| known.manner.urgency < nudge.manner.urgency);
        self.0.insert(at.unwrap_or(self.0.len()), nudge);
        Ok(())
    }

    /// Puts one back that could not be typed yet: it is the next again.
    pub fn put_back(&mut self, nudge: Nudge) {
        self.0.push_front(nudge);
    }

    /// Takes the next that may be typed: any when the agent waits for input, else one that need not wait for that.
    pub fn next(&mut self, idle: bool) -> Option<Nudge> {
        let at = self.0.iter().position(|nudge| idle || nudge.manner.mode == Mode::Now)?;
        self.0.remove(at)
    }

    /// Takes all that have waited for too long.
    pub fn expired(&mut self, now: Instant) -> Vec<Nudge> {
        let (over, rest) = std::mem::take(&mut self.0)
            .into_iter()
            .partition(|nudge| nudge.due.is_some_and(|due| due <= now));
        self.0 = rest;
        Vec::from_iter::<VecDeque<_>>(over)
    }

    /// When the next one has waited too long.
    pub fn due(&self) -> Option<Instant> {
        self.0.iter().filter_map(|nudge| nudge.due).min()
    }

    /// Takes all.
    pub fn all(&mut self) -> Vec<Nudge> {
        self.0.drain(..).collect()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::nudge::Urgency;

    type Answered = oneshot::Receiver<Result<Answer, Refusal>>;

    fn nudge(text: &str, mode: Mode, urgency: Urgency, expires_ms: Option<u64>) -> (Nudge, Answered) {
        let (reply, answered) = oneshot::channel();
        let manner = Manner { mode, urgency, expires_ms };
        let agent = Address::Mayor;
        (Nudge::new(Address::Overseer, text.into(), manner, reply, &agent, Instant::now()), answered)
    }

    #[tokio::test(start_paused = true)]
    async fn the_urgent_goes_first_and_only_what_must_not_wait_goes_to_one_who_works() {
        let mut queue = Queue::default();
        let mut kept = Vec::new();
        for (text, mode, urgency) in [
            ("a", Mode::WaitIdle, Urgency::Normal),
            ("b", Mode::WaitIdle, Urgency::Low),
            ("c", Mode::WaitIdle, Urgency::Normal),
            ("d", Mode::Now, Urgency::Normal),
            ("e", Mode::WaitIdle, Urgency::High),
        ] {
            let (nudge, answered) = nudge(text, mode, urgency, None);
            queue.push(nudge).unwrap();
            kept.push(answered);
        }
        let mut text = |idle| queue.next(idle).map(|nudge| nudge.text);
        assert_eq!(text(false).as_deref(), Some("d"));
        assert_eq!(text(false), None);
        let rest: Vec<String> = std::iter::from_fn(|| text(true)).collect();
        assert_eq!(rest, ["e", "a", "c", "b"]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_same_text_is_typed_once_and_both_are_answered() {
        let mut queue = Queue::default();
        let (first, mut heard) = nudge("go on", Mode::WaitIdle, Urgency::Normal, None);
        let (second, mut also) = nudge("go on", Mode::WaitIdle, Urgency::High, None);
        queue.push(first).unwrap();
        queue.push(second).unwrap();
        let one = queue.next(true).unwrap();
        assert!(queue.is_empty());
        let done = Nudged { agent: Address::Mayor, state: "delivered".into(), evidence: None, waited_ms: 0 };
        assert!(one.answer(&Ok(done)).is_empty());
        assert!(heard.try_recv().unwrap().is_ok() && also.try_recv().unwrap().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_too_long_is_told_to_its_sender() {
        let mut queue = Queue::default();
        let (short, mut heard) = nudge("soon", Mode::WaitIdle, Urgency::Normal, Some(1000));
        let (queued, mut at_once) = nudge("later", Mode::Queue, Urgency::Normal, None);
        queue.push(short).unwrap();
        queue.push(queued).unwrap();
        assert!(at_once.try_recv().unwrap().is_ok(), "who does not wait is answered at once");
        assert!(queue.expired(Instant::now()).is_empty());
        tokio::time::advance(Duration::from_secs(1)).await;
        let over = queue.expired(Instant::now()).pop().unwrap();
        assert_eq!(over.answer(&Err(Refusal::failed("nudge_expired", "x"))), []);
        assert_eq!(heard.try_recv().unwrap().unwrap_err().code, "nudge_expired");
        tokio::time::advance(KEPT).await;
        let over = queue.expired(Instant::now()).pop().unwrap();
        assert_eq!(over.answer(&Err(Refusal::failed("nudge_expired", "x"))), [Address::Overseer]);
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_wait_than_fit() {
        let mut queue = Queue::default();
        for n in 0..MOST {
            queue.push(nudge(&n.to_string(), Mode::WaitIdle, Urgency::Normal, None).0).unwrap();
        }
        let refused = queue.push(nudge("one more", Mode::WaitIdle, Urgency::Normal, None).0).unwrap_err();
        assert_eq!(refused.1.code, "busy");
    }
}
