//! Whether an announcement is recorded in the face of locks and guards: decided once, on what is recorded then. Must
//! never refuse a fact.

use super::given::{EffectId, Effects};
use super::machine::{Given, Machine, decided};
use super::{Known, World};
use crate::definition::Kind;
use crate::fold::CaseFold;
use crate::name::{AuthorityId, Code};
use crate::report::{Entry, Position, Report, Slot};

/// Why an announcement is not recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// A lock stands that stops it. Nobody overrides a lock.
    Locked {
        /// The lock.
        lock: EffectId,
        /// Its name in the definition.
        name: Code,
    },
    /// A guard holds, and no second person overrides it.
    Blocked {
        /// The guard.
        guard: Code,
    },
    /// A guard holds, and the reason given is none with which it may be overridden.
    OverrideUnknown {
        /// The guard.
        guard: Code,
    },
}

impl Stop {
    /// Its stable name.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Locked { .. } => "LOCKED",
            Self::Blocked { .. } => "BLOCKED",
            Self::OverrideUnknown { .. } => "OVERRIDE_UNKNOWN",
        }
    }
}

/// A report that asks to be recorded.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'c> {
    /// What it says.
    pub report: &'c Report,
    /// Who says it.
    pub author: &'c AuthorityId,
    /// The slot whose report it replaces, if it is a correction.
    pub corrects: Option<&'c Slot>,
    /// The reason code with which a second person overrides what blocks it.
    pub reason: Option<&'c Code>,
}

/// Judges a report by the locks that stand now (`effects` are those of the case as of now) and by the guards at its
/// place in the fold order; gives the guards that are overridden. Whether the second person is one is for the ledger.
///
/// # Errors
/// The oldest lock that stops it, else the first guard that blocks it.
pub fn admit(
    world: &World<'_>,
    case: &CaseFold,
    effects: &Effects,
    known: &Known<'_>,
    candidate: &Candidate<'_>,
) -> Result<Vec<Code>, Stop> {
    let Candidate { report, reason, .. } = candidate;
    let status = world.definition.status(report.status.as_str());
    let Some(status) = status.filter(|status| status.kind == Kind::Announces) else {
        return Ok(Vec::new());
    };
    let rules = world.definition.rules();
    let stands = effects.locks.iter().filter(|lock| lock.released_by.is_none());
    for lock in stands {
        if rules.lock(lock.lock.as_str()).is_some_and(|rule| rule.stops.contains(&status.code)) {
            return Err(Stop::Locked { lock: lock.origin.id, name: lock.lock.clone() });
        }
    }
    if status.block_if.is_empty() {
        return Ok(Vec::new());
    }
    let mut overridden = Vec::new();
    for guard in blocking(world, case, known, candidate) {
        let Some(guard) = status.block_if.get(guard) else { continue };
        match reason {
            None => return Err(Stop::Blocked { guard: guard.name.clone() }),
            Some(reason) if guard.overrides.contains(reason) => overridden.push(guard.name.clone()),
            Some(_) => return Err(Stop::OverrideUnknown { guard: guard.name.clone() }),
        }
    }
    Ok(overridden)
}

/// The places of the guards that hold if the report is taken at its place in the order.
fn blocking(world: &World<'_>, case: &CaseFold, known: &Known<'_>, candidate: &Candidate<'_>) -> Vec<usize> {
    let (with, slot) = with_report(world, case, candidate);
    let Some(place) = with.entries().iter().position(|entry| entry.slot == slot) else {
        return Vec::new();
    };
    let (Some(entry), Some(proceeding)) = (with.entries().get(place), with.proceedings().get(place)) else {
        return Vec::new();
    };
    let Some(status) = world.definition.status(candidate.report.status.as_str()) else {
        return Vec::new();
    };
    let mut machine = Machine::default();
    let decided = decided(world, &with, 0);
    let given = Given::of(world, known, &with, &decided);
    machine.take_some(&given, with.proceedings(), 0, place);
    machine.arrive(&given, entry);
    machine.decide_regime(&given, entry, *proceeding);
    let held = machine.holding(&given, &status.block_if, entry, *proceeding);
    let places = status.block_if.iter().enumerate().filter(|(_, guard)| held.contains(guard));
    places.map(|(place, _)| place).collect()
}

/// The case as it would be, and the slot of the report in it.
fn with_report(world: &World<'_>, case: &CaseFold, candidate: &Candidate<'_>) -> (CaseFold, Slot) {
    let Candidate { report, author, corrects, .. } = *candidate;
    let mut with = case.clone();
    if let Some(slot) = corrects
        && with.correct(world.definition, *slot, report.clone()).is_ok()
    {
        return (with, *slot);
    }
    // Of reports of one instant and rank it is the last to be recorded. No digest is known that has this value.
    let slot = [u8::MAX; 32];
    let position = Position { height: u64::MAX, transaction: u32::MAX, item: u16::MAX };
    let entry = Entry { slot, position, author: author.clone(), report: report.clone() };
    with.report(world.definition, entry);
    (with, slot)
}
