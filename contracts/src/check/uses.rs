//! What of a definition in language 2 nothing uses, or nothing ends. A deadline without a consequence is an error,
//! because somebody relies on it; the rest are notes. Must be called only where all names are sound.

use super::names::{Names, Part};
use super::rules::RuleDraft;
use super::status::Draft;
use crate::definition::{Rule, Rules, Trigger};
use crate::finding::Findings;
use crate::name::Code;
use std::collections::BTreeSet;

/// Everything the rules name, by what they do with it.
#[derive(Debug, Default)]
struct Used<'r> {
    started: BTreeSet<&'r Code>,
    stopped: BTreeSet<&'r Code>,
    opened: BTreeSet<&'r Code>,
    sent: BTreeSet<&'r Code>,
    locked: BTreeSet<&'r Code>,
    unlocked: BTreeSet<&'r Code>,
    marked: BTreeSet<&'r Code>,
    causes: BTreeSet<&'r Trigger>,
}

impl<'r> Used<'r> {
    fn of(rules: impl Iterator<Item = &'r Rule>) -> Self {
        let mut used = Self::default();
        for rule in rules {
            used.started.extend(&rule.start);
            used.stopped.extend(&rule.stop);
            used.opened.extend(rule.open.iter().map(|opening| &opening.task));
            used.sent.extend(rule.notify.iter().map(|sending| &sending.notice));
            used.locked.extend(&rule.lock);
            used.unlocked.extend(&rule.unlock);
            used.marked.extend(&rule.mark);
            used.causes.insert(&rule.on);
        }
        used
    }
}

pub(super) fn check_uses(
    rules: &Rules,
    drafts: &[RuleDraft],
    statuses: &[Draft],
    names: &Names<'_>,
    findings: &mut Findings,
) {
    let used = Used::of(drafts.iter().map(|draft| &draft.rule));
    let place = |part: Part, code: &Code| names.parts.get(&part).and_then(|all| all.get(code)).copied();
    let at = |part: Part, code: &Code| place(part, code).unwrap_or_default();
    check_deadlines(rules, &used, |code| at(Part::Deadline, code), findings);
    for notice in &rules.notices {
        let at = at(Part::Notice, &notice.code);
        tell_idle(&used.sent, &notice.code, at, "sends notice", findings);
        let silence = Trigger::Unacknowledged(notice.code.clone());
        if notice.acknowledge_within_ms.is_some() && !used.causes.contains(&silence) {
            let message = format!("nothing happens where nobody acknowledges `{}`", notice.code);
            findings.note(at, message, format!("a rule on {{ unacknowledged = \"{}\" }} would escalate", notice.code));
        }
    }
    for lock in &rules.locks {
        let at = at(Part::Lock, &lock.code);
        tell_idle(&used.locked, &lock.code, at, "sets lock", findings);
        if !used.unlocked.contains(&lock.code) {
            let message = format!("no rule releases lock `{}`: it stands until its cause is corrected", lock.code);
            findings.note(at, message, "name it in `unlock` of a rule");
        }
    }
    for task in &rules.tasks {
        tell_idle(&used.opened, &task.code, at(Part::Task, &task.code), "opens task", findings);
    }
    for marker in &rules.markers {
        tell_idle(&used.marked, &marker.code, at(Part::Marker, &marker.code), "sets marker", findings);
    }
    check_roles(drafts, statuses, findings);
}

fn check_deadlines(rules: &Rules, used: &Used<'_>, at: impl Fn(&Code) -> usize, findings: &mut Findings) {
    for deadline in &rules.deadlines {
        let code = &deadline.code;
        let waits = |cause: fn(Code) -> Trigger| used.causes.contains(&cause(code.clone()));
        let awaited = waits(Trigger::Warned) || waits(Trigger::Elapsed) || waits(Trigger::Grace);
        if deadline.met_by.is_empty() && !used.stopped.contains(code) && !awaited {
            let message = format!("nothing meets or stops deadline `{code}`, and nothing happens at its end");
            let fix = "name statuses in `met_by`, or write a rule that stops it or waits for its end";
            findings.error(at(code), message, fix);
        }
        if deadline.grace.is_some() && !waits(Trigger::Grace) {
            let message = format!("nothing happens at the end of the grace of `{code}`");
            findings.note(at(code), message, format!("a rule on {{ grace = \"{code}\" }} would use it"));
        }
        tell_idle(&used.started, code, at(code), "starts deadline", findings);
    }
}

fn tell_idle(used: &BTreeSet<&Code>, code: &Code, at: usize, what: &str, findings: &mut Findings) {
    if !used.contains(code) {
        findings.note(at, format!("no rule {what} `{code}`"), "it may go");
    }
}

/// Roles that get work and of which no report of a case says who holds them.
fn check_roles(drafts: &[RuleDraft], statuses: &[Draft], findings: &mut Findings) {
    let reporting = statuses.iter().flat_map(|draft| &draft.status.reported_by);
    let assigned = statuses.iter().flat_map(|draft| draft.status.assigns.iter().map(|(role, _)| role));
    let mut known: BTreeSet<&Code> = reporting.chain(assigned).collect();
    let openings = drafts.iter().flat_map(|draft| draft.rule.open.iter().zip(&draft.open_at));
    let sendings = drafts.iter().flat_map(|draft| draft.rule.notify.iter().zip(&draft.notify_at));
    let openings = openings.map(|(opening, at)| (&opening.role, &opening.task, *at));
    let sendings = sendings.flat_map(|(sending, at)| sending.to.iter().map(|role| (role, &sending.notice, *at)));
    for (role, part, at) in openings.chain(sendings) {
        // Told once for each role.
        if known.insert(role) {
            let message = format!("no report says who is `{role}` in a case, and `{part}` is for it");
            findings.note(at, message, "it waits, unless one authority of the network alone holds the role");
        }
    }
}
