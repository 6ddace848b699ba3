//! TaskService: what the caller's authority has to do and to know, and how it answers. The lists are of the caller's
//! authority alone; no request can name another.

mod inbox;
mod watch;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use laufzettel_chain::query::Inbox;
use laufzettel_proto::v1;
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

    /// A page of the caller's inbox: of each row what `show` makes of it, to whom it is shown.
    async fn page<T: Send + 'static>(
        &self,
        caller: Caller,
        wanted: Wanted,
        (until, min_height): (Instant, u64),
        show: impl Fn(&inbox::Found<'_>, &Reader<'_>) -> Option<T> + Send + 'static,
    ) -> Result<(Page<T>, Option<v1::Position>), Failure> {
        if min_height > 0 {
            self.backend.reach(min_height, until).await?;
        }
        let read = self.backend.read_long(move |read, tip| {
            let registry = tip.registry.as_ref();
            let reader = Reader::of(registry, caller.authority());
            inbox::page(read, registry, &reader, &wanted, tip.header.time_ms, &|found| show(&found, &reader))
        });
        let (page, position) = read.await?;
        Ok((page, Some(position)))
    }

    /// Signs an answer for the caller's authority and submits it.
    async fn answer(
        &self,
        caller: &Caller,
        order: &Order<'_>,
        action: v1::item::Action,
        (wait, until): (v1::WaitPolicy, Instant),
    ) -> Result<(v1::Outcome, v1::Position), Failure> {
        let signed = author::sign(&self.backend, caller, self.submissions.source_system(), order, vec![action])?;
        self.submissions.submit_own(signed, wait, until).await
    }
}

#[tonic::async_trait]
impl v1::task_service_server::TaskService for Tasks {
    async fn list_tasks(&self, request: Request<v1::ListTasksRequest>) -> Answer<v1::ListTasksResponse> {
        let (caller, until) = (Caller::of(&request)?, convert::deadline(request.metadata()));
        let request = request.into_inner();
        let filter = v1::ListTasksRequest { page_size: 0, page_token: String::new(), min_height: 0, ..request.clone() };
        let due = (request.due_until_ms, request.overdue);
        let wanted = Wanted::of(Inbox::Tasks, due, &filter, (request.page_size, request.page_token))?;
        let show = |found: &inbox::Found<'_>, _: &Reader<'_>| {
            found.task().map(|task| v1::CaseTask { case_id: found.case.0.to_vec(), task: Some(task) })
        };
        let (page, position) = self.page(caller, wanted, (until, request.min_height), show).await?;
        Ok(Response::new(v1::ListTasksResponse { tasks: page.entries, next_page_token: page.next, position }))
    }

    async fn list_notices(&self, request: Request<v1::ListNoticesRequest>) -> Answer<v1::ListNoticesResponse> {
        let (caller, until) = (Caller::of(&request)?, convert::deadline(request.metadata()));
        let request = request.into_inner();
        let filter =
            v1::ListNoticesRequest { page_size: 0, page_token: String::new(), min_height: 0, ..request.clone() };
        let wanted = Wanted::of(Inbox::Notices, (0, false), &filter, (request.page_size, request.page_token))?;
        let all = !request.to_acknowledge;
        let show = move |found: &inbox::Found<'_>, reader: &Reader<'_>| {
            let notice = found.notice(reader).filter(|notice| all || notice.to_acknowledge)?;
            Some(v1::CaseNotice { case_id: found.case.0.to_vec(), notice: Some(notice) })
        };
        let (page, position) = self.page(caller, wanted, (until, request.min_height), show).await?;
        Ok(Response::new(v1::ListNoticesResponse { notices: page.entries, next_page_token: page.next, position }))
    }

    async fn list_deadlines(&self, request: Request<v1::ListDeadlinesRequest>) -> Answer<v1::ListDeadlinesResponse> {
        let (caller, until) = (Caller::of(&request)?, convert::deadline(request.metadata()));
        let request = request.into_inner();
        let filter =
            v1::ListDeadlinesRequest { page_size: 0, page_token: String::new(), min_height: 0, ..request.clone() };
        let due = (request.due_until_ms, request.overdue);
        let wanted = Wanted::of(Inbox::Deadlines, due, &filter, (request.page_size, request.page_token))?;
        let show = |found: &inbox::Found<'_>, _: &Reader<'_>| {
            found
                .deadline()
                .map(|found_at| v1::CaseDeadline { case_id: found.case.0.to_vec(), deadline: Some(found_at) })
        };
        let (page, position) = self.page(caller, wanted, (until, request.min_height), show).await?;
        Ok(Response::new(v1::ListDeadlinesResponse { deadlines: page.entries, next_page_token: page.next, position }))
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
        let done = v1::CompleteTask { effect_id: effect_id(request.effect_id)?, outcome: request.outcome };
        let order = order(&request.transaction_id, &request.case_id, request.valid_until_ms);
        let answered = self.answer(&caller, &order, v1::item::Action::CompleteTask(done), (wait, until)).await?;
        let (outcome, position) = answered;
        Ok(Response::new(v1::CompleteTaskResponse { outcome: Some(outcome), position: Some(position) }))
    }

    async fn acknowledge_notice(
        &self,
        request: Request<v1::AcknowledgeNoticeRequest>,
    ) -> Answer<v1::AcknowledgeNoticeResponse> {
        let (caller, until) = (Caller::of(&request)?, convert::deadline(request.metadata()));
        let request = request.into_inner();
        let wait = request.wait();
        let known = v1::Acknowledge { effect_id: effect_id(request.effect_id)?, outcome: String::new() };
        let order = order(&request.transaction_id, &request.case_id, request.valid_until_ms);
        let answered = self.answer(&caller, &order, v1::item::Action::Acknowledge(known), (wait, until)).await?;
        let (outcome, position) = answered;
        Ok(Response::new(v1::AcknowledgeNoticeResponse { outcome: Some(outcome), position: Some(position) }))
    }
}

fn order<'o>(transaction_id: &'o [u8], case_id: &'o [u8], valid_until_ms: u64) -> Order<'o> {
    Order { transaction_id, case_id, source_system: "", valid_until_ms }
}

fn effect_id(bytes: Vec<u8>) -> Result<Vec<u8>, Failure> {
    let length = bytes.len();
    if length == 16 {
        Ok(bytes)
    } else {
        Err(Failure::field("effect_id", format!("has {length} bytes; 16 are wanted")))
    }
}
