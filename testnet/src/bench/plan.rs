//! Which events a load makes, and in which order: cases of `asyl-de` on their way, each after one of the demo's
//! scripts, so that at any moment cases stand at every step. The same seed makes the same events. Knows neither
//! network nor keys.

use std::sync::{Mutex, PoisonError};

use laufzettel_chain::ids::{CaseId, TransactionId};
use laufzettel_contracts::{Code, Report, When};

use crate::cluster::Fault;
use crate::demo::cases::{DemoAction, demo_cases};
use crate::submit::blinding;

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

/// The events of a load.
pub(super) struct Plan {
    /// By authority, its steps in the order of time.
    steps: Vec<Vec<Step>>,
    scripts: u64,
    first_case: u64,
    pub(super) cases: u64,
    cursors: Mutex<Vec<Cursor>>,
    seed: u64,
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

impl Plan {
    /// The events of these authorities in so many cases, as they stand on a day.
    pub(super) fn new(authorities: &[&str], cases: u64, today: i32, seed: u64) -> Result<Self, Fault> {
        let (mut steps, mut scripts) = (Vec::new(), 1);
        for authority in authorities {
            let (own, count) = steps_of(authority, today, seed)?;
            steps.push(own);
            scripts = count;
        }
        let cursors = Mutex::new(vec![Cursor::default(); steps.len()]);
        Ok(Self { steps, scripts, first_case: 0, cases, cursors, seed })
    }
    /// The same on cases that begin at another number.
    pub(super) fn from(self, first_case: u64) -> Self {
        Self { first_case, ..self }
    }
    /// Number of the first case.
    pub(super) fn first_case(&self) -> u64 {
        self.first_case
    }
    /// A case, by number.
    pub(super) fn case(&self, number: u64) -> CaseId {
        CaseId(blinding(self.seed, &TransactionId([0xca; 16]), self.first_case + number % self.cases.max(1)))
    }
    /// A transaction's id, by number.
    pub(super) fn transaction_id(&self, number: u64) -> TransactionId {
        TransactionId(blinding(self.seed, &TransactionId([0x7a; 16]), number))
    }
    /// The blinding of a transaction's item, by place.
    pub(super) fn blinding(&self, id: &TransactionId, index: u64) -> [u8; 16] {
        blinding(self.seed, id, index)
    }
    /// The next events of the authority that is furthest behind, and whose they are.
    pub(super) fn take(&self, count: u64) -> (usize, Vec<(CaseId, Report)>) {
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
}
