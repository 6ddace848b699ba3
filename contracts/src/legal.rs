//! Legal time: from the day of an event and the length of a period to the instant at which the period elapses, with
//! the derivation in words.
//!
//! Read `civil` first (days, months, Easter), then `length`, `calendars` (holidays and seats, read by
//! `check/calendars.rs`), `due` (BGB §§187-193) and `words`. `calendars/de.toml` is the shipped calendar.
//!
//! Must never ask the system for a zone, a clock or a calendar: all nodes count from the same text in integers.

mod area;
mod calendars;
pub(crate) mod civil;
mod due;
mod length;
mod words;

pub use area::{AreaCode, AreaError};
pub(crate) use calendars::Parts;
pub use calendars::{Area, Calendars, DayOff, Holiday, HolidayRule};
pub use civil::{Civil, Weekday, berlin_day, easter};
pub use due::{Choice, Counting, Due, DueError, Step, due};
pub use length::{Length, LengthError, Unit};
