//! `laufzettel dev`: four authorities as four processes on this machine, kept
//! running until Ctrl-C. Files are made once and used again at the next start.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use laufzettel_contracts::ASYL_DE_2;
use rustix::process::{Pid, Signal, kill_process};
use thiserror::Error;

use crate::endpoints::Endpoints;
use crate::genesis;
use crate::localnet::{FOUR_AUTHORITIES, LocalNet, LocalNetError, Template};

const POLL: Duration = Duration::from_millis(100);
const STOP_DEADLINE: Duration = Duration::from_secs(20);
/// A node that ends this often is not started again.
const RESTARTS_MAX: u32 = 5;

/// Why the network does not run.
#[derive(Debug, Error)]
pub enum DevError {
    /// The files.
    #[error(transparent)]
    Net(#[from] LocalNetError),
    /// A node does not stay up.
    #[error("node {node} ends at once, again and again; its log is {log}")]
    Ends {
        /// The node.
        node: String,
        /// Its log.
        log: PathBuf,
    },
    /// The system.
    #[error("cannot supervise the nodes: {0}")]
    System(#[from] std::io::Error),
}

struct Supervised {
    child: Child,
    restarts: u32,
    told: bool,
}

/// Starts the network and supervises it until `stop` is done; `tell` gets
/// lines for the person at the terminal.
///
/// # Errors
/// The files cannot be made or a node does not stay up.
pub async fn run(
    folder: &Path,
    program: &Path,
    stop: impl Future<Output = ()>,
    tell: &mut dyn FnMut(&str),
) -> Result<(), DevError> {
    let net = open_or_make(folder, tell)?;
    let mut nodes = BTreeMap::new();
    for node in &net.nodes {
        let child = net.start(node, program)?;
        nodes.insert(node.clone(), Supervised { child, restarts: 0, told: false });
    }
    let mut stop = std::pin::pin!(stop);
    let mut hinted = false;
    let result = loop {
        tokio::select! {
            () = &mut stop => break Ok(()),
            () = tokio::time::sleep(POLL) => {}
        }
        if let Err(error) = supervise(&net, program, &mut nodes, tell) {
            break Err(error);
        }
        if !hinted && nodes.values().all(|node| node.told) {
            hinted = true;
            hint(&net, program, tell);
        }
    };
    tell("Stopping ...");
    stop_all(nodes)?;
    tell("All nodes have ended. The files stay; the next `dev` goes on where this one ended.");
    result
}

fn open_or_make(folder: &Path, tell: &mut dyn FnMut(&str)) -> Result<LocalNet, LocalNetError> {
    let members = FOUR_AUTHORITIES.iter().map(Template::member).collect::<Vec<_>>();
    if folder.join("genesis.toml").exists() {
        tell(&format!("Using the network in {}.", folder.display()));
        let nodes = members.iter().map(|member| member.id.clone()).collect();
        return Ok(LocalNet { folder: folder.to_path_buf(), nodes, members });
    }
    tell(&format!("Making keys, certificates, genesis and configurations in {} ...", folder.display()));
    LocalNet::make(folder, "dev", members, vec![ASYL_DE_2.to_owned()])
}

fn supervise(
    net: &LocalNet,
    program: &Path,
    nodes: &mut BTreeMap<String, Supervised>,
    tell: &mut dyn FnMut(&str),
) -> Result<(), DevError> {
    for (node, supervised) in nodes {
        if let Some(status) = supervised.child.try_wait()? {
            supervised.restarts += 1;
            let log = net.node_folder(node).join("node.log");
            if supervised.restarts > RESTARTS_MAX {
                return Err(DevError::Ends { node: node.clone(), log });
            }
            tell(&format!("{node} ended with {status}; starting it again (log: {})", log.display()));
            supervised.child = net.start(node, program)?;
            supervised.told = false;
        }
        if !supervised.told
            && let Ok(endpoints) = Endpoints::read(&net.node_folder(node).join("data"))
            && endpoints.pid == supervised.child.id()
        {
            supervised.told = true;
            tell(&format!("  {node:<11} API {:<21} peers {}  pid {}", endpoints.api, endpoints.peer, endpoints.pid));
        }
    }
    Ok(())
}

fn hint(net: &LocalNet, program: &Path, tell: &mut dyn FnMut(&str)) {
    let program = program.display();
    let connection = format!("--profile {}", net.profile("sn-lds").display());
    tell("\nWhat to try, in another terminal:");
    tell(&format!("  {program} status {connection}"));
    tell(&format!("  {program} submit --status application_made --open {} {connection}", process_of(net)));
    tell(&format!("  {program} case list {connection}"));
    tell(&format!("  {program} watch {connection}"));
    tell("\nkill -9 any of the processes above: it is started again and goes on. Ctrl-C stops all.");
}

/// The newest process of the network, which an earlier version may have made with an earlier one.
fn process_of(net: &LocalNet) -> String {
    let made = genesis::load(&net.folder.join("genesis.toml")).ok();
    let newest = made.and_then(|made| made.registry.newest("asyl-de").map(|found| found.version()));
    format!("asyl-de@{}", newest.unwrap_or(2))
}

fn stop_all(nodes: BTreeMap<String, Supervised>) -> Result<(), DevError> {
    for supervised in nodes.values() {
        if let Some(pid) = i32::try_from(supervised.child.id()).ok().and_then(Pid::from_raw) {
            // One that ended by itself in the meantime is as good as stopped.
            let _ = kill_process(pid, Signal::TERM);
        }
    }
    let until = Instant::now() + STOP_DEADLINE;
    for mut supervised in nodes.into_values() {
        while supervised.child.try_wait()?.is_none() {
            if Instant::now() > until {
                supervised.child.kill()?;
            }
            std::thread::sleep(POLL);
        }
    }
    Ok(())
}
