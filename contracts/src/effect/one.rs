//! One effect of any kind, as a fold gives it. Must never hold what outlives a fold.

use super::given::{DeadlineEffect, EffectKind, Effects, LockEffect, MarkerEffect, NoticeEffect, Origin, TaskEffect};
use super::shared::{Handle, Shared};

/// An effect of any kind.
#[derive(Debug, Clone, Copy)]
pub enum One<'e> {
    /// A stop on announcements.
    Lock(&'e Shared<LockEffect>),
    /// Information.
    Notice(&'e Shared<NoticeEffect>),
    /// Work.
    Task(&'e Shared<TaskEffect>),
    /// A period.
    Deadline(&'e Shared<DeadlineEffect>),
    /// What was computed.
    Marker(&'e Shared<MarkerEffect>),
}

impl<'e> One<'e> {
    /// All effects of a fold, each with its place among those of its kind: locks first, then notices, tasks, deadlines,
    /// markers.
    pub fn all(effects: &'e Effects) -> impl Iterator<Item = (u32, Self)> {
        let locks = (0u32..).zip(effects.locks.iter().map(Self::Lock));
        let notices = (0u32..).zip(effects.notices.iter().map(Self::Notice));
        let tasks = (0u32..).zip(effects.tasks.iter().map(Self::Task));
        let deadlines = (0u32..).zip(effects.deadlines.iter().map(Self::Deadline));
        let markers = (0u32..).zip(effects.markers.iter().map(Self::Marker));
        locks.chain(notices).chain(tasks).chain(deadlines).chain(markers)
    }

    /// Those that may have changed since the fold was settled last, in the order of [`One::all`].
    pub fn changed(effects: &'e Effects) -> impl Iterator<Item = (u32, Self)> {
        let locks = effects.locks.lent().map(|(place, one)| (place, Self::Lock(one)));
        let notices = effects.notices.lent().map(|(place, one)| (place, Self::Notice(one)));
        let tasks = effects.tasks.lent().map(|(place, one)| (place, Self::Task(one)));
        let deadlines = effects.deadlines.lent().map(|(place, one)| (place, Self::Deadline(one)));
        let markers = effects.markers.lent().map(|(place, one)| (place, Self::Marker(one)));
        let all = locks.chain(notices).chain(tasks).chain(deadlines).chain(markers);
        all.map(|(place, one)| (u32::try_from(place).unwrap_or(u32::MAX), one))
    }

    /// The one of a kind at a place.
    pub fn at(effects: &'e Effects, kind: EffectKind, place: u32) -> Option<Self> {
        let place = usize::try_from(place).ok()?;
        match kind {
            EffectKind::Lock => effects.locks.get(place).map(Self::Lock),
            EffectKind::Notice => effects.notices.get(place).map(Self::Notice),
            EffectKind::Task => effects.tasks.get(place).map(Self::Task),
            EffectKind::Deadline => effects.deadlines.get(place).map(Self::Deadline),
            EffectKind::Marker => effects.markers.get(place).map(Self::Marker),
        }
    }

    /// What it is.
    pub fn kind(self) -> EffectKind {
        match self {
            Self::Lock(_) => EffectKind::Lock,
            Self::Notice(_) => EffectKind::Notice,
            Self::Task(_) => EffectKind::Task,
            Self::Deadline(_) => EffectKind::Deadline,
            Self::Marker(_) => EffectKind::Marker,
        }
    }

    /// Where it comes from.
    pub fn origin(self) -> &'e Origin {
        match self {
            Self::Lock(lock) => &lock.origin,
            Self::Notice(notice) => &notice.origin,
            Self::Task(task) => &task.origin,
            Self::Deadline(deadline) => &deadline.origin,
            Self::Marker(marker) => &marker.origin,
        }
    }

    /// To know it again.
    pub fn handle(self) -> Handle {
        match self {
            Self::Lock(lock) => lock.handle(),
            Self::Notice(notice) => notice.handle(),
            Self::Task(task) => task.handle(),
            Self::Deadline(deadline) => deadline.handle(),
            Self::Marker(marker) => marker.handle(),
        }
    }

    /// Whether it is the very one of a handle, and has not changed since.
    pub fn is_same(self, handle: &Handle) -> bool {
        match self {
            Self::Lock(lock) => handle.is_of(lock),
            Self::Notice(notice) => handle.is_of(notice),
            Self::Task(task) => handle.is_of(task),
            Self::Deadline(deadline) => handle.is_of(deadline),
            Self::Marker(marker) => handle.is_of(marker),
        }
    }
}
