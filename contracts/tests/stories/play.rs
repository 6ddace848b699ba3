//! Lets a story happen as the ledger would: what became due is folded at its instant, then the act is judged and
//! recorded. Must never decide what ought to come out.

use crate::script::{Act, Said, Step, Story, day};
use crate::view::{Shown, show};
use laufzettel_contracts::effect::{
    Candidate, Cause, Completion, Directory, EffectFold, EffectId, Effects, History, Known, Shared, TaskEffect,
    TaskState, World, admit, effects,
};
use laufzettel_contracts::{
    AttributeType, AuthorityId, Calendars, CaseFold, Code, Definition, Entry, Position, Report, Slot, Value, When,
    accept, accept_correction,
};
use std::collections::BTreeMap;

/// What a definition lives in, read once for all stories.
pub(crate) struct Land {
    /// The process.
    pub definition: Definition,
    /// Holidays and seats.
    pub calendars: Calendars,
}

/// A case while its story is played.
pub(crate) struct Player<'l> {
    land: &'l Land,
    roles: BTreeMap<String, Vec<Code>>,
    directory: Directory,
    case: CaseFold,
    history: History,
    /// The effects kept up step by step, as the ledger does; always compared with a fold from nothing.
    kept: Option<EffectFold>,
    reports: usize,
}

pub(crate) fn code(text: &str) -> Code {
    Code::new(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn authority(text: &str) -> AuthorityId {
    AuthorityId::new(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Two different sums over all bytes stand in for the ledger's hash: no two effects of a story have both alike.
fn name(rule: &Code, cause: &Cause, occurrence: u32) -> EffectId {
    let cause: Vec<u8> = match cause {
        Cause::Report(slot) => slot.to_vec(),
        Cause::Effect(id) => id.0.to_vec(),
    };
    let mut sums = [0xcbf2_9ce4_8422_2325_u64, 0x9e37_79b9_7f4a_7c15];
    for byte in rule.as_str().bytes().chain([0]).chain(cause).chain(occurrence.to_be_bytes()) {
        for (sum, factor) in sums.iter_mut().zip([0x0000_0100_0000_01b3_u64, 0xff51_afd7_ed55_8ccd]) {
            *sum = (*sum ^ u64::from(byte)).wrapping_mul(factor).rotate_left(5);
        }
    }
    let mut id = [0; 16];
    id[..8].copy_from_slice(&sums[0].to_be_bytes());
    id[8..].copy_from_slice(&sums[1].to_be_bytes());
    EffectId(id)
}

/// Reports are numbered from 1, refused ones too.
fn slot(number: usize) -> Slot {
    let mut slot = [0; 32];
    slot[..8].copy_from_slice(&(number as u64).to_be_bytes());
    slot
}

/// The number of a slot.
pub(crate) fn number(slot: &Slot) -> u64 {
    slot.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

impl<'l> Player<'l> {
    pub(crate) fn new(land: &'l Land, story: &Story) -> Self {
        let roles: BTreeMap<String, Vec<Code>> = story
            .authorities
            .iter()
            .map(|(id, roles)| (id.clone(), roles.iter().map(|role| code(role)).collect()))
            .collect();
        for role in roles.values().flatten() {
            assert!(land.definition.role(role.as_str()).is_some(), "no role {role}");
        }
        let pairs = roles.iter().flat_map(|(id, roles)| roles.iter().map(|role| (role.clone(), authority(id))));
        let directory = Directory::new(pairs);
        Self { land, roles, directory, case: CaseFold::new(), history: History::new(), kept: None, reports: 0 }
    }

    /// Takes the reports of a story, each at its instant and without due instants between: nanoseconds for the reports
    /// alone, and for what follows from them.
    pub(crate) fn measure(&mut self, story: &Story) -> (u128, u128) {
        let (mut alone, mut effects) = (0, 0);
        for step in &story.steps {
            let Act::Report(said) = &step.act else { continue };
            self.reports += 1;
            let (report, author) = (self.report(said), authority(&said.author));
            let position = Position { height: self.reports as u64, ..Position::default() };
            let entry = Entry { slot: slot(self.reports), position, author, report };
            let start = crate::processor::Began::now();
            self.case.report(&self.land.definition, entry);
            alone += start.elapsed_ns();
            let start = crate::processor::Began::now();
            let world = World {
                definition: &self.land.definition,
                calendars: &self.land.calendars,
                directory: &self.directory,
            };
            let known = Known { history: &self.history, name: &name, as_of_ms: step.at_ms };
            match &mut self.kept {
                Some(kept) => kept.update(&world, &self.case, &known),
                kept => *kept = Some(EffectFold::of(&world, &self.case, &known)),
            }
            if let Some(kept) = &self.kept {
                self.history.advance(&world, kept.effects());
            }
            effects += start.elapsed_ns();
        }
        (alone, effects)
    }

    /// Plays one step and tells what the case then shows.
    pub(crate) fn play(&mut self, step: &Step) -> Shown {
        self.wake(step.at_ms);
        let refused = self.act(step);
        let effects = self.fold(step.at_ms);
        let roles = self.roles.values().flatten().cloned().collect();
        show(&self.land.definition, &self.case, &effects, &self.history, &roles, refused)
    }

    fn world(&self) -> World<'_> {
        World { definition: &self.land.definition, calendars: &self.land.calendars, directory: &self.directory }
    }

    /// Folds as of an instant and remembers what arose, until the two agree: what is remembered may let more arise.
    fn fold(&mut self, at_ms: u64) -> Effects {
        loop {
            let world = World {
                definition: &self.land.definition,
                calendars: &self.land.calendars,
                directory: &self.directory,
            };
            let known = Known { history: &self.history, name: &name, as_of_ms: at_ms };
            let effects = effects(&world, &self.case, &known);
            match &mut self.kept {
                Some(kept) => kept.update(&world, &self.case, &known),
                kept => *kept = Some(EffectFold::of(&world, &self.case, &known)),
            }
            let kept = self.kept.as_ref().map(EffectFold::effects);
            assert_eq!(kept, Some(&effects), "step by step and from nothing");
            let changes = self.history.advance(&world, &effects);
            assert_eq!(changes.dropped, 0, "no story fills a history");
            if changes.arose.is_empty() {
                return effects;
            }
        }
    }

    /// What becomes due before an instant, each at its own.
    fn wake(&mut self, until_ms: u64) {
        let mut last_ms = 0;
        if self.case.entries().is_empty() {
            return;
        }
        while let Some(due_ms) = self.fold(last_ms.max(self.seen_ms())).next_due_ms.filter(|due_ms| *due_ms <= until_ms)
        {
            assert!(due_ms > last_ms, "time goes on");
            last_ms = due_ms;
        }
    }

    /// The latest instant the history knows.
    fn seen_ms(&self) -> u64 {
        self.history
            .past()
            .values()
            .map(|past| past.first_seen_ms.max(past.withdrawn_ms.unwrap_or(0)))
            .max()
            .unwrap_or(0)
    }

    fn act(&mut self, step: &Step) -> Option<String> {
        let at_ms = step.at_ms;
        match &step.act {
            Act::Look => None,
            Act::Report(said) => {
                self.reports += 1;
                let slot = slot(self.reports);
                let report = self.report(said);
                let author = authority(&said.author);
                if let Some(refused) = self.judge(said, &report, (&author, None), at_ms) {
                    return Some(refused);
                }
                let position = Position { height: self.reports as u64, ..Position::default() };
                self.case.report(&self.land.definition, Entry { slot, position, author, report });
                None
            }
            Act::Correct(number, said) => {
                let slot = slot(*number);
                let report = self.report(said);
                let author = self.case.entry(&slot).unwrap_or_else(|error| panic!("{number}: {error}")).author.clone();
                if let Some(refused) = self.judge(said, &report, (&author, Some(&slot)), at_ms) {
                    return Some(refused);
                }
                self.case.correct(&self.land.definition, slot, report).err().map(|refusal| refusal.to_string())
            }
            Act::Retract(number) => {
                self.case.retract(&self.land.definition, slot(*number)).err().map(|refusal| refusal.to_string())
            }
            Act::Acknowledge { notice, author } => {
                let effects = self.fold(at_ms);
                let found = effects.notices.iter().rfind(|found| found.notice.as_str() == notice);
                let id = found.unwrap_or_else(|| panic!("no notice {notice}")).origin.id;
                let mut history = self.history.clone();
                let said = history.acknowledge(&self.world(), &effects, &id, &authority(author), at_ms);
                self.history = history;
                said.err().map(|refusal| refusal.to_string())
            }
            Act::Complete { task, author, outcome } => {
                let effects = self.fold(at_ms);
                let open = |found: &&Shared<TaskEffect>| found.task.as_str() == task && found.state == TaskState::Open;
                let id = effects.tasks.iter().find(open).unwrap_or_else(|| panic!("no open task {task}")).origin.id;
                let completion = Completion { by: authority(author), outcome: code(outcome), at_ms };
                let mut history = self.history.clone();
                let said = history.complete(&self.world(), &effects, &id, completion);
                self.history = history;
                said.err().map(|refusal| refusal.to_string())
            }
        }
    }

    /// Why it is not recorded, if it is not.
    fn judge(
        &mut self,
        said: &Said,
        report: &Report,
        (author, corrects): (&AuthorityId, Option<&Slot>),
        at_ms: u64,
    ) -> Option<String> {
        let definition = &self.land.definition;
        let roles = self.roles.get(author.as_str()).cloned().unwrap_or_default();
        let accepted = match corrects {
            Some(slot) => accept_correction(definition, (author, &roles), slot, report, at_ms, &self.case),
            None => accept(definition, &roles, report, at_ms, &self.case),
        };
        if let Err(refusal) = accepted {
            return Some(refusal.to_string());
        }
        let effects = self.fold(at_ms);
        let known = Known { history: &self.history, name: &name, as_of_ms: at_ms };
        let reason = said.fields.get("override").map(|reason| code(reason));
        let candidate = Candidate { report, author, corrects, reason: reason.as_ref() };
        let stop = admit(&self.world(), &self.case, &effects, &known, &candidate).err()?;
        Some(match &stop {
            laufzettel_contracts::effect::Stop::Locked { name, .. } => format!("{} {name}", stop.reason()),
            laufzettel_contracts::effect::Stop::Blocked { guard }
            | laufzettel_contracts::effect::Stop::OverrideUnknown { guard } => format!("{} {guard}", stop.reason()),
        })
    }

    fn report(&self, said: &Said) -> Report {
        let mut report = Report::new(code(&said.status), When::Day(said.day));
        for (field, value) in &said.fields {
            match field.as_str() {
                "outcome" => report.outcome = Some(code(value)),
                "effective" => report.effective = Some(day(value).unwrap_or_else(|| panic!("no day: {value}"))),
                // Not part of what is reported: the ledger takes it from the second person.
                "override" => {}
                "proceeding" => report.proceeding = value.parse().unwrap_or_else(|_| panic!("no number: {value}")),
                _ => {
                    let value = self.value(&said.status, field, value);
                    report.attributes.insert(code(field), value);
                }
            }
        }
        report
    }

    fn value(&self, status: &str, field: &str, text: &str) -> Value {
        let found = self.land.definition.status(status).and_then(|status| status.attribute(&code(field)));
        let read = match found.map(|attribute| &attribute.holds) {
            Some(AttributeType::Date) => day(text).map(Value::Date),
            Some(AttributeType::Code(_)) => Some(Value::Code(code(text))),
            Some(AttributeType::Authority) => Some(Value::Authority(authority(text))),
            Some(AttributeType::Integer { .. }) => text.parse().ok().map(Value::Integer),
            Some(AttributeType::Bool) => text.parse().ok().map(Value::Bool),
            Some(AttributeType::Commitment) | None => None,
        };
        read.unwrap_or_else(|| panic!("{status}: {field}={text} is none of its attributes"))
    }
}
