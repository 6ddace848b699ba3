//! The pending transactions of one authority in the order they came: a normal
//! and an urgent lane.

use std::collections::BTreeMap;

use laufzettel_chain::ids::PayloadDigest;

/// Two queues by sequence number.
#[derive(Debug, Clone, Default)]
pub(super) struct Lanes {
    normal: BTreeMap<u64, PayloadDigest>,
    urgent: BTreeMap<u64, PayloadDigest>,
    bytes: usize,
}

impl Lanes {
    pub(super) fn insert(&mut self, urgent: bool, sequence: u64, digest: PayloadDigest, size: usize) {
        self.lane(urgent).insert(sequence, digest);
        self.bytes = self.bytes.saturating_add(size);
    }
    pub(super) fn remove(&mut self, urgent: bool, sequence: u64, size: usize) {
        self.lane(urgent).remove(&sequence);
        self.bytes = self.bytes.saturating_sub(size);
    }
    pub(super) fn iter(&self, urgent: bool) -> impl Iterator<Item = &PayloadDigest> {
        if urgent { self.urgent.values() } else { self.normal.values() }
    }
    pub(super) fn urgent_count(&self) -> usize {
        self.urgent.len()
    }
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
    pub(super) fn is_empty(&self) -> bool {
        self.normal.is_empty() && self.urgent.is_empty()
    }
    fn lane(&mut self, urgent: bool) -> &mut BTreeMap<u64, PayloadDigest> {
        if urgent { &mut self.urgent } else { &mut self.normal }
    }
}
