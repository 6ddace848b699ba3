//! How much work this node packs into a block it proposes: as much as it
//! executes well within the propose timeout. A block that takes longer costs
//! its round, and all that was executed for it. Learned from its own blocks;
//! other validators are as slow as their votes are late. Never part of validity.

use laufzettel_chain::limits::PROPOSAL_WORK;

/// Building may take one part in this many of the propose timeout: transport and the others' execution come after it.
const BUILD_PART: u64 = 6;
/// Less is not tried; a single transaction goes whatever it takes.
const WORK_MIN: u64 = 100;

/// What the next block may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pace {
    work_max: u64,
}

impl Default for Pace {
    fn default() -> Self {
        Self { work_max: PROPOSAL_WORK }
    }
}

impl Pace {
    /// Work of the next block, in units of the ledger.
    pub(super) fn work_max(self) -> u64 {
        self.work_max
    }
    /// A block was built in this time.
    pub(super) fn built(&mut self, took_ms: u64, propose_ms: u64) {
        let aim_ms = (propose_ms / BUILD_PART).max(1);
        if took_ms > aim_ms {
            self.less(self.work_max.saturating_mul(aim_ms) / took_ms);
        } else if took_ms <= aim_ms / 2 {
            self.work_max = self.work_max.saturating_add(self.work_max / 4).min(PROPOSAL_WORK);
        }
    }
    /// The round of an own block passed without a decision.
    pub(super) fn passed_over(&mut self) {
        self.less(self.work_max / 2);
    }
    fn less(&mut self, work: u64) {
        self.work_max = work.clamp(WORK_MIN, PROPOSAL_WORK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_blocks_become_smaller_and_quick_ones_larger_within_bounds() {
        let mut pace = Pace::default();
        pace.built(600, 600);
        assert_eq!(pace.work_max(), PROPOSAL_WORK / 6);
        for _ in 0..20 {
            pace.built(60_000, 600);
            pace.passed_over();
        }
        assert_eq!(pace.work_max(), WORK_MIN);
        pace.built(80, 600);
        assert_eq!(pace.work_max(), WORK_MIN, "neither slow nor quick");
        for _ in 0..40 {
            pace.built(10, 600);
        }
        assert_eq!(pace.work_max(), PROPOSAL_WORK);
        pace.built(0, 0);
        assert_eq!(pace.work_max(), PROPOSAL_WORK);
    }
}
