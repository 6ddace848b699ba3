//! What the command line says where no answer comes: a node that hangs, and a network without a quorum. Nobody waits for
//! ever, nobody takes what is not final for final, and a repeat counts once.

use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::turn;
use crate::cluster::{Cluster, program};
use crate::demo;

const OFFICE: &str = "de-bamf";
const FOREIGNERS: &str = "sn-dresden";
const HANGING: [&str; 2] = ["sn-lds", "de-bpol"];
/// Two beats did not come after about ten seconds; the driver is asked once a second.
const NOTICED: Duration = Duration::from_secs(16);

/// What came of a command.
pub(super) struct Done {
    pub(super) code: Option<i32>,
    out: Value,
    pub(super) said: String,
    took: Duration,
}

pub(super) fn does(cluster: &Cluster, authority: &str, arguments: &[&str]) -> Done {
    let begun = Instant::now();
    let mut command = Command::new(program().unwrap());
    command.args(arguments).arg("--profile").arg(cluster.net.profile(authority)).args(["--output", "json"]);
    let output = command.output().unwrap();
    Done {
        code: output.status.code(),
        out: serde_json::from_slice(&output.stdout).unwrap_or_default(),
        said: String::from_utf8_lossy(&output.stderr).into_owned(),
        took: begun.elapsed(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_ever_or_takes_for_final_what_is_not() {
    let _turn = turn().await;
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = demo::cluster_of(&folder.path().join("network"), laufzettel_contracts::ASYL_DE_2).unwrap();
    cluster.start().await.unwrap();
    let opened = does(&cluster, OFFICE, &["submit", "--status", "application_made", "--open", "asyl-de@2"]);
    assert_eq!(opened.code, Some(0), "{}", opened.said);
    let case = opened.out["case"].as_str().unwrap().to_owned();
    for node in HANGING {
        cluster.signal(node, Signal::STOP).unwrap();
    }
    noticed(&cluster, Instant::now()).await;
    hangs(&cluster);
    let repeated = not_final(&cluster, &case);
    for node in HANGING {
        cluster.signal(node, Signal::CONT).unwrap();
    }
    // The same again once there is a quorum: it counts once.
    let arguments: Vec<&str> = repeated.iter().map(String::as_str).collect();
    for _ in 0..2 {
        let again = does(&cluster, OFFICE, &arguments);
        assert_eq!((again.code, &again.out["state"]), (Some(0), &"TRANSACTION_STATE_FINAL".into()), "{}", again.said);
    }
    let events = does(&cluster, OFFICE, &["case", "events", &case]);
    assert_eq!(events.out.as_array().map(Vec::len), Some(2), "{}", events.out);
    cluster.stop().unwrap();
}

/// A node that takes connections and says nothing: each command ends in time, with exit code 3 and a sentence.
fn hangs(cluster: &Cluster) {
    let case = "00112233445566778899aabbccddeeff";
    let asked: [&[&str]; 5] = [
        &["status"],
        &["case", "show", case],
        &["tasks", "watch"],
        &["submit", "--case", case, "--status", "application_lodged"],
        &["case", "clearance", case, "removal_executed"],
    ];
    for arguments in asked {
        let done = does(cluster, HANGING[0], &[arguments, &["--timeout", "2"]].concat());
        assert_eq!(done.code, Some(3), "{arguments:?}: {}", done.said);
        assert!(done.took < Duration::from_secs(8), "{arguments:?} took {:?}", done.took);
        assert!(done.said.contains("says nothing") || done.said.contains("no answer"), "{arguments:?}: {}", done.said);
    }
}

/// Without a quorum a report is taken and not final. How it is repeated.
fn not_final(cluster: &Cluster, case: &str) -> Vec<String> {
    let words = ["submit", "--case", case, "--status", "application_lodged"];
    let begun = does(cluster, OFFICE, &[&words[..], &["--timeout", "4"]].concat());
    assert_eq!(begun.code, Some(3), "{}", begun.said);
    assert_eq!(begun.out["state"], "TRANSACTION_STATE_PENDING", "{}", begun.said);
    let id = begun.out["transaction_id"].as_str().unwrap().to_owned();
    for told in [id.as_str(), case, "may still become final", "--id", "no other authority knows of it"] {
        assert!(begun.said.contains(told), "{told:?} is not in {}", begun.said);
    }
    // The day is that of the first call, in Germany.
    let today = i64::try_from(laufzettel_node::clock::now_ms()).unwrap();
    let today = laufzettel_contracts::berlin_day(today).unwrap();
    let today = jiff::civil::date(1970, 1, 1).checked_add(jiff::Span::new().days(today)).unwrap().to_string();
    // Whether an act may go on is not known; that is neither 0 nor 1.
    for (act, code) in [("removal_executed", 3), ("removal_scheduled", 3), ("hearing_held", 2)] {
        let asked = does(cluster, FOREIGNERS, &["case", "clearance", case, act]);
        assert_eq!(asked.code, Some(code), "{act}: {}", asked.said);
    }
    let repeat = [&words[..], &["--id", &id, "--occurred", &today]].concat();
    repeat.into_iter().map(str::to_owned).collect()
}

/// `status` says soon that nothing becomes final, and who is silent; not that one more failure would end it.
async fn noticed(cluster: &Cluster, since: Instant) {
    loop {
        let status = does(cluster, OFFICE, &["status"]);
        if status.out["state"] == "HEALTH_STATE_NO_QUORUM" {
            assert_eq!(status.code, Some(3));
            let mut missing: Vec<&str> =
                status.out["missing"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
            missing.sort_unstable();
            assert_eq!(missing, ["de-bpol", "sn-lds"], "{}", status.out);
            assert!(!status.out["warnings"].to_string().contains("one more failure"), "{}", status.out);
            return;
        }
        assert!(since.elapsed() < NOTICED, "{}", status.out);
        sleep(Duration::from_millis(500)).await;
    }
}
