//! What a fault costs: one validator dead while a paced load goes on, a node
//! that catches up, and the way from `kill -9` back to serving.

use std::sync::Arc;
use std::time::{Duration, Instant};

use laufzettel_node::client::Client;

use super::figures::Figures;
use super::rates;
use super::work::Work;
use crate::cluster::{Cluster, Fault};
use crate::roots;

/// Transactions a second, far below what the network takes.
const PACE_PER_S: u32 = 100;
/// Transactions under way, and events of each, while a node is away.
const AWAY: (u64, u64) = (32, 100);
const POLL: Duration = Duration::from_millis(10);
const CATCH_UP_DEADLINE: Duration = Duration::from_secs(300);

/// The last node and the others.
fn victim(cluster: &Cluster) -> Result<(String, Vec<String>), Fault> {
    let (victim, others) = cluster.nodes().split_last().ok_or("a network without nodes")?;
    Ok((victim.clone(), others.to_vec()))
}

/// The same paced load on three nodes, while the fourth lives and after it was killed.
pub(super) async fn one_dead(
    cluster: &mut Cluster,
    figures: &mut Figures,
    work: &Arc<Work>,
    times: (Duration, Duration),
) -> Result<(), Fault> {
    let (victim, _) = victim(cluster)?;
    let faultless = rates::paced(work, &cluster.processes(), PACE_PER_S, times).await?;
    cluster.kill(&victim)?;
    // From the kill on: the first turns of the dead node, each a timeout, until it is put off for long.
    let (_, time) = times;
    let begins = rates::paced(work, &cluster.processes(), PACE_PER_S, (Duration::ZERO, time)).await?;
    let goes_on = rates::paced(work, &cluster.processes(), PACE_PER_S, times).await?;
    cluster.start().await?;
    figures.put("paced_per_s", f64::from(PACE_PER_S));
    figures.put("paced_p50_ms", faultless.ms(0.5));
    figures.put("paced_p99_ms", faultless.ms(0.99));
    figures.put("one_dead_at_once_p50_ms", begins.ms(0.5));
    figures.put("one_dead_at_once_p99_ms", begins.ms(0.99));
    figures.put("one_dead_p50_ms", goes_on.ms(0.5));
    figures.put("one_dead_p99_ms", goes_on.ms(0.99));
    figures.put("one_dead_p99_ratio", goes_on.ms(0.99) / faultless.ms(0.99));
    Ok(())
}

/// A node that was away while events were committed: how fast it gets them, from its start on, against the rate at
/// which they were made.
pub(super) async fn catch_up(
    cluster: &mut Cluster,
    figures: &mut Figures,
    work: &Arc<Work>,
    times: (Duration, Duration),
) -> Result<(), Fault> {
    let (victim, others) = victim(cluster)?;
    let observer = others.first().ok_or("a network of one node")?.clone();
    let mut tip = cluster.connect(&observer, &observer).await?;
    cluster.kill(&victim)?;
    let live = rates::sustained(work, &cluster.processes(), AWAY, times).await?;
    let height = roots::height(&mut tip).await?;
    let began = Instant::now();
    cluster.launch(&victim)?;
    let mut client = cluster.connect(&victim, &victim).await?;
    let connected = began.elapsed();
    reach(&mut client, height, began).await?;
    let took = began.elapsed().as_secs_f64();
    // The warm-up's events were made at the same rate and are caught up on, too.
    let (warm_up, time) = times;
    let events = live.events * (warm_up + time).as_secs_f64() / time.as_secs_f64();
    figures.put("away_events_per_s", live.per_s);
    figures.put("catch_up_events", events);
    figures.put("catch_up_s", took);
    figures.put("catch_up_start_s", connected.as_secs_f64());
    figures.put("catch_up_events_per_s", events / took);
    figures.put("catch_up_ratio", events / took / live.per_s);
    cluster.await_in_sync(&victim).await
}

async fn reach(client: &mut Client, height: u64, began: Instant) -> Result<(), Fault> {
    loop {
        let found = roots::height(client).await?;
        if found >= height {
            return Ok(());
        }
        if began.elapsed() > CATCH_UP_DEADLINE {
            return Err(format!("the node that was away is at height {found} of {height}").into());
        }
        tokio::time::sleep(POLL).await;
    }
}

/// From the start of a node that was killed until it says that it is in sync.
pub(super) async fn restart(cluster: &mut Cluster, figures: &mut Figures) -> Result<(), Fault> {
    let (victim, _) = victim(cluster)?;
    cluster.kill(&victim)?;
    let began = Instant::now();
    cluster.start().await?;
    figures.put("restart_s", began.elapsed().as_secs_f64());
    Ok(())
}
