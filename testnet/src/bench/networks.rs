//! `testnet bench --rules` over processes: two networks of four on this machine, one of protocol 1 with `asyl-de` 1,
//! one of protocol 2 with `asyl-de` 2, take the same load in turn while the other rests. Days are those of the demo's
//! scripts, all in the past, so that each report makes a case of rules fold anew: no favour to the rules.

use std::sync::Arc;
use std::time::Duration;

use laufzettel_contracts::{ASYL_DE, ASYL_DE_2};

use super::figures::Figures;
use super::work::Work;
use super::{BATCH, SEED, SINGLE, rates};
use crate::cluster::{Cluster, Fault};
use crate::demo;

/// Cases of single events, and of batches.
const CASES: (u64, u64) = (5_000, 10_000);
/// How often each network has its turn, and how long that is.
const TURNS: u32 = 2;
const TIMES: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(8));

/// A network and its loads.
struct Side {
    cluster: Cluster,
    single: Arc<Work>,
    batch: Arc<Work>,
    _folder: tempfile::TempDir,
}

impl Side {
    async fn start(definition: &str, version: u32) -> Result<Self, Fault> {
        let folder = tempfile::tempdir()?;
        let mut cluster = demo::cluster_of(folder.path(), definition)?;
        cluster.start().await?;
        let all = cluster.nodes().to_vec();
        let single = Arc::new(Work::new(&cluster, &all, CASES.0, SEED).await?.of_version(version));
        let batch = Work::new(&cluster, &all, CASES.1, SEED).await?.of_version(version);
        let batch = Arc::new(batch.from(CASES.0, u64::MAX / 4));
        single.open_cases().await?;
        batch.open_cases().await?;
        Ok(Self { cluster, single, batch, _folder: folder })
    }
}

/// Events, and microseconds of the nodes for them.
#[derive(Clone, Copy, Default)]
struct Spent {
    events: f64,
    nodes_us: f64,
    seconds: f64,
}

/// Measures both networks.
pub(super) async fn run(figures: &mut Figures) -> Result<(), Fault> {
    eprintln!("two networks of four processes ...");
    let mut sides = [Side::start(ASYL_DE, 1).await?, Side::start(ASYL_DE_2, 2).await?];
    for (name, load) in [("single", SINGLE), ("batch", BATCH)] {
        let mut spent = [Spent::default(); 2];
        for _ in 0..TURNS {
            for (side, spent) in sides.iter().zip(&mut spent) {
                let work = if load == SINGLE { &side.single } else { &side.batch };
                let rate = rates::sustained(work, &side.cluster.processes(), load, TIMES).await?;
                spent.events += rate.events;
                spent.nodes_us += rate.nodes_us();
                spent.seconds += TIMES.1.as_secs_f64();
            }
        }
        let [plain, rules] = spent.map(|spent| spent.nodes_us / spent.events.max(1.0));
        let [plain_per_s, rules_per_s] = spent.map(|spent| spent.events / spent.seconds);
        figures.put(format!("network_{name}_plain_cpu_us_per_event"), plain);
        figures.put(format!("network_{name}_rules_cpu_us_per_event"), rules);
        figures.put(format!("network_{name}_cpu_ratio"), rules / plain);
        figures.put(format!("network_{name}_plain_events_per_s"), plain_per_s);
        figures.put(format!("network_{name}_rules_events_per_s"), rules_per_s);
    }
    for side in &mut sides {
        side.cluster.stop()?;
    }
    Ok(())
}
