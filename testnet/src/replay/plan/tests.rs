//! Plans of generated logs: complete, repeatable, shuffled, hosted in turn.

use super::super::generate::generate;
use super::*;
use std::collections::BTreeSet;

const FOUR: NonZeroUsize = NonZeroUsize::new(4).unwrap();

fn log(seed: u64) -> EventLog {
    EventLog::parse("generated.csv", &generate(seed, 30).csv).unwrap()
}

#[test]
fn plans_every_event_once() {
    for seed in 0..10 {
        let log = log(seed);
        let names = Names::of(&log);
        let plan = Plan::new(&log, FOUR, seed);
        assert_eq!(plan.event_count(), log.event_count());
        for (case, planned) in log.cases.iter().zip(&plan.cases) {
            assert_eq!(planned.name, case.name);
            assert_eq!(planned.opening.line, case.events[0].line);
            let mut sent: Vec<_> =
                planned.events().map(|event| (event.instant_ms, event.line, event.status.clone())).collect();
            let told = case
                .events
                .iter()
                .map(|event| (event.instant_ms, event.line, names.status(&event.activity).unwrap().to_owned()));
            let mut told: Vec<_> = told.collect();
            sent.sort();
            told.sort();
            assert_eq!(sent, told);
        }
    }
}

#[test]
fn hosts_authorities_in_turn_and_sends_to_their_hosts() {
    let plan = Plan::new(&log(1), NonZeroUsize::new(3).unwrap(), 1);
    let nodes: Vec<usize> = plan.authorities.iter().map(|authority| authority.node).collect();
    assert_eq!(nodes, (0..plan.authorities.len()).map(|index| index % 3).collect::<Vec<_>>());
    assert_eq!((plan.authorities[0].id.as_str(), &plan.authorities[0].group), ("no-group", &None));
    for event in plan.cases.iter().flat_map(CasePlan::events) {
        let author = plan.authorities.iter().find(|authority| authority.id == event.author).unwrap();
        assert_eq!(author.node, event.node);
    }
}

#[test]
fn the_seed_decides_ids_and_order() {
    let log = log(2);
    let plan = Plan::new(&log, FOUR, 7);
    assert_eq!(Plan::new(&log, FOUR, 7), plan);
    let other = Plan::new(&log, FOUR, 8);
    let ids = |plan: &Plan| -> BTreeSet<[u8; 16]> {
        let transactions = plan.cases.iter().flat_map(CasePlan::events).map(|event| event.transaction_id);
        plan.cases.iter().map(|case| case.case_id).chain(transactions).collect()
    };
    let (ids, others) = (ids(&plan), ids(&other));
    assert_eq!(ids.len(), plan.event_count() + plan.cases.len());
    assert!(ids.is_disjoint(&others));
    let lines =
        |plan: &Plan| -> Vec<u64> { plan.cases.iter().flat_map(CasePlan::events).map(|event| event.line).collect() };
    assert_ne!(lines(&plan), lines(&other));
    let by_time = |case: &CasePlan| case.rest.is_sorted_by_key(|event| event.instant_ms);
    assert!(!plan.cases.iter().all(by_time));
}

#[test]
fn plans_nothing_for_an_empty_log() {
    assert_eq!(Plan::new(&EventLog::default(), FOUR, 0), Plan { authorities: Vec::new(), cases: Vec::new() });
}
