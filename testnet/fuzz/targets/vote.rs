//! Fuzzes proposals and votes, as items and as the state keeps them.
#![no_main]

libfuzzer_sys::fuzz_target!(init: laufzettel_fuzz::seeds::write("vote"), |bytes: &[u8]| laufzettel_fuzz::change::vote(bytes));
