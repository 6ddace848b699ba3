//! What the fold of effects gives. Everything that was ever made by the reports that stand is in it, also what is over
//! (met, done, released, cleared); what is missing that was there before is withdrawn. Must never hold what cannot be
//! derived from the fold's arguments.

use super::list::List;
use super::shared::Shared;
use crate::legal::{Due, DueError};
use crate::name::{AuthorityId, Code};
use crate::report::Slot;
use std::collections::BTreeMap;

/// The name of an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EffectId(pub [u8; 16]);

/// Why a rule ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// A report.
    Report(Slot),
    /// What became of a deadline or a notice.
    Effect(EffectId),
}

/// What kind of effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EffectKind {
    /// A stop on announcements.
    Lock,
    /// Information for authorities.
    Notice,
    /// Work for one authority.
    Task,
    /// A period with an end.
    Deadline,
    /// Something computed that some roles see.
    Marker,
}

/// Where an effect comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Its name, given by the ledger from the next three.
    pub id: EffectId,
    /// The rule that made it.
    pub rule: Code,
    /// Why that rule ran.
    pub cause: Cause,
    /// Its place among what the rule makes for one cause, from 0: deadlines, tasks, notices, locks, markers, each in the
    /// order of the text.
    pub occurrence: u32,
    /// The proceeding of the cause.
    pub proceeding: u32,
}

/// What has become of a deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeadlineState {
    /// It runs.
    Running,
    /// It runs and has warned.
    Warned,
    /// A report met it in time.
    Met(Slot),
    /// It ended without that; the flag says whether its grace is over, too.
    Elapsed {
        /// Whether the grace has ended as well.
        grace_over: bool,
    },
    /// A rule stopped it.
    Stopped(Cause),
}

impl DeadlineState {
    /// Whether it runs, warned or not.
    pub fn runs(self) -> bool {
        matches!(self, Self::Running | Self::Warned)
    }
}

/// A deadline that was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadlineEffect {
    /// Where it comes from.
    pub origin: Origin,
    /// Its name in the definition.
    pub deadline: Code,
    /// When it ends and why then; an error leaves it running until it is met or stopped.
    pub due: Result<Due, DueError>,
    /// When it warns, in milliseconds.
    pub warns_ms: Option<i64>,
    /// When its grace ends.
    pub grace: Option<Result<Due, DueError>>,
    /// The authority whose seat gave the calendar.
    pub seat: Option<AuthorityId>,
    /// What has become of it.
    pub state: DeadlineState,
}

/// What has become of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskState {
    /// It waits to be done.
    Open,
    /// An authority completed it by hand.
    Done {
        /// Who.
        by: AuthorityId,
        /// How.
        outcome: Code,
        /// When, in milliseconds of block time.
        at_ms: u64,
    },
    /// A report or a rule closed it.
    Closed(Cause),
}

/// A task that was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskEffect {
    /// Where it comes from.
    pub origin: Origin,
    /// Its name in the definition.
    pub task: Code,
    /// For whom.
    pub addressee: Addressee,
    /// Until when it should be done.
    pub due: Option<Result<Due, DueError>>,
    /// What has become of it.
    pub state: TaskState,
}

/// A role, and the authority that holds it in this case where that is known; else all that hold the role are meant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Addressee {
    /// The role.
    pub role: Code,
    /// The authority, if known.
    pub authority: Option<AuthorityId>,
}

/// A notice that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticeEffect {
    /// Where it comes from.
    pub origin: Origin,
    /// Its name in the definition.
    pub notice: Code,
    /// Whether it goes before all else.
    pub urgent: bool,
    /// Who gets it.
    pub recipients: Vec<Addressee>,
    /// Until when each of them has to acknowledge it: an acknowledgement counts before this instant (milliseconds).
    pub acknowledge_until_ms: Option<u64>,
    /// Whether one of them had not by then.
    pub unacknowledged: bool,
}

/// A lock that was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockEffect {
    /// Where it comes from.
    pub origin: Origin,
    /// Its name in the definition.
    pub lock: Code,
    /// Why it stands no more.
    pub released_by: Option<Cause>,
}

/// A marker that was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarkerEffect {
    /// Where it comes from.
    pub origin: Origin,
    /// Its name in the definition.
    pub marker: Code,
    /// Why it is set no more.
    pub cleared_by: Option<Cause>,
}

/// In what a report departs from the rules. None of them keeps it from counting.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum EffectDeviationKind {
    /// A guard of `warn_if` holds.
    Warned(Code),
    /// A guard of `block_if` holds on an announcement: it was overridden, or what was recorded later makes it hold.
    Overridden(Code),
    /// A guard of `block_if` holds on a fact: grave.
    Grave(Code),
    /// A fact came while a lock stood that it alarms: grave.
    ExecutedDespiteLock(EffectId),
    /// An announcement stands in the order after the lock that stops it: it was recorded before the lock was known.
    AnnouncedDespiteLock(EffectId),
    /// It gives a role to an authority that does not hold it in the network; that does not count.
    AssignedWithoutRole(Code),
}

impl EffectDeviationKind {
    /// Its stable name.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Warned(_) => "WARNED",
            Self::Overridden(_) => "OVERRIDDEN",
            Self::Grave(_) => "GRAVE",
            Self::ExecutedDespiteLock(_) => "EXECUTED_DESPITE_LOCK",
            Self::AnnouncedDespiteLock(_) => "ANNOUNCED_DESPITE_LOCK",
            Self::AssignedWithoutRole(_) => "ASSIGNED_WITHOUT_ROLE",
        }
    }

    /// Whether it is to be looked at at once.
    pub fn is_grave(&self) -> bool {
        matches!(self, Self::Grave(_) | Self::ExecutedDespiteLock(_))
    }
}

/// One departure of one report from the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectDeviation {
    /// The report.
    pub slot: Slot,
    /// Its status.
    pub status: Code,
    /// In what it departs.
    pub kind: EffectDeviationKind,
}

/// Which authority holds a role in this case, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Participant {
    /// A report gave it the role.
    Assigned(AuthorityId),
    /// It reported last under this role.
    Reported(AuthorityId),
    /// No other authority of the network holds the role.
    Only(AuthorityId),
}

impl Participant {
    /// The authority.
    pub fn authority(&self) -> &AuthorityId {
        match self {
            Self::Assigned(authority) | Self::Reported(authority) | Self::Only(authority) => authority,
        }
    }
}

/// Which law a proceeding is under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProceedingRegime {
    /// The proceeding.
    pub proceeding: u32,
    /// The regime.
    pub regime: Code,
    /// Whether the status that decides it is still missing.
    pub provisional: bool,
}

/// How many effects were not made since a bound of `limits` was reached. All zero but for a case gone wild.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Deadlines.
    pub deadlines: u32,
    /// Tasks.
    pub tasks: u32,
    /// Notices.
    pub notices: u32,
    /// Locks.
    pub locks: u32,
    /// Markers.
    pub markers: u32,
    /// Deviations.
    pub deviations: u32,
}

/// All that follows from a case as of an instant. Lists are in the order in which things were made; a copy
/// shares what has not changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Effects {
    /// The instant asked about, in milliseconds.
    pub as_of_ms: u64,
    /// By role, the authorities that are known; empty in language 1.
    pub participants: Shared<BTreeMap<Code, Participant>>,
    /// By proceeding; empty where the definition has no regimes.
    pub regimes: Vec<ProceedingRegime>,
    /// Deadlines.
    pub deadlines: List<DeadlineEffect>,
    /// Tasks.
    pub tasks: List<TaskEffect>,
    /// Notices.
    pub notices: List<NoticeEffect>,
    /// Locks.
    pub locks: List<LockEffect>,
    /// Markers.
    pub markers: List<MarkerEffect>,
    /// Departures of reports from guards and locks.
    pub deviations: Vec<EffectDeviation>,
    /// What a bound left out.
    pub dropped: Dropped,
    /// The next instant, in milliseconds, at which folding again changes something, if nothing is recorded before. Where
    /// a report is dated later than the instant asked about (a day counts as its end), it may turn out to be the same.
    pub next_due_ms: Option<u64>,
}

impl Effects {
    /// Made anew, it goes on from an earlier fold of the same case: what is equal is shared with that one, and counts as
    /// changed only if it did there. Whether all that was given there is given here.
    pub(super) fn go_on_from(&mut self, before: &Self) -> bool {
        if self.participants == before.participants {
            self.participants = before.participants.clone();
        }
        let kept = [
            self.deadlines.go_on_from(&before.deadlines, |one| one.origin.id),
            self.tasks.go_on_from(&before.tasks, |one| one.origin.id),
            self.notices.go_on_from(&before.notices, |one| one.origin.id),
            self.locks.go_on_from(&before.locks, |one| one.origin.id),
            self.markers.go_on_from(&before.markers, |one| one.origin.id),
        ];
        kept.into_iter().all(|kept| kept)
    }

    /// From now on nothing counts as changed.
    pub(super) fn settle(&mut self) {
        self.deadlines.settle();
        self.tasks.settle();
        self.notices.settle();
        self.locks.settle();
        self.markers.settle();
    }
}
