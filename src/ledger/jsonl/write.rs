//! Beads out to lines.

use model::bead::Bead;
use serde_json::{Map, Value, json};

use super::{FOREIGN_RIG, fields};

/// Returns `beads` as lines of JSON, ordered by id as people count.
///
/// `routed` says which rig a bead belongs to by its name alone: only a rig that differs is written.
pub fn export<'a>(
    beads: impl IntoIterator<Item = &'a Bead>,
    routed: impl Fn(&Bead) -> Option<model::ids::RigName>,
) -> String {
    let mut beads: Vec<&Bead> = beads.into_iter().collect();
    beads.sort_by(|a, b| a.id.compare(&b.id));
    let mut text = String::new();
    for bead in beads {
        text.push_str(&line(bead, routed(bead).as_ref()).to_string());
        text.push('\n');
    }
    text
}

fn line(bead: &Bead, routed: Option<&model::ids::RigName>) -> Value {
    let value = serde_json::to_value(bead).expect("a bead has text keys and nothing that can fail");
    let Value::Object(mut fields) = value else { unreachable!("a bead is an object") };
    fields.remove("rig");
    if let Some(rig) = fields.remove(FOREIGN_RIG) {
        fields.insert("rig".into(), rig);
    } else if bead.rig.as_ref() != routed {
        fields.insert("rig".into(), json!(bead.rig));
    }
    if let Some(Value::Array(comments)) = fields.get_mut("comments") {
        for comment in comments {
            let Value::Object(row) = comment.take() else { continue };
            *comment =
                Value::Object(in_order(row, &["id", "issue_id", "author", "text", "created_at"], bead));
        }
    }
    if let Some(Value::Array(deps)) = fields.get_mut("dependencies") {
        for dep in deps {
            let Value::Object(mut row) = dep.take() else { continue };
            row.retain(|key, value| key != "created_by" || *value != json!(""));
            let order =
                ["issue_id", "depends_on_id", "type", "created_at", "created_by", "metadata", "thread_id"];
            *dep = Value::Object(in_order(row, &order, bead));
        }
    }
    fields::drop_empty(&mut fields);
    // Values of an import keep the order in which they came; here it must not matter.
    for (key, value) in &mut fields {
        match (key.as_str(), value) {
            ("comments" | "dependencies", Value::Array(rows)) => {
                let inner = rows.iter_mut().filter_map(Value::as_object_mut).flat_map(Map::values_mut);
                inner.for_each(Value::sort_all_objects);
            }
            (_, value) => value.sort_all_objects(),
        }
    }
    Value::Object(fields::sort(fields))
}

/// The row with the keys of `order` first, and the bead that it belongs to.
fn in_order(mut row: Map<String, Value>, order: &[&str], bead: &Bead) -> Map<String, Value> {
    let mut sorted = Map::new();
    for key in order {
        match row.remove(*key) {
            Some(value) => drop(sorted.insert((*key).into(), value)),
            None if *key == "issue_id" => drop(sorted.insert((*key).into(), json!(bead.id))),
            None => {}
        }
    }
    let mut rest: Vec<(String, Value)> = row.into_iter().collect();
    rest.sort_by(|(a, _), (b, _)| a.cmp(b));
    sorted.extend(rest);
    sorted
}
