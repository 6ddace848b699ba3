//! Transactions: from a client or peer through admission into the pool, from
//! here to every validator, and the final outcome back to who waits for it.

use std::sync::Arc;

use laufzettel_chain::ids::PayloadDigest;

use super::{Action, Driver};
use crate::consensus::action::{Refusal, RefusalReason, Reply, TimerKey};
use crate::consensus::input::{AdmittedInfo, Ticket};
use crate::consensus::ledger::{FinalOutcome, SignedTransaction};
use crate::consensus::message::{Message, OFFER_BYTES, OFFER_TRANSACTIONS_MAX};
use crate::consensus::peers::Peer;
use crate::mempool::{Inserted, Pending, REOFFER_MS};

/// Transactions that come within this time travel in one message.
const OFFER_GATHER_MS: u64 = 5;
/// Most transactions of one peer that are being admitted.
pub(super) const PEER_ADMISSIONS_MAX: usize = 4_096;
/// Most bytes of them; what finds no room is offered again by its origin.
pub(super) const PEER_ADMISSION_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Most transactions of clients that are being admitted.
const CLIENT_ADMISSIONS_MAX: usize = 16_384;

/// Most transactions remembered whose execution panicked.
const SHUNNED_MAX: usize = 1_024;

/// A transaction that is being admitted.
#[derive(Debug)]
pub(super) struct Admission {
    transaction: Arc<SignedTransaction>,
    origin: Origin,
    since_ms: u64,
}

#[derive(Debug)]
enum Origin {
    Client {
        request: u64,
        wait: bool,
    },
    Peer(Peer),
    /// This node itself: evidence.
    Own,
}

/// A client that waits for an outcome.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waiter {
    request: u64,
}

impl Driver {
    pub(super) fn on_submit(&mut self, request: u64, transaction: Arc<SignedTransaction>, wait: bool) {
        let room = if self.admissions.len() < CLIENT_ADMISSIONS_MAX {
            self.pool.check_room(transaction.size())
        } else {
            Err(Refusal { retry_after_ms: Some(REOFFER_MS), ..Refusal::new(RefusalReason::ResourceExhausted) })
        };
        let room = if self.is_shunned(&transaction) { Err(Refusal::new(RefusalReason::Invalid)) } else { room };
        if let Err(refusal) = room {
            return self.reply(request, Reply::Refused(refusal));
        }
        self.admit(transaction, Origin::Client { request, wait });
    }

    pub(super) fn on_forget(&mut self, request: u64) {
        self.waiters.retain(|_, waiters| {
            waiters.retain(|waiter| waiter.request != request);
            !waiters.is_empty()
        });
    }

    pub(super) fn on_transactions(&mut self, from: &Peer, transactions: Vec<Arc<SignedTransaction>>) {
        for transaction in transactions {
            if self.is_shunned(&transaction) {
                continue;
            }
            let known = self.pool.contains(&transaction.payload_digest());
            let room = self.pool.check_room(transaction.size()).is_ok();
            let state = self.peers.entry(from);
            let bytes = state.admission_bytes.saturating_add(transaction.size());
            // What finds no room now is offered again by its origin.
            let crowded = state.admissions >= PEER_ADMISSIONS_MAX || bytes > PEER_ADMISSION_BYTES_MAX;
            if known || !room || crowded {
                continue;
            }
            state.admissions = state.admissions.saturating_add(1);
            state.admission_bytes = bytes;
            self.admit(transaction, Origin::Peer(from.clone()));
        }
    }

    /// Submits a transaction of this node's own making.
    pub(super) fn admit_own(&mut self, transaction: Arc<SignedTransaction>) {
        self.admit(transaction, Origin::Own);
    }

    fn admit(&mut self, transaction: Arc<SignedTransaction>, origin: Origin) {
        let ticket = self.ticket();
        self.admissions
            .insert(ticket, Admission { transaction: Arc::clone(&transaction), origin, since_ms: self.now_ms });
        self.actions.push(Action::Admit { ticket, transaction });
    }

    pub(super) fn on_admitted(&mut self, ticket: Ticket, result: Result<AdmittedInfo, Refusal>) {
        let Some(Admission { transaction, origin, .. }) = self.admissions.remove(&ticket) else { return };
        match origin {
            Origin::Peer(peer) => {
                let state = self.peers.entry(&peer);
                state.admissions = state.admissions.saturating_sub(1);
                state.admission_bytes = state.admission_bytes.saturating_sub(transaction.size());
                if let Ok(info) = result {
                    // A refusal is the origin's business; it offers again or lets it expire.
                    let _ = self.pool.insert(transaction, info, Some(peer), self.now_ms);
                    self.propose_again();
                }
            }
            Origin::Own => self.on_own_admitted(transaction, result),
            Origin::Client { request, wait } => self.on_client_admitted(request, wait, transaction, result),
        }
    }

    fn on_own_admitted(&mut self, transaction: Arc<SignedTransaction>, result: Result<AdmittedInfo, Refusal>) {
        let digest = transaction.payload_digest();
        let inserted = result.and_then(|info| self.pool.insert(transaction, info, None, self.now_ms));
        if let Err(refusal) = inserted {
            if refusal.reason != RefusalReason::ResourceExhausted {
                self.pool.remove(&digest);
            }
            return self.accusations.refused(&digest, &refusal);
        }
        self.offer_soon();
        self.propose_again();
    }

    fn on_client_admitted(
        &mut self,
        request: u64,
        wait: bool,
        transaction: Arc<SignedTransaction>,
        result: Result<AdmittedInfo, Refusal>,
    ) {
        let inserted = result.and_then(|info| {
            let digest = info.payload_digest;
            self.pool.insert(transaction, info, None, self.now_ms).map(|inserted| (digest, inserted))
        });
        let (payload_digest, inserted) = match inserted {
            Ok(inserted) => inserted,
            Err(refusal) => {
                let reply = match refusal.earlier {
                    Some(outcome) => Reply::Final(*outcome),
                    None => Reply::Refused(refusal),
                };
                return self.reply(request, reply);
            }
        };
        self.reply(request, Reply::Accepted { payload_digest });
        if wait {
            self.waiters.entry(payload_digest).or_default().push(Waiter { request });
        }
        if self.pool.has_offers() {
            self.offer_soon();
        }
        if inserted == Inserted::New {
            self.propose_again();
        }
    }

    /// The first transaction after a pause goes out at once, those that follow it in batches.
    fn offer_soon(&mut self) {
        let due_ms = self.offered_at_ms.saturating_add(OFFER_GATHER_MS);
        if self.now_ms >= due_ms {
            self.send_offers();
        } else if !self.timers.contains_key(&TimerKey::Offer) {
            self.set_timer(TimerKey::Offer, due_ms);
        }
        if !self.timers.contains_key(&TimerKey::Reoffer) {
            let at_ms = self.now_ms.saturating_add(REOFFER_MS);
            self.set_timer(TimerKey::Reoffer, at_ms);
        }
    }

    /// Sends own transactions to every validator directly; nobody relays.
    pub(super) fn send_offers(&mut self) {
        self.offered_at_ms = self.now_ms;
        let offers = self.pool.take_offers(self.now_ms, OFFER_BYTES, OFFER_TRANSACTIONS_MAX);
        if offers.is_empty() {
            return;
        }
        let message = Arc::new(Message::Transactions(offers));
        let own = self.config.authority.as_str();
        let validators = self.tip.validators.all().iter().filter(|validator| validator.authority != own);
        let sends = validators
            .map(|validator| Action::Send { to: Peer(validator.authority.clone()), message: Arc::clone(&message) });
        self.actions.extend(sends);
        if self.pool.has_offers() {
            let at_ms = self.now_ms.saturating_add(OFFER_GATHER_MS);
            self.set_timer(TimerKey::Offer, at_ms);
        }
    }

    pub(super) fn reoffer(&mut self) {
        if self.pool.renew_offers(self.now_ms) {
            let at_ms = self.now_ms.saturating_add(REOFFER_MS);
            self.set_timer(TimerKey::Reoffer, at_ms);
            self.send_offers();
        }
    }

    pub(super) fn on_transactions_wanted(&mut self, from: &Peer) {
        let pending = self.pool.candidates(OFFER_BYTES, OFFER_TRANSACTIONS_MAX, self.tip.next_height());
        if !pending.is_empty() {
            self.send(from, Message::Transactions(pending));
        }
    }

    /// Takes these no more: their origin may offer them for as long as they are valid, and each time someone's
    /// execution would panic.
    pub(super) fn shun(&mut self, hostile: &[PayloadDigest]) {
        self.shunned.extend(hostile);
        while self.shunned.len() > SHUNNED_MAX {
            self.shunned.pop_front();
        }
    }
    fn is_shunned(&self, transaction: &SignedTransaction) -> bool {
        !self.shunned.is_empty() && self.shunned.contains(&transaction.payload_digest())
    }

    /// A builder found that no block can hold it.
    pub(super) fn evict_invalid(&mut self, digest: &PayloadDigest) {
        if let Some(pending) = self.pool.remove(digest) {
            self.lose(&pending, RefusalReason::Invalid);
        }
    }

    /// Since when the oldest transaction waits that may set a lock; 0 = none waits. One of a client that is not
    /// admitted yet may be such: what it says is not known before.
    pub(super) fn oldest_pending_lock_ms(&self) -> u64 {
        let of_client = |admission: &&Admission| matches!(admission.origin, Origin::Client { .. });
        // Tickets ascend, so the first is the oldest.
        let admission = self.admissions.values().find(of_client).map(|admission| admission.since_ms);
        let pooled = Some(self.pool.oldest_lock_ms()).filter(|since_ms| *since_ms > 0);
        admission.into_iter().chain(pooled).min().unwrap_or(0)
    }

    fn lose(&mut self, pending: &Pending, reason: RefusalReason) {
        self.unsettled.lost(pending, &reason, self.now_ms);
        for waiter in self.waiters.remove(&pending.info.payload_digest).unwrap_or_default() {
            self.reply(waiter.request, Reply::Refused(Refusal::new(reason.clone())));
        }
    }

    /// A block is durable: its transactions leave the pool, their waiters are answered.
    pub(super) fn finish_transactions(&mut self, finals: &[FinalOutcome]) {
        for outcome in finals {
            self.unsettled.settled(&outcome.authority, outcome.id);
            self.pool.remove(&outcome.payload_digest);
            for waiter in self.waiters.remove(&outcome.payload_digest).unwrap_or_default() {
                self.reply(waiter.request, Reply::Final(outcome.clone()));
            }
            if let Some(other) = self.pool.remove_id(&outcome.authority, outcome.id) {
                self.lose(&other, RefusalReason::AlreadyExists);
            }
        }
        for expired in self.pool.expire(self.tip.header.time_ms) {
            self.lose(&expired, RefusalReason::Expired);
        }
    }

    pub(super) fn reply(&mut self, request: u64, reply: Reply) {
        self.actions.push(Action::Reply { request, reply });
    }
}
