//! A case system's event log, read from CSV: what happened in which case, when, reported by which group. Read this
//! file, then `columns` and `rows` (how a text becomes records), `instant` (times) and `names` (codes for the ledger).
//!
//! The text comes from other systems, so it is read with limits and never trusted: a fault names file, line and field,
//! and nothing is guessed in silence. What was interpreted (times without a zone) is counted and told as a note.
//! Must never change the order of events of equal time: in many logs it is the only order there is.

mod columns;
mod fault;
mod instant;
mod names;
mod rows;

pub use fault::LogError;
pub use names::{Group, Names, id_of};

use columns::Columns;
use rows::{Row, Rows};
use std::collections::BTreeMap;
use std::path::Path;

/// Bytes of a log: it is held in memory as a whole.
pub const LOG_BYTES_MAX: u64 = 1 << 30;

/// A log: its cases in the order in which they first appear.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EventLog {
    /// The cases.
    pub cases: Vec<LogCase>,
    /// What the reader had to interpret.
    pub interpreted: Interpreted,
}

/// One case of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogCase {
    /// Its name in the log.
    pub name: String,
    /// Its events by time; those of equal time in the order of the log.
    pub events: Vec<LogEvent>,
}

/// One event of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEvent {
    /// What happened, in the log's words.
    pub activity: String,
    /// When, in milliseconds since 1970-01-01T00:00Z.
    pub instant_ms: u64,
    /// Who reported it; `None` where the log does not say.
    pub group: Option<String>,
    /// The line on which its record begins, from 1.
    pub line: u64,
}

/// How often the reader had to interpret what the log says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Interpreted {
    /// Times without a zone, read as UTC; days without a time are among them.
    pub zoneless: u64,
    /// Times finer than a millisecond, cut.
    pub cut: u64,
    /// Records with nothing in any field, left out.
    pub blank: u64,
}

impl Interpreted {
    /// One line for each kind that occurred.
    pub fn notes(&self) -> Vec<String> {
        let kinds = [
            ("times without a zone, read as UTC; a day without a time is its midnight", self.zoneless),
            ("times finer than a millisecond, cut", self.cut),
            ("blank records, left out", self.blank),
        ];
        kinds.iter().filter(|(_, count)| *count > 0).map(|(what, count)| format!("{what}: {count}")).collect()
    }
}

impl EventLog {
    /// Reads a log from a file.
    ///
    /// # Errors
    /// If the file cannot be read, or the first fault of its content.
    pub fn read(path: &Path) -> Result<Self, LogError> {
        let file = path.display().to_string();
        let unreadable = |source| LogError::Unreadable { file: file.clone(), source };
        let bytes_count = std::fs::metadata(path).map_err(unreadable)?.len();
        if bytes_count > LOG_BYTES_MAX {
            return Err(LogError::TooLarge { file, bytes_max: LOG_BYTES_MAX });
        }
        let bytes = std::fs::read(path).map_err(unreadable)?;
        Self::parse(&file, &bytes)
    }

    /// Reads a log from its bytes; `file` is what messages call it.
    ///
    /// # Errors
    /// The first fault of the content.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self, LogError> {
        let text = rows::without_mark(file, bytes)?;
        let (columns, delimiter) = Columns::find(file, text)?;
        let mut rows = Rows::new(file, text, delimiter);
        rows.next()?;
        let mut log = Self::default();
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        while let Some(row) = rows.next()? {
            if row.is_blank() {
                log.interpreted.blank += 1;
                continue;
            }
            let (case, event) = read_event(file, &columns, &row, &mut log.interpreted)?;
            let place = *places.entry(case).or_insert_with_key(|name| {
                log.cases.push(LogCase { name: name.clone(), events: Vec::new() });
                log.cases.len() - 1
            });
            if let Some(case) = log.cases.get_mut(place) {
                case.events.push(event);
            }
        }
        for case in &mut log.cases {
            case.events.sort_by_key(|event| event.instant_ms);
        }
        Ok(log)
    }

    /// How many events all cases have.
    pub fn event_count(&self) -> usize {
        self.cases.iter().map(|case| case.events.len()).sum()
    }
}

fn read_event(
    file: &str,
    columns: &Columns,
    row: &Row<'_>,
    interpreted: &mut Interpreted,
) -> Result<(String, LogEvent), LogError> {
    if row.len() != columns.count() {
        return Err(LogError::FieldCount {
            file: file.to_owned(),
            line: row.line,
            found: row.len(),
            wanted: columns.count(),
        });
    }
    let required = |column| {
        let missing = || LogError::Missing { file: file.to_owned(), line: row.line, field: columns.name(column) };
        field(file, columns, row, column)?.ok_or_else(missing)
    };
    let case = required(columns.case)?;
    let activity = required(columns.activity)?;
    let time = required(columns.time)?;
    let group = match columns.group {
        Some(column) => field(file, columns, row, column)?,
        None => None,
    };
    let read = instant::read_instant(&time).map_err(|fault| LogError::Time {
        file: file.to_owned(),
        line: row.line,
        field: columns.name(columns.time),
        value: fault::shown(&time),
        fault,
    })?;
    interpreted.zoneless += u64::from(read.zoneless);
    interpreted.cut += u64::from(read.cut);
    Ok((case, LogEvent { activity, instant_ms: read.ms, group, line: row.line }))
}

/// A field without the white space around it, if anything is in it.
fn field(file: &str, columns: &Columns, row: &Row<'_>, column: usize) -> Result<Option<String>, LogError> {
    let bytes = row.field(column);
    let text = std::str::from_utf8(bytes).map_err(|_| LogError::NotUtf8 {
        file: file.to_owned(),
        line: row.line,
        field: columns.name(column),
        value: fault::shown(&String::from_utf8_lossy(bytes)),
    })?;
    let text = text.trim();
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

#[cfg(test)]
mod tests;
