//! What things are called: the program's three names, the groups, the short forms of old, and what may
//! have been meant by a word that is no command.

mod wishes;

use std::path::Path;
use std::sync::LazyLock;

use clap::{CommandFactory, Subcommand};
use model::near;

use crate::args::{self, Line};

use self::wishes::SYNONYMS;
pub(crate) use self::wishes::{Entry, suggestions};

/// The names under which the program was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    /// `gastown`, `gt` and whatever else.
    Gastown,
    /// `bd`, which is `gastown bead …`.
    Bd,
}

impl Program {
    /// The program that is meant by the path it was started under.
    pub(crate) fn called(path: &str) -> Self {
        match Path::new(path).file_name().and_then(|name| name.to_str()) {
            Some("bd") => Program::Bd,
            _ => Program::Gastown,
        }
    }
}

/// A group of commands.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    /// Its name.
    pub(crate) name: &'static str,
    /// What it is about.
    pub(crate) about: &'static str,
    /// Its commands: name and first line of help. Hidden ones are left out.
    pub(crate) verbs: Vec<(String, String)>,
}

fn group<V: Subcommand>(name: &'static str, about: &'static str) -> Group {
    let verbs = V::augment_subcommands(clap::Command::new(name))
        .get_subcommands()
        .filter(|verb| !verb.is_hide_set())
        .map(|verb| {
            (verb.get_name().to_owned(), verb.get_about().map(ToString::to_string).unwrap_or_default())
        })
        .collect();
    Group { name, about, verbs }
}

/// What they are called, known without building them.
const GROUP_NAMES: [&str; 7] = ["work", "ship", "talk", "agents", "town", "observe", "learn"];

/// The seven groups of the contract, in its order.
pub(crate) static GROUPS: LazyLock<[Group; 7]> = LazyLock::new(|| {
    [
        group::<args::work::Verb>("work", "pieces of work, and who does them"),
        group::<args::ship::Verb>("ship", "from finished work to the main branch"),
        group::<args::talk::Verb>("talk", "letters, keystrokes and looks"),
        group::<args::agents::Verb>("agents", "who is there, and their sessions"),
        group::<args::town::Verb>("town", "the place, its projects and the runtime"),
        group::<args::observe::Verb>("observe", "how everything is, and what has happened"),
        group::<args::learn::Verb>("learn", "what an agent or a person has to know"),
    ]
});

/// The whole grammar, built once.
static TREE: LazyLock<clap::Command> = LazyLock::new(|| {
    let mut tree = grammar();
    tree.build();
    tree
});

/// The whole grammar, for reading one line.
pub(crate) fn grammar() -> clap::Command {
    // Not the width of the terminal at hand: help is the same wherever it is read.
    Line::command().term_width(80)
}

/// The grammar, for reading.
pub(crate) fn tree() -> &'static clap::Command {
    &TREE
}

/// The short forms of old that stand for two words.
const SHORT: [(&str, &[&str]); 7] = [
    ("send", &["mail", "send"]),
    ("inbox", &["mail", "inbox"]),
    ("rigs", &["rig", "list"]),
    ("polecats", &["polecat", "list"]),
    ("kill", &["agent", "kill"]),
    ("wake", &["agent", "start"]),
    ("sleep", &["agent", "stop"]),
];

/// Options that take the next word as their value and may stand before the command.
const WITH_VALUE: [&str; 3] = ["--town", "--actor", "--carrier"];

/// Where the command stands in `words`: the first that is no option and no option's value.
fn command_at(words: &[String]) -> Option<usize> {
    let mut at = 0;
    while at < words.len() {
        let word = words[at].as_str();
        if word == "--" {
            return None;
        }
        if !word.starts_with('-') {
            return Some(at);
        }
        at += if WITH_VALUE.contains(&word) { 2 } else { 1 };
    }
    None
}

/// Returns `words` as `gastown` wants them, whatever name or short form they were said under.
pub(crate) fn canonical(program: Program, mut words: Vec<String>) -> Vec<String> {
    let Some(at) = command_at(&words) else {
        if program == Program::Bd && !words.iter().any(|word| word == "--version" || word == "-V") {
            words.insert(0, "bead".to_owned());
        }
        return words;
    };
    if program == Program::Bd {
        let word = words[at].as_str();
        if word == "help" {
            words.insert(at + 1, "bead".to_owned());
        } else if child(bead(), word).is_some() || child(tree(), word).is_none() {
            words.insert(at, "bead".to_owned());
        }
        return words;
    }
    // What `bd` users say behind it, and stands beside it here.
    const BESIDE: [&str; 9] =
        ["mol", "cook", "formula", "hook", "mail", "convoy", "sling", "unsling", "events"];
    if matches!(words[at].as_str(), "bead" | "beads")
        && words.get(at + 1).is_some_and(|next| BESIDE.contains(&next.as_str()))
    {
        words.remove(at);
        return words;
    }
    if GROUP_NAMES.contains(&words[at].as_str())
        && let Some(group) = GROUPS.iter().find(|group| group.name == words[at])
    {
        match words.get(at + 1).map(String::as_str) {
            None | Some("-h" | "--help") => {
                words.truncate(at + 1);
                words.insert(at, "help".to_owned());
            }
            Some(next) if group.verbs.iter().any(|(verb, _)| verb == next) => {
                words.remove(at);
            }
            // What is done to one agent, said to all of them.
            Some(_) if group.name == "agents" => words[at] = "agent".to_owned(),
            Some(_) => {}
        }
        return words;
    }
    if let Some((_, long)) = SHORT.iter().find(|(short, _)| *short == words[at]) {
        words.splice(at..=at, long.iter().map(ToString::to_string));
    }
    words
}

fn bead() -> &'static clap::Command {
    tree().find_subcommand("bead").expect("`bead` is a command")
}

/// The subcommand of `of` that is called `word`, by name or alias.
pub(crate) fn child<'a>(of: &'a clap::Command, word: &str) -> Option<&'a clap::Command> {
    of.find_subcommand(word)
}

/// The deepest command that `words` name, and its path with the program's name.
pub(crate) fn deepest(words: &[String]) -> (&'static clap::Command, String) {
    let (mut found, mut path) = (tree(), "gastown".to_owned());
    let start = command_at(words).unwrap_or(words.len());
    for word in &words[start..] {
        let Some(next) = child(found, word) else { break };
        found = next;
        path = format!("{path} {}", next.get_name());
    }
    (found, path)
}

/// What may have been meant by `word`, which is no command of `of`; full commands without the program's
/// name, nearest first.
pub(crate) fn meant(of: &clap::Command, path: &str, word: &str) -> Vec<String> {
    let prefix = path.strip_prefix("gastown").unwrap_or(path).trim_start();
    let mut found = Vec::new();
    let mut push = |name: String| {
        if !found.contains(&name) {
            found.push(name);
        }
    };
    let lower = word.to_lowercase();
    if prefix.is_empty() {
        for (_, meant) in SYNONYMS.iter().filter(|(synonym, _)| *synonym == lower) {
            meant.iter().for_each(|name| push((*name).to_owned()));
        }
    }
    let verbs = || of.get_subcommands().filter(|verb| !verb.is_hide_set());
    for name in near::matches(&lower, verbs().map(clap::Command::get_name)) {
        push(format!("{prefix} {name}").trim_start().to_owned());
    }
    if found.is_empty() {
        // The names of old are many and short; asked first they would be near to everything.
        for name in near::matches(&lower, verbs().flat_map(clap::Command::get_all_aliases)) {
            let real = child(of, &name).map_or(name.as_str(), clap::Command::get_name);
            found.push(format!("{prefix} {real}").trim_start().to_owned());
        }
        if prefix.is_empty() {
            let short = near::matches(&lower, SHORT.iter().map(|(short, _)| *short));
            let long = SHORT.iter().filter(|(name, _)| short.iter().any(|near| near == name));
            found.extend(long.map(|(_, long)| long.join(" ")));
        }
        found.dedup();
    }
    found.truncate(3);
    found
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(ToOwned::to_owned).collect()
    }

    #[test]
    fn every_command_lives_in_exactly_one_group() {
        let mut homes: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for group in GROUPS.iter() {
            for (verb, about) in &group.verbs {
                assert!(!about.is_empty(), "{verb} says nothing of itself");
                homes.entry(verb).or_default().push(group.name);
            }
        }
        for verb in tree().get_subcommands().filter(|verb| !verb.is_hide_set()) {
            assert_eq!(homes.get(verb.get_name()).map(Vec::len), Some(1), "{}", verb.get_name());
        }
    }

    #[test]
    fn no_group_and_no_short_form_hides_a_command() {
        let names = GROUPS.iter().map(|group| group.name).chain(SHORT.iter().map(|(short, _)| *short));
        for name in names {
            assert!(child(tree(), name).is_none(), "{name}");
        }
        for (_, meant) in SYNONYMS {
            for name in meant {
                assert!(wishes::entries().iter().any(|entry| entry.command == *name), "{name} is no command");
            }
        }
    }

    #[test]
    fn other_names_become_the_one_form() {
        let check = |program, line: &str, expected: &str| {
            assert_eq!(canonical(program, words(line)), words(expected), "{line}");
        };
        use Program::{Bd, Gastown};
        check(Gastown, "rigs --json", "rig list --json");
        check(Gastown, "--town /t send mayor/ -s x", "--town /t mail send mayor/ -s x");
        check(Gastown, "kill web/docs", "agent kill web/docs");
        check(Gastown, "status", "status");
        check(Gastown, "work", "help work");
        check(Gastown, "talk --help", "help talk");
        check(Gastown, "work sling a-1 web", "sling a-1 web");
        check(Gastown, "agents list", "agent list");
        check(Gastown, "--help", "--help");
        check(Bd, "create x", "bead create x");
        check(Bd, "--json list", "--json bead list");
        check(Bd, "ready", "bead ready");
        check(Bd, "mol status", "mol status");
        check(Bd, "hook", "hook");
        check(Bd, "nonsense", "bead nonsense");
        check(Bd, "help create", "help bead create");
        check(Bd, "--help", "bead --help");
        check(Bd, "--version", "--version");
        assert_eq!(Program::called("/t/bin/bd"), Bd);
        assert_eq!(Program::called("gt"), Gastown);
    }

    #[test]
    fn a_word_that_is_no_command_finds_one() {
        let check = |line: &str, word: &str, expected: &[&str]| {
            let (of, path) = deepest(&words(line));
            assert_eq!(meant(of, &path, word), expected, "{line}");
        };
        check("ps", "ps", &["status"]);
        check("ls", "ls", &["status", "bead list"]);
        check("logs", "logs", &["log", "events"]);
        check("assign x", "assign", &["sling"]);
        check("slign x", "slign", &["sling"]);
        check("stauts", "stauts", &["status"]);
        check("bead craete x", "craete", &["bead create"]);
        check("inbx", "inbx", &["mail inbox"]);
        check("xyzzy", "xyzzy", &[]);
    }
}
