//! The canonical writer and reader (docs/FORMATS.md A.1): the one encoding of all
//! that is hashed, signed by validators or sent between nodes.
//!
//! Integers are big-endian; bytes, strings and lists carry a u32 length;
//! optional values a 0x00 or 0x01. One value has one encoding: [`decode`]
//! consumes everything and compares the re-encoded bytes.

use thiserror::Error;

/// Why bytes are not the canonical encoding of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CodecError {
    /// The bytes end before the value does.
    #[error("the bytes end at offset {0}, inside a value")]
    Truncated(usize),
    /// Bytes follow the value.
    #[error("{0} bytes follow the value")]
    Trailing(usize),
    /// A length exceeds its bound.
    #[error("a length of {found} exceeds the bound of {bound}")]
    TooLong {
        /// Length read.
        found: usize,
        /// Bound of this field.
        bound: usize,
    },
    /// A value that its type does not have.
    #[error("invalid {0}")]
    Invalid(&'static str),
    /// The bytes decode, but are not the one encoding of the value.
    #[error("not the canonical encoding")]
    NotCanonical,
}

/// A value with one canonical encoding.
pub trait Canonical: Sized {
    /// Appends the encoding.
    fn write(&self, out: &mut Writer);
    /// Reads one value.
    ///
    /// # Errors
    /// The bytes are no value of this type, or exceed a bound.
    fn read(input: &mut Reader<'_>) -> Result<Self, CodecError>;
}

/// The canonical bytes of a value.
pub fn encode<T: Canonical>(value: &T) -> Vec<u8> {
    let mut out = Writer::default();
    value.write(&mut out);
    out.0
}

/// Reads a value from exactly these bytes.
///
/// # Errors
/// The bytes are not the canonical encoding of a value.
pub fn decode<T: Canonical>(bytes: &[u8]) -> Result<T, CodecError> {
    let mut input = Reader::new(bytes);
    let value = T::read(&mut input)?;
    input.end()?;
    if encode(&value) == bytes { Ok(value) } else { Err(CodecError::NotCanonical) }
}

/// Collects canonical bytes.
#[derive(Debug, Clone)]
pub struct Writer(Vec<u8>);

/// Most of what is written is small, and fits without growing.
const WRITER_BYTES: usize = 128;

impl Default for Writer {
    fn default() -> Self {
        Self(Vec::with_capacity(WRITER_BYTES))
    }
}

impl Writer {
    /// With room for so many bytes.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }
    /// What was written.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
    /// Bytes written so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }
    /// Whether nothing was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// One byte.
    pub fn u8(&mut self, value: u8) {
        self.0.push(value);
    }
    /// Two bytes.
    pub fn u16(&mut self, value: u16) {
        self.0.extend(value.to_be_bytes());
    }
    /// Four bytes.
    pub fn u32(&mut self, value: u32) {
        self.0.extend(value.to_be_bytes());
    }
    /// Eight bytes.
    pub fn u64(&mut self, value: u64) {
        self.0.extend(value.to_be_bytes());
    }
    /// Bytes of fixed length, without one.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
    /// Length and bytes.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.length(bytes.len());
        self.raw(bytes);
    }
    /// Length and bytes of a string.
    pub fn str(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }
    /// A count or length.
    pub fn length(&mut self, length: usize) {
        // Everything written is bounded far below 4 GiB (limits.rs); a longer one is cut into an undecodable value.
        self.u32(u32::try_from(length).unwrap_or(u32::MAX));
    }
    /// Count and elements.
    pub fn list<T: Canonical>(&mut self, elements: &[T]) {
        self.length(elements.len());
        for element in elements {
            element.write(self);
        }
    }
    /// Presence byte and value.
    pub fn opt<T: Canonical>(&mut self, value: Option<&T>) {
        match value {
            None => self.u8(0),
            Some(value) => {
                self.u8(1);
                value.write(self);
            }
        }
    }
}

/// Takes values off canonical bytes.
#[derive(Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    /// Reads from the start of the bytes.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, offset: 0 }
    }
    /// Takes `count` bytes.
    ///
    /// # Errors
    /// Fewer are left.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], CodecError> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(CodecError::Truncated(self.offset))?;
        self.rest = rest;
        self.offset = self.offset.saturating_add(count);
        Ok(taken)
    }
    /// Takes an array.
    ///
    /// # Errors
    /// Fewer bytes are left.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], CodecError> {
        let taken = self.take(N)?;
        taken.try_into().map_err(|_| CodecError::Invalid("array"))
    }
    /// One byte.
    ///
    /// # Errors
    /// Nothing is left.
    pub fn u8(&mut self) -> Result<u8, CodecError> {
        Ok(u8::from_be_bytes(self.array()?))
    }
    /// Two bytes.
    ///
    /// # Errors
    /// Fewer are left.
    pub fn u16(&mut self) -> Result<u16, CodecError> {
        Ok(u16::from_be_bytes(self.array()?))
    }
    /// Four bytes.
    ///
    /// # Errors
    /// Fewer are left.
    pub fn u32(&mut self) -> Result<u32, CodecError> {
        Ok(u32::from_be_bytes(self.array()?))
    }
    /// Eight bytes.
    ///
    /// # Errors
    /// Fewer are left.
    pub fn u64(&mut self) -> Result<u64, CodecError> {
        Ok(u64::from_be_bytes(self.array()?))
    }
    /// A length of at most `bound`.
    ///
    /// # Errors
    /// The length exceeds the bound.
    pub fn length(&mut self, bound: usize) -> Result<usize, CodecError> {
        let found = usize::try_from(self.u32()?).unwrap_or(usize::MAX);
        if found > bound { Err(CodecError::TooLong { found, bound }) } else { Ok(found) }
    }
    /// Bytes of at most `bound`.
    ///
    /// # Errors
    /// The length exceeds the bound or what is left.
    pub fn bytes(&mut self, bound: usize) -> Result<&'a [u8], CodecError> {
        let length = self.length(bound)?;
        self.take(length)
    }
    /// A string of at most `bound` bytes.
    ///
    /// # Errors
    /// The length exceeds the bound, or it is no UTF-8.
    pub fn str(&mut self, bound: usize) -> Result<&'a str, CodecError> {
        core::str::from_utf8(self.bytes(bound)?).map_err(|_| CodecError::Invalid("string"))
    }
    /// At most `bound` elements.
    ///
    /// # Errors
    /// The count exceeds the bound, or an element is invalid.
    pub fn list<T: Canonical>(&mut self, bound: usize) -> Result<Vec<T>, CodecError> {
        let count = self.length(bound)?;
        let mut elements = Vec::with_capacity(count.min(1_024));
        for _ in 0..count {
            elements.push(T::read(self)?);
        }
        Ok(elements)
    }
    /// An optional value.
    ///
    /// # Errors
    /// The presence byte is neither 0 nor 1, or the value is invalid.
    pub fn opt<T: Canonical>(&mut self) -> Result<Option<T>, CodecError> {
        match self.u8()? {
            0 => Ok(None),
            1 => T::read(self).map(Some),
            _ => Err(CodecError::Invalid("presence byte")),
        }
    }
    /// Whether all was taken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }
    /// Nothing may be left.
    ///
    /// # Errors
    /// Bytes are left.
    pub fn end(&self) -> Result<(), CodecError> {
        if self.rest.is_empty() { Ok(()) } else { Err(CodecError::Trailing(self.rest.len())) }
    }
}

impl Canonical for u64 {
    fn write(&self, out: &mut Writer) {
        out.u64(*self);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        input.u64()
    }
}

impl Canonical for u32 {
    fn write(&self, out: &mut Writer) {
        out.u32(*self);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        input.u32()
    }
}

impl<const N: usize> Canonical for [u8; N] {
    fn write(&self, out: &mut Writer) {
        out.raw(self);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        input.array()
    }
}
