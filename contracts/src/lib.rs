//! The process of the ledger: what may be reported of a case, by whom, and what a case's reports add up to.
//!
//! Read `definition` first (what a process is), then `check` (how a text becomes one), `report` and `when` (what is
//! reported), `fold` (what the reports give) and `accept` (what is not even recorded); `expression` is the language of
//! the conditions in a definition, `legal` counts periods by law, `effect` tells what follows from a case, `view` picks
//! what one reader sees of it, and `diff` tells whom a new version of a process concerns. `definitions/` and `calendars/`
//! hold the texts this project ships.
//!
//! This crate knows no block, signature, storage or wire format, and no clock, randomness or input and output. All
//! validators must compute the same from the same reports: integers only, ordered collections only, every bound named
//! in `limits`, no panic on anything a text or a report may hold.
#![forbid(unsafe_code)]
#![deny(
    missing_docs,
    clippy::float_arithmetic,
    clippy::iter_over_hash_type,
    clippy::arithmetic_side_effects,
    clippy::wildcard_enum_match_arm
)]

mod accept;
mod check;
mod definition;
pub mod diff;
pub mod effect;
pub mod expression;
mod finding;
mod fold;
mod legal;
pub mod limits;
mod name;
mod report;
mod view;
mod when;

pub use accept::{Refusal, accept, accept_correction, accept_retraction};
pub use check::{Checked, CheckedCalendars};
pub use definition::{
    After, Attribute, AttributeType, Deadline, Definition, Guard, Kind, Labels, Language, Lock, LockSources, Marker,
    Notice, Opening, Outcome, OutcomeList, Precision, Regime, Role, Rule, Rules, Sending, StartDay, Status, Task,
    Track, Trigger, UnknownSeat,
};
pub use finding::{Finding, nearest};
pub use fold::state::{CaseState, Deviation, DeviationKind, Proceeding, TrackState};
pub use fold::{CaseFold, cost, fold};
pub use legal::{
    Area, AreaCode, AreaError, Calendars, Choice, Civil, Counting, DayOff, Due, DueError, Holiday, HolidayRule, Length,
    LengthError, Step, Unit, Weekday, berlin_day, due, easter,
};
pub use name::{AuthorityId, Code, NameError};
pub use report::{Entry, Position, Report, Sealed, Slot, Value};
pub use view::{Holders, Reader, Sight, View, Whole, view, view_held};
pub use when::When;

/// The text of the shipped definition: the German asylum procedure, profile `flora-1`.
pub const ASYL_DE: &str = include_str!("../definitions/asyl-de.toml");

/// The text of the shipped definition, version 2: the whole German asylum procedure with its periods and rules.
pub const ASYL_DE_2: &str = include_str!("../definitions/asyl-de-2.toml");

/// The text of the shipped calendars: the public holidays of the 16 Länder, and where authorities sit.
pub const CALENDARS_DE: &str = include_str!("../calendars/de.toml");
