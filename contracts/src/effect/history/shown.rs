//! To whom each effect of a fold is shown. Must never hold what outlives a fold.

use crate::definition::Lock;
use crate::effect::World;
use crate::effect::given::{Addressee, EffectKind, Effects, Origin, Participant, TaskState};
use crate::effect::one::One;
use crate::name::{AuthorityId, Code};
use std::collections::BTreeSet;

/// An effect as a fold gives it, with what a history keeps.
pub(super) struct Present<'e> {
    pub(super) origin: &'e Origin,
    pub(super) kind: EffectKind,
    pub(super) name: &'e Code,
    pub(super) stands: bool,
    pub(super) urgent: bool,
    pub(super) acknowledge: bool,
    pub(super) shown: Shown<'e>,
}

/// To whom an effect is shown.
#[derive(Clone, Copy)]
pub(super) enum Shown<'e> {
    /// To those it was made for.
    To(&'e [Addressee]),
    /// To those who hold these roles in the case now.
    Roles(&'e [Code]),
    /// To those who may announce or report what this stops or alarms: they have to know.
    Lock(&'e Lock),
}

impl Shown<'_> {
    /// Visits everybody, some more than once.
    fn visit(self, world: &World<'_>, effects: &Effects, visit: &mut dyn FnMut(&Code, Option<&AuthorityId>)) {
        let mut role = |role: &Code| {
            let known = effects.participants.get(role).map(Participant::authority);
            visit(role, known);
        };
        match self {
            Self::To(all) => all.iter().for_each(|one| visit(&one.role, one.authority.as_ref())),
            Self::Roles(roles) => roles.iter().for_each(role),
            Self::Lock(lock) => {
                let statuses = lock.stops.iter().chain(&lock.alarms);
                let statuses = statuses.filter_map(|code| world.definition.status(code.as_str()));
                statuses.flat_map(|status| &status.reported_by).for_each(&mut role);
            }
        }
    }

    /// Everybody who is not among those told already.
    pub(super) fn besides(self, world: &World<'_>, effects: &Effects, told: &BTreeSet<Addressee>) -> Vec<Addressee> {
        let mut more = BTreeSet::new();
        self.visit(world, effects, &mut |role, authority| {
            if !told.iter().any(|one| one.role == *role && one.authority.as_ref() == authority) {
                more.insert(Addressee { role: role.clone(), authority: authority.cloned() });
            }
        });
        more.into_iter().collect()
    }
}

/// All effects of a fold: locks first, then notices, tasks, deadlines, markers.
pub(super) fn present<'e>(world: &World<'e>, effects: &'e Effects) -> impl Iterator<Item = Present<'e>> {
    One::all(effects).map(move |(_, one)| present_one(world, one))
}

/// One effect of a fold.
pub(super) fn present_one<'e>(world: &World<'e>, one: One<'e>) -> Present<'e> {
    let rules = world.definition.rules();
    match one {
        One::Lock(lock) => {
            let shown = rules.lock(lock.lock.as_str()).map_or(Shown::To(&[]), Shown::Lock);
            let plain = of(one, &lock.lock, lock.released_by.is_none(), shown);
            Present { urgent: true, ..plain }
        }
        One::Notice(notice) => {
            let acknowledge = notice.acknowledge_until_ms.is_some();
            let plain = of(one, &notice.notice, true, Shown::To(&notice.recipients));
            Present { urgent: notice.urgent, acknowledge, ..plain }
        }
        One::Task(task) => {
            let open = task.state == TaskState::Open;
            of(one, &task.task, open, Shown::To(std::slice::from_ref(&task.addressee)))
        }
        One::Deadline(deadline) => {
            let roles = rules.deadline(deadline.deadline.as_str()).map_or(&[][..], |rule| &rule.watched_by);
            of(one, &deadline.deadline, deadline.state.runs(), Shown::Roles(roles))
        }
        One::Marker(marker) => {
            let roles = rules.marker(marker.marker.as_str()).map_or(&[][..], |rule| &rule.audience);
            of(one, &marker.marker, marker.cleared_by.is_none(), Shown::Roles(roles))
        }
    }
}

fn of<'e>(one: One<'e>, name: &'e Code, stands: bool, shown: Shown<'e>) -> Present<'e> {
    Present { origin: one.origin(), kind: one.kind(), name, stands, urgent: false, acknowledge: false, shown }
}
