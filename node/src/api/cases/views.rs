//! Views of cases as they stand, encoded, so that a case that is asked for
//! again and again is folded once a change and not once a call. Bounded; what
//! is in it changes no answer: a view counts for the one revision it was made
//! of, which a case never has twice, and for the one authority it was made for,
//! whose roles stay what the genesis file says. Only of cases without rules:
//! what follows from a rule changes with the clock.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use laufzettel_chain::ids::CaseId;
use laufzettel_proto::v1;
use prost::Message as _;

/// Bytes of all views kept, at the most.
const BYTES_MAX: usize = 24 * 1024 * 1024;
/// What a view takes besides its bytes, about.
const OVERHEAD: usize = 320;

/// A case, and who reads it.
pub(super) type Key = (CaseId, Arc<str>);

/// What a reader sees of a case, and the fields that a proof may open to it.
pub(super) type Seen = (v1::Case, Arc<BTreeSet<usize>>);

/// What is kept of one view.
struct View {
    /// Revision of the case and version of its definition.
    of: (u64, u32),
    /// When it was put.
    put: u64,
    bytes: Arc<[u8]>,
    /// The fields that a proof may open to its reader.
    fields: Arc<BTreeSet<usize>>,
}

#[derive(Default)]
struct Kept {
    views: BTreeMap<Key, View>,
    /// By the count at which each was put; the oldest goes first.
    order: BTreeMap<u64, Key>,
    puts: u64,
    bytes: usize,
}

/// The views kept.
#[derive(Default)]
pub(super) struct Views(Mutex<Kept>);

impl Kept {
    fn remove(&mut self, key: &Key) {
        if let Some(view) = self.views.remove(key) {
            self.order.remove(&view.put);
            self.bytes = self.bytes.saturating_sub(view.bytes.len().saturating_add(OVERHEAD));
        }
    }
}

impl Views {
    /// The view of a case at this revision, and the fields that a proof may open, if it is kept.
    pub(super) fn get(&self, key: &Key, of: (u64, u32)) -> Option<Seen> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.views.get(key).filter(|view| view.of == of);
        let (bytes, fields) = found.map(|view| (view.bytes.clone(), view.fields.clone()))?;
        drop(kept);
        Some((v1::Case::decode(bytes.as_ref()).ok()?, fields))
    }
    /// Keeps the view of a case at its revision and the version of its definition.
    pub(super) fn put(&self, (key, of): (Key, (u64, u32)), view: &v1::Case, fields: Arc<BTreeSet<usize>>) {
        let bytes: Arc<[u8]> = view.encode_to_vec().into();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.remove(&key);
        kept.puts = kept.puts.saturating_add(1);
        let put = kept.puts;
        kept.bytes = kept.bytes.saturating_add(bytes.len().saturating_add(OVERHEAD));
        kept.order.insert(put, key.clone());
        kept.views.insert(key, View { of, put, bytes, fields });
        while kept.bytes > BYTES_MAX {
            let Some(oldest) = kept.order.first_key_value().map(|(_, key)| key.clone()) else { break };
            kept.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(revision: u64, slots: usize) -> v1::Case {
        v1::Case { revision, definition_version: 1, timeline: vec![vec![7; 32]; slots], ..v1::Case::default() }
    }

    fn key(case: u8, authority: &str) -> Key {
        (CaseId([case; 16]), authority.into())
    }

    fn got(views: &Views, key: &Key, revision: u64) -> Option<v1::Case> {
        views.get(key, (revision, 1)).map(|(view, _)| view)
    }

    #[test]
    fn a_view_counts_for_its_revision_and_its_reader_alone() {
        let (views, own) = (Views::default(), key(1, "de-bamf"));
        let fields = Arc::new(BTreeSet::from([0, 16]));
        views.put((own.clone(), (3, 1)), &view(3, 2), fields.clone());
        assert_eq!(views.get(&own, (3, 1)), Some((view(3, 2), fields.clone())));
        assert_eq!((got(&views, &own, 4), views.get(&own, (3, 2))), (None, None));
        assert_eq!((got(&views, &key(2, "de-bamf"), 3), got(&views, &key(1, "de-bpol"), 3)), (None, None));
        views.put((key(1, "de-bpol"), (3, 1)), &view(3, 0), Arc::default());
        views.put((own.clone(), (4, 1)), &view(4, 1), fields);
        assert_eq!((got(&views, &own, 3), got(&views, &own, 4)), (None, Some(view(4, 1))));
        assert_eq!(got(&views, &key(1, "de-bpol"), 3), Some(view(3, 0)));
    }

    #[test]
    fn the_oldest_views_make_room() {
        let views = Views::default();
        // Each takes more than 1 MiB: not all of them find room.
        let keys: Vec<Key> = (0..32).map(|number| key(number, "de-bamf")).collect();
        for key in &keys {
            views.put((key.clone(), (1, 1)), &view(1, 32_000), Arc::default());
        }
        let kept: Vec<bool> = keys.iter().map(|key| got(&views, key, 1).is_some()).collect();
        assert!(!kept[0] && kept[31] && kept.is_sorted(), "{kept:?}");
        assert!(views.0.lock().unwrap().bytes <= BYTES_MAX);
    }
}
