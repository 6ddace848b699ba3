//! Names: known words, words that want one name, and any words at all.

use super::*;
use crate::eventlog::{LogCase, LogEvent};
use laufzettel_contracts::{AuthorityId, Code};
use proptest::prelude::*;

fn names(words: &[(&str, Option<&str>)]) -> Names {
    let event = |(activity, group): &(&str, Option<&str>)| LogEvent {
        activity: (*activity).to_owned(),
        instant_ms: 0,
        group: group.map(str::to_owned),
        line: 2,
    };
    let case = LogCase { name: "1".to_owned(), events: words.iter().map(event).collect() };
    Names::of(&EventLog { cases: vec![case], ..EventLog::default() })
}

#[test]
fn folds_words_into_codes() {
    for (activity, code) in [
        ("hearing_held", "hearing_held"),
        ("Confirmation of receipt", "confirmation_of_receipt"),
        ("T02 Check: confirmation  (receipt)!", "t02_check_confirmation_receipt"),
        ("Anhörung für Übergrößen", "anhoerung_fuer_uebergroessen"),
        ("A\u{308}mter", "amter"),
        ("Čeština, łódź", "cestina_lodz"),
        ("10 days", "status_10_days"),
        ("Решение", "status"),
        ("x", "x"),
        ("__a__b__", "a_b"),
        ("a__b_", "a__b_"),
    ] {
        assert_eq!(names(&[(activity, None)]).status(activity), Some(code), "{activity}");
    }
}

#[test]
fn keeps_words_apart() {
    let names = names(&[("Held", None), ("held", None), ("HELD!", None), ("held_2", None)]);
    let codes: Vec<_> = names.statuses().collect();
    assert_eq!(codes, [("HELD!", "held_3"), ("Held", "held_4"), ("held", "held"), ("held_2", "held_2")]);
}

#[test]
fn names_groups_and_the_lack_of_one() {
    let names =
        names(&[("a", None), ("a", Some("Group 1")), ("a", Some("No group")), ("a", Some("7")), ("a", Some("X"))]);
    let groups: Vec<_> = names.groups().map(|(name, group)| (name, &*group.authority, &*group.role)).collect();
    let expected = [
        (None, "no-group", "no_group"),
        (Some("7"), "group-7", "group_7"),
        (Some("Group 1"), "group-1", "group_1"),
        (Some("No group"), "no-group-2", "no_group_2"),
        (Some("X"), "group-x", "x"),
    ];
    assert_eq!(groups, expected);
    assert_eq!(names.group(None).map(|group| group.role.as_str()), Some("no_group"));
}

#[test]
fn makes_ids_of_file_names() {
    for (text, id) in [("receipt", "receipt"), ("2024 Fälle", "log-2024-faelle"), ("", "log"), ("a", "log-a")] {
        assert_eq!(id_of(text), id);
    }
}

proptest! {
    #[test]
    fn gives_every_word_a_name_of_its_own(words in prop::collection::btree_set("[a-b_ ÄÖé0-9.]{0,60}|\\PC{0,8}", 1..40)) {
        let pairs: Vec<_> = words.iter().map(|word| (word.as_str(), Some(word.as_str()))).collect();
        let names = names(&pairs);
        let codes: BTreeSet<_> = names.statuses().map(|(_, code)| code.to_owned()).collect();
        prop_assert_eq!(codes.len(), words.len());
        for code in &codes {
            prop_assert!(Code::new(code).is_ok(), "{}", code);
        }
        let authorities: BTreeSet<_> = names.groups().map(|(_, group)| group.authority.clone()).collect();
        prop_assert_eq!(authorities.len(), words.len());
        for authority in &authorities {
            prop_assert!(AuthorityId::new(authority).is_ok(), "{}", authority);
        }
        let roles: BTreeSet<_> = names.groups().map(|(_, group)| group.role.clone()).collect();
        prop_assert_eq!(roles.len(), words.len());
        prop_assert!(roles.iter().all(|role| Code::new(role).is_ok()));
        let turned: Vec<_> = pairs.iter().rev().copied().collect();
        prop_assert_eq!(super::tests::names(&turned), names);
    }
}
