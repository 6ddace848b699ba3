//! Fuzzes what a draft changes in a case.
#![no_main]

libfuzzer_sys::fuzz_target!(init: laufzettel_fuzz::seeds::write("compare"), |bytes: &[u8]| laufzettel_fuzz::change::compared(bytes));
