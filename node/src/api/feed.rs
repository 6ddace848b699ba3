//! Feeds: what is new, in ledger order, read from the store and so never lost.
//! A slow client holds its own feed back and nobody else's.

use std::sync::Arc;
use std::time::Duration;

use laufzettel_chain::ids::CaseId;
use laufzettel_contracts::Position;
use laufzettel_proto::v1;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::backend::Backend;
use super::cases::position_at;
use super::convert;
use super::events::Sights;
use super::ledger::block_message;
use super::reasons::Reason;
use super::status::Failure;
use crate::network::AuthorityId;

/// Messages waiting for a client before its feed is held back.
const WAITING_MAX: usize = 256;
/// Events read from the store at once.
pub(super) const BATCH: usize = 256;

const CHECKPOINT_DEFAULT: Duration = Duration::from_secs(10);
const CHECKPOINT_MIN: Duration = Duration::from_millis(100);

/// How often a feed without news says where it stands, as its client asks; 0 = the default.
pub(super) fn checkpoint_interval(asked_ms: u64) -> Duration {
    match asked_ms {
        0 => CHECKPOINT_DEFAULT,
        asked => Duration::from_millis(asked).clamp(CHECKPOINT_MIN, Duration::from_secs(3_600)),
    }
}

type Sender<T> = mpsc::Sender<Result<T, Status>>;

/// Starts a feed: `run` sends until the client goes (Ok) or the node cannot go on; the client is told why, also when the
/// node stops.
pub(super) fn serve<M, F>(
    stop: CancellationToken,
    run: impl FnOnce(mpsc::Sender<Result<M, Status>>) -> F,
) -> ReceiverStream<Result<M, Status>>
where
    M: Send + 'static,
    F: Future<Output = Result<(), Failure>> + Send + 'static,
{
    let (sender, receiver) = mpsc::channel(WAITING_MAX);
    let running = run(sender.clone());
    tokio::spawn(async move {
        let ended = tokio::select! {
            ended = running => ended,
            () = stop.cancelled() => Err(Failure::new(Reason::Stopping)),
            () = sender.closed() => return,
        };
        if let Err(failure) = ended {
            let _ = sender.send(Err(failure.into())).await;
        }
    });
    ReceiverStream::new(receiver)
}

/// What an event feed is asked for.
pub(super) struct EventFeed {
    pub(super) backend: Arc<Backend>,
    pub(super) stop: CancellationToken,
    /// Who reads.
    pub(super) authority: AuthorityId,
    pub(super) case: Option<CaseId>,
    pub(super) after: Position,
    pub(super) checkpoint: Duration,
}

impl EventFeed {
    /// Starts the feed.
    pub(super) fn start(self) -> ReceiverStream<Result<v1::WatchEventsResponse, Status>> {
        let stop = self.stop.clone();
        serve(stop, |sender| async move { self.run(&sender).await })
    }

    /// Runs until the client goes (Ok) or the node cannot go on.
    async fn run(mut self, sender: &Sender<v1::WatchEventsResponse>) -> Result<(), Failure> {
        use v1::watch_events_response::Message;
        let mut tip = self.backend.subscribe();
        let (mut live, mut checkpoint_at) = (false, Instant::now() + self.checkpoint);
        loop {
            tip.mark_unchanged();
            let (authority, case, after) = (self.authority.clone(), self.case, self.after);
            let (reader, tells) = (self.backend.clone(), Instant::now() >= checkpoint_at);
            let look = self.backend.read_long(move |read, tip| {
                let mut sights = Sights::new(read, &tip.registry, &authority, tip.header.time_ms);
                let events = sights.after(case, &after, BATCH)?;
                // On its way through what is there, a feed is where it has all of.
                let whole = events.last().map_or(0, |(place, _)| place.height.saturating_sub(1));
                let on_its_way = tells && events.len() == BATCH && whole > 0;
                let passed = on_its_way.then(|| position_at(reader.position(tip), whole, read));
                // Its header may be pruned by now; then the next time.
                let passed = passed.and_then(Result::ok);
                Ok((events, passed))
            });
            let ((events, passed), position) = look.await?;
            let full = events.len() == BATCH;
            for (place, event) in events {
                self.after = place;
                let Some(event) = event else { continue };
                if !send(sender, Message::Event(event)).await {
                    return Ok(());
                }
            }
            if full {
                // A client whose eyes find nothing in a long stretch must know that the feed lives, and go on from there.
                if let Some(position) = passed {
                    checkpoint_at = Instant::now() + self.checkpoint;
                    let cursor = convert::cursor(&self.after);
                    let progress = v1::FeedCheckpoint { cursor, position: Some(position) };
                    if !send(sender, Message::Checkpoint(progress)).await {
                        return Ok(());
                    }
                }
                continue;
            }
            // Nothing more up to the answer's height: the feed has passed all of it.
            self.after = self.after.max(convert::end_of(position.height));
            let cursor = convert::cursor(&self.after);
            let position = Some(position);
            if !live {
                live = true;
                if !send(sender, Message::CaughtUp(v1::FeedCaughtUp { cursor, position })).await {
                    return Ok(());
                }
            } else if Instant::now() >= checkpoint_at {
                checkpoint_at = Instant::now() + self.checkpoint;
                if !send(sender, Message::Checkpoint(v1::FeedCheckpoint { cursor, position })).await {
                    return Ok(());
                }
            }
            tokio::select! {
                changed = tip.changed() => changed.map_err(|_| Failure::new(Reason::Stopping))?,
                () = sleep_until(checkpoint_at) => {}
            }
        }
    }
}

async fn send(sender: &Sender<v1::WatchEventsResponse>, message: v1::watch_events_response::Message) -> bool {
    sender.send(Ok(v1::WatchEventsResponse { message: Some(message) })).await.is_ok()
}

/// Blocks above a height.
pub(super) fn blocks(
    backend: Arc<Backend>,
    stop: CancellationToken,
    after: u64,
) -> ReceiverStream<Result<v1::WatchBlocksResponse, Status>> {
    serve(stop, |sender| async move { run_blocks(&backend, &sender, after).await })
}

async fn run_blocks(
    backend: &Arc<Backend>,
    sender: &Sender<v1::WatchBlocksResponse>,
    mut after: u64,
) -> Result<(), Failure> {
    let mut tip = backend.subscribe();
    loop {
        let newest = tip.borrow_and_update().header.height;
        while after < newest {
            let height = after.saturating_add(1);
            let (message, _) = backend.read_long(move |read, tip| block_message(read, tip, height)).await?;
            if sender.send(Ok(message)).await.is_err() {
                return Ok(());
            }
            after = height;
        }
        tip.changed().await.map_err(|_| Failure::new(Reason::Stopping))?;
    }
}
