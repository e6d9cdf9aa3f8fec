//! The report of a town that could go on no longer: for people, in a file under `logs/crashes/` and in short on
//! standard error.
//!
//! Everything is over when it is written, so it is made from the ledger and from what is left of the tree. What
//! follows for programs is the exit code, and the event `town.stopped`.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use actors::living_tree::{NodeKind, TreeNode};
use clerk::strategy::Rules;
use clerk::{reports, story};
use config::TownPaths;
use ledger::Store;
use model::command::EventFilter;
use model::refusal::Refusal;
use model::time::Timestamp;
use supervisors::TownEnd;

/// The newest events that the report tells of.
const EVENTS: usize = 40;

/// What is left of a town.
pub(crate) struct Last<'a> {
    /// How its tree has ended.
    pub(crate) end: &'a TownEnd,
    /// Its ledger.
    pub(crate) store: &'a Store,
    /// Where it lies.
    pub(crate) paths: &'a TownPaths,
    /// The tree as it was left.
    pub(crate) tree: Option<TreeNode>,
}

/// Writes the report and tells people where it is; returns what the run ends with.
pub(crate) fn tell(last: &Last<'_>, now: Timestamp, json: bool) -> Refusal {
    let story = last.story(now);
    if !json && !story.is_empty() {
        // Before the error itself, which stays the last line but for its hint.
        let _ = writeln!(io::stderr(), "{}", story.join("\n"));
    }
    let hint = match last.write(&story, now) {
        Ok(file) => format!("the report is {}; `gastown run` goes on from the ledger", file.display()),
        Err(error) => format!(
            "the report could not be written ({error}); the log is {}; `gastown run` goes on from the ledger",
            last.paths.town_log().display()
        ),
    };
    Refusal::failed("gave_up", last.headline()).hint(hint)
}

impl Last<'_> {
    fn headline(&self) -> String {
        match self.end {
            TownEnd::GaveUp { report } => format!("the town could not go on: {report}"),
            end => format!("the tree has ended by itself: {end:?}"),
        }
    }

    /// The story of the actor that failed once too often.
    fn story(&self, now: Timestamp) -> Vec<String> {
        let TownEnd::GaveUp { report } = self.end else { return Vec::new() };
        let story = reports::why(self.store, &report.child, &Rules::default(), now);
        story.map_or_else(|refusal| vec![refusal.to_string()], |story| story.lines)
    }

    fn write(&self, story: &[String], now: Timestamp) -> io::Result<PathBuf> {
        let folder = self.paths.crash_reports();
        fs::create_dir_all(&folder)?;
        // A name that sorts by time and is no trouble in any file system.
        let name: String =
            now.to_string().chars().map(|c| if c.is_alphanumeric() { c } else { '-' }).collect();
        let file = folder.join(format!("{name}.txt"));
        let mut out = fs::OpenOptions::new().create_new(true).write(true).mode(0o600).open(&file)?;
        out.write_all(self.text(story, now).as_bytes())?;
        out.sync_all()?;
        Ok(file)
    }

    fn text(&self, story: &[String], now: Timestamp) -> String {
        let mut text = format!("{}\n\n", self.headline());
        let mut section = |head: &str, lines: &[String]| {
            if !lines.is_empty() {
                let _ = writeln!(text, "{head}\n  {}\n", lines.join("\n  "));
            }
        };
        section(
            "When and where",
            &[
                format!("{now}, gastown {}", env!("CARGO_PKG_VERSION")),
                format!("the town {}", self.paths.root().display()),
                format!("its log {}", self.paths.town_log().display()),
            ],
        );
        section("The actor that failed once too often", story);
        let mut tree = Vec::new();
        if let Some(root) = &self.tree {
            draw(root, 0, &mut tree);
        }
        section("Restarts in the tree", &tree);
        section("Work that waits", &self.work());
        section("What happened last", &self.events());
        section(
            "What to do",
            &[
                "Nothing that was acknowledged is lost, and nothing of the town runs any more.".to_owned(),
                "gastown run             goes on from the ledger".to_owned(),
                "gastown why NAME        tells the story of an actor, an agent or a bead".to_owned(),
                "gastown doctor          looks at what the town stands on".to_owned(),
            ],
        );
        text
    }

    /// What hangs on hooks and stands in queues.
    fn work(&self) -> Vec<String> {
        self.store.read(|board| {
            let hook = |hook: &model::hook::Hook| {
                format!("{} is at {} ({})", hook.agent, hook.bead, hook.stage.as_str())
            };
            let mut lines: Vec<String> = board.hooks.iter().map(hook).collect();
            let open = board.merges.iter().filter(|merge| merge.state.is_open());
            lines.extend(
                open.map(|merge| format!("{} of {} is {}", merge.id, merge.bead, merge.state.as_str())),
            );
            lines.extend(board.hooks.all_waiting().map(|bead| format!("{} waits for a worker", bead.bead)));
            lines
        })
    }

    fn events(&self) -> Vec<String> {
        let newest = EventFilter { limit: Some(EVENTS), ..EventFilter::default() };
        let records = match reports::events(self.store, self.store.head(), &newest) {
            Ok(records) => records,
            Err(refusal) => return vec![refusal.to_string()],
        };
        let told = records.iter().map(|record| {
            let said = story::sentence(record).unwrap_or_else(|| record.event.kind().to_owned());
            format!("{:>7}  {}  {:<22} {said}", record.seq, record.at, record.actor.to_string())
        });
        told.collect()
    }
}

/// The supervisors and actors, each with its restarts.
fn draw(node: &TreeNode, depth: usize, lines: &mut Vec<String>) {
    if node.kind == NodeKind::Session {
        return;
    }
    let restarts = if node.restarts == 0 { String::new() } else { format!("  {} restarts", node.restarts) };
    lines.push(format!("{}{}{restarts}", "  ".repeat(depth), node.name));
    node.children.iter().for_each(|child| draw(child, depth + 1, lines));
}
