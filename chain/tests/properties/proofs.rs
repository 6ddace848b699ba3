//! Certificates and proofs: what was made holds, and with any bit changed it proves nothing.

use super::round_trip;
use crate::fixture;
use crate::fixture::{
    BAMF, LDS, advance, case, certificate_by, code, genesis, item, ledger, on_day, opens, transaction,
};
use laufzettel_chain::certificate::{Certificate, CertificateError};
use laufzettel_chain::codec::{decode, encode};
use laufzettel_chain::header::Header;
use laufzettel_chain::ids::Address;
use laufzettel_chain::item::Action;
use laufzettel_chain::light::LightClient;
use laufzettel_chain::proof::{CaseProof, prove};
use laufzettel_chain::validators::{Validator, ValidatorSet};

fn decided() -> (Header, ValidatorSet) {
    let (mut ledger, _) = ledger();
    let built = advance(&mut ledger, &[transaction(BAMF, 1, vec![item(1, case(1), &opens("toy"))])]);
    (built.block.header.clone(), genesis().registry.validators.clone())
}

#[test]
fn certificates_need_more_than_two_thirds_of_known_signers() {
    let (header, validators) = decided();
    for signers in [&[0, 1, 2][..], &[1, 2, 3], &[0, 1, 2, 3]] {
        assert_eq!(certificate_by(&header, signers).verify(&header, &validators), Ok(()));
    }
    for signers in [&[][..], &[2], &[0, 3]] {
        let verdict = certificate_by(&header, signers).verify(&header, &validators);
        assert_eq!(verdict, Err(CertificateError::TooFew { signed: signers.len() as u128, total: 4 }));
    }
    let good = certificate_by(&header, &[0, 1, 2]);
    let mut twice = good.clone();
    twice.signatures = vec![good.signatures[0], good.signatures[0], good.signatures[1], good.signatures[2]];
    assert_eq!(twice.verify(&header, &validators), Err(CertificateError::Order(good.signatures[0].0)));
    let mut unordered = good.clone();
    unordered.signatures.swap(0, 1);
    assert_eq!(unordered.verify(&header, &validators), Err(CertificateError::Order(good.signatures[0].0)));
    let three: Vec<Validator> =
        validators.all().iter().filter(|known| known.address != good.signatures[0].0).cloned().collect();
    let three = ValidatorSet::new(three).expect("a set");
    assert_eq!(good.verify(&header, &three), Err(CertificateError::OtherValidators(1)));
    let mut other = header.clone();
    other.validators_hash = three.hash();
    let stranger = Address([9; 16]);
    let mut strange = certificate_by(&other, &[0, 1, 2, 3]);
    strange.signatures = vec![(stranger, [0; 64])];
    assert_eq!(strange.verify(&other, &three), Err(CertificateError::UnknownSigner(stranger)));
    let mut prevotes = good.clone();
    prevotes.round = 1;
    assert!(matches!(prevotes.verify(&header, &validators), Err(CertificateError::Signature(_))));
}

#[test]
fn certificates_with_any_bit_flipped_prove_nothing() {
    let (header, validators) = decided();
    let bytes = encode(&certificate_by(&header, &[0, 1, 2]));
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let proves = decode::<Certificate>(&flipped).is_ok_and(|found| found.verify(&header, &validators).is_ok());
        assert!(!proves, "bit {bit}");
    }
}

fn proved(of: u8, wanted: &[usize]) -> CaseProof {
    let (mut ledger, store) = ledger();
    let mut step = on_day("step", 0);
    step.outcome = Some(code("yes"));
    let first = [
        item(1, case(1), &opens("toy")),
        item(2, case(1), &Action::Report(on_day("begun", -1))),
        item(3, case(2), &opens("toy")),
    ];
    advance(&mut ledger, &[transaction(BAMF, 1, first.to_vec())]);
    let second = vec![item(4, case(1), &Action::Report(step))];
    let built = advance(&mut ledger, &[transaction(LDS, 1, second)]);
    let header = built.block.header.clone();
    let certificate = fixture::certificate(&header);
    prove(store.as_ref(), header, certificate, &case(of), wanted).expect("memory")
}

fn light() -> LightClient {
    LightClient::new(&genesis())
}

#[test]
fn proofs_open_present_and_absent_fields() {
    let proof = proved(1, &[0, 10, 16, 17, 31]);
    proof.verify(&light()).expect("proves");
    let bytes: Vec<&[u8]> = proof.fields.iter().map(|field| field.bytes.as_slice()).collect();
    assert!(bytes[2].windows(4).any(|window| window == b"step"));
    assert!(bytes[3].is_empty() && bytes[4].is_empty(), "nothing was reported on these tracks");
    assert!(!encode(&proof).windows(5).any(|window| window == b"begun"), "an event that no field shows stays unseen");
    round_trip(&proof);
}

#[test]
fn proofs_of_absence_hold_for_absent_cases_only() {
    let absent = proved(9, &[16]);
    assert_eq!((absent.root, absent.fields.len()), (None, 0));
    absent.verify(&light()).expect("proves");
    let present = proved(1, &[]);
    present.verify(&light()).expect("proves");
    assert!(CaseProof { root: None, ..present.clone() }.verify(&light()).is_err());
    assert!(CaseProof { case: case(2), ..present.clone() }.verify(&light()).is_err());
    assert!(CaseProof { case: case(1), tree: present.tree, ..absent.clone() }.verify(&light()).is_err());
    assert!(CaseProof { case: case(1), ..absent }.verify(&light()).is_err());
}

#[test]
fn proofs_do_not_open_a_field_with_other_content() {
    let proof = proved(1, &[0, 16, 17]);
    let mut empty = proof.clone();
    empty.fields[1].bytes.clear();
    assert!(empty.verify(&light()).is_err(), "a present field cannot be shown as absent");
    let mut moved = proof.clone();
    moved.fields[2].index = 18;
    assert!(moved.verify(&light()).is_err());
    let mut short = proof;
    short.fields[0].siblings.pop();
    assert!(short.verify(&light()).is_err());
}

#[test]
fn proofs_with_any_bit_flipped_prove_nothing() {
    for proof in [proved(1, &[0, 16, 31]), proved(9, &[])] {
        let bytes = encode(&proof);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let Ok(found) = decode::<CaseProof>(&flipped) else { continue };
            // One empty place in the tree shows that many cases do not exist: of another absent case it is as true.
            let other_absent = found.case != proof.case && found.root.is_none();
            assert!(found.verify(&light()).is_err() || other_absent, "bit {bit} of {} bytes", bytes.len());
        }
    }
}

#[test]
fn a_light_client_of_another_network_trusts_nothing() {
    let text = fixture::rooted_text(&[fixture::TOY]);
    let other = laufzettel_chain::genesis::Genesis::parse(text.as_bytes()).expect("sound");
    assert!(proved(1, &[0]).verify(&LightClient::new(&other)).is_err());
}
