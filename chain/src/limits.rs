//! Every bound of the ledger in one place (docs/FORMATS.md A.7). A value here is
//! part of block validity: changing one is a protocol change.

/// Largest item in bytes.
pub const ITEM_BYTES_MAX: usize = 4 * 1024;
/// Largest item that carries a proposal, in bytes.
pub const PROPOSE_ITEM_BYTES_MAX: usize = 768 * 1024;
/// Most items of one transaction.
pub const TRANSACTION_ITEMS_MAX: usize = 256;
/// Largest transaction (payload, signatures and items) in bytes.
pub const TRANSACTION_BYTES_MAX: usize = 1024 * 1024;
/// Most signatures of one transaction: the author's and second persons'.
pub const TRANSACTION_SIGNATURES_MAX: usize = 4;
/// Largest payload in bytes: 256 digests and the plain fields.
pub const PAYLOAD_BYTES_MAX: usize = 10 * 1024;
/// Largest block body in bytes.
pub const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Most transactions of one block.
pub const BODY_TRANSACTIONS_MAX: usize = 20_000;
/// Bytes of a body that travel in one message.
pub const PART_BYTES: usize = 128 * 1024;
/// Most parts of one body.
pub const PARTS_MAX: usize = BODY_BYTES_MAX.div_ceil(PART_BYTES) + 1;
/// Most validators.
pub const VALIDATORS_MAX: usize = 100;
/// Most authorities.
pub const AUTHORITIES_MAX: usize = 1_024;
/// Most keys one authority ever has.
pub const AUTHORITY_KEYS_MAX: usize = 64;
/// How far ahead of block time a transaction may be valid, in milliseconds: 7 days.
pub const VALID_UNTIL_AHEAD_MS_MAX: u64 = 7 * 24 * 3_600_000;
/// How long outcomes are kept past the hour of `valid_until`, in milliseconds: 30 days.
pub const OUTCOME_KEPT_MS: u64 = 30 * 24 * 3_600_000;
/// Width of a submission bucket in milliseconds.
pub const BUCKET_MS: u64 = 3_600_000;
/// An idle network makes an empty block after this many milliseconds.
pub const HEARTBEAT_MS: u64 = 60_000;
/// Work one block may do: events applied plus events refolded.
pub const BLOCK_WORK_MAX: u64 = 2_000_000;
/// Work a proposer packs into one block, a single transaction apart: what is executed well within the propose timeout
/// on a small machine. Not part of validity.
pub const PROPOSAL_WORK: u64 = 10_000;
/// By how much more a case of language 2 counts for the work than one of language 1: what follows from its reports is
/// folded, too.
pub const EFFECTS_WORK: u64 = 2;
/// Work that one block does for what is due, a single case apart: a third of what a proposer packs. The rest is left to
/// the next block.
pub const DUE_WORK_MAX: u64 = 3_333;
/// Most heights at which due work alone touched one case: they are kept in its row. All effects that its reports can
/// make at one time are due less often (a deadline warns, ends, and ends its grace); only corrections that start
/// everything anew could get there, over years. From then on the case is brought forward by its reports alone.
pub const DUE_HEIGHTS_MAX: usize = 16_384;
/// Largest row of one effect in bytes: it names everybody to whom the effect was ever shown.
pub const PART_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Work of one evidence item: two signatures are verified for it.
pub const EVIDENCE_WORK: u64 = 10;
/// Work of a proposal whatever its text: it is compared with the version before, which may be the dearest there is.
pub const PROPOSE_WORK: u64 = 2_000;
/// So many bytes of a proposed text are one more: it is checked. The dearest texts, some 50 ms on a small machine, cost
/// at most what they count; a full one counts more than a proposer packs, so that a block that it begins holds nothing
/// else.
pub const PROPOSE_BYTES_PER_WORK: u64 = 64;
/// Work of a vote: the proposal with all its votes is read and written.
pub const VOTE_WORK: u64 = 100;
/// Work of the vote with which a text is adopted: it is read and checked once more.
pub const ADOPT_WORK: u64 = 6_000;
/// Most open proposals of one authority.
pub const PROPOSALS_OPEN_OWN_MAX: usize = 2;
/// Most open proposals.
pub const PROPOSALS_OPEN_MAX: usize = 64;
/// Decided proposals that the state still tells of; the oldest goes first.
pub const PROPOSALS_CLOSED_MAX: usize = 64;
/// Most texts adopted by vote, ever.
pub const ADOPTED_MAX: usize = 1_024;
/// How long a proposal is open, in milliseconds of block time: 30 days.
pub const PROPOSAL_OPEN_MS: u64 = 30 * 24 * 3_600_000;
/// How many heights ahead a proposal may take effect.
pub const EFFECTIVE_HEIGHTS_AHEAD_MAX: u64 = 50_000_000;
/// Cases looked at in one block when new calendars are counted by.
pub const RECOUNT_CASES_MAX: usize = 1_000;
/// Most heights recorded at which one key signed twice.
pub const EVIDENCE_RECORDS_MAX: usize = 64;
/// Length of an erasure epoch in milliseconds of block time.
pub const EPOCH_MS: u64 = 24 * 3_600_000;
/// Skips are remembered for this many heights (design 7.4).
pub const SKIP_MEMORY_HEIGHTS: u64 = 1_024;
/// Largest genesis file in bytes.
pub const GENESIS_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Tree versions kept for proofs at past heights when not an archive.
pub const TREE_VERSIONS_KEPT: u64 = 1_000;
/// A chunk of a snapshot is cut after the entry with which it has this many bytes.
pub const CHUNK_BYTES: usize = 1024 * 1024;
/// Largest chunk in bytes: one below the cut and a part of a case.
pub const CHUNK_BYTES_MAX: usize = 3 * 1024 * 1024;
/// A case's record in a snapshot is cut after the transaction with which a part of it has this many bytes.
pub const CASE_PART_BYTES: usize = 512 * 1024;
/// Longest key of a chunk's entry in bytes.
pub const CHUNK_KEY_BYTES_MAX: usize = 38;
/// Most chunks of one snapshot: their list stays below 6 MiB, the snapshot at about 50 GB.
pub const CHUNKS_MAX: usize = 50_000;

const _: () = assert!(DUE_WORK_MAX <= PROPOSAL_WORK / 3);
const _: () = assert!(DUE_HEIGHTS_MAX > 3 * laufzettel_contracts::limits::EFFECTS_MAX);
// Kind, two keys with their lengths, count, length, digest.
const _: () = assert!(CHUNKS_MAX * (1 + 2 * (4 + CHUNK_KEY_BYTES_MAX) + 4 + 4 + 32) < 6 * 1024 * 1024);
// The last transaction of a part may bring all of its items, and the last part of a chunk is a whole one.
const _: () = assert!(CHUNK_BYTES + CASE_PART_BYTES + TRANSACTION_BYTES_MAX + 64 * 1024 < CHUNK_BYTES_MAX);
const _: () = assert!(TRANSACTION_BYTES_MAX < BODY_BYTES_MAX);
const _: () = assert!(PROPOSE_ITEM_BYTES_MAX < TRANSACTION_BYTES_MAX);
const PROPOSE_WORK_MOST: u64 =
    PROPOSE_WORK + laufzettel_contracts::limits::TEXT_BYTES_MAX as u64 / PROPOSE_BYTES_PER_WORK;
const _: () = assert!(PROPOSE_WORK_MOST > PROPOSAL_WORK && ADOPT_WORK > PROPOSAL_WORK / 2);
const _: () = assert!(PAYLOAD_BYTES_MAX > TRANSACTION_ITEMS_MAX * 34 + 256);
