//! Fuzzes entries of the consensus log and slots of the watermark.
#![no_main]

libfuzzer_sys::fuzz_target!(init: laufzettel_fuzz::seeds::write("log"), |bytes: &[u8]| laufzettel_fuzz::log(bytes));
