//! Reads the rules. Must never look at two of them at once, except for their names; that is for `causes` and `uses`.

use super::conditions::Conditions;
use super::document::{blank_labels, read_basis, read_labels};
use super::guards::read_name;
use super::names::{Names, Part, codes};
use super::section::{Located, Section};
use crate::definition::{Opening, Rule, Rules, Sending, Trigger};
use crate::finding::Findings;
use crate::limits::{ACTIONS_MAX, RULES_MAX};
use crate::name::Code;
use std::collections::BTreeSet;

/// A rule as read, with the places a later finding may point at.
#[derive(Debug)]
pub(super) struct RuleDraft {
    pub(super) rule: Rule,
    pub(super) name_at: usize,
    /// For each deadline it starts and each notice it sends, in the rule's order.
    pub(super) start_at: Vec<usize>,
    pub(super) notify_at: Vec<usize>,
    pub(super) open_at: Vec<usize>,
}

/// What makes rules run, as `on` writes it.
const CAUSES: [&str; 5] = ["status", "warned", "elapsed", "grace", "unacknowledged"];

/// Reads all rules; `parts` has the deadlines and notices.
pub(super) fn read_rules(
    top: &mut Section<'_>,
    names: &Names<'_>,
    parts: &Rules,
    conditions: &Conditions<'_>,
    findings: &mut Findings,
) -> Vec<RuleDraft> {
    let mut taken: BTreeSet<Code> = BTreeSet::new();
    let mut drafts = Vec::new();
    for mut section in top.tables("rule", RULES_MAX, findings) {
        let name = read_name(&mut section, findings);
        if let Some(name) = &name
            && !taken.insert(name.value.clone())
        {
            let message = format!("another rule is called `{}`", name.value);
            findings.error(name.at, message, "give it another name: what rules make is known by it");
        }
        let draft = read_rule(&mut section, name, names, parts, conditions, findings);
        section.finish(findings);
        drafts.extend(draft);
    }
    drafts
}

fn read_rule(
    section: &mut Section<'_>,
    name: Option<Located<Code>>,
    names: &Names<'_>,
    parts: &Rules,
    conditions: &Conditions<'_>,
    findings: &mut Findings,
) -> Option<RuleDraft> {
    let before = findings.error_count();
    let labels = read_labels(section, findings).unwrap_or_else(blank_labels);
    let on = read_trigger(section, names, parts, findings);
    let this = match &on {
        Some(Trigger::Status(status)) => Some(status.as_str()),
        Some(Trigger::Warned(_) | Trigger::Elapsed(_) | Trigger::Grace(_) | Trigger::Unacknowledged(_)) | None => None,
    };
    // Without a cause nobody knows whether there is a `this`.
    let when = match &on {
        Some(_) => conditions.read(section, this, findings),
        None => section.place("when").and(None),
    };
    let mut list = |part, key| names.part_list(part, section, key, ACTIONS_MAX, findings);
    let (close, stop) = (list(Part::Task, "close"), list(Part::Deadline, "stop"));
    let (unlock, clear) = (list(Part::Lock, "unlock"), list(Part::Marker, "clear"));
    let (start, lock, mark) = (list(Part::Deadline, "start"), list(Part::Lock, "lock"), list(Part::Marker, "mark"));
    let open = read_openings(section, names, findings);
    let notify = read_sendings(section, names, findings);
    let basis = read_basis(section, findings);
    let lists = [&close, &stop, &unlock, &clear, &start, &lock, &mark];
    if lists.iter().all(|list| list.is_empty()) && open.is_empty() && notify.is_empty() {
        if findings.error_count() == before {
            let message = format!("[{}] does nothing", section.path);
            findings.error(section.at, message, "write what it is to start, stop, open, close, notify, lock or mark");
        }
        return None;
    }
    let name = name?;
    Some(RuleDraft {
        name_at: name.at,
        start_at: start.iter().map(|name| name.at).collect(),
        notify_at: notify.iter().map(|sending| sending.at).collect(),
        open_at: open.iter().map(|opening| opening.at).collect(),
        rule: Rule {
            name: name.value,
            labels,
            on: on?,
            when,
            close: codes(close),
            stop: codes(stop),
            unlock: codes(unlock),
            clear: codes(clear),
            start: codes(start),
            open: open.into_iter().map(|opening| opening.value).collect(),
            notify: notify.into_iter().map(|sending| sending.value).collect(),
            lock: codes(lock),
            mark: codes(mark),
            basis,
        },
    })
}

fn read_trigger(
    section: &mut Section<'_>,
    names: &Names<'_>,
    parts: &Rules,
    findings: &mut Findings,
) -> Option<Trigger> {
    let Some(at) = section.place("on") else {
        section.missing("on", findings);
        return None;
    };
    if !section.is_table("on") {
        let message = format!("`on` of [{}] is not a table", section.path);
        findings.error(at, message, "write on = { status = \"NAME\" }");
        return None;
    }
    let mut on = section.section("on", findings)?;
    let given: Vec<&str> = CAUSES.into_iter().filter(|cause| on.place(cause).is_some()).collect();
    let trigger = match given[..] {
        ["status"] => {
            let name = on.text("status", findings).and_then(|name| names.status(&name, findings));
            name.map(|name| Trigger::Status(name.value))
        }
        ["warned"] => read_end(&mut on, "warned", "warn", names, parts, findings).map(Trigger::Warned),
        ["elapsed"] => read_end(&mut on, "elapsed", "length", names, parts, findings).map(Trigger::Elapsed),
        ["grace"] => read_end(&mut on, "grace", "grace", names, parts, findings).map(Trigger::Grace),
        ["unacknowledged"] => read_silence(&mut on, names, parts, findings).map(Trigger::Unacknowledged),
        _ => {
            let message = format!("`on` of [{}] names {} causes, not one", section.path, given.len());
            findings.error(at, message, format!("write one of {}; more causes are more rules", CAUSES.join(", ")));
            None
        }
    };
    on.finish(findings);
    trigger
}

/// A deadline one of whose moments a rule waits for.
fn read_end(
    on: &mut Section<'_>,
    key: &'static str,
    needs: &str,
    names: &Names<'_>,
    parts: &Rules,
    findings: &mut Findings,
) -> Option<Code> {
    let text = on.text(key, findings)?;
    let name = names.part(Part::Deadline, &text, findings)?;
    let deadline = parts.deadlines.iter().find(|deadline| deadline.code == name.value)?;
    let there = match needs {
        "warn" => deadline.warn.is_some(),
        "grace" => deadline.grace.is_some(),
        _ => true,
    };
    if !there {
        let message = format!("deadline `{}` has no `{needs}`, so this never comes", name.value);
        findings.error(name.at, message, format!("add `{needs}` to [deadline.{}], or wait for `elapsed`", name.value));
    }
    Some(name.value)
}

fn read_silence(on: &mut Section<'_>, names: &Names<'_>, parts: &Rules, findings: &mut Findings) -> Option<Code> {
    let text = on.text("unacknowledged", findings)?;
    let name = names.part(Part::Notice, &text, findings)?;
    let notice = parts.notices.iter().find(|notice| notice.code == name.value)?;
    if notice.acknowledge_within_ms.is_none() {
        let message = format!("notice `{}` needs no acknowledgement, so this never comes", name.value);
        findings.error(name.at, message, format!("add `acknowledge_within` to [notice.{}]", name.value));
    }
    Some(name.value)
}

fn read_openings(section: &mut Section<'_>, names: &Names<'_>, findings: &mut Findings) -> Vec<Located<Opening>> {
    let mut openings = Vec::new();
    for mut entry in section.tables("open", ACTIONS_MAX, findings) {
        let task = required(&mut entry, "task", findings).and_then(|name| names.part(Part::Task, &name, findings));
        let role = required(&mut entry, "for", findings).and_then(|name| names.role(&name, findings));
        entry.finish(findings);
        let Some((task, role)) = task.zip(role) else { continue };
        openings.push(Located { at: role.at, value: Opening { task: task.value, role: role.value } });
    }
    openings
}

fn read_sendings(section: &mut Section<'_>, names: &Names<'_>, findings: &mut Findings) -> Vec<Located<Sending>> {
    let mut sendings = Vec::new();
    for mut entry in section.tables("notify", ACTIONS_MAX, findings) {
        let notice =
            required(&mut entry, "notice", findings).and_then(|name| names.part(Part::Notice, &name, findings));
        let before = findings.error_count();
        let to = codes(names.roles(&mut entry, "to", findings));
        if to.is_empty() && findings.error_count() == before {
            let message = format!("[{}] goes to nobody", entry.path);
            findings.error(entry.at, message, "name at least one role in `to`");
        }
        entry.finish(findings);
        let Some(notice) = notice else { continue };
        sendings.push(Located { at: notice.at, value: Sending { notice: notice.value, to } });
    }
    sendings
}

fn required(section: &mut Section<'_>, key: &'static str, findings: &mut Findings) -> Option<Located<String>> {
    if section.place(key).is_none() {
        section.missing(key, findings);
    }
    section.text(key, findings)
}
