//! What the node signs for a case system: one report, completion or
//! acknowledgement, by the authority's service key.
//!
//! The item's bytes are a pure function of the request and of the service key:
//! its blinding is derived from the key, the transaction id and the item's
//! place, so that a repeated call makes the same item and counts once.

use laufzettel_chain::crypto;
use laufzettel_chain::ids::{ItemDigest, KeyId, TransactionId};
use laufzettel_chain::transaction::{Payload, Signature, SignedTransaction};
use laufzettel_proto::v1;
use prost::Message as _;

use super::backend::Backend;
use super::callers::Caller;
use super::convert;
use super::reasons::Reason;
use super::status::Failure;

const HOUR_MS: u64 = 3_600_000;

/// What a call says of the transaction that the node is to make.
pub(super) struct Order<'o> {
    /// Transaction id.
    pub(super) transaction_id: &'o [u8],
    /// The case.
    pub(super) case_id: &'o [u8],
    /// Name of the case system; empty = the configured one.
    pub(super) source_system: &'o str,
    /// Block time after which it must not be committed; 0 = the end of the next full hour.
    pub(super) valid_until_ms: u64,
}

/// Makes and signs the transaction of a report.
pub(super) fn sign_report(
    backend: &Backend,
    caller: &Caller,
    source_system: &str,
    request: v1::ReportStatusRequest,
) -> Result<SignedTransaction, Failure> {
    let (transaction_id, case_id) = (request.transaction_id.clone(), request.case_id.clone());
    let (own_source, valid_until_ms) = (request.source_system.clone(), request.valid_until_ms);
    let order =
        Order { transaction_id: &transaction_id, case_id: &case_id, source_system: &own_source, valid_until_ms };
    let open = request.open.clone().map(v1::item::Action::OpenCase);
    let second = request.second_person.clone();
    let report = v1::item::Action::Report(report(request));
    let mut signed = sign(backend, caller, source_system, &order, open.into_iter().chain([report]).collect())?;
    if let Some(second) = second.filter(|second| !second.signature.is_empty()) {
        add(&mut signed, &second)?;
    }
    Ok(signed)
}

/// Adds a second person's signature; whether it holds is for admission to say.
fn add(signed: &mut SignedTransaction, second: &v1::SecondPerson) -> Result<(), Failure> {
    let key_id = KeyId::from_slice(&second.key_id);
    let key_id = key_id.ok_or_else(|| Failure::field("second_person.key_id", "must have 16 bytes"))?;
    let value = second.signature.as_slice().try_into();
    let value = value.map_err(|_| Failure::field("second_person.signature", "must have 64 bytes"))?;
    signed.signatures.push(Signature { key_id, value });
    signed.signatures.sort_by_key(|signature| signature.key_id);
    Ok(())
}

/// Makes and signs a transaction of these actions on one case.
pub(super) fn sign(
    backend: &Backend,
    caller: &Caller,
    source_system: &str,
    order: &Order<'_>,
    actions: Vec<v1::item::Action>,
) -> Result<SignedTransaction, Failure> {
    let authority = caller.authority();
    let key = backend.service_key(authority).ok_or_else(|| {
        let message = format!("this node has no service key of {authority} and cannot sign in its name");
        Failure::with(Reason::ServiceKeyMissing, message)
    })?;
    let id = convert::transaction_id(order.transaction_id)?;
    let case_id = convert::case_id(order.case_id)?.0.to_vec();
    let valid_until_ms = match order.valid_until_ms {
        // The end of the next full hour: calls repeated soon get the same payload.
        0 => backend.now_ms().div_euclid(HOUR_MS).saturating_add(2).saturating_mul(HOUR_MS),
        given => given,
    };
    let source_system = if order.source_system.is_empty() { source_system } else { order.source_system };
    let mut items = Vec::new();
    for action in actions {
        let blinding = blinding(key, &id, items.len());
        items.push(v1::Item { blinding, case_id: case_id.clone(), action: Some(action) }.encode_to_vec());
    }
    let incarnation = backend.subscribe().borrow().header.incarnation;
    let payload = Payload {
        network: backend.genesis().network,
        incarnation,
        id,
        authority: authority.to_owned(),
        valid_until_ms,
        source_system: source_system.to_owned(),
        item_digests: items.iter().map(|item| ItemDigest::of(item)).collect(),
    };
    Ok(payload.sign(items, key))
}

/// The report, with lists in the order the canonical rules ask for.
fn report(request: v1::ReportStatusRequest) -> v1::Report {
    let (mut attributes, mut documents, mut sealed) = (request.attributes, request.documents, request.sealed);
    attributes.sort_by(|a, b| a.name.cmp(&b.name));
    documents.sort();
    if let Some(sealed) = &mut sealed {
        sealed.recipients.sort();
    }
    v1::Report {
        status: request.status,
        occurred: request.occurred,
        effective: request.effective,
        proceeding: request.proceeding,
        outcome: request.outcome,
        attributes,
        documents,
        sealed,
        r#override: request.second_person.map(|second| v1::Override { reason: second.reason, key_id: second.key_id }),
    }
}

/// 16 bytes that only the holder of the key can tell.
fn blinding(key: &crypto::SigningKey, id: &TransactionId, index: usize) -> Vec<u8> {
    let index = u32::try_from(index).unwrap_or(u32::MAX).to_be_bytes();
    let secret = key.to_bytes();
    crypto::hash_parts("report blinding", &[&secret, &id.0, &index]).split_at(16).0.to_vec()
}
