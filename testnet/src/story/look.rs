//! What is looked for at a node after a motion: lock and notice where the process tells of them, on the stream, too, and
//! nothing where it does not.

use std::time::{Duration, Instant};

use laufzettel_proto::v1;

use super::steps::{At, Book};
use super::told::Told;
use super::urgent::Motion;
use super::world::{PATIENCE, World};
use crate::cluster::Fault;

/// Whether a case as a node shows it has the lock of a motion and its urgent notice where the process tells of them, and
/// neither where it does not.
pub(super) fn stands(motion: &Motion, told: Told) -> impl Fn(&v1::Case) -> bool {
    move |view| {
        let notice = view.notices.iter().any(|notice| notice.code == motion.notice && notice.urgent);
        let lock = view.locks.iter().any(|lock| lock.code == motion.lock);
        Told { lock, notice } == told
    }
}

/// That a node which has the motion's block shows nothing of it to an authority whose business it is not: neither report,
/// lock and notice in the case, nor anything on its stream.
pub(super) async fn not_told(
    world: &World,
    (motion, node, case): (&Motion, &str, &[u8]),
    height: u64,
    book: &mut Book,
) -> Result<(), Fault> {
    let begun = Instant::now();
    let at_height = loop {
        let health = world.client(node)?.ledger.get_health(v1::GetHealthRequest {}).await?.into_inner();
        let at_height = health.position.unwrap_or_default().height;
        if at_height >= height || begun.elapsed() > PATIENCE {
            break at_height;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let request = v1::GetCaseRequest { case_id: case.to_vec(), ..v1::GetCaseRequest::default() };
    let view = match world.client(node)?.cases.get_case(request).await {
        Ok(answer) => answer.into_inner().view.unwrap_or_default(),
        // A case of which nothing is its business is not there for it.
        Err(status) if status.code() == tonic::Code::NotFound => v1::Case::default(),
        Err(status) => return Err(status.into()),
    };
    let request = v1::ListEventsRequest { case_id: case.to_vec(), ..v1::ListEventsRequest::default() };
    let events = world.client(node)?.cases.list_events(request).await?.into_inner().events;
    let reported = events.iter().any(|event| match &event.action {
        Some(v1::event::Action::Report(report)) => report.status == motion.status,
        _ => false,
    });
    let hidden = stands(motion, Told { lock: false, notice: false })(&view);
    let streamed = world.feeds.get(node).is_some_and(|feed| feed.first(case, motion.notice).is_some());
    let held = at_height >= height && hidden && !reported && !streamed;
    let told = format!("{}: no report of it, no lock, no notice", motion.status);
    book.note("none of its business, not told", At::new(node, at_height, begun.elapsed()), held, told);
    Ok(())
}

/// What a subscriber got, in time.
pub(super) async fn streamed(
    world: &World,
    (node, case, code): (&str, &[u8], &str),
    (since, limit): (Instant, Duration),
    book: &mut Book,
) {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(arrival) = world.feeds.get(node).and_then(|feed| feed.first(case, code)) {
            let after = arrival.at.saturating_duration_since(since);
            let held = after <= limit && (arrival.urgent || !code.starts_with("stop_"));
            return book.note("streamed to the subscriber", At::new(node, arrival.height, after), held, code);
        }
        if Instant::now() > until {
            return book.note(
                "streamed to the subscriber",
                At::new(node, 0, PATIENCE),
                false,
                format!("never: {code}"),
            );
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
