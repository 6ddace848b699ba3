//! The catalogue as a document, `docs/ERRORS.md`. Must never say more than the catalogue.

use std::fmt::Write as _;

use tonic::Code;

use super::Place::{Error, Receipt};
use super::Reason;

/// A gRPC code as it is written in documentation.
fn code_name(code: Code) -> String {
    let mut out = String::new();
    for (index, symbol) in format!("{code:?}").chars().enumerate() {
        if index > 0 && symbol.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(symbol.to_ascii_uppercase());
    }
    out
}

/// The text of `docs/ERRORS.md`.
#[must_use]
pub fn render() -> String {
    let mut out = String::from(
        "# Errors\n\n\
         Rendered from `node/src/api/reasons.rs`; a test compares. Reasons are stable: switch on them, never on messages.\n\n\
         ## Errors of a call\n\n\
         Every gRPC error carries a `google.rpc.ErrorInfo` with domain `laufzettel`, one of these reasons, and metadata.\n\
         Only `UNAVAILABLE` and `RESOURCE_EXHAUSTED` are to be repeated unchanged, after the `RetryInfo` delay.\n\n\
         | reason | gRPC code | meaning | what to do |\n|--|--|--|--|\n",
    );
    let entries = || Reason::ALL.iter().map(|reason| reason.entry());
    for entry in entries() {
        if let Error(code) = entry.place {
            let (name, code) = (entry.name, code_name(code));
            let _ = writeln!(out, "| `{name}` | {code} | {} | {} |", entry.meaning, entry.remedy);
        }
    }
    out.push_str(
        "\n## Refusals in receipts\n\n\
         The transaction is final, this item of it was refused. `SimulateTransaction` foretells them, except for\n\
         corrections and retractions.\n\n\
         | reason | meaning | what to do |\n|--|--|--|\n",
    );
    for entry in entries().filter(|entry| entry.place == Receipt) {
        let _ = writeln!(out, "| `{}` | {} | {} |", entry.name, entry.meaning, entry.remedy);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_is_the_rendering() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/ERRORS.md");
        if std::env::var_os("LAUFZETTEL_RENDER").is_some() {
            std::fs::write(path, render()).unwrap();
        }
        let found = std::fs::read_to_string(path).unwrap_or_default();
        assert!(found == render(), "docs/ERRORS.md is stale: run the test once with LAUFZETTEL_RENDER=1");
    }

    #[test]
    fn the_ledgers_reasons_are_in_it() {
        use laufzettel_chain::receipt::Code;
        for code in Code::ALL.iter().filter(|code| **code != Code::Accepted) {
            let found = Reason::of_name(code.reason()).unwrap_or_else(|| panic!("{} is missing", code.reason()));
            assert_eq!(found.entry().place, Receipt, "{}", code.reason());
        }
    }

    #[test]
    fn names_are_unique_and_upper_snake() {
        let mut names: Vec<_> = Reason::ALL.iter().map(|reason| reason.name()).collect();
        assert!(names.iter().all(|name| name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')));
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
