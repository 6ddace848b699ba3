//! CaseService: single cases, lists, counts, events and proofs, each as the caller's authority sees it.

mod list;
mod past;
mod views;

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;

use laufzettel_chain::ids::{CaseId, Height};
use laufzettel_chain::ledger::Tip;
use laufzettel_chain::proof;
use laufzettel_chain::state::case::CaseRow;
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
use super::events;
use super::feed::{self, EventFeed};
use super::paging;
use super::reasons::Reason;
use super::status::Failure;
use super::subject::Subject;
use super::submission::Submissions;
use views::{Seen, Views};

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

    /// A case as its reader sees it in the newest block, with what follows as of an instant, and the fields that a proof
    /// may open; none if there is no such case for it. Of cases without rules it is kept for the next call.
    fn seen(
        &self,
        (read, tip): (&dyn Read, &Tip),
        (caller, id): (&Caller, &CaseId),
        as_of_ms: u64,
    ) -> Result<Option<Seen>, Failure> {
        let Some(row) = CaseRow::load(read, id)? else { return Ok(None) };
        let key = (*id, caller.shared());
        let keeps = !effects::has_rules(row.definition(&tip.registry, id)?);
        if keeps && let Some(kept) = self.views.get(&key, (row.revision, row.version)) {
            return Ok(Some(kept));
        }
        let reader = Reader::of(&tip.registry, caller.authority());
        let Some(subject) = Subject::now(read, &tip.registry, id, as_of_ms)? else { return Ok(None) };
        let Some(view) = subject.seen_by(&reader) else { return Ok(None) };
        let fields = Arc::new(subject.fields(&view, &subject.whole(&reader, &view)));
        let (height, time_ms) = (tip.header.height, tip.header.time_ms);
        let asking = list::Asking { read, registry: &tip.registry, reader: &reader, height, time_ms };
        let message = list::message_with_effects(&asking, &subject, &view)?;
        if keeps {
            self.views.put((key, (row.revision, row.version)), &message, fields.clone());
        }
        Ok(Some((message, fields)))
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
pub(super) fn position_at(position: v1::Position, height: Height, read: &dyn Read) -> Result<v1::Position, Failure> {
    if height == position.height {
        return Ok(position);
    }
    let header = laufzettel_chain::query::bare_header(read, height)?.ok_or_else(|| Failure::new(Reason::Pruned))?;
    let aged = position.block_time_ms.saturating_sub(header.time_ms);
    let staleness_ms = position.staleness_ms.saturating_add(aged);
    Ok(v1::Position { height, block_time_ms: header.time_ms, staleness_ms })
}

/// Proof of fields at the newest block.
fn prove(read: &dyn Read, tip: &Tip, case: &CaseId, fields: &[usize]) -> Result<v1::Proof, Failure> {
    let certificate = tip.certificate.clone().ok_or_else(|| Failure::new(Reason::ProofUnavailable))?;
    let proof = proof::prove(read, tip.header.clone(), certificate, case, fields)?;
    Ok(convert::proof(&proof, &tip.registry.validators))
}

/// The fields to open: those asked for, or all that may be.
fn fields(asked: &[u32], open: &BTreeSet<usize>) -> Result<Vec<usize>, Failure> {
    if asked.is_empty() {
        return Ok(open.iter().copied().collect());
    }
    let fields: Vec<usize> = asked.iter().map(|field| usize::try_from(*field).unwrap_or(FIELDS)).collect();
    let ascending = fields.windows(2).all(|pair| matches!(pair, [a, b] if a < b));
    if !ascending || fields.iter().any(|field| *field >= FIELDS) {
        return Err(Failure::field("fields", "must be numbers from 0 to 31, ascending"));
    }
    if let Some(closed) = fields.iter().find(|field| !open.contains(field)) {
        return Err(Failure::new(Reason::FieldNotShown).and("field", closed));
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
        let ((view, proof), position) = self.backend.read(|read, tip| {
            let newest = tip.header.height;
            if height_of(asked, tip)? != newest {
                return Err(Failure::new(Reason::ProofUnavailable));
            }
            let as_of_ms = if past.effects_as_of_ms == 0 { tip.header.time_ms } else { past.effects_as_of_ms };
            let seen = self.seen((read, tip), (&caller, &id), as_of_ms)?;
            let (view, open) = seen.ok_or_else(|| Failure::new(Reason::CaseNotFound))?;
            let prove = || prove(read, tip, &id, &fields(&[], &open)?);
            Ok((view, request.include_proof.then(prove).transpose()?))
        })?;
        Ok(Response::new(v1::GetCaseResponse { view: Some(view), proof, position: Some(position) }))
    }

    async fn list_cases(&self, request: Request<v1::ListCasesRequest>) -> Answer<v1::ListCasesResponse> {
        let caller = Caller::of(&request)?;
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
                let position = position_at(backend.position(tip), height, read)?;
                let (registry, time_ms) = (tip.registry.as_ref(), position.block_time_ms);
                let reader = &Reader::of(registry, caller.authority());
                let asking = list::Asking { read, registry, reader, height, time_ms };
                let (cases, next) = list::page(&asking, &filter, after, size)?;
                let next = next.map(|after| paging::Token { height, after }.write(&filter));
                let next_page_token = next.unwrap_or_default();
                Ok(v1::ListCasesResponse { cases, next_page_token, position: Some(position) })
            })
            .await?;
        Ok(Response::new(response))
    }

    async fn count_cases(&self, request: Request<v1::CountCasesRequest>) -> Answer<v1::CountCasesResponse> {
        let caller = Caller::of(&request)?;
        let until = convert::deadline(request.metadata());
        let request = request.into_inner();
        let asked = self.read_at(request.read_at, until).await?;
        let backend = self.backend.clone();
        let (response, _) = self
            .backend
            .read_long(move |read, tip| {
                let height = height_of(asked, tip)?;
                let filter = request.filter.clone().unwrap_or_default();
                let position = position_at(backend.position(tip), height, read)?;
                let (registry, time_ms) = (tip.registry.as_ref(), position.block_time_ms);
                let reader = &Reader::of(registry, caller.authority());
                let asking = list::Asking { read, registry, reader, height, time_ms };
                let counts = list::count(&asking, &filter, request.grouping())?;
                let counts = counts.into_iter().map(|(key, count)| v1::CaseCount { key, count }).collect();
                Ok(v1::CountCasesResponse { counts, position: Some(position) })
            })
            .await?;
        Ok(Response::new(response))
    }

    async fn list_events(&self, request: Request<v1::ListEventsRequest>) -> Answer<v1::ListEventsResponse> {
        let caller = Caller::of(&request)?;
        let until = convert::deadline(request.metadata());
        let request = request.into_inner();
        let (case, size) = (optional_case(&request.case_id)?, paging::size(request.page_size)?);
        let after = match request.after_cursor.as_str() {
            "" => Position::default(),
            text => convert::position_of(text)?,
        };
        self.read_at(request.read_at, until).await?;
        let page =
            self.backend.read_long(move |read, tip| events::page((read, tip), caller.authority(), case, &after, size));
        let (page, position) = page.await?;
        let (next_cursor, position) = (convert::cursor(&page.next), Some(position));
        Ok(Response::new(v1::ListEventsResponse { events: page.events, next_cursor, more: page.more, position }))
    }

    type WatchEventsStream = Pin<Box<ReceiverStream<Result<v1::WatchEventsResponse, Status>>>>;

    async fn watch_events(&self, request: Request<v1::WatchEventsRequest>) -> Answer<Self::WatchEventsStream> {
        use v1::watch_events_request::Start;
        let caller = Caller::of(&request)?;
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
        let (backend, stop, authority) = (self.backend.clone(), self.stop.clone(), caller.shared());
        let feed = EventFeed { backend, stop, authority, case, after, checkpoint };
        Ok(Response::new(Box::pin(feed.start())))
    }

    async fn check_clearance(&self, request: Request<v1::CheckClearanceRequest>) -> Answer<v1::CheckClearanceResponse> {
        let (caller, until) = (Caller::of(&request)?, convert::deadline(request.metadata()));
        let asked = (request.into_inner(), until);
        let answer = clearance::check(&self.backend, &self.submissions, &caller, asked).await?;
        Ok(Response::new(answer))
    }

    async fn get_proof(&self, request: Request<v1::GetProofRequest>) -> Answer<v1::GetProofResponse> {
        let caller = Caller::of(&request)?;
        let until = convert::deadline(request.metadata());
        let request = request.into_inner();
        let id = convert::case_id(&request.case_id)?;
        fields(&request.fields, &(0..FIELDS).collect())?;
        let asked = self.read_at(request.read_at, until).await?;
        let (proof, position) = self.backend.read(|read, tip| {
            if height_of(asked, tip)? != tip.header.height {
                return Err(Failure::new(Reason::ProofUnavailable));
            }
            let open = match self.seen((read, tip), (&caller, &id), tip.header.time_ms)? {
                Some((_, open)) => open,
                // There is nothing to open in a proof of absence; one of presence would open that much.
                None if CaseRow::load(read, &id)?.is_none() => Arc::new((0..FIELDS).collect()),
                None => return Err(Failure::new(Reason::CaseNotFound)),
            };
            prove(read, tip, &id, &fields(&request.fields, &open)?)
        })?;
        Ok(Response::new(v1::GetProofResponse { proof: Some(proof), position: Some(position) }))
    }
}
