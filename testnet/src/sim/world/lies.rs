//! What liars make of what their nodes want to say. A liar's node is honest
//! code; only its messages pass through its strategies.

use std::collections::BTreeMap;
use std::sync::Arc;

use laufzettel_node::consensus::Action;
use rand::Rng as _;

use super::super::liar::{Lie, Said, Scene, Strategy, What};
use super::super::mode::Mode;
use super::{Event, World};

type Told = (Lie, Box<dyn Strategy>);

/// The strategies of all liars, and how often each lied.
pub(super) struct Liars {
    strategies: BTreeMap<usize, Vec<Told>>,
    counts: BTreeMap<Lie, u64>,
}

impl Liars {
    pub(super) fn new(mode: &Mode) -> Self {
        let of_node = |lies: &Vec<Lie>| lies.iter().map(|lie| (*lie, lie.strategy())).collect();
        Self {
            strategies: mode.liars.iter().map(|(node, lies)| (*node, of_node(lies))).collect(),
            counts: mode.liars.values().flatten().map(|lie| (*lie, 0)).collect(),
        }
    }
    /// How often each lie was told.
    pub(super) fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.counts.iter().map(|(lie, count)| (lie.name(), *count)).collect()
    }
}

impl World {
    /// Says what a lying node wants to say in its own way; what else it wants done.
    pub(super) fn speak(&mut self, node: usize, actions: Vec<Action>) -> Vec<Action> {
        let (mut said, mut rest) = (Vec::new(), Vec::new());
        for action in actions {
            match action {
                Action::Send { to, message } => {
                    let to = self.nodes_of(node, &to);
                    said.extend(to.into_iter().map(|to| Said { to, what: What::Message(Arc::clone(&message)) }));
                }
                Action::Broadcast { message } => {
                    let to = self.others(node);
                    said.extend(to.into_iter().map(|to| Said { to, what: What::Message(Arc::clone(&message)) }));
                }
                other => rest.push(other),
            }
        }
        if !said.is_empty() {
            self.with_strategies(node, |strategy, scene| {
                let lies = strategy.speak(&mut said, scene);
                (lies, Vec::new())
            });
            self.say(node, said);
        }
        rest
    }

    /// A liar says something unasked, and will again while there is chaos.
    pub(super) fn interrupt(&mut self, node: usize) {
        if !self.chaos {
            return;
        }
        let wait_ms = self.random.random_range(400..1_600);
        self.at(wait_ms, Event::Interrupt { node });
        let said = self.with_strategies(node, |strategy, scene| {
            let said = strategy.interrupt(scene);
            (said.len() as u64, said)
        });
        self.say(node, said);
    }

    fn say(&mut self, node: usize, said: Vec<Said>) {
        for Said { to, what } in said {
            let bytes = Arc::new(Said { to, what }.bytes());
            self.trace.note(self.now_ms, node, "says", &bytes);
            self.carry(node, to, &bytes);
        }
    }

    fn with_strategies(
        &mut self,
        node: usize,
        mut ask: impl FnMut(&mut dyn Strategy, &mut Scene<'_>) -> (u64, Vec<Said>),
    ) -> Vec<Said> {
        let (peers, now_ms) = (self.others(node), self.now_ms);
        let Some(replica) = self.replicas.get(node) else { return Vec::new() };
        let Some(running) = &replica.running else { return Vec::new() };
        let mut scene = Scene {
            member: &replica.member,
            members: &self.members,
            network: self.genesis.network,
            ledger: running.worker.ledger(),
            now_ms: replica.clock(now_ms),
            peers: &peers,
            hostile: &self.hostile,
            invalid: &mut self.checks.invalid,
            random: &mut self.random,
        };
        let mut all = Vec::new();
        for (lie, strategy) in self.liars.strategies.get_mut(&node).into_iter().flatten() {
            let (lies, mut said) = ask(strategy.as_mut(), &mut scene);
            *self.liars.counts.entry(*lie).or_default() += lies;
            all.append(&mut said);
        }
        all
    }
}
