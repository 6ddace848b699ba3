//! Work with process definitions that needs more than the checker of `laufzettel-contracts`: so far, making one from a
//! log. Must never be asked by the ledger: what a definition means is decided in contracts alone.

pub mod derive;

pub use derive::{DeriveError, derive};
