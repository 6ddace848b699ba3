//! Clients: each has one transaction and submits it, at another node if need
//! be, until it is told the final outcome. The same bytes each time.

use std::sync::Arc;

use laufzettel_chain::ids::{CaseId, NetworkId, PayloadDigest, TransactionId};
use laufzettel_chain::item::{Action, Item};
use laufzettel_chain::transaction::{Payload, SignedTransaction};
use laufzettel_contracts::{AuthorityId, Code, Report, Sealed, When};
use laufzettel_node::consensus::FinalOutcome;

use super::genesis::{Member, START_MS};

/// One client.
#[derive(Debug, Clone)]
pub(super) struct Client {
    pub(super) transaction: Arc<SignedTransaction>,
    pub(super) authority: String,
    pub(super) id: TransactionId,
    pub(super) digest: PayloadDigest,
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

/// A client of this number, with a case of its own.
pub(super) fn client(number: usize, network: NetworkId, members: &[Member], large: bool) -> Option<Client> {
    let member = members.get(number.checked_rem(members.len())?)?;
    let bytes = |what: &str| -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(blake3::hash(format!("{what} {number}").as_bytes()).as_bytes().split_at(16).0);
        bytes
    };
    let case = CaseId(bytes("case"));
    let open = Action::OpenCase { definition: "small".to_owned(), version: 1 };
    let report = Action::Report(Report::new(Code::new("step").ok()?, When::Day(20_000)));
    let mut items =
        vec![Item::encode(bytes("open blinding"), case, &open), Item::encode(bytes("report blinding"), case, &report)];
    if large && number.is_multiple_of(BULKY_EVERY) {
        let action = bulky()?;
        items.extend((0..BULKY_REPORTS).map(|report| Item::encode(bytes(&format!("report {report}")), case, &action)));
    }
    let payload = payload(TransactionId(bytes("transaction")), network, member, LONG_MS, &items);
    let transaction = payload.sign(items, &member.service);
    Some(Client {
        digest: PayloadDigest::of(&transaction.payload),
        transaction: Arc::new(transaction),
        authority: payload.authority,
        id: payload.id,
        told: None,
        since_ms: None,
        told_ms: 0,
    })
}
