//! The binary `laufzettel`: arguments in, exit code out.
#![forbid(unsafe_code)]

use std::process::ExitCode;

/// A node makes and drops many small pieces on many threads; the system's allocator is slow at that and gives little back.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    laufzettel_node::cli::run()
}
