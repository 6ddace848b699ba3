//! Who sees what, asked at every door: an office, the foreigners authority that a case was given to, another one, a court
//! and one that holds no role, all at one node. By the process of the tests of effects, in which no report is told to
//! others than those who may make it.

use laufzettel_chain::ids::{CaseId, ItemDigest};
use laufzettel_chain::item::Action;
use laufzettel_chain::light::LightClient;
use laufzettel_contracts::{Code as StatusCode, Report, When};
use laufzettel_proto::v1::process_service_client::ProcessServiceClient;
use laufzettel_proto::v1::task_service_client::TaskServiceClient;

use super::*;
use crate::client::Author;

const PROCESS: &str = include_str!("../../../../contracts/tests/effects/process.toml");
pub(super) const OFFICE: &str = "de-bamf";
pub(super) const FIRST: &str = "fa-one";
pub(super) const SECOND: &str = "fa-two";
pub(super) const COURT: &str = "sn-court";
pub(super) const STRANGER: &str = "sn-museum";
const ALL: [&str; 5] = [OFFICE, FIRST, SECOND, COURT, STRANGER];

/// What an office did in three cases, and where.
pub(super) struct Scene {
    pub(super) node: Node,
    /// The case was given to the first authority; then it decided.
    pub(super) moved: u64,
    pub(super) decided: u64,
    pub(super) slot: Vec<u8>,
}

/// A case of the office alone, one that was given to the first authority and decided, and one in which a report that the
/// first authority saw was corrected into one that is not for it.
pub(super) const OWN: u8 = 1;
pub(super) const GIVEN: u8 = 2;
pub(super) const CORRECTED: u8 = 3;

pub(super) fn request(id: u8, case: u8, status: &str) -> v1::ReportStatusRequest {
    v1::ReportStatusRequest { open: None, status: status.into(), ..super::report(id, case) }
}

fn given_to(id: u8, case: u8, authority: &str) -> v1::ReportStatusRequest {
    let value = Some(v1::attribute::Value::Authority(authority.into()));
    v1::ReportStatusRequest {
        attributes: vec![v1::Attribute { name: "to".into(), value }],
        ..request(id, case, "moved")
    }
}

impl Scene {
    pub(super) async fn new() -> Self {
        let roles = ["office", "foreigners", "foreigners", "court", "police"];
        let mut cards: Vec<_> =
            (1_u8..).zip(ALL).zip(roles).map(|((number, id), role)| card(id, role, 10 * number, OFFICE)).collect();
        cards.iter_mut().filter(|card| card.id == STRANGER).for_each(|card| card.roles.clear());
        let node = Node::of(genesis_with(cards, PROCESS)).await;
        let mut scene = Self { node, moved: 0, decided: 0, slot: Vec::new() };
        for case in [OWN, GIVEN, CORRECTED] {
            let open = Some(v1::OpenCase { definition: "stop".into(), definition_version: 1 });
            scene.done(v1::ReportStatusRequest { open, ..request(case, case, "registered") }).await;
        }
        (scene.moved, _) = scene.done(given_to(11, GIVEN, FIRST)).await;
        // Today, so that it comes after what was yesterday.
        let today = i32::try_from(now_ms() / 86_400_000).unwrap();
        let occurred = Some(v1::When { at: Some(v1::when::At::Day(today)) });
        let rejected =
            v1::ReportStatusRequest { outcome: "rejected".into(), occurred, ..request(12, GIVEN, "decided") };
        (scene.decided, scene.slot) = scene.done(rejected).await;
        let (_, wrong) = scene.done(given_to(13, CORRECTED, FIRST)).await;
        scene.done(given_to(14, CORRECTED, FIRST)).await;
        scene.correct(&wrong).await;
        scene
    }

    /// Reports for the office; height, and slot of the report.
    pub(super) async fn done(&self, request: v1::ReportStatusRequest) -> (u64, Vec<u8>) {
        let mut submission = SubmissionServiceClient::new(self.node.connect(OFFICE).await);
        let outcome = submission.report_status(request).await.unwrap().into_inner().outcome.unwrap();
        assert!(outcome.receipts.iter().all(|receipt| receipt.applied), "{outcome:?}");
        let digest = outcome.receipts.last().unwrap().item_digest.clone();
        (outcome.height, ItemDigest(digest.try_into().unwrap()).slot(OFFICE).to_vec())
    }

    /// The office puts a report that only it sees in the place of one.
    async fn correct(&self, slot: &[u8]) {
        let day = i32::try_from(now_ms() / 86_400_000).unwrap() - 1;
        let report = Report::new(StatusCode::new("heard").unwrap(), When::Day(day));
        let action = Action::Correct { slot: slot.try_into().unwrap(), report };
        self.signed((OFFICE, 12), 15, (CORRECTED, action)).await;
    }

    /// One item that an authority, whose service key is of this seed, has signed and that is applied.
    pub(super) async fn signed(&self, (by, seed): (&str, u8), id: u8, (case, action): (u8, Action)) -> v1::Outcome {
        let genesis = &self.node.genesis;
        let (authority, source_system) = (by.to_owned(), "test".to_owned());
        let author = Author { authority, key: key(seed), network: genesis.network, incarnation: 0, source_system };
        let actions = [(CaseId([case; 16]), action, [5; 16])];
        let signed = author.sign(TransactionId([id; 16]), now_ms() + 60_000, &actions);
        let request =
            v1::SubmitTransactionRequest { transaction: Some(signed.to_proto()), wait: v1::WaitPolicy::Final.into() };
        let mut submission = SubmissionServiceClient::new(self.node.connect(by).await);
        let outcome = submission.submit_transaction(request).await.unwrap().into_inner().outcome.unwrap();
        assert!(outcome.receipts.iter().all(|receipt| receipt.applied), "{outcome:?}");
        outcome
    }

    pub(super) async fn cases(&self, authority: &str) -> CaseServiceClient<Channel> {
        CaseServiceClient::new(self.node.connect(authority).await)
    }

    /// A case as an authority sees it; none where it is told that there is no such case.
    pub(super) async fn look(&self, authority: &str, request: v1::GetCaseRequest) -> Option<v1::GetCaseResponse> {
        match self.cases(authority).await.get_case(request).await {
            Ok(answer) => Some(answer.into_inner()),
            Err(status) => {
                assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "CASE_NOT_FOUND"));
                None
            }
        }
    }

    pub(super) async fn events(&self, authority: &str, case: &[u8]) -> Vec<v1::Event> {
        let request = v1::ListEventsRequest { case_id: case.to_vec(), ..v1::ListEventsRequest::default() };
        let page = self.cases(authority).await.list_events(request).await.unwrap().into_inner();
        assert!(!page.more);
        page.events
    }
}

pub(super) fn case(id: u8) -> v1::GetCaseRequest {
    v1::GetCaseRequest { case_id: vec![id; 16], ..v1::GetCaseRequest::default() }
}

fn codes(view: &v1::Case) -> [Vec<&str>; 4] {
    [
        view.tracks.iter().map(|one| one.status.as_str()).collect(),
        view.deadlines.iter().map(|one| one.code.as_str()).collect(),
        view.tasks.iter().map(|one| one.code.as_str()).collect(),
        view.notices.iter().map(|one| one.code.as_str()).collect(),
    ]
}

/// What was done, status by status; a correction without its text is nothing.
fn told(events: &[v1::Event]) -> Vec<&str> {
    use v1::event::Action as Wire;
    let status = |event: &'_ v1::Event| -> &str {
        match &event.action {
            Some(Wire::Report(_)) => "report",
            Some(Wire::Correct(_)) => "correct",
            Some(Wire::Retract(_)) => "retract",
            None => "",
        }
    };
    events.iter().map(status).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_case_is_shown_to_each_as_far_as_it_is_his() {
    let scene = Scene::new().await;
    let office = scene.look(OFFICE, case(GIVEN)).await.unwrap().view.unwrap();
    assert_eq!(codes(&office), [vec!["decided"], vec!["appeal"], vec!["check"], vec![]]);
    assert_eq!((office.timeline.len(), office.participants.as_slice()), (3, &[OFFICE.to_owned()][..]));
    let first = scene.look(FIRST, case(GIVEN)).await.unwrap().view.unwrap();
    // The decision is not told to it, so no track is: the earlier status would pass for the current one.
    assert_eq!(codes(&first), [vec![], vec!["appeal"], vec!["serve"], vec!["news"]]);
    assert_eq!((first.timeline.len(), first.deviations.len(), first.headline_track.as_str()), (1, 0, ""));
    let court = scene.look(COURT, case(GIVEN)).await.unwrap().view.unwrap();
    assert_eq!(codes(&court), [vec![], vec![], vec![], vec!["news"]]);
    assert!(court.timeline.is_empty() && court.participants.is_empty() && court.role_holders.len() < 2, "{court:?}");
    for view in [&office, &first, &court] {
        assert!(view.partial && view.history_count == 0 && view.history_hash.is_empty(), "{view:?}");
    }
    // Another authority of the same role has no part in it, and who holds no role none in anything.
    for other in [SECOND, STRANGER] {
        assert!(scene.look(other, case(GIVEN)).await.is_none(), "{other}");
    }
    for other in [FIRST, SECOND, COURT, STRANGER] {
        assert!(scene.look(other, case(OWN)).await.is_none(), "{other}");
    }

    // Asking about the past shows no more; who has the case now reads what was before it came to him.
    let at = |height| v1::GetCaseRequest { read_at: Some(v1::ReadAt { height, min_height: 0 }), ..case(GIVEN) };
    let before = scene.look(FIRST, at(scene.moved)).await.unwrap().view.unwrap();
    assert_eq!(codes(&before), [vec!["moved"], vec![], vec![], vec![]]);
    let (known, occurred) = (
        v1::GetCaseRequest { known_at_ms: now_ms(), ..case(GIVEN) },
        v1::GetCaseRequest { at_ms: now_ms() + 2 * 86_400_000, ..case(GIVEN) },
    );
    for past in [at(scene.decided), known, occurred] {
        assert_eq!(codes(&scene.look(FIRST, past.clone()).await.unwrap().view.unwrap())[0], [""; 0], "{past:?}");
        assert!(scene.look(SECOND, past.clone()).await.is_none(), "{past:?}");
        assert_eq!(codes(&scene.look(OFFICE, past).await.unwrap().view.unwrap())[0], ["decided"]);
    }
    scene.done(given_to(21, GIVEN, SECOND)).await;
    let second = scene.look(SECOND, at(scene.moved)).await.unwrap().view.unwrap();
    assert_eq!(codes(&second)[0], ["moved"], "it reads what was before");
    let first = scene.look(FIRST, at(scene.moved)).await;
    assert!(first.is_none(), "the one before does not go on reading: {first:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_and_counts_hold_what_their_reader_sees() {
    let scene = Scene::new().await;
    let list = async |authority: &str, filter: v1::CaseFilter| {
        let mut cases = scene.cases(authority).await;
        let request = v1::ListCasesRequest { filter: Some(filter.clone()), ..v1::ListCasesRequest::default() };
        let listed = cases.list_cases(request).await.unwrap().into_inner().cases;
        let request = v1::CountCasesRequest { filter: Some(filter), ..v1::CountCasesRequest::default() };
        let counts = cases.count_cases(request).await.unwrap().into_inner().counts;
        let count: u64 = counts.iter().map(|count| count.count).sum();
        assert_eq!(count, listed.len() as u64, "{authority}: {listed:?}");
        listed.iter().map(|case| case.case_id[0]).collect::<Vec<_>>()
    };
    let all = v1::CaseFilter::default;
    assert_eq!(list(OFFICE, all()).await, [OWN, GIVEN, CORRECTED]);
    assert_eq!(list(FIRST, all()).await, [GIVEN, CORRECTED]);
    assert_eq!(list(COURT, all()).await, [GIVEN]);
    for other in [SECOND, STRANGER] {
        assert_eq!(list(other, all()).await, [0; 0], "{other}");
    }
    // A filter asks what the reader sees, so it cannot be used to find out the rest.
    let status = |status: &str| v1::CaseFilter { status: status.into(), ..all() };
    assert_eq!((list(OFFICE, status("decided")).await, list(FIRST, status("decided")).await), (vec![GIVEN], vec![]));
    let by = v1::CaseFilter { authority: OFFICE.into(), ..all() };
    assert_eq!((list(FIRST, by.clone()).await, list(COURT, by).await), (vec![GIVEN, CORRECTED], vec![]));
    let due = v1::CaseFilter { due_before_ms: u64::MAX, ..all() };
    assert_eq!((list(FIRST, due.clone()).await, list(COURT, due).await), (vec![GIVEN], vec![]));
    let grouped =
        |grouping: v1::CaseGrouping| v1::CountCasesRequest { grouping: grouping.into(), ..Default::default() };
    let counts = scene.cases(FIRST).await.count_cases(grouped(v1::CaseGrouping::Status)).await.unwrap().into_inner();
    assert_eq!(counts.counts, [v1::CaseCount { key: "moved".into(), count: 1 }], "of the third case");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_those_of_reports_that_their_reader_sees() {
    let scene = Scene::new().await;
    assert_eq!(told(&scene.events(OFFICE, &[]).await).len(), 8);
    for other in [SECOND, COURT, STRANGER] {
        assert_eq!(scene.events(other, &[]).await, [], "{other}");
    }
    let first = scene.events(FIRST, &[]).await;
    // That what it was told no longer stands, it is told, but not what stands instead.
    assert_eq!(told(&first), ["report", "report", "report", ""]);
    let [given, wrong, _, corrected] = first.as_slice() else { panic!("{first:?}") };
    assert_eq!((given.case_id[0], wrong.case_id[0], &corrected.slot), (GIVEN, CORRECTED, &wrong.slot));
    assert_eq!(told(&scene.events(OFFICE, &[CORRECTED; 16]).await), ["report", "report", "report", "correct"]);
    assert_eq!(scene.events(FIRST, &[CORRECTED; 16]).await, first[1..]);
    assert_eq!(scene.events(FIRST, &[OWN; 16]).await, []);

    // Pages are filled with what is seen, and the feed tells the same and how far it is.
    let mut cases = scene.cases(FIRST).await;
    let (mut pages, mut after_cursor) = (Vec::new(), String::new());
    loop {
        let request = v1::ListEventsRequest { page_size: 1, after_cursor, ..v1::ListEventsRequest::default() };
        let page = cases.list_events(request).await.unwrap().into_inner();
        pages.extend(page.events);
        after_cursor = page.next_cursor;
        if !page.more {
            break;
        }
    }
    assert_eq!(pages, first);
    for (authority, expected) in [(FIRST, first), (STRANGER, Vec::new())] {
        use v1::watch_events_request::Start;
        use v1::watch_events_response::Message;
        let start = Some(Start::FromBeginning(true));
        let request = v1::WatchEventsRequest { start, ..v1::WatchEventsRequest::default() };
        let mut feed = scene.cases(authority).await.watch_events(request).await.unwrap().into_inner();
        let mut seen = Vec::new();
        while let Some(Message::Event(event)) = feed.message().await.unwrap().unwrap().message {
            seen.push(event);
        }
        assert_eq!(seen, expected, "{authority}, up to where it has caught up");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proof_opens_what_its_reader_sees_and_holds() {
    let scene = Scene::new().await;
    let prove = async |authority: &str, fields: &[u32]| {
        let request = v1::GetProofRequest { case_id: vec![GIVEN; 16], fields: fields.to_vec(), read_at: None };
        let proof = scene.cases(authority).await.get_proof(request).await.map_err(|status| reason(&status))?;
        let proof = convert::proof_from(&proof.into_inner().proof.unwrap()).unwrap();
        proof.verify(&LightClient::new(&scene.node.genesis)).unwrap();
        assert!(proof.root.is_some());
        Ok::<Vec<u32>, String>(proof.fields.iter().map(|field| u32::from(field.index)).collect())
    };
    // The one track is field 16. Every lock of this process (4) is of all three, every marker (9) of the office. Fields
    // that nothing is written to are open.
    let open = |closed: &[u32]| (0..=31).filter(|field| !closed.contains(field)).collect::<Vec<u32>>();
    assert_eq!(prove(OFFICE, &[]).await, Ok(open(&[1, 2, 3, 5, 6, 7, 8, 10, 11])));
    for authority in [FIRST, COURT] {
        assert_eq!(prove(authority, &[]).await, Ok(open(&[1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 16])), "{authority}");
    }
    assert_eq!(prove(OFFICE, &[0, 16]).await, Ok(vec![0, 16]));
    for closed in [5, 8, 10, 16] {
        assert_eq!(prove(FIRST, &[0, closed]).await, Err("FIELD_NOT_SHOWN".into()), "{closed}");
    }
    for other in [SECOND, STRANGER] {
        assert_eq!(prove(other, &[]).await, Err("CASE_NOT_FOUND".into()), "{other}");
    }
    let with_proof = v1::GetCaseRequest { include_proof: true, ..case(GIVEN) };
    let answer = scene.look(FIRST, with_proof.clone()).await.unwrap();
    let proof = convert::proof_from(&answer.proof.unwrap()).unwrap();
    proof.verify(&LightClient::new(&scene.node.genesis)).unwrap();
    assert!(proof.fields.iter().all(|field| field.index != 16), "{:?}", proof.fields);
    assert!(scene.look(SECOND, with_proof).await.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn explanations_and_inboxes_tell_no_report_of_others() {
    let scene = Scene::new().await;
    let explain = async |authority: &str| {
        let request = v1::ExplainCaseRequest { case_id: vec![GIVEN; 16], ..v1::ExplainCaseRequest::default() };
        let answer = ProcessServiceClient::new(scene.node.connect(authority).await).explain_case(request).await;
        answer.map(|answer| answer.into_inner().explanations).map_err(|status| reason(&status))
    };
    let codes = |all: &[v1::Explanation]| all.iter().map(|one| one.code.clone()).collect::<Vec<_>>();
    let (office, first) = (explain(OFFICE).await.unwrap(), explain(FIRST).await.unwrap());
    assert_eq!(
        (codes(&office), codes(&first)),
        (vec!["check".into(), "appeal".into()], vec!["news".into(), "serve".into(), "appeal".into()])
    );
    // Both see the deadline and by which rule; of the decision that started it only the office is told.
    let reason_of = |all: &[v1::Explanation]| all.iter().find(|one| one.code == "appeal").unwrap().reasons[0].clone();
    let (told, withheld) = (reason_of(&office), reason_of(&first));
    assert_eq!((told.authority.as_str(), told.withheld, told.slot.as_slice()), (OFFICE, false, scene.slot.as_slice()));
    assert_eq!((withheld.authority.as_str(), withheld.withheld, &withheld.slot), ("", true, &told.slot));
    assert!(withheld.occurred.is_none() && withheld.rule == told.rule);
    for other in [SECOND, STRANGER] {
        assert_eq!(explain(other).await, Err("CASE_NOT_FOUND".into()), "{other}");
    }
    for (authority, tasks, notices, deadlines) in
        [(OFFICE, 3, 0, 1), (FIRST, 1, 1, 1), (SECOND, 0, 0, 0), (COURT, 0, 1, 0), (STRANGER, 0, 0, 0)]
    {
        let mut client = TaskServiceClient::new(scene.node.connect(authority).await);
        let found = [
            client.list_tasks(v1::ListTasksRequest::default()).await.unwrap().into_inner().tasks.len(),
            client.list_notices(v1::ListNoticesRequest::default()).await.unwrap().into_inner().notices.len(),
            client.list_deadlines(v1::ListDeadlinesRequest::default()).await.unwrap().into_inner().deadlines.len(),
        ];
        assert_eq!(found, [tasks, notices, deadlines], "{authority}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_block_holds_the_items_that_are_its_readers() {
    let scene = Scene::new().await;
    let items = async |authority: &str, height: u64| {
        let mut ledger = LedgerServiceClient::new(scene.node.connect(authority).await);
        let block = ledger.get_block(v1::GetBlockRequest { height }).await.unwrap().into_inner();
        let signed = block.transactions[0].transaction.clone().unwrap();
        let payload = Payload::decode(&signed.payload).unwrap();
        assert_eq!(payload.item_digests.len(), signed.items.len(), "the digests stay");
        for (digest, item) in payload.item_digests.iter().zip(&signed.items).filter(|(_, item)| !item.is_empty()) {
            assert_eq!(*digest, ItemDigest::of(item));
        }
        signed.items.iter().filter(|item| !item.is_empty()).count()
    };
    for (authority, of_moved, of_decided) in
        [(OFFICE, 1, 1), (FIRST, 1, 0), (SECOND, 0, 0), (COURT, 0, 0), (STRANGER, 0, 0)]
    {
        let found = (items(authority, scene.moved).await, items(authority, scene.decided).await);
        assert_eq!(found, (of_moved, of_decided), "{authority}");
    }
}

/// In language 1 there is nobody who holds a role in a case: the lists of a status say it all. Views are kept, by reader.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_rules_a_status_names_its_readers() {
    let cards = vec![
        card(OFFICE, "asylum_office", 10, OFFICE),
        card(FIRST, "foreigners_authority", 20, OFFICE),
        card(COURT, "federal_police", 30, OFFICE),
    ];
    let node = Node::of(genesis_with(cards, laufzettel_contracts::ASYL_DE)).await;
    let scene = Scene { node, moved: 0, decided: 0, slot: Vec::new() };
    // `application_lodged` is told to the foreigners authority, not to the police.
    scene.done(super::report(1, OWN)).await;
    for _ in 0..2 {
        let office = scene.look(OFFICE, case(OWN)).await.unwrap().view.unwrap();
        assert_eq!((office.tracks.len(), office.partial, office.history_count), (1, false, 1));
        let first = scene.look(FIRST, case(OWN)).await.unwrap().view.unwrap();
        assert_eq!((first.tracks.len(), first.partial, first.history_count), (1, true, 0));
        assert!(scene.look(COURT, case(OWN)).await.is_none());
    }
    let request = v1::GetCaseRequest { include_proof: true, ..case(OWN) };
    let answer = scene.look(OFFICE, request).await.unwrap();
    let proof = convert::proof_from(&answer.proof.unwrap()).unwrap();
    proof.verify(&LightClient::new(&scene.node.genesis)).unwrap();
    assert_eq!(proof.fields.len(), 32, "who sees all that the process knows may have all of it opened");
    assert_eq!(scene.events(FIRST, &[]).await.len(), 1);
    assert_eq!(scene.events(COURT, &[]).await, []);
}
