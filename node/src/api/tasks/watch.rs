//! The feed of an inbox: tasks and notices as they come and go. It holds what it told against the index after each
//! block. Must never leave out something urgent because much else waits: the index has what is urgent first.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use laufzettel_chain::ids::CaseId;
use laufzettel_chain::query::{self, Inbox};
use laufzettel_contracts::effect::EffectId;
use laufzettel_proto::v1;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::inbox::Found;
use crate::api::backend::Backend;
use crate::api::effects::{self, Reader};
use crate::api::feed::serve;
use crate::api::reasons::Reason;
use crate::api::status::Failure;

/// Entries of each kind that a feed follows.
const FOLLOWED_MAX: usize = 10_000;
/// Pause between two looks, so that a busy network does not make each feed read its inbox ten times a second.
const PAUSE: Duration = Duration::from_millis(200);

type Sender = mpsc::Sender<Result<v1::WatchInboxResponse, Status>>;
type Message = v1::watch_inbox_response::Message;

/// The block time of a cursor.
pub(super) fn cursor_ms(text: &str) -> Result<u64, Failure> {
    let bytes = data_encoding::HEXLOWER.decode(text.as_bytes()).ok();
    let bytes: Option<[u8; 8]> = bytes.and_then(|bytes| bytes.try_into().ok());
    bytes.map(u64::from_be_bytes).ok_or_else(|| Failure::new(Reason::CursorInvalid))
}

fn cursor(time_ms: u64) -> String {
    data_encoding::HEXLOWER.encode(&time_ms.to_be_bytes())
}

/// A place in the inbox, and the case.
type Place = (Vec<u8>, CaseId);

/// What a look at the inbox found.
#[derive(Default)]
struct Look {
    /// All places by effect.
    places: BTreeMap<EffectId, Place>,
    /// What is new or has moved.
    entries: Vec<v1::InboxEntry>,
    overfull: bool,
}

/// A feed of one authority.
pub(super) struct InboxFeed {
    backend: Arc<Backend>,
    stop: CancellationToken,
    authority: String,
    /// Block time of the cursor it was started with.
    known_ms: u64,
    checkpoint: Duration,
    /// What was told and is there.
    told: Arc<BTreeMap<EffectId, Place>>,
}

impl InboxFeed {
    pub(super) fn new(
        backend: Arc<Backend>,
        stop: CancellationToken,
        authority: String,
        known_ms: u64,
        checkpoint: Duration,
    ) -> Self {
        Self { backend, stop, authority, known_ms, checkpoint, told: Arc::default() }
    }

    /// Starts the feed.
    pub(super) fn start(self) -> ReceiverStream<Result<v1::WatchInboxResponse, Status>> {
        let stop = self.stop.clone();
        serve(stop, |sender| async move { self.run(&sender).await })
    }

    /// Runs until the client goes (Ok) or the node cannot go on.
    async fn run(mut self, sender: &Sender) -> Result<(), Failure> {
        let mut tip = self.backend.subscribe();
        let (mut live, mut overfull, mut checkpoint_at) = (false, false, Instant::now());
        loop {
            tip.mark_unchanged();
            let again_at = Instant::now() + PAUSE;
            let (messages, look_overfull, position) = self.look().await?;
            let changed = !messages.is_empty();
            if look_overfull && !overfull && !send(sender, Message::Overfull(true)).await {
                return Ok(());
            }
            overfull = look_overfull;
            for message in messages {
                if !send(sender, message).await {
                    return Ok(());
                }
            }
            let progress = v1::InboxProgress { cursor: cursor(position.block_time_ms), position: Some(position) };
            if !live || changed || Instant::now() >= checkpoint_at {
                let message = if live { Message::Checkpoint(progress) } else { Message::CaughtUp(progress) };
                (live, checkpoint_at) = (true, Instant::now() + self.checkpoint);
                if !send(sender, message).await {
                    return Ok(());
                }
            }
            tokio::select! {
                changed = tip.changed() => changed.map_err(|_| Failure::new(Reason::Stopping))?,
                () = sleep_until(checkpoint_at) => {}
            }
            sleep_until(again_at).await;
        }
    }

    /// What has changed since the last look.
    async fn look(&mut self) -> Result<(Vec<Message>, bool, v1::Position), Failure> {
        let authority = self.authority.clone();
        let (told, known_ms) = (self.told.clone(), self.known_ms);
        let (look, position) = self
            .backend
            .read_long(move |read, tip| {
                let registry = &tip.registry;
                let reader = Reader::of(registry, &authority);
                let mut look = Look::default();
                for kind in [Inbox::Notices, Inbox::Tasks] {
                    let rows = query::inbox(read, &authority, kind, None, FOLLOWED_MAX.saturating_add(1))?;
                    look.overfull |= rows.len() > FOLLOWED_MAX;
                    for row in rows.into_iter().take(FOLLOWED_MAX) {
                        let place = (row.cursor.clone(), row.case);
                        if told.get(&row.effect) != Some(&place) {
                            let followed = effects::waiting(read, registry, &row, tip.header.time_ms)?;
                            let Some(followed) = followed else { continue };
                            let found = Found { case: row.case, effect: row.effect, followed: &followed };
                            let Some(entry) = entry(kind, &found, &reader, known_ms) else { continue };
                            look.entries.push(entry);
                        }
                        look.places.insert(row.effect, place);
                    }
                }
                Ok(look)
            })
            .await?;
        let gone = self.told.iter().filter(|(effect, _)| !look.places.contains_key(effect));
        let gone = gone.map(|(effect, (_, case))| {
            Message::Gone(v1::InboxGone { case_id: case.0.to_vec(), effect_id: effect.0.to_vec() })
        });
        let messages = gone.chain(look.entries.into_iter().map(Message::Entry)).collect();
        self.told = Arc::new(look.places);
        Ok((messages, look.overfull, position))
    }
}

/// The message of an entry.
fn entry(kind: Inbox, found: &Found<'_>, reader: &Reader<'_>, known_ms: u64) -> Option<v1::InboxEntry> {
    use v1::inbox_entry::What;
    let (what, since_ms) = match kind {
        Inbox::Notices => {
            let notice = found.notice(reader)?;
            let since_ms = notice.since_ms;
            (What::Notice(notice), since_ms)
        }
        Inbox::Tasks | Inbox::Deadlines => {
            let task = found.task()?;
            let since_ms = task.since_ms;
            (What::Task(task), since_ms)
        }
    };
    Some(v1::InboxEntry { case_id: found.case.0.to_vec(), earlier: since_ms <= known_ms, what: Some(what) })
}

async fn send(sender: &Sender, message: Message) -> bool {
    sender.send(Ok(v1::WatchInboxResponse { message: Some(message) })).await.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_read_back_and_others_are_refused() {
        assert_eq!(cursor_ms(&cursor(1_700_000_000_000)).unwrap(), 1_700_000_000_000);
        for wrong in ["", "zz", "00", "0000018bcfe5680000"] {
            assert_eq!(cursor_ms(wrong).unwrap_err().reason(), Reason::CursorInvalid, "{wrong}");
        }
    }
}
