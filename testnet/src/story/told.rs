//! Who is told of a motion, read off the process itself in the plainest way: who reports or gets its status, who may report
//! what the lock stops, marks or is ended by, and whom its notice names. Must never ask a node.

use laufzettel_chain::genesis::Genesis;
use laufzettel_contracts::{Code, Definition};

use super::urgent::Motion;
use crate::cluster::Fault;

/// What one authority is to see of a motion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Told {
    /// The lock.
    pub(super) lock: bool,
    /// The urgent notice.
    pub(super) notice: bool,
}

impl Told {
    /// What an authority is to see. In the stories' network each role is held by one authority.
    pub(super) fn of(genesis: &Genesis, motion: &Motion, authority: &str) -> Result<Self, Fault> {
        let definition = genesis.registry.definition("asyl-de", 2).ok_or("the network has no asyl-de@2")?;
        let roles = &genesis.registry.authorities.get(authority).ok_or("no such authority")?.roles;
        let has = |role: &Code| roles.iter().any(|own| own == role);
        Ok(Self { lock: lock(definition, motion, has)?, notice: notice(definition, motion, has) })
    }
    /// Whether the motion is none of its business.
    pub(super) fn is_nothing(self) -> bool {
        !self.lock && !self.notice
    }
}

fn lock(definition: &Definition, motion: &Motion, has: impl Fn(&Code) -> bool) -> Result<bool, Fault> {
    let status = definition.status(motion.status).ok_or("no such status")?;
    let lock = definition.rules().lock(motion.lock).ok_or("no such lock")?;
    let ends = definition.rules().rules.iter().filter(|rule| rule.unlock.contains(&lock.code));
    let acts = lock.stops.iter().chain(&lock.alarms).chain(ends.filter_map(|rule| rule.on.status()));
    let mut acts = acts.filter_map(|code| definition.status(code.as_str()));
    let is_told = status.reported_by.iter().chain(&status.recipients).any(&has);
    Ok(is_told || acts.any(|act| act.reported_by.iter().any(&has)))
}

fn notice(definition: &Definition, motion: &Motion, has: impl Fn(&Code) -> bool) -> bool {
    let caused = |status: Option<&Code>| status.is_some_and(|status| status.as_str() == motion.status);
    let rules = definition.rules().rules.iter().filter(|rule| caused(rule.on.status()));
    let mut sent = rules.flat_map(|rule| &rule.notify).filter(|sending| sending.notice.as_str() == motion.notice);
    sent.any(|sending| sending.to.iter().any(&has))
}

#[cfg(test)]
mod tests {
    use super::super::urgent::MOTIONS;
    use super::super::world::{CENTRAL, COURT, FOREIGNERS, OFFICE, POLICE, members};
    use super::*;

    /// By the table of the domain a subsequent application is the asylum office's, and no recipient of it is a court; a
    /// motion for interim relief is the court's own.
    #[test]
    fn the_court_is_told_of_its_own_motion_and_not_of_a_subsequent_application() {
        let folder = tempfile::tempdir().unwrap();
        let texts = vec![laufzettel_contracts::ASYL_DE_2.to_owned()];
        let cluster = crate::cluster::Cluster::make(&folder.path().join("network"), "told", members(), texts).unwrap();
        for motion in &MOTIONS {
            let told = |authority: &str| {
                let told = Told::of(&cluster.genesis, motion, authority).unwrap();
                (told.lock, told.notice)
            };
            assert_eq!(told(OFFICE), (true, false), "{}", motion.status);
            for enforces in [FOREIGNERS, CENTRAL, POLICE] {
                assert_eq!(told(enforces), (true, true), "{} at {enforces}", motion.status);
            }
            assert_eq!(told(COURT), (motion.by == COURT, false), "{}", motion.status);
        }
    }
}
