//! One ledger over RocksDB in this process, without network and consensus, so that nothing but the ledger is measured.
//! Its blocks are at the times they are given, so that a deadline need not be waited for.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use laufzettel_chain::certificate::Certificate;
use laufzettel_chain::genesis::Genesis;
use laufzettel_chain::ids::{CaseId, TransactionId};
use laufzettel_chain::item::Action;
use laufzettel_chain::ledger::Ledger;
use laufzettel_chain::limits::BLOCK_WORK_MAX;
use laufzettel_chain::receipt::Code;
use laufzettel_chain::storage::rocks::RocksStore;
use laufzettel_chain::storage::{Batch, Store};
use laufzettel_chain::transaction::SignedTransaction;
use laufzettel_node::client::Author;
use laufzettel_node::localnet::{LocalNet, Template};

use crate::cluster::Fault;
use crate::demo::cases::AUTHORITIES;
use crate::submit::blinding;

const VALID_MS: u64 = 3_600_000;

/// The ledger.
pub(super) struct Alone {
    pub(super) ledger: Ledger,
    /// In the order of the demo's authorities.
    authors: Vec<Author>,
    next: u64,
}

/// How long the parts of a block took.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Took {
    pub(super) build: Duration,
    pub(super) validate: Duration,
    pub(super) commit: Duration,
    /// Cases that the block changed.
    pub(super) cases: u64,
    /// Work of its transactions, and of what was due, in units of the budget.
    pub(super) work: u64,
    pub(super) due_work: u64,
}

impl Took {
    /// What one node spends on a block that another has built.
    pub(super) fn judged(&self) -> Duration {
        self.validate + self.commit
    }
    /// All parts.
    pub(super) fn all(&self) -> Duration {
        self.build + self.judged()
    }
    pub(super) fn add(&mut self, more: &Self) {
        self.build += more.build;
        self.validate += more.validate;
        self.commit += more.commit;
        self.cases += more.cases;
        self.work += more.work;
        self.due_work += more.due_work;
    }
}

impl Alone {
    /// An empty ledger of the demo's authorities with these definitions, below a folder.
    pub(super) fn open(folder: &Path, definitions: Vec<String>) -> Result<Self, Fault> {
        let members = AUTHORITIES.iter().map(Template::member).collect();
        let net = LocalNet::make(&folder.join("net"), "alone", members, definitions)?;
        let genesis: Arc<Genesis> = Arc::new(laufzettel_node::genesis::load(&net.folder.join("genesis.toml"))?);
        let mut authors = Vec::new();
        for authority in &AUTHORITIES {
            authors.push(Author {
                authority: authority.id.to_owned(),
                key: net.service_key(authority.id)?,
                network: genesis.network,
                incarnation: 0,
                source_system: "testnet".to_owned(),
            });
        }
        let store: Arc<dyn Store> = Arc::new(RocksStore::open(&folder.join("db"))?);
        Ok(Self { ledger: Ledger::open(store, genesis, false)?, authors, next: 0 })
    }
    /// Time of the last block.
    pub(super) fn now_ms(&self) -> u64 {
        self.ledger.tip().header.time_ms
    }
    /// Signs a transaction of an authority, by its place, for a block at an instant.
    pub(super) fn sign(
        &mut self,
        authority: usize,
        time_ms: u64,
        actions: Vec<(CaseId, Action)>,
    ) -> Result<Arc<SignedTransaction>, Fault> {
        self.next += 1;
        let id = TransactionId(blinding(2, &TransactionId([0x7a; 16]), self.next));
        let actions: Vec<_> =
            (0..).zip(actions).map(|(index, (case, action))| (case, action, blinding(3, &id, index))).collect();
        let author = self.authors.get(authority).ok_or("no such authority")?;
        Ok(Arc::new(author.sign(id, time_ms + VALID_MS, &actions)))
    }
    /// Builds, judges and commits a block of these transactions at an instant; how long each part took. All of them
    /// must fit and be applied.
    pub(super) fn block(&mut self, time_ms: u64, transactions: &[Arc<SignedTransaction>]) -> Result<Took, Fault> {
        self.decide(time_ms, transactions, true)
    }
    /// The same without judging it, as where nothing is measured.
    pub(super) fn grow(&mut self, time_ms: u64, transactions: &[Arc<SignedTransaction>]) -> Result<Took, Fault> {
        self.decide(time_ms, transactions, false)
    }
    fn decide(&mut self, time_ms: u64, transactions: &[Arc<SignedTransaction>], judged: bool) -> Result<Took, Fault> {
        let tip = self.ledger.tip();
        let proposer = *tip.order.first().ok_or("a network without validators")?;
        let start = Instant::now();
        let built = self.ledger.build(0, time_ms, proposer, transactions, BLOCK_WORK_MAX)?;
        let build = start.elapsed();
        if built.block.body.transactions.len() != transactions.len() {
            return Err(format!("only {} of the transactions fit", built.block.body.transactions.len()).into());
        }
        let receipts = built.executed.outcomes.iter().flat_map(|outcome| &outcome.receipts);
        if let Some(refused) = receipts.into_iter().find(|receipt| receipt.code != Code::Accepted) {
            return Err(format!("an item was refused: {}", refused.code.reason()).into());
        }
        let cases = u64::try_from(built.executed.cases.len())?;
        let (work, due_work) = (built.executed.work, built.executed.due_work);
        // Signatures are for the threads that admit; here the block is judged with them verified, as a node judges it.
        let start = Instant::now();
        let executed = if judged { self.ledger.validate(&built.block)? } else { built.executed };
        let validate = start.elapsed();
        // Nobody votes here: the certificate is stored, never asked for.
        let header = &built.block.header;
        let certificate =
            Certificate { height: header.height, round: header.round, block: header.id(), signatures: Vec::new() };
        let start = Instant::now();
        self.ledger.commit(&built.block, executed, &certificate, Batch::default())?;
        Ok(Took { build, validate, commit: start.elapsed(), cases, work, due_work })
    }
}
