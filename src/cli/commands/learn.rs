//! learn: the help that has no question to ask of a town.

use model::near;
use model::refusal::{Class, Refusal};

use crate::names::{self, Entry, GROUPS, Program};

/// The first page of help: the groups, one line each, then how to start.
pub(crate) fn overview() -> String {
    let mut page = String::from(
        "Gas Town runs coding agents in one supervised process tree, and lands what\n\
         they make on a main branch that stays green.\n\n\
         Usage: gastown COMMAND …\n\n",
    );
    for group in GROUPS.iter() {
        let verbs: Vec<&str> = group.verbs.iter().map(|(verb, _)| verb.as_str()).collect();
        page.push_str(&format!("  {:<9}{}\n", group.name, verbs.join(", ")));
    }
    page.push_str(
        "\nStart:\n  \
         gastown run --demo                                see it; no network, no key\n  \
         gastown install ~/town && cd ~/town               make a town\n  \
         gastown rig add web URL --gate 'test=make test'   take a project in\n  \
         gastown bead create \"TITLE\" --rig web             say what is to be done\n  \
         gastown sling BEAD web && gastown run             have it done\n\n\
         gastown help GROUP|COMMAND says more.\n\
         Anywhere: --json, --town DIR, --actor ADDRESS, --no-color.\n",
    );
    page
}

/// What is known about a group, a command, or a command of a command.
///
/// # Errors
/// When there is no such command; says what may have been meant.
pub(crate) fn help(words: &[String]) -> Result<String, Refusal> {
    match words {
        [] => return Ok(overview()),
        [name] => {
            if let Some(group) = GROUPS.iter().find(|group| group.name == *name) {
                let entries: Vec<Entry> = group
                    .verbs
                    .iter()
                    .map(|(command, about)| Entry { command: command.clone(), about: about.clone() })
                    .collect();
                return Ok(format!(
                    "{}: {}\n\n{}\ngastown help COMMAND says more.\n",
                    group.name,
                    group.about,
                    lines(&entries)
                ));
            }
        }
        _ => {}
    }
    let words = names::canonical(Program::Gastown, words.to_vec());
    let (found, path) = names::deepest(&words);
    let depth = path.split(' ').count() - 1;
    if let Some(word) = words.get(depth) {
        let refusal =
            Refusal::new(Class::NotFound, "no_such_command", format!("there is no command {word:?}"));
        let near = near::did_you_mean(&names::meant(found, &path, word));
        return Err(refusal.hint(near.unwrap_or_else(|| "see `gastown help`".to_owned())));
    }
    Ok(found.clone().render_help().to_string())
}

/// The commands that fit a wish, as text.
pub(crate) fn suggested(entries: &[Entry]) -> String {
    if entries.is_empty() {
        return "nothing fits; `gastown help` shows everything there is\n".to_owned();
    }
    lines(entries)
}

fn lines(entries: &[Entry]) -> String {
    let widest = entries.iter().map(|entry| entry.command.len()).max().unwrap_or(0);
    entries.iter().map(|entry| format!("  gastown {:<widest$}  {}\n", entry.command, entry.about)).collect()
}
