//! A database that lost a file holds some families of one height and others of another. A ledger does not open on it:
//! whatever it executed would be wrong.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at the first thing that does not hold"
)]

mod fixture;

use std::sync::Arc;

use fixture::{BAMF, advance, at_ms, case, genesis, item, ledger, opens, transaction};
use laufzettel_chain::item::Action;
use laufzettel_chain::ledger::{Ledger, OpenError};
use laufzettel_chain::storage::mem::{MemStore, Rows};
use laufzettel_chain::storage::{Family, StoreError};

/// The rows at heights 0 to 6.
fn images() -> Vec<Arc<Rows>> {
    let (mut ledger, store) = ledger();
    let mut images = vec![store.rows()];
    for height in 1..=6 {
        let action = if height == 1 { opens("toy") } else { Action::Report(at_ms("moment", height)) };
        advance(&mut ledger, &[transaction(BAMF, height, vec![item(height, case(1), &action)])]);
        images.push(store.rows());
    }
    images
}

fn open(rows: Rows) -> Result<Ledger, OpenError> {
    Ledger::open(Arc::new(MemStore::with_rows(rows)), genesis(), false)
}

/// One family of one height, all others of another.
fn mixed(one: Family, of: &Rows, others: &Rows) -> Rows {
    let from = |rows: &Rows, wanted: &dyn Fn(Family) -> bool| -> Rows {
        rows.iter()
            .filter(|((family, _), _)| wanted(*family))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    };
    let mut rows = from(of, &|family| family == one);
    rows.extend(from(others, &|family| family != one));
    rows
}

#[test]
fn every_height_as_it_was_opens() {
    for (height, rows) in images().iter().enumerate() {
        let ledger = open(rows.as_ref().clone()).expect("whole");
        assert_eq!(ledger.tip().header.height, u64::try_from(height).expect("small"));
    }
}

#[test]
fn families_of_two_heights_are_refused() {
    let images = images();
    let (new, old, none) = (images.last().expect("7"), images.get(3).expect("7"), Rows::new());
    for family in [Family::Blocks, Family::Items, Family::Index, Family::Tree, Family::Meta] {
        for (of, others) in [(old.as_ref(), new.as_ref()), (new.as_ref(), old.as_ref()), (&none, new.as_ref())] {
            // Items and events may have been erased, or a block had none: their absence alone says nothing.
            let behind = of.len() < others.len() && matches!(family, Family::Items | Family::Index);
            let opened = open(mixed(family, of, others));
            match opened {
                Err(OpenError::Store(StoreError::Damaged { what, .. })) => assert!(what.contains("height"), "{what}"),
                other => assert!(behind, "{family:?}: {other:?}"),
            }
        }
    }
}
