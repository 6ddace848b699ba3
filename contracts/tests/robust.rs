//! A definition's text comes from a proposal of any member: whatever it holds, the checker answers.
#![allow(clippy::expect_used, reason = "a test stops at the first thing that does not hold")]

mod hostile;

use hostile::{assert_findings, edited, edits, moves, nested, reordered};
use laufzettel_contracts::{ASYL_DE, Definition};
use proptest::prelude::*;

fn answers(text: &str) {
    if let Err(findings) = Definition::check(text) {
        assert!(!findings.is_empty(), "a refusal says why");
        assert_findings(text, &findings);
    }
}

#[test]
fn deep_nesting_is_answered() {
    nested("").iter().for_each(|text| answers(text));
}

/// The most edges there can be: every status may follow every one, and only a few can come first.
#[test]
fn the_densest_graph_is_answered() {
    let names: Vec<String> = (0..256).map(|number| format!("\"s{number}\"")).collect();
    let mut text = "language = 1\nprocess = { id = \"dense\", version = 1, label_de = \"d\", label_en = \"d\" }\n\
        track.t = { number = 16, label_de = \"t\", label_en = \"t\" }\nrole.r = { label_de = \"r\", label_en = \"r\" }\n"
        .to_owned();
    for number in 0..256 {
        let labels = "label_de = \"s\"\nlabel_en = \"s\"\ntrack = \"t\"\nkind = \"reports\"\nprecision = \"day\"\nreported_by = [\"r\"]\nbasis = \"b\"";
        let start = if number == 255 { ", \"START\"" } else { "" };
        text.push_str(&format!("[status.s{number}]\n{labels}\nafter = [{}{start}]\n", names.join(",")));
    }
    let checked = Definition::check(&text).expect("a cycle is no fault");
    assert!(checked.notes.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        answers(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn toml_like_texts_are_answered(text in "([a-z]{1,3}|\\[|\\]|=|\"|\\.|\n|status|track|after|language|1|\\{|\\}| |,){0,80}") {
        answers(&text);
    }

    #[test]
    fn mutated_texts_are_answered(edits in edits()) {
        answers(&edited(ASYL_DE, &edits));
    }

    #[test]
    fn reordered_texts_are_answered(moves in moves()) {
        answers(&reordered(ASYL_DE, &moves));
    }
}
