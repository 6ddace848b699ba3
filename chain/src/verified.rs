//! Transactions this node has decoded and whose signatures it has verified, so
//! that neither is done again: at admission, in the proposal and at the commit
//! the same bytes come by. Local and bounded: forgetting costs time only.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::ids::PayloadDigest;
use crate::transaction::{SignedTransaction, Transaction};

/// Most transactions kept.
const COUNT_MAX: usize = 65_536;
/// Most bytes of the transactions kept; decoded they take a few times as much.
const BYTES_MAX: usize = 16 * 1024 * 1024;

/// Transactions that are known to be well formed and signed by the keys they name.
#[derive(Debug, Default)]
pub struct Verified(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    entries: BTreeMap<PayloadDigest, Entry>,
    /// By the count at which each came.
    order: BTreeMap<u64, PayloadDigest>,
    came: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    signed: Arc<SignedTransaction>,
    decoded: Arc<Transaction>,
    came: u64,
}

impl Known {
    fn remove(&mut self, digest: &PayloadDigest) {
        if let Some(entry) = self.entries.remove(digest) {
            self.order.remove(&entry.came);
            self.bytes = self.bytes.saturating_sub(entry.decoded.size);
        }
    }
}

impl Verified {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// What a transaction decodes to, if exactly these bytes, signatures and items included, were verified before.
    #[must_use]
    pub fn get(&self, signed: &Arc<SignedTransaction>) -> Option<Arc<Transaction>> {
        let digest = signed.payload_digest();
        let known = self.lock();
        let entry = known.entries.get(&digest)?;
        (Arc::ptr_eq(&entry.signed, signed) || entry.signed == *signed).then(|| entry.decoded.clone())
    }
    /// Keeps a transaction whose signatures were verified.
    pub(crate) fn insert(&self, signed: Arc<SignedTransaction>, decoded: Arc<Transaction>) {
        let mut known = self.lock();
        let digest = decoded.digest;
        // Of two signatures over one payload the first is kept; the other is verified each time.
        if known.entries.contains_key(&digest) {
            return;
        }
        known.came = known.came.saturating_add(1);
        known.bytes = known.bytes.saturating_add(decoded.size);
        let came = known.came;
        known.order.insert(came, digest);
        known.entries.insert(digest, Entry { signed, decoded, came });
        while known.bytes > BYTES_MAX || known.entries.len() > COUNT_MAX {
            let Some(oldest) = known.order.first_key_value().map(|(_, digest)| *digest) else { break };
            known.remove(&oldest);
        }
    }
    /// Forgets what is committed: it comes by no more.
    pub(crate) fn forget(&self, digests: impl Iterator<Item = PayloadDigest>) {
        let mut known = self.lock();
        for digest in digests {
            known.remove(&digest);
        }
    }
    /// How many are kept.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lock().entries.len()
    }
}
