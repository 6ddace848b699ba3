//! The checker: from a definition's text to a `Definition`, or to everything that is wrong with the text. The text
//! comes from a proposal of any member, so it is read with limits and must never cause a panic.

mod additions;
mod attribute;
mod calendars;
mod causes;
mod classes;
mod conditions;
mod deadlines;
mod document;
mod guards;
mod names;
mod order;
mod parts;
mod regimes;
mod rules;
mod section;
mod status;
mod uses;

use crate::definition::{Definition, Rules};
use crate::finding::{Finding, Findings};
use crate::legal::Calendars;
use crate::limits::{SYNTAX_BYTES_MAX, TEXT_BYTES_MAX};
use document::Profile;
use section::Section;
use status::{Draft, Known};
use toml::de::DeTable;

/// A text that passed, with what its author should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The definition.
    pub definition: Definition,
    /// What is not wrong but worth knowing.
    pub notes: Vec<Finding>,
}

/// A calendars' text that passed, with what its author should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedCalendars {
    /// The calendars.
    pub calendars: Calendars,
    /// What is not wrong but worth knowing.
    pub notes: Vec<Finding>,
}

impl Definition {
    /// Checks a text and makes a definition of it.
    ///
    /// # Errors
    /// All that is wrong with the text, in its order. A text that is no TOML is told its syntax errors only.
    pub fn check(text: &str) -> Result<Checked, Vec<Finding>> {
        let (definition, findings) = parse(text, |top, findings| read(top, text, findings))?;
        match definition {
            Some(definition) if !findings.has_errors() => Ok(Checked { definition, notes: findings.into_notes(text) }),
            Some(_) | None => Err(findings.into_errors(text)),
        }
    }
}

/// Parses a text and has it read, unless it is too long or no TOML; then nothing is read.
fn parse<T>(
    text: &str,
    read: impl FnOnce(Section<'_>, &mut Findings) -> Option<T>,
) -> Result<(Option<T>, Findings), Vec<Finding>> {
    let mut findings = Findings::default();
    if text.len() > TEXT_BYTES_MAX {
        let message = format!("the text has {} bytes, more than {TEXT_BYTES_MAX}", text.len());
        findings.error(0, message, "shorten it");
        return Err(findings.into_errors(text));
    }
    let value = match DeTable::parse(text) {
        Ok(document) => read(Section::new(document.get_ref(), 0, String::new()), &mut findings),
        Err(first) => {
            tell_syntax(text, first, &mut findings);
            None
        }
    };
    Ok((value, findings))
}

/// All syntax errors of a text. Each of them costs, and a text may be nothing else: of a long one the first alone is told.
fn tell_syntax(text: &str, first: toml::de::Error, findings: &mut Findings) {
    let all = if text.len() > SYNTAX_BYTES_MAX { vec![first] } else { DeTable::parse_recoverable(text).1 };
    for error in &all {
        let at = error.span().map_or(text.len(), |span| span.start);
        findings.error(at, format!("not TOML: {}", error.message()), "see https://toml.io");
    }
}

fn read(mut top: Section<'_>, text: &str, findings: &mut Findings) -> Option<Definition> {
    let language = document::read_language(&mut top, document::LANGUAGE, findings);
    document::refuse_other_parts(&mut top, language, findings);
    let process = document::read_process(&mut top, findings);
    let profile = document::read_profile(&mut top, findings);
    let mut tracks = document::read_tracks(&mut top, findings);
    let roles = document::read_roles(&mut top, findings);
    let outcome_lists = document::read_outcome_lists(&mut top, findings);
    let mut known = Known {
        whole: text,
        language,
        tracks: &tracks,
        roles: &roles,
        outcome_lists: &outcome_lists,
        ..Known::default()
    };
    if let Some(profile) = &profile {
        known.profile = &profile.id;
        known.outside = profile.outside.iter().map(|name| (name.value.clone(), false)).collect();
    }
    let mut drafts = status::read_statuses(&mut top, &mut known, findings);
    let rules = if language < 2 {
        Rules::default()
    } else {
        additions::read_additions(&mut top, &mut known, &mut drafts, findings)
    };
    top.finish(findings);
    check_outside(profile.as_ref(), &known, findings);
    classes::check_classes(&drafts, findings);
    order::check_order(&drafts, findings);

    let process = process?;
    tracks.sort_by_key(|track| track.number);
    let statuses: Vec<_> = drafts.into_iter().map(|Draft { status, .. }| status).collect();
    let ranks = statuses.iter().map(|status| (status.code.clone(), status.rank)).collect();
    Some(Definition {
        language,
        id: process.id,
        version: process.version,
        labels: process.labels,
        profile: profile.map(|profile| profile.id),
        tracks,
        roles,
        outcome_lists,
        statuses,
        ranks,
        rules,
    })
}

/// A name outside the profile is neither declared in it nor without use.
fn check_outside(profile: Option<&Profile>, known: &Known<'_>, findings: &mut Findings) {
    for name in profile.into_iter().flat_map(|profile| &profile.outside) {
        if known.statuses.contains(&name.value) {
            let message = format!("`{}` is both declared and outside the profile", name.value);
            findings.error(name.at, message, "take it out of `outside`");
        } else if known.outside.get(&name.value) == Some(&false) {
            let by = if known.language < 2 { "no `after`" } else { "nothing" };
            let message = format!("`{}` is outside the profile, and {by} names it", name.value);
            findings.note(name.at, message, "it may go from `outside`");
        }
    }
}
