//! Texts that a hostile member may propose, made from a sound one, and what every answer of a checker has to be like.
//! Shared by the tests of all checkers; must never know what a text is about.

use laufzettel_contracts::Finding;
use proptest::prelude::*;
use proptest::sample::Index;

/// A change of bytes: where, what is done, with which byte, along which length.
pub(crate) type Edit = (Index, u8, u8, usize);

/// A line to take, a place for it, and what becomes of both: moved, moved and left, taken away.
pub(crate) type Move = (Index, Index, u8);

/// Bytes are replaced, cut out or doubled.
pub(crate) fn edits() -> impl Strategy<Value = Vec<Edit>> {
    prop::collection::vec((any::<Index>(), 0..3_u8, any::<u8>(), 0..40_usize), 1..6)
}

/// The text after the edits; what is no UTF-8 any more is replaced.
pub(crate) fn edited(text: &str, edits: &[Edit]) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for (place, kind, byte, length) in edits {
        let at = place.index(bytes.len());
        let end = bytes.len().min(at.saturating_add(*length));
        match kind {
            0 => *bytes.get_mut(at).expect("a place in the text") = *byte,
            1 if end.saturating_sub(at) < bytes.len() => drop(bytes.drain(at..end)),
            _ => {
                let part: Vec<u8> = bytes.get(at..end).expect("a part of the text").to_vec();
                bytes.splice(at..at, part);
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Whole lines change places, go, or come twice: what is left is TOML more often.
pub(crate) fn moves() -> impl Strategy<Value = Vec<Move>> {
    prop::collection::vec((any::<Index>(), any::<Index>(), 0..3_u8), 1..8)
}

/// The text after the moves.
pub(crate) fn reordered(text: &str, moves: &[Move]) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    for (from, to, kind) in moves {
        let at = from.index(lines.len());
        let line = *lines.get(at).expect("a line of the text");
        if *kind < 2 && lines.len() > 1 {
            lines.remove(at);
        }
        if *kind > 0 {
            lines.insert(to.index(lines.len()), line);
        }
    }
    lines.join("\n")
}

/// Texts that open more than any reader could close, behind a text that may be sound.
pub(crate) fn nested(before: &str) -> Vec<String> {
    let openings = ["[", "{a=", "a.", "[a.", "[[rule]]\nopen = [", "rule.a."];
    let texts = openings.iter().map(|opening| opening.repeat(20_000));
    texts.flat_map(|deep| [format!("{before}\nx = {deep}"), format!("{before}\n{deep}")]).collect()
}

/// Each finding lies in the text, says what is wrong and what to do, and has nothing in it that a terminal would obey.
pub(crate) fn assert_findings(text: &str, findings: &[Finding]) {
    let lines: Vec<&str> = text.split('\n').collect();
    for finding in findings {
        let number = usize::try_from(finding.line).expect("a line");
        let column = usize::try_from(finding.column).expect("a column");
        let line = number.checked_sub(1).and_then(|index| lines.get(index)).expect("a line of the text");
        assert!(column >= 1 && column <= line.chars().count().saturating_add(1), "{finding}");
        assert!(!finding.fix.is_empty() && !finding.message.is_empty(), "{finding:?}");
        assert!(!finding.to_string().contains(char::is_control), "{finding:?}");
        assert!(!finding.render("error", "x", text).replace('\n', "").contains(char::is_control), "{finding:?}");
    }
}
