//! Simulations of a node in memory: heights it has and has not, what is asked wrongly, and that one is given up with its
//! caller.

use laufzettel_chain::storage::{Batch, Durability, Family};
use laufzettel_proto::v1::submission_service_client::SubmissionServiceClient;
use tokio_stream::StreamExt as _;
use tonic_types::StatusExt as _;

use super::*;
use crate::api::tests::{Node, genesis_of, report};

/// The process with another version, and a longer time for appeal.
fn draft(version: u32) -> String {
    let text = laufzettel_contracts::ASYL_DE_2;
    let numbered =
        text.replace("\nid = \"asyl-de\"\nversion = 2\n", &format!("\nid = \"asyl-de\"\nversion = {version}\n"));
    assert!(numbered != text || version == 2);
    numbered
}

/// A node with three cases, opened at heights 1 to 3.
async fn node() -> Node {
    let node = Node::of(genesis_of(["asylum_office", "foreigners_authority"], laufzettel_contracts::ASYL_DE_2)).await;
    let channel = node.connect("de-bamf").await;
    for number in 1..4 {
        let open = Some(v1::OpenCase { definition: "asyl-de".into(), definition_version: 2 });
        let request = v1::ReportStatusRequest { open, ..report(number, number) };
        let answer = SubmissionServiceClient::new(channel.clone()).report_status(request).await.unwrap().into_inner();
        assert_eq!(answer.outcome.unwrap().height, u64::from(number));
    }
    node
}

fn request() -> v1::SimulateProcessRequest {
    v1::SimulateProcessRequest { definition: draft(3), ..v1::SimulateProcessRequest::default() }
}

/// The result, or the reason of the refusal and what it says.
async fn tried(node: &Node, request: &v1::SimulateProcessRequest) -> Result<v1::Simulation, (String, String)> {
    let refused = |status: Status| {
        let details = status.get_error_details();
        let reason = details.error_info().map(|info| info.reason.clone()).unwrap_or_default();
        let fields = details.bad_request().map(|bad| format!("{:?}", bad.field_violations)).unwrap_or_default();
        (reason, format!("{} {fields}", status.message()))
    };
    let mut messages =
        Simulations::default().start(&node.backend, request).map_err(|failure| refused(failure.into()))?;
    while let Some(message) = messages.next().await {
        if let Some(Message::Result(result)) = message.map_err(refused)?.message {
            return Ok(result);
        }
    }
    panic!("neither a result nor a refusal")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_history_is_looked_at_as_it_stood_at_a_height_that_is_kept() {
    let node = node().await;
    for height in 1..4 {
        let result = tried(&node, &v1::SimulateProcessRequest { height, ..request() }).await.unwrap();
        let header = laufzettel_chain::query::bare_header(node.store.as_ref(), height).unwrap().unwrap();
        assert_eq!((result.cases, result.position.unwrap().height), (height, height));
        assert_eq!(result.block_id, header.id().0);
        assert_eq!((result.as_of_ms, result.force.is_none()), (header.time_ms, true));
    }
    let ahead = tried(&node, &v1::SimulateProcessRequest { height: 4, ..request() }).await.unwrap_err();
    assert_eq!(ahead.0, "HEIGHT_AHEAD");
    // As on a node that joined later, which keeps the headers of changes of its cases alone.
    let mut batch = Batch::default();
    batch.delete(Family::Blocks, 2u64.to_be_bytes().to_vec());
    node.store.write(&batch, Durability::Synced).unwrap();
    let pruned = tried(&node, &v1::SimulateProcessRequest { height: 2, ..request() }).await.unwrap_err();
    assert!(pruned.0 == "PRUNED" && pruned.1.contains("height 2"), "{pruned:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_a_point_on_cases_opened_since_are_under_the_draft_and_others_where_they_move() {
    let node = node().await;
    let of = |height: u64| laufzettel_chain::query::bare_header(node.store.as_ref(), height).unwrap().unwrap().time_ms;
    let asked = [
        (v1::SimulateProcessRequest { from_height: 2, ..request() }, (2, 0)),
        (v1::SimulateProcessRequest { from_ms: of(3), ..request() }, (1, 0)),
        (v1::SimulateProcessRequest { from_ms: of(3), move_cases: true, ..request() }, (1, 2)),
        (v1::SimulateProcessRequest { from_now: true, ..request() }, (0, 0)),
        (v1::SimulateProcessRequest { move_cases: true, ..request() }, (0, 3)),
        (v1::SimulateProcessRequest { move_cases: true, height: 2, ..request() }, (0, 2)),
    ];
    for (request, wanted) in asked {
        let force = tried(&node, &request).await.unwrap().force.unwrap();
        assert_eq!((force.opened, force.moved), wanted, "{request:?}");
        assert_eq!((force.base_version, force.unmapped.len()), (if request.move_cases { 2 } else { 0 }, 0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_asked_wrongly_is_refused_with_what_is_wrong() {
    let node = node().await;
    let pair = v1::StatusMapping { from: "decision_issued".into(), to: "Nothing!".into() };
    let asked = [
        (v1::SimulateProcessRequest { from_now: true, from_height: 2, ..request() }, "from_height"),
        (v1::SimulateProcessRequest { from_height: 5, ..request() }, "later block"),
        (v1::SimulateProcessRequest { from_ms: u64::MAX, ..request() }, "from_now"),
        (v1::SimulateProcessRequest { moves: vec![pair.clone()], ..request() }, "move_cases"),
        (v1::SimulateProcessRequest { move_cases: true, moves: vec![pair], ..request() }, "moves"),
        (v1::SimulateProcessRequest { move_cases: true, definition: draft(2), ..request() }, "above 2"),
    ];
    for (request, word) in asked {
        let (reason, text) = tried(&node, &request).await.unwrap_err();
        assert!(text.contains(word), "{reason}: {text}; wanted {word}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_ends_with_its_caller_after_the_case_it_is_at_and_one_runs_at_a_time() {
    let node = node().await;
    let (sender, receiver) = mpsc::channel(4);
    drop(receiver);
    let run = |sender: &Sender| {
        let read = node.backend.read(|read, tip| {
            let settled = Asked::of(&node.backend, &request())?.settle(read, tip)?;
            let mut run = Run::new(read, tip, settled, None);
            Ok((run.all(sender)?, run.looked_at))
        });
        read.unwrap().0
    };
    assert_eq!(run(&sender), (None, 1));
    let (sender, _receiver) = mpsc::channel(4);
    assert_eq!(run(&sender).1, 3);
    let simulations = Simulations::default();
    simulations.0.store(true, Ordering::Release);
    let refused: Status = simulations.start(&node.backend, &request()).map(|_| ()).unwrap_err().into();
    assert_eq!(refused.get_error_details().error_info().unwrap().reason, "SIMULATION_UNDER_WAY");
}
