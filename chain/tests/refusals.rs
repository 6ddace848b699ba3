//! Every way to be refused is reached by a real transaction or block, and
//! those that protocol version 1 cannot reach are named.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at the first thing that does not hold"
)]
#![allow(clippy::too_many_lines, reason = "a table is one test")]

mod fixture;

use std::collections::BTreeSet;
use std::sync::Arc;

use fixture::{
    BAMF, DAY_MS, GENESIS_MS, HOUR_MS, LDS, MINUTE_MS, POLICE, REGISTER, TODAY, advance, at_ms, build, case, code,
    genesis, item, key, ledger, on_day, opens, payload, slot_of, transaction, valid_until,
};
use laufzettel_chain::block::Block;
use laufzettel_chain::check::CheckError;
use laufzettel_chain::ids::{ItemDigest, KeyId, NetworkId};
use laufzettel_chain::item::Action;
use laufzettel_chain::ledger::{InvalidBlock, Ledger, ValidateError};
use laufzettel_chain::limits;
use laufzettel_chain::receipt::Code;
use laufzettel_chain::transaction::{Payload, SignedTransaction};
use laufzettel_contracts::{AuthorityId, Report, Value, When};
use laufzettel_proto::v1 as proto;
use prost::Message as _;

/// A ledger with case 1 open: begun by one authority, and a report of it retracted.
struct Scene {
    ledger: Ledger,
    number: u64,
    seen: BTreeSet<Code>,
}

impl Scene {
    fn next(&mut self) -> u64 {
        self.number += 1;
        self.number
    }
    /// Commits one item in a transaction of its own; its outcome.
    fn outcome(&mut self, authority: usize, bytes: Vec<u8>) -> Code {
        let number = self.next();
        self.outcome_of(transaction(authority, number, vec![bytes]))
    }
    fn outcome_of(&mut self, signed: Arc<SignedTransaction>) -> Code {
        let time_ms = self.ledger.tip().header.time_ms + 1;
        let built = fixture::advance_at(&mut self.ledger, time_ms, &[signed]);
        let code = built.executed.outcomes[0].receipts[0].code;
        self.seen.insert(code);
        code
    }
    fn act(&mut self, authority: usize, action: &Action) -> Code {
        let number = self.next();
        self.outcome(authority, item(number, case(1), action))
    }
    fn report(&mut self, authority: usize, report: Report) -> Code {
        self.act(authority, &Action::Report(report))
    }
}

fn scene() -> Scene {
    Scene { ledger: ledger().0, number: 0, seen: BTreeSet::new() }
}

fn step(change: impl Fn(&mut Report)) -> Report {
    let mut report = on_day("step", 0);
    change(&mut report);
    report
}

#[test]
fn every_receipt_code_is_reached() {
    let mut scene = scene();
    assert_eq!(scene.report(BAMF, on_day("begun", 0)), Code::CaseUnknown);
    assert_eq!(scene.act(REGISTER, &opens("toy")), Code::RoleNotEntitled);
    assert_eq!(scene.act(BAMF, &opens("toy-2")), Code::DefinitionUnknown);
    assert_eq!(
        scene.act(BAMF, &Action::OpenCase { definition: "toy".to_owned(), version: 2 }),
        Code::DefinitionUnknown
    );
    assert_eq!(scene.act(BAMF, &opens("toy")), Code::Accepted);
    assert_eq!(scene.act(LDS, &opens("toy")), Code::CaseExists);

    let items = vec![item(9_000, case(1), &Action::Report(on_day("begun", 0)))];
    for purpose in ["consensus", "governance", "node"] {
        let number = scene.next();
        let signed = payload(BAMF, number, &items).sign(items.clone(), &key(BAMF, purpose));
        assert_eq!(scene.outcome_of(Arc::new(signed)), Code::KeyPurpose, "{purpose}");
    }
    let begun = item(9_001, case(1), &Action::Report(on_day("begun", 0)));
    assert_eq!(scene.outcome(BAMF, begun.clone()), Code::Accepted);
    assert_eq!(scene.outcome(BAMF, begun.clone()), Code::ItemRepeated);
    // The same bytes in another's name are another's report, before or after: nobody takes a slot from its author.
    assert_eq!(scene.outcome(LDS, begun.clone()), Code::Accepted);
    let copied = item(9_002, case(1), &Action::Report(on_day("begun", 0)));
    assert_eq!(scene.outcome(LDS, copied.clone()), Code::Accepted);
    assert_eq!(scene.outcome(BAMF, copied), Code::Accepted);
    let slot = slot_of(BAMF, &begun);

    assert_eq!(scene.report(BAMF, on_day("nonsense", 0)), Code::StatusUnknown);
    assert_eq!(scene.report(POLICE, on_day("quiet_check", 0)), Code::StatusRestricted);
    assert_eq!(scene.report(POLICE, on_day("begun", 0)), Code::RoleNotEntitled);
    assert_eq!(scene.report(BAMF, at_ms("begun", 0)), Code::PrecisionWrong);
    assert_eq!(scene.report(BAMF, on_day("moment", 0)), Code::PrecisionWrong);
    assert_eq!(scene.report(BAMF, on_day("step", 2)), Code::OccurredInFuture);
    assert_eq!(scene.report(BAMF, at_ms("moment", DAY_MS + HOUR_MS)), Code::OccurredInFuture);
    assert_eq!(scene.report(BAMF, step(|report| report.effective = Some(TODAY + 3_660))), Code::EffectiveTooFar);
    assert_eq!(scene.report(BAMF, step(|report| report.outcome = Some(code("maybe")))), Code::OutcomeUnknown);
    let attribute = |name: &str, value: Value| step(|report| drop(report.attributes.insert(code(name), value.clone())));
    let stranger = || Value::Authority(AuthorityId::new("at-bfa").expect("an id"));
    assert_eq!(scene.report(BAMF, attribute("weight", Value::Integer(3))), Code::AttributeUnknown);
    for (name, value) in [
        ("pages", Value::Integer(10)),
        ("pages", Value::Bool(true)),
        ("colour", Value::Code(code("green"))),
        ("on", Value::Code(code("red"))),
        ("digest", stranger()),
    ] {
        assert_eq!(scene.report(BAMF, attribute(name, value)), Code::AttributeInvalid, "{name}");
    }
    assert_eq!(scene.report(BAMF, attribute("whose", stranger())), Code::Accepted, "the ledger need not know it");
    assert_eq!(scene.report(BAMF, step(|report| report.proceeding = 2)), Code::ProceedingUnknown);

    let correct = |slot| Action::Correct { slot, report: on_day("begun", -1) };
    let retract = |slot| Action::Retract { slot, reason: code("mistake") };
    for action in [correct([9; 32]), retract([9; 32])] {
        assert_eq!(scene.act(BAMF, &action), Code::SlotUnknown);
    }
    for action in [correct(slot), retract(slot)] {
        assert_eq!(scene.act(LDS, &action), Code::NotAuthor);
    }
    assert_eq!(scene.act(BAMF, &correct(slot)), Code::Accepted);
    assert_eq!(scene.act(BAMF, &retract(slot)), Code::Accepted);
    for action in [correct(slot), retract(slot)] {
        assert_eq!(scene.act(BAMF, &action), Code::SlotClosed);
        assert_eq!(scene.act(LDS, &action), Code::NotAuthor, "a stranger does not learn that it is closed");
    }
    assert_eq!(scene.outcome(BAMF, begun), Code::ItemRepeated, "a retracted report does not come back");

    while scene.report(BAMF, on_day("again", 0)) == Code::Accepted {}
    assert!(scene.seen.contains(&Code::TooManyProceedings));
    fill_case(&mut scene.ledger);
    let moment = item(8_000, case(2), &Action::Report(at_ms("moment", 1)));
    assert_eq!(scene.outcome(BAMF, moment), Code::TooManyEvents);
    let retract = Action::Retract { slot: [9; 32], reason: code("mistake") };
    assert_eq!(scene.outcome(BAMF, item(8_001, case(2), &retract)), Code::TooManyEvents, "all events count");

    // An erasure comes with a later version; longer lists are refused before they are items; evidence is in evidence.rs.
    let later = [
        Code::CaseErased,
        Code::EvidenceInvalid,
        Code::EvidenceRepeated,
        Code::EvidenceEnough,
        Code::TooManyDocuments,
        Code::TooManyRecipients,
    ];
    let missing: Vec<Code> =
        Code::ALL.iter().copied().filter(|code| code.since() == 1 && !scene.seen.contains(code)).collect();
    assert_eq!(missing, later);
}

/// Case 2 with 4,096 events.
fn fill_case(ledger: &mut Ledger) {
    advance(ledger, &[transaction(BAMF, 100_000, vec![item(100_000, case(2), &opens("toy"))])]);
    for part in 0..16u64 {
        let first = 200_000 + part * 256;
        let items = (first..first + 256).map(|n| item(n, case(2), &Action::Report(at_ms("moment", n)))).collect();
        let built = advance(ledger, &[transaction(BAMF, first, items)]);
        assert!(built.executed.outcomes[0].receipts.iter().all(|receipt| receipt.code == Code::Accepted));
    }
}

fn reason(ledger: &Ledger, signed: &SignedTransaction, time_ms: u64) -> &'static str {
    match ledger.judge(time_ms).check(&Arc::new(signed.clone())) {
        Err(CheckError::Refused(refusal)) => refusal.reason(),
        Err(CheckError::Store(error)) => panic!("{error}"),
        Ok(_) => "ACCEPTED",
    }
}

/// A transaction of one report, and another made of it.
fn changed(change: impl Fn(&mut Payload), sign: usize) -> SignedTransaction {
    let items = vec![item(1, case(1), &opens("toy"))];
    let mut payload = payload(BAMF, 1, &items);
    change(&mut payload);
    payload.sign(items, &key(sign, "service"))
}

/// A transaction whose item is these bytes.
fn of_item(bytes: Vec<u8>) -> SignedTransaction {
    transaction(BAMF, 1, vec![bytes]).as_ref().clone()
}

fn wire(action: proto::item::Action) -> Vec<u8> {
    proto::Item { blinding: vec![1; 16], case_id: vec![1; 16], action: Some(action) }.encode_to_vec()
}

#[test]
fn every_transaction_refusal_is_reached_in_admission_and_in_a_block() {
    use proto::item::Action as Wire;
    let (mut ledger, _) = ledger();
    let first = transaction(BAMF, 77, vec![item(1, case(7), &opens("toy"))]);
    advance(&mut ledger, std::slice::from_ref(&first));
    let good = of_item(item(1, case(1), &opens("toy")));
    let altered = |change: &dyn Fn(&mut SignedTransaction)| {
        let mut signed = good.clone();
        change(&mut signed);
        signed
    };
    let trailing = |tail: &[u8]| of_item([good.items[0].as_deref().expect("an item"), tail].concat());
    let mut unordered = first.as_ref().clone();
    unordered.signatures = vec![unordered.signatures[0].clone(); 2];
    let long = Wire::CompleteTask(proto::CompleteTask { effect_id: vec![1; 16], outcome: "x".repeat(4_096) });
    let propose = |bytes: usize| {
        Wire::Propose(proto::Propose {
            kind: "definition".to_owned(),
            text: vec![1; bytes],
            effective_height: 9,
            ..proto::Propose::default()
        })
    };
    let override_ = proto::Override { reason: "unlawful".to_owned(), key_id: vec![1; 16] };
    let mut overridden = laufzettel_chain::item::report_to_proto(&on_day("begun", 0));
    overridden.r#override = Some(override_);
    let huge = |signed: &mut SignedTransaction| signed.items = vec![Some(vec![0; limits::TRANSACTION_BYTES_MAX]); 2];
    let id_taken = transaction(BAMF, 77, vec![item(2, case(8), &opens("toy"))]);
    let late = valid_until(BAMF, 1, GENESIS_MS, vec![item(1, case(1), &opens("toy"))]);
    let too_long = GENESIS_MS + MINUTE_MS + 1 + limits::VALID_UNTIL_AHEAD_MS_MAX + 1;
    let too_long = valid_until(BAMF, 1, too_long, vec![item(1, case(1), &opens("toy"))]);
    let table: Vec<(&str, SignedTransaction)> = vec![
        ("UNKNOWN_FIELD", altered(&|signed| signed.payload.extend([0x50, 1]))),
        ("UNKNOWN_FIELD", trailing(&[0xa0, 2, 1])),
        ("NON_CANONICAL", altered(&|signed| signed.payload.extend([0x10, 0]))),
        ("NON_CANONICAL", trailing(&[0x0a, 0])),
        ("MALFORMED", altered(&|signed| signed.payload.truncate(40))),
        ("MALFORMED", trailing(&[0x0b])),
        ("MALFORMED", altered(&|signed| signed.signatures.clear())),
        ("MALFORMED", unordered),
        ("MALFORMED", altered(&|signed| signed.items.clear())),
        ("MALFORMED", of_item(Vec::new())),
        ("MALFORMED", changed(|payload| payload.authority = "Bundesamt".to_owned(), BAMF)),
        ("TOO_LARGE", of_item(wire(long))),
        ("TOO_LARGE", of_item(wire(propose(limits::PROPOSE_ITEM_BYTES_MAX)))),
        ("TOO_LARGE", altered(&huge)),
        ("NOT_IN_PROTOCOL_VERSION", of_item(wire(propose(limits::PROPOSE_ITEM_BYTES_MAX - 100)))),
        ("NOT_IN_PROTOCOL_VERSION", of_item(wire(Wire::Anchor(proto::Anchor { digest: vec![1; 32] })))),
        ("NOT_IN_PROTOCOL_VERSION", of_item(wire(Wire::Report(overridden)))),
        ("ITEM_DIGEST_MISMATCH", altered(&|signed| signed.items = vec![Some(item(2, case(1), &opens("toy")))])),
        ("OTHER_NETWORK", changed(|payload| payload.network = NetworkId([0; 32]), BAMF)),
        ("OTHER_INCARNATION", changed(|payload| payload.incarnation = 1, BAMF)),
        ("ITEM_MISSING", altered(&|signed| signed.items = vec![None])),
        ("AUTHORITY_UNKNOWN", changed(|payload| payload.authority = "at-bfa".to_owned(), BAMF)),
        ("KEY_UNKNOWN", changed(|_| (), LDS)),
        ("KEY_UNKNOWN", changed(|payload| payload.authority = "sn-lds".to_owned(), BAMF)),
        ("KEY_UNKNOWN", altered(&|signed| signed.signatures[0].key_id = KeyId([7; 16]))),
        ("SIGNATURE_INVALID", altered(&|signed| signed.signatures[0].value[3] ^= 1)),
        (
            "SIGNATURE_INVALID",
            altered(&|signed| {
                signed.payload = changed(|payload| payload.source_system = "other".to_owned(), BAMF).payload;
            }),
        ),
        ("EXPIRED", late.as_ref().clone()),
        ("VALID_TOO_LONG", too_long.as_ref().clone()),
        ("REPEATED", first.as_ref().clone()),
        ("ID_TAKEN", id_taken.as_ref().clone()),
        ("ACCEPTED", good.clone()),
    ];
    let base = build(&ledger, 0, &[]).block;
    let time_ms = base.header.time_ms;
    for (expected, signed) in table {
        assert_eq!(reason(&ledger, &signed, time_ms), expected);
        let mut block = (*base).clone();
        block.body.transactions = vec![Arc::new(signed)];
        match ledger.validate(&block) {
            Err(ValidateError::Invalid(InvalidBlock::Transaction { index: 0, refusal })) => {
                assert_eq!(refusal.reason(), expected);
            }
            other => {
                let after = ValidateError::Invalid(InvalidBlock::Header("tx_root"));
                assert_eq!((other.err(), expected), (Some(after), "ACCEPTED"));
            }
        }
    }
}

#[test]
fn a_signature_seen_before_does_not_vouch_for_another_payload() {
    let (ledger, _) = ledger();
    let good = of_item(item(1, case(1), &opens("toy")));
    let time_ms = GENESIS_MS + 1;
    assert_eq!(reason(&ledger, &good, time_ms), "ACCEPTED");
    let mut second = good.clone();
    second.payload = changed(|payload| payload.id = fixture::transaction_id(5), BAMF).payload;
    assert_eq!(reason(&ledger, &second, time_ms), "SIGNATURE_INVALID");
    // A second key's bad signature beside the good one.
    let mut both = good.clone();
    let person = KeyId::of(&key(BAMF, "person").verifying_key());
    both.signatures.push(laufzettel_chain::transaction::Signature { key_id: person, value: [1; 64] });
    both.signatures.sort_by_key(|signature| signature.key_id);
    assert_eq!(reason(&ledger, &both, time_ms), "SIGNATURE_INVALID");
    assert_eq!(reason(&ledger, &good, time_ms), "ACCEPTED");
}

fn verdict(ledger: &mut Ledger, block: &Block) -> InvalidBlock {
    match ledger.validate(block) {
        Err(ValidateError::Invalid(invalid)) => invalid,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_wrong_header_field_is_named() {
    let (mut ledger, _) = ledger();
    advance(&mut ledger, &[transaction(BAMF, 1, vec![item(1, case(1), &opens("toy"))])]);
    let good = build(&ledger, 0, &[transaction(BAMF, 2, vec![item(2, case(2), &opens("toy"))])]).block;
    ledger.validate(&good).expect("valid");
    let other = genesis().state_root;
    let tip = ledger.tip();
    type Change<'a> = &'a dyn Fn(&mut Block);
    let table: [(&str, Change<'_>); 15] = [
        ("version", &|block| block.header.version = 2),
        ("network", &|block| block.header.network = NetworkId([0; 32])),
        ("incarnation", &|block| block.header.incarnation = 1),
        ("height", &|block| block.header.height += 1),
        ("height", &|block| block.header.height -= 1),
        ("proposer", &|block| block.header.round = 1),
        ("proposer", &|block| block.header.proposer = tip.order[1]),
        ("time", &|block| block.header.time_ms = tip.header.time_ms),
        ("previous", &|block| block.header.previous = laufzettel_chain::ids::BlockId(other)),
        ("tx_root", &|block| block.header.tx_root = other),
        ("receipts_root", &|block| block.header.receipts_root = other),
        ("state_root", &|block| block.header.state_root = other),
        ("state_root", &|block| block.header.state_root = tip.header.state_root),
        ("validators_hash", &|block| block.header.validators_hash = other),
        ("next_validators_hash", &|block| block.header.next_validators_hash = other),
    ];
    for (field, change) in table {
        let mut block = (*good).clone();
        change(&mut block);
        assert_eq!(verdict(&mut ledger, &block), InvalidBlock::Header(field));
    }
    let mut later = (*good).clone();
    later.header.round = 1;
    later.header.proposer = ledger.tip().order[1];
    // The round is part of the state: who was passed over is remembered.
    assert_eq!(verdict(&mut ledger, &later), InvalidBlock::Header("state_root"));
}

#[test]
fn bodies_over_a_limit_or_out_of_turn_are_invalid() {
    let (mut ledger, _) = ledger();
    let signed = transaction(BAMF, 1, vec![item(1, case(1), &opens("toy"))]);
    let good = build(&ledger, 0, std::slice::from_ref(&signed)).block;
    let mut with = |transactions: Vec<Arc<SignedTransaction>>| {
        let mut block = (*good).clone();
        block.body.transactions = transactions;
        verdict(&mut ledger, &block)
    };
    assert_eq!(
        with(vec![signed.clone(); limits::BODY_TRANSACTIONS_MAX + 1]),
        InvalidBlock::Limit("20,000 transactions")
    );
    let big = Arc::new(SignedTransaction { items: vec![Some(vec![0; 700_000])], ..signed.as_ref().clone() });
    assert_eq!(with(vec![big; 6]), InvalidBlock::Limit("4 MiB"));
    assert_eq!(with(Vec::new()), InvalidBlock::EmptyTooEarly);
    match with(vec![signed.clone(), signed.clone()]) {
        InvalidBlock::Transaction { index: 1, refusal } => assert_eq!(refusal.reason(), "ID_TAKEN"),
        other => panic!("{other}"),
    }
    // An order of transactions is part of the block.
    let second = transaction(LDS, 1, vec![item(2, case(2), &opens("toy"))]);
    let mut swapped = (*build(&ledger, 0, &[signed, second]).block).clone();
    swapped.body.transactions.swap(0, 1);
    assert_eq!(verdict(&mut ledger, &swapped), InvalidBlock::Header("tx_root"));
}

#[test]
fn building_leaves_out_what_is_unfit_and_stops_where_the_body_is_full() {
    let (mut ledger, _) = ledger();
    let expired = valid_until(BAMF, 1, GENESIS_MS - 1, vec![item(1, case(1), &opens("toy"))]);
    let good = transaction(BAMF, 2, vec![item(2, case(2), &opens("toy"))]);
    let built = build(&ledger, 0, &[expired, good]);
    assert_eq!(built.block.body.transactions.len(), 1);
    assert_eq!(built.unfit.iter().map(|(_, refusal)| refusal.reason()).collect::<Vec<_>>(), ["EXPIRED"]);
    // Reports of 3 KiB, 200 to a transaction: the body takes seven such transactions.
    let fat = |number: u64| {
        let mut report = on_day("step", 0);
        let recipients = (0..32).map(|n| AuthorityId::new(&format!("a{n:02}{}", "x".repeat(29))).expect("an id"));
        report.sealed = Some(laufzettel_contracts::Sealed { digest: [1; 32], recipients: recipients.collect() });
        report.documents = (0..8).map(|n| [n; 32]).collect();
        for n in 0..16 {
            let name = code(&format!("n{n:02}{}", "x".repeat(45)));
            report.attributes.insert(name, Value::Code(code(&"y".repeat(48))));
        }
        report.occurred = When::Day(TODAY);
        item(number, case(1), &Action::Report(report))
    };
    let candidates: Vec<_> =
        (0..10u64).map(|n| transaction(BAMF, 10 + n, (0..200).map(|i| fat(1_000 * n + i)).collect())).collect();
    let built = build(&ledger, 0, &candidates);
    let size = laufzettel_chain::codec::encode(&built.block.body).len();
    let one = laufzettel_chain::codec::encode(candidates[0].as_ref()).len();
    assert!(size <= limits::BODY_BYTES_MAX && size + one > limits::BODY_BYTES_MAX - 1024, "{size} of bodies of {one}");
    assert!(built.unfit.is_empty() && built.block.body.transactions.len() < candidates.len());
    ledger.validate(&built.block).expect("valid");
}

#[test]
fn a_store_is_opened_with_its_own_genesis_file_only() {
    use laufzettel_chain::genesis::Genesis;
    use laufzettel_chain::ledger::OpenError;
    use laufzettel_chain::storage::mem::MemStore;
    use laufzettel_chain::storage::{Batch, Durability, Family, Store as _};
    let parsed = |text: &str| Arc::new(Genesis::parse(text.as_bytes()).expect("sound"));
    let wrong = parsed(&fixture::genesis_text(&[0; 32], &[fixture::TOY]));
    let right = parsed(&fixture::rooted_text(&[fixture::TOY]));
    let store = Arc::new(MemStore::default());
    assert!(matches!(Ledger::open(store.clone(), wrong, false), Err(OpenError::Root { .. })));
    assert!(store.rows().is_empty(), "a refused file leaves nothing behind");
    Ledger::open(store.clone(), right.clone(), false).expect("opens");
    assert!(matches!(Ledger::open(store.clone(), genesis(), false), Err(OpenError::OtherNetwork { .. })));
    let with_format = |format: u8| {
        let mut batch = Batch::default();
        batch.put(Family::Meta, b"format".to_vec(), vec![1, 0, 0, 0, format]);
        store.write(&batch, Durability::Synced).expect("memory");
        Ledger::open(store.clone(), right.clone(), false)
    };
    assert!(with_format(1).is_ok());
    assert!(matches!(with_format(2), Err(OpenError::Newer { found: 2 })));
}

#[test]
fn genesis_files_that_contradict_themselves_are_refused() {
    use laufzettel_chain::genesis::Genesis;
    let good = fixture::rooted_text(&[fixture::TOY]);
    Genesis::parse(good.as_bytes()).expect("sound");
    let consensus = fixture::hex(key(BAMF, "consensus").verifying_key().as_bytes());
    let node = fixture::hex(key(BAMF, "node").verifying_key().as_bytes());
    let table = [
        ("version = 1\nname", "version = 2\nname", "version 2"),
        ("name = \"toy\"", "nome = \"toy\"", "TOML"),
        ("state_root = \"", "state_root = \"0", "state_root"),
        ("id = \"de-bamf\"", "id = \"DE\"", "authority id"),
        ("id = \"de-bamf\"", "id = \"sn-lds\"", "given twice"),
        ("roles = [\"office\"", "roles = [\"Office\"", "role"),
        ("hosted_by = \"de-bamf\"", "hosted_by = \"de-nobody\"", "hosted by"),
        ("purpose = \"service\"", "purpose = \"fun\"", "unknown purpose"),
        (&consensus, &node, "registered twice"),
        (&consensus, &"0".repeat(63), "no Ed25519 key"),
        ("power = 1", "power = 0", "no voting power"),
        ("validator]]\nauthority = \"sn-lds\"", "validator]]\nauthority = \"de-bamf\"", "each given once"),
        ("purpose = \"consensus\"", "purpose = \"node\"", "no consensus key"),
        ("id = \"toy\"", "id = \"Toy\"", "findings"),
    ];
    for (from, to, expected) in table {
        let text = good.replacen(from, to, 1);
        assert_ne!(text, good, "{from}");
        let error = Genesis::parse(text.as_bytes()).expect_err(from).to_string();
        assert!(error.contains(expected), "{from}: {error}");
    }
    assert!(Genesis::parse(&[0xff]).is_err());
    let digest = ItemDigest::of(good.as_bytes());
    assert_ne!(genesis().network.0, digest.0, "hashes of one purpose are not those of another");
}
