//! One preset: how a kind of agent is started, recognised, spoken to and ended.
//!
//! A preset is data. No code of the house may ask for one by name; what one kind of agent needs
//! becomes a field that every kind can set.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::Duration;

use model::ids::SessionId;
use serde::{Deserialize, Deserializer, Serialize, de};

use crate::document::span;

/// How an agent is handed its first input.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Brief {
    /// As its last argument.
    Arg,
    /// Typed into its terminal when it is ready.
    #[default]
    Typed,
    /// Not at all: it asks for it with `prime`.
    None,
}

/// Which hooks an agent can be given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Hooks {
    /// None.
    #[default]
    None,
    /// Those of Claude Code, through its settings.
    Claude,
}

/// The hooks that this program gives Claude Code.
fn claude_hooks() -> serde_json::Value {
    serde_json::from_str(include_str!("claude-hooks.json")).expect("a test reads this file")
}

/// Where an agent's use of tokens can be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Usage {
    /// Nowhere.
    #[default]
    None,
    /// In the transcript of Claude Code.
    ClaudeTranscript,
}

/// How an agent is ended, step by step; the last step is always KILL.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Stop {
    /// What to type, for agents that can be asked. Without it they are not.
    #[serde(rename = "type")]
    pub text: Option<String>,
    /// How long to wait after asking.
    #[serde(with = "span")]
    pub ask: Duration,
    /// How long to wait after TERM.
    #[serde(with = "span")]
    pub term: Duration,
}

impl Default for Stop {
    fn default() -> Self {
        Self { text: None, ask: Duration::from_secs(2), term: Duration::from_secs(3) }
    }
}

/// What shows on a terminal in one state of an agent. Any one of the signs is enough.
///
/// Written as a list of `screen:GLOB` (a piece of one row of the screen, in which `*` stands for
/// anything), `title:PREFIX` and `mode:bracketed_paste` or `mode:alternate_screen`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Signs {
    /// Pieces of a row of the screen; `*` stands for anything.
    pub screen: Vec<String>,
    /// Beginnings of the window's title.
    pub title: Vec<String>,
    /// Modes of the terminal: `bracketed_paste`, `alternate_screen`.
    pub mode: Vec<String>,
}

impl Signs {
    /// Whether no sign is known.
    pub fn is_empty(&self) -> bool {
        self.screen.is_empty() && self.title.is_empty() && self.mode.is_empty()
    }
}

impl<'de> Deserialize<'de> for Signs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut signs = Signs::default();
        for text in Vec::<String>::deserialize(deserializer)? {
            let list = match text.split_once(':') {
                Some(("screen", glob)) if !glob.is_empty() => (&mut signs.screen, glob),
                Some(("title", prefix)) if !prefix.is_empty() => (&mut signs.title, prefix),
                Some(("mode", mode @ ("bracketed_paste" | "alternate_screen"))) => (&mut signs.mode, mode),
                _ => {
                    return Err(de::Error::custom(format!(
                        "{text:?} is no sign: write screen:GLOB, title:PREFIX, mode:bracketed_paste \
                         or mode:alternate_screen"
                    )));
                }
            };
            list.0.push(list.1.to_owned());
        }
        Ok(signs)
    }
}

/// What shows at the end of a screen when something keeps a program from working.
///
/// Looked for when the program has ended, and while it lives if nothing shows that it is busy.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ends {
    /// How long the screen must stand still, and the program do nothing, until one of these ends it.
    #[serde(with = "span")]
    pub after: Duration,
    /// Whether those that no person need answer end a program that lives. Otherwise they only say why one
    /// has ended with a failure.
    pub living: bool,
    /// It asks somebody to log in.
    pub login: Signs,
    /// It asks whether its folder is trusted.
    pub trust: Signs,
    /// Its provider refuses its key.
    pub key_refused: Signs,
    /// Its provider holds it back until some time.
    pub limited: Signs,
    /// Its provider has too much to do.
    pub overloaded: Signs,
    /// Its conversation has become too long.
    pub context_full: Signs,
    /// The name of its session is in use.
    pub session_in_use: Signs,
    /// There was no memory left.
    pub out_of_memory: Signs,
}

impl Default for Ends {
    fn default() -> Self {
        Self {
            after: Duration::from_secs(5),
            living: true,
            login: Signs::default(),
            trust: Signs::default(),
            key_refused: Signs::default(),
            limited: Signs::default(),
            overloaded: Signs::default(),
            context_full: Signs::default(),
            session_in_use: Signs::default(),
            out_of_memory: Signs::default(),
        }
    }
}

/// A share of one core, written as `"2%"`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Share(pub f64);

// A share is never NaN: it is read from digits.
impl Eq for Share {}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let percent = text.strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok());
        match percent.filter(|percent| (0.0..=100.0).contains(percent)) {
            Some(percent) => Ok(Share(percent / 100.0)),
            None => Err(de::Error::custom(format!("{text:?} is no share: write one such as \"2%\""))),
        }
    }
}

/// Variables that are set for an agent. `Debug` shows their names only: values may be secrets.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Env(pub BTreeMap<String, String>);

impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// How a kind of agent is started, recognised, spoken to and ended.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Preset {
    /// What it is called in the configuration.
    #[serde(skip)]
    pub name: String,
    /// The program: a name to look for on PATH, or a path. May be `{gastown}`.
    pub command: String,
    /// Its arguments. May hold `{gastown}`, `{session}` and `{settings}`.
    pub args: Vec<String>,
    /// What replaces `{settings}`: any JSON, handed over as one compact line.
    pub settings: Option<serde_json::Value>,
    /// Variables that are set for it.
    pub env: Env,
    /// Variables that it gets from the runtime's own environment.
    pub pass_env: Vec<String>,
    /// How it is handed its first input.
    pub brief: Brief,
    /// Whether answers are typed into its terminal as lines of the protocol.
    pub replies: bool,
    /// Arguments of a first start.
    pub session_args: Vec<String>,
    /// Arguments that take up an earlier session. Without them an agent always starts afresh.
    pub resume_args: Vec<String>,
    /// It can take input. Without a sign: when it is quiet.
    pub ready: Signs,
    /// It works. Looked for before `ready`.
    pub busy: Signs,
    /// It asks a person. Looked for before `limited`.
    pub waiting: Signs,
    /// Its provider holds it back. Looked for before `busy`.
    pub limited: Signs,
    /// The key that puts away what a person has half typed, where the program brings it back by itself.
    pub stash: Option<String>,
    /// How long it may take to become ready.
    #[serde(with = "span")]
    pub ready_timeout: Duration,
    /// What keeps it from working, and how it says so.
    pub ends: Ends,
    /// How long it may show no sign of life while it works, until it is nudged.
    #[serde(with = "span")]
    pub silent_after: Duration,
    /// How long a nudge may be without effect, and how long it may wait for input with work on its hook.
    #[serde(with = "span")]
    pub nudge_after: Duration,
    /// How many nudges without effect it gets, until it is ended.
    pub nudges: u32,
    /// How long a call of a tool, known by its hooks, may take without a sign of life.
    #[serde(with = "span")]
    pub tool_timeout: Duration,
    /// What it uses of a core while it does nothing.
    pub idle_cpu: Share,
    /// How it is ended.
    pub stop: Stop,
    /// Which hooks it can be given.
    #[serde(deserialize_with = "or_default")]
    pub hooks: Hooks,
    /// Where its use of tokens can be read.
    #[serde(deserialize_with = "or_default")]
    pub usage: Usage,
    /// How many tokens its model takes at once; without it, how full that is is not known.
    pub context_window: Option<u64>,
    /// A program and arguments that the command is put behind, for instance a sandbox.
    pub exec_wrapper: Vec<String>,
}

/// Lets `null` stand for the default.
fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

impl Default for Preset {
    fn default() -> Self {
        Self {
            name: String::new(),
            command: String::new(),
            args: Vec::new(),
            settings: None,
            env: Env::default(),
            pass_env: Vec::new(),
            brief: Brief::default(),
            replies: false,
            session_args: Vec::new(),
            resume_args: Vec::new(),
            ready: Signs::default(),
            busy: Signs::default(),
            waiting: Signs::default(),
            limited: Signs::default(),
            stash: None,
            ready_timeout: Duration::from_secs(60),
            ends: Ends::default(),
            silent_after: Duration::from_secs(600),
            nudge_after: Duration::from_secs(60),
            nudges: 3,
            tool_timeout: Duration::from_secs(2 * 3600),
            idle_cpu: Share::default(),
            stop: Stop::default(),
            hooks: Hooks::default(),
            usage: Usage::default(),
            context_window: None,
            exec_wrapper: Vec::new(),
        }
    }
}

/// What the placeholders of one start stand for.
#[derive(Debug, Clone, Copy)]
pub struct Start<'a> {
    /// This program: `{gastown}`.
    pub gastown: &'a Path,
    /// The session's id: `{session}`.
    pub session: &'a SessionId,
    /// Whether the session has been there before and is to be taken up again.
    pub resume: bool,
    /// The brief; used if it is handed over as an argument.
    pub brief: Option<&'a str>,
}

impl Preset {
    /// Returns the whole command, program first, with every placeholder filled in.
    ///
    /// The brief comes last, as it is: what it holds is never taken for a placeholder. A path of this
    /// program that is no UTF-8 is rendered as near as can be.
    pub fn command_line(&self, start: Start<'_>) -> Vec<String> {
        let own_args = if start.resume && self.can_resume() { &self.resume_args } else { &self.session_args };
        let brief = start.brief.filter(|_| self.brief == Brief::Arg);
        let templates = self.exec_wrapper.iter().chain([&self.command]).chain(&self.args).chain(own_args);
        templates.map(|template| self.fill(template, start)).chain(brief.map(str::to_owned)).collect()
    }

    /// Returns the program that must exist for this preset to start, `{gastown}` filled in.
    pub fn program(&self, gastown: &Path) -> String {
        let first = self.exec_wrapper.first().unwrap_or(&self.command);
        first.replace("{gastown}", &gastown.to_string_lossy())
    }

    /// Whether an earlier session can be taken up again.
    pub fn can_resume(&self) -> bool {
        !self.resume_args.is_empty()
    }

    /// Returns what `{settings}` stands for: compact JSON, `{}` when the preset has none.
    ///
    /// The preset's hooks are among them, beside those that the settings name themselves.
    pub fn settings_text(&self) -> String {
        self.settings_value().to_string()
    }

    /// Returns the same as a value.
    pub fn settings_value(&self) -> serde_json::Value {
        let mut settings = self.settings.clone().unwrap_or_else(|| serde_json::json!({}));
        if let (Hooks::Claude, Some(settings)) = (self.hooks, settings.as_object_mut()) {
            let hooks = settings.entry("hooks").or_insert_with(|| serde_json::json!({}));
            if let (Some(hooks), serde_json::Value::Object(ours)) = (hooks.as_object_mut(), claude_hooks()) {
                for (event, ours) in ours {
                    match hooks.get_mut(&event).and_then(serde_json::Value::as_array_mut) {
                        Some(theirs) => theirs.extend(ours.as_array().cloned().unwrap_or_default()),
                        None => drop(hooks.insert(event, ours)),
                    }
                }
            }
        }
        settings
    }

    /// Fills in the placeholders in one pass, so that nothing that was put in is looked at again.
    fn fill(&self, template: &str, start: Start<'_>) -> String {
        let values = [
            ("{gastown}", start.gastown.to_string_lossy().into_owned()),
            ("{session}", start.session.to_string()),
            ("{settings}", self.settings_text()),
        ];
        let mut out = String::with_capacity(template.len());
        let mut rest = template;
        while let Some(brace) = rest.find('{') {
            out.push_str(&rest[..brace]);
            rest = &rest[brace..];
            match values.iter().find(|(name, _)| rest.starts_with(name)) {
                Some((name, value)) => {
                    out.push_str(value);
                    rest = &rest[name.len()..];
                }
                None => {
                    out.push('{');
                    rest = &rest[1..];
                }
            }
        }
        out + rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preset(text: &str) -> Result<Preset, serde_json::Error> {
        serde_json::from_str(text)
    }

    fn line(preset: &Preset, resume: bool, brief: Option<&str>) -> String {
        let session: SessionId = "s-1".parse().unwrap();
        let start = Start { gastown: Path::new("/opt/gastown"), session: &session, resume, brief };
        preset.command_line(start).join(" ")
    }

    #[test]
    fn hooks_stand_beside_those_of_the_settings() {
        let hooked = |settings| {
            let mut preset = crate::Presets::shipped().unwrap().get("claude").unwrap().clone();
            preset.settings = settings;
            serde_json::from_str::<serde_json::Value>(&preset.settings_text()).unwrap()["hooks"].clone()
        };
        assert_eq!(hooked(None), claude_hooks());
        let own = serde_json::json!({"hooks": {"SessionEnd": [1], "MessageDisplay": [2]}});
        let both = hooked(Some(own));
        assert_eq!(both["SessionEnd"], serde_json::json!([1]));
        assert_eq!(both["MessageDisplay"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn a_command_alone_is_a_preset() {
        let preset = preset(r#"{"command": "my-agent"}"#).unwrap();
        assert_eq!((preset.brief, preset.replies), (Brief::Typed, false));
        assert!(preset.ready.is_empty());
        assert_eq!(line(&preset, false, Some("do this")), "my-agent");
    }

    #[test]
    fn a_command_line_has_the_wrapper_first_and_the_brief_last() {
        let preset = preset(
            r#"{"command": "{gastown}", "args": ["-c", "{settings}", "{other}"], "brief": "arg",
                "settings": {"a": "{session}"}, "exec_wrapper": ["box", "--"],
                "session_args": ["new={session}"], "resume_args": ["old={session}"]}"#,
        )
        .unwrap();
        let middle = r#"box -- /opt/gastown -c {"a":"{session}"} {other}"#;
        assert_eq!(line(&preset, false, Some("{session}!")), format!("{middle} new=s-1 {{session}}!"));
        assert_eq!(line(&preset, true, None), format!("{middle} old=s-1"));
        assert_eq!(preset.program(Path::new("/opt/gastown")), "box");
    }

    #[test]
    fn signs_are_told_apart_and_strangers_refused() {
        let preset = preset(r#"{"ready": ["screen:> *", "title:ok: go", "mode:bracketed_paste"]}"#).unwrap();
        assert_eq!(preset.ready.screen, ["> *"]);
        assert_eq!(preset.ready.title, ["ok: go"]);
        assert_eq!(preset.ready.mode, ["bracketed_paste"]);
        for bad in ["screen", "screen:", "colour:red", "mode:mouse"] {
            let text = format!(r#"{{"ready": [{bad:?}]}}"#);
            assert!(serde_json::from_str::<Preset>(&text).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_keeps_it_from_working_is_told_by_lists_of_signs() {
        let preset = preset(
            r#"{"ends": {"after": "2s", "limited": ["screen:limit reached*resets"], "trust": ["title:Trust"]},
                "idle_cpu": "1.5%", "nudges": 1, "tool_timeout": "1h"}"#,
        )
        .unwrap();
        assert_eq!(preset.ends.limited.screen, ["limit reached*resets"]);
        assert_eq!(preset.ends.trust.title, ["Trust"]);
        assert!(preset.ends.living && preset.ends.login.is_empty());
        assert_eq!(preset.ends.after, Duration::from_secs(2));
        assert_eq!((preset.idle_cpu, preset.nudges), (Share(0.015), 1));
        for bad in [
            r#"{"ends": {"limitd": []}}"#,
            r#"{"ends": {"login": ["Log in"]}}"#,
            r#"{"idle_cpu": "2"}"#,
            r#"{"idle_cpu": "-1%"}"#,
        ] {
            assert!(serde_json::from_str::<Preset>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_log_never_shows_the_values_of_variables() {
        let preset = preset(r#"{"env": {"TOKEN": "secret"}, "hooks": null, "usage": "none"}"#).unwrap();
        let shown = format!("{preset:?}");
        assert!(shown.contains("TOKEN") && !shown.contains("secret"), "{shown}");
    }
}
