//! GovernanceService: proposals, what they bring to whom, and who has voted. Reads only: proposals and votes are signed by
//! persons and come as transactions.

use std::collections::BTreeSet;
use std::sync::Arc;

use laufzettel_chain::proposal::ProposalKind;
use laufzettel_chain::query;
use laufzettel_chain::registry::Registry;
use laufzettel_chain::state::governance::{self, Proposal, Standing};
use laufzettel_contracts::diff::{self, Gain, GainKind};
use laufzettel_contracts::{AuthorityId, Calendars, Code, Definition, Finding, Labels, Language};
use laufzettel_proto::v1;
use tonic::{Request, Response, Status};

use super::backend::Backend;
use super::callers::Caller;
use super::convert;
use super::reasons::Reason;
use super::status::Failure;

/// Fewest bytes of a proposal's id that may name it.
const PREFIX_BYTES_MIN: usize = 4;

pub(super) struct Governance {
    backend: Arc<Backend>,
}

type Answer<T> = Result<Response<T>, Status>;

impl Governance {
    pub(super) fn new(backend: Arc<Backend>) -> Self {
        Self { backend }
    }
}

#[tonic::async_trait]
impl v1::governance_service_server::GovernanceService for Governance {
    async fn list_proposals(&self, request: Request<v1::ListProposalsRequest>) -> Answer<v1::ListProposalsResponse> {
        Caller::of(&request)?;
        let only_open = request.into_inner().open;
        let (proposals, position) = self.backend.read(|read, tip| {
            let all = governance::proposals(read)?;
            let shown = all.iter().filter(|one| !only_open || one.standing == Standing::Open);
            Ok(shown.map(|one| message(&tip.registry, one)).collect())
        })?;
        Ok(Response::new(v1::ListProposalsResponse { proposals, position: Some(position) }))
    }

    async fn get_proposal(&self, request: Request<v1::GetProposalRequest>) -> Answer<v1::GetProposalResponse> {
        let (caller, until) = (Caller::of(&request)?, convert::deadline(request.metadata()));
        let request = request.into_inner();
        let id = request.proposal_id;
        if !(PREFIX_BYTES_MIN..=32).contains(&id.len()) {
            return Err(Failure::field("proposal_id", format!("has {} bytes; 4 to 32 are wanted", id.len())).into());
        }
        if request.min_height > 0 {
            self.backend.reach(request.min_height, until).await?;
        }
        let authority = caller.authority().to_owned();
        let (mut answer, position) = self
            .backend
            .read_long(move |read, tip| {
                let mut fitting = governance::proposals(read)?.into_iter().filter(|one| one.item.0.starts_with(&id));
                let (Some(found), None) = (fitting.next(), fitting.next()) else {
                    return Err(Failure::new(Reason::ProposalNotFound));
                };
                let (text, moves) = query::proposal_text(read, &found)?;
                let pair =
                    |(from, to): (&Code, &Code)| v1::StatusMapping { from: from.to_string(), to: to.to_string() };
                let moves = moves.iter().map(pair).collect();
                let gains = match found.kind {
                    ProposalKind::Calendars => Vec::new(),
                    ProposalKind::Definition => match Definition::check(&text) {
                        Ok(checked) => gains(&tip.registry, found.base, &checked.definition).0,
                        Err(_) => Vec::new(),
                    },
                };
                let proposal = Some(message(&tip.registry, &found));
                Ok(v1::GetProposalResponse { proposal, text, gains, authority, position: None, moves })
            })
            .await?;
        answer.position = Some(position);
        Ok(Response::new(answer))
    }

    async fn prepare_proposal(
        &self,
        request: Request<v1::PrepareProposalRequest>,
    ) -> Answer<v1::PrepareProposalResponse> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let authority = caller.authority().to_owned();
        let (mut answer, position) =
            self.backend.read_long(move |_, tip| prepare(&tip.registry, &request, authority)).await?;
        answer.position = Some(position);
        Ok(Response::new(answer))
    }
}

fn findings(all: &[Finding]) -> Failure {
    let first = all.first().map(ToString::to_string).unwrap_or_default();
    Failure::with(Reason::TextRefused, format!("the text has {} findings, first: {first}", all.len()))
}

fn not_newer(id: &str, version: u32, base: u32) -> Failure {
    let message = format!("the network has {id} version {base}, the text says version {version}");
    Failure::with(Reason::VersionNotNewer, message)
}

/// What proposing a text would do, by the registry of the newest block.
fn prepare(
    registry: &Registry,
    request: &v1::PrepareProposalRequest,
    authority: String,
) -> Result<v1::PrepareProposalResponse, Failure> {
    if registry.protocol < 2 {
        let message = "the network is in protocol version 1, in which nothing is changed by vote";
        return Err(Failure::with(Reason::NotInProtocolVersion, message));
    }
    let (id, version, base_version, gains, must_agree) = match request.kind() {
        v1::ProposalKind::Definition => {
            let new = Definition::check(&request.text).map_err(|all| findings(&all))?.definition;
            let base = registry.newest(new.id()).map_or(0, |old| old.version());
            let (gains, must_agree) = gains(registry, base, &new);
            (new.id().to_owned(), new.version(), base, gains, must_agree)
        }
        v1::ProposalKind::Calendars => {
            let new = Calendars::check(&request.text).map_err(|all| findings(&all))?.calendars;
            let first = registry.calendars_since.first().map(|(_, first)| first);
            let first = first.filter(|first| first.id() == new.id()).ok_or_else(|| {
                let known = first.map_or("none", |first| first.id());
                let message = format!("the network counts by the calendars {known}, the text is of {}", new.id());
                Failure::with(Reason::TextRefused, message)
            })?;
            let adopted = registry.register.newest(ProposalKind::Calendars, new.id());
            let base = adopted.unwrap_or(0).max(first.version());
            (new.id().to_owned(), new.version(), base, Vec::new(), BTreeSet::new())
        }
        v1::ProposalKind::Unspecified => return Err(Failure::field("kind", "say what the text is")),
    };
    if version <= base_version {
        return Err(not_newer(&id, version, base_version));
    }
    let must_agree = must_agree.iter().map(ToString::to_string).collect();
    Ok(v1::PrepareProposalResponse { id, version, base_version, gains, must_agree, authority, position: None })
}

/// What roles gain by a definition over a version of it, and who has to agree.
fn gains(registry: &Registry, base: u32, new: &Definition) -> (Vec<v1::Gain>, BTreeSet<AuthorityId>) {
    let old = registry.definition(new.id(), base).map(AsRef::as_ref);
    let gains = diff::gains(old, new);
    let must_agree = diff::must_agree(&gains, &registry.directory);
    (gains.iter().map(|gain| gain_message(registry, new, gain)).collect(), must_agree)
}

fn gain_message(registry: &Registry, new: &Definition, gain: &Gain) -> v1::Gain {
    let (rules, code) = (new.rules(), gain.name.as_str());
    let status = || new.status(code).map(|status| &status.labels);
    let (kind, labels) = match gain.kind {
        GainKind::Task => (v1::GainKind::Task, rules.task(code).map(|found| &found.labels)),
        GainKind::Lock => (v1::GainKind::Lock, rules.lock(code).map(|found| &found.labels)),
        GainKind::Notice => (v1::GainKind::Notice, rules.notice(code).map(|found| &found.labels)),
        GainKind::Status => (v1::GainKind::Status, status()),
        GainKind::Marker => (v1::GainKind::Marker, rules.marker(code).map(|found| &found.labels)),
        GainKind::Deadline => (v1::GainKind::Deadline, rules.deadline(code).map(|found| &found.labels)),
    };
    v1::Gain {
        role: gain.role.to_string(),
        role_labels: new.role(gain.role.as_str()).map(|role| labels_message(&role.labels)),
        kind: kind.into(),
        code: code.to_owned(),
        labels: labels.map(labels_message),
        authorities: registry.directory.holders(&gain.role).map(ToString::to_string).collect(),
    }
}

fn labels_message(labels: &Labels) -> v1::Labels {
    v1::Labels { de: labels.get(Language::German).into(), en: labels.get(Language::English).into() }
}

/// A proposal with all who have a vote.
fn message(registry: &Registry, proposal: &Proposal) -> v1::Proposal {
    let validators = &registry.validators;
    let run = validators.all().iter().map(|validator| validator.authority.as_str());
    let all: BTreeSet<&str> = run.chain(proposal.must_agree.iter().map(AuthorityId::as_str)).collect();
    let voter = |authority: &str| {
        let vote = AuthorityId::new(authority).ok().and_then(|id| proposal.votes.get(&id));
        let choice = match vote {
            None => v1::VoteChoice::Unspecified,
            Some(vote) if vote.yes => v1::VoteChoice::Yes,
            Some(_) => v1::VoteChoice::No,
        };
        v1::Voter {
            authority: authority.to_owned(),
            power: validators.of_authority(authority).map_or(0, |validator| validator.power),
            must_agree: proposal.must_agree.iter().any(|one| one.as_str() == authority),
            choice: choice.into(),
            height: vote.map_or(0, |vote| vote.height),
        }
    };
    let power = |power: u128| u64::try_from(power).unwrap_or(u64::MAX);
    let kind = match proposal.kind {
        ProposalKind::Definition => v1::ProposalKind::Definition,
        ProposalKind::Calendars => v1::ProposalKind::Calendars,
    };
    let state = match proposal.standing {
        Standing::Open => v1::ProposalState::Open,
        Standing::Adopted => v1::ProposalState::Adopted,
        Standing::Rejected => v1::ProposalState::Rejected,
        Standing::Expired => v1::ProposalState::Expired,
        Standing::Superseded => v1::ProposalState::Superseded,
    };
    v1::Proposal {
        proposal_id: proposal.item.0.to_vec(),
        kind: kind.into(),
        id: proposal.id.clone(),
        version: proposal.version,
        base_version: proposal.base,
        proposer: proposal.proposer.to_string(),
        proposed_height: proposal.place.height,
        expires_ms: proposal.expires_ms,
        effective_height: proposal.effective_height,
        state: state.into(),
        changed_height: proposal.changed,
        voters: all.into_iter().map(voter).collect(),
        power_yes: power(proposal.power(validators, true)),
        power_no: power(proposal.power(validators, false)),
        power_all: power(validators.power()),
        moves_cases: proposal.moves,
    }
}
