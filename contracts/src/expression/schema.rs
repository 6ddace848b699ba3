//! What an expression may name: the statuses of a definition with their fields, what may be open, the regimes. Must
//! never know more of a definition than that, so that it can be made while the definition is still being checked.

use super::tree::{Codes, Field};
use crate::definition::{AttributeType, OutcomeList, Status};
use crate::name::Code;
use std::collections::{BTreeMap, BTreeSet};

/// What the expressions of one definition may name. Made once for all of them.
#[derive(Debug, Clone, Default)]
pub struct Schema {
    statuses: BTreeMap<Code, Fields>,
    /// Restricted statuses with the class that stands for them: no report of them is ever seen.
    restricted: BTreeMap<Code, Code>,
    openings: BTreeSet<Code>,
    regimes: Codes,
}

/// The fields of a status's reports that not every report has.
#[derive(Debug, Clone, Default)]
pub(super) struct Fields {
    pub(super) outcomes: Option<Codes>,
    pub(super) attributes: BTreeMap<Code, Field>,
}

impl Schema {
    /// Takes the statuses of a definition, its outcome lists, the names of all deadlines, tasks, locks and markers, and
    /// its regimes. An outcome list that is not there is taken as none: that it is missing is told elsewhere.
    pub fn new<'d>(
        statuses: impl IntoIterator<Item = &'d Status>,
        outcome_lists: &[OutcomeList],
        openings: impl IntoIterator<Item = Code>,
        regimes: impl IntoIterator<Item = Code>,
    ) -> Self {
        let lists: BTreeMap<&Code, Codes> = outcome_lists
            .iter()
            .map(|list| (&list.code, sorted(list.outcomes.iter().map(|outcome| outcome.code.clone()))))
            .collect();
        let mut schema =
            Self { openings: openings.into_iter().collect(), regimes: sorted(regimes.into_iter()), ..Self::default() };
        for status in statuses {
            if let Some(class) = &status.ledger_as {
                schema.restricted.insert(status.code.clone(), class.clone());
                continue;
            }
            let outcomes = status.outcomes.as_ref().and_then(|name| lists.get(name).cloned());
            let attributes = status.attributes.iter().map(|attribute| {
                let name = attribute.code.clone();
                (name.clone(), field(name, &attribute.holds))
            });
            let fields = Fields { outcomes, attributes: attributes.collect() };
            schema.statuses.insert(status.code.clone(), fields);
        }
        schema
    }

    pub(super) fn status(&self, name: &str) -> Option<(&Code, &Fields)> {
        self.statuses.get_key_value(name)
    }

    pub(super) fn statuses(&self) -> impl Iterator<Item = &str> {
        self.statuses.keys().map(Code::as_str)
    }

    /// The class that stands for a restricted status.
    pub(super) fn class_of(&self, name: &str) -> Option<&Code> {
        self.restricted.get(name)
    }

    pub(super) fn opening(&self, name: &str) -> Option<&Code> {
        self.openings.get(name)
    }

    pub(super) fn openings(&self) -> impl Iterator<Item = &str> {
        self.openings.iter().map(Code::as_str)
    }

    pub(super) fn regimes(&self) -> &Codes {
        &self.regimes
    }
}

fn field(name: Code, holds: &AttributeType) -> Field {
    match holds {
        AttributeType::Code(codes) => Field::CodeAttribute(name, sorted(codes.iter().cloned())),
        AttributeType::Date
        | AttributeType::Authority
        | AttributeType::Integer { .. }
        | AttributeType::Bool
        | AttributeType::Commitment => Field::Attribute(name, holds.clone()),
    }
}

fn sorted(codes: impl Iterator<Item = Code>) -> Codes {
    let set: BTreeSet<Code> = codes.collect();
    set.into_iter().collect()
}
