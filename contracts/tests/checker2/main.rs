//! The checker on texts in language 2: the sound text gives all it says, each fault in it is told at its place, and
//! whatever becomes of the text is answered.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test stops at the first thing that does not hold"
)]

use laufzettel_contracts::{Definition, Finding};

mod answered;
mod faults;
mod found;
mod graphs;

/// A small process with everything language 2 has.
const SOUND: &str = include_str!("sound.toml");

fn sound() -> Definition {
    match Definition::check(SOUND) {
        Ok(checked) => checked.definition,
        Err(findings) => panic!("{}", list(&findings)),
    }
}

fn list(findings: &[Finding]) -> String {
    findings.iter().map(|finding| format!("  {finding}\n")).collect()
}

/// Everything the checker says of a text.
fn said_of(text: &str) -> String {
    match Definition::check(text) {
        Ok(checked) => format!("passes\n{}", list(&checked.notes)),
        Err(findings) => format!("fails\n{}", list(&findings)),
    }
}

/// The sound text with one part replaced; an empty part appends.
fn with(from: &str, to: &str) -> String {
    if from.is_empty() {
        return format!("{SOUND}{to}");
    }
    assert!(SOUND.contains(from), "nothing to change: {from}");
    SOUND.replacen(from, to, 1)
}
