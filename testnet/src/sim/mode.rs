//! What is special about a run; drawn from the seed, so that every block of
//! eight seeds sees each kind.

/// The odd one out among the validators.
pub(super) const ODD: usize = 3;

/// What is special about a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// All nodes are honest and well.
    Well,
    /// The clock of one validator is far off: others hold its blocks for their time, and it holds theirs.
    ClockOff,
    /// The database of one validator is set back to an earlier copy, its watermark is not.
    SetBack,
    /// One validator signs and sends whatever it likes.
    Liar,
}

impl Mode {
    /// Of a seed.
    pub(super) fn of(seed: u64) -> Self {
        match seed % 8 {
            5 => Self::SetBack,
            6 => Self::ClockOff,
            7 => Self::Liar,
            _ => Self::Well,
        }
    }
    /// Whether this node is not to be trusted.
    pub(super) fn lies(self, node: usize) -> bool {
        self == Self::Liar && node == ODD
    }
}
