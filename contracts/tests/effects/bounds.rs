//! What a hostile or mad case may do: the bounds hold, what is left out is said, locks keep their room, nothing panics,
//! whatever rules a checked definition has.

use crate::random::{Run, acts, timeless};
use crate::reference::Reference;
use crate::world::{Setting, at, authority, code, name};
use laufzettel_contracts::effect::{Dropped, Effects, History, Known, effects};
use laufzettel_contracts::{CaseFold, Definition, Entry, Position, Report, When, limits};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::strategy::ValueTree;

fn numbered(number: u16, by: &str, report: Report) -> Entry {
    let mut slot = [7; 32];
    slot[..2].copy_from_slice(&number.to_be_bytes());
    let position = Position { height: u64::from(number), ..Position::default() };
    Entry { slot, position, author: authority(by), report }
}

fn of(setting: &Setting, entries: Vec<Entry>) -> CaseFold {
    CaseFold::restore(&setting.definition, entries, std::collections::BTreeMap::new())
}

#[test]
fn bounds_hold_and_locks_keep_their_room() {
    let setting = Setting::new();
    let decided = Report { outcome: Some(code("rejected")), ..Report::new(code("decided"), When::Instant(at(1, 9))) };
    let relief = Report::new(code("relief"), When::Instant(at(2, 9)));
    let most = u16::try_from(limits::EVENTS_MAX).expect("it fits");
    let entries = (0..most).map(|number| {
        let report = if number < most - 300 { &decided } else { &relief };
        numbered(number, "court-south", report.clone())
    });
    let case = of(&setting, entries.collect());
    let found = setting.effects(&case, &History::new(), at(3, 9));
    let Effects { deadlines, tasks, notices, locks, dropped, deviations, .. } = &found;
    assert_eq!(deadlines.len(), limits::DEADLINES_RUNNING_MAX);
    assert_eq!(tasks.len(), limits::TASKS_OPEN_MAX);
    assert_eq!(locks.len(), limits::LOCKS_STANDING_MAX);
    assert!(deviations.len() <= limits::EFFECT_DEVIATIONS_MAX);
    let news = notices.iter().filter(|notice| !notice.urgent).count();
    // The rest may use all but what is kept; each stop then got its notice, and a lock while there was room for one.
    assert_eq!(news + deadlines.len() + tasks.len(), limits::EFFECTS_MAX - limits::EFFECTS_RESERVED);
    assert_eq!(notices.len() - news, 300);
    let all = usize::from(most) - 300;
    let count = |number: usize| u32::try_from(number).expect("it fits");
    let expected = Dropped {
        deadlines: count(all - deadlines.len()),
        tasks: count(all - tasks.len()),
        notices: count(all - news),
        locks: count(300 - locks.len()),
        ..Dropped::default()
    };
    assert_eq!(*dropped, expected);
    let mut history = History::new();
    let changes = history.advance(&setting.world(), &found);
    assert_eq!((changes.dropped, history.past().len()), (0, found.locks.len() + 300 + 3_584));
}

/// Locks and urgent notices may fill everything, to the last place; what came before them takes nothing of the room of
/// the rest.
#[test]
fn urgent_effects_may_use_every_place_and_take_none_of_the_rest() {
    let setting = Setting::new();
    let relief = Report::new(code("relief"), When::Instant(at(2, 9)));
    let most = u16::try_from(limits::EVENTS_MAX).expect("it fits");
    let case = of(&setting, (0..most).map(|number| numbered(number, "court-south", relief.clone())).collect());
    let found = setting.effects(&case, &History::new(), at(2, 9) + 60_000);
    assert_eq!(found.locks.len(), limits::LOCKS_STANDING_MAX);
    assert_eq!(found.locks.len() + found.notices.len(), limits::EFFECTS_MAX);
    assert!(found.notices.iter().all(|notice| notice.urgent) && found.tasks.is_empty());

    // 300 stops first, then decisions: these still get all that is not kept for stops.
    let decided = Report { outcome: Some(code("rejected")), ..Report::new(code("decided"), When::Instant(at(2, 10))) };
    let entries =
        (0..most).map(|number| numbered(number, "court-south", if number < 300 { &relief } else { &decided }.clone()));
    let found = setting.effects(&of(&setting, entries.collect()), &History::new(), at(2, 9) + 60_000);
    let rest = found.notices.iter().filter(|notice| !notice.urgent).count() + found.deadlines.len() + found.tasks.len();
    assert_eq!(rest, limits::EFFECTS_MAX - limits::EFFECTS_RESERVED);
}

/// 64 locks and 100 facts that come despite each of them are 6,400 deviations, and 100 more since nothing was announced.
#[test]
fn only_so_many_deviations_are_kept() {
    let setting = Setting::new();
    let relief = Report::new(code("relief"), When::Instant(at(2, 9)));
    let executed = Report::new(code("executed"), When::Instant(at(2, 10)));
    let entries = (0..164).map(|number| {
        let report = if number < 64 { &relief } else { &executed };
        numbered(number, "de-bpol", report.clone())
    });
    let found = setting.effects(&of(&setting, entries.collect()), &History::new(), at(2, 10) + 60_000);
    assert_eq!(found.deviations.len(), limits::EFFECT_DEVIATIONS_MAX);
    assert_eq!(found.dropped.deviations, 6_500 - u32::try_from(limits::EFFECT_DEVIATIONS_MAX).expect("it fits"));
}

/// A marker finds no room where the rest has used it; the lock and the notice of the same rule do.
#[test]
fn a_marker_without_room_is_counted() {
    let setting = Setting::new();
    let decided = Report { outcome: Some(code("rejected")), ..Report::new(code("decided"), When::Instant(at(1, 9))) };
    let again = Report::new(code("again"), When::Instant(at(1, 10)));
    let entries = (0..4_000_u16).map(|number| {
        let report = if number < 3_999 { &decided } else { &again };
        numbered(number, "de-bamf", report.clone())
    });
    let found = setting.effects(&of(&setting, entries.collect()), &History::new(), at(1, 11));
    assert_eq!((found.markers.len(), found.dropped.markers, found.locks.len()), (0, 1, 1));
}

#[test]
fn a_full_history_says_so_and_still_takes_locks() {
    let setting = Setting::new();
    let decided = Report { outcome: Some(code("rejected")), ..Report::new(code("decided"), When::Instant(at(1, 9))) };
    let mut history = History::new();
    let mut dropped = 0;
    // Each time other reports: what was there is withdrawn, and kept.
    for round in 0..8_u16 {
        let entries = (0..200).map(|number| numbered(round * 1_000 + number, "de-bamf", decided.clone()));
        let found = setting.effects(&of(&setting, entries.collect()), &history, at(2, 9));
        dropped += history.advance(&setting.world(), &found).dropped;
    }
    let kept = limits::EFFECTS_MAX - limits::EFFECTS_RESERVED;
    assert_eq!((history.past().len(), dropped), (kept, 8 * 600 - u32::try_from(kept).expect("it fits")));
    let relief = numbered(9_999, "court-south", Report::new(code("relief"), When::Instant(at(2, 9))));
    let found = setting.effects(&of(&setting, vec![relief]), &history, at(2, 9));
    let changes = history.advance(&setting.world(), &found);
    assert_eq!((changes.arose.len(), changes.dropped), (2, 0));
}

#[test]
fn extreme_times_are_answered() {
    let setting = Setting::new();
    let days = [i32::MIN, -1, 0, i32::MAX];
    let mut entries = Vec::new();
    for (number, status) in (0_u16..).zip(["registered", "decided", "appealed", "ruled", "again", "withdrawn"]) {
        for (other, day) in (0_u16..).zip(days) {
            let report = Report { effective: Some(day), ..Report::new(code(status), When::Day(day)) };
            entries.push(numbered(number * 10 + other, "de-bamf", report));
        }
    }
    for (number, ms) in (100_u16..).zip([0, 1, at(1, 0), u64::MAX]) {
        entries.push(numbered(number, "court-south", Report::new(code("relief"), When::Instant(ms))));
        entries.push(numbered(number + 50, "court-south", Report::new(code("nothing_known"), When::Instant(ms))));
    }
    let case = of(&setting, entries);
    for as_of_ms in [0, 1, at(1, 0), u64::MAX] {
        let found = setting.effects(&case, &History::new(), as_of_ms);
        assert!(found.locks.len() >= 4 && found.next_due_ms.is_none_or(|next| next > as_of_ms));
    }
}

/// The statuses, deadlines and so on of the tests, with other rules.
fn with_rules(rules: &[String]) -> Option<Definition> {
    let text = include_str!("process.toml");
    let (parts, _) = text.split_once("[[rule]]").expect("it has rules");
    Definition::check(&format!("{parts}\n{}", rules.concat())).ok().map(|checked| checked.definition)
}

fn action(key: &'static str, names: &'static [&'static str]) -> impl Strategy<Value = String> {
    let some = subsequence(names, 1..=names.len().min(2));
    let line = some.prop_map(move |names| format!("{key} = [{}]\n", names.join(", ")));
    prop_oneof![2 => Just(String::new()), 1 => line]
}

fn rule(number: usize) -> impl Strategy<Value = String> {
    let on = select(
        &[
            "status = \"registered\"",
            "status = \"decided\"",
            "status = \"heard\"",
            "status = \"relief\"",
            "status = \"again\"",
            "status = \"moved\"",
            "status = \"ruled\"",
            "status = \"withdrawn\"",
            "warned = \"appeal\"",
            "elapsed = \"appeal\"",
            "grace = \"appeal\"",
            "elapsed = \"answer\"",
            "unacknowledged = \"stop_removal\"",
        ][..],
    );
    let when = select(
        &[
            "",
            "",
            "when = \"!open(removal_stop)\"\n",
            "when = \"open(check) || open(late)\"\n",
            "when = \"has(heard) && regime in [pact]\"\n",
            "when = \"count(heard) < 2\"\n",
            "when = \"proceeding > 1 || has_ever(relief)\"\n",
        ][..],
    );
    let first = (
        action("close", &["\"serve\"", "\"phone\"", "\"check\""]),
        action("stop", &["\"appeal\"", "\"answer\""]),
        action("unlock", &["\"removal_stop\""]),
        action("clear", &["\"presumed_final\"", "\"late\""]),
        action("start", &["\"appeal\"", "\"answer\""]),
    );
    let then = (
        action(
            "open",
            &[
                "{ task = \"serve\", for = \"foreigners\" }",
                "{ task = \"phone\", for = \"court\" }",
                "{ task = \"check\", for = \"police\" }",
            ],
        ),
        action(
            "notify",
            &[
                "{ notice = \"stop_removal\", to = [\"foreigners\", \"police\"] }",
                "{ notice = \"news\", to = [\"court\"] }",
            ],
        ),
        action("lock", &["\"removal_stop\""]),
        action("mark", &["\"presumed_final\"", "\"late\""]),
    );
    (on, when, first, then).prop_map(
        move |(on, when, (close, stop, unlock, clear, start), (open, notify, lock, mark))| {
            format!(
                "[[rule]]\nname = \"r{number}\"\nlabel_de = \"r\"\nlabel_en = \"r\"\nbasis = \"b\"\non = {{ {on} }}\n\
             {when}{close}{stop}{unlock}{clear}{start}{open}{notify}{lock}{mark}"
            )
        },
    )
}

fn rules() -> impl Strategy<Value = Vec<String>> {
    (1..12_usize).prop_flat_map(|count| (0..count).map(rule).collect::<Vec<_>>())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the rules are, the fold and the reference agree.
    #[test]
    fn other_rules_agree_too(rules in rules(), acts in acts()) {
        let Some(definition) = with_rules(&rules) else { return Ok(()) };
        let mut run = Run::with(Setting { definition, ..Setting::new() });
        for (number, (pause, act)) in (1_u8..).zip(&acts) {
            run.now_ms += pause * 60_000;
            run.act(number, act);
            run.update();
            let found = run.fold.effects().clone();
            let world = run.setting.world();
            let known = Known { history: &run.history, name: &name, as_of_ms: run.now_ms };
            prop_assert_eq!(&found, &effects(&world, &run.case, &known));
            let slow = Reference::new(&run.setting, run.case.entries(), &run.history, run.now_ms).effects();
            prop_assert_eq!(&timeless(&found), &timeless(&slow));
            let changes = run.history.advance(&run.setting.world(), &found);
            run.told(&changes);
        }
    }
}

/// That many of the random rules are sound, so that the test above is one.
#[test]
fn random_rules_are_often_sound() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let sound = (0..100).filter(|_| {
        let rules = rules().new_tree(&mut runner).expect("a value").current();
        with_rules(&rules).is_some()
    });
    let sound = sound.count();
    assert!(sound >= 10, "{sound} of 100");
}
