//! What the checker has to say about a text: where, what is wrong, and how to mend it. Collects findings up to a bound.
//! Must never quote more of a text than a name's length, and never unescaped: findings end up in terminals and logs.

use crate::limits::{CODE_LENGTH_MAX, FINDINGS_MAX, NOTES_MAX};
use std::fmt;

/// One finding. Shown as `line:column: message; fix`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Line in the text, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub fix: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column, message, fix } = self;
        write!(formatter, "{line}:{column}: {message}; {fix}")
    }
}

/// A finding whose place is still a byte offset.
#[derive(Debug)]
struct Mark {
    at: usize,
    message: String,
    fix: String,
}

/// The findings of one text while it is checked.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    errors: Vec<Mark>,
    notes: Vec<Mark>,
    more: bool,
}

impl Findings {
    /// Something that must be mended.
    pub(crate) fn error(&mut self, at: usize, message: impl Into<String>, fix: impl Into<String>) {
        if self.full() {
            return;
        }
        self.errors.push(Mark { at, message: message.into(), fix: fix.into() });
    }

    /// Something to know.
    pub(crate) fn note(&mut self, at: usize, message: impl Into<String>, fix: impl Into<String>) {
        if self.notes.len() < NOTES_MAX {
            self.notes.push(Mark { at, message: message.into(), fix: fix.into() });
        }
    }

    /// A name that is not declared, with the nearest one that is.
    pub(crate) fn unknown<'n>(&mut self, at: usize, what: &str, name: &str, known: impl Iterator<Item = &'n str>) {
        let message = format!("unknown {what} `{}`", quoted(name));
        self.misnamed(at, message, name, known, "declare it, or take it out");
    }

    /// A name that cannot stand where it does. The fix is the nearest name that can, `otherwise` if none is near.
    pub(crate) fn misnamed<'n>(
        &mut self,
        at: usize,
        message: String,
        name: &str,
        known: impl Iterator<Item = &'n str>,
        otherwise: &str,
    ) {
        // Looking for the nearest of many names is dear; past the bound nobody would read it.
        if self.full() {
            return;
        }
        let fix = match nearest(name, known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => otherwise.to_owned(),
        };
        self.error(at, message, fix);
    }

    pub(crate) fn has_errors(&self) -> bool {
        !self.errors.is_empty()
    }

    /// Tells a caller whether what it called has found something.
    pub(crate) fn error_count(&self) -> usize {
        self.errors.len()
    }

    /// The errors in the order of the text.
    pub(crate) fn into_errors(self, text: &str) -> Vec<Finding> {
        let more = self.more;
        let mut errors = located(text, self.errors);
        if more && let Some(last) = errors.last() {
            let (line, column) = (last.line, last.column);
            let message = format!("more than {FINDINGS_MAX} errors");
            errors.push(Finding { line, column, message, fix: "mend these and check again".to_owned() });
        }
        errors
    }

    /// The notes in the order of the text.
    pub(crate) fn into_notes(self, text: &str) -> Vec<Finding> {
        located(text, self.notes)
    }

    fn full(&mut self) -> bool {
        let full = self.errors.len() >= FINDINGS_MAX;
        self.more |= full;
        full
    }
}

/// A part of the text fit to be shown in a message.
pub(crate) fn quoted(text: &str) -> String {
    let shown: String = text.chars().take(CODE_LENGTH_MAX).collect();
    let more = if shown.len() < text.len() { "..." } else { "" };
    format!("{}{more}", shown.escape_debug())
}

/// Walks the text once for all marks, so that many findings in a long line cost no more than a few.
fn located(text: &str, mut marks: Vec<Mark>) -> Vec<Finding> {
    marks.sort_by(|left, right| (left.at, &left.message).cmp(&(right.at, &right.message)));
    let mut characters = text.char_indices().peekable();
    let (mut line, mut column) = (1_u32, 1_u32);
    let mut findings = Vec::with_capacity(marks.len());
    for Mark { at, message, fix } in marks {
        while let Some((_, sign)) = characters.next_if(|(offset, _)| *offset < at) {
            if sign == '\n' {
                line = line.saturating_add(1);
                column = 1;
            } else {
                column = column.saturating_add(1);
            }
        }
        findings.push(Finding { line, column, message, fix });
    }
    findings
}

/// The known name that takes the fewest edits, if they are few enough to be a slip.
fn nearest<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    if name.len() > CODE_LENGTH_MAX {
        return None;
    }
    let slips_max = name.len().div_ceil(3).max(1);
    known
        .map(|candidate| (edits(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= slips_max)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance over bytes, one row at a time.
fn edits(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, from) in left.bytes().enumerate() {
        let mut diagonal = index;
        let mut before = index.saturating_add(1);
        if let Some(first) = row.first_mut() {
            *first = before;
        }
        for (cell, to) in row.iter_mut().skip(1).zip(right.bytes()) {
            let replace = diagonal.saturating_add(usize::from(from != to));
            diagonal = *cell;
            before = replace.min(diagonal.saturating_add(1)).min(before.saturating_add(1));
            *cell = before;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_edits() {
        for (left, right, distance) in [("", "", 0), ("abc", "abc", 0), ("kitten", "sitting", 3), ("ab", "", 2)] {
            assert_eq!(edits(left, right), distance);
        }
    }

    #[test]
    fn suggests_slips_and_not_strangers() {
        let known = ["reception", "health", "court"];
        assert_eq!(nearest("receptoin", known.into_iter()), Some("reception"));
        assert_eq!(nearest("housing", known.into_iter()), None);
    }
}
