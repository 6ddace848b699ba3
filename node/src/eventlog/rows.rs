//! A CSV text as records, each with the physical line on which it begins. Line breaks may be LF, CRLF or CR, also
//! inside quotes. Must never pass over a quote that is not closed: the parser would swallow the rest of the file.

use super::fault::LogError;
use csv::ByteRecord;

/// One record.
pub(super) struct Row<'r> {
    /// The line on which it begins, from 1.
    pub(super) line: u64,
    record: &'r ByteRecord,
}

impl Row<'_> {
    pub(super) fn len(&self) -> usize {
        self.record.len()
    }

    /// The bytes of a field; a field that is not there holds none.
    pub(super) fn field(&self, column: usize) -> &[u8] {
        self.record.get(column).unwrap_or_default()
    }

    pub(super) fn is_blank(&self) -> bool {
        self.record.iter().all(|field| field.trim_ascii().is_empty())
    }
}

/// The records of a text, one after the other.
pub(super) struct Rows<'t> {
    file: &'t str,
    text: &'t [u8],
    reader: csv::Reader<&'t [u8]>,
    record: ByteRecord,
    /// The line at `counted_to`.
    line: u64,
    counted_to: usize,
}

impl<'t> Rows<'t> {
    pub(super) fn new(file: &'t str, text: &'t [u8], delimiter: u8) -> Self {
        let mut builder = csv::ReaderBuilder::new();
        let reader = builder.has_headers(false).flexible(true).delimiter(delimiter).from_reader(text);
        Self { file, text, reader, record: ByteRecord::new(), line: 1, counted_to: 0 }
    }

    /// The next record, if there is one. Empty lines are none.
    pub(super) fn next(&mut self) -> Result<Option<Row<'_>>, LogError> {
        let from = self.offset();
        let more = self.reader.read_byte_record(&mut self.record);
        let to = self.offset();
        // The parser's own position still has the LF of the last CRLF, and all empty lines, before the record.
        let raw = self.text.get(from..to).unwrap_or_default();
        let skipped = raw.iter().take_while(|byte| is_break(**byte)).count();
        let line = self.line_at(from + skipped);
        match more {
            Ok(false) => return Ok(None),
            Ok(true) => {}
            Err(source) => return Err(LogError::Csv { file: self.file.to_owned(), line, source }),
        }
        let quotes = raw.iter().filter(|byte| **byte == b'"').count();
        if !quotes.is_multiple_of(2) {
            return Err(LogError::Quote { file: self.file.to_owned(), line });
        }
        Ok(Some(Row { line, record: &self.record }))
    }

    fn offset(&self) -> usize {
        usize::try_from(self.reader.position().byte()).unwrap_or(usize::MAX)
    }

    /// The line of an offset. Offsets only grow, so the text is walked once.
    fn line_at(&mut self, offset: usize) -> u64 {
        let mut before = self.counted_to.checked_sub(1).and_then(|index| self.text.get(index)).copied();
        for byte in self.text.get(self.counted_to..offset).unwrap_or_default() {
            // A CRLF is one break, told by its CR.
            if is_break(*byte) && !(*byte == b'\n' && before == Some(b'\r')) {
                self.line += 1;
            }
            before = Some(*byte);
        }
        self.counted_to = offset;
        self.line
    }
}

/// The text without the mark that some systems put before UTF-8.
pub(super) fn without_mark<'t>(file: &str, bytes: &'t [u8]) -> Result<&'t [u8], LogError> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(LogError::Utf16 { file: file.to_owned() });
    }
    Ok(bytes.strip_prefix(&[0xef, 0xbb, 0xbf]).unwrap_or(bytes))
}

fn is_break(byte: u8) -> bool {
    byte == b'\n' || byte == b'\r'
}
