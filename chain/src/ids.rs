//! The names of things: fixed-length ids as newtypes, so that one cannot be
//! passed for another, and the printed form of a case id (docs/FORMATS.md A.2).

use core::fmt;

use crate::codec::{Canonical, CodecError, Reader, Writer};
use crate::crypto::{self, Hash};

/// Number of a block; genesis is 0.
pub type Height = u64;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $length:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub [u8; $length]);

        impl $name {
            /// From bytes of exactly the right length.
            #[must_use]
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }
            /// From lower-case hexadecimal.
            #[must_use]
            pub fn from_hex(text: &str) -> Option<Self> {
                Self::from_slice(&data_encoding::HEXLOWER.decode(text.as_bytes()).ok()?)
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
        impl Canonical for $name {
            fn write(&self, out: &mut Writer) {
                out.raw(&self.0);
            }
            fn read(input: &mut Reader<'_>) -> Result<Self, CodecError> {
                input.array().map(Self)
            }
        }
    };
}

id!(
    /// A network: hash of its genesis file.
    NetworkId, 32
);
id!(
    /// A block: hash of its header; the value consensus agrees on.
    BlockId, 32
);
id!(
    /// A transaction, unique per authority; chosen by the client.
    TransactionId, 16
);
id!(
    /// Hash of an item's bytes.
    ItemDigest, 32
);
id!(
    /// Hash of a payload's bytes.
    PayloadDigest, 32
);
id!(
    /// A key: start of the hash of algorithm and public key.
    KeyId, 16
);
id!(
    /// A validator: the id of its consensus key.
    Address, 16
);
id!(
    /// What erasure orders and tombstones name instead of the case.
    ErasureTag, 32
);

id!(
    /// An effect of a rule: a deadline, task, notice, lock or marker of one case.
    EffectId, 16
);

impl ItemDigest {
    /// The slot of the report in this item, as said by this authority. The
    /// author is part of it: whoever copies another's pending item into an own
    /// transaction makes a report of its own and takes nothing away.
    #[must_use]
    pub fn slot(&self, authority: &str) -> Hash {
        let mut out = Writer::default();
        out.str(authority);
        crypto::hash_parts("slot", &[&out.into_bytes(), &self.0])
    }
}

impl EffectId {
    /// The id of what this rule does in this case for this cause (a slot, or
    /// the effect that caused it), for the so-many-th time, counted from 0.
    #[must_use]
    pub fn of(case: &CaseId, rule: &str, cause: &[u8], occurrence: u32) -> Self {
        let mut out = Writer::default();
        out.raw(&case.0);
        out.str(rule);
        out.bytes(cause);
        out.u32(occurrence);
        Self(first_half(&crypto::hash("effect", &out.into_bytes())))
    }
}

fn first_half(hash: &Hash) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(hash.split_at(16).0);
    half
}

impl KeyId {
    /// The id of an Ed25519 key.
    #[must_use]
    pub fn of(key: &crypto::VerifyingKey) -> Self {
        let digest = crypto::hash_parts("key", &[&[crypto::ALGORITHM_ED25519], key.as_bytes()]);
        Self(first_half(&digest))
    }
}

impl Address {
    /// The address of a validator with this consensus key.
    #[must_use]
    pub fn of(key: &crypto::VerifyingKey) -> Self {
        Self(KeyId::of(key).0)
    }
}

impl PayloadDigest {
    /// The digest of a payload's bytes.
    #[must_use]
    pub fn of(payload: &[u8]) -> Self {
        Self(crypto::hash("payload", payload))
    }
}

impl ItemDigest {
    /// The digest of an item's bytes.
    #[must_use]
    pub fn of(item: &[u8]) -> Self {
        Self(crypto::hash("item", item))
    }
}

/// A case: random, names nobody. Printed in Crockford base32 with a check
/// character, in groups of four.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct CaseId(pub [u8; 16]);

const CROCKFORD: &[u8; 37] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ*~$=U";

impl CaseId {
    /// From 16 bytes.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
    /// The tag that names the case in erasure orders.
    #[must_use]
    pub fn erasure_tag(self) -> ErasureTag {
        ErasureTag(crypto::hash("erasure", &self.0))
    }
    /// Reads the printed form; lower case, missing hyphens and the usual
    /// mistaken letters (O, I, L) are understood.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut symbols = Vec::with_capacity(27);
        for symbol in text.bytes().filter(|byte| *byte != b'-' && *byte != b' ') {
            let symbol = match symbol.to_ascii_uppercase() {
                b'O' => b'0',
                b'I' | b'L' => b'1',
                other => other,
            };
            symbols.push(CROCKFORD.iter().position(|known| *known == symbol)?);
        }
        let (check, digits) = symbols.split_last()?;
        if digits.len() != 26 || digits.iter().any(|digit| *digit >= 32) {
            return None;
        }
        let mut value = 0u128;
        for digit in digits {
            value = value.checked_mul(32)?.checked_add(*digit as u128)?;
        }
        (value.checked_rem(37)? == *check as u128).then(|| Self(value.to_be_bytes()))
    }
}

impl fmt::Display for CaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = u128::from_be_bytes(self.0);
        let symbol = |index: u128| {
            let index = usize::try_from(index).unwrap_or(0);
            char::from(CROCKFORD.get(index).copied().unwrap_or(b'?'))
        };
        let digits = (0..26u32).rev().map(|place| symbol((value >> place.saturating_mul(5)) & 31));
        for (index, digit) in digits.chain([symbol(value.checked_rem(37).unwrap_or(0))]).enumerate() {
            if index > 0 && index.is_multiple_of(4) {
                f.write_str("-")?;
            }
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for CaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Canonical for CaseId {
    fn write(&self, out: &mut Writer) {
        out.raw(&self.0);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        input.array().map(Self)
    }
}

/// Hash of a genesis file's bytes: the network's id.
#[must_use]
pub fn network_id(genesis: &[u8]) -> NetworkId {
    NetworkId(crypto::hash("genesis", genesis))
}

/// A root that nothing has: height 0 has no previous block.
pub const NO_HASH: Hash = [0; 32];
