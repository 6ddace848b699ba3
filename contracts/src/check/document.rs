//! Reads what statuses refer to: the process, the profile, tracks, roles and outcome lists. Must never look at a
//! status.

use super::section::{Located, Section, code_at};
use crate::definition::{Labels, Outcome, OutcomeList, Role, Track};
use crate::finding::{Findings, quoted};
use crate::limits::{
    BASIS_CHARACTERS_MAX, CODES_MAX, LABEL_CHARACTERS_MAX, OUTCOME_LISTS_MAX, OUTSIDE_MAX, ROLES_MAX, TRACK_NUMBER_MAX,
    TRACK_NUMBER_MIN, TRACKS_MAX,
};
use crate::name::{Code, check_id};
use std::collections::BTreeMap;

/// The latest version of the language of definitions. That of calendars counts apart.
pub(super) const LANGUAGE: u32 = 2;

/// `[process]`.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) id: String,
    pub(super) version: u32,
    pub(super) labels: Labels,
}

/// `[profile]`.
#[derive(Debug)]
pub(super) struct Profile {
    pub(super) id: String,
    pub(super) outside: Vec<Located<Code>>,
}

/// The language a text is written in, at most `latest`; that where it says nothing known, so that less is told twice.
pub(super) fn read_language(top: &mut Section<'_>, latest: u32, findings: &mut Findings) -> u32 {
    if top.place("language").is_none() {
        top.missing("language", findings);
    }
    let Some(Located { at, value }) = top.integer("language", findings) else {
        return latest;
    };
    match u32::try_from(value).ok().filter(|language| (1..=latest).contains(language)) {
        Some(language) => language,
        None => {
            findings.error(at, format!("language {value} is not known"), format!("write language = {latest}"));
            latest
        }
    }
}

/// Parts that are in no language, or not in that of the text.
pub(super) fn refuse_other_parts(top: &mut Section<'_>, language: u32, findings: &mut Findings) {
    let parts = [
        ("rule", "[[rule]]"),
        ("deadline", "[deadline.*]"),
        ("regimes", "[regimes]"),
        ("regime", "[regime.*]"),
        ("task", "[task.*]"),
        ("notice", "[notice.*]"),
        ("lock", "[lock.*]"),
        ("marker", "[marker.*]"),
    ];
    for (key, shown) in parts.into_iter().filter(|_| language < 2) {
        top.refuse(key, shown, findings);
    }
    for key in ["calendar", "calendars"] {
        if let Some(at) = top.place(key) {
            let message = format!("`[{key}]` is not part of a definition");
            findings.error(at, message, "holidays and seats are a text of their own; take it out");
        }
    }
}

pub(super) fn read_process(top: &mut Section<'_>, findings: &mut Findings) -> Option<Process> {
    let Some(mut section) = top.section("process", findings) else {
        if top.place("process").is_none() {
            top.missing("process", findings);
        }
        return None;
    };
    let id = read_id(&mut section, findings);
    let version = read_version(&mut section, findings);
    let labels = read_labels(&mut section, findings);
    section.finish(findings);
    Some(Process { id: id?, version: version?, labels: labels? })
}

pub(super) fn read_version(section: &mut Section<'_>, findings: &mut Findings) -> Option<u32> {
    if section.place("version").is_none() {
        section.missing("version", findings);
    }
    let version = section.integer("version", findings)?;
    let number = u32::try_from(version.value).ok().filter(|number| *number > 0);
    if number.is_none() {
        findings.error(version.at, "`version` is out of range", "count versions from 1");
    }
    number
}

pub(super) fn read_profile(top: &mut Section<'_>, findings: &mut Findings) -> Option<Profile> {
    let mut section = top.section("profile", findings)?;
    let id = read_id(&mut section, findings);
    let names = section.names("outside", OUTSIDE_MAX, findings).map_or_else(Vec::new, |names| names.value);
    let outside = names.into_iter().filter_map(|name| code_at(name.at, &name.value, findings)).collect();
    section.finish(findings);
    Some(Profile { id: id?, outside })
}

pub(super) fn read_tracks(top: &mut Section<'_>, findings: &mut Findings) -> Vec<Track> {
    let mut tracks: Vec<Track> = Vec::new();
    let mut numbers: BTreeMap<u8, Code> = BTreeMap::new();
    let sections = top.named_sections("track", findings);
    refuse_surplus(&sections, TRACKS_MAX, "tracks", findings);
    for (code, mut section) in sections.into_iter().take(TRACKS_MAX) {
        let number = read_track_number(&mut section, findings);
        let labels = read_labels(&mut section, findings);
        section.finish(findings);
        let number = number.and_then(|number| match numbers.get(&number.value) {
            Some(other) => {
                let message = format!("track number {} is already that of `{other}`", number.value);
                findings.error(number.at, message, "give each track its own number, for good");
                None
            }
            None => {
                numbers.insert(number.value, code.value.clone());
                Some(number.value)
            }
        });
        // A track with a fault is still declared: a second finding at every status in it would say nothing new.
        tracks.push(Track {
            code: code.value,
            number: number.unwrap_or_default(),
            labels: labels.unwrap_or_else(blank_labels),
        });
    }
    tracks
}

fn read_track_number(section: &mut Section<'_>, findings: &mut Findings) -> Option<Located<u8>> {
    if section.place("number").is_none() {
        section.missing("number", findings);
    }
    let Located { at, value } = section.integer("number", findings)?;
    let range = TRACK_NUMBER_MIN..=TRACK_NUMBER_MAX;
    let number = u8::try_from(value).ok().filter(|number| range.contains(number));
    if number.is_none() {
        let fix = format!("use a number from {TRACK_NUMBER_MIN} to {TRACK_NUMBER_MAX}");
        findings.error(at, format!("track number {value} is out of range"), fix);
    }
    number.map(|value| Located { at, value })
}

pub(super) fn read_roles(top: &mut Section<'_>, findings: &mut Findings) -> Vec<Role> {
    let sections = top.named_sections("role", findings);
    refuse_surplus(&sections, ROLES_MAX, "roles", findings);
    let mut roles = Vec::new();
    for (code, mut section) in sections.into_iter().take(ROLES_MAX) {
        let labels = read_labels(&mut section, findings);
        section.finish(findings);
        roles.push(Role { code: code.value, labels: labels.unwrap_or_else(blank_labels) });
    }
    roles
}

pub(super) fn read_outcome_lists(top: &mut Section<'_>, findings: &mut Findings) -> Vec<OutcomeList> {
    let sections = top.named_sections("outcomes", findings);
    refuse_surplus(&sections, OUTCOME_LISTS_MAX, "outcome lists", findings);
    let mut lists = Vec::new();
    for (code, mut section) in sections.into_iter().take(OUTCOME_LISTS_MAX) {
        let before = findings.error_count();
        let codes = section.named_sections("codes", findings);
        refuse_surplus(&codes, CODES_MAX, "outcomes in a list", findings);
        if codes.is_empty() && findings.error_count() == before {
            let message = format!("[{}] has no codes", section.path);
            findings.error(section.at, message, format!("write them under [{}.codes]", section.path));
        }
        section.finish(findings);
        let outcomes =
            codes.into_iter().take(CODES_MAX).map(|(code, section)| read_outcome(code.value, section, findings));
        lists.push(OutcomeList { code: code.value, outcomes: outcomes.collect() });
    }
    lists
}

fn read_outcome(code: Code, mut section: Section<'_>, findings: &mut Findings) -> Outcome {
    let de = section.required_text("de", LABEL_CHARACTERS_MAX, findings);
    let en = section.required_text("en", LABEL_CHARACTERS_MAX, findings);
    section.finish(findings);
    let labels = de.zip(en).map_or_else(blank_labels, |(de, en)| Labels { de: de.value, en: en.value });
    Outcome { code, labels }
}

/// `label_de` and `label_en`; both must be there.
pub(super) fn read_labels(section: &mut Section<'_>, findings: &mut Findings) -> Option<Labels> {
    let de = section.required_text("label_de", LABEL_CHARACTERS_MAX, findings);
    let en = section.required_text("label_en", LABEL_CHARACTERS_MAX, findings);
    Some(Labels { de: de?.value, en: en?.value })
}

/// The legal basis, which must be there.
pub(super) fn read_basis(section: &mut Section<'_>, findings: &mut Findings) -> String {
    section.required_text("basis", BASIS_CHARACTERS_MAX, findings).map_or_else(String::new, |basis| basis.value)
}

/// Stands in for labels whose fault has been told; no definition is made of it.
pub(super) fn blank_labels() -> Labels {
    Labels { de: String::new(), en: String::new() }
}

/// A list of tables longer than it may be.
pub(super) fn refuse_surplus(
    sections: &[(Located<Code>, Section<'_>)],
    count_max: usize,
    what: &str,
    findings: &mut Findings,
) {
    if let Some((first, _)) = sections.get(count_max) {
        findings.error(first.at, format!("more than {count_max} {what}"), "take some out");
    }
}

pub(super) fn read_id(section: &mut Section<'_>, findings: &mut Findings) -> Option<String> {
    if section.place("id").is_none() {
        section.missing("id", findings);
    }
    let id = section.text("id", findings)?;
    if let Err(error) = check_id(&id.value) {
        findings.error(id.at, format!("`{}` is no id", quoted(&id.value)), format!("an id {error}"));
        return None;
    }
    Some(id.value)
}
