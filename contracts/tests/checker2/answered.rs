//! A definition's text comes from a proposal of any member: whatever becomes of the sound text, the checker answers
//! with a definition or with findings that lie within the text.

use super::SOUND;
use laufzettel_contracts::Definition;
use laufzettel_contracts::limits::TEXT_BYTES_MAX;
use proptest::prelude::*;

fn answers(text: &str) {
    let (findings, passed) = match Definition::check(text) {
        Ok(checked) => {
            assert!(checked.definition.rules().rules.len() <= text.matches("rule").count());
            (checked.notes, true)
        }
        Err(findings) => (findings, false),
    };
    assert!(passed || !findings.is_empty(), "a refusal says why");
    let lines: Vec<&str> = text.split('\n').collect();
    for finding in findings {
        let line = usize::try_from(finding.line).expect("a line");
        let column = usize::try_from(finding.column).expect("a column");
        assert!((1..=lines.len()).contains(&line), "{finding}");
        assert!(column >= 1 && column <= lines[line - 1].chars().count() + 1, "{finding}");
        assert!(!finding.fix.is_empty() && !finding.message.is_empty(), "{finding:?}");
        assert!(!finding.to_string().contains(char::is_control), "{finding:?}");
        assert!(!finding.render("error", "x", text).replace('\n', "").contains(char::is_control), "{finding:?}");
    }
}

/// Texts that stand in the sound one, so that a part put elsewhere is still something the checker knows.
fn quoted_parts() -> Vec<&'static str> {
    SOUND.split('"').collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Bytes are replaced, cut out or doubled.
    #[test]
    fn mutated_texts(
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0..3_u8, any::<u8>(), 0..40_usize), 1..6),
    ) {
        let mut bytes = SOUND.as_bytes().to_vec();
        for (place, kind, byte, length) in edits {
            let at = place.index(bytes.len());
            let end = bytes.len().min(at + length);
            match kind {
                0 => bytes[at] = byte,
                1 => drop(bytes.drain(at..end)),
                _ => {
                    let part: Vec<u8> = bytes[at..end].to_vec();
                    bytes.splice(at..at, part);
                }
            }
        }
        answers(&String::from_utf8_lossy(&bytes));
    }

    /// Whole lines change places, go, or come twice: what is left is TOML more often.
    #[test]
    fn reordered_lines(
        moves in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..3_u8), 1..8),
    ) {
        let mut lines: Vec<&str> = SOUND.lines().collect();
        for (from, to, kind) in moves {
            let line = lines[from.index(lines.len())];
            if kind < 2 {
                lines.remove(from.index(lines.len()));
            }
            if kind > 0 {
                lines.insert(to.index(lines.len()), line);
            }
        }
        answers(&lines.join("\n"));
    }

    /// What stands in quotes changes places: names of one kind stand where those of another should, and conditions
    /// where names should. All of it is TOML.
    #[test]
    fn exchanged_names(exchanges in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..12)) {
        let mut parts: Vec<&str> = quoted_parts();
        let inside = parts.len() / 2;
        for (left, right) in exchanges {
            parts.swap(2 * left.index(inside) + 1, 2 * right.index(inside) + 1);
        }
        answers(&parts.join("\""));
    }

    /// A condition of any signs is answered at its place.
    #[test]
    fn any_condition(condition in "[a-z_.()!&|=<> 0-9,\\[\\]]{0,60}") {
        answers(&SOUND.replacen("!has(heard) && this.outcome == rejected", &condition, 1));
    }
}

#[test]
fn deep_nesting_is_answered() {
    for opening in ["[", "{a=", "a.", "[[rule]]\nopen = [", "rule.a."] {
        answers(&format!("{SOUND}\nx = {}", opening.repeat(20_000)));
        answers(&format!("{SOUND}\n{}", opening.repeat(20_000)));
    }
}

/// As many rules as there can be, each naming as much as it can: the analyses are bounded in time.
#[test]
fn the_densest_rules_are_answered() {
    let labels = "label_de = \"x\"\nlabel_en = \"x\"\nbasis = \"x\"\n";
    let mut text = SOUND.to_owned();
    for place in 0..250 {
        text += &format!(
            "[deadline.d{place}]\nlength = \"P2D\"\nwarn = \"P1D\"\ngrace = \"P1D\"\nfrom = \"occurred\"\n{labels}"
        );
    }
    for place in 0..500 {
        let starts: Vec<String> = (0..122).map(|step| format!("\"d{}\"", (place * 7 + step * 13) % 250)).collect();
        let cause = ["warned", "elapsed", "grace"][place % 3];
        let on = place % 250;
        text += &format!(
            "[[rule]]\nname = \"r{place}\"\non = {{ {cause} = \"d{on}\" }}\nstart = [{}]\n{labels}",
            starts.join(",")
        );
    }
    assert!(text.len() > TEXT_BYTES_MAX * 9 / 10 && text.len() <= TEXT_BYTES_MAX, "{}", text.len());
    answers(&text);
    let told = Definition::check(&text).expect_err("cycles");
    assert!(told.iter().any(|finding| finding.message.contains("for ever")), "{told:?}");
    assert!(told.iter().all(|finding| finding.message.len() < 2_000));
}
