//! `testnet restart`: kill -9 of a random node and of all at once, under load,
//! again and again; then the promises are checked through the API. What was
//! said to be final is there on every node, at its place, once.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use laufzettel_proto::v1;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use crate::cluster::{Cluster, Fault};
use crate::demo;
use crate::load::{Acknowledged, Load};
use crate::roots;

const CASES: u64 = 200;
const AT_ONCE: u64 = 24;

/// What came of it. The names of the fields are an interface.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    kills: u64,
    kills_of_all: u64,
    acknowledged: u64,
    lost: u64,
    moved: u64,
    heights: Vec<u64>,
    roots_equal: bool,
}

impl Report {
    pub(crate) fn is_sound(&self) -> bool {
        self.lost == 0 && self.moved == 0 && self.roots_equal && self.acknowledged > 0
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{} kills, {} of them of all nodes at once", self.kills, self.kills_of_all)?;
        writeln!(f, "{} acknowledged, {} lost, {} moved", self.acknowledged, self.lost, self.moved)?;
        write!(f, "heights {:?}; roots {}", self.heights, if self.roots_equal { "equal" } else { "NOT EQUAL" })
    }
}

/// Kills and checks, by seed.
pub(crate) async fn run(kills: u64, seed: u64, quiet: bool) -> Result<Report, Fault> {
    let folder = tempfile::tempdir()?;
    let mut cluster = demo::cluster(folder.path())?;
    cluster.start().await?;
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let first = Load::new(&cluster, CASES, seed).await?;
    first.open_cases().await?;
    let (mut acknowledged, mut kills_of_all) = (Vec::new(), 0);
    for kill in 0..kills {
        let all = kill % 4 == 3;
        kills_of_all += u64::from(all);
        // Ids differ from round to round; the cases are the same.
        let load = Arc::new(Load::new(&cluster, CASES, seed).await?.numbered_from((kill + 1) * 1_000_000));
        let under_load = tokio::spawn(collect(load));
        tokio::time::sleep(Duration::from_millis(random.random_range(100..900))).await;
        let victims: Vec<String> = if all {
            cluster.nodes().to_vec()
        } else {
            vec![cluster.nodes().get(random.random_range(0..cluster.nodes().len())).ok_or("no node")?.clone()]
        };
        for victim in &victims {
            cluster.kill(victim)?;
        }
        tokio::time::sleep(Duration::from_millis(random.random_range(0..500))).await;
        cluster.start().await?;
        let got = under_load.await??;
        if !quiet {
            let whom = if all { "all nodes".to_owned() } else { victims.concat() };
            eprintln!("kill {} of {kills}: {whom}; {} acknowledged meanwhile", kill + 1, got.len());
        }
        acknowledged.extend(got);
    }
    progress(&cluster, seed).await?;
    let (lost, moved) = check(&cluster, &acknowledged).await?;
    let agreement = roots::compare(&cluster).await?;
    cluster.stop()?;
    Ok(Report {
        kills,
        kills_of_all,
        acknowledged: acknowledged.len() as u64,
        lost,
        moved,
        heights: agreement.heights,
        roots_equal: agreement.equal,
    })
}

/// Submits until every station's node failed it or the time is over; what was
/// acknowledged before that counts.
async fn collect(load: Arc<Load>) -> Result<Vec<Acknowledged>, Fault> {
    let mut tasks = tokio::task::JoinSet::new();
    for worker in 0..AT_ONCE {
        let load = load.clone();
        tasks.spawn(async move {
            let until = std::time::Instant::now() + Duration::from_millis(1_500);
            let station = load.station(worker)?.clone();
            let mut done = Vec::new();
            while std::time::Instant::now() < until {
                let (id, signed) = load.sign(&station, 1)?;
                let request = v1::SubmitTransactionRequest {
                    transaction: Some(signed.to_proto()),
                    wait: v1::WaitPolicy::Final as i32,
                };
                let Ok(answer) = station.client.clone().submission.submit_transaction(request).await else { break };
                let outcome = answer.into_inner().outcome.ok_or("an answer without an outcome")?;
                if outcome.state == v1::TransactionState::Final as i32 {
                    let authority = station.author.authority.clone();
                    done.push(Acknowledged { authority, id, height: outcome.height, index: outcome.index });
                }
            }
            Ok::<_, Fault>(done)
        });
    }
    let mut all = Vec::new();
    while let Some(done) = tasks.join_next().await {
        all.extend(done??);
    }
    Ok(all)
}

/// After the last kill the network decides again, at every node.
async fn progress(cluster: &Cluster, seed: u64) -> Result<(), Fault> {
    let load = Load::new(cluster, CASES, seed).await?.numbered_from(u64::MAX / 2);
    let mut highest = 0;
    for station in &load.stations {
        let (_, signed) = load.sign(station, 1)?;
        let outcome = crate::submit::submit_final(&mut station.client.clone(), &signed).await?;
        highest = highest.max(outcome.height);
    }
    for node in cluster.nodes() {
        let mut client = cluster.connect(node, node).await?;
        let read_at = Some(v1::ReadAt { height: 0, min_height: highest });
        let request = v1::GetCaseRequest {
            case_id: load.case_bytes(0),
            read_at,
            include_proof: false,
            ..v1::GetCaseRequest::default()
        };
        client.cases.get_case(request).await.map_err(|status| format!("node {node} lags: {status}"))?;
    }
    Ok(())
}

/// How many acknowledged transactions are gone somewhere, and how many stand
/// elsewhere than was said.
async fn check(cluster: &Cluster, acknowledged: &[Acknowledged]) -> Result<(u64, u64), Fault> {
    let (mut lost, mut moved) = (0, 0);
    for node in cluster.nodes() {
        let mut client = cluster.connect(node, node).await?;
        let mut heights = BTreeMap::new();
        for one in acknowledged {
            if let Entry::Vacant(height) = heights.entry(one.height) {
                let block = client.ledger.get_block(v1::GetBlockRequest { height: one.height }).await?.into_inner();
                let signed = block.transactions.into_iter().filter_map(|transaction| transaction.transaction);
                height.insert(signed.map(|signed| signed.payload).collect::<Vec<Vec<u8>>>());
            }
            let found = heights.get(&one.height).into_iter().flatten();
            let place = found.enumerate().filter_map(|(index, payload)| {
                let payload = laufzettel_chain::transaction::Payload::decode(payload).ok()?;
                (payload.id == one.id && payload.authority == one.authority).then_some(index)
            });
            match place.collect::<Vec<usize>>().as_slice() {
                [index] if u32::try_from(*index)? == one.index => {}
                [] => lost += 1,
                _ => moved += 1,
            }
        }
    }
    Ok((lost, moved))
}
