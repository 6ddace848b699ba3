//! Where there are changes by vote: all nodes are down for longer than a proposal is open, and come back. What became due
//! meanwhile is done, what was proposed and not decided has expired, and who votes then is told so. Must never touch a
//! network in which something is still to be done.

use laufzettel_chain::state::governance;

use super::super::clients::after_all;
use super::{Event, World};
use crate::fast;

/// How long all nodes are away: 30 days, for which a proposal is open, and an hour.
const AWAY_MS: u64 = 30 * 24 * 3_600_000 + 3_600_000;
/// How much older than the clock the newest block of a network that is back may be.
const BEHIND_MS: u64 = 70_000;

impl World {
    /// The version under which a late client opens its case: the one in force, or every third time the first one.
    pub(super) fn version_of(&self, client: usize) -> u32 {
        let register = self.replicas.iter().enumerate().find_map(|(node, replica)| {
            let running = replica.running.as_ref().filter(|_| !self.mode.is_faulty(node))?;
            let next = running.driver.tip().height().saturating_add(1);
            Some((governance::register(running.store.as_ref()).ok()??, next))
        });
        let in_force = register.and_then(|(register, next)| register.in_force(fast::ID, next));
        in_force.filter(|_| !client.is_multiple_of(3)).unwrap_or(1)
    }

    /// Whether the network was away and is back, and a last client was let in; else sees to that.
    pub(super) fn comes_back(&mut self) -> bool {
        if !self.mode.votes {
            return true;
        }
        let Some(back_ms) = self.back_ms else {
            for node in 0..self.nodes() {
                if let Some(replica) = self.replicas.get_mut(node) {
                    replica.set_back = false;
                }
                self.stop(node);
                self.at(AWAY_MS, Event::Restart { node });
            }
            self.back_ms = Some(self.now_ms.saturating_add(AWAY_MS));
            return false;
        };
        let first = (0..self.nodes()).find(|node| !self.mode.is_faulty(*node)).unwrap_or(0);
        let newest_ms = self.running(first).map_or(0, |running| running.driver.tip().header.time_ms);
        if newest_ms.saturating_add(BEHIND_MS) < back_ms {
            return false;
        }
        let number = self.mode.clients() + self.late;
        self.late += 1;
        let fresh = self
            .unwanted
            .and_then(|unwanted| after_all(number, self.now_ms, self.genesis.network, &self.members, unwanted));
        if let (Some(client), Some(fresh)) = (self.clients.get_mut(number), fresh) {
            *client = fresh;
        }
        self.at(1, Event::Submit { client: number });
        false
    }
}
