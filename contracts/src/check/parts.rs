//! Reads tasks, notices, locks and markers. What must never get through: a lock that refuses a fact.

use super::document::{blank_labels, read_basis, read_labels, refuse_surplus};
use super::names::{Names, codes};
use super::section::{Located, Section, code_at};
use crate::definition::{Kind, Lock, Marker, Notice, Task};
use crate::finding::Findings;
use crate::limits::{LOCKS_MAX, MARKERS_MAX, NOTICES_MAX, REASONS_MAX, TASKS_MAX};
use crate::name::Code;

/// How a task is completed by hand where it says nothing else.
const DONE: &str = "done";

type Sections<'t> = Vec<(Located<Code>, Section<'t>)>;

pub(super) fn read_tasks(sections: Sections<'_>, names: &mut Names<'_>, findings: &mut Findings) -> Vec<Task> {
    refuse_surplus(&sections, TASKS_MAX, "tasks", findings);
    let mut tasks = Vec::new();
    for (code, mut section) in sections.into_iter().take(TASKS_MAX) {
        let labels = read_labels(&mut section, findings).unwrap_or_else(blank_labels);
        tasks.push(Task {
            code: code.value,
            labels,
            done_by: codes(names.statuses(&mut section, "done_by", findings)),
            outcomes: read_task_outcomes(&mut section, findings),
            within: section.length("within", findings).map(|within| within.value),
            basis: read_basis(&mut section, findings),
        });
        section.finish(findings);
    }
    tasks
}

fn read_task_outcomes(section: &mut Section<'_>, findings: &mut Findings) -> Vec<Code> {
    let Some(names) = section.names("outcomes", REASONS_MAX, findings) else {
        return Code::new(DONE).into_iter().collect();
    };
    if names.value.is_empty() {
        let message = format!("`outcomes` of [{}] is empty: nobody could complete it by hand", section.path);
        findings.error(names.at, message, format!("leave it out for `{DONE}` alone"));
    }
    names.value.iter().filter_map(|name| code_at(name.at, &name.value, findings)).map(|code| code.value).collect()
}

pub(super) fn read_notices(sections: Sections<'_>, findings: &mut Findings) -> Vec<Notice> {
    refuse_surplus(&sections, NOTICES_MAX, "notices", findings);
    let mut notices = Vec::new();
    for (code, mut section) in sections.into_iter().take(NOTICES_MAX) {
        let labels = read_labels(&mut section, findings).unwrap_or_else(blank_labels);
        notices.push(Notice {
            code: code.value,
            labels,
            urgent: section.flag("urgent", findings),
            acknowledge_within_ms: read_period_ms(&mut section, findings),
            basis: read_basis(&mut section, findings),
        });
        section.finish(findings);
    }
    notices
}

fn read_period_ms(section: &mut Section<'_>, findings: &mut Findings) -> Option<u64> {
    let length = section.length("acknowledge_within", findings)?;
    let ms = length.value.clock_ms().and_then(|ms| u64::try_from(ms).ok());
    if ms.is_none() {
        let message = format!("`acknowledge_within` of [{}] is counted in days", section.path);
        findings.error(length.at, message, "write hours, minutes or seconds, such as PT24H or PT15M");
    }
    // Zero stands in for a fault that has been told: to rules that wait for silence it is still there.
    ms.or(Some(0))
}

pub(super) fn read_locks(sections: Sections<'_>, names: &mut Names<'_>, findings: &mut Findings) -> Vec<Lock> {
    refuse_surplus(&sections, LOCKS_MAX, "locks", findings);
    let mut locks = Vec::new();
    for (code, mut section) in sections.into_iter().take(LOCKS_MAX) {
        let labels = read_labels(&mut section, findings).unwrap_or_else(blank_labels);
        let before = findings.error_count();
        let stops = names.statuses(&mut section, "stops", findings);
        let alarms = names.statuses(&mut section, "alarms", findings);
        check_stops(&stops, names, findings);
        for status in &alarms {
            if names.kind_of(&status.value) == Some(Kind::Announces) {
                let message = format!("`{}` only announces, and `alarms` is for facts", status.value);
                findings.error(status.at, message, "name it in `stops`");
            }
        }
        if stops.is_empty() && findings.error_count() == before {
            let message = format!("[{}] stops nothing", section.path);
            findings.error(section.at, message, "name the announcements it refuses in `stops`");
        }
        let basis = read_basis(&mut section, findings);
        section.finish(findings);
        locks.push(Lock { code: code.value, labels, stops: codes(stops), alarms: codes(alarms), basis });
    }
    locks
}

/// A fact is never refused: neither one that is named nor one behind a class.
fn check_stops(stops: &[Located<Code>], names: &Names<'_>, findings: &mut Findings) {
    for Located { at, value: status } in stops {
        if names.kind_of(status) == Some(Kind::Reports) {
            let message = format!("`{status}` reports a fact, and no lock refuses facts");
            findings.error(*at, message, "name it in `alarms`: it is then recorded and marked");
            continue;
        }
        let fact = names.members_of(status).find(|(_, kind)| *kind == Kind::Reports);
        if let Some((member, _)) = fact {
            let message = format!("class `{status}` hides `{member}`, which reports a fact, and no lock refuses facts");
            findings.error(*at, message, format!("put `{member}` into a class of kind \"reports\""));
        }
    }
}

pub(super) fn read_markers(sections: Sections<'_>, names: &Names<'_>, findings: &mut Findings) -> Vec<Marker> {
    refuse_surplus(&sections, MARKERS_MAX, "markers", findings);
    let mut markers = Vec::new();
    for (code, mut section) in sections.into_iter().take(MARKERS_MAX) {
        let labels = read_labels(&mut section, findings).unwrap_or_else(blank_labels);
        let before = findings.error_count();
        let audience = codes(names.roles(&mut section, "audience", findings));
        if audience.is_empty() && findings.error_count() == before {
            let message = format!("nobody sees [{}]", section.path);
            findings.error(section.at, message, "name at least one role in `audience`");
        }
        let basis = read_basis(&mut section, findings);
        section.finish(findings);
        markers.push(Marker { code: code.value, labels, audience, basis });
    }
    markers
}
