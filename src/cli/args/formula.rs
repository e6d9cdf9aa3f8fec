//! formula and cook, of the group work: the workflows that guide work.

use clap::{Args, Subcommand, ValueEnum};
use model::command::Command;
use model::formula::Text;
use model::ids::RigName;
use model::refusal::Refusal;

use super::work::pair;
use super::{Intent, Reading, View, elsewhere};

/// Look at the workflows that guide work
#[derive(Debug, Subcommand)]
pub(crate) enum Formula {
    /// List the formulas
    #[command(alias = "ls")]
    List {
        /// As seen from this rig
        #[arg(long)]
        rig: Option<RigName>,
    },
    /// Show a formula: what its file says, or the steps that come of it
    #[command(after_help = "Examples:\n  gastown formula show mol-polecat-work\n  \
                            gastown formula show shiny --resolved --var feature=search")]
    Show {
        /// Its name
        name: String,
        /// Show the steps that come of it, with all that it builds on
        #[arg(long)]
        resolved: bool,
        /// A value for a variable, with --resolved; may be repeated
        #[arg(long = "var", value_name = "K=V", value_parser = pair, requires = "resolved")]
        vars: Vec<(String, String)>,
        /// As seen from this rig
        #[arg(long)]
        rig: Option<RigName>,
    },
    /// Look formulas over: what is wrong, and what is odd, with file and line
    #[command(
        after_help = "With neither names nor files all formulas are looked over. The exit code is 1 if one of \
                            them is broken; warnings do not count.\n\n\
                            Examples:\n  gastown formula lint\n  gastown formula lint ./mine.formula.toml"
    )]
    Lint {
        /// Names of formulas, and files: what ends with .toml or has a slash in it is a file, - is standard input
        #[arg(value_name = "NAME|FILE")]
        what: Vec<String>,
        /// As seen from this rig
        #[arg(long)]
        rig: Option<RigName>,
    },
    /// Write the beginning of a new formula into the town's folder, or a rig's
    New {
        /// Its name
        name: String,
        /// workflow, expansion, aspect or convoy
        #[arg(long = "type", short = 't', value_name = "TYPE", default_value = "workflow")]
        kind: String,
        /// For this rig alone
        #[arg(long)]
        rig: Option<RigName>,
        /// Only print it
        #[arg(long)]
        print: bool,
    },
    /// Draw the steps and what they need
    Graph {
        /// Its name
        name: String,
        /// A value for a variable; may be repeated
        #[arg(long = "var", value_name = "K=V", value_parser = pair)]
        vars: Vec<(String, String)>,
        /// As a drawing for people, or in a language of drawing programs
        #[arg(long, value_enum, default_value_t)]
        format: Format,
        /// As seen from this rig
        #[arg(long)]
        rig: Option<RigName>,
    },
    /// Make the steps of a formula, and say what cannot be carried out
    Cook(Cook),
}

/// How steps are drawn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// In waves, for people
    #[default]
    Text,
    /// For Graphviz
    Dot,
    /// For Mermaid
    Mermaid,
}

/// Make the steps of a formula, and say what cannot be carried out
#[derive(Debug, Args)]
pub(crate) struct Cook {
    /// Its name
    name: String,
    /// A value for a variable; may be repeated. With one, all that need values must have them
    #[arg(long = "var", value_name = "K=V", value_parser = pair)]
    vars: Vec<(String, String)>,
    /// As seen from this rig
    #[arg(long)]
    rig: Option<RigName>,
}

impl Cook {
    pub(super) fn command(self) -> Command {
        Command::FormulaCook { name: self.name, rig: self.rig, vars: self.vars.into_iter().collect() }
    }
}

impl Formula {
    pub(super) fn intent(self, reading: &Reading) -> Result<Intent, Refusal> {
        Ok(match self {
            Formula::List { rig } => Command::FormulaList { rig }.into(),
            Formula::Show { name, resolved, vars, rig } => {
                Command::FormulaShow { name, rig, resolved, vars: vars.into_iter().collect() }.into()
            }
            Formula::Lint { what, rig } => {
                let is_file = |word: &String| word == "-" || word.contains('/') || word.ends_with(".toml");
                let (files, names): (Vec<String>, Vec<String>) = what.into_iter().partition(is_file);
                let read = |name: String| Ok(Text { text: reading.file(&name)?, name });
                let files = files.into_iter().map(read).collect::<Result<_, Refusal>>()?;
                Command::FormulaLint { names, files, rig }.into()
            }
            Formula::New { name, kind, rig, print } => {
                let command = Command::FormulaNew { name, kind, rig };
                match (print, &reading.cwd) {
                    (true, _) => command.into(),
                    (false, Some(_)) => Intent::Write(command),
                    (false, None) => {
                        return Err(elsewhere("a file cannot be written from here")
                            .hint("run `gastown formula new` in a shell, or add --print"));
                    }
                }
            }
            Formula::Graph { name, vars, format, rig } => {
                let command =
                    Command::FormulaShow { name, rig, resolved: true, vars: vars.into_iter().collect() };
                Intent::Ask(command, View::Graph(format))
            }
            Formula::Cook(cook) => cook.command().into(),
        })
    }
}
