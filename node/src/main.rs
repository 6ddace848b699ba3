//! The binary `laufzettel`: arguments, runtime, exit code.
fn main() {}
