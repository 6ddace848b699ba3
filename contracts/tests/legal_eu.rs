//! Periods of EU law are counted by Regulation (EEC, Euratom) 1182/71, Article 3, those of German law by BGB sections 187
//! to 193. The ledger counts all by the German rules. Here the European ones are counted day by day, and it is shown for
//! every deadline of the shipped definition that names EU law where the two part: nowhere but in one, and there the
//! ledger's day is the earlier one.
#![allow(clippy::expect_used, reason = "a test stops at the first thing that does not hold")]

use laufzettel_contracts::{
    ASYL_DE_2, AreaCode, CALENDARS_DE, Calendars, Choice, Civil, Deadline, Definition, Length, Unit, When, due,
};
use std::collections::{BTreeMap, BTreeSet};

fn day(year: i32, month: u8, day: u8) -> i32 {
    Civil::new(year, month, day).and_then(Civil::day_number).expect("a date")
}

/// Article 3: the day of the event is not counted (1); a period of days ends with its last day, one of weeks or months
/// with the day of the same name or number, else with the last of the month (2); days off are included (3), unless they
/// are the last (4). A period of two days or more has at least two working days (5).
fn european(calendars: &Calendars, at: &AreaCode, length: Length, start: i32) -> i32 {
    let works = |day: i32| calendars.day_off(at, day).is_none();
    let count = i32::try_from(length.count()).expect("short");
    let mut end = match length.unit() {
        Unit::Days => start + count,
        Unit::Weeks => start + 7 * count,
        Unit::WorkingDays => {
            (start + 1..).filter(|day| works(*day)).take(usize::try_from(count).expect("short")).last().expect("a day")
        }
        Unit::Months => {
            let from = Civil::of(start);
            let months = from.year() * 12 + i32::from(from.month()) - 1 + count;
            let (year, month) = (months.div_euclid(12), u8::try_from(months.rem_euclid(12) + 1).expect("a month"));
            (1..=from.day())
                .rev()
                .find_map(|day| Civil::new(year, month, day))
                .and_then(Civil::day_number)
                .expect("a day")
        }
        Unit::Years | Unit::Hours | Unit::Minutes | Unit::Seconds => unreachable!("no deadline of EU law"),
    };
    let enough =
        |end: i32| length.unit() == Unit::Days && count < 2 || (start + 1..=end).filter(|day| works(*day)).count() >= 2;
    while !works(end) || !enough(end) {
        end += 1;
    }
    end
}

/// Whether the legal basis names a regulation of the EU. What an earlier law said is not asked for.
fn is_european(deadline: &Deadline) -> bool {
    deadline.basis.contains("VO 2024/")
}

/// By deadline, the starts from the new law on to the end of 2034 at which the two rules give different days in some Land.
#[test]
fn the_two_rules_part_in_one_deadline_and_there_the_earlier_day_is_taken() {
    let definition = Definition::check(ASYL_DE_2).expect("the definition is sound").definition;
    let calendars = Calendars::check(CALENDARS_DE).expect("the calendars are sound").calendars;
    let deadlines: Vec<&Deadline> = definition.rules().deadlines.iter().filter(|one| is_european(one)).collect();
    assert!(deadlines.len() >= 15, "{}", deadlines.len());
    // Much of what differs between the Länder is in these three.
    let areas = ["DE-SN", "DE-BY", "DE-BE"].map(|code| AreaCode::new(code).expect("a code"));
    let mut part: BTreeMap<&str, BTreeSet<i32>> = BTreeMap::new();
    for deadline in deadlines {
        let mut lengths = deadline.lengths.clone();
        lengths.dedup();
        for length in &lengths {
            for area in &areas {
                for start in day(2026, 6, 12)..day(2035, 1, 1) {
                    let german =
                        due(&calendars, *length, When::Day(start), &Choice::Area(area.clone())).expect("a day").day();
                    let other = european(&calendars, area, *length, start);
                    assert!(german <= other, "{} of {}: never later", deadline.code, Civil::of(start));
                    if german != other {
                        assert_eq!(other - german, 1, "{} of {}", deadline.code, Civil::of(start));
                        part.entry(deadline.code.as_str()).or_default().insert(start);
                    }
                }
            }
        }
    }
    assert_eq!(part.keys().copied().collect::<Vec<_>>(), ["registration"]);
    // Maundy Thursday 2027: Good Friday, weekend and Easter Monday are counted, Tuesday is the fifth day and works; the
    // Regulation wants a second working day, the Wednesday.
    let registration = part.get("registration").expect("it parts");
    assert!(registration.contains(&day(2027, 3, 25)));
    // A few days a year: around Easter and, in some years, Christmas.
    assert!(registration.len() < 5 * 9, "{}", registration.len());
}
