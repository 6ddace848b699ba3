//! The canonical bytes of what is remembered of an effect (docs/FORMATS.md A.5): hashed as part of a case's fields, and
//! read back from them. Must never hold what a fold can give.

use std::collections::{BTreeMap, BTreeSet};

use laufzettel_contracts::effect::{Addressee, Cause, Completion, EffectId, EffectKind, Past};
use laufzettel_contracts::{AuthorityId, Code, limits};

use crate::codec::{CodecError, Reader, Writer};

/// Longest code and authority id in bytes.
const CODE_BYTES_MAX: usize = 48;
const AUTHORITY_BYTES_MAX: usize = 32;
/// Most that one effect was shown to: each role with each authority would be more, but a role changes hands with a
/// report, and a case has at most this many.
const TOLD_MAX: usize = 64 * 1_024;

const STOOD: u8 = 1;
const URGENT: u8 = 2;
/// Since when it stands again comes next.
const AGAIN: u8 = 4;

/// Slot of a report (32 bytes) or name of an effect (16): the length tells them apart.
pub(crate) fn write_cause(out: &mut Writer, cause: &Cause) {
    match cause {
        Cause::Report(slot) => out.bytes(slot),
        Cause::Effect(id) => out.bytes(&id.0),
    }
}

pub(crate) fn write_addressee(out: &mut Writer, addressee: &Addressee) {
    out.str(addressee.role.as_str());
    out.str(addressee.authority.as_ref().map_or("", AuthorityId::as_str));
}

/// Writes what is remembered of one effect; of which kind it is, its field says.
pub(crate) fn write(out: &mut Writer, id: &EffectId, past: &Past) {
    out.raw(&id.0);
    out.str(past.name.as_str());
    out.str(past.rule.as_str());
    write_cause(out, &past.cause);
    out.u32(past.occurrence);
    out.u64(past.first_seen_ms);
    out.opt(past.withdrawn_ms.as_ref());
    let flag = |set: bool, flag: u8| if set { flag } else { 0 };
    out.u8(flag(past.stood, STOOD) | flag(past.urgent, URGENT) | flag(past.again_ms.is_some(), AGAIN));
    if let Some(again_ms) = past.again_ms {
        out.u64(again_ms);
    }
    out.length(past.told.len());
    for addressee in &past.told {
        write_addressee(out, addressee);
    }
    out.length(past.acknowledged.len());
    for (authority, at_ms) in &past.acknowledged {
        out.str(authority.as_str());
        out.u64(*at_ms);
    }
    match &past.completion {
        None => out.u8(0),
        Some(completion) => {
            out.u8(1);
            out.str(completion.by.as_str());
            out.str(completion.outcome.as_str());
            out.u64(completion.at_ms);
        }
    }
}

/// Reads what [`write`] wrote.
pub(crate) fn read(input: &mut Reader<'_>, kind: EffectKind) -> Result<(EffectId, Past), CodecError> {
    let id = EffectId(input.array()?);
    let (name, rule, cause, occurrence) = (code(input)?, code(input)?, read_cause(input)?, input.u32()?);
    let (first_seen_ms, withdrawn_ms, flags) = (input.u64()?, input.opt()?, input.u8()?);
    if flags & !(STOOD | URGENT | AGAIN) != 0 {
        return Err(CodecError::Invalid("flags of an effect"));
    }
    let again_ms = if flags & AGAIN == 0 { None } else { Some(input.u64()?) };
    let mut told = BTreeSet::new();
    for _ in 0..input.length(TOLD_MAX)? {
        told.insert(read_addressee(input)?);
    }
    let mut acknowledged = BTreeMap::new();
    for _ in 0..input.length(crate::limits::AUTHORITIES_MAX)? {
        acknowledged.insert(authority(input)?, input.u64()?);
    }
    let completion = match input.u8()? {
        0 => None,
        1 => Some(Completion { by: authority(input)?, outcome: code(input)?, at_ms: input.u64()? }),
        _ => return Err(CodecError::Invalid("presence byte")),
    };
    let (stood, urgent) = (flags & STOOD != 0, flags & URGENT != 0);
    let past = Past {
        kind,
        name,
        rule,
        cause,
        occurrence,
        first_seen_ms,
        withdrawn_ms,
        again_ms,
        stood,
        urgent,
        told,
        acknowledged,
        completion,
    };
    Ok((id, past))
}

/// Reads what is remembered of the effects of one kind.
pub(crate) fn read_all(
    input: &mut Reader<'_>,
    kind: EffectKind,
    into: &mut BTreeMap<EffectId, Past>,
) -> Result<(), CodecError> {
    for _ in 0..input.length(limits::EFFECTS_MAX)? {
        let (id, past) = read(input, kind)?;
        into.insert(id, past);
    }
    Ok(())
}

pub(crate) fn code(input: &mut Reader<'_>) -> Result<Code, CodecError> {
    Code::new(input.str(CODE_BYTES_MAX)?).map_err(|_| CodecError::Invalid("code"))
}

pub(crate) fn authority(input: &mut Reader<'_>) -> Result<AuthorityId, CodecError> {
    AuthorityId::new(input.str(AUTHORITY_BYTES_MAX)?).map_err(|_| CodecError::Invalid("authority"))
}

pub(crate) fn read_addressee(input: &mut Reader<'_>) -> Result<Addressee, CodecError> {
    let role = code(input)?;
    let text = input.str(AUTHORITY_BYTES_MAX)?;
    let named = |text| AuthorityId::new(text).map_err(|_| CodecError::Invalid("authority"));
    Ok(Addressee { role, authority: if text.is_empty() { None } else { Some(named(text)?) } })
}

pub(crate) fn read_cause(input: &mut Reader<'_>) -> Result<Cause, CodecError> {
    let bytes = input.bytes(32)?;
    let slot = bytes.try_into().map(Cause::Report);
    let effect = || bytes.try_into().map(|id| Cause::Effect(EffectId(id)));
    slot.or_else(|_| effect()).map_err(|_| CodecError::Invalid("cause of an effect"))
}
