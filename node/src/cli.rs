//! The command line. Every command ends with a documented exit code, prints
//! tables for people or JSON for programs, and says of an error what happened,
//! with which input, and what to do.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong usage, 3 the node is unreachable or
//! not in sync, 4 a verification failed.

mod case;
mod certificates;
mod client;
mod dev;
mod doctor;
mod due;
mod fault;
mod genesis;
mod gov;
mod inbox;
mod init;
mod keys;
mod mapping;
mod output;
mod process;
mod snapshot;
mod start;
mod status;
mod submit;
mod verify;
mod watch;
mod words;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use fault::Fault;
use output::{Format, Output};

/// The node of one authority in a Laufzettel network, and its tools.
///
/// Exit codes: 0 done, 1 failed, 2 wrong usage, 3 node unreachable or not in
/// sync, 4 verification failed.
#[derive(Debug, Parser)]
#[command(name = "laufzettel", version)]
pub struct Arguments {
    /// Folder of the node: config.toml, keys, certificates, profile.
    #[arg(long, global = true, default_value = ".")]
    home: PathBuf,
    /// Tables for people or JSON for programs.
    #[arg(long, global = true, value_enum, default_value_t = Format::Table)]
    output: Format,
    #[command(flatten)]
    connection: client::Connection,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a node's folder: keys, certificates, configuration, public card.
    Init(init::Init),
    /// Make and show keys.
    #[command(subcommand)]
    Keys(keys::Keys),
    /// Issue certificates for the node's server and its clients.
    #[command(subcommand)]
    Certificates(certificates::Certificates),
    /// Make and check the genesis file.
    #[command(subcommand)]
    Genesis(genesis::Genesis),
    /// Run the node until it is told to stop.
    Start(start::Start),
    /// Run a network of four authorities on this machine, to try things out.
    Dev(dev::Dev),
    /// How a node is.
    Status,
    /// What is wrong with a node, and what to do about it.
    Doctor(doctor::Doctor),
    /// Make and list a running node's snapshots.
    #[command(subcommand)]
    Snapshot(snapshot::Snapshot),
    /// Report a status.
    Submit(submit::Submit),
    /// Show cases.
    #[command(subcommand)]
    Case(case::Case),
    /// Tasks of the authority.
    #[command(subcommand)]
    Tasks(inbox::Tasks),
    /// Notices to the authority.
    #[command(subcommand)]
    Notices(inbox::Notices),
    /// Deadlines that the authority watches.
    #[command(subcommand)]
    Deadlines(inbox::Deadlines),
    /// Follow events as they become final.
    Watch(watch::Watch),
    /// Verify a proof file offline.
    Verify(verify::Verify),
    /// Work with process definitions.
    #[command(subcommand)]
    Process(process::Process),
    /// Propose changes of processes and calendars, and vote on them.
    #[command(subcommand)]
    Gov(gov::Gov),
}

/// Runs a command and gives its exit code.
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let output = Output::new(arguments.output);
    match dispatch(&arguments, &output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            output.fault(&fault);
            ExitCode::from(fault.code())
        }
    }
}

fn dispatch(arguments: &Arguments, output: &Output) -> Result<(), Fault> {
    let home = &arguments.home;
    let target = client::Target::new(home, &arguments.connection);
    match &arguments.command {
        Command::Init(command) => command.run(home, output),
        Command::Keys(command) => command.run(home, output),
        Command::Certificates(command) => command.run(home, output),
        Command::Genesis(command) => command.run(output),
        Command::Start(command) => command.run(home),
        Command::Dev(command) => block_on(command.run(output)),
        Command::Status => block_on(status::run(&target, output)),
        Command::Doctor(command) => block_on(command.run(home, output)),
        Command::Snapshot(command) => block_on(command.run(home, output)),
        Command::Submit(command) => block_on(command.run(&target, output)),
        Command::Case(command) => block_on(command.run(&target, output)),
        Command::Tasks(command) => block_on(command.run(&target, output)),
        Command::Notices(command) => block_on(command.run(&target, output)),
        Command::Deadlines(command) => block_on(command.run(&target, output)),
        Command::Watch(command) => block_on(command.run(&target, output)),
        Command::Verify(command) => command.run(home, output),
        Command::Process(command) => block_on(command.run(home, &target, output)),
        Command::Gov(command) => block_on(command.run(home, &target, output)),
    }
}

/// Runs one client call; a single thread is enough for it.
fn block_on(call: impl Future<Output = Result<(), Fault>>) -> Result<(), Fault> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Fault::failed(format!("cannot start the runtime: {error}")))?.block_on(call)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn arguments_are_consistent() {
        super::Arguments::command().debug_assert();
    }
}
