//! Protocol version 2 in the genesis file, and that version 1 is what it was.

use std::sync::Arc;

use laufzettel_chain::genesis::Genesis;
use laufzettel_chain::ledger::{Ledger, genesis_state};
use laufzettel_chain::storage::mem::MemStore;
use laufzettel_chain::storage::{Family, Read as _};
use laufzettel_contracts::CALENDARS_DE;

use crate::fixture::{self, TOY};
use crate::world::{STOP, genesis, genesis_text, rooted};

fn fault(text: &str) -> String {
    Genesis::parse(text.as_bytes()).expect_err("refused").to_string()
}

#[test]
fn protocol_2_has_exactly_one_calendar_and_protocol_1_none() {
    let sound = genesis_text(&[0; 32], &[STOP]);
    let calendar = format!("\n[[calendar]]\ntext = '''\n{CALENDARS_DE}'''\n");
    assert!(fault(&sound.replace(&calendar, "")).contains("exactly one"));
    assert!(fault(&format!("{sound}{calendar}")).contains("exactly one"));
    let first = fixture::genesis_text(&[0; 32], &[TOY]);
    assert!(fault(&format!("{first}{calendar}")).contains("write protocol = 2"));
    assert!(fault(&sound.replace("protocol = 2", "protocol = 3")).contains("use protocol 1 or 2"));
    assert!(fault(&sound.replace("protocol = 2", "protocol = 0")).contains("use protocol 1 or 2"));
    let broken = sound.replace("[seat]", "[seet]");
    assert!(fault(&broken).contains("the calendars have"));
}

#[test]
fn language_2_needs_protocol_2_and_the_fault_says_what_to_write() {
    let text = fixture::genesis_text(&[0; 32], &[STOP]);
    let told = fault(&text);
    assert!(told.contains("protocol = 2") && told.contains("[[calendar]]"), "{told}");
}

#[test]
fn headers_and_state_say_the_version() {
    let store = Arc::new(MemStore::default());
    let ledger = Ledger::open(store.clone(), genesis(), false).expect("opens");
    assert_eq!((ledger.tip().header.version, ledger.registry().protocol), (2, 2));
    let name = [[5].as_slice(), b"de@1"].concat();
    let text = store.get(Family::Registry, &name).expect("memory").expect("the text is stored");
    assert_eq!(text, CALENDARS_DE.as_bytes());
    let first = Ledger::open(Arc::new(MemStore::default()), fixture::genesis(), false).expect("opens");
    assert_eq!((first.tip().header.version, first.registry().protocol), (1, 1));
    assert!(first.registry().calendars.is_none());
}

#[test]
fn the_root_covers_version_and_calendars() {
    let root = |text: &str| {
        let genesis = Genesis::parse(text.as_bytes()).expect("sound");
        genesis_state(&genesis, &MemStore::default()).expect("memory").0
    };
    let text = genesis_text(&[0; 32], &[TOY]);
    let other = text.replace("[seat]\n", "[seat]\nde-register = \"DE-BY-augsburg\"\n");
    assert_ne!(root(&text), root(&other));
    let without = text.replace("protocol = 2\n", "");
    let without = without.split("\n[[calendar]]").next().expect("a part").to_owned() + "\n";
    assert_ne!(root(&text), root(&without));
    assert_eq!(rooted(&[TOY]).state_root, root(&text));
}
