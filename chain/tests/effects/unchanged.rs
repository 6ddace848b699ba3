//! Cases of language 1 are the same under both protocol versions: receipts, fields and what they are found by.

use std::sync::{Arc, OnceLock};

use laufzettel_chain::genesis::Genesis;
use laufzettel_chain::ledger::{Ledger, genesis_state};
use laufzettel_chain::query;
use laufzettel_chain::state::case::CaseRow;
use laufzettel_chain::state::fields::{FIELDS, HISTORY};
use laufzettel_chain::storage::mem::MemStore;
use laufzettel_chain::storage::{Family, Read as _};
use laufzettel_chain::transaction::{Payload, SignedTransaction};
use laufzettel_contracts::{ASYL_DE, CALENDARS_DE};
use proptest::prelude::*;

use crate::fixture::steps::{blocks, play};
use crate::fixture::{self, AUTHORITIES, TOY, commit, key};

/// The fixture's network under protocol version 2, with the same roles.
fn second() -> Arc<Genesis> {
    static GENESIS: OnceLock<Arc<Genesis>> = OnceLock::new();
    let text = |root: &[u8; 32]| {
        let text = fixture::genesis_text(root, &[TOY, ASYL_DE]);
        let text = text.replace("version = 1\nname", "version = 1\nprotocol = 2\nname");
        format!("{text}\n[[calendar]]\ntext = '''\n{CALENDARS_DE}'''\n")
    };
    let made = || {
        let draft = Genesis::parse(text(&[0; 32]).as_bytes()).expect("sound");
        let (root, _) = genesis_state(&draft, &MemStore::default()).expect("memory");
        Arc::new(Genesis::parse(text(&root).as_bytes()).expect("sound"))
    };
    GENESIS.get_or_init(made).clone()
}

/// The same transaction for the other network.
fn moved(signed: &SignedTransaction) -> Arc<SignedTransaction> {
    let payload = Payload::decode(&signed.payload).expect("decodes");
    let by = AUTHORITIES.iter().position(|(id, _)| *id == payload.authority).expect("a member");
    let payload = Payload { network: second().network, ..payload };
    Arc::new(payload.sign(signed.items.iter().flatten().cloned().collect(), &key(by, "service")))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn language_1_is_the_same_under_both_versions(steps in blocks(2..8)) {
        let (mut first, store) = fixture::ledger();
        play(&steps, &mut first, |_| {});
        let other = Arc::new(MemStore::default());
        let mut ledger = Ledger::open(other.clone(), second(), false).expect("opens");
        for height in 1..=first.tip().header.height {
            let block = query::block(store.as_ref(), height).expect("memory").expect("stored").0;
            let candidates: Vec<_> = block.body.transactions.iter().map(|signed| moved(signed)).collect();
            let proposer = ledger.tip().order[block.header.round as usize];
            let built = ledger.build(block.header.round, block.header.time_ms, proposer, &candidates, u64::MAX);
            let built = built.expect("memory");
            for (index, outcome) in (0u32..).zip(&built.executed.outcomes) {
                let before = query::receipts(store.as_ref(), height, index).expect("memory").expect("stored");
                prop_assert_eq!(&before, &outcome.receipts);
            }
            commit(&mut ledger, &built.block, built.executed);
        }
        prop_assert_eq!(ledger.tip().next_due_ms, None);
        for (key, _) in store.scan(Family::Cases, &[], &[0xff; 64], usize::MAX).expect("memory") {
            let id = fixture::case(key[0]);
            let row = |store: &MemStore| CaseRow::load(store, &id).expect("memory").expect("open");
            let (one, two) = (row(&store), row(&other));
            for field in (0..FIELDS).filter(|field| *field != HISTORY) {
                prop_assert_eq!(one.field(&id, field), two.field(&id, field));
                prop_assert_eq!(one.blinder(field), two.blinder(field));
            }
        }
        let index = |store: &MemStore| store.scan(Family::Index, &[], &[0xff; 64], usize::MAX).expect("memory");
        prop_assert_eq!(index(&store), index(&other));
    }
}
