//! Whether a definition takes a plan, asked before a network is started: a log that does not fit fails at once and in
//! words, not after minutes with thousands of refusals. Must never be stricter than the ledger.

use super::plan::Plan;
use laufzettel_contracts::limits::EVENTS_MAX;
use laufzettel_contracts::{Code, Definition, Precision};
use std::collections::BTreeSet;

/// Why a definition does not take a plan.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub(crate) enum Misfit {
    /// No such status.
    #[error("the definition has no status `{status}`; add it, or derive a definition from the log")]
    StatusUnknown { status: String },
    /// The status never stands on the ledger.
    #[error("status `{status}` is restricted; a replay reports in clear")]
    StatusRestricted { status: String },
    /// The status has days.
    #[error("status `{status}` has precision \"day\"; a log has instants, write \"instant\"")]
    PrecisionWrong { status: String },
    /// The role may not report it.
    #[error("role `{role}` may not report `{status}`; add it to `reported_by`")]
    RoleNotEntitled { status: String, role: String },
    /// More events than a case holds.
    #[error("case {case:?} has {found} events; a case holds {EVENTS_MAX}")]
    CaseTooLong { case: String, found: usize },
}

/// Every reason, each once.
pub(crate) fn misfits(plan: &Plan, definition: &Definition) -> BTreeSet<Misfit> {
    let mut misfits = BTreeSet::new();
    for case in &plan.cases {
        let found = case.events().count();
        if found > EVENTS_MAX {
            misfits.insert(Misfit::CaseTooLong { case: case.name.clone(), found });
        }
    }
    for authority in &plan.authorities {
        let events = plan.cases.iter().flat_map(|case| case.events());
        let statuses: BTreeSet<&str> =
            events.filter(|event| event.author == authority.id).map(|event| event.status.as_str()).collect();
        misfits.extend(statuses.into_iter().filter_map(|status| misfit(definition, status, &authority.role)));
    }
    misfits
}

fn misfit(definition: &Definition, status: &str, role: &str) -> Option<Misfit> {
    let named = status.to_owned();
    let Some(status) = definition.status(status) else { return Some(Misfit::StatusUnknown { status: named }) };
    if status.ledger_as.is_some() {
        return Some(Misfit::StatusRestricted { status: named });
    }
    if status.precision != Precision::Instant {
        return Some(Misfit::PrecisionWrong { status: named });
    }
    let entitled = status.reported_by.iter().map(Code::as_str).any(|reporter| reporter == role);
    (!entitled).then(|| Misfit::RoleNotEntitled { status: named, role: role.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::super::generate::generate;
    use super::*;
    use laufzettel_contracts::ASYL_DE;
    use laufzettel_node::eventlog::EventLog;
    use laufzettel_node::process::derive;
    use std::num::NonZeroUsize;

    fn check(log: &str, definition: &str, expected: &[&str]) {
        let log = EventLog::parse("log.csv", log.as_bytes()).unwrap();
        let plan = Plan::new(&log, NonZeroUsize::new(4).unwrap(), 1);
        let definition = Definition::check(definition).unwrap().definition;
        let found: Vec<String> = misfits(&plan, &definition).iter().map(Misfit::to_string).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_derived_definition_fits() {
        for seed in 0..20 {
            let csv = String::from_utf8(generate(seed, 20).csv).unwrap();
            let log = EventLog::parse("log.csv", csv.as_bytes()).unwrap();
            check(&csv, &derive(&log, "generated").unwrap(), &[]);
        }
    }

    #[test]
    fn says_what_does_not_fit() {
        let log = "case,status,time,group\n1,lodged,2020-01-01,a\n1,hearing_held,2020-01-01,a\n1,medical_exam_done,2020-01-01,a\n";
        let expected = [
            "the definition has no status `lodged`; add it, or derive a definition from the log",
            "status `medical_exam_done` is restricted; a replay reports in clear",
            "status `hearing_held` has precision \"day\"; a log has instants, write \"instant\"",
        ];
        check(log, ASYL_DE, &expected);
        let instant = ASYL_DE.replace("\"day\"", "\"instant\"");
        let log = "case,status,time,group\n1,hearing_held,2020-01-01,Asylum office\n1,hearing_held,2020-01-01,court\n";
        check(log, &instant, &["role `court` may not report `hearing_held`; add it to `reported_by`"]);
    }

    #[test]
    fn counts_the_events_of_a_case() {
        let rows = "1,a,2020-01-01\n".repeat(EVENTS_MAX + 1);
        let text = format!("case,status,time\n{rows}");
        let log = EventLog::parse("log.csv", text.as_bytes()).unwrap();
        check(&text, &derive(&log, "long").unwrap(), &["case \"1\" has 4097 events; a case holds 4096"]);
    }
}
