//! The node under a supervisor: what it tells systemd, and when. The socket is
//! the test's own; what systemd makes of it is systemd's.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use laufzettel_contracts::ASYL_DE;
use laufzettel_node::localnet::{FOUR_AUTHORITIES, LocalNet};
use rustix::process::{Pid, Signal, kill_process};

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The next message, as its lines.
fn told(socket: &UnixDatagram) -> Vec<String> {
    let mut bytes = [0; 4_096];
    let length = socket.recv(&mut bytes).unwrap();
    String::from_utf8_lossy(bytes.get(..length).unwrap()).lines().map(str::to_owned).collect()
}

fn until(socket: &UnixDatagram, wanted: &str) -> Vec<Vec<String>> {
    let mut before = Vec::new();
    loop {
        let message = told(socket);
        if message.iter().any(|line| line == wanted) {
            return before;
        }
        assert!(before.len() < 1_000, "no {wanted} in {before:?}");
        before.push(message);
    }
}

#[test]
fn a_supervisor_hears_of_readiness_progress_and_stopping() {
    let folder = tempfile::tempdir().unwrap();
    let members = FOUR_AUTHORITIES.iter().take(1).map(|template| template.member()).collect();
    let net = LocalNet::make(&folder.path().join("net"), "test", members, vec![ASYL_DE.to_owned()]).unwrap();
    let node = net.nodes.first().unwrap();
    let path = folder.path().join("notify.sock");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(90))).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_laufzettel"));
    command.arg("start").arg("--config").arg(net.node_folder(node).join("config.toml"));
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "1200000").env_remove("WATCHDOG_PID");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = Killed(command.spawn().unwrap());

    // Whoever starts after the node may count on it: it is ready when it serves, not before.
    until(&socket, "READY=1");
    assert!(net.endpoints_file(node).exists(), "ready before it serves");
    until(&socket, "WATCHDOG=1");
    until(&socket, "WATCHDOG=1");

    let pid = Pid::from_raw(i32::try_from(child.0.id()).unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    until(&socket, "STOPPING=1");
    assert!(child.0.wait().unwrap().success());
}
