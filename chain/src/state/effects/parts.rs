//! The effects of a case as they are stored: each is a row of its own, written when it changes, so that an event costs
//! what it changes and not what the case is. Their bytes in a row are the fields of their kinds (`fields`). Must never
//! tell another field than `fields::of` would.
//!
//! Row: place among those the fold gives u32 (`NOWHERE` for one that is only remembered) ‖ length u32 ‖ what is
//! remembered ‖ what the fold gives.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use laufzettel_contracts::Code;
use laufzettel_contracts::effect::{
    EffectId, EffectKind, Effects, Handle, History, One, Participant, Past, Shared, Sorted,
};

use super::fields::{self, KINDS};
use super::{Living, Touched, past};
use crate::codec::{CodecError, Reader, Writer};
use crate::limits::PART_BYTES_MAX;

/// In place of a place.
const NOWHERE: u32 = u32::MAX;
/// Most effects take no more bytes.
const PART_BYTES: usize = 320;
/// Place and length.
const HEAD_BYTES: usize = 8;

/// The effects of a case by kind, with their bytes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Parts {
    /// In the order of `fields::KINDS`.
    kinds: [Kind; KINDS.len()],
    /// Who took part in the case.
    participants: Option<Shared<BTreeMap<Code, Participant>>>,
    /// Those whose rows have to be written, with the places of their kinds.
    touched: BTreeSet<(usize, EffectId)>,
    /// Whether the row of those who take part has to be written.
    touched_people: bool,
}

#[derive(Debug, Clone, Default)]
struct Kind {
    all: Sorted<EffectId, Arc<Part>>,
    /// How many a bound left out.
    dropped: u32,
}

/// One effect.
#[derive(Debug)]
struct Part {
    place: u32,
    /// What is remembered and what is given, as far as they were seen since the case was read: while these are the very
    /// same, so are the bytes.
    past: Option<Arc<Past>>,
    given: Option<Handle>,
    /// Its row.
    bytes: Vec<u8>,
    /// Where what is remembered ends.
    past_ends: usize,
}

impl Part {
    /// With the bytes of an earlier one as far as it was made of the same.
    fn new(id: &EffectId, past: Option<&Arc<Past>>, given: Option<(u32, One<'_>)>, before: Option<&Self>) -> Self {
        let mut remembered = Writer::with_capacity(if past.is_some() { PART_BYTES } else { 0 });
        let same = before.filter(|before| before.past.is_some() && before.has_past(past));
        match (same, past) {
            (Some(same), _) => remembered.raw(same.remembered()),
            (None, Some(past)) => past::write(&mut remembered, id, past),
            (None, None) => {}
        }
        let remembered = remembered.into_bytes();
        let place = given.map_or(NOWHERE, |(place, _)| place);
        let mut out = Writer::with_capacity(PART_BYTES);
        out.u32(place);
        out.bytes(&remembered);
        let past_ends = out.len();
        if let Some((_, one)) = given {
            fields::write_one(&mut out, one);
        }
        let given = given.map(|(_, one)| one.handle());
        Self { place, past: past.cloned(), given, bytes: out.into_bytes(), past_ends }
    }
    /// From a row.
    fn read(bytes: Vec<u8>) -> Result<Self, CodecError> {
        let mut input = Reader::new(&bytes);
        let place = input.u32()?;
        let past_ends = input.bytes(PART_BYTES_MAX)?.len().saturating_add(HEAD_BYTES);
        Ok(Self { place, past: None, given: None, bytes, past_ends })
    }
    /// Whether nothing has changed since it was made of these.
    fn is_of(&self, past: Option<&Arc<Past>>, given: Option<(u32, One<'_>)>) -> bool {
        self.has_past(past)
            && match (&self.given, given) {
                (Some(one), Some((place, other))) => self.place == place && other.is_same(one),
                (None, None) => true,
                (_, _) => false,
            }
    }
    fn has_past(&self, past: Option<&Arc<Past>>) -> bool {
        match (&self.past, past) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (None, None) => true,
            (_, _) => false,
        }
    }
    fn remembered(&self) -> &[u8] {
        self.bytes.get(HEAD_BYTES..self.past_ends).unwrap_or_default()
    }
    fn given(&self) -> Option<&[u8]> {
        if self.place == NOWHERE { None } else { self.bytes.get(self.past_ends..) }
    }
}

impl Kind {
    /// The bytes of the field; none if it is empty.
    fn field(&self) -> Option<Vec<u8>> {
        if self.all.is_empty() && self.dropped == 0 {
            return None;
        }
        let bytes: usize = self.all.values().map(|part| part.bytes.len()).sum();
        let remembered = || self.all.values().map(|part| part.remembered()).filter(|bytes| !bytes.is_empty());
        let given = self.all.values().filter_map(|part| Some((part.place, part.given()?)));
        let mut given: Vec<(u32, &[u8])> = given.collect();
        given.sort_unstable_by_key(|(place, _)| *place);
        let mut out = Writer::with_capacity(bytes.saturating_add(PART_BYTES));
        out.u8(fields::VERSION);
        out.length(remembered().count());
        remembered().for_each(|bytes| out.raw(bytes));
        out.u32(self.dropped);
        out.length(given.len());
        given.iter().for_each(|(_, bytes)| out.raw(bytes));
        Some(out.into_bytes())
    }
}

fn place_of(kind: EffectKind) -> usize {
    KINDS.iter().position(|(_, of)| *of == kind).unwrap_or_default()
}

impl Parts {
    /// Takes over what the fold gives and what is remembered; the fields of the kinds that are not empty, with their bytes
    /// where these have changed. Looks at what was touched alone, if that is known.
    pub(crate) fn update(&mut self, living: &Living, touched: Option<&[Touched]>) -> Vec<(usize, Option<Vec<u8>>)> {
        let effects = living.effects();
        self.participants = Some(effects.participants.clone());
        let changed = match touched {
            Some(touched) => self.update_some(living, touched),
            None => self.update_all(effects, living.history()),
        };
        let mut fields = Vec::with_capacity(KINDS.len());
        for ((field, kind), (all, changed)) in KINDS.into_iter().zip(self.kinds.iter_mut().zip(changed)) {
            let dropped = fields::dropped(effects, kind);
            let new = changed || all.dropped != dropped;
            all.dropped = dropped;
            if new {
                fields.extend(all.field().map(|bytes| (field, Some(bytes))));
            } else if !all.all.is_empty() || dropped > 0 {
                fields.push((field, None));
            }
        }
        fields
    }
    /// Takes over what was touched; by kind, whether that changed its field.
    fn update_some(&mut self, living: &Living, touched: &[Touched]) -> [bool; KINDS.len()] {
        let mut changed = [false; KINDS.len()];
        for touched in touched {
            let (given, past) = touched.find(living);
            let kind = past.map(|past| past.kind).or(given.map(|(_, one)| one.kind()));
            let Some(place) = kind.map(place_of) else { continue };
            let new = self.put(place, touched.id, past, given);
            if let Some(changed) = changed.get_mut(place) {
                *changed |= new;
            }
        }
        changed
    }
    /// Takes over all, and forgets what is neither given nor remembered; by kind, whether that changed its field.
    fn update_all(&mut self, effects: &Effects, history: &History) -> [bool; KINDS.len()] {
        let mut given: Vec<(EffectId, Option<(u32, One<'_>)>)> =
            One::all(effects).map(|(place, one)| (one.origin().id, Some((place, one)))).collect();
        given.sort_unstable_by_key(|(id, _)| *id);
        let (mut changed, mut count) = ([false; KINDS.len()], [0usize; KINDS.len()]);
        let mut put = |kind: EffectKind, id: EffectId, past: Option<&Arc<Past>>, given: Option<(u32, One<'_>)>| {
            let place = place_of(kind);
            let new = self.put(place, id, past, given);
            if let (Some(changed), Some(count)) = (changed.get_mut(place), count.get_mut(place)) {
                *changed |= new;
                *count = count.saturating_add(1);
            }
        };
        for (id, past) in history.past() {
            let at = given.binary_search_by_key(id, |(id, _)| *id).ok();
            let one = at.and_then(|at| given.get_mut(at)).map(|(_, one)| one);
            // Another version of the process may give under its name what is of another kind.
            let one = one.and_then(|one| one.take_if(|(_, one)| one.kind() == past.kind));
            put(past.kind, *id, Some(past), one);
        }
        // What is given though the history is full, or has something else under its name.
        for (id, one) in given {
            if let Some((place, one)) = one {
                put(one.kind(), id, None, Some((place, one)));
            }
        }
        for (place, (changed, count)) in changed.iter_mut().zip(count).enumerate() {
            let more = self.kinds.get(place).map_or(0, |kind| kind.all.len()) > count;
            *changed |= more && self.forget(place, effects, history);
        }
        changed
    }
    /// The place of an effect of a kind when it was taken over, if it was given then.
    pub(crate) fn place(&self, kind: EffectKind, id: &EffectId) -> Option<u32> {
        let part = self.kinds.get(place_of(kind))?.all.get(id)?;
        (part.place != NOWHERE).then_some(part.place)
    }
    /// Whether the last ones taken over were of these participants.
    pub(crate) fn is_with(&self, participants: &Shared<BTreeMap<Code, Participant>>) -> bool {
        self.participants.as_ref().is_some_and(|before| before.is_same(participants))
    }
    /// Puts an effect; whether that changed its bytes or its place.
    fn put(&mut self, kind: usize, id: EffectId, past: Option<&Arc<Past>>, given: Option<(u32, One<'_>)>) -> bool {
        let Some(all) = self.kinds.get_mut(kind).map(|kind| &mut kind.all) else { return false };
        let before = all.get_mut(&id);
        if before.as_ref().is_some_and(|part| part.is_of(past, given)) {
            return false;
        }
        let part = Arc::new(Part::new(&id, past, given, before.as_ref().map(|part| part.as_ref())));
        let same = before.is_some_and(|before| {
            let same = before.bytes == part.bytes;
            *before = part.clone();
            same
        });
        if !same {
            all.insert(id, part);
            self.touched.insert((kind, id));
        }
        !same
    }
    /// Takes out what is neither remembered nor given any more; whether there was any.
    fn forget(&mut self, kind: usize, effects: &Effects, history: &History) -> bool {
        let Some((_, of)) = KINDS.get(kind) else { return false };
        let given = One::all(effects).filter(|(_, one)| one.kind() == *of);
        let given: BTreeSet<EffectId> = given.map(|(_, one)| one.origin().id).collect();
        let Some(all) = self.kinds.get_mut(kind).map(|kind| &mut kind.all) else { return false };
        let before = all.len();
        let touched = &mut self.touched;
        all.retain(|id, _: &Arc<Part>| {
            let stays = given.contains(id) || history.past().get(id).is_some_and(|past| past.kind == *of);
            if !stays {
                touched.insert((kind, *id));
            }
            stays
        });
        all.len() < before
    }
    /// The field of those who take part was written.
    pub(crate) fn touch_people(&mut self) {
        self.touched_people = true;
    }
    /// Whether that was so since the last time this was asked.
    pub(crate) fn take_touched_people(&mut self) -> bool {
        std::mem::take(&mut self.touched_people)
    }
    /// What a case's row says of them: by field, how many a bound left out.
    pub(crate) fn marks(&self) -> Vec<u8> {
        let kinds = KINDS.iter().zip(&self.kinds);
        let kinds = kinds.filter(|(_, kind)| !kind.all.is_empty() || kind.dropped > 0);
        let mut out = Writer::default();
        for ((field, _), kind) in kinds {
            out.u8(number(*field));
            out.u32(kind.dropped);
        }
        out.into_bytes()
    }
    /// The rows to be written since the last time, each with the rest of its key, and none where it is to be deleted.
    pub(crate) fn take_touched(&mut self) -> Vec<([u8; 17], Option<Vec<u8>>)> {
        let touched = std::mem::take(&mut self.touched);
        let row = |(kind, id): (usize, EffectId)| {
            let mut key = [number(KINDS.get(kind).map_or(0, |(field, _)| *field)); 17];
            for (to, from) in key.iter_mut().skip(1).zip(id.0) {
                *to = from;
            }
            let part = self.kinds.get(kind).and_then(|kind| kind.all.get(&id));
            (key, part.map(|part| part.bytes.clone()))
        };
        touched.into_iter().map(row).collect()
    }
    /// As they were stored: from what the case's row says, and their rows with the rest of their keys.
    ///
    /// # Errors
    /// These are none that were written.
    pub(crate) fn read<'k>(marks: &[u8], rows: impl Iterator<Item = (&'k [u8], Vec<u8>)>) -> Result<Self, CodecError> {
        let mut parts = Self::default();
        let place = |number: u8| KINDS.iter().position(|(field, _)| *field == usize::from(number));
        let unknown = CodecError::Invalid("field of effects");
        let mut input = Reader::new(marks);
        while !input.is_empty() {
            let kind = place(input.u8()?).and_then(|place| parts.kinds.get_mut(place)).ok_or(unknown)?;
            kind.dropped = input.u32()?;
        }
        for (key, bytes) in rows {
            let Some((field, id)) = key.split_first() else { return Err(unknown) };
            let id = EffectId(id.try_into().map_err(|_| unknown)?);
            let kind = place(*field).and_then(|place| parts.kinds.get_mut(place)).ok_or(unknown)?;
            kind.all.insert(id, Arc::new(Part::read(bytes)?));
        }
        Ok(parts)
    }
    /// The bytes of the fields that are not empty.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (u8, Vec<u8>)> {
        let kinds = KINDS.iter().zip(&self.kinds);
        kinds.filter_map(|((field, _), kind)| Some((number(*field), kind.field()?)))
    }
}

fn number(field: usize) -> u8 {
    // Fields are numbered 0 to 31.
    u8::try_from(field).unwrap_or(u8::MAX)
}
