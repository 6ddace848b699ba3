//! What goes wrong: partitions, crashes at any time and at any write, torn
//! watermark slots; and the ledger's work, in the midst of which it happens.

use std::collections::BTreeSet;

use laufzettel_chain::storage::faulty::CrashPoint;
use laufzettel_node::consensus::watermark::SLOT_BYTES;
use laufzettel_node::consensus::{Action, Input};
use rand::Rng;

use super::{Event, World};

/// How many in a thousand writes are struck by a crash.
const STRUCK: u32 = 12;

/// When a crash strikes during a piece of work.
#[derive(Debug, Clone, Copy)]
enum Strike {
    Before,
    AfterLog,
    InSlot(usize),
    AfterAll,
}

impl World {
    /// The next fault, and when the one after it comes.
    pub(super) fn fault(&mut self) {
        if !self.chaos {
            return;
        }
        match self.random.random_range(0..10) {
            0..4 => {
                let node = self.random.random_range(0..self.nodes());
                self.crash(node);
            }
            4 => {
                for node in 0..self.nodes() {
                    if self.random.random_range(0..4) < 3 {
                        self.crash(node);
                    }
                }
            }
            5..8 => self.partition(),
            _ => {
                let (a, b) = (self.random.random_range(0..self.nodes()), self.random.random_range(0..self.nodes()));
                if a != b {
                    self.cut(a, b);
                    let wait_ms = self.random.random_range(100..2_000);
                    self.at(wait_ms, Event::Reconnect);
                }
            }
        }
        let wait_ms = self.random.random_range(300..2_500);
        self.at(wait_ms, Event::Fault);
    }

    fn partition(&mut self) {
        let apart: BTreeSet<usize> = (0..self.nodes()).filter(|_| self.random.random_range(0..2) == 0).collect();
        self.links.part(apart);
        for a in 0..self.nodes() {
            for b in a.saturating_add(1)..self.nodes() {
                if self.links.parted(a, b) {
                    self.cut(a, b);
                }
            }
        }
        // The next partition or the healing ends this one; in between links stand only within each side.
        self.reconnect();
    }

    /// The chaos ends: no partition, everyone runs, nothing is lost any more.
    pub(super) fn make_whole(&mut self) {
        self.chaos = false;
        self.links.part(BTreeSet::new());
        for node in 0..self.nodes() {
            if !self.runs(node) {
                self.restart(node);
            }
        }
        self.reconnect();
    }

    pub(super) fn crash(&mut self, node: usize) {
        if !self.runs(node) {
            return;
        }
        self.stop(node);
        let long = self.random.random_range(0..8) == 0;
        let wait_ms = if long { self.random.random_range(3_000..15_000) } else { self.random.random_range(50..3_000) };
        self.at(wait_ms, Event::Restart { node });
    }

    /// Its power fails, and its links with it.
    pub(super) fn stop(&mut self, node: usize) {
        self.crashes = self.crashes.saturating_add(1);
        self.trace.note(self.now_ms, node, "crash", &[]);
        if let Some(replica) = self.replicas.get_mut(node) {
            replica.crash();
        }
        for other in 0..self.nodes() {
            if other != node {
                self.cut(node, other);
            }
        }
    }

    pub(super) fn restart(&mut self, node: usize) {
        if self.runs(node) {
            return;
        }
        let (now_ms, genesis) = (self.now_ms, self.genesis.clone());
        let Some(replica) = self.replicas.get_mut(node) else { return };
        match replica.start(&genesis, now_ms) {
            Err(reason) => self.fail(format!("node {node} does not start: {reason}")),
            Ok(actions) => {
                let tip = replica.running.as_ref().map_or(0, |running| running.driver.tip().height());
                let result = self.checks.restarted(replica, tip);
                self.hold(result);
                self.trace.note(self.now_ms, node, "start", &tip.to_be_bytes());
                self.perform(node, actions);
                self.reconnect();
            }
        }
    }

    pub(super) fn next_job(&mut self, node: usize, run: u64) {
        let Some(running) = self.replicas.get_mut(node).and_then(|replica| replica.running.as_mut()) else { return };
        if !running.busy && !running.jobs.is_empty() {
            running.busy = true;
            let wait_ms = self.random.random_range(1..4);
            self.at(wait_ms, Event::Job { node, run });
        }
    }

    pub(super) fn job(&mut self, node: usize, run: u64) {
        let now_ms = self.now_ms;
        let strike = self.strike();
        let Some(replica) = self.replicas.get_mut(node).filter(|replica| replica.run == run) else { return };
        let clock_ms = replica.clock(now_ms);
        let Some(running) = replica.running.as_mut() else { return };
        running.busy = false;
        let Some(action) = running.jobs.pop_front() else { return };
        let writes = matches!(action, Action::Persist { .. } | Action::Commit { .. });
        let strike = strike.filter(|_| writes);
        let next_write = running.store.faulty.writes().saturating_add(1);
        match strike {
            Some(Strike::Before) => running.store.faulty.plan(Some(CrashPoint::Before(next_write))),
            Some(Strike::AfterLog) => running.store.faulty.plan(Some(CrashPoint::After(next_write))),
            Some(Strike::InSlot(after)) => replica.slots.tear(Some(after)),
            Some(Strike::AfterAll) | None => {}
        }
        let Ok(Some(input)) = running.worker.perform(action, clock_ms) else { return self.crash(node) };
        if strike.is_some() {
            return self.crash(node);
        }
        let before = running.driver.tip().clone();
        if let Input::Committed { tip, .. } = &input {
            let latest_ms = self.latest_clock_ms();
            let result = self.checks.committed(tip, latest_ms);
            self.trace.note(now_ms, node, "commit", &tip.id.0);
            self.hold(result);
            self.wakes_in_time(&before, tip);
        }
        self.step(node, input);
        self.next_job(node, run);
    }

    /// What the fastest honest clock reads.
    fn latest_clock_ms(&self) -> u64 {
        let honest = self.replicas.iter().enumerate().filter(|(node, _)| !self.mode.is_faulty(*node));
        honest.map(|(_, replica)| replica.clock(self.now_ms)).max().unwrap_or(self.now_ms)
    }

    fn strike(&mut self) -> Option<Strike> {
        // Drawn for every piece of work, so that what it is does not change the numbers drawn after it.
        let (hit, kind) = (self.random.random_range(0..1_000), self.random.random_range(0..4));
        let cut = self.random.random_range(0..=SLOT_BYTES);
        if !self.chaos || hit >= STRUCK {
            return None;
        }
        Some(match kind {
            0 => Strike::Before,
            1 => Strike::AfterLog,
            2 => Strike::InSlot(cut),
            _ => Strike::AfterAll,
        })
    }

    /// Work that other threads do: admission and reading.
    pub(super) fn quick(&mut self, node: usize, run: u64, action: Action) {
        let now_ms = self.now_ms;
        let Some(replica) = self.replicas.get_mut(node).filter(|replica| replica.run == run) else { return };
        let clock_ms = replica.clock(now_ms);
        let Some(running) = replica.running.as_mut() else { return };
        match running.worker.perform(action, clock_ms) {
            Ok(Some(input)) => self.step(node, input),
            Ok(None) => {}
            Err(error) => self.fail(format!("node {node} cannot read: {error}")),
        }
    }
}
