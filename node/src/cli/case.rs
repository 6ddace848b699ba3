//! `laufzettel case`: shows cases and their events.

mod clearance;
mod deviations;
pub(super) mod effects;
mod explain;
pub(super) mod history;
mod show;

use clap::{Args, Subcommand};
use laufzettel_contracts::When;
use laufzettel_proto::v1;
use serde_json::{Value, json};

use super::client::Target;
use super::fault::Fault;
use super::output::Output;
use super::words::{case_id, case_text, hex, instant_text, when, when_text};

/// Subcommands of `case`.
#[derive(Debug, Subcommand)]
pub(super) enum Case {
    /// Where a case stands.
    Show(show::Show),
    /// What was reported on a case.
    Events {
        /// The case.
        case: String,
    },
    /// Cases, page by page.
    List(List),
    /// Why each deadline, task, notice, lock and marker is there.
    Explain(explain::Explain),
    /// Whether a lock stands against an act, asked right before it; recorded on the ledger.
    Clearance(clearance::Clearance),
}

/// Arguments of `case list`.
#[derive(Debug, Args)]
pub(super) struct List {
    /// Cases in which this authority has reported.
    #[arg(long, default_value = "")]
    authority: String,
    /// Cases with this current status.
    #[arg(long, default_value = "")]
    status: String,
    /// Cases that are not closed.
    #[arg(long)]
    open: bool,
    /// Cases where something falls due before the end of this day or before this instant.
    #[arg(long, value_name = "WHEN")]
    due_before: Option<String>,
    /// Most cases shown.
    #[arg(long, default_value_t = 50)]
    limit: usize,
}

impl Case {
    pub(super) async fn run(&self, target: &Target, output: &Output) -> Result<(), Fault> {
        match self {
            Self::Show(show) => show.run(target, output).await,
            Self::Events { case } => events(case, target, output).await,
            Self::List(list) => list.run(target, output).await,
            Self::Explain(explain) => explain.run(target, output).await,
            Self::Clearance(clearance) => clearance.run(target, output).await,
        }
    }
}

fn tracks_json(case: &v1::Case) -> Vec<Value> {
    let track = |track: &v1::TrackStatus| {
        json!({ "track": track.track, "status": track.status, "occurred": when_text(track.occurred.as_ref()),
                "outcome": track.outcome, "authority": track.authority, "announcement": track.announcement,
                "slot": hex(&track.slot) })
    };
    case.tracks.iter().map(track).collect()
}

/// A count that is told only to those who see all that it counts.
fn counted(count: u64) -> Option<u64> {
    (count > 0).then_some(count)
}

fn case_json(case: &v1::Case) -> Value {
    json!({
        "case": case_text(&case.case_id), "definition": case.definition, "version": case.definition_version,
        "revision": counted(case.revision), "opened_height": case.opened_height, "changed_height": case.changed_height,
        "open": case.open, "headline_track": case.headline_track, "partial": case.partial, "tracks": tracks_json(case),
        "authorities": case.participants,
        "deviations": case.deviations.iter().map(deviation_json).collect::<Vec<_>>(),
    })
}

fn deviation_json(found: &v1::Deviation) -> Value {
    let mut json = json!({ "slot": hex(&found.slot), "code": found.code });
    // Of guards and locks there is more to say; what language 1 has looks as it always did.
    if let Some(map) = json.as_object_mut()
        && (found.grave || !found.name.is_empty() || !found.lock.is_empty())
    {
        map.insert("name".into(), found.name.clone().into());
        map.insert("grave".into(), found.grave.into());
        map.insert("lock".into(), hex(&found.lock).into());
    }
    json
}

/// How many there are, and how many of them are grave.
fn deviations_text(case: &v1::Case) -> String {
    let (all, grave) = (case.deviations.len(), case.deviations.iter().filter(|found| found.grave).count());
    if grave == 0 { all.to_string() } else { format!("{all}, {grave} of them grave") }
}

/// The end of a day, or an instant, as an argument gives it.
pub(super) fn end_of(argument: &str, text: &str) -> Result<u64, Fault> {
    let ms = match when(text)?.at {
        Some(v1::when::At::Day(day)) => When::Day(day).end_ms(),
        Some(v1::when::At::InstantMs(ms)) => When::Instant(ms).end_ms(),
        None => 0,
    };
    let early = || Fault::usage(format!("{argument} {text:?} lies before all reports"));
    u64::try_from(ms).ok().filter(|ms| *ms > 0).ok_or_else(early)
}

impl List {
    async fn run(&self, target: &Target, output: &Output) -> Result<(), Fault> {
        let mut client = target.cases().await?;
        let openness = if self.open { v1::CaseOpenness::Open } else { v1::CaseOpenness::Unspecified };
        let filter = v1::CaseFilter {
            authority: self.authority.clone(),
            status: self.status.clone(),
            openness: openness.into(),
            due_before_ms: self.due_before.as_deref().map_or(Ok(0), |text| end_of("--due-before", text))?,
            ..v1::CaseFilter::default()
        };
        let (mut cases, mut page_token) = (Vec::new(), String::new());
        loop {
            let left = self.limit.saturating_sub(cases.len()).min(1_000);
            let request = v1::ListCasesRequest {
                filter: Some(filter.clone()),
                page_size: i32::try_from(left).unwrap_or(1_000),
                page_token,
                read_at: None,
            };
            let page = client.list_cases(request).await.map_err(|status| Fault::refused(&status))?.into_inner();
            cases.extend(page.cases);
            page_token = page.next_page_token;
            if page_token.is_empty() || cases.len() >= self.limit {
                break;
            }
        }
        let rows = cases.iter().map(|case| {
            let headline = case.tracks.iter().find(|track| track.track == case.headline_track);
            let (status, occurred) = headline
                .map_or_else(Default::default, |track| (track.status.clone(), when_text(track.occurred.as_ref())));
            let open = if case.open { "open" } else { "closed" };
            vec![case_text(&case.case_id), status, occurred, open.into(), case.changed_height.to_string()]
        });
        let json: Vec<_> = cases.iter().map(case_json).collect();
        output.list(&["case", "status", "occurred", "", "last change"], rows.collect(), &json.into());
        if !page_token.is_empty() {
            output.say("there are more; raise --limit");
        }
        Ok(())
    }
}

/// What an event says, in a few words.
pub(super) fn action_text(event: &v1::Event) -> String {
    use v1::event::Action;
    match &event.action {
        Some(Action::Report(report)) => format!("{} {}", report.status, report.outcome).trim_end().to_owned(),
        Some(Action::Correct(correct)) => {
            let status = correct.report.as_ref().map(|report| report.status.as_str()).unwrap_or_default();
            format!("correction: {status}")
        }
        Some(Action::Retract(retract)) => format!("retraction: {}", retract.reason),
        None => "not shown: erased, or not for this reader".into(),
    }
}

fn occurred(event: &v1::Event) -> String {
    use v1::event::Action;
    let report = match &event.action {
        Some(Action::Report(report)) => Some(report),
        Some(Action::Correct(correct)) => correct.report.as_ref(),
        _ => None,
    };
    when_text(report.and_then(|report| report.occurred.as_ref()))
}

/// An event as JSON.
pub(super) fn event_json(event: &v1::Event) -> Value {
    json!({
        "cursor": event.cursor, "case": case_text(&event.case_id), "height": event.height,
        "transaction": event.transaction_index, "item": event.item_index, "block_time_ms": event.block_time_ms,
        "authority": event.authority, "item_digest": hex(&event.item_digest), "slot": hex(&event.slot), "deviation": event.deviation,
        "revision": counted(event.case_revision), "what": action_text(event), "occurred": occurred(event),
    })
}

async fn events(case: &str, target: &Target, output: &Output) -> Result<(), Fault> {
    let events = history::fetch(target, &case_id(case)?.0, None).await?;
    let rows = events.iter().map(|event| {
        let mark = if event.deviation { "deviation" } else { "" };
        vec![
            occurred(event),
            action_text(event),
            event.authority.clone(),
            instant_text(event.block_time_ms),
            mark.into(),
        ]
    });
    let json: Vec<_> = events.iter().map(event_json).collect();
    output.list(&["occurred", "what", "by", "final since", ""], rows.collect(), &json.into());
    Ok(())
}
