//! Fuzzes payloads: the bytes a client signs.
#![no_main]

libfuzzer_sys::fuzz_target!(init: laufzettel_fuzz::seeds::write("payload"), |bytes: &[u8]| laufzettel_fuzz::payload(bytes));
