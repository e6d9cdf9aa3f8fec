//! Which beads a filter means, and in which order they come.

use std::sync::Arc;

use ledger::views::Board;
use model::bead::{Bead, DepType, IssueType, Status};
use model::command::BeadFilter;
use model::query::Query;
use model::refusal::Refusal;
use model::time::Timestamp;
use model::work::Sort;

use crate::beads::find;
use crate::names;

/// The beads that a filter means, most urgent first, then oldest.
pub fn select(board: &Board, filter: &BeadFilter, now: Timestamp) -> Result<Vec<Arc<Bead>>, Refusal> {
    check(board, filter)?;
    let words = filter.text.as_ref().map(|text| text.to_lowercase());
    // Those that are closed need not be looked at where nobody asks for them.
    let closed = filter.all
        || filter.status.contains(&Status::Closed)
        || filter.query.as_ref().is_some_and(Query::speaks_of_closed);
    let fits = |bead: &&Arc<Bead>| fits(bead, filter, words.as_deref(), now);
    Ok(if closed {
        in_order(board.beads.in_order().filter(fits), filter)
    } else {
        in_order(board.beads.under_way().filter(fits), filter)
    })
}

/// `beads`, which come most urgent first, in the order and the number that a filter wants.
pub(crate) fn in_order<'a>(
    beads: impl Iterator<Item = &'a Arc<Bead>>,
    filter: &BeadFilter,
) -> Vec<Arc<Bead>> {
    let most = filter.limit.filter(|limit| *limit > 0).unwrap_or(usize::MAX);
    if filter.sort == Sort::Priority && !filter.reverse {
        return beads.take(most).cloned().collect();
    }
    let mut found: Vec<Arc<Bead>> = beads.cloned().collect();
    let newest = |a: Timestamp, b: Timestamp| b.cmp(&a);
    match filter.sort {
        Sort::Priority => {}
        Sort::Created => found.sort_by(|a, b| newest(a.created_at.at(), b.created_at.at())),
        Sort::Oldest => found.sort_by_key(|bead| bead.created_at.at()),
        Sort::Updated => found.sort_by(|a, b| newest(a.updated_at.at(), b.updated_at.at())),
        Sort::Closed => {
            found.sort_by_key(|bead| std::cmp::Reverse(bead.closed_at.as_ref().map(|at| at.at())))
        }
        Sort::Id => found.sort_by(|a, b| a.id.compare(&b.id)),
        Sort::Title => found.sort_by_key(|bead| bead.title.to_lowercase()),
        Sort::Status => found.sort_by_key(|bead| bead.status),
        Sort::Type => found.sort_by_key(|bead| bead.issue_type.as_str()),
        Sort::Assignee => found.sort_by(|a, b| a.assignee.cmp(&b.assignee)),
    }
    if filter.reverse {
        found.reverse();
    }
    found.truncate(most);
    found
}

/// Looks whether what a filter names is there.
///
/// # Errors
/// `no_such_rig` and `no_such_bead` with near matches; `usage` for a word that no bead bears.
pub fn check(board: &Board, filter: &BeadFilter) -> Result<(), Refusal> {
    if let Some(rig) = &filter.rig
        && board.rigs.get(rig).is_none()
    {
        return Err(names::no_rig(board, rig.as_str()));
    }
    if let Some(parent) = &filter.parent {
        find(board, parent)?;
    }
    known_words(board, filter)
}

/// Refuses words of elsewhere that no bead bears: more likely they are misspelt.
fn known_words(board: &Board, filter: &BeadFilter) -> Result<(), Refusal> {
    for status in filter.status.iter().filter(|status| status.is_foreign()) {
        if !board.beads.iter().any(|bead| bead.status == *status) {
            return Err(Refusal::usage(status.as_str().parse::<Status>().err().unwrap_or_default()));
        }
    }
    if let Some(kind) = filter.issue_type.filter(|kind| kind.is_foreign())
        && !board.beads.iter().any(|bead| bead.issue_type == kind)
    {
        return Err(Refusal::usage(kind.as_str().parse::<IssueType>().err().unwrap_or_default()));
    }
    Ok(())
}

pub(crate) fn fits(bead: &Bead, filter: &BeadFilter, words: Option<&str>, now: Timestamp) -> bool {
    let status = if filter.status.is_empty() {
        filter.all
            || bead.status != Status::Closed
            || filter.query.as_ref().is_some_and(Query::speaks_of_closed)
    } else {
        filter.status.contains(&bead.status)
    };
    status
        && filter.query.as_ref().is_none_or(|query| query.fits(bead, now))
        && filter.rig.as_ref().is_none_or(|rig| bead.rig.as_ref() == Some(rig))
        && filter.issue_type.is_none_or(|kind| bead.issue_type == kind)
        && filter.priority.is_none_or(|priority| bead.priority == priority)
        && filter.assignee.as_ref().is_none_or(|who| bead.assignee.as_ref() == Some(who))
        && filter.labels.iter().all(|label| bead.labels.contains(label))
        && filter.parent.as_ref().is_none_or(|parent| {
            bead.dependencies.iter().any(|d| d.kind == DepType::ParentChild && d.depends_on_id == *parent)
        })
        && words.is_none_or(|words| {
            [bead.id.as_str(), &bead.title, &bead.description, bead.text("notes"), bead.text("design")]
                .iter()
                .any(|text| text.to_lowercase().contains(words))
        })
}
