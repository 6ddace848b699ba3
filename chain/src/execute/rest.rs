//! What a block does to the state besides its cases: submissions by hour, evidence, proposer order and epoch. Must never
//! touch a case.

use super::{Execution, Place};
use crate::codec;
use crate::evidence::{Evidence, Scope};
use crate::ids::ItemDigest;
use crate::limits;
use crate::receipt::Code;
use crate::state::evidence;
use crate::state::order::ProposerOrder;
use crate::state::submissions::{self, Submission};
use crate::storage::StoreError;
use crate::transaction::Transaction;
use crate::tree::{Change, StateKey};

impl Execution<'_> {
    /// Records once that a key signed twice at a height.
    pub(super) fn record_evidence(
        &mut self,
        evidence: &Evidence,
        item: ItemDigest,
    ) -> Result<Result<u64, Code>, StoreError> {
        let address = evidence.place().address;
        let (previous, mut records) = match self.evidence.get(&address) {
            Some(known) => known.clone(),
            None => evidence::of_key(self.read, &address)?,
        };
        let Place { network, incarnation, height, .. } = self.place;
        if let Err(code) = records.judge(evidence, self.registry, &Scope { network, incarnation, height }) {
            return Ok(Err(code));
        }
        records.insert(evidence, item, height);
        self.evidence.insert(address, (previous, records));
        Ok(Ok(0))
    }
    pub(super) fn record(&mut self, transaction: &Transaction, index: u32) -> Result<(), StoreError> {
        let payload = &transaction.payload;
        let hour = submissions::hour_of(payload.valid_until_ms);
        let (previous, bucket) = match self.buckets.get(&hour) {
            Some(known) => *known,
            None => {
                let bucket = submissions::bucket(self.read, hour)?;
                (bucket.written(), bucket)
            }
        };
        let height = self.place.height;
        let bucket = bucket.with(&payload.authority, &payload.id, &transaction.digest, height, index);
        self.buckets.insert(hour, (previous, bucket));
        let submission = Submission { digest: transaction.digest.0, height, index, hour };
        submissions::put(&mut self.batch, &payload.authority, &payload.id, &submission);
        Ok(())
    }
    /// All of the state but cases: hours of submissions, evidence, proposer order and epoch.
    pub(super) fn change_rest(&mut self, order: &ProposerOrder, changes: &mut Vec<Change>) -> Result<(), StoreError> {
        for (hour, (previous, bucket)) in &self.buckets {
            submissions::put_bucket(&mut self.batch, *hour, bucket);
            let (key, value) = (StateKey::Bucket(*hour), Some(bucket.value()));
            changes.push(Change { key, value, previous: *previous });
        }
        let first_live = submissions::first_live_hour(self.place.time_ms);
        for (hour, bucket) in submissions::drop_old(self.read, first_live, &mut self.batch)? {
            changes.push(Change { key: StateKey::Bucket(hour), value: None, previous: bucket.written() });
        }
        for (address, (previous, records)) in &self.evidence {
            let (key, value) = (evidence::state_key(address), Some(evidence::value(records)));
            changes.push(Change { key, value, previous: *previous });
        }
        // Every height writes these two, genesis included.
        let previous = self.place.height.checked_sub(1);
        changes.push(Change { key: StateKey::ProposerOrder, value: Some(codec::encode(order)), previous });
        let epoch = self.place.time_ms.checked_div(limits::EPOCH_MS).unwrap_or(0).to_be_bytes();
        changes.push(Change { key: StateKey::Epoch, value: Some(epoch.to_vec()), previous });
        Ok(())
    }
}
