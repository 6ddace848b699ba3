//! Feeds that break off: in the midst of what there was, at a quiet time, and over a restart of the node. Who comes back with
//! the cursor of the last checkpoint gets all that he had not, and nothing twice.

use laufzettel_chain::ids::CaseId;
use laufzettel_chain::item::Action;
use laufzettel_contracts::{Code as StatusCode, Position, Report, When};
use laufzettel_proto::v1::task_service_client::TaskServiceClient;
use tokio_stream::StreamExt as _;
use tonic::Streaming;

use super::*;
use crate::api::feed::EventFeed;
use crate::client::Author;

const OFFICE: &str = "de-bamf";
const PROCESS: &str = include_str!("../../../../contracts/tests/effects/process.toml");
/// A transaction holds 256 items, and the first of a case opens it.
const CASES: u8 = 128;
/// Each reports once in each case: more than a feed reads at once, and more than wait for a client.
const TRANSACTIONS: u8 = 9;

fn number(bytes: [u8; 2]) -> CaseId {
    CaseId([bytes[0], bytes[1], 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])
}

/// Many events at once, as an outbox sends them that was cut off.
async fn many(node: &Node) {
    let (authority, source_system) = (OFFICE.to_owned(), "test".to_owned());
    let author = Author { authority, key: key(12), network: node.genesis.network, incarnation: 0, source_system };
    let mut submission = SubmissionServiceClient::new(node.connect(OFFICE).await);
    let day = i32::try_from(now_ms() / 86_400_000).unwrap() - 1;
    for transaction in 0..TRANSACTIONS {
        let actions: Vec<_> = (0..CASES)
            .flat_map(|case| {
                let open = Action::OpenCase { definition: "asyl-de".into(), version: 1 };
                let report = Report::new(StatusCode::new("application_lodged").unwrap(), When::Day(day));
                let id = number([transaction, case]);
                [(id, open, [1; 16]), (id, Action::Report(report), [2; 16])]
            })
            .collect();
        let signed = author.sign(TransactionId([transaction + 1; 16]), now_ms() + 600_000, &actions);
        let wait = v1::WaitPolicy::Final.into();
        let request = v1::SubmitTransactionRequest { transaction: Some(signed.to_proto()), wait };
        let outcome = submission.submit_transaction(request).await.unwrap().into_inner().outcome.unwrap();
        assert!(outcome.receipts.iter().all(|receipt| receipt.applied), "{:?}", outcome.receipts.first());
    }
}

/// Cursors of the events up to where the feed has caught up, and the cursor there.
async fn rest(node: &Node, after_cursor: &str) -> (Vec<String>, String) {
    use v1::watch_events_response::Message;
    let start = Some(v1::watch_events_request::Start::AfterCursor(after_cursor.to_owned()));
    let request = v1::WatchEventsRequest { start, ..v1::WatchEventsRequest::default() };
    let mut cases = CaseServiceClient::new(node.connect(OFFICE).await);
    let mut feed = cases.watch_events(request).await.unwrap().into_inner();
    let mut events = Vec::new();
    loop {
        match feed.message().await.unwrap().unwrap().message.unwrap() {
            Message::Event(event) => events.push(event.cursor),
            Message::CaughtUp(progress) => return (events, progress.cursor),
            // On its way a feed may say where it is.
            Message::Checkpoint(_) => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_feed_says_on_its_way_where_it_is_and_goes_on_from_there_after_a_restart() {
    use v1::watch_events_response::Message;
    let node = Node::start().await;
    many(&node).await;
    let total = usize::from(CASES) * usize::from(TRANSACTIONS);
    let feed = EventFeed {
        backend: node.backend.clone(),
        stop: node.stop.clone(),
        authority: OFFICE.into(),
        case: None,
        after: Position::default(),
        checkpoint: Duration::from_millis(100),
    };
    let mut feed = feed.start();
    // Its client does not read for a while, and so holds it back.
    tokio::time::sleep(Duration::from_millis(250)).await;
    let mut events = Vec::new();
    let progress = loop {
        match feed.next().await.unwrap().unwrap().message.unwrap() {
            Message::Event(event) => events.push(event.cursor),
            Message::Checkpoint(progress) => break progress,
            Message::CaughtUp(_) => panic!("it has not said where it is on its way"),
        }
    };
    assert!(!events.is_empty() && events.len() < total, "in the midst: {}", events.len());
    assert_eq!(events.last(), Some(&progress.cursor), "all it has sent, and no more");
    // Of its height all was sent that is in the blocks up to there.
    let whole = convert::cursor(&convert::end_of(progress.position.unwrap().height));
    let (later, _) = rest(&node, &whole).await;
    assert!(later.len() >= total - events.len() && !later.is_empty());
    drop(feed);

    let node = node.again().await;
    let (later, end) = rest(&node, &progress.cursor).await;
    events.extend(later);
    assert_eq!(events.len(), total, "nothing is left out");
    assert!(events.is_sorted_by(|a, b| a < b), "and nothing comes twice, or in another order");
    assert_eq!(rest(&node, &end).await, (Vec::new(), end), "it is at the end");
}

/// The feed of an inbox.
struct Inbox(Streaming<v1::WatchInboxResponse>);

impl Inbox {
    async fn of(node: &Node, after_cursor: &str) -> Self {
        let request = v1::WatchInboxRequest { after_cursor: after_cursor.to_owned(), checkpoint_interval_ms: 100 };
        let mut tasks = TaskServiceClient::new(node.connect(OFFICE).await);
        Self(tasks.watch_inbox(request).await.unwrap().into_inner())
    }

    /// What comes up to the next word of where it is: cases of entries, whether they were there at the cursor, how many have
    /// gone; and that place.
    async fn next(&mut self) -> (Vec<(u8, bool)>, usize, v1::InboxProgress) {
        use v1::watch_inbox_response::Message;
        let (mut entries, mut gone) = (Vec::new(), 0);
        loop {
            match self.0.message().await.unwrap().unwrap().message.unwrap() {
                Message::Entry(entry) => entries.push((entry.case_id[0], entry.earlier)),
                Message::Gone(_) => gone += 1,
                Message::CaughtUp(progress) | Message::Checkpoint(progress) => {
                    entries.sort_unstable();
                    return (entries, gone, progress);
                }
                Message::Overfull(_) => panic!("a few are not too many"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_feed_of_an_inbox_goes_on_after_a_restart_and_says_what_was_there_before() {
    let node = Node::of(genesis_of(["office", "foreigners"], PROCESS)).await;
    // Each opens a task for the office.
    let registered = async |node: &Node, case: u8| {
        let open = Some(v1::OpenCase { definition: "stop".into(), definition_version: 1 });
        let request = v1::ReportStatusRequest { open, status: "registered".into(), ..report(case, case) };
        let mut submission = SubmissionServiceClient::new(node.connect(OFFICE).await);
        let outcome = submission.report_status(request).await.unwrap().into_inner().outcome.unwrap();
        assert!(outcome.receipts.iter().all(|receipt| receipt.applied), "{outcome:?}");
    };
    for case in [1, 2] {
        registered(&node, case).await;
    }
    let mut feed = Inbox::of(&node, "").await;
    let (entries, gone, _) = feed.next().await;
    assert_eq!((entries, gone), (vec![(1, false), (2, false)], 0), "who comes without a cursor has seen nothing");
    // At a quiet time it says again and again where it is.
    for _ in 0..2 {
        let (entries, gone, progress) = feed.next().await;
        assert_eq!((entries.len(), gone, progress.cursor.is_empty()), (0, 0, false));
    }
    registered(&node, 3).await;
    let cursor = loop {
        let (entries, gone, progress) = feed.next().await;
        assert_eq!(gone, 0);
        if !entries.is_empty() {
            assert_eq!(entries, [(3, false)]);
            break progress.cursor;
        }
    };
    drop(feed);

    let node = node.again().await;
    // While nobody watched, one came and one was done.
    registered(&node, 4).await;
    let mut tasks = TaskServiceClient::new(node.connect(OFFICE).await);
    let all = tasks.list_tasks(v1::ListTasksRequest::default()).await.unwrap().into_inner().tasks;
    let second = all.into_iter().find(|found| found.case_id[0] == 2).unwrap();
    let done = v1::CompleteTaskRequest {
        transaction_id: vec![20; 16],
        case_id: second.case_id,
        effect_id: second.task.unwrap().effect_id,
        outcome: "done".into(),
        valid_until_ms: 0,
        wait: v1::WaitPolicy::Final.into(),
    };
    let outcome = tasks.complete_task(done).await.unwrap().into_inner().outcome.unwrap();
    assert!(outcome.receipts[0].applied, "{outcome:?}");
    let (entries, gone, progress) = Inbox::of(&node, &cursor).await.next().await;
    assert_eq!((entries, gone), (vec![(1, true), (3, true), (4, false)], 0));
    let (entries, _, _) = Inbox::of(&node, &progress.cursor).await.next().await;
    assert_eq!(entries, [(1, true), (3, true), (4, true)]);
}
