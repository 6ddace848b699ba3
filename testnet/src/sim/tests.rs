//! The simulator holds a healthy network to be healthy, repeats itself, and
//! catches every variant that is broken on purpose.

use super::{Broken, run};

#[test]
fn a_healthy_network_passes() {
    for seed in 0..200 {
        let report = run(seed, None);
        assert_eq!(report.violation, None, "testnet sim --seeds {seed}..{}", seed + 1);
        assert!(report.heights >= 3 && report.transactions == 43, "{report:?}");
    }
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    assert_eq!(run(3, None), run(3, None));
    assert_ne!(run(3, None).trace, run(4, None).trace);
}

#[test]
fn every_broken_variant_is_caught() {
    for broken in Broken::ALL {
        let caught = (0..40).find_map(|seed| run(seed, Some(broken)).violation);
        assert!(caught.is_some(), "{broken:?} passes for healthy");
        eprintln!("{broken:?}: {}", caught.unwrap_or_default());
    }
}
