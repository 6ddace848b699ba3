//! `laufzettel keys watermark reset`: lets a validator sign again that lost
//! its watermark. What may go wrong here is a second signature at one height,
//! so it asks, and says what it is going to do.

use std::io::{IsTerminal as _, stdin};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::cli::fault::Fault;
use crate::cli::output::Output;
use crate::reset::{self, ResetError, Stopped};
use crate::setup::Setup;

/// Subcommands of `keys watermark`.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Watermark {
    /// Let a stopped validator sign again whose watermark is missing, damaged or another's: only above the height
    /// that the network has reached, as validators of more than a third of the voting power prove.
    Reset(Reset),
}

/// Arguments of `keys watermark reset`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Reset {
    /// The configuration [default: HOME/config.toml].
    #[arg(long)]
    config: Option<PathBuf>,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
    /// How long to wait for the other validators, in seconds.
    #[arg(long, default_value_t = 90)]
    wait: u64,
}

impl Watermark {
    pub(in crate::cli) async fn run(&self, home: &Path, output: &Output) -> Result<(), Fault> {
        let Self::Reset(command) = self;
        command.run(home, output).await
    }
}

impl Reset {
    async fn run(&self, home: &Path, output: &Output) -> Result<(), Fault> {
        let path = self.config.clone().unwrap_or_else(|| home.join("config.toml"));
        let setup = Setup::load(&path).map_err(Fault::usage)?;
        let stopped = Stopped::take(&setup).map_err(Fault::failed)?;
        let authority = &setup.config.node.authority;
        if !self.yes {
            confirm(authority, &stopped, output)?;
        }
        output.note("asking the other validators how far the network is ...");
        let wait = Duration::from_secs(self.wait);
        let reached = reset::reached(&setup, wait, |text| output.note(text)).await.map_err(|error| match error {
            ResetError::TooFew { .. } => Fault::unreachable(error),
            other => Fault::failed(other),
        })?;
        let above = stopped.reset(&setup.genesis, reached).map_err(Fault::failed)?;
        let file = stopped.path().display().to_string();
        output.record(
            &[
                ("watermark", file.clone()),
                ("network is at", reached.to_string()),
                ("signs only above", above.to_string()),
            ],
            &json!({ "watermark": file, "reached": reached, "signs_above": above }),
        );
        Ok(())
    }
}

fn confirm(authority: &str, stopped: &Stopped, output: &Output) -> Result<(), Fault> {
    if !stdin().is_terminal() {
        return Err(Fault::usage("this asks before it resets; run it at a terminal, or with --yes"));
    }
    let file = stopped.path().display();
    output.note(&format!(
        "The watermark {file} of validator {authority} is to be reset. Nothing will be known any more of what it signed.\n\
         Do this only if no other node runs with the same consensus key, not even for a moment: two would sign against\n\
         each other, and the network would take {authority} for a traitor. Type {authority} to go on:"
    ));
    let mut answer = String::new();
    stdin().read_line(&mut answer).map_err(|error| Fault::failed(format!("cannot read the answer: {error}")))?;
    if answer.trim() == authority { Ok(()) } else { Err(Fault::failed("nothing was changed")) }
}
