//! The derivation of a due day in words, German and English, one sentence a step. Must never compute anything that
//! `due` did not.

use super::calendars::DayOff;
use super::civil::{Civil, Weekday, berlin_ahead_hours, berlin_day};
use super::due::{Counting, Due, Step};
use super::length::{Length, Unit};
use crate::definition::Language;

const MONTHS_DE: [&str; 12] = [
    "Januar",
    "Februar",
    "März",
    "April",
    "Mai",
    "Juni",
    "Juli",
    "August",
    "September",
    "Oktober",
    "November",
    "Dezember",
];
const MONTHS_EN: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

impl Due {
    /// The derivation for people, one sentence a step, in order.
    pub fn words(&self, language: Language) -> Vec<String> {
        self.steps().iter().map(|step| step.words(language)).collect()
    }
}

impl Step {
    /// The step as a sentence.
    pub fn words(&self, language: Language) -> String {
        match language {
            Language::German => self.german(),
            Language::English => self.english(),
        }
    }

    fn german(&self) -> String {
        let date = |day| date(day, Language::German);
        match self {
            Self::Start { day } => {
                format!("Ereignis am {}; dieser Tag zählt nicht mit (§ 187 Abs. 1 BGB).", date(*day))
            }
            Self::StartInstant { ms } => format!("Ereignis am {}.", instant(*ms, Language::German)),
            Self::SeatUnknown { latest, areas, area } => {
                let which = if *latest { "späteste" } else { "früheste" };
                let (name, code) = (&area.labels.de, &area.code);
                format!("Sitz unbekannt: das {which} Ende aus {areas} Gebieten gilt, hier das von {name} ({code}).")
            }
            Self::Seat { area } => format!("Es gelten die Feiertage von {} ({}).", area.labels.de, area.code),
            Self::Skipped { day, reason } => format!("{} zählt nicht mit ({}).", date(*day), off_german(reason)),
            Self::Counted { length, rule, end } => {
                let rule = match rule {
                    Counting::Days => "mit Ablauf des letzten Tages (§ 188 Abs. 1 BGB)",
                    Counting::WorkingDays => "nur Montag bis Freitag ohne Feiertage gezählt",
                    Counting::SameWeekday => "am Tag gleichen Namens (§ 188 Abs. 2 BGB)",
                    Counting::SameNumber => "am Tag gleicher Zahl (§ 188 Abs. 2 BGB)",
                    Counting::LastOfMonth => {
                        "die Zahl des Tages fehlt im letzten Monat, daher am Monatsletzten (§ 188 Abs. 3 BGB)"
                    }
                    Counting::Clock => "nach der Uhr gezählt",
                };
                format!("Frist von {}, {rule}: {}.", length_german(*length), date(*end))
            }
            Self::Moved { from, reason } => {
                let reason = off_german(reason);
                format!(
                    "{} scheidet aus ({reason}); weiter zum nächsten Tag (§ 193 BGB, § 31 Abs. 3 VwVfG).",
                    date(*from)
                )
            }
            Self::Elapses { day, clock: false, .. } => format!("Ablauf am {} um 24:00 Uhr (Berlin).", date(*day)),
            Self::Elapses { ms, clock: true, .. } => format!("Ablauf am {}.", instant(*ms, Language::German)),
        }
    }

    fn english(&self) -> String {
        let date = |day| date(day, Language::English);
        match self {
            Self::Start { day } => format!("Event on {}; this day is not counted (BGB §187(1)).", date(*day)),
            Self::StartInstant { ms } => format!("Event on {}.", instant(*ms, Language::English)),
            Self::SeatUnknown { latest, areas, area } => {
                let which = if *latest { "latest" } else { "earliest" };
                let (name, code) = (&area.labels.en, &area.code);
                format!("Seat unknown: the {which} end of {areas} areas holds, here that of {name} ({code}).")
            }
            Self::Seat { area } => format!("The holidays of {} ({}) hold.", area.labels.en, area.code),
            Self::Skipped { day, reason } => format!("{} is not counted ({}).", date(*day), off_english(reason)),
            Self::Counted { length, rule, end } => {
                let rule = match rule {
                    Counting::Days => "ending with the last day (BGB §188(1))",
                    Counting::WorkingDays => "counting Monday to Friday without holidays only",
                    Counting::SameWeekday => "ending on the day of the same name (BGB §188(2))",
                    Counting::SameNumber => "ending on the day of the same number (BGB §188(2))",
                    Counting::LastOfMonth => {
                        "ending on the last of the month, which lacks the day's number (BGB §188(3))"
                    }
                    Counting::Clock => "by the clock",
                };
                format!("Period of {}, {rule}: {}.", length_english(*length), date(*end))
            }
            Self::Moved { from, reason } => {
                let reason = off_english(reason);
                format!("{} cannot be the end ({reason}); on to the next day (BGB §193, VwVfG §31(3)).", date(*from))
            }
            Self::Elapses { day, clock: false, .. } => format!("Elapses on {} at 24:00 (Berlin).", date(*day)),
            Self::Elapses { ms, clock: true, .. } => format!("Elapses on {}.", instant(*ms, Language::English)),
        }
    }
}

fn off_german(reason: &DayOff) -> String {
    match reason {
        DayOff::Saturday => "Sonnabend".to_owned(),
        DayOff::Sunday => "Sonntag".to_owned(),
        DayOff::Holiday { holiday, area } => format!("Feiertag: {}, {}", holiday.labels.de, area.labels.de),
    }
}

fn off_english(reason: &DayOff) -> String {
    match reason {
        DayOff::Saturday => "Saturday".to_owned(),
        DayOff::Sunday => "Sunday".to_owned(),
        DayOff::Holiday { holiday, area } => format!("holiday: {}, {}", holiday.labels.en, area.labels.en),
    }
}

fn length_german(length: Length) -> String {
    let (one, more) = match length.unit() {
        Unit::Days => ("Tag", "Tagen"),
        Unit::WorkingDays => ("Arbeitstag", "Arbeitstagen"),
        Unit::Weeks => ("Woche", "Wochen"),
        Unit::Months => ("Monat", "Monaten"),
        Unit::Years => ("Jahr", "Jahren"),
        Unit::Hours => ("Stunde", "Stunden"),
        Unit::Minutes => ("Minute", "Minuten"),
        Unit::Seconds => ("Sekunde", "Sekunden"),
    };
    format!("{} {}", length.count(), if length.count() == 1 { one } else { more })
}

fn length_english(length: Length) -> String {
    let one = match length.unit() {
        Unit::Days => "day",
        Unit::WorkingDays => "working day",
        Unit::Weeks => "week",
        Unit::Months => "month",
        Unit::Years => "year",
        Unit::Hours => "hour",
        Unit::Minutes => "minute",
        Unit::Seconds => "second",
    };
    format!("{} {one}{}", length.count(), if length.count() == 1 { "" } else { "s" })
}

fn date(day: i32, language: Language) -> String {
    let civil = Civil::of(day);
    let (names, separator) = match language {
        Language::German => (MONTHS_DE, ". "),
        Language::English => (MONTHS_EN, " "),
    };
    let month = names.get(usize::from(civil.month().saturating_sub(1))).copied().unwrap_or_default();
    format!("{}, {}{separator}{month} {}", weekday(day, language), civil.day(), civil.year())
}

fn weekday(day: i32, language: Language) -> &'static str {
    let (german, english) = match Weekday::of(day) {
        Weekday::Monday => ("Montag", "Monday"),
        Weekday::Tuesday => ("Dienstag", "Tuesday"),
        Weekday::Wednesday => ("Mittwoch", "Wednesday"),
        Weekday::Thursday => ("Donnerstag", "Thursday"),
        Weekday::Friday => ("Freitag", "Friday"),
        Weekday::Saturday => ("Sonnabend", "Saturday"),
        Weekday::Sunday => ("Sonntag", "Sunday"),
    };
    match language {
        Language::German => german,
        Language::English => english,
    }
}

/// Day and time in Berlin, with the zone: an hour of the October night comes twice.
fn instant(ms: i64, language: Language) -> String {
    // A day number that no `i32` holds has no date; `due` makes no such step.
    let day = berlin_day(ms).unwrap_or(i32::MAX);
    let ahead = berlin_ahead_hours(day, ms);
    let seconds = ms.div_euclid(1_000).saturating_add(ahead.saturating_mul(3_600)).rem_euclid(86_400);
    let (hour, minute, second) =
        (seconds.div_euclid(3_600), seconds.div_euclid(60).rem_euclid(60), seconds.rem_euclid(60));
    let date = date(day, language);
    match language {
        Language::German => {
            let zone = if ahead == 2 { "MESZ" } else { "MEZ" };
            format!("{date} um {hour:02}:{minute:02}:{second:02} Uhr {zone}")
        }
        Language::English => {
            let zone = if ahead == 2 { "CEST" } else { "CET" };
            format!("{date} at {hour:02}:{minute:02}:{second:02} {zone}")
        }
    }
}
