//! The node of one authority: what the binary `laufzettel` is made of, and
//! what the test network may use.
//!
//! Here and nowhere else are tokio, sockets, the clock and the file system;
//! what a block does to the ledger is `laufzettel-chain`'s. Read [`config`]
//! for what an operator sets, [`node`] for how the parts are put together,
//! [`network`] for the links to other nodes, [`api`] for what clients see.
#![forbid(unsafe_code)]

pub mod api;
pub mod cli;
pub mod config;
pub mod endpoints;
pub mod eventlog;
pub mod genesis;
pub mod keys;
pub mod network;
pub mod node;
pub mod process;
pub mod setup;
pub mod tls;
