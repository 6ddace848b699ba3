//! What an operator sees of a real network: doctor, status and metrics of a
//! node that runs, is killed, rests and comes back; and a feed that outlives
//! its node.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use laufzettel_node::endpoints::Endpoints;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout};
use tokio::time::{Instant, timeout};

use super::{command, turn};
use crate::cluster::{Cluster, program};
use crate::demo;

const PATIENCE: Duration = Duration::from_secs(90);
const AT: &str = "sn-lds";
const AWAY: &str = "de-bpol";

fn config(cluster: &Cluster, node: &str) -> String {
    cluster.net.node_folder(node).join("config.toml").display().to_string()
}

fn data(cluster: &Cluster, node: &str) -> PathBuf {
    cluster.net.node_folder(node).join("data")
}

/// Exit code and findings of `doctor`, asked as JSON.
fn doctor(cluster: &Cluster, node: &str) -> (Option<i32>, Value) {
    let (code, out) = command(&["doctor", "--config", &config(cluster, node), "--output", "json"]);
    (code, serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}")))
}

/// The findings of a check, as `(subject, level, text)`.
fn of(examination: &Value, check: &str) -> Vec<(String, String, String)> {
    let text = |finding: &Value, field: &str| finding[field].as_str().unwrap_or_default().to_owned();
    let findings = examination["findings"].as_array().unwrap().iter();
    let findings = findings.filter(|finding| finding["check"] == check);
    findings
        .map(|finding| {
            let words = format!("{} {}", text(finding, "finding"), text(finding, "remedy"));
            (text(finding, "subject"), text(finding, "level"), words)
        })
        .collect()
}

#[track_caller]
fn all_ok(examination: &Value, checks: &[&str]) {
    for check in checks {
        let found = of(examination, check);
        assert!(!found.is_empty(), "nothing was said of {check}: {examination}");
        assert!(found.iter().all(|(_, level, _)| level == "ok"), "{check}: {found:?}");
    }
}

#[track_caller]
fn all_reached(examination: &Value) {
    let links = of(examination, "link");
    let both = links.iter().filter(|(_, level, text)| level == "ok" && text.contains("both directions")).count();
    assert_eq!((links.len(), both), (3, 3), "{links:?}");
}

/// Reads what Prometheus would read.
fn scrape(cluster: &Cluster, node: &str) -> String {
    let address = Endpoints::read(&data(cluster, node)).unwrap().metrics.unwrap();
    let mut stream = TcpStream::connect(&address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("openmetrics-text"), "{head}");
    body.to_owned()
}

fn value(metrics: &str, sample: &str) -> f64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {sample} in {metrics}")).parse().unwrap()
}

/// The conventions that `promtool check metrics` holds names to, and that nothing looks like the id of a case.
fn conventional(metrics: &str) {
    let word = |line: &str, place: usize| line.split(' ').nth(place).unwrap_or_default().to_owned();
    let types = metrics.lines().filter(|line| line.starts_with("# TYPE "));
    let mut families = 0;
    for (name, kind) in types.map(|line| (word(line, 2), word(line, 3))) {
        families += 1;
        assert!(name.starts_with("laufzettel_") || name.starts_with("process_"), "{name}");
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'), "{name}");
        assert!(metrics.contains(&format!("# HELP {name} ")), "{name} has no help");
        for unit in ["_ms", "_millis", "_milliseconds", "_us", "_minutes", "_kb", "_mb", "_kilobytes"] {
            assert!(!name.ends_with(unit), "{name} is not in a base unit");
        }
        assert!(!name.ends_with("_total"), "{name} is a sample's name");
        match kind.as_str() {
            "counter" => {
                // A family without a sample yet says nothing.
                let samples = metrics.lines().filter(|line| line.starts_with(&name)).collect::<Vec<_>>();
                let total = format!("{name}_total");
                assert!(samples.iter().all(|line| line.starts_with(&total)), "{samples:?}");
            }
            "histogram" => assert!(name.ends_with("_seconds") || name.ends_with("_bytes"), "{name} has no unit"),
            "gauge" | "info" => assert!(!name.ends_with("_count") && !name.ends_with("_sum"), "{name}"),
            other => panic!("{name} is a {other}"),
        }
    }
    assert!(families > 30, "only {families} families: {metrics}");
    assert!(metrics.ends_with("# EOF\n"), "cut off: {metrics}");
    // Ids of cases have 27 signs of letters and digits, with or without hyphens, or 32 hexadecimal digits.
    let signs = |sign: char| !(sign.is_ascii_alphanumeric() || sign == '-');
    for word in metrics.split(signs) {
        let length = word.chars().filter(char::is_ascii_alphanumeric).count();
        let upper = word.chars().filter(char::is_ascii_uppercase).count();
        assert!(length < 26 || upper == 0 && word.contains('-'), "{word} may be the id of a case");
    }
}

/// `laufzettel watch` as a process of its own.
struct Watch {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Watch {
    fn start(profile: &Path) -> Self {
        let mut command = tokio::process::Command::new(program().unwrap());
        command.args(["watch", "--output", "json", "--profile"]).arg(profile);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }
    async fn next(&mut self) -> Value {
        let line = timeout(PATIENCE, self.lines.next_line()).await.unwrap().unwrap();
        let line = line.unwrap_or_else(|| panic!("watch ended: {:?}", self.child.try_wait()));
        serde_json::from_str(&line).unwrap()
    }
    /// Cases of the next events, in the order shown.
    async fn cases(&mut self, count: usize) -> Vec<String> {
        let mut cases = Vec::new();
        let deadline = Instant::now() + PATIENCE;
        while cases.len() < count {
            // Checkpoints come for ever.
            assert!(Instant::now() < deadline, "only {cases:?}");
            let message = self.next().await;
            if let Some(case) = message["case"].as_str() {
                cases.push(case.to_owned());
            }
        }
        cases
    }
}

/// Opens a case with one report, which is one event; its id.
fn open_case(cluster: &Cluster) -> String {
    let profile = cluster.net.profile(AT).display().to_string();
    let (code, out) = command(&[
        "submit",
        "--status",
        "application_made",
        "--open",
        "asyl-de@1",
        "--profile",
        &profile,
        "--output",
        "json",
    ]);
    assert_eq!(code, Some(0), "{out}");
    let answer: Value = serde_json::from_str(&out).unwrap();
    answer["case"].as_str().unwrap_or_else(|| panic!("{out}")).to_owned()
}

/// Waits until exactly these nodes are missed, and gives the status.
async fn until_missing(cluster: &Cluster, nodes: &[&str]) -> Value {
    let profile = cluster.net.profile(AT).display().to_string();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (code, out) = command(&["status", "--profile", &profile, "--output", "json"]);
        let status: Value = serde_json::from_str(&out).unwrap();
        if status["missing"] == serde_json::json!(nodes) {
            assert_eq!(code, Some(0), "three of four decide: {status}");
            return status;
        }
        assert!(Instant::now() < deadline, "not {nodes:?} are missing: {status}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sees_what_is_wrong_and_a_feed_outlives_its_node() {
    let _turn = turn().await;
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = demo::cluster(&folder.path().join("network")).unwrap();
    log_as_json(&cluster, AT);
    cluster.start().await.unwrap();
    until_missing(&cluster, &[]).await;

    // All is well.
    let socket = data(&cluster, AT).join("node.sock");
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    let (code, found) = doctor(&cluster, AT);
    assert_eq!(found["running"], true, "{found}");
    all_ok(
        &found,
        &["config", "genesis", "keys", "certificates", "data", "node", "sync", "watermark", "quorum", "clock"],
    );
    all_reached(&found);
    assert_eq!(code, Some(0), "{found}");

    // A feed is read at a node that then goes away.
    let mut watch = Watch::start(&cluster.net.profile(AWAY));
    assert!(watch.next().await["caught_up"].is_string());
    let first = open_case(&cluster);
    assert_eq!(watch.cases(1).await, [first.as_str()]);
    let metrics = scrape(&cluster, AT);
    conventional(&metrics);
    assert!(!metrics.contains(&first) && !metrics.contains(&first.replace('-', "")));
    assert!(value(&metrics, "laufzettel_ledger_height") >= 1.0);
    assert!(value(&metrics, "laufzettel_ledger_items_total") >= 2.0);
    assert!(value(&metrics, "laufzettel_ledger_step_seconds_count{step=\"commit\"}") >= 1.0);
    let reports = "laufzettel_api_calls_total{method=\"SubmissionService/ReportStatus\",code=\"OK\"}";
    assert!(value(&metrics, reports) >= 1.0);
    cluster.kill(AWAY).unwrap();

    // The others miss it, by name.
    let status = until_missing(&cluster, &[AWAY]).await;
    assert_eq!((&status["quorum_margin"], &status["state"]), (&0.into(), &"HEALTH_STATE_IN_SYNC".into()), "{status}");
    let (code, found) = doctor(&cluster, AT);
    assert_eq!(code, Some(1), "{found}");
    let links = of(&found, "link");
    let bad: Vec<_> = links.iter().filter(|(_, level, _)| level != "ok").collect();
    assert!(bad.len() == 1 && bad[0].0 == AWAY && bad[0].1 == "fail" && bad[0].2.contains("refused"), "{links:?}");
    assert!(of(&found, "quorum")[0].2.contains("one more failure stops writing"), "{found}");
    let metrics = scrape(&cluster, AT);
    assert!((value(&metrics, "laufzettel_consensus_validators_missing") - 1.0).abs() < 0.5);
    assert!(value(&metrics, &format!("laufzettel_peer_connected{{peer=\"{AWAY}\"}}")).abs() < 0.5);
    let second = open_case(&cluster);

    resting(&cluster);

    // It comes back, and the feed goes on where it broke off: nothing is missing, nothing comes twice.
    cluster.start().await.unwrap();
    assert_eq!(watch.cases(1).await, [second.as_str()]);
    let third = open_case(&cluster);
    assert_eq!(watch.cases(1).await, [third.as_str()]);
    watch.child.kill().await.unwrap();
    cluster.stop().unwrap();
    assert!(!socket.exists(), "the socket goes with the node");
    logged(&cluster, AT, &[&first, &second, &third]);
}

fn log_as_json(cluster: &Cluster, node: &str) {
    let mut text = std::fs::read_to_string(config(cluster, node)).unwrap();
    text.push_str("\n[log]\nformat = \"json\"\n");
    std::fs::write(config(cluster, node), text).unwrap();
}

/// The log is one JSON object a line, says what an operator looks for, and names none of these cases.
fn logged(cluster: &Cluster, node: &str, cases: &[&str]) {
    let log = std::fs::read_to_string(cluster.net.node_folder(node).join("node.log")).unwrap();
    let entries: Vec<Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect();
    assert!(entries.iter().all(|entry| entry["level"].is_string() && entry["timestamp"].is_string()));
    for message in ["serving", "peer connected", "peer disconnected", "block committed", "told to stop"] {
        assert!(entries.iter().any(|entry| entry["fields"]["message"] == message), "{message} is not in {log}");
    }
    let names = |case: &&str| log.contains(*case) || log.contains(&case.replace('-', ""));
    assert!(!cases.iter().any(names), "the log names a case");
}

/// A node that was killed and does not run: its files, ports and peers are looked at.
fn resting(cluster: &Cluster) {
    let (code, found) = doctor(cluster, AWAY);
    assert_eq!((code, &found["running"]), (Some(0), &false.into()), "{found}");
    all_ok(&found, &["genesis", "keys", "ports", "database", "watermark", "clock", "sync"]);
    all_reached(&found);

    // Its watermark is away: it would sign nothing, and that is said before it is started.
    let (watermark, aside) = (data(cluster, AWAY).join("watermark"), data(cluster, AWAY).join("aside"));
    std::fs::rename(&watermark, &aside).unwrap();
    let (code, found) = doctor(cluster, AWAY);
    assert_eq!((code, of(&found, "watermark")[0].1.as_str()), (Some(1), "fail"), "{found}");
    assert!(!watermark.exists(), "doctor makes no file");
    std::fs::rename(&aside, &watermark).unwrap();

    // Others can read a key; another process has the port. Both are named, with what to do, and a start says the same.
    let key = cluster.net.node_folder(AWAY).join("keys/node.pem");
    let text = std::fs::read_to_string(config(cluster, AWAY)).unwrap();
    let port = text.split_once("[network]\nlisten = \"").unwrap().1.split_once('"').unwrap().0;
    let held = std::net::TcpListener::bind(port).unwrap();
    let (code, found) = doctor(cluster, AWAY);
    assert_eq!(code, Some(1), "{found}");
    let ports = of(&found, "ports");
    assert!(ports.iter().any(|(subject, level, _)| subject == "network.listen" && level == "fail"), "{ports:?}");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640)).unwrap();
    let (code, found) = doctor(cluster, AWAY);
    let keys = of(&found, "keys");
    assert!(code == Some(1) && keys.iter().any(|(_, _, text)| text.contains("chmod 600")), "{keys:?}");
    assert_eq!(command(&["start", "--config", &config(cluster, AWAY)]).0, Some(2), "no restart mends a key's mode");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    drop(held);
}
