//! What the load does: the events of a plan, each signed by the authority that
//! reports it and sent to its own node.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use laufzettel_chain::item::Action;
use laufzettel_chain::transaction::SignedTransaction;
use laufzettel_node::clock;
use tokio::task::JoinSet;

use super::plan::Plan;
use crate::cluster::{Cluster, Fault};
use crate::demo::cases::AUTHORITIES;
use crate::load::Station;
use crate::submit::submit_final;

const VALID_MS: u64 = 3_600_000;
const DAY_MS: u64 = 86_400_000;
/// Cases opened with one transaction.
const OPENED_AT_ONCE: u64 = 250;
/// Connections of the load to each node, as several case systems of one authority would have.
const CONNECTIONS: usize = 2;

/// The load on a network.
pub(crate) struct Work {
    /// By authority, its connections.
    stations: Vec<Vec<Station>>,
    plan: Plan,
    /// Version of `asyl-de` that the cases are of.
    version: u32,
    next: AtomicU64,
    signed: AtomicU64,
}

/// A transaction that is signed and not yet sent.
pub(crate) struct Signed {
    pub(crate) station: Station,
    pub(crate) transaction: SignedTransaction,
    pub(crate) events: u64,
}

impl Work {
    /// Connects every authority to its own node. The cases begin at `first_case`; what is opened before stays.
    pub(crate) async fn new(cluster: &Cluster, nodes: &[String], cases: u64, seed: u64) -> Result<Self, Fault> {
        let today = i32::try_from(clock::now_ms() / DAY_MS)?;
        let (mut stations, mut ids) = (Vec::new(), Vec::new());
        for authority in AUTHORITIES.iter().filter(|authority| nodes.iter().any(|node| node == authority.id)) {
            let mut own = Vec::new();
            for _ in 0..CONNECTIONS {
                let client = cluster.connect(authority.id, authority.id).await?;
                own.push(Station { author: cluster.author(authority.id)?, client });
            }
            stations.push(own);
            ids.push(authority.id);
        }
        let plan = Plan::new(&ids, cases, today, seed)?;
        Ok(Self { stations, plan, version: 1, next: AtomicU64::new(1), signed: AtomicU64::new(0) })
    }
    /// The same load on other cases and with other transaction ids.
    pub(crate) fn from(self, first_case: u64, first_transaction: u64) -> Self {
        Self { plan: self.plan.from(first_case), next: AtomicU64::new(first_transaction), ..self }
    }
    /// The same load on cases of another version of the definition.
    pub(crate) fn of_version(self, version: u32) -> Self {
        Self { version, ..self }
    }
    /// Events signed so far; each was sent and became final.
    pub(crate) fn signed_events(&self) -> u64 {
        self.signed.load(Ordering::Relaxed)
    }
    /// A case of the load, by number.
    pub(crate) fn case_bytes(&self, number: u64) -> Vec<u8> {
        self.plan.case(number).0.to_vec()
    }
    /// A connection of some authority, by number.
    pub(crate) fn station(&self, number: u64) -> Result<&Station, Fault> {
        let number = usize::try_from(number)?;
        let own = self.stations.get(number % self.stations.len().max(1)).ok_or("no station")?;
        own.get(number / self.stations.len().max(1) % own.len().max(1)).ok_or_else(|| "no station".into())
    }
    /// Opens all cases, many in a transaction.
    pub(crate) async fn open_cases(self: &Arc<Self>) -> Result<(), Fault> {
        const AT_ONCE: usize = 16;
        let mut tasks = JoinSet::new();
        for first in (0..self.plan.cases).step_by(usize::try_from(OPENED_AT_ONCE)?) {
            if tasks.len() >= AT_ONCE
                && let Some(done) = tasks.join_next().await
            {
                done??;
            }
            let work = self.clone();
            tasks.spawn(async move { work.open(first).await });
        }
        while let Some(done) = tasks.join_next().await {
            done??;
        }
        Ok(())
    }
    async fn open(&self, first: u64) -> Result<(), Fault> {
        let station = self.station(first / OPENED_AT_ONCE)?;
        let id = self.plan.transaction_id(u64::MAX - self.plan.first_case() - first);
        let mut actions = Vec::new();
        for number in first..self.plan.cases.min(first + OPENED_AT_ONCE) {
            let open = Action::OpenCase { definition: "asyl-de".to_owned(), version: self.version };
            actions.push((self.plan.case(number), open, self.plan.blinding(&id, number)));
        }
        let signed = station.author.sign(id, clock::now_ms() + VALID_MS, &actions);
        let outcome = submit_final(&mut station.client.clone(), &signed).await?;
        match outcome.receipts.iter().find(|receipt| !receipt.applied) {
            None => Ok(()),
            Some(receipt) => Err(format!("a case was not opened: {}", receipt.reason).into()),
        }
    }
    /// The next transaction of this many events, signed.
    pub(crate) fn sign(&self, count: u64) -> Result<Signed, Fault> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let id = self.plan.transaction_id(number);
        let (authority, events) = self.plan.take(count);
        let own = self.stations.get(authority).ok_or("no station")?;
        let station = own.get(usize::try_from(number)? % own.len().max(1)).ok_or("no station")?.clone();
        let mut actions = Vec::with_capacity(events.len());
        for (index, (case, report)) in (0..).zip(events) {
            actions.push((case, Action::Report(report), self.plan.blinding(&id, index)));
        }
        let transaction = station.author.sign(id, clock::now_ms() + VALID_MS, &actions);
        self.signed.fetch_add(actions.len() as u64, Ordering::Relaxed);
        Ok(Signed { station, transaction, events: actions.len() as u64 })
    }
}
