//! ProcessService: which definitions are in force, and why a case stands as it does.

use std::sync::Arc;

use laufzettel_chain::ledger::Tip;
use laufzettel_chain::proposal::ProposalKind;
use laufzettel_chain::query;
use laufzettel_contracts::effect::EffectId;
use laufzettel_contracts::{Definition, Language};
use laufzettel_proto::v1;
use tonic::{Request, Response, Status};

use super::backend::Backend;
use super::callers::Caller;
use super::convert;
use super::effects::{self, Reader};
use super::reasons::Reason;
use super::status::Failure;
use super::subject::Subject;

/// Explanations of one answer. What is urgent comes first.
const EXPLANATIONS_MAX: usize = 500;

pub(super) struct Processes {
    backend: Arc<Backend>,
}

type Answer<T> = Result<Response<T>, Status>;

impl Processes {
    pub(super) fn new(backend: Arc<Backend>) -> Self {
        Self { backend }
    }
}

fn summary(definition: &Definition, tip: &Tip) -> v1::DefinitionSummary {
    let (register, next) = (&tip.registry.register, tip.next_height());
    let adopted = register.adopted.iter().find(|adopted| {
        (adopted.kind, adopted.id.as_str(), adopted.version)
            == (ProposalKind::Definition, definition.id(), definition.version())
    });
    let superseded = register.in_force(definition.id(), next).is_some_and(|newest| definition.version() < newest);
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    v1::DefinitionSummary {
        id: definition.id().into(),
        version: definition.version(),
        language: definition.language(),
        labels: Some(v1::Labels {
            de: definition.label(Language::German).into(),
            en: definition.label(Language::English).into(),
        }),
        statuses: count(definition.statuses().len()),
        rules: count(definition.rules().rules.len()),
        effective_height: adopted.map_or(0, |adopted| adopted.effective),
        superseded,
    }
}

#[tonic::async_trait]
impl v1::process_service_server::ProcessService for Processes {
    async fn list_definitions(
        &self,
        request: Request<v1::ListDefinitionsRequest>,
    ) -> Answer<v1::ListDefinitionsResponse> {
        Caller::of(&request)?;
        let (definitions, position) = self.backend.read(|_, tip| {
            let definitions = tip.registry.definitions.values();
            Ok(definitions.map(|definition| summary(definition, tip)).collect())
        })?;
        Ok(Response::new(v1::ListDefinitionsResponse { definitions, position: Some(position) }))
    }

    async fn get_definition(&self, request: Request<v1::GetDefinitionRequest>) -> Answer<v1::GetDefinitionResponse> {
        Caller::of(&request)?;
        let request = request.into_inner();
        let unknown = || Failure::new(Reason::DefinitionNotFound).and("definition", &request.id);
        let ((summary, text), position) = self.backend.read(|read, tip| {
            let next = tip.next_height();
            let mut fitting = tip.registry.definitions.iter().filter(|((id, version), _)| {
                let asked = match request.version {
                    0 => !tip.registry.register.is_ahead(id, *version, next),
                    asked => *version == asked,
                };
                *id == request.id && asked
            });
            let ((id, version), definition) = fitting.next_back().ok_or_else(unknown)?;
            let text = query::definition_text(read, id, *version)?.ok_or_else(unknown)?;
            Ok((summary(definition, tip), text))
        })?;
        Ok(Response::new(v1::GetDefinitionResponse { summary: Some(summary), text, position: Some(position) }))
    }

    async fn explain_case(&self, request: Request<v1::ExplainCaseRequest>) -> Answer<v1::ExplainCaseResponse> {
        let (caller, until) = (Caller::of(&request)?, convert::deadline(request.metadata()));
        let request = request.into_inner();
        let id = convert::case_id(&request.case_id)?;
        let only = match request.effect_id.as_slice() {
            [] => None,
            bytes => {
                let length = bytes.len();
                let wrong = |_| Failure::field("effect_id", format!("has {length} bytes; 16 are wanted"));
                Some(EffectId(bytes.try_into().map_err(wrong)?))
            }
        };
        if request.min_height > 0 {
            self.backend.reach(request.min_height, until).await?;
        }
        let (mut response, position) = self
            .backend
            .read_long(move |read, tip| {
                let registry = &tip.registry;
                let (reader, unknown) =
                    (Reader::of(registry, caller.authority()), || Failure::new(Reason::CaseNotFound));
                let case = Subject::now(read, registry, &id, tip.header.time_ms)?.ok_or_else(unknown)?;
                let view = case.seen_by(&reader).ok_or_else(unknown)?;
                let mut response = v1::ExplainCaseResponse {
                    definition: case.definition().id().into(),
                    definition_version: case.definition().version(),
                    ..v1::ExplainCaseResponse::default()
                };
                if effects::has_rules(case.definition()) {
                    response.explanations = case.followed.explain(&reader, (&case.fold, &view), only.as_ref());
                    response.more = response.explanations.len() > EXPLANATIONS_MAX;
                    response.explanations.truncate(EXPLANATIONS_MAX);
                    response.as_of_ms = case.followed.case.effects.as_of_ms;
                }
                if only.is_some() && response.explanations.is_empty() {
                    return Err(Failure::new(Reason::EffectNotFound));
                }
                Ok(response)
            })
            .await?;
        response.position = Some(position);
        Ok(Response::new(response))
    }
}
