//! Proof of the process that a case stands under: its identity, the list of what the network adopted by vote, and the
//! adopted text, all from one header that a certificate decided. So who has the genesis file alone has the definition by
//! which an answer about the case is to be judged. Must never take a text for adopted because a node says so.

use std::sync::Arc;

use laufzettel_contracts::{Definition, Finding};
use thiserror::Error;

use super::{CaseProof, ProofError, prove};
use crate::certificate::Certificate;
use crate::codec::{Canonical, CodecError, Reader, Writer, decode};
use crate::genesis::{Genesis, text_hash};
use crate::header::Header;
use crate::ids::{CaseId, Height};
use crate::light::LightClient;
use crate::proposal::ProposalKind;
use crate::query;
use crate::registry::Registry;
use crate::state::fields::IDENTITY;
use crate::state::governance::Register;
use crate::storage::{Read, StoreError};
use crate::tree::{self, StateKey};

/// Longest id of a definition.
const ID_BYTES_MAX: usize = 32;

/// Under which definition a case stands, and that this is the network's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessProof {
    /// The case with its identity opened.
    pub case: CaseProof,
    /// The list of proposals and of what was adopted by them, as the state has it; none proves that there was none.
    pub register: Option<Vec<u8>>,
    /// Proof of the list, or of its absence, in the state tree of the same header.
    pub tree: Vec<u8>,
    /// The whole text of the definition where it was adopted by vote; empty where it is of the genesis file.
    pub text: String,
}

/// What was proven.
#[derive(Debug, Clone)]
pub struct ProvenProcess {
    /// The height it was proven at.
    pub height: Height,
    /// The definition that the block after that height finds the case under.
    pub definition: Arc<Definition>,
    /// Whether it was adopted by vote; else it is of the genesis file.
    pub voted: bool,
}

/// Why a process is not proven.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ProcessProofError {
    /// The proof of the case does not hold.
    #[error(transparent)]
    Case(#[from] ProofError),
    /// It is of another case, or of none, or its identity was not opened.
    #[error("the proof does not show the identity of the case")]
    Identity,
    /// The state root does not contain the list as claimed.
    #[error("the state root at height {0} does not contain what was adopted by vote as claimed")]
    Register(Height),
    /// Neither of the genesis file nor adopted.
    #[error("definition {id} {version} is not of the genesis file, and was not adopted by vote up to height {height}")]
    NotAdopted {
        /// Its id.
        id: String,
        /// Its version.
        version: u32,
        /// Up to which height.
        height: Height,
    },
    /// The text is not the one that was adopted.
    #[error("the text of definition {id} {version} is not the one that was adopted")]
    Text {
        /// Its id.
        id: String,
        /// Its version.
        version: u32,
    },
}

/// The identity of a case (docs/FORMATS.md A.5, field 0).
struct Identity {
    case: CaseId,
    definition: String,
    version: u32,
    opened: Height,
}

impl Canonical for Identity {
    fn write(&self, out: &mut Writer) {
        self.case.write(out);
        out.str(&self.definition);
        out.u32(self.version);
        out.u64(self.opened);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Self {
            case: CaseId::read(input)?,
            definition: input.str(ID_BYTES_MAX)?.to_owned(),
            version: input.u32()?,
            opened: input.u64()?,
        })
    }
}

/// The version that the block after a height finds a case under, by the list in the state of that height.
fn version_after(register: &Register, id: &str, mut version: u32, height: Height) -> u32 {
    let moved = |from: u32| {
        register.adopted.iter().find(|adopted| {
            adopted.kind == ProposalKind::Definition
                && adopted.id == id
                && adopted.moves_from == from
                && adopted.version > from
                && adopted.since.is_some_and(|since| since.height <= height)
        })
    };
    // Versions only rise: the way ends.
    while let Some(next) = moved(version).filter(|_| version > 0) {
        version = next.version;
    }
    version
}

impl ProcessProof {
    /// The proof for a case at the tip; none if there is no such case.
    ///
    /// # Errors
    /// The store failed.
    pub fn at_tip(
        read: &dyn Read,
        registry: &Registry,
        (header, certificate): (Header, Certificate),
        case: &CaseId,
    ) -> Result<Option<Self>, StoreError> {
        let height = header.height;
        let case = prove(read, header, certificate, case, &[IDENTITY])?;
        let Some(identity) = case.fields.first().and_then(|field| decode::<Identity>(&field.bytes).ok()) else {
            return Ok(None);
        };
        let (register, tree) = tree::prove(read, height, &StateKey::Governance)?;
        let (id, next) = (&identity.definition, height.saturating_add(1));
        let version = registry.version_at(id, identity.version, next);
        let adopted = registry.register.adopted.iter();
        let voted = adopted
            .filter(|adopted| (adopted.kind, &adopted.id) == (ProposalKind::Definition, id))
            .any(|adopted| adopted.version == version);
        let text = if voted { query::definition_text(read, id, version)?.unwrap_or_default() } else { String::new() };
        Ok(Some(Self { case, register, tree, text }))
    }
    /// Checks all of it for a case against what a light client trusts; the definition.
    ///
    /// # Errors
    /// Something does not follow.
    pub fn verify(
        &self,
        light: &LightClient,
        genesis: &Genesis,
        case: &CaseId,
    ) -> Result<ProvenProcess, ProcessProofError> {
        self.case.verify(light)?;
        let (height, root) = (self.case.header.height, &self.case.header.state_root);
        let opened = self.case.fields.iter().find(|field| usize::from(field.index) == IDENTITY);
        let identity = opened.and_then(|field| decode::<Identity>(&field.bytes).ok());
        let identity = identity.filter(|identity| identity.case == *case && self.case.case == *case);
        let Identity { definition: id, version, .. } = identity.ok_or(ProcessProofError::Identity)?;
        if !tree::verify(root, &StateKey::Governance, self.register.as_deref(), &self.tree) {
            return Err(ProcessProofError::Register(height));
        }
        let register = self.register.as_deref().map(decode::<Register>).transpose();
        let register = register.map_err(|_| ProcessProofError::Register(height))?.unwrap_or_default();
        let version = version_after(&register, &id, version, height);
        let adopted = register
            .adopted
            .iter()
            .find(|adopted| adopted.kind == ProposalKind::Definition && adopted.id == id && adopted.version == version);
        let Some(adopted) = adopted else {
            let known = genesis.registry.definition(&id, version).cloned();
            let definition = known.ok_or(ProcessProofError::NotAdopted { id, version, height })?;
            return Ok(ProvenProcess { height, definition, voted: false });
        };
        let other = |_: Vec<Finding>| ProcessProofError::Text { id: id.clone(), version };
        if text_hash(&self.text) != adopted.text {
            return Err(other(Vec::new()));
        }
        let definition = Arc::new(Definition::check(&self.text).map_err(other)?.definition);
        Ok(ProvenProcess { height, definition, voted: true })
    }
}

#[cfg(test)]
mod tests {
    use laufzettel_contracts::Position;

    use super::*;
    use crate::state::governance::{Adopted, Since};

    fn adopted(version: u32, moves_from: u32, since: Option<Height>) -> Adopted {
        let place = Position { height: 1, transaction: 0, item: 0 };
        let since = since.map(|height| Since { height, time_ms: 0 });
        let kind = ProposalKind::Definition;
        Adopted { kind, id: "p".into(), version, text: [0; 32], place, adopted: 1, effective: 2, moves_from, since }
    }

    #[test]
    fn cases_stand_under_what_they_have_moved_to_by_the_next_block() {
        let all = vec![adopted(2, 1, Some(5)), adopted(4, 2, Some(9)), adopted(7, 4, None), adopted(8, 0, None)];
        let register = Register { adopted: all, ..Register::default() };
        let at = |version, height| version_after(&register, "p", version, height);
        assert_eq!([at(1, 4), at(1, 5), at(1, 8), at(1, 9), at(1, 90)], [1, 2, 2, 4, 4]);
        assert_eq!([at(2, 8), at(2, 9), at(8, 90), at(0, 90)], [2, 4, 8, 0], "0 is what moves nothing");
        assert_eq!(version_after(&register, "q", 1, 90), 1);
    }
}
