//! work: beads and who does them.

use clap::{Args, Subcommand};
use model::command::{self, Command};
use model::ids::{BeadId, ConvoyId, RigName};
use model::refusal::Refusal;

use super::bead::{self, Bead};
use super::formula::{Cook, Formula};
use super::{Intent, Reading, View, elsewhere};

/// The commands of this group.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Make, find and change beads: pieces of work
    #[command(subcommand, visible_alias = "beads")]
    Bead(Bead),
    /// List the beads that could be worked at now
    Ready(Box<bead::Ready>),
    /// Hand beads to a rig or an agent
    #[command(alias = "spawn")]
    Sling(Sling),
    /// Show what hangs on a hook
    Hook {
        /// Whose hook; your own when not given
        agent: Option<String>,
    },
    /// Take a bead back that nobody works at yet, or off a hook
    Unsling {
        /// Which bead
        #[arg(value_name = "BEAD")]
        bead: BeadId,
        /// Even if somebody works at it
        #[arg(long)]
        force: bool,
    },
    /// Group beads that travel together
    #[command(subcommand)]
    Convoy(Convoy),
    /// Look at the workflows that guide work
    #[command(subcommand, alias = "formulas")]
    Formula(Formula),
    /// Make the steps of a formula, and say what cannot be carried out
    #[command(hide = true)]
    Cook(Cook),
    /// Follow the workflow on your hook, and make, join and put away others
    #[command(subcommand, alias = "molecule")]
    Mol(Mol),
    /// Cut a bead into parts
    Split(Split),
}

/// Cut a bead into parts
#[derive(Debug, Args)]
#[command(
    after_help = "The parts are those that are given, or the list in the bead's description. It shows them; \
                        with --yes it makes them, and the bead becomes an epic of them.\n\n\
                        Example:\n  gastown split web-4k2f --part \"The schema\" --part \"The forms\" --chain --yes"
)]
pub(crate) struct Split {
    /// Which
    #[arg(value_name = "BEAD")]
    bead: BeadId,
    /// The title of a part, and more below it; may be repeated
    #[arg(long = "part", value_name = "TEXT", allow_hyphen_values = true)]
    parts: Vec<String>,
    /// Each part waits for the one before it
    #[arg(long)]
    chain: bool,
    /// Make them, instead of only showing them
    #[arg(long, short)]
    yes: bool,
}

/// Hand beads to a rig or an agent
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  gastown sling web-4k2f web\n  gastown sling web-4k2f web-9xz1 \
                        web/polecats/backend --args \"keep the API stable\"")]
pub(crate) struct Sling {
    /// Beads, epics, convoys or a formula, then the target: a rig, RIG/polecats/NAME, a role or a crew member
    #[arg(value_name = "BEAD… TARGET", required = true)]
    words: Vec<String>,
    /// The bead, where a formula is named in its place: sling FORMULA --on BEAD TARGET
    #[arg(long, value_name = "BEAD")]
    on: Option<BeadId>,
    /// A bead, in the older form `--issue BEAD TARGET`
    #[arg(long, hide = true, value_name = "BEAD")]
    issue: Vec<BeadId>,
    /// The formula that guides the work
    #[arg(long, value_name = "NAME")]
    formula: Option<String>,
    /// A value for a variable of the formula; may be repeated
    #[arg(long = "var", value_name = "K=V", value_parser = pair)]
    vars: Vec<(String, String)>,
    /// Words for the worker
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    args: Option<String>,
    /// The preset of the worker
    #[arg(long, value_name = "PRESET")]
    agent: Option<String>,
    /// Even if it was slung elsewhere or has failed too often
    #[arg(long)]
    force: bool,
    /// Only say what would happen
    #[arg(long, short = 'n')]
    dry_run: bool,
}

/// Splits `K=V`.
pub(crate) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("give it as NAME=VALUE".to_owned()),
    }
}

impl Sling {
    fn command(self) -> Result<Command, Refusal> {
        let mut words = self.words;
        let target = words.pop().unwrap_or_default();
        let mut beads = self.issue;
        let mut formula = self.formula;
        if let Some(on) = self.on {
            match words.as_slice() {
                [] => {}
                [name] if formula.is_none() => formula = Some(name.clone()),
                _ => {
                    return Err(Refusal::usage("--on wants one formula and a target")
                        .hint("gastown sling FORMULA --on BEAD TARGET"));
                }
            }
            words.clear();
            beads.push(on);
        }
        for word in words {
            beads.push(word.parse().map_err(|error: model::ids::BadName| {
                Refusal::usage(error.to_string()).hint("the target comes last: gastown sling BEAD… TARGET")
            })?);
        }
        if beads.is_empty() {
            return Err(Refusal::usage(format!(
                "{target:?} is given, and either a bead or a target is missing"
            ))
            .hint("gastown sling BEAD… TARGET, for instance: gastown sling web-4k2f web"));
        }
        Ok(Command::Sling(command::Sling {
            beads,
            target,
            formula,
            vars: self.vars.into_iter().collect(),
            args: self.args,
            preset: self.agent,
            force: self.force,
            dry_run: self.dry_run,
        }))
    }
}

/// Group beads that travel together
#[derive(Debug, Subcommand)]
pub(crate) enum Convoy {
    /// Make a convoy of beads
    Create {
        /// Its name
        name: String,
        /// What travels
        #[arg(value_name = "BEAD", required = true)]
        beads: Vec<BeadId>,
    },
    /// List the convoys on the road
    #[command(alias = "ls")]
    List {
        /// Those that have arrived, too
        #[arg(long, short)]
        all: bool,
    },
    /// Show how far a convoy has come, and in which waves it goes
    #[command(alias = "show")]
    Status {
        /// Which convoy; all of them when not given
        id: Option<ConvoyId>,
    },
    /// Add beads to a convoy
    Add {
        /// Which
        #[arg(value_name = "CONVOY")]
        convoy: ConvoyId,
        /// What
        #[arg(value_name = "BEAD", required = true)]
        beads: Vec<BeadId>,
    },
    /// Close a convoy by hand
    Close {
        /// Which
        #[arg(value_name = "CONVOY")]
        convoy: ConvoyId,
        /// Even if not all of it has arrived
        #[arg(long, short)]
        force: bool,
    },
    /// Close a convoy all of which has landed
    Land {
        /// Which
        #[arg(value_name = "CONVOY")]
        convoy: ConvoyId,
    },
    /// List the convoys that hold work which nobody has been given
    Stranded,
}

/// Follow the workflow on your hook
#[derive(Debug, Subcommand)]
pub(crate) enum Mol {
    /// Show all steps and how far they are
    #[command(alias = "show")]
    Status {
        /// Which: a molecule, a bead, or whose hook; your own when not given
        #[arg(value_name = "MOL")]
        agent: Option<String>,
    },
    /// Show in one line how far it is
    Progress {
        /// Which: a molecule, a bead, or whose hook; your own when not given
        #[arg(value_name = "MOL")]
        agent: Option<String>,
    },
    /// Draw the steps in waves
    Dag {
        /// Which: a molecule, a bead, or whose hook; your own when not given
        #[arg(value_name = "MOL")]
        agent: Option<String>,
    },
    /// Show the step to do now
    Current {
        /// Which: a molecule, a bead, or whose hook; your own when not given
        #[arg(value_name = "MOL")]
        agent: Option<String>,
    },
    /// List the molecules
    #[command(alias = "ls")]
    List {
        /// Those that are done, too
        #[arg(long, short)]
        all: bool,
    },
    /// Make a molecule of a formula
    Pour {
        /// Of which
        formula: String,
        /// For which bead; a new one when not given
        #[arg(value_name = "BEAD")]
        bead: Option<BeadId>,
        #[command(flatten)]
        pouring: Pouring,
    },
    /// Make a wisp of a formula: a molecule that leaves no trace
    Wisp {
        /// Of which
        formula: String,
        /// For which bead; for none when not given
        #[arg(value_name = "BEAD")]
        bead: Option<BeadId>,
        #[command(flatten)]
        pouring: Pouring,
    },
    /// Join two: formulas, molecules or wisps
    #[command(
        after_help = "A formula and a formula make a formula; a formula is poured and attached to a molecule or \
                            wisp; two that run are linked: the second waits for the first."
    )]
    Bond {
        /// What the other is joined to
        first: String,
        /// What is joined to it
        second: String,
        /// sequential: behind it; parallel: beside it
        #[arg(long = "type", value_name = "TYPE", default_value = "sequential", value_parser = ["sequential", "parallel"])]
        kind: String,
        /// Behind this step only
        #[arg(long, value_name = "STEP")]
        at: Option<String>,
        /// Of two formulas, only print what they make
        #[arg(long)]
        print: bool,
        #[command(flatten)]
        pouring: Pouring,
    },
    /// Put molecules away, and leave a digest of them
    Squash {
        /// Which
        #[arg(value_name = "MOL", required = true)]
        mols: Vec<String>,
        /// What there is to say
        #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
        summary: Option<String>,
    },
    /// Throw wisps away
    Burn {
        /// Which
        #[arg(value_name = "WISP", required = true)]
        mols: Vec<String>,
        /// Of `bd`; means nothing here
        #[arg(long, short, hide = true)]
        force: bool,
    },
    /// Make a formula of a molecule
    Distill {
        /// Of which
        #[arg(value_name = "MOL")]
        mol: String,
        /// Under which name
        name: String,
        /// For this rig alone
        #[arg(long)]
        rig: Option<RigName>,
        /// Only print it
        #[arg(long)]
        print: bool,
    },
    /// Say that a step is done
    #[command(subcommand)]
    Step(Step),
    /// Make the steps of a formula, and say what cannot be carried out
    #[command(hide = true)]
    Cook(Cook),
}

/// Say that a step is done
#[derive(Debug, Subcommand)]
pub(crate) enum Step {
    /// Mark a step as done
    Done {
        /// The step's id
        #[arg(value_name = "STEP")]
        step: String,
        /// Of which molecule; the one on your hook when not given
        #[arg(long, value_name = "MOL")]
        mol: Option<String>,
        /// What it has made, as JSON, for what follows from it
        #[arg(long, value_name = "JSON")]
        output: Option<String>,
    },
    /// Take a step, so that nobody else does
    Start {
        /// The step's id; the next that can be done when not given
        #[arg(value_name = "STEP")]
        step: Option<String>,
        /// Of which molecule; the one on your hook when not given
        #[arg(long, value_name = "MOL")]
        mol: Option<String>,
    },
    /// Give a step back
    Release {
        /// The step's id; the one that you have when not given
        #[arg(value_name = "STEP")]
        step: Option<String>,
        /// Of which molecule; the one on your hook when not given
        #[arg(long, value_name = "MOL")]
        mol: Option<String>,
    },
}

/// How a formula is poured.
#[derive(Debug, Default, Args)]
pub(crate) struct Pouring {
    /// A value for a variable of the formula; may be repeated
    #[arg(long = "var", value_name = "K=V", value_parser = pair)]
    vars: Vec<(String, String)>,
    /// As seen from this rig
    #[arg(long)]
    rig: Option<RigName>,
}

impl Verb {
    /// What the words of this group want.
    pub(super) fn intent(self, reading: &Reading) -> Result<Intent, Refusal> {
        Ok(match self {
            Verb::Bead(bead) => return bead.intent(reading),
            Verb::Ready(ready) => return ready.intent(reading),
            Verb::Sling(sling) => sling.command()?.into(),
            Verb::Hook { agent } => Command::Hook { agent }.into(),
            Verb::Unsling { bead, force } => Command::Unsling { bead, force }.into(),
            Verb::Convoy(Convoy::Create { name, beads }) => Command::ConvoyCreate { name, beads }.into(),
            Verb::Convoy(Convoy::List { all }) => Command::ConvoyList { all }.into(),
            Verb::Convoy(Convoy::Status { id: None }) => Command::ConvoyList { all: false }.into(),
            Verb::Convoy(Convoy::Status { id: Some(id) }) => Command::ConvoyShow(id).into(),
            Verb::Convoy(Convoy::Add { convoy, beads }) => Command::ConvoyAdd { convoy, beads }.into(),
            Verb::Convoy(Convoy::Close { convoy, force }) => Command::ConvoyClose { convoy, force }.into(),
            Verb::Convoy(Convoy::Land { convoy }) => Command::ConvoyClose { convoy, force: false }.into(),
            Verb::Convoy(Convoy::Stranded) => Intent::Ask(Command::ConvoyList { all: false }, View::Stranded),
            Verb::Formula(formula) => return formula.intent(reading),
            Verb::Cook(cook) => cook.command().into(),
            Verb::Mol(mol) => return mol.intent(reading),
            Verb::Split(Split { bead, parts, chain, yes }) => {
                Command::Split { bead, parts, chain, dry_run: !yes }.into()
            }
        })
    }
}

impl Mol {
    fn intent(self, reading: &Reading) -> Result<Intent, Refusal> {
        // A formula that comes of it is a file, unless somebody only wants to read it.
        let file = |command: Command, print: bool| match (print, &reading.cwd) {
            (true, _) => Ok(command.into()),
            (false, Some(_)) => Ok(Intent::Write(command)),
            (false, None) => {
                Err(elsewhere("a file cannot be written from here").hint("run it in a shell, or add --print"))
            }
        };
        Ok(match self {
            Mol::Cook(cook) => cook.command().into(),
            Mol::Status { agent } => Command::MolShow { agent }.into(),
            Mol::Progress { agent } => Intent::Ask(Command::MolShow { agent }, View::Progress),
            Mol::Dag { agent } => Intent::Ask(Command::MolShow { agent }, View::Waves),
            Mol::Current { agent } => Intent::Ask(Command::MolShow { agent }, View::Current),
            Mol::List { all } => Command::MolList { all }.into(),
            Mol::Pour { formula, bead, pouring: Pouring { vars, rig } } => {
                Command::MolPour { formula, bead, rig, vars: vars.into_iter().collect(), wisp: false }.into()
            }
            Mol::Wisp { formula, bead, pouring: Pouring { vars, rig } } => {
                Command::MolPour { formula, bead, rig, vars: vars.into_iter().collect(), wisp: true }.into()
            }
            Mol::Bond { first, second, kind, at, print, pouring: Pouring { vars, rig } } => {
                let parallel = kind == "parallel";
                let vars = vars.into_iter().collect();
                let command = Command::MolBond { first, second, parallel, at, rig, vars };
                if print || reading.cwd.is_none() { command.into() } else { Intent::Bond(command) }
            }
            Mol::Squash { mols, summary } => Command::MolSquash { mols, summary }.into(),
            Mol::Burn { mols, force: _ } => Command::MolBurn { mols }.into(),
            Mol::Distill { mol, name, rig, print } => {
                return file(Command::MolDistill { mol, name, rig }, print);
            }
            Mol::Step(Step::Done { step, mol, output }) => {
                let output = output
                    .map(|text| serde_json::from_str(&text))
                    .transpose()
                    .map_err(|error| Refusal::usage(format!("--output is no JSON: {error}")))?;
                Command::StepDone { step, mol, output }.into()
            }
            Mol::Step(Step::Start { step, mol }) => Command::StepLease { step, mol, release: false }.into(),
            Mol::Step(Step::Release { step, mol }) => Command::StepLease { step, mol, release: true }.into(),
        })
    }
}
