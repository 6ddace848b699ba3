//! Clients: each has one transaction and submits it, at another node if need
//! be, until it is told the final outcome. The same bytes each time. What the
//! transactions say where rules are run is in `script`.

use std::sync::Arc;

use laufzettel_chain::crypto::sign;
use laufzettel_chain::genesis::Genesis;
use laufzettel_chain::ids::{CaseId, ItemDigest, KeyId, NetworkId, PayloadDigest, TransactionId};
use laufzettel_chain::item::{Action, Item};
use laufzettel_chain::transaction::{Payload, SIGN_DOMAIN, Signature, SignedTransaction};
use laufzettel_contracts::{AuthorityId, Code, Report, Sealed, When};
use laufzettel_node::consensus::FinalOutcome;

use super::genesis::{Member, START_MS};
use super::mode::Mode;
use super::script::{STEPS, Sent, Wave, lone, script};
use super::votes::{plan, too_late};

/// One client.
#[derive(Debug, Clone)]
pub(super) struct Client {
    pub(super) transaction: Arc<SignedTransaction>,
    pub(super) authority: String,
    pub(super) id: TransactionId,
    pub(super) digest: PayloadDigest,
    /// When it first submits, from the beginning; 0: at any time.
    pub(super) wait_ms: u64,
    /// What it was told, and by which node.
    pub(super) told: Option<(usize, FinalOutcome)>,
    /// When it first submitted.
    pub(super) since_ms: Option<u64>,
    /// When it was told.
    pub(super) told_ms: u64,
}

/// The case whose rows no honest node can read without a panic.
pub(super) const HOSTILE_CASE: CaseId = CaseId([0xde; 16]);
/// Every so many clients submit a large transaction, where bodies are to have several parts.
const BULKY_EVERY: usize = 8;
/// Reports of a large transaction.
const BULKY_REPORTS: usize = 150;

/// A report of nearly a kilobyte.
fn bulky() -> Option<Action> {
    let mut report = Report::new(Code::new("step").ok()?, When::Day(20_000));
    report.documents = (0..8).map(|number| [number; 32]).collect();
    let recipients = (0..32).filter_map(|number| AuthorityId::new(&format!("an-authority-{number:02}")).ok());
    report.sealed = Some(Sealed { digest: [7; 32], recipients: recipients.collect() });
    Some(Action::Report(report))
}

/// A transaction that every honest node takes in, and that none can execute.
pub(super) fn hostile(network: NetworkId, member: &Member) -> Arc<SignedTransaction> {
    let open = Action::OpenCase { definition: "small".to_owned(), version: 1 };
    let items = vec![Item::encode([0xde; 16], HOSTILE_CASE, &open)];
    let payload = payload(TransactionId([0xde; 16]), network, member, LONG_MS, &items);
    Arc::new(payload.sign(items, &member.service))
}

/// Until when transactions are valid that outlive every run.
const LONG_MS: u64 = START_MS.saturating_add(24 * 3_600_000);

/// What a member signs to submit these items.
pub(super) fn payload(
    id: TransactionId,
    network: NetworkId,
    member: &Member,
    valid_until_ms: u64,
    items: &[Vec<u8>],
) -> Payload {
    Payload {
        network,
        incarnation: 0,
        id,
        authority: member.id.clone(),
        valid_until_ms,
        source_system: String::new(),
        item_digests: items.iter().map(|item| laufzettel_chain::ids::ItemDigest::of(item)).collect(),
    }
}

fn bytes_of(what: &str, number: usize) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(blake3::hash(format!("{what} {number}").as_bytes()).as_bytes().split_at(16).0);
    bytes
}

/// A client of this number, with a case of its own.
fn client(number: usize, network: NetworkId, members: &[Member], large: bool) -> Option<Client> {
    let member = members.get(number.checked_rem(members.len())?)?;
    let bytes = |what: &str| bytes_of(what, number);
    let case = CaseId(bytes("case"));
    let open = Action::OpenCase { definition: "small".to_owned(), version: 1 };
    let report = Action::Report(Report::new(Code::new("step").ok()?, When::Day(20_000)));
    let mut items =
        vec![Item::encode(bytes("open blinding"), case, &open), Item::encode(bytes("report blinding"), case, &report)];
    if large && number.is_multiple_of(BULKY_EVERY) {
        let action = bulky()?;
        items.extend((0..BULKY_REPORTS).map(|report| Item::encode(bytes(&format!("report {report}")), case, &action)));
    }
    Some(signed((number, LONG_MS), network, member, Sent { items, ..Sent::default() }))
}

/// A client that submits these items as a member, valid until an instant.
fn signed((number, until_ms): (usize, u64), network: NetworkId, member: &Member, sent: Sent) -> Client {
    let id = TransactionId(bytes_of("transaction", number));
    let payload = payload(id, network, member, until_ms, &sent.items);
    let key = if sent.governs { &member.governance } else { &member.service };
    let mut transaction = payload.sign(sent.items, key);
    if sent.second {
        let value = sign(&member.person, SIGN_DOMAIN, &transaction.payload);
        transaction.signatures.push(Signature { key_id: KeyId::of(&member.person.verifying_key()), value });
        transaction.signatures.sort_by_key(|signature| signature.key_id);
    }
    Client {
        digest: PayloadDigest::of(&transaction.payload),
        transaction: Arc::new(transaction),
        authority: payload.authority,
        id: payload.id,
        wait_ms: sent.wait_ms,
        told: None,
        since_ms: None,
        told_ms: 0,
    }
}

/// Cases that begin before anything is adopted, and such that are opened under the version that may be adopted by then.
const EARLY_CASES: usize = 5;
const LATER_CASES: usize = 2;
/// When these begin.
const LATER_MS: u64 = 11_000;

/// What the clients of a seed submit, in which rules are run; and the proposal that nobody decides, if there is one.
fn scripted(seed: u64, genesis: &Arc<Genesis>, members: &[Member], mode: &Mode, count: usize) -> Option<Scripted> {
    let (mut sent, mut unwanted) = (Vec::new(), None);
    let early = match (mode.rules, mode.votes) {
        (false, _) => 0,
        (true, false) => count.div_ceil(STEPS),
        (true, true) => EARLY_CASES,
    };
    for number in 0..early {
        sent.extend(script(seed, number, members, Wave::FIRST).ok()?);
    }
    if mode.votes {
        let plan = plan(seed, genesis, members)?;
        let wave = Wave { from_ms: LATER_MS, version: 2, decision: plan.decision };
        for number in early..early + LATER_CASES {
            sent.extend(script(seed, number, members, wave).ok()?);
        }
        sent.extend(plan.sent);
        unwanted = Some(plan.unwanted);
    }
    Some(Scripted { sent, unwanted })
}

struct Scripted {
    sent: Vec<Sent>,
    unwanted: Option<ItemDigest>,
}

/// The clients of a seed, and some more that come when it rests. Where rules are run, most go through the cases of
/// scripts, transaction by transaction; the others have cases without rules, as in other runs.
pub(super) fn clients(
    seed: u64,
    genesis: &Arc<Genesis>,
    members: &[Member],
    mode: &Mode,
    late: usize,
) -> Option<(Vec<Client>, Option<ItemDigest>)> {
    let network = genesis.network;
    let count = mode.clients() + late;
    let Scripted { sent, unwanted } = scripted(seed, genesis, members, mode, count)?;
    let mut sent = sent.into_iter();
    let of_number = |number: usize| {
        let next = if number.is_multiple_of(BULKY_EVERY) { None } else { sent.next() };
        match next {
            Some(next) => Some(signed((number, LONG_MS), network, members.get(next.member)?, next)),
            None => client(number, network, members, mode.bulky),
        }
    };
    let clients: Vec<Client> = (0..count).map(of_number).collect::<Option<_>>()?;
    // What is not sent while there is chaos would never be.
    debug_assert!(!mode.votes || sent.next().is_none(), "more is proposed and voted than there are clients");
    Some((clients, unwanted))
}

/// A client that comes to a network at rest in which rules are run: what it reports is of now.
pub(super) fn late(number: usize, now_ms: u64, network: NetworkId, members: &[Member], version: u32) -> Option<Client> {
    let sent = lone(number, now_ms, members, version).ok()?;
    Some(signed((number, LONG_MS), network, members.get(sent.member)?, sent))
}

/// A client that votes for what has expired by now.
pub(super) fn after_all(
    number: usize,
    now_ms: u64,
    network: NetworkId,
    members: &[Member],
    proposal: ItemDigest,
) -> Option<Client> {
    let sent = too_late(0, proposal);
    Some(signed((number, now_ms + 3_600_000), network, members.first()?, sent))
}
