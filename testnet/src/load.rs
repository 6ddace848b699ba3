//! Load on a network: cases opened ahead, then events one by one or many in a
//! transaction, each counted only when it is final at the client.

use std::sync::atomic::{AtomicU64, Ordering};

use laufzettel_chain::ids::{CaseId, TransactionId};
use laufzettel_chain::item::Action;
use laufzettel_chain::transaction::SignedTransaction;
use laufzettel_contracts::{Code, Report, When};
use laufzettel_node::client::{Author, Client};
use laufzettel_node::clock;
use tokio::task::JoinSet;

use crate::cluster::{Cluster, Fault};
use crate::submit::{blinding, submit_final};

const VALID_MS: u64 = 3_600_000;
const DAY_MS: u64 = 86_400_000;
/// A status that may be reported again and again, by the authority of the load.
const STATUS: &str = "identity_captured";

/// One client: an authority at its own node.
#[derive(Clone)]
pub(crate) struct Station {
    pub(crate) author: Author,
    pub(crate) client: Client,
}

/// What the load reports on.
pub(crate) struct Load {
    pub(crate) stations: Vec<Station>,
    cases: u64,
    seed: u64,
    next: AtomicU64,
}

/// A transaction that became final.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Acknowledged {
    pub(crate) authority: String,
    pub(crate) id: TransactionId,
    pub(crate) height: u64,
    pub(crate) index: u32,
}

impl Load {
    /// Connects every node's own authority to its node.
    pub(crate) async fn new(cluster: &Cluster, cases: u64, seed: u64) -> Result<Self, Fault> {
        let mut stations = Vec::new();
        for node in cluster.nodes() {
            let client = cluster.connect(node, node).await?;
            stations.push(Station { author: cluster.author(node)?, client });
        }
        Ok(Self { stations, cases, seed, next: AtomicU64::new(1) })
    }
    /// The load of stations that are connected.
    pub(crate) fn over(stations: Vec<Station>, cases: u64, seed: u64) -> Self {
        Self { stations, cases, seed, next: AtomicU64::new(1) }
    }
    /// The same load with other transaction ids.
    pub(crate) fn numbered_from(self, first: u64) -> Self {
        Self { next: AtomicU64::new(first), ..self }
    }
    fn case(&self, number: u64) -> CaseId {
        let id = TransactionId([0xca; 16]);
        CaseId(blinding(self.seed, &id, number % self.cases.max(1)))
    }
    fn transaction_id(&self, number: u64) -> TransactionId {
        TransactionId(blinding(self.seed, &TransactionId([0x7a; 16]), number))
    }
    /// Opens all cases, many in a transaction.
    pub(crate) async fn open_cases(&self) -> Result<(), Fault> {
        const AT_ONCE: u64 = 250;
        let mut tasks = JoinSet::new();
        for (turn, first) in (0..self.cases).step_by(250).enumerate() {
            let station = self.station(turn as u64)?.clone();
            let id = self.transaction_id(u64::MAX - first);
            let mut actions = Vec::new();
            for number in first..self.cases.min(first + AT_ONCE) {
                let open = Action::OpenCase { definition: "asyl-de".to_owned(), version: 1 };
                actions.push((self.case(number), open, blinding(self.seed, &id, number)));
            }
            let signed = station.author.sign(id, clock::now_ms() + VALID_MS, &actions);
            tasks.spawn(async move {
                let outcome = submit_final(&mut station.client.clone(), &signed).await?;
                match outcome.receipts.iter().find(|receipt| !receipt.applied) {
                    None => Ok::<(), Fault>(()),
                    Some(receipt) => Err(format!("a case was not opened: {}", receipt.reason).into()),
                }
            });
        }
        while let Some(done) = tasks.join_next().await {
            done??;
        }
        Ok(())
    }
    pub(crate) fn station(&self, number: u64) -> Result<&Station, Fault> {
        let index = usize::try_from(number)? % self.stations.len().max(1);
        self.stations.get(index).ok_or_else(|| "no station".into())
    }
    /// A case of the load, by number.
    pub(crate) fn case_bytes(&self, number: u64) -> Vec<u8> {
        self.case(number).0.to_vec()
    }
    /// The next transaction, of this many events, signed by the station.
    pub(crate) fn sign(&self, station: &Station, events: u64) -> Result<(TransactionId, SignedTransaction), Fault> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let id = self.transaction_id(number);
        let today = i32::try_from(clock::now_ms() / DAY_MS)?;
        let mut actions = Vec::new();
        for event in 0..events {
            // Far apart, so that concurrent transactions meet on a case now and then but not always.
            let case = self.case(number.wrapping_mul(7919).wrapping_add(event));
            let report = Report::new(Code::new(STATUS)?, When::Day(today));
            actions.push((case, Action::Report(report), blinding(self.seed, &id, event)));
        }
        Ok((id, station.author.sign(id, clock::now_ms() + VALID_MS, &actions)))
    }
}
