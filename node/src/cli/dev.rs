//! `laufzettel dev`: four authorities on this machine until Ctrl-C.

use std::path::PathBuf;

use clap::Args;

use super::fault::Fault;
use super::output::Output;

/// Arguments of `dev`.
#[derive(Debug, Args)]
pub(super) struct Dev {
    /// Folder of the network; made at the first start, used again later.
    #[arg(long, default_value = "laufzettel-dev")]
    folder: PathBuf,
}

impl Dev {
    pub(super) async fn run(&self, output: &Output) -> Result<(), Fault> {
        let program = std::env::current_exe();
        let program = program.map_err(|error| Fault::failed(format!("cannot find this program's file: {error}")))?;
        let stop = async {
            let _ = tokio::signal::ctrl_c().await;
        };
        crate::dev::run(&self.folder, &program, stop, &mut |text| output.say(text)).await.map_err(Fault::failed)
    }
}
