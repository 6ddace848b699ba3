//! The shipped definition: what the checker notes, what is in it, and the story of one case by it. On a difference the
//! tests leave what they got beside the build.
#![allow(clippy::expect_used, clippy::panic, reason = "a test stops at the first thing that does not hold")]

use laufzettel_contracts::{
    ASYL_DE, AuthorityId, CaseFold, Code, Definition, Entry, Kind, Language, Position, Report, When, accept,
};
use std::fmt::Write as _;

/// 2026-01-05, the day the story begins.
const FIRST_DAY: i32 = 20_458;

fn compare(name: &str, actual: &str, expected: &str) {
    if actual != expected {
        let path = format!("{}/{name}", env!("CARGO_TARGET_TMPDIR"));
        std::fs::write(&path, actual).expect("the build directory can be written");
        panic!("compare golden/{name} with {path}");
    }
}

fn code(text: &str) -> Code {
    Code::new(text).expect("a code")
}

#[test]
fn passes_with_known_notes() {
    let checked = Definition::check(ASYL_DE).expect("the definition is sound");
    let notes: String = checked.notes.iter().map(|note| format!("{note}\n")).collect();
    compare("asyl-de-notes.txt", &notes, include_str!("golden/asyl-de-notes.txt"));
}

#[test]
fn holds_what_the_profile_names() {
    let def = Definition::check(ASYL_DE).expect("the definition is sound").definition;
    assert_eq!((def.id(), def.version(), def.profile()), ("asyl-de", 1, Some("flora-1")));
    assert_eq!(def.label(Language::German), "Asylverfahren");
    let ordinary = def.statuses().iter().filter(|status| status.ledger_as.is_none() && !status.class);
    let codes: Vec<&str> = ordinary.map(|status| status.code.as_str()).collect();
    let expected = "application_made forwarded_to_reception reception_no_show reception_registered identity_captured \
        state_assigned application_registered arrival_certificate_issued lodging_appointment_set \
        lodging_appointment_missed application_lodged permission_to_stay_issued hearing_scheduled hearing_rescheduled \
        hearing_held hearing_missed hearing_waived decision_issued decision_delivered procedure_discontinued case_closed";
    assert_eq!(codes.join(" "), expected);
    let restricted =
        def.statuses().iter().filter_map(|status| Some((status.code.as_str(), status.ledger_as.as_ref()?.as_str())));
    let expected = [
        ("medical_exam_scheduled", "health_step"),
        ("medical_exam_done", "health_step"),
        ("minor_taken_into_care", "protection_step"),
    ];
    assert_eq!(restricted.collect::<Vec<_>>(), expected);
    assert_eq!(def.roles().len(), 14);
    assert_eq!(def.outcome_list("decision").expect("the list is there").outcomes.len(), 12);
    let decision = def.status("decision_issued").expect("the status is there");
    assert_eq!(def.outcomes_of(decision).expect("it has outcomes").code.as_str(), "decision");
    let hearing = def.status("hearing_scheduled").expect("the status is there");
    assert_eq!((hearing.kind, hearing.basis.as_str()), (Kind::Announces, "§25(4) a.F./§25(3) n.F. (V)"));
    assert_eq!(def.track_of("hearing_held").map(|track| track.number), Some(20));
}

/// A case as a reader would tell it, with what the fold says after each step.
struct Story {
    def: Definition,
    case: CaseFold,
    next: u8,
    told: String,
}

impl Story {
    fn report(&mut self, day: i32, author: &str, role: &str, report: Report) {
        self.next += 1;
        let now_ms = u64::try_from(FIRST_DAY + 200).expect("after 1970") * 86_400_000;
        let said = accept(&self.def, &[code(role)], &report, now_ms, &self.case);
        writeln!(self.told, "{}. day {day}: {author} reports {}", self.next, report.status)
            .expect("a String takes all");
        if let Err(refusal) = said {
            writeln!(self.told, "   refused: {refusal}").expect("a String takes all");
            return;
        }
        let position = Position { height: u64::from(self.next), ..Position::default() };
        let author = AuthorityId::new(author).expect("an id");
        self.case.report(&self.def, Entry { slot: [self.next; 32], position, author, report });
        self.tell();
    }

    fn step(&mut self, day: i32, author: &str, role: &str, status: &str) {
        self.report(day, author, role, Report::new(code(status), When::Day(FIRST_DAY + day)));
    }

    fn tell(&mut self) {
        let state = self.case.state();
        let headline = state.headline(&self.def, &|_| true).map(|track| track.status.as_str()).unwrap_or_default();
        let label = self.def.status(headline).map(|status| status.labels.get(Language::English)).unwrap_or_default();
        writeln!(self.told, "   {label}").expect("a String takes all");
        let tracks = self.def.tracks().iter().filter_map(|track| Some((track, state.tracks.get(&track.number)?)));
        let tracks: Vec<String> = tracks.map(|(track, at)| format!("{} {}", track.code, at.status)).collect();
        writeln!(self.told, "   {}", tracks.join(", ")).expect("a String takes all");
        for deviation in &state.deviations {
            let number = deviation.slot.first().expect("a slot has bytes");
            writeln!(self.told, "   deviation: {number}. {} {}", deviation.status, deviation.kind)
                .expect("a String takes all");
        }
        if state.closed {
            writeln!(self.told, "   closed").expect("a String takes all");
        }
    }
}

#[test]
fn tells_a_case_from_request_to_closing() {
    let def = Definition::check(ASYL_DE).expect("the definition is sound").definition;
    let mut story = Story { def, case: CaseFold::new(), next: 0, told: String::new() };
    story.step(0, "de-bpol", "federal_police", "application_made");
    story.step(1, "sn-lds", "reception", "reception_registered");
    story.step(1, "sn-lds", "reception", "identity_captured");
    story.step(2, "sn-dresden", "health_office", "medical_exam_done");
    story.step(2, "sn-dresden", "health_office", "health_step");
    story.step(3, "de-bamf", "asylum_office", "arrival_certificate_issued");
    // The hearing is told first, then that it was scheduled, last that the application was lodged: each report stands
    // without ground until the one it follows has arrived.
    story.step(20, "de-bamf", "asylum_office", "hearing_held");
    story.step(9, "de-bamf", "asylum_office", "hearing_scheduled");
    story.step(8, "de-bamf", "asylum_office", "application_lodged");
    story.step(30, "sn-dresden", "foreigners_authority", "decision_issued");
    story.step(30, "de-bamf", "asylum_office", "decision_issued");
    let mut decision = Report::new(code("decision_issued"), When::Day(FIRST_DAY + 30));
    decision.outcome = Some(code("refugee_status"));
    story.case.correct(&story.def, [11; 32], decision).expect("the slot stands");
    writeln!(story.told, "11. is corrected: the outcome").expect("a String takes all");
    story.tell();
    let mut delivered = Report::new(code("decision_delivered"), When::Day(FIRST_DAY + 33));
    delivered.effective = Some(FIRST_DAY + 36);
    story.report(33, "de-bamf", "asylum_office", delivered);
    story.step(60, "de-bamf", "asylum_office", "case_closed");
    story.step(61, "de-bamf", "asylum_office", "permission_to_stay_issued");
    story.case.retract(&story.def, [14; 32]).expect("the slot stands");
    writeln!(story.told, "14. is retracted").expect("a String takes all");
    story.tell();
    compare("asyl-de-story.txt", &story.told, include_str!("golden/asyl-de-story.txt"));
}
