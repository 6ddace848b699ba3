//! What there is at the beginning, all of it drawn from the seed, and what is
//! to happen.

use std::collections::{BTreeMap, BinaryHeap};

use laufzettel_node::mempool::PoolLimits;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::super::broken::Broken;
use super::super::checks::Checks;
use super::super::clients::{clients, hostile};
use super::super::disk::SimSlots;
use super::super::genesis::{START_MS, genesis, members};
use super::super::links::Links;
use super::super::mode::{Mode, ODD, Odd};
use super::super::replica::Replica;
use super::super::trace::Trace;
use super::lies::Liars;
use super::{CHAOS_MS, Event, LATE_CLIENTS, World};

impl World {
    /// The network of a seed.
    pub(in crate::sim) fn new(seed: u64, broken: Option<Broken>) -> Self {
        let mode = broken.map_or_else(|| Mode::of(seed), Mode::of_broken);
        // One follows; a twin is no member of its own.
        let members = members(mode.validators + 1, mode.validators);
        let genesis = genesis(&members, mode.runs());
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let late = if mode.votes { LATE_CLIENTS + 1 } else { LATE_CLIENTS };
        let (clients, unwanted) = clients(seed, &genesis, &members, &mode, late).unwrap_or_default();
        let small = PoolLimits { count_max: 300, bytes_max: 2 * 1024 * 1024 };
        let pool = if mode.floods_pools() { small } else { PoolLimits::default() };
        let mut replicas = Vec::new();
        for node in 0..mode.nodes() {
            let Some(member) = members.get(mode.member_of(node)).cloned() else { continue };
            replicas.push(Replica {
                member,
                running: None,
                run: 0,
                rows: BTreeMap::new(),
                slots: SimSlots::new(broken),
                image: None,
                skew_ms: match (mode.odd, node) {
                    (Odd::ClockOff, ODD) => 8_000 * if random.random_range(0..2) == 0 { -1 } else { 1 },
                    _ => random.random_range(-300..300),
                },
                announced: 0,
                broken,
                odd: node == 1,
                executes_hostile: mode.executes_hostile(node),
                pool,
                set_back: mode.odd == Odd::SetBack && node == ODD,
                was_set_back: false,
            });
        }
        Self {
            seed,
            random,
            now_ms: START_MS.saturating_add(1_000),
            queue: BinaryHeap::new(),
            events: BTreeMap::new(),
            next_event: 0,
            checks: Checks::new(&genesis),
            hostile: members.first().map(|member| hostile(genesis.network, member)).unwrap_or_default(),
            genesis,
            members,
            replicas,
            links: Links::default(),
            clients,
            unwanted,
            back_ms: None,
            liars: Liars::new(&mode),
            mode,
            late: 0,
            idle: None,
            chaos: true,
            trace: Trace::default(),
            messages: 0,
            crashes: 0,
            steps: 0,
            panics: 0,
            evicted: 0,
            violation: None,
        }
    }

    /// What is to happen whatever happens.
    pub(super) fn plan(&mut self) {
        for node in 0..self.nodes() {
            self.at(0, Event::Restart { node });
        }
        for client in 0..self.mode.clients() {
            let at_any_time_ms = self.random.random_range(0..CHAOS_MS);
            let planned_ms = self.clients.get(client).map(|client| client.wait_ms).filter(|wait_ms| *wait_ms > 0);
            self.at(planned_ms.unwrap_or(at_any_time_ms), Event::Submit { client });
        }
        if self.mode.hostile {
            for _ in 0..2 {
                let wait_ms = self.random.random_range(0..CHAOS_MS);
                self.at(wait_ms, Event::Hostile);
            }
        }
        let liars: Vec<usize> = self.mode.liars.keys().copied().collect();
        for node in liars {
            self.at(300, Event::Interrupt { node });
        }
        self.at(500, Event::Fault);
        let image_ms = self.random.random_range(1_000..6_000);
        self.at(image_ms, Event::Image);
        self.at(CHAOS_MS, Event::Whole);
    }
}
