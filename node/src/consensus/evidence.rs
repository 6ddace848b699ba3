//! Evidence as a transaction: what a node brings to the ledger when it holds
//! two signed messages of one validator that contradict each other. Pure; the
//! same evidence gives the same id, so that a node brings it once.

use laufzettel_chain::codec::encode;
use laufzettel_chain::crypto::{self, Hash, SigningKey};
use laufzettel_chain::evidence::Evidence;
use laufzettel_chain::ids::{ItemDigest, NetworkId, TransactionId};
use laufzettel_chain::item::{Action, Item};

use super::ledger::SignedTransaction;
use laufzettel_chain::transaction::Payload;

/// How long the transaction may wait for a block; other nodes bring the same.
const VALID_MS: u64 = 3_600_000;
/// Named as the source system.
const SOURCE: &str = "laufzettel";

/// Who brings evidence, and when.
#[derive(Debug, Clone, Copy)]
pub struct Witness<'a> {
    /// The network.
    pub network: NetworkId,
    /// Count of recoveries.
    pub incarnation: u32,
    /// The authority whose node it is.
    pub authority: &'a str,
    /// Its node key.
    pub key: &'a SigningKey,
    /// Now, milliseconds UTC.
    pub now_ms: u64,
}

impl Witness<'_> {
    /// A transaction with this evidence as its one item, signed by the node's key.
    #[must_use]
    pub fn transaction(&self, evidence: &Evidence) -> SignedTransaction {
        let place = evidence.place();
        let (first, second) = evidence.bytes();
        let authority = self.authority.as_bytes();
        let height = place.height.to_be_bytes();
        let id = crypto::hash_parts("evidence id", &[&encode(&self.network), &place.address.0, &height, authority]);
        let blinding = half(&crypto::hash_parts("evidence blinding", &[&first, &second, authority]));
        let items = vec![Item::encode(blinding, None, &Action::Evidence(evidence.clone()))];
        let payload = Payload {
            network: self.network,
            incarnation: self.incarnation,
            id: TransactionId(half(&id)),
            authority: self.authority.to_owned(),
            valid_until_ms: self.now_ms.saturating_add(VALID_MS),
            source_system: SOURCE.to_owned(),
            item_digests: items.iter().map(|item| ItemDigest::of(item)).collect(),
        };
        payload.sign(items, self.key)
    }
}

fn half(hash: &Hash) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(hash.split_at(16).0);
    half
}
