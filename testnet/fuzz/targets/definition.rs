//! Fuzzes process definitions.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| laufzettel_fuzz::definition(bytes));
