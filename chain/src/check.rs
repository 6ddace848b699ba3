//! When a transaction may stand in a block, and when a node takes one into its
//! mempool (design 4.2, 5.2). Both ask the same questions of the same state.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Mutex, PoisonError};

use laufzettel_contracts::{CaseFold, Definition, Report};
use thiserror::Error;

use crate::crypto::{Hash, hash};
use crate::evidence::Scope;
use crate::ids::{CaseId, Height, KeyId, NetworkId, PayloadDigest, TransactionId};
use crate::item::Action;
use crate::limits;
use crate::registry::{Authority, Registry};
use crate::state::submissions::{self, Submission};
use crate::state::{self, case::OpenCase};
use crate::storage::{Read, StoreError};
use crate::transaction::{SignedTransaction, Transaction, TransactionError};

/// Why a transaction cannot be committed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The bytes are no transaction.
    #[error("{0}")]
    Malformed(TransactionError),
    /// It is for another network.
    #[error("the transaction is for network {found}, this one is {expected}")]
    OtherNetwork {
        /// Network of the payload.
        found: NetworkId,
        /// This network.
        expected: NetworkId,
    },
    /// It is for another incarnation.
    #[error("the transaction is for incarnation {found}, the network is in {expected}")]
    OtherIncarnation {
        /// Incarnation of the payload.
        found: u32,
        /// The network's.
        expected: u32,
    },
    /// An item is missing.
    #[error("item {0} is missing")]
    ItemMissing(usize),
    /// No member has this id.
    #[error("'{0}' is no member of the network")]
    AuthorityUnknown(String),
    /// No member has this key, or it is not in force.
    #[error("key {0} is not in force for the authority that acts")]
    KeyUnknown(KeyId),
    /// A signature is wrong.
    #[error("the signature of key {0} is wrong")]
    Signature(KeyId),
    /// Too late.
    #[error("valid_until {valid_until_ms} lies before block time {time_ms}")]
    Expired {
        /// The transaction's limit.
        valid_until_ms: u64,
        /// Block time.
        time_ms: u64,
    },
    /// Valid for too long.
    #[error("valid_until {valid_until_ms} lies more than 7 days after block time {time_ms}")]
    ValidTooLong {
        /// The transaction's limit.
        valid_until_ms: u64,
        /// Block time.
        time_ms: u64,
    },
    /// Committed already: the same authority, id and payload.
    #[error("the transaction was committed at height {height}")]
    Repeated {
        /// Block it is in.
        height: Height,
        /// Position in the block.
        index: u32,
    },
    /// Another payload was committed under this id.
    #[error("transaction id {id} was used at height {height} for another payload")]
    IdTaken {
        /// The id.
        id: TransactionId,
        /// Block the other one is in.
        height: Height,
    },
}

impl Refusal {
    /// The stable reason.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        use crate::canonical::CanonicalError as Canonical;
        use crate::item::ItemError as Item;
        match self {
            Self::Malformed(TransactionError::Payload(canonical))
            | Self::Malformed(TransactionError::Item { source: Item::Canonical(canonical), .. }) => match canonical {
                Canonical::UnknownField { .. } => "UNKNOWN_FIELD",
                Canonical::Malformed(_) => "MALFORMED",
                Canonical::NonCanonical { .. } => "NON_CANONICAL",
            },
            Self::Malformed(
                TransactionError::Item { source: Item::TooLarge(_), .. } | TransactionError::TooLarge(_),
            ) => "TOO_LARGE",
            Self::Malformed(TransactionError::Item { source: Item::NotYet(_), .. }) => "NOT_IN_PROTOCOL_VERSION",
            Self::Malformed(TransactionError::Digest(_)) => "ITEM_DIGEST_MISMATCH",
            Self::Malformed(_) => "MALFORMED",
            Self::OtherNetwork { .. } => "OTHER_NETWORK",
            Self::OtherIncarnation { .. } => "OTHER_INCARNATION",
            Self::ItemMissing(_) => "ITEM_MISSING",
            Self::AuthorityUnknown(_) => "AUTHORITY_UNKNOWN",
            Self::KeyUnknown(_) => "KEY_UNKNOWN",
            Self::Signature(_) => "SIGNATURE_INVALID",
            Self::Expired { .. } => "EXPIRED",
            Self::ValidTooLong { .. } => "VALID_TOO_LONG",
            Self::Repeated { .. } => "REPEATED",
            Self::IdTaken { .. } => "ID_TAKEN",
        }
    }
}

/// A refusal, or the store's failure.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CheckError {
    /// The transaction cannot be committed.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Signatures that verified, so that none is verified twice: at admission, in
/// the proposal and again at the commit. Bounded; forgetting costs time only.
#[derive(Debug, Default)]
pub struct Verified(Mutex<VerifiedSet>);

#[derive(Debug, Default)]
struct VerifiedSet {
    known: BTreeSet<Hash>,
    order: VecDeque<Hash>,
}

const VERIFIED_MAX: usize = 65_536;

impl Verified {
    fn knows(&self, key: &Hash) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).known.contains(key)
    }
    fn insert(&self, key: Hash) {
        let mut set = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if set.known.insert(key) {
            set.order.push_back(key);
            if set.order.len() > VERIFIED_MAX
                && let Some(oldest) = set.order.pop_front()
            {
                set.known.remove(&oldest);
            }
        }
    }
}

/// The state a transaction is judged on.
#[derive(Clone, Copy)]
pub struct Judge<'a> {
    /// The state of the height below.
    pub read: &'a dyn Read,
    /// Members and keys of that state.
    pub registry: &'a Registry,
    /// The network.
    pub network: NetworkId,
    /// Count of recoveries.
    pub incarnation: u32,
    /// The height it would be committed at.
    pub height: Height,
    /// Block time, or a node's clock at admission.
    pub time_ms: u64,
    /// Signatures verified before.
    pub verified: &'a Verified,
}

impl Judge<'_> {
    /// Decodes a transaction and checks all that makes it valid in a block.
    ///
    /// # Errors
    /// The first reason against it, or the store's failure.
    pub fn check(&self, signed: &SignedTransaction) -> Result<Transaction, CheckError> {
        let transaction = signed.decode().map_err(Refusal::Malformed)?;
        let payload = &transaction.payload;
        if payload.network != self.network {
            return Err(Refusal::OtherNetwork { found: payload.network, expected: self.network }.into());
        }
        if payload.incarnation != self.incarnation {
            let expected = self.incarnation;
            return Err(Refusal::OtherIncarnation { found: payload.incarnation, expected }.into());
        }
        if let Some(missing) = transaction.items.iter().position(Option::is_none) {
            return Err(Refusal::ItemMissing(missing).into());
        }
        if !self.registry.authorities.contains_key(&payload.authority) {
            return Err(Refusal::AuthorityUnknown(payload.authority.clone()).into());
        }
        // Before the time limits: who repeats late is told the first outcome.
        if let Some(earlier) = submissions::find(self.read, &payload.authority, &payload.id)? {
            return Err(repeated(&earlier, &transaction.digest, payload.id).into());
        }
        let (valid_until_ms, time_ms) = (payload.valid_until_ms, self.time_ms);
        if valid_until_ms < time_ms {
            return Err(Refusal::Expired { valid_until_ms, time_ms }.into());
        }
        if valid_until_ms > time_ms.saturating_add(limits::VALID_UNTIL_AHEAD_MS_MAX) {
            return Err(Refusal::ValidTooLong { valid_until_ms, time_ms }.into());
        }
        self.check_signatures(signed, &payload.authority)?;
        Ok(transaction)
    }
    fn check_signatures(&self, signed: &SignedTransaction, authority: &str) -> Result<(), Refusal> {
        let cache_key = hash("verified", &signed.root_leaf());
        let known = self.verified.knows(&cache_key);
        for signature in &signed.signatures {
            let key = self.registry.keys.get(&signature.key_id);
            let key = key.filter(|key| key.authority == authority && key.counts_at(self.height));
            let key = key.ok_or(Refusal::KeyUnknown(signature.key_id))?;
            if !known && !signed.verify(signature, &key.public) {
                return Err(Refusal::Signature(signature.key_id));
            }
        }
        if !known {
            self.verified.insert(cache_key);
        }
        Ok(())
    }
    /// What the process would say now, where the case is known: the refusal of
    /// the first item that would be refused. Foretells, promises nothing.
    ///
    /// # Errors
    /// The store failed.
    pub fn foretell(
        &self,
        signed: &SignedTransaction,
        transaction: &Transaction,
    ) -> Result<Option<crate::receipt::Code>, StoreError> {
        use crate::receipt::Code;
        let Some(authority) = self.registry.authorities.get(&transaction.payload.authority) else { return Ok(None) };
        // A dry run may carry any signature: only keys that are there speak against it.
        let keys = || signed.signatures.iter().map(|signature| signature.key_id);
        if keys().all(|key| self.registry.keys.contains_key(&key)) {
            let mut items = transaction.items.iter().flatten();
            if items.any(|item| !self.registry.may_submit(keys(), &item.action)) {
                return Ok(Some(Code::KeyPurpose));
            }
        }
        let opened = |case: CaseId| {
            transaction.items.iter().flatten().find_map(|item| match &item.action {
                Action::OpenCase { definition, version } if item.case == Some(case) => {
                    self.registry.definition(definition, *version)
                }
                _ => None,
            })
        };
        for item in transaction.items.iter().flatten() {
            let Some(id) = item.case else {
                if let Some(refused) = self.foretell_evidence(&item.action)? {
                    return Ok(Some(refused));
                }
                continue;
            };
            let case = OpenCase::load(self.read, self.registry, &id)?;
            let refused = match (&item.action, case) {
                (Action::OpenCase { .. }, Some(_)) => Some(Code::CaseExists),
                (Action::OpenCase { definition, version }, None) => {
                    match self.registry.definition(definition, *version) {
                        None => Some(Code::DefinitionUnknown),
                        Some(definition) => {
                            let entitled = authority.roles.iter().any(|role| definition.role(role.as_str()).is_some());
                            (!entitled).then_some(Code::RoleNotEntitled)
                        }
                    }
                }
                (Action::Report(report), None) if opened(id).is_some() => opened(id)
                    .and_then(|definition| foretold(definition, authority, report, self.time_ms, &CaseFold::new())),
                (_, None) => opened(id).is_none().then_some(Code::CaseUnknown),
                (Action::Report(report), Some(case)) => {
                    foretold(&case.definition, authority, report, self.time_ms, &case.fold)
                }
                _ => None,
            };
            if refused.is_some() {
                return Ok(refused);
            }
        }
        Ok(None)
    }
    fn foretell_evidence(&self, action: &Action) -> Result<Option<crate::receipt::Code>, StoreError> {
        let Action::Evidence(evidence) = action else { return Ok(None) };
        let (_, records) = state::evidence::of_key(self.read, &evidence.place().address)?;
        let scope = Scope { network: self.network, incarnation: self.incarnation, height: self.height };
        Ok(records.judge(evidence, self.registry, &scope).err())
    }
}

fn foretold(
    definition: &Definition,
    authority: &Authority,
    report: &Report,
    time_ms: u64,
    fold: &CaseFold,
) -> Option<crate::receipt::Code> {
    let judged = laufzettel_contracts::accept(definition, &authority.roles, report, time_ms, fold);
    judged.err().map(|refusal| crate::receipt::Code::of(&refusal))
}

/// What a second submission under a used id is told.
#[must_use]
pub fn repeated(earlier: &Submission, digest: &PayloadDigest, id: TransactionId) -> Refusal {
    if earlier.digest == digest.0 {
        Refusal::Repeated { height: earlier.height, index: earlier.index }
    } else {
        Refusal::IdTaken { id, height: earlier.height }
    }
}
