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

impl Finding {
    /// The finding as a compiler shows it: under `word` (`error`, `note`) and the place in `file`, the line of the text
    /// it was found in, a mark below the place, and what to do. What cannot be printed stands as a replacement sign.
    pub fn render(&self, word: &str, file: &str, text: &str) -> String {
        let Self { line, column, message, fix } = self;
        let number = line.to_string();
        let margin = " ".repeat(number.len());
        let (shown, indent, width) = self.shown_line(text);
        let marks = "^".repeat(width);
        format!(
            "{word}: {message}\n{margin}--> {file}:{line}:{column}\n{margin} |\n{number} | {shown}\n\
             {margin} | {}{marks}\n{margin} = help: {fix}\n",
            " ".repeat(indent)
        )
    }

    /// The part of the line that is shown, how many signs come before the place in it, and how many are marked.
    fn shown_line(&self, text: &str) -> (String, usize, usize) {
        let line = usize::try_from(self.line.saturating_sub(1)).unwrap_or(usize::MAX);
        let column = usize::try_from(self.column.saturating_sub(1)).unwrap_or(usize::MAX);
        let line = text.lines().nth(line).unwrap_or_default();
        let before = column.saturating_sub(SIGNS_BEFORE);
        let shown: Vec<char> = line.chars().skip(before).take(SIGNS_SHOWN).map(printable).collect();
        let indent = column.saturating_sub(before).min(shown.len());
        let rest = shown.get(indent..).unwrap_or_default();
        let shown: String = shown.iter().collect();
        (shown.trim_end().to_owned(), indent, token_length(rest).max(1))
    }
}

/// Signs of a line that are shown, and how many of them before the place.
const SIGNS_SHOWN: usize = 100;
const SIGNS_BEFORE: usize = 60;

/// A sign, or what stands for one that would disturb a terminal.
fn printable(sign: char) -> char {
    match sign {
        '\t' => ' ',
        '"' | '\'' | '\\' => sign,
        _ if sign.escape_debug().count() == 1 => sign,
        _ => char::REPLACEMENT_CHARACTER,
    }
}

/// How many signs the word, or the text in quotes, at the begin of these has.
fn token_length(signs: &[char]) -> usize {
    match signs.first() {
        Some(quote @ ('"' | '\'')) => {
            let end = signs.iter().skip(1).position(|sign| sign == quote);
            end.map_or(1, |between| between.saturating_add(2))
        }
        Some(_) => signs.iter().take_while(|sign| sign.is_alphanumeric() || matches!(sign, '_' | '-')).count(),
        None => 0,
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
pub fn nearest<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
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

    fn rendered(line: u32, column: u32, text: &str) -> String {
        Finding { line, column, message: "odd".to_owned(), fix: "even it".to_owned() }.render("error", "a.toml", text)
    }

    #[test]
    fn shows_the_line_with_a_mark_below() {
        let text = "x = 1\nägypten = [\"nil\", \"neil\"]\n";
        let shown = "error: odd\n --> a.toml:2:19\n  |\n2 | ägypten = [\"nil\", \"neil\"]\n  |                   ^^^^^^\n  = help: even it\n";
        assert_eq!(rendered(2, 19, text), shown);
        assert!(rendered(2, 1, text).contains("  | ^^^^^^^\n"));
        assert!(rendered(2, 11, text).contains("  |           ^\n"));
    }

    /// Places at and behind the end of a line and of the text, and what no terminal should get.
    #[test]
    fn shows_whatever_place_and_line_there_is() {
        for (line, column) in [(1, 1), (1, 4), (1, 9_999), (9_999, 1), (0, 0), (u32::MAX, u32::MAX)] {
            assert!(rendered(line, column, "a\u{1b}[31m\u{202e}b").ends_with("^\n  = help: even it\n") || line > 9);
        }
        let odd = rendered(1, 3, "a\u{1b}[31m\u{202e}b\tc");
        assert!(odd.contains("1 | a\u{fffd}[31m\u{fffd}b c\n"), "{odd}");
        let long = rendered(1, 5_001, &format!("{}word{}", "x ".repeat(2_500), " y".repeat(9_999)));
        assert!(long.contains("^^^^\n") && long.lines().all(|line| line.chars().count() < 130), "{long}");
    }

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
