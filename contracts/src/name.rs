//! The names of the ledger: codes and authority ids (formats A.2). A value of these types has been checked when it
//! was made; a copy of it shares its text, since cases are copied whole before they change. Must never hold a name that breaks its charset: these bytes are hashed and signed elsewhere.

use crate::limits::{CODE_LENGTH_MAX, ID_LENGTH_MAX, ID_LENGTH_MIN};
use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// Why a text is not a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Too short or too long.
    #[error("must have {least} to {most} characters")]
    Length {
        /// The fewest characters allowed.
        least: usize,
        /// The most characters allowed.
        most: usize,
    },
    /// Does not begin with a small letter.
    #[error("must begin with a small letter a-z")]
    First,
    /// Holds a character that is not allowed.
    #[error("may hold only a-z, 0-9 and `{separator}`")]
    Character {
        /// The one sign allowed besides letters and digits.
        separator: char,
    },
}

/// The name of a status, track, role, outcome, outcome list or attribute: `[a-z][a-z0-9_]*`, 1 to 48 characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(Arc<str>);

impl Code {
    /// Checks and takes a code.
    ///
    /// # Errors
    /// If the text breaks the rule above.
    pub fn new(text: &str) -> Result<Self, NameError> {
        check_name(text, 1, CODE_LENGTH_MAX, '_')?;
        Ok(Self(text.into()))
    }

    /// The code as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Borrow<str> for Code {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// The id of an authority, such as `de-bamf`: `[a-z][a-z0-9-]*`, 2 to 32 characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AuthorityId(Arc<str>);

impl AuthorityId {
    /// Checks and takes an authority id.
    ///
    /// # Errors
    /// If the text breaks the rule above.
    pub fn new(text: &str) -> Result<Self, NameError> {
        check_id(text)?;
        Ok(Self(text.into()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AuthorityId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Checks an authority, process or profile id; the three share one rule.
pub(crate) fn check_id(text: &str) -> Result<(), NameError> {
    check_name(text, ID_LENGTH_MIN, ID_LENGTH_MAX, '-')
}

fn check_name(text: &str, least: usize, most: usize, separator: char) -> Result<(), NameError> {
    if text.len() < least || text.len() > most {
        return Err(NameError::Length { least, most });
    }
    if !text.starts_with(|first: char| first.is_ascii_lowercase()) {
        return Err(NameError::First);
    }
    let allowed = |sign: char| sign.is_ascii_lowercase() || sign.is_ascii_digit() || sign == separator;
    if !text.chars().all(allowed) {
        return Err(NameError::Character { separator });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_codes_and_ids_to_their_charsets() {
        for good in ["a", "removal_ban_60_5_7", "a__", &"x".repeat(48)] {
            assert!(Code::new(good).is_ok(), "{good}");
        }
        for bad in ["", "A", "1a", "_a", "a-b", "ä", "a b", &"x".repeat(49)] {
            assert!(Code::new(bad).is_err(), "{bad}");
        }
        for good in ["de-bamf", "ab", "sn-lds", &"x".repeat(32)] {
            assert!(AuthorityId::new(good).is_ok(), "{good}");
        }
        for bad in ["", "a", "de_bamf", "-a", "De", &"x".repeat(33)] {
            assert!(AuthorityId::new(bad).is_err(), "{bad}");
        }
    }
}
