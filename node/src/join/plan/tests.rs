//! The gathering against peers that are honest, lie, differ, fall silent or
//! vanish, in virtual time.

use laufzettel_chain::certificate::Certificate;
use laufzettel_chain::codec::{decode, encode};
use laufzettel_chain::crypto::{SigningKey, sign};
use laufzettel_chain::header::Header;
use laufzettel_chain::ids::{Address, BlockId};
use laufzettel_chain::snapshot::{ChunkKind, MANIFEST_VERSION};
use laufzettel_chain::vote::{Signable as _, Vote, VoteType};

use super::*;
use crate::genesis::{AuthorityCard, KeyEntry};
use crate::keys::KeyPurpose;

const SECOND: u64 = 1_000;

fn key() -> SigningKey {
    SigningKey::from_bytes(&[10; 32])
}

fn genesis() -> Arc<Genesis> {
    let public = |key: &SigningKey| data_encoding::HEXLOWER.encode(key.verifying_key().as_bytes());
    let entry = |purpose, key: &SigningKey| KeyEntry { purpose, public: public(key) };
    let card = AuthorityCard {
        id: "de-bamf".into(),
        label_de: "BAMF".into(),
        label_en: "BAMF".into(),
        roles: vec!["asylum_office".into()],
        hosted_by: "de-bamf".into(),
        keys: vec![entry(KeyPurpose::Consensus, &key()), entry(KeyPurpose::Node, &SigningKey::from_bytes(&[11; 32]))],
    };
    let text = laufzettel_contracts::ASYL_DE.to_owned();
    let made = crate::genesis::Genesis::new("test", 1_000, vec![card], &["de-bamf".into()], vec![text]).unwrap();
    Arc::new(Genesis::parse(made.text().unwrap().as_bytes()).unwrap())
}

/// A manifest that the validator certified, over chunks of some bytes.
fn manifest(genesis: &Genesis, height: Height, chunks: &[Vec<u8>]) -> Manifest {
    let validators = genesis.registry.validators.clone();
    let header = Header {
        version: 1,
        network: genesis.network,
        incarnation: 0,
        height,
        round: 0,
        time_ms: 5_000,
        previous: BlockId([1; 32]),
        proposer: Address::of(&key().verifying_key()),
        tx_root: [2; 32],
        receipts_root: [3; 32],
        state_root: [4; 32],
        validators_hash: validators.hash(),
        next_validators_hash: validators.hash(),
    };
    let address = Address::of(&key().verifying_key());
    let vote = Vote {
        network: genesis.network,
        incarnation: 0,
        height,
        round: 0,
        vote_type: VoteType::Precommit,
        value: Some(header.id()),
        address,
    };
    let signatures = vec![(address, sign(&key(), Vote::DOMAIN, &encode(&vote)))];
    let certificate = Certificate { height, round: 0, block: header.id(), signatures };
    let list = chunks.iter().enumerate().map(|(index, bytes)| {
        let kind = [ChunkKind::Values, ChunkKind::Blocks].get(index).copied().unwrap_or(ChunkKind::Cases);
        let key = vec![u8::try_from(index).unwrap()];
        let (first, last) = (key.clone(), key);
        let length = u32::try_from(bytes.len()).unwrap();
        ChunkInfo { kind, first, last, count: 1, length, digest: ChunkInfo::digest_of(bytes) }
    });
    Manifest { version: MANIFEST_VERSION, header, certificate, validators, chunks: list.collect() }
}

/// A snapshot as a server has it: what it sends need not be what its manifest lists.
#[derive(Clone)]
struct Held {
    manifest: Manifest,
    chunks: Vec<Vec<u8>>,
}

fn held(genesis: &Genesis, height: Height, salt: u8) -> Held {
    let chunks: Vec<Vec<u8>> = (0..8).map(|index| vec![salt, index, 7, 7]).collect();
    Held { manifest: manifest(genesis, height, &chunks), chunks }
}

/// The other side.
#[derive(Default)]
struct Peers {
    held: BTreeMap<Peer, Vec<Held>>,
    /// Peers that answer nothing.
    silent: BTreeSet<Peer>,
    /// Requests for chunks, in order.
    asked: Vec<(Peer, u32)>,
    notes: Vec<String>,
    begun: Vec<(Height, bool)>,
    stored: BTreeMap<u32, Vec<u8>>,
    complete: bool,
    now_ms: u64,
    /// A peer that is gone after so many chunk requests.
    vanishing: Option<(Peer, usize)>,
}

fn peer(name: &str) -> Peer {
    Peer(name.to_owned())
}

impl Peers {
    fn with(mut self, name: &str, held: &[&Held]) -> Self {
        self.held.insert(peer(name), held.iter().map(|one| (*one).clone()).collect());
        self
    }
    fn answer(&mut self, to: &Peer, message: &SnapshotMessage) -> Option<SnapshotMessage> {
        if let SnapshotMessage::ChunkRequest { index, .. } = message {
            self.asked.push((to.clone(), *index));
        }
        if self.silent.contains(to) {
            return None;
        }
        let held = self.held.get(to)?;
        let of = |height: &Height| held.iter().find(|one| one.manifest.header.height == *height);
        Some(match message {
            SnapshotMessage::ListRequest => {
                SnapshotMessage::List(held.iter().map(|one| one.manifest.header.height).collect())
            }
            SnapshotMessage::ManifestRequest { height } => {
                let bytes = of(height).map(|one| encode(&one.manifest)).unwrap_or_default();
                SnapshotMessage::Manifest { height: *height, bytes }
            }
            SnapshotMessage::ChunkRequest { height, index } => {
                let chunk = of(height).and_then(|one| one.chunks.get(*index as usize).cloned());
                SnapshotMessage::Chunk { height: *height, index: *index, bytes: chunk.unwrap_or_default() }
            }
            _ => return None,
        })
    }
    fn perform(&mut self, plan: &mut Plan, effects: Vec<Effect>) {
        let mut open: std::collections::VecDeque<Effect> = effects.into();
        while let Some(effect) = open.pop_front() {
            match effect {
                Effect::Send(to, message) => {
                    if let Some((gone, after)) = self.vanishing.clone()
                        && gone == to
                        && self.asked.iter().filter(|(asked, _)| *asked == gone).count() >= after
                    {
                        self.vanishing = None;
                        self.silent.insert(gone.clone());
                        open.extend(plan.disconnected(self.now_ms, &gone));
                    } else if let Some(answer) = self.answer(&to, &message) {
                        open.extend(plan.received(self.now_ms, &to, answer));
                    }
                }
                Effect::Begin { manifest, resumed } => {
                    let manifest: Manifest = decode(&manifest).unwrap();
                    self.begun.push((manifest.header.height, resumed));
                    if !resumed {
                        self.stored.clear();
                    }
                }
                Effect::Store { index, bytes } => {
                    assert!(self.stored.insert(index, bytes).is_none(), "chunk {index} was stored twice");
                }
                Effect::Complete => self.complete = true,
                Effect::Note { what, .. } => self.notes.push(what),
            }
        }
    }
    fn connect(&mut self, plan: &mut Plan, name: &str) {
        let effects = plan.connected(self.now_ms, &peer(name));
        self.perform(plan, effects);
    }
    fn connect_all(&mut self, plan: &mut Plan) {
        for name in self.held.keys().cloned().collect::<Vec<_>>() {
            self.connect(plan, &name.0);
        }
    }
    /// Lets time pass until the snapshot is complete; false if that takes longer than `limit_ms`.
    fn run(&mut self, plan: &mut Plan, limit_ms: u64) -> bool {
        let until = self.now_ms + limit_ms;
        while !self.complete && self.now_ms < until {
            self.now_ms += 100;
            let effects = plan.tick(self.now_ms);
            self.perform(plan, effects);
        }
        self.complete
    }
    fn has(&self, held: &Held) -> bool {
        let expected: BTreeMap<u32, Vec<u8>> = (0u32..).zip(held.chunks.clone()).collect();
        self.stored == expected
    }
    fn notes_with(&self, word: &str) -> usize {
        self.notes.iter().filter(|note| note.contains(word)).count()
    }
}

fn plan(genesis: &Arc<Genesis>) -> Plan {
    Plan::new(genesis.clone(), 3, None, 0)
}

#[test]
fn chunks_come_from_all_who_have_them() {
    let genesis = genesis();
    let good = held(&genesis, 40, 1);
    let mut peers = Peers::default().with("aa", &[&good]).with("bb", &[&good]).with("cc", &[&good]);
    let mut plan = plan(&genesis);
    peers.connect_all(&mut plan);
    assert!(peers.run(&mut plan, 5 * SECOND));
    assert!(peers.has(&good));
    assert_eq!((peers.asked.len(), peers.begun.as_slice()), (8, [(40, false)].as_slice()));
    let asked: BTreeSet<&Peer> = peers.asked.iter().map(|(peer, _)| peer).collect();
    assert_eq!(asked.len(), 3);
    assert_eq!(plan.progress(), Progress { height: Some(40), chunks: (8, 8), bytes: (32, 32) });
}

#[test]
fn the_newest_that_two_have_is_taken_and_none_at_or_below_the_own_height() {
    let genesis = genesis();
    let (own, old, new, newest) =
        (held(&genesis, 3, 0), held(&genesis, 40, 1), held(&genesis, 50, 2), held(&genesis, 60, 3));
    let mut peers = Peers::default().with("aa", &[&own, &old, &new]).with("bb", &[&old, &new, &newest]);
    let mut plan = plan(&genesis);
    peers.connect_all(&mut plan);
    assert!(peers.run(&mut plan, 5 * SECOND) && peers.has(&new));
    let mut peers = Peers::default().with("aa", &[&own]);
    let mut plan = Plan::new(genesis.clone(), 3, None, 0);
    peers.connect_all(&mut plan);
    assert!(!peers.run(&mut plan, 60 * SECOND) && peers.begun.is_empty());
}

#[test]
fn a_damaged_and_a_missing_chunk_are_fetched_elsewhere() {
    let genesis = genesis();
    let good = held(&genesis, 40, 1);
    let (mut damaged, mut missing) = (good.clone(), good.clone());
    damaged.chunks[0][3] ^= 1;
    missing.chunks[2].clear();
    let mut peers = Peers::default().with("aa", &[&damaged]).with("bb", &[&missing]);
    let mut plan = plan(&genesis);
    peers.connect_all(&mut plan);
    assert!(peers.run(&mut plan, 10 * SECOND), "{:?}", peers.notes);
    assert!(peers.has(&good));
    assert_eq!(
        (
            peers.notes_with("chunk 0 of height 40 is not the one"),
            peers.notes_with("chunk 2 of height 40 is not there")
        ),
        (1, 1)
    );
}

#[test]
fn who_sends_wrong_chunks_again_and_again_is_left() {
    let genesis = genesis();
    let good = held(&genesis, 40, 1);
    let mut liar = good.clone();
    for chunk in &mut liar.chunks {
        chunk.push(1);
    }
    let mut peers = Peers::default().with("aa", &[&liar]).with("bb", &[&good]);
    let mut plan = plan(&genesis);
    peers.connect_all(&mut plan);
    assert!(peers.run(&mut plan, 10 * SECOND) && peers.has(&good));
    let of_liar = peers.asked.iter().filter(|(asked, _)| *asked == peer("aa")).count();
    assert!(of_liar <= 4, "asked {of_liar} times");
    assert_eq!(peers.notes_with("asked for nothing more"), 1);
}

#[test]
fn a_server_that_vanishes_or_falls_silent_is_replaced() {
    let genesis = genesis();
    let good = held(&genesis, 40, 1);
    let mut peers = Peers::default().with("aa", &[&good]).with("bb", &[&good]);
    peers.vanishing = Some((peer("aa"), 2));
    let mut first = plan(&genesis);
    peers.connect_all(&mut first);
    assert!(peers.run(&mut first, 5 * SECOND) && peers.has(&good));
    // Silent once it has named its snapshot: its two chunks wait until they are late.
    let mut peers = Peers::default().with("aa", &[&good]);
    let mut second = plan(&genesis);
    peers.connect(&mut second, "aa");
    peers.silent.insert(peer("aa"));
    assert!(!peers.run(&mut second, 20 * SECOND));
    let mut peers = Peers { now_ms: peers.now_ms, ..Peers::default() }.with("bb", &[&good]);
    peers.connect(&mut second, "bb");
    assert!(peers.run(&mut second, 60 * SECOND) && peers.has(&good), "{:?}", peers.notes);
}

#[test]
fn a_manifest_without_proof_is_refused() {
    let genesis = genesis();
    let good = held(&genesis, 40, 1);
    let (mut unsigned, mut other_root) = (good.clone(), good.clone());
    unsigned.manifest.certificate.signatures.clear();
    other_root.manifest.header.state_root = [9; 32];
    let mut peers = Peers::default()
        .with("aa", &[&unsigned])
        .with("bb", &[&other_root])
        .with("cc", &[&unsigned])
        .with("dd", &[&good]);
    let mut plan = plan(&genesis);
    peers.connect_all(&mut plan);
    assert!(peers.run(&mut plan, 10 * SECOND) && peers.has(&good));
    assert_eq!(peers.notes_with("proves nothing"), 3);
    assert!(peers.asked.iter().all(|(asked, _)| *asked == peer("dd")));
}

/// A certificate covers the header, not the list of chunks: a liar can list chunks of its own making.
#[test]
fn a_list_of_false_chunks_loses_against_the_many_and_is_not_tried_twice() {
    let genesis = genesis();
    let (good, forged) = (held(&genesis, 40, 1), held(&genesis, 40, 66));
    assert_ne!(good.manifest.content(), forged.manifest.content());
    let mut peers = Peers::default().with("aa", &[&forged]).with("bb", &[&good]).with("cc", &[&good]);
    let mut first = plan(&genesis);
    peers.connect_all(&mut first);
    assert!(peers.run(&mut first, 10 * SECOND) && peers.has(&good));
    // Alone it is believed, up to the root.
    let mut peers = Peers::default().with("aa", &[&forged]).with("bb", &[&good]);
    let mut second = plan(&genesis);
    peers.connect(&mut second, "aa");
    assert!(peers.run(&mut second, 10 * SECOND) && peers.has(&forged));
    let effects = second.import_failed(peers.now_ms);
    peers.complete = false;
    peers.perform(&mut second, effects);
    assert_eq!(peers.notes_with("does not give the certified state root"), 1);
    peers.connect_all(&mut second);
    assert!(peers.run(&mut second, 20 * SECOND) && peers.has(&good), "{:?}", peers.notes);
}

#[test]
fn what_is_here_is_not_fetched_again() {
    let genesis = genesis();
    let (good, newer) = (held(&genesis, 40, 1), held(&genesis, 50, 2));
    let kept = || Some(Kept { manifest: good.manifest.clone(), chunks: BTreeSet::from([0, 1, 2, 5]) });
    let mut peers = Peers::default().with("aa", &[&good, &newer]).with("bb", &[&newer]);
    let mut first = Plan::new(genesis.clone(), 3, kept(), 0);
    peers.connect_all(&mut first);
    assert!(peers.run(&mut first, 10 * SECOND));
    assert_eq!(peers.begun, vec![(40, true)]);
    let asked: BTreeSet<u32> = peers.asked.iter().map(|(_, index)| *index).collect();
    assert_eq!(asked, BTreeSet::from([3, 4, 6, 7]));
    // Nobody has it any more.
    let mut peers = Peers::default().with("aa", &[&newer]);
    let mut second = Plan::new(genesis, 3, kept(), 0);
    peers.connect_all(&mut second);
    assert!(peers.run(&mut second, 10 * SECOND) && peers.has(&newer));
    assert_eq!(peers.begun, vec![(50, false)]);
}

#[test]
fn when_nothing_can_be_had_it_says_so_and_goes_on_once_a_server_is_repaired() {
    let genesis = genesis();
    let good = held(&genesis, 40, 1);
    let mut damaged = good.clone();
    damaged.chunks[6][0] ^= 1;
    let mut peers = Peers::default().with("aa", &[&damaged]);
    let mut plan = plan(&genesis);
    peers.connect_all(&mut plan);
    assert!(!peers.run(&mut plan, 90 * SECOND));
    assert!(peers.notes_with("1 of 8 chunks of the snapshot of height 40 cannot be had") >= 1, "{:?}", peers.notes);
    assert!(peers.notes_with("all are asked again") >= 1, "{:?}", peers.notes);
    peers.held.insert(peer("aa"), vec![good.clone()]);
    assert!(peers.run(&mut plan, 120 * SECOND) && peers.has(&good), "{:?}", peers.notes);
    // Only what was missing came again.
    assert_eq!(peers.begun.last(), Some(&(40, true)));
    assert!(peers.asked.iter().filter(|(_, index)| *index == 0).count() == 1);
}
