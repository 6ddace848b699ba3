//! What a reader sees: examples of need to know, and what must hold whatever happens to a case.

use crate::random::{Run, acts};
use crate::world::{Setting, at, authority, code, entry, instant, moved, on, rejected, slot};
use laufzettel_contracts::effect::{DeadlineEffect, EffectKind, Effects, History};
use laufzettel_contracts::{AuthorityId, CaseFold, Code, Definition, Entry, Reader, Sealed, Sight, View, Whole, view};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// A case with what follows from it and what is kept of that.
struct Followed {
    setting: Setting,
    case: CaseFold,
    effects: Effects,
    history: History,
}

impl Followed {
    fn new(entries: &[Entry], as_of_ms: u64) -> Self {
        let setting = Setting::new();
        let (case, mut history) = (setting.case(entries), History::new());
        let effects = setting.effects(&case, &history, as_of_ms);
        history.advance(&setting.world(), &effects);
        Self { setting, case, effects, history }
    }

    fn seen(&self, roles: &[&str], authority: Option<&AuthorityId>) -> View<'_> {
        let roles: Vec<Code> = roles.iter().map(|role| code(role)).collect();
        let reader = Reader { roles: &roles, authority };
        view(&self.setting.definition, &self.case, &self.effects, &self.history, &reader)
    }

    fn by_role(&self, role: &str) -> View<'_> {
        self.seen(&[role], None)
    }
}

/// A removal is announced, the court stops it, and the police goes on.
fn stopped() -> Followed {
    let entries = [
        entry(1, "fa-one", on("scheduled", 1)),
        entry(2, "court-north", instant("relief", at(2, 10))),
        entry(3, "de-bpol", instant("executed", at(2, 12))),
    ];
    Followed::new(&entries, at(2, 13))
}

#[test]
fn a_lock_is_seen_by_all_that_it_concerns() {
    let case = stopped();
    // Stopped: the foreigners authorities, alarmed: the police, set and released by: the court. `withdrawn` releases
    // it, too, and the office may report that.
    for role in ["foreigners", "police", "court", "office"] {
        assert_eq!(case.by_role(role).locks.len(), 1, "{role}");
    }
    assert!(case.seen(&["foreigners"], Some(&authority("fa-two"))).locks.len() == 1, "any authority may announce");
    assert!(case.by_role("reception").locks.is_empty());
    // Who sees the report sees that it came despite the lock; so do all that see the lock.
    for role in ["foreigners", "police", "court", "office"] {
        let seen = case.by_role(role);
        assert!(seen.effect_deviations.iter().any(|one| one.kind.reason() == "EXECUTED_DESPITE_LOCK"), "{role}");
    }
    assert!(case.by_role("office").reports.is_empty(), "it sees the lock, not the reports");
    assert!(case.by_role("office").headline.is_none() && case.by_role("office").tracks.is_empty());
}

#[test]
fn work_is_seen_by_those_it_is_for() {
    let entries = [
        entry(1, "de-bamf", on("lodged", 1)),
        entry(2, "de-bamf", rejected(1)),
        entry(3, "de-bamf", moved(2, "fa-one")),
    ];
    let case = Followed::new(&entries, at(3, 9));
    let tasks = |view: &View<'_>| view.tasks.iter().map(|task| task.task.to_string()).collect::<Vec<_>>();
    assert_eq!(tasks(&case.by_role("foreigners")), ["serve"]);
    assert_eq!(tasks(&case.by_role("office")), [""; 0]);
    let (one, two) = (authority("fa-one"), authority("fa-two"));
    assert_eq!(tasks(&case.seen(&["foreigners"], Some(&one))), ["serve"]);
    let other = case.seen(&["foreigners", "police"], Some(&two));
    // It has no part in this case; that it holds the same role does not show it the case.
    assert!(other.tasks.is_empty() && other.deadlines.is_empty() && other.reports.is_empty(), "{other:?}");
    // `moved` names the foreigners authority, so it sees who the office is, and the office sees who it is.
    let holders =
        |view: &View<'_>| view.participants.iter().map(|(role, id)| format!("{role} {id}")).collect::<Vec<_>>();
    assert_eq!(holders(&case.by_role("foreigners")), ["foreigners fa-one", "office de-bamf"]);
    assert_eq!(holders(&case.by_role("office")), ["foreigners fa-one", "office de-bamf"]);
    assert_eq!(holders(&case.by_role("police")), [""; 0], "it sees no report; it is nobody yet");
    assert_eq!(case.by_role("office").deadlines.len(), 1);
    assert_eq!(case.by_role("court").deadlines.len(), 0);
    assert_eq!(case.by_role("court").notices.len(), 1, "the news of the decision");
}

#[test]
fn an_author_and_who_can_open_the_sealed_part_see_a_report() {
    let mut executed = entry(2, "fa-two", instant("executed", at(2, 12)));
    executed.report.sealed = Some(Sealed { digest: [1; 32], recipients: vec![authority("court-south")] });
    let case = Followed::new(&[entry(1, "fa-one", on("scheduled", 1)), executed], at(2, 13));
    let slots = |view: View<'_>| view.reports.iter().map(|entry| entry.slot).collect::<Vec<_>>();
    assert_eq!(slots(case.seen(&[], Some(&authority("fa-one")))), [slot(1)]);
    assert_eq!(slots(case.seen(&[], Some(&authority("fa-two")))), [slot(2)]);
    assert_eq!(slots(case.seen(&["court"], Some(&authority("court-south")))), [slot(2)]);
    assert_eq!(slots(case.seen(&["court"], Some(&authority("court-north")))), [[0; 32]; 0]);
    assert_eq!(slots(case.by_role("court")), [[0; 32]; 0], "it is sealed to one authority, not to a role");
    let track = case.seen(&["court"], Some(&authority("court-south")));
    assert_eq!(track.headline.map(|found| found.status.as_str()), Some("executed"));
}

#[test]
fn what_is_withdrawn_is_told_to_those_who_knew() {
    let mut case = stopped();
    case.case.retract(&case.setting.definition, slot(2)).expect("it stands");
    case.effects = case.setting.effects(&case.case, &case.history, at(3, 9));
    case.history.advance(&case.setting.world(), &case.effects);
    let names = |view: View<'_>| view.withdrawn.iter().map(|(_, past)| past.name.to_string()).collect::<BTreeSet<_>>();
    assert_eq!(names(case.by_role("police")), ["removal_stop", "stop_removal"].map(str::to_owned).into());
    assert_eq!(names(case.by_role("reception")), BTreeSet::new());
    // To the office and the court the notice went that a removal was carried out despite the lock.
    assert_eq!(names(case.by_role("office")), ["stop_removal".to_owned()].into());
    assert!(case.by_role("foreigners").locks.is_empty());
}

/// After the grace of the appeal nobody but the office learns that the decision is presumed final.
#[test]
fn a_marker_is_for_its_audience() {
    let case = Followed::new(&[entry(1, "de-bamf", on("lodged", 1)), entry(2, "de-bamf", rejected(1))], at(30, 9));
    assert_eq!(case.by_role("office").markers.iter().filter(|one| one.marker == code("presumed_final")).count(), 1);
    for role in ["foreigners", "court", "police"] {
        assert!(case.by_role(role).markers.iter().all(|one| one.marker != code("presumed_final")), "{role}");
    }
}

#[test]
fn a_track_whose_last_report_is_not_seen_is_not_shown() {
    let mut case = Followed::new(&[entry(1, "court-south", on("appealed", 1))], at(3, 9));
    assert_eq!(case.by_role("court").headline.map(|track| track.status.as_str()), Some("appealed"));
    case.case.report(&case.setting.definition, entry(2, "de-bamf", on("heard", 2)));
    let seen = case.by_role("court");
    assert_eq!((seen.headline, seen.tracks.len(), seen.reports.len()), (None, 0, 1));
}

/// That a case is closed is told to those who see where it stands, and to no other.
#[test]
fn a_closed_case_is_closed_for_who_sees_a_track() {
    let text = include_str!("process.toml").replacen("[status.ruled]", "[status.ruled]\ncloses = true", 1);
    let definition = Definition::check(&text).expect("a sound text").definition;
    let setting = Setting { definition, ..Setting::new() };
    let case = setting.case(&[entry(1, "court-south", on("ruled", 1))]);
    let followed = Followed { setting, case, effects: Effects::default(), history: History::new() };
    assert!(followed.by_role("court").closed && !followed.by_role("office").closed);
}

/// Who watches the deadline whose end sets a lock, or got the notice whose silence sets it, sees the lock; a role that
/// has to do with neither does not.
#[test]
fn a_lock_that_an_effect_sets_is_seen_by_who_sees_the_effect() {
    let more = "[[rule]]\nname = \"late_stop\"\nlabel_de = \"x\"\nlabel_en = \"x\"\nbasis = \"x\"\nlock = [\"removal_stop\"]\n";
    let role = |code: &str| format!("role.{code} = {{ label_de = \"x\", label_en = \"x\" }}\n");
    let text = include_str!("process.toml")
        .replacen("role.court", &format!("{}{}{}role.court", role("watch"), role("told"), role("stranger")), 1)
        .replacen("watched_by = [\"office\", \"foreigners\"]", "watched_by = [\"office\", \"watch\"]", 1)
        .replacen("to = [\"foreigners\", \"police\"]", "to = [\"foreigners\", \"told\"]", 1);
    for (cause, report, sees) in [
        ("elapsed = \"appeal\"", rejected(1), "watch"),
        ("unacknowledged = \"stop_removal\"", instant("relief", at(2, 10)), "told"),
    ] {
        let text = format!("{text}{more}on = {{ {cause} }}\n");
        let definition = Definition::check(&text).expect("a sound text").definition;
        let setting = Setting { definition, ..Setting::new() };
        let (case, mut history) = (setting.case(&[entry(1, "de-bamf", report)]), History::new());
        // First as of the report, so that the silence has a beginning.
        for as_of_ms in [at(2, 11), at(30, 9)] {
            let effects = setting.effects(&case, &history, as_of_ms);
            history.advance(&setting.world(), &effects);
        }
        let effects = setting.effects(&case, &history, at(30, 10));
        let set = effects.locks.iter().filter(|lock| lock.origin.rule == code("late_stop")).count();
        assert_eq!(set, 1, "{cause}");
        let followed = Followed { setting, case, effects, history };
        let late = |role: &str| followed.by_role(role).locks.iter().any(|lock| lock.origin.rule == code("late_stop"));
        for role in ["watch", "told", "stranger"] {
            assert_eq!(late(role), role == sees, "{cause}: {role}");
        }
    }
}

/// Of what nothing is missing is told by the definition and the roles: of an empty case no more than of a full one.
#[test]
fn what_is_whole_does_not_hang_on_what_is_missing() {
    let empty = Followed::new(&[], at(3, 9));
    let whole = |roles: &[&str], authority: Option<&AuthorityId>| {
        let roles: Vec<Code> = roles.iter().map(|role| code(role)).collect();
        let reader = Reader { roles: &roles, authority };
        let Followed { setting, case, effects, history } = &empty;
        let followed = (effects, history);
        let view = view(&setting.definition, case, effects, history, &reader);
        Whole::of(&setting.definition, case, followed, (&view, &effects.participants), &reader)
    };
    for role in ["office", "foreigners", "court", "police"] {
        let of_role = whole(&[role], None);
        assert!(!of_role.reports && of_role.tracks.is_empty() && !of_role.effects(), "{role}: {of_role:?}");
        // Each of them may report something that its one lock stops or alarms, or that releases it.
        assert!(of_role.locks, "{role}");
        assert_eq!(of_role.markers, role == "office", "{role}");
    }
    let all = whole(&["office", "foreigners", "court", "police"], None);
    assert!(all.reports && all.tasks && all.notices && all.markers && !all.tracks.is_empty(), "{all:?}");
    // Nobody watches one of the deadlines: it makes rules run.
    assert!(!all.deadlines);
    // Who holds the role in the case is known to be another: then tasks and reports for it are not this one's.
    let two = authority("fa-two");
    let given = Followed::new(&[entry(1, "de-bamf", moved(2, "fa-one"))], at(3, 9));
    let roles = ["office", "foreigners", "court", "police"].map(code);
    let reader = Reader { roles: &roles, authority: Some(&two) };
    let Followed { setting, case, effects, history } = &given;
    let view = view(&setting.definition, case, effects, history, &reader);
    let whole = Whole::of(&setting.definition, case, (effects, history), (&view, &effects.participants), &reader);
    assert!(!whole.reports && !whole.tasks, "{whole:?}");
}

/// What is said to be whole is, and what one report is judged by is what the view picks by.
fn check_whole(def: &Definition, run: &Run, seen: &View<'_>, reader: &Reader<'_>) {
    let effects = run.fold.effects();
    let whole = Whole::of(def, &run.case, (effects, &run.history), (seen, &effects.participants), reader);
    let state = run.case.state();
    if whole.reports {
        assert_eq!(seen.reports.len(), run.case.entries().len());
        assert_eq!(
            (seen.deviations.len(), seen.effect_deviations.len()),
            (state.deviations.len(), effects.deviations.len())
        );
    }
    for (_, track) in state.tracks.iter().filter(|(number, _)| whole.tracks.contains(number)) {
        assert!(seen.tracks.contains(&track), "{track:?}");
    }
    let counts = [
        (EffectKind::Lock, whole.locks, seen.locks.len(), effects.locks.len()),
        (EffectKind::Deadline, whole.deadlines, seen.deadlines.len(), effects.deadlines.len()),
        (EffectKind::Task, whole.tasks, seen.tasks.len(), effects.tasks.len()),
        (EffectKind::Notice, whole.notices, seen.notices.len(), effects.notices.len()),
        (EffectKind::Marker, whole.markers, seen.markers.len(), effects.markers.len()),
    ];
    for (kind, _, seen_count, count) in counts.iter().filter(|(_, whole, ..)| *whole) {
        assert_eq!(seen_count, count, "{kind:?}");
        let gone = run.history.past().iter().filter(|(_, past)| past.kind == *kind && past.withdrawn_ms.is_some());
        for (id, past) in gone {
            assert!(seen.withdrawn.iter().any(|(found, _)| *found == id), "{past:?}");
        }
    }
    let sight = Sight::new(def, &effects.participants, reader);
    for entry in run.case.entries() {
        assert_eq!(sight.report(&entry.author, &entry.report), seen.reports.contains(&entry), "{entry:?}");
        let status = def.status(entry.report.status.as_str()).expect("known");
        assert!(reader.may_see(status) || !sight.status(status), "{status:?}");
    }
}

/// The parts of a view in one form, so that views can be compared as sets.
fn parts(view: &View<'_>) -> BTreeSet<String> {
    let View { reports, deviations, effect_deviations, deadlines, tasks, notices, locks, markers, withdrawn, .. } =
        view;
    let mut parts = BTreeSet::new();
    parts.extend(view.tracks.iter().map(|one| format!("{one:?}")));
    parts.extend(reports.iter().map(|one| format!("{one:?}")));
    parts.extend(deviations.iter().map(|one| format!("{one:?}")));
    parts.extend(effect_deviations.iter().map(|one| format!("{one:?}")));
    parts.extend(deadlines.iter().map(|one| format!("{one:?}")));
    parts.extend(tasks.iter().map(|one| format!("{one:?}")));
    parts.extend(notices.iter().map(|one| format!("{one:?}")));
    parts.extend(locks.iter().map(|one| format!("{one:?}")));
    parts.extend(markers.iter().map(|one| format!("{one:?}")));
    parts.extend(withdrawn.iter().map(|one| format!("{one:?}")));
    parts.extend(view.participants.iter().map(|one| format!("{one:?}")));
    parts
}

fn check_views(def: &Definition, run: &Run, holders: &[(&str, &[Code])]) {
    let effects = run.fold.effects();
    let look = |reader: &Reader<'_>| view(def, &run.case, effects, &run.history, reader);
    assert_eq!(look(&Reader { roles: &[], authority: None }), View::default(), "who has no role sees nothing");
    let roles: Vec<Code> = def.roles().iter().map(|role| role.code.clone()).collect();
    let all = look(&Reader { roles: &roles, authority: None });
    // Nothing is lost: somebody sees each thing. (A notice may go to nobody; here none does.)
    assert_eq!(all.reports.len(), run.case.entries().len());
    assert_eq!(all.tracks.len(), run.case.state().tracks.len());
    assert_eq!(all.headline, run.case.state().headline(def, &|_| true));
    assert_eq!(all.closed, run.case.state().closed);
    assert_eq!(all.deviations.len(), run.case.state().deviations.len());
    assert_eq!(all.effect_deviations.len(), effects.deviations.len());
    let Effects { deadlines, tasks, notices, locks, markers, .. } = effects;
    // Some deadlines nobody watches: they only make rules run.
    let watched =
        |one: &&DeadlineEffect| def.rules().deadline(one.deadline.as_str()).map(|rule| !rule.watched_by.is_empty());
    let deadlines: Vec<&DeadlineEffect> = deadlines.iter().filter(|one| watched(one) == Some(true)).collect();
    assert_eq!(
        (all.deadlines.len(), all.tasks.len(), all.notices.len()),
        (deadlines.len(), tasks.len(), notices.len())
    );
    assert_eq!((all.locks.len(), all.markers.len()), (locks.len(), markers.len()));
    let gone = run.history.past().values().filter(|past| past.withdrawn_ms.is_some() && !past.told.is_empty()).count();
    assert_eq!(all.withdrawn.len(), gone);
    // Nothing is made up by reading in several roles at once.
    let mut each = BTreeSet::new();
    for role in &roles {
        let seen = look(&Reader { roles: std::slice::from_ref(role), authority: None });
        for (marker, audience) in
            seen.markers.iter().filter_map(|one| Some((one, def.rules().marker(one.marker.as_str())?)))
        {
            assert!(audience.audience.contains(role), "{role} sees {marker:?}");
        }
        for track in &seen.tracks {
            let status = def.status(track.status.as_str()).expect("known");
            assert!(status.reported_by.contains(role) || status.recipients.contains(role), "{role} sees {track:?}");
        }
        // Who may announce what a lock stops learns of the lock, whatever else it sees.
        for lock in locks {
            let rule = def.rules().lock(lock.lock.as_str()).expect("known");
            let stopped = rule.stops.iter().filter_map(|code| def.status(code.as_str()));
            let may = stopped.flat_map(|status| &status.reported_by).any(|one| one == role);
            assert!(!may || seen.locks.contains(&lock), "{role} does not see {lock:?}");
        }
        check_whole(def, run, &seen, &Reader { roles: std::slice::from_ref(role), authority: None });
        each.extend(parts(&seen));
    }
    check_whole(def, run, &all, &Reader { roles: &roles, authority: None });
    assert_eq!(each, parts(&all));
    for (id, roles) in holders {
        let id = authority(id);
        let own = look(&Reader { roles, authority: Some(&id) });
        check_whole(def, run, &own, &Reader { roles, authority: Some(&id) });
        let role_wide = look(&Reader { roles, authority: None });
        let all = parts(&role_wide);
        // As one of several that hold the role nobody sees more, but for what it reported itself and what hangs on that.
        if run.case.entries().iter().all(|entry| entry.author != id) {
            assert!(parts(&own).is_subset(&all), "{id}");
        }
        let missed = run.case.entries().iter().filter(|entry| entry.author == id);
        assert!(missed.into_iter().all(|entry| own.reports.contains(&entry)), "{id} sees what it said");
        for task in own.tasks {
            assert!(task.addressee.authority.as_ref().is_none_or(|meant| *meant == id), "{id}: {task:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn views_show_what_each_may_see_and_together_all(acts in acts()) {
        let mut run = Run::with(Setting::new());
        let holders: [(&str, &[Code]); 4] = [
            ("de-bamf", &[code("office")]),
            ("fa-one", &[code("foreigners")]),
            ("fa-two", &[code("foreigners"), code("police")]),
            ("court-north", &[code("court")]),
        ];
        for (number, (pause, act)) in (1_u8..).zip(&acts) {
            run.now_ms += pause * 60_000;
            run.act(number, act);
            run.update();
            let effects = run.fold.effects().clone();
            run.history.advance(&run.setting.world(), &effects);
            check_views(&run.setting.definition, &run, &holders);
        }
    }
}
