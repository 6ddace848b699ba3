//! A draft beside what is in force: what changed is told, and nothing else; what the two texts have alike is no change,
//! whatever its rules are called and wherever in them it stands; and the sums agree with a count of another kind.

use crate::random::{Run, acts};
use crate::world::{Setting, at, code, entry, name, on, rejected, slot};
use laufzettel_contracts::effect::{
    Became, Cause, Completion, Counts, Difference, DraftChange, EffectKind, Effects, History, Known, Places, Side,
    Tally, TaskState, World, compare, effects,
};
use laufzettel_contracts::{CaseFold, Code, Definition, Report};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::LazyLock;

const TEXT: &str = include_str!("process.toml");

fn draft(changes: &[(&str, &str)]) -> Definition {
    let text = changes.iter().fold(TEXT.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    });
    Definition::check(&text).map_err(|all| format!("{all:#?}")).expect("sound").definition
}

/// A longer period for appeal, a task that is opened first of all by the rule of decisions, and another for a role that
/// nobody holds; a guard less, a guard more.
static OTHER: LazyLock<Definition> = LazyLock::new(|| {
    draft(&[
        (r#"length = { before_pact = "P2W", pact = "P1W" }"#, r#"length = { before_pact = "P3W", pact = "P3W" }"#),
        (
            "[task.phone]",
            "[task.copy]\nlabel_de = \"Kopieren\"\nlabel_en = \"Copy\"\ndone_by = [\"appealed\"]\nbasis = \"Law 3\"\n\n[task.phone]",
        ),
        (
            r#"open = [{ task = "serve", for = "foreigners" }]"#,
            r#"open = [{ task = "copy", for = "office" }, { task = "serve", for = "foreigners" }]"#,
        ),
        (r#"when = "!has(heard)""#, r#"when = "!has(heard) && !has(lodged)""#),
        (r#"when = "count(scheduled) >= 2""#, r#"when = "count(scheduled) >= 1""#),
    ])
});

/// The same rules under other names.
static RENAMED: LazyLock<Definition> = LazyLock::new(|| {
    draft(&[
        ("name = \"decision\"", "name = \"ruling\""),
        ("name = \"stop\"\n", "name = \"halt\"\n"),
        ("name = \"elapsed\"", "name = \"over\""),
    ])
});

/// Reports folded with a draft, with what is kept of effects under their old names.
fn drafted(run: &Run, draft: &Definition) -> (CaseFold, Effects) {
    let fold = CaseFold::restore(draft, run.case.entries().to_vec(), run.case.retracted().clone());
    let places = Places::of(&run.setting.definition, draft);
    let named = |rule: &Code, cause: &Cause, occurrence: u32| name(rule, cause, places.of_effect(rule, occurrence));
    let world = World { definition: draft, calendars: &run.setting.calendars, directory: &run.setting.directory };
    let effects = effects(&world, &fold, &Known { history: &run.history, name: &named, as_of_ms: run.now_ms });
    (fold, effects)
}

fn side<'s>(
    setting: &'s Setting,
    definition: &'s Definition,
    (case, effects): (&'s CaseFold, &'s Effects),
) -> Side<'s> {
    Side { definition, directory: &setting.directory, case, effects }
}

fn played(acts: &[(u64, crate::random::Act)]) -> Run {
    let mut run = Run::new();
    for (number, (pause, act)) in (1_u8..).zip(acts) {
        run.now_ms += pause * 60_000;
        run.act(number, act);
        run.update();
        let effects = run.fold.effects().clone();
        run.history.advance(&run.setting.world(), &effects);
    }
    run
}

/// How many effects there are by kind, and how many of each wait, counted one by one.
fn counted(effects: &Effects) -> BTreeMap<EffectKind, (i64, i64)> {
    let of = |all: usize, waits: usize| (i64::try_from(all).expect("few"), i64::try_from(waits).expect("few"));
    let open = effects.tasks.iter().filter(|task| task.state == TaskState::Open).count();
    let runs = effects.deadlines.iter().filter(|deadline| deadline.state.runs()).count();
    let stand = effects.locks.iter().filter(|lock| lock.released_by.is_none()).count();
    let set = effects.markers.iter().filter(|marker| marker.cleared_by.is_none()).count();
    let asks = effects.notices.iter().filter(|notice| notice.acknowledge_until_ms.is_some()).count();
    BTreeMap::from([
        (EffectKind::Task, of(effects.tasks.len(), open)),
        (EffectKind::Deadline, of(effects.deadlines.len(), runs)),
        (EffectKind::Lock, of(effects.locks.len(), stand)),
        (EffectKind::Marker, of(effects.markers.len(), set)),
        (EffectKind::Notice, of(effects.notices.len(), asks)),
    ])
}

fn turned(change: &DraftChange) -> DraftChange {
    let became = match change.became {
        Became::Added => Became::Gone,
        Became::Gone => Became::Added,
        became @ (Became::Moved | Became::Turned) => became,
    };
    let back = |(now, draft): (bool, bool)| (draft, now);
    let due_ms = (change.due_ms.1, change.due_ms.0);
    DraftChange { became, waits: back(change.waits), elapsed: back(change.elapsed), due_ms, ..change.clone() }
}

fn sorted(difference: &Difference) -> Vec<String> {
    let mut all: Vec<String> = difference.changes.iter().map(|change| format!("{change:?}")).collect();
    all.sort();
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_same_text_and_other_names_of_rules_change_nothing(acts in acts()) {
        let run = played(&acts);
        let now = (&run.case, run.fold.effects());
        let now = side(&run.setting, &run.setting.definition, now);
        prop_assert_eq!(compare(&now, &now), Difference::default());
        let (fold, effects) = drafted(&run, &run.setting.definition);
        prop_assert_eq!(compare(&now, &side(&run.setting, &run.setting.definition, (&fold, &effects))), Difference::default());
        // Under other names nothing is known of completions and acknowledgements; without them there is no change.
        let mut plain = run;
        plain.history = History::new();
        let before = plain.setting.effects(&plain.case, &plain.history, plain.now_ms);
        let (fold, effects) = drafted(&plain, &RENAMED);
        let before = side(&plain.setting, &plain.setting.definition, (&plain.case, &before));
        prop_assert_eq!(compare(&before, &side(&plain.setting, &RENAMED, (&fold, &effects))), Difference::default());
    }

    /// What the sums say agrees with what is there on both sides; and backwards everything is the other way round.
    #[test]
    fn what_changes_is_what_the_two_differ_in(acts in acts()) {
        let run = played(&acts);
        let (fold, effects) = drafted(&run, &OTHER);
        let now = side(&run.setting, &run.setting.definition, (&run.case, run.fold.effects()));
        let draft = side(&run.setting, &OTHER, (&fold, &effects));
        let difference = compare(&now, &draft);
        let mut tally = Tally::default();
        tally.take(&difference);
        let (before, after) = (counted(run.fold.effects()), counted(&effects));
        for (kind, (all, waits)) in after {
            let counts: Vec<Counts> =
                tally.effects.iter().filter(|((of, _), _)| *of == kind).map(|(_, counts)| *counts).collect();
            let sum = |number: fn(&Counts) -> u64| counts.iter().map(number).sum::<u64>() as i64;
            prop_assert_eq!(sum(|one| one.added) - sum(|one| one.gone), all - before[&kind].0, "{:?}", kind);
            prop_assert_eq!(sum(|one| one.waits_more) - sum(|one| one.waits_less), waits - before[&kind].1, "{:?}", kind);
        }
        let back = compare(&draft, &now);
        let there = Difference { changes: difference.changes.iter().map(turned).collect(), ..Difference::default() };
        prop_assert_eq!(sorted(&back), sorted(&there));
        prop_assert_eq!((&back.departures, &back.healed), (&difference.healed, &difference.departures));
        // Each decision that counts as no granting opens the new task, and nothing else does.
        let decisions = run.case.entries().iter();
        let decisions = decisions.filter(|entry| {
            entry.report.status == code("decided") && entry.report.outcome.is_some() && entry.report.outcome != Some(code("granted"))
        });
        let copies = tally.effects.get(&(EffectKind::Task, code("copy"))).copied().unwrap_or_default();
        prop_assert_eq!(copies.added, decisions.count() as u64);
        prop_assert_eq!(copies.gone + copies.moved, 0);
    }
}

#[test]
fn what_was_completed_stays_so_though_its_rule_has_another_thing_first() {
    let mut run = Run::new();
    run.case.report(&run.setting.definition, entry(1, "de-bamf", on("registered", 1)));
    run.case.report(&run.setting.definition, entry(2, "fa-one", on("moved", 1)));
    run.case.report(&run.setting.definition, entry(3, "de-bamf", rejected(2)));
    run.now_ms = at(3, 9);
    run.update();
    let now = run.fold.effects().clone();
    run.history.advance(&run.setting.world(), &now);
    let serve = now.tasks.iter().find(|task| task.task == code("serve")).expect("open");
    let by = serve.addressee.authority.clone().expect("known");
    let done = Completion { by, outcome: code("done"), at_ms: run.now_ms };
    run.history.complete(&run.setting.world(), &now, &serve.origin.id, done).expect("its own");
    run.update();
    let (fold, effects) = drafted(&run, &OTHER);
    let serve = effects.tasks.iter().find(|task| task.task == code("serve")).expect("there");
    assert!(matches!(serve.state, TaskState::Done { .. }), "{serve:?}");
    let now = side(&run.setting, &run.setting.definition, (&run.case, run.fold.effects()));
    let difference = compare(&now, &side(&run.setting, &OTHER, (&fold, &effects)));
    let mut told: Vec<_> = difference.changes.iter().map(|change| (change.became, change.code.as_str())).collect();
    told.sort();
    assert_eq!(told, [(Became::Added, "copy"), (Became::Moved, "appeal")]);
    assert!(difference.changes.iter().all(|change| change.report == Some(slot(3))));
}

#[test]
fn statuses_and_outcomes_that_the_draft_has_not_are_named() {
    let draft = draft(&[("granted", "approved"), ("withdrawn", "given_up")]);
    let setting = Setting::new();
    let granted = Report { outcome: Some(code("granted")), ..on("decided", 2) };
    let reports = [on("registered", 1), granted, rejected(3), on("withdrawn", 4), on("withdrawn", 5)];
    let entries: Vec<_> = (1_u8..).zip(reports).map(|(number, report)| entry(number, "de-bamf", report)).collect();
    let (case, empty) = (setting.case(&entries), Effects::default());
    let drafted = CaseFold::restore(&draft, entries, BTreeMap::new());
    let now = side(&setting, &setting.definition, (&case, &empty));
    let difference = compare(&now, &side(&setting, &draft, (&drafted, &empty)));
    assert_eq!(difference.unknown_statuses, BTreeMap::from([(code("withdrawn"), 2)]));
    assert_eq!(difference.unknown_outcomes, BTreeMap::from([((code("decided"), code("granted")), 1)]));
    let whats: Vec<&str> = difference.departures.iter().map(|departure| departure.what.as_str()).collect();
    assert_eq!(whats, ["STATUS_UNKNOWN", "STATUS_UNKNOWN"]);
    // What neither knows is no news.
    assert_eq!(
        compare(&side(&setting, &draft, (&drafted, &empty)), &side(&setting, &draft, (&drafted, &empty))),
        Difference::default()
    );
}
