//! Lock-capable transactions of this node's own clients that should be final by now and are not: the ground of the alarm
//! at the own node. Bounded; knows ids and times, never what a transaction says.

use std::collections::VecDeque;

use laufzettel_chain::ids::TransactionId;

use super::Driver;
use crate::consensus::action::{Late, RefusalReason};
use crate::mempool::Pending;

/// A lock-capable transaction that is not final after this long raises an alarm (design 6.3).
pub const LATE_MS: u64 = 10_000;
/// Most that are told of; the oldest go first.
const TOLD_MAX: usize = 64;
/// A lost one is told of for this long, unless it becomes final after all.
const LOST_MS: u64 = 24 * 3_600_000;

/// Those that the pool lost. What is still in it the pool knows.
#[derive(Debug, Default)]
pub(super) struct Unsettled {
    lost: VecDeque<(u64, Late)>,
}

impl Unsettled {
    /// The pool lost one: it expired, or no block can hold it.
    pub(super) fn lost(&mut self, pending: &Pending, reason: &RefusalReason, now_ms: u64) {
        if !pending.is_own() || !pending.info.lock_capable {
            return;
        }
        let late = Late {
            authority: pending.info.authority.clone(),
            id: pending.info.id,
            since_ms: pending.added_ms(),
            lost: Some(reason.clone()),
        };
        self.lost.push_back((now_ms, late));
        if self.lost.len() > TOLD_MAX {
            self.lost.pop_front();
        }
    }
    /// It is final, by whatever way: its alarm ends.
    pub(super) fn settled(&mut self, authority: &str, id: TransactionId) {
        self.lost.retain(|(_, late)| late.authority != authority || late.id != id);
    }
}

impl Driver {
    /// The late ones in the pool, the oldest first, then the lost ones of a day.
    pub(super) fn unsettled_locks(&self) -> Vec<Late> {
        let late = self.pool.own_locks().take_while(|(since_ms, _)| self.now_ms.saturating_sub(*since_ms) >= LATE_MS);
        let late = late.map(|(since_ms, pending)| Late {
            authority: pending.info.authority.clone(),
            id: pending.info.id,
            since_ms,
            lost: None,
        });
        let lost = self.unsettled.lost.iter().filter(|(at_ms, _)| self.now_ms.saturating_sub(*at_ms) < LOST_MS);
        late.chain(lost.map(|(_, late)| late.clone())).take(TOLD_MAX).collect()
    }
}
