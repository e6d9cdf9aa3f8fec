//! What a commit says about the block that made it, and how that is read back.

use std::fmt;
use std::str::FromStr;

/// Which block: `ATTEMPT/STEP/N`, for instance `1/bead/2`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mark {
    /// Which attempt at the bead, from 1.
    pub(crate) attempt: u32,
    /// The part that the block stands in.
    pub(crate) step: String,
    /// Its place in that part, from 1.
    pub(crate) n: usize,
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.attempt, self.step, self.n)
    }
}

impl FromStr for Mark {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let (attempt, rest) = text.split_once('/').ok_or(())?;
        let (step, n) = rest.rsplit_once('/').ok_or(())?;
        let (attempt, n) = (attempt.parse().map_err(|_| ())?, n.parse().map_err(|_| ())?);
        Ok(Mark { attempt, step: step.to_owned(), n })
    }
}

/// Who works at what: the trailers that do not change within a session.
#[derive(Debug, Clone)]
pub(crate) struct Signature {
    pub(crate) agent: String,
    pub(crate) bead: String,
    pub(crate) session: String,
}

/// Returns the message of a commit. `block` is the block that made it, with the object name of its script:
/// a script that is changed later is another one, and has not run.
pub(crate) fn message(title: &str, body: &str, by: &Signature, block: Option<(&Mark, &str)>) -> String {
    let title: String = title.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let title = if title.trim().is_empty() { &by.bead } else { title.trim() };
    let mut text = format!(
        "{title}\n\n{body}\n\nGastown-Agent: {}\nGastown-Bead: {}\nGastown-Session: {}\n",
        by.agent, by.bead, by.session
    );
    if let Some((mark, script)) = block {
        text.push_str(&format!("Gastown-Block: {mark}\nGastown-Script: {script}\n"));
    }
    text
}

/// Returns which block of `bead` a commit with this message has carried out, and the script's object name.
pub(crate) fn read(message: &str, bead: &str) -> Option<(Mark, String)> {
    let trailers = message.trim_end().rsplit("\n\n").next()?;
    // The last one counts, as in git.
    let value = |name: &str| {
        trailers
            .lines()
            .filter_map(|line| line.split_once(':'))
            .filter(|(key, _)| *key == name)
            .map(|(_, value)| value.trim())
            .next_back()
    };
    if value("Gastown-Bead")? != bead {
        return None;
    }
    Some((value("Gastown-Block")?.parse().ok()?, value("Gastown-Script")?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by() -> Signature {
        Signature { agent: "web/polecats/docs".into(), bead: "web-1".into(), session: "s-1".into() }
    }

    #[test]
    fn a_commit_tells_its_block() {
        for step in ["bead", "check", "odd/step"] {
            let mark = Mark { attempt: 2, step: step.into(), n: 3 };
            let text = message("Say hello", "Block 3.", &by(), Some((&mark, "abc")));
            assert_eq!(read(&text, "web-1"), Some((mark, "abc".to_owned())));
            assert_eq!(read(&text, "web-2"), None, "another bead's commit under our feet");
        }
        assert_eq!(read(&message("x", "y", &by(), None), "web-1"), None);
    }

    #[test]
    fn only_the_last_paragraph_counts() {
        let quoted = "title\n\nGastown-Bead: web-1\nGastown-Block: 1/bead/1\nGastown-Script: a\n\nthe end\n";
        assert_eq!(read(quoted, "web-1"), None);
        for broken in ["1/bead", "x/bead/1", "1/bead/x", ""] {
            let text = format!("t\n\nGastown-Bead: web-1\nGastown-Block: {broken}\nGastown-Script: a\n");
            assert_eq!(read(&text, "web-1"), None, "{broken}");
        }
        assert_eq!(read("", "web-1"), None);
    }

    #[test]
    fn a_title_is_one_line_and_never_empty() {
        assert!(message("a\nb", "", &by(), None).starts_with("a b\n\n"));
        assert!(message(" ", "", &by(), None).starts_with("web-1\n\n"));
    }
}
