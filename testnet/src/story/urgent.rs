//! The urgent stop: a removal is announced, a motion is filed at another authority's node, and everybody who might enforce
//! must know it in two seconds, or must not be told that nothing is known. With all well, with a node dead, with the
//! enforcing authority cut off, and with the reporting one cut off while the motion is in its mempool.

use std::time::{Duration, Instant};

use futures::future::join_all;
use laufzettel_chain::ids::CaseId;
use laufzettel_node::client::random16;
use laufzettel_proto::v1;

use super::clerk::{asked, at_the_command_line};
use super::cut;
use super::look::{not_told, stands, streamed};
use super::steps::{At, Book};
use super::told::Told;
use super::world::{ANNOUNCED, AUDITOR, CENTRAL, COURT, FOREIGNERS, OFFICE, PATIENCE, POLICE, Said, World};
use super::{Report, Run, Runs, Wish};
use crate::cluster::Fault;

/// Within this time lock and notice must be seen (the promise of the stop).
const PROMPT: Duration = Duration::from_secs(2);
/// After healing there is no promise but that it comes.
const HEALED: Duration = Duration::from_secs(20);
/// The acknowledgement period of the story's definition, and what a block may need after it.
const UNACKNOWLEDGED: Duration = Duration::from_secs(5);
const ESCALATED: Duration = Duration::from_secs(12);

/// A motion that stops a removal.
pub(super) struct Motion {
    pub(super) status: &'static str,
    pub(super) by: &'static str,
    pub(super) lock: &'static str,
    pub(super) notice: &'static str,
    release: &'static str,
}

pub(super) const MOTIONS: [Motion; 2] = [
    Motion {
        status: "subsequent_application_filed",
        by: OFFICE,
        lock: "subsequent_application_stop",
        notice: "stop_by_subsequent_application",
        release: "refoulement_clearance_given",
    },
    Motion {
        status: "interim_relief_filed",
        by: COURT,
        lock: "interim_relief_stop",
        notice: "stop_by_motion",
        release: "interim_relief_denied",
    },
];

const HEALTHY: &str = "healthy";
const DEAD: &str = "node-dead";
const ENFORCER: &str = "enforcer-cut-off";
const REPORTER: &str = "reporter-cut-off";
const CIRCUMSTANCES: [&str; 4] = [HEALTHY, DEAD, ENFORCER, REPORTER];

/// Tells it, each motion in each circumstance that was asked for.
pub(super) async fn run(wish: &Wish) -> Result<Report<Runs>, Fault> {
    let asked = |wanted: &Option<String>, name: &str| wanted.as_ref().is_none_or(|wanted| wanted == name);
    let motions: Vec<&Motion> = MOTIONS.iter().filter(|motion| asked(&wish.motion, motion.status)).collect();
    let circumstances: Vec<&'static str> =
        CIRCUMSTANCES.into_iter().filter(|circumstance| asked(&wish.circumstance, circumstance)).collect();
    if motions.is_empty() || circumstances.is_empty() {
        let known = MOTIONS.map(|motion| motion.status).join(", ");
        return Err(format!("motions are {known}; circumstances are {}", CIRCUMSTANCES.join(", ")).into());
    }
    let begun = Instant::now();
    let folder = tempfile::Builder::new().prefix("story-").tempdir()?;
    let mut world = World::start(&folder.path().join("network")).await?;
    let mut runs = Vec::new();
    for motion in motions {
        for circumstance in &circumstances {
            if !wish.quiet {
                eprintln!("{}, {circumstance}", motion.status);
            }
            runs.push(tell(&mut world, (motion, circumstance), wish.quiet).await?);
            world.links.heal();
            world.level().await?;
        }
    }
    world.cluster.stop()?;
    let report = Report::of("urgent-stop", world.cluster.nodes().to_vec(), begun, Runs { runs });
    if !report.held {
        eprintln!("kept: {}", folder.keep().display());
    }
    Ok(report)
}

async fn tell(world: &mut World, (motion, circumstance): (&Motion, &'static str), quiet: bool) -> Result<Run, Fault> {
    let case = random16()?;
    let mut book = Book::open(motion.status, circumstance, CaseId(case).to_string(), quiet);
    announced(world, &case, &mut book).await?;
    if circumstance == DEAD {
        world.cluster.kill(CENTRAL)?;
        book.note("a node is dead", At::new(CENTRAL, 0, Duration::ZERO), true, "killed without a word");
    }
    no_lock_known("before the motion", world, &case, &mut book).await?;
    let since = match circumstance {
        REPORTER => cut::reporter(world, (motion, &case), &mut book).await?,
        _ => {
            if circumstance == ENFORCER {
                world.cut_off(FOREIGNERS);
                book.note("the enforcer is cut off", At::new(FOREIGNERS, 0, Duration::ZERO), true, "from all others");
            }
            let away: &[&str] = match circumstance {
                DEAD => &[CENTRAL],
                ENFORCER => &[FOREIGNERS],
                _ => &[],
            };
            let since = filed(world, (motion, &case), away, &mut book).await?;
            if circumstance == ENFORCER {
                cut::enforcer(world, (motion, &case), &mut book).await?;
            }
            since
        }
    };
    let alive: Vec<&str> = [OFFICE, COURT, FOREIGNERS, CENTRAL, POLICE]
        .into_iter()
        .filter(|node| circumstance != DEAD || *node != CENTRAL)
        .collect();
    refused(world, (motion, &case), &mut book).await?;
    locked(world, &case, &mut book).await?;
    executed(world, &case, &mut book).await?;
    escalated(world, &case, since, &mut book).await?;
    released(world, (motion, &case), &alive, &mut book).await?;
    if circumstance == DEAD {
        let begun = Instant::now();
        world.revive(CENTRAL).await?;
        let gone = |view: &v1::Case| !view.tracks.is_empty() && view.locks.is_empty();
        let seen = world.sees((CENTRAL, &case), begun, gone).await?;
        book.seen("the dead node is back and knows it all", CENTRAL, seen.as_ref(), PATIENCE, "no lock any more");
        // Its subscriber takes its stream up again with its last cursor, and gets what came meanwhile.
        streamed(world, (CENTRAL, &case, motion.notice), (begun, PATIENCE), &mut book).await;
    }
    Ok(book.close())
}

/// Up to the announcement of the removal by the foreigners authority.
async fn announced(world: &World, case: &[u8], book: &mut Book) -> Result<(), Fault> {
    world.recorded(Said { opens: true, days_ago: 90, ..Said::new(OFFICE, case, "application_made") }).await?;
    world.recorded(Said { days_ago: 80, ..Said::new(OFFICE, case, "application_lodged") }).await?;
    world
        .recorded(Said { outcome: "rejected_unfounded", days_ago: 60, ..Said::new(OFFICE, case, "decision_issued") })
        .await?;
    for status in ["decision_delivered", "decision_final", "departure_obligation_enforceable"] {
        world.recorded(Said { days_ago: 30, ..Said::new(OFFICE, case, status) }).await?;
    }
    let begun = Instant::now();
    let outcome = world.recorded(Said::new(FOREIGNERS, case, ANNOUNCED)).await?;
    let at = At::new(FOREIGNERS, outcome.height, begun.elapsed());
    book.note("removal announced", at, true, "removal_scheduled, on the ledger as enforcement_announcement");
    Ok(())
}

/// The enforcing authority is told that no lock is known, and can prove it.
async fn no_lock_known(name: &'static str, world: &World, case: &[u8], book: &mut Book) -> Result<(), Fault> {
    let begun = Instant::now();
    let answer = world.clearance(FOREIGNERS, case).await?;
    let at = At::new(FOREIGNERS, answer.outcome.as_ref().map_or(0, |outcome| outcome.height), begun.elapsed());
    let proven = world.proven(case, &answer);
    let held = answer.verdict() == v1::ClearanceVerdict::NoLockKnown && matches!(proven, Ok(Some(_)));
    let told = match proven {
        Ok(_) => format!("{name}: {}", verdict_text(&answer)),
        Err(fault) => format!("{name}: {}, not proven: {fault}", verdict_text(&answer)),
    };
    book.note("clearance: no lock known", at, held, told);
    Ok(())
}

/// Verdict, and who is not current.
pub(super) fn verdict_text(answer: &v1::CheckClearanceResponse) -> String {
    let lacking = answer.sources.iter().filter(|source| source.state() != v1::SourceState::Current);
    let lacking: Vec<String> =
        lacking.map(|source| format!("{} {}", source.authority, source.state().as_str_name())).collect();
    let verdict = answer.verdict().as_str_name().trim_start_matches("CLEARANCE_VERDICT_");
    if lacking.is_empty() { verdict.to_owned() } else { format!("{verdict} ({})", lacking.join(", ")) }
}

/// The motion on its node; lock and notice on all others that are there, and on their subscribers' streams. When it was
/// submitted.
async fn filed(
    world: &World,
    (motion, case): (&Motion, &[u8]),
    away: &[&str],
    book: &mut Book,
) -> Result<Instant, Fault> {
    let there: Vec<&str> =
        [OFFICE, COURT, FOREIGNERS, CENTRAL, POLICE].into_iter().filter(|node| !away.contains(node)).collect();
    let mut told = Vec::new();
    for node in &there {
        told.push((*node, Told::of(&world.cluster.genesis, motion, node)?));
    }
    let (strangers, told): (Vec<_>, Vec<_>) = told.into_iter().partition(|(_, told)| told.is_nothing());
    let since = Instant::now();
    let looks = join_all(told.iter().map(|(node, told)| world.sees((node, case), since, stands(motion, *told))));
    let (outcome, looks) = tokio::join!(world.recorded(Said::new(motion.by, case, motion.status)), looks);
    let outcome = outcome?;
    let took = Duration::from_millis(0).max(since.elapsed());
    let first = looks.iter().flatten().flatten().map(|seen| seen.after).min().unwrap_or(took);
    book.note("motion filed", At::new(motion.by, outcome.height, first), true, motion.status);
    for ((node, _), look) in told.iter().zip(looks) {
        book.seen("lock, and urgent notice where it goes", node, look?.as_ref(), PROMPT, motion.lock);
    }
    for (node, _) in told.iter().filter(|(_, told)| told.notice) {
        streamed(world, (node, case, motion.notice), (since, PROMPT), book).await;
    }
    for (node, _) in strangers {
        not_told(world, (motion, node, case), outcome.height, book).await?;
    }
    Ok(since)
}

/// A new announcement is refused, with the lock and the report that holds it.
async fn refused(world: &World, (motion, case): (&Motion, &[u8]), book: &mut Book) -> Result<(), Fault> {
    let begun = Instant::now();
    let outcome = world.report(Said::new(FOREIGNERS, case, ANNOUNCED), v1::WaitPolicy::Final).await?;
    let after = begun.elapsed();
    let receipt = outcome.receipts.first().cloned().unwrap_or_default();
    let (view, _) = world.look(FOREIGNERS, case).await?;
    let lock = view.locks.iter().find(|lock| lock.effect_id == receipt.cause).cloned().unwrap_or_default();
    let request = v1::ListEventsRequest { case_id: case.to_vec(), ..v1::ListEventsRequest::default() };
    let events = world.client(FOREIGNERS)?.cases.list_events(request).await?.into_inner().events;
    let holder = events.iter().find(|event| !event.slot.is_empty() && event.slot == lock.cause);
    let by = holder.map(|event| event.authority.clone()).unwrap_or_default();
    let status = match holder.and_then(|event| event.action.as_ref()) {
        Some(v1::event::Action::Report(report)) => report.status.clone(),
        _ => String::new(),
    };
    let held = !receipt.applied
        && receipt.reason == "LOCKED"
        && lock.code == motion.lock
        && by == motion.by
        && status == motion.status;
    let told = format!("{}: {} held by {status} of {by}", receipt.reason, lock.code);
    book.note("new removal_scheduled refused", At::new(FOREIGNERS, outcome.height, after), held, told);
    Ok(())
}

/// Clearance says LOCKED, and the certificate proves it.
async fn locked(world: &World, case: &[u8], book: &mut Book) -> Result<(), Fault> {
    for node in [FOREIGNERS, POLICE] {
        let begun = Instant::now();
        let answer = world.clearance(node, case).await?;
        let proven = world.proven(case, &answer);
        let held = answer.verdict() == v1::ClearanceVerdict::Locked && matches!(proven, Ok(Some(_)));
        let told = match proven {
            Ok(height) => format!("{}, certified at height {}", verdict_text(&answer), height.unwrap_or(0)),
            Err(fault) => format!("{}, not proven: {fault}", verdict_text(&answer)),
        };
        let height = answer.outcome.as_ref().map_or(0, |outcome| outcome.height);
        book.note("clearance: locked, with certificate", At::new(node, height, begun.elapsed()), held, told);
    }
    let expected = (1, v1::ClearanceVerdict::Locked.as_str_name());
    for act in ["removal_scheduled", "removal_executed"] {
        at_the_command_line(world, ("`laufzettel case clearance`: locked", case, act), expected, book).await?;
    }
    // No lock is about a hearing: that none stands would be true, and mean nothing.
    let (code, shown) = asked(world, case, "hearing_held").await?;
    let held = code == Some(2) && shown.is_null();
    let at = At::new(FOREIGNERS, 0, Duration::ZERO);
    book.note("`laufzettel case clearance`: no question", at, held, format!("hearing_held: exit code {code:?}"));
    Ok(())
}

/// The removal happens all the same: recorded, marked, and those are told who must be.
async fn executed(world: &World, case: &[u8], book: &mut Book) -> Result<(), Fault> {
    let begun = Instant::now();
    let outcome = world.report(Said::new(POLICE, case, "removal_executed"), v1::WaitPolicy::Final).await?;
    let receipt = outcome.receipts.first().cloned().unwrap_or_default();
    let held = receipt.applied && receipt.deviation && receipt.despite_lock;
    let at = At::new(POLICE, outcome.height, begun.elapsed());
    book.note("removal_executed recorded despite the lock", at, held, format!("receipt {:?}", receipt.reason));
    let marked = |view: &v1::Case| {
        view.deviations.iter().any(|found| found.code.eq_ignore_ascii_case("executed_despite_lock") && found.grave)
    };
    for node in [OFFICE, COURT] {
        let seen = world.sees((node, case), begun, marked).await?;
        book.seen("marked executed_despite_lock", node, seen.as_ref(), PROMPT, "a grave deviation");
        streamed(world, (node, case, "enforced_despite_stop"), (begun, PROMPT), book).await;
    }
    // The auditor has no node of its own and reads its inbox at the police's.
    let until = Instant::now() + PATIENCE;
    loop {
        let listed = world.client(AUDITOR)?.tasks.list_notices(v1::ListNoticesRequest::default()).await?.into_inner();
        let told = |found: &v1::CaseNotice| {
            found.case_id == case && found.notice.as_ref().is_some_and(|notice| notice.code == "enforcement_to_examine")
        };
        let found = listed.notices.iter().any(told);
        if found || Instant::now() > until {
            let height = listed.position.unwrap_or_default().height;
            book.note(
                "the auditor is told",
                At::new(AUDITOR, height, begun.elapsed()),
                found,
                "enforcement_to_examine",
            );
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}

/// Nobody has acknowledged: someone is to phone.
async fn escalated(world: &World, case: &[u8], since: Instant, book: &mut Book) -> Result<(), Fault> {
    let escalates = |view: &v1::Case| {
        view.tasks.iter().any(|task| {
            task.code == "phone_enforcing_authorities"
                && task.state() == v1::TaskState::Open
                && task.authority == OFFICE
        })
    };
    let seen = world.sees((OFFICE, case), since, escalates).await?;
    let early = seen.as_ref().is_some_and(|seen| seen.after < UNACKNOWLEDGED);
    let limit = if early { Duration::ZERO } else { PATIENCE.max(ESCALATED) };
    book.seen("nobody acknowledges: a task to phone", OFFICE, seen.as_ref(), limit, "phone_enforcing_authorities");
    streamed(world, (OFFICE, case, "phone_enforcing_authorities"), (since, PATIENCE), book).await;
    Ok(())
}

/// The authority that may releases the lock; everybody sees it, and no lock is known.
async fn released(
    world: &World,
    (motion, case): (&Motion, &[u8]),
    alive: &[&str],
    book: &mut Book,
) -> Result<(), Fault> {
    let since = Instant::now();
    let outcome = world.recorded(Said::new(motion.by, case, motion.release)).await?;
    let at = At::new(motion.by, outcome.height, since.elapsed());
    book.note("released by the entitled authority", at, true, motion.release);
    let mut told = Vec::new();
    for node in alive {
        if Told::of(&world.cluster.genesis, motion, node)?.lock {
            told.push(*node);
        }
    }
    let looks = join_all(told.iter().map(|node| world.sees((node, case), since, |view| view.locks.is_empty()))).await;
    for (node, look) in told.iter().zip(looks) {
        book.seen("no lock any more", node, look?.as_ref(), HEALED, motion.lock);
    }
    no_lock_known("after the release", world, case, book).await?;
    let expected = (0, v1::ClearanceVerdict::NoLockKnown.as_str_name());
    for act in ["removal_scheduled", "removal_executed"] {
        at_the_command_line(world, ("`laufzettel case clearance`: no lock known", case, act), expected, book).await?;
    }
    Ok(())
}
