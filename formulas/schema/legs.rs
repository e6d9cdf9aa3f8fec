//! What runs side by side, as written: `legs`, `aspects`, `synthesis`, `prompts`, `presets`, `output`.

use std::sync::Arc;

use super::tree::{Known, Reader, Value};
use super::written::{At, Leg, Output, Pairs, Preset, Synthesis};
use crate::problem::Why;

const LEG: Known = Known(&["id", "title", "focus", "description", "agent", "review_only"]);
const SYNTHESIS: Known = Known(&["title", "description", "depends_on", "needs"]);
const PRESET: Known = Known(&["description", "legs"]);
const OUTPUT: Known = Known(&["directory", "leg_pattern", "synthesis"]);

impl Reader {
    /// Reads `legs`, or the `aspects` of an aspect, which are the same by another name.
    pub(super) fn legs(&mut self, value: &Value<'_>, key: &str, from: &Arc<str>) -> Vec<Leg> {
        let tables = self.tables(value, key, "an array of tables");
        let mut legs: Vec<Leg> = Vec::new();
        for (line, within, table) in tables {
            let mut id = None;
            let mut leg = Leg {
                place: self.place(line, &within),
                from: Arc::clone(from),
                id: At { value: String::new(), line },
                title: String::new(),
                focus: String::new(),
                description: String::new(),
                agent: None,
                review_only: false,
            };
            for (key, value) in table {
                let full = format!("{within}.{}", key.get_ref());
                let text = |text: Option<At<String>>| text.map_or_else(String::new, |text| text.value);
                match key.get_ref().as_ref() {
                    "id" => id = self.name(value, &full),
                    "title" => leg.title = text(self.text(value, &full)),
                    "focus" => leg.focus = text(self.text(value, &full)),
                    "description" => leg.description = text(self.text(value, &full)),
                    "agent" => leg.agent = self.name(value, &full),
                    "review_only" => leg.review_only = self.flag(value, &full).is_some_and(|flag| flag.value),
                    other => self.stranger(self.line(key.span().start), &full, other, &LEG),
                }
            }
            self.require(table, line, &within, &["id"]);
            let Some(id) = id else { continue };
            if let Some(first) = legs.iter().find(|leg| leg.id.value == id.value) {
                let first = format!("on line {}", first.id.line);
                let why = Why::Duplicate { id: id.value.clone(), first };
                self.problem(id.line, &format!("{within}.id"), why);
            }
            if leg.title.is_empty() {
                leg.title.clone_from(&id.value);
            }
            leg.id = id;
            legs.push(leg);
        }
        legs
    }

    pub(super) fn synthesis(&mut self, value: &Value<'_>) -> Option<Synthesis> {
        let table = self.table(value, "synthesis")?;
        let place = self.place(self.line_of(value), "synthesis");
        let mut synthesis = Synthesis {
            place,
            title: "Synthesis".to_owned(),
            description: String::new(),
            depends_on: Vec::new(),
        };
        for (key, value) in table {
            let full = format!("synthesis.{}", key.get_ref());
            match key.get_ref().as_ref() {
                "title" => synthesis.title = self.text(value, &full)?.value,
                "description" => synthesis.description = self.text(value, &full)?.value,
                "depends_on" | "needs" => synthesis.depends_on.extend(self.texts(value, &full)),
                other => self.stranger(self.line(key.span().start), &full, other, &SYNTHESIS),
            }
        }
        Some(synthesis)
    }

    pub(super) fn prompts(&mut self, value: &Value<'_>) -> Pairs {
        let Some(table) = self.table(value, "prompts") else { return Vec::new() };
        let mut prompts = Vec::new();
        for (key, value) in table {
            let name = key.get_ref().to_string();
            if name != "base" {
                let because = "only the prompt called base is given to the legs";
                self.warn(self.line(key.span().start), &format!("prompts.{name}"), Why::NoEffect { because });
            }
            if let Some(text) = self.text(value, &format!("prompts.{name}")) {
                prompts.push((name, text));
            }
        }
        prompts
    }

    pub(super) fn presets(&mut self, value: &Value<'_>) -> Vec<Preset> {
        let Some(table) = self.table(value, "presets") else { return Vec::new() };
        let mut presets = Vec::new();
        for (key, value) in table {
            let name = At { value: key.get_ref().to_string(), line: self.line(key.span().start) };
            let within = format!("presets.{}", name.value);
            let Some(table) = self.table(value, &within) else { continue };
            let mut preset = Preset { name, description: String::new(), legs: Vec::new() };
            for (key, value) in table {
                let full = format!("{within}.{}", key.get_ref());
                match key.get_ref().as_ref() {
                    "description" => {
                        preset.description = self.text(value, &full).map_or_else(String::new, |at| at.value);
                    }
                    "legs" => preset.legs = self.names(value, &full),
                    other => self.stranger(self.line(key.span().start), &full, other, &PRESET),
                }
            }
            self.require(table, preset.name.line, &within, &["legs"]);
            presets.push(preset);
        }
        presets.sort_by_key(|preset| preset.name.line);
        presets
    }

    pub(super) fn output(&mut self, value: &Value<'_>) -> Option<Output> {
        let table = self.table(value, "output")?;
        let mut output = Output::default();
        for (key, value) in table {
            let full = format!("output.{}", key.get_ref());
            match key.get_ref().as_ref() {
                "directory" => output.directory = self.text(value, &full)?.value,
                "leg_pattern" => output.leg_pattern = self.text(value, &full)?.value,
                "synthesis" => output.synthesis = self.text(value, &full)?.value,
                other => self.stranger(self.line(key.span().start), &full, other, &OUTPUT),
            }
        }
        Some(output)
    }
}
