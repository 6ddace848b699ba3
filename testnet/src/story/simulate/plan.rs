//! The cases of the story, and what the draft changes in them, counted from the reports alone by what the two texts say
//! in words. Must never ask the code that folds.
//!
//! The draft: three weeks for the appeal instead of two; a new task for the Federal Office and the court with each
//! service of a decision (nobody holds the court's role in this network); and `reception_no_show` under another name.

use laufzettel_chain::ids::{CaseId, TransactionId};
use laufzettel_chain::item::Action;
use laufzettel_contracts::{ASYL_DE_2, CALENDARS_DE, Civil, Code, Report, When};
use laufzettel_node::clock;
use serde_json::{Value, json};

use crate::cluster::Fault;
use crate::submit::blinding;

const DAY_MS: u64 = 86_400_000;
/// Items of one transaction.
const ITEMS: usize = 250;
const RECEPTION: &str = "sn-lds";
const OFFICE: &str = "de-bamf";
const FOREIGNERS: &str = "sn-dresden";
/// The status that the draft calls otherwise.
const RENAMED: &str = "reception_no_show";
const RENAMED_TO: &str = "reception_not_arrived";
/// What folding a case of one report costs: it and the act, each twice since the effects are folded, too.
pub(super) const EXTRA_WORK: u64 = 4;

/// The draft's text.
pub(super) fn draft() -> Result<String, Fault> {
    let parts = [
        ("\nid = \"asyl-de\"\nversion = 2\n", "\nid = \"asyl-de\"\nversion = 3\n"),
        (
            "label_en = \"Time for appeal (2 weeks)\"\nlength = \"P2W\"",
            "label_en = \"Time for appeal (3 weeks)\"\nlength = \"P3W\"",
        ),
        (
            "[task.confirm_finality]",
            "[task.check_service_record]\nlabel_de = \"Zustellungsnachweis prüfen\"\nlabel_en = \"Check the record of service\"\n\
             done_by = [\"decision_final\"]\nbasis = \"(D)\"\n\n[task.confirm_finality]",
        ),
        (
            "[[rule]]\nname = \"served_1w\"",
            "[[rule]]\nname = \"service_record\"\nlabel_de = \"Zugestellt: Nachweis prüfen\"\nlabel_en = \"Served: check the record\"\n\
             on = { status = \"decision_delivered\" }\nopen = [\n  { task = \"check_service_record\", for = \"asylum_office\" },\n  \
             { task = \"check_service_record\", for = \"court\" },\n]\nbasis = \"(D)\"\n\n[[rule]]\nname = \"served_1w\"",
        ),
    ];
    let mut text = ASYL_DE_2.replace(RENAMED, RENAMED_TO);
    for (from, to) in parts {
        if text.matches(from).count() != 1 {
            return Err(format!(
                "the shipped definition has not once {from:?}: the story's draft has to be written anew"
            )
            .into());
        }
        text = text.replace(from, to);
    }
    Ok(text)
}

/// The shipped calendars with one more holiday, in all of Germany.
pub(super) fn calendars(day: i32) -> Result<String, Fault> {
    let (date, from) = (Civil::of(day), "\nversion = 1\n");
    if CALENDARS_DE.matches(from).count() != 1 {
        return Err("the shipped calendars are of another version: the story's have to be written anew".into());
    }
    let (month, day, year) = (date.month(), date.day(), date.year());
    let text = CALENDARS_DE.replace(from, "\nversion = 2\n");
    Ok(format!(
        "{text}\n[holiday.story]\nlabel_de = \"Feiertag der Geschichte\"\nlabel_en = \"Holiday of the story\"\nrule = \"fixed\"\n\
         month = {month}\nday = {day}\nareas = [\"DE\"]\nfrom = {year}\nbasis = \"(D)\"\nverified = \"M\"\n"
    ))
}

pub(super) fn today() -> i32 {
    i32::try_from(clock::now_ms() / DAY_MS).unwrap_or(i32::MAX)
}

/// What happens to a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Course {
    /// Admitted, and no more.
    Admitted,
    /// Did not arrive.
    NoShow,
    /// Rejected, served a week ago: the appeal is open by both texts.
    Rejected,
    /// Rejected, served 20 days ago: the two weeks are over, of the three a day at least is left.
    RejectedLongAgo,
    /// Recognised, served a week ago: nothing to appeal against.
    Recognised,
}

const COURSES: [Course; 5] =
    [Course::Admitted, Course::NoShow, Course::Rejected, Course::RejectedLongAgo, Course::Recognised];

impl Course {
    /// What is reported: by whom, status, days ago, outcome.
    fn reports(self) -> &'static [(&'static str, &'static str, i32, &'static str)] {
        match self {
            Self::Admitted => &[(RECEPTION, "application_made", 30, ""), (RECEPTION, "reception_registered", 29, "")],
            Self::NoShow => &[(RECEPTION, "application_made", 30, ""), (RECEPTION, RENAMED, 10, "")],
            Self::Rejected => &[
                (RECEPTION, "application_made", 60, ""),
                (RECEPTION, "reception_registered", 59, ""),
                (OFFICE, "application_lodged", 50, ""),
                (OFFICE, "hearing_held", 35, ""),
                (OFFICE, "decision_issued", 14, "rejected_unfounded"),
                (OFFICE, "decision_delivered", 7, ""),
            ],
            Self::RejectedLongAgo => &[
                (RECEPTION, "application_made", 60, ""),
                (RECEPTION, "reception_registered", 59, ""),
                (OFFICE, "application_lodged", 50, ""),
                (OFFICE, "hearing_held", 35, ""),
                (OFFICE, "decision_issued", 25, "rejected_unfounded"),
                (OFFICE, "decision_delivered", 20, ""),
            ],
            Self::Recognised => &[
                (RECEPTION, "application_made", 60, ""),
                (OFFICE, "application_lodged", 50, ""),
                (OFFICE, "hearing_held", 35, ""),
                (OFFICE, "decision_issued", 14, "refugee_status"),
                (OFFICE, "decision_delivered", 7, ""),
            ],
        }
    }
}

/// Reports of one authority in one transaction.
pub(super) struct Wave {
    pub(super) authority: &'static str,
    pub(super) actions: Vec<(CaseId, Action)>,
}

impl Wave {
    /// The cases that it opens.
    pub(super) fn opens(&self) -> impl Iterator<Item = CaseId> {
        let opens = |(id, action): &(CaseId, Action)| matches!(action, Action::OpenCase { .. }).then_some(*id);
        self.actions.iter().filter_map(opens)
    }
    /// Whether the reception reports it.
    pub(super) fn is_early(&self) -> bool {
        self.authority == RECEPTION
    }
}

/// All cases, or some of them.
#[derive(Clone)]
pub(super) struct Plan {
    cases: Vec<(CaseId, Course)>,
    today: i32,
    /// Only what the reception reports has been reported.
    early: bool,
    /// Reports of what the draft calls otherwise are read under its name.
    mapped: bool,
}

fn report(status: &str, day: i32, outcome: &str) -> Result<Action, Fault> {
    let outcome = if outcome.is_empty() { None } else { Some(Code::new(outcome)?) };
    Ok(Action::Report(Report { outcome, ..Report::new(Code::new(status)?, When::Day(day)) }))
}

/// A case that is opened while the draft is tried.
pub(super) fn extra(case: CaseId, today: i32) -> Result<Vec<(CaseId, Action)>, Fault> {
    let open = Action::OpenCase { definition: "asyl-de".to_owned(), version: 2 };
    Ok(vec![(case, open), (case, report("application_made", today - 1, "")?)])
}

impl Plan {
    pub(super) fn new(cases: u64, seed: u64, today: i32) -> Self {
        let case = |number| CaseId(blinding(seed, &TransactionId([0xd0; 16]), number));
        let course =
            |id: &CaseId| COURSES.iter().cycle().nth(usize::from(id.0[15])).copied().unwrap_or(Course::Admitted);
        let cases = (0..cases).map(case).map(|id| (id, course(&id))).collect();
        Self { cases, today, early: false, mapped: false }
    }
    /// Only these cases.
    pub(super) fn only(&self, holds: impl Fn(&CaseId) -> bool) -> Self {
        let cases = self.cases.iter().filter(|(id, _)| holds(id)).copied().collect();
        Self { cases, ..self.clone() }
    }
    /// Before anybody but the reception has reported.
    pub(super) fn early(&self) -> Self {
        Self { early: true, ..self.clone() }
    }
    /// With what the draft calls otherwise mapped to its name there.
    pub(super) fn mapped(&self) -> Self {
        Self { mapped: true, ..self.clone() }
    }

    /// The reports under a version of the definition, those of the reception first: it opens the cases. What the draft
    /// has no name for cannot be reported under it.
    pub(super) fn waves(&self, version: u32) -> Result<Vec<Wave>, Fault> {
        let mut waves: Vec<Wave> = Vec::new();
        for authority in [RECEPTION, OFFICE] {
            let mut all = Vec::new();
            for (id, course) in &self.cases {
                if authority == RECEPTION {
                    let definition = "asyl-de".to_owned();
                    all.push((*id, Action::OpenCase { definition, version }));
                }
                for (by, status, days_ago, outcome) in course.reports() {
                    if *by == authority && !(version > 2 && *status == RENAMED) {
                        all.push((*id, report(status, self.today - days_ago, outcome)?));
                    }
                }
            }
            waves.extend(all.chunks(ITEMS).map(|actions| Wave { authority, actions: actions.to_vec() }));
        }
        Ok(waves)
    }

    /// Cases of these courses in which the draft changes something.
    fn count(&self, courses: &[Course]) -> u64 {
        let changes = |course: Course| match course {
            Course::Admitted => false,
            Course::NoShow => !self.mapped,
            Course::Rejected | Course::RejectedLongAgo | Course::Recognised => !self.early,
        };
        let of = self.cases.iter().filter(|(_, course)| courses.contains(course) && changes(*course));
        of.count() as u64
    }

    /// A case whose time for appeal runs, and how many there are like it.
    pub(super) fn appealable(&self) -> Option<(CaseId, u64)> {
        let found = self.cases.iter().find(|(_, course)| *course == Course::Rejected)?;
        Some((found.0, self.count(&[Course::Rejected])))
    }

    pub(super) fn cases(&self) -> u64 {
        self.cases.len() as u64
    }

    /// Reports and one act a case, each twice.
    pub(super) fn work(&self) -> u64 {
        let reports = |course: Course| {
            let reports = course.reports().iter().filter(|(by, ..)| !self.early || *by == RECEPTION);
            reports.count() as u64
        };
        self.cases.iter().map(|(_, course)| 2 * (reports(*course) + 1)).sum()
    }

    /// What must change for whom, as `process simulate` prints it.
    pub(super) fn authorities(&self) -> Vec<(&'static str, Value)> {
        let served = self.count(&[Course::Rejected, Course::RejectedLongAgo, Course::Recognised]);
        let no_show = self.count(&[Course::NoShow]);
        let appeal = self.appeal();
        let new_task = json!({ "added": served, "waits_more": served });
        let (none, gone) = (json!({}), json!({ "gone": no_show, "waits_less": no_show }));
        vec![
            entry("", &[("task", &new_task)], (0, 0)),
            entry(OFFICE, &[("task", &new_task), ("deadline", &appeal)], (0, 0)),
            entry(FOREIGNERS, &[("deadline", &appeal)], (0, 0)),
            // Its report has no name any more; that it was out of order is not said of it any more.
            entry(RECEPTION, &[("task", &gone)], (no_show, no_show)),
        ]
        .into_iter()
        .filter(|(_, entry)| entry["effects"] != none || entry["departures_more"] != 0)
        .collect()
    }

    /// What cannot be carried over without a mapping.
    pub(super) fn unmapped(&self) -> Value {
        let no_show = self.count(&[Course::NoShow]);
        json!([{ "status": RENAMED, "rule": "", "fault": "NOT_NEW", "reports": no_show, "cases": no_show }])
    }

    fn appeal(&self) -> Value {
        let (moved, revived) =
            (self.count(&[Course::Rejected, Course::RejectedLongAgo]), self.count(&[Course::RejectedLongAgo]));
        json!({ "moved": moved, "waits_more": revived, "elapsed_less": revived })
    }

    /// What must be said of the whole.
    pub(super) fn whole(&self) -> Vec<(&'static str, Value)> {
        let served = self.count(&[Course::Rejected, Course::RejectedLongAgo, Course::Recognised]);
        let no_show = self.count(&[Course::NoShow]);
        let effect =
            |kind: &str, code: &str, counts: &Value| json!({ "kind": kind, "code": code, "counts": counted(counts) });
        let effects = [
            effect("task", "check_search_notice", &json!({ "gone": no_show, "waits_less": no_show })),
            effect("task", "check_service_record", &json!({ "added": 2 * served, "waits_more": 2 * served })),
            effect("deadline", "appeal_2w", &self.appeal()),
        ];
        let effects = effects.into_iter().filter(|effect| !is_nothing(&effect["counts"])).collect::<Vec<_>>();
        let (mut departures, mut unknown) = (json!([]), json!([]));
        if no_show > 0 {
            departures = json!([
                { "name": "OUT_OF_ORDER", "more": 0, "less": no_show },
                { "name": "STATUS_UNKNOWN", "more": no_show, "less": 0 },
            ]);
            unknown = json!([{ "status": RENAMED, "outcome": "", "reports": no_show, "cases": no_show }]);
        }
        vec![
            ("changed", (served + no_show).into()),
            ("newly_deviating", no_show.into()),
            ("healed", 0.into()),
            ("effects", effects.into()),
            ("departures", departures),
            ("unknown", unknown),
        ]
    }
}

/// Counts with what is not said of them: 0.
fn counted(said: &Value) -> Value {
    let names = ["added", "gone", "moved", "waits_more", "waits_less", "elapsed_more", "elapsed_less"];
    let of = |name: &&str| ((*name).to_owned(), said.get(*name).cloned().unwrap_or_else(|| 0.into()));
    names.iter().map(of).collect::<serde_json::Map<String, Value>>().into()
}

fn is_nothing(counts: &Value) -> bool {
    counts.as_object().is_none_or(|counts| counts.values().all(|count| *count == 0))
}

/// The mapping of the draft, as a file says it.
pub(super) fn mapping() -> String {
    format!("# The story's draft calls it otherwise.\n{RENAMED}={RENAMED_TO}\n")
}

fn entry(authority: &'static str, effects: &[(&str, &Value)], (more, less): (u64, u64)) -> (&'static str, Value) {
    let effects = effects.iter().map(|(kind, counts)| ((*kind).to_owned(), counted(counts)));
    let effects = effects.filter(|(_, counts)| !is_nothing(counts));
    let effects: Value = effects.collect::<serde_json::Map<String, Value>>().into();
    (authority, json!({ "authority": authority, "effects": effects, "departures_more": more, "departures_less": less }))
}
