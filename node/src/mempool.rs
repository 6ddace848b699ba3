//! Transactions admitted and not yet committed. Pure and bounded by count,
//! bytes, share of one authority and age; it never judges a transaction.
//!
//! Order: within an authority as they came (so also per origin and authority);
//! between authorities in turn; urgent ones first, within a quota of the block.

mod lanes;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use laufzettel_chain::ids::{PayloadDigest, TransactionId};

use crate::consensus::{AdmittedInfo, Peer, Refusal, RefusalReason, SignedTransaction};
use lanes::Lanes;

/// Own transactions are offered again after this time.
pub const REOFFER_MS: u64 = 2_000;
/// A full pool asks to come back after this time.
const RETRY_AFTER_MS: u64 = 500;
/// Urgent ones may take up to one part in this many of a block before the others' turn.
const URGENT_QUOTA: usize = 4;
/// More urgent ones of one authority wait in its normal lane.
const URGENT_PENDING_MAX: usize = 64;

/// Bounds of the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolLimits {
    /// Most transactions.
    pub count_max: usize,
    /// Most bytes.
    pub bytes_max: usize,
}

impl Default for PoolLimits {
    fn default() -> Self {
        Self { count_max: 50_000, bytes_max: 64 * 1024 * 1024 }
    }
}

/// One pending transaction.
#[derive(Debug, Clone)]
pub struct Pending {
    /// The transaction.
    pub transaction: Arc<SignedTransaction>,
    /// What admission found.
    pub info: AdmittedInfo,
    /// The peer it came from; none if from a client of this node.
    pub origin: Option<Peer>,
    size: usize,
    sequence: u64,
    urgent: bool,
    added_ms: u64,
    offered_ms: u64,
}

impl Pending {
    /// Whether a client of this node stands behind it.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.origin.is_none()
    }
    /// When it came, milliseconds by this node's clock.
    #[must_use]
    pub fn added_ms(&self) -> u64 {
        self.added_ms
    }
}

/// What became of an insertion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    /// It is new.
    New,
    /// The very same was there.
    Known,
}

/// The pool.
#[derive(Debug, Clone, Default)]
pub struct Mempool {
    limits: PoolLimits,
    pending: BTreeMap<PayloadDigest, Pending>,
    by_id: BTreeMap<(String, TransactionId), PayloadDigest>,
    lanes: BTreeMap<String, Lanes>,
    unoffered: BTreeMap<u64, PayloadDigest>,
    /// By when they expire: each block asks for those that did, and must not look at all to find none.
    by_expiry: BTreeSet<(u64, PayloadDigest)>,
    evidence_of_peers: BTreeSet<PayloadDigest>,
    /// Those that may set a lock, by when they came: every beat tells of the oldest.
    locks: BTreeSet<(u64, PayloadDigest)>,
    bytes: usize,
    next_sequence: u64,
}

impl Mempool {
    /// An empty pool.
    #[must_use]
    pub fn new(limits: PoolLimits) -> Self {
        Self { limits, ..Self::default() }
    }
    /// How many are pending.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pending.len()
    }
    /// Whether none is pending.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }
    /// Their bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }
    /// Whether this payload is pending.
    #[must_use]
    pub fn contains(&self, digest: &PayloadDigest) -> bool {
        self.pending.contains_key(digest)
    }
    /// Whether one of this size would find room; asked before admission is paid for.
    ///
    /// # Errors
    /// The pool is full.
    pub fn check_room(&self, size: usize) -> Result<(), Refusal> {
        let full =
            self.pending.len() >= self.limits.count_max || self.bytes.saturating_add(size) > self.limits.bytes_max;
        if full { Err(Self::exhausted()) } else { Ok(()) }
    }
    fn exhausted() -> Refusal {
        Refusal { retry_after_ms: Some(RETRY_AFTER_MS), ..Refusal::new(RefusalReason::ResourceExhausted) }
    }
    /// An authority may not take more than a quarter once the pool is half full.
    fn check_share(&self, authority: &str, size: usize) -> Result<(), Refusal> {
        let taken = self.lanes.get(authority).map_or(0, Lanes::bytes).saturating_add(size);
        let crowded = self.bytes > self.limits.bytes_max / 2 || self.pending.len() > self.limits.count_max / 2;
        if crowded && self.lanes.len() > 1 && taken > self.limits.bytes_max / 4 {
            Err(Self::exhausted())
        } else {
            Ok(())
        }
    }

    /// Takes in an admitted transaction.
    ///
    /// # Errors
    /// The pool is full, or the author uses the id for another payload already.
    pub fn insert(
        &mut self,
        transaction: Arc<SignedTransaction>,
        info: AdmittedInfo,
        origin: Option<Peer>,
        now_ms: u64,
    ) -> Result<Inserted, Refusal> {
        let key = (info.authority.clone(), info.id);
        match self.by_id.get(&key) {
            Some(known) if *known == info.payload_digest => {
                // A client of this node stands behind it now: this node offers it too.
                if let (None, Some(pending)) = (&origin, self.pending.get_mut(known)) {
                    pending.origin = None;
                    self.evidence_of_peers.remove(known);
                    self.unoffered.insert(pending.sequence, *known);
                }
                return Ok(Inserted::Known);
            }
            Some(_) => return Err(Refusal::new(RefusalReason::AlreadyExists)),
            None => {}
        }
        let size = transaction.size();
        self.check_room(size)?;
        self.check_share(&info.authority, size)?;
        let sequence = self.next_sequence;
        self.next_sequence = sequence.saturating_add(1);
        let lanes = self.lanes.entry(info.authority.clone()).or_default();
        let urgent = info.urgent && lanes.urgent_count() < URGENT_PENDING_MAX;
        lanes.insert(urgent, sequence, info.payload_digest, size);
        self.bytes = self.bytes.saturating_add(size);
        self.by_id.insert(key, info.payload_digest);
        let digest = info.payload_digest;
        if origin.is_none() {
            self.unoffered.insert(sequence, digest);
        }
        self.by_expiry.insert((info.valid_until_ms, digest));
        if info.lock_capable {
            self.locks.insert((now_ms, digest));
        }
        if info.evidence && origin.is_some() {
            self.evidence_of_peers.insert(digest);
        }
        let pending = Pending { transaction, info, origin, size, sequence, urgent, added_ms: now_ms, offered_ms: 0 };
        self.pending.insert(digest, pending);
        Ok(Inserted::New)
    }

    /// Takes one out.
    pub fn remove(&mut self, digest: &PayloadDigest) -> Option<Pending> {
        let pending = self.pending.remove(digest)?;
        self.bytes = self.bytes.saturating_sub(pending.size);
        self.by_id.remove(&(pending.info.authority.clone(), pending.info.id));
        self.unoffered.remove(&pending.sequence);
        self.by_expiry.remove(&(pending.info.valid_until_ms, *digest));
        self.evidence_of_peers.remove(digest);
        self.locks.remove(&(pending.added_ms, *digest));
        if let Some(lanes) = self.lanes.get_mut(&pending.info.authority) {
            lanes.remove(pending.urgent, pending.sequence, pending.size);
            if lanes.is_empty() {
                self.lanes.remove(&pending.info.authority);
            }
        }
        Some(pending)
    }
    /// Takes out the one with this id, whatever its payload: the id is used up.
    pub fn remove_id(&mut self, authority: &str, id: TransactionId) -> Option<Pending> {
        let digest = self.by_id.get(&(authority.to_owned(), id)).copied()?;
        self.remove(&digest)
    }
    /// Takes out all that can no longer be in a block of this time.
    pub fn expire(&mut self, time_ms: u64) -> Vec<Pending> {
        let live = self.by_expiry.split_off(&(time_ms, PayloadDigest::default()));
        let expired = core::mem::replace(&mut self.by_expiry, live);
        expired.iter().filter_map(|(_, digest)| self.remove(digest)).collect()
    }

    /// Takes out evidence that peers brought: what is recorded by now gets into no block any more, and what is not is
    /// offered again by its origin.
    pub fn forget_evidence_of_peers(&mut self) {
        for digest in core::mem::take(&mut self.evidence_of_peers) {
            self.remove(&digest);
        }
    }

    /// What to put into a block, in this order. `turn` moves who goes first.
    #[must_use]
    pub fn candidates(&self, bytes_max: usize, count_max: usize, turn: u64) -> Vec<Arc<SignedTransaction>> {
        let mut picked = Picked { room: Room { bytes: bytes_max, count: count_max }, ..Picked::default() };
        let quota = Room { bytes: bytes_max / URGENT_QUOTA, count: count_max / URGENT_QUOTA };
        let rest = core::mem::replace(&mut picked.room, quota);
        self.pick(true, turn, &mut picked);
        picked.room = Room {
            bytes: rest.bytes.saturating_sub(picked.bytes),
            count: rest.count.saturating_sub(picked.transactions.len()),
        };
        self.pick(false, turn, &mut picked);
        // Urgent ones beyond the quota come after the others.
        self.pick(true, turn, &mut picked);
        picked.transactions
    }
    fn pick(&self, urgent: bool, turn: u64, picked: &mut Picked) {
        let mut queues: Vec<_> = self.lanes.values().map(|lanes| lanes.iter(urgent)).collect();
        let start = usize::try_from(turn).unwrap_or(0).checked_rem(queues.len()).unwrap_or(0);
        queues.rotate_left(start);
        while !queues.is_empty() {
            // A lane ends at the first that finds no room: nothing of it overtakes.
            queues.retain_mut(|queue| {
                let next = queue.next().and_then(|digest| self.pending.get(digest));
                next.is_some_and(|pending| picked.take(pending))
            });
        }
    }

    /// Own ones that were never offered; notes them as offered.
    pub fn take_offers(&mut self, now_ms: u64, bytes_max: usize, count_max: usize) -> Vec<Arc<SignedTransaction>> {
        let mut room = Room { bytes: bytes_max, count: count_max };
        let mut offers = Vec::new();
        while let Some((sequence, digest)) = self.unoffered.first_key_value().map(|(key, value)| (*key, *value)) {
            if let Some(pending) = self.pending.get_mut(&digest) {
                if !room.take(pending.size) {
                    break;
                }
                pending.offered_ms = now_ms;
                offers.push(Arc::clone(&pending.transaction));
            }
            self.unoffered.remove(&sequence);
        }
        offers
    }
    /// Marks own ones that were offered too long ago as never offered; whether there are own ones at all.
    pub fn renew_offers(&mut self, now_ms: u64) -> bool {
        let mut own = false;
        for pending in self.pending.values().filter(|pending| pending.origin.is_none()) {
            own = true;
            if pending.offered_ms.saturating_add(REOFFER_MS) <= now_ms {
                self.unoffered.insert(pending.sequence, pending.info.payload_digest);
            }
        }
        own
    }
    /// Whether own ones wait to be offered.
    #[must_use]
    pub fn has_offers(&self) -> bool {
        !self.unoffered.is_empty()
    }
    /// Since when the oldest lock-capable one waits; 0 = none.
    #[must_use]
    pub fn oldest_lock_ms(&self) -> u64 {
        self.locks.first().map_or(0, |(added_ms, _)| *added_ms)
    }
    /// Lock-capable ones of this node's own clients with the time they came, the oldest first.
    pub fn own_locks(&self) -> impl Iterator<Item = (u64, &Pending)> {
        let locks = self.locks.iter().filter_map(|(added_ms, digest)| Some((*added_ms, self.pending.get(digest)?)));
        locks.filter(|(_, pending)| pending.is_own())
    }
}

#[derive(Default)]
struct Room {
    bytes: usize,
    count: usize,
}

#[derive(Default)]
struct Picked {
    room: Room,
    bytes: usize,
    sequences: BTreeSet<u64>,
    transactions: Vec<Arc<SignedTransaction>>,
}

impl Picked {
    /// Takes one if it is new and fits; false ends its lane.
    fn take(&mut self, pending: &Pending) -> bool {
        if self.sequences.contains(&pending.sequence) {
            return true;
        }
        let fits = self.room.take(pending.size);
        if fits {
            self.bytes = self.bytes.saturating_add(pending.size);
            self.sequences.insert(pending.sequence);
            self.transactions.push(Arc::clone(&pending.transaction));
        }
        fits
    }
}

impl Room {
    fn take(&mut self, size: usize) -> bool {
        let fits = self.count > 0 && self.bytes >= size;
        if fits {
            self.bytes = self.bytes.saturating_sub(size);
            self.count = self.count.saturating_sub(1);
        }
        fits
    }
}

#[cfg(test)]
mod tests;
