//! `laufzettel doctor`: what is wrong with a node, and what to do about it.
//! Exit code 1 if something fails; with `--strict` already if something is
//! warned of.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::fault::Fault;
use super::output::Output;
use crate::clock;
use crate::doctor::{Finding, Level, examine};

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
        let what = |finding: &Finding| match finding.subject.as_str() {
            "" => finding.check.to_owned(),
            subject => format!("{} {subject}", finding.check),
        };
        let width = found.findings.iter().map(|finding| what(finding).chars().count()).max().unwrap_or(0);
        for finding in &found.findings {
            output.say(&format!("{:<4}  {:<width$}  {}", finding.level.word(), what(finding), finding.finding));
            if !finding.remedy.is_empty() {
                output.say(&format!("{:<4}  {:<width$}  what to do: {}", "", "", finding.remedy));
            }
        }
        let value = json!({ "running": found.running, "worst": found.worst(), "findings": found.findings });
        output.entry_json_only(&value);
        let (failures, warnings) = (found.count(Level::Fail), found.count(Level::Warn));
        let summary = format!("{failures} failures and {warnings} warnings in {} findings", found.findings.len());
        if failures > 0 || (self.strict && warnings > 0) {
            return Err(Fault::failed(summary));
        }
        output.say(&summary);
        Ok(())
    }
}
