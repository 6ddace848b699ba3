//! How proposals are shown: what a change brings to whom, who has to agree, who has voted, and what is missing.

use laufzettel_proto::v1;
use serde_json::{Value, json};

use super::gains_json;
use crate::cli::output::Output;
use crate::cli::words::{hex, instant_text, position_text};

fn word(name: &str, prefix: &str) -> String {
    name.trim_start_matches(prefix).to_lowercase()
}

fn state(proposal: &v1::Proposal) -> String {
    word(proposal.state().as_str_name(), "PROPOSAL_STATE_")
}

fn subject(proposal: &v1::Proposal) -> String {
    let kind = word(proposal.kind().as_str_name(), "PROPOSAL_KIND_");
    format!("{kind} {}@{}", proposal.id, proposal.version)
}

fn choice(voter: &v1::Voter) -> &'static str {
    match voter.choice() {
        v1::VoteChoice::Unspecified => "",
        v1::VoteChoice::Yes => "yes",
        v1::VoteChoice::No => "no",
    }
}

/// What is missing for an open proposal to be adopted.
fn missing(proposal: &v1::Proposal) -> Vec<String> {
    if proposal.state() != v1::ProposalState::Open {
        return Vec::new();
    }
    let mut missing = Vec::new();
    let awaited = |voter: &&v1::Voter| voter.must_agree && voter.choice() != v1::VoteChoice::Yes;
    for voter in proposal.voters.iter().filter(awaited) {
        missing.push(format!("{} has to agree", voter.authority));
    }
    let (yes, all) = (u128::from(proposal.power_yes), u128::from(proposal.power_all));
    if yes.saturating_mul(3) <= all.saturating_mul(2) {
        let wanted = all.saturating_mul(2).div_euclid(3).saturating_add(1).saturating_sub(yes);
        missing.push(format!("validators with voting power {wanted} more"));
    }
    missing
}

fn force(proposal: &v1::Proposal) -> String {
    match proposal.effective_height {
        0 => "from the block after its adoption".to_owned(),
        height => format!("from height {height}, or from the block after its adoption if that is later"),
    }
}

fn cases(proposal: &v1::Proposal) -> String {
    match (proposal.kind(), proposal.moves_cases) {
        (v1::ProposalKind::Calendars, _) => "what runs in them is counted anew".to_owned(),
        (_, true) => format!("those of version {} move to it", proposal.base_version),
        (_, false) => "keep their version".to_owned(),
    }
}

/// A table of what roles gain.
fn gains(all: &[v1::Gain], output: &Output) {
    let rows = all.iter().map(|gain| {
        let label = gain.labels.as_ref().map_or("", |labels| labels.en.as_str());
        let kind = match gain.kind() {
            v1::GainKind::Task => "gets the task",
            v1::GainKind::Lock => "is bound by the lock",
            v1::GainKind::Notice => "gets the notice",
            v1::GainKind::Status => "is told of the status",
            v1::GainKind::Marker => "sees the marker",
            v1::GainKind::Deadline => "watches the deadline",
            v1::GainKind::Unspecified => "",
        };
        let held = if gain.authorities.is_empty() { "nobody".to_owned() } else { gain.authorities.join(", ") };
        vec![gain.role.clone(), kind.to_owned(), gain.code.clone(), label.to_owned(), held]
    });
    output.details(&["role", "", "", "", "held by"], rows.collect());
}

/// What proposing a text would do.
pub(super) fn prepared(answer: &v1::PrepareProposalResponse, output: &Output) {
    let base = match answer.base_version {
        0 => "nothing: it is new".to_owned(),
        version => format!("version {version}"),
    };
    let agree = if answer.must_agree.is_empty() { "nobody".to_owned() } else { answer.must_agree.join(", ") };
    let rows = [
        ("text", format!("{} version {}", answer.id, answer.version)),
        ("compared with", base),
        ("have to agree", agree),
        ("proposed by", answer.authority.clone()),
        ("as of", position_text(answer.position.as_ref())),
    ];
    let value = json!({ "id": answer.id, "version": answer.version, "base_version": answer.base_version,
                        "must_agree": answer.must_agree, "gains": gains_json(&answer.gains) });
    output.record(&rows, &value);
    gains(&answer.gains, output);
    output.say("Nothing was proposed. Besides those who have to agree, more than two thirds of the validators must.");
}

fn proposal_json(proposal: &v1::Proposal) -> Value {
    let voters: Vec<Value> = proposal
        .voters
        .iter()
        .map(|voter| {
            json!({ "authority": voter.authority, "power": voter.power, "must_agree": voter.must_agree,
                    "vote": choice(voter), "height": voter.height })
        })
        .collect();
    json!({ "proposal": hex(&proposal.proposal_id), "kind": word(proposal.kind().as_str_name(), "PROPOSAL_KIND_"),
            "id": proposal.id, "version": proposal.version, "base_version": proposal.base_version,
            "proposer": proposal.proposer, "proposed_height": proposal.proposed_height,
            "expires_ms": proposal.expires_ms, "effective_height": proposal.effective_height,
            "state": state(proposal), "changed_height": proposal.changed_height, "voters": voters,
            "moves_cases": proposal.moves_cases, "power_yes": proposal.power_yes, "power_no": proposal.power_no, "power_all": proposal.power_all,
            "missing": missing(proposal) })
}

/// A proposal with what it brings to whom and who has voted.
pub(super) fn proposal(answer: &v1::GetProposalResponse, output: &Output) {
    let proposal = answer.proposal.clone().unwrap_or_default();
    let mut rows = vec![
        ("proposal", hex(&proposal.proposal_id)),
        ("changes", subject(&proposal)),
        ("state", format!("{}, since height {}", state(&proposal), proposal.changed_height)),
        ("proposed", format!("by {}, height {}", proposal.proposer, proposal.proposed_height)),
        ("in force", force(&proposal)),
        ("open cases", cases(&proposal)),
        ("votes", format!("{} for, {} against, of {}", proposal.power_yes, proposal.power_no, proposal.power_all)),
    ];
    if proposal.state() == v1::ProposalState::Open {
        rows.push(("open until", instant_text(proposal.expires_ms)));
        let digits: String = hex(&proposal.proposal_id).chars().take(8).collect();
        let command = format!("`laufzettel gov show {digits} --try` on the node's machine");
        rows.push(("before a vote", format!("{command} says what it would change in the node's cases")));
    }
    let missing = missing(&proposal);
    if !missing.is_empty() {
        rows.push(("missing", missing.join("; ")));
    }
    rows.push(("as of", position_text(answer.position.as_ref())));
    let mut value = proposal_json(&proposal);
    if let Value::Object(fields) = &mut value {
        fields.insert("gains".to_owned(), gains_json(&answer.gains));
    }
    output.record(&rows, &value);
    gains(&answer.gains, output);
    let voters = proposal.voters.iter().map(|voter| {
        let power = if voter.power == 0 { String::new() } else { voter.power.to_string() };
        let agree = if voter.must_agree { "has to agree" } else { "" };
        vec![voter.authority.clone(), power, agree.to_owned(), choice(voter).to_owned()]
    });
    output.details(&["authority", "voting power", "", "vote"], voters.collect());
}

/// Proposals, one a line.
pub(super) fn list(all: &[v1::Proposal], output: &Output) {
    let row = |proposal: &v1::Proposal| {
        let id = hex(&proposal.proposal_id);
        let id = id.get(..16).unwrap_or(&id).to_owned();
        vec![id, subject(proposal), proposal.proposer.clone(), state(proposal), missing(proposal).join("; ")]
    };
    let value: Vec<Value> = all.iter().map(proposal_json).collect();
    output.list(&["proposal", "changes", "by", "state", "missing"], all.iter().map(row).collect(), &value.into());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn voter(authority: &str, power: u64, must_agree: bool, choice: v1::VoteChoice) -> v1::Voter {
        v1::Voter { authority: authority.into(), power, must_agree, choice: choice.into(), height: 0 }
    }

    #[test]
    fn what_is_missing_is_told_until_nothing_is() {
        let mut proposal = v1::Proposal {
            state: v1::ProposalState::Open.into(),
            voters: vec![
                voter("a", 1, true, v1::VoteChoice::Unspecified),
                voter("b", 1, false, v1::VoteChoice::Yes),
                voter("c", 0, true, v1::VoteChoice::Yes),
            ],
            power_yes: 2,
            power_all: 4,
            ..v1::Proposal::default()
        };
        assert_eq!(missing(&proposal), ["a has to agree", "validators with voting power 1 more"]);
        proposal.power_yes = 3;
        assert_eq!(missing(&proposal), ["a has to agree"]);
        proposal.state = v1::ProposalState::Rejected.into();
        assert!(missing(&proposal).is_empty());
    }
}
