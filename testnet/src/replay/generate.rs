//! Makes logs that are hard to read: quotes, line breaks and delimiters in names, events of equal time, long gaps, many
//! time zones, missing groups, fields nobody reads, columns in any order, records in any order, LF and CRLF. The seed
//! decides everything; what the log says is handed out beside its text. Must never use the reader's own code.

use jiff::Timestamp;
use jiff::tz::Offset;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Names of activities; some differ only in signs that no code can hold.
const ACTIVITIES: [&str; 10] = [
    "application_made",
    "Application made",
    "Anhörung, \"zweite\"",
    "Anhoerung zweite",
    "two\nlines",
    "a;b,c\td",
    "10 Tage",
    "Решение",
    "'quoted'",
    "Bescheid erstellt",
];
/// Names of groups.
const GROUPS: [&str; 6] = ["Group 1", "group 1", "EMPTY", "Ämter; \"Süd\"", "no group", "7"];
/// Offsets in minutes.
const OFFSETS_MINUTES: [i32; 6] = [0, 60, 120, -300, 330, 765];
/// 2020-01-01T00:00Z.
const BEGIN_MS: i64 = 1_577_836_800_000;
const DAY_MS: i64 = 86_400_000;

/// A log and what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Generated {
    /// The text.
    pub(crate) csv: Vec<u8>,
    /// Its events in the order of the text.
    pub(crate) events: Vec<GeneratedEvent>,
}

/// One event as it was meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GeneratedEvent {
    pub(crate) case: String,
    pub(crate) activity: &'static str,
    pub(crate) instant_ms: i64,
    pub(crate) group: Option<&'static str>,
}

/// Makes a log of so many cases.
pub(crate) fn generate(seed: u64, cases: u32) -> Generated {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut events: Vec<GeneratedEvent> = Vec::new();
    for number in 0..cases {
        let mut instant_ms = BEGIN_MS + random.random_range(0..300 * DAY_MS);
        for _ in 0..random.random_range(1..12) {
            events.push(GeneratedEvent {
                case: format!("case, no. {number}"),
                activity: ACTIVITIES.choose(&mut random).copied().unwrap_or_default(),
                instant_ms,
                group: if random.random_bool(0.2) { None } else { GROUPS.choose(&mut random).copied() },
            });
            instant_ms += gap_ms(&mut random);
        }
    }
    events.shuffle(&mut random);
    let csv = written(&events, &mut random);
    Generated { csv, events }
}

/// Nothing, some milliseconds, some hours, or months.
fn gap_ms(random: &mut ChaCha8Rng) -> i64 {
    match random.random_range(0..4) {
        0 => 0,
        1 => random.random_range(1..1_000),
        2 => random.random_range(1..DAY_MS),
        _ => random.random_range(DAY_MS..120 * DAY_MS),
    }
}

fn written(events: &[GeneratedEvent], random: &mut ChaCha8Rng) -> Vec<u8> {
    let delimiter = if random.random_bool(0.5) { ',' } else { ';' };
    let line_break = if random.random_bool(0.5) { "\r\n" } else { "\n" };
    let quote_all = random.random_bool(0.3);
    let mut columns = [0, 1, 2, 3, 4];
    columns.shuffle(random);
    let mut text = if random.random_bool(0.3) { "\u{feff}".to_owned() } else { String::new() };
    let mut write = |fields: [&str; 5]| {
        let placed = columns.iter().filter_map(|column| fields.get(*column));
        let quoted: Vec<String> = placed.map(|field| quoted(field, delimiter, quote_all)).collect();
        text.push_str(&quoted.join(&delimiter.to_string()));
        text.push_str(line_break);
    };
    write(["case:concept:name", "Concept:Name", "time:timestamp", "org:group", "lifecycle:transition"]);
    for event in events {
        let transition = if random.random_bool(0.5) { "complete" } else { "" };
        let time = time(event.instant_ms, random);
        write([&event.case, event.activity, &time, event.group.unwrap_or_default(), transition]);
    }
    text.into_bytes()
}

fn quoted(field: &str, delimiter: char, always: bool) -> String {
    if always || field.contains(['"', '\n', '\r', delimiter]) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

/// The instant in some zone, now and then without one.
fn time(instant_ms: i64, random: &mut ChaCha8Rng) -> String {
    let minutes = OFFSETS_MINUTES.choose(random).copied().unwrap_or_default();
    let offset = Offset::from_seconds(minutes * 60).unwrap_or(Offset::UTC);
    let instant = Timestamp::from_millisecond(instant_ms).unwrap_or_default();
    match random.random_range(0..4) {
        0 => instant.to_string(),
        1 => instant.strftime("%Y-%m-%d %H:%M:%S%.3f").to_string(),
        2 => instant.to_zoned(offset.to_time_zone()).strftime("%Y-%m-%d %H:%M:%S%.6f%:z").to_string(),
        _ => instant.to_zoned(offset.to_time_zone()).strftime("%Y-%m-%dT%H:%M:%S%.3f%z").to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use laufzettel_node::eventlog::EventLog;
    use std::collections::BTreeMap;

    /// Instant, activity, group.
    type Meant<'m> = (i64, &'m str, Option<&'m str>);

    #[test]
    fn the_reader_reads_what_was_meant() {
        for seed in 0..50 {
            let generated = generate(seed, 20);
            let log = EventLog::parse("generated.csv", &generated.csv).unwrap();
            assert_eq!(log.event_count(), generated.events.len(), "seed {seed}");
            let mut meant: BTreeMap<&str, Vec<Meant<'_>>> = BTreeMap::new();
            for event in &generated.events {
                meant.entry(&event.case).or_default().push((event.instant_ms, event.activity, event.group));
            }
            for case in &log.cases {
                let mut meant = meant.remove(case.name.as_str()).unwrap();
                meant.sort_by_key(|(instant_ms, _, _)| *instant_ms);
                let read = case.events.iter().map(|event| {
                    (i64::try_from(event.instant_ms).unwrap(), event.activity.as_str(), event.group.as_deref())
                });
                assert_eq!(read.collect::<Vec<_>>(), meant, "seed {seed}");
            }
            assert!(meant.is_empty(), "seed {seed}");
        }
    }

    #[test]
    fn the_seed_decides() {
        assert_eq!(generate(3, 5), generate(3, 5));
        assert_ne!(generate(3, 5).csv, generate(4, 5).csv);
    }
}
