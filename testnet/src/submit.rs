//! Submits a transaction and waits until it is final, as a case system's
//! outbox does: the same bytes again while the node is busy or away.

use std::time::{Duration, Instant};

use laufzettel_chain::ids::TransactionId;
use laufzettel_chain::transaction::SignedTransaction;
use laufzettel_node::client::Client;
use laufzettel_proto::v1;
use tonic::Code;

use crate::cluster::Fault;

/// A transaction that is not final after this long is a fault.
const DEADLINE: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(50);

/// The blinding of an item, made from a seed, so that a retry after a crash of
/// the client gives the same bytes.
pub(crate) fn blinding(seed: u64, id: &TransactionId, index: u64) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new_derive_key("laufzettel testnet blinding");
    hasher.update(&seed.to_be_bytes()).update(&id.0).update(&index.to_be_bytes());
    let mut bytes = [0; 16];
    hasher.finalize_xof().fill(&mut bytes);
    bytes
}

/// Whether the same call may succeed later.
pub(crate) fn is_passing(code: Code) -> bool {
    matches!(
        code,
        Code::Unavailable | Code::ResourceExhausted | Code::DeadlineExceeded | Code::Cancelled | Code::Aborted
    )
}

/// Submits until the transaction is final.
pub(crate) async fn submit_final(client: &mut Client, signed: &SignedTransaction) -> Result<v1::Outcome, Fault> {
    let until = Instant::now() + DEADLINE;
    loop {
        let request =
            v1::SubmitTransactionRequest { transaction: Some(signed.to_proto()), wait: v1::WaitPolicy::Final as i32 };
        let passing = match client.submission.submit_transaction(request).await {
            Ok(answer) => {
                let outcome = answer.into_inner().outcome.ok_or("an answer without an outcome")?;
                if outcome.state == v1::TransactionState::Final as i32 {
                    return Ok(outcome);
                }
                format!("state {}", outcome.state)
            }
            Err(status) if is_passing(status.code()) => status.to_string(),
            Err(status) => return Err(status.into()),
        };
        if Instant::now() > until {
            return Err(format!("a transaction is not final after {} s: {passing}", DEADLINE.as_secs()).into());
        }
        tokio::time::sleep(PAUSE).await;
    }
}
