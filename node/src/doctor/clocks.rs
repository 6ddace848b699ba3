//! Whose clock is wrong. A proposal further than 5 s from a validator's clock
//! waits, so a clock that is off slows everyone down before it excludes anyone.

use super::{Finding, Level};

/// A clock that is off by more is warned of.
const WARN_MS: u64 = 1_000;
/// A clock that is off by more is a failure.
const FAIL_MS: u64 = 3_000;

/// A peer's clock against this machine's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) peer: String,
    pub(super) offset_ms: i64,
    pub(super) error_ms: u64,
}

fn level(offset_ms: i64) -> Level {
    match offset_ms.unsigned_abs() {
        off if off > FAIL_MS => Level::Fail,
        off if off > WARN_MS => Level::Warn,
        _ => Level::Ok,
    }
}

fn words(offset_ms: i64) -> String {
    let direction = if offset_ms < 0 { "behind" } else { "ahead of" };
    let (seconds, thousandths) = (offset_ms.unsigned_abs() / 1_000, offset_ms.unsigned_abs() % 1_000);
    format!("{seconds}.{thousandths:03} s {direction}")
}

/// The middle of the offsets; of two middles the smaller deviation, so that one peer alone accuses nobody.
fn middle(clocks: &[Seen]) -> Option<i64> {
    let mut offsets: Vec<i64> = clocks.iter().map(|seen| seen.offset_ms).collect();
    offsets.sort_unstable();
    let upper = offsets.get(offsets.len() / 2).copied()?;
    let lower = offsets.get(offsets.len().saturating_sub(1) / 2).copied()?;
    Some(if upper.unsigned_abs() < lower.unsigned_abs() { upper } else { lower })
}

/// One finding for this machine, and one for each peer whose clock is off.
pub(super) fn judge(clocks: &[Seen], findings: &mut Vec<Finding>) {
    let Some(middle) = middle(clocks) else {
        let remedy = "connect a peer first, then run doctor again";
        findings.push(Finding::new("clock", "", Level::Warn, "no peer's clock is known to compare with", remedy));
        return;
    };
    // With one peer alone nobody can say which of the two is wrong.
    let alone = clocks.len() == 1;
    // Peers that are ahead in the middle mean that this machine is behind them.
    let own = middle.saturating_neg();
    let error_ms = clocks.iter().map(|seen| seen.error_ms).max().unwrap_or(0);
    let count = clocks.len();
    let text = format!("{} the middle of {count} peers, give or take {error_ms} ms", words(own));
    let remedy = match level(own) {
        Level::Ok => "",
        _ if alone => "find out which of the two clocks is wrong: `timedatectl` or `chronyc tracking` on both machines",
        _ => "set this machine's clock by NTP: `timedatectl set-ntp true`, then look at `chronyc tracking`",
    };
    findings.push(Finding::new("clock", "this machine", level(own), text, remedy));
    if alone {
        return;
    }
    for seen in clocks {
        let off = seen.offset_ms.saturating_sub(middle);
        if level(off) != Level::Ok {
            let text = format!("{} the others, give or take {} ms", words(off), seen.error_ms);
            let remedy = "tell its operator: that machine's clock is not set by NTP";
            findings.push(Finding::new("clock", seen.peer.as_str(), level(off), text, remedy));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn levels(offsets: &[i64]) -> Vec<(String, Level)> {
        let clocks: Vec<Seen> = offsets
            .iter()
            .enumerate()
            .map(|(index, offset_ms)| Seen { peer: format!("p{index}"), offset_ms: *offset_ms, error_ms: 2 })
            .collect();
        let mut findings = Vec::new();
        judge(&clocks, &mut findings);
        findings.into_iter().map(|finding| (finding.subject, finding.level)).collect()
    }

    fn own(level: Level) -> (String, Level) {
        ("this machine".to_owned(), level)
    }

    #[test]
    fn who_is_off_is_named() {
        assert_eq!(levels(&[3, -4, 900]), [own(Level::Ok)]);
        // All others say the same: it is this machine.
        assert_eq!(levels(&[1_500, 1_501, 1_499]), [own(Level::Warn)]);
        assert_eq!(levels(&[-3_100, -3_000, -3_200]), [own(Level::Fail)]);
        // One says something else: it is that one.
        assert_eq!(levels(&[2, 1, 4_000]), [own(Level::Ok), ("p2".to_owned(), Level::Fail)]);
        assert_eq!(levels(&[0, 1_200]), [own(Level::Ok), ("p1".to_owned(), Level::Warn)]);
        // One alone.
        assert_eq!(levels(&[-1_001]), [own(Level::Warn)]);
        assert_eq!(levels(&[]), [(String::new(), Level::Warn)]);
    }

    #[test]
    fn a_machine_whose_peers_are_ahead_is_behind() {
        let clocks: Vec<Seen> =
            ["a", "b"].iter().map(|peer| Seen { peer: (*peer).to_owned(), offset_ms: 2_000, error_ms: 1 }).collect();
        let mut findings = Vec::new();
        judge(&clocks, &mut findings);
        assert!(findings[0].finding.starts_with("2.000 s behind"), "{findings:?}");
    }
}
