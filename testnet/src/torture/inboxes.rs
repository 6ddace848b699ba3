//! Watchers of inboxes: each follows its authority's inbox at its own node, always from its last cursor, and keeps what
//! it holds as the feed says it should. Some of these states, and the last, are held against the model.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use laufzettel_chain::ids::CaseId;
use laufzettel_contracts::effect::EffectId;
use laufzettel_proto::v1;
use laufzettel_proto::v1::inbox_entry::What;
use laufzettel_proto::v1::watch_inbox_response::Message;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::cluster::{Door, Fault};
use crate::invariants::Inboxed;

const CONNECT: Duration = Duration::from_secs(3);
/// A feed that says nothing for this long is given up; checkpoints come every second.
const SILENCE: Duration = Duration::from_secs(8);
const CHECKPOINT_MS: u64 = 1_000;
const PAUSE: Duration = Duration::from_millis(100);
/// Every so many states are kept for the check.
const KEPT_EVERY: u64 = 25;

/// One watcher. `until` names the height at which it is done, once that is known.
pub(super) struct InboxWatcher {
    door: Door,
    cursor: String,
    height: u64,
    held: BTreeMap<EffectId, CaseId>,
    /// What came since the feed was opened, until it says that it has delivered all that was there.
    fresh: Option<BTreeSet<EffectId>>,
    states: u64,
    kept: Vec<Inboxed>,
    until: watch::Receiver<Option<u64>>,
}

impl InboxWatcher {
    /// A watcher of the inbox of the authority that runs a node.
    pub(super) fn new(door: Door, until: watch::Receiver<Option<u64>>) -> Self {
        let (cursor, held, kept) = (String::new(), BTreeMap::new(), Vec::new());
        Self { door, cursor, height: 0, held, fresh: None, states: 0, kept, until }
    }
    /// Watches until the height is reached; the states that were kept.
    pub(super) async fn run(mut self) -> Vec<Inboxed> {
        while !self.done() {
            // However a feed ends, the next one goes on where it was.
            let _ = self.follow().await;
            tokio::time::sleep(PAUSE).await;
        }
        self.keep();
        self.kept
    }
    fn done(&self) -> bool {
        self.fresh.is_none() && self.until.borrow().is_some_and(|height| self.height >= height)
    }
    fn keep(&mut self) {
        let held = self.held.iter().map(|(effect, case)| (*case, *effect)).collect();
        self.kept.push(Inboxed { authority: self.door.node.clone(), height: self.height, held });
    }
    async fn follow(&mut self) -> Result<(), Fault> {
        let mut client = timeout(CONNECT, self.door.open()).await??;
        let after_cursor = self.cursor.clone();
        let request = v1::WatchInboxRequest { after_cursor, checkpoint_interval_ms: CHECKPOINT_MS };
        let mut stream = timeout(CONNECT, client.tasks.watch_inbox(request)).await??.into_inner();
        self.fresh = Some(BTreeSet::new());
        while let Some(answer) = timeout(SILENCE, stream.message()).await?? {
            match answer.message.ok_or("an empty message")? {
                Message::Entry(entry) => {
                    let effect = match entry.what.ok_or("an entry without what it is")? {
                        What::Task(task) => task.effect_id,
                        What::Notice(notice) => notice.effect_id,
                    };
                    let effect = EffectId(effect.as_slice().try_into()?);
                    let case = CaseId::from_slice(&entry.case_id).ok_or("an entry without its case")?;
                    self.held.insert(effect, case);
                    if let Some(fresh) = &mut self.fresh {
                        fresh.insert(effect);
                    }
                }
                Message::Gone(gone) => drop(self.held.remove(&EffectId(gone.effect_id.as_slice().try_into()?))),
                Message::CaughtUp(progress) => {
                    if let Some(fresh) = self.fresh.take() {
                        self.held.retain(|effect, _| fresh.contains(effect));
                    }
                    self.stands(progress);
                }
                Message::Checkpoint(progress) => self.stands(progress),
                Message::Overfull(_) => return Err("the inbox holds more than a feed follows".into()),
            }
            if self.done() {
                return Ok(());
            }
        }
        Ok(())
    }
    fn stands(&mut self, progress: v1::InboxProgress) {
        self.cursor = progress.cursor;
        self.height = progress.position.unwrap_or_default().height;
        self.states += 1;
        if self.states.is_multiple_of(KEPT_EVERY) {
            self.keep();
        }
    }
}
