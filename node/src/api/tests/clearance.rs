//! Clearance checks through the API: no lock is known only where the sources' beats say so, a lock is told and proven, and
//! what the answer proves falls with any part of it.

use laufzettel_chain::ids::{BlockId, CaseId};
use laufzettel_chain::vote::{Beat, Signed};

use super::*;
use crate::api::backend::HeardBeat;
use crate::clearance::{ClearanceError, verify};

fn asylum() -> Arc<Genesis> {
    genesis_of(["asylum_office", "foreigners_authority"], laufzettel_contracts::ASYL_DE_2)
}

/// The state of a node that has heard this beat of its own, far above every block.
fn heard(genesis: &Genesis, oldest_pending_lock_ms: u64, age_ms: u64) -> NodeState {
    let beat = Beat {
        network: genesis.network,
        incarnation: 0,
        authority: "de-bamf".into(),
        sequence: 1,
        time_ms: now_ms(),
        height: 1_000,
        block: BlockId([3; 32]),
        oldest_pending_lock_ms,
    };
    let beats = BTreeMap::from([("de-bamf".into(), HeardBeat { beat: Signed::new(beat, &key(11)), age_ms })]);
    NodeState { sync: Sync::InSync, at_ms: now_ms(), beats, ..NodeState::default() }
}

/// A node with a case of the whole procedure.
async fn node_with_case(state: impl FnOnce(&Genesis) -> NodeState) -> (Node, Channel) {
    let genesis = asylum();
    let state = state(&genesis);
    let node = Node::in_state(genesis, state).await;
    let channel = node.connect("de-bamf").await;
    let open = Some(v1::OpenCase { definition: "asyl-de".into(), definition_version: 2 });
    reported(&channel, v1::ReportStatusRequest { open, ..report(1, 7) }).await;
    (node, channel)
}

async fn reported(channel: &Channel, request: v1::ReportStatusRequest) {
    let answer = SubmissionServiceClient::new(channel.clone()).report_status(request).await.unwrap().into_inner();
    let outcome = answer.outcome.unwrap();
    assert!(outcome.receipts.iter().all(|receipt| receipt.applied), "{outcome:?}");
}

async fn check(channel: &Channel, id: u8, status: &str) -> Result<v1::CheckClearanceResponse, Status> {
    let (transaction_id, case_id) = (vec![id; 16], vec![7; 16]);
    let request = v1::CheckClearanceRequest { transaction_id, case_id, status: status.into() };
    Ok(CaseServiceClient::new(channel.clone()).check_clearance(request).await?.into_inner())
}

fn proves(genesis: &Genesis, answer: &v1::CheckClearanceResponse) -> Result<Option<u64>, ClearanceError> {
    proves_of(genesis, "removal_scheduled", answer)
}

fn proves_of(
    genesis: &Genesis,
    status: &str,
    answer: &v1::CheckClearanceResponse,
) -> Result<Option<u64>, ClearanceError> {
    let proven = verify(genesis, (&CaseId([7; 16]), status), answer)?;
    assert!(proven.iter().all(|proven| proven.process == ("asyl-de".to_owned(), 2) && !proven.voted));
    Ok(proven.map(|proven| proven.height))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_old_beats_and_what_waits_are_no_clearance() {
    let silent = |_: &Genesis| NodeState { sync: Sync::InSync, at_ms: now_ms(), ..NodeState::default() };
    let (node, channel) = node_with_case(silent).await;
    let answer = check(&channel, 2, "removal_scheduled").await.unwrap();
    assert_eq!(answer.verdict(), v1::ClearanceVerdict::NotCurrent);
    let source = &answer.sources[0];
    assert_eq!((source.authority.as_str(), source.state()), ("de-bamf", v1::SourceState::Silent));
    assert_eq!(
        (answer.sources.len(), source.roles.join(" ")),
        (1, "asylum_office".into()),
        "the other may lock nothing"
    );
    let text = answer.explanation.clone().unwrap();
    assert!(text.en.contains(&source.labels.clone().unwrap().en) && text.en.contains("no legal finding"), "{text:?}");
    assert_eq!(proves(&node.genesis, &answer), Ok(None));
    // Only who has a role in the process may ask, and only about what it knows.
    let unknown = check(&channel, 3, "no_such_status").await.unwrap_err();
    assert_eq!(reason(&unknown), "STATUS_UNKNOWN");

    for (waits, age_ms, state) in [(false, 15_001, v1::SourceState::Old), (true, 0, v1::SourceState::Pending)] {
        let since_ms = if waits { now_ms() - 2_001 } else { 0 };
        let (_node, channel) = node_with_case(|genesis| heard(genesis, since_ms, age_ms)).await;
        let answer = check(&channel, 2, "removal_scheduled").await.unwrap();
        assert_eq!((answer.verdict(), answer.sources[0].state()), (v1::ClearanceVerdict::NotCurrent, state));
    }
}

fn process_of(answer: &mut v1::CheckClearanceResponse) -> &mut v1::Proof {
    answer.process.as_mut().unwrap().case.as_mut().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clearance_is_proven_and_falls_with_any_part_of_its_proof() {
    let (node, channel) = node_with_case(|genesis| heard(genesis, 0, 0)).await;
    let answer = check(&channel, 2, "removal_scheduled").await.unwrap();
    assert_eq!(answer.verdict(), v1::ClearanceVerdict::NoLockKnown, "{answer:?}");
    let height = answer.outcome.as_ref().unwrap().height;
    assert_eq!(proves(&node.genesis, &answer), Ok(Some(height)));
    // It answers this question and no other.
    let other = verify(&node.genesis, (&CaseId([7; 16]), "removal_executed"), &answer);
    assert_eq!(other, Err(ClearanceError::Question));
    assert!(verify(&node.genesis, (&CaseId([8; 16]), "removal_scheduled"), &answer).is_err());
    type Change = fn(&mut v1::CheckClearanceResponse);
    let changes: [(&str, Change); 13] = [
        ("another verdict", |answer| answer.set_verdict(v1::ClearanceVerdict::Locked)),
        ("no beat", |answer| answer.sources.clear()),
        ("a forged beat", |answer| *answer.sources[0].beat.last_mut().unwrap() ^= 1),
        ("another receipt", |answer| *answer.proof.as_mut().unwrap().receipt.last_mut().unwrap() = 1),
        ("another place", |answer| answer.proof.as_mut().unwrap().index += 1),
        ("another check", |answer| answer.outcome.as_mut().unwrap().receipts[0].item_digest[0] ^= 1),
        ("no item", |answer| answer.item.clear()),
        ("an item that was changed", |answer| *answer.item.last_mut().unwrap() ^= 1),
        ("no process", |answer| answer.process = None),
        ("a list that was changed", |answer| answer.process.as_mut().unwrap().register = vec![0; 17]),
        ("another identity", |answer| process_of(answer).fields[0].value[20] ^= 1),
        ("another case", |answer| process_of(answer).case_id[0] ^= 1),
        ("another header", |answer| answer.proof.as_mut().unwrap().head.as_mut().unwrap().header[45] ^= 1),
    ];
    for (what, change) in changes {
        let mut changed = answer.clone();
        change(&mut changed);
        assert!(proves(&node.genesis, &changed).is_err(), "{what}");
    }

    // The motion, and what the same questions are answered now.
    let motion = v1::ReportStatusRequest { open: None, status: "interim_relief_filed".into(), ..report(4, 7) };
    reported(&channel, motion).await;
    let locked = check(&channel, 5, "removal_scheduled").await.unwrap();
    assert_eq!(locked.verdict(), v1::ClearanceVerdict::Locked);
    assert_eq!(locked.locks[0].code, "interim_relief_stop");
    assert!(proves(&node.genesis, &locked).unwrap().is_some());
    // Under which process the case stood before the check says nothing of the check.
    let old = v1::CheckClearanceResponse { process: answer.process.clone(), ..locked.clone() };
    assert!(matches!(proves(&node.genesis, &old), Err(ClearanceError::OldProcess { .. })));
    let mut denied = locked.clone();
    denied.set_verdict(v1::ClearanceVerdict::NoLockKnown);
    assert!(proves(&node.genesis, &denied).is_err(), "a lock is not talked away");
    let repeated = check(&channel, 2, "removal_scheduled").await.unwrap();
    assert_eq!(repeated.verdict(), v1::ClearanceVerdict::Locked, "an old receipt is no answer of today");
}

/// A lock refuses the announcement and marks the fact: whoever asks about the fact is told of it, too. What no lock is
/// about cannot be asked, neither at the node nor of an answer that somebody passes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_stands_against_the_fact_that_it_marks_and_of_the_rest_nobody_is_told_that_none_does() {
    let (node, channel) = node_with_case(|genesis| heard(genesis, 0, 0)).await;
    let free = check(&channel, 2, "removal_executed").await.unwrap();
    assert_eq!(free.verdict(), v1::ClearanceVerdict::NoLockKnown, "{free:?}");
    let asked: Vec<&str> = free.sources.iter().map(|source| source.authority.as_str()).collect();
    assert_eq!(asked, ["de-bamf"], "who may raise a lock that marks it is asked");
    assert!(proves_of(&node.genesis, "removal_executed", &free).unwrap().is_some());
    let silent = v1::CheckClearanceResponse { sources: Vec::new(), ..free };
    assert!(proves_of(&node.genesis, "removal_executed", &silent).is_err(), "without their beats it proves nothing");
    for (id, status) in [(3, "hearing_held"), (4, "decision_final")] {
        let refused = check(&channel, id, status).await.unwrap_err();
        assert_eq!(reason(&refused), "NOT_LOCKABLE", "{refused}");
        for known in ["removal_scheduled", "removal_executed", "enforcement_announcement"] {
            assert!(refused.message().contains(known), "{known} may be asked: {refused}");
        }
        let about = verify(&node.genesis, (&CaseId([7; 16]), status), &silent);
        assert_eq!(about, Err(ClearanceError::Lockable(status.to_owned())));
    }

    let motion = v1::ReportStatusRequest { open: None, status: "interim_relief_filed".into(), ..report(5, 7) };
    reported(&channel, motion).await;
    for (id, status) in [(6, "removal_executed"), (7, "enforcement_announcement"), (8, "dublin_transfer_scheduled")] {
        let locked = check(&channel, id, status).await.unwrap();
        assert_eq!((locked.verdict(), locked.locks.len()), (v1::ClearanceVerdict::Locked, 1), "{status}");
        assert!(locked.locks[0].alarms.contains(&"removal_executed".to_owned()), "{:?}", locked.locks);
        assert!(proves_of(&node.genesis, status, &locked).unwrap().is_some(), "{status}");
        let mut denied = locked.clone();
        denied.set_verdict(v1::ClearanceVerdict::NoLockKnown);
        assert!(proves_of(&node.genesis, status, &denied).is_err(), "a lock is not talked away");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_stopped_learns_the_verdict_and_no_more() {
    let cards =
        vec![card("de-bamf", "asylum_office", 10, "de-bamf"), card("sn-health", "health_office", 20, "de-bamf")];
    let genesis = genesis_with(cards, laufzettel_contracts::ASYL_DE_2);
    let state = heard(&genesis, 0, 0);
    let node = Node::in_state(genesis, state).await;
    let office = node.connect("de-bamf").await;
    let open = Some(v1::OpenCase { definition: "asyl-de".into(), definition_version: 2 });
    reported(&office, v1::ReportStatusRequest { open, ..report(1, 7) }).await;
    let motion = v1::ReportStatusRequest { open: None, status: "interim_relief_filed".into(), ..report(4, 7) };
    reported(&office, motion).await;
    let health = node.connect("sn-health").await;
    for (channel, id, locks) in [(&office, 5, 1), (&health, 6, 0)] {
        let answer = check(channel, id, "removal_scheduled").await.unwrap();
        assert_eq!((answer.verdict(), answer.locks.len()), (v1::ClearanceVerdict::Locked, locks));
        assert!(proves(&node.genesis, &answer).unwrap().is_some(), "the verdict is proven to both");
    }
}
