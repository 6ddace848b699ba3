//! Golden vectors of what is changed by vote, in `tests/vectors/governance.json`: the two items, the values of the state,
//! and the headers of a story with them. Compared, never silently written: `LAUFZETTEL_WRITE_VECTORS=1` writes the file
//! anew, which is a change of formats like any in `vectors.rs`.

use std::collections::BTreeMap;
use std::path::Path;

use laufzettel_chain::codec::{decode, encode};
use laufzettel_chain::ids::ItemDigest;
use laufzettel_chain::item::{Action, Item};
use laufzettel_chain::proposal::{Change, ProposalKind};
use laufzettel_chain::state::governance::{self, Proposal, Register};
use laufzettel_contracts::AuthorityId;
use serde_json::{Value, json};

use crate::fixture::{code, hex};
use crate::governance::voted_story;

fn items() -> Value {
    let id = |text: &str| AuthorityId::new(text).expect("an id");
    let change = Change {
        kind: ProposalKind::Definition,
        text: b"text".to_vec(),
        effective_height: 900,
        must_agree: vec![id("de-bamf"), id("sn-lds")],
        moves: [("a", "b"), ("c", "a")].map(|(from, to)| (code(from), code(to))).into(),
    };
    let least = Change {
        kind: ProposalKind::Calendars,
        text: b"t".to_vec(),
        effective_height: 0,
        must_agree: Vec::new(),
        moves: BTreeMap::new(),
    };
    let vote = |yes| Action::Vote { proposal: ItemDigest([9; 32]), yes };
    let named = [
        ("propose", Action::Propose(Box::new(change))),
        ("propose, least", Action::Propose(Box::new(least))),
        ("vote, yes", vote(true)),
        ("vote, no", vote(false)),
    ];
    let of = |(name, action): (&str, Action)| {
        let bytes = Item::encode([7; 16], None, &action);
        let decoded = Item::decode_in(&bytes, 2).expect("of protocol version 2");
        assert_eq!((&decoded.action, decoded.case), (&action, None));
        let reason = Item::decode(&bytes).expect_err("not of protocol version 1").to_string();
        (
            name.to_owned(),
            json!({ "bytes": hex(&bytes), "digest": decoded.digest.to_string(), "protocol_version_1": reason }),
        )
    };
    Value::Object(named.into_iter().map(of).collect())
}

fn state() -> Value {
    let scene = voted_story();
    let read = scene.store.as_ref();
    let register = governance::register(read).expect("memory").expect("there");
    assert_eq!(decode::<Register>(&encode(&register)), Ok(register.clone()));
    let proposals: serde_json::Map<_, _> = governance::proposals(read)
        .expect("memory")
        .iter()
        .map(|proposal| {
            let bytes = encode(proposal);
            assert_eq!(decode::<Proposal>(&bytes).as_ref(), Ok(proposal));
            (hex(&governance::state_key(&proposal.item).bytes()), json!(hex(&bytes)))
        })
        .collect();
    assert_eq!(proposals.len(), 5);
    let headers: Vec<Value> = scene
        .blocks
        .iter()
        .map(|block| json!({ "bytes": hex(&encode(&block.header)), "id": block.header.id().to_string() }))
        .collect();
    json!({ "register": hex(&encode(&register)), "proposals": proposals, "headers": headers })
}

#[test]
fn changes_by_vote() {
    let actual = json!({ "items": items(), "story": state() });
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/governance.json");
    if std::env::var_os("LAUFZETTEL_WRITE_VECTORS").is_some() {
        let text = serde_json::to_string_pretty(&actual).expect("a value");
        std::fs::write(&path, format!("{text}\n")).expect("the directory can be written");
    }
    let text = std::fs::read_to_string(&path).expect("the vectors are committed");
    let expected: Value = serde_json::from_str(&text).expect("JSON");
    for part in ["items", "story"] {
        assert_eq!(actual[part], expected[part], "{part}");
    }
}
