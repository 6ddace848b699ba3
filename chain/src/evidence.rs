//! Evidence: two signed messages of one validator that contradict each other
//! (docs/FORMATS.md A.3). Says what contradicts what and whether it is proven;
//! what follows from it is for people: nothing here suspends anybody.

use crate::codec::{Canonical, decode, encode};
use crate::ids::{Address, Height, KeyId, NetworkId};
use crate::receipt::Code;
use crate::registry::{Purpose, Registry};
use crate::vote::{Proposal, Signed, Vote, VoteType};

/// Two messages, in the order of their bytes. They may or may not contradict each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evidence {
    /// Two votes.
    Votes(Box<(Signed<Vote>, Signed<Vote>)>),
    /// Two proposals.
    Proposals(Box<(Signed<Proposal>, Signed<Proposal>)>),
}

/// What kind of message was signed twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A proposal.
    Proposal,
    /// A prevote.
    Prevote,
    /// A precommit.
    Precommit,
}

impl Kind {
    /// Its number in the state.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Proposal => 0,
            Self::Prevote => 1,
            Self::Precommit => 2,
        }
    }
    /// The kind of this number.
    #[must_use]
    pub fn of_number(number: u8) -> Option<Self> {
        [Self::Proposal, Self::Prevote, Self::Precommit].into_iter().find(|kind| kind.number() == number)
    }
}

/// Where a validator may sign one value only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The validator.
    pub address: Address,
    /// Height.
    pub height: Height,
    /// Round.
    pub round: u32,
    /// Kind of message.
    pub kind: Kind,
}

/// The network in whose messages a contradiction counts, and how far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope {
    /// The network.
    pub network: NetworkId,
    /// Count of recoveries.
    pub incarnation: u32,
    /// Messages of later heights prove nothing yet.
    pub height: Height,
}

fn vote_place(vote: &Vote) -> Place {
    let kind = match vote.vote_type {
        VoteType::Prevote => Kind::Prevote,
        VoteType::Precommit => Kind::Precommit,
    };
    Place { address: vote.address, height: vote.height, round: vote.round, kind }
}

fn proposal_place(proposal: &Proposal) -> Place {
    let Proposal { address, height, round, .. } = *proposal;
    Place { address, height, round, kind: Kind::Proposal }
}

/// In the order of their bytes.
fn ordered<T: Canonical>(a: T, b: T) -> Box<(T, T)> {
    Box::new(if encode(&a) <= encode(&b) { (a, b) } else { (b, a) })
}

impl Evidence {
    /// Two votes.
    #[must_use]
    pub fn of_votes(a: Signed<Vote>, b: Signed<Vote>) -> Self {
        Self::Votes(ordered(a, b))
    }
    /// Two proposals.
    #[must_use]
    pub fn of_proposals(a: Signed<Proposal>, b: Signed<Proposal>) -> Self {
        Self::Proposals(ordered(a, b))
    }
    /// From the bytes of both messages, each with its signature; none if they are not two votes or two proposals in
    /// strictly ascending order. The two kinds differ in length, so that no bytes are both.
    #[must_use]
    pub fn decode(first: &[u8], second: &[u8]) -> Option<Self> {
        if first >= second {
            return None;
        }
        let votes = decode::<Signed<Vote>>(first).ok().zip(decode(second).ok());
        let proposals = || decode::<Signed<Proposal>>(first).ok().zip(decode(second).ok());
        let votes = votes.map(|pair| Self::Votes(Box::new(pair)));
        votes.or_else(|| proposals().map(|pair| Self::Proposals(Box::new(pair))))
    }
    /// The bytes of both messages, each with its signature.
    #[must_use]
    pub fn bytes(&self) -> (Vec<u8>, Vec<u8>) {
        match self {
            Self::Votes(pair) => (encode(&pair.0), encode(&pair.1)),
            Self::Proposals(pair) => (encode(&pair.0), encode(&pair.1)),
        }
    }
    /// Where the first message stands; the second one stands there too if they contradict each other.
    #[must_use]
    pub fn place(&self) -> Place {
        match self {
            Self::Votes(pair) => vote_place(&pair.0.message),
            Self::Proposals(pair) => proposal_place(&pair.0.message),
        }
    }
    /// Whether no honest validator signs both: another value at the same place. A proposal of the same value with
    /// another round of proof is none: the watermark lets a validator sign it.
    #[must_use]
    pub fn contradicts(&self) -> bool {
        match self {
            Self::Votes(pair) => {
                let (a, b) = (&pair.0.message, &pair.1.message);
                vote_place(a) == vote_place(b) && a.value != b.value
            }
            Self::Proposals(pair) => {
                let (a, b) = (&pair.0.message, &pair.1.message);
                proposal_place(a) == proposal_place(b) && a.value != b.value
            }
        }
    }
    fn is_within(&self, scope: &Scope) -> bool {
        let of = |network: &NetworkId, incarnation: u32| {
            *network == scope.network && incarnation == scope.incarnation && self.place().height <= scope.height
        };
        match self {
            Self::Votes(pair) => [&pair.0, &pair.1].iter().all(|one| of(&one.message.network, one.message.incarnation)),
            Self::Proposals(pair) => {
                [&pair.0, &pair.1].iter().all(|one| of(&one.message.network, one.message.incarnation))
            }
        }
    }
    /// Whether it proves that a consensus key of the registry, in force at the height of the messages, signed both.
    ///
    /// # Errors
    /// [`Code::EvidenceInvalid`]: it proves nothing.
    pub fn judge(&self, registry: &Registry, scope: &Scope) -> Result<(), Code> {
        let place = self.place();
        let key = registry.keys.get(&KeyId(place.address.0));
        let key = key.filter(|key| key.purpose == Purpose::Consensus && key.counts_at(place.height));
        // What costs least is asked first: signatures last.
        let Some(key) = key.filter(|_| self.is_within(scope) && self.contradicts()) else {
            return Err(Code::EvidenceInvalid);
        };
        let signed = match self {
            Self::Votes(pair) => pair.0.verify(&key.public) && pair.1.verify(&key.public),
            Self::Proposals(pair) => pair.0.verify(&key.public) && pair.1.verify(&key.public),
        };
        if signed { Ok(()) } else { Err(Code::EvidenceInvalid) }
    }
}
