//! What a history keeps and tells, and why it refuses: data only. Must never decide anything.

use crate::effect::given::{Addressee, Cause, EffectId, EffectKind};
use crate::name::{AuthorityId, Code};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// That a task was completed by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// By whom.
    pub by: AuthorityId,
    /// How: one of the task's outcomes.
    pub outcome: Code,
    /// When, in milliseconds of block time.
    pub at_ms: u64,
}

/// What is kept of one effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    /// What it is.
    pub kind: EffectKind,
    /// Its name in the definition.
    pub name: Code,
    /// The rule that made it.
    pub rule: Code,
    /// Why that rule ran.
    pub cause: Cause,
    /// Its place among what the rule makes for one cause.
    pub occurrence: u32,
    /// Block time in milliseconds at which it first arose. It does not change if the effect goes and comes back.
    pub first_seen_ms: u64,
    /// Since when it is withdrawn.
    pub withdrawn_ms: Option<u64>,
    /// Of a lock that stands: since when it does so again, after it had been gone or released; none if it never was.
    pub again_ms: Option<u64>,
    /// Whether it was not over yet when last seen: a lock stood, a task was open, a deadline ran, a marker was set.
    pub stood: bool,
    /// Whether it is told before all else: locks and urgent notices.
    pub urgent: bool,
    /// Everybody to whom it was shown.
    pub told: BTreeSet<Addressee>,
    /// By authority, when it acknowledged: a notice, the withdrawal of a lock that stood, or that a lock stands again.
    pub acknowledged: BTreeMap<AuthorityId, u64>,
    /// Of a task, how it was completed.
    pub completion: Option<Completion>,
}

impl Past {
    /// Whether those who were told of it have to acknowledge what became of it: a lock that stood is gone, or one that had
    /// ended stands again.
    pub fn asks(&self) -> bool {
        self.kind == EffectKind::Lock && self.stood && (self.withdrawn_ms.is_some() || self.again_ms.is_some())
    }
}

/// An effect that came, went or is shown to others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its name.
    pub id: EffectId,
    /// What it is.
    pub kind: EffectKind,
    /// Its name in the definition.
    pub name: Code,
    /// Who is to be told of the change: for one that arose or returned, those it is for; for one withdrawn, all who had
    /// been told of it; for one readdressed, those who had not been.
    pub told: Vec<Addressee>,
    /// Whether that goes before all else.
    pub urgent: bool,
    /// Whether they have to acknowledge the change.
    pub acknowledge: bool,
}

/// What one fold changed. Each list has locks first, then notices, tasks, deadlines, markers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Never there before.
    pub arose: Vec<Change>,
    /// Given no longer. That a lock which stood is gone without having been released is urgent and to be acknowledged.
    pub withdrawn: Vec<Change>,
    /// Given again; or a lock that had been released and stands again. Of a lock it is to be acknowledged.
    pub returned: Vec<Change>,
    /// Shown to more than before, since who holds a role has become known or has changed.
    pub readdressed: Vec<Change>,
    /// How many effects are not remembered, and so not told, since the history is full.
    pub dropped: u32,
}

/// Why an acknowledgement or a completion is not recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum HistoryRefusal {
    /// The case has no such effect.
    EffectUnknown,
    /// It is no notice that demands an acknowledgement, and no withdrawal of a lock that does.
    NothingToAcknowledge,
    /// The authority is none of those it was sent to.
    NotRecipient,
    /// It has acknowledged before.
    AlreadyAcknowledged,
    /// It is no task.
    NotATask,
    /// The task is done, closed or withdrawn.
    TaskNotOpen,
    /// The task is another authority's, or for a role that the authority does not hold.
    NotOwner,
    /// The task has no such outcome.
    OutcomeUnknown,
}

impl HistoryRefusal {
    /// Its stable name.
    pub fn reason(self) -> &'static str {
        match self {
            Self::EffectUnknown => "EFFECT_UNKNOWN",
            Self::NothingToAcknowledge => "NOTHING_TO_ACKNOWLEDGE",
            Self::NotRecipient => "NOT_RECIPIENT",
            Self::AlreadyAcknowledged => "ALREADY_ACKNOWLEDGED",
            Self::NotATask => "NOT_A_TASK",
            Self::TaskNotOpen => "TASK_NOT_OPEN",
            Self::NotOwner => "NOT_OWNER",
            Self::OutcomeUnknown => "TASK_OUTCOME_UNKNOWN",
        }
    }
}

impl fmt::Display for HistoryRefusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.reason())
    }
}

impl std::error::Error for HistoryRefusal {}
