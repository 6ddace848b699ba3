//! Evidence on the ledger: what proves that a key signed twice is recorded
//! once, part of the root; what does not is refused with a reason.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test stops at the first thing that does not hold")]

mod fixture;

use std::sync::Arc;

use fixture::{BAMF, LDS, POLICE, address, advance, advance_at, case, genesis, item, key, ledger, payload};
use laufzettel_chain::crypto::SigningKey;
use laufzettel_chain::evidence::{Evidence, Kind, Scope};
use laufzettel_chain::ids::{BlockId, NetworkId};
use laufzettel_chain::item::{Action, Item, ItemError};
use laufzettel_chain::ledger::Ledger;
use laufzettel_chain::limits::{EVIDENCE_RECORDS_MAX, EVIDENCE_WORK};
use laufzettel_chain::query;
use laufzettel_chain::receipt::Code;
use laufzettel_chain::state::evidence;
use laufzettel_chain::storage::Family;
use laufzettel_chain::storage::mem::MemStore;
use laufzettel_chain::transaction::SignedTransaction;
use laufzettel_chain::vote::{Proposal, Signed, Vote, VoteType};
use laufzettel_proto::v1 as proto;
use prost::Message as _;

/// A prevote of the police's validator at height 1, round 0.
fn vote(value: Option<u8>) -> Vote {
    Vote {
        network: genesis().network,
        incarnation: 0,
        height: 1,
        round: 0,
        vote_type: VoteType::Prevote,
        value: value.map(|byte| BlockId([byte; 32])),
        address: address(POLICE),
    }
}

fn signed(vote: Vote) -> Signed<Vote> {
    Signed::new(vote, &key(POLICE, "consensus"))
}

fn twice(change: impl Fn(&mut Vote)) -> Evidence {
    let mut second = vote(Some(2));
    change(&mut second);
    Evidence::of_votes(signed(vote(Some(1))), signed(second))
}

fn proposals(second: impl Fn(&mut Proposal)) -> Evidence {
    let proposal = |byte: u8| Proposal {
        network: genesis().network,
        incarnation: 0,
        height: 1,
        round: 3,
        pol_round: None,
        value: BlockId([byte; 32]),
        address: address(POLICE),
    };
    let mut other = proposal(2);
    second(&mut other);
    let signer = key(POLICE, "consensus");
    Evidence::of_proposals(Signed::new(proposal(1), &signer), Signed::new(other, &signer))
}

fn signed_by(number: u64, evidence: &Evidence, signer: &SigningKey) -> Arc<SignedTransaction> {
    let items = vec![item(number, None, &Action::Evidence(evidence.clone()))];
    Arc::new(payload(BAMF, number, &items).sign(items, signer))
}

/// The outcome of evidence that a node brings.
fn outcome(ledger: &mut Ledger, number: u64, evidence: &Evidence) -> Code {
    let time_ms = ledger.tip().header.time_ms + 1;
    let built = advance_at(ledger, time_ms, &[signed_by(number, evidence, &key(BAMF, "node"))]);
    built.executed.outcomes[0].receipts[0].code
}

#[test]
fn what_proves_nothing_is_refused() {
    let (mut ledger, _) = ledger();
    let forged = Signed::new(vote(Some(2)), &key(BAMF, "consensus"));
    let node_signed = |mut vote: Vote| {
        vote.address = laufzettel_chain::ids::Address::of(&key(POLICE, "node").verifying_key());
        Signed::new(vote, &key(POLICE, "node"))
    };
    let table = [
        ("another round", twice(|vote| vote.round = 1)),
        ("another kind", twice(|vote| vote.vote_type = VoteType::Precommit)),
        ("another height", twice(|vote| vote.height = 2)),
        ("another validator", twice(|vote| vote.address = address(LDS))),
        ("another network", twice(|vote| vote.network = NetworkId([9; 32]))),
        ("another incarnation", twice(|vote| vote.incarnation = 1)),
        ("a forged second", Evidence::of_votes(signed(vote(Some(1))), forged.clone())),
        ("both forged", Evidence::of_votes(forged, Signed { message: vote(None), signature: [3; 64] })),
        ("the same value, another signature", {
            let first = signed(vote(Some(1)));
            Evidence::of_votes(first.clone(), Signed { signature: [3; 64], ..first })
        }),
        ("a key of another purpose", Evidence::of_votes(node_signed(vote(None)), node_signed(vote(Some(1))))),
        ("heights to come", {
            let later = |value| signed(Vote { height: 99, ..vote(value) });
            Evidence::of_votes(later(Some(1)), later(None))
        }),
        ("a proposal with another round of proof", {
            proposals(|second| (second.value, second.pol_round) = (BlockId([1; 32]), Some(1)))
        }),
        ("proposals of two rounds", proposals(|second| second.round = 4)),
    ];
    for (number, (name, evidence)) in (1..).zip(table) {
        assert_eq!(outcome(&mut ledger, number, &evidence), Code::EvidenceInvalid, "{name}");
    }
    assert!(evidence::all(ledger.store().as_ref(), ledger.registry()).expect("memory").is_empty());
}

#[test]
fn a_proof_is_recorded_once_a_key_and_height() {
    let (mut ledger, store) = ledger();
    let unchanged = ledger.tip().header.state_root;
    assert_eq!(outcome(&mut ledger, 1, &twice(|_| ())), Code::Accepted);
    assert_ne!(ledger.tip().header.state_root, unchanged);
    assert_eq!(outcome(&mut ledger, 2, &twice(|_| ())), Code::EvidenceRepeated);
    assert_eq!(outcome(&mut ledger, 3, &proposals(|_| ())), Code::EvidenceRepeated, "the same height again");
    let at_two = |value| signed(Vote { height: 2, vote_type: VoteType::Precommit, ..vote(value) });
    let second = Evidence::of_votes(at_two(None), at_two(Some(1)));
    assert_eq!(outcome(&mut ledger, 4, &second), Code::Accepted);
    let found = evidence::all(store.as_ref(), ledger.registry()).expect("memory");
    let [(authority, of, records)] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((authority.as_str(), *of), ("sn-police", address(POLICE)));
    let kept: Vec<_> = records.all().iter().map(|one| (one.height, one.round, one.kind, one.recorded)).collect();
    assert_eq!(kept, [(1, 0, Kind::Prevote, 1), (2, 0, Kind::Precommit, 4)]);
    // It concerns no case and is no event.
    let none = laufzettel_contracts::Position::default();
    assert!(laufzettel_chain::index::events_after(store.as_ref(), &none, 9).expect("memory").is_empty());
}

#[test]
fn a_block_that_holds_the_same_proof_twice_records_it_once() {
    let (mut ledger, store) = ledger();
    let node = key(BAMF, "node");
    let both = [signed_by(1, &twice(|_| ()), &node), signed_by(2, &proposals(|_| ()), &node)];
    let built = advance(&mut ledger, &both);
    let codes: Vec<Code> = built.executed.outcomes.iter().map(|outcome| outcome.receipts[0].code).collect();
    assert_eq!(codes, [Code::Accepted, Code::EvidenceRepeated]);
    let (_, records) = evidence::of_key(store.as_ref(), &address(POLICE)).expect("memory");
    assert_eq!(records.all().len(), 1);
}

#[test]
fn records_are_bounded() {
    let (mut ledger, store) = ledger();
    let at = |height| {
        let of = |value| signed(Vote { height, ..vote(value) });
        Evidence::of_votes(of(None), of(Some(1)))
    };
    for height in 1..=EVIDENCE_RECORDS_MAX as u64 {
        assert_eq!(outcome(&mut ledger, height, &at(height)), Code::Accepted);
    }
    let next = EVIDENCE_RECORDS_MAX as u64 + 1;
    assert_eq!(outcome(&mut ledger, next, &at(next)), Code::EvidenceEnough);
    let (_, records) = evidence::of_key(store.as_ref(), &address(POLICE)).expect("memory");
    assert_eq!(records.all().len(), EVIDENCE_RECORDS_MAX);
}

#[test]
fn nodes_bring_evidence_and_nothing_else() {
    let (mut ledger, _) = ledger();
    let codes = |ledger: &mut Ledger, round: u32, purpose: &str| {
        let number = u64::from(round);
        let items = vec![
            item(number, None, &Action::Evidence(twice(|vote| vote.round = round))),
            item(number, case(1), &fixture::opens("toy")),
        ];
        let signed = Arc::new(payload(BAMF, number, &items).sign(items, &key(BAMF, purpose)));
        let built = advance(ledger, &[signed]);
        built.executed.outcomes[0].receipts.iter().map(|receipt| receipt.code).collect::<Vec<_>>()
    };
    assert_eq!(codes(&mut ledger, 1, "node"), [Code::EvidenceInvalid, Code::KeyPurpose]);
    assert_eq!(codes(&mut ledger, 2, "person"), [Code::KeyPurpose, Code::Accepted]);
    assert_eq!(codes(&mut ledger, 3, "service"), [Code::EvidenceInvalid, Code::CaseExists]);
    for (number, purpose) in [(4, "governance"), (5, "consensus")] {
        assert_eq!(codes(&mut ledger, number, purpose), [Code::KeyPurpose; 2]);
    }
}

#[test]
fn what_is_no_pair_of_messages_does_not_decode() {
    let of = |first: &[u8], second: &[u8], case_id: Vec<u8>| {
        let action = proto::item::Action::Evidence(proto::Evidence { first: first.to_vec(), second: second.to_vec() });
        Item::decode(&proto::Item { blinding: vec![1; 16], case_id, action: Some(action) }.encode_to_vec())
    };
    let (first, second) = twice(|_| ()).bytes();
    let (proposal, _) = proposals(|_| ()).bytes();
    let good = of(&first, &second, Vec::new()).expect("decodes");
    assert_eq!((good.case, good.action), (None, Action::Evidence(twice(|_| ()))));
    for (one, other) in [
        (second.as_slice(), first.as_slice()),
        (&first, &first),
        (&first, &second[..second.len() - 1]),
        (&first, &proposal),
        (&proposal, &second),
        (&[], &second),
    ] {
        assert!(matches!(of(one, other, Vec::new()), Err(ItemError::Field(_))), "{} {}", one.len(), other.len());
    }
    assert!(matches!(of(&first, &second, vec![1; 16]), Err(ItemError::Field(_))), "evidence with a case");
}

#[test]
fn evidence_is_foretold_and_paid_for() {
    use laufzettel_chain::execute::{Execution, Place};
    let (mut ledger, _) = ledger();
    let foretold = |ledger: &Ledger, evidence: &Evidence| {
        let signed = signed_by(9, evidence, &key(BAMF, "node"));
        let transaction = signed.decode().expect("decodes");
        ledger.judge(fixture::GENESIS_MS + 1).foretell(&signed, &transaction).expect("memory")
    };
    assert_eq!(foretold(&ledger, &twice(|_| ())), None);
    assert_eq!(foretold(&ledger, &twice(|vote| vote.round = 1)), Some(Code::EvidenceInvalid));
    let tip = ledger.tip();
    let place = Place {
        height: 1,
        time_ms: tip.header.time_ms + 1,
        round: 0,
        proposer: tip.order[0],
        network: genesis().network,
        incarnation: 0,
    };
    let mut execution = Execution::new(ledger.store().as_ref(), ledger.registry(), place);
    let transaction = signed_by(9, &twice(|_| ()), &key(BAMF, "node")).decode().expect("decodes");
    assert_eq!(execution.cost(&transaction).expect("memory"), 1 + EVIDENCE_WORK);
    drop(execution);
    assert_eq!(outcome(&mut ledger, 1, &twice(|_| ())), Code::Accepted);
    assert_eq!(foretold(&ledger, &twice(|_| ())), Some(Code::EvidenceRepeated));
}

#[test]
fn a_key_that_did_not_count_at_the_height_proves_nothing() {
    let mut registry = genesis().registry.as_ref().clone();
    let scope = Scope { network: genesis().network, incarnation: 0, height: 50 };
    let at = |height| {
        let of = |value| signed(Vote { height, ..vote(value) });
        Evidence::of_votes(of(None), of(Some(1)))
    };
    let id = fixture::key_id(&key(POLICE, "consensus"));
    registry.keys.get_mut(&id).expect("registered").until = Some(20);
    assert_eq!(at(20).judge(&registry, &scope), Ok(()), "a key out of use is kept, and so is what it did");
    assert_eq!(at(21).judge(&registry, &scope), Err(Code::EvidenceInvalid));
}

#[test]
fn a_snapshot_carries_what_is_recorded() {
    let (mut whole, store) = ledger();
    let at = |height| {
        let of = |value| signed(Vote { height, ..vote(value) });
        Evidence::of_votes(of(None), of(Some(1)))
    };
    for height in 1..=3 {
        assert_eq!(outcome(&mut whole, height, &at(height)), Code::Accepted);
    }
    // Pruning leaves the proof itself, and a snapshot made after it brings it.
    whole.prune_bodies_below(3);
    assert_eq!(outcome(&mut whole, 4, &at(1)), Code::EvidenceRepeated);
    assert_eq!(query::bodies_from(store.as_ref()).expect("memory"), 3);
    let (mut other, copy) = fixture::snapshots::joined(store.as_ref());
    let items = |store: &MemStore| fixture::snapshots::family(store, Family::Items);
    assert_eq!((items(&copy).len(), items(&store).len()), (3, 4), "what was refused is not brought");
    assert!(items(&copy).iter().all(|(place, bytes)| items(&store).get(place) == Some(bytes)));
    let all = |store: &MemStore| evidence::all(store, &genesis().registry).expect("memory");
    assert_eq!(all(&copy), all(&store));
    // Both go on: what is recorded is refused by both, what is new changes both in the same way.
    for (number, height) in [(10, 2), (11, 4)] {
        let time_ms = whole.tip().header.time_ms + 1;
        let signed = signed_by(number, &at(height), &key(BAMF, "node"));
        let built = fixture::build(&whole, time_ms, &[signed]);
        let executed = other.validate(&built.block).expect("the same state");
        fixture::commit(&mut whole, &built.block, built.executed);
        fixture::commit(&mut other, &built.block, executed);
    }
    assert_eq!(all(&copy), all(&store));
    assert_eq!(all(&copy)[0].2.all().len(), 4);
}
