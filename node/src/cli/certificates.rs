//! `laufzettel certificates`: issues certificates by the node's root, in
//! `HOME/tls/ca.pem` and `ca-key.pem`.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::json;

use super::client::Profile;
use super::fault::Fault;
use super::init::{make_folder, write};
use super::output::Output;
use crate::tls::{self, CertificateFiles, Subject};

/// Subcommands of `certificates`.
#[derive(Debug, Subcommand)]
pub(super) enum Certificates {
    /// Issue a server certificate into a folder: server.pem, server-key.pem.
    Server {
        /// Names or IP addresses under which clients reach the node.
        #[arg(required = true)]
        hosts: Vec<String>,
        /// The folder.
        #[arg(long)]
        out: PathBuf,
    },
    /// Make a client profile in a folder, for the node's authority or a tenant.
    Client {
        /// Authority the client acts for.
        authority: String,
        /// The folder.
        #[arg(long)]
        out: PathBuf,
        /// Address of the node, host:port.
        #[arg(long)]
        address: String,
    },
}

impl Certificates {
    pub(super) fn run(&self, home: &Path, output: &Output) -> Result<(), Fault> {
        let root = home.join("tls");
        let root = CertificateFiles::load(&root.join("ca.pem"), &root.join("ca-key.pem")).map_err(Fault::failed)?;
        let out = match self {
            Self::Server { hosts, out } => {
                make_folder(out)?;
                let files = tls::issue(&root, &Subject::Server(hosts.clone())).map_err(Fault::failed)?;
                files.save(&out.join("server.pem"), &out.join("server-key.pem")).map_err(Fault::failed)?;
                out
            }
            Self::Client { authority, out, address } => {
                make_folder(out)?;
                let files = tls::issue(&root, &Subject::Client(authority.clone())).map_err(Fault::failed)?;
                files.save(&out.join("client.pem"), &out.join("client-key.pem")).map_err(Fault::failed)?;
                write(&out.join("ca.pem"), &root.certificate)?;
                let profile = Profile { endpoint: Some(address.clone()), endpoints_file: None, server_name: None };
                write(&out.join("profile.toml"), &toml::to_string(&profile).map_err(Fault::failed)?)?;
                out
            }
        };
        output.record(&[("written to", out.display().to_string())], &json!({ "out": out }));
        Ok(())
    }
}
