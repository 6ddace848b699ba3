//! What a new version of a process brings to whom: the roles that gain a task, a lock or the place of a recipient. A
//! pure function of two checked definitions; the ledger asks it who has to agree to a change, and never believes a
//! proposal's own answer. Must err towards asking: what it cannot tell apart from a gain is one.

use std::collections::{BTreeMap, BTreeSet};

use crate::definition::{Attribute, Definition, Lock, Rule, Status, Trigger};
use crate::effect::{Directory, makes};
use crate::name::{AuthorityId, Code};

/// In what way something concerns a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum GainKind {
    /// A task is opened for it.
    Task,
    /// A lock stops or marks what it reports.
    Lock,
    /// A notice is sent to it.
    Notice,
    /// It is told of a status.
    Status,
    /// It sees a marker.
    Marker,
    /// A deadline stands in its list.
    Deadline,
}

/// Something that concerns a role under one definition, or that it gains by another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gain {
    /// The role.
    pub role: Code,
    /// In what way.
    pub kind: GainKind,
    /// Code of the task, lock, notice, status, marker or deadline.
    pub name: Code,
}

/// What roles gain by a new definition over the one before, in the order of role, kind and name; each once. Without one
/// before, all that concerns a role is a gain. A task, notice or lock is a gain, too, where a role has one of this name
/// already and the new definition makes it for another cause or under another condition.
///
/// Takes steps in proportion to the length of the texts, and to the locks times the statuses.
#[must_use]
pub fn gains(old: Option<&Definition>, new: &Definition) -> BTreeSet<Gain> {
    let mut causes = Causes::new();
    let before = old.map(|old| ways(old, &mut causes)).unwrap_or_default();
    let after = ways(new, &mut causes);
    let mut gains: BTreeSet<Gain> = after.difference(&before).map(|(gain, _)| gain.clone()).collect();
    locks(old, new, &mut causes, &mut gains);
    gains
}

/// The authorities that have to agree: all that hold a role that gains something.
#[must_use]
pub fn must_agree(gains: &BTreeSet<Gain>, directory: &Directory) -> BTreeSet<AuthorityId> {
    let roles: BTreeSet<&Code> = gains.iter().map(|gain| &gain.role).collect();
    roles.into_iter().flat_map(|role| directory.holders(role)).cloned().collect()
}

/// Why cases cannot move from one version of a process to another by a mapping of statuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MappingFault {
    /// Cases would lose their rules: the new version is in an older language.
    OlderLanguage,
    /// A status of the old version that may stand on the ledger is not mapped.
    Missing(Code),
    /// What is mapped is no status of the old version that may stand on the ledger.
    NotOld(Code),
    /// A status is mapped to none of the new version that may stand on the ledger.
    NotNew(Code),
    /// A status is mapped to one with another precision, or of which an attribute of the same name holds something else.
    Unlike(Code),
    /// A rule of this name makes something else at a place at which the old version's makes something: effects are named
    /// by rule and place, so one would pass for the other, and nobody would be told that the first is gone.
    Replaced(Code),
}

/// Checks that a mapping carries every report that cases of the old version can have: it names all statuses that may stand
/// on the ledger and nothing else, each with one of the new version whose reports look alike; and that what rules of one
/// name make can be told apart: place by place, as far as both go, they make the same.
///
/// # Errors
/// The first fault, in the order of [`mapping_faults`].
pub fn check_mapping(old: &Definition, new: &Definition, mapping: &BTreeMap<Code, Code>) -> Result<(), MappingFault> {
    match mapping_faults(old, new, mapping).into_iter().next() {
        Some(fault) => Err(fault),
        None => Ok(()),
    }
}

/// All that is wrong with a mapping: an older language alone, else by the old version's statuses, one fault each at the
/// most, then what is no status of it, then rules in the order of the new version. Empty for a mapping that [`check_mapping`] takes.
#[must_use]
pub fn mapping_faults(old: &Definition, new: &Definition, mapping: &BTreeMap<Code, Code>) -> Vec<MappingFault> {
    if new.language() < old.language() {
        return vec![MappingFault::OlderLanguage];
    }
    let may_stand = |definition: &Definition, code: &Code| on_ledger(definition, code).is_some();
    let from = old.statuses().iter().filter(|status| status.ledger_as.is_none());
    let mut faults: Vec<MappingFault> = from.filter_map(|from| fault_of(from, new, mapping)).collect();
    let others = mapping.keys().filter(|code| !may_stand(old, code));
    faults.extend(others.map(|code| MappingFault::NotOld(code.clone())));
    faults.extend(replaced(old, new).map(|rule| MappingFault::Replaced(rule.name.clone())));
    faults
}

/// Rules of the new version that make something else at a place of the old version's rule of the same name.
fn replaced<'d>(old: &'d Definition, new: &'d Definition) -> impl Iterator<Item = &'d Rule> {
    let before: BTreeMap<&Code, &Rule> = old.rules().rules.iter().map(|rule| (&rule.name, rule)).collect();
    let differs = move |rule: &&Rule| {
        let earlier = before.get(&rule.name).map(|earlier| makes(earlier)).unwrap_or_default();
        earlier.iter().zip(makes(rule)).any(|(earlier, now)| *earlier != now)
    };
    new.rules().rules.iter().filter(differs)
}

/// A status that may stand on the ledger.
fn on_ledger<'d>(definition: &'d Definition, code: &Code) -> Option<&'d Status> {
    definition.status(code.as_str()).filter(|status| status.ledger_as.is_none())
}

fn fault_of(from: &Status, new: &Definition, mapping: &BTreeMap<Code, Code>) -> Option<MappingFault> {
    let Some(to) = mapping.get(&from.code) else { return Some(MappingFault::Missing(from.code.clone())) };
    let Some(to) = on_ledger(new, to) else { return Some(MappingFault::NotNew(from.code.clone())) };
    let alike = |attribute: &Attribute| {
        let same = to.attribute(&attribute.code);
        same.is_none_or(|same| std::mem::discriminant(&same.holds) == std::mem::discriminant(&attribute.holds))
    };
    let is_alike = to.precision == from.precision && from.attributes.iter().all(alike);
    (!is_alike).then(|| MappingFault::Unlike(from.code.clone()))
}

impl MappingFault {
    /// The status of the old version it is about; none if it is about a rule or the versions as a whole.
    #[must_use]
    pub fn status(&self) -> Option<&Code> {
        match self {
            Self::OlderLanguage | Self::Replaced(_) => None,
            Self::Missing(code) | Self::NotOld(code) | Self::NotNew(code) | Self::Unlike(code) => Some(code),
        }
    }

    /// The rule it is about; none if it is about a status or the versions as a whole.
    #[must_use]
    pub fn rule(&self) -> Option<&Code> {
        match self {
            Self::Replaced(rule) => Some(rule),
            Self::OlderLanguage | Self::Missing(_) | Self::NotOld(_) | Self::NotNew(_) | Self::Unlike(_) => None,
        }
    }
}

/// Causes of rules with their conditions as canonical text, numbered: many effects share one.
type Causes = BTreeMap<(Trigger, Option<String>), usize>;

/// A gain and its cause; none where no rule is needed.
type Way = (Gain, Option<usize>);

fn cause(rule: &Rule, causes: &mut Causes) -> usize {
    let next = causes.len();
    *causes.entry((rule.on.clone(), rule.when.as_ref().map(ToString::to_string))).or_insert(next)
}

fn gain(role: &Code, kind: GainKind, name: &Code) -> Gain {
    Gain { role: role.clone(), kind, name: name.clone() }
}

/// All that concerns roles, locks apart.
fn ways(definition: &Definition, causes: &mut Causes) -> BTreeSet<Way> {
    let mut ways = BTreeSet::new();
    for status in definition.statuses() {
        ways.extend(status.recipients.iter().map(|role| (gain(role, GainKind::Status, &status.code), None)));
    }
    let rules = definition.rules();
    for marker in &rules.markers {
        ways.extend(marker.audience.iter().map(|role| (gain(role, GainKind::Marker, &marker.code), None)));
    }
    for deadline in &rules.deadlines {
        ways.extend(deadline.watched_by.iter().map(|role| (gain(role, GainKind::Deadline, &deadline.code), None)));
    }
    for rule in &rules.rules {
        let cause = cause(rule, causes);
        for opening in &rule.open {
            ways.insert((gain(&opening.role, GainKind::Task, &opening.task), Some(cause)));
        }
        for sending in &rule.notify {
            let to = sending.to.iter();
            ways.extend(to.map(|role| (gain(role, GainKind::Notice, &sending.notice), Some(cause))));
        }
    }
    ways
}

/// Locks of a definition by name: what sets each, and what it stops or marks.
fn locks_of(definition: &Definition, causes: &mut Causes) -> BTreeMap<Code, (BTreeSet<usize>, BTreeSet<Code>)> {
    let all = &definition.rules().locks;
    let concerned = |lock: &Lock| lock.stops.iter().chain(&lock.alarms).cloned().collect();
    let mut locks: BTreeMap<Code, (BTreeSet<usize>, BTreeSet<Code>)> =
        all.iter().map(|lock| (lock.code.clone(), (BTreeSet::new(), concerned(lock)))).collect();
    for rule in &definition.rules().rules {
        let cause = cause(rule, causes);
        for lock in &rule.lock {
            if let Some((set_by, _)) = locks.get_mut(lock) {
                set_by.insert(cause);
            }
        }
    }
    locks
}

/// A role gains a lock if it may report what the lock stops or marks, and it may not before, or the lock did not before,
/// or was not set by this.
fn locks(old: Option<&Definition>, new: &Definition, causes: &mut Causes, gains: &mut BTreeSet<Gain>) {
    let before = old.map(|old| locks_of(old, causes)).unwrap_or_default();
    let (reporters_before, reporters) = (old.map(reporters).unwrap_or_default(), reporters(new));
    for (name, (set_by, concerned)) in locks_of(new, causes) {
        let same = before.get(&name);
        let new_cause = same.is_none_or(|(before, _)| !set_by.is_subset(before));
        if set_by.is_empty() {
            continue;
        }
        let mut roles: BTreeSet<&Code> = BTreeSet::new();
        for status in &concerned {
            let Some(of_status) = reporters.get(status) else { continue };
            let whole = new_cause || same.is_none_or(|(_, before)| !before.contains(status));
            let earlier = reporters_before.get(status).filter(|_| !whole);
            roles.extend(of_status.iter().filter(|role| earlier.is_none_or(|earlier| !earlier.contains(*role))));
        }
        gains.extend(roles.into_iter().map(|role| gain(role, GainKind::Lock, &name)));
    }
}

/// Roles that may report each status, or what stands behind it where it is a class.
fn reporters(definition: &Definition) -> BTreeMap<&Code, BTreeSet<&Code>> {
    let mut reporters: BTreeMap<&Code, BTreeSet<&Code>> = BTreeMap::new();
    for status in definition.statuses() {
        for code in std::iter::once(&status.code).chain(&status.ledger_as) {
            reporters.entry(code).or_default().extend(&status.reported_by);
        }
    }
    reporters
}
