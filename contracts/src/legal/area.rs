//! The code of an area in which the same holidays hold: a Land or a part of it. Must never hold a code that breaks its
//! charset.

use crate::limits::AREA_LENGTH_MAX;
use std::fmt;
use std::sync::Arc;

/// Why a text is no area code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is written DE-SN, or DE-BY-augsburg with a municipality's name or official key in small letters and digits")]
pub struct AreaError;

/// The code of an area: the subdivision by ISO 3166-2, and a municipality's plain name or official key if it differs
/// from its Land: `DE-SN`, `DE-BY-augsburg`. A country alone (`DE`) is where a holiday holds, never a seat.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AreaCode(Arc<str>);

impl AreaCode {
    /// Checks and takes an area code.
    ///
    /// # Errors
    /// If the text breaks the rule above.
    pub fn new(text: &str) -> Result<Self, AreaError> {
        if text.len() > AREA_LENGTH_MAX {
            return Err(AreaError);
        }
        let mut parts = text.splitn(3, '-');
        let capitals = |part: &str| part.len() == 2 && part.bytes().all(|sign| sign.is_ascii_uppercase());
        let place = |part: &str| {
            let allowed = |sign: u8| sign.is_ascii_lowercase() || sign.is_ascii_digit() || sign == b'-';
            !part.is_empty() && part.bytes().all(allowed) && !part.starts_with('-') && !part.ends_with('-')
        };
        let sound =
            parts.next().is_some_and(capitals) && parts.next().is_none_or(capitals) && parts.next().is_none_or(place);
        if sound { Ok(Self(text.into())) } else { Err(AreaError) }
    }

    /// The code as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The code as shared text.
    pub(crate) fn into_text(self) -> Arc<str> {
        self.0
    }

    /// Whether it is a whole country.
    pub fn is_country(&self) -> bool {
        self.0.len() == 2
    }

    /// The areas it is part of, from its country on, and itself: what covers it is one of these.
    pub(crate) fn wholes(&self) -> impl Iterator<Item = &str> {
        let ends = self.0.match_indices('-').map(|(end, _)| end).chain([self.0.len()]);
        ends.filter_map(|end| self.0.get(..end))
    }

    /// Whether what holds here holds in another area: it is the same one or part of this one.
    pub fn covers(&self, other: &Self) -> bool {
        other.0.strip_prefix(&*self.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    }
}

impl fmt::Display for AreaCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}
