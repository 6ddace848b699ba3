//! Blocks in pieces, and the room they take, whatever is sent.

use laufzettel_chain::header::Header;
use laufzettel_chain::ids::NetworkId;

use super::*;
use crate::consensus::ledger::{Body, SignedTransaction};

fn block(bytes: usize) -> Block {
    let payload = vec![7; 10_000];
    let transaction = SignedTransaction { payload, ..SignedTransaction::default() };
    let transactions = (0..bytes / 10_000).map(|_| Arc::new(transaction.clone())).collect::<Vec<_>>();
    let header = Header {
        version: 1,
        network: NetworkId([1; 32]),
        incarnation: 0,
        height: 5,
        round: 0,
        time_ms: 1,
        previous: BlockId([2; 32]),
        proposer: Address([3; 16]),
        tx_root: [4; 32],
        receipts_root: [5; 32],
        state_root: [6; 32],
        validators_hash: [7; 32],
        next_validators_hash: [8; 32],
    };
    Block { header, body: Body { transactions } }
}

fn pieces(block: &Block) -> Vec<BlockPart> {
    let piece = |message| match message {
        Message::BlockPart(part) => Some(part),
        _ => None,
    };
    parts(block, block.header.id(), Some(0)).into_iter().filter_map(piece).collect()
}

#[test]
fn a_block_is_whole_in_any_order_of_its_pieces() {
    let block = block(1_000_000);
    let mut bodies = Bodies::default();
    let mut pieces = pieces(&block);
    assert_eq!(pieces.len(), 8);
    pieces.reverse();
    let twice = pieces[0].clone();
    assert_eq!(bodies.receive(Source::Proposer(0), twice), Ok(None));
    let whole: Vec<_> =
        pieces.into_iter().filter_map(|part| bodies.receive(Source::Proposer(0), part).unwrap()).collect();
    assert_eq!(whole, [block]);
}

#[test]
fn pieces_of_two_blocks_do_not_mix() {
    let mut bodies = Bodies::default();
    let mut pieces = pieces(&block(1_000_000));
    let mut other = pieces.remove(1);
    bodies.receive(Source::Proposer(0), pieces.remove(0)).unwrap();
    other.block = BlockId([9; 32]);
    assert_eq!(bodies.receive(Source::Proposer(0), other), Err(BadPart));
}

#[test]
fn a_changed_piece_makes_no_block_and_can_be_sent_again() {
    let block = block(300_000);
    let mut bodies = Bodies::default();
    let mut wrong = pieces(&block);
    wrong[0].bytes[40] ^= 1;
    let last: Vec<_> = wrong.into_iter().map(|part| bodies.receive(Source::Proposer(0), part)).collect();
    assert_eq!(last.last(), Some(&Err(BadPart)));
    let again: Vec<_> = pieces(&block).into_iter().map(|part| bodies.receive(Source::Proposer(0), part)).collect();
    assert_eq!(again.last(), Some(&Ok(Some(block))));
}

#[test]
fn a_wanted_block_is_asked_of_one_voter_after_the_other() {
    let mut bodies = Bodies::default();
    let voters = vec![Address([1; 16]), Address([2; 16])];
    let id = BlockId([1; 32]);
    assert!(bodies.want(id, voters.clone(), false) && !bodies.want(id, voters, false));
    let asked: Vec<_> = (0..3).flat_map(|_| bodies.next_requests()).map(|(_, voter)| voter.0[0]).collect();
    assert_eq!(asked, [1, 2, 1]);
    let block = Arc::new(block(10_000));
    bodies.insert_pending(id, block, &Peer("liar".to_owned()), 7);
    assert!(bodies.next_requests().is_empty());
    assert_eq!(bodies.drop_foreign(&id, 7), Some(Peer("liar".to_owned())));
    assert_eq!(bodies.next_requests(), [(id, Address([2; 16]))]);
}

/// The first pieces of another small block in each round.
fn of_round(round: u32) -> Block {
    let mut block = block(10_000);
    block.header.round = round;
    block
}

#[test]
fn a_proposer_fills_no_more_than_its_rounds() {
    let mut bodies = Bodies::default();
    let send = |bodies: &mut Bodies, round, block: &Block| {
        let whole: Vec<_> = pieces(block)
            .into_iter()
            .filter_map(|part| bodies.receive(Source::Proposer(round), part).unwrap())
            .collect();
        whole.len()
    };
    assert_eq!(send(&mut bodies, 0, &of_round(0)), 1);
    assert_eq!(send(&mut bodies, 0, &of_round(90)), 0, "a second block of one round");
    // Rounds that never end do not use up the room, and what a third voted for stays.
    let first = of_round(0).header.id();
    bodies.insert_valid(first, Arc::new(of_round(0)), true);
    bodies.want(first, Vec::new(), true);
    for round in 1..50 {
        let block = of_round(round);
        assert_eq!(send(&mut bodies, round, &block), 1, "round {round}");
        bodies.insert_valid(block.header.id(), Arc::new(block), true);
    }
    assert_eq!(bodies.held(), BLOCKS_MAX);
    assert!(bodies.get(&first).is_some() && bodies.get(&of_round(49).header.id()).is_some());
    assert!(bodies.get(&of_round(1).header.id()).is_none());
}

#[test]
fn blocks_nobody_has_do_not_keep_others_from_being_asked_for() {
    let mut bodies = Bodies::default();
    let voters = || vec![Address([1; 16])];
    for number in 0..9 {
        bodies.want(BlockId([number; 32]), voters(), false);
    }
    assert_eq!(bodies.next_requests().len(), WANTED_MAX);
    let backed = BlockId([77; 32]);
    assert!(bodies.want(backed, voters(), true));
    let asked = bodies.next_requests();
    assert!(asked.len() == WANTED_MAX && asked.iter().any(|(id, _)| *id == backed));
}

#[test]
fn a_peer_has_one_unfinished_answer() {
    let mut bodies = Bodies::default();
    let part = |number: u8| BlockPart { block: BlockId([number; 32]), ..pieces(&block(1_000_000)).remove(0) };
    for number in 0..9 {
        let liar = Peer("liar".to_owned());
        assert_eq!(bodies.receive(Source::Asked(BlockId([number; 32]), liar), part(number)), Ok(None));
        assert_eq!(bodies.receive(Source::Proposer(u32::from(number)), part(number)), Ok(None));
    }
    assert_eq!(bodies.assembly_bytes(), (UNASKED_MAX + 1) * PART_BYTES);
}
