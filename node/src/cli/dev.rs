//! `laufzettel dev`: a network of four authorities on this machine.

use std::path::PathBuf;

use clap::Args;

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
        let stop = async {
            let _ = tokio::signal::ctrl_c().await;
        };
        dev::run(&folder, &program, stop, &mut |line| output.note(line)).await.map_err(Fault::failed)
    }
}
