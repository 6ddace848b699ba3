//! The binary `laufzettel`: arguments in, exit code out.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    laufzettel_node::cli::run()
}
