//! Writes the first inputs of each target, one folder a target: the golden
//! vectors of the formats, and the shipped texts. `seeds FOLDER`.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER_PERMISSIVE;
use serde_json::Value;

/// What a vector's bytes are tried as: target, and the byte that chooses the kind there.
const KINDS: [(&str, Option<u8>); 12] = [
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
];

const EVENTS: &str = "case,activity,time,group\n1,open,2026-01-02T03:04:05Z,a\n1,close,2026-01-03,b\n";

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::args_os().nth(1).ok_or("write: seeds FOLDER")?);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut vectors = Vec::new();
    for file in ["consensus", "ids", "primitives", "state", "transactions"] {
        let text = fs::read(root.join(format!("chain/tests/vectors/{file}.json")))?;
        collect(&serde_json::from_slice(&text)?, &mut vectors);
    }
    let mut count = 0;
    for (number, bytes) in vectors.iter().enumerate() {
        for (target, kind) in KINDS {
            let input: Vec<u8> = kind.into_iter().chain(bytes.iter().copied()).collect();
            count += seed(&folder, target, &format!("{number}-{}", kind.unwrap_or_default()), &input)?;
        }
        for kind in 1..=11u8 {
            // A signed vote or block is most of a message: its kind before it, and as a list of one.
            let single = [&[kind][..], bytes].concat();
            let list = [&[kind, 0, 0, 0, 1][..], bytes].concat();
            count += seed(&folder, "message", &format!("{number}-of-{kind}"), &single)?;
            count += seed(&folder, "message", &format!("{number}-in-{kind}"), &list)?;
        }
    }
    let definition = fs::read(root.join("contracts/definitions/asyl-de.toml"))?;
    count += seed(&folder, "definition", "asyl-de", &definition)?;
    count += seed(&folder, "csv", "small", EVENTS.as_bytes())?;
    count += seed(&folder, "genesis", "head", b"version = 1\nname = \"n\"\ntime_ms = 1\n")?;
    println!("{count} seeds in {}", folder.display());
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

fn seed(folder: &Path, target: &str, name: &str, bytes: &[u8]) -> Result<usize, Box<dyn Error>> {
    let folder = folder.join(target);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(name), bytes)?;
    Ok(1)
}
