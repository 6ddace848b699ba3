//! Fuzzes items: what a client signs, one action each.
#![no_main]

libfuzzer_sys::fuzz_target!(init: laufzettel_fuzz::seeds::write("item"), |bytes: &[u8]| laufzettel_fuzz::item(bytes));
