//! Properties of encodings, ids, certificates and proofs: what is written is
//! read again, what is not canonical is refused, and nothing panics.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at the first thing that does not hold"
)]

#[path = "../fixture/mod.rs"]
mod fixture;

mod proofs;
mod values;

use laufzettel_chain::block::Block;
use laufzettel_chain::certificate::Certificate;
use laufzettel_chain::codec::{Canonical, decode, encode};
use laufzettel_chain::header::Header;
use laufzettel_chain::ids::{CaseId, ItemDigest};
use laufzettel_chain::item::Item;
use laufzettel_chain::ledger::PROTOCOL_VERSION_MAX;
use laufzettel_chain::proof::CaseProof;
use laufzettel_chain::receipt::Receipt;
use laufzettel_chain::state::governance::Register;
use laufzettel_chain::state::order::ProposerOrder;
use laufzettel_chain::transaction::{Payload, SignedTransaction};
use laufzettel_chain::validators::ValidatorSet;
use laufzettel_chain::vote::{Beat, Proposal, Signed, Vote};
use proptest::collection::vec;
use proptest::prelude::*;
use values::*;

/// How bytes are damaged.
#[derive(Debug, Clone)]
enum Damage {
    Flip(usize, u8),
    Cut(usize),
    Insert(usize, u8),
    Remove(usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        4 => (any::<usize>(), 0..8u8).prop_map(|(at, bit)| Damage::Flip(at, bit)),
        1 => any::<usize>().prop_map(Damage::Cut),
        1 => (any::<usize>(), any::<u8>()).prop_map(|(at, byte)| Damage::Insert(at, byte)),
        1 => any::<usize>().prop_map(Damage::Remove),
    ]
}

fn damaged(mut bytes: Vec<u8>, damage: &[Damage]) -> Vec<u8> {
    for one in damage {
        if bytes.is_empty() {
            break;
        }
        let length = bytes.len();
        match one {
            Damage::Flip(at, bit) => bytes[at % length] ^= 1 << bit,
            Damage::Cut(at) => bytes.truncate(at % length),
            Damage::Insert(at, byte) => bytes.insert(at % length, *byte),
            Damage::Remove(at) => drop(bytes.remove(at % length)),
        }
    }
    bytes
}

/// Whatever decodes encodes to the very bytes it was made of.
fn total<T: Canonical>(bytes: &[u8]) {
    if let Ok(value) = decode::<T>(bytes) {
        assert_eq!(encode(&value), bytes);
    }
}

fn all_total(bytes: &[u8]) {
    total::<Header>(bytes);
    total::<Vote>(bytes);
    total::<Signed<Vote>>(bytes);
    total::<Proposal>(bytes);
    total::<Signed<Beat>>(bytes);
    total::<Receipt>(bytes);
    total::<Certificate>(bytes);
    total::<ValidatorSet>(bytes);
    total::<ProposerOrder>(bytes);
    total::<SignedTransaction>(bytes);
    total::<Block>(bytes);
    total::<CaseProof>(bytes);
    total::<Register>(bytes);
    if let Ok(payload) = Payload::decode(bytes) {
        assert_eq!(payload.encode(), bytes);
    }
    for protocol in 1..=PROTOCOL_VERSION_MAX {
        if let Ok(item) = Item::decode_in(bytes, protocol) {
            assert_eq!(Item::encode_over(item.blinding, item.case, &item.action, item.over.as_ref()), bytes);
        }
    }
    if let Ok(transaction) = decode::<SignedTransaction>(bytes) {
        let _ = transaction.decode();
    }
    let _ = laufzettel_chain::genesis::Genesis::parse(bytes);
}

fn round_trip<T: Canonical + PartialEq + std::fmt::Debug>(value: &T) {
    assert_eq!(&decode::<T>(&encode(value)).expect("decodes"), value);
}

proptest! {
    #[test]
    fn canonical_values_are_read_as_written(
        header in header(), vote in vote(), proposal in proposal(), beat in beat(), signature in signature_bytes(),
        receipt in receipt(), certificate in certificate(), validators in validators(), block in block(),
        proof in case_proof(),
    ) {
        round_trip(&header);
        round_trip(&vote);
        round_trip(&proposal);
        round_trip(&beat);
        round_trip(&Signed { message: vote, signature });
        round_trip(&Signed { message: proposal, signature });
        round_trip(&Signed { message: beat, signature });
        round_trip(&receipt);
        round_trip(&certificate);
        round_trip(&validators);
        round_trip(&block);
        round_trip(&proof);
        for validator in validators.all() {
            round_trip(validator);
        }
        for transaction in &block.body.transactions {
            round_trip(transaction.as_ref());
        }
    }

    #[test]
    fn items_and_payloads_are_read_as_written(
        blinding in any::<[u8; 16]>(), case in any::<[u8; 16]>(), action in action(), payload in payload(),
    ) {
        let bytes = Item::encode(blinding, CaseId(case), &action);
        prop_assert_eq!(Item::decode_in(&bytes, 2), Item::decode(&bytes));
        let item = Item::decode(&bytes).expect("decodes");
        prop_assert_eq!(item.digest, ItemDigest::of(&bytes));
        prop_assert_eq!((item.blinding, item.case, item.action), (blinding, Some(CaseId(case)), action));
        prop_assert_eq!(Payload::decode(&payload.encode()).expect("decodes"), payload);
    }

    #[test]
    fn any_bytes_are_refused_or_canonical(bytes in vec(any::<u8>(), 0..400)) {
        all_total(&bytes);
    }

    #[test]
    fn damaged_bytes_are_refused_or_canonical(
        header in header(), vote in vote(), certificate in certificate(), validators in validators(), block in block(),
        proof in case_proof(), item in item_bytes(), payload in payload(), receipt in receipt(),
        damage in vec(damage(), 1..4),
    ) {
        let all = [
            encode(&header), encode(&vote), encode(&certificate), encode(&validators), encode(&block), encode(&proof),
            encode(&receipt), item, payload.encode(),
        ];
        for bytes in all {
            all_total(&damaged(bytes, &damage));
        }
    }

    #[test]
    fn case_ids_are_read_as_printed(raw in any::<[u8; 16]>()) {
        let printed = CaseId(raw).to_string();
        prop_assert_eq!(printed.len(), 33);
        prop_assert!(printed.split('-').map(str::len).eq([4, 4, 4, 4, 4, 4, 3]));
        prop_assert_eq!(CaseId::parse(&printed), Some(CaseId(raw)));
        prop_assert_eq!(CaseId::parse(&printed.to_lowercase().replace('-', "")), Some(CaseId(raw)));
        prop_assert_eq!(CaseId::parse(&printed.replace('0', "o").replace('1', "l")), Some(CaseId(raw)));
    }

    #[test]
    fn a_mistyped_case_id_is_noticed(raw in any::<[u8; 16]>(), at in 0..27usize, symbol in 0..37usize) {
        let digits: Vec<u8> = CaseId(raw).to_string().bytes().filter(|byte| *byte != b'-').collect();
        let text = |digits: &[u8]| String::from_utf8(digits.to_vec()).expect("text");
        let mut typo = digits.clone();
        typo[at] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ*~$=U"[symbol];
        if typo != digits {
            prop_assert_eq!(CaseId::parse(&text(&typo)), None);
        }
        let mut swapped = digits.clone();
        if at > 0 && digits[at - 1] != digits[at] {
            swapped.swap(at - 1, at);
            prop_assert_eq!(CaseId::parse(&text(&swapped)), None);
        }
        prop_assert_eq!(CaseId::parse(&text(&digits[..at])), None);
    }

    #[test]
    fn any_text_is_a_case_id_or_not(text in ".{0,60}") {
        if let Some(case) = CaseId::parse(&text) {
            prop_assert_eq!(CaseId::parse(&case.to_string()), Some(case));
        }
    }
}
