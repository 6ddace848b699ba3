//! What the fold of effects costs: `cargo test -p laufzettel-contracts --test effects -- --ignored --nocapture speed`.
//! Measures, does not judge: figures depend on the machine.
#![allow(clippy::print_stdout, reason = "its output is what it is for")]

use crate::processor::Began;
use crate::world::{HOUR_MS, Setting, at, code, entry, instant, moved, name, on, rejected};
use laufzettel_contracts::effect::{EffectFold, History, Known};
use laufzettel_contracts::{CALENDARS_DE, Calendars, CaseFold, Entry, Report};

/// A case of 25 reports over 24 days: two decisions, a stop, releases, assignments.
fn reports() -> Vec<Entry> {
    let mut reports: Vec<(&str, Report)> = vec![
        ("de-bamf", on("registered", 1)),
        ("de-bamf", on("lodged", 1)),
        ("de-bamf", on("heard", 2)),
        ("de-bamf", rejected(3)),
        ("fa-one", on("scheduled", 4)),
        ("court-south", instant("relief", at(5, 9))),
        ("fa-one", moved(6, "fa-two")),
        ("court-south", on("ruled", 7)),
        ("court-south", on("appealed", 8)),
        ("court-south", on("ruled", 9)),
        ("de-bamf", on("again", 10)),
        ("de-bamf", on("lodged", 11)),
        ("de-bamf", rejected(12)),
    ];
    for day in 13..25 {
        let next = if day % 3 == 0 { ("de-bamf", on("heard", day)) } else { ("fa-two", moved(day, "fa-one")) };
        reports.push(next);
    }
    (1_u8..).zip(reports).map(|(number, (by, report))| entry(number, by, report)).collect()
}

#[test]
#[ignore = "a measurement"]
fn speed() {
    let mut setting = Setting::new();
    let rounds = 2_000;
    for (calendars, areas) in [(None, "3 areas"), (Some(CALENDARS_DE), "all areas of Germany")] {
        if let Some(text) = calendars {
            setting.calendars = Calendars::check(text).expect("sound").calendars;
        }
        let world = setting.world();
        let entries = reports();
        let count = u128::try_from(entries.len()).expect("few");
        let per_event = |start: Began| start.elapsed_ns() / (count * rounds);
        let start = Began::now();
        for _ in 0..rounds {
            assert_eq!(setting.case(&entries).state().events, 25);
        }
        let plain = per_event(start);
        let mut kept = Vec::new();
        let start = Began::now();
        for _ in 0..rounds {
            let mut case = CaseFold::new();
            let mut history = History::new();
            let known = Known { history: &history, name: &name, as_of_ms: at(1, 0) };
            let mut fold = EffectFold::of(&world, &case, &known);
            for entry in &entries {
                let now = u64::try_from(entry.report.occurred.end_ms()).expect("after 1970") + HOUR_MS;
                case.report(&setting.definition, entry.clone());
                setting.update(&mut fold, &case, &history, now);
                history.advance(&world, fold.effects());
            }
            kept = vec![(case, history)];
        }
        let steps = per_event(start);
        let (case, history) = kept.pop().expect("one round at least");
        let start = Began::now();
        for _ in 0..rounds {
            let found = setting.effects(&case, &history, at(26, 0));
            assert!(found.deadlines.len() > 1 && found.locks.iter().all(|lock| lock.lock == code("removal_stop")));
        }
        let full = per_event(start);
        println!(
            "{areas}: status {plain}; status, effects and history step by step {steps}; effects from nothing {full} ns per event"
        );
    }
}
