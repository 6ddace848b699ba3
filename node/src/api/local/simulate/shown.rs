//! The result of a simulation as a message. Must never add anything up itself.

use std::collections::BTreeMap;

use laufzettel_contracts::Code;
use laufzettel_contracts::diff::MappingFault;
use laufzettel_contracts::effect::{Counts, EffectKind, OfAuthority, Tally};
use laufzettel_proto::v1;

use crate::api::effects::views;

/// The differences of all cases, with the first of those that change.
pub(super) fn difference(tally: &Tally, examples: &[Vec<u8>]) -> v1::SimulatedDifference {
    let nobody = (!tally.nobody.is_empty())
        .then(|| v1::SimulatedAuthority { effects: of_kinds(&tally.nobody), ..v1::SimulatedAuthority::default() });
    let authorities = tally.authorities.iter().map(|(authority, of)| authority_of(authority.as_str(), of));
    let statuses = tally.unknown_statuses.iter().map(|(status, numbers)| unknown(status.as_str(), "", *numbers));
    let outcomes = tally.unknown_outcomes.iter();
    let outcomes = outcomes.map(|((status, outcome), numbers)| unknown(status.as_str(), outcome.as_str(), *numbers));
    let departure = |(name, (more, less)): (&String, &(u64, u64))| v1::SimulatedDeparture {
        name: name.clone(),
        more: *more,
        less: *less,
    };
    let effects = tally.effects.iter().map(|((kind, code), counts)| effects_of(*kind, code.as_str(), counts));
    v1::SimulatedDifference {
        changed: tally.changed,
        newly_deviating: tally.newly_deviating,
        healed: tally.healed,
        authorities: nobody.into_iter().chain(authorities).collect(),
        effects: effects.collect(),
        departures: tally.departures.iter().map(departure).collect(),
        unknown: statuses.chain(outcomes).collect(),
        examples: examples.to_vec(),
    }
}

/// What is wrong with the mapping, with the reports and cases by status that it concerns.
pub(super) fn unmapped(faults: &[MappingFault], found: &BTreeMap<Code, (u64, u64)>) -> Vec<v1::SimulatedUnmapped> {
    let one = |fault: &MappingFault| {
        let kind = match fault {
            MappingFault::OlderLanguage => v1::MappingFault::OlderLanguage,
            MappingFault::Missing(_) => v1::MappingFault::Missing,
            MappingFault::NotOld(_) => v1::MappingFault::NotOld,
            MappingFault::NotNew(_) => v1::MappingFault::NotNew,
            MappingFault::Unlike(_) => v1::MappingFault::Unlike,
            MappingFault::Replaced(_) => v1::MappingFault::Replaced,
        };
        let (reports, cases) = fault.status().and_then(|status| found.get(status)).copied().unwrap_or_default();
        let status = fault.status().map(ToString::to_string).unwrap_or_default();
        let rule = fault.rule().map(ToString::to_string).unwrap_or_default();
        v1::SimulatedUnmapped { fault: kind.into(), status, reports, cases, rule }
    };
    faults.iter().map(one).collect()
}

fn counts(counts: &Counts) -> v1::SimulatedCounts {
    v1::SimulatedCounts {
        added: counts.added,
        gone: counts.gone,
        moved: counts.moved,
        waits_more: counts.waits_more,
        waits_less: counts.waits_less,
        elapsed_more: counts.elapsed_more,
        elapsed_less: counts.elapsed_less,
    }
}

fn effects_of(kind: EffectKind, code: &str, of: &Counts) -> v1::SimulatedEffects {
    v1::SimulatedEffects { kind: views::kind(kind).into(), code: code.to_owned(), counts: Some(counts(of)) }
}

fn of_kinds(kinds: &BTreeMap<EffectKind, Counts>) -> Vec<v1::SimulatedEffects> {
    kinds.iter().map(|(kind, of)| effects_of(*kind, "", of)).collect()
}

fn authority_of(authority: &str, of: &OfAuthority) -> v1::SimulatedAuthority {
    let (departures_more, departures_less) = of.departures;
    let effects = of_kinds(&of.effects);
    v1::SimulatedAuthority { authority: authority.to_owned(), effects, departures_more, departures_less }
}

fn unknown(status: &str, outcome: &str, (reports, cases): (u64, u64)) -> v1::SimulatedUnknown {
    v1::SimulatedUnknown { status: status.to_owned(), outcome: outcome.to_owned(), reports, cases }
}
