//! The fold: a case's reports, in the one order that all nodes agree on, and the state they give. Reality arrives late
//! and out of order; so the order is that of what occurred, not of what was recorded, and a late report makes the case
//! fold anew. Must never depend on a clock or on the order in which calls arrive, save for ties.

mod progress;
pub(crate) mod state;

use crate::accept::Refusal;
use crate::definition::Definition;
use crate::name::AuthorityId;
use crate::report::{Entry, Position, Report, Slot};
use progress::Progress;
use state::CaseState;
use std::collections::BTreeMap;

/// By what reports are ordered. The slot makes the order total even for positions that a caller set alike.
type Key = (i64, u16, Position, Slot);

/// A status the definition does not have comes after all it has.
const RANK_UNKNOWN: u16 = u16::MAX;

/// The standing reports of a case, kept in fold order, and the state they give.
///
/// All calls for one case take the same definition: the version is the case's for good.
#[derive(Debug, Default)]
pub struct CaseFold {
    entries: Vec<Entry>,
    /// Retracted slots with their authors: a slot never comes back.
    retracted: BTreeMap<Slot, AuthorityId>,
    progress: Progress,
    /// How often it was folded anew: while this stays the same, reports were added at the end only.
    refolds: u64,
}

/// A case is mostly cloned to add a report: there is room for one. More would lie in memory with every case that is kept.
const SPARE: usize = 1;

impl Clone for CaseFold {
    fn clone(&self) -> Self {
        let mut entries = Vec::with_capacity(self.entries.len().saturating_add(SPARE));
        entries.extend_from_slice(&self.entries);
        Self { entries, retracted: self.retracted.clone(), progress: self.progress.clone(), refolds: self.refolds }
    }
}

impl CaseFold {
    /// A case without a report.
    pub fn new() -> Self {
        Self::default()
    }

    /// A case as it was kept: its standing reports in any order, and the slots retracted so far with their authors.
    pub fn restore(def: &Definition, mut entries: Vec<Entry>, retracted: BTreeMap<Slot, AuthorityId>) -> Self {
        entries.sort_by_cached_key(|entry| key(def, entry));
        let progress = Progress::of(def, entries.iter());
        Self { entries, retracted, progress, refolds: 0 }
    }

    /// The slots retracted so far, with their authors.
    pub fn retracted(&self) -> &BTreeMap<Slot, AuthorityId> {
        &self.retracted
    }

    /// Records a report. A slot that is known already, standing or retracted, is left as it is: the ledger asks
    /// [`CaseFold::knows`] before, since one item committed twice has one slot.
    ///
    /// At the end of the order this costs one step, elsewhere a refold.
    pub fn report(&mut self, def: &Definition, entry: Entry) {
        if self.knows(&entry.slot) {
            return;
        }
        self.place(def, entry);
    }

    /// Puts a new report in the place of an earlier one. The slot, its position and its author stay.
    ///
    /// # Errors
    /// If no report stands in the slot.
    pub fn correct(&mut self, def: &Definition, slot: Slot, report: Report) -> Result<(), Refusal> {
        let earlier = self.take(&slot)?;
        self.insert(def, Entry { report, ..earlier });
        self.refold(def);
        Ok(())
    }

    /// Takes a report out. Its slot is closed for good.
    ///
    /// # Errors
    /// If no report stands in the slot.
    pub fn retract(&mut self, def: &Definition, slot: Slot) -> Result<(), Refusal> {
        let earlier = self.take(&slot)?;
        self.retracted.insert(slot, earlier.author);
        self.refold(def);
        Ok(())
    }

    /// The standing reports in fold order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The state they give. In language 1 no part of it depends on an `as_of`; what does is asked of its parts, such as
    /// [`state::TrackState::effective_lies_ahead`].
    pub fn state(&self) -> &CaseState {
        self.progress.state()
    }

    /// By place in fold order, the proceeding each report counts to.
    pub(crate) fn proceedings(&self) -> &[u32] {
        self.progress.proceedings()
    }

    /// How often it was folded anew.
    pub(crate) fn refolds(&self) -> u64 {
        self.refolds
    }

    /// The standing report of a slot.
    ///
    /// # Errors
    /// If the slot is unknown or retracted.
    pub fn entry(&self, slot: &Slot) -> Result<&Entry, Refusal> {
        let standing = self.entries.iter().find(|entry| entry.slot == *slot);
        standing.ok_or_else(|| self.why_absent(slot))
    }

    /// Whether a slot was ever reported in this case.
    pub fn knows(&self, slot: &Slot) -> bool {
        self.retracted.contains_key(slot) || self.entries.iter().any(|entry| entry.slot == *slot)
    }

    /// How many slots the case has had, standing and retracted.
    pub fn slots(&self) -> usize {
        self.entries.len().saturating_add(self.retracted.len())
    }

    /// Who made a report that was retracted.
    pub fn retracted_by(&self, slot: &Slot) -> Option<&AuthorityId> {
        self.retracted.get(slot)
    }

    fn place(&mut self, def: &Definition, entry: Entry) {
        let at = self.insert(def, entry);
        if at.saturating_add(1) < self.entries.len() {
            self.refold(def);
        } else if let Some(last) = self.entries.last() {
            self.progress.step(def, last);
        }
    }

    fn insert(&mut self, def: &Definition, entry: Entry) -> usize {
        let key = key(def, &entry);
        let at = self.entries.partition_point(|earlier| self::key(def, earlier) < key);
        self.entries.insert(at, entry);
        at
    }

    fn take(&mut self, slot: &Slot) -> Result<Entry, Refusal> {
        match self.entries.iter().position(|entry| entry.slot == *slot) {
            Some(at) => Ok(self.entries.remove(at)),
            None => Err(self.why_absent(slot)),
        }
    }

    fn why_absent(&self, slot: &Slot) -> Refusal {
        if self.retracted.contains_key(slot) { Refusal::SlotClosed } else { Refusal::SlotUnknown }
    }

    fn refold(&mut self, def: &Definition) {
        self.progress = Progress::of(def, self.entries.iter());
        self.refolds = self.refolds.saturating_add(1);
    }
}

/// Folds reports in any order from nothing: what [`CaseFold`] gives step by step, given at once.
///
/// `as_of_ms` is the instant asked about. In language 1 nothing in the state depends on it; deadlines will.
pub fn fold(def: &Definition, entries: &[Entry], _as_of_ms: u64) -> CaseState {
    let mut in_order: Vec<&Entry> = entries.iter().collect();
    in_order.sort_by_key(|entry| key(def, entry));
    Progress::of(def, in_order.into_iter()).into_state()
}

/// What folding a case of so many reports anew costs, in units of the ledger's work budget: one for each report and
/// one for the act. Static, so that a block's cost is known before it is executed.
pub const fn cost(entries: usize) -> u64 {
    // A case has at most `EVENTS_MAX` reports; the cast loses nothing on any platform.
    (entries as u64).saturating_add(1)
}

fn key(def: &Definition, entry: &Entry) -> Key {
    let rank = def.status(entry.report.status.as_str()).map_or(RANK_UNKNOWN, |status| status.rank);
    (entry.report.occurred.end_ms(), rank, entry.position, entry.slot)
}
