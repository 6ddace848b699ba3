//! `laufzettel status`: how a node is, who is missing since when, and how many
//! more may fail. Exit code 3 if it is not in sync.

use std::time::Duration;

use laufzettel_proto::v1;
use serde_json::json;

use super::client::Target;
use super::fault::Fault;
use super::output::Output;
use super::words::{hex, position_text};
use crate::doctor::{is_missing, span};

pub(super) async fn run(target: &Target, output: &Output) -> Result<(), Fault> {
    let answer = target.ledger().await?.get_health(v1::GetHealthRequest {}).await;
    let health = answer.map_err(|status| Fault::refused(&status))?.into_inner();
    let (state, in_sync) = match health.state() {
        v1::HealthState::InSync => ("in sync", true),
        v1::HealthState::NoQuorum => ("in sync, but no quorum: nothing becomes final", false),
        v1::HealthState::CatchingUp => ("catching up", false),
        v1::HealthState::Stopped => ("stopped by a fault: see its log", false),
        v1::HealthState::Unspecified => ("unknown", false),
    };
    let missing: Vec<&v1::PeerHealth> = health.peers.iter().filter(|peer| is_missing(peer)).collect();
    let role = if health.validator { "validator" } else { "observer" };
    let connected = health.peers.iter().filter(|peer| peer.connected).count();
    let position = health.position.unwrap_or_default();
    let rows = [
        ("state", state.to_owned()),
        ("authority", format!("{} ({role})", health.authority)),
        ("network", format!("{} {}", health.network_name, hex(&health.network))),
        ("block", position_text(Some(&position))),
        ("peers", format!("{connected} of {} connected", health.peers.len())),
        ("missing", missing_text(&missing)),
        ("may still fail", margin_text(&health)),
        ("signs", signing_text(&health)),
        ("alarms", alarms_text(&health)),
        ("mempool", format!("{} transactions, {} bytes", health.mempool_transactions, health.mempool_bytes)),
        ("software", format!("{}, protocol {}", health.software_version, health.protocol_version)),
    ];
    let peers: Vec<_> = health
        .peers
        .iter()
        .map(|peer| {
            json!({ "authority": peer.authority, "validator": peer.validator, "connected": peer.connected,
                            "height": peer.height, "beat_age_ms": peer.beat_age_ms,
                            "disconnected_ms": peer.disconnected_ms })
        })
        .collect();
    let value = json!({
        "state": health.state().as_str_name(), "authority": health.authority, "validator": health.validator,
        "network": hex(&health.network), "network_name": health.network_name, "incarnation": health.incarnation,
        "height": position.height, "block_time_ms": position.block_time_ms, "staleness_ms": position.staleness_ms,
        "missing": missing.iter().map(|peer| &peer.authority).collect::<Vec<_>>(),
        "signing": health.signing().as_str_name(), "signing_above_height": health.signing_above_height,
        "round": health.round, "quorum_margin": health.quorum_margin, "peers": peers, "warnings": health.warnings,
        "alarms": health.alarms.iter().map(alarm_json).collect::<Vec<_>>(),
        "mempool_transactions": health.mempool_transactions, "mempool_bytes": health.mempool_bytes,
        "software_version": health.software_version, "protocol_version": health.protocol_version,
    });
    output.record(&rows, &value);
    for warning in &health.warnings {
        output.say(&format!("warning: {warning}"));
    }
    if in_sync { Ok(()) } else { Err(Fault::unreachable(format!("the node is {state}"))) }
}

fn alarms_text(health: &v1::GetHealthResponse) -> String {
    let one = |alarm: &v1::UrgentAlarm| {
        let state = if alarm.lost.is_empty() { "not final" } else { "LOST" };
        format!(
            "urgent report {} {state} for {}",
            hex(&alarm.transaction_id),
            span(Duration::from_millis(alarm.waiting_ms))
        )
    };
    if health.alarms.is_empty() {
        "none".to_owned()
    } else {
        health.alarms.iter().map(one).collect::<Vec<_>>().join("; ")
    }
}

fn alarm_json(alarm: &v1::UrgentAlarm) -> serde_json::Value {
    json!({ "authority": alarm.authority, "transaction": hex(&alarm.transaction_id), "since_ms": alarm.since_ms,
            "waiting_ms": alarm.waiting_ms, "lost": alarm.lost })
}

fn missing_text(missing: &[&v1::PeerHealth]) -> String {
    let one = |peer: &&v1::PeerHealth| {
        let role = if peer.validator { "" } else { ", an observer" };
        let (ms, how) =
            if peer.connected { (peer.beat_age_ms, " (connected and silent)") } else { (peer.disconnected_ms, "") };
        format!("{}{role} for {}{how}", peer.authority, span(Duration::from_millis(ms)))
    };
    if missing.is_empty() { "nobody".to_owned() } else { missing.iter().map(one).collect::<Vec<_>>().join("; ") }
}

fn margin_text(health: &v1::GetHealthResponse) -> String {
    match (health.state(), health.quorum_margin) {
        (v1::HealthState::NoQuorum, _) => "none: too many are missing already, nothing is decided".to_owned(),
        (_, 0) => "none: one more failure stops writing".to_owned(),
        (_, 1) => "1 validator".to_owned(),
        (_, margin) => format!("{margin} validators"),
    }
}

fn signing_text(health: &v1::GetHealthResponse) -> String {
    match health.signing() {
        v1::SigningState::Unspecified => "not known yet".to_owned(),
        v1::SigningState::Observer => "nothing: it observes".to_owned(),
        v1::SigningState::New => "not yet: it is new and has to hear the others first".to_owned(),
        v1::SigningState::Ready => "yes; its watermark is in order".to_owned(),
        v1::SigningState::Above => {
            format!(
                "only above height {}: its watermark was reset, or lies ahead of its log",
                health.signing_above_height
            )
        }
        v1::SigningState::Silent => "NOTHING: its watermark is lost, damaged or of another; run `doctor`".to_owned(),
    }
}
