//! The load that goes on whatever happens: transactions of one event or many at every node, repeated with the same
//! bytes until they are final, sometimes repeated after that; and reads at other nodes that must not be older than what
//! the client was told. It keeps all it was told.

mod send;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use laufzettel_chain::ids::{CaseId, TransactionId};
use laufzettel_chain::item::Action;
use laufzettel_chain::transaction::SignedTransaction;
use laufzettel_contracts::{Code, Report, When};
use laufzettel_node::client::{Author, Client};
use laufzettel_node::clock;
use laufzettel_proto::v1;
use tokio::time::timeout;

use crate::cluster::{Door, Fault};
use crate::invariants::{History, Seen, Told};
use crate::load::Acknowledged;
use crate::submit::blinding;

pub(super) use self::send::Answered;
use super::drafts::Draft;
use super::rules::Storyteller;
use super::votes::Chamber;

/// Long enough for a node whose clock is hours ahead.
const VALID_MS: u64 = 48 * 3_600_000;
const DAY_MS: u64 = 86_400_000;
/// How long a call may take; then the same bytes are sent again.
const CALL: Duration = Duration::from_secs(8);
const CONNECT: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(50);
/// Between two transactions of one client.
const THINK: Duration = Duration::from_millis(60);
/// Events of a large transaction.
const BATCH: u64 = 20;
/// Clients that lead cases under rules from authority to authority.
const STORYTELLERS: u64 = 4;
/// Clients of each node.
const CLIENTS_PER_NODE: u64 = 2;
const STATUS: &str = "identity_captured";

/// What all clients share.
pub(super) struct Clients {
    doors: Vec<Door>,
    authors: Vec<Author>,
    seed: u64,
    cases: u64,
    started: Instant,
    next: AtomicU64,
    stop: AtomicBool,
    /// The newest version that cases are led under.
    draft: Mutex<Draft>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    history: History,
    faults: Vec<String>,
    repeated: u64,
    /// When the last transaction became final, and the longest time between two.
    last_us: u64,
    stall_us: u64,
}

impl Clients {
    /// Clients of these nodes; of cases under rules they lead some under the first version of a process.
    pub(super) fn new(doors: Vec<Door>, authors: Vec<Author>, seed: u64, cases: u64, draft: Draft) -> Self {
        let (started, next, stop) = (Instant::now(), AtomicU64::new(1), AtomicBool::new(false));
        let (draft, state) = (Mutex::new(draft), Mutex::default());
        Self { doors, authors, seed, cases, started, next, stop, draft, state }
    }
    /// The newest version of the process that cases are led under.
    pub(super) fn draft(&self) -> Draft {
        self.draft.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
    /// Another version was adopted.
    pub(super) fn leads(&self, draft: Draft) {
        *self.draft.lock().unwrap_or_else(PoisonError::into_inner) = draft;
    }
    fn state<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
    fn now_us(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
    fn case(&self, number: u64) -> CaseId {
        CaseId(blinding(self.seed, &TransactionId([0xca; 16]), number % self.cases.max(1)))
    }
    fn id(&self) -> (u64, TransactionId) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        (number, TransactionId(blinding(self.seed, &TransactionId([0x7a; 16]), number)))
    }
    /// Signs a transaction of this many events; the cases it is about.
    fn sign(&self, node: usize, events: u64) -> Result<(TransactionId, SignedTransaction, Vec<CaseId>), Fault> {
        let (number, id) = self.id();
        let today = i32::try_from(clock::now_ms() / DAY_MS)?;
        let (mut actions, mut cases) = (Vec::new(), Vec::new());
        for event in 0..events {
            let case = self.case(number.wrapping_mul(7919).wrapping_add(event));
            cases.push(case);
            let report = Report::new(Code::new(STATUS)?, When::Day(today));
            actions.push((case, Action::Report(report), blinding(self.seed, &id, event)));
        }
        let author = self.authors.get(node).ok_or("no such node")?;
        Ok((id, author.sign(id, clock::now_ms() + VALID_MS, &actions), cases))
    }
    /// Opens all cases.
    pub(super) async fn open_cases(&self) -> Result<(), Fault> {
        const AT_ONCE: u64 = 250;
        let author = self.authors.first().ok_or("no node")?;
        for first in (0..self.cases).step_by(usize::try_from(AT_ONCE)?) {
            let (_, id) = self.id();
            let open = |number| {
                let open = Action::OpenCase { definition: "asyl-de".to_owned(), version: 1 };
                (self.case(number), open, blinding(self.seed, &id, number))
            };
            let actions: Vec<_> = (first..self.cases.min(first + AT_ONCE)).map(open).collect();
            let signed = author.sign(id, clock::now_ms() + VALID_MS, &actions);
            self.submit_new(&mut None, 0, id, &signed).await?;
        }
        Ok(())
    }
    fn door(&self, node: usize) -> Result<&Door, Fault> {
        Ok(self.doors.get(node).ok_or("no such node")?)
    }
    fn author(&self, node: usize) -> Result<&Author, Fault> {
        Ok(self.authors.get(node).ok_or("no such node")?)
    }
    /// Whether the clients are to end.
    pub(super) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
    /// The place of an authority's node.
    pub(super) fn node_of(&self, authority: &str) -> Result<usize, Fault> {
        let place = self.authors.iter().position(|author| author.authority == authority);
        place.ok_or_else(|| format!("{authority} has no node").into())
    }
    fn told(&self, authority: &str, id: TransactionId, outcome: &v1::Outcome, submitted_us: u64) {
        let authority = authority.to_owned();
        let told_us = self.now_us();
        let what = Acknowledged { authority, id, height: outcome.height, index: outcome.index };
        self.state(|state| {
            state.stall_us = state.stall_us.max(told_us.saturating_sub(state.last_us));
            state.last_us = told_us;
            state.history.told.push(Told { what, submitted_us, told_us });
        });
    }

    /// Runs all clients until they are stopped.
    pub(super) fn start(self: &Arc<Self>, chamber: Chamber) -> Vec<tokio::task::JoinHandle<()>> {
        self.state(|state| state.last_us = self.now_us());
        let nodes = 0..self.doors.len();
        let each = nodes.flat_map(|node| (0..CLIENTS_PER_NODE).map(move |number| (node, number)));
        let rules = (0..STORYTELLERS).map(|number| {
            let clients = self.clone();
            tokio::spawn(async move {
                let storyteller = Storyteller::new(&clients, clients.seed, number);
                let told = if clients.draft().law { storyteller.tell_law().await } else { storyteller.tell().await };
                clients.ended("a client under rules", told);
            })
        });
        let clients = self.clone();
        let votes = tokio::spawn(async move { clients.ended("the chamber", chamber.sit().await) });
        let each = each.map(|(node, number)| {
            let clients = self.clone();
            tokio::spawn(async move {
                let who = clients.doors.get(node).map(|door| door.node.clone()).unwrap_or_default();
                clients.ended(&format!("a client of {who}"), clients.work(node, number).await);
            })
        });
        each.chain(rules).chain([votes]).collect()
    }
    /// Keeps why a client ended, unless all were to end.
    fn ended(&self, who: &str, worked: Result<(), Fault>) {
        if let Err(fault) = worked
            && !self.is_stopped()
        {
            self.state(|state| state.faults.push(format!("{who}: {fault}")));
        }
    }
    async fn work(&self, node: usize, number: u64) -> Result<(), Fault> {
        let mut client = None;
        let mut readers: BTreeMap<usize, Client> = BTreeMap::new();
        let mut turn = number;
        while !self.stop.load(Ordering::Relaxed) {
            turn += 1;
            let (id, signed, cases) = self.sign(node, if turn.is_multiple_of(5) { BATCH } else { 1 })?;
            let outcome = self.submit_new(&mut client, node, id, &signed).await?;
            if turn.is_multiple_of(16) {
                let again = self.submit_over(&mut client, node, &signed).await?;
                self.state(|state| state.repeated += 1);
                if (again.height, again.index, &again.receipts) != (outcome.height, outcome.index, &outcome.receipts) {
                    return Err(format!("a repeat of {id} was told {again:?}, the first time {outcome:?}").into());
                }
            }
            if turn.is_multiple_of(3)
                && let Some(case) = cases.first()
            {
                let at = (node + 1 + usize::try_from(turn / 3 % 3)?) % self.doors.len().max(1);
                self.read(&mut readers, at, *case, outcome.height).await?;
            }
            tokio::time::sleep(THINK).await;
        }
        Ok(())
    }
    /// Reads a case that has changed at a height at another node, not older. A node that cannot answer now is passed over.
    async fn read(
        &self,
        readers: &mut BTreeMap<usize, Client>,
        at: usize,
        case: CaseId,
        min_height: u64,
    ) -> Result<(), Fault> {
        let Some(door) = self.doors.get(at) else { return Ok(()) };
        if let std::collections::btree_map::Entry::Vacant(entry) = readers.entry(at) {
            let Ok(Ok(opened)) = timeout(CONNECT, door.open()).await else { return Ok(()) };
            entry.insert(opened);
        }
        let Some(client) = readers.get_mut(&at) else { return Ok(()) };
        let read_at = Some(v1::ReadAt { height: 0, min_height });
        let request = v1::GetCaseRequest {
            case_id: case.0.to_vec(),
            read_at,
            include_proof: false,
            ..v1::GetCaseRequest::default()
        };
        let answer = match timeout(CONNECT, client.cases.get_case(request)).await {
            Ok(Ok(answer)) => answer.into_inner(),
            Ok(Err(status)) if status.code() == tonic::Code::NotFound => {
                return Err(format!("{} does not know a case of height {min_height} or before", door.node).into());
            }
            Ok(Err(_)) | Err(_) => {
                readers.remove(&at);
                return Ok(());
            }
        };
        let (view, position) = (answer.view.unwrap_or_default(), answer.position.unwrap_or_default());
        let (node, height, changed) = (door.node.clone(), position.height, view.changed_height);
        if changed < min_height {
            return Err(format!("{node} shows no change after {changed} of a case that changed at {min_height}").into());
        }
        self.state(|state| state.history.reads.push(Seen { node, case, min_height, height, changed }));
        Ok(())
    }

    /// One transaction that has to become final at this node; its height.
    pub(super) async fn probe(&self, node: usize) -> Result<u64, Fault> {
        let (id, signed, _) = self.sign(node, 1)?;
        Ok(self.submit_new(&mut None, node, id, &signed).await?.height)
    }
    /// Waits until a node answers with this height.
    pub(super) async fn reach(&self, node: usize, min_height: u64) -> Result<(), Fault> {
        let door = self.doors.get(node).ok_or("no such node")?;
        loop {
            let read_at = Some(v1::ReadAt { height: 0, min_height });
            let request = v1::GetCaseRequest {
                case_id: self.case(0).0.to_vec(),
                read_at,
                include_proof: false,
                ..v1::GetCaseRequest::default()
            };
            if let Ok(Ok(mut client)) = timeout(CONNECT, door.open()).await
                && let Ok(Ok(_)) = timeout(CALL, client.cases.get_case(request)).await
            {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
    /// Ends the clients after what they are doing.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }
    /// Lets probes be sent again after the clients have ended.
    pub(super) fn go_on(&self) {
        self.stop.store(false, Ordering::Relaxed);
    }
    /// How many transactions are final by now.
    pub(super) fn acknowledged(&self) -> usize {
        self.state(|state| state.history.told.len())
    }
    /// What went wrong so far.
    pub(super) fn faults(&self) -> Vec<String> {
        self.state(|state| std::mem::take(&mut state.faults))
    }
    /// All that was told and read; how many repeats were told the same; the longest time without an acknowledgement.
    pub(super) fn take(&self) -> (History, u64, Duration) {
        self.state(|state| {
            let history = std::mem::take(&mut state.history);
            (history, state.repeated, Duration::from_micros(state.stall_us))
        })
    }
}
