//! Whether a session that gives no sign of life is stuck: what is waited for, what is done then. Pure: times go
//! in as time since the session began, and out comes when to look next or what to do.
//!
//! One deadline is set per session, and only while it works, or waits for input although something hangs on its
//! hook. It is not moved by each sign of life: when it comes, it is asked when something was last heard, and set
//! anew. So a session that prints a million lines costs as much as one that prints none.
//!
//! ```text
//! last sign of life             patience over            next              nudges used up
//!     │── 10 s ──┬── looks ──┬── … ──┬───── nudge_after ─────┬──── … ─────┬────────────┤
//!     │      look: the               look: nudge          look: nudge               end it
//!     │       measure
//! ```
//!
//! A look is one reading of `/proc` ([`pty::look`]). What counts as a sign of life:
//!
//! | while it | printed | commands, hooks | processor time | children come and go | children read, write |
//! |---|---|---|---|---|---|
//! | works | yes | yes | more than `idle_cpu` | yes | yes |
//! | waits for input, with work on its hook | no | yes | of its children, more than 1 % | yes | no |
//!
//! And a call of a tool that its hooks have told of, as long as a child lives and `tool_timeout` is not over:
//! a command that sleeps, or waits for another machine, shows nothing else. A program that is stopped (SIGSTOP)
//! is told to go on, once.

use std::time::Duration;

use pty::Look;
use pty::look::Change;

use super::life::Heard;

/// Processor time that is nobody's sign of life: of a program that is woken up to find nothing.
const NOISE: Duration = Duration::from_millis(20);

/// So long after the last sign of life it is measured what its processes have used up to then; a tenth of the
/// patience if that is shorter.
const MEASURE: Duration = Duration::from_secs(10);

/// So many looks are taken while patience runs out, so that work which nobody hears is seen to end in time.
const LOOKS: u32 = 4;

/// What children may use of a core while their program waits for input: servers of tools have timers.
const RESTING: f64 = 0.01;

/// What a preset has set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Patience {
    /// How long one that works may give no sign of life.
    pub silent_after: Duration,
    /// How long a nudge may be without effect.
    pub nudge_after: Duration,
    /// How many there are.
    pub nudges: u32,
    /// How long a call of a tool may take.
    pub tool_timeout: Duration,
    /// What it uses of a core while it does nothing.
    pub idle_cpu: f64,
}

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watch {
    /// Nothing: it waits for a person or its provider, is starting or ending, or has nothing to do.
    Off,
    /// It waits for input although something hangs on its hook.
    Waits,
    /// It works.
    Works,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Nothing, until then.
    Sleep(Duration),
    /// It is stopped: let it go on.
    Thaw,
    /// Type a nudge; the how many-th it is.
    Nudge(u32),
    /// End it: it gives no sign of life.
    Silent,
    /// End it: it is stopped, and was told in vain to go on.
    Frozen,
}

/// What a neighbour's word has led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// It is not so: why.
    Rejected(String),
    /// It is so: what was seen, and what follows.
    Confirmed(String, Step),
}

/// How silent a session is.
#[derive(Debug, Clone)]
pub struct Silence {
    patience: Patience,
    watch: Watch,
    /// When life was last seen, as far as looks tell.
    calm: Duration,
    /// Nudges without effect so far, and when the last one was.
    nudges: u32,
    nudged: Option<Duration>,
    thawed: bool,
    /// What the first look of this silence has seen, and when.
    measure: Option<(Duration, Look)>,
    /// When the last look was taken.
    looked: Duration,
}

impl Silence {
    /// Nothing is watched for yet.
    pub fn new(patience: Patience) -> Self {
        Silence {
            patience,
            watch: Watch::Off,
            calm: Duration::ZERO,
            nudges: 0,
            nudged: None,
            thawed: false,
            measure: None,
            looked: Duration::ZERO,
        }
    }

    /// Watches for this from `now` on.
    pub fn watch(&mut self, watch: Watch, now: Duration) {
        if watch != self.watch {
            self.watch = watch;
            self.lives(now);
            self.measure = None;
        }
    }

    /// When to ask [`Silence::wake`]; never while nothing is watched for.
    pub fn due(&self) -> Option<Duration> {
        if self.watch == Watch::Off {
            return None;
        }
        let next = match self.measured() {
            Some(_) => self.looked + self.first() / LOOKS,
            None => self.calm + MEASURE.min(self.first() / 10),
        };
        Some(self.deadline().min(next))
    }

    /// Whether a look is wanted `now`; else when to ask again.
    pub fn wake(&mut self, now: Duration, heard: Heard) -> Result<(), Duration> {
        let last = self.last_heard(heard);
        if last > self.calm {
            self.lives(last);
        }
        match self.due() {
            Some(due) if due <= now => Ok(()),
            Some(due) => Err(due),
            None => Err(Duration::MAX),
        }
    }

    /// What a look leads to.
    pub fn judge(&mut self, now: Duration, look: Look, heard: Heard) -> Step {
        if self.watch == Watch::Off {
            return Step::Sleep(Duration::MAX);
        }
        let stopped = look.stopped;
        let last = self.last_heard(heard);
        if last > self.calm {
            self.lives(last);
        }
        if self.in_tool(now, &look, heard).is_some() {
            self.lives(now);
        }
        // What was before the silence began is no sign of life in it.
        let change = self.measured().map(|(at, before)| (look.since(before), now.saturating_sub(*at)));
        if change.is_some_and(|(change, span)| self.is_alive(change, span)) {
            self.lives(now);
        }
        self.take(now, look);
        if now < self.deadline() {
            return Step::Sleep(self.due().unwrap_or(Duration::MAX));
        }
        self.step(now, stopped)
    }

    /// What a neighbour's word that it is stuck leads to, after two looks that lie `span` apart. What was seen
    /// counts, not what was said: it must have been silent for a quarter of its patience, and show nothing
    /// between the looks.
    pub fn told(&mut self, now: Duration, looks: (&Look, Look), span: Duration, heard: Heard) -> Word {
        let (first, second) = looks;
        if self.watch == Watch::Off {
            return Word::Rejected("nothing is expected of it just now".to_owned());
        }
        let quiet = now.saturating_sub(self.last_heard(heard).max(self.calm));
        if quiet < self.first() / 4 {
            return Word::Rejected(match self.watch {
                Watch::Waits => format!("it has waited for input for {} only", span_of(quiet)),
                _ => format!("it was heard of {} ago", span_of(quiet)),
            });
        }
        if let Some(since) = self.in_tool(now, &second, heard) {
            let since = span_of(now.saturating_sub(since));
            return Word::Rejected(format!(
                "it is in a call of a tool that began {since} ago and has a process"
            ));
        }
        let change = second.since(first);
        if self.is_alive(change, span) {
            return Word::Rejected(seen(change, span));
        }
        let what = match second.stopped {
            true => "its program is stopped".to_owned(),
            false => format!("it has given no sign of life for {}", span_of(quiet)),
        };
        let stopped = second.stopped;
        self.take(now, second);
        if let Some(ago) =
            self.nudged.map(|at| now.saturating_sub(at)).filter(|ago| *ago < self.patience.nudge_after)
        {
            let what = format!("{what}; it was nudged {} ago", span_of(ago));
            return Word::Confirmed(what, Step::Sleep(self.due().unwrap_or(Duration::MAX)));
        }
        Word::Confirmed(what, self.step(now, stopped))
    }

    /// It goes on with its work: whatever was counted against it is forgotten.
    pub fn progresses(&mut self, now: Duration) {
        self.nudges = 0;
        self.nudged = None;
        self.lives(now);
    }

    /// A person has the keyboard, or it waits for an answer: what is due is put off.
    pub fn put_off(&mut self, now: Duration) {
        self.lives(now);
    }

    /// For how long it has been silent.
    pub fn since(&self, now: Duration) -> Duration {
        now.saturating_sub(self.calm)
    }

    /// Whether `change` within `span` shows that it does something.
    pub fn shows_life(&self, change: Change, span: Duration) -> bool {
        let busy = Silence { watch: Watch::Works, ..Silence::new(self.patience) };
        busy.is_alive(change, span)
    }

    /// How many nudges have been without effect.
    pub fn nudges(&self) -> u32 {
        self.nudges
    }

    /// What is measured from, if this silence has been looked at before.
    fn measured(&self) -> Option<&(Duration, Look)> {
        self.measure.as_ref().filter(|(at, _)| *at >= self.calm)
    }

    /// Keeps a look, unless there is an older one to measure from: small things add up.
    fn take(&mut self, now: Duration, look: Look) {
        self.looked = now;
        if self.measured().is_none() {
            self.measure = Some((now, look));
        }
    }

    fn first(&self) -> Duration {
        match self.watch {
            Watch::Waits => self.patience.nudge_after,
            _ => self.patience.silent_after,
        }
    }

    fn deadline(&self) -> Duration {
        match self.nudged {
            Some(at) if at >= self.calm => at + self.patience.nudge_after,
            _ => self.calm + self.first(),
        }
    }

    fn last_heard(&self, heard: Heard) -> Duration {
        match self.watch {
            // Many a screen moves a little while its program waits.
            Watch::Waits => heard.spoke,
            _ => heard.spoke.max(heard.printed),
        }
    }

    fn lives(&mut self, at: Duration) {
        self.calm = self.calm.max(at);
        self.thawed = false;
        // A screen that only shows what was typed is no effect of a nudge; work that lasts is.
        if self.nudged.is_some_and(|nudged| at > nudged + self.patience.nudge_after) {
            self.nudges = 0;
            self.nudged = None;
        }
    }

    fn in_tool(&self, now: Duration, look: &Look, heard: Heard) -> Option<Duration> {
        let open = heard.tool.filter(|since| now.saturating_sub(*since) < self.patience.tool_timeout);
        open.filter(|_| self.watch == Watch::Works && !look.family.is_empty() && !look.stopped)
    }

    fn is_alive(&self, change: Change, span: Duration) -> bool {
        let used = |time: Duration, share: f64| time > NOISE.max(span.mul_f64(share));
        match self.watch {
            Watch::Waits => change.family || used(change.others, RESTING),
            _ => change.family || change.io || used(change.own + change.others, self.patience.idle_cpu),
        }
    }

    fn step(&mut self, now: Duration, stopped: bool) -> Step {
        if stopped && self.thawed {
            return Step::Frozen;
        }
        if !stopped && self.nudges >= self.patience.nudges {
            return Step::Silent;
        }
        self.nudged = Some(now);
        if stopped {
            self.thawed = true;
            return Step::Thaw;
        }
        self.nudges += 1;
        Step::Nudge(self.nudges)
    }
}

/// What a change shows, in words.
fn seen(change: Change, span: Duration) -> String {
    let used = change.own + change.others;
    let time =
        format!("its processes used {:.2} s of processor time in {}", used.as_secs_f64(), span_of(span));
    match change {
        Change { family: true, .. } => "processes of its come and go".to_owned(),
        Change { io: true, .. } if used <= NOISE => "its processes read or write".to_owned(),
        _ => time,
    }
}

/// A span of time in words.
pub fn span_of(time: Duration) -> String {
    match time.as_secs() {
        0..120 => format!("{} s", time.as_secs()),
        seconds => format!("{} min", seconds / 60),
    }
}

#[cfg(test)]
mod tests;
