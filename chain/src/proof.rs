//! Proofs: a case's fields, present or absent, from a header that a
//! certificate decided. Anyone with the genesis file can verify one offline.

use thiserror::Error;

use crate::certificate::{Certificate, CertificateError};
use crate::codec::{Canonical, CodecError, Reader, Writer};
use crate::crypto::Hash;
use crate::header::Header;
use crate::ids::{CaseId, Height};
use crate::light::{LightClient, LightError};
use crate::state::case::CaseRow;
use crate::state::fields::{self, FIELDS, FieldTree};
use crate::storage::{Read, StoreError};
use crate::tree::{self, StateKey};

pub mod process;

/// The deviations field is the largest: each standing report may have six kinds
/// of them, of at most 85 bytes each.
const FIELD_BYTES_MAX: usize = 4 * 1024 * 1024;
const _: () = assert!(FIELD_BYTES_MAX > laufzettel_contracts::limits::EVENTS_MAX * 6 * 85 + 4);
const TREE_PROOF_BYTES_MAX: usize = 64 * 1024;
const SIBLINGS: usize = 5;

/// One field opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldProof {
    /// Number of the field.
    pub index: u8,
    /// Its blinder.
    pub blinder: Hash,
    /// Its bytes; none for an empty field.
    pub bytes: Vec<u8>,
    /// Hashes beside the way up to the case root.
    pub siblings: Vec<Hash>,
}

/// That a case has these fields, or does not exist, at a height.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseProof {
    /// Header of the height.
    pub header: Header,
    /// Proof that it was decided.
    pub certificate: Certificate,
    /// The case.
    pub case: CaseId,
    /// Its root; none proves that the case does not exist.
    pub root: Option<Hash>,
    /// Proof of the root, or of its absence, in the state tree.
    pub tree: Vec<u8>,
    /// The fields opened, ascending.
    pub fields: Vec<FieldProof>,
}

/// Why a proof proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ProofError {
    /// The header was not decided by the validators of this network.
    #[error(transparent)]
    Light(#[from] LightError),
    /// The certificate is wrong.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The state root does not contain what is claimed.
    #[error("the state root at height {0} does not contain the case as claimed")]
    State(Height),
    /// A field is not part of the case root.
    #[error("field {0} is not part of the case root")]
    Field(u8),
}

/// Opens fields of a case at the tip.
///
/// # Errors
/// The store failed.
pub fn prove(
    read: &dyn Read,
    header: Header,
    certificate: Certificate,
    case: &CaseId,
    wanted: &[usize],
) -> Result<CaseProof, StoreError> {
    let (root, tree) = tree::prove(read, header.height, &StateKey::Case(*case))?;
    let mut opened = Vec::new();
    if let Some(row) = CaseRow::load(read, case)? {
        let hashes = FieldTree::new(&row.leaves(case));
        for index in wanted.iter().copied().filter(|index| *index < FIELDS) {
            opened.push(FieldProof {
                index: u8::try_from(index).unwrap_or(u8::MAX),
                blinder: row.blinder(index),
                bytes: row.field(case, index),
                siblings: hashes.siblings(index),
            });
        }
    }
    let root = root.and_then(|root| root.try_into().ok());
    Ok(CaseProof { header, certificate, case: *case, root, tree, fields: opened })
}

impl CaseProof {
    /// Checks the whole proof against what a light client trusts.
    ///
    /// # Errors
    /// Something does not follow.
    pub fn verify(&self, light: &LightClient) -> Result<(), ProofError> {
        light.verify(&self.header, &self.certificate)?;
        let value = self.root.as_ref().map(<[u8; 32]>::as_slice);
        if !tree::verify(&self.header.state_root, &StateKey::Case(self.case), value, &self.tree) {
            return Err(ProofError::State(self.header.height));
        }
        for field in &self.fields {
            let index = usize::from(field.index);
            let leaf = fields::leaf(&field.blinder, index, &field.bytes);
            let root = fields::root_from(leaf, index, &field.siblings);
            if index >= FIELDS || field.siblings.len() != SIBLINGS || Some(root) != self.root {
                return Err(ProofError::Field(field.index));
            }
        }
        Ok(())
    }
}

impl Canonical for FieldProof {
    fn write(&self, out: &mut Writer) {
        out.u8(self.index);
        out.raw(&self.blinder);
        out.bytes(&self.bytes);
        out.list(&self.siblings);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Self {
            index: input.u8()?,
            blinder: input.array()?,
            bytes: input.bytes(FIELD_BYTES_MAX)?.to_vec(),
            siblings: input.list(SIBLINGS)?,
        })
    }
}

impl Canonical for CaseProof {
    fn write(&self, out: &mut Writer) {
        self.header.write(out);
        self.certificate.write(out);
        self.case.write(out);
        out.opt(self.root.as_ref());
        out.bytes(&self.tree);
        out.list(&self.fields);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Self {
            header: Header::read(input)?,
            certificate: Certificate::read(input)?,
            case: CaseId::read(input)?,
            root: input.opt()?,
            tree: input.bytes(TREE_PROOF_BYTES_MAX)?.to_vec(),
            fields: input.list(FIELDS)?,
        })
    }
}
