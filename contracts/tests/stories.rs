//! Case stories of the whole asylum procedure (definitions/asyl-de-2.toml): what happens, what has to come out, and what
//! the case then shows. The lines that begin with `expect` were worked out by hand from the law, which the comments
//! above them give; the indented lines are written by the program, and only if asked to:
//! `STORIES_WRITE=1 cargo test -p laufzettel-contracts --test stories`. A difference is shown line by line.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test stops at the first thing that does not hold; its days are of this century"
)]

#[path = "stories/play.rs"]
mod play;
mod processor;
#[path = "stories/script.rs"]
mod script;
#[path = "stories/view.rs"]
mod view;

use laufzettel_contracts::{ASYL_DE_2, CALENDARS_DE, Calendars, Definition};
use play::{Land, Player};
use script::Story;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

fn land() -> Land {
    let definition = Definition::check(ASYL_DE_2).expect("the definition is sound").definition;
    let calendars = Calendars::check(CALENDARS_DE).expect("the calendars are sound").calendars;
    Land { definition, calendars }
}

fn stories() -> Vec<(PathBuf, String)> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/stories"));
    let files = std::fs::read_dir(folder).expect("the folder is there").map(|file| file.expect("a file").path());
    let mut texts: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|end| end == "txt")).collect();
    texts.sort();
    texts.into_iter().map(|path| (path.clone(), std::fs::read_to_string(path).expect("a text"))).collect()
}

/// Plays a story: what is wrong with what it expects, and the story as it then shows.
fn play(land: &Land, story: &Story) -> (String, Story) {
    let mut player = Player::new(land, story);
    let mut played = story.clone();
    let mut wrong = String::new();
    let mut before = BTreeSet::new();
    for step in &mut played.steps {
        let shown = player.play(step);
        let texts = shown.texts();
        for expected in step.expected.iter().filter_map(|line| line.strip_prefix("expect ")) {
            let (line, wanted) = match expected.strip_prefix("no ") {
                Some(line) => (line, false),
                None => (expected, true),
            };
            let found = texts.iter().any(|text| begins(text, line));
            if found != wanted {
                let word = line.split(' ').next().unwrap_or_default();
                let near: Vec<&String> = texts.iter().filter(|text| text.starts_with(word)).collect();
                writeln!(wrong, "  after: {}\n    expect {expected}\n    shown: {near:#?}", step.line)
                    .expect("a String takes all");
            }
        }
        step.shown = shown.written(&before);
        before = texts;
    }
    (wrong, played)
}

/// Whether a text begins with whole words.
fn begins(text: &str, line: &str) -> bool {
    let headline = line.split_once(": ").filter(|_| line.starts_with("headline "));
    if let (Some((who, label)), Some((roles, said))) = (headline, text.split_once(": ")) {
        let role = who.strip_prefix("headline ").unwrap_or(who);
        return roles.strip_prefix("headline ").is_some_and(|all| all.split(", ").any(|one| one == role))
            && said.starts_with(label);
    }
    text.strip_prefix(line).is_some_and(|rest| !rest.starts_with(|next: char| next.is_alphanumeric() || next == '_'))
}

/// The lines that differ, each with its number.
fn difference(expected: &str, actual: &str) -> String {
    let mut told = String::new();
    let (expected, actual): (Vec<&str>, Vec<&str>) = (expected.lines().collect(), actual.lines().collect());
    let start = expected.iter().zip(&actual).take_while(|(left, right)| left == right).count();
    let ends = expected[start..].iter().rev().zip(actual[start..].iter().rev());
    let end = ends.take_while(|(left, right)| left == right).count();
    for (sign, lines) in [('-', &expected), ('+', &actual)] {
        for (number, line) in lines.iter().enumerate().take(lines.len() - end).skip(start) {
            writeln!(told, "  {sign}{:>4} {line}", number + 1).expect("a String takes all");
        }
    }
    told
}

#[test]
fn stories_come_out_as_written() {
    let land = land();
    let write = std::env::var_os("STORIES_WRITE").is_some_and(|value| value == "1");
    let mut faults = String::new();
    let all = stories();
    assert!(all.len() >= 25, "only {} stories", all.len());
    for (path, text) in all {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let story = script::read(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let (wrong, played) = play(&land, &story);
        let told = played.write();
        if !wrong.is_empty() {
            write!(faults, "{name}\n{wrong}").expect("a String takes all");
        }
        if write {
            std::fs::write(&path, &told).expect("the story can be written");
        } else if told != text {
            write!(faults, "{name}: shows otherwise (- written, + shown)\n{}", difference(&text, &told))
                .expect("a String takes all");
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
}

/// The reader of stories loses nothing.
#[test]
fn a_story_reads_as_it_is_written() {
    for (path, text) in stories() {
        let story = script::read(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(story.write(), text, "{}", path.display());
    }
    assert!(script::read("case x\nlook 2026-13-01T10:00\n").is_err());
    assert!(script::read("case x\nlook 2026-02-29T10:00\n").is_err());
    assert!(script::read("case x\nlook 2026-03-01T10:00\nlook 2026-02-28T10:00\n").is_err());
}

/// What the whole procedure costs for a report, in a story from request to closing. Prints; asserts nothing that a busy
/// machine could break.
#[test]
#[ignore = "a measurement"]
fn costs_of_a_report() {
    let land = land();
    let (_, text) = stories().into_iter().next().expect("the first story");
    let story = script::read(&text).expect("a story");
    let (mut alone, mut effects, mut events) = (0, 0, 0);
    for _ in 0..500 {
        let (more_alone, more_effects) = Player::new(&land, &story).measure(&story);
        alone += more_alone;
        effects += more_effects;
        events += story.steps.iter().filter(|step| matches!(step.act, script::Act::Report(_))).count() as u128;
    }
    println!("a report: {} ns folded, {} ns for its effects and their history", alone / events, effects / events);
    assert!(events > 0);
}
