//! Fuzzes event logs, and the definitions derived from them.
#![no_main]

libfuzzer_sys::fuzz_target!(init: laufzettel_fuzz::seeds::write("csv"), |bytes: &[u8]| laufzettel_fuzz::csv(bytes));
