//! What a proposal item says: a whole new text, from which height, and who has to agree (docs/FORMATS.md A.3). Decoding
//! checks form and bounds; it must never judge the text.

use std::collections::BTreeMap;

use laufzettel_contracts::limits as process_limits;
use laufzettel_contracts::{AuthorityId, Code};
use laufzettel_proto::v1 as proto;

use crate::item::ItemError;
use crate::limits;

/// What a proposal changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProposalKind {
    /// A process definition.
    Definition,
    /// The calendars.
    Calendars,
}

impl ProposalKind {
    /// Its name in an item.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Definition => "definition",
            Self::Calendars => "calendars",
        }
    }
    /// From its name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::Definition, Self::Calendars].into_iter().find(|kind| kind.name() == name)
    }
    /// Its number in the state.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Definition => 1,
            Self::Calendars => 2,
        }
    }
    /// From its number.
    #[must_use]
    pub fn of_number(number: u8) -> Option<Self> {
        [Self::Definition, Self::Calendars].into_iter().find(|kind| kind.number() == number)
    }
}

/// A proposed change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What it changes.
    pub kind: ProposalKind,
    /// The whole new text; not yet known to be one.
    pub text: Vec<u8>,
    /// The first height at which it is in force, if it is adopted before; else the one after its adoption.
    pub effective_height: u64,
    /// Who has to agree, strictly ascending; compared with what the texts give when it is executed.
    pub must_agree: Vec<AuthorityId>,
    /// Moves the cases of the newest version there is: new status by old one. Empty: they keep their version.
    pub moves: BTreeMap<Code, Code>,
}

impl Change {
    /// From its message.
    ///
    /// # Errors
    /// A field is missing or out of its range.
    pub(crate) fn from_proto(wire: proto::Propose) -> Result<Self, ItemError> {
        let kind = ProposalKind::of_name(&wire.kind);
        let kind = kind.ok_or(ItemError::Field("kind of a proposal is definition or calendars"))?;
        if wire.text.is_empty() {
            return Err(ItemError::Field("a proposal needs the whole new text"));
        }
        if wire.must_agree.len() > limits::AUTHORITIES_MAX {
            return Err(ItemError::Field("at most 1,024 authorities may have to agree"));
        }
        let authority = |id: &String| AuthorityId::new(id);
        let must_agree: Vec<AuthorityId> = wire
            .must_agree
            .iter()
            .map(authority)
            .collect::<Result<_, _>>()
            .map_err(|_| ItemError::Field("an authority id is 2 to 32 of [a-z][a-z0-9-]*"))?;
        if must_agree.windows(2).any(|pair| matches!(pair, [a, b] if a >= b)) {
            return Err(ItemError::Field("must_agree must be strictly ascending"));
        }
        let moves = mapping(&wire.moves)?;
        Ok(Self { kind, text: wire.text, effective_height: wire.effective_height, must_agree, moves })
    }
    /// Its message.
    pub(crate) fn to_proto(&self) -> proto::Propose {
        proto::Propose {
            kind: self.kind.name().to_owned(),
            text: self.text.clone(),
            effective_height: self.effective_height,
            must_agree: self.must_agree.iter().map(ToString::to_string).collect(),
            moves: self.moves.iter().map(|(from, to)| of_pair(from, to)).collect(),
        }
    }
}

fn of_pair(from: &Code, to: &Code) -> proto::StatusMapping {
    proto::StatusMapping { from: from.to_string(), to: to.to_string() }
}

fn mapping(wire: &[proto::StatusMapping]) -> Result<BTreeMap<Code, Code>, ItemError> {
    if wire.len() > process_limits::STATUSES_MAX {
        return Err(ItemError::Field("at most 256 statuses may be mapped"));
    }
    let code = |text: &str| Code::new(text).map_err(|_| ItemError::Field("a code is 1 to 48 of [a-z][a-z0-9_]*"));
    let mut mapping = BTreeMap::new();
    for pair in wire {
        let from = code(&pair.from)?;
        if mapping.last_key_value().is_some_and(|(last, _)| *last >= from) {
            return Err(ItemError::Field("moves must be strictly ascending by from"));
        }
        mapping.insert(from, code(&pair.to)?);
    }
    Ok(mapping)
}
