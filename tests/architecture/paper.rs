//! The tree on paper equals the tree in the table: its drawings, and the tables of its numbers.

use supervisors::policy::{Branch, ChildSpec, Excess, Restart, Rules, Shutdown, StopOrder};
use supervisors::tree::{A_RIG, Child, POLECAT, POLECATS, RIG, RIGS, TOWN};

use crate::read;

/// One line of the drawing, and what stands below it.
struct Node {
    text: String,
    below: Vec<Node>,
}

impl Node {
    fn draw(&self, indent: &str, last: bool, lines: &mut Vec<String>) {
        let (branch, beside) = if last { ("└─ ", "    ") } else { ("├─ ", "│   ") };
        lines.push(format!("{indent}{branch}{}", self.text));
        draw_all(&self.below, &format!("{indent}{beside}"), lines);
    }
}

fn draw_all(nodes: &[Node], indent: &str, lines: &mut Vec<String>) {
    for (n, node) in nodes.iter().enumerate() {
        node.draw(indent, n + 1 == nodes.len(), lines);
    }
}

fn restart(restart: Restart) -> &'static str {
    match restart {
        Restart::Permanent => "permanent",
        Restart::Transient => "transient",
        Restart::Temporary => "temporary",
    }
}

/// The name of a child in the tree, and when its role has a session. A new kind of child has to be
/// entered here, and so into the drawings.
fn name(child: Child) -> (&'static str, Option<&'static str>) {
    const LAZY: Option<&str> = Some("lazy");
    match child {
        Child::Scribe => ("scribe", None),
        Child::Postmaster => ("postmaster", None),
        Child::Switchboard => ("switchboard", None),
        Child::Rigs => ("rigs", None),
        Child::Deacon => ("deacon", LAZY),
        Child::Mayor => ("mayor", LAZY),
        Child::Refinery => ("NAME/refinery", LAZY),
        Child::Witness => ("NAME/witness", LAZY),
        Child::Dispatcher => ("NAME/dispatcher", None),
        Child::Polecats => ("NAME/polecats", None),
    }
}

fn actor(name: &str, kind: Restart, session: Option<&str>) -> Node {
    let session = session.map(|when| format!(" ── session ({when})")).unwrap_or_default();
    Node { text: format!("{name} {}{session}", restart(kind)), below: Vec::new() }
}

fn strategy(rules: &Rules) -> String {
    // What is set aside instead of escalating is what comes and goes at run time.
    let dynamic = if rules.excess == Excess::SetAside { ", dynamic" } else { "" };
    format!("({}{dynamic})", rules.strategy.as_str())
}

fn child(line: &ChildSpec<Child>) -> Node {
    let (name, session) = name(line.child);
    let below = match line.child {
        Child::Rigs => {
            let rig = format!("rig NAME {} {}", strategy(&RIG.rules), restart(A_RIG.0));
            vec![Node { text: rig, below: RIG.children.iter().map(child).collect() }]
        }
        Child::Polecats => vec![actor("NAME/polecats/WORKER", POLECAT.0, Some("while hooked"))],
        _ => return actor(name, line.restart, session),
    };
    let rules = if line.child == Child::Rigs { &RIGS.rules } else { &POLECATS.rules };
    Node { text: format!("{name} {}", strategy(rules)), below }
}

/// The drawing, a space between words and nothing else.
fn drawing() -> Vec<String> {
    let mut lines = vec![format!("{} {}", TOWN.name, strategy(&TOWN.rules))];
    draw_all(&TOWN.children.iter().map(child).collect::<Vec<_>>(), "", &mut lines);
    lines.iter().map(|line| squeezed(line)).collect()
}

fn squeezed(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The drawing in `text`: from the town down to the end of the block. `lead` starts each line.
fn drawn_in(text: &str, lead: &str) -> Vec<String> {
    let lines = text.lines().filter_map(|line| line.strip_prefix(lead)).map(squeezed);
    let from = lines.skip_while(|line| !line.starts_with("town ("));
    from.take_while(|line| !line.starts_with("```")).collect()
}

#[test]
fn every_drawing_of_the_tree_is_the_table() {
    for (file, lead) in [("README.md", ""), ("docs/supervision.md", ""), ("supervisors/tree.rs", "//!")] {
        let (drawn, expected) = (drawn_in(&read(file), lead), drawing());
        assert_eq!(drawn, expected, "\n{file} should have:\n{}\n", expected.join("\n"));
    }
}

fn grace(shutdown: Shutdown) -> String {
    match shutdown {
        Shutdown::Brutal => "killed at once".to_owned(),
        Shutdown::Grace(time) => format!("{} s", time.as_secs()),
        Shutdown::Infinite => "as long as its children need".to_owned(),
    }
}

fn rules_row<K>(name: &str, branch: &Branch<K>) -> String {
    let Rules { strategy, intensity, excess, stop_order, .. } = branch.rules;
    let window = match excess {
        Excess::Escalate => "all children together",
        Excess::SetAside => "each child",
    };
    let then = match excess {
        Excess::Escalate => "it fails itself",
        Excess::SetAside => "the child is set aside",
    };
    let order = match stop_order {
        StopOrder::Reverse => "last started first",
        StopOrder::Parallel => "all at once",
    };
    format!(
        "| {name} | {} | {} in {} s, {window} | {then} | {order} |",
        strategy.as_str(),
        intensity.restarts,
        intensity.within.as_secs()
    )
}

#[test]
fn the_numbers_on_paper_are_those_of_the_table() {
    let page = read("docs/supervision.md");
    let mut rows = vec![
        rules_row("town", &TOWN),
        rules_row("rigs", &RIGS),
        rules_row("rig NAME", &RIG),
        rules_row("NAME/polecats", &POLECATS),
    ];
    for line in TOWN.children.iter().chain(RIG.children) {
        rows.push(format!("| {} | {} | {} |", name(line.child).0, restart(line.restart), grace(line.grace)));
        assert!(line.backoff.is_none() && !line.significant, "{:?}: say so on the page", line.child);
    }
    rows.push(format!("| rig NAME | {} | {} |", restart(A_RIG.0), grace(A_RIG.1)));
    rows.push(format!("| NAME/polecats/WORKER | {} | {} |", restart(POLECAT.0), grace(POLECAT.1)));
    for row in rows {
        assert!(page.lines().any(|line| line == row), "docs/supervision.md lacks:\n{row}\n");
    }
}
