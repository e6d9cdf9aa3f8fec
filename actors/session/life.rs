//! Signs of life of one session: what its program prints, the commands that it gives, what its hooks tell.
//!
//! They come on many ways (the terminal's task, the socket, the session itself), so they are noted here by
//! whoever sees them, without a message each. Nobody is woken by them: whoever waits for silence asks at its
//! deadline when something was last heard.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::command::{Command, Noticed};
use tokio::time::Instant;

/// How long what is printed after something was typed may be its echo.
const ECHO: Duration = Duration::from_secs(2);

/// What an echo has beside the text: the marks of a paste, line ends, colours.
const TRIMMINGS: usize = 64;

/// The longest word about what it was doing.
const LONGEST: usize = 160;

/// Tools that may be open at once; hooks of a program that never tells of an end must not fill memory.
const MOST_TOOLS: usize = 64;

/// Prompts that are remembered, to find out whether one was taken.
const MOST_PROMPTS: usize = 16;

/// How much of a prompt is compared, in characters.
const COMPARED: usize = 500;

/// The notes about one session. All clones are one.
#[derive(Debug, Clone)]
pub struct Life(Arc<Mutex<Notes>>);

#[derive(Debug)]
struct Notes {
    began: Instant,
    printed: Duration,
    spoke: Duration,
    /// Until then, so many bytes may be the echo of what was typed.
    echo: Option<(Instant, usize)>,
    tools: Vec<Tool>,
    /// How many prompts it has taken, when the last one, and what the last few began with.
    prompts: u64,
    prompted: Option<Instant>,
    said: VecDeque<(u64, String)>,
    tool: Option<String>,
    command: Option<String>,
}

/// A call of a tool that has begun and is not over.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Tool {
    id: String,
    what: String,
    since: Duration,
}

/// When something was last heard, in time since the session began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Heard {
    /// Its program has printed something.
    pub printed: Duration,
    /// It has given a command, or a hook has spoken.
    pub spoke: Duration,
    /// The oldest call of a tool that is open began then.
    pub tool: Option<Duration>,
}

impl Default for Life {
    fn default() -> Self {
        Life(Arc::new(Mutex::new(Notes {
            began: Instant::now(),
            printed: Duration::ZERO,
            spoke: Duration::ZERO,
            echo: None,
            tools: Vec::new(),
            prompts: 0,
            prompted: None,
            said: VecDeque::new(),
            tool: None,
            command: None,
        })))
    }
}

impl Life {
    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time since the session began.
    pub fn age(&self) -> Duration {
        self.notes().age()
    }

    /// When something was last heard.
    pub fn heard(&self) -> Heard {
        let notes = self.notes();
        Heard {
            printed: notes.printed,
            spoke: notes.spoke,
            tool: notes.tools.iter().map(|tool| tool.since).min(),
        }
    }

    /// Its program has printed `bytes`.
    pub fn prints(&self, bytes: usize) {
        let mut notes = self.notes();
        if let Some((until, left)) = notes.echo {
            if Instant::now() < until && bytes <= left {
                notes.echo = Some((until, left - bytes));
                return;
            }
            notes.echo = None;
        }
        notes.printed = notes.age();
    }

    /// So many bytes are being typed: a terminal shows them again, whether or not anybody reads them.
    pub fn typed(&self, bytes: usize) {
        // Control characters are shown as two, and a line that wraps is painted again.
        self.notes().echo = Some((Instant::now() + ECHO, 2 * bytes + TRIMMINGS));
    }

    /// It has given a command.
    pub fn commands(&self, command: &Command) {
        let mut notes = self.notes();
        notes.spoke = notes.age();
        notes.command = Some(words(command));
    }

    /// One of its program's hooks has told something.
    pub fn noticed(&self, what: &Noticed) {
        let mut notes = self.notes();
        let age = notes.age();
        notes.spoke = age;
        match what {
            Noticed::ToolBegun { id, name, about, .. } => {
                let about = about.as_ref().map(|about| format!(": {about}")).unwrap_or_default();
                let what = short(&format!("{name}{about}"));
                notes.tool = Some(what.clone());
                notes.tools.retain(|tool| tool.id != *id);
                if notes.tools.len() >= MOST_TOOLS {
                    notes.tools.remove(0);
                }
                notes.tools.push(Tool { id: id.clone(), what, since: age });
            }
            Noticed::ToolEnded { id } => notes.tools.retain(|tool| tool.id != *id),
            Noticed::Prompted { text } => {
                notes.prompts += 1;
                notes.prompted = Some(Instant::now());
                let count = notes.prompts;
                notes.said.push_back((count, plain(text)));
                if notes.said.len() > MOST_PROMPTS {
                    notes.said.pop_front();
                }
            }
            Noticed::TurnEnded | Noticed::TurnFailed { .. } => notes.tools.clear(),
            Noticed::Compacting { .. } => {}
        }
    }

    /// How many prompts it has taken, as its hooks tell, and how long ago the last one.
    pub fn prompted(&self) -> Option<(u64, Duration)> {
        let notes = self.notes();
        Some((notes.prompts, notes.prompted?.elapsed()))
    }

    /// Whether it has taken a prompt with `text` in it, after the first `count`.
    pub fn was_prompted_with(&self, count: u64, text: &str) -> bool {
        let wanted: String = plain(text).chars().take(COMPARED).collect();
        self.notes().said.iter().any(|(n, said)| *n > count && said.contains(&wanted))
    }

    /// It waits for input: no call of a tool is open any more, whatever its hooks have not told.
    pub fn rests(&self) {
        self.notes().tools.clear();
    }

    /// What it is doing, as far as it has said so: the tool that it is in, or the last one, or the last
    /// command that it gave.
    pub fn doing(&self) -> Option<String> {
        let notes = self.notes();
        if let Some(tool) = notes.tools.last() {
            return Some(format!("in tool {}, since {} s", tool.what, (notes.age() - tool.since).as_secs()));
        }
        let tool = notes.tool.as_ref().map(|tool| format!("last in tool {tool}"));
        tool.or_else(|| notes.command.as_ref().map(|command| format!("last said {command}")))
    }
}

/// Letters and digits alone: what a program wraps a prompt in, and how it breaks it, does not matter.
fn plain(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).collect()
}

impl Notes {
    fn age(&self) -> Duration {
        self.began.elapsed()
    }
}

/// A command in a few words: its name, and what was said with it.
fn words(command: &Command) -> String {
    let Ok(value) = serde_json::to_value(command) else { return String::new() };
    let (name, said) = match value {
        serde_json::Value::Object(mut fields) if fields.len() == 1 => {
            let name = fields.keys().next().cloned().unwrap_or_default();
            (name.clone(), fields.remove(&name).unwrap_or_default())
        }
        serde_json::Value::String(name) => (name, serde_json::Value::Null),
        other => (other.to_string(), serde_json::Value::Null),
    };
    let mut text = name.replace('_', " ");
    scalars(&said, &mut text);
    short(&text)
}

fn scalars(value: &serde_json::Value, text: &mut String) {
    match value {
        serde_json::Value::String(word) if !word.is_empty() => {
            text.push(' ');
            text.push_str(word);
        }
        serde_json::Value::Number(number) => text.push_str(&format!(" {number}")),
        serde_json::Value::Array(all) => all.iter().for_each(|one| scalars(one, text)),
        serde_json::Value::Object(fields) => fields.values().for_each(|one| scalars(one, text)),
        _ => {}
    }
}

/// One line of bearable length.
fn short(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn pass(seconds: u64) {
        tokio::time::advance(Duration::from_secs(seconds)).await;
    }

    fn begun(id: &str, name: &str, about: Option<&str>) -> Noticed {
        Noticed::ToolBegun {
            id: id.into(),
            name: name.into(),
            about: about.map(str::to_owned),
            command: None,
            path: None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_echo_of_what_was_typed_is_no_sign_of_life() {
        let life = Life::default();
        pass(10).await;
        life.typed(100);
        life.prints(150);
        life.prints(100);
        assert_eq!(life.heard().printed, Duration::ZERO);
        life.prints(100);
        assert_eq!(life.heard().printed, Duration::from_secs(10), "an echo is not that long");
        life.typed(100);
        pass(3).await;
        life.prints(1);
        assert_eq!(life.heard().printed, Duration::from_secs(13), "nor that late");
    }

    #[tokio::test(start_paused = true)]
    async fn a_tool_is_open_until_its_end_or_that_of_the_turn_is_told() {
        let life = Life::default();
        assert_eq!(life.doing(), None);
        life.commands(&Command::StepDone { step: "design".into() });
        assert_eq!(life.doing().unwrap(), "last said step done design");
        pass(5).await;
        life.noticed(&begun("1", "Bash", Some("make\n  test")));
        life.noticed(&begun("2", "Read", None));
        pass(60).await;
        assert_eq!(life.heard().tool, Some(Duration::from_secs(5)));
        assert_eq!(life.doing().unwrap(), "in tool Read, since 60 s");
        life.noticed(&Noticed::ToolEnded { id: "2".into() });
        assert_eq!(life.doing().unwrap(), "in tool Bash: make test, since 60 s");
        assert_eq!(life.heard().spoke, Duration::from_secs(65));
        life.noticed(&Noticed::TurnEnded);
        assert_eq!((life.heard().tool, life.doing().unwrap().as_str()), (None, "last in tool Read"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_prompt_is_known_again_however_it_is_wrapped() {
        let life = Life::default();
        assert!(life.prompted().is_none());
        let text = "Go on:\n  the *second* step";
        let wrapped = "<pasted_content id=1>Go on: the *second*\nstep</pasted_content>";
        life.noticed(&Noticed::Prompted { text: wrapped.into() });
        assert!(life.was_prompted_with(0, text));
        assert!(!life.was_prompted_with(1, text), "that was an earlier one");
        assert!(!life.was_prompted_with(0, "another"));
        assert_eq!(life.prompted().unwrap().0, 1);
    }

    #[test]
    fn a_command_is_told_in_one_line() {
        let send = Command::MailSend {
            to: "mayor/".into(),
            subject: "Schema".into(),
            body: "x\ny".repeat(200),
            kind: None,
            key: None,
        };
        let told = words(&send);
        assert!(told.starts_with("mail send mayor/ Schema x y"), "{told}");
        assert!(told.chars().count() <= LONGEST + 1);
        assert_eq!(words(&Command::Status), "status");
    }
}
