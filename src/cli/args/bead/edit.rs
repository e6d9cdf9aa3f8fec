//! `bead edit`: a text of a bead in the person's own editor.

use clap::Args;
use model::bead::Patch;
use model::ids::BeadId;
use serde_json::json;

/// Change a text of a bead in your editor
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct Edit {
    /// Which
    #[arg(value_name = "BEAD")]
    pub(crate) bead: BeadId,
    /// The title
    #[arg(long, group = "field")]
    title: bool,
    /// The description, which is also meant when nothing is said
    #[arg(long, group = "field")]
    description: bool,
    /// The design
    #[arg(long, group = "field")]
    design: bool,
    /// The notes
    #[arg(long, group = "field")]
    notes: bool,
    /// How one sees that it is done
    #[arg(long, group = "field")]
    acceptance: bool,
}

impl Edit {
    /// The text that is to be changed, and what changes it to another.
    pub(crate) fn of(&self, bead: &model::bead::Bead) -> (String, fn(String) -> Patch) {
        fn field(name: &str, text: String) -> Patch {
            Patch { fields: [(name.to_owned(), json!(text))].into(), ..Patch::default() }
        }
        if self.title {
            (bead.title.clone(), |text| Patch { title: Some(text.trim().to_owned()), ..Patch::default() })
        } else if self.design {
            (bead.text("design").to_owned(), |text| field("design", text))
        } else if self.notes {
            (bead.text("notes").to_owned(), |text| field("notes", text))
        } else if self.acceptance {
            let patch = |text: String| Patch { acceptance_criteria: Some(text), ..Patch::default() };
            (bead.acceptance_criteria.clone(), patch)
        } else {
            (bead.description.clone(), |text| Patch { description: Some(text), ..Patch::default() })
        }
    }
}
