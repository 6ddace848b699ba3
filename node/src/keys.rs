//! Key files: Ed25519 private keys as PKCS#8 PEM, readable by their owner
//! only, one file for each purpose.
//!
//! Must never print, log or copy a private key, never overwrite a key file,
//! and never use one that others can read.

use std::fmt;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, KeypairBytes, spki::der::pem::LineEnding};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::Zeroizing;

/// What a key is for. A registered key serves this purpose and no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum KeyPurpose {
    /// Names the node to its peers and signs beats.
    Node,
    /// Signs consensus votes. Two nodes with one consensus key are a fault of the network.
    Consensus,
    /// Signs what case systems report through the node.
    Service,
    /// Signs votes on changes of the network; held by a person, away from the node.
    Governance,
    /// Signs what one person does.
    Person,
}

impl KeyPurpose {
    /// Its word in formats.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Consensus => "consensus",
            Self::Service => "service",
            Self::Governance => "governance",
            Self::Person => "person",
        }
    }
    /// The usual name of its file.
    #[must_use]
    pub fn file_name(self) -> String {
        format!("{}.pem", self.word())
    }
}

impl fmt::Display for KeyPurpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Why a key file cannot be used.
#[derive(Debug, Error)]
pub enum KeyError {
    /// There is no such file.
    #[error("there is no key file {0}; make it with `laufzettel keys generate`")]
    Missing(PathBuf),
    /// There is one already.
    #[error("{0} exists already and is not overwritten; move it away first if it is to be replaced")]
    Exists(PathBuf),
    /// Others can read it.
    #[error(
        "key file {path} has mode {mode:03o}: others than its owner can read or change it; run `chmod 600 {path}`, and replace the key if others had access"
    )]
    Permissions {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It is no Ed25519 key.
    #[error("key file {0} holds no Ed25519 private key in PKCS#8 PEM form (BEGIN PRIVATE KEY)")]
    Malformed(PathBuf),
    /// The system refused.
    #[error("cannot {doing} key file {path}: {source}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// No random bytes.
    #[error("the system gave no random bytes: {0}")]
    Random(getrandom::Error),
}

/// Makes a new key from the system's random bytes.
///
/// # Errors
/// The system gives none.
pub fn generate() -> Result<SigningKey, KeyError> {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(seed.as_mut_slice()).map_err(KeyError::Random)?;
    Ok(SigningKey::from_bytes(&seed))
}

/// Writes a key to a new file that only its owner can read, and syncs it.
///
/// # Errors
/// The file exists or cannot be written.
pub fn save(path: &Path, key: &SigningKey) -> Result<(), KeyError> {
    // Without the public key: version 1 of PKCS#8, which OpenSSL reads too.
    let pair = KeypairBytes { secret_key: key.to_bytes(), public_key: None };
    let pem = pair.to_pkcs8_pem(LineEnding::LF).map_err(|_| KeyError::Malformed(path.into()))?;
    write_new_private(path, pem.as_bytes()).map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => KeyError::Exists(path.into()),
        _ => KeyError::Io { doing: "write", path: path.into(), source },
    })
}

/// Writes a new file with mode 0600 and syncs it.
pub(crate) fn write_new_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Reads a key file.
///
/// # Errors
/// It is missing, readable by others, or holds no Ed25519 key.
pub fn load(path: &Path) -> Result<SigningKey, KeyError> {
    let io = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => KeyError::Missing(path.into()),
        _ => KeyError::Io { doing: "read", path: path.into(), source },
    };
    check_private(path).map_err(io)?.map_or(Ok(()), |mode| Err(KeyError::Permissions { path: path.into(), mode }))?;
    let pem = Zeroizing::new(fs::read_to_string(path).map_err(io)?);
    SigningKey::from_pkcs8_pem(&pem).map_err(|_| KeyError::Malformed(path.into()))
}

/// The file's mode if others than its owner can read or change it.
pub(crate) fn check_private(path: &Path) -> io::Result<Option<u32>> {
    let mode = fs::metadata(path)?.permissions().mode() & 0o777;
    Ok((mode & 0o077 != 0).then_some(mode))
}

/// The keys a running node holds. Governance and person keys stay with people.
#[derive(Clone)]
pub struct Keys {
    /// Node key.
    pub node: SigningKey,
    /// Consensus key; an observer has none.
    pub consensus: Option<SigningKey>,
    /// Service key, for `ReportStatus`.
    pub service: Option<SigningKey>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(..)")
    }
}

impl Keys {
    /// Reads the key files a configuration names.
    ///
    /// # Errors
    /// One of them cannot be used.
    pub fn load(files: &crate::config::KeyFiles) -> Result<Self, KeyError> {
        let optional = |path: &Option<PathBuf>| path.as_deref().map(load).transpose();
        Ok(Self {
            node: load(&files.node)?,
            consensus: optional(&files.consensus)?,
            service: optional(&files.service)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_comes_back_and_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.pem");
        let key = generate().unwrap();
        save(&path, &key).unwrap();
        assert_eq!(load(&path).unwrap(), key);
        assert!(matches!(save(&path, &key), Err(KeyError::Exists(_))));
    }

    #[test]
    fn refuses_what_others_can_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.pem");
        save(&path, &generate().unwrap()).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = load(&path).unwrap_err().to_string();
        assert!(error.contains("chmod 600") && error.contains("640"), "{error}");
    }

    #[test]
    fn names_what_is_missing_or_malformed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("service.pem");
        assert!(matches!(load(&path), Err(KeyError::Missing(_))));
        write_new_private(&path, b"nonsense").unwrap();
        assert!(matches!(load(&path), Err(KeyError::Malformed(_))));
    }
}
