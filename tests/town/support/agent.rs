//! Agents that are foreign programs: shell scripts that know the contract and nothing else of us.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use super::town::Place;

/// What the scripts below have in common: a way to ask on the terminal and to read the answer.
const TALK: &str = r#"#!/bin/sh
stty -echo
n=0
# Says a line and reads on until its answer is there; letters that come meanwhile are kept.
ask() {
  n=$((n + 1))
  printf '@gt:%s#%s %s\n' "$GASTOWN_NONCE" "$n" "$1"
  hear "$n"
}
hear() {
  while IFS= read -r line; do
    case "$line" in
      "@gt:ok#$1 "*) answer=${line#* }; return 0 ;;
      "@gt:err#$1 "*) answer=${line#* }; return 1 ;;
      "@gt:mail "*) letters="$letters
${line#* }" ;;
    esac
  done
  exit 70
}
# The string behind a key of a JSON object.
field() { printf '%s\n' "$1" | sed -n "s/.*\"$2\":\"\([^\"]*\)\".*/\1/p" | head -n 1; }
# Stays until the terminal closes, as an agent does that waits for a person.
linger() { while IFS= read -r line; do :; done; exit 0; }
letters=
"#;

/// Says a command as a frame that people do not see. The checksum of RFC 1952 is the contract's.
const FRAMES: &str = r#"
frame() {
  crc=$(printf %s "$2" | gzip -c | tail -c 8 | od -An -tx1 -N4 | awk '{print $4 $3 $2 $1}')
  printf '\033]7770;%s;%s;%s;%s\033\\' "$GASTOWN_NONCE" "$1" "$crc" "$2"
}
"#;

/// Writes an agent's program and makes it the preset `name`.
///
/// * `script` - what it does, with the functions `ask`, `hear`, `field`, `frame`, `linger` at hand.
/// * `fields` - of the preset, beside its command.
pub(crate) fn preset(town: &Place, name: &str, script: &str, fields: Value) {
    let path = town.folder.join(format!("{name}.sh"));
    fs::write(&path, format!("{TALK}{FRAMES}{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    raw_preset(town, name, path.to_str().unwrap(), fields);
}

/// Makes any command the preset `name`.
pub(crate) fn raw_preset(town: &Place, name: &str, command: &str, fields: Value) {
    let mut preset = json!({ "command": command });
    for (key, value) in fields.as_object().unwrap() {
        preset[key] = value.clone();
    }
    town.configure("config/agents.json", |config| config["agents"][name] = preset);
}
