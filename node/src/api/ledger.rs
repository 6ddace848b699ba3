//! LedgerService: blocks, headers, and how this node is.

use std::pin::Pin;
use std::sync::Arc;

use laufzettel_chain::codec::encode;
use laufzettel_chain::ids::Height;
use laufzettel_chain::ledger::Tip;
use laufzettel_chain::query;
use laufzettel_chain::storage::Read;
use laufzettel_chain::transaction::Payload;
use laufzettel_contracts::Position;
use laufzettel_proto::v1;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::backend::{Alarm, Backend, NodeState, Sync};
use super::callers::Caller;
use super::convert;
use super::events::{Sights, bare_receipt};
use super::feed;
use super::reasons::Reason;
use super::status::Failure;
use crate::consensus::watermark::SigningState;

pub(super) struct Blocks {
    backend: Arc<Backend>,
    stop: CancellationToken,
}

type Answer<T> = Result<Response<T>, Status>;

impl Blocks {
    pub(super) fn new(backend: Arc<Backend>, stop: CancellationToken) -> Self {
        Self { backend, stop }
    }
}

/// The height asked for; 0 is the newest.
fn height(asked: Height, tip: &Tip) -> Result<Height, Failure> {
    match asked {
        0 => Ok(tip.header.height),
        above if above > tip.header.height => Err(Failure::new(Reason::BlockNotFound).and("height", tip.header.height)),
        asked => Ok(asked),
    }
}

/// Header and certificate; that of genesis, which no certificate decides, is the tip's alone.
fn head(read: &dyn Read, tip: &Tip, height: Height) -> Result<(v1::CertifiedHeader, Vec<u8>), Failure> {
    let validators = &tip.registry.validators;
    if height == tip.header.height {
        let head = convert::head(&tip.header, tip.certificate.as_ref(), validators);
        return Ok((head, tip.id.0.to_vec()));
    }
    let Some((header, certificate)) = query::header(read, height)? else { return Err(pruned(read)?) };
    Ok((convert::head(&header, Some(&certificate), validators), header.id().0.to_vec()))
}

/// That a height is older than what is kept, and what is.
fn pruned(read: &dyn Read) -> Result<Failure, Failure> {
    Ok(Failure::new(Reason::Pruned).and("bodies_from", query::bodies_from(read)?))
}

/// The transactions of a block, with the items that are for the reader. Those of others are empty places, as erased ones
/// are: digests in the payloads hold what was there, and the transactions can be checked without them. Of their receipts
/// only that they were applied or refused is told.
fn transactions(
    read: &dyn Read,
    sights: &mut Sights<'_>,
    height: Height,
) -> Result<Vec<v1::BlockTransaction>, Failure> {
    // Genesis has none; of a pruned block a header at most is kept, and an empty list would be a lie.
    if height > 0 && height < query::bodies_from(read)? {
        return Err(pruned(read)?);
    }
    let Some((block, _)) = query::block(read, height)? else { return Ok(Vec::new()) };
    let mut transactions = Vec::with_capacity(block.body.transactions.len());
    for (index, signed) in block.body.transactions.iter().enumerate() {
        let receipts = query::receipts(read, height, u32::try_from(index).unwrap_or(u32::MAX))?.unwrap_or_default();
        let transaction = u32::try_from(index).unwrap_or(u32::MAX);
        let author = Payload::decode(&signed.payload).map(|payload| payload.authority).unwrap_or_default();
        let mut message = signed.to_proto();
        message.items = Vec::with_capacity(signed.items.len());
        let mut told = Vec::with_capacity(receipts.len());
        for (place, bytes) in signed.items.iter().enumerate() {
            let at = Position { height, transaction, item: u16::try_from(place).unwrap_or(u16::MAX) };
            let shown = match bytes {
                Some(bytes) => sights.item(&author, &at, bytes)?,
                None => false,
            };
            told.extend(match receipts.get(place) {
                Some(receipt) if shown || author == sights.authority() => {
                    Some(sights.receipt(convert::receipt(receipt), bytes.as_deref())?)
                }
                Some(receipt) => Some(bare_receipt(receipt)),
                None => None,
            });
            message.items.push(bytes.clone().filter(|_| shown).unwrap_or_default());
        }
        transactions.push(v1::BlockTransaction { transaction: Some(message), receipts: told });
    }
    Ok(transactions)
}

fn signing(state: Option<SigningState>, tip: Height) -> (v1::SigningState, Height) {
    match state {
        None => (v1::SigningState::Unspecified, 0),
        Some(SigningState::Observer) => (v1::SigningState::Observer, 0),
        Some(SigningState::New) => (v1::SigningState::New, 0),
        Some(SigningState::Ready) => (v1::SigningState::Ready, 0),
        Some(SigningState::Above(height)) if height <= tip => (v1::SigningState::Ready, 0),
        Some(SigningState::Above(height)) => (v1::SigningState::Above, height),
        Some(SigningState::Silent(_)) => (v1::SigningState::Silent, 0),
    }
}

/// How this node is, from what its driver said last.
///
/// Alarms are shown of one authority, or of all where the operator asks.
pub(super) fn health(
    backend: &Backend,
    state: &NodeState,
    tip: &Tip,
    authority: Option<&str>,
) -> v1::GetHealthResponse {
    let genesis = backend.genesis();
    let sync = match state.sync {
        Sync::InSync => v1::HealthState::InSync,
        Sync::CatchingUp => v1::HealthState::CatchingUp,
        Sync::NoQuorum => v1::HealthState::NoQuorum,
        Sync::Stopped => v1::HealthState::Stopped,
    };
    let peer = |peer: &super::backend::PeerState| v1::PeerHealth {
        authority: peer.authority.clone(),
        validator: peer.validator,
        connected: peer.connected,
        height: peer.height,
        beat_age_ms: peer.beat_age_ms.unwrap_or(0),
        disconnected_ms: if peer.connected { 0 } else { peer.since_ms.max(1) },
    };
    let (signing, signing_above_height) = signing(state.signing, tip.header.height);
    v1::GetHealthResponse {
        state: sync.into(),
        network: genesis.network.0.to_vec(),
        network_name: genesis.name.clone(),
        incarnation: tip.header.incarnation,
        authority: backend.authority().into(),
        validator: tip.registry.validators.of_authority(backend.authority()).is_some(),
        software_version: env!("CARGO_PKG_VERSION").into(),
        protocol_version: u32::from(tip.header.version),
        round: state.round,
        mempool_transactions: state.mempool_transactions,
        mempool_bytes: state.mempool_bytes,
        quorum_margin: state.quorum_margin,
        peers: state.peers.iter().map(peer).collect(),
        warnings: state.warnings.clone(),
        signing: signing.into(),
        signing_above_height,
        position: Some(backend.position(tip)),
        alarms: alarms(state, authority),
    }
}

fn alarms(state: &NodeState, authority: Option<&str>) -> Vec<v1::UrgentAlarm> {
    let shown = state.alarms.iter().filter(|alarm| authority.is_none_or(|own| own == alarm.late.authority));
    let alarm = |alarm: &Alarm| v1::UrgentAlarm {
        authority: alarm.late.authority.clone(),
        transaction_id: alarm.late.id.0.to_vec(),
        since_ms: alarm.late.since_ms,
        waiting_ms: alarm.age_ms,
        lost: alarm.late.lost.as_ref().map(|reason| format!("{reason:?}")).unwrap_or_default(),
    };
    shown.map(alarm).collect()
}

#[tonic::async_trait]
impl v1::ledger_service_server::LedgerService for Blocks {
    async fn get_block(&self, request: Request<v1::GetBlockRequest>) -> Answer<v1::GetBlockResponse> {
        let caller = Caller::of(&request)?;
        let asked = request.into_inner().height;
        let ((head, block_id, transactions), position) = self
            .backend
            .read_long(move |read, tip| {
                let height = height(asked, tip)?;
                let (head, block_id) = head(read, tip, height)?;
                let mut sights = Sights::new(read, &tip.registry, caller.authority(), tip.header.time_ms);
                Ok((head, block_id, transactions(read, &mut sights, height)?))
            })
            .await?;
        let (head, position) = (Some(head), Some(position));
        Ok(Response::new(v1::GetBlockResponse { head, block_id, transactions, position }))
    }

    async fn get_header(&self, request: Request<v1::GetHeaderRequest>) -> Answer<v1::GetHeaderResponse> {
        Caller::of(&request)?;
        let asked = request.into_inner().height;
        let ((head, block_id), position) = self.backend.read(|read, tip| head(read, tip, height(asked, tip)?))?;
        Ok(Response::new(v1::GetHeaderResponse { head: Some(head), block_id, position: Some(position) }))
    }

    async fn get_health(&self, request: Request<v1::GetHealthRequest>) -> Answer<v1::GetHealthResponse> {
        let caller = Caller::of(&request)?;
        let state = self.backend.state().borrow().clone();
        let tip = self.backend.subscribe().borrow().clone();
        Ok(Response::new(health(&self.backend, &state, &tip, Some(caller.authority()))))
    }

    type WatchBlocksStream = Pin<Box<ReceiverStream<Result<v1::WatchBlocksResponse, Status>>>>;

    async fn watch_blocks(&self, request: Request<v1::WatchBlocksRequest>) -> Answer<Self::WatchBlocksStream> {
        Caller::of(&request)?;
        let after = match request.into_inner().after_height {
            0 => self.backend.subscribe().borrow().header.height,
            given => given,
        };
        let stream = feed::blocks(self.backend.clone(), self.stop.clone(), after);
        Ok(Response::new(Box::pin(stream)))
    }
}

/// One block of the feed.
pub(super) fn block_message(read: &dyn Read, tip: &Tip, height: Height) -> Result<v1::WatchBlocksResponse, Failure> {
    let header = match query::header(read, height)? {
        Some((header, _)) => header,
        None if height == tip.header.height => tip.header.clone(),
        None => return Err(pruned(read)?),
    };
    if height < query::bodies_from(read)? {
        return Err(pruned(read)?);
    }
    let block = query::block(read, height)?.map(|(block, _)| block.body.transactions).unwrap_or_default();
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let proposer = tip.registry.validators.get(&header.proposer);
    Ok(v1::WatchBlocksResponse {
        block_id: header.id().0.to_vec(),
        height,
        block_time_ms: header.time_ms,
        transactions: count(block.len()),
        items: count(block.iter().map(|signed| signed.items.len()).sum()),
        proposer: proposer.map(|validator| validator.authority.clone()).unwrap_or_default(),
        header: encode(&header),
    })
}
