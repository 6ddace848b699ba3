//! What follows from a case: [`views`] makes the messages of what a view of the case holds, [`explain`] says why. Asks the
//! ledger for the effects of one case. Must never put into a message of a case what its reader's view lacks.

pub(super) mod explain;
#[cfg(test)]
mod tests;
pub(super) mod views;

use std::sync::Arc;

use laufzettel_chain::ids::CaseId;
use laufzettel_chain::index::waiting::Waiting;
use laufzettel_chain::query::{self, CaseEffects, InboxRow};
use laufzettel_chain::registry::Registry;
use laufzettel_chain::state::case::CaseRow;
use laufzettel_chain::storage::Read;
use laufzettel_contracts::{AuthorityId, Code, Definition, Language};
use laufzettel_proto::v1;

use super::status::Failure;

/// The first language with rules.
const LANGUAGE_OF_RULES: u32 = 2;

/// Who reads.
#[derive(Debug, Clone)]
pub(super) struct Reader<'r> {
    /// The authority.
    pub(super) authority: &'r str,
    /// The roles it holds in the network.
    pub(super) roles: &'r [Code],
    id: Option<AuthorityId>,
}

impl<'r> Reader<'r> {
    /// An authority of the network.
    pub(super) fn of(registry: &'r Registry, authority: &'r str) -> Self {
        Self::with(authority, registry.roles(authority))
    }

    /// An authority that holds these roles.
    pub(super) fn with(authority: &'r str, roles: &'r [Code]) -> Self {
        let id = AuthorityId::new(authority).ok();
        // Without an id the roles would be read as anybody's who holds them in a case: then rather none.
        let roles = if id.is_some() { roles } else { &[] };
        Self { authority, roles, id }
    }

    /// It before a case.
    pub(super) fn eye(&self) -> laufzettel_contracts::Reader<'_> {
        laufzettel_contracts::Reader { roles: self.roles, authority: self.id.as_ref() }
    }
}

/// Whether a definition is in a language that has rules.
pub(super) fn has_rules(definition: &Definition) -> bool {
    definition.language() >= LANGUAGE_OF_RULES
}

/// A case with what follows from it.
pub(super) struct Followed {
    pub(super) definition: Arc<Definition>,
    pub(super) case: CaseEffects,
}

/// What follows from a case as of an instant; none for a case without rules, or if there is no such case.
pub(super) fn follow(
    read: &dyn Read,
    registry: &Registry,
    id: &CaseId,
    as_of_ms: u64,
) -> Result<Option<Followed>, Failure> {
    let Some(row) = CaseRow::load(read, id)? else { return Ok(None) };
    let definition = row.definition(registry, id)?.clone();
    if !has_rules(&definition) {
        return Ok(None);
    }
    let case = query::effects(read, registry, id, as_of_ms)?;
    Ok(case.map(|case| Followed { definition, case }))
}

/// What a row of an inbox tells: its one effect, without its case. A row of an earlier version tells where to look.
pub(super) fn waiting(
    read: &dyn Read,
    registry: &Registry,
    row: &InboxRow,
    now_ms: u64,
) -> Result<Option<Followed>, Failure> {
    let Some(calendars) = registry.calendars.as_ref().filter(|_| !row.bytes.is_empty()) else {
        return follow(read, registry, &row.case, now_ms);
    };
    let waiting = Waiting::read(&row.bytes)?;
    // Other calendars count now, and the case was not written since.
    if waiting.calendars != calendars.version() {
        return follow(read, registry, &row.case, now_ms);
    }
    let definition = registry.definition(&waiting.definition, waiting.version).cloned();
    let (effects, history) = waiting.effects(calendars, &registry.directory, now_ms);
    Ok(definition.map(|definition| Followed { definition, case: CaseEffects { effects, history } }))
}

/// Both languages of a text.
fn labels(labels: &laufzettel_contracts::Labels) -> v1::Labels {
    words(|language| labels.get(language).to_owned())
}

fn words(text: impl Fn(Language) -> String) -> v1::Labels {
    v1::Labels { de: text(Language::German), en: text(Language::English) }
}

/// A text that is written here.
fn text(de: impl Into<String>, en: impl Into<String>) -> v1::Labels {
    v1::Labels { de: de.into(), en: en.into() }
}
