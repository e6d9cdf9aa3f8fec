//! What an agent finds in its environment: an allow-list, never the operator's own.

use std::collections::BTreeMap;

use config::preset::Preset;
use model::ids::SessionId;
use model::role::Address;

use crate::keys::Key;
use crate::tools::Tools;

/// What is taken over from the operator's environment for every agent. `PATH` is put behind the town's own.
const PASSED: [&str; 6] = ["HOME", "USER", "LOGNAME", "TZ", "TMPDIR", "LC_ALL"];

/// A search path where the operator has none.
const PLAIN_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What a session of `preset` is given as the variable `name`, of those that say nothing about who it is.
pub fn given(preset: &Preset, name: &str) -> Option<String> {
    let passed = PASSED.contains(&name) || preset.pass_env.iter().any(|passed| passed == name);
    let own = preset.env.0.get(name).cloned();
    own.or_else(|| std::env::var(name).ok().filter(|_| passed))
}

/// The whole environment of a session.
pub fn of(
    tools: &Tools,
    agent: &Address,
    session: &SessionId,
    preset: &Preset,
    key: &Key,
) -> BTreeMap<String, String> {
    let paths = &tools.paths;
    let town = paths.root().display().to_string();
    let rig = agent.rig().map(|rig| rig.to_string()).unwrap_or_default();
    let beads = agent.rig().map_or_else(|| paths.beads(), |rig| paths.rig(rig).beads());
    let path = std::env::var("PATH").unwrap_or_else(|_| PLAIN_PATH.to_owned());
    let mail = format!("{}@gastown.local", agent.slug());
    let passed = PASSED.iter().copied().chain(preset.pass_env.iter().map(String::as_str));
    let mut env: BTreeMap<String, String> =
        passed.filter_map(|name| std::env::var(name).ok().map(|value| (name.to_owned(), value))).collect();
    let own = [
        ("GASTOWN_TOWN", town.clone()),
        ("GASTOWN_SOCKET", paths.socket().display().to_string()),
        ("GASTOWN_AGENT", agent.to_string()),
        ("GASTOWN_ROLE", agent.role().to_string()),
        ("GASTOWN_RIG", rig.clone()),
        ("GASTOWN_SESSION", session.to_string()),
        ("GASTOWN_TOKEN", key.token.clone()),
        ("GASTOWN_NONCE", key.nonce.clone()),
        ("BD_ACTOR", agent.to_string()),
        ("GT_ROLE", agent.role().to_string()),
        ("GT_RIG", rig),
        ("GT_ROOT", town),
        ("BEADS_DIR", beads.display().to_string()),
        ("GIT_AUTHOR_NAME", agent.to_string()),
        ("GIT_AUTHOR_EMAIL", mail.clone()),
        ("GIT_COMMITTER_NAME", agent.to_string()),
        ("GIT_COMMITTER_EMAIL", mail),
        ("PATH", format!("{}:{path}", paths.bin().display())),
    ];
    let terminal = [
        ("TERM", "xterm-256color".to_owned()),
        ("COLORTERM", "truecolor".to_owned()),
        ("LANG", std::env::var("LANG").unwrap_or_else(|_| "C.UTF-8".to_owned())),
    ];
    env.extend(terminal.map(|(name, value)| (name.to_owned(), value)));
    env.extend(preset.env.0.iter().map(|(name, value)| (name.clone(), value.clone())));
    // Who an agent is cannot be set by a preset.
    env.extend(own.into_iter().map(|(name, value)| (name.to_owned(), value)));
    env
}

/// The values of `env` that nobody else should see: of variables whose names say that they are secret.
pub fn secrets(env: &BTreeMap<String, String>) -> Vec<String> {
    const WORDS: [&str; 7] = ["KEY", "TOKEN", "SECRET", "PASSWORD", "PASSWD", "NONCE", "CREDENTIAL"];
    let secret = |name: &str| WORDS.iter().any(|word| name.to_uppercase().contains(word));
    env.iter().filter(|(name, _)| secret(name)).map(|(_, value)| value.clone()).collect()
}
