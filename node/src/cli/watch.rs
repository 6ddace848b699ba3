//! `laufzettel watch`: events as they become final, one a line. The last
//! cursor printed resumes the feed.

use clap::Args;
use laufzettel_proto::v1;
use serde_json::json;

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

impl Watch {
    pub(super) async fn run(&self, target: &Target, output: &Output) -> Result<(), Fault> {
        use v1::watch_events_request::Start;
        use v1::watch_events_response::Message;
        let start = match &self.after {
            Some(cursor) => Start::AfterCursor(cursor.clone()),
            None if self.from_beginning => Start::FromBeginning(true),
            None => Start::FromNow(true),
        };
        let case = self.case.as_deref().map(case_id).transpose()?;
        let request = v1::WatchEventsRequest {
            start: Some(start),
            case_id: case.map(|case| case.0.to_vec()).unwrap_or_default(),
            checkpoint_interval_ms: 0,
        };
        let feed = target.cases().await?.watch_events(request).await;
        let mut feed = feed.map_err(|status| Fault::refused(&status))?.into_inner();
        loop {
            let message = feed.message().await.map_err(|status| Fault::refused(&status))?;
            match message.and_then(|message| message.message) {
                Some(Message::Event(event)) => {
                    let (time, case) = (instant_text(event.block_time_ms), case_text(&event.case_id));
                    let text = format!("{time}  {case}  {}  {}", event.authority, action_text(&event));
                    output.entry(&text, &event_json(&event));
                }
                Some(Message::CaughtUp(caught_up)) => {
                    let text = format!("-- up to date; cursor {}", caught_up.cursor);
                    output.entry(&text, &json!({ "caught_up": caught_up.cursor }));
                    if self.until_now {
                        return Ok(());
                    }
                }
                Some(Message::Checkpoint(checkpoint)) => {
                    output.entry_json_only(&json!({ "checkpoint": checkpoint.cursor }));
                }
                None => return Err(Fault::unreachable("the node ended the feed without a reason")),
            }
        }
    }
}
