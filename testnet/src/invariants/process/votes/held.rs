//! What nodes have of proposals, votes and adoptions, held against the model; and the model's own counts. Must never judge
//! a vote.

use std::collections::BTreeMap;

use laufzettel_chain::ids::{Height, ItemDigest};
use laufzettel_chain::state::governance::{self, Adopted, Proposal, Standing};
use laufzettel_chain::storage::StoreError;
use laufzettel_contracts::AuthorityId;

use super::{Proposed, Taken, Votes};
use crate::invariants::{Held, Verdict};

impl Votes<'_> {
    /// Holds what a node has in its state at its tip against this.
    pub(in super::super) fn compare(&self, one: &Held<'_>, verdict: &mut Verdict) -> Result<(), StoreError> {
        let register = governance::register(one.read)?.unwrap_or_default();
        let open: Vec<ItemDigest> = register.open.iter().map(|pending| pending.item).collect();
        let expected = self.proposals.iter().filter(|proposal| proposal.standing == Standing::Open);
        if !expected.map(|proposal| proposal.item).eq(open) {
            verdict.violated(format!("{}: other proposals are open than should be", one.node));
        }
        if !self.closed.ends_with(&register.closed) {
            verdict.violated(format!("{}: other proposals were decided than should have been", one.node));
        }
        if self.taken.len() != register.adopted.len() {
            let (found, expected) = (register.adopted.len(), self.taken.len());
            verdict.violated(format!("{}: {found} texts are adopted, {expected} should be", one.node));
        }
        for (taken, found) in self.taken.iter().zip(&register.adopted) {
            if !taken.is(found) {
                verdict
                    .violated(format!("{}: {}@{} is not adopted as it should be", one.node, found.id, found.version));
            }
        }
        for proposal in governance::proposals(one.read)? {
            let known = self.proposals.iter().find(|known| known.item == proposal.item);
            if let Some(differs) = known.and_then(|known| known.differs(&proposal)) {
                let Proposal { id, version, .. } = &proposal;
                verdict.violated(format!("{}: the proposal of {id}@{version} {differs}", one.node));
            }
        }
        Ok(())
    }
    /// Counts what came of proposals.
    pub(in super::super) fn count(&self, verdict: &mut Verdict) {
        let of = |standing| self.proposals.iter().filter(|one| one.standing == standing).count() as u64;
        verdict.proposals = self.proposals.len() as u64;
        (verdict.votes, verdict.disregarded) = (self.counted, self.disregarded);
        verdict.adopted = of(Standing::Adopted);
        verdict.rejected = of(Standing::Rejected);
        verdict.superseded = of(Standing::Superseded);
        verdict.expired = of(Standing::Expired);
    }
}

impl Taken {
    fn is(&self, found: &Adopted) -> bool {
        let since = found.since.map(|since| (since.height, since.time_ms));
        let names = (self.kind, self.id.as_str(), self.version) == (found.kind, found.id.as_str(), found.version);
        let when = (self.adopted, self.effective, since) == (found.adopted, found.effective, self.since);
        names && when && self.since == since && (self.place, self.moves_from) == (found.place, found.moves_from)
    }
}

impl Proposed {
    /// In what a node has it otherwise.
    fn differs(&self, found: &Proposal) -> Option<String> {
        if found.standing == Standing::Adopted && self.standing != Standing::Adopted {
            let agreed = |by: &&AuthorityId| !self.votes.get(*by).is_some_and(|(yes, _)| *yes);
            let missing: Vec<&str> = self.change.must_agree.iter().filter(agreed).map(AuthorityId::as_str).collect();
            return Some(format!("is adopted without enough votes; of those who must agree, without {missing:?}"));
        }
        if found.standing != self.standing {
            return Some(format!("is {:?} for {:?}", found.standing, self.standing));
        }
        let votes: BTreeMap<AuthorityId, (bool, Height)> =
            found.votes.iter().map(|(by, vote)| (by.clone(), (vote.yes, vote.height))).collect();
        if votes != self.votes {
            return Some(format!("has the votes {votes:?} for {:?}", self.votes));
        }
        let same = (&self.id, self.version, self.base, self.until_ms, &self.by, self.place)
            == (&found.id, found.version, found.base, found.expires_ms, &found.proposer, found.place);
        (!same || self.change.must_agree != found.must_agree).then(|| "is not as it was made".to_owned())
    }
}
