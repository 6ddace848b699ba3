//! The story that `make demo` tells: two cases of `asyl-de` 2 on four nodes. In the first a deadline runs, a task is
//! done, and a correction withdraws what should not have been; in the second a removal is announced when a subsequent
//! application stops it. Every authority acts at its own node, and what is shown is read from another's. Each step
//! fails the demo if it does not come out as told.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use laufzettel_chain::ids::{CaseId, ItemDigest, TransactionId};
use laufzettel_chain::item::{Action, Item};
use laufzettel_contracts::{Code, Definition, Language, Report, Slot, When};
use laufzettel_node::client::{Author, Client, random16};
use laufzettel_node::clock;
use laufzettel_proto::v1;

use super::run::day;
use crate::cluster::Fault;
use crate::submit::submit_final;

const VALID_MS: u64 = 3_600_000;
const PATIENCE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(5);

pub(super) const OFFICE: &str = "de-bamf";
const RECEPTION: &str = "sn-lds";
const FOREIGNERS: &str = "sn-dresden";
const POLICE: &str = "de-bpol";

/// Who signs, and the connection to the own node.
pub(super) type Stations = BTreeMap<String, (Author, Client)>;

/// What the telling needs to know.
pub(super) struct Story {
    stations: Stations,
    definition: Definition,
    /// The day of the story's last events, days since 1970-01-01.
    today: i32,
    /// Height of the last event.
    pub(super) height: u64,
    pub(super) events: u64,
}

/// What became of an event.
struct Done {
    slot: Slot,
    receipt: v1::Receipt,
    height: u64,
    sent: Instant,
}

fn say(text: &str) {
    println!("{text}");
}

fn report(status: &str, day: i32) -> Result<Report, Fault> {
    Ok(Report::new(Code::new(status)?, When::Day(day)))
}

fn shown(labels: Option<&v1::Labels>, code: &str) -> String {
    labels.map_or(code, |labels| &labels.en).to_owned()
}

impl Story {
    pub(super) fn new(stations: Stations, today: i32) -> Result<Self, Fault> {
        let definition = Definition::check(laufzettel_contracts::ASYL_DE_2);
        let definition = definition.map_err(|_| "the shipped definition is refused")?.definition;
        Ok(Self { stations, definition, today, height: 0, events: 0 })
    }
    fn label(&self, status: &str) -> String {
        let found = self.definition.status(status);
        found.map_or(status, |status| status.labels.get(Language::English)).to_owned()
    }
    fn client(&self, authority: &str) -> Result<Client, Fault> {
        Ok(self.stations.get(authority).ok_or("no such authority")?.1.clone())
    }
    /// An authority signs an action on a case, which it opens if it is to, and sends it to its own node.
    async fn act(&mut self, by: &str, case: CaseId, open: bool, action: Action) -> Result<Done, Fault> {
        let (author, client) = self.stations.get(by).ok_or("no such authority")?;
        let mut actions = Vec::new();
        if open {
            let open = Action::OpenCase { definition: "asyl-de".to_owned(), version: 2 };
            actions.push((case, open, random16()?));
        }
        let blinding = random16()?;
        let slot = ItemDigest::of(&Item::encode(blinding, case, &action)).slot(by);
        actions.push((case, action, blinding));
        let signed = author.sign(TransactionId(random16()?), clock::now_ms() + VALID_MS, &actions);
        let sent = Instant::now();
        let outcome = submit_final(&mut client.clone(), &signed).await?;
        let receipt = outcome.receipts.into_iter().next_back().ok_or("an outcome without receipts")?;
        self.height = self.height.max(outcome.height);
        self.events += u64::from(receipt.applied);
        Ok(Done { slot, receipt, height: outcome.height, sent })
    }
    /// The same with a report that must be recorded; tells it in a line.
    async fn reports(&mut self, by: &str, case: CaseId, open: bool, report: Report) -> Result<Done, Fault> {
        let (label, when, effective) = (self.label(report.status.as_str()), report.occurred, report.effective);
        let outcome = report.outcome.as_ref().map(|code| format!(": {code}")).unwrap_or_default();
        let done = self.act(by, case, open, Action::Report(report)).await?;
        if !done.receipt.applied {
            return Err(format!("'{label}' of {by} was refused: {}", done.receipt.reason).into());
        }
        let mut days = day(Some(shown_when(when)));
        if let Some(effective) = effective {
            days += &format!(", effective {}", day(Some(shown_when(When::Day(effective)))));
        }
        say(&format!("  {by:<10} reports  {label}{outcome} ({days}), final at height {}", done.height));
        Ok(done)
    }
    /// The case as an authority sees it at its own node, at this height or later.
    async fn case(&self, at: &str, case: &CaseId, min_height: u64) -> Result<v1::Case, Fault> {
        let request = v1::GetCaseRequest {
            case_id: case.0.to_vec(),
            read_at: Some(v1::ReadAt { height: 0, min_height }),

            ..Default::default()
        };
        let answer = self.client(at)?.cases.get_case(request).await?.into_inner();
        answer.view.ok_or_else(|| "an answer without a case".into())
    }
    /// Asks an authority's node for what it has until it has what is expected.
    async fn sees(
        &self,
        at: &str,
        case: &CaseId,
        expected: &str,
        holds: impl Fn(&v1::Case) -> bool,
    ) -> Result<v1::Case, Fault> {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.case(at, case, 0).await {
                Ok(view) if holds(&view) => return Ok(view),
                Ok(_) | Err(_) if Instant::now() < until => tokio::time::sleep(POLL).await,
                Ok(_) => return Err(format!("{at} does not see {expected}").into()),
                Err(fault) => return Err(fault),
            }
        }
    }
    /// A deadline that runs, if wanted with the reason for its end.
    fn tell_deadline(view: &v1::Case, code: &str, at: &str, why: bool) -> Result<(), Fault> {
        let deadline = view.deadlines.iter().find(|deadline| deadline.code == code);
        let deadline = deadline.ok_or_else(|| format!("{at} does not see the deadline {code}"))?;
        let name = shown(deadline.labels.as_ref(), code);
        say(&format!("  {at:<10} sees     deadline '{name}' until {}", day(deadline.due_day)));
        if why {
            say(&format!("                      {}", deadline.basis));
            deadline.derivation.iter().for_each(|step| say(&format!("                      {}", step.en)));
        }
        Ok(())
    }
    /// The first case: admitted, an appointment missed, decided, served; a task is done, an outcome corrected.
    pub(super) async fn deadline(&mut self) -> Result<CaseId, Fault> {
        let (case, today) = (CaseId(random16()?), self.today);
        say("1  A person is admitted and misses the appointment to lodge the application.");
        self.reports(RECEPTION, case, true, report("reception_registered", today - 60)?).await?;
        let done = self.reports(OFFICE, case, false, report("lodging_appointment_missed", today - 50)?).await?;
        let view = self.case(RECEPTION, &case, done.height).await?;
        let task = view.tasks.iter().find(|task| task.code == "check_presence").ok_or("the task is not there")?;
        let name = shown(task.labels.as_ref(), &task.code);
        say(&format!("  {RECEPTION:<10} sees     task '{name}'"));
        let effect = laufzettel_contracts::effect::EffectId(task.effect_id.as_slice().try_into()?);
        let complete = Action::CompleteTask { effect, outcome: Code::new("present")? };
        let done = self.act(RECEPTION, case, false, complete).await?;
        if !done.receipt.applied {
            return Err(format!("the task was not completed: {}", done.receipt.reason).into());
        }
        say(&format!("  {RECEPTION:<10} completes it: present, final at height {}\n", done.height));
        say("2  The office decides and serves the decision: a deadline runs. Then it corrects the outcome.");
        self.reports(OFFICE, case, false, report("application_lodged", today - 45)?).await?;
        self.reports(OFFICE, case, false, report("hearing_held", today - 30)?).await?;
        let decided = |outcome: &str| -> Result<Report, Fault> {
            Ok(Report { outcome: Some(Code::new(outcome)?), ..report("decision_issued", today - 4)? })
        };
        let decision = self.reports(OFFICE, case, false, decided("rejected_manifestly_unfounded")?).await?;
        let served = Report { effective: Some(today - 2), ..report("decision_delivered", today - 3)? };
        let done = self.reports(OFFICE, case, false, served).await?;
        let view = self.case(FOREIGNERS, &case, done.height).await?;
        Self::tell_deadline(&view, "appeal_1w", FOREIGNERS, true)?;
        let correct = Action::Correct { slot: decision.slot, report: decided("rejected_unfounded")? };
        let done = self.act(OFFICE, case, false, correct).await?;
        if !done.receipt.applied {
            return Err(format!("the correction was refused: {}", done.receipt.reason).into());
        }
        say(&format!("  {OFFICE:<10} corrects the outcome: rejected_unfounded, final at height {}", done.height));
        let view = self.case(FOREIGNERS, &case, done.height).await?;
        let withdrawn = view.withdrawn.iter().find(|effect| effect.code == "appeal_1w");
        let withdrawn = withdrawn.ok_or("the deadline of one week is not withdrawn")?;
        let name = shown(withdrawn.labels.as_ref(), &withdrawn.code);
        say(&format!("  {FOREIGNERS:<10} sees     '{name}' withdrawn"));
        Self::tell_deadline(&view, "appeal_2w", FOREIGNERS, false)?;
        say("");
        Ok(case)
    }
    /// The second case: a removal is announced, a subsequent application stops it, until enforcement is cleared.
    pub(super) async fn stop(&mut self) -> Result<CaseId, Fault> {
        let (case, today) = (CaseId(random16()?), self.today);
        say("3  The urgent stop: a removal is announced when the office is handed a subsequent application.");
        let rejected = Some(Code::new("rejected_unfounded")?);
        let issued = Report { outcome: rejected, ..report("decision_issued", today - 80)? };
        self.reports(OFFICE, case, true, issued).await?;
        self.reports(OFFICE, case, false, report("decision_delivered", today - 76)?).await?;
        self.reports(OFFICE, case, false, report("decision_final", today - 40)?).await?;
        let announced = Report { effective: Some(today + 3), ..report("enforcement_announcement", today - 1)? };
        self.reports(FOREIGNERS, case, false, announced.clone()).await?;
        let filed = self.reports(OFFICE, case, false, report("subsequent_application_filed", today)?).await?;
        for at in [FOREIGNERS, POLICE] {
            let stopped = |view: &v1::Case| {
                let locked = view.locks.iter().any(|lock| lock.cause == filed.slot);
                locked && view.notices.iter().any(|notice| notice.urgent && notice.to_acknowledge)
            };
            let view = self.sees(at, &case, "lock and urgent notice", stopped).await?;
            let took = filed.sent.elapsed().as_millis();
            let lock = view.locks.first().ok_or("no lock")?;
            let name = shown(lock.labels.as_ref(), &lock.code);
            say(&format!("  {at:<10} sees     lock '{name}' and an urgent notice, {took} ms after it was sent"));
        }
        let again = Report { effective: Some(today + 5), ..announced };
        let label = self.label(again.status.as_str());
        let refused = self.act(FOREIGNERS, case, false, Action::Report(again.clone())).await?;
        let view = self.case(FOREIGNERS, &case, refused.height).await?;
        let by = view.locks.iter().find(|lock| lock.effect_id == refused.receipt.cause);
        if refused.receipt.applied || by.is_none_or(|lock| lock.cause != filed.slot) {
            return Err("the announcement was not refused by the lock".into());
        }
        let (reason, height) = (&refused.receipt.reason, refused.height);
        say(&format!(
            "  {FOREIGNERS:<10} reports  {label}: refused at height {height}, {reason} by the report of {OFFICE}"
        ));
        for at in [FOREIGNERS, POLICE] {
            self.acknowledge(at, case).await?;
        }
        self.reports(OFFICE, case, false, report("refoulement_clearance_given", today)?).await?;
        self.sees(FOREIGNERS, &case, "that the lock is released", |view| view.locks.is_empty()).await?;
        say(&format!("  {FOREIGNERS:<10} sees     no lock any more"));
        self.reports(FOREIGNERS, case, false, again).await?;
        say("");
        Ok(case)
    }
    /// An authority acknowledges the urgent notices that it has to.
    async fn acknowledge(&mut self, by: &str, case: CaseId) -> Result<(), Fault> {
        let view = self.case(by, &case, self.height).await?;
        for notice in view.notices.iter().filter(|notice| notice.to_acknowledge) {
            let effect = laufzettel_contracts::effect::EffectId(notice.effect_id.as_slice().try_into()?);
            let done = self.act(by, case, false, Action::Acknowledge { effect }).await?;
            if !done.receipt.applied {
                return Err(format!("an acknowledgement was refused: {}", done.receipt.reason).into());
            }
            let name = shown(notice.labels.as_ref(), &notice.code);
            say(&format!("  {by:<10} acknowledges '{name}', final at height {}", done.height));
        }
        Ok(())
    }
}

/// A day or instant as the API has it.
fn shown_when(when: When) -> v1::When {
    let at = match when {
        When::Day(day) => v1::when::At::Day(day),
        When::Instant(ms) => v1::when::At::InstantMs(ms),
    };
    v1::When { at: Some(at) }
}
