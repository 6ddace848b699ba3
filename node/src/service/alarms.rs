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
