//! What the board knows as numbers, for programs that collect such: Prometheus and its like.
//!
//! Nothing is counted here that the answer to `status` or `tree` does not say; each metric's help names the
//! command that shows the same number to a person.

use std::collections::BTreeMap;

use model::agent::AgentState;
use model::answer::{AgentRow, MergeRow, Metric, MetricKind, Sample, StatusReport};
use model::bead::Status;
use model::time::Timestamp;
use serde_json::Value;

/// Every metric of a town, from what `status` says of it and, with a runtime, its living tree.
pub fn of(report: &StatusReport, tree: Option<&Value>, now: Timestamp) -> Vec<Metric> {
    let town = &report.town;
    let up = town.pid.is_some();
    let mut all = vec![
        one("gastown_up", "1 while a runtime is up", "status", u64::from(up)),
        one(
            "gastown_read_only",
            "1 while the ledger takes no writes",
            "status",
            u64::from(town.state == "read_only"),
        ),
        one(
            "gastown_uptime_seconds",
            "how long the runtime has been up",
            "status",
            town.uptime_s.unwrap_or(0),
        ),
        Metric {
            kind: MetricKind::Counter,
            ..one("gastown_ledger_head", "number of the newest event", "ledger stats", town.seq.0)
        },
        one("gastown_attention", "things that need a person", "status", size(report.attention.len())),
    ];
    all.extend(escalations(report));
    all.extend(mail(report));
    all.extend(work(report, now));
    all.extend(agents(&report.agents));
    all.push(actors(tree));
    all
}

fn escalations(report: &StatusReport) -> [Metric; 2] {
    let gauge = &report.escalations;
    let states = [("open", gauge.open), ("acked", gauge.acked)];
    let states = states.into_iter().map(|(state, count)| sample("state", state, size(count)));
    [
        many("gastown_escalations", "escalations that are not settled", "escalate list", states),
        one(
            "gastown_escalation_messages_undelivered",
            "messages about open escalations that did not get through",
            "escalate list",
            size(gauge.undelivered),
        ),
    ]
}

fn mail(report: &StatusReport) -> [Metric; 3] {
    let boxes = &report.mail.boxes;
    let of = |name: &str, about: &str, command: &str, value: fn(&model::answer::MailboxGauge) -> u64| {
        let samples = boxes.iter().map(|mailbox| sample("mailbox", &mailbox.address, value(mailbox)));
        many(name, about, command, samples)
    };
    [
        of("gastown_mail_unacked", "letters that are not acknowledged", "mail inbox MAILBOX --unread", |b| {
            size(b.unacked)
        }),
        of("gastown_mail_oldest_seconds", "age of the oldest of them", "status --json", |b| b.oldest_s),
        of("gastown_mail_dead", "letters that could not be handled", "mail dead MAILBOX", |b| size(b.dead)),
    ]
}

fn work(report: &StatusReport, now: Timestamp) -> [Metric; 5] {
    let known = Status::ALL.iter().map(Status::to_string);
    let beads = known.map(|status| {
        let count = report.beads.get(&status).copied().unwrap_or_default();
        sample("status", status, size(count))
    });
    let per_rig = |value: &dyn Fn(&str) -> u64| -> Vec<Sample> {
        report.rigs.iter().map(|rig| sample("rig", &rig.name, value(rig.name.as_str()))).collect()
    };
    let queue = |rig: &str, fits: fn(&MergeRow) -> bool| -> Vec<&MergeRow> {
        report.queue.iter().filter(|row| row.rig.as_str() == rig && fits(row)).collect()
    };
    let waiting = report.rigs.iter().map(|rig| sample("rig", &rig.name, size(rig.waiting)));
    [
        many("gastown_beads", "beads by status", "bead list --status STATUS", beads),
        many("gastown_beads_waiting", "beads that wait for a worker", "rig list", waiting),
        many(
            "gastown_queue_length",
            "merge requests that have not landed",
            "mq list RIG",
            per_rig(&|rig| size(queue(rig, |_| true).len())),
        ),
        many(
            "gastown_queue_held",
            "merge requests that something outside keeps from landing",
            "mq list RIG",
            per_rig(&|rig| size(queue(rig, |row| row.state == "held").len())),
        ),
        many(
            "gastown_queue_oldest_seconds",
            "age of the oldest merge request that has not landed",
            "mq list RIG",
            per_rig(&|rig| {
                let ages = queue(rig, |_| true).into_iter().map(|row| now.since(row.submitted_at).as_secs());
                ages.max().unwrap_or_default()
            }),
        ),
    ]
}

fn agents(rows: &[AgentRow]) -> [Metric; 3] {
    let states = AgentState::ALL
        .into_iter()
        .map(|state| sample("state", state, size(rows.iter().filter(|row| row.state == state).count())));
    let per_agent = |value: fn(&AgentRow) -> u32| {
        rows.iter().map(move |row| sample("agent", &row.address, value(row).into()))
    };
    [
        many("gastown_agents", "agents by state", "agent list", states),
        many(
            "gastown_agent_restarts",
            "sessions that failed for what hangs on the agent's hook now",
            "agent list",
            per_agent(|row| row.restarts),
        ),
        Metric {
            kind: MetricKind::Counter,
            ..many(
                "gastown_agent_sessions_total",
                "sessions that the agent has ever had",
                "why AGENT",
                per_agent(|row| row.sessions),
            )
        },
    ]
}

fn actors(tree: Option<&Value>) -> Metric {
    let mut samples = Vec::new();
    if let Some(tree) = tree {
        gather(tree, &mut samples);
    }
    let about = "restarts of the runtime's actors within their supervisor's window";
    many("gastown_actor_restarts", about, "tree", samples)
}

fn gather(node: &Value, samples: &mut Vec<Sample>) {
    if let (Some(name), Some(restarts), true) =
        (node["name"].as_str(), node["restarts"].as_u64(), node["kind"] != "session")
    {
        samples.push(sample("actor", name, restarts));
    }
    for child in node["children"].as_array().into_iter().flatten() {
        gather(child, samples);
    }
}

fn size(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

fn sample(label: &str, of: impl ToString, value: u64) -> Sample {
    Sample { labels: BTreeMap::from([(label.to_owned(), of.to_string())]), value }
}

fn one(name: &str, about: &str, command: &str, value: u64) -> Metric {
    many(name, about, command, [Sample { labels: BTreeMap::new(), value }])
}

fn many(name: &str, about: &str, command: &str, samples: impl IntoIterator<Item = Sample>) -> Metric {
    Metric {
        name: name.to_owned(),
        help: format!("{about}; see `gastown {command}`"),
        kind: MetricKind::Gauge,
        samples: samples.into_iter().collect(),
    }
}
