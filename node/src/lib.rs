//! The node of one authority. Read `consensus` first: a pure driver that is
//! handed the time and all completions; everything that touches clock, disk
//! or network lies around it.
#![forbid(unsafe_code)]

pub mod consensus;
pub mod mempool;
