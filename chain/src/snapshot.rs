//! Snapshots: the state at a height and what a node keeps below it, cut into chunks that any node can serve and a
//! joining node can check with the genesis file alone (docs/FORMATS.md A.6).
//!
//! [`create`] reads a view of a store and hands out chunks; the [`Manifest`] lists them. [`Import`] fills an empty store
//! from them: it makes the chain of headers, every case and all that no root covers anew, and nothing says that the
//! store is complete before everything led to the certified header. Neither holds more than a chunk and small indexes
//! in memory. No chunk is trusted for having the digest that a manifest gives; that only says whose fault it is.

mod create;
mod entry;
mod import;
mod manifest;

pub use create::{Sink, SnapshotError, create};
pub use import::{Blame, Import, ImportError};
pub use manifest::{ChunkInfo, ChunkKind, MANIFEST_VERSION, Manifest, ManifestError};
