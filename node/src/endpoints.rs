//! `endpoints.json` in the data folder: where a running node is reached, since
//! configured ports may be 0. Written once both listen, removed at the end.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Where a running node is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoints {
    /// Address for clients, host:port.
    pub api: String,
    /// Addresses for peers, multiaddrs.
    pub peer: Vec<String>,
    /// The node's id in the network of nodes.
    pub peer_id: String,
    /// The process.
    pub pid: u32,
}

/// Why the file cannot be used.
#[derive(Debug, Error)]
pub enum EndpointsError {
    /// It cannot be read or written.
    #[error("cannot access {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is not understood.
    #[error("{path} is not understood: {source}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
}

impl Endpoints {
    /// The file in a data folder.
    #[must_use]
    pub fn path(data: &Path) -> PathBuf {
        data.join("endpoints.json")
    }
    /// Writes the file in one step, so that a reader never sees half of it.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn save(&self, data: &Path) -> Result<(), EndpointsError> {
        let path = Self::path(data);
        let text = serde_json::to_string_pretty(self);
        let text = text.map_err(|source| EndpointsError::Parse { path: path.clone(), source })?;
        let draft = path.with_extension("json.new");
        fs::write(&draft, text).and_then(|()| fs::rename(&draft, &path)).map_err(|source| EndpointsError::Io { path, source })
    }
    /// Reads the file.
    ///
    /// # Errors
    /// It is missing or not understood.
    pub fn load(path: &Path) -> Result<Self, EndpointsError> {
        let text = fs::read_to_string(path).map_err(|source| EndpointsError::Io { path: path.into(), source })?;
        serde_json::from_str(&text).map_err(|source| EndpointsError::Parse { path: path.into(), source })
    }
    /// Removes the file; a node that was killed leaves it behind.
    pub fn remove(data: &Path) {
        let _ = fs::remove_file(Self::path(data));
    }
}
