//! The nodes of a tree from its values alone, in one pass in the order of their positions: what an import does instead
//! of writing height by height. All nodes get one version. It must make the very nodes that [`super::put`] would make of
//! the same values written at once; a test compares.

use borsh::BorshDeserialize as _;
use jmt::storage::{LeafNode, Node};
use jmt::{KeyHash, SimpleHasher as _, ValueHash};

use super::{TreeHasher, VALUE, damaged, row_of_node};
use crate::crypto::Hash;
use crate::ids::Height;
use crate::storage::{Batch, Durability, Family, Store, StoreError, next_key, prefix_end};

/// Values read, and their nodes written, at a time.
const PAGE: usize = 8_192;

/// A child of an inner node as jmt writes it: hash, version, and the leaves below an inner one.
#[derive(Debug, Clone)]
struct Child {
    hash: Hash,
    leaves: Option<u64>,
}

/// An inner node whose children are not all known yet.
type Children = [Option<Child>; 16];

/// Nodes on the way from the root to the last value.
struct Builder {
    version: Height,
    /// The last value's position and hash: where its leaf stands depends on the next one.
    last: Option<(Hash, Hash)>,
    /// Inner nodes above it, the root's first; as many as nibbles shared with the value before it, and one.
    open: Vec<Children>,
}

fn nibble(position: &Hash, at: usize) -> usize {
    let byte = position.get(at >> 1).copied().unwrap_or_default();
    usize::from(if at & 1 == 0 { byte >> 4 } else { byte & 0x0f })
}

fn shared(a: &Hash, b: &Hash) -> usize {
    (0..64).take_while(|at| nibble(a, *at) == nibble(b, *at)).count()
}

impl Builder {
    fn new(version: Height) -> Self {
        Self { version, last: None, open: Vec::new() }
    }
    /// The row of the node at so many nibbles of a position.
    fn row(&self, position: &Hash, nibbles: usize) -> Vec<u8> {
        row_of_node(self.version, position, nibbles)
    }
    fn insert(&mut self, position: &Hash, child: Child) {
        let depth = self.open.len().saturating_sub(1);
        let place = self.open.last_mut().and_then(|children| children.get_mut(nibble(position, depth)));
        if let Some(place) = place {
            *place = Some(child);
        }
    }
    /// Writes the last value's leaf below the deepest inner node; its hash.
    fn put_leaf(&mut self, position: &Hash, value: &Hash, batch: &mut Batch) -> Result<Hash, StoreError> {
        let leaf = LeafNode::new(KeyHash(*position), ValueHash(*value));
        let hash = leaf.hash::<TreeHasher>();
        let bytes = borsh::to_vec(&Node::Leaf(leaf)).map_err(damaged)?;
        batch.put(Family::Tree, self.row(position, self.open.len()), bytes);
        self.insert(position, Child { hash, leaves: None });
        Ok(hash)
    }
    /// Writes the inner nodes on the way to a position that lie deeper than so many; the hash of the last one.
    fn close(&mut self, position: &Hash, keep: usize, batch: &mut Batch) -> Result<Option<Hash>, StoreError> {
        let mut hash = None;
        while self.open.len() > keep {
            let Some(children) = self.open.pop() else { break };
            let (bytes, leaves) = inner(self.version, &children);
            let Node::Internal(node) = Node::try_from_slice(&bytes).map_err(damaged)? else {
                return Err(damaged("an inner node that is none"));
            };
            let own = node.hash::<TreeHasher>();
            batch.put(Family::Tree, self.row(position, self.open.len()), bytes);
            self.insert(position, Child { hash: own, leaves: Some(leaves) });
            hash = Some(own);
        }
        Ok(hash)
    }
    /// Takes the next value.
    fn add(&mut self, position: Hash, value: Hash, batch: &mut Batch) -> Result<(), StoreError> {
        if let Some((last, last_value)) = self.last.take() {
            if last >= position {
                return Err(damaged("values are not in order"));
            }
            let inner = shared(&last, &position).saturating_add(1);
            while self.open.len() < inner {
                self.open.push(Children::default());
            }
            self.put_leaf(&last, &last_value, batch)?;
            self.close(&last, inner, batch)?;
        }
        self.last = Some((position, value));
        Ok(())
    }
    /// Writes what is left; the root.
    fn finish(mut self, batch: &mut Batch) -> Result<Hash, StoreError> {
        let (last, value) = self.last.take().ok_or_else(|| damaged("there is no value"))?;
        let leaf = self.put_leaf(&last, &value, batch)?;
        Ok(self.close(&last, 0, batch)?.unwrap_or(leaf))
    }
}

/// Bytes of an inner node as jmt writes it, and the leaves below it.
fn inner(version: Height, children: &Children) -> (Vec<u8>, u64) {
    let (mut bytes, mut leaves, mut count) = (vec![1], 0u64, 0u64);
    for child in children {
        let Some(child) = child else {
            bytes.push(0);
            continue;
        };
        bytes.push(1);
        bytes.extend(child.hash);
        bytes.extend(version.to_le_bytes());
        match child.leaves {
            None => bytes.push(0),
            Some(below) => {
                bytes.push(1);
                bytes.extend(below.to_le_bytes());
            }
        }
        leaves = leaves.saturating_add(child.leaves.unwrap_or(1));
        count = count.saturating_add(1);
    }
    bytes.extend(count.to_le_bytes());
    bytes.extend(leaves.to_le_bytes());
    (bytes, leaves)
}

/// Writes all nodes of the tree over the values of a store that has no node yet, and gives its root; `after` is told how
/// many values are in after every page. Of each key there must be one value.
///
/// # Errors
/// The store failed, or has no values in order.
pub(crate) fn build(store: &dyn Store, version: Height, after: &mut dyn FnMut(u64)) -> Result<Hash, StoreError> {
    let (mut builder, mut from, end, mut done) = (Builder::new(version), vec![VALUE], prefix_end(&[VALUE]), 0u64);
    loop {
        let page = store.scan(Family::Tree, &from, &end, PAGE)?;
        let Some((last, _)) = page.last() else { break };
        from = next_key(last);
        let mut batch = Batch::default();
        for (key, value) in &page {
            let position = key.get(1..).and_then(|key| key.first_chunk::<32>());
            let position = position.ok_or_else(|| damaged("a value has no position"))?;
            let value: Option<Vec<u8>> = borsh::from_slice(value).map_err(damaged)?;
            let value = value.ok_or_else(|| damaged("a value says that there is none"))?;
            builder.add(*position, TreeHasher::hash(&value), &mut batch)?;
            done = done.saturating_add(1);
        }
        store.write(&batch, Durability::Buffered)?;
        after(done);
    }
    let mut batch = Batch::default();
    let root = builder.finish(&mut batch)?;
    store.write(&batch, Durability::Buffered)?;
    Ok(root)
}

#[cfg(test)]
mod tests;
