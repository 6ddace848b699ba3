//! Changes by vote in the midst of faults: round after round the next version of the process that cases are led under is
//! proposed, most often with a mapping that moves open cases; then all vote, each at its own node, early, late, twice,
//! otherwise than before, and one who has no vote. Some of it is voted down, some may not be proposed at all, another
//! version competes, and now and then the calendars change. Must never write a text itself: `drafts` does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use laufzettel_chain::ids::ItemDigest;
use laufzettel_chain::item::{Action, Item};
use laufzettel_chain::proposal::{Change, ProposalKind};
use laufzettel_contracts::effect::Directory;
use laufzettel_contracts::{AuthorityId, Code, Definition, diff};
use laufzettel_node::client::{Author, random16};
use laufzettel_proto::v1;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::clients::{Answered, Clients};
use super::drafts::{self, Draft};
use crate::cluster::{Cluster, Door, Fault};

/// Who has no node, no role in any process and no vote on anything.
pub(super) const OUTSIDER: &str = "sn-meissen";
/// Between two rounds: cases are to live a while under a version.
const PAUSE: Duration = Duration::from_secs(4);
const LOOK: Duration = Duration::from_secs(3);
/// How long a node may take to tell of a proposal once nothing hinders it.
const PATIENCE: Duration = Duration::from_secs(300);
/// How many heights ahead a version may be in force.
const AHEAD: std::ops::Range<u64> = 5..60;

/// An authority that votes, or tries to.
#[derive(Clone)]
pub(super) struct Voter {
    door: Door,
    person: Author,
}

/// All that have a say, and one that has none.
pub(super) struct Chamber {
    clients: Arc<Clients>,
    /// Those with a node, and the outsider last.
    voters: Vec<Voter>,
    directory: Arc<Directory>,
    random: ChaCha8Rng,
    calendars: u32,
    height: u64,
    round: u32,
}

/// A proposal under way, and what it is to come to.
struct Matter {
    proposal: ItemDigest,
    by: usize,
    must_agree: Vec<AuthorityId>,
    wanted: bool,
}

impl Voter {
    pub(super) fn of(cluster: &Cluster, authority: &str) -> Result<Self, Fault> {
        let key = cluster.net.governance_key(authority)?;
        let person = Author { key, ..cluster.author(authority)? };
        Ok(Self { door: cluster.door(authority), person })
    }
    fn id(&self) -> Result<AuthorityId, Fault> {
        Ok(AuthorityId::new(&self.person.authority)?)
    }
    /// Says one thing until it is final; whether it counted, and at which height.
    async fn say(&self, clients: &Clients, item: Vec<u8>) -> Result<(bool, u64), Fault> {
        match clients.submit_item(&self.door, &self.person, item).await? {
            Answered::Final(outcome) => {
                Ok((outcome.receipts.first().is_some_and(|receipt| receipt.applied), outcome.height))
            }
            Answered::Refused(reason) => Err(format!("a proposal or a vote is turned away: {reason}").into()),
        }
    }
}

/// What one voter says of a proposal, in order.
async fn vote(clients: Arc<Clients>, voter: Voter, proposal: ItemDigest, says: Vec<bool>) -> Result<u64, Fault> {
    let mut height = 0;
    for yes in says {
        let item = Item::encode(random16()?, None, &Action::Vote { proposal, yes });
        height = voter.say(&clients, item).await?.1;
    }
    Ok(height)
}

impl Chamber {
    pub(super) fn new(clients: Arc<Clients>, cluster: &Cluster, seed: u64) -> Result<Self, Fault> {
        let authorities = cluster.nodes().iter().map(String::as_str).chain([OUTSIDER]);
        let voters = authorities.map(|id| Voter::of(cluster, id)).collect::<Result<_, _>>()?;
        let random = ChaCha8Rng::seed_from_u64(seed.wrapping_mul(37).wrapping_add(1));
        let directory = cluster.genesis.registry.directory.clone();
        Ok(Self { clients, voters, directory, random, calendars: 1, height: 0, round: 0 })
    }
    /// Proposes and votes until the clients are stopped.
    pub(super) async fn sit(mut self) -> Result<(), Fault> {
        while !self.clients.is_stopped() {
            self.version().await?;
            if self.round.is_multiple_of(3) {
                self.change_calendars().await?;
            }
            self.round += 1;
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }
    fn chance(&mut self, of: u32) -> bool {
        self.random.random_range(0..of) == 0
    }
    fn someone(&mut self) -> usize {
        self.random.random_range(0..self.nodes())
    }
    fn nodes(&self) -> usize {
        self.voters.len().saturating_sub(1)
    }
    fn voter(&self, number: usize) -> Result<&Voter, Fault> {
        Ok(self.voters.get(number).ok_or("no such voter")?)
    }
    /// In force at once, or some blocks from now.
    fn effective(&mut self) -> u64 {
        if self.height == 0 || self.chance(2) { 0 } else { self.height + self.random.random_range(AHEAD) }
    }
    /// Proposes; none if it was not taken up.
    async fn propose(&mut self, by: usize, change: Change) -> Result<Option<ItemDigest>, Fault> {
        let item = Item::encode(random16()?, None, &Action::Propose(Box::new(change)));
        let digest = ItemDigest::of(&item);
        let (counted, height) = self.voter(by)?.say(&self.clients, item).await?;
        self.height = self.height.max(height);
        Ok(counted.then_some(digest))
    }
    /// A new version of the process, and what goes with it.
    async fn version(&mut self) -> Result<(), Fault> {
        let now = self.clients.draft();
        let (next, moves) = now.next(self.round);
        let mut change = self.change(&now, &next, moves)?;
        change.effective_height = self.effective();
        let (by, wanted) = (self.someone(), !self.chance(5));
        if self.chance(2) {
            self.refused(&change).await?;
        }
        let must_agree = change.must_agree.clone();
        // The height may have come meanwhile.
        let Some(proposal) = self.propose(by, change).await? else { return Ok(()) };
        let rival = if self.chance(3) { self.rival(&now, &next).await? } else { None };
        let matter = Matter { proposal, by, must_agree, wanted };
        if self.decide(&matter).await? {
            self.clients.leads(next);
        }
        match rival {
            Some(rival) => self.vote_down(rival).await,
            None => Ok(()),
        }
    }
    fn change(&self, now: &Draft, next: &Draft, moves: bool) -> Result<Change, Fault> {
        let text = next.text();
        let checked = |text: &str| match Definition::check(text) {
            Ok(checked) => Ok(checked.definition),
            Err(findings) => Err(findings.first().map(ToString::to_string).unwrap_or_default()),
        };
        let (old, new) = (checked(&now.text())?, checked(&text)?);
        let must_agree = diff::must_agree(&diff::gains(Some(&old), &new), &self.directory).into_iter().collect();
        let standing = old.statuses().iter().filter(|status| moves && status.ledger_as.is_none());
        let named = |code: &Code| if code.as_str() == now.named() { Code::new(next.named()) } else { Ok(code.clone()) };
        let moves = standing.map(|status| Ok((status.code.clone(), named(&status.code)?)));
        let moves = moves.collect::<Result<BTreeMap<_, _>, Fault>>()?;
        let (kind, text) = (ProposalKind::Definition, text.into_bytes());
        Ok(Change { kind, text, effective_height: 0, must_agree, moves })
    }
    /// What may not be proposed: a mapping with a gap, another list of who must agree, half a text, an old version, a
    /// height that is past.
    async fn refused(&mut self, change: &Change) -> Result<(), Fault> {
        let mut change = Change { effective_height: 0, ..change.clone() };
        match self.random.random_range(0..5) {
            0 if !change.moves.is_empty() => drop(change.moves.pop_first()),
            0 | 1 => match change.must_agree.pop() {
                Some(_) => {}
                None => change.must_agree.push(self.voter(0)?.id()?),
            },
            2 => change.text.truncate(change.text.len() / 2),
            3 => change.text = self.clients.draft().text().into_bytes(),
            _ => change.effective_height = 1,
        }
        let by = self.someone();
        match self.propose(by, change).await? {
            None => Ok(()),
            Some(proposal) => Err(format!("{proposal} was taken up and should not have been").into()),
        }
    }
    /// A version that competes: the other one leaves it behind, if it is adopted.
    async fn rival(&mut self, now: &Draft, next: &Draft) -> Result<Option<ItemDigest>, Fault> {
        let rival = now.competing(next);
        let change = self.change(now, &rival, false)?;
        let by = self.someone();
        self.propose(by, change).await
    }
    async fn change_calendars(&mut self) -> Result<(), Fault> {
        let text = drafts::calendars(self.calendars + 1)?.into_bytes();
        let (kind, effective_height) = (ProposalKind::Calendars, self.effective());
        let change = Change { kind, text, effective_height, must_agree: Vec::new(), moves: BTreeMap::new() };
        let (by, wanted) = (self.someone(), !self.chance(4));
        let Some(proposal) = self.propose(by, change).await? else { return Ok(()) };
        if self.decide(&Matter { proposal, by, must_agree: Vec::new(), wanted }).await? {
            self.calendars += 1;
        }
        Ok(())
    }
    /// All vote, each at its node, at once; whether it was adopted. Some say more than counts.
    async fn decide(&mut self, matter: &Matter) -> Result<bool, Fault> {
        let (mut votes, nodes) = (JoinSet::new(), self.nodes());
        // Two of the three others.
        let mut against: Vec<usize> = (0..nodes).filter(|voter| *voter != matter.by).collect();
        against.swap_remove(self.random.random_range(0..against.len()));
        let waverer = self.someone();
        for (number, voter) in self.voters.iter().enumerate() {
            let has_to = matter.must_agree.contains(&voter.id()?);
            let says = match self.random.random_range(0..4) {
                // The one without a vote, whatever it says.
                _ if number == nodes => vec![self.random.random()],
                _ if !matter.wanted && against.contains(&number) => vec![false, false],
                // Who has to agree and says no decides, so that nothing can be taken back.
                _ if number == waverer && number != matter.by && !has_to => vec![false, true],
                0 => vec![true, true],
                _ if number == matter.by => continue,
                _ => vec![true],
            };
            votes.spawn(vote(self.clients.clone(), voter.clone(), matter.proposal, says));
        }
        while let Some(voted) = votes.join_next().await {
            self.height = self.height.max(voted??);
        }
        let state = self.outcome(matter).await?;
        match (state, matter.wanted) {
            (v1::ProposalState::Adopted, true) => Ok(true),
            (v1::ProposalState::Rejected, false) => Ok(false),
            (state, wanted) => Err(format!("{} is {state:?}, wanted: {wanted}", matter.proposal).into()),
        }
    }
    /// Two vote against what competes. If it was left behind, that is too late.
    async fn vote_down(&mut self, proposal: ItemDigest) -> Result<(), Fault> {
        let mut votes = JoinSet::new();
        for voter in self.voters.iter().take(2) {
            votes.spawn(vote(self.clients.clone(), voter.clone(), proposal, vec![false]));
        }
        while let Some(voted) = votes.join_next().await {
            self.height = self.height.max(voted??);
        }
        Ok(())
    }
    /// How it stands after all these votes, at the node of somebody.
    async fn outcome(&mut self, matter: &Matter) -> Result<v1::ProposalState, Fault> {
        let until = Instant::now() + PATIENCE;
        loop {
            let at = self.someone();
            let last = match self.voter(at)?.look(matter.proposal, self.height).await {
                Ok(state) => return Ok(state),
                Err(fault) => fault,
            };
            if self.clients.is_stopped() || Instant::now() > until {
                return Err(format!("nobody tells of {}: {last}", matter.proposal).into());
            }
            tokio::time::sleep(LOOK / 10).await;
        }
    }
}

impl Voter {
    async fn look(&self, proposal: ItemDigest, min_height: u64) -> Result<v1::ProposalState, Fault> {
        let mut client = timeout(LOOK, self.door.open()).await??;
        let request = v1::GetProposalRequest { proposal_id: proposal.0.to_vec(), min_height };
        let answer = timeout(LOOK, client.governance.get_proposal(request)).await??.into_inner();
        Ok(answer.proposal.ok_or("an answer without a proposal")?.state())
    }
}
