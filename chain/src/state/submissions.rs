//! Which transactions were committed: by authority and id, so that none runs
//! twice, and as one running hash per hour of `valid_until`, which the state
//! root covers and which is dropped whole 30 days later.

use bincode::{Decode, Encode};

use crate::codec::Writer;
use crate::crypto::{Hash, hash_parts};
use crate::ids::{Height, PayloadDigest, TransactionId};
use crate::limits::{BUCKET_MS, OUTCOME_KEPT_MS};
use crate::rows;
use crate::storage::{Batch, Family, Read, StoreError, prefix_end};

/// What became of a committed transaction.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Submission {
    /// Digest of its payload.
    pub digest: [u8; 32],
    /// Block it is in.
    pub height: Height,
    /// Position in the block.
    pub index: u32,
    /// Hour of its `valid_until`.
    pub hour: u64,
}

/// The running hash of one hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Encode, Decode)]
pub struct Bucket {
    /// Transactions in it.
    pub count: u64,
    /// Hash over them in commit order.
    pub hash: Hash,
    /// Height of its last change; neither its hash nor its value covers it.
    pub changed: Height,
}

impl Bucket {
    /// The bucket with one more transaction.
    #[must_use]
    pub fn with(self, authority: &str, id: &TransactionId, digest: &PayloadDigest, height: Height, index: u32) -> Self {
        let mut entry = Writer::default();
        entry.str(authority);
        entry.raw(&id.0);
        entry.raw(&digest.0);
        entry.u64(height);
        entry.u32(index);
        let hash = hash_parts("submission", &[&self.hash, &entry.into_bytes()]);
        Self { count: self.count.saturating_add(1), hash, changed: height }
    }
    /// Height that wrote its value, if it has one.
    #[must_use]
    pub fn written(&self) -> Option<Height> {
        (self.count > 0).then_some(self.changed)
    }
    /// Its value in the state tree.
    #[must_use]
    pub fn value(&self) -> Vec<u8> {
        [self.count.to_be_bytes().as_slice(), &self.hash].concat()
    }
}

/// The hour a `valid_until` lies in.
#[must_use]
pub fn hour_of(valid_until_ms: u64) -> u64 {
    valid_until_ms.checked_div(BUCKET_MS).unwrap_or(0)
}

/// Hours below this one are dropped at this block time.
#[must_use]
pub fn first_live_hour(time_ms: u64) -> u64 {
    time_ms.saturating_sub(OUTCOME_KEPT_MS).checked_div(BUCKET_MS).unwrap_or(0)
}

const BY_ID: u8 = 1;
const BY_HOUR: u8 = 2;
const BUCKET: u8 = 3;

fn name(authority: &str, id: &TransactionId) -> Vec<u8> {
    [authority.as_bytes(), &[0], &id.0].concat()
}

fn by_id(authority: &str, id: &TransactionId) -> Vec<u8> {
    [[BY_ID].as_slice(), &name(authority, id)].concat()
}

fn hour_prefix(kind: u8, hour: u64) -> Vec<u8> {
    [[kind].as_slice(), &hour.to_be_bytes()].concat()
}

/// The committed transaction of this authority with this id.
///
/// # Errors
/// The store failed.
pub fn find(read: &dyn Read, authority: &str, id: &TransactionId) -> Result<Option<Submission>, StoreError> {
    rows::get(read, Family::Submissions, &by_id(authority, id))
}

/// The bucket of an hour.
///
/// # Errors
/// The store failed.
pub fn bucket(read: &dyn Read, hour: u64) -> Result<Bucket, StoreError> {
    Ok(rows::get(read, Family::Submissions, &hour_prefix(BUCKET, hour))?.unwrap_or_default())
}

/// All hours that have a bucket, ascending.
///
/// # Errors
/// The store failed.
pub(crate) fn buckets(read: &dyn Read) -> Result<Vec<(u64, Bucket)>, StoreError> {
    let mut buckets = Vec::new();
    for (row, value) in read.scan(Family::Submissions, &[BUCKET], &prefix_end(&[BUCKET]), usize::MAX)? {
        let hour = row.get(1..9).and_then(|bytes| bytes.try_into().ok()).map(u64::from_be_bytes);
        let Some(hour) = hour else { continue };
        buckets.push((hour, rows::decode(Family::Submissions, &value)?));
    }
    Ok(buckets)
}

/// Writes a committed transaction.
pub(crate) fn put(batch: &mut Batch, authority: &str, id: &TransactionId, submission: &Submission) {
    let hour_row = [hour_prefix(BY_HOUR, submission.hour).as_slice(), &name(authority, id)].concat();
    batch.put(Family::Submissions, hour_row, Vec::new());
    rows::put(batch, Family::Submissions, by_id(authority, id), submission);
}

/// Writes an hour's bucket.
pub(crate) fn put_bucket(batch: &mut Batch, hour: u64, bucket: &Bucket) {
    rows::put(batch, Family::Submissions, hour_prefix(BUCKET, hour), bucket);
}

/// Hours dropped with one block at the most.
const DROPPED_HOURS_MAX: usize = 48;

/// Deletes all of the hours below the first live one; the hours deleted, with their buckets.
///
/// # Errors
/// The store failed.
pub(crate) fn drop_old(read: &dyn Read, first_live: u64, batch: &mut Batch) -> Result<Vec<(u64, Bucket)>, StoreError> {
    let end = hour_prefix(BUCKET, first_live);
    let mut dropped = Vec::new();
    for (row, value) in read.scan(Family::Submissions, &[BUCKET], &end, DROPPED_HOURS_MAX)? {
        let hour = row.get(1..9).and_then(|bytes| bytes.try_into().ok()).map(u64::from_be_bytes);
        let Some(hour) = hour else { continue };
        let prefix = hour_prefix(BY_HOUR, hour);
        for (entry, _) in read.scan(Family::Submissions, &prefix, &prefix_end(&prefix), usize::MAX)? {
            if let Some(name) = entry.get(9..) {
                batch.delete(Family::Submissions, [[BY_ID].as_slice(), name].concat());
            }
            batch.delete(Family::Submissions, entry);
        }
        batch.delete(Family::Submissions, row);
        dropped.push((hour, rows::decode(Family::Submissions, &value)?));
    }
    Ok(dropped)
}
