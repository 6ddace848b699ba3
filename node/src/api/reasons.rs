//! The one catalogue of reasons: every refusal and error an API client can
//! meet, with its gRPC code, its meaning and what to do about it.
//!
//! A reason's name is stable: clients switch on it. `docs/ERRORS.md` is the
//! rendering of this table; a test holds the two together. Must never carry a
//! case id or any other data in its texts: those go into an error's metadata.

mod document;

use tonic::Code;

pub use document::render;

/// Where a client meets a reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// As the `reason` of an error's ErrorInfo, with this gRPC code.
    Error(Code),
    /// As the `reason` of a receipt: the item is in a block, refused.
    Receipt,
}

/// One line of the catalogue.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// Stable name.
    pub name: &'static str,
    /// Where it appears.
    pub place: Place,
    /// What it means.
    pub meaning: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

macro_rules! reasons {
    ($($variant:ident $name:literal $place:expr, $meaning:literal, $remedy:literal;)*) => {
        /// Why a call failed or an item was refused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Reason {
            $(#[doc = $meaning] $variant,)*
        }

        impl Reason {
            /// All reasons, in the order of the catalogue.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its line of the catalogue.
            #[must_use]
            pub const fn entry(self) -> Entry {
                match self {
                    $(Self::$variant => Entry { name: $name, place: $place, meaning: $meaning, remedy: $remedy },)*
                }
            }
        }
    };
}

use Code::{
    AlreadyExists, FailedPrecondition, Internal, InvalidArgument, NotFound, OutOfRange, PermissionDenied,
    ResourceExhausted, Unauthenticated, Unavailable,
};
use Place::{Error, Receipt};

reasons! {
    // The caller.
    CertificateMissing "CERTIFICATE_MISSING" Error(Unauthenticated),
        "The connection has no client certificate.",
        "Connect with the client certificate that the node's operator issued for your authority.";
    CertificateUnusable "CERTIFICATE_UNUSABLE" Error(Unauthenticated),
        "The client certificate names no authority: it has no URI laufzettel://authority/<id> among its alternative names.",
        "Have a client certificate issued with `laufzettel certificates client`.";
    AuthorityNotHosted "AUTHORITY_NOT_HOSTED" Error(PermissionDenied),
        "This node does not serve the authority of the client certificate.",
        "Connect to the node of your own authority, or to the one that hosts it.";
    AuthorityMismatch "AUTHORITY_MISMATCH" Error(PermissionDenied),
        "The call is about an authority other than the client certificate's.",
        "Sign and ask in the name of the certificate's authority.";
    NotOperator "NOT_OPERATOR" Error(PermissionDenied),
        "The caller of the node's local socket is another user than the node's.",
        "Call as the user the node runs as, or as root.";
    SnapshotUnderWay "SNAPSHOT_UNDER_WAY" Error(Unavailable),
        "A snapshot is being made already.",
        "Wait until it is complete; `laufzettel snapshot list` shows it then.";
    SnapshotFailed "SNAPSHOT_FAILED" Error(FailedPrecondition),
        "No snapshot was made; the message says why. The node goes on without it.",
        "If the disk is full, free space. With no block above genesis, wait for one. Then order it again.";
    SimulationUnderWay "SIMULATION_UNDER_WAY" Error(Unavailable),
        "A draft is being tried already.",
        "Wait until that is done, or end it: it stops when its caller goes.";
    ServiceKeyMissing "SERVICE_KEY_MISSING" Error(FailedPrecondition),
        "The node has no service key for this authority and cannot sign in its name.",
        "Sign the transaction yourself and use SubmitTransaction, or have the operator configure keys.service.";
    // The request.
    FieldInvalid "FIELD_INVALID" Error(InvalidArgument),
        "A field of the request is missing or malformed; the field violations name it.",
        "Correct the field. Repeating the call unchanged cannot succeed.";
    PageTokenInvalid "PAGE_TOKEN_INVALID" Error(InvalidArgument),
        "The page token is not one this node gave for this request.",
        "Send next_page_token unchanged and with the same filter, or start without a token.";
    CursorInvalid "CURSOR_INVALID" Error(InvalidArgument),
        "The cursor is not one a node of this network gave.",
        "Send the cursor of the last event, checkpoint or page unchanged.";
    FieldNotShown "FIELD_NOT_SHOWN" Error(PermissionDenied),
        "A proof was asked to open a field of a case that holds, or could hold, what this authority does not see.",
        "Name no fields: then the proof opens all that it may.";
    // Admission of a transaction.
    Malformed "MALFORMED" Error(InvalidArgument),
        "The transaction, its payload or an item is no protobuf of the schema, or a field is out of its range.",
        "Build it with the published schema; the message names the place.";
    UnknownField "UNKNOWN_FIELD" Error(InvalidArgument),
        "Payload or item carry a field that this protocol version does not have.",
        "Use the schema of the network's protocol version; GetHealth tells it.";
    NonCanonical "NON_CANONICAL" Error(InvalidArgument),
        "Payload or item are not in the one canonical encoding; offset names the first difference.",
        "Follow docs/SIGNING.md: fields in ascending order, no defaults written, repeated messages sorted.";
    TooLarge "TOO_LARGE" Error(InvalidArgument),
        "The transaction or one of its parts is larger than allowed.",
        "Split it; the limits are in docs/FORMATS.md A.7.";
    OtherNetwork "OTHER_NETWORK" Error(FailedPrecondition),
        "The transaction is for another network.",
        "Take the network id from GetHealth, and check that you are connected to the right network.";
    OtherIncarnation "OTHER_INCARNATION" Error(FailedPrecondition),
        "The transaction is for another incarnation: the network was recovered after a lost quorum.",
        "Take the incarnation from GetHealth and sign anew, under the same transaction id.";
    NotInProtocolVersion "NOT_IN_PROTOCOL_VERSION" Error(FailedPrecondition),
        "The transaction uses something of a protocol version that is not in force.",
        "Take the protocol version from GetHealth.";
    AuthorityUnknown "AUTHORITY_UNKNOWN" Error(PermissionDenied),
        "The registry has no such authority.",
        "Check the authority id; a new authority is admitted by vote.";
    KeyUnknown "KEY_UNKNOWN" Error(Unauthenticated),
        "The registry has no such key for this authority, or the key is not in force.",
        "Sign with a key of the authority that is in force, or register the key by vote.";
    SignatureInvalid "SIGNATURE_INVALID" Error(Unauthenticated),
        "A signature does not verify over the payload's bytes.",
        "Sign \"laufzettel/tx/v1\", a zero byte and exactly the payload bytes you send (docs/SIGNING.md).";
    ItemDigestMismatch "ITEM_DIGEST_MISMATCH" Error(InvalidArgument),
        "The items are not those whose digests the payload lists.",
        "Send every item the payload lists, in the same order and with the same bytes.";
    Expired "EXPIRED" Error(FailedPrecondition),
        "Block time has passed valid_until.",
        "Check whether it was committed (GetTransaction); if not, sign anew.";
    ValidTooLong "VALID_TOO_LONG" Error(InvalidArgument),
        "valid_until lies more than 7 days after block time.",
        "Choose an earlier valid_until.";
    ItemMissing "ITEM_MISSING" Error(InvalidArgument),
        "An item that the payload lists was not sent.",
        "Send every item the payload lists.";
    IdTaken "ID_TAKEN" Error(AlreadyExists),
        "The authority has used this transaction id for another payload; the metadata name both digests.",
        "Use a new id for a new transaction; repeat a call with the same bytes.";
    MempoolFull "MEMPOOL_FULL" Error(ResourceExhausted),
        "The mempool is full.",
        "Repeat the same call after the retry delay.";
    QuotaExceeded "QUOTA_EXCEEDED" Error(ResourceExhausted),
        "This authority has too much pending at once, or calls too often.",
        "Repeat the same call after the retry delay; send fewer at a time.";
    // Reading.
    TransactionNotFound "TRANSACTION_NOT_FOUND" Error(NotFound),
        "This node knows no transaction of this id, or its outcome is no longer kept.",
        "Check authority and id. If it was just submitted elsewhere, wait or ask there.";
    CaseNotFound "CASE_NOT_FOUND" Error(NotFound),
        "There is no such case, or it is not yours to see.",
        "Check the case id; its last character is a check character.";
    DefinitionNotFound "DEFINITION_NOT_FOUND" Error(NotFound),
        "The network has no such definition, or not in this version.",
        "ListDefinitions shows what is in force.";
    ProposalNotFound "PROPOSAL_NOT_FOUND" Error(NotFound),
        "There is no such proposal, or it was decided so long ago that the state no longer tells of it.",
        "ListProposals shows the open ones and those decided last.";
    EffectNotFound "EFFECT_NOT_FOUND" Error(NotFound),
        "The case has no such deadline, task, notice, lock or marker, or it is not yours to see.",
        "Take the effect id from the case or the inbox; the list is of one moment.";
    BlockNotFound "BLOCK_NOT_FOUND" Error(NotFound),
        "There is no block of this height yet.",
        "Ask for a height up to the position of the last answer.";
    Pruned "PRUNED" Error(OutOfRange),
        "The height is older than this node keeps. Of blocks, bodies_from is the first that it has.",
        "Start anew at a newer height (lists: without page token), or ask an archive node.";
    ProofUnavailable "PROOF_UNAVAILABLE" Error(OutOfRange),
        "Proofs are made at the newest block only, and there must be one above genesis.",
        "Ask without a height to read at.";
    HeightAhead "HEIGHT_AHEAD" Error(OutOfRange),
        "The height to read at is above the newest block.",
        "Ask for height 0 with min_height to wait for a block.";
    // The node.
    NotInSync "NOT_IN_SYNC" Error(Unavailable),
        "The node is behind the network and does not serve this call.",
        "Repeat the call; GetHealth shows the progress.";
    Stopping "STOPPING" Error(Unavailable),
        "The node is stopping, or the connection has reached its age.",
        "Connect again; continue feeds with the last cursor.";
    InternalFault "INTERNAL_FAULT" Error(Internal),
        "The node met a fault of its own; its log has the details.",
        "Tell the operator the time and the call. Repeating a submission is safe.";
    // Receipts: refused in a block.
    CaseUnknown "CASE_UNKNOWN" Receipt,
        "There is no such case at this point of the ledger.",
        "Open the case first, or check the case id.";
    CaseErased "CASE_ERASED" Receipt,
        "The case is erased.",
        "Nothing can be reported on it any more.";
    CaseExists "CASE_EXISTS" Receipt,
        "A case of this id is open already.",
        "Report on it, or choose a new random id.";
    ItemRepeated "ITEM_REPEATED" Receipt,
        "The same item was applied before.",
        "Nothing: it counts once. A new report needs new blinding bytes.";
    DefinitionUnknown "DEFINITION_UNKNOWN" Receipt,
        "The network has no such version of a process definition.",
        "Use a definition and version that is in force.";
    StatusUnknown "STATUS_UNKNOWN" Receipt,
        "The case's definition has no such status.",
        "Check the code, and the version of the definition.";
    StatusRestricted "STATUS_RESTRICTED" Receipt,
        "The status is restricted; only its class may stand on the ledger.",
        "Report its class, which the definition names (ledger_as); the exact code stays off the ledger.";
    RoleNotEntitled "ROLE_NOT_ENTITLED" Receipt,
        "No role of the authority may do this.",
        "Check the definition's reported_by and the roles in the registry.";
    KeyPurpose "KEY_PURPOSE" Receipt,
        "A key of this purpose may not do this.",
        "Sign with a key of the purpose the action asks for.";
    EvidenceInvalid "EVIDENCE_INVALID" Receipt,
        "The two messages do not prove that a registered consensus key signed two values at one height, round and kind.",
        "Nothing to do: honest validators never sign such messages.";
    EvidenceRepeated "EVIDENCE_REPEATED" Receipt,
        "It is recorded already that this key signed twice at this height.",
        "Nothing: every node that sees it reports it, and it counts once.";
    EvidenceEnough "EVIDENCE_ENOUGH" Receipt,
        "The key has been recorded at 64 heights; more are not kept.",
        "Nothing: have the authority take the key out of use.";
    PrecisionWrong "PRECISION_WRONG" Receipt,
        "An instant where the status has days, or a day where it has instants.",
        "Follow the status's precision.";
    OccurredInFuture "OCCURRED_IN_FUTURE" Receipt,
        "It happened more than 24 hours after block time.",
        "Check date and clock; a planned act is reported by its announcement.";
    EffectiveTooFar "EFFECTIVE_TOO_FAR" Receipt,
        "It takes effect more than ten years after block time.",
        "Check the date.";
    OutcomeUnknown "OUTCOME_UNKNOWN" Receipt,
        "The status has no such outcome, or none at all.",
        "Use an outcome from the status's list.";
    AttributeUnknown "ATTRIBUTE_UNKNOWN" Receipt,
        "The status has no such attribute.",
        "Leave it out, or check its name.";
    AttributeInvalid "ATTRIBUTE_INVALID" Receipt,
        "An attribute's value is of another type, not on its list or out of its bounds.",
        "Follow the attribute's declaration.";
    TooManyDocuments "TOO_MANY_DOCUMENTS" Receipt,
        "More documents than a report may have.",
        "Split the report, or commit to a list of documents.";
    TooManyRecipients "TOO_MANY_RECIPIENTS" Receipt,
        "More recipients than a sealed part may have.",
        "Name only those that need it.";
    ProceedingUnknown "PROCEEDING_UNKNOWN" Receipt,
        "It names a proceeding that is not there.",
        "Use 0, or a number that GetCase shows.";
    TooManyProceedings "TOO_MANY_PROCEEDINGS" Receipt,
        "It would open one proceeding too many.",
        "Check whether the report is meant for this case.";
    TooManyEvents "TOO_MANY_EVENTS" Receipt,
        "The case has had as many reports as it may.",
        "Check for a client that repeats itself; then ask the network's governance.";
    SlotUnknown "SLOT_UNKNOWN" Receipt,
        "The case has no such report.",
        "The slot is made of the authority and the item digest of the report's first version; events show it.";
    NotAuthor "NOT_AUTHOR" Receipt,
        "The report is another authority's.",
        "Ask its author for the correction.";
    SlotClosed "SLOT_CLOSED" Receipt,
        "The report is retracted.",
        "Report anew.";
    Locked "LOCKED" Receipt,
        "A lock stands that stops this announcement; cause names it.",
        "Do not go on. GetCase shows the lock and the report that holds it; only who is entitled releases it.";
    Blocked "BLOCKED" Receipt,
        "A guard of the process blocks this announcement; cause names the guard.",
        "Correct what is wrong, or have a second person override it with a reason that the process allows.";
    OverrideUnknown "OVERRIDE_UNKNOWN" Receipt,
        "The guard that blocks may not be overridden with this reason.",
        "Use a reason from the guard's list, or correct what is wrong.";
    OverrideSigner "OVERRIDE_SIGNER" Receipt,
        "The override names no second person: its key must be a person's of the same authority and sign beside another.",
        "Have a second person sign the transaction, too, and name that person's key.";
    EffectUnknown "EFFECT_UNKNOWN" Receipt,
        "The case has no such effect.",
        "Check the effect id; GetCase shows those that there are.";
    NothingToAcknowledge "NOTHING_TO_ACKNOWLEDGE" Receipt,
        "The effect is no notice that demands an acknowledgement, or it is withdrawn.",
        "Nothing: it demands none.";
    NotRecipient "NOT_RECIPIENT" Receipt,
        "The notice was sent to others.",
        "Leave it to its recipients.";
    AlreadyAcknowledged "ALREADY_ACKNOWLEDGED" Receipt,
        "The authority has acknowledged it before.",
        "Nothing: it counts once.";
    NotATask "NOT_A_TASK" Receipt,
        "The effect is no task.",
        "Complete tasks; acknowledge notices.";
    TaskNotOpen "TASK_NOT_OPEN" Receipt,
        "The task is done, closed or withdrawn.",
        "Nothing: there is nothing left to do.";
    NotOwner "NOT_OWNER" Receipt,
        "The task is another authority's.",
        "Leave it to its owner; a report may give the role to another.";
    TaskOutcomeUnknown "TASK_OUTCOME_UNKNOWN" Receipt,
        "The task has no such outcome.",
        "Use an outcome from the task's list.";
    // Changes by vote.
    DefinitionSuperseded "DEFINITION_SUPERSEDED" Receipt,
        "A newer version of the definition was adopted by vote and is in force; new cases are opened under that.",
        "Open the case under the newest version; ListDefinitions shows it. Cases that are open keep theirs.";
    TextRefused "TEXT_REFUSED" Receipt,
        "The proposed text has findings, is in a language the network does not have, or is of calendars of another id.",
        "Check it with `laufzettel process check`, or prepare it with `laufzettel gov propose --dry-run`.";
    VersionNotNewer "VERSION_NOT_NEWER" Receipt,
        "The proposed version is not above the newest one that the network has, or that one was adopted just now.",
        "Give the text the next version, and compare it once more with the newest one.";
    AgreementListWrong "AGREEMENT_LIST_WRONG" Receipt,
        "The proposal does not list exactly the authorities whose roles gain a task, lock or recipient by it.",
        "Take the list from PrepareProposal, and propose anew.";
    EffectiveHeightWrong "EFFECTIVE_HEIGHT_WRONG" Receipt,
        "The height at which it is to take effect is past, or more than 50,000,000 blocks ahead.",
        "Choose a height ahead, or 0 for the block after its adoption.";
    TooManyProposals "TOO_MANY_PROPOSALS" Receipt,
        "The authority has two open proposals, or the network as many as it may have.",
        "Wait until one is decided; ask those whose votes are missing.";
    ProposalUnknown "PROPOSAL_UNKNOWN" Receipt,
        "There is no such proposal.",
        "Check the id; ListProposals shows the open ones.";
    ProposalClosed "PROPOSAL_CLOSED" Receipt,
        "The proposal was decided, has expired, or was superseded.",
        "Nothing: votes do not count any more. Propose anew if it is still wanted.";
    NoVote "NO_VOTE" Receipt,
        "The authority runs no validator and is not among those who have to agree.",
        "Nothing: its vote is not asked for.";
    VoteRepeated "VOTE_REPEATED" Receipt,
        "The same vote of the authority stands already.",
        "Nothing: it counts once. The other answer may be given as long as the proposal is open.";
    MappingWrong "MAPPING_WRONG" Receipt,
        "The proposal moves open cases, and a status of the newest version is mapped to none, or to one whose reports look different.",
        "Map every status that may stand on the ledger, or leave the mapping out: then cases keep their version.";
    NotLockable "NOT_LOCKABLE" Receipt,
        "No lock of the case's process stops or marks this status: whether one stands against it is no question.",
        "Ask about the announcement of the act, or the act itself; the error lists what may be asked.";
}

impl Reason {
    /// The reason of this name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|reason| reason.entry().name == name)
    }
    /// Its stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.entry().name
    }
    /// The gRPC code it comes with. A receipt's reason, met in a dry run, is a failed precondition.
    #[must_use]
    pub const fn code(self) -> Code {
        match self.entry().place {
            Error(code) => code,
            Receipt => FailedPrecondition,
        }
    }
}
