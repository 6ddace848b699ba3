//! Pages of an inbox: rows of the index, which hold what is shown of them. No case is looked up for a page.

use laufzettel_chain::crypto;
use laufzettel_chain::ids::CaseId;
use laufzettel_chain::query::{self, Inbox, InboxRow};
use laufzettel_chain::registry::Registry;
use laufzettel_chain::storage::Read;
use laufzettel_contracts::effect::EffectId;
use laufzettel_proto::v1;
use prost::Message;

use crate::api::effects::{self, Followed, Reader};
use crate::api::paging;
use crate::api::reasons::Reason;
use crate::api::status::Failure;

/// Rows read from the index at once.
const BATCH: usize = 512;
/// Rows looked at for one page, so that a page of rare matches ends in time.
const ROWS_MAX: usize = 50_000;
/// Rows counted at once, and at the most.
const COUNT_BATCH: usize = 8_192;
const COUNTED_MAX: u64 = 1_000_000;
/// Longest cursor of a row taken from a client.
const CURSOR_MAX: usize = 128;

/// What a page is asked for.
pub(super) struct Wanted {
    pub(super) kind: Inbox,
    /// Due at or before this instant; 0 = whenever.
    pub(super) due_until_ms: u64,
    /// Due by block time.
    pub(super) overdue: bool,
    pub(super) size: usize,
    /// What a token is bound to.
    pub(super) filter: Vec<u8>,
    pub(super) token: String,
}

/// Entries, and the token of the next page; empty if this was the last.
pub(super) struct Page<T> {
    pub(super) entries: Vec<T>,
    pub(super) next: String,
}

/// An effect in its case.
pub(super) struct Found<'f> {
    pub(super) case: CaseId,
    pub(super) effect: EffectId,
    pub(super) followed: &'f Followed,
}

impl Found<'_> {
    /// It as a task.
    pub(super) fn task(&self) -> Option<v1::Task> {
        let mut tasks = self.followed.case.effects.tasks.iter();
        tasks.find(|task| task.origin.id == self.effect).map(|task| self.followed.task(task))
    }
    /// It as a deadline.
    pub(super) fn deadline(&self) -> Option<v1::Deadline> {
        let mut deadlines = self.followed.case.effects.deadlines.iter();
        let found = deadlines.find(|deadline| deadline.origin.id == self.effect);
        found.map(|deadline| self.followed.deadline(deadline))
    }
    /// It as a notice, or as the notice that a lock is gone or stands again.
    pub(super) fn notice(&self, reader: &Reader<'_>) -> Option<v1::Notice> {
        let mut notices = self.followed.case.effects.notices.iter();
        if let Some(notice) = notices.find(|notice| notice.origin.id == self.effect) {
            return Some(self.followed.notice(reader, notice));
        }
        let past = self.followed.case.history.past().get(&self.effect)?;
        past.asks().then(|| self.followed.of_lock(reader, &self.effect, past))
    }
}

fn digest(kind: Inbox, filter: &[u8]) -> [u8; 8] {
    let kind: u8 = match kind {
        Inbox::Tasks => 1,
        Inbox::Notices => 2,
        Inbox::Deadlines => 3,
    };
    let digest = crypto::hash_parts("inbox filter", &[&[kind], filter]);
    let mut short = [0; 8];
    short.copy_from_slice(digest.split_at(8).0);
    short
}

fn write_token(kind: Inbox, filter: &[u8], cursor: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&[&digest(kind, filter), cursor].concat())
}

fn read_token(kind: Inbox, filter: &[u8], token: &str) -> Result<Option<Vec<u8>>, Failure> {
    if token.is_empty() {
        return Ok(None);
    }
    let cursor = || {
        let bytes = data_encoding::HEXLOWER.decode(token.as_bytes()).ok()?;
        let (bound, cursor) = bytes.split_at_checked(8)?;
        (bound == digest(kind, filter) && cursor.len() <= CURSOR_MAX).then(|| cursor.to_vec())
    };
    cursor().map(Some).ok_or_else(|| Failure::new(Reason::PageTokenInvalid))
}

impl Wanted {
    /// The page of a request; `filter` is the request without what names the page.
    pub(super) fn of(
        kind: Inbox,
        (due_until_ms, overdue): (u64, bool),
        filter: &impl Message,
        (size, token): (i32, String),
    ) -> Result<Self, Failure> {
        let (size, filter) = (paging::size(size)?, filter.encode_to_vec());
        Ok(Self { kind, due_until_ms, overdue, size, filter, token })
    }

    /// Whether a row can match, by its due instant.
    fn in_time(&self, row: &InboxRow, now_ms: u64) -> bool {
        let until = |limit: u64| row.due_ms.is_some_and(|due_ms| due_ms <= limit);
        (self.due_until_ms == 0 || until(self.due_until_ms)) && (!self.overdue || until(now_ms))
    }
}

/// A page of an inbox.
pub(super) fn page<T>(
    read: &dyn Read,
    registry: &Registry,
    reader: &Reader<'_>,
    wanted: &Wanted,
    now_ms: u64,
    show: &dyn Fn(Found<'_>) -> Option<T>,
) -> Result<Page<T>, Failure> {
    let mut after = read_token(wanted.kind, &wanted.filter, &wanted.token)?;
    let (mut entries, mut rows_seen) = (Vec::new(), 0usize);
    let batch = wanted.size.saturating_add(1).min(BATCH);
    loop {
        let rows = query::inbox(read, reader.authority, wanted.kind, after.as_deref(), batch)?;
        for row in &rows {
            if entries.len() >= wanted.size || rows_seen >= ROWS_MAX {
                let next = after.map(|after| write_token(wanted.kind, &wanted.filter, &after));
                return Ok(Page { entries, next: next.unwrap_or_default() });
            }
            rows_seen = rows_seen.saturating_add(1);
            after = Some(row.cursor.clone());
            if !wanted.in_time(row, now_ms) {
                // What is not urgent stands by due instant: nothing that follows is in time.
                if !row.urgent {
                    return Ok(Page { entries, next: String::new() });
                }
                continue;
            }
            let followed = effects::waiting(read, registry, row, now_ms)?;
            let followed = followed.as_ref();
            let found = followed.map(|followed| Found { case: row.case, effect: row.effect, followed });
            entries.extend(found.and_then(show));
        }
        if rows.len() < batch {
            return Ok(Page { entries, next: String::new() });
        }
    }
}

/// How much of a list there is, by the index alone.
pub(super) fn count(read: &dyn Read, authority: &str, kind: Inbox, now_ms: u64) -> Result<v1::InboxCount, Failure> {
    let mut count = v1::InboxCount::default();
    let mut after = None;
    loop {
        let rows = query::inbox(read, authority, kind, after.as_deref(), COUNT_BATCH)?;
        for row in &rows {
            count.all = count.all.saturating_add(1);
            let overdue = row.due_ms.is_some_and(|due_ms| due_ms <= now_ms);
            count.overdue = count.overdue.saturating_add(u64::from(overdue));
        }
        let full = rows.len() == COUNT_BATCH;
        after = rows.into_iter().next_back().map(|row| row.cursor);
        if !full || count.all >= COUNTED_MAX {
            count.more = full;
            return Ok(count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_bound_to_its_list_and_filter() {
        let token = write_token(Inbox::Tasks, b"filter", &[1, 2, 3]);
        assert_eq!(read_token(Inbox::Tasks, b"filter", &token).unwrap(), Some(vec![1, 2, 3]));
        assert_eq!(read_token(Inbox::Tasks, b"filter", "").unwrap(), None);
        assert!(read_token(Inbox::Notices, b"filter", &token).is_err());
        assert!(read_token(Inbox::Tasks, b"other", &token).is_err());
        for wrong in ["zz", "00", &write_token(Inbox::Tasks, b"filter", &[0; CURSOR_MAX + 1])] {
            assert!(read_token(Inbox::Tasks, b"filter", wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn rows_are_chosen_by_their_due_instant() {
        let wanted = |due_until_ms, overdue| Wanted {
            kind: Inbox::Tasks,
            due_until_ms,
            overdue,
            size: 1,
            filter: Vec::new(),
            token: String::new(),
        };
        let row = |due_ms| InboxRow {
            cursor: vec![],
            case: CaseId([1; 16]),
            effect: EffectId([2; 16]),
            due_ms,
            urgent: false,
            bytes: vec![],
        };
        // Due at 5, 10, 11 and never; now is 10.
        let chosen = |wanted: Wanted| [Some(5), Some(10), Some(11), None].map(|due| wanted.in_time(&row(due), 10));
        assert_eq!(chosen(wanted(0, false)), [true, true, true, true]);
        assert_eq!(chosen(wanted(0, true)), [true, true, false, false]);
        assert_eq!(chosen(wanted(11, false)), [true, true, true, false]);
        assert_eq!(chosen(wanted(5, true)), [true, false, false, false]);
    }
}
