//! What the tests of this room need in more than one place.

use model::bead::{Bead, Comment, DepType, Dependency, IssueType, Priority, Status};
use model::event::{Event, Record};
use model::ids::Seq;
use model::role::Address;
use model::time::Timestamp;

use crate::{Entry, Limits};

pub(crate) fn noted(seq: u64, event: Event) -> Record {
    Record { seq: Seq(seq), at: Timestamp::from_millis(1_767_225_600_123), actor: Address::Overseer, event }
}

/// Little of everything.
pub(crate) fn limits() -> Limits {
    Limits { cache: 1 << 20, reserve: 64 << 10, floor: 0, snapshot_every: 10 }
}

/// A small entry; different numbers give different ones.
pub(crate) fn entry(n: usize) -> Entry {
    remark(&format!("remark {n}"))
}

pub(crate) fn remark(text: &str) -> Entry {
    let event = Event::PolicyDenied { rule: "test".into(), tried: text.into() };
    Entry { at: Timestamp::from_millis(5), actor: Address::Runtime, event }
}

pub(crate) fn bead(id: &str) -> Bead {
    let at = Timestamp::from_millis(1_767_225_600_123);
    Bead {
        id: id.parse().unwrap(),
        title: format!("the work of {id}"),
        description: String::new(),
        acceptance_criteria: String::new(),
        status: Status::Open,
        priority: Priority::default(),
        issue_type: IssueType::Task,
        assignee: None,
        rig: None,
        created_at: at.into(),
        updated_at: at.into(),
        created_by: "overseer".into(),
        closed_at: None,
        close_reason: None,
        dependencies: Vec::new(),
        labels: Vec::new(),
        comments: Vec::new(),
        extra: Default::default(),
    }
}

/// A bead with something in every field.
pub(crate) fn rich_bead() -> Bead {
    let at = Timestamp::from_millis(1_767_225_600_123);
    Bead {
        description: "two lines\nand a \"quote\"".into(),
        acceptance_criteria: "it works".into(),
        status: Status::Closed,
        priority: Priority::CRITICAL,
        issue_type: IssueType::MergeRequest,
        assignee: Some("web/polecats/nux".into()),
        rig: Some("web".parse().unwrap()),
        closed_at: Some(at.into()),
        close_reason: Some("landed".into()),
        dependencies: vec![Dependency {
            issue_id: "web-1".parse().unwrap(),
            depends_on_id: "web-2".parse().unwrap(),
            kind: DepType::Blocks,
            created_at: at.into(),
            created_by: "overseer".into(),
            extra: Default::default(),
        }],
        labels: vec!["a".into(), "b".into()],
        comments: vec![Comment {
            id: 1.into(),
            author: "mayor/".into(),
            text: "hm".into(),
            created_at: at.into(),
            extra: Default::default(),
        }],
        extra: [("sender".to_owned(), serde_json::json!({"z": [1, -2, 0.5, null], "a": true}))].into(),
        ..bead("web-1")
    }
}
