//! The end of a block for the cases it touched: effects as of its time, rows, and values of the tree. The order of
//! everything is that of the cases, however many cores have a part in it. Must never touch a case that nothing changed.

use std::sync::Arc;

use crate::ids::{CaseId, Height};
use crate::state::case::OpenCase;
use crate::storage::Batch;
use crate::tree::{Change, StateKey};

/// What ends a block for a case of language 2.
type Ends<'e> = dyn Fn(&CaseId, &mut OpenCase) + Sync + 'e;

/// Cases closed at the end of a block, with the rows and tree values they leave.
#[derive(Default)]
pub(super) struct Closed {
    pub(super) batch: Batch,
    pub(super) changes: Vec<Change>,
    pub(super) cases: Vec<(CaseId, Arc<OpenCase>)>,
}

impl Closed {
    /// Cases that one core closes alone: fewer are not worth the way to another.
    pub(super) const ALONE: usize = 64;

    /// Closes cases, halves of many on different cores; the order of everything is that of the cases.
    pub(super) fn of(mut cases: Vec<(CaseId, Arc<OpenCase>)>, height: Height, ends: &Ends<'_>) -> Self {
        if cases.len() > Self::ALONE {
            let right = cases.split_off(cases.len() >> 1);
            let (left, right) = rayon::join(|| Self::of(cases, height, ends), || Self::of(right, height, ends));
            return left.followed_by(right);
        }
        let mut closed = Self::default();
        for (id, case) in cases {
            closed.close(id, case, height, ends);
        }
        closed
    }
    fn followed_by(mut self, mut right: Self) -> Self {
        self.batch.append(right.batch);
        self.changes.append(&mut right.changes);
        self.cases.append(&mut right.cases);
        self
    }
    fn close(&mut self, id: CaseId, mut case: Arc<OpenCase>, height: Height, ends: &Ends<'_>) {
        let closing = Arc::make_mut(&mut case);
        if closing.living().is_some() {
            ends(&id, closing);
        }
        let previous = closing.written();
        let root = closing.close(&id, height, &mut self.batch);
        self.cases.push((id, case));
        self.changes.push(Change { key: StateKey::Case(id), value: Some(root.to_vec()), previous });
    }
}
