//! No number tells that there is something which is not shown: whatever others do in a case that is not for a reader, at
//! every door the reader is answered as before. By the scene of `sight`.

use laufzettel_chain::item::Action;
use laufzettel_contracts::effect::EffectId;
use laufzettel_proto::v1::process_service_client::ProcessServiceClient;
use laufzettel_proto::v1::task_service_client::TaskServiceClient;

use super::sight::{CORRECTED, COURT, FIRST, GIVEN, OFFICE, OWN, SECOND, STRANGER, Scene, case, request};
use super::*;

/// What one authority is told at every door about cases and their events; the newest block's height and time, at which all
/// is answered, left out.
#[derive(Debug, PartialEq)]
struct Told {
    cases: Vec<Option<v1::Case>>,
    listed: Vec<v1::Case>,
    events: Vec<v1::Event>,
    watched: Vec<v1::Event>,
    explained: Vec<Vec<v1::Explanation>>,
    inbox: [usize; 3],
}

fn dateless(mut view: v1::Case) -> v1::Case {
    view.effects_as_of_ms = 0;
    view
}

async fn told(scene: &Scene, authority: &str) -> Told {
    use v1::watch_events_response::Message;
    let mut cases = Vec::new();
    let mut explained = Vec::new();
    for id in [OWN, GIVEN, CORRECTED] {
        let answer = scene.look(authority, case(id)).await;
        cases.push(answer.map(|answer| dateless(answer.view.unwrap())));
        let asked = v1::ExplainCaseRequest { case_id: vec![id; 16], ..v1::ExplainCaseRequest::default() };
        let mut processes = ProcessServiceClient::new(scene.node.connect(authority).await);
        let answer = processes.explain_case(asked).await.map(|answer| answer.into_inner().explanations);
        explained.push(answer.unwrap_or_default());
    }
    let mut client = scene.cases(authority).await;
    let listed = client.list_cases(v1::ListCasesRequest::default()).await.unwrap().into_inner().cases;
    let start = Some(v1::watch_events_request::Start::FromBeginning(true));
    let asked = v1::WatchEventsRequest { start, ..v1::WatchEventsRequest::default() };
    let mut feed = client.watch_events(asked).await.unwrap().into_inner();
    let mut watched = Vec::new();
    while let Some(Message::Event(event)) = feed.message().await.unwrap().unwrap().message {
        watched.push(event);
    }
    let mut tasks = TaskServiceClient::new(scene.node.connect(authority).await);
    let inbox = [
        tasks.list_tasks(v1::ListTasksRequest::default()).await.unwrap().into_inner().tasks.len(),
        tasks.list_notices(v1::ListNoticesRequest::default()).await.unwrap().into_inner().notices.len(),
        tasks.list_deadlines(v1::ListDeadlinesRequest::default()).await.unwrap().into_inner().deadlines.len(),
    ];
    Told { cases, listed, events: scene.events(authority, &[]).await, watched, explained, inbox }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_for_a_reader_changes_no_answer_to_him() {
    let scene = Scene::new().await;
    let readers = [FIRST, SECOND, COURT, STRANGER];
    let mut before = Vec::new();
    for reader in readers {
        before.push(told(&scene, reader).await);
    }
    let office = told(&scene, OFFICE).await;
    // The office registers again, which opens a task of its own, hears, and withdraws nothing that others see.
    let (mut height, mut id) = (0, 30);
    for case in [OWN, GIVEN, CORRECTED] {
        for status in ["registered", "heard"] {
            id += 1;
            (height, _) = scene.done(request(id, case, status)).await;
        }
    }
    for (reader, before) in readers.iter().zip(before) {
        assert_eq!(told(&scene, reader).await, before, "{reader}");
    }
    assert_ne!(told(&scene, OFFICE).await, office, "who did it sees it");

    // Of the blocks it is told that there was something, by whom, and that it was applied.
    let receipts = async |authority: &str| {
        let mut ledger = LedgerServiceClient::new(scene.node.connect(authority).await);
        let block = ledger.get_block(v1::GetBlockRequest { height }).await.unwrap().into_inner();
        block.transactions.into_iter().flat_map(|transaction| transaction.receipts).collect::<Vec<_>>()
    };
    let own = receipts(OFFICE).await;
    for reader in readers {
        let bare = |receipt: &v1::Receipt| v1::Receipt {
            item_digest: receipt.item_digest.clone(),
            applied: true,
            ..v1::Receipt::default()
        };
        assert_eq!(receipts(reader).await, own.iter().map(bare).collect::<Vec<_>>(), "{reader}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_change_is_the_last_that_is_shown() {
    let scene = Scene::new().await;
    let changed = async |authority: &str, request: v1::GetCaseRequest| {
        let view = scene.look(authority, request).await.unwrap().view.unwrap();
        assert_eq!((view.revision, view.partial), (0, true));
        view.changed_height
    };
    // The decision is not told to the first authority, but gave it a task, and the court a notice.
    assert_eq!((changed(FIRST, case(GIVEN)).await, changed(COURT, case(GIVEN)).await), (scene.decided, scene.decided));
    let at = |height| v1::GetCaseRequest { read_at: Some(v1::ReadAt { height, min_height: 0 }), ..case(GIVEN) };
    assert_eq!(changed(FIRST, at(scene.moved)).await, scene.moved);
    let (hidden, _) = scene.done(request(31, GIVEN, "heard")).await;
    assert_eq!((changed(FIRST, case(GIVEN)).await, changed(OFFICE, case(GIVEN)).await), (scene.decided, hidden));
    assert_eq!(changed(FIRST, at(hidden)).await, scene.decided);

    // Its own completion of the task is shown to it, and to nobody else; its receipt does not count the others' items.
    let view = scene.look(FIRST, case(GIVEN)).await.unwrap().view.unwrap();
    let effect = EffectId(view.tasks[0].effect_id.as_slice().try_into().unwrap());
    let action = Action::CompleteTask { effect, outcome: laufzettel_contracts::Code::new("done").unwrap() };
    let outcome = scene.signed((FIRST, 22), 41, (GIVEN, action)).await;
    assert_eq!(outcome.receipts[0].case_revision, 0, "{outcome:?}");
    let asked = v1::GetTransactionRequest { authority: FIRST.into(), transaction_id: vec![41; 16] };
    let mut submission = SubmissionServiceClient::new(scene.node.connect(FIRST).await);
    assert_eq!(submission.get_transaction(asked).await.unwrap().into_inner().outcome.unwrap(), outcome);
    let all =
        (changed(FIRST, case(GIVEN)).await, changed(COURT, case(GIVEN)).await, changed(OFFICE, case(GIVEN)).await);
    assert_eq!(all, (outcome.height, scene.decided, hidden));
    assert_eq!(changed(FIRST, at(hidden)).await, scene.decided, "asked about the past");
    // Today, so that it comes after the decision.
    let today = i32::try_from(now_ms() / 86_400_000).unwrap();
    let occurred = Some(v1::When { at: Some(v1::when::At::Day(today)) });
    let (withdrawn, _) = scene.done(v1::ReportStatusRequest { occurred, ..request(42, GIVEN, "withdrawn") }).await;
    assert_eq!(changed(FIRST, case(GIVEN)).await, withdrawn, "the deadline that it watches was stopped");
    assert_eq!(changed(COURT, case(GIVEN)).await, withdrawn, "the court may report that itself, and sees it");
}

/// A view without what says when it was made, and without what is no change of its own: who holds a role, which law a
/// proceeding is under, and what dates that gives.
fn bare(view: v1::Case) -> v1::Case {
    let mut view = v1::Case { changed_height: 0, role_holders: Vec::new(), revision: 0, ..dateless(view) };
    (view.history_count, view.history_hash) = (0, Vec::new());
    for deadline in &mut view.deadlines {
        (deadline.derivation, deadline.seat, deadline.due_day) = (Vec::new(), String::new(), None);
        (deadline.due_ms, deadline.warns_ms, deadline.grace_ms) = (0, 0, 0);
    }
    for proceeding in &mut view.proceedings {
        (proceeding.regime, proceeding.provisional) = (String::new(), false);
    }
    view.next_due_ms = 0;
    view
}

/// Asked at every height, the last change is where the view became what it is, or that of an event since which shows in the
/// history alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_change_is_where_the_view_became_what_it_is() {
    let scene = Scene::new().await;
    let today = i32::try_from(now_ms() / 86_400_000).unwrap();
    let occurred = Some(v1::When { at: Some(v1::when::At::Day(today)) });
    for (id, status) in [(31, "registered"), (32, "heard"), (33, "lodged"), (34, "again"), (35, "withdrawn")] {
        scene.done(v1::ReportStatusRequest { occurred, ..request(id, GIVEN, status) }).await;
        scene.done(request(id + 10, OWN, status)).await;
        scene.done(request(id + 20, CORRECTED, status)).await;
    }
    for (authority, seed, id) in [(FIRST, 22, 61), (OFFICE, 12, 62)] {
        let view = scene.look(authority, case(GIVEN)).await.unwrap().view.unwrap();
        let Some(notice) = view.notices.iter().find(|notice| notice.to_acknowledge) else { continue };
        let effect = EffectId(notice.effect_id.as_slice().try_into().unwrap());
        scene.signed((authority, seed), id, (GIVEN, Action::Acknowledge { effect })).await;
    }
    let newest = scene.node.backend.subscribe().borrow().header.height;
    let mut compared = 0;
    for reader in [OFFICE, FIRST, COURT] {
        for id in [OWN, GIVEN, CORRECTED] {
            let mut became: Option<(v1::Case, u64)> = None;
            let events = scene.events(reader, &[id; 16]).await;
            for height in 1..=newest {
                let read_at = Some(v1::ReadAt { height, min_height: 0 });
                let Some(answer) = scene.look(reader, v1::GetCaseRequest { read_at, ..case(id) }).await else {
                    continue;
                };
                let view = answer.view.unwrap();
                let told = view.changed_height;
                let view = bare(view);
                if became.as_ref().is_none_or(|(before, _)| *before != view) {
                    // What was there at first is as old as it was when the case came to the reader.
                    let since = if became.is_none() { told } else { height };
                    became = Some((view, since));
                }
                let event = events.iter().map(|event| event.height).take_while(|at| *at <= height).last();
                let expected = became.as_ref().unwrap().1.max(event.unwrap_or(0));
                assert_eq!(told, expected, "{reader}, case {id}, at height {height}");
                compared += 1;
            }
        }
    }
    assert!(compared > 100, "{compared}");
}

/// Who sees every report has all counted; in language 1 that follows from the lists of the process alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_sees_everything_has_it_counted() {
    let cards = vec![card(OFFICE, "asylum_office", 10, OFFICE), card(FIRST, "foreigners_authority", 20, OFFICE)];
    let node = Node::of(genesis_with(cards, laufzettel_contracts::ASYL_DE)).await;
    let channel = node.connect(OFFICE).await;
    let outcome = SubmissionServiceClient::new(channel).report_status(super::report(1, OWN)).await.unwrap();
    let outcome = outcome.into_inner().outcome.unwrap();
    let counted: Vec<u64> = outcome.receipts.iter().map(|receipt| receipt.case_revision).collect();
    assert_eq!(counted, [1, 2]);
    for (authority, revision) in [(OFFICE, 2), (FIRST, 0)] {
        let mut cases = CaseServiceClient::new(node.connect(authority).await);
        let view = cases.get_case(case(OWN)).await.unwrap().into_inner().view.unwrap();
        let listed = cases.list_cases(v1::ListCasesRequest::default()).await.unwrap().into_inner().cases;
        let events = cases.list_events(v1::ListEventsRequest::default()).await.unwrap().into_inner().events;
        let all = (view.revision, listed[0].revision, events[0].case_revision);
        assert_eq!(all, (revision, revision, revision), "{authority}");
        assert_eq!((view.changed_height, listed[0].changed_height), (outcome.height, outcome.height), "{authority}");
        let block = LedgerServiceClient::new(node.connect(authority).await);
        let block = { block }.get_block(v1::GetBlockRequest { height: outcome.height }).await.unwrap().into_inner();
        let last = block.transactions[0].receipts.last().unwrap().clone();
        assert_eq!((last.applied, last.case_revision), (true, revision), "{authority}");
    }
}
