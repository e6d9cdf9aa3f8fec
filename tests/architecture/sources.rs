//! What stays out of which sources. Comments and tests at the end of a file do not count.

use std::path::Path;

use crate::{assert_none, read, rust_files};

const ROOMS: [&str; 4] = ["src", "actors", "formulas", "supervisors"];

/// Rooms that think: no runtime, no actors, and the time only from outside.
const PURE: [&str; 5] = ["src/model", "formulas", "src/protocol", "src/clerk", "src/queue"];

/// The one place where the time comes from.
const CLOCK: &str = "src/model/time.rs";

const ROLES: [&str; 7] = ["polecat", "witness", "refinery", "dispatcher", "mayor", "deacon", "postmaster"];

/// The code of a file: no comments, and nothing from its tests on.
fn code(text: &str) -> String {
    let lines = text.lines().take_while(|line| *line != "#[cfg(test)]");
    lines.filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// Whether `word` stands in `code` as a word of its own.
fn says(code: &str, word: &str) -> bool {
    let inside = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word)
        .any(|(at, _)| !code[..at].ends_with(inside) && !code[at + word.len()..].starts_with(inside))
}

fn is_test(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "tests" || part.as_os_str() == "testing")
        || path.ends_with("tests.rs")
        || path.ends_with("testing.rs")
}

/// Files of `folder` that are no tests, with their code.
fn sources(folder: &str) -> impl Iterator<Item = (String, String)> {
    let files = rust_files(folder).into_iter().filter(|path| !is_test(path));
    files.map(|path| (path.display().to_string(), code(&read(&path))))
}

/// What a pure room may not say.
fn impurities(path: &str, code: &str) -> Vec<String> {
    let words = ["tokio", "ractor", "SystemTime::now", "Instant::now"];
    let clock = path == CLOCK;
    words
        .iter()
        .filter(|word| says(code, word) && !(clock && **word == "SystemTime::now"))
        .map(|word| format!("{path}: {word}"))
        .collect()
}

#[test]
fn the_rooms_that_think_have_no_runtime_and_no_clock() {
    let found: Vec<String> = PURE
        .iter()
        .flat_map(|room| sources(room))
        // What measures a room stands beside it.
        .filter(|(path, _)| !path.contains("/benches/") && !path.contains("/examples/"))
        .flat_map(|(path, code)| impurities(&path, &code))
        .collect();
    assert_none(&found);
}

#[test]
fn unsafe_code_is_in_pty_alone() {
    let all = ROOMS.iter().flat_map(|room| rust_files(room));
    let outside = all.filter(|path| !path.starts_with("src/pty"));
    let found: Vec<String> = outside
        .filter(|path| says(&code(&read(path)), "unsafe"))
        .map(|path| path.display().to_string())
        .collect();
    assert_none(&found);
}

/// Whether the code starts an actor: tasks and threads do not count.
fn starts_an_actor(code: &str) -> bool {
    ["spawn_linked(", "spawn_instant(", "spawn_linked_instant("].iter().any(|call| code.contains(call))
        || code.split("::spawn(").skip(1).any(|rest| {
            let first = rest.trim_start();
            first.starts_with("None") || first.starts_with("Some(") || first.starts_with("name")
        })
}

#[test]
fn actors_are_started_by_supervisors_and_sessions_by_their_seat() {
    let found: Vec<String> = ROOMS
        .iter()
        .filter(|room| **room != "supervisors")
        .flat_map(|room| sources(room))
        .filter(|(path, code)| path != "actors/seat.rs" && starts_an_actor(code))
        .map(|(path, _)| path)
        .collect();
    assert_none(&found);
}

/// The one file in which something is looked at again and again, whatever happens: the configuration.
const TICKS: &str = "src/daemon/compose.rs";

#[test]
fn nothing_ticks_but_the_look_at_the_configuration() {
    let found: Vec<String> = ROOMS
        .iter()
        .flat_map(|room| sources(room))
        .filter(|(path, code)| path != TICKS && (says(code, "interval") || says(code, "send_interval")))
        .map(|(path, _)| path)
        .collect();
    assert_none(&found);
}

/// The modules of this room that `code` names, in `crate::name` and in `use crate::{name, …}`.
fn crate_modules(code: &str) -> Vec<String> {
    let mut named = Vec::new();
    for (at, mark) in code.match_indices("crate::") {
        let rest = &code[at + mark.len()..];
        let head =
            |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
        let Some(list) = rest.strip_prefix('{') else {
            named.push(head(rest));
            continue;
        };
        let mut depth = 0;
        let mut item = String::new();
        for c in list.chars() {
            match c {
                '}' if depth == 0 => break,
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => named.push(head(std::mem::take(&mut item).trim())),
                c => item.push(c),
            }
        }
        named.push(head(item.trim()));
    }
    named
}

/// The role that a file of `actors/` belongs to, if it belongs to one.
fn role_of(path: &str) -> Option<&'static str> {
    let rest = path.strip_prefix("actors/")?;
    let owner = rest.split('/').next()?.trim_end_matches(".rs");
    ROLES.iter().find(|role| **role == owner).copied()
}

fn foreign_roles(path: &str, code: &str) -> Vec<String> {
    let Some(own) = role_of(path) else { return Vec::new() };
    let named = crate_modules(code).into_iter();
    named
        .filter(|name| name != own && ROLES.contains(&name.as_str()))
        .map(|name| format!("{path}: {own} names {name}; between roles there are letters"))
        .collect()
}

#[test]
fn roles_do_not_know_roles() {
    let files: Vec<(String, String)> = sources("actors").collect();
    for role in ROLES {
        assert!(files.iter().any(|(path, _)| role_of(path) == Some(role)), "where is the {role}?");
    }
    assert_none(&files.iter().flat_map(|(path, code)| foreign_roles(path, code)).collect::<Vec<_>>());
}

#[test]
fn planted_sources_are_found() {
    let late = "fn a() {}\n#[cfg(test)]\nmod tests { use tokio; }";
    assert!(impurities("src/clerk/a.rs", &code(late)).is_empty());
    assert!(impurities("src/clerk/a.rs", &code("// tokio\n/// ractor\nfn tokios() {}")).is_empty());
    assert_eq!(impurities("src/clerk/a.rs", "use tokio::sync;"), ["src/clerk/a.rs: tokio"]);
    assert_eq!(impurities("formulas/a.rs", "let t = std::time::SystemTime::now();").len(), 1);
    assert!(impurities(CLOCK, "SystemTime::now()").is_empty());

    assert!(starts_an_actor("Session::spawn_linked(None, Session, a, me).await"));
    assert!(starts_an_actor("Mayor::spawn(\n    None, Mayor, ())"));
    assert!(!starts_an_actor("tokio::spawn(async move {})"));
    assert!(!starts_an_actor("thread::spawn(move || {})"));

    for text in [
        "use crate::witness::verdict;",
        "use crate::{seat::Seat, witness};",
        "use crate::{\n    tools::{Tools, Door},\n    witness::verdict::{judge, Evidence},\n};",
        "let verdict = crate::witness::verdict::judge(&e);",
    ] {
        assert_eq!(foreign_roles("actors/refinery/mod.rs", text).len(), 1, "{text}");
        assert!(foreign_roles("actors/witness/mod.rs", text).is_empty(), "{text}");
        // Whoever is no role may share a table with one.
        assert!(foreign_roles("actors/judge.rs", text).is_empty(), "{text}");
    }
    assert!(foreign_roles("actors/mayor.rs", "use crate::{judge, role::{Post, vocabulary}};").is_empty());
}
