//! What has changed in a case since it was settled or closed: the effects that may have, and the bytes of its fields. Must
//! never make the bytes of a field of which it is known that they are what they were.

use super::OpenCase;
use crate::ids::Height;
use crate::state::effects::{self, Touched};
use crate::state::fields;
use crate::state::row::{DUE_HEIGHTS, NEXT_DUE};

impl OpenCase {
    /// Bytes of the fields, and of what stands beside them; none of those that are what they were.
    pub(super) fn fields(&mut self, height: Height, touched: Option<&[Touched]>) -> Vec<(usize, Option<Vec<u8>>)> {
        let mut all = fields::of_state(self.fold.state());
        let Some(living) = self.living.as_deref() else { return known(all).collect() };
        let effects = living.effects();
        extend(&mut all, fields::PROCEEDINGS, effects.regimes.is_empty(), effects::fields::regimes(effects));
        let plain = effects.deviations.is_empty() && effects.dropped.deviations == 0;
        extend(&mut all, fields::DEVIATIONS, plain, effects::fields::deviations(effects));
        let people = effects::fields::PARTICIPANTS;
        let same_people = self.parts.is_with(&effects.participants);
        if !same_people {
            all.extend(effects::fields::participants(effects).map(|bytes| (people, bytes)));
        }
        let same_people = (same_people && !effects.participants.is_empty()).then_some((people, None));
        if let Some(next_due_ms) = effects.next_due_ms {
            all.push((usize::from(NEXT_DUE), next_due_ms.to_be_bytes().to_vec()));
        }
        let mut heights = self.row.kept(DUE_HEIGHTS).to_vec();
        if self.due {
            heights.extend(height.to_be_bytes());
        }
        if !heights.is_empty() {
            all.push((usize::from(DUE_HEIGHTS), heights));
        }
        known(all).chain(same_people).chain(self.parts.update(living, touched)).collect()
    }
    /// The effects that may have changed since it was settled or closed last; none if that may be any.
    pub(super) fn touched_effects(&self) -> Option<Vec<Touched>> {
        self.living.as_deref().and_then(|living| living.touched(&self.parts))
    }
    /// Has the row of those who take part written with the next close, if their field is among those that changed. What was
    /// never written needs no deletion.
    pub(super) fn mark_people(&mut self, changed: &[usize]) {
        let field = effects::fields::PARTICIPANTS;
        let there = u8::try_from(field).is_ok_and(|number| !self.row.kept(number).is_empty());
        if changed.contains(&field) && (there || !self.fresh) {
            self.parts.touch_people();
        }
    }
    pub(super) fn settle_effects(&mut self) {
        if let Some(living) = &mut self.living {
            living.settle();
        }
    }
}

fn known(fields: Vec<(usize, Vec<u8>)>) -> impl Iterator<Item = (usize, Option<Vec<u8>>)> {
    fields.into_iter().map(|(field, bytes)| (field, Some(bytes)))
}

/// Puts more bytes behind those of a field; nothing behind what would stay empty.
fn extend(fields: &mut Vec<(usize, Vec<u8>)>, number: usize, nothing: bool, more: Vec<u8>) {
    match fields.iter_mut().find(|(field, _)| *field == number) {
        Some((_, bytes)) => bytes.extend(more),
        None if nothing => {}
        // The list before it is empty.
        None => fields.push((number, [0u32.to_be_bytes().to_vec(), more].concat())),
    }
}
