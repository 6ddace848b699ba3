//! A checked process definition, as the ledger, the fold and the API read it. A value of this type has passed the
//! checker: every name in it resolves. Must never be made by anything but `Definition::check`.

use crate::legal::Length;
use crate::name::Code;
use std::collections::BTreeMap;

mod rules;
mod sources;

pub use rules::{
    Deadline, Guard, Lock, Marker, Notice, Opening, Regime, Rule, Rules, Sending, StartDay, Task, Trigger, UnknownSeat,
};
pub use sources::LockSources;

/// A language of labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// German, `de`.
    German,
    /// English, `en`.
    English,
}

/// A name for people, in both languages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels {
    /// German.
    pub de: String,
    /// English.
    pub en: String,
}

impl Labels {
    /// The label in a language.
    pub fn get(&self, language: Language) -> &str {
        match language {
            Language::German => &self.de,
            Language::English => &self.en,
        }
    }
}

/// A parallel strand of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Track {
    /// Its name.
    pub code: Code,
    /// Its field in a case's tree, 16 to 31; fixed for good.
    pub number: u8,
    /// For people.
    pub labels: Labels,
}

/// A role an authority may act in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Its name.
    pub code: Code,
    /// For people.
    pub labels: Labels,
}

/// One code of an outcome list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The code.
    pub code: Code,
    /// For people.
    pub labels: Labels,
}

/// A closed list of outcomes, in the order of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutcomeList {
    /// Its name.
    pub code: Code,
    /// Its codes.
    pub outcomes: Vec<Outcome>,
}

impl OutcomeList {
    /// The outcome of a code.
    pub fn outcome(&self, code: &Code) -> Option<&Outcome> {
        self.outcomes.iter().find(|outcome| outcome.code == *code)
    }
}

/// Whether a status tells of something meant to be done or of something that is so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An intended act. Only these can be stopped.
    Announces,
    /// A fact. Always recorded.
    Reports,
}

/// How exactly a status says when it occurred.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// A calendar day.
    Day,
    /// A millisecond.
    Instant,
}

/// One way in which a status is in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum After {
    /// Nothing was reported in the proceeding before.
    Start,
    /// Whatever was or was not reported before: says aloud what leaving `after` out says silently.
    Any,
    /// This status was reported in the proceeding before.
    Status(Code),
}

/// What an attribute may hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttributeType {
    /// A day.
    Date,
    /// One of these codes.
    Code(Vec<Code>),
    /// An authority.
    Authority,
    /// An integer within bounds, both included.
    Integer {
        /// The least.
        min: i64,
        /// The most.
        max: i64,
    },
    /// Yes or no.
    Bool,
    /// A blinded digest.
    Commitment,
}

/// An attribute of a status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// Its name.
    pub code: Code,
    /// For people.
    pub labels: Labels,
    /// What it may hold.
    pub holds: AttributeType,
    /// Whether a report without it is a deviation.
    pub required: bool,
}

/// A status, a restricted status (`ledger_as` is set) or a neutral class (`class` is true).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Its name.
    pub code: Code,
    /// For people.
    pub labels: Labels,
    /// Position in the text, from 0. Orders reports of one instant.
    pub rank: u16,
    /// Its track.
    pub track: Code,
    /// That track's number.
    pub track_number: u8,
    /// Announcement or fact.
    pub kind: Kind,
    /// Day or instant.
    pub precision: Precision,
    /// Roles that may report it.
    pub reported_by: Vec<Code>,
    /// When it is in order: if any of these holds. `None`: always.
    pub after: Option<Vec<After>>,
    /// Whether it may occur twice in a proceeding.
    pub repeatable: bool,
    /// Whether it opens the next proceeding.
    pub opens_proceeding: bool,
    /// Whether it closes its proceeding.
    pub closes: bool,
    /// The name of its outcome list.
    pub outcomes: Option<Code>,
    /// Whether a report without an outcome is a deviation.
    pub outcome_required: bool,
    /// Roles that are told.
    pub recipients: Vec<Code>,
    /// The class under which it stands on the ledger; its own code never does.
    pub ledger_as: Option<Code>,
    /// Whether it is such a class.
    pub class: bool,
    /// Its legal basis, as text.
    pub basis: String,
    /// Its attributes, in the order of the text.
    pub attributes: Vec<Attribute>,
    /// Whether its reports go first in the mempool.
    pub urgent: bool,
    /// Conditions under which a report is recorded as a deviation. This and what follows is empty in language 1.
    pub warn_if: Vec<Guard>,
    /// Conditions under which an announcement is refused, and a fact recorded as a grave deviation.
    pub block_if: Vec<Guard>,
    /// Roles of the case that a report gives to an authority, each with the attribute that names it.
    pub assigns: Vec<(Code, Code)>,
    /// How long after the case was closed its reports are kept; none: as long as the case.
    pub retention: Option<Length>,
}

impl Status {
    /// The attribute of a name.
    pub fn attribute(&self, code: &Code) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| attribute.code == *code)
    }
}

/// A checked process definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    pub(crate) language: u32,
    pub(crate) id: String,
    pub(crate) version: u32,
    pub(crate) labels: Labels,
    pub(crate) profile: Option<String>,
    pub(crate) tracks: Vec<Track>,
    pub(crate) roles: Vec<Role>,
    pub(crate) outcome_lists: Vec<OutcomeList>,
    pub(crate) statuses: Vec<Status>,
    /// Index into `statuses`, so that a fold does not search the list for every report.
    pub(crate) ranks: BTreeMap<Code, u16>,
    pub(crate) rules: Rules,
}

impl Definition {
    /// The process id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The version of the language its text is written in, from 1.
    pub fn language(&self) -> u32 {
        self.language
    }

    /// What language 2 adds; empty for a definition in language 1.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The version of the definition.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// The process's name for people.
    pub fn label(&self, language: Language) -> &str {
        self.labels.get(language)
    }

    /// The profile's id, if the text has one.
    pub fn profile(&self) -> Option<&str> {
        self.profile.as_deref()
    }

    /// All statuses in rank order, restricted ones and classes included.
    pub fn statuses(&self) -> &[Status] {
        &self.statuses
    }

    /// The status of a code.
    pub fn status(&self, code: &str) -> Option<&Status> {
        let rank = self.ranks.get(code)?;
        self.statuses.get(usize::from(*rank))
    }

    /// All tracks by number.
    pub fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    /// The track of a status.
    pub fn track_of(&self, status: &str) -> Option<&Track> {
        let number = self.status(status)?.track_number;
        self.tracks.iter().find(|track| track.number == number)
    }

    /// All roles, in the order of the text.
    pub fn roles(&self) -> &[Role] {
        &self.roles
    }

    /// The role of a code.
    pub fn role(&self, code: &str) -> Option<&Role> {
        self.roles.iter().find(|role| role.code.as_str() == code)
    }

    /// All outcome lists, in the order of the text.
    pub fn outcome_lists(&self) -> &[OutcomeList] {
        &self.outcome_lists
    }

    /// The outcome list of a name.
    pub fn outcome_list(&self, code: &str) -> Option<&OutcomeList> {
        self.outcome_lists.iter().find(|list| list.code.as_str() == code)
    }

    /// The outcomes a status may have.
    pub fn outcomes_of(&self, status: &Status) -> Option<&OutcomeList> {
        self.outcome_list(status.outcomes.as_ref()?.as_str())
    }
}
