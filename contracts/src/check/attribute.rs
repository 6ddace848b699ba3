//! Reads the attributes of a status. Must never accept a bound or a code list on a type that has none.

use super::document::{blank_labels, read_labels, refuse_surplus};
use super::section::{Located, Section, code_at};
use crate::definition::{Attribute, AttributeType};
use crate::finding::Findings;
use crate::limits::{ATTRIBUTES_MAX, CODES_MAX};
use crate::name::Code;

/// The words for `type`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    Date,
    Code,
    Authority,
    Integer,
    Bool,
    Commitment,
}

const WORDS: [(&str, Word); 6] = [
    ("date", Word::Date),
    ("code", Word::Code),
    ("authority", Word::Authority),
    ("integer", Word::Integer),
    ("bool", Word::Bool),
    ("commitment", Word::Commitment),
];

pub(super) fn read_attributes(status: &mut Section<'_>, findings: &mut Findings) -> Vec<Attribute> {
    let sections = status.named_sections("attribute", findings);
    refuse_surplus(&sections, ATTRIBUTES_MAX, "attributes of a status", findings);
    sections
        .into_iter()
        .take(ATTRIBUTES_MAX)
        .map(|(code, section)| read_attribute(code.value, section, findings))
        .collect()
}

fn read_attribute(code: Code, mut section: Section<'_>, findings: &mut Findings) -> Attribute {
    let labels = read_labels(&mut section, findings).unwrap_or_else(blank_labels);
    let word = section.choice("type", &WORDS, findings);
    let codes_at = section.place("codes");
    let codes = section.names("codes", CODES_MAX, findings);
    let min = section.integer("min", findings);
    let max = section.integer("max", findings);
    if let Some(word) = word {
        refuse_idle(&section, word == Word::Code, &[("codes", codes_at)], findings);
        let bounds = [("min", min.as_ref().map(|min| min.at)), ("max", max.as_ref().map(|max| max.at))];
        refuse_idle(&section, word == Word::Integer, &bounds, findings);
    }
    let holds = match word {
        Some(Word::Code) => AttributeType::Code(read_codes(&section, codes, findings)),
        Some(Word::Integer) => read_bounds(min, max, findings),
        Some(Word::Authority) => AttributeType::Authority,
        Some(Word::Bool) => AttributeType::Bool,
        Some(Word::Commitment) => AttributeType::Commitment,
        Some(Word::Date) | None => AttributeType::Date,
    };
    let required = section.flag("required", findings);
    section.finish(findings);
    Attribute { code, labels, holds, required }
}

/// A key that says nothing for this type is more likely a wrong type than a wish.
fn refuse_idle(section: &Section<'_>, used: bool, keys: &[(&str, Option<usize>)], findings: &mut Findings) {
    for (key, at) in keys {
        if let (false, Some(at)) = (used, at) {
            let message = format!("`{key}` says nothing for the type of [{}]", section.path);
            findings.error(*at, message, format!("take `{key}` out or change `type`"));
        }
    }
}

fn read_codes(
    section: &Section<'_>,
    names: Option<Located<Vec<Located<String>>>>,
    findings: &mut Findings,
) -> Vec<Code> {
    let names = names.map_or_else(Vec::new, |names| names.value);
    if names.is_empty() {
        let message = format!("[{}] has type \"code\" and no codes", section.path);
        findings.error(section.at, message, "list them in `codes`");
    }
    names.iter().filter_map(|name| code_at(name.at, &name.value, findings)).map(|code| code.value).collect()
}

fn read_bounds(min: Option<Located<i64>>, max: Option<Located<i64>>, findings: &mut Findings) -> AttributeType {
    let least = min.as_ref().map_or(i64::MIN, |min| min.value);
    let most = max.as_ref().map_or(i64::MAX, |max| max.value);
    if let (Some(min), true) = (min, least > most) {
        findings.error(min.at, format!("`min` {least} is greater than `max` {most}"), "exchange them");
    }
    AttributeType::Integer { min: least, max: most }
}
