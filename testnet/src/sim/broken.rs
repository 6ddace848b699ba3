//! Nodes that are wrong on purpose. Each variant must be caught by a check:
//! a simulator that finds nothing wrong with them finds nothing.

/// What is wrong with the nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(test), allow(dead_code, reason = "the program only ever runs nodes that are right"))]
pub(crate) enum Broken {
    /// Writes are reported durable and are not.
    AnswersBeforeSync,
    /// The watermark is written one barrier late.
    WatermarkLate,
    /// The consensus log is not written.
    ForgetsLog,
    /// Committed ids are not found again.
    SkipsDedupe,
    /// State depends on more than the blocks: one of the nodes reads rows others do not.
    StateDiffers,
    /// After a crash the node starts from a copy of an earlier disk, watermark and all.
    RestoresSnapshot,
}

impl Broken {
    /// All variants.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 6] = [
        Self::AnswersBeforeSync,
        Self::WatermarkLate,
        Self::ForgetsLog,
        Self::SkipsDedupe,
        Self::StateDiffers,
        Self::RestoresSnapshot,
    ];
}
