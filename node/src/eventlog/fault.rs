//! What can be wrong with a log: each fault says file, line and field, what was found, and what to do. Must never show
//! more of a log than a short, escaped piece of the field at fault: logs hold people's cases, messages end up in others.

use super::instant::InstantFault;

/// Characters of a field that a message shows.
const SHOWN_CHARACTERS_MAX: usize = 60;

/// Why a log could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The file system refused.
    #[error("{file}: cannot be read")]
    Unreadable {
        /// The file.
        file: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// More than the reader holds in memory.
    #[error("{file}: has more than {bytes_max} bytes; split it by cases")]
    TooLarge {
        /// The file.
        file: String,
        /// The bound.
        bytes_max: u64,
    },
    /// Begins with the mark of UTF-16.
    #[error("{file}: is UTF-16; save it as UTF-8")]
    Utf16 {
        /// The file.
        file: String,
    },
    /// No record at all.
    #[error("{file}: is empty; the first line must name the columns")]
    Empty {
        /// The file.
        file: String,
    },
    /// A column that must be there is not.
    #[error("{file}:{line}: no column for the {what} among: {found}; name one {known}")]
    ColumnMissing {
        /// The file.
        file: String,
        /// The line of the header.
        line: u64,
        /// What the column is for.
        what: &'static str,
        /// The columns there are.
        found: String,
        /// The names that would do.
        known: String,
    },
    /// Two columns have the same name.
    #[error("{file}:{line}: column `{field}` is there twice; rename or remove one")]
    ColumnTwice {
        /// The file.
        file: String,
        /// The line of the header.
        line: u64,
        /// The name.
        field: String,
    },
    /// A record is longer or shorter than the header.
    #[error(
        "{file}:{line}: the record has {found} fields, the header {wanted}; put fields that hold the delimiter, a quote or a line break in quotes"
    )]
    FieldCount {
        /// The file.
        file: String,
        /// The line on which the record begins.
        line: u64,
        /// Fields of the record.
        found: usize,
        /// Fields of the header.
        wanted: usize,
    },
    /// A quote without its counterpart.
    #[error(
        "{file}:{line}: a quote in this record has no counterpart; close it, or write `\"\"` for a quote inside a quoted field"
    )]
    Quote {
        /// The file.
        file: String,
        /// The line on which the record begins.
        line: u64,
    },
    /// The format is broken in a way the reader has no words for.
    #[error("{file}:{line}: is no CSV")]
    Csv {
        /// The file.
        file: String,
        /// The line on which the record begins.
        line: u64,
        /// What the parser said.
        #[source]
        source: csv::Error,
    },
    /// Bytes that are no UTF-8.
    #[error("{file}:{line}: field `{field}`: `{value}` is not UTF-8; save the file as UTF-8")]
    NotUtf8 {
        /// The file.
        file: String,
        /// The line on which the record begins.
        line: u64,
        /// The column.
        field: String,
        /// The piece at fault.
        value: String,
    },
    /// A field that must hold something does not.
    #[error("{file}:{line}: field `{field}`: is empty; fill it in or remove the record")]
    Missing {
        /// The file.
        file: String,
        /// The line on which the record begins.
        line: u64,
        /// The column.
        field: String,
    },
    /// A time that cannot be read.
    #[error("{file}:{line}: field `{field}`: `{value}` {fault}")]
    Time {
        /// The file.
        file: String,
        /// The line on which the record begins.
        line: u64,
        /// The column.
        field: String,
        /// The piece at fault.
        value: String,
        /// What is wrong with it, and what to do.
        fault: InstantFault,
    },
}

/// A piece of a log fit to be shown in a message.
pub(super) fn shown(text: &str) -> String {
    let piece: String = text.chars().take(SHOWN_CHARACTERS_MAX).collect();
    let more = if piece.len() < text.len() { "..." } else { "" };
    format!("{}{more}", piece.escape_debug())
}
