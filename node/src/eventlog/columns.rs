//! Finds the columns of a log by their names, in any order, and with them the delimiter: the one that makes the header
//! name what is needed. Must never take a column by its position or content.

use super::fault::{LogError, shown};
use super::rows::{Row, Rows};

/// The delimiters that are tried.
const DELIMITERS: [u8; 3] = [b',', b';', b'\t'];
/// Names of the case column, in order of preference; compared without case, as all names.
const CASE: [&str; 4] = ["case:concept:name", "case", "case_id", "case id"];
/// Names of the activity column.
const ACTIVITY: [&str; 3] = ["concept:name", "activity", "status"];
/// Names of the time column.
const TIME: [&str; 3] = ["time:timestamp", "timestamp", "time"];
/// Names of the group column. A log may have none.
const GROUP: [&str; 3] = ["org:group", "group", "resource group"];

/// Where a log has what.
#[derive(Debug)]
pub(super) struct Columns {
    pub(super) case: usize,
    pub(super) activity: usize,
    pub(super) time: usize,
    pub(super) group: Option<usize>,
    names: Vec<String>,
}

impl Columns {
    /// The columns and the delimiter.
    pub(super) fn find(file: &str, text: &[u8]) -> Result<(Self, u8), LogError> {
        let mut best: Option<(usize, LogError)> = None;
        for delimiter in DELIMITERS {
            // A header that breaks with one delimiter may be whole with the next.
            let (fields, fault) = match Rows::new(file, text, delimiter).next() {
                Err(fault) => (0, fault),
                Ok(None) => (0, LogError::Empty { file: file.to_owned() }),
                Ok(Some(header)) => match Self::of(file, &header) {
                    Ok(columns) => return Ok((columns, delimiter)),
                    Err(fault) => (header.len(), fault),
                },
            };
            // Of several faults, that of the delimiter which splits the header most is the one to tell.
            if best.as_ref().is_none_or(|(most, _)| *most < fields) {
                best = Some((fields, fault));
            }
        }
        Err(best.map_or_else(|| LogError::Empty { file: file.to_owned() }, |(_, fault)| fault))
    }

    /// How many columns there are, those included that are not read.
    pub(super) fn count(&self) -> usize {
        self.names.len()
    }

    /// The name of a column, as the log has it.
    pub(super) fn name(&self, column: usize) -> String {
        self.names.get(column).map(|name| shown(name)).unwrap_or_default()
    }

    fn of(file: &str, header: &Row<'_>) -> Result<Self, LogError> {
        let name = |column| String::from_utf8_lossy(header.field(column)).trim().to_owned();
        let names: Vec<String> = (0..header.len()).map(name).collect();
        let required = |what, known: &[&str]| {
            let missing = || LogError::ColumnMissing {
                file: file.to_owned(),
                line: header.line,
                what,
                found: listed(names.iter().map(String::as_str)),
                known: known.join(" or "),
            };
            named(file, header.line, &names, known)?.ok_or_else(missing)
        };
        Ok(Self {
            case: required("case", &CASE)?,
            activity: required("activity", &ACTIVITY)?,
            time: required("time", &TIME)?,
            group: named(file, header.line, &names, &GROUP)?,
            names,
        })
    }
}

/// The column that has the first of the known names that any has.
fn named(file: &str, line: u64, names: &[String], known: &[&str]) -> Result<Option<usize>, LogError> {
    for wanted in known {
        let mut columns = names.iter().enumerate().filter(|(_, name)| name.to_lowercase() == *wanted);
        if let Some((column, name)) = columns.next() {
            return match columns.next() {
                None => Ok(Some(column)),
                Some(_) => Err(LogError::ColumnTwice { file: file.to_owned(), line, field: shown(name) }),
            };
        }
    }
    Ok(None)
}

fn listed<'n>(names: impl Iterator<Item = &'n str>) -> String {
    shown(&names.collect::<Vec<_>>().join(", "))
}
