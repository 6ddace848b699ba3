//! How long a snapshot takes to make and to join from, over RocksDB, and where the time goes. Run by hand:
//! `cargo test --workspace --test snapshot_speed -- --ignored --nocapture`; `CASES` gives another number of cases.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a measurement by hand prints, and stops at the first thing that does not hold"
)]

mod fixture;

use std::sync::Arc;
use std::time::Duration;

use fixture::{BAMF, LDS, at_ms, build, genesis, hex, item, on_day, opens, valid_until};
use laufzettel_chain::ids::CaseId;
use laufzettel_chain::item::Action;
use laufzettel_chain::ledger::Ledger;
use laufzettel_chain::snapshot::{ChunkInfo, ChunkKind, Import, create};
use laufzettel_chain::storage::rocks::RocksStore;
use laufzettel_chain::storage::{Batch, Store};

/// Events of a case besides its opening: three days, two instants.
const EVENTS: u64 = 5;

/// Time since the start, and how much of it this thread was on a processor: on a busy machine only that says something.
/// Both from the system's own account, so that nothing in this crate, its tests included, knows a clock.
struct Clock(Duration, Duration);

fn account(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default().split(' ').next().unwrap_or_default().to_owned()
}

fn most_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default().trim().to_owned()
}

fn since_boot() -> Duration {
    Duration::from_secs_f64(account("/proc/uptime").parse().unwrap_or_default())
}

fn on_processor() -> Duration {
    Duration::from_nanos(account("/proc/thread-self/schedstat").parse().unwrap_or_default())
}

impl Clock {
    fn start() -> Self {
        Self(since_boot(), on_processor())
    }
    fn elapsed(&self) -> String {
        format!("{:.2?}, {:.2?} of them on a processor", since_boot() - self.0, on_processor() - self.1)
    }
}

fn case_of(number: u64) -> CaseId {
    let mut id = [0; 16];
    id.copy_from_slice(&blake3::hash(&number.to_be_bytes()).as_bytes()[..16]);
    CaseId(id)
}

/// Fills a ledger: one transaction an event, 500 a block, each case opened and reported on over several blocks.
fn fill(ledger: &mut Ledger, cases: u64) {
    let (mut number, mut candidates) = (0u64, Vec::new());
    for step in 0..=EVENTS {
        for of in 0..cases {
            number += 1;
            let action = match step {
                0 => opens("toy"),
                1 => Action::Report(on_day("begun", -3)),
                2 | 4 => Action::Report(at_ms("moment", step)),
                3 => Action::Report(on_day("step", -2)),
                _ => Action::Report(on_day("step", -1)),
            };
            let until = ledger.tip().header.time_ms + 3_600_000;
            let author = if of % 2 == 0 { BAMF } else { LDS };
            candidates.push(valid_until(author, number, until, vec![item(number, case_of(of), &action)]));
            if candidates.len() == 500 || (of + 1 == cases && step == EVENTS) {
                let built = build(ledger, ledger.tip().header.time_ms + 50, &candidates);
                assert_eq!(built.block.body.transactions.len(), candidates.len());
                let certificate = fixture::certificate(&built.block.header);
                ledger.commit(&built.block, built.executed, &certificate, Batch::default()).expect("works");
                candidates.clear();
            }
        }
    }
}

#[test]
#[ignore = "a measurement, by hand"]
fn time_to_make_and_to_join() {
    let cases = std::env::var("CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(100_000u64);
    let folder = tempfile::tempdir().expect("a folder");
    let from = Arc::new(RocksStore::open(&folder.path().join("from")).expect("opens"));
    let begun = Clock::start();
    let mut ledger = Ledger::open(from.clone(), genesis(), false).expect("opens");
    fill(&mut ledger, cases);
    println!(
        "{cases} cases, {EVENTS} events each, {} blocks: filled in {}",
        ledger.tip().header.height,
        begun.elapsed()
    );
    let begun = Clock::start();
    let file = |index: usize| folder.path().join(format!("{index:06}.chunk"));
    let mut sink = |index: u32, _: &ChunkInfo, bytes: &[u8]| {
        std::fs::write(file(index as usize), bytes).map_err(|error| error.to_string())
    };
    let manifest = create(from.snapshot().as_ref(), &genesis(), &mut sink).expect("made");
    println!(
        "made in {}: {} chunks, {} bytes, {} a case",
        begun.elapsed(),
        manifest.chunks.len(),
        manifest.bytes(),
        manifest.bytes() / cases
    );
    let to = Arc::new(RocksStore::open(&folder.path().join("to")).expect("opens"));
    let whole = Clock::start();
    let mut import = Import::begin(to.clone(), genesis(), manifest.clone()).expect("begins");
    for kind in [ChunkKind::Values, ChunkKind::Blocks, ChunkKind::Cases] {
        let (begun, mut bytes) = (Clock::start(), 0u64);
        for (index, info) in manifest.chunks.iter().enumerate().filter(|(_, info)| info.kind == kind) {
            import.chunk(&std::fs::read(file(index)).expect("kept")).expect("taken");
            bytes += u64::from(info.length);
        }
        println!("  {}: {bytes} bytes in {}", kind.name(), begun.elapsed());
    }
    let begun = Clock::start();
    let tip = import.finish(&mut |_, _| {}).expect("complete");
    println!("  tree: {}", begun.elapsed());
    let took = whole.elapsed();
    println!("most memory of the whole process, filling included: {}", most_memory());
    println!("joined in {took}, root {}", hex(&tip.header.state_root));
    assert_eq!(tip, *ledger.tip());
}
