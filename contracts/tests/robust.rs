//! A definition's text comes from a proposal of any member: whatever it holds, the checker answers.
#![allow(clippy::expect_used, reason = "a test stops at the first thing that does not hold")]

use laufzettel_contracts::{ASYL_DE, Definition};
use proptest::prelude::*;

fn answers(text: &str) {
    if let Err(findings) = Definition::check(text) {
        assert!(!findings.is_empty(), "a refusal says why");
        for finding in findings {
            assert!(finding.line > 0 && finding.column > 0 && !finding.fix.is_empty(), "{finding}");
            assert!(!finding.to_string().contains(char::is_control), "{finding:?}");
        }
    }
}

#[test]
fn deep_nesting_is_answered() {
    for opening in ["[", "{a=", "a.", "[a."] {
        answers(&format!("a = {}", opening.repeat(50_000)));
        answers(&opening.repeat(50_000));
    }
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

    /// Bytes of the shipped text are replaced, cut out or doubled.
    #[test]
    fn mutated_texts_are_answered(
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0..3_u8, any::<u8>(), 0..40_usize), 1..6),
    ) {
        let mut bytes = ASYL_DE.as_bytes().to_vec();
        for (place, kind, byte, length) in edits {
            let at = place.index(bytes.len());
            let end = bytes.len().min(at + length);
            match kind {
                0 => *bytes.get_mut(at).expect("a place in the text") = byte,
                1 => drop(bytes.drain(at..end)),
                _ => {
                    let part: Vec<u8> = bytes.get(at..end).expect("a part of the text").to_vec();
                    bytes.splice(at..at, part);
                }
            }
        }
        answers(&String::from_utf8_lossy(&bytes));
    }

    /// Whole lines of the shipped text change places or go: what is left is TOML more often.
    #[test]
    fn reordered_texts_are_answered(moves in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<bool>()), 1..8)) {
        let mut lines: Vec<&str> = ASYL_DE.lines().collect();
        for (from, to, goes) in moves {
            let line = lines.remove(from.index(lines.len()));
            if !goes {
                lines.insert(to.index(lines.len()), line);
            }
        }
        answers(&lines.join("\n"));
    }
}
