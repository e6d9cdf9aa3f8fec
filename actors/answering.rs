//! Answers the question that an agent's program asks on its screen, as a person would with the arrow keys.

use std::time::{Duration, Instant};

use model::answer::Answer;
use model::refusal::Refusal;
use model::role::Address;
use pty::signs::{Obstacle, Sign};
use pty::{Snapshot, TerminalHandle};

use crate::session::watch::settle;
use crate::session::{Live, Seen};

/// How long the screen must be still after a key.
const STILL: Duration = Duration::from_millis(120);

/// How long the question may take to go.
const GONE: Duration = Duration::from_secs(3);

/// Marks of the option that Enter would take.
const MARKS: [char; 3] = ['❯', '›', '▸'];

/// The options of a menu, and which one is marked.
#[derive(Debug, PartialEq, Eq)]
struct Menu {
    options: Vec<String>,
    marked: usize,
}

/// Gives `choice` as the answer.
///
/// # Errors
/// `asks_nothing`, `no_such_option`, `busy` while a person types, `not_taken` when the question stays.
pub(crate) async fn answer(live: &Live, agent: &Address, choice: &str) -> Result<Answer, Refusal> {
    let terminal = &live.terminal;
    let before = live.eye.see(&terminal.snapshot());
    if !asks(&before) {
        return Err(Refusal::failed("asks_nothing", format!("{agent} asks nothing just now"))
            .hint("see `gastown status`; a text is typed with `gastown nudge`"));
    }
    let keyboard = || live.keyboard.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if !keyboard().is_free(Instant::now()) {
        return Err(Refusal::failed("busy", "a person types in its terminal")
            .hint("try again when they have stopped for two seconds"));
    }
    match (choice.to_lowercase().as_str(), menu(&terminal.snapshot())) {
        ("esc" | "escape", _) => press(terminal, b"\x1b").await?,
        ("enter", _) => press(terminal, b"\r").await?,
        (_, None) => {
            press(terminal, choice.as_bytes()).await?;
            press(terminal, b"\r").await?;
        }
        (said, Some(shown)) => {
            let wanted = pick(&shown.options, said)?;
            go_to(terminal, shown.marked, wanted).await?;
            // Only when it is seen to be the one that was meant.
            if menu(&terminal.snapshot()).is_none_or(|menu| menu.marked != wanted) {
                return Err(Refusal::failed("not_taken", "the option could not be marked")
                    .hint(format!("answer it yourself: gastown attach {agent}")));
            }
            press(terminal, b"\r").await?;
        }
    }
    let until = Instant::now() + GONE;
    while Instant::now() < until {
        let now = live.eye.see(&terminal.snapshot());
        if !asks(&now) || now.print != before.print && now.words != before.words {
            return Ok(Answer::Done);
        }
        settle(terminal, STILL).await;
    }
    Err(Refusal::failed("not_taken", "the question is still there")
        .hint(format!("look with `gastown peek {agent}`, or answer it yourself: gastown attach {agent}")))
}

fn asks(seen: &Seen) -> bool {
    use Obstacle::{KeyRefused, Login, Trust};
    matches!(seen.sign, Some(Sign::AsksPerson | Sign::Obstacle(Login | Trust | KeyRefused)))
}

async fn press(terminal: &TerminalHandle, keys: &[u8]) -> Result<(), Refusal> {
    let pressed = terminal.write(keys).await;
    pressed.map_err(|error| Refusal::failed("not_typed", format!("it could not be typed: {error}")))?;
    settle(terminal, STILL).await;
    Ok(())
}

async fn go_to(terminal: &TerminalHandle, from: usize, to: usize) -> Result<(), Refusal> {
    let key: &[u8] = if to > from { b"\x1b[B" } else { b"\x1b[A" };
    for _ in 0..from.abs_diff(to) {
        press(terminal, key).await?;
    }
    Ok(())
}

/// The menu on a screen: the rows around the lowest mark that begin in the same column.
fn menu(snapshot: &Snapshot) -> Option<Menu> {
    let at = snapshot.rows.iter().rposition(|row| {
        let row = row.trim_start_matches([' ', '│', '┃']);
        // An input box has nothing behind its mark.
        row.starts_with(MARKS) && !row[row.chars().next().map_or(0, char::len_utf8)..].trim().is_empty()
    })?;
    let column =
        |row: &str| row.chars().position(|c| !c.is_whitespace() && !MARKS.contains(&c) && !"│┃".contains(c));
    let indent = column(&snapshot.rows[at])?;
    let same = |row: &&String| column(row) == Some(indent);
    let above: Vec<&String> = snapshot.rows[..at].iter().rev().take_while(same).collect();
    let below: Vec<&String> = snapshot.rows[at + 1..].iter().take_while(same).collect();
    let rows = above.iter().rev().copied().chain([&snapshot.rows[at]]).chain(below);
    let text = |row: &String| {
        row.trim_matches(|c: char| c.is_whitespace() || MARKS.contains(&c) || "│┃".contains(c)).to_owned()
    };
    Some(Menu { options: rows.map(text).collect(), marked: above.len() })
}

/// Which option is meant by its number or by a piece of its words.
fn pick(options: &[String], said: &str) -> Result<usize, Refusal> {
    let numbered =
        |option: &String| option.starts_with(&format!("{said}.")) || option.starts_with(&format!("{said})"));
    let by_number = said.parse::<usize>().ok().and_then(|n| {
        options.iter().position(numbered).or_else(|| n.checked_sub(1).filter(|n| *n < options.len()))
    });
    let plain =
        |option: &String| option.to_lowercase().trim_start_matches(|c: char| !c.is_alphabetic()).to_owned();
    let exact = || options.iter().position(|option| plain(option) == said);
    let begins = || options.iter().position(|option| plain(option).starts_with(said));
    let holds = || options.iter().position(|option| plain(option).contains(said));
    by_number.or_else(exact).or_else(begins).or_else(holds).ok_or_else(|| {
        Refusal::no_such("option", said, options.iter().map(String::as_str))
            .hint(format!("there are: {}", options.join(" | ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn screen(rows: &[&str]) -> Snapshot {
        Snapshot { rows: rows.iter().map(|row| (*row).to_owned()).collect(), ..Snapshot::default() }
    }

    #[test]
    fn the_options_of_a_dialog_are_found_with_the_one_that_enter_would_take() {
        let dialog = screen(&[
            "● Bash(touch x)",
            "",
            " Do you want to proceed?",
            " ❯ 1. Yes",
            "   2. Yes, and don't ask again",
            "   3. No, tell Claude what to do",
            "",
            " Esc to cancel",
        ]);
        let menu = menu(&dialog).unwrap();
        assert_eq!((menu.options.len(), menu.marked), (3, 0));
        for (said, wanted) in [("1", 0), ("3", 2), ("yes", 0), ("no", 2), ("ask again", 1), ("tell", 2)] {
            assert_eq!(pick(&menu.options, said).unwrap(), wanted, "{said}");
        }
        assert_eq!(pick(&menu.options, "4").unwrap_err().code, "no_such_option");
    }

    #[test]
    fn options_without_numbers_and_in_a_frame_are_found_too() {
        let dialog =
            screen(&["│ Trust this folder?", "│   No, exit", "│ ❯ Yes, I trust this folder", "│", "❯ "]);
        let menu = menu(&dialog).unwrap();
        assert_eq!(
            (menu.options.as_slice(), menu.marked),
            (&["No, exit".to_owned(), "Yes, I trust this folder".into()][..], 1)
        );
        assert_eq!(pick(&menu.options, "no").unwrap(), 0);
        assert!(super::menu(&screen(&["Shall I? [y/n]"])).is_none());
        assert!(super::menu(&screen(&["────", "❯ ", "────"])).is_none(), "an input box is no menu");
    }
}
