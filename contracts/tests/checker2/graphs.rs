//! What follows from what: cycles are errors that name the way, and the work and the effects of one cause are bounded.

use super::{said_of, with};
use laufzettel_contracts::Definition;
use laufzettel_contracts::limits::{CASCADE_MAX, CAUSE_COST_MAX, CYCLES_TOLD_MAX, EXPRESSION_COST_MAX};
use proptest::prelude::*;

const LABELS: &str = "label_de = \"x\"\nlabel_en = \"x\"\nbasis = \"x\"\n";

fn rule(name: &str, body: &str) -> String {
    format!("\n[[rule]]\nname = \"{name}\"\n{body}\n{LABELS}")
}

fn deadline(name: &str) -> String {
    format!("\n[deadline.{name}]\nlength = \"P1D\"\nfrom = \"occurred\"\n{LABELS}")
}

/// The message of the first finding; the place is asked for where it matters.
fn first_of(text: &str) -> String {
    said_of(text).lines().nth(1).expect("a finding").trim().to_owned()
}

#[test]
fn a_rule_that_sets_itself_off() {
    let text = with("", &rule("again", "on = { elapsed = \"hearing\" }\nstart = [\"hearing\"]"));
    assert_eq!(
        first_of(&text),
        "341:10: rules set one another off for ever: at the end of `hearing` rule `again` starts `hearing`; \
         take one of these steps out: what repeats is reported again by a person"
    );
}

#[test]
fn a_cycle_through_a_deadline_and_a_silence() {
    let more =
        rule("calls", "on = { warned = \"appeal_2w\" }\nnotify = [{ notice = \"stop_removal\", to = [\"court\"] }]")
            + &rule("restarts", "on = { unacknowledged = \"stop_removal\" }\nstart = [\"hearing\"]")
            + &rule("returns", "on = { elapsed = \"hearing\" }\nstart = [\"appeal_2w\"]");
    let said = first_of(&with("", &more));
    let (_, message) = said.split_once(": ").expect("a place");
    assert_eq!(
        message,
        "rules set one another off for ever: at the warning of `appeal_2w` rule `calls` sends `stop_removal`, then at \
         the silence about `stop_removal` rule `restarts` starts `hearing`, then at the end of `hearing` rule `returns` \
         starts `appeal_2w`; take one of these steps out: what repeats is reported again by a person"
    );
}

#[test]
fn a_cycle_through_each_moment_of_a_deadline() {
    for moment in ["warned", "elapsed", "grace"] {
        let text = with("", &rule("again", &format!("on = {{ {moment} = \"appeal_2w\" }}\nstart = [\"appeal_2w\"]")));
        assert!(first_of(&text).contains("for ever"), "{moment}: {}", said_of(&text));
    }
}

#[test]
fn only_so_many_cycles_are_told() {
    let own = |place: usize| {
        deadline(&format!("d{place}"))
            + &rule(&format!("r{place}"), &format!("on = {{ elapsed = \"d{place}\" }}\nstart = [\"d{place}\"]"))
    };
    let cycles = |count: usize| {
        let text = with("", &(0..count).map(own).collect::<String>());
        said_of(&text).matches("for ever").count()
    };
    assert_eq!((cycles(3), cycles(CYCLES_TOLD_MAX + 4)), (3, CYCLES_TOLD_MAX));
}

/// A report is not made by a rule: what a status sets off and what reports it are no cycle.
#[test]
fn a_deadline_that_its_own_end_stops_is_no_cycle() {
    let text = with("", &rule("over", "on = { elapsed = \"hearing\" }\nstop = [\"hearing\", \"appeal_2w\"]"));
    assert!(said_of(&text).starts_with("passes"), "{}", said_of(&text));
}

/// A chain of deadlines, each with the rules that start the next; `width` rules at each.
fn chain(length: usize, width: usize) -> String {
    let mut more = rule("first", "on = { status = \"heard\" }\nstart = [\"d0\"]");
    for place in 0..length {
        more += &deadline(&format!("d{place}"));
        for copy in 0..width {
            let next = if place + 1 < length {
                format!("start = [\"d{}\"]", place + 1)
            } else {
                "open = [{ task = \"phone\", for = \"court\" }]".to_owned()
            };
            more += &rule(&format!("r{place}_{copy}"), &format!("on = {{ elapsed = \"d{place}\" }}\n{next}"));
        }
    }
    with("", &more)
}

#[test]
fn the_longest_chain_is_answered_and_allowed() {
    assert!(said_of(&chain(250, 1)).starts_with("passes"));
}

/// Two rules at each end double what follows: 2 + 4 + ... + 2^9 = 1022 effects after nine ends, and one at the report.
#[test]
fn effects_that_multiply_are_refused() {
    assert!(said_of(&chain(8, 2)).starts_with("passes"));
    let said = said_of(&chain(9, 2));
    let (_, message) = said.lines().nth(1).expect("a finding").split_once(": ").expect("a place");
    assert_eq!(
        message,
        format!(
            "at the end of `d0` rules make 1022 effects in the end, more than {CASCADE_MAX}; let fewer things follow from one another"
        )
    );
    assert_eq!(said.lines().count(), 2, "{said}");
    assert!(said_of(&chain(200, 2)).starts_with("fails"));
}

/// Each recipient may be silent: three times what follows from one silence.
#[test]
fn every_recipient_counts() {
    let opened = vec!["{ task = \"phone\", for = \"court\" }"; 250].join(",");
    let text = |roles: &str, rules: usize| {
        let silent = |place: usize| {
            rule(&format!("r{place}"), &format!("on = {{ unacknowledged = \"stop_removal\" }}\nopen = [{opened}]"))
        };
        let told = format!("on = {{ status = \"heard\" }}\nnotify = [{{ notice = \"stop_removal\", to = [{roles}] }}]");
        with("", &((0..rules).map(silent).collect::<String>() + &rule("told", &told)))
    };
    // 250 openings and that of `escalate` for each, and the notice: 1 + 3 * 251, then 1 + 4 * 251.
    assert!(said_of(&text("\"office\", \"court\", \"police\"", 1)).starts_with("passes"));
    let said = first_of(&text("\"office\", \"court\", \"police\", \"foreigners\"", 1));
    assert!(said.contains("at a report of `heard` rules make 1005 effects"), "{said}");
}

/// 60 locks and 250 markers in four rules are 1,240 effects; what they release and clear is none.
#[test]
fn locks_and_markers_are_effects() {
    let names =
        |what: &str, count: usize| -> Vec<String> { (0..count).map(|place| format!("{what}{place}")).collect() };
    let (locks, markers) = (names("l", 60), names("m", 250));
    let mut parts: String =
        locks.iter().map(|name| format!("\n[lock.{name}]\nstops = [\"final\"]\n{LABELS}")).collect();
    parts.extend(markers.iter().map(|name| format!("\n[marker.{name}]\naudience = [\"office\"]\n{LABELS}")));
    let rules = |set: &str, mark: &str| -> String {
        let body = format!("on = {{ status = \"heard\" }}\n{set} = {locks:?}\n{mark} = {markers:?}");
        let rules: String = (0..4).map(|place| rule(&format!("r{place}"), &body)).collect();
        said_of(&with("", &format!("{parts}{rules}")))
    };
    assert!(rules("unlock", "clear").starts_with("passes"));
    assert!(rules("lock", "clear").starts_with("passes"), "240 effects");
    assert!(rules("unlock", "mark").starts_with("passes"), "1,000 effects");
    assert!(rules("lock", "mark").contains("at a report of `heard` rules make 1240 effects"));
}

#[test]
fn guards_and_recipients_cost() {
    let literals = usize::try_from(EXPRESSION_COST_MAX).expect("few") - 11;
    let dear = vec!["1"; literals].join("+");
    let guards = |count: usize| -> String {
        let one = |place: usize| {
            format!("\n[[status.heard.warn_if]]\nname = \"g{place}\"\nwhen = 'count(lodged) + {dear} > 1000'\n{LABELS}")
        };
        said_of(&with("", &(0..count).map(one).collect::<String>()))
    };
    assert!(guards(9).starts_with("passes"));
    assert!(guards(11).contains("at a report of `heard` guards and rules cost 1"), "{}", guards(11));
    let sent = vec!["{ notice = \"news\", to = [\"office\", \"court\", \"police\", \"foreigners\"] }"; 250].join(",");
    let rules = |count: usize| -> String {
        let one =
            |place: usize| rule(&format!("r{place}"), &format!("on = {{ status = \"heard\" }}\nnotify = [{sent}]"));
        said_of(&with("", &(0..count).map(one).collect::<String>()))
    };
    // A rule is one step, each of its 250 notices and of the 1,000 recipients five.
    assert!(rules(1).starts_with("passes"));
    assert!(rules(2).contains("at a report of `heard` guards and rules cost 12502 steps"), "{}", rules(2));
}

#[test]
fn what_one_cause_costs_is_bounded() {
    let literals = usize::try_from(EXPRESSION_COST_MAX).expect("few") - 11;
    let dear = format!("when = \"count(lodged) + {} > 1000\"", vec!["1"; literals].join("+"));
    let rules = |count: u32| -> String {
        let one = |place: u32| {
            rule(&format!("r{place}"), &format!("on = {{ status = \"heard\" }}\n{dear}\nstop = [\"hearing\"]"))
        };
        with("", &(0..count).map(one).collect::<String>())
    };
    let most = CAUSE_COST_MAX / EXPRESSION_COST_MAX;
    assert!(said_of(&rules(most - 1)).starts_with("passes"), "{}", said_of(&rules(most - 1)));
    let said = first_of(&rules(most + 1));
    assert!(said.contains("at a report of `heard` guards and rules cost 1"), "{said}");
}

#[test]
fn every_list_has_its_bound() {
    let many = |count: usize, one: &dyn Fn(usize) -> String| -> String {
        said_of(&with("", &(0..count).map(one).collect::<String>()))
    };
    let named =
        |part: &str, count: usize, body: &str| many(count, &|place| format!("\n[{part}.x{place}]\n{body}\n{LABELS}"));
    for (part, count, words) in [
        ("deadline", 300, "more than 256 deadlines"),
        ("task", 300, "more than 256 tasks"),
        ("notice", 300, "more than 256 notices"),
        ("lock", 70, "more than 64 locks"),
        ("marker", 300, "more than 256 markers"),
        ("regime", 12, "more than 8 regimes"),
    ] {
        let body = match part {
            "deadline" => "length = \"P1D\"\nfrom = \"occurred\"\nmet_by = [\"heard\"]",
            "lock" => "stops = [\"final\"]",
            "marker" => "audience = [\"office\"]",
            _ => "",
        };
        assert!(named(part, count, body).contains(words), "{part}");
    }
    let rules = many(600, &|place| rule(&format!("x{place}"), "on = { status = \"heard\" }\nstop = [\"hearing\"]"));
    assert!(rules.contains("`rule` has more than 512 tables; take some out"), "{rules}");
    let guards = many(17, &|place| {
        format!("\n[[status.removed.warn_if]]\nname = \"g{place}\"\nwhen = \"has(heard)\"\n{LABELS}")
    });
    assert!(guards.contains("`warn_if` has more than 16 tables"), "{guards}");
    let opened = vec!["{ task = \"phone\", for = \"court\" }"; 257].join(",");
    let opens = said_of(&with("", &rule("much", &format!("on = {{ status = \"heard\" }}\nopen = [{opened}]"))));
    assert!(opens.contains("`open` has more than 256 tables"), "{opens}");
}

/// Whether rules can go round for ever, by walking every way from every deadline as far as there are deadlines.
fn goes_round(starts: &[(usize, usize)], count: usize) -> bool {
    (0..count).any(|root| {
        let mut at: Vec<usize> = vec![root];
        (0..count).any(|_| {
            at = (0..count).filter(|next| starts.iter().any(|(from, to)| to == next && at.contains(from))).collect();
            at.contains(&root)
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// A cycle is told exactly where there is one, on graphs made by chance.
    #[test]
    fn cycles_are_found_and_none_else(starts in prop::collection::vec((0..6_usize, 0..6_usize), 0..9)) {
        let mut more: String = (0..6).map(|place| deadline(&format!("d{place}"))).collect();
        for place in 0..6 {
            more += &rule(&format!("begin{place}"), &format!("on = {{ status = \"heard\" }}\nstart = [\"d{place}\"]\nstop = [\"d{place}\"]"));
        }
        for (place, (from, to)) in starts.iter().enumerate() {
            more += &rule(&format!("r{place}"), &format!("on = {{ elapsed = \"d{from}\" }}\nstart = [\"d{to}\"]"));
        }
        let text = with("", &more);
        let told = Definition::check(&text).err().unwrap_or_default();
        let cycles = told.iter().filter(|finding| finding.message.contains("for ever")).count();
        prop_assert_eq!(cycles > 0, goes_round(&starts, 6), "{}", said_of(&text));
        prop_assert_eq!(cycles, told.len());
    }
}
