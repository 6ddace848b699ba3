//! `laufzettel process simulate`: what a draft would change in the cases that a running node has, asked over the socket
//! in its data folder. Changes nothing, neither in the node nor on the ledger.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use laufzettel_contracts::{Calendars, Definition, Finding};
use laufzettel_proto::v1;
use serde_json::{Value, json};

use crate::cli::case::effects::kind_text;
use crate::cli::case::end_of;
use crate::cli::fault::Fault;
use crate::cli::output::Output;
use crate::cli::words::{case_text, instant_text};
use crate::client;
use crate::config::Config;

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
    /// As of this day (its end) or instant [default: the newest block].
    #[arg(long, value_name = "WHEN")]
    as_of: Option<String>,
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
        Ok(v1::SimulateProcessRequest { definition, calendars, version: self.version, as_of_ms })
    }

    pub(super) async fn run(&self, home: &Path, output: &Output) -> Result<(), Fault> {
        use v1::simulate_process_response::Message;
        let request = self.request()?;
        let path = self.config.clone().unwrap_or_else(|| home.join("config.toml"));
        let data = Config::load(&path).map_err(Fault::failed)?.node.data;
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
                Some(Message::Result(result)) => {
                    print(&result, output);
                    return Ok(());
                }
                None => return Err(Fault::failed("the node ended the simulation without a result; its log says why")),
            }
        }
    }
}

fn counts_json(counts: Option<&v1::SimulatedCounts>) -> Value {
    let counts = counts.copied().unwrap_or_default();
    json!({ "added": counts.added, "gone": counts.gone, "moved": counts.moved,
            "waits_more": counts.waits_more, "waits_less": counts.waits_less,
            "elapsed_more": counts.elapsed_more, "elapsed_less": counts.elapsed_less })
}

fn effects_json(effects: &[v1::SimulatedEffects]) -> Vec<Value> {
    let one = |one: &v1::SimulatedEffects| json!({ "kind": kind_text(one.kind()), "code": one.code, "counts": counts_json(one.counts.as_ref()) });
    effects.iter().map(one).collect()
}

/// By kind: of one authority there is one entry a kind.
fn kinds_json(effects: &[v1::SimulatedEffects]) -> Value {
    let kinds = effects.iter().map(|one| (kind_text(one.kind()), counts_json(one.counts.as_ref())));
    kinds.collect::<serde_json::Map<String, Value>>().into()
}

fn cost_json(cost: Option<&v1::SimulatedCost>) -> Value {
    let cost = cost.copied().unwrap_or_default();
    json!({ "work": cost.work, "time_us": cost.time_us, "case_time_us": cost.case_time_us })
}

fn result_json(result: &v1::Simulation) -> Value {
    let position = result.position.unwrap_or_default();
    let authority = |one: &v1::SimulatedAuthority| {
        json!({ "authority": one.authority, "effects": kinds_json(&one.effects),
                "departures_more": one.departures_more, "departures_less": one.departures_less })
    };
    let departure = |one: &v1::SimulatedDeparture| json!({ "name": one.name, "more": one.more, "less": one.less });
    let unknown = |one: &v1::SimulatedUnknown| json!({ "status": one.status, "outcome": one.outcome, "reports": one.reports, "cases": one.cases });
    json!({
        "height": position.height, "block_time_ms": position.block_time_ms, "as_of_ms": result.as_of_ms,
        "cases": result.cases, "changed": result.changed, "newly_deviating": result.newly_deviating,
        "healed": result.healed,
        "authorities": result.authorities.iter().map(authority).collect::<Vec<_>>(),
        "effects": effects_json(&result.effects),
        "departures": result.departures.iter().map(departure).collect::<Vec<_>>(),
        "unknown": result.unknown.iter().map(unknown).collect::<Vec<_>>(),
        "cost_now": cost_json(result.cost_now.as_ref()), "cost_draft": cost_json(result.cost_draft.as_ref()),
        "examples": result.examples.iter().map(|id| case_text(id)).collect::<Vec<_>>(),
    })
}

fn numbers(counts: Option<&v1::SimulatedCounts>) -> Vec<String> {
    let counts = counts.copied().unwrap_or_default();
    let pair = |more: u64, less: u64| if (more, less) == (0, 0) { String::new() } else { format!("+{more} -{less}") };
    let number = |number: u64| if number == 0 { String::new() } else { number.to_string() };
    vec![
        number(counts.added),
        number(counts.gone),
        number(counts.moved),
        pair(counts.waits_more, counts.waits_less),
        pair(counts.elapsed_more, counts.elapsed_less),
    ]
}

fn cost_text(cost: Option<&v1::SimulatedCost>) -> String {
    let cost = cost.copied().unwrap_or_default();
    let ms = cost.time_us.div_ceil(1_000);
    format!("{} units of work, {ms} ms, the longest case {} µs", cost.work, cost.case_time_us)
}

fn print(result: &v1::Simulation, output: &Output) {
    let position = result.position.unwrap_or_default();
    let rows = [
        ("state of", format!("height {}, {}", position.height, instant_text(position.block_time_ms))),
        ("as of", instant_text(result.as_of_ms)),
        ("cases", format!("{}, changed {}", result.cases, result.changed)),
        ("deviating", format!("{} cases more, {} less", result.newly_deviating, result.healed)),
        ("cost now", cost_text(result.cost_now.as_ref())),
        ("cost of draft", cost_text(result.cost_draft.as_ref())),
    ];
    output.record(&rows, &result_json(result));
    let changes = ["added", "gone", "moved", "waiting", "elapsed"];
    let mut table = Vec::new();
    for authority in &result.authorities {
        let name = if authority.authority.is_empty() { "(nobody holds the role)" } else { &authority.authority };
        for effects in &authority.effects {
            let row = [vec![name.to_owned(), kind_text(effects.kind())], numbers(effects.counts.as_ref())];
            table.push(row.concat());
        }
        if (authority.departures_more, authority.departures_less) != (0, 0) {
            let (more, less) = (authority.departures_more.to_string(), authority.departures_less.to_string());
            table.push(vec![name.to_owned(), "deviation".into(), more, less]);
        }
    }
    output.details(&[["authority", "what"].as_slice(), &changes].concat(), table);
    let table = result.effects.iter().map(|effects| {
        [vec![kind_text(effects.kind()), effects.code.clone()], numbers(effects.counts.as_ref())].concat()
    });
    output.details(&[["kind", "code"].as_slice(), &changes].concat(), table.collect());
    let table = result.departures.iter().map(|one| vec![one.name.clone(), one.more.to_string(), one.less.to_string()]);
    output.details(&["deviation", "more", "less"], table.collect());
    let table = result
        .unknown
        .iter()
        .map(|one| vec![one.status.clone(), one.outcome.clone(), one.reports.to_string(), one.cases.to_string()]);
    output.details(&["not in the draft: status", "outcome", "reports", "cases"], table.collect());
    let examples = result.examples.iter().map(|id| vec![case_text(id)]);
    output.details(&["cases that change, the first"], examples.collect());
    if result.changed == 0 {
        output.say("the draft changes no case");
    }
}
