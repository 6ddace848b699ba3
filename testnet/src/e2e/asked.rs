//! What is asked about the past, and what a second person answers for: a case where it stood and as it was known,
//! corrections shown as such, what falls due, and an override. By the command line as a clerk would.

use std::time::Duration;

use laufzettel_chain::ids::{CaseId, ItemDigest, TransactionId};
use laufzettel_chain::item::Action;
use laufzettel_contracts::{Code, Report, When};
use laufzettel_node::clock;
use laufzettel_node::localnet::{FOUR_AUTHORITIES, Member};
use serde_json::Value;

use super::hanging::does;
use super::inbox::Clerk;
use super::{command, turn};
use crate::cluster::Cluster;
use crate::submit::submit_final;

/// The process of the tests of effects: an appeal blocks what is scheduled, unless it is overridden by phone.
const RULES: &str = include_str!("../../../contracts/tests/effects/process.toml");
const DAY_MS: u64 = 86_400_000;

/// It, telling all but the police of all that is reported.
fn process() -> String {
    RULES.replace("\nreported_by = ", "\nrecipients = [\"office\", \"foreigners\", \"court\"]\nreported_by = ")
}

fn cluster(folder: &std::path::Path) -> Cluster {
    let roles = [("de-bamf", "office"), ("sn-lds", "court"), ("sn-dresden", "foreigners"), ("de-bpol", "police")];
    let member = |(id, role): (&str, &str)| {
        let template = FOUR_AUTHORITIES.iter().find(|template| template.id == id).unwrap();
        Member { roles: vec![role.to_owned()], ..template.member() }
    };
    Cluster::make(&folder.join("network"), "asked", roles.map(member).into(), vec![process()]).unwrap()
}

/// A day so long before today, as people write it.
fn ago(days: u64) -> String {
    let ms = i64::try_from(clock::now_ms() - days * DAY_MS).unwrap();
    jiff::Timestamp::from_millisecond(ms).unwrap().to_string()[..10].to_owned()
}

fn instant(ms: u64) -> String {
    jiff::Timestamp::from_millisecond(i64::try_from(ms).unwrap()).unwrap().to_string()
}

/// Status and outcome of the one track.
fn stands(shown: &Value) -> (&str, &str) {
    let track = &shown["tracks"][0];
    (track["status"].as_str().unwrap_or(""), track["outcome"].as_str().unwrap_or(""))
}

fn tasks(shown: &Value) -> Vec<(&str, &str)> {
    let all = shown["effects"]["tasks"].as_array().unwrap();
    all.iter().map(|task| (task["code"].as_str().unwrap(), task["state"].as_str().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_is_shown_as_it_stood_and_as_it_was_known_and_a_second_person_overrides() {
    let _turn = turn().await;
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = cluster(folder.path());
    cluster.start().await.unwrap();
    let [office, court, foreigners, police] =
        ["de-bamf", "sn-lds", "sn-dresden", "de-bpol"].map(|id| Clerk::of(&cluster, id));
    let opened = office.does(&["submit", "--status", "registered", "--open", "stop@1", "--occurred", &ago(20)]);
    let case = opened["case"].as_str().unwrap().to_owned();
    court.sees(&["case", "list"], |cases| !cases.as_array().unwrap().is_empty()).await;
    court.does(&["submit", "--case", &case, "--status", "appealed", "--occurred", &ago(10)]);
    foreigners.sees(&["case", "show", &case], |shown| stands(shown).0 == "appealed").await;

    overridden(&cluster, &foreigners, &case);

    let rejected = ["submit", "--case", &case, "--status", "decided", "--outcome", "rejected", "--occurred", &ago(5)];
    let rejected = office.does(&rejected);
    let known_ms = rejected["block_time_ms"].as_u64().unwrap();
    for (clerk, task) in [(&office, "check"), (&foreigners, "serve")] {
        let shown = clerk.sees(&["case", "show", &case], |shown| !tasks(shown).is_empty()).await;
        assert_eq!((stands(&shown), tasks(&shown)), (("scheduled", ""), vec![(task, "TASK_STATE_OPEN")]));
    }
    // The time for the appeal runs. What falls due is found by the row of the case.
    let due = |before: &str| office.does(&["case", "list", "--due-before", before]).as_array().unwrap().len();
    assert_eq!((due(&ago(6)), due("2100-01-01")), (0, 1));
    tokio::time::sleep(Duration::from_millis(20)).await;
    corrected(&cluster, &case, &rejected).await;
    foreigners.sees(&["case", "show", &case], |shown| tasks(shown).is_empty()).await;
    in_the_past(&foreigners, &case, known_ms).await;
    // The police gets a notice by a rule, and is told of no report, now or of the past.
    for past in [&[][..], &["--at", &ago(4)], &["--as-known-at", &instant(known_ms)]] {
        let shown = police.does(&[&["case", "show", &case, "--history"], past].concat());
        let nothing = serde_json::json!([]);
        assert_eq!((&shown["tracks"], &shown["history"], &shown["authorities"]), (&nothing, &nothing, &nothing));
        assert_eq!(shown["effects"]["notices"][0]["code"], "news", "{shown}");
    }
    assert_eq!(due("2100-01-01"), 0, "the deadline is withdrawn, so nothing is due");
    drafts(&cluster, folder.path());
    cluster.stop().unwrap();
}

/// A draft that is no definition, or of another process, is refused with what is wrong; one that changes nothing says so.
fn drafts(cluster: &Cluster, folder: &std::path::Path) {
    let config = cluster.net.node_folder("sn-lds").join("config.toml").display().to_string();
    let simulate = |name: &str, text: &str, more: &[&str]| {
        let file = folder.join(name).display().to_string();
        std::fs::write(&file, text).unwrap();
        command(&[&["process", "simulate", &file, "--config", &config], more].concat())
    };
    let (code, out) = simulate("same.toml", &process(), &["--output", "json"]);
    let same: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &same["cases"], &same["changed"]), (Some(0), &1.into(), &0.into()), "{out}");
    assert_eq!(same["cost_now"]["work"], same["cost_draft"]["work"]);
    let (code, out) = simulate("same.toml", &process(), &[]);
    assert!(code == Some(0) && out.contains("the draft changes no case"), "{out}");
    // In force from now on, without a mapping, it is about no case that there is; a height ahead is no height.
    let (code, out) = simulate("same.toml", &process(), &["--from", "now"]);
    let told =
        ["As if the draft had always been in force:", "In force from height", "moved: none: no mapping was given"];
    assert!(code == Some(0) && told.iter().all(|told| out.contains(told)), "{out}");
    assert_eq!(simulate("same.toml", &process(), &["--height", "1000000"]).0, Some(1));
    assert_eq!(simulate("same.toml", &process(), &["--from", "some day"]).0, Some(2));
    // Of a version that no case has.
    let (_, out) = simulate("same.toml", &process(), &["--version", "7", "--output", "json"]);
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap()["cases"], 0);
    // Without the task of the registration go, too, what the rule of the late answer makes only while that task is open.
    let without = process().replace(
        r#"start = ["answer"]
open = [{ task = "check", for = "office" }]
basis = "Law 9"

[[rule]]
name = "warned""#,
        r#"start = ["answer"]
basis = "Law 9"

[[rule]]
name = "warned""#,
    );
    assert_ne!(without, process());
    let (_, out) = simulate("less.toml", &without, &["--output", "json"]);
    let less: Value = serde_json::from_str(&out).unwrap();
    let effects = less["effects"].as_array().unwrap();
    let told: Vec<_> =
        effects.iter().map(|one| (one["code"].as_str().unwrap(), one["counts"]["gone"].as_u64())).collect();
    assert_eq!(told, [("news", Some(1)), ("check", Some(1)), ("late", Some(1))], "{out}");
    let broken = process().replace("track = \"main\"", "track = \"mian\"");
    assert_eq!(simulate("broken.toml", &broken, &[]).0, Some(1));
    assert_eq!(simulate("other.toml", &process().replace("id = \"stop\"", "id = \"go\""), &[]).0, Some(1));
}

/// What the appeal blocks is recorded if a second person signs for a reason that the guard allows, and only then.
fn overridden(cluster: &Cluster, foreigners: &Clerk, case: &str) {
    let key = |name: &str| cluster.net.profile("sn-dresden").join(name).display().to_string();
    let (person, service) = (key("person.pem"), key("service.pem"));
    let today = ago(0);
    let plain = ["submit", "--case", case, "--status", "scheduled", "--occurred", &today];
    let with = |reason, key| [&plain[..], &["--override", reason, "--second-key", key]].concat();
    let blocked = does(cluster, "sn-dresden", &plain);
    assert_eq!(blocked.code, Some(1), "blocked");
    assert!(blocked.said.contains("appeal_open") && blocked.said.contains("by_phone"), "{}", blocked.said);
    assert_eq!(foreigners.try_to(&with("by_letter", &person)).0, Some(1), "the guard knows no such reason");
    assert_eq!(foreigners.try_to(&with("by_phone", &service)).0, Some(1), "the first signer is no second person");
    assert_eq!(foreigners.try_to(&[&plain[..], &["--override", "by_phone"]].concat()).0, Some(2), "no key");
    let done = foreigners.does(&with("by_phone", &person));
    assert_eq!(
        (&done["receipts"][0]["applied"], &done["receipts"][0]["overridden"]),
        (&true.into(), &true.into()),
        "{done}"
    );
    // What departs is told with its report and the guard, in words.
    let (_, shown) =
        command(&["case", "show", case, "--profile", &cluster.net.profile("sn-dresden").display().to_string()]);
    assert!(shown.contains("overridden") && shown.contains("scheduled of"), "{shown}");
}

/// The office corrects its decision.
async fn corrected(cluster: &Cluster, case: &str, rejected: &Value) {
    let day = i32::try_from(clock::now_ms() / DAY_MS).unwrap() - 5;
    let (author, mut client) =
        (cluster.author("de-bamf").unwrap(), cluster.connect("de-bamf", "de-bamf").await.unwrap());
    let item = rejected["receipts"][0]["item"].as_str().unwrap();
    let digest = std::array::from_fn(|place| u8::from_str_radix(&item[2 * place..2 * place + 2], 16).unwrap());
    let slot = ItemDigest(digest).slot("de-bamf");
    let granted = Report {
        outcome: Some(Code::new("granted").unwrap()),
        ..Report::new(Code::new("decided").unwrap(), When::Day(day))
    };
    let action = Action::Correct { slot, report: granted };
    let actions = [(CaseId::parse(case).unwrap(), action, [9; 16])];
    let signed = author.sign(TransactionId([7; 16]), clock::now_ms() + 600_000, &actions);
    let outcome = submit_final(&mut client, &signed).await.unwrap();
    assert!(outcome.receipts.iter().all(|receipt| receipt.applied), "{outcome:?}");
}

async fn in_the_past(foreigners: &Clerk, case: &str, known_ms: u64) {
    let show = |more: &[&str]| foreigners.does(&[&["case", "show", case], more].concat());
    let open = |shown: &Value| tasks(shown).contains(&("serve", "TASK_STATE_OPEN"));
    // Now: the granted decision opens no task; what was open is withdrawn.
    let now = show(&["--history"]);
    assert!(!open(&now), "{now}");
    let withdrawn: Vec<&str> =
        now["effects"]["withdrawn"].as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap()).collect();
    assert!(withdrawn.contains(&"serve") && withdrawn.contains(&"appeal"), "{withdrawn:?}");
    // As known before the correction: as it was then, and nothing was withdrawn.
    let known = instant(known_ms);
    let then = show(&["--as-known-at", &known]);
    assert!(open(&then) && then["effects"]["withdrawn"] == serde_json::json!([]), "{then}");
    assert_eq!(then["known_at_ms"], known_ms);
    // Long before, nothing had come, and so nothing had gone.
    let long_ago = show(&["--at", "2020-01-01"]);
    assert_eq!(long_ago["effects"]["withdrawn"], serde_json::json!([]), "{long_ago}");
    // The same by height, which until now had no effects to show once the case had changed.
    let height = then["changed_height"].to_string();
    assert!(open(&show(&["--height", &height])));
    // Where it stood four days ago: by what is known now, granted; by what was known before the correction, rejected.
    let (four, seven) = (ago(4), ago(7));
    assert_eq!(stands(&show(&["--at", &four])), ("decided", "granted"));
    assert_eq!(stands(&show(&["--at", &four, "--as-known-at", &known])), ("decided", "rejected"));
    assert_eq!(stands(&show(&["--at", &seven])), ("appealed", ""));
    assert_eq!(
        foreigners.try_to(&["case", "show", case, "--as-known-at", "2020-01-01"]).0,
        Some(1),
        "there was no such case"
    );
    assert_eq!(foreigners.try_to(&["case", "show", case, "--at", &seven, "--as-of", &four]).0, Some(2), "one of them");
    // The history tells the correction as one.
    let history = now["history"].as_array().unwrap();
    let kinds: Vec<&str> = history.iter().map(|line| line["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["report", "report", "report", "report", "correction"]);
    let correction = &history[4];
    assert_eq!((&correction["was"]["outcome"], &correction["now"]["outcome"]), (&"rejected".into(), &"granted".into()));
    assert_eq!(correction["what"], "corrected: decided: outcome was rejected, now granted");
    assert_eq!(history[3]["corrected_ms"], correction["block_time_ms"]);
    // What was known then ends before it.
    let then = show(&["--history", "--as-known-at", &known]);
    assert_eq!(then["history"].as_array().unwrap().len(), 4);
}
