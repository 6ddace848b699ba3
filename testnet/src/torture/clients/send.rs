//! How clients submit: the same bytes again until there is an outcome, whatever happens to the node meanwhile. Must never
//! take anything for final that a node did not call so.

use std::sync::atomic::Ordering;

use laufzettel_chain::ids::{CaseId, TransactionId};
use laufzettel_chain::item::{Action, Item};
use laufzettel_chain::transaction::SignedTransaction;
use laufzettel_node::client::{Author, Client};
use laufzettel_node::clock;
use laufzettel_proto::v1;
use tokio::time::timeout;

use super::{CALL, CONNECT, Clients, PAUSE, VALID_MS};
use crate::cluster::{Door, Fault};
use crate::submit::is_passing;

/// What one try came to.
enum Tried {
    Final(v1::Outcome),
    Passing(String),
    Refused(tonic::Status),
}

/// How a submission ended.
pub(in crate::torture) enum Answered {
    Final(v1::Outcome),
    /// The node turned it away for what another version of the process, or of nothing at all, calls so: the reason.
    Refused(&'static str),
}

/// Reasons that a change by vote gives what was sound a moment ago.
const OUTDATED: [&str; 3] = ["DEFINITION_UNKNOWN", "DEFINITION_SUPERSEDED", "STATUS_UNKNOWN"];

/// Sends once, on a connection that is there or made.
async fn attempt(client: &mut Option<Client>, door: &Door, signed: &SignedTransaction) -> Tried {
    if client.is_none() {
        match timeout(CONNECT, door.open()).await {
            Ok(Ok(opened)) => *client = Some(opened),
            Ok(Err(fault)) => return Tried::Passing(fault.to_string()),
            Err(_) => return Tried::Passing("no connection in time".to_owned()),
        }
    }
    let Some(client) = client else { return Tried::Passing("no connection".to_owned()) };
    let request =
        v1::SubmitTransactionRequest { transaction: Some(signed.to_proto()), wait: v1::WaitPolicy::Final as i32 };
    match timeout(CALL, client.submission.submit_transaction(request)).await {
        Err(_) => Tried::Passing("no answer in time".to_owned()),
        Ok(Ok(answer)) => match answer.into_inner().outcome {
            Some(outcome) if outcome.state == v1::TransactionState::Final as i32 => Tried::Final(outcome),
            other => Tried::Passing(format!("{other:?}")),
        },
        // A node whose disk fails says INTERNAL with its last breath; a connection that breaks is UNKNOWN.
        Ok(Err(status)) if is_passing(status.code()) => Tried::Passing(status.to_string()),
        Ok(Err(status)) if matches!(status.code(), tonic::Code::Internal | tonic::Code::Unknown) => {
            Tried::Passing(status.to_string())
        }
        Ok(Err(status)) => Tried::Refused(status),
    }
}

impl Clients {
    /// Submits until it is final, and keeps what was told.
    pub(super) async fn submit_new(
        &self,
        client: &mut Option<Client>,
        node: usize,
        id: TransactionId,
        signed: &SignedTransaction,
    ) -> Result<v1::Outcome, Fault> {
        let submitted_us = self.now_us();
        let outcome = self.submit_over(client, node, signed).await?;
        if let Some(refused) = outcome.receipts.iter().find(|receipt| !receipt.applied) {
            return Err(format!("the load was refused at height {}: {}", outcome.height, refused.reason).into());
        }
        self.told(&self.author(node)?.authority, id, &outcome, submitted_us);
        Ok(outcome)
    }
    /// Submits at an authority's node, until it is final, what may be refused.
    pub(in crate::torture) async fn submit_any(
        &self,
        client: &mut Option<Client>,
        node: usize,
        item: (CaseId, Action, [u8; 16]),
    ) -> Result<Answered, Fault> {
        let (case, action, blinding) = item;
        let item = Item::encode(blinding, case, &action);
        self.submit_signed(client, self.door(node)?, self.author(node)?, item).await
    }
    /// Submits what an author says at some node, until it is final.
    pub(in crate::torture) async fn submit_item(
        &self,
        door: &Door,
        author: &Author,
        item: Vec<u8>,
    ) -> Result<Answered, Fault> {
        self.submit_signed(&mut None, door, author, item).await
    }
    async fn submit_signed(
        &self,
        client: &mut Option<Client>,
        door: &Door,
        author: &Author,
        item: Vec<u8>,
    ) -> Result<Answered, Fault> {
        let (_, id) = self.id();
        let signed = author.sign_items(id, clock::now_ms() + VALID_MS, vec![item]);
        let submitted_us = self.now_us();
        let answered = self.submit_until(client, door, &signed).await?;
        if let Answered::Final(outcome) = &answered {
            self.told(&author.authority, id, outcome, submitted_us);
        }
        Ok(answered)
    }
    /// Sends the same bytes until an outcome is final; an error if they are refused, or the clients are stopped.
    pub(super) async fn submit_over(
        &self,
        client: &mut Option<Client>,
        node: usize,
        signed: &SignedTransaction,
    ) -> Result<v1::Outcome, Fault> {
        match self.submit_until(client, self.door(node)?, signed).await? {
            Answered::Final(outcome) => Ok(outcome),
            Answered::Refused(reason) => Err(format!("the load is turned away: {reason}").into()),
        }
    }
    async fn submit_until(
        &self,
        client: &mut Option<Client>,
        door: &Door,
        signed: &SignedTransaction,
    ) -> Result<Answered, Fault> {
        loop {
            match attempt(client, door, signed).await {
                Tried::Final(outcome) => return Ok(Answered::Final(outcome)),
                Tried::Refused(status) => {
                    let details = String::from_utf8_lossy(status.details()).into_owned();
                    let reason = OUTDATED.into_iter().find(|reason| details.contains(reason));
                    return reason.map(Answered::Refused).ok_or_else(|| status.to_string().into());
                }
                Tried::Passing(why) => {
                    *client = None;
                    if self.stop.load(Ordering::Relaxed) {
                        return Err(format!("stopped while a transaction was under way: {why}").into());
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}
