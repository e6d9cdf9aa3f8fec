//! Files that a person brings and takes away: read whole, written whole or not at all.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use model::import::JsonLines;
use model::refusal::Refusal;

/// The tables of a dump that say something of beads; the first two hold the beads themselves.
const TABLES: [&str; 5] =
    ["issues.jsonl", "beads.jsonl", "dependencies.jsonl", "labels.jsonl", "comments.jsonl"];

/// Reads JSON lines: each of `names` a file, or a folder that holds exported tables; `-` is standard input.
///
/// Says beside that which tables lie next to a file and were not asked for.
pub(crate) fn json_lines(cwd: &Path, names: &[String]) -> Result<(Vec<JsonLines>, Option<String>), Refusal> {
    let mut files = Vec::new();
    let mut left = Vec::new();
    for name in names {
        let path = cwd.join(name);
        if name != "-" && path.is_dir() {
            let found: Vec<&str> = TABLES.into_iter().filter(|table| path.join(table).is_file()).collect();
            // Older programs called the same file beads.jsonl; where both are, the newer one counts.
            let holds_both = found.contains(&TABLES[0]);
            if !found.iter().any(|table| TABLES[..2].contains(table)) {
                return Err(Refusal::usage(format!("there is no issues.jsonl in {name}"))
                    .hint("give the file itself, or the folder that holds it"));
            }
            for table in found.into_iter().filter(|table| !(holds_both && *table == TABLES[1])) {
                files.push(read(&path.join(table), &Path::new(name).join(table).display().to_string())?);
            }
        } else if name == "-" {
            let mut bytes = Vec::new();
            let got = io::stdin().lock().read_to_end(&mut bytes);
            got.map_err(|error| cannot_read("standard input", &error))?;
            files.push(JsonLines { name: String::new(), text: text("standard input", bytes)? });
        } else {
            let shown = if names.len() > 1 { name.clone() } else { String::new() };
            files.push(JsonLines { name: shown, ..read(&path, name)? });
            left.extend(beside(&path, cwd, names));
        }
    }
    let note = (!left.is_empty()).then(|| {
        format!("not read, though beside it: {}; give the folder to take that in, too", left.join(", "))
    });
    Ok((files, note))
}

/// Returns `text` as the person's editor leaves it: `$VISUAL`, `$EDITOR`, or `vi`.
pub(crate) fn edited(text: &str) -> Result<String, Refusal> {
    let wrong =
        |what: &str, error: &dyn std::fmt::Display| Refusal::failed("editor", format!("{what}: {error}"));
    let editor =
        ["VISUAL", "EDITOR"].iter().find_map(|name| std::env::var(name).ok().filter(|name| !name.is_empty()));
    let editor = editor.unwrap_or_else(|| "vi".to_owned());
    let mut name = format!("gastown-{}.md", std::process::id());
    let path = loop {
        let path = std::env::temp_dir().join(&name);
        // Nobody else's file, and no link that leads elsewhere.
        match File::options().write(true).create_new(true).open(&path) {
            Ok(mut file) => {
                file.write_all(text.as_bytes())
                    .map_err(|error| wrong("cannot write the text down", &error))?;
                break path;
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && name.len() < 100 => {
                name.insert(0, '_')
            }
            Err(error) => return Err(wrong("cannot write the text down", &error)),
        }
    };
    // As programs that call an editor do: it may be a command with options.
    let ended = std::process::Command::new("/bin/sh")
        .args(["-c", &format!("{editor} \"$1\""), "sh"])
        .arg(&path)
        .status();
    let text = fs::read_to_string(&path);
    let _ = fs::remove_file(&path);
    match ended {
        Ok(status) if status.success() => text.map_err(|error| wrong("cannot read the text back", &error)),
        Ok(status) => Err(wrong(&format!("{editor} has failed"), &status)),
        Err(error) => Err(wrong(&format!("cannot start {editor}"), &error)),
    }
}

/// The tables of a dump that lie beside `path` and are not among `names`.
fn beside(path: &Path, cwd: &Path, names: &[String]) -> Vec<String> {
    let (Some(folder), Some(file)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Vec::new();
    };
    if file != TABLES[0] {
        return Vec::new();
    }
    let given = |path: &PathBuf| names.iter().any(|name| cwd.join(name) == *path);
    let there = TABLES[2..].iter().filter(|table| {
        let path = folder.join(table);
        path.is_file() && !given(&path)
    });
    there.map(|table| (*table).to_owned()).collect()
}

fn read(path: &Path, shown: &str) -> Result<JsonLines, Refusal> {
    let bytes = fs::read(path).map_err(|error| cannot_read(shown, &error))?;
    Ok(JsonLines { name: shown.to_owned(), text: text(shown, bytes)? })
}

fn cannot_read(what: &str, error: &io::Error) -> Refusal {
    Refusal::failed("cannot_read", format!("cannot read {what}: {error}"))
}

fn text(shown: &str, bytes: Vec<u8>) -> Result<String, Refusal> {
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..good].iter().filter(|byte| **byte == b'\n').count() + 1;
        Refusal::usage(format!("line {line} of {shown} is not valid UTF-8"))
            .hint("nothing was imported; `iconv -f latin1 -t utf-8` may be what the file needs")
    })
}

/// Writes a new file, and the folders that it lies in; one that is there already is left as it is.
pub(crate) fn create(path: &Path, text: &str) -> Result<(), Refusal> {
    let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| {
        let mut file = File::options().write(true).create_new(true).open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.map_err(|error| failed(path, &error))
}

/// A file that is there, with all of it, once it is finished, and until then as it was.
#[derive(Debug)]
pub(crate) struct Saving {
    path: PathBuf,
    fresh: PathBuf,
    file: Option<BufWriter<File>>,
}

impl Saving {
    /// Begins to write what is to be at `path`.
    pub(crate) fn begin(path: &Path) -> Result<Saving, Refusal> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.new", std::process::id()));
        let fresh = path.with_file_name(name);
        let file = File::create(&fresh).map_err(|error| failed(path, &error))?;
        Ok(Saving { path: path.to_owned(), fresh, file: Some(BufWriter::new(file)) })
    }

    /// Adds `text`.
    pub(crate) fn add(&mut self, text: &str) -> Result<(), Refusal> {
        let written = self.file.as_mut().map_or(Ok(()), |file| file.write_all(text.as_bytes()));
        written.map_err(|error| failed(&self.path, &error))
    }

    /// Puts the file in its place.
    pub(crate) fn finish(mut self) -> Result<(), Refusal> {
        let Some(file) = self.file.take() else { return Ok(()) };
        let done = file
            .into_inner()
            .map_err(io::IntoInnerError::into_error)
            .and_then(|file| file.sync_all())
            .and_then(|()| fs::rename(&self.fresh, &self.path));
        done.map_err(|error| {
            let _ = fs::remove_file(&self.fresh);
            failed(&self.path, &error)
        })
    }
}

impl Drop for Saving {
    fn drop(&mut self) {
        if self.file.is_some() {
            let _ = fs::remove_file(&self.fresh);
        }
    }
}

fn failed(path: &Path, error: &io::Error) -> Refusal {
    Refusal::failed("cannot_write", format!("cannot write {}: {error}", path.display()))
        .hint("what was there before is as it was")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_changes_when_all_of_it_is_written_and_not_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("issues.jsonl");
        fs::write(&path, "old").unwrap();
        let mut saving = Saving::begin(&path).unwrap();
        saving.add("half").unwrap();
        drop(saving);
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        let mut saving = Saving::begin(&path).unwrap();
        saving.add("new").unwrap();
        saving.finish().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let lost = Saving::begin(&folder.path().join("no/such/file")).unwrap_err();
        assert_eq!(lost.code, "cannot_write");
    }

    #[test]
    fn a_folder_is_its_tables_and_a_file_tells_of_those_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["issues.jsonl", "labels.jsonl", "events.jsonl", "beads.jsonl"] {
            fs::write(folder.path().join(name), name).unwrap();
        }
        let (files, note) = json_lines(folder.path(), &[".".into()]).unwrap();
        let names: Vec<&str> = files.iter().map(|file| file.text.as_str()).collect();
        assert_eq!((names, note), (vec!["issues.jsonl", "labels.jsonl"], None));
        let (files, note) = json_lines(folder.path(), &["issues.jsonl".into()]).unwrap();
        assert_eq!((files.len(), files[0].name.as_str()), (1, ""));
        assert!(note.unwrap().starts_with("not read, though beside it: labels.jsonl;"));
        fs::write(folder.path().join("bad.jsonl"), b"{}\n\xff\n").unwrap();
        let said = json_lines(folder.path(), &["bad.jsonl".into()]).unwrap_err();
        assert!(said.message.contains("line 2 of bad.jsonl"), "{said}");
    }
}
