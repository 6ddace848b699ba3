//! CaseService: single cases, lists, counts, events and proofs.

mod list;
mod past;
mod views;

use std::pin::Pin;
use std::sync::Arc;

use laufzettel_chain::ids::{CaseId, Height};
use laufzettel_chain::ledger::Tip;
use laufzettel_chain::proof;
use laufzettel_chain::registry::Registry;
use laufzettel_chain::state::fields::FIELDS;
use laufzettel_chain::storage::Read;
use laufzettel_contracts::Position;
use laufzettel_proto::v1;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::backend::Backend;
use super::callers::Caller;
use super::clearance;
use super::convert;
use super::effects::{self, Reader};
use super::feed::{self, EventFeed};
use super::paging;
use super::reasons::Reason;
use super::status::Failure;
use super::submission::Submissions;
use views::Views;

pub(super) struct Cases {
    backend: Arc<Backend>,
    submissions: Submissions,
    stop: CancellationToken,
    views: Views,
}

type Answer<T> = Result<Response<T>, Status>;

impl Cases {
    pub(super) fn new(backend: Arc<Backend>, submissions: Submissions, stop: CancellationToken) -> Self {
        Self { backend, submissions, stop, views: Views::default() }
    }

    /// A case as it stands at a height; the newest is kept for the next who asks.
    fn view(&self, read: &dyn Read, tip: &Tip, id: &CaseId, height: Height) -> Result<Option<v1::Case>, Failure> {
        if height != tip.header.height {
            return list::view(&tip.registry, read, id, height);
        }
        let Some((revision, version)) = laufzettel_chain::query::case_revision(read, id)? else { return Ok(None) };
        if let Some(view) = self.views.get(id, revision).filter(|view| view.definition_version == version) {
            return Ok(Some(view));
        }
        let view = list::view(&tip.registry, read, id, height)?;
        if let Some(view) = &view {
            self.views.put(*id, view);
        }
        Ok(view)
    }

    /// Adds what follows from the case, as of its block time or of the instant asked for.
    fn follow(
        (read, registry): (&dyn Read, &Registry),
        view: &mut v1::Case,
        (caller, id): (&Caller, &CaseId),
        (time_ms, as_of_ms): (u64, u64),
    ) -> Result<(), Failure> {
        // First what costs nothing: most cases of most networks have no rules.
        if !registry
            .definition(&view.definition, view.definition_version)
            .is_some_and(|found| effects::has_rules(found))
        {
            return Ok(());
        }
        let as_of_ms = if as_of_ms == 0 { time_ms } else { as_of_ms };
        if let Some(followed) = effects::follow(read, registry, id, as_of_ms)? {
            followed.fill(&Reader::of(registry, caller.authority()), view);
        }
        Ok(())
    }

    /// Waits for `min_height`; the height to read at, 0 for the newest.
    async fn read_at(&self, read_at: Option<v1::ReadAt>, until: Instant) -> Result<Height, Failure> {
        let read_at = read_at.unwrap_or_default();
        if read_at.min_height > 0 {
            self.backend.reach(read_at.min_height, until).await?;
        }
        Ok(read_at.height)
    }
}

/// The height to answer at.
fn height_of(asked: Height, tip: &Tip) -> Result<Height, Failure> {
    match asked {
        0 => Ok(tip.header.height),
        asked if asked > tip.header.height => Err(Failure::new(Reason::HeightAhead).and("height", tip.header.height)),
        asked => Ok(asked),
    }
}

/// Where the answer comes from when it is about an earlier height.
fn position_at(position: v1::Position, height: Height, read: &dyn Read) -> Result<v1::Position, Failure> {
    if height == position.height {
        return Ok(position);
    }
    let header = laufzettel_chain::query::bare_header(read, height)?.ok_or_else(|| Failure::new(Reason::Pruned))?;
    let aged = position.block_time_ms.saturating_sub(header.time_ms);
    let staleness_ms = position.staleness_ms.saturating_add(aged);
    Ok(v1::Position { height, block_time_ms: header.time_ms, staleness_ms })
}

/// Proof of fields at the newest block.
fn prove(backend: &Backend, read: &dyn Read, tip: &Tip, case: &CaseId, fields: &[usize]) -> Result<v1::Proof, Failure> {
    let certificate = tip.certificate.clone().ok_or_else(|| Failure::new(Reason::ProofUnavailable))?;
    let proof = proof::prove(read, tip.header.clone(), certificate, case, fields)?;
    Ok(convert::proof(&proof, &backend.genesis().registry.validators))
}

/// The fields to open; all if none is named.
fn fields(asked: &[u32]) -> Result<Vec<usize>, Failure> {
    if asked.is_empty() {
        return Ok((0..FIELDS).collect());
    }
    let fields: Vec<usize> = asked.iter().map(|field| usize::try_from(*field).unwrap_or(FIELDS)).collect();
    let ascending = fields.windows(2).all(|pair| matches!(pair, [a, b] if a < b));
    if !ascending || fields.iter().any(|field| *field >= FIELDS) {
        return Err(Failure::field("fields", "must be numbers from 0 to 31, ascending"));
    }
    Ok(fields)
}

/// The case of a request that may leave it out.
fn optional_case(bytes: &[u8]) -> Result<Option<CaseId>, Failure> {
    if bytes.is_empty() { Ok(None) } else { convert::case_id(bytes).map(Some) }
}

#[tonic::async_trait]
impl v1::case_service_server::CaseService for Cases {
    async fn get_case(&self, request: Request<v1::GetCaseRequest>) -> Answer<v1::GetCaseResponse> {
        let caller = Caller::of(&request)?;
        let until = convert::deadline(request.metadata());
        let request = request.into_inner();
        let id = convert::case_id(&request.case_id)?;
        let past = past::Asked::of(&request)?;
        let asked = self.read_at(request.read_at, until).await?;
        if request.include_proof && !past.is_provable() {
            return Err(Failure::new(Reason::ProofUnavailable).into());
        }
        if past.is_past() && !request.include_proof {
            let (backend, authority) = (self.backend.clone(), caller.authority().to_owned());
            let read =
                self.backend.read_long(move |read, tip| past::view(&backend, read, tip, (&id, &authority), &past));
            let ((view, position), _) = read.await?;
            return Ok(Response::new(v1::GetCaseResponse { view: Some(view), proof: None, position: Some(position) }));
        }
        let ((view, proof, position), _) = self.backend.read(|read, tip| {
            let height = height_of(asked, tip)?;
            let mut view = self.view(read, tip, &id, height)?.ok_or_else(|| Failure::new(Reason::CaseNotFound))?;
            let position = position_at(self.backend.position(tip), height, read)?;
            let instants = (position.block_time_ms, request.effects_as_of_ms);
            Self::follow((read, &tip.registry), &mut view, (&caller, &id), instants)?;
            let proof = if request.include_proof {
                if height != tip.header.height {
                    return Err(Failure::new(Reason::ProofUnavailable));
                }
                Some(prove(&self.backend, read, tip, &id, &fields(&[])?)?)
            } else {
                None
            };
            Ok((view, proof, position))
        })?;
        Ok(Response::new(v1::GetCaseResponse { view: Some(view), proof, position: Some(position) }))
    }

    async fn list_cases(&self, request: Request<v1::ListCasesRequest>) -> Answer<v1::ListCasesResponse> {
        Caller::of(&request)?;
        let until = convert::deadline(request.metadata());
        let request = request.into_inner();
        let (filter, size) = (request.filter.unwrap_or_default(), paging::size(request.page_size)?);
        let token = match request.page_token.as_str() {
            "" => None,
            text => Some(paging::Token::read(text, &filter)?),
        };
        let asked = match token {
            Some(token) => token.height,
            None => self.read_at(request.read_at, until).await?,
        };
        let backend = self.backend.clone();
        let (response, _) = self
            .backend
            .read_long(move |read, tip| {
                let height = height_of(asked, tip)?;
                let after = token.map(|token| token.after);
                let (cases, next) = list::page(&tip.registry, read, &filter, height, after, size)?;
                let next = next.map(|after| paging::Token { height, after }.write(&filter));
                let position = position_at(backend.position(tip), height, read)?;
                let next_page_token = next.unwrap_or_default();
                Ok(v1::ListCasesResponse { cases, next_page_token, position: Some(position) })
            })
            .await?;
        Ok(Response::new(response))
    }

    async fn count_cases(&self, request: Request<v1::CountCasesRequest>) -> Answer<v1::CountCasesResponse> {
        Caller::of(&request)?;
        let until = convert::deadline(request.metadata());
        let request = request.into_inner();
        let asked = self.read_at(request.read_at, until).await?;
        let backend = self.backend.clone();
        let (response, _) = self
            .backend
            .read_long(move |read, tip| {
                let height = height_of(asked, tip)?;
                let filter = request.filter.clone().unwrap_or_default();
                let counts = list::count(&tip.registry, read, &filter, request.grouping(), height)?;
                let position = position_at(backend.position(tip), height, read)?;
                let counts = counts.into_iter().map(|(key, count)| v1::CaseCount { key, count }).collect();
                Ok(v1::CountCasesResponse { counts, position: Some(position) })
            })
            .await?;
        Ok(Response::new(response))
    }

    async fn list_events(&self, request: Request<v1::ListEventsRequest>) -> Answer<v1::ListEventsResponse> {
        Caller::of(&request)?;
        let until = convert::deadline(request.metadata());
        let request = request.into_inner();
        let (case, size) = (optional_case(&request.case_id)?, paging::size(request.page_size)?);
        let after = match request.after_cursor.as_str() {
            "" => Position::default(),
            text => convert::position_of(text)?,
        };
        self.read_at(request.read_at, until).await?;
        let (mut events, position) = self
            .backend
            .read_long(move |read, _| feed::events_after(read, case, &after, size.saturating_add(1)))
            .await?;
        let more = events.len() > size;
        events.truncate(size);
        let next = events.last().map_or(after, |(place, _)| *place);
        let events = events.into_iter().filter_map(|(_, event)| event).collect();
        let (next_cursor, position) = (convert::cursor(&next), Some(position));
        Ok(Response::new(v1::ListEventsResponse { events, next_cursor, more, position }))
    }

    type WatchEventsStream = Pin<Box<ReceiverStream<Result<v1::WatchEventsResponse, Status>>>>;

    async fn watch_events(&self, request: Request<v1::WatchEventsRequest>) -> Answer<Self::WatchEventsStream> {
        use v1::watch_events_request::Start;
        Caller::of(&request)?;
        let request = request.into_inner();
        let newest = self.backend.subscribe().borrow().header.height;
        let after = match &request.start {
            Some(Start::AfterCursor(cursor)) => convert::position_of(cursor)?,
            Some(Start::FromBeginning(true)) => Position::default(),
            Some(Start::FromNow(true)) => convert::end_of(newest),
            _ => return Err(Failure::field("start", "name one of after_cursor, from_beginning, from_now").into()),
        };
        let checkpoint = feed::checkpoint_interval(request.checkpoint_interval_ms);
        let case = optional_case(&request.case_id)?;
        let feed = EventFeed { backend: self.backend.clone(), stop: self.stop.clone(), case, after, checkpoint };
        Ok(Response::new(Box::pin(feed.start())))
    }

    async fn check_clearance(&self, request: Request<v1::CheckClearanceRequest>) -> Answer<v1::CheckClearanceResponse> {
        let (caller, until) = (Caller::of(&request)?, convert::deadline(request.metadata()));
        let asked = (request.into_inner(), until);
        let answer = clearance::check(&self.backend, &self.submissions, &caller, asked).await?;
        Ok(Response::new(answer))
    }

    async fn get_proof(&self, request: Request<v1::GetProofRequest>) -> Answer<v1::GetProofResponse> {
        Caller::of(&request)?;
        let until = convert::deadline(request.metadata());
        let request = request.into_inner();
        let (id, fields) = (convert::case_id(&request.case_id)?, fields(&request.fields)?);
        let asked = self.read_at(request.read_at, until).await?;
        let (proof, position) = self.backend.read(|read, tip| {
            if height_of(asked, tip)? != tip.header.height {
                return Err(Failure::new(Reason::ProofUnavailable));
            }
            prove(&self.backend, read, tip, &id, &fields)
        })?;
        Ok(Response::new(v1::GetProofResponse { proof: Some(proof), position: Some(position) }))
    }
}
