//! A client in another language: the Python package of docs/integrator, its unit tests and its tests against four
//! processes. What it needs is installed below the target folder, pinned by hashes; here its wishes are granted (kill a
//! node, start it again) and its verdict is read. Must know nothing of what the client checks.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use rustix::process::Signal;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::Command;

use super::turn;
use crate::cluster::{Fault, program};
use crate::demo;

/// Made last: a virtual environment without it was not finished.
const FINISHED: &str = "finished";

/// The folder of the Python package.
fn package() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/integrator")
}

/// A Python with what `requirements.txt` pins, and the messages generated from the schema.
pub(super) struct Python {
    program: PathBuf,
    messages: tempfile::TempDir,
}

impl Python {
    pub(super) async fn ready() -> Result<Self, Fault> {
        let program = environment().await?;
        let messages = tempfile::tempdir()?;
        let schema = package().join("../../proto");
        let mut generate = Command::new(&program);
        generate.args(["-m", "grpc_tools.protoc", "--proto_path"]).arg(&schema);
        for kind in ["--python_out", "--grpc_python_out"] {
            generate.arg(format!("{kind}={}", messages.path().display()));
        }
        for entry in std::fs::read_dir(schema.join("laufzettel/v1"))? {
            generate.arg(entry?.path());
        }
        checked(generate, "cannot generate the messages").await?;
        Ok(Self { program, messages })
    }
    /// Runs one of the package's test files.
    fn tests(&self, name: &str) -> Command {
        self.runs(&["unittest", "-v", name])
    }
    /// Checks an answer to a clearance check with the genesis file alone; what it proves.
    pub(super) async fn clears(&self, arguments: [&str; 4]) -> Result<String, Fault> {
        let command = self.runs(&[["tests.check_clearance"].as_slice(), &arguments].concat());
        let output =
            checked(command, "the Python client takes an answer for no proof, or a damaged one for one").await?;
        Ok(String::from_utf8(output.stdout)?)
    }
    /// Runs a module.
    fn runs(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("-m").args(arguments).current_dir(package()).kill_on_drop(true);
        let path = std::env::join_paths([package(), self.messages.path().to_path_buf()]);
        command.env("PYTHONPATH", path.unwrap_or_default()).env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }
}

async fn checked(mut command: Command, what: &str) -> Result<Output, Fault> {
    let output = command.stdin(Stdio::null()).output().await.map_err(|error| format!("{what}: {error}"))?;
    if output.status.success() {
        return Ok(output);
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Err(format!("{what}: {}\n{}\n{}", output.status, text(&output.stdout), text(&output.stderr)).into())
}

/// The virtual environment of these requirements and this Python, made once and kept below the target folder.
async fn environment() -> Result<PathBuf, Fault> {
    let requirements = package().join("requirements.txt");
    let mut version = Command::new("python3");
    version.args([
        "-c",
        "import sys, venv, ensurepip; assert sys.version_info >= (3, 11); print(sys.executable, sys.version)",
    ]);
    let version = checked(version, "Python 3.11 or newer with venv is needed; run .ci/setup").await?.stdout;
    let mut hash = blake3::Hasher::new();
    hash.update(&std::fs::read(&requirements)?).update(&version);
    let name = format!("python-{}", &hash.finalize().to_hex()[..16]);
    // The program lies in TARGET/debug.
    let folder = program()?.ancestors().nth(2).ok_or("no target folder")?.join(name);
    let python = folder.join("bin/python");
    if folder.join(FINISHED).is_file() {
        return Ok(python);
    }
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    eprintln!("Installing what the Python client needs into {} ...", folder.display());
    let mut make = Command::new("python3");
    make.args(["-m", "venv"]).arg(&folder);
    checked(make, "cannot make a virtual environment").await?;
    let mut install = Command::new(&python);
    install
        .args(["-m", "pip", "install", "--quiet", "--require-hashes", "--only-binary", ":all:", "-r"])
        .arg(&requirements);
    checked(install, "cannot install what docs/integrator/requirements.txt pins").await?;
    std::fs::write(folder.join(FINISHED), version)?;
    Ok(python)
}

/// Needs no network: bytes, digests, signatures, refusals and proofs of `docs/vectors.json`.
#[tokio::test(flavor = "multi_thread")]
async fn the_python_client_makes_what_the_vectors_hold() {
    let _turn = turn().await;
    let python = Python::ready().await.unwrap();
    let output = checked(python.tests("tests.test_vectors"), "the unit tests of the Python client fail").await.unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("Ran 1"), "no tests ran: {output:?}");
}

/// Submits, is repeated, refused and killed in the middle; follows over restarts and from node to node; verifies.
#[tokio::test(flavor = "multi_thread")]
async fn the_python_client_keeps_its_promises_on_a_network_that_is_killed() {
    let _turn = turn().await;
    let python = Python::ready().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let network = folder.path().join("network");
    let mut cluster = demo::cluster(&network).unwrap();
    cluster.start().await.unwrap();
    let log = folder.path().join("python.log");
    let mut command = python.tests("tests.test_network");
    command.env("LAUFZETTEL_NETWORK", &network).stdin(Stdio::piped()).stdout(Stdio::piped());
    command.stderr(std::fs::File::create(&log).unwrap());
    let mut child = command.spawn().unwrap();
    let mut answers = child.stdin.take().unwrap();
    let mut wishes = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut granted = 0;
    while let Some(line) = wishes.next_line().await.unwrap() {
        let done = match line.split(' ').collect::<Vec<_>>().as_slice() {
            ["control", "kill", node] => cluster.kill(node),
            ["control", "start", "all"] => cluster.start().await,
            ["control", "pause", node] => cluster.signal(node, Signal::STOP),
            ["control", "resume", node] => cluster.signal(node, Signal::CONT),
            _ => continue,
        };
        let answer = done.map_or_else(|fault| format!("{fault}\n"), |()| "ok\n".to_owned());
        granted += 1;
        answers.write_all(answer.as_bytes()).await.unwrap();
    }
    let ended = child.wait().await.unwrap();
    let log = std::fs::read_to_string(&log).unwrap();
    assert!(ended.success() && granted >= 19, "{granted} wishes granted, Python ended with {ended}:\n{log}");
    cluster.stop().unwrap();
}
