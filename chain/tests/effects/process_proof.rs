//! Which process a case stands under, proven from the genesis file: of genesis, adopted by vote, moved to; and that a forged
//! text, one that was not adopted, and one of a later height prove nothing.

use std::sync::Arc;

use laufzettel_chain::genesis::Genesis;
use laufzettel_chain::light::LightClient;
use laufzettel_chain::proof::ProofError;
use laufzettel_chain::proof::process::{ProcessProof, ProcessProofError};
use laufzettel_chain::query;
use laufzettel_chain::receipt::Code;
use laufzettel_chain::registry::Registry;

use crate::fixture::{MINUTE_MS, TOY, case};
use crate::governance::{change, gaining, plain, renaming};
use crate::world::{COURT, FOREIGNERS, OFFICE, POLICE, STOP, Scene, genesis, rooted};

fn proof(scene: &Scene, number: u8) -> ProcessProof {
    let tip = scene.ledger.tip();
    let head = query::header(scene.store.as_ref(), tip.header.height).expect("memory").expect("stored");
    let made = ProcessProof::at_tip(scene.store.as_ref(), &tip.registry, head, &case(number));
    made.expect("memory").expect("open")
}

/// Version and text that it proves, and whether that was voted on.
fn proven(proof: &ProcessProof, number: u8) -> Result<(u32, bool), ProcessProofError> {
    proven_by(&genesis(), proof, number)
}

fn proven_by(genesis: &Genesis, proof: &ProcessProof, number: u8) -> Result<(u32, bool), ProcessProofError> {
    let process = proof.verify(&LightClient::new(genesis), genesis, &case(number))?;
    assert_eq!((process.definition.id(), process.height), ("stop", proof.case.header.height));
    Ok((process.definition.version(), process.voted))
}

fn adopt(scene: &mut Scene, proposed: laufzettel_chain::proposal::Change, by: [usize; 2]) {
    let (item, code) = scene.propose(OFFICE, proposed);
    assert_eq!(code, Code::Accepted);
    for by in by {
        assert_eq!(scene.vote(by, item, true), Code::Accepted);
    }
}

#[test]
fn the_process_of_a_case_is_proven_from_the_genesis_file_alone() {
    let mut scene = Scene::opened();
    let before = proof(&scene, 1);
    assert_eq!(before.register, None, "nothing was proposed yet");
    assert_eq!(proven(&before, 1), Ok((1, false)));
    adopt(&mut scene, change(gaining(2), &[POLICE]), [POLICE, COURT]);
    assert_eq!(scene.opens(2, 2), Code::Accepted);
    let (old, new) = (proof(&scene, 1), proof(&scene, 2));
    assert_eq!((proven(&old, 1), proven(&new, 2)), (Ok((1, false)), Ok((2, true))));
    assert_eq!((old.text.as_str(), new.text), ("", gaining(2)));
    // Of the old case nothing is proven for the new one, nor the other way round.
    assert_eq!(proven(&old, 2), Err(ProcessProofError::Identity));
    assert_eq!(proven(&new_of(&scene), 1), Err(ProcessProofError::Identity));
}

fn new_of(scene: &Scene) -> ProcessProof {
    proof(scene, 2)
}

#[test]
fn a_forged_text_one_not_adopted_and_one_of_a_later_height_are_refused() {
    let mut scene = Scene::opened();
    let before = proof(&scene, 1);
    // Open, and rejected: in the list of proposals, and adopted by nobody.
    let (open, _) = scene.propose(COURT, change(plain(9), &[]));
    let proposed = proof(&scene, 1);
    assert!(proposed.register.is_some());
    assert_eq!(proven(&proposed, 1), Ok((1, false)));
    for by in [OFFICE, POLICE] {
        assert_eq!(scene.vote(by, open, false), Code::Accepted);
    }
    adopt(&mut scene, change(plain(2), &[]), [FOREIGNERS, COURT]);
    assert_eq!(scene.opens(2, 2), Code::Accepted);
    let sound = proof(&scene, 2);
    assert_eq!(proven(&sound, 2), Ok((2, true)));
    let text = ProcessProofError::Text { id: "stop".to_owned(), version: 2 };
    for forged in [plain(2).replace("PT48H", "PT49H"), plain(9), STOP.to_owned(), String::new()] {
        assert_eq!(proven(&ProcessProof { text: forged, ..sound.clone() }, 2), Err(text.clone()));
    }
    // The list of another height, whichever: also one before the adoption, with the path that proved it there.
    for other in [&before, &proposed, &proof(&Scene::opened(), 1)] {
        let mixed = ProcessProof { register: other.register.clone(), tree: other.tree.clone(), ..sound.clone() };
        assert_eq!(proven(&mixed, 2), Err(ProcessProofError::Register(sound.case.header.height)));
        let mixed = ProcessProof { register: sound.register.clone(), tree: sound.tree.clone(), ..(*other).clone() };
        assert_eq!(proven(&mixed, 1), Err(ProcessProofError::Register(other.case.header.height)));
    }
    let mut longer = sound.clone();
    longer.register.as_mut().expect("there is one").push(0);
    assert_eq!(proven(&longer, 2), Err(ProcessProofError::Register(sound.case.header.height)));
    let hidden = ProcessProof { register: None, ..sound.clone() };
    assert_eq!(proven(&hidden, 2), Err(ProcessProofError::Register(sound.case.header.height)));
    // Another version in the identity is not in the case's root.
    let mut renumbered = sound.clone();
    let opened = &mut renumbered.case.fields[0].bytes;
    let version = opened.len() - 9;
    opened[version] = 9;
    assert_eq!(proven(&renumbered, 2), Err(ProcessProofError::Case(ProofError::Field(0))));
    let mut closed = sound.clone();
    closed.case.fields.clear();
    assert_eq!(proven(&closed, 2), Err(ProcessProofError::Identity));
    // A genesis file without the process is another network's.
    let elsewhere = rooted(&[TOY]);
    assert!(matches!(proven_by(&elsewhere, &sound, 2), Err(ProcessProofError::Case(_))));
    // What is neither of genesis nor adopted by then: as a genesis file of this network that had lost its definitions shows.
    let mut registry = Registry::clone(&genesis().registry);
    registry.definitions.clear();
    let lost = Genesis { registry: Arc::new(registry), ..Genesis::clone(&genesis()) };
    let height = before.case.header.height;
    let missing = ProcessProofError::NotAdopted { id: "stop".to_owned(), version: 1, height };
    assert_eq!(proven_by(&lost, &before, 1), Err(missing));
}

#[test]
fn a_case_that_moves_is_proven_under_the_version_the_next_block_finds_it_under() {
    let mut scene = Scene::opened();
    for number in 2..5 {
        assert_eq!(scene.opens(number, 1), Code::Accepted);
    }
    adopt(&mut scene, renaming(2), [FOREIGNERS, COURT]);
    assert_eq!(proven(&proof(&scene, 1), 1), Ok((1, false)), "adopted, and cases do not move yet");
    let time_ms = scene.now() + MINUTE_MS;
    scene.block(time_ms, &[]);
    // Its row is as before, and the next block reads it under the new version.
    assert_eq!(proven(&proof(&scene, 1), 1), Ok((2, true)));
    while scene.ledger.registry().register.recount.is_some() {
        let time_ms = scene.now() + 1;
        scene.block(time_ms, &[]);
    }
    for number in 1..5 {
        assert_eq!(proven(&proof(&scene, number), number), Ok((2, true)));
    }
}
