//! A store that fails as disks and power supplies do, for the simulator: a
//! crash takes any suffix of the writes that were not synced, and a planned
//! crash strikes just before or just after a given write.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::mem::{MemSnapshot, MemStore, Rows, apply};
use super::{Batch, Durability, Family, Read, Row, Store, StoreError};

/// Where a planned crash strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrashPoint {
    /// The write with this number (from 1) never happens.
    Before(u64),
    /// The write with this number is durable, but nobody hears of it.
    After(u64),
}

#[derive(Debug, Default)]
struct Disk {
    durable: Rows,
    unsynced: Vec<Batch>,
    writes: u64,
    plan: Option<CrashPoint>,
    crashed: bool,
}

/// A store whose unsynced writes can be lost.
#[derive(Debug, Default)]
pub struct FaultyStore {
    visible: MemStore,
    disk: Mutex<Disk>,
}

impl FaultyStore {
    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// A store with these durable rows.
    #[must_use]
    pub fn with_rows(rows: Rows) -> Self {
        let disk = Disk { durable: rows.clone(), ..Disk::default() };
        Self { visible: MemStore::with_rows(rows), disk: Mutex::new(disk) }
    }
    /// Plans a crash; none takes the plan back.
    pub fn plan(&self, point: Option<CrashPoint>) {
        self.disk().plan = point;
    }
    /// How many writes were tried so far.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.disk().writes
    }
    /// Whether the planned crash has struck.
    #[must_use]
    pub fn crashed(&self) -> bool {
        self.disk().crashed
    }
    /// The rows a restart finds if the power fails now and this many of the
    /// unsynced writes happened to reach the disk.
    #[must_use]
    pub fn after_power_loss(&self, unsynced_kept: usize) -> Rows {
        let disk = self.disk();
        let mut rows = disk.durable.clone();
        for batch in disk.unsynced.iter().take(unsynced_kept) {
            apply(&mut rows, batch);
        }
        rows
    }
    /// How many writes are not synced.
    #[must_use]
    pub fn unsynced(&self) -> usize {
        self.disk().unsynced.len()
    }
    /// All rows as the running process sees them.
    #[must_use]
    pub fn rows(&self) -> Arc<Rows> {
        self.visible.rows()
    }
}

impl Read for FaultyStore {
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.visible.get(family, key)
    }
    fn scan(&self, family: Family, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Row>, StoreError> {
        self.visible.scan(family, from, to, limit)
    }
    fn last(&self, family: Family, from: &[u8], to: &[u8]) -> Result<Option<Row>, StoreError> {
        self.visible.last(family, from, to)
    }
}

impl Store for FaultyStore {
    fn write(&self, batch: &Batch, durability: Durability) -> Result<(), StoreError> {
        let mut disk = self.disk();
        let failed = || StoreError::Failed("the simulated machine is off".to_owned());
        if disk.crashed {
            return Err(failed());
        }
        disk.writes = disk.writes.saturating_add(1);
        if disk.plan == Some(CrashPoint::Before(disk.writes)) {
            disk.crashed = true;
            return Err(failed());
        }
        disk.unsynced.push(batch.clone());
        if durability == Durability::Synced {
            let unsynced = std::mem::take(&mut disk.unsynced);
            for earlier in unsynced {
                apply(&mut disk.durable, &earlier);
            }
        }
        if disk.plan == Some(CrashPoint::After(disk.writes)) {
            disk.crashed = true;
            return Err(failed());
        }
        self.visible.write(batch, durability)
    }
    fn snapshot(&self) -> Box<dyn Read + Send + '_> {
        let snapshot: MemSnapshot = self.visible.snapshot_owned();
        Box::new(snapshot)
    }
}
