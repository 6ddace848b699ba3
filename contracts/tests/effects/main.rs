//! What follows from reports: the rules one by one, and the fold against a slow reference.
#![allow(clippy::expect_used, reason = "a test stops at the first thing that does not hold")]
#![allow(clippy::indexing_slicing, reason = "a test stops at the first thing that does not hold")]

mod bounds;
mod compare;
mod kept;
#[path = "../processor/mod.rs"]
mod processor;
mod random;
mod reference;
mod speed;
mod stories;
mod views;
mod world;
