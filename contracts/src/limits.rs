//! Every bound of this crate, in one place. What a text, a report or a case may grow to is named here and
//! nowhere else. Must never hold anything but constants. The values are those of formats A.7.

/// Bytes of a definition's text.
pub const TEXT_BYTES_MAX: usize = 512 * 1024;
/// Bytes of a text of which all syntax errors are told, of a longer one the first.
pub const SYNTAX_BYTES_MAX: usize = 160 * 1024;
/// Findings told at once; a text with more is told so.
pub const FINDINGS_MAX: usize = 100;
/// Notes told at once; further ones are left out.
pub const NOTES_MAX: usize = 1_024;

/// Tracks of a definition, one for each number there is.
pub const TRACKS_MAX: usize = 16;
/// Lowest track number: the fields below it in a case's tree have other uses (formats A.5).
pub const TRACK_NUMBER_MIN: u8 = 16;
/// Highest track number.
pub const TRACK_NUMBER_MAX: u8 = 31;
/// Statuses of a definition, restricted ones and classes included.
pub const STATUSES_MAX: usize = 256;
/// Roles of a definition.
pub const ROLES_MAX: usize = 64;
/// Outcome lists of a definition.
pub const OUTCOME_LISTS_MAX: usize = 16;
/// Codes of one outcome list or of one attribute.
pub const CODES_MAX: usize = 64;
/// Names a profile may leave outside.
pub const OUTSIDE_MAX: usize = 256;
/// Characters of a label.
pub const LABEL_CHARACTERS_MAX: usize = 200;
/// Characters of a legal basis.
pub const BASIS_CHARACTERS_MAX: usize = 500;

/// Regimes of a definition.
pub const REGIMES_MAX: usize = 8;
/// Deadlines of a definition.
pub const DEADLINES_MAX: usize = 256;
/// Tasks of a definition.
pub const TASKS_MAX: usize = 256;
/// Notices of a definition.
pub const NOTICES_MAX: usize = 256;
/// Locks of a definition.
pub const LOCKS_MAX: usize = 64;
/// Markers of a definition.
pub const MARKERS_MAX: usize = 256;
/// Rules of a definition.
pub const RULES_MAX: usize = 512;
/// Guards that warn, and as many that block, of a status.
pub const GUARDS_MAX: usize = 16;
/// Reason codes of a guard, and outcomes of a task.
pub const REASONS_MAX: usize = 16;
/// Names in one list of a rule's actions: as many as there are deadlines, since the rule of a closing report ends all.
pub const ACTIONS_MAX: usize = 256;
/// What one report, or one end of a deadline, may cost: all guards and conditions it has judged, and all actions of
/// its rules, in steps of an expression.
pub const CAUSE_COST_MAX: u32 = 10_000;
/// Cycles of rules told at once.
pub const CYCLES_TOLD_MAX: usize = 16;
/// How many effects may follow from one report in the end: those of its rules, of what comes due by them, and so on.
pub const CASCADE_MAX: u64 = 1_000;

/// Characters of a code (status, role, track, outcome, attribute).
pub const CODE_LENGTH_MAX: usize = 48;
/// Characters of an authority, process or profile id, at least.
pub const ID_LENGTH_MIN: usize = 2;
/// Characters of an authority, process or profile id, at most.
pub const ID_LENGTH_MAX: usize = 32;

/// Attributes of a report, and so of a status.
pub const ATTRIBUTES_MAX: usize = 16;
/// Documents of a report.
pub const DOCUMENTS_MAX: usize = 8;
/// Recipients of a report's sealed part.
pub const RECIPIENTS_MAX: usize = 32;
/// Proceedings of a case.
pub const PROCEEDINGS_MAX: u32 = 32;
/// Slots of a case, standing and retracted. The ledger counts corrections as events, too, and bounds the sum alike.
pub const EVENTS_MAX: usize = 4_096;

/// How far ahead of block time a report may say that something occurred.
pub const OCCURRED_AHEAD_MS_MAX: i64 = 24 * 3_600_000;
/// How far ahead of block time an effective day may begin: ten years, of which at most three have a leap day.
pub const EFFECTIVE_AHEAD_MS_MAX: i64 = (10 * 365 + 3) * 24 * 3_600_000;

/// Bytes of one expression.
pub const EXPRESSION_BYTES_MAX: usize = 4_096;
/// How deep parentheses, `!`, calls and lists of an expression may lie in one another.
pub const EXPRESSION_DEPTH_MAX: usize = 32;
/// What one expression may cost, in steps of its evaluation (formats A.7).
pub const EXPRESSION_COST_MAX: u32 = 1_000;
/// What asking the case something costs (`has`, `has_ever`, `count`, `last`, `open`): a search in an ordered map of at
/// most some hundred names, where every other part of an expression costs one step.
pub const EXPRESSION_FACT_COST: u32 = 5;

/// First and last year whose days a period may start on.
pub const LEGAL_YEARS: std::ops::RangeInclusive<i32> = 1_900..=2_999;
/// Areas of a calendars text.
pub const AREAS_MAX: usize = 256;
/// Characters of an area code.
pub const AREA_LENGTH_MAX: usize = 48;
/// Holidays of a calendars text.
pub const HOLIDAYS_MAX: usize = 128;
/// Seats of a calendars text.
pub const SEATS_MAX: usize = 1_024;
/// Days from Easter to a holiday: all of them stay within Easter's year.
pub const EASTER_DISTANCE_DAYS: std::ops::RangeInclusive<i64> = -80..=250;
/// Days looked through for a working day before a calendar is called unusable.
pub const DAYS_OFF_MAX: i32 = 366;
/// Days of a length.
pub const LENGTH_DAYS_MAX: u32 = 36_600;
/// Working days of a length: each of them is looked at, for every area if the seat is unknown.
pub const LENGTH_WORKING_DAYS_MAX: u32 = 366;
/// Weeks of a length.
pub const LENGTH_WEEKS_MAX: u32 = 5_200;
/// Months of a length.
pub const LENGTH_MONTHS_MAX: u32 = 1_200;
/// Years of a length.
pub const LENGTH_YEARS_MAX: u32 = 100;
/// Hours of a length by the clock: 366 days.
pub const LENGTH_HOURS_MAX: u32 = 8_784;

/// Deadlines of a case that run at once (formats A.7, as the next two).
pub const DEADLINES_RUNNING_MAX: usize = 256;
/// Tasks of a case that are open at once.
pub const TASKS_OPEN_MAX: usize = 256;
/// Locks of a case that stand at once.
pub const LOCKS_STANDING_MAX: usize = 64;
/// Effects that a case's reports may give, over ones included, and effects of a case that the ledger remembers.
pub const EFFECTS_MAX: usize = 4_096;
/// How many of these only locks and urgent notices may use.
pub const EFFECTS_RESERVED: usize = 512;
/// Departures of a case's reports from guards and locks that are told.
pub const EFFECT_DEVIATIONS_MAX: usize = 4_096;
