//! `laufzettel gov`: proposes changes and votes on them, with a key that a person holds, and shows what a change brings to
//! whom and whose vote is missing. Must never send a key anywhere.

mod moves;
mod shown;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use laufzettel_chain::ids::{ItemDigest, NetworkId, TransactionId};
use laufzettel_chain::item::{Action, Item};
use laufzettel_chain::proposal::{Change, ProposalKind};
use laufzettel_contracts::{AuthorityId, Calendars, Definition, Finding};
use laufzettel_proto::v1;
use serde_json::{Value, json};

use super::client::Target;
use super::fault::Fault;
use super::mapping::Mapping;
use super::output::Output;
use super::process::simulate;
use super::submit;
use super::words::{hex, random_id, uuid};
use crate::client::Author;
use crate::keys;

/// How long a proposal or a vote may wait for its block.
const VALID_MS: u64 = 24 * 3_600_000;

/// With which key, and under which id.
#[derive(Debug, Args)]
pub(super) struct Signing {
    /// The person's governance key [default: governance.pem in the profile].
    #[arg(long)]
    key: Option<PathBuf>,
    /// Transaction id, a UUID; give it again when repeating [default: random].
    #[arg(long)]
    id: Option<String>,
}

/// What a vote says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Answer {
    /// For it.
    Yes,
    /// Against it.
    No,
}

/// Subcommands of `gov`.
#[derive(Debug, Subcommand)]
pub(super) enum Gov {
    /// Propose a new version of a process definition, or of the calendars.
    Propose {
        /// The whole new text.
        file: PathBuf,
        /// The text is one of calendars.
        #[arg(long)]
        calendars: bool,
        /// The first height at which it is in force; 0 = the block after its adoption.
        #[arg(long, default_value_t = 0)]
        effective: u64,
        /// Only show what it would bring to whom, and who would have to agree.
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        mapping: Mapping,
        /// First have the node on this machine try it on its cases, and show what it would change there.
        #[arg(long = "try")]
        tried: bool,
        /// With --try: the node's configuration [default: HOME/config.toml].
        #[arg(long, requires = "tried")]
        config: Option<PathBuf>,
        #[command(flatten)]
        signing: Signing,
    },
    /// Vote on a proposal. Another vote may be given as long as it is open.
    Vote {
        /// The proposal's id, or its first 8 digits or more.
        proposal: String,
        /// The vote.
        #[arg(value_enum)]
        answer: Answer,
        #[command(flatten)]
        signing: Signing,
    },
    /// Open proposals, then those decided last.
    List {
        /// Only open ones.
        #[arg(long)]
        open: bool,
    },
    /// What a proposal changes, who has voted, and whose vote is missing.
    Show {
        /// The proposal's id, or its first 8 digits or more.
        proposal: String,
        /// Print the proposed text and nothing else.
        #[arg(long)]
        text: bool,
        /// Print how it moves cases and nothing else: OLD=NEW a line, as --mapping takes it.
        #[arg(long, conflicts_with = "text")]
        mapping: bool,
        /// Have the node on this machine try it on its cases, in force from now on, and show what it would change there.
        #[arg(long = "try", conflicts_with_all = ["text", "mapping"])]
        tried: bool,
        /// With --try: the node's configuration [default: HOME/config.toml].
        #[arg(long, requires = "tried")]
        config: Option<PathBuf>,
    },
}

impl Gov {
    pub(super) async fn run(&self, home: &Path, target: &Target, output: &Output) -> Result<(), Fault> {
        match self {
            Self::Propose { file, calendars, effective, dry_run, mapping, tried, config, signing } => {
                let text = read(file, *calendars)?;
                let kind = if *calendars { ProposalKind::Calendars } else { ProposalKind::Definition };
                let named = mapping.named()?;
                if *tried {
                    let moves = mapping.moves().then_some(named.iter().map(simulate::pair).collect());
                    // Before the mapping is judged: what it cannot carry over is shown with the cases it concerns.
                    try_out(&simulate::config_of(config.as_deref(), home), (*calendars, &text), moves, output).await?;
                }
                let prepared = prepare(target, kind, &text).await?;
                let moves = if mapping.moves() {
                    moves::mapping(target, &prepared, &text, named).await?
                } else {
                    BTreeMap::new()
                };
                if *dry_run {
                    shown::prepared(&prepared, output);
                    return Ok(());
                }
                let must_agree = prepared.must_agree.iter().map(|id| AuthorityId::new(id)).collect::<Result<_, _>>();
                let must_agree =
                    must_agree.map_err(|_| Fault::failed("the node names something that is no authority"))?;
                let change = Change { kind, text: text.into_bytes(), effective_height: *effective, must_agree, moves };
                let item = Item::encode(random_id()?, None, &Action::Propose(Box::new(change)));
                let id = ItemDigest::of(&item);
                let sent = signing.send(target, &prepared.authority, item).await?;
                let answer = get(target, &id.0, sent.height).await?;
                shown::proposal(&answer, output);
                Ok(())
            }
            Self::Vote { proposal, answer, signing } => {
                let found = get(target, &prefix(proposal)?, 0).await?;
                let id = found.proposal.unwrap_or_default().proposal_id;
                let digest =
                    ItemDigest::from_slice(&id).ok_or_else(|| Fault::failed("the node gave no proposal id"))?;
                let action = Action::Vote { proposal: digest, yes: *answer == Answer::Yes };
                let item = Item::encode(random_id()?, None, &action);
                let sent = signing.send(target, &found.authority, item).await?;
                shown::proposal(&get(target, &id, sent.height).await?, output);
                Ok(())
            }
            Self::List { open } => {
                let request = v1::ListProposalsRequest { open: *open };
                let answer = target.governance().await?.list_proposals(request).await;
                let answer = answer.map_err(|status| Fault::refused(&status))?.into_inner();
                shown::list(&answer.proposals, output);
                Ok(())
            }
            Self::Show { proposal, text, mapping, tried, config } => {
                let answer = get(target, &prefix(proposal)?, 0).await?;
                let found = answer.proposal.clone().unwrap_or_default();
                if *text {
                    output.text(&answer.text);
                } else if *mapping {
                    let lines = answer.moves.iter().map(|pair| format!("{}={}", pair.from, pair.to));
                    output.text(&lines.collect::<Vec<_>>().join("\n"));
                } else if *tried {
                    let calendars = found.kind() == v1::ProposalKind::Calendars;
                    let moves = found.moves_cases.then_some(answer.moves);
                    let config = simulate::config_of(config.as_deref(), home);
                    try_out(&config, (calendars, &answer.text), moves, output).await?;
                } else {
                    shown::proposal(&answer, output);
                }
                Ok(())
            }
        }
    }
}

/// Has the node on this machine try a text on its cases, as if always and in force from now on.
async fn try_out(
    config: &Path,
    (calendars, text): (bool, &str),
    moves: Option<Vec<v1::StatusMapping>>,
    output: &Output,
) -> Result<(), Fault> {
    let (definition, calendars) = if calendars { ("", text) } else { (text, "") };
    let request = v1::SimulateProcessRequest {
        definition: definition.to_owned(),
        calendars: calendars.to_owned(),
        move_cases: moves.is_some(),
        moves: moves.unwrap_or_default(),
        from_now: true,
        ..v1::SimulateProcessRequest::default()
    };
    let result = simulate::ask(config, request, output).await?;
    simulate::print(&result, output);
    output.say("");
    Ok(())
}

/// Reads a text and shows what the checker finds, before anybody is asked.
fn read(file: &Path, calendars: bool) -> Result<String, Fault> {
    let name = file.display().to_string();
    let text = fs::read_to_string(file).map_err(|error| Fault::failed(format!("cannot read {name}: {error}")))?;
    let checked = if calendars { Calendars::check(&text).map(|_| ()) } else { Definition::check(&text).map(|_| ()) };
    checked.map_err(|findings: Vec<Finding>| {
        let shown: Vec<String> = findings.iter().map(|found| found.render("error", &name, &text)).collect();
        let advice = if calendars || !text.contains("calendars") {
            String::new()
        } else {
            "\nif it is a text of calendars, say --calendars".to_owned()
        };
        Fault::failed(format!("{} findings in {name}:\n{}{advice}", findings.len(), shown.join("\n")))
    })?;
    Ok(text)
}

/// Bytes of an id or of its beginning.
fn prefix(text: &str) -> Result<Vec<u8>, Fault> {
    let even = text.len() & !1;
    let bytes = text.get(..even).and_then(|text| data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok());
    bytes.filter(|bytes| (4..=32).contains(&bytes.len())).ok_or_else(|| {
        let form = "its 64 hexadecimal digits, or the first 8 or more";
        Fault::usage(format!("{text:?} is no proposal id: expected {form}; `laufzettel gov list` shows them"))
    })
}

async fn prepare(target: &Target, kind: ProposalKind, text: &str) -> Result<v1::PrepareProposalResponse, Fault> {
    let kind = match kind {
        ProposalKind::Definition => v1::ProposalKind::Definition,
        ProposalKind::Calendars => v1::ProposalKind::Calendars,
    };
    let request = v1::PrepareProposalRequest { kind: kind.into(), text: text.to_owned() };
    let answer = target.governance().await?.prepare_proposal(request).await;
    Ok(answer.map_err(|status| Fault::refused(&status))?.into_inner())
}

async fn get(target: &Target, id: &[u8], min_height: u64) -> Result<v1::GetProposalResponse, Fault> {
    let request = v1::GetProposalRequest { proposal_id: id.to_vec(), min_height };
    let answer = target.governance().await?.get_proposal(request).await;
    Ok(answer.map_err(|status| Fault::refused(&status))?.into_inner())
}

impl Signing {
    /// Signs one item in the name of an authority, sends it, and waits until it is final and was applied.
    async fn send(&self, target: &Target, authority: &str, item: Vec<u8>) -> Result<v1::Outcome, Fault> {
        let path = self.key.clone().unwrap_or_else(|| target.profile().join("governance.pem"));
        let key = keys::load(&path).map_err(|error| {
            let advice =
                "proposals and votes are signed with a governance key of the authority; name its file with --key";
            Fault::usage(format!("{error}; {advice}"))
        })?;
        let id = match &self.id {
            None => random_id()?,
            Some(text) => uuid(text)?.try_into().map_err(|_| Fault::usage("a transaction id has 16 bytes"))?,
        };
        let health = target.ledger().await?.get_health(v1::GetHealthRequest {}).await;
        let health = health.map_err(|status| Fault::refused(&status))?.into_inner();
        let network =
            NetworkId::from_slice(&health.network).ok_or_else(|| Fault::failed("the node names no network"))?;
        let time_ms =
            health.position.map_or(0, |position| position.block_time_ms.saturating_add(position.staleness_ms));
        let author = Author {
            authority: authority.to_owned(),
            key,
            network,
            incarnation: health.incarnation,
            source_system: "laufzettel-gov".to_owned(),
        };
        let signed = author.sign_items(TransactionId(id), time_ms.saturating_add(VALID_MS), vec![item]);
        let wait = v1::WaitPolicy::Final.into();
        let request = v1::SubmitTransactionRequest { transaction: Some(signed.to_proto()), wait };
        let answer = target.submission().await?.submit_transaction(request).await;
        let outcome = answer.map_err(|status| Fault::refused(&status))?.into_inner().outcome.unwrap_or_default();
        submit::judge(&outcome, &hex(&id))?;
        if outcome.state() == v1::TransactionState::Final {
            return Ok(outcome);
        }
        Err(Fault::failed(format!(
            "transaction {} waits for its block; repeat the command with --id to hear of it",
            hex(&id)
        )))
    }
}

/// What both the plan of a proposal and a proposal show of its gains.
fn gains_json(gains: &[v1::Gain]) -> Value {
    let one = |gain: &v1::Gain| {
        let kind = gain.kind().as_str_name().trim_start_matches("GAIN_KIND_").to_lowercase();
        json!({ "role": gain.role, "kind": kind, "code": gain.code, "authorities": gain.authorities })
    };
    gains.iter().map(one).collect()
}
