//! Checks restricted statuses against the neutral classes under which they stand on the ledger. What it must never let
//! pass: a definition by which the order of events on the ledger tells which restricted status was reported.

use super::status::Draft;
use crate::finding::Findings;
use crate::name::Code;
use std::collections::BTreeMap;

pub(super) fn check_classes(drafts: &[Draft], findings: &mut Findings) {
    let classes: BTreeMap<&Code, &Draft> =
        drafts.iter().filter(|draft| draft.status.class).map(|draft| (&draft.status.code, draft)).collect();
    let mut members: BTreeMap<&Code, Vec<&Code>> = BTreeMap::new();
    for draft in drafts {
        let Some(class) = &draft.status.ledger_as else {
            continue;
        };
        members.entry(class).or_default().push(&draft.status.code);
        check_restricted(draft, class, &classes, findings);
    }
    for (class, draft) in &classes {
        match members.get(class).map(Vec::as_slice) {
            None | Some([]) => {
                let message = format!("no status is on the ledger as class `{class}`");
                let fix = format!("write ledger_as = \"{class}\" at one, or take the class out");
                findings.error(draft.at, message, fix);
            }
            Some([only]) => {
                let message = format!("class `{class}` has one member: who sees the class knows it is `{only}`");
                findings.note(draft.at, message, "a second member would hide it");
            }
            Some(_) => {}
        }
    }
    check_predecessors(drafts, findings);
}

fn check_restricted(draft: &Draft, class: &Code, classes: &BTreeMap<&Code, &Draft>, findings: &mut Findings) {
    let code = &draft.status.code;
    if draft.status.class {
        let message = format!("`{code}` is a class and stands on the ledger as another");
        findings.error(draft.ledger_as_at, message, "take out `class` or `ledger_as`");
    }
    if let Some(at) = draft.after_at {
        let message = format!("`{code}` is restricted and cannot have `after`");
        findings.error(at, message, format!("write `after` at its class `{class}`"));
    }
    let Some(class_draft) = classes.get(class) else {
        let known = classes.keys().map(|known| known.as_str());
        let fix = format!("declare [status.{class}] with class = true");
        findings.misnamed(draft.ledger_as_at, format!("`{class}` is no class"), class.as_str(), known, &fix);
        return;
    };
    for role in &draft.status.reported_by {
        if !class_draft.status.reported_by.contains(role) {
            let message = format!("`{role}` may report `{code}` but not its class `{class}`");
            findings.error(draft.reported_by_at, message, format!("add `{role}` to `reported_by` of `{class}`"));
        }
    }
}

fn check_predecessors(drafts: &[Draft], findings: &mut Findings) {
    let restricted: BTreeMap<&Code, &Code> =
        drafts.iter().filter_map(|draft| Some((&draft.status.code, draft.status.ledger_as.as_ref()?))).collect();
    for predecessor in drafts.iter().flat_map(|draft| &draft.predecessors) {
        if let Some(class) = restricted.get(&predecessor.value) {
            let message = format!("`{}` is restricted and cannot stand in `after`", predecessor.value);
            findings.error(predecessor.at, message, format!("name its class `{class}` instead"));
        }
    }
}
