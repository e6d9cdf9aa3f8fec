//! observe: how everything is, and what has happened.

use clap::{Args, Subcommand};
use model::command::{Command, EventFilter};
use model::cost::By;
use model::ids::{BeadId, Seq};
use model::refusal::Refusal;
use model::time::{Day, Timestamp};

use super::{Intent, Reading, View};

/// The commands of this group.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Show how everything is
    Status,
    /// Show anything by its name: a bead, a letter, a merge request, an agent, an event's number, …
    #[command(hide = true)]
    Show {
        /// Which
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Print what an agent has shown, from its recordings
    #[command(
        after_help = "Recordings are asciicasts below logs/sessions/. They hold what was shown, not what was typed, and \
                      secrets are masked.\n`gastown peek AGENT --at 10m` prints the screen as it was ten minutes ago."
    )]
    Log {
        /// Whose
        agent: String,
        /// How many lines
        #[arg(long, short = 'n', value_name = "N", default_value_t = 200)]
        lines: usize,
        /// Of this session, or one whose name begins so; the last one when not given
        #[arg(long, value_name = "SESSION")]
        session: Option<String>,
        /// Only list the recordings
        #[arg(long, short)]
        list: bool,
    },
    /// Draw the living tree of actors and sessions
    Tree,
    /// Print the town in numbers, as Prometheus reads them
    Metrics {
        /// `export`, as the seeds have it
        #[arg(hide = true, value_parser = ["export"])]
        export: Option<String>,
    },
    /// Tell what has happened to an agent or a bead
    Why {
        /// Which
        #[arg(value_name = "AGENT|BEAD")]
        about: String,
    },
    /// Sum up the tokens that agents have used
    Costs {
        /// `report`, as some have it
        #[arg(hide = true, value_parser = ["report"])]
        report: Option<String>,
        /// By agent, rig, bead, model, day or session
        #[arg(long, value_name = "WHAT", default_value_t)]
        by: By,
        /// Only from a day on (UTC): 2026-01-31, or 7d for the day that was seven days ago
        #[arg(long, value_name = "SINCE")]
        since: Option<String>,
    },
    /// Watch what happens, in plain words
    Feed {
        #[command(flatten)]
        filter: Filter,
    },
    /// List what has happened
    Events {
        /// `list`, as `bd events` has it
        #[arg(hide = true, value_parser = ["list"])]
        list: Option<String>,
        #[command(flatten)]
        filter: Filter,
        /// Go on as things happen
        #[arg(long, short)]
        follow: bool,
    },
}

/// Which events are meant.
#[derive(Debug, Default, Args)]
pub(crate) struct Filter {
    /// Since an event's number, for a time such as 30m, or since a time such as 2026-01-31T12:00:00Z
    #[arg(long, value_name = "SINCE")]
    since: Option<String>,
    // The same name as the global one, which it takes the place of.
    /// Only of this actor
    #[arg(long, value_name = "ADDRESS")]
    actor: Option<String>,
    /// Only of this type, or of those that begin so: `mail.`
    #[arg(long = "type", short = 't', value_name = "TYPE")]
    kind: Option<String>,
    /// Only about this bead
    #[arg(long, value_name = "BEAD")]
    bead: Option<BeadId>,
    /// At most so many, the newest
    #[arg(long, short = 'n', value_name = "N")]
    limit: Option<usize>,
}

impl Filter {
    fn filter(self, reading: &Reading) -> Result<EventFilter, Refusal> {
        let (after, since) = match self.since.as_deref() {
            None => (Seq::default(), None),
            Some(text) => since(text, reading.now)?,
        };
        Ok(EventFilter {
            after,
            since,
            actor: self.actor,
            kind: self.kind,
            bead: self.bead,
            limit: self.limit,
        })
    }
}

/// Reads `--since`: a number, a duration or a point in time.
fn since(text: &str, now: Timestamp) -> Result<(Seq, Option<Timestamp>), Refusal> {
    if let Ok(seq) = text.parse::<u64>() {
        return Ok((Seq(seq), None));
    }
    if let Ok(ago) = humantime::parse_duration(text) {
        return Ok((Seq::default(), Some(now.minus(ago))));
    }
    match text.parse::<Timestamp>() {
        Ok(at) => Ok((Seq::default(), Some(at))),
        Err(_) => Err(Refusal::usage(format!("{text:?} is no event number, no duration and no time"))
            .hint("for instance --since 120, --since 30m or --since 2026-01-31T12:00:00Z")),
    }
}

/// Reads a point in time, or how long ago it was.
pub(super) fn time(text: &str, now: Timestamp) -> Result<Timestamp, Refusal> {
    match since(text, now) {
        Ok((_, Some(at))) => Ok(at),
        _ => Err(Refusal::usage(format!("{text:?} is no time"))
            .hint("for instance 10m for ten minutes ago, or 2026-01-31T12:00:00Z")),
    }
}

/// Reads the `--since` of sums by day: a day, a duration or a point in time.
fn day(text: &str, now: Timestamp) -> Result<Day, Refusal> {
    if let Ok(day) = text.parse() {
        return Ok(day);
    }
    if let Ok(ago) = humantime::parse_duration(text) {
        return Ok(Day::of(now.minus(ago)));
    }
    text.parse().map(Day::of).map_err(|_| {
        Refusal::usage(format!("{text:?} is no day and no duration"))
            .hint("for instance --since 7d or --since 2026-01-31")
    })
}

/// How many past events a feed begins with, so that one sees where one is.
const FEED_BEGINS_WITH: usize = 20;

impl Verb {
    /// Whether `--actor` here says whose events are meant, and not who speaks.
    pub(super) fn filters_by_actor(&self) -> bool {
        matches!(self, Verb::Feed { .. } | Verb::Events { .. })
    }

    /// What the words of this group want.
    pub(super) fn intent(self, reading: &Reading) -> Result<Intent, Refusal> {
        Ok(match self {
            Verb::Status => Command::Status.into(),
            Verb::Show { name } => Command::Show { name }.into(),
            Verb::Log { agent, lines, session, list } => Command::Log { agent, session, lines, list }.into(),
            Verb::Tree => Command::Tree.into(),
            Verb::Metrics { export: _ } => Command::Metrics.into(),
            Verb::Why { about } => Command::Why { about }.into(),
            Verb::Costs { report: _, by, since } => {
                let since = since.map(|text| day(&text, reading.now)).transpose()?;
                Command::Costs { by, since }.into()
            }
            Verb::Feed { filter } => {
                let mut filter = filter.filter(reading)?;
                if filter.limit.is_none() && filter.since.is_none() && filter.after == Seq::default() {
                    filter.limit = Some(FEED_BEGINS_WITH);
                }
                Intent::Follow(filter, View::Feed)
            }
            Verb::Events { list: _, filter, follow: true } => {
                Intent::Follow(filter.filter(reading)?, View::Usual)
            }
            Verb::Events { list: _, filter, follow: false } => {
                Command::Events(filter.filter(reading)?).into()
            }
        })
    }
}
