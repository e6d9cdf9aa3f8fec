//! Hides a session's nonce in what is shown, even when it arrives in pieces.

/// Replaces each occurrence of a secret in a stream of bytes by as many `*`.
///
/// What could be the beginning of the secret is held back until the next byte decides. It needs no buffer:
/// what is held always equals the first bytes of the secret (Knuth, Morris and Pratt's automaton).
pub(super) struct Mask {
    secret: Vec<u8>,
    /// For each length of match, the longest shorter one that is also a match.
    shorter: Vec<usize>,
    matched: usize,
    /// How many of the matched bytes a flush has shown already.
    shown: usize,
}

impl Mask {
    pub(super) fn new(secret: &str) -> Self {
        let secret = secret.as_bytes().to_vec();
        let mut shorter = vec![0; secret.len() + 1];
        let mut length = 0;
        for end in 1..secret.len() {
            while length > 0 && secret[length] != secret[end] {
                length = shorter[length];
            }
            if secret[length] == secret[end] {
                length += 1;
            }
            shorter[end + 1] = length;
        }
        Self { secret, shorter, matched: 0, shown: 0 }
    }

    /// Appends to `out` what of `bytes`, and of what was held back, may be shown.
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let Some(&first) = self.secret.first() else {
            out.extend_from_slice(bytes);
            return;
        };
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.matched == 0 {
                let plain = rest.iter().position(|byte| *byte == first).unwrap_or(rest.len());
                out.extend_from_slice(&rest[..plain]);
                rest = &rest[plain..];
            }
            let Some((&byte, after)) = rest.split_first() else { break };
            rest = after;
            self.step(byte, out);
        }
    }

    fn step(&mut self, byte: u8, out: &mut Vec<u8>) {
        while self.matched > 0 && self.secret[self.matched] != byte {
            let kept = self.shorter[self.matched];
            let freed = self.matched - kept;
            out.extend_from_slice(&self.secret[self.shown.min(freed)..freed]);
            self.shown = self.shown.saturating_sub(freed);
            self.matched = kept;
        }
        if self.secret[self.matched] != byte {
            out.push(byte);
            return;
        }
        self.matched += 1;
        if self.matched == self.secret.len() {
            out.extend(std::iter::repeat_n(b'*', self.matched - self.shown));
            self.matched = 0;
            self.shown = 0;
        }
    }

    /// Appends to `out` what is held back, up to half of the secret; it is still remembered as matched, so
    /// that the rest of the secret does not slip through after a pause.
    pub(super) fn flush(&mut self, out: &mut Vec<u8>) {
        if self.matched > self.shown && self.matched <= self.secret.len() / 2 {
            out.extend_from_slice(&self.secret[self.shown..self.matched]);
            self.shown = self.matched;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn masked(secret: &str, pieces: &[&[u8]]) -> Vec<u8> {
        let mut mask = Mask::new(secret);
        let mut out = Vec::new();
        for piece in pieces {
            mask.push(piece, &mut out);
        }
        // What is held at the end, for comparison with the plain replacement.
        out.extend_from_slice(&mask.secret[mask.shown..mask.matched]);
        out
    }

    #[test]
    fn a_flush_shows_what_is_no_secret_yet_and_hides_the_rest() {
        let mut mask = Mask::new("9f3ac07b");
        let mut out = Vec::new();
        mask.push(b"x 9f3", &mut out);
        assert_eq!(out, b"x ");
        mask.flush(&mut out);
        mask.flush(&mut out);
        assert_eq!(out, b"x 9f3");
        mask.push(b"ac07", &mut out);
        mask.flush(&mut out);
        assert_eq!(out, b"x 9f3", "more than half of it is no accident");
        mask.push(b"b 9f", &mut out);
        assert_eq!(out, b"x 9f3***** ");
        mask.flush(&mut out);
        mask.push(b"9f9f3ac07b", &mut out);
        assert_eq!(out, b"x 9f3***** 9f9f********");
    }

    proptest! {
        #[test]
        fn masking_in_pieces_is_plain_replacement(
            secret in "[ab]{1,5}", pieces in prop::collection::vec("[abc]{0,6}", 0..12)
        ) {
            let whole = pieces.concat();
            let expected = whole.replace(&secret, &"*".repeat(secret.len()));
            let pieces: Vec<&[u8]> = pieces.iter().map(|piece| piece.as_bytes()).collect();
            prop_assert_eq!(String::from_utf8(masked(&secret, &pieces)).unwrap(), expected);
        }

        #[test]
        fn flushing_in_between_changes_no_byte_but_some_stars(
            pieces in prop::collection::vec("[ab]{0,6}", 0..12)
        ) {
            let mut mask = Mask::new("abaab");
            let mut out = Vec::new();
            for piece in &pieces {
                mask.push(piece.as_bytes(), &mut out);
                mask.flush(&mut out);
            }
            out.extend_from_slice(&mask.secret[mask.shown..mask.matched]);
            let whole = pieces.concat();
            prop_assert_eq!(out.len(), whole.len());
            prop_assert!(out.iter().zip(whole.as_bytes()).all(|(seen, real)| seen == real || *seen == b'*'));
            prop_assert!(!String::from_utf8(out).unwrap().contains("abaab"));
        }
    }
}
