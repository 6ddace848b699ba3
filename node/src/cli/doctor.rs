//! `laufzettel doctor`: what is wrong with a node, and what to do about it.
//! Exit code 1 if something fails; with `--strict` already if something is
//! warned of.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::fault::Fault;
use super::output::Output;
use crate::clock;
use crate::doctor::{Level, examine};

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub(super) struct Doctor {
    /// The configuration [default: HOME/config.toml].
    #[arg(long)]
    config: Option<PathBuf>,
    /// End with exit code 1 even if there are warnings only.
    #[arg(long)]
    strict: bool,
}

impl Doctor {
    pub(super) async fn run(&self, home: &Path, output: &Output) -> Result<(), Fault> {
        let path = self.config.clone().unwrap_or_else(|| home.join("config.toml"));
        let found = examine(&path, clock::now_ms, &mut |line| output.note(line)).await;
        let rows = found.findings.iter().map(|finding| {
            let what = if finding.subject.is_empty() {
                finding.check.to_owned()
            } else {
                format!("{} {}", finding.check, finding.subject)
            };
            vec![finding.level.word().to_owned(), what, finding.finding.clone(), finding.remedy.clone()]
        });
        let value = json!({ "running": found.running, "worst": found.worst(), "findings": found.findings });
        output.list(&["", "what", "found", "what to do"], rows.collect(), &value);
        let (failures, warnings) = (found.count(Level::Fail), found.count(Level::Warn));
        let summary = format!("{failures} failures and {warnings} warnings in {} findings", found.findings.len());
        if failures > 0 || (self.strict && warnings > 0) {
            return Err(Fault::failed(summary));
        }
        output.say(&summary);
        Ok(())
    }
}
