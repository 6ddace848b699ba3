//! Whether every peer is reached, and reaches this node.

use std::collections::BTreeSet;
use std::time::Duration;

use laufzettel_proto::v1;

use super::clocks::Seen;
use super::{Finding, Level, span};
use crate::config::Config;

/// One finding for each peer.
pub(super) fn judge(config: &Config, links: &[v1::LinkDiagnostics], findings: &mut Vec<Finding>) {
    let listed: BTreeSet<&str> = config.peers.iter().map(|peer| peer.authority.as_str()).collect();
    for link in links {
        let Some(peer) = &link.peer else { continue };
        let name = peer.authority.as_str();
        findings.push(if !listed.contains(name) && !peer.connected {
            let remedy = format!("add a [[peer]] with authority = \"{name}\" and its address to the configuration");
            Finding::new("link", name, Level::Fail, "a validator that the configuration does not name", remedy)
        } else if peer.connected {
            standing(config, name, link)
        } else {
            missing(config, peer, link)
        });
        if link.faults > 0 {
            let text = format!("{} messages of it broke a rule or did not decode since the start", link.faults);
            let remedy = "compare versions with its operator; the log names the rules at level debug";
            findings.push(Finding::new("link", name, Level::Warn, text, remedy));
        }
    }
}

/// The clocks of peers, as far as known.
pub(super) fn clocks(links: &[v1::LinkDiagnostics]) -> Vec<Seen> {
    let seen = links.iter().filter_map(|link| {
        let (peer, clock) = (link.peer.as_ref()?, link.clock.as_ref()?);
        Some(Seen { peer: peer.authority.clone(), offset_ms: clock.offset_ms, error_ms: clock.error_ms })
    });
    seen.collect()
}

fn state(reach: Option<&v1::Reach>) -> (v1::ReachState, &str) {
    reach.map_or((v1::ReachState::Unspecified, ""), |reach| (reach.state(), reach.detail.as_str()))
}

fn missing(config: &Config, peer: &v1::PeerHealth, link: &v1::LinkDiagnostics) -> Finding {
    let level = if peer.validator { Level::Fail } else { Level::Warn };
    let role = if peer.validator { "validator" } else { "peer" };
    let since = span(Duration::from_millis(peer.disconnected_ms));
    let text = |why: &str| format!("this {role} has been missing for {since}: {why}");
    let (text, remedy) = match state(link.outbound.as_ref()) {
        (v1::ReachState::Failed, why) => (
            text(why),
            "ask its operator whether the node runs; then check the address in the configuration, and the firewalls \
             in between, for TCP"
                .to_owned(),
        ),
        (v1::ReachState::NoAddress, _) => (
            text("it does not dial this node, and the configuration has no address of it"),
            format!("set `addresses` of [[peer]] {}, or have its operator set this node's", peer.authority),
        ),
        (v1::ReachState::Reached, _) => (
            text("it was reached just now, but no link stands"),
            format!(
                "run doctor again in a minute; if it stays so, its operator must list {} with this node's key",
                config.node.authority
            ),
        ),
        _ => (text(&link.dial_error), "ask its operator whether the node runs".to_owned()),
    };
    Finding::new("link", peer.authority.as_str(), level, text, remedy)
}

fn standing(config: &Config, name: &str, link: &v1::LinkDiagnostics) -> Finding {
    let trip = span_us(link.round_trip_us);
    let (outbound, out_why) = state(link.outbound.as_ref());
    let (inbound, in_why) = state(link.inbound.as_ref());
    let here = &config.node.authority;
    let listen = &config.network.listen;
    match (outbound, inbound) {
        (v1::ReachState::Reached, v1::ReachState::Reached) => {
            Finding::ok("link", name, format!("reached in both directions, round trip {trip}"))
        }
        (v1::ReachState::Failed, _) => {
            let text = format!("the link stands, but this node cannot dial the peer: {out_why}");
            let remedy = format!("check `addresses` of [[peer]] {name}, and the firewalls from here to there");
            Finding::new("link", name, Level::Warn, text, remedy)
        }
        (v1::ReachState::NoAddress, _) => {
            let text = "the link stands, but only the peer can dial: the configuration has no address of it";
            Finding::new("link", name, Level::Warn, text, format!("set `addresses` of [[peer]] {name}"))
        }
        (_, v1::ReachState::Failed) => {
            let text = format!("the link stands, but the peer says that it cannot dial this node: {in_why}");
            let remedy = format!(
                "open the port of network.listen ({listen}) to it, and have its operator check the address of {here}"
            );
            Finding::new("link", name, Level::Warn, text, remedy)
        }
        (_, v1::ReachState::NoAddress) => {
            let text = "the link stands, but the peer says that it has no address of this node";
            let remedy = format!("have its operator set `addresses` of [[peer]] {here}");
            Finding::new("link", name, Level::Warn, text, remedy)
        }
        (_, v1::ReachState::Unknown) => {
            let text = format!("the link stands, round trip {trip}; whether the peer can dial is not known: {in_why}");
            Finding::new("link", name, Level::Warn, text, "run doctor again; older nodes do not answer this question")
        }
        _ => Finding::ok("link", name, format!("connected, round trip {trip}; not dialled anew")),
    }
}

fn span_us(micros: u64) -> String {
    match micros {
        0 => "not known".to_owned(),
        1..=9_999 => format!("{}.{} ms", micros / 1_000, micros % 1_000 / 100),
        _ => format!("{} ms", micros / 1_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        toml::from_str(include_str!("../../../docs/config.toml")).unwrap()
    }

    fn link(name: &str, connected: bool, outbound: v1::ReachState, inbound: v1::ReachState) -> v1::LinkDiagnostics {
        let reach = |state: v1::ReachState| Some(v1::Reach { state: state.into(), detail: "refused".into() });
        v1::LinkDiagnostics {
            peer: Some(v1::PeerHealth {
                authority: name.into(),
                validator: true,
                connected,
                disconnected_ms: if connected { 0 } else { 61_000 },
                ..v1::PeerHealth::default()
            }),
            outbound: reach(outbound),
            inbound: reach(inbound),
            round_trip_us: 340,
            ..v1::LinkDiagnostics::default()
        }
    }

    fn one(link: v1::LinkDiagnostics) -> Finding {
        let mut findings = Vec::new();
        judge(&config(), &[link], &mut findings);
        assert_eq!(findings.len(), 1, "{findings:?}");
        findings.remove(0)
    }

    #[test]
    fn both_directions_count() {
        use v1::ReachState::{Failed, NoAddress, Reached, Unknown};
        for (outbound, inbound, level, word) in [
            (Reached, Reached, Level::Ok, "both directions, round trip 0.3 ms"),
            (Failed, Reached, Level::Warn, "cannot dial the peer: refused"),
            (NoAddress, Reached, Level::Warn, "only the peer can dial"),
            (Reached, Failed, Level::Warn, "cannot dial this node: refused"),
            (Reached, NoAddress, Level::Warn, "no address of this node"),
            (Reached, Unknown, Level::Warn, "not known: refused"),
        ] {
            let found = one(link("sn-zab", true, outbound, inbound));
            assert_eq!(found.level, level, "{found:?}");
            assert!(found.finding.contains(word), "{found:?}");
            assert_eq!(found.remedy.is_empty(), level == Level::Ok, "{found:?}");
        }
    }

    #[test]
    fn who_is_missing_and_why_is_said() {
        use v1::ReachState::{Failed, NoAddress, Unknown};
        let found = one(link("sn-zab", false, Failed, Unknown));
        assert_eq!(found.level, Level::Fail);
        assert!(found.finding.contains("missing for 61 s: refused"), "{found:?}");
        let found = one(link("he-vg", false, NoAddress, Unknown));
        assert!(found.remedy.contains("addresses"), "{found:?}");
        let found = one(link("xx-unknown", false, Failed, Unknown));
        assert!(found.finding.contains("configuration does not name"), "{found:?}");
    }
}
