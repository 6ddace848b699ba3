//! Cases under the shipped asylum procedure in the midst of faults: a rejection, an appeal, a removal that is announced,
//! motions that stop it; corrections and retractions, own and foreign; tasks and notices that authorities find in their
//! view of the case and complete or acknowledge. Much is refused or out of order; the checker knows what should have been.

use std::time::Duration;

use laufzettel_chain::ids::CaseId;
use laufzettel_chain::item::Action;
use laufzettel_contracts::effect::EffectId;
use laufzettel_contracts::{AuthorityId, Code, Report, Slot, Value, When};
use laufzettel_proto::v1;
use rand::Rng as _;

use super::rules::{COURT, FOREIGNERS, OFFICE, POLICE, Storyteller, THINK, today};
use crate::cluster::Fault;

/// What `--definition` calls it.
pub(crate) const NAME: &str = "asyl-de-2";
/// Time for an answer to a look at a case.
const LOOK: Duration = Duration::from_secs(3);
/// The announcement as it stands on the ledger.
const ANNOUNCED: &str = "enforcement_announcement";
/// How a case begins: by whom, what, how many days ago, with which outcome.
const BEGINNING: [(&str, &str, i32, &str); 5] = [
    (OFFICE, "application_made", 60, ""),
    (OFFICE, "application_lodged", 55, ""),
    (OFFICE, "decision_issued", 20, "rejected_unfounded"),
    (OFFICE, "decision_delivered", 17, ""),
    (FOREIGNERS, ANNOUNCED, 1, ""),
];
/// What may be reported after that, and by whom.
const LATER: [(&str, &str, &str); 10] = [
    (COURT, "interim_relief_filed", ""),
    (OFFICE, "subsequent_application_filed", ""),
    (COURT, "interim_relief_denied", ""),
    (COURT, "interim_relief_granted", ""),
    (COURT, "appeal_filed", ""),
    (COURT, "court_decision", "dismissed"),
    (POLICE, "removal_executed", ""),
    (FOREIGNERS, ANNOUNCED, ""),
    (FOREIGNERS, ANNOUNCED, ""),
    (OFFICE, RENAMED, ""),
];
/// The status that versions which come by vote call otherwise.
pub(super) const RENAMED: &str = "refoulement_clearance_given";

/// The text: the shipped one, but that a notice is to be acknowledged within seconds, and that everyone is told of every
/// report: what nodes answer is compared with each other.
pub(super) fn text() -> String {
    let shipped =
        laufzettel_contracts::ASYL_DE_2.replace("acknowledge_within = \"PT15M\"", "acknowledge_within = \"PT5S\"");
    let role = |line: &str| Some(format!("\"{}\"", line.strip_prefix("[role.")?.strip_suffix(']')?));
    let roles: Vec<String> = shipped.lines().filter_map(role).collect();
    let told = format!("recipients = [{}]", roles.join(", "));
    // A list may go on over lines.
    let mut within = false;
    let line = |line: &str| {
        let goes_on = within;
        within &= line != "]";
        let begins = !goes_on && line.starts_with("recipients = [");
        within |= begins && !line.ends_with(']');
        if begins { Some(told.clone()) } else { (!goes_on).then(|| line.to_owned()) }
    };
    shipped.lines().filter_map(line).collect::<Vec<_>>().join("\n")
}

/// A report that was recorded.
struct Recorded {
    by: &'static str,
    slot: Slot,
    report: Report,
}

fn report(status: &str, day: i32, outcome: &str) -> Result<Report, Fault> {
    let outcome = if outcome.is_empty() { None } else { Some(Code::new(outcome)?) };
    Ok(Report { outcome, ..Report::new(Code::new(status)?, When::Day(day)) })
}

impl Storyteller<'_> {
    /// Leads cases under the law until the clients are stopped.
    pub(super) async fn tell_law(mut self) -> Result<(), Fault> {
        while !self.clients.is_stopped() {
            let id = self.open().await?;
            let mut recorded = Vec::new();
            for (by, status, ago, outcome) in BEGINNING {
                // One or the other is left out: a deviation.
                if !self.chance(6) {
                    self.records(id, by, report(status, today()? - ago, outcome)?, &mut recorded).await?;
                }
            }
            for step in 0..self.random.random_range(5..12) {
                if self.clients.is_stopped() {
                    return Ok(());
                }
                if step == 0 {
                    self.records(id, COURT, report("interim_relief_filed", today()?, "")?, &mut recorded).await?;
                } else {
                    self.act(id, &mut recorded).await?;
                }
                tokio::time::sleep(THINK).await;
            }
        }
        Ok(())
    }
    async fn records(
        &mut self,
        id: CaseId,
        by: &'static str,
        report: Report,
        recorded: &mut Vec<Recorded>,
    ) -> Result<(), Fault> {
        if let Some(slot) = self.say(by, id, Action::Report(report.clone())).await? {
            recorded.push(Recorded { by, slot, report });
        }
        Ok(())
    }
    async fn act(&mut self, id: CaseId, recorded: &mut Vec<Recorded>) -> Result<(), Fault> {
        match self.random.random_range(0..12) {
            0..5 => {
                let pick = self.random.random_range(0..LATER.len());
                let Some((by, status, outcome)) = LATER.get(pick).copied() else { return Ok(()) };
                let day = today()? - self.random.random_range(0..3);
                let status = if status == RENAMED { self.clients.draft().named() } else { status };
                self.records(id, by, report(status, day, outcome)?, recorded).await
            }
            5..8 => self.amend(id, recorded).await,
            8 | 9 => self.answer(id).await,
            10 => {
                let mut moved = report("competence_changed", today()?, "")?;
                let to = AuthorityId::new(FOREIGNERS)?;
                moved.attributes.insert(Code::new("new_authority")?, Value::Authority(to));
                self.records(id, COURT, moved, recorded).await
            }
            _ => {
                let status = Code::new(ANNOUNCED)?;
                self.say(POLICE, id, Action::ClearanceCheck { status }).await.map(drop)
            }
        }
    }
    /// The newest report or an earlier one is corrected or retracted, now and then by another authority in vain.
    async fn amend(&mut self, id: CaseId, recorded: &[Recorded]) -> Result<(), Fault> {
        if recorded.is_empty() {
            return Ok(());
        }
        let last = if self.chance(2) { recorded.len() - 1 } else { self.random.random_range(0..recorded.len()) };
        let Some(Recorded { by, slot, report }) = recorded.get(last) else { return Ok(()) };
        let (slot, reason) = (*slot, Code::new("mistake")?);
        if self.chance(5) {
            let other = if *by == POLICE { OFFICE } else { POLICE };
            if self.say(other, id, Action::Retract { slot, reason }).await?.is_some() {
                return Err("an authority retracted what another reported".into());
            }
            return Ok(());
        }
        let action = if self.chance(2) {
            Action::Retract { slot, reason }
        } else {
            let day = report.occurred.day() - self.random.random_range(0..2);
            Action::Correct { slot, report: Report { occurred: When::Day(day), ..report.clone() } }
        };
        self.say(by, id, action).await.map(drop)
    }
    /// An authority looks at the case at its node and does something that waits for it there.
    async fn answer(&mut self, id: CaseId) -> Result<(), Fault> {
        let by = match self.random.random_range(0..4) {
            0 => OFFICE,
            1 => COURT,
            2 => FOREIGNERS,
            _ => POLICE,
        };
        let Some(view) = self.look(by, id).await? else { return Ok(()) };
        let named = |effect: &[u8]| <[u8; 16]>::try_from(effect).ok().map(EffectId);
        let open = |task: &&v1::Task| task.state == v1::TaskState::Open as i32;
        let task = view.tasks.iter().filter(open).find_map(|task| named(&task.effect_id));
        let notices: Vec<EffectId> = view.notices.iter().filter_map(|notice| named(&notice.effect_id)).collect();
        let action = match (task, notices.first()) {
            (Some(effect), _) if self.chance(2) => Action::CompleteTask { effect, outcome: Code::new("done")? },
            (_, Some(effect)) => Action::Acknowledge { effect: *effect },
            (_, None) => return Ok(()),
        };
        self.say(by, id, action).await.map(drop)
    }
    /// None where the node does not answer just now.
    async fn look(&mut self, by: &str, id: CaseId) -> Result<Option<v1::Case>, Fault> {
        let node = self.clients.node_of(by)?;
        let Some(Some(client)) = self.connections.get_mut(node) else { return Ok(None) };
        let request = v1::GetCaseRequest { case_id: id.0.to_vec(), ..v1::GetCaseRequest::default() };
        let answer = tokio::time::timeout(LOOK, client.cases.get_case(request)).await;
        Ok(answer.ok().and_then(Result::ok).and_then(|answer| answer.into_inner().view))
    }
}
