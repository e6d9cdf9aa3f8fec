//! Where the caller listens to a terminal, before anybody else sees its bytes.

/// What is left of a chunk of output once the tap has heard it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filtered {
    /// All of it, as it was.
    Same,
    /// These bytes instead; they may belong to earlier chunks that were held back.
    Changed(Vec<u8>),
}

/// Hears every byte a program prints, in order, and says which of them people may see.
///
/// Runs in the task that reads the terminal: it must be quick and must not block. A closure
/// `FnMut(&[u8]) -> Filtered` is a tap.
pub trait Tap: Send {
    /// Hears `raw`, the next bytes as the program printed them.
    fn hear(&mut self, raw: &[u8]) -> Filtered;

    /// Gives back what was held back, since nothing more will come.
    fn finish(&mut self) -> Vec<u8> {
        Vec::new()
    }
}

impl<F: FnMut(&[u8]) -> Filtered + Send> Tap for F {
    fn hear(&mut self, raw: &[u8]) -> Filtered {
        self(raw)
    }
}
