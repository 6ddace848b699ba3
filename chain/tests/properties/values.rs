//! What values there are: one strategy each.

use std::sync::Arc;

use laufzettel_chain::block::{Block, Body};
use laufzettel_chain::certificate::Certificate;
use laufzettel_chain::header::Header;
use laufzettel_chain::ids::{Address, BlockId, CaseId, ItemDigest, KeyId, NetworkId, TransactionId};
use laufzettel_chain::item::{Action, Item};
use laufzettel_chain::proof::{CaseProof, FieldProof};
use laufzettel_chain::receipt::{Code as ReceiptCode, Receipt};
use laufzettel_chain::transaction::{Payload, Signature, SignedTransaction};
use laufzettel_chain::validators::{Validator, ValidatorSet};
use laufzettel_chain::vote::{Beat, Proposal, Vote, VoteType};
use laufzettel_contracts::{AuthorityId, Code, Report, Sealed, Value, When};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;

pub(super) fn header() -> impl Strategy<Value = Header> {
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

pub(super) fn signature_bytes() -> impl Strategy<Value = [u8; 64]> {
    any::<[[u8; 32]; 2]>().prop_map(|halves| halves.concat().try_into().expect("64 bytes"))
}

pub(super) fn vote() -> impl Strategy<Value = Vote> {
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

pub(super) fn proposal() -> impl Strategy<Value = Proposal> {
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

pub(super) fn beat() -> impl Strategy<Value = Beat> {
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

pub(super) fn receipt() -> impl Strategy<Value = Receipt> {
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

pub(super) fn certificate() -> impl Strategy<Value = Certificate> {
    let signatures = btree_map(any::<[u8; 16]>().prop_map(Address), signature_bytes(), 0..8);
    (any::<u64>(), any::<u32>(), any::<[u8; 32]>(), signatures).prop_map(|(height, round, block, signatures)| {
        Certificate { height, round, block: BlockId(block), signatures: signatures.into_iter().collect() }
    })
}

pub(super) fn validators() -> impl Strategy<Value = ValidatorSet> {
    (btree_set(1..200u8, 1..8), 1..1_000u64).prop_map(|(seeds, power)| {
        let validator = |seed: u8| {
            let key = laufzettel_chain::crypto::SigningKey::from_bytes(&[seed; 32]).verifying_key();
            Validator { address: Address::of(&key), authority: format!("de-{seed}"), key, power }
        };
        ValidatorSet::new(seeds.into_iter().map(validator).collect()).expect("a set")
    })
}

pub(super) fn signed_transaction() -> impl Strategy<Value = SignedTransaction> {
    let signature = (any::<[u8; 16]>(), signature_bytes());
    let signature = signature.prop_map(|(key_id, value)| Signature { key_id: KeyId(key_id), value });
    let item = option::of(vec(any::<u8>(), 0..40));
    (vec(any::<u8>(), 0..60), vec(signature, 0..4), vec(item, 0..5))
        .prop_map(|(payload, signatures, items)| SignedTransaction { payload, signatures, items })
}

pub(super) fn block() -> impl Strategy<Value = Block> {
    (header(), vec(signed_transaction().prop_map(Arc::new), 0..4))
        .prop_map(|(header, transactions)| Block { header, body: Body { transactions } })
}

pub(super) fn case_proof() -> impl Strategy<Value = CaseProof> {
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

pub(super) fn process_code() -> impl Strategy<Value = Code> {
    "[a-z][a-z0-9_]{0,47}".prop_map(|text| Code::new(&text).expect("a code"))
}

pub(super) fn authority() -> impl Strategy<Value = AuthorityId> {
    "[a-z][a-z0-9-]{1,31}".prop_map(|text| AuthorityId::new(&text).expect("an id"))
}

pub(super) fn when() -> impl Strategy<Value = When> {
    prop_oneof![any::<i32>().prop_map(When::Day), any::<u64>().prop_map(When::Instant)]
}

pub(super) fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i32>().prop_map(Value::Date),
        process_code().prop_map(Value::Code),
        authority().prop_map(Value::Authority),
        any::<i64>().prop_map(Value::Integer),
        any::<bool>().prop_map(Value::Bool),
        any::<[u8; 32]>().prop_map(Value::Commitment),
    ]
}

pub(super) fn report() -> impl Strategy<Value = Report> {
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

pub(super) fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        (authority(), 1..u32::MAX)
            .prop_map(|(definition, version)| Action::OpenCase { definition: definition.to_string(), version }),
        report().prop_map(Action::Report),
        (any::<[u8; 32]>(), report()).prop_map(|(slot, report)| Action::Correct { slot, report }),
        (any::<[u8; 32]>(), process_code()).prop_map(|(slot, reason)| Action::Retract { slot, reason }),
    ]
}

pub(super) fn item_bytes() -> impl Strategy<Value = Vec<u8>> {
    (any::<[u8; 16]>(), any::<[u8; 16]>(), action())
        .prop_map(|(blinding, case, action)| Item::encode(blinding, CaseId(case), &action))
}

pub(super) fn payload() -> impl Strategy<Value = Payload> {
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
