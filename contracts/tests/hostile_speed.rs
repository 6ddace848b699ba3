//! What checking and comparing the dearest texts costs, by hand:
//! `cargo test -p laufzettel-contracts --test hostile_speed -- --ignored --nocapture`.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test stops at the first thing that does not hold; the output of a measurement is what it is for"
)]

#[path = "hostile/largest.rs"]
mod largest;

use std::collections::BTreeMap;
use std::time::Instant;

use largest::Full;
use laufzettel_contracts::{Calendars, Definition, diff};

/// The fastest of some tries, in microseconds.
fn fastest<T>(what: &str, mut tried: impl FnMut() -> T) -> T {
    let (mut least, mut last) = (u128::MAX, None);
    for _ in 0..3 {
        let begun = Instant::now();
        last = Some(tried());
        least = least.min(begun.elapsed().as_micros());
    }
    println!("{least:>9} us  {what}");
    last.expect("a try")
}

#[test]
fn the_fullest_texts_are_sound() {
    for full in Full::ALL {
        let text = largest::sound(full, "dear", 1, 0);
        assert_eq!(text.len(), laufzettel_contracts::limits::TEXT_BYTES_MAX, "{full:?}");
        if let Err(findings) = Definition::check(&text) {
            panic!("{full:?}: {}", findings.first().expect("one"));
        }
    }
    if let Err(findings) = Calendars::check(&largest::calendars("de", 2)) {
        panic!("{}", findings.first().expect("one"));
    }
}

#[test]
#[ignore = "a measurement, by hand"]
fn the_dearest_texts() {
    for full in Full::ALL {
        let (before, after) = (largest::sound(full, "dear", 1, 0), largest::sound(full, "dear", 2, 1));
        let checked = |text: &str| Definition::check(text).expect("sound").definition;
        let new = fastest(&format!("check {full:?}"), || checked(&after));
        let old = checked(&before);
        let gains = fastest(&format!("compare {full:?}"), || diff::gains(Some(&old), &new));
        let gains_all = fastest(&format!("compare {full:?} with nothing"), || diff::gains(None, &new));
        let moves: BTreeMap<_, _> = old.statuses().iter().map(|one| (one.code.clone(), one.code.clone())).collect();
        let faults = fastest(&format!("mapping {full:?}"), || diff::mapping_faults(&old, &new, &moves));
        println!(
            "             {} gains, {} of all, {} faults of a mapping",
            gains.len(),
            gains_all.len(),
            faults.len()
        );
    }
    for (what, text) in largest::unsound() {
        let found = fastest(&format!("check a definition of {what}"), || Definition::check(&text).is_err());
        assert!(found, "{what}");
        let found = fastest(&format!("check calendars of {what}"), || Calendars::check(&text).is_err());
        assert!(found, "{what}");
    }
    let text = largest::calendars("de", 2);
    fastest("check calendars", || Calendars::check(&text).expect("sound"));
    let shipped = laufzettel_contracts::ASYL_DE_2;
    fastest("check asyl-de-2", || Definition::check(shipped).expect("sound"));
}
