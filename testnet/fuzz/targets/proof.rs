//! Fuzzes proofs of the state tree.
#![no_main]

libfuzzer_sys::fuzz_target!(init: laufzettel_fuzz::seeds::write("proof"), |bytes: &[u8]| laufzettel_fuzz::proof(bytes));
