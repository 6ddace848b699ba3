//! What lying validators do. Each lie is one strategy, and a liar may have
//! several: each changes what the node says in a step before the next one
//! sees it, or says something unasked. The node below is honest code, so that
//! a liar keeps up with the network; its signatures are good.
//!
//! A strategy counts its lies, so that one that never lied is noticed. It must
//! never draw a number from anywhere but the scene's.

mod bodies;
mod flood;
mod forgeries;
mod frames;
mod proposals;
mod sync;
mod votes;

use std::collections::BTreeSet;
use std::sync::Arc;

use laufzettel_chain::ids::{Address, BlockId, NetworkId};
use laufzettel_chain::ledger::Ledger;
use laufzettel_chain::transaction::SignedTransaction;
use laufzettel_node::consensus::Message;
use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

use super::genesis::Member;

/// What is said to whom.
#[derive(Debug, Clone)]
pub(super) struct Said {
    pub(super) to: usize,
    pub(super) what: What,
}

/// A message, or bytes that may be none.
#[derive(Debug, Clone)]
pub(super) enum What {
    Message(Arc<Message>),
    Bytes(Vec<u8>),
}

impl Said {
    fn new(to: usize, message: Message) -> Self {
        Self { to, what: What::Message(Arc::new(message)) }
    }
    fn message(&self) -> Option<&Message> {
        match &self.what {
            What::Message(message) => Some(message),
            What::Bytes(_) => None,
        }
    }
    fn message_mut(&mut self) -> Option<&mut Message> {
        match &mut self.what {
            What::Message(message) => Some(Arc::make_mut(message)),
            What::Bytes(_) => None,
        }
    }
    pub(super) fn bytes(&self) -> Vec<u8> {
        match &self.what {
            What::Message(message) => message.to_bytes(),
            What::Bytes(bytes) => bytes.clone(),
        }
    }
}

/// What a liar has to work with.
pub(super) struct Scene<'a> {
    pub(super) member: &'a Member,
    /// All members; of the others only what everyone knows is used.
    pub(super) members: &'a [Member],
    pub(super) network: NetworkId,
    pub(super) ledger: &'a Ledger,
    pub(super) now_ms: u64,
    /// Everyone else.
    pub(super) peers: &'a [usize],
    /// A transaction whose execution panics in all honest nodes.
    pub(super) hostile: &'a Arc<SignedTransaction>,
    /// Blocks that no honest validator may ever vote for.
    pub(super) invalid: &'a mut BTreeSet<BlockId>,
    pub(super) random: &'a mut ChaCha8Rng,
}

impl Scene<'_> {
    fn own(&self) -> Address {
        Address::of(&self.member.consensus.verifying_key())
    }
    fn chance(&mut self, one_in: u32) -> bool {
        self.random.random_range(0..one_in) == 0
    }
    fn peer(&mut self) -> usize {
        let at = self.random.random_range(0..self.peers.len().max(1));
        self.peers.get(at).copied().unwrap_or(0)
    }
    /// Half of the peers.
    fn half(&mut self) -> BTreeSet<usize> {
        self.peers.iter().copied().filter(|_| self.random.random_range(0..2) == 0).collect()
    }
    fn any_id(&mut self) -> BlockId {
        BlockId(*blake3::hash(&self.random.random_range(0..u64::MAX).to_be_bytes()).as_bytes())
    }
    /// The height that is being decided.
    fn height(&self) -> u64 {
        self.ledger.tip().next_height()
    }
    fn to_all(&self, message: &Message) -> Vec<Said> {
        self.peers.iter().map(|to| Said::new(*to, message.clone())).collect()
    }
}

/// One way to lie.
pub(super) trait Strategy {
    /// Changes what the node says in a step; how many lies that makes.
    fn speak(&mut self, _said: &mut Vec<Said>, _scene: &mut Scene<'_>) -> u64 {
        0
    }
    /// Says something unasked, now and then.
    fn interrupt(&mut self, _scene: &mut Scene<'_>) -> Vec<Said> {
        Vec::new()
    }
}

macro_rules! lies {
    ($($(#[$doc:meta])* $lie:ident $name:literal = $strategy:expr;)*) => {
        /// All lies, in the order in which a liar with several tells them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(super) enum Lie {
            $($(#[$doc])* $lie,)*
        }
        impl Lie {
            pub(super) const ALL: &'static [Self] = &[$(Self::$lie,)*];
            /// Its name in reports.
            pub(super) fn name(self) -> &'static str {
                match self { $(Self::$lie => $name,)* }
            }
            /// How it is done.
            pub(super) fn strategy(self) -> Box<dyn Strategy> {
                match self { $(Self::$lie => Box::new($strategy),)* }
            }
        }
    };
}

lies! {
    /// Two proposals in one round, each valid, to different peers.
    ProposesTwice "proposes_twice" = proposals::Instead { make: proposals::sibling, to_some: true };
    /// A block that claims another state than it makes.
    ProposesWrongRoot "proposes_wrong_root" = proposals::Instead { make: proposals::wrong_root, to_some: false };
    /// A block whose execution panics.
    ProposesPanic "proposes_panic" = proposals::Instead { make: proposals::panicking, to_some: false };
    /// A block with transactions that were committed before, or twice the same.
    ProposesRepeats "proposes_repeats" = proposals::Instead { make: proposals::stuffed, to_some: false };
    /// A block of a time long past.
    ProposesBehind "proposes_behind" = proposals::Instead { make: proposals::stale, to_some: false };
    /// A block of a time to come.
    ProposesAhead "proposes_ahead" = proposals::Instead { make: proposals::ahead, to_some: false };
    /// A block made for a later round, which would have others remembered as passed over.
    ProposesLaterRound "proposes_later_round" = proposals::Instead { make: proposals::later_round, to_some: false };
    /// An empty block before its time.
    ProposesEmpty "proposes_empty" = proposals::Instead { make: proposals::empty, to_some: false };
    /// A block with evidence against an honest key.
    ProposesFrames "proposes_frames" = proposals::Instead { make: frames::framed, to_some: false };
    /// Blocks when it is another's turn.
    ProposesOutOfTurn "proposes_out_of_turn" = proposals::OutOfTurn;
    /// As many blocks for one proposal as there are places.
    SendsManyBlocks "sends_many_blocks" = bodies::Many;
    /// Proposals without bodies.
    WithholdsBodies "withholds_bodies" = bodies::Withheld;
    /// Bodies with a part missing.
    WithholdsParts "withholds_parts" = bodies::Partial;
    /// Parts with a bit flipped.
    CorruptsParts "corrupts_parts" = bodies::Corrupt;
    /// Another body below the header that was asked for.
    AnswersOtherBody "answers_other_body" = bodies::OtherBody;
    /// Other votes for other peers.
    VotesTwice "votes_twice" = votes::Twice;
    /// Votes for blocks that nobody knows.
    VotesUnknown "votes_unknown" = votes::Unknown;
    /// No votes to some peers.
    WithholdsVotes "withholds_votes" = votes::Withheld;
    /// Votes of rounds and heights that are not there yet.
    VotesAhead "votes_ahead" = votes::Ahead;
    /// Heights it does not have.
    ClaimsHeights "claims_heights" = sync::Claims;
    /// The first of the blocks asked for, or none.
    SyncsPrefix "syncs_prefix" = sync::Prefix;
    /// Blocks that it has and says it pruned.
    ClaimsPruned "claims_pruned" = sync::Pruned;
    /// True blocks with too few signatures.
    SyncsFewSignatures "syncs_few_signatures" = sync::Few;
    /// True blocks with one signature twice.
    SyncsDoubleSignatures "syncs_double_signatures" = sync::Double;
    /// True headers and certificates with other bodies.
    SyncsOtherBody "syncs_other_body" = sync::OtherBody;
    /// Blocks nobody asked for.
    SyncsUnasked "syncs_unasked" = sync::Unasked;
    /// Votes and proposals in others' names.
    ForgesVotes "forges_votes" = forgeries::Votes;
    /// Certificates that prove nothing.
    ForgesCertificates "forges_certificates" = forgeries::Certificates;
    /// Beats that its node key did not sign, and others' beats.
    ForgesBeats "forges_beats" = forgeries::Beats;
    /// What was said before, again.
    Replays "replays" = forgeries::Replays::default();
    /// Evidence that proves nothing, against honest keys.
    Frames "frames" = frames::Frames::default();
    /// Questions, pieces and bytes that are no messages, as many as it can.
    Floods "floods" = flood::Messages;
    /// Valid transactions, as many as it can.
    FloodsPools "floods_pools" = flood::Pools::default();
}
