//! What is not a snapshot of this network is refused with its reason, and leaves a store that nobody takes for whole:
//! damaged, missing, foreign chunks, a lying manifest, a crash at any write. And the bytes of a small snapshot.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at the first thing that does not hold"
)]

mod fixture;

use std::path::Path;
use std::sync::Arc;

use fixture::snapshots::{Snapshot, told};
use fixture::{
    BAMF, MINUTE_MS, advance, at_ms, certificate, certificate_by, genesis, hex, item, ledger, opens, transaction,
};
use laufzettel_chain::certificate::CertificateError;
use laufzettel_chain::codec::{decode, encode};
use laufzettel_chain::genesis::Genesis;
use laufzettel_chain::item::Action;
use laufzettel_chain::ledger::{Ledger, OpenError};
use laufzettel_chain::light::LightError;
use laufzettel_chain::snapshot::{Blame, ChunkInfo, ChunkKind, Import, ImportError, Manifest, ManifestError};
use laufzettel_chain::storage::faulty::{CrashPoint, FaultyStore};
use laufzettel_chain::storage::mem::MemStore;
use laufzettel_chain::storage::{Family, Read as _, Store};
use laufzettel_chain::validators::ValidatorSet;
use proptest::prelude::*;
use serde_json::{Value, json};

/// A small snapshot of two cases with a refused item.
fn small() -> Snapshot {
    let (mut ledger, store) = ledger();
    let first = vec![item(1, fixture::case(1), &opens("toy")), item(2, fixture::case(2), &opens("toy"))];
    advance(&mut ledger, &[transaction(BAMF, 1, first)]);
    let second = vec![
        item(3, fixture::case(1), &Action::Report(at_ms("moment", 3))),
        item(4, fixture::case(9), &Action::Report(at_ms("moment", 4))),
    ];
    advance(&mut ledger, &[transaction(BAMF, 2, second)]);
    Snapshot::of(store.as_ref())
}

/// Asserts that a ledger refuses to open a store as unfinished.
fn assert_unfinished(store: Arc<dyn Store>) {
    let opened = Ledger::open(store, genesis(), false);
    assert!(matches!(opened, Err(OpenError::Unfinished { .. })), "{opened:?}");
}

/// The error of joining from a snapshot; the store stays unfinished if anything was written at all.
fn refused(snapshot: &Snapshot) -> ImportError {
    let store = Arc::new(MemStore::default());
    let error = snapshot.fill(store.clone()).expect_err("refused");
    if !store.rows().is_empty() {
        assert_unfinished(store);
    }
    error
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_flipped_bit_is_another_chunk_and_the_right_one_is_taken_after_it(at in any::<usize>(), bit in 0..8u32) {
        let (_, store) = told();
        let snapshot = Snapshot::of(store.as_ref());
        let copy = Arc::new(MemStore::default());
        let mut import = Import::begin(copy.clone(), genesis(), snapshot.manifest.clone()).expect("begins");
        while let Some(wanted) = import.wanted() {
            let right = &snapshot.chunks[wanted as usize];
            let mut wrong = right.clone();
            let length = wrong.len();
            wrong[at % length] ^= 1 << bit;
            let rows = copy.rows();
            for bytes in [&wrong, &right[..length - 1].to_vec(), &[right.as_slice(), &[0]].concat(), &Vec::new()] {
                let error = import.chunk(bytes).expect_err("another chunk");
                prop_assert!(matches!(error, ImportError::Digest { index, .. } if index == wanted), "{}", error);
                prop_assert_eq!((error.blame(), import.wanted()), (Blame::Chunk, Some(wanted)));
            }
            prop_assert_eq!(copy.rows(), rows);
            import.chunk(right).expect("the right one");
        }
        import.finish(&mut |_, _| {}).expect("complete");
        prop_assert!(Ledger::open(copy, genesis(), false).is_ok());
    }

    #[test]
    fn no_byte_of_a_snapshot_is_free(chunk in 0..3usize, at in any::<usize>(), bit in 0..8u32) {
        // The liar lists the digest of what was changed.
        let snapshot = small();
        let mut bytes = snapshot.chunks[chunk].clone();
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        let error = refused(&snapshot.with_chunk(chunk, bytes));
        prop_assert_eq!(error.blame(), Blame::Snapshot, "chunk {} byte {}: {}", chunk, at, error);
    }
}

#[test]
fn no_byte_of_a_case_is_free() {
    let snapshot = small();
    for at in 0..snapshot.chunks[2].len() {
        let mut bytes = snapshot.chunks[2].clone();
        bytes[at] ^= 0x10;
        let error = refused(&snapshot.with_chunk(2, bytes));
        assert_eq!(error.blame(), Blame::Snapshot, "byte {at}: {error}");
    }
}

#[test]
fn missing_swapped_and_foreign_chunks_are_refused() {
    let (_, store) = told();
    let snapshot = Snapshot::of(store.as_ref());
    let kinds: Vec<ChunkKind> = snapshot.manifest.chunks.iter().map(|chunk| chunk.kind).collect();
    assert_eq!(kinds, [ChunkKind::Values, ChunkKind::Blocks, ChunkKind::Cases]);
    // Swapped in transfer: each is another than the one listed.
    let mut swapped = snapshot.clone();
    swapped.chunks.swap(1, 2);
    assert!(matches!(refused(&swapped), ImportError::Digest { index: 1, kind: "blocks", .. }));
    // Cases left out by who lists them.
    let mut without = snapshot.clone();
    without.manifest.chunks.pop();
    assert!(matches!(refused(&without), ImportError::Contradicts(_)));
    // The last entry of a chunk left out.
    let other = small();
    let foreign = snapshot.with_chunk(1, other.chunks[1].clone());
    assert!(matches!(refused(&foreign), ImportError::Content { index: 1, kind: "blocks", .. }));
    let mut foreign = snapshot.with_chunk(2, other.chunks[2].clone());
    foreign.manifest.chunks[2] = other.manifest.chunks[2].clone();
    assert!(matches!(refused(&foreign), ImportError::Content { index: 2, kind: "cases", .. }));
    // Not in yet, and in already.
    let store = Arc::new(MemStore::default());
    let mut import = Import::begin(store.clone(), genesis(), snapshot.manifest.clone()).expect("begins");
    import.chunk(&snapshot.chunks[0]).expect("in");
    let error = import.finish(&mut |_, _| {}).expect_err("two are missing");
    assert_eq!(error, ImportError::Unfinished { wanted: 1, all: 3 });
    assert_unfinished(store.clone());
    let again = Import::begin(store, genesis(), snapshot.manifest.clone()).expect_err("not empty");
    assert_eq!((&again, again.blame()), (&ImportError::NotEmpty("meta"), Blame::Node));
    let mut import =
        Import::begin(Arc::new(MemStore::default()), genesis(), snapshot.manifest.clone()).expect("begins");
    for bytes in &snapshot.chunks {
        import.chunk(bytes).expect("in");
    }
    assert_eq!(import.chunk(&snapshot.chunks[2]), Err(ImportError::NothingWanted(3)));
}

/// A manifest with one thing changed, and signed anew where asked.
fn changed(change: impl Fn(&mut Manifest), sign: bool) -> Manifest {
    let mut manifest = small().manifest;
    change(&mut manifest);
    if sign {
        manifest.certificate = certificate(&manifest.header);
    }
    manifest
}

#[test]
fn a_manifest_is_trusted_for_its_certificate_alone() {
    let check = |manifest: &Manifest| manifest.check(&genesis());
    assert_eq!(check(&small().manifest), Ok(()));
    let light = |manifest: &Manifest| match check(manifest) {
        Err(ManifestError::Light(LightError::Certificate { source, .. })) => source,
        other => panic!("{other:?}"),
    };
    let root = changed(|manifest| manifest.header.state_root = [1; 32], false);
    assert_eq!(light(&root), CertificateError::OtherBlock);
    let few = |manifest: &mut Manifest| manifest.certificate = certificate_by(&manifest.header, &[0, 1]);
    assert_eq!(light(&changed(few, false)), CertificateError::TooFew { signed: 2, total: 4 });
    let forged = |manifest: &mut Manifest| manifest.certificate.signatures[1].1[0] ^= 1;
    assert!(matches!(light(&changed(forged, false)), CertificateError::Signature(_)));
    let twice = |manifest: &mut Manifest| manifest.certificate.signatures[1] = manifest.certificate.signatures[0];
    assert!(matches!(light(&changed(twice, false)), CertificateError::Order(_)));
    let few = |manifest: &mut Manifest| {
        let own = manifest.validators.all()[..1].to_vec();
        manifest.validators = ValidatorSet::new(own).expect("one");
    };
    assert_eq!(check(&changed(few, false)), Err(ManifestError::Validators(2)));
    assert_eq!(check(&changed(|manifest| manifest.version = 2, false)), Err(ManifestError::Version(2)));
    assert_eq!(check(&changed(|manifest| manifest.header.height = 0, true)), Err(ManifestError::Genesis));
    let network = changed(|manifest| manifest.header.network.0[0] ^= 1, true);
    assert!(matches!(check(&network), Err(ManifestError::Light(LightError::OtherNetwork { .. }))));
    let begin = Import::begin(Arc::new(MemStore::default()), genesis(), network).expect_err("refused");
    assert!(matches!(begin, ImportError::Manifest(_)) && begin.blame() == Blame::Snapshot);
    // A true certificate of another state: what the chunks say does not lead to it.
    let mut snapshot = small();
    snapshot.manifest = changed(|manifest| manifest.header.state_root = [1; 32], true);
    assert!(matches!(refused(&snapshot), ImportError::Content { index: 1, .. }));
    // Another network's genesis file.
    let text = fixture::rooted_text(&[fixture::TOY]);
    let other = Genesis::parse(text.as_bytes()).expect("sound");
    assert!(matches!(small().manifest.check(&other), Err(ManifestError::Light(LightError::OtherNetwork { .. }))));
}

#[test]
fn a_list_of_chunks_out_of_order_or_bounds_is_refused() {
    let check = |change: &dyn Fn(&mut Vec<ChunkInfo>)| {
        changed(|manifest| change(&mut manifest.chunks), false).check(&genesis())
    };
    let at = |result: Result<(), ManifestError>| match result {
        Err(ManifestError::Chunk { index, .. }) => index,
        other => panic!("{other:?}"),
    };
    assert_eq!(at(check(&|chunks| chunks.swap(1, 2))), 2);
    assert_eq!(at(check(&|chunks| chunks.push(chunks[2].clone()))), 3);
    assert_eq!(at(check(&|chunks| chunks[1].count = 0)), 1);
    assert_eq!(at(check(&|chunks| chunks[1].length = 3 * 1024 * 1024 + 1)), 1);
    assert_eq!(at(check(&|chunks| chunks[2].last = vec![0; 24])), 2);
    assert_eq!(at(check(&|chunks| chunks[2].count = 1)), 2);
    assert_eq!(at(check(&|chunks| chunks[2].last = chunks[2].first.clone())), 2);
    assert_eq!(check(&|chunks| drop(chunks.remove(0))), Err(ManifestError::Chunks(2)));
    assert_eq!(check(&|chunks| drop(chunks.remove(1))), Err(ManifestError::Chunks(2)));
    assert_eq!(check(&|chunks| chunks.insert(0, chunks[0].clone())), Err(ManifestError::Chunks(4)));
}

/// Puts a snapshot's chunk together anew from its entries.
fn entries(chunk: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut input = laufzettel_chain::codec::Reader::new(chunk);
    let mut entries = Vec::new();
    while !input.is_empty() {
        let key = input.bytes(64).expect("a key").to_vec();
        entries.push((key, input.bytes(1 << 22).expect("a value").to_vec()));
    }
    entries
}

#[test]
fn entries_left_out_doubled_or_moved_are_refused() {
    let snapshot = small();
    let relisted = |index: usize, entries: &[(Vec<u8>, Vec<u8>)]| {
        let mut out = laufzettel_chain::codec::Writer::default();
        for (key, value) in entries {
            out.bytes(key);
            out.bytes(value);
        }
        let mut other = snapshot.with_chunk(index, out.into_bytes());
        let info = &mut other.manifest.chunks[index];
        info.count = u32::try_from(entries.len()).expect("small");
        info.first.clone_from(&entries[0].0);
        info.last.clone_from(&entries[entries.len() - 1].0);
        other
    };
    for index in 0..3 {
        let whole = entries(&snapshot.chunks[index]);
        assert_eq!(relisted(index, &whole), snapshot);
        for at in 0..whole.len() {
            let mut less = whole.clone();
            less.remove(at);
            if !less.is_empty() {
                assert_eq!(refused(&relisted(index, &less)).blame(), Blame::Snapshot, "{index} without {at}");
            }
            let mut twice = whole.clone();
            twice.insert(at, whole[at].clone());
            assert_eq!(refused(&relisted(index, &twice)).blame(), Blame::Snapshot, "{index} with {at} twice");
            let mut moved = whole.clone();
            let other = (at + 1) % whole.len();
            let (a, b) = (moved[at].1.clone(), moved[other].1.clone());
            (moved[at].1, moved[other].1) = (b, a);
            if moved != whole {
                assert_eq!(refused(&relisted(index, &moved)).blame(), Blame::Snapshot, "{index}: {at} and {other}");
            }
        }
    }
}

#[test]
fn a_crash_at_any_write_leaves_nothing_that_looks_whole() {
    let (_, store) = told();
    let snapshot = Snapshot::of(store.as_ref());
    let whole = Arc::new(FaultyStore::default());
    let tip = snapshot.fill(whole.clone()).expect("joins");
    let writes = whole.writes();
    assert!(writes > 5 && whole.unsynced() == 0);
    for write in 1..=writes {
        for point in [CrashPoint::Before(write), CrashPoint::After(write)] {
            let store = Arc::new(FaultyStore::default());
            store.plan(Some(point));
            let error = snapshot.fill(store.clone()).expect_err("it crashes");
            assert_eq!(error.blame(), Blame::Node);
            for kept in 0..=store.unsynced() {
                let rows = store.after_power_loss(kept);
                let empty = rows.is_empty();
                assert_eq!(empty, point == CrashPoint::Before(1));
                let found = Arc::new(FaultyStore::with_rows(rows));
                if point == CrashPoint::After(writes) {
                    // Nobody heard of it, but it is complete.
                    assert_eq!(found.rows(), whole.rows());
                    assert_eq!(*Ledger::open(found, genesis(), false).expect("opens").tip(), tip);
                } else if !empty {
                    assert_unfinished(found);
                }
            }
        }
    }
}

#[test]
fn the_bytes_of_a_small_snapshot() {
    let snapshot = small();
    let chunk = |(info, bytes): (&ChunkInfo, &Vec<u8>)| {
        json!({
            "kind": info.kind as u8, "first": hex(&info.first), "last": hex(&info.last), "count": info.count,
            "digest": hex(&info.digest), "bytes": hex(bytes),
        })
    };
    let actual = json!({
        "manifest": hex(&encode(&snapshot.manifest)),
        "content": hex(&snapshot.manifest.content()),
        "chunks": snapshot.manifest.chunks.iter().zip(&snapshot.chunks).map(chunk).collect::<Vec<Value>>(),
    });
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/snapshot.json");
    if std::env::var_os("LAUFZETTEL_WRITE_VECTORS").is_some() {
        let mut text = serde_json::to_string_pretty(&actual).expect("a value");
        text.push('\n');
        std::fs::write(&path, text).expect("the directory can be written");
    }
    let text = std::fs::read_to_string(&path).expect("the vectors are committed");
    assert_eq!(actual, serde_json::from_str::<Value>(&text).expect("JSON"), "a format changed");
    assert_eq!(decode::<Manifest>(&encode(&snapshot.manifest)).expect("decodes"), snapshot.manifest);
}

#[test]
fn an_import_reads_no_more_than_it_is_given() {
    let (ledger, store) = told();
    let copy = Arc::new(MemStore::default());
    let mut seen = Vec::new();
    let snapshot = Snapshot::of(store.as_ref());
    let mut import = Import::begin(copy.clone(), genesis(), snapshot.manifest.clone()).expect("begins");
    assert_eq!(import.manifest(), &snapshot.manifest);
    for bytes in &snapshot.chunks {
        import.chunk(bytes).expect("in");
    }
    assert_unfinished(copy.clone());
    let tip = import.finish(&mut |done, all| seen.push((done, all))).expect("complete");
    assert_eq!(tip, *ledger.tip());
    let (done, all) = *seen.last().expect("told");
    let values = copy.scan(Family::Tree, &[1], &[2], usize::MAX).expect("memory").len() as u64;
    assert_eq!((done, all), (values, values));
    assert!(tip.header.time_ms > MINUTE_MS);
}
