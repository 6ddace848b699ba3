//! Who reads, before one case: whether a report is for the reader, a role the reader's, a lock one that stops the reader.
//! Needs nothing of the case but who holds which role in it, so that one event can be judged without the others. Must
//! never depend on what else was reported.

use super::Reader;
use crate::definition::{Definition, Lock, Status};
use crate::effect::{Addressee, Participant};
use crate::name::{AuthorityId, Code};
use crate::report::Report;
use std::collections::BTreeMap;

/// Who holds which role in a case, as far as it is known.
pub type Holders = BTreeMap<Code, Participant>;

/// A reader before a case.
#[derive(Debug, Clone, Copy)]
pub struct Sight<'s> {
    def: &'s Definition,
    holders: &'s Holders,
    reader: &'s Reader<'s>,
}

impl<'s> Sight<'s> {
    /// A reader before a case in which these hold their roles.
    pub fn new(def: &'s Definition, holders: &'s Holders, reader: &'s Reader<'s>) -> Self {
        Self { def, holders, reader }
    }

    /// Whether a report of this author is seen, whatever has become of it.
    pub fn report(&self, author: &AuthorityId, report: &Report) -> bool {
        let status = self.def.status(report.status.as_str());
        self.reader.is_of(author, report) || status.is_some_and(|status| self.status(status))
    }

    /// Whether every report of a status is seen, whoever makes it.
    pub fn status(&self, status: &Status) -> bool {
        listed(status).any(|role| self.holds(role))
    }

    /// Whether the reader reads in a role.
    pub(super) fn has(&self, role: &Code) -> bool {
        self.reader.roles.contains(role)
    }

    /// Whether the reader reads in a role, and is the one who holds it in the case if that is known.
    pub(super) fn holds(&self, role: &Code) -> bool {
        self.has(role) && self.may_be(self.holders.get(role).map(Participant::authority))
    }

    pub(super) fn holds_any(&self, roles: &[Code]) -> bool {
        roles.iter().any(|role| self.holds(role))
    }

    pub(super) fn is_meant(&self, addressee: &Addressee) -> bool {
        self.has(&addressee.role) && self.may_be(addressee.authority.as_ref())
    }

    /// Whether the reader may report what a lock stops or alarms, or what releases it. That it is not the one who holds
    /// the role in the case does not keep it from acting, and so not from knowing.
    pub(super) fn is_stopped(&self, lock: &Lock) -> bool {
        let releases = self.def.rules().rules.iter().filter(|rule| rule.unlock.contains(&lock.code));
        let releasing = releases.filter_map(|rule| rule.on.status());
        let codes = lock.stops.iter().chain(&lock.alarms).chain(releasing);
        let mut statuses = codes.filter_map(|code| self.def.status(code.as_str()));
        statuses.any(|status| status.reported_by.iter().any(|role| self.has(role)))
    }

    /// Whether the reader may be the authority that is known.
    fn may_be(&self, known: Option<&AuthorityId>) -> bool {
        match (known, self.reader.authority) {
            (Some(known), Some(reader)) => known == reader,
            (None, _) | (_, None) => true,
        }
    }
}

/// The roles that a status names.
pub(super) fn listed(status: &Status) -> impl Iterator<Item = &Code> {
    status.reported_by.iter().chain(&status.recipients)
}
