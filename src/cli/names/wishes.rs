//! What people try to say, and which command says it.

use model::near;

use super::tree;

/// Words that people try, and what they get here.
pub(super) const SYNONYMS: [(&str, &[&str]); 61] = [
    ("ps", &["status"]),
    ("ls", &["status", "bead list"]),
    ("list", &["bead list", "agent list"]),
    ("top", &["status"]),
    ("logs", &["log", "events"]),
    ("history", &["events", "why"]),
    ("tail", &["feed"]),
    ("watch", &["feed"]),
    ("assign", &["sling"]),
    ("give", &["sling"]),
    ("dispatch", &["sling"]),
    ("unassign", &["unsling"]),
    ("kanban", &["convoy list", "status"]),
    ("board", &["convoy list", "status"]),
    ("dashboard", &["status", "feed"]),
    ("create", &["bead create"]),
    ("new", &["bead create"]),
    ("add", &["bead create", "rig add"]),
    ("close", &["bead close"]),
    ("update", &["bead update"]),
    ("search", &["bead search"]),
    ("issue", &["bead"]),
    ("issues", &["bead list"]),
    ("task", &["bead"]),
    ("tasks", &["bead list"]),
    ("message", &["mail send", "nudge"]),
    ("msg", &["mail send", "nudge"]),
    ("tell", &["nudge", "mail send"]),
    ("type", &["nudge"]),
    ("capture", &["peek", "nudge"]),
    ("screen", &["peek"]),
    ("connect", &["attach"]),
    ("pause", &["rig park", "agent stop", "estop"]),
    ("resume", &["rig unpark", "agent start", "thaw"]),
    ("park", &["rig park"]),
    ("unpark", &["rig unpark"]),
    ("emergency", &["estop", "stop"]),
    ("halt", &["estop", "stop"]),
    ("suspend", &["estop"]),
    ("daemon", &["service install", "run"]),
    ("systemd", &["service install"]),
    ("autostart", &["service install"]),
    ("queue", &["mq list"]),
    ("merge", &["mq list", "done"]),
    ("submit", &["done"]),
    ("finish", &["done"]),
    ("init", &["install"]),
    ("repo", &["rig add"]),
    ("shutdown", &["stop"]),
    ("explain", &["why"]),
    ("retry", &["recover", "mq retry"]),
    ("resume", &["recover", "agent start"]),
    ("rescue", &["recover", "why"]),
    ("repair", &["recover", "doctor"]),
    ("reassign", &["agent reassign"]),
    ("cost", &["costs"]),
    ("tokens", &["costs"]),
    ("usage", &["costs"]),
    ("whoami", &["prime", "hook"]),
    ("restore", &["backup restore"]),
    ("snapshot", &["backup"]),
];

/// A command of the grammar: what it is called in full and what it does.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub(crate) struct Entry {
    /// For instance `mail send`.
    pub(crate) command: String,
    /// Its first line of help.
    pub(crate) about: String,
}

/// Every command that is not hidden, leaves and branches.
pub(crate) fn entries() -> Vec<Entry> {
    fn walk(of: &clap::Command, path: &str, into: &mut Vec<Entry>) {
        for verb in of.get_subcommands().filter(|verb| !verb.is_hide_set()) {
            let command = format!("{path} {}", verb.get_name()).trim_start().to_owned();
            let about = verb.get_about().map(ToString::to_string).unwrap_or_default();
            walk(verb, &command, into);
            into.push(Entry { command, about });
        }
    }
    let mut found = Vec::new();
    walk(tree(), "", &mut found);
    found
}

/// The commands that fit `words`, best first: synonyms, then those that say most of the words.
pub(crate) fn suggestions(words: &[String]) -> Vec<Entry> {
    let all = entries();
    let wanted: Vec<String> = words
        .iter()
        .flat_map(|words| words.split_whitespace())
        .map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase())
        .filter(|word| word.chars().count() > 1 && !FILLERS.contains(&word.as_str()))
        .collect();
    let mut scored: Vec<(usize, &Entry)> = all
        .iter()
        .map(|entry| (wanted.iter().map(|word| score(entry, word)).sum::<usize>(), entry))
        .filter(|(score, _)| *score > 0)
        .collect();
    scored.sort_by(|(a, x), (b, y)| b.cmp(a).then_with(|| x.cmp(y)));
    scored.into_iter().take(5).map(|(_, entry)| entry.clone()).collect()
}

const FILLERS: [&str; 16] = [
    "the", "an", "to", "of", "in", "on", "is", "how", "do", "my", "it", "what", "want", "can", "with", "and",
];

fn score(entry: &Entry, word: &str) -> usize {
    let mut score = 0;
    for (synonym, meant) in SYNONYMS {
        if synonym == word
            && let Some(place) = meant.iter().position(|name| *name == entry.command)
        {
            score += 6 - place;
        }
    }
    for part in entry.command.split(' ') {
        if part == word {
            score += 5;
        } else if !near::matches(word, [part]).is_empty() {
            score += 3;
        }
    }
    let about = entry.about.to_lowercase();
    let stem = word.strip_suffix('s').unwrap_or(word);
    if about.split(|c: char| !c.is_alphanumeric()).any(|said| said.strip_suffix('s').unwrap_or(said) == stem)
    {
        score += 2;
    }
    score
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_finds_its_command() {
        let first = |wish: &str| suggestions(&[wish.to_owned()]).first().map(|entry| entry.command.clone());
        assert_eq!(first("assign a bead to a rig").as_deref(), Some("sling"));
        assert_eq!(first("send a message").as_deref(), Some("mail send"));
        assert_eq!(first("see the merge queue").as_deref(), Some("mq list"));
        assert_eq!(first("zzz"), None);
    }
}
