//! What a node keeps of cases at its tip, held against the model: the fields of each, its version, what is due next. Must
//! never change what the model says.

use std::collections::BTreeMap;

use laufzettel_chain::ids::CaseId;
use laufzettel_chain::state::case::CaseRow;
use laufzettel_chain::state::effects::fields;
use laufzettel_chain::state::fields::DEVIATIONS;
use laufzettel_chain::storage::StoreError;
use laufzettel_contracts::effect::History;

use super::case::Case;
use super::inbox::{self, name};
use super::{Held, Model, Verdict};

impl Model<'_> {
    /// Holds what a node keeps at its tip against the model.
    pub(super) fn compare(&mut self, one: &Held<'_>, time_ms: u64, verdict: &mut Verdict) -> Result<(), StoreError> {
        for (id, case) in &mut self.cases {
            let Some(row) = CaseRow::load(one.read, id)? else {
                verdict.violated(format!("{}: the case {id} is not there", one.node));
                continue;
            };
            differences(one, id, case, &row, verdict);
            if (row.definition.as_str(), row.version) != case.stands_under() {
                let (found, expected) = (row.version, case.stands_under().1);
                verdict.violated(format!("{}: {id} is under version {found}, not {expected}", one.node));
            }
            if case.waits() {
                continue;
            }
            for (slot, rule, effect) in case.silenced() {
                let (what, slot) = (name(&effect.0), blake3::Hash::from_bytes(slot).to_hex());
                verdict.violated(format!("{}: {rule} of report {slot} in {id} is silent about {what}", one.node));
            }
            for effect in case.miscounted() {
                verdict.violated(format!("{}: {} of {id} ends at another instant", one.node, name(&effect.0)));
            }
            // What will be due is on the list of what will be. The state has it, so that one node may answer for all.
            if case.looked_ahead_ms.replace(time_ms) == Some(time_ms) {
                continue;
            }
            let mut instants: Vec<u64> = case.instants().filter(|ms| *ms > time_ms).collect();
            instants.sort_unstable();
            let next = instants.into_iter().find(|ms| case.has_changed(*ms));
            if next.is_some_and(|next| row.next_due_ms().is_none_or(|found| found > next)) {
                let found = row.next_due_ms();
                verdict.violated(format!("{}: {id} is due at {next:?}, the list has {found:?}", one.node));
            }
        }
        self.votes.compare(one, verdict)?;
        inbox::compare(self.genesis, one, self.cases.iter(), verdict)
    }
}

/// What a node's row has in another way than the model.
fn differences(one: &Held<'_>, id: &CaseId, case: &Case, row: &CaseRow, verdict: &mut Verdict) {
    let history = History::restore(case.memory.past.clone());
    let expected: BTreeMap<usize, Vec<u8>> = fields::of(&case.effects, &history).into_iter().collect();
    let numbers = fields::KINDS.iter().map(|(field, _)| *field).chain([fields::PARTICIPANTS]);
    let found: BTreeMap<usize, Vec<u8>> = numbers.map(|number| (number, row.field(id, number))).collect();
    let differs = |(number, bytes): (&usize, &Vec<u8>)| {
        (bytes.as_slice() != expected.get(number).map_or(&[][..], Vec::as_slice)).then_some(*number)
    };
    let mut differing: Vec<usize> = found.iter().filter_map(differs).collect();
    if !case.effects.deviations.is_empty() && !row.field(id, DEVIATIONS).ends_with(&fields::deviations(&case.effects)) {
        differing.push(DEVIATIONS);
    }
    if differing.is_empty() {
        return;
    }
    let kept = fields::history(|number| found.get(&number).map_or(&[][..], Vec::as_slice));
    let kept = kept.map(|history| history.past().clone()).unwrap_or_default();
    let own = case.memory.past.iter().filter(|(effect, past)| kept.get(*effect).map(AsRef::as_ref) != Some(*past));
    let own = own.map(|(effect, past)| format!("{} {:?} {}", name(&effect.0), past.kind, past.name));
    let others = kept.keys().filter(|effect| !case.memory.past.contains_key(*effect)).map(|effect| name(&effect.0));
    let what: Vec<String> = own.chain(others).take(4).collect();
    let node = one.node;
    verdict.violated(format!("{node}: fields {differing:?} of {id} are not what a slow fold gives, as {what:?}"));
}
