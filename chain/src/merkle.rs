//! Merkle roots over lists, shaped as in RFC 6962 and with domains of their
//! own: M(x, leaves) of docs/FORMATS.md A.1.

use crate::crypto::{Hash, hash, hash_parts};

/// M(domain, leaves).
#[must_use]
pub fn root(domain: &str, leaves: &[Vec<u8>]) -> Hash {
    let leaf_domain = [domain, " leaf"].concat();
    let node_domain = [domain, " node"].concat();
    if leaves.is_empty() {
        return hash(&[domain, " empty"].concat(), b"");
    }
    // RFC 6962 splits at the largest power of two below the count; pairing
    // level by level and carrying an odd last node up gives the same tree.
    let mut level: Vec<Hash> = leaves.iter().map(|leaf| hash(&leaf_domain, leaf)).collect();
    while level.len() > 1 {
        level = level
            .chunks(2)
            .map(|pair| match pair {
                [left, right] => hash_parts(&node_domain, &[left, right]),
                [single] => *single,
                _ => [0; 32],
            })
            .collect();
    }
    level.first().copied().unwrap_or_default()
}
