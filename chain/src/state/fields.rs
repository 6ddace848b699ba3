//! The 32 fields of a case and the root over them (design 5.3, docs/FORMATS.md
//! A.5): each is blinded from the case's salt, so that a proof opens only what
//! its reader may see and nothing can be guessed after erasure.

use laufzettel_contracts::{CaseState, Deviation, DeviationKind, TrackState, When};

use crate::codec::Writer;
use crate::crypto::{Hash, hash_parts};
use crate::ids::{CaseId, Height, ItemDigest};

/// Fields of a case.
pub const FIELDS: usize = 32;
/// Case id, definition, version, opened height.
pub const IDENTITY: usize = 0;
/// Proceedings and regimes.
pub const PROCEEDINGS: usize = 1;
/// Deviations.
pub const DEVIATIONS: usize = 8;
/// Count and running hash of all events.
pub const HISTORY: usize = 10;
/// Revision and next due instant.
pub const REVISION: usize = 11;
/// First of the tracks; the definition numbers them.
pub const TRACKS: usize = 16;

/// The salt after one more item.
#[must_use]
pub fn next_salt(salt: &Hash, blinding: &[u8; 16], item: &ItemDigest) -> Hash {
    hash_parts("salt", &[salt, blinding, &item.0])
}

/// The blinder of a field written at this height.
#[must_use]
pub fn blinder(salt: &Hash, field: usize, height: Height) -> Hash {
    hash_parts("blinder", &[salt, &[index(field)], &height.to_be_bytes()])
}

fn index(field: usize) -> u8 {
    // Fields are numbered 0 to 31.
    u8::try_from(field).unwrap_or(u8::MAX)
}

/// The leaf of a field.
#[must_use]
pub fn leaf(blinder: &Hash, field: usize, bytes: &[u8]) -> Hash {
    hash_parts("field", &[blinder, &[index(field)], bytes])
}

fn node(left: &Hash, right: &Hash) -> Hash {
    hash_parts("field node", &[left, right])
}

/// The case root over 32 leaves.
#[must_use]
pub fn root(leaves: &[Hash]) -> Hash {
    let mut level = leaves.to_vec();
    while level.len() > 1 {
        level = pairs(&level);
    }
    level.first().copied().unwrap_or_default()
}

/// The leaves and all above them, so that a change hashes only its way up.
#[derive(Debug, Clone)]
pub struct FieldTree {
    /// Node 1 is the root, the children of node n are 2n and 2n + 1; the leaves come last. Node 0 is not used.
    nodes: Vec<Hash>,
}

impl FieldTree {
    /// The tree over 32 leaves.
    #[must_use]
    pub fn new(leaves: &[Hash]) -> Self {
        let mut tree = Self { nodes: vec![[0; 32]; FIELDS << 1] };
        let leaves: Vec<(usize, Hash)> = leaves.iter().copied().enumerate().collect();
        tree.update(&leaves);
        tree
    }
    /// Puts new leaves, ascending by field.
    pub fn update(&mut self, leaves: &[(usize, Hash)]) {
        let mut changed = Vec::with_capacity(leaves.len());
        for (field, leaf) in leaves {
            let at = field.saturating_add(FIELDS);
            if let Some(node) = self.nodes.get_mut(at) {
                *node = *leaf;
                changed.push(at);
            }
        }
        while changed.first().is_some_and(|at| *at > 1) {
            changed.iter_mut().for_each(|at| *at >>= 1);
            changed.dedup();
            for at in &changed {
                let hash = node(&self.node(*at << 1), &self.node((*at << 1) | 1));
                if let Some(node) = self.nodes.get_mut(*at) {
                    *node = hash;
                }
            }
        }
    }
    /// The case root.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.node(1)
    }
    /// The five siblings from a leaf up to the root.
    #[must_use]
    pub fn siblings(&self, field: usize) -> Vec<Hash> {
        let mut at = field.saturating_add(FIELDS);
        let mut path = Vec::with_capacity(5);
        while at > 1 {
            path.push(self.node(at ^ 1));
            at >>= 1;
        }
        path
    }
    fn node(&self, at: usize) -> Hash {
        self.nodes.get(at).copied().unwrap_or_default()
    }
}

fn pairs(level: &[Hash]) -> Vec<Hash> {
    level.chunks(2).map(|pair| if let [left, right] = pair { node(left, right) } else { [0; 32] }).collect()
}

/// The root that a leaf and its siblings give.
#[must_use]
pub fn root_from(leaf: Hash, field: usize, siblings: &[Hash]) -> Hash {
    let mut at = field;
    siblings.iter().fold(leaf, |below, sibling| {
        let above = if at & 1 == 0 { node(&below, sibling) } else { node(sibling, &below) };
        at >>= 1;
        above
    })
}

/// Bytes of the identity field.
#[must_use]
pub fn identity(case: &CaseId, definition: &str, version: u32, opened: Height) -> Vec<u8> {
    let mut out = Writer::default();
    out.raw(&case.0);
    out.str(definition);
    out.u32(version);
    out.u64(opened);
    out.into_bytes()
}

/// Bytes of the history field.
#[must_use]
pub fn history(count: u64, hash: &Hash) -> Vec<u8> {
    [count.to_be_bytes().as_slice(), hash].concat()
}

/// Bytes of the revision field: accepted items so far, and the next due instant, 0 for none, as always in language 1.
#[must_use]
pub fn revision(revision: u64, next_due_ms: u64) -> Vec<u8> {
    [revision.to_be_bytes(), next_due_ms.to_be_bytes()].concat()
}

/// Bytes of the fields that the fold gives, by field number; a field not
/// given is empty.
#[must_use]
pub fn of_state(state: &CaseState) -> Vec<(usize, Vec<u8>)> {
    let mut fields = Vec::new();
    if !state.proceedings.is_empty() {
        let mut out = Writer::default();
        out.length(state.proceedings.len());
        for proceeding in &state.proceedings {
            out.u32(proceeding.number);
            out.raw(&proceeding.opened_by);
        }
        out.u32(state.current_proceeding);
        out.u8(u8::from(state.closed));
        fields.push((PROCEEDINGS, out.into_bytes()));
    }
    if !state.deviations.is_empty() {
        fields.push((DEVIATIONS, deviations(&state.deviations)));
    }
    for (number, track) in &state.tracks {
        fields.push((usize::from(*number), track_bytes(track)));
    }
    fields
}

fn deviations(deviations: &[Deviation]) -> Vec<u8> {
    let mut out = Writer::default();
    out.length(deviations.len());
    for deviation in deviations {
        out.raw(&deviation.slot);
        out.str(deviation.status.as_str());
        out.u8(deviation_code(deviation.kind));
    }
    out.into_bytes()
}

/// The stable number of a kind of deviation.
#[must_use]
pub fn deviation_code(kind: DeviationKind) -> u8 {
    match kind {
        DeviationKind::StatusUnknown => 1,
        DeviationKind::ProceedingUnknown => 2,
        DeviationKind::ProceedingsFull => 3,
        DeviationKind::OutOfOrder => 4,
        DeviationKind::Repeated => 5,
        DeviationKind::AfterClose => 6,
        DeviationKind::OutcomeMissing => 7,
        DeviationKind::AttributeMissing => 8,
    }
}

/// Writes a day or instant: a kind byte and the number.
pub fn write_when(out: &mut Writer, when: When) {
    match when {
        When::Day(day) => {
            out.u8(0);
            out.raw(&day.to_be_bytes());
        }
        When::Instant(instant) => {
            out.u8(1);
            out.u64(instant);
        }
    }
}

/// Bytes of a track field: what a clerk reads as "where it stands".
#[must_use]
pub fn track_bytes(track: &TrackState) -> Vec<u8> {
    let mut out = Writer::default();
    out.str(track.status.as_str());
    write_when(&mut out, track.occurred);
    match track.effective {
        None => out.u8(0),
        Some(day) => {
            out.u8(1);
            out.raw(&day.to_be_bytes());
        }
    }
    out.str(track.outcome.as_ref().map_or("", |outcome| outcome.as_str()));
    out.str(track.author.as_str());
    out.raw(&track.slot);
    out.u32(track.proceeding);
    write_when(&mut out, track.since);
    out.into_bytes()
}
