//! Page sizes and tokens. A token carries the height of the first page, where
//! to go on, and a digest of the filter: with another filter it is refused.

use laufzettel_chain::ids::{CaseId, Height};
use laufzettel_proto::v1;
use prost::Message as _;

use super::reasons::Reason;
use super::status::Failure;

const SIZE_DEFAULT: usize = 50;
const SIZE_MAX: usize = 1_000;

/// Entries of a page that asked for so many.
pub(super) fn size(asked: i32) -> Result<usize, Failure> {
    match usize::try_from(asked) {
        Err(_) => Err(Failure::field("page_size", "must not be negative")),
        Ok(0) => Ok(SIZE_DEFAULT),
        Ok(asked) => Ok(asked.min(SIZE_MAX)),
    }
}

/// Where a list of cases goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token {
    /// Height of the first page.
    pub(super) height: Height,
    /// The last case of the page before.
    pub(super) after: CaseId,
}

fn filter_digest(filter: &v1::CaseFilter) -> [u8; 8] {
    let digest = laufzettel_chain::crypto::hash("page filter", &filter.encode_to_vec());
    let mut short = [0; 8];
    short.copy_from_slice(digest.split_at(8).0);
    short
}

impl Token {
    /// The token as clients see it.
    pub(super) fn write(&self, filter: &v1::CaseFilter) -> String {
        let bytes = [self.height.to_be_bytes().as_slice(), &self.after.0, &filter_digest(filter)].concat();
        data_encoding::HEXLOWER.encode(&bytes)
    }
    /// A token a client sent with this filter.
    pub(super) fn read(text: &str, filter: &v1::CaseFilter) -> Result<Self, Failure> {
        let token = || {
            let bytes: [u8; 32] = data_encoding::HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok()?;
            let (height, rest) = bytes.split_at_checked(8)?;
            let (after, digest) = rest.split_at_checked(16)?;
            let height = u64::from_be_bytes(height.try_into().ok()?);
            (digest == filter_digest(filter)).then_some(Self { height, after: CaseId::from_slice(after)? })
        };
        token().ok_or_else(|| Failure::new(Reason::PageTokenInvalid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_bound_to_its_filter() {
        let filter = v1::CaseFilter { status: "hearing_held".into(), ..v1::CaseFilter::default() };
        let token = Token { height: 9, after: CaseId([7; 16]) };
        let text = token.write(&filter);
        assert_eq!(Token::read(&text, &filter).unwrap(), token);
        assert!(Token::read(&text, &v1::CaseFilter::default()).is_err());
        assert!(Token::read("00", &filter).is_err());
    }

    #[test]
    fn sizes_are_coerced_and_negative_ones_refused() {
        assert_eq!(size(0).unwrap(), SIZE_DEFAULT);
        assert_eq!(size(1_000_000).unwrap(), SIZE_MAX);
        assert!(size(-1).is_err());
    }
}
