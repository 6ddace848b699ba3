//! Reads a story: a text that is both what happens in a case and what the case then shows. Must never know what a
//! process is: it hands on names as they are written.
//!
//! ```text
//! # a comment
//! case TITLE
//! authority ID ROLE ROLE ...
//! DATE recorded DATETIME AUTHORITY STATUS NAME=VALUE ...            the next report, counted from 1
//! correct NUMBER to DATE recorded DATETIME STATUS NAME=VALUE ...
//! retract NUMBER recorded DATETIME
//! ack NOTICE by AUTHORITY recorded DATETIME
//! done TASK by AUTHORITY with OUTCOME recorded DATETIME
//! look DATETIME                                                       nothing happens but time
//! expect LINE            after one of these: what is shown has a line that begins so; worked out by hand
//! expect no LINE         it has none
//!     what is shown      four blanks; written by the program when asked to
//! ```
//! Times are UTC. `outcome`, `effective` and `proceeding` are the report's own fields, `override` is the
//! reason with which a second person overrides what blocks it, all other names are attributes.

use std::collections::BTreeMap;

/// What one line lets happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Act {
    /// A report.
    Report(Said),
    /// A report in the place of an earlier one.
    Correct(usize, Said),
    /// An earlier report taken out.
    Retract(usize),
    /// A notice acknowledged.
    Acknowledge {
        /// The notice.
        notice: String,
        /// By whom.
        author: String,
    },
    /// A task completed.
    Complete {
        /// The task.
        task: String,
        /// By whom.
        author: String,
        /// With what.
        outcome: String,
    },
    /// Nothing.
    Look,
}

/// A report as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    /// When it occurred, days since 1970-01-01.
    pub day: i32,
    /// Who says so; empty in a correction.
    pub author: String,
    /// The status.
    pub status: String,
    /// All that is named.
    pub fields: BTreeMap<String, String>,
}

/// One step of a story.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    /// The line as it is written.
    pub line: String,
    /// Comments that stand before it.
    pub before: Vec<String>,
    /// What happens.
    pub act: Act,
    /// When the ledger records it.
    pub at_ms: u64,
    /// What was worked out by hand, with the comments that give the reasons, as written.
    pub expected: Vec<String>,
    /// What the story says is shown.
    pub shown: Vec<String>,
}

/// A whole story.
#[derive(Debug, Clone)]
pub(crate) struct Story {
    /// Everything before the first step, as written.
    pub head: Vec<String>,
    /// Who takes part, with roles.
    pub authorities: BTreeMap<String, Vec<String>>,
    /// What happens.
    pub steps: Vec<Step>,
    /// Comments after the last step.
    pub tail: Vec<String>,
}

/// Reads a story.
///
/// # Errors
/// The first line that is none, by number.
pub(crate) fn read(text: &str) -> Result<Story, String> {
    let mut story = Story { head: Vec::new(), authorities: BTreeMap::new(), steps: Vec::new(), tail: Vec::new() };
    let mut comments: Vec<String> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let fault = |why: &str| format!("line {number}: {why}: {line}");
        if line.starts_with('#') || line.is_empty() {
            comments.push(line.to_owned());
        } else if let Some(shown) = line.strip_prefix("    ") {
            let step = story.steps.last_mut().ok_or_else(|| fault("shown before anything happens"))?;
            step.shown.push(shown.to_owned());
        } else if line.starts_with("expect ") {
            let step = story.steps.last_mut().ok_or_else(|| fault("expected before anything happens"))?;
            step.expected.append(&mut comments);
            step.expected.push(line.to_owned());
        } else if line.starts_with("case ") || line.starts_with("authority ") {
            story.head.append(&mut comments);
            story.head.push(line.to_owned());
            let mut words = line.split(' ').skip(1);
            if let (true, Some(id)) = (line.starts_with("authority "), words.next()) {
                story.authorities.insert(id.to_owned(), words.map(str::to_owned).collect());
            }
        } else {
            let (act, at_ms) = read_act(line).ok_or_else(|| fault("this is nothing that can happen"))?;
            if story.steps.last().is_some_and(|last| last.at_ms > at_ms) {
                return Err(fault("recorded before the line above"));
            }
            let before = if story.steps.is_empty() {
                story.head.append(&mut comments);
                Vec::new()
            } else {
                std::mem::take(&mut comments)
            };
            let (expected, shown) = (Vec::new(), Vec::new());
            story.steps.push(Step { line: line.to_owned(), before, act, at_ms, expected, shown });
        }
    }
    story.tail = comments;
    Ok(story)
}

impl Story {
    /// The story as a text, with what its steps show.
    pub(crate) fn write(&self) -> String {
        let mut lines = self.head.clone();
        for step in &self.steps {
            lines.extend(step.before.iter().cloned());
            lines.push(step.line.clone());
            lines.extend(step.expected.iter().cloned());
            lines.extend(step.shown.iter().map(|shown| format!("    {shown}")));
        }
        lines.extend(self.tail.iter().cloned());
        lines.join("\n") + "\n"
    }
}

fn read_act(line: &str) -> Option<(Act, u64)> {
    let words: Vec<&str> = line.split(' ').collect();
    match words.as_slice() {
        ["look", at] => Some((Act::Look, instant(at)?)),
        ["retract", number, "recorded", at] => Some((Act::Retract(number.parse().ok()?), instant(at)?)),
        ["ack", notice, "by", author, "recorded", at] => {
            let act = Act::Acknowledge { notice: (*notice).to_owned(), author: (*author).to_owned() };
            Some((act, instant(at)?))
        }
        ["done", task, "by", author, "with", outcome, "recorded", at] => {
            let (task, author, outcome) = ((*task).to_owned(), (*author).to_owned(), (*outcome).to_owned());
            Some((Act::Complete { task, author, outcome }, instant(at)?))
        }
        ["correct", number, "to", date, "recorded", at, status, fields @ ..] => {
            let said = said(date, "", status, fields)?;
            Some((Act::Correct(number.parse().ok()?, said), instant(at)?))
        }
        [date, "recorded", at, author, status, fields @ ..] => {
            Some((Act::Report(said(date, author, status, fields)?), instant(at)?))
        }
        _ => None,
    }
}

fn said(date: &str, author: &str, status: &str, fields: &[&str]) -> Option<Said> {
    let pair = |field: &&str| field.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    let fields = fields.iter().map(pair).collect::<Option<_>>()?;
    Some(Said { day: day(date)?, author: author.to_owned(), status: status.to_owned(), fields })
}

/// Days since 1970-01-01 of `2026-06-12`, by counting the years and months one by one.
pub(crate) fn day(text: &str) -> Option<i32> {
    let parts: Vec<i32> = text.split('-').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let [year @ 1970..=2200, month @ 1..=12, day @ 1..=31] = parts.as_slice() else { return None };
    let years: i32 = (1970..*year).map(|year| if is_leap(year) { 366 } else { 365 }).sum();
    let months: i32 = (1..*month).map(|month| month_days(*year, month)).sum();
    (*day <= month_days(*year, *month)).then_some(years + months + day - 1)
}

/// The other way round.
pub(crate) fn written(mut days: i32) -> String {
    let mut year = 1970;
    while days >= if is_leap(year) { 366 } else { 365 } {
        days -= if is_leap(year) { 366 } else { 365 };
        year += 1;
    }
    let mut month = 1;
    while days >= month_days(year, month) {
        days -= month_days(year, month);
        month += 1;
    }
    format!("{year:04}-{month:02}-{:02}", days + 1)
}

fn is_leap(year: i32) -> bool {
    (year % 4 == 0 && year % 100 != 0) || year % 400 == 0
}

fn month_days(year: i32, month: i32) -> i32 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Milliseconds of `2026-06-12T10:00`.
fn instant(text: &str) -> Option<u64> {
    let (date, time) = text.split_once('T')?;
    let (hour, minute) = time.split_once(':')?;
    let (hour, minute): (u64, u64) = (hour.parse().ok()?, minute.parse().ok()?);
    let days = u64::try_from(day(date)?).ok()?;
    (hour < 24 && minute < 60).then_some(((days * 24 + hour) * 60 + minute) * 60_000)
}
