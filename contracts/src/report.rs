//! What the ledger hands to the fold: one authority's report of one status of a case. Knows neither its bytes nor its
//! signature. Must never hold free text: every field is a code, a number, a day or a digest.

use crate::name::{AuthorityId, Code};
use crate::when::When;
use std::collections::BTreeMap;

/// What names a report for good: the item digest of its first version, kept by its corrections.
pub type Slot = [u8; 32];

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Days since 1970-01-01.
    Date(i32),
    /// One of the attribute's codes.
    Code(Code),
    /// An authority.
    Authority(AuthorityId),
    /// An integer within the attribute's bounds.
    Integer(i64),
    /// Yes or no.
    Bool(bool),
    /// A blinded digest of something kept elsewhere.
    Commitment([u8; 32]),
}

/// The sealed part of a report: only its digest and who can open it are known here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Blinded digest of the sealed content.
    pub digest: [u8; 32],
    /// Who can open it.
    pub recipients: Vec<AuthorityId>,
}

/// One report: a status of a case, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The status; the class where the status is restricted.
    pub status: Code,
    /// When it occurred.
    pub occurred: When,
    /// The day it takes effect, days since 1970-01-01; may lie ahead.
    pub effective: Option<i32>,
    /// The proceeding it belongs to; 0 leaves that to the order of reports.
    pub proceeding: u32,
    /// A code of the status's outcome list.
    pub outcome: Option<Code>,
    /// Attributes by name.
    pub attributes: BTreeMap<Code, Value>,
    /// Blinded digests of documents.
    pub documents: Vec<[u8; 32]>,
    /// The sealed part, if any.
    pub sealed: Option<Sealed>,
}

impl Report {
    /// A report with nothing but a status and a time.
    pub fn new(status: Code, occurred: When) -> Self {
        Self {
            status,
            occurred,
            effective: None,
            proceeding: 0,
            outcome: None,
            attributes: BTreeMap::new(),
            documents: Vec::new(),
            sealed: None,
        }
    }
}

/// Where the ledger recorded the *first* report of a slot. Used to break ties only; a correction keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Position {
    /// Block height.
    pub height: u64,
    /// Index of the transaction in the block.
    pub transaction: u32,
    /// Index of the item in the transaction.
    pub item: u16,
}

/// One standing report of a case: corrections have replaced it, retractions have taken it out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The report's name.
    pub slot: Slot,
    /// Where its first version was recorded.
    pub position: Position,
    /// Who reported it.
    pub author: AuthorityId,
    /// What it says now.
    pub report: Report,
}
