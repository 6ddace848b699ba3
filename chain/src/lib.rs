//! The ledger: transactions, blocks, certificates, execution, state tree,
//! proofs and storage.
#![forbid(unsafe_code)]
#![deny(clippy::float_arithmetic, clippy::iter_over_hash_type, clippy::arithmetic_side_effects)]

pub mod certificate;
pub mod codec;
pub mod crypto;
pub mod header;
pub mod ids;
pub mod limits;
pub mod merkle;
pub mod validators;
pub mod vote;
