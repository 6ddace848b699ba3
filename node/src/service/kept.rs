//! Urgent reports of this node's own clients that are not final yet, each a file beside the database: written and synced
//! before the client is told that it was taken, handed to the driver again at the next start, gone once the report is
//! final. So a report that may set a lock is not lost with the mempool, nor its alarm. Must never log what one says, and
//! never keep what cannot set a lock: each costs a write that is waited for.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use laufzettel_chain::crypto::hash_parts;
use laufzettel_chain::ids::{PayloadDigest, TransactionId};
use laufzettel_chain::registry::Registry;
use laufzettel_chain::state::submissions;
use laufzettel_chain::storage::Read;
use laufzettel_chain::transaction::SignedTransaction;
use laufzettel_proto::v1;
use prost::Message as _;

use crate::clock;
use crate::consensus::{LATE_MS, Late, RefusalReason, Reply};
use crate::runtime::Handle;
use crate::worker::is_lock_capable;

/// Most that are kept at once; what comes then is not taken.
pub(super) const KEPT_MAX: usize = 1_024;
/// What has not become final is kept for this long after it could have; its alarm says so for as long.
const LOST_MS: u64 = 24 * 3_600_000;
/// How often it is looked what has become final.
const INTERVAL: Duration = Duration::from_millis(500);
/// A hash of the rest, and since when it waits.
const HEAD_BYTES: usize = 32 + 8;

type Key = (String, TransactionId);

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) signed: Arc<SignedTransaction>,
    pub(super) digest: PayloadDigest,
    pub(super) valid_until_ms: u64,
    /// When this node took it, by its clock.
    pub(super) since_ms: u64,
    /// The driver has it.
    handed: bool,
    /// Why the driver does not take it any more.
    lost: Option<RefusalReason>,
}

/// The folder and what is in it.
#[derive(Debug)]
pub(super) struct Kept {
    folder: PathBuf,
    entries: Mutex<BTreeMap<Key, Entry>>,
}

impl Kept {
    /// Reads what an earlier run left. A file that a crash left half written belongs to a report whose client was told
    /// nothing yet; it goes.
    ///
    /// # Errors
    /// The folder cannot be made or read.
    pub(super) fn open(folder: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        let mut entries = BTreeMap::new();
        for file in fs::read_dir(&folder)? {
            let path = file?.path();
            match read(&fs::read(&path)?) {
                Some((key, entry)) if path.file_name() == Some(name(&key).as_ref()) => {
                    entries.insert(key, entry);
                }
                _ => {
                    tracing::warn!(file = %path.display(), "no urgent report is in this file; it is deleted");
                    fs::remove_file(&path)?;
                }
            }
        }
        if !entries.is_empty() {
            tracing::info!(count = entries.len(), "urgent reports that were not final are handed over again");
        }
        Ok(Self { folder, entries: Mutex::new(entries) })
    }

    /// Whether anything is to be kept on a network with these processes.
    pub(super) fn concerns(registry: &Registry) -> bool {
        registry.definitions.values().any(|definition| !definition.rules().locks.is_empty())
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<Key, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<(Key, Entry)> {
        self.entries().iter().map(|(key, entry)| (key.clone(), entry.clone())).collect()
    }

    /// Keeps a transaction that the driver has taken, if it may set a lock. When this returns it is on the disk.
    ///
    /// # Errors
    /// It cannot be written, or there are too many: then its client must not be told that it was taken.
    pub(super) fn keep(&self, registry: &Registry, signed: &Arc<SignedTransaction>) -> io::Result<()> {
        let Ok(transaction) = signed.decode() else { return Ok(()) };
        let key = (transaction.payload.authority.clone(), transaction.payload.id);
        if !is_lock_capable(registry, &transaction) || self.entries().contains_key(&key) {
            return Ok(());
        }
        if self.entries().len() >= KEPT_MAX {
            return Err(io::Error::other("too many urgent reports wait to become final"));
        }
        let entry = Entry {
            signed: signed.clone(),
            digest: transaction.digest,
            valid_until_ms: transaction.payload.valid_until_ms,
            since_ms: clock::now_ms(),
            handed: true,
            lost: None,
        };
        write(&self.folder, &name(&key), &bytes(&entry))?;
        self.entries().insert(key, entry);
        Ok(())
    }

    fn forget(&self, key: &Key) {
        if let Err(error) = fs::remove_file(self.folder.join(name(key))) {
            tracing::warn!(%error, transaction = %key.1, "a kept report cannot be deleted; the next start looks again");
        }
        self.entries().remove(key);
    }

    /// Those that should be final by now and are not, the oldest first.
    pub(super) fn late(&self, now_ms: u64) -> Vec<Late> {
        let entries = self.entries();
        let late = entries
            .iter()
            .filter(|(_, entry)| entry.lost.is_some() || now_ms.saturating_sub(entry.since_ms) >= LATE_MS);
        let mut late: Vec<Late> = late
            .map(|((authority, id), entry)| Late {
                authority: authority.clone(),
                id: *id,
                since_ms: entry.since_ms,
                lost: entry.lost.clone(),
            })
            .collect();
        late.sort_by_key(|late| late.since_ms);
        late
    }

    /// Hands over what an earlier run left, and forgets what has become final or is over, for as long as the node serves.
    pub(super) async fn tend(self: Arc<Self>, handle: Handle) {
        loop {
            let snapshot = handle.store().snapshot();
            let waiting = self.sift(clock::now_ms(), |key| is_final(snapshot.as_ref(), key));
            drop(snapshot);
            for (key, entry) in waiting {
                self.hand_over(&handle, &key, entry).await;
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }

    /// Forgets what has become final or is over by now, and gives what is still to be handed over.
    fn sift(&self, now_ms: u64, is_final: impl Fn(&Key) -> bool) -> Vec<(Key, Entry)> {
        let mut waiting = Vec::new();
        for (key, entry) in self.all() {
            if is_final(&key) {
                self.forget(&key);
            } else if now_ms > entry.valid_until_ms.saturating_add(LOST_MS) {
                tracing::warn!(transaction = %key.1, "an urgent report did not become final within a day of its end");
                self.forget(&key);
            } else if !entry.handed && entry.lost.is_none() {
                waiting.push((key, entry));
            }
        }
        waiting
    }

    async fn hand_over(&self, handle: &Handle, key: &Key, entry: Entry) {
        let Ok(mut replies) = handle.submit(entry.signed.clone(), false) else { return };
        let (handed, lost) = match replies.next().await {
            Some(Reply::Refused(refusal)) => match refusal.reason {
                RefusalReason::ResourceExhausted => return,
                // Committed before, which the next look finds.
                RefusalReason::AlreadyExists if refusal.earlier.is_some() => return,
                reason => (false, Some(reason)),
            },
            Some(_) => (true, None),
            None => return,
        };
        if let Some(known) = self.entries().get_mut(key) {
            (known.handed, known.lost) = (handed, lost);
        }
    }
}

/// What cannot be read is taken for not final.
fn is_final(read: &dyn Read, (authority, id): &Key) -> bool {
    submissions::find(read, authority, id).is_ok_and(|found| found.is_some())
}

/// Ids of authorities have no sign that a name of a file may not have.
fn name((authority, id): &Key) -> String {
    format!("{authority}.{}", data_encoding::HEXLOWER.encode(&id.0))
}

fn bytes(entry: &Entry) -> Vec<u8> {
    let (since, signed) = (entry.since_ms.to_be_bytes(), entry.signed.to_proto().encode_to_vec());
    let hash = hash_parts("kept report", &[&since, &signed]);
    [hash.as_slice(), &since, &signed].concat()
}

fn read(bytes: &[u8]) -> Option<(Key, Entry)> {
    let (head, message) = bytes.split_at_checked(HEAD_BYTES)?;
    let (hash, since) = head.split_first_chunk::<32>()?;
    if *hash != hash_parts("kept report", &[since, message]) {
        return None;
    }
    let signed = SignedTransaction::from_proto(v1::SignedTransaction::decode(message).ok()?).ok()?;
    let transaction = signed.decode().ok()?;
    let entry = Entry {
        signed: Arc::new(signed),
        digest: transaction.digest,
        valid_until_ms: transaction.payload.valid_until_ms,
        since_ms: u64::from_be_bytes(since.try_into().ok()?),
        handed: false,
        lost: None,
    };
    Some(((transaction.payload.authority, transaction.payload.id), entry))
}

/// Writes a file so that after a crash it is there whole or not under its name.
fn write(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let part = folder.join(format!("{name}.part"));
    let mut file = File::create(&part)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&part, folder.join(name))?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;
    use laufzettel_chain::ids::{CaseId, NetworkId};
    use laufzettel_chain::item::Action;
    use laufzettel_contracts::{Code, Report, When};

    use super::*;
    use crate::client::Author;

    fn entry(id: u8, since_ms: u64) -> (Key, Entry) {
        let author = Author {
            authority: "de-bamf".into(),
            key: SigningKey::from_bytes(&[7; 32]),
            network: NetworkId([1; 32]),
            incarnation: 0,
            source_system: "test".into(),
        };
        let report = Report::new(Code::new("subsequent_application_filed").unwrap(), When::Day(20_605));
        let actions = [(CaseId([2; 16]), Action::Report(report), [3; 16])];
        let signed = author.sign(TransactionId([id; 16]), 1_000_000, &actions);
        let digest = signed.decode().unwrap().digest;
        let signed = Arc::new(signed);
        let entry = Entry { signed, digest, valid_until_ms: 1_000_000, since_ms, handed: false, lost: None };
        (("de-bamf".into(), TransactionId([id; 16])), entry)
    }

    #[test]
    fn what_is_kept_is_read_back_and_what_is_torn_is_not() {
        let (key, kept) = entry(1, 77);
        let whole = bytes(&kept);
        assert_eq!(read(&whole), Some((key, kept)));
        for length in 0..whole.len() {
            assert_eq!(read(&whole[..length]), None, "{length}");
        }
        for place in [0, 33, 40, whole.len() - 1] {
            let mut other = whole.clone();
            other[place] ^= 1;
            assert_eq!(read(&other), None, "{place}");
        }
    }

    #[test]
    fn the_next_start_finds_what_was_written_whole_and_deletes_the_rest() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (entry(1, 5), entry(2, 9));
        for (key, entry) in [&two, &one] {
            write(folder.path(), &name(key), &bytes(entry)).unwrap();
        }
        let torn = folder.path().join("de-bamf.00.part");
        fs::write(&torn, b"half").unwrap();
        // Under another's name it would be forgotten for the other.
        fs::write(folder.path().join("elsewhere"), bytes(&one.1)).unwrap();
        let kept = Kept::open(folder.path().into()).unwrap();
        assert_eq!(kept.all(), [one.clone(), two.clone()]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        let late = |now_ms| kept.late(now_ms).iter().map(|late| late.since_ms).collect::<Vec<_>>();
        assert_eq!((late(5 + LATE_MS - 1), late(5 + LATE_MS), late(9 + LATE_MS)), (vec![], vec![5], vec![5, 9]));
        kept.forget(&one.0);
        assert_eq!(Kept::open(folder.path().into()).unwrap().all(), [two]);
    }

    #[test]
    fn what_is_over_is_kept_and_told_for_a_day_and_then_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let entries = [entry(1, 5), entry(2, 9)];
        for (key, entry) in &entries {
            write(folder.path(), &name(key), &bytes(entry)).unwrap();
        }
        let kept = Kept::open(folder.path().into()).unwrap();
        let ids = |entries: Vec<(Key, Entry)>| entries.into_iter().map(|((_, id), _)| id.0[0]).collect::<Vec<_>>();
        // It is handed over even after its end: why it is not taken is the driver's to say, and the alarm's to tell.
        let end_ms = entries[0].1.valid_until_ms;
        assert_eq!(ids(kept.sift(end_ms + 1, |_| false)), [1, 2]);
        kept.entries().get_mut(&entries[0].0).unwrap().lost = Some(RefusalReason::Expired);
        assert_eq!(ids(kept.sift(end_ms + LOST_MS, |_| false)), [2], "a refusal is final");
        let lost = |late: Vec<Late>| late.into_iter().map(|late| (late.id.0[0], late.lost)).collect::<Vec<_>>();
        let told = lost(kept.late(end_ms + LOST_MS));
        assert_eq!(told, [(1, Some(RefusalReason::Expired)), (2, None)], "for a day the alarm stands");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);

        // One has become final after all; the day of the other is over.
        assert_eq!(ids(kept.sift(end_ms + LOST_MS, |(_, id)| id.0[0] == 2)), [0; 0]);
        assert_eq!(ids(kept.all()), [1]);
        assert_eq!(ids(kept.sift(end_ms + LOST_MS + 1, |_| false)), [0; 0]);
        assert_eq!((kept.late(u64::MAX), fs::read_dir(folder.path()).unwrap().count()), (vec![], 0));
    }
}
