//! A definition's text comes from a proposal of any member: whatever becomes of the sound text, the checker answers
//! with a definition or with findings that lie within the text.

use super::SOUND;
use super::hostile::{assert_findings, edited, edits, moves, nested, reordered};
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
    assert_findings(text, &findings);
}

/// Texts that stand in the sound one, so that a part put elsewhere is still something the checker knows.
fn quoted_parts() -> Vec<&'static str> {
    SOUND.split('"').collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn mutated_texts(edits in edits()) {
        answers(&edited(SOUND, &edits));
    }

    #[test]
    fn reordered_lines(moves in moves()) {
        answers(&reordered(SOUND, &moves));
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
    nested(SOUND).iter().for_each(|text| answers(text));
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
