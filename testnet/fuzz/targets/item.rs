//! Fuzzes items: what a client signs, one action each.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| laufzettel_fuzz::item(bytes));
