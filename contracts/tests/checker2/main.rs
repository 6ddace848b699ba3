//! The checker on texts in language 2: the sound text gives all it says, each fault in it is told at its place, and
//! whatever becomes of the text is answered.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test stops at the first thing that does not hold"
)]

mod answered;
mod edges;
#[path = "../faults/mod.rs"]
mod faults;
mod found;
mod graphs;
#[path = "../hostile/mod.rs"]
mod hostile;
mod one_fault;

use faults::{replaced, said};
use laufzettel_contracts::Definition;

/// A small process with everything language 2 has.
const SOUND: &str = include_str!("sound.toml");

fn sound() -> Definition {
    Definition::check(SOUND).map_err(|all| said(Err(all))).expect("the text is sound").definition
}

/// Everything the checker says of a text.
fn said_of(text: &str) -> String {
    said(Definition::check(text).map(|checked| checked.notes))
}

/// The sound text with one part replaced; an empty part appends.
fn with(from: &str, to: &str) -> String {
    replaced(SOUND, from, to)
}
