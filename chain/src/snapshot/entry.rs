//! The entries of chunks: a key and canonical bytes each (docs/FORMATS.md A.6). Decoding checks form and bounds; it must
//! never judge whether an entry is true.

use laufzettel_contracts::AuthorityId;
use laufzettel_contracts::limits::EVENTS_MAX;

use crate::codec::{Canonical, CodecError, Reader, Writer};
use crate::crypto::Hash;
use crate::header::Header;
use crate::ids::{Address, BlockId, CaseId, Height, ItemDigest, KeyId, PayloadDigest};
use crate::limits;
use crate::receipt::{Code, Receipt};
use crate::transaction::{Payload, Signature, SignedTransaction};

const ENTRY_BYTES_MAX: usize = limits::CHUNK_BYTES_MAX;

/// The key and the bytes of the next entry of a chunk.
pub(super) fn next<'a>(input: &mut Reader<'a>) -> Result<(&'a [u8], &'a [u8]), CodecError> {
    Ok((input.bytes(limits::CHUNK_KEY_BYTES_MAX)?, input.bytes(ENTRY_BYTES_MAX)?))
}

/// A header without what the one before it gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HeaderEntry {
    version: u16,
    incarnation: u32,
    round: u32,
    time_ms: u64,
    proposer: Address,
    tx_root: Hash,
    receipts_root: Hash,
    state_root: Hash,
    /// Only where they are others than those of this block.
    next_validators_hash: Option<Hash>,
}

impl HeaderEntry {
    pub(super) fn of(header: &Header) -> Self {
        let next = header.next_validators_hash;
        Self {
            version: header.version,
            incarnation: header.incarnation,
            round: header.round,
            time_ms: header.time_ms,
            proposer: header.proposer,
            tx_root: header.tx_root,
            receipts_root: header.receipts_root,
            state_root: header.state_root,
            next_validators_hash: (next != header.validators_hash).then_some(next),
        }
    }
    /// The whole header, on top of the one before it.
    pub(super) fn above(&self, before: &Header, before_id: BlockId) -> Header {
        let validators_hash = before.next_validators_hash;
        Header {
            version: self.version,
            network: before.network,
            incarnation: self.incarnation,
            height: before.height.saturating_add(1),
            round: self.round,
            time_ms: self.time_ms,
            previous: before_id,
            proposer: self.proposer,
            tx_root: self.tx_root,
            receipts_root: self.receipts_root,
            state_root: self.state_root,
            validators_hash,
            next_validators_hash: self.next_validators_hash.unwrap_or(validators_hash),
        }
    }
}

impl Canonical for HeaderEntry {
    fn write(&self, out: &mut Writer) {
        out.u16(self.version);
        out.u32(self.incarnation);
        out.u32(self.round);
        out.u64(self.time_ms);
        self.proposer.write(out);
        out.raw(&self.tx_root);
        out.raw(&self.receipts_root);
        out.raw(&self.state_root);
        out.opt(self.next_validators_hash.as_ref());
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Self {
            version: input.u16()?,
            incarnation: input.u32()?,
            round: input.u32()?,
            time_ms: input.u64()?,
            proposer: Address::read(input)?,
            tx_root: input.array()?,
            receipts_root: input.array()?,
            state_root: input.array()?,
            next_validators_hash: input.opt()?,
        })
    }
}

/// A transaction without the items of cases, and what became of each item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TransactionEntry {
    /// Payload, signatures, and those items that are [`of_the_network`].
    pub(super) signed: SignedTransaction,
    /// What the payload says.
    pub(super) payload: Payload,
    /// Receipts of its items.
    pub(super) receipts: Vec<Receipt>,
}

/// Whether the receipt is of an item that was accepted and concerns no case: no case's record brings it.
pub(super) fn of_the_network(receipt: &Receipt) -> bool {
    receipt.code == Code::Accepted && receipt.revision == 0
}

impl TransactionEntry {
    pub(super) fn encode(signed: &SignedTransaction, receipts: &[Receipt]) -> Vec<u8> {
        let mut out = Writer::default();
        out.bytes(&signed.payload);
        out.list(&signed.signatures);
        out.length(receipts.len());
        for (receipt, item) in receipts.iter().zip(&signed.items) {
            // The payload gives the item's digest.
            out.u16(receipt.code as u16);
            out.u16(receipt.flags);
            out.u64(receipt.revision);
            out.opt(receipt.cause.as_ref());
            out.u8(receipt.answer);
            if let Some(bytes) = item.as_ref().filter(|_| of_the_network(receipt)) {
                out.bytes(bytes);
            }
        }
        out.into_bytes()
    }
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut input = Reader::new(bytes);
        let encoded = input.bytes(limits::PAYLOAD_BYTES_MAX)?;
        let payload = Payload::decode(encoded).map_err(|_| CodecError::Invalid("payload"))?;
        let signatures: Vec<Signature> = input.list(limits::TRANSACTION_SIGNATURES_MAX)?;
        if input.length(limits::TRANSACTION_ITEMS_MAX)? != payload.item_digests.len() {
            return Err(CodecError::Invalid("number of receipts"));
        }
        let mut receipts = Vec::with_capacity(payload.item_digests.len());
        let mut items = Vec::with_capacity(payload.item_digests.len());
        for item in &payload.item_digests {
            let receipt = Receipt {
                item: *item,
                code: Code::from_number(input.u16()?).ok_or(CodecError::Invalid("receipt code"))?,
                flags: input.u16()?,
                revision: input.u64()?,
                cause: input.opt()?,
                answer: input.u8()?,
            };
            let own = if of_the_network(&receipt) { Some(input.bytes(limits::PROPOSE_ITEM_BYTES_MAX)?) } else { None };
            if own.is_some_and(|bytes| ItemDigest::of(bytes) != *item) {
                return Err(CodecError::Invalid("item, whose digest the payload does not list"));
            }
            items.push(own.map(<[u8]>::to_vec));
            receipts.push(receipt);
        }
        input.end()?;
        let signed = SignedTransaction { payload: encoded.to_vec(), signatures, items };
        Ok(Self { signed, payload, receipts })
    }
}

/// Who signed: an authority and its keys, as the history of a case binds them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signer {
    /// The authority that acted.
    pub(super) authority: AuthorityId,
    /// Keys that signed, in the order of the signatures.
    pub(super) keys: Vec<KeyId>,
}

impl Canonical for Signer {
    fn write(&self, out: &mut Writer) {
        out.str(self.authority.as_str());
        out.list(&self.keys);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        let authority = AuthorityId::new(input.str(32)?).map_err(|_| CodecError::Invalid("authority"))?;
        Ok(Self { authority, keys: input.list(limits::TRANSACTION_SIGNATURES_MAX)? })
    }
}

/// Most heights of due work in one part.
pub(super) const PART_DUE_MAX: usize = limits::CASE_PART_BYTES / STEP_BYTES + 1;
/// What a step counts towards the size of a part, its items apart.
pub(super) const STEP_BYTES: usize = 64;

/// What one transaction did to the case: its place, who signed it, and its accepted items of this case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    /// Height of the block.
    pub(super) height: Height,
    /// Place of the transaction in the block.
    pub(super) transaction: u32,
    /// Digest of its payload.
    pub(super) payload: PayloadDigest,
    /// Place of its signer in the part's list.
    pub(super) signer: u16,
    /// Places in the transaction and bytes of the items; none where due work alone touched the case.
    pub(super) items: Vec<(u16, Vec<u8>)>,
}

impl Step {
    /// That due work alone touched the case at a height.
    pub(super) fn due(height: Height) -> Self {
        Self { height, transaction: u32::MAX, payload: PayloadDigest([0; 32]), signer: 0, items: Vec::new() }
    }
    /// Whether it says that.
    pub(super) fn is_due(&self) -> bool {
        *self == Self::due(self.height)
    }
}

impl Canonical for Step {
    fn write(&self, out: &mut Writer) {
        out.u64(self.height);
        out.u32(self.transaction);
        self.payload.write(out);
        out.u16(self.signer);
        out.length(self.items.len());
        for (item, bytes) in &self.items {
            out.u16(*item);
            // In version 1 no item is erased: none is written as 0 and the fields that it would have given.
            out.u8(1);
            out.bytes(bytes);
        }
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        let (height, transaction, payload) = (input.u64()?, input.u32()?, PayloadDigest::read(input)?);
        let signer = input.u16()?;
        let count = input.length(limits::TRANSACTION_ITEMS_MAX)?;
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            let item = input.u16()?;
            if input.u8()? != 1 {
                return Err(CodecError::Invalid("presence of an item"));
            }
            items.push((item, input.bytes(limits::PROPOSE_ITEM_BYTES_MAX)?.to_vec()));
        }
        Ok(Self { height, transaction, payload, signer, items })
    }
}

/// A case, or the part of one from a revision on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct CaseEntry {
    /// Who signed the transactions of this part, each once, in the order of their first.
    pub(super) signers: Vec<Signer>,
    /// The transactions, in ledger order.
    pub(super) steps: Vec<Step>,
}

impl Canonical for CaseEntry {
    fn write(&self, out: &mut Writer) {
        out.list(&self.signers);
        out.list(&self.steps);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        // Opening is no event.
        let max = EVENTS_MAX.saturating_add(1);
        Ok(Self { signers: input.list(max)?, steps: input.list(max.saturating_add(PART_DUE_MAX))? })
    }
}

/// Key of a block's header.
pub(super) fn header_key(height: Height) -> Vec<u8> {
    height.to_be_bytes().to_vec()
}

/// Key of a transaction: a block's follow its header.
pub(super) fn transaction_key(height: Height, index: u32) -> Vec<u8> {
    [height.to_be_bytes().as_slice(), &index.to_be_bytes()].concat()
}

/// Key of a case's part that begins with the item of this revision.
pub(super) fn case_key(case: &CaseId, revision: u64) -> Vec<u8> {
    [case.0.as_slice(), &revision.to_be_bytes()].concat()
}

/// Case and revision of a key.
pub(super) fn case_of_key(key: &[u8]) -> Option<(CaseId, u64)> {
    let (case, revision) = key.split_first_chunk::<16>()?;
    Some((CaseId(*case), u64::from_be_bytes(revision.try_into().ok()?)))
}

/// Value of an hour of submissions among the values, as its bucket has it in the state.
pub(super) fn bucket_hour(key: &[u8]) -> Option<u64> {
    let (kind, hour) = key.split_first()?;
    (*kind == 2).then(|| hour.try_into().ok().map(u64::from_be_bytes)).flatten()
}
