//! Reads the deadlines. Must never count a day; that is for `legal`.

use super::document::{blank_labels, read_basis, read_labels, refuse_surplus};
use super::names::{Names, codes};
use super::section::{Located, Section};
use crate::definition::{Deadline, Regime, StartDay, UnknownSeat};
use crate::finding::Findings;
use crate::legal::{Length, Unit};
use crate::limits::DEADLINES_MAX;
use crate::name::Code;

type Sections<'t> = Vec<(Located<Code>, Section<'t>)>;

pub(super) fn read_deadlines(
    sections: Sections<'_>,
    names: &mut Names<'_>,
    regimes: &[Regime],
    findings: &mut Findings,
) -> Vec<Deadline> {
    refuse_surplus(&sections, DEADLINES_MAX, "deadlines", findings);
    let sections = sections.into_iter().take(DEADLINES_MAX);
    sections.map(|(code, section)| read_deadline(code.value, section, names, regimes, findings)).collect()
}

fn read_deadline(
    code: Code,
    mut section: Section<'_>,
    names: &mut Names<'_>,
    regimes: &[Regime],
    findings: &mut Findings,
) -> Deadline {
    let from = [("occurred", StartDay::Occurred), ("effective", StartDay::Effective)];
    let labels = read_labels(&mut section, findings).unwrap_or_else(blank_labels);
    let lengths = read_lengths(&mut section, regimes, findings);
    let (seat, unknown_seat) = read_seat(&mut section, names, findings);
    let warn = section.length("warn", findings);
    check_warning(&section, warn.as_ref(), &lengths, findings);
    let deadline = Deadline {
        code,
        labels,
        lengths,
        from: section.choice("from", &from, findings).unwrap_or(StartDay::Occurred),
        seat,
        unknown_seat,
        met_by: codes(names.statuses(&mut section, "met_by", findings)),
        warn: warn.map(|warn| warn.value),
        grace: section.length("grace", findings).map(|grace| grace.value),
        watched_by: codes(names.roles(&mut section, "watched_by", findings)),
        basis: read_basis(&mut section, findings),
    };
    section.finish(findings);
    deadline
}

/// One length, or one for each regime, in their order. Shorter than that only where a finding was told.
fn read_lengths(section: &mut Section<'_>, regimes: &[Regime], findings: &mut Findings) -> Vec<Length> {
    if section.place("length").is_none() {
        section.missing("length", findings);
        return Vec::new();
    }
    if !section.is_table("length") {
        let length = section.length("length", findings).map(|length| length.value);
        return length.map_or_else(Vec::new, |length| vec![length; regimes.len().max(1)]);
    }
    let Some(table) = section.section("length", findings) else {
        return Vec::new();
    };
    let members = table.text_members(findings);
    for (name, _) in &members {
        if !regimes.iter().any(|regime| regime.code.as_str() == name.value) {
            findings.unknown(name.at, "regime", &name.value, regimes.iter().map(|regime| regime.code.as_str()));
        }
    }
    let mut lengths = Vec::with_capacity(regimes.len());
    for regime in regimes {
        match members.iter().find(|(name, _)| name.value == regime.code.as_str()) {
            Some((name, text)) => {
                lengths.extend(table.length_of(text, &name.value, findings).map(|length| length.value));
            }
            None => {
                let message = format!("[{}] has no length under regime `{}`", section.path, regime.code);
                findings.error(table.at, message, format!("add `{} = \"P14D\"`, or write one length", regime.code));
            }
        }
    }
    lengths
}

fn read_seat(section: &mut Section<'_>, names: &Names<'_>, findings: &mut Findings) -> (Option<Code>, UnknownSeat) {
    let words = [("latest", UnknownSeat::Latest), ("earliest", UnknownSeat::Earliest)];
    let seat = section.text("seat", findings).and_then(|name| names.role(&name, findings));
    let seat = seat.map(|seat| seat.value);
    match (section.place("seat"), section.place("unknown_seat")) {
        (None, Some(at)) => {
            let message = format!("`unknown_seat` of [{}] says nothing without `seat`", section.path);
            findings.error(at, message, "name the role in `seat`, or take it out");
            (None, section.choice("unknown_seat", &words, findings).unwrap_or(UnknownSeat::Latest))
        }
        (None, None) => (None, UnknownSeat::Latest),
        (Some(_), _) => (seat, section.choice("unknown_seat", &words, findings).unwrap_or(UnknownSeat::Latest)),
    }
}

/// A warning that comes before the deadline can have begun.
fn check_warning(section: &Section<'_>, warn: Option<&Located<Length>>, lengths: &[Length], findings: &mut Findings) {
    let Some(warn) = warn else { return };
    if let Some(short) = lengths.iter().find(|length| least_ms(warn.value) >= most_ms(**length)) {
        let message = format!("[{}] warns {} before an end that is {short} away", section.path, warn.value);
        findings.error(warn.at, message, "warn later, or not at all");
    }
}

const DAY_MS: u64 = 86_400_000;

/// The shortest time a length can take.
fn least_ms(length: Length) -> u64 {
    let unit_ms = match length.unit() {
        Unit::Days | Unit::WorkingDays => DAY_MS,
        Unit::Weeks => DAY_MS.saturating_mul(7),
        Unit::Months => DAY_MS.saturating_mul(28),
        Unit::Years => DAY_MS.saturating_mul(365),
        Unit::Hours => 3_600_000,
        Unit::Minutes => 60_000,
        Unit::Seconds => 1_000,
    };
    u64::from(length.count()).saturating_mul(unit_ms)
}

/// The longest time a length takes where its end does not move, holidays reckoned with generously.
fn most_ms(length: Length) -> u64 {
    let unit_ms = match length.unit() {
        Unit::WorkingDays => DAY_MS.saturating_mul(5),
        Unit::Months => DAY_MS.saturating_mul(31),
        Unit::Years => DAY_MS.saturating_mul(366),
        Unit::Days | Unit::Weeks | Unit::Hours | Unit::Minutes | Unit::Seconds => return least_ms(length),
    };
    u64::from(length.count()).saturating_mul(unit_ms)
}
