//! `laufzettel watch`: events as they become final, one a line. The last
//! cursor printed resumes the feed. When the node goes away, the feed goes on
//! by itself where it ended, as soon as the node is back: nothing is left out
//! and nothing shown twice.

use std::time::Duration;

use clap::Args;
use laufzettel_proto::v1;
use serde_json::json;
use tonic::{Code, Status, Streaming};
use tonic_types::StatusExt as _;

use super::case::{action_text, event_json};
use super::client::Target;
use super::fault::Fault;
use super::output::Output;
use super::words::{case_id, case_text, instant_text};

/// Arguments of `watch`.
#[derive(Debug, Args)]
pub(super) struct Watch {
    /// Events of this case only.
    #[arg(long)]
    case: Option<String>,
    /// Go on after this cursor.
    #[arg(long, conflicts_with = "from_beginning")]
    after: Option<String>,
    /// Begin with the first event kept.
    #[arg(long)]
    from_beginning: bool,
    /// End once everything that is there was shown.
    #[arg(long)]
    until_now: bool,
}

/// Pauses between two tries to reach a node that went away.
pub(super) const PAUSE_FIRST: Duration = Duration::from_millis(200);
pub(super) const PAUSE_MAX: Duration = Duration::from_secs(10);
/// A feed sends a checkpoint every 10 s; one that is silent for longer than this is dead.
const SILENCE_MAX: Duration = Duration::from_secs(45);

type Feed = Streaming<v1::WatchEventsResponse>;

/// How a feed ended.
pub(super) enum Ended {
    /// Everything that was wanted was shown.
    Done,
    /// The node is gone; in its own words.
    Lost(String),
    /// The node refuses to go on.
    Refused(Fault),
}

/// The next message of a feed, or how it ended.
pub(super) async fn next<M>(feed: &mut Streaming<M>) -> Result<M, Ended> {
    match tokio::time::timeout(SILENCE_MAX, feed.message()).await {
        Ok(Ok(Some(message))) => Ok(message),
        Ok(Ok(None)) => Err(Ended::Lost("the node ended it".to_owned())),
        Ok(Err(status)) if is_loss(&status) => Err(Ended::Lost(status.message().to_owned())),
        Ok(Err(status)) => Err(Ended::Refused(Fault::refused(&status))),
        Err(_) => Err(Ended::Lost(format!("nothing came for {} s", SILENCE_MAX.as_secs()))),
    }
}

/// Whether another try may help: the node stops or is gone, rather than refuses.
fn is_loss(status: &Status) -> bool {
    let without_reason = status.get_error_details().error_info().is_none();
    match status.code() {
        Code::Unavailable | Code::DeadlineExceeded => true,
        // A connection that breaks has no reason of ours.
        Code::Unknown | Code::Internal | Code::Cancelled => without_reason,
        _ => false,
    }
}

impl Watch {
    pub(super) async fn run(&self, target: &Target, output: &Output) -> Result<(), Fault> {
        let case = self.case.as_deref().map(case_id).transpose()?;
        let case = case.map(|case| case.0.to_vec()).unwrap_or_default();
        let mut cursor = self.after.clone();
        // The first time a fault is the user's to see: a wrong address does not get better by trying.
        let mut feed = self.open(target, &case, cursor.as_deref()).await?;
        loop {
            let lost = match self.follow(&mut feed, &mut cursor, output).await {
                Ended::Done => return Ok(()),
                Ended::Refused(fault) => return Err(fault),
                Ended::Lost(why) => why,
            };
            output.note(&format!("-- the feed broke off ({lost}); trying until the node is back"));
            feed = self.reopen(target, &case, cursor.as_deref()).await?;
            output.note("-- the node is back; going on where the feed broke off");
        }
    }

    async fn open(&self, target: &Target, case: &[u8], cursor: Option<&str>) -> Result<Feed, Fault> {
        use v1::watch_events_request::Start;
        let start = match cursor {
            Some(cursor) => Start::AfterCursor(cursor.to_owned()),
            None if self.from_beginning => Start::FromBeginning(true),
            None => Start::FromNow(true),
        };
        let request = v1::WatchEventsRequest { start: Some(start), case_id: case.to_vec(), checkpoint_interval_ms: 0 };
        let feed = target.cases().await?.watch_events(request).await;
        Ok(feed.map_err(|status| Fault::refused(&status))?.into_inner())
    }

    /// Tries until the node is there again, or says that it will not.
    async fn reopen(&self, target: &Target, case: &[u8], cursor: Option<&str>) -> Result<Feed, Fault> {
        let mut pause = PAUSE_FIRST;
        loop {
            tokio::time::sleep(pause).await;
            match self.open(target, case, cursor).await {
                Ok(feed) => return Ok(feed),
                Err(fault) if fault.is_unreachable() => {}
                Err(fault) => return Err(fault),
            }
            pause = pause.saturating_mul(2).min(PAUSE_MAX);
        }
    }

    /// Prints what comes, and keeps the cursor of the last message printed.
    async fn follow(&self, feed: &mut Feed, cursor: &mut Option<String>, output: &Output) -> Ended {
        use v1::watch_events_response::Message;
        loop {
            let message = match next(feed).await {
                Ok(message) => message.message,
                Err(ended) => return ended,
            };
            match message {
                Some(Message::Event(event)) => {
                    let (time, case) = (instant_text(event.block_time_ms), case_text(&event.case_id));
                    let text = format!("{time}  {case}  {}  {}", event.authority, action_text(&event));
                    output.entry(&text, &event_json(&event));
                    *cursor = Some(event.cursor);
                }
                Some(Message::CaughtUp(caught_up)) => {
                    let text = format!("-- up to date; cursor {}", caught_up.cursor);
                    output.entry(&text, &json!({ "caught_up": caught_up.cursor }));
                    *cursor = Some(caught_up.cursor);
                    if self.until_now {
                        return Ended::Done;
                    }
                }
                Some(Message::Checkpoint(checkpoint)) => {
                    output.entry_json_only(&json!({ "checkpoint": checkpoint.cursor }));
                    *cursor = Some(checkpoint.cursor);
                }
                None => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::reasons::Reason;
    use crate::api::status::Failure;

    #[test]
    fn a_node_that_is_gone_is_waited_for_and_a_refusal_is_not() {
        assert!(is_loss(&Failure::new(Reason::Stopping).into()));
        assert!(is_loss(&Status::unknown("h2 protocol error: error reading a body from connection")));
        assert!(!is_loss(&Failure::new(Reason::CursorInvalid).into()));
        assert!(!is_loss(&Failure::new(Reason::InternalFault).into()));
    }
}
