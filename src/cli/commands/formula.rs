//! Formulas as people see them.

use model::answer::FormulaRow;
use model::command::Command;
use model::formula::{Checked, Draft, Finding};
use serde_json::{Value, json};

use crate::args::formula::Format;
use crate::output::{Column, Pen, Table, Tint, block, cell, count, line};

/// Formulas as a table.
pub(super) fn list(rows: &[FormulaRow], pen: &Pen) -> String {
    if rows.is_empty() {
        return "no formulas here; those of a town lie in its formulas/ folder\n".to_owned();
    }
    let mut table = Table::new([
        Column::new("NAME"),
        Column::right("STEPS"),
        Column::flexible("WHAT IT IS FOR"),
        Column::flexible("SOURCE"),
    ]);
    for row in rows {
        table.row([
            cell(&row.name).tint(Tint::Cyan),
            cell(row.steps),
            cell(&row.description),
            cell(&row.source).tint(Tint::Dim),
        ]);
    }
    table.render(pen)
}

fn said(value: &Value, key: &str) -> String {
    value[key].as_str().map(block).unwrap_or_default()
}

fn listed<'v>(value: &'v Value, key: &str) -> Vec<&'v str> {
    value[key].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

fn all<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value[key].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// One formula: what it is for, its variables, and its steps as its file has them or as they come of it.
pub(super) fn one(formula: &Value, pen: &Pen) -> String {
    let kind = said(formula, "type");
    let source = said(formula, "source");
    let about = format!("({}, version {}, {})", line(&kind), formula["version"], line(&source));
    let name = pen.paint(Tint::Bold, &line(&said(formula, "name")));
    let mut text = format!("{name}  {}\n", pen.paint(Tint::Dim, &about));
    text.push_str(&format!("{}\n", said(formula, "description").trim_end()));
    let extends = listed(formula, "extends");
    if !extends.is_empty() {
        text.push_str(&format!("\nBuilds on {}\n", line(&extends.join(", "))));
    }
    if let Some(compose) = formula["compose"].as_object() {
        let what: Vec<&str> = compose.keys().map(String::as_str).collect();
        text.push_str(&format!(
            "Composes with {}; --resolved shows what comes of it\n",
            line(&what.join(", "))
        ));
    }
    let vars = all(formula, "vars");
    if !vars.is_empty() {
        text.push_str("\nVariables\n");
        for var in vars {
            text.push_str(&variable(var, pen));
        }
    }
    for (key, title) in [("steps", ""), ("template", "In the place of a step:"), ("legs", "Side by side:")] {
        let steps = all(formula, key);
        if !steps.is_empty() && !title.is_empty() {
            text.push_str(&format!("\n{title}\n"));
        }
        steps.iter().for_each(|one| step(one, 0, &mut text, pen));
    }
    for advice in all(formula, "advice") {
        let target = advice["target"].as_str().unwrap_or("any pointcut");
        text.push_str(&format!("\nAround {}:\n", line(target)));
        for key in ["before", "after"] {
            all(advice, key).iter().for_each(|one| step(one, 0, &mut text, pen));
        }
    }
    if let Some(synthesis) = formula["synthesis"].as_object() {
        text.push_str("\nThen:\n");
        step(&Value::Object(synthesis.clone()), 0, &mut text, pen);
    }
    for (key, title) in [("not_yet", "Not carried out yet"), ("warnings", "Odd")] {
        let told = listed(formula, key);
        if !told.is_empty() {
            text.push_str(&format!("\n{}\n", pen.paint(Tint::Yellow, title)));
            told.iter().for_each(|one| text.push_str(&format!("  {}\n", line(one))));
        }
    }
    text
}

fn variable(var: &Value, pen: &Pen) -> String {
    let mut rules = Vec::new();
    match var["default"].as_str() {
        Some(default) => rules.push(format!("= {default:?}")),
        None if var["required"] == true => rules.push("required".to_owned()),
        None => {}
    }
    let unless = listed(var, "required_unless");
    if !unless.is_empty() {
        rules.push(format!("required unless {}", unless.join(" or ")));
    }
    let allowed = listed(var, "enum");
    if !allowed.is_empty() {
        rules.push(format!("one of {}", allowed.join(", ")));
    }
    if let Some(pattern) = var["pattern"].as_str() {
        rules.push(format!("like {pattern}"));
    }
    let name = pen.paint(Tint::Cyan, &line(&said(var, "name")));
    let rules = if rules.is_empty() { String::new() } else { format!(" ({})", line(&rules.join(", "))) };
    format!("  {name}{}  {}\n", pen.paint(Tint::Dim, &rules), line(&said(var, "description")))
}

fn step(step: &Value, depth: usize, text: &mut String, pen: &Pen) {
    let indent = "  ".repeat(depth);
    let id = said(step, "id");
    let title = Some(said(step, "title")).filter(|title| !title.is_empty()).unwrap_or_else(|| id.clone());
    let mut notes = Vec::new();
    let needs = listed(step, "needs");
    if !needs.is_empty() {
        notes.push(format!("after {}", needs.join(", ")));
    }
    for (key, word) in
        [("expand", "becomes"), ("condition", "if"), ("waits_for", "waits for"), ("timeout", "within")]
    {
        notes.extend(step[key].as_str().map(|value| format!("{word} {value}")));
    }
    let gates = all(step, "gates").iter().chain(step["gate"].as_object().map(|_| &step["gate"]));
    notes.extend(gates.filter_map(|gate| gate["type"].as_str()).map(|kind| format!("gate: {kind}")));
    for key in ["range", "count", "until"] {
        notes.extend(step["loop"][key].as_str().map(|value| format!("loop {key} {value}")));
    }
    let notes = if notes.is_empty() { String::new() } else { format!(" ({})", line(&notes.join("; "))) };
    let id = if id.is_empty() { id } else { format!("{}  ", pen.paint(Tint::Cyan, &line(&id))) };
    text.push_str(&format!("\n{indent}{id}{}{}\n", line(&title), pen.paint(Tint::Dim, &notes)));
    for words in said(step, "description").trim_end().lines() {
        text.push_str(&format!("{indent}    {words}\n"));
    }
    let parts = all(step, "children").iter().chain(all(&step["loop"], "body"));
    parts.for_each(|part| self::step(part, depth + 1, text, pen));
}

/// The steps in waves: each step stands in the first in which all that it needs is done.
fn waves(formula: &Value) -> Vec<Vec<&Value>> {
    let mut level = std::collections::HashMap::new();
    let mut waves: Vec<Vec<&Value>> = Vec::new();
    // They come in an order in which they can be done.
    for step in all(formula, "steps") {
        let needs = listed(step, "needs");
        let at = needs.iter().filter_map(|need| level.get(need)).max().map_or(0, |last: &usize| last + 1);
        level.insert(step["id"].as_str().unwrap_or_default(), at);
        if waves.len() <= at {
            waves.resize_with(at + 1, Vec::new);
        }
        waves[at].push(step);
    }
    waves
}

/// What needs what, as data.
pub(super) fn graph(formula: &Value) -> Value {
    let mut nodes = Vec::new();
    let mut edges = Vec::new();
    for (wave, steps) in waves(formula).iter().enumerate() {
        for step in steps {
            nodes.push(json!({"id": step["id"], "title": step["title"], "wave": wave + 1}));
            edges.extend(listed(step, "needs").iter().map(|need| json!({"from": need, "to": step["id"]})));
        }
    }
    json!({"formula": formula["name"], "nodes": nodes, "edges": edges})
}

/// What needs what, drawn.
pub(super) fn drawn(formula: &Value, format: Format, pen: &Pen) -> String {
    let steps = all(formula, "steps");
    // In these languages a quote ends a name, and a line ends a statement.
    let plain = |text: &str| line(text).replace('\\', "\\\\").replace('"', "'");
    match format {
        Format::Text => {
            let waves = waves(formula);
            let mut text = format!("{} in {}\n", count(steps.len(), "step"), count(waves.len(), "wave"));
            for (wave, steps) in waves.iter().enumerate() {
                for (at, step) in steps.iter().enumerate() {
                    let number = if at == 0 { format!("{:>4}", wave + 1) } else { "    ".to_owned() };
                    let needs = listed(step, "needs");
                    let after =
                        if needs.is_empty() { String::new() } else { format!("  <- {}", needs.join(", ")) };
                    let id = pen.paint(Tint::Cyan, &line(&said(step, "id")));
                    text.push_str(&format!("{number}  {id}{}\n", pen.paint(Tint::Dim, &line(&after))));
                }
            }
            text
        }
        Format::Dot => {
            let mut text = format!(
                "digraph \"{}\" {{\n  rankdir=LR;\n  node [shape=box];\n",
                plain(&said(formula, "name"))
            );
            for step in steps {
                let (id, title) = (plain(&said(step, "id")), plain(&said(step, "title")));
                text.push_str(&format!("  \"{id}\" [label=\"{title}\"];\n"));
                for need in listed(step, "needs") {
                    text.push_str(&format!("  \"{}\" -> \"{id}\";\n", plain(need)));
                }
            }
            text + "}\n"
        }
        Format::Mermaid => {
            // Its ids are words; the titles are what people read.
            let places: std::collections::HashMap<&str, usize> = steps
                .iter()
                .enumerate()
                .map(|(at, step)| (step["id"].as_str().unwrap_or_default(), at))
                .collect();
            let mut text = "flowchart LR\n".to_owned();
            for (at, step) in steps.iter().enumerate() {
                text.push_str(&format!("  s{at}[\"{}\"]\n", plain(&said(step, "title"))));
                for need in listed(step, "needs").iter().filter_map(|need| places.get(need)) {
                    text.push_str(&format!("  s{need} --> s{at}\n"));
                }
            }
            text
        }
    }
}

/// What checks have shown: all that is wrong or odd, and a line at the end.
pub(super) fn checked(rows: &[Checked], pen: &Pen) -> String {
    let mut text = String::new();
    let told = |text: &mut String, found: &[Finding], word: &str, tint: Tint| {
        for one in found {
            let place = format!("{}:{}", line(&one.file), one.line);
            let message = format!("{}: {}", line(&one.key), line(&one.message));
            text.push_str(&format!("{}: {}: {message}\n", place, pen.paint(tint, word)));
        }
    };
    for row in rows {
        told(&mut text, &row.problems, "error", Tint::Red);
        told(&mut text, &row.warnings, "warning", Tint::Yellow);
        told(&mut text, &row.not_yet, "not yet", Tint::Dim);
    }
    let broken = rows.iter().filter(|row| !row.problems.is_empty()).count();
    let warnings: usize = rows.iter().map(|row| row.warnings.len()).sum();
    text.push_str(&format!(
        "{} looked over: {} broken, {}\n",
        count(rows.len(), "formula"),
        broken,
        count(warnings, "warning")
    ));
    text
}

/// The beginning of a formula that is not written into a file.
pub(super) fn draft(draft: &Draft) -> String {
    draft.text.clone()
}

/// Says where a new formula was written.
pub(crate) fn written(draft: &Draft, command: &Command) -> String {
    let rig = match command {
        Command::FormulaNew { rig: Some(rig), .. } => format!(" --rig {rig}"),
        _ => String::new(),
    };
    let (path, name) = (line(&draft.path.display().to_string()), line(&draft.name));
    format!("Wrote {path}\nWhen it says what you mean: gastown formula lint {name}{rig}\n")
}
