//! How messages travel between nodes: links that break and stand again,
//! messages that are late, lost or come twice; and which nodes a name means.

use std::sync::Arc;

use laufzettel_node::consensus::{Input, Message, Peer};
use rand::Rng as _;

use super::{Event, World};

/// How many messages in a thousand arrive twice.
const TWICE: u32 = 10;
/// How many in ten thousand are lost, and break their link.
const LOST: u32 = 15;

impl World {
    fn is_same(&self, a: usize, b: usize) -> bool {
        self.mode.member_of(a) == self.mode.member_of(b)
    }
    /// All nodes but this one, and but its twin, which it knows nothing of.
    pub(super) fn others(&self, node: usize) -> Vec<usize> {
        (0..self.nodes()).filter(|other| !self.is_same(node, *other)).collect()
    }
    /// The nodes a name means to a sender: of twins one or the other, or both.
    pub(super) fn nodes_of(&mut self, from: usize, peer: &Peer) -> Vec<usize> {
        let named = |node: &usize| self.peer(*node).as_ref() == Some(peer) && !self.is_same(from, *node);
        let mut nodes: Vec<usize> = (0..self.nodes()).filter(named).collect();
        if nodes.len() > 1 {
            match self.random.random_range(0..4) {
                0 => drop(nodes.pop()),
                1 => drop(nodes.remove(0)),
                _ => {}
            }
        }
        nodes
    }
    pub(super) fn node_of(&self, peer: &Peer) -> Option<usize> {
        self.replicas.iter().position(|replica| replica.member.id == peer.0)
    }

    /// An honest node says something.
    pub(super) fn transmit(&mut self, from: usize, to: &[usize], message: &Message) {
        let bytes = Arc::new(message.to_bytes());
        self.trace.note(self.now_ms, from, message.name(), &bytes);
        if let Some(replica) = self.replicas.get_mut(from).filter(|_| !self.mode.is_faulty(from)) {
            if let Message::Beat(beat) = message {
                replica.announced = replica.announced.max(beat.message.height);
            }
            let result = self.checks.sends(replica, message);
            self.hold(result);
        }
        for to in to {
            self.carry(from, *to, &bytes);
        }
    }

    /// Bytes on their way, if the link stands.
    pub(super) fn carry(&mut self, from: usize, to: usize, bytes: &Arc<Vec<u8>>) {
        let Some(epoch) = self.links.epoch(from, to) else { return };
        self.messages = self.messages.saturating_add(1);
        if self.chaos && self.random.random_range(0..10_000) < LOST {
            self.cut(from, to);
            let wait_ms = self.random.random_range(20..500);
            self.at(wait_ms, Event::Reconnect);
            return;
        }
        let copies = if self.chaos && self.random.random_range(0..1_000) < TWICE { 2 } else { 1 };
        for _ in 0..copies {
            let wait_ms = self.delay();
            self.at(wait_ms, Event::Deliver { from, to, epoch, bytes: Arc::clone(bytes) });
        }
    }

    fn delay(&mut self) -> u64 {
        match (self.chaos, self.random.random_range(0..100)) {
            (true, 0..3) => self.random.random_range(50..600),
            (true, _) => self.random.random_range(1..25),
            (false, _) => self.random.random_range(1..6),
        }
    }

    pub(super) fn deliver(&mut self, sender: usize, to: usize, epoch: u64, bytes: &[u8]) {
        if self.links.epoch(sender, to) != Some(epoch) {
            return;
        }
        let Some(from) = self.peer(sender) else { return };
        match Message::from_bytes(bytes) {
            Ok(message) => self.step(to, Input::Message { from, message }),
            Err(_) if self.mode.lies(sender) => self.step(to, Input::Undecodable { from }),
            Err(error) => self.fail(format!("an honest node's message does not decode: {error}")),
        }
    }

    pub(super) fn cut(&mut self, a: usize, b: usize) {
        if !self.links.cut(a, b) {
            return;
        }
        for (node, other) in [(a, b), (b, a)] {
            // One of twins may still be there: to the node it is one peer.
            let stands =
                (0..self.nodes()).any(|twin| self.is_same(twin, other) && self.links.epoch(node, twin).is_some());
            if let Some(peer) = self.peer(other).filter(|_| !stands) {
                self.step(node, Input::PeerDisconnected(peer));
            }
        }
    }

    /// Links stand again wherever both ends run and no partition lies between.
    pub(super) fn reconnect(&mut self) {
        for a in 0..self.nodes() {
            for b in a.saturating_add(1)..self.nodes() {
                let possible = self.runs(a) && self.runs(b) && !self.links.parted(a, b) && !self.is_same(a, b);
                if possible && self.links.epoch(a, b).is_none() {
                    self.links.connect(a, b);
                    for (node, other) in [(a, b), (b, a)] {
                        if let Some(peer) = self.peer(other) {
                            self.step(node, Input::PeerConnected(peer));
                        }
                    }
                }
            }
        }
    }
}
