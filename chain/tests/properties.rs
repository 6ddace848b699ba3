//! Properties of encodings, ids, certificates and proofs: what is written is
//! read again, what is not canonical is refused, and nothing panics.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at the first thing that does not hold"
)]

mod fixture;

use std::sync::Arc;

use fixture::{BAMF, LDS, advance, case, certificate_by, code, genesis, item, ledger, on_day, opens, transaction};
use laufzettel_chain::block::{Block, Body};
use laufzettel_chain::certificate::{Certificate, CertificateError};
use laufzettel_chain::codec::{Canonical, decode, encode};
use laufzettel_chain::header::Header;
use laufzettel_chain::ids::{Address, BlockId, CaseId, ItemDigest, KeyId, NetworkId, TransactionId};
use laufzettel_chain::item::{Action, Item};
use laufzettel_chain::ledger::PROTOCOL_VERSION_MAX;
use laufzettel_chain::light::LightClient;
use laufzettel_chain::proof::{CaseProof, FieldProof, prove};
use laufzettel_chain::receipt::{Code as ReceiptCode, Receipt};
use laufzettel_chain::state::governance::Register;
use laufzettel_chain::state::order::ProposerOrder;
use laufzettel_chain::transaction::{Payload, Signature, SignedTransaction};
use laufzettel_chain::validators::{Validator, ValidatorSet};
use laufzettel_chain::vote::{Beat, Proposal, Signed, Vote, VoteType};
use laufzettel_contracts::{AuthorityId, Code, Report, Sealed, Value, When};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;

// ---- what values there are ----

fn header() -> impl Strategy<Value = Header> {
    let first = (any::<u16>(), any::<[u8; 32]>(), any::<u32>(), any::<u64>(), any::<u32>(), any::<u64>());
    let second = (any::<[u8; 32]>(), any::<[u8; 16]>(), any::<[[u8; 32]; 5]>());
    (first, second).prop_map(
        |((version, network, incarnation, height, round, time_ms), (previous, proposer, roots))| Header {
            version,
            network: NetworkId(network),
            incarnation,
            height,
            round,
            time_ms,
            previous: BlockId(previous),
            proposer: Address(proposer),
            tx_root: roots[0],
            receipts_root: roots[1],
            state_root: roots[2],
            validators_hash: roots[3],
            next_validators_hash: roots[4],
        },
    )
}

fn signature_bytes() -> impl Strategy<Value = [u8; 64]> {
    any::<[[u8; 32]; 2]>().prop_map(|halves| halves.concat().try_into().expect("64 bytes"))
}

fn vote() -> impl Strategy<Value = Vote> {
    let value = option::of(any::<[u8; 32]>().prop_map(BlockId));
    (any::<[u8; 32]>(), any::<u32>(), any::<u64>(), any::<u32>(), any::<bool>(), value, any::<[u8; 16]>()).prop_map(
        |(network, incarnation, height, round, precommit, value, address)| Vote {
            network: NetworkId(network),
            incarnation,
            height,
            round,
            vote_type: if precommit { VoteType::Precommit } else { VoteType::Prevote },
            value,
            address: Address(address),
        },
    )
}

fn proposal() -> impl Strategy<Value = Proposal> {
    let pol = option::of(any::<u32>());
    (any::<[u8; 32]>(), any::<u32>(), any::<u64>(), any::<u32>(), pol, any::<[u8; 32]>(), any::<[u8; 16]>()).prop_map(
        |(network, incarnation, height, round, pol_round, value, address)| Proposal {
            network: NetworkId(network),
            incarnation,
            height,
            round,
            pol_round,
            value: BlockId(value),
            address: Address(address),
        },
    )
}

fn beat() -> impl Strategy<Value = Beat> {
    (any::<[u8; 32]>(), any::<u32>(), authority(), any::<[u64; 4]>(), any::<[u8; 32]>()).prop_map(
        |(network, incarnation, authority, numbers, block)| Beat {
            network: NetworkId(network),
            incarnation,
            authority: authority.to_string(),
            sequence: numbers[0],
            time_ms: numbers[1],
            height: numbers[2],
            block: BlockId(block),
            oldest_pending_lock_ms: numbers[3],
        },
    )
}

fn receipt() -> impl Strategy<Value = Receipt> {
    let code = proptest::sample::select(ReceiptCode::ALL);
    (any::<[u8; 32]>(), code, any::<u16>(), any::<u64>(), option::of(any::<[u8; 16]>()), any::<u8>()).prop_map(
        |(item, code, flags, revision, cause, answer)| Receipt {
            item: ItemDigest(item),
            code,
            flags,
            revision,
            cause,
            answer,
        },
    )
}

fn certificate() -> impl Strategy<Value = Certificate> {
    let signatures = btree_map(any::<[u8; 16]>().prop_map(Address), signature_bytes(), 0..8);
    (any::<u64>(), any::<u32>(), any::<[u8; 32]>(), signatures).prop_map(|(height, round, block, signatures)| {
        Certificate { height, round, block: BlockId(block), signatures: signatures.into_iter().collect() }
    })
}

fn validators() -> impl Strategy<Value = ValidatorSet> {
    (btree_set(1..200u8, 1..8), 1..1_000u64).prop_map(|(seeds, power)| {
        let validator = |seed: u8| {
            let key = laufzettel_chain::crypto::SigningKey::from_bytes(&[seed; 32]).verifying_key();
            Validator { address: Address::of(&key), authority: format!("de-{seed}"), key, power }
        };
        ValidatorSet::new(seeds.into_iter().map(validator).collect()).expect("a set")
    })
}

fn signed_transaction() -> impl Strategy<Value = SignedTransaction> {
    let signature = (any::<[u8; 16]>(), signature_bytes());
    let signature = signature.prop_map(|(key_id, value)| Signature { key_id: KeyId(key_id), value });
    let item = option::of(vec(any::<u8>(), 0..40));
    (vec(any::<u8>(), 0..60), vec(signature, 0..4), vec(item, 0..5))
        .prop_map(|(payload, signatures, items)| SignedTransaction { payload, signatures, items })
}

fn block() -> impl Strategy<Value = Block> {
    (header(), vec(signed_transaction().prop_map(Arc::new), 0..4))
        .prop_map(|(header, transactions)| Block { header, body: Body { transactions } })
}

fn case_proof() -> impl Strategy<Value = CaseProof> {
    let field = (0..32u8, any::<[u8; 32]>(), vec(any::<u8>(), 0..40), vec(any::<[u8; 32]>(), 0..6))
        .prop_map(|(index, blinder, bytes, siblings)| FieldProof { index, blinder, bytes, siblings });
    let root = option::of(any::<[u8; 32]>());
    (header(), certificate(), any::<[u8; 16]>(), root, vec(any::<u8>(), 0..60), vec(field, 0..4)).prop_map(
        |(header, certificate, case, root, tree, fields)| CaseProof {
            header,
            certificate,
            case: CaseId(case),
            root,
            tree,
            fields,
        },
    )
}

fn process_code() -> impl Strategy<Value = Code> {
    "[a-z][a-z0-9_]{0,47}".prop_map(|text| Code::new(&text).expect("a code"))
}

fn authority() -> impl Strategy<Value = AuthorityId> {
    "[a-z][a-z0-9-]{1,31}".prop_map(|text| AuthorityId::new(&text).expect("an id"))
}

fn when() -> impl Strategy<Value = When> {
    prop_oneof![any::<i32>().prop_map(When::Day), any::<u64>().prop_map(When::Instant)]
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i32>().prop_map(Value::Date),
        process_code().prop_map(Value::Code),
        authority().prop_map(Value::Authority),
        any::<i64>().prop_map(Value::Integer),
        any::<bool>().prop_map(Value::Bool),
        any::<[u8; 32]>().prop_map(Value::Commitment),
    ]
}

fn report() -> impl Strategy<Value = Report> {
    let sealed = (any::<[u8; 32]>(), btree_set(authority(), 1..4))
        .prop_map(|(digest, recipients)| Sealed { digest, recipients: recipients.into_iter().collect() });
    let first = (process_code(), when(), option::of(any::<i32>()), any::<u32>(), option::of(process_code()));
    let second = (btree_map(process_code(), value(), 0..5), btree_set(any::<[u8; 32]>(), 0..4), option::of(sealed));
    (first, second).prop_map(|((status, occurred, effective, proceeding, outcome), (attributes, documents, sealed))| {
        Report {
            status,
            occurred,
            effective,
            proceeding,
            outcome,
            attributes,
            documents: documents.into_iter().collect(),
            sealed,
        }
    })
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        (authority(), 1..u32::MAX)
            .prop_map(|(definition, version)| Action::OpenCase { definition: definition.to_string(), version }),
        report().prop_map(Action::Report),
        (any::<[u8; 32]>(), report()).prop_map(|(slot, report)| Action::Correct { slot, report }),
        (any::<[u8; 32]>(), process_code()).prop_map(|(slot, reason)| Action::Retract { slot, reason }),
    ]
}

fn item_bytes() -> impl Strategy<Value = Vec<u8>> {
    (any::<[u8; 16]>(), any::<[u8; 16]>(), action())
        .prop_map(|(blinding, case, action)| Item::encode(blinding, CaseId(case), &action))
}

fn payload() -> impl Strategy<Value = Payload> {
    let digests = vec(any::<[u8; 32]>().prop_map(ItemDigest), 1..6);
    (any::<[u8; 32]>(), any::<u32>(), any::<[u8; 16]>(), authority(), any::<u64>(), "[a-z0-9._-]{0,32}", digests)
        .prop_map(|(network, incarnation, id, authority, valid_until_ms, source_system, item_digests)| Payload {
            network: NetworkId(network),
            incarnation,
            id: TransactionId(id),
            authority: authority.to_string(),
            valid_until_ms,
            source_system,
            item_digests,
        })
}

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

// ---- certificates ----

fn decided() -> (Header, ValidatorSet) {
    let (mut ledger, _) = ledger();
    let built = advance(&mut ledger, &[transaction(BAMF, 1, vec![item(1, case(1), &opens("toy"))])]);
    (built.block.header.clone(), genesis().registry.validators.clone())
}

#[test]
fn certificates_need_more_than_two_thirds_of_known_signers() {
    let (header, validators) = decided();
    for signers in [&[0, 1, 2][..], &[1, 2, 3], &[0, 1, 2, 3]] {
        assert_eq!(certificate_by(&header, signers).verify(&header, &validators), Ok(()));
    }
    for signers in [&[][..], &[2], &[0, 3]] {
        let verdict = certificate_by(&header, signers).verify(&header, &validators);
        assert_eq!(verdict, Err(CertificateError::TooFew { signed: signers.len() as u128, total: 4 }));
    }
    let good = certificate_by(&header, &[0, 1, 2]);
    let mut twice = good.clone();
    twice.signatures = vec![good.signatures[0], good.signatures[0], good.signatures[1], good.signatures[2]];
    assert_eq!(twice.verify(&header, &validators), Err(CertificateError::Order(good.signatures[0].0)));
    let mut unordered = good.clone();
    unordered.signatures.swap(0, 1);
    assert_eq!(unordered.verify(&header, &validators), Err(CertificateError::Order(good.signatures[0].0)));
    let three: Vec<Validator> =
        validators.all().iter().filter(|known| known.address != good.signatures[0].0).cloned().collect();
    let three = ValidatorSet::new(three).expect("a set");
    assert_eq!(good.verify(&header, &three), Err(CertificateError::OtherValidators(1)));
    let mut other = header.clone();
    other.validators_hash = three.hash();
    let stranger = Address([9; 16]);
    let mut strange = certificate_by(&other, &[0, 1, 2, 3]);
    strange.signatures = vec![(stranger, [0; 64])];
    assert_eq!(strange.verify(&other, &three), Err(CertificateError::UnknownSigner(stranger)));
    let mut prevotes = good.clone();
    prevotes.round = 1;
    assert!(matches!(prevotes.verify(&header, &validators), Err(CertificateError::Signature(_))));
}

#[test]
fn certificates_with_any_bit_flipped_prove_nothing() {
    let (header, validators) = decided();
    let bytes = encode(&certificate_by(&header, &[0, 1, 2]));
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let proves = decode::<Certificate>(&flipped).is_ok_and(|found| found.verify(&header, &validators).is_ok());
        assert!(!proves, "bit {bit}");
    }
}

// ---- proofs ----

fn proved(of: u8, wanted: &[usize]) -> CaseProof {
    let (mut ledger, store) = ledger();
    let mut step = on_day("step", 0);
    step.outcome = Some(code("yes"));
    let first = [
        item(1, case(1), &opens("toy")),
        item(2, case(1), &Action::Report(on_day("begun", -1))),
        item(3, case(2), &opens("toy")),
    ];
    advance(&mut ledger, &[transaction(BAMF, 1, first.to_vec())]);
    let second = vec![item(4, case(1), &Action::Report(step))];
    let built = advance(&mut ledger, &[transaction(LDS, 1, second)]);
    let header = built.block.header.clone();
    let certificate = fixture::certificate(&header);
    prove(store.as_ref(), header, certificate, &case(of), wanted).expect("memory")
}

fn light() -> LightClient {
    LightClient::new(&genesis())
}

#[test]
fn proofs_open_present_and_absent_fields() {
    let proof = proved(1, &[0, 10, 16, 17, 31]);
    proof.verify(&light()).expect("proves");
    let bytes: Vec<&[u8]> = proof.fields.iter().map(|field| field.bytes.as_slice()).collect();
    assert!(bytes[2].windows(4).any(|window| window == b"step"));
    assert!(bytes[3].is_empty() && bytes[4].is_empty(), "nothing was reported on these tracks");
    assert!(!encode(&proof).windows(5).any(|window| window == b"begun"), "an event that no field shows stays unseen");
    round_trip(&proof);
}

#[test]
fn proofs_of_absence_hold_for_absent_cases_only() {
    let absent = proved(9, &[16]);
    assert_eq!((absent.root, absent.fields.len()), (None, 0));
    absent.verify(&light()).expect("proves");
    let present = proved(1, &[]);
    present.verify(&light()).expect("proves");
    assert!(CaseProof { root: None, ..present.clone() }.verify(&light()).is_err());
    assert!(CaseProof { case: case(2), ..present.clone() }.verify(&light()).is_err());
    assert!(CaseProof { case: case(1), tree: present.tree, ..absent.clone() }.verify(&light()).is_err());
    assert!(CaseProof { case: case(1), ..absent }.verify(&light()).is_err());
}

#[test]
fn proofs_do_not_open_a_field_with_other_content() {
    let proof = proved(1, &[0, 16, 17]);
    let mut empty = proof.clone();
    empty.fields[1].bytes.clear();
    assert!(empty.verify(&light()).is_err(), "a present field cannot be shown as absent");
    let mut moved = proof.clone();
    moved.fields[2].index = 18;
    assert!(moved.verify(&light()).is_err());
    let mut short = proof;
    short.fields[0].siblings.pop();
    assert!(short.verify(&light()).is_err());
}

#[test]
fn proofs_with_any_bit_flipped_prove_nothing() {
    for proof in [proved(1, &[0, 16, 31]), proved(9, &[])] {
        let bytes = encode(&proof);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let Ok(found) = decode::<CaseProof>(&flipped) else { continue };
            // One empty place in the tree shows that many cases do not exist: of another absent case it is as true.
            let other_absent = found.case != proof.case && found.root.is_none();
            assert!(found.verify(&light()).is_err() || other_absent, "bit {bit} of {} bytes", bytes.len());
        }
    }
}

#[test]
fn a_light_client_of_another_network_trusts_nothing() {
    let text = fixture::rooted_text(&[fixture::TOY]);
    let other = laufzettel_chain::genesis::Genesis::parse(text.as_bytes()).expect("sound");
    assert!(proved(1, &[0]).verify(&LightClient::new(&other)).is_err());
}
