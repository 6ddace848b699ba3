//! `laufzettel verify`: checks a proof file with nothing but the genesis file.
//! Exit code 4 if it does not hold.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use laufzettel_chain::light::LightClient;
use laufzettel_proto::v1;
use prost::Message as _;
use serde_json::json;

use super::fault::Fault;
use super::output::Output;
use super::words::{hex, instant_text};
use crate::api::convert;
use crate::genesis;

/// Arguments of `verify`.
#[derive(Debug, Args)]
pub(super) struct Verify {
    /// The proof, made by `laufzettel case show --proof`.
    file: PathBuf,
    /// The genesis file to trust [default: HOME/genesis.toml].
    #[arg(long)]
    genesis: Option<PathBuf>,
}

impl Verify {
    pub(super) fn run(&self, home: &Path, output: &Output) -> Result<(), Fault> {
        let path = self.genesis.clone().unwrap_or_else(|| home.join("genesis.toml"));
        let genesis = genesis::load(&path).map_err(Fault::failed)?;
        let file = self.file.display();
        let bytes = fs::read(&self.file).map_err(|error| Fault::failed(format!("cannot read {file}: {error}")))?;
        let message = v1::Proof::decode(bytes.as_slice())
            .map_err(|error| Fault::unverified(format!("{file} is no proof file: {error}")))?;
        let proof = convert::proof_from(&message)
            .map_err(|error| Fault::unverified(format!("{file} is malformed: {error}")))?;
        proof.verify(&LightClient::new(&genesis)).map_err(|error| {
            Fault::unverified(format!("{file} proves nothing for network {}: {error}", genesis.name))
        })?;
        let signers: Vec<_> = proof
            .certificate
            .signatures
            .iter()
            .filter_map(|(address, _)| genesis.registry.validators.get(address))
            .map(|validator| validator.authority.clone())
            .collect();
        let all = genesis.registry.validators.all().len();
        let exists = proof.root.is_some();
        let fields: Vec<_> = proof.fields.iter().map(|field| (field.index, hex(&field.bytes))).collect();
        let rows = [
            ("proof", "holds".to_owned()),
            ("case", format!("{}{}", proof.case, if exists { "" } else { ", which did not exist" })),
            ("block", format!("height {}, {}", proof.header.height, instant_text(proof.header.time_ms))),
            ("network", format!("{} {}", genesis.name, genesis.network)),
            ("signed by", format!("{} of {all} validators: {}", signers.len(), signers.join(", "))),
            ("fields opened", fields.len().to_string()),
        ];
        let json = json!({
            "holds": true, "case": proof.case.to_string(), "exists": exists, "height": proof.header.height,
            "block_time_ms": proof.header.time_ms, "network": genesis.network.to_string(), "signed_by": signers,
            "validators": all,
            "fields": fields.iter().map(|(index, bytes)| json!({ "index": index, "bytes": bytes })).collect::<Vec<_>>(),
        });
        output.record(&rows, &json);
        Ok(())
    }
}
