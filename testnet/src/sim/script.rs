//! What is reported in the cases of a simulation under rules: a fixed beginning (a removal is announced, a motion stops
//! it), then what a seed draws of everything that can be said: corrections and retractions, own and foreign,
//! acknowledgements, completions, decisions, overrides, questions for clearance. Much of it comes too early, too late or
//! from the wrong authority, and is refused; the checker knows what should have been. Must never draw from anything but
//! its seed.

use laufzettel_chain::ids::{CaseId, KeyId};
use laufzettel_chain::item::{Action, Item, Override};
use laufzettel_contracts::effect::EffectId;
use laufzettel_contracts::{Code, NameError, Report, Slot};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::genesis::{Member, START_MS};
use crate::fast::{self, Stop};

/// Transactions of a case.
pub(super) const STEPS: usize = 7;
const DAY_MS: u64 = 86_400_000;
/// Roles of members, by number.
const OFFICE: usize = 0;
const FOREIGNERS: usize = 1;
pub(super) const COURT: usize = 2;
const POLICE: usize = 3;

/// A transaction of a script.
#[derive(Debug, Clone, Default)]
pub(super) struct Sent {
    /// Who signs.
    pub(super) member: usize,
    /// Whether a second person of the same authority signs, too.
    pub(super) second: bool,
    /// Whether a person who votes signs, instead of the case system.
    pub(super) governs: bool,
    pub(super) items: Vec<Vec<u8>>,
    /// When, from the beginning of the simulation.
    pub(super) wait_ms: u64,
}

/// A report that was sent.
#[derive(Debug, Clone)]
struct Reported {
    by: usize,
    slot: Slot,
    report: Report,
}

/// When cases begin, and under what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wave {
    /// When, from the beginning, in milliseconds.
    pub(super) from_ms: u64,
    /// Version of the process.
    pub(super) version: u32,
    /// What a decision is called in it.
    pub(super) decision: &'static str,
}

impl Wave {
    /// Under the process as it is in the beginning.
    pub(super) const FIRST: Self = Self { from_ms: 0, version: 1, decision: "decision_issued" };
}

/// A case while its script is written.
struct Script<'m> {
    random: ChaCha8Rng,
    wave: Wave,
    members: &'m [Member],
    case: CaseId,
    label: String,
    count: u32,
    sent: Sent,
    motions: Vec<Reported>,
    scheduled: Vec<Reported>,
    executed: Vec<Reported>,
}

pub(super) fn half(text: &str) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(blake3::hash(text.as_bytes()).as_bytes().split_at(16).0);
    half
}

/// The transactions of a case of a seed.
pub(super) fn script(seed: u64, number: usize, members: &[Member], wave: Wave) -> Result<Vec<Sent>, NameError> {
    let random = ChaCha8Rng::seed_from_u64(seed.wrapping_mul(1_000).wrapping_add(number as u64));
    let mut script = Script::new(random, members, format!("script {number}"), wave);
    let begin_ms = wave.from_ms + script.random.random_range(0..6_000);
    let mut wait_ms = begin_ms;
    let mut sent = Vec::with_capacity(STEPS);
    for step in 0..STEPS {
        script.sent = Sent { wait_ms, ..Sent::default() };
        match step {
            0 => script.begins()?,
            1 => script.schedules(FOREIGNERS, false)?,
            2 => {
                let by = if script.chance(2) { OFFICE } else { COURT };
                script.files(by)?;
            }
            _ => script.anything()?,
        }
        sent.push(std::mem::take(&mut script.sent));
        wait_ms += script.random.random_range(200..2_700);
    }
    Ok(sent)
}

/// A transaction to a network at rest: a case is opened and a motion filed in it now, so that there is something to
/// wait for.
pub(super) fn lone(number: usize, now_ms: u64, members: &[Member], version: u32) -> Result<Sent, NameError> {
    let wave = Wave { version, ..Wave::FIRST };
    let mut script = Script::new(ChaCha8Rng::seed_from_u64(0), members, format!("lone {number}"), wave);
    let open = fast::opens_under(version);
    script.say(OFFICE, &open, None);
    script.report(OFFICE, fast::at("motion_filed", now_ms)?, None);
    Ok(script.sent)
}

impl<'m> Script<'m> {
    fn new(random: ChaCha8Rng, members: &'m [Member], label: String, wave: Wave) -> Self {
        let (case, motions) = (CaseId(half(&format!("{label} case"))), Vec::new());
        let (count, sent, scheduled, executed) = (0, Sent::default(), Vec::new(), Vec::new());
        Self { random, wave, members, case, label, count, sent, motions, scheduled, executed }
    }
    fn chance(&mut self, of: u32) -> bool {
        self.random.random_range(0..of) == 0
    }
    /// An instant around the one at which the transaction is sent, some seconds in the future now and then.
    fn instant(&mut self) -> u64 {
        let sent_ms = START_MS + 1_000 + self.sent.wait_ms;
        let ahead_ms = if self.chance(6) { self.random.random_range(0..8_000) } else { 0 };
        sent_ms + ahead_ms - self.random.random_range(0..2_500)
    }
    fn today() -> i32 {
        i32::try_from(START_MS / DAY_MS).unwrap_or_default()
    }
    /// Puts an item into the transaction; its bytes.
    fn say(&mut self, by: usize, action: &Action, over: Option<&Override>) -> Vec<u8> {
        self.count += 1;
        let blinding = half(&format!("{} {}", self.label, self.count));
        let item = Item::encode_over(blinding, self.case, action, over);
        self.sent.member = by;
        self.sent.items.push(item.clone());
        item
    }
    fn report(&mut self, by: usize, report: Report, over: Option<&Override>) -> Reported {
        let item = self.say(by, &Action::Report(report.clone()), over);
        let authority = self.members.get(by).map(|member| member.id.as_str()).unwrap_or_default();
        Reported { by, slot: fast::slot(authority, &item), report }
    }
    fn begins(&mut self) -> Result<(), NameError> {
        self.say(OFFICE, &fast::opens_under(self.wave.version), None);
        // Without an application the motion is a deviation, and stops removals all the same.
        if !self.chance(4) {
            self.report(OFFICE, fast::on("application_made", Self::today() - 1)?, None);
        }
        if self.chance(2) {
            let new = if self.chance(2) { FOREIGNERS } else { POLICE };
            let id = self.members.get(new).map(|member| member.id.clone()).unwrap_or_default();
            self.report(OFFICE, fast::competent(&id, Self::today() - 1)?, None);
        }
        Ok(())
    }
    fn schedules(&mut self, by: usize, over: bool) -> Result<(), NameError> {
        let reason = Code::new("by_phone")?;
        let second = self.members.get(by).filter(|_| over);
        let second = second.map(|member| Override { reason, key: KeyId::of(&member.person.verifying_key()) });
        self.sent.second |= second.is_some();
        let day = Self::today() + self.random.random_range(0..2);
        let reported = self.report(by, fast::on("removal_scheduled", day)?, second.as_ref());
        self.scheduled.push(reported);
        Ok(())
    }
    fn files(&mut self, by: usize) -> Result<(), NameError> {
        let instant = self.instant();
        let reported = self.report(by, fast::at("motion_filed", instant)?, None);
        self.motions.push(reported);
        Ok(())
    }
    fn motion(&mut self) -> Option<Reported> {
        if self.motions.is_empty() {
            return None;
        }
        let pick = self.random.random_range(0..self.motions.len());
        self.motions.get(pick).cloned()
    }

    /// One or two things that one authority says.
    fn anything(&mut self) -> Result<(), NameError> {
        let by = self.random.random_range(0..4);
        for _ in 0..self.random.random_range(1..3) {
            match by {
                OFFICE => self.office()?,
                FOREIGNERS => self.foreigners()?,
                COURT => self.court()?,
                _ => self.police()?,
            }
        }
        // There was nothing to answer or to change.
        if self.sent.items.is_empty() { self.asks(by) } else { Ok(()) }
    }
    fn office(&mut self) -> Result<(), NameError> {
        let instant = self.instant();
        match self.random.random_range(0..9) {
            0 | 1 => {
                let outcome = if self.chance(3) { "granted" } else { "rejected" };
                let decision = Report { status: Code::new(self.wave.decision)?, ..fast::decision(outcome, instant)? };
                self.report(OFFICE, decision, None);
            }
            2 | 3 => self.changes(OFFICE)?,
            4 => self.files(OFFICE)?,
            5 => drop(self.report(OFFICE, fast::at("application_again", instant)?, None)),
            6 => {
                let new = if self.chance(2) { FOREIGNERS } else { COURT };
                let id = self.members.get(new).map(|member| member.id.clone()).unwrap_or_default();
                self.report(OFFICE, fast::competent(&id, Self::today())?, None);
            }
            7 => self.completes(OFFICE)?,
            _ => self.acknowledges(OFFICE)?,
        }
        Ok(())
    }
    fn court(&mut self) -> Result<(), NameError> {
        let instant = self.instant();
        match self.random.random_range(0..8) {
            0 => drop(self.report(COURT, fast::at("ruled", instant)?, None)),
            1 | 2 => drop(self.report(COURT, fast::at("appeal_filed", instant)?, None)),
            3 | 4 => self.changes(COURT)?,
            5 => self.files(COURT)?,
            6 => self.asks(COURT)?,
            _ => self.acknowledges(COURT)?,
        }
        Ok(())
    }
    fn foreigners(&mut self) -> Result<(), NameError> {
        match self.random.random_range(0..8) {
            0 => self.schedules(FOREIGNERS, false)?,
            1 => self.schedules(FOREIGNERS, true)?,
            // An announcement that stands is announced anew by a correction; a lock stops that, too.
            2 | 3 => {
                if let Some(Reported { slot, .. }) = self.scheduled.first().cloned() {
                    let report = fast::on("removal_scheduled", Self::today() + 1)?;
                    self.say(FOREIGNERS, &Action::Correct { slot, report }, None);
                }
            }
            4 => self.completes(FOREIGNERS)?,
            5 => self.asks(FOREIGNERS)?,
            _ => self.acknowledges(FOREIGNERS)?,
        }
        Ok(())
    }
    fn police(&mut self) -> Result<(), NameError> {
        let instant = self.instant();
        match self.random.random_range(0..6) {
            0 | 1 => {
                let reported = self.report(POLICE, fast::at("removal_executed", instant)?, None);
                self.executed.push(reported);
            }
            2 => {
                if let Some(Reported { slot, .. }) = self.executed.first().cloned() {
                    let reason = Code::new("mistake")?;
                    self.say(POLICE, &Action::Retract { slot, reason }, None);
                }
            }
            3 => self.asks(POLICE)?,
            _ => self.acknowledges(POLICE)?,
        }
        Ok(())
    }
    /// A motion is corrected or retracted: by whom it is, or by another authority.
    fn changes(&mut self, by: usize) -> Result<(), NameError> {
        let own: Vec<Reported> = self.motions.iter().filter(|motion| motion.by == by).cloned().collect();
        let foreign = self.chance(4);
        let motion = if foreign { self.motion() } else { own.last().cloned() };
        let Some(Reported { slot, report, .. }) = motion.or_else(|| self.motions.last().cloned()) else {
            return Ok(());
        };
        let action = match self.random.random_range(0..5) {
            0 | 1 => Action::Retract { slot, reason: Code::new("mistake")? },
            2 => Action::Correct { slot, report: fast::at("application_again", self.instant())? },
            // What was retracted or corrected away comes back with the same names.
            3 => Action::Correct { slot, report },
            _ => Action::Correct { slot, report: fast::at("motion_filed", self.instant())? },
        };
        self.say(by, &action, None);
        Ok(())
    }
    fn completes(&mut self, by: usize) -> Result<(), NameError> {
        let Some(motion) = self.motion() else { return Ok(()) };
        let stop = Stop::of(&self.case, motion.slot)?;
        let (effect, outcome) = match (by, self.chance(2)) {
            (FOREIGNERS, _) => (stop.task, if self.chance(5) { "forgotten" } else { "cancelled" }),
            (_, true) => (stop.phone, "done"),
            (_, false) => (stop.check, "done"),
        };
        let outcome = Code::new(outcome)?;
        self.say(by, &Action::CompleteTask { effect, outcome }, None);
        Ok(())
    }
    /// A notice is acknowledged, or that a lock has gone.
    fn acknowledges(&mut self, by: usize) -> Result<(), NameError> {
        let alarm = self.executed.last().map(|removal| removal.slot);
        let effect: EffectId = match (self.motion(), alarm) {
            (_, Some(removal)) if matches!(by, OFFICE | COURT) => fast::alarm(&self.case, removal)?,
            (Some(motion), _) => {
                let stop = Stop::of(&self.case, motion.slot)?;
                if self.chance(3) { stop.lock } else { stop.notice }
            }
            (None, _) => return Ok(()),
        };
        self.say(by, &Action::Acknowledge { effect }, None);
        Ok(())
    }
    fn asks(&mut self, by: usize) -> Result<(), NameError> {
        let status = Code::new(if self.chance(4) { "removal_executed" } else { "removal_scheduled" })?;
        self.say(by, &Action::ClearanceCheck { status }, None);
        Ok(())
    }
}
