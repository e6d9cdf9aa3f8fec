//! Words of elsewhere: what other programs call a status, a type or a dependency, carried as it came.
//!
//! Ours are enums, since rules hang on them. What comes from elsewhere has words that we give no
//! meaning to and may not lose either, so those enums have one more variant, which holds a [`Word`].

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{PoisonError, RwLock};

/// A word of elsewhere. As cheap to copy as the enum that carries it: each different word is kept once,
/// for as long as the process lives. There are few, and the ledger holds them all anyway.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Word(&'static str);

static WORDS: RwLock<BTreeSet<&'static str>> = RwLock::new(BTreeSet::new());

/// The longest word, in bytes.
const LONGEST: usize = 100;

impl Word {
    /// Keeps `text` as a word.
    ///
    /// # Errors
    /// Says what is wrong with a text that is empty, too long or holds control characters.
    pub fn new(text: &str) -> Result<Word, String> {
        if text.is_empty() || text.len() > LONGEST || text.chars().any(char::is_control) {
            return Err(format!(
                "{text:?} is no word: it has 1 to {LONGEST} bytes, and no control characters"
            ));
        }
        let known = WORDS.read().unwrap_or_else(PoisonError::into_inner).get(text).copied();
        if let Some(known) = known {
            return Ok(Word(known));
        }
        let mut words = WORDS.write().unwrap_or_else(PoisonError::into_inner);
        let kept: &'static str = Box::leak(text.into());
        // Somebody else may have kept it in the meantime; one of the two is enough.
        let kept = words.get(kept).copied().unwrap_or(kept);
        words.insert(kept);
        Ok(Word(kept))
    }

    /// The text.
    pub fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Debug for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.0, f)
    }
}

/// Lets an enum with `ALL`, `as_str` and a variant `Foreign(Word)` be read from any word and written as it.
macro_rules! open_words {
    ($name:ident) => {
        impl $name {
            /// What `text` stands for here, or else the word of elsewhere that it is.
            ///
            /// # Errors
            /// Says what is wrong with a text that is no word at all.
            pub fn of(text: &str) -> Result<Self, String> {
                match Self::ALL.into_iter().find(|known| known.as_str() == text) {
                    Some(known) => Ok(known),
                    None => $crate::word::Word::new(text).map(Self::Foreign),
                }
            }

            /// Whether it is a word of elsewhere, which has no meaning here.
            pub fn is_foreign(self) -> bool {
                matches!(self, Self::Foreign(_))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;
                impl serde::de::Visitor<'_> for Text {
                    type Value = $name;
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("a word")
                    }
                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$name, E> {
                        $name::of(text).map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Text)
            }
        }
    };
}
pub(crate) use open_words;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_kept_once_and_nonsense_is_none() {
        let (a, b) = (Word::new("staged_ready").unwrap(), Word::new("staged_ready").unwrap());
        assert_eq!(a, b);
        assert!(std::ptr::eq(a.as_str(), b.as_str()));
        for bad in ["", "a\nb", &"x".repeat(101)] {
            assert!(Word::new(bad).is_err(), "{bad:?}");
        }
    }
}
