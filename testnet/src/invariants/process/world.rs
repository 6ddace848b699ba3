//! What the slow fold of effects asks of a case's surroundings. Must never fold anything itself.

use std::sync::Arc;

use laufzettel_chain::genesis::Genesis;
use laufzettel_chain::ids::{CaseId, Height};
use laufzettel_chain::state::effects::effect_id;
use laufzettel_contracts::effect::{Cause, Directory, EffectId};
use laufzettel_contracts::{Calendars, Code, Definition};

use super::votes::Votes;

/// A case's definition, and what it shares with all cases.
pub(super) struct Setting {
    pub(super) case: CaseId,
    pub(super) definition: Arc<Definition>,
    pub(super) calendars: Arc<Calendars>,
    pub(super) directory: Arc<Directory>,
}

impl Setting {
    /// Of a case opened under a definition in the block of a height; none where nothing follows from cases.
    pub(super) fn new(
        genesis: &Genesis,
        votes: &Votes<'_>,
        case: CaseId,
        (id, version): (&str, u32),
        height: Height,
    ) -> Option<Self> {
        let definition = votes.definition(id, version)?.clone();
        let calendars = votes.calendars_at(height)?.clone();
        let directory = genesis.registry.directory.clone();
        (definition.language() >= 2).then_some(Self { case, definition, calendars, directory })
    }

    /// The name of an effect.
    pub(super) fn name(&self, rule: &Code, cause: &Cause, occurrence: u32) -> EffectId {
        effect_id(&self.case, rule, cause, occurrence)
    }
}
