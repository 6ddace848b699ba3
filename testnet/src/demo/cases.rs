//! The demo's cases on definition `asyl-de`, profile `flora-1`: days are counted back from today and moved a little by
//! the seed, offices do not work on weekends, and an appointment names the day on which it was kept or missed.
//! Must never name a restricted status: the ledger shows its class.

use super::scripts::{Act, SCRIPTS, Script, Step};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// An appointment that has not come yet lies this many days ahead.
const APPOINTMENT_AHEAD_DAYS: i32 = 14;
/// A hearing that is moved had been set for so many days after it was moved.
const MOVED_AHEAD_DAYS: i32 = 5;

/// The four authorities, in the order of their nodes.
pub(crate) use laufzettel_node::localnet::FOUR_AUTHORITIES as AUTHORITIES;

/// One case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DemoCase {
    pub(crate) title_de: &'static str,
    pub(crate) title_en: &'static str,
    /// In the order in which they are sent.
    pub(crate) events: Vec<DemoEvent>,
}

/// One event of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DemoEvent {
    /// Whether it is a report of its own or takes the place of one.
    pub(crate) action: DemoAction,
    pub(crate) authority: &'static str,
    pub(crate) status: &'static str,
    /// Days since 1970-01-01.
    pub(crate) day: i32,
    /// The day that it sets, days since 1970-01-01.
    pub(crate) effective: Option<i32>,
    pub(crate) outcome: Option<&'static str>,
}

/// What an event does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DemoAction {
    /// It is reported.
    Report,
    /// It corrects an earlier event of the case, given by its index.
    Correct {
        /// Index into the events of the case.
        event: usize,
    },
}

/// All cases as they stand on a day.
pub(crate) fn demo_cases(today: i32, seed: u64) -> Vec<DemoCase> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    SCRIPTS.iter().map(|script| case(script, today, &mut random)).collect()
}

fn case(script: &Script, today: i32, random: &mut ChaCha8Rng) -> DemoCase {
    let days = days(script, today, random);
    let event = |(index, step): (usize, &Step)| {
        let day = days.get(index).copied().unwrap_or(today);
        let (action, day) = match step.act {
            Act::Report => (DemoAction::Report, day),
            Act::Misdated { by_days } => (DemoAction::Report, workday(day.saturating_add(by_days))),
            Act::Correct { event } => (DemoAction::Correct { event }, days.get(event).copied().unwrap_or(day)),
        };
        let effective = appointment(script.steps, &days, index, today);
        DemoEvent { action, authority: step.authority, status: step.status, day, effective, outcome: step.outcome }
    };
    let events = script.steps.iter().enumerate().map(event).collect();
    DemoCase { title_de: script.title_de, title_en: script.title_en, events }
}

/// The day of every step: the last one lies as far back as the script says, the others before it.
fn days(script: &Script, today: i32, random: &mut ChaCha8Rng) -> Vec<i32> {
    let mut gaps: Vec<i32> = script.steps.iter().map(|step| step.gap + random.random_range(0..=step.gap / 3)).collect();
    let mut day = today - script.ago;
    let mut days = Vec::with_capacity(gaps.len());
    while let Some(gap) = gaps.pop() {
        days.push(workday(day));
        day -= gap;
    }
    days.reverse();
    days
}

/// The day itself, or the Friday before a weekend; so the order of days stays. Day 0 was a Thursday.
fn workday(day: i32) -> i32 {
    match (day + 3).rem_euclid(7) {
        5 => day - 1,
        6 => day - 2,
        _ => day,
    }
}

/// The day that an appointment sets: that of the step which tells what became of it.
fn appointment(steps: &[Step], days: &[i32], index: usize, today: i32) -> Option<i32> {
    let kept_by: &[&str] = match steps.get(index)?.status {
        "lodging_appointment_set" => &["application_lodged", "lodging_appointment_missed"],
        "hearing_scheduled" | "hearing_rescheduled" => &["hearing_held", "hearing_missed", "hearing_rescheduled"],
        _ => return None,
    };
    let mut later = steps.iter().zip(days).skip(index.saturating_add(1));
    match later.find(|(step, _)| kept_by.contains(&step.status)) {
        Some((step, day)) if step.status == "hearing_rescheduled" => Some(workday(day + MOVED_AHEAD_DAYS)),
        Some((_, day)) => Some(*day),
        None => Some(workday(today + APPOINTMENT_AHEAD_DAYS)),
    }
}

#[cfg(test)]
mod tests;
