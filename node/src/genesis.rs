//! Making the genesis file: the text all nodes of a network start from, whose
//! hash is the network's id.
//!
//! It is put together from authority cards, which each authority makes with
//! `laufzettel init` and hands over: public keys only. The meaning of the file
//! is the ledger's (`laufzettel-chain`); here it is written, never executed.

mod card;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use laufzettel_chain::crypto::Hash;
use laufzettel_chain::genesis as ledger;
use laufzettel_chain::ledger::genesis_state;
use laufzettel_chain::storage::mem::MemStore;
use laufzettel_contracts::{CALENDARS_DE, Definition};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::keys::KeyPurpose;
pub use card::{AuthorityCard, KeyEntry};

/// The content of a genesis file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Genesis {
    /// Version of the file's format, 1.
    pub version: u32,
    /// Name of the network, for people.
    pub name: String,
    /// Protocol version from height 0 on. Left out where it is 1.
    #[serde(default = "first_protocol", skip_serializing_if = "is_first_protocol")]
    pub protocol: u16,
    /// Block time of height 0, milliseconds UTC.
    pub time_ms: u64,
    /// Root of the state at height 0, hexadecimal.
    pub state_root: String,
    /// First values of the parameters in state.
    pub parameters: Parameters,
    /// The authorities, ascending by id.
    #[serde(rename = "authority")]
    pub authorities: Vec<AuthorityCard>,
    /// The validators, ascending by authority.
    #[serde(rename = "validator")]
    pub validators: Vec<ValidatorEntry>,
    /// The process definitions.
    #[serde(rename = "definition", default)]
    pub definitions: Vec<DefinitionEntry>,
    /// Holidays and seats: exactly one text from protocol version 2 on.
    #[serde(rename = "calendar", default, skip_serializing_if = "Vec::is_empty")]
    pub calendars: Vec<CalendarsEntry>,
}

fn first_protocol() -> u16 {
    1
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_first_protocol(protocol: &u16) -> bool {
    *protocol == first_protocol()
}

/// Timeouts of consensus, in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Parameters {
    /// Waiting for a proposal in round 0.
    pub propose_ms: u64,
    /// More in each further round.
    pub propose_step_ms: u64,
    /// Waiting for votes in round 0.
    pub vote_ms: u64,
    /// More in each further round.
    pub vote_step_ms: u64,
    /// No timeout is longer.
    pub cap_ms: u64,
    /// Votes are sent again after this time.
    pub rebroadcast_ms: u64,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            propose_ms: 400,
            propose_step_ms: 200,
            vote_ms: 150,
            vote_step_ms: 100,
            cap_ms: 10_000,
            rebroadcast_ms: 1_000,
        }
    }
}

/// One validator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValidatorEntry {
    /// Its authority, which has one consensus key.
    pub authority: String,
    /// Its voting power.
    pub power: u64,
}

/// One process definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DefinitionEntry {
    /// The whole text.
    pub text: String,
}

/// The calendars.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalendarsEntry {
    /// The whole text.
    pub text: String,
}

/// The protocol version that definitions need. What is no definition needs none; the ledger says what is wrong with it.
fn needed_protocol(definitions: &[String]) -> u16 {
    let languages = definitions.iter().filter_map(|text| Some(Definition::check(text).ok()?.definition.language()));
    languages.max().and_then(|language| u16::try_from(language).ok()).unwrap_or(1)
}

/// Why a genesis file cannot be made or used.
#[derive(Debug, Error)]
pub enum GenesisError {
    /// A file cannot be read or written.
    #[error("cannot {doing} {path}: {source}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is not understood; the message shows line and column.
    #[error("{path} is not understood: {message}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Place and reason.
        message: String,
    },
    /// The content contradicts itself.
    #[error("{subject}: {message}")]
    Invalid {
        /// What it is about.
        subject: String,
        /// What is wrong, and what to do.
        message: String,
    },
}

fn invalid(subject: impl Into<String>, message: impl Into<String>) -> GenesisError {
    GenesisError::Invalid { subject: subject.into(), message: message.into() }
}

impl Genesis {
    /// Puts a genesis together. The state root is filled by [`Genesis::text`]. The protocol version is the lowest that
    /// runs the definitions; if it has calendars, they are the shipped ones, see [`Genesis::with_calendars`].
    ///
    /// # Errors
    /// The content contradicts itself.
    pub fn new(
        name: &str,
        time_ms: u64,
        mut authorities: Vec<AuthorityCard>,
        validators: &[String],
        definitions: Vec<String>,
    ) -> Result<Self, GenesisError> {
        authorities.sort_by(|a, b| a.id.cmp(&b.id));
        for authority in &mut authorities {
            authority.keys.sort();
        }
        let validators: BTreeSet<_> = validators.iter().cloned().collect();
        let protocol = needed_protocol(&definitions);
        let calendars = (!is_first_protocol(&protocol)).then(|| CalendarsEntry { text: CALENDARS_DE.to_owned() });
        let genesis = Self {
            version: 1,
            name: name.into(),
            protocol,
            time_ms,
            state_root: String::new(),
            parameters: Parameters::default(),
            authorities,
            validators: validators.into_iter().map(|authority| ValidatorEntry { authority, power: 1 }).collect(),
            definitions: definitions.into_iter().map(|text| DefinitionEntry { text }).collect(),
            calendars: calendars.into_iter().collect(),
        };
        genesis.validate()?;
        Ok(genesis)
    }

    /// Takes other calendars than the shipped ones.
    ///
    /// # Errors
    /// No definition has deadlines, so that there is nothing to count.
    pub fn with_calendars(mut self, text: String) -> Result<Self, GenesisError> {
        if is_first_protocol(&self.protocol) {
            let message = "no definition is in language 2, so that nothing is counted by calendars; leave them out";
            return Err(invalid("calendars", message));
        }
        self.calendars = vec![CalendarsEntry { text }];
        Ok(self)
    }

    /// Checks that the parts fit together.
    ///
    /// # Errors
    /// Names the part that does not.
    pub fn validate(&self) -> Result<(), GenesisError> {
        if self.version != 1 {
            return Err(invalid(
                "version",
                format!("{} is not understood; this program reads version 1", self.version),
            ));
        }
        if self.name.is_empty() || self.name.len() > 64 {
            return Err(invalid("name", "must have 1 to 64 characters"));
        }
        let ids: BTreeSet<_> = self.authorities.iter().map(|authority| authority.id.as_str()).collect();
        if ids.len() != self.authorities.len() {
            return Err(invalid("authorities", "one id is named twice; give one card an authority"));
        }
        let mut keys = BTreeSet::new();
        for authority in &self.authorities {
            authority.validate()?;
            if !ids.contains(authority.hosted_by.as_str()) {
                let message = format!("hosted_by names {}, which has no card", authority.hosted_by);
                return Err(invalid(&authority.id, message));
            }
            if let Some(twice) = authority.keys.iter().find(|key| !keys.insert(key.public.clone())) {
                let message = format!("key {} is used twice; every key has one owner and one purpose", twice.public);
                return Err(invalid(&authority.id, message));
            }
        }
        if self.validators.is_empty() {
            return Err(invalid("validators", "name at least one authority that validates; four survive one failure"));
        }
        let mut seen = BTreeSet::new();
        for validator in &self.validators {
            self.validate_validator(validator)?;
            if !seen.insert(&validator.authority) {
                return Err(invalid(&validator.authority, "is a validator twice"));
            }
        }
        Ok(())
    }

    fn validate_validator(&self, validator: &ValidatorEntry) -> Result<(), GenesisError> {
        let id = &validator.authority;
        let authority = self.authorities.iter().find(|authority| authority.id == *id);
        let authority = authority.ok_or_else(|| invalid(id, "is to validate and has no card"))?;
        let count = |purpose| authority.keys.iter().filter(|key| key.purpose == purpose).count();
        if validator.power == 0 {
            return Err(invalid(id, "a validator's power is at least 1"));
        }
        if count(KeyPurpose::Consensus) != 1 || count(KeyPurpose::Node) != 1 {
            return Err(invalid(id, "a validator's card needs exactly one consensus key and one node key"));
        }
        if authority.hosted_by != *id {
            return Err(invalid(id, "a validator runs its own node: hosted_by must be itself"));
        }
        Ok(())
    }

    /// The file's text, with the root of the state that the ledger computes from
    /// it. Its exact bytes are hashed: write them once, copy them unchanged.
    ///
    /// # Errors
    /// The ledger refuses the content, a definition for example.
    pub fn text(mut self) -> Result<String, GenesisError> {
        self.state_root = data_encoding::HEXLOWER.encode(&[0; 32]);
        let (root, _) = state_root(self.render()?.as_bytes())?;
        self.state_root = data_encoding::HEXLOWER.encode(&root);
        self.render()
    }

    /// The file's text with the state root as it stands.
    ///
    /// # Errors
    /// The content cannot be written as TOML.
    pub fn render(&self) -> Result<String, GenesisError> {
        let body = toml::to_string_pretty(self).map_err(|error| invalid("genesis", error.to_string()))?;
        let head = "# Genesis of a Laufzettel network. The network's id is the hash of this file:\n\
                    # copy it unchanged, byte for byte, to every node.\n";
        Ok(format!("{head}{body}"))
    }
}

/// The root of the state a genesis text describes, and what the ledger read.
fn state_root(bytes: &[u8]) -> Result<(Hash, ledger::Genesis), GenesisError> {
    let genesis = ledger::Genesis::parse(bytes).map_err(|error| invalid("genesis", error.to_string()))?;
    let (root, _) =
        genesis_state(&genesis, &MemStore::default()).map_err(|error| invalid("genesis", error.to_string()))?;
    Ok((root, genesis))
}

/// Reads a genesis file and compares the state root it claims.
///
/// # Errors
/// The file cannot be read, the ledger refuses it, or its root is wrong.
pub fn load(path: &Path) -> Result<ledger::Genesis, GenesisError> {
    let bytes = fs::read(path).map_err(|source| GenesisError::Io { doing: "read", path: path.into(), source })?;
    let (root, genesis) = state_root(&bytes).map_err(|error| invalid(path.display().to_string(), error.to_string()))?;
    if root == genesis.state_root {
        return Ok(genesis);
    }
    let hex = |root: &Hash| data_encoding::HEXLOWER.encode(root);
    let (claimed, computed) = (hex(&genesis.state_root), hex(&root));
    let message = format!(
        "state_root is {claimed}, its content gives {computed}; the file was edited after it was made, or by another \
         version of this program: compare network ids with the other authorities"
    );
    Err(invalid(path.display().to_string(), message))
}
