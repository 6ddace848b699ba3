//! The trace: a hash over everything that happens, in order. Equal traces of
//! equal seeds show that nothing outside of the seed has a say.

/// A running hash.
#[derive(Debug, Default)]
pub(super) struct Trace(blake3::Hasher);

impl Trace {
    /// Adds an event: when, at which node, what, and bytes that tell it from others.
    pub(super) fn note(&mut self, now_ms: u64, node: usize, what: &str, bytes: &[u8]) {
        self.0.update(&now_ms.to_be_bytes());
        self.0.update(&node.to_be_bytes());
        self.0.update(what.as_bytes());
        self.0.update(bytes);
    }
    /// The hash so far.
    pub(super) fn digest(&self) -> String {
        self.0.finalize().to_hex().to_string()
    }
}
