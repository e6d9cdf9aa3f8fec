//! One JSON document on disk.
//!
//! Reading is strict: a key that nobody knows is an error with its line and the nearest known key,
//! since a limit that was misspelt and silently ignored costs more than a refusal. The one liberty is
//! `//` comments, because people want to write down why.
//!
//! Writing goes to a temporary neighbour, to the disk, and over the old file, so that a crash leaves
//! the old text or the new one.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use model::near;
use model::refusal::{Class, Refusal};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Why a file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}", file.display())]
    Read {
        /// Which.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file cannot be written.
    #[error("cannot write {}", file.display())]
    Write {
        /// Which.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file says something that this program does not understand.
    #[error("{}: {text}", place(file, *line))]
    Invalid {
        /// Which.
        file: PathBuf,
        /// The line, from 1, if it is known.
        line: Option<usize>,
        /// What is wrong.
        text: String,
        /// What may have been meant.
        hint: Option<String>,
    },
}

impl ConfigError {
    /// `file` says something wrong that no single line can be blamed for.
    pub fn invalid(file: &Path, text: impl Into<String>) -> Self {
        Self::Invalid { file: file.to_owned(), line: None, text: text.into(), hint: None }
    }

    /// The file that it is about.
    pub fn file(&self) -> &Path {
        match self {
            Self::Read { file, .. } | Self::Write { file, .. } | Self::Invalid { file, .. } => file,
        }
    }

    /// Whether the file is simply not there.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

impl From<ConfigError> for Refusal {
    fn from(error: ConfigError) -> Refusal {
        let text = error.to_string();
        match error {
            ConfigError::Read { file, source } => Refusal::failed("cannot_read", format!("{text}: {source}"))
                .hint(format!("check that {} is there and yours to read", file.display())),
            ConfigError::Write { file, source } => {
                Refusal::failed("cannot_write", format!("{text}: {source}")).hint(write_hint(&file, &source))
            }
            ConfigError::Invalid { file, hint, .. } => Refusal::new(Class::Failed, "invalid_config", text)
                .hint(hint.unwrap_or_else(|| format!("edit {}", file.display()))),
        }
    }
}

/// Returns what a person can do when `path` could not be written because of `error`.
pub(crate) fn write_hint(path: &Path, error: &io::Error) -> String {
    let folder = path.parent().unwrap_or(path).display();
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            format!("free some space on the disk of {folder}")
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            format!("{folder} is on a read-only file system; choose another folder")
        }
        io::ErrorKind::PermissionDenied => {
            format!("{folder} is not yours to write; choose another folder, or change its mode or owner")
        }
        io::ErrorKind::NotADirectory => format!("something on the way to {folder} is a file"),
        _ => format!("check that {folder} can be written"),
    }
}

fn place(file: &Path, line: Option<usize>) -> String {
    match line {
        Some(line) => format!("{}:{line}", file.display()),
        None => file.display().to_string(),
    }
}

/// Reads the document in `file`.
pub fn read<T: DeserializeOwned>(file: &Path) -> Result<T, ConfigError> {
    parse(file, &read_text(file)?)
}

/// Reads the document in `file`; a missing file is the default.
pub(crate) fn read_or_default<T: DeserializeOwned + Default>(file: &Path) -> Result<T, ConfigError> {
    match read(file) {
        Err(error) if error.is_missing() => Ok(T::default()),
        other => other,
    }
}

pub(crate) fn read_text(file: &Path) -> Result<String, ConfigError> {
    fs::read_to_string(file).map_err(|source| ConfigError::Read { file: file.to_owned(), source })
}

/// Parses `text` as the document in `file`; `file` serves for errors only.
pub fn parse<T: DeserializeOwned>(file: &Path, text: &str) -> Result<T, ConfigError> {
    let text = without_comments(text);
    serde_json::from_str(&text).map_err(|error| explain(file, &text, &error))
}

fn explain(file: &Path, document: &str, error: &serde_json::Error) -> ConfigError {
    let full = error.to_string();
    let line = blamed_line(document, error);
    let position = format!(" at line {} column {}", error.line(), error.column());
    let text = full.strip_suffix(&position).unwrap_or(&full);

    // serde says what it did not know and what it knows, each between backticks.
    let mut quoted = text.split('`').skip(1).step_by(2);
    for (opening, what) in [("unknown field `", "key"), ("unknown variant `", "word")] {
        if !text.starts_with(opening) {
            continue;
        }
        let given = quoted.next().unwrap_or_default();
        let known: Vec<&str> = quoted.collect();
        let hint = near::did_you_mean(&near::matches(given, known.iter().copied()))
            .unwrap_or_else(|| format!("known here: {}", known.join(", ")));
        return ConfigError::Invalid {
            file: file.to_owned(),
            line,
            text: format!("unknown {what} {given:?}"),
            hint: Some(hint),
        };
    }
    ConfigError::Invalid { file: file.to_owned(), line, text: text.replace('`', "\""), hint: None }
}

/// Returns the line that a person has to look at.
///
/// A wrong value at the end of an object is noticed at the bracket that closes it, often a line further
/// down; then the last line that says something is meant.
fn blamed_line(document: &str, error: &serde_json::Error) -> Option<usize> {
    let noticed = error.line().checked_sub(1)?;
    let lines: Vec<&str> = document.lines().collect();
    let only_closes = |line: &str| line.trim().chars().all(|c| matches!(c, '}' | ']'));
    let before = lines.get(noticed)?.get(..error.column()).unwrap_or_default();
    if before.trim().is_empty() || !only_closes(before) {
        return Some(error.line());
    }
    let earlier = (0..noticed).rev().find(|at| lines.get(*at).is_some_and(|line| !only_closes(line)));
    Some(earlier.unwrap_or(noticed) + 1)
}

/// Returns `text` with every `//` comment outside of strings turned into blanks, so that lines and
/// columns stay where they were.
pub(crate) fn without_comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    let (mut in_string, mut in_comment) = (false, false);
    while let Some(c) = chars.next() {
        if in_comment && c != '\n' {
            out.push(' ');
            continue;
        }
        in_comment = false;
        match c {
            '"' => in_string = !in_string,
            '\\' if in_string => {
                out.push(c);
                out.extend(chars.next());
                continue;
            }
            '/' if !in_string && chars.peek() == Some(&'/') => {
                in_comment = true;
                out.push(' ');
                continue;
            }
            _ => {}
        }
        out.push(c);
    }
    out
}

/// Writes `value` to `file` as indented JSON: all of it or nothing, and on the disk when this returns.
///
/// The folder must exist. Comments that the file held are gone afterwards.
pub fn write<T: Serialize>(file: &Path, value: &T) -> Result<(), ConfigError> {
    let fail = |source| ConfigError::Write { file: file.to_owned(), source };
    let mut text = serde_json::to_string_pretty(value).map_err(|error| fail(error.into()))?;
    text.push('\n');
    replace(file, text.as_bytes()).map_err(fail)
}

fn replace(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = neighbour(file);
    let written = File::create(&temporary)
        .and_then(|mut out| out.write_all(bytes).and_then(|()| out.sync_all()))
        .and_then(|()| faults::point("config.rename"))
        .and_then(|()| fs::rename(&temporary, file));
    faults::pass("config.renamed");
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written?;
    // The new name is only durable once its folder is.
    match file.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// Returns a hidden path beside `file` that no other process uses.
pub(crate) fn neighbour(file: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(file.file_name().unwrap_or_default());
    name.push(format!(".{}.new", std::process::id()));
    file.with_file_name(name)
}

/// The version of a document's format. There is only one so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Version;

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(1)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u64::deserialize(deserializer)? {
            1 => Ok(Version),
            other => Err(de::Error::custom(format!(
                "this program reads version 1 of this file, not version {other}"
            ))),
        }
    }
}

/// Time spans as people write them: `"5s"`, `"10m"`, `"1h 30m"`.
pub(crate) mod span {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(span: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_duration(*span))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(deserializer)?;
        humantime::parse_duration(&text)
            .map_err(|_| de::Error::custom(format!("{text:?} is not a time span such as \"5s\" or \"10m\"")))
    }
}

/// A number that must not be 0.
pub(crate) fn at_least_one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    match u32::deserialize(deserializer)? {
        0 => Err(de::Error::custom("the number must be at least 1")),
        n => Ok(n),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        version: Version,
        max_workers: u32,
        #[serde(default, with = "span")]
        delay: Duration,
    }

    fn sample(text: &str) -> Result<Sample, ConfigError> {
        parse(Path::new("config/sample.json"), text)
    }

    fn told(text: &str) -> (String, Option<String>) {
        let refusal = Refusal::from(sample(text).unwrap_err());
        (refusal.message, refusal.hint)
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line_and_the_nearest_known_one() {
        let (message, hint) = told("{\n  \"version\": 1,\n  \"max_wokers\": 3\n}");
        assert_eq!(message, "config/sample.json:3: unknown key \"max_wokers\"");
        assert_eq!(hint.unwrap(), "did you mean \"max_workers\"?");

        let (_, hint) = told("{\"zzz\": 1}");
        assert_eq!(hint.unwrap(), "known here: version, max_workers, delay");
    }

    #[test]
    fn wrong_values_say_what_would_be_right() {
        let (message, _) = told("{\"version\":2,\"max_workers\":1}");
        assert!(message.ends_with("this program reads version 1 of this file, not version 2"), "{message}");
        let (message, _) = told("{\"version\":1,\"max_workers\":1,\n\"delay\":\"5 bananas\"}");
        assert!(message.starts_with("config/sample.json:2: \"5 bananas\" is not a time span"), "{message}");
        for end in ["", "\n", "\n\n  "] {
            let (message, _) = told(&format!("{{\n\"max_workers\":1,\n\"delay\":\"x\"{end}}}"));
            assert!(message.starts_with("config/sample.json:3: "), "{message}");
        }
        let (message, _) = told("{\"version\":1}");
        assert!(message.ends_with("missing field \"max_workers\""), "{message}");
        let (message, _) = told("{\"version\":1,");
        assert!(message.starts_with("config/sample.json:1: EOF"), "{message}");
    }

    #[test]
    fn comments_go_and_everything_else_stays_in_place() {
        for (with, without) in [
            ("1 // one", "1       "),
            ("\"http://x\" // y", "\"http://x\"     "),
            ("\"a\\\"//\" // y\n2", "\"a\\\"//\"     \n2"),
            ("/ 1", "/ 1"),
            ("// ä\n", "    \n"),
        ] {
            assert_eq!(without_comments(with), without);
        }
    }

    #[test]
    fn what_is_written_reads_back_and_leaves_no_neighbour() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sample.json");
        let value = Sample { version: Version, max_workers: 3, delay: Duration::from_secs(90) };
        write(&file, &value).unwrap();
        write(&file, &value).unwrap();
        let text = fs::read_to_string(&file).unwrap();
        assert_eq!(text, "{\n  \"version\": 1,\n  \"max_workers\": 3,\n  \"delay\": \"1m 30s\"\n}\n");
        assert_eq!(read::<Sample>(&file).unwrap(), value);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_that_is_missing_is_an_error_with_a_hint() {
        let error = write(Path::new("/proc/none/x.json"), &1).unwrap_err();
        let refusal = Refusal::from(error);
        assert_eq!(refusal.code, "cannot_write");
        assert!(refusal.hint.is_some());
        assert!(read::<Sample>(Path::new("/proc/none/x.json")).unwrap_err().is_missing());
    }
}
