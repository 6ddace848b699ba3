//! What executing the dearest proposals and votes costs, and what they count for the work, by hand:
//! `cargo test --workspace --test effects -- --ignored --nocapture proposal_cost`. And that they count as the bounds say.

#![allow(clippy::print_stdout, reason = "the output of a measurement is what it is for")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use laufzettel_chain::block::Block;
use laufzettel_chain::codec::encode;
use laufzettel_chain::ids::ItemDigest;
use laufzettel_chain::item::Action;
use laufzettel_chain::ledger::Ledger;
use laufzettel_chain::limits::{
    ADOPT_WORK, BLOCK_WORK_MAX, PROPOSAL_WORK, PROPOSE_BYTES_PER_WORK, PROPOSE_WORK, VOTE_WORK,
};
use laufzettel_chain::proposal::{Change, ProposalKind};
use laufzettel_chain::receipt::Code;
use laufzettel_chain::state::governance;
use laufzettel_contracts::Definition;

use crate::fixture::{self, MINUTE_MS, commit};
use crate::governance::{calendars, change, gaining, plain};
use crate::largest::{self, Full};
use crate::world::{COURT, FOREIGNERS, OFFICE, POLICE, Scene};

/// Microseconds of work of one unit, as measured on a small machine (docs/PERFORMANCE.md).
const UNIT_US: u64 = 12;

/// What one item of no case came to.
struct Cost {
    code: Code,
    work: u64,
    /// Of the fastest of some executions, and of the commit.
    execute_us: u128,
    commit_us: u128,
    item: ItemDigest,
}

impl Cost {
    fn told(&self, what: &str) {
        let Self { code, work, execute_us, commit_us, .. } = self;
        let counted_us = work * UNIT_US;
        println!("{execute_us:>8} us of {counted_us:>7} counted, commit {commit_us:>7} us, {code:?}: {what}");
    }
}

fn weigh(scene: &mut Scene, by: usize, action: &Action) -> Cost {
    let number = scene.ledger.tip().header.height + 1_000_000 * (by as u64 + 1);
    let item = fixture::item(number, None, action);
    let digest = ItemDigest::of(&item);
    let signed = scene.signed(by, &["governance"], vec![item]);
    let time_ms = scene.now() + MINUTE_MS;
    let proposer = scene.ledger.tip().order[0];
    let built = scene.ledger.build(0, time_ms, proposer, &[signed], BLOCK_WORK_MAX).expect("memory");
    let mut least = u128::MAX;
    for _ in 0..3 {
        let begun = Instant::now();
        scene.ledger.validate(&built.block).expect("valid");
        least = least.min(begun.elapsed().as_micros());
    }
    let (code, work) = (built.executed.outcomes[0].receipts[0].code, built.executed.work);
    let begun = Instant::now();
    commit(&mut scene.ledger, &built.block, built.executed.clone());
    let commit_us = begun.elapsed().as_micros();
    scene.blocks.push(Block::clone(&built.block));
    Cost { code, work, execute_us: least, commit_us, item: digest }
}

fn propose(change: Change) -> Action {
    Action::Propose(Box::new(change))
}

fn same_names(text: &str) -> Change {
    let statuses = Definition::check(text).expect("sound").definition;
    let moves: BTreeMap<_, _> = statuses.statuses().iter().map(|one| (one.code.clone(), one.code.clone())).collect();
    Change { moves, ..change(text.to_owned(), &[]) }
}

/// Votes of all others, of which the last adopts.
fn adopt(scene: &mut Scene, proposal: ItemDigest) -> Vec<Cost> {
    let vote = Action::Vote { proposal, yes: true };
    [FOREIGNERS, COURT].map(|by| weigh(scene, by, &vote)).into()
}

#[test]
fn a_text_counts_by_its_length_and_a_vote_by_what_it_does() {
    let mut scene = Scene::opened();
    let text = gaining(2);
    let proposed = weigh(&mut scene, OFFICE, &propose(change(text.clone(), &[POLICE])));
    assert_eq!(
        (proposed.code, proposed.work),
        (Code::Accepted, 1 + PROPOSE_WORK + text.len() as u64 / PROPOSE_BYTES_PER_WORK)
    );
    let vote = |yes| Action::Vote { proposal: proposed.item, yes };
    let votes = [(COURT, true), (COURT, true), (FOREIGNERS, false), (FOREIGNERS, true), (POLICE, true), (COURT, false)];
    let counted: Vec<(Code, u64)> = votes
        .into_iter()
        .map(|(by, yes)| {
            let cost = weigh(&mut scene, by, &vote(yes));
            (cost.code, cost.work)
        })
        .collect();
    let little = 1 + VOTE_WORK;
    assert_eq!(
        counted,
        [
            (Code::Accepted, little),
            (Code::VoteRepeated, little),
            (Code::Accepted, little),
            (Code::Accepted, little),
            (Code::Accepted, 1 + ADOPT_WORK),
            (Code::ProposalClosed, little),
        ]
    );
    // The longest text there may be is more than a proposer packs: whatever waits with it comes in the next block.
    let full = largest::sound(Full::Rules, "dear", 1, 0);
    let dear = weigh(&mut scene, COURT, &propose(change(full, &[])));
    assert!(dear.code == Code::Accepted && dear.work > PROPOSAL_WORK && dear.work < 2 * PROPOSAL_WORK, "{}", dear.work);
    scene.is_the_same_everywhere();
}

#[test]
#[ignore = "a measurement, by hand"]
fn the_dearest_proposals_and_votes() {
    for full in Full::ALL {
        let mut scene = Scene::opened();
        let first = weigh(&mut scene, OFFICE, &propose(change(largest::sound(full, "dear", 1, 0), &[])));
        first.told(&format!("{full:?}, the first version"));
        for (number, vote) in adopt(&mut scene, first.item).iter().enumerate() {
            vote.told(&format!("{full:?}, vote {number}"));
        }
        let next = largest::sound(full, "dear", 2, 1);
        let gains = largest::sound(full, "dear", 2, 3);
        weigh(&mut scene, OFFICE, &propose(same_names(&next))).told(&format!("{full:?}, the next, with a mapping"));
        let wrong = Change { moves: BTreeMap::new(), ..change(gains, &[POLICE]) };
        weigh(&mut scene, COURT, &propose(wrong)).told(&format!("{full:?}, refused for who must agree"));
        let small = plain(2).replace("id = \"stop\"", "id = \"dear\"");
        weigh(&mut scene, COURT, &propose(change(small, &[]))).told(&format!("{full:?}, a small one after it"));
    }
    let mut scene = Scene::opened();
    for (what, text) in largest::unsound() {
        weigh(&mut scene, COURT, &propose(change(text, &[]))).told(what);
    }
    let of_calendars = |version| {
        let text = largest::calendars("de", version);
        Change { kind: ProposalKind::Calendars, ..change(text, &[]) }
    };
    for version in 2..6 {
        let proposed = weigh(&mut scene, OFFICE, &propose(of_calendars(version)));
        proposed.told("calendars");
        adopt(&mut scene, proposed.item)[1].told("calendars, the last vote");
        for _ in 0..2 {
            let (begun, time_ms) = (Instant::now(), scene.now() + MINUTE_MS);
            scene.block(time_ms, &[]);
            println!("{:>8} us  an empty block after it", begun.elapsed().as_micros());
        }
    }
    let small = Change { kind: ProposalKind::Calendars, ..change(calendars(9), &[]) };
    weigh(&mut scene, COURT, &propose(small)).told("shipped calendars");
}

/// As many open proposals as four authorities may have.
#[test]
#[ignore = "a measurement, by hand"]
fn what_open_proposals_cost() {
    let mut scene = Scene::opened();
    let empty = |scene: &mut Scene| {
        let begun = Instant::now();
        for _ in 0..20 {
            let time_ms = scene.now() + MINUTE_MS;
            scene.block(time_ms, &[]);
        }
        begun.elapsed().as_micros() / 20
    };
    println!("{:>8} us  an empty block, nothing open", empty(&mut scene));
    for by in [OFFICE, FOREIGNERS, COURT, POLICE] {
        for _ in 0..2 {
            let full = largest::sound(Full::Statuses, "dear", 1, by);
            assert_eq!(weigh(&mut scene, by, &propose(change(full, &[]))).code, Code::Accepted);
        }
    }
    println!("{:>8} us  an empty block, eight open", empty(&mut scene));
    let register = governance::register(scene.store.as_ref()).expect("memory").expect("there");
    let proposals = governance::proposals(scene.store.as_ref()).expect("memory");
    let bytes: Vec<usize> = proposals.iter().map(|proposal| encode(proposal).len()).collect();
    println!("list: {} bytes with {} open; proposals: {bytes:?} bytes", encode(&register).len(), register.open.len());
    let begun = Instant::now();
    let again: Ledger = crate::world::open(scene.store.clone() as Arc<_>);
    println!("{:>8} us  a start with them", begun.elapsed().as_micros());
    assert_eq!(*again.tip(), *scene.ledger.tip());
}
