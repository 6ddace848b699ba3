//! Fuzzes changes of a process: who must agree, and mappings of cases.
#![no_main]

libfuzzer_sys::fuzz_target!(init: laufzettel_fuzz::seeds::write("diff"), |bytes: &[u8]| laufzettel_fuzz::change::diff(bytes));
