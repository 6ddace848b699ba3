//! Genesis files as they are made and read back, and what is refused.

use super::*;

fn card(id: &str, seed: u8) -> AuthorityCard {
    let key = |purpose, seed: u8| {
        let key = ed25519_dalek::SigningKey::from_bytes(&[seed; 32]).verifying_key();
        KeyEntry { purpose, public: data_encoding::HEXLOWER.encode(key.as_bytes()) }
    };
    AuthorityCard {
        id: id.into(),
        label_de: "Behörde".into(),
        label_en: "Authority".into(),
        roles: vec!["asylum_office".into()],
        hosted_by: id.into(),
        keys: vec![key(KeyPurpose::Consensus, seed), key(KeyPurpose::Node, seed + 1)],
    }
}

fn genesis(cards: Vec<AuthorityCard>, validators: &[&str]) -> Result<Genesis, GenesisError> {
    let validators: Vec<_> = validators.iter().map(|&id| id.to_owned()).collect();
    let definition = laufzettel_contracts::ASYL_DE.to_owned();
    Genesis::new("demo", 1_790_000_000_000, cards, &validators, vec![definition])
}

#[test]
fn the_ledger_takes_the_text_and_its_root() {
    let made = genesis(vec![card("sn-zab", 3), card("de-bamf", 1)], &["de-bamf"]).unwrap();
    assert_eq!(made.authorities[0].id, "de-bamf", "sorted");
    let text = made.clone().text().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("genesis.toml");
    fs::write(&path, &text).unwrap();
    let read = load(&path).unwrap();
    assert_eq!(read.network, laufzettel_chain::ids::network_id(text.as_bytes()));
    assert_eq!(read.registry.authorities.len(), 2);
    fs::write(&path, text.replace("Authority", "Another")).unwrap();
    assert!(load(&path).unwrap_err().to_string().contains("state_root"));
}

#[test]
fn a_definition_with_a_fault_is_refused() {
    let mut made = genesis(vec![card("de-bamf", 1)], &["de-bamf"]).unwrap();
    made.definitions[0].text.push_str("\nnonsense");
    assert!(made.text().unwrap_err().to_string().contains("definition"));
}

#[test]
fn the_protocol_follows_from_the_definitions() {
    let first = genesis(vec![card("de-bamf", 1)], &["de-bamf"]).unwrap();
    assert!(first.protocol == 1 && first.calendars.is_empty());
    let text = first.render().unwrap();
    assert!(!text.contains("protocol") && !text.contains("[[calendar]]"), "its bytes are what they were");
    assert!(first.with_calendars(CALENDARS_DE.to_owned()).is_err());
    let definition = include_str!("../../../contracts/tests/effects/process.toml").to_owned();
    let made = Genesis::new("demo", 1, vec![card("de-bamf", 1)], &["de-bamf".to_owned()], vec![definition]).unwrap();
    assert!(made.protocol == 2 && made.calendars.len() == 1);
    let other = CALENDARS_DE.replace("version = 1", "version = 7");
    let made = made.with_calendars(other.clone()).unwrap();
    assert_eq!(made.calendars, [CalendarsEntry { text: other }]);
    let read: Genesis = toml::from_str(&made.render().unwrap()).unwrap();
    assert_eq!(read, made);
}

#[test]
fn a_definition_whose_rules_would_not_run_is_refused() {
    let mut made = genesis(vec![card("de-bamf", 1)], &["de-bamf"]).unwrap();
    made.definitions[0].text = laufzettel_contracts::ASYL_DE_2.to_owned();
    assert!(made.text().unwrap_err().to_string().contains("language 2"));
}

#[test]
fn a_card_reads_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("card.toml");
    fs::write(&path, card("de-bamf", 1).render().unwrap()).unwrap();
    assert_eq!(AuthorityCard::load(&path).unwrap(), card("de-bamf", 1));
}

#[test]
fn contradictions_are_named() {
    let check = |made: Result<Genesis, GenesisError>, part: &str| {
        let error = made.unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    check(genesis(vec![card("de-bamf", 1)], &[]), "at least one");
    check(genesis(vec![card("de-bamf", 1)], &["sn-zab"]), "no card");
    check(genesis(vec![card("de-bamf", 1), card("sn-zab", 1)], &["de-bamf"]), "used twice");
    let mut tenant = card("sn-zab", 3);
    tenant.hosted_by = "nobody".into();
    check(genesis(vec![card("de-bamf", 1), tenant.clone()], &["de-bamf"]), "hosted_by");
    tenant.hosted_by = "de-bamf".into();
    check(genesis(vec![card("de-bamf", 1), tenant], &["sn-zab"]), "runs its own node");
}
