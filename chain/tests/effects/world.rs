//! A network of protocol version 2 with the process of the tests of effects: an urgent stop, an appeal period, guards.

use std::sync::{Arc, OnceLock};

use laufzettel_chain::block::Block;
use laufzettel_chain::genesis::Genesis;
use laufzettel_chain::ids::{CaseId, ItemDigest};
use laufzettel_chain::item::{Action, Item, Override};
use laufzettel_chain::ledger::{Built, Ledger, genesis_state};
use laufzettel_chain::limits::BLOCK_WORK_MAX;
use laufzettel_chain::query::{self, CaseEffects, Inbox};
use laufzettel_chain::receipt::Receipt;
use laufzettel_chain::storage::Store;
use laufzettel_chain::storage::mem::MemStore;
use laufzettel_chain::transaction::{Payload, Signature, SignedTransaction};
use laufzettel_chain::{crypto, transaction};
use laufzettel_contracts::effect::EffectId;
use laufzettel_contracts::{CALENDARS_DE, Code, Report};

use crate::fixture::{self, AUTHORITIES, HOUR_MS, MINUTE_MS, TOY, case, code, commit, key, key_id};

/// The process of contracts/tests/effects.
pub(crate) const STOP: &str = include_str!("../../../contracts/tests/effects/process.toml");

pub(crate) const OFFICE: usize = fixture::BAMF;
pub(crate) const FOREIGNERS: usize = fixture::LDS;
pub(crate) const POLICE: usize = fixture::POLICE;
pub(crate) const COURT: usize = fixture::REGISTER;

/// The genesis text of the fixture in protocol version 2: other roles, calendars, and these definitions.
pub(crate) fn genesis_text(state_root: &[u8; 32], definitions: &[&str]) -> String {
    let text = fixture::genesis_text(state_root, definitions);
    let text = text.replace("version = 1\nname", "version = 1\nprotocol = 2\nname");
    let text = text.replace(r#"roles = ["office", "reception"]"#, r#"roles = ["foreigners"]"#);
    let text = text.replace(r#"roles = ["watcher", "state_police"]"#, r#"roles = ["police", "watcher"]"#);
    let text = text.replace(r#"roles = ["central_register"]"#, r#"roles = ["court"]"#);
    format!("{text}\n[[calendar]]\ntext = '''\n{CALENDARS_DE}'''\n")
}

pub(crate) fn rooted(definitions: &[&str]) -> Genesis {
    let draft = Genesis::parse(genesis_text(&[0; 32], definitions).as_bytes()).expect("the genesis file is sound");
    let (root, _) = genesis_state(&draft, &MemStore::default()).expect("memory");
    Genesis::parse(genesis_text(&root, definitions).as_bytes()).expect("the genesis file is sound")
}

pub(crate) fn genesis() -> Arc<Genesis> {
    static GENESIS: OnceLock<Arc<Genesis>> = OnceLock::new();
    GENESIS.get_or_init(|| Arc::new(rooted(&[STOP, TOY]))).clone()
}

pub(crate) fn open(store: Arc<dyn Store>) -> Ledger {
    Ledger::open(store, genesis(), false).expect("the store opens")
}

/// A ledger, and what numbers its items.
pub(crate) struct Scene {
    pub(crate) ledger: Ledger,
    pub(crate) store: Arc<MemStore>,
    pub(crate) blocks: Vec<Block>,
    /// How much later than the tip transactions are committed, at most two days short.
    pub(crate) ahead_ms: u64,
    number: u64,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let store = Arc::new(MemStore::default());
        Self { ledger: open(store.clone()), store, blocks: Vec::new(), ahead_ms: 0, number: 0 }
    }
    /// A scene with case 1 opened by the office.
    pub(crate) fn opened() -> Self {
        let mut scene = Self::new();
        let receipts = scene.act(OFFICE, &fixture::opens("stop"));
        assert_eq!(receipts.code.reason(), "ACCEPTED");
        scene
    }
    pub(crate) fn item(&mut self, of: CaseId, action: &Action, over: Option<&Override>) -> Vec<u8> {
        self.number += 1;
        let mut blinding = [7; 16];
        blinding[8..].copy_from_slice(&self.number.to_be_bytes());
        Item::encode_over(blinding, of, action, over)
    }
    /// A transaction of an authority, signed with its keys of these purposes.
    pub(crate) fn signed(&mut self, by: usize, purposes: &[&str], items: Vec<Vec<u8>>) -> Arc<SignedTransaction> {
        self.number += 1;
        let payload = Payload {
            network: genesis().network,
            incarnation: 0,
            id: fixture::transaction_id(self.number),
            authority: AUTHORITIES[by].0.to_owned(),
            valid_until_ms: self.ledger.tip().header.time_ms + self.ahead_ms + 48 * HOUR_MS,
            source_system: "test".to_owned(),
            item_digests: items.iter().map(|item| ItemDigest::of(item)).collect(),
        };
        let bytes = payload.encode();
        let sign = |purpose: &&str| {
            let key = key(by, purpose);
            let value = crypto::sign(&key, transaction::SIGN_DOMAIN, &bytes);
            Signature { key_id: key_id(&key), value }
        };
        let mut signatures: Vec<Signature> = purposes.iter().map(sign).collect();
        signatures.sort_by_key(|signature| signature.key_id);
        Arc::new(SignedTransaction { payload: bytes, signatures, items: items.into_iter().map(Some).collect() })
    }
    /// A block of these transactions at an instant.
    pub(crate) fn block(&mut self, time_ms: u64, candidates: &[Arc<SignedTransaction>]) -> Built {
        let proposer = self.ledger.tip().order[0];
        let built = self.ledger.build(0, time_ms, proposer, candidates, BLOCK_WORK_MAX).expect("memory");
        assert_eq!(built.unfit, Vec::new());
        assert_eq!(built.block.body.transactions.len(), candidates.len());
        let executed = self.ledger.validate(&built.block).expect("what is built is valid");
        assert_eq!((executed.state_root, &executed.batch), (built.executed.state_root, &built.executed.batch));
        commit(&mut self.ledger, &built.block, executed);
        self.blocks.push(Block::clone(&built.block));
        built
    }
    pub(crate) fn now(&self) -> u64 {
        self.ledger.tip().header.time_ms
    }
    /// One item on case 1 in a block a minute later; its receipt.
    pub(crate) fn act(&mut self, by: usize, action: &Action) -> Receipt {
        let item = self.item(case(1), action, None);
        self.send(by, vec![item]).remove(0)
    }
    /// Items in one transaction in a block a minute later; their receipts.
    pub(crate) fn send(&mut self, by: usize, items: Vec<Vec<u8>>) -> Vec<Receipt> {
        let signed = self.signed(by, &["service"], items);
        let time_ms = self.now() + MINUTE_MS;
        self.block(time_ms, &[signed]).executed.outcomes[0].receipts.clone()
    }
    pub(crate) fn report(&mut self, by: usize, report: Report) -> Receipt {
        self.act(by, &Action::Report(report))
    }
    /// What follows from case 1 now.
    pub(crate) fn effects(&self) -> CaseEffects {
        self.effects_of(case(1))
    }
    pub(crate) fn effects_of(&self, of: CaseId) -> CaseEffects {
        let found = query::effects(self.store.as_ref(), self.ledger.registry(), &of, self.now());
        found.expect("memory").expect("open")
    }
    /// The effects in an inbox, in their order.
    pub(crate) fn inbox(&self, of: usize, list: Inbox) -> Vec<EffectId> {
        let rows = query::inbox(self.store.as_ref(), AUTHORITIES[of].0, list, None, 100).expect("memory");
        rows.iter().map(|row| row.effect).collect()
    }
}

/// An instant in milliseconds after genesis, as a status with that precision has it.
pub(crate) fn relief(after_ms: u64) -> Report {
    fixture::at_ms("relief", after_ms)
}

pub(crate) fn with_outcome(report: Report, outcome: &str) -> Report {
    Report { outcome: Some(code(outcome)), ..report }
}

pub(crate) fn reason(text: &str) -> Code {
    code(text)
}
