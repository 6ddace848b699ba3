//! Golden vectors of what protocol version 2 adds, in `tests/vectors/effects.json`. Compared, never silently written:
//! `LAUFZETTEL_WRITE_VECTORS=1` writes the file anew, which is a change of formats like any in `vectors.rs`.

use std::path::Path;

use laufzettel_chain::codec::encode;
use laufzettel_chain::item::{Action, Item, Override};
use laufzettel_chain::receipt::Code;
use laufzettel_chain::state::case::CaseRow;
use laufzettel_chain::state::effects::{effect_id, guard_id};
use laufzettel_chain::state::fields::FIELDS;
use laufzettel_contracts::effect::{Cause, EffectId};
use serde_json::{Value, json};

use crate::fixture::{case, code, hex, key, key_id, on_day};
use crate::stories::long_story;
use crate::world::{FOREIGNERS, STOP, genesis, rooted};

fn items() -> Value {
    let over = Override { reason: code("by_phone"), key: key_id(&key(FOREIGNERS, "person")) };
    let report = Action::Report(on_day("scheduled", 1));
    let correct = Action::Correct { slot: [4; 32], report: on_day("scheduled", 2) };
    let complete = Action::CompleteTask { effect: EffectId([5; 16]), outcome: code("done") };
    let acknowledge = Action::Acknowledge { effect: EffectId([6; 16]) };
    let clearance = Action::ClearanceCheck { status: code("scheduled") };
    let named = [
        ("report, overridden", &report, Some(&over)),
        ("correct, overridden", &correct, Some(&over)),
        ("complete_task", &complete, None),
        ("acknowledge", &acknowledge, None),
        ("clearance_check", &clearance, None),
    ];
    let of = |(name, action, over): (&str, &Action, Option<&Override>)| {
        let bytes = Item::encode_over([7; 16], case(1), action, over);
        let decoded = Item::decode_in(&bytes, 2).expect("of protocol version 2");
        assert_eq!((&decoded.action, decoded.over.as_ref()), (action, over));
        let reason = Item::decode(&bytes).expect_err("not of protocol version 1").to_string();
        (
            name.to_owned(),
            json!({ "bytes": hex(&bytes), "digest": decoded.digest.to_string(), "protocol_version_1": reason }),
        )
    };
    Value::Object(named.into_iter().map(of).collect())
}

fn names() -> Value {
    let rule = code("stop");
    let of = |cause: &Cause, occurrence| hex(&effect_id(&case(1), &rule, cause, occurrence).0);
    json!({
        "of a report": of(&Cause::Report([2; 32]), 0),
        "of a report, the second": of(&Cause::Report([2; 32]), 1),
        "of an effect": of(&Cause::Effect(EffectId([2; 16])), 0),
        "guard": hex(&guard_id(&code("scheduled"), &code("appeal_open"))),
    })
}

/// All fields that are not empty of the cases after the story.
fn fields() -> Value {
    let scene = long_story();
    let of = |number: u8| {
        let row = CaseRow::load(scene.store.as_ref(), &case(number)).expect("memory").expect("open");
        let fields = (0..FIELDS).map(|field| (field, row.field(&case(number), field)));
        let fields = fields.filter(|(_, bytes)| !bytes.is_empty());
        let fields: serde_json::Map<_, _> =
            fields.map(|(field, bytes)| (format!("{field:02}"), json!(hex(&bytes)))).collect();
        json!({ "fields": fields, "root": hex(&row.root(&case(number))), "due_heights": row.due_heights() })
    };
    let headers: Vec<Value> = scene
        .blocks
        .iter()
        .map(|block| json!({ "bytes": hex(&encode(&block.header)), "id": block.header.id().to_string() }))
        .collect();
    json!({ "case 1": of(1), "case 2": of(2), "case 3, of language 1": of(3), "headers": headers })
}

#[test]
fn protocol_version_2() {
    let codes = Code::ALL.iter().filter(|code| code.since() == 2);
    let codes: serde_json::Map<_, _> =
        codes.map(|code| (format!("{:02}", *code as u16), json!(code.reason()))).collect();
    let actual = json!({
        "genesis": { "network": genesis().network.to_string(), "state_root": hex(&rooted(&[STOP]).state_root) },
        "items": items(),
        "names": names(),
        "receipt codes": codes,
        "story": fields(),
    });
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/effects.json");
    if std::env::var_os("LAUFZETTEL_WRITE_VECTORS").is_some() {
        let text = serde_json::to_string_pretty(&actual).expect("a value");
        std::fs::write(&path, format!("{text}\n")).expect("the directory can be written");
    }
    let text = std::fs::read_to_string(&path).expect("the vectors are committed");
    let expected: Value = serde_json::from_str(&text).expect("JSON");
    for part in ["genesis", "items", "names", "receipt codes", "story"] {
        assert_eq!(actual[part], expected[part], "{part}");
    }
    assert_eq!(actual, expected);
}
