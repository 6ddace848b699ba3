//! The first inputs of a target: the golden vectors of the formats, and the
//! shipped texts. Written before the fuzzer reads its folder.

use std::error::Error;
use std::fs;
use std::path::Path;

use data_encoding::HEXLOWER_PERMISSIVE;
use serde_json::Value;

/// What a vector's bytes are tried as: target, and the byte that chooses the kind there.
const KINDS: [(&str, Option<u8>); 19] = [
    ("item", None),
    ("payload", None),
    ("transaction", Some(0)),
    ("transaction", Some(1)),
    ("block", Some(0)),
    ("block", Some(1)),
    ("block", Some(2)),
    ("block", Some(3)),
    ("message", None),
    ("sync", None),
    ("log", None),
    ("proof", None),
    ("snapshot", Some(0)),
    ("snapshot", Some(1)),
    ("snapshot", Some(2)),
    ("snapshot", Some(3)),
    ("vote", Some(0)),
    ("vote", Some(1)),
    ("vote", Some(2)),
];

const CONDITIONS: [&str; 4] = [
    "has(hearing_held) && !has_ever(case_closed) || count(hearing_scheduled) >= 2",
    "this.outcome in [rejected_unfounded, withdrawn] && present(this.effective)",
    "days_between(last(application_lodged).day, date(\"2026-06-12\")) <= 0 - 7",
    "open(appeal) && regime == before && proceeding + 1 < 3",
];
const EVENTS: &str = "case,activity,time,group\n1,open,2026-01-02T03:04:05Z,a\n1,close,2026-01-03,b\n";

/// Writes the first inputs of a target into its folder, if `LAUFZETTEL_FUZZ_SEEDS` names the folder of all.
pub fn write(target: &str) {
    if let Some(folder) = std::env::var_os("LAUFZETTEL_FUZZ_SEEDS") {
        write_into(&Path::new(&folder).join(target), target).unwrap();
    }
}

fn write_into(folder: &Path, target: &str) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(folder)?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut vectors = Vec::new();
    for file in
        ["consensus", "effects", "evidence", "governance", "ids", "primitives", "snapshot", "state", "transactions"]
    {
        let text = fs::read(root.join(format!("chain/tests/vectors/{file}.json")))?;
        collect(&serde_json::from_slice(&text)?, &mut vectors);
    }
    for (number, bytes) in vectors.iter().enumerate() {
        for (_, kind) in KINDS.iter().filter(|(of, _)| *of == target) {
            let input: Vec<u8> = kind.iter().chain(bytes).copied().collect();
            fs::write(folder.join(format!("{number}-{}", kind.unwrap_or_default())), input)?;
        }
        for kind in (1..=12u8).filter(|_| target == "message") {
            // A signed vote or block is most of a message: its kind before it, alone and as a list of one.
            fs::write(folder.join(format!("{number}-of-{kind}")), [&[kind][..], bytes].concat())?;
            fs::write(folder.join(format!("{number}-in-{kind}")), [&[kind, 0, 0, 0, 1][..], bytes].concat())?;
        }
    }
    match target {
        "definition" => {
            fs::copy(root.join("contracts/definitions/asyl-de.toml"), folder.join("asyl-de"))?;
        }
        "expression" => {
            for (number, text) in CONDITIONS.iter().enumerate() {
                fs::write(folder.join(number.to_string()), format!("\u{1}{text}"))?;
            }
        }
        "calendars" => {
            let text = fs::read(root.join("contracts/calendars/de.toml"))?;
            fs::write(folder.join("de"), [&[0, 0, 0, 0x50, 0][..], &text].concat())?;
        }
        "csv" => fs::write(folder.join("small"), EVENTS)?,
        // Each of the texts as it is, with nothing changed and with one edit of each kind; the fuzzer goes on from there.
        "diff" | "compare" => {
            for which in 0..4u8 {
                fs::write(folder.join(which.to_string()), [0, which, 0, 0])?;
                for kind in 0..6u8 {
                    let edit = [0, which, 0, 1, 0, 100, 1, 7, kind, 1, 0, 20];
                    let reports: Vec<u8> = (0..200u8).map(|byte| byte.wrapping_mul(37)).collect();
                    fs::write(folder.join(format!("{which}-{kind}")), [&edit[..], &reports].concat())?;
                }
            }
        }
        "vote" => fs::write(folder.join("said"), [3, 1, 0, 0, 3, 0, 1, 0, 2, 0, 5, 0, 2, 0, 4, 0, 6])?,
        "genesis" => fs::write(folder.join("head"), "version = 1\nname = \"n\"\ntime_ms = 1\n")?,
        _ => {}
    }
    Ok(())
}

/// Every text of hexadecimal digits in a vector file.
fn collect(value: &Value, found: &mut Vec<Vec<u8>>) {
    match value {
        Value::String(text) if text.len() > 40 => found.extend(HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()),
        Value::Array(all) => all.iter().for_each(|one| collect(one, found)),
        Value::Object(all) => all.values().for_each(|one| collect(one, found)),
        _ => {}
    }
}
