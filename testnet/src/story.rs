//! `testnet story`: acceptance stories over real processes. Each tells step by step what was seen, at which node, at which
//! height and how long after the call that caused it; a story is sound only where every step held.

mod clerk;
pub(crate) mod corrections;
mod cut;
mod feeds;
mod look;
pub(crate) mod simulate;
mod steps;
mod told;
mod urgent;
mod world;

use std::time::Instant;

use clap::Subcommand;
use serde::Serialize;

use crate::cluster::Fault;

/// A story, and how it is told.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Story {
    /// A motion stops a removal everywhere: all well, a node dead, the enforcer or the reporter cut off.
    UrgentStop {
        /// Only with this motion.
        #[arg(long)]
        motion: Option<String>,
        /// Only in this circumstance.
        #[arg(long)]
        circumstance: Option<String>,
        /// Prints the report as JSON and nothing else to standard output.
        #[arg(long)]
        json: bool,
    },
    /// What a report brought is withdrawn with it and comes back with it; a deviation silences nothing; an idle network
    /// wakes.
    Corrections {
        /// Prints the report as JSON and nothing else to standard output.
        #[arg(long)]
        json: bool,
    },
    /// A draft of the asylum procedure is tried on the cases of a running network.
    Simulate {
        /// Cases in the network.
        #[arg(long, default_value_t = 1_000)]
        cases: u64,
        /// Chooses the cases.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Prints the report as JSON and nothing else to standard output.
        #[arg(long)]
        json: bool,
    },
}

/// What the story of the urgent stop was asked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wish {
    /// Only runs with this motion.
    pub(crate) motion: Option<String>,
    /// Only runs in this circumstance.
    pub(crate) circumstance: Option<String>,
    /// Nothing is told on the way.
    pub(crate) quiet: bool,
}

/// One thing that was to be seen.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Step {
    /// What.
    name: &'static str,
    /// On which node; empty where it is about more than one.
    node: String,
    /// The height it was seen at; 0 where no block is behind it.
    height: u64,
    /// How long after the submit call, or other deed, that caused it.
    after_ms: u64,
    /// Whether it was as it must be.
    held: bool,
    /// What was seen.
    told: String,
}

/// The story told once: a motion, a circumstance.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Run {
    motion: &'static str,
    circumstance: &'static str,
    case: String,
    held: bool,
    steps: Vec<Step>,
}

/// All that was told in one story. The names of the fields are an interface.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Report<Told> {
    story: &'static str,
    nodes: Vec<String>,
    wall_s: f64,
    held: bool,
    #[serde(flatten)]
    told: Told,
}

/// What is particular to one story.
pub(crate) trait Told: std::fmt::Display {
    /// Its steps.
    fn steps(&self) -> Vec<&Step>;
}

impl<T: Told> Report<T> {
    /// What was told by nodes since an instant; it held if every step did.
    fn of(story: &'static str, nodes: Vec<String>, begun: Instant, told: T) -> Self {
        let held = told.steps().iter().all(|step| step.held);
        Self { story, nodes, wall_s: begun.elapsed().as_secs_f64(), held, told }
    }
    pub(crate) fn is_sound(&self) -> bool {
        self.held && !self.told.steps().is_empty()
    }
    /// How many steps there are.
    #[cfg(test)]
    pub(crate) fn steps(&self) -> usize {
        self.told.steps().len()
    }
    /// Those that did not hold.
    #[cfg(test)]
    pub(crate) fn failed(&self) -> Vec<&Step> {
        self.told.steps().into_iter().filter(|step| !step.held).collect()
    }
}

/// The story of the urgent stop, told again and again.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Runs {
    runs: Vec<Run>,
}

impl Told for Runs {
    fn steps(&self) -> Vec<&Step> {
        self.runs.iter().flat_map(|run| &run.steps).collect()
    }
}

impl Report<Runs> {
    /// Motion and circumstance of each run, with the number of its steps.
    #[cfg(test)]
    pub(crate) fn runs(&self) -> Vec<(&'static str, &'static str, usize)> {
        self.told.runs.iter().map(|run| (run.motion, run.circumstance, run.steps.len())).collect()
    }
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, node, height, after_ms, held, told } = self;
        let mark = if *held { "ok    " } else { "FAILED" };
        write!(f, "{mark} {after_ms:>6} ms  height {height:>4}  {node:<12} {name}: {told}")
    }
}

impl std::fmt::Display for Runs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let failed = |run: &Run| run.steps.iter().filter(|step| !step.held).count();
        for run in &self.runs {
            let Run { motion, circumstance, steps, .. } = run;
            writeln!(f, "{motion}, {circumstance}: {} steps, {} failed", steps.len(), failed(run))?;
        }
        Ok(())
    }
}

impl<T: Told> std::fmt::Display for Report<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { story, wall_s, held, told, .. } = self;
        write!(f, "{told}{story} in {wall_s:.0} s: {}", if *held { "held" } else { "DID NOT HOLD" })
    }
}

/// Tells the story of the urgent stop.
pub(crate) async fn urgent_stop(wish: &Wish) -> Result<Report<Runs>, Fault> {
    urgent::run(wish).await
}
