//! Every bad submission, to a network of real processes: refused with a stable
//! reason and a sentence that says what to do, nothing half applied anywhere,
//! and the transaction id not used up. Then the mempool's limit, and that what
//! it refused is not lost.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod table;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use laufzettel_chain::ids::{CaseId, TransactionId};
use laufzettel_chain::transaction::{Payload, SignedTransaction};
use laufzettel_node::client::{Author, Client};
use laufzettel_proto::v1;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::cluster::Cluster;
use crate::demo;
use crate::e2e::turn;
use crate::submit::submit_final;
pub(crate) use table::good;

/// The authority that submits, and its node.
const AUTHOR: &str = "de-bamf";
const PATIENCE: Duration = Duration::from_secs(60);

fn request(signed: &SignedTransaction) -> v1::SubmitTransactionRequest {
    v1::SubmitTransactionRequest { transaction: Some(signed.to_proto()), wait: v1::WaitPolicy::Accepted.into() }
}

/// How a node is once its mempool is empty and it has this height.
async fn settled(client: &mut Client, height: u64) -> v1::GetHealthResponse {
    let until = Instant::now() + PATIENCE;
    loop {
        let health = client.ledger.get_health(v1::GetHealthRequest {}).await.unwrap().into_inner();
        let reached = health.position.is_some_and(|position| position.height >= height);
        if reached && health.mempool_transactions == 0 {
            return health;
        }
        assert!(Instant::now() < until, "does not settle: {health:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Height and transactions in blocks of every node, once nothing waits any more.
async fn seen(cluster: &Cluster, reached: u64) -> BTreeMap<String, (u64, u64)> {
    let mut all = BTreeMap::new();
    for node in cluster.nodes() {
        let mut client = cluster.connect(node, node).await.unwrap();
        let health = settled(&mut client, reached).await;
        let height = health.position.unwrap().height;
        let mut transactions = 0;
        for height in 1..=height {
            let block = client.ledger.get_block(v1::GetBlockRequest { height }).await.unwrap().into_inner();
            transactions += block.transactions.len() as u64;
        }
        all.insert(node.clone(), (height, transactions));
    }
    all
}

/// What a client is told: code, reason, and that a person can act on it.
fn told(name: &str, status: &tonic::Status) -> (Code, String) {
    let details = status.get_error_details();
    let reason = details.error_info().map(|info| info.reason.clone()).unwrap_or_default();
    assert!(!status.message().is_empty() && status.code() != Code::Internal, "{name}: {status:?}");
    (status.code(), reason)
}

async fn refuse(client: &mut Client, case: &table::Case) {
    let (name, wanted) = (case.name, (case.code, case.reason.to_owned()));
    let status = client.submission.submit_transaction(case.request.clone()).await.expect_err(name);
    assert_eq!(told(name, &status), wanted, "{name}: {}", status.message());
    for part in case.says {
        assert!(status.message().contains(part), "{name}: does not say {part:?}: {}", status.message());
    }
}

/// The same id with the very same bytes is one transaction, with others a fault.
async fn repeat(client: &mut Client, author: &Author, first: &SignedTransaction) {
    let outcome = submit_final(client, first).await.unwrap();
    let again = client.submission.submit_transaction(request(first)).await.unwrap().into_inner().outcome.unwrap();
    assert_eq!(again, outcome, "a repeat gets the first outcome");
    let id = Payload::decode(&first.payload).unwrap().id;
    let other = table::good(author, id, CaseId([0xee; 16]));
    let status = client.submission.submit_transaction(request(&other)).await.unwrap_err();
    assert_eq!(told("other payload", &status), (Code::AlreadyExists, "ID_TAKEN".to_owned()));
    let metadata = status.get_error_details().error_info().unwrap().metadata.clone();
    assert!(metadata.contains_key("payload_digest") && metadata.contains_key("first_payload_digest"), "{metadata:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_submissions_are_refused_and_leave_nothing_behind() {
    let _turn = turn().await;
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = demo::cluster(folder.path()).unwrap();
    cluster.start().await.unwrap();
    let author = cluster.author(AUTHOR).unwrap();
    let mut client = cluster.connect(AUTHOR, AUTHOR).await.unwrap();
    // One block, so that there is a state to spoil.
    let first = table::good(&author, TransactionId([0xaa; 16]), CaseId([0xaa; 16]));
    let height = submit_final(&mut client, &first).await.unwrap().height;
    let cases = table::cases(&cluster);
    let before = seen(&cluster, height).await;
    for case in &cases {
        refuse(&mut client, case).await;
    }
    table::refuse_calls(&mut client).await;
    let after = seen(&cluster, height).await;
    for (node, (height, transactions)) in &after {
        // A heartbeat may have come meanwhile; a transaction may not.
        assert!(*height >= before[node].0);
        assert_eq!(*transactions, before[node].1, "{node} committed something refused");
    }
    for case in &cases {
        let good = table::good(&author, case.id, CaseId(case.id.0));
        let outcome = submit_final(&mut client, &good).await.unwrap();
        assert!(outcome.receipts.iter().all(|receipt| receipt.applied), "{}: {outcome:?}", case.name);
    }
    repeat(&mut client, &author, &first).await;
    let agreement = crate::roots::compare(&cluster).await.unwrap();
    assert!(agreement.equal, "{agreement:?}");
    cluster.stop().unwrap();
}

/// Two of four nodes are away, so that nothing is decided and the mempool fills.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_mempool_says_so_and_loses_nothing() {
    const PLACES: u8 = 6;
    const SENT: u8 = 20;
    let _turn = turn().await;
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = demo::cluster(folder.path()).unwrap();
    for node in cluster.nodes() {
        let path = cluster.net.node_folder(node).join("config.toml");
        let config = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{config}\n[mempool]\ntransactions_max = {PLACES}\n")).unwrap();
    }
    cluster.start().await.unwrap();
    let author = cluster.author(AUTHOR).unwrap();
    let mut client = cluster.connect(AUTHOR, AUTHOR).await.unwrap();
    let away: Vec<String> = cluster.nodes().iter().filter(|node| *node != AUTHOR).take(2).cloned().collect();
    for node in &away {
        cluster.kill(node).unwrap();
    }
    let all: Vec<SignedTransaction> =
        (1..=SENT).map(|number| table::good(&author, TransactionId([number; 16]), CaseId([number; 16]))).collect();
    let (mut taken, mut refused) = (Vec::new(), Vec::new());
    for signed in &all {
        match client.submission.submit_transaction(request(signed)).await {
            Ok(answer) => {
                assert_eq!(answer.into_inner().outcome.unwrap().state(), v1::TransactionState::Pending);
                taken.push(signed);
            }
            Err(status) => {
                assert_eq!(told("full", &status), (Code::ResourceExhausted, "MEMPOOL_FULL".to_owned()));
                let details = status.get_error_details();
                let delay = details.retry_info().and_then(|info| info.retry_delay).unwrap();
                assert!(!delay.is_zero(), "says when to come back");
                refused.push(signed);
            }
        }
    }
    assert_eq!((taken.len(), refused.len()), (usize::from(PLACES), usize::from(SENT - PLACES)));
    cluster.start().await.unwrap();
    let mut highest = 0;
    for signed in &all {
        let outcome = submit_final(&mut client, signed).await.unwrap();
        assert!(outcome.receipts.iter().all(|receipt| receipt.applied), "{outcome:?}");
        highest = highest.max(outcome.height);
    }
    for (node, (_, transactions)) in seen(&cluster, highest).await {
        assert_eq!(transactions, u64::from(SENT), "{node}: each counts once");
    }
    cluster.stop().unwrap();
}
