//! Patterns of step names: `*`, `?`, `[a-z]`, `[^a]`; a backslash takes the next character as it is.

/// Whether `pattern` has anything but plain characters.
pub(crate) fn is_pattern(pattern: &str) -> bool {
    pattern.contains(['*', '?', '[', '\\'])
}

/// Whether all of `name` fits `pattern`.
pub(crate) fn fits(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    let (mut p, mut n) = (0, 0);
    // Where the last star is, and how much of the name it has been given so far. Only the last one is ever
    // given more, so this takes no more than the product of the lengths.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        if pattern.get(p) == Some(&'*') {
            star = Some((p, n));
            p += 1;
        } else if let Some(next) = one(&pattern[p..], name[n]) {
            p += next;
            n += 1;
        } else if let Some((at, given)) = star {
            star = Some((at, given + 1));
            (p, n) = (at + 1, given + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|rest| *rest == '*')
}

/// How much of the pattern is used up by one character that fits it.
fn one(pattern: &[char], character: char) -> Option<usize> {
    match *pattern.first()? {
        '?' => Some(1),
        '\\' if pattern.len() > 1 => (pattern[1] == character).then_some(2),
        // Without an end it is a bracket like any other character.
        '[' => match pattern.iter().skip(2).position(|c| *c == ']').map(|at| at + 2) {
            Some(end) => {
                let not = matches!(pattern[1], '^' | '!') && end > 2;
                let set = &pattern[1 + usize::from(not)..end];
                (in_set(set, character) != not).then_some(end + 1)
            }
            None => (character == '[').then_some(1),
        },
        plain => (plain == character).then_some(1),
    }
}

fn in_set(set: &[char], character: char) -> bool {
    let mut at = 0;
    while at < set.len() {
        if let [from, '-', to, ..] = set[at..] {
            if (from..=to).contains(&character) {
                return true;
            }
            at += 3;
        } else {
            if set[at] == character {
                return true;
            }
            at += 1;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn patterns_fit_whole_names() {
        let check = |pattern: &str, name: &str, expected: bool| {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        };
        check("implement", "implement", true);
        check("implement", "implement.draft", false);
        check("*", "", true);
        check("*.implement", "a.b.implement", true);
        check("*.implement", "implement", false);
        check("shiny.*", "shiny.a.b", true);
        check("a*b*c", "axxbyyc", true);
        check("a*b*c", "axxbyy", false);
        check("move-?", "move-1", true);
        check("move-?", "move-10", false);
        check("move-[0-9]", "move-7", true);
        check("[^ab]*", "cab", true);
        check("[^ab]*", "bad", false);
        check("\\*", "*", true);
        check("\\*", "x", false);
        check("[", "[", true);
        check("é?", "éa", true);
    }

    proptest! {
        #[test]
        fn a_name_fits_itself_and_stars_around_it(name in "[a-z.]{0,12}", around in "[a-z]{0,4}") {
            prop_assert!(fits(&name, &name));
            let (pattern, longer) = (format!("*{name}*"), format!("{around}{name}{around}"));
            prop_assert!(fits(&pattern, &longer));
            prop_assert_eq!(is_pattern(&name), false);
        }

        #[test]
        fn nothing_brings_it_down(pattern in "[a*?\\[\\]^!\\\\-]{0,16}", name in "[a\\[\\]-]{0,12}") {
            let _ = fits(&pattern, &name);
        }
    }
}
