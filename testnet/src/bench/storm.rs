//! `testnet bench --storm`: very many deadlines due at one instant, and then a network that was down while deadlines
//! passed. One ledger in this process; blocks with and without due work carry the same live events. Whether all was
//! done, and in order, is read back from the store: if not, the bench fails.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use laufzettel_chain::ids::{CaseId, Height, TransactionId};
use laufzettel_chain::item::Action;
use laufzettel_chain::state::case::CaseRow;
use laufzettel_chain::transaction::SignedTransaction;
use laufzettel_contracts::{ASYL_DE_2, Code, Report, When};

use super::alone::{Alone, Took};
use super::figures::Figures;
use crate::cluster::Fault;
use crate::submit::blinding;

const DAY_MS: u64 = 86_400_000;
const MINUTE_MS: u64 = 60_000;
/// Between blocks of the storm, in milliseconds of block time.
const STEP_MS: u64 = 100;
/// Cases opened with one transaction, and transactions of one block.
const FILL: (u64, u64) = (100, 8);
/// Blocks without due work, for comparison.
const CALM_BLOCKS: u64 = 40;
/// Single events of one block, and the cases that they go to in turn.
const LIVE: (u64, u64) = (50, 2_000);
/// How long the network is down then.
const DOWN_MS: u64 = 200 * DAY_MS;
/// Places of authorities: who refers, and who reports live.
const POLICE: usize = 3;
const RECEPTION: usize = 1;
/// It starts the time within which the arrival has to be reported, which warns and ends with a day.
const STARTS: &str = "forwarded_to_reception";
/// It may be reported again and again, and starts nothing.
const LIVE_STATUS: &str = "identity_captured";

struct Storm {
    alone: Alone,
    cases: u64,
    live: u64,
}

/// Blocks that were made.
#[derive(Default)]
struct Blocks {
    count: u64,
    live: u64,
    cases: u64,
    work: u64,
    took: Took,
    each_us: Vec<u64>,
}

impl Blocks {
    fn add(&mut self, took: &Took) -> Result<(), Fault> {
        self.count += 1;
        self.live += LIVE.0;
        self.cases += took.cases.saturating_sub(LIVE.0);
        self.work += took.due_work;
        self.took.add(took);
        self.each_us.push(u64::try_from(took.all().as_micros())?);
        Ok(())
    }
    fn put(&self, figures: &mut Figures, name: &str) -> Result<(), Fault> {
        let mut each = Histogram::<u64>::new(3)?;
        for us in &self.each_us {
            each.record(*us)?;
        }
        figures.put(format!("{name}_blocks"), self.count as f64);
        figures.put(format!("{name}_due_cases"), self.cases as f64);
        figures.put(format!("{name}_live_events"), self.live as f64);
        figures.put(format!("{name}_s"), self.took.all().as_secs_f64());
        for (quantile, at) in [("p50", 0.5), ("p99", 0.99), ("max", 1.0)] {
            figures.put(format!("{name}_block_{quantile}_ms"), each.value_at_quantile(at) as f64 / 1_000.0);
        }
        for (part, took) in [("build", self.took.build), ("validate", self.took.validate), ("commit", self.took.commit)]
        {
            figures.put(format!("{name}_block_{part}_ms"), took.as_secs_f64() * 1_000.0 / self.count.max(1) as f64);
        }
        Ok(())
    }
    fn judged_us(&self) -> f64 {
        self.took.judged().as_secs_f64() * 1_000_000.0
    }
}

fn case(number: u64) -> CaseId {
    CaseId(blinding(5, &TransactionId([0xca; 16]), number))
}

fn report(status: &str, day: i32) -> Result<Action, Fault> {
    Ok(Action::Report(Report::new(Code::new(status)?, When::Day(day))))
}

impl Storm {
    fn today(&self) -> Result<i32, Fault> {
        Ok(i32::try_from(self.alone.now_ms() / DAY_MS)?)
    }
    /// Opens the cases and refers each, which starts its deadlines. Those of one block are of one day.
    fn fill(&mut self, first: u64, count: u64, refer: bool) -> Result<(), Fault> {
        let (mut number, last) = (first, first + count);
        while number < last {
            let time_ms = self.alone.now_ms() + 1;
            let mut transactions = Vec::new();
            for _ in 0..FILL.1 {
                let mut actions = Vec::new();
                for id in (number..last.min(number + FILL.0)).map(case) {
                    actions.push((id, Action::OpenCase { definition: "asyl-de".to_owned(), version: 2 }));
                    if refer {
                        actions.push((id, report(STARTS, self.today()?)?));
                    }
                }
                number = last.min(number + FILL.0);
                if !actions.is_empty() {
                    transactions.push(self.alone.sign(POLICE, time_ms, actions)?);
                }
            }
            self.alone.block(time_ms, &transactions)?;
        }
        Ok(())
    }
    /// Single events on cases that have nothing to do with the storm.
    fn live(&mut self, time_ms: u64) -> Result<Vec<Arc<SignedTransaction>>, Fault> {
        let day = i32::try_from(time_ms / DAY_MS)?;
        let mut transactions = Vec::new();
        for _ in 0..LIVE.0 {
            let id = case(self.cases + self.live % LIVE.1);
            self.live += 1;
            transactions.push(self.alone.sign(RECEPTION, time_ms, vec![(id, report(LIVE_STATUS, day)?)])?);
        }
        Ok(transactions)
    }
    fn block(&mut self, time_ms: u64, blocks: &mut Blocks) -> Result<(), Fault> {
        let transactions = self.live(time_ms)?;
        let took = self.alone.block(time_ms, &transactions)?;
        blocks.add(&took)
    }
    /// Blocks until nothing is due any more at the last one's time.
    fn until_done(&mut self, from_ms: u64) -> Result<Blocks, Fault> {
        let (mut blocks, mut time_ms) = (Blocks::default(), from_ms.max(self.alone.now_ms() + 1));
        while self.alone.ledger.tip().next_due_ms.is_some_and(|due_ms| due_ms <= time_ms) {
            let before = (self.alone.ledger.tip().next_due_ms, blocks.cases);
            self.block(time_ms, &mut blocks)?;
            if (self.alone.ledger.tip().next_due_ms, blocks.cases) == before {
                return Err("a block with work due did none".into());
            }
            time_ms += STEP_MS;
        }
        Ok(blocks)
    }
    fn row(&self, number: u64) -> Result<CaseRow, Fault> {
        let row = CaseRow::load(self.alone.ledger.store().as_ref(), &case(number))?;
        Ok(row.ok_or("a case is gone")?)
    }
    /// All cases in the order in which they become due.
    fn expected(&self) -> Result<Vec<(u64, CaseId, u64)>, Fault> {
        let mut all = Vec::new();
        for number in 0..self.cases {
            if let Some(due_ms) = self.row(number)?.next_due_ms() {
                all.push((due_ms, case(number), number));
            }
        }
        all.sort_unstable();
        Ok(all)
    }
    /// Checks that everything expected by now was done, once, and in its order.
    fn check(&self, expected: &[(u64, CaseId, u64)], first: Height) -> Result<(), Fault> {
        let (now_ms, mut last) = (self.alone.now_ms(), first);
        for (due_ms, id, number) in expected.iter().filter(|(due_ms, _, _)| *due_ms <= now_ms) {
            let row = self.row(*number)?;
            let heights: Vec<Height> = row.due_heights().into_iter().filter(|height| *height > first).collect();
            let [height] = heights.as_slice() else {
                return Err(format!("case {id}, due at {due_ms}, was brought forward at {heights:?}").into());
            };
            if *height < last {
                return Err(format!("case {id}, due at {due_ms}, came at {height}, one due before at {last}").into());
            }
            if row.next_due_ms().is_some_and(|next_ms| next_ms <= now_ms) {
                return Err(format!("case {id} still has something due").into());
            }
            last = *height;
        }
        Ok(())
    }
}

/// Lets a storm come over so many cases.
pub(super) fn run(cases: u64) -> Result<Figures, Fault> {
    let mut figures = Figures::new();
    let folder = tempfile::tempdir()?;
    let mut storm = Storm { alone: Alone::open(folder.path(), vec![ASYL_DE_2.to_owned()])?, cases, live: 0 };
    eprintln!("{cases} cases ...");
    let began = Instant::now();
    storm.fill(0, cases, true)?;
    storm.fill(cases, LIVE.1, false)?;
    let filled: Duration = began.elapsed();
    figures.put("storm_cases", cases as f64);
    figures.put("storm_fill_s", filled.as_secs_f64());
    let mut calm = Blocks::default();
    for _ in 0..CALM_BLOCKS {
        storm.block(storm.alone.now_ms() + STEP_MS, &mut calm)?;
    }
    calm.put(&mut figures, "calm")?;
    let due_ms = storm.alone.ledger.tip().next_due_ms.ok_or("nothing will be due")?;
    let expected = storm.expected()?;
    let at_once = expected.iter().filter(|(at_ms, _, _)| *at_ms < due_ms + MINUTE_MS).count();
    figures.put("storm_due_in_one_minute", at_once as f64);
    eprintln!("the storm ...");
    let height = storm.alone.ledger.tip().header.height;
    let blocks = storm.until_done(due_ms)?;
    storm.check(&expected, height)?;
    blocks.put(&mut figures, "storm")?;
    per_case(&mut figures, &blocks, &calm);
    eprintln!("the network was down ...");
    let (expected, height) = (storm.expected()?, storm.alone.ledger.tip().header.height);
    let blocks = storm.until_done(storm.alone.now_ms() + DOWN_MS)?;
    storm.check(&expected, height)?;
    blocks.put(&mut figures, "down")?;
    Ok(figures)
}

/// What a due case, and a unit of its work, cost beside the live events.
fn per_case(figures: &mut Figures, storm: &Blocks, calm: &Blocks) {
    let live_us = calm.judged_us() / calm.count.max(1) as f64;
    let due_us = storm.judged_us() - live_us * storm.count as f64;
    figures.put("storm_work_per_case", storm.work as f64 / storm.cases.max(1) as f64);
    figures.put("storm_us_per_case", due_us / storm.cases.max(1) as f64);
    figures.put("storm_us_per_work", due_us / storm.work.max(1) as f64);
}
