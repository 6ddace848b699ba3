//! The state machine of one node: where the chain stands, what a next block
//! would do, and the commit that makes it so. The only writer of state.

use std::collections::BTreeSet;
use std::sync::Arc;

use bincode::{Decode, Encode};
use thiserror::Error;

use crate::block::{Block, Body};
use crate::certificate::Certificate;
use crate::check::{CheckError, Judge, Refusal, Verified};
use crate::codec::{decode, encode};
use crate::crypto::Hash;
use crate::execute::{Executed, Execution, Place};
use crate::genesis::{Genesis, GenesisError, text_hash};
use crate::header::Header;
use crate::ids::{Address, BlockId, Height, NO_HASH, PayloadDigest, TransactionId};
use crate::limits;
use crate::registry::{Parameters, Registry};
use crate::rows;
use crate::state::cache::CaseCache;
use crate::state::order::{ProposerOrder, Turns};
use crate::storage::{Batch, Durability, Family, Read, Store, StoreError};
use crate::transaction::{SignedTransaction, Transaction};
use crate::tree::{self, Change, StateKey};
use crate::validators::ValidatorSet;

/// Protocol version of this program's rules.
pub const PROTOCOL_VERSION: u16 = 1;
/// Version of the rows on disk; a store of another one is refused. 2: buckets have the height of their last change.
const STORE_VERSION: u32 = 1;

/// Where the chain stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tip {
    /// Header of the last block.
    pub header: Header,
    /// Its id.
    pub id: BlockId,
    /// Proof that it was decided; none for genesis.
    pub certificate: Option<Certificate>,
    /// Validators of the next height.
    pub validators: ValidatorSet,
    /// Proposer order of the next height: round r belongs to `order[r mod n]`.
    pub order: Vec<Address>,
    /// Consensus timeouts of the next height.
    pub parameters: Parameters,
}

impl Tip {
    /// Height of the block.
    #[must_use]
    pub fn height(&self) -> Height {
        self.header.height
    }
    /// The height that is decided next.
    #[must_use]
    pub fn next_height(&self) -> Height {
        self.header.height.saturating_add(1)
    }
    /// Who proposes in a round of the next height.
    #[must_use]
    pub fn proposer(&self, round: u32) -> Option<Address> {
        let turn = usize::try_from(round).ok()?.checked_rem(self.order.len())?;
        self.order.get(turn).copied()
    }
}

#[derive(Debug, Clone, Encode, Decode)]
struct TipRow {
    header: Vec<u8>,
    certificate: Option<Vec<u8>>,
    order: Vec<u8>,
}

/// Header, certificate and number of transactions of a stored block.
#[derive(Debug, Clone, Encode, Decode)]
pub(crate) struct BlockRow {
    pub(crate) header: Vec<u8>,
    pub(crate) certificate: Vec<u8>,
    pub(crate) transactions: u32,
}

/// A transaction as stored: all but its items, and its receipts.
#[derive(Debug, Clone, Encode, Decode)]
pub(crate) struct TransactionRow {
    /// Canonical bytes of the transaction without its items.
    pub(crate) signed: Vec<u8>,
    /// Canonical bytes of the list of receipts.
    pub(crate) receipts: Vec<u8>,
}

/// Why a store cannot be used.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The genesis file is refused.
    #[error(transparent)]
    Genesis(#[from] GenesisError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The genesis file claims another state.
    #[error(
        "the genesis file claims state root {claimed}, its content gives {computed}; run `laufzettel genesis check`"
    )]
    Root {
        /// Root in the file.
        claimed: String,
        /// Root of its content.
        computed: String,
    },
    /// The store belongs to another network.
    #[error(
        "the store belongs to network {found}, the genesis file to {expected}; use the data directory or the genesis file of one network"
    )]
    OtherNetwork {
        /// Network of the store.
        found: String,
        /// Network of the genesis file.
        expected: String,
    },
    /// The store was written by a newer program.
    #[error(
        "the store has format {found}, this program knows up to {STORE_VERSION}; install the program that wrote it"
    )]
    Newer {
        /// Format of the store.
        found: u32,
    },
}

/// Why validators vote against a block.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidBlock {
    /// A field of the header is not what this height demands.
    #[error("the header's {0} is wrong")]
    Header(&'static str),
    /// The body is over a limit.
    #[error("the body exceeds {0}")]
    Limit(&'static str),
    /// A transaction is invalid.
    #[error("transaction {index}: {refusal}")]
    Transaction {
        /// Position in the block.
        index: usize,
        /// What is wrong with it.
        refusal: Refusal,
    },
    /// Empty before its time.
    #[error("the block is empty and comes less than 60 seconds after the last one")]
    EmptyTooEarly,
}

/// An invalid block, or the store's failure.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ValidateError {
    /// Vote against it.
    #[error("{0}")]
    Invalid(#[from] InvalidBlock),
    /// This node cannot judge.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A block that was built here.
#[derive(Debug, Clone)]
pub struct Built {
    /// The block.
    pub block: Arc<Block>,
    /// What it does.
    pub executed: Executed,
    /// Candidates that can never be committed, with the reason.
    pub unfit: Vec<(PayloadDigest, Refusal)>,
}

/// The state machine over a store.
pub struct Ledger {
    store: Arc<dyn Store>,
    genesis: Arc<Genesis>,
    tip: Arc<Tip>,
    order: ProposerOrder,
    verified: Arc<Verified>,
    archive: bool,
    cases: CaseCache,
    turns: Turns,
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger").field("height", &self.tip.header.height).finish_non_exhaustive()
    }
}

const TIP: &[u8] = b"tip";
const FORMAT: &[u8] = b"format";
const NETWORK: &[u8] = b"network";

fn damaged(family: Family, what: impl ToString) -> StoreError {
    StoreError::Damaged { family: family.name(), what: what.to_string() }
}

/// The writes and the root of height 0.
///
/// # Errors
/// The store failed.
pub fn genesis_state(genesis: &Genesis, read: &dyn Read) -> Result<(Hash, Batch), StoreError> {
    use crate::codec::Writer;
    let registry = &genesis.registry;
    let written = |write: &dyn Fn(&mut Writer)| {
        let mut out = Writer::default();
        write(&mut out);
        Some(out.into_bytes())
    };
    let mut values = Vec::new();
    for (id, authority) in &registry.authorities {
        values.push((StateKey::Registry(1, id.clone()), written(&|out| authority.write(out))));
    }
    for (id, key) in &registry.keys {
        values.push((StateKey::Registry(2, id.to_string()), written(&|out| key.write(out))));
    }
    let mut batch = Batch::default();
    for ((id, version), text) in &genesis.texts {
        let name = format!("{id}@{version}");
        values.push((StateKey::Registry(3, name.clone()), Some(text_hash(text).to_vec())));
        batch.put(Family::Registry, [[3].as_slice(), name.as_bytes()].concat(), text.clone().into_bytes());
    }
    values.push((StateKey::ProposerOrder, Some(encode(&ProposerOrder::default()))));
    let epoch = genesis.time_ms.checked_div(limits::EPOCH_MS).unwrap_or(0);
    values.push((StateKey::Epoch, Some(epoch.to_be_bytes().to_vec())));
    values.push((StateKey::Parameters, written(&|out| registry.parameters.write(out))));
    values.push((StateKey::ProtocolVersion, Some(PROTOCOL_VERSION.to_be_bytes().to_vec())));
    let changes = values.into_iter().map(|(key, value)| Change { key, value, previous: None }).collect();
    let (root, nodes) = tree::put(read, 0, changes)?;
    batch.append(nodes);
    Ok((root, batch))
}

/// The header of height 0, which no certificate decides.
#[must_use]
pub fn genesis_header(genesis: &Genesis, state_root: Hash) -> Header {
    let validators_hash = genesis.registry.validators.hash();
    Header {
        version: PROTOCOL_VERSION,
        network: genesis.network,
        incarnation: 0,
        height: 0,
        round: 0,
        time_ms: genesis.time_ms,
        previous: BlockId(NO_HASH),
        proposer: Address::default(),
        tx_root: Body::default().tx_root(),
        receipts_root: crate::receipt::receipts_root([].iter()),
        state_root,
        validators_hash,
        next_validators_hash: validators_hash,
    }
}

/// The tip of a store or of a snapshot of it.
///
/// # Errors
/// The store failed or has no tip.
pub fn stored_tip(read: &dyn Read, registry: &Registry) -> Result<(Tip, ProposerOrder), StoreError> {
    let row: TipRow = rows::get(read, Family::Meta, TIP)?.ok_or_else(|| damaged(Family::Meta, "no tip"))?;
    let header: Header = decode(&row.header).map_err(|error| damaged(Family::Meta, error))?;
    let certificate = row.certificate.as_deref().map(decode).transpose();
    let order: ProposerOrder = decode(&row.order).map_err(|error| damaged(Family::Meta, error))?;
    let tip = Tip {
        id: header.id(),
        header,
        certificate: certificate.map_err(|error| damaged(Family::Meta, error))?,
        validators: registry.validators.clone(),
        order: order.next(&registry.validators),
        parameters: registry.parameters,
    };
    Ok((tip, order))
}

fn put_tip(batch: &mut Batch, header: &Header, certificate: Option<&Certificate>, order: &ProposerOrder) {
    let row = TipRow { header: encode(header), certificate: certificate.map(encode), order: encode(order) };
    rows::put(batch, Family::Meta, TIP.to_vec(), &row);
}

impl Ledger {
    /// Opens a store, or makes it from the genesis file.
    ///
    /// # Errors
    /// The store cannot be used with this file.
    pub fn open(store: Arc<dyn Store>, genesis: Arc<Genesis>, archive: bool) -> Result<Self, OpenError> {
        match store.get(Family::Meta, FORMAT)? {
            None => Self::create(store.as_ref(), &genesis)?,
            Some(bytes) => {
                let found: u32 = rows::decode(Family::Meta, &bytes)?;
                if found > STORE_VERSION {
                    return Err(OpenError::Newer { found });
                }
            }
        }
        let found = store.get(Family::Meta, NETWORK)?.unwrap_or_default();
        if found != genesis.network.0 {
            let found = data_encoding::HEXLOWER.encode(&found);
            return Err(OpenError::OtherNetwork { found, expected: genesis.network.to_string() });
        }
        let (tip, order) = stored_tip(store.as_ref(), &genesis.registry)?;
        let (verified, cases) = (Arc::default(), CaseCache::default());
        let turns = Turns::PROTOCOL;
        Ok(Self { store, genesis, tip: Arc::new(tip), order, verified, archive, cases, turns })
    }
    /// Keeps cases of so many reports in memory from now on, 0 for none; what it kept so far is dropped.
    pub fn cache_cases(&mut self, entries_max: usize) {
        self.cases = CaseCache::new(entries_max);
    }
    /// Takes other rules of turns than the protocol's, which no node does.
    #[must_use]
    pub fn with_turns(self, turns: Turns) -> Self {
        Self { turns, ..self }
    }
    fn execution(&self, place: Place) -> Execution<'_> {
        let execution = Execution::new(self.store.as_ref(), &self.genesis.registry, place);
        execution.with_cache(&self.cases).with_turns(self.turns)
    }
    fn create(store: &dyn Store, genesis: &Genesis) -> Result<(), OpenError> {
        let (root, mut batch) = genesis_state(genesis, store)?;
        if root != genesis.state_root {
            let hex = |root: &Hash| data_encoding::HEXLOWER.encode(root);
            return Err(OpenError::Root { claimed: hex(&genesis.state_root), computed: hex(&root) });
        }
        put_tip(&mut batch, &genesis_header(genesis, root), None, &ProposerOrder::default());
        rows::put(&mut batch, Family::Meta, FORMAT.to_vec(), &STORE_VERSION);
        batch.put(Family::Meta, NETWORK.to_vec(), genesis.network.0.to_vec());
        store.write(batch, Durability::Synced)?;
        Ok(())
    }
    /// Where the chain stands.
    #[must_use]
    pub fn tip(&self) -> Arc<Tip> {
        self.tip.clone()
    }
    /// Members, keys and definitions.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.genesis.registry
    }
    /// The genesis file.
    #[must_use]
    pub fn genesis(&self) -> &Arc<Genesis> {
        &self.genesis
    }
    /// The store.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }
    /// Signatures verified so far, to share with those who admit.
    #[must_use]
    pub fn verified(&self) -> &Arc<Verified> {
        &self.verified
    }
    /// Judges transactions for the next height at this time.
    #[must_use]
    pub fn judge(&self, time_ms: u64) -> Judge<'_> {
        Judge {
            read: self.store.as_ref(),
            registry: &self.genesis.registry,
            network: self.genesis.network,
            incarnation: self.tip.header.incarnation,
            height: self.tip.header.height.saturating_add(1),
            time_ms,
            verified: &self.verified,
        }
    }
    /// Builds the next block from candidates, in their order, as far as limits
    /// and `work_max` allow; the first one goes in even if it takes more work.
    ///
    /// # Errors
    /// The store failed.
    pub fn build(
        &self,
        round: u32,
        time_ms: u64,
        proposer: Address,
        candidates: &[Arc<SignedTransaction>],
        work_max: u64,
    ) -> Result<Built, StoreError> {
        let time_ms = time_ms.max(self.tip.header.time_ms.saturating_add(1));
        let judge = self.judge(time_ms);
        let place = self.place(judge.height, time_ms, round, proposer);
        let mut execution = self.execution(place);
        let (mut body, mut bytes, mut unfit) = (Body::default(), 0usize, Vec::new());
        let mut seen = BTreeSet::new();
        for signed in candidates {
            let size = encode(signed.as_ref()).len();
            let full = body.transactions.len() >= limits::BODY_TRANSACTIONS_MAX
                || bytes.saturating_add(size) > limits::BODY_BYTES_MAX.saturating_sub(1024);
            if full {
                break;
            }
            match judge.check(signed) {
                Ok(transaction) => {
                    if !seen.insert((transaction.payload.authority.clone(), transaction.payload.id)) {
                        continue;
                    }
                    let cost = execution.cost(&transaction)?;
                    let work = execution.work().saturating_add(cost);
                    let alone = body.transactions.is_empty() && work <= limits::BLOCK_WORK_MAX;
                    if work > work_max.min(limits::BLOCK_WORK_MAX) && !alone {
                        break;
                    }
                    execution.run(signed, &transaction)?;
                    bytes = bytes.saturating_add(size);
                    body.transactions.push(signed.clone());
                }
                Err(CheckError::Refused(refusal)) => unfit.push((PayloadDigest::of(&signed.payload), refusal)),
                Err(CheckError::Store(error)) => return Err(error),
            }
        }
        let executed = execution.finish(&self.order)?;
        let header = self.header(place, &body, &executed);
        Ok(Built { block: Arc::new(Block { header, body }), executed, unfit })
    }
    fn place(&self, height: Height, time_ms: u64, round: u32, proposer: Address) -> Place {
        let (network, incarnation) = (self.genesis.network, self.tip.header.incarnation);
        Place { height, time_ms, round, proposer, network, incarnation }
    }
    fn header(&self, place: Place, body: &Body, executed: &Executed) -> Header {
        let hash = |order: &ProposerOrder| (self.turns.hash)(&self.tip.validators, &order.next(&self.tip.validators));
        Header {
            version: PROTOCOL_VERSION,
            network: self.genesis.network,
            incarnation: self.tip.header.incarnation,
            height: place.height,
            round: place.round,
            time_ms: place.time_ms,
            previous: self.tip.id,
            proposer: place.proposer,
            tx_root: body.tx_root(),
            receipts_root: executed.receipts_root,
            state_root: executed.state_root,
            validators_hash: hash(&self.order),
            next_validators_hash: hash(&executed.order),
        }
    }
    /// Judges a proposed block: a pure function of the state below it and its
    /// bytes, never of clock or consensus round.
    ///
    /// # Errors
    /// The block is invalid, or the store failed.
    pub fn validate(&self, block: &Block) -> Result<Executed, ValidateError> {
        let header = &block.header;
        let round = usize::try_from(header.round).unwrap_or(usize::MAX);
        let turn = round.checked_rem(self.tip.order.len()).and_then(|turn| self.tip.order.get(turn));
        if turn != Some(&header.proposer) {
            return Err(InvalidBlock::Header("proposer").into());
        }
        if header.time_ms <= self.tip.header.time_ms {
            return Err(InvalidBlock::Header("time").into());
        }
        if block.body.transactions.len() > limits::BODY_TRANSACTIONS_MAX {
            return Err(InvalidBlock::Limit("20,000 transactions").into());
        }
        if encode(&block.body).len() > limits::BODY_BYTES_MAX {
            return Err(InvalidBlock::Limit("4 MiB").into());
        }
        let early = header.time_ms < self.tip.header.time_ms.saturating_add(limits::HEARTBEAT_MS);
        if block.body.transactions.is_empty() && header.round == 0 && early {
            return Err(InvalidBlock::EmptyTooEarly.into());
        }
        let place = self.place(header.height, header.time_ms, header.round, header.proposer);
        let executed = self.execute(place, &block.body)?;
        let expected = self.header(place, &block.body, &executed);
        if let Some(field) = differing_field(header, &expected) {
            return Err(InvalidBlock::Header(field).into());
        }
        Ok(executed)
    }
    fn execute(&self, place: Place, body: &Body) -> Result<Executed, ValidateError> {
        let judge = self.judge(place.time_ms);
        if place.height != judge.height {
            return Err(InvalidBlock::Header("height").into());
        }
        let mut execution = self.execution(place);
        let mut seen: BTreeSet<(String, TransactionId)> = BTreeSet::new();
        for (index, signed) in body.transactions.iter().enumerate() {
            let transaction = check_at(&judge, index, signed)?;
            let payload = &transaction.payload;
            if !seen.insert((payload.authority.clone(), payload.id)) {
                let refusal = Refusal::IdTaken { id: payload.id, height: place.height };
                return Err(InvalidBlock::Transaction { index, refusal }.into());
            }
            execution.run(signed, &transaction)?;
            if execution.work() > limits::BLOCK_WORK_MAX {
                return Err(InvalidBlock::Limit("the work budget").into());
            }
        }
        Ok(execution.finish(&self.order)?)
    }
    /// Makes a decided block durable, in one synced batch with the given
    /// writes, and moves the tip. Durable first, visible second.
    ///
    /// # Errors
    /// The store failed; the process must end.
    pub fn commit(
        &mut self,
        block: &Block,
        executed: Executed,
        certificate: &Certificate,
        with: Batch,
    ) -> Result<Arc<Tip>, StoreError> {
        let height = block.header.height;
        let mut batch = executed.batch;
        self.put_block(&mut batch, block, certificate, &executed.outcomes)?;
        if !self.archive {
            tree::prune(self.store.as_ref(), height.saturating_sub(limits::TREE_VERSIONS_KEPT), &mut batch)?;
        }
        put_tip(&mut batch, &block.header, Some(certificate), &executed.order);
        batch.append(with);
        self.store.write(batch, Durability::Synced)?;
        self.tip = Arc::new(Tip {
            header: block.header.clone(),
            id: block.id(),
            certificate: Some(certificate.clone()),
            validators: self.genesis.registry.validators.clone(),
            order: executed.order.next(&self.genesis.registry.validators),
            parameters: self.genesis.registry.parameters,
        });
        self.order = executed.order;
        for (id, case) in executed.cases {
            self.cases.put(id, case);
        }
        Ok(self.tip.clone())
    }
    fn put_block(
        &self,
        batch: &mut Batch,
        block: &Block,
        certificate: &Certificate,
        outcomes: &[crate::execute::Outcome],
    ) -> Result<(), StoreError> {
        let height = block.header.height;
        let count = block.body.transactions.len();
        let row = BlockRow {
            header: encode(&block.header),
            certificate: encode(certificate),
            transactions: u32::try_from(count).map_err(|error| damaged(Family::Blocks, error))?,
        };
        rows::put(batch, Family::Blocks, height.to_be_bytes().to_vec(), &row);
        for (index, (signed, outcome)) in block.body.transactions.iter().zip(outcomes).enumerate() {
            let index = u32::try_from(index).map_err(|error| damaged(Family::Blocks, error))?;
            let mut bare = signed.as_ref().clone();
            for (item_index, item) in bare.items.iter_mut().enumerate() {
                if let Some(bytes) = item.take() {
                    batch.put(Family::Items, item_row(height, index, item_index), bytes);
                }
            }
            let mut receipts = crate::codec::Writer::default();
            receipts.list(&outcome.receipts);
            let row = TransactionRow { signed: encode(&bare), receipts: receipts.into_bytes() };
            rows::put(batch, Family::Blocks, transaction_row(height, index), &row);
        }
        Ok(())
    }
}

pub(crate) fn transaction_row(height: Height, index: u32) -> Vec<u8> {
    [height.to_be_bytes().as_slice(), &index.to_be_bytes()].concat()
}

pub(crate) fn item_row(height: Height, index: u32, item: usize) -> Vec<u8> {
    let item = u16::try_from(item).unwrap_or(u16::MAX);
    [transaction_row(height, index).as_slice(), &item.to_be_bytes()].concat()
}

fn check_at(judge: &Judge<'_>, index: usize, signed: &SignedTransaction) -> Result<Transaction, ValidateError> {
    match judge.check(signed) {
        Ok(transaction) => Ok(transaction),
        Err(CheckError::Refused(refusal)) => Err(InvalidBlock::Transaction { index, refusal }.into()),
        Err(CheckError::Store(error)) => Err(error.into()),
    }
}

fn differing_field(found: &Header, expected: &Header) -> Option<&'static str> {
    let fields = [
        (found.version == expected.version, "version"),
        (found.network == expected.network, "network"),
        (found.incarnation == expected.incarnation, "incarnation"),
        (found.previous == expected.previous, "previous"),
        (found.tx_root == expected.tx_root, "tx_root"),
        (found.receipts_root == expected.receipts_root, "receipts_root"),
        (found.state_root == expected.state_root, "state_root"),
        (found.validators_hash == expected.validators_hash, "validators_hash"),
        (found.next_validators_hash == expected.next_validators_hash, "next_validators_hash"),
    ];
    fields.into_iter().find(|(equal, _)| !equal).map(|(_, name)| name)
}
