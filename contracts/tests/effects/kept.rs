//! What a history keeps through coming, going and returning, and what a candidate is judged by: each of these is a
//! promise that a small fault once broke without a test that noticed.

use crate::world::{DAY_MS, Setting, at, authority, code, entry, instant, moved, name, on, rejected, slot};
use laufzettel_contracts::effect::{Candidate, Changes, Effects, History, HistoryRefusal, Known, Stop, admit};
use laufzettel_contracts::{Calendars, CaseFold, Definition, Entry, Report};
use std::sync::Arc;

/// A case and its history.
struct Kept {
    setting: Setting,
    case: CaseFold,
    history: History,
    effects: Effects,
}

impl Kept {
    fn new(entries: &[Entry]) -> Self {
        let setting = Setting::new();
        let case = setting.case(entries);
        Self { setting, case, history: History::new(), effects: Effects::default() }
    }

    fn fold(&mut self, as_of_ms: u64) -> Changes {
        self.effects = self.setting.effects(&self.case, &self.history, as_of_ms);
        self.history.advance(&self.setting.world(), &self.effects)
    }

    fn acknowledge(&mut self, id: laufzettel_contracts::effect::EffectId, by: &str) -> Result<(), HistoryRefusal> {
        let world = self.setting.world();
        self.history.acknowledge(&world, &self.effects, &id, &authority(by), at(2, 11))
    }
}

/// Seen standing, seen released, then retracted: it had not stood any more, so nobody has to acknowledge that it is gone.
#[test]
fn a_lock_seen_released_goes_quietly() {
    let mut kept = Kept::new(&[entry(1, "court-south", instant("relief", at(2, 10)))]);
    kept.fold(at(2, 10));
    let lock = kept.effects.locks[0].origin.id;
    kept.case.report(&kept.setting.definition, entry(2, "court-south", on("ruled", 3)));
    kept.fold(at(4, 10));
    kept.case.retract(&kept.setting.definition, slot(1)).expect("it stands");
    let changes = kept.fold(at(5, 10));
    let gone = changes.withdrawn.iter().find(|change| change.id == lock).expect("it is gone");
    assert!(!gone.urgent && !gone.acknowledge);
    assert_eq!(kept.acknowledge(lock, "fa-one"), Err(HistoryRefusal::NothingToAcknowledge));
}

/// A notice that goes and returns is the same notice: who has acknowledged it is not asked again.
#[test]
fn a_notice_that_returns_is_still_acknowledged() {
    let mut kept = Kept::new(&[entry(1, "court-south", instant("relief", at(2, 10)))]);
    kept.fold(at(2, 10));
    let notice = kept.effects.notices[0].origin.id;
    assert_eq!(kept.acknowledge(notice, "de-bpol"), Ok(()));
    kept.case.correct(&kept.setting.definition, slot(1), on("ruled", 2)).expect("it stands");
    kept.fold(at(2, 12));
    kept.case.correct(&kept.setting.definition, slot(1), instant("relief", at(2, 10))).expect("it stands");
    let changes = kept.fold(at(2, 13));
    assert!(changes.returned.iter().any(|change| change.id == notice));
    assert_eq!(kept.history.acknowledgements(&notice).count(), 1);
    assert_eq!(kept.acknowledge(notice, "de-bpol"), Err(HistoryRefusal::AlreadyAcknowledged));
}

/// What was acknowledged of a lock is no acknowledgement of a notice; a history read back counts as it counted.
#[test]
fn a_history_reads_back_whatever_was_acknowledged() {
    let mut kept = Kept::new(&[entry(1, "court-south", instant("relief", at(2, 10)))]);
    kept.fold(at(2, 10));
    let (lock, notice) = (kept.effects.locks[0].origin.id, kept.effects.notices[0].origin.id);
    assert_eq!(kept.acknowledge(notice, "de-bpol"), Ok(()));
    kept.case.retract(&kept.setting.definition, slot(1)).expect("it stands");
    kept.fold(at(2, 12));
    assert_eq!(kept.acknowledge(lock, "fa-one"), Ok(()));
    let kept_past = kept.history.past().iter().map(|(id, past)| (*id, past.as_ref().clone())).collect();
    assert_eq!(History::restore(kept_past), kept.history);
}

/// A deadline that was met is over: a new foreigners authority is not told of it.
#[test]
fn what_is_over_is_not_readdressed() {
    let entries = [entry(1, "de-bamf", on("lodged", 1)), entry(2, "de-bamf", rejected(1))];
    let mut kept = Kept::new(&entries);
    kept.fold(at(2, 10));
    kept.case.report(&kept.setting.definition, entry(3, "court-south", on("appealed", 3)));
    kept.fold(at(4, 10));
    assert!(!kept.effects.deadlines[0].state.runs());
    kept.case.report(&kept.setting.definition, entry(4, "de-bamf", moved(5, "fa-two")));
    let changes = kept.fold(at(6, 10));
    let deadline = kept.effects.deadlines[0].origin.id;
    assert!(changes.readdressed.iter().all(|change| change.id != deadline), "{changes:?}");
    assert!(kept.effects.tasks.iter().all(|task| changes.readdressed.iter().all(|change| change.id != task.origin.id)));
}

/// `scheduled` is blocked while the period for appeal runs, and in the new law.
fn with_guard(entries: &[Entry]) -> Kept {
    let text = include_str!("process.toml").replacen("count(scheduled) >= 2", "open(appeal) || regime == pact", 1);
    let definition = Definition::check(&text).expect("a sound text").definition;
    let setting = Setting { definition, ..Setting::new() };
    let case = setting.case(entries);
    Kept { setting, case, history: History::new(), effects: Effects::default() }
}

fn judged(kept: &Kept, report: &Report, corrects: Option<&[u8; 32]>, as_of_ms: u64) -> Result<(), Stop> {
    let effects = kept.setting.effects(&kept.case, &kept.history, as_of_ms);
    let author = authority("fa-one");
    let candidate = Candidate { report, author: &author, corrects, reason: None };
    let known = Known { history: &kept.history, name: &name, as_of_ms };
    admit(&kept.setting.world(), &kept.case, &effects, &known, &candidate).map(|_| ())
}

/// What became due before a candidate's place has happened when it is judged: two weeks from 1 June end with the 15th.
#[test]
fn a_candidate_is_judged_after_what_became_due() {
    let kept = with_guard(&[entry(1, "de-bamf", on("lodged", 1)), entry(2, "de-bamf", rejected(1))]);
    let blocked = Err(Stop::Blocked { guard: code("second_time") });
    assert_eq!(judged(&kept, &on("scheduled", 15), None, at(15, 9)), blocked);
    assert_eq!(judged(&kept, &on("scheduled", 16), None, at(16, 9)), Ok(()));
}

/// The first report of a case decides for the time being under which law it is, also for itself.
#[test]
fn a_candidate_is_judged_by_the_law_it_brings() {
    let kept = with_guard(&[]);
    assert_eq!(judged(&kept, &on("scheduled", 11), None, at(20, 9)), Ok(()));
    assert_eq!(judged(&kept, &on("scheduled", 12), None, at(20, 9)), Err(Stop::Blocked { guard: code("second_time") }));
}

/// A correction is judged at the place it moves to, as what it says.
#[test]
fn a_correction_is_judged_where_it_moves_to() {
    let entries = [entry(1, "fa-one", on("scheduled", 3)), entry(2, "court-south", on("appealed", 5))];
    let mut kept = Kept::new(&entries);
    kept.fold(at(8, 9));
    let as_of_ms = at(8, 9) + DAY_MS;
    assert_eq!(judged(&kept, &on("scheduled", 4), Some(&slot(1)), as_of_ms), Ok(()));
    let blocked = Err(Stop::Blocked { guard: code("appeal_open") });
    assert_eq!(judged(&kept, &on("scheduled", 6), Some(&slot(1)), as_of_ms), blocked);
    // What it replaces does not count beside it: this is the second, not the third.
    let kept = Kept::new(&[entry(1, "fa-one", on("scheduled", 1)), entry(2, "fa-one", on("scheduled", 3))]);
    assert_eq!(judged(&kept, &on("scheduled", 4), Some(&slot(2)), as_of_ms), Ok(()));
    assert_eq!(judged(&kept, &on("scheduled", 4), None, as_of_ms), Err(Stop::Blocked { guard: code("second_time") }));
}

/// Who learned of a notice only when it came back is told when it goes again.
#[test]
fn who_is_told_of_a_return_is_told_of_the_next_withdrawal() {
    let mut kept = Kept::new(&[entry(1, "court-south", instant("relief", at(2, 10)))]);
    kept.fold(at(2, 10));
    let notice = kept.effects.notices[0].origin.id;
    kept.case.correct(&kept.setting.definition, slot(1), on("ruled", 2)).expect("it stands");
    kept.fold(at(2, 12));
    kept.case.report(&kept.setting.definition, entry(2, "fa-one", on("scheduled", 1)));
    kept.case.correct(&kept.setting.definition, slot(1), instant("relief", at(2, 10))).expect("it stands");
    kept.fold(at(2, 13));
    kept.case.correct(&kept.setting.definition, slot(1), on("ruled", 2)).expect("it stands");
    let changes = kept.fold(at(2, 14));
    let gone = changes.withdrawn.iter().find(|change| change.id == notice).expect("it is gone");
    assert!(gone.told.iter().any(|one| one.authority == Some(authority("fa-one"))), "{gone:?}");
}

/// A marker that was cleared is not open any more, though it is still in the list.
#[test]
fn a_cleared_marker_is_not_open() {
    let text = include_str!("process.toml").replacen("count(scheduled) >= 2", "open(presumed_final)", 1);
    let definition = Definition::check(&text).expect("a sound text").definition;
    let setting = Setting { definition, ..Setting::new() };
    let decided = [entry(1, "de-bamf", on("lodged", 1)), entry(2, "de-bamf", rejected(1))];
    let case = setting.case(&decided);
    let mut kept = Kept { setting, case, history: History::new(), effects: Effects::default() };
    let blocked = Err(Stop::Blocked { guard: code("second_time") });
    assert_eq!(judged(&kept, &on("scheduled", 27), None, at(28, 9)), blocked);
    kept.case.report(&kept.setting.definition, entry(3, "court-south", on("withdrawn", 26)));
    assert_eq!(judged(&kept, &on("scheduled", 27), None, at(28, 9)), Ok(()));
    let markers = kept.setting.effects(&kept.case, &kept.history, at(28, 9)).markers;
    assert!(markers.iter().any(|marker| marker.marker == code("presumed_final") && marker.cleared_by.is_some()));
}

/// A period that begins with the end of one by the clock begins at that instant: 36 hours, then one more.
#[test]
fn a_period_goes_on_from_the_instant_another_ended() {
    let labels = "label_de = \"x\"\nlabel_en = \"x\"\nbasis = \"x\"\n";
    let text = format!(
        "{}\n[deadline.further]\nlength = \"PT1H\"\nfrom = \"occurred\"\nmet_by = [\"heard\"]\n{labels}\
         [[rule]]\nname = \"goes_on\"\non = {{ elapsed = \"answer\" }}\nstart = [\"further\"]\n{labels}",
        include_str!("process.toml")
    );
    let definition = Definition::check(&text).expect("a sound text").definition;
    let setting = Setting { definition, ..Setting::new() };
    let case = setting.case(&[entry(1, "de-bamf", instant("registered", at(20, 9)))]);
    let effects = setting.effects(&case, &History::new(), at(25, 9));
    let further = effects.deadlines.iter().find(|one| one.deadline == code("further")).expect("it began");
    let elapses = further.due.as_ref().expect("a due instant").elapses_ms();
    assert_eq!(u64::try_from(elapses), Ok(at(20, 9) + 37 * 3_600_000));
}

/// A task stays with whom it was given to when another authority reports under the role, also when somebody else becomes
/// known: only giving the role moves it.
#[test]
fn a_task_stays_when_another_reports_under_its_role() {
    let entries = [
        entry(1, "fa-one", on("scheduled", 1)),
        entry(2, "de-bamf", rejected(2)),
        entry(3, "fa-two", on("scheduled", 3)),
        entry(4, "court-south", instant("relief", at(4, 9))),
    ];
    let serve = |count: usize| {
        let kept = Kept::new(&entries[..count]);
        let effects = kept.setting.effects(&kept.case, &kept.history, at(6, 9));
        let task = effects.tasks.iter().find(|task| task.task == code("serve")).expect("it was opened");
        task.addressee.authority.clone()
    };
    for count in [2, 3, 4] {
        assert_eq!(serve(count), Some(authority("fa-one")), "after {count} reports");
    }
}

/// A deadline without a seat moves only off what is a day off everywhere: Corpus Christi, 4 June, is one in Bavaria alone.
#[test]
fn a_deadline_without_a_seat_knows_the_countrys_days_off_only() {
    let labels = "label_de = \"x\"\nlabel_en = \"x\"\nbasis = \"x\"\n";
    let text = format!(
        "{}\n[deadline.plain]\nlength = \"P1D\"\nfrom = \"occurred\"\nmet_by = [\"heard\"]\n{labels}\
         [[rule]]\nname = \"plain\"\non = {{ status = \"lodged\" }}\nstart = [\"plain\"]\n{labels}",
        include_str!("process.toml")
    );
    let definition = Definition::check(&text).expect("a sound text").definition;
    let setting = Setting { definition, ..Setting::new() };
    let end = |day: i32| {
        let effects =
            setting.effects(&setting.case(&[entry(1, "de-bamf", on("lodged", day))]), &History::new(), at(30, 9));
        effects.deadlines[0].due.as_ref().expect("a due day").day() - crate::world::JUNE + 1
    };
    assert_eq!((end(3), end(5)), (4, 8), "Thursday 4 June stays, Saturday 6 June becomes Monday");
}

/// Two weeks from 1 June end with Monday the 15th, at 22:00 UTC; a new holiday on that day makes it the 16th. Later calendars
/// count what is not over when they begin, and never make something be over before that.
#[test]
fn later_calendars_count_what_runs_and_nothing_that_is_over() {
    let plain = include_str!("calendars.toml");
    let more = "[holiday.new]\nlabel_de = \"x\"\nlabel_en = \"x\"\nrule = \"fixed\"\nmonth = 6\nday = 15\nareas = [\"DE\"]\nbasis = \"x\"\nverified = \"M\"\n";
    let feast = plain.replacen("[seat]", &format!("{more}\n[seat]"), 1);
    let calendars = |text: &str| Calendars::check(text).expect("sound calendars").calendars;
    let end = |before: &str, after: &str, since_ms: u64| {
        let since_ms = i64::try_from(since_ms).expect("a year of ours");
        let calendars = calendars(after).after(Arc::new(calendars(before)), since_ms);
        let setting = Setting { calendars, ..Setting::new() };
        let case = setting.case(&[entry(1, "de-bamf", on("lodged", 1)), entry(2, "de-bamf", rejected(1))]);
        let effects = setting.effects(&case, &History::new(), at(20, 9));
        effects.deadlines[0].due.as_ref().expect("a due day").day() - crate::world::JUNE + 1
    };
    // A holiday comes: the period had ended, or had not.
    assert_eq!((end(plain, &feast, at(15, 22)), end(plain, &feast, at(15, 22) - 1)), (15, 16));
    // A holiday goes: the new end would lie before, or does not.
    assert_eq!((end(&feast, plain, at(15, 22)), end(&feast, plain, at(15, 22) - 1)), (16, 15));
}
