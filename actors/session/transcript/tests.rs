use std::io::Write;

use super::*;

const OWN: &str = "11111111-2222-4333-8444-555555555555";
const CLEARED: &str = "64fed440-bc6b-4a8f-951e-38a825564648";

/// A line as Claude Code 2.1.329 writes it, cut down to what is looked at and some of what is not.
fn piece(id: &str, model: &str, input: u64, output: u64) -> String {
    serde_json::json!({
        "parentUuid": "fa160298-17d5-4e48-ab96-7121c1b6aec1", "isSidechain": false, "type": "assistant",
        "message": {
            "id": id, "type": "message", "role": "assistant", "model": model,
            "content": [{"type": "text", "text": "a piece"}], "stop_reason": "tool_use",
            "usage": {
                "input_tokens": input, "cache_creation_input_tokens": 7, "cache_read_input_tokens": 11,
                "output_tokens": output, "output_tokens_details": {"thinking_tokens": 0},
                "cache_creation": {"ephemeral_1h_input_tokens": 3, "ephemeral_5m_input_tokens": 4},
                "service_tier": "standard", "iterations": [], "fallback_credit": null,
            },
        },
        "requestId": null, "uuid": "c082ac44-8465-47bd-ac5f-1dd1d4b3f249",
        "timestamp": "2026-11-21T05:02:41.627Z", "sessionId": OWN, "version": "2.1.329",
    })
    .to_string()
        + "\n"
}

/// A folder as the program keeps it.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Home(tempfile::tempdir().unwrap())
    }

    fn says(&self, file: &str, text: &str) {
        let path = self.0.path().join("projects/-srv-town-web").join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        File::options().create(true).append(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
    }

    fn is_in(&self, pid: u32, session: &str) {
        let folder = self.0.path().join("sessions");
        fs::create_dir_all(&folder).unwrap();
        let text = format!(r#"{{"pid":{pid},"sessionId":"{session}","cwd":"/srv","startedAt":1000}}"#);
        fs::write(folder.join(format!("{pid}.json")), text).unwrap();
    }

    fn reader(&self) -> Transcripts {
        Transcripts::new(self.0.path().to_owned(), OWN.parse().unwrap(), [])
    }
}

/// What is there now, as (conversation, model, input, output, answers).
fn read(reader: &mut Transcripts) -> Vec<(Option<String>, String, u64, u64, u64)> {
    reader.read().unwrap();
    let row = |total: Total| {
        let Total { conversation, model, used } = total;
        let conversation = conversation.map(|id| id.to_string());
        (conversation, model, used.tokens.input, used.tokens.output, used.messages)
    };
    reader.totals().into_iter().map(row).collect()
}

fn own(model: &str, input: u64, output: u64, answers: u64) -> (Option<String>, String, u64, u64, u64) {
    (None, model.to_owned(), input, output, answers)
}

#[test]
fn an_answer_of_several_pieces_counts_once_with_its_largest_counts() {
    let home = Home::new();
    let mut reader = home.reader();
    assert_eq!(read(&mut reader), [], "nothing has been written yet");
    let file = format!("{OWN}.jsonl");
    home.says(
        &file,
        "{\"type\":\"mode\",\"mode\":\"normal\"}\n{\"type\":\"user\",\"message\":\"words\"}\nnot json\n",
    );
    home.says(&file, &piece("m-1", "opus", 100, 1));
    home.says(&file, "{\"type\":\"user\",\"message\":{\"role\":\"user\",\"content\":[]}}\n");
    home.says(&file, &piece("m-1", "opus", 100, 20));
    home.says(&file, &piece("m-2", "haiku", 5, 2));
    home.says(&file, &piece("m-3", "<synthetic>", 9, 9));
    assert_eq!(read(&mut reader), [own("haiku", 5, 2, 1), own("opus", 100, 20, 1)]);
    let tokens = reader.totals()[1].used.tokens;
    assert_eq!(tokens, Tokens { input: 100, output: 20, cache_write: 7, cache_write_1h: 3, cache_read: 11 });
}

#[test]
fn a_line_without_its_end_waits_and_nothing_is_read_twice() {
    let home = Home::new();
    let mut reader = home.reader();
    let file = format!("{OWN}.jsonl");
    let (first, second) = (piece("m-1", "opus", 1, 1), piece("m-2", "opus", 10, 10));
    let (head, tail) = second.split_at(second.len() / 2);
    home.says(&file, &first);
    home.says(&file, head);
    assert_eq!(read(&mut reader), [own("opus", 1, 1, 1)]);
    assert_eq!(read(&mut reader), [own("opus", 1, 1, 1)]);
    home.says(&file, tail);
    assert_eq!(read(&mut reader), [own("opus", 11, 11, 2)]);
    // Written anew and shorter: what was counted stays, what is new is added.
    let path = home.0.path().join("projects/-srv-town-web").join(&file);
    fs::write(path, piece("m-3", "opus", 100, 100)).unwrap();
    assert_eq!(read(&mut reader), [own("opus", 111, 111, 3)]);
    // Somebody who starts afresh reads the same as one who has read along.
    let mut afresh = home.reader();
    assert_eq!(read(&mut afresh), [own("opus", 100, 100, 1)]);
}

#[test]
fn agents_that_were_started_by_the_agent_count_with_it() {
    let home = Home::new();
    home.says(&format!("{OWN}.jsonl"), &piece("m-1", "opus", 1, 1));
    home.says(&format!("{OWN}/subagents/agent-a69.jsonl"), &piece("m-2", "opus", 10, 1));
    // A copy of what the agent that started it had said.
    home.says(&format!("{OWN}/subagents/agent-a69.jsonl"), &piece("m-1", "opus", 1, 1));
    home.says(&format!("{OWN}/subagents/more/agent-b.jsonl"), &piece("m-3", "haiku", 100, 1));
    home.says(&format!("{OWN}/subagents/agent-a69.meta.json"), "{}");
    home.says("99999999-0000-4000-8000-000000000000.jsonl", &piece("m-9", "opus", 9_999, 1));
    assert_eq!(read(&mut home.reader()), [own("haiku", 100, 1, 1), own("opus", 11, 2, 2)]);
}

#[test]
fn a_conversation_that_was_begun_anew_in_the_session_counts_by_itself() {
    let home = Home::new();
    let mut reader = home.reader();
    home.says(&format!("{OWN}.jsonl"), &piece("m-1", "opus", 1, 1));
    home.is_in(77, OWN);
    let start = Timestamp::from_millis(1_000);
    reader.follow(77, start);
    reader.follow(78, start);
    assert_eq!(read(&mut reader), [own("opus", 1, 1, 1)]);
    home.is_in(77, CLEARED);
    home.is_in(79, "../../etc/passwd");
    reader.follow(77, Timestamp::from_millis(1_001));
    home.says(&format!("{CLEARED}.jsonl"), &piece("m-2", "opus", 10, 1));
    assert_eq!(read(&mut reader), [own("opus", 1, 1, 1)], "left behind by another program");
    for pid in [77, 77, 79] {
        reader.follow(pid, start);
    }
    let cleared = (Some(CLEARED.to_owned()), "opus".to_owned(), 10, 1, 1);
    assert_eq!(read(&mut reader), [own("opus", 1, 1, 1), cleared.clone()]);
    // The ledger knows of it afterwards.
    let again = [CLEARED.parse().unwrap()];
    let mut again = Transcripts::new(home.0.path().to_owned(), OWN.parse().unwrap(), again);
    assert_eq!(read(&mut again), [own("opus", 1, 1, 1), cleared]);
}

#[test]
fn a_line_that_is_too_long_is_passed_over_whole() {
    let long = vec![b'x'; LONGEST as usize + 10];
    let check = |text: &[&[u8]], seen: &[&[u8]], offset: usize| {
        let mut found = Vec::new();
        let end =
            lines(BufReader::new(text.concat().as_slice()), 5, |line| found.push(line.to_vec())).unwrap();
        assert_eq!(
            (found.as_slice(), end),
            (seen.iter().map(|line| line.to_vec()).collect::<Vec<_>>().as_slice(), offset as u64)
        );
    };
    check(&[b"a\n", &long, b"\nb\n"], &[b"a\n", b"b\n"], 5 + 2 + long.len() + 1 + 2);
    check(&[b"a\n", &long], &[b"a\n"], 5 + 2);
    check(&[&long[..LONGEST as usize]], &[], 5);
    check(&[b"a"], &[], 5);
    check(&[], &[], 5);
}
