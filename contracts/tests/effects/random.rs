//! Random histories of a case, against the slow reference, and what must hold whatever happens.

use crate::reference::Reference;
use crate::world::{DAY_MS, HOUR_MS, Setting, at, authority, code, entry, name, slot};
use laufzettel_contracts::effect::{
    Candidate, Cause, Changes, Completion, DeadlineEffect, DeadlineState, EffectDeviationKind, EffectFold, EffectId,
    EffectKind, Effects, History, Known, Past, Stop, admit,
};
use laufzettel_contracts::{CaseFold, Code, Definition, Entry, Report, Slot, Value, When};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::strategy::ValueTree;
use std::collections::BTreeSet;

/// What may happen to a case.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    Report(Said),
    Correct(Index, Said),
    Retract(Index),
    Acknowledge(Index, &'static str),
    Complete(Index, &'static str),
    Wait,
}

/// A report relative to the time it is made at.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    status: &'static str,
    by: &'static str,
    days_ago: i32,
    ms_ago: u64,
    effective_in: Option<i32>,
    proceeding: u32,
    outcome: Option<&'static str>,
    to: Option<&'static str>,
}

const STATUSES: [&str; 13] = [
    "registered",
    "lodged",
    "again",
    "heard",
    "decided",
    "decided",
    "appealed",
    "withdrawn",
    "relief",
    "ruled",
    "moved",
    "scheduled",
    "executed",
];
const AUTHORITIES: [&str; 6] = ["de-bamf", "fa-one", "fa-two", "court-south", "court-north", "de-bpol"];

fn said() -> impl Strategy<Value = Said> {
    let days_ago = prop_oneof![4 => 0..3_i32, 2 => -1..1_i32, 2 => 0..25_i32];
    let effective_in = prop_oneof![2 => Just(None), 1 => (-3..5_i32).prop_map(Some)];
    let proceeding = prop_oneof![6 => Just(0), 1 => 0..3_u32];
    let outcome = select(&[None, Some("rejected"), Some("rejected"), Some("granted")][..]);
    let to = proptest::option::of(select(&AUTHORITIES[..]));
    (select(&STATUSES[..]), select(&AUTHORITIES[..]), days_ago, 0..DAY_MS, effective_in, proceeding, outcome, to)
        .prop_map(|(status, by, days_ago, ms_ago, effective_in, proceeding, outcome, to)| Said {
            status,
            by,
            days_ago,
            // Mostly whole hours, so that things happen at once.
            ms_ago: if ms_ago % 3 == 0 { ms_ago } else { ms_ago / HOUR_MS * HOUR_MS },
            effective_in,
            proceeding,
            outcome,
            to,
        })
}

fn act() -> impl Strategy<Value = Act> {
    let index = any::<Index>;
    let by = || select(&AUTHORITIES[..]);
    prop_oneof![
        8 => said().prop_map(Act::Report),
        2 => (index(), said()).prop_map(|(which, said)| Act::Correct(which, said)),
        1 => index().prop_map(Act::Retract),
        2 => (index(), by()).prop_map(|(which, by)| Act::Acknowledge(which, by)),
        2 => (index(), by()).prop_map(|(which, by)| Act::Complete(which, by)),
        3 => Just(Act::Wait),
    ]
}

pub(crate) fn acts() -> impl Strategy<Value = Vec<(u64, Act)>> {
    let pause = prop_oneof![3 => 0..20_u64, 2 => (0..30_u64).prop_map(|hours| hours * 60), 1 => (0..7_u64).prop_map(|days| days * 1440)];
    proptest::collection::vec((pause, act()), 1..16)
}

impl Said {
    fn report(&self, now_ms: u64) -> Report {
        let day = i32::try_from(now_ms / DAY_MS).expect("a day") - self.days_ago;
        let occurred = match self.status {
            "relief" | "executed" => {
                let days_ago = u64::try_from(self.days_ago.max(0)).expect("not negative");
                When::Instant(now_ms - self.ms_ago - days_ago * DAY_MS)
            }
            _ => When::Day(day),
        };
        let mut report = Report::new(code(self.status), occurred);
        report.effective = self.effective_in.map(|days| day + days);
        report.proceeding = self.proceeding;
        if self.status == "decided" {
            report.outcome = self.outcome.map(code);
        }
        if let ("moved", Some(to)) = (self.status, self.to) {
            report.attributes.insert(code("to"), Value::Authority(authority(to)));
        }
        report
    }
}

/// A case, folded after each act in the way the ledger does.
pub(crate) struct Run {
    pub(crate) setting: Setting,
    pub(crate) case: CaseFold,
    pub(crate) history: History,
    pub(crate) fold: EffectFold,
    pub(crate) now_ms: u64,
    /// Effects that were told to be there, and all ever told.
    alive: BTreeSet<EffectId>,
    ever: BTreeSet<EffectId>,
}

impl Run {
    pub(crate) fn new() -> Self {
        Self::with(Setting::new())
    }

    pub(crate) fn with(setting: Setting) -> Self {
        let (case, history, now_ms) = (CaseFold::new(), History::new(), at(1, 9));
        let fold = EffectFold::of(&setting.world(), &case, &Known { history: &history, name: &name, as_of_ms: now_ms });
        Self { setting, case, history, fold, now_ms, alive: BTreeSet::new(), ever: BTreeSet::new() }
    }

    pub(crate) fn act(&mut self, number: u8, act: &Act) {
        let definition = &self.setting.definition;
        let world = self.setting.world();
        let effects = self.fold.effects();
        match act {
            Act::Report(said) => self.case.report(definition, entry(number, said.by, said.report(self.now_ms))),
            Act::Correct(which, said) if !self.case.entries().is_empty() => {
                let slot = which.get(self.case.entries()).slot;
                self.case.correct(definition, slot, said.report(self.now_ms)).expect("it stands");
            }
            Act::Retract(which) if !self.case.entries().is_empty() => {
                let slot = which.get(self.case.entries()).slot;
                self.case.retract(definition, slot).expect("it stands");
            }
            Act::Acknowledge(which, by) if !effects.notices.is_empty() => {
                let id = which.get(&effects.notices).origin.id;
                let _ = self.history.acknowledge(&world, effects, &id, &authority(by), self.now_ms);
            }
            Act::Complete(which, by) if !effects.tasks.is_empty() => {
                let id = which.get(&effects.tasks).origin.id;
                let completion = Completion { by: authority(by), outcome: code("done"), at_ms: self.now_ms };
                let _ = self.history.complete(&world, effects, &id, completion);
            }
            Act::Correct(..) | Act::Retract(_) | Act::Acknowledge(..) | Act::Complete(..) | Act::Wait => {}
        }
    }

    pub(crate) fn update(&mut self) {
        self.setting.update(&mut self.fold, &self.case, &self.history, self.now_ms);
    }

    fn admit(&self, said: &Said, corrects: Option<&Slot>) -> Result<Vec<Code>, Stop> {
        let report = said.report(self.now_ms);
        let author = authority(said.by);
        let candidate = Candidate { report: &report, author: &author, corrects, reason: None };
        let known = Known { history: &self.history, name: &name, as_of_ms: self.now_ms };
        admit(&self.setting.world(), &self.case, self.fold.effects(), &known, &candidate)
    }

    /// Each change is told once, and all changes are told.
    pub(crate) fn told(&mut self, changes: &Changes) {
        for change in &changes.arose {
            assert!(self.ever.insert(change.id), "arises once");
            assert!(self.alive.insert(change.id));
        }
        for change in &changes.withdrawn {
            assert!(self.alive.remove(&change.id), "only what is there is withdrawn");
        }
        for change in &changes.returned {
            let was_away = self.alive.insert(change.id);
            // A lock that was released and is not any more had never been away.
            let again = change.kind == EffectKind::Lock && change.acknowledge;
            assert!(self.ever.contains(&change.id) && (was_away || again), "only what was there returns");
        }
        assert_eq!(self.alive, ids(self.fold.effects()).into_iter().collect(), "what is told is what is there");
    }
}

fn ids(effects: &Effects) -> Vec<EffectId> {
    let Effects { deadlines, tasks, notices, locks, markers, .. } = effects;
    let ids = deadlines.iter().map(|one| one.origin.id).chain(tasks.iter().map(|one| one.origin.id));
    let ids = ids.chain(notices.iter().map(|one| one.origin.id)).chain(locks.iter().map(|one| one.origin.id));
    ids.chain(markers.iter().map(|one| one.origin.id)).collect()
}

/// Whatever else a report is, what concerns safety follows from it.
fn nothing_silences(case: &CaseFold, effects: &Effects) {
    let caused = |cause: Cause, slot| cause == Cause::Report(slot);
    for entry in case.entries() {
        match entry.report.status.as_str() {
            "relief" => {
                assert!(effects.locks.iter().any(|lock| caused(lock.origin.cause, entry.slot)));
                assert!(effects.notices.iter().any(|one| one.urgent && caused(one.origin.cause, entry.slot)));
            }
            "decided" if entry.report.outcome == Some(code("rejected")) => {
                assert!(effects.deadlines.iter().any(|one| caused(one.origin.cause, entry.slot)));
            }
            _ => {}
        }
    }
    // Nor does a report that departs from the rules end what protects: no lock, and no deadline by a rule.
    let of_order = case.state().deviations.iter().map(|found| found.slot);
    let departs: BTreeSet<Slot> = of_order.chain(effects.deviations.iter().map(|found| found.slot)).collect();
    let by_deviation = |cause: Cause| matches!(cause, Cause::Report(slot) if departs.contains(&slot));
    assert!(!effects.locks.iter().filter_map(|lock| lock.released_by).any(by_deviation));
    let stopped = |deadline: &DeadlineEffect| matches!(deadline.state, DeadlineState::Stopped(by) if by_deviation(by));
    assert!(!effects.deadlines.iter().any(|deadline| stopped(deadline)));
}

/// With guards on the reports that release locks and stop deadlines.
fn guarded() -> Setting {
    let guard = |status: &str, when: &str| {
        format!(
            "[[status.{status}.warn_if]]\nname = \"unfounded\"\nlabel_de = \"x\"\nlabel_en = \"x\"\nwhen = \"{when}\"\nbasis = \"Law 1\"\n\n"
        )
    };
    let guards = guard("withdrawn", "!has(heard)") + &guard("ruled", "!has(relief)");
    let text = include_str!("process.toml").replacen("[status.moved]", &format!("{guards}[status.moved]"), 1);
    let definition = Definition::check(&text).expect("sound").definition;
    Setting { definition, ..Setting::new() }
}

/// The same but for the instant asked about, and the next one.
pub(crate) fn timeless(effects: &Effects) -> Effects {
    Effects { as_of_ms: 0, next_due_ms: None, ..effects.clone() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// After each act the incremental fold, the fold from nothing and the reference agree; changes are told once; and
    /// nothing changes before the instant that is named as the next, while something does then.
    #[test]
    fn every_way_of_folding_agrees(acts in acts(), guards in any::<bool>()) {
        let mut run = Run::with(if guards { guarded() } else { Setting::new() });
        for (number, (pause, act)) in (1_u8..).zip(&acts) {
            run.now_ms += pause * 60_000;
            run.act(number, act);
            run.update();
            let found = run.fold.effects().clone();
            let full = run.setting.effects(&run.case, &run.history, run.now_ms);
            prop_assert_eq!(&found, &full);
            let slow = Reference::new(&run.setting, run.case.entries(), &run.history, run.now_ms).effects();
            prop_assert_eq!(&timeless(&full), &timeless(&slow));
            nothing_silences(&run.case, &found);
            let changes = run.history.advance(&run.setting.world(), &found);
            run.told(&changes);
            let past = run.history.past().iter().map(|(id, past)| (*id, Past::clone(past))).collect();
            prop_assert_eq!(&History::restore(past), &run.history);
            let again = run.history.advance(&run.setting.world(), &found);
            prop_assert_eq!(again, Changes::default());
            let later = |ms| timeless(&run.setting.effects(&run.case, &run.history, ms));
            match found.next_due_ms {
                Some(next) => {
                    prop_assert!(next > run.now_ms);
                    prop_assert_eq!(later(next - 1), timeless(&found));
                    // What becomes due before a report of a day that has not ended may turn out to be the same.
                    let now_ms = i64::try_from(run.now_ms).expect("small");
                    if run.case.entries().iter().all(|entry| entry.report.occurred.end_ms() <= now_ms) {
                        prop_assert_ne!(later(next), timeless(&found));
                    }
                }
                None => prop_assert_eq!(later(run.now_ms + 400 * DAY_MS), timeless(&found)),
            }
        }
    }

    /// What a lock stops is refused with it, what a guard blocks is what the fold then shows of it, and no fact is refused.
    #[test]
    fn what_is_admitted_is_what_the_fold_shows(acts in acts()) {
        let mut run = Run::new();
        for (number, (pause, act)) in (1_u8..).zip(&acts) {
            run.now_ms += pause * 60_000;
            run.update();
            let asked = match act {
                Act::Report(said) => Some((said, None)),
                Act::Correct(which, said) if !run.case.entries().is_empty() => {
                    Some((said, Some(which.get(run.case.entries()).clone())))
                }
                _ => None,
            };
            let before = run.fold.effects().clone();
            let admitted = asked.as_ref().map(|(said, corrected)| run.admit(said, corrected.as_ref().map(|entry| &entry.slot)));
            run.act(number, act);
            run.update();
            let changes = run.history.advance(&run.setting.world(), run.fold.effects());
            run.told(&changes);
            let (Some((said, corrected)), Some(admitted)) = (asked, admitted) else { continue };
            let slot = corrected.map_or(slot(number), |entry| entry.slot);
            let lock = before.locks.iter().find(|lock| lock.released_by.is_none());
            let after = run.fold.effects().deviations.iter().filter(|found| found.slot == slot);
            let guard = after.filter_map(|found| match &found.kind {
                EffectDeviationKind::Overridden(guard) => Some(guard.clone()),
                _ => None,
            });
            let expected = match (said.status, lock, guard.into_iter().next()) {
                ("scheduled", Some(lock), _) => Err(Stop::Locked { lock: lock.origin.id, name: lock.lock.clone() }),
                ("scheduled", None, Some(guard)) => Err(Stop::Blocked { guard }),
                (_, _, _) => Ok(vec![]),
            };
            prop_assert_eq!(admitted, expected);
        }
    }

    /// The order in which reports arrive does not matter, also where corrections and retractions come between.
    #[test]
    fn arrival_does_not_matter(
        said in proptest::collection::vec((said(), proptest::option::of(said())), 1..9),
        order in proptest::collection::vec(any::<u32>(), 9),
        retracted in any::<Index>(),
    ) {
        let setting = Setting::new();
        let now_ms = at(28, 9);
        let entries: Vec<Entry> =
            (1_u8..).zip(&said).map(|(number, (said, _))| entry(number, said.by, said.report(now_ms))).collect();
        let mut arriving: Vec<usize> = (0..entries.len()).collect();
        arriving.sort_by_key(|place| order[*place]);
        let gone = slot(u8::try_from(retracted.index(entries.len()) + 1).expect("few"));
        let mut run = Run { now_ms, ..Run::new() };
        for place in arriving {
            run.case.report(&setting.definition, entries[place].clone());
            run.update();
            let found = run.fold.effects().clone();
            run.history.advance(&setting.world(), &found);
            if let Some(correction) = &said[place].1 {
                let slot = entries[place].slot;
                run.case.correct(&setting.definition, slot, correction.report(now_ms)).expect("it stands");
                run.update();
            }
            if entries[place].slot == gone {
                run.case.retract(&setting.definition, gone).expect("it stands");
                run.update();
            }
            let found = run.fold.effects().clone();
            run.history.advance(&setting.world(), &found);
        }
        let stands = entries.iter().zip(&said).filter(|(entry, _)| entry.slot != gone).map(|(entry, (_, correction))| {
            let report = correction.as_ref().map_or_else(|| entry.report.clone(), |said| said.report(now_ms));
            Entry { report, ..entry.clone() }
        });
        let stands: Vec<Entry> = stands.collect();
        // All was seen at one instant, so that nothing is left of the order.
        let at_once = setting.effects(&setting.case(&stands), &History::new(), now_ms);
        prop_assert_eq!(run.fold.effects(), &at_once);
    }
}

/// That the generator reaches what it is for.
#[test]
fn random_cases_reach_everything() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut reached = BTreeSet::new();
    for _ in 0..200 {
        let acts = acts().new_tree(&mut runner).expect("a value").current();
        let mut run = Run::new();
        for (number, (pause, act)) in (1_u8..).zip(&acts) {
            run.now_ms += pause * 60_000;
            run.act(number, act);
            run.update();
            let found = run.fold.effects().clone();
            let changes = run.history.advance(&run.setting.world(), &found);
            let words = |debug: String| debug.split(['(', ' ', '{']).next().unwrap_or_default().to_owned();
            reached.extend(found.deadlines.iter().map(|one| words(format!("{:?}", one.state))));
            reached.extend(found.tasks.iter().map(|one| words(format!("{:?}", one.state))));
            reached.extend(found.deviations.iter().map(|one| one.kind.reason().to_owned()));
            reached.extend(found.markers.iter().map(|one| one.marker.to_string()));
            reached.extend(found.notices.iter().filter(|one| one.unacknowledged).map(|_| "unacknowledged".to_owned()));
            reached.extend(found.locks.iter().filter_map(|one| one.released_by).map(|_| "released".to_owned()));
            reached.extend(changes.withdrawn.iter().map(|_| "withdrawn".to_owned()));
            reached.extend(changes.returned.iter().map(|_| "returned".to_owned()));
            reached.extend(changes.readdressed.iter().map(|_| "readdressed".to_owned()));
        }
    }
    let all = [
        "Running",
        "Warned",
        "Met",
        "Elapsed",
        "Stopped",
        "Open",
        "Done",
        "Closed",
        "WARNED",
        "OVERRIDDEN",
        "GRAVE",
        "EXECUTED_DESPITE_LOCK",
        "ANNOUNCED_DESPITE_LOCK",
        "ASSIGNED_WITHOUT_ROLE",
        "presumed_final",
        "late",
        "unacknowledged",
        "released",
        "withdrawn",
        "returned",
        "readdressed",
    ];
    let missing: Vec<&str> = all.into_iter().filter(|word| !reached.contains(*word)).collect();
    assert!(missing.is_empty(), "never reached: {missing:?}");
}
