//! The one place that prints. Results go to standard output, faults to
//! standard error; a closed pipe ends the output, not the program.

use std::io::{self, Write as _};

use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;

use super::fault::Fault;

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people.
    Table,
    /// One JSON value a result.
    Json,
}

/// Prints results.
#[derive(Debug, Clone, Copy)]
pub(super) struct Output {
    format: Format,
}

impl Output {
    pub(super) fn new(format: Format) -> Self {
        Self { format }
    }

    /// One result: rows of name and value, or JSON.
    pub(super) fn record(&self, rows: &[(&str, String)], json: &Value) {
        match self.format {
            Format::Json => line(&json.to_string()),
            Format::Table => {
                let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
                for (name, value) in rows {
                    line(&format!("{name:<width$}  {value}"));
                }
            }
        }
    }

    /// A list: a table, or a JSON array.
    pub(super) fn list(&self, header: &[&str], rows: Vec<Vec<String>>, json: &Value) {
        match self.format {
            Format::Json => line(&json.to_string()),
            Format::Table if rows.is_empty() => line("none"),
            Format::Table => table(header, rows),
        }
    }

    /// A table that belongs to a record; JSON has it in the record.
    pub(super) fn details(&self, header: &[&str], rows: Vec<Vec<String>>) {
        if self.format == Format::Table && !rows.is_empty() {
            table(header, rows);
        }
    }

    /// One entry of a stream: a line, or one JSON value a line.
    pub(super) fn entry(&self, text: &str, json: &Value) {
        match self.format {
            Format::Json => line(&json.to_string()),
            Format::Table => line(text),
        }
    }

    /// An entry that only programs care for.
    pub(super) fn entry_json_only(&self, json: &Value) {
        if self.format == Format::Json {
            line(&json.to_string());
        }
    }

    /// A sentence for people; JSON readers do not see it.
    pub(super) fn say(&self, text: &str) {
        if self.format == Format::Table {
            line(text);
        }
    }

    /// Why the command failed.
    pub(super) fn fault(&self, fault: &Fault) {
        let text = match self.format {
            Format::Table => format!("error: {}\n", fault.message()),
            Format::Json => {
                let value = serde_json::json!({ "error": fault.message(), "exit_code": fault.code() });
                format!("{value}\n")
            }
        };
        let _ = io::stderr().write_all(text.as_bytes());
    }
}

fn table(header: &[&str], rows: Vec<Vec<String>>) {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header.iter().copied());
    table.add_rows(rows);
    line(&table.trim_fmt());
}

fn line(text: &str) {
    let mut out = io::stdout().lock();
    let written = writeln!(out, "{text}").and_then(|()| out.flush());
    if written.is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
        std::process::exit(0);
    }
}
