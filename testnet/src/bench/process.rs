//! What processes used: processor time, by thread too, memory, and bytes on
//! disk. Processor time per event says what an event costs also where other
//! work on the machine makes rates worthless. Linux only: it reads /proc.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::cluster::Fault;

/// Linux counts processor time for user programs in hundredths of a second.
const TICK_US: u64 = 10_000;

/// Processor time of a process so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Used {
    us: u64,
    threads: BTreeMap<String, u64>,
}

impl Used {
    /// Microseconds used since an earlier look.
    pub(crate) fn since(&self, before: &Self) -> f64 {
        self.us.saturating_sub(before.us) as f64
    }
}

/// Name and microseconds of a `stat` file.
fn read_stat(path: &Path) -> Result<(String, u64), Fault> {
    let text = std::fs::read_to_string(path)?;
    let (head, tail) = text.rsplit_once(')').ok_or("a stat file without a name")?;
    let name = head.split_once('(').map_or(head, |(_, name)| name).to_owned();
    // The name is field 2; user and system time are fields 14 and 15.
    let mut times = tail.split_whitespace().skip(11);
    let mut ticks = || times.next().and_then(|text| text.parse::<u64>().ok()).ok_or("a stat file without times");
    Ok((name, (ticks()? + ticks()?) * TICK_US))
}

/// What a process used so far. Threads are added up by name, numbers aside.
pub(crate) fn used(process: u32) -> Result<Used, Fault> {
    let folder = Path::new("/proc").join(process.to_string());
    let (_, us) = read_stat(&folder.join("stat"))?;
    let mut threads = BTreeMap::new();
    for thread in std::fs::read_dir(folder.join("task"))? {
        // A thread may end while this looks.
        let Ok((name, us)) = read_stat(&thread?.path().join("stat")) else { continue };
        let name = name.trim_end_matches(|sign: char| sign.is_ascii_digit()).to_owned();
        *threads.entry(name).or_default() += us;
    }
    Ok(Used { us, threads })
}

/// Memory a process holds now, in megabytes.
pub(crate) fn resident_mb(process: u32) -> Result<f64, Fault> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("a process without VmRSS")?;
    let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kilobytes / 1_024.0)
}

/// Bytes of all files below a folder.
pub(crate) fn folder_bytes(folder: &Path) -> Result<u64, Fault> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let about = entry.metadata()?;
        bytes += if about.is_dir() { folder_bytes(&entry.path())? } else { about.len() };
    }
    Ok(bytes)
}

/// Measures what the nodes and this process use from one moment to another.
pub(crate) struct Meter {
    nodes: Vec<(u32, Used)>,
    own: Used,
    since: Instant,
}

/// What was used between the two moments.
#[derive(Debug, Clone)]
pub(crate) struct Spent {
    /// By all nodes, microseconds.
    pub(crate) nodes_us: f64,
    /// By the node that used most, microseconds.
    pub(crate) busiest_us: f64,
    /// By the load, microseconds.
    pub(crate) load_us: f64,
    /// The nodes' threads by name, microseconds.
    pub(crate) threads: BTreeMap<String, f64>,
    /// How long it took.
    pub(crate) time: Duration,
}

impl Meter {
    pub(crate) fn start(nodes: &[u32]) -> Result<Self, Fault> {
        let nodes = nodes.iter().map(|node| Ok((*node, used(*node)?))).collect::<Result<_, Fault>>()?;
        Ok(Self { nodes, own: used(std::process::id())?, since: Instant::now() })
    }
    pub(crate) fn stop(self) -> Result<Spent, Fault> {
        let time = self.since.elapsed();
        let (mut nodes_us, mut busiest_us, mut threads) = (0.0, 0.0_f64, BTreeMap::new());
        for (node, before) in &self.nodes {
            let now = used(*node)?;
            let us = now.us.saturating_sub(before.us) as f64;
            nodes_us += us;
            busiest_us = busiest_us.max(us);
            for (name, us) in now.threads {
                let us = us.saturating_sub(before.threads.get(&name).copied().unwrap_or_default());
                *threads.entry(name).or_default() += us as f64;
            }
        }
        let load_us = used(std::process::id())?.us.saturating_sub(self.own.us) as f64;
        Ok(Spent { nodes_us, busiest_us, load_us, threads, time })
    }
}
