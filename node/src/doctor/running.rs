//! A node that runs is asked: over the socket in its data folder.

use std::time::Duration;

use laufzettel_proto::v1;

use super::{Finding, Level, clocks, links, size, span};
use crate::client;
use crate::config::Config;
use crate::consensus::SILENT_MS;
use crate::disk::{Growth, Space};

/// How long an answer may take: dialling every peer anew, and being dialled.
const TIMEOUT: Duration = Duration::from_secs(20);
/// An idle network makes a block a minute; a newest block that is older says that nothing is decided.
const BLOCK_AGE_WARN: Duration = Duration::from_secs(120);
/// A disk that takes longer for one synced write is in trouble.
const FLIGHT_WARN: Duration = Duration::from_secs(5);
/// Fewer open files are too few for clients and database together.
const DESCRIPTORS_MIN: u64 = 4_096;

pub(super) async fn look(
    config: &Config,
    now_ms: fn() -> u64,
    tell: &mut dyn FnMut(&str),
    findings: &mut Vec<Finding>,
) {
    let data = &config.node.data;
    let failed = |text: String| {
        let remedy = "wait until it has started, run doctor as the user of the node, and look into its log";
        Finding::new("node", "", Level::Fail, format!("a process holds the data folder, but {text}"), remedy)
    };
    let mut node = match client::local(data, TIMEOUT).await {
        Ok(node) => node,
        Err(error) => return findings.push(failed(error.to_string())),
    };
    tell("Asking the node; it dials its peers and has them dial it ...");
    let answer = match node.get_diagnostics(v1::GetDiagnosticsRequest { probe_links: true }).await {
        Ok(answer) => answer.into_inner(),
        Err(status) => return findings.push(failed(format!("does not answer: {}", status.message()))),
    };
    let text = format!("runs as process {}", answer.pid);
    findings.push(Finding::ok("node", "", text));
    if let Some(health) = &answer.health {
        progress(health, &answer, findings);
        findings.push(signing(health));
        warnings(health, findings);
        findings.push(quorum(health));
    }
    clocks::judge(&links::clocks(&answer.links), findings);
    links::judge(config, &answer.links, findings);
    if let Some(disk) = &answer.disk {
        let growth = Growth { bytes_per_day: disk.growth_bytes_per_day, window_ms: disk.growth_window_ms };
        let growth = (growth.window_ms > 0).then_some(growth);
        let growth = growth.or_else(|| Growth::since_made(data, disk.used_bytes, now_ms()));
        let space = Space { free_bytes: disk.free_bytes, total_bytes: disk.total_bytes };
        findings.push(room(disk.used_bytes, space, growth));
    }
    descriptors(answer.pid, findings);
}

fn progress(health: &v1::GetHealthResponse, answer: &v1::GetDiagnosticsResponse, findings: &mut Vec<Finding>) {
    let position = health.position.unwrap_or_default();
    let at = format!("at height {}", position.height);
    findings.push(match health.state() {
        v1::HealthState::InSync => Finding::ok("sync", "", format!("in sync, {at}")),
        v1::HealthState::NoQuorum => {
            let remedy = "see the findings on links below: nothing becomes final until enough validators are back";
            Finding::new("sync", "", Level::Fail, format!("no quorum, {at}: nothing is decided"), remedy)
        }
        v1::HealthState::CatchingUp => {
            let text = format!("behind the network, {at}, and catching up");
            Finding::new("sync", "", Level::Warn, text, "wait; the height must rise")
        }
        v1::HealthState::Stopped | v1::HealthState::Unspecified => {
            let text = format!("stopped by a fault, {at}: {}", health.warnings.join("; "));
            let remedy = "keep the data folder and the log, do not start it anew again and again, ask for help";
            Finding::new("sync", "", Level::Fail, text, remedy)
        }
    });
    let age = Duration::from_millis(position.staleness_ms);
    let standing = matches!(health.state(), v1::HealthState::InSync) && age > BLOCK_AGE_WARN;
    if standing {
        let text = format!("the newest block is {} old; an idle network makes one a minute", span(age));
        let remedy = "compare with the other nodes, and look at the clocks below";
        findings.push(Finding::new("sync", "newest block", Level::Warn, text, remedy));
    }
    let flight = Duration::from_millis(answer.flight_ms);
    if flight > FLIGHT_WARN {
        let text = format!("the disk has been busy with one synced write for {}", span(flight));
        let remedy = "look at `iostat -x` and at the kernel's log; a failing disk is replaced before it loses data";
        findings.push(Finding::new("disk", "write", Level::Fail, text, remedy));
    }
}

fn signing(health: &v1::GetHealthResponse) -> Finding {
    let warning = health.warnings.iter().find(|warning| warning.contains("watermark"));
    match health.signing() {
        v1::SigningState::Ready => Finding::ok("watermark", "", "in order; the node signs"),
        v1::SigningState::Observer => Finding::ok("watermark", "", "not needed: the node observes and signs nothing"),
        v1::SigningState::New => {
            let text = "the node is new and signs nothing before it has heard the others and caught up with them";
            Finding::new(
                "watermark",
                "",
                Level::Warn,
                text,
                "make the other validators reachable, and run doctor again",
            )
        }
        v1::SigningState::Above => {
            let height = health.signing_above_height;
            let text =
                format!("the node signs above height {height} only: its watermark was reset, or lies ahead of its log");
            let remedy =
                "wait until that height is passed; unless the watermark was reset, find out who set the database back";
            Finding::new("watermark", "", Level::Warn, text, remedy)
        }
        v1::SigningState::Silent => {
            let text = warning.cloned().unwrap_or_else(|| "the node signs nothing: its watermark is lost".to_owned());
            let remedy = "stop the node and run `laufzettel keys watermark reset`; never restore one from a backup";
            Finding::new("watermark", "", Level::Fail, text, remedy)
        }
        v1::SigningState::Unspecified => {
            let text = "the node has not said yet what it may sign";
            Finding::new("watermark", "", Level::Warn, text, "run doctor again in a few seconds")
        }
    }
}

/// What the node itself warns of and no other finding tells: double signing, and whatever comes to be warned of.
fn warnings(health: &v1::GetHealthResponse, findings: &mut Vec<Finding>) {
    const TOLD: [&str; 5] = [
        "the node stopped deciding",
        "nothing is signed",
        "no connection to validator",
        "no word from validator",
        "one more failure",
    ];
    for warning in &health.warnings {
        if TOLD.iter().any(|told| warning.starts_with(told)) {
            continue;
        }
        let level = if warning.contains("this node's consensus key") { Level::Fail } else { Level::Warn };
        let remedy = "docs/OPERATOR.md, \"When something is wrong\"";
        findings.push(Finding::new("warning", "", level, warning.as_str(), remedy));
    }
}

/// Whether nothing is heard of a peer: it has no connection, or is silent on it.
pub(crate) fn is_missing(peer: &v1::PeerHealth) -> bool {
    !peer.connected || peer.beat_age_ms > SILENT_MS
}

fn quorum(health: &v1::GetHealthResponse) -> Finding {
    let missing: Vec<&str> = health
        .peers
        .iter()
        .filter(|peer| peer.validator && is_missing(peer))
        .map(|peer| peer.authority.as_str())
        .collect();
    let gone =
        if missing.is_empty() { "none is missing".to_owned() } else { format!("missing: {}", missing.join(", ")) };
    match (health.state(), health.quorum_margin) {
        (v1::HealthState::NoQuorum, _) => {
            let remedy = "bring missing validators back; there is no other way to a quorum in this version";
            Finding::new("quorum", "", Level::Fail, format!("no quorum; {gone}"), remedy)
        }
        (_, 0) => {
            let text = format!("one more failure stops writing; {gone}");
            let remedy = "bring missing validators back; with fewer than four validators none may ever fail";
            Finding::new("quorum", "", Level::Warn, text, remedy)
        }
        (_, margin) => Finding::ok("quorum", "", format!("{margin} more may fail; {gone}")),
    }
}

/// Room on the disk, and for how long it lasts.
pub(super) fn room(used_bytes: u64, space: Space, growth: Option<Growth>) -> Finding {
    const DAYS_WARN: u64 = 30;
    const DAYS_FAIL: u64 = 7;
    const FREE_WARN_PERCENT: u128 = 10;
    const FREE_FAIL_BYTES: u64 = 1 << 30;
    let days = growth.and_then(|growth| growth.days_left(space.free_bytes));
    let lasts = match (growth, days) {
        (None, _) => "for how long is not known in the first ten minutes".to_owned(),
        (Some(_), None) => "and the data does not grow".to_owned(),
        (Some(growth), Some(days)) => {
            let seen = span(Duration::from_millis(growth.window_ms));
            format!("for {days} days at {} a day, as seen over {seen}", size(growth.bytes_per_day))
        }
    };
    let text =
        format!("data {}, free {} of {}, {lasts}", size(used_bytes), size(space.free_bytes), size(space.total_bytes));
    let percent = u128::from(space.free_bytes).saturating_mul(100).checked_div(u128::from(space.total_bytes));
    let few = |limit: u64| days.is_some_and(|days| days < limit);
    let level = if space.free_bytes < FREE_FAIL_BYTES || few(DAYS_FAIL) {
        Level::Fail
    } else if percent.is_some_and(|percent| percent < FREE_WARN_PERCENT) || few(DAYS_WARN) {
        Level::Warn
    } else {
        Level::Ok
    };
    let remedy = if level == Level::Ok {
        ""
    } else {
        "give the file system of node.data more room; see docs/OPERATOR.md, \"A full disk\""
    };
    Finding::new("disk", "", level, text, remedy)
}

/// How many files the node may open, as the system says.
fn descriptors(pid: u32, findings: &mut Vec<Finding>) {
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let Some(soft) = line.and_then(|line| line.split_whitespace().next()) else { return };
    let few = soft.parse::<u64>().is_ok_and(|soft| soft < DESCRIPTORS_MIN);
    findings.push(if few {
        let remedy = "set LimitNOFILE=65536 in the unit, or `ulimit -n 65536` before the start";
        Finding::new("limits", "open files", Level::Warn, format!("the node may open {soft} files"), remedy)
    } else {
        Finding::ok("limits", "open files", format!("the node may open {soft} files"))
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_left_decide_and_so_does_what_is_free() {
        let space = |free: u64| Space { free_bytes: free << 30, total_bytes: 100 << 30 };
        let pace = |per_day: u64| Some(Growth { bytes_per_day: per_day << 30, window_ms: 86_400_000 });
        for (free, growth, level) in [
            (50, None, Level::Ok),
            (50, pace(0), Level::Ok),
            (50, pace(1), Level::Ok),
            (50, pace(2), Level::Warn),
            (50, pace(8), Level::Fail),
            (9, None, Level::Warn),
            (0, None, Level::Fail),
        ] {
            let found = room(1 << 30, space(free), growth);
            assert_eq!(found.level, level, "{found:?}");
            assert_eq!(found.remedy.is_empty(), level == Level::Ok, "{found:?}");
        }
        assert!(room(1, space(50), pace(2)).finding.contains("for 25 days"));
    }

    #[test]
    fn what_the_node_warns_of_is_not_lost() {
        let warning = |text: &str| v1::GetHealthResponse { warnings: vec![text.into()], ..Default::default() };
        let levels = |text: &str| {
            let mut findings = Vec::new();
            warnings(&warning(text), &mut findings);
            findings.into_iter().map(|finding| finding.level).collect::<Vec<_>>()
        };
        assert_eq!(levels("another node signed with this node's consensus key at height 7"), [Level::Fail]);
        assert_eq!(levels("authority x signed twice at height 9"), [Level::Warn]);
        assert_eq!(levels("something new"), [Level::Warn]);
        assert!(levels("no connection to validator x").is_empty(), "a finding on the link says so");
        assert!(levels("no word from validator x, though a connection stands").is_empty(), "the quorum says so");
    }

    #[test]
    fn who_is_missing_and_how_many_more_may_fail_is_said() {
        let peer = |name: &str, connected| v1::PeerHealth {
            authority: name.into(),
            validator: true,
            connected,
            ..v1::PeerHealth::default()
        };
        let mut health = v1::GetHealthResponse {
            state: v1::HealthState::InSync.into(),
            peers: vec![peer("a", true), peer("b", false)],
            quorum_margin: 1,
            ..v1::GetHealthResponse::default()
        };
        assert_eq!(quorum(&health).level, Level::Ok);
        health.quorum_margin = 0;
        let found = quorum(&health);
        assert!(found.level == Level::Warn && found.finding.contains("missing: b"), "{found:?}");
        health.state = v1::HealthState::NoQuorum.into();
        assert_eq!(quorum(&health).level, Level::Fail);
    }
}
