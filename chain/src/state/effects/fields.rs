//! The fields of a case that effects give (docs/FORMATS.md A.5): what is remembered of the effects of a kind, and what
//! the fold gives of it. Written at the end of a block; the history is read back from them. Must never hold anything
//! that differs with how a fold was made.

use std::collections::BTreeMap;

use laufzettel_contracts::effect::{
    Cause, DeadlineEffect, DeadlineState, EffectDeviation, EffectDeviationKind, EffectId, EffectKind, Effects, History,
    One, Origin, Participant, TaskEffect, TaskState,
};
use laufzettel_contracts::{Code, Due, DueError};

use super::past::{read_all, write, write_addressee, write_cause};
use crate::codec::{CodecError, Reader, Writer};

/// Which authority holds which role in the case.
pub const PARTICIPANTS: usize = 2;
/// Stops on announcements.
pub const LOCKS: usize = 4;
/// Periods.
pub const DEADLINES: usize = 5;
/// Work.
pub const TASKS: usize = 6;
/// Information.
pub const NOTICES: usize = 7;
/// What was computed.
pub const MARKERS: usize = 9;

/// Most effects take no more bytes, so that their field seldom grows while it is written.
const EFFECT_BYTES: usize = 320;
/// The same of who takes part in a role.
const PARTICIPANT_BYTES: usize = 48;

/// First byte of each field of a kind.
pub(super) const VERSION: u8 = 1;

/// The kinds with their fields.
pub const KINDS: [(usize, EffectKind); 5] = [
    (LOCKS, EffectKind::Lock),
    (DEADLINES, EffectKind::Deadline),
    (TASKS, EffectKind::Task),
    (NOTICES, EffectKind::Notice),
    (MARKERS, EffectKind::Marker),
];

/// Bytes of the fields that are not empty, by number, written from nothing; `Parts` keeps them as a case changes.
#[must_use]
pub fn of(effects: &Effects, history: &History) -> Vec<(usize, Vec<u8>)> {
    let mut fields = Vec::from_iter(participants(effects).map(|bytes| (PARTICIPANTS, bytes)));
    for (field, kind) in KINDS {
        let remembered: Vec<_> = history.past().iter().filter(|(_, past)| past.kind == kind).collect();
        let given: Vec<One<'_>> = One::all(effects).map(|(_, one)| one).filter(|one| one.kind() == kind).collect();
        let dropped = dropped(effects, kind);
        if remembered.is_empty() && given.is_empty() && dropped == 0 {
            continue;
        }
        let mut out = Writer::with_capacity(remembered.len().saturating_mul(EFFECT_BYTES).saturating_add(EFFECT_BYTES));
        out.u8(VERSION);
        out.length(remembered.len());
        for (id, past) in remembered {
            write(&mut out, id, past);
        }
        out.u32(dropped);
        out.length(given.len());
        given.iter().for_each(|one| write_one(&mut out, *one));
        fields.push((field, out.into_bytes()));
    }
    fields
}

/// The history that the fields hold.
///
/// # Errors
/// The bytes are none that [`of`] gives.
pub fn history<'f>(field: impl Fn(usize) -> &'f [u8]) -> Result<History, CodecError> {
    let mut past = BTreeMap::new();
    for (number, kind) in KINDS {
        let bytes = field(number);
        if bytes.is_empty() {
            continue;
        }
        let mut input = Reader::new(bytes);
        if input.u8()? != VERSION {
            return Err(CodecError::Invalid("version of a field"));
        }
        read_all(&mut input, kind, &mut past)?;
    }
    Ok(History::restore(past))
}

/// What follows the proceedings in their field: which law each is under.
#[must_use]
pub fn regimes(effects: &Effects) -> Vec<u8> {
    let mut out = Writer::default();
    out.length(effects.regimes.len());
    for regime in &effects.regimes {
        out.u32(regime.proceeding);
        out.str(regime.regime.as_str());
        out.u8(u8::from(regime.provisional));
    }
    out.into_bytes()
}

/// What follows the deviations of the order in their field: those from guards and locks.
#[must_use]
pub fn deviations(effects: &Effects) -> Vec<u8> {
    let mut out = Writer::default();
    out.u32(effects.dropped.deviations);
    out.length(effects.deviations.len());
    for EffectDeviation { slot, status, kind } in &effects.deviations {
        out.raw(slot);
        out.str(status.as_str());
        let (number, code, lock): (u8, &str, &[u8]) = match kind {
            EffectDeviationKind::Warned(guard) => (16, guard.as_str(), &[]),
            EffectDeviationKind::Overridden(guard) => (17, guard.as_str(), &[]),
            EffectDeviationKind::Grave(guard) => (18, guard.as_str(), &[]),
            EffectDeviationKind::ExecutedDespiteLock(lock) => (19, "", &lock.0),
            EffectDeviationKind::AnnouncedDespiteLock(lock) => (20, "", &lock.0),
            EffectDeviationKind::AssignedWithoutRole(role) => (21, role.as_str(), &[]),
        };
        out.u8(number);
        out.str(code);
        out.bytes(lock);
    }
    out.into_bytes()
}

/// Who takes part, if that is known of anybody.
pub(crate) fn participants(effects: &Effects) -> Option<Vec<u8>> {
    let all = &effects.participants;
    if all.is_empty() {
        return None;
    }
    let mut out = Writer::with_capacity(all.len().saturating_mul(PARTICIPANT_BYTES).saturating_add(PARTICIPANT_BYTES));
    out.u8(VERSION);
    out.length(all.len());
    for (role, participant) in all.iter() {
        out.str(role.as_str());
        out.u8(match participant {
            Participant::Assigned(_) => 1,
            Participant::Reported(_) => 2,
            Participant::Only(_) => 3,
        });
        out.str(participant.authority().as_str());
    }
    Some(out.into_bytes())
}

/// How many effects of a kind a bound left out.
pub(super) fn dropped(effects: &Effects, kind: EffectKind) -> u32 {
    let dropped = &effects.dropped;
    match kind {
        EffectKind::Lock => dropped.locks,
        EffectKind::Deadline => dropped.deadlines,
        EffectKind::Task => dropped.tasks,
        EffectKind::Notice => dropped.notices,
        EffectKind::Marker => dropped.markers,
    }
}

/// The bytes of an effect that the fold gives.
pub(super) fn write_one(out: &mut Writer, one: One<'_>) {
    match one {
        One::Lock(lock) => {
            head(out, &lock.origin, &lock.lock);
            cause(out, lock.released_by.as_ref());
        }
        One::Deadline(one) => deadline(out, one),
        One::Task(one) => task(out, one),
        One::Notice(notice) => {
            head(out, &notice.origin, &notice.notice);
            out.u8(u8::from(notice.urgent));
            out.length(notice.recipients.len());
            for recipient in &notice.recipients {
                write_addressee(out, recipient);
            }
            out.opt(notice.acknowledge_until_ms.as_ref());
            out.u8(u8::from(notice.unacknowledged));
        }
        One::Marker(marker) => {
            head(out, &marker.origin, &marker.marker);
            cause(out, marker.cleared_by.as_ref());
        }
    }
}

fn deadline(out: &mut Writer, deadline: &DeadlineEffect) {
    head(out, &deadline.origin, &deadline.deadline);
    due(out, Some(&deadline.due));
    instant(out, deadline.warns_ms);
    due(out, deadline.grace.as_ref());
    out.str(deadline.seat.as_ref().map_or("", |seat| seat.as_str()));
    match deadline.state {
        DeadlineState::Running => out.u8(1),
        DeadlineState::Warned => out.u8(2),
        DeadlineState::Met(slot) => {
            out.u8(3);
            out.raw(&slot);
        }
        DeadlineState::Elapsed { grace_over: false } => out.u8(4),
        DeadlineState::Elapsed { grace_over: true } => out.u8(5),
        DeadlineState::Stopped(by) => {
            out.u8(6);
            write_cause(out, &by);
        }
    }
}

fn task(out: &mut Writer, task: &TaskEffect) {
    head(out, &task.origin, &task.task);
    write_addressee(out, &task.addressee);
    due(out, task.due.as_ref());
    match &task.state {
        TaskState::Open => out.u8(1),
        TaskState::Done { by, outcome, at_ms } => {
            out.u8(2);
            out.str(by.as_str());
            out.str(outcome.as_str());
            out.u64(*at_ms);
        }
        TaskState::Closed(by) => {
            out.u8(3);
            write_cause(out, by);
        }
    }
}

/// Name and proceeding; rule, cause and occurrence are in what is remembered.
fn head(out: &mut Writer, origin: &Origin, name: &Code) {
    let EffectId(id) = origin.id;
    out.raw(&id);
    out.str(name.as_str());
    out.u32(origin.proceeding);
}

fn cause(out: &mut Writer, cause: Option<&Cause>) {
    match cause {
        None => out.u8(0),
        Some(cause) => {
            out.u8(1);
            write_cause(out, cause);
        }
    }
}

fn instant(out: &mut Writer, ms: Option<i64>) {
    match ms {
        None => out.u8(0),
        Some(ms) => {
            out.u8(1);
            out.raw(&ms.to_be_bytes());
        }
    }
}

/// The instant at which a period elapses, or why there is none; how it was counted follows from the definition.
fn due(out: &mut Writer, due: Option<&Result<Due, DueError>>) {
    let fault = match due {
        None => return out.u8(0),
        Some(Ok(due)) => return instant(out, Some(due.elapses_ms())),
        Some(Err(fault)) => fault,
    };
    out.u8(2);
    out.u8(match fault {
        DueError::OutOfRange => 1,
        DueError::UnknownArea(_) => 2,
        DueError::NoWorkingDay(_) => 3,
        DueError::WorkingDaysWithoutSeat => 4,
    });
}
