//! The end: everything rests, one late client after the other is served at
//! once, an idle network makes heartbeat blocks only; then all that must hold.

use std::collections::BTreeSet;

use laufzettel_chain::ids::Address;
use laufzettel_chain::state::submissions;
use laufzettel_node::consensus::Tip;
use rand::Rng as _;
use serde::Serialize;

use super::super::clients::{Client, late};
use super::super::mode::Odd;
use super::{Event, IDLE_MS, World};
use crate::invariants::Verdict;

/// A single transaction at rest is final within this time.
const LONE_MS: u64 = 1_000;
/// The same with one validator that is not well: its turn passes first.
const LONE_ODD_MS: u64 = 6_000;
/// The same with two: both their turns pass.
const LONE_TWO_MS: u64 = 15_000;
/// Instants at which something that clients reported may become due in an idle network.
const INSTANTS_MAX: u64 = 30;

/// What followed from cases.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Followed {
    /// Deadlines, tasks, notices, locks and markers.
    pub(crate) effects: u64,
    /// Of these, withdrawn.
    pub(crate) withdrawn: u64,
    /// Notices that were not acknowledged in time.
    pub(crate) escalated: u64,
    /// How often a block brought a case forward only because something was due.
    pub(crate) due: u64,
    /// Announcements refused for a lock, and those refused by a guard.
    pub(crate) stopped: u64,
    /// Facts recorded despite a lock.
    pub(crate) despite: u64,
    /// Texts adopted by vote.
    pub(crate) adopted: u64,
    /// Proposals that were voted down, overtaken by another, or open for too long.
    pub(crate) rejected: u64,
    pub(crate) superseded: u64,
    pub(crate) expired: u64,
    /// How often a case moved to another version of its process.
    pub(crate) migrated: u64,
}

impl Followed {
    fn of(verdict: &Verdict) -> Self {
        let Verdict { effects, withdrawn, escalated, due, stopped, despite, .. } = *verdict;
        let Verdict { adopted, rejected, superseded, expired, migrated, .. } = *verdict;
        Self { effects, withdrawn, escalated, due, stopped, despite, adopted, rejected, superseded, expired, migrated }
    }
    /// Both together.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            effects: self.effects + other.effects,
            withdrawn: self.withdrawn + other.withdrawn,
            escalated: self.escalated + other.escalated,
            due: self.due + other.due,
            stopped: self.stopped + other.stopped,
            despite: self.despite + other.despite,
            adopted: self.adopted + other.adopted,
            rejected: self.rejected + other.rejected,
            superseded: self.superseded + other.superseded,
            expired: self.expired + other.expired,
            migrated: self.migrated + other.migrated,
        }
    }
}

impl World {
    pub(super) fn lone_ms(&self) -> u64 {
        match (self.mode.liars.len(), self.mode.twin, self.mode.odd) {
            (0, false, Odd::None | Odd::SetBack) => LONE_MS,
            (0 | 1, _, _) => LONE_ODD_MS,
            _ => LONE_TWO_MS,
        }
    }

    /// Where everyone stands, for the report of a failure.
    pub(super) fn standing(&self) -> String {
        let mut text = String::new();
        for replica in &self.replicas {
            let Some(running) = &replica.running else {
                text += &format!("{} down; ", replica.member.id);
                continue;
            };
            let health = running.driver.health();
            text += &format!(
                "{} at {} round {:?} pending {} {:?}{}; ",
                replica.member.id,
                health.height,
                health.round,
                health.pending,
                health.signing,
                if health.silent { " silent" } else { "" }
            );
        }
        let clients = self.clients.iter().enumerate().take(self.mode.clients() + self.late);
        let open: Vec<usize> = clients.filter(|(_, client)| client.told.is_none()).map(|(index, _)| index).collect();
        text + &format!("clients without outcome {open:?}")
    }

    /// Whether everything rests; then the next late client is let in, and in the end true.
    pub(super) fn next_late(&mut self) -> bool {
        let let_in = self.mode.clients() + self.late;
        if self.clients.iter().take(let_in).any(|client| client.told.is_none()) || !self.rests() {
            return false;
        }
        if let_in + usize::from(self.mode.votes) == self.clients.len() {
            return (self.back_ms.is_some() || self.watch_idle()) && self.comes_back();
        }
        if let_in == self.clients.len() {
            return true;
        }
        self.late += 1;
        let wait_ms = self.random.random_range(1..2_000);
        if self.mode.rules {
            let (at_ms, version) = (self.now_ms.saturating_add(wait_ms), self.version_of(let_in));
            let fresh = late(let_in, at_ms, self.genesis.network, &self.members, version);
            if let (Some(client), Some(fresh)) = (self.clients.get_mut(let_in), fresh) {
                *client = fresh;
            }
        }
        self.at(wait_ms, Event::Submit { client: let_in });
        false
    }

    /// A network that is left alone makes a heartbeat block a minute and nothing else; true once that is seen.
    fn watch_idle(&mut self) -> bool {
        let first = self.honest().into_iter().next().unwrap_or(0);
        let height = self.running(first).map_or(0, |running| running.driver.tip().height());
        match self.idle {
            None => {
                self.idle = Some((height, false));
                self.at(IDLE_MS, Event::Idle);
                false
            }
            Some((_, false)) => false,
            Some((before, true)) => {
                let made = height.saturating_sub(before);
                // Who signs twice even then is brought to the ledger, by each node that sees it.
                let evidence = if self.honest().len() == self.nodes() { 0 } else { 3 * self.nodes() as u64 };
                // And who has its turn with what nobody can execute lets the round pass, so that an empty block follows.
                let most = 3 + evidence + if self.mode.hostile { self.nodes() as u64 } else { 0 };
                // What is still to become due wakes it at its instants; after the last of them a minute passes again.
                let (least, most) = if self.mode.rules { (1, most + INSTANTS_MAX) } else { (2, most) };
                if !(least..=most).contains(&made) {
                    self.fail(format!("an idle network made {made} blocks in {IDLE_MS} ms"));
                }
                true
            }
        }
    }

    /// An idle network wakes for what is due: nothing may be overdue by more than a lone transaction would take.
    pub(super) fn wakes_in_time(&mut self, before: &Tip, tip: &Tip) {
        let due_ms = before.next_due_ms.unwrap_or(u64::MAX).max(before.header.time_ms);
        let late_ms = tip.header.time_ms.saturating_sub(due_ms);
        if self.idle.is_some_and(|(_, over)| !over) && late_ms > self.lone_ms() {
            let height = tip.header.height;
            self.fail(format!("height {height} of an idle network comes {late_ms} ms after something was due"));
        }
    }

    /// Whether so many validators lie, or may not sign yet at this height, that the rest is no quorum. An honest one may
    /// not where it lost its first watermark in a crash and the others went on: it passes for one that was wiped.
    pub(super) fn too_many_unfit(&self) -> bool {
        let unfit = |node: usize| {
            let Some(running) = self.replicas.get(node).and_then(|node| node.running.as_ref()) else { return false };
            self.mode.is_faulty(node) || !running.driver.health().signing.allows(running.driver.tip().next_height())
        };
        let count = (0..self.mode.validators).filter(|node| unfit(*node)).count();
        count > (self.mode.validators - 1) / 3
    }

    fn honest(&self) -> BTreeSet<usize> {
        (0..self.nodes()).filter(|node| !self.mode.is_faulty(*node)).collect()
    }

    fn rests(&self) -> bool {
        let mut heights = BTreeSet::new();
        for replica in self.honest().into_iter().filter_map(|node| self.replicas.get(node)) {
            let Some(running) = &replica.running else { return false };
            let health = running.driver.health();
            // A node keeps what nobody can execute until it builds a block itself. It is awake for it alone then, until
            // the next heartbeat wakes the others.
            let awake = health.round.is_some() && !self.mode.hostile;
            let busy = awake || health.pending > usize::from(self.mode.hostile);
            if busy || !running.jobs.is_empty() {
                return false;
            }
            heights.insert(health.height);
        }
        heights.len() == 1
    }

    /// What must hold in the end, of honest nodes; how much evidence the ledger holds, and what followed from cases.
    pub(super) fn settle(&mut self) -> (usize, Followed) {
        let honest = self.honest();
        let mut result = self.checks.contradictions.none_against_honest(&self.genesis);
        let mut evidence = 0;
        if result.is_ok() {
            match self.checks.contradictions.recorded(&self.replicas, &honest, &self.genesis) {
                Ok(count) => evidence = count,
                Err(violation) => result = Err(violation),
            }
        }
        let hostile = self.members.first().and_then(|member| Some((member.id.clone(), self.hostile.decode().ok()?)));
        let of_faulty = self.replicas.iter().enumerate().filter(|(node, _)| !honest.contains(node));
        let faulty: BTreeSet<Address> = of_faulty.map(|(_, replica)| replica.address()).collect();
        // What liars and twins still have to say is of no account.
        let mut node = 0;
        self.replicas.retain(|_| {
            node += 1;
            honest.contains(&(node - 1))
        });
        for replica in &self.replicas {
            if let (Some(running), Some((authority, hostile))) = (&replica.running, &hostile) {
                let found = submissions::find(&running.store.faulty, authority, &hostile.payload.id);
                if !matches!(found, Ok(None)) {
                    result = Err(format!("{} holds the hostile transaction: {found:?}", replica.member.id));
                }
            }
        }
        let settled = self.checks.settled(&self.genesis, &faulty, &self.replicas, &self.clients);
        self.hold(result.and(settled.sound()));
        (evidence, Followed::of(&settled))
    }

    /// Clients that were told their outcome.
    pub(super) fn told(&self) -> impl Iterator<Item = &Client> {
        self.clients.iter().filter(|client| client.told.is_some())
    }
}
