//! A replay without a network: what is planned goes through the acceptance and the fold of `contracts` in the shuffled
//! order, as on a node, and is compared with the log. What is tested here is that plan, derived definition, fold
//! and comparison mean the same order.

use super::compare::{CaseRead, Mismatch, ReadEvent, compare};
use super::generate::generate;
use super::plan::{CasePlan, Plan};
use laufzettel_contracts::{AuthorityId, CaseFold, Code, Definition, Entry, Position, Report, When, accept};
use laufzettel_node::eventlog::EventLog;
use laufzettel_node::process::derive;
use std::num::NonZeroUsize;

/// After all times of all logs.
const NOW_MS: u64 = 4_102_444_800_000;

fn fold(plan: &Plan, case: &CasePlan, definition: &Definition) -> CaseFold {
    let mut fold = CaseFold::new();
    for (height, event) in (1_u64..).zip(case.events()) {
        let author = plan.authorities.iter().find(|authority| authority.id == event.author).unwrap();
        let report = Report::new(Code::new(&event.status).unwrap(), When::Instant(event.instant_ms));
        let role = Code::new(&author.role).unwrap();
        assert_eq!(accept(definition, &[role], &report, NOW_MS, &fold), Ok(()));
        let slot = *blake3::hash(&event.transaction_id).as_bytes();
        let position = Position { height, ..Position::default() };
        fold.report(definition, Entry { slot, position, author: AuthorityId::new(&event.author).unwrap(), report });
    }
    fold
}

fn read(fold: &CaseFold) -> CaseRead {
    let event = |status: &Code, occurred: When, author: &AuthorityId| ReadEvent {
        instant_ms: u64::try_from(occurred.end_ms()).unwrap(),
        status: status.to_string(),
        author: author.to_string(),
    };
    let entries = fold.entries().iter();
    let tracks = fold.state().tracks.iter();
    CaseRead {
        count: u64::from(fold.state().events),
        events: entries.map(|entry| event(&entry.report.status, entry.report.occurred, &entry.author)).collect(),
        tracks: tracks.map(|(number, track)| (*number, event(&track.status, track.occurred, &track.author))).collect(),
    }
}

/// All mismatches of a log played in, and whether no event deviates.
fn replay(log: &EventLog, seed: u64) -> (Vec<Mismatch>, bool) {
    let definition = Definition::check(&derive(log, "replayed").unwrap()).unwrap().definition;
    let plan = Plan::new(log, NonZeroUsize::new(4).unwrap(), seed);
    let track_of = |status: &str| definition.track_of(status).map(|track| track.number);
    let mut mismatches = Vec::new();
    let mut in_order = true;
    for case in &plan.cases {
        let fold = fold(&plan, case, &definition);
        in_order &= fold.state().deviations.is_empty();
        mismatches.extend(compare(case, &read(&fold), &track_of));
    }
    (mismatches, in_order)
}

#[test]
fn a_generated_log_comes_back_as_it_was() {
    for seed in 0..30 {
        let log = EventLog::parse("generated.csv", &generate(seed, 25).csv).unwrap();
        assert_eq!(replay(&log, seed), (Vec::new(), true), "seed {seed}");
    }
}
