//! `testnet story corrections`: what a report brought is withdrawn with it, told to all who had been told, and comes back
//! under the same names if the report comes back; nobody changes another's report; a deviation silences nothing; an idle
//! network wakes for what is due. Four real processes, periods of seconds; the ids are computed here, from the reports
//! alone, and looked for on every node.

mod world;

use std::time::{Duration, Instant};

use laufzettel_chain::ids::CaseId;
use laufzettel_chain::item::Action;
use laufzettel_contracts::effect::EffectId;
use laufzettel_contracts::{Code, Slot};
use laufzettel_node::clock;
use serde::Serialize;

use self::world::{COURT, FOREIGNERS, OFFICE, POLICE, Said, Shown, World, today};
use super::{Report, Step, Told};
use crate::cluster::Fault;
use crate::fast::{self, Stop};
use crate::invariants::stores::check_stopped;
use crate::invariants::{Verdict, Witness};

/// How much later than its instant something due may stand on the ledger of an idle network, in milliseconds.
const WAKES_WITHIN_MS: u64 = 2_000;
/// From a motion to when nobody has acknowledged the notice of it, and to the end of its examination.
const ACKNOWLEDGE_MS: u64 = 5_000;
const EXAMINATION_MS: u64 = 12_000;

/// The story's steps, and what the check of all that is stored found.
#[derive(Debug, Serialize)]
pub(crate) struct Checked {
    steps: Vec<Step>,
    verdict: Verdict,
}

impl Told for Checked {
    fn steps(&self) -> Vec<&Step> {
        self.steps.iter().collect()
    }
}

impl std::fmt::Display for Checked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { steps, verdict } = self;
        let failed = steps.iter().filter(|step| !step.held).count();
        write!(f, "{} steps, {failed} failed, ", steps.len())?;
        writeln!(f, "{} effects, {} withdrawn", verdict.effects, verdict.withdrawn)
    }
}

/// Tells the story.
pub(crate) async fn run(quiet: bool) -> Result<Report<Checked>, Fault> {
    let begun = Instant::now();
    let folder = tempfile::tempdir()?;
    let mut teller = Teller { world: World::start(&folder.path().join("network")).await?, steps: Vec::new(), quiet };
    teller.a_motion_and_its_corrections().await?;
    teller.a_deviation_silences_nothing().await?;
    teller.an_idle_network_wakes().await?;
    let Teller { mut world, mut steps, quiet } = teller;
    world.cluster.stop()?;
    let history = world.history();
    let verdict = check_stopped(&world.cluster, &history, Witness::default())?;
    let told = format!("{} effects, {} violations {:?}", verdict.effects, verdict.violations, verdict.told);
    let height = verdict.heights.iter().copied().max().unwrap_or_default();
    let held = verdict.is_sound() && verdict.effects > 0 && verdict.due > 0;
    let last = Step { name: "all that is stored holds", node: String::new(), height, after_ms: 0, held, told };
    if !quiet {
        eprintln!("{last}");
    }
    steps.push(last);
    Ok(Report::of("corrections", world.nodes(), begun, Checked { steps, verdict }))
}

struct Teller {
    world: World,
    steps: Vec<Step>,
    quiet: bool,
}

/// What a motion brings, by name.
fn named(stop: &Stop) -> [EffectId; 4] {
    [stop.lock, stop.notice, stop.task, stop.examination]
}

fn correct(slot: Slot, report: laufzettel_contracts::Report) -> Action {
    Action::Correct { slot, report }
}

impl Teller {
    fn step(&mut self, name: &'static str, node: &'static str, said: &Said, held: bool, told: impl Into<String>) {
        let after_ms = u64::try_from(said.at.elapsed().as_millis()).unwrap_or(u64::MAX);
        let step = Step { name, node: node.to_owned(), height: said.height, after_ms, held, told: told.into() };
        if !self.quiet {
            eprintln!("{step}");
        }
        self.steps.push(step);
    }
    /// A step about a case on all nodes.
    async fn on_all(
        &mut self,
        name: &'static str,
        case: CaseId,
        said: &Said,
        holds: impl Fn(&Shown) -> bool,
    ) -> Result<Option<Shown>, Fault> {
        let shown = self.world.look_everywhere(case, said.height).await?;
        let (held, told) = match &shown {
            Ok(shown) => (holds(shown), format!("{} there, {} withdrawn", shown.there.len(), shown.withdrawn.len())),
            Err(differing) => (false, differing.clone()),
        };
        self.step(name, "", said, held && said.receipt.applied, told);
        Ok(shown.ok())
    }
    /// A step about a refusal.
    fn refused(&mut self, name: &'static str, node: &'static str, said: &Said, reason: &str, cause: &[u8]) {
        let receipt = &said.receipt;
        let held = !receipt.applied && receipt.reason == reason && receipt.cause == cause;
        self.step(name, node, said, held, receipt.reason.clone());
    }

    async fn a_motion_and_its_corrections(&mut self) -> Result<(), Fault> {
        let case = self.world.open().await?;
        self.world.report(OFFICE, case, fast::on("application_made", today()?)?).await?;
        let scheduled = fast::on("removal_scheduled", today()?)?;
        let said = self.world.report(FOREIGNERS, case, scheduled.clone()).await?;
        self.step("a removal is announced", FOREIGNERS, &said, said.receipt.applied, &said.receipt.reason);

        let filed = fast::at("motion_filed", clock::now_ms())?;
        let said = self.world.report(OFFICE, case, filed.clone()).await?;
        let (motion, stop) = (said.slot, Stop::of(&case, said.slot)?);
        let there = |shown: &Shown| named(&stop).iter().all(|id| shown.there.contains_key(&id.0));
        let first = self.on_all("a motion brings lock, notice, task and deadline", case, &said, there).await?;
        self.delivered("they are delivered", &said, &stop, false).await?;
        let said = self.world.report(FOREIGNERS, case, scheduled.clone()).await?;
        self.refused("the lock stops an announcement", FOREIGNERS, &said, "LOCKED", &stop.lock.0);

        // Nobody but the author.
        let gone = correct(motion, fast::at("decision_issued", clock::now_ms())?);
        let said = self.world.say(COURT, case, &correct(motion, filed.clone())).await?;
        self.refused("another authority's correction is refused", COURT, &said, "NOT_AUTHOR", &[]);
        let said = self.world.say(POLICE, case, &gone).await?;
        self.refused("whatever it says", POLICE, &said, "NOT_AUTHOR", &[]);
        let reason = Code::new("mistake")?;
        let said = self.world.say(COURT, case, &Action::Retract { slot: motion, reason }).await?;
        self.refused("and its retraction", COURT, &said, "NOT_AUTHOR", &[]);
        let said = self.world.report(FOREIGNERS, case, scheduled.clone()).await?;
        self.refused("the lock stands all the same", FOREIGNERS, &said, "LOCKED", &stop.lock.0);

        // The author, twice: away and back.
        let away = correct(motion, fast::at("application_again", clock::now_ms())?);
        let said = self.world.say(OFFICE, case, &away).await?;
        let withdrawn = |shown: &Shown| {
            let ids = named(&stop);
            ids.iter().all(|id| shown.withdrawn.contains(&id.0) && !shown.there.contains_key(&id.0))
        };
        self.on_all("a correction withdraws all of it", case, &said, withdrawn).await?;
        self.vanished("who had been told is told that the lock is gone", &said, &stop).await?;
        let said = self.world.report(FOREIGNERS, case, scheduled.clone()).await?;
        self.step("nothing stops the announcement", FOREIGNERS, &said, said.receipt.applied, &said.receipt.reason);
        let said = self.world.say(FOREIGNERS, case, &Action::Acknowledge { effect: stop.lock }).await?;
        let foreigners = self.world.inbox(FOREIGNERS, said.height).await?;
        let police = self.world.inbox(POLICE, said.height).await?;
        let held = !foreigners.contains_key(&stop.lock.0) && police.get(&stop.lock.0) == Some(&true);
        let told = "acknowledged by one, still asked of the other";
        self.step("that is acknowledged", FOREIGNERS, &said, held && said.receipt.applied, told);

        let said = self.world.say(OFFICE, case, &correct(motion, filed)).await?;
        let since = |shown: &Shown| named(&stop).map(|id| shown.there.get(&id.0).map(|(since_ms, _)| *since_ms));
        let before = first.as_ref().map(since);
        let back = |shown: &Shown| Some(since(shown)) == before && shown.withdrawn.is_disjoint(&ids(&stop));
        self.on_all(
            "with the report they come back, by the same names and known since the same time",
            case,
            &said,
            back,
        )
        .await?;
        self.delivered("they are delivered again, and that the stop stands again is urgent", &said, &stop, true)
            .await?;
        let said = self.world.report(FOREIGNERS, case, scheduled).await?;
        self.refused("the lock stops again", FOREIGNERS, &said, "LOCKED", &stop.lock.0);
        Ok(())
    }

    async fn a_deviation_silences_nothing(&mut self) -> Result<(), Fault> {
        let case = self.world.open().await?;
        let said = self.world.report(OFFICE, case, fast::at("motion_filed", clock::now_ms())?).await?;
        let (motion, stop) = (said.slot, Stop::of(&case, said.slot)?);
        let marked = said.receipt.deviation;
        let there = |shown: &Shown| {
            marked
                && shown.deviations.contains("WARNED")
                && named(&stop).iter().all(|id| shown.there.contains_key(&id.0))
        };
        self.on_all("a motion without an application deviates, and brings all the same", case, &said, there).await?;
        self.delivered("it is delivered", &said, &stop, false).await?;

        let said = self.world.report(POLICE, case, fast::at("removal_executed", clock::now_ms())?).await?;
        let alarm = fast::alarm(&case, said.slot)?;
        let (despite, asked) = (said.receipt.despite_lock, self.world.inbox(COURT, said.height).await?);
        let held = said.receipt.applied && despite && asked.get(&alarm.0) == Some(&true);
        self.step("a fact despite the lock is recorded, marked, and alarms", COURT, &said, held, "urgent alarm");
        let grave = |shown: &Shown| shown.deviations.contains("EXECUTED_DESPITE_LOCK");
        self.on_all("all see it", case, &said, grave).await?;

        let retract = Action::Retract { slot: motion, reason: Code::new("mistake")? };
        let said = self.world.say(OFFICE, case, &retract).await?;
        let gone = |shown: &Shown| {
            shown.withdrawn.is_superset(&ids(&stop))
                && shown.withdrawn.contains(&alarm.0)
                && !shown.deviations.contains("EXECUTED_DESPITE_LOCK")
        };
        self.on_all("a retraction withdraws what followed, the alarm too", case, &said, gone).await?;
        self.vanished("and that the lock is gone is told", &said, &stop).await?;
        let again = correct(motion, fast::at("motion_filed", clock::now_ms())?);
        let said = self.world.say(OFFICE, case, &again).await?;
        self.refused("what was retracted does not come back", OFFICE, &said, "SLOT_CLOSED", &[]);
        Ok(())
    }

    async fn an_idle_network_wakes(&mut self) -> Result<(), Fault> {
        let case = self.world.open().await?;
        let from_ms = clock::now_ms();
        let said = self.world.report(OFFICE, case, fast::at("motion_filed", from_ms)?).await?;
        let stop = Stop::of(&case, said.slot)?;
        let shown = self.world.look_everywhere(case, said.height).await?.map_err(Fault::from)?;
        let known_ms = shown.there.get(&stop.notice.0).map(|(since_ms, _)| *since_ms).unwrap_or_default();
        for (name, effect, due_ms) in [
            ("nobody acknowledges: a task opens by itself", stop.phone, known_ms + ACKNOWLEDGE_MS),
            ("nobody decides: another one does", stop.check, from_ms + EXAMINATION_MS),
        ] {
            let came = self.world.comes(OFFICE, effect).await?;
            let (_, shown) = self.world.look(OFFICE, case, said.height).await?;
            let since_ms = shown.there.get(&effect.0).map(|(since_ms, _)| *since_ms).unwrap_or_default();
            let late_ms = since_ms.saturating_sub(due_ms);
            let held = came && since_ms >= due_ms && late_ms <= WAKES_WITHIN_MS;
            self.step(name, OFFICE, &said, held, format!("on the ledger {late_ms} ms after it was due"));
        }
        let (transactions, height) = self.world.transactions_since(OFFICE, said.height).await?;
        let told = format!("{} blocks with {transactions} transactions", height.saturating_sub(said.height));
        self.step("nobody had said anything", OFFICE, &said, transactions == 0 && height > said.height, told);
        // Not while something becomes due, so that all are asked about one state.
        tokio::time::sleep(Duration::from_secs(5)).await;
        let there = |shown: &Shown| [stop.phone, stop.check].iter().all(|id| shown.there.contains_key(&id.0));
        let (_, height) = self.world.transactions_since(OFFICE, height).await?;
        let said = Said { height, ..said };
        self.on_all("all nodes show the same", case, &said, there).await?;
        Ok(())
    }

    /// Notice and task are in the inboxes of those they are for; of the lock, that it stands again if it does, urgent and to
    /// be acknowledged, and never that it went.
    async fn delivered(&mut self, name: &'static str, said: &Said, stop: &Stop, again: bool) -> Result<(), Fault> {
        let foreigners = self.world.inbox(FOREIGNERS, said.height).await?;
        let police = self.world.inbox(POLICE, said.height).await?;
        let held = foreigners.contains_key(&stop.task.0)
            && [&foreigners, &police].iter().all(|inbox| {
                inbox.contains_key(&stop.notice.0) && inbox.get(&stop.lock.0).copied() == again.then_some(true)
            });
        self.step(name, FOREIGNERS, said, held, "notice at two authorities, task at one");
        Ok(())
    }
    /// Notice and task are in no inbox any more; that the lock is gone is, urgent and to be acknowledged.
    async fn vanished(&mut self, name: &'static str, said: &Said, stop: &Stop) -> Result<(), Fault> {
        let mut held = true;
        for of in [FOREIGNERS, POLICE] {
            let inbox = self.world.inbox(of, said.height).await?;
            held &= inbox.get(&stop.lock.0) == Some(&true);
            held &= !inbox.contains_key(&stop.notice.0) && !inbox.contains_key(&stop.task.0);
        }
        self.step(name, FOREIGNERS, said, held, "urgent, to be acknowledged, at two authorities");
        Ok(())
    }
}

fn ids(stop: &Stop) -> std::collections::BTreeSet<[u8; 16]> {
    named(stop).map(|id| id.0).into()
}
