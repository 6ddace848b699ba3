//! Every bad start of the real program: it ends with its documented exit code
//! and one message that names the file, field or port, and the fix.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use laufzettel_chain::storage::rocks::RocksStore;
use laufzettel_chain::storage::{Batch, Durability, Family, Store as _};
use laufzettel_node::keys;
use laufzettel_node::localnet::LocalNet;

use crate::cluster::program;
use crate::demo;
use crate::e2e::turn;

const NODE: &str = "de-bamf";
/// A start that neither fails nor is wanted ends here.
const PATIENCE: Duration = Duration::from_secs(60);

/// Starts the node and waits for its end; exit code and the last line that is no log entry.
fn start(home: &Path) -> (Option<i32>, String) {
    let mut command = Command::new(program().unwrap());
    command.arg("start").arg("--config").arg(home.join("config.toml"));
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let pid = child.id();
    let watch = std::thread::spawn(move || child.wait_with_output().unwrap());
    let until = Instant::now() + PATIENCE;
    while !watch.is_finished() {
        if Instant::now() > until {
            let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw).unwrap();
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let output = watch.join().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let error = text.split_once("error: ").map_or(text.as_str(), |(_, error)| error);
    (output.status.code(), error.trim().to_owned())
}

type Spoil = Box<dyn Fn(&Path)>;

/// A change to a file of the home, as text.
fn edit(file: &'static str, from: &'static str, to: &'static str) -> Spoil {
    Box::new(move |home| {
        let path = home.join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} has no {from:?}");
        fs::write(&path, text.replacen(from, to, 1)).unwrap();
    })
}

fn write(file: &'static str, bytes: &'static [u8]) -> Spoil {
    Box::new(move |home| {
        // A key file keeps its mode.
        fs::write(home.join(file), bytes).unwrap();
    })
}

fn remove(file: &'static str) -> Spoil {
    Box::new(move |home| fs::remove_file(home.join(file)).unwrap())
}

fn mode(file: &'static str, mode: u32) -> Spoil {
    Box::new(move |home| fs::set_permissions(home.join(file), fs::Permissions::from_mode(mode)).unwrap())
}

/// Copies over a file from beside it or from another node.
fn replace(file: &'static str, other: &'static str) -> Spoil {
    Box::new(move |home| {
        fs::copy(home.join(other), home.join(file)).unwrap();
    })
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// What a start fails at, and what its message must name: what, where, and what to do.
type Case = (&'static str, Spoil, &'static [&'static str]);

fn configurations() -> Vec<Case> {
    vec![
        ("no configuration", remove("config.toml"), &["config.toml", "No such file", "laufzettel init"]),
        ("a configuration of noise", write("config.toml", b"\x00\xff\x00"), &["config.toml", "byte 1 is no UTF-8"]),
        ("half a configuration", write("config.toml", b"[node\nauth"), &["config.toml", "line 1", "column"]),
        ("an unknown field", edit("config.toml", "data =", "dota ="), &["config.toml", "dota", "line", "expected"]),
        ("a missing field", edit("config.toml", "data = \"data\"\n", ""), &["config.toml", "missing field `data`"]),
        (
            "a wrong type",
            edit("config.toml", "reflection = true", "reflection = 1"),
            &["reflection", "line", "boolean"],
        ),
        ("an id of capitals", edit("config.toml", "= \"de-bamf\"", "= \"BAMF\""), &["node.authority", "[a-z0-9-]"]),
        (
            "a stranger",
            edit("config.toml", "= \"de-bamf\"", "= \"at-bfa\""),
            &["node.authority", "at-bfa", "genesis.toml", "card"],
        ),
        ("a peer twice", edit("config.toml", "\"sn-lds\"", "\"sn-dresden\""), &["peer sn-dresden", "remove one"]),
        (
            "an unknown peer",
            edit("config.toml", "\"sn-lds\"", "\"at-bfa\""),
            &["at-bfa", "no node key", "set node_key"],
        ),
        (
            "a peer's bad key",
            edit("config.toml", "authority = \"sn-lds\"", "authority = \"sn-lds\"\nnode_key = \"12\""),
            &["sn-lds", "node_key", "64 hexadecimal"],
        ),
        (
            "a log filter of noise",
            edit("config.toml", "[[peer]]", "[log]\nfilter = \"a=b=c\"\n\n[[peer]]"),
            &["log.filter", "a=b=c"],
        ),
    ]
}

fn key_files() -> Vec<Case> {
    vec![
        ("no node key", remove("keys/node.pem"), &["keys/node.pem", "laufzettel keys generate"]),
        ("no consensus key", remove("keys/consensus.pem"), &["keys/consensus.pem", "laufzettel keys generate"]),
        ("a key others read", mode("keys/service.pem", 0o644), &["keys/service.pem", "mode 644", "chmod 600"]),
        ("a key of noise", write("keys/node.pem", b"no key"), &["keys/node.pem", "BEGIN PRIVATE KEY"]),
        (
            "a key of another purpose",
            replace("keys/node.pem", "keys/service.pem"),
            &["keys.node", "does not register", "de-bamf"],
        ),
        (
            "another authority's key",
            replace("keys/consensus.pem", "../../nodes/sn-lds/keys/consensus.pem"),
            &["keys.consensus", "does not register", "de-bamf"],
        ),
    ]
}

/// What network and API meet when they start.
fn network_and_api() -> Vec<Case> {
    vec![
        ("a bad address", edit("config.toml", "listen = \"127", "listen = \"999"), &["999.0.0.1", "network.listen"]),
        (
            "no server certificate",
            remove("tls/server.pem"),
            &["api.certificate", "tls/server.pem", "laufzettel certif"],
        ),
        ("a certificate of noise", write("tls/server.pem", b"x"), &["api.certificate", "BEGIN CERTIFICATE"]),
        (
            "a server key others read",
            mode("tls/server-key.pem", 0o640),
            &["tls/server-key.pem", "mode 640", "chmod 600"],
        ),
        ("a server key of noise", write("tls/server-key.pem", b"x"), &["api.private_key", "BEGIN PRIVATE KEY"]),
        (
            "a server key of another certificate",
            replace("tls/server-key.pem", "../../nodes/sn-lds/tls/server-key.pem"),
            &["api.private_key", "does not fit", "tls/server.pem"],
        ),
        ("no root", edit("config.toml", "../../ca.pem", "../ca.pem"), &["api.client_ca", "ca.pem", "No such file"]),
        ("a root of noise", replace("../../ca.pem", "config.toml"), &["api.client_ca", "BEGIN CERTIFICATE"]),
    ]
}

fn genesis_files() -> Vec<Case> {
    let genesis = "../../genesis.toml";
    vec![
        (
            "no genesis file",
            edit("config.toml", genesis, "genesis.toml"),
            &["node.genesis", "genesis.toml", "No such file", "put the"],
        ),
        ("a genesis file of noise", write(genesis, b"\xff"), &["genesis.toml"]),
        ("a genesis file of another time", edit(genesis, "time_ms = 1", "time_ms = 2"), &["network", "genesis"]),
    ]
}

fn data_folders() -> Vec<Case> {
    let row = |key: &'static [u8], value: &'static [u8]| -> Spoil {
        Box::new(move |home: &Path| {
            let store = RocksStore::open(&home.join("data/db")).unwrap();
            let mut batch = Batch::default();
            batch.put(Family::Meta, key.to_vec(), value.to_vec());
            store.write(&batch, Durability::Synced).unwrap();
        })
    };
    let damage = |name: &'static str| -> Spoil {
        Box::new(move |home: &Path| {
            let files = fs::read_dir(home.join("data/db")).unwrap().map(|entry| entry.unwrap().path());
            let found: Vec<_> =
                files.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with(name)).collect();
            assert!(!found.is_empty(), "no {name} in the database");
            for path in found {
                let length = fs::metadata(&path).unwrap().len();
                fs::write(&path, vec![0x5a; usize::try_from(length).unwrap()]).unwrap();
            }
        })
    };
    vec![
        ("a newer store", row(b"format", &[1, 0, 0, 0, 99]), &["data/db", "format 99", "install the program"]),
        ("another network's store", row(b"network", &[9; 32]), &["data/db", "network", "genesis file"]),
        ("a store without its tip", row(b"tip", &[1, 2]), &["data/db", "meta", "damaged", "move the folder away"]),
        ("a damaged manifest", damage("MANIFEST"), &["data/db", "cannot be used", "move the folder away"]),
        ("a damaged list of files", damage("CURRENT"), &["data/db", "cannot be used", "move the folder away"]),
        (
            "a file for a folder",
            Box::new(|home| {
                fs::rename(home.join("data"), home.join("data.old")).unwrap();
                fs::write(home.join("data"), b"").unwrap();
            }),
            &["data folder", "data"],
        ),
        (
            "a folder for the watermark",
            Box::new(|home| {
                fs::remove_file(home.join("data/watermark")).unwrap();
                fs::create_dir(home.join("data/watermark")).unwrap();
            }),
            &["open watermark file", "data/watermark"],
        ),
    ]
}

/// Starts each case on a network's files of its own, made from good ones.
fn all_fail(good: &Path, exit: i32, cases: Vec<Case>) {
    for (name, spoil, says) in cases {
        let folder = tempfile::tempdir().unwrap();
        copy(good, folder.path());
        let home = folder.path().join("nodes").join(NODE);
        spoil(&home);
        let (code, text) = start(&home);
        assert_eq!(code, Some(exit), "{name}: {text}");
        for part in says {
            assert!(text.contains(part), "{name}: does not say {part:?}:\n{text}");
        }
        assert!(!text.contains("panicked"), "{name}: {text}");
        assert!(!home.join("data/endpoints.json").exists(), "{name}: says that it listens");
        println!("{name}:\n  {}", text.replace('\n', "\n  "));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_starts_say_what_where_and_what_to_do() {
    let _turn = turn().await;
    let folder = tempfile::tempdir().unwrap();
    // A network that has run, so that there are blocks, a database and a watermark.
    let mut cluster = demo::cluster(folder.path()).unwrap();
    cluster.start().await.unwrap();
    let author = cluster.author(NODE).unwrap();
    let mut client = cluster.connect(NODE, NODE).await.unwrap();
    let id = laufzettel_chain::ids::TransactionId([1; 16]);
    let signed = crate::refused::good(&author, id, laufzettel_chain::ids::CaseId([1; 16]));
    crate::submit::submit_final(&mut client, &signed).await.unwrap();
    let home = cluster.net.node_folder(NODE);

    let (code, text) = start(&home);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("another process uses the data folder") && text.contains("node.data"), "{text}");
    assert!(home.join("data/endpoints.json").exists(), "the running node's file stays");
    cluster.stop().unwrap();

    let good = cluster.net.folder.clone();
    let starts = move || {
        // What is read before anything runs is wrong usage; what the node itself meets is a failure.
        for cases in [configurations(), key_files(), genesis_files()] {
            all_fail(&good, 2, cases);
        }
        all_fail(&good, 1, network_and_api());
        all_fail(&good, 1, data_folders());
    };
    tokio::task::spawn_blocking(starts).await.unwrap();
    occupied_ports(&home);
    // After all that it starts as ever.
    cluster.start().await.unwrap();
    cluster.stop().unwrap();
}

/// Another process has a port.
fn occupied_ports(home: &Path) {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let config = home.join("config.toml");
    let text = fs::read_to_string(&config).unwrap();
    let peer = text.lines().find(|line| line.starts_with("listen")).unwrap().to_owned();
    for (from, field) in [(peer.as_str(), "network.listen"), ("listen = \"127.0.0.1:0\"", "api.listen")] {
        fs::write(&config, text.replacen(from, &format!("listen = \"127.0.0.1:{port}\""), 1)).unwrap();
        let (code, error) = start(home);
        assert_eq!(code, Some(1), "{error}");
        for part in [field, &port.to_string(), "another process has the port"] {
            assert!(error.contains(part), "does not say {part:?}: {error}");
        }
    }
    fs::write(&config, text).unwrap();
}

/// A key file that was made anew after the network: the message names the public key.
#[test]
fn a_new_key_is_told_from_the_registered_one() {
    let folder = tempfile::tempdir().unwrap();
    let members = laufzettel_node::localnet::FOUR_AUTHORITIES.iter().map(|one| one.member()).collect();
    let net = LocalNet::make(folder.path(), "keys", members, vec![laufzettel_contracts::ASYL_DE.to_owned()]).unwrap();
    let home = net.node_folder(NODE);
    let path = home.join("keys/service.pem");
    fs::remove_file(&path).unwrap();
    let key = keys::generate().unwrap();
    keys::save(&path, &key).unwrap();
    let (code, text) = start(&home);
    let public: String = key.verifying_key().as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains(&public) && text.contains("keys.service") && text.contains("made anew"), "{text}");
}
