//! Fuzzes signed transactions, as protobuf from clients and canonical from peers.
#![no_main]

libfuzzer_sys::fuzz_target!(init: laufzettel_fuzz::seeds::write("transaction"), |bytes: &[u8]| laufzettel_fuzz::transaction(bytes));
