//! Reads the statuses: each into a draft whose names of tracks, roles, outcome lists and predecessors are resolved.
//! Must never compare one status with another, except for knowing which names exist.

use super::attribute::read_attributes;
use super::document::{blank_labels, read_basis, read_labels, refuse_surplus};
use super::guards::{ADDITIONS, RawGuards, read_additions};
use super::section::{Located, Section, code_at};
use crate::definition::{After, Kind, OutcomeList, Precision, Role, Status, Track};
use crate::finding::Findings;
use crate::limits::{ROLES_MAX, STATUSES_MAX};
use crate::name::Code;
use std::collections::{BTreeMap, BTreeSet};

/// The names a status may use.
#[derive(Debug, Default)]
pub(super) struct Known<'k> {
    /// The whole text, into which places in conditions point.
    pub(super) whole: &'k str,
    pub(super) language: u32,
    pub(super) tracks: &'k [Track],
    pub(super) roles: &'k [Role],
    pub(super) outcome_lists: &'k [OutcomeList],
    pub(super) profile: &'k str,
    /// Names outside the profile, and whether some `after` has named them.
    pub(super) outside: BTreeMap<Code, bool>,
    pub(super) statuses: BTreeSet<Code>,
}

/// A status as read, with the places a later finding may point at.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) status: Status,
    /// The guards, whose conditions are read when all names are known.
    pub(super) guards: RawGuards,
    pub(super) at: usize,
    pub(super) after_at: Option<usize>,
    pub(super) reported_by_at: usize,
    pub(super) predecessors: Vec<Located<Code>>,
    pub(super) ledger_as_at: usize,
    /// A name in `after` could not be resolved: what follows from the rest would mislead.
    pub(super) after_faulty: bool,
}

pub(super) fn read_statuses(top: &mut Section<'_>, known: &mut Known<'_>, findings: &mut Findings) -> Vec<Draft> {
    let before = findings.error_count();
    let sections = top.named_sections("status", findings);
    if sections.is_empty() && findings.error_count() == before {
        findings.error(top.at, "the process has no status", "declare at least one [status.*]");
    }
    refuse_surplus(&sections, STATUSES_MAX, "statuses", findings);
    known.statuses = sections.iter().take(STATUSES_MAX).map(|(code, _)| code.value.clone()).collect();
    let mut drafts = Vec::new();
    for (rank, (code, section)) in (0_u16..).zip(sections.into_iter().take(STATUSES_MAX)) {
        drafts.push(read_status(rank, code, section, known, findings));
    }
    drafts
}

fn read_status(
    rank: u16,
    code: Located<Code>,
    mut section: Section<'_>,
    known: &mut Known<'_>,
    findings: &mut Findings,
) -> Draft {
    let labels = read_labels(&mut section, findings).unwrap_or_else(blank_labels);
    // Where there is no track this has been told; the status's own code stands in, and no definition is made of it.
    let track = read_track(&mut section, known, findings);
    let (track, track_number) = track.unwrap_or_else(|| (code.value.clone(), 0));
    let kinds = [("announces", Kind::Announces), ("reports", Kind::Reports)];
    let precisions = [("day", Precision::Day), ("instant", Precision::Instant)];
    let (reported_by_at, reported_by) = read_reporters(&mut section, known, findings);
    let after = read_after(&mut section, known, findings);
    let outcomes = read_outcomes(&mut section, known, findings);
    let ledger_as = section.text("ledger_as", findings).and_then(|class| code_at(class.at, &class.value, findings));
    let mut status = Status {
        labels,
        rank,
        track,
        track_number,
        kind: section.choice("kind", &kinds, findings).unwrap_or(Kind::Reports),
        precision: section.choice("precision", &precisions, findings).unwrap_or(Precision::Day),
        reported_by,
        after: after.rule,
        repeatable: section.flag("repeatable", findings),
        opens_proceeding: section.flag("opens_proceeding", findings),
        closes: section.flag("closes", findings),
        outcome_required: read_outcome_required(&mut section, findings),
        outcomes,
        recipients: read_role_list(&mut section, "recipients", known, findings),
        ledger_as: ledger_as.as_ref().map(|class| class.value.clone()),
        class: section.flag("class", findings),
        basis: read_basis(&mut section, findings),
        attributes: read_attributes(&mut section, findings),
        urgent: section.flag("urgent", findings),
        warn_if: Vec::new(),
        block_if: Vec::new(),
        assigns: Vec::new(),
        retention: None,
        code: code.value,
    };
    let guards = if known.language < 2 {
        for key in ADDITIONS {
            section.refuse(key, key, findings);
        }
        RawGuards::default()
    } else {
        read_additions(&mut section, &mut status, known, findings)
    };
    section.finish(findings);
    Draft {
        status,
        guards,
        at: code.at,
        after_at: after.at,
        reported_by_at,
        predecessors: after.predecessors,
        ledger_as_at: ledger_as.map_or(code.at, |class| class.at),
        after_faulty: after.faulty,
    }
}

fn read_track(section: &mut Section<'_>, known: &Known<'_>, findings: &mut Findings) -> Option<(Code, u8)> {
    if section.place("track").is_none() {
        section.missing("track", findings);
    }
    let named = section.text("track", findings);
    if let Some(name) = &named {
        if let Some(track) = known.tracks.iter().find(|track| track.code.as_str() == name.value) {
            return Some((track.code.clone(), track.number));
        }
        findings.unknown(name.at, "track", &name.value, known.tracks.iter().map(|track| track.code.as_str()));
    }
    None
}

fn read_reporters(section: &mut Section<'_>, known: &Known<'_>, findings: &mut Findings) -> (usize, Vec<Code>) {
    let at = section.place("reported_by").unwrap_or(section.at);
    let before = findings.error_count();
    let roles = read_role_list(section, "reported_by", known, findings);
    if roles.is_empty() && findings.error_count() == before {
        let message = format!("nobody reports [{}]", section.path);
        findings.error(at, message, "name at least one role in `reported_by`");
    }
    (at, roles)
}

fn read_role_list(
    section: &mut Section<'_>,
    key: &'static str,
    known: &Known<'_>,
    findings: &mut Findings,
) -> Vec<Code> {
    let names = section.names(key, ROLES_MAX, findings).map_or_else(Vec::new, |names| names.value);
    let mut roles = Vec::with_capacity(names.len());
    for name in names {
        match known.roles.iter().find(|role| role.code.as_str() == name.value) {
            Some(role) => roles.push(role.code.clone()),
            None => findings.unknown(name.at, "role", &name.value, known.roles.iter().map(|role| role.code.as_str())),
        }
    }
    roles
}

fn read_outcomes(section: &mut Section<'_>, known: &Known<'_>, findings: &mut Findings) -> Option<Code> {
    let name = section.text("outcomes", findings)?;
    let lists = known.outcome_lists;
    let found = lists.iter().find(|list| list.code.as_str() == name.value).map(|list| list.code.clone());
    if found.is_none() {
        findings.unknown(name.at, "outcome list", &name.value, lists.iter().map(|list| list.code.as_str()));
    }
    found
}

fn read_outcome_required(section: &mut Section<'_>, findings: &mut Findings) -> bool {
    let required = section.flag("outcome_required", findings);
    if required && section.place("outcomes").is_none() {
        let at = section.place("outcome_required").unwrap_or(section.at);
        let message = format!("[{}] requires an outcome and has no outcome list", section.path);
        findings.error(at, message, "name a list in `outcomes`");
    }
    required
}

/// What `after` says.
#[derive(Default)]
struct AfterRead {
    at: Option<usize>,
    rule: Option<Vec<After>>,
    predecessors: Vec<Located<Code>>,
    faulty: bool,
}

fn read_after(section: &mut Section<'_>, known: &mut Known<'_>, findings: &mut Findings) -> AfterRead {
    // Two more names than statuses: START and ANY.
    let names = section.names("after", STATUSES_MAX.saturating_add(2), findings);
    let mut read = AfterRead { at: section.place("after"), ..AfterRead::default() };
    let Some(names) = names else { return read };
    if names.value.is_empty() {
        let message = format!("`after` of [{}] is empty", section.path);
        findings.error(names.at, message, "leave `after` out if the order does not matter");
        read.faulty = true;
    }
    let mut rule = Vec::new();
    for name in names.value {
        match name.value.as_str() {
            "START" => rule.push(After::Start),
            "ANY" => rule.push(After::Any),
            text if known.statuses.contains(text) => {
                let Some(code) = code_at(name.at, text, findings) else {
                    continue;
                };
                rule.push(After::Status(code.value.clone()));
                read.predecessors.push(code);
            }
            text => read.faulty |= !dropped(name.at, text, &section.path, known, findings),
        }
    }
    if rule.is_empty() && !read.faulty {
        let message = format!("`after` of [{}] names only statuses outside profile `{}`", section.path, known.profile);
        findings.note(names.at, message, "within the profile its order does not matter");
    } else {
        read.rule = Some(rule);
    }
    read
}

/// Whether a name that is no status lies outside the profile, which is told as a note; else it is unknown.
fn dropped(at: usize, name: &str, path: &str, known: &mut Known<'_>, findings: &mut Findings) -> bool {
    let Some(named) = known.outside.get_mut(name) else {
        let statuses = known.statuses.iter().map(Code::as_str);
        findings.unknown(at, "status", name, statuses.chain(["START", "ANY"]));
        return false;
    };
    *named = true;
    let message = format!("`{name}` in `after` of [{path}] lies outside profile `{}`", known.profile);
    findings.note(at, message, "dropped here");
    true
}
