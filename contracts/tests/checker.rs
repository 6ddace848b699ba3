//! The checker, one fault at a time: a sound text is changed in one place, and everything the checker says of it is
//! compared with `golden/checker.txt`. On a difference the test leaves what it got beside the build.
#![allow(clippy::expect_used, clippy::panic, reason = "a test stops at the first thing that does not hold")]

mod faults;

use faults::{Fault, compare, said};
use laufzettel_contracts::Definition;
use std::fmt::Write as _;

const SOUND: &str = r#"language = 1

[process]
id = "small"
version = 3
label_de = "Klein"
label_en = "Small"

[profile]
id = "first"
outside = ["elsewhere"]

[track.intake]
number = 16
label_de = "Aufnahme"
label_en = "Intake"

[track.health]
number = 17
label_de = "Gesundheit"
label_en = "Health"

[role.office]
label_de = "Amt"
label_en = "Office"

[role.doctor]
label_de = "Arzt"
label_en = "Doctor"

[outcomes.decision.codes]
granted = { de = "Ja", en = "Yes" }
refused = { de = "Nein", en = "No" }

[status.opened]
label_de = "Eröffnet"
label_en = "Opened"
track = "intake"
kind = "reports"
precision = "day"
reported_by = ["office"]
after = ["START", "elsewhere"]
recipients = ["office", "doctor"]
basis = "Law 1"

[status.care]
class = true
label_de = "Versorgung"
label_en = "Care"
track = "health"
kind = "reports"
precision = "day"
reported_by = ["doctor"]
after = ["opened"]
repeatable = true
basis = "Law 2"

[status.examined]
label_de = "Untersucht"
label_en = "Examined"
track = "health"
kind = "reports"
precision = "day"
reported_by = ["doctor"]
ledger_as = "care"
basis = "Law 2"

[status.treated]
label_de = "Behandelt"
label_en = "Treated"
track = "health"
kind = "reports"
precision = "day"
reported_by = ["doctor"]
ledger_as = "care"
basis = "Law 2"

[status.decided]
label_de = "Entschieden"
label_en = "Decided"
track = "intake"
kind = "announces"
precision = "instant"
reported_by = ["office"]
after = ["opened"]
outcomes = "decision"
outcome_required = true
basis = "Law 3"

[status.decided.attribute.pages]
label_de = "Seiten"
label_en = "Pages"
type = "integer"
min = 1
max = 9
"#;

/// What is changed, and what is said instead. An empty first part appends.
const FAULTS: &[Fault] = &[
    ("nothing", "language = 1", "language = 1"),
    ("not TOML", "number = 16", "number = = 16"),
    ("two syntax errors", "version = 3\nlabel_de = \"Klein\"", "version = \nlabel_de = \"Klein"),
    ("a key twice", "number = 16", "number = 16\nnumber = 18"),
    ("no language", "language = 1\n", ""),
    ("another language", "language = 1", "language = 3"),
    ("language is a text", "language = 1", "language = \"1\""),
    ("no process", "[process]\nid = \"small\"\nversion = 3\nlabel_de = \"Klein\"\nlabel_en = \"Small\"\n", ""),
    (
        "process is no table",
        "[process]\nid = \"small\"\nversion = 3\nlabel_de = \"Klein\"\nlabel_en = \"Small\"\n",
        "process = 1\n",
    ),
    ("process id", "\"small\"", "\"Small_\""),
    ("process version", "version = 3", "version = 0"),
    ("process version too great", "version = 3", "version = 4294967296"),
    ("unknown key at the top", "language = 1", "language = 1\nlangauge = 1"),
    ("unknown key in a status", "repeatable = true", "repeatabel = true"),
    ("unknown key of nothing near", "repeatable = true", "xyzzy = true"),
    (
        "guards",
        "after = [\"opened\"]\nrepeatable",
        "after = [\"opened\"]\nwarn_if = \"x\"\nblock_if = \"y\"\nrepeatable",
    ),
    ("rules", "", "[[rule]]\nwhen = \"x\"\n"),
    ("deadlines", "", "[deadline.appeal]\nlength = \"P14D\"\n"),
    ("regimes", "", "[regime.old]\nuntil = \"x\"\n"),
    ("calendars", "", "[calendar.saxony]\nholidays = []\n"),
    ("track number out of range", "number = 16", "number = 15"),
    ("track number twice", "number = 17", "number = 16"),
    ("track without number", "number = 17\n", ""),
    ("missing label", "label_en = \"Health\"\n", ""),
    ("blank label", "\"Gesundheit\"", "\" \""),
    ("label is a number", "\"Gesundheit\"", "17"),
    ("status label missing", "label_de = \"Eröffnet\"\n", ""),
    ("outcome label missing", "{ de = \"Ja\", en = \"Yes\" }", "{ de = \"Ja\" }"),
    ("outcome list empty", "granted = { de = \"Ja\", en = \"Yes\" }\nrefused = { de = \"Nein\", en = \"No\" }\n", ""),
    ("outcome code", "granted =", "Granted ="),
    (
        "unknown track",
        "track = \"health\"\nkind = \"reports\"\nprecision = \"day\"\nreported_by = [\"doctor\"]\nafter",
        "track = \"helth\"\nkind = \"reports\"\nprecision = \"day\"\nreported_by = [\"doctor\"]\nafter",
    ),
    ("unknown role", "[\"office\", \"doctor\"]", "[\"office\", \"docter\"]"),
    ("role twice", "[\"office\", \"doctor\"]", "[\"office\", \"office\"]"),
    ("unknown outcome list", "outcomes = \"decision\"", "outcomes = \"decisions\""),
    ("outcome required of nothing", "outcomes = \"decision\"\n", ""),
    ("unknown predecessor", "after = [\"opened\"]\noutcomes", "after = [\"openend\"]\noutcomes"),
    ("escaped in a message", "after = [\"opened\"]\noutcomes", "after = [\"\\u001b[31m\"]\noutcomes"),
    (
        "umlaut before the fault",
        "label_de = \"Eröffnet\"\nlabel_en = \"Opened\"\ntrack",
        "label_de = \"Eröffnet\"\nlabel_en = \"Opened\"\n\"ö\" = 1\ntrack",
    ),
    ("empty after", "after = [\"opened\"]\noutcomes", "after = []\noutcomes"),
    ("after is no list", "after = [\"opened\"]\noutcomes", "after = \"opened\"\noutcomes"),
    ("after holds a number", "after = [\"opened\"]\noutcomes", "after = [\"opened\", 1]\noutcomes"),
    ("only names outside", "after = [\"START\", \"elsewhere\"]", "after = [\"elsewhere\"]"),
    ("outside and declared", "[\"elsewhere\"]\n\n[track", "[\"elsewhere\", \"decided\"]\n\n[track"),
    ("outside and never named", "[\"elsewhere\"]\n\n[track", "[\"elsewhere\", \"nowhere\"]\n\n[track"),
    ("outside no longer listed", "outside = [\"elsewhere\"]\n", ""),
    ("kind", "kind = \"announces\"", "kind = \"announce\""),
    ("kind missing", "kind = \"announces\"\n", ""),
    ("precision", "precision = \"instant\"", "precision = \"hour\""),
    ("flag is a text", "outcome_required = true", "outcome_required = \"yes\""),
    ("basis missing", "basis = \"Law 3\"\n", ""),
    ("nobody reports", "reported_by = [\"office\"]\nafter = [\"opened\"]", "reported_by = []\nafter = [\"opened\"]"),
    ("reported_by missing", "reported_by = [\"office\"]\nafter = [\"opened\"]", "after = [\"opened\"]"),
    (
        "unknown class",
        "ledger_as = \"care\"\nbasis = \"Law 2\"\n\n[status.treated]",
        "ledger_as = \"caer\"\nbasis = \"Law 2\"\n\n[status.treated]",
    ),
    (
        "class that is none",
        "ledger_as = \"care\"\nbasis = \"Law 2\"\n\n[status.treated]",
        "ledger_as = \"opened\"\nbasis = \"Law 2\"\n\n[status.treated]",
    ),
    (
        "restricted with after",
        "ledger_as = \"care\"\nbasis = \"Law 2\"\n\n[status.treated]",
        "ledger_as = \"care\"\nafter = [\"opened\"]\nbasis = \"Law 2\"\n\n[status.treated]",
    ),
    ("restricted in after", "after = [\"opened\"]\noutcomes", "after = [\"opened\", \"examined\"]\noutcomes"),
    (
        "restricted reporter not of the class",
        "reported_by = [\"doctor\"]\nledger_as = \"care\"\nbasis = \"Law 2\"\n\n[status.treated]",
        "reported_by = [\"doctor\", \"office\"]\nledger_as = \"care\"\nbasis = \"Law 2\"\n\n[status.treated]",
    ),
    ("class as a class", "class = true", "class = true\nledger_as = \"care\""),
    (
        "class without member",
        "[status.examined]",
        "[status.idle]\nclass = true\nbasis = \"Law 0\"\nlabel_de = \"Leer\"\nlabel_en = \"Idle\"\ntrack = \"health\"\nkind = \"reports\"\nprecision = \"day\"\nreported_by = [\"doctor\"]\n[status.examined]",
    ),
    (
        "class with one member",
        "ledger_as = \"care\"\nbasis = \"Law 2\"\n\n[status.decided]",
        "basis = \"Law 2\"\n\n[status.decided]",
    ),
    ("predecessor stands later", "after = [\"opened\"]\nrepeatable", "after = [\"opened\", \"decided\"]\nrepeatable"),
    ("any among others", "after = [\"opened\"]\noutcomes", "after = [\"ANY\"]\noutcomes"),
    ("a cycle is no fault", "after = [\"START\", \"elsewhere\"]", "after = [\"START\", \"elsewhere\", \"decided\"]"),
    ("never reached", "after = [\"opened\"]\noutcomes", "after = [\"decided\"]\noutcomes"),
    ("none is reached", "after = [\"START\", \"elsewhere\"]", "after = [\"decided\"]"),
    ("attribute type", "type = \"integer\"", "type = \"float\""),
    ("attribute bounds of no integer", "type = \"integer\"", "type = \"date\""),
    ("attribute bounds crossed", "min = 1", "min = 10"),
    ("attribute bound too great", "max = 9", "max = 9223372036854775808"),
    ("attribute codes missing", "type = \"integer\"\nmin = 1\nmax = 9\n", "type = \"code\"\n"),
    ("attribute codes of no code", "min = 1", "codes = [\"a\"]"),
    ("status code", "[status.opened]", "[status.Opened]"),
    ("status is no table", "[status.opened]", "[status]\nodd = 1\n[status.opened]"),
    ("several at once", "number = 16\nlabel_de = \"Aufnahme\"", "number = 32\nlabl_de = \"Aufnahme\""),
];

fn said_of(text: &str) -> String {
    said(Definition::check(text).map(|checked| checked.notes))
}

#[test]
fn says_where_what_and_how_to_mend_it() {
    compare((SOUND, FAULTS), &[], said_of, ("checker.txt", include_str!("golden/checker.txt")));
}

#[test]
fn a_process_without_a_status_is_none() {
    let (before, _) = SOUND.split_once("[status.opened]").expect("the text has the status");
    let before = before.replace("outside = [\"elsewhere\"]\n", "");
    assert_eq!(said_of(&before), "fails\n  1:1: the process has no status; declare at least one [status.*]\n");
}

#[test]
fn holds_every_list_to_its_bound() {
    let mut many_tracks = SOUND.to_owned();
    let mut many_statuses = SOUND.to_owned();
    let mut many_attributes = SOUND.to_owned();
    for index in 0..300 {
        let labels = "label_de = \"x\"\nlabel_en = \"x\"\n";
        write!(many_tracks, "[track.t{index}]\nnumber = {}\n{labels}", index % 16 + 16).expect("a String takes all");
        let head =
            "track = \"intake\"\nkind = \"reports\"\nprecision = \"day\"\nreported_by = [\"office\"]\nbasis = \"x\"\n";
        write!(many_statuses, "[status.s{index}]\n{labels}{head}").expect("a String takes all");
        write!(many_attributes, "[status.decided.attribute.a{index}]\n{labels}type = \"bool\"\n")
            .expect("a String takes all");
    }
    assert!(said_of(&many_tracks).contains("more than 16 tracks; take some out"));
    assert!(said_of(&many_statuses).contains("more than 256 statuses; take some out"));
    assert!(said_of(&many_attributes).contains("more than 16 attributes of a status; take some out"));
    let long = format!("{SOUND}# {}", "x".repeat(512 * 1024));
    assert!(said_of(&long).contains("more than 524288; shorten it"));
    let label = SOUND.replace("\"Klein\"", &format!("\"{}\"", "x".repeat(201)));
    assert!(said_of(&label).contains("`label_de` of [process] has more than 200 characters; shorten it"));
    let faults = (0..200).fold(SOUND.to_owned(), |text, index| format!("{text}odd{index} = 1\n"));
    assert_eq!(said_of(&faults).lines().count(), 1 + 100 + 1);
    assert!(said_of(&faults).contains("more than 100 errors; mend these and check again"));
}
