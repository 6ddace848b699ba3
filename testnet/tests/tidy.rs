//! What holds for the workspace as text: which crate may know which, which file may name which library, how large and
//! how named a file may be, and that the documents name every command. A finding says file, line and rule. Reads files
//! only: it must never need a crate of the workspace, so that it runs when nothing else compiles.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use toml::Table;

/// Each member and what it may know of the others (docs/ARCHITECTURE.md, "Arrows").
const ARROWS: [(&str, &[&str]); 5] = [
    ("proto", &[]),
    ("contracts", &[]),
    ("chain", &["contracts", "proto"]),
    ("node", &["chain", "contracts", "proto"]),
    ("testnet", &["chain", "contracts", "node", "proto"]),
];
/// All that the pure crates may be made of: nothing here reads a clock, opens a socket or draws a random number.
const CONTRACTS_MAY_USE: [&str; 2] = ["thiserror", "toml"];
const CHAIN_MAY_USE: [&str; 15] = [
    "laufzettel-contracts",
    "laufzettel-proto",
    "anyhow",
    "bincode",
    "blake3",
    "borsh",
    "data-encoding",
    "ed25519-dalek",
    "jmt",
    "prost",
    // Threads of its own, and no other way to ask for them (docs/adr/0008-many-cores.md).
    "rayon",
    "rocksdb",
    "serde",
    "thiserror",
    "toml",
];
/// Lines of a file, tests not counted; and of any file.
const LINES_MAX: usize = 600;
const TEST_LINES_MAX: usize = 700;
/// Names that say nothing of what a file is for.
const EMPTY_NAMES: [&str; 6] = ["util", "utils", "helper", "helpers", "common", "misc"];
/// Left for later, or left over; put together, because this file is searched, too.
const LEFTOVERS: [&str; 4] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("db", "g!("), concat!("to", "do!(")];

/// What must be the same on every node, or run by seed in the simulator.
const REPEATABLE: [&str; 6] =
    ["chain/", "contracts/", "node/src/consensus", "node/src/mempool", "node/src/worker", "testnet/src/sim/"];
/// What of it does no input and output of its own.
const PURE: [&str; 4] = ["chain/src/", "contracts/src/", "node/src/consensus", "node/src/mempool"];

/// A source file of a member.
struct Source {
    /// Its path from the root of the workspace, with `/`.
    path: String,
    text: String,
}

impl Source {
    /// Numbered lines that are no comment.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line)).filter(|(_, line)| {
            let line = line.trim_start();
            !line.starts_with("//")
        })
    }
    fn is_below(&self, places: &[&str]) -> bool {
        places.iter().any(|place| self.path.starts_with(place))
    }
    fn is_test(&self) -> bool {
        self.path.contains("/tests/") || self.path.ends_with("/tests.rs")
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("testnet lies in the workspace").to_path_buf()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("cannot read {path}: {error}"))
}

fn manifest(path: &str) -> Table {
    toml::from_str(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn collect(folder: &Path, sources: &mut Vec<Source>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("cannot read {}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a folder's entry").path()).collect();
    paths.sort();
    for path in paths {
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if path.is_dir() && !hidden && !path.ends_with("target") {
            collect(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let relative = path.strip_prefix(root()).expect("below the root");
            sources.push(Source { path: relative.to_string_lossy().replace('\\', "/"), text });
        }
    }
}

/// Every source file of every member. Generated code lies in the target folder and is not among them.
fn sources() -> Vec<Source> {
    let mut sources = Vec::new();
    for (member, _) in ARROWS {
        collect(&root().join(member), &mut sources);
    }
    assert!(sources.len() > 100, "only {} files found", sources.len());
    sources
}

/// Every source file but this one, which names all that it forbids.
fn searched() -> Vec<Source> {
    sources().into_iter().filter(|source| source.path != "testnet/tests/tidy.rs").collect()
}

#[track_caller]
fn report(rule: &str, findings: &[String]) {
    assert!(findings.is_empty(), "{rule}:\n  {}", findings.join("\n  "));
}

/// Lines outside `allowed` that hold one of the words.
#[track_caller]
fn only_in(rule: &str, words: &[&str], allowed: impl Fn(&Source) -> bool) {
    let mut findings = Vec::new();
    for source in searched().iter().filter(|source| !allowed(source)) {
        let lines = source.code().filter(|(_, line)| words.iter().any(|word| line.contains(word)));
        findings.extend(lines.map(|(number, line)| format!("{}:{number}: {}", source.path, line.trim())));
    }
    report(rule, &findings);
}

/// Names of a manifest's dependencies of one kind.
fn dependencies(manifest: &Table, kind: &str) -> BTreeSet<String> {
    manifest
        .get(kind)
        .and_then(|table| table.as_table())
        .map(|table| table.keys().cloned().collect())
        .unwrap_or_default()
}

#[test]
fn arrows_between_crates() {
    let workspace = manifest("Cargo.toml");
    let members = workspace["workspace"]["members"].as_array().expect("a list of members");
    let members: BTreeSet<&str> = members.iter().filter_map(|member| member.as_str()).collect();
    assert_eq!(members, ARROWS.iter().map(|(member, _)| *member).collect(), "members of the workspace");
    for (member, expected) in ARROWS {
        let manifest = manifest(&format!("{member}/Cargo.toml"));
        assert!(manifest.get("target").is_none(), "{member}: dependencies of one platform would escape this test");
        let kinds = ["dependencies", "dev-dependencies", "build-dependencies"];
        let own = kinds.iter().flat_map(|kind| dependencies(&manifest, kind));
        let own: BTreeSet<String> =
            own.filter_map(|name| name.strip_prefix("laufzettel-").map(str::to_owned)).collect();
        assert_eq!(own, expected.iter().map(|name| (*name).to_owned()).collect(), "what {member} knows");
    }
}

/// chain takes the messages, not the services; and RocksDB is the node's choice, not everyone's.
#[test]
fn chain_gets_messages_only() {
    let workspace = manifest("Cargo.toml");
    for name in ["laufzettel-proto", "laufzettel-chain"] {
        let dependency = &workspace["workspace"]["dependencies"][name];
        let defaults = dependency.get("default-features").and_then(|value| value.as_bool());
        assert_eq!(defaults, Some(false), "{name} among the workspace's dependencies");
    }
    let proto = manifest("chain/Cargo.toml")["dependencies"]["laufzettel-proto"].clone();
    assert!(proto.get("features").is_none(), "chain asks proto for features: {proto}");
}

#[test]
fn pure_crates_use_what_is_listed() {
    let lists: [(&str, &[&str]); 2] = [("contracts", &CONTRACTS_MAY_USE), ("chain", &CHAIN_MAY_USE)];
    for (member, list) in lists {
        let manifest = manifest(&format!("{member}/Cargo.toml"));
        let listed: BTreeSet<String> = list.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(
            dependencies(&manifest, "dependencies"),
            listed,
            "dependencies of {member}; a new one needs a reason"
        );
        assert!(dependencies(&manifest, "build-dependencies").is_empty(), "{member} is built without a script");
        assert!(!root().join(member).join("build.rs").exists(), "{member} is built without a script");
    }
}

#[test]
fn every_file_says_what_it_is_for() {
    let silent = sources().into_iter().filter(|source| !source.text.starts_with("//!")).map(|source| source.path);
    report("a file begins with `//!`: what it is for, what it must never do", &silent.collect::<Vec<_>>());
}

#[test]
fn nothing_is_left_for_later() {
    let mut findings = Vec::new();
    for source in sources() {
        for (index, line) in source.text.lines().enumerate() {
            if LEFTOVERS.iter().any(|word| line.contains(word)) {
                findings.push(format!("{}:{}: {}", source.path, index + 1, line.trim()));
            }
        }
    }
    report("what is left for later is an issue, not a comment", &findings);
}

#[test]
fn files_are_small() {
    let mut findings = Vec::new();
    for source in sources() {
        let lines = source.text.lines().count();
        let max = if source.is_test() { TEST_LINES_MAX } else { LINES_MAX };
        if lines > max {
            findings.push(format!("{}: {lines} lines, at most {max}; split it by noun", source.path));
        }
    }
    report("size", &findings);
}

#[test]
fn names_say_something() {
    let empty = |path: &str| {
        let mut names = path.split('/').map(|name| name.trim_end_matches(".rs"));
        names.any(|name| EMPTY_NAMES.contains(&name))
    };
    let found: Vec<String> = sources().into_iter().map(|source| source.path).filter(|path| empty(path)).collect();
    report("name a file after what is in it", &found);
}

#[test]
fn libraries_stay_behind_their_doors() {
    let malachite = ["malachite_consensus", "malachite_signing", "malachite_types", "malachite_metrics"];
    let core = ["core.rs", "core/answers.rs", "context.rs", "signing.rs", "convert.rs"];
    only_in("Malachite's types stop at node/src/consensus/{core, context, signing, convert}", &malachite, |source| {
        let file = source.path.strip_prefix("node/src/consensus/");
        file.is_some_and(|file| core.contains(&file))
    });
    only_in("RocksDB stops at chain/src/storage/rocks.rs", &["rocksdb::"], |source| {
        source.path == "chain/src/storage/rocks.rs"
    });
    let parallel = [
        "execute/fetch.rs",
        "execute/closed.rs",
        "ledger.rs",
        "ledger/commit.rs",
        "tree/update.rs",
        "snapshot/import/cases.rs",
    ];
    only_in("work is spread over cores in chain's execution, tree and import", &["rayon"], |source| {
        source.path.strip_prefix("chain/src/").is_some_and(|file| parallel.contains(&file))
    });
    only_in("libp2p stops at node/src/network", &["libp2p"], |source| source.is_below(&["node/src/network"]));
    let services = ["_server::", "tonic::async_trait"];
    only_in("generated services stop at node/src/api", &services, |source| source.is_below(&["node/src/api"]));
    let generated = ["laufzettel_proto", "v1::", "tonic::"];
    only_in("consensus, mempool, network and ledger threads know no message of the API", &generated, |source| {
        !source.is_below(&[
            "contracts/",
            "node/src/consensus",
            "node/src/mempool",
            "node/src/network",
            "node/src/runtime",
            "node/src/worker",
            "node/src/node.rs",
        ])
    });
}

/// Rows derive bincode's traits where they are declared; only rows.rs encodes or decodes with them.
#[test]
fn bincode_stays_behind_rows() {
    let derive_only = [
        "chain/src/ledger/prune.rs",
        "chain/src/ledger/stored.rs",
        "chain/src/state/row.rs",
        "chain/src/state/submissions.rs",
    ];
    let mut findings = Vec::new();
    for source in searched().iter().filter(|source| source.path != "chain/src/rows.rs") {
        let derives = derive_only.contains(&source.path.as_str());
        let lines = source.code().filter(|(_, line)| line.contains("bincode"));
        let lines = lines.filter(|(_, line)| !(derives && *line == "use bincode::{Decode, Encode};"));
        findings.extend(lines.map(|(number, line)| format!("{}:{number}: {}", source.path, line.trim())));
    }
    report("bincode stops at chain/src/rows.rs and the derives of rows", &findings);
}

#[test]
fn what_must_repeat_has_no_clock_and_no_chance() {
    let clocks = ["SystemTime", "Instant::now", "Timestamp::now", "Zoned::now"];
    only_in("no clock", &clocks, |source| !source.is_below(&REPEATABLE));
    let chance = ["HashMap", "HashSet", "getrandom::", "rand::rng", "thread_rng", "OsRng"];
    only_in("no order by hash, no randomness", &chance, |source| !source.is_below(&REPEATABLE));
    only_in("the wall clock is read in node/src/clock.rs", &["SystemTime"], |source| {
        source.path == "node/src/clock.rs"
    });
}

#[test]
fn what_is_pure_does_no_input_and_output() {
    let outside =
        ["std::fs", "std::net", "std::env", "std::thread", "std::process", "std::io", "tokio", "tracing::", "println!"];
    only_in("no file, socket, thread or log", &outside, |source| !source.is_below(&PURE));
}

/// A log at INFO or above goes to operators, who need not know which cases there are.
#[test]
fn logs_name_no_case() {
    let mut findings = Vec::new();
    for source in searched() {
        for level in ["tracing::info!(", "tracing::warn!(", "tracing::error!("] {
            for (at, _) in source.text.match_indices(level) {
                let call = source.text.get(at..).unwrap_or_default();
                let call = call.split_once(");").map_or(call, |(call, _)| call);
                if call.contains("case") {
                    findings.push(format!("{}: {}", source.path, call.lines().collect::<String>()));
                }
            }
        }
    }
    report("no case in a log at INFO or above", &findings);
}

/// The variants of the command enum that a text declares, as clap writes them.
fn commands(text: &str) -> Vec<String> {
    let Some((_, rest)) = text.split_once("Subcommand)]\n") else { return Vec::new() };
    let body = rest.split_once("\n}\n").map_or(rest, |(body, _)| body);
    let variants = body.lines().filter_map(|line| line.strip_prefix("    "));
    let names = variants.filter(|line| line.starts_with(|first: char| first.is_ascii_uppercase()));
    let word = |line: &str| line.chars().take_while(char::is_ascii_alphanumeric).collect::<String>();
    names.map(|line| kebab(&word(line))).collect()
}

fn kebab(name: &str) -> String {
    let mut words = String::new();
    for sign in name.chars() {
        if sign.is_ascii_uppercase() && !words.is_empty() {
            words.push('-');
        }
        words.push(sign.to_ascii_lowercase());
    }
    words
}

#[test]
fn the_manual_names_every_command() {
    let mut all = Vec::new();
    for command in commands(&read("node/src/cli.rs")) {
        let file = format!("node/src/cli/{command}.rs");
        let below = if root().join(&file).exists() { commands(&read(&file)) } else { Vec::new() };
        all.extend(below.iter().map(|below| format!("laufzettel {command} {below}")));
        all.push(format!("laufzettel {command}"));
    }
    all.extend(commands(&read("testnet/src/cli.rs")).iter().map(|command| format!("testnet {command}")));
    assert!(all.iter().any(|command| command == "laufzettel case show") && all.len() > 20, "found only {all:?}");
    let manual = read("docs/CLI.md");
    let missing: Vec<String> = all.into_iter().filter(|command| !manual.contains(command.as_str())).collect();
    report("docs/CLI.md does not name", &missing);
}
