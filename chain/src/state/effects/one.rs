//! One effect of any kind, as the fold gives it, shared with the fold. Must never hold what is remembered of it.

use laufzettel_contracts::effect::{
    DeadlineEffect, EffectKind, Effects, LockEffect, MarkerEffect, NoticeEffect, Origin, Shared, TaskEffect,
};

/// An effect that the fold gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum One {
    Lock(Shared<LockEffect>),
    Deadline(Shared<DeadlineEffect>),
    Task(Shared<TaskEffect>),
    Notice(Shared<NoticeEffect>),
    Marker(Shared<MarkerEffect>),
}

impl One {
    /// All effects that a fold gives, each with its place among those of its kind.
    pub(crate) fn all(effects: &Effects) -> impl Iterator<Item = (u32, Self)> {
        let locks = (0u32..).zip(effects.locks.iter().cloned().map(Self::Lock));
        let deadlines = (0u32..).zip(effects.deadlines.iter().cloned().map(Self::Deadline));
        let tasks = (0u32..).zip(effects.tasks.iter().cloned().map(Self::Task));
        let notices = (0u32..).zip(effects.notices.iter().cloned().map(Self::Notice));
        let markers = (0u32..).zip(effects.markers.iter().cloned().map(Self::Marker));
        locks.chain(deadlines).chain(tasks).chain(notices).chain(markers)
    }
    pub(crate) fn kind(&self) -> EffectKind {
        match self {
            Self::Lock(_) => EffectKind::Lock,
            Self::Deadline(_) => EffectKind::Deadline,
            Self::Task(_) => EffectKind::Task,
            Self::Notice(_) => EffectKind::Notice,
            Self::Marker(_) => EffectKind::Marker,
        }
    }
    pub(crate) fn origin(&self) -> &Origin {
        match self {
            Self::Lock(lock) => &lock.origin,
            Self::Deadline(deadline) => &deadline.origin,
            Self::Task(task) => &task.origin,
            Self::Notice(notice) => &notice.origin,
            Self::Marker(marker) => &marker.origin,
        }
    }
    /// Whether it is the very same, unchanged since the other was taken. Cheap: compares no content.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Lock(one), Self::Lock(other)) => one.is_same(other),
            (Self::Deadline(one), Self::Deadline(other)) => one.is_same(other),
            (Self::Task(one), Self::Task(other)) => one.is_same(other),
            (Self::Notice(one), Self::Notice(other)) => one.is_same(other),
            (Self::Marker(one), Self::Marker(other)) => one.is_same(other),
            (_, _) => false,
        }
    }
}
