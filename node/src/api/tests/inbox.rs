//! The inbox and the explanations, asked over the services, by the process of the tests of effects.

use laufzettel_proto::v1;
use laufzettel_proto::v1::process_service_client::ProcessServiceClient;
use laufzettel_proto::v1::task_service_client::TaskServiceClient;
use tonic::transport::Channel;

use super::{Node, SubmissionServiceClient, genesis_of, now_ms, reason, report};

const PROCESS: &str = include_str!("../../../../contracts/tests/effects/process.toml");
const WEEK_MS: u64 = 7 * 86_400_000;

async fn start() -> (Node, Channel) {
    let node = Node::of(genesis_of(["office", "foreigners"], PROCESS)).await;
    let channel = node.connect("de-bamf").await;
    (node, channel)
}

/// Opens a case and registers the person, which opens a task for the office.
fn registered(id: u8) -> v1::ReportStatusRequest {
    let open = Some(v1::OpenCase { definition: "stop".into(), definition_version: 1 });
    v1::ReportStatusRequest { open, status: "registered".into(), ..report(id, id) }
}

fn complete(id: u8, case_id: &[u8], effect_id: &[u8]) -> v1::CompleteTaskRequest {
    v1::CompleteTaskRequest {
        transaction_id: vec![id; 16],
        case_id: case_id.to_vec(),
        effect_id: effect_id.to_vec(),
        outcome: "done".into(),
        valid_until_ms: 0,
        wait: v1::WaitPolicy::Final.into(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_are_paged_completed_once_and_gone() {
    let (_node, channel) = start().await;
    let mut submission = SubmissionServiceClient::new(channel.clone());
    let mut tasks = TaskServiceClient::new(channel);
    for case in 1..=5 {
        let outcome = submission.report_status(registered(case)).await.unwrap().into_inner().outcome.unwrap();
        assert!(outcome.receipts.iter().all(|receipt| receipt.applied), "{outcome:?}");
    }
    let (mut found, mut sizes, mut token) = (Vec::new(), Vec::new(), String::new());
    loop {
        let request = v1::ListTasksRequest { page_size: 2, page_token: token, ..v1::ListTasksRequest::default() };
        let page = tasks.list_tasks(request).await.unwrap().into_inner();
        sizes.push(page.tasks.len());
        found.extend(page.tasks);
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
        let other =
            v1::ListTasksRequest { overdue: true, page_token: token.clone(), ..v1::ListTasksRequest::default() };
        assert_eq!(reason(&tasks.list_tasks(other).await.unwrap_err()), "PAGE_TOKEN_INVALID");
    }
    assert_eq!(sizes, [2, 2, 1]);
    let mut cases: Vec<_> = found.iter().map(|found| found.case_id[0]).collect();
    cases.sort_unstable();
    assert_eq!(cases, [1, 2, 3, 4, 5], "each once");
    let task = found[0].task.clone().unwrap();
    assert_eq!((task.code.as_str(), task.authority.as_str(), task.state()), ("check", "de-bamf", v1::TaskState::Open));

    let first = complete(11, &found[0].case_id, &task.effect_id);
    let done = tasks.complete_task(first.clone()).await.unwrap().into_inner().outcome.unwrap();
    assert!(done.receipts[0].applied, "{done:?}");
    let again = tasks.complete_task(first).await.unwrap().into_inner().outcome.unwrap();
    assert_eq!(again, done, "a repeat gets the first outcome");
    let anew = complete(12, &found[0].case_id, &task.effect_id);
    let refused = tasks.complete_task(anew).await.unwrap().into_inner().outcome.unwrap();
    assert_eq!(refused.receipts[0].reason, "TASK_NOT_OPEN", "{refused:?}");
    let request = v1::ListTasksRequest { min_height: done.height, ..v1::ListTasksRequest::default() };
    assert_eq!(tasks.list_tasks(request).await.unwrap().into_inner().tasks.len(), 4);
    let short = complete(13, &found[0].case_id, &[1; 15]);
    assert_eq!(reason(&tasks.complete_task(short).await.unwrap_err()), "FIELD_INVALID");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deadlines_are_listed_by_their_end_and_explained() {
    let (_node, channel) = start().await;
    let mut submission = SubmissionServiceClient::new(channel.clone());
    submission.report_status(registered(1)).await.unwrap();
    let decided =
        v1::ReportStatusRequest { open: None, status: "decided".into(), outcome: "rejected".into(), ..report(2, 1) };
    submission.report_status(decided).await.unwrap();

    let mut tasks = TaskServiceClient::new(channel.clone());
    let all = v1::ListDeadlinesRequest::default();
    let within = |ms: u64| v1::ListDeadlinesRequest { due_until_ms: now_ms() + ms, ..all.clone() };
    let overdue = v1::ListDeadlinesRequest { overdue: true, ..all.clone() };
    // A week from yesterday, or a few days more where that is a day off.
    for (request, count) in [(all.clone(), 1), (within(2 * WEEK_MS), 1), (within(WEEK_MS / 2), 0), (overdue, 0)] {
        let listed = tasks.list_deadlines(request.clone()).await.unwrap().into_inner().deadlines;
        assert_eq!(listed.len(), count, "{request:?}: {listed:?}");
    }
    let listed = tasks.list_deadlines(all).await.unwrap().into_inner().deadlines;
    let deadline = listed[0].deadline.clone().unwrap();
    assert_eq!((deadline.code.as_str(), deadline.state()), ("appeal", v1::DeadlineState::Running));
    assert!(!deadline.derivation.is_empty() && deadline.due_day.is_some());

    let counted = tasks.count_inbox(v1::CountInboxRequest { min_height: 0 }).await.unwrap().into_inner();
    let of = |count: Option<v1::InboxCount>| count.map(|count| (count.all, count.overdue, count.more));
    assert_eq!((of(counted.tasks), of(counted.deadlines)), (Some((1, 0, false)), Some((1, 0, false))));

    let mut processes = ProcessServiceClient::new(channel);
    let of = |effect_id: Vec<u8>| v1::ExplainCaseRequest { case_id: vec![1; 16], effect_id, min_height: 0 };
    let answer = processes.explain_case(of(deadline.effect_id.clone())).await.unwrap().into_inner();
    let [explanation] = answer.explanations.as_slice() else { panic!("{answer:?}") };
    assert_eq!(explanation.reasons[0].rule, "decision");
    assert_eq!(explanation.derivation, deadline.derivation);
    assert!(
        processes.explain_case(of(Vec::new())).await.unwrap().into_inner().explanations.len() == 2,
        "task and deadline"
    );
    let unknown = processes.explain_case(of(vec![9; 16])).await.unwrap_err();
    assert_eq!(reason(&unknown), "EFFECT_NOT_FOUND");

    let summary = processes.list_definitions(v1::ListDefinitionsRequest {}).await.unwrap().into_inner().definitions;
    assert_eq!((summary.len(), summary[0].id.as_str(), summary[0].language), (1, "stop", 2));
    let request = |version| v1::GetDefinitionRequest { id: "stop".into(), version };
    assert_eq!(processes.get_definition(request(0)).await.unwrap().into_inner().text, PROCESS);
    assert_eq!(reason(&processes.get_definition(request(7)).await.unwrap_err()), "DEFINITION_NOT_FOUND");
}
