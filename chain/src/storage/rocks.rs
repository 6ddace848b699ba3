//! The store on disk. The only file that knows RocksDB.

use std::path::Path;

use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DB, DBCompressionType, Direction, IteratorMode,
    Options, ReadOptions, SliceTransform, Snapshot, WriteBatch, WriteOptions,
};

use super::{Batch, Durability, Family, Read, Row, Store, StoreError, prefix_end};
use crate::ids::CaseId;

const BLOCK_CACHE_BYTES: usize = 64 * 1024 * 1024;
/// Of one family, and of all together. The first that is full has all of them written out.
const WRITE_BUFFER_BYTES: usize = 32 * 1024 * 1024;
const WRITE_BUFFERS_BYTES: usize = 64 * 1024 * 1024;
/// A larger log is replayed longer after a crash; a smaller one has families written out that hold little.
const LOG_BYTES: u64 = 128 * 1024 * 1024;
const BLOCK_BYTES: usize = 8 * 1024;
/// Keys of reports begin with their case's id, and are asked for by it.
const CASE_BYTES: usize = size_of::<CaseId>();
/// Of a write buffer, for a filter over the cases whose reports it has.
const CASE_FILTER_SHARE: f64 = 0.02;
/// Files of a family that stand beside each other before they are merged.
const MERGED_FILES: i32 = 8;
/// What a write takes in a batch besides key and value, at the most: its kind, its family and two lengths.
const WRITE_OVERHEAD_BYTES: usize = 16;

/// A RocksDB database with one column family a [`Family`].
#[derive(Debug)]
pub struct RocksStore {
    db: DB,
}

fn failed(error: &rocksdb::Error) -> StoreError {
    let text = error.to_string();
    // RocksDB's kind of error does not tell a full disk from other faults of the system; the system's own words do.
    if text.contains("No space left on device") { StoreError::Full(text) } else { StoreError::Failed(text) }
}

fn family_options(cache: &Cache) -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(cache);
    table.set_bloom_filter(10.0, false);
    table.set_block_size(BLOCK_BYTES);
    let mut options = Options::default();
    options.set_block_based_table_factory(&table);
    // What was written a moment ago is merged or deleted soon; compressing it is work for nothing.
    let (none, lz4) = (DBCompressionType::None, DBCompressionType::Lz4);
    options.set_compression_per_level(&[none, none, lz4, lz4, lz4, lz4, lz4]);
    options.set_write_buffer_size(WRITE_BUFFER_BYTES);
    // Each merge writes the whole level below anew: half as many of them cost half as much, and filters make up for
    // the files that stand beside each other meanwhile.
    options.set_level_zero_file_num_compaction_trigger(MERGED_FILES);
    options
}

fn families() -> [ColumnFamilyDescriptor; Family::ALL.len()] {
    let cache = Cache::new_lru_cache(BLOCK_CACHE_BYTES);
    Family::ALL.map(|family| {
        let mut options = family_options(&cache);
        if family == Family::Reports {
            // Most files have no report of a case: a filter over cases spares looking into them.
            options.set_prefix_extractor(SliceTransform::create_fixed_prefix(CASE_BYTES));
            options.set_memtable_prefix_bloom_ratio(CASE_FILTER_SHARE);
        }
        ColumnFamilyDescriptor::new(family.name(), options)
    })
}

/// Whether a scan asks for the reports of one case; filters over cases answer nothing else.
fn is_of_one_case(family: Family, from: &[u8], to: &[u8]) -> bool {
    let case = from.get(..CASE_BYTES);
    family == Family::Reports && case.is_some_and(|case| to.starts_with(case) || to == prefix_end(case))
}

/// RocksDB opens nothing that has column families it was not told of.
fn not_opened(error: &rocksdb::Error) -> StoreError {
    match error.to_string().split_once("Column families not opened: ") {
        Some((_, names)) => StoreError::Failed(format!(
            "it has families of rows that this program does not know ({names}): a newer program wrote it; install that one"
        )),
        None => failed(error),
    }
}

impl RocksStore {
    /// Opens the database in this directory, or makes it.
    ///
    /// # Errors
    /// RocksDB cannot open it; its message says why.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let mut options = Options::default();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        options.set_max_open_files(512);
        options.set_max_total_wal_size(LOG_BYTES);
        options.set_db_write_buffer_size(WRITE_BUFFERS_BYTES);
        options.set_keep_log_file_num(4);
        options.set_max_background_jobs(2);
        // Families are written out together: a log that is lost then takes the same heights from all of them, and what
        // is left is an older height, not a mixture. And a log that is missing between others is noticed.
        options.set_atomic_flush(true);
        options.set_track_and_verify_wals_in_manifest(true);
        let db = DB::open_cf_descriptors(&options, path, families()).map_err(|error| not_opened(&error))?;
        Ok(Self { db })
    }
    /// Writes all that is in memory to files and merges them, so that what was deleted leaves the disk. Takes long.
    ///
    /// # Errors
    /// RocksDB failed.
    pub fn compact(&self) -> Result<(), StoreError> {
        for family in Family::ALL {
            self.db.flush_cf(self.family(family)?).map_err(|error| failed(&error))?;
            self.db.compact_range_cf(self.family(family)?, None::<&[u8]>, None::<&[u8]>);
        }
        Ok(())
    }
    /// Opens a database that is there for reading only; nothing in the directory's data changes. Writes fail.
    ///
    /// # Errors
    /// RocksDB cannot open it; its message says why.
    pub fn open_read_only(path: &Path) -> Result<Self, StoreError> {
        let mut options = Options::default();
        options.set_max_open_files(512);
        // As for writing: RocksDB crashes where logs are tracked and a reader does not say so.
        options.set_track_and_verify_wals_in_manifest(true);
        let opened = DB::open_cf_descriptors_read_only(&options, path, families(), false);
        Ok(Self { db: opened.map_err(|error| failed(&error))? })
    }
    fn family(&self, family: Family) -> Result<&ColumnFamily, StoreError> {
        let found = self.db.cf_handle(family.name());
        found.ok_or_else(|| StoreError::Failed(format!("column family {} is missing", family.name())))
    }
    fn iterate(
        &self,
        family: Family,
        mut options: ReadOptions,
        from: &[u8],
        to: &[u8],
        limit: usize,
        direction: Direction,
    ) -> Result<Vec<Row>, StoreError> {
        if from >= to {
            return Ok(Vec::new());
        }
        options.set_iterate_lower_bound(from);
        options.set_iterate_upper_bound(to);
        options.set_total_order_seek(true);
        let mode = match direction {
            Direction::Forward if is_of_one_case(family, from, to) => {
                options.set_total_order_seek(false);
                IteratorMode::From(from, Direction::Forward)
            }
            Direction::Forward => IteratorMode::Start,
            Direction::Reverse => IteratorMode::End,
        };
        let rows = self.db.iterator_cf_opt(self.family(family)?, options, mode);
        let rows = rows.take(limit).map(|row| row.map(|(key, value)| (key.into_vec(), value.into_vec())));
        rows.collect::<Result<_, _>>().map_err(|error| failed(&error))
    }
}

impl Read for RocksStore {
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.db.get_cf(self.family(family)?, key).map_err(|error| failed(&error))
    }
    fn scan(&self, family: Family, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Row>, StoreError> {
        self.iterate(family, ReadOptions::default(), from, to, limit, Direction::Forward)
    }
    fn last(&self, family: Family, from: &[u8], to: &[u8]) -> Result<Option<Row>, StoreError> {
        Ok(self.iterate(family, ReadOptions::default(), from, to, 1, Direction::Reverse)?.pop())
    }
}

struct RocksSnapshot<'a> {
    store: &'a RocksStore,
    snapshot: Snapshot<'a>,
}

impl RocksSnapshot<'_> {
    fn options(&self) -> ReadOptions {
        let mut options = ReadOptions::default();
        options.set_snapshot(&self.snapshot);
        options
    }
}

impl Read for RocksSnapshot<'_> {
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.snapshot.get_cf(self.store.family(family)?, key).map_err(|error| failed(&error))
    }
    fn scan(&self, family: Family, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Row>, StoreError> {
        self.store.iterate(family, self.options(), from, to, limit, Direction::Forward)
    }
    fn last(&self, family: Family, from: &[u8], to: &[u8]) -> Result<Option<Row>, StoreError> {
        Ok(self.store.iterate(family, self.options(), from, to, 1, Direction::Reverse)?.pop())
    }
}

impl Store for RocksStore {
    fn write(&self, batch: &Batch, durability: Durability) -> Result<(), StoreError> {
        // Grown bit by bit, a large batch is copied again and again.
        let size = |(_, key, value): &(Family, Vec<u8>, Option<Vec<u8>>)| {
            key.len().saturating_add(value.as_ref().map_or(0, Vec::len)).saturating_add(WRITE_OVERHEAD_BYTES)
        };
        let bytes = batch.writes.iter().map(size).fold(WRITE_OVERHEAD_BYTES, usize::saturating_add);
        let mut writes = WriteBatch::with_capacity_bytes(bytes);
        for (family, key, value) in &batch.writes {
            match value {
                Some(value) => writes.put_cf(self.family(*family)?, key, value),
                None => writes.delete_cf(self.family(*family)?, key),
            }
        }
        let mut options = WriteOptions::default();
        options.set_sync(durability == Durability::Synced);
        self.db.write_opt(writes, &options).map_err(|error| failed(&error))
    }
    fn snapshot(&self) -> Box<dyn Read + Send + '_> {
        Box::new(RocksSnapshot { store: self, snapshot: self.db.snapshot() })
    }
}
