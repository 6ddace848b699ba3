//! What a network is made with where nobody says otherwise: the shipped process in its newest version, with its calendars.

use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::time::timeout;

use super::{command, turn};
use crate::cluster::program;

const PATIENCE: Duration = Duration::from_secs(60);

/// Exit code 0, and what was printed.
#[track_caller]
fn does(arguments: &[&str]) -> Value {
    let (code, out) = command(&[arguments, &["--output", "json"]].concat());
    assert_eq!(code, Some(0), "{arguments:?}: {out}");
    serde_json::from_str(&out).unwrap_or(Value::String(out))
}

#[test]
fn a_genesis_file_has_the_shipped_process_and_calendars() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("node").display().to_string();
    let file = |name: &str| folder.path().join(name).display().to_string();
    does(&["--home", &home, "init", "--authority", "de-bamf", "--role", "asylum_office"]);
    let (card, out) = (format!("{home}/authority.toml"), file("genesis.toml"));
    let made = does(&["genesis", "new", "--name", "pilot", "--card", &card, "--out", &out]);
    assert_eq!((&made["definitions"], &made["protocol"]), (&serde_json::json!(["asyl-de 2"]), &serde_json::json!(2)));
    let calendars = made["calendars"].as_str().unwrap();
    assert!(!calendars.is_empty(), "{made}");
    assert_eq!(does(&["genesis", "check", &out])["network"], made["network"]);
    // A text of language 1 needs none.
    let text = file("first.toml");
    std::fs::write(&text, laufzettel_contracts::ASYL_DE).unwrap();
    let other = file("other.toml");
    let made = does(&["genesis", "new", "--name", "old", "--card", &card, "--out", &other, "--definition", &text]);
    assert_eq!((&made["definitions"], &made["calendars"]), (&serde_json::json!(["asyl-de 1"]), &Value::Null));
}

/// Asks a process to end, whatever becomes of the test: one that is killed would leave its nodes behind.
struct Ends(Pid);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::TERM);
    }
}

/// What `dev` says to try can be done as it says it; and it leaves no process behind.
#[tokio::test(flavor = "multi_thread")]
async fn dev_runs_the_shipped_process_and_what_it_says_to_try_works() {
    let _turn = turn().await;
    let folder = tempfile::tempdir().unwrap();
    let program = program().unwrap();
    let mut dev = tokio::process::Command::new(&program);
    dev.args(["dev", "--folder"]).arg(folder.path()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut dev = dev.spawn().unwrap();
    let guard = Ends(Pid::from_raw(i32::try_from(dev.id().unwrap()).unwrap()).unwrap());
    let mut lines = BufReader::new(dev.stderr.take().unwrap()).lines();
    let (mut said, mut submit) = (Vec::new(), None);
    while let Some(line) = timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap() {
        submit = line.split_once(" submit ").map(|(_, rest)| rest.to_owned()).or(submit);
        said.push(line);
        if said.last().is_some_and(|line| line.contains("Ctrl-C")) {
            break;
        }
    }
    let submit = submit.unwrap_or_else(|| panic!("{said:?}"));
    assert!(submit.contains(" --open asyl-de@2 "), "{submit}");
    let arguments: Vec<&str> = ["submit"].into_iter().chain(submit.split(' ')).collect();
    let opened = does(&arguments);
    let profile = arguments.last().copied().unwrap();
    let shown = does(&["case", "show", opened["case"].as_str().unwrap(), "--profile", profile]);
    assert_eq!((&shown["definition"], &shown["version"]), (&Value::from("asyl-de"), &Value::from(2)));
    assert!(shown["effects"].is_object(), "a process with rules: {shown}");

    drop(guard);
    let rest = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            said.push(line);
        }
    };
    timeout(PATIENCE, rest).await.unwrap();
    assert!(timeout(PATIENCE, dev.wait()).await.unwrap().unwrap().success(), "{said:?}");
    let (code, _) = command(&["status", "--profile", profile, "--output", "json"]);
    assert_eq!(code, Some(3), "nobody answers any more");
}
