//! The manifest: which header a snapshot leads to, who decided it, and what its chunks are. Checked with the genesis
//! file alone; it must never be trusted for what its chunks say.

use thiserror::Error;

use crate::certificate::Certificate;
use crate::codec::{Canonical, CodecError, Reader, Writer};
use crate::crypto::{self, Hash};
use crate::genesis::Genesis;
use crate::header::Header;
use crate::light::{LightClient, LightError};
use crate::limits::{CHUNK_BYTES_MAX, CHUNK_KEY_BYTES_MAX, CHUNKS_MAX};
use crate::validators::ValidatorSet;

/// Version of the format of snapshots.
pub const MANIFEST_VERSION: u16 = 1;

/// What the entries of a chunk are. Chunks are in the order of these numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum ChunkKind {
    /// State values that nothing else gives: proposer order and hours of submissions.
    Values = 1,
    /// Headers, and the transactions of each block with their receipts, without items.
    Blocks = 2,
    /// Cases: their accepted items with the places these have on the ledger.
    Cases = 3,
}

impl ChunkKind {
    /// From its number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        [Self::Values, Self::Blocks, Self::Cases].into_iter().find(|kind| *kind as u8 == number)
    }
    /// What its entries are, for messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Values => "values",
            Self::Blocks => "blocks",
            Self::Cases => "cases",
        }
    }
}

/// One chunk as the manifest lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkInfo {
    /// What its entries are.
    pub kind: ChunkKind,
    /// Key of its first entry.
    pub first: Vec<u8>,
    /// Key of its last entry.
    pub last: Vec<u8>,
    /// Number of entries, at least 1.
    pub count: u32,
    /// Bytes of the chunk.
    pub length: u32,
    /// K("chunk", its bytes).
    pub digest: Hash,
}

impl ChunkInfo {
    /// The digest of a chunk's bytes.
    #[must_use]
    pub fn digest_of(bytes: &[u8]) -> Hash {
        crypto::hash("chunk", bytes)
    }
}

/// A snapshot's head and list of chunks. Nodes that make one of the same height make the same but for the certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Format, [`MANIFEST_VERSION`].
    pub version: u16,
    /// Header of the block whose state it is.
    pub header: Header,
    /// Proof that it was decided.
    pub certificate: Certificate,
    /// Validators of the next height; a convenience, never trusted by itself.
    pub validators: ValidatorSet,
    /// The chunks, in order.
    pub chunks: Vec<ChunkInfo>,
}

/// Why a manifest is refused: whoever offers it is not worth asking for its chunks.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ManifestError {
    /// Another format.
    #[error(
        "the snapshot has format {0}, this program knows {MANIFEST_VERSION}; use a program of the network's version"
    )]
    Version(u16),
    /// The header was not decided by the validators that the genesis file leads to.
    #[error("the snapshot's header is not trusted: {0}")]
    Light(#[from] LightError),
    /// No state was ever agreed on at height 0.
    #[error("the snapshot is of height 0, which the genesis file gives by itself")]
    Genesis,
    /// The validators are not those of the header.
    #[error("the snapshot of height {0} lists other validators than its header announces")]
    Validators(u64),
    /// There is no chunk of a kind that every snapshot has, or more than allowed.
    #[error("the snapshot has {0} chunks; it needs 1 of values, at least 1 of blocks, and at most {CHUNKS_MAX} in all")]
    Chunks(usize),
    /// A chunk does not follow the one before it, or exceeds a bound.
    #[error("chunk {index} of the snapshot: {what}")]
    Chunk {
        /// Its place in the list, from 0.
        index: usize,
        /// What is wrong.
        what: &'static str,
    },
}

impl Manifest {
    /// Whether a light client that has only the genesis file may trust its header, and whether its list of chunks is in
    /// order and within bounds. In version 1 the validators are those of genesis.
    ///
    /// # Errors
    /// The first thing that does not hold.
    pub fn check(&self, genesis: &Genesis) -> Result<(), ManifestError> {
        if self.version != MANIFEST_VERSION {
            return Err(ManifestError::Version(self.version));
        }
        if self.header.height == 0 {
            return Err(ManifestError::Genesis);
        }
        LightClient::new(genesis).verify(&self.header, &self.certificate)?;
        if self.validators.hash() != self.header.next_validators_hash {
            return Err(ManifestError::Validators(self.header.height));
        }
        let of_kind = |kind| self.chunks.iter().filter(|chunk| chunk.kind == kind).count();
        let complete = of_kind(ChunkKind::Values) == 1 && of_kind(ChunkKind::Blocks) > 0;
        if !complete || self.chunks.len() > CHUNKS_MAX {
            return Err(ManifestError::Chunks(self.chunks.len()));
        }
        let mut before: Option<&ChunkInfo> = None;
        for (index, chunk) in self.chunks.iter().enumerate() {
            check_chunk(before, chunk).map_err(|what| ManifestError::Chunk { index, what })?;
            before = Some(chunk);
        }
        Ok(())
    }
    /// Hash of all but the certificate: what nodes that made a snapshot of one height must have alike, so that chunks
    /// of one can be taken from another.
    #[must_use]
    pub fn content(&self) -> Hash {
        let mut out = Writer::default();
        out.u16(self.version);
        self.header.write(&mut out);
        out.list(&self.chunks);
        crypto::hash("manifest", &out.into_bytes())
    }
    /// Bytes of all chunks.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.chunks.iter().map(|chunk| u64::from(chunk.length)).fold(0, u64::saturating_add)
    }
}

fn check_chunk(before: Option<&ChunkInfo>, chunk: &ChunkInfo) -> Result<(), &'static str> {
    if let Some(before) = before {
        if before.kind > chunk.kind {
            return Err("its kind comes before that of the chunk before it");
        }
        if before.kind == chunk.kind && before.last >= chunk.first {
            return Err("its first key is not above the last one of the chunk before it");
        }
    }
    let length = usize::try_from(chunk.length).unwrap_or(usize::MAX);
    if chunk.count == 0 || length > CHUNK_BYTES_MAX {
        return Err("it is empty or too long");
    }
    if chunk.first > chunk.last || (chunk.first == chunk.last) != (chunk.count == 1) {
        return Err("its keys do not fit its count");
    }
    Ok(())
}

impl Canonical for ChunkInfo {
    fn write(&self, out: &mut Writer) {
        out.u8(self.kind as u8);
        out.bytes(&self.first);
        out.bytes(&self.last);
        out.u32(self.count);
        out.u32(self.length);
        out.raw(&self.digest);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Self {
            kind: ChunkKind::from_number(input.u8()?).ok_or(CodecError::Invalid("kind of chunk"))?,
            first: input.bytes(CHUNK_KEY_BYTES_MAX)?.to_vec(),
            last: input.bytes(CHUNK_KEY_BYTES_MAX)?.to_vec(),
            count: input.u32()?,
            length: input.u32()?,
            digest: input.array()?,
        })
    }
}

impl Canonical for Manifest {
    fn write(&self, out: &mut Writer) {
        out.u16(self.version);
        self.header.write(out);
        self.certificate.write(out);
        self.validators.write(out);
        out.list(&self.chunks);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Self {
            version: input.u16()?,
            header: Header::read(input)?,
            certificate: Certificate::read(input)?,
            validators: ValidatorSet::read(input)?,
            chunks: input.list(CHUNKS_MAX)?,
        })
    }
}
