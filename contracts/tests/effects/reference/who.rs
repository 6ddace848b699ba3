//! Who holds which role in a case: looked for in all reports, from the last one back.

use super::{Reference, Told, deviation};
use laufzettel_contracts::effect::{Addressee, EffectDeviationKind, Participant, TaskState};
use laufzettel_contracts::{AuthorityId, Code, Entry, Status, Value};

impl Reference<'_> {
    pub(super) fn addressees(&self, told: &mut Told, with: &[usize], status: &Status, entry: &Entry) {
        for (role, attribute) in &status.assigns {
            if let Some(Value::Authority(named)) = entry.report.attributes.get(attribute) {
                if self.setting.directory.holds(role, named) {
                    for task in told.effects.tasks.iter_mut().filter(|task| task.state == TaskState::Open) {
                        if task.addressee.role == *role {
                            task.addressee.authority = Some(named.clone());
                        }
                    }
                } else {
                    let kind = EffectDeviationKind::AssignedWithoutRole(role.clone());
                    told.effects.deviations.push(deviation(entry, kind));
                }
            }
        }
        let tasks = told.effects.tasks.iter_mut().filter(|task| task.state == TaskState::Open);
        let recipients = told.effects.notices.iter_mut().flat_map(|notice| &mut notice.recipients);
        for addressee in tasks.map(|task| &mut task.addressee).chain(recipients) {
            if addressee.authority.is_none() {
                addressee.authority = self.holder(with, &addressee.role);
            }
        }
    }

    pub(super) fn participant(&self, with: &[usize], role: &Code) -> Option<Participant> {
        let directory = &self.setting.directory;
        let entries = || with.iter().rev().map(|place| &self.entries[*place].0);
        let assigned = entries().find_map(|entry| {
            let status = self.definition().status(entry.report.status.as_str())?;
            let (_, attribute) = status.assigns.iter().find(|(assigned, _)| assigned == role)?;
            match entry.report.attributes.get(attribute)? {
                Value::Authority(named) if directory.holds(role, named) => Some(named.clone()),
                _ => None,
            }
        });
        let reported = || {
            entries().find_map(|entry| {
                let status = self.definition().status(entry.report.status.as_str())?;
                let under = status.reported_by.iter().filter(|role| directory.holds(role, &entry.author));
                (under.collect::<Vec<_>>() == [role]).then(|| entry.author.clone())
            })
        };
        let only = || {
            let holders: Vec<&AuthorityId> = directory.holders(role).collect();
            (holders.len() == 1).then(|| holders[0].clone())
        };
        let assigned = assigned.map(Participant::Assigned);
        assigned.or_else(|| reported().map(Participant::Reported)).or_else(|| only().map(Participant::Only))
    }

    pub(super) fn holder(&self, with: &[usize], role: &Code) -> Option<AuthorityId> {
        self.participant(with, role).map(|participant| participant.authority().clone())
    }

    pub(super) fn addressee(&self, with: &[usize], role: &Code) -> Addressee {
        Addressee { role: role.clone(), authority: self.holder(with, role) }
    }
}
