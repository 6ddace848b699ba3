//! The comparison passes what is right, in any order of equal times, and catches each thing that is not.

use super::*;

fn planned(status: &str, instant_ms: u64, author: &str) -> PlannedEvent {
    let (status, author) = (status.to_owned(), author.to_owned());
    PlannedEvent { transaction_id: [0; 16], status, instant_ms, author, node: 0, line: 2 }
}

fn event(status: &str, instant_ms: u64, author: &str) -> ReadEvent {
    ReadEvent::from(&planned(status, instant_ms, author))
}

/// a at 1, b and c at 2, d at 3; d is on track 17, the others on 16.
fn case() -> CasePlan {
    let rest = vec![planned("d", 3, "x"), planned("c", 2, "y"), planned("b", 2, "x")];
    CasePlan { name: "1".to_owned(), case_id: [1; 16], opening: planned("a", 1, "x"), rest }
}

fn right() -> CaseRead {
    let events = vec![event("a", 1, "x"), event("b", 2, "x"), event("c", 2, "y"), event("d", 3, "x")];
    let tracks = BTreeMap::from([(16, event("c", 2, "y")), (17, event("d", 3, "x"))]);
    CaseRead { count: 4, events, tracks }
}

fn check(change: impl FnOnce(&mut CaseRead), expected: &[&str]) {
    let mut read = right();
    change(&mut read);
    let track_of = |status: &str| Some(if status == "d" { 17 } else { 16 });
    let found: Vec<String> = compare(&case(), &read, &track_of).iter().map(Mismatch::to_string).collect();
    assert_eq!(found, expected);
}

#[test]
fn passes_what_is_right_in_either_order_of_equal_times() {
    check(|_| {}, &[]);
    check(|read| read.events.swap(1, 2), &[]);
    check(|read| drop(read.tracks.insert(16, event("b", 2, "x"))), &[]);
}

#[test]
fn catches_a_wrong_count() {
    check(|read| read.count = 5, &["5 events, 4 in the log"]);
}

#[test]
fn catches_missing_doubled_and_foreign_events() {
    check(|read| drop(read.events.remove(2)), &["3 events, 4 in the log", "missing: c at 2 ms by y"]);
    let doubled = |read: &mut CaseRead| {
        read.events.insert(2, event("b", 2, "x"));
        read.count = 5;
    };
    check(doubled, &["5 events, 4 in the log", "not in the log: b at 2 ms by x"]);
    let exchanged = ["missing: c at 2 ms by y", "not in the log: e at 2 ms by x"];
    check(|read| read.events[2] = event("e", 2, "x"), &exchanged);
}

#[test]
fn catches_what_is_wrong_with_an_event() {
    check(|read| read.events[2].status = "e".to_owned(), &["status: e at 2 ms by y; in the log c at 2 ms by y"]);
    check(|read| read.events[2].instant_ms = 3, &["time: c at 3 ms by y; in the log c at 2 ms by y"]);
    check(|read| read.events[2].author = "z".to_owned(), &["author: c at 2 ms by z; in the log c at 2 ms by y"]);
}

#[test]
fn catches_a_wrong_order() {
    check(|read| read.events.swap(0, 1), &["order: b at 2 ms by x comes before a at 1 ms by x"]);
}

#[test]
fn catches_wrong_tracks() {
    check(|read| drop(read.tracks.remove(&17)), &["track 17: nothing; in the log d at 3 ms by x"]);
    let early = ["track 16: a at 1 ms by x; in the log b at 2 ms by x"];
    check(|read| drop(read.tracks.insert(16, event("a", 1, "x"))), &early);
    check(|read| drop(read.tracks.insert(18, event("a", 1, "x"))), &["track 18: a at 1 ms by x; in the log nothing"]);
}
