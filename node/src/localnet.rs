//! Makes the files of a network on this machine: keys, certificates, genesis
//! and one configuration a node; and starts its nodes as processes. For
//! development and tests; a real network's files are made by its members.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use ed25519_dalek::SigningKey;
use thiserror::Error;

use crate::clock;
use crate::genesis::{AuthorityCard, Genesis, GenesisError, KeyEntry};
use crate::keys::{self, KeyError, KeyPurpose};
use crate::tls::{self, CertificateFiles, Subject, TlsError};

/// One authority of a local network.
#[derive(Debug, Clone)]
pub struct Member {
    /// Authority id.
    pub id: String,
    /// German name.
    pub label_de: String,
    /// English name.
    pub label_en: String,
    /// Roles.
    pub roles: Vec<String>,
    /// The member whose node hosts it; itself for a node of its own.
    pub hosted_by: String,
}

/// An authority as a template of a local network's member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Template {
    /// Authority id.
    pub id: &'static str,
    /// German name.
    pub label_de: &'static str,
    /// English name.
    pub label_en: &'static str,
    /// Roles.
    pub roles: &'static [&'static str],
}

/// Four authorities that share a case in Saxony, each with a node of its own.
pub const FOUR_AUTHORITIES: [Template; 4] = [
    Template {
        id: "de-bamf",
        label_de: "Bundesamt für Migration und Flüchtlinge",
        label_en: "Federal Office for Migration and Refugees",
        roles: &["asylum_office"],
    },
    Template {
        id: "sn-lds",
        label_de: "Landesdirektion Sachsen",
        label_en: "Saxony State Directorate",
        roles: &["reception", "central_foreigners_authority", "allocation_office"],
    },
    Template {
        id: "sn-dresden",
        label_de: "Landeshauptstadt Dresden",
        label_en: "City of Dresden",
        roles: &["foreigners_authority", "health_office", "youth_office", "benefits_office"],
    },
    Template { id: "de-bpol", label_de: "Bundespolizei", label_en: "Federal Police", roles: &["federal_police"] },
];

impl Template {
    /// The member with a node of its own.
    #[must_use]
    pub fn member(&self) -> Member {
        Member {
            id: self.id.to_owned(),
            label_de: self.label_de.to_owned(),
            label_en: self.label_en.to_owned(),
            roles: self.roles.iter().map(|role| (*role).to_owned()).collect(),
            hosted_by: self.id.to_owned(),
        }
    }
}

/// Why the files cannot be made or a node not be started.
#[derive(Debug, Error)]
pub enum LocalNetError {
    /// A file or folder.
    #[error("cannot {doing} {path}: {source}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The genesis file.
    #[error(transparent)]
    Genesis(#[from] GenesisError),
}

/// What a local network may have besides its members.
#[derive(Debug, Clone, Default)]
pub struct Wishes {
    /// Members whose node follows without a vote.
    pub observers: Vec<String>,
    /// Seconds of block time between snapshots; 0 = only by command, and no block is ever pruned by itself.
    pub snapshot_interval_s: u64,
}

/// A network's files.
#[derive(Debug, Clone)]
pub struct LocalNet {
    /// The folder of everything.
    pub folder: PathBuf,
    /// Nodes that vote, by authority, in the order of the members.
    pub nodes: Vec<String>,
    /// All members, tenants included.
    pub members: Vec<Member>,
}

fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> LocalNetError {
    let path = path.to_path_buf();
    move |source| LocalNetError::Io { doing, path, source }
}

fn write(path: &Path, content: &str) -> Result<(), LocalNetError> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(io("make folder", folder))?;
    }
    fs::write(path, content).map_err(io("write", path))
}

/// Ports that were free a moment ago. All are held until the last is chosen,
/// so that none is given twice.
fn free_ports(count: usize) -> Result<Vec<u16>, LocalNetError> {
    let path = Path::new("127.0.0.1:0");
    let mut held = Vec::with_capacity(count);
    for _ in 0..count {
        held.push(TcpListener::bind("127.0.0.1:0").map_err(io("listen on", path))?);
    }
    held.iter().map(|listener| Ok(listener.local_addr().map_err(io("listen on", path))?.port())).collect()
}

impl LocalNet {
    /// Makes all files below a folder that does not hold a network yet.
    ///
    /// # Errors
    /// A file cannot be made, or the definitions are refused.
    pub fn make(
        folder: &Path,
        name: &str,
        members: Vec<Member>,
        definitions: Vec<String>,
    ) -> Result<Self, LocalNetError> {
        Self::make_with(folder, name, members, definitions, &Wishes::default())
    }
    /// As [`LocalNet::make`], with wishes.
    ///
    /// # Errors
    /// A file cannot be made, or the definitions are refused.
    pub fn make_with(
        folder: &Path,
        name: &str,
        members: Vec<Member>,
        definitions: Vec<String>,
        wishes: &Wishes,
    ) -> Result<Self, LocalNetError> {
        fs::create_dir_all(folder).map_err(io("make folder", folder))?;
        let root = tls::make_root(&format!("{name} root"))?;
        root.save(&folder.join("ca.pem"), &folder.join("ca-key.pem"))?;
        let mut cards = Vec::new();
        for member in &members {
            cards.push(make_member(folder, &root, member)?);
        }
        let nodes: Vec<String> =
            members.iter().filter(|member| member.hosted_by == member.id).map(|member| member.id.clone()).collect();
        let validators: Vec<String> = nodes.iter().filter(|node| !wishes.observers.contains(node)).cloned().collect();
        let genesis = Genesis::new(name, clock::now_ms(), cards, &validators, definitions)?;
        write(&folder.join("genesis.toml"), &genesis.text()?)?;
        let ports = free_ports(nodes.len())?;
        for (index, node) in nodes.iter().enumerate() {
            let listen = ports.get(index).copied().unwrap_or_default();
            let peers = nodes.iter().zip(&ports).filter(|(other, _)| *other != node);
            let peers: String = peers
                .map(|(peer, port)| format!("\n[[peer]]\nauthority = \"{peer}\"\naddresses = [\"127.0.0.1:{port}\"]\n"))
                .collect();
            write(&folder.join("nodes").join(node).join("config.toml"), &config(node, listen, &peers, wishes))?;
        }
        Ok(Self { folder: folder.to_path_buf(), nodes: validators, members })
    }
    /// A node's folder.
    #[must_use]
    pub fn node_folder(&self, node: &str) -> PathBuf {
        self.folder.join("nodes").join(node)
    }
    /// A client's profile folder: certificates, service key and a person's key of an authority.
    #[must_use]
    pub fn profile(&self, authority: &str) -> PathBuf {
        self.folder.join("clients").join(authority)
    }
    /// Where a running node writes its endpoints.
    #[must_use]
    pub fn endpoints_file(&self, node: &str) -> PathBuf {
        self.node_folder(node).join("data/endpoints.json")
    }
    /// Starts a node as a process; its log goes to `node.log` in its folder.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn start(&self, node: &str, program: &Path) -> Result<Child, LocalNetError> {
        let folder = self.node_folder(node);
        // What an earlier run wrote would be taken for this one's.
        let _ = fs::remove_file(self.endpoints_file(node));
        let log_path = folder.join("node.log");
        let log = fs::OpenOptions::new().create(true).append(true).open(&log_path).map_err(io("open", &log_path))?;
        let mut command = Command::new(program);
        command.arg("start").arg("--config").arg(folder.join("config.toml"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        command.spawn().map_err(io("start", program))
    }
    /// The governance key of an authority, which in a real network a person holds.
    ///
    /// # Errors
    /// The key file cannot be read.
    pub fn governance_key(&self, authority: &str) -> Result<SigningKey, LocalNetError> {
        Ok(keys::load(&self.profile(authority).join("governance.pem"))?)
    }
    /// The service key of an authority.
    ///
    /// # Errors
    /// The key file cannot be read.
    pub fn service_key(&self, authority: &str) -> Result<SigningKey, LocalNetError> {
        Ok(keys::load(&self.profile(authority).join("service.pem"))?)
    }
}

fn make_member(folder: &Path, root: &CertificateFiles, member: &Member) -> Result<AuthorityCard, LocalNetError> {
    let profile = folder.join("clients").join(&member.id);
    let home = folder.join("nodes").join(&member.id);
    let own_node = member.hosted_by == member.id;
    let mut entries = Vec::new();
    let mut make = |purpose: KeyPurpose, paths: &[PathBuf]| -> Result<(), LocalNetError> {
        let key = keys::generate()?;
        for path in paths {
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent).map_err(io("make folder", parent))?;
            }
            keys::save(path, &key)?;
        }
        let public = data_encoding::HEXLOWER.encode(key.verifying_key().as_bytes());
        entries.push(KeyEntry { purpose, public });
        Ok(())
    };
    let mut service = vec![profile.join("service.pem")];
    if own_node {
        make(KeyPurpose::Node, &[home.join("keys/node.pem")])?;
        make(KeyPurpose::Consensus, &[home.join("keys/consensus.pem")])?;
        service.push(home.join("keys/service.pem"));
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let server = tls::issue(root, &Subject::Server(names))?;
        fs::create_dir_all(home.join("tls")).map_err(io("make folder", &home))?;
        server.save(&home.join("tls/server.pem"), &home.join("tls/server-key.pem"))?;
    }
    make(KeyPurpose::Service, &service)?;
    make(KeyPurpose::Governance, &[profile.join("governance.pem")])?;
    // Of a second person, who may override what blocks a report.
    make(KeyPurpose::Person, &[profile.join("person.pem")])?;
    let client = tls::issue(root, &Subject::Client(member.id.clone()))?;
    client.save(&profile.join("client.pem"), &profile.join("client-key.pem"))?;
    write(&profile.join("ca.pem"), &root.certificate)?;
    let endpoints = format!("../../nodes/{}/data/endpoints.json", member.hosted_by);
    write(&profile.join("profile.toml"), &format!("endpoints_file = \"{endpoints}\"\nserver_name = \"localhost\"\n"))?;
    Ok(AuthorityCard {
        id: member.id.clone(),
        label_de: member.label_de.clone(),
        label_en: member.label_en.clone(),
        roles: member.roles.clone(),
        hosted_by: member.hosted_by.clone(),
        keys: entries,
    })
}

fn config(node: &str, peer_port: u16, peers: &str, wishes: &Wishes) -> String {
    let votes = !wishes.observers.iter().any(|observer| observer == node);
    let consensus = if votes { "consensus = \"keys/consensus.pem\"\n" } else { "" };
    let interval_s = wishes.snapshot_interval_s;
    format!(
        "# Made for a local network; see docs/config.toml for every field.\n\
         [node]\nauthority = \"{node}\"\ndata = \"data\"\ngenesis = \"../../genesis.toml\"\n\n\
         [keys]\nnode = \"keys/node.pem\"\n{consensus}service = \"keys/service.pem\"\n\n\
         [snapshots]\ninterval_s = {interval_s}\n\n\
         [network]\nlisten = \"127.0.0.1:{peer_port}\"\n\n\
         [api]\nlisten = \"127.0.0.1:0\"\ncertificate = \"tls/server.pem\"\nprivate_key = \"tls/server-key.pem\"\n\
         client_ca = \"../../ca.pem\"\nreflection = true\n\n[metrics]\nlisten = \"127.0.0.1:0\"\n{peers}"
    )
}
