//! When a transaction may stand in a block, and when a node takes one into its
//! mempool (design 4.2, 5.2). Both ask the same questions of the same state.

use std::sync::Arc;

use laufzettel_contracts::{AuthorityId, Definition, Position};
use thiserror::Error;

use crate::evidence::Scope;
use crate::execute::{effects, governance};
use crate::ids::{CaseId, Height, KeyId, NetworkId, PayloadDigest, TransactionId};
use crate::item::{Action, Item};
use crate::limits;
use crate::receipt::Code;
use crate::registry::Registry;
use crate::state;
use crate::state::case::{CaseRow, OpenCase, Origin};
use crate::state::submissions::{self, Submission};
use crate::storage::{Read, StoreError};
use crate::transaction::{SignedTransaction, Transaction, TransactionError};
pub use crate::verified::Verified;

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
    /// Transactions decoded and verified before.
    pub verified: &'a Verified,
}

/// How a case is looked up: with as much of it as the question needs.
type KnownCase<'a> = dyn Fn(&CaseId) -> Result<Option<OpenCase>, StoreError> + 'a;

impl Judge<'_> {
    /// Decodes a transaction and checks all that makes it valid in a block.
    ///
    /// # Errors
    /// The first reason against it, or the store's failure.
    pub fn check(&self, signed: &Arc<SignedTransaction>) -> Result<Arc<Transaction>, CheckError> {
        self.judge(signed, self.verified.get(signed).map(|decoded| (decoded, true)), true)
    }
    /// As [`Judge::check`], where the transaction is decoded already.
    ///
    /// # Errors
    /// The first reason against it, or the store's failure.
    pub fn check_decoded(
        &self,
        signed: &Arc<SignedTransaction>,
        decoded: Transaction,
    ) -> Result<Arc<Transaction>, CheckError> {
        self.judge(signed, Some((Arc::new(decoded), false)), true)
    }
    /// As [`Judge::check`] for a transaction of a decided block: that more than two thirds of the validators have
    /// verified its signatures is what the certificate says, and the block's root covers them.
    ///
    /// # Errors
    /// The first reason against it, or the store's failure.
    pub fn check_decided(&self, signed: &Arc<SignedTransaction>) -> Result<Arc<Transaction>, CheckError> {
        self.judge(signed, self.verified.get(signed).map(|decoded| (decoded, true)), false)
    }
    /// `known` is what it decodes to, where that is known, and whether its signatures were verified then.
    fn judge(
        &self,
        signed: &Arc<SignedTransaction>,
        known: Option<(Arc<Transaction>, bool)>,
        verify: bool,
    ) -> Result<Arc<Transaction>, CheckError> {
        let (transaction, verified) = match known {
            Some(known) => known,
            None => (Arc::new(signed.decode_in(self.registry.protocol).map_err(Refusal::Malformed)?), false),
        };
        let verify = verify && !verified;
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
        self.check_signatures(signed, &payload.authority, verify)?;
        if verify {
            self.verified.insert(signed.clone(), transaction.clone());
        }
        Ok(transaction)
    }
    fn check_signatures(&self, signed: &SignedTransaction, authority: &str, verify: bool) -> Result<(), Refusal> {
        for signature in &signed.signatures {
            let key = self.registry.keys.get(&signature.key_id);
            let key = key.filter(|key| key.authority == authority && key.counts_at(self.height));
            let key = key.ok_or(Refusal::KeyUnknown(signature.key_id))?;
            if verify && !signed.verify(signature, &key.public) {
                return Err(Refusal::Signature(signature.key_id));
            }
        }
        Ok(())
    }
    /// What the process would say now, where the case is known: the refusal of
    /// the first item that would be refused. Foretells, promises nothing.
    ///
    /// # Errors
    /// The store failed.
    pub fn foretell(&self, signed: &SignedTransaction, transaction: &Transaction) -> Result<Option<Code>, StoreError> {
        let known = |id: &CaseId| {
            let mut case = OpenCase::load(self.read, self.registry, id)?;
            if let Some(case) = &mut case {
                case.come_to(self.registry, *id, self.height);
                case.bring(self.time_ms);
            }
            Ok(case)
        };
        self.first_refusal(signed, transaction, &known, |_| true)
    }
    /// The first refusal that stands whatever is committed before ([`Code::is_lasting`]). Reads of each case no more than
    /// under which definition it stands.
    ///
    /// # Errors
    /// The store failed.
    pub fn foretell_lasting(
        &self,
        signed: &SignedTransaction,
        transaction: &Transaction,
    ) -> Result<Option<Code>, StoreError> {
        let known = |id: &CaseId| {
            let Some(row) = CaseRow::load(self.read, id)? else { return Ok(None) };
            let version = self.registry.version_at(&row.definition, row.version, self.height);
            let moved = self.registry.definition(&row.definition, version);
            let definition = moved.map_or_else(|| row.definition(self.registry, id), Ok)?;
            // What the case holds is asked last of all, and gives no lasting refusal.
            Ok(Some(OpenCase::new(definition.clone(), row.opened)))
        };
        self.first_refusal(signed, transaction, &known, Code::is_lasting)
    }
    fn first_refusal(
        &self,
        signed: &SignedTransaction,
        transaction: &Transaction,
        known: &KnownCase<'_>,
        counts: fn(Code) -> bool,
    ) -> Result<Option<Code>, StoreError> {
        if !self.registry.authorities.contains_key(&transaction.payload.authority) {
            return Ok(None);
        }
        if self.lacks_purpose(signed, transaction) {
            return Ok(Some(Code::KeyPurpose));
        }
        for item in transaction.items.iter().flatten() {
            let refused = match item.case {
                None => self.foretell_evidence(&item.action)?.or(self.foretell_governance(
                    item,
                    &transaction.payload.authority,
                    counts(Code::TextRefused),
                )?),
                Some(id) => self.foretell_item((signed, transaction), item, id, known(&id)?),
            };
            if let Some(refused) = refused.filter(|code| counts(*code)) {
                return Ok(Some(refused));
            }
        }
        Ok(None)
    }
    fn foretell_item(
        &self,
        (signed, transaction): (&SignedTransaction, &Transaction),
        item: &Item,
        id: CaseId,
        known: Option<OpenCase>,
    ) -> Option<Code> {
        let author = &transaction.payload.authority;
        let case = match (&item.action, known) {
            (Action::OpenCase { .. }, Some(_)) => return Some(Code::CaseExists),
            (Action::OpenCase { definition, version }, None) => {
                return self.registry.may_open(author, definition, *version, self.height).err();
            }
            (_, Some(known)) => known,
            (_, None) => match self.opened_by(transaction, id) {
                Some(definition) => {
                    let mut case = OpenCase::new(definition.clone(), self.height).within(self.registry, id);
                    case.bring(self.time_ms);
                    case
                }
                None => return Some(Code::CaseUnknown),
            },
        };
        if let Action::Report(report) = &item.action {
            let roles = self.registry.roles(author);
            let judged = laufzettel_contracts::accept(&case.definition, roles, report, self.time_ms, &case.fold);
            if let Err(refusal) = judged {
                return Some(Code::of(&refusal));
            }
        }
        self.foretell_effects(signed, transaction, item, case)
    }
    /// What locks and guards say of a report, and what the effects say of an acknowledgement or a completion.
    fn foretell_effects(
        &self,
        signed: &SignedTransaction,
        transaction: &Transaction,
        item: &Item,
        mut case: OpenCase,
    ) -> Option<Code> {
        let author = AuthorityId::new(&transaction.payload.authority).ok()?;
        let keys: Vec<KeyId> = signed.signatures.iter().map(|signature| signature.key_id).collect();
        match &item.action {
            Action::Report(_) => {
                // A dry run may carry any signature: only keys that are there speak against it.
                let known = keys.iter().all(|key| self.registry.keys.contains_key(key));
                let second = effects::check_second(self.registry, item, &keys).err().filter(|_| known);
                second.or_else(|| effects::judge(&case, item, &author).err().map(|stop| stop.code))
            }
            Action::CompleteTask { .. } | Action::Acknowledge { .. } => {
                let position = Position { height: self.height, transaction: 0, item: 0 };
                let origin = Origin { position, payload: transaction.digest, authority: &author, keys: &keys };
                case.apply(item, &origin, self.time_ms).err()
            }
            Action::OpenCase { .. }
            | Action::Correct { .. }
            | Action::Retract { .. }
            | Action::ClearanceCheck { .. }
            | Action::Propose(_)
            | Action::Vote { .. }
            | Action::Evidence(_) => None,
        }
    }
    /// Whether the keys that signed may not do what an item does. A dry run may carry any signature: only keys that are
    /// there speak against it.
    fn lacks_purpose(&self, signed: &SignedTransaction, transaction: &Transaction) -> bool {
        let keys = || signed.signatures.iter().map(|signature| signature.key_id);
        let mut items = transaction.items.iter().flatten();
        keys().all(|key| self.registry.keys.contains_key(&key))
            && items.any(|item| !self.registry.may_submit(keys(), &item.action))
    }
    /// The definition under which a transaction opens a case.
    fn opened_by(&self, transaction: &Transaction, case: CaseId) -> Option<&Arc<Definition>> {
        transaction.items.iter().flatten().find_map(|item| match &item.action {
            Action::OpenCase { definition, version } if item.case == Some(case) => {
                self.registry.definition(definition, *version)
            }
            _ => None,
        })
    }
    /// What would be said of a proposal or a vote; of a proposal its text only if asked, since that takes long.
    fn foretell_governance(&self, item: &Item, author: &str, text: bool) -> Result<Option<Code>, StoreError> {
        let (registry, register) = (self.registry, self.registry.register.as_ref());
        let Ok(author) = AuthorityId::new(author) else { return Ok(None) };
        Ok(match &item.action {
            Action::Propose(change) => {
                let room = governance::check_room(register, change, &author, self.height).err();
                room.or_else(|| text.then(|| governance::check_text(registry, register, change).err()).flatten())
            }
            Action::Vote { proposal, yes } => match state::governance::proposal(self.read, proposal)? {
                None => Some(Code::ProposalUnknown),
                Some(proposal) => governance::check_vote(registry, &proposal, *yes, &author, self.time_ms).err(),
            },
            Action::OpenCase { .. }
            | Action::Report(_)
            | Action::Correct { .. }
            | Action::Retract { .. }
            | Action::CompleteTask { .. }
            | Action::Acknowledge { .. }
            | Action::ClearanceCheck { .. }
            | Action::Evidence(_) => None,
        })
    }
    fn foretell_evidence(&self, action: &Action) -> Result<Option<Code>, StoreError> {
        let Action::Evidence(evidence) = action else { return Ok(None) };
        let (_, records) = state::evidence::of_key(self.read, &evidence.place().address)?;
        let scope = Scope { network: self.network, incarnation: self.incarnation, height: self.height };
        Ok(records.judge(evidence, self.registry, &scope).err())
    }
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
