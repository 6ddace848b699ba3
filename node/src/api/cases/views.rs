//! Views of cases as they stand, encoded, so that a case that is asked for
//! again and again is folded once a change and not once a call. Bounded; what
//! is in it changes no answer: a view counts for the one revision it was made
//! of, which a case never has twice.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use laufzettel_chain::ids::CaseId;
use laufzettel_proto::v1;
use prost::Message as _;

/// Bytes of all views kept, at the most.
const BYTES_MAX: usize = 24 * 1024 * 1024;
/// What a view takes besides its bytes, about.
const OVERHEAD: usize = 160;

#[derive(Default)]
struct Kept {
    views: BTreeMap<CaseId, (u64, u64, Arc<[u8]>)>,
    /// By the count at which each was put; the oldest goes first.
    order: BTreeMap<u64, CaseId>,
    puts: u64,
    bytes: usize,
}

/// The views kept.
#[derive(Default)]
pub(super) struct Views(Mutex<Kept>);

impl Kept {
    fn remove(&mut self, id: &CaseId) {
        if let Some((_, put, bytes)) = self.views.remove(id) {
            self.order.remove(&put);
            self.bytes = self.bytes.saturating_sub(bytes.len().saturating_add(OVERHEAD));
        }
    }
}

impl Views {
    /// The view of a case at this revision, if it is kept.
    pub(super) fn get(&self, id: &CaseId, revision: u64) -> Option<v1::Case> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = kept.views.get(id).filter(|(of, ..)| *of == revision).map(|(_, _, bytes)| bytes.clone())?;
        drop(kept);
        v1::Case::decode(bytes.as_ref()).ok()
    }
    /// Keeps the view of a case at its revision.
    pub(super) fn put(&self, id: CaseId, view: &v1::Case) {
        let bytes: Arc<[u8]> = view.encode_to_vec().into();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.remove(&id);
        kept.puts = kept.puts.saturating_add(1);
        let put = kept.puts;
        kept.bytes = kept.bytes.saturating_add(bytes.len().saturating_add(OVERHEAD));
        kept.order.insert(put, id);
        kept.views.insert(id, (view.revision, put, bytes));
        while kept.bytes > BYTES_MAX {
            let Some(oldest) = kept.order.first_key_value().map(|(_, id)| *id) else { break };
            kept.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(revision: u64, slots: usize) -> v1::Case {
        v1::Case { revision, timeline: vec![vec![7; 32]; slots], ..v1::Case::default() }
    }

    #[test]
    fn a_view_counts_for_its_revision_alone() {
        let (views, id) = (Views::default(), CaseId([1; 16]));
        views.put(id, &view(3, 2));
        assert_eq!(views.get(&id, 3), Some(view(3, 2)));
        assert_eq!((views.get(&id, 4), views.get(&CaseId([2; 16]), 3)), (None, None));
        views.put(id, &view(4, 1));
        assert_eq!((views.get(&id, 3), views.get(&id, 4)), (None, Some(view(4, 1))));
    }

    #[test]
    fn the_oldest_views_make_room() {
        let views = Views::default();
        // Each takes more than 1 MiB: not all of them find room.
        let ids: Vec<CaseId> = (0..32).map(|number| CaseId([number; 16])).collect();
        for id in &ids {
            views.put(*id, &view(1, 32_000));
        }
        let kept: Vec<bool> = ids.iter().map(|id| views.get(id, 1).is_some()).collect();
        assert!(!kept[0] && kept[31] && kept.is_sorted(), "{kept:?}");
        assert!(views.0.lock().unwrap().bytes <= BYTES_MAX);
    }
}
