//! What clients saw, held against the chain.

use std::collections::{BTreeMap, BTreeSet};

use laufzettel_chain::ids::{CaseId, Height};
use laufzettel_contracts::effect::EffectId;

use super::Verdict;
use super::chain::Chain;
use crate::load::Acknowledged;

/// An acknowledgement, and when it was asked for and given, by one clock for all clients.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    /// What was said to be final, and where.
    pub(crate) what: Acknowledged,
    /// When it was first submitted.
    pub(crate) submitted_us: u64,
    /// When the client heard of it.
    pub(crate) told_us: u64,
}

/// A case as it was read.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// At which node.
    pub(crate) node: String,
    /// The case.
    pub(crate) case: CaseId,
    /// The height the answer must not be older than.
    pub(crate) min_height: Height,
    /// The answer's height.
    pub(crate) height: Height,
    /// The height of the case's last change in it. Who reads must be told of all that is reported in the case.
    pub(crate) changed: Height,
}

/// What a feed delivered: places as height, transaction, item, and a digest of each event.
#[derive(Debug, Clone, Default)]
pub(crate) struct Feed {
    /// Who watched.
    pub(crate) name: String,
    /// Events, in the order of delivery.
    pub(crate) events: Vec<((Height, u32, u32), [u8; 8])>,
    /// All up to this height was delivered.
    pub(crate) height: Height,
}

/// What a feed of an inbox had delivered and not taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Inboxed {
    /// Whose inbox.
    pub(crate) authority: String,
    /// All up to this height was delivered.
    pub(crate) height: Height,
    /// Cases and effects.
    pub(crate) held: BTreeSet<(CaseId, EffectId)>,
}

/// Everything clients saw.
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    /// Acknowledgements.
    pub(crate) told: Vec<Told>,
    /// Reads.
    pub(crate) reads: Vec<Seen>,
    /// Feeds from the beginning of the chain.
    pub(crate) feeds: Vec<Feed>,
    /// Inboxes by their feeds, at some heights.
    pub(crate) inboxes: Vec<Inboxed>,
}

/// What was said to be final is there, where it was said to be.
pub(super) fn acknowledgements(chain: &Chain, history: &History, verdict: &mut Verdict) {
    verdict.acknowledged = history.told.len() as u64;
    for told in &history.told {
        let Acknowledged { authority, id, height, index } = &told.what;
        match chain.places.get(&(authority.clone(), *id)) {
            Some(found) if found == &(*height, *index) => {}
            Some(found) => {
                verdict.moved += 1;
                verdict
                    .violated(format!("{authority} {id} stands at {found:?}, its client was told {height}, {index}"));
            }
            None => {
                verdict.lost += 1;
                verdict.violated(format!("{authority} {id} is lost; its client was told {height}, {index}"));
            }
        }
    }
}

/// What was acknowledged before another was submitted stands before it.
pub(super) fn order(history: &History, verdict: &mut Verdict) {
    let place = |told: &Told| (told.what.height, told.what.index);
    let mut by_told: Vec<&Told> = history.told.iter().collect();
    by_told.sort_by_key(|told| told.told_us);
    let mut by_submitted: Vec<&Told> = history.told.iter().collect();
    by_submitted.sort_by_key(|told| told.submitted_us);
    let (mut earlier, mut last) = (by_told.into_iter().peekable(), None::<&Told>);
    for later in by_submitted {
        while let Some(told) = earlier.next_if(|told| told.told_us < later.submitted_us) {
            if last.is_none_or(|last| place(told) > place(last)) {
                last = Some(told);
            }
        }
        if let Some(last) = last.filter(|last| place(last) >= place(later) && last.what.id != later.what.id) {
            let (a, b) = (place(last), place(later));
            let (first, second) = (last.what.id, later.what.id);
            verdict
                .violated(format!("{first} was final at {a:?} before {second} was submitted, which stands at {b:?}"));
        }
    }
}

/// A read is as new as asked, and shows the case as the chain has it at the answer's height.
pub(super) fn reads(chain: &Chain, history: &History, verdict: &mut Verdict) {
    for seen in &history.reads {
        let Seen { node, case, min_height, height, changed } = seen;
        if height < min_height {
            verdict.violated(format!("{node} answered at height {height} when at least {min_height} was asked for"));
        }
        let changes = chain.cases.get(case).map(Vec::as_slice).unwrap_or_default();
        let last = changes.iter().take_while(|at| *at <= height).last();
        if last != Some(changed) {
            verdict
                .violated(format!("{node} showed a change at height {changed} in {height}; the last was at {last:?}"));
        }
    }
}

/// Feeds deliver the chain's events from the first on, each once, in order, the same everywhere.
pub(super) fn feeds(chain: &Chain, history: &History, verdict: &mut Verdict) {
    let mut digests: BTreeMap<(Height, u32, u32), ([u8; 8], &str)> = BTreeMap::new();
    for feed in &history.feeds {
        let expected = chain.events.iter().map(|at| (at.height, at.transaction, u32::from(at.item)));
        let expected: Vec<_> = expected.take_while(|(height, _, _)| *height <= feed.height).collect();
        let places: Vec<_> = feed.events.iter().map(|(place, _)| *place).collect();
        let (delivered, more) = places.split_at(expected.len().min(places.len()));
        // Behind the last checkpoint a feed may have gone on.
        let goes_on = chain.events.get(expected.len()..).unwrap_or_default().iter().zip(more);
        let goes_on = goes_on.filter(|(at, place)| (at.height, at.transaction, u32::from(at.item)) == **place).count();
        if delivered != expected.as_slice() || goes_on != more.len() {
            let at = delivered.iter().zip(&expected).position(|(a, b)| a != b);
            verdict.violated(format!(
                "feed {} up to height {}: {} events for {}; they differ first at {at:?}",
                feed.name,
                feed.height,
                places.len(),
                expected.len()
            ));
        }
        for (place, digest) in &feed.events {
            let (first, name) = *digests.entry(*place).or_insert((*digest, &feed.name));
            if first != *digest {
                verdict.violated(format!("feeds {name} and {} got other bytes at {place:?}", feed.name));
            }
        }
    }
}
