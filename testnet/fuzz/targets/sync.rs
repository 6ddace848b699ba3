//! Fuzzes sync responses: decided blocks with their certificates.
#![no_main]

libfuzzer_sys::fuzz_target!(init: laufzettel_fuzz::seeds::write("sync"), |bytes: &[u8]| laufzettel_fuzz::sync(bytes));
