//! Counting a period over calendars that follow one another (docs/PROCESS-LANGUAGE.md, "New calendars"). Later calendars
//! count what runs; they never take back what was over, and never make something be over in the past.

use crate::definition::UnknownSeat;
use crate::legal::{Calendars, Choice, Due, DueError, Length, due};
use crate::name::AuthorityId;
use crate::when::When;

/// Whose seat gives the days off, and what counts where it is not known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seat<'s> {
    pub(super) holder: Option<&'s AuthorityId>,
    pub(super) unknown: UnknownSeat,
}

impl Seat<'_> {
    /// When a period ends by these calendars alone.
    pub(super) fn due(&self, calendars: &Calendars, length: Length, start: When) -> Result<Due, DueError> {
        let choice = match (self.holder.and_then(|holder| calendars.seat(holder)), self.unknown) {
            (Some(area), _) => Choice::Area(area.clone()),
            (None, UnknownSeat::Latest) => Choice::Latest,
            (None, UnknownSeat::Earliest) => Choice::Earliest,
        };
        due(calendars, length, start, &choice)
    }
}

/// A counted period.
pub(super) struct Counted<'c> {
    /// The calendars that gave the end.
    pub(super) calendars: &'c Calendars,
    /// The end.
    pub(super) due: Result<Due, DueError>,
    /// When it warns, if it does.
    pub(super) warns_ms: Option<i64>,
}

/// Counts by the first calendars there were, then by each later one what by then was not over. An end that a later one
/// would put before the instant since which it counts stays where it is. So does a warning that was given by then.
pub(super) fn count<'c>(
    newest: &'c Calendars,
    length: Length,
    start: When,
    seat: &Seat<'_>,
    warn: Option<Length>,
) -> Counted<'c> {
    let warns =
        |due: &Result<Due, DueError>| due.as_ref().ok().zip(warn).and_then(|(due, warn)| due.warns_ms(warn).ok());
    let mut later = Vec::new();
    let mut first = newest;
    while let Some((before, since_ms)) = first.before() {
        later.push((first, since_ms));
        first = before;
    }
    let found = seat.due(first, length, start);
    let mut counted = Counted { calendars: first, warns_ms: warns(&found), due: found };
    for (calendars, since_ms) in later.into_iter().rev() {
        let over = |due: &Result<Due, DueError>| due.as_ref().is_ok_and(|due| due.elapses_ms() <= since_ms);
        if over(&counted.due) {
            break;
        }
        let found = seat.due(calendars, length, start);
        if over(&found) {
            continue;
        }
        let warned = counted.warns_ms.filter(|warns_ms| *warns_ms <= since_ms);
        let warns_ms = warned.or_else(|| warns(&found).map(|warns_ms| warns_ms.max(since_ms)));
        counted = Counted { calendars, due: found, warns_ms };
    }
    counted
}
