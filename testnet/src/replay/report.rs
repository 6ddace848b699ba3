//! What came of a replay, for people and, with `--json`, for machines. The names of the fields are an interface.

use serde::Serialize;
use std::fmt;

/// The result of a replay.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Report {
    /// Events of the log.
    pub(crate) events: u64,
    /// Cases of the log.
    pub(crate) cases: u64,
    /// Events that the network recorded.
    pub(crate) committed: u64,
    /// Events that it refused.
    pub(crate) refused: u64,
    /// In how many things nodes and log differ.
    pub(crate) mismatches: u64,
    /// The height of every node at the end, in the order of the nodes.
    pub(crate) heights: Vec<u64>,
    /// Whether all nodes have the same state root at the least of these heights.
    pub(crate) roots_equal: bool,
    /// What does not hold of all that must hold of any network, by the nodes' databases.
    pub(crate) violations: u64,
    /// From the first transaction sent to the last event read.
    pub(crate) seconds: f64,
}

impl Report {
    /// Whether the network holds the log, and all nodes the same.
    pub(crate) fn is_sound(&self) -> bool {
        self.committed == self.events
            && self.refused == 0
            && self.mismatches == 0
            && self.roots_equal
            && self.violations == 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { events, cases, committed, refused, mismatches, heights, roots_equal, violations, seconds } = self;
        let heights: Vec<String> = heights.iter().map(u64::to_string).collect();
        let roots = if *roots_equal { "equal" } else { "NOT EQUAL" };
        writeln!(formatter, "{events} events of {cases} cases in {seconds:.1} s")?;
        writeln!(formatter, "{committed} committed, {refused} refused, {mismatches} mismatches")?;
        write!(formatter, "heights {}; state roots {roots}; {violations} violations", heights.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let heights = vec![12, 12, 11, 12];
        let (events, cases, committed) = (8577, 1434, 8577);
        let (refused, mismatches, violations, seconds) = (0, 0, 0, 61.25);
        Report { events, cases, committed, refused, mismatches, heights, roots_equal: true, violations, seconds }
    }

    #[test]
    fn is_told_to_people_and_machines() {
        let expected = concat!(
            r#"{"events":8577,"cases":1434,"committed":8577,"refused":0,"mismatches":0,"#,
            r#""heights":[12,12,11,12],"roots_equal":true,"violations":0,"seconds":61.25}"#
        );
        assert_eq!(serde_json::to_string(&report()).unwrap(), expected);
        let expected = "8577 events of 1434 cases in 61.2 s\n8577 committed, 0 refused, 0 mismatches\nheights 12, 12, 11, 12; state roots equal; 0 violations";
        assert_eq!(report().to_string(), expected);
    }

    #[test]
    fn is_sound_only_if_everything_is() {
        assert!(report().is_sound());
        for unsound in [
            Report { committed: 8576, ..report() },
            Report { refused: 1, ..report() },
            Report { mismatches: 1, ..report() },
            Report { roots_equal: false, ..report() },
            Report { violations: 1, ..report() },
        ] {
            assert!(!unsound.is_sound());
        }
    }
}
