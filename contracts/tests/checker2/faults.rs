//! One fault at a time: the sound text is changed in one place, and everything the checker says of it is compared with
//! `said.txt`. On a difference the test leaves what it got beside the build.

use super::{said_of, with};

/// What is changed, and what is said instead. An empty first part appends.
const FAULTS: &[(&str, &str, &str)] = &[
    ("nothing", "language = 2", "language = 2"),
    ("in language 1", "language = 2", "language = 1"),
    // Regimes.
    ("decided by a status that is none", "decided_by = \"lodged\"", "decided_by = \"loged\""),
    ("decided by a restricted status", "decided_by = \"lodged\"", "decided_by = \"removal\""),
    ("decided by nothing", "decided_by = \"lodged\"\n", ""),
    ("nothing decides", "[regimes]\ndecided_by = \"lodged\"\n", ""),
    ("a day under no regime", "from = 2026-06-12", "from = 2026-06-13"),
    ("a day under two regimes", "from = 2026-06-12", "from = 2026-06-11"),
    ("a regime without its first day", "from = 2026-06-12\n", ""),
    ("a regime without its last day", "until = 2026-06-11\n", ""),
    ("the first regime has a first day", "until = 2026-06-11", "from = 2020-01-01\nuntil = 2026-06-11"),
    ("the last regime has a last day", "from = 2026-06-12", "from = 2026-06-12\nuntil = 2030-01-01"),
    ("a day in quotes", "from = 2026-06-12", "from = \"2026-06-12\""),
    ("an instant for a day", "from = 2026-06-12", "from = 2026-06-12T00:00:00Z"),
    ("a regime without a label", "label_en = \"New law\"\n", ""),
    // Additions to statuses.
    ("guard without a name", "name = \"no_hearing\"\n", ""),
    ("guard without a condition", "when = \"!has(heard) && this.outcome == rejected\"\n", ""),
    ("guard without a label", "label_de = \"Ohne Anhörung\"\n", ""),
    ("guard without a basis", "rejected\"\nbasis = \"Law 2\"", "rejected\""),
    ("guard of a status that is none", "!has(heard)", "!has(herd)"),
    ("guard of an outcome that is none", "this.outcome == rejected", "this.outcome == refused"),
    ("guard with a wrong type", "< 14'''", "< date('2026-06-12')'''"),
    ("fault in the third line of a guard", "last(decided).day, this.day", "last(decidet).day, this.day"),
    ("guard with a syntax error", "!has(heard) && this", "!has(heard) & this"),
    ("guard with escapes", "\"!has(heard) && this.outcome == rejected\"", "\"this.day > date(\\\"2026-01-01\\\")\""),
    ("guard that always holds", "!has(heard) && this.outcome == rejected", "has(heard) || !has(heard)"),
    ("guard that never holds", "has(appealed) && !has(ruled)", "has(appealed) && !has(appealed)"),
    ("guard of a restricted status", "!has(heard)", "!has(removal)"),
    ("guards of one name", "name = \"too_early\"", "name = \"appeal_open\""),
    ("override of a warning", "&& this.outcome == rejected\"", "&& this.outcome == rejected\"\noverride = [\"x\"]"),
    ("guard is a number", "after = [\"lodged\"]\nbasis", "after = [\"lodged\"]\nwarn_if = 1\nbasis"),
    ("guards hold a text", "after = [\"lodged\"]\nbasis", "after = [\"lodged\"]\nwarn_if = [\"has(lodged)\"]\nbasis"),
    ("guard is a table", "[[status.decided.warn_if]]", "[status.decided.warn_if]"),
    ("block on a fact", "[[status.decided.warn_if]]", "[[status.decided.block_if]]"),
    ("assigned role that is none", "{ foreigners = \"to\" }", "{ foreigner = \"to\" }"),
    ("assigned attribute that is none", "{ foreigners = \"to\" }", "{ foreigners = \"two\" }"),
    ("assigned attribute of another type", "{ foreigners = \"to\" }", "{ foreigners = \"reason\" }"),
    ("retention that is no length", "\"P10Y\"", "\"10 years\""),
    ("retention by the clock", "\"P10Y\"", "\"PT24H\""),
    (
        "never reached",
        "reported_by = [\"court\"]\nafter = [\"decided\"]",
        "reported_by = [\"court\"]\nafter = [\"ruled\"]",
    ),
    ("reached by what lies outside only", "after = [\"appealed\"]", "after = [\"elsewhere\"]"),
    ("guard of a status outside", "!has(heard)", "!has(elsewhere)"),
    ("retention of a restricted status", "[status.transfer]", "[status.transfer]\nretention = \"P1Y\""),
    // Deadlines.
    ("deadline without length", "length = \"P1M\"\n", ""),
    ("length of nothing", "length = \"P1M\"", "length = \"P0M\""),
    ("length in two units", "length = \"P1M\"", "length = \"P1M2D\""),
    ("a regime without length", "{ before_pact = \"P2W\", pact = \"P1W\" }", "{ pact = \"P1W\" }"),
    ("length of no regime", "pact = \"P1W\" }", "pact = \"P1W\", pakt = \"P1W\" }"),
    ("deadline without begin", "from = \"occurred\"\n", ""),
    ("deadline of another begin", "from = \"occurred\"", "from = \"reported\""),
    ("seat of no role", "seat = \"court\"", "seat = \"cuort\""),
    ("unknown seat left open", "unknown_seat = \"latest\"\n", ""),
    ("unknown seat of no seat", "seat = \"court\"\n", ""),
    ("met by nothing known", "met_by = [\"appealed\", \"elsewhere\"]", "met_by = [\"apealed\"]"),
    ("met by a restricted status", "met_by = [\"appealed\", \"elsewhere\"]", "met_by = [\"removal\"]"),
    ("warned before it began", "warn = \"P3D\"", "warn = \"P1W\""),
    ("watched by nobody known", "watched_by = [\"office\", \"foreigners\"]", "watched_by = [\"offices\"]"),
    ("deadline without basis", "from = \"occurred\"\nbasis = \"Law 2\"", "from = \"occurred\""),
    ("deadline without label", "label_de = \"Klagefrist\"\n", ""),
    ("unknown key of a deadline", "grace = \"P5WD\"", "grac = \"P5WD\""),
    ("deadline without any end", "stop = [\"hearing\"]\n", ""),
    ("deadline nobody starts", "start = [\"hearing\"]", "open = [{ task = \"phone\", for = \"office\" }]"),
    ("grace without use", "on = { grace = \"appeal_2w\" }", "on = { elapsed = \"appeal_2w\" }"),
    // Tasks, notices, locks, markers.
    ("task done by nothing known", "done_by = [\"appealed\", \"final\"]", "done_by = [\"appealed\", \"finale\"]"),
    ("task without outcomes", "outcomes = [\"done\", \"not_needed\"]", "outcomes = []"),
    ("task outcome that is no code", "outcomes = [\"done\", \"not_needed\"]", "outcomes = [\"Not needed\"]"),
    ("task without basis", "within = \"P3D\"\nbasis = \"Law 3\"", "within = \"P3D\""),
    ("acknowledged within days", "\"PT15M\"", "\"P1D\""),
    ("notice nobody escalates", "on = { unacknowledged = \"stop_removal\" }", "on = { status = \"heard\" }"),
    ("lock on a fact", "stops = [\"enforcement\", \"final\"]", "stops = [\"enforcement\", \"removed\"]"),
    ("lock on a restricted status", "stops = [\"enforcement\", \"final\"]", "stops = [\"removal\"]"),
    (
        "lock on a class that hides a fact",
        "kind = \"announces\"\nprecision = \"day\"\nreported_by = [\"foreigners\"]\nledger_as",
        "kind = \"reports\"\nprecision = \"day\"\nreported_by = [\"foreigners\"]\nledger_as",
    ),
    ("alarm on an announcement", "alarms = [\"removed\"]", "alarms = [\"final\"]"),
    ("lock on nothing", "stops = [\"enforcement\", \"final\"]\n", ""),
    ("lock nobody releases", "unlock = [\"removal_stop\"]", "clear = [\"presumed_final\"]"),
    ("lock nobody sets", "lock = [\"removal_stop\"]\n", ""),
    ("task nobody opens", "open = [{ task = \"serve\", for = \"office\" }, {", "open = [{"),
    ("notice nobody sends", "notify = [{ notice = \"stop_removal\", to = [\"foreigners\", \"police\"] }]\n", ""),
    ("marker nobody sets", "mark = [\"presumed_final\"]", "clear = [\"presumed_final\"]"),
    ("marker nobody sees", "audience = [\"office\"]", "audience = []"),
    ("marker for no role", "audience = [\"office\"]", "audience = [\"ofice\"]"),
    ("two parts of one name", "[marker.presumed_final]", "[marker.hearing]"),
    ("a part that is no table", "[marker.presumed_final]", "[marker]\nodd = 1\n[marker.presumed_final]"),
    // Rules.
    ("rule without a name", "name = \"hearing_wanted\"\n", ""),
    ("rule name that is no code", "name = \"hearing_wanted\"", "name = \"Hearing wanted\""),
    ("rules of one name", "name = \"released\"", "name = \"escalate\""),
    ("rule without a cause", "on = { status = \"lodged\" }\n", ""),
    ("rule with a text as cause", "on = { status = \"lodged\" }", "on = \"lodged\""),
    ("rule with two causes", "on = { status = \"lodged\" }", "on = { status = \"lodged\", elapsed = \"hearing\" }"),
    ("rule with a cause that is none", "on = { status = \"lodged\" }", "on = { statuses = \"lodged\" }"),
    ("rule of a status that is none", "on = { status = \"lodged\" }", "on = { status = \"lodgd\" }"),
    ("rule of a restricted status", "on = { status = \"lodged\" }", "on = { status = \"removal\" }"),
    ("rule of a warning that never comes", "warn = \"P3D\"\n", ""),
    ("rule of a grace that never comes", "grace = \"P5WD\"\n", ""),
    ("rule of a silence that never comes", "acknowledge_within = \"PT15M\"\n", ""),
    ("rule of a notice that is none", "unacknowledged = \"stop_removal\"", "unacknowledged = \"stop_removals\""),
    ("rule that does nothing", "start = [\"hearing\"]\n", ""),
    ("rule without a basis", "start = [\"hearing\"]\nbasis = \"Law 2\"", "start = [\"hearing\"]"),
    ("rule without a label", "label_de = \"Anhörung ansetzen\"\n", ""),
    ("rule with a status that is judged nowhere", "when = \"!open(removal_stop)\"", "when = \"this.day > this.day\""),
    ("rule that asks for a status as open", "!open(removal_stop)", "!open(appealed)"),
    ("rule that asks for a notice as open", "!open(removal_stop)", "!open(news)"),
    ("rule of a regime that is none", "[before_pact, pact]\"", "[before_pact, pakt]\""),
    ("rule that starts a task", "start = [\"hearing\"]", "start = [\"serve\"]"),
    ("rule that starts nothing known", "start = [\"hearing\"]", "start = [\"haering\"]"),
    ("rule that opens for no role", "{ task = \"serve\", for = \"office\" }", "{ task = \"serve\", for = \"ofice\" }"),
    ("rule that opens for nobody", "{ task = \"serve\", for = \"office\" }", "{ task = \"serve\" }"),
    ("rule that opens names", "open = [{ task = \"serve\", for = \"office\" }, {", "open = [\"serve\", {"),
    ("rule that tells nobody", "{ notice = \"news\", to = [\"office\"] }", "{ notice = \"news\", to = [] }"),
    ("rule that tells whom nobody knows", "to = [\"foreigners\", \"police\"]", "to = [\"police\", \"police\"]"),
    ("rule that tells no notice", "{ notice = \"news\", to = [\"office\"] }", "{ to = [\"office\"] }"),
    ("rule with an unknown key", "start = [\"hearing\"]", "strat = [\"hearing\"]"),
    // What must not be said, or said twice.
    ("role known by its assignment", "{ foreigners = \"to\" }", "{ foreigners = \"to\", police = \"to\" }"),
    ("role that only gets notices", "{ task = \"phone\", for = \"police\" }", "{ task = \"phone\", for = \"court\" }"),
    ("a fault hides what follows from it", "on = { status = \"decided\" }", "on = { status = \"decidd\" }"),
    (
        "guards of one name that warn and block",
        "[[status.final.block_if]]\nname = \"too_early\"",
        "[[status.final.warn_if]]\nname = \"appeal_open\"",
    ),
    ("a restricted status is not proposed", "met_by = [\"appealed\", \"elsewhere\"]", "met_by = [\"removl\"]"),
    (
        "a regime of one day",
        "from = 2026-06-12\nbasis = \"Law 0\"",
        concat!(
            "from = 2026-06-12\nuntil = 2026-06-12\nbasis = \"Law 0\"\n",
            "[regime.later]\nlabel_de = \"x\"\nlabel_en = \"x\"\nbasis = \"x\"\nfrom = 2026-06-13"
        ),
    ),
    ("a regime that ends before it begins", "from = 2026-06-12", "from = 2026-06-12\nuntil = 2026-06-11"),
    ("warned within working days", "length = \"P1M\"", "length = \"P1WD\"\nwarn = \"P4D\""),
    ("warned before working days", "length = \"P1M\"", "length = \"P1WD\"\nwarn = \"P5D\""),
    (
        "deadline whose warning is awaited",
        "",
        concat!(
            "[deadline.d]\nlength = \"P2D\"\nwarn = \"P1D\"\nfrom = \"occurred\"\nlabel_de = \"x\"\nlabel_en = \"x\"\nbasis = \"x\"\n",
            "[[rule]]\nname = \"r\"\non = { warned = \"d\" }\nstop = [\"hearing\"]\nlabel_de = \"x\"\nlabel_en = \"x\"\nbasis = \"x\"\n"
        ),
    ),
    (
        "deadline whose grace is awaited",
        "",
        concat!(
            "[deadline.d]\nlength = \"P2D\"\ngrace = \"P1D\"\nfrom = \"occurred\"\nlabel_de = \"x\"\nlabel_en = \"x\"\nbasis = \"x\"\n",
            "[[rule]]\nname = \"r\"\non = { grace = \"d\" }\nstop = [\"hearing\"]\nlabel_de = \"x\"\nlabel_en = \"x\"\nbasis = \"x\"\n"
        ),
    ),
    // What a definition is not.
    ("calendars", "", "[calendar.saxony]\nholidays = []\n"),
    ("outside and never named", "[\"elsewhere\"]\n\n[track", "[\"elsewhere\", \"nowhere\"]\n\n[track"),
    ("unknown key at the top", "", "[lokc.x]\n"),
    ("several at once", "from = \"effective\"\nseat = \"court\"", "from = \"effect\"\nseat = \"curt\""),
];

#[test]
fn says_where_what_and_how_to_mend_it() {
    let mut actual = String::new();
    for (name, from, to) in FAULTS {
        actual.push_str(&format!("{name}: {}", said_of(&with(from, to))));
    }
    if actual != include_str!("said.txt") {
        let path = concat!(env!("CARGO_TARGET_TMPDIR"), "/checker2-said.txt");
        std::fs::write(path, &actual).expect("the build directory can be written");
        panic!("compare checker2/said.txt with {path}");
    }
}
