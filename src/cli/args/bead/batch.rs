//! Many beads from a file: Markdown with a heading for each, or a graph as JSON.

use std::collections::BTreeMap;

use model::bead::{DepType, Priority};
use model::command::NewBead;
use model::ids::{BeadId, RigName};
use model::refusal::Refusal;
use model::work::{Node, Plan};
use serde::Deserialize;
use serde_json::Value;

/// Reads beads from Markdown: each `## heading` is a bead, and `### Priority`, `### Type`, `### Description`,
/// `### Acceptance Criteria`, `### Design`, `### Assignee`, `### Labels`, `### Dependencies` below it say more. What
/// stands below the heading itself is the description.
pub(super) fn markdown(
    text: &str,
    rig: Option<&RigName>,
    parent: Option<&BeadId>,
) -> Result<Vec<Node>, Refusal> {
    let mut nodes: Vec<Node> = Vec::new();
    let mut section = String::new();
    let mut body = String::new();
    let mut fenced = false;
    let close = |nodes: &mut Vec<Node>, section: &str, body: &mut String| -> Result<(), Refusal> {
        let text = std::mem::take(body);
        match nodes.last_mut() {
            Some(node) => say(node, section, text.trim()),
            None => Ok(()),
        }
    };
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if let Some(title) = line.strip_prefix("## ").filter(|_| !fenced) {
            close(&mut nodes, &section, &mut body)?;
            section.clear();
            let bead = NewBead {
                title: title.trim().to_owned(),
                rig: rig.cloned(),
                parent: parent.cloned(),
                ..NewBead::default()
            };
            nodes.push(Node { key: title.trim().to_owned(), bead, ..Node::default() });
        } else if let Some(head) = line.strip_prefix("### ").filter(|_| !fenced) {
            close(&mut nodes, &section, &mut body)?;
            section = head.trim().to_lowercase();
        } else {
            body.push_str(line);
            body.push('\n');
        }
    }
    close(&mut nodes, &section, &mut body)?;
    if nodes.is_empty() {
        return Err(Refusal::usage("there is no bead in it").hint("each begins with a heading: ## Title"));
    }
    Ok(nodes)
}

fn say(node: &mut Node, section: &str, text: &str) -> Result<(), Refusal> {
    if text.is_empty() {
        return Ok(());
    }
    let wrong = |why: String| Refusal::usage(format!("{:?}, {section}: {why}", node.bead.title));
    let list = || {
        text.split([',', '\n'])
            .map(|word| word.trim().trim_start_matches("- ").trim())
            .filter(|word| !word.is_empty())
    };
    match section {
        "" | "description" => node.bead.description = text.to_owned(),
        "priority" => node.bead.priority = text.parse().map_err(wrong)?,
        "type" => node.bead.issue_type = text.parse().map_err(wrong)?,
        "acceptance criteria" | "acceptance" => node.bead.acceptance_criteria = text.to_owned(),
        "assignee" => node.bead.assignee = Some(text.to_owned()),
        "labels" => node.bead.labels = list().map(str::to_owned).collect(),
        "dependencies" | "deps" => {
            for word in list() {
                // A title may hold a colon too; only a word for a dependency splits it.
                let split =
                    word.split_once(':').and_then(|(kind, on)| Some((kind.trim().parse().ok()?, on.trim())));
                let (kind, on): (DepType, &str) = split.unwrap_or((DepType::Blocks, word));
                node.deps.push((kind, on.to_owned()));
            }
        }
        "design" | "notes" => {
            node.bead.fields.insert(section.to_owned(), Value::String(text.to_owned()));
        }
        // A heading of the author's own belongs to the text.
        other => {
            let more = format!("### {other}\n\n{text}");
            let all = [node.bead.description.trim(), more.as_str()].join("\n\n");
            node.bead.description = all.trim().to_owned();
        }
    }
    Ok(())
}

/// A graph as JSON: beads with keys, and what ties them.
#[derive(Debug, Deserialize)]
struct Drawn {
    #[serde(default, alias = "issues", alias = "beads")]
    nodes: Vec<DrawnNode>,
    #[serde(default, alias = "dependencies", alias = "deps")]
    edges: Vec<DrawnEdge>,
}

#[derive(Debug, Deserialize)]
struct DrawnNode {
    #[serde(default, alias = "id", alias = "ref")]
    key: Option<String>,
    title: String,
    #[serde(default, alias = "issue_type", rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    priority: Option<Value>,
    #[serde(default)]
    description: String,
    #[serde(default, alias = "acceptance_criteria")]
    acceptance: String,
    #[serde(default)]
    labels: Vec<String>,
    #[serde(default)]
    assignee: Option<String>,
    #[serde(default, alias = "parent_key", alias = "parent_id")]
    parent: Option<String>,
    #[serde(default, alias = "deps", alias = "needs", alias = "blocked_by")]
    depends_on: Vec<String>,
    #[serde(default)]
    metadata: Option<Value>,
    #[serde(default)]
    fields: BTreeMap<String, Value>,
}

#[derive(Debug, Deserialize)]
struct DrawnEdge {
    #[serde(alias = "from_key", alias = "from_id", alias = "issue_id")]
    from: String,
    #[serde(alias = "to_key", alias = "to_id", alias = "depends_on_id")]
    to: String,
    #[serde(default, rename = "type")]
    kind: Option<String>,
}

/// Reads a graph.
pub(super) fn graph(
    text: &str,
    rig: Option<&RigName>,
    parent: Option<&BeadId>,
) -> Result<Vec<Node>, Refusal> {
    let example = r#"{"nodes":[{"key":"a","title":"First"},{"key":"b","title":"Second"}],"edges":[{"from":"b","to":"a"}]}"#;
    let drawn: Drawn = serde_json::from_str(text)
        .map_err(|error| Refusal::usage(format!("it is no graph of beads: {error}")).hint(example))?;
    let mut nodes = Vec::new();
    for (number, node) in drawn.nodes.into_iter().enumerate() {
        let wrong = |why: String| Refusal::usage(format!("{:?}: {why}", node.title));
        let priority = match &node.priority {
            None => Priority::default(),
            Some(Value::String(text)) => text.parse().map_err(wrong)?,
            Some(other) => other.to_string().parse().map_err(wrong)?,
        };
        let mut fields = node.fields;
        fields.extend(node.metadata.map(|metadata| ("metadata".to_owned(), metadata)));
        nodes.push(Node {
            key: node.key.unwrap_or_else(|| format!("node {}", number + 1)),
            parent: node.parent.clone(),
            deps: node.depends_on.into_iter().map(|on| (DepType::Blocks, on)).collect(),
            bead: NewBead {
                issue_type: node.kind.as_deref().unwrap_or("task").parse().map_err(wrong)?,
                priority,
                description: node.description,
                acceptance_criteria: node.acceptance,
                labels: node.labels,
                assignee: node.assignee,
                parent: parent.filter(|_| node.parent.is_none()).cloned(),
                rig: rig.filter(|_| node.parent.is_none()).cloned(),
                fields,
                title: node.title,
                ..NewBead::default()
            },
        });
    }
    for edge in drawn.edges {
        let kind: DepType = edge.kind.as_deref().unwrap_or("blocks").parse().map_err(Refusal::usage)?;
        let known: Vec<&str> = nodes.iter().map(|node| node.key.as_str()).collect();
        if !known.contains(&edge.from.as_str()) {
            return Err(Refusal::no_such("bead of the graph", &edge.from, known));
        }
        for node in nodes.iter_mut().filter(|node| node.key == edge.from) {
            if kind == DepType::ParentChild {
                node.parent = Some(edge.to.clone());
                node.bead.rig = None;
            } else {
                node.deps.push((kind, edge.to.clone()));
            }
        }
    }
    Ok(nodes)
}

/// A plan of these.
pub(super) fn plan(nodes: Vec<Node>, dry_run: bool) -> Plan {
    Plan { nodes, dry_run }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_become_beads() {
        let text = "# Plan\nwords\n## First\nDo it.\n```\n## no heading\n```\n### Priority\n1\n### Labels\na, b\n\n## Second: \
                    more\n### Type\nbug\n### Dependencies\nblocks:First\n### Why\nbecause\n";
        let nodes = markdown(text, None, None).unwrap();
        assert_eq!(nodes.len(), 2);
        assert_eq!(nodes[0].bead.priority, "P1".parse().unwrap());
        assert_eq!(nodes[0].bead.labels, ["a", "b"]);
        assert!(nodes[0].bead.description.contains("## no heading"));
        assert_eq!(nodes[1].deps, [(DepType::Blocks, "First".to_owned())]);
        assert_eq!(nodes[1].bead.description, "### why\n\nbecause");
        assert!(markdown("nothing", None, None).is_err());
        assert!(markdown("## A\n### Priority\n9\n", None, None).unwrap_err().message.contains("priority"));
    }

    #[test]
    fn a_graph_becomes_a_plan() {
        let text = r#"{"nodes":[{"key":"e","title":"E","type":"epic","priority":1},{"key":"a","title":"A","parent":"e"},
                       {"key":"b","title":"B","priority":"P0"}],
                       "edges":[{"from":"b","to":"a"},{"from":"b","to":"e","type":"parent-child"}]}"#;
        let nodes = graph(text, None, None).unwrap();
        assert_eq!((nodes[1].parent.as_deref(), nodes[2].parent.as_deref()), (Some("e"), Some("e")));
        assert_eq!(nodes[2].deps, [(DepType::Blocks, "a".to_owned())]);
        assert!(graph(r#"{"nodes":[],"edges":[{"from":"x","to":"y"}]}"#, None, None).is_err());
        assert!(graph("[]x", None, None).unwrap_err().hint.is_some());
    }
}
