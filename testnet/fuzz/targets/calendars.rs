//! Fuzzes calendars and the ends of periods they give.
#![no_main]

libfuzzer_sys::fuzz_target!(init: laufzettel_fuzz::seeds::write("calendars"), |bytes: &[u8]| laufzettel_fuzz::calendars(bytes));
