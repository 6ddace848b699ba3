//! Writes a derived definition in language 1. Must never write a label as it came: names of a log may hold any sign, be
//! longer than a label may be, or break out of a text in quotes.

use super::observed::{Observed, ObservedStatus};
use crate::eventlog::{EventLog, id_of};
use laufzettel_contracts::limits::LABEL_CHARACTERS_MAX;

/// The lowest track number.
const TRACK_NUMBER: u8 = 16;
/// A log knows no law.
const BASIS: &str = "observed in a log";

pub(super) fn write(log: &EventLog, observed: &Observed<'_>, ranked: &[usize], id: &str) -> String {
    let mut text = String::new();
    let counts = format!("{} events of {} cases", log.event_count(), log.cases.len());
    text.push_str(&format!("# Made from a log by `laufzettel process derive`: {counts}.\n"));
    text.push_str("# What was observed, not what is right: read it before you propose it.\n\n");
    text.push_str("language = 1\n\n[process]\n");
    text.push_str(&format!("id = {}\nversion = 1\n{}", quoted(&id_of(id)), labels(id, id)));
    text.push_str(&format!("\n[track.main]\nnumber = {TRACK_NUMBER}\n{}", labels("Ablauf", "Course")));
    for (name, group) in observed.names.groups() {
        let labels = name.map_or_else(|| labels("Ohne Gruppe", "No group"), |name| labels(name, name));
        text.push_str(&format!("\n[role.{}]\n{labels}", group.role));
    }
    for status in ranked.iter().filter_map(|index| observed.statuses.get(*index)) {
        text.push_str(&write_status(observed, status));
    }
    text
}

fn write_status(observed: &Observed<'_>, status: &ObservedStatus<'_>) -> String {
    let predecessor = |index: &usize| observed.statuses.get(*index).map(|status| status.code.as_str());
    let start = status.starts.then_some("START");
    let after: Vec<&str> = start.into_iter().chain(status.predecessors.iter().filter_map(predecessor)).collect();
    let reported_by: Vec<&str> = status.reported_by.iter().map(String::as_str).collect();
    let mut text = format!("\n[status.{}]\n{}", status.code, labels(status.activity, status.activity));
    text.push_str("track = \"main\"\nkind = \"reports\"\nprecision = \"instant\"\n");
    text.push_str(&format!("reported_by = {}\nafter = {}\n", list(&reported_by), list(&after)));
    if status.repeats {
        text.push_str("repeatable = true\n");
    }
    text.push_str(&format!("basis = {}\n", quoted(BASIS)));
    text
}

fn labels(de: &str, en: &str) -> String {
    format!("label_de = {}\nlabel_en = {}\n", label(de), label(en))
}

/// A label of a name; a blank one becomes a dash, since the checker wants something to be read.
fn label(name: &str) -> String {
    let short: String = name.chars().take(LABEL_CHARACTERS_MAX).collect();
    quoted(if short.trim().is_empty() { "-" } else { &short })
}

fn list(codes: &[&str]) -> String {
    let quoted: Vec<String> = codes.iter().map(|code| quoted(code)).collect();
    format!("[{}]", quoted.join(", "))
}

/// A basic string of TOML: quotes and backslashes escaped, and every sign that is for control.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for sign in text.chars() {
        match sign {
            '"' | '\\' => quoted.extend(['\\', sign]),
            sign if sign.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(sign))),
            sign => quoted.push(sign),
        }
    }
    quoted.push('"');
    quoted
}
