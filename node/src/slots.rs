//! The watermark file: two slots, each written and synced on its own, so that
//! a torn write spoils one and leaves the other. It lies beside the database,
//! never in it, and never in a backup.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use crate::consensus::watermark::{SLOT_BYTES, Watermark};
use crate::worker::WatermarkSlots;

/// Slots lie on pages of their own, so that a torn page takes one of them.
const SLOT_OFFSET: u64 = 4_096;

/// The two slots in a file.
#[derive(Debug)]
pub struct SlotFile {
    file: File,
}

impl SlotFile {
    /// Opens the file, or makes an empty one.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        let fresh = !path.exists();
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        if fresh {
            file.sync_all()?;
            if let Some(folder) = path.parent() {
                // The new name must survive a power loss as well.
                File::open(folder)?.sync_all()?;
            }
        }
        Ok(Self { file })
    }
}

/// Replaces the file by one that holds this watermark and nothing else, old file or new after a crash.
///
/// # Errors
/// It cannot be written.
pub fn replace(path: &Path, watermark: &Watermark) -> io::Result<()> {
    let part = path.with_extension("part");
    match fs::remove_file(&part) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let (slot, bytes) = watermark.slot();
    SlotFile::open(&part)?.write(slot, &bytes)?;
    fs::rename(&part, path)?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

impl WatermarkSlots for SlotFile {
    fn read(&self) -> io::Result<[Option<Vec<u8>>; 2]> {
        let mut bytes = Vec::new();
        let mut file = &self.file;
        file.seek(SeekFrom::Start(0))?;
        file.read_to_end(&mut bytes)?;
        let slot = |offset: usize| {
            let slot = bytes.get(offset..)?;
            let slot = slot.get(..SLOT_BYTES).unwrap_or(slot);
            // A hole that the other slot's write left was never written itself.
            slot.iter().any(|byte| *byte != 0).then(|| slot.to_vec())
        };
        Ok([slot(0), slot(usize::try_from(SLOT_OFFSET).unwrap_or(usize::MAX))])
    }
    fn write(&mut self, slot: usize, bytes: &[u8]) -> io::Result<()> {
        let offset = if slot == 0 { 0 } else { SLOT_OFFSET };
        self.file.seek(SeekFrom::Start(offset))?;
        self.file.write_all(bytes)?;
        self.file.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use laufzettel_chain::ids::{Address, NetworkId};

    use super::*;
    use crate::consensus::watermark::Mark;

    #[test]
    fn a_replaced_file_holds_the_new_watermark_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("watermark");
        let mut old = SlotFile::open(&path).unwrap();
        old.write(0, &[1; SLOT_BYTES]).unwrap();
        old.write(1, &[2; SLOT_BYTES]).unwrap();
        let watermark = Watermark {
            sequence: 1,
            network: NetworkId([7; 32]),
            address: Address([9; 16]),
            mark: Mark::above(5),
            log_position: 3,
        };
        for _ in 0..2 {
            replace(&path, &watermark).unwrap();
            let [first, second] = SlotFile::open(&path).unwrap().read().unwrap();
            assert_eq!(first, None);
            assert_eq!(Watermark::read_slot(&second.unwrap()), Some(watermark.clone()));
        }
    }
}
