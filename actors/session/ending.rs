//! What a session has seen of its own end, beside how its program exited. Pure.
//!
//! First that fits:
//!
//! | what is known | symptom |
//! |---|---|
//! | it was told to end | the one that it was told to end for, if there is one |
//! | SIGKILL (or exit code 137), and the kernel has killed for want of memory meanwhile | out of memory |
//! | another signal, or exit codes from 129 on | out of memory, if its last words say so |
//! | it exited, and its last words say what kept it from working | that |
//!
//! Words are looked for on the last rows of the screen alone. Those that every preset has, because a program
//! that we do not know may say them, count for a failure only: a program that exits with 0 has meant it.

use config::preset::{Ends, Preset, Signs};
use model::recovery::Symptom;
use model::time::Timestamp;
use pty::signs::{self, Obstacle, Pattern, Sign};
use pty::{ExitStatus, Snapshot};

/// What is known of an end.
#[derive(Debug, Clone, Copy)]
pub struct End {
    /// Whether it was told to end, and for what.
    pub told: Option<Option<Symptom>>,
    /// How its program ended.
    pub status: ExitStatus,
    /// Whether the kernel has killed somebody for want of memory while it lived.
    pub out_of_memory: bool,
    /// What its last words say.
    pub obstacle: Option<Obstacle>,
    /// Whether they are told by signs of its own preset.
    pub own_signs: bool,
    /// When a limit ends that they tell of.
    pub until: Option<Timestamp>,
}

/// What was seen of an end.
pub fn symptom(end: &End) -> Option<Symptom> {
    if let Some(told) = end.told {
        return told;
    }
    match end.status {
        ExitStatus::Signal(9) | ExitStatus::Code(137) if end.out_of_memory => Some(Symptom::OutOfMemory),
        ExitStatus::Signal(_) | ExitStatus::Code(129..=159) => {
            end.obstacle.filter(|seen| *seen == Obstacle::OutOfMemory).map(|_| Symptom::OutOfMemory)
        }
        ExitStatus::Code(0) if !end.own_signs => None,
        ExitStatus::Code(_) => end.obstacle.map(|seen| of(seen, end.until)),
    }
}

/// The symptom that an obstacle is.
pub fn of(obstacle: Obstacle, until: Option<Timestamp>) -> Symptom {
    match obstacle {
        Obstacle::Login => Symptom::AsksLogin,
        Obstacle::Trust => Symptom::AsksTrust,
        Obstacle::KeyRefused => Symptom::KeyRefused,
        Obstacle::Limited => Symptom::Limited { until },
        Obstacle::Overloaded => Symptom::Overloaded,
        Obstacle::ContextFull => Symptom::ContextFull,
        Obstacle::SessionInUse => Symptom::SessionInUse,
        Obstacle::OutOfMemory => Symptom::OutOfMemory,
    }
}

/// Whether an obstacle ends a program that goes on living with it. A question is for a person, who can answer it
/// as long as the program lives.
pub fn ends_the_living(obstacle: Obstacle) -> bool {
    matches!(
        obstacle,
        Obstacle::KeyRefused | Obstacle::Limited | Obstacle::Overloaded | Obstacle::ContextFull
    )
}

/// The signs of `ends`, what a person has to answer first.
fn all(ends: &Ends) -> [(Obstacle, &Signs); 8] {
    [
        (Obstacle::KeyRefused, &ends.key_refused),
        (Obstacle::Login, &ends.login),
        (Obstacle::Trust, &ends.trust),
        (Obstacle::Limited, &ends.limited),
        (Obstacle::ContextFull, &ends.context_full),
        (Obstacle::SessionInUse, &ends.session_in_use),
        (Obstacle::Overloaded, &ends.overloaded),
        (Obstacle::OutOfMemory, &ends.out_of_memory),
    ]
}

fn patterns(ends: &Ends, wanted: impl Fn(Obstacle) -> bool) -> Vec<Pattern> {
    let of = |obstacle: Obstacle, signs: &Signs| -> Vec<Pattern> {
        let sign = Sign::Obstacle(obstacle);
        let row = |row: &String| Pattern { sign, row: Some(row.clone()), title: None, at_the_end: true };
        let title =
            |title: &String| Pattern { sign, row: None, title: Some(title.clone()), at_the_end: true };
        signs.screen.iter().map(row).chain(signs.title.iter().map(title)).collect()
    };
    all(ends)
        .into_iter()
        .filter(|(obstacle, _)| wanted(*obstacle))
        .flat_map(|(kind, signs)| of(kind, signs))
        .collect()
}

/// The signs that are looked for while a program lives.
pub fn of_the_living(ends: &Ends) -> Vec<Pattern> {
    patterns(ends, |obstacle| match obstacle {
        Obstacle::Login | Obstacle::Trust => true,
        other => ends.living && ends_the_living(other),
    })
}

/// What the last words of a program say that has ended so, with the words.
pub fn last_words(preset: &Preset, snapshot: &Snapshot, status: ExitStatus) -> Option<(Obstacle, String)> {
    let crashed = matches!(status, ExitStatus::Signal(_) | ExitStatus::Code(129..=159));
    let wanted = patterns(&preset.ends, |obstacle| !crashed || obstacle == Obstacle::OutOfMemory);
    let found = signs::find(snapshot, &wanted)?;
    match found.sign {
        Sign::Obstacle(obstacle) => Some((obstacle, words(snapshot, found.row))),
        _ => None,
    }
}

/// What a turn that has failed says: the words of the program, else the word of its hook.
pub fn of_a_turn(ends: &Ends, error: &str, text: &str) -> Option<Obstacle> {
    let rows = text.lines().map(str::to_owned).collect();
    let said = Snapshot { rows, ..Snapshot::default() };
    let by_text = signs::find(&said, &patterns(ends, ends_the_living)).and_then(|found| match found.sign {
        Sign::Obstacle(obstacle) => Some(obstacle),
        _ => None,
    });
    by_text.or(match error {
        "rate_limit" => Some(Obstacle::Limited),
        "authentication_failed" | "billing_error" => Some(Obstacle::KeyRefused),
        "server_error" | "overloaded" => Some(Obstacle::Overloaded),
        _ => None,
    })
}

/// The longest words that are kept, in characters.
const LONGEST: usize = 300;

/// A row of a screen and the two below it: what belongs together may be on more than one. Frames and rules are
/// left out.
pub fn words(snapshot: &Snapshot, row: Option<usize>) -> String {
    let Some(row) = row else { return snapshot.title.clone() };
    let rows = snapshot.rows.iter().skip(row).take(3).map(|row| row.trim());
    let rows = rows.filter(|row| row.chars().any(char::is_alphanumeric)).map(unframed);
    rows.collect::<Vec<_>>().join(" ").chars().take(LONGEST).collect()
}

/// A row without what only frames it.
fn unframed(row: &str) -> &str {
    row.trim_matches(|c: char| {
        c.is_whitespace() || ('\u{2500}'..='\u{259f}').contains(&c) || "⎿●✻|".contains(c)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    use ExitStatus::{Code, Signal};

    fn end(status: ExitStatus, obstacle: Option<Obstacle>) -> End {
        End { told: None, status, out_of_memory: false, obstacle, own_signs: true, until: None }
    }

    #[test]
    fn each_obstacle_is_a_symptom_of_its_own_for_who_exits() {
        let rows = [
            (Obstacle::Login, Symptom::AsksLogin),
            (Obstacle::Trust, Symptom::AsksTrust),
            (Obstacle::KeyRefused, Symptom::KeyRefused),
            (Obstacle::Limited, Symptom::Limited { until: None }),
            (Obstacle::Overloaded, Symptom::Overloaded),
            (Obstacle::ContextFull, Symptom::ContextFull),
            (Obstacle::SessionInUse, Symptom::SessionInUse),
            (Obstacle::OutOfMemory, Symptom::OutOfMemory),
        ];
        for (obstacle, expected) in rows {
            for code in [0, 1, 70, 127] {
                assert_eq!(symptom(&end(Code(code), Some(obstacle))), Some(expected), "{code}");
            }
            // Words that every preset has count for a failure only.
            let general = End { own_signs: false, ..end(Code(0), Some(obstacle)) };
            assert_eq!(symptom(&general), None);
            assert_eq!(symptom(&End { status: Code(1), ..general }), Some(expected));
            // Whoever was told to end has ended for that.
            let told = |told| End { told: Some(told), ..end(Code(1), Some(obstacle)) };
            assert_eq!(symptom(&told(None)), None);
            assert_eq!(symptom(&told(Some(Symptom::Silent))), Some(Symptom::Silent));
        }
        assert_eq!(symptom(&end(Code(3), None)), None);
    }

    #[test]
    fn a_kill_is_for_want_of_memory_if_the_kernel_says_so() {
        for status in [Signal(9), Code(137)] {
            assert_eq!(symptom(&end(status, None)), None);
            let counted = End { out_of_memory: true, ..end(status, Some(Obstacle::Limited)) };
            assert_eq!(symptom(&counted), Some(Symptom::OutOfMemory));
            let told = End { told: Some(Some(Symptom::Silent)), ..counted };
            assert_eq!(symptom(&told), Some(Symptom::Silent), "that was us");
        }
        // The kernel kills with 9 alone; a program may say it itself.
        for status in [Signal(6), Code(134), Signal(11)] {
            assert_eq!(symptom(&End { out_of_memory: true, ..end(status, None) }), None);
            assert_eq!(symptom(&end(status, Some(Obstacle::OutOfMemory))), Some(Symptom::OutOfMemory));
            assert_eq!(symptom(&end(status, Some(Obstacle::Overloaded))), None, "a crash is a crash");
        }
    }

    fn screen(text: &str) -> Snapshot {
        Snapshot { rows: text.lines().map(str::to_owned).collect(), ..Snapshot::default() }
    }

    #[track_caller]
    fn check(preset: &str, text: &str, expected: Option<Obstacle>) {
        let presets = config::Presets::shipped().unwrap();
        let preset = match preset {
            "" => Preset { ends: any_other(), ..Preset::default() },
            name => presets.get(name).unwrap().clone(),
        };
        let found = last_words(&preset, &screen(text), Code(1));
        assert_eq!(found.map(|(obstacle, _)| obstacle), expected, "{text}");
    }

    /// What a preset has that names no signs of its own.
    fn any_other() -> Ends {
        let folder = tempfile::tempdir().unwrap();
        let paths = config::paths::TownPaths::new(folder.path());
        std::fs::create_dir_all(paths.agents_json().parent().unwrap()).unwrap();
        std::fs::write(paths.agents_json(), r#"{"version": 1, "agents": {"any": {"command": "x"}}}"#)
            .unwrap();
        config::Presets::load(&paths).unwrap().get("any").unwrap().ends.clone()
    }

    #[test]
    fn the_shipped_presets_know_what_their_programs_say() {
        use Obstacle as O;
        for (text, expected) in [
            ("  ⎿  Invalid API key · Fix external API key", O::KeyRefused),
            ("  ⎿  Please run /login · API Error: 401 {\"type\":\"error\"}", O::KeyRefused),
            ("  ⎿  Credit balance is too low", O::KeyRefused),
            ("  ⎿  Not logged in · Please run /login", O::Login),
            (" Select login method:\n ❯ 1. Claude account with subscription", O::Login),
            (" ❯ 1. Yes, I trust this folder\n   2. No, exit", O::Trust),
            ("You've hit your session limit · resets 3pm (Europe/Berlin)", O::Limited),
            ("5-hour limit reached ∙ resets 3pm", O::Limited),
            ("Claude AI usage limit reached|1749924000", O::Limited),
            ("  ⎿  API Error: 529 Overloaded. This is a server-side issue", O::Overloaded),
            ("  ⎿  Context limit reached · /compact or /clear to continue", O::ContextFull),
            ("  ⎿  Prompt is too long", O::ContextFull),
            ("Error: Session ID 4f1c is already in use.", O::SessionInUse),
            (
                "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory",
                O::OutOfMemory,
            ),
        ] {
            check("claude", text, Some(expected));
        }
        check("claude", "All done. 12 tests pass.\n❯ ", None);
        check("shell", "usage limit reached", None);
        check("shell", "sh: 1: Cannot fork: Cannot allocate memory", Some(O::OutOfMemory));
    }

    #[test]
    fn programs_that_nobody_knows_are_understood_when_they_fail() {
        use Obstacle as O;
        for (text, expected) in [
            ("Error: Invalid API key provided: sk-***", O::KeyRefused),
            ("HTTP 401 Unauthorized", O::KeyRefused),
            ("Please log in first: agent login", O::Login),
            ("Do you trust the files in this folder? [y/N]", O::Trust),
            ("Rate limit reached for gpt-x. Please try again in 6m0s.", O::Limited),
            ("error: 429 Too Many Requests", O::Limited),
            ("{\"type\":\"overloaded_error\"}", O::Overloaded),
            ("This model's maximum context length is 8192 tokens", O::ContextFull),
            ("fatal: session 7 is already in use", O::SessionInUse),
            ("MemoryError", O::OutOfMemory),
        ] {
            check("", text, Some(expected));
        }
        check("", "3 tests failed", None);
        // While one lives, only a question is believed.
        let living = of_the_living(&any_other());
        assert!(!living.is_empty());
        let questions = [Sign::Obstacle(O::Login), Sign::Obstacle(O::Trust)];
        assert!(living.iter().all(|pattern| questions.contains(&pattern.sign)));
    }

    #[test]
    fn a_turn_that_has_failed_is_told_by_its_words_first() {
        let presets = config::Presets::shipped().unwrap();
        let ends = &presets.get("claude").unwrap().ends;
        let of = |error, text| of_a_turn(ends, error, text);
        assert_eq!(of("rate_limit", "API Error: 529 Overloaded"), Some(Obstacle::Overloaded));
        assert_eq!(of("rate_limit", ""), Some(Obstacle::Limited));
        assert_eq!(of("invalid_request", "Prompt is too long"), Some(Obstacle::ContextFull));
        assert_eq!(of("invalid_request", "tool_use ids must be unique"), None);
        assert_eq!(of("billing_error", ""), Some(Obstacle::KeyRefused));
    }
}
