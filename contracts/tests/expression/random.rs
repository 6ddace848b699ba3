//! What must hold of any condition and any text.

use super::generator::{Choices, condition, world};
use super::{Expression, read, schema};
use laufzettel_contracts::expression::Verdict;
use laufzettel_contracts::limits::EXPRESSION_COST_MAX;
use proptest::prelude::*;

/// Reads a text; what it is refused for lies inside it.
fn answers(text: &str) {
    match Expression::check(text, schema(), Some("applied")) {
        Ok(read) => assert!(read.cost() <= EXPRESSION_COST_MAX),
        Err(findings) => {
            assert!(!findings.is_empty(), "a refusal says why");
            for finding in findings {
                let line = text.split('\n').nth(finding.line as usize - 1).expect("a line of the text");
                assert!((1..=line.chars().count() + 1).contains(&(finding.column as usize)), "{text:?}: {finding}");
                assert!(!finding.message.is_empty() && !finding.fix.is_empty(), "{finding}");
                assert!(!finding.to_string().contains(char::is_control), "{finding:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_024, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        answers(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn pieces_of_the_language_are_answered(
        text in "(has\\(|last\\(|this|\\.day|\\.outcome|applied|decided|granted|in|\\[|\\]|\\(|\\)|,|\\.|&&|\\|\\||!|==|<|\\+|-|1|\"|'| |\n|date\\(|open\\(|stop|ä){0,60}",
    ) {
        answers(&text);
    }

    /// A sound condition with bytes replaced, cut out or doubled.
    #[test]
    fn mutated_conditions_are_answered(
        numbers in prop::collection::vec(any::<u8>(), 1..120),
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0..3_u8, any::<u8>(), 0..20_usize), 1..4),
    ) {
        let mut bytes = condition(&mut Choices::new(&numbers, true), 4).ours.into_bytes();
        for (place, kind, byte, length) in edits {
            if bytes.is_empty() {
                break;
            }
            let at = place.index(bytes.len());
            let to = (at + length).min(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => drop(bytes.drain(at..to)),
                _ => {
                    let piece = bytes[at..to].to_vec();
                    bytes.splice(at..at, piece);
                }
            }
        }
        answers(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn what_is_printed_reads_back_as_the_same(numbers in prop::collection::vec(any::<u8>(), 1..200)) {
        let expression = read(&condition(&mut Choices::new(&numbers, true), 5).ours);
        let printed = expression.to_string();
        let again = read(&printed);
        prop_assert_eq!(&again, &expression);
        prop_assert_eq!(again.to_string(), printed);
    }

    /// "Always" is never said wrongly.
    #[test]
    fn a_verdict_holds_in_every_case(
        numbers in prop::collection::vec(any::<u8>(), 1..120),
        cases in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..120), 8),
    ) {
        let expression = read(&condition(&mut Choices::new(&numbers, true), 4).ours);
        for case in &cases {
            let holds = expression.eval(&world(&mut Choices::new(case, true)));
            match expression.verdict() {
                Verdict::AlwaysTrue => prop_assert!(holds, "{expression}"),
                Verdict::AlwaysFalse => prop_assert!(!holds, "{expression}"),
                Verdict::Depends => {}
            }
        }
    }
}

/// The properties above and the comparison with CEL say little if the generator leaves things out.
#[test]
fn the_generator_reaches_every_part_of_the_language() {
    let mut state = 1_u32;
    let mut number = || {
        // Numerical Recipes' linear congruence; its high bits are even enough.
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let mut numbers = |count: usize| (0..count).map(|_| number()).collect::<Vec<u8>>();
    let (mut all, mut holding) = (String::new(), 0);
    for _ in 0..1_000 {
        let text = condition(&mut Choices::new(&numbers(100), false), 4).ours;
        holding += usize::from(read(&text).eval(&world(&mut Choices::new(&numbers(100), false))));
        all.push_str(&text);
        all.push('\n');
    }
    for part in [
        "has(",
        "has_ever(",
        "count(",
        "open(",
        "present(",
        "days_between(",
        "date(",
        "last(",
        "this.",
        "regime",
        "proceeding",
        ".outcome",
        ".day",
        ".effective",
        ".author",
        ".minor",
        ".form",
        ".office",
        ".pages",
        ".born",
        " in [",
        "!(",
        " && ",
        " || ",
        " == ",
        " != ",
        " < ",
        " <= ",
        " > ",
        " >= ",
        " + ",
        " - ",
        "true",
        "false",
        "-1",
    ] {
        assert!(all.matches(part).count() >= 20, "{part}");
    }
    assert!((250..750).contains(&holding), "{holding} of 1000 hold");
}
