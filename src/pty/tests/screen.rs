//! What the screen promises about any bytes at all: no panic, the same picture however they are
//! cut, and a redraw that paints that picture on a terminal that showed anything else.

use gastown_pty::{Screen, Size};
use proptest::prelude::*;

fn shown(size: Size, bytes: &[u8]) -> Screen {
    let mut screen = Screen::new(size);
    screen.feed(bytes);
    screen
}

/// Paints `screen` on terminals that showed nothing and something, and compares.
fn check_redraw(screen: &mut Screen, context: &str) {
    let wanted = screen.snapshot();
    let redraw = screen.redraw();
    assert_eq!(screen.snapshot(), wanted, "a redraw changed the screen itself: {context}");
    for before in ["", "junk\x1b[?1049h\x1b[2;3r\x1b[?6h\x1b[4hmore\x1b[?2004h\x1b[41m\x1b(0\x0e\x1b]2;"] {
        let mut fresh = shown(wanted.size, before.as_bytes());
        fresh.feed(&redraw);
        assert_eq!(fresh.snapshot(), wanted, "{context}");
        // What is printed next lands the same, so cursor, margins and modes are the same too.
        let mut original = shown(wanted.size, &redraw);
        let next = "x\r\ny\tz\u{1b}8w\n\n\n\n\n\n\n\n\n\n\n\n\nend";
        original.feed(next.as_bytes());
        fresh.feed(next.as_bytes());
        assert_eq!(fresh.text(), original.text(), "{context}");
    }
}

#[test]
fn a_redraw_restores_picture_and_modes() {
    let size = Size { rows: 6, cols: 20 };
    for bytes in [
        "plain\r\n\x1b[1;31mred\x1b[0m and \x1b[48;2;1;2;3mblue\x1b[m",
        "before\x1b[?1049h\x1b[Hfull\x1b[?2004h\x1b[?1002h\x1b[?1006h\x1b[?25l",
        "\x1b[?1h\x1b=\x1b]2;a title\x07",
        "wide 日本語 ❤\u{fe0f} e\u{301}",
        "\x1b[3;5r\x1b[4;1Hin the region",
        "\x1b[2;4r\x1b[?6h\x1b[2;2Horigin",
        "01234567890123456789",
        "\x1b[6;1H01234567890123456789",
        "0123456789012345678日",
        "\x1b(0lqqk\x1b(B plain \x1b(0",
        "\x1b)0\x0eqq",
        "\x1b[4hinsert",
        "\x1b[?7lno wrap here, cut off at the edge",
        "\x1b[2;3Hsaved\x1b7\x1b[5;5H",
        "tab\there",
        "\x1b#8",
    ] {
        let mut screen = shown(size, bytes.as_bytes());
        check_redraw(&mut screen, bytes);
        // The next output lands where it would have.
        let mut fresh = shown(size, &screen.redraw());
        for more in ["X", "\r\n\nY", "\x1b8Z", "\x1b[2B\x1b[3CW", "\n\n\n\n\nV"] {
            fresh.feed(more.as_bytes());
            screen.feed(more.as_bytes());
            assert_eq!(fresh.snapshot(), screen.snapshot(), "{bytes:?} then {more:?}");
        }
    }
}

#[test]
fn leaving_a_full_screen_program_shows_what_was_there() {
    let size = Size { rows: 4, cols: 20 };
    let mut screen = shown(size, b"one\r\ntwo\x1b[?1049h\x1b[Hfull");
    let mut fresh = shown(size, &screen.redraw());
    assert_eq!(fresh.text(), "full\n");
    for screen in [&mut screen, &mut fresh] {
        screen.feed(b"\x1b[?1049l!");
        assert_eq!(screen.text(), "one\ntwo!\n");
    }
}

#[test]
fn questions_are_answered_by_the_screen() {
    let size = Size { rows: 4, cols: 20 };
    for (question, answer) in [
        ("\x1b[c", "\x1b[?6c"),
        ("ab\x1b[6n", "\x1b[1;3R"),
        ("\x1b[5n", "\x1b[0n"),
        ("\x1b]11;?\x1b\\", "\x1b]11;rgb:0000/0000/0000\x1b\\"),
        ("\x1b[18t", "\x1b[8;4;20t"),
        ("\x1b[?2004$p", "\x1b[?2004;2$y"),
    ] {
        let mut screen = Screen::new(size);
        let people = screen.feed(question.as_bytes());
        assert_eq!(String::from_utf8(screen.take_answers()).unwrap(), answer, "{question:?}");
        assert!(!people.contains(&0x1b), "{question:?}");
        assert!(screen.take_answers().is_empty());
    }
    let mut screen = Screen::new(size);
    screen.feed(b"\x1b]52;c;?\x07");
    assert!(screen.take_answers().is_empty(), "nobody reads the clipboard");
}

#[test]
fn a_program_that_dies_inside_a_synchronized_update_is_seen() {
    let mut screen = Screen::new(Size { rows: 2, cols: 20 });
    screen.feed(b"old\x1b[?2026h\rnew");
    assert!(screen.update_pending());
    assert_eq!(screen.text(), "new\n");
    assert!(!screen.update_pending());
}

#[test]
fn an_endless_string_costs_neither_memory_nor_the_output_after_it() {
    let mut screen = Screen::new(Size { rows: 2, cols: 20 });
    screen.feed(b"\x1b]2;");
    for _ in 0..1000 {
        screen.feed(&[b'x'; 4096]);
    }
    screen.feed(b"\nseen");
    assert!(screen.text().contains("seen"));
}

#[test]
fn the_character_after_a_split_one_is_not_lost() {
    let text = "· ↑ é\r\n· ↑ é";
    for cut in 0..=text.len() {
        let mut screen = Screen::new(Size { rows: 3, cols: 20 });
        screen.feed(&text.as_bytes()[..cut]);
        screen.feed(&text.as_bytes()[cut..]);
        assert_eq!(screen.text(), "· ↑ é\n· ↑ é\n", "cut at {cut}");
    }
}

/// A piece of what terminals are sent: text, and every sequence the screen knows, with odd numbers.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let number = prop_oneof![4 => 0_u16..12, 1 => Just(9999_u16)];
    let finals = prop::sample::select(b"ABCDEFGHIJKLMPSTXZ@`adefhlmnrsugb".to_vec());
    prop_oneof![
        4 => "[a-z ]{1,12}".prop_map(String::into_bytes),
        2 => prop::sample::select(vec![
            "日", "本", "e\u{301}", "❤\u{fe0f}", "👩\u{200d}👩", "\u{301}", "\u{fe0f}", "…", "é",
        ]).prop_map(|text| text.as_bytes().to_vec()),
        2 => prop::sample::select(vec!["\r\n", "\n", "\r", "\t", "\x08", "\x0e", "\x0f", "\x0b"])
            .prop_map(|text| text.as_bytes().to_vec()),
        4 => (prop::collection::vec(number.clone(), 0..3), finals).prop_map(|(numbers, last)| {
            let numbers: Vec<String> = numbers.iter().map(u16::to_string).collect();
            let mut bytes = format!("\x1b[{}", numbers.join(";")).into_bytes();
            bytes.push(last);
            bytes
        }),
        2 => (prop::sample::select(vec![1, 3, 5, 6, 7, 12, 25, 1000, 1002, 1003, 1004, 1005, 1006,
                1007, 1049, 2004, 2026]), any::<bool>())
            .prop_map(|(mode, on)| format!("\x1b[?{mode}{}", if on { 'h' } else { 'l' }).into_bytes()),
        1 => prop::sample::select(vec!["\x1b[4h", "\x1b[4l", "\x1b[20h", "\x1b[20l", "\x1b7", "\x1b8",
            "\x1bM", "\x1bD", "\x1bE", "\x1bH", "\x1b(0", "\x1b(B", "\x1b)0", "\x1bc", "\x1b#8", "\x1b=",
            "\x1b>", "\x1b[>1u", "\x1b[<u", "\x1b[!p", "\x1b]2;title\x07", "\x1b]8;;http://x\x1b\\",
            "\x1b[38;5;9m", "\x1b[48;2;9;8;7m", "\x1b[4:3m", "\x1b[58:5:3m", "\x1b[2 q"])
            .prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 1..8),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..2000), rows in 1_u16..8, cols in 2_u16..30) {
        let mut screen = shown(Size { rows, cols }, &bytes);
        screen.resize(Size { rows: cols, cols: rows });
        screen.feed(&bytes);
        screen.snapshot();
        screen.redraw();
        let state = format!("{screen:?}");
        prop_assert!(state.contains("rebuilt: 0"), "{}", state);
    }

    #[test]
    fn a_redraw_paints_the_same_picture_elsewhere(
        pieces in prop::collection::vec(piece(), 0..60),
        rows in 1_u16..8, cols in 2_u16..30,
    ) {
        let bytes = pieces.concat();
        let mut screen = shown(Size { rows, cols }, &bytes);
        let wanted = screen.snapshot();
        let redraw = screen.redraw();
        prop_assert_eq!(screen.snapshot(), wanted.clone());
        let mut fresh = shown(Size { rows, cols }, &redraw);
        let found = fresh.snapshot();
        prop_assert_eq!(found.rows, wanted.rows, "{:?}", String::from_utf8_lossy(&bytes));
        prop_assert_eq!(found.title, wanted.title);
        prop_assert_eq!(
            (found.alternate_screen, found.bracketed_paste, found.cursor_visible),
            (wanted.alternate_screen, wanted.bracketed_paste, wanted.cursor_visible)
        );
    }

    #[test]
    fn where_the_stream_is_cut_does_not_matter(
        pieces in prop::collection::vec(piece(), 0..40),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
    ) {
        let bytes = pieces.concat();
        let size = Size { rows: 6, cols: 20 };
        let mut whole = Screen::new(size);
        let people = whole.feed(&bytes);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        let mut cut = Screen::new(size);
        let mut cut_people = Vec::new();
        let mut from = 0;
        for to in cuts.into_iter().chain([bytes.len()]) {
            cut_people.extend(cut.feed(&bytes[from..to]));
            from = to;
        }
        prop_assert_eq!(cut.snapshot(), whole.snapshot());
        prop_assert_eq!(cut_people, people);
    }

    #[test]
    fn who_joins_in_the_middle_sees_what_everybody_sees(
        pieces in prop::collection::vec(piece(), 0..40), at in any::<prop::sample::Index>(),
    ) {
        // What no redraw can carry is left out: tab stops, the character to repeat, the third and
        // fourth character sets, a cursor outside the margins under origin mode, and what becomes of
        // half a wide character when something is printed over it.
        let bytes = pieces.into_iter().filter(|piece| !uncarried(piece)).collect::<Vec<_>>().concat();
        let size = Size { rows: 6, cols: 20 };
        let at = at.index(bytes.len() + 1);
        let mut screen = Screen::new(size);
        screen.feed(&bytes[..at]);
        let mut viewer = shown(size, &screen.redraw());
        let more = screen.feed(&bytes[at..]);
        viewer.feed(&more);
        prop_assert_eq!(
            viewer.snapshot().rows, screen.snapshot().rows, "{:?} at {}", String::from_utf8_lossy(&bytes), at
        );
    }
}

fn uncarried(piece: &[u8]) -> bool {
    match piece {
        [0x1b, b'H'] => true,
        [0x1b, b'[', .., last] if b"bgZI".contains(last) => true,
        b"\x1b[?6h" | b"\x1b[?3h" | b"\x1b[?3l" => true,
        // Raw bytes may be any of these.
        _ => !piece.is_ascii(),
    }
}
