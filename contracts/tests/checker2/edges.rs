//! Bounds at their very edge, and what is said beside the golden file.

use super::faults::said;
use super::{SOUND, said_of, sound, with};
use laufzettel_contracts::Definition;
use laufzettel_contracts::limits::{
    CAUSE_COST_MAX, CODE_LENGTH_MAX, LABEL_CHARACTERS_MAX, NOTES_MAX, OUTSIDE_MAX, TEXT_BYTES_MAX,
};

const LABELS: &str = "label_de = \"x\"\nlabel_en = \"x\"\nbasis = \"x\"\n";

#[test]
fn a_text_may_be_as_long_as_it_may() {
    let fill = |length: usize| format!("{SOUND}#{}", "x".repeat(length - SOUND.len() - 1));
    assert!(said_of(&fill(TEXT_BYTES_MAX)).starts_with("passes"));
    assert!(said_of(&fill(TEXT_BYTES_MAX + 1)).starts_with("fails"));
    let label = |length: usize| said_of(&with("\"New law\"", &format!("\"{}\"", "ä".repeat(length))));
    assert!(label(LABEL_CHARACTERS_MAX).starts_with("passes"), "characters are counted, not bytes");
    assert!(label(LABEL_CHARACTERS_MAX + 1).contains("more than 200 characters"));
}

#[test]
fn a_list_of_names_may_be_as_long_as_it_may() {
    let outside = |count: usize| {
        let names: Vec<String> = (1..count).map(|place| format!("\"o{place}\"")).collect();
        said_of(&with("[\"elsewhere\"]\n\n[track", &format!("[\"elsewhere\", {}]\n\n[track", names.join(", "))))
    };
    assert!(!outside(OUTSIDE_MAX).contains("more than"), "{}", outside(OUTSIDE_MAX));
    for count in [OUTSIDE_MAX + 1, OUTSIDE_MAX + 2] {
        assert!(outside(count).contains("more than 256 names"), "{count}");
    }
}

/// 300 deadlines that nothing starts are noted one by one, and what each has in vain: more than are kept.
#[test]
fn only_so_many_notes_are_kept() {
    let part = |place: usize| {
        let body = "label_de = \"x\"\nlabel_en = \"x\"\nbasis = \"x\"\n";
        format!(
            "[deadline.d{place}]\nlength = \"P9D\"\nfrom = \"occurred\"\nmet_by = [\"heard\", \"elsewhere\"]\n\
             grace = \"P1D\"\n{body}[task.t{place}]\ndone_by = [\"elsewhere\"]\n{body}\
             [notice.n{place}]\nacknowledge_within = \"PT1H\"\n{body}"
        )
    };
    let text = with("", &(0..240).map(part).collect::<String>());
    let notes = Definition::check(&text).map_err(|all| said(Err(all))).expect("notes only").notes;
    assert_eq!(notes.len(), NOTES_MAX);
}

#[test]
fn a_long_name_is_cut_where_it_is_told_and_gets_no_proposal() {
    let marker = |length: usize| {
        let name = format!("m{}", "x".repeat(length - 1));
        format!("\n[marker.{name}]\naudience = [\"office\"]\n{LABELS}")
    };
    let text = |named: &str| {
        let rule = format!("\n[[rule]]\nname = \"r\"\non = {{ status = \"heard\" }}\nmark = [\"{named}\"]\n{LABELS}");
        said_of(&with("", &format!("{}{rule}", marker(CODE_LENGTH_MAX))))
    };
    // One letter wrong in the longest name there can be: a slip. One letter more than there can be: no name at all.
    let slip = text(&format!("m{}y", "x".repeat(CODE_LENGTH_MAX - 2)));
    assert!(slip.contains("did you mean `mxxx"), "{slip}");
    let long = text(&format!("m{}", "x".repeat(CODE_LENGTH_MAX)));
    assert!(!long.contains("did you mean"), "{long}");
    assert!(long.contains(&format!("`m{}...`", "x".repeat(CODE_LENGTH_MAX - 1))), "{long}");
}

/// A status may follow itself; that is no contradiction to its rank.
#[test]
fn a_status_may_come_after_itself() {
    let text = with("after = [\"lodged\"]\nbasis", "after = [\"lodged\", \"heard\"]\nbasis");
    assert!(text.contains("\"heard\"]") && said_of(&text).starts_with("passes"), "{}", said_of(&text));
}

/// Nothing follows from an unknown name: not that a status is out of reach.
#[test]
fn an_unknown_predecessor_is_the_only_fault() {
    let said = said_of(&with(
        "reported_by = [\"court\"]\nafter = [\"decided\"]",
        "reported_by = [\"court\"]\nafter = [\"ruled\", \"decidd\"]",
    ));
    assert_eq!(said.lines().count(), 2, "{said}");
    assert!(said.contains("unknown status `decidd`"), "{said}");
}

#[test]
fn a_long_way_round_is_cut() {
    let mut more = String::new();
    for place in 0..12 {
        let next = (place + 1) % 12;
        more += &format!("\n[deadline.d{place}]\nlength = \"P1D\"\nfrom = \"occurred\"\n{LABELS}");
        more += &format!(
            "\n[[rule]]\nname = \"r{place}\"\non = {{ elapsed = \"d{place}\" }}\nstart = [\"d{next}\"]\n{LABELS}"
        );
    }
    let said = said_of(&with("", &more));
    assert!(said.contains("rule `r7` starts `d8`, and 4 more; "), "{said}");
    // One that just fits has no such end.
    let short = more.replace("\"d8\"]", "\"d1\"]");
    let said = said_of(&with("", &short));
    assert!(said.contains("for ever") && !said.contains(" more; take"), "{said}");
}

/// Where a cascade begins: at the name of the first rule of its cause.
#[test]
fn a_cascade_is_told_where_its_first_rule_stands() {
    let opened = vec!["{ task = \"phone\", for = \"court\" }"; 250].join(",");
    let mut more = String::new();
    for place in 0..5 {
        more += &format!("\n[[rule]]\nname = \"r{place}\"\non = {{ status = \"heard\" }}\nopen = [{opened}]\n{LABELS}");
    }
    let text = with("", &more);
    let (before, _) = text.split_once("\"r0\"").expect("the first rule");
    let line = before.matches('\n').count() + 1;
    let said = said_of(&text);
    assert!(said.contains(&format!("\n  {line}:8: at a report of `heard` rules make 1250 effects")), "{line}: {said}");
}

/// Ten long rules and a shorter one that fills up to the bound, then one step more.
#[test]
fn one_cause_may_cost_as_much_as_it_may() {
    const LONG: u32 = 900;
    let rule = |place: u32, literals: u32| {
        let dear = vec!["1"; usize::try_from(literals).expect("few")].join("+");
        let when = format!("when = \"{dear} > 1 && count(heard) > 1\"");
        format!(
            "\n[[rule]]\nname = \"r{place}\"\non = {{ status = \"removed\" }}\n{when}\nstop = [\"hearing\"]\n{LABELS}"
        )
    };
    let long = |count: u32| (0..count).map(|place| rule(place, LONG)).collect::<String>();
    let cost = |more: &str| -> Option<u32> {
        let said = said_of(&with("", more));
        let (_, rest) = said.split_once("guards and rules cost ")?;
        rest.split_once(' ')?.0.parse().ok()
    };
    let one = cost(&long(11)).expect("too much") / 11;
    let left = CAUSE_COST_MAX - 10 * one;
    // A literal is a step.
    let last = |more: u32| format!("{}{}", long(10), rule(10, LONG + left - one + more));
    assert!(said_of(&with("", &last(0))).starts_with("passes"));
    assert_eq!(cost(&last(1)), Some(CAUSE_COST_MAX + 1));
}

#[test]
fn every_role_is_found_by_its_code() {
    let definition = sound();
    for role in definition.roles() {
        assert_eq!(definition.role(role.code.as_str()), Some(role));
    }
    assert_eq!(definition.role("nobody"), None);
}
