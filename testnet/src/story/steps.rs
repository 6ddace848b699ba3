//! What a run wrote down, step by step, and said on the way.

use std::time::Duration;

use super::world::Seen;
use super::{Run, Step};

/// The book of a run.
pub(super) struct Book {
    run: Run,
    quiet: bool,
}

/// Where and when something was seen.
#[derive(Debug, Clone, Copy)]
pub(super) struct At<'a> {
    pub(super) node: &'a str,
    pub(super) height: u64,
    pub(super) after: Duration,
}

impl<'a> At<'a> {
    pub(super) fn new(node: &'a str, height: u64, after: Duration) -> Self {
        Self { node, height, after }
    }
}

impl Book {
    pub(super) fn open(motion: &'static str, circumstance: &'static str, case: String, quiet: bool) -> Self {
        Self { run: Run { motion, circumstance, case, held: true, steps: Vec::new() }, quiet }
    }
    /// Writes down a step.
    pub(super) fn note(&mut self, name: &'static str, at: At<'_>, held: bool, told: impl Into<String>) {
        let after_ms = u64::try_from(at.after.as_millis()).unwrap_or(u64::MAX);
        let step = Step { name, node: at.node.to_owned(), height: at.height, after_ms, held, told: told.into() };
        if !self.quiet {
            eprintln!("{step}");
        }
        self.run.held &= held;
        self.run.steps.push(step);
    }
    /// Writes down what was looked for at a node, and that it was there in time.
    pub(super) fn seen(&mut self, name: &'static str, node: &str, found: Option<&Seen>, limit: Duration, told: &str) {
        match found {
            Some(seen) => {
                let late = if seen.after > limit { format!("; later than {limit:?}") } else { String::new() };
                let at = At::new(node, seen.height, seen.after);
                self.note(name, at, seen.after <= limit, format!("{told}{late}"));
            }
            None => self.note(name, At::new(node, 0, super::world::PATIENCE), false, format!("never seen: {told}")),
        }
    }
    pub(super) fn close(self) -> Run {
        self.run
    }
}
