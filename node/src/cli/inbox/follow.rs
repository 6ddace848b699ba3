//! `laufzettel tasks watch`: tasks and notices as they come and go, one a line. When the node goes away, it goes on by
//! itself as soon as the node is back.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use laufzettel_proto::v1;
use serde_json::json;
use tokio::time::sleep;
use tonic::Streaming;

use super::of_case;
use crate::cli::case::effects::{label, notice_json, notice_text, task_json};
use crate::cli::client::Target;
use crate::cli::fault::Fault;
use crate::cli::output::Output;
use crate::cli::watch::{Ended, PAUSE_FIRST, PAUSE_MAX, next};
use crate::cli::words::{case_text, hex, instant_text, when_text};
use crate::clock::now_ms;

/// Arguments of `tasks watch`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Follow {
    /// Leave out what was there at this cursor.
    #[arg(long)]
    after: Option<String>,
    /// End once everything that is there was shown.
    #[arg(long)]
    until_now: bool,
}

type Feed = Streaming<v1::WatchInboxResponse>;

impl Follow {
    pub(super) async fn run(&self, target: &Target, output: &Output) -> Result<(), Fault> {
        let mut cursor = self.after.clone().unwrap_or_default();
        // The first time a fault is the user's to see: a wrong address does not get better by trying.
        let mut feed = open(target, &cursor).await?;
        let mut shown = BTreeMap::new();
        for connection in 0_u64.. {
            let lost = match self.follow(&mut feed, (&mut cursor, &mut shown, connection == 0), output).await {
                Ended::Done => return Ok(()),
                Ended::Refused(fault) => return Err(fault),
                Ended::Lost(why) => why,
            };
            output.note(&format!("-- the feed broke off ({lost}); trying until the node is back"));
            feed = reopen(target, &cursor).await?;
            output.note("-- the node is back; what has ended meanwhile is not told: `tasks list` has what is there");
        }
        Ok(())
    }

    /// Prints what comes, and keeps the cursor of the last message and what is there. What was there at the cursor of the
    /// first connection was shown by an earlier run.
    async fn follow(
        &self,
        feed: &mut Feed,
        (cursor, there, first): (&mut String, &mut BTreeMap<Vec<u8>, String>, bool),
        output: &Output,
    ) -> Ended {
        use v1::watch_inbox_response::Message;
        loop {
            let message = match next(feed).await {
                Ok(message) => message.message,
                Err(ended) => return ended,
            };
            match message {
                Some(Message::Entry(entry)) => {
                    let (id, name) = named(&entry);
                    let new = there.insert(id, name).is_none();
                    if !entry.earlier || (new && !first) {
                        show(&entry, output);
                    }
                }
                Some(Message::Gone(gone)) => {
                    let name = there.remove(&gone.effect_id).unwrap_or_default();
                    let (case, effect, now) = (case_text(&gone.case_id), hex(&gone.effect_id), instant_text(now_ms()));
                    let json = json!({ "gone": effect, "case": case, "code": name });
                    output.entry(&format!("{now}  gone    {case}  {name} ({effect})"), &json);
                }
                Some(Message::CaughtUp(progress)) => {
                    let text = format!("-- up to date; cursor {}", progress.cursor);
                    output.entry(&text, &json!({ "caught_up": progress.cursor }));
                    *cursor = progress.cursor;
                    if self.until_now {
                        return Ended::Done;
                    }
                }
                Some(Message::Checkpoint(progress)) => {
                    output.entry_json_only(&json!({ "checkpoint": progress.cursor }));
                    *cursor = progress.cursor;
                }
                Some(Message::Overfull(_)) => {
                    output.note("-- the inbox holds more than the feed follows; `tasks list` has the rest");
                }
                None => {}
            }
        }
    }
}

async fn open(target: &Target, cursor: &str) -> Result<Feed, Fault> {
    let request = v1::WatchInboxRequest { after_cursor: cursor.to_owned(), checkpoint_interval_ms: 0 };
    let feed = target.tasks().await?.watch_inbox(request).await;
    Ok(feed.map_err(|status| Fault::refused(&status))?.into_inner())
}

/// Tries until the node is there again, or says that it will not.
async fn reopen(target: &Target, cursor: &str) -> Result<Feed, Fault> {
    let mut pause: Duration = PAUSE_FIRST;
    loop {
        sleep(pause).await;
        match open(target, cursor).await {
            Ok(feed) => return Ok(feed),
            Err(fault) if fault.is_unreachable() => {}
            Err(fault) => return Err(fault),
        }
        pause = pause.saturating_mul(2).min(PAUSE_MAX);
    }
}

/// The id and the code of what has come.
fn named(entry: &v1::InboxEntry) -> (Vec<u8>, String) {
    use v1::inbox_entry::What;
    match &entry.what {
        Some(What::Task(task)) => (task.effect_id.clone(), task.code.clone()),
        Some(What::Notice(notice)) => (notice.effect_id.clone(), notice.code.clone()),
        None => (Vec::new(), String::new()),
    }
}

fn show(entry: &v1::InboxEntry, output: &Output) {
    use v1::inbox_entry::What;
    let case = case_text(&entry.case_id);
    match &entry.what {
        Some(What::Task(task)) => {
            let (name, due) = (label(task.labels.as_ref(), &task.code), when_text(task.due_day.as_ref()));
            let due = if due.is_empty() { due } else { format!(", due {due}") };
            let json = of_case(&entry.case_id, json!({ "task": task_json(task) }));
            let (since, id) = (instant_text(task.since_ms), hex(&task.effect_id));
            output.entry(&format!("{since}  task    {case}  {}: {name}{due} ({id})", task.code), &json);
        }
        Some(What::Notice(notice)) => {
            let urgent = if notice.urgent { "urgent " } else { "" };
            let acknowledge = if notice.to_acknowledge { ", to be acknowledged" } else { "" };
            let (since, id) = (instant_text(notice.since_ms), hex(&notice.effect_id));
            let text = format!(
                "{since}  notice  {case}  {urgent}{}: {}{acknowledge} ({id})",
                notice.code,
                notice_text(notice)
            );
            output.entry(&text, &of_case(&entry.case_id, json!({ "notice": notice_json(notice) })));
        }
        None => {}
    }
}
