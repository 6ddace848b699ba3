//! The network: one link between any two nodes, that stands or not. A lost
//! message breaks its link, as TCP does; what was under way on it is lost too.

use std::collections::{BTreeMap, BTreeSet};

/// One link.
#[derive(Debug, Clone, Copy, Default)]
struct Link {
    up: bool,
    /// Grows whenever the link breaks; a message of an earlier epoch does not arrive.
    epoch: u64,
}

/// All links.
#[derive(Debug, Default)]
pub(super) struct Links {
    links: BTreeMap<(usize, usize), Link>,
    /// One side of a partition; empty if there is none.
    apart: BTreeSet<usize>,
}

fn key(a: usize, b: usize) -> (usize, usize) {
    (a.min(b), a.max(b))
}

impl Links {
    /// The epoch of the link, if it stands.
    pub(super) fn epoch(&self, a: usize, b: usize) -> Option<u64> {
        self.links.get(&key(a, b)).filter(|link| link.up).map(|link| link.epoch)
    }
    pub(super) fn connect(&mut self, a: usize, b: usize) {
        self.links.entry(key(a, b)).or_default().up = true;
    }
    /// Breaks a link; whether it stood.
    pub(super) fn cut(&mut self, a: usize, b: usize) -> bool {
        let link = self.links.entry(key(a, b)).or_default();
        link.epoch = link.epoch.saturating_add(1);
        core::mem::replace(&mut link.up, false)
    }
    /// Sets one side of a partition apart from the others.
    pub(super) fn part(&mut self, apart: BTreeSet<usize>) {
        self.apart = apart;
    }
    /// Whether a partition lies between two nodes.
    pub(super) fn parted(&self, a: usize, b: usize) -> bool {
        self.apart.contains(&a) != self.apart.contains(&b)
    }
}
