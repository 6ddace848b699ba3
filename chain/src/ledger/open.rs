//! Making a store from the genesis file, and opening one: what it must say of itself before anything is read from it.

use std::sync::Arc;

use thiserror::Error;

use super::prune::Pruned;
use super::stored::{damaged, put_tip, stored_tip};
use super::{Ledger, whole};
use crate::block::Body;
use crate::codec::{Writer, encode};
use crate::crypto::Hash;
use crate::execute::Conduct;
use crate::genesis::{Genesis, GenesisError, calendars_hash, text_hash};
use crate::header::Header;
use crate::ids::{Address, BlockId, Height, NO_HASH};
use crate::index::inbox::DUE_LEAST;
use crate::limits;
use crate::rows;
use crate::state::cache::CaseCache;
use crate::state::order::{ProposerOrder, Turns};
use crate::storage::{Batch, Durability, Family, Read, Store, StoreError};
use crate::tree::{self, Change, StateKey};

/// Version of the rows on disk; a store of a newer one is refused.
const STORE_VERSION: u32 = 1;

const FORMAT: &[u8] = b"format";
const NETWORK: &[u8] = b"network";
const UNFINISHED: &[u8] = b"unfinished";

/// The format's row: the one that every program can read, however it encodes its others.
fn format_row(version: u32) -> Vec<u8> {
    [[1].as_slice(), &version.to_be_bytes()].concat()
}

fn format_of(row: &[u8]) -> Result<u32, StoreError> {
    let version = row.strip_prefix(&[1]).and_then(|version| version.try_into().ok()).map(u32::from_be_bytes);
    version.ok_or_else(|| damaged(Family::Meta, "format"))
}

/// Why a store cannot be used.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The genesis file is refused.
    #[error(transparent)]
    Genesis(#[from] GenesisError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The genesis file claims another state.
    #[error(
        "the genesis file claims state root {claimed}, its content gives {computed}; run `laufzettel genesis check`"
    )]
    Root {
        /// Root in the file.
        claimed: String,
        /// Root of its content.
        computed: String,
    },
    /// The store belongs to another network.
    #[error(
        "the store belongs to network {found}, the genesis file to {expected}; use the data directory or the genesis file of one network"
    )]
    OtherNetwork {
        /// Network of the store.
        found: String,
        /// Network of the genesis file.
        expected: String,
    },
    /// A snapshot is being imported into it.
    #[error(
        "the store is an unfinished import of the snapshot of height {height}; delete its directory and join again"
    )]
    Unfinished {
        /// Height of the snapshot.
        height: Height,
    },
    /// The store was written by a newer program.
    #[error(
        "the store has format {found}, this program knows up to {STORE_VERSION}; install the program that wrote it"
    )]
    Newer {
        /// Format of the store.
        found: u32,
    },
}

/// The state's value of the erasure epoch at a block time.
pub(crate) fn epoch_bytes(time_ms: u64) -> Vec<u8> {
    time_ms.checked_div(limits::EPOCH_MS).unwrap_or(0).to_be_bytes().to_vec()
}

/// The values of the state at height 0, and the rows of definitions' texts.
pub(crate) fn genesis_values(genesis: &Genesis) -> (Vec<(StateKey, Vec<u8>)>, Batch) {
    let registry = &genesis.registry;
    let written = |write: &dyn Fn(&mut Writer)| {
        let mut out = Writer::default();
        write(&mut out);
        out.into_bytes()
    };
    let mut values = Vec::new();
    for (id, authority) in &registry.authorities {
        values.push((StateKey::Registry(1, id.clone()), written(&|out| authority.write(out))));
    }
    for (id, key) in &registry.keys {
        values.push((StateKey::Registry(2, id.to_string()), written(&|out| key.write(out))));
    }
    let mut texts = Batch::default();
    for ((id, version), text) in &genesis.texts {
        let name = format!("{id}@{version}");
        values.push((StateKey::Registry(3, name.clone()), text_hash(text).to_vec()));
        texts.put(Family::Registry, [[3].as_slice(), name.as_bytes()].concat(), text.clone().into_bytes());
    }
    if let (Some(calendars), Some(text)) = (&registry.calendars, &genesis.calendars_text) {
        let name = format!("{}@{}", calendars.id(), calendars.version());
        values.push((StateKey::Registry(5, name.clone()), calendars_hash(text).to_vec()));
        texts.put(Family::Registry, [[5].as_slice(), name.as_bytes()].concat(), text.clone().into_bytes());
    }
    values.push((StateKey::ProposerOrder, encode(&ProposerOrder::default())));
    values.push((StateKey::Epoch, epoch_bytes(genesis.time_ms)));
    values.push((StateKey::Parameters, written(&|out| registry.parameters.write(out))));
    values.push((StateKey::ProtocolVersion, registry.protocol.to_be_bytes().to_vec()));
    (values, texts)
}

/// The writes and the root of height 0.
///
/// # Errors
/// The store failed.
pub fn genesis_state(genesis: &Genesis, read: &dyn Read) -> Result<(Hash, Batch), StoreError> {
    let (values, mut batch) = genesis_values(genesis);
    let change = |(key, value)| Change { key, value: Some(value), previous: None };
    let (root, nodes) = tree::put(read, 0, values.into_iter().map(change).collect())?;
    batch.append(nodes);
    Ok((root, batch))
}

/// The header of height 0, which no certificate decides.
#[must_use]
pub fn genesis_header(genesis: &Genesis, state_root: Hash) -> Header {
    let validators_hash = genesis.registry.validators.hash();
    Header {
        version: genesis.registry.protocol,
        network: genesis.network,
        incarnation: 0,
        height: 0,
        round: 0,
        time_ms: genesis.time_ms,
        previous: BlockId(NO_HASH),
        proposer: Address::default(),
        tx_root: Body::default().tx_root(),
        receipts_root: crate::receipt::receipts_root([].iter()),
        state_root,
        validators_hash,
        next_validators_hash: validators_hash,
    }
}

/// Writes what a store says of itself: its format and its network. Only with the batch that makes it complete.
pub(crate) fn put_identity(batch: &mut Batch, genesis: &Genesis) {
    batch.delete(Family::Meta, UNFINISHED.to_vec());
    batch.put(Family::Meta, FORMAT.to_vec(), format_row(STORE_VERSION));
    batch.put(Family::Meta, NETWORK.to_vec(), genesis.network.0.to_vec());
}

/// Writes that a store is being filled from the snapshot of a height; [`put_identity`] takes it back.
pub(crate) fn put_unfinished(batch: &mut Batch, height: Height) {
    rows::put(batch, Family::Meta, UNFINISHED.to_vec(), &height);
}

impl Ledger {
    /// Opens a store, or makes it from the genesis file.
    ///
    /// # Errors
    /// The store cannot be used with this file.
    pub fn open(store: Arc<dyn Store>, genesis: Arc<Genesis>, archive: bool) -> Result<Self, OpenError> {
        if let Some(height) = rows::get(store.as_ref(), Family::Meta, UNFINISHED)? {
            return Err(OpenError::Unfinished { height });
        }
        match store.get(Family::Meta, FORMAT)? {
            None => {
                whole::check_empty(store.as_ref())?;
                Self::create(store.as_ref(), &genesis)?;
            }
            Some(bytes) => {
                let found = format_of(&bytes)?;
                if found > STORE_VERSION {
                    return Err(OpenError::Newer { found });
                }
            }
        }
        let found = store.get(Family::Meta, NETWORK)?.unwrap_or_default();
        if found != genesis.network.0 {
            let found = data_encoding::HEXLOWER.encode(&found);
            return Err(OpenError::OtherNetwork { found, expected: genesis.network.to_string() });
        }
        let (tip, order) = stored_tip(store.as_ref(), &genesis.registry)?;
        whole::check(store.as_ref(), &tip)?;
        let prune_below = Pruned::load(store.as_ref())?.bodies_from;
        let (verified, cases) = (Arc::default(), CaseCache::default());
        let (turns, conduct) = (Turns::PROTOCOL, Conduct::PROTOCOL);
        let (tip, due_from) = (Arc::new(tip), DUE_LEAST);
        Ok(Self { store, genesis, tip, order, verified, archive, prune_below, cases, due_from, turns, conduct })
    }
    fn create(store: &dyn Store, genesis: &Genesis) -> Result<(), OpenError> {
        let (root, mut batch) = genesis_state(genesis, store)?;
        if root != genesis.state_root {
            let hex = |root: &Hash| data_encoding::HEXLOWER.encode(root);
            return Err(OpenError::Root { claimed: hex(&genesis.state_root), computed: hex(&root) });
        }
        put_tip(&mut batch, &genesis_header(genesis, root), None, &ProposerOrder::default());
        put_identity(&mut batch, genesis);
        store.write(&batch, Durability::Synced)?;
        Ok(())
    }
}
