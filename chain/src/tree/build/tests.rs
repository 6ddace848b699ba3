//! The nodes built from values are those that jmt writes of the same values.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test stops at the first thing that does not hold")]

use std::sync::Arc;

use proptest::collection::btree_map;
use proptest::prelude::*;

use super::build;
use crate::ids::CaseId;
use crate::storage::mem::MemStore;
use crate::storage::{Durability, Family, Read as _, Store as _};
use crate::tree::{Change, StateKey, put, put_value};

const VERSION: u64 = 0x0102_0304_0506;

fn compare(values: &[(StateKey, Vec<u8>)]) {
    let (by_jmt, built) = (MemStore::default(), Arc::new(MemStore::default()));
    let change =
        |(key, value): &(StateKey, Vec<u8>)| Change { key: key.clone(), value: Some(value.clone()), previous: None };
    let (root, batch) = put(&by_jmt, VERSION, values.iter().map(change).collect()).expect("memory");
    by_jmt.write(&batch, Durability::Synced).expect("memory");
    let mut batch = crate::storage::Batch::default();
    for (key, value) in values {
        put_value(&mut batch, key, VERSION, value.clone()).expect("written");
    }
    built.write(&batch, Durability::Synced).expect("memory");
    let mut told = 0;
    assert_eq!(build(built.as_ref(), VERSION, &mut |done| told = done).expect("memory"), root);
    assert_eq!(told, values.len() as u64);
    let rows = |store: &MemStore| store.scan(Family::Tree, &[], &[0xff], usize::MAX).expect("memory");
    assert_eq!(rows(&built), rows(&by_jmt));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nodes_are_those_of_jmt(values in btree_map(any::<[u8; 16]>(), any::<[u8; 5]>(), 1..400)) {
        let values: Vec<_> = values.into_iter().map(|(id, value)| (StateKey::Case(CaseId(id)), value.to_vec())).collect();
        compare(&values);
    }
}

#[test]
fn one_value_is_the_root_and_no_value_is_none() {
    compare(&[(StateKey::Epoch, vec![1])]);
    build(&MemStore::default(), 1, &mut |_| {}).expect_err("there is nothing to build on");
}

#[test]
fn a_page_ends_where_it_ends() {
    let number = |number: u64| {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&number.to_be_bytes());
        (StateKey::Case(CaseId(id)), number.to_be_bytes().to_vec())
    };
    compare(&(0..super::PAGE as u64).map(number).collect::<Vec<_>>());
    compare(&(0..super::PAGE as u64 + 1).map(number).collect::<Vec<_>>());
}
