//! What the load does: cases of `asyl-de` on their way, each after one of the
//! demo's scripts. At any moment cases stand at every step of it, and each
//! event is signed by the authority that reports it and sent to its own node.
//! The same seed makes the same events.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use laufzettel_chain::ids::{CaseId, TransactionId};
use laufzettel_chain::item::Action;
use laufzettel_chain::transaction::SignedTransaction;
use laufzettel_contracts::{Code, Report, When};
use laufzettel_node::clock;
use tokio::task::JoinSet;

use crate::cluster::{Cluster, Fault};
use crate::demo::cases::{AUTHORITIES, DemoAction, demo_cases};
use crate::load::Station;
use crate::submit::{blinding, submit_final};

const VALID_MS: u64 = 3_600_000;
const DAY_MS: u64 = 86_400_000;
/// Cases opened with one transaction.
const OPENED_AT_ONCE: u64 = 250;
/// Connections of the load to each node, as several case systems of one authority would have.
const CONNECTIONS: usize = 2;

/// A report that stands in a script, and when: scripts run one behind the other.
struct Step {
    slot: usize,
    script: usize,
    report: Report,
}

/// How far an authority is in its steps.
#[derive(Debug, Clone, Copy, Default)]
struct Cursor {
    step: usize,
    case: u64,
}

/// The load on a network.
pub(crate) struct Work {
    /// By authority, its connections.
    stations: Vec<Vec<Station>>,
    /// By authority, its steps in the order of time.
    steps: Vec<Vec<Step>>,
    scripts: u64,
    first_case: u64,
    cases: u64,
    cursors: Mutex<Vec<Cursor>>,
    next: AtomicU64,
    signed: AtomicU64,
    seed: u64,
}

/// A transaction that is signed and not yet sent.
pub(crate) struct Signed {
    pub(crate) station: Station,
    pub(crate) transaction: SignedTransaction,
    pub(crate) events: u64,
}

/// The demo's scripts as steps of each authority, in the order of time.
fn steps_of(authority: &str, today: i32, seed: u64) -> Result<(Vec<Step>, u64), Fault> {
    let cases = demo_cases(today, seed);
    let longest = cases.iter().map(|case| case.events.len()).max().unwrap_or(1);
    let mut steps = Vec::new();
    for (script, case) in cases.iter().enumerate() {
        let behind = script * longest / cases.len().max(1);
        for (index, event) in case.events.iter().enumerate() {
            if event.authority != authority || event.action != DemoAction::Report {
                continue;
            }
            let mut report = Report::new(Code::new(event.status)?, When::Day(event.day));
            report.effective = event.effective;
            report.outcome = event.outcome.map(Code::new).transpose()?;
            steps.push(Step { slot: index + behind, script, report });
        }
    }
    steps.sort_by_key(|step| step.slot);
    Ok((steps, cases.len() as u64))
}

impl Work {
    /// Connects every authority to its own node. The cases begin at `first_case`; what is opened before stays.
    pub(crate) async fn new(cluster: &Cluster, nodes: &[String], cases: u64, seed: u64) -> Result<Self, Fault> {
        let today = i32::try_from(clock::now_ms() / DAY_MS)?;
        let (mut stations, mut steps, mut scripts) = (Vec::new(), Vec::new(), 1);
        for authority in AUTHORITIES.iter().filter(|authority| nodes.iter().any(|node| node == authority.id)) {
            let mut own = Vec::new();
            for _ in 0..CONNECTIONS {
                let client = cluster.connect(authority.id, authority.id).await?;
                own.push(Station { author: cluster.author(authority.id)?, client });
            }
            stations.push(own);
            let (own, count) = steps_of(authority.id, today, seed)?;
            steps.push(own);
            scripts = count;
        }
        let cursors = Mutex::new(vec![Cursor::default(); stations.len()]);
        let (next, signed) = (AtomicU64::new(1), AtomicU64::new(0));
        Ok(Self { stations, steps, scripts, first_case: 0, cases, cursors, next, signed, seed })
    }
    /// The same load on other cases and with other transaction ids.
    pub(crate) fn from(self, first_case: u64, first_transaction: u64) -> Self {
        Self { first_case, next: AtomicU64::new(first_transaction), ..self }
    }
    /// Events signed so far; each was sent and became final.
    pub(crate) fn signed_events(&self) -> u64 {
        self.signed.load(Ordering::Relaxed)
    }
    fn case(&self, number: u64) -> CaseId {
        CaseId(blinding(self.seed, &TransactionId([0xca; 16]), self.first_case + number % self.cases.max(1)))
    }
    /// A case of the load, by number.
    pub(crate) fn case_bytes(&self, number: u64) -> Vec<u8> {
        self.case(number).0.to_vec()
    }
    fn transaction_id(&self, number: u64) -> TransactionId {
        TransactionId(blinding(self.seed, &TransactionId([0x7a; 16]), number))
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
        for first in (0..self.cases).step_by(usize::try_from(OPENED_AT_ONCE)?) {
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
        let id = self.transaction_id(u64::MAX - self.first_case - first);
        let mut actions = Vec::new();
        for number in first..self.cases.min(first + OPENED_AT_ONCE) {
            let open = Action::OpenCase { definition: "asyl-de".to_owned(), version: 1 };
            actions.push((self.case(number), open, blinding(self.seed, &id, number)));
        }
        let signed = station.author.sign(id, clock::now_ms() + VALID_MS, &actions);
        let outcome = submit_final(&mut station.client.clone(), &signed).await?;
        match outcome.receipts.iter().find(|receipt| !receipt.applied) {
            None => Ok(()),
            Some(receipt) => Err(format!("a case was not opened: {}", receipt.reason).into()),
        }
    }
    /// The next events of the authority that is furthest behind, and whose they are.
    fn take(&self, count: u64) -> (usize, Vec<(CaseId, Report)>) {
        let mut cursors = self.cursors.lock().unwrap_or_else(PoisonError::into_inner);
        let slot_of = |authority: usize, cursor: &Cursor| {
            let steps = self.steps.get(authority)?;
            let step = steps.get(cursor.step % steps.len().max(1))?;
            // Once through, the authority begins anew: its reports then repeat earlier ones.
            Some((cursor.step / steps.len().max(1), step.slot, cursor.case))
        };
        let behind = cursors.iter().enumerate().min_by_key(|(authority, cursor)| slot_of(*authority, cursor));
        let authority = behind.map_or(0, |(authority, _)| authority);
        let mut events = Vec::new();
        let per_script = (self.cases / self.scripts.max(1)).max(1);
        if let (Some(cursor), Some(steps)) = (cursors.get_mut(authority), self.steps.get(authority)) {
            while (events.len() as u64) < count
                && let Some(step) = steps.get(cursor.step % steps.len().max(1))
            {
                events.push((self.case(step.script as u64 + self.scripts * cursor.case), step.report.clone()));
                cursor.case += 1;
                if cursor.case >= per_script {
                    *cursor = Cursor { step: cursor.step + 1, case: 0 };
                }
            }
        }
        (authority, events)
    }
    /// The next transaction of this many events, signed.
    pub(crate) fn sign(&self, count: u64) -> Result<Signed, Fault> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let id = self.transaction_id(number);
        let (authority, events) = self.take(count);
        let own = self.stations.get(authority).ok_or("no station")?;
        let station = own.get(usize::try_from(number)? % own.len().max(1)).ok_or("no station")?.clone();
        let mut actions = Vec::with_capacity(events.len());
        for (index, (case, report)) in (0..).zip(events) {
            actions.push((case, Action::Report(report), blinding(self.seed, &id, index)));
        }
        let transaction = station.author.sign(id, clock::now_ms() + VALID_MS, &actions);
        self.signed.fetch_add(actions.len() as u64, Ordering::Relaxed);
        Ok(Signed { station, transaction, events: actions.len() as u64 })
    }
}
