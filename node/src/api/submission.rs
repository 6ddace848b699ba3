//! SubmissionService: transactions in, outcomes out.

use std::sync::Arc;

use laufzettel_chain::check::Refusal;
use laufzettel_chain::receipt::Code;
use laufzettel_chain::transaction::{Payload, SignedTransaction};
use laufzettel_proto::v1;
use tokio::time::Instant;
use tonic::{Request, Response, Status};

use super::author;
use super::backend::{Backend, Outcome, Progress};
use super::callers::Caller;
use super::convert;
use super::events;
use super::reasons::Reason;
use super::status::Failure;
use crate::config::ApiSection;

#[derive(Clone)]
pub(super) struct Submissions {
    backend: Arc<Backend>,
    source_system: String,
}

type Answer<T> = Result<Response<T>, Status>;

impl Submissions {
    pub(super) fn new(backend: Arc<Backend>, config: &ApiSection) -> Self {
        Self { backend, source_system: config.source_system.clone() }
    }

    /// Submits, waits as asked, and says where the answer comes from.
    async fn submit(
        &self,
        (signed, payload): (SignedTransaction, Payload),
        wait: v1::WaitPolicy,
        until: Instant,
    ) -> Result<(v1::Outcome, v1::Position), Failure> {
        let taken = self.backend.submit(Arc::new(signed), payload).await?;
        self.answer(if wait == v1::WaitPolicy::Final {
            self.backend.wait(&taken.authority, &taken.id, until).await?
        } else {
            // It may have been committed by another node's copy already.
            self.backend.outcome(&taken.authority, &taken.id)?
        })
    }

    fn answer(&self, outcome: Outcome) -> Result<(v1::Outcome, v1::Position), Failure> {
        self.backend.read(|read, tip| Ok(events::outcome(read, tip, outcome)?))
    }
}

/// The transaction of a request, and that the caller is its author.
fn transaction(
    caller: &Caller,
    message: Option<v1::SignedTransaction>,
) -> Result<(SignedTransaction, Payload), Failure> {
    let message = message.ok_or_else(|| Failure::field("transaction", "is missing"))?;
    let signed = SignedTransaction::from_proto(message).map_err(Refusal::Malformed)?;
    let payload = Payload::decode(&signed.payload).map_err(Refusal::Malformed)?;
    caller.acts_as(&payload.authority)?;
    Ok((signed, payload))
}

#[tonic::async_trait]
impl v1::submission_service_server::SubmissionService for Submissions {
    async fn submit_transaction(
        &self,
        request: Request<v1::SubmitTransactionRequest>,
    ) -> Answer<v1::SubmitTransactionResponse> {
        let (caller, until) = (Caller::of(&request)?, convert::deadline(request.metadata()));
        let request = request.into_inner();
        let wait = request.wait();
        let signed = transaction(&caller, request.transaction)?;
        let (outcome, position) = self.submit(signed, wait, until).await?;
        Ok(Response::new(v1::SubmitTransactionResponse { outcome: Some(outcome), position: Some(position) }))
    }

    async fn report_status(&self, request: Request<v1::ReportStatusRequest>) -> Answer<v1::ReportStatusResponse> {
        let (caller, until) = (Caller::of(&request)?, convert::deadline(request.metadata()));
        let request = request.into_inner();
        let wait = request.wait();
        let second = request.second_person.as_ref();
        let to_be_signed = second.is_some_and(|second| second.signature.is_empty());
        if second.is_some() && !to_be_signed && request.valid_until_ms == 0 {
            let message = "with a second person's signature, give that of the payload which was signed";
            return Err(Failure::field("valid_until_ms", message).into());
        }
        let signed = author::sign_report(&self.backend, &caller, &self.source_system, request)?;
        let transaction = signed.to_proto();
        if to_be_signed {
            let ((), position) = self.backend.read(|_, _| Ok(()))?;
            let (position, transaction) = (Some(position), Some(transaction));
            return Ok(Response::new(v1::ReportStatusResponse { outcome: None, position, transaction }));
        }
        let (outcome, position) = self.submit_own(signed, wait, until).await?;
        Ok(Response::new(v1::ReportStatusResponse {
            outcome: Some(outcome),
            position: Some(position),
            transaction: Some(transaction),
        }))
    }

    async fn simulate_transaction(
        &self,
        request: Request<v1::SimulateTransactionRequest>,
    ) -> Answer<v1::SimulateTransactionResponse> {
        let caller = Caller::of(&request)?;
        let (signed, _) = transaction(&caller, request.into_inner().transaction)?;
        let ((transaction, foretold), position) = self.backend.simulate(&signed)?;
        let receipts = receipts(&transaction, foretold);
        Ok(Response::new(v1::SimulateTransactionResponse { receipts, position: Some(position) }))
    }

    async fn get_transaction(&self, request: Request<v1::GetTransactionRequest>) -> Answer<v1::GetTransactionResponse> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let authority = caller.acts_as(&request.authority)?;
        let id = convert::transaction_id(&request.transaction_id)?;
        let (outcome, position) = self.answer(self.backend.outcome(authority, &id)?)?;
        Ok(Response::new(v1::GetTransactionResponse { outcome: Some(outcome), position: Some(position) }))
    }

    async fn wait_for_transaction(
        &self,
        request: Request<v1::WaitForTransactionRequest>,
    ) -> Answer<v1::WaitForTransactionResponse> {
        let (caller, until) = (Caller::of(&request)?, convert::deadline(request.metadata()));
        let request = request.into_inner();
        let authority = caller.acts_as(&request.authority)?;
        let id = convert::transaction_id(&request.transaction_id)?;
        let (outcome, position) = self.answer(self.backend.wait(authority, &id, until).await?)?;
        Ok(Response::new(v1::WaitForTransactionResponse { outcome: Some(outcome), position: Some(position) }))
    }
}

impl Submissions {
    /// Name of the case system where a call names none.
    pub(super) fn source_system(&self) -> &str {
        &self.source_system
    }

    /// Submits what this node signed. A repeat may carry another `valid_until`
    /// than the first call; it is the same report if the items are the same.
    pub(super) async fn submit_own(
        &self,
        signed: SignedTransaction,
        wait: v1::WaitPolicy,
        until: Instant,
    ) -> Result<(v1::Outcome, v1::Position), Failure> {
        let payload = Payload::decode(&signed.payload).map_err(Refusal::Malformed)?;
        let first = self.backend.outcome(&payload.authority, &payload.id);
        let Ok(Outcome { progress: Progress::Final { ref receipts, .. }, .. }) = first else {
            return self.submit((signed, payload), wait, until).await;
        };
        let same = receipts.iter().map(|receipt| receipt.item).eq(payload.item_digests.iter().copied());
        if same { self.answer(first?) } else { Err(Failure::new(Reason::IdTaken)) }
    }
}

/// What is foretold: everything before the first refused item is not known
/// item by item, so the refusal stands at every item it may be about.
fn receipts(transaction: &laufzettel_chain::transaction::Transaction, foretold: Option<Code>) -> Vec<v1::Receipt> {
    let code = foretold.unwrap_or(Code::Accepted);
    let receipt = |digest: &laufzettel_chain::ids::ItemDigest| v1::Receipt {
        item_digest: digest.0.to_vec(),
        applied: code == Code::Accepted,
        reason: foretold.map(|code| code.reason().to_owned()).unwrap_or_default(),
        code: u32::from(code as u16),
        ..v1::Receipt::default()
    };
    transaction.payload.item_digests.iter().map(receipt).collect()
}
