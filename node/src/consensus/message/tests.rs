//! Every message reads back as written; any other bytes are refused in peace.

use laufzettel_chain::certificate::Certificate;
use laufzettel_chain::header::Header;
use laufzettel_chain::ids::{KeyId, NetworkId};
use proptest::prelude::*;

use super::*;
use laufzettel_chain::transaction::Signature;

use crate::consensus::ledger::{Block, Body};
use crate::consensus::record::{LogEntry, LogRecord, TimeoutStep};

fn block_id() -> impl Strategy<Value = BlockId> {
    any::<[u8; 32]>().prop_map(BlockId)
}
fn address() -> impl Strategy<Value = Address> {
    any::<[u8; 16]>().prop_map(Address)
}
fn signature() -> impl Strategy<Value = SignatureBytes> {
    (any::<[u8; 32]>(), any::<[u8; 32]>()).prop_map(|(a, b)| {
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(&a);
        bytes[32..].copy_from_slice(&b);
        bytes
    })
}
fn vote_type() -> impl Strategy<Value = VoteType> {
    prop_oneof![Just(VoteType::Prevote), Just(VoteType::Precommit)]
}
fn vote() -> impl Strategy<Value = Signed<Vote>> {
    (any::<(u32, u64, u32)>(), vote_type(), prop::option::of(block_id()), address(), signature()).prop_map(
        |((incarnation, height, round), vote_type, value, address, signature)| Signed {
            message: Vote { network: NetworkId([5; 32]), incarnation, height, round, vote_type, value, address },
            signature,
        },
    )
}
fn proposal() -> impl Strategy<Value = Signed<Proposal>> {
    (any::<(u64, u32, Option<u32>)>(), block_id(), address(), signature()).prop_map(
        |((height, round, pol_round), value, address, signature)| Signed {
            message: Proposal { network: NetworkId([5; 32]), incarnation: 1, height, round, pol_round, value, address },
            signature,
        },
    )
}
fn polka() -> impl Strategy<Value = PolkaCertificate> {
    let signatures = prop::collection::btree_map(any::<[u8; 16]>(), signature(), 0..5);
    (any::<(u64, u32)>(), block_id(), signatures).prop_map(|((height, round), value, signatures)| PolkaCertificate {
        height,
        round,
        value,
        signatures: signatures.into_iter().map(|(address, signature)| (Address(address), signature)).collect(),
    })
}
fn round_certificate() -> impl Strategy<Value = RoundCertificate> {
    let entry = (vote_type(), prop::option::of(block_id()), signature());
    let votes = prop::collection::btree_map(any::<[u8; 16]>(), entry, 0..5);
    (any::<(u64, u32, bool)>(), votes).prop_map(|((height, round, skip), votes)| RoundCertificate {
        height,
        round,
        skip,
        votes: votes
            .into_iter()
            .map(|(address, (vote_type, value, signature))| RoundVote {
                address: Address(address),
                vote_type,
                value,
                signature,
            })
            .collect(),
    })
}
fn transaction() -> impl Strategy<Value = Arc<SignedTransaction>> {
    let signature = (any::<[u8; 16]>(), prop::collection::vec(any::<u8>(), 64));
    let signature = signature
        .prop_map(|(key_id, value)| Signature { key_id: KeyId(key_id), value: value.try_into().unwrap_or([0; 64]) });
    let items = prop::collection::vec(prop::option::of(prop::collection::vec(any::<u8>(), 0..40)), 0..4);
    (prop::collection::vec(any::<u8>(), 0..100), prop::collection::vec(signature, 0..3), items)
        .prop_map(|(payload, signatures, items)| Arc::new(SignedTransaction { payload, signatures, items }))
}
fn entry() -> impl Strategy<Value = SyncEntry> {
    (prop::collection::vec(transaction(), 0..3), any::<(u64, u32)>()).prop_map(|(transactions, (height, round))| {
        let header = Header {
            version: 1,
            network: NetworkId([5; 32]),
            incarnation: 0,
            height,
            round,
            time_ms: 7,
            previous: BlockId([1; 32]),
            proposer: Address([2; 16]),
            tx_root: [3; 32],
            receipts_root: [4; 32],
            state_root: [5; 32],
            validators_hash: [6; 32],
            next_validators_hash: [7; 32],
        };
        let certificate = Certificate { height, round, block: header.id(), signatures: Vec::new() };
        SyncEntry { block: Arc::new(Block { header, body: Body { transactions } }), certificate }
    })
}
fn part() -> impl Strategy<Value = BlockPart> {
    let place = (1u32..30).prop_flat_map(|total| (0..total, Just(total)));
    (any::<(u64, Option<u32>)>(), block_id(), place, prop::collection::vec(any::<u8>(), 1..99)).prop_map(
        |((height, round), block, (index, total), bytes)| BlockPart { height, round, block, index, total, bytes },
    )
}
fn beat() -> impl Strategy<Value = Signed<Beat>> {
    (any::<(u32, u64, u64, u64, u64)>(), block_id(), signature()).prop_map(
        |((incarnation, sequence, time_ms, height, oldest_pending_lock_ms), block, signature)| Signed {
            message: Beat {
                network: NetworkId([5; 32]),
                incarnation,
                authority: "de-bamf".to_owned(),
                sequence,
                time_ms,
                height,
                block,
                oldest_pending_lock_ms,
            },
            signature,
        },
    )
}

fn snapshot() -> impl Strategy<Value = SnapshotMessage> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..99);
    prop_oneof![
        any::<u64>().prop_map(|bodies_from| SnapshotMessage::Pruned { bodies_from }),
        Just(SnapshotMessage::ListRequest),
        prop::collection::btree_set(any::<u64>(), 0..9)
            .prop_map(|heights| SnapshotMessage::List(heights.into_iter().collect())),
        any::<u64>().prop_map(|height| SnapshotMessage::ManifestRequest { height }),
        (any::<u64>(), bytes()).prop_map(|(height, bytes)| SnapshotMessage::Manifest { height, bytes }),
        any::<(u64, u32)>().prop_map(|(height, index)| SnapshotMessage::ChunkRequest { height, index }),
        (any::<(u64, u32)>(), bytes()).prop_map(|((height, index), bytes)| SnapshotMessage::Chunk {
            height,
            index,
            bytes
        }),
    ]
}

fn message() -> impl Strategy<Value = Message> {
    prop_oneof![
        prop::collection::vec(vote(), 0..4).prop_map(Message::Votes),
        proposal().prop_map(Message::Proposal),
        polka().prop_map(Message::PolkaCertificate),
        round_certificate().prop_map(Message::RoundCertificate),
        part().prop_map(Message::BlockPart),
        (any::<u64>(), block_id()).prop_map(|(height, block)| Message::BodyRequest { height, block }),
        any::<u64>().prop_map(|from| Message::SyncRequest { from }),
        prop::collection::vec(entry(), 0..3).prop_map(Message::SyncResponse),
        prop::collection::vec(transaction(), 0..4).prop_map(Message::Transactions),
        Just(Message::TransactionsWanted),
        beat().prop_map(Message::Beat),
        snapshot().prop_map(Message::Snapshot),
    ]
}

fn log_entry() -> impl Strategy<Value = LogEntry> {
    let step = prop_oneof![Just(TimeoutStep::Propose), Just(TimeoutStep::Prevote), Just(TimeoutStep::Precommit)];
    prop_oneof![
        vote().prop_map(LogEntry::Vote),
        proposal().prop_map(LogEntry::Proposal),
        (any::<(u32, Option<u32>, bool)>(), address(), block_id()).prop_map(
            |((round, pol_round, valid), proposer, value)| LogEntry::ProposedValue {
                round,
                pol_round,
                proposer,
                value,
                valid
            }
        ),
        (step, any::<u32>()).prop_map(|(step, round)| LogEntry::Timeout { step, round }),
        polka().prop_map(LogEntry::PolkaCertificate),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn messages_read_back(message in message()) {
        let bytes = message.to_bytes();
        prop_assert_eq!(Message::from_bytes(&bytes).unwrap(), message);
    }

    #[test]
    fn a_changed_byte_is_another_message_or_none(
        message in message(),
        at in any::<prop::sample::Index>(),
        bit in 0u8..8,
    ) {
        let mut bytes = message.to_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert!(Message::from_bytes(&bytes).map_or(true, |read| read != message));
    }

    #[test]
    fn any_bytes_decode_or_are_refused(kind in 0u8..14, mut bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Message::from_bytes(&bytes);
        if let Some(first) = bytes.first_mut() {
            *first = kind;
        }
        let _ = Message::from_bytes(&bytes);
        let _ = decode::<LogRecord>(&bytes);
    }

    #[test]
    fn log_records_read_back(entry in log_entry(), position in any::<u64>(), height in any::<u64>()) {
        let record = LogRecord { position, height, entry };
        prop_assert_eq!(decode::<LogRecord>(&encode(&record)).unwrap(), record);
    }
}

#[test]
fn oversize_is_refused_before_it_is_read() {
    let bytes = vec![7; MESSAGE_BYTES_MAX + 1];
    assert!(matches!(Message::from_bytes(&bytes), Err(CodecError::TooLong { .. })));
}

#[test]
fn unordered_certificates_are_refused() {
    let signatures = vec![(Address([2; 16]), [0; 64]), (Address([1; 16]), [0; 64])];
    let polka = PolkaCertificate { height: 1, round: 0, value: BlockId([1; 32]), signatures };
    assert!(Message::from_bytes(&Message::PolkaCertificate(polka).to_bytes()).is_err());
}
