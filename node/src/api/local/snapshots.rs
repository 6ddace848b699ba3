//! The operator's orders about snapshots: make one now, say which there are.

use laufzettel_chain::codec::decode;
use laufzettel_chain::ids::Height;
use laufzettel_chain::snapshot::Manifest;
use laufzettel_proto::v1;

use crate::api::reasons::Reason;
use crate::api::status::Failure;
use crate::snapshots::{Busy, Folder, FolderError, Snapshots};

/// Makes a snapshot of the newest block and waits for it.
pub(super) async fn create(snapshots: &Snapshots) -> Result<v1::Snapshot, Failure> {
    let made = snapshots.create().map_err(|Busy| Failure::new(Reason::SnapshotUnderWay))?;
    let made = made.await.map_err(|_| Failure::new(Reason::Stopping))?;
    let made =
        made.map_err(|reason| Failure::with(Reason::SnapshotFailed, format!("no snapshot was made: {reason}")))?;
    let found = list(snapshots).await?.into_iter().find(|one| one.height == made.height);
    found.ok_or_else(|| Failure::with(Reason::SnapshotFailed, "the snapshot was made, but is gone again"))
}

/// The complete snapshots, ascending by height.
pub(super) async fn list(snapshots: &Snapshots) -> Result<Vec<v1::Snapshot>, Failure> {
    let folder = snapshots.folder().clone();
    let listed = tokio::task::spawn_blocking(move || {
        let heights = folder.list()?;
        heights.into_iter().filter_map(|height| describe(&folder, height).transpose()).collect()
    });
    let listed: Result<Vec<v1::Snapshot>, FolderError> = listed.await.map_err(|error| Failure::internal(&error))?;
    listed.map_err(|error| Failure::internal(&error))
}

/// A snapshot whose manifest does not decode is listed by its height alone.
fn describe(folder: &Folder, height: Height) -> Result<Option<v1::Snapshot>, FolderError> {
    let Some(bytes) = folder.manifest(height)? else { return Ok(None) };
    let mut snapshot = v1::Snapshot { height, ..v1::Snapshot::default() };
    if let Ok(manifest) = decode::<Manifest>(&bytes) {
        snapshot.block_time_ms = manifest.header.time_ms;
        snapshot.block_id = manifest.header.id().0.to_vec();
        snapshot.chunks = u32::try_from(manifest.chunks.len()).unwrap_or(u32::MAX);
        snapshot.bytes = manifest.bytes();
    }
    Ok(Some(snapshot))
}
