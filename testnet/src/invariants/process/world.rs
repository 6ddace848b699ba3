//! What the slow fold of effects asks of a case's surroundings. Must never fold anything itself.

use std::sync::Arc;

use laufzettel_chain::genesis::Genesis;
use laufzettel_chain::ids::CaseId;
use laufzettel_chain::state::effects::effect_id;
use laufzettel_contracts::effect::{Cause, Directory, EffectId};
use laufzettel_contracts::{Calendars, Code, Definition};

/// A case's definition, and what it shares with all cases.
pub(super) struct Setting {
    pub(super) case: CaseId,
    pub(super) definition: Arc<Definition>,
    pub(super) calendars: Arc<Calendars>,
    pub(super) directory: Arc<Directory>,
}

impl Setting {
    /// Of a case under a definition; none where nothing follows from cases.
    pub(super) fn new(genesis: &Genesis, case: CaseId, definition: &str, version: u32) -> Option<Self> {
        let registry = &genesis.registry;
        let definition = registry.definition(definition, version)?.clone();
        let calendars = registry.calendars.clone()?;
        let directory = registry.directory.clone();
        (definition.language() >= 2).then_some(Self { case, definition, calendars, directory })
    }

    /// The name of an effect.
    pub(super) fn name(&self, rule: &Code, cause: &Cause, occurrence: u32) -> EffectId {
        effect_id(&self.case, rule, cause, occurrence)
    }
}
