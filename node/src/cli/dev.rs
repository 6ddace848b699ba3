//! `laufzettel dev`: a network of four authorities on this machine.

use std::path::PathBuf;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use super::fault::Fault;
use super::output::Output;
use crate::dev;

/// Arguments of `dev`.
#[derive(Debug, Args)]
pub(super) struct Dev {
    /// Folder of the network's files; made at the first start [default: ~/.local/share/laufzettel-dev].
    #[arg(long)]
    folder: Option<PathBuf>,
}

impl Dev {
    pub(super) async fn run(&self, output: &Output) -> Result<(), Fault> {
        let folder = match (&self.folder, std::env::home_dir()) {
            (Some(folder), _) => folder.clone(),
            (None, Some(home)) => home.join(".local/share/laufzettel-dev"),
            (None, None) => return Err(Fault::usage("this user has no home folder; name one with --folder")),
        };
        let program = std::env::current_exe().map_err(|error| Fault::failed(format!("cannot find myself: {error}")))?;
        let mut terminate = signal(SignalKind::terminate())
            .map_err(|error| Fault::failed(format!("cannot listen for signals: {error}")))?;
        // However it is told to end, it must not leave four nodes behind.
        let stop = async {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
        };
        dev::run(&folder, &program, stop, &mut |line| output.note(line)).await.map_err(Fault::failed)
    }
}
