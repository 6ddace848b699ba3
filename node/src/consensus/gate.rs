//! What the core may see of a proposal, and when (design 5.2). The core pairs
//! a value it knows with any later proposal unasked, so every proposal passes
//! here first. Pure. Nothing is ever called invalid for its time: a clock
//! decides only how long a proposal waits.

/// Half of the window around this node's clock in round 0, in milliseconds.
pub const WINDOW_MS: u64 = 5_000;

/// What is known of the proposed block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KnownBlock {
    /// Its body is not here or not judged yet.
    Missing,
    /// Execution found it invalid.
    Invalid,
    /// It is valid.
    Valid {
        /// Round in its header.
        round: u32,
        /// Time in its header.
        time_ms: u64,
    },
}

/// What the gate looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    /// This node's clock.
    pub now_ms: u64,
    /// Round of the proposal.
    pub round: u32,
    /// Its round of proof of lock.
    pub pol_round: Option<u32>,
    /// The block.
    pub block: KnownBlock,
    /// The propose timeout of this round, or a later round, is behind the core.
    pub past_propose: bool,
    /// More than a third of prevotes of this round are for it.
    pub third: bool,
    /// More than two thirds of prevotes of this round are for it.
    pub quorum: bool,
}

/// What to do with a proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Give block and proposal to the core.
    Release,
    /// Give them to the core, the block as invalid.
    ReleaseInvalid,
    /// Wait for the body and its verdict.
    HoldForBody,
    /// The block was made for another round: wait for a quorum of prevotes.
    HoldForRound,
    /// Wait until the clock reads this, or others vouch for it.
    HoldForTime {
        /// When the window opens; none if it has passed.
        until_ms: Option<u64>,
    },
}

impl Verdict {
    /// Its name in logs.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::ReleaseInvalid => "release_invalid",
            Self::HoldForBody => "hold_body",
            Self::HoldForRound => "hold_round",
            Self::HoldForTime { .. } => "hold_time",
        }
    }
}

/// Half of the window in a round: it widens by a tenth a round.
#[must_use]
pub fn window_ms(round: u32) -> u64 {
    WINDOW_MS.saturating_add(u64::from(round).saturating_mul(WINDOW_MS / 10))
}

/// Judges one proposal.
#[must_use]
pub fn judge(view: &View) -> Verdict {
    let (block_round, time_ms) = match view.block {
        KnownBlock::Missing => return Verdict::HoldForBody,
        KnownBlock::Invalid => return Verdict::ReleaseInvalid,
        KnownBlock::Valid { round, time_ms } => (round, time_ms),
    };
    if view.quorum {
        return Verdict::Release;
    }
    if let Some(pol_round) = view.pol_round {
        return if block_round <= pol_round { Verdict::Release } else { Verdict::HoldForRound };
    }
    if block_round != view.round {
        return Verdict::HoldForRound;
    }
    let window = window_ms(view.round);
    let early = time_ms > view.now_ms.saturating_add(window);
    let late = time_ms.saturating_add(window) < view.now_ms;
    if view.past_propose || view.third || !(early || late) {
        return Verdict::Release;
    }
    Verdict::HoldForTime { until_ms: early.then(|| time_ms.saturating_sub(window)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: View = View {
        now_ms: 100_000,
        round: 2,
        pol_round: None,
        block: KnownBlock::Valid { round: 2, time_ms: 100_000 },
        past_propose: false,
        third: false,
        quorum: false,
    };

    fn block(round: u32, time_ms: u64) -> KnownBlock {
        KnownBlock::Valid { round, time_ms }
    }

    #[test]
    fn a_fresh_proposal_needs_body_round_and_time() {
        assert_eq!(judge(&BASE), Verdict::Release);
        assert_eq!(judge(&View { block: KnownBlock::Missing, ..BASE }), Verdict::HoldForBody);
        assert_eq!(judge(&View { block: KnownBlock::Invalid, ..BASE }), Verdict::ReleaseInvalid);
        assert_eq!(judge(&View { block: block(1, 100_000), ..BASE }), Verdict::HoldForRound);
        let early = View { block: block(2, 106_001), ..BASE };
        assert_eq!(judge(&early), Verdict::HoldForTime { until_ms: Some(100_001) });
        assert_eq!(judge(&View { now_ms: 100_001, ..early }), Verdict::Release);
        let late = View { block: block(2, 93_999), ..BASE };
        assert_eq!(judge(&late), Verdict::HoldForTime { until_ms: None });
    }

    #[test]
    fn what_is_held_for_time_is_let_go_by_others() {
        let late = View { block: block(2, 1), ..BASE };
        assert_eq!(judge(&View { past_propose: true, ..late }), Verdict::Release);
        assert_eq!(judge(&View { third: true, ..late }), Verdict::Release);
    }

    #[test]
    fn what_is_held_for_round_needs_a_quorum() {
        let other = View { block: block(1, 100_000), ..BASE };
        assert_eq!(judge(&View { past_propose: true, third: true, ..other }), Verdict::HoldForRound);
        assert_eq!(judge(&View { quorum: true, ..other }), Verdict::Release);
    }

    #[test]
    fn a_locked_block_is_from_its_lock_or_before() {
        let locked = View { pol_round: Some(1), block: block(1, 1), ..BASE };
        assert_eq!(judge(&locked), Verdict::Release);
        assert_eq!(judge(&View { block: block(2, 100_000), ..locked }), Verdict::HoldForRound);
    }

    #[test]
    fn the_window_widens_by_a_tenth_a_round() {
        assert_eq!((window_ms(0), window_ms(1), window_ms(10)), (5_000, 5_500, 10_000));
    }
}
