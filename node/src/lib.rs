//! The node of one authority: what the binary `laufzettel` is made of, and
//! what the test network may use.
//!
//! Here and nowhere else are tokio, sockets, the clock and the file system;
//! what a block does to the ledger is `laufzettel-chain`'s. Read [`node`] for
//! how the parts are put together, [`consensus`] for how nodes agree,
//! [`runtime`] and [`worker`] for what carries that out, [`network`] for the
//! links to other nodes, [`api`] for what clients see.
#![forbid(unsafe_code)]

pub mod api;
pub mod clearance;
pub mod cli;
pub mod client;
pub mod clock;
pub mod config;
pub mod consensus;
pub mod dev;
pub mod disk;
pub mod doctor;
pub mod endpoints;
pub mod eventlog;
pub mod genesis;
pub mod join;
pub mod keys;
pub mod localnet;
pub mod mempool;
pub mod metrics;
pub mod network;
pub mod node;
pub mod process;
pub mod reset;
pub mod runtime;
pub mod service;
pub mod setup;
pub mod slots;
pub mod snapshots;
pub mod tls;
pub mod worker;
