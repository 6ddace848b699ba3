//! Which consensus keys were proven to have signed twice, and at which heights
//! (docs/FORMATS.md A.5). One value a key in the registry part of the state,
//! read from the tree itself, so that whoever has the tree has it. Bounded.

use crate::codec::{Canonical, CodecError, Reader, Writer, decode, encode};
use crate::evidence::{Evidence, Kind, Scope};
use crate::ids::{Address, Height, ItemDigest};
use crate::limits::EVIDENCE_RECORDS_MAX;
use crate::receipt::Code;
use crate::registry::{Purpose, Registry};
use crate::storage::{Family, Read, StoreError};
use crate::tree::{self, StateKey};

/// Kind of these values among those of the registry.
const REGISTRY_KIND: u8 = 4;

/// That a key signed twice at a height.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Height of the contradicting messages.
    pub height: Height,
    /// Their round.
    pub round: u32,
    /// Their kind.
    pub kind: Kind,
    /// The item that proves it.
    pub item: ItemDigest,
    /// Height of the block that holds the item.
    pub recorded: Height,
}

/// All that is recorded of one key, ascending by height, each height once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Records(Vec<Record>);

impl Records {
    /// The records.
    #[must_use]
    pub fn all(&self) -> &[Record] {
        &self.0
    }
    /// Height of the block that changed them last; none if there are none.
    pub(crate) fn changed(&self) -> Option<Height> {
        self.0.iter().map(|record| record.recorded).max()
    }
    /// Whether another one at this height may be recorded.
    ///
    /// # Errors
    /// The height is recorded, or there are enough.
    fn check_room(&self, height: Height) -> Result<(), Code> {
        if self.0.iter().any(|record| record.height == height) {
            Err(Code::EvidenceRepeated)
        } else if self.0.len() >= EVIDENCE_RECORDS_MAX {
            Err(Code::EvidenceEnough)
        } else {
            Ok(())
        }
    }
    /// Whether this would be recorded: it is new, there is room, and it is proven.
    ///
    /// # Errors
    /// The first reason against it; signatures are looked at last.
    pub(crate) fn judge(&self, evidence: &Evidence, registry: &Registry, scope: &Scope) -> Result<(), Code> {
        self.check_room(evidence.place().height)?;
        evidence.judge(registry, scope)
    }
    pub(crate) fn insert(&mut self, evidence: &Evidence, item: ItemDigest, recorded: Height) {
        let place = evidence.place();
        self.0.push(Record { height: place.height, round: place.round, kind: place.kind, item, recorded });
        self.0.sort_by_key(|record| record.height);
    }
}

/// The state's key for what is recorded of a consensus key.
#[must_use]
pub fn state_key(address: &Address) -> StateKey {
    StateKey::Registry(REGISTRY_KIND, address.to_string())
}

/// The consensus key that such a key of the state is about; none if it is another key.
pub(crate) fn address_of(key: &[u8]) -> Option<Address> {
    let prefix = StateKey::Registry(REGISTRY_KIND, String::new()).bytes();
    // Kind and number, then the length of the name, which the empty name has as zero.
    let name = key.strip_prefix(prefix.get(..2)?)?.get(4..)?;
    let address = Address::from_hex(std::str::from_utf8(name).ok()?)?;
    (state_key(&address).bytes() == key).then_some(address)
}

/// What is recorded of a key in the newest state, and the height that wrote it.
///
/// # Errors
/// The store failed.
pub fn of_key(read: &dyn Read, address: &Address) -> Result<(Option<Height>, Records), StoreError> {
    let Some((height, value)) = tree::newest(read, &state_key(address))? else { return Ok((None, Records::default())) };
    let damaged = |error: CodecError| StoreError::Damaged { family: Family::Tree.name(), what: error.to_string() };
    Ok((Some(height), decode(&value).map_err(damaged)?))
}

/// All that is recorded in the newest state, by authority and address.
///
/// # Errors
/// The store failed.
pub fn all(read: &dyn Read, registry: &Registry) -> Result<Vec<(String, Address, Records)>, StoreError> {
    let mut found = Vec::new();
    for (id, key) in registry.keys.iter().filter(|(_, key)| key.purpose == Purpose::Consensus) {
        let address = Address(id.0);
        let (_, records) = of_key(read, &address)?;
        if !records.0.is_empty() {
            found.push((key.authority.clone(), address, records));
        }
    }
    Ok(found)
}

/// The bytes of the state's value.
pub(crate) fn value(records: &Records) -> Vec<u8> {
    encode(records)
}

impl Canonical for Record {
    fn write(&self, out: &mut Writer) {
        out.u64(self.height);
        out.u32(self.round);
        out.u8(self.kind.number());
        self.item.write(out);
        out.u64(self.recorded);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Self {
            height: input.u64()?,
            round: input.u32()?,
            kind: Kind::of_number(input.u8()?).ok_or(CodecError::Invalid("kind of evidence"))?,
            item: ItemDigest::read(input)?,
            recorded: input.u64()?,
        })
    }
}

impl Canonical for Records {
    fn write(&self, out: &mut Writer) {
        out.list(&self.0);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        let records: Vec<Record> = input.list(EVIDENCE_RECORDS_MAX)?;
        if !records.is_sorted_by(|a, b| a.height < b.height) {
            return Err(CodecError::Invalid("order of evidence"));
        }
        Ok(Self(records))
    }
}
