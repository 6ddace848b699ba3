//! The definition, calendars and authorities of these tests, and short ways to say what is reported.

use laufzettel_contracts::effect::{Cause, Directory, EffectFold, EffectId, Effects, History, Known, World, effects};
use laufzettel_contracts::{
    AuthorityId, Calendars, CaseFold, Code, Definition, Entry, Position, Report, Slot, Value, When,
};

pub(crate) const HOUR_MS: u64 = 3_600_000;
pub(crate) const DAY_MS: u64 = 24 * HOUR_MS;
/// 2026-06-01, a Monday. Source: GNU date, `date -u -d 2026-06-01 +%s` divided by 86,400.
pub(crate) const JUNE: i32 = 20_605;

pub(crate) struct Setting {
    pub(crate) definition: Definition,
    pub(crate) calendars: Calendars,
    pub(crate) directory: Directory,
}

impl Setting {
    pub(crate) fn new() -> Self {
        let text = include_str!("process.toml");
        let definition = Definition::check(text).map_err(|all| format!("{all:#?}")).expect("sound").definition;
        let calendars = Calendars::check(include_str!("calendars.toml")).expect("sound").calendars;
        // Two that have the same role, and one that has two.
        let holders = [
            ("office", "de-bamf"),
            ("foreigners", "fa-one"),
            ("foreigners", "fa-two"),
            ("court", "court-south"),
            ("court", "court-north"),
            ("police", "de-bpol"),
            ("police", "fa-two"),
        ];
        let directory = Directory::new(holders.map(|(role, id)| (code(role), authority(id))));
        Self { definition, calendars, directory }
    }

    pub(crate) fn world(&self) -> World<'_> {
        World { definition: &self.definition, calendars: &self.calendars, directory: &self.directory }
    }

    pub(crate) fn name(&self, rule: &Code, cause: &Cause, occurrence: u32) -> EffectId {
        name(rule, cause, occurrence)
    }

    pub(crate) fn case(&self, entries: &[Entry]) -> CaseFold {
        let mut case = CaseFold::new();
        for entry in entries {
            case.report(&self.definition, entry.clone());
        }
        case
    }

    pub(crate) fn effects(&self, case: &CaseFold, history: &History, as_of_ms: u64) -> Effects {
        effects(&self.world(), case, &Known { history, name: &name, as_of_ms })
    }

    pub(crate) fn update(&self, fold: &mut EffectFold, case: &CaseFold, history: &History, as_of_ms: u64) {
        fold.update(&self.world(), case, &Known { history, name: &name, as_of_ms });
    }
}

pub(crate) fn code(text: &str) -> Code {
    Code::new(text).expect("a code")
}

pub(crate) fn authority(text: &str) -> AuthorityId {
    AuthorityId::new(text).expect("an id")
}

/// Not a digest, but different for what is different here: FNV-1a over everything, twice.
pub(crate) fn name(rule: &Code, cause: &Cause, occurrence: u32) -> EffectId {
    let mut bytes = rule.as_str().as_bytes().to_vec();
    match cause {
        Cause::Report(slot) => bytes.extend([&[1], slot.as_slice()].concat()),
        Cause::Effect(id) => bytes.extend([&[2], id.0.as_slice()].concat()),
    }
    bytes.extend(occurrence.to_be_bytes());
    let hash = |start: u64| {
        bytes.iter().fold(start, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
    };
    let mut id = [0; 16];
    id[..8].copy_from_slice(&hash(0xcbf2_9ce4_8422_2325).to_be_bytes());
    id[8..].copy_from_slice(&hash(0x1234_5678_9abc_def1).to_be_bytes());
    EffectId(id)
}

pub(crate) fn slot(number: u8) -> Slot {
    [number; 32]
}

pub(crate) fn entry(number: u8, by: &str, report: Report) -> Entry {
    let position = Position { height: u64::from(number), ..Position::default() };
    Entry { slot: slot(number), position, author: authority(by), report }
}

/// A report of a day of June 2026, from 1.
pub(crate) fn on(status: &str, day: i32) -> Report {
    Report::new(code(status), When::Day(JUNE + day - 1))
}

/// An instant of June 2026, hours of UTC.
pub(crate) fn at(day: u64, hour: u64) -> u64 {
    let june = u64::try_from(JUNE).expect("after 1970");
    (june + day - 1) * DAY_MS + hour * HOUR_MS
}

pub(crate) fn instant(status: &str, ms: u64) -> Report {
    Report::new(code(status), When::Instant(ms))
}

pub(crate) fn rejected(day: i32) -> Report {
    Report { outcome: Some(code("rejected")), ..on("decided", day) }
}

pub(crate) fn moved(day: i32, to: &str) -> Report {
    let mut report = on("moved", day);
    report.attributes.insert(code("to"), Value::Authority(authority(to)));
    report
}
