//! `laufzettel genesis`: makes and checks the file all nodes start from.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use laufzettel_chain::genesis as ledger;
use serde_json::json;

use super::fault::Fault;
use super::init::write;
use super::output::Output;
use super::words::instant_text;
use crate::clock::now_ms;
use crate::genesis::{self, AuthorityCard};
use crate::keys::KeyPurpose;

/// Subcommands of `genesis`.
#[derive(Debug, Subcommand)]
pub(super) enum Genesis {
    /// Make a genesis file from the authorities' cards.
    New(New),
    /// Check a genesis file and show the network's id.
    Check {
        /// The file.
        file: PathBuf,
    },
}

/// Arguments of `genesis new`.
#[derive(Debug, Args)]
pub(super) struct New {
    /// Name of the network, for people.
    #[arg(long)]
    name: String,
    /// Card of an authority (authority.toml); several times.
    #[arg(long = "card", required = true)]
    cards: Vec<PathBuf>,
    /// Authority that validates; several times [default: all whose card has a consensus key].
    #[arg(long = "validator")]
    validators: Vec<String>,
    /// Text of a process definition; several times [default: the shipped asyl-de, version 2].
    #[arg(long = "definition")]
    definitions: Vec<PathBuf>,
    /// Text of the holidays and seats, where a definition is in language 2 [default: the shipped one].
    #[arg(long)]
    calendars: Option<PathBuf>,
    /// Block time of height 0 in milliseconds UTC [default: now].
    #[arg(long)]
    time_ms: Option<u64>,
    /// The file to make.
    #[arg(long)]
    out: PathBuf,
}

impl Genesis {
    pub(super) fn run(&self, output: &Output) -> Result<(), Fault> {
        match self {
            Self::New(new) => new.run(output),
            Self::Check { file } => show(file, &genesis::load(file).map_err(Fault::failed)?, output),
        }
    }
}

impl New {
    fn run(&self, output: &Output) -> Result<(), Fault> {
        let cards: Vec<_> =
            self.cards.iter().map(|path| AuthorityCard::load(path)).collect::<Result<_, _>>().map_err(Fault::failed)?;
        let votes = |card: &&AuthorityCard| card.keys.iter().any(|key| key.purpose == KeyPurpose::Consensus);
        let validators = match self.validators.as_slice() {
            [] => cards.iter().filter(votes).map(|card| card.id.clone()).collect(),
            given => given.to_vec(),
        };
        let mut definitions = Vec::new();
        for path in &self.definitions {
            definitions.push(read(path)?);
        }
        if definitions.is_empty() {
            definitions.push(laufzettel_contracts::ASYL_DE_2.to_owned());
        }
        let time_ms = self.time_ms.unwrap_or_else(now_ms);
        let mut made = genesis::Genesis::new(&self.name, time_ms, cards, &validators, definitions);
        if let Some(path) = &self.calendars {
            let text = read(path)?;
            made = made.and_then(|made| made.with_calendars(text));
        }
        let text = made.and_then(genesis::Genesis::text).map_err(Fault::failed)?;
        write(&self.out, &text)?;
        show(&self.out, &genesis::load(&self.out).map_err(Fault::failed)?, output)?;
        if validators.len() < 4 {
            output.say("note: fewer than four validators do not survive the failure of one");
        }
        Ok(())
    }
}

fn read(path: &Path) -> Result<String, Fault> {
    fs::read_to_string(path).map_err(|error| Fault::failed(format!("cannot read {}: {error}", path.display())))
}

fn show(file: &Path, genesis: &ledger::Genesis, output: &Output) -> Result<(), Fault> {
    let registry = &genesis.registry;
    let validators: Vec<_> = registry.validators.all().iter().map(|validator| validator.authority.clone()).collect();
    let definitions: Vec<_> = registry.definitions.keys().map(|(id, version)| format!("{id} {version}")).collect();
    let calendars = registry.calendars.as_ref().map(|found| format!("{} {}", found.id(), found.version()));
    let rows = [
        ("file", file.display().to_string()),
        ("network", genesis.network.to_string()),
        ("name", genesis.name.clone()),
        ("time", instant_text(genesis.time_ms)),
        ("authorities", registry.authorities.len().to_string()),
        ("validators", validators.join(", ")),
        ("definitions", definitions.join(", ")),
        ("protocol", registry.protocol.to_string()),
        ("calendars", calendars.clone().unwrap_or_else(|| "none".into())),
    ];
    let json = json!({
        "file": file, "network": genesis.network.to_string(), "name": genesis.name, "time_ms": genesis.time_ms,
        "authorities": registry.authorities.keys().collect::<Vec<_>>(), "validators": validators,
        "definitions": definitions, "protocol": registry.protocol, "calendars": calendars,
    });
    output.record(&rows, &json);
    Ok(())
}
