//! The snapshots this node keeps: their folder, the thread that makes them at
//! the heights all nodes make them, and what peers are told of them.
//!
//! A snapshot is there whole or not at all: it is written into a temporary
//! folder, synced, and renamed. What peers make of its bytes is theirs to
//! check; nothing here is trusted for lying in the folder.

mod folder;
mod maker;

use laufzettel_chain::ids::Height;

use crate::consensus::message::{SNAPSHOTS_MAX, SnapshotMessage};
pub use folder::{Folder, FolderError, Making};
pub(crate) use folder::{remove_folder, sync_folder};
pub use maker::{Busy, Made, Maker, MakerConfig, Snapshots};

/// A request's answer from the folder. A file that cannot be read is not here: the peer asks elsewhere.
#[must_use]
pub fn answer(folder: &Folder, request: &SnapshotMessage) -> Option<SnapshotMessage> {
    let found = match request {
        SnapshotMessage::ListRequest => folder.list().map(|mut heights: Vec<Height>| {
            heights.drain(..heights.len().saturating_sub(SNAPSHOTS_MAX));
            Some(SnapshotMessage::List(heights))
        }),
        SnapshotMessage::ManifestRequest { height } => {
            let manifest = folder.manifest(*height);
            manifest.map(|bytes| bytes.map(|bytes| SnapshotMessage::Manifest { height: *height, bytes }))
        }
        SnapshotMessage::ChunkRequest { height, index } => {
            let chunk = folder.chunk(*height, *index);
            chunk.map(|bytes| bytes.map(|bytes| SnapshotMessage::Chunk { height: *height, index: *index, bytes }))
        }
        _ => return None,
    };
    match found {
        Ok(Some(answer)) => Some(answer),
        Ok(None) => request.not_here(),
        Err(error) => {
            tracing::error!(%error, "a snapshot cannot be read; peers are told that it is not here");
            request.not_here()
        }
    }
}
