//! Four authorities with the process that hurries, and what the story does with them: say something, look at a case on
//! every node, look into an inbox. Must never fold anything: it only compares what nodes show.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use laufzettel_chain::ids::{CaseId, TransactionId};
use laufzettel_chain::item::{Action, Item};
use laufzettel_contracts::effect::EffectId;
use laufzettel_contracts::{Report, Slot};
use laufzettel_node::client::{Client, random16};
use laufzettel_node::clock;
use laufzettel_node::localnet::{FOUR_AUTHORITIES, Template};
use laufzettel_proto::v1;

use crate::cluster::{Cluster, Fault};
use crate::fast;
use crate::invariants::{History, Told};
use crate::load::Acknowledged;
use crate::submit::submit_final;

pub(super) const OFFICE: &str = "de-bamf";
pub(super) const COURT: &str = "sn-lds";
pub(super) const FOREIGNERS: &str = "sn-dresden";
pub(super) const POLICE: &str = "de-bpol";
const VALID_MS: u64 = 3_600_000;
const DAY_MS: u64 = 86_400_000;
/// What is not there after this long does not come.
const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(50);

/// What a node shows of a case to its authority.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Shown {
    /// By effect: since when the ledger knows it, and how far it is.
    pub(super) there: BTreeMap<[u8; 16], (u64, String)>,
    pub(super) withdrawn: BTreeSet<[u8; 16]>,
    pub(super) deviations: BTreeSet<String>,
}

/// What was said, and what came of it.
pub(super) struct Said {
    pub(super) slot: Slot,
    pub(super) height: u64,
    pub(super) receipt: v1::Receipt,
    pub(super) at: Instant,
}

/// The network.
pub(super) struct World {
    pub(super) cluster: Cluster,
    clients: BTreeMap<String, Client>,
    history: History,
    started: Instant,
}

fn half(bytes: &[u8]) -> [u8; 16] {
    bytes.try_into().unwrap_or_default()
}

pub(super) fn today() -> Result<i32, Fault> {
    Ok(i32::try_from(clock::now_ms() / DAY_MS)?)
}

impl World {
    /// Makes and starts it. In this network the state directorate is the court, too.
    pub(super) async fn start(folder: &Path) -> Result<Self, Fault> {
        let mut members: Vec<_> = FOUR_AUTHORITIES.iter().map(Template::member).collect();
        members.iter_mut().filter(|member| member.id == COURT).for_each(|member| member.roles.push("court".to_owned()));
        let mut cluster = Cluster::make(folder, "corrections", members, vec![fast::TEXT.to_owned()])?;
        cluster.keep_all()?;
        cluster.start().await?;
        let mut clients = BTreeMap::new();
        for node in cluster.nodes().to_vec() {
            clients.insert(node.clone(), cluster.connect(&node, &node).await?);
        }
        Ok(Self { cluster, clients, history: History::default(), started: Instant::now() })
    }
    pub(super) fn nodes(&self) -> Vec<String> {
        self.cluster.nodes().to_vec()
    }
    /// All that was told to be final.
    pub(super) fn history(&mut self) -> History {
        std::mem::take(&mut self.history)
    }
    pub(super) fn client(&self, authority: &str) -> Result<Client, Fault> {
        Ok(self.clients.get(authority).ok_or("no such authority")?.clone())
    }
    fn us(&self, at: Instant) -> u64 {
        u64::try_from(at.duration_since(self.started).as_micros()).unwrap_or(u64::MAX)
    }
    /// An authority says something in a case, at its own node, until it is final.
    pub(super) async fn say(&mut self, by: &str, case: CaseId, action: &Action) -> Result<Said, Fault> {
        let (id, blinding, author) = (TransactionId(random16()?), random16()?, self.cluster.author(by)?);
        let signed = author.sign(id, clock::now_ms() + VALID_MS, &[(case, action.clone(), blinding)]);
        let slot = fast::slot(by, &Item::encode(blinding, case, action));
        let at = Instant::now();
        let outcome = submit_final(&mut self.client(by)?, &signed).await?;
        let what = Acknowledged { authority: by.to_owned(), id, height: outcome.height, index: outcome.index };
        let (submitted_us, told_us) = (self.us(at), self.us(Instant::now()));
        self.history.told.push(Told { what, submitted_us, told_us });
        let receipt = outcome.receipts.into_iter().next().ok_or("an outcome without a receipt")?;
        Ok(Said { slot, height: outcome.height, receipt, at })
    }
    pub(super) async fn report(&mut self, by: &str, case: CaseId, report: Report) -> Result<Said, Fault> {
        self.say(by, case, &Action::Report(report)).await
    }
    /// A new case.
    pub(super) async fn open(&mut self) -> Result<CaseId, Fault> {
        let case = CaseId(random16()?);
        self.say(OFFICE, case, &fast::opens()).await?;
        Ok(case)
    }
    /// A case as a node shows it, not older than a height.
    pub(super) async fn look(&self, node: &str, case: CaseId, min_height: u64) -> Result<(u64, Shown), Fault> {
        let read_at = Some(v1::ReadAt { height: 0, min_height });
        let request = v1::GetCaseRequest { case_id: case.0.to_vec(), read_at, ..Default::default() };
        let answer = self.client(node)?.cases.get_case(request).await?.into_inner();
        let view = answer.view.ok_or("an answer without a case")?;
        let mut there = BTreeMap::new();
        for lock in &view.locks {
            there.insert(half(&lock.effect_id), (lock.since_ms, "lock".to_owned()));
        }
        // That a lock has gone is told as a notice under the lock's name.
        let given = |notice: &&v1::Notice| {
            notice.withdrawn() == v1::EffectKind::Unspecified && notice.returned() == v1::EffectKind::Unspecified
        };
        for notice in view.notices.iter().filter(given) {
            let state = format!("notice {:?} {:?}", notice.state(), notice.recipients);
            there.insert(half(&notice.effect_id), (notice.since_ms, state));
        }
        for task in &view.tasks {
            there.insert(half(&task.effect_id), (task.since_ms, format!("task {:?}", task.state())));
        }
        for deadline in &view.deadlines {
            let state = format!("deadline {:?} {}", deadline.state(), deadline.due_ms);
            there.insert(half(&deadline.effect_id), (deadline.since_ms, state));
        }
        // Who may not see a marker does not see that it went.
        let seen_by_all = view.withdrawn.iter().filter(|gone| gone.kind() != v1::EffectKind::Marker);
        let withdrawn = seen_by_all.map(|gone| half(&gone.effect_id)).collect();
        let deviations = view.deviations.iter().map(|deviation| deviation.code.clone()).collect();
        Ok((answer.position.unwrap_or_default().height, Shown { there, withdrawn, deviations }))
    }
    /// A case at a height as all nodes together show it, each what is for its authority: one picture, if no two differ in
    /// what both show.
    pub(super) async fn look_everywhere(&self, case: CaseId, min_height: u64) -> Result<Result<Shown, String>, Fault> {
        let mut all = Shown::default();
        for node in self.nodes() {
            let (_, shown) = self.look(&node, case, min_height).await?;
            for (id, there) in shown.there {
                let known = all.there.entry(id).or_insert_with(|| there.clone());
                if *known != there {
                    return Ok(Err(format!("{node} shows {there:?}, another node {known:?}")));
                }
            }
            all.withdrawn.extend(shown.withdrawn);
            all.deviations.extend(shown.deviations);
        }
        if let Some(both) = all.withdrawn.iter().find(|id| all.there.contains_key(*id)) {
            return Ok(Err(format!("{both:?} is there at one node and withdrawn at another")));
        }
        Ok(Ok(all))
    }
    /// Names of the notices in an authority's inbox, with whether each is urgent and to be acknowledged; and of its tasks.
    pub(super) async fn inbox(&self, of: &str, min_height: u64) -> Result<BTreeMap<[u8; 16], bool>, Fault> {
        let mut client = self.client(of)?;
        let page_size = 1_000;
        let request = v1::ListNoticesRequest { page_size, min_height, ..Default::default() };
        let notices = client.tasks.list_notices(request).await?.into_inner().notices;
        let request = v1::ListTasksRequest { page_size, min_height, ..Default::default() };
        let tasks = client.tasks.list_tasks(request).await?.into_inner().tasks;
        let notices = notices.into_iter().filter_map(|entry| entry.notice);
        let notices = notices.map(|notice| (half(&notice.effect_id), notice.urgent && notice.to_acknowledge));
        let tasks = tasks.into_iter().filter_map(|entry| entry.task).map(|task| (half(&task.effect_id), false));
        Ok(notices.chain(tasks).collect())
    }
    /// Looks into an inbox until an effect is in it; whether it came.
    pub(super) async fn comes(&self, of: &str, effect: EffectId) -> Result<bool, Fault> {
        let until = Instant::now() + PATIENCE;
        while !self.inbox(of, 0).await?.contains_key(&effect.0) {
            if Instant::now() > until {
                return Ok(false);
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(true)
    }
    /// How many transactions the blocks above a height have that a node holds; and its height.
    pub(super) async fn transactions_since(&self, node: &str, height: u64) -> Result<(usize, u64), Fault> {
        let (mut count, mut at) = (0, height);
        loop {
            let request = v1::GetBlockRequest { height: at + 1 };
            match self.client(node)?.ledger.get_block(request).await {
                Ok(answer) => count += answer.into_inner().transactions.len(),
                Err(status) if status.code() == tonic::Code::NotFound => return Ok((count, at)),
                Err(status) => return Err(status.into()),
            }
            at += 1;
        }
    }
}
