//! Fuzzes genesis files.
#![no_main]

libfuzzer_sys::fuzz_target!(init: laufzettel_fuzz::seeds::write("genesis"), |bytes: &[u8]| laufzettel_fuzz::genesis(bytes));
