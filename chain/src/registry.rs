//! The members of the network as the state knows them: authorities, keys,
//! definitions, calendars, parameters and validators. Changes take effect one
//! height later. In protocol version 1 there are none after genesis; in version
//! 2 definitions and calendars change by vote ([`Registry::following`]).

use std::collections::BTreeMap;
use std::sync::Arc;

use laufzettel_contracts::effect::Directory;
use laufzettel_contracts::{Calendars, Code, Definition};

use crate::codec::Writer;
use crate::crypto::{self, VerifyingKey};
use crate::ids::{Height, KeyId};
use crate::item::Action;
use crate::receipt;
use crate::state::governance::Register;
use crate::validators::ValidatorSet;

pub(crate) mod adopted;

/// What a key may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// A case system or the node on its behalf.
    Service,
    /// A person.
    Person,
    /// A person who votes.
    Governance,
    /// Consensus votes.
    Consensus,
    /// The node's identity towards its peers.
    Node,
}

impl Purpose {
    /// From its name in the genesis file.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "service" => Self::Service,
            "person" => Self::Person,
            "governance" => Self::Governance,
            "consensus" => Self::Consensus,
            "node" => Self::Node,
            _ => return None,
        })
    }
    fn code(self) -> u8 {
        match self {
            Self::Service => 1,
            Self::Person => 2,
            Self::Governance => 3,
            Self::Consensus => 4,
            Self::Node => 5,
        }
    }
}

/// A registered key. Keys are kept for ever, so that old signatures verify.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The authority it belongs to.
    pub authority: String,
    /// What it may be used for.
    pub purpose: Purpose,
    /// The public key.
    pub public: VerifyingKey,
    /// First height at which it counts.
    pub from: Height,
    /// Last height at which it counts; none while it is in use.
    pub until: Option<Height>,
}

impl Key {
    /// Whether it counts for blocks of this height.
    #[must_use]
    pub fn counts_at(&self, height: Height) -> bool {
        self.from <= height && self.until.is_none_or(|until| height <= until)
    }
    pub(crate) fn write(&self, out: &mut Writer) {
        out.str(&self.authority);
        out.u8(self.purpose.code());
        out.u8(crypto::ALGORITHM_ED25519);
        out.raw(self.public.as_bytes());
        out.u64(self.from);
        out.opt(self.until.as_ref());
    }
}

/// A member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    /// German name.
    pub label_de: String,
    /// English name.
    pub label_en: String,
    /// Roles it may act in.
    pub roles: Vec<Code>,
    /// The authority whose node hosts it: itself, or another.
    pub hosted_by: String,
}

impl Authority {
    pub(crate) fn write(&self, out: &mut Writer) {
        out.str(&self.label_de);
        out.str(&self.label_en);
        out.length(self.roles.len());
        for role in &self.roles {
            out.str(role.as_str());
        }
        out.str(&self.hosted_by);
    }
}

/// Consensus timeouts in milliseconds: base, step a round, and the cap of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameters {
    /// Propose timeout of round 0.
    pub propose_ms: u64,
    /// Added to it a round.
    pub propose_step_ms: u64,
    /// Prevote and precommit timeout of round 0.
    pub vote_ms: u64,
    /// Added to it a round.
    pub vote_step_ms: u64,
    /// No timeout is longer.
    pub cap_ms: u64,
    /// Held votes are sent again after this time.
    pub rebroadcast_ms: u64,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            propose_ms: 400,
            propose_step_ms: 200,
            vote_ms: 150,
            vote_step_ms: 100,
            cap_ms: 10_000,
            rebroadcast_ms: 1_000,
        }
    }
}

impl Parameters {
    pub(crate) fn write(&self, out: &mut Writer) {
        for value in
            [self.propose_ms, self.propose_step_ms, self.vote_ms, self.vote_step_ms, self.cap_ms, self.rebroadcast_ms]
        {
            out.u64(value);
        }
    }
}

/// Everything the state knows about members and rules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Registry {
    /// Protocol version in force: what headers say, and which actions there are.
    pub protocol: u16,
    /// Holidays and seats by which the next block counts; none in protocol version 1.
    pub calendars: Option<Arc<Calendars>>,
    /// Calendars by the height of the block after which they count, ascending; those of genesis first, with 0.
    pub calendars_since: Vec<(Height, Arc<Calendars>)>,
    /// Proposals and what was adopted by vote.
    pub register: Arc<Register>,
    /// Moves of cases that have begun, by the id and version that the cases come from.
    pub moves: BTreeMap<(String, u32), Move>,
    /// Which authorities hold which roles.
    pub directory: Arc<Directory>,
    /// Members by id.
    pub authorities: BTreeMap<String, Authority>,
    /// Keys by id.
    pub keys: BTreeMap<KeyId, Key>,
    /// Adopted definitions by id and version.
    pub definitions: BTreeMap<(String, u32), Arc<Definition>>,
    /// Who votes.
    pub validators: ValidatorSet,
    /// Consensus timeouts.
    pub parameters: Parameters,
}

/// That the cases of one version of a definition stand under another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// The version they move to.
    pub to: u32,
    /// The first height at which new cases were opened under that version.
    pub effective: Height,
    /// The block after which a case moves when it is written next.
    pub since: Height,
    /// New status by old one.
    pub statuses: Arc<BTreeMap<Code, Code>>,
}

impl Registry {
    /// The next version that a case of a version moves to when the block of a height writes it.
    #[must_use]
    pub fn moved(&self, id: &str, version: u32, height: Height) -> Option<&Move> {
        self.moves.get(&(id.to_owned(), version)).filter(|next| next.since < height)
    }
    /// The version that a case of a version stands under in the block of a height.
    #[must_use]
    pub fn version_at(&self, id: &str, mut version: u32, height: Height) -> u32 {
        // Versions only rise: the way ends.
        while let Some(next) = self.moved(id, version, height).filter(|next| next.to > version) {
            version = next.to;
        }
        version
    }
    /// The status of a report recorded at a height, as the version names it under which its case, opened at another
    /// height, stands by now.
    #[must_use]
    pub fn renamed(&self, id: &str, version: u32, (opened, recorded): (Height, Height), status: &Code) -> Code {
        let (mut way, mut to) = (Vec::new(), version);
        while let Some(((_, from), last)) = self.moves.iter().find(|((of, _), last)| of == id && last.to == to) {
            if opened >= last.effective || *from >= to {
                break;
            }
            way.push(last);
            to = *from;
        }
        let (mut status, mut since) = (status.clone(), 0);
        for next in way.into_iter().rev() {
            since = next.since.max(since);
            if recorded <= since {
                status = next.statuses.get(&status).cloned().unwrap_or(status);
            }
        }
        status
    }
    /// A definition by id and version.
    #[must_use]
    pub fn definition(&self, id: &str, version: u32) -> Option<&Arc<Definition>> {
        self.definitions.get(&(id.to_owned(), version))
    }
    /// Authorities that this authority's node hosts, itself included.
    pub fn hosted_by<'a>(&'a self, authority: &'a str) -> impl Iterator<Item = &'a str> {
        let hosted = self.authorities.iter().filter(move |(_, member)| member.hosted_by == authority);
        hosted.map(|(id, _)| id.as_str())
    }
    /// Keys for a purpose that are in use, by authority.
    #[must_use]
    pub fn keys_in_use(&self, purpose: Purpose) -> BTreeMap<String, Vec<VerifyingKey>> {
        let mut found: BTreeMap<String, Vec<VerifyingKey>> = BTreeMap::new();
        for key in self.keys.values().filter(|key| key.purpose == purpose && key.until.is_none()) {
            found.entry(key.authority.clone()).or_default().push(key.public);
        }
        found
    }
    /// The key of an authority for a purpose that is in use.
    #[must_use]
    pub fn key_of(&self, authority: &str, purpose: Purpose) -> Option<(&KeyId, &Key)> {
        self.keys.iter().find(|(_, key)| key.authority == authority && key.purpose == purpose && key.until.is_none())
    }
    /// The roles an authority may act in.
    #[must_use]
    pub fn roles(&self, authority: &str) -> &[Code] {
        self.authorities.get(authority).map_or(&[], |authority| authority.roles.as_slice())
    }
    /// The newest version of a definition there is, in force or not.
    #[must_use]
    pub fn newest(&self, id: &str) -> Option<&Arc<Definition>> {
        let of_id = self.definitions.range((id.to_owned(), 0)..=(id.to_owned(), u32::MAX));
        of_id.last().map(|(_, definition)| definition)
    }
    /// The calendars by which the block of a height counts; none in protocol version 1.
    #[must_use]
    pub fn calendars_at(&self, height: Height) -> Option<&Arc<Calendars>> {
        self.calendars_since.iter().rev().find(|(since, _)| *since < height).map(|(_, calendars)| calendars)
    }
    /// The definition under which an authority may open a case in the block of a height: one in which it has a role.
    /// Where a newer one was adopted by vote and is in force, an older one is not for new cases.
    ///
    /// # Errors
    /// There is no such definition, it is not in force yet or not any more, or the authority has no role in it.
    pub fn may_open(
        &self,
        authority: &str,
        id: &str,
        version: u32,
        height: Height,
    ) -> Result<&Arc<Definition>, receipt::Code> {
        let definition = self.definition(id, version).filter(|_| !self.register.is_ahead(id, version, height));
        let definition = definition.ok_or(receipt::Code::DefinitionUnknown)?;
        if self.register.in_force(id, height).is_some_and(|newest| version < newest) {
            return Err(receipt::Code::DefinitionSuperseded);
        }
        let entitled = self.roles(authority).iter().any(|role| definition.role(role.as_str()).is_some());
        if entitled { Ok(definition) } else { Err(receipt::Code::RoleNotEntitled) }
    }
    /// Whether a key is that of a second person: one of a person, where another one that may submit signed, too.
    pub fn is_second(&self, second: &KeyId, signed: &[KeyId]) -> bool {
        let purpose = |id: &KeyId| self.keys.get(id).map(|key| key.purpose);
        let mut others = signed.iter().filter(|id| *id != second);
        signed.contains(second)
            && purpose(second) == Some(Purpose::Person)
            && others.any(|id| matches!(purpose(id), Some(Purpose::Service | Purpose::Person)))
    }
    /// Whether one of these keys is for submitting this action: a case system's or a person's, for changes by vote a
    /// person's who votes. A node reports what it saw others sign, and nothing else.
    pub fn may_submit(&self, keys: impl IntoIterator<Item = KeyId>, action: &Action) -> bool {
        let mut purposes = keys.into_iter().filter_map(|id| self.keys.get(&id)).map(|key| key.purpose);
        match action {
            Action::Evidence(_) => purposes.any(|purpose| matches!(purpose, Purpose::Node | Purpose::Service)),
            Action::Propose(_) | Action::Vote { .. } => purposes.any(|purpose| purpose == Purpose::Governance),
            Action::OpenCase { .. }
            | Action::Report(_)
            | Action::Correct { .. }
            | Action::Retract { .. }
            | Action::CompleteTask { .. }
            | Action::Acknowledge { .. }
            | Action::ClearanceCheck { .. } => {
                purposes.any(|purpose| matches!(purpose, Purpose::Service | Purpose::Person))
            }
        }
    }
}
