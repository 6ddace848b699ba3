//! What the driver says of beats, and of urgent reports that should be final by now: told to who asks, in the log, in the
//! warnings. Must never name a case.

use std::collections::{BTreeMap, BTreeSet};

use laufzettel_chain::ids::TransactionId;
use laufzettel_chain::state::submissions;

use crate::api::backend::{Alarm, HeardBeat, NodeState};
use crate::consensus::{Health, Late};
use crate::runtime::Handle;

/// The last beats of all nodes, this one's among them.
pub(super) fn beats(health: &Health) -> BTreeMap<String, HeardBeat> {
    let mut beats = BTreeMap::new();
    for peer in &health.peers {
        let Some(beat) = &peer.beat else { continue };
        // By its own clock, as far as that is known: a beat that was held up on its way is old when it comes.
        let signed_ms = match peer.clock_ahead_ms.unwrap_or(0) {
            ahead @ 0.. => beat.message.time_ms.saturating_sub(ahead.unsigned_abs()),
            behind => beat.message.time_ms.saturating_add(behind.unsigned_abs()),
        };
        let age_ms = health.at_ms.saturating_sub(signed_ms).max(peer.beat_age_ms.unwrap_or(u64::MAX));
        beats.insert(peer.peer.0.clone(), HeardBeat { beat: beat.clone(), age_ms });
    }
    if let Some(beat) = &health.own_beat {
        let age_ms = health.at_ms.saturating_sub(beat.message.time_ms);
        beats.insert(beat.message.authority.clone(), HeardBeat { beat: beat.clone(), age_ms });
    }
    beats
}

/// Alarms that were raised and not cleared.
#[derive(Debug, Default)]
pub(super) struct Alarms {
    raised: BTreeSet<(String, TransactionId)>,
}

impl Alarms {
    /// Puts the alarms into the state, and logs each once when it is raised and once when it is cleared.
    pub(super) fn watch(&mut self, health: &Health, handle: &Handle, state: &mut NodeState) {
        let open = health.unsettled.iter().filter(|late| !is_final(handle, late));
        state.alarms =
            open.map(|late| Alarm { late: late.clone(), age_ms: health.at_ms.saturating_sub(late.since_ms) }).collect();
        let mut raised = BTreeSet::new();
        for alarm in &state.alarms {
            let Late { authority, id, .. } = &alarm.late;
            let text = text(alarm);
            // Without its id: other authorities on this node see warnings, too.
            state.warnings.push(text.clone());
            if raised.insert((authority.clone(), *id)) && !self.raised.contains(&(authority.clone(), *id)) {
                tracing::error!(transaction = %id, "ALARM: {text}");
            }
        }
        for (authority, id) in self.raised.difference(&raised) {
            tracing::info!(%authority, transaction = %id, "alarm cleared: the urgent report is final, or a day has passed");
        }
        self.raised = raised;
    }
}

/// Lost here and yet final: another node's copy was in a block. What cannot be read is taken for not final.
fn is_final(handle: &Handle, late: &Late) -> bool {
    late.lost.is_some()
        && submissions::find(handle.store().as_ref(), &late.authority, &late.id).is_ok_and(|found| found.is_some())
}

fn text(alarm: &Alarm) -> String {
    let Late { authority, lost, .. } = &alarm.late;
    let seconds = alarm.age_ms / 1_000;
    match lost {
        None => format!(
            "an urgent report of {authority} is not final since {seconds} s: nobody else may know of the stop; phone \
             those who enforce"
        ),
        Some(reason) => format!(
            "an urgent report of {authority} was lost ({reason:?}) and stops nothing: phone those who enforce, and report \
             it again under a new id"
        ),
    }
}
