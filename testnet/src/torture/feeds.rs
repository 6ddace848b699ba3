//! Watchers: each follows the whole chain from its first event, at one node after another, always from its last cursor,
//! and keeps what it was given.

use std::time::Duration;

use laufzettel_proto::v1;
use laufzettel_proto::v1::watch_events_request::Start;
use laufzettel_proto::v1::watch_events_response::Message;
use prost::Message as _;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::cluster::{Door, Fault};
use crate::invariants::Feed;

const CONNECT: Duration = Duration::from_secs(3);
/// A feed that says nothing for this long is given up; checkpoints come every second.
const SILENCE: Duration = Duration::from_secs(8);
const CHECKPOINT_MS: u64 = 1_000;
const PAUSE: Duration = Duration::from_millis(100);

/// One watcher. `until` names the height at which it is done, once that is known.
pub(super) struct Watcher {
    doors: Vec<Door>,
    at: usize,
    hops: bool,
    cursor: String,
    feed: Feed,
    until: watch::Receiver<Option<u64>>,
}

impl Watcher {
    /// A watcher that begins at one node; one that `hops` goes to the next whenever a feed ends.
    pub(super) fn new(doors: Vec<Door>, at: usize, hops: bool, until: watch::Receiver<Option<u64>>) -> Self {
        let node = doors.get(at).map(|door| door.node.clone()).unwrap_or_default();
        let name = if hops { format!("from {node} on") } else { format!("at {node}") };
        Self { doors, at, hops, cursor: String::new(), feed: Feed { name, ..Feed::default() }, until }
    }
    /// Watches until the height is reached; what was delivered.
    pub(super) async fn run(mut self) -> Feed {
        while !self.done() {
            // However a feed ends, the next one goes on where it was.
            let _ = self.follow().await;
            if self.hops {
                self.at = (self.at + 1) % self.doors.len().max(1);
            }
            tokio::time::sleep(PAUSE).await;
        }
        self.feed
    }
    fn done(&self) -> bool {
        self.until.borrow().is_some_and(|height| self.feed.height >= height)
    }
    async fn follow(&mut self) -> Result<(), Fault> {
        let door = self.doors.get(self.at).ok_or("no such node")?;
        let mut client = timeout(CONNECT, door.open()).await??;
        let start =
            if self.cursor.is_empty() { Start::FromBeginning(true) } else { Start::AfterCursor(self.cursor.clone()) };
        let request =
            v1::WatchEventsRequest { start: Some(start), case_id: Vec::new(), checkpoint_interval_ms: CHECKPOINT_MS };
        let mut stream = timeout(CONNECT, client.cases.watch_events(request)).await??.into_inner();
        while let Some(answer) = timeout(SILENCE, stream.message()).await?? {
            match answer.message {
                Some(Message::Event(event)) => self.take(&event),
                Some(Message::Checkpoint(v1::FeedCheckpoint { cursor, position }))
                | Some(Message::CaughtUp(v1::FeedCaughtUp { cursor, position })) => {
                    let height = position.unwrap_or_default().height;
                    // A node that is behind the cursor says its own height, below what was delivered.
                    if height >= self.feed.height {
                        self.feed.height = height;
                        self.cursor = cursor;
                    }
                }
                None => return Err("an empty message".into()),
            }
            if self.done() {
                return Ok(());
            }
        }
        Ok(())
    }
    fn take(&mut self, event: &v1::Event) {
        // The count of a case's items is told to those alone who see every report of its process; all else is the same to all.
        let same = v1::Event { case_revision: 0, ..event.clone() };
        let digest = blake3::hash(&same.encode_to_vec());
        let mut short = [0; 8];
        short.copy_from_slice(digest.as_bytes().split_at(8).0);
        self.feed.events.push(((event.height, event.transaction_index, event.item_index), short));
        self.cursor.clone_from(&event.cursor);
    }
}
