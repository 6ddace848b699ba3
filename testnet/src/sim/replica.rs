//! One node of the simulation: the real driver and worker, its timers and its
//! jobs. What survives a crash is its disk, here as rows and slots.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use laufzettel_chain::genesis::Genesis;
use laufzettel_chain::ids::{Address, Height};
use laufzettel_chain::ledger::Ledger;
use laufzettel_chain::registry::Purpose;
use laufzettel_chain::storage::mem::Rows;
use laufzettel_node::consensus::{Action, Driver, DriverConfig, TimerKey, gate};
use laufzettel_node::mempool::PoolLimits;
use laufzettel_node::worker::Worker;

use super::broken::Broken;
use super::disk::{SimSlots, SimStore};
use super::genesis::Member;

/// A node that runs.
pub(super) struct Running {
    pub(super) driver: Driver,
    pub(super) worker: Worker,
    pub(super) store: Arc<SimStore>,
    pub(super) timers: BTreeMap<TimerKey, u64>,
    pub(super) jobs: VecDeque<Action>,
    pub(super) busy: bool,
}

/// A node, running or not.
pub(super) struct Replica {
    pub(super) member: Member,
    pub(super) running: Option<Running>,
    /// Grows with every start; what was under way for an earlier run is void.
    pub(super) run: u64,
    pub(super) rows: Rows,
    pub(super) slots: SimSlots,
    /// Earlier images of the disk, for the variant that goes back to one.
    pub(super) image: Option<(Rows, [Option<Vec<u8>>; 2])>,
    /// How far its clock is off.
    pub(super) skew_ms: i64,
    /// The highest tip it told anybody of.
    pub(super) announced: Height,
    pub(super) broken: Option<Broken>,
    pub(super) odd: bool,
    /// Whether it can execute what makes honest nodes panic.
    pub(super) executes_hostile: bool,
    pub(super) pool: PoolLimits,
    /// Whether its next crash sets the database back to the image, but not the watermark.
    pub(super) set_back: bool,
    pub(super) was_set_back: bool,
}

impl Replica {
    /// Its clock.
    pub(super) fn clock(&self, now_ms: u64) -> u64 {
        now_ms.saturating_add_signed(self.skew_ms)
    }
    /// The address of its consensus key.
    pub(super) fn address(&self) -> Address {
        Address::of(&self.member.consensus.verifying_key())
    }

    /// Starts it from its disk; what it wants done first, or why it cannot start.
    pub(super) fn start(&mut self, genesis: &Arc<Genesis>, now_ms: u64) -> Result<Vec<Action>, String> {
        self.run = self.run.saturating_add(1);
        let store =
            Arc::new(SimStore::new(core::mem::take(&mut self.rows), self.broken, self.odd, !self.executes_hostile));
        let mut ledger = Ledger::open(store.clone(), genesis.clone(), true).map_err(|error| error.to_string())?;
        if let Some(turns) = self.broken.and_then(Broken::turns) {
            ledger = ledger.with_turns(turns);
        }
        if let Some(conduct) = self.broken.and_then(|broken| broken.conduct(self.odd)) {
            ledger = ledger.with_conduct(conduct);
        }
        let slots = Box::new(self.slots.clone());
        let (worker, recovered) = Worker::open(ledger, slots).map_err(|error| error.to_string())?;
        let config = DriverConfig {
            network: genesis.network,
            incarnation: 0,
            authority: self.member.id.clone(),
            key: self.member.validator.then(|| self.member.consensus.clone()),
            node_key: Some(self.member.node.clone()),
            node_keys: genesis.registry.keys_in_use(Purpose::Node),
            gate: if self.broken == Some(Broken::GateOff) { Broken::no_gate } else { gate::judge },
            pool: self.pool,
        };
        let (driver, first) = Driver::new(config, recovered, self.clock(now_ms));
        let (timers, jobs) = (BTreeMap::new(), VecDeque::new());
        self.running = Some(Running { driver, worker, store, timers, jobs, busy: false });
        Ok(first)
    }

    /// The power fails. Writes that were not synced are lost.
    pub(super) fn crash(&mut self) {
        let Some(running) = self.running.take() else { return };
        self.rows = running.store.faulty.after_power_loss(0);
        self.slots.tear(None);
        if self.set_back
            && let Some((rows, _)) = self.image.take()
        {
            self.rows = rows;
            self.announced = 0;
            self.set_back = false;
            self.was_set_back = true;
        }
        if self.broken == Some(Broken::RestoresSnapshot)
            && let Some((rows, slots)) = self.image.clone()
        {
            self.rows = rows;
            self.slots.set_image(slots);
        }
    }

    /// Keeps an image of the disk as it is.
    pub(super) fn keep_image(&mut self) {
        if let Some(running) = &self.running {
            self.image = Some((running.store.faulty.after_power_loss(0), self.slots.image()));
        }
    }
}
