//! The names the parts of language 2 may use: statuses as they stand on the ledger, roles, and the parts themselves.
//! Resolves lists of names, and says what a wrong one should be. Must never read a part.

use super::section::{Located, Section};
use super::status::{Draft, Known};
use crate::definition::{Kind, Role};
use crate::finding::{Findings, quoted};
use crate::limits::{ROLES_MAX, STATUSES_MAX};
use crate::name::Code;
use std::collections::BTreeMap;

/// A kind of part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    Deadline,
    Task,
    Lock,
    Marker,
    Notice,
}

impl Part {
    pub(super) const ALL: [Self; 5] = [Self::Deadline, Self::Task, Self::Lock, Self::Marker, Self::Notice];

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Deadline => "deadline",
            Self::Task => "task",
            Self::Lock => "lock",
            Self::Marker => "marker",
            Self::Notice => "notice",
        }
    }
}

/// What of a status other parts ask for.
#[derive(Debug)]
struct Seen {
    kind: Kind,
    /// The class under which a restricted one stands on the ledger.
    class: Option<Code>,
}

/// All names of a definition.
#[derive(Debug)]
pub(super) struct Names<'k> {
    statuses: BTreeMap<Code, Seen>,
    roles: &'k [Role],
    profile: &'k str,
    /// Names outside the profile, and whether something has named them.
    pub(super) outside: BTreeMap<Code, bool>,
    /// Each part with the place of its name.
    pub(super) parts: BTreeMap<Part, BTreeMap<Code, usize>>,
}

impl<'k> Names<'k> {
    /// The names a definition has before its parts are known. Takes what `known` knows of the names outside.
    pub(super) fn new(known: &mut Known<'k>, drafts: &[Draft]) -> Self {
        let seen = |draft: &Draft| Seen { kind: draft.status.kind, class: draft.status.ledger_as.clone() };
        Self {
            statuses: drafts.iter().map(|draft| (draft.status.code.clone(), seen(draft))).collect(),
            roles: known.roles,
            profile: known.profile,
            outside: std::mem::take(&mut known.outside),
            parts: BTreeMap::new(),
        }
    }

    /// The kind of a status that stands on the ledger.
    pub(super) fn kind_of(&self, status: &Code) -> Option<Kind> {
        self.statuses.get(status).map(|seen| seen.kind)
    }

    /// Restricted statuses that stand on the ledger as this class, with their kind.
    pub(super) fn members_of(&self, class: &Code) -> impl Iterator<Item = (&Code, Kind)> {
        let members = self.statuses.iter().filter(move |(_, seen)| seen.class.as_ref() == Some(class));
        members.map(|(code, seen)| (code, seen.kind))
    }

    /// A status that stands on the ledger, or a finding.
    pub(super) fn status(&self, name: &Located<String>, findings: &mut Findings) -> Option<Located<Code>> {
        match self.statuses.get_key_value(name.value.as_str()) {
            Some((code, Seen { class: None, .. })) => Some(Located { at: name.at, value: code.clone() }),
            Some((code, Seen { class: Some(class), .. })) => {
                let message = format!("`{code}` is restricted: no report of it stands on the ledger");
                findings.error(name.at, message, format!("name its class `{class}` instead"));
                None
            }
            None => {
                let known = self.statuses.iter().filter(|(_, seen)| seen.class.is_none());
                findings.unknown(name.at, "status", &name.value, known.map(|(code, _)| code.as_str()));
                None
            }
        }
    }

    /// A list of statuses; names outside the profile are dropped, which is told as a note.
    pub(super) fn statuses(
        &mut self,
        section: &mut Section<'_>,
        key: &'static str,
        findings: &mut Findings,
    ) -> Vec<Located<Code>> {
        let names = section.names(key, STATUSES_MAX, findings).map_or_else(Vec::new, |names| names.value);
        let mut statuses = Vec::with_capacity(names.len());
        for name in names {
            if let Some(named) = self.outside.get_mut(name.value.as_str()) {
                *named = true;
                let message = format!(
                    "`{}` in `{key}` of [{}] lies outside profile `{}`",
                    name.value, section.path, self.profile
                );
                findings.note(name.at, message, "dropped here");
            } else {
                statuses.extend(self.status(&name, findings));
            }
        }
        statuses
    }

    /// A role, or a finding.
    pub(super) fn role(&self, name: &Located<String>, findings: &mut Findings) -> Option<Located<Code>> {
        let found = self.roles.iter().find(|role| role.code.as_str() == name.value);
        if found.is_none() {
            findings.unknown(name.at, "role", &name.value, self.roles.iter().map(|role| role.code.as_str()));
        }
        found.map(|role| Located { at: name.at, value: role.code.clone() })
    }

    /// A list of roles.
    pub(super) fn roles(
        &self,
        section: &mut Section<'_>,
        key: &'static str,
        findings: &mut Findings,
    ) -> Vec<Located<Code>> {
        let names = section.names(key, ROLES_MAX, findings).map_or_else(Vec::new, |names| names.value);
        names.iter().filter_map(|name| self.role(name, findings)).collect()
    }

    /// A part of one kind, or a finding.
    pub(super) fn part(&self, part: Part, name: &Located<String>, findings: &mut Findings) -> Option<Located<Code>> {
        let find = |part: Part| self.parts.get(&part)?.get_key_value(name.value.as_str());
        if let Some((code, _)) = find(part) {
            return Some(Located { at: name.at, value: code.clone() });
        }
        let known = self.parts.get(&part).into_iter().flat_map(BTreeMap::keys).map(Code::as_str);
        match Part::ALL.into_iter().find(|other| find(*other).is_some()) {
            Some(other) => {
                let message = format!("`{}` is a {}, not a {}", quoted(&name.value), other.word(), part.word());
                let fix = format!("name a {}", part.word());
                findings.misnamed(name.at, message, &name.value, known, &fix);
            }
            None => findings.unknown(name.at, part.word(), &name.value, known),
        }
        None
    }

    /// A list of parts of one kind.
    pub(super) fn part_list(
        &self,
        part: Part,
        section: &mut Section<'_>,
        key: &'static str,
        count_max: usize,
        findings: &mut Findings,
    ) -> Vec<Located<Code>> {
        let names = section.names(key, count_max, findings).map_or_else(Vec::new, |names| names.value);
        names.iter().filter_map(|name| self.part(part, name, findings)).collect()
    }
}

/// The codes without their places.
pub(super) fn codes(names: Vec<Located<Code>>) -> Vec<Code> {
    names.into_iter().map(|name| name.value).collect()
}
