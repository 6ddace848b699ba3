//! `testnet bench --rules`: what the rules of a process add to the cost of an event. Two ledgers in this process take
//! the same events in turn, block by block: one of protocol 1 with `asyl-de` 1, which has no rules, one of protocol 2
//! with `asyl-de` 2, the whole procedure. What else runs on the machine slows both alike, so that the ratio holds also
//! where the times do not.

use std::path::Path;
use std::time::Duration;

use laufzettel_chain::item::Action;
use laufzettel_contracts::{ASYL_DE, ASYL_DE_2, Report, When};
use laufzettel_node::clock;

use super::alone::{Alone, Took};
use super::figures::Figures;
use super::plan::Plan;
use super::process;
use crate::cluster::Fault;
use crate::demo::cases::AUTHORITIES;

const DAY_MS: u64 = 86_400_000;
/// Cases opened with one transaction.
const OPENED_AT_ONCE: u64 = 250;
/// Between blocks in which nothing is measured, in milliseconds of block time.
const STEP_MS: u64 = 100;

/// How much is done.
pub(super) struct Size {
    /// Cases of each kind of load.
    pub(super) cases: u64,
    /// Blocks of each kind on each ledger; those of the first eighth are not counted.
    pub(super) blocks: u64,
}

/// A kind of load.
struct Load {
    name: &'static str,
    /// Transactions of a block, and events of each.
    transactions: u64,
    events: u64,
    /// Blocks for each block of [`Size`].
    blocks: u64,
    /// Milliseconds of block time between blocks. Reports are of the day of their block; where this is 0, of the days
    /// of the demo's scripts, all long ago: what became due meanwhile is taken back and done again with each of them.
    step_ms: u64,
}

/// Blocks like those of `testnet bench`, then blocks of a single event. With a day from block to block, a case of the
/// small size gets an event in eight days, as a real one may, and what becomes due meanwhile is done as well.
const LOADS: [Load; 4] = [
    Load { name: "lone", transactions: 1, events: 1, blocks: 4, step_ms: STEP_MS },
    Load { name: "batch", transactions: 5, events: 100, blocks: 1, step_ms: DAY_MS },
    Load { name: "single", transactions: 500, events: 1, blocks: 1, step_ms: DAY_MS },
    Load { name: "late", transactions: 5, events: 100, blocks: 1, step_ms: 0 },
];

/// One of the two ledgers.
struct Side {
    alone: Alone,
    version: u32,
    plan: Plan,
}

impl Side {
    fn open(folder: &Path, definition: &str, version: u32) -> Result<Self, Fault> {
        let alone = Alone::open(folder, vec![definition.to_owned()])?;
        let plan = plan(0, alone.now_ms(), 1)?;
        Ok(Self { alone, version, plan })
    }
    /// Goes on with other cases, which it opens.
    fn begin(&mut self, number: u64, cases: u64, today_ms: u64) -> Result<(), Fault> {
        self.plan = plan(number * cases, today_ms, cases)?;
        for first in (0..cases).step_by(usize::try_from(OPENED_AT_ONCE)?) {
            let time_ms = self.alone.now_ms() + STEP_MS;
            let open = |_| Action::OpenCase { definition: "asyl-de".to_owned(), version: self.version };
            let actions = (first..cases.min(first + OPENED_AT_ONCE)).map(|case| (self.plan.case(case), open(case)));
            let signed = self.alone.sign(0, time_ms, actions.collect())?;
            self.alone.block(time_ms, &[signed])?;
        }
        Ok(())
    }
    /// A block of the next events.
    fn step(&mut self, load: &Load) -> Result<Took, Fault> {
        let time_ms = self.alone.now_ms() + load.step_ms.max(STEP_MS);
        let today = i32::try_from(time_ms / DAY_MS)?;
        let dated = |report| if load.step_ms == 0 { report } else { moved(report, today) };
        let mut transactions = Vec::new();
        for _ in 0..load.transactions {
            let (authority, events) = self.plan.take(load.events);
            let actions = events.into_iter().map(|(case, report)| (case, Action::Report(dated(report))));
            transactions.push(self.alone.sign(authority, time_ms, actions.collect())?);
        }
        self.alone.block(time_ms, &transactions)
    }
}

/// The report as if it were of a day; a day that it sets moves with it.
fn moved(report: Report, day: i32) -> Report {
    let by = match report.occurred {
        When::Day(before) => day - before,
        When::Instant(_) => 0,
    };
    Report { occurred: When::Day(day), effective: report.effective.map(|effective| effective + by), ..report }
}

fn plan(first_case: u64, today_ms: u64, cases: u64) -> Result<Plan, Fault> {
    let authorities: Vec<&str> = AUTHORITIES.iter().map(|authority| authority.id).collect();
    let today = i32::try_from(today_ms / DAY_MS)?;
    Ok(Plan::new(&authorities, cases, today, 1)?.from(first_case))
}

/// Microseconds of an event.
fn each(took: Duration, events: u64) -> f64 {
    took.as_secs_f64() * 1_000_000.0 / events.max(1) as f64
}

fn put(figures: &mut Figures, load: &Load, [plain, rules]: &[Took; 2], events: u64) {
    let name = load.name;
    for (side, took) in [("plain", plain), ("rules", rules)] {
        let parts = [("build", took.build), ("validate", took.validate), ("commit", took.commit)];
        for (part, took) in parts {
            figures.put(format!("{name}_{side}_{part}_us_per_event"), each(took, events));
        }
        figures.put(format!("{name}_{side}_us_per_event"), each(took.all(), events));
    }
    // Cases that were brought forward since something in them was due: more than reports alone change.
    let due = rules.cases.saturating_sub(plain.cases) as f64 / events.max(1) as f64;
    figures.put(format!("{name}_due_cases_per_event"), due);
    for (side, took) in [("plain", plain), ("rules", rules)] {
        let work = (took.work + took.due_work).max(1);
        figures.put(format!("{name}_{side}_work_per_event"), work as f64 / events.max(1) as f64);
        figures.put(format!("{name}_{side}_us_per_work"), took.judged().as_secs_f64() * 1_000_000.0 / work as f64);
    }
    let ratio = |of: &dyn Fn(&Took) -> Duration| of(rules).as_secs_f64() / of(plain).as_secs_f64().max(1e-9);
    figures.put(format!("{name}_build_ratio"), ratio(&|took| took.build));
    figures.put(format!("{name}_judged_ratio"), ratio(&Took::judged));
    figures.put(format!("{name}_ratio"), ratio(&Took::all));
}

/// Measures all kinds of load on both ledgers.
pub(super) fn run(size: &Size) -> Result<Figures, Fault> {
    let mut figures = Figures::new();
    let folder = tempfile::tempdir()?;
    let mut sides = [
        Side::open(&folder.path().join("plain"), ASYL_DE, 1)?,
        Side::open(&folder.path().join("rules"), ASYL_DE_2, 2)?,
    ];
    let today_ms = clock::now_ms();
    for (number, load) in (0..).zip(&LOADS) {
        eprintln!("{} cases for blocks of {} x {} events ...", size.cases, load.transactions, load.events);
        for side in &mut sides {
            side.begin(number, size.cases, today_ms)?;
        }
        let blocks = size.blocks * load.blocks;
        let (mut all, mut counted) = ([Took::default(); 2], 0);
        for block in 0..blocks {
            // Now one, now the other goes first.
            let order = if block % 2 == 0 { [0, 1] } else { [1, 0] };
            for place in order {
                let (Some(side), Some(all)) = (sides.get_mut(place), all.get_mut(place)) else { continue };
                let took = side.step(load)?;
                if block >= blocks / 8 {
                    all.add(&took);
                }
            }
            counted += u64::from(block >= blocks / 8);
        }
        put(&mut figures, load, &all, counted * load.transactions * load.events);
    }
    for (name, side) in ["plain", "rules"].into_iter().zip(sides) {
        drop(side.alone);
        let bytes = process::folder_bytes(&folder.path().join(name).join("db"))? as f64;
        figures.put(format!("{name}_megabytes"), bytes / 1_048_576.0);
    }
    Ok(figures)
}
