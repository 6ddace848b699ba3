//! The state tree: which keys are in it, how it is stored, and its pruning.
//! `jmt` over BLAKE3; the version of a node is the height that wrote it.

pub(crate) mod build;
mod update;

use jmt::storage::{LeafNode, Node, NodeKey, TreeReader};
use jmt::{JellyfishMerkleTree, KeyHash, OwnedValue, SimpleHasher, Version};

use crate::codec::Writer;
use crate::crypto::Hash;
use crate::ids::{CaseId, Height};
use crate::storage::{Batch, Family, Read, StoreError};
use update::Updated;

/// Plain BLAKE3 for the tree.
#[derive(Debug, Clone)]
pub struct TreeHasher(blake3::Hasher);

impl SimpleHasher for TreeHasher {
    fn new() -> Self {
        Self(blake3::Hasher::new())
    }
    fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }
    fn finalize(self) -> [u8; 32] {
        *self.0.finalize().as_bytes()
    }
}

/// A key of the state (docs/FORMATS.md A.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateKey {
    /// Root of a case's fields.
    Case(CaseId),
    /// Submissions whose `valid_until` lies in this hour.
    Bucket(u64),
    /// A value of the registry: kind and name.
    Registry(u8, String),
    /// Proposer order.
    ProposerOrder,
    /// Erasure epoch.
    Epoch,
    /// Consensus parameters.
    Parameters,
    /// Protocol version.
    ProtocolVersion,
    /// What is changed by vote: the list of proposals and of adopted texts.
    Governance,
}

impl StateKey {
    /// The key's bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = Writer::default();
        match self {
            Self::Case(case) => {
                out.u8(1);
                out.raw(&case.0);
            }
            Self::Bucket(hour) => {
                out.u8(2);
                out.u64(*hour);
            }
            Self::Registry(kind, name) => {
                out.u8(3);
                out.u8(*kind);
                out.str(name);
            }
            Self::ProposerOrder => out.raw(&[5, 1]),
            Self::Epoch => out.raw(&[5, 2]),
            Self::Parameters => out.raw(&[5, 3]),
            Self::ProtocolVersion => out.raw(&[5, 4]),
            Self::Governance => out.raw(&[5, 5]),
        }
        out.into_bytes()
    }
    /// Where the key stands in the tree.
    #[must_use]
    pub fn hash(&self) -> KeyHash {
        KeyHash(*blake3::hash(&self.bytes()).as_bytes())
    }
}

const NODE: u8 = 0;
const VALUE: u8 = 1;
/// First byte of the row of a leaf.
const LEAF_NODE: u8 = 2;

/// The row of a node: those of one height stand together and behind those of earlier ones, so that nothing has to be
/// moved to make room for them.
fn node_row(key: &NodeKey) -> Vec<u8> {
    let mut path = [0u8; 32];
    for (depth, nibble) in key.nibble_path().nibbles().enumerate() {
        if let Some(byte) = path.get_mut(depth >> 1) {
            *byte |= if depth & 1 == 0 { u8::from(nibble) << 4 } else { u8::from(nibble) };
        }
    }
    row_of_node(key.version(), &path, key.nibble_path().num_nibbles())
}

/// The row of the node at a depth, in nibbles, on the way to a key.
fn row_of_node(version: Version, key: &Hash, depth: usize) -> Vec<u8> {
    let mut row = Vec::with_capacity(12usize.saturating_add(depth >> 1));
    row.push(NODE);
    row.extend_from_slice(&version.to_be_bytes());
    row.push(u8::try_from(depth).unwrap_or(u8::MAX));
    row.extend_from_slice(key.get(..depth >> 1).unwrap_or_default());
    if depth & 1 == 1 {
        row.push(key.get(depth >> 1).copied().unwrap_or_default() & 0xf0);
    }
    row
}

fn value_row(key: &KeyHash, version: Version) -> Vec<u8> {
    [[VALUE].as_slice(), &key.0, &version.to_be_bytes()].concat()
}

/// The tree as stored.
pub(crate) struct StoredTree<'a>(pub(crate) &'a dyn Read);

fn damaged(what: impl ToString) -> StoreError {
    StoreError::Damaged { family: Family::Tree.name(), what: what.to_string() }
}

impl TreeReader for StoredTree<'_> {
    fn get_node_option(&self, key: &NodeKey) -> anyhow::Result<Option<Node>> {
        let bytes = self.0.get(Family::Tree, &node_row(key))?;
        bytes.map(|bytes| borsh::from_slice(&bytes).map_err(Into::into)).transpose()
    }
    fn get_value_option(&self, version: Version, key: KeyHash) -> anyhow::Result<Option<OwnedValue>> {
        let end = value_row(&key, version.saturating_add(1));
        let row = self.0.last(Family::Tree, &value_row(&key, 0), &end)?;
        row.map(|(_, value)| borsh::from_slice(&value).map_err(Into::into)).transpose().map(Option::flatten)
    }
    fn get_rightmost_leaf(&self) -> anyhow::Result<Option<(NodeKey, LeafNode)>> {
        // Asked only while a tree is restored from a snapshot, which starts with an empty one.
        Ok(None)
    }
}

/// The newest value of a key and the height that wrote it; none if the tree does not have the key.
///
/// # Errors
/// The store failed, or the row is damaged.
pub(crate) fn newest(read: &dyn Read, key: &StateKey) -> Result<Option<(Height, OwnedValue)>, StoreError> {
    let key = key.hash();
    let Some((row, value)) = read.last(Family::Tree, &value_row(&key, 0), &value_row(&key, Version::MAX))? else {
        return Ok(None);
    };
    let height = row.last_chunk::<8>().copied().map(Height::from_be_bytes);
    let height = height.ok_or_else(|| damaged("a value's row without height"))?;
    let value: Option<OwnedValue> = borsh::from_slice(&value).map_err(damaged)?;
    Ok(value.map(|value| (height, value)))
}

/// A value to write, or to take out of the tree.
pub(crate) struct Change {
    /// Its key.
    pub(crate) key: StateKey,
    /// The value; none takes the key out.
    pub(crate) value: Option<Vec<u8>>,
    /// The height that wrote the key's value before; none if the tree does not have the key. A wrong one leaves a row
    /// that is never pruned.
    pub(crate) previous: Option<Height>,
}

/// Writes a value that stands since this height, without the nodes above it, which [`build::build`] makes.
pub(crate) fn put_value(batch: &mut Batch, key: &StateKey, since: Height, value: Vec<u8>) -> Result<(), StoreError> {
    let value = borsh::to_vec(&Some(value)).map_err(damaged)?;
    batch.put(Family::Tree, value_row(&key.hash(), since), value);
    Ok(())
}

/// Writes one height's values, each key once; the new root and the writes that make it.
///
/// # Errors
/// The stored tree is damaged or cannot be read.
pub(crate) fn put(read: &dyn Read, height: Height, changes: Vec<Change>) -> Result<(Hash, Batch), StoreError> {
    let mut changes: Vec<(KeyHash, Change)> = changes.into_iter().map(|change| (change.key.hash(), change)).collect();
    changes.sort_unstable_by_key(|(key, _)| key.0);
    let hash = |value: &Vec<u8>| *blake3::hash(value).as_bytes();
    let leaves: Vec<update::NewLeaf> =
        changes.iter().map(|(key, change)| (key.0, change.value.as_ref().map(hash))).collect();
    let updated = update::put(read, height, &leaves)?;
    let updated = match updated {
        Some(updated) => updated,
        None => put_each(read, height, &changes)?,
    };
    Ok((updated.root, finish(height, updated, changes)?))
}

/// Lets `jmt` make the nodes, also where the tree is empty.
fn put_each(read: &dyn Read, height: Height, changes: &[(KeyHash, Change)]) -> Result<Updated, StoreError> {
    let stored = StoredTree(read);
    let tree = JellyfishMerkleTree::<_, TreeHasher>::new(&stored);
    let values = changes.iter().map(|(key, change)| (*key, change.value.clone()));
    let (root, update) = tree.put_value_set(values, height).map_err(damaged)?;
    let mut nodes = Batch::default();
    for (key, node) in update.node_batch.nodes() {
        nodes.put(Family::Tree, node_row(key), borsh::to_vec(node).map_err(damaged)?);
    }
    let stale = update.stale_node_index_batch.iter().map(|stale| node_row(&stale.node_key)).collect();
    Ok(Updated { root: root.0, nodes, stale })
}

/// Adds the values to the nodes, and what is stale from this height on.
fn finish(height: Height, updated: Updated, changes: Vec<(KeyHash, Change)>) -> Result<Batch, StoreError> {
    let Updated { nodes: mut batch, mut stale, .. } = updated;
    for (key, change) in changes {
        let row = value_row(&key, height);
        if let Some(older) = change.previous {
            stale.push(value_row(&key, older));
        }
        batch.put(Family::Tree, row.clone(), borsh::to_vec(&change.value).map_err(damaged)?);
        if change.value.is_none() {
            // What says that a value is gone goes with the value: later trees do not have the key.
            stale.push(row);
        }
    }
    stale.sort_unstable();
    batch.put(Family::TreeStale, height.to_be_bytes().to_vec(), stale_list(&stale));
    Ok(batch)
}

/// Rows one behind the other, each after its length.
fn stale_list(rows: &[Vec<u8>]) -> Vec<u8> {
    let mut list =
        Vec::with_capacity(rows.iter().map(|row| row.len().saturating_add(1)).fold(0, usize::saturating_add));
    for row in rows {
        // No row of the tree has more than 42 bytes.
        list.push(u8::try_from(row.len()).unwrap_or(u8::MAX));
        list.extend_from_slice(row);
    }
    list
}

/// The rows of a list of what is stale since a height.
///
/// # Errors
/// The list is damaged.
pub fn stale_rows(mut list: &[u8]) -> Result<Vec<&[u8]>, StoreError> {
    let mut rows = Vec::new();
    while let Some((length, rest)) = list.split_first() {
        let split = rest.split_at_checked(usize::from(*length));
        let (row, rest) = split.ok_or_else(|| damaged("a list of stale rows ends early"))?;
        rows.push(row);
        list = rest;
    }
    Ok(rows)
}

/// Heights pruned with one commit at the most, so that it stays short.
const PRUNED_HEIGHTS_MAX: usize = 4;

/// Deletes the rows that no tree of version `keep_from` or later needs.
///
/// # Errors
/// The store failed.
pub(crate) fn prune(read: &dyn Read, keep_from: Height, batch: &mut Batch) -> Result<(), StoreError> {
    let end = keep_from.saturating_add(1).to_be_bytes();
    for (height, list) in read.scan(Family::TreeStale, &[], &end, PRUNED_HEIGHTS_MAX)? {
        for row in stale_rows(&list)? {
            batch.delete(Family::Tree, row.to_vec());
        }
        batch.delete(Family::TreeStale, height);
    }
    Ok(())
}

/// A value at a height with the proof that it is there, or that nothing is.
///
/// # Errors
/// The height's tree is pruned or damaged.
pub(crate) fn prove(read: &dyn Read, height: Height, key: &StateKey) -> Result<(Option<Vec<u8>>, Vec<u8>), StoreError> {
    let stored = StoredTree(read);
    let tree = JellyfishMerkleTree::<_, TreeHasher>::new(&stored);
    let (value, proof) = tree.get_with_proof(key.hash(), height).map_err(damaged)?;
    Ok((value, borsh::to_vec(&proof).map_err(damaged)?))
}

/// Largest proof: 64 nibbles of four siblings each, and the leaf.
const PROOF_BYTES_MAX: usize = 64 * 1024;

/// Whether the proof shows that the state with this root has this value, or none, at the key.
#[must_use]
pub fn verify(root: &Hash, key: &StateKey, value: Option<&[u8]>, proof: &[u8]) -> bool {
    if proof.len() > PROOF_BYTES_MAX {
        return false;
    }
    let Ok(proof) = borsh::from_slice::<jmt::proof::SparseMerkleProof<TreeHasher>>(proof) else { return false };
    proof.verify(jmt::RootHash(*root), key.hash(), value).is_ok()
}

#[cfg(test)]
mod tests;
