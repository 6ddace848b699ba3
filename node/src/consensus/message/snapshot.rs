//! What nodes say to each other about snapshots: that blocks are pruned, which
//! snapshots there are, and their files. Never trusted by
//! itself: a manifest is proven by its certificate, a chunk by its digest, all
//! of it by the state root.

use laufzettel_chain::codec::{Canonical, CodecError, Reader, Writer};
use laufzettel_chain::ids::Height;
use laufzettel_chain::limits::CHUNK_BYTES_MAX;

/// Most snapshots one node names.
pub const SNAPSHOTS_MAX: usize = 64;
/// Largest manifest in bytes: with its envelope it fits one message.
pub const MANIFEST_BYTES_MAX: usize = super::MESSAGE_BYTES_MAX - 1_024;

const _: () = assert!(CHUNK_BYTES_MAX < MANIFEST_BYTES_MAX);

/// A message about snapshots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SnapshotMessage {
    /// The answer to a sync request below what the sender keeps.
    Pruned {
        /// The lowest height whose body it has.
        bodies_from: Height,
    },
    /// Asks which snapshots there are.
    ListRequest,
    /// Heights of complete snapshots, strictly ascending.
    List(Vec<Height>),
    /// Asks for a manifest.
    ManifestRequest {
        /// Height of the snapshot.
        height: Height,
    },
    /// A manifest.
    Manifest {
        /// Height of the snapshot.
        height: Height,
        /// Its bytes; empty if it is not here.
        bytes: Vec<u8>,
    },
    /// Asks for a chunk.
    ChunkRequest {
        /// Height of the snapshot.
        height: Height,
        /// Its place in the manifest.
        index: u32,
    },
    /// A chunk.
    Chunk {
        /// Height of the snapshot.
        height: Height,
        /// Its place in the manifest.
        index: u32,
        /// Its bytes; empty if it is not here.
        bytes: Vec<u8>,
    },
}

impl SnapshotMessage {
    /// Its name in logs.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Pruned { .. } => "pruned",
            Self::ListRequest => "snapshot_list_request",
            Self::List(_) => "snapshot_list",
            Self::ManifestRequest { .. } => "manifest_request",
            Self::Manifest { .. } => "manifest",
            Self::ChunkRequest { .. } => "chunk_request",
            Self::Chunk { .. } => "chunk",
        }
    }
    /// The answer of a node that has nothing of what this asks for; none to what asks for nothing.
    #[must_use]
    pub fn not_here(&self) -> Option<Self> {
        match self {
            Self::ListRequest => Some(Self::List(Vec::new())),
            Self::ManifestRequest { height } => Some(Self::Manifest { height: *height, bytes: Vec::new() }),
            Self::ChunkRequest { height, index } => {
                Some(Self::Chunk { height: *height, index: *index, bytes: Vec::new() })
            }
            Self::Pruned { .. } | Self::List(_) | Self::Manifest { .. } | Self::Chunk { .. } => None,
        }
    }
}

impl Canonical for SnapshotMessage {
    fn write(&self, out: &mut Writer) {
        match self {
            Self::Pruned { bodies_from } => {
                out.u8(1);
                out.u64(*bodies_from);
            }
            Self::ListRequest => out.u8(2),
            Self::List(heights) => {
                out.u8(3);
                out.length(heights.len());
                for height in heights {
                    out.u64(*height);
                }
            }
            Self::ManifestRequest { height } => {
                out.u8(4);
                out.u64(*height);
            }
            Self::Manifest { height, bytes } => {
                out.u8(5);
                out.u64(*height);
                out.bytes(bytes);
            }
            Self::ChunkRequest { height, index } => {
                out.u8(6);
                out.u64(*height);
                out.u32(*index);
            }
            Self::Chunk { height, index, bytes } => {
                out.u8(7);
                out.u64(*height);
                out.u32(*index);
                out.bytes(bytes);
            }
        }
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(match input.u8()? {
            1 => Self::Pruned { bodies_from: input.u64()? },
            2 => Self::ListRequest,
            3 => {
                let count = input.length(SNAPSHOTS_MAX)?;
                let mut heights: Vec<Height> = Vec::with_capacity(count);
                for _ in 0..count {
                    let height = input.u64()?;
                    if heights.last().is_some_and(|last| *last >= height) {
                        return Err(CodecError::Invalid("order of snapshots"));
                    }
                    heights.push(height);
                }
                Self::List(heights)
            }
            4 => Self::ManifestRequest { height: input.u64()? },
            5 => Self::Manifest { height: input.u64()?, bytes: input.bytes(MANIFEST_BYTES_MAX)?.to_vec() },
            6 => Self::ChunkRequest { height: input.u64()?, index: input.u32()? },
            7 => {
                Self::Chunk { height: input.u64()?, index: input.u32()?, bytes: input.bytes(CHUNK_BYTES_MAX)?.to_vec() }
            }
            _ => return Err(CodecError::Invalid("snapshot message kind")),
        })
    }
}
