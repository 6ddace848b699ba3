//! The proposer order (design 7.4): the validators by address, rotated by
//! height, those who failed to propose moved to the end for a while.

use crate::codec::{Canonical, CodecError, Reader, Writer};
use crate::crypto::Hash;
use crate::ids::{Address, Height};
use crate::limits::{SKIP_MEMORY_HEIGHTS, VALIDATORS_MAX};
use crate::validators::ValidatorSet;

/// No deferral is longer than 2^this times the number of validators.
const LEVEL_MAX: u32 = 10;

/// The rules of turns: what the hash of the validators covers, and who is put off after a block. Every node has
/// [`Turns::PROTOCOL`]; they are a value only so that the simulator can show that it notices other ones.
#[derive(Debug, Clone, Copy)]
pub struct Turns {
    /// `validators_hash` of these validators, who propose in this order.
    pub hash: fn(&ValidatorSet, &[Address]) -> Hash,
    /// The order after a block of this round and proposer.
    pub after: fn(&ProposerOrder, &ValidatorSet, u32, &Address) -> ProposerOrder,
}

impl Turns {
    /// The protocol's rules.
    pub const PROTOCOL: Self = Self { hash: |validators, _| validators.hash(), after: ProposerOrder::after };
}

/// What is remembered of a validator that was skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Skip {
    address: Address,
    last: Height,
    level: u32,
    since: Height,
    until: Height,
}

/// Who was skipped lately. Part of the state; written with every block, so
/// that every height has a tree of its own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProposerOrder {
    height: Height,
    skips: Vec<Skip>,
}

impl ProposerOrder {
    /// The order of the next height: round r belongs to `order[r mod n]`.
    #[must_use]
    pub fn next(&self, validators: &ValidatorSet) -> Vec<Address> {
        let height = self.height.saturating_add(1);
        let mut order: Vec<Address> = validators.all().iter().map(|validator| validator.address).collect();
        let shift = usize::try_from(height.checked_rem(order.len() as u64).unwrap_or(0)).unwrap_or(0);
        order.rotate_left(shift);
        let deferred = self.deferred(height, order.len());
        // A stable sort moves the deferred to the end and keeps the rest in place.
        order.sort_by_key(|address| deferred.contains(address));
        order
    }
    /// At most f at once; the longest-deferred returns first.
    fn deferred(&self, height: Height, validators: usize) -> Vec<Address> {
        let mut deferred: Vec<&Skip> = self.skips.iter().filter(|skip| height <= skip.until).collect();
        deferred.sort_by_key(|skip| (std::cmp::Reverse(skip.since), skip.address));
        deferred.truncate(validators.saturating_sub(1).checked_div(3).unwrap_or(0));
        deferred.into_iter().map(|skip| skip.address).collect()
    }
    /// The order after a block of the next height, first proposed in this round.
    #[must_use]
    pub fn after(&self, validators: &ValidatorSet, round: u32, proposer: &Address) -> Self {
        let height = self.height.saturating_add(1);
        let order = self.next(validators);
        let mut skips = self.skips.clone();
        skips.retain(|skip| skip.address != *proposer);
        skips.retain(|skip| height <= skip.until || height.saturating_sub(skip.last) <= SKIP_MEMORY_HEIGHTS);
        let skipped = order.iter().take(usize::try_from(round).unwrap_or(usize::MAX));
        for address in skipped.filter(|address| *address != proposer) {
            match skips.iter_mut().find(|skip| skip.address == *address) {
                None => skips.push(Skip { address: *address, last: height, level: 0, since: 0, until: 0 }),
                Some(skip) => {
                    let length = (order.len() as u64).saturating_mul(1u64.checked_shl(skip.level).unwrap_or(1));
                    skip.last = height;
                    skip.level = skip.level.saturating_add(1).min(LEVEL_MAX);
                    if height > skip.until {
                        skip.since = height;
                    }
                    skip.until = height.saturating_add(length);
                }
            }
        }
        skips.sort_by_key(|skip| skip.address);
        Self { height, skips }
    }
}

impl Canonical for Skip {
    fn write(&self, out: &mut Writer) {
        self.address.write(out);
        out.u64(self.last);
        out.u32(self.level);
        out.u64(self.since);
        out.u64(self.until);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Self {
            address: Address::read(input)?,
            last: input.u64()?,
            level: input.u32()?,
            since: input.u64()?,
            until: input.u64()?,
        })
    }
}

impl Canonical for ProposerOrder {
    fn write(&self, out: &mut Writer) {
        out.u64(self.height);
        out.list(&self.skips);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Self { height: input.u64()?, skips: input.list(VALIDATORS_MAX)? })
    }
}
