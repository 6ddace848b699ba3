//! Transport security of the gRPC services: making certificates, loading them
//! and telling from a client certificate which authority calls.
//!
//! A client certificate names its authority by the URI
//! `laufzettel://authority/<id>` among its alternative names. Must never take
//! an authority from anywhere else, the common name least of all.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, SanType, SerialNumber,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use thiserror::Error;
use tonic::transport::{Certificate, ClientTlsConfig, Identity};
use x509_parser::extensions::{GeneralName, ParsedExtension};

use crate::config::ApiSection;
use crate::keys;

/// The URI of an authority's client certificate begins so.
pub const AUTHORITY_URI: &str = "laufzettel://authority/";
/// A root is valid for so many years.
const ROOT_YEARS: i16 = 10;
/// Certificates of servers and clients are valid for so many days.
const LEAF_DAYS: i64 = 397;

/// Why certificates cannot be made or used.
#[derive(Debug, Error)]
pub enum TlsError {
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
    /// Others can read a private key.
    #[error(
        "private key {path} has mode {mode:03o}: others than its owner can read or change it; run `chmod 600 {path}`"
    )]
    Permissions {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A file the configuration names cannot be used.
    #[error("{field}: {path}: {reason}; {remedy}")]
    Unusable {
        /// The configuration's field.
        field: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A certificate cannot be made.
    #[error("cannot make a certificate for {subject}: {reason}")]
    Make {
        /// For whom.
        subject: String,
        /// What is wrong.
        reason: String,
    },
}

/// When the first certificate of a PEM file ends, in seconds since 1970-01-01T00:00Z.
///
/// # Errors
/// It cannot be read, in words.
pub fn ends_at(path: &Path) -> Result<u64, String> {
    let bytes = fs::read(path).map_err(|error| format!("cannot be read: {error}"))?;
    let (_, pem) = x509_parser::pem::parse_x509_pem(&bytes).map_err(|error| format!("is no PEM file: {error}"))?;
    let certificate = pem.parse_x509().map_err(|error| format!("is no certificate: {error}"))?;
    Ok(u64::try_from(certificate.validity().not_after.timestamp()).unwrap_or(0))
}

/// A certificate and its private key, PEM.
#[derive(Clone)]
pub struct CertificateFiles {
    /// The certificate.
    pub certificate: String,
    /// The private key, PKCS#8.
    pub private_key: String,
}

/// What a certificate is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A server under these names or IP addresses.
    Server(Vec<String>),
    /// A client of this authority.
    Client(String),
}

impl CertificateFiles {
    /// Writes certificate and key to new files; the key readable by its owner only.
    ///
    /// # Errors
    /// A file exists already or cannot be written.
    pub fn save(&self, certificate: &Path, private_key: &Path) -> Result<(), TlsError> {
        keys::write_new_private(private_key, self.private_key.as_bytes()).map_err(|source| TlsError::Io {
            doing: "write",
            path: private_key.into(),
            source,
        })?;
        fs::write(certificate, &self.certificate).map_err(|source| TlsError::Io {
            doing: "write",
            path: certificate.into(),
            source,
        })
    }
    /// Reads certificate and key.
    ///
    /// # Errors
    /// A file cannot be read, or others can read the key.
    pub fn load(certificate: &Path, private_key: &Path) -> Result<Self, TlsError> {
        Ok(Self { certificate: read(certificate)?, private_key: read_private(private_key)? })
    }
}

fn read(path: &Path) -> Result<String, TlsError> {
    fs::read_to_string(path).map_err(|source| TlsError::Io { doing: "read", path: path.into(), source })
}

fn read_private(path: &Path) -> Result<String, TlsError> {
    let mode = keys::check_private(path).map_err(|source| TlsError::Io { doing: "read", path: path.into(), source })?;
    match mode {
        Some(mode) => Err(TlsError::Permissions { path: path.into(), mode }),
        None => read(path),
    }
}

fn failed(subject: &str, reason: &dyn std::fmt::Display) -> TlsError {
    TlsError::Make { subject: subject.into(), reason: reason.to_string() }
}

/// Parameters valid from yesterday (clocks differ) for some days.
fn params(name: &str, days: i64) -> Result<CertificateParams, TlsError> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::OrganizationName, "Laufzettel");
    params.distinguished_name.push(DnType::CommonName, name);
    let today = jiff::Zoned::now().date();
    let date = |days: i64| {
        let date = today.checked_add(jiff::Span::new().days(days)).map_err(|error| failed(name, &error))?;
        let (month, day) = (date.month().unsigned_abs(), date.day().unsigned_abs());
        Ok::<_, TlsError>(rcgen::date_time_ymd(i32::from(date.year()), month, day))
    };
    params.not_before = date(-1)?;
    params.not_after = date(days)?;
    let mut serial = [0; 16];
    getrandom::fill(&mut serial).map_err(|error| failed(name, &error))?;
    if let Some(first) = serial.first_mut() {
        *first &= 0x7f; // a serial number is positive
    }
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    Ok(params)
}

/// Makes a root that issues certificates for one node's clients and server.
///
/// # Errors
/// The system gives no random bytes.
pub fn make_root(name: &str) -> Result<CertificateFiles, TlsError> {
    let mut params = params(name, i64::from(ROOT_YEARS) * 365)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|error| failed(name, &error))?;
    let certificate = params.self_signed(&key).map_err(|error| failed(name, &error))?;
    Ok(CertificateFiles { certificate: certificate.pem(), private_key: key.serialize_pem() })
}

/// Issues a certificate by a root.
///
/// # Errors
/// The root or the subject cannot be used.
pub fn issue(root: &CertificateFiles, subject: &Subject) -> Result<CertificateFiles, TlsError> {
    let name = match subject {
        Subject::Server(names) => names.first().cloned().unwrap_or_default(),
        Subject::Client(authority) => authority.clone(),
    };
    let mut params = params(&name, LEAF_DAYS)?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    match subject {
        Subject::Server(names) => {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            for name in names {
                params.subject_alt_names.push(match name.parse() {
                    Ok(address) => SanType::IpAddress(address),
                    Err(_) => SanType::DnsName(ia5(name)?),
                });
            }
        }
        Subject::Client(authority) => {
            if !crate::config::is_authority(authority) {
                return Err(failed(authority, &"no authority id: 2 to 32 of [a-z0-9-], a letter first"));
            }
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            params.subject_alt_names.push(SanType::URI(ia5(&format!("{AUTHORITY_URI}{authority}"))?));
        }
    }
    let root_key = KeyPair::from_pem(&root.private_key).map_err(|error| failed(&name, &error))?;
    let issuer = Issuer::from_ca_cert_pem(&root.certificate, root_key).map_err(|error| failed(&name, &error))?;
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|error| failed(&name, &error))?;
    let certificate = params.signed_by(&key, &issuer).map_err(|error| failed(&name, &error))?;
    Ok(CertificateFiles { certificate: certificate.pem(), private_key: key.serialize_pem() })
}

fn ia5(text: &str) -> Result<Ia5String, TlsError> {
    Ia5String::try_from(text).map_err(|error| failed(text, &error))
}

/// The authority a client certificate (DER) names; none if it names none or several.
#[must_use]
pub fn authority_of(certificate: &[u8]) -> Option<String> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let mut found = None;
    for extension in certificate.extensions() {
        let ParsedExtension::SubjectAlternativeName(names) = extension.parsed_extension() else { continue };
        for name in &names.general_names {
            let GeneralName::URI(uri) = name else { continue };
            let Some(authority) = uri.strip_prefix(AUTHORITY_URI) else { continue };
            if found.is_some() || !crate::config::is_authority(authority) {
                return None;
            }
            found = Some(authority.to_owned());
        }
    }
    found
}

/// What to do about a server's certificate or key.
const ISSUE_SERVER: &str = "`laufzettel certificates server` issues certificate and key anew";
/// What to do about the root of client certificates.
const ISSUE_ROOT: &str = "it must be the certificate (ca.pem) of whoever issues client certificates";

/// The server's side: only clients with a certificate of the client CA get through, and HTTP/2 only.
///
/// # Errors
/// A file cannot be read or used, or others can read the private key.
pub fn server(api: &ApiSection) -> Result<Arc<ServerConfig>, TlsError> {
    let unusable = |field, path: &Path, reason: &dyn std::fmt::Display, remedy| TlsError::Unusable {
        field,
        path: path.into(),
        reason: reason.to_string(),
        remedy,
    };
    let certificates = |field, path: &Path, remedy| {
        let text = read(path).map_err(|error| named(error, field, remedy))?;
        let all = CertificateDer::pem_slice_iter(text.as_bytes()).collect::<Result<Vec<_>, _>>();
        let all = all.map_err(|error| unusable(field, path, &error, remedy))?;
        if all.is_empty() {
            return Err(unusable(field, path, &"no certificate in PEM form (BEGIN CERTIFICATE) in it", remedy));
        }
        Ok(all)
    };
    let (key_field, key_path) = ("api.private_key", api.private_key.as_path());
    let chain = certificates("api.certificate", &api.certificate, ISSUE_SERVER)?;
    let key = read_private(key_path).map_err(|error| named(error, key_field, ISSUE_SERVER))?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|_| {
        unusable(key_field, key_path, &"no private key in PEM form (BEGIN PRIVATE KEY) in it", ISSUE_SERVER)
    })?;
    let root = |error: &dyn std::fmt::Display| unusable("api.client_ca", &api.client_ca, error, ISSUE_ROOT);
    let mut roots = RootCertStore::empty();
    for certificate in certificates("api.client_ca", &api.client_ca, ISSUE_ROOT)? {
        roots.add(certificate).map_err(|error| root(&error))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone());
    let verifier = verifier.build().map_err(|error| root(&error))?;
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| failed("the server", &error))?.with_client_cert_verifier(verifier);
    let mut config = builder.with_single_cert(chain, key).map_err(|error| {
        let reason = format!("does not fit the certificate {}: {error}", api.certificate.display());
        unusable(key_field, key_path, &reason, ISSUE_SERVER)
    })?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}

/// A fault of reading, with the field that names the file.
fn named(error: TlsError, field: &'static str, remedy: &'static str) -> TlsError {
    match error {
        TlsError::Io { path, source, .. } => {
            TlsError::Unusable { field, path, reason: format!("cannot be read: {source}"), remedy }
        }
        other => other,
    }
}

/// A client's side, from a profile folder with `ca.pem`, `client.pem` and `client-key.pem`.
///
/// # Errors
/// A file cannot be read, or others can read the private key.
pub fn client(profile: &Path, server_name: &str) -> Result<ClientTlsConfig, TlsError> {
    let files = CertificateFiles::load(&profile.join("client.pem"), &profile.join("client-key.pem"))?;
    let root = read(&profile.join("ca.pem"))?;
    Ok(ClientTlsConfig::new()
        .domain_name(server_name)
        .ca_certificate(Certificate::from_pem(root))
        .identity(Identity::from_pem(files.certificate, files.private_key)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn der(pem: &str) -> Vec<u8> {
        x509_parser::pem::parse_x509_pem(pem.as_bytes()).unwrap().1.contents
    }

    #[test]
    fn a_client_certificate_names_its_authority() {
        let root = make_root("test root").unwrap();
        let client = issue(&root, &Subject::Client("de-bamf".into())).unwrap();
        assert_eq!(authority_of(&der(&client.certificate)).as_deref(), Some("de-bamf"));
    }

    #[test]
    fn other_certificates_name_none() {
        let root = make_root("laufzettel://authority/de-bamf").unwrap();
        let server = issue(&root, &Subject::Server(vec!["localhost".into(), "127.0.0.1".into()])).unwrap();
        assert_eq!(authority_of(&der(&server.certificate)), None);
        assert_eq!(authority_of(&der(&root.certificate)), None, "the common name does not count");
        assert_eq!(authority_of(b"nonsense"), None);
    }

    #[test]
    fn refuses_what_is_no_authority() {
        let root = make_root("test root").unwrap();
        assert!(issue(&root, &Subject::Client("../x".into())).is_err());
    }

    #[test]
    fn a_readable_private_key_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = (folder.path().join("c.pem"), folder.path().join("k.pem"));
        make_root("test root").unwrap().save(&certificate, &key).unwrap();
        assert!(CertificateFiles::load(&certificate, &key).is_ok());
        fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(CertificateFiles::load(&certificate, &key), Err(TlsError::Permissions { .. })));
    }
}
