//! The public card of an authority: who it is, its roles and its public keys.
//! Never holds a private key.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{GenesisError, invalid};
use crate::config::{is_authority, parse_key};
use crate::keys::KeyPurpose;

/// One authority: the public card it hands over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthorityCard {
    /// Its id.
    pub id: String,
    /// Its name in German.
    pub label_de: String,
    /// Its name in English.
    pub label_en: String,
    /// Roles it may act in.
    pub roles: Vec<String>,
    /// Authority whose node serves it: itself, or the one it is a tenant of.
    pub hosted_by: String,
    /// Its public keys.
    #[serde(rename = "key")]
    pub keys: Vec<KeyEntry>,
}

/// One public key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyEntry {
    /// What it is for.
    pub purpose: KeyPurpose,
    /// The public key, 64 hexadecimal digits.
    pub public: String,
}

impl AuthorityCard {
    /// Reads a card.
    ///
    /// # Errors
    /// The file cannot be read, is not understood, or contradicts itself.
    pub fn load(path: &Path) -> Result<Self, GenesisError> {
        let text =
            fs::read_to_string(path).map_err(|source| GenesisError::Io { doing: "read", path: path.into(), source })?;
        let card: Self = toml::from_str(&text)
            .map_err(|error| GenesisError::Parse { path: path.into(), message: error.to_string() })?;
        card.validate()?;
        Ok(card)
    }

    /// Checks the card by itself.
    ///
    /// # Errors
    /// Names what is wrong.
    pub fn validate(&self) -> Result<(), GenesisError> {
        let code = |text: &str| {
            (1..=48).contains(&text.len())
                && text.starts_with(|first: char| first.is_ascii_lowercase())
                && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        };
        if !is_authority(&self.id) {
            return Err(invalid(&self.id, "no authority id: 2 to 32 of [a-z0-9-], a letter first"));
        }
        if let Some(role) = self.roles.iter().find(|role| !code(role)) {
            return Err(invalid(&self.id, format!("role {role:?} is no code: 1 to 48 of [a-z0-9_], a letter first")));
        }
        match self.keys.iter().find(|key| parse_key(&key.public).is_none()) {
            Some(key) => {
                Err(invalid(&self.id, format!("the {} key is no Ed25519 key in 64 hexadecimal digits", key.purpose)))
            }
            None => Ok(()),
        }
    }

    /// The card's text.
    ///
    /// # Errors
    /// The content cannot be written as TOML.
    pub fn render(&self) -> Result<String, GenesisError> {
        let body = toml::to_string_pretty(self).map_err(|error| invalid(&self.id, error.to_string()))?;
        Ok(format!("# Public card of an authority, to be handed to whoever makes the genesis file.\n{body}"))
    }
}
