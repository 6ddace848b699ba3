//! An urgent report that a node has taken outlives the node: killed with the report in its mempool and nobody to hand it to,
//! it raises the alarm again when it is back, and hands the report over without its client.

use std::path::Path;
use std::time::Duration;

use laufzettel_chain::ids::{CaseId, TransactionId};
use laufzettel_chain::item::Action;
use laufzettel_contracts::{Code, Report, When};
use laufzettel_node::clock;
use laufzettel_node::localnet::{FOUR_AUTHORITIES, Template};
use laufzettel_proto::v1;
use tokio::time::Instant;

use super::inbox::Clerk;
use super::turn;
use crate::cluster::Cluster;

const OFFICE: &str = "de-bamf";
const OTHERS: [&str; 3] = ["sn-lds", "sn-dresden", "de-bpol"];
const PATIENCE: Duration = Duration::from_secs(60);
const ID: &str = "0d9c7c4e-2f0a-4c43-9a55-3f2f1be7a0aa";

/// Alarms of the office's node as it tells them; `since_ms` of each.
fn alarms(office: &Clerk) -> Vec<u64> {
    let (_, status) = office.try_to(&["status"]);
    let all = status["alarms"].as_array().cloned().unwrap_or_default();
    all.iter().map(|alarm| alarm["since_ms"].as_u64().unwrap()).collect()
}

async fn until<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "not within {} s: {what}", PATIENCE.as_secs());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// A network of four, a clerk of the office, and a case that it has opened.
async fn network(folder: &Path) -> (Cluster, Clerk, String) {
    let members = FOUR_AUTHORITIES.iter().map(Template::member).collect();
    let mut cluster = Cluster::make(folder, "kept", members, vec![include_str!("stop.toml").to_owned()]).unwrap();
    cluster.start().await.unwrap();
    let office = Clerk::of(&cluster, OFFICE);
    let opened = office.does(&["submit", "--status", "application_made", "--open", "stop@1"]);
    (cluster, office, opened["case"].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_urgent_report_and_its_alarm_outlive_a_killed_node() {
    let _turn = turn().await;
    let folder = tempfile::tempdir().unwrap();
    let (mut cluster, office, case) = network(&folder.path().join("network")).await;
    let kept = cluster.net.node_folder(OFFICE).join("data/urgent");
    let files = || std::fs::read_dir(&kept).unwrap().count();
    assert_eq!(files(), 0, "an application sets no lock");

    for node in OTHERS {
        cluster.kill(node).unwrap();
    }
    let filed =
        ["submit", "--case", &case, "--status", "subsequent_application_filed", "--id", ID, "--wait", "accepted"];
    office.does(&filed);
    assert_eq!(files(), 1, "it is on the disk before the client is told");
    cluster.kill(OFFICE).unwrap();
    cluster.launch(OFFICE).unwrap();
    // The alarm counts from when the report was taken, before the kill.
    let since_ms = until("the alarm is back", || alarms(&office).first().copied()).await;
    let taken_ms = std::fs::read_dir(&kept).unwrap().next().unwrap().unwrap().metadata().unwrap().modified().unwrap();
    let taken_ms = taken_ms.duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    assert!(u128::from(since_ms).abs_diff(taken_ms) < 2_000, "{since_ms} {taken_ms}");
    let mut client = cluster.connect(OFFICE, OFFICE).await.unwrap();
    let transaction_id = uuid(ID);
    let request = v1::GetTransactionRequest { transaction_id, ..v1::GetTransactionRequest::default() };
    let told = client.submission.get_transaction(request.clone()).await.unwrap().into_inner().outcome.unwrap();
    assert_eq!(told.state(), v1::TransactionState::Pending, "it is known, though the client never came again");

    // The others are back: it becomes final by itself, and nothing of it stays.
    cluster.start().await.unwrap();
    cluster.await_in_sync(OFFICE).await.unwrap();
    let locks = |shown: &serde_json::Value| shown["effects"]["locks"].as_array().is_some_and(|locks| locks.len() == 1);
    office.sees(&["case", "show", &case], locks).await;
    let told = client.submission.get_transaction(request).await.unwrap().into_inner().outcome.unwrap();
    assert!(told.state() == v1::TransactionState::Final && told.receipts[0].applied, "{told:?}");
    until("the alarm has ended and the file is gone", || (alarms(&office).is_empty() && files() == 0).then_some(()))
        .await;
    cluster.stop().unwrap();
}

/// One that comes back after its end can never be committed: its node says so, and goes on saying so for a day.
#[tokio::test(flavor = "multi_thread")]
async fn an_urgent_report_that_ended_while_its_node_was_down_is_told_as_lost() {
    let _turn = turn().await;
    let folder = tempfile::tempdir().unwrap();
    let (mut cluster, office, case) = network(&folder.path().join("network")).await;
    let case = CaseId::parse(&case).unwrap();
    for node in OTHERS {
        cluster.kill(node).unwrap();
    }
    let (id, end_ms) = (TransactionId([9; 16]), clock::now_ms() + 5_000);
    let today = i32::try_from(clock::now_ms() / 86_400_000).unwrap();
    let report = Report::new(Code::new("subsequent_application_filed").unwrap(), When::Day(today));
    let signed = cluster.author(OFFICE).unwrap().sign(id, end_ms, &[(case, Action::Report(report), [7; 16])]);
    let mut client = cluster.connect(OFFICE, OFFICE).await.unwrap();
    let wait = v1::WaitPolicy::Accepted.into();
    let request = v1::SubmitTransactionRequest { transaction: Some(signed.to_proto()), wait };
    let taken = client.submission.submit_transaction(request).await.unwrap().into_inner().outcome.unwrap();
    assert_eq!(taken.state(), v1::TransactionState::Pending);
    cluster.kill(OFFICE).unwrap();
    tokio::time::sleep(Duration::from_millis(end_ms.saturating_sub(clock::now_ms()) + 500)).await;
    cluster.start().await.unwrap();
    cluster.await_in_sync(OFFICE).await.unwrap();

    let lost = || {
        let (_, status) = office.try_to(&["status"]);
        let alarm = status["alarms"].as_array()?.first().cloned()?;
        alarm["lost"].as_str().filter(|lost| !lost.is_empty()).map(ToOwned::to_owned)
    };
    assert!(until("the alarm says that it is lost", lost).await.to_lowercase().contains("expired"));
    let kept = cluster.net.node_folder(OFFICE).join("data/urgent");
    let files = || std::fs::read_dir(&kept).unwrap().count();
    assert_eq!(files(), 1, "the next start must tell it, too");
    // The next block is later than its end.
    office.does(&["submit", "--status", "application_made", "--open", "stop@1"]);
    let mut client = cluster.connect(OFFICE, OFFICE).await.unwrap();
    let request = v1::GetTransactionRequest { transaction_id: id.0.to_vec(), ..v1::GetTransactionRequest::default() };
    let told = client.submission.get_transaction(request).await.unwrap().into_inner().outcome.unwrap();
    assert_eq!(told.state(), v1::TransactionState::Expired, "{told:?}");
    let shown = office.does(&["case", "show", &case.to_string()]);
    assert_eq!(shown["effects"]["locks"], serde_json::json!([]), "nothing of it stands");
    cluster.stop().unwrap();
}

fn uuid(text: &str) -> Vec<u8> {
    let digits: String = text.chars().filter(|sign| *sign != '-').collect();
    (0..16).map(|place| u8::from_str_radix(&digits[2 * place..2 * place + 2], 16).unwrap()).collect()
}
