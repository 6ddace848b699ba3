//! Who gets something by a new version of a process, and whether a mapping carries its cases: written down from
//! docs/GOVERNANCE.md as plainly as it goes, to hold the product's comparison against. Must never use that one.

use std::collections::{BTreeMap, BTreeSet};

use laufzettel_contracts::effect::Directory;
use laufzettel_contracts::{AuthorityId, Code, Definition, Rule};

/// One way in which something comes to a role: role, what it is, its name, and whence it comes.
type Way = (Code, &'static str, Code, String);

/// Every authority that holds a role to which something comes in a way in which it did not come before.
pub(super) fn must_agree(old: Option<&Definition>, new: &Definition, directory: &Directory) -> Vec<AuthorityId> {
    let before = old.map(ways).unwrap_or_default();
    let after = ways(new);
    let gained = after.difference(&before).map(|(role, ..)| role);
    let holders: BTreeSet<AuthorityId> = gained.flat_map(|role| directory.holders(role)).cloned().collect();
    holders.into_iter().collect()
}

fn ways(of: &Definition) -> BTreeSet<Way> {
    let mut ways = BTreeSet::new();
    let mut add = |role: &Code, kind, name: &Code, whence: String| {
        ways.insert((role.clone(), kind, name.clone(), whence));
    };
    for status in of.statuses() {
        for role in &status.recipients {
            add(role, "is told of the status", &status.code, String::new());
        }
    }
    for marker in &of.rules().markers {
        for role in &marker.audience {
            add(role, "sees the marker", &marker.code, String::new());
        }
    }
    for deadline in &of.rules().deadlines {
        for role in &deadline.watched_by {
            add(role, "has the deadline in its list", &deadline.code, String::new());
        }
    }
    for rule in &of.rules().rules {
        let whence = format!("{:?} if {:?}", rule.on, rule.when.as_ref().map(ToString::to_string));
        for opening in &rule.open {
            add(&opening.role, "has the task", &opening.task, whence.clone());
        }
        for sending in &rule.notify {
            for role in &sending.to {
                add(role, "gets the notice", &sending.notice, whence.clone());
            }
        }
        for lock in rule.lock.iter().filter_map(|lock| of.rules().lock(lock.as_str())) {
            for stopped in lock.stops.iter().chain(&lock.alarms) {
                for role in may_report(of, stopped) {
                    add(role, "is stopped by the lock", &lock.code, format!("{whence} at {stopped}"));
                }
            }
        }
    }
    ways
}

/// Who may report a status, or what is reported under a class.
fn may_report<'d>(of: &'d Definition, stopped: &Code) -> Vec<&'d Code> {
    let concerned = of.statuses().iter().filter(|one| one.code == *stopped || one.ledger_as.as_ref() == Some(stopped));
    concerned.flat_map(|status| &status.reported_by).collect()
}

/// Whether every report that a case of the old version may hold becomes one that the new version could hold, and no rule
/// makes one thing where the rule of its name made another.
pub(super) fn carries(old: &Definition, new: &Definition, mapping: &BTreeMap<Code, Code>) -> bool {
    let recorded = |of: &Definition| -> BTreeMap<Code, (String, BTreeMap<Code, String>)> {
        let plain = of.statuses().iter().filter(|status| status.ledger_as.is_none());
        let kind = |holds: String| holds.split([' ', '(', '{']).next().unwrap_or_default().to_owned();
        plain
            .map(|status| {
                let attributes = status.attributes.iter();
                let attributes = attributes.map(|one| (one.code.clone(), kind(format!("{:?}", one.holds)))).collect();
                (status.code.clone(), (format!("{:?}", status.precision), attributes))
            })
            .collect()
    };
    let (before, after) = (recorded(old), recorded(new));
    let fits = |(from, to): (&Code, &Code)| {
        let (Some((precision, attributes)), Some((as_precision, as_attributes))) = (before.get(from), after.get(to))
        else {
            return false;
        };
        let alike = |(code, kind)| as_attributes.get(code).is_none_or(|other: &String| other == kind);
        precision == as_precision && attributes.iter().all(alike)
    };
    let told_apart = new.rules().rules.iter().all(|rule| {
        let same = old.rules().rules.iter().find(|earlier| earlier.name == rule.name);
        same.is_none_or(|earlier| made(earlier).iter().zip(made(rule)).all(|(before, now)| *before == now))
    });
    old.language() <= new.language() && before.keys().eq(mapping.keys()) && mapping.iter().all(fits) && told_apart
}

/// What a rule makes, one after the other.
fn made(rule: &Rule) -> Vec<String> {
    let mut made: Vec<String> = rule.start.iter().map(|code| format!("start {code}")).collect();
    made.extend(rule.open.iter().map(|one| format!("open {}", one.task)));
    made.extend(rule.notify.iter().map(|one| format!("notify {}", one.notice)));
    made.extend(rule.lock.iter().map(|code| format!("lock {code}")));
    made.extend(rule.mark.iter().map(|code| format!("mark {code}")));
    made
}
