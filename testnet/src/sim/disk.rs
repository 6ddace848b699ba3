//! A node's disk: the ledger's fault-injecting store, the two watermark slots,
//! and beside them, for the checks, which own messages are durable in the log.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use laufzettel_chain::codec::decode;
use laufzettel_chain::storage::faulty::FaultyStore;
use laufzettel_chain::storage::mem::Rows;
use laufzettel_chain::storage::{Batch, Durability, Family, Read, Row, Store, StoreError};
use laufzettel_node::consensus::watermark::{Mark, SLOT_BYTES};
use laufzettel_node::consensus::{LogEntry, LogRecord, Watermark};
use laufzettel_node::worker::WatermarkSlots;

use super::broken::Broken;
use super::clients::HOSTILE_CASE;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The store of one running node.
pub(super) struct SimStore {
    pub(super) faulty: FaultyStore,
    log: Mutex<BTreeMap<Vec<u8>, LogEntry>>,
    broken: Option<Broken>,
    odd: bool,
    /// Whether reading the hostile case panics, as a fault in execution would.
    panics: bool,
}

impl SimStore {
    pub(super) fn new(rows: Rows, broken: Option<Broken>, odd: bool, panics: bool) -> Self {
        let entries = rows.iter().filter(|((family, _), _)| *family == Family::Consensus);
        let log = entries.filter_map(|((_, key), value)| Some((key.clone(), entry(value)?))).collect();
        Self { faulty: FaultyStore::with_rows(rows), log: Mutex::new(log), broken, odd, panics }
    }
    /// Whether the log holds this message durably.
    pub(super) fn holds(&self, wanted: &LogEntry) -> bool {
        lock(&self.log).values().any(|held| held == wanted)
    }
    fn note(&self, batch: &Batch) {
        let mut log = lock(&self.log);
        for (family, key, value) in &batch.writes {
            if *family == Family::Consensus {
                match value.as_deref().and_then(entry) {
                    Some(entry) => log.insert(key.clone(), entry),
                    None => log.remove(key),
                };
            }
        }
    }
    fn hides(&self, family: Family, key: &[u8]) -> bool {
        match self.broken {
            // Rows 1.. name committed ids, rows 3.. are the hours' buckets, which the state's root covers.
            Some(Broken::SkipsDedupe) => family == Family::Submissions && key.first() == Some(&1),
            Some(Broken::StateDiffers) => self.odd && family == Family::Submissions && key.first() == Some(&3),
            _ => false,
        }
    }
}

fn entry(bytes: &[u8]) -> Option<LogEntry> {
    decode::<LogRecord>(bytes).ok().map(|record| record.entry)
}

impl Read for SimStore {
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        if self.panics && family == Family::Cases && key == HOSTILE_CASE.0 {
            // Without the panic hook: a thousand of these are no news.
            std::panic::resume_unwind(Box::new("the simulated execution panics"));
        }
        if self.hides(family, key) { Ok(None) } else { self.faulty.get(family, key) }
    }
    fn scan(&self, family: Family, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Row>, StoreError> {
        // Rows 6.. of the derived ones say what is due.
        if self.broken == Some(Broken::SkipsDueWork) && family == Family::Index && from.first() == Some(&6) {
            return Ok(Vec::new());
        }
        self.faulty.scan(family, from, to, limit)
    }
    fn last(&self, family: Family, from: &[u8], to: &[u8]) -> Result<Option<Row>, StoreError> {
        self.faulty.last(family, from, to)
    }
}

impl Store for SimStore {
    fn write(&self, batch: &Batch, mut durability: Durability) -> Result<(), StoreError> {
        let mut batch = batch.clone();
        match self.broken {
            Some(Broken::AnswersBeforeSync) => durability = Durability::Buffered,
            Some(Broken::ForgetsLog) => batch.writes.retain(|(family, _, _)| *family != Family::Consensus),
            _ => {}
        }
        let result = self.faulty.write(&batch, durability);
        if result.is_ok() && durability == Durability::Synced {
            self.note(&batch);
        }
        result
    }
    fn snapshot(&self) -> Box<dyn Read + Send + '_> {
        self.faulty.snapshot()
    }
}

/// The watermark file of one node; it outlives crashes.
#[derive(Debug, Clone, Default)]
pub(super) struct SimSlots(Arc<Mutex<Slots>>);

#[derive(Debug, Clone, Default)]
struct Slots {
    slots: [Option<Vec<u8>>; 2],
    /// The next write stops after so many bytes, and the node with it.
    tear_after: Option<usize>,
    late: Option<Option<(usize, Vec<u8>)>>,
}

impl SimSlots {
    pub(super) fn new(broken: Option<Broken>) -> Self {
        let slots = Slots { late: (broken == Some(Broken::WatermarkLate)).then_some(None), ..Slots::default() };
        Self(Arc::new(Mutex::new(slots)))
    }
    pub(super) fn tear(&self, after: Option<usize>) {
        lock(&self.0).tear_after = after;
    }
    /// The newest mark that is durable.
    pub(super) fn mark(&self) -> Option<Mark> {
        let slots = lock(&self.0);
        let read = slots.slots.iter().flatten().filter_map(|bytes| Watermark::read_slot(bytes));
        read.max_by_key(|watermark| watermark.sequence).map(|watermark| watermark.mark)
    }
    /// What an image of the disk holds.
    pub(super) fn image(&self) -> [Option<Vec<u8>>; 2] {
        lock(&self.0).slots.clone()
    }
    pub(super) fn set_image(&self, image: [Option<Vec<u8>>; 2]) {
        lock(&self.0).slots = image;
    }
}

impl WatermarkSlots for SimSlots {
    fn read(&self) -> io::Result<[Option<Vec<u8>>; 2]> {
        Ok(lock(&self.0).slots.clone())
    }
    fn write(&mut self, slot: usize, bytes: &[u8]) -> io::Result<()> {
        let mut guard = lock(&self.0);
        let slots = &mut *guard;
        let (slot, bytes) = match &mut slots.late {
            None => (slot, bytes.to_vec()),
            Some(late) => match late.replace((slot, bytes.to_vec())) {
                Some(earlier) => earlier,
                None => return Ok(()),
            },
        };
        let Some(place) = slots.slots.get_mut(slot) else { return Err(io::Error::other("there are two slots")) };
        let Some(after) = slots.tear_after.take() else {
            *place = Some(bytes);
            return Ok(());
        };
        let old = place.take().unwrap_or_else(|| vec![0; SLOT_BYTES]);
        let torn = bytes.iter().take(after).chain(old.iter().skip(after)).copied().collect();
        *place = Some(torn);
        Err(io::Error::other("the simulated machine is off"))
    }
}
