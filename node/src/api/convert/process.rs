//! Proofs of the process of a case, as messages and back. Nothing is verified here.

use laufzettel_chain::codec::CodecError;
use laufzettel_chain::proof::process::ProcessProof;
use laufzettel_chain::validators::ValidatorSet;
use laufzettel_proto::v1;

use super::{proof, proof_from};

/// A proof of the process of a case as a message.
#[must_use]
pub fn process_proof(process: &ProcessProof, validators: &ValidatorSet) -> v1::ProcessProof {
    v1::ProcessProof {
        case: Some(proof(&process.case, validators)),
        register: process.register.clone().unwrap_or_default(),
        register_proof: process.tree.clone(),
        text: process.text.clone(),
    }
}

/// A proof of the process of a case from a message. Nothing is verified yet.
///
/// # Errors
/// It is malformed.
pub fn process_proof_from(message: &v1::ProcessProof) -> Result<ProcessProof, CodecError> {
    let case = message.case.as_ref().ok_or(CodecError::Invalid("case of the proof"))?;
    Ok(ProcessProof {
        case: proof_from(case)?,
        register: (!message.register.is_empty()).then(|| message.register.clone()),
        tree: message.register_proof.clone(),
        text: message.text.clone(),
    })
}
