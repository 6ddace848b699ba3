//! Whether something may be proposed, and whether a vote counts: functions of registry, list and item alone. Must never
//! believe a proposal's own word of who has to agree.

use laufzettel_contracts::{AuthorityId, Calendars, Definition, diff};

use crate::ids::Height;
use crate::limits;
use crate::proposal::{Change, ProposalKind};
use crate::receipt::Code;
use crate::registry::Registry;
use crate::state::governance::{Proposal, Register, Standing};

/// A proposed text that was found sound.
pub(crate) struct Sound {
    pub(crate) id: String,
    pub(crate) version: u32,
    pub(crate) base: u32,
    pub(crate) text: String,
}

/// Whether a proposal may be made at all: what can be said without reading its text.
pub(crate) fn check_room(register: &Register, change: &Change, by: &AuthorityId, height: Height) -> Result<(), Code> {
    let own = register.open.iter().filter(|pending| pending.proposer == *by).count();
    if own >= limits::PROPOSALS_OPEN_OWN_MAX
        || register.open.len() >= limits::PROPOSALS_OPEN_MAX
        || register.adopted.len() >= limits::ADOPTED_MAX
    {
        return Err(Code::TooManyProposals);
    }
    let ahead = height.saturating_add(limits::EFFECTIVE_HEIGHTS_AHEAD_MAX);
    if change.effective_height != 0 && !(height..=ahead).contains(&change.effective_height) {
        return Err(Code::EffectiveHeightWrong);
    }
    Ok(())
}

/// Judges a proposed text against the newest one there is, and the list of who has to agree.
pub(crate) fn check_text(registry: &Registry, register: &Register, change: &Change) -> Result<Sound, Code> {
    let text = core::str::from_utf8(&change.text).map_err(|_| Code::TextRefused)?;
    let sound = |id: &str, version, base| Sound { id: id.to_owned(), version, base, text: text.to_owned() };
    match change.kind {
        ProposalKind::Definition => {
            let new = Definition::check(text).map_err(|_| Code::TextRefused)?.definition;
            if new.language() > u32::from(registry.protocol) {
                return Err(Code::TextRefused);
            }
            let old = registry.newest(new.id());
            // What was adopted in this very block is not in the registry yet: its successor waits for the next.
            let base = old.map_or(0, |old| old.version());
            if new.version() <= base.max(register.newest(change.kind, new.id()).unwrap_or(0)) {
                return Err(Code::VersionNotNewer);
            }
            if register.newest(change.kind, new.id()).is_some_and(|newest| newest > base) {
                return Err(Code::VersionNotNewer);
            }
            let gains = diff::gains(old.map(AsRef::as_ref), &new);
            let must_agree = diff::must_agree(&gains, &registry.directory);
            if !must_agree.iter().eq(&change.must_agree) {
                return Err(Code::AgreementListWrong);
            }
            if !change.moves.is_empty() {
                let old = old.ok_or(Code::MappingWrong)?;
                diff::check_mapping(old, &new, &change.moves).map_err(|_| Code::MappingWrong)?;
            }
            Ok(sound(new.id(), new.version(), base))
        }
        ProposalKind::Calendars => {
            let new = Calendars::check(text).map_err(|_| Code::TextRefused)?.calendars;
            let (_, first) = registry.calendars_since.first().ok_or(Code::TextRefused)?;
            // A network counts by one text: another id would be another text.
            if new.id() != first.id() {
                return Err(Code::TextRefused);
            }
            let base = register.newest(change.kind, new.id()).unwrap_or(0).max(first.version());
            if new.version() <= base {
                return Err(Code::VersionNotNewer);
            }
            if !change.must_agree.is_empty() {
                return Err(Code::AgreementListWrong);
            }
            if !change.moves.is_empty() {
                return Err(Code::MappingWrong);
            }
            Ok(sound(new.id(), new.version(), base))
        }
    }
}

/// Whether a vote counts: the proposal is open at this time, the authority has a vote, and it is not the one that stands.
pub(crate) fn check_vote(
    registry: &Registry,
    proposal: &Proposal,
    yes: bool,
    by: &AuthorityId,
    time_ms: u64,
) -> Result<(), Code> {
    if proposal.standing != Standing::Open || time_ms > proposal.expires_ms {
        return Err(Code::ProposalClosed);
    }
    if !proposal.may_vote(by, &registry.validators) {
        return Err(Code::NoVote);
    }
    if proposal.votes.get(by).is_some_and(|vote| vote.yes == yes) {
        return Err(Code::VoteRepeated);
    }
    Ok(())
}
