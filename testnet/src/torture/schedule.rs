//! Which faults, in which order: drawn from the seed alone, so that a schedule can be told and run again. Every kind
//! comes once before any comes a second time. Nothing here does anything.

use std::fmt;
use std::time::Duration;

use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Nodes of the network.
pub(super) const NODES: usize = 4;

/// A file of a node that can be damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    /// A table of the database.
    Table,
    /// The database's log of writes.
    WriteLog,
    /// The database's list of files.
    Manifest,
    /// Which list of files counts.
    Current,
    /// The database's options, as it wrote them down.
    Options,
    /// The database's name for itself.
    Identity,
    /// The watermark's newer slot.
    WatermarkNewer,
    /// The watermark's older slot.
    WatermarkOlder,
    /// Both slots.
    WatermarkBoth,
    /// The whole watermark file.
    WatermarkFile,
    /// Where the node listened.
    Endpoints,
    /// The lock of the data folder.
    Lock,
    /// The configuration.
    Config,
    /// The genesis file.
    Genesis,
    /// The node key.
    NodeKey,
    /// The consensus key.
    ConsensusKey,
    /// The service key.
    ServiceKey,
    /// The API's certificate.
    Certificate,
    /// The API's private key.
    CertificateKey,
}

impl Part {
    pub(super) const ALL: [Self; 19] = [
        Self::Table,
        Self::WriteLog,
        Self::Manifest,
        Self::Current,
        Self::Options,
        Self::Identity,
        Self::WatermarkNewer,
        Self::WatermarkOlder,
        Self::WatermarkBoth,
        Self::WatermarkFile,
        Self::Endpoints,
        Self::Lock,
        Self::Config,
        Self::Genesis,
        Self::NodeKey,
        Self::ConsensusKey,
        Self::ServiceKey,
        Self::Certificate,
        Self::CertificateKey,
    ];
}

/// How a file is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Harm {
    /// One bit is another.
    Flip,
    /// Up to 512 bytes are zero.
    Zero,
    /// The end is missing.
    Cut,
    /// It is gone.
    Gone,
}

impl Harm {
    const ALL: [Self; 4] = [Self::Flip, Self::Zero, Self::Cut, Self::Gone];
}

/// A fault that strikes. Nodes are numbered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Strike {
    /// kill -9.
    Kill { node: usize },
    /// kill -9 of all at once.
    KillAll,
    /// SIGSTOP, and SIGCONT after a while.
    Pause { node: usize, pause: Duration },
    /// A node that nobody reaches.
    Isolate { node: usize, lost: bool },
    /// What one sends does not reach another, or nobody if there is none.
    OneWay { from: usize, to: Option<usize>, lost: bool },
    /// Two and two: nobody decides.
    Halves { with_first: usize, lost: bool },
    /// Everything takes longer.
    Delay { delay: Duration },
    /// A node's connections end again and again.
    Flap { node: usize, times: u32 },
    /// No space is left, and later there is.
    DiskFull { node: usize },
    /// The wall clock jumps and later jumps back; the node may be killed and started after each.
    Clock { node: usize, ahead_ms: i64, restart: bool },
    /// A file of a node that is down is damaged; `at` chooses file and place.
    Damage { node: usize, part: Part, harm: Harm, at: u64 },
    /// The database is gone, the watermark is not.
    Wipe { node: usize },
}

impl Strike {
    /// Its kind, as it is counted.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Kill { .. } => "kill",
            Self::KillAll => "kill_all",
            Self::Pause { .. } => "pause",
            Self::Isolate { .. } => "isolate",
            Self::OneWay { .. } => "one_way",
            Self::Halves { .. } => "halves",
            Self::Delay { .. } => "delay",
            Self::Flap { .. } => "flap",
            Self::DiskFull { .. } => "disk_full",
            Self::Clock { ahead_ms, .. } if *ahead_ms < 0 => "clock_behind",
            Self::Clock { .. } => "clock_ahead",
            Self::Damage { .. } => "damage",
            Self::Wipe { .. } => "wipe",
        }
    }
    /// Whether three nodes are left that can decide.
    pub(super) fn leaves_quorum(&self) -> bool {
        !matches!(self, Self::KillAll | Self::Halves { .. })
    }
}

/// A fault, what slows the network meanwhile, and how long it lasts at least.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Episode {
    /// Counted from 1.
    pub(super) number: u64,
    /// What happens.
    pub(super) strike: Strike,
    /// Every link is this much slower all the while.
    pub(super) slow: Option<Duration>,
    /// How long it lasts.
    pub(super) hold: Duration,
}

impl fmt::Display for Episode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>3} {:?}, for {} ms", self.number, self.strike, self.hold.as_millis())?;
        match self.slow {
            Some(slow) => write!(f, ", links slower by {} ms", slow.as_millis()),
            None => Ok(()),
        }
    }
}

/// An endless schedule.
#[derive(Debug)]
pub(super) struct Schedule {
    random: ChaCha8Rng,
    number: u64,
    all: Vec<&'static str>,
    kinds: Vec<&'static str>,
    parts: Vec<Part>,
    pauses: Vec<u64>,
    pause_max: Duration,
}

/// Kinds of a pass; those that matter most come more than once.
const KINDS: [&str; 20] = [
    "kill",
    "kill",
    "kill_all",
    "pause",
    "pause",
    "isolate",
    "one_way",
    "one_way",
    "halves",
    "delay",
    "flap",
    "disk_full",
    "clock_ahead",
    "clock_behind",
    "wipe",
    "damage",
    "damage",
    "damage",
    "damage",
    "damage",
];
/// After so many episodes every kind has come.
pub(super) const PASS: usize = KINDS.len();
/// Seconds of pauses.
const PAUSES: [u64; 6] = [2, 5, 10, 20, 40, 60];
/// How far clocks are off.
const AHEAD_MS: [i64; 6] = [1_000, 4_000, 8_000, 60_000, 1_800_000, 7_200_000];

impl Schedule {
    /// The schedule of a seed; no pause is longer than `pause_max`.
    ///
    /// # Errors
    /// There are no faults of the kind that is asked for alone.
    pub(super) fn new(seed: u64, pause_max: Duration, only: Option<&str>) -> Result<Self, String> {
        let all: Vec<&str> = KINDS.into_iter().filter(|kind| only.is_none_or(|only| only == *kind)).collect();
        if all.is_empty() {
            let kinds: Vec<&str> = std::collections::BTreeSet::from(KINDS).into_iter().collect();
            return Err(format!("there is no such kind of fault; there are {}", kinds.join(", ")));
        }
        let random = ChaCha8Rng::seed_from_u64(seed);
        Ok(Self { random, number: 0, all, kinds: Vec::new(), parts: Vec::new(), pauses: Vec::new(), pause_max })
    }
    fn node(&mut self) -> usize {
        self.random.random_range(0..NODES)
    }
    /// Deals from a deck, shuffled anew whenever it is empty.
    fn deal<T: Clone>(deck: &mut Vec<T>, all: &[T], random: &mut ChaCha8Rng) -> Option<T> {
        if deck.is_empty() {
            deck.extend_from_slice(all);
            deck.shuffle(random);
        }
        deck.pop()
    }
    fn strike(&mut self) -> Strike {
        let (node, lost) = (self.node(), self.random.random());
        let others: Vec<usize> = (0..NODES).filter(|other| *other != node).collect();
        let other = others.choose(&mut self.random).copied();
        let (at, first_of_pair) = (self.random.random(), self.random.random_range(1..NODES));
        let ahead_ms = AHEAD_MS.choose(&mut self.random).copied().unwrap_or_default();
        match Self::deal(&mut self.kinds, &self.all, &mut self.random).unwrap_or_default() {
            "kill" => Strike::Kill { node },
            "kill_all" => Strike::KillAll,
            "pause" => {
                let seconds = Self::deal(&mut self.pauses, &PAUSES, &mut self.random).unwrap_or_default();
                Strike::Pause { node, pause: Duration::from_secs(seconds).min(self.pause_max) }
            }
            "isolate" => Strike::Isolate { node, lost },
            "one_way" => Strike::OneWay { from: node, to: other.filter(|_| at % 2 == 0), lost },
            "halves" => Strike::Halves { with_first: first_of_pair, lost },
            "delay" => Strike::Delay { delay: Duration::from_millis(50 + at % 350) },
            "flap" => Strike::Flap { node, times: 3 + u32::try_from(at % 8).unwrap_or_default() },
            "disk_full" => Strike::DiskFull { node },
            "clock_ahead" => Strike::Clock { node, ahead_ms, restart: at % 2 == 0 },
            "clock_behind" => Strike::Clock { node, ahead_ms: -ahead_ms, restart: at % 2 == 0 },
            "wipe" => Strike::Wipe { node },
            _ => {
                let part = Self::deal(&mut self.parts, &Part::ALL, &mut self.random).unwrap_or(Part::Table);
                let harm = Harm::ALL.choose(&mut self.random).copied().unwrap_or(Harm::Flip);
                Strike::Damage { node, part, harm, at }
            }
        }
    }
}

impl Iterator for Schedule {
    type Item = Episode;

    fn next(&mut self) -> Option<Episode> {
        self.number += 1;
        let strike = self.strike();
        let slow = (self.random.random_range(0..10) < 3).then(|| self.random.random_range(5..80));
        // A partition shorter than the probes of connections is not noticed by them, a longer one is.
        let hold = match &strike {
            Strike::Kill { .. } | Strike::KillAll => self.random.random_range(0..3_000),
            Strike::Flap { .. } | Strike::DiskFull { .. } | Strike::Damage { .. } | Strike::Wipe { .. } => 500,
            Strike::Pause { .. } => 0,
            _ => [1_500, 4_000, 8_000, 15_000].choose(&mut self.random).copied().unwrap_or_default(),
        };
        let (slow, hold) = (slow.map(Duration::from_millis), Duration::from_millis(hold));
        Some(Episode { number: self.number, strike, slow, hold })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(seed: u64, count: usize) -> Vec<Episode> {
        Schedule::new(seed, Duration::from_secs(60), None).into_iter().flatten().take(count).collect()
    }

    #[test]
    fn one_kind_alone_can_be_asked_for() {
        let only = |kind| Schedule::new(3, Duration::from_secs(60), Some(kind));
        assert!(only("wipe").into_iter().flatten().take(9).all(|episode| episode.strike.kind() == "wipe"));
        assert!(only("everything").is_err_and(|error| error.contains("clock_behind")));
    }

    #[test]
    fn a_seed_gives_one_schedule() {
        assert_eq!(first(7, 200), first(7, 200));
        assert_ne!(first(7, 20), first(8, 20));
    }

    #[test]
    fn every_kind_comes_in_a_pass_and_every_file_in_four() {
        for seed in 0..20 {
            let kinds: std::collections::BTreeSet<&str> =
                first(seed, KINDS.len()).iter().map(|episode| episode.strike.kind()).collect();
            assert_eq!(kinds.len(), 13, "seed {seed}: {kinds:?}");
            let parts: std::collections::BTreeSet<Part> = first(seed, 4 * KINDS.len())
                .iter()
                .filter_map(|episode| match episode.strike {
                    Strike::Damage { part, .. } => Some(part),
                    _ => None,
                })
                .collect();
            assert_eq!(parts.len(), Part::ALL.len(), "seed {seed}");
            let longest = first(seed, 3 * KINDS.len()).into_iter().filter_map(|episode| match episode.strike {
                Strike::Pause { pause, .. } => Some(pause),
                _ => None,
            });
            assert_eq!(longest.max(), Some(Duration::from_secs(60)), "seed {seed}");
        }
    }
}
