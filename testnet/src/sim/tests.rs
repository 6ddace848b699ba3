//! The simulator holds a healthy network to be healthy, repeats itself, sees
//! every lie told, and catches every variant that is broken on purpose.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::liar::Lie;
use super::mode::Mode;
use super::{Broken, Followed, Report, lies, run};

/// Runs the seeds on as many threads as there are processors; each simulation is one thread.
fn run_seeds(seeds: u64) -> Vec<Report> {
    let (next, reports) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds {
                        return;
                    }
                    let report = run(seed, None);
                    reports.lock().unwrap().push(report);
                }
            });
        }
    });
    reports.into_inner().unwrap()
}

/// Evidence that another node had brought first kept those awake who had it from a peer.
#[test]
fn evidence_that_is_recorded_keeps_nobody_awake() {
    for seed in [277, 557, 565] {
        let report = run(seed, None);
        assert_eq!(report.violation, None, "testnet sim --seeds {seed}..{}", seed + 1);
    }
}

#[test]
fn a_network_with_liars_stays_healthy_and_every_lie_is_told() {
    let reports = run_seeds(200);
    let clients = |seed| Mode::of(seed).clients() + if Mode::of(seed).votes { 4 } else { 3 };
    let healthy = |report: &&Report| {
        report.violation.is_none() && report.heights >= 3 && report.transactions == clients(report.seed)
    };
    let failed: Vec<String> = reports
        .iter()
        .filter(|report| !healthy(report))
        .map(|report| format!("testnet sim --seeds {}..{}: {report:?}", report.seed, report.seed + 1))
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    let told = lies(&reports);
    let untold: Vec<&str> =
        Lie::ALL.iter().map(|lie| lie.name()).filter(|name| told.get(name).is_none_or(|count| *count == 0)).collect();
    assert_eq!(untold, Vec::<&str>::new(), "lies that were never told in 200 seeds");
    // What these lies are for was seen: evidence of each way to sign twice, refused panics, an evicted transaction.
    let sum = |of: &dyn Fn(&Report) -> u64, mode: &str| -> u64 {
        reports.iter().filter(|report| report.mode.contains(mode)).map(of).sum()
    };
    for mode in ["twins", "votes_twice", "proposes_twice"] {
        assert!(sum(&|report| report.evidence as u64, mode) > 0, "no evidence in any run with {mode}");
    }
    let nobody_lies = |mode: &Mode| !mode.twin && mode.liars.is_empty();
    let honest = reports.iter().filter(|report| nobody_lies(&Mode::of(report.seed)) && report.evidence > 0);
    assert_eq!(honest.count(), 0, "evidence where nobody signs twice");
    assert!(sum(&|report| report.panics, "proposes_panic") > 0, "no panicking block was refused");
    assert!(sum(&|report| report.evicted, "hostile") > 0, "no hostile transaction was evicted");
    // And what rules are for: half of the runs have them, and everything that may come of them came.
    let followed = reports.iter().fold(Followed::default(), |all, report| all.and(report.followed));
    let Followed { effects, withdrawn, escalated, due, stopped, despite, .. } = followed;
    let least = [effects / 100, withdrawn, escalated, due, stopped, despite].into_iter().min();
    assert!(least >= Some(50), "{effects} {withdrawn} {escalated} {due} {stopped} {despite}");
    // Proposals came to every end there is, and open cases moved.
    let Followed { adopted, rejected, superseded, expired, migrated, .. } = followed;
    let least = [adopted, rejected, superseded, expired, migrated].into_iter().min();
    assert!(least >= Some(8), "{adopted} {rejected} {superseded} {expired} {migrated}");
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in [3, 5, 6] {
        assert_eq!(run(seed, None), run(seed, None));
    }
    assert_ne!(run(3, None).trace, run(4, None).trace);
}

#[test]
fn every_lie_is_in_some_seed_by_itself() {
    let alone: BTreeMap<Lie, u64> = (0..200)
        .filter_map(|seed| {
            let mode = Mode::of(seed);
            let mut lies = mode.liars.values().flatten();
            lies.next().copied().filter(|_| lies.next().is_none()).map(|lie| (lie, seed))
        })
        .collect();
    assert_eq!(alone.len(), Lie::ALL.len());
}

/// A ledger that executes otherwise differs from the checker's own, whatever it does; where what follows from cases is
/// wrong, the model must say so in its own words, too.
#[test]
fn every_broken_variant_is_caught() {
    for broken in Broken::ALL {
        let says = |told: &String| broken.is_told().is_none_or(|words| told.contains(words));
        let caught = (0..40).filter_map(|seed| run(seed, Some(broken)).violation).find(says);
        assert!(caught.is_some(), "{broken:?} passes for healthy");
        let caught = caught.unwrap_or_default();
        eprintln!("{broken:?}: {}", caught.chars().take(300).collect::<String>());
    }
}
