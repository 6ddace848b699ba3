//! A store joined from a snapshot equals its source row by row, also where cases were touched by due work alone; and a
//! snapshot that lies about due work leads nowhere.

use std::collections::BTreeMap;
use std::sync::Arc;

use laufzettel_chain::ledger::Tip;
use laufzettel_chain::snapshot::{ChunkInfo, ChunkKind, Import, ImportError, Manifest, create};
use laufzettel_chain::storage::mem::{MemStore, Rows};
use laufzettel_chain::storage::{Family, Store};

use crate::fixture::HOUR_MS;
use crate::stories::long_story;
use crate::world::{Scene, genesis, open};

fn made(store: &dyn Store) -> (Manifest, Vec<Vec<u8>>) {
    let mut chunks = Vec::new();
    let mut sink = |_: u32, _: &ChunkInfo, bytes: &[u8]| {
        chunks.push(bytes.to_vec());
        Ok(())
    };
    let manifest = create(store.snapshot().as_ref(), &genesis(), &mut sink).expect("made");
    (manifest, chunks)
}

fn fill(store: Arc<dyn Store>, manifest: Manifest, chunks: &[Vec<u8>]) -> Result<Tip, ImportError> {
    let mut import = Import::begin(store, genesis(), manifest)?;
    while let Some(wanted) = import.wanted() {
        import.chunk(&chunks[wanted as usize])?;
    }
    import.finish(&mut |_, _| {})
}

/// Rows but for the tree, whose inner nodes a joiner makes at one height, and what only says what was pruned.
pub(crate) fn compared(rows: &Rows) -> BTreeMap<(Family, Vec<u8>), Vec<u8>> {
    let kept = [Family::Cases, Family::Reports, Family::Index, Family::Submissions, Family::Registry];
    let rows = rows.iter().filter(|((family, _), _)| kept.contains(family));
    rows.map(|(key, value)| (key.clone(), value.clone())).collect()
}

pub(crate) fn join(scene: &Scene) -> Arc<MemStore> {
    let (manifest, chunks) = made(scene.store.as_ref());
    let store = Arc::new(MemStore::default());
    let tip = fill(store.clone(), manifest, &chunks).expect("joins");
    assert_eq!(tip, *scene.ledger.tip());
    store
}

#[test]
fn a_joined_store_is_its_source_and_goes_on_alike() {
    let mut scene = long_story();
    let store = join(&scene);
    assert_eq!(compared(&store.rows()), compared(&scene.store.rows()));
    // A block of due work and one of a report: the same on both.
    let mut ledger = open(store.clone());
    let first = scene.blocks.len();
    let time_ms = scene.now() + 40 * 24 * HOUR_MS;
    scene.block(time_ms, &[]);
    scene.report(crate::world::COURT, crate::fixture::on_day("ruled", 20));
    for block in &scene.blocks[first..] {
        let executed = ledger.validate(block).expect("valid");
        crate::fixture::commit(&mut ledger, block, executed);
    }
    assert_eq!(*ledger.tip(), *scene.ledger.tip());
    assert_eq!(compared(&store.rows()), compared(&scene.store.rows()));
    // Joined once more from the joined one: the same bytes.
    assert_eq!(made(store.as_ref()).1, made(scene.store.as_ref()).1);
}

#[test]
fn heights_of_due_work_cannot_be_invented_or_left_out() {
    let scene = long_story();
    let (manifest, chunks) = made(scene.store.as_ref());
    let place = manifest.chunks.iter().position(|chunk| chunk.kind == ChunkKind::Cases).expect("cases");
    // A step of due work: height, the greatest transaction, a payload of zeros, signer 0, no items.
    let step = |height: u64| [&height.to_be_bytes()[..], &[0xff; 4], &[0; 32], &[0; 2], &[0; 4]].concat();
    let heights = 1..=scene.blocks.len() as u64;
    let found: Vec<(u64, usize)> = heights
        .filter_map(|height| {
            let step = step(height);
            let at = chunks[place].windows(step.len()).position(|bytes| bytes == step)?;
            Some((height, at))
        })
        .collect();
    assert!(!found.is_empty(), "the story has due work");
    for (height, at) in found {
        // Said to have been at the height before, where another thing or nothing happened.
        let mut other = chunks.clone();
        other[place][at..at + 8].copy_from_slice(&(height - 1).to_be_bytes());
        let mut lie = manifest.clone();
        lie.chunks[place].digest = ChunkInfo::digest_of(&other[place]);
        let joined = fill(Arc::new(MemStore::default()), lie, &other);
        assert!(matches!(joined, Err(ImportError::Content { .. } | ImportError::Contradicts(_))), "{joined:?}");
    }
}
