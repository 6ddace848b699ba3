//! Receipts: what became of each item of a block (docs/FORMATS.md A.4). They hold
//! no case id, authority or text. The codes are stable for ever.

use crate::codec::{Canonical, CodecError, Reader, Writer, encode};
use crate::crypto::Hash;
use crate::ids::ItemDigest;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $reason:literal;)*) => {
        /// Outcome of one item: accepted, or why it was refused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u16)]
        pub enum Code {
            $($(#[$doc])* $name = $number,)*
        }
        impl Code {
            /// All codes.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];
            /// The stable name.
            #[must_use]
            pub fn reason(self) -> &'static str {
                match self { $(Self::$name => $reason,)* }
            }
        }
    };
}

codes! {
    /// Applied.
    Accepted = 0, "ACCEPTED";
    /// No signature is of a key that may submit.
    KeyPurpose = 2, "KEY_PURPOSE";
    /// The case was never opened.
    CaseUnknown = 3, "CASE_UNKNOWN";
    /// The case is open already.
    CaseExists = 4, "CASE_EXISTS";
    /// The case was erased.
    CaseErased = 5, "CASE_ERASED";
    /// No such process definition.
    DefinitionUnknown = 6, "DEFINITION_UNKNOWN";
    /// The same item was applied before.
    ItemRepeated = 7, "ITEM_REPEATED";
    /// The two messages do not prove that a consensus key signed twice.
    EvidenceInvalid = 8, "EVIDENCE_INVALID";
    /// It is recorded that the key signed twice at this height.
    EvidenceRepeated = 9, "EVIDENCE_REPEATED";
    /// The key has its 64 records.
    EvidenceEnough = 10, "EVIDENCE_ENOUGH";
    /// The definition has no such status.
    StatusUnknown = 20, "STATUS_UNKNOWN";
    /// The status appears on the ledger only as its class.
    StatusRestricted = 21, "STATUS_RESTRICTED";
    /// The authority has no role that may do this.
    RoleNotEntitled = 22, "ROLE_NOT_ENTITLED";
    /// A day where an instant is asked, or the reverse.
    PrecisionWrong = 23, "PRECISION_WRONG";
    /// More than 24 hours after block time.
    OccurredInFuture = 24, "OCCURRED_IN_FUTURE";
    /// Takes effect more than 10 years ahead.
    EffectiveTooFar = 25, "EFFECTIVE_TOO_FAR";
    /// Not an outcome of this status.
    OutcomeUnknown = 26, "OUTCOME_UNKNOWN";
    /// Not an attribute of this status.
    AttributeUnknown = 27, "ATTRIBUTE_UNKNOWN";
    /// Not a value of this attribute.
    AttributeInvalid = 28, "ATTRIBUTE_INVALID";
    /// The case has no such proceeding.
    ProceedingUnknown = 29, "PROCEEDING_UNKNOWN";
    /// The case has its 32 proceedings.
    TooManyProceedings = 30, "TOO_MANY_PROCEEDINGS";
    /// The case has its 4,096 events.
    TooManyEvents = 31, "TOO_MANY_EVENTS";
    /// The case has no such report.
    SlotUnknown = 32, "SLOT_UNKNOWN";
    /// The report is another authority's.
    NotAuthor = 33, "NOT_AUTHOR";
    /// The report was retracted.
    SlotClosed = 34, "SLOT_CLOSED";
    /// More than 8 documents.
    TooManyDocuments = 35, "TOO_MANY_DOCUMENTS";
    /// More than 32 recipients.
    TooManyRecipients = 36, "TOO_MANY_RECIPIENTS";
    /// A lock stands that stops the announcement.
    Locked = 37, "LOCKED";
    /// A guard blocks the announcement.
    Blocked = 38, "BLOCKED";
    /// The guard that blocks may not be overridden with this reason.
    OverrideUnknown = 39, "OVERRIDE_UNKNOWN";
    /// The override names no other person of the authority that signed, too.
    OverrideSigner = 40, "OVERRIDE_SIGNER";
    /// The case has no such effect.
    EffectUnknown = 41, "EFFECT_UNKNOWN";
    /// The effect demands no acknowledgement.
    NothingToAcknowledge = 42, "NOTHING_TO_ACKNOWLEDGE";
    /// The notice was sent to others.
    NotRecipient = 43, "NOT_RECIPIENT";
    /// The authority has acknowledged before.
    AlreadyAcknowledged = 44, "ALREADY_ACKNOWLEDGED";
    /// The effect is no task.
    NotATask = 45, "NOT_A_TASK";
    /// The task is done, closed or withdrawn.
    TaskNotOpen = 46, "TASK_NOT_OPEN";
    /// The task is another's.
    NotOwner = 47, "NOT_OWNER";
    /// The task has no such outcome.
    TaskOutcomeUnknown = 48, "TASK_OUTCOME_UNKNOWN";
    /// A newer version of the definition is in force.
    DefinitionSuperseded = 49, "DEFINITION_SUPERSEDED";
    /// The proposed text has findings.
    TextRefused = 50, "TEXT_REFUSED";
    /// The proposed version is not above the newest one.
    VersionNotNewer = 51, "VERSION_NOT_NEWER";
    /// Others have to agree than the proposal lists.
    AgreementListWrong = 52, "AGREEMENT_LIST_WRONG";
    /// The effective height is past or too far ahead.
    EffectiveHeightWrong = 53, "EFFECTIVE_HEIGHT_WRONG";
    /// As many proposals are open as may be.
    TooManyProposals = 54, "TOO_MANY_PROPOSALS";
    /// No such proposal.
    ProposalUnknown = 55, "PROPOSAL_UNKNOWN";
    /// The proposal was decided or has expired.
    ProposalClosed = 56, "PROPOSAL_CLOSED";
    /// The authority neither runs a validator nor has to agree.
    NoVote = 57, "NO_VOTE";
    /// The same vote of the authority stands already.
    VoteRepeated = 58, "VOTE_REPEATED";
    /// The proposal moves cases, and does not say of every status what it becomes.
    MappingWrong = 59, "MAPPING_WRONG";
    /// No lock of the case's process is about the status of a clearance check.
    NotLockable = 60, "NOT_LOCKABLE";
}

impl Code {
    /// From its number.
    #[must_use]
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| *code as u16 == number)
    }
    /// Protocol version since which it is given.
    #[must_use]
    pub fn since(self) -> u16 {
        if self as u16 >= Self::Locked as u16 { 2 } else { 1 }
    }
    /// The code of a refused acknowledgement or completion.
    #[must_use]
    pub fn of_history(refusal: laufzettel_contracts::effect::HistoryRefusal) -> Self {
        use laufzettel_contracts::effect::HistoryRefusal as Refusal;
        match refusal {
            Refusal::EffectUnknown => Self::EffectUnknown,
            Refusal::NothingToAcknowledge => Self::NothingToAcknowledge,
            Refusal::NotRecipient => Self::NotRecipient,
            Refusal::AlreadyAcknowledged => Self::AlreadyAcknowledged,
            Refusal::NotATask => Self::NotATask,
            Refusal::TaskNotOpen => Self::TaskNotOpen,
            Refusal::NotOwner => Self::NotOwner,
            Refusal::OutcomeUnknown => Self::TaskOutcomeUnknown,
        }
    }
    /// Whether a refusal stands whatever else is committed before: it rests on the definition, the author's roles and the
    /// item alone.
    #[must_use]
    pub fn is_lasting(self) -> bool {
        matches!(
            self,
            Self::KeyPurpose
                | Self::CaseExists
                | Self::DefinitionUnknown
                | Self::EvidenceRepeated
                | Self::EvidenceEnough
                | Self::OverrideSigner
                | Self::StatusUnknown
                | Self::StatusRestricted
                | Self::RoleNotEntitled
                | Self::PrecisionWrong
                | Self::EffectiveTooFar
                | Self::OutcomeUnknown
                | Self::AttributeUnknown
                | Self::AttributeInvalid
                | Self::TooManyDocuments
                | Self::TooManyRecipients
                | Self::DefinitionSuperseded
                | Self::VersionNotNewer
        )
    }
    /// The code of a refusal by the process.
    #[must_use]
    pub fn of(refusal: &laufzettel_contracts::Refusal) -> Self {
        use laufzettel_contracts::Refusal;
        match refusal {
            Refusal::StatusUnknown => Self::StatusUnknown,
            Refusal::StatusRestricted => Self::StatusRestricted,
            Refusal::RoleNotEntitled => Self::RoleNotEntitled,
            Refusal::PrecisionWrong => Self::PrecisionWrong,
            Refusal::OccurredInFuture => Self::OccurredInFuture,
            Refusal::EffectiveTooFar => Self::EffectiveTooFar,
            Refusal::OutcomeUnknown => Self::OutcomeUnknown,
            Refusal::AttributeUnknown => Self::AttributeUnknown,
            Refusal::AttributeInvalid => Self::AttributeInvalid,
            Refusal::ProceedingUnknown => Self::ProceedingUnknown,
            Refusal::TooManyProceedings => Self::TooManyProceedings,
            Refusal::TooManyEvents => Self::TooManyEvents,
            Refusal::SlotUnknown => Self::SlotUnknown,
            Refusal::NotAuthor => Self::NotAuthor,
            Refusal::SlotClosed => Self::SlotClosed,
            Refusal::TooManyDocuments => Self::TooManyDocuments,
            Refusal::TooManyRecipients => Self::TooManyRecipients,
        }
    }
}

/// Flag: the event lies outside the defined order or lacks something.
pub const FLAG_DEVIATION: u16 = 1;
/// Flag: a second person overrode what blocks it.
pub const FLAG_OVERRIDDEN: u16 = 2;
/// Flag: it came while a lock stood against it.
pub const FLAG_DESPITE_LOCK: u16 = 4;

/// Answer to a clearance check: a lock stands.
pub const ANSWER_LOCKED: u8 = 1;
/// Answer to a clearance check: no lock is recorded.
pub const ANSWER_NO_LOCK: u8 = 2;

/// What became of one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The item.
    pub item: ItemDigest,
    /// Accepted, or why not.
    pub code: Code,
    /// 1 deviation, 2 overridden, 4 despite lock.
    pub flags: u16,
    /// Revision of the case after this item; 0 where it was refused or concerns no case.
    pub revision: u64,
    /// The lock or BLOCK that caused a refusal.
    pub cause: Option<[u8; 16]>,
    /// Answer to a clearance check: 0 none, 1 locked, 2 no lock recorded.
    pub answer: u8,
}

impl Canonical for Receipt {
    fn write(&self, out: &mut Writer) {
        self.item.write(out);
        out.u16(self.code as u16);
        out.u16(self.flags);
        out.u64(self.revision);
        out.opt(self.cause.as_ref());
        out.u8(self.answer);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Self {
            item: ItemDigest::read(input)?,
            code: Code::from_number(input.u16()?).ok_or(CodecError::Invalid("receipt code"))?,
            flags: input.u16()?,
            revision: input.u64()?,
            cause: input.opt()?,
            answer: input.u8()?,
        })
    }
}

/// Canonical bytes of a transaction's receipts, as they are stored.
pub(crate) fn receipts_bytes(receipts: &[Receipt]) -> Vec<u8> {
    let mut out = Writer::default();
    out.list(receipts);
    out.into_bytes()
}

/// The domain of a block's tree of receipts.
const TREE: &str = "receipt";

/// That a receipt is among those of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptProof {
    /// The receipt.
    pub receipt: Receipt,
    /// Its place among all receipts of the block, from 0.
    pub index: u32,
    /// How many receipts the block has.
    pub count: u32,
    /// Siblings from the leaf upwards.
    pub path: Vec<Hash>,
}

impl ReceiptProof {
    /// Proof of the receipt at a place among all receipts of a block; none if there is no such place.
    #[must_use]
    pub fn of(receipts: &[Receipt], index: usize) -> Option<Self> {
        let leaves: Vec<Vec<u8>> = receipts.iter().map(encode).collect();
        let path = crate::merkle::path(TREE, &leaves, index)?;
        let (receipt, count) = (receipts.get(index)?.clone(), u32::try_from(receipts.len()).ok()?);
        Some(Self { receipt, index: u32::try_from(index).ok()?, count, path })
    }
    /// Whether the receipt is at that place in a block with this `receipts_root`.
    #[must_use]
    pub fn leads_to(&self, receipts_root: &Hash) -> bool {
        let (Ok(index), Ok(count)) = (usize::try_from(self.index), usize::try_from(self.count)) else { return false };
        let leaf = encode(&self.receipt);
        crate::merkle::root_of_path(TREE, &leaf, (index, count), &self.path).as_ref() == Some(receipts_root)
    }
}

/// `receipts_root` of a block.
#[must_use]
pub fn receipts_root<'a>(receipts: impl Iterator<Item = &'a Receipt>) -> Hash {
    let leaves: Vec<Vec<u8>> = receipts.map(encode).collect();
    crate::merkle::root(TREE, &leaves)
}
