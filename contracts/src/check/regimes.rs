//! Reads the regimes: which law a proceeding is under, by the day of one status. Must never let through regimes that
//! leave a day out or claim it twice.

use super::document::{blank_labels, read_basis, read_labels, refuse_surplus};
use super::names::Names;
use super::section::{Located, Section};
use crate::definition::Regime;
use crate::finding::Findings;
use crate::legal::Civil;
use crate::limits::REGIMES_MAX;
use crate::name::Code;

/// The regimes, and the status that decides between them.
#[derive(Debug, Default)]
pub(super) struct Regimes {
    pub(super) decided_by: Option<Code>,
    pub(super) all: Vec<Regime>,
}

pub(super) fn read_regimes(top: &mut Section<'_>, names: &Names<'_>, findings: &mut Findings) -> Regimes {
    let sections = top.named_sections("regime", findings);
    refuse_surplus(&sections, REGIMES_MAX, "regimes", findings);
    let decided_by = read_decider(top, sections.first().map(|(code, _)| code.at), names, findings);
    let count = sections.len().min(REGIMES_MAX);
    let mut all = Vec::with_capacity(count);
    // The last day of the regime before, where it has one.
    let mut before: Option<(Code, Option<i32>)> = None;
    for (place, (code, mut section)) in (1..).zip(sections.into_iter().take(REGIMES_MAX)) {
        let labels = read_labels(&mut section, findings).unwrap_or_else(blank_labels);
        let basis = read_basis(&mut section, findings);
        let (from_key, until_key) = (section.place("from"), section.place("until"));
        let from = section.day("from", findings);
        let until = section.day("until", findings);
        check_begin(&section, before.as_ref(), from_key, from.as_ref(), findings);
        check_end(&section, place == count, until_key, findings);
        if let (Some(from), Some(until)) = (&from, &until)
            && from.value > until.value
        {
            let message = format!("[{}] ends before it begins", section.path);
            findings.error(until.at, message, "exchange `from` and `until`");
        }
        section.finish(findings);
        before = Some((code.value.clone(), until.map(|until| until.value)));
        all.push(Regime { code: code.value, labels, from: from.map(|from| from.value), basis });
    }
    Regimes { decided_by, all }
}

fn read_decider(
    top: &mut Section<'_>,
    first_at: Option<usize>,
    names: &Names<'_>,
    findings: &mut Findings,
) -> Option<Code> {
    let Some(mut section) = top.section("regimes", findings) else {
        if let (Some(at), None) = (first_at, top.place("regimes")) {
            let fix = "add [regimes] with `decided_by`, the status whose day decides";
            findings.error(at, "nothing says which regime a proceeding is under", fix);
        }
        return None;
    };
    if first_at.is_none() {
        findings.error(section.at, "[regimes] decides between no regimes", "declare them as [regime.NAME]");
    }
    if section.place("decided_by").is_none() {
        section.missing("decided_by", findings);
    }
    let name = section.text("decided_by", findings);
    section.finish(findings);
    name.and_then(|name| names.status(&name, findings)).map(|name| name.value)
}

fn check_begin(
    section: &Section<'_>,
    before: Option<&(Code, Option<i32>)>,
    key_at: Option<usize>,
    from: Option<&Located<i32>>,
    findings: &mut Findings,
) {
    match (before, key_at, from) {
        (None, Some(at), _) => {
            let message = format!("[{}] is the first regime and has a first day", section.path);
            findings.error(at, message, "take `from` out: days before it would be under no law");
        }
        (Some(_), None, _) => section.missing("from", findings),
        (Some((other, Some(until))), _, Some(from)) if until.checked_add(1) != Some(from.value) => {
            let wanted = show(until.saturating_add(1));
            let gap = if from.value > *until { "are under no regime" } else { "are under two regimes" };
            let message = format!("days between the end of `{other}` and the begin of [{}] {gap}", section.path);
            findings.error(from.at, message, format!("write from = {wanted}, the day after the end of `{other}`"));
        }
        (None | Some(_), _, _) => {}
    }
}

fn check_end(section: &Section<'_>, last: bool, key_at: Option<usize>, findings: &mut Findings) {
    match (last, key_at) {
        (true, Some(at)) => {
            let message = format!("[{}] is the last regime and has a last day", section.path);
            findings.error(at, message, "take `until` out: days after it would be under no law");
        }
        (false, None) => section.missing("until", findings),
        (true | false, _) => {}
    }
}

fn show(day: i32) -> String {
    Civil::of(day).to_string()
}
