//! The two circumstances in which somebody is cut off: the enforcing authority, which must not be told that no lock is
//! known; and the reporting one with the motion in its mempool, so that nobody can know of it, and nobody must be told so
//! for longer than a beat counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures::future::join_all;
use laufzettel_proto::v1;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

use super::look::{not_told, stands, streamed};
use super::steps::{At, Book};
use super::told::Told;
use super::urgent::{Motion, verdict_text};
use super::world::{CENTRAL, COURT, FOREIGNERS, OFFICE, PATIENCE, POLICE, Said, World};
use crate::cluster::Fault;

/// A beat counts for so long.
const BEAT: Duration = Duration::from_secs(15);
/// The alarm at the reporter's node comes after this, and not much later.
const ALARM: Duration = Duration::from_secs(10);
const ALARM_LATE: Duration = Duration::from_secs(13);
/// For so long the reporter stays cut off.
const CUT: Duration = Duration::from_secs(21);
/// After healing there is no promise but that it comes.
const HEALED: Duration = Duration::from_secs(20);

/// The enforcing authority, cut off while the motion is final at all others, asks for clearance and is not told that no
/// lock is known. Then it is healed, and the lock is there.
pub(super) async fn enforcer(world: &World, (motion, case): (&Motion, &[u8]), book: &mut Book) -> Result<(), Fault> {
    let begun = Instant::now();
    let answer = world.clearance(FOREIGNERS, case).await?;
    let named: Vec<&str> = answer
        .sources
        .iter()
        .filter(|source| !source.roles.is_empty())
        .map(|source| source.authority.as_str())
        .collect();
    let words = answer.explanation.clone().unwrap_or_default().en;
    let phones = words.contains("Federal Office for Migration and Refugees") && words.contains("Administrative Court");
    let held = answer.verdict() == v1::ClearanceVerdict::NotCurrent && named == [OFFICE, COURT] && phones;
    let at = At::new(FOREIGNERS, 0, begun.elapsed());
    book.note("clearance at the enforcer: not current", at, held, format!("{}: {words}", verdict_text(&answer)));
    let begun = Instant::now();
    world.links.heal();
    let told = Told::of(&world.cluster.genesis, motion, FOREIGNERS)?;
    let seen = world.sees((FOREIGNERS, case), begun, stands(motion, told)).await?;
    book.seen("healed: lock and urgent notice", FOREIGNERS, seen.as_ref(), HEALED, motion.lock);
    streamed(world, (FOREIGNERS, case, motion.notice), (begun, HEALED), book).await;
    Ok(())
}

/// One answer to a check at another node.
struct Asked {
    node: &'static str,
    case: Vec<u8>,
    /// After the cut.
    answered: Duration,
    answer: v1::CheckClearanceResponse,
}

/// The motion is filed at a node that is cut off. When it became known to the others.
pub(super) async fn reporter(
    world: &World,
    (motion, case): (&Motion, &[u8]),
    book: &mut Book,
) -> Result<Instant, Fault> {
    world.cut_off(motion.by);
    let cut = Instant::now();
    book.note("the reporter is cut off", At::new(motion.by, 0, Duration::ZERO), true, "from all others");
    let submitted = Instant::now();
    let outcome = world.report(Said::new(motion.by, case, motion.status), v1::WaitPolicy::Accepted).await?;
    let pending = outcome.state() == v1::TransactionState::Pending;
    book.note(
        "motion in its mempool",
        At::new(motion.by, 0, submitted.elapsed()),
        pending,
        outcome.state().as_str_name(),
    );
    let over = Arc::new(AtomicBool::new(false));
    let others = [OFFICE, COURT, FOREIGNERS, CENTRAL, POLICE].into_iter().filter(|node| *node != motion.by);
    let asking = join_all(others.map(|node| ask(world, (node, case), cut, over.clone())));
    let watching = async {
        let alarm = alarm(world, motion.by, &outcome.transaction_id, submitted).await;
        tokio::time::sleep(CUT.saturating_sub(cut.elapsed())).await;
        over.store(true, Ordering::Relaxed);
        alarm
    };
    let (answers, alarm) = tokio::join!(asking, watching);
    let mut answers: Vec<Asked> = answers.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
    answers.sort_by_key(|asked| asked.answered);
    judge(world, &answers, motion.by, book);
    alarmed(world, motion.by, alarm?, book).await?;

    let healed = Instant::now();
    world.links.heal();
    let mut told = Vec::new();
    for node in [OFFICE, COURT, FOREIGNERS, CENTRAL, POLICE] {
        told.push((node, Told::of(&world.cluster.genesis, motion, node)?));
    }
    let (strangers, told): (Vec<_>, Vec<_>) = told.into_iter().partition(|(_, told)| told.is_nothing());
    let looks = join_all(told.iter().map(|(node, told)| world.sees((node, case), healed, stands(motion, *told)))).await;
    let mut height = u64::MAX;
    for ((node, _), look) in told.iter().zip(looks) {
        let look = look?;
        height = height.min(look.as_ref().map_or(u64::MAX, |seen| seen.height));
        book.seen("healed: lock and urgent notice", node, look.as_ref(), HEALED, motion.lock);
    }
    for (node, _) in strangers {
        not_told(world, (motion, node, case), height, book).await?;
    }
    let after = world.clearance(FOREIGNERS, case).await?;
    let height = after.outcome.as_ref().map_or(0, |outcome| outcome.height);
    let at = At::new(FOREIGNERS, height, healed.elapsed());
    book.note("healed: clearance", at, after.verdict() == v1::ClearanceVerdict::Locked, verdict_text(&after));
    cleared(world, motion.by, healed, book).await?;
    Ok(healed)
}

/// Asks for clearance again and again until it is over.
async fn ask(
    world: &World,
    (node, case): (&'static str, &[u8]),
    cut: Instant,
    over: Arc<AtomicBool>,
) -> Result<Vec<Asked>, Fault> {
    let mut answers = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let answer = world.clearance(node, case).await?;
        answers.push(Asked { node, case: case.to_vec(), answered: cut.elapsed(), answer });
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    Ok(answers)
}

/// What the others were told while the motion was where nobody saw it.
fn judge(world: &World, answers: &[Asked], reporter: &str, book: &mut Book) {
    for asked in answers {
        let no_lock = asked.answer.verdict() == v1::ClearanceVerdict::NoLockKnown;
        let names_it = asked
            .answer
            .sources
            .iter()
            .any(|source| source.authority == reporter && source.state() != v1::SourceState::Current);
        let held = if no_lock {
            // The beats must bear it, also as long as they count.
            asked.answered <= BEAT && matches!(world.proven(&asked.case, &asked.answer), Ok(Some(_)))
        } else {
            asked.answer.verdict() == v1::ClearanceVerdict::NotCurrent && names_it
        };
        let height = asked.answer.outcome.as_ref().map_or(0, |outcome| outcome.height);
        let at = At::new(asked.node, height, asked.answered);
        book.note("clearance while the reporter is cut off", at, held, verdict_text(&asked.answer));
    }
    let late = answers.iter().filter(|asked| asked.answered > BEAT).count();
    let at = At::new("", 0, BEAT);
    book.note("no NO_LOCK_KNOWN later than 15 s after the cut", at, late > 0, format!("{late} answers after that"));
}

/// Waits for the alarm at the reporter's node: when it came, and what it says.
async fn alarm(
    world: &World,
    node: &str,
    transaction: &[u8],
    submitted: Instant,
) -> Result<Option<(Duration, v1::UrgentAlarm)>, Fault> {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        let health = world.client(node)?.ledger.get_health(v1::GetHealthRequest {}).await?.into_inner();
        if let Some(alarm) = health.alarms.into_iter().find(|alarm| alarm.transaction_id == transaction) {
            return Ok(Some((submitted.elapsed(), alarm)));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(None)
}

/// The alarm came in time, and by every way: API, command line, metrics, log.
async fn alarmed(
    world: &World,
    node: &str,
    alarm: Option<(Duration, v1::UrgentAlarm)>,
    book: &mut Book,
) -> Result<(), Fault> {
    let (after, told) = alarm.map_or((PATIENCE, "no alarm".to_owned()), |(after, alarm)| {
        (after, format!("waiting since {} ms when first seen", alarm.waiting_ms))
    });
    let in_time = (ALARM..=ALARM_LATE).contains(&after);
    book.note("alarm at the reporter's node", At::new(node, 0, after), in_time, told);
    let profile = world.cluster.net.profile(node);
    let mut status = Command::new(world.cluster.program());
    let status = status.args(["status", "--output", "json", "--profile"]).arg(&profile).output().await?;
    let status = String::from_utf8_lossy(&status.stdout).into_owned();
    let shown: serde_json::Value = serde_json::from_str(&status).unwrap_or_default();
    let alarms = shown.get("alarms").and_then(serde_json::Value::as_array).map_or(0, Vec::len);
    book.note("`laufzettel status` shows it", At::new(node, 0, after), alarms == 1, format!("{alarms} alarms"));
    let metric = metric(world, node).await?;
    book.note(
        "the metric shows it",
        At::new(node, 0, after),
        metric == Some(1),
        format!("laufzettel_urgent_late {metric:?}"),
    );
    let log = std::fs::read_to_string(world.cluster.net.node_folder(node).join("node.log")).unwrap_or_default();
    let lines = log.lines().filter(|line| line.contains("ALARM: an urgent report")).count();
    book.note("the log tells it once", At::new(node, 0, after), lines >= 1, format!("{lines} lines so far"));
    Ok(())
}

/// How many alarms the metrics of a node tell of.
async fn metric(world: &World, node: &str) -> Result<Option<u64>, Fault> {
    let endpoints = laufzettel_node::endpoints::Endpoints::read(&world.cluster.net.node_folder(node).join("data"))?;
    let address = endpoints.metrics.ok_or("no metrics")?;
    let mut stream = tokio::net::TcpStream::connect(&address).await?;
    let request = format!("GET /metrics HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    let value = text.lines().find_map(|line| line.strip_prefix("laufzettel_urgent_late "));
    Ok(value.and_then(|value| value.trim().parse().ok()))
}

/// The alarm ends once the motion is final.
async fn cleared(world: &World, node: &str, healed: Instant, book: &mut Book) -> Result<(), Fault> {
    let until = Instant::now() + PATIENCE;
    loop {
        let health = world.client(node)?.ledger.get_health(v1::GetHealthRequest {}).await?.into_inner();
        let height = health.position.as_ref().map_or(0, |position| position.height);
        if health.alarms.is_empty() || Instant::now() > until {
            let at = At::new(node, height, healed.elapsed());
            book.note(
                "healed: the alarm ends",
                at,
                health.alarms.is_empty(),
                format!("{} alarms", health.alarms.len()),
            );
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
