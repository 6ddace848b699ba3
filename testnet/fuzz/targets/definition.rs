//! Fuzzes process definitions.
#![no_main]

libfuzzer_sys::fuzz_target!(init: laufzettel_fuzz::seeds::write("definition"), |bytes: &[u8]| laufzettel_fuzz::definition(bytes));
