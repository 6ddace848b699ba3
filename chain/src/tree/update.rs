//! One height's new values in the state tree: each node on the way to any of
//! them is read, hashed and written once. Makes the very nodes that `jmt` makes
//! of the same values (a test compares them), which walks from the root once a
//! value; where values are taken out, only the tree is the same, and fewer of its
//! nodes are new. Must never empty the tree: that is left to `jmt`.

use jmt::Version;
use jmt::storage::Node;

use super::{LEAF_NODE, damaged, row_of_node};
use crate::crypto::Hash;
use crate::ids::Height;
use crate::storage::{Batch, Family, Read, StoreError};

/// A key's hash and its value's hash.
type Leaf = (Hash, Hash);

/// A key's hash and its new value's hash; none takes the value out.
pub(super) type NewLeaf = (Hash, Option<Hash>);

/// Nibbles of a key.
const DEPTH_MAX: usize = 64;
const WIDTH: usize = 16;
/// Leaves that one core puts alone: fewer are not worth the way to another.
const ALONE: usize = 128;
/// What `jmt` takes for the hash of nothing.
const NOTHING: Hash = *b"SPARSE_MERKLE_PLACEHOLDER_HASH__";

/// What a node says of one below it.
#[derive(Clone, Copy)]
pub(super) struct Child {
    hash: Hash,
    pub(super) version: Version,
    /// Leaves below; none for a leaf.
    leaves: Option<u64>,
}

/// What a node became. A leaf is written by whoever knows how deep it stands: alone below a node it takes its place.
#[derive(Clone, Copy)]
enum Made {
    Leaf(Leaf),
    Inner(Child),
}

/// A nibble and the leaves that have it.
type Group<'a> = (usize, &'a [NewLeaf]);

pub(super) type Children = [Option<Child>; WIDTH];

/// The rows that change and the root above them.
pub(super) struct Updated {
    pub(super) root: Hash,
    pub(super) nodes: Batch,
    /// Rows of nodes that are in the tree no more.
    pub(super) stale: Vec<Vec<u8>>,
}

struct Update<'a> {
    read: &'a dyn Read,
    height: Height,
    nodes: Batch,
    stale: Vec<Vec<u8>>,
}

/// Puts values, ascending by key, into the tree of the height below, or takes them out; none if that tree is empty or not
/// there, or would be empty.
pub(super) fn put(read: &dyn Read, height: Height, leaves: &[NewLeaf]) -> Result<Option<Updated>, StoreError> {
    let (Some(below), Some((first, _))) = (height.checked_sub(1), leaves.first()) else { return Ok(None) };
    let root = read.get(Family::Tree, &row_of_node(below, first, 0))?;
    // A node that is nothing has one byte.
    if root.is_none_or(|bytes| bytes.len() <= 1) {
        return Ok(None);
    }
    let mut update = Update { read, height, nodes: Batch::default(), stale: Vec::new() };
    let Some(root) = update.change(below, 0, leaves)? else { return Ok(None) };
    let root = update.place(root, 0).hash;
    Ok(Some(Updated { root, nodes: update.nodes, stale: update.stale }))
}

fn nibble(key: &Hash, depth: usize) -> usize {
    let byte = key.get(depth >> 1).copied().unwrap_or_default();
    usize::from(if depth & 1 == 0 { byte >> 4 } else { byte & 0x0f })
}

/// The leaves by their nibble at a depth, ascending.
fn groups(leaves: &[NewLeaf], depth: usize) -> impl Iterator<Item = Group<'_>> {
    let same = move |a: &NewLeaf, b: &NewLeaf| nibble(&a.0, depth) == nibble(&b.0, depth);
    leaves.chunk_by(same).filter_map(move |group| Some((nibble(&group.first()?.0, depth), group)))
}

impl Update<'_> {
    /// Changes the node of a version at this depth on the way to the leaves; none if nothing is left of it.
    fn change(&mut self, version: Version, depth: usize, leaves: &[NewLeaf]) -> Result<Option<Made>, StoreError> {
        let Some((first, _)) = leaves.first() else { return Err(damaged("no leaf to change")) };
        let row = row_of_node(version, first, depth);
        let bytes = self.read.get(Family::Tree, &row)?.ok_or_else(|| damaged("a node is gone"))?;
        self.stale.push(row);
        if let Some((key, value)) = leaf_of(&bytes) {
            return self.change_leaf((key, value), depth, leaves);
        }
        let mut children = children_of(&bytes)?;
        let below = depth.saturating_add(1);
        let groups: Vec<Group<'_>> = groups(leaves, depth).collect();
        let new = self.change_below(&children, below, &groups, leaves.len())?;
        let mut made: [Option<Leaf>; WIDTH] = [None; WIDTH];
        for (at, new) in new {
            let (Some(child), Some(leaf)) = (children.get_mut(at), made.get_mut(at)) else { continue };
            (*child, *leaf) = match new {
                None => (None, None),
                Some(Made::Inner(inner)) => (Some(inner), None),
                Some(Made::Leaf(new)) => (Some(self.as_child(&new)), Some(new)),
            };
        }
        let mut there = children.iter().enumerate().filter_map(|(at, child)| Some((at, (*child)?)));
        match (there.next(), there.next()) {
            (None, _) => return Ok(None),
            (Some((at, only)), None) if only.leaves.is_none() => {
                let made = made.get(at).copied().flatten();
                return Ok(Some(Made::Leaf(made.map_or_else(|| self.lift(&only, first, depth, at), Ok)?)));
            }
            _ => {}
        }
        for leaf in made.iter().flatten() {
            self.write_leaf(leaf, below);
        }
        Ok(Some(Made::Inner(self.write(&children, depth, first))))
    }
    /// Changes the children that groups of leaves belong to, halves of many leaves on different cores; the rows come
    /// in the order of the groups.
    fn change_below(
        &mut self,
        children: &Children,
        depth: usize,
        groups: &[Group<'_>],
        leaves: usize,
    ) -> Result<Vec<(usize, Option<Made>)>, StoreError> {
        if leaves <= ALONE || groups.len() < 2 {
            let new = |(at, group): &Group<'_>| match children.get(*at).copied().flatten() {
                Some(child) => Ok((*at, self.change(child.version, depth, group)?)),
                None => Ok((*at, self.make(depth, &there(group))?)),
            };
            return groups.iter().map(new).collect();
        }
        let (left, right) = groups.split_at(groups.len() >> 1);
        let count = |groups: &[Group<'_>]| groups.iter().map(|(_, group)| group.len()).fold(0, usize::saturating_add);
        let mut other = Update { read: self.read, height: self.height, nodes: Batch::default(), stale: Vec::new() };
        let (below_left, below_right) = rayon::join(
            || self.change_below(children, depth, left, count(left)),
            || other.change_below(children, depth, right, count(right)),
        );
        let mut below = below_left?;
        below.append(&mut below_right?);
        self.nodes.append(other.nodes);
        self.stale.append(&mut other.stale);
        Ok(below)
    }
    /// A leaf stands where leaves are to come: it is replaced or taken out, or goes down with them.
    fn change_leaf(&mut self, found: Leaf, depth: usize, leaves: &[NewLeaf]) -> Result<Option<Made>, StoreError> {
        let mut all = there(leaves);
        if leaves.binary_search_by(|(key, _)| key.cmp(&found.0)).is_err() {
            let at = all.partition_point(|(key, _)| *key < found.0);
            all.insert(at, found);
        }
        self.make(depth, &all)
    }
    /// A leaf that an earlier height wrote and that is alone below a node takes its place.
    fn lift(&mut self, leaf: &Child, key: &Hash, depth: usize, at: usize) -> Result<Leaf, StoreError> {
        let mut path = *key;
        if let Some(byte) = path.get_mut(depth >> 1) {
            let at = u8::try_from(at).unwrap_or_default();
            *byte = if depth & 1 == 0 { at << 4 } else { (*byte & 0xf0) | at };
        }
        let row = row_of_node(leaf.version, &path, depth.saturating_add(1));
        let bytes = self.read.get(Family::Tree, &row)?.ok_or_else(|| damaged("a leaf is gone"))?;
        self.stale.push(row);
        leaf_of(&bytes).ok_or_else(|| damaged("no leaf where one should be"))
    }
    /// Makes what holds these leaves where nothing was; nothing for none.
    fn make(&mut self, depth: usize, leaves: &[Leaf]) -> Result<Option<Made>, StoreError> {
        let Some((first, _)) = leaves.first() else { return Ok(None) };
        if let [leaf] = leaves {
            return Ok(Some(Made::Leaf(*leaf)));
        }
        if depth >= DEPTH_MAX {
            return Err(damaged("two values of one key"));
        }
        let mut children: Children = [None; WIDTH];
        let below = depth.saturating_add(1);
        for group in leaves.chunk_by(|a, b| nibble(&a.0, depth) == nibble(&b.0, depth)) {
            let Some(made) = self.make(below, group)? else { continue };
            let at = group.first().map_or(0, |(key, _)| nibble(key, depth));
            let placed = self.place(made, below);
            if let Some(child) = children.get_mut(at) {
                *child = Some(placed);
            }
        }
        Ok(Some(Made::Inner(self.write(&children, depth, first))))
    }
    /// Writes what was made at the depth where it stays.
    fn place(&mut self, made: Made, depth: usize) -> Child {
        match made {
            Made::Inner(child) => child,
            Made::Leaf(leaf) => {
                self.write_leaf(&leaf, depth);
                self.as_child(&leaf)
            }
        }
    }
    fn as_child(&self, (key, value): &Leaf) -> Child {
        Child { hash: hash(b"JMT::LeafNode", key, value), version: self.height, leaves: None }
    }
    fn write_leaf(&mut self, (key, value): &Leaf, depth: usize) {
        let bytes = [[LEAF_NODE].as_slice(), key, value].concat();
        self.nodes.put(Family::Tree, row_of_node(self.height, key, depth), bytes);
    }
    fn write(&mut self, children: &Children, depth: usize, key: &Hash) -> Child {
        let leaves = children.iter().flatten().map(|child| child.leaves.unwrap_or(1)).fold(0, u64::saturating_add);
        self.nodes.put(Family::Tree, row_of_node(self.height, key, depth), bytes_of(children, leaves));
        Child { hash: merkle(children), version: self.height, leaves: Some(leaves) }
    }
}

/// Those that are not taken out.
fn there(leaves: &[NewLeaf]) -> Vec<Leaf> {
    leaves.iter().filter_map(|(key, value)| Some((*key, (*value)?))).collect()
}

fn hash(domain: &[u8], left: &Hash, right: &Hash) -> Hash {
    *blake3::hash(&[domain, left, right].concat()).as_bytes()
}

/// The hash over children: a binary tree in which a leaf that is alone stands for all above it.
fn merkle(children: &[Option<Child>]) -> Hash {
    let mut there = children.iter().flatten();
    match (there.next(), there.next()) {
        (None, _) => NOTHING,
        (Some(only), None) if only.leaves.is_none() || children.len() == 1 => only.hash,
        _ => {
            let (left, right) = children.split_at(children.len() >> 1);
            hash(b"JMT::IntrnalNode", &merkle(left), &merkle(right))
        }
    }
}

/// Key and value hash, if the bytes are a leaf's.
pub(super) fn leaf_of(bytes: &[u8]) -> Option<Leaf> {
    let rest = bytes.strip_prefix(&[LEAF_NODE])?;
    let (key, value) = rest.split_first_chunk::<32>()?;
    Some((*key, value.try_into().ok()?))
}

pub(super) fn children_of(bytes: &[u8]) -> Result<Children, StoreError> {
    let Node::Internal(node) = borsh::from_slice::<Node>(bytes).map_err(damaged)? else {
        return Err(damaged("no inner node where one should be"));
    };
    let mut children: Children = [None; WIDTH];
    for (at, child) in node.children_sorted() {
        let leaves = if child.is_leaf() { None } else { u64::try_from(child.leaf_count()).ok() };
        if let Some(place) = children.get_mut(usize::from(u8::from(at))) {
            *place = Some(Child { hash: child.hash, version: child.version, leaves });
        }
    }
    Ok(children)
}

/// An inner node as borsh writes it.
fn bytes_of(children: &Children, leaves: u64) -> Vec<u8> {
    const INNER: u8 = 1;
    let mut bytes = vec![INNER];
    let mut count = 0u64;
    for child in children {
        let Some(child) = child else {
            bytes.push(0);
            continue;
        };
        count = count.saturating_add(1);
        bytes.push(1);
        bytes.extend_from_slice(&child.hash);
        bytes.extend_from_slice(&child.version.to_le_bytes());
        match child.leaves {
            None => bytes.push(0),
            Some(leaves) => {
                bytes.push(1);
                bytes.extend_from_slice(&leaves.to_le_bytes());
            }
        }
    }
    bytes.extend_from_slice(&count.to_le_bytes());
    bytes.extend_from_slice(&leaves.to_le_bytes());
    bytes
}
