//! Whom a new version of a process concerns: each way to gain something, and that what stays as it was concerns nobody.
#![allow(clippy::expect_used, clippy::panic, reason = "a test stops at the first thing that does not hold")]

use std::collections::BTreeMap;

use laufzettel_contracts::diff::{GainKind, MappingFault, check_mapping, gains, must_agree};
use laufzettel_contracts::effect::Directory;
use laufzettel_contracts::{ASYL_DE, ASYL_DE_2, AuthorityId, Code, Definition};

const STOP: &str = include_str!("effects/process.toml");

fn definition(text: &str) -> Definition {
    match Definition::check(text) {
        Ok(checked) => checked.definition,
        Err(findings) => panic!("{findings:?}"),
    }
}

/// The text with one passage changed.
fn with(old: &str, new: &str) -> Definition {
    assert_eq!(STOP.matches(old).count(), 1, "{old}");
    definition(&STOP.replace(old, new))
}

fn found(new: &Definition) -> Vec<String> {
    let name = |kind| match kind {
        GainKind::Task => "task",
        GainKind::Lock => "lock",
        GainKind::Notice => "notice",
        GainKind::Status => "status",
        GainKind::Marker => "marker",
        GainKind::Deadline => "deadline",
    };
    let gains = gains(Some(&definition(STOP)), new);
    gains.iter().map(|gain| format!("{} {} {}", gain.role, name(gain.kind), gain.name)).collect()
}

#[test]
fn what_changes_for_nobody_is_no_gain() {
    assert_eq!(found(&definition(STOP)), [""; 0]);
    // Less of something, another length, another label.
    assert_eq!(found(&with("watched_by = [\"office\", \"foreigners\"]", "watched_by = [\"office\"]")), [""; 0]);
    assert_eq!(found(&with("length = \"PT36H\"", "length = \"PT48H\"")), [""; 0]);
    assert_eq!(found(&with("label_en = \"News\"", "label_en = \"Notes\"")), [""; 0]);
    let less = with(
        "notify = [{ notice = \"news\", to = [\"court\", \"office\"] }]",
        "notify = [{ notice = \"news\", to = [\"court\"] }]",
    );
    assert_eq!(found(&less), [""; 0]);
}

#[test]
fn every_way_to_gain_is_found() {
    let task = with(
        "notify = [{ notice = \"news\", to = [\"foreigners\", \"court\"] }]",
        "notify = [{ notice = \"news\", to = [\"foreigners\", \"court\", \"police\"] }]",
    );
    assert_eq!(found(&task), ["police notice news"]);
    let task = with(
        "start = [\"answer\"]\nopen = [{ task = \"check\", for = \"office\" }]\nbasis = \"Law 9\"\n\n[[rule]]\nname = \"warned\"",
        "start = [\"answer\"]\nopen = [{ task = \"check\", for = \"office\" }, { task = \"serve\", for = \"police\" }]\nbasis = \"Law 9\"\n\n[[rule]]\nname = \"warned\"",
    );
    assert_eq!(found(&task), ["police task serve"]);
    assert_eq!(
        found(&with(
            "watched_by = [\"office\", \"foreigners\"]",
            "watched_by = [\"court\", \"office\", \"foreigners\"]"
        )),
        ["court deadline appeal"]
    );
    assert_eq!(
        found(&with("audience = [\"office\", \"court\"]", "audience = [\"office\", \"court\", \"police\"]")),
        ["police marker late"]
    );
    // The lock marks what the police and the foreigners authority execute; now it stops what the office moves, too.
    let lock = with("alarms = [\"executed\"]", "alarms = [\"executed\", \"heard\"]");
    assert_eq!(found(&lock), ["office lock removal_stop"]);
    let recipients = with("kind = \"announces\"\n", "kind = \"announces\"\nrecipients = [\"court\"]\n");
    assert_eq!(found(&recipients), ["court status scheduled"]);
}

#[test]
fn another_cause_or_condition_is_a_gain_of_those_who_had_it() {
    // A lock set by another report, too.
    let lock = with(
        "clear = [\"presumed_final\", \"late\"]",
        "clear = [\"presumed_final\", \"late\"]\nlock = [\"removal_stop\"]",
    );
    assert_eq!(found(&lock), ["foreigners lock removal_stop", "police lock removal_stop"]);
    let condition = with("when = \"open(check)\"", "when = \"open(check) || has(heard)\"");
    assert_eq!(found(&condition), ["police notice news"]);
}

#[test]
fn a_new_process_concerns_all_its_roles_and_their_holders_agree() {
    let new = definition(STOP);
    let all = gains(None, &new);
    assert!(new.roles().iter().all(|role| all.iter().any(|gain| gain.role == role.code)));
    let id = |text: &str| AuthorityId::new(text).expect("an id");
    let role = |text: &str| Code::new(text).expect("a code");
    let directory = Directory::new([
        (role("court"), id("c-two")),
        (role("court"), id("c-one")),
        (role("police"), id("p-one")),
        (role("somebody"), id("s-one")),
    ]);
    let agree: Vec<_> = must_agree(&all, &directory).iter().map(ToString::to_string).collect();
    assert_eq!(agree, ["c-one", "c-two", "p-one"]);
}

#[test]
fn the_shipped_versions_are_compared() {
    let (first, second) = (definition(ASYL_DE), definition(ASYL_DE_2));
    assert!(gains(Some(&second), &second).is_empty());
    let gained = gains(Some(&first), &second);
    assert!(gained.iter().any(|gain| gain.kind == GainKind::Lock), "version 1 has no locks");
    assert!(gains(Some(&second), &first).iter().all(|gain| gain.kind == GainKind::Status));
}

#[test]
fn a_mapping_names_every_status_of_the_ledger_and_nothing_else() {
    let old = definition(STOP);
    let code = |text: &str| Code::new(text).expect("a code");
    let whole: BTreeMap<Code, Code> =
        old.statuses().iter().map(|status| (status.code.clone(), status.code.clone())).collect();
    assert_eq!(check_mapping(&old, &old, &whole), Ok(()));
    let mut less = whole.clone();
    less.remove(&code("heard"));
    assert_eq!(check_mapping(&old, &old, &less), Err(MappingFault::Missing(code("heard"))));
    let mut more = whole.clone();
    more.insert(code("nothing"), code("heard"));
    assert_eq!(check_mapping(&old, &old, &more), Err(MappingFault::NotOld(code("nothing"))));
    let mut lost = whole.clone();
    lost.insert(code("heard"), code("nothing"));
    assert_eq!(check_mapping(&old, &old, &lost), Err(MappingFault::NotNew(code("heard"))));
    // A day as an instant; an attribute that would hold something else.
    let mut unlike = whole.clone();
    unlike.insert(code("heard"), code("relief"));
    assert_eq!(check_mapping(&old, &old, &unlike), Err(MappingFault::Unlike(code("heard"))));
    let text =
        STOP.replace("assigns = { foreigners = \"to\" }\n", "").replace("type = \"authority\"", "type = \"bool\"");
    let other = definition(&text);
    assert_eq!(check_mapping(&old, &other, &whole), Err(MappingFault::Unlike(code("moved"))));
    // Restricted statuses are on the ledger as their class only.
    let second = definition(ASYL_DE_2);
    let on_ledger = second.statuses().iter().filter(|status| status.ledger_as.is_none());
    let mapping: BTreeMap<Code, Code> = on_ledger.map(|status| (status.code.clone(), status.code.clone())).collect();
    assert!(mapping.len() < second.statuses().len());
    assert_eq!(check_mapping(&second, &second, &mapping), Ok(()));
    assert_eq!(check_mapping(&second, &definition(ASYL_DE), &mapping), Err(MappingFault::OlderLanguage));
}

/// What is wrong with moving the cases of [`STOP`] to the text with one passage changed, all statuses keeping their names.
fn moved(old: &str, new: &str) -> Result<(), MappingFault> {
    let before = definition(STOP);
    let whole = before.statuses().iter().map(|status| (status.code.clone(), status.code.clone())).collect();
    check_mapping(&before, &with(old, new), &whole)
}

#[test]
fn cases_do_not_move_where_one_effect_would_pass_for_another() {
    let replaced = |rule: &str| Err(MappingFault::Replaced(Code::new(rule).expect("a code")));
    const AGAIN: &str = "notify = [{ notice = \"stop_removal\", to = [\"foreigners\"] }]\nlock = [\"removal_stop\"]\nmark = [\"late\"]\n";
    let notify = "notify = [{ notice = \"stop_removal\", to = [\"foreigners\"] }]\n";
    // The lock is gone and the marker stands at its place; a task comes before all; another notice takes the place of one.
    assert_eq!(moved(AGAIN, &format!("{notify}mark = [\"late\"]\n")), replaced("stop_again"));
    let task = format!("open = [{{ task = \"check\", for = \"office\" }}]\n{AGAIN}");
    assert_eq!(moved(AGAIN, &task), replaced("stop_again"));
    assert_eq!(moved(AGAIN, &AGAIN.replace("stop_removal", "news")), replaced("stop_again"));
    // What comes last may go or be new, and who is told may change; all of it may go; a rule of another name is another.
    assert_eq!(moved(AGAIN, &format!("{notify}lock = [\"removal_stop\"]\n")), Ok(()));
    assert_eq!(moved(AGAIN, &AGAIN.replace("mark = [\"late\"]", "mark = [\"late\", \"presumed_final\"]")), Ok(()));
    assert_eq!(moved(AGAIN, &AGAIN.replace("\"foreigners\"", "\"police\"")), Ok(()));
    assert_eq!(moved(AGAIN, "clear = [\"late\"]\n"), Ok(()));
    let whole = |name: &str| {
        let rest = "label_de = \"stop_again\"\nlabel_en = \"stop_again\"\non = { status = \"again\" }\nwhen = \"!open(removal_stop)\"\n";
        format!("name = \"{name}\"\n{rest}")
    };
    let other = format!("{}{task}", whole("another"));
    assert_eq!(moved(&format!("{}{AGAIN}", whole("stop_again")), &other), Ok(()));
}
