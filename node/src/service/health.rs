//! What the driver says of its health, as the services tell it: how the node is, and what an operator should know. Must
//! never decide anything, and never put a case into a warning.

use laufzettel_chain::state::evidence::{self, Record};

use super::alarms::beats;
use crate::api::backend::{NodeState, PeerState, Sync};
use crate::consensus::Health;
use crate::consensus::watermark::SigningState;
use crate::runtime::Handle;

/// A line for each authority that was proven to have signed twice. It is not suspended: that is for people to decide.
pub(super) fn twice_signed(handle: &Handle) -> Vec<String> {
    match evidence::all(handle.store().as_ref(), &handle.genesis().registry) {
        Ok(found) => {
            found.iter().filter_map(|(authority, _, records)| signed_twice(authority, records.all())).collect()
        }
        Err(error) => vec![format!("cannot read which authorities signed twice: {error}")],
    }
}

fn signed_twice(authority: &str, records: &[Record]) -> Option<String> {
    let last = records.last()?;
    let others = match records.len() {
        1 => String::new(),
        count => format!(", the last of {count} heights"),
    };
    Some(format!(
        "authority {authority} signed twice at height {}{others}: its validator lies or runs twice with one key; the \
         proof is on the ledger, and nobody is suspended by it",
        last.height
    ))
}

/// Why this validator does not sign, and what to do about it.
fn signing_warning(health: &Health) -> Option<String> {
    match health.signing {
        SigningState::Silent(reason) => Some(format!(
            "nothing is signed: the file `watermark` in the data folder {reason}; stop the node and run `laufzettel keys \
             watermark reset`, and never restore one from a backup"
        )),
        SigningState::New => Some(
            "nothing is signed yet: this validator is new, or lost its data, and waits to hear from others with more than \
             two thirds of the votes"
                .to_owned(),
        ),
        SigningState::Above(height) if health.height < height => Some(format!(
            "nothing is signed up to block {height}: the watermark was reset, lies ahead of the log, or the data folder was \
             empty; this passes"
        )),
        SigningState::Above(_) | SigningState::Ready | SigningState::Observer => None,
    }
}

/// What the services are told of a driver's health.
pub(super) fn node_state(health: &Health, halted: Option<String>) -> NodeState {
    let peers = health.peers.iter().map(|peer| PeerState {
        authority: peer.peer.0.clone(),
        validator: peer.validator,
        connected: peer.connected,
        height: peer.height,
        beat_age_ms: peer.beat_age_ms,
        since_ms: peer.since_ms,
        clock_ahead_ms: peer.clock_ahead_ms,
        faults: peer.garbage,
    });
    let mut warnings = Vec::new();
    if let Some(reason) = &halted {
        warnings.push(format!("the node stopped deciding: {reason}"));
    }
    warnings.extend(signing_warning(health));
    if let Some(height) = health.key_elsewhere {
        warnings.push(format!(
            "another node signed with this node's consensus key at height {height}; stop one of the two, and never start it \
             again"
        ));
    }
    for missing in &health.missing {
        let stands = health.peers.iter().any(|peer| peer.peer == *missing && peer.connected);
        warnings.push(match stands {
            true => format!("no word from validator {}, though a connection stands", missing.0),
            false => format!("no connection to validator {}", missing.0),
        });
    }
    if health.failures_left == 0 && health.quorum {
        warnings.push("one more failure stops writing".to_owned());
    }
    let highest = health.peers.iter().filter(|peer| peer.connected).map(|peer| peer.height).max().unwrap_or(0);
    let sync = if halted.is_some() {
        Sync::Stopped
    } else if highest > health.height.saturating_add(2) {
        Sync::CatchingUp
    } else if !health.quorum {
        Sync::NoQuorum
    } else {
        Sync::InSync
    };
    NodeState {
        sync,
        round: health.round.unwrap_or(0),
        mempool_transactions: health.pending as u64,
        mempool_bytes: health.pending_bytes as u64,
        signing: Some(health.signing),
        flight_ms: health.flight_ms,
        quorum_margin: u32::try_from(health.failures_left).unwrap_or(u32::MAX),
        peers: peers.collect(),
        warnings,
        at_ms: health.at_ms,
        beats: beats(health),
        oldest_pending_lock_ms: health.oldest_pending_lock_ms,
        alarms: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use laufzettel_chain::evidence::Kind;
    use laufzettel_chain::ids::ItemDigest;

    use super::*;

    #[test]
    fn whoever_signed_twice_is_named_with_the_last_height() {
        let record =
            |height| Record { height, round: 0, kind: Kind::Prevote, item: ItemDigest([1; 32]), recorded: height };
        assert_eq!(signed_twice("sn-lds", &[]), None);
        let one = signed_twice("sn-lds", &[record(7)]).unwrap();
        assert!(one.starts_with("authority sn-lds signed twice at height 7: "), "{one}");
        let two = signed_twice("sn-lds", &[record(7), record(9)]).unwrap();
        assert!(two.starts_with("authority sn-lds signed twice at height 9, the last of 2 heights: "), "{two}");
    }
}
