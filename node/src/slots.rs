//! The watermark file: two slots, each written and synced on its own, so that
//! a torn write spoils one and leaves the other. It lies beside the database,
//! never in it, and never in a backup.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use crate::consensus::watermark::SLOT_BYTES;
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
