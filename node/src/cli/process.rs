//! `laufzettel process`: shows the definitions in force, checks and tries texts, and derives them from logs.

pub(super) mod simulate;

use std::fs;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use laufzettel_contracts::{Definition, Finding};
use laufzettel_proto::v1;
use serde_json::json;

use super::client::Target;
use super::due::DueOf;
use super::fault::Fault;
use super::init::write;
use super::output::Output;
use crate::eventlog::{self, EventLog};
use crate::process;

/// Subcommands of `process`.
#[derive(Debug, Subcommand)]
pub(super) enum Process {
    /// The definitions in force.
    List,
    /// The text of a definition in force.
    Show {
        /// ID, or ID@VERSION; without a version the highest.
        definition: String,
    },
    /// Check a definition; findings name line, column and the fix.
    Check {
        /// The definition.
        file: PathBuf,
    },
    /// Say what a draft would change in the cases that a running node has.
    Simulate(simulate::Simulate),
    /// Say when a period of law ends, and why then.
    Due(DueOf),
    /// Derive a definition from a case system's event log (CSV).
    Derive {
        /// The log.
        log: PathBuf,
        /// Id of the process; made from the file's name if not given.
        #[arg(long)]
        id: Option<String>,
        /// The definition to write; standard output if not given.
        #[arg(long)]
        out: Option<PathBuf>,
    },
}

impl Process {
    pub(super) async fn run(&self, home: &Path, target: &Target, output: &Output) -> Result<(), Fault> {
        match self {
            Self::List => list(target, output).await,
            Self::Show { definition } => show(definition, target, output).await,
            Self::Check { file } => check(file, output),
            Self::Simulate(simulate) => simulate.run(home, output).await,
            Self::Due(of) => of.run(output),
            Self::Derive { log, id, out } => {
                let read = EventLog::read(log).map_err(Fault::failed)?;
                let name = log.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                let id = id.clone().unwrap_or_else(|| eventlog::id_of(&name));
                let text = process::derive(&read, &id)
                    .map_err(|error| Fault::failed(format!("{}: {error}", log.display())))?;
                for note in read.interpreted.notes() {
                    output.note(&format!("note: {note}"));
                }
                match out {
                    None => output.text(&text),
                    Some(out) => {
                        write(out, &text)?;
                        output.note(&format!("written to {}; read it before it is proposed", out.display()));
                    }
                }
                Ok(())
            }
        }
    }
}

async fn list(target: &Target, output: &Output) -> Result<(), Fault> {
    let answer = target.processes().await?.list_definitions(v1::ListDefinitionsRequest {}).await;
    let found = answer.map_err(|status| Fault::refused(&status))?.into_inner().definitions;
    let label = |found: &v1::DefinitionSummary| found.labels.clone().unwrap_or_default();
    let rows = found.iter().map(|found| {
        let name = format!("{}@{}", found.id, found.version);
        let since = match (found.superseded, found.effective_height) {
            (true, _) => "superseded".to_owned(),
            (false, 0) => "beginning".to_owned(),
            (false, height) => format!("height {height}"),
        };
        let counts = [found.language, found.statuses, found.rules].map(|count| count.to_string());
        [vec![name, label(found).en], counts.to_vec(), vec![since]].concat()
    });
    let json = found.iter().map(|found| {
        json!({ "id": found.id, "version": found.version, "language": found.language, "statuses": found.statuses,
                "rules": found.rules, "effective_height": found.effective_height, "superseded": found.superseded, "labels": { "de": label(found).de, "en": label(found).en } })
    });
    let json: Vec<_> = json.collect();
    output.list(&["definition", "", "language", "statuses", "rules", "new cases since"], rows.collect(), &json.into());
    Ok(())
}

async fn show(text: &str, target: &Target, output: &Output) -> Result<(), Fault> {
    let (id, version) = match text.split_once('@') {
        None => (text, 0),
        Some((id, version)) => {
            let wrong = |_| Fault::usage(format!("{text:?}: expected ID or ID@VERSION, as asyl-de@2"));
            (id, version.parse().map_err(wrong)?)
        }
    };
    let request = v1::GetDefinitionRequest { id: id.into(), version };
    let answer = target.processes().await?.get_definition(request).await;
    let answer = answer.map_err(|status| Fault::refused(&status))?.into_inner();
    output.text(&answer.text);
    Ok(())
}

fn check(file: &Path, output: &Output) -> Result<(), Fault> {
    let name = file.display();
    let text = fs::read_to_string(file).map_err(|error| Fault::failed(format!("cannot read {name}: {error}")))?;
    let file = name.to_string();
    let shown = |word: &str, findings: &[Finding]| -> Vec<String> {
        findings.iter().map(|found| found.render(word, &file, &text)).collect()
    };
    match Definition::check(&text) {
        Ok(checked) => {
            let definition = &checked.definition;
            let rows = [
                ("definition", format!("{} version {}", definition.id(), definition.version())),
                ("statuses", definition.statuses().len().to_string()),
                ("tracks", definition.tracks().len().to_string()),
                ("roles", definition.roles().len().to_string()),
                ("language", definition.language().to_string()),
                ("deadlines", definition.rules().deadlines.len().to_string()),
                ("rules", definition.rules().rules.len().to_string()),
            ];
            let notes: Vec<String> = checked.notes.iter().map(|note| format!("{name}:{note}")).collect();
            output.record(&rows, &json!({ "id": definition.id(), "version": definition.version(), "notes": notes }));
            for note in shown("note", &checked.notes) {
                output.say(&note);
            }
            Ok(())
        }
        Err(findings) => {
            let count = findings.len();
            Err(Fault::failed(format!("{count} findings in {name}:\n{}", shown("error", &findings).join("\n"))))
        }
    }
}
