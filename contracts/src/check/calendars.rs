//! From a calendars' text to `Calendars`, or to everything that is wrong with the text. The text comes from a proposal
//! of any member, so it is read with limits and must never cause a panic.

use super::document::{blank_labels, read_id, read_labels, read_version};
use super::section::{Located, Section};
use super::{CheckedCalendars, parse};
use crate::definition::Labels;
use crate::finding::{Finding, Findings, quoted};
use crate::legal::{Area, AreaCode, Calendars, Civil, Holiday, HolidayRule, Parts};
use crate::limits::{
    AREAS_MAX, BASIS_CHARACTERS_MAX, EASTER_DISTANCE_DAYS, HOLIDAYS_MAX, LABEL_CHARACTERS_MAX, SEATS_MAX,
};
use crate::name::{AuthorityId, Code};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The words for `rule`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    Fixed,
    Easter,
    WednesdayBefore,
}

const WORDS: [(&str, Word); 3] =
    [("fixed", Word::Fixed), ("easter", Word::Easter), ("wednesday_before", Word::WednesdayBefore)];

/// The one version of the calendars' language. It counts apart from that of definitions.
const LANGUAGE: i64 = 1;

/// A leap year: what no date of it is, is none of any year.
const LEAP_YEAR: i32 = 2000;

impl Calendars {
    /// Checks a text and makes calendars of it.
    ///
    /// # Errors
    /// All that is wrong with the text, in its order. A text that is no TOML is told its syntax errors only.
    pub fn check(text: &str) -> Result<CheckedCalendars, Vec<Finding>> {
        let (calendars, findings) = parse(text, read)?;
        match calendars {
            Some(calendars) if !findings.has_errors() => {
                Ok(CheckedCalendars { calendars, notes: findings.into_notes(text) })
            }
            Some(_) | None => Err(findings.into_errors(text)),
        }
    }
}

fn read(mut top: Section<'_>, findings: &mut Findings) -> Option<Calendars> {
    read_language(&mut top, findings);
    let head = read_head(&mut top, findings);
    let areas = read_areas(&mut top, findings);
    let holidays = read_holidays(&mut top, &areas, findings);
    let seats = read_seats(&mut top, &areas, &holidays, findings);
    top.finish(findings);
    let (id, version, labels) = head?;
    Some(Calendars::of(Parts { id, version, labels, areas, holidays, seats }))
}

fn read_language(top: &mut Section<'_>, findings: &mut Findings) {
    if top.place("language").is_none() {
        return top.missing("language", findings);
    }
    if let Some(Located { at, value }) = top.integer("language", findings).filter(|found| found.value != LANGUAGE) {
        findings.error(at, format!("language {value} is not known"), format!("write language = {LANGUAGE}"));
    }
}

fn read_head(top: &mut Section<'_>, findings: &mut Findings) -> Option<(String, u32, Labels)> {
    let Some(mut section) = top.section("calendars", findings) else {
        if top.place("calendars").is_none() {
            top.missing("calendars", findings);
        }
        return None;
    };
    let id = read_id(&mut section, findings);
    let version = read_version(&mut section, findings);
    let labels = read_labels(&mut section, findings);
    section.finish(findings);
    Some((id?, version?, labels?))
}

fn read_areas(top: &mut Section<'_>, findings: &mut Findings) -> Vec<Area> {
    let before = findings.error_count();
    let sections = match top.section("area", findings) {
        Some(all) => all.any_members(findings),
        None => Vec::new(),
    };
    if sections.is_empty() && findings.error_count() == before {
        findings.error(top.place("area").unwrap_or(top.at), "there is no area", "declare one under [area]");
    }
    if let Some((first, _)) = sections.get(AREAS_MAX) {
        findings.error(first.at, format!("more than {AREAS_MAX} areas"), "take some out");
    }
    let mut areas = Vec::new();
    for (name, mut section) in sections.into_iter().take(AREAS_MAX) {
        let de = section.required_text("de", LABEL_CHARACTERS_MAX, findings);
        let en = section.required_text("en", LABEL_CHARACTERS_MAX, findings);
        section.finish(findings);
        let Some(code) = area_at(name.at, &name.value, findings) else {
            continue;
        };
        if code.is_country() {
            let message = format!("`{code}` is a country, and holidays differ within it");
            findings.error(name.at, message, "declare its parts, such as DE-SN");
            continue;
        }
        // An area with a fault is still declared: a second finding wherever it is named would say nothing new.
        let labels = de.zip(en).map_or_else(blank_labels, |(de, en)| Labels { de: de.value, en: en.value });
        areas.push(Area { code, labels });
    }
    areas
}

fn read_holidays(top: &mut Section<'_>, areas: &[Area], findings: &mut Findings) -> Vec<Arc<Holiday>> {
    let sections = top.named_sections("holiday", findings);
    if let Some((first, _)) = sections.get(HOLIDAYS_MAX) {
        findings.error(first.at, format!("more than {HOLIDAYS_MAX} holidays"), "take some out");
    }
    let sections = sections.into_iter().take(HOLIDAYS_MAX);
    let declared = Declared::of(areas);
    let read = |(code, section): (Located<Code>, _)| read_holiday(code.value, section, &declared, findings);
    sections.filter_map(read).map(Arc::new).collect()
}

/// Where a holiday may hold: the areas, and the countries they are of.
struct Declared<'a> {
    areas: &'a [Area],
    names: BTreeSet<&'a str>,
}

impl<'a> Declared<'a> {
    fn of(areas: &'a [Area]) -> Self {
        let names = areas.iter().flat_map(|area| area.code.wholes().take(1).chain([area.code.as_str()]));
        Self { areas, names: names.collect() }
    }
}

fn read_holiday(
    code: Code,
    mut section: Section<'_>,
    declared: &Declared<'_>,
    findings: &mut Findings,
) -> Option<Holiday> {
    let labels = read_labels(&mut section, findings);
    let rule = read_rule(&mut section, findings);
    let holds = read_holds(&mut section, declared, findings);
    let from = read_year(&mut section, "from", findings);
    let until = read_year(&mut section, "until", findings);
    let (first, last) =
        (from.as_ref().map_or(i32::MIN, |from| from.value), until.map_or(i32::MAX, |until| until.value));
    if let (Some(from), true) = (from, first > last) {
        findings.error(from.at, format!("`from` {first} is after `until` {last}"), "exchange them");
    }
    let basis = section.required_text("basis", BASIS_CHARACTERS_MAX, findings);
    let verified = section.choice("verified", &[("V", true), ("M", false)], findings);
    if verified == Some(false) {
        findings.note(section.at, format!("[{}] is from memory", section.path), "check it in its act");
    }
    section.finish(findings);
    Some(Holiday {
        code,
        labels: labels?,
        rule: rule?,
        areas: holds,
        from: first,
        until: last,
        basis: basis?.value,
        verified: verified?,
    })
}

fn read_rule(section: &mut Section<'_>, findings: &mut Findings) -> Option<HolidayRule> {
    let word = section.choice("rule", &WORDS, findings);
    let month = section.integer("month", findings);
    let day = section.integer("day", findings);
    let days = section.integer("days", findings);
    let word = word?;
    let idle: &[(&str, &Option<Located<i64>>)] =
        if word == Word::Easter { &[("month", &month), ("day", &day)] } else { &[("days", &days)] };
    for (key, value) in idle {
        if let Some(value) = value {
            let message = format!("`{key}` says nothing for the rule of [{}]", section.path);
            findings.error(value.at, message, format!("take `{key}` out or change `rule`"));
        }
    }
    if word == Word::Easter {
        let days = wanted(section, "days", days, findings)?;
        let near = Some(days.value).filter(|value| EASTER_DISTANCE_DAYS.contains(value));
        let near = near.and_then(|value| i32::try_from(value).ok());
        if near.is_none() {
            let (least, most) = (EASTER_DISTANCE_DAYS.start(), EASTER_DISTANCE_DAYS.end());
            let message = format!("{} days from Easter may leave its year", days.value);
            findings.error(days.at, message, format!("write a number from {least} to {most}"));
        }
        return Some(HolidayRule::Easter { days: near? });
    }
    let (month, day) = (wanted(section, "month", month, findings), wanted(section, "day", day, findings));
    let (month, day) = (month?, day?);
    let parts = u8::try_from(month.value).ok().zip(u8::try_from(day.value).ok());
    let date = parts.and_then(|(month, day)| Civil::new(LEAP_YEAR, month, day));
    let Some(date) = date else {
        let message = format!("there is no day {} in month {}", day.value, month.value);
        findings.error(day.at, message, "write a date that some year has");
        return None;
    };
    let (month, day) = (date.month(), date.day());
    match word {
        Word::WednesdayBefore => Some(HolidayRule::WednesdayBefore { month, day }),
        Word::Fixed | Word::Easter => Some(HolidayRule::Fixed { month, day }),
    }
}

/// A key that was asked for and must be there.
fn wanted(
    section: &mut Section<'_>,
    key: &'static str,
    value: Option<Located<i64>>,
    findings: &mut Findings,
) -> Option<Located<i64>> {
    if section.place(key).is_none() {
        section.missing(key, findings);
    }
    value
}

fn read_holds(section: &mut Section<'_>, declared: &Declared<'_>, findings: &mut Findings) -> Vec<AreaCode> {
    if section.place("areas").is_none() {
        section.missing("areas", findings);
    }
    let Some(names) = section.names("areas", AREAS_MAX, findings) else {
        return Vec::new();
    };
    if names.value.is_empty() {
        let message = format!("[{}] holds nowhere", section.path);
        findings.error(names.at, message, "name an area, or take the holiday out");
    }
    let mut holds = Vec::new();
    for name in names.value {
        let Some(code) = area_at(name.at, &name.value, findings) else {
            continue;
        };
        if declared.names.contains(code.as_str()) {
            holds.push(code);
        } else {
            let areas = declared.areas.iter().map(|area| area.code.as_str());
            findings.unknown(name.at, "area", &name.value, areas);
        }
    }
    holds
}

fn read_year(section: &mut Section<'_>, key: &'static str, findings: &mut Findings) -> Option<Located<i32>> {
    let Located { at, value } = section.integer(key, findings)?;
    let year = i32::try_from(value).ok().filter(|year| (1..=9_999).contains(year));
    if year.is_none() {
        findings.error(at, format!("`{key}` {value} is no year"), "write a year from 1 to 9999");
    }
    year.map(|value| Located { at, value })
}

fn read_seats(
    top: &mut Section<'_>,
    areas: &[Area],
    holidays: &[Arc<Holiday>],
    findings: &mut Findings,
) -> BTreeMap<AuthorityId, AreaCode> {
    let pairs = match top.section("seat", findings) {
        Some(section) => section.text_members(findings),
        None => Vec::new(),
    };
    if let Some((first, _)) = pairs.get(SEATS_MAX) {
        findings.error(first.at, format!("more than {SEATS_MAX} seats"), "take some out");
    }
    let declared = Declared::of(areas);
    // Each where a holiday holds once, in the order of the text.
    let mut seen: BTreeSet<&AreaCode> = BTreeSet::new();
    let held = holidays.iter().flat_map(|holiday| &holiday.areas).filter(|holds| seen.insert(holds));
    let held: Vec<&AreaCode> = held.collect();
    let mut seats = BTreeMap::new();
    for (name, area) in pairs.into_iter().take(SEATS_MAX) {
        let authority = AuthorityId::new(&name.value).map_err(|error| {
            let message = format!("`{}` is no authority id", quoted(&name.value));
            findings.error(name.at, message, format!("an id {error}"));
        });
        let code = area_at(area.at, &area.value, findings);
        let (Ok(authority), Some(code)) = (authority, code) else {
            continue;
        };
        if code.is_country() {
            let message = format!("`{code}` is a country, and nobody's seat");
            findings.error(area.at, message, "name the Land or the municipality");
            continue;
        }
        if declared.names.contains(code.as_str()) {
            // A Land is no sure answer where its municipalities differ.
            if let Some(part) = held.iter().find(|holds| ***holds != code && code.covers(holds)) {
                let message = format!("`{code}` has parts with more holidays, such as `{part}`");
                findings.note(area.at, message, "name the municipality");
            }
            seats.insert(authority, code);
        } else {
            findings.unknown(area.at, "area", &area.value, areas.iter().map(|area| area.code.as_str()));
        }
    }
    seats
}

fn area_at(at: usize, text: &str, findings: &mut Findings) -> Option<AreaCode> {
    let code = AreaCode::new(text);
    if let Err(error) = code {
        findings.error(at, format!("`{}` is no area code", quoted(text)), format!("an area code {error}"));
    }
    code.ok()
}
