//! `laufzettel process simulate`: what a draft would change in the cases that a running node has, asked over the socket
//! in its data folder. Changes nothing, neither in the node nor on the ledger.

mod shown;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use laufzettel_contracts::{Calendars, Code, Definition, Finding, When};
use laufzettel_proto::v1;

use crate::cli::case::end_of;
use crate::cli::fault::Fault;
use crate::cli::mapping::Mapping;
use crate::cli::output::Output;
use crate::cli::words::when;
use crate::client;
use crate::config::Config;
pub(in crate::cli) use shown::print;

/// A ledger of a million cases takes long.
const TIME: Duration = Duration::from_secs(6 * 3_600);

/// Arguments of `process simulate`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Simulate {
    /// The draft: a definition, or calendars.
    file: PathBuf,
    /// Calendars to try with the definition.
    #[arg(long)]
    calendars: Option<PathBuf>,
    /// Only the cases of this version of the definition.
    #[arg(long, default_value_t = 0)]
    version: u32,
    /// As the cases stood at this height [default: the newest block].
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    height: u64,
    /// As of this day (its end) or instant [default: the block looked at].
    #[arg(long, value_name = "WHEN")]
    as_of: Option<String>,
    /// Also with the draft in force from here on: a day, an instant, a height, or `now` [default with --move-cases: now].
    #[arg(long, value_name = "WHEN|HEIGHT|now")]
    from: Option<String>,
    #[command(flatten)]
    mapping: Mapping,
    /// The node's configuration [default: HOME/config.toml].
    #[arg(long)]
    config: Option<PathBuf>,
}

/// A text, and what the checker says.
fn checked<T>(path: &Path, check: impl Fn(&str) -> Result<T, Vec<Finding>>) -> Result<String, Fault> {
    let name = path.display().to_string();
    let text = fs::read_to_string(path).map_err(|error| Fault::failed(format!("cannot read {name}: {error}")))?;
    match check(&text) {
        Ok(_) => Ok(text),
        Err(findings) => {
            let lines: Vec<String> = findings.iter().map(|found| found.render("error", &name, &text)).collect();
            Err(Fault::failed(format!("{} findings in {name}:\n{}", lines.len(), lines.join("\n"))))
        }
    }
}

/// Whether a text is one of calendars: they begin with a table of their own.
fn is_calendars(path: &Path) -> Result<bool, Fault> {
    let text = fs::read_to_string(path);
    let text = text.map_err(|error| Fault::failed(format!("cannot read {}: {error}", path.display())))?;
    Ok(text.lines().any(|line| line.trim() == "[calendars]"))
}

impl Simulate {
    fn request(&self) -> Result<v1::SimulateProcessRequest, Fault> {
        let (mut definition, mut calendars) = (String::new(), String::new());
        if is_calendars(&self.file)? {
            calendars = checked(&self.file, Calendars::check)?;
        } else {
            definition = checked(&self.file, Definition::check)?;
        }
        if let Some(file) = &self.calendars {
            if !calendars.is_empty() {
                return Err(Fault::usage("the draft is one of calendars itself; give --calendars with a definition"));
            }
            calendars = checked(file, Calendars::check)?;
        }
        let as_of_ms = self.as_of.as_deref().map_or(Ok(0), |text| end_of("--as-of", text))?;
        let request = v1::SimulateProcessRequest {
            definition,
            calendars,
            version: self.version,
            as_of_ms,
            height: self.height,
            move_cases: self.mapping.moves(),
            moves: self.mapping.named()?.iter().map(pair).collect(),
            ..v1::SimulateProcessRequest::default()
        };
        self.from.as_deref().map_or(Ok(request.clone()), |from| in_force_from(request, from))
    }

    pub(super) async fn run(&self, home: &Path, output: &Output) -> Result<(), Fault> {
        let result = ask(&config_of(self.config.as_deref(), home), self.request()?, output).await?;
        print(&result, output);
        Ok(())
    }
}

/// Where the node's configuration is.
pub(in crate::cli) fn config_of(named: Option<&Path>, home: &Path) -> PathBuf {
    named.map_or_else(|| home.join("config.toml"), Path::to_path_buf)
}

/// A pair of a mapping.
pub(in crate::cli) fn pair((from, to): (&Code, &Code)) -> v1::StatusMapping {
    v1::StatusMapping { from: from.to_string(), to: to.to_string() }
}

/// From when on the draft is in force.
fn in_force_from(request: v1::SimulateProcessRequest, from: &str) -> Result<v1::SimulateProcessRequest, Fault> {
    if from == "now" {
        return Ok(v1::SimulateProcessRequest { from_now: true, ..request });
    }
    if let Ok(height) = from.parse::<u64>() {
        if height == 0 {
            return Err(Fault::usage("--from 0: heights begin with 1"));
        }
        return Ok(v1::SimulateProcessRequest { from_height: height, ..request });
    }
    let ms = match when(from)?.at {
        Some(v1::when::At::Day(day)) => When::Day(day).start_ms(),
        Some(v1::when::At::InstantMs(ms)) => i64::try_from(ms).unwrap_or(i64::MAX),
        None => 0,
    };
    let from_ms = u64::try_from(ms).ok().filter(|ms| *ms > 0);
    let from_ms = from_ms.ok_or_else(|| Fault::usage(format!("--from {from:?} lies before all blocks")))?;
    Ok(v1::SimulateProcessRequest { from_ms, ..request })
}

/// Has the node on this machine try a draft; how far it is goes to standard error. It stops when this is given up.
pub(in crate::cli) async fn ask(
    config: &Path,
    request: v1::SimulateProcessRequest,
    output: &Output,
) -> Result<v1::Simulation, Fault> {
    use v1::simulate_process_response::Message;
    let data = Config::load(config).map_err(Fault::failed)?.node.data;
    let mut node = client::local(&data, TIME).await.map_err(Fault::unreachable)?;
    let answer = node.simulate_process(request).await.map_err(|status| Fault::refused(&status))?;
    let mut messages = answer.into_inner();
    loop {
        let message = messages.message().await.map_err(|status| Fault::refused(&status))?;
        match message.and_then(|message| message.message) {
            Some(Message::Progress(progress)) => {
                let (percent, looked_at) = (progress.percent, progress.looked_at);
                output.note(&format!("{percent:>3} %, {looked_at} cases looked at"));
            }
            Some(Message::Result(result)) => return Ok(result),
            None => return Err(Fault::failed("the node ended the simulation without a result; its log says why")),
        }
    }
}
