//! Starts, feeds, simulates and measures local networks.

#[allow(dead_code, reason = "the subcommand that plays them is not there yet")]
mod demo;
#[allow(dead_code, reason = "the subcommand that carries a plan out is not there yet")]
mod replay;

fn main() {}
