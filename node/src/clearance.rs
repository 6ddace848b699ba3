//! What the answer of a clearance check proves to whoever has the genesis file: that the ledger gave it, in which block,
//! to this question, under which process the case stands, also where that was adopted by vote, and that the nodes of all
//! that may raise a lock by it signed that they know that block. Must never trust the node that
//! answered, nor read a clock: how old a beat was at the answer is that node's word alone.

use laufzettel_chain::certificate::Certificate;
use laufzettel_chain::codec::decode;
use laufzettel_chain::crypto::Hash;
use laufzettel_chain::genesis::Genesis;
use laufzettel_chain::header::Header;
use laufzettel_chain::ids::{CaseId, ItemDigest};
use laufzettel_chain::item::{Action, Item};
use laufzettel_chain::ledger::PROTOCOL_VERSION_MAX;
use laufzettel_chain::light::{LightClient, LightError};
use laufzettel_chain::proof::process::{ProcessProofError, ProvenProcess};
use laufzettel_chain::receipt::{ANSWER_LOCKED, ANSWER_NO_LOCK, Receipt, ReceiptProof};
use laufzettel_chain::registry::Purpose;
use laufzettel_chain::vote::{Beat, Signed};
use laufzettel_contracts::Code;
use laufzettel_proto::v1;
use thiserror::Error;

use crate::api::convert;

/// What may set a lock may have waited for so long when the beat was signed.
const PENDING_MAX_MS: u64 = 2_000;

/// Why an answer proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ClearanceError {
    /// Bytes that are no such thing.
    #[error("{0} is missing or malformed")]
    Malformed(&'static str),
    /// The block is not decided.
    #[error("the block is not proven: {0}")]
    Block(#[from] LightError),
    /// The receipt is not of that block, or not of this check.
    #[error("the receipt is not in the block, or is of another check")]
    Receipt,
    /// What was checked is something else.
    #[error("the check on the ledger is of another case or another act")]
    Question,
    /// The process of the case is not proven.
    #[error("the process of the case is not proven: {0}")]
    Process(#[from] ProcessProofError),
    /// The process is proven at a height below the receipt's.
    #[error("the process of the case is proven at height {found}, below height {wanted} of the receipt")]
    OldProcess {
        /// Height of the proof of the process.
        found: u64,
        /// Height of the receipt.
        wanted: u64,
    },
    /// The process does not know the act.
    #[error("the process that the case stands under has no status {0}")]
    Status(String),
    /// No lock of the process is about the act: the answer says nothing of it.
    #[error("no lock of the process that the case stands under is about {0}")]
    Lockable(String),
    /// The receipt says something else.
    #[error("the receipt's answer is {answer}, the verdict is {verdict}")]
    Verdict {
        /// 1 locked, 2 no lock recorded.
        answer: u8,
        /// What the node made of it.
        verdict: &'static str,
    },
    /// Somebody who may raise a lock has not signed that it knows the block.
    #[error("{0} may raise a lock, and no valid beat of its node that knows the block is attached")]
    Beat(String),
    /// Its node said that something waits.
    #[error("the node of {0} signed that something that may lock was waiting")]
    Pending(String),
}

/// What was proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven {
    /// Height of the block with the receipt.
    pub height: u64,
    /// Its time, milliseconds UTC.
    pub time_ms: u64,
    /// Id and version of the definition that the case stands under.
    pub process: (String, u32),
    /// Whether that was adopted by vote.
    pub voted: bool,
    /// Authorities whose signed beats were checked.
    pub beats: Vec<String>,
}

/// Checks an answer to a check of an act, by the status code of its announcement or its own, in a case. Nothing is proven, and `None`
/// given, by an answer that says of itself that it is not current.
///
/// # Errors
/// It does not hold.
pub fn verify(
    genesis: &Genesis,
    (case, status): (&CaseId, &str),
    answer: &v1::CheckClearanceResponse,
) -> Result<Option<Proven>, ClearanceError> {
    if answer.verdict() == v1::ClearanceVerdict::NotCurrent {
        return Ok(None);
    }
    let proof = answer.proof.as_ref().ok_or(ClearanceError::Malformed("the proof"))?;
    let head = proof.head.as_ref().ok_or(ClearanceError::Malformed("the header"))?;
    let header: Header = decode(&head.header).map_err(|_| ClearanceError::Malformed("the header"))?;
    let certificate: Certificate =
        decode(&head.certificate).map_err(|_| ClearanceError::Malformed("the certificate"))?;
    let light = LightClient::new(genesis);
    light.verify(&header, &certificate)?;
    let process = answer.process.as_ref().ok_or(ClearanceError::Malformed("the proof of the process"))?;
    let process =
        convert::process_proof_from(process).map_err(|_| ClearanceError::Malformed("the proof of the process"))?;
    let ProvenProcess { height, definition, voted } = process.verify(&light, genesis, case)?;
    if height < header.height {
        return Err(ClearanceError::OldProcess { found: height, wanted: header.height });
    }
    let known = definition.status(status).ok_or_else(|| ClearanceError::Status(status.to_owned()))?;
    // Only the class of a restricted status stands on the ledger.
    let act = known.ledger_as.as_ref().unwrap_or(&known.code);
    if !definition.lockable().any(|code| code.as_str() == status) {
        return Err(ClearanceError::Lockable(status.to_owned()));
    }
    let receipt = receipt(proof, answer, &header.receipts_root)?;
    asked(&answer.item, &receipt.item, (case, act))?;
    let wanted = match answer.verdict() {
        v1::ClearanceVerdict::Locked => ANSWER_LOCKED,
        _ => ANSWER_NO_LOCK,
    };
    if receipt.answer != wanted {
        let verdict = answer.verdict().as_str_name();
        return Err(ClearanceError::Verdict { answer: receipt.answer, verdict });
    }
    let mut beats = Vec::new();
    if wanted == ANSWER_NO_LOCK {
        let roles = definition.lock_sources(act).roles;
        for (id, authority) in &genesis.registry.authorities {
            if authority.roles.iter().any(|role| roles.contains(role)) {
                check_beat(genesis, (id, &authority.hosted_by), &header, answer)?;
                beats.push(id.clone());
            }
        }
    }
    let process = (definition.id().to_owned(), definition.version());
    Ok(Some(Proven { height: header.height, time_ms: header.time_ms, process, voted, beats }))
}

/// That the item of the receipt asks about this act in this case.
fn asked(bytes: &[u8], digest: &ItemDigest, (case, act): (&CaseId, &Code)) -> Result<(), ClearanceError> {
    if ItemDigest::of(bytes) != *digest {
        return Err(ClearanceError::Question);
    }
    let item = Item::decode_in(bytes, PROTOCOL_VERSION_MAX).map_err(|_| ClearanceError::Malformed("the check"))?;
    match item.action {
        Action::ClearanceCheck { status } if item.case == Some(*case) && status == *act => Ok(()),
        _ => Err(ClearanceError::Question),
    }
}

fn receipt(
    proof: &v1::ReceiptProof,
    answer: &v1::CheckClearanceResponse,
    root: &Hash,
) -> Result<Receipt, ClearanceError> {
    let receipt: Receipt = decode(&proof.receipt).map_err(|_| ClearanceError::Malformed("the receipt"))?;
    let path: Result<Vec<Hash>, _> = proof.path.iter().map(|hash| Hash::try_from(hash.as_slice())).collect();
    let path = path.map_err(|_| ClearanceError::Malformed("the path"))?;
    let proof = ReceiptProof { receipt, index: proof.index, count: proof.count, path };
    let own = answer.outcome.as_ref().and_then(|outcome| outcome.receipts.first());
    let is_own = own.is_some_and(|own| own.item_digest == proof.receipt.item.0);
    if is_own && proof.leads_to(root) { Ok(proof.receipt) } else { Err(ClearanceError::Receipt) }
}

/// That the node of an authority signed a beat that knows the block and told of nothing that waits.
fn check_beat(
    genesis: &Genesis,
    (authority, node): (&str, &str),
    header: &Header,
    answer: &v1::CheckClearanceResponse,
) -> Result<(), ClearanceError> {
    let missing = || ClearanceError::Beat(authority.to_owned());
    let source = answer.sources.iter().find(|source| source.authority == authority).ok_or_else(missing)?;
    let signed: Signed<Beat> = decode(&source.beat).map_err(|_| missing())?;
    let keys = genesis.registry.keys_in_use(Purpose::Node);
    let beat = &signed.message;
    let is_own = beat.authority == node && beat.network == genesis.network && beat.incarnation == header.incarnation;
    let knows = beat.height > header.height || beat.height == header.height && beat.block == header.id();
    if !is_own || !knows || !keys.get(node).into_iter().flatten().any(|key| signed.verify(key)) {
        return Err(missing());
    }
    let waits =
        beat.oldest_pending_lock_ms > 0 && beat.time_ms.saturating_sub(beat.oldest_pending_lock_ms) > PENDING_MAX_MS;
    if waits { Err(ClearanceError::Pending(authority.to_owned())) } else { Ok(()) }
}
