//! The moment at which an imported store takes the place of the node's own, in
//! renames of which each is atomic, so that a kill at any of them is put right
//! at the next start:
//!
//! `db.import` (being filled) → `db.joined` (complete) → `db` goes to `db.old`
//! → `db.joined` becomes `db` → `db.old` is removed.
//!
//! Must never touch a store that is open.

use std::fs;
use std::path::{Path, PathBuf};

use laufzettel_chain::codec::decode;
use laufzettel_chain::snapshot::Manifest;

use crate::consensus::watermark::Watermark;
use crate::slots::SlotFile;
use crate::snapshots::{Folder, FolderError, remove_folder, sync_folder};
use crate::worker::WatermarkSlots as _;

struct Paths {
    data: PathBuf,
    db: PathBuf,
    import: PathBuf,
    joined: PathBuf,
    old: PathBuf,
}

impl Paths {
    fn of(data: &Path) -> Self {
        let at = |name: &str| data.join(name);
        Self { data: data.into(), db: at("db"), import: at("db.import"), joined: at("db.joined"), old: at("db.old") }
    }
    fn rename(&self, from: &Path, to: &Path) -> Result<(), FolderError> {
        let path = from.to_path_buf();
        fs::rename(from, to).map_err(|source| FolderError { doing: "rename", path, source })?;
        sync_folder(&self.data)
    }
}

/// Where a snapshot is imported to; what an earlier attempt left is removed.
///
/// # Errors
/// It cannot be removed.
pub(super) fn import_path(data: &Path) -> Result<PathBuf, FolderError> {
    let import = Paths::of(data).import;
    remove_folder(&import)?;
    Ok(import)
}

/// Puts the imported store, which is complete and closed, in the place of the node's own, which is closed too.
///
/// # Errors
/// A folder cannot be renamed or removed; the next start goes on from there.
pub(super) fn install(data: &Path) -> Result<(), FolderError> {
    let paths = Paths::of(data);
    sync_folder(&paths.import)?;
    paths.rename(&paths.import, &paths.joined)?;
    finish(&paths)
}

/// Puts right what a kill left of a join, before the store is opened: an import that was not complete is removed (its
/// chunks stay for the next attempt), one that was takes its place.
///
/// # Errors
/// A folder cannot be renamed or removed.
pub(crate) fn recover(data: &Path) -> Result<(), FolderError> {
    let paths = Paths::of(data);
    remove_folder(&paths.import)?;
    if paths.joined.exists() {
        return finish(&paths);
    }
    if paths.old.exists() && !paths.db.exists() {
        return paths.rename(&paths.old, &paths.db);
    }
    remove_folder(&paths.old)
}

fn finish(paths: &Paths) -> Result<(), FolderError> {
    keep_snapshot(&paths.data)?;
    forget_fresh_watermark(&paths.data)?;
    if paths.db.exists() {
        remove_folder(&paths.old)?;
        paths.rename(&paths.db, &paths.old)?;
    }
    paths.rename(&paths.joined, &paths.db)?;
    remove_folder(&paths.old)
}

/// The snapshot that was gathered is one this node can serve from now on.
fn keep_snapshot(data: &Path) -> Result<(), FolderError> {
    let incoming = Folder::of(data).incoming()?;
    let manifest = incoming.manifest()?.and_then(|bytes| decode::<Manifest>(&bytes).ok());
    match manifest {
        Some(manifest) => incoming.complete(manifest.header.height),
        None => incoming.clear(),
    }
}

/// A watermark of the first height or below is that of a folder that was empty when the node was started. The network
/// has a past, and this validator's key may have signed in it before its disk was lost: without a watermark it signs
/// nothing until an operator resets it (design 7.2). Any other stays: the store, whose log ends below it, makes the node
/// sign only above it.
fn forget_fresh_watermark(data: &Path) -> Result<(), FolderError> {
    let path = data.join("watermark");
    let failed = |doing| {
        let path = path.clone();
        move |source| FolderError { doing, path, source }
    };
    if !path.exists() {
        return Ok(());
    }
    let slots = SlotFile::open(&path).and_then(|file| file.read()).map_err(failed("read"))?;
    let known = |slot: &Vec<u8>| Watermark::read_slot(slot).is_none_or(|watermark| watermark.mark.height > 1);
    if slots.iter().flatten().any(known) {
        return Ok(());
    }
    fs::remove_file(&path).map_err(failed("remove"))?;
    sync_folder(data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consensus::watermark::Mark;
    use laufzettel_chain::ids::{Address, NetworkId};

    /// A data folder in which each store folder holds its own name's history.
    fn data(present: &[&str]) -> tempfile::TempDir {
        let data = tempfile::tempdir().unwrap();
        for name in present {
            fs::create_dir(data.path().join(name)).unwrap();
            fs::write(data.path().join(name).join("is"), name).unwrap();
        }
        data
    }

    fn found(data: &Path) -> Vec<(String, String)> {
        let mut all = Vec::new();
        for entry in fs::read_dir(data).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            if name.starts_with("db") {
                all.push((name, fs::read_to_string(entry.path().join("is")).unwrap()));
            }
        }
        all.sort();
        all
    }

    #[test]
    fn a_kill_at_any_rename_is_put_right() {
        let cases: [(&[&str], &str); 8] = [
            (&["db"], "db"),
            (&["db", "db.import"], "db"),
            (&["db", "db.joined"], "db.joined"),
            (&["db.joined"], "db.joined"),
            (&["db.joined", "db.old"], "db.joined"),
            (&["db", "db.joined", "db.old"], "db.joined"),
            (&["db", "db.old"], "db"),
            (&["db.old"], "db.old"),
        ];
        for (present, expected) in cases {
            let data = data(present);
            recover(data.path()).unwrap();
            assert_eq!(found(data.path()), vec![("db".to_owned(), expected.to_owned())], "from {present:?}");
        }
    }

    #[test]
    fn an_import_takes_the_place_of_the_store() {
        let data = data(&["db", "db.import"]);
        install(data.path()).unwrap();
        assert_eq!(found(data.path()), vec![("db".to_owned(), "db.import".to_owned())]);
    }

    #[test]
    fn a_watermark_goes_only_if_it_is_that_of_an_empty_folder() {
        let signed = |height| Mark { height, ..Mark::NOTHING };
        for (mark, stays) in [(Mark::NOTHING, false), (signed(1), false), (signed(2), true)] {
            let data = data(&["db.joined"]);
            let path = data.path().join("watermark");
            let watermark = Watermark {
                sequence: 1,
                network: NetworkId([1; 32]),
                address: Address([2; 16]),
                mark,
                log_position: 0,
            };
            let (slot, bytes) = watermark.slot();
            SlotFile::open(&path).unwrap().write(slot, &bytes).unwrap();
            recover(data.path()).unwrap();
            assert_eq!(path.exists(), stays);
        }
    }
}
