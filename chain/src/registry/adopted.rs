//! The registry with what was adopted by vote: read once when that changes, from the texts in the store. Must take
//! nothing for adopted that the list in the state does not name, and no text whose hash is another.

use std::collections::BTreeMap;
use std::sync::Arc;

use laufzettel_contracts::{Calendars, Definition, Finding, Position};

use super::{Move, Registry};
use crate::genesis::{calendars_hash, text_hash};
use crate::item::{Action, Item};
use crate::ledger::PROTOCOL_VERSION_MAX;
use crate::ledger::stored::item_row;
use crate::proposal::{Change, ProposalKind};
use crate::state::governance::{self, Adopted, Register};
use crate::storage::{Family, Read, StoreError};

fn damaged(what: impl ToString) -> StoreError {
    StoreError::Damaged { family: Family::Items.name(), what: what.to_string() }
}

/// Hash of a text as the state has it.
pub(crate) fn hash_of(kind: ProposalKind, text: &str) -> [u8; 32] {
    match kind {
        ProposalKind::Definition => text_hash(text),
        ProposalKind::Calendars => calendars_hash(text),
    }
}

/// The text of a proposal, from the item at its place.
///
/// # Errors
/// The store failed, or does not have the item.
pub(crate) fn text_at(read: &dyn Read, place: &Position) -> Result<String, StoreError> {
    String::from_utf8(change_at(read, place)?.text).map_err(damaged)
}

/// What a proposal says, from the item at its place.
///
/// # Errors
/// The store failed, or does not have the item.
pub(crate) fn change_at(read: &dyn Read, place: &Position) -> Result<Change, StoreError> {
    let row = item_row(place.height, place.transaction, usize::from(place.item));
    let bytes = read.get(Family::Items, &row)?;
    let bytes = bytes.ok_or_else(|| damaged(format!("the proposal of height {} is gone", place.height)))?;
    let item = Item::decode_in(&bytes, PROTOCOL_VERSION_MAX).map_err(damaged)?;
    let Action::Propose(change) = item.action else { return Err(damaged("no proposal where one should be")) };
    Ok(*change)
}

/// The text of an adopted change.
///
/// # Errors
/// The store failed, does not have the text, or has another.
pub(crate) fn text_of(read: &dyn Read, adopted: &Adopted) -> Result<String, StoreError> {
    let text = text_at(read, &adopted.place)?;
    if hash_of(adopted.kind, &text) != adopted.text {
        return Err(damaged(format!("the text of {} {} is another than the adopted one", adopted.id, adopted.version)));
    }
    Ok(text)
}

fn unsound(adopted: &Adopted) -> impl Fn(Vec<Finding>) -> StoreError {
    move |findings| {
        let first = findings.first().map(ToString::to_string).unwrap_or_default();
        damaged(format!("the adopted text of {} {} has findings, first: {first}", adopted.id, adopted.version))
    }
}

impl Registry {
    /// The registry of the newest state, made from one of any state of the same network: that of genesis, or better the
    /// last one known, whose texts are not read again.
    ///
    /// # Errors
    /// The store failed, or does not have a text that was adopted.
    pub fn following(self: &Arc<Self>, read: &dyn Read) -> Result<Arc<Self>, StoreError> {
        if self.protocol < 2 {
            return Ok(self.clone());
        }
        let register = governance::register(read)?.unwrap_or_default();
        if register == *self.register {
            return Ok(self.clone());
        }
        self.with(register, read).map(Arc::new)
    }
    /// The same with another list of what was adopted.
    ///
    /// # Errors
    /// The store failed, or does not have a text that was adopted.
    pub(crate) fn with(&self, register: Register, read: &dyn Read) -> Result<Self, StoreError> {
        let mut next = self.clone();
        for gone in &self.register.adopted {
            next.definitions.remove(&(gone.id.clone(), gone.version));
        }
        for adopted in register.adopted.iter().filter(|adopted| adopted.kind == ProposalKind::Definition) {
            let key = (adopted.id.clone(), adopted.version);
            let known = self.register.adopted.iter().any(|known| known.text == adopted.text);
            let definition = match self.definitions.get(&key).filter(|_| known) {
                Some(definition) => definition.clone(),
                None => {
                    let text = text_of(read, adopted)?;
                    Arc::new(Definition::check(&text).map_err(unsound(adopted))?.definition)
                }
            };
            next.definitions.insert(key, definition);
        }
        next.count_by(&self.register, &register, read)?;
        next.moves = self.moves_by(&register, read)?;
        next.register = Arc::new(register);
        Ok(next)
    }
    /// Moves of cases that have begun.
    fn moves_by(&self, register: &Register, read: &dyn Read) -> Result<BTreeMap<(String, u32), Move>, StoreError> {
        let mut moves = BTreeMap::new();
        for adopted in register.adopted.iter().filter(|adopted| adopted.moves_from > 0) {
            let Some(since) = adopted.since else { continue };
            let key = (adopted.id.clone(), adopted.moves_from);
            let known = self.moves.get(&key).filter(|known| {
                (known.to, known.since, known.effective) == (adopted.version, since.height, adopted.effective)
            });
            let statuses = match known {
                Some(known) => known.statuses.clone(),
                None => Arc::new(change_at(read, &adopted.place)?.moves),
            };
            let (to, effective, since) = (adopted.version, adopted.effective, since.height);
            moves.insert(key, Move { to, effective, since, statuses });
        }
        Ok(moves)
    }
    /// Makes the calendars that count by now, each knowing those before it.
    fn count_by(&mut self, before: &Register, after: &Register, read: &dyn Read) -> Result<(), StoreError> {
        fn counting(register: &Register) -> Vec<(governance::Since, &Adopted)> {
            let calendars = register.adopted.iter().filter(|adopted| adopted.kind == ProposalKind::Calendars);
            let mut counting: Vec<_> = calendars.filter_map(|adopted| Some((adopted.since?, adopted))).collect();
            counting.sort_by_key(|(since, _)| since.height);
            counting
        }
        let (before, after) = (counting(before), counting(after));
        if before == after {
            return Ok(());
        }
        // Texts that counted before are not read again: those of the genesis file come first.
        let known = before.iter().zip(&after).take_while(|(before, after)| before == after).count();
        self.calendars_since.truncate(known.saturating_add(1));
        for (since, adopted) in after.into_iter().skip(known) {
            let Some((_, last)) = self.calendars_since.last() else { continue };
            let text = text_of(read, adopted)?;
            let checked = Calendars::check(&text).map_err(unsound(adopted))?;
            let since_ms = i64::try_from(since.time_ms).unwrap_or(i64::MAX);
            let next = checked.calendars.after(last.clone(), since_ms);
            self.calendars_since.push((since.height, Arc::new(next)));
        }
        self.calendars = self.calendars_since.last().map(|(_, calendars)| calendars.clone());
        Ok(())
    }
}
