//! Signed transactions: the bytes as sent, and what their payload says
//! (design 5.1, docs/FORMATS.md A.3). Nothing here looks at state.

use laufzettel_proto::v1 as proto;
use prost::Message as _;
use thiserror::Error;

use crate::canonical::{self, CanonicalError};
use crate::codec::{Canonical, CodecError, Reader, Writer};
use crate::crypto::{self, Hash, SignatureBytes};
use crate::ids::{ItemDigest, KeyId, NetworkId, PayloadDigest, TransactionId};
use crate::item::{Item, ItemError};
use crate::ledger::PROTOCOL_VERSION_MAX;
use crate::limits;

/// The signing domain of payloads.
pub const SIGN_DOMAIN: &str = "tx";

/// One signature over a payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// The key that signed.
    pub key_id: KeyId,
    /// The signature.
    pub value: SignatureBytes,
}

/// A transaction as sent: exactly these bytes are signed, hashed and stored.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SignedTransaction {
    /// Serialized payload.
    pub payload: Vec<u8>,
    /// Signatures, strictly ascending by key.
    pub signatures: Vec<Signature>,
    /// Serialized items; none where an item was erased.
    pub items: Vec<Option<Vec<u8>>>,
}

/// What a payload says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// The network it is for.
    pub network: NetworkId,
    /// Count of recoveries it is for.
    pub incarnation: u32,
    /// Transaction id.
    pub id: TransactionId,
    /// The authority that acts.
    pub authority: String,
    /// Last block time at which it can be committed, milliseconds UTC.
    pub valid_until_ms: u64,
    /// Name of the case system.
    pub source_system: String,
    /// Digests of the items.
    pub item_digests: Vec<ItemDigest>,
}

/// A decoded transaction. Its signatures are not verified yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// What the payload says.
    pub payload: Payload,
    /// Hash of the payload's bytes.
    pub digest: PayloadDigest,
    /// The items; none where an item was erased.
    pub items: Vec<Option<Item>>,
    /// Bytes of payload, signatures and items.
    pub size: usize,
}

/// Why bytes are no transaction.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TransactionError {
    /// The payload is not canonical.
    #[error("payload: {0}")]
    Payload(CanonicalError),
    /// A field of the payload is out of its range.
    #[error("payload: {0}")]
    Field(&'static str),
    /// An item is invalid.
    #[error("item {index}: {source}")]
    Item {
        /// Position in the transaction.
        index: usize,
        /// What is wrong with it.
        source: ItemError,
    },
    /// An item is not the one the payload lists.
    #[error("item {0} does not have the digest that the payload lists")]
    Digest(usize),
    /// Items or signatures are missing or too many.
    #[error("{0}")]
    Count(&'static str),
    /// Too many bytes.
    #[error("the transaction has {0} bytes; at most {max} are allowed", max = limits::TRANSACTION_BYTES_MAX)]
    TooLarge(usize),
    /// The signature list is not in order, or one is malformed.
    #[error("signatures: {0}")]
    Signatures(&'static str),
}

impl SignedTransaction {
    /// From the message a client sent.
    ///
    /// # Errors
    /// A signature has an unknown algorithm or a wrong length.
    pub fn from_proto(message: proto::SignedTransaction) -> Result<Self, TransactionError> {
        let mut signatures = Vec::with_capacity(message.signatures.len().min(limits::TRANSACTION_SIGNATURES_MAX));
        for signature in message.signatures {
            if signature.algorithm != proto::SignatureAlgorithm::Ed25519 as i32 {
                return Err(TransactionError::Signatures("unknown algorithm; use Ed25519"));
            }
            let key_id = KeyId::from_slice(&signature.key_id)
                .ok_or(TransactionError::Signatures("key_id must have 16 bytes"))?;
            let value = signature.value.as_slice().try_into();
            let value = value.map_err(|_| TransactionError::Signatures("an Ed25519 signature has 64 bytes"))?;
            signatures.push(Signature { key_id, value });
        }
        let items = message.items.into_iter().map(Some).collect();
        Ok(Self { payload: message.payload, signatures, items })
    }
    /// The message a client sends.
    #[must_use]
    pub fn to_proto(&self) -> proto::SignedTransaction {
        proto::SignedTransaction {
            payload: self.payload.clone(),
            signatures: self
                .signatures
                .iter()
                .map(|signature| proto::Signature {
                    key_id: signature.key_id.0.to_vec(),
                    algorithm: proto::SignatureAlgorithm::Ed25519 as i32,
                    value: signature.value.to_vec(),
                })
                .collect(),
            items: self.items.iter().flatten().cloned().collect(),
        }
    }
    /// Digest of the payload.
    #[must_use]
    pub fn payload_digest(&self) -> PayloadDigest {
        PayloadDigest::of(&self.payload)
    }
    /// Bytes of payload, signatures and items.
    #[must_use]
    pub fn size(&self) -> usize {
        let items: usize = self.items.iter().flatten().map(Vec::len).sum();
        self.payload.len().saturating_add(items).saturating_add(self.signatures.len().saturating_mul(80))
    }
    /// Bytes of its canonical encoding.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        const LENGTH: usize = 4;
        // Key id, algorithm, and the value with its length.
        const SIGNATURE: usize = 16 + 1 + LENGTH + 64;
        let items =
            self.items.iter().map(|item| item.as_ref().map_or(1, |bytes| bytes.len().saturating_add(1 + LENGTH)));
        let fixed = self.signatures.len().saturating_mul(SIGNATURE).saturating_add(3 * LENGTH);
        items.fold(fixed.saturating_add(self.payload.len()), usize::saturating_add)
    }
    /// Its leaf in `tx_root`: payload digest and signatures.
    #[must_use]
    pub fn root_leaf(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.raw(&PayloadDigest::of(&self.payload).0);
        out.length(self.signatures.len());
        for signature in &self.signatures {
            signature.write(&mut out);
        }
        out.into_bytes()
    }
    /// Decodes payload and items, with all actions that this program knows; which of them are in force, a judge knows.
    ///
    /// # Errors
    /// Anything is malformed, not canonical or over a limit.
    pub fn decode(&self) -> Result<Transaction, TransactionError> {
        self.decode_in(PROTOCOL_VERSION_MAX)
    }
    /// As [`SignedTransaction::decode`], with the actions of this protocol version.
    ///
    /// # Errors
    /// Anything is malformed, not canonical, over a limit, or of a later version.
    pub fn decode_in(&self, protocol: u16) -> Result<Transaction, TransactionError> {
        self.check_form()?;
        self.decode_items(Payload::decode(&self.payload)?, protocol)
    }
    /// As [`SignedTransaction::decode_in`], where the payload is decoded already.
    ///
    /// # Errors
    /// Anything else is malformed, not canonical, over a limit, or of a later version.
    pub fn decode_rest(&self, payload: Payload, protocol: u16) -> Result<Transaction, TransactionError> {
        self.check_form()?;
        self.decode_items(payload, protocol)
    }
    fn check_form(&self) -> Result<(), TransactionError> {
        let size = self.size();
        if size > limits::TRANSACTION_BYTES_MAX {
            return Err(TransactionError::TooLarge(size));
        }
        if self.signatures.is_empty() || self.signatures.len() > limits::TRANSACTION_SIGNATURES_MAX {
            return Err(TransactionError::Signatures("1 to 4 are allowed"));
        }
        if self.signatures.windows(2).any(|pair| matches!(pair, [a, b] if a.key_id >= b.key_id)) {
            return Err(TransactionError::Signatures("must be strictly ascending by key_id"));
        }
        Ok(())
    }
    fn decode_items(&self, payload: Payload, protocol: u16) -> Result<Transaction, TransactionError> {
        if payload.item_digests.len() != self.items.len() {
            return Err(TransactionError::Count("the payload lists another number of items than were sent"));
        }
        let mut items = Vec::with_capacity(self.items.len());
        for (index, (bytes, digest)) in self.items.iter().zip(&payload.item_digests).enumerate() {
            let Some(bytes) = bytes else {
                items.push(None);
                continue;
            };
            let item = Item::decode_in(bytes, protocol).map_err(|source| TransactionError::Item { index, source })?;
            if item.digest != *digest {
                return Err(TransactionError::Digest(index));
            }
            items.push(Some(item));
        }
        Ok(Transaction { payload, digest: PayloadDigest::of(&self.payload), items, size: self.size() })
    }
    /// Whether this key made the signature at this position.
    #[must_use]
    pub fn verify(&self, signature: &Signature, key: &crypto::VerifyingKey) -> bool {
        crypto::verify(key, SIGN_DOMAIN, &self.payload, &signature.value)
    }
}

/// `tx_root` of a block.
#[must_use]
pub fn tx_root<'a>(transactions: impl Iterator<Item = &'a SignedTransaction>) -> Hash {
    let leaves: Vec<Vec<u8>> = transactions.map(SignedTransaction::root_leaf).collect();
    crate::merkle::root("tx", &leaves)
}

impl Payload {
    /// Decodes and checks a payload's bytes.
    ///
    /// # Errors
    /// The bytes are not canonical or a field is out of its range.
    pub fn decode(bytes: &[u8]) -> Result<Self, TransactionError> {
        if bytes.len() > limits::PAYLOAD_BYTES_MAX {
            return Err(TransactionError::Field("more than 10 KiB"));
        }
        let message: proto::TransactionPayload =
            canonical::decode(&canonical::PAYLOAD, bytes).map_err(TransactionError::Payload)?;
        let network =
            NetworkId::from_slice(&message.network).ok_or(TransactionError::Field("network must have 32 bytes"))?;
        let id = TransactionId::from_slice(&message.id).ok_or(TransactionError::Field("id must have 16 bytes"))?;
        if message.version != 1 {
            return Err(TransactionError::Field("version must be 1"));
        }
        if message.flags != 0 {
            return Err(TransactionError::Field("flags must be 0"));
        }
        if laufzettel_contracts::AuthorityId::new(&message.authority).is_err() {
            return Err(TransactionError::Field("authority is no authority id"));
        }
        let source_ok = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
        if message.source_system.len() > 32 || !message.source_system.bytes().all(source_ok) {
            return Err(TransactionError::Field("source_system allows at most 32 of [a-z0-9._-]"));
        }
        if message.item_digests.is_empty() || message.item_digests.len() > limits::TRANSACTION_ITEMS_MAX {
            return Err(TransactionError::Field("1 to 256 items are allowed"));
        }
        let mut item_digests = Vec::with_capacity(message.item_digests.len());
        for digest in &message.item_digests {
            let digest = ItemDigest::from_slice(digest);
            item_digests.push(digest.ok_or(TransactionError::Field("an item digest must have 32 bytes"))?);
        }
        Ok(Self {
            network,
            incarnation: message.incarnation,
            id,
            authority: message.authority,
            valid_until_ms: message.valid_until_ms,
            source_system: message.source_system,
            item_digests,
        })
    }
    /// The canonical bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        proto::TransactionPayload {
            network: self.network.0.to_vec(),
            incarnation: self.incarnation,
            version: 1,
            id: self.id.0.to_vec(),
            authority: self.authority.clone(),
            valid_until_ms: self.valid_until_ms,
            source_system: self.source_system.clone(),
            flags: 0,
            item_digests: self.item_digests.iter().map(|digest| digest.0.to_vec()).collect(),
        }
        .encode_to_vec()
    }
    /// Signs this payload over these items: what a client does.
    #[must_use]
    pub fn sign(&self, items: Vec<Vec<u8>>, key: &crypto::SigningKey) -> SignedTransaction {
        let payload = self.encode();
        let value = crypto::sign(key, SIGN_DOMAIN, &payload);
        let key_id = KeyId::of(&key.verifying_key());
        SignedTransaction {
            payload,
            signatures: vec![Signature { key_id, value }],
            items: items.into_iter().map(Some).collect(),
        }
    }
}

impl Canonical for Signature {
    fn write(&self, out: &mut Writer) {
        self.key_id.write(out);
        out.u8(crypto::ALGORITHM_ED25519);
        out.bytes(&self.value);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        let key_id = KeyId::read(input)?;
        if input.u8()? != crypto::ALGORITHM_ED25519 {
            return Err(CodecError::Invalid("signature algorithm"));
        }
        let value = input.bytes(64)?.try_into().map_err(|_| CodecError::Invalid("signature length"))?;
        Ok(Self { key_id, value })
    }
}

impl Canonical for SignedTransaction {
    fn write(&self, out: &mut Writer) {
        out.bytes(&self.payload);
        out.list(&self.signatures);
        out.length(self.items.len());
        for item in &self.items {
            match item {
                None => out.u8(0),
                Some(bytes) => {
                    out.u8(1);
                    out.bytes(bytes);
                }
            }
        }
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        let payload = input.bytes(limits::PAYLOAD_BYTES_MAX)?.to_vec();
        let signatures = input.list(limits::TRANSACTION_SIGNATURES_MAX)?;
        let count = input.length(limits::TRANSACTION_ITEMS_MAX)?;
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            items.push(match input.u8()? {
                0 => None,
                1 => Some(input.bytes(limits::PROPOSE_ITEM_BYTES_MAX)?.to_vec()),
                _ => return Err(CodecError::Invalid("presence byte")),
            });
        }
        Ok(Self { payload, signatures, items })
    }
}
