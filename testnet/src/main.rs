//! Starts, feeds, simulates and measures local networks.

#[allow(dead_code, reason = "the subcommand that plays them is not there yet")]
mod demo;
#[allow(dead_code, reason = "the subcommand that carries a plan out is not there yet")]
mod replay;
mod sim;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Local networks of nodes.
#[derive(Debug, Parser)]
#[command(name = "testnet")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Simulate networks in one thread each, from seeds.
    Sim {
        /// First seed and the one after the last, as A..B.
        #[arg(long, default_value = "0..200", value_parser = seeds)]
        seeds: std::ops::Range<u64>,
        /// One line of JSON per seed.
        #[arg(long)]
        json: bool,
    },
}

fn seeds(text: &str) -> Result<std::ops::Range<u64>, String> {
    let (first, end) = text.split_once("..").ok_or("write A..B")?;
    let number = |part: &str| part.parse::<u64>().map_err(|error| error.to_string());
    Ok(number(first)?..number(end)?)
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Sim { seeds, json } => {
            if sim::run_all(seeds, json) {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
    }
}
