//! Fuzzes headers, blocks and certificates.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| laufzettel_fuzz::block(bytes));
