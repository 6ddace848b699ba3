//! The bytes of proposals and of their list in the state (docs/FORMATS.md A.5). Must never be changed without a new golden
//! vector.

use std::collections::BTreeMap;

use laufzettel_contracts::{AuthorityId, Position};

use super::{Adopted, Pending, Proposal, Register, Since, Standing, Vote};
use crate::codec::{Canonical, CodecError, Reader, Writer};
use crate::ids::ItemDigest;
use crate::limits;
use crate::proposal::ProposalKind;

/// Longest id of an authority, a definition or calendars.
const ID_BYTES_MAX: usize = 32;

fn authority(input: &mut Reader<'_>) -> Result<AuthorityId, CodecError> {
    AuthorityId::new(input.str(ID_BYTES_MAX)?).map_err(|_| CodecError::Invalid("authority"))
}

fn kind(input: &mut Reader<'_>) -> Result<ProposalKind, CodecError> {
    ProposalKind::of_number(input.u8()?).ok_or(CodecError::Invalid("kind of proposal"))
}

fn flag(input: &mut Reader<'_>) -> Result<bool, CodecError> {
    match input.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(CodecError::Invalid("flag")),
    }
}

fn write_place(place: &Position, out: &mut Writer) {
    out.u64(place.height);
    out.u32(place.transaction);
    out.u16(place.item);
}

fn read_place(input: &mut Reader<'_>) -> Result<Position, CodecError> {
    Ok(Position { height: input.u64()?, transaction: input.u32()?, item: input.u16()? })
}

impl Standing {
    /// Its number in the state.
    fn number(self) -> u8 {
        match self {
            Self::Open => 0,
            Self::Adopted => 1,
            Self::Rejected => 2,
            Self::Expired => 3,
            Self::Superseded => 4,
        }
    }
    fn of_number(number: u8) -> Option<Self> {
        let all = [Self::Open, Self::Adopted, Self::Rejected, Self::Expired, Self::Superseded];
        all.into_iter().find(|standing| standing.number() == number)
    }
}

impl Canonical for Proposal {
    fn write(&self, out: &mut Writer) {
        self.item.write(out);
        out.u8(self.kind.number());
        out.str(&self.id);
        out.u32(self.version);
        out.u32(self.base);
        out.raw(&self.text);
        out.str(self.proposer.as_str());
        write_place(&self.place, out);
        out.u64(self.expires_ms);
        out.u64(self.effective_height);
        out.length(self.must_agree.len());
        for authority in &self.must_agree {
            out.str(authority.as_str());
        }
        out.u8(u8::from(self.moves));
        out.length(self.votes.len());
        for (by, vote) in &self.votes {
            out.str(by.as_str());
            out.u8(u8::from(vote.yes));
            out.u64(vote.height);
        }
        out.u8(self.standing.number());
        out.u64(self.changed);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        let (item, kind) = (ItemDigest::read(input)?, kind(input)?);
        let (id, version, base, text) =
            (input.str(ID_BYTES_MAX)?.to_owned(), input.u32()?, input.u32()?, input.array()?);
        let (proposer, place) = (authority(input)?, read_place(input)?);
        let (expires_ms, effective_height) = (input.u64()?, input.u64()?);
        let count = input.length(limits::AUTHORITIES_MAX)?;
        let must_agree = (0..count).map(|_| authority(input)).collect::<Result<Vec<_>, _>>()?;
        if !must_agree.is_sorted_by(|a, b| a < b) {
            return Err(CodecError::Invalid("order of authorities"));
        }
        let moves = flag(input)?;
        let mut votes = BTreeMap::new();
        for _ in 0..input.length(limits::AUTHORITIES_MAX)? {
            let by = authority(input)?;
            let yes = flag(input)?;
            // Another order than theirs does not encode again to the same bytes.
            votes.insert(by, Vote { yes, height: input.u64()? });
        }
        let standing = Standing::of_number(input.u8()?).ok_or(CodecError::Invalid("standing of a proposal"))?;
        let changed = input.u64()?;
        Ok(Self {
            item,
            kind,
            id,
            version,
            base,
            text,
            proposer,
            place,
            expires_ms,
            effective_height,
            must_agree,
            moves,
            votes,
            standing,
            changed,
        })
    }
}

impl Canonical for Pending {
    fn write(&self, out: &mut Writer) {
        self.item.write(out);
        out.str(self.proposer.as_str());
        out.u64(self.expires_ms);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Self { item: ItemDigest::read(input)?, proposer: authority(input)?, expires_ms: input.u64()? })
    }
}

impl Canonical for Since {
    fn write(&self, out: &mut Writer) {
        out.u64(self.height);
        out.u64(self.time_ms);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Self { height: input.u64()?, time_ms: input.u64()? })
    }
}

impl Canonical for Adopted {
    fn write(&self, out: &mut Writer) {
        out.u8(self.kind.number());
        out.str(&self.id);
        out.u32(self.version);
        out.raw(&self.text);
        write_place(&self.place, out);
        out.u64(self.adopted);
        out.u64(self.effective);
        out.u32(self.moves_from);
        out.opt(self.since.as_ref());
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Self {
            kind: kind(input)?,
            id: input.str(ID_BYTES_MAX)?.to_owned(),
            version: input.u32()?,
            text: input.array()?,
            place: read_place(input)?,
            adopted: input.u64()?,
            effective: input.u64()?,
            moves_from: input.u32()?,
            since: input.opt()?,
        })
    }
}

impl Canonical for Register {
    fn write(&self, out: &mut Writer) {
        out.list(&self.open);
        out.list(&self.closed);
        out.list(&self.adopted);
        out.opt(self.recount.as_ref());
        out.u64(self.changed);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Self {
            open: input.list(limits::PROPOSALS_OPEN_MAX)?,
            closed: input.list(limits::PROPOSALS_CLOSED_MAX)?,
            adopted: input.list(limits::ADOPTED_MAX)?,
            recount: input.opt()?,
            changed: input.u64()?,
        })
    }
}
