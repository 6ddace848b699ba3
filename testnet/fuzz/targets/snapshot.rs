//! Fuzzes snapshots: manifests, and chunks of a lying server.
#![no_main]

libfuzzer_sys::fuzz_target!(init: laufzettel_fuzz::seeds::write("snapshot"), |bytes: &[u8]| laufzettel_fuzz::snapshot(bytes));
