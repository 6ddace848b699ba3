//! Reads what language 2 adds to a status: guards, the roles it assigns, and how long its reports are kept. In two
//! steps, because a guard may name statuses that stand later in the text. Must never judge a report.

use super::conditions::Conditions;
use super::document::{blank_labels, read_basis, read_labels};
use super::section::{Located, Section, code_at};
use super::status::{Draft, Known};
use crate::definition::{AttributeType, Guard, Kind, Labels, Status};
use crate::finding::{Findings, quoted};
use crate::legal::Length;
use crate::limits::{GUARDS_MAX, REASONS_MAX};
use crate::name::Code;
use std::collections::BTreeMap;

/// Keys of a status that language 1 does not have.
pub(super) const ADDITIONS: [&str; 4] = ["warn_if", "block_if", "assigns", "retention"];

/// A guard whose condition is still a text.
#[derive(Debug)]
pub(super) struct RawGuard {
    name: Code,
    path: String,
    labels: Labels,
    when: Option<Located<String>>,
    overrides: Vec<Code>,
    basis: String,
}

/// The guards of one status.
#[derive(Debug, Default)]
pub(super) struct RawGuards {
    warn_if: Vec<RawGuard>,
    block_if: Vec<RawGuard>,
}

/// Reads the additions of a status whose other keys have been read.
pub(super) fn read_additions(
    section: &mut Section<'_>,
    status: &mut Status,
    known: &Known<'_>,
    findings: &mut Findings,
) -> RawGuards {
    if let Some(class) = &status.ledger_as {
        for key in ADDITIONS {
            if let Some(at) = section.place(key) {
                let message = format!("`{}` is restricted: no report of it stands on the ledger", status.code);
                findings.error(at, message, format!("write `{key}` at its class `{class}`"));
            }
        }
        return RawGuards::default();
    }
    status.assigns = read_assigns(section, status, known, findings);
    status.retention = read_retention(section, findings);
    let mut names = BTreeMap::new();
    let mut guards = |key, blocks, findings: &mut Findings| -> Vec<RawGuard> {
        let tables = section.tables(key, GUARDS_MAX, findings);
        tables.into_iter().filter_map(|table| read_guard(table, blocks, known.whole, &mut names, findings)).collect()
    };
    let raw = RawGuards { warn_if: guards("warn_if", false, findings), block_if: guards("block_if", true, findings) };
    if let (Kind::Reports, [_, ..], Some(at)) = (status.kind, &*raw.block_if, section.place("block_if")) {
        let message = format!("`{}` reports a fact: where `block_if` holds it is recorded all the same", status.code);
        findings.note(at, message, "it is then a grave deviation; use `warn_if` for a plain one");
    }
    raw
}

fn read_retention(section: &mut Section<'_>, findings: &mut Findings) -> Option<Length> {
    let length = section.length("retention", findings)?;
    if length.value.clock_ms().is_some() {
        let message = format!("`retention` of [{}] is counted by the clock", section.path);
        findings.error(length.at, message, "write days, weeks, months or years, such as P10Y");
    }
    Some(length.value)
}

fn read_guard(
    mut section: Section<'_>,
    blocks: bool,
    whole: &str,
    names: &mut BTreeMap<Code, usize>,
    findings: &mut Findings,
) -> Option<RawGuard> {
    let name = read_name(&mut section, findings);
    let labels = read_labels(&mut section, findings).unwrap_or_else(blank_labels);
    if section.place("when").is_none() {
        section.missing("when", findings);
    }
    let when = section.condition("when", whole, findings);
    let override_at = section.place("override");
    let overrides = section.names("override", REASONS_MAX, findings).map_or_else(Vec::new, |names| names.value);
    if let (false, Some(at)) = (blocks, override_at) {
        let message = format!("`override` of [{}] says nothing: a warning refuses no report", section.path);
        findings.error(at, message, "take it out, or use `block_if`");
    }
    let overrides = overrides.iter().filter_map(|name| code_at(name.at, &name.value, findings));
    let overrides = overrides.map(|code| code.value).collect();
    let basis = read_basis(&mut section, findings);
    let path = section.path.clone();
    section.finish(findings);
    let name = name?;
    if let Some(other_at) = names.insert(name.value.clone(), name.at) {
        let message = format!("another guard of this status is called `{}`", name.value);
        // Those that warn are read first, wherever they stand.
        findings.error(name.at.max(other_at), message, "give it another name: deviations are told apart by it");
    }
    Some(RawGuard { name: name.value, path, labels, when, overrides, basis })
}

/// The name of a table in a list, which from then on stands in messages about it.
pub(super) fn read_name(section: &mut Section<'_>, findings: &mut Findings) -> Option<Located<Code>> {
    if section.place("name").is_none() {
        section.missing("name", findings);
    }
    let name = section.text("name", findings)?;
    section.path = format!("{} {}", section.path, quoted(&name.value));
    code_at(name.at, &name.value, findings)
}

fn read_assigns(
    section: &mut Section<'_>,
    status: &Status,
    known: &Known<'_>,
    findings: &mut Findings,
) -> Vec<(Code, Code)> {
    let Some(table) = section.section("assigns", findings) else {
        return Vec::new();
    };
    let mut assigns = Vec::new();
    for (role, attribute) in table.text_members(findings) {
        let found = known.roles.iter().find(|known| known.code.as_str() == role.value);
        if found.is_none() {
            findings.unknown(role.at, "role", &role.value, known.roles.iter().map(|role| role.code.as_str()));
        }
        let named = status.attributes.iter().find(|known| known.code.as_str() == attribute.value);
        match named {
            None => {
                let known = status.attributes.iter().map(|attribute| attribute.code.as_str());
                findings.unknown(attribute.at, "attribute", &attribute.value, known);
            }
            Some(named) if named.holds != AttributeType::Authority => {
                let message = format!("attribute `{}` holds no authority", named.code);
                findings.error(attribute.at, message, "name one of type = \"authority\"");
            }
            Some(named) => assigns.extend(found.map(|role| (role.code.clone(), named.code.clone()))),
        }
    }
    assigns
}

/// Compiles the guards of all statuses, now that all names are known.
pub(super) fn compile_guards(drafts: &mut [Draft], conditions: &Conditions<'_>, findings: &mut Findings) {
    for draft in drafts {
        let RawGuards { warn_if, block_if } = std::mem::take(&mut draft.guards);
        let this = draft.status.code.clone();
        let mut compile = |raw: RawGuard| {
            let when = conditions.compile(raw.when.as_ref()?, &raw.path, Some(this.as_str()), findings)?;
            let RawGuard { name, labels, overrides, basis, .. } = raw;
            Some(Guard { name, labels, when, overrides, basis })
        };
        draft.status.warn_if = warn_if.into_iter().filter_map(&mut compile).collect();
        draft.status.block_if = block_if.into_iter().filter_map(&mut compile).collect();
    }
}
