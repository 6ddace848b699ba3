//! `laufzettel keys`: makes key files, shows their public halves, and resets
//! the watermark of the consensus key.

mod watermark;

use std::path::{Path, PathBuf};

use clap::Subcommand;
use laufzettel_chain::crypto::VerifyingKey;
use laufzettel_chain::ids::KeyId;
use serde_json::json;

use super::fault::Fault;
use super::output::Output;
use super::words::hex;
use crate::keys::{self, KeyPurpose};
use crate::network;

/// Subcommands of `keys`.
#[derive(Debug, Subcommand)]
pub(super) enum Keys {
    /// Make a key in a new file that only its owner can read.
    Generate {
        /// What it is for.
        purpose: KeyPurpose,
        /// The file.
        file: PathBuf,
    },
    /// Show the public half of a key file.
    Show {
        /// The file.
        file: PathBuf,
    },
    /// What keeps the consensus key from signing twice.
    #[command(subcommand)]
    Watermark(watermark::Watermark),
}

impl Keys {
    pub(super) fn run(&self, home: &Path, output: &Output) -> Result<(), Fault> {
        match self {
            Self::Generate { purpose, file } => {
                let key = keys::generate().map_err(Fault::failed)?;
                keys::save(file, &key).map_err(Fault::failed)?;
                show(file, Some(*purpose), &key.verifying_key(), output)
            }
            Self::Show { file } => {
                let key = keys::load(file).map_err(Fault::failed)?;
                show(file, None, &key.verifying_key(), output)
            }
            Self::Watermark(command) => super::block_on(command.run(home, output)),
        }
    }
}

fn show(file: &Path, purpose: Option<KeyPurpose>, key: &VerifyingKey, output: &Output) -> Result<(), Fault> {
    let (public, id) = (hex(key.as_bytes()), KeyId::of(key).to_string());
    let peer = network::peer_id(key).map_err(Fault::failed)?.to_string();
    let mut rows = vec![("file", file.display().to_string())];
    if let Some(purpose) = purpose {
        rows.push(("purpose", purpose.to_string()));
    }
    rows.extend([("public key", public.clone()), ("key id", id.clone()), ("peer id", peer.clone())]);
    let purpose = purpose.map(KeyPurpose::word);
    output.record(&rows, &json!({ "file": file, "purpose": purpose, "public": public, "key_id": id, "peer_id": peer }));
    Ok(())
}
