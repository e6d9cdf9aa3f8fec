//! How everything is, as people see it.

use std::time::Duration;

use model::answer::{Metric, MetricKind, StatusReport};
use model::story::Story;
use serde_json::Value;

use super::{agents, ship, town};
use crate::output::{Pen, Tint, count, line, span};

/// The whole town on a page. What needs a person stands first.
pub(super) fn status(report: &StatusReport, pen: &Pen) -> String {
    let town = &report.town;
    let tint = match town.state.as_str() {
        "running" => Tint::Green,
        "read_only" => Tint::Red,
        "frozen" => Tint::Cyan,
        _ => Tint::Yellow,
    };
    let mut page = format!(
        "{}  {}  {}\n",
        pen.paint(Tint::Bold, &line(&town.name)),
        pen.paint(tint, &line(&town.state)),
        pen.paint(Tint::Dim, &line(&town.path))
    );
    let mut facts = Vec::new();
    if let Some(pid) = town.pid {
        facts.push(format!("pid {pid}"));
    }
    if let Some(seconds) = town.uptime_s {
        facts.push(format!("up {}", span(Duration::from_secs(seconds))));
    }
    let open: usize = report.beads.iter().filter(|(status, _)| *status != "closed").map(|(_, n)| n).sum();
    facts.push(format!("{} open", count(open, "bead")));
    facts.push(format!("event {}", town.seq));
    page.push_str(&format!("  {}\n", facts.join(", ")));
    if let Some(note) = &town.note {
        page.push_str(&format!("  {}\n", pen.paint(Tint::Red, &line(note))));
    }

    if !report.attention.is_empty() {
        page.push_str(&format!("\n{}\n", pen.paint(Tint::Red, "Needs you")));
        for need in &report.attention {
            page.push_str(&format!("  ! {}\n", line(need)));
        }
    }
    let mut section = |head: &str, text: String| {
        page.push_str(&format!("\n{}\n{text}", pen.paint(Tint::Bold, head)));
    };
    if report.rigs.is_empty() {
        section("Rigs", "  none yet: gastown rig add NAME URL --gate 'test=make test'\n".to_owned());
    } else {
        section("Rigs", town::table(&report.rigs).indented(2).render(pen));
    }
    if !report.agents.is_empty() {
        section("Agents", agents::table(&report.agents, pen).indented(2).render(pen));
    }
    if !report.queue.is_empty() {
        section("Merge queue", ship::table(&report.queue, pen).indented(2).render(pen));
    }
    let mail = &report.mail;
    if mail.unacked > 0 || mail.dead > 0 {
        let mut text = format!(
            "  {} not acknowledged, the oldest {} old\n",
            count(mail.unacked, "letter"),
            span(Duration::from_secs(mail.oldest_s))
        );
        if mail.dead > 0 {
            let dead = format!("{} could not be handled", count(mail.dead, "letter"));
            text.push_str(&format!("  {}\n", pen.paint(Tint::Red, &dead)));
        }
        section("Mail", text);
    }
    if !report.starts.is_empty() {
        let all: u64 = report.starts.values().sum();
        let each: Vec<String> =
            report.starts.iter().map(|(reason, n)| format!("{} {n}", line(reason))).collect();
        section("Sessions started", format!("  {all}: {}\n", each.join(", ")));
    }
    page
}

/// How an agent or a bead is, and why. What comes next and what to type stand out.
pub(super) fn story(story: &Story, pen: &Pen) -> String {
    let told = story.lines.iter().enumerate().map(|(nth, text)| {
        let text = line(text);
        let tint = match text.as_str() {
            _ if nth == 0 => Tint::Bold,
            text if text.starts_with("next: ") => Tint::Cyan,
            text if text.starts_with("type: ") => Tint::Yellow,
            text if text.contains(" ago  ") => Tint::Dim,
            _ => Tint::Plain,
        };
        pen.paint(tint, &text) + "\n"
    });
    told.collect()
}

/// Metrics in Prometheus' text format, which is what people's collectors read.
pub(super) fn metrics(all: &[Metric]) -> String {
    let mut text = String::new();
    for metric in all {
        let kind = match metric.kind {
            MetricKind::Gauge => "gauge",
            MetricKind::Counter => "counter",
        };
        let Metric { name, help, .. } = metric;
        text.push_str(&format!("# HELP {name} {}\n# TYPE {name} {kind}\n", escaped(help, false)));
        for sample in &metric.samples {
            let label = |(key, value): (&String, &String)| format!("{key}=\"{}\"", escaped(value, true));
            let labels: Vec<String> = sample.labels.iter().map(label).collect();
            let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
            text.push_str(&format!("{name}{labels} {}\n", sample.value));
        }
    }
    text
}

fn escaped(text: &str, quoted: bool) -> String {
    let text = text.replace('\\', "\\\\").replace('\n', "\\n");
    if quoted { text.replace('"', "\\\"") } else { text }
}

/// The living tree, drawn.
pub(super) fn tree(root: &Value, pen: &Pen) -> String {
    let mut text = node(root, pen) + "\n";
    branches(root, "", pen, &mut text);
    text
}

fn branches(of: &Value, before: &str, pen: &Pen, text: &mut String) {
    let children = of["children"].as_array().map(Vec::as_slice).unwrap_or_default();
    for (nth, child) in children.iter().enumerate() {
        let last = nth + 1 == children.len();
        let (branch, below) = if last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        let drawn = pen.paint(Tint::Dim, &format!("{before}{branch}"));
        text.push_str(&format!("{drawn}{}\n", node(child, pen)));
        branches(child, &format!("{before}{below}"), pen, text);
    }
}

fn node(of: &Value, pen: &Pen) -> String {
    let said = |key: &str| of[key].as_str().map(line).unwrap_or_default();
    let name = match said("kind").as_str() {
        "supervisor" => pen.paint(Tint::Bold, &said("name")),
        "session" => pen.paint(Tint::Cyan, &said("name")),
        _ => said("name"),
    };
    let state = said("state");
    let mut facts: Vec<String> =
        [said("strategy"), state.clone()].into_iter().filter(|s| !s.is_empty()).collect();
    if let Some(n @ 1..) = of["restarts"].as_u64() {
        facts.push(count(usize::try_from(n).unwrap_or(usize::MAX), "restart"));
    }
    let tint = if state == "blocked" { Tint::Red } else { Tint::Dim };
    if facts.is_empty() { name } else { format!("{name}  {}", pen.paint(tint, &facts.join(", "))) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use model::answer::Sample;

    use super::*;

    #[test]
    fn metrics_are_printed_as_prometheus_reads_them() {
        let sample = |labels: &[(&str, &str)], value| Sample {
            labels: labels
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect::<BTreeMap<_, _>>(),
            value,
        };
        let metric = |name: &str, samples| Metric {
            name: name.into(),
            help: "a\nb".into(),
            kind: MetricKind::Gauge,
            samples,
        };
        let all = [
            metric("one", vec![sample(&[], 7)]),
            metric("two", vec![sample(&[("rig", "a\"b\\c"), ("x", "y")], 0)]),
            metric("none", Vec::new()),
        ];
        let expected = "# HELP one a\\nb\n# TYPE one gauge\none 7\n# HELP two a\\nb\n# TYPE two gauge\n\
                        two{rig=\"a\\\"b\\\\c\",x=\"y\"} 0\n# HELP none a\\nb\n# TYPE none gauge\n";
        assert_eq!(metrics(&all), expected);
    }
}
