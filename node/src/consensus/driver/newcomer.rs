//! A validator whose folder is empty cannot tell by itself whether it is new
//! or lost its disk and signed before. It follows, and signs nothing, until
//! validators with more than two thirds of the power, itself among them, have
//! said where they stand and it has caught up with them. At genesis it is as
//! new as all of them. Later it may have been two heights ahead of what is
//! left to see: it signs above these only. Must never sign on hearsay alone:
//! a height counts once its blocks are here.

use super::{Driver, Flight};
use crate::consensus::peers::Peer;
use crate::consensus::watermark::{Mark, SigningState};

/// A validator that committed height h and signed at h + 1 leaves others that precommitted h and may stand at h - 1.
const AHEAD_MAX: u64 = 2;

impl Driver {
    /// Lets a newcomer sign from here on, if it knows enough.
    pub(super) fn settle_newcomer(&mut self) {
        let tip = self.tip.height();
        let waits = self.signing == SigningState::New && matches!(self.flight, Flight::None);
        if !waits || self.peers.best() > tip || !self.has_heard_quorum() {
            return;
        }
        // It signed nothing at this height; the core begins again with what came so far.
        self.drop_core();
        // That it was there at genesis is made durable: after a crash before its first signature it is no newcomer.
        let above = if tip == 0 { 0 } else { tip.saturating_add(AHEAD_MAX) };
        self.signing = if tip == 0 { SigningState::Ready } else { SigningState::Above(above) };
        self.signer.mark = self.signer.mark.later(Mark::above(above));
        self.persist(Vec::new(), None);
    }

    /// Whether validators with a quorum's power, this one among them, have sent a beat since the process started.
    fn has_heard_quorum(&self) -> bool {
        let heard = |authority: &String| {
            *authority == self.config.authority
                || self.peers.get(&Peer(authority.clone())).is_some_and(|state| state.beat.is_some())
        };
        let validators = self.tip.validators.all().iter().filter(|validator| heard(&validator.authority));
        self.tip.validators.is_quorum(validators.map(|validator| u128::from(validator.power)).sum())
    }
}
