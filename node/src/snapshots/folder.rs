//! The folder of snapshots: `<height>/manifest` and `<height>/000000.chunk` and
//! so on. Names of complete snapshots are numbers, all other names are work in
//! progress. Must never show a half-written snapshot as a complete one.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use laufzettel_chain::ids::Height;
use laufzettel_chain::limits::CHUNK_BYTES_MAX;
use thiserror::Error;

/// Where a snapshot is written before it is complete.
const MAKING: &str = "making";
/// Where a snapshot of others is gathered.
const INCOMING: &str = "incoming";
const MANIFEST: &str = "manifest";

/// The system refused.
#[derive(Debug, Error)]
#[error("cannot {doing} {path}: {source}")]
pub struct FolderError {
    /// What was tried.
    pub doing: &'static str,
    /// The file or folder.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FolderError {
    let path = path.to_path_buf();
    move |source| FolderError { doing, path, source }
}

/// None where the file is not there.
fn if_there<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn chunk_name(index: u32) -> String {
    format!("{index:06}.chunk")
}

/// Reads no more than a chunk may have: what lies in the folder may be damaged.
fn read_chunk(path: &Path) -> Result<Option<Vec<u8>>, FolderError> {
    let failed = || io("read", path);
    let Some(file) = if_there(File::open(path)).map_err(failed())? else { return Ok(None) };
    let mut bytes = Vec::new();
    file.take(CHUNK_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(failed())?;
    Ok((bytes.len() <= CHUNK_BYTES_MAX).then_some(bytes))
}

/// Makes the names in a folder survive a power loss.
pub(crate) fn sync_folder(path: &Path) -> Result<(), FolderError> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(io("sync", path))
}

/// Removes a folder and all below it, if it is there.
pub(crate) fn remove_folder(path: &Path) -> Result<(), FolderError> {
    if_there(fs::remove_dir_all(path)).map_err(io("remove", path)).map(|_| ())
}

/// The folder of snapshots.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// The folder below a node's data folder; made when something is written.
    #[must_use]
    pub fn of(data: &Path) -> Self {
        Self { path: data.join("snapshots") }
    }
    fn of_height(&self, height: Height) -> PathBuf {
        self.path.join(height.to_string())
    }
    /// Heights of the complete snapshots, ascending.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn list(&self) -> Result<Vec<Height>, FolderError> {
        let failed = || io("list", &self.path);
        let Some(entries) = if_there(fs::read_dir(&self.path)).map_err(failed())? else { return Ok(Vec::new()) };
        let mut heights = Vec::new();
        for entry in entries {
            let name = entry.map_err(failed())?.file_name();
            // The name as this program writes it: no sign, no leading zero.
            let height = name.to_str().and_then(|name| Some((name, name.parse::<Height>().ok()?)));
            heights.extend(height.filter(|(name, height)| height.to_string() == *name).map(|(_, height)| height));
        }
        heights.sort_unstable();
        Ok(heights)
    }
    /// The manifest of a snapshot; none where there is none.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn manifest(&self, height: Height) -> Result<Option<Vec<u8>>, FolderError> {
        let path = self.of_height(height).join(MANIFEST);
        if_there(fs::read(&path)).map_err(io("read", &path))
    }
    /// A chunk of a snapshot; none where there is none, or one longer than any chunk is.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn chunk(&self, height: Height, index: u32) -> Result<Option<Vec<u8>>, FolderError> {
        read_chunk(&self.of_height(height).join(chunk_name(index)))
    }
    /// Bytes of a complete snapshot.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn bytes(&self, height: Height) -> Result<u64, FolderError> {
        let path = self.of_height(height);
        let mut sum = 0u64;
        for entry in fs::read_dir(&path).map_err(io("list", &path))? {
            let length = entry.and_then(|entry| entry.metadata()).map_err(io("list", &path))?.len();
            sum = sum.saturating_add(length);
        }
        Ok(sum)
    }
    /// Begins to write a snapshot; what an earlier attempt left is removed.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn make(&self) -> Result<Making, FolderError> {
        let path = self.path.join(MAKING);
        remove_folder(&path)?;
        Making::at(self.clone(), path)
    }
    /// What was gathered of a snapshot of others.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn incoming(&self) -> Result<Making, FolderError> {
        Making::at(self.clone(), self.path.join(INCOMING))
    }
    /// Removes all but the newest; the least height left.
    ///
    /// # Errors
    /// A snapshot cannot be removed.
    pub fn keep_newest(&self, count: usize) -> Result<Option<Height>, FolderError> {
        let heights = self.list()?;
        let (old, kept) = heights.split_at(heights.len().saturating_sub(count.max(1)));
        for height in old {
            // Renamed first: what is half removed must not look complete.
            let (path, gone) = (self.of_height(*height), self.path.join("removing"));
            remove_folder(&gone)?;
            fs::rename(&path, &gone).map_err(io("rename", &path))?;
            remove_folder(&gone)?;
        }
        Ok(kept.first().copied())
    }
}

/// A snapshot that is not complete yet.
#[derive(Debug)]
pub struct Making {
    folder: Folder,
    path: PathBuf,
}

impl Making {
    fn at(folder: Folder, path: PathBuf) -> Result<Self, FolderError> {
        fs::create_dir_all(&path).map_err(io("make folder", &path))?;
        Ok(Self { folder, path })
    }
    /// The manifest, once it was written.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn manifest(&self) -> Result<Option<Vec<u8>>, FolderError> {
        let path = self.path.join(MANIFEST);
        if_there(fs::read(&path)).map_err(io("read", &path))
    }
    /// Writes the manifest; readers see all of it or none. Durable once the snapshot is complete.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn put_manifest(&self, bytes: &[u8]) -> Result<(), FolderError> {
        self.put(MANIFEST, bytes)
    }
    /// A chunk, if it was written.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn chunk(&self, index: u32) -> Result<Option<Vec<u8>>, FolderError> {
        read_chunk(&self.path.join(chunk_name(index)))
    }
    /// Writes a chunk; readers see all of it or none. Durable once the snapshot is complete.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn put_chunk(&self, index: u32, bytes: &[u8]) -> Result<(), FolderError> {
        self.put(&chunk_name(index), bytes)
    }
    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), FolderError> {
        let (part, path) = (self.path.join("part"), self.path.join(name));
        fs::write(&part, bytes).map_err(io("write", &part))?;
        fs::rename(&part, &path).map_err(io("rename", &part))
    }
    /// Removes all that was gathered, and begins again.
    ///
    /// # Errors
    /// The folder cannot be removed or made.
    pub fn clear(&self) -> Result<(), FolderError> {
        remove_folder(&self.path)?;
        fs::create_dir_all(&self.path).map_err(io("make folder", &self.path))
    }
    /// Makes it a complete snapshot, durably. One of this height that is there already stays.
    ///
    /// # Errors
    /// The folder cannot be renamed.
    pub fn complete(self, height: Height) -> Result<(), FolderError> {
        let target = self.folder.of_height(height);
        if target.exists() {
            return remove_folder(&self.path);
        }
        for entry in fs::read_dir(&self.path).map_err(io("list", &self.path))? {
            let path = entry.map_err(io("list", &self.path))?.path();
            File::open(&path).and_then(|file| file.sync_data()).map_err(io("sync", &path))?;
        }
        sync_folder(&self.path)?;
        fs::rename(&self.path, &target).map_err(io("rename", &self.path))?;
        sync_folder(&self.folder.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_listed_once_it_is_complete_and_the_newest_stay() {
        let data = tempfile::tempdir().unwrap();
        let folder = Folder::of(data.path());
        assert_eq!(folder.list().unwrap(), Vec::<Height>::new());
        for height in [7, 40, 300] {
            let making = folder.make().unwrap();
            making.put_chunk(0, b"abcdef").unwrap();
            making.put_manifest(b"m").unwrap();
            assert!(!folder.list().unwrap().contains(&height));
            making.complete(height).unwrap();
        }
        folder.incoming().unwrap().put_chunk(0, b"x").unwrap();
        fs::create_dir(data.path().join("snapshots/007")).unwrap();
        assert_eq!(folder.list().unwrap(), vec![7, 40, 300]);
        assert_eq!(folder.bytes(40).unwrap(), 7);
        assert_eq!(folder.keep_newest(2).unwrap(), Some(40));
        assert_eq!(folder.list().unwrap(), vec![40, 300]);
        assert_eq!(folder.manifest(7).unwrap(), None);
    }

    #[test]
    fn what_is_not_there_or_too_long_is_no_chunk() {
        let data = tempfile::tempdir().unwrap();
        let folder = Folder::of(data.path());
        let making = folder.make().unwrap();
        making.put_chunk(3, b"abcdef").unwrap();
        making.put_chunk(4, &vec![0; CHUNK_BYTES_MAX + 1]).unwrap();
        making.complete(5).unwrap();
        assert_eq!(folder.chunk(5, 3).unwrap().unwrap(), b"abcdef");
        for (height, index) in [(5, 2), (5, 4), (6, 3)] {
            assert_eq!(folder.chunk(height, index).unwrap(), None);
        }
    }

    #[test]
    fn an_attempt_that_was_broken_off_leaves_nothing_behind() {
        let data = tempfile::tempdir().unwrap();
        let folder = Folder::of(data.path());
        folder.make().unwrap().put_chunk(0, b"old").unwrap();
        let making = folder.make().unwrap();
        assert_eq!(making.chunk(0).unwrap(), None);
        let incoming = folder.incoming().unwrap();
        incoming.put_chunk(0, b"kept").unwrap();
        assert_eq!(folder.incoming().unwrap().chunk(0).unwrap().unwrap(), b"kept");
        incoming.clear().unwrap();
        assert_eq!(incoming.chunk(0).unwrap(), None);
    }
}
