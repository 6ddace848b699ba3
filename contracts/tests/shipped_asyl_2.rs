//! The shipped definition `asyl-de` version 2: what the checker notes, that it holds what the table of statuses names,
//! that it goes on from version 1, and that every rule of law says how far it was checked.
#![allow(clippy::expect_used, clippy::panic, reason = "a test stops at the first thing that does not hold")]

use laufzettel_contracts::{ASYL_DE, ASYL_DE_2, Definition, Kind, Language};
use std::collections::BTreeSet;

fn version_2() -> Definition {
    Definition::check(ASYL_DE_2).expect("the definition is sound").definition
}

#[test]
fn passes_with_known_notes() {
    let checked = Definition::check(ASYL_DE_2).expect("the definition is sound");
    let notes: String = checked.notes.iter().map(|note| format!("{}\n", note.message)).collect();
    assert_eq!(notes, include_str!("golden/asyl-de-2-notes.txt"));
}

/// The statuses of the table in its order, 1 to 63, without 62: a correction is an action of the ledger.
const TABLE: &str = "application_made forwarded_to_reception reception_no_show reception_registered identity_captured \
    state_assigned application_registered arrival_certificate_issued medical_exam_scheduled medical_exam_done \
    minor_taken_into_care lodging_appointment_set lodging_appointment_missed application_lodged \
    permission_to_stay_issued security_check_requested security_check_completed hearing_scheduled hearing_rescheduled \
    hearing_held hearing_missed hearing_waived dublin_check_opened take_charge_requested take_charge_accepted \
    take_charge_rejected transfer_decision_issued dublin_transfer_scheduled dublin_transferred dublin_transfer_failed \
    responsibility_germany decision_issued decision_delivered procedure_discontinued procedure_suspended \
    reopening_requested procedure_resumed appeal_filed interim_relief_filed interim_relief_granted \
    interim_relief_denied court_decision further_remedy_filed appeal_ended_otherwise decision_final \
    allocated_internally competence_changed whereabouts_unknown whereabouts_known departure_obligation_enforceable \
    residence_permit_issued toleration_issued departure_confirmed removal_scheduled removal_executed removal_failed \
    subsequent_application_filed subsequent_application_admitted refoulement_clearance_given reopening_art60_opened \
    withdrawal_opened case_closed";

#[test]
fn holds_the_whole_table() {
    let def = version_2();
    assert_eq!((def.id(), def.version(), def.language(), def.profile()), ("asyl-de", 2, 2, Some("full")));
    let table: BTreeSet<&str> = TABLE.split(' ').collect();
    let stated: BTreeSet<&str> =
        def.statuses().iter().filter(|status| !status.class).map(|status| status.code.as_str()).collect();
    assert_eq!(stated, table);
    assert_eq!(table.len(), 62);
    let restricted =
        def.statuses().iter().filter_map(|status| Some((status.code.as_str(), status.ledger_as.as_ref()?.as_str())));
    let expected = [
        ("minor_taken_into_care", "protection_step"),
        ("medical_exam_scheduled", "health_step"),
        ("medical_exam_done", "health_step"),
        ("security_check_requested", "security_step"),
        ("security_check_completed", "security_step"),
        ("dublin_transfer_scheduled", "enforcement_announcement"),
        ("whereabouts_unknown", "whereabouts_step"),
        ("whereabouts_known", "whereabouts_step"),
        ("removal_scheduled", "enforcement_announcement"),
        ("removal_failed", "enforcement_report"),
    ];
    assert_eq!(restricted.collect::<Vec<_>>(), expected);
}

/// A class is of the kind of its members, else a stop could not tell an announcement by its class; and who is told of a
/// member is told of the class.
#[test]
fn a_class_says_what_its_members_say() {
    let def = version_2();
    for member in def.statuses() {
        let Some(class) = &member.ledger_as else { continue };
        let class = def.status(class.as_str()).expect("the class is there");
        assert_eq!(class.kind, member.kind, "{}", member.code);
        for role in &member.recipients {
            assert!(class.recipients.contains(role), "{role} is told of {} but not of {}", member.code, class.code);
        }
    }
}

/// An authority that learned version 1 finds all of it: codes, tracks with their numbers, who reports, German labels.
#[test]
fn goes_on_from_version_1() {
    let (one, two) = (Definition::check(ASYL_DE).expect("the definition is sound").definition, version_2());
    for status in one.statuses() {
        let now = two.status(status.code.as_str()).unwrap_or_else(|| panic!("{} is gone", status.code));
        assert_eq!((&now.labels, now.track_number), (&status.labels, status.track_number), "{}", status.code);
        assert_eq!((&now.reported_by, now.precision), (&status.reported_by, status.precision), "{}", status.code);
        for role in &status.recipients {
            assert!(now.recipients.contains(role), "{role} is no longer told of {}", status.code);
        }
    }
    for track in one.tracks() {
        assert!(two.tracks().contains(track), "{}", track.code);
    }
    assert_eq!(two.tracks().iter().map(|track| track.number).collect::<Vec<_>>(), (16..=26).collect::<Vec<u8>>());
    assert_eq!(one.roles(), &two.roles()[..one.roles().len()]);
    let added: Vec<&str> = two.roles()[one.roles().len()..].iter().map(|role| role.code.as_str()).collect();
    assert_eq!(added, ["auditor"]);
    assert_eq!(one.outcome_list("decision"), two.outcome_list("decision"));
}

/// V, M or D: in a named text, from memory, by design.
fn says_how_far(basis: &str) -> bool {
    let letters = basis.split(['(', ')', ',', ';', ':', ' ']);
    letters.into_iter().any(|word| matches!(word, "V" | "M" | "D"))
}

#[test]
fn every_basis_says_how_far_it_was_checked() {
    let def = version_2();
    let rules = def.rules();
    let mut bases: Vec<(&str, &str)> = Vec::new();
    bases.extend(rules.deadlines.iter().map(|deadline| (deadline.code.as_str(), deadline.basis.as_str())));
    bases.extend(rules.locks.iter().map(|lock| (lock.code.as_str(), lock.basis.as_str())));
    bases.extend(rules.notices.iter().map(|notice| (notice.code.as_str(), notice.basis.as_str())));
    bases.extend(rules.tasks.iter().map(|task| (task.code.as_str(), task.basis.as_str())));
    bases.extend(rules.markers.iter().map(|marker| (marker.code.as_str(), marker.basis.as_str())));
    bases.extend(rules.rules.iter().map(|rule| (rule.name.as_str(), rule.basis.as_str())));
    let guards = def.statuses().iter().flat_map(|status| status.warn_if.iter().chain(&status.block_if));
    bases.extend(guards.map(|guard| (guard.name.as_str(), guard.basis.as_str())));
    bases.extend(def.statuses().iter().map(|status| (status.code.as_str(), status.basis.as_str())));
    let silent: Vec<_> = bases.iter().filter(|(_, basis)| !says_how_far(basis)).collect();
    assert!(silent.is_empty(), "{silent:#?}");
    assert_eq!(rules.deadlines.len(), 45);
}

/// What the urgent stop rests on.
#[test]
fn stops_name_announcements_and_alarm_facts() {
    let def = version_2();
    for lock in &def.rules().locks {
        for stop in &lock.stops {
            assert_eq!(def.status(stop.as_str()).map(|status| status.kind), Some(Kind::Announces), "{stop}");
        }
        for alarm in &lock.alarms {
            assert_eq!(def.status(alarm.as_str()).map(|status| status.kind), Some(Kind::Reports), "{alarm}");
        }
    }
    let urgent = def.rules().notices.iter().filter(|notice| notice.acknowledge_within_ms == Some(15 * 60_000));
    let urgent: Vec<&str> = urgent.map(|notice| notice.code.as_str()).collect();
    assert_eq!(urgent, ["stop_by_motion", "stop_by_subsequent_application", "enforced_despite_stop"]);
    // Presumed final is for the office alone.
    let marker = def.rules().marker("presumed_final").expect("the marker is there");
    assert_eq!(marker.audience.iter().map(|role| role.as_str()).collect::<Vec<_>>(), ["asylum_office"]);
    assert_eq!(marker.labels.get(Language::German), "Vermutlich bestandskräftig");
}
