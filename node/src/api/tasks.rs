//! TaskService: what the caller's authority has to do and to know, and how it answers. The lists are of the caller's
//! authority alone; no request can name another.

mod inbox;
mod watch;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use laufzettel_chain::query::Inbox;
use laufzettel_proto::v1;
use prost::Message as _;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::author::{self, Order};
use super::backend::Backend;
use super::callers::Caller;
use super::convert;
use super::effects::Reader;
use super::feed::checkpoint_interval;
use super::paging;
use super::status::Failure;
use super::submission::Submissions;
use inbox::{Page, Wanted};
use watch::InboxFeed;

pub(super) struct Tasks {
    backend: Arc<Backend>,
    submissions: Submissions,
    stop: CancellationToken,
}

type Answer<T> = Result<Response<T>, Status>;

impl Tasks {
    pub(super) fn new(backend: Arc<Backend>, submissions: Submissions, stop: CancellationToken) -> Self {
        Self { backend, submissions, stop }
    }

    /// A page of the caller's inbox.
    async fn page<T: Send + 'static>(
        &self,
        caller: &Caller,
        wanted: Wanted,
        (until, min_height): (Instant, u64),
        show: impl Fn(inbox::Found<'_>) -> Option<T> + Send + 'static,
    ) -> Result<(Page<T>, v1::Position), Failure> {
        if min_height > 0 {
            self.backend.reach(min_height, until).await?;
        }
        let authority = caller.authority().to_owned();
        let read = self.backend.read_long(move |read, tip| {
            let registry = tip.registry.as_ref();
            inbox::page(read, registry, &Reader::of(registry, &authority), &wanted, tip.header.time_ms, &show)
        });
        read.await
    }
}

#[tonic::async_trait]
impl v1::task_service_server::TaskService for Tasks {
    async fn list_tasks(&self, request: Request<v1::ListTasksRequest>) -> Answer<v1::ListTasksResponse> {
        let (caller, until) = (Caller::of(&request)?, convert::deadline(request.metadata()));
        let request = request.into_inner();
        let filter = v1::ListTasksRequest { page_size: 0, page_token: String::new(), min_height: 0, ..request.clone() };
        let wanted = Wanted {
            kind: Inbox::Tasks,
            due_until_ms: request.due_until_ms,
            overdue: request.overdue,
            size: paging::size(request.page_size)?,
            filter: filter.encode_to_vec(),
            token: request.page_token,
        };
        let show = |found: inbox::Found<'_>| {
            let case_id = found.case.0.to_vec();
            found.task().map(|task| v1::CaseTask { case_id, task: Some(task) })
        };
        let (page, position) = self.page(&caller, wanted, (until, request.min_height), show).await?;
        let (tasks, next_page_token, position) = (page.entries, page.next, Some(position));
        Ok(Response::new(v1::ListTasksResponse { tasks, next_page_token, position }))
    }

    async fn list_notices(&self, request: Request<v1::ListNoticesRequest>) -> Answer<v1::ListNoticesResponse> {
        let (caller, until) = (Caller::of(&request)?, convert::deadline(request.metadata()));
        let request = request.into_inner();
        let wanted = Wanted {
            kind: Inbox::Notices,
            due_until_ms: 0,
            overdue: false,
            size: paging::size(request.page_size)?,
            filter: vec![u8::from(request.to_acknowledge)],
            token: request.page_token,
        };
        let (to_acknowledge, own) = (request.to_acknowledge, caller.authority().to_owned());
        let registry = self.backend.genesis().clone();
        let show = move |found: inbox::Found<'_>| {
            let case_id = found.case.0.to_vec();
            let notice = found.notice(&Reader::of(&registry.registry, &own))?;
            let shown = !to_acknowledge || notice.to_acknowledge;
            shown.then_some(v1::CaseNotice { case_id, notice: Some(notice) })
        };
        let (page, position) = self.page(&caller, wanted, (until, request.min_height), show).await?;
        let (notices, next_page_token, position) = (page.entries, page.next, Some(position));
        Ok(Response::new(v1::ListNoticesResponse { notices, next_page_token, position }))
    }

    async fn list_deadlines(&self, request: Request<v1::ListDeadlinesRequest>) -> Answer<v1::ListDeadlinesResponse> {
        let (caller, until) = (Caller::of(&request)?, convert::deadline(request.metadata()));
        let request = request.into_inner();
        let filter =
            v1::ListDeadlinesRequest { page_size: 0, page_token: String::new(), min_height: 0, ..request.clone() };
        let wanted = Wanted {
            kind: Inbox::Deadlines,
            due_until_ms: request.due_until_ms,
            overdue: request.overdue,
            size: paging::size(request.page_size)?,
            filter: filter.encode_to_vec(),
            token: request.page_token,
        };
        let show = |found: inbox::Found<'_>| {
            let case_id = found.case.0.to_vec();
            found.deadline().map(|deadline| v1::CaseDeadline { case_id, deadline: Some(deadline) })
        };
        let (page, position) = self.page(&caller, wanted, (until, request.min_height), show).await?;
        let (deadlines, next_page_token, position) = (page.entries, page.next, Some(position));
        Ok(Response::new(v1::ListDeadlinesResponse { deadlines, next_page_token, position }))
    }

    async fn count_inbox(&self, request: Request<v1::CountInboxRequest>) -> Answer<v1::CountInboxResponse> {
        let (caller, until) = (Caller::of(&request)?, convert::deadline(request.metadata()));
        let min_height = request.into_inner().min_height;
        if min_height > 0 {
            self.backend.reach(min_height, until).await?;
        }
        let counted = self.backend.read_long(move |read, tip| {
            let count = |kind| inbox::count(read, caller.authority(), kind, tip.header.time_ms).map(Some);
            Ok((count(Inbox::Tasks)?, count(Inbox::Notices)?, count(Inbox::Deadlines)?))
        });
        let ((tasks, notices, deadlines), position) = counted.await?;
        Ok(Response::new(v1::CountInboxResponse { tasks, notices, deadlines, position: Some(position) }))
    }

    type WatchInboxStream = Pin<Box<ReceiverStream<Result<v1::WatchInboxResponse, Status>>>>;

    async fn watch_inbox(&self, request: Request<v1::WatchInboxRequest>) -> Answer<Self::WatchInboxStream> {
        let caller = Caller::of(&request)?;
        let request = request.into_inner();
        let known_ms = match request.after_cursor.as_str() {
            "" => 0,
            text => watch::cursor_ms(text)?,
        };
        let checkpoint: Duration = checkpoint_interval(request.checkpoint_interval_ms);
        let (backend, stop, authority) = (self.backend.clone(), self.stop.clone(), caller.authority().to_owned());
        let feed = InboxFeed::new(backend, stop, authority, known_ms, checkpoint);
        Ok(Response::new(Box::pin(feed.start())))
    }

    async fn complete_task(&self, request: Request<v1::CompleteTaskRequest>) -> Answer<v1::CompleteTaskResponse> {
        let (caller, until) = (Caller::of(&request)?, convert::deadline(request.metadata()));
        let request = request.into_inner();
        let wait = request.wait();
        let effect_id = effect_id(request.effect_id)?;
        let done = v1::CompleteTask { effect_id, outcome: request.outcome };
        let order = Order {
            transaction_id: &request.transaction_id,
            case_id: &request.case_id,
            source_system: "",
            valid_until_ms: request.valid_until_ms,
        };
        let action = v1::item::Action::CompleteTask(done);
        let signed = author::sign(&self.backend, &caller, self.submissions.source_system(), &order, vec![action])?;
        let (outcome, position) = self.submissions.submit_own(signed, wait, until).await?;
        Ok(Response::new(v1::CompleteTaskResponse { outcome: Some(outcome), position: Some(position) }))
    }

    async fn acknowledge_notice(
        &self,
        request: Request<v1::AcknowledgeNoticeRequest>,
    ) -> Answer<v1::AcknowledgeNoticeResponse> {
        let (caller, until) = (Caller::of(&request)?, convert::deadline(request.metadata()));
        let request = request.into_inner();
        let wait = request.wait();
        let effect_id = effect_id(request.effect_id)?;
        let order = Order {
            transaction_id: &request.transaction_id,
            case_id: &request.case_id,
            source_system: "",
            valid_until_ms: request.valid_until_ms,
        };
        let action = v1::item::Action::Acknowledge(v1::Acknowledge { effect_id, outcome: String::new() });
        let signed = author::sign(&self.backend, &caller, self.submissions.source_system(), &order, vec![action])?;
        let (outcome, position) = self.submissions.submit_own(signed, wait, until).await?;
        Ok(Response::new(v1::AcknowledgeNoticeResponse { outcome: Some(outcome), position: Some(position) }))
    }
}

fn effect_id(bytes: Vec<u8>) -> Result<Vec<u8>, Failure> {
    let length = bytes.len();
    if length == 16 {
        Ok(bytes)
    } else {
        Err(Failure::field("effect_id", format!("has {length} bytes; 16 are wanted")))
    }
}
