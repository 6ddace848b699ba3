//! `laufzettel case clearance`: whether a lock stands against an act, asked right before it. Exit code 0 only if no lock
//! is known: 1 if one stands, 3 if it is not known or there is no answer, 2 if it cannot be asked, 4 if the answer does not
//! prove what it says.

use std::path::PathBuf;

use clap::Args;
use laufzettel_chain::ids::CaseId;
use laufzettel_proto::v1;
use serde_json::{Value, json};
use tonic::Status;
use tonic_types::StatusExt as _;

use super::effects::instant_or_none;
use crate::api::reasons::Reason;
use crate::clearance;
use crate::cli::client::Target;
use crate::cli::fault::Fault;
use crate::cli::output::Output;
use crate::cli::words::{case_id, case_text, hex, random_id};
use crate::genesis;

/// Arguments of `case clearance`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Clearance {
    /// The case.
    case: String,
    /// Status code of the act or its announcement, as removal_executed or removal_scheduled.
    status: String,
    /// Check certificate and signed beats with this genesis file, instead of trusting the node.
    #[arg(long)]
    genesis: Option<PathBuf>,
}

impl Clearance {
    pub(super) async fn run(&self, target: &Target, output: &Output) -> Result<(), Fault> {
        // What hinders the question, as a profile or genesis file that cannot be used, must not look like a lock.
        let asked = self.ask(target, output).await;
        match asked.map_err(|fault| if fault.code() == 1 { fault.with_code(2) } else { fault })? {
            v1::ClearanceVerdict::NoLockKnown => Ok(()),
            v1::ClearanceVerdict::Locked => Err(Fault::failed("a lock stands")),
            _ => Err(Fault::unreachable("it is not known whether a lock is on its way")),
        }
    }

    async fn ask(&self, target: &Target, output: &Output) -> Result<v1::ClearanceVerdict, Fault> {
        let case = case_id(&self.case)?;
        let request = v1::CheckClearanceRequest {
            transaction_id: random_id()?.to_vec(),
            case_id: case.0.to_vec(),
            status: self.status.clone(),
        };
        let answer = target.cases().await?.check_clearance(target.call(request)).await;
        let answer = answer.map_err(|status| unanswered(&status))?.into_inner();
        let proven = match &self.genesis {
            Some(path) => Some(self.verify((path, &case), &answer)?),
            None => None,
        };
        let outcome = answer.outcome.clone().unwrap_or_default();
        let text = answer.explanation.clone().unwrap_or_default();
        let locks: Vec<String> = answer.locks.iter().map(lock_text).collect();
        let sources: Vec<String> = answer.sources.iter().map(source_text).collect();
        let rows = [
            ("case", case_text(&case.0)),
            ("verdict", answer.verdict().as_str_name().trim_start_matches("CLEARANCE_VERDICT_").to_owned()),
            ("", text.de.clone()),
            ("", text.en.clone()),
            ("block", if outcome.height == 0 { "none".to_owned() } else { format!("height {}", outcome.height) }),
            ("locks", if locks.is_empty() { "none".to_owned() } else { locks.join("; ") }),
            ("asked", sources.join("; ")),
            ("answered", instant_or_none(answer.answered_ms)),
            ("proof", proven.clone().unwrap_or_else(|| "not checked; give --genesis".to_owned())),
        ];
        let json = json!({
            "case": case_text(&case.0), "verdict": answer.verdict().as_str_name(), "height": outcome.height,
            "explanation": { "de": text.de, "en": text.en }, "answered_ms": answer.answered_ms,
            "locks": answer.locks.iter().map(lock_json).collect::<Vec<_>>(),
            "sources": answer.sources.iter().map(source_json).collect::<Vec<_>>(),
            "transaction": hex(&outcome.transaction_id), "proof": proven,
        });
        output.record(&rows, &json);
        Ok(answer.verdict())
    }

    fn verify(&self, (path, case): (&PathBuf, &CaseId), answer: &v1::CheckClearanceResponse) -> Result<String, Fault> {
        let genesis = genesis::load(path).map_err(Fault::failed)?;
        let proven = clearance::verify(&genesis, (case, &self.status), answer).map_err(Fault::unverified)?;
        Ok(match proven {
            None => "nothing is proven by an answer that is not current".to_owned(),
            Some(proven) => {
                let (id, version) = &proven.process;
                let origin = if proven.voted { "adopted by vote" } else { "of the genesis file" };
                let beats = if proven.beats.is_empty() {
                    String::new()
                } else {
                    format!(", with beats of {}", proven.beats.join(", "))
                };
                format!("holds at height {} under {id}@{version}, {origin}{beats}", proven.height)
            }
        })
    }
}

/// No answer is no permission and no lock: 0 and 1 are for answers alone. A question that cannot be asked is wrong usage.
fn unanswered(status: &Status) -> Fault {
    let fault = Fault::refused(status);
    let reason = status.get_details_error_info().map(|info| info.reason);
    let asked_wrongly = [Reason::NotLockable, Reason::StatusUnknown, Reason::FieldInvalid];
    let usage = reason.is_some_and(|reason| asked_wrongly.iter().any(|wrong| wrong.name() == reason));
    fault.with_code(if usage { 2 } else { 3 })
}

fn lock_text(lock: &v1::Lock) -> String {
    format!("{} since {}, held by report {}", lock.code, instant_or_none(lock.since_ms), hex(&lock.cause))
}

fn lock_json(lock: &v1::Lock) -> Value {
    json!({ "code": lock.code, "effect": hex(&lock.effect_id), "report": hex(&lock.cause), "since_ms": lock.since_ms,
            "basis": lock.basis })
}

fn source_text(source: &v1::ClearanceSource) -> String {
    let state = source.state().as_str_name().trim_start_matches("SOURCE_STATE_").to_ascii_lowercase();
    format!("{} {state}", source.authority)
}

fn source_json(source: &v1::ClearanceSource) -> Value {
    let labels = source.labels.clone().unwrap_or_default();
    json!({ "authority": source.authority, "name": { "de": labels.de, "en": labels.en }, "node": source.node,
            "roles": source.roles, "takes_part": source.takes_part, "state": source.state().as_str_name(),
            "beat_age_ms": source.beat_age_ms, "pending_ms": source.pending_ms, "beat": hex(&source.beat) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::status::Failure;

    #[test]
    fn whoever_gets_no_answer_is_neither_told_that_a_lock_stands_nor_that_none_does() {
        let refused = |reason| Status::from(Failure::new(reason));
        for (status, code) in [
            (Status::cancelled("Timeout expired"), 3),
            (Status::unknown("transport error"), 3),
            (Status::internal("h2 protocol error"), 3),
            (refused(Reason::NotInSync), 3),
            (refused(Reason::QuotaExceeded), 3),
            (refused(Reason::CaseNotFound), 3),
            (refused(Reason::NotLockable), 2),
            (refused(Reason::StatusUnknown), 2),
        ] {
            assert_eq!(unanswered(&status).code(), code, "{status}");
        }
    }
}
