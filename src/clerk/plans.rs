//! Several beads at once: plans, parts of a whole, and beads that take another's place.

use std::collections::BTreeMap;

use model::answer::Answer;
use model::bead::{Bead, DepType, IssueType, Patch};
use model::command::{NewBead, Origin};
use model::event::Event;
use model::ids::BeadId;
use model::refusal::Refusal;
use model::work::{Node, Plan, Replaced};

use crate::beads;
use crate::deps;
use crate::draft::Draft;

/// Beads that are made at once at most.
const MOST: usize = 10_000;

/// Makes all beads of a plan, or none.
///
/// # Errors
/// `usage` for a plan that does not fit together; `cycle`; whatever one of its beads is refused for.
pub fn make(draft: &mut Draft<'_>, origin: &Origin, plan: &Plan) -> Result<Answer, Refusal> {
    if plan.nodes.is_empty() {
        return Err(Refusal::usage("there is nothing in it to make"));
    }
    if plan.nodes.len() > MOST {
        return Err(Refusal::usage(format!("at most {MOST} beads are made at once")));
    }
    let mut keys: BTreeMap<&str, usize> = BTreeMap::new();
    for (place, node) in plan.nodes.iter().enumerate() {
        if keys.insert(&node.key, place).is_some() {
            return Err(Refusal::usage(format!("two beads are called {:?} in it", node.key)));
        }
    }
    let order = in_order(plan, &keys)?;
    let mut names: BTreeMap<&str, BeadId> = BTreeMap::new();
    let mut made: Vec<(usize, Bead)> = Vec::new();
    for place in order {
        let node = &plan.nodes[place];
        let named = |text: &str| meant(&names, text);
        let mut new = NewBead { dry_run: false, ..node.bead.clone() };
        if let Some(parent) = &node.parent {
            new.parent = Some(named(parent)?);
        }
        for (kind, on) in &node.deps {
            new.deps.push((*kind, named(on)?));
        }
        let refused = |refusal: Refusal| Refusal {
            message: format!("{:?}: {}", node.bead.title, refusal.message),
            ..refusal
        };
        let Answer::Bead(bead) = beads::create(draft, origin, &new).map_err(refused)? else { continue };
        names.insert(&node.key, bead.id.clone());
        made.push((place, *bead));
    }
    if plan.dry_run {
        draft.forget();
    }
    made.sort_by_key(|(place, _)| *place);
    Ok(Answer::Beads(made.into_iter().map(|(_, bead)| bead.into()).collect()))
}

fn meant(names: &BTreeMap<&str, BeadId>, text: &str) -> Result<BeadId, Refusal> {
    match names.get(text) {
        Some(id) => Ok(id.clone()),
        None => text.parse().map_err(|_| {
            Refusal::no_such("bead", text, names.keys().copied())
                .hint("a bead of a plan is named by its key, any other by its id")
        }),
    }
}

/// The places of a plan's nodes so that each comes behind all that it names.
fn in_order(plan: &Plan, keys: &BTreeMap<&str, usize>) -> Result<Vec<usize>, Refusal> {
    let count = plan.nodes.len();
    let mut waiting = vec![0; count];
    let mut then: Vec<Vec<usize>> = vec![Vec::new(); count];
    for (place, node) in plan.nodes.iter().enumerate() {
        let named = node.parent.iter().chain(node.deps.iter().map(|(_, on)| on));
        for on in named.filter_map(|name| keys.get(name.as_str())) {
            waiting[place] += 1;
            then[*on].push(place);
        }
    }
    let mut free: std::collections::BTreeSet<usize> =
        (0..count).filter(|place| waiting[*place] == 0).collect();
    let mut order = Vec::with_capacity(count);
    while let Some(place) = free.pop_first() {
        order.push(place);
        for next in &then[place] {
            waiting[*next] -= 1;
            if waiting[*next] == 0 {
                free.insert(*next);
            }
        }
    }
    if order.len() < count {
        let round: Vec<&str> = (0..count)
            .filter(|place| waiting[*place] > 0)
            .map(|place| plan.nodes[place].key.as_str())
            .collect();
        return Err(Refusal::forbidden("cycle", format!("these go round in a circle: {}", round.join(", "))));
    }
    Ok(order)
}

/// Cuts a bead into parts: those that are given, or those that its description lists.
pub fn split(
    draft: &mut Draft<'_>,
    origin: &Origin,
    bead: &BeadId,
    parts: &[String],
    chain: bool,
    dry_run: bool,
) -> Result<Answer, Refusal> {
    let whole = beads::find(draft.board, bead)?.clone();
    let listed = if parts.is_empty() { list_items(&whole.description) } else { Vec::new() };
    let parts: Vec<&str> =
        parts.iter().map(String::as_str).chain(listed.iter().map(String::as_str)).collect();
    if parts.is_empty() {
        return Err(Refusal::usage(format!("{bead} lists no parts in its description"))
            .hint(format!("give them: gastown split {bead} --part \"One\" --part \"Two\"")));
    }
    let has = |title: &str| draft.board.beads.children(bead).any(|part| part.title == title);
    let mut nodes: Vec<Node> = Vec::new();
    for (number, part) in parts.iter().enumerate() {
        let (title, more) = part.trim().split_once('\n').unwrap_or((part.trim(), ""));
        if has(title.trim()) {
            continue;
        }
        let before = nodes.last().filter(|_| chain).map(|node: &Node| (DepType::Blocks, node.key.clone()));
        nodes.push(Node {
            key: format!("part {}", number + 1),
            bead: NewBead {
                title: title.trim().to_owned(),
                description: more.trim().to_owned(),
                priority: whole.priority,
                labels: whole.labels.clone(),
                ..NewBead::default()
            },
            parent: Some(bead.to_string()),
            deps: before.into_iter().collect(),
        });
    }
    if nodes.is_empty() {
        return Ok(Answer::Beads(Vec::new()));
    }
    // A bead that has parts is done when they are.
    if whole.issue_type != IssueType::Epic && !dry_run {
        let patch = Patch { issue_type: Some(IssueType::Epic), ..Patch::default() };
        draft.push(Event::BeadUpdated { bead: bead.clone(), patch });
    }
    make(draft, origin, &Plan { nodes, dry_run })
}

/// The items of the lists in a text: `- one`, `* two`, `3. three`, `- [ ] four`; ticked ones are left out.
fn list_items(text: &str) -> Vec<String> {
    let item = |line: &str| {
        let line = line.trim_start();
        let numbered =
            line.split_once(". ").filter(|(n, _)| !n.is_empty() && n.chars().all(|c| c.is_ascii_digit()));
        let rest = match numbered {
            Some((_, rest)) => rest,
            None => line.strip_prefix("- ").or_else(|| line.strip_prefix("* "))?,
        };
        let rest = rest.trim();
        if rest.starts_with("[x]") || rest.starts_with("[X]") {
            return None;
        }
        let rest = rest.strip_prefix("[ ]").unwrap_or(rest).trim();
        (!rest.is_empty()).then(|| rest.to_owned())
    };
    text.lines().filter_map(item).collect()
}

/// Closes `bead` in favour of `by`, and links the two.
pub fn replace(draft: &mut Draft<'_>, bead: &BeadId, by: &BeadId, how: Replaced) -> Result<Answer, Refusal> {
    beads::find(draft.board, by)?;
    if bead == by {
        return Err(Refusal::usage(format!("{bead} cannot take its own place")));
    }
    let (link, reason) = match how {
        Replaced::Duplicate => ("duplicates", format!("duplicate of {by}")),
        Replaced::Superseded => ("superseded-by", format!("superseded by {by}")),
    };
    let kind = DepType::of(link).map_err(Refusal::usage)?;
    deps::depend(draft, bead, by, Some(kind))?;
    beads::close(draft, std::slice::from_ref(bead), Some(&reason), false)
}

/// Keeps `text` in mind under `key`, or under a name made of its first words.
pub fn remember(draft: &mut Draft<'_>, key: Option<&str>, text: &str) -> Result<Answer, Refusal> {
    if text.trim().is_empty() || text.len() > 64 * 1024 {
        return Err(Refusal::usage("what is to be remembered is a text of at most 64 KiB"));
    }
    let words = |text: &str| {
        let lower = text.to_lowercase();
        let words = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        words.take(6).collect::<Vec<_>>().join("-")
    };
    let key = key.map_or_else(|| words(text), |key| key.trim().to_owned());
    if key.is_empty() || key.len() > 100 || key.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(Refusal::usage(format!("{key:?} is no name for a memory"))
            .hint("a name has at most 100 characters and no blanks: --key NAME"));
    }
    draft.push(Event::MemorySet { key: key.clone(), text: text.trim().to_owned() });
    let row = model::work::MemoryRow {
        key,
        value: text.trim().to_owned(),
        by: draft.actor().to_string(),
        at: draft.now,
    };
    Ok(Answer::Found(Box::new(model::work::Found::Memories(vec![row]))))
}

/// No longer keeps in mind what is called `key`.
pub fn forget(draft: &mut Draft<'_>, key: &str) -> Result<Answer, Refusal> {
    if draft.board.memories.get(key).is_none() {
        return Err(Refusal::no_such("memory", key, draft.board.memories.iter().map(|(key, _)| key)));
    }
    draft.push(Event::MemoryForgotten { key: key.to_owned() });
    Ok(Answer::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_in_a_text_are_found() {
        let text = "Do this:\n- one\n* two\n 3. three\n- [ ] four\n- [x] done\n-nothing\n1.5 no";
        assert_eq!(list_items(text), ["one", "two", "three", "four"]);
    }
}
