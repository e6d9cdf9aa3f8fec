//! The scanner against the published vectors, cut in every way, and against garbage.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::speech::{Flaw, Spoken};

const VECTORS: &str = include_str!("../../../tests/vectors/lines.json");
const NONCE: &str = "9f3ac07b51d2e846";

struct Vector {
    name: String,
    input: Vec<u8>,
    heard: Value,
    visible: Vec<u8>,
}

fn vectors() -> Vec<Vector> {
    let file: Value = serde_json::from_str(VECTORS).unwrap();
    assert_eq!(file["nonce"], NONCE);
    let bytes = |vector: &Value, key: &str| match &vector[key] {
        Value::String(text) => text.clone().into_bytes(),
        _ => STANDARD.decode(vector[format!("{key}_base64")].as_str().unwrap()).unwrap(),
    };
    file["vectors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|vector| Vector {
            name: vector["name"].as_str().unwrap().to_owned(),
            input: bytes(vector, "input"),
            heard: vector["heard"].clone(),
            visible: bytes(vector, "visible"),
        })
        .collect()
}

fn written(heard: &[Heard]) -> Value {
    let spoken = |spoken: &Spoken| json!({"id": spoken.id, "words": spoken.words});
    heard
        .iter()
        .map(|heard| match heard {
            Heard::Line(said) => json!({"line": spoken(said)}),
            Heard::Frame(said) => json!({"frame": spoken(said)}),
            Heard::Forged => json!("forged"),
            Heard::Malformed { id, why } => {
                json!({"malformed": {"id": id, "why": format!("{why:?}").to_lowercase()}})
            }
        })
        .collect()
}

/// Feeds the pieces, then flushes; returns all that was seen and heard.
fn scan<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<u8>, Vec<Heard>) {
    let mut scanner = Scanner::new(NONCE);
    let (mut visible, mut heard) = (Vec::new(), Vec::new());
    for piece in pieces {
        let scanned = scanner.feed(piece);
        visible.extend(scanned.visible);
        heard.extend(scanned.heard);
    }
    visible.extend(scanner.flush());
    (visible, heard)
}

fn check<'a>(vector: &Vector, how: &str, pieces: impl IntoIterator<Item = &'a [u8]>) {
    let (visible, heard) = scan(pieces);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    // An unended piece of a nonce longer than its half stays hidden; no vector ends with one.
    assert_eq!(text(&visible), text(&vector.visible), "visible of {:?}, {how}", vector.name);
    assert_eq!(written(&heard), vector.heard, "heard of {:?}, {how}", vector.name);
}

#[test]
fn every_vector_gives_what_it_promises_however_it_is_cut() {
    for vector in vectors() {
        check(&vector, "whole", [vector.input.as_slice()]);
        check(&vector, "byte by byte", vector.input.chunks(1));
        for cut in 1..vector.input.len() {
            let (left, right) = vector.input.split_at(cut);
            check(&vector, &format!("cut at {cut}"), [left, right]);
        }
    }
}

#[test]
fn an_overlong_line_is_dropped_and_the_next_one_heard() {
    let command = |letters| format!("@gt:{NONCE}#4 x {}\n", "y".repeat(letters)).into_bytes();
    let fits = LIMIT - command(0).len() + 1;
    let heard = |input: &[u8]| scan(input.chunks(1000)).1;
    assert!(matches!(&heard(&command(fits))[..], [Heard::Line(_)]));
    assert_eq!(heard(&command(fits + 1)), [Heard::Malformed { id: Some(4), why: Flaw::Overlong }]);

    let mut input = vec![b'z'; 3 * LIMIT];
    input.extend_from_slice(format!("@gt:{NONCE} a\n@gt:{NONCE} b\n").as_bytes());
    assert!(matches!(&heard(&input)[..], [Heard::Line(said)] if said.words == ["b"]));

    let mut repainted = vec![b'z'; 3 * LIMIT];
    repainted.extend_from_slice(format!("\r@gt:{NONCE} a\n").as_bytes());
    assert!(matches!(&heard(&repainted)[..], [Heard::Line(said)] if said.words == ["a"]));
}

#[test]
fn an_overlong_frame_is_dropped_and_the_next_one_heard() {
    let mut input = speech::frame(NONCE, 1, &"y".repeat(2 * LIMIT));
    input.extend(speech::frame(NONCE, 2, "done"));
    let (visible, heard) = scan(input.chunks(777));
    assert!(visible.is_empty());
    assert_eq!(heard[0], Heard::Malformed { id: Some(1), why: Flaw::Overlong });
    assert!(matches!(&heard[1], Heard::Frame(said) if said.words == ["done"]));
}

#[test]
fn memory_stays_bounded_and_is_given_back() {
    let mut scanner = Scanner::new(NONCE);
    let held = |scanner: &Scanner| {
        scanner.line.bytes.capacity() + scanner.frame.bytes.capacity() + scanner.parameters.capacity()
    };
    for start in [&b""[..], b"\n\x1b[", b"\n\x1b]0;", b"\n\x1b]7770;", b"\n\x1bP"] {
        scanner.feed(start);
        for _ in 0..64 {
            scanner.feed(&[b'1'; 8192]);
            assert!(held(&scanner) <= 4 * LIMIT + 2 * PARAMETERS);
        }
    }
    scanner.feed(b"\n\x1b[m");
    assert!(held(&scanner) <= 4 * KEEP);
}

#[test]
fn a_pause_shows_the_prompt_that_looks_like_a_nonce() {
    let mut scanner = Scanner::new(NONCE);
    assert_eq!(scanner.feed(b"total 9f3").visible, b"total ");
    assert_eq!(scanner.flush(), b"9f3");
    assert_eq!(scanner.flush(), b"");
    assert_eq!(scanner.feed(b"\r\n").visible, b"\r\n");
}

#[test]
fn the_nonce_is_not_in_the_debug_output() {
    assert!(!format!("{:?}", Scanner::new(NONCE)).contains(NONCE));
}

/// Pieces that commands are made of, but no piece has the nonce's last character.
fn garbage() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"@gt:".to_vec()),
        Just(b"9f3ac07b51d2e84".to_vec()),
        Just(b"\x1b]7770;".to_vec()),
        Just(b"\x1b\\".to_vec()),
        Just(b"\x1b[?1049h".to_vec()),
        Just(b"\x1b[?1049l".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b";1;d87f7e0c; done".to_vec()),
        Just(b"#1 ".to_vec()),
        Just("世界".as_bytes().to_vec()),
        prop::collection::vec(any::<u8>().prop_filter("the last of the nonce", |b| *b != b'6'), 0..400),
    ];
    prop::collection::vec(piece, 0..800).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn garbage_is_never_a_command(bytes in garbage()) {
        let (visible, heard) = scan(bytes.chunks(613));
        prop_assert!(heard.iter().all(|heard| *heard == Heard::Forged));
        prop_assert!(visible.len() <= bytes.len());
        prop_assert_eq!(scan(bytes.chunks(1)), (visible, heard));
    }

    #[test]
    fn the_vectors_in_any_order_and_any_pieces_give_the_same(
        order in prop::collection::vec(any::<prop::sample::Index>(), 1..20),
        cuts in prop::collection::vec(1..40_usize, 1..20),
    ) {
        let vectors = vectors();
        let bytes: Vec<u8> =
            order.iter().flat_map(|index| vectors[index.index(vectors.len())].input.clone()).collect();
        let mut rest = bytes.as_slice();
        let pieces = cuts.iter().cycle().map_while(|cut| {
            let (piece, after) = rest.split_at((*cut).min(rest.len()));
            rest = after;
            (!piece.is_empty()).then_some(piece)
        });
        let pieces: Vec<&[u8]> = pieces.collect();
        prop_assert_eq!(scan(pieces), scan([bytes.as_slice()]));
    }
}
