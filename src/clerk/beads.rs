//! Beads: made, changed, closed, tied to each other.

use std::collections::BTreeSet;
use std::sync::Arc;

use ledger::views::Board;
use model::answer::{Answer, ClosedReport};
use model::bead::{Bead, Comment, CommentId, DepType, Dependency, IssueType, Move, Patch, Status};
use model::command::{BeadFilter, NewBead, Origin};
use model::event::{Event, Record};
use model::fields;
use model::ids::{BeadId, Prefix, RigName, Seq};
use model::refusal::Refusal;
use model::work::BeadLine;

use crate::choosing;
use crate::convoys;
use crate::deps;
use crate::draft::Draft;
use crate::names;

/// The longest text of one field, in bytes.
const MAX_TEXT: usize = 1024 * 1024;

/// The bead called `id`.
///
/// # Errors
/// `no_such_bead`, with near matches.
pub fn find<'a>(board: &'a Board, id: &BeadId) -> Result<&'a Bead, Refusal> {
    if let Some(bead) = board.beads.get(id) {
        return Ok(bead);
    }
    let refusal = Refusal::no_such("bead", id.as_str(), board.beads.iter().map(|bead| bead.id.as_str()));
    Err(match board.beads.tombstone(id) {
        Some(bead) => Refusal { message: format!("{id} was deleted elsewhere: {}", bead.title), ..refusal }
            .hint("`gastown bead export` has what is left of it"),
        None => refusal,
    })
}

/// Refuses types that nobody here knows, with those that are known: only an import may bring them.
fn known_type(kind: IssueType) -> Result<(), Refusal> {
    if kind.is_foreign() {
        return Err(Refusal::usage(kind.as_str().parse::<IssueType>().err().unwrap_or_default()));
    }
    Ok(())
}

/// The name that somebody wants to give a bead, and the rig that it belongs to by it.
fn unused(draft: &Draft<'_>, id: &BeadId) -> Result<(BeadId, Option<RigName>), Refusal> {
    if !id.is_ours() {
        return Err(Refusal::usage(format!("{id} names a bead of another project")));
    }
    if draft.board.beads.is_taken(id) || draft.bead(id).is_some() {
        return Err(Refusal::forbidden("bead_exists", format!("{id} is the name of another bead"))
            .hint("leave --id away, and a free name is found"));
    }
    let rig = crate::imports::routed(draft.board, id);
    let town = Prefix::town();
    if rig.is_none() && !id.as_str().strip_prefix(town.as_str()).is_some_and(|rest| rest.starts_with('-')) {
        let known: Vec<&str> = draft.board.rigs.iter().map(|rig| rig.prefix.as_str()).collect();
        return Err(Refusal::usage(format!("{id} begins with the prefix of no rig"))
            .hint(format!("prefixes are {town}, {}", known.join(", "))));
    }
    Ok((id.clone(), rig))
}

/// Makes a bead.
pub fn create(draft: &mut Draft<'_>, origin: &Origin, new: &NewBead) -> Result<Answer, Refusal> {
    let title = new.title.trim();
    if title.is_empty() {
        return Err(Refusal::usage("a bead needs a title").hint("give it with --title"));
    }
    if title.lines().count() > 1 || title.len() > 500 {
        return Err(Refusal::usage("a title is one line of at most 500 characters")
            .hint("put the rest into --description"));
    }
    if new.description.len() > MAX_TEXT || new.acceptance_criteria.len() > MAX_TEXT {
        return Err(Refusal::usage("a text of a bead is at most 1 MiB"));
    }
    known_type(new.issue_type)?;
    for (name, value) in &new.fields {
        fields::check(name, value).map_err(Refusal::usage)?;
    }
    let board = draft.board;
    // An agent's beads are its rig's, unless it says otherwise.
    let asked = new.rig.clone().or_else(|| {
        let parent = new.parent.as_ref().and_then(|parent| draft.bead(parent));
        parent.map_or_else(|| origin.actor().rig().cloned(), |parent| parent.rig.clone())
    });
    let rig = match &asked {
        Some(name) => Some(board.rigs.get(name).ok_or_else(|| names::no_rig(board, name.as_str()))?),
        None => None,
    };
    let named = new.id.as_ref().map(|id| unused(draft, id)).transpose()?;
    let rig = match &named {
        // A name says itself where it belongs.
        Some((_, rig)) if asked.is_none() => rig.as_ref().and_then(|rig| board.rigs.get(rig)),
        Some((id, routed)) if routed.as_ref() != rig.map(|rig| &rig.name) => {
            let home = routed.as_ref().map_or("the town", |rig| rig.as_str());
            return Err(Refusal::usage(format!("{id} is a name of {home}")).hint("leave --rig or --id away"));
        }
        _ => rig,
    };
    let id = match &new.parent {
        _ if named.is_some() => named.map(|(id, _)| id).expect("it is there"),
        Some(parent) => {
            if draft.bead(parent).is_none() {
                find(board, parent)?;
            }
            draft.child_id(parent)
        }
        None => draft.bead_id(rig.map_or(&Prefix::town(), |rig| &rig.prefix).as_str(), title),
    };
    let arrow = |kind: DepType, on: &BeadId| {
        let any = (kind == DepType::WaitsFor && new.any_child)
            .then(|| ("metadata".to_owned(), serde_json::json!({"gate": "any-children"})));
        Dependency {
            issue_id: id.clone(),
            depends_on_id: on.clone(),
            kind,
            created_at: draft.now.into(),
            created_by: draft.actor().to_string(),
            extra: any.into_iter().collect(),
        }
    };
    let mut dependencies = Vec::new();
    for (kind, on) in &new.deps {
        if draft.bead(on).is_none() && on.is_ours() {
            find(board, on)?;
        }
        dependencies.push(arrow(*kind, on));
    }
    if let Some(parent) = &new.parent
        && !dependencies.iter().any(|dep| dep.kind == DepType::ParentChild)
    {
        dependencies.push(arrow(DepType::ParentChild, parent));
    }
    let labels: BTreeSet<String> = new.labels.iter().map(|label| label.trim().to_owned()).collect();
    let bead = Bead {
        id,
        title: title.to_owned(),
        description: new.description.clone(),
        acceptance_criteria: new.acceptance_criteria.clone(),
        status: Status::Open,
        priority: new.priority,
        issue_type: new.issue_type,
        assignee: new.assignee.clone().filter(|assignee| !assignee.is_empty()),
        rig: rig.map(|rig| rig.name.clone()),
        created_at: draft.now.into(),
        updated_at: draft.now.into(),
        created_by: draft.actor().to_string(),
        closed_at: None,
        close_reason: None,
        dependencies,
        labels: labels.into_iter().filter(|label| !label.is_empty()).collect(),
        comments: Vec::new(),
        extra: Default::default(),
    };
    let mut bead = bead;
    for (name, value) in &new.fields {
        fields::set(&mut bead.extra, name, value);
    }
    if new.dry_run {
        draft.forget();
        return Ok(Answer::Bead(Box::new(bead)));
    }
    draft.push(Event::BeadCreated { bead: Arc::new(bead.clone()) });
    Ok(Answer::Bead(Box::new(bead)))
}

/// Changes beads by hand.
pub fn update(
    draft: &mut Draft<'_>,
    ids: &[BeadId],
    patch: &Patch,
    status: Option<Status>,
    claim: bool,
    parent: Option<&str>,
) -> Result<Answer, Refusal> {
    if patch.is_empty() && status.is_none() && !claim && parent.is_none() {
        return Err(Refusal::usage("nothing to change").hint("see `gastown bead update --help`"));
    }
    patch.issue_type.map_or(Ok(()), known_type)?;
    for (name, value) in &patch.fields {
        fields::check(name, value).map_err(Refusal::usage)?;
    }
    for id in ids {
        let bead = find(draft.board, id)?;
        let mut patch = patch.clone();
        if patch.title.as_ref().is_some_and(|title| title.trim().is_empty()) {
            return Err(Refusal::usage("a bead needs a title"));
        }
        if claim {
            let me = draft.actor().to_string();
            if bead.status == Status::Closed {
                return Err(Refusal::forbidden("bead_closed", format!("{id} is closed")));
            }
            if let Some(holder) = draft.board.hooks.holder(id).filter(|holder| holder.to_string() != me) {
                return Err(Refusal::forbidden("claimed", format!("{id} hangs on the hook of {holder}")));
            }
            match &bead.assignee {
                Some(other) if *other != me => {
                    return Err(Refusal::forbidden("claimed", format!("{id} is claimed by {other}")));
                }
                _ => patch.assignee = Some(me),
            }
        }
        if let Some(parent) = parent {
            reparent(draft, bead, parent)?;
        }
        if !patch.is_empty() {
            draft.push(Event::BeadUpdated { bead: id.clone(), patch });
        }
        let status = status.or((claim && bead.status == Status::Open).then_some(Status::InProgress));
        match status {
            Some(to) if to == bead.status => {}
            Some(Status::Closed) => close_one(draft, id, None, &[])?,
            Some(Status::Open) if bead.status == Status::Closed => reopen_one(draft, id, None)?,
            Some(to) => set_status(draft, id, to)?,
            None => {}
        }
    }
    Ok(Answer::Touched(ids.to_vec()))
}

/// Makes the actor the assignee of the first bead that is ready and nobody's.
pub fn claim_next(draft: &mut Draft<'_>, filter: &BeadFilter) -> Result<Answer, Refusal> {
    choosing::check(draft.board, filter)?;
    let words = filter.text.as_ref().map(|text| text.to_lowercase());
    let free = |bead: &&Arc<Bead>| {
        bead.assignee.is_none()
            && draft.board.hooks.waiting(&bead.id).is_none()
            && choosing::fits(bead, filter, words.as_deref(), draft.now)
    };
    let first = choosing::in_order(
        draft.board.beads.ready(draft.now).filter(free),
        &BeadFilter { limit: Some(1), ..filter.clone() },
    );
    let Some(bead) = first.first() else {
        return Err(Refusal::failed("nothing_ready", "nothing is ready that is nobody's"));
    };
    update(draft, std::slice::from_ref(&bead.id), &Patch::default(), None, true, None)
}

/// Makes `bead` a part of `parent`, and of nothing else; of nothing at all if that is empty.
fn reparent(draft: &mut Draft<'_>, bead: &Bead, parent: &str) -> Result<(), Refusal> {
    let parent = match parent {
        "" | "none" => None,
        name => Some(name.parse::<BeadId>().map_err(|error| Refusal::usage(error.to_string()))?),
    };
    for dep in bead.dependencies.iter().filter(|dep| dep.kind == DepType::ParentChild) {
        if parent.as_ref() == Some(&dep.depends_on_id) {
            return Ok(());
        }
        draft.push(Event::DepRemoved { bead: bead.id.clone(), on: dep.depends_on_id.clone() });
    }
    match parent {
        Some(parent) => deps::depend(draft, &bead.id, &parent, Some(DepType::ParentChild)).map(drop),
        None => Ok(()),
    }
}

fn set_status(draft: &mut Draft<'_>, id: &BeadId, to: Status) -> Result<(), Refusal> {
    let bead = find(draft.board, id)?;
    if to.is_foreign() {
        return Err(Refusal::usage(to.as_str().parse::<Status>().err().unwrap_or_default()));
    }
    // An import brings beads that hung on a hook elsewhere; here nobody has them.
    let nobodys = bead.status == Status::Hooked && draft.board.hooks.holder(id).is_none();
    let by = if nobodys { Move::Unhook } else { Move::Edit };
    if !bead.status.may_become(to, by) {
        let hint = match (bead.status, to) {
            (_, Status::Hooked) => format!("hang it on a hook with `gastown sling {id} RIG`"),
            (Status::Hooked, _) => format!("take it off its hook first with `gastown unsling {id}`"),
            (Status::Closed, _) => format!("open it again first with `gastown bead reopen {id}`"),
            _ => "see docs/glossary.md for the statuses".to_owned(),
        };
        return Err(Refusal::forbidden(
            "illegal_transition",
            format!("{id} is {} and cannot become {to} by hand", bead.status),
        )
        .hint(hint));
    }
    draft.push(Event::BeadStatusChanged { bead: id.clone(), from: bead.status, to, by, reason: None });
    Ok(())
}

/// Closes beads.
pub fn close(
    draft: &mut Draft<'_>,
    ids: &[BeadId],
    reason: Option<&str>,
    suggest: bool,
) -> Result<Answer, Refusal> {
    let mut closed: Vec<BeadId> = Vec::new();
    for id in ids {
        if !closed.contains(id) {
            close_one(draft, id, reason, &closed)?;
            closed.push(id.clone());
        }
    }
    if !suggest {
        return Ok(Answer::Touched(closed));
    }
    let unblocked = freed_by(draft, &closed);
    Ok(Answer::Closed(ClosedReport { closed, unblocked }))
}

/// What can be begun as soon as `closed` are: what waits for one of them, or for the whole that it is a part of,
/// and for nothing else.
fn freed_by(draft: &Draft<'_>, closed: &[BeadId]) -> Vec<BeadLine> {
    let mut after = draft.board.beads.clone();
    for (number, event) in draft.events().enumerate() {
        let seq = Seq(draft.board.head.0 + number as u64 + 1);
        let record = Record { seq, at: draft.now, actor: draft.actor().clone(), event: event.clone() };
        after.apply(&record);
    }
    let before = |bead: &Bead| draft.board.beads.is_ready(bead, draft.now);
    let mut around: BTreeSet<&BeadId> = BTreeSet::new();
    for id in closed {
        around.extend(after.dependents(id));
        for whole in after.get(id).into_iter().flat_map(|bead| &bead.dependencies) {
            around.extend(after.dependents(&whole.depends_on_id));
        }
    }
    // And the parts of what is free now.
    let mut todo: Vec<&BeadId> = around.iter().copied().collect();
    while let Some(whole) = todo.pop() {
        let parts = after.children(whole).map(|part| &part.id);
        todo.extend(parts.filter(|part| around.insert(part)));
    }
    let ready = |bead: &&Bead| after.is_ready(bead, draft.now) && !before(bead);
    let mut found: Vec<&Bead> = around.into_iter().filter_map(|id| after.get(id)).filter(ready).collect();
    found.sort_by_key(|bead| (bead.priority, bead.created_at.at()));
    found.into_iter().map(BeadLine::from).collect()
}

fn close_one(
    draft: &mut Draft<'_>,
    id: &BeadId,
    reason: Option<&str>,
    with: &[BeadId],
) -> Result<(), Refusal> {
    let board = draft.board;
    let bead = find(board, id)?;
    if bead.status == Status::Closed {
        return Err(Refusal::failed("already_closed", format!("{id} is closed already"))
            .hint(format!("it was closed because: {}", bead.close_reason.as_deref().unwrap_or("closed"))));
    }
    // Work on a branch is closed by landing and by nothing else.
    if let Some(holder) = board.hooks.holder(id) {
        return Err(Refusal::forbidden(
            "closed_by_landing",
            format!("{id} hangs on the hook of {holder}; it is closed when its branch has landed"),
        )
        .hint(format!(
            "the worker says `gt done`; to give the work up, `gastown unsling {id} --force` first"
        )));
    }
    if let Some(merge) = board.merges.of_bead(id).filter(|merge| merge.state.is_open()) {
        return Err(Refusal::forbidden(
            "closed_by_landing",
            format!("the branch of {id} is in the merge queue as {}", merge.id),
        )
        .hint("it is closed when that has landed"));
    }
    let open: Vec<String> = board
        .beads
        .children(id)
        .filter(|child| child.status != Status::Closed && !with.contains(&child.id))
        .map(|child| child.id.to_string())
        .collect();
    if bead.issue_type == IssueType::Epic && !open.is_empty() {
        return Err(Refusal::forbidden(
            "open_children",
            format!("epic {id} has parts that are not closed: {}", open.join(", ")),
        ));
    }
    shut(draft, id, reason.unwrap_or("closed"));
    Ok(())
}

/// Records that a bead is closed, and what follows from it. The rules have been looked at.
pub(crate) fn shut(draft: &mut Draft<'_>, id: &BeadId, reason: &str) {
    let from = draft.board.beads.get(id).map_or(Status::Open, |bead| bead.status);
    draft.push(Event::BeadClosed { bead: id.clone(), from, reason: reason.to_owned() });
    crate::exits::freed(draft, id);
    convoys::arrived(draft, id);
    crate::gates::closed(draft, id);
}

/// Opens closed beads again.
pub fn reopen(draft: &mut Draft<'_>, ids: &[BeadId], reason: Option<&str>) -> Result<Answer, Refusal> {
    for id in ids {
        reopen_one(draft, id, reason)?;
    }
    Ok(Answer::Touched(ids.to_vec()))
}

fn reopen_one(draft: &mut Draft<'_>, id: &BeadId, reason: Option<&str>) -> Result<(), Refusal> {
    let bead = find(draft.board, id)?;
    if !bead.status.may_become(Status::Open, Move::Reopen) {
        return Err(Refusal::failed("not_closed", format!("{id} is {}, not closed", bead.status)));
    }
    draft.push(Event::BeadStatusChanged {
        bead: id.clone(),
        from: bead.status,
        to: Status::Open,
        by: Move::Reopen,
        reason: reason.map(str::to_owned),
    });
    Ok(())
}

/// The number of the next remark: no other one has it, also where an import brought gaps and names.
fn next_comment(bead: &Bead) -> u64 {
    let number = |comment: &Comment| match &comment.id {
        CommentId::Number(n) => Some(*n),
        CommentId::Name(_) => None,
    };
    let highest = bead.comments.iter().filter_map(number).max().unwrap_or(0);
    highest.max(bead.comments.len() as u64).saturating_add(1)
}

/// Adds a remark.
pub fn comment(draft: &mut Draft<'_>, bead: &BeadId, text: &str) -> Result<Answer, Refusal> {
    let on = find(draft.board, bead)?;
    if text.trim().is_empty() || text.len() > MAX_TEXT {
        return Err(Refusal::usage("a comment is a text of at most 1 MiB"));
    }
    let comment = Comment {
        id: next_comment(on).into(),
        author: draft.actor().to_string(),
        text: text.to_owned(),
        created_at: draft.now.into(),
        extra: Default::default(),
    };
    draft.push(Event::BeadCommented { bead: bead.clone(), comment });
    Ok(Answer::Touched(vec![bead.clone()]))
}
