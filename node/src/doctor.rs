//! What is wrong with a node, and what to do about it: with a running node by
//! asking it, without one by looking at its files, ports and peers as a start
//! would. Must never change what a start would not, make no file, and never
//! say "ok" of what was not looked at.

mod clocks;
mod files;
mod links;
mod resting;
mod running;

use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use crate::config::{Config, ConfigError};
use crate::node;
use crate::setup::Setup;

pub(crate) use running::is_missing;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Ok,
    /// It works, and will not for ever, or not if one thing more fails.
    Warn,
    /// It does not work.
    Fail,
}

impl Level {
    /// Its word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "FAIL",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What kind of thing; stable.
    pub check: &'static str,
    /// Which one: a peer, a file, or empty.
    pub subject: String,
    /// How bad it is.
    pub level: Level,
    /// What was found.
    pub finding: String,
    /// What to do; empty if nothing.
    pub remedy: String,
}

impl Finding {
    fn new(
        check: &'static str,
        subject: impl Into<String>,
        level: Level,
        finding: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { check, subject: subject.into(), level, finding: finding.into(), remedy: remedy.into() }
    }
    fn ok(check: &'static str, subject: impl Into<String>, finding: impl Into<String>) -> Self {
        Self::new(check, subject, Level::Ok, finding, "")
    }
}

/// All that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Examination {
    /// Whether a node runs on the data folder.
    pub running: bool,
    /// What was found, in the order in which it was looked at.
    pub findings: Vec<Finding>,
}

impl Examination {
    /// The worst level found.
    #[must_use]
    pub fn worst(&self) -> Level {
        self.findings.iter().map(|finding| finding.level).max().unwrap_or(Level::Ok)
    }
    /// How many findings have a level.
    #[must_use]
    pub fn count(&self, level: Level) -> usize {
        self.findings.iter().filter(|finding| finding.level == level).count()
    }
}

/// Looks at a node. `tell` gets a line whenever something begins that takes long.
pub async fn examine(path: &Path, now_ms: fn() -> u64, tell: &mut dyn FnMut(&str)) -> Examination {
    let config = match Config::load(path) {
        Ok(config) => config,
        Err(error) => {
            let remedy = match &error {
                ConfigError::Read { .. } => "run doctor as the user of the node; --config or --home says where it is",
                _ => "correct the file; every field is explained in docs/config.toml",
            };
            let findings = vec![Finding::new("config", "", Level::Fail, error.to_string(), remedy)];
            return Examination { running: false, findings };
        }
    };
    let mut findings = vec![Finding::ok("config", "", format!("{} is understood", path.display()))];
    let setup = files::look(&config, now_ms(), &mut findings);
    let lock = node::try_lock(&config.node.data);
    let running = matches!(lock, Ok(None));
    match lock {
        Ok(None) => running::look(&config, now_ms, tell, &mut findings).await,
        Ok(Some(_held)) => {
            let remedy = "start it: `systemctl start laufzettel`, or `laufzettel start`";
            findings.push(Finding::new("node", "", Level::Warn, "no node runs on the data folder", remedy));
            resting::look(&config, setup.as_ref(), now_ms, tell, &mut findings).await;
        }
        Err(error) => {
            let remedy = "run doctor as the user of the node";
            findings.push(Finding::new("data", "", Level::Fail, error.to_string(), remedy));
        }
    }
    Examination { running, findings }
}

/// For how long, as people say it.
pub(crate) fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0 => format!("{} ms", time.as_millis()),
        1..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// Bytes as people say them.
fn size(bytes: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    let unit = UNITS.iter().find(|(_, unit)| bytes >= *unit);
    unit.map_or_else(|| format!("{bytes} bytes"), |(name, unit)| format!("{} {name}", bytes / unit))
}

/// Whether this node may sign, from its setup.
fn is_validator(setup: &Setup) -> bool {
    setup.genesis.registry.validators.of_authority(&setup.config.node.authority).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_sizes_are_readable() {
        assert_eq!(span(Duration::from_millis(7)), "7 ms");
        assert_eq!(span(Duration::from_secs(600)), "10 min");
        assert_eq!(span(Duration::from_secs(90_000)), "25 h");
        assert_eq!(size(1_023), "1023 bytes");
        assert_eq!(size(5 << 30), "5 GiB");
    }

    #[tokio::test]
    async fn a_configuration_that_is_not_understood_is_the_only_finding() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        std::fs::write(&path, "[node]\nauthoritty = \"x\"\n").unwrap();
        let found = examine(&path, || 0, &mut |_| {}).await;
        assert_eq!((found.worst(), found.findings.len(), found.running), (Level::Fail, 1, false));
        assert!(found.findings[0].finding.contains("authoritty"), "{found:?}");
    }
}
