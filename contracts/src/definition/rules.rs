//! What language 2 adds to a definition: regimes, guards, deadlines, tasks, notices, locks, markers and the rules that
//! make them (docs/PROCESS-LANGUAGE.md). Every name in it resolves. Must never hold what happens in a case.

use super::Labels;
use crate::expression::Expression;
use crate::legal::Length;
use crate::name::Code;
use std::collections::{BTreeMap, BTreeSet};

/// A law that proceedings are under, by the day of one status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Regime {
    /// Its name.
    pub code: Code,
    /// For people.
    pub labels: Labels,
    /// The first day, days since 1970-01-01; none for the first regime.
    pub from: Option<i32>,
    /// Its legal basis.
    pub basis: String,
}

/// A condition on a report of a status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard {
    /// Its name, unique in its status.
    pub name: Code,
    /// For people: what is wrong if it holds.
    pub labels: Labels,
    /// Holds if something is wrong.
    pub when: Expression,
    /// Reason codes with which a second person may override it; only guards that block have some.
    pub overrides: Vec<Code>,
    /// Its legal basis.
    pub basis: String,
}

/// Which day of the report that starts a deadline begins it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartDay {
    /// The day it occurred.
    Occurred,
    /// The day it takes effect, where it has one.
    Effective,
}

/// Which day counts where the seat is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownSeat {
    /// The latest that any seat gives: nothing is final before it.
    Latest,
    /// The earliest: an own duty is done by then everywhere.
    Earliest,
}

/// A period with an end in law.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deadline {
    /// Its name.
    pub code: Code,
    /// For people.
    pub labels: Labels,
    /// Its length by regime, in the order of the regimes; a definition without regimes has one.
    pub lengths: Vec<Length>,
    /// From which day.
    pub from: StartDay,
    /// The role whose seat gives the calendar; none: the country's own holidays only.
    pub seat: Option<Code>,
    /// Which day counts where that seat is not known.
    pub unknown_seat: UnknownSeat,
    /// Statuses that meet it.
    pub met_by: Vec<Code>,
    /// How long before its end it warns.
    pub warn: Option<Length>,
    /// How long after its end its grace ends.
    pub grace: Option<Length>,
    /// Roles in whose lists it stands.
    pub watched_by: Vec<Code>,
    /// Its legal basis.
    pub basis: String,
}

/// Work for one authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Its name.
    pub code: Code,
    /// For people.
    pub labels: Labels,
    /// Statuses whose report closes it.
    pub done_by: Vec<Code>,
    /// Outcomes with which it may be completed by hand; never empty.
    pub outcomes: Vec<Code>,
    /// Until when it should be done, from its cause.
    pub within: Option<Length>,
    /// Its legal basis.
    pub basis: String,
}

/// Information for authorities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Its name.
    pub code: Code,
    /// For people.
    pub labels: Labels,
    /// Whether it goes before all else in an inbox.
    pub urgent: bool,
    /// Within which time each recipient has to acknowledge it, in milliseconds from when it was recorded.
    pub acknowledge_within_ms: Option<u64>,
    /// Its legal basis.
    pub basis: String,
}

/// A stop on announcements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// Its name.
    pub code: Code,
    /// For people.
    pub labels: Labels,
    /// Announcements that are refused while it stands.
    pub stops: Vec<Code>,
    /// Facts that are marked `executed_despite_lock` while it stands.
    pub alarms: Vec<Code>,
    /// Its legal basis.
    pub basis: String,
}

impl Lock {
    /// Whether it is about a status: refuses it, or marks it. Who asks whether he may act is told of both alike.
    pub fn concerns(&self, status: &Code) -> bool {
        self.stops.contains(status) || self.alarms.contains(status)
    }
}

/// Something computed that some roles see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marker {
    /// Its name.
    pub code: Code,
    /// For people.
    pub labels: Labels,
    /// Roles that see it.
    pub audience: Vec<Code>,
    /// Its legal basis.
    pub basis: String,
}

/// What makes a rule run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trigger {
    /// A report of this status.
    Status(Code),
    /// The warning of this deadline.
    Warned(Code),
    /// The end of this deadline, not met.
    Elapsed(Code),
    /// The end of its grace, still not met.
    Grace(Code),
    /// A recipient did not acknowledge this notice in time.
    Unacknowledged(Code),
}

impl Trigger {
    /// The status, where a report is what makes it run.
    pub fn status(&self) -> Option<&Code> {
        match self {
            Self::Status(code) => Some(code),
            Self::Warned(_) | Self::Elapsed(_) | Self::Grace(_) | Self::Unacknowledged(_) => None,
        }
    }
}

/// A task to open, and for whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// The task.
    pub task: Code,
    /// The role whose holder it is for.
    pub role: Code,
}

/// A notice to send, and to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sending {
    /// The notice.
    pub notice: Code,
    /// The roles whose holders get it.
    pub to: Vec<Code>,
}

/// One rule. Its actions happen in the order of the fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its name: part of the identity of what it makes.
    pub name: Code,
    /// For people: why it is so.
    pub labels: Labels,
    /// What makes it run.
    pub on: Trigger,
    /// Only if this holds.
    pub when: Option<Expression>,
    /// Tasks to close.
    pub close: Vec<Code>,
    /// Deadlines to stop, of the proceeding; not by a report that departs from the rules.
    pub stop: Vec<Code>,
    /// Locks to release, of the proceeding and recorded before the report; not by one that departs from the rules.
    pub unlock: Vec<Code>,
    /// Markers to clear.
    pub clear: Vec<Code>,
    /// Deadlines to start.
    pub start: Vec<Code>,
    /// Tasks to open.
    pub open: Vec<Opening>,
    /// Notices to send.
    pub notify: Vec<Sending>,
    /// Locks to set.
    pub lock: Vec<Code>,
    /// Markers to set.
    pub mark: Vec<Code>,
    /// Its legal basis.
    pub basis: String,
}

/// All of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// The status whose day decides the regime of a proceeding; none without regimes.
    pub decided_by: Option<Code>,
    /// Regimes by their first day.
    pub regimes: Vec<Regime>,
    /// Deadlines, in the order of the text, as are the others.
    pub deadlines: Vec<Deadline>,
    /// Tasks.
    pub tasks: Vec<Task>,
    /// Notices.
    pub notices: Vec<Notice>,
    /// Locks.
    pub locks: Vec<Lock>,
    /// Markers.
    pub markers: Vec<Marker>,
    /// Rules.
    pub rules: Vec<Rule>,
    /// Where to find all that by name; made by `indexed`.
    pub(crate) index: Index,
}

/// Places in the lists of `Rules`, so that nobody searches them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Index {
    deadlines: BTreeMap<Code, usize>,
    tasks: BTreeMap<Code, usize>,
    notices: BTreeMap<Code, usize>,
    locks: BTreeMap<Code, usize>,
    markers: BTreeMap<Code, usize>,
    causes: BTreeMap<Trigger, Vec<usize>>,
    /// Statuses on whose reports any lock depends.
    raising: BTreeSet<Code>,
}

impl Rules {
    /// With the index of what the lists hold; without it nothing is found by name.
    #[must_use]
    pub(crate) fn indexed(mut self) -> Self {
        fn places<T>(all: &[T], code: impl Fn(&T) -> &Code) -> BTreeMap<Code, usize> {
            all.iter().enumerate().map(|(place, one)| (code(one).clone(), place)).collect()
        }
        let mut causes: BTreeMap<Trigger, Vec<usize>> = BTreeMap::new();
        for (place, rule) in self.rules.iter().enumerate() {
            causes.entry(rule.on.clone()).or_default().push(place);
        }
        self.index = Index {
            deadlines: places(&self.deadlines, |one| &one.code),
            tasks: places(&self.tasks, |one| &one.code),
            notices: places(&self.notices, |one| &one.code),
            locks: places(&self.locks, |one| &one.code),
            markers: places(&self.markers, |one| &one.code),
            causes,
            raising: BTreeSet::new(),
        };
        // It asks the places that were just made.
        self.index.raising = self.lock_statuses(self.locks.iter().map(|lock| lock.code.clone()).collect());
        self
    }

    /// The deadline of a name.
    pub fn deadline(&self, code: &str) -> Option<&Deadline> {
        self.deadlines.get(*self.index.deadlines.get(code)?)
    }

    /// The task of a name.
    pub fn task(&self, code: &str) -> Option<&Task> {
        self.tasks.get(*self.index.tasks.get(code)?)
    }

    /// The notice of a name.
    pub fn notice(&self, code: &str) -> Option<&Notice> {
        self.notices.get(*self.index.notices.get(code)?)
    }

    /// The lock of a name.
    pub fn lock(&self, code: &str) -> Option<&Lock> {
        self.locks.get(*self.index.locks.get(code)?)
    }

    /// The marker of a name.
    pub fn marker(&self, code: &str) -> Option<&Marker> {
        self.markers.get(*self.index.markers.get(code)?)
    }

    /// The rules that run by this, in the order of the text.
    pub fn caused_by(&self, trigger: &Trigger) -> impl Iterator<Item = &Rule> {
        let places = self.index.causes.get(trigger).into_iter().flatten();
        places.filter_map(|place| self.rules.get(*place))
    }

    /// Whether a report of this status, its correction or its retraction may set a lock or bring one back.
    pub fn may_lock(&self, status: &Code) -> bool {
        self.index.raising.contains(status)
    }

    /// Everything that makes rules run, in the order of their type.
    pub fn triggers(&self) -> impl Iterator<Item = &Trigger> {
        self.index.causes.keys()
    }

    /// The place of the regime a day falls under, in the order of `regimes`; nothing where there are none.
    pub fn regime_on(&self, day: i32) -> Option<usize> {
        self.regimes.iter().rposition(|regime| regime.from.is_none_or(|from| from <= day))
    }
}
