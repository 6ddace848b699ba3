//! A wall clock for each node that can be turned while the node runs. The product has no switch for it: a small library
//! (`clock.c`) is built with the system's C compiler and preloaded, and adds what a file says.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::stage::Stage;
use crate::cluster::{Cluster, Fault};

const SOURCE: &str = include_str!("clock.c");

/// The clocks of all nodes.
pub(super) struct Clocks {
    folder: PathBuf,
}

impl Clocks {
    /// Builds the library and has every node started with it; why not, if it cannot be built.
    pub(super) fn set_up(cluster: &mut Cluster) -> Result<Self, Fault> {
        let folder = cluster.net.folder.join("clocks");
        fs::create_dir_all(&folder)?;
        let (source, library) = (folder.join("clock.c"), folder.join("clock.so"));
        fs::write(&source, SOURCE)?;
        let built = Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&source).output();
        let built = built.map_err(|error| format!("no C compiler `cc`: {error}"))?;
        if !built.status.success() {
            return Err(format!("cc: {}", String::from_utf8_lossy(&built.stderr)).into());
        }
        let clocks = Self { folder };
        for node in cluster.nodes().to_vec() {
            fs::write(clocks.file(&node), 0i64.to_ne_bytes())?;
            let script = clocks.folder.join(format!("{node}.sh"));
            let (library, file, program) = (quoted(&library), quoted(&clocks.file(&node)), quoted(cluster.program()));
            let text = format!("#!/bin/sh\nexec env LD_PRELOAD={library} TESTNET_CLOCK={file} {program} \"$@\"\n");
            fs::write(&script, text)?;
            fs::set_permissions(&script, fs::Permissions::from_mode(0o700))?;
            cluster.wrap(&node, script);
        }
        Ok(clocks)
    }
    fn file(&self, node: &str) -> PathBuf {
        self.folder.join(format!("{node}.ms"))
    }
    /// Turns a node's clock to this much ahead of the system's.
    fn turn(&self, node: &str, ahead_ms: i64) -> Result<(), Fault> {
        use std::io::Write as _;
        // The node has the file mapped: it must never be shorter, not even for a moment.
        let mut file = fs::OpenOptions::new().write(true).open(self.file(node))?;
        file.write_all(&ahead_ms.to_ne_bytes())?;
        Ok(())
    }
}

/// A path as one word of the shell.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', "'\\''"))
}

impl Stage {
    /// Turns a node's clock while it runs, and back. The others go on.
    pub(super) async fn turn_clock(
        &mut self,
        node: usize,
        ahead_ms: i64,
        restart: bool,
        hold: Duration,
    ) -> Result<(), Fault> {
        let name = self.name(node)?;
        if self.clocks.is_none() {
            self.skip("clock", "clock.c cannot be built here");
            return Ok(());
        }
        self.turn(&name, ahead_ms)?;
        if restart {
            self.kill(&name)?;
            self.launch(&name)?;
        }
        let lasted = self.last(hold, (node + 1) % self.cluster.nodes().len().max(1)).await;
        self.turn(&name, 0)?;
        if restart {
            self.kill(&name)?;
            self.start(&name).await?;
        }
        lasted
    }
    fn turn(&self, name: &str, ahead_ms: i64) -> Result<(), Fault> {
        self.clocks.as_ref().map_or(Ok(()), |clocks| clocks.turn(name, ahead_ms))
    }
}
