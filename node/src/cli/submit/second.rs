//! A second person's signature under a report that overrides a block: the node makes the transaction, the person's key
//! signs its payload here, and the call is repeated with the signature. The key never leaves this process.

use std::path::Path;

use laufzettel_chain::crypto;
use laufzettel_chain::ids::{ItemDigest, KeyId};
use laufzettel_chain::transaction::{Payload, SIGN_DOMAIN};
use laufzettel_proto::v1;
use laufzettel_proto::v1::submission_service_client::SubmissionServiceClient;
use prost::Message as _;
use tonic::transport::Channel;

use crate::cli::fault::Fault;
use crate::keys;

/// The request with the second person's signature.
pub(super) async fn sign(
    client: &mut SubmissionServiceClient<Channel>,
    request: v1::ReportStatusRequest,
    reason: &str,
    key: &Path,
) -> Result<v1::ReportStatusRequest, Fault> {
    let key = keys::load(key).map_err(Fault::failed)?;
    let second = |signature| v1::SecondPerson {
        key_id: KeyId::of(&key.verifying_key()).0.to_vec(),
        reason: reason.to_owned(),
        signature,
    };
    let request = v1::ReportStatusRequest { second_person: Some(second(Vec::new())), ..request };
    let prepared = client.report_status(request.clone()).await.map_err(|status| Fault::refused(&status))?.into_inner();
    let Some(transaction) = prepared.transaction else {
        return Err(Fault::failed("the node did not answer with the transaction to be signed"));
    };
    let payload = Payload::decode(&transaction.payload)
        .map_err(|error| Fault::failed(format!("the node's transaction is malformed: {error}")))?;
    if !is_asked_for(&transaction, &payload, &request) {
        return Err(Fault::failed(
            "the node's transaction says something else than what was asked for; nothing was signed",
        ));
    }
    let signature = crypto::sign(&key, SIGN_DOMAIN, &transaction.payload).to_vec();
    let valid_until_ms = payload.valid_until_ms;
    Ok(v1::ReportStatusRequest { valid_until_ms, second_person: Some(second(signature)), ..request })
}

/// Whether a transaction says what a person is asked to answer for, and nothing else.
fn is_asked_for(transaction: &v1::SignedTransaction, payload: &Payload, asked: &v1::ReportStatusRequest) -> bool {
    let digests = transaction.items.iter().map(|item| ItemDigest::of(item));
    if payload.id.0.as_slice() != asked.transaction_id || !digests.eq(payload.item_digests.iter().copied()) {
        return false;
    }
    let opens = usize::from(asked.open.is_some());
    let mut items = transaction.items.iter().map(|item| v1::Item::decode(item.as_slice()));
    let fits = |item: Result<v1::Item, _>| match item {
        Ok(v1::Item { case_id, action: Some(v1::item::Action::Report(report)), .. }) => {
            let over = report.r#override.as_ref().zip(asked.second_person.as_ref());
            let over = over.is_some_and(|(over, second)| over.reason == second.reason && over.key_id == second.key_id);
            over && case_id == asked.case_id
                && report.status == asked.status
                && (report.occurred, report.effective) == (asked.occurred, asked.effective)
                && (report.outcome, report.proceeding) == (asked.outcome.clone(), asked.proceeding)
        }
        _ => false,
    };
    transaction.items.len() == opens.saturating_add(1) && items.next_back().is_some_and(fits)
}
