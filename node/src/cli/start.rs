//! `laufzettel start`: runs the node in the foreground until it is told to
//! stop by SIGTERM or SIGINT. Logs go to standard error.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use super::fault::Fault;
use crate::config::{LogFormat, LogSection};
use crate::service;
use crate::setup::Setup;

/// Arguments of `start`.
#[derive(Debug, Args)]
pub(super) struct Start {
    /// The configuration [default: HOME/config.toml].
    #[arg(long)]
    config: Option<PathBuf>,
}

impl Start {
    pub(super) fn run(&self, home: &Path) -> Result<(), Fault> {
        let path = self.config.clone().unwrap_or_else(|| home.join("config.toml"));
        // What a start finds wrong in its own files, no other start mends: its exit code tells a supervisor so.
        let setup = Setup::load(&path).map_err(Fault::usage)?;
        log(&setup.config.log)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Fault::failed(format!("cannot start the runtime: {error}")))?;
        runtime.block_on(async {
            let stop = CancellationToken::new();
            tokio::spawn(on_signal(stop.clone()));
            service::run(&setup, stop).await.map_err(Fault::failed)
        })
    }
}

fn log(section: &LogSection) -> Result<(), Fault> {
    let filter = EnvFilter::try_new(&section.filter)
        .map_err(|error| Fault::usage(format!("log.filter {:?} is not understood: {error}", section.filter)))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let builder = builder.with_ansi(std::io::stderr().is_terminal());
    let set = match section.format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    set.map_err(|error| Fault::failed(format!("cannot set up the log: {error}")))
}

/// The first signal stops in order, the second at once: that too is safe.
async fn on_signal(stop: CancellationToken) {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::error!("cannot listen for signals; stop the node with SIGKILL, which is safe");
        return;
    };
    loop {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        if stop.is_cancelled() {
            std::process::exit(1);
        }
        tracing::info!("told to stop");
        stop.cancel();
    }
}
