//! Fuzzes conditions of process definitions.
#![no_main]

libfuzzer_sys::fuzz_target!(init: laufzettel_fuzz::seeds::write("expression"), |bytes: &[u8]| laufzettel_fuzz::expression(bytes));
