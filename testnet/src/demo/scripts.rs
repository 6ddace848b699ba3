//! What happens in each case of the demo, as steps with the days between them. Written after the usual path and its
//! most common departures; the words are those of `asyl-de`. Steps of one office that undo one another (missed, set
//! anew) lie at least three days apart, so that no weekend puts them on one day.

/// A case before its days are known.
pub(super) struct Script {
    pub(super) title_de: &'static str,
    pub(super) title_en: &'static str,
    /// How many days ago the last step was.
    pub(super) ago: i32,
    pub(super) steps: &'static [Step],
}

/// One step.
pub(super) struct Step {
    pub(super) authority: &'static str,
    pub(super) status: &'static str,
    /// Days since the step before, at least.
    pub(super) gap: i32,
    pub(super) outcome: Option<&'static str>,
    pub(super) act: Act,
}

/// What a step does.
pub(super) enum Act {
    /// It reports its day.
    Report,
    /// It reports a wrong day.
    Misdated { by_days: i32 },
    /// It reports the right day in the place of an earlier step.
    Correct { event: usize },
}

const BAMF: &str = "de-bamf";
const LDS: &str = "sn-lds";
const DRESDEN: &str = "sn-dresden";
const BPOL: &str = "de-bpol";

const fn step(gap: i32, authority: &'static str, status: &'static str) -> Step {
    Step { authority, status, gap, outcome: None, act: Act::Report }
}

const fn decision(gap: i32, outcome: &'static str) -> Step {
    Step { authority: BAMF, status: "decision_issued", gap, outcome: Some(outcome), act: Act::Report }
}

const fn misdated(gap: i32, by_days: i32, authority: &'static str, status: &'static str) -> Step {
    Step { authority, status, gap, outcome: None, act: Act::Misdated { by_days } }
}

const fn correction(gap: i32, event: usize, authority: &'static str, status: &'static str) -> Step {
    Step { authority, status, gap, outcome: None, act: Act::Correct { event } }
}

pub(super) const SCRIPTS: [Script; 14] = [
    Script {
        title_de: "Regelweg bis zur Zuerkennung",
        title_en: "Usual path to refugee status",
        ago: 4,
        steps: &[
            step(0, BPOL, "application_made"),
            step(0, BPOL, "forwarded_to_reception"),
            step(1, LDS, "reception_registered"),
            step(1, LDS, "identity_captured"),
            step(0, LDS, "state_assigned"),
            step(2, LDS, "application_registered"),
            step(1, LDS, "arrival_certificate_issued"),
            step(2, DRESDEN, "health_step"),
            step(5, DRESDEN, "health_step"),
            step(3, BAMF, "lodging_appointment_set"),
            step(9, BAMF, "application_lodged"),
            step(1, BAMF, "permission_to_stay_issued"),
            step(6, BAMF, "hearing_scheduled"),
            step(24, BAMF, "hearing_held"),
            decision(45, "refugee_status"),
            step(5, BAMF, "decision_delivered"),
        ],
    },
    Script {
        title_de: "Subsidiärer Schutz, Fall geschlossen",
        title_en: "Subsidiary protection, case closed",
        ago: 12,
        steps: &[
            step(0, LDS, "application_made"),
            step(0, LDS, "reception_registered"),
            step(1, LDS, "identity_captured"),
            step(1, LDS, "state_assigned"),
            step(1, BAMF, "application_registered"),
            step(0, BAMF, "arrival_certificate_issued"),
            step(4, LDS, "health_step"),
            step(2, BAMF, "lodging_appointment_set"),
            step(12, BAMF, "application_lodged"),
            step(3, DRESDEN, "permission_to_stay_issued"),
            step(5, BAMF, "hearing_scheduled"),
            step(30, BAMF, "hearing_held"),
            decision(60, "subsidiary_protection"),
            step(6, LDS, "decision_delivered"),
            step(35, BAMF, "case_closed"),
        ],
    },
    Script {
        title_de: "Als unbegründet abgelehnt, Bescheid noch nicht zugestellt",
        title_en: "Rejected as unfounded, decision not yet served",
        ago: 1,
        steps: &[
            step(0, DRESDEN, "application_made"),
            step(0, DRESDEN, "forwarded_to_reception"),
            step(2, LDS, "reception_registered"),
            step(1, LDS, "identity_captured"),
            step(3, LDS, "application_registered"),
            step(1, LDS, "arrival_certificate_issued"),
            step(3, LDS, "lodging_appointment_set"),
            step(10, BAMF, "application_lodged"),
            step(0, BAMF, "permission_to_stay_issued"),
            step(8, BAMF, "hearing_scheduled"),
            step(21, BAMF, "hearing_held"),
            decision(38, "rejected_unfounded"),
        ],
    },
    Script {
        title_de: "Anhörung versäumt, neuer Termin, Anhörung durchgeführt",
        title_en: "Hearing missed, set anew, held",
        ago: 9,
        steps: &[
            step(0, BPOL, "application_made"),
            step(0, BPOL, "forwarded_to_reception"),
            step(1, LDS, "reception_registered"),
            step(0, LDS, "identity_captured"),
            step(2, LDS, "application_registered"),
            step(1, LDS, "arrival_certificate_issued"),
            step(2, BAMF, "lodging_appointment_set"),
            step(7, BAMF, "application_lodged"),
            step(1, BAMF, "permission_to_stay_issued"),
            step(4, BAMF, "hearing_scheduled"),
            step(20, BAMF, "hearing_missed"),
            step(5, BAMF, "hearing_scheduled"),
            step(18, BAMF, "hearing_held"),
        ],
    },
    Script {
        title_de: "Anhörung versäumt, Verfahren eingestellt",
        title_en: "Hearing missed, procedure discontinued",
        ago: 20,
        steps: &[
            step(0, BPOL, "application_made"),
            step(0, BPOL, "forwarded_to_reception"),
            step(2, LDS, "reception_registered"),
            step(1, LDS, "identity_captured"),
            step(2, LDS, "application_registered"),
            step(2, BAMF, "lodging_appointment_set"),
            step(11, BAMF, "application_lodged"),
            step(5, BAMF, "hearing_scheduled"),
            step(22, BAMF, "hearing_missed"),
            step(30, BAMF, "procedure_discontinued"),
        ],
    },
    Script {
        title_de: "Schutzmaßnahme des Jugendamts vor der Aufnahme",
        title_en: "Protective measure of the youth office before reception",
        ago: 3,
        steps: &[
            step(0, BPOL, "application_made"),
            step(0, DRESDEN, "protection_step"),
            step(12, LDS, "reception_registered"),
            step(1, LDS, "identity_captured"),
            step(2, BAMF, "application_registered"),
            step(4, DRESDEN, "health_step"),
            step(10, BAMF, "lodging_appointment_set"),
            step(21, BAMF, "application_lodged"),
            step(2, DRESDEN, "permission_to_stay_issued"),
            step(25, BAMF, "hearing_scheduled"),
        ],
    },
    Script {
        title_de: "Antrag zurückgenommen",
        title_en: "Application withdrawn",
        ago: 6,
        steps: &[
            step(0, LDS, "application_made"),
            step(0, LDS, "reception_registered"),
            step(1, LDS, "identity_captured"),
            step(3, LDS, "application_registered"),
            step(2, BAMF, "lodging_appointment_set"),
            step(8, BAMF, "application_lodged"),
            step(1, BAMF, "permission_to_stay_issued"),
            decision(16, "withdrawn"),
            step(3, LDS, "decision_delivered"),
        ],
    },
    Script {
        title_de: "Noch in der Aufnahme",
        title_en: "Still in reception",
        ago: 0,
        steps: &[
            step(0, BPOL, "application_made"),
            step(0, BPOL, "forwarded_to_reception"),
            step(1, LDS, "reception_registered"),
            step(1, LDS, "identity_captured"),
            step(0, LDS, "health_step"),
        ],
    },
    Script {
        title_de: "Weitergeleitet, nicht eingetroffen",
        title_en: "Forwarded, did not arrive",
        ago: 2,
        steps: &[
            step(0, BPOL, "application_made"),
            step(0, BPOL, "forwarded_to_reception"),
            step(7, LDS, "reception_no_show"),
        ],
    },
    Script {
        title_de: "Verspätet eingetroffen, Termin zur Aktenanlage steht",
        title_en: "Arrived late, appointment to lodge is set",
        ago: 1,
        steps: &[
            step(0, BPOL, "application_made"),
            step(0, BPOL, "forwarded_to_reception"),
            step(6, LDS, "reception_no_show"),
            step(5, LDS, "reception_registered"),
            step(1, LDS, "identity_captured"),
            step(0, LDS, "state_assigned"),
            step(2, LDS, "application_registered"),
            step(1, LDS, "arrival_certificate_issued"),
            step(2, LDS, "lodging_appointment_set"),
        ],
    },
    Script {
        title_de: "Termin zur Aktenanlage versäumt und nachgeholt",
        title_en: "Appointment to lodge missed and made up for",
        ago: 5,
        steps: &[
            step(0, DRESDEN, "application_made"),
            step(1, DRESDEN, "forwarded_to_reception"),
            step(2, LDS, "reception_registered"),
            step(1, LDS, "identity_captured"),
            step(1, BAMF, "application_registered"),
            step(3, BAMF, "lodging_appointment_set"),
            step(9, BAMF, "lodging_appointment_missed"),
            step(4, BAMF, "lodging_appointment_set"),
            step(10, BAMF, "application_lodged"),
            step(1, BAMF, "permission_to_stay_issued"),
        ],
    },
    Script {
        title_de: "Anhörung verlegt und durchgeführt, Abschiebungsverbot",
        title_en: "Hearing moved and held, prohibition of removal",
        ago: 8,
        steps: &[
            step(0, BPOL, "application_made"),
            step(0, BPOL, "forwarded_to_reception"),
            step(1, LDS, "reception_registered"),
            step(1, LDS, "identity_captured"),
            step(3, LDS, "application_registered"),
            step(0, LDS, "arrival_certificate_issued"),
            step(4, BAMF, "lodging_appointment_set"),
            step(8, BAMF, "application_lodged"),
            step(2, BAMF, "permission_to_stay_issued"),
            step(4, BAMF, "hearing_scheduled"),
            step(9, BAMF, "hearing_rescheduled"),
            step(16, BAMF, "hearing_held"),
            decision(50, "removal_ban_60_5_7"),
            step(4, BAMF, "decision_delivered"),
        ],
    },
    Script {
        title_de: "Falsches Aufnahmedatum, berichtigt",
        title_en: "Wrong day of admission, corrected",
        ago: 3,
        steps: &[
            step(0, BPOL, "application_made"),
            step(0, BPOL, "forwarded_to_reception"),
            misdated(2, -30, LDS, "reception_registered"),
            step(1, LDS, "identity_captured"),
            correction(3, 2, LDS, "reception_registered"),
            step(1, LDS, "application_registered"),
            step(1, LDS, "arrival_certificate_issued"),
        ],
    },
    Script {
        title_de: "Abweichung: Anhörung ohne gemeldeten Termin",
        title_en: "Deviation: hearing held without a reported appointment",
        ago: 7,
        steps: &[
            step(0, LDS, "application_made"),
            step(0, LDS, "reception_registered"),
            step(1, LDS, "identity_captured"),
            step(2, LDS, "application_registered"),
            step(2, BAMF, "lodging_appointment_set"),
            step(9, BAMF, "application_lodged"),
            step(1, BAMF, "permission_to_stay_issued"),
            step(26, BAMF, "hearing_held"),
        ],
    },
];
