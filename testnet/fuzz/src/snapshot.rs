//! Snapshots of a lying server: a manifest that a certificate vouches for, and
//! chunks of anyone's making behind it. A chunk is refused or taken; nothing
//! panics, and a store filled with noise is never one that a ledger opens.

use std::sync::{Arc, LazyLock};

use laufzettel_chain::certificate::Certificate;
use laufzettel_chain::codec::{Reader, decode, encode};
use laufzettel_chain::crypto::{self, SigningKey};
use laufzettel_chain::genesis::Genesis;
use laufzettel_chain::ids::Address;
use laufzettel_chain::ledger::genesis_state;
use laufzettel_chain::snapshot::{ChunkInfo, Import, Manifest};
use laufzettel_chain::storage::mem::MemStore;
use laufzettel_chain::vote::{Signable as _, Vote, VoteType};

/// A network of one, a snapshot that it certified, and the snapshot's own chunks.
struct Scene {
    genesis: Arc<Genesis>,
    manifest: Manifest,
    chunks: Vec<Vec<u8>>,
}

static SCENE: LazyLock<Scene> = LazyLock::new(scene);

fn genesis(key: &SigningKey) -> Genesis {
    let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
    let node = SigningKey::from_bytes(&[2; 32]);
    let text = |root: &[u8]| {
        format!(
            "version = 1\nname = \"fuzz\"\ntime_ms = 1\nstate_root = \"{}\"\n\n[[authority]]\nid = \"de-a\"\n\
             label_de = \"a\"\nlabel_en = \"a\"\nroles = [\"office\"]\nhosted_by = \"de-a\"\n\
             [[authority.key]]\npurpose = \"consensus\"\npublic = \"{}\"\n\
             [[authority.key]]\npurpose = \"node\"\npublic = \"{}\"\n\n\
             [[validator]]\nauthority = \"de-a\"\npower = 1\n\n[[definition]]\ntext = '''\n{}'''\n",
            hex(root),
            hex(key.verifying_key().as_bytes()),
            hex(node.verifying_key().as_bytes()),
            laufzettel_contracts::ASYL_DE
        )
    };
    let draft = Genesis::parse(text(&[0; 32]).as_bytes()).unwrap();
    let (root, _) = genesis_state(&draft, &MemStore::default()).unwrap();
    Genesis::parse(text(&root).as_bytes()).unwrap()
}

fn scene() -> Scene {
    let key = SigningKey::from_bytes(&[1; 32]);
    let genesis = Arc::new(genesis(&key));
    let vectors: serde_json::Value =
        serde_json::from_str(include_str!("../../../chain/tests/vectors/snapshot.json")).unwrap();
    let bytes = |value: &serde_json::Value| data_encoding::HEXLOWER.decode(value.as_str().unwrap().as_bytes()).unwrap();
    let mut manifest: Manifest = decode(&bytes(&vectors["manifest"])).unwrap();
    let chunks = vectors["chunks"].as_array().unwrap().iter().map(|chunk| bytes(&chunk["bytes"])).collect();
    let hash = genesis.registry.validators.hash();
    manifest.validators = genesis.registry.validators.clone();
    let header = &mut manifest.header;
    (header.network, header.validators_hash, header.next_validators_hash) = (genesis.network, hash, hash);
    let address = Address::of(&key.verifying_key());
    let (height, block) = (header.height, header.id());
    let vote = Vote {
        network: header.network,
        incarnation: header.incarnation,
        height,
        round: 0,
        vote_type: VoteType::Precommit,
        value: Some(block),
        address,
    };
    let signatures = vec![(address, crypto::sign(&key, Vote::DOMAIN, &encode(&vote)))];
    manifest.certificate = Certificate { height, round: 0, block, signatures };
    manifest.check(&genesis).unwrap();
    Scene { genesis, manifest, chunks }
}

/// What an honest list would say of these bytes, as far as they are entries.
fn listed(info: &ChunkInfo, bytes: &[u8]) -> ChunkInfo {
    let mut input = Reader::new(bytes);
    let (mut first, mut last, mut count) = (None, Vec::new(), 0);
    while let (Ok(key), Ok(_)) = (input.bytes(1 << 20).map(<[u8]>::to_vec), input.bytes(1 << 20)) {
        first.get_or_insert_with(|| key.clone());
        (last, count) = (key, count + 1);
    }
    let digest = ChunkInfo::digest_of(bytes);
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    ChunkInfo { kind: info.kind, first: first.unwrap_or_default(), last, count, length, digest }
}

/// The first byte chooses: a manifest, or which chunk is replaced by the rest.
pub(crate) fn run(bytes: &[u8]) {
    let Some((way, bytes)) = bytes.split_first() else { return };
    let scene = &*SCENE;
    let replaced = match usize::from(way % 4) {
        0 => {
            if let Some(manifest) = super::canonical::<Manifest>(bytes) {
                let _ = (manifest.check(&scene.genesis).is_ok(), manifest.content(), manifest.bytes());
            }
            return;
        }
        chunk => chunk - 1,
    };
    let mut manifest = scene.manifest.clone();
    let Some(info) = manifest.chunks.get_mut(replaced) else { return };
    *info = listed(info, bytes);
    let store = Arc::new(MemStore::default());
    let Ok(mut import) = Import::begin(store, scene.genesis.clone(), manifest) else { return };
    for (index, chunk) in scene.chunks.iter().enumerate() {
        let chunk = if index == replaced { bytes } else { chunk };
        if import.chunk(chunk).is_err() {
            return;
        }
    }
    // Its root is that of another network: whatever was in the chunks, it does not lead to the header.
    assert!(import.finish(&mut |_, _| ()).is_err());
}
