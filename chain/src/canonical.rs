//! Refuses protobuf bytes that are not the one canonical encoding of their
//! message (design 5.1): first the tags are scanned, so that a field this
//! version does not know is named as such, then the re-encoded bytes are
//! compared and the first differing offset is named.

use prost::Message;
use thiserror::Error;

/// The tags of a message; a nested message has a shape of its own.
#[derive(Debug)]
pub struct Shape {
    /// Full protobuf name, for the test against the descriptor.
    pub name: &'static str,
    /// Tag and, for a message field, its shape.
    pub fields: &'static [(u32, Option<&'static Shape>)],
}

macro_rules! shape {
    ($name:ident, $proto:literal, [$($tag:literal $(=> $nested:ident)?),* $(,)?]) => {
        /// Tags of the message of this name.
        pub static $name: Shape = Shape {
            name: concat!("laufzettel.v1.", $proto),
            fields: &[$(($tag, shape!(@nested $($nested)?))),*],
        };
    };
    (@nested) => { None };
    (@nested $nested:ident) => { Some(&$nested) };
}

shape!(PAYLOAD, "TransactionPayload", [1, 2, 3, 4, 5, 6, 7, 8, 9]);
shape!(WHEN, "When", [16, 17]);
shape!(ATTRIBUTE, "Attribute", [1, 16, 17, 18, 19, 20, 21]);
shape!(SEALED, "Sealed", [1, 2]);
shape!(OVERRIDE, "Override", [1, 2]);
shape!(REPORT, "Report", [1, 2 => WHEN, 3 => WHEN, 4, 5, 6 => ATTRIBUTE, 7, 8 => SEALED, 9 => OVERRIDE]);
shape!(OPEN_CASE, "OpenCase", [1, 2]);
shape!(CORRECT, "Correct", [1, 2 => REPORT]);
shape!(RETRACT, "Retract", [1, 2]);
shape!(COMPLETE_TASK, "CompleteTask", [1, 2]);
shape!(ACKNOWLEDGE, "Acknowledge", [1, 2]);
shape!(SHARE, "Share", [1]);
shape!(WITHDRAW_SHARE, "WithdrawShare", [1]);
shape!(MERGE, "Merge", [1]);
shape!(RESTRICT, "Restrict", [1]);
shape!(LIFT_RESTRICTION, "LiftRestriction", [1]);
shape!(ORDER_ERASURE, "OrderErasure", [1, 2, 3, 4]);
shape!(OBJECT_ERASURE, "ObjectErasure", [1]);
shape!(CONFIRM_ERASURE, "ConfirmErasure", [1, 2]);
shape!(LEGAL_HOLD, "LegalHold", [1, 2]);
shape!(CLEARANCE_CHECK, "ClearanceCheck", [1]);
shape!(STATUS_MAPPING, "StatusMapping", [1, 2]);
shape!(PROPOSE, "Propose", [1, 2, 3, 4, 5 => STATUS_MAPPING]);
shape!(VOTE, "Vote", [1, 2]);
shape!(ANCHOR, "Anchor", [1]);
shape!(EVIDENCE, "Evidence", [1, 2]);
shape!(ITEM, "Item", [
    1, 2, 16 => OPEN_CASE, 17 => REPORT, 18 => CORRECT, 19 => RETRACT, 20 => COMPLETE_TASK, 21 => ACKNOWLEDGE,
    22 => SHARE, 23 => WITHDRAW_SHARE, 24 => MERGE, 25 => RESTRICT, 26 => LIFT_RESTRICTION, 27 => ORDER_ERASURE,
    28 => OBJECT_ERASURE, 29 => CONFIRM_ERASURE, 30 => LEGAL_HOLD, 31 => CLEARANCE_CHECK, 32 => PROPOSE, 33 => VOTE,
    34 => ANCHOR, 35 => EVIDENCE,
]);

/// Why bytes are refused as a message.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CanonicalError {
    /// A tag this version does not know: a newer client is never half understood.
    #[error("{message} has no field {tag} in this version")]
    UnknownField {
        /// The message.
        message: &'static str,
        /// The tag.
        tag: u32,
    },
    /// No protobuf at all.
    #[error("the bytes are not a {0} message")]
    Malformed(&'static str),
    /// Another encoding of the same message.
    #[error("{message} is not encoded canonically: byte {offset} differs from the one allowed encoding")]
    NonCanonical {
        /// The message.
        message: &'static str,
        /// First differing byte.
        offset: usize,
    },
}

/// Decodes a message from its one canonical encoding.
///
/// # Errors
/// The bytes are anything else.
pub fn decode<M: Message + Default>(shape: &'static Shape, bytes: &[u8]) -> Result<M, CanonicalError> {
    scan(shape, bytes, 0)?;
    let message = M::decode(bytes).map_err(|_| CanonicalError::Malformed(shape.name))?;
    let again = message.encode_to_vec();
    if again == bytes {
        return Ok(message);
    }
    let offset = again.iter().zip(bytes).take_while(|(a, b)| a == b).count();
    Err(CanonicalError::NonCanonical { message: shape.name, offset })
}

/// Nesting is bounded by the shapes themselves, so the depth is a belt beside braces.
const DEPTH_MAX: u32 = 8;

fn scan(shape: &'static Shape, mut bytes: &[u8], depth: u32) -> Result<(), CanonicalError> {
    let malformed = CanonicalError::Malformed(shape.name);
    if depth > DEPTH_MAX {
        return Err(malformed);
    }
    while !bytes.is_empty() {
        let key = varint(&mut bytes).ok_or_else(|| malformed.clone())?;
        let tag = u32::try_from(key >> 3).map_err(|_| malformed.clone())?;
        let field = shape.fields.iter().find(|field| field.0 == tag);
        let (_, nested) = field.ok_or(CanonicalError::UnknownField { message: shape.name, tag })?;
        match key & 7 {
            0 => {
                varint(&mut bytes).ok_or_else(|| malformed.clone())?;
            }
            2 => {
                let length = varint(&mut bytes).and_then(|length| usize::try_from(length).ok());
                let split = length.and_then(|length| bytes.split_at_checked(length));
                let (content, rest) = split.ok_or_else(|| malformed.clone())?;
                if let Some(nested) = nested {
                    scan(nested, content, depth.saturating_add(1))?;
                }
                bytes = rest;
            }
            // Fixed-width fields and groups are in none of our messages.
            _ => return Err(malformed),
        }
    }
    Ok(())
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}
