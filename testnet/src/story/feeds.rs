//! The subscribers of an inbox, as case systems are: what came, when, and at which height. A stream that breaks is taken
//! up again with its last cursor.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use laufzettel_proto::v1;
use tokio::task::JoinHandle;

use crate::cluster::Door;

const PAUSE: Duration = Duration::from_millis(100);

/// Something that came.
#[derive(Debug, Clone)]
pub(super) struct Arrival {
    pub(super) case: Vec<u8>,
    pub(super) code: String,
    pub(super) urgent: bool,
    pub(super) at: Instant,
    /// Height of the feed when it had delivered this.
    pub(super) height: u64,
}

/// One subscriber.
pub(super) struct Subscriber {
    seen: Arc<Mutex<Vec<Arrival>>>,
    task: JoinHandle<()>,
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Subscriber {
    /// Subscribes at a node, for the authority that runs it.
    pub(super) fn start(door: Door) -> Self {
        let seen: Arc<Mutex<Vec<Arrival>>> = Arc::default();
        let (into, mut cursor) = (seen.clone(), String::new());
        let task = tokio::spawn(async move {
            loop {
                follow(&door, &mut cursor, &into).await;
                tokio::time::sleep(PAUSE).await;
            }
        });
        Self { seen, task }
    }
    /// What came of a case with this code, first.
    pub(super) fn first(&self, case: &[u8], code: &str) -> Option<Arrival> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().find(|arrival| arrival.case == case && arrival.code == code && arrival.height > 0).cloned()
    }
}

/// Follows until the stream ends or breaks.
async fn follow(door: &Door, cursor: &mut String, into: &Mutex<Vec<Arrival>>) {
    use v1::inbox_entry::What;
    use v1::watch_inbox_response::Message;
    let Ok(mut client) = door.open().await else { return };
    let request = v1::WatchInboxRequest { after_cursor: cursor.clone(), checkpoint_interval_ms: 0 };
    let Ok(stream) = client.tasks.watch_inbox(request).await else { return };
    let mut stream = stream.into_inner();
    while let Ok(Some(answer)) = stream.message().await {
        let at = Instant::now();
        let mut seen = into.lock().unwrap_or_else(PoisonError::into_inner);
        match answer.message {
            Some(Message::Entry(v1::InboxEntry { case_id: case, earlier: false, what: Some(what) })) => {
                let (code, urgent) = match what {
                    What::Task(task) => (task.code, false),
                    What::Notice(notice) => (notice.code, notice.urgent),
                };
                seen.push(Arrival { case, code, urgent, at, height: 0 });
            }
            Some(Message::CaughtUp(progress) | Message::Checkpoint(progress)) => {
                let height = progress.position.unwrap_or_default().height;
                seen.iter_mut().filter(|arrival| arrival.height == 0).for_each(|arrival| arrival.height = height);
                *cursor = progress.cursor;
            }
            _ => {}
        }
    }
}
