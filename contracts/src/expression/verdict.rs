//! Whether a condition can come out both ways. A guard that is always true or always false is a mistake of its author,
//! and the checker tells him. Sound: "always" is never said wrongly, "depends" may be said of what is in truth fixed.
//!
//! Three things are looked at: bounds of integers and dates, the closed lists of codes, and how `&&`, `||` and `!` join
//! the conditions between them, by a truth table in the bits of one word.

use super::tree::{Codes, Comparison, Direction, Field, Node};
use crate::definition::AttributeType;
use crate::name::Code;

/// Whether an expression can come out both ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It holds whatever is reported.
    AlwaysTrue,
    /// It never holds.
    AlwaysFalse,
    /// As far as can be seen it depends on the case.
    Depends,
}

/// Conditions told apart; a truth table over so many has one bit of a word for each row. Further ones are taken as
/// unknown in every row.
const ATOMS_MAX: usize = 6;
/// For each of them the rows in which it holds.
const ROWS: [u64; ATOMS_MAX] = [
    0xAAAA_AAAA_AAAA_AAAA,
    0xCCCC_CCCC_CCCC_CCCC,
    0xF0F0_F0F0_F0F0_F0F0,
    0xFF00_FF00_FF00_FF00,
    0xFFFF_0000_FFFF_0000,
    0xFFFF_FFFF_0000_0000,
];

/// What can be said of a checked condition. Looks at each node once, whatever lies in what.
pub(super) fn verdict(node: &Node) -> Verdict {
    let mut atoms = Vec::new();
    let rows = rows(node, &mut atoms);
    let possible = possible_rows(&atoms);
    // A row that cannot be counts for nothing; at least one can, as the case is in some state.
    if possible & !rows.holds == 0 {
        Verdict::AlwaysTrue
    } else if possible & !rows.fails == 0 {
        Verdict::AlwaysFalse
    } else {
        Verdict::Depends
    }
}

/// The rows in which a condition surely holds, and those in which it surely does not.
#[derive(Clone, Copy)]
struct Rows {
    holds: u64,
    fails: u64,
}

impl Rows {
    const UNKNOWN: Self = Self { holds: 0, fails: 0 };

    fn fixed(truth: bool) -> Self {
        if truth { Self { holds: u64::MAX, fails: 0 } } else { Self { holds: 0, fails: u64::MAX } }
    }
}

/// The rows of a condition. What is not joined by `&&`, `||` and `!` and not fixed either becomes one of the atoms.
fn rows<'n>(node: &'n Node, atoms: &mut Vec<&'n Node>) -> Rows {
    match node {
        Node::Not(inner) => {
            let Rows { holds, fails } = rows(inner, atoms);
            Rows { holds: fails, fails: holds }
        }
        Node::And(all) => all.iter().fold(Rows::fixed(true), |sum, node| {
            let Rows { holds, fails } = rows(node, atoms);
            Rows { holds: sum.holds & holds, fails: sum.fails | fails }
        }),
        Node::Or(all) => all.iter().fold(Rows::fixed(false), |sum, node| {
            let Rows { holds, fails } = rows(node, atoms);
            Rows { holds: sum.holds | holds, fails: sum.fails & fails }
        }),
        Node::Bool(_)
        | Node::Integer(_)
        | Node::Date(_)
        | Node::Code(_)
        | Node::Has(_)
        | Node::HasEver(_)
        | Node::Count(_)
        | Node::Open(_)
        | Node::PresentReport(_)
        | Node::PresentField(..)
        | Node::Field(..)
        | Node::Regime(_)
        | Node::Proceeding
        | Node::DaysBetween(..)
        | Node::Sum(..)
        | Node::Compare(..)
        | Node::In(..) => match fixed(node) {
            Some(truth) => Rows::fixed(truth),
            None => {
                let place = atoms.iter().position(|atom| *atom == node).unwrap_or_else(|| {
                    atoms.push(node);
                    atoms.len().saturating_sub(1)
                });
                // Further atoms have no rows of their own; they are kept no longer than it takes to see that.
                atoms.truncate(ATOMS_MAX);
                ROWS.get(place).map_or(Rows::UNKNOWN, |holds| Rows { holds: *holds, fails: !holds })
            }
        },
    }
}

/// The rows that some value of each coded field allows. `x == a` and `x == b` never hold together; with a list of two
/// codes `x != a` and `x != b` do not either.
fn possible_rows(atoms: &[&Node]) -> u64 {
    let tests: Vec<CodeTest<'_>> = atoms.iter().zip(ROWS).filter_map(|(atom, rows)| CodeTest::of(atom, rows)).collect();
    let mut possible = u64::MAX;
    for (place, test) in tests.iter().enumerate() {
        if tests.iter().take(place).any(|earlier| earlier.tested == test.tested) {
            continue;
        }
        let same = || tests.iter().filter(|other| other.tested == test.tested);
        // `None` stands for the absent field, of which no test holds.
        let values = test.codes.iter().map(Some).chain(std::iter::once(None));
        let allowed = values.map(|value| same().fold(u64::MAX, |rows, test| rows & test.rows_of(value)));
        possible &= allowed.fold(0, |sum, rows| sum | rows);
    }
    possible
}

/// A condition that depends on nothing but one value out of a closed list.
struct CodeTest<'n> {
    tested: &'n Node,
    codes: &'n Codes,
    named: Vec<&'n Code>,
    /// Whether it holds for the codes that are not named instead.
    others: bool,
    rows: u64,
}

impl<'n> CodeTest<'n> {
    fn of(node: &'n Node, rows: u64) -> Option<Self> {
        let test =
            |tested: &'n Node, named, others| Some(Self { tested, codes: codes_of(tested)?, named, others, rows });
        match node {
            Node::Compare(comparison @ (Comparison::Equal | Comparison::Unequal), left, right) => {
                let others = *comparison == Comparison::Unequal;
                match (&**left, &**right) {
                    (Node::Code(code), tested) | (tested, Node::Code(code)) => test(tested, vec![code], others),
                    (_, _) => None,
                }
            }
            Node::In(tested, list) => {
                let named: Option<Vec<&Code>> =
                    list.iter().map(|item| if let Node::Code(code) = item { Some(code) } else { None }).collect();
                test(tested, named?, false)
            }
            Node::Bool(_)
            | Node::Integer(_)
            | Node::Date(_)
            | Node::Code(_)
            | Node::Has(_)
            | Node::HasEver(_)
            | Node::Count(_)
            | Node::Open(_)
            | Node::PresentReport(_)
            | Node::PresentField(..)
            | Node::Field(..)
            | Node::Regime(_)
            | Node::Proceeding
            | Node::DaysBetween(..)
            | Node::Sum(..)
            | Node::Compare(..)
            | Node::Not(_)
            | Node::And(_)
            | Node::Or(_) => None,
        }
    }

    /// The rows that fit a value.
    fn rows_of(&self, value: Option<&Code>) -> u64 {
        let holds = value.is_some_and(|value| self.named.contains(&value) != self.others);
        if holds { self.rows } else { !self.rows }
    }
}

fn codes_of(node: &Node) -> Option<&Codes> {
    if let Node::Field(_, Field::Outcome(codes) | Field::CodeAttribute(_, codes)) | Node::Regime(codes) = node {
        Some(codes)
    } else {
        None
    }
}

/// The truth of a condition that no report can change, `None` if it is not seen.
fn fixed(node: &Node) -> Option<bool> {
    match node {
        Node::Bool(truth) => Some(*truth),
        // What is compared as conditions may be joined itself.
        Node::And(_) | Node::Or(_) | Node::Not(_) => match verdict(node) {
            Verdict::AlwaysTrue => Some(true),
            Verdict::AlwaysFalse => Some(false),
            Verdict::Depends => None,
        },
        Node::Compare(comparison, left, right) => match when_present(*comparison, left, right)? {
            true if may_be_absent(left) || may_be_absent(right) => None,
            truth => Some(truth),
        },
        Node::In(value, list) => {
            let each: Vec<Option<bool>> =
                list.iter().map(|item| when_present(Comparison::Equal, value, item)).collect();
            let sure = list.iter().zip(&each).any(|(item, same)| *same == Some(true) && !may_be_absent(item));
            if sure && !may_be_absent(value) {
                Some(true)
            } else {
                each.iter().all(|same| *same == Some(false)).then_some(false)
            }
        }
        Node::Integer(_)
        | Node::Date(_)
        | Node::Code(_)
        | Node::Has(_)
        | Node::HasEver(_)
        | Node::Count(_)
        | Node::Open(_)
        | Node::PresentReport(_)
        | Node::PresentField(..)
        | Node::Field(..)
        | Node::Regime(_)
        | Node::Proceeding
        | Node::DaysBetween(..)
        | Node::Sum(..) => None,
    }
}

/// What a comparison gives whenever both sides are there.
fn when_present(comparison: Comparison, left: &Node, right: &Node) -> Option<bool> {
    if left == right {
        return Some(matches!(comparison, Comparison::Equal | Comparison::AtMost | Comparison::AtLeast));
    }
    if let (Some(left), Some(right)) = (bounds(left), bounds(right)) {
        return compare_bounds(comparison, left, right);
    }
    let same = match (left, right) {
        // A list of one code leaves no choice.
        (Node::Code(code), tested) | (tested, Node::Code(code)) => {
            codes_of(tested).filter(|codes| codes.len() == 1).map(|codes| codes.contains(code))
        }
        (_, _) => match (fixed(left), fixed(right)) {
            (Some(left), Some(right)) => Some(left == right),
            (_, _) => None,
        },
    };
    match comparison {
        Comparison::Equal => same,
        Comparison::Unequal => same.map(|same| !same),
        Comparison::Less | Comparison::AtMost | Comparison::Greater | Comparison::AtLeast => None,
    }
}

type Bounds = (i64, i64);

fn compare_bounds(comparison: Comparison, left: Bounds, right: Bounds) -> Option<bool> {
    let less = |(low, high): Bounds, (other_low, other_high): Bounds| {
        if high < other_low {
            Some(true)
        } else if low >= other_high {
            Some(false)
        } else {
            None
        }
    };
    let apart = less(left, right) == Some(true) || less(right, left) == Some(true);
    let equal = if apart {
        Some(false)
    } else {
        // Neither is apart and all four are one value.
        (left.0 == left.1 && left == right).then_some(true)
    };
    match comparison {
        Comparison::Equal => equal,
        Comparison::Unequal => equal.map(|equal| !equal),
        Comparison::Less => less(left, right),
        Comparison::Greater => less(right, left),
        Comparison::AtMost => less(right, left).map(|more| !more),
        Comparison::AtLeast => less(left, right).map(|less| !less),
    }
}

/// The least and the most a number can be when it is there; dates are numbers of days.
fn bounds(node: &Node) -> Option<Bounds> {
    let any_day = (i64::from(i32::MIN), i64::from(i32::MAX));
    match node {
        Node::Integer(value) => Some((*value, *value)),
        Node::Date(days) => Some((i64::from(*days), i64::from(*days))),
        Node::Count(_) | Node::Proceeding => Some((0, i64::from(u32::MAX))),
        Node::Field(_, Field::Day | Field::Effective | Field::Attribute(_, AttributeType::Date)) => Some(any_day),
        Node::Field(_, Field::Attribute(_, AttributeType::Integer { min, max })) => Some((*min, *max)),
        Node::DaysBetween(from, to) => Some(subtract(bounds(to)?, bounds(from)?)),
        Node::Sum(first, more) => {
            let mut sum = bounds(first)?;
            for (direction, node) in more {
                let part = bounds(node)?;
                sum = match direction {
                    Direction::Plus => (sum.0.saturating_add(part.0), sum.1.saturating_add(part.1)),
                    Direction::Minus => subtract(sum, part),
                };
            }
            Some(sum)
        }
        Node::Bool(_)
        | Node::Code(_)
        | Node::Has(_)
        | Node::HasEver(_)
        | Node::Open(_)
        | Node::PresentReport(_)
        | Node::PresentField(..)
        | Node::Field(..)
        | Node::Regime(_)
        | Node::Compare(..)
        | Node::In(..)
        | Node::Not(_)
        | Node::And(_)
        | Node::Or(_) => None,
    }
}

/// Saturating as the evaluation is, and so never narrower.
fn subtract(left: Bounds, right: Bounds) -> Bounds {
    (left.0.saturating_sub(right.1), left.1.saturating_sub(right.0))
}

fn may_be_absent(node: &Node) -> bool {
    match node {
        Node::Field(..) | Node::Regime(_) => true,
        Node::DaysBetween(..) | Node::Sum(..) => node.children().into_iter().any(may_be_absent),
        Node::Bool(_)
        | Node::Integer(_)
        | Node::Date(_)
        | Node::Code(_)
        | Node::Has(_)
        | Node::HasEver(_)
        | Node::Count(_)
        | Node::Open(_)
        | Node::PresentReport(_)
        | Node::PresentField(..)
        | Node::Proceeding
        | Node::Compare(..)
        | Node::In(..)
        | Node::Not(_)
        | Node::And(_)
        | Node::Or(_) => false,
    }
}
