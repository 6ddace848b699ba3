//! Cases under rules in the midst of faults: a removal is announced, a motion stops it, and then authorities decide,
//! correct, retract, acknowledge, complete and carry out what they should not, each at its own node, in an order that a
//! seed draws. Much of it is refused; the checker knows what should have been.

use std::time::Duration;

use laufzettel_chain::ids::CaseId;
use laufzettel_chain::item::{Action, Item};
use laufzettel_contracts::{Code, Report, Slot};
use laufzettel_node::client::{Client, random16};
use laufzettel_node::clock;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::clients::{Answered, Clients};
use crate::cluster::Fault;
use crate::fast::{self, Stop};

pub(super) const OFFICE: &str = "de-bamf";
/// In this network the state directorate is the court, too.
pub(super) const COURT: &str = "sn-lds";
pub(super) const FOREIGNERS: &str = "sn-dresden";
pub(super) const POLICE: &str = "de-bpol";
const DAY_MS: u64 = 86_400_000;
/// Between two things that are said in a case.
pub(super) const THINK: Duration = Duration::from_millis(400);
/// Tries to open a case: while faults last, a version may be long in coming into force.
const OPENS_MAX: usize = 300;

/// One who leads case after case.
pub(super) struct Storyteller<'c> {
    pub(super) clients: &'c Clients,
    pub(super) random: ChaCha8Rng,
    pub(super) connections: [Option<Client>; 4],
}

/// A case under way.
struct Case {
    id: CaseId,
    /// Who filed the motion, and what names it.
    motion: (&'static str, Slot),
    removal: Option<Slot>,
    announced: Option<Slot>,
}

pub(super) fn today() -> Result<i32, Fault> {
    Ok(i32::try_from(clock::now_ms() / DAY_MS)?)
}

impl<'c> Storyteller<'c> {
    pub(super) fn new(clients: &'c Clients, seed: u64, number: u64) -> Self {
        let random = ChaCha8Rng::seed_from_u64(seed.wrapping_mul(31).wrapping_add(number));
        Self { clients, random, connections: [const { None }; 4] }
    }
    /// Leads cases until the clients are stopped.
    pub(super) async fn tell(mut self) -> Result<(), Fault> {
        while !self.clients.is_stopped() {
            let mut case = self.begin().await?;
            for _ in 0..self.random.random_range(3..9) {
                if self.clients.is_stopped() {
                    return Ok(());
                }
                self.go_on(&mut case).await?;
                tokio::time::sleep(THINK).await;
            }
        }
        Ok(())
    }
    pub(super) fn chance(&mut self, of: u32) -> bool {
        self.random.random_range(0..of) == 0
    }
    /// An authority says something at its node; what names it, if it is a report that was recorded.
    pub(super) async fn say(&mut self, by: &str, case: CaseId, action: Action) -> Result<Option<Slot>, Fault> {
        let (node, blinding) = (self.clients.node_of(by)?, random16()?);
        let slot = fast::slot(by, &Item::encode(blinding, case, &action));
        let connection = self.connections.get_mut(node).ok_or("no such node")?;
        match self.clients.submit_any(connection, node, (case, action, blinding)).await? {
            Answered::Final(outcome) => {
                Ok(outcome.receipts.first().is_some_and(|receipt| receipt.applied).then_some(slot))
            }
            // Another version calls it otherwise, or is in force.
            Answered::Refused(_) => Ok(None),
        }
    }
    /// Opens a case under the newest version, or the one before while that is not in force yet.
    pub(super) async fn open(&mut self) -> Result<CaseId, Fault> {
        let id = CaseId(random16()?);
        for _ in 0..OPENS_MAX {
            let draft = self.clients.draft();
            for version in [draft.version, draft.version.saturating_sub(1)] {
                let open = Action::OpenCase { definition: draft.id().to_owned(), version };
                if self.say(OFFICE, id, open).await?.is_some() {
                    return Ok(id);
                }
            }
            tokio::time::sleep(THINK).await;
        }
        Err("a case was not opened".into())
    }
    async fn begin(&mut self) -> Result<Case, Fault> {
        let id = self.open().await?;
        if !self.chance(4) {
            self.say(OFFICE, id, Action::Report(fast::on("application_made", today()?)?)).await?;
        }
        let announced = self.say(FOREIGNERS, id, Action::Report(fast::on("removal_scheduled", today()?)?)).await?;
        let by = if self.chance(2) { OFFICE } else { COURT };
        let filed = self.say(by, id, Action::Report(fast::at("motion_filed", clock::now_ms())?)).await?;
        let motion = (by, filed.ok_or("a motion was not recorded")?);
        Ok(Case { id, motion, removal: None, announced })
    }
    async fn go_on(&mut self, case: &mut Case) -> Result<(), Fault> {
        let (id, stop, now_ms) = (case.id, Stop::of(&case.id, case.motion.1)?, clock::now_ms());
        let acknowledge = |effect| Action::Acknowledge { effect };
        match self.random.random_range(0..15) {
            0 => drop(self.say(FOREIGNERS, id, acknowledge(stop.notice)).await?),
            1 => drop(self.say(POLICE, id, acknowledge(stop.notice)).await?),
            2 => {
                let by = if self.chance(2) { FOREIGNERS } else { POLICE };
                self.say(by, id, acknowledge(stop.lock)).await?;
            }
            3 => {
                let outcome = Code::new("cancelled")?;
                self.say(FOREIGNERS, id, Action::CompleteTask { effect: stop.task, outcome }).await?;
            }
            4 => {
                let effect = if self.chance(2) { stop.phone } else { stop.check };
                self.say(OFFICE, id, Action::CompleteTask { effect, outcome: Code::new("done")? }).await?;
            }
            5 => {
                let report = Action::Report(fast::at("removal_executed", now_ms)?);
                case.removal = self.say(POLICE, id, report).await?.or(case.removal);
            }
            6 => {
                let by = if self.chance(2) { OFFICE } else { COURT };
                if let Some(removal) = case.removal {
                    self.say(by, id, acknowledge(fast::alarm(&id, removal)?)).await?;
                }
            }
            7 => {
                let outcome = if self.chance(3) { "granted" } else { "rejected" };
                let decision = fast::decision(outcome, now_ms)?;
                let named = Code::new(self.clients.draft().named())?;
                let as_now = Report { status: named, ..decision.clone() };
                // The case may be of a version that calls it otherwise.
                if self.say(OFFICE, id, Action::Report(as_now)).await?.is_none() {
                    self.say(OFFICE, id, Action::Report(decision)).await?;
                }
            }
            8 => {
                let status = if self.chance(2) { "ruled" } else { "appeal_filed" };
                self.say(COURT, id, Action::Report(fast::at(status, now_ms)?)).await?;
            }
            9..13 => self.change(id, case.motion).await?,
            13 => {
                let report = fast::on("removal_scheduled", today()?)?;
                let action = match case.announced {
                    Some(slot) if self.chance(2) => Action::Correct { slot, report },
                    _ => Action::Report(report),
                };
                self.say(FOREIGNERS, id, action).await?;
            }
            _ => {
                let status = Code::new("removal_scheduled")?;
                self.say(POLICE, id, Action::ClearanceCheck { status }).await?;
            }
        }
        Ok(())
    }

    /// The motion is corrected away, back, or to another instant; retracted for good, or by another authority in vain.
    async fn change(&mut self, id: CaseId, (author, motion): (&'static str, Slot)) -> Result<(), Fault> {
        let (now_ms, reason) = (clock::now_ms(), Code::new("mistake")?);
        match self.random.random_range(0..8) {
            0 | 1 if author == OFFICE => {
                let report = fast::at("application_again", now_ms)?;
                self.say(OFFICE, id, Action::Correct { slot: motion, report }).await?;
            }
            0..5 => {
                let report = fast::at("motion_filed", now_ms)?;
                self.say(author, id, Action::Correct { slot: motion, report }).await?;
            }
            5 | 6 => {
                let other = if author == OFFICE { COURT } else { OFFICE };
                let taken = self.say(other, id, Action::Retract { slot: motion, reason }).await?;
                if taken.is_some() {
                    return Err("an authority retracted what another reported".into());
                }
            }
            _ => drop(self.say(author, id, Action::Retract { slot: motion, reason }).await?),
        }
        Ok(())
    }
}
