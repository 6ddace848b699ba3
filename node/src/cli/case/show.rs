//! `laufzettel case show`: where a case stands, stood, or was known to stand.

use std::path::PathBuf;

use clap::Args;
use laufzettel_proto::v1;
use prost::Message as _;

use super::{case_json, deviations, deviations_text, effects, end_of, history};
use crate::cli::client::Target;
use crate::cli::fault::Fault;
use crate::cli::output::Output;
use crate::cli::words::{case_id, case_text, instant_text, position_text, when_text};

/// Arguments of `case show`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Show {
    /// The case.
    case: String,
    /// As it was at this height; 0 = now.
    #[arg(long, default_value_t = 0)]
    height: u64,
    /// Where it stood at the end of this day or at this instant: only what had occurred by then counts.
    #[arg(long, value_name = "WHEN", conflicts_with_all = ["height", "as_of"])]
    at: Option<String>,
    /// By what was recorded until the end of this day or this instant, without later reports and corrections.
    #[arg(long, value_name = "WHEN", conflicts_with = "height")]
    as_known_at: Option<String>,
    /// Show what was reported, with corrections and retractions.
    #[arg(long)]
    history: bool,
    /// Show deadlines, tasks, locks and notices as of this day (its end) or instant, by all that is reported.
    #[arg(long, value_name = "WHEN", conflicts_with = "height")]
    as_of: Option<String>,
    /// Write a proof to this file, for `laufzettel verify`.
    #[arg(long)]
    proof: Option<PathBuf>,
}

impl Show {
    pub(super) async fn run(&self, target: &Target, output: &Output) -> Result<(), Fault> {
        let request = v1::GetCaseRequest {
            case_id: case_id(&self.case)?.0.to_vec(),
            read_at: Some(v1::ReadAt { height: self.height, min_height: 0 }),
            include_proof: self.proof.is_some(),
            effects_as_of_ms: self.as_of.as_deref().map_or(Ok(0), |text| end_of("--as-of", text))?,
            at_ms: self.at.as_deref().map_or(Ok(0), |text| end_of("--at", text))?,
            known_at_ms: self.as_known_at.as_deref().map_or(Ok(0), |text| end_of("--as-known-at", text))?,
        };
        let (at_ms, known_at_ms) = (request.at_ms, request.known_at_ms);
        let answer = target.cases().await?.get_case(request).await;
        let answer = answer.map_err(|status| Fault::refused(&status))?.into_inner();
        let case = answer.view.unwrap_or_default();
        let open = if case.open { "open" } else { "closed" };
        let mut rows = vec![
            ("case", case_text(&case.case_id)),
            ("process", format!("{} version {}, {open}", case.definition, case.definition_version)),
            ("last change", last_change(&case)),
            ("authorities", case.participants.join(", ")),
            ("deviations", deviations_text(&case)),
            ("as of", position_text(answer.position.as_ref())),
        ];
        if case.partial {
            rows.push(("shown", "what this authority is told of; the process knows more".into()));
        }
        if at_ms > 0 {
            rows.push(("stood at", instant_text(at_ms)));
        }
        if known_at_ms > 0 {
            rows.push(("as known at", instant_text(known_at_ms)));
        }
        rows.extend(effects::rows(&case));
        let wanted = self.history || !case.deviations.is_empty();
        let events = match (wanted, &answer.position) {
            (true, Some(position)) => history::fetch(target, &case.case_id, Some(position.height)).await?,
            _ => Vec::new(),
        };
        let lines = if self.history { history::lines(&events) } else { Vec::new() };
        let mut json = case_json(&case);
        if let Some(map) = json.as_object_mut() {
            for (name, ms) in [("at_ms", at_ms), ("known_at_ms", known_at_ms)].into_iter().filter(|(_, ms)| *ms > 0) {
                map.insert(name.into(), ms.into());
            }
            if self.history {
                map.insert("history".into(), history::json_of(&lines));
            }
            if case.effects_as_of_ms > 0 {
                map.insert("effects".into(), effects::effects_json(&case));
            }
        }
        output.record(&rows, &json);
        output.details(&["track", "status", "occurred", "outcome", "by"], tracks(&case));
        output.details(&["deviation", "report", "", "what is wrong"], deviations::lines(&case, &events));
        effects::tables(&case, output);
        history::table(&lines, output);
        if let (Some(path), Some(proof)) = (&self.proof, &answer.proof) {
            std::fs::write(path, proof.encode_to_vec())
                .map_err(|error| Fault::failed(format!("cannot write {}: {error}", path.display())))?;
            output.say(&format!("proof written; check it with `laufzettel verify {}`", path.display()));
        }
        Ok(())
    }
}

/// Where each track stands; `*` marks the headline.
fn tracks(case: &v1::Case) -> Vec<Vec<String>> {
    let row = |track: &v1::TrackStatus| {
        let mark = if track.track == case.headline_track { "*" } else { "" };
        let (name, occurred) = (format!("{}{mark}", track.track), when_text(track.occurred.as_ref()));
        vec![name, track.status.clone(), occurred, track.outcome.clone(), track.authority.clone()]
    };
    case.tracks.iter().map(row).collect()
}

/// Where it changed last, and how often it has, as far as that is told.
fn last_change(case: &v1::Case) -> String {
    let revision = if case.revision > 0 { format!(", revision {}", case.revision) } else { String::new() };
    format!("height {}{revision}", case.changed_height)
}
