//! How much room the data folder takes, how much is left, and how long that
//! lasts at the pace of the last days.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How often a running node looks.
pub const SAMPLE_INTERVAL: Duration = Duration::from_secs(60);
/// Samples kept: a week.
const SAMPLES_MAX: usize = 7 * 24 * 60;
/// A pace seen over less says nothing: the database grows in steps.
const WINDOW_MIN_MS: u64 = 10 * 60 * 1_000;
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// A file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Space {
    /// Bytes that are free for this process.
    pub free_bytes: u64,
    /// All bytes.
    pub total_bytes: u64,
}

/// By how much a folder grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Growth {
    /// Bytes a day; 0 if it shrinks.
    pub bytes_per_day: u64,
    /// Over what time that was seen.
    pub window_ms: u64,
}

impl Growth {
    /// The pace between two sizes; none if they lie too near each other.
    #[must_use]
    pub fn between(first: (u64, u64), last: (u64, u64)) -> Option<Self> {
        let window_ms = last.0.saturating_sub(first.0);
        if window_ms < WINDOW_MIN_MS {
            return None;
        }
        let grown = u128::from(last.1.saturating_sub(first.1));
        let per_day = grown.saturating_mul(u128::from(DAY_MS)).checked_div(u128::from(window_ms))?;
        Some(Self { bytes_per_day: u64::try_from(per_day).unwrap_or(u64::MAX), window_ms })
    }
    /// The pace since a database was made, for want of a nearer look; none if it was made just now or is not there.
    #[must_use]
    pub fn since_made(data: &Path, used: u64, now_ms: u64) -> Option<Self> {
        // RocksDB writes this file once.
        let made = fs::metadata(data.join("db/IDENTITY")).and_then(|found| found.modified()).ok()?;
        let made = made.duration_since(std::time::UNIX_EPOCH).ok()?;
        Self::between((u64::try_from(made.as_millis()).ok()?, 0), (now_ms, used))
    }
    /// For how many days this much room lasts; none if nothing grows.
    #[must_use]
    pub fn days_left(&self, free_bytes: u64) -> Option<u64> {
        free_bytes.checked_div(self.bytes_per_day)
    }
}

/// Room on the file system of a folder.
///
/// # Errors
/// The folder is not there.
pub fn space(folder: &Path) -> io::Result<Space> {
    let found = rustix::fs::statvfs(folder)?;
    let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
    Ok(Space { free_bytes: bytes(found.f_bavail), total_bytes: bytes(found.f_blocks) })
}

/// Bytes of all files below a folder. A file that goes meanwhile does not count.
///
/// # Errors
/// The folder cannot be read.
pub fn used(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0u64;
    for entry in fs::read_dir(folder)? {
        let Ok(entry) = entry else { continue };
        let Ok(metadata) = entry.metadata() else { continue };
        let here = if metadata.is_dir() { used(&entry.path()).unwrap_or(0) } else { metadata.len() };
        bytes = bytes.saturating_add(here);
    }
    Ok(bytes)
}

/// The data folder of a running node, watched.
#[derive(Debug, Default)]
pub struct Usage(Mutex<Samples>);

#[derive(Debug, Default)]
struct Samples {
    /// When, and how many bytes.
    taken: VecDeque<(u64, u64)>,
    space: Space,
}

impl Usage {
    /// Looks at the folder now.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn sample(&self, folder: &Path, now_ms: u64) -> io::Result<()> {
        let (used, space) = (used(folder)?, space(folder)?);
        let mut samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        samples.space = space;
        // A clock that was set back would make a window of nothing.
        samples.taken.retain(|(at_ms, _)| *at_ms <= now_ms);
        if samples.taken.len() >= SAMPLES_MAX {
            samples.taken.pop_front();
        }
        samples.taken.push_back((now_ms, used));
        Ok(())
    }
    /// Bytes of the folder, the room around it, and how it grows.
    #[must_use]
    pub fn now(&self) -> (u64, Space, Option<Growth>) {
        let samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (first, last) = (samples.taken.front().copied(), samples.taken.back().copied());
        let growth = first.zip(last).and_then(|(first, last)| Growth::between(first, last));
        (last.map_or(0, |(_, used)| used), samples.space, growth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_files_and_room() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("db")).unwrap();
        fs::write(folder.path().join("db/1.sst"), [0; 1_000]).unwrap();
        fs::write(folder.path().join("lock"), [0; 24]).unwrap();
        assert_eq!(used(folder.path()).unwrap(), 1_024);
        let space = space(folder.path()).unwrap();
        assert!(space.free_bytes > 0 && space.free_bytes <= space.total_bytes, "{space:?}");
        let usage = Usage::default();
        usage.sample(folder.path(), 5).unwrap();
        assert_eq!((usage.now().0, usage.now().2), (1_024, None));
    }

    #[test]
    fn a_pace_needs_time_and_gives_days() {
        assert_eq!(Growth::between((0, 0), (WINDOW_MIN_MS - 1, 5)), None);
        let growth = Growth::between((0, 1_000), (DAY_MS / 2, 1_500)).unwrap();
        assert_eq!(growth, Growth { bytes_per_day: 1_000, window_ms: DAY_MS / 2 });
        assert_eq!(growth.days_left(30_000), Some(30));
        let still = Growth::between((0, 2_000), (DAY_MS, 1_000)).unwrap();
        assert_eq!((still.bytes_per_day, still.days_left(1)), (0, None));
    }
}
