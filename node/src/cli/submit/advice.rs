//! Why a report was refused, in words that name what is wrong with it and what would be right: out of the process's text
//! and the case as the caller sees it. Beside the refusal, never in place of it; what cannot be found out is left out.

use laufzettel_chain::state::effects::guard_id;
use laufzettel_contracts::{AttributeType, Code, Definition, Precision, Status, nearest};
use laufzettel_proto::v1;

use crate::cli::case::{effects, history};
use crate::cli::client::Target;
use crate::cli::words::{hex, when_text};

/// What can be said about a refusal of this report; nothing if there is nothing to add.
pub(super) async fn of(
    target: &Target,
    report: &v1::ReportStatusRequest,
    (reason, cause): (&str, &[u8]),
) -> Option<String> {
    if reason == "LOCKED" {
        return lock(target, &report.case_id, cause).await;
    }
    let (id, version) = match &report.open {
        Some(open) => (open.definition.clone(), open.definition_version),
        None => {
            let case = case_of(target, &report.case_id).await?;
            (case.definition, case.definition_version)
        }
    };
    let request = v1::GetDefinitionRequest { id, version };
    let answer = target.processes().await.ok()?.get_definition(target.call(request)).await.ok()?;
    let definition = Definition::check(&answer.into_inner().text).ok()?.definition;
    match reason {
        "BLOCKED" | "OVERRIDE_UNKNOWN" => guard(&definition, &report.status, cause),
        _ => by_text(&definition, reason, report),
    }
}

/// The guard that blocks, by the id that the receipt names, and how a second person may override it.
fn guard(definition: &Definition, status: &str, cause: &[u8]) -> Option<String> {
    let status = definition.status(status)?;
    let guard = status.block_if.iter().find(|guard| guard_id(&status.code, &guard.name) == cause)?;
    let overrides = match guard.overrides.as_slice() {
        [] => "nobody may override it".to_owned(),
        codes => format!("a second person may override it (--override, --second-key) with: {}", list(codes)),
    };
    Some(format!("the guard {} holds: {} / {}; {overrides}", guard.name, guard.labels.en, guard.labels.de))
}

async fn case_of(target: &Target, case_id: &[u8]) -> Option<v1::Case> {
    let request = v1::GetCaseRequest { case_id: case_id.to_vec(), ..v1::GetCaseRequest::default() };
    target.cases().await.ok()?.get_case(target.call(request)).await.ok()?.into_inner().view
}

/// The lock that stops it, and the report that holds the lock.
async fn lock(target: &Target, case_id: &[u8], effect: &[u8]) -> Option<String> {
    let case = case_of(target, case_id).await?;
    let lock = case.locks.iter().find(|lock| lock.effect_id == effect)?;
    let events = history::fetch(target, case_id, None).await.ok()?;
    Some(lock_text(lock, history::standing(&events, &lock.cause)))
}

fn lock_text(lock: &v1::Lock, holder: Option<(&v1::Report, &str)>) -> String {
    let name = effects::label(lock.labels.as_ref(), &lock.code);
    let holder = match holder {
        Some((report, by)) => format!("{} of {} by {by}", report.status, when_text(report.occurred.as_ref())),
        None => format!("report {} (not for this reader)", hex(&lock.cause)),
    };
    format!("the lock \"{name}\" ({}, {}) stands, held by {holder}", lock.code, lock.basis)
}

fn list<'c>(codes: impl IntoIterator<Item = &'c Code>) -> String {
    let codes: Vec<&str> = codes.into_iter().map(Code::as_str).collect();
    codes.join(", ")
}

/// What the process says about what was refused.
fn by_text(definition: &Definition, reason: &str, report: &v1::ReportStatusRequest) -> Option<String> {
    let code = report.status.as_str();
    let Some(status) = definition.status(code) else {
        let (id, version) = (definition.id(), definition.version());
        let near = nearest(code, definition.statuses().iter().map(|status| status.code.as_str()));
        let near = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
        return Some(format!(
            "{id}@{version} has no status {code:?}{near}; `process show {id}@{version}` has all of them"
        ));
    };
    match reason {
        "STATUS_RESTRICTED" => {
            let class = status.ledger_as.as_ref()?;
            Some(format!("{code} stands on the ledger only as its class: report it with --status {class}"))
        }
        "ROLE_NOT_ENTITLED" => {
            let may = list(&status.reported_by);
            Some(format!("{code} is reported by {may}; the authority of this profile holds none of these roles"))
        }
        "PRECISION_WRONG" => Some(match status.precision {
            Precision::Day => format!("{code} has a day: --occurred 2026-11-23"),
            Precision::Instant => format!("{code} has an instant: --occurred 2026-11-23T10:00:00Z"),
        }),
        "OUTCOME_UNKNOWN" => Some(match definition.outcomes_of(status) {
            None => format!("{code} has no outcomes: leave --outcome out"),
            Some(known) => {
                let known = list(known.outcomes.iter().map(|outcome| &outcome.code));
                format!("{:?} is no outcome of {code}; it has {known}", report.outcome)
            }
        }),
        "ATTRIBUTE_UNKNOWN" | "ATTRIBUTE_INVALID" => attributes(status, report),
        _ => None,
    }
}

/// Which attributes are wrong, and how each is written.
fn attributes(status: &Status, report: &v1::ReportStatusRequest) -> Option<String> {
    let wrong = report.attributes.iter().filter_map(|given| {
        let name = given.name.as_str();
        let Some(known) = status.attributes.iter().find(|known| known.code.as_str() == name) else {
            let known = list(status.attributes.iter().map(|known| &known.code));
            let known = if known.is_empty() { "none".to_owned() } else { known };
            return Some(format!("{} has no attribute {name:?}; it has: {known}", status.code));
        };
        (!fits(&known.holds, given)).then(|| format!("attribute {name} is written {}", written(&known.holds)))
    });
    let wrong: Vec<String> = wrong.collect();
    (!wrong.is_empty()).then(|| wrong.join("; "))
}

fn fits(holds: &AttributeType, given: &v1::Attribute) -> bool {
    use v1::attribute::Value;
    match (holds, &given.value) {
        (AttributeType::Code(codes), Some(Value::Code(code))) => codes.iter().any(|known| known.as_str() == code),
        (AttributeType::Integer { min, max }, Some(Value::Integer(number))) => (min..=max).contains(&number),
        (AttributeType::Date, Some(Value::Date(_)))
        | (AttributeType::Authority, Some(Value::Authority(_)))
        | (AttributeType::Bool, Some(Value::Bool(_)))
        | (AttributeType::Commitment, Some(Value::Commitment(_))) => true,
        _ => false,
    }
}

fn written(holds: &AttributeType) -> String {
    match holds {
        AttributeType::Date => "as a day, 2026-11-23".to_owned(),
        AttributeType::Code(codes) => format!("as one of {}", list(codes)),
        AttributeType::Authority => "as authority:ID, as authority:sn-dresden".to_owned(),
        AttributeType::Integer { min, max } => format!("as a whole number from {min} to {max}"),
        AttributeType::Bool => "as true or false".to_owned(),
        AttributeType::Commitment => "as a digest, which the command line does not make".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: &str, reason: &str, change: impl FnOnce(&mut v1::ReportStatusRequest)) -> String {
        let definition = Definition::check(laufzettel_contracts::ASYL_DE_2).unwrap().definition;
        let mut report = v1::ReportStatusRequest { status: status.into(), ..v1::ReportStatusRequest::default() };
        change(&mut report);
        by_text(&definition, reason, &report).unwrap()
    }

    #[test]
    fn what_is_wrong_is_named_with_what_would_be_right() {
        let text = refused("decision_isued", "STATUS_UNKNOWN", |_| {});
        assert!(text.contains("decision_isued") && text.contains("did you mean decision_issued?"), "{text}");
        let text = refused("removal_scheduled", "STATUS_RESTRICTED", |_| {});
        assert!(text.contains("--status enforcement_announcement"), "{text}");
        let text = refused("decision_issued", "ROLE_NOT_ENTITLED", |_| {});
        assert!(text.contains("asylum_office") && !text.contains("court"), "{text}");
        let text = refused("decision_issued", "OUTCOME_UNKNOWN", |report| report.outcome = "refuged".into());
        assert!(text.contains("refuged") && text.contains("rejected_unfounded"), "{text}");
        let wrong = super::super::attribute("new_authority=sn_dresden").unwrap();
        let text = refused("competence_changed", "ATTRIBUTE_INVALID", |report| report.attributes.push(wrong));
        assert!(text.contains("new_authority") && text.contains("authority:"), "{text}");
    }

    #[test]
    fn a_guard_is_found_by_the_id_in_the_receipt_with_what_overrides_it() {
        let definition = Definition::check(laufzettel_contracts::ASYL_DE_2).unwrap().definition;
        let blocked = definition.statuses().iter().filter(|status| !status.block_if.is_empty());
        let mut found = 0;
        for status in blocked {
            for one in &status.block_if {
                let text = guard(&definition, status.code.as_str(), &guard_id(&status.code, &one.name)).unwrap();
                assert!(text.contains(one.name.as_str()) && text.contains(&one.labels.de), "{text}");
                assert!(one.overrides.iter().all(|code| text.contains(code.as_str())), "{text}");
                found += 1;
            }
        }
        assert!(found > 0, "the shipped process has guards that block");
        assert_eq!(guard(&definition, "decision_issued", &[0; 16]), None);
    }

    #[test]
    fn a_lock_is_named_with_the_report_that_holds_it() {
        let labels = v1::Labels { de: "Stopp".into(), en: "Stop".into() };
        let lock = v1::Lock { code: "stop".into(), labels: Some(labels), basis: "(D)".into(), ..v1::Lock::default() };
        let report = v1::Report { status: "motion_filed".into(), ..v1::Report::default() };
        let text = lock_text(&lock, Some((&report, "sn-vg-dresden")));
        assert!(text.contains("\"Stop\"") && text.contains("motion_filed") && text.contains("sn-vg-dresden"), "{text}");
        assert!(lock_text(&lock, None).contains("not for this reader"));
    }
}
