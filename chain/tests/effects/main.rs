//! What follows from cases of language 2, inside the ledger: refused and overridden announcements, acknowledgements and
//! completions, corrections that withdraw, inboxes, due work, joining, and the vectors of the formats that this brings.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at the first thing that does not hold"
)]

#[path = "../fixture/mod.rs"]
mod fixture;

mod asked;
mod changed;
mod due;
mod genesis;
mod governance;
mod joined;
#[path = "../../../contracts/tests/hostile/largest.rs"]
mod largest;
mod moves;
mod process_proof;
mod proposal_cost;
mod random;
mod stories;
mod tried;
mod unchanged;
mod vectors;
mod voted;
mod world;
