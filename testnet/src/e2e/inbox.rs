//! What one authority reports reaches the inbox of another on that one's node: lock, urgent notice, task; and what it
//! answers is seen by all. By the command line as a clerk would, and by the feed as a case system would.

use std::time::Duration;

use laufzettel_node::client::Client;
use laufzettel_node::localnet::FOUR_AUTHORITIES;
use laufzettel_proto::v1;
use serde_json::Value;
use tokio::time::{Instant, timeout};
use tonic::Streaming;

use super::hanging::does;
use super::{command, turn};
use crate::cluster::Cluster;

const PATIENCE: Duration = Duration::from_secs(60);
const OFFICE: &str = "de-bamf";
const FOREIGNERS: &str = "sn-dresden";
const POLICE: &str = "de-bpol";

/// The network of four with a process that has rules, and the shipped one that has none.
fn cluster(folder: &std::path::Path) -> Cluster {
    let members = FOUR_AUTHORITIES.iter().map(laufzettel_node::localnet::Template::member).collect();
    let definitions = vec![include_str!("stop.toml").to_owned(), laufzettel_contracts::ASYL_DE.to_owned()];
    Cluster::make(&folder.join("network"), "inbox", members, definitions).unwrap()
}

/// A clerk of an authority at the command line: exit code and what was printed, as JSON if it is.
pub(super) struct Clerk {
    pub(super) profile: String,
}

impl Clerk {
    pub(super) fn of(cluster: &Cluster, authority: &str) -> Self {
        Self { profile: cluster.net.profile(authority).display().to_string() }
    }
    pub(super) fn try_to(&self, arguments: &[&str]) -> (Option<i32>, Value) {
        let (code, out) = command(&[arguments, &["--profile", &self.profile, "--output", "json"]].concat());
        (code, serde_json::from_str(&out).unwrap_or(Value::String(out)))
    }
    #[track_caller]
    pub(super) fn does(&self, arguments: &[&str]) -> Value {
        let (code, out) = self.try_to(arguments);
        assert_eq!(code, Some(0), "{arguments:?}: {out}");
        out
    }
    /// Asks until the answer holds, since another node's block may be on its way.
    pub(super) async fn sees(&self, arguments: &[&str], holds: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (code, answer) = self.try_to(arguments);
            if code == Some(0) && holds(&answer) {
                return answer;
            }
            assert!(Instant::now() < deadline, "{arguments:?}: {code:?}, {answer}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Codes of a list's entries.
fn codes(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap()).collect()
}

/// The inbox feed of an authority.
struct Feed {
    stream: Streaming<v1::WatchInboxResponse>,
    cursor: String,
}

impl Feed {
    async fn start(client: &mut Client, after_cursor: &str) -> Self {
        let request = v1::WatchInboxRequest { after_cursor: after_cursor.to_owned(), checkpoint_interval_ms: 0 };
        let stream = client.tasks.watch_inbox(request).await.unwrap().into_inner();
        Self { stream, cursor: String::new() }
    }
    /// Messages up to the next one that says how far the feed is, in short: `+` came, `=` was there before, `-` has gone.
    async fn next(&mut self) -> Vec<String> {
        use v1::inbox_entry::What;
        use v1::watch_inbox_response::Message;
        let mut shown = Vec::new();
        loop {
            let message = timeout(PATIENCE, self.stream.message()).await.unwrap().unwrap().unwrap().message.unwrap();
            match message {
                Message::Entry(entry) => {
                    let sign = if entry.earlier { "=" } else { "+" };
                    shown.push(match entry.what.unwrap() {
                        What::Task(task) => format!("{sign}task {}", task.code),
                        What::Notice(notice) => format!("{sign}notice {}", notice.code),
                    });
                }
                Message::Gone(gone) => {
                    assert_eq!(gone.effect_id.len(), 16);
                    shown.push("-".to_owned());
                }
                Message::CaughtUp(progress) | Message::Checkpoint(progress) => {
                    self.cursor = progress.cursor;
                    shown.sort();
                    return shown;
                }
                Message::Overfull(_) => panic!("two entries are not too many"),
            }
        }
    }
    /// As `next`, without the ones in which nothing happened.
    async fn news(&mut self) -> Vec<String> {
        loop {
            let news = self.next().await;
            if !news.is_empty() {
                return news;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_authority_reports_another_finds_in_its_inbox_and_answers() {
    let _turn = turn().await;
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = cluster(folder.path());
    cluster.start().await.unwrap();
    let [office, foreigners, police] = [OFFICE, FOREIGNERS, POLICE].map(|id| Clerk::of(&cluster, id));
    let mut client = cluster.door(FOREIGNERS).open().await.unwrap();
    let mut feed = Feed::start(&mut client, "").await;
    assert_eq!(feed.next().await, [""; 0], "nothing has happened yet");

    let opened = office.does(&["submit", "--status", "application_made", "--open", "stop@1"]);
    let case = opened["case"].as_str().unwrap().to_owned();
    foreigners.sees(&["case", "list"], |cases| !cases.as_array().unwrap().is_empty()).await;
    foreigners.does(&["submit", "--case", &case, "--status", "removal_scheduled"]);
    office.does(&["submit", "--case", &case, "--status", "subsequent_application_filed"]);

    arrives(&foreigners, &police, &case).await;
    assert_eq!(feed.news().await, ["+notice stop_removal", "+task cancel_removal"]);
    let cursor = feed.cursor.clone();

    // The lock holds at the other node.
    let stopped = does(&cluster, FOREIGNERS, &["submit", "--case", &case, "--status", "removal_scheduled"]);
    assert_eq!(stopped.code, Some(1), "a lock stops it");
    for told in ["Stop of removals", "subsequent_application_filed", OFFICE] {
        assert!(stopped.said.contains(told), "{told:?} is not in {}", stopped.said);
    }

    let notice = answers(&foreigners, &case).await;
    let mut gone = feed.news().await;
    if gone.len() < 2 {
        gone.extend(feed.news().await);
    }
    assert_eq!(gone, ["-", "-"], "acknowledged and done");
    // Who comes back with a cursor gets what is there: nothing. Another's inbox was not touched.
    assert_eq!(Feed::start(&mut client, &cursor).await.next().await, [""; 0]);
    let mut at_police = cluster.door(POLICE).open().await.unwrap();
    assert_eq!(Feed::start(&mut at_police, "").await.next().await, ["+notice stop_removal"]);
    assert_eq!(Feed::start(&mut at_police, &feed.cursor).await.next().await, ["=notice stop_removal"]);

    // A second acknowledgement is refused, as is one of an authority it was not for.
    assert_eq!(foreigners.try_to(&["notices", "ack", &case, &notice]).0, Some(1));
    assert_eq!(office.try_to(&["notices", "ack", &case, &notice]).0, Some(1));

    shown_to_each(&cluster, (&office, &foreigners, &police), &case);
    explained(&office, &case);
    without_rules(&cluster);
    cluster.stop().unwrap();
}

/// Lock, urgent notice and task are there on the node of the foreigners authority; the police has the notice alone.
async fn arrives(foreigners: &Clerk, police: &Clerk, case: &str) {
    let list = foreigners.sees(&["notices", "list", "--to-acknowledge"], |list| !codes(list).is_empty()).await;
    assert_eq!(
        (codes(&list), &list[0]["urgent"], &list[0]["case"]),
        (vec!["stop_removal"], &true.into(), &case.into())
    );
    let tasks = foreigners.does(&["tasks", "list"]);
    assert_eq!((codes(&tasks), &tasks[0]["authority"]), (vec!["cancel_removal"], &FOREIGNERS.into()));
    assert_eq!(codes(&foreigners.does(&["tasks", "list", "--due-within", "P3D"])), ["cancel_removal"]);
    assert_eq!(codes(&foreigners.does(&["tasks", "list", "--overdue"])), [""; 0]);
    assert_eq!(foreigners.does(&["tasks", "show", case, "cancel_removal"])["state"], "TASK_STATE_OPEN");
    let counted = foreigners.does(&["tasks", "count"]);
    assert_eq!((&counted["tasks"]["all"], &counted["notices"]["all"]), (&1.into(), &1.into()), "{counted}");
    let shown = foreigners.does(&["case", "show", case]);
    let effects = &shown["effects"];
    assert_eq!(
        (codes(&effects["locks"]), &effects["locks"][0]["stops"][0]),
        (vec!["removal_stop"], &"removal_scheduled".into())
    );
    assert_eq!(effects["deadlines"], serde_json::json!([]), "the office watches it");
    police.sees(&["notices", "list", "--to-acknowledge"], |list| codes(list) == ["stop_removal"]).await;
    assert_eq!(codes(&police.does(&["tasks", "list"])), [""; 0]);
}

/// The foreigners authority acknowledges and completes; the id of the notice.
async fn answers(foreigners: &Clerk, case: &str) -> String {
    let list = foreigners.does(&["notices", "list", "--to-acknowledge"]);
    let notice = list[0]["effect"].as_str().unwrap().to_owned();
    // Repeated under one id it counts once, also where the code names what waits and the first call has answered it.
    let id = "0d9c7c4e-2f0a-4c43-9a55-3f2f1be7a000";
    for _ in 0..2 {
        let told = foreigners.does(&["notices", "ack", case, "stop_removal", "--id", id]);
        assert_eq!(told["receipts"][0]["applied"], true, "{told}");
    }
    assert_eq!(codes(&foreigners.does(&["notices", "list", "--to-acknowledge"])), [""; 0]);
    // Of two outcomes one has to be chosen, and it must be one of the two.
    assert_eq!(foreigners.try_to(&["tasks", "complete", case, "cancel_removal"]).0, Some(2));
    assert_eq!(foreigners.try_to(&["tasks", "complete", case, "cancel_removal", "--outcome", "forgotten"]).0, Some(1));
    // Repeated under one id it counts once.
    let task = foreigners.does(&["tasks", "list"])[0]["effect"].as_str().unwrap().to_owned();
    let id = "0d9c7c4e-2f0a-4c43-9a55-3f2f1be7a001";
    for named in [task.as_str(), task.as_str(), "cancel_removal"] {
        let done = foreigners.does(&["tasks", "complete", case, named, "--outcome", "cancelled", "--id", id]);
        assert_eq!(done["receipts"][0]["applied"], true, "{done}");
    }
    // Another call under that id is another matter.
    let (code, _) =
        foreigners.try_to(&["tasks", "complete", case, "cancel_removal", "--outcome", "not_needed", "--id", id]);
    assert_eq!(code, Some(1), "the id stands for another completion");
    assert_eq!(codes(&foreigners.does(&["tasks", "list"])), [""; 0]);
    notice
}

/// Each sees what the process names it for, at every door: who has answered only those whom it was asked of.
fn shown_to_each(cluster: &Cluster, (office, foreigners, police): (&Clerk, &Clerk, &Clerk), case: &str) {
    let shown = foreigners.does(&["case", "show", case]);
    let task = &shown["effects"]["tasks"][0];
    assert_eq!((&task["done_by"], &task["outcome"]), (&FOREIGNERS.into(), &"cancelled".into()), "{task}");
    let notice = &shown["effects"]["notices"][0];
    let answered: Vec<bool> = notice["recipients"]
        .as_array()
        .unwrap()
        .iter()
        .map(|recipient| recipient["acknowledged_ms"].as_u64().unwrap() > 0)
        .collect();
    assert_eq!(answered, [true, false], "the police has not answered: {notice}");
    let events = |clerk: &Clerk| clerk.does(&["case", "events", case]).as_array().unwrap().len();
    // The office is not told of the removal, nor of the work and the notices of others.
    let shown = office.does(&["case", "show", case]);
    let effects = &shown["effects"];
    assert_eq!((codes(&effects["tasks"]), codes(&effects["notices"])), (vec![], vec![]), "{shown}");
    assert_eq!((codes(&effects["deadlines"]), codes(&effects["locks"])), (vec!["examination"], vec!["removal_stop"]));
    assert_eq!((shown["tracks"].as_array().unwrap().len(), &shown["partial"]), (1, &true.into()), "{shown}");
    assert!(effects["deadlines"][0]["derivation"].as_array().unwrap().len() >= 3, "{shown}");
    // If nobody reports anything until then, it is over.
    let later = office.does(&["case", "show", case, "--as-of", "2027-12-31"]);
    assert_eq!(later["effects"]["deadlines"][0]["state"], "DEADLINE_STATE_ELAPSED", "{later}");
    // The police has its notice and nothing else.
    let shown = police.does(&["case", "show", case]);
    assert_eq!((codes(&shown["effects"]["notices"]), &shown["tracks"]), (vec!["stop_removal"], &serde_json::json!([])));
    assert_eq!((events(office), events(foreigners), events(police)), (2, 3, 0));
    // Who has no part in it does not learn that it is there.
    let stranger = Clerk::of(cluster, "sn-lds");
    assert_eq!(stranger.does(&["case", "list"]), serde_json::json!([]));
    for asked in [["case", "show", case], ["case", "explain", case]] {
        assert_eq!(stranger.try_to(&asked).0, Some(1), "{asked:?}");
    }
    assert_eq!(events(&stranger), 0);
    // A proof opens what its reader sees, and holds.
    let file = cluster.net.folder.join("office.proof").display().to_string();
    office.does(&["case", "show", case, "--proof", &file]);
    let genesis = cluster.net.folder.join("genesis.toml").display().to_string();
    let (code, text) = command(&["verify", &file, "--genesis", &genesis, "--output", "json"]);
    let proven: Value = serde_json::from_str(&text).unwrap();
    let fields: Vec<u64> =
        proven["fields"].as_array().unwrap().iter().map(|field| field["index"].as_u64().unwrap()).collect();
    // The procedure is track 20, the enforcement 26; 10 is the history, 5 the deadlines, which the office watches all.
    assert!(code == Some(0) && [5, 20].iter().all(|field| fields.contains(field)), "{fields:?}");
    assert!([6, 7, 10, 26].iter().all(|field| !fields.contains(field)), "{fields:?}");
}

/// The asylum office sees its deadline, and why all that is so.
fn explained(office: &Clerk, case: &str) {
    assert_eq!(codes(&office.does(&["deadlines", "list", "--due-within", "P30D"])), ["examination"]);
    assert_eq!(codes(&office.does(&["deadlines", "list", "--overdue"])), [""; 0]);
    let why = office.does(&["case", "explain", case, "removal_stop"]);
    let reason = &why["explanations"][0]["reasons"][0];
    assert_eq!(
        (&reason["rule"], &reason["trigger"], &reason["authority"]),
        (&"stop_at_subsequent_application".into(), &"subsequent_application_filed".into(), &OFFICE.into()),
        "{why}"
    );
    assert_eq!(office.try_to(&["case", "explain", case, "no_such_thing"]).0, Some(1));
    // What was decided releases the lock.
    office.does(&["submit", "--case", case, "--status", "decision_issued"]);
    let shown = office.does(&["case", "show", case]);
    assert_eq!(codes(&shown["effects"]["locks"]), [""; 0]);
    assert_eq!(shown["effects"]["deadlines"][0]["state"], "DEADLINE_STATE_MET", "{shown}");
}

/// The shipped process has no rules: its cases look as they always did.
fn without_rules(cluster: &Cluster) {
    let clerk = Clerk::of(cluster, "sn-lds");
    let list = clerk.does(&["process", "list"]);
    let languages: Vec<_> = list.as_array().unwrap().iter().map(|one| (&one["id"], one["language"].as_u64())).collect();
    assert_eq!(languages, [(&"asyl-de".into(), Some(1)), (&"stop".into(), Some(2))]);
    let (code, text) = command(&["process", "show", "stop@1", "--profile", &clerk.profile]);
    assert_eq!((code, text.trim_end()), (Some(0), include_str!("stop.toml").trim_end()));
    assert_eq!(clerk.try_to(&["process", "show", "stop@9"]).0, Some(1));
    let opened = clerk.does(&["submit", "--status", "application_made", "--open", "asyl-de@1"]);
    let shown = clerk.does(&["case", "show", opened["case"].as_str().unwrap()]);
    assert!(shown.get("effects").is_none() && shown["tracks"].as_array().is_some(), "{shown}");
    let explained = clerk.does(&["case", "explain", opened["case"].as_str().unwrap()]);
    assert_eq!(explained["explanations"], serde_json::json!([]), "{explained}");
}
