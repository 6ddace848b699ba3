//! The ledger: transactions, blocks, certificates, execution, state tree,
//! proofs and storage.
//!
//! Read [`transaction`] and [`item`] for what a case system signs, [`block`]
//! and [`header`] for what validators agree on, [`execute`] for what a block
//! does to the state, [`ledger`] for how it becomes durable, [`proof`] for how
//! anyone checks an answer, [`snapshot`] for how another node gets it all.
//!
//! Invariants: no clock, no randomness, no floats and no hash-map iteration;
//! storage is reached through [`storage::Store`] alone; every bound stands in
//! [`limits`]; bytes from outside are refused, never panicked on.
#![forbid(unsafe_code)]
#![deny(clippy::float_arithmetic, clippy::iter_over_hash_type, clippy::arithmetic_side_effects)]

pub mod block;
pub mod canonical;
pub mod certificate;
pub mod check;
pub mod codec;
pub mod crypto;
pub mod evidence;
pub mod execute;
pub mod genesis;
pub mod header;
pub mod ids;
pub mod index;
pub mod item;
pub mod ledger;
pub mod light;
pub mod limits;
pub mod merkle;
pub mod newest;
pub mod proof;
pub mod proposal;
pub mod query;
pub mod receipt;
pub mod registry;
mod rows;
pub mod snapshot;
pub mod state;
pub mod storage;
pub mod transaction;
pub mod tree;
pub mod validators;
pub mod verified;
pub mod vote;
