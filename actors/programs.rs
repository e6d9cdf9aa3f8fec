//! Presets as people see them, and the hooks that act in the programs that they start.

use std::path::{Path, PathBuf};

use config::preset::Hooks;
use config::{Preset, Presets, TownPaths};
use model::answer::{Answer, Examined, Health};
use model::preset::TapRow;
use model::refusal::Refusal;
use serde_json::Value;

/// All presets.
pub fn list(presets: &Presets) -> Answer {
    Answer::Presets(presets.rows())
}

/// One, with every field that it has.
///
/// # Errors
/// `no_such_preset`, with near matches.
pub fn show(presets: &Presets, name: &str) -> Result<Answer, Refusal> {
    presets.fields(name).map(Answer::Preset)
}

/// Where Claude Code keeps what its user has set.
fn own_folder() -> Option<PathBuf> {
    let set = std::env::var_os("CLAUDE_CONFIG_DIR").map(PathBuf::from);
    set.or_else(|| Some(Path::new(&std::env::var_os("HOME")?).join(".claude")))
}

/// The settings of its user, which it reads before those that it is given.
fn own_settings() -> Option<(PathBuf, Value)> {
    let file = own_folder()?.join("settings.json");
    let value = serde_json::from_str(&std::fs::read_to_string(&file).ok()?).ok()?;
    Some((file, value))
}

/// The hooks that act in programs of `name`, or of all presets, in the order in which they are read. Reads files.
///
/// # Errors
/// `no_such_preset`, with near matches.
pub fn taps(presets: &Presets, paths: &TownPaths, name: Option<&str>) -> Result<Answer, Refusal> {
    let names: Vec<&str> = match name {
        Some(name) => vec![presets.get(name)?.name.as_str()],
        None => presets.names().collect(),
    };
    let mut rows: Vec<TapRow> = Vec::new();
    for preset in names.into_iter().filter_map(|name| presets.get(name).ok()) {
        if preset.hooks == Hooks::None {
            continue;
        }
        let own = own_settings();
        let town = paths.agents_json().display().to_string();
        let mut sources: Vec<(String, Value)> = Vec::new();
        sources.extend(own.map(|(file, value)| (file.display().to_string(), value)));
        // Those that the preset's own settings name stand before ours.
        sources.push((town, preset.settings.clone().unwrap_or_default()));
        sources.push(("gastown".to_owned(), Preset { settings: None, ..preset.clone() }.settings_value()));
        for (source, settings) in sources {
            hooks(&preset.name, &source, &settings, &mut rows);
        }
    }
    rows.sort_by(|one, other| {
        (&one.preset, &one.event, one.order).cmp(&(&other.preset, &other.event, other.order))
    });
    Ok(Answer::Taps(rows))
}

/// Adds the hooks of `settings` behind those that are there.
fn hooks(preset: &str, source: &str, settings: &Value, rows: &mut Vec<TapRow>) {
    let events = settings.get("hooks").and_then(Value::as_object);
    for (event, groups) in events.into_iter().flatten() {
        for group in groups.as_array().into_iter().flatten() {
            let text =
                |of: &Value, key: &str| of.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
            for hook in group.get("hooks").and_then(Value::as_array).into_iter().flatten() {
                let order = 1 + rows.iter().filter(|row| row.preset == preset && row.event == *event).count();
                let command = [text(hook, "command"), text(hook, "url")].concat();
                rows.push(TapRow {
                    preset: preset.to_owned(),
                    event: event.clone(),
                    order,
                    matcher: text(group, "matcher"),
                    command,
                    source: source.to_owned(),
                });
            }
        }
    }
}

/// Whether the hooks of each preset reach its program.
pub fn examine(presets: &Presets) -> Vec<Examined> {
    let own = own_settings();
    let mut found = Vec::new();
    for preset in presets.names().filter_map(|name| presets.get(name).ok()) {
        if preset.hooks == Hooks::None {
            continue;
        }
        let given = preset.args.iter().any(|arg| arg.contains("{settings}"));
        let off = |settings: &Value| settings.get("disableAllHooks").and_then(Value::as_bool) == Some(true);
        let (status, detail) = if !given {
            (Health::Fail, "its args do not hold {settings}, so its hooks never reach it".to_owned())
        } else if preset.settings.as_ref().is_some_and(&off) {
            (Health::Fail, "its settings switch all hooks off (disableAllHooks)".to_owned())
        } else if let Some((file, _)) = own.as_ref().filter(|(_, settings)| off(settings)) {
            (Health::Warn, format!("{} switches all hooks off (disableAllHooks)", file.display()))
        } else {
            (Health::Ok, "its hooks reach it: gastown tap list".to_owned())
        };
        let (check, scope) = ("hooks".to_owned(), format!("preset {}", preset.name));
        found.push(Examined { check, scope, status, detail, fixed: false });
    }
    found
}
