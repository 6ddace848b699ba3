//! Hashes and signatures, each with a domain of its own (docs/FORMATS.md A.1).
//!
//! `K(x, b)` is BLAKE3 in key-derivation mode; a signature covers
//! `"laufzettel/" x "/v1" 0x00 bytes`. One rule verifies everywhere: strict
//! Ed25519, one signature at a time, because batch verification accepts other
//! inputs than single verification does.

use std::sync::OnceLock;

use blake3::hazmat::{ContextKey, HasherExt as _, hash_derive_key_context};
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

/// Domains of short inputs that are hashed all the time, ascending. What BLAKE3 makes of the domain's name is kept of
/// these: it costs as much as the hash itself.
const FREQUENT: [&str; 13] = [
    "blinder",
    "field",
    "field node",
    "history",
    "item",
    "payload",
    "receipt leaf",
    "receipt node",
    "salt",
    "slot",
    "submission",
    "tx leaf",
    "tx node",
];

fn context(domain: &str) -> String {
    ["laufzettel ", domain].concat()
}

fn hasher(domain: &str) -> blake3::Hasher {
    static KEYS: OnceLock<[ContextKey; FREQUENT.len()]> = OnceLock::new();
    let keys = KEYS.get_or_init(|| FREQUENT.map(|domain| hash_derive_key_context(&context(domain))));
    match FREQUENT.binary_search(&domain).ok().and_then(|index| keys.get(index)) {
        Some(key) => blake3::Hasher::new_from_context_key(key),
        None => blake3::Hasher::new_derive_key(&context(domain)),
    }
}

/// K(domain, parts in a row).
#[must_use]
pub fn hash_parts(domain: &str, parts: &[&[u8]]) -> Hash {
    let mut hasher = hasher(domain);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_domain_hashes_as_its_name_does() {
        assert!(FREQUENT.is_sorted());
        for domain in FREQUENT.into_iter().chain(["genesis", "fiel", "tx nodes", ""]) {
            let named = blake3::Hasher::new_derive_key(&format!("laufzettel {domain}")).update(b"ab").finalize();
            assert_eq!(hash_parts(domain, &[b"a", b"b"]), *named.as_bytes(), "{domain}");
        }
    }
}
