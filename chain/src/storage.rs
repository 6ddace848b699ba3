//! The narrow door to a key-value store: point reads, ordered scans, a
//! consistent snapshot, and one atomic batch. Everything above it is the same
//! over memory, RocksDB and the fault-injecting store of the simulator.

pub mod faulty;
pub(crate) mod layered;
pub mod mem;
#[cfg(feature = "rocksdb")]
pub mod rocks;

use thiserror::Error;

/// A key and its value.
pub type Row = (Vec<u8>, Vec<u8>);

/// The families of rows. Each is a column family in RocksDB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// Height -> header, certificate, payloads and signatures, receipts.
    Blocks,
    /// Height, transaction, item -> item bytes; erasable one by one.
    Items,
    /// Case id -> case row.
    Cases,
    /// Case id, place -> a report that stands; case id, 0xff, kind, name -> an effect; case id, 0xff, 2 -> who takes part.
    Reports,
    /// Transactions by authority and id, by hour, and the hours' buckets.
    Submissions,
    /// Derived: events in ledger order, events by case, cases by status and by authority.
    Index,
    /// Texts of definitions.
    Registry,
    /// Nodes and values of the state tree.
    Tree,
    /// Version -> the tree rows that are stale since.
    TreeStale,
    /// Block id -> undecided block.
    Pending,
    /// Sequence number -> entry of the consensus log.
    Consensus,
    /// Format, network, tip, proposer order.
    Meta,
}

impl Family {
    /// All families, in the order of their numbers.
    pub const ALL: [Self; 12] = [
        Self::Blocks,
        Self::Items,
        Self::Cases,
        Self::Reports,
        Self::Submissions,
        Self::Index,
        Self::Registry,
        Self::Tree,
        Self::TreeStale,
        Self::Pending,
        Self::Consensus,
        Self::Meta,
    ];
    /// Its name on disk.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Blocks => "blocks",
            Self::Items => "items",
            Self::Cases => "cases",
            Self::Reports => "reports",
            Self::Submissions => "submissions",
            Self::Index => "index",
            Self::Registry => "registry",
            Self::Tree => "tree",
            Self::TreeStale => "tree_stale",
            Self::Pending => "pending",
            Self::Consensus => "consensus",
            Self::Meta => "meta",
        }
    }
}

/// The store could not do its work. After a failed write the process must end:
/// what reached the disk is unknown.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StoreError {
    /// The store itself failed.
    #[error("storage failed: {0}")]
    Failed(String),
    /// The disk has no space left; nothing that was durable is lost.
    #[error("the disk is full: {0}")]
    Full(String),
    /// A row is not what the program wrote.
    #[error("a row of {family} is damaged: {what}")]
    Damaged {
        /// Where it is.
        family: &'static str,
        /// What is wrong with it.
        what: String,
    },
}

/// How durable a write is when it returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// On disk: it survives a power loss.
    Synced,
    /// With the operating system: a crash may take it, together with all that follows.
    Buffered,
}

/// Writes that happen together or not at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// Family, key, and the value to put or none to delete, in order.
    pub writes: Vec<(Family, Vec<u8>, Option<Vec<u8>>)>,
}

impl Batch {
    /// Puts a row.
    pub fn put(&mut self, family: Family, key: Vec<u8>, value: Vec<u8>) {
        self.writes.push((family, key, Some(value)));
    }
    /// Deletes a row, if it is there.
    pub fn delete(&mut self, family: Family, key: Vec<u8>) {
        self.writes.push((family, key, None));
    }
    /// Adds the writes of another batch behind these.
    pub fn append(&mut self, mut other: Self) {
        self.writes.append(&mut other.writes);
    }
}

/// Reading, from the store or from a snapshot of it.
pub trait Read: Sync {
    /// The value of a key.
    ///
    /// # Errors
    /// The store failed.
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;
    /// Up to `limit` rows with `from <= key < to`, ascending.
    ///
    /// # Errors
    /// The store failed.
    fn scan(&self, family: Family, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Row>, StoreError>;
    /// The row with the greatest key in `from <= key < to`.
    ///
    /// # Errors
    /// The store failed.
    fn last(&self, family: Family, from: &[u8], to: &[u8]) -> Result<Option<Row>, StoreError>;
}

/// A store of rows.
pub trait Store: Read + Send + Sync + 'static {
    /// Writes a batch: all of it or nothing, in order with all other batches.
    ///
    /// # Errors
    /// The store failed; the process must end.
    fn write(&self, batch: &Batch, durability: Durability) -> Result<(), StoreError>;
    /// A view that later writes do not change.
    fn snapshot(&self) -> Box<dyn Read + Send + '_>;
}

/// The least key greater than this one.
#[must_use]
pub fn next_key(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
}

/// The least key greater than every key with this prefix.
#[must_use]
pub fn prefix_end(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.last_mut() {
        if let Some(next) = last.checked_add(1) {
            *last = next;
            return end;
        }
        end.pop();
    }
    // Only for a prefix of 0xff bytes alone, which no family has.
    vec![0xff; prefix.len().saturating_add(1)]
}
