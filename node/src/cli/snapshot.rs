//! `laufzettel snapshot`: the snapshots of a running node, asked over the
//! socket in its data folder.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use laufzettel_proto::v1;
use serde_json::{Value, json};

use super::fault::Fault;
use super::output::Output;
use super::words::{hex, instant_text};
use crate::client;
use crate::config::Config;

/// A snapshot of a large ledger takes long.
const CREATE_TIME: Duration = Duration::from_secs(6 * 3_600);
const LIST_TIME: Duration = Duration::from_secs(60);

/// Which node.
#[derive(Debug, Args)]
pub(super) struct Of {
    /// The node's configuration [default: HOME/config.toml].
    #[arg(long)]
    config: Option<PathBuf>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum Snapshot {
    /// Make a snapshot of the newest block now, and wait until it is complete.
    Create(Of),
    /// The snapshots that the node keeps and serves.
    List(Of),
}

impl Snapshot {
    pub(super) async fn run(&self, home: &Path, output: &Output) -> Result<(), Fault> {
        let (Self::Create(of) | Self::List(of)) = self;
        let path = of.config.clone().unwrap_or_else(|| home.join("config.toml"));
        let data = Config::load(&path).map_err(Fault::failed)?.node.data;
        let timeout = if matches!(self, Self::Create(_)) { CREATE_TIME } else { LIST_TIME };
        let mut node = client::local(&data, timeout).await.map_err(Fault::unreachable)?;
        match self {
            Self::Create(_) => {
                output.note("making a snapshot of the newest block ...");
                let answer = node.create_snapshot(v1::CreateSnapshotRequest {}).await;
                let made = answer.map_err(|status| Fault::refused(&status))?.into_inner().snapshot.unwrap_or_default();
                output.record(&words(&made), &value(&made));
            }
            Self::List(_) => {
                let answer = node.list_snapshots(v1::ListSnapshotsRequest {}).await;
                let listed = answer.map_err(|status| Fault::refused(&status))?.into_inner().snapshots;
                let rows = listed.iter().map(|one| words(one).into_iter().map(|(_, text)| text).collect());
                let values: Vec<Value> = listed.iter().map(value).collect();
                output.list(&["height", "block time", "chunks", "bytes", "block"], rows.collect(), &json!(values));
            }
        }
        Ok(())
    }
}

fn words(snapshot: &v1::Snapshot) -> Vec<(&'static str, String)> {
    vec![
        ("height", snapshot.height.to_string()),
        ("block time", instant_text(snapshot.block_time_ms)),
        ("chunks", snapshot.chunks.to_string()),
        ("bytes", snapshot.bytes.to_string()),
        ("block", hex(&snapshot.block_id)),
    ]
}

fn value(snapshot: &v1::Snapshot) -> Value {
    json!({ "height": snapshot.height, "block_time_ms": snapshot.block_time_ms, "chunks": snapshot.chunks,
            "bytes": snapshot.bytes, "block_id": hex(&snapshot.block_id) })
}
