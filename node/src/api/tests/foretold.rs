//! What a node turns away at once, and what it leaves to the block: a node that is not sure to be in sync may not know yet
//! what was adopted by vote.

use super::*;

/// A report of a case to be opened under a version that this node does not know.
fn of_an_unknown_version() -> v1::ReportStatusRequest {
    let open = Some(v1::OpenCase { definition: "asyl-de".into(), definition_version: 9 });
    v1::ReportStatusRequest { open, ..report(7, 7) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_node_in_sync_says_by_itself_that_a_version_is_unknown() {
    let node = Node::start().await;
    let mut submission = SubmissionServiceClient::new(node.connect("de-bamf").await);
    let status = submission.report_status(of_an_unknown_version()).await.unwrap_err();
    assert_eq!(reason(&status), "DEFINITION_UNKNOWN");

    let cut_off = NodeState { sync: Sync::NoQuorum, ..NodeState::default() };
    let node = Node::in_state(genesis(), cut_off).await;
    let mut submission = SubmissionServiceClient::new(node.connect("de-bamf").await);
    let outcome = submission.report_status(of_an_unknown_version()).await.unwrap().into_inner().outcome.unwrap();
    assert_eq!(outcome.state(), v1::TransactionState::Final);
    let reasons: Vec<&str> = outcome.receipts.iter().map(|receipt| receipt.reason.as_str()).collect();
    assert_eq!(reasons, ["DEFINITION_UNKNOWN", "CASE_UNKNOWN"], "the block says so, and knows");

    let behind = NodeState { sync: Sync::CatchingUp, ..NodeState::default() };
    let node = Node::in_state(genesis(), behind).await;
    let mut submission = SubmissionServiceClient::new(node.connect("de-bamf").await);
    let status = submission.report_status(of_an_unknown_version()).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unavailable, "NOT_IN_SYNC"));
}
