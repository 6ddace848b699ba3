//! One peer as a server of snapshots: what it has, what it was asked for, how
//! it behaved.

use std::collections::{BTreeMap, BTreeSet};

use laufzettel_chain::crypto::Hash;
use laufzettel_chain::ids::Height;

/// Wrong answers after which a peer is asked for nothing more.
pub(super) const FAULTS_MAX: u32 = 3;

/// A peer.
#[derive(Debug, Default)]
pub(super) struct Server {
    pub(super) is_connected: bool,
    /// Snapshots it has; none until it said so.
    pub(super) heights: Option<BTreeSet<Height>>,
    /// Snapshots that cannot be had from it.
    pub(super) useless: BTreeSet<Height>,
    /// Whether its manifest of the chosen snapshot is under way.
    pub(super) manifest_asked: bool,
    /// What that manifest says.
    pub(super) content: Option<Hash>,
    /// Chunks under way, and since when.
    pub(super) flights: BTreeMap<u32, u64>,
    /// Chunks that it does not have, or has damaged.
    pub(super) lacks: BTreeSet<u32>,
    /// How often it sent what is wrong.
    pub(super) faults: u32,
    /// Until when it is left alone.
    pub(super) slow_until_ms: u64,
}

impl Server {
    /// Whether it may be asked.
    pub(super) fn is_usable(&self, now_ms: u64) -> bool {
        self.is_connected && self.faults < FAULTS_MAX && self.slow_until_ms <= now_ms
    }
    pub(super) fn has(&self, height: Height) -> bool {
        self.heights.as_ref().is_some_and(|heights| heights.contains(&height))
    }
    pub(super) fn connected(&mut self) {
        self.disconnected();
        self.is_connected = true;
    }
    /// What was under way is lost; how it behaved is not forgotten.
    pub(super) fn disconnected(&mut self) {
        self.is_connected = false;
        self.heights = None;
        self.forget_choice();
    }
    /// Another snapshot is to be chosen.
    pub(super) fn forget_choice(&mut self) {
        self.manifest_asked = false;
        self.content = None;
        self.flights.clear();
        self.lacks.clear();
        self.heights = None;
    }
    pub(super) fn forgive(&mut self) {
        self.useless.clear();
        self.faults = 0;
        self.slow_until_ms = 0;
    }
}
