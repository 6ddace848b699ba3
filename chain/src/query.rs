//! What a node answers from its store: blocks, outcomes, cases, events. Each
//! function takes a snapshot, so that one answer is of one height.

use std::collections::BTreeMap;
use std::sync::Arc;

use laufzettel_contracts::{AuthorityId, CaseFold, Code, Definition, Entry, Position, Report};

use crate::block::{Block, Body};
use crate::certificate::Certificate;
use crate::codec::{Reader, decode};
use crate::header::Header;
use crate::ids::{CaseId, Height, KeyId, PayloadDigest};
use crate::index;
use crate::item::{Action, Item};
use crate::ledger::PROTOCOL_VERSION_MAX;
use crate::ledger::prune::Pruned;
use crate::ledger::stored::{BlockRow, TransactionRow, item_row, transaction_row};
use crate::limits::TRANSACTION_ITEMS_MAX;
use crate::receipt::Receipt;
use crate::registry::{Registry, adopted};
use crate::rows;
use crate::state::case::CaseRow;
use crate::state::governance::Proposal;
use crate::storage::{Family, Read, StoreError};
use crate::transaction::{Payload, SignedTransaction};

mod draft;
mod effects;
mod known;
pub use draft::{Draft, Folded, Later, Order, OrderError, Since, Tried};
pub use effects::{CaseEffects, Inbox, InboxRow, case_as_of, effects, inbox};
pub use known::{KnownCase, height_at, known_at};

fn damaged(family: Family, what: impl ToString) -> StoreError {
    StoreError::Damaged { family: family.name(), what: what.to_string() }
}

fn block_row(read: &dyn Read, height: Height) -> Result<Option<BlockRow>, StoreError> {
    rows::get(read, Family::Blocks, &height.to_be_bytes())
}

/// Header and certificate of a committed height; none where one of them is not stored.
///
/// # Errors
/// The store failed.
pub fn header(read: &dyn Read, height: Height) -> Result<Option<(Header, Certificate)>, StoreError> {
    let Some(row) = block_row(read, height)?.filter(|row| !row.certificate.is_empty()) else { return Ok(None) };
    let header = decode(&row.header).map_err(|error| damaged(Family::Blocks, error))?;
    let certificate = decode(&row.certificate).map_err(|error| damaged(Family::Blocks, error))?;
    Ok(Some((header, certificate)))
}

/// Header of a committed height, also where its certificate was pruned.
///
/// # Errors
/// The store failed.
pub fn bare_header(read: &dyn Read, height: Height) -> Result<Option<Header>, StoreError> {
    let row = block_row(read, height)?;
    row.map(|row| decode(&row.header).map_err(|error| damaged(Family::Blocks, error))).transpose()
}

/// Lowest height whose body this store still has in full; 1 if nothing was pruned. Below it [`block`] gives none.
///
/// # Errors
/// The store failed.
pub fn bodies_from(read: &dyn Read) -> Result<Height, StoreError> {
    Ok(Pruned::load(read)?.bodies_from)
}

/// The least stored height above this one.
///
/// # Errors
/// The store failed.
pub fn next_height(read: &dyn Read, after: Height) -> Result<Option<Height>, StoreError> {
    let from = after.saturating_add(1).to_be_bytes();
    let rows = read.scan(Family::Blocks, &from, &[0xff; 9], 1)?;
    let height = rows.first().and_then(|(key, _)| key.first_chunk::<8>());
    Ok(height.map(|height| Height::from_be_bytes(*height)))
}

/// A committed block with its certificate; none where it is not stored in full.
///
/// # Errors
/// The store failed.
pub fn block(read: &dyn Read, height: Height) -> Result<Option<(Block, Certificate)>, StoreError> {
    if height < bodies_from(read)? {
        return Ok(None);
    }
    let Some((header, certificate)) = header(read, height)? else { return Ok(None) };
    let transactions = transactions(read, height)?.into_iter().map(|(signed, _)| Arc::new(signed));
    Ok(Some((Block { header, body: Body { transactions: transactions.collect() } }, certificate)))
}

/// The transactions of a stored height with their receipts; without an item where it was pruned.
pub(crate) fn transactions(read: &dyn Read, height: Height) -> Result<Vec<Outcome>, StoreError> {
    let count = block_row(read, height)?.map_or(0, |row| row.transactions);
    let mut transactions = Vec::new();
    for index in 0..count {
        let (mut signed, receipts) =
            bare(read, height, index)?.ok_or_else(|| damaged(Family::Blocks, "a transaction is gone"))?;
        for (item_index, item) in signed.items.iter_mut().enumerate() {
            *item = read.get(Family::Items, &item_row(height, index, item_index))?;
        }
        transactions.push((signed, receipts));
    }
    Ok(transactions)
}

/// A transaction and its receipts.
pub(crate) type Outcome = (SignedTransaction, Vec<Receipt>);

/// A transaction without its items, and its receipts.
pub(crate) fn bare(read: &dyn Read, height: Height, index: u32) -> Result<Option<Outcome>, StoreError> {
    let row = rows::get::<TransactionRow>(read, Family::Blocks, &transaction_row(height, index))?;
    row.map(|row| bare_of(&row)).transpose()
}

/// What a transaction's row holds: the transaction without its items, and its receipts.
pub(crate) fn bare_of(row: &TransactionRow) -> Result<Outcome, StoreError> {
    let signed = decode(&row.signed).map_err(|error| damaged(Family::Blocks, error))?;
    let receipts = Reader::new(&row.receipts).list(TRANSACTION_ITEMS_MAX);
    Ok((signed, receipts.map_err(|error| damaged(Family::Blocks, error))?))
}

/// Receipts of a committed transaction.
///
/// # Errors
/// The store failed.
pub fn receipts(read: &dyn Read, height: Height, index: u32) -> Result<Option<Vec<Receipt>>, StoreError> {
    Ok(bare(read, height, index)?.map(|(_, receipts)| receipts))
}

/// An event as it is shown and streamed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Place on the ledger.
    pub position: Position,
    /// Time of its block.
    pub time_ms: u64,
    /// Revision of the case after it.
    pub revision: u64,
    /// The authority that acted.
    pub authority: String,
    /// Keys that signed.
    pub keys: Vec<KeyId>,
    /// Digest of the payload that lists it.
    pub payload: PayloadDigest,
    /// The item's bytes decoded; none once erased.
    pub item: Option<Item>,
    /// What became of it.
    pub receipt: Receipt,
}

/// The item at a place on the ledger.
///
/// # Errors
/// The store failed, or nothing is there.
pub fn event(read: &dyn Read, position: &Position, revision: u64) -> Result<Event, StoreError> {
    let (height, index, item) = (position.height, position.transaction, usize::from(position.item));
    let gone = |what| damaged(Family::Blocks, what);
    let (signed, receipts) = bare(read, height, index)?.ok_or_else(|| gone("a transaction is gone"))?;
    let block = bare_header(read, height)?.ok_or_else(|| gone("a header is gone"))?;
    let payload = Payload::decode(&signed.payload).map_err(|error| damaged(Family::Blocks, error))?;
    let bytes = read.get(Family::Items, &item_row(height, index, item))?;
    let decoded = bytes.map(|bytes| Item::decode_in(&bytes, PROTOCOL_VERSION_MAX)).transpose();
    Ok(Event {
        position: *position,
        time_ms: block.time_ms,
        revision,
        authority: payload.authority,
        keys: signed.signatures.iter().map(|signature| signature.key_id).collect(),
        payload: PayloadDigest::of(&signed.payload),
        item: decoded.map_err(|error| damaged(Family::Items, error))?,
        receipt: receipts.get(item).cloned().ok_or_else(|| gone("a receipt is gone"))?,
    })
}

/// Bytes of the item at a place on the ledger; none once erased, or where it was refused and is pruned.
///
/// # Errors
/// The store failed.
pub fn item_bytes(read: &dyn Read, position: &Position) -> Result<Option<Vec<u8>>, StoreError> {
    let key = item_row(position.height, position.transaction, usize::from(position.item));
    read.get(Family::Items, &key)
}

/// A case as its readers see it.
#[derive(Debug, Clone)]
pub struct Case {
    /// Its id.
    pub id: CaseId,
    /// Its definition.
    pub definition: Arc<Definition>,
    /// Its stored row.
    pub row: CaseRow,
    /// Its reports and where they bring it.
    pub fold: CaseFold,
}

/// A case as it stands.
///
/// # Errors
/// The store failed.
pub fn case(read: &dyn Read, registry: &Registry, id: &CaseId) -> Result<Option<Case>, StoreError> {
    let Some(row) = CaseRow::load(read, id)? else { return Ok(None) };
    let definition = row.definition(registry, id)?.clone();
    let fold = row.fold(read, &definition, id)?;
    Ok(Some(Case { id: *id, definition, row, fold }))
}

/// Accepted items of a case from a revision on, in ledger order.
///
/// # Errors
/// The store failed.
pub fn case_events(read: &dyn Read, id: &CaseId, from: u64, limit: usize) -> Result<Vec<Event>, StoreError> {
    let positions = index::of_case(read, id, from, limit)?;
    positions.iter().map(|(revision, position)| event(read, position, *revision)).collect()
}

/// The fold of a case as it was known at a height, under the version of its definition that it stands under now.
///
/// # Errors
/// The store failed.
pub fn case_at(read: &dyn Read, registry: &Registry, case: &Case, height: Height) -> Result<CaseFold, StoreError> {
    let row = &case.row;
    let read_as = |recorded: Height, mut report: Report| {
        let heights = (row.opened, recorded);
        report.status = registry.renamed(&row.definition, row.version, heights, &report.status);
        report
    };
    let mut fold = CaseFold::new();
    for (revision, position) in index::of_case(read, &case.id, 0, usize::MAX)? {
        if position.height > height {
            break;
        }
        let event = event(read, &position, revision)?;
        let Some(item) = event.item else { continue };
        let author = AuthorityId::new(&event.authority).map_err(|error| damaged(Family::Blocks, error))?;
        let refused = |error| damaged(Family::Items, error);
        match item.action {
            Action::OpenCase { .. }
            | Action::CompleteTask { .. }
            | Action::Acknowledge { .. }
            | Action::ClearanceCheck { .. }
            | Action::Propose(_)
            | Action::Vote { .. }
            | Action::Evidence(_) => {}
            Action::Report(report) => {
                let slot = item.digest.slot(author.as_str());
                let report = read_as(position.height, report);
                fold.report(&case.definition, Entry { slot, position, author, report });
            }
            Action::Correct { slot, report } => {
                let report = read_as(position.height, report);
                fold.correct(&case.definition, slot, report).map_err(refused)?;
            }
            Action::Retract { slot, .. } => fold.retract(&case.definition, slot).map_err(refused)?,
        }
    }
    Ok(fold)
}

/// The text of a definition that the network has, in force or not.
///
/// # Errors
/// The store failed.
pub fn definition_text(read: &dyn Read, id: &str, version: u32) -> Result<Option<String>, StoreError> {
    let row = [[3].as_slice(), format!("{id}@{version}").as_bytes()].concat();
    let text = read.get(Family::Registry, &row)?;
    text.map(|text| String::from_utf8(text).map_err(|error| damaged(Family::Registry, error))).transpose()
}

/// The text of a proposal, and how it moves cases: new status by old one.
///
/// # Errors
/// The store failed, or does not have it.
pub fn proposal_text(read: &dyn Read, proposal: &Proposal) -> Result<(String, BTreeMap<Code, Code>), StoreError> {
    adopted::change_at(read, &proposal.place).and_then(|change| {
        Ok((String::from_utf8(change.text).map_err(|error| damaged(Family::Items, error))?, change.moves))
    })
}
