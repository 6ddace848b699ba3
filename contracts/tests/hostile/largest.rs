//! The dearest texts that a hostile member may propose: sound ones that are full of one thing as far as the bounds go, and
//! unsound ones that are full of faults. Each has as many bytes as a text may have. Must never know what they cost.

use std::fmt::Write as _;

/// Bytes of a definition's text.
const BYTES: usize = 512 * 1024;
const ROLES: usize = 64;
const STATUSES: usize = 256;
const RULES: usize = 512;
const NAMED: &str = "label_de=\"a\",label_en=\"a\"";

/// What a sound text is full of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// Statuses, their recipients and predecessors.
    Statuses,
    /// Rules with long conditions.
    Rules,
    /// Guards.
    Guards,
    /// Locks that stop everything.
    Locks,
    /// Notices to everybody.
    Notices,
    /// Deadlines, one after the other: the longest chain of causes.
    Deadlines,
}

impl Full {
    pub(crate) const ALL: [Self; 6] =
        [Self::Statuses, Self::Rules, Self::Guards, Self::Locks, Self::Notices, Self::Deadlines];
}

fn list(letter: char, count: usize) -> String {
    (0..count).map(|number| format!("\"{letter}{number}\"")).collect::<Vec<_>>().join(",")
}

/// The text with a remark that fills it up.
fn filled(mut text: String) -> String {
    let rest = BYTES.saturating_sub(text.len());
    if rest > 1 {
        text.push('#');
        text.push_str(&"x".repeat(rest - 1));
    }
    text
}

/// A condition of so many terms, other ones with another salt.
fn condition(terms: usize, salt: usize) -> String {
    let term = |number: usize| format!("has(s{})", (number * 7 + salt) % STATUSES);
    (0..terms).map(term).collect::<Vec<_>>().join("&&")
}

/// A sound definition, as a version of `process`; what its rules and guards ask differs by salt.
pub(crate) fn sound(full: Full, process: &str, version: u32, salt: usize) -> String {
    let mut text = format!(
        "language=2\nprocess={{id=\"{process}\",version={version},label_de=\"a\",label_en=\"a\"}}\n\
         track.t={{number=16,label_de=\"a\",label_en=\"a\"}}\n"
    );
    for number in 0..ROLES {
        text.push_str(&format!("role.r{number}={{{NAMED}}}\n"));
    }
    add_parts(full, salt, &mut text);
    add_statuses(full, salt, &mut text);
    add_rules(full, salt, &mut text);
    filled(text)
}

fn add_parts(full: Full, salt: usize, text: &mut String) {
    let mut add = |line: std::fmt::Arguments<'_>| text.write_fmt(line).expect("memory");
    let (named, everybody) = (NAMED, list('r', ROLES));
    add(format_args!("marker.m={{{named},audience=[{everybody}],basis=\"a\"}}\n"));
    match full {
        Full::Statuses | Full::Guards | Full::Rules => {}
        Full::Locks => {
            let (stops, alarms): (Vec<String>, Vec<String>) =
                (0..STATUSES / 2).map(|pair| (format!("\"s{}\"", 2 * pair + 1), format!("\"s{}\"", 2 * pair))).unzip();
            let (stops, alarms) = (stops.join(","), alarms.join(","));
            for lock in 0..64 {
                add(format_args!("lock.l{lock}={{{named},stops=[{stops}],alarms=[{alarms}],basis=\"a\"}}\n"));
            }
        }
        Full::Notices => {
            for notice in 0..256 {
                add(format_args!("notice.n{notice}={{{named},basis=\"a\"}}\n"));
            }
        }
        Full::Deadlines => {
            for deadline in 0..256 {
                add(format_args!(
                    "deadline.d{deadline}={{{named},length=\"P{}D\",from=\"occurred\",basis=\"a\",watched_by=[{everybody}]}}\n",
                    1 + (deadline + salt) % 9
                ));
            }
        }
    }
}

fn add_statuses(full: Full, salt: usize, text: &mut String) {
    let mut add = |line: std::fmt::Arguments<'_>| text.write_fmt(line).expect("memory");
    for number in 0..STATUSES {
        let kind = if number % 2 == 0 { "reports" } else { "announces" };
        add(format_args!("[status.s{number}]\nlabel_de=\"a\"\nlabel_en=\"a\"\ntrack=\"t\"\nkind=\"{kind}\"\n"));
        add(format_args!("precision=\"day\"\nrepeatable=true\nbasis=\"a\"\n"));
        let (reporters, recipients, before) = match full {
            Full::Statuses => (ROLES, ROLES, 160),
            Full::Locks => (ROLES, 0, 0),
            _ => (8, 0, 0),
        };
        add(format_args!("reported_by=[{}]\n", list('r', reporters)));
        if recipients > 0 {
            add(format_args!("recipients=[{}]\nafter=[{},\"START\"]\n", list('r', recipients), list('s', before)));
        }
        if full == Full::Guards {
            for guard in 0..16 {
                let when = condition(3, salt + guard);
                add(format_args!("[[status.s{number}.warn_if]]\nname=\"g{guard}\"\n{}\n", NAMED.replace(',', "\n")));
                add(format_args!("basis=\"a\"\nwhen=\"{when}\"\n"));
            }
        }
    }
}

fn add_rules(full: Full, salt: usize, text: &mut String) {
    let mut add = |line: std::fmt::Arguments<'_>| text.write_fmt(line).expect("memory");
    let everybody = list('r', ROLES);
    let count = match full {
        Full::Statuses | Full::Guards => return,
        Full::Rules => RULES,
        Full::Locks | Full::Notices | Full::Deadlines => STATUSES,
    };
    for rule in 0..count {
        let (on, what) = match full {
            Full::Locks => (format!("status=\"s{}\"", rule), format!("lock=[{}]", list('l', 24))),
            Full::Notices => {
                let sends = format!(
                    "{{notice=\"n{rule}\",to=[{everybody}]}},{{notice=\"n{}\",to=[{everybody}]}}",
                    (rule + 1) % 256
                );
                (format!("status=\"s{}\"", rule), format!("notify=[{sends}]"))
            }
            Full::Deadlines if rule == 0 => ("status=\"s0\"".to_owned(), "start=[\"d0\"]".to_owned()),
            Full::Deadlines => (format!("elapsed=\"d{}\"", rule - 1), format!("start=[\"d{rule}\"]")),
            _ => (format!("status=\"s{}\"", rule % STATUSES), "mark=[\"m\"]".to_owned()),
        };
        let terms = match full {
            Full::Rules => 70,
            Full::Locks => 20,
            Full::Notices => 10,
            _ => 60,
        };
        let when = condition(terms, salt + rule);
        add(format_args!("[[rule]]\nname=\"x{rule}\"\n{}\nbasis=\"a\"\n", NAMED.replace(',', "\n")));
        add(format_args!("on={{{on}}}\n{what}\nwhen=\"{when}\"\n"));
    }
    if full == Full::Deadlines {
        add(format_args!("[[rule]]\nname=\"last\"\n{}\nbasis=\"a\"\n", NAMED.replace(',', "\n")));
        add(format_args!("on={{elapsed=\"d255\"}}\nmark=[\"m\"]\n"));
    }
}

/// Texts that are no definition and no calendars, by what they are full of.
pub(crate) fn unsound() -> Vec<(&'static str, String)> {
    let numbered = |line: &dyn Fn(usize) -> String| -> String {
        let mut text = "language=2\n".to_owned();
        let mut number = 0;
        loop {
            let next = line(number);
            if text.len() + next.len() > BYTES {
                break text;
            }
            text.push_str(&next);
            number += 1;
        }
    };
    let in_brackets = |open: &str, part: &str, close: &str| {
        let parts = (BYTES - open.len() - close.len()) / part.len();
        format!("{open}{}{close}", part.repeat(parts))
    };
    let wrong = numbered(&|number| format!("status.s{number}.after=[\"{}{number}\"]\n", "w".repeat(40)));
    vec![
        ("keys nobody knows", numbered(&|number| format!("k{number}=1\n"))),
        ("one key again and again", numbered(&|_| "a=1\n".to_owned())),
        ("signs that mean nothing", "=\n".repeat(BYTES / 2)),
        ("lines without anything", "\n".repeat(BYTES)),
        ("open brackets", "[".repeat(BYTES)),
        ("open braces", in_brackets("a=", "{a=", "")),
        ("numbers in a list", in_brackets("a=[", "1,", "]")),
        ("tables in a list", in_brackets("a=[", "{},", "]")),
        ("tables of one letter", numbered(&|number| format!("[t{number}]\n"))),
        ("tables of lists", numbered(&|_| "[[rule]]\n".to_owned())),
        ("dots in a key", format!("{}a=1", "a.".repeat(BYTES / 2 - 2))),
        ("short keys with dots", numbered(&|number| format!("a.b.c.d.e.f.g.h{number}=1\n"))),
        ("rules that do nothing", numbered(&|number| format!("[[rule]]\nname=\"x{number}\"\n"))),
        ("statuses without anything", numbered(&|number| format!("[status.s{number}]\n"))),
        ("names of nothing", wrong),
        ("signs written as numbers", in_brackets("a=\"", "\\u0041", "\"")),
        ("a string without an end", in_brackets("a=\"", "x", "")),
        ("a remark", in_brackets("#", "x", "")),
        ("areas", numbered(&|number| format!("area.DE-A{number}={{de=\"a\",en=\"a\"}}\n"))),
        ("short signs that mean nothing", "=\n".repeat(80 * 1024)),
        ("words without a value", "a\n".repeat(BYTES / 2)),
        ("words without a value, shorter", "a\n".repeat(80 * 1024)),
        ("lists that begin", "a=[\n".repeat(BYTES / 4)),
        ("strings that do not end", "a=\"\n".repeat(40 * 1024)),
        ("signs written as nothing", in_brackets("a=\"", "\\q", "\"")),
        ("numbers that are none", in_brackets("a=[", "0_,", "]")),
        ("seats", numbered(&|number| format!("seat.s{number}=\"DE-BB\"\n"))),
    ]
}

/// Sound calendars that are as full as may be: areas, holidays in all of them, seats.
pub(crate) fn calendars(id: &str, version: u32) -> String {
    let mut text = format!("language=1\ncalendars={{id=\"{id}\",version={version},label_de=\"a\",label_en=\"a\"}}\n");
    let mut add = |line: std::fmt::Arguments<'_>| text.write_fmt(line).expect("memory");
    let areas: Vec<String> = (0..256).map(|number| format!("DE-BY-{number}")).collect();
    for area in &areas {
        add(format_args!("area.{area}={{de=\"a\",en=\"a\"}}\n"));
    }
    let everywhere = areas.iter().map(|area| format!("\"{area}\"")).collect::<Vec<_>>().join(",");
    for holiday in 0..128 {
        add(format_args!("[holiday.h{holiday}]\nlabel_de=\"a\"\nlabel_en=\"a\"\nrule=\"fixed\"\n"));
        add(format_args!(
            "month={}\nday={}\nareas=[{everywhere}]\nbasis=\"a\"\nverified=\"M\"\n",
            1 + holiday % 12,
            1 + holiday / 12
        ));
    }
    add(format_args!("[seat]\n"));
    for seat in 0..1_024 {
        add(format_args!("s{seat}=\"DE-BY-{}\"\n", seat % 256));
    }
    filled(text)
}
