//! Filling an empty store from a snapshot. Chunks come in order; each is checked and written, or refused and nothing of
//! it is kept. A store under import says so in its first row, and no ledger opens it before [`Import::finish`] found
//! that everything leads to the certified header. Never trusts a manifest for more than what its certificate covers.

mod blocks;
mod cases;

use std::collections::BTreeMap;
use std::sync::Arc;

use thiserror::Error;

use self::blocks::Chain;
use self::cases::{Cases, Known};
use super::entry;
use super::manifest::{ChunkInfo, ChunkKind, Manifest, ManifestError};
use crate::codec::{CodecError, Reader, decode, encode};
use crate::crypto::Hash;
use crate::execute::governance::registry_kind;
use crate::genesis::Genesis;
use crate::ids::{Address, Height, ItemDigest};
use crate::ledger::prune::Pruned;
use crate::ledger::{Tip, epoch_bytes, genesis_values, put_identity, put_unfinished, stored, stored_tip};
use crate::registry::Registry;
use crate::registry::adopted::text_of;
use crate::state::evidence::{self, Records};
use crate::state::governance::{self, Proposal, Register};
use crate::state::order::ProposerOrder;
use crate::state::submissions;
use crate::storage::{Batch, Durability, Family, Store, StoreError};
use crate::tree::{self, StateKey, build};

/// Whose fault an error is: what to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// These bytes are not the chunk that the manifest lists: ask another for the same chunk.
    Chunk,
    /// The manifest promises what its chunks do not hold: take another snapshot, into a new store.
    Snapshot,
    /// This node: its store, or how it was called.
    Node,
}

/// Why an import cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ImportError {
    /// The manifest is refused.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The store failed; the import must be begun anew in an empty one.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store has rows.
    #[error("the store to import into has rows of {0} already; delete it and begin with an empty one")]
    NotEmpty(&'static str),
    /// The bytes have another digest or length than the manifest lists.
    #[error(
        "chunk {index} ({kind}) has {found} bytes and is not the one of {length} bytes that the manifest lists; fetch it again, from another node"
    )]
    Digest {
        /// The chunk.
        index: u32,
        /// What its entries are.
        kind: &'static str,
        /// Bytes given.
        found: usize,
        /// Bytes listed.
        length: u32,
    },
    /// The bytes are what the manifest lists, but no chunk.
    #[error("chunk {index} ({kind}) is what the manifest lists, but: {what}; take the snapshot of another node")]
    Content {
        /// The chunk.
        index: u32,
        /// What its entries are.
        kind: &'static str,
        /// What is wrong with it.
        what: String,
    },
    /// All chunks are in, and what they say does not lead to the certified header.
    #[error("the snapshot does not lead to its certified header: {0}; take the snapshot of another node")]
    Contradicts(String),
    /// All chunks are in already.
    #[error("all {0} chunks are in; finish the import")]
    NothingWanted(usize),
    /// Chunks are missing.
    #[error("chunk {wanted} of {all} is not in yet")]
    Unfinished {
        /// The next one.
        wanted: u32,
        /// How many there are.
        all: usize,
    },
}

impl ImportError {
    /// Whose fault it is.
    #[must_use]
    pub fn blame(&self) -> Blame {
        match self {
            Self::Digest { .. } => Blame::Chunk,
            Self::Manifest(_) | Self::Content { .. } | Self::Contradicts(_) => Blame::Snapshot,
            Self::Store(_) | Self::NotEmpty(_) | Self::NothingWanted(_) | Self::Unfinished { .. } => Blame::Node,
        }
    }
}

/// Room made for the rows of a chunk at once: so many for each of its entries, of which it says how many there are.
const ROWS_AN_ENTRY: usize = 8;
const ROWS_RESERVED: usize = 8_192;

/// What is wrong with a chunk's content, or the store's failure.
#[derive(Debug)]
enum Fault {
    False(String),
    Store(StoreError),
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<CodecError> for Fault {
    fn from(error: CodecError) -> Self {
        Self::False(error.to_string())
    }
}

fn because(what: impl ToString) -> Fault {
    Fault::False(what.to_string())
}

/// Values of the first chunk: what the rest must lead to.
#[derive(Debug, Clone, Default)]
struct Values {
    order: Option<ProposerOrder>,
    buckets: BTreeMap<u64, Vec<u8>>,
    evidence: BTreeMap<Address, Records>,
    proposals: BTreeMap<ItemDigest, Proposal>,
    register: Option<Register>,
}

/// What is known after the chunks so far; taken back when one is refused.
#[derive(Debug, Clone)]
struct Progress {
    values: Values,
    chain: Chain,
    cases: Cases,
}

/// An import under way.
pub struct Import {
    store: Arc<dyn Store>,
    genesis: Arc<Genesis>,
    manifest: Manifest,
    next: usize,
    progress: Progress,
    /// The registry with what was adopted; none before the blocks with the texts are in.
    registry: Option<Registry>,
}

impl std::fmt::Debug for Import {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Import").field("height", &self.height()).field("next", &self.next).finish_non_exhaustive()
    }
}

impl Import {
    /// Begins to fill an empty store, and marks it as unfinished.
    ///
    /// # Errors
    /// The manifest is refused, or the store is not empty or fails.
    pub fn begin(store: Arc<dyn Store>, genesis: Arc<Genesis>, manifest: Manifest) -> Result<Self, ImportError> {
        manifest.check(&genesis)?;
        for family in Family::ALL {
            if !store.scan(family, &[], &[0xff; 64], 1)?.is_empty() {
                return Err(ImportError::NotEmpty(family.name()));
            }
        }
        let mut batch = Batch::default();
        put_unfinished(&mut batch, manifest.header.height);
        store.write(&batch, Durability::Synced)?;
        let progress =
            Progress { values: Values::default(), chain: Chain::new(&genesis, &manifest), cases: Cases::default() };
        Ok(Self { store, genesis, manifest, next: 0, progress, registry: None })
    }
    fn height(&self) -> Height {
        self.manifest.header.height
    }
    /// The manifest it follows.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }
    /// The chunk it needs next; none when all are in.
    #[must_use]
    pub fn wanted(&self) -> Option<u32> {
        (self.next < self.manifest.chunks.len()).then(|| u32::try_from(self.next).unwrap_or(u32::MAX))
    }
    /// Takes the chunk that is wanted. If it is refused, nothing of it is kept, and it may be offered again.
    ///
    /// # Errors
    /// The bytes are not the chunk, are none, or contradict the chunks before; or the store fails, and the import must be
    /// begun anew.
    pub fn chunk(&mut self, bytes: &[u8]) -> Result<(), ImportError> {
        let all = self.manifest.chunks.len();
        let Some(info) = self.manifest.chunks.get(self.next) else { return Err(ImportError::NothingWanted(all)) };
        let (index, kind) = (u32::try_from(self.next).unwrap_or(u32::MAX), info.kind.name());
        if u32::try_from(bytes.len()) != Ok(info.length) || ChunkInfo::digest_of(bytes) != info.digest {
            return Err(ImportError::Digest { index, kind, found: bytes.len(), length: info.length });
        }
        let last_of_kind =
            self.manifest.chunks.get(self.next.saturating_add(1)).is_none_or(|next| next.kind != info.kind);
        if info.kind == ChunkKind::Cases && self.registry.is_none() {
            self.registry = Some(self.adopted()?);
        }
        let mut progress = self.progress.clone();
        let rows = usize::try_from(info.count).unwrap_or(0).min(ROWS_RESERVED).saturating_mul(ROWS_AN_ENTRY);
        let mut batch = Batch { writes: Vec::with_capacity(rows) };
        let taken = self.take(&mut progress, info, last_of_kind, bytes, &mut batch);
        taken.map_err(|fault| match fault {
            Fault::False(what) => ImportError::Content { index, kind, what },
            Fault::Store(error) => ImportError::Store(error),
        })?;
        self.store.write(&batch, Durability::Buffered)?;
        self.progress = progress;
        self.next = self.next.saturating_add(1);
        Ok(())
    }
    /// The registry with what the list of adopted texts names. Its texts came with the blocks.
    fn adopted(&self) -> Result<Registry, ImportError> {
        let register = self.progress.values.register.clone().unwrap_or_default();
        let because = |error: StoreError| ImportError::Contradicts(format!("what it says was adopted: {error}"));
        self.genesis.registry.with(register, self.store.as_ref()).map_err(because)
    }
    fn take(
        &self,
        progress: &mut Progress,
        info: &ChunkInfo,
        last_of_kind: bool,
        bytes: &[u8],
        batch: &mut Batch,
    ) -> Result<(), Fault> {
        let mut input = Reader::new(bytes);
        let (mut before, mut count): (Option<&[u8]>, u32) = (None, 0);
        let mut cases = Vec::new();
        while !input.is_empty() {
            let (key, value) = entry::next(&mut input)?;
            if before.is_none() && key != info.first || before.is_some_and(|before| before >= key) {
                return Err(because("its keys are not those listed or not in order"));
            }
            (before, count) = (Some(key), count.saturating_add(1));
            match info.kind {
                ChunkKind::Values => progress.values.take(key, value)?,
                ChunkKind::Blocks => progress.chain.take(key, value, batch)?,
                ChunkKind::Cases => cases.push((key, value)),
            }
        }
        if count != info.count || before != Some(info.last.as_slice()) {
            return Err(because("its last key or its count is not the one listed"));
        }
        let registry = self.registry.as_ref().unwrap_or(&self.genesis.registry);
        let read = self.store.as_ref();
        let known = Known { read, registry };
        progress.cases.take(&known, &cases, batch)?;
        match info.kind {
            ChunkKind::Values => {
                let first_hour = progress.values.buckets.keys().next().copied();
                progress.chain.keep_submissions_from(first_hour.unwrap_or(u64::MAX));
            }
            ChunkKind::Blocks if last_of_kind => progress.chain.finish(batch)?,
            ChunkKind::Cases if last_of_kind => progress.cases.finish(&known, batch)?,
            ChunkKind::Blocks | ChunkKind::Cases => {}
        }
        Ok(())
    }
    /// Builds the state tree, compares its root with the certified one, and only then makes the store one that a ledger
    /// opens. `progress` is told how many of how many state values are in the tree.
    ///
    /// # Errors
    /// Chunks are missing, what they say does not lead to the header, or the store fails. The store stays unfinished.
    pub fn finish(self, progress: &mut dyn FnMut(u64, u64)) -> Result<Tip, ImportError> {
        if let Some(wanted) = self.wanted() {
            return Err(ImportError::Unfinished { wanted, all: self.manifest.chunks.len() });
        }
        let mut batch = Batch::default();
        let (order, values) = self.put_values(&mut batch)?;
        self.store.write(&batch, Durability::Buffered)?;
        let all = values.saturating_add(self.progress.cases.count());
        let height = self.height();
        let root = build::build(self.store.as_ref(), height, &mut |done| progress(done, all))?;
        let header = &self.manifest.header;
        if root != header.state_root {
            let hex = |root: &Hash| data_encoding::HEXLOWER.encode(root);
            let (found, certified) = (hex(&root), hex(&header.state_root));
            return Err(ImportError::Contradicts(format!("its state root is {found}, certified is {certified}")));
        }
        let mut batch = Batch::default();
        stored::put_tip(&mut batch, header, Some(&self.manifest.certificate), &order);
        Pruned::all_below(height.saturating_add(1)).put(&mut batch);
        put_identity(&mut batch, &self.genesis);
        self.store.write(&batch, Durability::Synced)?;
        Ok(stored_tip(self.store.as_ref(), &self.genesis.registry)?.0)
    }
    /// State values that are no case's; the proposer order, and how many there are.
    fn put_values(&self, batch: &mut Batch) -> Result<(ProposerOrder, u64), ImportError> {
        let (height, mut count) = (self.height(), 0u64);
        let order = self.progress.values.order.clone();
        let order = order.ok_or_else(|| ImportError::Contradicts("it has no proposer order".to_owned()))?;
        let (values, texts) = genesis_values(&self.genesis);
        batch.append(texts);
        for (key, value) in values {
            // Every height writes these two; the rest has stood since genesis.
            let (since, value) = match key {
                StateKey::ProposerOrder => (height, encode(&order)),
                StateKey::Epoch => (height, epoch_bytes(self.manifest.header.time_ms)),
                _ => (0, value),
            };
            tree::put_value(batch, &key, since, value)?;
            count = count.saturating_add(1);
        }
        let buckets = self.progress.chain.buckets();
        let computed: BTreeMap<u64, Vec<u8>> = buckets.iter().map(|(hour, bucket)| (*hour, bucket.value())).collect();
        if computed != self.progress.values.buckets {
            return Err(ImportError::Contradicts("its hours of submissions are not those of its blocks".to_owned()));
        }
        for (hour, bucket) in buckets {
            submissions::put_bucket(batch, *hour, bucket);
            tree::put_value(batch, &StateKey::Bucket(*hour), bucket.changed, bucket.value())?;
            count = count.saturating_add(1);
        }
        count = count.saturating_add(self.put_governance(batch)?);
        for (address, records) in &self.progress.values.evidence {
            let since =
                records.changed().ok_or_else(|| ImportError::Contradicts("its evidence is empty".to_owned()))?;
            tree::put_value(batch, &evidence::state_key(address), since, encode(records))?;
            count = count.saturating_add(1);
        }
        Ok((order, count))
    }
    /// Proposals, their list, and what was adopted with its texts; how many values.
    fn put_governance(&self, batch: &mut Batch) -> Result<u64, ImportError> {
        let Some(register) = &self.progress.values.register else { return Ok(0) };
        let mut count = 1u64;
        tree::put_value(batch, &StateKey::Governance, register.changed, encode(register))?;
        for proposal in self.progress.values.proposals.values() {
            tree::put_value(batch, &governance::state_key(&proposal.item), proposal.changed, encode(proposal))?;
            count = count.saturating_add(1);
        }
        for adopted in &register.adopted {
            let text = text_of(self.store.as_ref(), adopted)?;
            let (kind, name) = (registry_kind(adopted.kind), format!("{}@{}", adopted.id, adopted.version));
            batch.put(Family::Registry, [[kind].as_slice(), name.as_bytes()].concat(), text.into_bytes());
            tree::put_value(batch, &StateKey::Registry(kind, name), adopted.adopted, adopted.text.to_vec())?;
            count = count.saturating_add(1);
        }
        Ok(count)
    }
}

impl Values {
    fn take(&mut self, key: &[u8], value: &[u8]) -> Result<(), Fault> {
        if key == StateKey::ProposerOrder.bytes() {
            self.order = Some(decode(value)?);
            return Ok(());
        }
        if let Some(address) = evidence::address_of(key) {
            self.evidence.insert(address, decode(value)?);
            return Ok(());
        }
        if key == StateKey::Governance.bytes() {
            self.register = Some(decode(value)?);
            return Ok(());
        }
        if governance::is_proposal_key(key) {
            let proposal: Proposal = decode(value)?;
            if governance::state_key(&proposal.item).bytes() != key {
                return Err(because("a proposal stands under another's key"));
            }
            self.proposals.insert(proposal.item, proposal);
            return Ok(());
        }
        let hour = entry::bucket_hour(key).ok_or_else(|| because("a value is none that version 1 carries"))?;
        self.buckets.insert(hour, value.to_vec());
        Ok(())
    }
}
