//! `endpoints.json`: where a running node listens. Ports may be 0 in the
//! configuration; this file says which ones the system gave.

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// Where a node listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoints {
    /// The authority that runs the node.
    pub authority: String,
    /// Address of the gRPC services, `ip:port`.
    pub api: String,
    /// Address for peers, a multiaddr.
    pub peer: String,
    /// Address of the metrics, `ip:port`, if they are on.
    #[serde(default)]
    pub metrics: Option<String>,
    /// Process id.
    pub pid: u32,
}

impl Endpoints {
    /// Name of the file in the data folder.
    pub const FILE: &'static str = "endpoints.json";

    /// Writes the file; readers see the old one or the new one, never half.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn write(&self, data: &Path) -> io::Result<()> {
        let part = data.join("endpoints.json.part");
        let text = serde_json::to_string_pretty(self).map_err(io::Error::other)?;
        fs::write(&part, text + "\n")?;
        fs::rename(part, data.join(Self::FILE))
    }
    /// Reads the file.
    ///
    /// # Errors
    /// It is not there or not readable.
    pub fn read(data: &Path) -> io::Result<Self> {
        Self::load(&data.join(Self::FILE))
    }
    /// Reads such a file.
    ///
    /// # Errors
    /// It is not there or not readable; the message names it.
    pub fn load(path: &Path) -> io::Result<Self> {
        let named = |error: &dyn std::fmt::Display| io::Error::other(format!("{}: {error}", path.display()));
        let text = fs::read_to_string(path).map_err(|error| named(&error))?;
        serde_json::from_str(&text).map_err(|error| named(&error))
    }
    /// Removes the file; a node that was killed leaves it behind.
    pub fn remove(data: &Path) {
        let _ = fs::remove_file(data.join(Self::FILE));
    }
}
