//! The reader: known logs, faults word by word, and logs written in every way a log may be written.

use super::*;
use jiff::Timestamp;
use jiff::tz::Offset;
use proptest::prelude::*;

fn parse(text: &str) -> EventLog {
    EventLog::parse("log.csv", text.as_bytes()).unwrap()
}

/// Events in short: case, activity, milliseconds, group, line.
fn short(log: &EventLog) -> Vec<(&str, &str, u64, Option<&str>, u64)> {
    let events = |case: &'_ LogCase| case.events.len();
    assert_eq!(log.cases.iter().map(events).sum::<usize>(), log.event_count());
    let of_case = log.cases.iter().flat_map(|case| case.events.iter().map(move |event| (case, event)));
    of_case
        .map(|(case, event)| {
            (case.name.as_str(), event.activity.as_str(), event.instant_ms, event.group.as_deref(), event.line)
        })
        .collect()
}

#[test]
fn reads_columns_in_any_order() {
    let log = parse("org:group,TIME:timestamp,other,Concept:Name,case:concept:name\nG,1970-01-01T00:00:01Z,x,made,c\n");
    assert_eq!(short(&log), [("c", "made", 1_000, Some("G"), 2)]);
}

#[test]
fn reads_a_log_without_groups() {
    let log = parse("Case ID;Activity;Timestamp\nc;made;1970-01-01 00:00:01+00:00\n");
    assert_eq!(short(&log), [("c", "made", 1_000, None, 2)]);
}

#[test]
fn finds_the_delimiter_of_a_header_with_a_line_break() {
    let log = parse("case;\"other,\nthing\";status;time\nc;x,y;made;1970-01-01T00:00:01Z\n");
    assert_eq!(short(&log), [("c", "made", 1_000, None, 3)]);
}

#[test]
fn sorts_by_time_and_keeps_ties() {
    let log = parse(concat!(
        "case,status,time,group\n",
        "b,second,1970-01-01T00:00:02Z,\n",
        "a,x,1970-01-01T00:00:01Z,\n",
        "b,tie 2,1970-01-01T01:00:01+01:00,G\n",
        "b,tie 1,1970-01-01T00:00:01Z, \n",
    ));
    let expected = [
        ("b", "tie 2", 1_000, Some("G"), 4),
        ("b", "tie 1", 1_000, None, 5),
        ("b", "second", 2_000, None, 2),
        ("a", "x", 1_000, None, 3),
    ];
    assert_eq!(short(&log), expected);
}

#[test]
fn counts_physical_lines() {
    for line_break in ["\n", "\r\n", "\r"] {
        let text = "\u{feff}case,status,time\n\na,\"x\ny \"\"z\"\"\",1970-01-01T00:00Z\n\n,,\na,w,1970-01-01\n";
        let log = parse(&text.replace('\n', line_break));
        let xyz = format!("x{line_break}y \"z\"");
        assert_eq!(short(&log), [("a", xyz.as_str(), 0, None, 3), ("a", "w", 0, None, 7)]);
        let notes = [
            "times without a zone, read as UTC; a day without a time is its midnight: 1",
            "blank records, left out: 1",
        ];
        assert_eq!(log.interpreted.notes(), notes);
    }
}

#[test]
fn says_file_line_and_field() {
    let check = |text: &str, message: &str| {
        assert_eq!(EventLog::parse("log.csv", text.as_bytes()).unwrap_err().to_string(), message);
    };
    check("", "log.csv: is empty; the first line must name the columns");
    check(
        "\ncase;status;when\na;b;c\n",
        "log.csv:2: no column for the time among: case, status, when; name one time:timestamp or timestamp or time",
    );
    check("case,status,time,Case\n", "log.csv:1: column `case` is there twice; rename or remove one");
    check(
        "case,status,time\na,b,1970-01-01,\n",
        "log.csv:2: the record has 4 fields, the header 3; put fields that hold the delimiter, a quote or a line break in quotes",
    );
    check(
        "case,status,time\na,\"b\nb\",1970-01-01\na,\"b,1970-01-01\na,b,1970-01-01\n",
        "log.csv:4: a quote in this record has no counterpart; close it, or write `\"\"` for a quote inside a quoted field",
    );
    check(
        "case,status,time\na,b,1970-01-01\r\n , b,1970-01-01\r\n",
        "log.csv:3: field `case`: is empty; fill it in or remove the record",
    );
    check("case,Status,time\na,,1970-01-01\n", "log.csv:2: field `Status`: is empty; fill it in or remove the record");
    check(
        "case,status,time:timestamp\na,b,\n",
        "log.csv:2: field `time:timestamp`: is empty; fill it in or remove the record",
    );
    check(
        "case,status,time\na,b,1.1.1970\n",
        "log.csv:2: field `time`: `1.1.1970` is no time; write it like 2011-10-11T13:45:40.276+02:00, or a day like 2011-10-11",
    );
    check(
        "case,status,time\na,b,1969-01-01\n",
        "log.csv:2: field `time`: `1969-01-01` is out of range; the ledger begins on 1970-01-01",
    );
    let latin = b"case,status,time\na,\xfcber,1970-01-01\n";
    let message = "log.csv:2: field `status`: `\u{fffd}ber` is not UTF-8; save the file as UTF-8";
    assert_eq!(EventLog::parse("log.csv", latin).unwrap_err().to_string(), message);
    let wide = [0xff, 0xfe, b'c', 0];
    assert_eq!(EventLog::parse("log.csv", &wide).unwrap_err().to_string(), "log.csv: is UTF-16; save it as UTF-8");
}

#[test]
fn says_which_file_is_not_there() {
    let error = EventLog::read(Path::new("no/such.csv")).unwrap_err();
    assert_eq!(error.to_string(), "no/such.csv: cannot be read");
    assert!(std::error::Error::source(&error).is_some());
}

/// One event as it should be read, and the way in which its time is written.
#[derive(Debug, Clone)]
struct Told {
    case: u8,
    activity: String,
    second: u32,
    group: Option<String>,
    form: u8,
}

/// How a whole log is written.
#[derive(Debug, Clone)]
struct Manner {
    delimiter: u8,
    crlf: bool,
    mark: bool,
    quote_all: bool,
    /// For every column its place; a fifth one is not read.
    columns: Vec<usize>,
}

fn told() -> impl Strategy<Value = Told> {
    let word = "[a-zA-Zäöü\",;\t\n\r' ]{0,12}x";
    let group = prop_oneof![Just(None), word.prop_map(|word| Some(word.trim().to_owned()))];
    // Few seconds, so that there are ties.
    (0..5_u8, word, 0..20_u32, group, 0..5_u8).prop_map(|(case, activity, second, group, form)| Told {
        case,
        activity: activity.trim().to_owned(),
        second,
        group,
        form,
    })
}

fn manner() -> impl Strategy<Value = Manner> {
    let columns = Just(vec![0, 1, 2, 3, 4]).prop_shuffle();
    let delimiter = prop_oneof![Just(b','), Just(b';'), Just(b'\t')];
    (delimiter, any::<bool>(), any::<bool>(), any::<bool>(), columns)
        .prop_map(|(delimiter, crlf, mark, quote_all, columns)| Manner { delimiter, crlf, mark, quote_all, columns })
}

fn written(told: &[Told], manner: &Manner) -> Vec<u8> {
    let style = if manner.quote_all { csv::QuoteStyle::Always } else { csv::QuoteStyle::Necessary };
    let terminator = if manner.crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
    let mut builder = csv::WriterBuilder::new();
    let mut writer =
        builder.delimiter(manner.delimiter).quote_style(style).terminator(terminator).from_writer(Vec::new());
    let mut write = |fields: [&str; 5]| {
        let placed = manner.columns.iter().map(|column| fields[*column]);
        writer.write_record(placed).unwrap();
    };
    write(["Case ID", "Activity", "Timestamp", "Group", "Resource"]);
    for event in told {
        let group = event.group.clone().unwrap_or_default();
        write([&event.case.to_string(), &event.activity, &time(event), &group, "\"a\", b"]);
    }
    let mut bytes = if manner.mark { vec![0xef, 0xbb, 0xbf] } else { Vec::new() };
    bytes.extend(writer.into_inner().unwrap());
    bytes
}

fn time(event: &Told) -> String {
    let instant = Timestamp::from_second(i64::from(event.second)).unwrap();
    let at = |hours: i8| Offset::constant(hours).to_datetime(instant);
    match event.form {
        0 => format!("{instant}"),
        1 => format!("{}+02:00", at(2)),
        2 => format!("{}-0500", at(-5)),
        3 => format!("{}.000000+01:00", at(1)).replace('T', " "),
        _ => format!("{}", at(0)),
    }
}

proptest! {
    #[test]
    fn reads_what_was_written(told in prop::collection::vec(told(), 0..40), manner in manner()) {
        let log = EventLog::parse("log.csv", &written(&told, &manner)).unwrap();
        let mut names: Vec<String> = Vec::new();
        for event in &told {
            let name = event.case.to_string();
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let read: Vec<&str> = log.cases.iter().map(|case| case.name.as_str()).collect();
        prop_assert_eq!(read, names);
        for case in &log.cases {
            let mut expected: Vec<&Told> = told.iter().filter(|event| event.case.to_string() == case.name).collect();
            expected.sort_by_key(|event| event.second);
            let expected: Vec<_> = expected.iter().map(|event| (&event.activity, u64::from(event.second) * 1_000, &event.group)).collect();
            let read: Vec<_> = case.events.iter().map(|event| (&event.activity, event.instant_ms, &event.group)).collect();
            prop_assert_eq!(read, expected);
        }
        let zoneless = told.iter().filter(|event| event.form == 4).count();
        prop_assert_eq!(log.interpreted, Interpreted { zoneless: zoneless as u64, ..Interpreted::default() });
    }

    #[test]
    fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), head in any::<bool>()) {
        let mut text = if head { b"case,status,time\n".to_vec() } else { Vec::new() };
        text.extend(bytes);
        let _ = EventLog::parse("log.csv", &text);
    }
}
