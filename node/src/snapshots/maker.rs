//! Makes snapshots, on a thread of its own over a view of the store: at the
//! first block whose time crosses a multiple of the interval, which is the same
//! block on every node, or when told to. Decides from what is kept how far
//! bodies may be pruned. A snapshot that cannot be made is said and left; the
//! node goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::Instant;

use laufzettel_chain::codec::encode;
use laufzettel_chain::genesis::Genesis;
use laufzettel_chain::ids::Height;
use laufzettel_chain::snapshot;
use laufzettel_chain::storage::{Read, Store};
use tokio::sync::oneshot;

use super::Folder;

/// When snapshots are made, and how many are kept.
#[derive(Debug, Clone, Copy)]
pub struct MakerConfig {
    /// One at each multiple of this block time, in milliseconds; 0 for none but those asked for.
    pub interval_ms: u64,
    /// So many of the newest are kept, at least one.
    pub keep: usize,
    /// Bodies are never pruned.
    pub archive: bool,
}

/// A snapshot that was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Made {
    /// Its height.
    pub height: Height,
    /// Bytes of its chunks.
    pub bytes: u64,
    /// How many chunks.
    pub chunks: usize,
}

/// A snapshot is being made already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Busy;

enum Job {
    Make { viewed: SyncSender<()>, done: Option<oneshot::Sender<Result<Made, String>>> },
    Stop,
}

/// The door to snapshots; cheap to clone.
#[derive(Clone)]
pub struct Snapshots(Arc<Shared>);

impl std::fmt::Debug for Snapshots {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshots").field("folder", &self.0.folder).finish_non_exhaustive()
    }
}

struct Shared {
    folder: Folder,
    config: MakerConfig,
    jobs: Sender<Job>,
    busy: AtomicBool,
    stopping: AtomicBool,
    prune_below: AtomicU64,
}

impl Snapshots {
    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Folder {
        &self.0.folder
    }
    /// Whether this node keeps all blocks and versions.
    #[must_use]
    pub fn is_of_archive(&self) -> bool {
        self.0.config.archive
    }
    /// Bodies below this height need not be kept.
    #[must_use]
    pub fn prune_below(&self) -> Height {
        self.0.prune_below.load(Ordering::Relaxed)
    }
    /// A block was committed, and no other yet: makes a snapshot of it if its time is the first past a multiple of the
    /// interval. Returns when the view is taken.
    pub(crate) fn committed(&self, before_ms: u64, time_ms: u64) {
        if crosses(before_ms, time_ms, self.0.config.interval_ms) && self.begin(None).is_err() {
            tracing::warn!("a snapshot is due while the last one is still being made; it is left out");
        }
    }
    /// Makes a snapshot of the tip now.
    ///
    /// # Errors
    /// One is being made already.
    pub fn create(&self) -> Result<oneshot::Receiver<Result<Made, String>>, Busy> {
        let (done, result) = oneshot::channel();
        self.begin(Some(done))?;
        Ok(result)
    }
    fn begin(&self, done: Option<oneshot::Sender<Result<Made, String>>>) -> Result<(), Busy> {
        if self.0.busy.swap(true, Ordering::AcqRel) {
            return Err(Busy);
        }
        let (viewed, view_taken) = sync_channel(1);
        // A maker that is gone takes no job and sends no word: the node is stopping.
        let _ = self.0.jobs.send(Job::Make { viewed, done });
        let _ = view_taken.recv();
        Ok(())
    }
}

/// Whether a multiple of the interval lies between two block times.
fn crosses(before_ms: u64, time_ms: u64, interval_ms: u64) -> bool {
    let turn = |ms: u64| ms.checked_div(interval_ms);
    turn(before_ms) < turn(time_ms)
}

/// The thread that makes snapshots.
pub struct Maker {
    door: Snapshots,
    thread: JoinHandle<()>,
}

impl Maker {
    /// Starts the thread over a folder whose oldest snapshot is known.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(
        store: Arc<dyn Store>,
        genesis: Arc<Genesis>,
        folder: Folder,
        oldest: Option<Height>,
        config: MakerConfig,
    ) -> std::io::Result<Self> {
        let (jobs, received) = channel();
        let door = Snapshots(Arc::new(Shared {
            folder,
            config,
            jobs,
            busy: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            prune_below: AtomicU64::new(prune_below(oldest, config.archive)),
        }));
        let thread = Thread { store, genesis, door: door.clone() };
        let thread = std::thread::Builder::new().name("snapshots".to_owned()).spawn(move || thread.run(&received))?;
        Ok(Self { door, thread })
    }
    /// The door.
    #[must_use]
    pub fn door(&self) -> &Snapshots {
        &self.door
    }
    /// Stops the thread; a snapshot that is being made is given up.
    pub fn stop(self) {
        self.door.0.stopping.store(true, Ordering::Relaxed);
        let _ = self.door.0.jobs.send(Job::Stop);
        let _ = self.thread.join();
    }
}

/// The oldest snapshot's own block is in it; what follows is needed to go on from it.
fn prune_below(oldest: Option<Height>, archive: bool) -> Height {
    oldest.filter(|_| !archive).map_or(0, |height| height.saturating_add(1))
}

struct Thread {
    store: Arc<dyn Store>,
    genesis: Arc<Genesis>,
    door: Snapshots,
}

impl Thread {
    fn run(&self, jobs: &Receiver<Job>) {
        while let Ok(Job::Make { viewed, done }) = jobs.recv() {
            let view = self.store.snapshot();
            let _ = viewed.send(());
            let made = self.make(view.as_ref());
            drop(view);
            if let Err(reason) = &made {
                tracing::error!(%reason, "a snapshot was not made; the node goes on without it");
            }
            self.door.0.busy.store(false, Ordering::Release);
            if let Some(done) = done {
                let _ = done.send(made);
            }
        }
    }

    fn make(&self, view: &dyn Read) -> Result<Made, String> {
        let started = Instant::now();
        let folder = &self.door.0.folder;
        let making = folder.make().map_err(|error| error.to_string())?;
        let mut bytes = 0u64;
        let manifest = snapshot::create(view, &self.genesis, &mut |index, _, chunk| {
            if self.door.0.stopping.load(Ordering::Relaxed) {
                return Err("the node is stopping".to_owned());
            }
            bytes = bytes.saturating_add(chunk.len() as u64);
            making.put_chunk(index, chunk).map_err(|error| error.to_string())
        });
        let manifest = manifest.map_err(|error| error.to_string())?;
        let (height, chunks) = (manifest.header.height, manifest.chunks.len());
        making.put_manifest(&encode(&manifest)).map_err(|error| error.to_string())?;
        making.complete(height).map_err(|error| error.to_string())?;
        let MakerConfig { keep, archive, .. } = self.door.0.config;
        let oldest = folder.keep_newest(keep).map_err(|error| error.to_string())?;
        self.door.0.prune_below.fetch_max(prune_below(oldest, archive), Ordering::Relaxed);
        let seconds = started.elapsed().as_secs_f64();
        tracing::info!(height, bytes, chunks, seconds, "snapshot made");
        Ok(Made { height, bytes, chunks })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_multiple_is_crossed_once() {
        let times = [900, 999, 1_000, 1_001, 1_999, 4_200, 4_300];
        let crossed: Vec<u64> =
            times.windows(2).filter(|pair| crosses(pair[0], pair[1], 1_000)).map(|pair| pair[1]).collect();
        assert_eq!(crossed, vec![1_000, 4_200]);
        assert!(!crosses(0, u64::MAX, 0), "no interval, no snapshot by time");
    }

    #[test]
    fn bodies_after_the_oldest_snapshot_stay() {
        assert_eq!((prune_below(Some(7), false), prune_below(Some(7), true), prune_below(None, false)), (8, 0, 0));
    }
}
