//! Fuzzes headers, blocks and certificates.
#![no_main]

libfuzzer_sys::fuzz_target!(init: laufzettel_fuzz::seeds::write("block"), |bytes: &[u8]| laufzettel_fuzz::block(bytes));
