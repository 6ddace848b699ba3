//! `laufzettel case explain`: why each deadline, task, notice, lock and marker of a case is there.

use clap::{Args, ValueEnum};
use laufzettel_proto::v1;
use serde_json::{Value, json};

use super::effects::{instant_or_none, kind_text};
use crate::cli::client::Target;
use crate::cli::fault::Fault;
use crate::cli::output::Output;
use crate::cli::words::{case_id, case_text, effect_id, hex, when_text};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Words {
    De,
    En,
}

/// Arguments of `case explain`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Explain {
    /// The case.
    case: String,
    /// The one to explain: its effect id, or its code in the definition [default: all].
    what: Option<String>,
    /// Language of names and derivations; JSON has both.
    #[arg(long, value_enum, default_value_t = Words::De)]
    language: Words,
}

impl Explain {
    pub(super) async fn run(&self, target: &Target, output: &Output) -> Result<(), Fault> {
        let case = case_id(&self.case)?;
        let effect_id = self.what.as_deref().and_then(|text| effect_id(text).ok());
        let by_code = self.what.as_deref().filter(|_| effect_id.is_none());
        let request = v1::ExplainCaseRequest {
            case_id: case.0.to_vec(),
            effect_id: effect_id.map(|id| id.to_vec()).unwrap_or_default(),
            min_height: 0,
        };
        let answer = target.processes().await?.explain_case(request).await;
        let mut answer = answer.map_err(|status| Fault::refused(&status))?.into_inner();
        if let Some(code) = by_code {
            answer.explanations.retain(|explanation| explanation.code == code);
            if answer.explanations.is_empty() {
                let case = case_text(&case.0);
                return Err(Fault::failed(format!(
                    "case {case} has nothing called {code:?} that you may see; `laufzettel case explain` without a name \
                     shows all"
                )));
            }
        }
        let json: Vec<Value> = answer.explanations.iter().map(explanation_json).collect();
        let head = json!({ "case": case_text(&case.0), "definition": answer.definition,
                           "version": answer.definition_version, "as_of_ms": answer.as_of_ms, "more": answer.more, "explanations": json });
        let rows = [
            ("case", case_text(&case.0)),
            ("process", format!("{} version {}", answer.definition, answer.definition_version)),
            ("as of", instant_or_none(answer.as_of_ms)),
        ];
        output.record(&rows, &head);
        if answer.explanations.is_empty() {
            output.say("no rule has made anything of what is reported");
        }
        if answer.more {
            output.say("there are more; name one by its effect id");
        }
        for explanation in &answer.explanations {
            output.say("");
            for line in self.lines(explanation) {
                output.say(&line);
            }
        }
        Ok(())
    }

    fn word<'l>(&self, labels: Option<&'l v1::Labels>) -> &'l str {
        let Some(labels) = labels else { return "" };
        match self.language {
            Words::De => &labels.de,
            Words::En => &labels.en,
        }
    }

    fn either(&self, de: &'static str, en: &'static str) -> &'static str {
        match self.language {
            Words::De => de,
            Words::En => en,
        }
    }

    /// What kind of effect, in the language that was asked for.
    fn kind(&self, kind: v1::EffectKind) -> String {
        let en = kind_text(kind);
        let de = match kind {
            v1::EffectKind::Deadline => "Frist",
            v1::EffectKind::Task => "Aufgabe",
            v1::EffectKind::Notice => "Mitteilung",
            v1::EffectKind::Lock => "Sperre",
            v1::EffectKind::Marker => "Merkmal",
            v1::EffectKind::Unspecified => "",
        };
        if self.language == Words::De && !de.is_empty() { de.to_owned() } else { en }
    }

    /// What made a rule run or ended something, and by which report.
    fn because(&self, reason: &v1::Reason) -> String {
        let trigger = self.word(reason.trigger_labels.as_ref());
        let when = when_text(reason.occurred.as_ref());
        let report = self.either("Meldung", "report");
        let from = match (reason.slot.is_empty(), reason.authority.as_str()) {
            (true, _) => String::new(),
            (false, _) if reason.withheld => {
                format!(
                    ", {report} {} ({})",
                    hex(&reason.slot),
                    self.either("nicht für diesen Leser", "not for this reader")
                )
            }
            (false, "") => {
                let gone = self.either("gilt nicht mehr", "not in force any more");
                format!(", {report} {} ({gone})", hex(&reason.slot))
            }
            (false, authority) => {
                let by = self.either("von", "by");
                format!(", {when} {by} {authority}, {report} {}", hex(&reason.slot))
            }
        };
        format!("{trigger}{from}")
    }

    fn lines(&self, explanation: &v1::Explanation) -> Vec<String> {
        let kind = self.kind(explanation.kind());
        let (name, state) = (self.word(explanation.labels.as_ref()), self.word(explanation.state.as_ref()));
        let mut lines = vec![format!("{kind} {}: {name}, {state}", explanation.code)];
        let mut line = |name: &str, value: &str| {
            if !value.is_empty() {
                lines.push(format!("  {name:<12} {value}"));
            }
        };
        line(self.either("Kennung", "effect"), &hex(&explanation.effect_id));
        line(self.either("seit", "since"), &instant_or_none(explanation.since_ms));
        line(self.either("weggefallen", "withdrawn"), &instant_or_none(explanation.withdrawn_ms));
        line(self.either("Grundlage", "basis"), &explanation.basis);
        for reason in &explanation.reasons {
            let why = self.word(reason.labels.as_ref());
            let basis = if reason.basis.is_empty() { String::new() } else { format!(" ({})", reason.basis) };
            line(self.either("Regel", "rule"), &format!("{}: {why}{basis}", reason.rule));
            line(self.either("wegen", "because"), &self.because(reason));
        }
        if let Some(reason) = &explanation.ended_by {
            line(self.either("beendet", "ended"), &self.because(reason));
        }
        for sentence in &explanation.derivation {
            line(self.either("Herleitung", "derived"), self.word(Some(sentence)));
        }
        lines
    }
}

fn explanation_json(explanation: &v1::Explanation) -> Value {
    let words = |labels: Option<&v1::Labels>| labels.map(|labels| json!({ "de": labels.de, "en": labels.en }));
    let reason = |reason: &v1::Reason| {
        json!({ "rule": reason.rule, "labels": words(reason.labels.as_ref()), "basis": reason.basis,
                "trigger": reason.trigger, "trigger_labels": words(reason.trigger_labels.as_ref()),
                "report": hex(&reason.slot), "occurred": when_text(reason.occurred.as_ref()),
                "authority": reason.authority, "effect": hex(&reason.effect_id), "withheld": reason.withheld })
    };
    json!({
        "effect": hex(&explanation.effect_id), "kind": kind_text(explanation.kind()), "code": explanation.code,
        "labels": words(explanation.labels.as_ref()), "basis": explanation.basis,
        "state": words(explanation.state.as_ref()), "since_ms": explanation.since_ms,
        "withdrawn_ms": explanation.withdrawn_ms, "ended_by": explanation.ended_by.as_ref().map(reason),
        "reasons": explanation.reasons.iter().map(reason).collect::<Vec<_>>(),
        "derivation": explanation.derivation.iter().map(|sentence| words(Some(sentence))).collect::<Vec<_>>(),
    })
}
