//! The binary `testnet`: starts, feeds, simulates and measures local networks.

#![expect(clippy::print_stdout, reason = "its results are for people and scripts")]

mod bench;
mod cli;
mod cluster;
mod demo;
#[cfg(test)]
mod e2e;
mod fast;
#[cfg(test)]
mod hostile;
mod invariants;
mod join;
mod load;
#[cfg(test)]
mod lost_watermark;
mod proxy;
#[cfg(test)]
mod refused;
mod replay;
mod restart;
mod roots;
mod sim;
#[cfg(test)]
mod starts;
mod story;
mod submit;
mod torture;

use std::process::ExitCode;

use clap::Parser as _;

/// As in the node.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    match cli::Arguments::parse().run().await {
        Ok(code) => code,
        Err(fault) => {
            eprintln!("testnet: {fault}");
            ExitCode::FAILURE
        }
    }
}
