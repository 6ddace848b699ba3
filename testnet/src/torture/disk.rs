//! A disk that is full, and has space again later: a node's data folder becomes a small file system in memory, which
//! only root can mount; for everybody else the fault is skipped, loudly.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::stage::{PATIENCE, Stage};
use crate::cluster::{Fault, Started};

const MEBIBYTE: u64 = 1_048_576;
/// Space above what the node's files take: what it needs to catch up once there is space again, on a fast machine, too.
const SPARE: u64 = 256 * MEBIBYTE;
/// What is left of it when the node starts.
const LEFT: u64 = 10 * MEBIBYTE;
const POLL: Duration = Duration::from_millis(50);
const FULL: &str = "No space left";

/// A mounted file system. Dropped, however that comes, it is unmounted.
struct SmallDisk {
    place: PathBuf,
}

impl SmallDisk {
    fn mount(place: &Path, bytes: u64) -> Result<Self, Fault> {
        let options = format!("size={bytes},mode=0700");
        let mut command = Command::new("mount");
        let done = command.args(["-t", "tmpfs", "-o", &options, "laufzettel-torture"]).arg(place).output()?;
        if !done.status.success() {
            return Err(String::from_utf8_lossy(&done.stderr).trim().to_owned().into());
        }
        Ok(Self { place: place.to_owned() })
    }
    /// Takes all space but this much.
    fn fill(&self, left: u64) -> Result<(), Fault> {
        let found = rustix::fs::statvfs(&self.place)?;
        let mut take = (found.f_bavail * found.f_frsize).saturating_sub(left);
        let mut ballast = fs::OpenOptions::new().create(true).append(true).open(self.ballast())?;
        let block = vec![0x55; 4_096];
        while take > 0 {
            match ballast.write(&block) {
                Ok(count) => take = take.saturating_sub(count as u64),
                // What the node took meanwhile is just as full.
                Err(error) if error.kind() == std::io::ErrorKind::StorageFull => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
    fn free(&self) -> Result<(), Fault> {
        Ok(fs::remove_file(self.ballast())?)
    }
    fn ballast(&self) -> PathBuf {
        self.place.join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.place).output();
    }
}

/// Copies a folder's files; how many bytes they have. A socket belongs to a process that is gone.
fn copy(from: &Path, to: &Path) -> Result<u64, Fault> {
    let mut bytes = 0;
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (kind, target) = (entry.file_type()?, to.join(entry.file_name()));
        if kind.is_dir() {
            bytes += copy(&entry.path(), &target)?;
        } else if kind.is_file() {
            bytes += fs::copy(entry.path(), target)?;
        }
    }
    Ok(bytes)
}

impl Stage {
    /// Moves a node to a small disk, fills it, frees it, and moves the node back.
    pub(super) async fn fill_disk(&mut self, node: usize, hold: Duration) -> Result<(), Fault> {
        let name = self.name(node)?;
        if !rustix::process::geteuid().is_root() {
            self.skip("disk_full", "only root can mount a small disk");
            return Ok(());
        }
        let data = self.data(&name);
        let (aside, back) = (data.with_extension("aside"), data.with_extension("back"));
        self.kill(&name)?;
        fs::rename(&data, &aside)?;
        let bytes = copy(&aside, &back)?;
        fs::create_dir(&data)?;
        let disk = match SmallDisk::mount(&data, bytes + SPARE) {
            Ok(disk) => disk,
            Err(fault) => {
                self.skip("disk_full", &format!("a small disk cannot be mounted: {fault}"));
                fs::remove_dir(&data)?;
                fs::remove_dir_all(&back)?;
                fs::rename(&aside, &data)?;
                return self.start(&name).await.map(drop);
            }
        };
        copy(&back, &data)?;
        fs::remove_dir_all(&back)?;
        self.run_full(node, &name, &disk, hold).await?;
        self.kill(&name)?;
        // The node goes on from here, never from what was put aside: its watermark is older.
        copy(&data, &back)?;
        drop(disk);
        fs::remove_dir_all(&aside)?;
        fs::remove_dir(&data)?;
        fs::rename(&back, &data)?;
        self.start(&name).await.map(drop)
    }
    async fn run_full(&mut self, node: usize, name: &str, disk: &SmallDisk, hold: Duration) -> Result<(), Fault> {
        disk.fill(LEFT)?;
        let place = self.log_end(name);
        self.launch(name)?;
        // It may run out of space in its start already; that too must be said.
        if let Started::InSync(_) = self.cluster.settle(name, PATIENCE).await? {
            self.until_ended(name, disk).await?;
        }
        self.expect_full(name, place)?;
        // The others go on.
        self.last(hold, (node + 1) % self.cluster.nodes().len().max(1)).await?;
        // A second start without space ends the same way, if it does not find some.
        let place = self.log_end(name);
        self.launch(name)?;
        if let Started::Ended(_) = self.cluster.settle(name, PATIENCE).await? {
            self.expect_full(name, place)?;
        }
        self.kill(name)?;
        disk.free()?;
        self.start(name).await.map(drop)
    }
    /// Keeps the disk full until the node ends.
    async fn until_ended(&mut self, name: &str, disk: &SmallDisk) -> Result<(), Fault> {
        let until = Instant::now() + PATIENCE;
        loop {
            disk.fill(0)?;
            match self.cluster.ended(name)? {
                Some(status) if status.success() => return Err(format!("{name} ended well on a full disk").into()),
                Some(_) => return Ok(()),
                None if Instant::now() > until => return Err(format!("{name} runs on a full disk").into()),
                None => tokio::time::sleep(POLL).await,
            }
        }
    }
    fn expect_full(&self, name: &str, place: u64) -> Result<(), Fault> {
        if self.log_from(name, place).contains(FULL) {
            return Ok(());
        }
        Err(format!("{name} does not say that its disk is full: {}", self.tail(name, place)).into())
    }
}
