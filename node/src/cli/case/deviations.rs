//! What departs from the process in a case, for people: which report, how, and against what.

use laufzettel_proto::v1;

use super::{effects, history};
use crate::cli::words::{hex, when_text};

/// A line for each deviation: grave or not, the report, what is wrong.
pub(super) fn lines(case: &v1::Case, events: &[v1::Event]) -> Vec<Vec<String>> {
    let line = |found: &v1::Deviation| {
        let grave = if found.grave { "GRAVE" } else { "" };
        let report = match history::standing(events, &found.slot) {
            Some((report, by)) => format!("{} of {} by {by}", report.status, when_text(report.occurred.as_ref())),
            None => format!("report {}", hex(&found.slot)),
        };
        vec![grave.to_owned(), report, found.code.to_lowercase(), text(case, found)]
    };
    case.deviations.iter().map(line).collect()
}

/// What is wrong, in words.
fn text(case: &v1::Case, found: &v1::Deviation) -> String {
    let lock = case.locks.iter().find(|lock| lock.effect_id == found.lock);
    let lock = lock
        .map_or_else(|| format!("lock {}", hex(&found.lock)), |lock| effects::label(lock.labels.as_ref(), &lock.code));
    let guard = match &found.labels {
        Some(labels) => format!("{} / {}", labels.en, labels.de),
        None => found.name.clone(),
    };
    match found.code.as_str() {
        "EXECUTED_DESPITE_LOCK" => format!("it happened while a lock stood against it: {lock}"),
        "ANNOUNCED_DESPITE_LOCK" => format!("it was announced before this lock was known: {lock}"),
        "WARNED" => format!("the process warns: {guard}"),
        "OVERRIDDEN" => format!("it stands although a guard blocks it: {guard}"),
        "GRAVE" => format!("it happened although a guard stands against it: {guard}"),
        "ASSIGNED_WITHOUT_ROLE" => {
            format!("it makes an authority {guard} that does not hold this role in the network; that does not count")
        }
        other => plain(other).to_owned(),
    }
}

/// Deviations that every process has.
fn plain(code: &str) -> &str {
    match code {
        "STATUS_UNKNOWN" => "the process of the case has no such status any more",
        "PROCEEDING_UNKNOWN" => "it names a proceeding that nothing has opened; it counts to the current one",
        "PROCEEDINGS_FULL" => "it would open one proceeding too many; it counts to the current one",
        "OUT_OF_ORDER" => "nothing that it may come after was reported before",
        "REPEATED" => "it may occur once in a proceeding, and has occurred before",
        "AFTER_CLOSE" => "it came after the proceeding was closed",
        "OUTCOME_MISSING" => "it has no outcome",
        "ATTRIBUTE_MISSING" => "an attribute that it must have is missing",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use laufzettel_contracts::DeviationKind as Kind;

    use super::*;

    #[test]
    fn every_deviation_is_told_in_words() {
        for kind in [
            Kind::StatusUnknown,
            Kind::ProceedingUnknown,
            Kind::ProceedingsFull,
            Kind::OutOfOrder,
            Kind::Repeated,
            Kind::AfterClose,
            Kind::OutcomeMissing,
            Kind::AttributeMissing,
        ] {
            assert_ne!(plain(kind.reason()), kind.reason());
        }
        let lock = v1::Lock { effect_id: vec![1; 16], code: "removal_stop".into(), ..v1::Lock::default() };
        let found = v1::Deviation {
            slot: vec![2; 32],
            code: "EXECUTED_DESPITE_LOCK".into(),
            grave: true,
            lock: vec![1; 16],
            ..v1::Deviation::default()
        };
        let report = v1::Report { status: "removal_executed".into(), ..v1::Report::default() };
        let event = v1::Event {
            slot: vec![2; 32],
            authority: "de-bpol".into(),
            action: Some(v1::event::Action::Report(report)),
            ..v1::Event::default()
        };
        let case = v1::Case { locks: vec![lock], deviations: vec![found], ..v1::Case::default() };
        let lines = lines(&case, &[event]).concat().join(" ");
        for told in ["GRAVE", "removal_executed", "de-bpol", "removal_stop"] {
            assert!(lines.contains(told), "{told}: {lines}");
        }
    }
}
