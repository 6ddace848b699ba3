//! What is decoded and verified once: it is known by all of its bytes, gone
//! with its commit, and a decided block's signatures are nobody's business.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at the first thing that does not hold"
)]

mod fixture;

use std::sync::Arc;

use fixture::{BAMF, LDS, MINUTE_MS, advance, build, case, commit, item, key, ledger, opens, payload, transaction};
use laufzettel_chain::block::{Block, Body};
use laufzettel_chain::check::{CheckError, Refusal};
use laufzettel_chain::codec::encode;
use laufzettel_chain::ledger::{InvalidBlock, Ledger, ValidateError};
use laufzettel_chain::transaction::{SignedTransaction, TransactionError};

fn refusal(ledger: &Ledger, signed: SignedTransaction) -> Option<Refusal> {
    match ledger.judge(ledger.tip().header.time_ms + 1).check(&Arc::new(signed)) {
        Ok(_) => None,
        Err(CheckError::Refused(refusal)) => Some(refusal),
        Err(CheckError::Store(error)) => panic!("{error}"),
    }
}

#[test]
fn a_transaction_is_known_by_all_of_its_bytes() {
    let (ledger, _) = ledger();
    let signed = transaction(BAMF, 1, vec![item(1, case(1), &opens("toy"))]);
    assert_eq!(refusal(&ledger, signed.as_ref().clone()), None);
    assert_eq!(ledger.verified().count(), 1);
    // Again, as the same object and as a copy that came another way.
    assert!(ledger.verified().get(&signed).is_some());
    assert!(ledger.verified().get(&Arc::new(signed.as_ref().clone())).is_some());
    let mut other_item = signed.as_ref().clone();
    other_item.items = vec![Some(item(2, case(1), &opens("toy")))];
    assert_eq!(refusal(&ledger, other_item), Some(Refusal::Malformed(TransactionError::Digest(0))));
    let mut other_signature = signed.as_ref().clone();
    other_signature.signatures[0].value[5] ^= 1;
    let key_id = other_signature.signatures[0].key_id;
    assert_eq!(refusal(&ledger, other_signature), Some(Refusal::Signature(key_id)));
    let mut other_key = signed.as_ref().clone();
    other_key.signatures[0].key_id = fixture::key_id(&key(LDS, "service"));
    assert!(matches!(refusal(&ledger, other_key), Some(Refusal::KeyUnknown(_))));
    assert_eq!(ledger.verified().count(), 1, "what is refused is not kept");
}

#[test]
fn what_is_committed_is_forgotten() {
    let (mut ledger, _) = ledger();
    let waits = transaction(BAMF, 2, vec![item(2, case(2), &opens("toy"))]);
    assert_eq!(refusal(&ledger, waits.as_ref().clone()), None);
    advance(&mut ledger, &[transaction(BAMF, 1, vec![item(1, case(1), &opens("toy"))])]);
    assert_eq!(ledger.verified().count(), 1);
    assert!(ledger.verified().get(&waits).is_some());
}

#[test]
fn signatures_of_a_decided_block_are_not_verified_again_and_all_else_is() {
    let (mut ledger, _) = ledger();
    let items = vec![item(1, case(1), &opens("toy"))];
    let signed = transaction(BAMF, 1, items.clone());
    let time_ms = ledger.tip().header.time_ms + MINUTE_MS;
    let built = build(&ledger, time_ms, std::slice::from_ref(&signed));
    let mut forged = payload(BAMF, 1, &items).sign(items, &key(BAMF, "service"));
    forged.signatures[0].value[0] ^= 1;
    let body = Body { transactions: vec![Arc::new(forged)] };
    let mut block = Block { header: built.block.header.clone(), body };
    assert_eq!(
        ledger.validate_decided(&block).expect_err("another body"),
        ValidateError::Invalid(InvalidBlock::Header("tx_root"))
    );
    block.header.tx_root = block.body.tx_root();
    assert!(matches!(
        ledger.validate(&block),
        Err(ValidateError::Invalid(InvalidBlock::Transaction { refusal: Refusal::Signature(_), .. }))
    ));
    let executed = ledger.validate_decided(&block).expect("what more than two thirds vouch for");
    block.header.state_root[0] ^= 1;
    assert_eq!(
        ledger.validate_decided(&block).expect_err("another state"),
        ValidateError::Invalid(InvalidBlock::Header("state_root"))
    );
    block.header.state_root[0] ^= 1;
    commit(&mut ledger, &block, executed);
}

#[test]
fn lengths_are_those_of_the_encoding() {
    for items in 0..4 {
        let items: Vec<Vec<u8>> = (0..items).map(|number| item(number, case(1), &opens("toy"))).collect();
        let mut signed = payload(BAMF, 1, &items).sign(items, &key(BAMF, "service"));
        assert_eq!(signed.encoded_len(), encode(&signed).len());
        signed.items.push(None);
        signed.signatures.push(signed.signatures[0].clone());
        assert_eq!(signed.encoded_len(), encode(&signed).len());
        let signed = Arc::new(signed);
        let body = Body { transactions: vec![signed.clone(), signed.clone(), signed] };
        assert_eq!(body.encoded_len(), encode(&body).len());
    }
}
