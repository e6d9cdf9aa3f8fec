//! learn: the help that has no question to ask of a town.

use crate::names::GROUPS;

/// The first page of help: the groups, one line each, then how to start.
pub(crate) fn overview() -> String {
    let mut page = String::from(
        "Gas Town runs coding agents in one supervised process tree, and lands what they make on a main\n\
         branch that stays green.\n\n\
         Usage: gastown COMMAND …\n\n",
    );
    for group in GROUPS.iter() {
        let verbs: Vec<&str> = group.verbs.iter().map(|(verb, _)| verb.as_str()).collect();
        page.push_str(&format!("  {:<9}{}\n", group.name, verbs.join(", ")));
    }
    page.push_str(
        "\nStart:\n  \
         gastown run --demo                                  see it work; needs no network and no key\n  \
         gastown install ~/town && cd ~/town                 make a town\n  \
         gastown rig add web URL --gate 'test=make test'     take a project in\n  \
         gastown bead create \"TITLE\" --rig web               say what is to be done\n  \
         gastown sling BEAD web && gastown run               have it done\n\n\
         gastown help GROUP|COMMAND says more. Anywhere: --json, --town DIR, --actor ADDRESS, --no-color.\n",
    );
    page
}
