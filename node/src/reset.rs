//! A new watermark for a validator that lost its own (design 7.2): nothing is
//! known of what it signed, so it may only sign above what the network has
//! reached. That height is a certified header, at most 70 s old, from nodes of
//! more than a third of the voting power: an honest one is among them.
//!
//! Runs in place of the node, never beside it: it takes the data folder's lock
//! and speaks to the peers with the node key. Must never lower a watermark.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::PathBuf;
use std::time::Duration;

use laufzettel_chain::genesis::Genesis;
use laufzettel_chain::ids::{Address, Height};
use thiserror::Error;
use tokio::time::{Instant, timeout_at};

use crate::clock;
use crate::consensus::watermark::{Found, Mark, SigningState, Watermark, judge};
use crate::consensus::{Message, SyncEntry};
use crate::join::swap;
use crate::network::{AuthorityId, Network, NetworkEvent};
use crate::node::{StartError, io, lock, recover};
use crate::setup::Setup;
use crate::slots::{self, SlotFile};
use crate::worker::{WatermarkSlots as _, WorkerError};

/// A header older than this says too little about where the network is: it makes a block every 60 s.
const AGE_MS_MAX: u64 = 70_000;
/// Once enough have answered, the others have this long to name a greater height.
const LAST_CALL: Duration = Duration::from_secs(2);

/// Why the watermark is not reset.
#[derive(Debug, Error)]
pub enum ResetError {
    /// The data folder cannot be used.
    #[error(transparent)]
    Start(#[from] StartError),
    /// This node does not vote.
    #[error("{0} has no vote in this network, or no keys.consensus in its configuration: it needs no watermark")]
    NoValidator(String),
    /// There is nothing to reset.
    #[error(
        "the watermark {0} is in order and is kept; only if it was set back together with the folder (a snapshot of \
         the machine), delete it and run this again"
    )]
    InOrder(PathBuf),
    /// Too few named a height.
    #[error(
        "no height was named by validators of more than a third of the voting power ({answered} of {asked} answered); \
         {problem}. Check the [[peer]] tables and that the network decides blocks, then run this again"
    )]
    TooFew {
        /// Validators that gave a header that counts.
        answered: usize,
        /// Validators that were asked.
        asked: usize,
        /// The last reason against an answer, or that there was none.
        problem: String,
    },
    /// The file cannot be written.
    #[error("cannot write the watermark {path}: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// A stopped validator without a usable watermark, and the lock that keeps it stopped.
pub struct Stopped {
    address: Address,
    path: PathBuf,
    /// Height of its own newest block; 0 without a database.
    own: Height,
    _lock: File,
}

impl Stopped {
    /// Takes the data folder and looks whether there is something to reset.
    ///
    /// # Errors
    /// The node runs, does not vote, its database cannot be read, or its watermark is in order.
    pub fn take(setup: &Setup) -> Result<Self, ResetError> {
        let data = &setup.config.node.data;
        let authority = &setup.config.node.authority;
        let key = setup.keys.consensus.as_ref().map(|key| Address::of(&key.verifying_key()));
        let address = key.filter(|address| setup.genesis.registry.validators.get(address).is_some());
        let address = address.ok_or_else(|| ResetError::NoValidator(authority.clone()))?;
        fs::create_dir_all(data).map_err(io("make data folder", data))?;
        let lock = lock(data)?;
        // Before the watermark is opened: what a join left may take it away.
        swap::recover(data).map_err(StartError::from)?;
        let path = data.join("watermark");
        let existed = path.exists();
        let slots = SlotFile::open(&path).map_err(io("open watermark file", &path))?;
        let found = if data.join("db").exists() { of_database(setup, slots) } else { of_nothing(&slots) };
        let (own, pristine, log_end, slots) = found.inspect_err(|_| {
            if !existed {
                let _ = fs::remove_file(&path);
            }
        })?;
        let found = Found { slots: [slots[0].as_deref(), slots[1].as_deref()], pristine, log_end };
        let (state, newest) = judge(setup.genesis.network, address, &found);
        match state {
            SigningState::New | SigningState::Ready | SigningState::Above(_) if newest.is_some() => {
                Err(ResetError::InOrder(path))
            }
            _ => Ok(Self { address, path, own, _lock: lock }),
        }
    }

    /// The watermark file.
    #[must_use]
    pub fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// Writes the new watermark; the height above which this validator signs from now on.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn reset(&self, genesis: &Genesis, reached: Height) -> Result<Height, ResetError> {
        // What is decided next may have been signed already, by this very validator.
        let above = reached.max(self.own).saturating_add(1);
        let watermark = Watermark {
            sequence: 1,
            network: genesis.network,
            address: self.address,
            mark: Mark::above(above),
            log_position: 0,
        };
        let failed = |source| ResetError::Write { path: self.path.clone(), source };
        slots::replace(&self.path, &watermark).map_err(failed)?;
        Ok(above)
    }
}

type OnDisk = (Height, bool, u64, [Option<Vec<u8>>; 2]);

fn of_nothing(slots: &SlotFile) -> Result<OnDisk, StartError> {
    Ok((0, true, 0, slots.read().map_err(WorkerError::from)?))
}

fn of_database(setup: &Setup, slots: SlotFile) -> Result<OnDisk, StartError> {
    let (_, recovered) = recover(setup, slots)?;
    let height = recovered.tip.header.height;
    Ok((height, height == 0 && recovered.log.is_empty(), recovered.log_end, recovered.slots))
}

/// What validators proved of the height of the network.
#[derive(Debug)]
pub struct Answers<'a> {
    genesis: &'a Genesis,
    own: &'a str,
    heights: BTreeMap<String, Height>,
    problem: String,
}

impl<'a> Answers<'a> {
    /// None yet.
    #[must_use]
    pub fn new(genesis: &'a Genesis, own: &'a str) -> Self {
        Self { genesis, own, heights: BTreeMap::new(), problem: "none answered".to_owned() }
    }
    /// Takes an answer if it counts; the height it proves.
    pub fn take(&mut self, from: &str, entry: &SyncEntry, now_ms: u64) -> Option<Height> {
        let header = &entry.block.header;
        let validators = &self.genesis.registry.validators;
        let age_ms = now_ms.abs_diff(header.time_ms);
        let problem = if from == self.own || validators.of_authority(from).is_none() {
            Some("it has no vote".to_owned())
        } else if header.network != self.genesis.network || header.incarnation != 0 {
            Some("its block is of another network or incarnation".to_owned())
        } else if let Err(error) = entry.certificate.verify(header, validators) {
            Some(error.to_string())
        } else if age_ms > AGE_MS_MAX {
            let seconds = age_ms.div_euclid(1_000);
            Some(format!("block {} is {seconds} s away from the clock of this machine, more than 70", header.height))
        } else {
            None
        };
        if let Some(problem) = problem {
            self.problem = format!("the answer of {from} does not count: {problem}");
            return None;
        }
        let best = self.heights.entry(from.to_owned()).or_default();
        *best = header.height.max(*best);
        Some(header.height)
    }
    /// The greatest height, once validators of more than a third of the power have answered.
    #[must_use]
    pub fn reached(&self) -> Option<Height> {
        let validators = &self.genesis.registry.validators;
        let answered = self.heights.keys().filter_map(|authority| validators.of_authority(authority));
        let power = answered.map(|validator| u128::from(validator.power)).sum();
        let enough = validators.is_third(power);
        self.heights.values().max().copied().filter(|_| enough)
    }
    fn others(&self) -> usize {
        self.genesis.registry.validators.all().iter().filter(|validator| validator.authority != self.own).count()
    }
}

/// Asks the peers how far the network is. `tell` gets what happens, for people.
///
/// # Errors
/// Too few prove a height in time, or the network cannot be used.
pub async fn reached(setup: &Setup, wait: Duration, tell: impl Fn(&str)) -> Result<Height, ResetError> {
    let (network, mut events) = Network::start(setup.network()).await.map_err(StartError::from)?;
    let mut answers = Answers::new(&setup.genesis, &setup.config.node.authority);
    let ask = |to: &AuthorityId, from| network.send(to, Message::SyncRequest { from }.to_bytes());
    let mut until = Instant::now() + wait;
    while answers.heights.len() < answers.others() {
        let Ok(Some(event)) = timeout_at(until, events.recv()).await else { break };
        let (from, message) = match event {
            NetworkEvent::Connected(peer) => {
                tell(&format!("connected to {peer}"));
                continue;
            }
            NetworkEvent::Disconnected(_) => continue,
            NetworkEvent::Frame(from, bytes) => (from, Message::from_bytes(&bytes)),
        };
        match message {
            Ok(Message::Beat(beat)) if beat.message.height > 0 && !answers.heights.contains_key(&*from) => {
                ask(&from, beat.message.height);
            }
            Ok(Message::SyncResponse(entries)) => {
                let Some(entry) = entries.last() else { continue };
                let missed = answers.reached().is_none();
                match answers.take(&from, entry, clock::now_ms()) {
                    Some(height) => tell(&format!("{from} proves height {height}")),
                    None => tell(&answers.problem),
                }
                if missed && answers.reached().is_some() {
                    until = until.min(Instant::now() + LAST_CALL);
                }
            }
            _ => {}
        }
    }
    answers.reached().ok_or_else(|| ResetError::TooFew {
        answered: answers.heights.len(),
        asked: answers.others(),
        problem: answers.problem.clone(),
    })
}

#[cfg(test)]
mod tests;
