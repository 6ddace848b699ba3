//! What the driver says of beats, and of urgent reports that should be final by now: told to who asks, in the log, in the
//! warnings. Must never name a case.

use std::collections::{BTreeMap, BTreeSet};

use laufzettel_chain::ids::TransactionId;
use laufzettel_chain::state::submissions;

use crate::api::backend::{Alarm, HeardBeat, NodeState};
use crate::consensus::{Health, Late};
use crate::runtime::Handle;

/// Most alarms that are told of; the oldest come first.
const ALARMS_MAX: usize = 64;

/// The last beats of all nodes, this one's among them.
pub(super) fn beats(health: &Health) -> BTreeMap<String, HeardBeat> {
    let mut beats = BTreeMap::new();
    for peer in &health.peers {
        let Some(beat) = &peer.beat else { continue };
        let came_ms = peer.beat_age_ms.unwrap_or(u64::MAX);
        let age_ms = age_ms(health.at_ms, came_ms, beat.message.time_ms, peer.clock_ahead_ms.unwrap_or(0));
        beats.insert(peer.peer.0.clone(), HeardBeat { beat: beat.clone(), age_ms });
    }
    if let Some(beat) = &health.own_beat {
        let age_ms = health.at_ms.saturating_sub(beat.message.time_ms);
        beats.insert(beat.message.authority.clone(), HeardBeat { beat: beat.clone(), age_ms });
    }
    beats
}

/// How old a beat is at an instant: since it came, or, if that is longer, since it was signed by its node's clock, which is
/// ahead of this one's by so much as far as is known. One that was held up on its way is old when it comes.
fn age_ms(at_ms: u64, since_it_came_ms: u64, signed_ms: u64, ahead_ms: i64) -> u64 {
    let ahead = ahead_ms.unsigned_abs();
    let signed_here_ms = if ahead_ms >= 0 { signed_ms.saturating_sub(ahead) } else { signed_ms.saturating_add(ahead) };
    at_ms.saturating_sub(signed_here_ms).max(since_it_came_ms)
}

/// Alarms that were raised and not cleared.
#[derive(Debug, Default)]
pub(super) struct Alarms {
    raised: BTreeSet<(String, TransactionId)>,
}

impl Alarms {
    /// Puts the alarms into the state, and logs each once when it is raised and once when it is cleared. `kept` are late
    /// ones that outlive a restart: the driver knows them since it got them again, or not at all.
    pub(super) fn watch(&mut self, health: &Health, handle: &Handle, kept: Vec<Late>, state: &mut NodeState) {
        let all = both(&health.unsettled, kept);
        let open = all.into_iter().filter(|late| !is_final(handle, late));
        state.alarms = open.map(|late| Alarm { age_ms: health.at_ms.saturating_sub(late.since_ms), late }).collect();
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

/// What the driver knows and what is kept, each once, the oldest first: waiting since the earlier of the two instants, and
/// lost if either says so.
fn both(known: &[Late], kept: Vec<Late>) -> Vec<Late> {
    let mut all: BTreeMap<(String, TransactionId), Late> = BTreeMap::new();
    for late in known.iter().cloned().chain(kept) {
        let found = all.entry((late.authority.clone(), late.id)).or_insert_with(|| late.clone());
        found.since_ms = found.since_ms.min(late.since_ms);
        found.lost = found.lost.take().or(late.lost);
    }
    let mut all: Vec<Late> = all.into_values().collect();
    all.sort_by_key(|late| late.since_ms);
    all.truncate(ALARMS_MAX);
    all
}

/// Final meanwhile, be it by another node's copy of one that was lost here. What cannot be read is taken for not final.
fn is_final(handle: &Handle, late: &Late) -> bool {
    submissions::find(handle.store().as_ref(), &late.authority, &late.id).is_ok_and(|found| found.is_some())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beat_that_was_held_up_is_old_when_it_comes_whatever_the_other_clock_says() {
        // Clocks agree: what came just now was signed 14 s ago.
        assert_eq!(age_ms(100_000, 0, 86_000, 0), 14_000);
        // The other clock is 3 s ahead, or 3 s behind; fresh ones are fresh.
        assert_eq!(age_ms(100_000, 50, 103_000, 3_000), 50);
        assert_eq!(age_ms(100_000, 50, 96_990, -3_000), 50);
        assert_eq!(age_ms(100_000, 0, 89_000, 3_000), 14_000);
        // A clock that jumped ahead makes no beat younger than since it came.
        assert_eq!(age_ms(100_000, 16_000, 900_000, 0), 16_000);
        assert_eq!(age_ms(100_000, u64::MAX, 100_000, 0), u64::MAX, "one that never came");
    }

    #[test]
    fn what_the_driver_knows_and_what_is_kept_is_one_alarm() {
        let late =
            |id: u8, since_ms, lost| Late { authority: "de-bamf".into(), id: TransactionId([id; 16]), since_ms, lost };
        let expired = || Some(crate::consensus::RefusalReason::Expired);
        let known = [late(1, 50, None), late(2, 60, expired())];
        let kept = vec![late(1, 20, None), late(2, 70, None), late(3, 10, expired())];
        assert_eq!(both(&known, kept), [late(3, 10, expired()), late(1, 20, None), late(2, 60, expired())]);
    }

    #[test]
    fn a_lost_report_is_told_otherwise_than_a_late_one() {
        let alarm = |lost| {
            let late = Late { authority: "de-bamf".into(), id: TransactionId([7; 16]), since_ms: 5, lost };
            text(&Alarm { late, age_ms: 12_000 })
        };
        assert!(alarm(None).contains("not final since 12 s"));
        let lost = alarm(Some(crate::consensus::RefusalReason::Expired));
        assert!(lost.contains("lost") && lost.contains("new id"), "{lost}");
    }
}
