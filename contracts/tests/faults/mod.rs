//! One fault at a time: a sound text is changed in one place, and everything the checker says of it is compared with a
//! golden file. Shared by the tests of all checkers; must never know what a text is about.

use laufzettel_contracts::Finding;
use std::fmt::Write as _;

/// A name, what is changed, and what stands there instead. An empty second part appends.
pub(crate) type Fault = (&'static str, &'static str, &'static str);

/// The sound text with one part replaced.
pub(crate) fn replaced(sound: &str, from: &str, to: &str) -> String {
    if from.is_empty() {
        return format!("{sound}{to}");
    }
    assert!(sound.contains(from), "nothing to change: {from}");
    sound.replacen(from, to, 1)
}

/// Everything a checker says, line by line: its notes, or why it refuses.
pub(crate) fn said(answer: Result<Vec<Finding>, Vec<Finding>>) -> String {
    let (verdict, findings) = match answer {
        Ok(notes) => ("passes", notes),
        Err(findings) => ("fails", findings),
    };
    findings.iter().fold(format!("{verdict}\n"), |text, finding| format!("{text}  {finding}\n"))
}

/// What is said of each fault, and of the texts behind them. On a difference it leaves what it got beside the build.
pub(crate) fn compare(
    (sound, faults): (&str, &[Fault]),
    more: &[(&str, &str)],
    said_of: impl Fn(&str) -> String,
    (name, golden): (&str, &str),
) {
    let mut actual = String::new();
    for (fault, from, to) in faults {
        let text = replaced(sound, from, to);
        write!(actual, "{fault}: {}", said_of(&text)).expect("a String takes all");
    }
    for (about, text) in more {
        write!(actual, "{about}: {}", said_of(text)).expect("a String takes all");
    }
    if actual != golden {
        let path = format!("{}/{name}", env!("CARGO_TARGET_TMPDIR"));
        std::fs::write(&path, &actual).expect("the build directory can be written");
        panic!("compare {name} with {path}");
    }
}
