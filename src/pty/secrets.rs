//! Takes secrets out of what is recorded: values that are known, and what looks like a key.
//!
//! Output comes in pieces that may cut a secret in two, so the end of a piece that may be the beginning of one is held
//! back until more comes; at most [`LONGEST`] bytes. What a program paints with moves of the cursor in between is not
//! found: this is for what is printed as it is, such as an environment or a log.

/// What stands where a secret stood.
const MASK: &str = "••••";

/// The shortest value that is taken for a secret: shorter ones would mask words.
const SHORTEST: usize = 8;

/// The most that is held back, in bytes.
const LONGEST: usize = 4096;

/// How keys begin that are known by that, and how much must follow.
const KEYS: [(&str, usize); 13] = [
    ("sk-ant-", 16),
    ("sk-proj-", 16),
    ("sk-", 32),
    ("ghp_", 30),
    ("gho_", 30),
    ("ghu_", 30),
    ("ghs_", 30),
    ("github_pat_", 30),
    ("glpat-", 16),
    ("xoxb-", 16),
    ("xoxp-", 16),
    ("AKIA", 16),
    ("AIza", 30),
];

/// Takes secrets out of a stream of text.
#[derive(Clone, Default)]
pub(crate) struct Masker {
    values: Vec<String>,
    /// The bytes that one of them, or a key, begins with.
    firsts: Vec<u8>,
    held: String,
}

impl std::fmt::Debug for Masker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Masker").field("values", &self.values.len()).finish_non_exhaustive()
    }
}

impl Masker {
    /// A masker that knows `values` besides.
    pub(crate) fn new(values: &[String]) -> Self {
        let mut values: Vec<String> = values
            .iter()
            .filter(|value| value.len() >= SHORTEST && value.len() <= LONGEST / 2)
            .cloned()
            .collect();
        // The longest first: one may begin with another.
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        let keys = KEYS.iter().map(|(begins, _)| *begins);
        let mut firsts: Vec<u8> =
            values.iter().map(String::as_str).chain(keys).filter_map(|text| text.bytes().next()).collect();
        firsts.sort_unstable();
        firsts.dedup();
        Self { values, firsts, held: String::new() }
    }

    /// Takes the next piece, and returns what can be recorded.
    pub(crate) fn feed(&mut self, text: &str) -> String {
        let mut all = std::mem::take(&mut self.held);
        all.push_str(text);
        let mut out = String::with_capacity(all.len());
        let mut rest = all.as_str();
        let mut before = None;
        loop {
            // Nearly all is neither; what a secret begins with is never the middle of a character.
            let plain = rest.bytes().position(|byte| self.firsts.contains(&byte)).unwrap_or(rest.len());
            if plain > 0 {
                out.push_str(&rest[..plain]);
                before = rest[..plain].chars().next_back();
                rest = &rest[plain..];
            }
            let Some(first) = rest.chars().next() else { break };
            match self.at(rest, before) {
                Seen::Secret(length) => {
                    out.push_str(MASK);
                    before = rest[..length].chars().next_back();
                    rest = &rest[length..];
                }
                Seen::Perhaps if rest.len() < LONGEST => {
                    self.held = rest.to_owned();
                    return out;
                }
                _ => {
                    out.push(first);
                    before = Some(first);
                    rest = &rest[first.len_utf8()..];
                }
            }
        }
        out
    }

    /// What is held back and turned out to be nothing more.
    pub(crate) fn rest(&mut self) -> String {
        let held = std::mem::take(&mut self.held);
        // A key that nothing followed is whole.
        match self.at(&format!("{held}\n"), None) {
            Seen::Secret(_) => MASK.to_owned(),
            _ => held,
        }
    }

    fn at(&self, text: &str, before: Option<char>) -> Seen {
        let first = text.as_bytes().first().copied().unwrap_or_default();
        let mut perhaps = false;
        for value in &self.values {
            if value.as_bytes().first() == Some(&first) {
                if text.starts_with(value.as_str()) {
                    return Seen::Secret(value.len());
                }
                perhaps |= value.starts_with(text);
            }
        }
        // In the middle of a word none begins.
        if matches!(first, b's' | b'g' | b'x' | b'A') && !before.is_some_and(|c| c.is_alphanumeric()) {
            for (begins, least) in KEYS {
                if let Some(rest) = text.strip_prefix(begins) {
                    let length = rest.find(|c: char| !c.is_ascii_alphanumeric() && !"-_".contains(c));
                    match length {
                        Some(length) if length >= least => return Seen::Secret(begins.len() + length),
                        Some(_) => {}
                        None => perhaps = true,
                    }
                } else {
                    perhaps |= begins.starts_with(text);
                }
            }
        }
        if perhaps { Seen::Perhaps } else { Seen::Nothing }
    }
}

enum Seen {
    Nothing,
    /// It may become one.
    Perhaps,
    /// One of so many bytes.
    Secret(usize),
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: &str = "sk-ant-api03-abcdefghijklmnopqrstuvwxyz";

    fn masked(pieces: &[&str]) -> String {
        let mut masker = Masker::new(&["hunter22hunter22".to_owned(), "short".to_owned()]);
        let mut out: String = pieces.iter().map(|piece| masker.feed(piece)).collect();
        out.push_str(&masker.rest());
        out
    }

    #[test]
    fn secrets_are_masked_and_words_are_not() {
        for (text, out) in [
            (format!("KEY={KEY}\r\n"), "KEY=••••\r\n"),
            (KEY.to_owned(), "••••"),
            ("pass hunter22hunter22.".to_owned(), "pass ••••."),
            ("short and ask-for sk-1 ghp_x AKIA".to_owned(), "short and ask-for sk-1 ghp_x AKIA"),
            (format!("risk-{}", "a".repeat(40)), &format!("risk-{}", "a".repeat(40))),
            ("hunter22hunter2".to_owned(), "hunter22hunter2"),
        ] {
            assert_eq!(masked(&[&text]), out);
        }
    }

    proptest! {
        /// However the text is cut, nothing of a secret is left and nothing else is lost.
        #[test]
        fn a_secret_is_found_wherever_it_is_cut(cuts in proptest::collection::vec(0_usize..110, 0..8)) {
            let text = format!("begin {KEY} middle s hunter22hunter22 end\n{KEY}\n");
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&str> = cuts.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect();
            prop_assert_eq!(masked(&pieces), "begin •••• middle s •••• end\n••••\n");
        }

        #[test]
        fn whatever_holds_no_secret_comes_out_as_it_went_in(pieces in proptest::collection::vec("[a-z \u{e4}-]{0,9}", 0..9)) {
            let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
            prop_assume!(!pieces.concat().contains("sk-"));
            prop_assert_eq!(masked(&pieces), pieces.concat());
        }
    }
}
