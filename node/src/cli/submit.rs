//! `laufzettel submit`: reports one status through the node's service key.
//! A repeat under the same --id counts once.

mod advice;
mod second;

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use laufzettel_proto::v1;
use serde_json::json;
use tonic_types::StatusExt as _;

use super::client::Target;
use super::fault::Fault;
use super::output::Output;
use super::words::{case_id, case_text, day, hex, instant_text, random_id, today, uuid, when};

/// When the command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Wait {
    /// Once the mempool has taken it.
    Accepted,
    /// Once it is final.
    Final,
}

impl Wait {
    pub(super) fn policy(self) -> v1::WaitPolicy {
        match self {
            Self::Accepted => v1::WaitPolicy::Accepted,
            Self::Final => v1::WaitPolicy::Final,
        }
    }
}

/// Arguments of `submit`.
#[derive(Debug, Args)]
pub(super) struct Submit {
    /// Status code.
    #[arg(long)]
    status: String,
    /// The case [default with --open: a new random id].
    #[arg(long)]
    case: Option<String>,
    /// When it happened: a day (2026-11-23) or an instant (2026-11-23T10:00:00Z), as the status asks [default: today in Germany].
    #[arg(long)]
    occurred: Option<String>,
    /// Open the case first, under this definition and version.
    #[arg(long, value_name = "DEFINITION@VERSION")]
    open: Option<String>,
    /// Day from which it has effect.
    #[arg(long)]
    effective: Option<String>,
    /// Outcome code.
    #[arg(long, default_value = "")]
    outcome: String,
    /// Number of the proceeding; 0 = by order.
    #[arg(long, default_value_t = 0)]
    proceeding: u32,
    /// An attribute; a value is a day, true or false, a whole number, authority:ID, or else a code.
    #[arg(long = "attribute", value_name = "NAME=VALUE")]
    attributes: Vec<String>,
    /// A second person overrides what blocks the report, for this reason: a code that the guard allows.
    #[arg(long = "override", value_name = "REASON", requires = "second_key")]
    over: Option<String>,
    /// The second person's private key (PEM): signs here, and is not sent.
    #[arg(long, value_name = "FILE", requires = "over")]
    second_key: Option<PathBuf>,
    /// Transaction id, a UUID; give it again when repeating [default: random].
    #[arg(long)]
    id: Option<String>,
    /// When to end.
    #[arg(long, value_enum, default_value_t = Wait::Final)]
    wait: Wait,
}

fn attribute(text: &str) -> Result<v1::Attribute, Fault> {
    use v1::attribute::Value;
    let (name, value) =
        text.split_once('=').ok_or_else(|| Fault::usage(format!("--attribute {text:?}: expected NAME=VALUE")))?;
    let value = if let Some(day) = (value.len() == 10).then(|| day(value)).flatten() {
        Value::Date(day)
    } else if let Ok(bool) = value.parse() {
        Value::Bool(bool)
    } else if let Ok(integer) = value.parse() {
        Value::Integer(integer)
    } else if let Some(authority) = value.strip_prefix("authority:") {
        Value::Authority(authority.into())
    } else if laufzettel_contracts::Code::new(value).is_ok() {
        Value::Code(value.into())
    } else {
        let form = "a code has small letters, digits and _";
        return Err(Fault::usage(format!(
            "--attribute {text:?}: {value:?} is no code, day, number, true or false: {form}; an authority is written \
             authority:{value}"
        )));
    };
    Ok(v1::Attribute { name: name.into(), value: Some(value) })
}

fn definition(text: &str) -> Result<v1::OpenCase, Fault> {
    let parts = text.split_once('@').and_then(|(id, version)| Some((id, version.parse().ok()?)));
    let (definition, definition_version) =
        parts.ok_or_else(|| Fault::usage(format!("--open {text:?}: expected DEFINITION@VERSION, as asyl-de@2")))?;
    Ok(v1::OpenCase { definition: definition.into(), definition_version })
}

impl Submit {
    fn request(&self) -> Result<v1::ReportStatusRequest, Fault> {
        let open = self.open.as_deref().map(definition).transpose()?;
        let case = match (&self.case, &open) {
            (Some(case), _) => case_id(case)?.0,
            (None, Some(_)) => random_id()?,
            (None, None) => return Err(Fault::usage("name the case with --case, or open a new one with --open")),
        };
        Ok(v1::ReportStatusRequest {
            transaction_id: self.id.as_deref().map_or_else(|| random_id().map(Vec::from), uuid)?,
            case_id: case.to_vec(),
            open,
            status: self.status.clone(),
            occurred: Some(self.occurred.as_deref().map_or_else(today, when)?),
            effective: self.effective.as_deref().map(when).transpose()?,
            proceeding: self.proceeding,
            outcome: self.outcome.clone(),
            attributes: self.attributes.iter().map(|text| attribute(text)).collect::<Result<_, _>>()?,
            wait: self.wait.policy().into(),
            ..v1::ReportStatusRequest::default()
        })
    }

    pub(super) async fn run(&self, target: &Target, output: &Output) -> Result<(), Fault> {
        let request = self.request()?;
        let (case, id) = (request.case_id.clone(), request.transaction_id.clone());
        let mut client = target.submission().await?;
        let request = match (&self.over, &self.second_key) {
            (Some(reason), Some(key)) => second::sign(&mut client, request, reason, key).await?,
            _ => request,
        };
        say_ids(&case, &id, output);
        let answer = match client.report_status(target.call(request.clone())).await {
            Ok(answer) => answer.into_inner(),
            Err(status) => {
                let reason = status.get_details_error_info().map(|info| info.reason).unwrap_or_default();
                let fault = Fault::submitted(&status, &hex(&id));
                return Err(advised(fault, target, &request, (&reason, &[])).await);
            }
        };
        let outcome = answer.outcome.unwrap_or_default();
        if let Err(fault) = print(&case, &id, &outcome, output) {
            let refused = outcome.receipts.iter().find(|receipt| !receipt.applied);
            let (reason, cause) = refused.map(|one| (one.reason.as_str(), one.cause.as_slice())).unwrap_or_default();
            return Err(advised(fault, target, &request, (reason, cause)).await);
        }
        settled(&outcome, (self.wait, &id), target).await
    }
}

/// A refusal, with what the process and the case say about it.
async fn advised(fault: Fault, target: &Target, request: &v1::ReportStatusRequest, refused: (&str, &[u8])) -> Fault {
    if request.second_person.is_some() && fault.message().contains("signatures: ") {
        return fault.and("where the second key is one that signs already: that is the same person");
    }
    match advice::of(target, request, refused).await {
        Some(advice) if fault.code() == 1 => fault.and(&advice),
        _ => fault,
    }
}

/// Says before it is sent what is sent: who loses the answer can ask for it.
pub(super) fn say_ids(case: &[u8], id: &[u8], output: &Output) {
    output.note(&format!("case {}, transaction {}", case_text(case), hex(id)));
}

/// Whoever waited for the end and did not see it is told so, and most of all where others have to know at once.
pub(super) async fn settled(outcome: &v1::Outcome, (wait, id): (Wait, &[u8]), target: &Target) -> Result<(), Fault> {
    if wait != Wait::Final || outcome.state() == v1::TransactionState::Final {
        return Ok(());
    }
    let health = match target.ledger().await {
        Ok(mut ledger) => ledger.get_health(target.call(v1::GetHealthRequest {})).await.ok(),
        Err(_) => None,
    };
    let alarms = health.map(|answer| answer.into_inner().alarms).unwrap_or_default();
    let text = if alarms.iter().any(|alarm| alarm.transaction_id == id) {
        "URGENT, AND NOT FINAL: no other authority knows of it. Phone those who may act before they know"
    } else {
        "not final: no other authority knows of it yet. If it may stop an act, phone those who may act"
    };
    Err(Fault::unreachable(text).uncertain(&hex(id)))
}

/// Prints what became of a transaction on a case, and judges it.
pub(super) fn print(case: &[u8], id: &[u8], outcome: &v1::Outcome, output: &Output) -> Result<(), Fault> {
    let (case, id) = (case_text(case), hex(id));
    let receipts: Vec<_> = outcome
        .receipts
        .iter()
        .map(|receipt| {
            json!({ "item": hex(&receipt.item_digest), "applied": receipt.applied, "reason": receipt.reason,
                    "deviation": receipt.deviation, "case_revision": receipt.case_revision,
                    "despite_lock": receipt.despite_lock, "overridden": receipt.overridden, "cause": hex(&receipt.cause) })
        })
        .collect();
    let mut rows = vec![("case", case.clone()), ("transaction", id.clone())];
    let state = outcome.state();
    rows.push(("state", state.as_str_name().trim_start_matches("TRANSACTION_STATE_").to_lowercase()));
    if state == v1::TransactionState::Final {
        let time = instant_text(outcome.block_time_ms);
        rows.push(("block", format!("height {}, place {}, {time}", outcome.height, outcome.index)));
    }
    if outcome.receipts.iter().any(|receipt| receipt.deviation) {
        rows.push(("deviation", "recorded outside the defined order, or lacking something".into()));
    }
    if outcome.receipts.iter().any(|receipt| receipt.overridden) {
        rows.push(("overridden", "recorded although a guard blocks it: a second person signed for it".into()));
    }
    if outcome.receipts.iter().any(|receipt| receipt.despite_lock) {
        rows.push(("despite lock", "recorded although a lock stands against it; all concerned are alarmed".into()));
    }
    let value = json!({ "case": case, "transaction_id": id, "state": state.as_str_name(), "height": outcome.height,
                        "index": outcome.index, "block_time_ms": outcome.block_time_ms, "receipts": receipts });
    output.record(&rows, &value);
    judge(outcome, &id)
}

/// The command succeeds only if every item was applied, or nothing is final yet and nobody waited for it.
pub(super) fn judge(outcome: &v1::Outcome, id: &str) -> Result<(), Fault> {
    if let Some(refused) = outcome.receipts.iter().find(|receipt| !receipt.applied) {
        let entry = crate::api::reasons::Reason::of_name(&refused.reason).map(crate::api::reasons::Reason::entry);
        let (meaning, remedy) = entry.map_or(("", ""), |entry| (entry.meaning, entry.remedy));
        let cause = match refused.cause.as_slice() {
            [] => String::new(),
            cause => format!("\n  because of: {} (`laufzettel case explain` says why it is there)", hex(cause)),
        };
        return Err(Fault::failed(format!(
            "refused in the block: {}: {meaning}{cause}\n  what to do: {remedy}",
            refused.reason
        )));
    }
    match outcome.state() {
        v1::TransactionState::Expired => Err(Fault::failed(format!("transaction {id} expired; it was not recorded"))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attribute_values_are_told_apart() {
        use v1::attribute::Value;
        for (text, value) in [
            ("a=2026-11-23", Value::Date(20_780)),
            ("a=true", Value::Bool(true)),
            ("a=-3", Value::Integer(-3)),
            ("a=authority:sn-zab", Value::Authority("sn-zab".into())),
            ("a=personal", Value::Code("personal".into())),
        ] {
            assert_eq!(attribute(text).unwrap().value, Some(value), "{text}");
        }
        assert!(attribute("a").is_err());
        let fault = attribute("new_authority=sn-dresden").unwrap_err();
        assert!(fault.code() == 2 && fault.message().contains("authority:sn-dresden"), "{}", fault.message());
    }
}
