//! What Claude Code writes down of its conversations, as far as it says what was used.
//!
//! Below its configuration's folder (`~/.claude`) it keeps `projects/FOLDER/SESSION.jsonl`, and beside it
//! `SESSION/subagents/*.jsonl` of the agents that it started itself. A line of `"type": "assistant"` is a
//! piece of an answer, with what the whole answer has used; an answer of several pieces stands there several
//! times, in older versions with a smaller count at first. So each answer counts once, by its id, with the
//! largest counts that were seen. That also makes reading a file again harmless.
//!
//! Who types `/clear` goes on in another conversation, with a file of another name; `sessions/PID.json` says
//! which. What the program asks its model aside (a title for the session) is in no transcript.
//!
//! Files are read from where the last reading ended; a last line without its end is left for the next one.
//! Lines of other kinds or of another shape are passed over: the format is nobody's promise.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use clerk::costs::Total;
use model::cost::{Tokens, Used};
use model::ids::SessionId;
use model::time::Timestamp;
use serde::Deserialize;

/// A longer line is no answer of a model, and is not taken into memory.
const LONGEST: u64 = 16 << 20;

/// How deep agents that were started by agents are looked for.
const DEPTH: usize = 4;

/// What stands in the place of a model for texts that the program has made up itself.
const NO_MODEL: &str = "<synthetic>";

/// The transcripts of one session, as far as they have been read.
#[derive(Debug)]
pub struct Transcripts {
    config: PathBuf,
    /// The session's own comes first: what another has copied from it counts for it.
    conversations: Vec<Conversation>,
    answers: HashMap<String, Answer>,
    /// How much of its model's window the newest answer has seen and written, in tokens.
    filled: Option<u64>,
}

#[derive(Debug)]
struct Conversation {
    id: SessionId,
    /// Its file, once it is there.
    file: Option<PathBuf>,
    /// How far each file has been read.
    offsets: BTreeMap<PathBuf, u64>,
}

#[derive(Debug)]
struct Answer {
    conversation: usize,
    model: String,
    tokens: Tokens,
}

impl Transcripts {
    /// The transcripts below `config` of `session` and of the `others` that it is known to have had.
    pub fn new(config: PathBuf, session: SessionId, others: impl IntoIterator<Item = SessionId>) -> Self {
        let conversations = std::iter::once(session).chain(others).map(Conversation::new).collect();
        Transcripts { config, conversations, answers: HashMap::new(), filled: None }
    }

    /// Takes in the conversation that the program with this `pid` says it is in now.
    ///
    /// It must have been started at `since` or later: one that was killed leaves its file behind, and
    /// numbers of processes come again.
    pub fn follow(&mut self, pid: u32, since: Timestamp) {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Now {
            pid: u32,
            session_id: SessionId,
            started_at: i64,
        }
        let path = self.config.join("sessions").join(format!("{pid}.json"));
        let Ok(text) = File::open(path).and_then(|file| io::read_to_string(file.take(64 << 10))) else {
            return;
        };
        if let Ok(now) = serde_json::from_str::<Now>(&text)
            && now.pid == pid
            && now.started_at >= since.millis()
            && self.conversations.iter().all(|known| known.id != now.session_id)
        {
            self.conversations.push(Conversation::new(now.session_id));
        }
    }

    /// Reads what has been written since the last time.
    ///
    /// # Errors
    /// The first file or folder that could not be read; the others have been.
    pub fn read(&mut self) -> io::Result<()> {
        let mut result = Ok(());
        for at in 0..self.conversations.len() {
            let files = self.conversations[at].files(&self.config).unwrap_or_else(|error| {
                result = Err(error);
                Vec::new()
            });
            for file in files {
                let from = self.conversations[at].offsets.get(&file).copied().unwrap_or_default();
                match self.read_file(at, &file, from) {
                    Ok(offset) => drop(self.conversations[at].offsets.insert(file, offset)),
                    Err(error) => result = Err(error),
                }
            }
        }
        result
    }

    /// How long the conversation is that goes on now, in tokens, and how many answers there have been; none before
    /// the first. What agents use that it has started itself is in conversations of their own.
    pub fn filled(&self) -> Option<(u64, usize)> {
        self.filled.map(|tokens| (tokens, self.answers.len()))
    }

    /// What was used in all that has been read, by conversation and model.
    pub fn totals(&self) -> Vec<Total> {
        let mut sums: BTreeMap<(usize, &str), Used> = BTreeMap::new();
        for Answer { conversation, model, tokens } in self.answers.values() {
            *sums.entry((*conversation, model)).or_default() += Used { tokens: *tokens, messages: 1 };
        }
        let total = |((at, model), used): ((usize, &str), Used)| Total {
            conversation: (at > 0).then(|| self.conversations[at].id.clone()),
            model: model.to_owned(),
            used,
        };
        sums.into_iter().map(total).collect()
    }

    fn read_file(&mut self, conversation: usize, path: &Path, from: u64) -> io::Result<u64> {
        let mut file = File::open(path)?;
        // One that has become shorter is another one.
        let from = if file.metadata()?.len() < from { 0 } else { from };
        file.seek(SeekFrom::Start(from))?;
        let own = self.conversations[conversation].file.as_deref() == Some(path);
        lines(BufReader::new(file), from, |line| {
            if let Some((id, model, tokens)) = answer(line) {
                if own {
                    self.filled = Some(tokens.total());
                }
                let answer = self.answers.entry(id);
                let answer =
                    answer.or_insert_with(|| Answer { conversation, model, tokens: Tokens::default() });
                answer.tokens = answer.tokens.max(tokens);
            }
        })
    }
}

impl Conversation {
    fn new(id: SessionId) -> Self {
        Conversation { id, file: None, offsets: BTreeMap::new() }
    }

    /// The files that there are of it.
    fn files(&mut self, config: &Path) -> io::Result<Vec<PathBuf>> {
        if self.file.is_none() {
            self.file = self.find(config)?;
        }
        let Some(file) = &self.file else { return Ok(Vec::new()) };
        let mut files = vec![file.clone()];
        below(&file.with_extension("").join("subagents"), DEPTH, &mut files)?;
        Ok(files)
    }

    fn find(&self, config: &Path) -> io::Result<Option<PathBuf>> {
        // It becomes a file's name.
        if !self.id.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return Ok(None);
        }
        let name = format!("{}.jsonl", self.id);
        for folder in entries(&config.join("projects"))? {
            let file = folder.join(&name);
            if file.is_file() {
                return Ok(Some(file));
            }
        }
        Ok(None)
    }
}

/// Adds the files below `folder` that may be transcripts.
fn below(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for path in entries(folder)? {
        let Ok(kind) = fs::symlink_metadata(&path).map(|about| about.file_type()) else { continue };
        if kind.is_dir() && depth > 0 {
            below(&path, depth - 1, files)?;
        } else if kind.is_file() && path.extension().is_some_and(|ending| ending == "jsonl") {
            files.push(path);
        }
    }
    Ok(())
}

/// What is in `folder`, in order; nothing where there is no such folder.
fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

/// Hands each whole line to `each`, and returns the offset behind the last one.
fn lines(mut from: impl BufRead, mut offset: u64, mut each: impl FnMut(&[u8])) -> io::Result<u64> {
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut length = from.by_ref().take(LONGEST).read_until(b'\n', &mut line)? as u64;
        let whole = line.ends_with(b"\n");
        let mut ended = whole;
        while !ended && length >= LONGEST {
            line.clear();
            let more = from.by_ref().take(LONGEST).read_until(b'\n', &mut line)? as u64;
            length += more;
            ended = line.ends_with(b"\n");
            if more == 0 {
                break;
            }
        }
        if !ended {
            return Ok(offset);
        }
        if whole {
            each(&line);
        }
        offset += length;
    }
}

/// The id of the answer that a line is a piece of, its model, and what the whole of it has used.
fn answer(line: &[u8]) -> Option<(String, String, Tokens)> {
    #[derive(Deserialize)]
    struct Line {
        #[serde(rename = "type")]
        kind: String,
        message: Option<Message>,
    }
    #[derive(Deserialize)]
    struct Message {
        id: String,
        model: String,
        usage: Usage,
    }
    #[derive(Deserialize)]
    struct Usage {
        input_tokens: Option<u64>,
        output_tokens: Option<u64>,
        cache_creation_input_tokens: Option<u64>,
        cache_read_input_tokens: Option<u64>,
        cache_creation: Option<Kept>,
    }
    #[derive(Deserialize)]
    struct Kept {
        ephemeral_1h_input_tokens: Option<u64>,
    }
    let line: Line = serde_json::from_slice(line).ok().filter(|line: &Line| line.kind == "assistant")?;
    let Message { id, model, usage } = line.message.filter(|message| message.model != NO_MODEL)?;
    let tokens = Tokens {
        input: usage.input_tokens.unwrap_or_default(),
        output: usage.output_tokens.unwrap_or_default(),
        cache_write: usage.cache_creation_input_tokens.unwrap_or_default(),
        cache_write_1h: usage
            .cache_creation
            .and_then(|kept| kept.ephemeral_1h_input_tokens)
            .unwrap_or_default(),
        cache_read: usage.cache_read_input_tokens.unwrap_or_default(),
    };
    Some((id, model, tokens))
}

#[cfg(test)]
#[path = "transcript/tests.rs"]
mod tests;
