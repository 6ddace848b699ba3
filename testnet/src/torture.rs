//! `testnet torture`: four real processes under load, struck by every fault a seed draws, one after another: killed,
//! stopped, cut off, slowed, out of space, off the clock, over damaged files. After each the network must be whole
//! again; in the end everything is held against everything (`invariants`). A run that fails keeps its folder and says
//! how to run it again.
//!
//! Read `schedule` (what happens), `stage` (how it happens and ends), then one file a fault: `disk`, `clock`,
//! `damage`; `clients`, `rules`, `law`, `votes`, `feeds` and `inboxes` are those who use the network meanwhile.
//! Faults come from outside the node: the product has no switch for any of them.

mod clients;
mod clock;
mod damage;
mod disk;
mod drafts;
mod feeds;
mod inboxes;
pub(crate) mod law;
mod rules;
mod schedule;
mod stage;
mod votes;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use laufzettel_node::localnet::{FOUR_AUTHORITIES, Member, Template};
use serde::Serialize;
use tokio::sync::watch;

use self::clients::Clients;
use self::clock::Clocks;
use self::drafts::Draft;
use self::feeds::Watcher;
use self::inboxes::InboxWatcher;
use self::schedule::{Episode, PASS, Schedule};
use self::stage::{Counts, Stage, Verdicts};
use self::votes::{Chamber, OUTSIDER};
use crate::cluster::{Cluster, Door, Fault};
use crate::fast;
use crate::invariants::stores::check_stopped;
use crate::invariants::{Feed, Inboxed, Verdict, Witness};

/// Cases of a short run, and more for each minute: a case takes a bounded number of events.
const CASES: u64 = 400;
const CASES_PER_MINUTE: u64 = 200;
/// Pauses are this long at most, for each minute of the run.
const PAUSE_PER_MINUTE: Duration = Duration::from_secs(3);
/// A watcher that has not seen everything after this long hangs.
const FEED_PATIENCE: Duration = Duration::from_secs(120);
/// In a run of so many minutes everything that votes can come to has to come.
const VOTES_MINUTES: u64 = 3;

/// What `testnet torture` was asked.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    pub(crate) minutes: u64,
    pub(crate) seed: u64,
    /// Only faults of this kind.
    pub(crate) only: Option<String>,
    /// Whether cases are led under the shipped asylum procedure, instead of a process of seconds.
    pub(crate) law: bool,
    pub(crate) quiet: bool,
}

/// What came of it. The names of the fields are an interface.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    seed: u64,
    minutes: u64,
    wall_s: f64,
    episodes: u64,
    faults: BTreeMap<&'static str, u64>,
    skipped: BTreeMap<String, u64>,
    damage: BTreeMap<String, Verdicts>,
    restarts: u64,
    repeats: u64,
    reads: u64,
    feeds: u64,
    feed_events: u64,
    inbox_states: u64,
    link_bytes: u64,
    link_bytes_lost: u64,
    stall_max_ms: u64,
    heal_max_ms: u64,
    verdict: Verdict,
}

impl Report {
    pub(crate) fn is_sound(&self) -> bool {
        let Verdict { acknowledged, effects, withdrawn, escalated, due, stopped, .. } = self.verdict;
        let happened = [
            acknowledged,
            self.reads,
            self.feed_events,
            self.inbox_states,
            effects,
            withdrawn,
            escalated,
            due,
            stopped,
        ];
        let Verdict { proposals, votes, adopted, rejected, superseded, disregarded, migrated, .. } = self.verdict;
        let voted = [proposals, votes, adopted, rejected, superseded, disregarded, migrated];
        let voted = self.minutes < VOTES_MINUTES || voted.iter().all(|count| *count > 0);
        self.verdict.is_sound() && voted && happened.iter().all(|count| *count > 0)
    }
    /// How often a kind of fault struck.
    #[cfg(test)]
    pub(crate) fn faults(&self) -> &BTreeMap<&'static str, u64> {
        &self.faults
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { seed, episodes, wall_s, restarts, verdict, .. } = self;
        writeln!(f, "seed {seed}: {episodes} faults in {wall_s:.0} s, {restarts} restarts")?;
        writeln!(f, "faults {:?}", self.faults)?;
        writeln!(f, "damage {:?}", self.damage)?;
        writeln!(f, "skipped {:?}", self.skipped)?;
        let Verdict { acknowledged, lost, moved, double_signatures, signatures, .. } = verdict;
        writeln!(f, "{acknowledged} acknowledged, {lost} lost, {moved} moved, {} repeated", self.repeats)?;
        writeln!(f, "{} reads, {} feeds with {} events", self.reads, self.feeds, self.feed_events)?;
        let Verdict { cases, effects, withdrawn, escalated, due, stopped, despite, .. } = verdict;
        writeln!(f, "{cases} cases under rules, {effects} effects, {withdrawn} withdrawn, {escalated} escalated")?;
        writeln!(f, "{due} times due work, {stopped} announcements stopped, {despite} facts despite a lock")?;
        let Verdict { proposals, votes, adopted, rejected, superseded, disregarded, migrated, .. } = verdict;
        writeln!(f, "{proposals} proposals, {votes} votes, {disregarded} that do not count")?;
        writeln!(f, "{adopted} adopted, {rejected} rejected, {superseded} overtaken, {migrated} times a case moved")?;
        writeln!(f, "{double_signatures} double signatures among {signatures}")?;
        writeln!(
            f,
            "longest time without an acknowledgement {} ms, to be whole again {} ms",
            self.stall_max_ms, self.heal_max_ms
        )?;
        write!(f, "heights {:?}, {} violations", verdict.heights, verdict.violations)?;
        verdict.told.iter().try_for_each(|told| write!(f, "\n  {told}"))
    }
}

/// Runs until the time is over and every kind of fault has struck, and checks. Ctrl-C ends it, and all it made.
pub(crate) async fn run(wish: &Wish) -> Result<Report, Fault> {
    let folder = tempfile::Builder::new().prefix("torture-").tempdir()?;
    let mut told = Vec::new();
    let ended = tokio::select! {
        ended = torture(wish, folder.path(), &mut told) => ended,
        _ = tokio::signal::ctrl_c() => Err("interrupted".into()),
    };
    if !matches!(&ended, Ok(report) if report.is_sound()) {
        let only = wish.only.as_ref().map(|kind| format!(" --only {kind}")).unwrap_or_default();
        let law = if wish.law { format!(" --definition {}", law::NAME) } else { String::new() };
        eprintln!("again: testnet torture --minutes {} --seed {}{only}{law}", wish.minutes, wish.seed);
        told.iter().for_each(|episode: &Episode| eprintln!("  {episode}"));
        eprintln!("kept: {}", folder.keep().display());
    }
    ended
}

async fn torture(wish: &Wish, folder: &Path, told: &mut Vec<Episode>) -> Result<Report, Fault> {
    let begun = Instant::now();
    let pause_max = PAUSE_PER_MINUTE.saturating_mul(u32::try_from(wish.minutes).unwrap_or(u32::MAX));
    let pause_max = pause_max.clamp(Duration::from_secs(2), Duration::from_secs(60));
    let mut schedule = Schedule::new(wish.seed, pause_max, wish.only.as_deref())?;
    let mut stage = set_up(wish, folder).await?;
    stage.clients.open_cases().await?;
    let chamber = Chamber::new(stage.clients.clone(), &stage.cluster, wish.seed)?;
    let workers = stage.clients.start(chamber);
    let (done, until) = watch::channel(None);
    let doors: Vec<Door> = stage.cluster.nodes().iter().map(|node| stage.cluster.door(node)).collect();
    let watchers: Vec<_> = (0..doors.len() + 1)
        .map(|number| {
            let (at, hops) = (number % doors.len(), number >= doors.len());
            tokio::spawn(Watcher::new(doors.clone(), at, hops, until.clone()).run())
        })
        .collect();
    let inboxes = doors.iter().map(|door| tokio::spawn(InboxWatcher::new(door.clone(), until.clone()).run()));
    let inboxes: Vec<_> = inboxes.collect();
    let end = begun + Duration::from_secs(60 * wish.minutes);
    // A slow machine takes longer, rather than to leave a kind of fault out.
    while (Instant::now() < end || told.len() < PASS)
        && let Some(episode) = schedule.next()
    {
        told.push(episode.clone());
        let (before, at) = (stage.clients.acknowledged(), Instant::now());
        if !wish.quiet {
            eprintln!("{:>5} s {episode}", begun.elapsed().as_secs());
        }
        stage.perform(&episode).await.map_err(|fault| format!("{episode}: {fault}"))?;
        if !wish.quiet {
            let (final_now, took) = (stage.clients.acknowledged() - before, at.elapsed().as_secs_f64());
            eprintln!("      whole again after {took:.1} s; {final_now} transactions final meanwhile");
        }
    }
    stage.clients.stop();
    for worker in workers {
        worker.await?;
    }
    let faults = stage.clients.faults();
    stage.clients.go_on();
    let highest = stage.whole_again().await?;
    done.send_replace(Some(highest));
    let mut feeds = Vec::new();
    for watcher in watchers {
        let seen = tokio::time::timeout(FEED_PATIENCE, watcher).await;
        feeds.push(seen.map_err(|_| format!("a feed does not come to height {highest} in {FEED_PATIENCE:?}"))??);
    }
    let mut held = Vec::new();
    for watcher in inboxes {
        let seen = tokio::time::timeout(FEED_PATIENCE, watcher).await;
        held.extend(
            seen.map_err(|_| format!("an inbox feed does not come to height {highest} in {FEED_PATIENCE:?}"))??,
        );
    }
    let mut report = finish(stage, (feeds, held), faults, wish.quiet)?;
    (report.seed, report.minutes, report.episodes) = (wish.seed, wish.minutes, told.len() as u64);
    report.wall_s = begun.elapsed().as_secs_f64();
    Ok(report)
}

async fn set_up(wish: &Wish, folder: &Path) -> Result<Stage, Fault> {
    let mut members: Vec<_> = FOUR_AUTHORITIES.iter().map(Template::member).collect();
    members
        .iter_mut()
        .filter(|member| member.id == rules::COURT)
        .for_each(|member| member.roles.push("court".to_owned()));
    members.push(Member {
        id: OUTSIDER.to_owned(),
        label_de: "Landkreis Meißen".to_owned(),
        label_en: "District of Meissen".to_owned(),
        roles: vec!["observer".to_owned()],
        hosted_by: rules::POLICE.to_owned(),
    });
    let led = if wish.law { law::text() } else { fast::TEXT.to_owned() };
    let definitions = vec![laufzettel_contracts::ASYL_DE.to_owned(), led];
    let mut cluster = Cluster::make(folder, "torture", members, definitions)?;
    let links = cluster.behind_proxies().await?;
    cluster.keep_all()?;
    let clocks = Clocks::set_up(&mut cluster);
    if let Err(fault) = &clocks {
        eprintln!("clocks will not be turned: {fault}");
    }
    cluster.start().await?;
    let doors = cluster.nodes().iter().map(|node| cluster.door(node)).collect();
    let authors = cluster.nodes().iter().map(|node| cluster.author(node)).collect::<Result<_, _>>()?;
    let cases = CASES + CASES_PER_MINUTE * wish.minutes;
    let clients = Clients::new(doors, authors, wish.seed, cases, Draft::first(wish.law));
    let (witness, counts) = (Witness::default(), Counts::default());
    Ok(Stage { cluster, links, clients: Arc::new(clients), witness, clocks: clocks.ok(), counts })
}

/// Stops the nodes and holds everything against everything.
fn finish(
    stage: Stage,
    (feeds, inboxes): (Vec<Feed>, Vec<Inboxed>),
    faults: Vec<String>,
    quiet: bool,
) -> Result<Report, Fault> {
    let Stage { mut cluster, links, clients, witness, counts, .. } = stage;
    cluster.stop()?;
    let (mut history, repeats, stall_max) = clients.take();
    (history.feeds, history.inboxes) = (feeds, inboxes);
    if !quiet {
        eprintln!("Checking {} acknowledgements, every block and every row ...", history.told.len());
    }
    let mut verdict = check_stopped(&cluster, &history, witness)?;
    faults.into_iter().for_each(|fault| verdict.violated(fault));
    let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    Ok(Report {
        faults: counts.faults,
        skipped: counts.skipped,
        damage: counts.damage,
        restarts: counts.restarts,
        repeats,
        reads: history.reads.len() as u64,
        feeds: history.feeds.len() as u64,
        inbox_states: history.inboxes.len() as u64,
        feed_events: history.feeds.iter().map(|feed| feed.events.len() as u64).sum(),
        link_bytes: links.bytes(),
        link_bytes_lost: links.bytes_lost(),
        stall_max_ms: milliseconds(stall_max),
        heal_max_ms: milliseconds(counts.heal_max),
        verdict,
        ..Report::default()
    })
}
