//! Fuzzes messages of peers: votes, proposals, parts, requests, offers, beats.
#![no_main]

libfuzzer_sys::fuzz_target!(init: laufzettel_fuzz::seeds::write("message"), |bytes: &[u8]| laufzettel_fuzz::message(bytes));
