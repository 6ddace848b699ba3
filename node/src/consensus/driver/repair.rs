//! Repairs what lossy links took: votes, certificates and proposals are sent
//! again on a timer, and blocks others voted for are fetched by id.

use laufzettel_chain::ids::{Address, BlockId};
use laufzettel_chain::vote::{Proposal, Signed};

use super::{Driver, LogEntry, broadcast};
use crate::consensus::action::TimerKey;
use crate::consensus::message::Message;

impl Driver {
    /// Sends all votes and certificates of the round again, and the proposal: lossy links lose any of them.
    pub(super) fn on_rebroadcast(&mut self) {
        let Some(core) = &self.undecided.core else { return };
        let Some(round) = core.round() else { return };
        let mut messages = core.polka_certificates();
        messages.extend(core.round_certificate());
        let current = |entry: &&super::Proposed| entry.proposal.message.round == round;
        let proposals = self.undecided.proposals.iter().filter(current);
        messages.extend(proposals.map(|entry| Message::Proposal(entry.proposal.clone())));
        messages.extend(self.own_proposal(round).map(Message::Proposal));
        let mut rounds = vec![round];
        rounds.extend(self.undecided.votes.round_max().filter(|highest| *highest > round));
        for round in rounds {
            let votes = self.undecided.votes.of_round(round);
            if !votes.is_empty() {
                messages.push(Message::Votes(votes));
            }
        }
        // Own messages in flight are not in the store before they are durable, see `fulfil`.
        let durable = matches!(self.flight, super::Flight::None);
        if durable && self.config.key.is_some() {
            self.actions.extend(messages.into_iter().map(broadcast));
        }
        let at_ms = self.now_ms.saturating_add(self.tip.parameters.rebroadcast_ms);
        self.set_timer(TimerKey::Rebroadcast, at_ms);
        self.want_proposed_bodies(round);
    }

    fn own_proposal(&self, round: u32) -> Option<Signed<Proposal>> {
        let own = self.own_address()?;
        self.undecided.durable.iter().find_map(|entry| match entry {
            LogEntry::Proposal(proposal) if proposal.message.address == own && proposal.message.round == round => {
                Some(proposal.clone())
            }
            _ => None,
        })
    }

    /// Fetches blocks that honest validators voted for and that are not here.
    pub(super) fn want_supported_bodies(&mut self) {
        if !self.undecided.votes.take_changed() {
            return;
        }
        let mut wanted = false;
        for (id, voters) in self.undecided.votes.supported(&self.tip.validators) {
            wanted |= self.want_body(id, voters, true);
        }
        if wanted {
            self.request_bodies();
        }
    }
    /// Fetches blocks that were proposed in this round and did not arrive.
    fn want_proposed_bodies(&mut self, round: u32) {
        let missing: Vec<(BlockId, Address)> = self
            .undecided
            .proposals
            .iter()
            .filter(|entry| entry.proposal.message.round == round)
            .map(|entry| (entry.proposal.message.value, entry.proposal.message.address))
            .collect();
        let mut wanted = false;
        for (id, proposer) in missing {
            wanted |= self.want_body(id, vec![proposer], false);
        }
        if wanted {
            self.request_bodies();
        }
    }
    fn want_body(&mut self, id: BlockId, mut voters: Vec<Address>, backed: bool) -> bool {
        let own = self.own_address();
        voters.retain(|address| Some(*address) != own);
        self.undecided.bodies.want(id, voters, backed)
    }
    pub(super) fn request_bodies(&mut self) {
        let height = self.tip.next_height();
        let requests = self.undecided.bodies.next_requests();
        if requests.is_empty() {
            return;
        }
        for (block, voter) in requests {
            if let Some(peer) = self.peer_of(&voter) {
                self.send(&peer, Message::BodyRequest { height, block });
            }
        }
        let at_ms = self.now_ms.saturating_add(super::receive::BODY_RETRY_MS);
        self.set_timer(TimerKey::Body, at_ms);
    }
}
