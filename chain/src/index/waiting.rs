//! What a row of an inbox holds: the one effect as the last fold gave it, with what the ledger keeps of it. Enough to
//! show it without its case. Must never hold what the definition or the calendars say already: of a period only what it
//! was counted from, so that the steps are found again.

use laufzettel_contracts::effect::{
    Addressee, DeadlineEffect, DeadlineState, Directory, EffectId, EffectKind, Effects, History, NoticeEffect, Origin,
    TaskEffect, TaskState,
};
use laufzettel_contracts::{
    AreaCode, AuthorityId, Calendars, Choice, Definition, Due, DueError, Length, When, due, limits,
};

use crate::codec::{CodecError, Reader, Writer};
use crate::state::effects::Living;
use crate::state::effects::past::{self, code, read_addressee, write_addressee};
use crate::storage::{Family, StoreError};

const VERSION: u8 = 1;
/// Most rows take no more bytes.
const ROW_BYTES: usize = 384;
const ID_BYTES_MAX: usize = 64;
const AREA_BYTES_MAX: usize = 64;
const LENGTH_BYTES_MAX: usize = 16;

/// What waits.
pub(super) enum Wait<'w> {
    /// An open task.
    Task(&'w TaskEffect),
    /// A notice.
    Notice(&'w NoticeEffect),
    /// A lock that is gone without having been released, or that stands again.
    Lock(&'w EffectId),
    /// A deadline.
    Deadline(&'w DeadlineEffect),
}

/// What a row says, without what has to be looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Id of the case's definition.
    pub definition: String,
    /// Its version.
    pub version: u32,
    /// Version of the calendars that periods were counted by.
    pub calendars: u32,
    entry: Entry,
}

/// An effect and what is kept of it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    effects: Effects,
    history: History,
    /// Periods to be counted again: where they belong, and from what they are counted.
    periods: Vec<(Period, Counted, i64)>,
}

/// Where a period belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Period {
    Due,
    Grace,
}

type Counted = (Length, When, Choice);

/// The bytes of a row.
pub(super) fn write(definition: &Definition, living: &Living, wait: &Wait<'_>) -> Vec<u8> {
    let history = living.history();
    let mut out = Writer::with_capacity(ROW_BYTES);
    out.u8(VERSION);
    out.str(definition.id());
    out.u32(definition.version());
    out.u32(living.calendars().version());
    match wait {
        Wait::Task(task) => {
            head(&mut out, EffectKind::Task, &task.origin, history);
            out.str(task.task.as_str());
            write_addressee(&mut out, &task.addressee);
            period(&mut out, task.due.as_ref());
        }
        Wait::Notice(notice) => {
            head(&mut out, EffectKind::Notice, &notice.origin, history);
            out.str(notice.notice.as_str());
            out.u8(u8::from(notice.urgent));
            out.length(notice.recipients.len());
            for recipient in &notice.recipients {
                write_addressee(&mut out, recipient);
            }
            out.opt(notice.acknowledge_until_ms.as_ref());
            out.u8(u8::from(notice.unacknowledged));
        }
        Wait::Lock(id) => {
            out.u8(number(EffectKind::Lock));
            remembered(&mut out, id, history);
        }
        Wait::Deadline(deadline) => {
            head(&mut out, EffectKind::Deadline, &deadline.origin, history);
            out.str(deadline.deadline.as_str());
            period(&mut out, Some(&deadline.due));
            instant(&mut out, deadline.warns_ms);
            period(&mut out, deadline.grace.as_ref());
            out.str(deadline.seat.as_ref().map_or("", |seat| seat.as_str()));
            out.u8(match deadline.state {
                DeadlineState::Warned => 2,
                DeadlineState::Elapsed { grace_over: false } => 3,
                DeadlineState::Elapsed { grace_over: true } => 4,
                // What is over has no row.
                DeadlineState::Running | DeadlineState::Met(_) | DeadlineState::Stopped(_) => 1,
            });
        }
    }
    out.into_bytes()
}

fn number(kind: EffectKind) -> u8 {
    match kind {
        EffectKind::Lock => 1,
        EffectKind::Notice => 2,
        EffectKind::Task => 3,
        EffectKind::Deadline => 4,
        EffectKind::Marker => 5,
    }
}

fn head(out: &mut Writer, kind: EffectKind, origin: &Origin, history: &History) {
    out.u8(number(kind));
    remembered(out, &origin.id, history);
    out.raw(&origin.id.0);
    out.str(origin.rule.as_str());
    past::write_cause(out, &origin.cause);
    out.u32(origin.occurrence);
    out.u32(origin.proceeding);
}

/// What is kept of the effect; nothing where the history is full.
fn remembered(out: &mut Writer, id: &EffectId, history: &History) {
    match history.past().get(id) {
        None => out.u8(0),
        Some(kept) => {
            out.u8(1);
            past::write(out, id, kept);
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

/// From what a period is counted, or why it cannot be.
fn period(out: &mut Writer, due: Option<&Result<Due, DueError>>) {
    match due {
        None => out.u8(0),
        Some(Ok(due)) => {
            // What is counted by `due` tells from what.
            let Some((length, start, choice)) = due.counted_from() else { return out.u8(0) };
            out.u8(1);
            out.raw(&due.elapses_ms().to_be_bytes());
            out.str(&length.to_string());
            match start {
                When::Day(day) => {
                    out.u8(1);
                    out.raw(&day.to_be_bytes());
                }
                When::Instant(ms) => {
                    out.u8(2);
                    out.u64(ms);
                }
            }
            match choice {
                Choice::Unmoved => out.u8(1),
                Choice::Latest => out.u8(2),
                Choice::Earliest => out.u8(3),
                Choice::Area(area) => {
                    out.u8(4);
                    out.str(area.as_str());
                }
            }
        }
        Some(Err(DueError::OutOfRange)) => out.u8(2),
        Some(Err(DueError::WorkingDaysWithoutSeat)) => out.u8(3),
        Some(Err(DueError::UnknownArea(area))) => {
            out.u8(4);
            out.str(area.as_str());
        }
        Some(Err(DueError::NoWorkingDay(area))) => {
            out.u8(5);
            out.str(area.as_str());
        }
    }
}

/// What is read of a period.
enum Read {
    None,
    Counted(Counted, i64),
    Fault(DueError),
}

fn area(input: &mut Reader<'_>) -> Result<AreaCode, CodecError> {
    AreaCode::new(input.str(AREA_BYTES_MAX)?).map_err(|_| CodecError::Invalid("area"))
}

fn read_period(input: &mut Reader<'_>) -> Result<Read, CodecError> {
    Ok(match input.u8()? {
        0 => Read::None,
        1 => {
            let elapses_ms = i64::from_be_bytes(input.array()?);
            let length = Length::parse(input.str(LENGTH_BYTES_MAX)?).map_err(|_| CodecError::Invalid("length"))?;
            let start = match input.u8()? {
                1 => When::Day(i32::from_be_bytes(input.array()?)),
                2 => When::Instant(input.u64()?),
                _ => return Err(CodecError::Invalid("start of a period")),
            };
            let choice = match input.u8()? {
                1 => Choice::Unmoved,
                2 => Choice::Latest,
                3 => Choice::Earliest,
                4 => Choice::Area(area(input)?),
                _ => return Err(CodecError::Invalid("choice of an area")),
            };
            Read::Counted((length, start, choice), elapses_ms)
        }
        2 => Read::Fault(DueError::OutOfRange),
        3 => Read::Fault(DueError::WorkingDaysWithoutSeat),
        4 => Read::Fault(DueError::UnknownArea(area(input)?)),
        5 => Read::Fault(DueError::NoWorkingDay(area(input)?)),
        _ => return Err(CodecError::Invalid("period")),
    })
}

fn flag(input: &mut Reader<'_>) -> Result<bool, CodecError> {
    match input.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(CodecError::Invalid("flag")),
    }
}

fn read_instant(input: &mut Reader<'_>) -> Result<Option<i64>, CodecError> {
    Ok(if flag(input)? { Some(i64::from_be_bytes(input.array()?)) } else { None })
}

fn read_origin(input: &mut Reader<'_>) -> Result<Origin, CodecError> {
    Ok(Origin {
        id: EffectId(input.array()?),
        rule: code(input)?,
        cause: past::read_cause(input)?,
        occurrence: input.u32()?,
        proceeding: input.u32()?,
    })
}

impl Entry {
    fn read(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        let kind = match input.u8()? {
            1 => EffectKind::Lock,
            2 => EffectKind::Notice,
            3 => EffectKind::Task,
            4 => EffectKind::Deadline,
            _ => return Err(CodecError::Invalid("kind of an effect")),
        };
        let kept = if flag(input)? { Some(past::read(input, kind)?) } else { None };
        let history = History::restore(kept.into_iter().collect());
        let mut entry = Self { effects: Effects::default(), history, periods: Vec::new() };
        match kind {
            EffectKind::Task => entry.read_task(input)?,
            EffectKind::Notice => entry.read_notice(input)?,
            EffectKind::Deadline => entry.read_deadline(input)?,
            EffectKind::Lock | EffectKind::Marker => {}
        }
        Ok(entry)
    }
    /// The fault of a period, or a place for what is counted later.
    fn period(&mut self, of: Period, read: Read) -> Option<Result<Due, DueError>> {
        match read {
            Read::None => None,
            Read::Fault(fault) => Some(Err(fault)),
            Read::Counted(counted, elapses_ms) => {
                self.periods.push((of, counted, elapses_ms));
                // Until it is counted.
                Some(Err(DueError::OutOfRange))
            }
        }
    }
    fn read_task(&mut self, input: &mut Reader<'_>) -> Result<(), CodecError> {
        let (origin, task, addressee) = (read_origin(input)?, code(input)?, read_addressee(input)?);
        let read = read_period(input)?;
        let due = self.period(Period::Due, read);
        self.effects.tasks.push(TaskEffect { origin, task, addressee, due, state: TaskState::Open }.into());
        Ok(())
    }
    fn read_notice(&mut self, input: &mut Reader<'_>) -> Result<(), CodecError> {
        let (origin, notice, urgent) = (read_origin(input)?, code(input)?, flag(input)?);
        let mut recipients = Vec::new();
        for _ in 0..input.length(limits::ROLES_MAX)? {
            recipients.push(read_addressee(input)?);
        }
        let (acknowledge_until_ms, unacknowledged) = (input.opt()?, flag(input)?);
        let notice = NoticeEffect { origin, notice, urgent, recipients, acknowledge_until_ms, unacknowledged };
        self.effects.notices.push(notice.into());
        Ok(())
    }
    fn read_deadline(&mut self, input: &mut Reader<'_>) -> Result<(), CodecError> {
        let (origin, deadline) = (read_origin(input)?, code(input)?);
        let read = read_period(input)?;
        let due = self.period(Period::Due, read).ok_or(CodecError::Invalid("a deadline without a period"))?;
        let warns_ms = read_instant(input)?;
        let read = read_period(input)?;
        let grace = self.period(Period::Grace, read);
        let seat = match input.str(ID_BYTES_MAX)? {
            "" => None,
            text => Some(AuthorityId::new(text).map_err(|_| CodecError::Invalid("seat"))?),
        };
        let state = match input.u8()? {
            1 => DeadlineState::Running,
            2 => DeadlineState::Warned,
            3 => DeadlineState::Elapsed { grace_over: false },
            4 => DeadlineState::Elapsed { grace_over: true },
            _ => return Err(CodecError::Invalid("state of a deadline")),
        };
        self.effects.deadlines.push(DeadlineEffect { origin, deadline, due, warns_ms, grace, seat, state }.into());
        Ok(())
    }
    /// Counts the periods.
    fn count(&mut self, calendars: &Calendars) {
        for (of, (length, start, choice), elapses_ms) in std::mem::take(&mut self.periods) {
            let by = |calendars| due(calendars, length, start, &choice);
            // Calendars follow one another, and an earlier one may have given the end.
            let mut all = std::iter::successors(Some(calendars), |one| one.before().map(|(before, _)| before)).map(by);
            let same =
                |counted: &Result<Due, DueError>| counted.as_ref().is_ok_and(|due| due.elapses_ms() == elapses_ms);
            let counted = all.find(same).unwrap_or_else(|| by(calendars));
            let (task, deadline) = (self.effects.tasks.first_mut(), self.effects.deadlines.first_mut());
            match (of, task, deadline) {
                (Period::Due, Some(task), _) => task.due = Some(counted),
                (Period::Due, None, Some(deadline)) => deadline.due = counted,
                (Period::Grace, _, Some(deadline)) => deadline.grace = Some(counted),
                (_, _, _) => {}
            }
        }
    }
    /// Takes what time alone has changed since the fold.
    fn go_on(&mut self, directory: &Directory, now_ms: u64) {
        self.effects.as_of_ms = now_ms;
        let now = i64::try_from(now_ms).unwrap_or(i64::MAX);
        for deadline in &mut self.effects.deadlines {
            let end = |due: &Result<Due, DueError>| due.as_ref().is_ok_and(|due| due.elapses_ms() <= now);
            if deadline.state == DeadlineState::Running && deadline.warns_ms.is_some_and(|warns_ms| warns_ms <= now) {
                deadline.state = DeadlineState::Warned;
            }
            if deadline.state.runs() && end(&deadline.due) {
                deadline.state = DeadlineState::Elapsed { grace_over: false };
            }
            if deadline.state == (DeadlineState::Elapsed { grace_over: false })
                && deadline.grace.as_ref().is_some_and(end)
            {
                deadline.state = DeadlineState::Elapsed { grace_over: true };
            }
        }
        for notice in &mut self.effects.notices {
            let Some(until_ms) = notice.acknowledge_until_ms.filter(|until_ms| *until_ms <= now_ms) else { continue };
            let acknowledged = |recipient: &Addressee| {
                let mut all = self.history.acknowledgements(&notice.origin.id).filter(|(_, at_ms)| *at_ms < until_ms);
                all.any(|(by, _)| match &recipient.authority {
                    Some(known) => known == by,
                    None => directory.holds(&recipient.role, by),
                })
            };
            notice.unacknowledged = !notice.recipients.iter().all(acknowledged);
        }
    }
}

impl Waiting {
    /// What the bytes of a row say.
    ///
    /// # Errors
    /// They are none that this version writes.
    pub fn read(bytes: &[u8]) -> Result<Self, StoreError> {
        let damaged = |error: CodecError| StoreError::Damaged { family: Family::Index.name(), what: error.to_string() };
        let read = || {
            let mut input = Reader::new(bytes);
            if input.u8()? != VERSION {
                return Err(CodecError::Invalid("version of a row"));
            }
            let (definition, version, calendars) = (input.str(ID_BYTES_MAX)?.to_owned(), input.u32()?, input.u32()?);
            let entry = Entry::read(&mut input)?;
            input.end()?;
            Ok(Self { definition, version, calendars, entry })
        };
        read().map_err(damaged)
    }
    /// The one effect, as of an instant not before the block that wrote it, and what is kept of it.
    #[must_use]
    pub fn effects(self, calendars: &Calendars, directory: &Directory, now_ms: u64) -> (Effects, History) {
        let mut entry = self.entry;
        entry.count(calendars);
        entry.go_on(directory, now_ms);
        (entry.effects, entry.history)
    }
}
