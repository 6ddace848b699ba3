//! The binary `testnet`: starts, feeds, simulates and measures local networks.

#![expect(clippy::print_stdout, reason = "its results are for people and scripts")]

mod bench;
mod cli;
mod cluster;
mod demo;
#[cfg(test)]
mod e2e;
mod invariants;
mod load;
mod proxy;
mod replay;
mod restart;
mod roots;
mod sim;
mod submit;
mod torture;

use std::process::ExitCode;

use clap::Parser as _;

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
