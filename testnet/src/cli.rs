//! The command line of `testnet`. Exit status 0 only where everything held.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use serde::Serialize;

use crate::cluster::Fault;
use crate::replay::run::Wish;
use crate::story::Story;
use crate::{bench, demo, join, replay, restart, sim, story, torture};

/// Starts, feeds, simulates and measures local networks.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Four authorities and a story of two cases: deadlines, a task, a correction, an urgent stop, and a proof.
    Demo {
        /// Instead, fourteen cases of the process without rules, and where they stand.
        #[arg(long)]
        cases: bool,
        /// Where to keep the network's files and the proof; a temporary folder if not given.
        #[arg(long)]
        folder: Option<PathBuf>,
    },
    /// Plays an event log into a network and reads everything back.
    Replay {
        /// The log, CSV with columns for case, activity, time and, if there are any, groups.
        #[arg(long)]
        log: PathBuf,
        /// The process definition; `laufzettel process derive LOG` makes one.
        #[arg(long)]
        definition: PathBuf,
        /// Number of nodes.
        #[arg(long, default_value = "4")]
        nodes: NonZeroUsize,
        /// Shuffles the order of sending.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Prints the report as JSON and nothing else.
        #[arg(long)]
        json: bool,
    },
    /// Kills nodes under load, again and again, and checks what was promised.
    Restart {
        /// Number of kills; every fourth is of all nodes at once.
        #[arg(long, default_value_t = 20)]
        kills: u64,
        /// Chooses victims and moments.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Prints the report as JSON and nothing else.
        #[arg(long)]
        json: bool,
    },
    /// A fifth node joins from a snapshot under load, from an empty disk, while its peers have pruned the past.
    Join {
        /// Cases in the ledger; they are written into the stores before the nodes start.
        #[arg(long, default_value_t = 10_000)]
        cases: u64,
        /// So often the joining node is killed before it may finish.
        #[arg(long, default_value_t = 0)]
        kills: u64,
        /// Damages a chunk of one server's snapshot.
        #[arg(long)]
        damage: bool,
        /// Instead, a validator comes back that is behind all that its peers keep.
        #[arg(long, conflicts_with_all = ["cases", "kills", "damage"])]
        behind: bool,
        /// Chooses ids and moments.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Prints the report as JSON and nothing else to standard output.
        #[arg(long)]
        json: bool,
    },
    /// Strikes a network with every fault under load: kills, pauses, cuts, full disks, clocks, damaged files.
    Torture {
        /// How long at least; every kind of fault strikes, however long that takes.
        #[arg(long, default_value_t = 5)]
        minutes: u64,
        /// Chooses faults, victims and moments.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Only faults of this kind, to look into one; as docs/TORTURE.md names them.
        #[arg(long)]
        only: Option<String>,
        /// The process that cases are led under: one of seconds, or the shipped asylum procedure.
        #[arg(long, default_value = crate::fast::ID, value_parser = [crate::fast::ID, torture::law::NAME])]
        definition: String,
        /// Prints the report as JSON and nothing else to standard output.
        #[arg(long)]
        json: bool,
    },
    /// Tells an acceptance story over real processes, step by step; fails unless every step held.
    #[command(subcommand)]
    Story(Story),
    /// Simulates networks in one thread each, from seeds.
    Sim {
        /// First seed and the one after the last, as A..B.
        #[arg(long, default_value = "0..200", value_parser = seeds)]
        seeds: Range<u64>,
        /// One line of JSON per seed.
        #[arg(long)]
        json: bool,
    },
    /// Measures a network of four processes.
    Bench {
        /// First figures in at most 90 seconds, without faults and disk.
        #[arg(long)]
        quick: bool,
        /// Measures one ledger as it grows to a million cases instead, or to ten thousand with `--quick`.
        #[arg(long)]
        growth: bool,
        /// Measures transactions with many events and the catch-up alone, for a profile.
        #[arg(long, conflicts_with_all = ["growth", "postgres"])]
        batch: bool,
        /// Measures the lists of an authority with 100,000 open tasks, or 10,000 with `--quick`.
        #[arg(long, conflicts_with_all = ["growth", "batch", "postgres"])]
        inbox: bool,
        /// Measures what the rules of a process add to the cost of an event: one ledger with, one without, in turn.
        #[arg(long, conflicts_with_all = ["growth", "postgres", "batch", "inbox"])]
        rules: bool,
        /// Lets 100,000 deadlines come at once, more while the network was down, and as many escalations over four
        /// processes; with `--quick` 10,000, and not the last.
        #[arg(long, conflicts_with_all = ["growth", "postgres", "batch", "inbox", "rules"])]
        storm: bool,
        /// Lets a PostgreSQL on this machine do the same work and compares.
        #[arg(long, conflicts_with = "growth")]
        postgres: bool,
        /// Prints the figures as JSON and nothing else.
        #[arg(long)]
        json: bool,
    },
}

fn seeds(text: &str) -> Result<Range<u64>, String> {
    let (first, end) = text.split_once("..").ok_or("write A..B")?;
    let number = |part: &str| part.parse::<u64>().map_err(|error| error.to_string());
    Ok(number(first)?..number(end)?)
}

fn print<T: Serialize + std::fmt::Display>(result: &T, json: bool) -> Result<(), Fault> {
    if json {
        println!("{}", serde_json::to_string(result)?);
    } else {
        println!("{result}");
    }
    Ok(())
}

impl Arguments {
    pub(crate) async fn run(self) -> Result<ExitCode, Fault> {
        let sound = match self.command {
            Command::Demo { folder, cases } => {
                let kept = folder.map_or_else(|| tempfile::tempdir().map(tempfile::TempDir::keep), Ok)?;
                if cases {
                    demo::run::run(&kept).await?
                } else {
                    demo::run::tell(&kept).await?
                }
                true
            }
            Command::Replay { log, definition, nodes, seed, json } => {
                let wish = Wish { log: &log, definition: &definition, nodes, seed, quiet: json };
                let report = replay::run::run(&wish).await?;
                print(&report, json)?;
                report.is_sound()
            }
            Command::Restart { kills, seed, json } => {
                let report = restart::run(kills, seed, json).await?;
                print(&report, json)?;
                report.is_sound()
            }
            Command::Join { behind: true, seed, json, .. } => {
                let back = join::come_back(seed).await?;
                print(&back, json)?;
                back.is_sound()
            }
            Command::Join { cases, kills, damage, seed, json, behind: false } => {
                let report = join::run(&join::Wish { cases, kills, damage, seed, quiet: false }).await?;
                print(&report, json)?;
                report.is_sound()
            }
            Command::Torture { minutes, seed, only, definition, json } => {
                let law = definition == torture::law::NAME;
                let report = torture::run(&torture::Wish { minutes, seed, only, law, quiet: false }).await?;
                print(&report, json)?;
                report.is_sound()
            }
            Command::Story(Story::UrgentStop { motion, circumstance, json }) => {
                let report = story::urgent_stop(&story::Wish { motion, circumstance, quiet: json }).await?;
                print(&report, json)?;
                report.is_sound()
            }
            Command::Story(Story::Corrections { json }) => {
                let report = story::corrections::run(json).await?;
                print(&report, json)?;
                report.is_sound()
            }
            Command::Story(Story::Simulate { cases, seed, json }) => {
                let report = story::simulate::run(&story::simulate::Wish { cases, seed, quiet: json }).await?;
                print(&report, json)?;
                report.is_sound()
            }
            Command::Sim { seeds, json } => sim::run_all(seeds, json),
            Command::Bench { quick, growth, batch, inbox, rules, storm, postgres, json } => {
                let figures = match (growth, batch) {
                    _ if inbox => bench::inbox::run(quick).await?,
                    _ if rules => bench::rules(quick).await?,
                    _ if storm => bench::storm(quick).await?,
                    (true, _) => bench::growth(quick)?,
                    (_, true) => bench::batch(quick).await?,
                    _ => bench::run(quick, postgres).await?,
                };
                print(&figures, json)?;
                true
            }
        };
        Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
