//! Fills a network's stores with cases before its nodes start: the blocks are
//! built, certified and committed by the ledger itself with the validators' own
//! keys, only without the network in between. Every node gets the same store.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use laufzettel_chain::block::Block;
use laufzettel_chain::certificate::Certificate;
use laufzettel_chain::codec::encode;
use laufzettel_chain::crypto::{self, SigningKey};
use laufzettel_chain::ids::{Address, CaseId, TransactionId};
use laufzettel_chain::item::Action;
use laufzettel_chain::ledger::Ledger;
use laufzettel_chain::limits::BLOCK_WORK_MAX;
use laufzettel_chain::storage::Batch;
use laufzettel_chain::storage::rocks::RocksStore;
use laufzettel_chain::transaction::SignedTransaction;
use laufzettel_chain::vote::{Signable as _, Vote, VoteType};
use laufzettel_contracts::{Code, Report, When};
use laufzettel_node::consensus::watermark::{Mark, Step, Watermark};
use laufzettel_node::slots::SlotFile;
use laufzettel_node::worker::WatermarkSlots as _;
use laufzettel_node::{clock, keys};

use crate::cluster::{Cluster, Fault};
use crate::submit::blinding;

const VALID_MS: u64 = 3_600_000;
const DAY_MS: u64 = 86_400_000;
/// Cases of one transaction: each is opened and has two reports.
const CASES_A_TRANSACTION: u64 = 85;

/// What every case is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Content {
    /// Who reports.
    pub(crate) authority: &'static str,
    /// Version of `asyl-de`.
    pub(crate) version: u32,
    /// Two statuses, of the same day.
    pub(crate) statuses: [&'static str; 2],
    /// Days between the first case's day and the last one's, today: so they fall due one after another.
    pub(crate) days: i32,
}

/// Cases without rules, of today.
pub(crate) const PLAIN: Content =
    Content { authority: "sn-lds", version: 1, statuses: ["application_made", "identity_captured"], days: 0 };
/// Transactions of one block.
const TRANSACTIONS: u64 = 40;

/// A filled case, by number.
pub(crate) fn case(seed: u64, number: u64) -> CaseId {
    CaseId(blinding(seed, &TransactionId([0xf1; 16]), number))
}

/// What the stores hold.
pub(crate) struct Filled {
    pub(crate) height: u64,
    pub(crate) events: u64,
}

/// Fills the stores of all validators, which do not run yet.
pub(crate) fn fill(cluster: &Cluster, content: &Content, cases: u64, seed: u64, quiet: bool) -> Result<Filled, Fault> {
    let nodes = cluster.nodes();
    let first = nodes.first().ok_or("no node")?;
    let voters: Vec<SigningKey> = nodes
        .iter()
        .map(|node| keys::load(&cluster.net.node_folder(node).join("keys/consensus.pem")))
        .collect::<Result<_, _>>()?;
    let data = cluster.net.node_folder(first).join("data");
    fs::create_dir_all(&data)?;
    let store = Arc::new(RocksStore::open(&data.join("db"))?);
    let mut ledger = Ledger::open(store, cluster.genesis.clone(), false)?;
    let author = cluster.author(content.authority)?;
    let today = i32::try_from(clock::now_ms() / DAY_MS)?;
    let (mut next, mut said) = (0, std::time::Instant::now());
    while next < cases {
        let mut candidates = Vec::new();
        for _ in 0..TRANSACTIONS {
            let until = cases.min(next + CASES_A_TRANSACTION);
            if next < until {
                let age = i64::from(content.days).saturating_mul(i64::try_from(cases - next)?) / i64::try_from(cases)?;
                let day = today - i32::try_from(age)?;
                candidates.push(Arc::new(transaction(&author, content, seed, next..until, day)?));
                next = until;
            }
        }
        commit(&mut ledger, &voters, &candidates)?;
        if !quiet && said.elapsed().as_secs() >= 5 {
            said = std::time::Instant::now();
            eprintln!("  {next} of {cases} cases");
        }
    }
    let tip = ledger.tip();
    drop(ledger);
    for (node, key) in nodes.iter().zip(&voters) {
        let own = cluster.net.node_folder(node).join("data");
        if node != first {
            copy(&data.join("db"), &own.join("db"))?;
        }
        // As if it had voted for the last block: without a watermark a node with a past signs nothing.
        let mark = Mark { height: tip.header.height, round: 0, step: Step::Precommit, value: Some(tip.id) };
        let address = Address::of(&key.verifying_key());
        let network = cluster.genesis.network;
        let (slot, bytes) = Watermark { sequence: 1, network, address, mark, log_position: 0 }.slot();
        SlotFile::open(&own.join("watermark"))?.write(slot, &bytes)?;
    }
    Ok(Filled { height: tip.header.height, events: cases * 3 })
}

fn transaction(
    author: &laufzettel_node::client::Author,
    content: &Content,
    seed: u64,
    numbers: std::ops::Range<u64>,
    day: i32,
) -> Result<SignedTransaction, Fault> {
    let id = TransactionId(blinding(seed, &TransactionId([0xf2; 16]), numbers.start));
    let mut actions = Vec::new();
    for number in numbers {
        let open = Action::OpenCase { definition: "asyl-de".to_owned(), version: content.version };
        let report = |status| Ok::<_, Fault>(Action::Report(Report::new(Code::new(status)?, When::Day(day))));
        for action in [open, report(content.statuses[0])?, report(content.statuses[1])?] {
            let index = actions.len() as u64;
            actions.push((case(seed, number), action, blinding(seed, &id, index)));
        }
    }
    Ok(author.sign(id, clock::now_ms() + VALID_MS, &actions))
}

fn commit(ledger: &mut Ledger, voters: &[SigningKey], candidates: &[Arc<SignedTransaction>]) -> Result<(), Fault> {
    let proposer = ledger.tip().proposer(0).ok_or("no proposer")?;
    let built = ledger.build(0, clock::now_ms(), proposer, candidates, BLOCK_WORK_MAX)?;
    let refused = built.executed.outcomes.iter().flat_map(|outcome| &outcome.receipts);
    let refused = refused.filter(|receipt| receipt.code != laufzettel_chain::receipt::Code::Accepted).count();
    if built.block.body.transactions.len() != candidates.len() || refused > 0 {
        return Err(format!(
            "a block took {} of {} transactions and refused {refused} items",
            built.block.body.transactions.len(),
            candidates.len()
        )
        .into());
    }
    let certificate = certify(&built.block, voters);
    ledger.commit(&built.block, built.executed, &certificate, Batch::default())?;
    Ok(())
}

fn certify(block: &Block, voters: &[SigningKey]) -> Certificate {
    let header = &block.header;
    let id = block.id();
    let mut signatures: Vec<_> = voters
        .iter()
        .map(|key| {
            let address = Address::of(&key.verifying_key());
            let vote = Vote {
                network: header.network,
                incarnation: header.incarnation,
                height: header.height,
                round: 0,
                vote_type: VoteType::Precommit,
                value: Some(id),
                address,
            };
            (address, crypto::sign(key, Vote::DOMAIN, &encode(&vote)))
        })
        .collect();
    signatures.sort_by_key(|(address, _)| *address);
    Certificate { height: header.height, round: 0, block: id, signatures }
}

/// Copies a closed store. Files that are never written again are linked, so that four nodes start from the space of one.
fn copy(from: &Path, to: &Path) -> Result<(), Fault> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        let target = to.join(path.file_name().ok_or("a file without a name")?);
        if path.extension().is_some_and(|extension| extension == "sst") {
            fs::hard_link(&path, &target)?;
        } else if path.is_file() {
            fs::copy(&path, &target)?;
        }
    }
    Ok(())
}
