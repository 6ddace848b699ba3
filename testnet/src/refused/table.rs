//! The table of bad submissions: each is a good transaction with one thing wrong.

use laufzettel_chain::ids::{CaseId, ItemDigest, NetworkId, TransactionId};
use laufzettel_chain::item::{Action, Item};
use laufzettel_chain::transaction::{Payload, SignedTransaction};
use laufzettel_contracts::{Report, When};
use laufzettel_node::client::{Author, Client};
use laufzettel_node::{clock, keys};
use laufzettel_proto::v1;
use prost::Message as _;
use tonic::Code;

use super::{AUTHOR, told};
use crate::cluster::Cluster;

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;

/// A submission, and how it is refused.
pub(super) struct Case {
    pub(super) name: &'static str,
    /// The transaction id, which the refusal must not use up.
    pub(super) id: TransactionId,
    pub(super) request: v1::SubmitTransactionRequest,
    pub(super) code: Code,
    pub(super) reason: &'static str,
    /// What the message must name.
    pub(super) says: &'static [&'static str],
}

fn today() -> i32 {
    i32::try_from(clock::now_ms() / DAY_MS).unwrap()
}

fn reports(status: &str) -> Action {
    Action::Report(Report::new(laufzettel_contracts::Code::new(status).unwrap(), When::Day(today())))
}

fn opens() -> Action {
    Action::OpenCase { definition: "asyl-de".to_owned(), version: 1 }
}

/// A transaction that opens a case and reports on it.
pub(crate) fn good(author: &Author, id: TransactionId, case: CaseId) -> SignedTransaction {
    let actions = [(case, opens(), [1; 16]), (case, reports("application_lodged"), [2; 16])];
    author.sign(id, clock::now_ms() + HOUR_MS, &actions)
}

/// What the changes are made to.
struct Draft {
    author: Author,
    id: TransactionId,
}

impl Draft {
    fn items(&self) -> Vec<Vec<u8>> {
        let case = CaseId(self.id.0);
        vec![Item::encode([1; 16], case, &opens()), Item::encode([2; 16], case, &reports("application_lodged"))]
    }
    fn payload(&self, items: &[Vec<u8>]) -> Payload {
        Payload {
            network: self.author.network,
            incarnation: 0,
            id: self.id,
            authority: self.author.authority.clone(),
            valid_until_ms: clock::now_ms() + HOUR_MS,
            source_system: String::new(),
            item_digests: items.iter().map(|item| ItemDigest::of(item)).collect(),
        }
    }
    /// Signed after the payload was changed.
    fn with(&self, change: impl FnOnce(&mut Payload)) -> v1::SignedTransaction {
        let items = self.items();
        let mut payload = self.payload(&items);
        change(&mut payload);
        payload.sign(items, &self.author.key).to_proto()
    }
    /// Changed after it was signed.
    fn altered(&self, change: impl FnOnce(&mut v1::SignedTransaction)) -> v1::SignedTransaction {
        let mut signed = self.with(|_| ());
        change(&mut signed);
        signed
    }
    /// Of these items, signed.
    fn of(&self, items: Vec<Vec<u8>>) -> v1::SignedTransaction {
        self.payload(&items).sign(items, &self.author.key).to_proto()
    }
    fn acts(&self, action: &Action) -> v1::SignedTransaction {
        let case = CaseId(self.id.0);
        self.of(vec![Item::encode([1; 16], case, &opens()), Item::encode([2; 16], case, action)])
    }
    /// The first item with bytes behind it, signed.
    fn trailing(&self, tail: &[u8]) -> v1::SignedTransaction {
        self.of(vec![[&self.items()[0], tail].concat()])
    }
    /// The payload with bytes behind it, signed as it is then.
    fn trailing_payload(&self, tail: &[u8]) -> v1::SignedTransaction {
        let mut signed = self.with(|_| ());
        signed.payload.extend(tail);
        let bytes = laufzettel_chain::crypto::sign(&self.author.key, "tx", &signed.payload);
        signed.signatures[0].value = bytes.to_vec();
        signed
    }
    fn signed_by(&self, key: &ed25519_dalek::SigningKey) -> v1::SignedTransaction {
        let items = self.items();
        self.payload(&items).sign(items, key).to_proto()
    }
}

type Wrong = (&'static str, v1::SignedTransaction, Code, &'static str, &'static [&'static str]);

/// A part of the table: each case takes a draft and spoils it.
type Part = fn(&Cluster, &mut dyn FnMut() -> Draft) -> Vec<Wrong>;

/// All bad submissions but those that are no transaction at all.
pub(super) fn cases(cluster: &Cluster) -> Vec<Case> {
    let author = cluster.author(AUTHOR).unwrap();
    let mut number = 0;
    let mut all = Vec::new();
    let parts: [Part; 3] = [addressed, written, meant];
    for part in parts {
        let mut ids = Vec::new();
        let mut draft = || {
            number += 1;
            let id = TransactionId([number; 16]);
            ids.push(id);
            Draft { author: author.clone(), id }
        };
        let wrong = part(cluster, &mut draft);
        assert_eq!(ids.len(), wrong.len(), "one draft a case");
        all.extend(ids.into_iter().zip(wrong).map(|(id, (name, transaction, code, reason, says))| {
            let request =
                v1::SubmitTransactionRequest { transaction: Some(transaction), wait: v1::WaitPolicy::Accepted.into() };
            Case { name, id, request, code, reason, says }
        }));
    }
    all
}

/// For another network, by another key, in another's name, at another time.
fn addressed(cluster: &Cluster, draft: &mut dyn FnMut() -> Draft) -> Vec<Wrong> {
    use Code::{FailedPrecondition, InvalidArgument, PermissionDenied, Unauthenticated};
    let home = cluster.net.node_folder(AUTHOR);
    let consensus = keys::load(&home.join("keys/consensus.pem")).unwrap();
    let foreign = cluster.net.service_key("sn-lds").unwrap();
    let unknown = keys::generate().unwrap();
    let now_ms = clock::now_ms();
    let another = |payload: &mut Payload| payload.authority = "sn-lds".to_owned();
    vec![
        (
            "another network",
            draft().with(|payload| payload.network = NetworkId([0; 32])),
            FailedPrecondition,
            "OTHER_NETWORK",
            &["network"],
        ),
        (
            "another incarnation",
            draft().with(|payload| payload.incarnation = 1),
            FailedPrecondition,
            "OTHER_INCARNATION",
            &["incarnation"],
        ),
        ("an unknown key", draft().signed_by(&unknown), Unauthenticated, "KEY_UNKNOWN", &["key"]),
        ("another authority's key", draft().signed_by(&foreign), Unauthenticated, "KEY_UNKNOWN", &["key"]),
        ("a key of another purpose", draft().signed_by(&consensus), FailedPrecondition, "KEY_PURPOSE", &["purpose"]),
        (
            "another authority's name",
            draft().with(another),
            PermissionDenied,
            "AUTHORITY_MISMATCH",
            &["de-bamf", "sn-lds"],
        ),
        (
            "an expired transaction",
            draft().with(|payload| payload.valid_until_ms = now_ms - 1),
            FailedPrecondition,
            "EXPIRED",
            &["valid_until"],
        ),
        (
            "a transaction valid too long",
            draft().with(|payload| payload.valid_until_ms = now_ms + 8 * DAY_MS),
            InvalidArgument,
            "VALID_TOO_LONG",
            &["7 days"],
        ),
    ]
}

/// Bytes that are not what was signed, not canonical, or too many.
fn written(_: &Cluster, draft: &mut dyn FnMut() -> Draft) -> Vec<Wrong> {
    use Code::{InvalidArgument, Unauthenticated};
    let long = v1::item::Action::CompleteTask(v1::CompleteTask { effect_id: vec![1; 16], outcome: "x".repeat(4_096) });
    let long = v1::Item { blinding: vec![1; 16], case_id: vec![1; 16], action: Some(long) }.encode_to_vec();
    let mut altered_payload = |change: fn(&mut Vec<u8>)| draft().altered(|signed| change(&mut signed.payload));
    let last = |bytes: &mut Vec<u8>| *bytes.last_mut().unwrap() ^= 1;
    vec![
        ("an altered payload", altered_payload(last), InvalidArgument, "ITEM_DIGEST_MISMATCH", &[]),
        ("no payload", altered_payload(Vec::clear), InvalidArgument, "MALFORMED", &["payload"]),
        ("half a payload", altered_payload(|bytes| bytes.truncate(40)), InvalidArgument, "MALFORMED", &["payload"]),
        (
            "an altered source system",
            draft().altered(|signed| {
                let mut payload = Payload::decode(&signed.payload).unwrap();
                payload.source_system = "other".to_owned();
                signed.payload = payload.encode();
            }),
            Unauthenticated,
            "SIGNATURE_INVALID",
            &["signature"],
        ),
        (
            "an altered signature",
            draft().altered(|signed| signed.signatures[0].value[9] ^= 1),
            Unauthenticated,
            "SIGNATURE_INVALID",
            &["signature"],
        ),
        ("no signature", draft().altered(|signed| signed.signatures.clear()), InvalidArgument, "MALFORMED", &[]),
        (
            "an altered item",
            draft().altered(|signed| last(&mut signed.items[1])),
            InvalidArgument,
            "ITEM_DIGEST_MISMATCH",
            &["item"],
        ),
        ("an item too few", draft().altered(|signed| drop(signed.items.pop())), InvalidArgument, "MALFORMED", &[]),
        ("an item of nothing", draft().of(vec![Vec::new()]), InvalidArgument, "MALFORMED", &[]),
        ("an item of 4 KiB", draft().of(vec![long]), InvalidArgument, "TOO_LARGE", &["4096"]),
        ("two MiB", draft().of(vec![vec![7; 700_000]; 3]), InvalidArgument, "TOO_LARGE", &[]),
        ("an unknown field", draft().trailing(&[0xa0, 2, 1]), InvalidArgument, "UNKNOWN_FIELD", &["field"]),
        (
            "an unknown field of the payload",
            draft().trailing_payload(&[0x50, 1]),
            InvalidArgument,
            "UNKNOWN_FIELD",
            &[],
        ),
        ("a default written out", draft().trailing(&[0x0a, 0]), InvalidArgument, "NON_CANONICAL", &["byte 0"]),
        ("a default in the payload", draft().trailing_payload(&[0x10, 0]), InvalidArgument, "NON_CANONICAL", &[]),
    ]
}

/// What the process does not have, or not for this authority.
fn meant(_: &Cluster, draft: &mut dyn FnMut() -> Draft) -> Vec<Wrong> {
    use Code::FailedPrecondition;
    let instant = Report::new(laufzettel_contracts::Code::new("application_lodged").unwrap(), When::Instant(1));
    let anchor = v1::item::Action::Anchor(v1::Anchor { digest: vec![1; 32] });
    let anchor = v1::Item { blinding: vec![1; 16], case_id: Vec::new(), action: Some(anchor) }.encode_to_vec();
    vec![
        ("an unknown status", draft().acts(&reports("no_such")), FailedPrecondition, "STATUS_UNKNOWN", &[]),
        (
            "another role's status",
            draft().acts(&reports("state_assigned")),
            FailedPrecondition,
            "ROLE_NOT_ENTITLED",
            &[],
        ),
        ("an instant for a day", draft().acts(&Action::Report(instant)), FailedPrecondition, "PRECISION_WRONG", &[]),
        (
            "an unknown process",
            draft().acts(&Action::OpenCase { definition: "asyl-at".to_owned(), version: 1 }),
            FailedPrecondition,
            "DEFINITION_UNKNOWN",
            &[],
        ),
        (
            "an action of a later version",
            draft().of(vec![anchor]),
            FailedPrecondition,
            "NOT_IN_PROTOCOL_VERSION",
            &["anchor"],
        ),
    ]
}

/// Calls that carry no transaction, or more than a message may have.
pub(super) async fn refuse_calls(client: &mut Client) {
    let none = v1::SubmitTransactionRequest { transaction: None, wait: 0 };
    let status = client.submission.submit_transaction(none).await.unwrap_err();
    assert_eq!(told("no transaction", &status), (Code::InvalidArgument, "FIELD_INVALID".to_owned()));
    let huge = v1::SignedTransaction { payload: vec![1; 5 * 1024 * 1024], ..v1::SignedTransaction::default() };
    let huge = v1::SubmitTransactionRequest { transaction: Some(huge), wait: 0 };
    let status = client.submission.submit_transaction(huge).await.unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange, "{status:?}");
    let good = v1::ReportStatusRequest {
        transaction_id: vec![0xbb; 16],
        case_id: vec![0xbb; 16],
        status: "application_lodged".to_owned(),
        occurred: Some(v1::When { at: Some(v1::when::At::Day(today())) }),
        ..v1::ReportStatusRequest::default()
    };
    type Change = fn(&mut v1::ReportStatusRequest);
    let table: [(&str, Change, &str); 6] = [
        ("a short transaction id", |report| report.transaction_id.truncate(15), "FIELD_INVALID"),
        ("a short case id", |report| report.case_id.truncate(15), "FIELD_INVALID"),
        ("no day", |report| report.occurred = None, "MALFORMED"),
        ("no status", |report| report.status.clear(), "MALFORMED"),
        ("a status that is no code", |report| report.status = "Antrag gestellt".to_owned(), "MALFORMED"),
        ("a far limit", |report| report.valid_until_ms = u64::MAX, "VALID_TOO_LONG"),
    ];
    for (name, change, reason) in table {
        let mut wrong = good.clone();
        change(&mut wrong);
        let status = client.submission.report_status(wrong).await.expect_err(name);
        assert_eq!(told(name, &status), (Code::InvalidArgument, reason.to_owned()), "{}", status.message());
    }
}
