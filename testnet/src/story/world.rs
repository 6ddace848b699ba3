//! Five authorities with a node each and an auditor without one, the shipped process with five seconds to acknowledge, and
//! what a story does with them: report, look, ask for clearance. Every link passes a proxy that can cut it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use laufzettel_chain::ids::CaseId;
use laufzettel_node::client::{Client, random16};
use laufzettel_node::localnet::{FOUR_AUTHORITIES, Member};
use laufzettel_proto::v1;

use super::feeds::Subscriber;
use crate::cluster::{Cluster, Fault};
use crate::proxy::{Links, Passage};

pub(super) const OFFICE: &str = "de-bamf";
pub(super) const COURT: &str = "sn-vg-dresden";
pub(super) const FOREIGNERS: &str = "sn-dresden";
pub(super) const CENTRAL: &str = "sn-lds";
pub(super) const POLICE: &str = "de-bpol";
/// It has no node: the police's hosts it.
pub(super) const AUDITOR: &str = "sn-revision";
/// What stands on the ledger for `removal_scheduled`, whose own code is for its recipients only.
pub(super) const ANNOUNCED: &str = "enforcement_announcement";
/// Something that is not there after this long does not come.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(25);

/// The network.
pub(super) struct World {
    pub(super) cluster: Cluster,
    pub(super) links: Links,
    clients: BTreeMap<String, Client>,
    pub(super) feeds: BTreeMap<String, Subscriber>,
}

/// What was seen of a case at a node.
pub(super) struct Seen {
    pub(super) height: u64,
    pub(super) after: Duration,
}

pub(super) fn members() -> Vec<Member> {
    let member = |id: &str, label_de: &str, label_en: &str, role: &str, host: &str| Member {
        id: id.to_owned(),
        label_de: label_de.to_owned(),
        label_en: label_en.to_owned(),
        roles: vec![role.to_owned()],
        hosted_by: host.to_owned(),
    };
    let four = FOUR_AUTHORITIES.iter().map(laufzettel_node::localnet::Template::member);
    four.chain([
        member(COURT, "Verwaltungsgericht Dresden", "Administrative Court of Dresden", "court", COURT),
        member(AUDITOR, "Prüfstelle (Revision)", "Auditor", "auditor", POLICE),
    ])
    .collect()
}

impl World {
    /// Makes and starts it.
    pub(super) async fn start(folder: &Path) -> Result<Self, Fault> {
        let text = laufzettel_contracts::ASYL_DE_2;
        let definition = text.replace("acknowledge_within = \"PT15M\"", "acknowledge_within = \"PT5S\"");
        if definition == text {
            return Err("the shipped definition has no notice with 15 minutes to acknowledge".into());
        }
        let mut cluster = Cluster::make(folder, "story", members(), vec![definition])?;
        let links = cluster.behind_proxies().await?;
        cluster.start().await?;
        let mut clients = BTreeMap::new();
        for node in cluster.nodes().to_vec() {
            clients.insert(node.clone(), cluster.connect(&node, &node).await?);
        }
        clients.insert(AUDITOR.to_owned(), cluster.connect(POLICE, AUDITOR).await?);
        let feeds = [OFFICE, COURT, FOREIGNERS, CENTRAL, POLICE];
        let feeds = feeds.map(|node| (node.to_owned(), Subscriber::start(cluster.door(node))));
        Ok(Self { cluster, links, clients, feeds: feeds.into() })
    }
    /// A client of an authority at its node.
    pub(super) fn client(&self, authority: &str) -> Result<Client, Fault> {
        Ok(self.clients.get(authority).ok_or("no such authority")?.clone())
    }
    /// Cuts a node off from all others; what was sent still comes after the healing.
    pub(super) fn cut_off(&self, node: &str) {
        self.links.set(Passage::Held, |from, to| from == node || to == node);
    }
    /// Starts a node that was killed, and opens new connections to it.
    pub(super) async fn revive(&mut self, node: &str) -> Result<(), Fault> {
        self.cluster.start_these(&[node.to_owned()]).await?;
        self.clients.insert(node.to_owned(), self.cluster.connect(node, node).await?);
        Ok(())
    }
    /// Reports a status by the node, as a case system does.
    pub(super) async fn report(&self, report: Said<'_>, wait: v1::WaitPolicy) -> Result<v1::Outcome, Fault> {
        let mut client = self.client(report.by)?;
        let answer = client.submission.report_status(report.request(wait)?).await;
        answer
            .map_err(|status| format!("{} at {}: {status}", report.status, report.by))?
            .into_inner()
            .outcome
            .ok_or_else(|| "no outcome".into())
    }
    /// As `report`, waiting until it is final; it must be recorded.
    pub(super) async fn recorded(&self, report: Said<'_>) -> Result<v1::Outcome, Fault> {
        let told = format!("{} by {}", report.status, report.by);
        let outcome = self.report(report, v1::WaitPolicy::Final).await?;
        let refused = outcome.receipts.iter().find(|receipt| !receipt.applied);
        match (outcome.state(), refused) {
            (v1::TransactionState::Final, None) => Ok(outcome),
            (state, refused) => {
                let reason = refused.map(|receipt| receipt.reason.clone()).unwrap_or_default();
                Err(format!("{told}: {} {reason}", state.as_str_name()).into())
            }
        }
    }
    /// The case as it stands at a node.
    pub(super) async fn look(&self, node: &str, case: &[u8]) -> Result<(v1::Case, u64), Fault> {
        let request = v1::GetCaseRequest { case_id: case.to_vec(), ..v1::GetCaseRequest::default() };
        let answer = self.client(node)?.cases.get_case(request).await?.into_inner();
        Ok((answer.view.unwrap_or_default(), answer.position.unwrap_or_default().height))
    }
    /// Looks at a node until something holds there; how long after a deed, and at which height.
    pub(super) async fn sees(
        &self,
        (node, case): (&str, &[u8]),
        since: Instant,
        holds: impl Fn(&v1::Case) -> bool,
    ) -> Result<Option<Seen>, Fault> {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Ok((view, height)) = self.look(node, case).await
                && holds(&view)
            {
                return Ok(Some(Seen { height, after: since.elapsed() }));
            }
            if Instant::now() > until {
                return Ok(None);
            }
            tokio::time::sleep(POLL).await;
        }
    }
    /// Asks an authority's node whether the removal may go on.
    pub(super) async fn clearance(&self, node: &str, case: &[u8]) -> Result<v1::CheckClearanceResponse, Fault> {
        let request = v1::CheckClearanceRequest {
            transaction_id: random16()?.to_vec(),
            case_id: case.to_vec(),
            status: "removal_scheduled".to_owned(),
        };
        Ok(self.client(node)?.cases.check_clearance(request).await?.into_inner())
    }
    /// What an answer proves to whoever has the genesis file.
    pub(super) fn proven(&self, case: &[u8], answer: &v1::CheckClearanceResponse) -> Result<Option<u64>, Fault> {
        let case = CaseId::from_slice(case).ok_or("no case id")?;
        let proven = laufzettel_node::clearance::verify(&self.cluster.genesis, (&case, "removal_scheduled"), answer)?;
        Ok(proven.map(|proven| proven.height))
    }
    /// Waits until all nodes have the height that one has.
    pub(super) async fn level(&self) -> Result<(), Fault> {
        let mut highest = 0;
        for node in self.cluster.nodes() {
            let health = self.client(node)?.ledger.get_health(v1::GetHealthRequest {}).await?.into_inner();
            highest = highest.max(health.position.unwrap_or_default().height);
        }
        let until = Instant::now() + PATIENCE;
        for node in self.cluster.nodes() {
            loop {
                let health = self.client(node)?.ledger.get_health(v1::GetHealthRequest {}).await?.into_inner();
                if health.position.unwrap_or_default().height >= highest {
                    break;
                }
                if Instant::now() > until {
                    return Err(format!("{node} does not come to height {highest}").into());
                }
                tokio::time::sleep(POLL).await;
            }
        }
        Ok(())
    }
}

/// A report.
#[derive(Debug, Clone, Copy)]
pub(super) struct Said<'s> {
    pub(super) by: &'s str,
    pub(super) case: &'s [u8],
    pub(super) status: &'s str,
    pub(super) outcome: &'s str,
    pub(super) opens: bool,
    pub(super) days_ago: i32,
}

impl<'s> Said<'s> {
    pub(super) fn new(by: &'s str, case: &'s [u8], status: &'s str) -> Self {
        Self { by, case, status, outcome: "", opens: false, days_ago: 0 }
    }
    fn request(&self, wait: v1::WaitPolicy) -> Result<v1::ReportStatusRequest, Fault> {
        let now_ms = laufzettel_node::clock::now_ms();
        let day = i32::try_from(now_ms / 86_400_000)? - self.days_ago;
        let open = v1::OpenCase { definition: "asyl-de".to_owned(), definition_version: 2 };
        Ok(v1::ReportStatusRequest {
            transaction_id: random16()?.to_vec(),
            case_id: self.case.to_vec(),
            open: self.opens.then_some(open),
            status: self.status.to_owned(),
            occurred: Some(v1::When { at: Some(v1::when::At::Day(day)) }),
            outcome: self.outcome.to_owned(),
            wait: wait.into(),
            ..v1::ReportStatusRequest::default()
        })
    }
}
