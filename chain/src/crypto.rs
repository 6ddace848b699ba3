//! Hashes and signatures, each with a domain of its own (docs/FORMATS.md A.1).
//!
//! `K(x, b)` is BLAKE3 in key-derivation mode; a signature covers
//! `"laufzettel/" x "/v1" 0x00 bytes`. One rule verifies everywhere: strict
//! Ed25519, one signature at a time, because batch verification accepts other
//! inputs than single verification does.

pub use ed25519_dalek::{SigningKey, VerifyingKey};

/// A 32-byte BLAKE3 hash.
pub type Hash = [u8; 32];
/// A 64-byte Ed25519 signature.
pub type SignatureBytes = [u8; 64];
/// The number of Ed25519 in formats.
pub const ALGORITHM_ED25519: u8 = 1;

/// K(domain, bytes): the hash of bytes for one purpose.
#[must_use]
pub fn hash(domain: &str, bytes: &[u8]) -> Hash {
    hash_parts(domain, &[bytes])
}

/// K(domain, parts in a row).
#[must_use]
pub fn hash_parts(domain: &str, parts: &[&[u8]]) -> Hash {
    let mut hasher = blake3::Hasher::new_derive_key(&["laufzettel ", domain].concat());
    for part in parts {
        hasher.update(part);
    }
    *hasher.finalize().as_bytes()
}

/// The bytes a signature for this purpose covers.
#[must_use]
pub fn sign_bytes(domain: &str, message: &[u8]) -> Vec<u8> {
    [b"laufzettel/", domain.as_bytes(), b"/v1\0", message].concat()
}

/// Signs a message for one purpose.
#[must_use]
pub fn sign(key: &SigningKey, domain: &str, message: &[u8]) -> SignatureBytes {
    use ed25519_dalek::Signer as _;
    key.sign(&sign_bytes(domain, message)).to_bytes()
}

/// Whether the signature is one of this key over this message and purpose.
#[must_use]
pub fn verify(key: &VerifyingKey, domain: &str, message: &[u8], signature: &SignatureBytes) -> bool {
    let signature = ed25519_dalek::Signature::from_bytes(signature);
    key.verify_strict(&sign_bytes(domain, message), &signature).is_ok()
}
