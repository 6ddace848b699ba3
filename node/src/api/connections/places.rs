//! Places of clients' connections: how many there are, who has them, who is
//! turned away. A count by network address bounds strangers, who come before a
//! certificate is seen; a count by authority bounds what one client may take
//! of all. Must never wait: a place is there or it is not.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Connections in the handshake at once, from all addresses.
const HANDSHAKES_MAX: usize = 256;
/// Of these from one address.
const HANDSHAKES_PER_ADDRESS_MAX: usize = 128;
/// That clients are turned away is logged at most this often.
const TOLD_EVERY: Duration = Duration::from_secs(10);

/// How many places there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::api) struct Limits {
    /// Connections past the handshake.
    pub(in crate::api) all: usize,
    /// Connections from one network address, in the handshake or past it.
    pub(in crate::api) per_address: usize,
    /// Connections of one authority, past the handshake.
    pub(in crate::api) per_authority: usize,
}

/// Connections of one address.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct OfAddress {
    handshakes: usize,
    open: usize,
}

#[derive(Debug, Default)]
struct Counts {
    handshakes: usize,
    open: usize,
    addresses: BTreeMap<IpAddr, OfAddress>,
    authorities: BTreeMap<String, usize>,
    turned_away: u64,
    told: Option<Instant>,
}

impl Counts {
    fn of_address(&mut self, address: IpAddr, change: impl FnOnce(&mut OfAddress)) {
        let of_address = self.addresses.entry(address).or_default();
        change(of_address);
        if *of_address == OfAddress::default() {
            self.addresses.remove(&address);
        }
    }
}

#[derive(Debug)]
struct Shared {
    limits: Limits,
    counts: Mutex<Counts>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn turned_away(&self, address: &IpAddr, reason: &str) {
        let mut counts = self.lock();
        counts.turned_away = counts.turned_away.saturating_add(1);
        if counts.told.is_none_or(|told| told.elapsed() >= TOLD_EVERY) {
            let turned_away = std::mem::take(&mut counts.turned_away);
            counts.told = Some(Instant::now());
            drop(counts);
            tracing::warn!(%address, reason, turned_away, "clients are turned away; see api.connections_* in the configuration");
        }
    }
}

/// All places of one listener.
#[derive(Debug, Clone)]
pub(super) struct Places(Arc<Shared>);

/// A place in the handshake.
#[derive(Debug)]
pub(super) struct Knock {
    shared: Arc<Shared>,
    address: IpAddr,
}

/// A place past the handshake.
#[derive(Debug)]
pub(super) struct Place {
    shared: Arc<Shared>,
    address: IpAddr,
    authority: String,
}

/// What is counted as one address: of IPv6 the network, since a host has its pick of the rest.
fn counted(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
        v4 @ IpAddr::V4(_) => v4,
    }
}

impl Places {
    pub(super) fn new(limits: Limits) -> Self {
        Self(Arc::new(Shared { limits, counts: Mutex::default() }))
    }
    /// A place in the handshake, if there is one.
    pub(super) fn knock(&self, address: IpAddr) -> Option<Knock> {
        let address = counted(address);
        let mut counts = self.0.lock();
        let of_address = counts.addresses.get(&address).copied().unwrap_or_default();
        let free = counts.handshakes < HANDSHAKES_MAX
            && of_address.handshakes < HANDSHAKES_PER_ADDRESS_MAX
            && of_address.handshakes.saturating_add(of_address.open) < self.0.limits.per_address;
        if !free {
            return None;
        }
        counts.handshakes = counts.handshakes.saturating_add(1);
        counts.of_address(address, |of| of.handshakes = of.handshakes.saturating_add(1));
        Some(Knock { shared: self.0.clone(), address })
    }
    /// Counts a client that found no place, and tells the log now and then.
    pub(super) fn turned_away(&self, address: &IpAddr, reason: &str) {
        self.0.turned_away(address, reason);
    }
}

impl Knock {
    pub(super) fn address(&self) -> IpAddr {
        self.address
    }
    /// Changes the place in the handshake for one past it; none if there is none for this authority.
    pub(super) fn enter(self, authority: String) -> Option<Place> {
        let mut counts = self.shared.lock();
        let of_authority = counts.authorities.get(&authority).copied().unwrap_or(0);
        let (full, greedy) = (counts.open >= self.shared.limits.all, of_authority >= self.shared.limits.per_authority);
        if full || greedy {
            drop(counts);
            let reason = if full { "all places are taken" } else { "its authority has all the places it may have" };
            self.shared.turned_away(&self.address, reason);
            return None;
        }
        counts.open = counts.open.saturating_add(1);
        counts.of_address(self.address, |of| of.open = of.open.saturating_add(1));
        counts.authorities.insert(authority.clone(), of_authority.saturating_add(1));
        drop(counts);
        Some(Place { shared: self.shared.clone(), address: self.address, authority })
    }
}

impl Drop for Knock {
    fn drop(&mut self) {
        let mut counts = self.shared.lock();
        counts.handshakes = counts.handshakes.saturating_sub(1);
        counts.of_address(self.address, |of| of.handshakes = of.handshakes.saturating_sub(1));
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.shared.lock();
        counts.open = counts.open.saturating_sub(1);
        counts.of_address(self.address, |of| of.open = of.open.saturating_sub(1));
        let left = counts.authorities.get(&self.authority).copied().unwrap_or(0).saturating_sub(1);
        if left == 0 {
            counts.authorities.remove(&self.authority);
        } else {
            counts.authorities.insert(self.authority.clone(), left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn an_address_and_an_authority_have_their_share_and_get_it_back() {
        let places = Places::new(Limits { all: 4, per_address: 3, per_authority: 2 });
        let enter = |last, authority: &str| places.knock(address(last)).and_then(|knock| knock.enter(authority.into()));
        let (first, second) = (enter(1, "a"), enter(1, "a"));
        assert!(first.is_some() && second.is_some());
        assert!(enter(2, "a").is_none(), "two of one authority");
        let third = enter(1, "b");
        assert!(third.is_some() && places.knock(address(1)).is_none(), "three of one address");
        let fourth = enter(2, "b");
        assert!(fourth.is_some() && enter(3, "c").is_none(), "four of all");
        drop((first, third));
        assert!(enter(1, "a").is_some());
        drop((second, fourth));
        let counts = places.0.lock();
        assert!(counts.addresses.is_empty() && counts.authorities.is_empty(), "{counts:?}");
        assert_eq!((counts.open, counts.handshakes), (0, 0));
    }

    #[test]
    fn strangers_of_one_address_cannot_take_all_handshakes() {
        let places = Places::new(Limits { all: 9_999, per_address: 9_999, per_authority: 9_999 });
        let held: Vec<Knock> = std::iter::from_fn(|| places.knock(address(1))).collect();
        assert_eq!(held.len(), HANDSHAKES_PER_ADDRESS_MAX);
        assert!(places.knock(address(2)).is_some());
    }

    #[test]
    fn a_network_of_ipv6_is_one_address_and_a_mapped_one_is_ipv4() {
        let parse = |text: &str| counted(text.parse().unwrap());
        assert_eq!(parse("2001:db8::1"), parse("2001:db8::ffff:1"));
        assert_ne!(parse("2001:db8::1"), parse("2001:db8:0:1::1"));
        assert_eq!(parse("::ffff:192.0.2.1"), address(1));
    }
}
